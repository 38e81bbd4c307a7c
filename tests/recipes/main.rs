//! docs/recipes.md: every file on it is taken out of the page, held against what its system asks for, and run as far as that goes
//! without the system. What a runner, a kubelet or Lambda would do is done here by the least that stands for it.

#[path = "../support/mod.rs"]
mod support;

mod docker;
mod github;
mod gitlab;
mod kubernetes;
mod lambda;
mod machine;

use std::sync::LazyLock;

use aludel::local::EphemeralOptions;
use serde::de::DeserializeOwned;
use support::{Database, Project, Server};

const PAGE: &str = include_str!("../../docs/recipes.md");

/// The password of the throw-away servers in the recipes.
const PASSWORD: &str = "throwaway";

/// The files of the page, in its order: name and text.
fn files() -> Vec<(&'static str, &'static str)> {
    let file = |part: &'static str| {
        let (name, rest) = part.split_once(" -->\n```").expect("a file is named before its block");
        let (_, text) = rest.split_once('\n').expect("a block begins with its language");
        let end = text.find("\n```\n").expect("a block ends") + 1;
        (name, &text[..end])
    };
    PAGE.split("<!-- file: ").skip(1).map(file).collect()
}

/// The text of one of them.
#[track_caller]
fn file(name: &str) -> &'static str {
    files().into_iter().find(|(other, _)| *other == name).unwrap_or_else(|| panic!("the page has no {name}")).1
}

/// A YAML file of the page; what its type does not know is refused.
#[track_caller]
fn yaml<T: DeserializeOwned>(name: &str) -> T {
    serde_saphyr::from_str(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A server as it stands beside a job: reached by name over TCP, with a password.
static SERVER: LazyLock<Server> = LazyLock::new(|| {
    Server::start(&EphemeralOptions { tcp_password: Some(PASSWORD.to_owned()), ..EphemeralOptions::default() })
});

/// A database, and a project as the page has it with two revisions, of which the second is the change under review.
struct Case {
    database: Database<'static>,
    project: Project,
}

impl Case {
    fn new() -> Self {
        let case = Self { database: SERVER.database(), project: Project::empty() };
        case.project.write("migrate.ini", file("migrate.ini"));
        case.revision("001", "", "CREATE TABLE a ()", "DROP TABLE a");
        case.revision("002", "001", "CREATE TABLE b ()", "DROP TABLE b");
        case
    }

    fn revision(&self, id: &str, parents: &str, up: &str, down: &str) {
        let text = format!(
            "-- revision: {id}\n-- parents: {parents}\n\n-- migrate:upgrade\n{up};\n\n-- migrate:downgrade\n{down};\n"
        );
        self.project.write(&format!("versions/{id}.sql"), text);
    }

    /// The database by the server's name, over TCP.
    fn url(&self) -> String {
        let address = SERVER.cluster.connection().tcp_url(PASSWORD);
        let (before, _) = address.rsplit_once('/').expect("a URL ends with its database");
        format!("{}/{}", before.replace("127.0.0.1", "localhost"), self.database.name)
    }

    /// `url`, which reaches a throw-away server where the recipe runs, led to this database: the same user and password.
    #[track_caller]
    fn here(&self, text: &str, url: &str) -> String {
        assert!(url.starts_with(&format!("postgres://postgres:{PASSWORD}@")), "{url}");
        assert!(text.contains(url), "{text}");
        text.replace(url, &self.url())
    }

    fn rows(&self) -> String {
        self.database.psql("SELECT string_agg(version_num, ' ') FROM aludel_version").trim().to_owned()
    }

    /// What was run and kept, in order.
    fn history(&self) -> String {
        let sql = "SELECT string_agg(direction || ' ' || revision, ', ' ORDER BY id) FROM aludel_history WHERE outcome = 'done'";
        self.database.psql(sql).trim().to_owned()
    }
}

#[test]
fn the_service_is_the_example() {
    let example = std::fs::read_to_string("examples/service.rs").unwrap();
    snapbox::assert_data_eq!(file("service.rs"), example);
}

/// What the page tells about running again is what the exit codes mean.
#[test]
fn the_exit_codes_are_the_readmes() {
    let codes = |text: &str| -> Vec<String> {
        let table = text.split("| exit code |").nth(1).expect("a table of exit codes");
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        rows.map(|row| row.split('|').nth(1).unwrap().trim().to_owned()).collect()
    };
    assert_eq!(codes(PAGE), codes(include_str!("../../README.md")));
}

/// As the page says: nobody at a machine can be asked.
#[test]
fn where_the_settings_want_a_yes() {
    let case = Case::new();
    case.project.write("migrate.ini", format!("{}confirm = yes\n", file("migrate.ini")));
    let run = |arguments: &[&str]| {
        let mut command = case.project.command(arguments);
        command.env("DATABASE_URL", case.url());
        case.project.run(command)
    };
    let refused = run(&["upgrade", "head"]);
    assert!(refused.code != 0 && refused.stderr.contains("aludel upgrade head --yes"), "{}", refused.transcript());
    assert_eq!(case.database.psql("SELECT to_regclass('a') IS NULL"), "t\n");
    run(&["upgrade", "head", "--yes"]).succeeded();
    assert_eq!(case.rows(), "002");
}
