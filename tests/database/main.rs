//! Connected behaviour, on a real PostgreSQL: what is run, what is recorded, what is said, what is kept of a failure.
//!
//! Each test has a database and a project of its own and runs the real binary; a transcript is exit code, standard output
//! and standard error, whole.

#[path = "../support/mod.rs"]
mod support;

mod again;
mod changed;
mod copy;
mod events;
mod example;
mod failures;
mod hostile;
mod log;
mod names;
mod ping;
mod pipeline;
mod repeatable;
mod resume;
mod rows;
mod search_path;
mod together;
mod unlogged_in;
mod verify;
mod without_transaction;

use std::process::Command;

use support::{Database, Project, Ran};

/// A database and a project whose ini names it.
struct Case {
    database: Database<'static>,
    project: Project,
}

impl Case {
    /// No revisions yet.
    fn new() -> Self {
        Self::with("")
    }

    /// With these lines in its ini.
    fn with(settings: &str) -> Self {
        let database = Database::create();
        let project = Project::empty();
        project.write("migrate.ini", format!("[migrate]\nurl = {}\n{settings}", database.url()));
        Self { database, project }
    }

    /// The repository's own example.
    fn example() -> Self {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let (database, project) = (Database::create(), Project::empty());
        let copy = |path: &std::path::Path, name: &str| {
            project.write(name, std::fs::read(path).expect("a file of the example"));
        };
        copy(&root.join("migrate.ini"), "migrate.ini");
        for entry in std::fs::read_dir(root.join("versions")).expect("versions/") {
            let path = entry.expect("a file").path();
            copy(&path, &format!("versions/{}", path.file_name().expect("a name").to_string_lossy()));
        }
        Self { database, project }
    }

    /// Adds a revision; `parent` may be empty, one id or a YAML list.
    fn revision(&self, id: &str, parent: &str, up: &str, down: &str) -> &Self {
        self.file(id, parent, &format!("-- migrate:upgrade\n{up}\n\n-- migrate:downgrade\n{down}\n"))
    }

    /// Adds a revision's file with this text below its header.
    fn file(&self, id: &str, parent: &str, body: &str) -> &Self {
        let text = format!("-- revision: {id}\n-- parents: {parent}\n-- message: step {id}\n\n{body}");
        self.project.write(&format!("versions/{id}.sql"), text);
        self
    }

    /// A chain of tables: revision `0001` makes table `t0001`, and so on.
    fn chain(&self, count: usize) -> &Self {
        for number in 1..=count {
            self.link(number, "");
        }
        self
    }

    /// One revision of the chain, with `more` statements behind its table.
    fn link(&self, number: usize, more: &str) -> &Self {
        let parent = if number == 1 { String::new() } else { format!("{:04}", number - 1) };
        let id = format!("{number:04}");
        self.revision(&id, &parent, &format!("CREATE TABLE t{id} ();\n{more}"), &format!("DROP TABLE t{id};"))
    }

    /// The binary on this database, with `arguments` separated by blanks.
    fn command(&self, arguments: &str) -> Command {
        let mut command = self.project.command(arguments.split_whitespace());
        command.env("DATABASE_URL", self.database.url());
        command
    }

    /// Runs it.
    #[must_use = "compare what it did"]
    fn run(&self, arguments: &str) -> Ran {
        self.project.run(self.command(arguments))
    }

    /// Runs it and returns the whole transcript.
    #[must_use = "compare what it did"]
    fn transcript(&self, arguments: &str) -> String {
        self.run(arguments).transcript()
    }

    /// Runs it; nothing but success will do.
    #[track_caller]
    fn succeeds(&self, arguments: &str) -> Ran {
        self.run(arguments).succeeded()
    }

    /// What a query says, a line a row, columns separated by `|`.
    #[track_caller]
    fn ask(&self, sql: &str) -> String {
        self.database.psql(sql)
    }

    /// The rows of the version table on one line.
    #[track_caller]
    fn rows(&self) -> String {
        self.ask("SELECT string_agg(version_num, ',' ORDER BY version_num) FROM aludel_version").trim_end().to_owned()
    }

    /// The tables in `public`, but for the tool's own, on one line.
    #[track_caller]
    fn tables(&self) -> String {
        let sql = "SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND relname NOT LIKE 'aludel%'";
        self.ask(sql).trim_end().to_owned()
    }

    /// How each step went, oldest first.
    #[track_caller]
    fn history(&self) -> String {
        self.ask("SELECT direction, revision, outcome, coalesce(sqlstate, '-'), coalesce(message, '-') FROM aludel_history ORDER BY id")
    }
}
