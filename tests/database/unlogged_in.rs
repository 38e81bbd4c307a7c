//! Connections that are refused, and passwords: what is said, and that none is ever shown.

use std::process::Command;
use std::sync::LazyLock;

use aludel::local::EphemeralOptions;
use snapbox::{assert_data_eq, str};

use crate::support::{Database, Project, Ran, Server};

/// In every password here. It stands in no output.
const CANARY: &str = "cAnArY";
/// The superuser's, with everything that a URL must encode.
const PASSWORD: &str = "cAnArY%40@/:?#&= '\\é";

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let tcp_password = Some(PASSWORD.to_owned());
    Server::start(&EphemeralOptions { tcp_password, ..EphemeralOptions::default() })
});

struct Case {
    database: Database<'static>,
    project: Project,
    port: String,
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

impl Case {
    fn new() -> Self {
        let (database, project) = (SERVER.database(), Project::empty());
        let url = SERVER.cluster.connection().tcp_url("x");
        let port = url.split("127.0.0.1:").nth(1).expect("a port").split('/').next().expect("a port").to_owned();
        project.write("migrate.ini", "[migrate]\n");
        project.write(
            "versions/001.sql",
            "-- revision: 001\n\n-- migrate:upgrade\nCREATE TABLE a AS SELECT query, application_name FROM pg_stat_activity;\n-- migrate:downgrade\nDROP TABLE a;\n",
        );
        Self { database, project, port }
    }

    fn url(&self, scheme: &str, user: &str, password: &str) -> String {
        format!("{scheme}://{user}:{}@127.0.0.1:{}/{}", encoded(password), self.port, self.database.name)
    }

    /// Runs it with this URL on the command line; the password stands nowhere.
    #[track_caller]
    fn run(&self, arguments: &str, url: &str) -> Ran {
        let mut command = self.project.command(arguments.split_whitespace());
        command.arg("--url").arg(url);
        let ran = self.project.run(command);
        let clean = |text: &str| text.replace(&self.port, "[PORT]");
        let ran = Ran { code: ran.code, stdout: clean(&ran.stdout), stderr: clean(&ran.stderr) };
        assert!(!ran.transcript().contains(CANARY), "{}", ran.transcript());
        assert!(!ran.transcript().contains(&encoded("%40@/")), "{}", ran.transcript());
        ran
    }

    #[track_caller]
    fn transcript(&self, arguments: &str, url: &str) -> String {
        self.run(arguments, url).transcript()
    }
}

#[test]
fn every_way_to_write_a_password() {
    let case = Case::new();
    let (port, name) = (&case.port, &case.database.name);
    let quoted = PASSWORD.replace('\\', "\\\\").replace('\'', "\\'");
    let query = format!("postgresql://127.0.0.1:{port}/{name}?user=postgres&password={}", encoded(PASSWORD));
    for url in [
        case.url("postgresql", "postgres", PASSWORD),
        case.url("postgres", "postgres", PASSWORD),
        case.url("postgresql+asyncpg", "postgres", PASSWORD),
        case.url("postgresql+psycopg2", "postgres", PASSWORD),
        case.url("postgresql+psycopg", "postgres", PASSWORD),
        query,
        format!("host=127.0.0.1 port={port} dbname={name} user=postgres password='{quoted}'"),
    ] {
        for command in ["upgrade head -v", "current -v", "status", "status --json", "downgrade base -v"] {
            let ran = case.run(command, &url);
            assert_eq!(ran.code, 0, "{command}: {}", ran.transcript());
        }
    }
    case.run("upgrade head", &case.url("postgres", "postgres", PASSWORD)).succeeded();
    let dump = case.database.pg_dump();
    assert!(dump.contains("aludel"), "the activity was kept");
    assert!(!dump.contains(CANARY), "neither the history nor pg_stat_activity has seen it");
    assert_data_eq!(
        case.transcript("status", &case.url("postgresql+asyncpg", "postgres", PASSWORD)),
        str![[r#"
exit code: 0
----- stdout
database  postgresql://postgres:***@127.0.0.1:[PORT]/[DATABASE]
current   001
applied   1 of 1
heads     001 (head) (current)
pending   0

"#]]
    );
}

#[test]
fn from_the_environment_and_the_ini() {
    let case = Case::new();
    let url = case.url("postgres", "postgres", PASSWORD);
    case.project.write("migrate.ini", "[migrate]\nurl = {{ x.dbUrl or env.DATABASE_URL }}\n");
    let run = |change: &dyn Fn(&mut Command)| {
        let mut command = case.project.command(["upgrade", "head"]);
        change(&mut command);
        let ran = case.project.run(command);
        assert!(!ran.transcript().contains(CANARY), "{}", ran.transcript());
        assert_eq!(ran.code, 0, "{}", ran.transcript());
    };
    run(&|command| {
        command.env("DATABASE_URL", &url);
    });
    run(&|command| {
        command.args(["-x", &format!("dbUrl={url}")]);
    });
    let without = format!("postgres://postgres@127.0.0.1:{}/{}", case.port, case.database.name);
    run(&|command| {
        command.env("DATABASE_URL", &without).env("PGPASSWORD", PASSWORD);
    });
    // A literal one in the ini, which is not read as a template of ours.
    case.project.write("migrate.ini", format!("[migrate]\nurl = {url}\n"));
    run(&|_| ());
}

#[test]
fn refused() {
    let case = Case::new();
    assert_data_eq!(
        case.transcript("upgrade head", &case.url("postgres", "postgres", "cAnArY, wrong")),
        str![[r#"
exit code: 1
----- stderr
error[28P01]: cannot connect to `127.0.0.1:[PORT]`: password authentication failed for user "postgres"
hint: check the password of `postgres`, or the user: `postgresql://user:password@…`

"#]]
    );
    assert_data_eq!(
        case.transcript("upgrade head", &case.url("postgres", "nobody", "cAnArY")),
        str![[r#"
exit code: 1
----- stderr
error[28P01]: cannot connect to `127.0.0.1:[PORT]`: password authentication failed for user "nobody"
hint: check the password of `nobody`, or the user: `postgresql://user:password@…`

"#]]
    );
    let url = format!("postgres://postgres@127.0.0.1:{}/{}", case.port, case.database.name);
    assert_data_eq!(
        case.transcript("current", &url),
        str![[r#"
exit code: 1
----- stderr
error: cannot connect to `127.0.0.1:[PORT]`: the server asks for a password, and none is given
hint: put it into the URL (`postgresql://user:password@…`), `PGPASSWORD` or `~/.pgpass`

"#]]
    );
    let url = case.url("postgres", "postgres", PASSWORD);
    let elsewhere = url.replace(&case.database.name, "no_such_database");
    assert_data_eq!(
        case.transcript("upgrade head", &elsewhere),
        str![[r#"
exit code: 1
----- stderr
error[3D000]: cannot connect to `127.0.0.1:[PORT]`: database "no_such_database" does not exist
hint: create it: `createdb -h 127.0.0.1 -p [PORT] -U postgres no_such_database`

"#]]
    );
    assert_data_eq!(
        case.transcript("upgrade head", &format!("{url}?sslmode=require")),
        str![[r#"
exit code: 1
----- stderr
error: cannot connect to `127.0.0.1:[PORT]`: `sslmode` demands TLS, which this version cannot do yet
hint: use a tunnel or a socket, or `sslmode=prefer` in a trusted network

"#]]
    );
    assert_data_eq!(
        case.transcript("upgrade head", &format!("{url}?sslmode=verify-full")),
        str![[r#"
exit code: 1
----- stderr
error: cannot connect to `127.0.0.1:[PORT]`: `sslmode` demands TLS, which this version cannot do yet
hint: use a tunnel or a socket, or `sslmode=prefer` in a trusted network

"#]]
    );
    assert_eq!(case.run("upgrade head", &format!("{url}?sslmode=prefer")).code, 0);
}

#[test]
fn nobody_there() {
    let case = Case::new();
    let url = case.url("postgres", "postgres", PASSWORD);
    // A port that was free a moment ago.
    let free =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let refused = url.replace(&format!(":{}/", case.port), &format!(":{free}/"));
    assert_data_eq!(
        case.transcript("upgrade head", &refused).replace(&free.to_string(), "[PORT]"),
        str![[r#"
exit code: 1
----- stderr
error: cannot connect to `127.0.0.1:[PORT]`: nobody listens there
hint: start the server, or correct host and port in the URL; `pg_lsclusters` or `pg_isready` show what runs

"#]]
    );
    let ran = case.run("upgrade head", &url.replace("127.0.0.1", "nowhere.invalid"));
    let told: String =
        ran.transcript().lines().filter(|line| !line.starts_with("note: ")).map(|line| format!("{line}\n")).collect();
    assert_data_eq!(
        told,
        str![[r#"
exit code: 1
----- stderr
error: cannot connect to `nowhere.invalid:[PORT]`: the name `nowhere.invalid` has no address
hint: check the spelling: `getent hosts nowhere.invalid`

"#]]
    );
    assert_data_eq!(
        case.transcript("upgrade head", "host=/nowhere/at/all user=x dbname=x password=cAnArY"),
        str![[r#"
exit code: 1
----- stderr
error: cannot connect to `/nowhere/at/all/.s.PGSQL.5432`: there is no such socket
hint: start the server, or correct host and port in the URL; `pg_lsclusters` or `pg_isready` show what runs

"#]]
    );
}

#[test]
fn a_url_that_means_nothing() {
    let case = Case::new();
    assert_data_eq!(
        case.transcript("current", "postgres://postgres:cAnArY%zz@127.0.0.1/x"),
        str![[r#"
exit code: 2
----- stderr
error: cannot read where the database is: a `%` is not followed by two hexadecimal digits that make UTF-8
hint: write a `%` as `%25`

"#]]
    );
    assert_data_eq!(
        case.transcript("current", "mysql://postgres:cAnArY@127.0.0.1/x"),
        str![[r#"
exit code: 2
----- stderr
error: cannot read where the database is: its scheme is not `postgresql` or `postgres`
hint: write `postgresql://user:password@host:5432/database`

"#]]
    );
    assert_data_eq!(
        case.transcript("current", "postgres://postgres:cAnArY/@127.0.0.1/x"),
        str![[r#"
exit code: 2
----- stderr
error: cannot read where the database is: it is unclear where the password ends
hint: write `/` in a user name or password as `%2F`, `?` as `%3F`, `@` as `%40`

"#]]
    );
    assert_data_eq!(
        case.transcript("current", "postgres://postgres:cAnArY@127.0.0.1:port/x"),
        str![[r#"
exit code: 2
----- stderr
error: cannot read where the database is: `port` must be a number from 1 to 65535

"#]]
    );
    assert_data_eq!(
        case.transcript("current", "postgres://postgres:cAnArY@127.0.0.1/x?passwort=cAnArY"),
        str![[r#"
exit code: 2
----- stderr
error: cannot read where the database is: there is no setting `passwort`
hint: did you mean `password`?

"#]]
    );
    assert_data_eq!(
        case.transcript("current", "host=127.0.0.1 passwort=cAnArY"),
        str![[r#"
exit code: 2
----- stderr
error: cannot read where the database is: there is no setting `passwort`
hint: did you mean `password`?

"#]]
    );
    assert_data_eq!(
        case.transcript("current", "host=127.0.0.1 password='cAnArY"),
        str![[r#"
exit code: 2
----- stderr
error: cannot read where the database is: a quote is not closed
hint: in `key=value` settings put a value with spaces in single quotes, and `/` before `'`

"#]]
    );
    assert_data_eq!(
        case.transcript("current", "cAnArY"),
        str![[r#"
exit code: 2
----- stderr
error: cannot read where the database is: it is neither a URL nor `key=value` settings
hint: write `postgresql://user:password@host:5432/database`

"#]]
    );
    assert_data_eq!(
        case.transcript("current", ""),
        str![[r#"
exit code: 2
----- stderr
error: `--url` is empty
hint: name one: `--url postgres://user@host/database`, or `url` in the settings
hint: `--url local` starts a private PostgreSQL for development and tests

"#]]
    );
}
