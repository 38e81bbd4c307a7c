//! Locks that others hold: a revision that cannot get one is rolled back and tried again as a whole.

use std::time::Duration;

use postgres::Client;

use crate::Case;

/// A revision 001, applied, and a 002 that needs `effects` for itself alone.
fn blocked(settings: &str) -> Case {
    let case = Case::with(settings);
    case.effect("001", "", "")
        .effect("002", "001", "ALTER TABLE effects ADD COLUMN more int;")
        .effect("003", "002", "");
    case.succeeds("upgrade 001");
    case
}

/// A session that reads `effects` and stays in its transaction.
fn reader(case: &Case) -> Client {
    let mut other = case.database.client();
    other.batch_execute("SET application_name = 'a report'; BEGIN; SELECT * FROM effects").expect("a lock");
    other
}

#[test]
fn a_lock_that_comes_free() {
    let case = blocked("");
    let other = reader(&case);
    let run = case.start("upgrade head");
    std::thread::sleep(Duration::from_secs(3));
    drop(other);
    let ran = run.end().succeeded();
    assert!(
        ran.stderr.contains("step 002: canceling statement due to lock timeout; rolled back, trying again"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("(role postgres, `a report`), idle in transaction for"), "{}", ran.stderr);
    assert_eq!((case.effects(), case.rows()), ("001,002,003".to_owned(), "003".to_owned()));
    assert_eq!(case.history(), "001 done, 002 done, 003 done");
}

#[test]
fn a_lock_that_does_not_come_free() {
    let case = blocked("lock_timeout = 1500ms\nlock_retry_for = 1s\n");
    let other = reader(&case);
    let ran = case.run("upgrade head");
    assert_eq!(ran.code, 1, "{}", ran.transcript());
    assert!(ran.stderr.contains("error[55P03]: canceling statement due to lock timeout"), "{}", ran.stderr);
    assert!(ran.stderr.contains("= note: nothing of revision 002 was kept\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("(role postgres, `a report`), idle in transaction"), "{}", ran.stderr);
    assert_eq!((case.effects(), case.rows()), ("001".to_owned(), "001".to_owned()));
    assert_eq!(case.history(), "001 done, 002 failed");
    assert!(
        ran.stderr.contains("note: it was tried once (`lock_retry_for` is [TIME])\n")
            || ran.stderr.contains("note: it was tried 2 times"),
        "{}",
        ran.stderr
    );
    let pid = case.ask("SELECT pid FROM pg_stat_activity WHERE application_name = 'a report'");
    assert!(ran.stderr.contains(&format!("if nobody needs it: SELECT pg_terminate_backend({pid});")), "{}", ran.stderr);
    drop(other);
    case.succeeds("upgrade head");
    assert_eq!(case.effects(), "001,002,003");
}

/// Who is in the way has to be asked before the wait is over.
#[test]
fn the_blocker_of_a_short_wait_is_named() {
    for settings in ["lock_timeout = 300ms\nlock_retry_for = 0\n", "lock_timeout = 2s\nlock_retry_for = 0\n"] {
        let case = blocked(settings);
        // A statement that takes its time first, with nobody in the way.
        case.effect("002", "001", "SELECT pg_sleep(1.2);\nALTER TABLE effects ADD COLUMN more int;");
        let _other = reader(&case);
        let ran = case.run("upgrade head");
        assert_eq!(ran.code, 1, "{}", ran.transcript());
        assert!(
            ran.stderr.contains("note: it waited for server process")
                && ran.stderr.contains("(role postgres, `a report`), idle in transaction"),
            "{settings}: {}",
            ran.stderr
        );
    }
}

#[test]
fn a_run_of_one_transaction_is_tried_again_as_a_whole() {
    let case = blocked("transaction = run\nlock_timeout = 400ms\n");
    case.effect("002", "001", "").effect("003", "002", "ALTER TABLE effects ADD COLUMN more int;");
    let other = reader(&case);
    let run = case.start("upgrade head");
    std::thread::sleep(Duration::from_millis(900));
    drop(other);
    let ran = run.end().succeeded();
    assert!(
        ran.stderr.contains("step 003: canceling statement due to lock timeout; rolled back, trying again"),
        "{}",
        ran.stderr
    );
    assert_eq!((case.effects(), case.rows()), ("001,002,003".to_owned(), "003".to_owned()));
    assert_eq!(case.history(), "001 done, 002 done, 003 done");
}

#[test]
fn the_victim_of_a_deadlock() {
    let case = Case::with("lock_timeout = 20s\n");
    case.effect("001", "", "CREATE TABLE a ();\nCREATE TABLE b ();");
    case.effect(
        "002",
        "001",
        "SET LOCAL deadlock_timeout = '20ms';\nLOCK TABLE a;\nSELECT pg_sleep(0.4);\nLOCK TABLE b;",
    );
    case.succeeds("upgrade 001");
    let mut other = case.database.client();
    other.batch_execute("SET deadlock_timeout = '60s'; BEGIN; LOCK TABLE b").expect("a lock");
    let run = case.start("upgrade head");
    case.wait_for_sleep();
    // Granted when the run is the victim.
    other.batch_execute("LOCK TABLE a; COMMIT").expect("the other one goes on");
    let ran = run.end().succeeded();
    assert!(ran.stderr.contains("step 002: deadlock detected; rolled back, trying again"), "{}", ran.stderr);
    assert_eq!((case.effects(), case.rows()), ("001,002".to_owned(), "002".to_owned()));
    assert_eq!(case.history(), "001 done, 002 done");
}
