//! `merge`.

use snapbox::str;

use crate::world::{empty, merged, same, session, shop};

#[test]
fn heads_are_joined() {
    let project = shop();
    same(
        session(
            &project,
            "merge heads -m 'join all' --branch-label release
             heads
             show head
             merge heads",
        ),
        str![[r#"
$ aludel merge heads -m 'join all' --branch-label release
exit code: 0
----- stdout
versions/006_join_all.sql
----- stderr
created revision 006, after 004 and 005
hint: a merge needs no SQL of its own; next: aludel upgrade 006

$ aludel heads
exit code: 0
----- stdout
006 (billing, release, shop, store) (head) (mergepoint)

$ aludel show head
exit code: 0
----- stdout
Rev: 006 (billing, release, shop, store) (head) (mergepoint)
Merges: 004, 005
Branch names: billing, release, shop, store
Path: versions/006_join_all.sql
Created: 2025-01-02T03:04:05+00:00

    join all


$ aludel merge heads
exit code: 1
----- stderr
error: a merge joins several revisions, and there is only 006
hint: `aludel heads` lists the heads; nothing needs to be joined where there is one

"#]],
    );
    same(
        project.read("versions/006_join_all.sql"),
        str![[r#"
-- revision: 006
-- parents: [004, 005]
-- message: join all
-- created: 2025-01-02T03:04:05Z
-- labels: release

-- migrate:upgrade

-- migrate:downgrade

"#]],
    );
}

#[test]
fn by_id_and_by_label_in_the_order_given() {
    let project = shop();
    same(
        session(&project, "merge shop@head billing@head --rev-id joined\nhistory -r joined:"),
        str![[r#"
$ aludel merge shop@head billing@head --rev-id joined
exit code: 0
----- stdout
versions/joined.sql
----- stderr
created revision joined, after 004 and 005
hint: a merge needs no SQL of its own; next: aludel upgrade joined

$ aludel history -r joined:
exit code: 0
----- stdout
004, 005 -> joined (billing, shop, store) (head) (mergepoint)

"#]],
    );
}

#[test]
fn what_cannot_be_joined() {
    let project = merged();
    let before = project.list("versions");
    same(
        session(
            &project,
            "merge
             merge 006
             merge 006 006
             merge 003 004
             merge 003 004 --splice
             merge 003 999
             merge base 006
             merge 005 003 --splice",
        ),
        str![[r#"
$ aludel merge
exit code: 2
----- stderr
error: the following required arguments were not provided:
  <REVISIONS>...

Usage: aludel merge <REVISIONS>...

For more information, try '--help'.

$ aludel merge 006
exit code: 1
----- stderr
error: a merge joins several revisions, and there is only 006
hint: `aludel heads` lists the heads; nothing needs to be joined where there is one

$ aludel merge 006 006
exit code: 1
----- stderr
error: 006 is named twice

$ aludel merge 003 004
exit code: 1
----- stderr
error: revision 003 is no head: 005 follows it
hint: name a head, or give --splice to start a branch there

$ aludel merge 003 004 --splice
exit code: 0
----- stdout
versions/007.sql
----- stderr
created revision 007, after 003 and 004
hint: a merge needs no SQL of its own; next: aludel upgrade 007

$ aludel merge 003 999
exit code: 1
----- stderr
error: no revision or label is, or begins with, `999`
hint: `aludel history` lists the revisions

$ aludel merge base 006
exit code: 1
----- stderr
error: a merge joins several revisions, and there is only 006
hint: `aludel heads` lists the heads; nothing needs to be joined where there is one

$ aludel merge 005 003 --splice
exit code: 0
----- stdout
versions/008.sql
----- stderr
created revision 008, after 005 and 003
hint: a merge needs no SQL of its own; next: aludel upgrade 008

"#]],
    );
    assert_eq!(project.list("versions").len(), before.len() + 2);
    same(
        session(&empty(), "merge heads"),
        str![[r#"
$ aludel merge heads
exit code: 1
----- stderr
error: a merge joins several revisions, and there is no revision
hint: `aludel heads` lists the heads; nothing needs to be joined where there is one

"#]],
    );
}
