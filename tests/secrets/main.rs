//! A password goes in by every entrance there is, through every failure, and is then looked for: in both outputs, in the
//! files, in the server's log with every statement in it, in what other sessions see, in what the database keeps, and in
//! the arguments of the processes.
//!
//! The server asks for passwords over TCP; the tests themselves use its socket, where it asks for none. There is no way to
//! make the tool panic, so a panic is not among the failures; `Debug` of what holds a password is tested beside the code.

#[path = "../support/mod.rs"]
mod support;

mod broken;
mod canary;
mod commands;
mod entrances;
mod processes;
mod shown;
mod variables;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use aludel::local::EphemeralOptions;

use canary::{clean, clean_files, encoded, password};
use support::{Database, Project, Ran, Server};

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let settings = ["log_statement=all", "log_connections=on", "log_disconnections=on", "log_duration=on"];
    let server = Server::start(&EphemeralOptions {
        tcp_password: Some(password("%40@/:?#&= '\\é")),
        settings: settings.map(str::to_owned).into(),
        ..EphemeralOptions::default()
    });
    // With a password that a URL may hold as it is; this statement is not logged.
    server.admin("SET log_statement = none; SET log_duration = off");
    server.admin(&format!("CREATE ROLE plain SUPERUSER LOGIN PASSWORD '{}'", password("@")));
    server
});

/// Where a connection string leads, and with which password.
#[derive(Clone)]
struct Target {
    host: String,
    port: String,
    database: String,
    user: &'static str,
    password: String,
    sslmode: &'static str,
}

impl Target {
    /// As a URL; `password` as it is to stand there.
    fn url(&self, password: &str) -> String {
        let Self { host, port, database, user, sslmode, .. } = self;
        format!("postgresql://{user}:{password}@{host}:{port}/{database}?sslmode={sslmode}")
    }

    /// The URL with its password encoded.
    fn encoded(&self) -> String {
        self.url(&encoded(&self.password))
    }

    /// The URL without a password.
    fn without_password(&self) -> String {
        self.url("").replacen(":@", "@", 1)
    }

    /// As `key=value` pairs.
    fn pairs(&self) -> String {
        let Self { host, port, database, user, sslmode, .. } = self;
        let password = self.password.replace('\\', "\\\\").replace('\'', "\\'");
        format!("host={host} port={port} dbname={database} user={user} password='{password}' sslmode={sslmode}")
    }
}

/// A database and a project of a test.
struct Case {
    database: Database<'static>,
    project: Project,
    /// The files that hold the password because the test wrote it there.
    written: BTreeSet<PathBuf>,
}

/// Everything that might make the tool say more than it should.
const LOUD: [(&str, &str); 3] = [("RUST_LOG", "trace"), ("RUST_BACKTRACE", "full"), ("RUST_LIB_BACKTRACE", "1")];

impl Case {
    fn new() -> Self {
        let case = Self { database: SERVER.database(), project: Project::empty(), written: BTreeSet::new() };
        case.project.write("migrate.ini", "[migrate]\nurl = {{ env.DATABASE_URL }}\n");
        // The run stops in here while a test holds the lock.
        case.project.write(
            "versions/001.sql",
            "-- revision: 001\n\n-- migrate:upgrade\nSELECT pg_advisory_xact_lock(1);\nCREATE TABLE a ();\n-- migrate:downgrade\nDROP TABLE a;\n",
        );
        case.project.write(
            "versions/002.sql",
            "-- revision: 002\n-- parents: 001\n\n-- migrate:upgrade\nSELECT no_such_column, current_user FROM pg_stat_activity;\n-- migrate:downgrade\n",
        );
        case
    }

    fn target(&self) -> Target {
        let url = SERVER.cluster.connection().tcp_url("x");
        let port = url.split("127.0.0.1:").nth(1).expect("a port").split('/').next().expect("a port").to_owned();
        let password = password("%40@/:?#&= '\\é");
        Target {
            host: "127.0.0.1".to_owned(),
            port,
            database: self.database.name.clone(),
            user: "postgres",
            password,
            sslmode: "disable",
        }
    }

    /// Writes a file that holds the password and that only its owner may read.
    fn write_secret(&mut self, path: &str, text: &str) -> PathBuf {
        self.project.write(path, text);
        let path = self.project.path().join(path);
        let owner: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, owner).expect("the permissions are set");
        self.written.insert(path.clone());
        path
    }

    /// Runs it; neither what it says nor what it writes has a trace of a password.
    #[track_caller]
    fn run(&self, mut command: Command) -> Ran {
        let ran = Ran::of(&command.output().expect("the binary runs"), |text| text);
        clean(format_args!("{:?}", command.get_args()), &ran.transcript());
        clean_files(self.project.path(), &self.written);
        ran
    }

    /// Nothing that the server keeps has a trace of a password: its log and this database, with the tool's own tables.
    #[track_caller]
    fn clean_server(&self) {
        let log = std::fs::read(SERVER.cluster.directory().join("log")).expect("the server's log");
        let log = String::from_utf8_lossy(&log);
        assert!(log.contains("aludel_version"), "the tool's statements are logged");
        clean("the server's log", &log);
        let dump = self.database.pg_dump();
        assert!(dump.contains("aludel_history"), "the tool's tables are dumped");
        clean("the database", &dump);
    }
}
