//! The version table's rows: stamps, rows that nobody knows, Alembic's table.

use snapbox::{assert_data_eq, str};

use crate::Case;

/// 0001 to 0005 in a line.
fn chain() -> Case {
    let case = Case::new();
    case.chain(5);
    case
}

#[test]
fn stamp_a_database_built_by_hand() {
    let case = chain();
    case.ask("CREATE TABLE t0001 (); CREATE TABLE t0002 ();");
    assert_data_eq!(
        case.transcript("stamp 0002"),
        str![[r#"
exit code: 0
----- stderr
stamped 0002 (it was base); nothing was run

"#]]
    );
    assert_data_eq!(
        case.transcript("stamp 0002"),
        str![[r#"
exit code: 0
----- stderr
nothing to do: the database is stamped 0002 already

"#]]
    );
    case.succeeds("upgrade head");
    assert_eq!(case.tables(), "t0001,t0002,t0003,t0004,t0005");
    assert_data_eq!(
        case.transcript("stamp 0003"),
        str![[r#"
exit code: 0
----- stderr
stamped 0003 (it was 0005); nothing was run
no longer taken for applied: 0004, 0005

"#]]
    );
    assert_data_eq!(
        case.transcript("stamp base"),
        str![[r#"
exit code: 0
----- stderr
stamped base (it was 0003); nothing was run
no longer taken for applied: 0001, 0002, 0003

"#]]
    );
    assert_data_eq!(
        case.transcript("stamp head"),
        str![[r#"
exit code: 0
----- stderr
stamped 0005 (it was base); nothing was run

"#]]
    );
    assert_data_eq!(
        case.history(),
        str![[r#"
stamp|0002|stamped|-|-
upgrade|0003|done|-|-
upgrade|0004|done|-|-
upgrade|0005|done|-|-
stamp|0003|stamped|-|-
stamp|base|stamped|-|-
stamp|0005|stamped|-|-

"#]]
    );
    assert_data_eq!(
        case.transcript("stamp nothing_like_it"),
        str![[r#"
exit code: 1
----- stderr
error: no revision or label is, or begins with, `nothing_like_it`
hint: `aludel history` lists the revisions

"#]]
    );
    assert_data_eq!(
        case.transcript("stamp 0001:0002"),
        str![[r#"
exit code: 2
----- stderr
error: the range `0001:0002` is for --sql: a connected run starts from where the database stands

"#]]
    );
    assert_eq!(case.rows(), "0005");
}

#[test]
fn stamp_several() {
    let case = Case::example();
    assert_data_eq!(
        case.transcript("stamp 003 004"),
        str![[r#"
exit code: 0
----- stderr
stamped 003, 004 (it was base); nothing was run

"#]]
    );
    assert_eq!(case.rows(), "003,004");
    assert_data_eq!(
        case.transcript("stamp 005"),
        str![[r#"
exit code: 0
----- stderr
stamped 003, 005 (it was 003, 004); nothing was run

"#]]
    );
    assert_eq!(case.rows(), "003,005");
    assert_data_eq!(
        case.transcript("stamp analogies@002"),
        str![[r#"
exit code: 0
----- stderr
stamped 002 (it was 003, 005); nothing was run
no longer taken for applied: 003, 004, 005

"#]]
    );
    assert_data_eq!(
        case.transcript("stamp --purge 006 003"),
        str![[r#"
exit code: 0
----- stderr
stamped 003, 006 (it was 002); nothing was run

"#]]
    );
    assert_eq!(case.rows(), "003,006");
}

#[test]
fn a_row_that_no_file_defines() {
    let case = chain();
    case.succeeds("upgrade 0002");
    case.ask("INSERT INTO aludel_version VALUES ('ffff')");
    for command in ["upgrade head", "downgrade -1", "redo", "current", "history -i", "plan upgrade head", "stamp 0003"]
    {
        let ran = case.run(command);
        assert_eq!(ran.code, 1, "{command}: {}", ran.transcript());
        assert!(ran.stderr.contains("error: the database is at a revision that no file defines: `ffff`"), "{command}");
        assert_eq!(ran.stdout, "", "{command}");
    }
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error: the database is at a revision that no file defines: `ffff`
note: it was migrated from another branch, or by a newer version of this project; nothing was changed
note: it is also at 0002
hint: get the missing file: switch to the branch, or update to the version, that has it
hint: or, where you know which revision the database is really at: `aludel stamp --purge REVISION`

"#]]
    );
    assert_data_eq!(
        case.transcript("status"),
        str![[r#"
exit code: 0
----- stdout
database  postgresql://postgres@/[DATABASE]?host=[SOCKET]
current   0002
unknown   ffff: no file defines it
applied   unknown: at least 2 of 5
heads     0005 (head)
pending   unknown: at most 3
          0003, step 0003
          0004, step 0004
          0005 (head), step 0005
----- stderr
hint: a row that no file defines comes from another branch or a newer version: get its file
hint: or, where you know which revision the database is really at: aludel stamp --purge REVISION

"#]]
    );
    assert_eq!(case.rows(), "0002,ffff");
    assert_data_eq!(
        case.transcript("stamp --purge 0002"),
        str![[r#"
exit code: 0
----- stderr
stamped 0002 (it was 0002, ffff); nothing was run

"#]]
    );
    case.succeeds("upgrade head");
}

#[test]
fn rows_that_cannot_be() {
    let case = chain();
    case.succeeds("upgrade 0003");
    case.ask("INSERT INTO aludel_version VALUES ('0001')");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error: the version table holds 0003 and also 0001, which 0003 already implies
hint: aludel stamp 0003

"#]]
    );
    assert_data_eq!(
        case.transcript("current"),
        str![[r#"
exit code: 0
----- stdout
0003

"#]]
    );
    assert_data_eq!(
        case.transcript("status"),
        str![[r#"
exit code: 0
----- stdout
database  postgresql://postgres@/[DATABASE]?host=[SOCKET]
current   0003
applied   3 of 5
heads     0005 (head)
pending   2
          0004, step 0004
          0005 (head), step 0005
----- stderr
hint: aludel upgrade head

"#]]
    );
    assert_data_eq!(
        case.transcript("stamp 0003"),
        str![[r#"
exit code: 0
----- stderr
stamped 0003 (it was 0001, 0003); nothing was run

"#]]
    );
    case.succeeds("upgrade head");
    assert_eq!(case.rows(), "0005");
}

#[test]
fn somebody_moved_the_database() {
    let case = Case::new();
    // The script itself changes the rows.
    case.revision("001", "", "CREATE TABLE a ();", "");
    case.revision("002", "001", "UPDATE aludel_version SET version_num = '000';", "");
    case.revision("003", "002", "CREATE TABLE b ();", "");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
error: upgrade of 002 is to leave the database at 002; it is at 000
note: the script of 002, or a trigger on that table, changes the tool's own rows
note: nothing of revision 002 was kept
note: applied before it, and kept: 001
hint: take that statement or that trigger out; `aludel stamp` sets rows

"#]]
    );
    assert_eq!((case.rows(), case.tables()), ("001".to_owned(), "a".to_owned()));
    // A row beside its own.
    case.revision("002", "001", "INSERT INTO aludel_version VALUES ('x');", "");
    let ran = case.run("upgrade 002");
    let said = "error: upgrade of 002 is to leave the database at 002; it is at 002,x\n";
    assert!(ran.code == 1 && ran.stderr.contains(said), "{}", ran.transcript());
    assert_eq!(case.rows(), "001");
}

#[test]
fn down_to_what_is_not_applied() {
    let case = chain();
    case.succeeds("upgrade 0002");
    assert_data_eq!(
        case.transcript("downgrade 0004"),
        str![[r#"
exit code: 1
----- stderr
error: 0004 is not something to go down to
note: it is not applied
hint: `aludel current` shows where the database stands

"#]]
    );
    assert_data_eq!(
        case.transcript("downgrade 0002"),
        str![[r#"
exit code: 0
----- stderr
nothing to do: at 0002

"#]]
    );
    assert_data_eq!(
        case.transcript("downgrade -3"),
        str![[r#"
exit code: 1
----- stderr
error: `-3` goes too far: from 0002 there are 2 steps down

"#]]
    );
    assert_data_eq!(
        case.transcript("upgrade 0001"),
        str![[r#"
exit code: 0
----- stderr
nothing to do: at 0002

"#]]
    );
    assert_data_eq!(
        case.transcript("upgrade +9"),
        str![[r#"
exit code: 1
----- stderr
error: `+9` goes too far: from 0002 there are 3 steps up

"#]]
    );
    assert_data_eq!(
        case.transcript("upgrade 0001:0003"),
        str![[r#"
exit code: 2
----- stderr
error: the range `0001:0003` is for --sql: a connected run starts from where the database stands
hint: aludel upgrade 0003

"#]]
    );
    assert_eq!(case.rows(), "0002");
}

/// Alembic's table as it makes it.
fn alembic() -> Case {
    let case = Case::with("version_table = alembic_version\n");
    case.ask(
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
         INSERT INTO alembic_version VALUES ('ae1027a6acf'); CREATE TABLE first ();",
    );
    case.revision("ae1027a6acf", "", "CREATE TABLE first ();", "DROP TABLE first;");
    case.revision("1975ea83b712", "ae1027a6acf", "CREATE TABLE second ();", "DROP TABLE second;");
    case
}

#[test]
fn an_alembic_database_is_continued() {
    let case = alembic();
    let before = case.database.pg_dump();
    for command in ["current", "status", "plan upgrade head", "history -i"] {
        case.succeeds(command);
    }
    assert_eq!(case.database.pg_dump(), before, "looking changes nothing");
    assert_data_eq!(
        case.transcript("current"),
        str![[r#"
exit code: 0
----- stdout
ae1027a6acf

"#]]
    );
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
upgraded 1975ea83b712 step 1975ea83b712 ([TIME])
done 1 revision in [TIME]; at 1975ea83b712

"#]]
    );
    assert_eq!(case.ask("SELECT * FROM alembic_version"), "1975ea83b712\n");
    case.succeeds("downgrade base");
    assert_eq!(case.ask("SELECT * FROM alembic_version"), "");
    let kind = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'alembic_version'::regclass AND attnum = 1";
    assert_eq!(case.ask(kind), "character varying(32)\n");
    assert_eq!(case.ask("SELECT to_regclass('aludel_version') IS NULL"), "t\n");
}

#[test]
fn an_id_that_does_not_fit_into_alembics_table() {
    let case = alembic();
    let long = "a".repeat(33);
    case.revision("between", "1975ea83b712", "CREATE TABLE third ();", "");
    case.revision(&long, "between", "CREATE TABLE fourth ();", "");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error: the id `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` does not fit into public.alembic_version, whose column holds 32 characters
note: nothing was run
hint: ALTER TABLE public.alembic_version ALTER COLUMN version_num TYPE text;

"#]]
    );
    assert_eq!(case.tables(), "alembic_version,first");
    assert_eq!(case.run("stamp head").code, 1);
    assert_eq!(case.ask("SELECT * FROM alembic_version"), "ae1027a6acf\n");
    case.ask("ALTER TABLE public.alembic_version ALTER COLUMN version_num TYPE text;");
    case.succeeds("upgrade head");
    assert_eq!(case.ask("SELECT * FROM alembic_version"), format!("{long}\n"));
}

#[test]
fn status_tells_a_database_of_alembics() {
    let case = chain();
    case.ask("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)");
    assert!(case.transcript("status").contains("hint: aludel upgrade head"));
    case.ask("INSERT INTO alembic_version VALUES ('0002')");
    assert_data_eq!(
        case.transcript("status"),
        str![[r#"
exit code: 0
----- stdout
database  postgresql://postgres@/[DATABASE]?host=[SOCKET]
current   nothing: there is no version table yet
applied   0 of 5
heads     0005 (head)
pending   5
          0001, step 0001
          0002, step 0002
          0003, step 0003
          0004, step 0004
          0005 (head), step 0005
----- stderr
hint: Alembic has migrated this database: to carry on from there, write `version_table = alembic_version`

"#]]
    );
}
