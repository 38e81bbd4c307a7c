//! What the end-to-end tests stand on: one PostgreSQL for a test process, a database for a test, a project directory,
//! and the real binary run in a still world (cleared environment, replaced times and paths).
//!
//! The server is the tool's own launcher at work. Rust drops no statics, so nobody here stops it: its watchdog does,
//! when this process ends, in whatever way (`local_server.rs` proves it).
#![allow(dead_code, reason = "each test binary uses a part")]

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};

use aludel::local::{Connection, Ephemeral, EphemeralOptions, Variables};
use postgres::{Client, NoTls};

/// The variables of this process, for the launcher.
pub fn variables() -> Variables {
    #[allow(clippy::disallowed_methods, reason = "tests stand above config.rs")]
    Variables::look_up(|name| std::env::var_os(name))
}

/// A running PostgreSQL.
pub struct Server {
    pub cluster: Ephemeral,
    /// Makes and drops databases.
    admin: Mutex<Client>,
    pg_dump_knows_restrict_key: bool,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(&EphemeralOptions::default()));

/// The server of this test process, started at its first use.
pub fn server() -> &'static Server {
    &SERVER
}

impl Server {
    /// A server of one's own, for tests of settings, passwords and crashes; stopped when dropped.
    pub fn start(options: &EphemeralOptions) -> Self {
        let cluster = Ephemeral::start(&variables(), options).unwrap_or_else(|error| panic!("{error:#?}"));
        let admin = Mutex::new(connect(cluster.connection()));
        let help = Command::new(program(&cluster, "pg_dump")).arg("--help").output().expect("pg_dump runs");
        let pg_dump_knows_restrict_key = String::from_utf8_lossy(&help.stdout).contains("--restrict-key");
        Self { cluster, admin, pg_dump_knows_restrict_key }
    }

    /// Runs SQL in the database `postgres`.
    pub fn admin(&self, sql: &str) {
        let mut admin = self.admin.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        admin.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// A fresh, empty database.
    pub fn database(&self) -> Database<'_> {
        self.copy_of("template0")
    }

    fn copy_of(&self, template: &str) -> Database<'_> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        // Copying files takes half the time of writing them to the log; versions before 15 know nothing else.
        let strategy = if self.cluster.binaries().major >= 15 { "STRATEGY file_copy" } else { "" };
        self.admin(&format!("CREATE DATABASE {name} TEMPLATE {template} {strategy}"));
        Database { connection: self.cluster.connection().database(&name), name, server: self }
    }
}

/// A client program: of the server's own version, or the one in PATH where the package has none.
fn program(cluster: &Ephemeral, name: &str) -> PathBuf {
    let beside = cluster.binaries().directory.join(name);
    if beside.is_file() { beside } else { name.into() }
}

fn connect(connection: &Connection) -> Client {
    Client::connect(&connection.url(), NoTls).unwrap_or_else(|error| panic!("{}: {error:?}", connection.url()))
}

/// A database of one test; dropped with it, unless the test failed.
pub struct Database<'a> {
    pub name: String,
    connection: Connection,
    server: &'a Server,
}

impl Database<'static> {
    /// A fresh, empty database on the server of this process.
    pub fn create() -> Self {
        server().database()
    }
}

impl Database<'_> {
    /// Its URL, over the unix socket: for the tool, psql and `postgres::Client`.
    pub fn url(&self) -> String {
        self.connection.url()
    }

    /// A copy of it, to go on from; nobody may be connected to it.
    pub fn copy(&self) -> Self {
        self.server.copy_of(&self.name)
    }

    /// A connection to it.
    pub fn client(&self) -> Client {
        connect(&self.connection)
    }

    /// Runs a script as a DBA would, stopping at the first error; what psql printed, or a panic with it.
    #[track_caller]
    pub fn psql(&self, script: &str) -> String {
        let ran = self.try_psql(&["-v", "ON_ERROR_STOP=1"], script);
        assert_eq!(ran.code, 0, "psql: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    /// Runs psql with these arguments and this standard input.
    pub fn try_psql(&self, arguments: &[&str], script: &str) -> Ran {
        let mut command = Command::new(program(&self.server.cluster, "psql"));
        clear(&mut command).args(["-X", "-q", "-A", "-t"]).args(arguments).arg("-d").arg(self.url());
        Ran::of(&feed(command, script), |text| text)
    }

    /// Schema and data as pg_dump writes them: equal text means equal databases.
    #[track_caller]
    pub fn pg_dump(&self) -> String {
        let mut command = Command::new(program(&self.server.cluster, "pg_dump"));
        clear(&mut command).arg("--dbname").arg(self.url());
        if self.server.pg_dump_knows_restrict_key {
            command.arg("--restrict-key=x");
        }
        let output = command.output().expect("pg_dump runs");
        assert!(output.status.success(), "pg_dump: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("pg_dump writes UTF-8");
        if self.server.pg_dump_knows_restrict_key {
            return text;
        }
        // Older fixes of this kind take a random key.
        let random = |line: &&str| line.starts_with("\\restrict ") || line.starts_with("\\unrestrict ");
        text.split_inclusive('\n').filter(|line| !random(line)).collect()
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.server.admin(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

/// A directory with a project in it, removed when dropped.
pub struct Project {
    directory: tempfile::TempDir,
    home: tempfile::TempDir,
}

impl Project {
    /// An empty directory, which every user may enter.
    pub fn empty() -> Self {
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        let directory = tempfile::Builder::new().prefix("project-").permissions(everybody).tempdir();
        Self {
            directory: directory.expect("a temporary directory"),
            home: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file, with the directories above it.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a file has a directory")).expect("the directory is made");
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self
    }

    /// Reads a file.
    pub fn read(&self, path: &str) -> String {
        let path = self.path().join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The names of a directory's entries, sorted.
    pub fn list(&self, path: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path().join(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The real binary in this directory, with nothing in its environment but PATH, an empty HOME and a user called dana.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aludel"));
        clear(&mut command).env("HOME", self.home.path()).env("USER", "dana").current_dir(self.path()).args(arguments);
        if let Some(programs) = variables().pg_bin {
            command.env("PG_BIN", programs);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Runs the binary.
    #[must_use = "compare what it did"]
    pub fn aludel<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ran {
        self.run(self.command(arguments))
    }

    /// Runs a command that [`Self::command`] made and the test has changed.
    #[must_use = "compare what it did"]
    pub fn run(&self, mut command: Command) -> Ran {
        let output = command.output().expect("the binary runs");
        Ran::of(&output, |text| self.still(text))
    }

    /// `text` with what differs from run to run replaced: `[TIME]`, `[CWD]`, `[HOME]`, `[SOCKET]`, `[DATABASE]`.
    pub fn still(&self, text: String) -> String {
        let mut text = text;
        for (path, name) in [(self.path(), "[CWD]"), (self.home.path(), "[HOME]")] {
            if let Ok(real) = path.canonicalize() {
                text = text.replace(&*real.to_string_lossy(), name);
            }
            text = text.replace(&*path.to_string_lossy(), name);
        }
        without_databases(&without_times(&without_sockets(&text)))
    }
}

/// The same with the times when revisions stopped partway replaced.
pub fn without_stops(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for line in &mut lines {
        if let (Some(at), Some(end)) = (line.find(" on 20"), line.find("+00")) {
            line.replace_range(at + 4..end + 3, "[WHEN]");
        }
    }
    lines.join("\n") + "\n"
}

/// What a program did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// What a program's output says, each stream as `still` makes it.
    pub fn of(output: &Output, still: impl Fn(String) -> String) -> Self {
        let text = |bytes: &[u8]| still(String::from_utf8_lossy(bytes).into_owned());
        Self { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Everything, as one text to compare: exit code, then each stream that is not empty.
    pub fn transcript(&self) -> String {
        let mut text = format!("exit code: {}\n", self.code);
        for (name, stream) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !stream.is_empty() {
                text.push_str(&format!("----- {name}\n{stream}"));
            }
        }
        text
    }

    /// The same, where nothing but success will do.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.transcript());
        self
    }
}

/// Runs a command with `input` on its standard input.
pub fn feed(mut command: Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut pipe = child.stdin.take().expect("a pipe");
    let input = input.to_owned();
    // Beside reading what it says, or both sides wait for each other. A program that stops early closes its end.
    let writer = std::thread::spawn(move || drop(pipe.write_all(input.as_bytes())));
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("the writer ends");
    output
}

/// Nothing in the environment but PATH.
fn clear(command: &mut Command) -> &mut Command {
    command.env_clear().env("PATH", variables().path.unwrap_or_default()).env("TZ", "UTC")
}

/// `0.012s`, `3 ms`, `1 s` and `1.2 s` become `[TIME]`; `2s`, as it stands in SQL and settings, stays.
pub fn without_times(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|character: char| character.is_ascii_digit()) {
        // A number inside a word is no time.
        let free = !rest[..start].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == '.');
        let length = rest[start..].find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len() - start);
        let (number, after) = rest[start..].split_at(length);
        result.push_str(&rest[..start]);
        let unit = ["ms", " ms", "s", " s"].into_iter().find(|unit| {
            after.strip_prefix(unit).is_some_and(|next| !next.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        });
        match unit {
            Some(unit) if free && (number.contains('.') || unit != "s") => {
                result.push_str("[TIME]");
                rest = &after[unit.len()..];
            }
            _ => {
                result.push_str(number);
                rest = after;
            }
        }
    }
    result + rest
}

/// `/dev/shm/aludel-0123456789`, the directory of any local server, becomes `[SOCKET]`.
fn without_sockets(text: &str) -> String {
    let mut parts = text.split("/aludel-");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_hexdigit()).len();
        if digits == 10 {
            let parent = result.rfind(|c: char| !c.is_alphanumeric() && c != '/').map_or(0, |place| place + 1);
            result.truncate(parent);
            result.push_str("[SOCKET]");
        } else {
            result.push_str("/aludel-");
            result.push_str(&part[..digits]);
        }
        result.push_str(&part[digits..]);
    }
    result
}

/// `test_12`, a name that [`Server::database`] gave, becomes `[DATABASE]`.
fn without_databases(text: &str) -> String {
    let mut parts = text.split("test_");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        result.push_str(if digits == 0 { "test_" } else { "[DATABASE]" });
        result.push_str(&part[digits..]);
    }
    result
}
