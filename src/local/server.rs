//! Starting a server on a data directory, with a watchdog beside it, and waiting until it answers.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::installation::Installation;
use super::lease::{self, Lease};
use super::postmaster::Postmaster;
use super::unable;
use crate::error::{Error, Result};

/// How long a server stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Until the last process that uses it ends, in whatever way.
    WhileUsed,
    /// Until it is told to stop.
    UntilStopped,
}

/// How the watchdog stops the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Ends the sessions and writes everything to disk (`pg_ctl stop -m fast`).
    Fast,
    /// Ends at once; for data that nobody wants again.
    Immediate,
}

/// All that is needed to start a server.
pub(super) struct Launch<'a> {
    pub(super) installation: &'a Installation,
    /// The data directory.
    pub(super) data: &'a Path,
    /// A directory of the server's user, for the socket; the watchdog removes it when the server has ended.
    pub(super) runtime: &'a Path,
    pub(super) port: u16,
    /// `name=value`, the later wins.
    pub(super) settings: &'a [String],
    pub(super) keep: Keep,
    pub(super) stop: Stop,
    /// A locked file that the server and its watchdog hold open to their end.
    pub(super) alive: Option<File>,
    /// Where the server writes what it has to say.
    pub(super) log: &'a File,
}

/// A server that answers.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) watchdog: Child,
    pub(super) lease: Option<Lease>,
}

const WATCHDOG: &str = include_str!("watchdog.sh");

/// How long a server may take: recovery after a crash of the machine is what takes long.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// How often a file is looked at while waiting for it.
pub(super) const PAUSE: Duration = Duration::from_millis(2);

impl Launch<'_> {
    /// Starts the server and waits until it accepts connections.
    pub(super) fn start(self) -> Result<Launched> {
        let log_start = self.log.metadata().map_or(0, |metadata| metadata.size());
        let (stdin, lease) = match self.keep {
            Keep::WhileUsed => {
                let (reader, lease) = Lease::create(self.installation, self.runtime)?;
                (Stdio::from(reader), Some(lease))
            }
            Keep::UntilStopped => {
                lease::mark_kept(self.runtime)?;
                (Stdio::null(), None)
            }
        };
        let stdout = self.alive.map_or_else(Stdio::null, Stdio::from);
        let stderr = self.log.try_clone().map_err(unable("write the log of", self.data))?;
        let mut command = self.installation.system_program("sh");
        command.arg("-c").arg(WATCHDOG).arg("watchdog").arg(self.runtime);
        command.arg(if self.stop == Stop::Fast { "INT" } else { "QUIT" });
        command.arg(self.installation.binaries.directory.join("postgres"));
        command.arg("-D").arg(self.data).arg("-k").arg(self.runtime).arg("-p").arg(self.port.to_string());
        // Whatever `postgresql.conf` says, the log comes here and nobody but the server's user reaches the socket.
        let fixed = ["listen_addresses=", "unix_socket_permissions=0700", "logging_collector=off"];
        for setting in fixed.into_iter().map(OsStr::new).chain(self.settings.iter().map(OsStr::new)) {
            command.args([OsStr::new("-c"), setting]);
        }
        // A group of its own: Ctrl-C at the terminal is for the tool alone.
        command.stdin(stdin).stdout(stdout).stderr(stderr).process_group(0);
        let mut watchdog = command.spawn().map_err(unable("run a server on", self.data))?;
        drop(command);
        wait_until_ready(self.data, &mut watchdog).map_err(|error| with_log(error, self.log, log_start))?;
        Ok(Launched { watchdog, lease })
    }
}

fn wait_until_ready(data: &Path, watchdog: &mut Child) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if Postmaster::read(data).map_err(unable("read", data))?.is_some_and(|postmaster| postmaster.ready) {
            return Ok(());
        }
        if watchdog.try_wait().is_ok_and(|ended| ended.is_some()) {
            return Err(Error::failed("the local PostgreSQL did not start"));
        }
        if Instant::now() > deadline {
            return Err(Error::failed(format!("the local PostgreSQL did not start in {} s", PATIENCE.as_secs())));
        }
        std::thread::sleep(PAUSE);
    }
}

/// The last lines of a log, from byte `start` on, as notes.
fn with_log(error: Error, log: &File, start: u64) -> Error {
    const LAST: usize = 12;
    let mut bytes = vec![0; 1 << 16];
    let length = log.read_at(&mut bytes, start).unwrap_or(0);
    let text = String::from_utf8_lossy(&bytes[..length]);
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LAST)..].iter().fold(error, |error, line| error.note(*line))
}

/// Makes an empty directory that only the server's user may enter.
pub(super) fn private_directory(installation: &Installation, path: &Path) -> std::io::Result<()> {
    std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(path)?;
    installation.identity.give(path)
}

/// Whether `path` is a directory, not a link to one, of `uid`, that nobody else may write to or enter.
pub(super) fn is_private(path: &Path, uid: u32) -> bool {
    std::fs::symlink_metadata(path)
        .is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == uid && metadata.permissions().mode() & 0o077 == 0)
}
