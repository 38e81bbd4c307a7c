//! A revision that fails: where it points, what it says was kept, and whether that is so.

use snapbox::{assert_data_eq, str};

use crate::Case;

/// A first revision that works, and a second with this upgrade.
fn second(up: &str) -> Case {
    let case = Case::new();
    case.revision(
        "001",
        "",
        "CREATE TABLE kept (id int PRIMARY KEY);\nINSERT INTO kept VALUES (1);",
        "DROP TABLE kept;",
    );
    case.revision("002", "001", up, "");
    case
}

/// Nothing of the second revision is there, and the first is.
#[track_caller]
fn first_alone(case: &Case) {
    assert_eq!(case.rows(), "001");
    assert_eq!(case.tables(), "kept");
    assert_eq!(case.ask("SELECT count(*) FROM kept"), "1\n");
    let history = case.history();
    assert!(history.starts_with("upgrade|001|done|-|-\nupgrade|002|failed|"), "{history}");
    assert_eq!(history.lines().count(), 2, "{history}");
}

#[test]
fn a_syntax_error() {
    let case = second("CREATE TABLE a ();\nCREATE TABLE b (\n    x int,\n    y text nonsense\n);\nCREATE TABLE c ();");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
error[42601]: syntax error at or near "nonsense"
 --> versions/002.sql:9:12
  |
9 |     y text nonsense
  |            ^^^^^^^^
  |
  = note: nothing of revision 002 was kept
  = note: applied before it, and kept: 001

"#]]
    );
    first_alone(&case);
    assert_data_eq!(
        case.history(),
        str![[r#"
upgrade|001|done|-|-
upgrade|002|failed|42601|syntax error at or near "nonsense"

"#]]
    );
}

#[test]
fn an_error_without_a_position() {
    for (name, statement) in [
        ("division by zero", "INSERT INTO kept\n    SELECT 1 / (id - 1) FROM kept;"),
        ("unique violation", "INSERT INTO kept VALUES (2), (1);"),
    ] {
        let case = second(&format!("CREATE TABLE a ();\n\n-- a comment\n{statement}\nCREATE TABLE c ();"));
        let transcript = case.transcript("upgrade head");
        match name {
            "division by zero" => assert_data_eq!(
                transcript,
                str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
error[22012]: division by zero
 --> versions/002.sql:9:1
  |
9 | INSERT INTO kept
  | ^^^^^^^^^^^^^^^^
  |
  = note: nothing of revision 002 was kept
  = note: applied before it, and kept: 001

"#]]
            ),
            _ => assert_data_eq!(
                transcript,
                str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
error[23505]: duplicate key value violates unique constraint "kept_pkey"
 --> versions/002.sql:9:1
  |
9 | INSERT INTO kept VALUES (2), (1);
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: detail: Key (id)=(1) already exists.
  = note: nothing of revision 002 was kept
  = note: applied before it, and kept: 001

"#]]
            ),
        }
        first_alone(&case);
    }
}

#[test]
fn a_relation_that_exists() {
    let case = second("CREATE TABLE a ();\nCREATE TABLE kept ();");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
error[42P07]: relation "kept" already exists
 --> versions/002.sql:7:1
  |
7 | CREATE TABLE kept ();
  | ^^^^^^^^^^^^^^^^^^^^^
  |
  = note: nothing of revision 002 was kept
  = note: applied before it, and kept: 001
  = hint: if it was made by hand or by another tool, say where the database is: `aludel stamp REVISION`

"#]]
    );
    first_alone(&case);
}

#[test]
fn a_name_that_does_not_exist() {
    let case = second("SELECT 'é€😀', 'ünï' FROM kept WHERE idd = 1;");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
error[42703]: column "idd" does not exist
 --> versions/002.sql:6:37
  |
6 | SELECT 'é€😀', 'ünï' FROM kept WHERE idd = 1;
  |                                      ^^^
  |
  = note: nothing of revision 002 was kept
  = note: applied before it, and kept: 001
  = hint: Perhaps you meant to reference the column "kept.id".

"#]]
    );
    first_alone(&case);
}

#[test]
fn inside_a_function() {
    let case = second(
        "CREATE FUNCTION f(n int) RETURNS int LANGUAGE plpgsql AS $$\nBEGIN\n    RETURN 1 / n;\nEND\n$$;\nSELECT f(1);\nSELECT f(0);",
    );
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
error[22012]: division by zero
  --> versions/002.sql:12:1
   |
12 | SELECT f(0);
   | ^^^^^^^^^^^^
   |
   = note: in: PL/pgSQL function f(integer) line 3 at RETURN
   = note: nothing of revision 002 was kept
   = note: applied before it, and kept: 001

"#]]
    );
    first_alone(&case);
}

#[test]
fn inside_a_do_block() {
    let case = second("SELECT 1;\nDO $$\nBEGIN\n    PERFORM 1;\n    EXECUTE 'SELECT * FROM nowhere';\nEND\n$$;");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
error[42P01]: relation "nowhere" does not exist
 --> versions/002.sql:7:1
  |
7 | DO $$
  | ^^^^^
  |
  = note: in the query: SELECT * FROM nowhere
  = note: in: PL/pgSQL function inline_code_block line 4 at EXECUTE
  = note: line 4 of the block is versions/002.sql:10
  = note: nothing of revision 002 was kept
  = note: applied before it, and kept: 001

"#]]
    );
    first_alone(&case);
}

#[test]
fn a_function_that_does_not_compile() {
    let case = second(
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$\n    SELECT 1;\n    SELECT nonsense FROM kept;\n$$;",
    );
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
error[42703]: column "nonsense" does not exist
 --> versions/002.sql:8:12
  |
8 |     SELECT nonsense FROM kept;
  |            ^^^^^^^^
  |
  = note: nothing of revision 002 was kept
  = note: applied before it, and kept: 001

"#]]
    );
    first_alone(&case);
}

#[test]
fn a_deferred_constraint_at_commit() {
    let case = second(
        "CREATE TABLE child (id int REFERENCES kept DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO child VALUES (7);",
    );
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
error[23503]: 002 step 002 (versions/002.sql): COMMIT was refused: insert or update on table "child" violates foreign key constraint "child_id_fkey"
note: detail: Key (id)=(7) is not present in table "kept".
note: nothing of revision 002 was kept
note: applied before it, and kept: 001

"#]]
    );
    first_alone(&case);
}

#[test]
fn carriage_returns() {
    let case = second("CREATE TABLE a ();\r\n-- ü\r\nCREATE TABLE b (é int,\r\n  x nonsense);\r\n");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
error[42704]: type "nonsense" does not exist
 --> versions/002.sql:9:5
  |
9 |   x nonsense);
  |     ^^^^^^^^
  |
  = note: nothing of revision 002 was kept
  = note: applied before it, and kept: 001

"#]]
    );
    first_alone(&case);
}

#[test]
fn settings_that_were_reset() {
    let case = second("CREATE TABLE a ();\nRESET ALL;");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
error[ALU05]: 002 step 002 (versions/002.sql): the script of 002 reset all settings
note: nothing of revision 002 was kept
note: applied before it, and kept: 001
hint: leave out RESET ALL: settings are put back behind each revision anyway

"#]]
    );
    first_alone(&case);
}

/// A COMMIT that no check of the text can see, with a BEGIN behind it: what came before it stays, and that is said.
#[test]
fn a_transaction_that_was_exchanged() {
    let case = second(&format!(
        "CREATE TABLE hid (i int);\nSELECT set_config('standard_conforming_'||'strings', 'off', false);\n{}\nSELECT '\\'';COMMIT;BEGIN;SELECT 2--'\n;",
        format!("SELECT '{}';\n", "x".repeat(1000)).repeat(3000)
    ));
    let ran = case.run("upgrade head");
    assert_eq!(ran.code, 4, "{}", ran.transcript());
    assert!(
        ran.stderr.contains(
            "error[ALU02]: 002 step 002 (versions/002.sql): the script of 002 ended its transaction on its own\n"
        ) && ran.stderr.contains("stopped partway"),
        "{}",
        ran.transcript()
    );
    assert_eq!((case.rows(), case.tables()), ("001".to_owned(), "hid,kept".to_owned()));
    assert!(case.history().contains("upgrade|002|partial|ALU02|"), "{}", case.history());
}

#[test]
fn a_downgrade_that_fails() {
    let case = Case::new();
    case.revision("001", "", "CREATE TABLE a ();", "DROP TABLE a;\nDROP TABLE nowhere;");
    case.succeeds("upgrade head");
    assert_data_eq!(
        case.transcript("downgrade base"),
        str![[r#"
exit code: 1
----- stderr
error[42P01]: table "nowhere" does not exist
  --> versions/001.sql:10:1
   |
10 | DROP TABLE nowhere;
   | ^^^^^^^^^^^^^^^^^^^
   |
   = note: nothing of the downgrade was kept: revision 001 is still applied

"#]]
    );
    assert_eq!((case.rows(), case.tables()), ("001".to_owned(), "a".to_owned()));
    assert_data_eq!(
        case.history(),
        str![[r#"
upgrade|001|done|-|-
downgrade|001|failed|42P01|table "nowhere" does not exist

"#]]
    );
}

#[test]
fn a_revision_without_a_downgrade() {
    let case = Case::new();
    case.file("001", "", "-- migrate:upgrade\nCREATE TABLE a ();\n");
    case.revision("002", "001", "CREATE TABLE b ();", "DROP TABLE b;");
    case.succeeds("upgrade head");
    assert_data_eq!(
        case.transcript("downgrade base"),
        str![[r#"
exit code: 1
----- stderr
error: revision 001 has no section `-- migrate:downgrade`
note: in versions/001.sql
note: nothing was run
hint: write one, which may be empty, or go no further down than this revision

"#]]
    );
    assert_eq!(case.tables(), "a,b");
    assert_data_eq!(
        case.transcript("downgrade -1"),
        str![[r#"
exit code: 0
----- stderr
downgraded 002 step 002 ([TIME])
done 1 revision in [TIME]; at 001

"#]]
    );
}

/// The same in a body of several messages: an error anywhere leaves nothing, and the line is the file's.
#[test]
fn a_large_body() {
    // Some 2 MB, about 20,000 statements, eight messages.
    let filler = |from: usize, to: usize| {
        let line = |n| format!("INSERT INTO big VALUES ({n}, '{}');\n", "é".repeat(40));
        (from..to).map(line).collect::<String>()
    };
    let count = 16_000;
    for (place, error, line) in [
        (20, "INSERT INTO big VALUES (1, 'syntax' error);\n", 28),
        (20, "INSERT INTO big SELECT 1 / 0, '';\n", 28),
        (15_900, "INSERT INTO big VALUES (1, 'syntax' error);\n", 15_908),
        (15_900, "INSERT INTO big SELECT 1 / 0, '';\n", 15_908),
        (15_900, "SELECT pg_terminate_backend(pg_backend_pid());\n", 15_908),
    ] {
        let case = second(&format!(
            "CREATE TABLE big (id int, text text);\n-- then rows\n{}{error}{}CREATE TABLE last ();",
            filler(0, place),
            filler(place, count)
        ));
        let ran = case.run("upgrade head");
        assert_eq!(case.tables(), "kept", "{error}");
        assert_eq!(case.rows(), "001", "{error}");
        assert_eq!(ran.code, 1, "{error}: {}", ran.transcript());
        assert!(ran.stderr.contains(&format!("versions/002.sql:{line}:")), "{error}: {}", ran.transcript());
        assert!(ran.stderr.contains("nothing of revision 002 was kept"), "{error}: {}", ran.transcript());
    }
}

/// Text behind a failed first message must not run on its own: these statements would succeed outside the transaction.
#[test]
fn nothing_runs_behind_a_message_that_could_not_be_read() {
    let filler = "-- filler\n".repeat(30_000);
    let case = second(&format!(
        "SELECT nonsense nonsense nonsense;\n{filler}CREATE TABLE loose ();\n{filler}SELECT 1;\n{filler}SELECT 2;"
    ));
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
error[42601]: syntax error at or near "nonsense"
 --> versions/002.sql:6:26
  |
6 | SELECT nonsense nonsense nonsense;
  |                          ^^^^^^^^
  |
  = note: nothing of revision 002 was kept
  = note: applied before it, and kept: 001

"#]]
    );
    first_alone(&case);
}

#[test]
fn savepoints_in_a_large_body() {
    let filler = "SELECT 'filler filler filler filler filler filler filler filler';\n".repeat(6_000);
    let case = second(&format!(
        "CREATE TABLE a ();\nSAVEPOINT s;\nCREATE TABLE b ();\n{filler}ROLLBACK TO s;\nCREATE TABLE c ();\n{filler}RELEASE s;"
    ));
    case.succeeds("upgrade head");
    assert_eq!(case.tables(), "a,c,kept");

    // An error before the ROLLBACK TO is not healed by it.
    let case = second(&format!(
        "CREATE TABLE a ();\nSAVEPOINT s;\nSELECT 1 / 0;\n{filler}ROLLBACK TO s;\nCREATE TABLE c ();\n{filler}"
    ));
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
error[22012]: division by zero
 --> versions/002.sql:8:1
  |
8 | SELECT 1 / 0;
  | ^^^^^^^^^^^^^
  |
  = note: nothing of revision 002 was kept
  = note: applied before it, and kept: 001

"#]]
    );
    first_alone(&case);
}

#[test]
fn one_transaction_for_the_run() {
    let case = Case::with("transaction = run\n");
    case.chain(3);
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
upgraded 0001 step 0001 ([TIME])
upgraded 0002 step 0002 ([TIME])
upgraded 0003 step 0003 ([TIME])
done 3 revisions in [TIME]; at 0003

"#]]
    );
    assert_data_eq!(
        case.transcript("downgrade base"),
        str![[r#"
exit code: 0
----- stderr
downgraded 0003 step 0003 ([TIME])
downgraded 0002 step 0002 ([TIME])
downgraded 0001 step 0001 ([TIME])
done 3 revisions in [TIME]; nothing is applied

"#]]
    );
    case.link(3, "SELECT 1 / 0;");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error[22012]: division by zero
 --> versions/0003.sql:7:1
  |
7 | SELECT 1 / 0;
  | ^^^^^^^^^^^^^
  |
  = note: nothing of revision 0003 was kept
  = note: `transaction = run`: 0001, 0002 went back with it

"#]]
    );
    assert_eq!((case.rows(), case.tables()), (String::new(), String::new()));
    assert_data_eq!(
        case.history(),
        str![[r#"
upgrade|0001|done|-|-
upgrade|0002|done|-|-
upgrade|0003|done|-|-
downgrade|0003|done|-|-
downgrade|0002|done|-|-
downgrade|0001|done|-|-
upgrade|0003|failed|22012|division by zero

"#]]
    );
    // At COMMIT.
    case.link(3, "CREATE TABLE p (id int PRIMARY KEY);\nCREATE TABLE c (id int REFERENCES p DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO c VALUES (1);");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error[23503]: 0003 step 0003 (versions/0003.sql): COMMIT was refused: insert or update on table "c" violates foreign key constraint "c_id_fkey"
note: detail: Key (id)=(1) is not present in table "p".
note: nothing of revision 0003 was kept
note: `transaction = run`: 0001, 0002 went back with it

"#]]
    );
    assert_eq!((case.rows(), case.tables()), (String::new(), String::new()));
    // A section that cannot be in it.
    case.file("0004", "0003", "-- migrate:upgrade transaction:false\nVACUUM;\n");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error: 0004 step 0004 has a section that cannot be in a transaction
note: `transaction = run` (migrate.ini:3 [migrate]) asks for one around the whole run
hint: run up to the revision before it first, or set `transaction = revision`

"#]]
    );
    assert_eq!(case.tables(), "");
}

#[test]
fn a_template_that_nobody_called_one() {
    let case = Case::new();
    case.revision("0001", "", "CREATE TABLE {{ name | identifier }} ();", "");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error[42601]: syntax error at or near "{"
 --> versions/0001.sql:6:14
  |
6 | CREATE TABLE {{ name | identifier }} ();
  |              ^
  |
  = note: nothing of revision 0001 was kept
  = hint: for `{{ … }}` to be filled in, write `-- template: true` into the file's header

"#]]
    );
}

/// The grant that is missing, to be typed by whoever may.
#[test]
fn a_right_that_is_missing() {
    let case = Case::new();
    let role = format!("clerk_{}", case.database.name);
    let url = case.database.url().replace("user=postgres", &format!("user={role}"));
    case.project.write("migrate.ini", format!("[migrate]\nurl = {url}\n"));
    case.ask(&format!(
        "CREATE TABLE \"Accounts\" (id int); CREATE ROLE {role} LOGIN; GRANT CREATE, USAGE ON SCHEMA public TO {role}"
    ));
    for (statement, message, hint) in [
        (
            "INSERT INTO \"Accounts\" VALUES (1);",
            "permission denied for table Accounts",
            "its owner, or a superuser, types: GRANT INSERT ON \"Accounts\" TO clerk_[DATABASE];",
        ),
        (
            "DROP TABLE \"Accounts\";",
            "must be owner of table Accounts",
            "clerk_[DATABASE] must be a member of the role that owns it; `role = ROLE` in the settings has all done as that role",
        ),
    ] {
        case.revision("001", "", statement, "");
        let ran = case.project.aludel(["upgrade", "head"]);
        assert!(ran.code == 1 && ran.stderr.starts_with(&format!("error[42501]: {message}\n")), "{}", ran.transcript());
        assert!(ran.stderr.contains(&format!("  = hint: {hint}\n")), "{}", ran.transcript());
    }
    case.ask(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}
