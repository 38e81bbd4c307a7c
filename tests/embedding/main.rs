//! The tool in the hands of programs: the library, the example of a service, and `serve-once`.

#[path = "../support/mod.rs"]
mod support;

mod library;
mod serve_once;

use support::{Database, Project};

/// A database and a project whose ini names it, with two revisions.
struct Case {
    database: Database<'static>,
    project: Project,
}

impl Case {
    fn new() -> Self {
        let (database, project) = (Database::create(), Project::empty());
        project
            .write("migrate.ini", format!("[migrate]\nurl = {}\n\n[other]\nlock_wait = 0\n", database.url()))
            .write(
                "versions/001_a.sql",
                "-- revision: 001\n-- parents:\n-- message: accounts\n\n-- migrate:upgrade\nCREATE TABLE a ();\n\n-- migrate:downgrade\nDROP TABLE a;\n",
            )
            .write(
                "versions/002_b.sql",
                "-- revision: 002\n-- parents: 001\n-- message: orders\n\n-- migrate:upgrade\nCREATE TABLE b ();\n\n-- migrate:downgrade\nDROP TABLE b;\n",
            );
        Self { database, project }
    }

    /// A third revision that fails.
    fn add_a_mistake(&self) {
        self.project.write(
            "versions/003_c.sql",
            "-- revision: 003\n-- parents: 002\n\n-- migrate:upgrade\nCREATE TABLE c (id booleen);\n\n-- migrate:downgrade\n",
        );
    }

    fn tables(&self) -> String {
        self.database.psql(
            "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relkind = 'r' AND relname ~ '^.$'",
        )
    }
}
