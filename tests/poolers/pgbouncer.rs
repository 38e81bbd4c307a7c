//! A PgBouncer of a test's own, on a unix socket in a directory of its own.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aludel::local::Connection;

/// A running PgBouncer, ended with its value.
pub struct Bouncer {
    directory: tempfile::TempDir,
    child: Child,
}

/// The port in the name of its socket.
const PORT: u16 = 6432;

impl Bouncer {
    /// Starts one before the server; `settings` are lines of its ini, `connect_query` belongs to each database.
    pub fn start(server: &Connection, mode: &str, settings: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("bouncer-").tempdir().expect("a temporary directory");
        // It refuses to be root.
        let user = rustix::process::geteuid().is_root().then(postgres);
        let path = directory.path();
        std::fs::set_permissions(path, Permissions::from_mode(0o777)).expect("the directory is opened");
        std::fs::write(path.join("users"), "\"postgres\" \"\"\n\"reader\" \"\"\n").expect("a file");
        let (of_databases, settings): (Vec<&str>, Vec<&str>) =
            settings.lines().partition(|line| line.starts_with("connect_query"));
        let ini = format!(
            "[databases]\n* = host={} port={} {}\n[pgbouncer]\nlisten_addr =\nlisten_port = {PORT}\nunix_socket_dir = {shown}\n\
             auth_type = trust\nauth_file = {shown}/users\npool_mode = {mode}\nmax_client_conn = 1000\n\
             logfile = {shown}/log\n{}\n",
            server.socket_directory.display(),
            server.port,
            of_databases.join(" "),
            settings.join("\n"),
            shown = path.display(),
        );
        std::fs::write(path.join("ini"), ini).expect("a file");
        let mut command = Command::new(program());
        command.arg("-q").arg(path.join("ini")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some((uid, gid)) = user {
            command.uid(uid).gid(gid);
        }
        let mut child = command.spawn().expect("PgBouncer starts");
        let socket = path.join(format!(".s.PGSQL.{PORT}"));
        let until = Instant::now() + Duration::from_secs(10);
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            let ended = child.try_wait().expect("its state");
            let log = || std::fs::read_to_string(path.join("log")).unwrap_or_default();
            assert!(ended.is_none() && Instant::now() < until, "PgBouncer does not start: {}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { directory, child }
    }

    /// The URL of a database behind it.
    pub fn url(&self, database: &str) -> String {
        self.url_as("postgres", database)
    }

    /// The directory of its socket.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The same for another role.
    pub fn url_as(&self, role: &str, database: &str) -> String {
        format!("postgresql:///{database}?host={}&port={PORT}&user={role}", self.directory.path().display())
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program; Debian keeps it where only administrators look.
fn program() -> PathBuf {
    let path = crate::support::variables().path.unwrap_or_default();
    let directories = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    directories
        .map(|directory| directory.join("pgbouncer"))
        .find(|file| file.is_file())
        .expect("these tests need PgBouncer: `apt-get install pgbouncer`")
}

/// User and group of PostgreSQL's own account.
fn postgres() -> (u32, u32) {
    let users = std::fs::read_to_string(Path::new("/etc/passwd")).expect("the users");
    let line = users.lines().find(|line| line.starts_with("postgres:")).expect("a user `postgres`, for PgBouncer");
    let number = |field: usize| line.split(':').nth(field).and_then(|text| text.parse().ok()).expect("a number");
    (number(2), number(3))
}
