//! What must hold when something goes wrong from outside: signals, locks of others, lost connections, crashes, races.
//!
//! The truth is always read from the database, by another session, once the run's own session has ended. Each revision
//! of [`Case::effect`] leaves a row in `effects`, which has no key: one that ran twice is seen.

#[path = "../support/mod.rs"]
mod support;

mod changed;
mod checker;
mod crash;
mod full_disk;
mod leaks;
mod limits;
mod lock_retry;
mod matrix;
mod own_server;
mod plan;
mod proxy;
mod races;
mod refusals;
mod resume;
mod signals;
mod standby;
mod stopped;
mod tally;
mod unknown;
mod world;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use support::{Database, Project, Ran};

/// A database and a project whose ini names it.
struct Case {
    database: Database<'static>,
    project: Project,
}

/// What a slow statement of a test sleeps: longer than any test takes.
const LONG: &str = "SELECT pg_sleep(30);";

impl Case {
    fn new() -> Self {
        Self::with("")
    }

    /// With these lines in its ini.
    fn with(settings: &str) -> Self {
        Self::on(Database::create(), settings)
    }

    fn on(database: Database<'static>, settings: &str) -> Self {
        let project = Project::empty();
        project.write("migrate.ini", format!("[migrate]\nurl = {}\n{settings}", database.url()));
        Self { database, project }
    }

    /// Adds a revision's file with this text below its header.
    fn file(&self, id: &str, parent: &str, body: &str) -> &Self {
        let text = format!("-- revision: {id}\n-- parents: {parent}\n-- message: step {id}\n\n{body}\n");
        self.project.write(&format!("versions/{id}.sql"), text);
        self
    }

    fn revision(&self, id: &str, parent: &str, up: &str) -> &Self {
        self.file(id, parent, &format!("-- migrate:upgrade\n{up}"))
    }

    /// A revision that writes itself into `effects`, and runs `more` behind that.
    fn effect(&self, id: &str, parent: &str, more: &str) -> &Self {
        self.revision(id, parent, &format!("{}\n{more}", effect(id, parent)))
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
        self.project.run(self.command(arguments))
    }

    #[track_caller]
    fn succeeds(&self, arguments: &str) -> Ran {
        self.run(arguments).succeeded()
    }

    /// Starts the binary and goes on.
    fn start(&self, arguments: &str) -> Running<'_> {
        self.spawn(self.command(arguments))
    }

    fn spawn(&self, mut command: Command) -> Running<'_> {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        Running { case: self, child }
    }

    #[track_caller]
    fn ask(&self, sql: &str) -> String {
        self.database.psql(sql).trim_end().to_owned()
    }

    /// The rows of the version table on one line; nothing where there is no table.
    #[track_caller]
    fn rows(&self) -> String {
        match self.ask("SELECT to_regclass('aludel_version') IS NULL").as_str() {
            "t" => String::new(),
            _ => self.ask("SELECT string_agg(version_num, ',' ORDER BY version_num) FROM aludel_version"),
        }
    }

    /// What has run, in order, on one line.
    #[track_caller]
    fn effects(&self) -> String {
        match self.ask("SELECT to_regclass('effects') IS NULL").as_str() {
            "t" => String::new(),
            _ => self.ask("SELECT string_agg(id, ',' ORDER BY id) FROM effects"),
        }
    }

    /// Revision and outcome of each row of the history, oldest first, on one line.
    #[track_caller]
    fn history(&self) -> String {
        self.ask("SELECT string_agg(revision || ' ' || outcome, ', ' ORDER BY id) FROM aludel_history")
    }

    /// Waits until a session sleeps.
    #[track_caller]
    fn wait_for_sleep(&self) {
        let sql = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
        let mut client = self.database.client();
        eventually("a statement that sleeps", || !client.query(sql, &[]).expect("the activity").is_empty());
    }

    /// Waits until a session's last statement has this in its text.
    #[track_caller]
    fn wait_for_statement(&self, part: &str) {
        let sql = format!(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%{part}%'"
        );
        let mut client = self.database.client();
        eventually(part, || !client.query(&sql, &[]).expect("the activity").is_empty());
    }

    /// Waits until nobody else is connected to the database.
    #[track_caller]
    fn wait_until_alone(&self) {
        let sql = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
             AND backend_type = 'client backend'";
        let mut client = self.database.client();
        eventually("the session to end", || client.query(sql, &[]).expect("the activity").is_empty());
    }
}

/// The statement that shows that a revision ran; the first makes the table.
fn effect(id: &str, parent: &str) -> String {
    let table = if parent.is_empty() { "CREATE TABLE effects (id text);\n" } else { "" };
    format!("{table}INSERT INTO effects VALUES ('{id}');")
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
        Ran { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
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
