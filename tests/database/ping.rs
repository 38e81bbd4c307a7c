//! `ping`: what it finds out, what it says of a connection that fails, and of an upgrade that could not run.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::LazyLock;

use aludel::local::EphemeralOptions;
use serde_json::Value;
use snapbox::{assert_data_eq, str};

use crate::Case;
use crate::support::{Project, Ran, Server};
use crate::together::lock_key;

const PASSWORD: &str = "cAnArY";

/// Its log-in rules are this test's own.
static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let tcp_password = Some(PASSWORD.to_owned());
    let server = Server::start(&EphemeralOptions { tcp_password, ..EphemeralOptions::default() });
    server.admin(
        "CREATE ROLE alone LOGIN PASSWORD 'cAnArY' CONNECTION LIMIT 0; CREATE ROLE sleeper NOLOGIN PASSWORD 'cAnArY';
         CREATE ROLE stranger LOGIN PASSWORD 'cAnArY'; CREATE ROLE peerless LOGIN; CREATE ROLE guest LOGIN PASSWORD 'cAnArY'",
    );
    server.admin("CREATE DATABASE closed");
    server.admin("CREATE DATABASE shut ALLOW_CONNECTIONS false");
    server.admin("REVOKE CONNECT ON DATABASE closed FROM PUBLIC");
    let file = server.cluster.directory().join("data/pg_hba.conf");
    let rules = std::fs::read_to_string(&file).expect("the rules");
    // Of the role `stranger` no line over TCP speaks.
    let ours = "local all peerless peer\nhost all postgres,alone,sleeper,guest,nobody all scram-sha-256\n";
    let local: String =
        rules.lines().filter(|line| line.starts_with("local")).map(|line| format!("{line}\n")).collect();
    std::fs::write(&file, format!("{ours}{local}")).expect("the rules are written");
    server.admin("SELECT pg_reload_conf()");
    // A connection after the reload is let in by the new rules: they are read before the next one is accepted.
    server
});

fn port() -> String {
    let url = SERVER.cluster.connection().tcp_url("x");
    url.split("127.0.0.1:").nth(1).and_then(|rest| rest.split('/').next()).expect("a port").to_owned()
}

/// Runs `ping` on this URL, in both forms: what a person is told, and the JSON's `error`.
#[track_caller]
fn failed(url: &str) -> (String, Value) {
    let project = Project::empty();
    project.write("migrate.ini", "[migrate]\nurl = {{ env.DATABASE_URL }}\n");
    let run = |arguments: &[&str]| {
        let mut command = project.command(arguments);
        let output = command.env("DATABASE_URL", url).output().expect("the binary runs");
        let ran = Ran::of(&output, |text| text.replace(&port(), "[PORT]"));
        assert!(!ran.transcript().contains(PASSWORD), "{}", ran.transcript());
        assert_eq!(ran.code, 1, "{}", ran.transcript());
        ran
    };
    let told = run(&["ping"]);
    assert_eq!(told.stdout, "");
    let json = run(&["ping", "--json"]);
    assert_eq!(json.stderr, told.stderr);
    let report: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(report["ok"], false);
    (told.stderr, report["error"].clone())
}

fn url(user: &str, database: &str) -> String {
    format!("postgres://{user}:{PASSWORD}@127.0.0.1:{}/{database}", port())
}

/// A server that says this to whoever comes, and nothing more.
fn stranger(answer: Option<Vec<u8>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut asked = [0; 1024];
            let _ = stream.read(&mut asked);
            if let Some(answer) = &answer {
                let _ = stream.write_all(answer);
            } else {
                held.push(stream);
            }
        }
    });
    port
}

/// An ErrorResponse, as the protocol has it.
fn fatal(code: &str, message: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0Rx\0\0");
    let length = u32::try_from(fields.len() + 4).expect("short").to_be_bytes();
    [b"E".as_slice(), &length, fields.as_bytes()].concat()
}

#[test]
fn nobody_answers() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let (told, error) = failed(&format!("postgres://x@127.0.0.1:{free}/x"));
    assert_eq!(error["reason"], "refused", "{told}");
    let (told, error) = failed("postgres://x@nowhere.invalid/x");
    assert_eq!(
        (&error["reason"], &error["hints"][0]),
        (&"no_such_host".into(), &"check the spelling: `getent hosts nowhere.invalid`".into()),
        "{told}"
    );
    let (told, error) = failed("host=/nowhere user=x dbname=x");
    assert_eq!(error["reason"], "no_such_socket", "{told}");
    let (told, error) = failed(&format!("{}?sslmode=require", url("postgres", "postgres")));
    assert_eq!(error["reason"], "tls_not_offered", "{told}");
    let silent = stranger(None);
    let (told, error) = failed(&format!("postgres://x@127.0.0.1:{silent}/x?connect_timeout=2"));
    assert_eq!(error["reason"], "timeout");
    assert_data_eq!(
        told.replace(&silent.to_string(), "[PORT]"),
        str![[r#"
error: cannot connect to `127.0.0.1:[PORT]`: no answer in time
hint: check that a firewall lets you reach `127.0.0.1:[PORT]`, or allow more time: `connect_timeout=60`

"#]]
    );
    let web = stranger(Some(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()));
    let (told, error) = failed(&format!("postgres://x@127.0.0.1:{web}/x?sslmode=disable"));
    assert_eq!(error["reason"], "protocol");
    assert!(told.contains("hint: check the port"), "{told}");
    let early = stranger(Some(fatal("57P03", "the database system is starting up")));
    let (told, error) = failed(&format!("postgres://x@127.0.0.1:{early}/x?sslmode=disable"));
    assert_eq!((&error["reason"], &error["sqlstate"]), (&"not_ready".into(), &"57P03".into()));
    assert_data_eq!(
        told.replace(&early.to_string(), "[PORT]"),
        str![[r#"
error[57P03]: cannot connect to `127.0.0.1:[PORT]`: the database system is starting up
hint: wait until the server is ready, and try again

"#]]
    );
}

#[test]
fn not_let_in() {
    let (told, error) = failed(&url("postgres", "postgres").replace(PASSWORD, "wrong"));
    assert_eq!((&error["reason"], &error["sqlstate"]), (&"password_wrong".into(), &"28P01".into()), "{told}");
    let (told, error) = failed(&url("postgres", "postgres").replace(&format!(":{PASSWORD}"), ""));
    assert_eq!(error["reason"], "password_missing", "{told}");
    let (told, error) = failed(&url("postgres", "missing"));
    assert_eq!((&error["reason"], &error["sqlstate"]), (&"no_such_database".into(), &"3D000".into()), "{told}");
    let (told, error) = failed(&url("sleeper", "postgres"));
    assert_eq!((&error["reason"], &error["sqlstate"]), (&"not_let_in".into(), &"28000".into()));
    assert_data_eq!(
        told,
        str![[r#"
error[28000]: cannot connect to `127.0.0.1:[PORT]`: role "sleeper" is not permitted to log in
hint: ALTER ROLE sleeper LOGIN;

"#]]
    );
    let (told, error) = failed(&url("stranger", "postgres"));
    assert_eq!((&error["reason"], &error["sqlstate"]), (&"not_let_in".into(), &"28000".into()));
    assert_data_eq!(
        told,
        str![[r#"
error[28000]: cannot connect to `127.0.0.1:[PORT]`: no pg_hba.conf entry for host "127.0.0.1", user "stranger", database "postgres", no encryption
hint: have a line put into the server's `pg_hba.conf`: host postgres stranger ADDRESS/32 scram-sha-256; then: SELECT pg_reload_conf();
hint: or, where it lets in only who comes by TLS: `sslmode=require`

"#]]
    );
    let socket = SERVER.cluster.connection().url();
    let host = socket.split("host=").nth(1).and_then(|rest| rest.split('&').next()).expect("a socket").to_owned();
    let (told, error) = failed(&socket.replace("user=postgres", "user=peerless"));
    assert_eq!((&error["reason"], &error["sqlstate"]), (&"not_let_in".into(), &"28000".into()));
    assert_data_eq!(
        told.replace(&host, "[SOCKET]"),
        str![[r#"
error[28000]: cannot connect to `[SOCKET]/.s.PGSQL.[PORT]`: Peer authentication failed for user "peerless"
hint: run it as the system's user `peerless` (`sudo -u peerless ...`), as `peer` asks
hint: or by TCP, with a password: `host=localhost`

"#]]
    );
    let (told, error) = failed(&url("alone", "postgres"));
    assert_eq!((&error["reason"], &error["sqlstate"]), (&"too_many_connections".into(), &"53300".into()));
    assert_data_eq!(
        told,
        str![[r#"
error[53300]: cannot connect to `127.0.0.1:[PORT]`: too many connections for role "alone"
hint: close connections of this role that nobody needs, or: ALTER ROLE alone CONNECTION LIMIT -1;

"#]]
    );
    let (told, _) = failed(&url("postgres", "shut"));
    assert_data_eq!(
        told,
        str![[r#"
error[55000]: cannot connect to `127.0.0.1:[PORT]`: database "shut" is not currently accepting connections
hint: have a superuser let them in, from another database: ALTER DATABASE shut ALLOW_CONNECTIONS true;

"#]]
    );
    let (told, error) = failed(&url("guest", "closed"));
    assert_eq!((&error["reason"], &error["sqlstate"]), (&"no_right_to_connect".into(), &"42501".into()));
    assert_data_eq!(
        told,
        str![[r#"
error[42501]: cannot connect to `127.0.0.1:[PORT]`: permission denied for database "closed"
note: User does not have CONNECT privilege.
hint: GRANT CONNECT ON DATABASE closed TO guest;

"#]]
    );
}

/// A case whose ini has a role that owns nothing.
fn as_role(role: &str) -> Case {
    let case = Case::new();
    let _ = case.ask(&format!("DO $$ BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object THEN END $$"));
    let url = case.database.url().replace("user=postgres", &format!("user={role}"));
    case.project.write("migrate.ini", format!("[migrate]\nurl = {url}\n"));
    case
}

/// A transcript without what differs from server to server.
#[track_caller]
fn ping(case: &Case) -> String {
    let transcript = case.transcript("ping");
    let still = |line: &str| match line.split_once(" at ") {
        Some((server, address)) if server.starts_with("server    PostgreSQL ") => {
            format!("server    PostgreSQL [VERSION] at {address}\n")
        }
        _ => format!("{line}\n"),
    };
    transcript.lines().map(still).collect()
}

#[test]
fn ready() {
    let case = Case::new();
    case.chain(2);
    let before = case.database.pg_dump();
    assert_data_eq!(
        ping(&case),
        str![[r#"
exit code: 0
----- stdout
server    PostgreSQL [VERSION] at [SOCKET]/.s.PGSQL.5432
database  [DATABASE]
user      postgres
tls       none
latency   [TIME] to connect, [TIME] a round trip
pooler    none
changes   taken
rights    superuser
pending   2 revisions
----- stderr
ready for an upgrade

"#]]
    );
    assert_eq!(case.database.pg_dump(), before, "it changes nothing");
    let _ = case.succeeds("upgrade head");
    let json: Value = serde_json::from_str(&case.succeeds("ping --json").stdout).expect("JSON");
    assert_eq!((&json["ok"], &json["pending"], &json["version_table"]), (&true.into(), &0.into(), &true.into()));
    // Who has the lock does not keep an upgrade from running later.
    let mut holder = case.database.client();
    holder.batch_execute(&format!("SELECT pg_advisory_lock({})", lock_key())).expect("the lock is free");
    let json: Value = serde_json::from_str(&case.succeeds("ping --json").stdout).expect("JSON");
    assert!(json["running"].as_str().is_some_and(|holder| holder.starts_with("server process ")), "{json}");
}

#[test]
fn a_role_without_rights() {
    let case = as_role("ping_nothing");
    let _ = case.ask("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    case.chain(1);
    assert_data_eq!(
        ping(&case),
        str![[r#"
exit code: 3
----- stdout
server    PostgreSQL [VERSION] at [SOCKET]/.s.PGSQL.5432
database  [DATABASE]
user      ping_nothing
tls       none
latency   [TIME] to connect, [TIME] a round trip
pooler    none
changes   taken
rights    may not create tables in the schema of the tool's tables, may not create schemas; no superuser
pending   1 revision
----- stderr
error[42501]: this role may not create the tables of versions and history
hint: GRANT USAGE, CREATE ON SCHEMA public TO ping_nothing;

"#]]
    );
    let hint = "GRANT USAGE, CREATE ON SCHEMA public TO ping_nothing;";
    assert!(case.run("upgrade head").stderr.contains(hint), "an upgrade says the same");
    let _ = case.ask(hint);
    assert_eq!(case.run("ping").code, 0);
    let url = case.project.read("migrate.ini");
    case.project.write("migrate.ini", url.replace("ping_nothing", "postgres"));
    let _ = case.succeeds("upgrade head");
    case.project.write("migrate.ini", url);
    let said = case.run("ping");
    assert_eq!(said.code, 3, "{}", said.transcript());
    assert!(
        said.stderr.contains("hint: GRANT SELECT, INSERT, UPDATE, DELETE ON public.aludel_version TO ping_nothing;"),
        "{}",
        said.stderr
    );
    let _ = case.ask("DROP OWNED BY ping_nothing");
}

/// The tool's own tables are elsewhere, and the revisions' are not.
#[test]
fn a_role_that_may_not_create_where_names_without_a_schema_go() {
    let case = as_role("ping_elsewhere");
    let _ = case.ask("REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE SCHEMA tool AUTHORIZATION ping_elsewhere");
    let ini = case.project.read("migrate.ini");
    case.project.write("migrate.ini", format!("{ini}version_table_schema = tool\n"));
    case.chain(1);
    assert_data_eq!(
        ping(&case),
        str![[r#"
exit code: 0
----- stdout
server    PostgreSQL [VERSION] at [SOCKET]/.s.PGSQL.5432
database  [DATABASE]
user      ping_elsewhere
tls       none
latency   [TIME] to connect, [TIME] a round trip
pooler    none
changes   taken
rights    may create tables in the schema of the tool's tables, may not create schemas; no superuser
pending   1 revision
----- stderr
warning: this role may not create in schema public, where names without a schema go
hint: GRANT CREATE ON SCHEMA public TO ping_elsewhere;
ready for an upgrade, as far as it creates nothing in schema public

"#]]
    );
    let json: Value = serde_json::from_str(&case.succeeds("ping --json").stdout).expect("JSON");
    assert_eq!(
        (&json["default_schema"], &json["may_create_in_default_schema"], &json["may_create_in_schema"]),
        (&"public".into(), &false.into(), &true.into())
    );
    let _ = case.ask("GRANT CREATE ON SCHEMA public TO ping_elsewhere;");
    assert!(ping(&case).ends_with("ready for an upgrade\n"));
    let _ = case.succeeds("upgrade head");
    let _ = case.ask("REVOKE CREATE ON SCHEMA public FROM ping_elsewhere;");
    assert!(ping(&case).ends_with("ready for an upgrade\n"), "nothing is pending");
    case.project.write("versions/repeatable/v.sql", "-- repeatable: v\n\nCREATE VIEW v AS SELECT 1;\n");
    let told = ping(&case);
    assert!(told.contains("\npending   0 revisions, 1 repeatable\n"), "{told}");
    assert!(told.ends_with("as far as it creates nothing in schema public\n"), "{told}");
    let _ = case.ask("REVOKE USAGE ON SCHEMA public FROM PUBLIC");
    assert!(ping(&case).contains("nothing in a schema of its search_path\n"), "{}", ping(&case));
    let _ = case.ask("DROP OWNED BY ping_elsewhere");
}

#[test]
fn transactions_that_may_only_read() {
    let case = Case::new();
    case.chain(1);
    let _ = case.ask(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", case.database.name));
    assert_data_eq!(
        ping(&case),
        str![[r#"
exit code: 3
----- stdout
server    PostgreSQL [VERSION] at [SOCKET]/.s.PGSQL.5432
database  [DATABASE]
user      postgres
tls       none
latency   [TIME] to connect, [TIME] a round trip
pooler    none
changes   none: transactions are read-only
rights    superuser
----- stderr
error[25006]: transactions are read-only here: `default_transaction_read_only` is on
note: on postgresql://postgres@/[DATABASE]?host=[SOCKET]
note: nothing was changed
hint: if that is not deliberate: SET default_transaction_read_only = off; ALTER DATABASE [DATABASE] RESET default_transaction_read_only;

"#]]
    );
}

#[test]
fn extensions() {
    let case = as_role("ping_owner");
    let _ = case.ask("GRANT CREATE ON SCHEMA public TO ping_owner");
    case.revision(
        "001",
        "",
        "CREATE EXTENSION IF NOT EXISTS plpgsql;\nCREATE EXTENSION IF NOT EXISTS pgcrypto;\nCREATE EXTENSION dblink;\nCREATE EXTENSION no_such_thing;",
        "",
    );
    case.revision(
        "002",
        "001",
        "CREATE EXTENSION \"plpgsql\";\nCREATE EXTENSION earthdistance;\nCREATE EXTENSION pgcrypto;",
        "",
    );
    assert_data_eq!(
        ping(&case),
        str![[r#"
exit code: 3
----- stdout
server    PostgreSQL [VERSION] at [SOCKET]/.s.PGSQL.5432
database  [DATABASE]
user      ping_owner
tls       none
latency   [TIME] to connect, [TIME] a round trip
pooler    none
changes   taken
rights    may create tables in the schema of the tool's tables, may not create schemas; no superuser
pending   2 revisions
extension plpgsql (revision 001): 1.0 is installed
extension pgcrypto (revision 001): 1.3 is available, and cannot be created so
extension dblink (revision 001): 1.2 is available, and cannot be created so
extension no_such_thing (revision 001): not available
extension earthdistance (revision 002): 1.1 is available, and cannot be created so
----- stderr
error[42501]: this role may not create the extension pgcrypto
 --> versions/001.sql:7:1
  |
7 | CREATE EXTENSION IF NOT EXISTS pgcrypto;
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: revision 001 creates it
  = hint: GRANT CREATE ON DATABASE [DATABASE] TO ping_owner;

error[42501]: this role may not create the extension dblink
 --> versions/001.sql:8:1
  |
8 | CREATE EXTENSION dblink;
  | ^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: revision 001 creates it
  = note: it is not trusted: a superuser must create it
  = hint: have a superuser run: CREATE EXTENSION dblink; and write IF NOT EXISTS into the revision

error: the extension no_such_thing is not available on this server
 --> versions/001.sql:9:1
  |
9 | CREATE EXTENSION no_such_thing;
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: revision 001 creates it
  = hint: have the package that holds it installed on the server's machine
  = hint: what there is: SELECT name FROM pg_available_extensions;

error[42501]: this role may not create the extension earthdistance
 --> versions/002.sql:7:1
  |
7 | CREATE EXTENSION earthdistance;
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: revision 002 creates it
  = note: it is not trusted: a superuser must create it
  = hint: have a superuser run: CREATE EXTENSION earthdistance; and write IF NOT EXISTS into the revision

error: the extension earthdistance requires cube, which is not installed
 --> versions/002.sql:7:1
  |
7 | CREATE EXTENSION earthdistance;
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: revision 002 creates it
  = hint: GRANT CREATE ON DATABASE [DATABASE] TO ping_owner;
  = hint: create that before: CREATE EXTENSION cube;

"#]]
    );
    // With the rights that the hints name, and as a superuser where one is needed.
    let _ =
        case.ask(&format!("GRANT CREATE ON DATABASE {} TO ping_owner; CREATE EXTENSION dblink", case.database.name));
    case.revision("001", "", "CREATE EXTENSION pgcrypto;\nCREATE EXTENSION IF NOT EXISTS dblink;", "");
    case.revision(
        "002",
        "001",
        "CREATE EXTENSION cube;\nCREATE EXTENSION hstore;\nCREATE EXTENSION citext CASCADE;",
        "",
    );
    let ran = case.run("ping");
    assert_eq!(ran.code, 0, "{}", ran.transcript());
    let _ = case.succeeds("upgrade head");
    let _ = case.ask("DROP OWNED BY ping_owner CASCADE");
}

#[test]
fn extensions_in_another_version_or_schema() {
    let case = Case::new();
    case.revision(
        "001",
        "",
        "CREATE EXTENSION cube VERSION '99.9' SCHEMA nowhere;\nCREATE SCHEMA here;\nCREATE EXTENSION hstore SCHEMA here VERSION '1.4';\n\
         CREATE EXTENSION earthdistance SCHEMA public;\nCREATE EXTENSION citext SCHEMA \"Here\";",
        "",
    );
    let ran = case.run("ping");
    assert_eq!(ran.code, 3, "{}", ran.transcript());
    assert_data_eq!(
        ran.stderr,
        str![[r#"
error: the extension cube is not available on this server in version 99.9
 --> versions/001.sql:6:1
  |
6 | CREATE EXTENSION cube VERSION '99.9' SCHEMA nowhere;
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: revision 001 creates it
  = hint: leave `VERSION` out, for version 1.5
  = hint: what there is: SELECT version FROM pg_available_extension_versions WHERE name = 'cube';

error: the extension cube is to go into schema nowhere, which is not there
 --> versions/001.sql:6:1
  |
6 | CREATE EXTENSION cube VERSION '99.9' SCHEMA nowhere;
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: revision 001 creates it
  = hint: create it before: CREATE SCHEMA nowhere;

error: the extension citext is to go into schema "Here", which is not there
  --> versions/001.sql:10:1
   |
10 | CREATE EXTENSION citext SCHEMA "Here";
   | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = note: revision 001 creates it
   = hint: create it before: CREATE SCHEMA "Here";

"#]]
    );
}

#[test]
fn the_sql_of_hooks_is_checked_where_an_upgrade_would_run() {
    let case = Case::new();
    case.chain(1);
    let ini = case.project.read("migrate.ini");
    case.project
        .write("migrate.ini", format!("{ini}before_upgrade = sql: missing.sql\nafter_downgrade = sql: nobody.sql\n"));
    let ran = case.run("ping");
    assert_eq!(ran.code, 3, "{}", ran.transcript());
    assert_data_eq!(
        ran.stderr,
        str![[r#"
error: before_upgrade cannot read `missing.sql`
 --> migrate.ini:3:18
  |
3 | before_upgrade = sql: missing.sql
  |                  ^^^^^^^^^^^^^^^^
  |
  = note: caused by: No such file or directory (os error 2)
  = hint: the path is relative to the ini

"#]]
    );
    case.project.write("missing.sql", "SELECT 1;\n");
    let _ = case.succeeds("upgrade head");
    std::fs::remove_file(case.project.path().join("missing.sql")).expect("it is there");
    let ran = case.succeeds("ping");
    let said = "warning: before_upgrade cannot read `missing.sql`; nothing is pending, so no hook would be run\nready for an upgrade\n";
    assert_eq!(ran.stderr, said, "{}", ran.transcript());
}

#[test]
fn revisions_that_cannot_be_read() {
    let case = Case::new();
    case.chain(1);
    case.project.write("versions/0002.sql", "-- revision: 0002\n-- parents: 0001\n\n-- migrate:upgrade\nBEGIN;\n");
    let ran = case.run("ping --json");
    let json: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!((ran.code, &json["problems"][0]["places"][0]["line"]), (3, &5.into()), "{}", ran.transcript());
    assert_eq!(json["error"], Value::Null);
    case.project.write("versions/0002.sql", "-- revision: 0002\n-- parents: 0009\n\n-- migrate:upgrade\n");
    let ran = case.run("ping");
    assert_eq!(ran.code, 3, "{}", ran.transcript());
    assert!(ran.stdout.starts_with("server    PostgreSQL "), "the server was asked all the same: {}", ran.transcript());
}
