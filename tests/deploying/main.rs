//! What a deployment does around the revisions, on a real PostgreSQL with the real binary: a person who is asked, hooks, the role
//! to work as.

#[path = "../support/mod.rs"]
mod support;
#[path = "../support/terminal.rs"]
mod terminal;

mod confirmation;
mod hooks;
mod roles;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use support::{Database, Project, Ran};
use terminal::Terminal;

/// A database and a project whose ini names it.
struct Case {
    database: Database<'static>,
    project: Project,
}

impl Case {
    /// With these lines in its ini.
    fn with(settings: &str) -> Self {
        let case = Self { database: Database::create(), project: Project::empty() };
        case.settings(settings);
        case
    }

    /// Puts these lines into its ini.
    fn settings(&self, settings: &str) -> &Self {
        self.project.write("migrate.ini", format!("[migrate]\nurl = {{{{ env.DATABASE_URL }}}}\n{settings}"));
        self
    }

    /// Adds a revision; `parent` may be empty.
    fn revision(&self, id: &str, parent: &str, up: &str, down: &str) -> &Self {
        let text = format!(
            "-- revision: {id}\n-- parents: {parent}\n-- message: step {id}\n\n-- migrate:upgrade\n{up}\n\n-- migrate:downgrade\n{down}\n"
        );
        self.project.write(&format!("versions/{id}.sql"), text);
        self
    }

    /// Two revisions: a table, and a column of it.
    fn shop(&self) -> &Self {
        self.revision("001", "", "CREATE TABLE account (id int);", "DROP TABLE account;").revision(
            "002",
            "001",
            "ALTER TABLE account ADD COLUMN email text;",
            "ALTER TABLE account DROP COLUMN email;",
        )
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = self.project.command(arguments.split_whitespace());
        command.env("DATABASE_URL", self.database.url());
        command
    }

    #[must_use = "compare what it did"]
    fn run(&self, arguments: &str) -> Ran {
        self.project.run(self.command(arguments))
    }

    #[must_use = "compare what it did"]
    fn transcript(&self, arguments: &str) -> String {
        self.run(arguments).transcript()
    }

    #[track_caller]
    fn succeeds(&self, arguments: &str) -> Ran {
        self.run(arguments).succeeded()
    }

    /// Runs it at a terminal.
    fn sits_at(&self, arguments: &str) -> Terminal {
        Terminal::start(&mut self.command(arguments))
    }

    /// The end of what a terminal showed, with the exit code.
    #[track_caller]
    fn screen(&self, terminal: Terminal) -> String {
        let (code, shown) = terminal.end();
        self.project.still(format!("exit code: {code}\n{shown}"))
    }

    #[track_caller]
    fn ask(&self, sql: &str) -> String {
        self.database.psql(sql).trim_end().to_owned()
    }

    /// The rows of the version table on one line.
    #[track_caller]
    fn rows(&self) -> String {
        self.ask("SELECT string_agg(version_num, ',' ORDER BY version_num) FROM aludel_version")
    }
}

/// A run of the binary that is still under way.
struct Started<'a> {
    case: &'a Case,
    child: Child,
    stderr: BufReader<ChildStderr>,
    /// What was read of it.
    said: String,
}

impl<'a> Started<'a> {
    fn new(case: &'a Case, arguments: &str) -> Self {
        let mut command = case.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        Self { case, child, stderr, said: String::new() }
    }

    /// Waits until this file is in the project.
    #[track_caller]
    fn until(&self, file: &str) {
        let began = Instant::now();
        while !self.case.project.path().join(file).exists() {
            assert!(began.elapsed() < Duration::from_secs(30), "there is no {file}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a line with this text is on standard error.
    #[track_caller]
    fn until_said(&mut self, text: &str) {
        while !self.said.contains(text) {
            let read = self.stderr.read_line(&mut self.said).expect("text");
            assert!(read > 0, "it does not say `{text}`: {}", self.said);
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the signal is sent");
    }

    fn end(mut self) -> Ran {
        self.stderr.read_to_string(&mut self.said).expect("text");
        let mut output = self.child.wait_with_output().expect("the binary ends");
        output.stderr = self.said.into_bytes();
        Ran::of(&output, |text| self.case.project.still(text))
    }
}
