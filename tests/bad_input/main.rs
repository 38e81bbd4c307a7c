//! Files and directories that cannot be run: what is said, whole, and that nothing of them reached the server.
//!
//! The database is real and behind a proxy that hears every message, so a statement that slipped through is seen. Before it
//! judges the bodies of a plan's files the tool takes its lock and asks where the database stands; it says nothing else.

#[path = "../faults/proxy.rs"]
#[allow(dead_code, reason = "nothing is cut here")]
mod proxy;
#[path = "../support/mod.rs"]
mod support;

mod bodies;
mod encodings;
mod graphs;
mod large;
mod paths;

use std::process::Command;

use proxy::Proxy;
use snapbox::IntoData;
use snapbox::data::Inline;
use support::{Database, Project, Ran};

/// A project whose database is heard.
struct Case {
    database: Database<'static>,
    project: Project,
    proxy: Proxy,
}

impl Case {
    fn new() -> Self {
        let (database, project) = (Database::create(), Project::empty());
        let socket = support::server().cluster.connection().url();
        let directory = socket.split("host=").nth(1).expect("a socket").split('&').next().expect("a directory");
        let port = socket.split("port=").nth(1).map_or("5432", |rest| rest.split('&').next().expect("a port"));
        let proxy = Proxy::start(&std::path::Path::new(directory).join(format!(".s.PGSQL.{port}")));
        project.write("migrate.ini", "[migrate]\nurl = {{ env.DATABASE_URL }}\n");
        std::fs::create_dir(project.path().join("versions")).expect("the directory is made");
        Self { database, project, proxy }
    }

    /// With this file as `versions/1.sql`.
    fn file(text: impl AsRef<[u8]>) -> Self {
        let case = Self::new();
        case.project.write("versions/1.sql", text);
        case
    }

    fn command(&self) -> Command {
        let mut command = self.project.command(["upgrade", "head"]);
        let name = &self.database.name;
        command
            .env("DATABASE_URL", format!("postgres://postgres@127.0.0.1:{}/{name}?sslmode=disable", self.proxy.port));
        command
    }

    /// `upgrade head` is refused, in these words, and the server learns nothing of it.
    #[track_caller]
    fn refused(&self, expected: Inline) {
        self.refused_by(self.command(), expected);
    }

    #[track_caller]
    fn refused_by(&self, command: Command, expected: Inline) {
        let ran = self.project.run(command);
        snapbox::assert_data_eq!(ran.transcript(), expected.into_data().raw());
        self.nothing_was_sent();
    }

    /// Nothing but the log-in, the tool's own questions, and a farewell.
    #[track_caller]
    fn nothing_was_sent(&self) {
        let [heard, _] = self.proxy.heard();
        let said: Vec<_> = heard.iter().map(|message| String::from_utf8_lossy(&message.text)).collect();
        for message in said.iter().skip(1) {
            // The length, four bytes, stands behind the type.
            let question = message.starts_with('Q') && OWN.iter().any(|own| message.contains(own));
            assert!(question || message.starts_with('X'), "{said:#?}");
        }
        let tables = self.database.psql("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace");
        assert_eq!(tables, "0\n");
    }

    /// It is run: one revision.
    #[track_caller]
    fn runs(&self) -> Ran {
        let ran = self.project.run(self.command()).succeeded();
        assert_eq!(self.database.psql("SELECT count(*) FROM aludel_version"), "1\n");
        ran
    }
}

/// How the tool's own questions begin; no file here has such statements.
const OWN: [&str; 2] = ["SELECT pg_catalog.", "SELECT WHERE pg_catalog.set_config('lock_timeout'"];

/// A whole file with this upgrade.
fn upgrade(body: &str) -> String {
    format!("-- revision: 1\n-- message: one\n\n-- migrate:upgrade\n{body}")
}

#[test]
fn a_statement_that_is_sent_is_heard() {
    let case = Case::file(upgrade("CREATE TABLE a ();\n"));
    case.runs();
    let heard = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case.nothing_was_sent()));
    assert!(heard.is_err(), "the proxy is deaf");
}
