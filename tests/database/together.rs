//! Several runs at once, and the lock between them.

use std::process::Stdio;

use aludel::model::bookkeeping::Tables;
use snapbox::{assert_data_eq, str};

use crate::Case;

pub fn lock_key() -> i64 {
    let (version, history, progress) = ("aludel_version".into(), "aludel_history".into(), "aludel_progress".into());
    Tables { schema: "public".into(), version, history, progress }.lock_key()
}

/// Starts so many upgrades at once on a fresh database; each succeeds, and every revision runs once.
#[track_caller]
fn at_once(case: &Case, processes: usize, revisions: usize) -> Vec<String> {
    let start =
        |_| case.command("upgrade head").stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let children: Vec<_> = (0..processes).map(start).collect();
    let mut told = Vec::new();
    for child in children {
        let output = child.wait_with_output().expect("it ends");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{text}");
        told.push(text);
    }
    assert_eq!(
        case.ask(
            "SELECT count(*), count(DISTINCT revision), count(DISTINCT run) FROM aludel_history WHERE outcome = 'done'"
        ),
        format!("{revisions}|{revisions}|1\n")
    );
    told
}

#[test]
fn two_runs() {
    let case = Case::new();
    case.revision("001", "", "SELECT pg_sleep(0.5);\nCREATE TABLE a ();", "");
    let told = at_once(&case, 2, 1);
    let waited: Vec<_> = told.iter().filter(|text| text.contains("waiting")).collect();
    assert_eq!(waited.len(), 1, "{told:?}");
    assert!(waited[0].starts_with("waiting up to 5 min for the lock, held by server process "), "{told:?}");
    assert!(waited[0].contains("(`aludel "), "the holder is named: {told:?}");
    assert!(waited[0].ends_with("nothing to do: at 001\n"), "{told:?}");
}

#[test]
fn ten_runs() {
    let case = Case::example();
    at_once(&case, 10, 7);
    assert_eq!(case.rows(), "007");
}

/// A blocking wait would hold a snapshot that CREATE INDEX CONCURRENTLY waits for.
#[test]
fn an_index_built_concurrently_while_another_waits() {
    let case = Case::new();
    case.revision("001", "", "CREATE TABLE a (id int);", "DROP TABLE a;");
    case.file(
        "002",
        "001",
        "-- migrate:upgrade transaction:false\nSELECT pg_sleep(0.3);\nCREATE INDEX CONCURRENTLY one ON a (id);\nSELECT pg_sleep(0.2);\nCREATE INDEX CONCURRENTLY two ON a (id);\n",
    );
    at_once(&case, 3, 2);
    assert_eq!(case.ask("SELECT count(*) FROM pg_index WHERE indrelid = 'a'::regclass AND indisvalid"), "2\n");
}

#[test]
fn a_lock_that_is_not_given_up() {
    let case = Case::new();
    case.chain(1);
    let mut holder = case.database.client();
    holder
        .batch_execute(&format!("SET application_name = 'the holder'; SELECT pg_advisory_lock({})", lock_key()))
        .expect("locked");
    let pid: i32 = holder.query_one("SELECT pg_backend_pid()", &[]).expect("a row").get(0);
    for wait in ["0", "1s"] {
        for command in ["upgrade head", "downgrade base", "stamp head", "redo"] {
            let ran = case.run(&format!("{command} --lock-wait {wait}"));
            let text = ran.transcript().replace(&pid.to_string(), "[PID]");
            assert_eq!(ran.code, 1, "{text}");
            assert!(text.contains("error: another run holds the lock on this database"), "{command}: {text}");
            if command == "upgrade head" {
                match wait {
                    "0" => assert_data_eq!(
                        text,
                        str![[r#"
exit code: 1
----- stderr
error: another run holds the lock on this database, and did not end within [TIME]
note: held by server process [PID] (`the holder`, role postgres), connected for [TIME]
note: nothing was changed
hint: wait for it, give `--lock-wait` more time, or, if it is known to be dead: SELECT pg_terminate_backend([PID])

"#]]
                    ),
                    _ => assert_data_eq!(
                        text,
                        str![[r#"
exit code: 1
----- stderr
waiting up to [TIME] for the lock, held by server process [PID] (`the holder`, role postgres), connected for [TIME]
error: another run holds the lock on this database, and did not end within [TIME]
note: held by server process [PID] (`the holder`, role postgres), connected for [TIME]
note: nothing was changed
hint: wait for it, give `--lock-wait` more time, or, if it is known to be dead: SELECT pg_terminate_backend([PID])

"#]]
                    ),
                }
            }
        }
    }
    // Looking needs no lock.
    case.succeeds("status");
    case.succeeds("plan upgrade head");
    assert_eq!(case.ask("SELECT to_regclass('aludel_version') IS NULL"), "t\n");
    // It is waited for, and got.
    let mut waiting = case.command("upgrade head").stderr(Stdio::piped()).spawn().expect("it starts");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(waiting.try_wait().expect("asked").is_none(), "it waits");
    drop(holder);
    assert!(waiting.wait().expect("it ends").success());
    assert_eq!(case.rows(), "0001");
}

/// Another table is another lock: two tools in one database do not wait for each other.
#[test]
fn another_version_table_is_another_lock() {
    let case = Case::with("version_table = other\nhistory_table = other_history\n");
    case.chain(1);
    let mut holder = case.database.client();
    holder.batch_execute(&format!("SELECT pg_advisory_lock({})", lock_key())).expect("locked");
    case.succeeds("upgrade head --lock-wait 0");
}

/// A run right behind another never finds the lock still taken.
#[test]
fn one_run_after_the_other() {
    let case = Case::new();
    case.chain(1);
    for _ in 0..10 {
        case.succeeds("upgrade head --lock-wait 0");
        case.succeeds("downgrade base --lock-wait 0");
    }
    case.link(1, "SELECT 1 / 0;");
    for _ in 0..5 {
        assert_eq!(case.run("upgrade head --lock-wait 0").code, 1);
    }
    assert_eq!(case.ask("SELECT count(*) FROM aludel_history WHERE outcome = 'failed'"), "5\n");
}
