//! `-- migrate:verify` without a database: what is refused, and what is printed.

use snapbox::str;

use crate::world::{same, session, with};

#[test]
fn what_cannot_be_in_it() {
    let project = with([
        ("1.sql", "-- revision: 1\n\n-- migrate:verify\nSELECT true;\n-- migrate:upgrade\n"),
        (
            "2.sql",
            "-- revision: 2\n-- parents: 1\n\n-- migrate:upgrade\n-- migrate:verify transaction:false\nSELECT true;\n",
        ),
        (
            "3.sql",
            "-- revision: 3\n-- parents: 2\n\n-- migrate:upgrade\n-- migrate:verify\nBEGIN;\nSAVEPOINT a;\nROLLBACK TO a;\nVACUUM;\n\\echo a\n",
        ),
        ("4.sql", "-- revision: 4\n-- parents: 3\n\n-- migrate:upgrade\n-- migrate:test\nSELECT true;\n"),
        ("5.sql", "-- revision: 5\n-- parents: 4\n\n-- migrate:upgrade\n-- migrate:rows\nSELECT true;\n"),
    ]);
    same(
        session(&project, "upgrade head --sql"),
        str![[r#"
$ aludel upgrade head --sql
exit code: 1
----- stderr
error: a verification stands before the first section
 --> versions/1.sql:3:1
  |
3 | -- migrate:verify
  | ^^^^^^^^^^^^^^^^^
  |
  = note: nothing was run
  = hint: it belongs behind the section that it verifies: `-- migrate:upgrade`, which may be empty

error: a verification is always in a transaction
 --> versions/2.sql:5:19
  |
5 | -- migrate:verify transaction:false
  |                   ^^^^^^^^^^^^^^^^^
  |
  = hint: leave the option out

error: `BEGIN` in a verification
 --> versions/3.sql:6:1
  |
6 | BEGIN;
  | ^^^^^^
  |
  = hint: leave it out: what a verification does is taken back behind it

error: there is no section `test`
 --> versions/4.sql:5:12
  |
5 | -- migrate:test
  |            ^^^^
  |
  = hint: did you mean `-- migrate:verify`?

error: there is no section `rows`
 --> versions/5.sql:5:12
  |
5 | -- migrate:rows
  |            ^^^^
  |
  = hint: the sections are `upgrade`, `downgrade` and `verify`

"#]],
    );
}

#[test]
fn one_that_looks_at_nothing() {
    let project = with([(
        "1.sql",
        "-- revision: 1\n\n-- migrate:upgrade\nCREATE TABLE t ();\n-- migrate:verify\n-- migrate:upgrade\nCREATE TABLE u ();\n\
         -- migrate:verify\nSELECT true;\n/* v */ CREATE TABLE v ();\n-- migrate:verify\nDROP TABLE t;\nSELECT 1;\n\
         -- migrate:downgrade\n-- migrate:verify\nALTER TABLE t ADD a int",
    )]);
    project.write("versions/repeatable/r.sql", "-- repeatable: r\n\nSELECT 1;\n-- migrate:verify\n");
    let warnings = |arguments: &str| {
        let printed = session(&project, arguments);
        printed.lines().filter(|line| line.starts_with("warning: ")).collect::<Vec<_>>().join("\n")
    };
    same(
        warnings("plan upgrade head --from base"),
        str![[r#"
warning: the verification of 1 is empty (versions/1.sql:5)
warning: the verification of 1 ends with a change that nothing looks at: it is taken back, as all of a verification (versions/1.sql:8)
warning: the verification of r is empty (versions/repeatable/r.sql:4)
"#]],
    );
    same(
        warnings("plan downgrade base --from 1"),
        str![[r#"
warning: the downgrade section of 1 is empty: what its upgrade did stays (versions/1.sql)
warning: the verification of 1 ends with a change that nothing looks at: it is taken back, as all of a verification (versions/1.sql:15)
"#]],
    );
}

#[test]
fn a_script_verifies() {
    let project = with([(
        "1.sql",
        "-- revision: 1\n-- transaction: false\n\n-- migrate:upgrade\nCREATE TABLE t (id int);\n\n-- migrate:verify\n\
         -- It's empty.\nSELECT count(*) = 0 FROM t;\nINSERT INTO t VALUES (1)\n",
    )]);
    let printed = session(&project, "upgrade head --sql");
    let (_, printed) = printed.split_once("-- The verification").expect("a verification");
    same(
        printed.split("RESET SESSION").next().unwrap().to_owned(),
        str![[r#"
: where a query is not true, nothing is kept. What it does itself is taken back.
SAVEPOINT aludel_verification;
SET LOCAL plpgsql.check_asserts = on;
-- It's empty.
DO $aludel$
DECLARE
    query pg_catalog.text := 'SELECT count(*) = 0 FROM t';
    answer pg_catalog.record;
    said pg_catalog.text;
    wrong pg_catalog.text;
BEGIN
    FOR answer IN EXECUTE query LOOP
        said := answer::pg_catalog.text;
        IF wrong IS NULL AND said OPERATOR(pg_catalog.=) '(f)' THEN
            wrong := 'false';
        ELSIF wrong IS NULL AND said OPERATOR(pg_catalog.=) '()' THEN
            wrong := 'null';
        END IF;
    END LOOP;
    IF NOT FOUND THEN
        wrong := 'no row';
    END IF;
    IF wrong IS NOT NULL THEN
        BEGIN
            EXECUTE pg_catalog.concat('SELECT (SELECT * FROM (', query, E'\n) answer LIMIT 0) IS TRUE');
        EXCEPTION WHEN datatype_mismatch OR syntax_error THEN
            RETURN;
        END;
        RAISE EXCEPTION 'verification failed: the query returned %', wrong USING ERRCODE = 'P0004';
    END IF;
END
$aludel$;
INSERT INTO t VALUES (1)
;
-- A client that goes on behind an error must not get past it: what is prepared here is asked for below.
PREPARE "verification of 1 passed" AS SELECT 1;
ROLLBACK TO SAVEPOINT aludel_verification;
RELEASE SAVEPOINT aludel_verification;
DEALLOCATE "verification of 1 passed";

-- 1 is applied: the version table and the history say so.

"#]],
    );
}
