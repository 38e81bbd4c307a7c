//! Connections that are refused: what is said. That no password is ever shown is for `tests/secrets`.

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
        project.write("migrate.ini", "[migrate]\nurl = {{ env.DATABASE_URL }}\n");
        project.write(
            "versions/001.sql",
            "-- revision: 001\n\n-- migrate:upgrade\nCREATE TABLE a ();\n-- migrate:downgrade\nDROP TABLE a;\n",
        );
        Self { database, project, port }
    }

    fn url(&self, scheme: &str, user: &str, password: &str) -> String {
        format!("{scheme}://{user}:{}@127.0.0.1:{}/{}", encoded(password), self.port, self.database.name)
    }

    /// Runs it with this URL; the password stands nowhere.
    #[track_caller]
    fn run(&self, arguments: &str, url: &str) -> Ran {
        self.ran(self.project.command(arguments.split_whitespace()).env("DATABASE_URL", url))
    }

    #[track_caller]
    fn ran(&self, command: &mut Command) -> Ran {
        let ran = Ran::of(&command.output().expect("the binary runs"), |text| {
            self.project.still(text).replace(&self.port, "[PORT]")
        });
        assert!(!ran.transcript().contains(CANARY), "{}", ran.transcript());
        ran
    }

    #[track_caller]
    fn transcript(&self, arguments: &str, url: &str) -> String {
        self.run(arguments, url).transcript()
    }
}

/// The password is shown nowhere, and one that was typed into a command is warned of: others can read it there.
#[test]
fn logged_in() {
    let case = Case::new();
    let url = case.url("postgresql+asyncpg", "postgres", PASSWORD);
    case.run("upgrade head", &url).succeeded();
    assert_data_eq!(
        case.transcript("status", &url),
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
    case.project.write("migrate.ini", "[migrate]\nurl = {{ x.dbUrl }}\n");
    let typed = |arguments: [&str; 3]| case.ran(&mut case.project.command(arguments));
    assert_data_eq!(
        typed(["current", "--url", &url]).transcript(),
        str![[r#"
exit code: 0
----- stdout
001 (head)
----- stderr
warning: everyone on this machine can read the password in `--url` while this runs (`ps`)
hint: put it into `PGPASSWORD`, `~/.pgpass` or a variable that the settings name: `{{ env.NAME }}`

"#]]
    );
    let said = typed(["current", "-x", &format!("dbUrl={url}")]).stderr;
    assert!(said.starts_with("warning: everyone on this machine can read the password in `-x dbUrl` "), "{said}");
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
hint: give it by `password_command` in the settings, by `PGPASSWORD` or in `~/.pgpass`

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
error: cannot connect to `127.0.0.1:[PORT]`: the server does not do TLS, and `sslmode` demands it
hint: turn TLS on in the server (`ssl = on`); if it is on there, somebody in between turns it off

"#]]
    );
    assert_data_eq!(
        case.transcript("upgrade head", &format!("{url}?sslmode=verify-full")),
        str![[r#"
exit code: 1
----- stderr
error: cannot connect to `127.0.0.1:[PORT]`: the server does not do TLS, and `sslmode` demands it
hint: turn TLS on in the server (`ssl = on`); if it is on there, somebody in between turns it off

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
 --> migrate.ini:2:7
  |
2 | url = {{ env.DATABASE_URL }}
  |       ^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: write a `%` as `%25`

"#]]
    );
    assert_data_eq!(
        case.transcript("current", "mysql://postgres:cAnArY@127.0.0.1/x"),
        str![[r#"
exit code: 2
----- stderr
error: cannot read where the database is: its scheme is not `postgresql` or `postgres`
 --> migrate.ini:2:7
  |
2 | url = {{ env.DATABASE_URL }}
  |       ^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: write `postgresql://user:password@host:5432/database`

"#]]
    );
    assert_data_eq!(
        case.transcript("current", "postgres://postgres:cAnArY/@127.0.0.1/x"),
        str![[r#"
exit code: 2
----- stderr
error: cannot read where the database is: it is unclear where the password ends
 --> migrate.ini:2:7
  |
2 | url = {{ env.DATABASE_URL }}
  |       ^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: write `/` in a user name or password as `%2F`, `?` as `%3F`, `@` as `%40`

"#]]
    );
    assert_data_eq!(
        case.transcript("current", "postgres://postgres:cAnArY@127.0.0.1:port/x"),
        str![[r#"
exit code: 2
----- stderr
error: cannot read where the database is: `port` must be a number from 1 to 65535
 --> migrate.ini:2:7
  |
2 | url = {{ env.DATABASE_URL }}
  |       ^^^^^^^^^^^^^^^^^^^^^^

"#]]
    );
    assert_data_eq!(
        case.transcript("current", "postgres://postgres:cAnArY@127.0.0.1/x?passwort=cAnArY"),
        str![[r#"
exit code: 2
----- stderr
error: cannot read where the database is: there is no setting `passwort`
 --> migrate.ini:2:7
  |
2 | url = {{ env.DATABASE_URL }}
  |       ^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: did you mean `password`?

"#]]
    );
    assert_data_eq!(
        case.transcript("current", "host=127.0.0.1 passwort=cAnArY"),
        str![[r#"
exit code: 2
----- stderr
error: cannot read where the database is: there is no setting `passwort`
 --> migrate.ini:2:7
  |
2 | url = {{ env.DATABASE_URL }}
  |       ^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: did you mean `password`?

"#]]
    );
    assert_data_eq!(
        case.transcript("current", "host=127.0.0.1 password='cAnArY"),
        str![[r#"
exit code: 2
----- stderr
error: cannot read where the database is: a quote is not closed
 --> migrate.ini:2:7
  |
2 | url = {{ env.DATABASE_URL }}
  |       ^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: in `key=value` settings put a value with spaces in single quotes, and `/` before `'`

"#]]
    );
    assert_data_eq!(
        case.transcript("current", "cAnArY"),
        str![[r#"
exit code: 2
----- stderr
error: cannot read where the database is: it is neither a URL nor `key=value` settings
 --> migrate.ini:2:7
  |
2 | url = {{ env.DATABASE_URL }}
  |       ^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: write `postgresql://user:password@host:5432/database`

"#]]
    );
    assert_data_eq!(
        case.transcript("current --url=", ""),
        str![[r#"
exit code: 2
----- stderr
error: `--url` is empty
hint: name one: `--url postgres://user@host/database`, or `url` in the settings
hint: `--url local` starts a private PostgreSQL for development and tests

"#]]
    );
}
