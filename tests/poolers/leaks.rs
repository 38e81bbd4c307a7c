//! What a run leaves on the server connections that other clients get next.

use postgres::{Client, NoTls, SimpleQueryMessage};

use crate::Case;

/// All that a session can be told by: settings, role, prepared statements, what it listens to, temporary tables, locks.
const PROBE: &str = "SELECT name || '=' || setting FROM pg_settings
         WHERE context IN ('user', 'superuser') AND name NOT LIKE 'transaction\\_%' AND name NOT LIKE 'plpgsql.%'
     UNION ALL SELECT current_user || '/' || session_user
     UNION ALL SELECT coalesce(current_setting('app.tenant', true), '')
     UNION ALL SELECT 'prepared ' || count(*) FROM pg_prepared_statements
     UNION ALL SELECT 'listening ' || count(*) FROM pg_listening_channels()
     UNION ALL SELECT 'cursors ' || count(*) FROM pg_cursors WHERE is_holdable
     UNION ALL SELECT 'temporary ' || count(*) FROM pg_class WHERE relpersistence = 't' AND relnamespace = pg_my_temp_schema()
     UNION ALL SELECT 'locks ' || count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()";

fn probe(client: &mut Client) -> Vec<String> {
    let rows = client.simple_query(PROBE).expect("the probe");
    let text = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
        _ => None,
    };
    rows.iter().filter_map(text).collect()
}

/// What every server connection of the pool is like, from the view of a client that gets it.
fn everywhere(case: &Case) -> Vec<Vec<String>> {
    // PgBouncer passes on the name that a client gives itself, and leaves the last one where a client gives none.
    let url = format!("{}&application_name=probe", case.bouncer.url(&case.database.name));
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(&url, NoTls).expect("a client")).collect();
    // Each keeps its own while the next one asks.
    clients
        .iter_mut()
        .map(|client| {
            client.batch_execute("BEGIN").expect("a transaction");
            probe(client)
        })
        .collect()
}

/// What is not as it was, of all connections.
fn changed(before: &[Vec<String>], after: &[Vec<String>]) -> Vec<String> {
    after.iter().flatten().filter(|fact| !before[0].contains(fact)).cloned().collect()
}

const SCRIPT: &str = "SET search_path = nowhere;
SET statement_timeout = '7s';
SET work_mem = '9MB';
SET app.tenant = 'somebody';
SELECT pg_catalog.set_config('row_security', 'off', false);
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;
PREPARE one AS SELECT 1;
LISTEN one;
CREATE TEMPORARY TABLE mine (a int);
DECLARE held CURSOR WITH HOLD FOR SELECT 1;
SET ROLE pg_monitor;";

#[test]
fn nothing_of_a_run_reaches_other_clients() {
    // What the administrator sets on each connection stays.
    let connect = "connect_query='SET work_mem = 4321'";
    for end in ["", "SELECT 1 / 0;"] {
        for settings in ["", "transaction = run\n"] {
            let case = Case::with("transaction", &format!("default_pool_size = 4\n{connect}"), settings);
            let before = everywhere(&case);
            assert!(before.iter().all(|one| *one == before[0]), "{before:#?}");
            // As the role's rights are for, and as `SET ROLE` is given back.
            case.effect("001", "", "").effect("002", "001", &format!("{SCRIPT}\n{end}")).effect("003", "002", "");
            let ran = case.run("upgrade head");
            assert_eq!(ran.code, i32::from(!end.is_empty()), "{}", ran.transcript());
            let after = everywhere(&case);
            // A statement that a script prepared outlives its rollback.
            let left = if end.is_empty() { vec![] } else { vec!["prepared 1"] };
            assert_eq!(changed(&before, &after), left, "{end} {settings}");
            let rows = match (end, settings) {
                ("", _) => ("003", "001,002,003"),
                (_, "") => ("001", "001"),
                _ => ("", ""),
            };
            assert_eq!(case.state(), (rows.0.to_owned(), rows.1.to_owned()));
        }
    }
}

#[test]
fn every_command_leaves_nothing() {
    let case = Case::with("transaction", "default_pool_size = 4", "");
    case.chain(3);
    let before = everywhere(&case);
    for command in
        ["status", "upgrade 002", "stamp 001", "stamp 002", "current", "redo", "downgrade base", "ensure-version"]
    {
        let _ = case.run(command).succeeded();
        assert_eq!(changed(&before, &everywhere(&case)), [""; 0], "{command}");
    }
}

#[test]
fn the_limits_hold_behind_the_pooler() {
    for mode in ["transaction", "session"] {
        let case = Case::with(mode, "default_pool_size = 10", "lock_timeout = 1234ms\nstatement_timeout = 5min\n");
        let seen =
            "CREATE TABLE seen AS SELECT current_setting('lock_timeout') || ' ' || current_setting('statement_timeout')
             || ' ' || current_setting('synchronous_commit') || ' ' || current_setting('client_encoding') AS text;";
        case.effect("001", "", "SET lock_timeout = 0;").effect("002", "001", seen);
        let _ = case.run("upgrade head").succeeded();
        // The test's server runs with synchronous_commit=off.
        assert_eq!(case.ask("SELECT text FROM seen"), "1234ms 5min on UTF8", "{mode}");
    }
}
