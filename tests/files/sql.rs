//! `--sql` without a database: what is refused before a letter is printed, and what is printed.

use snapbox::data::Inline;
use snapbox::str;

use crate::world::{empty, merged, same, session, with};

/// The refusal of a file with this body, for the way up; nothing may have been printed.
#[track_caller]
fn refused(body: impl AsRef<[u8]>, expected: Inline) {
    refused_by(&["upgrade", "head", "--sql"], body, expected);
}

#[track_caller]
fn refused_by(arguments: &[&str], body: impl AsRef<[u8]>, expected: Inline) {
    let project = empty();
    // A good revision below it: its SQL must not appear either.
    project
        .write("versions/1.sql", "-- revision: 1\n\n-- migrate:upgrade\nCREATE TABLE one ();\n-- migrate:downgrade\n");
    let mut text = b"-- revision: 2\n-- parents: 1\n\n".to_vec();
    text.extend_from_slice(body.as_ref());
    project.write("versions/2_bad.sql", text);
    let ran = project.aludel(arguments);
    assert_eq!(ran.stdout, "");
    same(ran.transcript(), expected);
}

#[test]
fn transaction_control() {
    for (statement, expected) in [
        (
            "BEGIN;",
            str![[r#"
exit code: 1
----- stderr
error: `BEGIN` in a section that is a transaction already
 --> versions/2_bad.sql:5:21
  |
5 | CREATE TABLE t ();  BEGIN;
  |                     ^^^^^^
  |
  = note: the transaction also holds the record that the revision ran; ending it here would part the two
  = note: nothing was run
  = hint: leave it out; or, for a section that commits as it goes: `-- migrate:upgrade transaction:false`

"#]],
        ),
        (
            "begin isolation level serializable;",
            str![[r#"
exit code: 1
----- stderr
error: `BEGIN` in a section that is a transaction already
 --> versions/2_bad.sql:5:21
  |
5 | CREATE TABLE t ();  begin isolation level serializable;
  |                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: the transaction also holds the record that the revision ran; ending it here would part the two
  = note: nothing was run
  = hint: leave it out; or, for a section that commits as it goes: `-- migrate:upgrade transaction:false`

"#]],
        ),
        (
            "START TRANSACTION;",
            str![[r#"
exit code: 1
----- stderr
error: `START TRANSACTION` in a section that is a transaction already
 --> versions/2_bad.sql:5:21
  |
5 | CREATE TABLE t ();  START TRANSACTION;
  |                     ^^^^^^^^^^^^^^^^^^
  |
  = note: the transaction also holds the record that the revision ran; ending it here would part the two
  = note: nothing was run
  = hint: leave it out; or, for a section that commits as it goes: `-- migrate:upgrade transaction:false`

"#]],
        ),
        (
            "COMMIT;",
            str![[r#"
exit code: 1
----- stderr
error: `COMMIT` in a section that is a transaction already
 --> versions/2_bad.sql:5:21
  |
5 | CREATE TABLE t ();  COMMIT;
  |                     ^^^^^^^
  |
  = note: the transaction also holds the record that the revision ran; ending it here would part the two
  = note: nothing was run
  = hint: leave it out; or, for a section that commits as it goes: `-- migrate:upgrade transaction:false`

"#]],
        ),
        (
            "COMMIT AND CHAIN;",
            str![[r#"
exit code: 1
----- stderr
error: `COMMIT` in a section that is a transaction already
 --> versions/2_bad.sql:5:21
  |
5 | CREATE TABLE t ();  COMMIT AND CHAIN;
  |                     ^^^^^^^^^^^^^^^^^
  |
  = note: the transaction also holds the record that the revision ran; ending it here would part the two
  = note: nothing was run
  = hint: leave it out; or, for a section that commits as it goes: `-- migrate:upgrade transaction:false`

"#]],
        ),
        (
            "END;",
            str![[r#"
exit code: 1
----- stderr
error: `END` in a section that is a transaction already
 --> versions/2_bad.sql:5:21
  |
5 | CREATE TABLE t ();  END;
  |                     ^^^^
  |
  = note: the transaction also holds the record that the revision ran; ending it here would part the two
  = note: nothing was run
  = hint: leave it out; or, for a section that commits as it goes: `-- migrate:upgrade transaction:false`

"#]],
        ),
        (
            "ROLLBACK;",
            str![[r#"
exit code: 1
----- stderr
error: `ROLLBACK` in a section that is a transaction already
 --> versions/2_bad.sql:5:21
  |
5 | CREATE TABLE t ();  ROLLBACK;
  |                     ^^^^^^^^^
  |
  = note: the transaction also holds the record that the revision ran; ending it here would part the two
  = note: nothing was run
  = hint: leave it out; or, for a section that commits as it goes: `-- migrate:upgrade transaction:false`

"#]],
        ),
        (
            "ABORT;",
            str![[r#"
exit code: 1
----- stderr
error: `ABORT` in a section that is a transaction already
 --> versions/2_bad.sql:5:21
  |
5 | CREATE TABLE t ();  ABORT;
  |                     ^^^^^^
  |
  = note: the transaction also holds the record that the revision ran; ending it here would part the two
  = note: nothing was run
  = hint: leave it out; or, for a section that commits as it goes: `-- migrate:upgrade transaction:false`

"#]],
        ),
        (
            "PREPARE TRANSACTION 'x';",
            str![[r#"
exit code: 1
----- stderr
error: `PREPARE TRANSACTION` in a section that is a transaction already
 --> versions/2_bad.sql:5:21
  |
5 | CREATE TABLE t ();  PREPARE TRANSACTION 'x';
  |                     ^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: the transaction also holds the record that the revision ran; ending it here would part the two
  = note: nothing was run
  = hint: leave it out; or, for a section that commits as it goes: `-- migrate:upgrade transaction:false`

"#]],
        ),
        (
            "COMMIT PREPARED 'x';",
            str![[r#"
exit code: 1
----- stderr
error: `COMMIT PREPARED` in a section that is a transaction already
 --> versions/2_bad.sql:5:21
  |
5 | CREATE TABLE t ();  COMMIT PREPARED 'x';
  |                     ^^^^^^^^^^^^^^^^^^^^
  |
  = note: the transaction also holds the record that the revision ran; ending it here would part the two
  = note: nothing was run
  = hint: leave it out; or, for a section that commits as it goes: `-- migrate:upgrade transaction:false`

"#]],
        ),
        (
            "ROLLBACK PREPARED 'x';",
            str![[r#"
exit code: 1
----- stderr
error: `ROLLBACK PREPARED` in a section that is a transaction already
 --> versions/2_bad.sql:5:21
  |
5 | CREATE TABLE t ();  ROLLBACK PREPARED 'x';
  |                     ^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: the transaction also holds the record that the revision ran; ending it here would part the two
  = note: nothing was run
  = hint: leave it out; or, for a section that commits as it goes: `-- migrate:upgrade transaction:false`

"#]],
        ),
    ] {
        refused(format!("-- migrate:upgrade\nCREATE TABLE t ();  {statement}\n"), expected);
    }
}

#[test]
fn what_cannot_run_in_a_transaction() {
    for (statement, expected) in [
        (
            "CREATE UNIQUE INDEX CONCURRENTLY i ON t (a);",
            str![[r#"
exit code: 1
----- stderr
error: CREATE INDEX CONCURRENTLY cannot run inside a transaction
 --> versions/2_bad.sql:5:1
  |
5 | CREATE UNIQUE INDEX CONCURRENTLY i ON t (a);
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: nothing was run
  = hint: put it into a section of its own: `-- migrate:upgrade transaction:false`

"#]],
        ),
        (
            "DROP INDEX CONCURRENTLY i;",
            str![[r#"
exit code: 1
----- stderr
error: DROP INDEX CONCURRENTLY cannot run inside a transaction
 --> versions/2_bad.sql:5:1
  |
5 | DROP INDEX CONCURRENTLY i;
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: nothing was run
  = hint: put it into a section of its own: `-- migrate:upgrade transaction:false`

"#]],
        ),
        (
            "REINDEX INDEX CONCURRENTLY i;",
            str![[r#"
exit code: 1
----- stderr
error: REINDEX CONCURRENTLY cannot run inside a transaction
 --> versions/2_bad.sql:5:1
  |
5 | REINDEX INDEX CONCURRENTLY i;
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: nothing was run
  = hint: put it into a section of its own: `-- migrate:upgrade transaction:false`

"#]],
        ),
        (
            "VACUUM t;",
            str![[r#"
exit code: 1
----- stderr
error: VACUUM cannot run inside a transaction
 --> versions/2_bad.sql:5:1
  |
5 | VACUUM t;
  | ^^^^^^^^^
  |
  = note: nothing was run
  = hint: put it into a section of its own: `-- migrate:upgrade transaction:false`

"#]],
        ),
        (
            "CREATE DATABASE d;",
            str![[r#"
exit code: 1
----- stderr
error: CREATE DATABASE cannot run inside a transaction
 --> versions/2_bad.sql:5:1
  |
5 | CREATE DATABASE d;
  | ^^^^^^^^^^^^^^^^^^
  |
  = note: nothing was run
  = hint: put it into a section of its own: `-- migrate:upgrade transaction:false`

"#]],
        ),
        (
            "DROP DATABASE d;",
            str![[r#"
exit code: 1
----- stderr
error: DROP DATABASE cannot run inside a transaction
 --> versions/2_bad.sql:5:1
  |
5 | DROP DATABASE d;
  | ^^^^^^^^^^^^^^^^
  |
  = note: nothing was run
  = hint: put it into a section of its own: `-- migrate:upgrade transaction:false`

"#]],
        ),
        (
            "CREATE TABLESPACE s LOCATION '/x';",
            str![[r#"
exit code: 1
----- stderr
error: CREATE TABLESPACE cannot run inside a transaction
 --> versions/2_bad.sql:5:1
  |
5 | CREATE TABLESPACE s LOCATION '/x';
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: nothing was run
  = hint: put it into a section of its own: `-- migrate:upgrade transaction:false`

"#]],
        ),
        (
            "ALTER SYSTEM SET work_mem = '1MB';",
            str![[r#"
exit code: 1
----- stderr
error: ALTER SYSTEM cannot run inside a transaction
 --> versions/2_bad.sql:5:1
  |
5 | ALTER SYSTEM SET work_mem = '1MB';
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: nothing was run
  = hint: put it into a section of its own: `-- migrate:upgrade transaction:false`

"#]],
        ),
        (
            "ALTER TABLE t DETACH PARTITION p CONCURRENTLY;",
            str![[r#"
exit code: 1
----- stderr
error: ALTER TABLE ... DETACH PARTITION CONCURRENTLY cannot run inside a transaction
 --> versions/2_bad.sql:5:1
  |
5 | ALTER TABLE t DETACH PARTITION p CONCURRENTLY;
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: nothing was run
  = hint: put it into a section of its own: `-- migrate:upgrade transaction:false`

"#]],
        ),
    ] {
        refused(format!("-- migrate:upgrade\n{statement}\n"), expected);
    }
    let project = with([(
        "1.sql",
        "-- revision: 1\n\n-- migrate:upgrade transaction:false\nCREATE INDEX CONCURRENTLY i ON t (a);\nVACUUM t;\n",
    )]);
    let _ = project.aludel(["upgrade", "head", "--sql"]).succeeded();
}

#[test]
fn commands_of_psql() {
    for (command, expected) in [
        (
            "\\i other.sql",
            str![[r#"
exit code: 1
----- stderr
error: `\i` is a command of psql's, not SQL
 --> versions/2_bad.sql:5:1
  |
5 | \i other.sql
  | ^^
  |
  = note: nothing was run
  = hint: put the included file's text here

"#]],
        ),
        (
            "\\connect other",
            str![[r#"
exit code: 1
----- stderr
error: `\connect` is a command of psql's, not SQL
 --> versions/2_bad.sql:5:1
  |
5 | \connect other
  | ^^^^^^^^
  |
  = note: nothing was run
  = hint: a revision runs in one database: leave it out

"#]],
        ),
        (
            "\\set a 1",
            str![[r#"
exit code: 1
----- stderr
error: `\set` is a command of psql's, not SQL
 --> versions/2_bad.sql:5:1
  |
5 | \set a 1
  | ^^^^
  |
  = note: nothing was run
  = hint: `template: true` in the header gives a revision variables

"#]],
        ),
        (
            "\\copy t from 'file'",
            str![[r#"
exit code: 1
----- stderr
error: `\copy` is a command of psql's, not SQL
 --> versions/2_bad.sql:5:1
  |
5 | \copy t from 'file'
  | ^^^^^
  |
  = note: nothing was run
  = hint: `COPY ... FROM STDIN;` with the data on the lines below it, and `\.` at their end

"#]],
        ),
        (
            "SELECT 'DROP TABLE t' \\gexec",
            str![[r#"
exit code: 1
----- stderr
error: `\gexec` is a command of psql's, not SQL
 --> versions/2_bad.sql:5:23
  |
5 | SELECT 'DROP TABLE t' \gexec
  |                       ^^^^^^
  |
  = note: nothing was run
  = hint: a DO block with EXECUTE runs statements that a query makes

"#]],
        ),
        (
            "\\.",
            str![[r#"
exit code: 1
----- stderr
error: `\.` is a command of psql's, not SQL
 --> versions/2_bad.sql:5:1
  |
5 | \.
  | ^^
  |
  = note: nothing was run
  = hint: it ends the data of a `COPY ... FROM STDIN;`, and there is none before it

"#]],
        ),
        (
            "\\d t",
            str![[r#"
exit code: 1
----- stderr
error: `\d` is a command of psql's, not SQL
 --> versions/2_bad.sql:5:1
  |
5 | \d t
  | ^^
  |
  = note: nothing was run
  = hint: leave it out

"#]],
        ),
    ] {
        refused(format!("-- migrate:upgrade\n{command}\n"), expected);
    }
}

#[test]
fn what_is_never_closed() {
    for (text, expected) in [
        (
            "SELECT 'open;\n-- migrate:downgrade\n",
            str![[r#"
exit code: 1
----- stderr
error: a quoted text is opened here and never closed
 --> versions/2_bad.sql:5:8
  |
5 | SELECT 'open;
  |        ^
  |
  = note: nothing was run
  = hint: a quote inside a quoted text is written twice: `'it''s'`

"#]],
        ),
        (
            "SELECT \"open;\n",
            str![[r#"
exit code: 1
----- stderr
error: a quoted name is opened here and never closed
 --> versions/2_bad.sql:5:8
  |
5 | SELECT "open;
  |        ^
  |
  = note: nothing was run

"#]],
        ),
        (
            "DO $a$ BEGIN END $b$;\n",
            str![[r#"
exit code: 1
----- stderr
error: a dollar quote is opened here and never closed
 --> versions/2_bad.sql:5:4
  |
5 | DO $a$ BEGIN END $b$;
  |    ^^^
  |
  = note: nothing was run
  = hint: it ends with the same word between `$` and `$`, in the same case

"#]],
        ),
        (
            "SELECT 1; /* open /* nested */\n",
            str![[r#"
exit code: 1
----- stderr
error: a comment is opened here and never closed
 --> versions/2_bad.sql:5:11
  |
5 | SELECT 1; /* open /* nested */
  |           ^^
  |
  = note: nothing was run
  = hint: comments nest: each `/*` in it needs a `*/` of its own

"#]],
        ),
        (
            "SELECT (1;\n",
            str![[r#"
exit code: 1
----- stderr
error: a parenthesis is opened here and never closed
 --> versions/2_bad.sql:5:8
  |
5 | SELECT (1;
  |        ^
  |
  = note: nothing was run

"#]],
        ),
        (
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1;\n",
            str![[r#"
exit code: 1
----- stderr
error: a function body (BEGIN ATOMIC) is opened here and never closed
 --> versions/2_bad.sql:5:39
  |
5 | CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1;
  |                                       ^^^^^^
  |
  = note: nothing was run
  = hint: it ends with `END;`

"#]],
        ),
        (
            "COPY t FROM STDIN;\n1\n2\n",
            str![[r#"
exit code: 1
----- stderr
error: the data of this COPY do not end
 --> versions/2_bad.sql:5:1
  |
5 | COPY t FROM STDIN;
  | ^^^^^^^^^^^^^^^^^^
  |
  = note: nothing was run
  = hint: write `\.` on a line of its own behind them

"#]],
        ),
    ] {
        refused(format!("-- migrate:upgrade\n{text}"), expected);
    }
}

#[test]
fn bytes() {
    refused(
        b"-- migrate:upgrade\nSELECT 'a\0b';\n",
        str![[r#"
exit code: 1
----- stderr
error: a NUL byte cannot be sent to PostgreSQL
 --> versions/2_bad.sql:5:10
  |
5 | SELECT 'a␀b';
  |          ^
  |
  = note: nothing was run
  = hint: take it out of the file

"#]],
    );
    refused(
        b"-- migrate:upgrade\nSELECT 'caf\xE9';\n",
        str![[r#"
exit code: 1
----- stderr
error: the byte 0xE9 is not UTF-8
 --> versions/2_bad.sql:5:12
  |
5 | SELECT 'caf�';
  |            ^
  |
  = note: nothing was run
  = hint: save the file as UTF-8

"#]],
    );
    refused(
        "-- migrate:upgrade\nSELECT\u{a0}1;\n",
        str![[r#"
exit code: 1
----- stderr
error: the character U+00A0 cannot stand in SQL outside quotes
 --> versions/2_bad.sql:5:7
  |
5 | SELECT 1;
  |       ^
  |
  = note: nothing was run
  = hint: it looks like a blank, or like nothing; put a plain space there

"#]],
    );
    refused(
        "-- migrate:upgrade\n-- a comment\rDROP TABLE t;\n",
        str![[r#"
exit code: 1
----- stderr
error: a carriage return inside a `--` comment ends it for PostgreSQL, so the rest would run
 --> versions/2_bad.sql:5:13
  |
5 | -- a comment␍DROP TABLE t;
  |             ^
  |
  = note: nothing was run
  = hint: end lines with LF or CRLF

"#]],
    );
}

#[test]
fn markers() {
    for (text, expected) in [
        (
            "-- migrate:upgarde\nSELECT 1;\n",
            str![[r#"
exit code: 1
----- stderr
error: there is no section `upgarde`
 --> versions/2_bad.sql:4:12
  |
4 | -- migrate:upgarde
  |            ^^^^^^^
  |
  = note: nothing was run
  = hint: did you mean `-- migrate:upgrade`?

"#]],
        ),
        (
            "-- migrate:up\nSELECT 1;\n",
            str![[r#"
exit code: 1
----- stderr
error: there is no section `up`
 --> versions/2_bad.sql:4:12
  |
4 | -- migrate:up
  |            ^^
  |
  = note: nothing was run
  = hint: did you mean `-- migrate:upgrade`?

"#]],
        ),
        (
            "--migrate:upgrade\nSELECT 1;\n",
            str![[r#"
exit code: 1
----- stderr
error: a section marker is written exactly `-- migrate:upgrade`, `-- migrate:downgrade` or `-- migrate:verify`
 --> versions/2_bad.sql:4:1
  |
4 | --migrate:upgrade
  | ^^^^^^^^^^
  |
  = note: nothing was run

"#]],
        ),
        (
            "-- migrate: upgrade\nSELECT 1;\n",
            str![[r#"
exit code: 1
----- stderr
error: a section marker without the section's kind
 --> versions/2_bad.sql:4:12
  |
4 | -- migrate: upgrade
  |            ^
  |
  = note: nothing was run
  = hint: write `-- migrate:upgrade`, `-- migrate:downgrade` or `-- migrate:verify`, without a blank

"#]],
        ),
        (
            "-- MIGRATE:upgrade\nSELECT 1;\n",
            str![[r#"
exit code: 1
----- stderr
error: a section marker is written exactly `-- migrate:upgrade`, `-- migrate:downgrade` or `-- migrate:verify`
 --> versions/2_bad.sql:4:1
  |
4 | -- MIGRATE:upgrade
  | ^^^^^^^^^^^
  |
  = note: nothing was run

"#]],
        ),
        (
            "-- migrate:upgrade transaction=false\nSELECT 1;\n",
            str![[r#"
exit code: 1
----- stderr
error: a section has no option `transaction=false`
 --> versions/2_bad.sql:4:20
  |
4 | -- migrate:upgrade transaction=false
  |                    ^^^^^^^^^^^^^^^^^
  |
  = note: nothing was run
  = hint: did you mean `transaction:false`?

"#]],
        ),
        (
            "-- migrate:upgrade transaction:false transaction:true\nSELECT 1;\n",
            str![[r#"
exit code: 1
----- stderr
error: `transaction` is said twice
 --> versions/2_bad.sql:4:38
  |
4 | -- migrate:upgrade transaction:false transaction:true
  |                                      ^^^^^^^^^^^^^^^^
  |
  = note: nothing was run

"#]],
        ),
        (
            "-- migrate:upgrade lock:false\nSELECT 1;\n",
            str![[r#"
exit code: 1
----- stderr
error: a section has no option `lock:false`
 --> versions/2_bad.sql:4:20
  |
4 | -- migrate:upgrade lock:false
  |                    ^^^^^^^^^^
  |
  = note: nothing was run
  = hint: the only one is `transaction:false`

"#]],
        ),
        (
            "SELECT 1;\n-- migrate:upgrade\n",
            str![[r#"
exit code: 1
----- stderr
error: a statement stands before the first section
 --> versions/2_bad.sql:4:1
  |
4 | SELECT 1;
  | ^^^^^^^^^
  |
  = note: nothing was run
  = hint: write `-- migrate:upgrade` on a line before it

"#]],
        ),
        (
            "SELECT 1;\n",
            str![[r#"
exit code: 1
----- stderr
error: a statement stands before the first section
 --> versions/2_bad.sql:4:1
  |
4 | SELECT 1;
  | ^^^^^^^^^
  |
  = note: nothing was run
  = hint: write `-- migrate:upgrade` on a line before it

"#]],
        ),
    ] {
        refused(text, expected);
    }
}

#[test]
fn comments_that_were_meant_as_markers() {
    refused(
        "-- migrate:upgrade\nSELECT 2; -- migrate:verify\nSELECT 1, -- migrate:downgrade\n 2;\n/* c */ -- migrate:downgrade\n\
         DROP TABLE t;\n-- +migrate:verify\n  -- migrate-verify\nCOPY t FROM stdin; -- migrate:verify\n1\n\\.\n\
         SELECT E'a' -- migrate:verify\n 'b';\n",
        str![[r#"
exit code: 1
----- stderr
error: a section marker stands behind something on its line, where it begins no section
 --> versions/2_bad.sql:5:11
  |
5 | SELECT 2; -- migrate:verify
  |           ^^^^^^^^^^^^^^^^^
  |
  = note: nothing was run
  = hint: give it a line of its own; or write the comment in other words

error: a section marker stands behind something on its line, where it begins no section
 --> versions/2_bad.sql:6:11
  |
6 | SELECT 1, -- migrate:downgrade
  |           ^^^^^^^^^^^^^^^^^^^^
  |
  = hint: give it a line of its own; or write the comment in other words

error: a section marker stands behind something on its line, where it begins no section
 --> versions/2_bad.sql:8:9
  |
8 | /* c */ -- migrate:downgrade
  |         ^^^^^^^^^^^^^^^^^^^^
  |
  = hint: give it a line of its own; or write the comment in other words

error: a section marker is written exactly `-- migrate:upgrade`, `-- migrate:downgrade` or `-- migrate:verify`
  --> versions/2_bad.sql:10:1
   |
10 | -- +migrate:verify
   | ^^^^^^^^^^^^^^^^^^

error: a section marker is written exactly `-- migrate:upgrade`, `-- migrate:downgrade` or `-- migrate:verify`
  --> versions/2_bad.sql:11:3
   |
11 |   -- migrate-verify
   |   ^^^^^^^^^^^^^^^^^

error: a section marker stands behind something on its line, where it begins no section
  --> versions/2_bad.sql:12:20
   |
12 | COPY t FROM stdin; -- migrate:verify
   |                    ^^^^^^^^^^^^^^^^^
   |
   = hint: give it a line of its own; or write the comment in other words

error: a section marker stands behind something on its line, where it begins no section
  --> versions/2_bad.sql:15:13
   |
15 | SELECT E'a' -- migrate:verify
   |             ^^^^^^^^^^^^^^^^^
   |
   = hint: give it a line of its own; or write the comment in other words

"#]],
    );
    let project = with([(
        "001.sql",
        "-- revision: 001\n\n-- migrate:upgrade\n-- we migrate: see wiki\nSELECT 1; -- migrate: see wiki\n\
         SELECT '-- migrate:verify', $$ a -- migrate:verify $$;\n-- migrate-up scripts are elsewhere\n\
         /* -- migrate:downgrade */\n",
    )]);
    assert_eq!(project.aludel(["upgrade", "head", "--sql"]).succeeded().code, 0);
}

#[test]
fn other_refusals() {
    for (statement, expected) in [
        (
            "COPY t TO STDOUT;",
            str![[r#"
exit code: 1
----- stderr
error: `COPY ... TO STDOUT` sends data to nobody here
 --> versions/2_bad.sql:5:1
  |
5 | COPY t TO STDOUT;
  | ^^^^^^^^^^^^^^^^^
  |
  = note: nothing was run
  = hint: leave it out

"#]],
        ),
        (
            "COPY (SELECT 1) TO STDOUT WITH (FORMAT csv);",
            str![[r#"
exit code: 1
----- stderr
error: `COPY ... TO STDOUT` sends data to nobody here
 --> versions/2_bad.sql:5:1
  |
5 | COPY (SELECT 1) TO STDOUT WITH (FORMAT csv);
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: nothing was run
  = hint: leave it out

"#]],
        ),
        (
            "SET standard_conforming_strings = off;",
            str![[r#"
exit code: 1
----- stderr
error: `standard_conforming_strings` would change how the rest of the file is read
 --> versions/2_bad.sql:5:1
  |
5 | SET standard_conforming_strings = off;
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: nothing was run
  = hint: leave it out: files are UTF-8 with standard strings

"#]],
        ),
        (
            "SET client_encoding = 'LATIN1';",
            str![[r#"
exit code: 1
----- stderr
error: `client_encoding` would change how the rest of the file is read
 --> versions/2_bad.sql:5:1
  |
5 | SET client_encoding = 'LATIN1';
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: nothing was run
  = hint: leave it out: files are UTF-8 with standard strings

"#]],
        ),
        (
            "COPY t FROM STDIN; 1",
            str![[r#"
exit code: 1
----- stderr
error: text behind `COPY ... FROM STDIN;` on its line
 --> versions/2_bad.sql:5:20
  |
5 | COPY t FROM STDIN; 1
  |                    ^
  |
  = note: nothing was run
  = hint: the data begin on the next line

error: the data of this COPY do not end
 --> versions/2_bad.sql:5:1
  |
5 | COPY t FROM STDIN; 1
  | ^^^^^^^^^^^^^^^^^^
  |
  = hint: write `\.` on a line of its own behind them

"#]],
        ),
    ] {
        refused(format!("-- migrate:upgrade\n{statement}\n"), expected);
    }
}

#[test]
fn the_place_counts_characters() {
    refused(
        "-- migrate:upgrade\nSELECT 'été 🎉'; COMMIT;\n",
        str![[r#"
exit code: 1
----- stderr
error: `COMMIT` in a section that is a transaction already
 --> versions/2_bad.sql:5:17
  |
5 | SELECT 'été 🎉'; COMMIT;
  |                  ^^^^^^^
  |
  = note: the transaction also holds the record that the revision ran; ending it here would part the two
  = note: nothing was run
  = hint: leave it out; or, for a section that commits as it goes: `-- migrate:upgrade transaction:false`

"#]],
    );
    refused(
        "-- migrate:upgrade\n\tSELECT 1;\tCOMMIT;\n",
        str![[r#"
exit code: 1
----- stderr
error: `COMMIT` in a section that is a transaction already
 --> versions/2_bad.sql:5:12
  |
5 |     SELECT 1;    COMMIT;
  |                  ^^^^^^^
  |
  = note: the transaction also holds the record that the revision ran; ending it here would part the two
  = note: nothing was run
  = hint: leave it out; or, for a section that commits as it goes: `-- migrate:upgrade transaction:false`

"#]],
    );
}

#[test]
fn all_faults_of_a_file_are_told() {
    refused(
        "-- migrate:upgrade\nBEGIN;\nVACUUM;\n\\d\nCOMMIT;\n-- migrate:downgrade\nBEGIN;\n",
        str![[r#"
exit code: 1
----- stderr
error: `BEGIN` in a section that is a transaction already
 --> versions/2_bad.sql:5:1
  |
5 | BEGIN;
  | ^^^^^^
  |
  = note: the transaction also holds the record that the revision ran; ending it here would part the two
  = note: nothing was run
  = hint: leave it out; or, for a section that commits as it goes: `-- migrate:upgrade transaction:false`

error: VACUUM cannot run inside a transaction
 --> versions/2_bad.sql:6:1
  |
6 | VACUUM;
  | ^^^^^^^
  |
  = hint: put it into a section of its own: `-- migrate:upgrade transaction:false`

error: `\d` is a command of psql's, not SQL
 --> versions/2_bad.sql:7:1
  |
7 | \d
  | ^^
  |
  = hint: leave it out

error: `COMMIT` in a section that is a transaction already
 --> versions/2_bad.sql:8:1
  |
8 | COMMIT;
  | ^^^^^^^
  |
  = note: the transaction also holds the record that the revision ran; ending it here would part the two
  = hint: leave it out; or, for a section that commits as it goes: `-- migrate:upgrade transaction:false`

error: `BEGIN` in a section that is a transaction already
  --> versions/2_bad.sql:10:1
   |
10 | BEGIN;
   | ^^^^^^
   |
   = note: the transaction also holds the record that the revision ran; ending it here would part the two
   = hint: leave it out; or, for a section that commits as it goes: `-- migrate:downgrade transaction:false`

"#]],
    );
}

#[test]
fn the_other_section_is_checked_too() {
    refused(
        "-- migrate:upgrade\nSELECT 1;\n-- migrate:downgrade\nBEGIN;\n",
        str![[r#"
exit code: 1
----- stderr
error: `BEGIN` in a section that is a transaction already
 --> versions/2_bad.sql:7:1
  |
7 | BEGIN;
  | ^^^^^^
  |
  = note: the transaction also holds the record that the revision ran; ending it here would part the two
  = note: nothing was run
  = hint: leave it out; or, for a section that commits as it goes: `-- migrate:downgrade transaction:false`

"#]],
    );
}

#[test]
fn no_way_down() {
    refused_by(
        &["downgrade", "2:1", "--sql"],
        "-- migrate:upgrade\nSELECT 1;\n",
        str![[r#"
exit code: 1
----- stderr
error: revision 2 has no section `-- migrate:downgrade`
note: in versions/2_bad.sql
note: nothing was run
hint: write one, which may be empty, or go no further down than this revision

"#]],
    );
    refused_by(
        &["downgrade", "2:base", "--sql"],
        "-- migrate:upgrade\nSELECT 1;\n",
        str![[r#"
exit code: 1
----- stderr
error: revision 2 has no section `-- migrate:downgrade`
note: in versions/2_bad.sql
note: nothing was run
hint: write one, which may be empty, or go no further down than this revision

"#]],
    );
    refused_by(
        &["plan", "downgrade", "2:1"],
        "-- migrate:upgrade\nSELECT 1;\n",
        str![[r#"
exit code: 1
----- stderr
error: revision 2 has no section `-- migrate:downgrade`
note: in versions/2_bad.sql
note: nothing was run
hint: write one, which may be empty, or go no further down than this revision

"#]],
    );
}

#[test]
fn a_broken_header_above() {
    let project = with([("1.sql", "-- revision: 1\n-- parnets: 0\n\n-- migrate:upgrade\n")]);
    same(
        session(&project, "upgrade head --sql"),
        str![[r#"
$ aludel upgrade head --sql
exit code: 1
----- stderr
error: unknown key `parnets` in the header
 --> versions/1.sql:2:4
  |
2 | -- parnets: 0
  |    ^^^^^^^
  |
  = hint: did you mean `parents`?

"#]],
    );
}

#[test]
fn targets_that_cannot_be() {
    same(
        session(
            &merged(),
            "upgrade 999 --sql
             upgrade 005:003 --sql
             downgrade 003:005 --sql
             downgrade 006:-1 --sql
             upgrade head --sql --from 005,001",
        ),
        str![[r#"
$ aludel upgrade 999 --sql
exit code: 1
----- stderr
error: no revision or label is, or begins with, `999`
hint: `aludel history` lists the revisions

$ aludel upgrade 005:003 --sql
exit code: 2
----- stderr
error: the range `005:003` goes down, and an upgrade goes up
hint: aludel upgrade 003:005 --sql
hint: or the other way: aludel downgrade 005:003 --sql

$ aludel downgrade 003:005 --sql
exit code: 2
----- stderr
error: the range `003:005` goes up, and a downgrade goes down
hint: aludel downgrade 005:003 --sql
hint: or the other way: aludel upgrade 003:005 --sql

$ aludel downgrade 006:-1 --sql
exit code: 1
----- stderr
error: `-1` is ambiguous: from 006 it could go to 005, 004
hint: name the revision to go to

$ aludel upgrade head --sql --from 005,001
exit code: 1
----- stderr
error: 005 already implies 001
hint: name 005 alone

"#]],
    );
    same(
        session(&crate::world::shop(), "upgrade head --sql"),
        str![[r#"
$ aludel upgrade head --sql
exit code: 1
----- stderr
error: there are 2 heads: 004, 005
note: 004 is nobody's parent, but 005 depends on it
hint: name one of them, or `LABEL@head`, or `heads` for all
hint: or join them: aludel merge heads -m "..."

"#]],
    );
}

#[test]
fn nothing_to_do() {
    same(
        session(&merged(), "upgrade 006:006 --sql\ndowngrade base:base --sql"),
        str![[r#"
$ aludel upgrade 006:006 --sql
exit code: 0
----- stdout
-- aludel 0.1.0: upgrade from 006 to 006
-- Nothing to do.

$ aludel downgrade base:base --sql
exit code: 0
----- stdout
-- aludel 0.1.0: downgrade from base to base
-- Nothing to do.

"#]],
    );
}

#[test]
fn templates_need_their_values() {
    let project = with([(
        "1.sql",
        "-- revision: 1\n-- template: true\n\n-- migrate:upgrade\nGRANT SELECT ON t TO {{ role | identifier }};\n",
    )]);
    let ran = project.aludel(["upgrade", "head", "--sql"]);
    assert_eq!(ran.stdout, "");
    same(
        ran.transcript(),
        str![[r#"
exit code: 1
----- stderr
error: cannot render the revision's template: unknown variable `role`
 --> versions/1.sql:5:25
  |
5 | GRANT SELECT ON t TO {{ role | identifier }};
  |                         ^^^^
  |
  = note: nothing was run
  = hint: give it with `-x name=value`, or in the ini's section `[variables]`

"#]],
    );
    let ran = project.aludel(["upgrade", "head", "--sql", "-x", "role=Mc\"Donald"]).succeeded();
    assert!(ran.stdout.contains("\nGRANT SELECT ON t TO \"Mc\"\"Donald\";\n"), "{}", ran.stdout);
}

/// What a script says of itself; the whole of one is in `sql_script.rs`.
#[track_caller]
fn titles(arguments: &str, expected: Inline) {
    let ran = merged().aludel(arguments.split(' ')).succeeded();
    assert_eq!(ran.stderr, "");
    let title = |line: &&str| line.starts_with("-- aludel") || line.contains(" (versions/") && line.starts_with("-- ");
    let first = ran.stdout.lines().take(1);
    let others = ran.stdout.lines().skip(1).filter(title);
    same(first.chain(others).map(|line| format!("{line}\n")).collect::<String>(), expected);
}

#[test]
fn from_and_to() {
    titles(
        "upgrade 001:003 --sql",
        str![[r#"
-- aludel 0.1.0: upgrade from 001 to 003
-- upgrade 002 users (versions/002_users.sql)
-- upgrade 003 plans (versions/003_plans.sql)

"#]],
    );
    titles(
        "upgrade 005 --sql --from 003,004",
        str![[r#"
-- aludel 0.1.0: upgrade from 003, 004 to 005
-- upgrade 005 (versions/005.sql)

"#]],
    );
    titles(
        "downgrade 006:002 --sql",
        str![[r#"
-- aludel 0.1.0: downgrade from 006 to 002
-- downgrade 006 merge "billing" and shop (versions/006_merge.sql)
-- downgrade 005 (versions/005.sql)
-- downgrade 003 plans (versions/003_plans.sql)
-- downgrade 004 carts (versions/004_carts.sql)

"#]],
    );
    titles(
        "stamp 003 --sql",
        str![[r#"
-- aludel 0.1.0: stamp 003

"#]],
    );
    titles(
        "stamp --purge head --sql",
        str![[r#"
-- aludel 0.1.0: stamp 006

"#]],
    );
    titles(
        "stamp 001:003 --sql",
        str![[r#"
-- aludel 0.1.0: stamp 003

"#]],
    );
}

#[test]
fn the_tools_tables_alone() {
    same(
        session(&empty(), "ensure-version --sql"),
        str![[r#"
$ aludel ensure-version --sql
exit code: 0
----- stdout
CREATE TABLE IF NOT EXISTS public.aludel_version (
    version_num pg_catalog.text NOT NULL,
    CONSTRAINT aludel_version_pkc PRIMARY KEY (version_num)
);

CREATE TABLE IF NOT EXISTS public.aludel_history (
    id             pg_catalog.int8 GENERATED ALWAYS AS IDENTITY,
    version_table  pg_catalog.text NOT NULL,
    run            pg_catalog.text NOT NULL,
    direction      pg_catalog.text NOT NULL,
    revision       pg_catalog.text NOT NULL,
    checksum       pg_catalog.text,
    outcome        pg_catalog.text NOT NULL,
    sqlstate       pg_catalog.text,
    message        pg_catalog.text,
    started_at     pg_catalog.timestamptz NOT NULL,
    finished_at    pg_catalog.timestamptz NOT NULL,
    role           pg_catalog.text NOT NULL,
    client_user    pg_catalog.text,
    client_host    pg_catalog.text,
    tool           pg_catalog.text NOT NULL,
    CONSTRAINT aludel_history_pkc PRIMARY KEY (id)
);

CREATE TABLE IF NOT EXISTS public.aludel_progress (
    version_table  pg_catalog.text NOT NULL,
    revision       pg_catalog.text NOT NULL,
    direction      pg_catalog.text NOT NULL,
    statement      pg_catalog.int8 NOT NULL,
    state          pg_catalog.text NOT NULL,
    file_checksum        pg_catalog.text NOT NULL,
    statements_checksum  pg_catalog.text NOT NULL,
    statement_checksum   pg_catalog.text,
    index_oid      pg_catalog.oid,
    index_name     pg_catalog.text,
    session        pg_catalog.text,
    run            pg_catalog.text NOT NULL,
    changed_at     pg_catalog.timestamptz NOT NULL,
    CONSTRAINT aludel_progress_pkc PRIMARY KEY (version_table, revision, direction)
);

"#]],
    );
}

#[test]
fn stamps_that_cannot_be() {
    same(
        session(&merged(), "stamp 999 --sql\nstamp 003 005 --sql\nstamp +1 --sql\nstamp 001:003 --sql --from 002"),
        str![[r#"
$ aludel stamp 999 --sql
exit code: 1
----- stderr
error: no revision or label is, or begins with, `999`
hint: `aludel history` lists the revisions

$ aludel stamp 003 005 --sql
exit code: 1
----- stderr
error: 005 already implies 003
hint: name 005 alone

$ aludel stamp +1 --sql
exit code: 1
----- stderr
error: `+1` is relative, and there is nothing to count from
hint: name the revision

$ aludel stamp 001:003 --sql --from 002
exit code: 2
----- stderr
error: `001:` and --from both say where the database stands
hint: give one of them

"#]],
    );
    same(
        session(&crate::world::shop(), "stamp head --sql"),
        str![[r#"
$ aludel stamp head --sql
exit code: 1
----- stderr
error: there are 2 heads: 004, 005
note: 004 is nobody's parent, but 005 depends on it
hint: name one of them, or `LABEL@head`, or `heads` for all
hint: or join them: aludel merge heads -m "..."

"#]],
    );
}
