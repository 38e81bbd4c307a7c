//! A project's own cluster: data in `.aludel/postgres/`, kept between commands, written to disk as on any server.
//!
//! Two files there are only ever locked. `lock` is held by whoever starts, stops or removes the server, for as long as
//! that takes. `alive` is locked by the server and its watchdog themselves, from their start to their end: it tells
//! for certain whether one lives, where a process number may since belong to somebody else.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::process::{Pid, Signal};

use super::lease::{self, Joined, Lease};
use super::postmaster::Postmaster;
use super::running::{Origin, Running, connection};
use super::server::{Keep, PATIENCE, PAUSE};
use super::{Connection, Variables, locked, tree, unable};
use crate::error::{Error, Result};

/// The cluster of one project, running or not.
#[derive(Clone, Debug)]
pub struct Local {
    variables: Variables,
    /// `.aludel/postgres` of the project.
    home: PathBuf,
}

/// What a project's cluster is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// There is none; the first start makes it.
    Absent,
    /// It has data and no server.
    Stopped,
    /// Its server is up.
    Running {
        /// The server's process.
        pid: u32,
        /// How to reach it.
        connection: Connection,
        /// How long it stays.
        keep: Keep,
    },
}

impl Local {
    /// The cluster of the project in `directory`; looks at nothing but where that is.
    ///
    /// # Errors
    /// The directory does not exist.
    pub fn at(directory: &Path, variables: Variables) -> Result<Self> {
        let directory = std::fs::canonicalize(directory).map_err(unable("open", directory))?;
        Ok(Self { variables, home: directory.join(".aludel").join("postgres") })
    }

    /// The variables that it was given.
    pub(super) fn variables(&self) -> &Variables {
        &self.variables
    }

    /// `.aludel/postgres`.
    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// The file that the server and its watchdog have locked.
    pub(super) fn alive(&self) -> PathBuf {
        self.home.join("alive")
    }

    /// The data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// Where the server writes its log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.home.join("log")
    }

    /// Makes sure that the server is up, and stays up for as long as the result lives.
    ///
    /// # Errors
    /// No server programs, of the right version, or nobody who may run them; data of another user; a server that does
    /// not start.
    pub fn ensure_running(&self) -> Result<Running> {
        self.acquire(Keep::WhileUsed)
    }

    /// Makes sure that the server is up and stays up until [`Self::stop`].
    ///
    /// # Errors
    /// As for [`Self::ensure_running`].
    pub fn start(&self) -> Result<Running> {
        self.acquire(Keep::UntilStopped)
    }

    /// Stops the server, whoever uses it; false where none was running.
    ///
    /// # Errors
    /// The server belongs to another user, or does not stop.
    pub fn stop(&self) -> Result<bool> {
        if !self.home.exists() {
            return Ok(false);
        }
        let _transition = locked::wait(&self.home.join("lock"))?;
        self.stop_locked()
    }

    /// Stops the server and removes its data; false where there were none.
    ///
    /// # Errors
    /// As for [`Self::stop`], or the files cannot be removed.
    pub fn destroy(&self) -> Result<bool> {
        if !self.home.exists() {
            return Ok(false);
        }
        // The locks stay: somebody may be waiting for them.
        let _transition = locked::wait(&self.home.join("lock"))?;
        self.stop_locked()?;
        self.remove_unfinished()?;
        let data = self.data();
        let removed = tree::remove(&data).map_err(unable("remove", &data))?;
        let _ = std::fs::remove_file(self.log());
        Ok(removed)
    }

    /// How many bytes its data are.
    #[must_use]
    pub fn size(&self) -> u64 {
        tree::size(&self.data())
    }

    /// What the cluster is doing; changes nothing. Waits for a start or a stop that is under way.
    ///
    /// # Errors
    /// The data belong to another user.
    pub fn status(&self) -> Result<Status> {
        let data = self.data();
        if !data.exists() {
            return Ok(Status::Absent);
        }
        let _transition = locked::wait(&self.home.join("lock"))?;
        self.check_owner()?;
        if locked::attempt(&self.alive())?.is_some() {
            return Ok(Status::Stopped);
        }
        let Some((postmaster, runtime)) = self.postmaster()? else { return Ok(Status::Stopped) };
        let keep = if lease::is_kept(&runtime) { Keep::UntilStopped } else { Keep::WhileUsed };
        Ok(Status::Running { pid: postmaster.pid, connection: connection(&runtime, postmaster.port), keep })
    }

    fn acquire(&self, keep: Keep) -> Result<Running> {
        self.make_home()?;
        let _transition = locked::wait(&self.home.join("lock"))?;
        self.check_owner()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(alive) = locked::attempt(&self.alive())? {
                return self.launch(alive, keep);
            }
            if let Some(running) = self.join(keep)? {
                return Ok(running);
            }
            if Instant::now() > deadline {
                return Err(Error::failed("the local PostgreSQL neither answers nor stops")
                    .note(format!("its log is `{}`", self.log().display()))
                    .hint("aludel local stop"));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// A share in the server that is running; nothing where it is on its way up or down.
    fn join(&self, keep: Keep) -> Result<Option<Running>> {
        let Some((postmaster, runtime)) = self.postmaster()?.filter(|(postmaster, _)| postmaster.ready) else {
            return Ok(None);
        };
        let lease = match keep {
            Keep::UntilStopped if lease::keep(&runtime)? => None,
            Keep::UntilStopped => return Ok(None),
            Keep::WhileUsed => match Lease::join(&runtime)? {
                Joined::Leased(lease) => Some(lease),
                Joined::Kept => None,
                Joined::Closing => return Ok(None),
            },
        };
        // It may have crashed, and its watchdog not yet have tidied up.
        if !is_process(postmaster.pid) {
            return Ok(None);
        }
        let connection = connection(&runtime, postmaster.port);
        Ok(Some(Running { connection, origin: Origin::Found, lease, watchdog: None, local: self.clone() }))
    }

    fn stop_locked(&self) -> Result<bool> {
        self.check_owner()?;
        let alive = self.alive();
        let deadline = Instant::now() + PATIENCE;
        let mut told = None;
        while locked::attempt(&alive)?.is_none() {
            // Asked again and again: a start that was killed may have a server that has not written its number yet.
            let postmaster = Postmaster::read(&self.data()).map_err(unable("read", &self.data()))?;
            if let Some(pid) = postmaster.map(|postmaster| postmaster.pid).filter(|pid| told != Some(*pid)) {
                signal(pid, Signal::INT)?;
                told = Some(pid);
            }
            if Instant::now() > deadline {
                return Err(Error::failed("the local PostgreSQL does not stop")
                    .note(format!("its log is `{}`", self.log().display())));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(told.is_some())
    }

    /// Makes `.aludel/postgres/`, which the server's user must be able to enter, and keeps git from it.
    fn make_home(&self) -> Result<()> {
        let parent = self.home.parent().unwrap_or(&self.home);
        for directory in [parent, &self.home] {
            match std::fs::create_dir(directory) {
                Ok(()) => std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755))
                    .map_err(unable("open to the server's user", directory))?,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(unable("create", directory)(error)),
            }
        }
        let ignore = self.home.join(".gitignore");
        if !ignore.exists() {
            std::fs::write(&ignore, "*\n").map_err(unable("write", &ignore))?;
        }
        Ok(())
    }

    /// Data of another user are of no use, except to root.
    fn check_owner(&self) -> Result<()> {
        let own = rustix::process::geteuid();
        let owner = std::fs::metadata(self.data()).map_or(own.as_raw(), |metadata| metadata.uid());
        if own.is_root() || owner == own.as_raw() {
            return Ok(());
        }
        Err(Error::failed(format!("the local PostgreSQL in `{}` belongs to another user", self.home.display()))
            .note(format!("to the user number {owner}; this is number {}", own.as_raw()))
            .hint("run the command as that user, or as root `aludel local destroy`"))
    }

    /// What `postmaster.pid` says, and the directory of the socket.
    fn postmaster(&self) -> Result<Option<(Postmaster, PathBuf)>> {
        let found = Postmaster::read(&self.data()).map_err(unable("read", &self.data()))?;
        Ok(found.and_then(|found| found.socket_directory.clone().map(|runtime| (found, runtime))))
    }
}

fn is_process(pid: u32) -> bool {
    process(pid).is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
}

/// Sends a signal; a process that has ended meanwhile is none to complain about.
fn signal(pid: u32, signal: Signal) -> Result<()> {
    let Some(process) = process(pid) else { return Ok(()) };
    match rustix::process::kill_process(process, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(Error::failed(format!("cannot stop the local PostgreSQL, process {pid}")).cause(error)),
    }
}

fn process(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}
