//! What is found out about the pooler, and what is refused behind it.

use std::time::{Duration, Instant};

use snapbox::{assert_data_eq, str};

use crate::{Case, eventually};

const BARE: &str = "-- migrate:upgrade transaction:false\nCREATE INDEX CONCURRENTLY one ON effects (id);";

/// Whether `-v` tells of a pooler.
fn told(case: &Case) -> Option<String> {
    let ran = case.run("-v upgrade head").succeeded();
    ran.stderr.lines().find(|line| line.contains("pooler")).map(str::to_owned)
}

#[test]
fn each_mode_is_told_from_the_other() {
    let transaction = Case::new("transaction");
    transaction.chain(1);
    assert_eq!(
        told(&transaction).as_deref(),
        Some(
            "through a pooler in transaction mode: settings hold for a transaction, and a second connection keeps the lock"
        )
    );
    let session = Case::new("session");
    session.chain(1);
    assert_eq!(told(&session).as_deref(), Some("through a pooler in session mode"));
    let ran = session.run_directly("-v upgrade head").succeeded();
    assert!(!ran.stderr.contains("pooler"), "{}", ran.stderr);
    let ping = |case: &Case| {
        let ran = case.run("ping").succeeded();
        ran.stdout.lines().find(|line| line.starts_with("pooler")).map(str::to_owned)
    };
    assert_eq!(ping(&transaction).as_deref(), Some("pooler    in transaction mode"));
    assert_eq!(ping(&session).as_deref(), Some("pooler    in session mode"));
    assert_eq!((transaction.locks(), session.locks()), ("0".to_owned(), "0".to_owned()));
}

#[test]
fn a_pooler_that_gives_its_connections_in_turn() {
    let case = Case::with("transaction", "default_pool_size = 5\nserver_round_robin = 1", "");
    case.chain(1);
    assert!(told(&case).is_some_and(|told| told.contains("transaction mode")));
}

#[test]
fn transactions_among_many_other_clients() {
    // Others take and give server connections all the time, so that the second one seldom gets the first one's.
    let case = Case::with("transaction", "default_pool_size = 8", "");
    case.chain(1);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            let mut client =
                postgres::Client::connect(&case.bouncer.url(&case.database.name), postgres::NoTls).unwrap();
            let stop = &stop;
            scope.spawn(move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    client.simple_query("SELECT pg_sleep(0.001)").unwrap();
                }
            });
        }
        for _ in 0..20 {
            let told = told(&case).expect("a pooler");
            assert!(told.contains("transaction mode"), "{told}");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(case.locks(), "0");
}

#[test]
fn a_pooler_that_knows_no_transactions() {
    let case = Case::new("statement");
    case.chain(1);
    assert_data_eq!(
        case.run("upgrade head").transcript(),
        str![[r#"
exit code: 1
----- stderr
error[08P01]: the pooler before the server is in statement mode, in which there are no transactions
note: transaction blocks not allowed in statement pooling mode
note: on postgresql://postgres@/[DATABASE]?host=[BOUNCER]&port=6432
note: nothing was changed
hint: give the server's own address, past the pooler

"#]]
    );
    assert_eq!(case.state(), (String::new(), String::new()));
    // Reading needs none.
    assert_data_eq!(
        case.run("status").transcript(),
        str![[r#"
exit code: 0
----- stdout
database  postgresql://postgres@/[DATABASE]?host=[BOUNCER]&port=6432
current   nothing: there is no version table yet
applied   0 of 1
heads     001 (head)
pending   1
          001 (head), step 001
----- stderr
hint: aludel upgrade head

"#]]
    );
}

#[test]
fn a_section_without_a_transaction() {
    let case = Case::new("transaction");
    case.chain(1).file("002", "001", BARE);
    assert_data_eq!(
        case.run("upgrade head").transcript(),
        str![[r#"
exit code: 1
----- stderr
error: a section without a transaction cannot run through a pooler in transaction mode
note: it is in 002 step 002 (versions/002.sql)
note: there, nothing keeps another run away between its statements, and settings reach other clients
note: nothing was run
hint: give the server's own address, past the pooler: `--url postgresql://...`

"#]]
    );
    assert_eq!(case.state(), (String::new(), String::new()));
    let _ = case.run_directly("upgrade head").succeeded();
    assert_eq!(case.state(), ("002".to_owned(), "001".to_owned()));
    // A session of one's own is as good as none between.
    let case = Case::new("session");
    case.chain(1).file("002", "001", BARE);
    let _ = case.run("upgrade head").succeeded();
    assert_eq!(case.state(), ("002".to_owned(), "001".to_owned()));
    assert_eq!(case.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'one'::regclass"), "t");
}

#[test]
fn a_pool_of_one_connection() {
    for mode in ["transaction", "session"] {
        let case = Case::with(mode, "default_pool_size = 1", "");
        case.chain(1);
        let ran = case.run("upgrade head");
        assert_eq!(ran.code, 1, "{}", ran.transcript());
        assert!(ran.stderr.contains("gave no second server connection within [TIME]"), "{}", ran.stderr);
        assert!(
            ran.stderr.contains(
                "nothing was changed\nhint: give the server's own address, past the pooler, or let it open more"
            ),
            "{}",
            ran.stderr
        );
        assert_eq!(case.state(), (String::new(), String::new()));
    }
}

#[test]
fn start_up_options_that_the_pooler_does_not_know() {
    let case = Case::new("transaction");
    case.chain(1);
    let mut command = case.command("upgrade head");
    command.env("PGOPTIONS", "-c work_mem=8MB");
    assert_data_eq!(
        case.tidy(case.project.run(command)).transcript(),
        str![[r#"
exit code: 1
----- stderr
error[08P01]: cannot connect to `[BOUNCER]/.s.PGSQL.6432`: unsupported startup parameter: options
hint: take it out of the URL or of PGOPTIONS, or let the pooler pass over it (`ignore_startup_parameters`)

"#]]
    );
}

/// A waiter behind the pooler must not hold what CREATE INDEX CONCURRENTLY waits for.
#[test]
fn a_concurrent_index_of_another_run_is_not_held_up() {
    let case = Case::new("transaction");
    case.chain(1).file("002", "001", BARE);
    let _ = case.run_directly("upgrade 001").succeeded();
    // The index waits for this transaction, in two of its phases.
    let mut writer = case.database.client();
    writer.batch_execute("BEGIN; INSERT INTO effects VALUES ('writer')").unwrap();
    let direct = case.start(&format!("--url {} upgrade head", case.database.url()));
    eventually("the index", || {
        case.ask(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%CONCURRENTLY one%' AND wait_event_type = 'Lock'",
        ) == "1"
    });
    let waiting = case.start("upgrade 001");
    let blocked = "SELECT count(*) FROM pg_stat_activity i, unnest(pg_blocking_pids(i.pid)) b(pid)
             JOIN pg_stat_activity a ON a.pid = b.pid WHERE i.query LIKE '%CONCURRENTLY one%' AND a.application_name LIKE 'aludel%'";
    for _ in 0..40 {
        assert_eq!(case.ask(blocked), "0");
    }
    writer.batch_execute("COMMIT").unwrap();
    let began = Instant::now();
    let direct = direct.end().succeeded();
    assert!(direct.stderr.contains("upgraded 002"), "{}", direct.stderr);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let waiting = waiting.end().succeeded();
    assert!(waiting.stderr.contains("waiting up to 5 min for the lock, held by server process"), "{}", waiting.stderr);
    assert_eq!(case.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'one'::regclass"), "t");
}

#[test]
fn a_lock_that_another_run_keeps() {
    let case = Case::new("transaction");
    case.effect("001", "", "SELECT pg_sleep(3);");
    let first = case.start("upgrade head");
    eventually("the first run", || {
        case.ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "1"
    });
    let second = case.run("upgrade head --lock-wait 200ms");
    assert_eq!(second.code, 1, "{}", second.transcript());
    assert!(second.stderr.contains("another run holds the lock on this database"), "{}", second.stderr);
    assert!(second.stderr.contains("note: held by server process"), "{}", second.stderr);
    // The one past the pooler is kept out by the same lock.
    let direct = case.run_directly("upgrade head --lock-wait 200ms");
    assert!(direct.stderr.contains("another run holds the lock on this database"), "{}", direct.transcript());
    let _ = first.end().succeeded();
    assert_eq!((case.state(), case.locks()), (("001".to_owned(), "001".to_owned()), "0".to_owned()));
}

/// More runs than the pool has connections, each with one in its hand that wants a second one.
#[test]
fn more_runs_than_connections() {
    let case = Case::with("session", "default_pool_size = 5", "");
    case.chain(2);
    // Something that is there already, or the first run would be alone.
    let runs: Vec<_> = (0..8).map(|_| case.start("upgrade head --lock-wait 60s")).collect();
    for run in runs {
        let _ = run.end().succeeded();
    }
    assert_eq!((case.state(), case.locks()), (("002".to_owned(), "001,002".to_owned()), "0".to_owned()));
}

#[test]
fn the_wait_for_the_lock_ends_where_the_pool_is_empty() {
    let case = Case::with("transaction", "default_pool_size = 2", "");
    case.chain(1);
    let connect = || postgres::Client::connect(&case.bouncer.url(&case.database.name), postgres::NoTls).unwrap();
    let mut others = [connect(), connect()];
    for other in &mut others {
        other.batch_execute("BEGIN").unwrap();
    }
    let began = Instant::now();
    let ran = case.run("upgrade head --lock-wait 1s");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(ran.code, 1, "{}", ran.transcript());
    assert!(ran.stderr.contains("all its server connections may be taken (`default_pool_size`)"), "{}", ran.stderr);
}

#[test]
fn a_role_to_work_as_is_refused() {
    let mut told = Vec::new();
    for (mode, pooler) in [("transaction", ""), ("session", ""), ("transaction", "ignore_startup_parameters = role")] {
        let case = Case::with(mode, pooler, "role = pg_monitor\n");
        case.chain(1);
        told.push(case.run("upgrade head").transcript());
        assert_eq!(case.state(), (String::new(), String::new()));
        // Who reads is not let in as another role either.
        assert_eq!(case.run("current").code, 1);
    }
    assert_eq!(told[0], told[1]);
    assert_data_eq!(
        told[0].as_str(),
        str![[r#"
exit code: 1
----- stderr
error: a pooler stands before the server, and does not let a session begin as the role pg_monitor
note: nothing was changed
note: unsupported startup parameter: role
hint: give the server's own address, past the pooler; or log in as that role, without `role` in the settings

"#]]
    );
    assert_data_eq!(
        told[2].as_str(),
        str![[r#"
exit code: 1
----- stderr
error: a pooler stands before the server, and does not let a session begin as the role pg_monitor
note: nothing was changed
note: the session works as postgres
hint: give the server's own address, past the pooler; or log in as that role, without `role` in the settings

"#]]
    );
}

#[test]
fn hooks_run_around_a_run() {
    for mode in ["transaction", "session"] {
        let hooks = "before_upgrade =\n  sh -c 'psql -X -Atc \"SELECT 40 + 2\"'\n  \
                     sql: before.sql\nafter_upgrade = sql: after.sql\nidle_in_transaction_session_timeout = 1s\n\
                     before_downgrade = sleep 3\n";
        let case = Case::with(mode, "", hooks);
        case.chain(2);
        case.project
            .write("before.sql", "SET search_path = pg_catalog;\nCREATE TABLE public.noted (n int);")
            .write("after.sql", "INSERT INTO noted VALUES (1);");
        let ran = case.run("upgrade head").succeeded();
        assert!(ran.stderr.contains("before_upgrade: 42\n"), "{}", ran.stderr);
        assert_eq!(case.ask("SELECT n FROM noted"), "1");
        // The lock outlives a hook that takes longer than the server would wait.
        case.run("downgrade -1").succeeded();
        assert_eq!(case.locks(), "0");
    }
}
