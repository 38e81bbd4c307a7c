//! A project's server while somebody uses it.

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::lease::{self, Lease};
use super::server::PAUSE;
use super::{Connection, Local, find_binaries, locked, unable};
use crate::error::{Error, Result};

/// The database that a project's cluster has from its first start.
pub(super) const DATABASE: &str = "aludel";

/// How long a command waits at its end for the server to stop; the server stops also when it is no longer waited for.
const LONGEST_FAREWELL: Duration = Duration::from_secs(10);

/// Whether a server was there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was running.
    Found,
    /// It was started, on data from an earlier time.
    Started,
    /// It was made and started.
    Created,
}

/// A server that is up, and stays up while this value lives.
///
/// Dropping it, if nobody else uses the server and it is not to be kept, waits until the server has stopped.
#[derive(Debug)]
pub struct Running {
    pub(super) connection: Connection,
    pub(super) origin: Origin,
    pub(super) lease: Option<Lease>,
    pub(super) watchdog: Option<Child>,
    pub(super) local: Local,
}

impl Running {
    /// How to reach the project's database.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether the server was there already.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// `psql` for the project's database, with `arguments` after the address. Call `exec` on it: the program that takes
    /// this process's place then holds the server up.
    ///
    /// # Errors
    /// There is no psql.
    pub fn psql(&self, arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Command> {
        let variables = self.local.variables();
        let beside = find_binaries(variables, None).ok().map(|binaries| binaries.directory.join("psql"));
        let program = beside.filter(|path| path.is_file()).or_else(|| variables.program("psql")).ok_or_else(|| {
            Error::failed("psql is not installed here")
                .note(format!("any client can connect to {}", self.connection.url()))
                .hint("Debian, Ubuntu: apt-get install postgresql-client")
        })?;
        if let Some(lease) = &self.lease {
            lease.pass_on().map_err(unable("hand on the server to", &program))?;
        }
        let mut command = Command::new(program);
        command.arg(self.connection.url()).args(arguments);
        Ok(command)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.lease.take().is_none() {
            return;
        }
        // Stopping is the watchdog's work. Waiting for it here keeps the promise that nothing goes on after a command.
        let (alive, runtime) = (self.local.alive(), &self.connection.socket_directory);
        let deadline = Instant::now() + LONGEST_FAREWELL;
        while Instant::now() < deadline && (lease::is_ending(runtime) || !runtime.exists()) {
            if !matches!(locked::attempt(&alive), Ok(None)) {
                // Collects its exit, or it would stay a zombie where process 1 collects nothing, as in many containers.
                let _ = self.watchdog.as_mut().map(Child::wait);
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// The address of a project's server.
pub(super) fn connection(runtime: &Path, port: u16) -> Connection {
    Connection { socket_directory: runtime.to_owned(), port, database: DATABASE.to_owned() }
}
