//! A project's own cluster: data in `.aludel/postgres/`, kept between commands, written to disk as on any server.
//!
//! Two files there are only ever locked. `lock` is held by whoever starts, stops or removes the server, for as long as
//! that takes. `alive` is locked by the server and its watchdog themselves, from their start to their end: it tells
//! for certain whether one lives, where a process number may since belong to somebody else.

use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use sha2::{Digest, Sha256};

use super::connection::{DEFAULT_PORT, socket_fits};
use super::installation::Installation;
use super::lease::{self, Joined, Lease};
use super::postmaster::Postmaster;
use super::server::{Keep, Launch, PATIENCE, PAUSE, Stop, is_private, private_directory};
use super::{Connection, Variables, find_binaries, initdb, locked, tree, unable};
use crate::error::{Error, Result};

/// The database that a project's cluster has from its first start.
const DATABASE: &str = "aludel";

/// A log larger than this is begun anew at the next start.
const LONGEST_LOG: u64 = 1 << 20;

/// How long a command waits at its end for the server to stop; the server stops also when it is no longer waited for.
const LONGEST_FAREWELL: Duration = Duration::from_secs(10);

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
    connection: Connection,
    origin: Origin,
    lease: Option<Lease>,
    watchdog: Option<Child>,
    local: Local,
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
        if locked::attempt(&self.home.join("alive"))?.is_some() {
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
            if let Some(alive) = locked::attempt(&self.home.join("alive"))? {
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

    /// Starts a server; `alive` is locked, so there is none.
    fn launch(&self, alive: File, keep: Keep) -> Result<Running> {
        let data = self.data();
        let owner = std::fs::metadata(&data).ok().map(|metadata| metadata.uid());
        let want = if owner.is_some() { Some(self.data_version()?) } else { None };
        let binaries = find_binaries(&self.variables, want).map_err(|error| self.explain_version(error, want))?;
        let installation = Installation::new(&self.variables, binaries, &self.home, owner)?;
        let origin = if owner.is_some() { Origin::Started } else { Origin::Created };
        if origin == Origin::Created {
            self.create(&installation, &alive)?;
        }
        self.clear_stale(&data)?;
        let runtime = self.runtime_directory(&installation)?;
        let launched = Launch {
            installation: &installation,
            data: &data,
            runtime: &runtime,
            port: DEFAULT_PORT,
            settings: &[],
            keep,
            stop: Stop::Fast,
            alive: Some(alive),
            log: &self.open_log()?,
        }
        .start()
        .map_err(|error| error.note(format!("its log is `{}`", self.log().display())))?;
        Ok(Running {
            connection: connection(&runtime, DEFAULT_PORT),
            origin,
            lease: launched.lease,
            watchdog: Some(launched.watchdog),
            local: self.clone(),
        })
    }

    /// Makes the cluster and its database, under another name until both are complete.
    fn create(&self, installation: &Installation, alive: &File) -> Result<()> {
        self.remove_unfinished()?;
        let unfinished = self.home.join(format!("{UNFINISHED}{}", uuid::Uuid::new_v4().simple()));
        private_directory(installation, &unfinished).map_err(unable("create", &unfinished))?;
        let made = initdb::initialise(installation, &unfinished, &["--auth-host=reject"], Some(alive))
            .and_then(|()| initdb::run_alone(installation, &unfinished, &format!("CREATE DATABASE {DATABASE}")))
            .and_then(|()| initdb::flush(installation, &unfinished));
        if let Err(error) = made {
            let _ = tree::remove(&unfinished);
            return Err(error);
        }
        std::fs::rename(&unfinished, self.data()).map_err(unable("rename", &unfinished))
    }

    /// Removes what a start that was killed has left.
    fn remove_unfinished(&self) -> Result<()> {
        for entry in std::fs::read_dir(&self.home).map_err(unable("read", &self.home))?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                tree::remove(&entry.path()).map_err(unable("remove", &entry.path()))?;
            }
        }
        Ok(())
    }

    /// Removes `postmaster.pid` of a server that is no more, which PostgreSQL itself would take for a living one where
    /// the number belongs to another process by now. A server that somebody started by hand answers, and is left alone.
    fn clear_stale(&self, data: &Path) -> Result<()> {
        let Some(socket) = Postmaster::read(data).map_err(unable("read", data))?.and_then(|found| found.socket())
        else {
            return Ok(());
        };
        if UnixStream::connect(&socket).is_ok() {
            return Err(Error::failed(format!("a server that this tool did not start runs on `{}`", data.display()))
                .note(format!("it listens on `{}`", socket.display()))
                .hint(format!("pg_ctl stop -D {}", data.display())));
        }
        let path = Postmaster::path(data);
        std::fs::remove_file(&path).map_err(unable("remove", &path))
    }

    /// Makes the directory of the socket: the same name each time, so that a URL stays right. What a killed server left
    /// there is removed; where somebody else has taken the name, the next one serves.
    fn runtime_directory(&self, installation: &Installation) -> Result<PathBuf> {
        let hash = Sha256::digest(std::os::unix::ffi::OsStrExt::as_bytes(self.home.as_os_str()));
        let hash: String = hash.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
        let own = installation.identity.uid();
        let parents = ["/tmp".into()].into_iter().chain(self.variables.xdg_runtime_dir.clone());
        let mut refused = None;
        for parent in parents.chain(self.variables.tmpdir.clone()) {
            for suffix in ["", "-1", "-2", "-3"] {
                let path = parent.join(format!("aludel-{hash}{suffix}"));
                if !path.is_absolute() || !socket_fits(&path, DEFAULT_PORT) {
                    continue;
                }
                if is_private(&path, own) {
                    tree::remove(&path).map_err(unable("remove", &path))?;
                }
                match private_directory(installation, &path) {
                    Ok(()) => return Ok(path),
                    Err(error) => refused = Some(unable("create", &path)(error)),
                }
            }
        }
        let error = refused.unwrap_or_else(|| Error::failed("no directory for a socket"));
        Err(error.hint("make /tmp writable, or set XDG_RUNTIME_DIR to a directory with a short path"))
    }

    fn stop_locked(&self) -> Result<bool> {
        self.check_owner()?;
        let alive = self.home.join("alive");
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

    /// The major version of the data.
    fn data_version(&self) -> Result<u32> {
        let path = self.data().join("PG_VERSION");
        let text = std::fs::read_to_string(&path).map_err(unable("read", &path))?;
        text.trim().parse().map_err(unable("read a version in", &path))
    }

    /// Says why no other version will do.
    fn explain_version(&self, error: Error, want: Option<u32>) -> Error {
        match want {
            Some(want) => error
                .note(format!("the data in `{}` are PostgreSQL {want}'s", self.home.display()))
                .hint("or `aludel local destroy`, to begin with an empty database of the version that is here"),
            None => error,
        }
    }

    fn open_log(&self) -> Result<File> {
        let path = self.log();
        let file = File::options().read(true).append(true).create(true).open(&path).map_err(unable("open", &path))?;
        if file.metadata().is_ok_and(|metadata| metadata.len() > LONGEST_LOG) {
            file.set_len(0).map_err(unable("shorten", &path))?;
        }
        Ok(file)
    }

    /// What `postmaster.pid` says, and the directory of the socket.
    fn postmaster(&self) -> Result<Option<(Postmaster, PathBuf)>> {
        let found = Postmaster::read(&self.data()).map_err(unable("read", &self.data()))?;
        Ok(found.and_then(|found| found.socket_directory.clone().map(|runtime| (found, runtime))))
    }
}

/// What the name of an unfinished data directory begins with.
const UNFINISHED: &str = "unfinished-";

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
        let variables = &self.local.variables;
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
        let alive = self.local.home.join("alive");
        let deadline = Instant::now() + LONGEST_FAREWELL;
        while lease::is_ending(&self.connection.socket_directory)
            && Instant::now() < deadline
            && matches!(locked::attempt(&alive), Ok(None))
        {
            std::thread::sleep(PAUSE);
        }
        if let Some(watchdog) = &mut self.watchdog {
            let _ = watchdog.try_wait();
        }
    }
}

fn connection(runtime: &Path, port: u16) -> Connection {
    Connection { socket_directory: runtime.to_owned(), port, database: DATABASE.to_owned() }
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
