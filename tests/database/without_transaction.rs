//! Sections with `transaction:false`: statement by statement, and what is said where one fails.

use std::time::{Duration, Instant};

use snapbox::{assert_data_eq, str};

use crate::Case;
use crate::support::Database;

#[test]
fn statements_that_need_it() {
    let case = Case::new();
    case.file(
        "001",
        "",
        "-- migrate:upgrade
CREATE TYPE mood AS ENUM ('sad');
CREATE TABLE people (id int, mood mood);

-- migrate:upgrade transaction:false
CREATE INDEX CONCURRENTLY people_id_idx ON people (id);
ALTER TYPE mood ADD VALUE 'happy';
VACUUM people;
REINDEX INDEX CONCURRENTLY people_id_idx;

-- migrate:upgrade
INSERT INTO people VALUES (1, 'happy');

-- migrate:downgrade transaction:false
DROP INDEX CONCURRENTLY people_id_idx;
-- migrate:downgrade
DROP TABLE people;
DROP TYPE mood;
",
    );
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
upgraded 001 step 001 ([TIME])
done 1 revision in [TIME]; at 001

"#]]
    );
    assert_eq!(case.ask("SELECT mood FROM people"), "happy\n");
    assert_data_eq!(
        case.history(),
        str![[r#"
upgrade|001|done|-|-

"#]]
    );
    assert_data_eq!(
        case.transcript("downgrade base"),
        str![[r#"
exit code: 0
----- stderr
downgraded 001 step 001 ([TIME])
done 1 revision in [TIME]; nothing is applied

"#]]
    );
    assert_eq!(case.tables(), "");
}

#[test]
fn the_second_statement_fails() {
    let case = Case::new();
    case.revision("001", "", "CREATE TABLE a (id int);\nINSERT INTO a VALUES (1), (1);", "DROP TABLE a;");
    case.file(
        "002",
        "001",
        "-- migrate:upgrade transaction:false\nCREATE INDEX CONCURRENTLY good ON a (id);\nCREATE UNIQUE INDEX CONCURRENTLY bad ON a (id);\nCREATE INDEX CONCURRENTLY never ON a (id);\n",
    );
    case.revision("003", "002", "CREATE TABLE never ();", "");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 4
----- stderr
upgraded 001 step 001 ([TIME])
error[23505]: could not create unique index "bad"
 --> versions/002.sql:7:1
  |
7 | CREATE UNIQUE INDEX CONCURRENTLY bad ON a (id);
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: detail: Key (id)=(1) is duplicated.
  = note: revision 002 stopped partway: the first of its 3 statements ran and stays; it is not recorded as applied
  = note: applied before it, and kept: 001
  = note: index bad is not valid
  = hint: run the same command again: it drops the index and goes on with statement 2; those before it must stay as they are in the file

"#]]
    );
    assert_eq!((case.rows(), case.tables()), ("001".to_owned(), "a".to_owned()));
    assert_data_eq!(
        case.history(),
        str![[r#"
upgrade|001|done|-|-
upgrade|002|partial|23505|could not create unique index "bad"

"#]]
    );
    assert_eq!(
        case.ask("SELECT indexrelid::regclass, indisvalid FROM pg_index WHERE indrelid = 'a'::regclass ORDER BY 1"),
        "good|t\nbad|f\n"
    );
}

#[test]
fn the_first_statement_fails() {
    let case = Case::new();
    case.revision("001", "", "CREATE TABLE a (id int);\nINSERT INTO a VALUES (1), (1);", "DROP TABLE a;");
    case.file("002", "001", "-- migrate:upgrade transaction:false\nCREATE INDEX CONCURRENTLY good ON nowhere (id);\n");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
error[42P01]: relation "nowhere" does not exist
 --> versions/002.sql:6:1
  |
6 | CREATE INDEX CONCURRENTLY good ON nowhere (id);
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: nothing of revision 002 was kept
  = note: applied before it, and kept: 001

"#]]
    );
    assert_eq!((case.rows(), case.tables()), ("001".to_owned(), "a".to_owned()));
    // It leaves something all the same.
    case.file("002", "001", "-- migrate:upgrade transaction:false\nCREATE UNIQUE INDEX CONCURRENTLY bad ON a (id);\n");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 4
----- stderr
error[23505]: could not create unique index "bad"
 --> versions/002.sql:6:1
  |
6 | CREATE UNIQUE INDEX CONCURRENTLY bad ON a (id);
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: detail: Key (id)=(1) is duplicated.
  = note: revision 002 stopped partway; it is not recorded as applied
  = note: index bad is not valid
  = hint: run the same command again: it drops the index and begins with its first statement

"#]]
    );
    // An invalid index that was there before is none of this revision's.
    case.file("002", "001", "-- migrate:upgrade transaction:false\nCREATE INDEX CONCURRENTLY good ON nowhere (id);\n");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
the upgrade of 002 stopped in statement 1, its file edited since: it goes on with statement 1 of 1
002: index public.bad was left behind, not valid; dropping it first
error[42P01]: relation "nowhere" does not exist
 --> versions/002.sql:6:1
  |
6 | CREATE INDEX CONCURRENTLY good ON nowhere (id);
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: nothing of revision 002 was kept

"#]]
    );
}

#[test]
fn a_later_section_fails() {
    let case = Case::new();
    case.file(
        "001",
        "",
        "-- migrate:upgrade\nCREATE TABLE a (id int);\n-- migrate:upgrade transaction:false\nVACUUM a;\nVACUUM a;\n-- migrate:upgrade\nCREATE TABLE b ();\nSELECT 1 / 0;\n",
    );
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 4
----- stderr
error[22012]: division by zero
  --> versions/001.sql:12:1
   |
12 | SELECT 1 / 0;
   | ^^^^^^^^^^^^^
   |
   = note: revision 001 stopped partway: the first 3 of its 5 statements ran and stay; it is not recorded as applied
   = hint: run the same command again: it goes on with statement 4; those before it must stay as they are in the file

"#]]
    );
    assert_eq!((case.rows(), case.tables()), (String::new(), "a".to_owned()));
    assert_data_eq!(
        case.history(),
        str![[r#"
upgrade|001|partial|22012|division by zero

"#]]
    );
}

#[test]
fn the_session_ends_in_the_middle() {
    let case = Case::new();
    case.file(
        "001",
        "",
        "-- migrate:upgrade transaction:false\nCREATE TABLE a ();\nSELECT pg_terminate_backend(pg_backend_pid());\nCREATE TABLE b ();\n",
    );
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 4
----- stderr
error[57P01]: terminating connection due to administrator command
 --> versions/001.sql:7:1
  |
7 | SELECT pg_terminate_backend(pg_backend_pid());
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: the server ended the session
  = note: revision 001 stopped partway: the first of its 3 statements ran and stays; it is not recorded as applied
  = hint: run the same command again: it goes on with statement 2; those before it must stay as they are in the file

"#]]
    );
    assert_eq!((case.rows(), case.tables()), (String::new(), "a".to_owned()));
}

#[test]
fn a_downgrade_stops_partway() {
    let case = Case::new();
    case.file(
        "001",
        "",
        "-- migrate:upgrade\nCREATE TABLE a ();\n-- migrate:downgrade transaction:false\nDROP TABLE a;\nDROP TABLE nowhere;\n",
    );
    case.succeeds("upgrade head");
    assert_data_eq!(
        case.transcript("downgrade base"),
        str![[r#"
exit code: 4
----- stderr
error[42P01]: table "nowhere" does not exist
 --> versions/001.sql:9:1
  |
9 | DROP TABLE nowhere;
  | ^^^^^^^^^^^^^^^^^^^
  |
  = note: revision 001 stopped partway: the first of its 2 statements ran and stays; it is still recorded as applied
  = hint: run the same command again: it goes on with statement 2; those before it must stay as they are in the file

"#]]
    );
}

/// What a block does before its COMMIT is done once, though a rollback would not take it back.
#[test]
fn a_block_that_commits_runs_once() {
    let case = Case::new();
    case.file(
        "001",
        "",
        "-- migrate:upgrade transaction:false
CREATE SEQUENCE calls;
CREATE TABLE a (n bigint);
DO $$ BEGIN INSERT INTO a SELECT nextval('calls'); COMMIT; INSERT INTO a SELECT nextval('calls'); ROLLBACK; END $$;
DO $$ BEGIN INSERT INTO a SELECT nextval('calls'); END $$;
",
    );
    case.succeeds("upgrade head");
    assert_eq!(case.ask("SELECT n FROM a ORDER BY n"), "1\n3\n");
}

/// Somebody has written into `a`, and commits well after somebody else has begun to wait for that.
fn while_written<T>(database: &Database, run: impl FnOnce() -> T) -> T {
    let mut writer = database.client();
    writer.batch_execute("BEGIN; INSERT INTO a VALUES (1)").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let until = Instant::now() + Duration::from_secs(20);
            let waiting =
                "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
            let mut watcher = database.client();
            while watcher.query(waiting, &[]).unwrap().is_empty() {
                assert!(Instant::now() < until, "nobody waits");
                std::thread::sleep(Duration::from_millis(5));
            }
            std::thread::sleep(Duration::from_millis(600));
            writer.batch_execute("COMMIT").unwrap();
        });
        run()
    })
}

/// On a connection and in a script: a statement that runs alone waits as long as it takes, and those behind it do not.
#[test]
fn the_limit_on_waiting_for_locks_is_lifted_for_what_runs_alone() {
    let sections = "-- migrate:upgrade transaction:false
CREATE INDEX CONCURRENTLY slow ON a (id);
INSERT INTO seen SELECT current_setting('lock_timeout');
";
    for (setting, header) in [("lock_timeout = 200ms\n", ""), ("", "-- lock_timeout: 200ms\n")] {
        for on_paper in [false, true] {
            let case = Case::with(setting);
            case.revision("001", "", "CREATE TABLE a (id int); CREATE TABLE seen (timeout text);", "");
            case.project.write("versions/002.sql", format!("-- revision: 002\n-- parents: 001\n{header}\n{sections}"));
            case.succeeds("upgrade 001");
            if on_paper {
                if !setting.is_empty() {
                    // A script has the session's.
                    case.ask(&format!("ALTER DATABASE {} SET lock_timeout = '200ms'", case.database.name));
                }
                let printed = case.command("upgrade 001:002 --sql").output().unwrap();
                let script = String::from_utf8(printed.stdout).unwrap();
                while_written(&case.database, || case.database.psql(&script));
            } else {
                while_written(&case.database, || case.succeeds("upgrade head"));
            }
            let valid = case.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'slow'::regclass");
            assert_eq!((valid, case.ask("SELECT timeout FROM seen")), ("t\n".to_owned(), "200ms\n".to_owned()));
            assert_eq!(case.rows(), "002");
        }
    }
}

/// In a script as on a connection: what the file itself sets holds, and what the server may take in a transaction has its limit.
#[test]
fn whose_limit_a_script_leaves_as_it_is() {
    let case = Case::new();
    let lifted = |statements: &str| {
        case.file("001", "", &format!("-- migrate:upgrade transaction:false\n{statements}\n"));
        case.succeeds("upgrade head --sql").stdout.matches("SET lock_timeout = 0;").count()
    };
    assert_eq!(lifted("VACUUM; VACUUM;"), 2);
    assert_eq!(lifted("VACUUM; SET lock_timeout = '1s'; VACUUM;"), 1);
    assert_eq!(lifted("SELECT set_config('Lock_Timeout', '1s', false); VACUUM;"), 0);
    assert_eq!(lifted("SET LOCAL lock_timeout = '1s'; VACUUM;"), 1);
    assert_eq!(lifted("CALL p(); REINDEX TABLE a; DO $$ BEGIN COMMIT; END $$;"), 1);
}
