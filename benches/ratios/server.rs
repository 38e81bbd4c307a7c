//! The servers that the rows run on, and a fresh database for each run.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use aludel::local::{Binaries, Connection, Ephemeral, EphemeralOptions, Local, Running, Variables, find_binaries};
use postgres::{Client, NoTls};

/// A running PostgreSQL.
pub struct Server {
    connection: Connection,
    binaries: Binaries,
    _running: Kept,
}

/// What keeps it running, and goes with it.
enum Kept {
    Memory(#[expect(dead_code, reason = "kept for its end")] Ephemeral),
    Disk(
        #[expect(dead_code, reason = "kept for its end")] Running,
        #[expect(dead_code, reason = "the same")] tempfile::TempDir,
    ),
}

/// What a server does by default; the launcher's own settings are for tests, and faster.
const DEFAULTS: [&str; 6] = [
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "wal_level=replica",
    "max_wal_size=1GB",
    "shared_buffers=128MB",
];

fn variables() -> Variables {
    Variables::look_up(|name| std::env::var_os(name))
}

impl Server {
    /// With its data in memory.
    pub fn in_memory() -> Self {
        let settings = DEFAULTS.map(str::to_owned).into();
        let options = EphemeralOptions { settings, ..EphemeralOptions::default() };
        let cluster = Ephemeral::start(&variables(), &options).unwrap_or_else(|error| panic!("{error:#?}"));
        let (connection, binaries) = (cluster.connection().clone(), cluster.binaries().clone());
        Self { connection, binaries, _running: Kept::Memory(cluster) }
    }

    /// With its data on disk: every COMMIT waits for it.
    pub fn on_disk() -> Result<Self, String> {
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        let directory = tempfile::Builder::new().prefix("ratios-").permissions(everybody).tempdir();
        let directory = directory.map_err(|error| error.to_string())?;
        let local = Local::at(directory.path(), variables()).map_err(|error| error.to_string())?;
        let running = local.ensure_running().map_err(|error| error.to_string())?;
        let binaries = find_binaries(&variables(), None).map_err(|error| error.to_string())?;
        Ok(Self { connection: running.connection().clone(), binaries, _running: Kept::Disk(running, directory) })
    }

    /// `PostgreSQL 15.14`.
    pub fn version(&self) -> String {
        format!("PostgreSQL {}", self.binaries.major)
    }

    /// A client program of the server's own version: beside the server, wherever a link to that leads.
    pub fn program(&self, name: &str) -> PathBuf {
        let server = self.binaries.directory.join("postgres");
        let beside = server.canonicalize().unwrap_or(server).with_file_name(name);
        if beside.is_file() { beside } else { name.into() }
    }

    /// Where its socket is.
    pub fn socket(&self) -> PathBuf {
        self.connection.socket_directory.join(format!(".s.PGSQL.{}", self.connection.port))
    }

    pub fn client(&self, database: &str) -> Client {
        Client::connect(&self.connection.database(database).url(), NoTls).unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// A fresh database, dropped with the value; a copy of `template`, or empty.
    pub fn database(&self, template: Option<&Database<'_>>) -> Database<'_> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("ratio_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let template = template.map_or("template0", |template| &template.name);
        // What the copy leaves to be written must not be written while the clock runs.
        self.admin(&format!("CREATE DATABASE {name} TEMPLATE {template}"));
        self.admin("CHECKPOINT");
        Database { url: self.connection.database(&name).url(), name, server: self }
    }

    fn admin(&self, sql: &str) {
        self.client("postgres").batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
}

/// A database of one run.
pub struct Database<'a> {
    pub name: String,
    pub url: String,
    server: &'a Server,
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        self.server.admin(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}
