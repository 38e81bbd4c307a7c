//! Making a data directory, and running SQL in it before there is a server.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use super::connection::SUPERUSER;
use super::installation::Installation;
use super::unable;
use crate::error::{Error, Result};

/// What every cluster is made with. The locale is the one that every machine has; trust holds for the socket alone.
pub(super) const ARGUMENTS: [&str; 4] = ["--encoding=UTF8", "--no-locale", "--auth-local=trust", "--no-sync"];

/// Makes a cluster in `data`, an empty directory of the server's user; nothing is flushed to the disk yet (see
/// [`flush`]). `alive` is held open by `initdb` to the end, so that its lock tells whether one is still at work.
pub(super) fn initialise(
    installation: &Installation,
    data: &Path,
    arguments: &[&str],
    alive: Option<&File>,
) -> Result<()> {
    let mut command = installation.server_program("initdb");
    command.args(ARGUMENTS).args(arguments).arg(format!("--username={SUPERUSER}")).arg("-D").arg(data);
    if let Some(alive) = alive {
        command.stdin(alive.try_clone().map_err(unable("open", data))?);
    }
    let output = command.output().map_err(unable("run", &installation.binaries.directory.join("initdb")))?;
    succeeded("initdb", data, &output)
}

/// Runs `sql`, one statement a line, in the database `postgres` of a cluster without a server.
pub(super) fn run_alone(installation: &Installation, data: &Path, sql: &str) -> Result<()> {
    let mut command = installation.server_program("postgres");
    command.args(["--single", "-c", "fsync=off", "-c", "exit_on_error=on"]);
    // Versions before 14 store passwords as MD5 otherwise.
    command.args(["-c", "password_encryption=scram-sha-256", "-D"]).arg(data).arg("postgres");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(unable("run", &installation.binaries.directory.join("postgres")))?;
    if let Some(mut input) = child.stdin.take() {
        // A server that ends early says why on stderr; the broken pipe says nothing more.
        let _ = writeln!(input, "{sql}");
    }
    let output = child.wait_with_output().map_err(unable("run a server on", data))?;
    succeeded("postgres --single", data, &output)
}

/// Flushes a cluster that was made without doing so.
pub(super) fn flush(installation: &Installation, data: &Path) -> Result<()> {
    let mut command = installation.server_program("initdb");
    command.arg("--sync-only").arg("-D").arg(data);
    let output = command.output().map_err(unable("run", &installation.binaries.directory.join("initdb")))?;
    succeeded("initdb --sync-only", data, &output)
}

/// The program's own words where it failed.
fn succeeded(program: &str, data: &Path, output: &Output) -> Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let error = Error::failed(format!("`{program}` could not make a PostgreSQL in `{}`", data.display()));
    let error = error.note(format!("it ended with {}", output.status));
    Err(said.lines().filter(|line| !line.trim().is_empty()).fold(error, Error::note))
}
