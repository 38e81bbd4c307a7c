//! Texts that end too early, and what is not SQL.

use snapbox::str;

use crate::{Case, upgrade};

#[test]
fn nothing_in_it() {
    Case::file("").refused(str![[r#"
exit code: 1
----- stderr
error: the file has no header
 --> versions/1.sql:1:1
  |
1 |
  | ^
  |
  = note: the header is the file's first run of `--` lines, before anything else
  = note: a revision file begins like this:
          -- revision: 002
          -- parents: 001
          -- message: add quiz sessions
          
          -- migrate:upgrade

"#]]);
    Case::file("\n\n").refused(str![[r#"
exit code: 1
----- stderr
error: the file has no header
 --> versions/1.sql:1:1
  |
1 |
  | ^
  |
  = note: the header is the file's first run of `--` lines, before anything else
  = note: a revision file begins like this:
          -- revision: 002
          -- parents: 001
          -- message: add quiz sessions
          
          -- migrate:upgrade

"#]]);
    Case::file("-- only a comment\n").refused(str![[r#"
exit code: 1
----- stderr
error: a line of the header is not `key: value`
 --> versions/1.sql:1:4
  |
1 | -- only a comment
  |    ^^^^^^^^^^^^^^ not a key and its value
  |
  = note: the header is the file's first run of `--` lines; other comments stand below it
  = note: a revision file begins like this:
          -- revision: 002
          -- parents: 001
          -- message: add quiz sessions
          
          -- migrate:upgrade
  = hint: leave a blank line between the header and a comment

"#]]);
    Case::file("--\n").refused(str![[r#"
exit code: 1
----- stderr
error: the file has no header
 --> versions/1.sql:1:1
  |
1 | --
  | ^^
  |
  = note: the header is the file's first run of `--` lines, before anything else
  = note: a revision file begins like this:
          -- revision: 002
          -- parents: 001
          -- message: add quiz sessions
          
          -- migrate:upgrade

"#]]);
    Case::file("-- revision: 1\n").refused(str![[r#"
exit code: 1
----- stderr
error: revision 1 has no section `-- migrate:upgrade`
note: in versions/1.sql
note: nothing was run
hint: write one; it may be empty

"#]]);
    Case::file("-- revision: 1\n\nSELECT 1;\n").refused(str![[r#"
exit code: 1
----- stderr
error: a statement stands before the first section
 --> versions/1.sql:3:1
  |
3 | SELECT 1;
  | ^^^^^^^^^
  |
  = note: nothing was run
  = hint: write `-- migrate:upgrade` on a line before it

"#]]);
}

#[test]
fn never_closed() {
    Case::file(upgrade("SELECT 1;\nSELECT 'it;\n")).refused(str![[r#"
exit code: 1
----- stderr
error: a quoted text is opened here and never closed
 --> versions/1.sql:6:8
  |
6 | SELECT 'it;
  |        ^
  |
  = note: nothing was run
  = hint: a quote inside a quoted text is written twice: `'it''s'`

"#]]);
    Case::file(upgrade("SELECT E'it\\';\n")).refused(str![[r#"
exit code: 1
----- stderr
error: a quoted text is opened here and never closed
 --> versions/1.sql:5:9
  |
5 | SELECT E'it\';
  |         ^
  |
  = note: nothing was run
  = hint: a quote inside a quoted text is written twice: `'it''s'`

"#]]);
    Case::file(upgrade("SELECT \"it;\n")).refused(str![[r#"
exit code: 1
----- stderr
error: a quoted name is opened here and never closed
 --> versions/1.sql:5:8
  |
5 | SELECT "it;
  |        ^
  |
  = note: nothing was run

"#]]);
    Case::file(upgrade("DO $body$ BEGIN END $Body$;\n")).refused(str![[r#"
exit code: 1
----- stderr
error: a dollar quote is opened here and never closed
 --> versions/1.sql:5:4
  |
5 | DO $body$ BEGIN END $Body$;
  |    ^^^^^^
  |
  = note: nothing was run
  = hint: it ends with the same word between `$` and `$`, in the same case

"#]]);
    Case::file(upgrade("SELECT 1; /* one /* two */\n")).refused(str![[r#"
exit code: 1
----- stderr
error: a comment is opened here and never closed
 --> versions/1.sql:5:11
  |
5 | SELECT 1; /* one /* two */
  |           ^^
  |
  = note: nothing was run
  = hint: comments nest: each `/*` in it needs a `*/` of its own

"#]]);
    Case::file(upgrade("SELECT (1;\n\n-- migrate:downgrade\nSELECT 2;\n")).refused(str![[r#"
exit code: 1
----- stderr
error: a parenthesis is opened here and never closed
 --> versions/1.sql:5:8
  |
5 | SELECT (1;
  |        ^
  |
  = note: nothing was run

"#]]);
    Case::file(upgrade("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1;\n")).refused(str![[r#"
exit code: 1
----- stderr
error: a function body (BEGIN ATOMIC) is opened here and never closed
 --> versions/1.sql:5:39
  |
5 | CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1;
  |                                       ^^^^^^
  |
  = note: nothing was run
  = hint: it ends with `END;`

"#]]);
}

#[test]
fn psql_commands() {
    Case::file(upgrade("\\i other.sql\nSELECT 1;\n")).refused(str![[r#"
exit code: 1
----- stderr
error: `\i` is a command of psql's, not SQL
 --> versions/1.sql:5:1
  |
5 | \i other.sql
  | ^^
  |
  = note: nothing was run
  = hint: put the included file's text here

"#]]);
    Case::file(upgrade("SELECT 1 \\gset\n\\set a 1\n\\connect other\n")).refused(str![[r#"
exit code: 1
----- stderr
error: `\gset` is a command of psql's, not SQL
 --> versions/1.sql:5:10
  |
5 | SELECT 1 \gset
  |          ^^^^^
  |
  = note: nothing was run
  = hint: `template: true` in the header gives a revision variables

error: `\set` is a command of psql's, not SQL
 --> versions/1.sql:6:1
  |
6 | \set a 1
  | ^^^^
  |
  = hint: `template: true` in the header gives a revision variables

error: `\connect` is a command of psql's, not SQL
 --> versions/1.sql:7:1
  |
7 | \connect other
  | ^^^^^^^^
  |
  = hint: a revision runs in one database: leave it out

"#]]);
}

#[test]
fn copy_data() {
    Case::file(upgrade("COPY t FROM STDIN;\n1\n2\n")).refused(str![[r#"
exit code: 1
----- stderr
error: the data of this COPY do not end
 --> versions/1.sql:5:1
  |
5 | COPY t FROM STDIN;
  | ^^^^^^^^^^^^^^^^^^
  |
  = note: nothing was run
  = hint: write `\.` on a line of its own behind them

"#]]);
    Case::file(upgrade("COPY t FROM STDIN; 1\n\\.\n")).refused(str![[r#"
exit code: 1
----- stderr
error: text behind `COPY ... FROM STDIN;` on its line
 --> versions/1.sql:5:20
  |
5 | COPY t FROM STDIN; 1
  |                    ^
  |
  = note: nothing was run
  = hint: the data begin on the next line

"#]]);
    Case::file(upgrade("COPY t FROM STDIN\n")).refused(str![[r#"
exit code: 1
----- stderr
error: the data of this COPY do not end
 --> versions/1.sql:5:1
  |
5 | COPY t FROM STDIN
  | ^^^^^^^^^^^^^^^^^
  |
  = note: nothing was run
  = hint: write `\.` on a line of its own behind them

"#]]);
    Case::file(upgrade("SELECT 1;\n1\\tx\n\\.\n")).refused(str![[r#"
exit code: 1
----- stderr
error: `\tx` is a command of psql's, not SQL
 --> versions/1.sql:6:2
  |
6 | 1\tx
  |  ^^^
  |
  = note: nothing was run
  = hint: leave it out

error: `\.` is a command of psql's, not SQL
 --> versions/1.sql:7:1
  |
7 | \.
  | ^^
  |
  = hint: it ends the data of a `COPY ... FROM STDIN;`, and there is none before it

"#]]);
}
