//! Fifty revisions on their way at once, one of which fails: nothing behind it is applied, and a rerun completes.

use snapbox::{assert_data_eq, str};

use crate::Case;

const COUNT: usize = 50;

/// Deferred until COMMIT.
const DEFERRED: &str = "CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (id int REFERENCES p DEFERRABLE INITIALLY DEFERRED);
INSERT INTO c VALUES (1);";

fn tables(count: usize) -> String {
    (1..=count).map(|number| format!("t{number:04}")).collect::<Vec<_>>().join(",")
}

/// Fails at `place` with `statement`, checks what is there, mends the file, and runs again.
#[track_caller]
fn fails_at(place: usize, statement: &str, sqlstate: &str) -> String {
    let case = Case::new();
    case.chain(COUNT).link(place, statement);
    let failed = case.run("upgrade head");
    let row = if place == 1 { String::new() } else { format!("{:04}", place - 1) };
    assert_eq!(case.rows(), row, "{}", failed.transcript());
    assert_eq!(case.tables(), tables(place - 1), "{}", failed.transcript());
    assert_eq!(case.ask("SELECT count(*) FROM aludel_history WHERE outcome = 'done'"), format!("{}\n", place - 1));
    assert_eq!(
        case.ask("SELECT string_agg(concat_ws(' ', direction, revision, sqlstate), ', ') FROM aludel_history WHERE outcome = 'failed'"),
        format!("upgrade {place:04} {sqlstate}\n")
    );
    assert_eq!(failed.code, 1, "{}", failed.transcript());
    case.link(place, "");
    case.succeeds("upgrade head");
    assert_eq!((case.rows(), case.tables()), ("0050".to_owned(), tables(COUNT)));
    assert_eq!(
        case.ask("SELECT count(*), count(DISTINCT revision) FROM aludel_history WHERE outcome = 'done'"),
        "50|50\n"
    );
    failed.transcript()
}

#[test]
fn a_syntax_error() {
    assert_data_eq!(
        fails_at(1, "CREATE nonsense;", "42601"),
        str![[r#"
exit code: 1
----- stderr
error[42601]: syntax error at or near "nonsense"
 --> versions/0001.sql:7:8
  |
7 | CREATE nonsense;
  |        ^^^^^^^^
  |
  = note: nothing of revision 0001 was kept

"#]]
    );
    fails_at(25, "CREATE nonsense;", "42601");
    fails_at(50, "CREATE nonsense;", "42601");
}

#[test]
fn an_error_at_run_time() {
    fails_at(1, "SELECT 1 / 0;", "22012");
    assert_data_eq!(
        fails_at(25, "SELECT 1 / 0;", "22012"),
        str![[r#"
exit code: 1
----- stderr
upgraded 0001 step 0001 ([TIME])
upgraded 0002 step 0002 ([TIME])
upgraded 0003 step 0003 ([TIME])
upgraded 0004 step 0004 ([TIME])
upgraded 0005 step 0005 ([TIME])
upgraded 0006 step 0006 ([TIME])
upgraded 0007 step 0007 ([TIME])
upgraded 0008 step 0008 ([TIME])
upgraded 0009 step 0009 ([TIME])
upgraded 0010 step 0010 ([TIME])
upgraded 0011 step 0011 ([TIME])
upgraded 0012 step 0012 ([TIME])
upgraded 0013 step 0013 ([TIME])
upgraded 0014 step 0014 ([TIME])
upgraded 0015 step 0015 ([TIME])
upgraded 0016 step 0016 ([TIME])
upgraded 0017 step 0017 ([TIME])
upgraded 0018 step 0018 ([TIME])
upgraded 0019 step 0019 ([TIME])
upgraded 0020 step 0020 ([TIME])
upgraded 0021 step 0021 ([TIME])
upgraded 0022 step 0022 ([TIME])
upgraded 0023 step 0023 ([TIME])
upgraded 0024 step 0024 ([TIME])
error[22012]: division by zero
 --> versions/0025.sql:7:1
  |
7 | SELECT 1 / 0;
  | ^^^^^^^^^^^^^
  |
  = note: nothing of revision 0025 was kept
  = note: applied before it, and kept: 24 revisions up to 0024

"#]]
    );
    fails_at(50, "SELECT 1 / 0;", "22012");
}

#[test]
fn an_error_at_commit() {
    fails_at(1, DEFERRED, "23503");
    assert_data_eq!(
        fails_at(25, DEFERRED, "23503"),
        str![[r#"
exit code: 1
----- stderr
upgraded 0001 step 0001 ([TIME])
upgraded 0002 step 0002 ([TIME])
upgraded 0003 step 0003 ([TIME])
upgraded 0004 step 0004 ([TIME])
upgraded 0005 step 0005 ([TIME])
upgraded 0006 step 0006 ([TIME])
upgraded 0007 step 0007 ([TIME])
upgraded 0008 step 0008 ([TIME])
upgraded 0009 step 0009 ([TIME])
upgraded 0010 step 0010 ([TIME])
upgraded 0011 step 0011 ([TIME])
upgraded 0012 step 0012 ([TIME])
upgraded 0013 step 0013 ([TIME])
upgraded 0014 step 0014 ([TIME])
upgraded 0015 step 0015 ([TIME])
upgraded 0016 step 0016 ([TIME])
upgraded 0017 step 0017 ([TIME])
upgraded 0018 step 0018 ([TIME])
upgraded 0019 step 0019 ([TIME])
upgraded 0020 step 0020 ([TIME])
upgraded 0021 step 0021 ([TIME])
upgraded 0022 step 0022 ([TIME])
upgraded 0023 step 0023 ([TIME])
upgraded 0024 step 0024 ([TIME])
error[23503]: 0025 step 0025 (versions/0025.sql): COMMIT was refused: insert or update on table "c" violates foreign key constraint "c_id_fkey"
note: detail: Key (id)=(1) is not present in table "p".
note: nothing of revision 0025 was kept
note: applied before it, and kept: 24 revisions up to 0024

"#]]
    );
    fails_at(50, DEFERRED, "23503");
}

#[test]
fn a_session_that_is_ended() {
    for place in [1, 25, 50] {
        let case = Case::new();
        case.chain(COUNT).link(place, "SELECT pg_terminate_backend(pg_backend_pid());");
        let failed = case.run("upgrade head");
        let row = if place == 1 { String::new() } else { format!("{:04}", place - 1) };
        assert_eq!((case.rows(), case.tables()), (row, tables(place - 1)), "{}", failed.transcript());
        assert_eq!(failed.code, 1, "{}", failed.transcript());
        if place == 25 {
            assert_data_eq!(
                failed.transcript(),
                str![[r#"
exit code: 1
----- stderr
upgraded 0001 step 0001 ([TIME])
upgraded 0002 step 0002 ([TIME])
upgraded 0003 step 0003 ([TIME])
upgraded 0004 step 0004 ([TIME])
upgraded 0005 step 0005 ([TIME])
upgraded 0006 step 0006 ([TIME])
upgraded 0007 step 0007 ([TIME])
upgraded 0008 step 0008 ([TIME])
upgraded 0009 step 0009 ([TIME])
upgraded 0010 step 0010 ([TIME])
upgraded 0011 step 0011 ([TIME])
upgraded 0012 step 0012 ([TIME])
upgraded 0013 step 0013 ([TIME])
upgraded 0014 step 0014 ([TIME])
upgraded 0015 step 0015 ([TIME])
upgraded 0016 step 0016 ([TIME])
upgraded 0017 step 0017 ([TIME])
upgraded 0018 step 0018 ([TIME])
upgraded 0019 step 0019 ([TIME])
upgraded 0020 step 0020 ([TIME])
upgraded 0021 step 0021 ([TIME])
upgraded 0022 step 0022 ([TIME])
upgraded 0023 step 0023 ([TIME])
upgraded 0024 step 0024 ([TIME])
error[57P01]: terminating connection due to administrator command
 --> versions/0025.sql:7:1
  |
7 | SELECT pg_terminate_backend(pg_backend_pid());
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: the server ended the session
  = note: nothing of revision 0025 was kept
  = note: applied before it, and kept: 24 revisions up to 0024

"#]]
            );
        }
        let told = "SELECT revision || ' ' || sqlstate FROM aludel_history WHERE outcome = 'failed'";
        assert_eq!(case.database.psql(told), format!("{place:04} 57P01\n"));
        case.link(place, "");
        case.succeeds("upgrade head");
        assert_eq!((case.rows(), case.tables()), ("0050".to_owned(), tables(COUNT)));
    }
}

/// A redo goes down and up through the same rows: its second half must not run where the first one failed.
#[test]
fn a_redo_whose_files_cannot_be_read() {
    let case = Case::new();
    case.chain(3);
    case.succeeds("upgrade head");
    case.revision("0002", "0001", "CREATE nonsense;", "DROP nonsense;");
    let failed = case.run("redo 2");
    assert_eq!((case.rows(), case.tables()), ("0002".to_owned(), "t0001,t0002".to_owned()));
    assert_data_eq!(
        failed.transcript(),
        str![[r#"
exit code: 1
----- stderr
downgraded 0003 step 0003 ([TIME])
error[42601]: syntax error at or near "nonsense"
 --> versions/0002.sql:9:6
  |
9 | DROP nonsense;
  |      ^^^^^^^^
  |
  = note: nothing of the downgrade was kept: revision 0002 is still applied
  = note: undone before it, and kept: 0003
  = hint: to go on: run `aludel downgrade 0001`, then `aludel upgrade 0003`

"#]]
    );
}
