//! The binary: the command line's exit code becomes the process's.

use std::process::ExitCode;

fn main() -> ExitCode {
    aludel::cli::main()
}
