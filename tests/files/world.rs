//! The projects of these tests, and how a session with them is written down.

use snapbox::IntoData;
use snapbox::data::Inline;

use crate::support::{Project, Ran};

/// Settings whose database does not answer: port 1 is nobody's.
pub const INI: &str = "[migrate]\nurl = postgres://nobody:hunter2@127.0.0.1:1/never\nrevision_id = sequence\n";

/// A project without revisions.
pub fn empty() -> Project {
    let project = Project::empty();
    project.write("migrate.ini", INI);
    std::fs::create_dir(project.path().join("versions")).expect("the directory is made");
    project
}

/// A project with these revision files: name and text.
pub fn with<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Project {
    let project = empty();
    for (name, text) in files {
        project.write(&format!("versions/{name}"), text);
    }
    project
}

/// ```text
/// 001 - 002 - 003 - 005    billing
///           \     .
///            - 004         shop (005 depends on it)
/// ```
pub fn shop() -> Project {
    with([
        (
            "001_first_tables.sql",
            "-- revision: 001\n-- message: first tables\n-- created: 2025-11-20T09:30:00Z\n\n\
             -- migrate:upgrade\nCREATE TABLE a ();\n-- migrate:downgrade\nDROP TABLE a;\n",
        ),
        (
            "002_users.sql",
            "-- revision: 002\n-- parents: 001\n-- message: users\n\n\
             -- migrate:upgrade\nCREATE TABLE users ();\n-- migrate:downgrade\nDROP TABLE users;\n",
        ),
        (
            "003_plans.sql",
            "-- revision: 003\n-- parents: 002\n-- message: plans\n-- labels: billing\n\n\
             -- migrate:upgrade\nCREATE TABLE plans ();\n-- migrate:downgrade\nDROP TABLE plans;\n",
        ),
        (
            "004_carts.sql",
            "-- revision: 004\n-- parents: 002\n-- message: carts\n-- labels: [shop, store]\n\n\
             -- migrate:upgrade\nCREATE TABLE carts ();\n-- migrate:downgrade\nDROP TABLE carts;\n",
        ),
        (
            "005.sql",
            "-- revision: 005\n-- parents: 003\n-- depends_on: shop\n\n\
             -- migrate:upgrade transaction:false\nCREATE INDEX CONCURRENTLY i ON plans ((1));\n\
             -- migrate:downgrade\nDROP INDEX i;\n",
        ),
    ])
}

/// [`shop`], its two heads joined by 006.
pub fn merged() -> Project {
    let project = shop();
    project.write(
        "versions/006_merge.sql",
        "-- revision: 006\n-- parents: [005, 004]\n-- message: merge \"billing\" and shop\n\n\
         -- migrate:upgrade\n\n-- migrate:downgrade\n",
    );
    project
}

/// Runs commands, one a line, as they would be typed behind `aludel`; what each did, under what was typed. The clock
/// stands still, and the ids that a command makes up depend on its number in the session.
pub fn session(project: &Project, lines: &str) -> String {
    let mut text = String::new();
    for (number, line) in lines.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let words = shlex::split(line).unwrap_or_else(|| panic!("{line}: quotes"));
        let mut command = project.command(words);
        command.env("ALUDEL_TEST_CLOCK", "2025-01-02T03:04:05Z").env("ALUDEL_TEST_SEED", number.to_string());
        let separator = if text.is_empty() { "" } else { "\n" };
        text.push_str(&format!("{separator}$ aludel {line}\n{}", project.run(command).transcript()));
    }
    text
}

/// Compares letter by letter: nothing in what is expected is a wildcard.
#[track_caller]
pub fn same(got: impl Into<String>, expected: Inline) {
    snapbox::assert_data_eq!(got.into(), expected.into_data().raw());
}

/// One command's doings, compared.
#[track_caller]
pub fn did(ran: &Ran, expected: Inline) {
    same(ran.transcript(), expected);
}
