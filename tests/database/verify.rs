//! `-- migrate:verify`: what holds, what fails and where, and that nothing of it stays.

use snapbox::{assert_data_eq, str};

use crate::Case;

/// A revision that works, and a second whose body is this, with a table of three rows behind it.
fn second(body: &str) -> Case {
    let case = Case::new();
    case.revision("001", "", "CREATE TABLE t (id int);\nINSERT INTO t VALUES (1), (2), (3);", "DROP TABLE t;");
    case.file("002", "001", body);
    case
}

/// A second revision with this verification behind its upgrade.
fn verified(verification: &str) -> Case {
    second(&format!("-- migrate:upgrade\nCREATE TABLE u ();\n\n-- migrate:verify\n{verification}\n"))
}

/// The first line of the error for each verification, none being kept.
#[track_caller]
fn fails(verification: &str, said: &str) {
    let case = verified(verification);
    let ran = case.run("upgrade head");
    assert!(ran.code == 1 && ran.stderr.contains(&format!("{said}\n")), "{verification}: {}", ran.transcript());
    assert_eq!((case.rows().as_str(), case.tables().as_str()), ("001", "t"), "{verification}");
    assert!(ran.stderr.contains("nothing of revision 002 was kept"), "{}", ran.transcript());
}

#[test]
fn what_holds() {
    let case = verified(
        "-- A comment.
SELECT count(*) = 3 FROM t;
SELECT id > 0 FROM t;
SELECT 1/count(*) FROM t;
VALUES (true);
WITH a AS (SELECT true AS b) TABLE a;
SELECT true, false;
SELECT 'f';
SELECT null::int;
SELECT id FROM t WHERE false;
SELECT;
SELECT to_jsonb(false);
SELECT pg_sleep(0);
SELECT true -- it's \\ $aludel$
;
DO $$ BEGIN ASSERT (SELECT count(*) FROM t) = 3, 'three'; END $$;
EXPLAIN SELECT false",
    );
    let ran = case.succeeds("upgrade head");
    assert_eq!((ran.stdout.as_str(), case.tables().as_str()), ("", "t,u"));
    assert_eq!(case.rows(), "002");
}

#[test]
fn what_it_does_is_taken_back() {
    let case = verified(
        "SET search_path = nowhere;
INSERT INTO public.t VALUES (4);
COPY public.t FROM stdin;
5
6
\\.
SELECT count(*) = 6 FROM public.t;
WITH gone AS (WITH k AS (SELECT 1 AS id) DELETE FROM public.t USING k WHERE t.id = k.id RETURNING 1) SELECT count(*) = 2 FROM gone;
WITH gone AS (DELETE FROM public.t RETURNING id) SELECT false FROM gone;
SELECT id INTO public.copied FROM public.t;
SELECT count(*) = 0 FROM public.t;
CREATE TABLE public.v ();
SET ROLE pg_monitor;
SELECT set_config('aludel.revision', 'another', true)",
    );
    case.succeeds("upgrade head");
    assert_eq!((case.rows(), case.tables()), ("002".into(), "t,u".into()));
    assert_eq!(case.ask("SELECT string_agg(id::text, ',') FROM t"), "1,2,3\n");
}

#[test]
fn a_query_that_says_false() {
    let case = verified("SELECT true;\n\n-- There are three.\nSELECT count(*) = 4\n    FROM t;\nSELECT true;");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
error[P0004]: verification failed: the query returned false
  --> versions/002.sql:12:1
   |
12 | SELECT count(*) = 4
   | ^^^^^^^^^^^^^^^^^^^
   |
   = note: nothing of revision 002 was kept
   = note: applied before it, and kept: 001

"#]]
    );
    assert_data_eq!(
        case.history(),
        str![[r#"
upgrade|001|done|-|-
upgrade|002|failed|P0004|verification failed: the query returned false

"#]]
    );
    assert_eq!((case.rows(), case.tables()), ("001".into(), "t".into()));
}

#[test]
fn what_is_not_true() {
    let not_true = |said: &str| format!("error[P0004]: verification failed: the query returned {said}");
    for verification in [
        "SELECT false;",
        "SELECT id < 3 FROM t",
        "(SELECT true UNION ALL SELECT false)",
        "VALUES (false), (NULL)",
        "WITH RECURSIVE a AS (SELECT false AS b) SELECT * FROM a;",
        "CREATE TABLE d (delete boolean, \"into\" boolean); INSERT INTO d VALUES (true, false);
         WITH bad AS (SELECT 1 FROM d WHERE (delete)) SELECT count(*) = 0 FROM bad",
        "CREATE TABLE d (delete int); INSERT INTO d VALUES (0); WITH a AS (SELECT max(delete) AS m FROM d) SELECT m > 0 FROM a",
        "CREATE TABLE d (\"into\" boolean); INSERT INTO d VALUES (false); SELECT d.into FROM d",
        "WITH a (merge) AS (SELECT false) SELECT * FROM a",
        "WITH r AS (SELECT 1) (SELECT false)",
        "SELECT false FOR UPDATE;",
        // What raises nothing by itself, behind what a connection and psql read differently.
        "SELECT 'x:y' = $$:USER$$ -- ; \n;",
        "SELECT E'\\\\' = 'a\\'",
    ] {
        fails(verification, &not_true("false"));
    }
    for verification in ["SELECT null::boolean", "SELECT bool_and(id > 0) FROM t WHERE false", "VALUES (true), (NULL)"]
    {
        fails(verification, &not_true("null"));
    }
    for verification in ["SELECT true FROM t WHERE id = 4;", "SELECT true WHERE false", "SELECT id > 0 FROM t LIMIT 0"]
    {
        fails(verification, &not_true("no row"));
    }
    fails("CREATE DOMAIN d AS boolean; SELECT false::d", &not_true("false"));
    fails("CREATE DOMAIN d AS boolean; SELECT true::d WHERE false", &not_true("no row"));
}

#[test]
fn an_assertion_holds_though_assertions_are_off() {
    let off =
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET plpgsql.check_asserts = off', current_database()); END $$";
    let block = "-- migrate:upgrade\nCREATE TABLE u ();\n-- migrate:verify\nDO $$ BEGIN ASSERT false, 'no'; END $$;\n";
    let case = second(block);
    case.ask(off);
    let ran = case.run("upgrade head");
    assert!(ran.code == 1 && ran.stderr.contains("verification failed: no\n"), "{}", ran.transcript());
    assert_eq!(case.tables(), "t");
    // It is put back: the revision itself may rely on it.
    case.file(
        "002",
        "001",
        &format!("{}-- migrate:upgrade\nDO $$ BEGIN ASSERT false, 'no'; END $$;", block.replace("false", "true")),
    );
    case.succeeds("upgrade head");
    // On paper, too.
    let case = second(block);
    case.ask(off);
    let script = case.succeeds("upgrade head --sql").stdout;
    let ran = case.database.try_psql(&["-v", "ON_ERROR_STOP=1"], &script);
    assert!(ran.code == 3 && ran.stderr.contains("ERROR:  no\n"), "{}", ran.transcript());
}

#[test]
fn what_fails_is_shown_in_its_file() {
    let case = verified("SELECT true;\nSELECT count(*)\n  FROM t WHERE nothing = 'é' OR idd = 1;");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
error[42703]: verification failed: column "nothing" does not exist
  --> versions/002.sql:11:16
   |
11 |   FROM t WHERE nothing = 'é' OR idd = 1;
   |                ^^^^^^^
   |
   = note: nothing of revision 002 was kept
   = note: applied before it, and kept: 001

"#]]
    );
    let case = verified("SELECT 1/count(*)\n    FROM t WHERE id = 4;");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
error[22012]: verification failed: division by zero
 --> versions/002.sql:9:1
  |
9 | SELECT 1/count(*)
  | ^^^^^^^^^^^^^^^^^
  |
  = note: nothing of revision 002 was kept
  = note: applied before it, and kept: 001

"#]]
    );
    let case = verified("SELECT true;\nSELECT tru e f;");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
error[42601]: verification failed: syntax error at or near "f"
  --> versions/002.sql:10:14
   |
10 | SELECT tru e f;
   |              ^
   |
   = note: nothing of revision 002 was kept
   = note: applied before it, and kept: 001

"#]]
    );
    let case = verified("DO $$\nBEGIN\n    ASSERT (SELECT count(*) FROM t) = 4, 'four rows';\nEND $$;");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
error[P0004]: verification failed: four rows
 --> versions/002.sql:9:1
  |
9 | DO $$
  | ^^^^^
  |
  = note: in: PL/pgSQL function inline_code_block line 3 at ASSERT
  = note: line 3 of the block is versions/002.sql:11
  = note: nothing of revision 002 was kept
  = note: applied before it, and kept: 001

"#]]
    );
    let case = verified(
        "CREATE FUNCTION f(a int) RETURNS boolean LANGUAGE plpgsql AS $$\nBEGIN\n    RETURN 1 / a;\nEND $$;\nSELECT true,\n    f(0);",
    );
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
error[22012]: verification failed: division by zero
  --> versions/002.sql:13:1
   |
13 | SELECT true,
   | ^^^^^^^^^^^^
   |
   = note: in: PL/pgSQL function f(integer) line 3 at RETURN
   = note: nothing of revision 002 was kept
   = note: applied before it, and kept: 001

"#]]
    );
    let case = verified("INSERT INTO t VALUES (1, 2);");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
error[42601]: verification failed: INSERT has more expressions than target columns
 --> versions/002.sql:9:26
  |
9 | INSERT INTO t VALUES (1, 2);
  |                          ^
  |
  = note: nothing of revision 002 was kept
  = note: applied before it, and kept: 001

"#]]
    );
    let case = verified("COPY t FROM stdin;\n1\nx\n\\.\n");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
error[22P02]: verification failed: invalid input syntax for type integer: "x"
  --> versions/002.sql:11:1
   |
11 | x
   | ^
   |
   = note: in: COPY t, line 2, column id: "x"
   = note: nothing of revision 002 was kept
   = note: applied before it, and kept: 001

"#]]
    );
}

#[test]
fn a_downgrade_has_its_own() {
    let case = second(
        "-- migrate:upgrade
-- migrate:verify
SELECT count(*) = 3 FROM t;
-- migrate:downgrade
DELETE FROM t WHERE id = 1;
-- migrate:verify
SELECT count(*) = 3 FROM t;
",
    );
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
upgraded 001 step 001 ([TIME])
upgraded 002 step 002 ([TIME])
done 2 revisions in [TIME]; at 002

"#]]
    );
    assert_data_eq!(
        case.transcript("downgrade -1"),
        str![[r#"
exit code: 1
----- stderr
error[P0004]: verification failed: the query returned false
  --> versions/002.sql:11:1
   |
11 | SELECT count(*) = 3 FROM t;
   | ^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = note: nothing of the downgrade was kept: revision 002 is still applied

"#]]
    );
    assert_eq!((case.rows(), case.ask("SELECT count(*) FROM t")), ("002".into(), "3\n".into()));
}

#[test]
fn behind_a_section_without_a_transaction() {
    let case = second(
        "-- migrate:upgrade transaction:false
CREATE TABLE u ();
ALTER TABLE t ADD CONSTRAINT small CHECK (id < 10);
-- migrate:verify
INSERT INTO t VALUES (4);
SELECT count(*) = 3 FROM t;
-- migrate:upgrade transaction:false
VACUUM t;
",
    );
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 4
----- stderr
upgraded 001 step 001 ([TIME])
error[P0004]: verification failed: the query returned false
  --> versions/002.sql:10:1
   |
10 | SELECT count(*) = 3 FROM t;
   | ^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = note: revision 002 stopped partway: the first 2 of its 5 statements ran and stay; it is not recorded as applied
   = note: applied before it, and kept: 001
   = hint: run the same command again: it goes on with statement 3; those before it must stay as they are in the file

"#]]
    );
    assert_eq!((case.rows(), case.tables()), ("001".into(), "t,u".into()));
    assert_eq!(case.ask("SELECT count(*) FROM t"), "3\n");
    // As long as it fails, it fails; nothing before it runs again.
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 4
----- stderr
the upgrade of 002 stopped after statement 2: it goes on with statement 3 of 5
error[P0004]: verification failed: the query returned false
  --> versions/002.sql:10:1
   |
10 | SELECT count(*) = 3 FROM t;
   | ^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = note: revision 002 stopped partway: the first 2 of its 5 statements ran and stay; it is not recorded as applied
   = hint: run the same command again: it goes on with statement 3; those before it must stay as they are in the file

"#]]
    );
    case.project.write(
        "versions/002.sql",
        case.project
            .read("versions/002.sql")
            .replace("count(*) = 3", "count(*) = 4")
            .replace("VACUUM t", "VACUUM nothing"),
    );
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 4
----- stderr
the upgrade of 002 stopped after statement 2, its file edited since: it goes on with statement 3 of 5
error[42P01]: relation "nothing" does not exist
  --> versions/002.sql:12:1
   |
12 | VACUUM nothing;
   | ^^^^^^^^^^^^^^^
   |
   = note: revision 002 stopped partway: the first 4 of its 5 statements ran and stay; it is not recorded as applied
   = hint: run the same command again: it goes on with statement 5; those before it must stay as they are in the file

"#]]
    );
    // Now it was passed, and does not come again.
    case.project.write("versions/002.sql", case.project.read("versions/002.sql").replace("VACUUM nothing", "VACUUM t"));
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
the upgrade of 002 stopped after statement 4, its file edited since: it goes on with statement 5 of 5
upgraded 002 step 002 ([TIME])
done 1 revision in [TIME]; at 002

"#]]
    );
    assert_eq!((case.rows(), case.ask("SELECT count(*) FROM t")), ("002".into(), "3\n".into()));
}

#[test]
fn one_larger_than_a_message() {
    // Sent ahead, what ends a verification would bring the transaction of a failed one back to life.
    for place in [0, 1, 2] {
        let large = format!("SELECT '{}' <> '';\n", "x".repeat(200_000));
        let mut queries = vec![large.clone(), large.clone(), large];
        queries.insert(place, "SELECT false;\n".to_owned());
        let case = Case::with("");
        case.file(
            "001",
            "",
            &format!("-- migrate:upgrade\nCREATE TABLE t ();\n-- migrate:verify\n{}", queries.concat()),
        );
        case.revision("002", "001", "CREATE TABLE u ();", "");
        let ran = case.run("upgrade head");
        assert!(ran.code == 1 && ran.stderr.contains("the query returned false\n"), "{}", ran.transcript());
        assert_eq!((case.rows(), case.tables()), (String::new(), String::new()));
        let passing = case.project.read("versions/001.sql").replace("SELECT false;\n", "");
        case.project.write("versions/001.sql", passing);
        case.succeeds("upgrade head");
        assert_eq!((case.rows(), case.tables()), ("002".into(), "t,u".into()));
    }
}

#[test]
fn in_one_transaction_for_the_run() {
    let case = Case::with("transaction = run\n");
    case.file("001", "", "-- migrate:upgrade\nCREATE TABLE t ();\n-- migrate:verify\nINSERT INTO t DEFAULT VALUES;\nSELECT count(*) = 1 FROM t;\n");
    case.file("002", "001", "-- migrate:upgrade\n-- migrate:verify\nSELECT count(*) = 1 FROM t;\n");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error[P0004]: verification failed: the query returned false
 --> versions/002.sql:7:1
  |
7 | SELECT count(*) = 1 FROM t;
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: nothing of revision 002 was kept
  = note: `transaction = run`: 001 went back with it

"#]]
    );
    assert_eq!((case.rows(), case.tables()), (String::new(), String::new()));
}

#[test]
fn a_plan_says_that_it_verifies() {
    let case = verified("CREATE TABLE v ();\nSELECT true;");
    assert_data_eq!(
        case.transcript("plan upgrade head -v"),
        str![[r#"
exit code: 0
----- stdout
upgrade <base> -> 001, step 001
    creates table t
    runs 1 other statement
upgrade 001 -> 002, step 002
    creates table u
    verifies it with 2 statements
----- stderr
2 revisions, from base to 002

"#]]
    );
}

#[test]
fn a_template_and_a_role() {
    let case = Case::with("");
    case.project.write(
        "versions/001.sql",
        "-- revision: 001\n-- template: true\n\n-- migrate:upgrade\nCREATE TABLE t ();\n\n-- migrate:verify\nSELECT {{ name | literal }} = 'b';\n",
    );
    assert_data_eq!(
        case.transcript("upgrade head -x name=a"),
        str![[r#"
exit code: 1
----- stderr
error[P0004]: verification failed: the query returned false
 --> versions/001.sql:8:1
  |
8 | SELECT {{ name | literal }} = 'b';
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: nothing of revision 001 was kept

"#]]
    );
    case.succeeds("upgrade head -x name=b");
}
