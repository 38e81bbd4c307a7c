//! `plan --from`: what would run, without a database.

use snapbox::str;

use crate::world::{merged, same, session, shop};

#[test]
fn upgrades() {
    same(
        session(
            &merged(),
            "plan upgrade head --from base
             plan upgrade head --from 005,004
             plan upgrade head --from 006
             plan upgrade 002:005
             plan upgrade +1 --from 001
             plan upgrade shop@head --from 003
             -q plan upgrade 001 --from base
             plan upgrade 002 --from 001 --json",
        ),
        str![[r#"
$ aludel plan upgrade head --from base
exit code: 0
----- stdout
upgrade <base> -> 001, first tables
upgrade 001 -> 002, users
upgrade 002 -> 004, carts
upgrade 002 -> 003, plans
upgrade 003 -> 005 (not in one transaction)
upgrade 005, 004 -> 006, merge "billing" and shop
----- stderr
6 revisions, from base to 006

$ aludel plan upgrade head --from 005,004
exit code: 1
----- stderr
error: 005 already implies 004
hint: name 005 alone

$ aludel plan upgrade head --from 006
exit code: 0
----- stderr
nothing to do: at 006

$ aludel plan upgrade 002:005
exit code: 0
----- stdout
upgrade 002 -> 004, carts
upgrade 002 -> 003, plans
upgrade 003 -> 005 (not in one transaction)
----- stderr
3 revisions, from 002 to 005

$ aludel plan upgrade +1 --from 001
exit code: 0
----- stdout
upgrade 001 -> 002, users
----- stderr
1 revision, from 001 to 002

$ aludel plan upgrade shop@head --from 003
exit code: 0
----- stdout
upgrade 002 -> 004, carts
upgrade 003 -> 005 (not in one transaction)
upgrade 005, 004 -> 006, merge "billing" and shop
----- stderr
3 revisions, from 003 to 006

$ aludel -q plan upgrade 001 --from base
exit code: 0
----- stdout
upgrade <base> -> 001, first tables

$ aludel plan upgrade 002 --from 001 --json
exit code: 0
----- stdout
{
  "direction": "upgrade",
  "rows_before": [
    "001"
  ],
  "rows_after": [
    "002"
  ],
  "steps": [
    {
      "revision": "002",
      "message": "users",
      "file": "versions/002_users.sql",
      "checksum": "26270a8016fea73b9496b5c36bee289440c5d27c43760e3a339f20bdde509221",
      "one_transaction": true,
      "delete_rows": [
        "001"
      ],
      "insert_rows": [
        "002"
      ]
    }
  ],
  "repeatables": []
}

"#]],
    );
}

#[test]
fn downgrades() {
    same(
        session(
            &merged(),
            "plan downgrade base --from head
             plan downgrade -1 --from 003
             plan downgrade 006:002
             plan downgrade shop@base --from 003,004
             plan downgrade 005 --from 006 --json",
        ),
        str![[r#"
$ aludel plan downgrade base --from head
exit code: 0
----- stdout
downgrade 006 -> 005, 004, merge "billing" and shop
downgrade 005 -> 003
downgrade 003 -> 002, plans
downgrade 004 -> 002, carts
downgrade 002 -> 001, users
downgrade 001 -> <base>, first tables
----- stderr
6 revisions, from 006 to base

$ aludel plan downgrade -1 --from 003
exit code: 0
----- stdout
downgrade 003 -> 002, plans
----- stderr
1 revision, from 003 to 002

$ aludel plan downgrade 006:002
exit code: 0
----- stdout
downgrade 006 -> 005, 004, merge "billing" and shop
downgrade 005 -> 003
downgrade 003 -> 002, plans
downgrade 004 -> 002, carts
----- stderr
4 revisions, from 006 to 002

$ aludel plan downgrade shop@base --from 003,004
exit code: 0
----- stdout
downgrade 003 -> 002, plans
downgrade 004 -> 002, carts
downgrade 002 -> 001, users
downgrade 001 -> <base>, first tables
----- stderr
warning: also undone, though not in the branch `shop`: 003
4 revisions, from 003, 004 to base

$ aludel plan downgrade 005 --from 006 --json
exit code: 0
----- stdout
{
  "direction": "downgrade",
  "rows_before": [
    "006"
  ],
  "rows_after": [
    "005"
  ],
  "steps": [
    {
      "revision": "006",
      "message": "merge \"billing\" and shop",
      "file": "versions/006_merge.sql",
      "checksum": "fcc0188bc83f49f3582bc5409d8c90147a5f81eb78c0334954411e4bd371c021",
      "one_transaction": true,
      "delete_rows": [
        "006"
      ],
      "insert_rows": [
        "005"
      ]
    }
  ],
  "repeatables": []
}

"#]],
    );
}

#[test]
fn plans_that_cannot_be() {
    same(
        session(
            &merged(),
            "plan
             plan sideways
             plan upgrade
             plan upgrade head --from 999
             plan upgrade head --from 005,003
             plan upgrade head --from ''
             plan upgrade 002:head --from 001
             plan upgrade -1 --from 003
             plan downgrade +1 --from 003
             plan downgrade -1 --from 006
             plan downgrade -9 --from 003
             plan downgrade 004 --from 003
             plan upgrade +9 --from 001",
        ),
        str![[r#"
$ aludel plan
exit code: 2
----- stderr
Show what an `upgrade` or a `downgrade` would run, in order; changes nothing

Usage: aludel plan [OPTIONS] <COMMAND>

Commands:
  upgrade    What an upgrade would run
  downgrade  What a downgrade would run

Options:
  -h, --help  Print help (see more with '--help')

Options of every command:
  -c, --config <FILE>        The configuration [default: migrate.ini in the current directory, or
                             ALUDEL_CONFIG]
  -n, --name <SECTION>       Lay this section of the configuration over [migrate] [default:
                             ALUDEL_ENV]
  -x <NAME=VALUE>            A value for the configuration (`{{ x.NAME }}`) and for revisions that
                             are templates; may be given again
      --url <URL>            The database, instead of the configuration's `url`: a URL, `key=value`
                             pairs, or `local`
  -q, --quiet                Say nothing but results, warnings and errors
  -v, --verbose              Say more, and show listed revisions in full
      --log-format <FORMAT>  For whom standard error is written: people, or programs (a JSON object
                             a line) [default: ALUDEL_LOG_FORMAT, or text] [possible values: text,
                             json]

$ aludel plan sideways
exit code: 2
----- stderr
error: unrecognized subcommand 'sideways'

Usage: aludel plan [OPTIONS] <COMMAND>

For more information, try '--help'.

$ aludel plan upgrade
exit code: 2
----- stderr
error: the following required arguments were not provided:
  <TARGET>

Usage: aludel plan upgrade <TARGET>

For more information, try '--help'.

$ aludel plan upgrade head --from 999
exit code: 1
----- stderr
error: no revision or label is, or begins with, `999`
hint: `aludel history` lists the revisions

$ aludel plan upgrade head --from 005,003
exit code: 1
----- stderr
error: 005 already implies 003
hint: name 005 alone

$ aludel plan upgrade head --from ''
exit code: 2
----- stderr
error: invalid value '' for '--from <ID,ID>': a revision is missing

For more information, try '--help'.

$ aludel plan upgrade 002:head --from 001
exit code: 2
----- stderr
error: `002:` and --from both say where the database stands
hint: give one of them

$ aludel plan upgrade -1 --from 003
exit code: 1
----- stderr
error: `-1` is no way to go: an upgrade goes up, at least one step
hint: aludel downgrade -1

$ aludel plan downgrade +1 --from 003
exit code: 1
----- stderr
error: `+1` is no way to go: a downgrade goes down, at least one step
hint: aludel upgrade +1

$ aludel plan downgrade -1 --from 006
exit code: 1
----- stderr
error: `-1` is ambiguous: from 006 it could go to 005, 004
hint: name the revision to go to

$ aludel plan downgrade -9 --from 003
exit code: 1
----- stderr
error: `-9` goes too far: from 003 there are 3 steps down

$ aludel plan downgrade 004 --from 003
exit code: 1
----- stderr
error: 004 is not something to go down to
note: it is not applied
hint: `aludel current` shows where the database stands

$ aludel plan upgrade +9 --from 001
exit code: 1
----- stderr
error: `+9` is ambiguous: from 002 it could go to 003, 004
hint: name the revision to go to

"#]],
    );
}

#[test]
fn what_each_revision_creates_changes_and_drops() {
    let project = merged();
    project.write(
        "versions/007_effects.sql",
        "-- revision: 007\n-- parents: 006\n\n-- migrate:upgrade\nCREATE TABLE a.t (i int);\nCREATE VIEW v AS SELECT 1;\n\
         ALTER TABLE t ADD COLUMN \"Name\" text, DROP COLUMN old;\nALTER TABLE t RENAME TO u;\n\
         ALTER TABLE u RENAME COLUMN x TO y;\nINSERT INTO u VALUES (1);\nALTER TABLE u ADD COLUM c int;\n\
         -- migrate:upgrade transaction:false\nCREATE INDEX CONCURRENTLY i ON t (i);\nCREATE INDEX ON t (i);\n\n\
         -- migrate:downgrade\nDROP TABLE u, a.t;\nTRUNCATE w;\nDROP INDEX i;\n",
    );
    same(
        session(
            &project,
            "plan upgrade 007 --from 006 -v
             plan downgrade 006 --from 007 -v",
        ),
        str![[r#"
$ aludel plan upgrade 007 --from 006 -v
exit code: 0
----- stdout
upgrade 006 -> 007 (not in one transaction)
    creates table a.t
    creates view v
    adds column t."Name"
    drops column t.old
    renames table t to u
    renames column u.x to y
    creates index i on t concurrently
    creates an index on t
    runs 2 other statements
----- stderr
1 revision, from 006 to 007

$ aludel plan downgrade 006 --from 007 -v
exit code: 0
----- stdout
downgrade 007 -> 006
    drops table u
    drops table a.t
    removes all rows of w
    drops index i
----- stderr
1 revision, from 007 to 006

"#]],
    );
}

#[test]
fn a_range_goes_the_way_of_its_command() {
    let lines = "upgrade 003:001 --sql\ndowngrade 001:003 --sql\nplan upgrade 003:001\nplan downgrade 001:003\n\
                 upgrade 003:003 --sql\nplan upgrade 003:004\nplan upgrade 002:billing\nupgrade heads:002 --sql";
    same(
        session(&shop(), lines),
        str![[r#"
$ aludel upgrade 003:001 --sql
exit code: 2
----- stderr
error: the range `003:001` goes down, and an upgrade goes up
hint: aludel upgrade 001:003 --sql
hint: or the other way: aludel downgrade 003:001 --sql

$ aludel downgrade 001:003 --sql
exit code: 2
----- stderr
error: the range `001:003` goes up, and a downgrade goes down
hint: aludel downgrade 003:001 --sql
hint: or the other way: aludel upgrade 001:003 --sql

$ aludel plan upgrade 003:001
exit code: 2
----- stderr
error: the range `003:001` goes down, and an upgrade goes up
hint: aludel plan upgrade 001:003
hint: or the other way: aludel plan downgrade 003:001

$ aludel plan downgrade 001:003
exit code: 2
----- stderr
error: the range `001:003` goes up, and a downgrade goes down
hint: aludel plan downgrade 003:001
hint: or the other way: aludel plan upgrade 001:003

$ aludel upgrade 003:003 --sql
exit code: 0
----- stdout
-- aludel 0.1.0: upgrade from 003 to 003
-- Nothing to do.

$ aludel plan upgrade 003:004
exit code: 0
----- stdout
upgrade 002 -> 004, carts
----- stderr
1 revision, from 003 to 003, 004

$ aludel plan upgrade 002:billing
exit code: 0
----- stdout
upgrade 002 -> 003, plans
----- stderr
1 revision, from 002 to 003

$ aludel upgrade heads:002 --sql
exit code: 2
----- stderr
error: the range `heads:002` goes down, and an upgrade goes up
hint: aludel upgrade 002:heads --sql
hint: or the other way: aludel downgrade heads:002 --sql

"#]],
    );
}
