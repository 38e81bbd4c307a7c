//! The connection against a real PostgreSQL: tags, counts, pipelines, log-ins, cancelling, being thrown out.
#![allow(clippy::disallowed_methods)]

mod support;

use aludel::database::connect_error::{ConnectError, ConnectFailure};
use aludel::database::connection::Connection;
use aludel::database::conninfo::{Conninfo, Settings, Surroundings};
use aludel::database::query::QueryError;
use aludel::database::server_error::{Position, Severity};
use aludel::database::wire::connect::ConnectOptions;
use aludel::database::wire::event::{Event, Rows, TransactionStatus};
use aludel::model::sql::quote::literal;
use aludel::secret::Secret;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A superuser's way into a throw-away server.
fn server_url() -> String {
    support::server().cluster.connection().url()
}

fn conninfo() -> Conninfo {
    Conninfo::parse(&server_url(), &Surroundings { variable: &|_| None, home: None, user: None }).unwrap()
}

fn connect() -> Connection {
    Connection::connect(&conninfo(), &ConnectOptions::default()).unwrap()
}

fn log_in(user: &str, password: Option<&str>) -> Result<Connection, ConnectError> {
    let mut conninfo = conninfo();
    user.clone_into(&mut conninfo.user);
    conninfo.hosts.iter_mut().for_each(|host| host.password = password.map(Secret::new));
    Connection::connect(&conninfo, &ConnectOptions::default())
}

fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(60))
}

/// A line for each event up to the end of the first message in flight.
fn told(connection: &mut Connection) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        match connection.next_event(soon()).unwrap() {
            Event::Complete(tag) => told.push(tag.to_string()),
            Event::Columns(columns) => {
                let names: Vec<String> = columns.into_iter().map(|column| column.name).collect();
                told.push(format!("columns {}", names.join(",")));
            }
            Event::Row(row) => told.push(format!("row {}", row.get(0).unwrap_or("NULL"))),
            Event::EmptyQuery => told.push("empty".to_owned()),
            Event::Error(error) => told.push(format!("error {}", error.code)),
            Event::Notice(notice) => told.push(format!("{:?} {}", notice.severity, notice.message)),
            Event::Parameter { name, value } => told.push(format!("{name}={value}")),
            Event::Ready(status) => {
                told.push(format!("{status:?}"));
                return told;
            }
            other => panic!("{other:?}"),
        }
    }
}

fn tell(connection: &mut Connection, sql: &str, rows: Rows) -> Vec<String> {
    connection.send(sql, rows).unwrap();
    told(connection)
}

#[test]
fn tags_rows_and_status() {
    let mut connection = connect();
    let version = connection.server_version().unwrap();
    assert!(version >= 130_000);
    assert_eq!(connection.parameter("client_encoding"), Some("UTF8"));
    let mut case = |sql: &str, expected: &[&str]| assert_eq!(tell(&mut connection, sql, Rows::Keep), expected, "{sql}");
    case("BEGIN", &["BEGIN", "InTransaction"]);
    case("CREATE TEMP TABLE t (a int, b text)", &["CREATE TABLE", "InTransaction"]);
    case("INSERT INTO t VALUES (1, 'é'), (2, NULL)", &["INSERT 0 2", "InTransaction"]);
    case("SELECT b FROM t ORDER BY a", &["columns b", "row é", "row NULL", "SELECT 2", "InTransaction"]);
    case(
        "SELECT 1; ; UPDATE t SET a = a; SELECT 1/0; SELECT 2",
        &["columns ?column?", "row 1", "SELECT 1", "UPDATE 2", "error 22012", "Failed"],
    );
    case("SELECT 1", &["error 25P02", "Failed"]);
    case("COMMIT", &["ROLLBACK", "Idle"]);
    case(" -- nothing", &["empty", "Idle"]);
    case("COMMIT", &["Warning there is no transaction in progress", "COMMIT", "Idle"]);
    if version >= 140_000 {
        case("SET application_name = 'x'", &["SET", "application_name=x", "Idle"]);
    } else {
        // Before that, a change is reported when it is made.
        case("SET application_name = 'x'", &["application_name=x", "SET", "Idle"]);
    }
    case("DO $$ BEGIN RAISE NOTICE 'hé'; END $$", &["Notice hé", "DO", "Idle"]);
}

#[test]
fn rows_that_nobody_wants_cost_nothing() {
    let _alone = LARGE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut connection = connect();
    forget_memory_peak();
    let before = memory_peak();
    let sql = "SELECT repeat('x', 100000000); SELECT generate_series(1, 1000000)";
    assert_eq!(tell(&mut connection, sql, Rows::Discard), ["SELECT 1", "SELECT 1000000", "Idle"]);
    let grown = memory_peak().saturating_sub(before);
    assert!(grown < 40_000, "{grown} kB");
    assert_eq!(connection.query("SELECT 'y'", soon()).unwrap()[0].get(0), Some("y"));
}

#[test]
fn a_large_message_is_not_copied() {
    let _alone = LARGE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut connection = connect();
    let body = "x".repeat(50_000_000);
    forget_memory_peak();
    let before = memory_peak();
    connection.send_parts(&["/* ", &body, " */ SELECT 7"], Rows::Keep).unwrap();
    assert_eq!(told(&mut connection), ["columns ?column?", "row 7", "SELECT 1", "Idle"]);
    let grown = memory_peak().saturating_sub(before);
    assert!(grown < 40_000, "{grown} kB");
}

/// Held by the tests that take much memory, as it is the process's that is measured.
static LARGE: Mutex<()> = Mutex::new(());

/// The most memory this process had since `forget_memory_peak`, in kB.
fn memory_peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The peak is from now on what the process has now (`man 5 proc`, `clear_refs`).
fn forget_memory_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

#[test]
fn sixty_four_messages_in_flight() {
    let mut connection = connect();
    for number in 0..64 {
        let sql = if number == 40 { "SELECT 1; oops".to_owned() } else { format!("SELECT {number}; SELECT 'b'") };
        connection.send(&sql, Rows::Keep).unwrap();
    }
    assert_eq!(connection.in_flight(), 64);
    for number in 0..64 {
        let answer = told(&mut connection);
        if number == 40 {
            assert_eq!(answer, ["error 42601", "Idle"]);
        } else {
            assert_eq!(answer[1], format!("row {number}"));
            assert_eq!(answer.iter().filter(|line| line.starts_with("SELECT")).count(), 2);
        }
    }
    assert_eq!(connection.in_flight(), 0);
    let answers = connection.query_pipeline(&["SELECT 1", "bad", "SELECT 3"], soon()).unwrap();
    let codes: Vec<Option<&str>> =
        answers.iter().map(|answer| answer.error.as_ref().map(|error| error.code.as_str())).collect();
    assert_eq!(codes, [None, Some("42601"), None]);
}

#[test]
fn large_notices_while_much_is_sent() {
    let _alone = LARGE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut connection = connect();
    let loud = "DO $$ BEGIN FOR i IN 1..20 LOOP RAISE NOTICE '%', repeat('n', 500000); END LOOP; END $$";
    let long = format!("/* {} */ {loud}", "c".repeat(5_000_000));
    for _ in 0..3 {
        connection.send(&long, Rows::Discard).unwrap();
    }
    for _ in 0..3 {
        // When the server reads its settings anew, as another test here wants it, it may tell of them (before 14).
        let mut answer = told(&mut connection);
        answer.retain(|line| !line.contains('='));
        assert_eq!(answer.len(), 22);
        assert!(answer[..20].iter().all(|line| line.len() > 500_000));
    }
}

#[test]
fn errors_field_by_field() {
    let mut connection = connect();
    let mut error = |sql: &str| match connection.query(sql, soon()) {
        Err(QueryError::Server(error)) => *error,
        other => panic!("{other:?}"),
    };
    let missing = error("SELECT 'é', nope");
    assert_eq!((missing.code.as_str(), missing.severity), ("42703", Severity::Error));
    assert_eq!(missing.position, Some(Position::Sent(13)), "characters, not bytes");
    let inner = error("DO $$ BEGIN EXECUTE 'selec 1'; END $$");
    assert_eq!(inner.position, Some(Position::Internal { character: 1, query: "selec 1".to_owned() }));
    assert!(inner.context.unwrap().contains("line 1"));
    let double = error("CREATE TEMP TABLE u (a int CONSTRAINT one UNIQUE); INSERT INTO u VALUES (3), (3)");
    assert_eq!((double.code.as_str(), double.constraint.as_deref()), ("23505", Some("one")));
    assert_eq!((double.table.as_deref(), double.position), (Some("u"), None));
    assert!(double.detail.unwrap().contains("(a)=(3)"));
}

#[test]
fn copying() {
    let mut connection = connect();
    connection.execute("CREATE TEMP TABLE c (a int)", soon()).unwrap();
    connection.send("COPY c FROM STDIN; SELECT 1", Rows::Discard).unwrap();
    assert_eq!(connection.next_event(soon()).unwrap(), Event::CopyIn);
    for number in 0..100_000 {
        connection.copy_data(format!("{number}\n").as_bytes()).unwrap();
    }
    connection.copy_done();
    assert_eq!(told(&mut connection), ["COPY 100000", "SELECT 1", "Idle"]);
    connection.send("COPY c FROM STDIN", Rows::Discard).unwrap();
    assert_eq!(connection.next_event(soon()).unwrap(), Event::CopyIn);
    connection.copy_fail("changed my mind");
    assert_eq!(told(&mut connection), ["error 57014", "Idle"]);
    connection.send("COPY c FROM STDIN", Rows::Discard).unwrap();
    assert_eq!(connection.next_event(soon()).unwrap(), Event::CopyIn);
    connection.copy_data(b"1\nx\n").unwrap();
    connection.copy_done();
    assert_eq!(told(&mut connection), ["error 22P02", "Idle"]);
    connection.send("COPY c TO STDOUT", Rows::Discard).unwrap();
    assert_eq!(connection.next_event(soon()).unwrap(), Event::CopyOut);
    assert_eq!(told(&mut connection), ["COPY 100000", "Idle"]);
}

#[test]
fn cancelling_hits_what_is_meant() {
    let mut connection = connect();
    for _ in 0..20 {
        connection.send("SELECT pg_sleep(30)", Rows::Discard).unwrap();
        assert_eq!(connection.next_event(Some(Instant::now() + Duration::from_millis(5))).unwrap(), Event::Timeout);
        connection.cancel(Duration::from_secs(5)).unwrap();
        assert_eq!(told(&mut connection), ["error 57014", "Idle"]);
        assert_eq!(connection.execute("SELECT 1", soon()).unwrap()[0].verb(), "SELECT");
    }
    // With nothing to cancel it does nothing, to the next statement either.
    connection.cancel(Duration::from_secs(5)).unwrap();
    connection.execute("SELECT pg_sleep(0.02)", soon()).unwrap();
    assert_eq!(connection.settle(soon()).unwrap(), TransactionStatus::Idle);
}

#[test]
fn thrown_out_with_the_reason() {
    let mut connection = connect();
    connection.send("SELECT pg_sleep(30)", Rows::Discard).unwrap();
    connection.flush();
    let mut other = connect();
    let terminate = format!("SELECT pg_terminate_backend({})", connection.process().unwrap());
    other.query(&terminate, soon()).unwrap();
    let lost = connection.next_event(soon()).unwrap_err();
    assert_eq!(lost.fatal.as_ref().unwrap().code, "57P01");
    assert_eq!((lost.unanswered, lost.sent_everything), (1, true));
    assert!(connection.next_event(soon()).is_err());
    // Idle when it happens, noticed only when the next message is sent.
    let mut idle = connect();
    other.query(&format!("SELECT pg_terminate_backend({})", idle.process().unwrap()), soon()).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    match idle.query("SELECT 1", soon()) {
        Err(QueryError::Lost(lost)) => assert_eq!(lost.fatal.unwrap().code, "57P01"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn log_ins() {
    let mut admin = connect();
    admin
        .execute(
            "DROP ROLE IF EXISTS aludel_md5; DROP ROLE IF EXISTS aludel_scram; DROP ROLE IF EXISTS aludel_clear;
             SET password_encryption = 'md5'; CREATE ROLE aludel_md5 LOGIN PASSWORD 'CANARY-1é';
             SET password_encryption = 'scram-sha-256'; CREATE ROLE aludel_scram LOGIN PASSWORD 'CANARY-2é';
             CREATE ROLE aludel_clear LOGIN PASSWORD 'CANARY-3é'",
            soon(),
        )
        .unwrap();
    // The server's own rules stand behind ours while this test runs. They are read before the file is opened to be
    // written: one statement that did both found it empty.
    let file = admin.query("SHOW hba_file", soon()).unwrap()[0].get(0).unwrap().to_owned();
    let rules = admin.query(&format!("SELECT pg_read_file({})", literal(&file)), soon()).unwrap();
    let rules = rules[0].get(0).unwrap().to_owned();
    let ours: String = [("md5", "md5"), ("scram", "scram-sha-256"), ("clear", "password")]
        .map(|(role, method)| format!("local all aludel_{role} {method}\nhost all aludel_{role} all {method}\n"))
        .concat();
    write_rules(&mut admin, &file, &format!("{ours}{rules}"));
    let patience = Instant::now() + Duration::from_secs(10);
    while log_in("aludel_clear", None).is_ok() && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(20));
    }
    for (user, password) in [("aludel_md5", "CANARY-1é"), ("aludel_scram", "CANARY-2é"), ("aludel_clear", "CANARY-3é")]
    {
        let mut connection = log_in(user, Some(password)).unwrap();
        assert_eq!(connection.query("SELECT current_user", soon()).unwrap()[0].get(0), Some(user));
        connection.close();
        let wrong = log_in(user, Some("CANARY-wrong")).unwrap_err();
        assert_eq!(wrong.main().unwrap().failure.code(), Some("28P01"), "{user}");
        assert!(!format!("{wrong} {wrong:?}").contains("CANARY"));
        let none = log_in(user, None).unwrap_err();
        assert!(matches!(none.main().unwrap().failure, ConnectFailure::PasswordMissing), "{user}: {none}");
    }
    write_rules(&mut admin, &file, &rules);
    let error = log_in("aludel_nobody", None).unwrap_err();
    assert_eq!(error.main().unwrap().failure.code(), Some("28000"));
    let mut elsewhere = conninfo();
    elsewhere.database = "aludel_no_such_database".to_owned();
    let error = Connection::connect(&elsewhere, &ConnectOptions::default()).unwrap_err();
    assert_eq!(error.main().unwrap().failure.code(), Some("3D000"));
    let shown = aludel::error::Error::from(error);
    let [hint] = shown.hints() else { panic!("one hint: {:?}", shown.hints()) };
    assert!(hint.starts_with("create it: `createdb -h ") && hint.ends_with(" aludel_no_such_database`"), "{hint}");
}

/// Writes the server's log-in rules and has it read them.
fn write_rules(admin: &mut Connection, file: &str, rules: &str) {
    let (rules, file) = (literal(rules), literal(file));
    let lines = format!("SELECT unnest(string_to_array({rules}, E'\\n'))");
    admin.execute(&format!("COPY ({lines}) TO {file}; SELECT pg_reload_conf()"), soon()).unwrap();
}

#[test]
fn settings_arrive() {
    let mut wanted = conninfo();
    wanted.application_name = Some("aludel test".to_owned());
    wanted.options = Some("-c search_path=x -c standard_conforming_strings=off".to_owned());
    let mut connection = Connection::connect(&wanted, &ConnectOptions::default()).unwrap();
    let shown = connection.query("SHOW application_name; SHOW search_path", soon()).unwrap();
    assert_eq!((shown[0].get(0), shown[1].get(0)), (Some("aludel test"), Some("x")));
    assert!(Settings::parse(&server_url()).is_ok());
}
