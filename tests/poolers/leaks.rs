//! What a run leaves on the server connections that other clients get next.

use postgres::{Client, NoTls, SimpleQueryMessage};
use snapbox::{assert_data_eq, str};

use crate::{Case, support};

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
SET LOCAL app.tenant = 'somebody';
SELECT pg_catalog.set_config('row_security', 'off', false);
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;
DO $$ BEGIN EXECUTE 'PREPARE one AS SELECT 1'; END $$;
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
            // A statement that a script prepared where nobody sees it outlives its rollback.
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
fn verifications_and_repeatable_files() {
    let case = Case::with("transaction", "default_pool_size = 4", "");
    let before = everywhere(&case);
    case.effect("001", "", "");
    let verified =
        format!("-- migrate:upgrade\nSET ROLE pg_monitor;\n-- migrate:verify\nRESET ROLE;\n{SCRIPT}\nSELECT true;");
    case.file("002", "001", &verified.replace("DO $$ BEGIN EXECUTE 'PREPARE one AS SELECT 1'; END $$;", ""));
    for id in ["a", "b"] {
        let text = format!("-- repeatable: {id}\n\nINSERT INTO public.effects VALUES ('{id}');\n{SCRIPT}\n");
        case.project.write(&format!("versions/repeatable/{id}.sql"), text);
    }
    let ran = case.run("upgrade head").succeeded();
    assert!(ran.stderr.contains("done 2 revisions, 2 repeatables"), "{}", ran.stderr);
    assert_eq!(changed(&before, &everywhere(&case)), [""; 0]);
    assert_eq!(case.state(), ("002".to_owned(), "001,a,b".to_owned()));
    let ran = case.run("upgrade head").succeeded();
    assert!(ran.stderr.starts_with("nothing to do"), "{}", ran.stderr);
    let failing = case.project.read("versions/002.sql").replace("SELECT true;", "SELECT false;").replace("002", "003");
    case.project.write("versions/003.sql", failing.replace("parents: 001", "parents: 002"));
    let ran = case.run("upgrade head");
    assert!(ran.code == 1 && ran.stderr.contains("the query returned false"), "{}", ran.stderr);
    assert_eq!(changed(&before, &everywhere(&case)), [""; 0]);
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

/// A server connection need not be as the log-in left it: the administrator's query may have set its role, and settings of its own.
#[test]
fn what_the_administrator_set_on_each_connection() {
    support::server().admin("CREATE ROLE pooled_app");
    for settings in ["", "transaction = run\n"] {
        let connect = "connect_query='SET work_mem = 4321; SET app.tenant = 42; SET ROLE pooled_app'";
        let case = Case::with("transaction", &format!("default_pool_size = 4\n{connect}"), settings);
        case.ask("GRANT ALL ON SCHEMA public TO pooled_app");
        let before = everywhere(&case);
        assert!(before[0].contains(&"42".to_owned()) && before[0].contains(&"pooled_app/postgres".to_owned()));
        case.effect("001", "", "RESET ROLE;\nSET work_mem = '9MB';").effect("002", "001", "SET ROLE pg_monitor;");
        case.effect("003", "002", "SET LOCAL app.tenant = 7;\nSET SESSION AUTHORIZATION pooled_app;");
        for command in ["upgrade head", "downgrade 001", "upgrade head", "status"] {
            let _ = case.run(command).succeeded();
            assert_eq!(changed(&before, &everywhere(&case)), [""; 0], "{command}");
        }
        assert_eq!(case.state(), ("003".to_owned(), "001,002,003".to_owned()));
        assert_eq!(case.ask("SELECT DISTINCT role FROM aludel_history"), "postgres");
        assert_eq!(case.ask("SELECT relowner::regrole FROM pg_class WHERE relname = 'aludel_version'"), "pooled_app");
    }
}

/// What can be neither seen nor taken back is refused before anything runs.
#[test]
fn what_could_not_be_taken_back() {
    let case = Case::with("transaction", "default_pool_size = 4", "");
    let text = "PREPARE one AS SELECT 1;\nSET app.tenant = 'somebody';\nSELECT set_config('app.tenant', 'x', false);";
    case.effect("001", "", "").effect("002", "001", text);
    let ran = case.run("upgrade head");
    assert_data_eq!(
        ran.transcript(),
        str![[r#"
exit code: 1
----- stderr
error: through a pooler in transaction mode, PREPARE would reach other clients
 --> versions/002.sql:7:1
  |
7 | PREPARE one AS SELECT 1;
  | ^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: a prepared statement stays even where its transaction is rolled back
  = note: nothing was run
  = hint: write the statement out, or give the server's own address, past the pooler

error: through a pooler in transaction mode, a custom setting would reach other clients
 --> versions/002.sql:8:1
  |
8 | SET app.tenant = 'somebody';
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: set it for the transaction: `SET LOCAL`, or `set_config(..., true)`

error: through a pooler in transaction mode, a custom setting would reach other clients
 --> versions/002.sql:9:1
  |
9 | SELECT set_config('app.tenant', 'x', false);
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: set it for the transaction: `SET LOCAL`, or `set_config(..., true)`

"#]]
    );
    assert_eq!(case.state(), (String::new(), String::new()));
    let _ = case.run_directly("upgrade head").succeeded();
}

/// The SQL of a hook is held to the same.
#[test]
fn what_a_hook_could_not_take_back() {
    let case = Case::with("transaction", "default_pool_size = 4", "after_upgrade = sql: after.sql\n");
    case.project.write("after.sql", "SET app.tenant = 'somebody';\n");
    case.effect("001", "", "");
    assert_data_eq!(
        case.run("upgrade head").transcript(),
        str![[r#"
exit code: 1
----- stderr
error: through a pooler in transaction mode, a custom setting would reach other clients
 --> after.sql:1:1
  |
1 | SET app.tenant = 'somebody';
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: nothing was run
  = hint: set it for the transaction: `SET LOCAL`, or `set_config(..., true)`

"#]]
    );
    assert_eq!(case.state(), (String::new(), String::new()));
    let ping = case.run("ping");
    assert_eq!(ping.code, 3, "{}", ping.transcript());
    assert!(ping.stderr.contains("a custom setting would reach other clients"), "{}", ping.stderr);
    let _ = case.run_directly("upgrade head").succeeded();
}

#[test]
fn settings_stay_with_a_pooler_that_resets_nothing() {
    let pooler = "default_pool_size = 1\nserver_reset_query =\nserver_reset_query_always = 0";
    // With a pool of one the next client gets the same connection; to be recognised, the run needs a second one.
    let case = Case::with("session", &pooler.replace("= 1\n", "= 2\n"), "lock_timeout = 1234ms\n");
    case.effect("001", "", "SET work_mem = '9MB';\nSET ROLE pg_monitor;");
    let connect = || postgres::Client::connect(&case.bouncer.url(&case.database.name), postgres::NoTls).unwrap();
    let look = || {
        let mut clients = [connect(), connect()];
        clients.each_mut().map(|client| {
            probe(client).into_iter().filter(|fact| !fact.starts_with("application_name=")).collect::<Vec<_>>()
        })
    };
    let before = look();
    let _ = case.run("upgrade head").succeeded();
    for after in look() {
        let changed: Vec<_> = after.iter().filter(|fact| !before[0].contains(fact)).collect();
        assert_eq!(changed, [""; 0]);
    }
}
