//! A cluster for tests and scratch work: in memory where there is room, without a flush to disk, gone with its owner.
//!
//! Gone also when the owner is killed: the watchdog sees the owner's end of the FIFO closed, stops the server and
//! removes the directory.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Instant;

use super::connection::{DEFAULT_PORT, SUPERUSER, socket_fits};
use super::installation::Installation;
use super::lease::Lease;
use super::server::{Keep, Launch, PATIENCE, PAUSE, Stop, private_directory};
use super::{Binaries, Connection, Variables, find_binaries, initdb, template_cluster, tree, unable};
use crate::error::{Error, Result};
use crate::model::sql::quote;

/// What an ephemeral cluster is to be like.
#[derive(Clone, Debug, Default)]
pub struct EphemeralOptions {
    /// The major version, where it matters.
    pub major: Option<u32>,
    /// Server settings, `name=value`.
    pub settings: Vec<String>,
    /// Listen on 127.0.0.1 as well, on a free port, and ask for this password there.
    pub tcp_password: Option<String>,
}

/// A running cluster that is stopped and removed when this is dropped, or when its process ends in any way.
#[derive(Debug)]
pub struct Ephemeral {
    connection: Connection,
    binaries: Binaries,
    directory: PathBuf,
    lease: Option<Lease>,
    watchdog: Child,
}

/// Fast and small. `wal_level=minimal` forbids logical replication: override it where that is tested.
const SETTINGS: [&str; 12] = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=256MB",
    "checkpoint_timeout=1d",
    "autovacuum=off",
    "jit=off",
    "shared_buffers=32MB",
    "max_connections=200",
    "dynamic_shared_memory_type=mmap",
];

/// The room in memory that a cluster may grow into.
const ROOM: u64 = 400 << 20;

impl Ephemeral {
    /// Starts a fresh cluster; the first of a version takes about a second, the next ones a tenth.
    ///
    /// # Errors
    /// No server programs, nobody who could run them, no room, or a server that does not start.
    pub fn start(variables: &Variables, options: &EphemeralOptions) -> Result<Self> {
        let binaries = find_binaries(variables, options.major)?;
        let (scratch, installation) = place(variables, &binaries)?;
        let mut attempts = 3;
        loop {
            match Self::start_in(&scratch, &installation, options) {
                // Somebody else may have taken the port between our looking and the server's binding.
                Err(_) if options.tcp_password.is_some() && attempts > 1 => attempts -= 1,
                outcome => return outcome,
            }
        }
    }

    fn start_in(scratch: &Path, installation: &Installation, options: &EphemeralOptions) -> Result<Self> {
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let directory = scratch.join(format!("aludel-{}", &unique[..10]));
        private_directory(installation, &directory).map_err(unable("create", &directory))?;
        let started = Self::launch(scratch, &directory, installation, options);
        if started.is_err() {
            let _ = tree::remove(&directory);
        }
        started
    }

    fn launch(
        scratch: &Path,
        directory: &Path,
        installation: &Installation,
        options: &EphemeralOptions,
    ) -> Result<Self> {
        let data = directory.join("data");
        template_cluster::make(installation, &data, scratch)?;
        let mut settings: Vec<String> = SETTINGS.map(str::to_owned).into();
        let mut port = DEFAULT_PORT;
        if let Some(password) = &options.tcp_password {
            let sql = format!("ALTER ROLE {SUPERUSER} PASSWORD {}", quote::literal(password));
            initdb::run_alone(installation, &data, &sql)?;
            port = free_port().map_err(|error| Error::failed("no free TCP port on 127.0.0.1").cause(error))?;
            settings.push("listen_addresses=127.0.0.1".to_owned());
        }
        settings.extend(options.settings.iter().cloned());
        let log_path = directory.join("log");
        let log = File::options().read(true).append(true).create(true).open(&log_path);
        let launched = Launch {
            installation,
            data: &data,
            runtime: directory,
            port,
            settings: &settings,
            keep: Keep::WhileUsed,
            stop: Stop::Immediate,
            alive: None,
            log: &log.map_err(unable("create", &log_path))?,
        }
        .start()?;
        Ok(Self {
            connection: Connection { socket_directory: directory.to_owned(), port, database: "postgres".to_owned() },
            binaries: installation.binaries.clone(),
            directory: directory.to_owned(),
            lease: launched.lease,
            watchdog: launched.watchdog,
        })
    }

    /// How to reach its database `postgres`, as its superuser.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The programs it runs on.
    #[must_use]
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// Its directory: socket, data, and `log`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Ephemeral {
    fn drop(&mut self) {
        self.lease = None;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && !matches!(self.watchdog.try_wait(), Ok(Some(_)) | Err(_)) {
            std::thread::sleep(PAUSE);
        }
        // The watchdog has removed it, unless it was killed.
        let _ = tree::remove(&self.directory);
    }
}

/// Memory where there is room, else the directory of temporary files; the first that a server's user can enter.
fn place(variables: &Variables, binaries: &Binaries) -> Result<(PathBuf, Installation)> {
    let memory = PathBuf::from("/dev/shm");
    let roomy = rustix::fs::statvfs(&memory).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) >= ROOM);
    let candidates = [roomy.then_some(memory), variables.tmpdir.clone(), Some("/tmp".into())];
    let mut refused = None;
    for candidate in candidates.into_iter().flatten() {
        if !candidate.is_dir() || !socket_fits(&candidate.join("aludel-0123456789"), u16::MAX) {
            continue;
        }
        match Installation::new(variables, binaries.clone(), &candidate, None) {
            Ok(installation) if is_writable(&candidate) => return Ok((candidate, installation)),
            Ok(_) => {}
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.unwrap_or_else(|| {
        Error::failed("no directory for a temporary PostgreSQL")
            .note("tried /dev/shm, TMPDIR and /tmp: each was missing, not writable, or too long a path for a socket")
            .hint("set TMPDIR to a directory with a short path that you can write to")
    }))
}

fn is_writable(directory: &Path) -> bool {
    rustix::fs::access(directory, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok()
}

/// A port that is free now.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
