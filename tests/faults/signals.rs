//! SIGINT and SIGTERM at different moments: what is running is cancelled and rolled back, and what was said is so.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use snapbox::{assert_data_eq, str};

use crate::proxy::{Direction, Fault, Heard, Passed, Point, Proxy, Then};
use crate::{Case, LONG, effect, support};

/// Nothing more happens in the database after the process has ended, and a rerun without the obstacle completes.
#[track_caller]
fn ends_at(case: &Case, effects: &str) {
    case.wait_until_alone();
    assert_eq!(case.effects(), effects);
    assert_eq!(case.rows(), effects.rsplit(',').next().unwrap_or_default());
}

#[test]
fn during_a_long_statement() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let case = Case::new();
        case.effect("001", "", "").effect("002", "001", LONG).effect("003", "002", "");
        let run = case.start("upgrade head");
        case.wait_for_sleep();
        run.signal(signal);
        let ran = run.end();
        assert_eq!(ran.code, code, "{}", ran.transcript());
        if code == 130 {
            assert_data_eq!(
                ran.transcript(),
                str![[r#"
exit code: 130
----- stderr
upgraded 001 step 001 ([TIME])
warning: SIGINT: cancelling what runs; a second signal leaves at once, and the server then finishes or rolls back by itself
error: stopped by SIGINT
note: nothing of revision 002 was kept
note: applied before it, and kept: 001

"#]]
            );
        }
        ends_at(&case, "001");
        assert_eq!(case.history(), "001 done, 002 failed");
        case.effect("002", "001", "").succeeds("upgrade head");
        ends_at(&case, "001,002,003");
    }
}

#[test]
fn during_a_body_of_many_messages() {
    let case = Case::new();
    let many = "INSERT INTO effects SELECT 'x' WHERE false;\n".repeat(12_000);
    case.effect("001", "", "").effect("002", "001", &format!("{many}{LONG}\n{many}"));
    let run = case.start("upgrade head");
    case.wait_for_sleep();
    run.signal(Signal::TERM);
    let ran = run.end();
    assert_data_eq!(
        ran.transcript(),
        str![[r#"
exit code: 143
----- stderr
upgraded 001 step 001 ([TIME])
warning: SIGTERM: cancelling what runs; a second signal leaves at once, and the server then finishes or rolls back by itself
error: stopped by SIGTERM
note: nothing of revision 002 was kept
note: applied before it, and kept: 001

"#]]
    );
    ends_at(&case, "001");
    case.effect("002", "001", &many).succeeds("upgrade head");
    ends_at(&case, "001,002");
}

#[test]
fn in_a_run_of_one_transaction() {
    let case = Case::with("transaction = run\n");
    case.chain(3).effect("003", "002", LONG);
    let run = case.start("upgrade head");
    case.wait_for_sleep();
    run.signal(Signal::INT);
    assert_data_eq!(
        run.end().transcript(),
        str![[r#"
exit code: 130
----- stderr
warning: SIGINT: cancelling what runs; a second signal leaves at once, and the server then finishes or rolls back by itself
error: stopped by SIGINT
note: nothing of revision 003 was kept
note: `transaction = run`: 001, 002 went back with it

"#]]
    );
    ends_at(&case, "");
    case.effect("003", "002", "").succeeds("upgrade head");
    ends_at(&case, "001,002,003");
}

#[test]
fn in_a_section_without_a_transaction() {
    let case = Case::new();
    let bare = |more: &str| {
        format!("-- migrate:upgrade transaction:false\nCREATE INDEX CONCURRENTLY one ON effects (id);\n{more}\n")
    };
    case.effect("001", "", "").file("002", "001", &bare(LONG));
    let run = case.start("upgrade head");
    case.wait_for_sleep();
    run.signal(Signal::INT);
    assert_data_eq!(
        run.end().transcript(),
        str![[r#"
exit code: 4
----- stderr
upgraded 001 step 001 ([TIME])
warning: SIGINT: cancelling what runs; a second signal leaves at once, and the server then finishes or rolls back by itself
error: stopped by SIGINT
note: revision 002 stopped partway: the first of its 2 statements ran and stays; it is not recorded as applied
note: applied before it, and kept: 001
hint: run the same command again: it goes on with statement 2; those before it must stay as they are in the file

"#]]
    );
    ends_at(&case, "001");
    assert_eq!(case.ask("SELECT count(*) FROM pg_class WHERE relname = 'one'"), "1");
    case.ask("DROP INDEX one");
    case.file("002", "001", &bare("")).succeeds("upgrade head");
    assert_eq!(case.rows(), "002");
}

#[test]
fn in_a_transaction_before_a_section_without_one() {
    let case = Case::new();
    let text = format!(
        "-- migrate:upgrade\n{}\n{LONG}\n-- migrate:upgrade transaction:false\nVACUUM effects;\n",
        effect("001", "")
    );
    case.file("001", "", &text);
    let run = case.start("upgrade head");
    case.wait_for_sleep();
    run.signal(Signal::INT);
    assert_data_eq!(
        run.end().transcript(),
        str![[r#"
exit code: 130
----- stderr
warning: SIGINT: cancelling what runs; a second signal leaves at once, and the server then finishes or rolls back by itself
error: stopped by SIGINT
note: nothing of revision 001 was kept

"#]]
    );
    ends_at(&case, "");
}

#[test]
fn while_waiting_for_the_lock() {
    let case = Case::new();
    case.effect("001", "", LONG).effect("002", "001", "");
    let holder = case.start("upgrade head");
    case.wait_for_sleep();
    let run = case.start("upgrade head");
    case.wait_for_statement("pg_try_advisory_lock");
    run.signal(Signal::TERM);
    let ran = run.end();
    assert_eq!(ran.code, 143, "{}", ran.transcript());
    assert!(ran.stderr.contains("error: stopped by SIGTERM\nnote: nothing was run\n"), "{}", ran.stderr);
    holder.signal(Signal::INT);
    assert_eq!(holder.end().code, 130);
    ends_at(&case, "");
    case.effect("001", "", "");
    case.succeeds("upgrade head");
    ends_at(&case, "001,002");
}

/// The signal comes before the answer to the question whom it waits for, which is not worth an error of its own.
#[test]
fn while_it_is_asked_who_holds_the_lock() {
    let case = Case::new();
    case.effect("001", "", LONG);
    let connection = crate::support::server().cluster.connection();
    let proxy = Proxy::start(&connection.socket_directory.join(format!(".s.PGSQL.{}", connection.port)));
    let waits = |wait: &str| {
        let url = format!("postgresql://postgres@127.0.0.1:{}/{}?sslmode=disable", proxy.port, case.database.name);
        case.start(&format!("--url {url} upgrade head --lock-wait {wait}"))
    };
    let holder = case.start("upgrade head");
    case.wait_for_sleep();
    proxy.arm(None);
    assert_eq!(waits("1s").end().code, 1);
    let asks = |heard: &Heard| String::from_utf8_lossy(&heard.text).contains("pg_catalog.pg_locks l LEFT JOIN");
    let message = proxy.heard()[0].iter().position(asks).expect("it asks who holds the lock");
    let process = Arc::new(AtomicI32::new(0));
    let its = Arc::clone(&process);
    let act = move || {
        let pid = || Pid::from_raw(its.load(Ordering::SeqCst));
        while pid().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        kill_process(pid().expect("a process"), Signal::TERM).expect("the process is there");
        std::thread::sleep(Duration::from_millis(300));
        Then::GoOn
    };
    let at = Point { direction: Direction::ToServer, message, passed: Passed::Nothing };
    proxy.arm(Some(Fault { at, act: Box::new(act) }));
    let run = waits("20s");
    process.store(run.child.id().cast_signed(), Ordering::SeqCst);
    let ran = run.end();
    assert_eq!(ran.code, 143, "{}", ran.transcript());
    assert!(ran.stderr.ends_with("error: stopped by SIGTERM\nnote: nothing was run\n"), "{}", ran.stderr);
    holder.signal(Signal::INT);
    assert_eq!(holder.end().code, 130);
}

#[test]
fn while_trying_again() {
    let case = Case::new();
    case.effect("001", "", "").effect("002", "001", "ALTER TABLE effects ADD COLUMN more int;");
    case.succeeds("upgrade 001");
    let mut other = case.database.client();
    other.batch_execute("BEGIN; SELECT * FROM effects").expect("a lock");
    let run = case.start("upgrade head");
    // Longer than the lock's two seconds, shorter than these and the pause.
    std::thread::sleep(Duration::from_millis(2300));
    run.signal(Signal::INT);
    let ran = run.end();
    assert_eq!(ran.code, 130, "{}", ran.transcript());
    drop(other);
    ends_at(&case, "001");
    case.succeeds("upgrade head");
    ends_at(&case, "001,002");
}

#[test]
fn a_second_signal_leaves_at_once() {
    let case = Case::new();
    // A statement that does not heed a request to cancel.
    let deaf = "DO $$ BEGIN FOR i IN 1..10 LOOP BEGIN PERFORM pg_sleep(0.3); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$;";
    case.effect("001", "", "").effect("002", "001", deaf);
    let run = case.start("upgrade head");
    case.wait_for_sleep();
    let began = std::time::Instant::now();
    run.signal(Signal::INT);
    std::thread::sleep(Duration::from_millis(200));
    run.signal(Signal::INT);
    let ran = run.end();
    assert_eq!(ran.code, 130, "{}", ran.transcript());
    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
    assert!(ran.stderr.contains("a second signal leaves at once"), "{}", ran.stderr);
    // The server finishes by itself, and both are as they must be: together.
    case.wait_until_alone();
    assert_eq!(case.effects().rsplit(',').next(), Some(&*case.rows()));
    case.succeeds("upgrade head");
    ends_at(&case, "001,002");
}

#[test]
fn a_statement_without_a_transaction_that_does_not_heed_it() {
    let case = Case::new();
    let deaf = "DO $$ BEGIN PERFORM pg_sleep(0.5); EXCEPTION WHEN query_canceled THEN NULL; END $$;";
    let text = format!("-- migrate:upgrade transaction:false\n{deaf}\n{}\n{LONG}", effect("001", ""));
    case.file("001", "", &text);
    let run = case.start("upgrade head");
    case.wait_for_sleep();
    run.signal(Signal::INT);
    let ran = run.end();
    assert_data_eq!(
        ran.transcript(),
        str![[r#"
exit code: 4
----- stderr
warning: SIGINT: cancelling what runs; a second signal leaves at once, and the server then finishes or rolls back by itself
error: stopped by SIGINT
note: revision 001 stopped partway: the first of its 4 statements ran and stays; it is not recorded as applied
hint: run the same command again: it goes on with statement 2; those before it must stay as they are in the file

"#]]
    );
    assert_eq!(case.effects(), "");
}

#[test]
fn while_an_index_is_built_without_a_transaction() {
    let case = Case::new();
    let text = "-- migrate:upgrade transaction:false\nCREATE INDEX CONCURRENTLY one ON effects (id);";
    case.effect("001", "", "").file("002", "001", text);
    case.succeeds("upgrade 001");
    // It waits for every transaction that is older.
    let mut other = case.database.client();
    other.batch_execute("BEGIN; INSERT INTO effects VALUES ('other')").expect("a lock");
    let run = case.start("upgrade head");
    crate::eventually("the index", || case.ask("SELECT count(*) FROM pg_class WHERE relname = 'one'") == "1");
    run.signal(Signal::INT);
    assert_data_eq!(
        run.end().transcript(),
        str![[r#"
exit code: 4
----- stderr
warning: SIGINT: cancelling what runs; a second signal leaves at once, and the server then finishes or rolls back by itself
error: stopped by SIGINT
note: revision 002 stopped partway; it is not recorded as applied
note: index one is not valid
hint: run the same command again: it drops the index and begins with its first statement

"#]]
    );
    drop(other);
    assert_eq!(case.rows(), "001");
    case.ask("DROP INDEX CONCURRENTLY one");
    case.succeeds("upgrade head");
}

/// What one revision has set would hold for the next one, which is on its way already.
#[test]
fn while_the_session_is_put_back_between_two_revisions() {
    let case = Case::new();
    let slow = "SET search_path = elsewhere, public;
        DO $$ BEGIN FOR i IN 1..4000 LOOP EXECUTE format('CREATE TEMP TABLE t%s ()', i); END LOOP; END $$;";
    case.effect("001", "", "CREATE SCHEMA elsewhere;").effect("002", "001", slow);
    case.effect("003", "002", "CREATE TABLE seen AS SELECT current_setting('search_path');");
    case.succeeds("upgrade 001");
    let run = case.start("upgrade head");
    // Dropping so many tables takes a while; the rows are there before it.
    case.wait_for_statement("DISCARD TEMP");
    crate::eventually("002 to be committed", || case.rows() == "002");
    run.signal(Signal::INT);
    let ran = run.end();
    assert_eq!(ran.code, 130, "{}", ran.transcript());
    assert!(ran.stderr.contains("nothing of revision 003 was kept"), "{}", ran.transcript());
    ends_at(&case, "001,002");
    case.succeeds("upgrade head");
    ends_at(&case, "001,002,003");
    assert_eq!(case.ask("SELECT * FROM seen"), "\"$user\", public");
}

#[test]
fn behind_a_failed_revision_while_another_one_waits() {
    let case = Case::with("lock_timeout = 4s\n");
    case.effect("001", "", "").succeeds("upgrade head");
    case.revision("002", "001", "CREATE TABEL b (a int);").effect("003", "002", "");
    let mut other = case.database.client();
    other.batch_execute("BEGIN; LOCK TABLE aludel_version IN SHARE MODE").expect("a lock");
    let began = std::time::Instant::now();
    let run = case.start("upgrade head");
    case.wait_for_statement("LOCK TABLE public.aludel_version");
    std::thread::sleep(Duration::from_millis(500));
    run.signal(Signal::INT);
    let ran = run.end();
    assert!(began.elapsed() < Duration::from_millis(3500), "{:?}", began.elapsed());
    assert!(ran.code == 1 || ran.code == 130, "{}", ran.transcript());
    drop(other);
    ends_at(&case, "001");
}

/// Revisions are sent ahead of their answers; what had not begun when the signal came is not run.
#[test]
fn what_was_sent_ahead_is_not_run() {
    let case = Case::new();
    let deaf = "DO $$ BEGIN PERFORM pg_sleep(30); EXCEPTION WHEN query_canceled THEN NULL; END $$;";
    case.effect("001", "", deaf).effect("002", "001", "").effect("003", "002", "");
    let run = case.start("upgrade head");
    case.wait_for_sleep();
    run.signal(Signal::INT);
    let ran = run.end();
    assert_eq!(ran.code, 130, "{}", ran.transcript());
    assert!(ran.stderr.contains("note: applied before it, and kept: 001\n"), "{}", ran.stderr);
    ends_at(&case, "001");
    case.succeeds("upgrade head");
    ends_at(&case, "001,002,003");
}

#[test]
fn a_request_to_cancel_that_comes_before_its_statement() {
    let socket = support::server().cluster.connection();
    let socket = socket.socket_directory.join(format!(".s.PGSQL.{}", socket.port));
    let proxy = Proxy::start(&socket);
    let case = Case::new();
    let url = format!("postgresql://postgres@127.0.0.1:{}/{}?sslmode=disable", proxy.port, case.database.name);
    case.project.write("migrate.ini", format!("[migrate]\nurl = {url}\n"));
    case.effect("001", "", "").effect("002", "001", "SELECT pg_sleep(0);");
    proxy.arm(None);
    case.succeeds("upgrade head");
    let texts: Vec<String> =
        proxy.heard()[0].iter().map(|heard| String::from_utf8_lossy(&heard.text).into_owned()).collect();
    let message = texts.iter().position(|text| text.contains("pg_sleep")).expect("its message");
    case.ask("DROP TABLE effects, aludel_version, aludel_history, aludel_progress");
    case.effect("002", "001", LONG);
    let act = || {
        std::thread::sleep(Duration::from_millis(1500));
        Then::GoOn
    };
    let at = Point { direction: Direction::ToServer, message, passed: Passed::Nothing };
    proxy.arm(Some(Fault { at, act: Box::new(act) }));
    let run = case.start("upgrade head");
    crate::eventually("its message", || proxy.was_hit());
    std::thread::sleep(Duration::from_millis(300));
    let began = std::time::Instant::now();
    run.signal(Signal::INT);
    let ran = run.end();
    assert_eq!(ran.code, 130, "{}", ran.transcript());
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    ends_at(&case, "001");
}
