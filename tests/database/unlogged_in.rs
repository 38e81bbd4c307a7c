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
    case.project.write("passwords", "*:*:*:*:cAnArY, wrong\n");
    let (file, mode) = (case.project.path().join("passwords"), std::os::unix::fs::PermissionsExt::from_mode(0o600));
    std::fs::set_permissions(&file, mode).expect("permissions");
    assert_data_eq!(
        case.ran(case.project.command(["current"]).env("DATABASE_URL", &url).env("PGPASSFILE", &file)).transcript(),
        str![[r#"
exit code: 1
----- stderr
error[28P01]: cannot connect to `127.0.0.1:[PORT]`: password authentication failed for user "postgres"
note: the password came from `[CWD]/passwords`
hint: check the password of `postgres`, or the user: `postgresql://user:password@…`

"#]]
    );
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
hint: start the server, or say where it listens: `host=...` in the URL (a directory, or a name), or `PGHOST`; `pg_lsclusters` shows what runs

"#]]
    );
}

/// Where no host is given, the machine decides, and not who listens: in `/tmp` anybody can.
#[test]
fn no_host() {
    let case = Case::new();
    let system = std::path::Path::new("/var/run/postgresql");
    let sockets = if system.is_dir() { system } else { std::path::Path::new("/tmp") };
    // A port where nothing can be; as a socket's number it stands in a file name alone.
    let ran = case.transcript("upgrade head", "postgresql:///shop?port=7");
    assert_data_eq!(
        ran.replace(&*sockets.to_string_lossy(), "[SOCKETS]"),
        str![[r#"
exit code: 1
----- stderr
error: cannot connect to `[SOCKETS]/.s.PGSQL.7`: there is no such socket
hint: start the server, or say where it listens: `host=...` in the URL (a directory, or a name), or `PGHOST`; `pg_lsclusters` shows what runs

"#]]
    );
    // A squatter's, where the system has a directory of its own.
    let squatter = std::os::unix::net::UnixListener::bind("/tmp/.s.PGSQL.8");
    let ran = case.run("upgrade head", "postgresql://u:cAnArY@/shop?port=8&connect_timeout=2");
    if squatter.is_ok() {
        std::fs::remove_file("/tmp/.s.PGSQL.8").expect("the socket goes");
    }
    assert_eq!(ran.stderr.contains("there is no such socket"), sockets == system, "{}", ran.transcript());
}

/// libpq's variables, as they are found on machines.
#[test]
fn variables_that_mean_nothing() {
    let case = Case::new();
    let with = |url: &str, name: &str, value: &std::ffi::OsStr| {
        case.ran(case.project.command(["current"]).env("DATABASE_URL", url).env(name, value)).transcript()
    };
    assert_data_eq!(
        with("host=127.0.0.1", "PGSSLMODE", "".as_ref()),
        str![[r#"
exit code: 2
----- stderr
error: cannot read where the database is: `sslmode` is empty; it must be one of `disable`, `allow`, `prefer`, `require`, `verify-ca`, `verify-full`
note: `PGSSLMODE` is set, and the `url` says nothing of it
hint: take it out, or unset the variable: what is empty is given, as in libpq

"#]]
    );
    assert_data_eq!(
        with("dbname=d", "PGHOST", "postgres://u:cAnArY@127.0.0.1/d".as_ref()),
        str![[r#"
exit code: 2
----- stderr
error: cannot read where the database is: `host` holds a URL, so it is no name
note: `PGHOST` is set, and the `url` says nothing of it
hint: put the URL into `url` in the settings, or into `--url`

"#]]
    );
    assert_data_eq!(
        with("dbname=d", "PGSERVICE", "postgres://u:cAnArY@127.0.0.1/d".as_ref()),
        str![[r#"
exit code: 2
----- stderr
error: cannot read where the database is: `service` holds a URL, so it is no name
note: `PGSERVICE` is set, and the `url` says nothing of it
hint: put the URL into `url` in the settings, or into `--url`

"#]]
    );
    let bytes: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff");
    assert_data_eq!(
        with("dbname=d", "PGHOST", bytes),
        str![[r#"
exit code: 2
----- stderr
error: cannot read where the database is: the value of `PGHOST` is not UTF-8
hint: unset `PGHOST`, or write its value in UTF-8

"#]]
    );
    let url = case.url("postgres", "postgres", PASSWORD);
    assert_data_eq!(
        with(&url, "PGSERVICE", "cAnArY".as_ref()),
        str![[r#"
exit code: 0
----- stderr
warning: `PGSERVICE` is passed over, as the `url` names a host itself; `service=NAME` there would count
nothing is applied

"#]]
    );
    // What is given is not asked of the environment.
    assert_data_eq!(
        with(&url, "PGHOST", bytes),
        str![[r#"
exit code: 0
----- stderr
nothing is applied

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
        case.transcript("current", "host=127.0.0.1 sslmode=''"),
        str![[r#"
exit code: 2
----- stderr
error: cannot read where the database is: `sslmode` is empty; it must be one of `disable`, `allow`, `prefer`, `require`, `verify-ca`, `verify-full`
 --> migrate.ini:2:7
  |
2 | url = {{ env.DATABASE_URL }}
  |       ^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: take it out, or unset the variable: what is empty is given, as in libpq

"#]]
    );
    // Neither a URL nor pairs, and a `=` somewhere: what stands before that is no setting's name.
    for text in [
        "app:cAnArY@127.0.0.1:5432/shop?sslmode=require",
        "postgres:/app:cAnArY@127.0.0.1/d?sslmode=require",
        "app:cAnArY==@127.0.0.1/d",
        "{\"password\":\"cAnArY=b\"}",
    ] {
        let told = case.transcript("current", text);
        assert!(told.contains("it is neither a URL nor `key=value` settings"), "{text}: {told}");
    }
    case.run("current", "postgres://postgres@127.0.0.1/x?sslpassword=a&cAnArY?x=1");
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
