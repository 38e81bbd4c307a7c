//! Headers that cannot be read: file, line, column, and what to write instead.

use snapbox::data::Inline;
use snapbox::str;

use crate::world::{same, session, with};

#[track_caller]
fn refused(text: &str, expected: Inline) {
    same(session(&with([("1.sql", text)]), "heads"), expected);
}

#[test]
fn an_unknown_key() {
    refused(
        "-- revision: 1\n-- parent: 0\n",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: unknown key `parent` in the header
 --> versions/1.sql:2:4
  |
2 | -- parent: 0
  |    ^^^^^^
  |
  = hint: did you mean `parents`?

"#]],
    );
    refused(
        "-- revision: 1\n-- zebra: 0\n",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: unknown key `zebra` in the header
 --> versions/1.sql:2:4
  |
2 | -- zebra: 0
  |    ^^^^^
  |
  = note: the keys are `revision`, `parents`, `message`, `created`, `depends_on`, `labels`, `transaction`, `template`, `lock_timeout`, `statement_timeout`, `repeatable`
  = hint: if it is a comment, leave a blank line between the header and it

"#]],
    );
    refused(
        "-- revision: 1\n-- down_revision: 0\n",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: unknown key `down_revision` in the header
 --> versions/1.sql:2:4
  |
2 | -- down_revision: 0
  |    ^^^^^^^^^^^^^
  |
  = hint: did you mean `parents`?

"#]],
    );
}

#[test]
fn a_key_twice() {
    refused(
        "-- revision: 1\n-- message: a\n-- message: b\n",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: `message` is given twice
 --> versions/1.sql:3:4
  |
3 | -- message: b
  |    ^^^^^^^ again
  |
 ::: versions/1.sql:2:4
  |
2 | -- message: a
  |    ^^^^^^^ first given here

"#]],
    );
}

#[test]
fn no_id() {
    refused(
        "-- message: a\n\n-- migrate:upgrade\n",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: the header does not say `revision`
 --> versions/1.sql:1:1
  |
1 | -- message: a
  | ^^^^^^^^^^^^^
  |
  = hint: add a line `-- revision: <id>`

"#]],
    );
    refused(
        "-- revision:\n",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: `revision` must be one id
 --> versions/1.sql:1:4
  |
1 | -- revision:
  |    ^^^^^^^^ not one id

"#]],
    );
}

#[test]
fn ids_that_are_none() {
    for (text, expected) in [
        (
            "-- revision: a-b\n",
            str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: `-` cannot stand in the id of a revision
 --> versions/1.sql:1:14
  |
1 | -- revision: a-b
  |              ^^^
  |
  = note: ids and labels are letters, digits and `_`

"#]],
        ),
        (
            "-- revision: head\n",
            str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: `head` cannot be the id of a revision
 --> versions/1.sql:1:14
  |
1 | -- revision: head
  |              ^^^^
  |
  = note: `head`, `heads`, `base`, `current` have a meaning of their own

"#]],
        ),
        (
            "-- revision: [1, 2]\n",
            str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: `revision` must be one id
 --> versions/1.sql:1:15
  |
1 | -- revision: [1, 2]
  |               ^^^^ not one id

"#]],
        ),
        (
            "-- revision: 1\n-- parents: 2, 3\n",
            str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: `,` cannot stand in the id of a revision
 --> versions/1.sql:2:13
  |
2 | -- parents: 2, 3
  |             ^^^^
  |
  = note: ids and labels are letters, digits and `_`
  = hint: several are written `-- parents: [a, b]`

"#]],
        ),
        (
            "-- revision: 1\n-- labels: \"\"\n",
            str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: an empty label under `labels`
 --> versions/1.sql:2:12
  |
2 | -- labels: ""
  |            ^^

"#]],
        ),
        (
            "-- revision: 1\n-- labels: current\n",
            str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: `current` cannot be the label of a revision
 --> versions/1.sql:2:12
  |
2 | -- labels: current
  |            ^^^^^^^
  |
  = note: `head`, `heads`, `base`, `current` have a meaning of their own

"#]],
        ),
    ] {
        refused(text, expected);
    }
}

#[test]
fn wrong_types() {
    for (text, expected) in [
        (
            "-- revision: 1\n-- message: [a, b]\n",
            str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: `message` must be one line of text without control characters
 --> versions/1.sql:2:14
  |
2 | -- message: [a, b]
  |              ^^^^ not one line of text without control characters

"#]],
        ),
        (
            "-- revision: 1\n-- created: yesterday\n",
            str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: `created` must be a time such as `2025-11-20T09:30:00Z`, or a date
 --> versions/1.sql:2:13
  |
2 | -- created: yesterday
  |             ^^^^^^^^^ not a time such as `2025-11-20T09:30:00Z`, or a date

"#]],
        ),
        (
            "-- revision: 1\n-- transaction: no\n",
            str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: `transaction` must be `true` or `false`
 --> versions/1.sql:2:17
  |
2 | -- transaction: no
  |                 ^^ not `true` or `false`

"#]],
        ),
        (
            "-- revision: 1\n-- template: 1\n",
            str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: `template` must be `true` or `false`
 --> versions/1.sql:2:14
  |
2 | -- template: 1
  |              ^ not `true` or `false`

"#]],
        ),
        (
            "-- revision: 1\n-- lock_timeout: 2 seconds\n",
            str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: `lock_timeout` must be a whole number with `ms`, `s`, `min`, `h` or `d` (`2s`), or `0`
 --> versions/1.sql:2:18
  |
2 | -- lock_timeout: 2 seconds
  |                  ^^^^^^^^^ not a whole number with `ms`, `s`, `min`, `h` or `d` (`2s`), or `0`

"#]],
        ),
        (
            "-- revision: 1\n-- statement_timeout:\n",
            str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: `statement_timeout` must be a whole number with `ms`, `s`, `min`, `h` or `d` (`2s`), or `0`
 --> versions/1.sql:2:4
  |
2 | -- statement_timeout:
  |    ^^^^^^^^^^^^^^^^^ not a whole number with `ms`, `s`, `min`, `h` or `d` (`2s`), or `0`

"#]],
        ),
        (
            "-- revision: 1\n-- parents: {a: b}\n",
            str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: `parents` must be an id, a list of ids, or nothing
 --> versions/1.sql:2:13
  |
2 | -- parents: {a: b}
  |             ^ not an id, a list of ids, or nothing

"#]],
        ),
    ] {
        refused(text, expected);
    }
}

#[test]
fn not_yaml() {
    refused(
        "-- revision: 1\n-- message: fix: login\n",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: the header is not YAML: mapping values are not allowed in this context
 --> versions/1.sql:2:16
  |
2 | -- message: fix: login
  |                ^
  |
  = hint: put quotes around a value that holds `: `, ` #`, or begins with a sign: `message: "fix: login"`

"#]],
    );
    refused(
        "-- revision: 1\n-- message: \"open\n",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: the header is not YAML: invalid indentation in multiline quoted scalar
 --> versions/1.sql:2:18
  |
2 | -- message: "open
  |                  ^
  |
  = hint: put quotes around a value that holds `: `, ` #`, or begins with a sign: `message: "fix: login"`

"#]],
    );
    refused(
        "-- revision: 1\n-- message: *a\n",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: a header has no use for YAML's anchors, aliases and tags
 --> versions/1.sql:2:13
  |
2 | -- message: *a
  |             ^
  |
  = hint: put quotes around a value that begins with `&`, `*` or `!`

"#]],
    );
}

#[test]
fn prose() {
    refused(
        "-- Adds the users, who were missing.\n-- revision: 1\n",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: a line of the header is not `key: value`
 --> versions/1.sql:1:4
  |
1 | -- Adds the users, who were missing.
  |    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ not a key and its value
  |
  = note: the header is the file's first run of `--` lines; other comments stand below it
  = note: a revision file begins like this:
          -- revision: 002
          -- parents: 001
          -- message: add quiz sessions
          
          -- migrate:upgrade
  = hint: leave a blank line between the header and a comment

"#]],
    );
    refused(
        "-- revision: 1\n-- by Ann\n",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: a line of the header is not `key: value`
 --> versions/1.sql:2:4
  |
2 | -- by Ann
  |    ^^^^^^ not a key and its value
  |
  = note: the header is the file's first run of `--` lines; other comments stand below it
  = note: a revision file begins like this:
          -- revision: 002
          -- parents: 001
          -- message: add quiz sessions
          
          -- migrate:upgrade
  = hint: leave a blank line between the header and a comment

"#]],
    );
}

#[test]
fn cut_off() {
    refused(
        "-- revision: 1\n\n-- parents: 0\n\n-- migrate:upgrade\n",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: `parents` stands outside the header
 --> versions/1.sql:3:4
  |
3 | -- parents: 0
  |    ^^^^^^^^^^
  |
  = note: the header ends at the first line that does not begin with `--`
  = hint: move the line up into the header, or reword the comment

"#]],
    );
}

#[test]
fn none_at_all() {
    refused(
        "",
        str![[r#"
$ aludel heads
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

"#]],
    );
    refused(
        "CREATE TABLE a ();\n",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: the file has no header
 --> versions/1.sql:1:1
  |
1 | CREATE TABLE a ();
  | ^^^^^^^^^^^^^^^^^^
  |
  = note: the header is the file's first run of `--` lines, before anything else
  = note: a revision file begins like this:
          -- revision: 002
          -- parents: 001
          -- message: add quiz sessions
          
          -- migrate:upgrade

"#]],
    );
    refused(
        "--\n-- just a comment\n",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: a line of the header is not `key: value`
 --> versions/1.sql:2:4
  |
2 | -- just a comment
  |    ^^^^^^^^^^^^^^ not a key and its value
  |
  = note: the header is the file's first run of `--` lines; other comments stand below it
  = note: a revision file begins like this:
          -- revision: 002
          -- parents: 001
          -- message: add quiz sessions
          
          -- migrate:upgrade
  = hint: leave a blank line between the header and a comment

"#]],
    );
    refused(
        "/* revision: 1 */\n",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: the file has no header
 --> versions/1.sql:1:1
  |
1 | /* revision: 1 */
  | ^^^^^^^^^^^^^^^^^
  |
  = note: the header is the file's first run of `--` lines, before anything else
  = note: a revision file begins like this:
          -- revision: 002
          -- parents: 001
          -- message: add quiz sessions
          
          -- migrate:upgrade

"#]],
    );
    refused(
        "\n\n-- migrate:upgrade\nCREATE TABLE a ();\n",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: the file has no header
 --> versions/1.sql:3:1
  |
3 | -- migrate:upgrade
  | ^^^^^^^^^^^^^^^^^^
  |
  = note: the header is the file's first run of `--` lines, before anything else
  = note: a revision file begins like this:
          -- revision: 002
          -- parents: 001
          -- message: add quiz sessions
          
          -- migrate:upgrade

"#]],
    );
}

#[test]
fn faults_of_several_files_are_all_told() {
    let project = with([
        ("1.sql", "-- revision: 1\n-- parnets: 0\n"),
        ("2.sql", "-- revision: 2\n"),
        ("3.sql", "CREATE TABLE a ();\n"),
    ]);
    same(
        session(&project, "history"),
        str![[r#"
$ aludel history
exit code: 1
----- stderr
error: unknown key `parnets` in the header
 --> versions/1.sql:2:4
  |
2 | -- parnets: 0
  |    ^^^^^^^
  |
  = hint: did you mean `parents`?

error: the file has no header
 --> versions/3.sql:1:1
  |
1 | CREATE TABLE a ();
  | ^^^^^^^^^^^^^^^^^^
  |
  = note: the header is the file's first run of `--` lines, before anything else
  = note: a revision file begins like this:
          -- revision: 002
          -- parents: 001
          -- message: add quiz sessions
          
          -- migrate:upgrade

"#]],
    );
}
