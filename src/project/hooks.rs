//! Commands that the ini wants run on each new revision file: a formatter, `git add`.
//!
//! No shell is involved: the words that the configuration made of a line are run, with the file's path among them.

use std::path::Path;
use std::process::{self, Stdio};

use crate::child;
use crate::config::Command;
use crate::error::{Error, Result};

/// What stands for the file in a command.
const PLACEHOLDER: &str = "{}";
/// The same in Alembic's words.
const ALEMBICS_PLACEHOLDER: &str = "REVISION_SCRIPT_FILENAME";

/// A hook that ran and succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookRun {
    /// The command as it was run, passwords hidden.
    pub command: String,
    /// What it said on its standard output and error.
    pub output: String,
}

/// Runs each command on `file`, in their order; the first that fails ends it.
pub(super) fn run(commands: &[Command], file: &Path) -> Result<Vec<HookRun>> {
    commands.iter().map(|command| run_one(command, file)).collect()
}

fn run_one(command: &Command, file: &Path) -> Result<HookRun> {
    let arguments = arguments(command, file);
    let kept = format!("the new file is kept: `{}`", file.display());
    let failed = |what: String| Error::failed(format!("post-write hook `{command}` {what}")).note(kept.clone());
    let result = process::Command::new(&arguments[0]).args(&arguments[1..]).stdin(Stdio::null()).output();
    let output = match result {
        Ok(output) => output,
        Err(cause) => {
            let failed = |problem| failed(format!("cannot run: {problem}"));
            return Err(child::not_started(failed, &command.program(), &arguments[0], cause));
        }
    };
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        return Ok(HookRun { command: shown(command, file), output: said });
    }
    let error = failed(format!("failed: {}", output.status));
    let said = said.trim();
    Err(if said.is_empty() { error } else { error.note(format!("it said: {said}")) })
}

/// The command with the file in its place, passwords hidden.
fn shown(command: &Command, file: &Path) -> String {
    let line = command.to_string();
    let path = file.display().to_string();
    if line.contains(PLACEHOLDER) || line.contains(ALEMBICS_PLACEHOLDER) {
        let pieces: Vec<String> =
            line.split(PLACEHOLDER).map(|piece| piece.replace(ALEMBICS_PLACEHOLDER, &path)).collect();
        pieces.join(&path)
    } else {
        format!("{line} {path}")
    }
}

/// The program and its arguments, the file's path in its place or at the end.
fn arguments(command: &Command, file: &Path) -> Vec<String> {
    let path = file.display().to_string();
    let path = if path.starts_with('-') { format!("./{path}") } else { path };
    // The path is put in between, never looked through: it may hold a placeholder's letters itself.
    let filled = |word: &String| {
        let pieces: Vec<String> =
            word.split(PLACEHOLDER).map(|piece| piece.replace(ALEMBICS_PLACEHOLDER, &path)).collect();
        pieces.join(&path)
    };
    let mut arguments: Vec<String> = command.words.iter().map(filled).collect();
    if !command.words.iter().any(|word| word.contains(PLACEHOLDER) || word.contains(ALEMBICS_PLACEHOLDER)) {
        arguments.push(path);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::values::command;

    #[test]
    fn the_path_takes_its_place() {
        let file = Path::new("versions/a b; rm.sql");
        let words = |line: &str, file: &Path| arguments(&command(line, line).unwrap(), file);
        for (line, wanted) in [
            ("pg_format -i {}", &["pg_format", "-i", "versions/a b; rm.sql"][..]),
            ("fmt 'two words'", &["fmt", "two words", "versions/a b; rm.sql"]),
            ("fmt --file=REVISION_SCRIPT_FILENAME -q", &["fmt", "--file=versions/a b; rm.sql", "-q"]),
            ("cp {} {}.bak", &["cp", "versions/a b; rm.sql", "versions/a b; rm.sql.bak"]),
            ("f REVISION_SCRIPT_FILENAME:{}", &["f", "versions/a b; rm.sql:versions/a b; rm.sql"]),
        ] {
            assert_eq!(words(line, file), wanted, "{line}");
        }
        assert_eq!(words("f", Path::new("-x.sql")), ["f", "./-x.sql"]);
        assert_eq!(
            words("f {} REVISION_SCRIPT_FILENAME", Path::new("{}REVISION_SCRIPT_FILENAME")),
            ["f", "{}REVISION_SCRIPT_FILENAME", "{}REVISION_SCRIPT_FILENAME"]
        );
    }

    #[test]
    fn failures_name_the_command_and_the_file() {
        let file = Path::new("versions/a.sql");
        let hooks = |line: &str| run(&[command(line, line).unwrap()], file);
        let ran = hooks("echo did").unwrap();
        assert_eq!(ran[0].output, "did versions/a.sql\n");
        assert_eq!(ran[0].command, "echo did versions/a.sql");
        assert_eq!(hooks("echo 'f {}' {}").unwrap()[0].command, "echo 'f versions/a.sql' versions/a.sql");
        let error = hooks("sh -c 'echo bad >&2; exit 3'").unwrap_err();
        assert!(error.title().contains("exit 3") && error.title().contains("exit status: 3"), "{error}");
        assert_eq!(error.notes(), ["the new file is kept: `versions/a.sql`", "it said: bad"]);
        let error = hooks("no_such_program_anywhere").unwrap_err();
        assert!(error.title().contains("there is no program `no_such_program_anywhere`"), "{error}");
    }
}
