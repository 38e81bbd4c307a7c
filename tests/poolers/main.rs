//! Runs through PgBouncer in each of its modes: who is let in, what is refused, what reaches other clients, and that each
//! revision runs once.
//!
//! The truth is read past the pooler, from the server itself. Each revision of [`Case::chain`] leaves a row in
//! `effects`, which has no key: one that ran twice is seen.

#[path = "../support/mod.rs"]
mod support;

mod leaks;
mod lost;
mod modes;
mod pgbouncer;
#[path = "../faults/proxy.rs"]
#[allow(dead_code, reason = "not every fault is for here")]
mod proxy;
mod races;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pgbouncer::Bouncer;
use rustix::process::{Pid, Signal, kill_process};
use support::{Database, Project, Ran};

/// A database, a pooler before it, and a project that goes through that.
struct Case {
    // Ended before the database is dropped.
    bouncer: Bouncer,
    database: Database<'static>,
    project: Project,
}

impl Case {
    fn new(mode: &str) -> Self {
        Self::with(mode, "default_pool_size = 50", "")
    }

    /// With these lines in PgBouncer's ini and in the project's.
    fn with(mode: &str, pooler: &str, settings: &str) -> Self {
        let database = Database::create();
        let bouncer = Bouncer::start(support::server().cluster.connection(), mode, pooler);
        let project = Project::empty();
        project.write("migrate.ini", format!("[migrate]\nurl = {}\n{settings}", bouncer.url(&database.name)));
        Self { bouncer, database, project }
    }

    fn file(&self, id: &str, parent: &str, body: &str) -> &Self {
        let text = format!("-- revision: {id}\n-- parents: {parent}\n-- message: step {id}\n\n{body}\n");
        self.project.write(&format!("versions/{id}.sql"), text);
        self
    }

    /// A revision that writes itself into `effects`, and runs `more` behind that.
    fn effect(&self, id: &str, parent: &str, more: &str) -> &Self {
        let table = if parent.is_empty() { "CREATE TABLE effects (id text);\n" } else { "" };
        let down = if parent.is_empty() {
            "DROP TABLE effects;".to_owned()
        } else {
            format!("DELETE FROM effects WHERE id = '{id}';")
        };
        let up = format!("{table}INSERT INTO effects VALUES ('{id}');\n{more}");
        self.file(id, parent, &format!("-- migrate:upgrade\n{up}\n-- migrate:downgrade\n{down}"))
    }

    /// A chain 001, 002, … of effects.
    fn chain(&self, count: usize) -> &Self {
        for number in 1..=count {
            let parent = if number == 1 { String::new() } else { format!("{:03}", number - 1) };
            self.effect(&format!("{number:03}"), &parent, "");
        }
        self
    }

    fn command(&self, arguments: &str) -> Command {
        self.project.command(arguments.split_whitespace())
    }

    #[must_use = "compare what it did"]
    fn run(&self, arguments: &str) -> Ran {
        self.tidy(self.project.run(self.command(arguments)))
    }

    /// With another name for the pooler's directory.
    fn tidy(&self, ran: Ran) -> Ran {
        let tidy = |text: String| text.replace(&*self.bouncer.directory().to_string_lossy(), "[BOUNCER]");
        Ran { stderr: tidy(ran.stderr), stdout: tidy(ran.stdout), ..ran }
    }

    /// The same past the pooler.
    #[must_use = "compare what it did"]
    fn run_directly(&self, arguments: &str) -> Ran {
        self.run(&format!("--url {} {arguments}", self.database.url()))
    }

    fn start(&self, arguments: &str) -> Running<'_> {
        let mut command = self.command(arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        Running { case: self, child }
    }

    #[track_caller]
    fn ask(&self, sql: &str) -> String {
        self.database.psql(sql).trim_end().to_owned()
    }

    /// The rows of the version table, and what has run, in order.
    #[track_caller]
    fn state(&self) -> (String, String) {
        if self.ask("SELECT to_regclass('aludel_version') IS NULL") == "t" {
            return (String::new(), String::new());
        }
        let rows = self.ask("SELECT string_agg(version_num, ',' ORDER BY version_num) FROM aludel_version");
        if self.ask("SELECT to_regclass('effects') IS NULL") == "t" {
            return (rows, String::new());
        }
        (rows, self.ask("SELECT string_agg(id, ',' ORDER BY id) FROM effects"))
    }

    /// Advisory locks that anybody holds in the database.
    #[track_caller]
    fn locks(&self) -> String {
        self.ask(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
    }
}

/// A run on its way.
struct Running<'a> {
    case: &'a Case,
    child: Child,
}

impl Running<'_> {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the process is there");
    }

    #[must_use = "compare what it did"]
    fn end(self) -> Ran {
        let output = self.child.wait_with_output().expect("the binary ends");
        let text = |bytes: &[u8]| self.case.project.still(String::from_utf8_lossy(bytes).into_owned());
        let code = output.status.code().unwrap_or(-1);
        self.case.tidy(Ran { code, stdout: text(&output.stdout), stderr: text(&output.stderr) })
    }
}

#[track_caller]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(15);
    while !holds() {
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
