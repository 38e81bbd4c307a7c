//! `heads`, `branches`, `history`, `show`: what reads the files alone.

use snapbox::str;

use crate::world::{empty, merged, same, session, shop};

#[test]
fn heads() {
    same(
        session(
            &shop(),
            "heads
             heads --resolve-dependencies
             heads -v
             heads -q",
        ),
        str![[r#"
$ aludel heads
exit code: 0
----- stdout
004 (shop, store) (effective head)
005 (billing) (head)

$ aludel heads --resolve-dependencies
exit code: 0
----- stdout
005 (billing) (head)

$ aludel heads -v
exit code: 0
----- stdout
Rev: 004 (shop, store) (effective head)
Parent: 002
Branch names: shop, store
Path: versions/004_carts.sql

    carts

Rev: 005 (billing) (head)
Parent: 003
Also depends on: 004
Branch names: billing
Path: versions/005.sql


$ aludel heads -q
exit code: 0
----- stdout
004 (shop, store) (effective head)
005 (billing) (head)

"#]],
    );
    same(
        session(&merged(), "heads\nheads --json"),
        str![[r#"
$ aludel heads
exit code: 0
----- stdout
006 (billing, shop, store) (head) (mergepoint)

$ aludel heads --json
exit code: 0
----- stdout
[
  {
    "revision": "006",
    "parents": [
      "005",
      "004"
    ],
    "depends_on": [],
    "labels": [
      "billing",
      "shop",
      "store"
    ],
    "message": "merge \"billing\" and shop",
    "created": null,
    "file": "versions/006_merge.sql",
    "is_head": true,
    "is_branch_point": false,
    "is_merge_point": true,
    "is_current": null
  }
]

"#]],
    );
}

#[test]
fn branches() {
    same(
        session(&shop(), "branches\nbranches -v\nbranches --json"),
        str![[r#"
$ aludel branches
exit code: 0
----- stdout
002 (branchpoint)
    -> 003 (billing)
    -> 004 (shop, store) (effective head)

$ aludel branches -v
exit code: 0
----- stdout
Rev: 002 (branchpoint)
Parent: 001
Branches into:
    003 (billing), plans
    004 (shop, store) (effective head), carts
Path: versions/002_users.sql

    users


$ aludel branches --json
exit code: 0
----- stdout
[
  {
    "revision": "002",
    "parents": [
      "001"
    ],
    "depends_on": [],
    "labels": [],
    "message": "users",
    "created": null,
    "file": "versions/002_users.sql",
    "is_head": false,
    "is_branch_point": true,
    "is_merge_point": false,
    "is_current": null,
    "branches_into": [
      "003",
      "004"
    ]
  }
]

"#]],
    );
    same(
        session(&empty(), "branches\nbranches --json"),
        str![[r#"
$ aludel branches
exit code: 0
----- stderr
no revision branches

$ aludel branches --json
exit code: 0
----- stdout
[]

"#]],
    );
}

#[test]
fn nothing_to_read() {
    same(
        session(
            &empty(),
            "heads\nheads --json\nhistory\n-q history\nhistory --graph\nhistory --dot\nshow base\nshow head",
        ),
        str![[r#"
$ aludel heads
exit code: 0
----- stderr
there are no revisions yet
hint: aludel revision -m "first tables"

$ aludel heads --json
exit code: 0
----- stdout
[]

$ aludel history
exit code: 0
----- stderr
there are no revisions yet
hint: aludel revision -m "first tables"

$ aludel -q history
exit code: 0

$ aludel history --graph
exit code: 0
----- stderr
there are no revisions yet
hint: aludel revision -m "first tables"

$ aludel history --dot
exit code: 0
----- stdout
digraph revisions {
    rankdir = BT;
    node [shape = box];
}
----- stderr
there are no revisions yet
hint: aludel revision -m "first tables"

$ aludel show base
exit code: 0

$ aludel show head
exit code: 0

"#]],
    );
}

#[test]
fn history() {
    same(
        session(&merged(), "history\nhistory -v\nhistory --json"),
        str![[r#"
$ aludel history
exit code: 0
----- stdout
005, 004 -> 006 (billing, shop, store) (head) (mergepoint), merge "billing" and shop
003 (004) -> 005 (billing)
002 -> 003 (billing), plans
002 -> 004 (shop, store), carts
001 -> 002 (branchpoint), users
<base> -> 001, first tables

$ aludel history -v
exit code: 0
----- stdout
Rev: 006 (billing, shop, store) (head) (mergepoint)
Merges: 005, 004
Branch names: billing, shop, store
Path: versions/006_merge.sql

    merge "billing" and shop

Rev: 005 (billing)
Parent: 003
Also depends on: 004
Branch names: billing
Path: versions/005.sql

Rev: 003 (billing)
Parent: 002
Branch names: billing
Path: versions/003_plans.sql

    plans

Rev: 004 (shop, store)
Parent: 002
Branch names: shop, store
Path: versions/004_carts.sql

    carts

Rev: 002 (branchpoint)
Parent: 001
Branches into: 003, 004
Path: versions/002_users.sql

    users

Rev: 001
Parent: <base>
Path: versions/001_first_tables.sql
Created: 2025-11-20T09:30:00+00:00

    first tables


$ aludel history --json
exit code: 0
----- stdout
[
  {
    "revision": "006",
    "parents": [
      "005",
      "004"
    ],
    "depends_on": [],
    "labels": [
      "billing",
      "shop",
      "store"
    ],
    "message": "merge \"billing\" and shop",
    "created": null,
    "file": "versions/006_merge.sql",
    "is_head": true,
    "is_branch_point": false,
    "is_merge_point": true,
    "is_current": null
  },
  {
    "revision": "005",
    "parents": [
      "003"
    ],
    "depends_on": [
      "004"
    ],
    "labels": [
      "billing"
    ],
    "message": "",
    "created": null,
    "file": "versions/005.sql",
    "is_head": false,
    "is_branch_point": false,
    "is_merge_point": false,
    "is_current": null
  },
  {
    "revision": "003",
    "parents": [
      "002"
    ],
    "depends_on": [],
    "labels": [
      "billing"
    ],
    "message": "plans",
    "created": null,
    "file": "versions/003_plans.sql",
    "is_head": false,
    "is_branch_point": false,
    "is_merge_point": false,
    "is_current": null
  },
  {
    "revision": "004",
    "parents": [
      "002"
    ],
    "depends_on": [],
    "labels": [
      "shop",
      "store"
    ],
    "message": "carts",
    "created": null,
    "file": "versions/004_carts.sql",
    "is_head": false,
    "is_branch_point": false,
    "is_merge_point": false,
    "is_current": null
  },
  {
    "revision": "002",
    "parents": [
      "001"
    ],
    "depends_on": [],
    "labels": [],
    "message": "users",
    "created": null,
    "file": "versions/002_users.sql",
    "is_head": false,
    "is_branch_point": true,
    "is_merge_point": false,
    "is_current": null
  },
  {
    "revision": "001",
    "parents": [],
    "depends_on": [],
    "labels": [],
    "message": "first tables",
    "created": "2025-11-20T09:30:00+00:00",
    "file": "versions/001_first_tables.sql",
    "is_head": false,
    "is_branch_point": false,
    "is_merge_point": false,
    "is_current": null
  }
]

"#]],
    );
}

#[test]
fn history_in_ranges() {
    same(
        session(
            &merged(),
            "history -r 002:005
             history -r :002
             history -r base:002
             history -r 005:
             history -r 005:head
             history -r-2:
             history -r -2:
             history -r :shop@head
             history -r 003:003
             history -r 001:+2
             history -r 006-1:
             history -r 002",
        ),
        str![[r#"
$ aludel history -r 002:005
exit code: 0
----- stdout
003 (004) -> 005 (billing)
002 -> 003 (billing), plans
002 -> 004 (shop, store), carts
001 -> 002 (branchpoint), users

$ aludel history -r :002
exit code: 0
----- stdout
001 -> 002 (branchpoint), users
<base> -> 001, first tables

$ aludel history -r base:002
exit code: 0
----- stdout
001 -> 002 (branchpoint), users
<base> -> 001, first tables

$ aludel history -r 005:
exit code: 0
----- stdout
005, 004 -> 006 (billing, shop, store) (head) (mergepoint), merge "billing" and shop
003 (004) -> 005 (billing)

$ aludel history -r 005:head
exit code: 0
----- stdout
005, 004 -> 006 (billing, shop, store) (head) (mergepoint), merge "billing" and shop
003 (004) -> 005 (billing)

$ aludel history -r-2:
exit code: 1
----- stderr
error: `-2` is ambiguous: from 006 it could go to 005, 004
hint: name the revision to go to

$ aludel history -r -2:
exit code: 1
----- stderr
error: `-2` is ambiguous: from 006 it could go to 005, 004
hint: name the revision to go to

$ aludel history -r :shop@head
exit code: 0
----- stdout
005, 004 -> 006 (billing, shop, store) (head) (mergepoint), merge "billing" and shop
003 (004) -> 005 (billing)
002 -> 003 (billing), plans
002 -> 004 (shop, store), carts
001 -> 002 (branchpoint), users
<base> -> 001, first tables

$ aludel history -r 003:003
exit code: 0
----- stdout
002 -> 003 (billing), plans

$ aludel history -r 001:+2
exit code: 1
----- stderr
error: `+2` is ambiguous: from 002 it could go to 003, 004
hint: name the revision to go to

$ aludel history -r 006-1:
exit code: 1
----- stderr
error: `006-1` counts steps, and here a revision has to be named itself
hint: `aludel show 006-1` says which one it is

$ aludel history -r 002
exit code: 2
----- stderr
error: invalid value '002' for '--rev-range <FROM:TO>': a range is FROM:TO, with one colon

For more information, try '--help'.

"#]],
    );
}

/// Where nothing branches, counting works.
#[test]
fn ranges_that_count() {
    let text = |id: &str, parent: &str| format!("-- revision: {id}\n-- parents: {parent}\n\n-- migrate:upgrade\n");
    let texts = [text("1", ""), text("2", "1"), text("3", "2"), text("4", "3")];
    let project =
        crate::world::with(["1.sql", "2.sql", "3.sql", "4.sql"].into_iter().zip(texts.iter().map(String::as_str)));
    same(
        session(
            &project,
            "history -r-2:
             history -r -2:
             history -r -2:3
             history -r -4:
             history -r -99:
             history -r head-1:
             history -r 1+1:
             history -r 1:+2
             history -r :head-2
             show head-1
             show 1+1
             show 1-1
             show 1-2
             show -1",
        ),
        str![[r#"
$ aludel history -r-2:
exit code: 0
----- stdout
3 -> 4 (head)
2 -> 3
1 -> 2

$ aludel history -r -2:
exit code: 0
----- stdout
3 -> 4 (head)
2 -> 3
1 -> 2

$ aludel history -r -2:3
exit code: 0
----- stdout
2 -> 3
1 -> 2

$ aludel history -r -4:
exit code: 1
----- stderr
error: the range begins before the first revision
hint: leave out its lower end: `-r :`

$ aludel history -r -99:
exit code: 1
----- stderr
error: `-99` goes too far: from 4 there are 4 steps down

$ aludel history -r head-1:
exit code: 1
----- stderr
error: `head-1` counts steps, and here a revision has to be named itself
hint: `aludel show head-1` says which one it is

$ aludel history -r 1+1:
exit code: 1
----- stderr
error: `1+1` counts steps, and here a revision has to be named itself
hint: `aludel show 1+1` says which one it is

$ aludel history -r 1:+2
exit code: 0
----- stdout
2 -> 3
1 -> 2
<base> -> 1

$ aludel history -r :head-2
exit code: 0
----- stdout
1 -> 2
<base> -> 1

$ aludel show head-1
exit code: 0
----- stdout
Rev: 3
Parent: 2
Path: versions/3.sql


$ aludel show 1+1
exit code: 0
----- stdout
Rev: 2
Parent: 1
Path: versions/2.sql


$ aludel show 1-1
exit code: 0

$ aludel show 1-2
exit code: 1
----- stderr
error: `-2` goes too far: from 1 there is 1 step down

$ aludel show -1
exit code: 0
----- stdout
Rev: 3
Parent: 2
Path: versions/3.sql


"#]],
    );
}

#[test]
fn ranges_that_mean_nothing() {
    same(
        session(
            &merged(),
            "history -r 005:002
             history -r 999:
             history -r 1:2:3
             history -r a-b:
             history -r :
             history -r -99:
             history -r shop@base:",
        ),
        str![[r#"
$ aludel history -r 005:002
exit code: 1
----- stderr
error: 005 is not below 002
hint: a range goes from the older to the newer end: OLD:NEW

$ aludel history -r 999:
exit code: 1
----- stderr
error: no revision or label is, or begins with, `999`
hint: `aludel history` lists the revisions

$ aludel history -r 1:2:3
exit code: 2
----- stderr
error: invalid value '1:2:3' for '--rev-range <FROM:TO>': a range is FROM:TO, with one colon

For more information, try '--help'.

$ aludel history -r a-b:
exit code: 2
----- stderr
error: invalid value 'a-b:' for '--rev-range <FROM:TO>': a number of steps stands behind `+` or `-`

For more information, try '--help'.

$ aludel history -r :
exit code: 0
----- stdout
005, 004 -> 006 (billing, shop, store) (head) (mergepoint), merge "billing" and shop
003 (004) -> 005 (billing)
002 -> 003 (billing), plans
002 -> 004 (shop, store), carts
001 -> 002 (branchpoint), users
<base> -> 001, first tables

$ aludel history -r -99:
exit code: 1
----- stderr
error: `-99` is ambiguous: from 006 it could go to 005, 004
hint: name the revision to go to

$ aludel history -r shop@base:
exit code: 0
----- stdout
005, 004 -> 006 (billing, shop, store) (head) (mergepoint), merge "billing" and shop
003 (004) -> 005 (billing)
002 -> 003 (billing), plans
002 -> 004 (shop, store), carts
001 -> 002 (branchpoint), users
<base> -> 001, first tables

"#]],
    );
}

#[test]
fn drawn() {
    same(
        session(
            &merged(),
            "history --graph
             history --graph -v
             history --graph -r 003:
             history --dot
             history --mermaid
             history --dot -r 003:",
        ),
        str![[r#"
$ aludel history --graph
exit code: 0
----- stdout
◆    006 (billing, shop, store) (head) (mergepoint), merge "billing" and shop
├─╮
○ │  005 (billing)
├─╮
○ │  003 (billing), plans
│ ○  004 (shop, store), carts
├─╯
○  002 (branchpoint), users
○  001, first tables

$ aludel history --graph -v
exit code: 0
----- stdout
◆    Rev: 006 (billing, shop, store) (head) (mergepoint)
├─╮  Merges: 005, 004
│ │  Branch names: billing, shop, store
│ │  Path: versions/006_merge.sql
│ │
│ │      merge "billing" and shop
│ │
○ │  Rev: 005 (billing)
├─╮  Parent: 003
│ │  Also depends on: 004
│ │  Branch names: billing
│ │  Path: versions/005.sql
│ │
○ │  Rev: 003 (billing)
│ │  Parent: 002
│ │  Branch names: billing
│ │  Path: versions/003_plans.sql
│ │
│ │      plans
│ │
│ ○  Rev: 004 (shop, store)
├─╯  Parent: 002
│    Branch names: shop, store
│    Path: versions/004_carts.sql
│
│        carts
│
○  Rev: 002 (branchpoint)
│  Parent: 001
│  Branches into: 003, 004
│  Path: versions/002_users.sql
│
│      users
│
○  Rev: 001
   Parent: <base>
   Path: versions/001_first_tables.sql
   Created: 2025-11-20T09:30:00+00:00

       first tables


$ aludel history --graph -r 003:
exit code: 0
----- stdout
◆    006 (billing, shop, store) (head) (mergepoint), merge "billing" and shop
├─╮
│ │
│ ~
│
○    005 (billing)
├─╮
│ │
│ ~
│
○  003 (billing), plans
│
~

$ aludel history --dot
exit code: 0
----- stdout
digraph revisions {
    rankdir = BT;
    node [shape = box];
    "006" [label = "006 (billing, shop, store) (head) (mergepoint), merge \"billing\" and shop"];
    "005" [label = "005 (billing)"];
    "003" [label = "003 (billing), plans"];
    "004" [label = "004 (shop, store), carts"];
    "002" [label = "002 (branchpoint), users"];
    "001" [label = "001, first tables"];
    "006" -> "005";
    "006" -> "004";
    "005" -> "003";
    "005" -> "004" [style = dashed];
    "003" -> "002";
    "004" -> "002";
    "002" -> "001";
}

$ aludel history --mermaid
exit code: 0
----- stdout
flowchart BT
    r_006["006 (billing, shop, store) (head) (mergepoint), merge #quot;billing#quot; and shop"]
    r_005["005 (billing)"]
    r_003["003 (billing), plans"]
    r_004["004 (shop, store), carts"]
    r_002["002 (branchpoint), users"]
    r_001["001, first tables"]
    r_006 --> r_005
    r_006 --> r_004
    r_005 --> r_003
    r_005 -.-> r_004
    r_003 --> r_002
    r_004 --> r_002
    r_002 --> r_001

$ aludel history --dot -r 003:
exit code: 0
----- stdout
digraph revisions {
    rankdir = BT;
    node [shape = box];
    "006" [label = "006 (billing, shop, store) (head) (mergepoint), merge \"billing\" and shop"];
    "005" [label = "005 (billing)"];
    "003" [label = "003 (billing), plans"];
    "006" -> "005";
    "006" -> "004";
    "005" -> "003";
    "005" -> "004" [style = dashed];
    "003" -> "002";
}

"#]],
    );
}

#[test]
fn show() {
    same(
        session(
            &merged(),
            "show 001
             show 006
             show 002
             show billing
             show shop@head
             show head
             show head-1
             show 001+1
             show base
             show 004 --json",
        ),
        str![[r#"
$ aludel show 001
exit code: 0
----- stdout
Rev: 001
Parent: <base>
Path: versions/001_first_tables.sql
Created: 2025-11-20T09:30:00+00:00

    first tables


$ aludel show 006
exit code: 0
----- stdout
Rev: 006 (billing, shop, store) (head) (mergepoint)
Merges: 005, 004
Branch names: billing, shop, store
Path: versions/006_merge.sql

    merge "billing" and shop


$ aludel show 002
exit code: 0
----- stdout
Rev: 002 (branchpoint)
Parent: 001
Branches into: 003, 004
Path: versions/002_users.sql

    users


$ aludel show billing
exit code: 0
----- stdout
Rev: 003 (billing)
Parent: 002
Branch names: billing
Path: versions/003_plans.sql

    plans


$ aludel show shop@head
exit code: 0
----- stdout
Rev: 006 (billing, shop, store) (head) (mergepoint)
Merges: 005, 004
Branch names: billing, shop, store
Path: versions/006_merge.sql

    merge "billing" and shop


$ aludel show head
exit code: 0
----- stdout
Rev: 006 (billing, shop, store) (head) (mergepoint)
Merges: 005, 004
Branch names: billing, shop, store
Path: versions/006_merge.sql

    merge "billing" and shop


$ aludel show head-1
exit code: 1
----- stderr
error: `-1` is ambiguous: from 006 it could go to 005, 004
hint: name the revision to go to

$ aludel show 001+1
exit code: 0
----- stdout
Rev: 002 (branchpoint)
Parent: 001
Branches into: 003, 004
Path: versions/002_users.sql

    users


$ aludel show base
exit code: 0

$ aludel show 004 --json
exit code: 0
----- stdout
[
  {
    "revision": "004",
    "parents": [
      "002"
    ],
    "depends_on": [],
    "labels": [
      "shop",
      "store"
    ],
    "message": "carts",
    "created": null,
    "file": "versions/004_carts.sql",
    "is_head": false,
    "is_branch_point": false,
    "is_merge_point": false,
    "is_current": null
  }
]

"#]],
    );
}

#[test]
fn show_a_part_of_an_id() {
    let project = crate::world::with([
        ("a.sql", "-- revision: ab12cd34ef56\n\n-- migrate:upgrade\n"),
        ("b.sql", "-- revision: ab12ffffffff\n-- parents: ab12cd34ef56\n\n-- migrate:upgrade\n"),
    ]);
    same(
        session(
            &project,
            "show ab12c
             show ab12
             show ab1
             show ab12ce",
        ),
        str![[r#"
$ aludel show ab12c
exit code: 0
----- stdout
Rev: ab12cd34ef56
Parent: <base>
Path: versions/a.sql


$ aludel show ab12
exit code: 1
----- stderr
error: `ab12` could be any of `ab12cd34ef56`, `ab12ffffffff`
hint: type more of it

$ aludel show ab1
exit code: 1
----- stderr
error: `ab1` could be any of `ab12cd34ef56`, `ab12ffffffff`
hint: type more of it

$ aludel show ab12ce
exit code: 1
----- stderr
error: no revision or label is, or begins with, `ab12ce`
hint: did you mean `ab12cd34ef56`?

"#]],
    );
}

#[test]
fn show_what_is_not_there() {
    same(
        session(
            &shop(),
            "show 999
             show biling
             show biling@head
             show head
             show a:b
             show @head
             show billing@shop@head
             show 001-5
             show 001+99
             show heads@head
             show ''",
        ),
        str![[r#"
$ aludel show 999
exit code: 1
----- stderr
error: no revision or label is, or begins with, `999`
hint: `aludel history` lists the revisions

$ aludel show biling
exit code: 1
----- stderr
error: no revision or label is, or begins with, `biling`
hint: did you mean `billing`?

$ aludel show biling@head
exit code: 1
----- stderr
error: there is no branch `biling`
hint: did you mean `billing`?

$ aludel show head
exit code: 1
----- stderr
error: there are 2 heads: 004, 005
note: 004 is nobody's parent, but 005 depends on it
hint: name one of them, or `LABEL@head`, or `heads` for all
hint: or join them: aludel merge heads -m "..."

$ aludel show a:b
exit code: 2
----- stderr
error: invalid value 'a:b' for '<TARGET>': ':' cannot stand in a revision: letters, digits and `_` can

For more information, try '--help'.

$ aludel show @head
exit code: 2
----- stderr
error: invalid value '@head' for '<TARGET>': a revision is missing

For more information, try '--help'.

$ aludel show billing@shop@head
exit code: 2
----- stderr
error: invalid value 'billing@shop@head' for '<TARGET>': one `@` is enough: LABEL@REVISION

For more information, try '--help'.

$ aludel show 001-5
exit code: 1
----- stderr
error: `-5` goes too far: from 001 there is 1 step down

$ aludel show 001+99
exit code: 1
----- stderr
error: `+99` is ambiguous: from 002 it could go to 003, 004
hint: name the revision to go to

$ aludel show heads@head
exit code: 2
----- stderr
error: invalid value 'heads@head' for '<TARGET>': `heads` is no branch: write LABEL@heads

For more information, try '--help'.

$ aludel show ''
exit code: 2
----- stderr
error: invalid value '' for '<TARGET>': a revision is missing

For more information, try '--help'.

"#]],
    );
}
