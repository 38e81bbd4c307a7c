//! Sections with `transaction:false`: statement by statement, and what is said where one fails.

use snapbox::{assert_data_eq, str};

use crate::Case;

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
upgrade|002|failed|23505|could not create unique index "bad"

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
upgrade|001|failed|22012|division by zero

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
