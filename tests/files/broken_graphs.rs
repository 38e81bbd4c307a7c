//! Graphs that are none: each fault names the files, the lines, and what to do.

use snapbox::data::Inline;
use snapbox::str;

use crate::world::{empty, same, session};

/// `id: parents` a line, then other lines of the header behind `;`; the file is called after the line's number.
#[track_caller]
fn refused(graph: &str, expected: Inline) {
    let project = empty();
    for (number, line) in graph.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let mut parts = line.split(';').map(str::trim);
        let (id, parents) = parts.next().and_then(|first| first.split_once(':')).expect("an id and its parents");
        let mut text = format!("-- revision: {id}\n-- parents: {}\n", parents.trim());
        for part in parts {
            text.push_str(&format!("-- {part}\n"));
        }
        project.write(&format!("versions/{}.sql", number + 1), text + "\n-- migrate:upgrade\n");
    }
    same(session(&project, "heads"), expected);
}

#[test]
fn an_unknown_parent() {
    refused(
        "a1: \n b2: a2",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: revision b2 has a parent that no file defines: `a2`
 --> versions/2.sql:2:13
  |
2 | -- parents: a2
  |             ^^
  |
  = hint: add the missing file, or name another parent

"#]],
    );
    refused(
        "a1: \n b2: [a1, zzzzzz]",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: revision b2 has a parent that no file defines: `zzzzzz`
 --> versions/2.sql:2:18
  |
2 | -- parents: [a1, zzzzzz]
  |                  ^^^^^^
  |
  = hint: add the missing file, or name another parent

"#]],
    );
}

#[test]
fn a_label_is_no_parent() {
    refused(
        "a1: ; labels: shop \n b2: shop",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: revision b2 has a parent that no file defines: `shop`
 --> versions/2.sql:2:13
  |
2 | -- parents: shop
  |             ^^^^
  |
  = hint: add the missing file, or name another parent

"#]],
    );
}

#[test]
fn an_unknown_dependency() {
    refused(
        "a1: ; labels: billing \n b2: a1; depends_on: biling",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: revision b2 depends on something that no file defines: `biling`
 --> versions/2.sql:3:16
  |
3 | -- depends_on: biling
  |                ^^^^^^
  |
  = hint: write an id or a label that a file defines

"#]],
    );
    refused(
        "a1: ; depends_on: [zzzzzz]",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: revision a1 depends on something that no file defines: `zzzzzz`
 --> versions/1.sql:3:17
  |
3 | -- depends_on: [zzzzzz]
  |                 ^^^^^^
  |
  = hint: write an id or a label that a file defines

"#]],
    );
}

#[test]
fn an_id_twice() {
    refused(
        "a1: \n b2: a1 \n b2: a1",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: 2 files have the id `b2`
 --> versions/2.sql:1:14
  |
1 | -- revision: b2
  |              ^^
  |
 ::: versions/3.sql:1:14
  |
1 | -- revision: b2
  |              ^^
  |
  = hint: give one of them another id; if they came from two branches, keep the one that is applied

"#]],
    );
}

#[test]
fn ids_that_differ_in_case() {
    refused(
        "a1: \n A1: ",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: ids that differ only in case: `a1`, `A1`
 --> versions/1.sql:1:14
  |
1 | -- revision: a1
  |              ^^
  |
 ::: versions/2.sql:1:14
  |
1 | -- revision: A1
  |              ^^
  |
  = hint: give all but one of them another id

"#]],
    );
}

#[test]
fn a_label_twice() {
    refused(
        "a1: ; labels: shop \n b2: ; labels: [x, shop]",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: the label `shop` is given more than once
 --> versions/1.sql:3:12
  |
3 | -- labels: shop
  |            ^^^^
  |
 ::: versions/2.sql:3:16
  |
3 | -- labels: [x, shop]
  |                ^^^^
  |
  = hint: a label names one branch: keep it on that branch's first revision

"#]],
    );
    refused(
        "a1: ; labels: [shop, shop]",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: the label `shop` is given more than once
 --> versions/1.sql:3:13
  |
3 | -- labels: [shop, shop]
  |             ^^^^
  |
 ::: versions/1.sql:3:13
  |
3 | -- labels: [shop, shop]
  |             ^^^^
  |
  = hint: a label names one branch: keep it on that branch's first revision

"#]],
    );
}

#[test]
fn a_label_that_is_an_id() {
    refused(
        "a1: ; labels: b2 \n b2: a1",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: `b2` is the label of one revision and the id of another
 --> versions/1.sql:3:12
  |
3 | -- labels: b2
  |            ^^
  |
 ::: versions/2.sql:1:14
  |
1 | -- revision: b2
  |              ^^
  |
  = hint: give the label another name

"#]],
    );
    refused(
        "a1: ; labels: a1",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: `a1` is the id of a revision and its label as well
 --> versions/1.sql:3:12
  |
3 | -- labels: a1
  |            ^^
  |
  = hint: take the label out: the id alone does all that it would

"#]],
    );
}

#[test]
fn a_revision_that_needs_itself() {
    refused(
        "a1: \n b2: b2",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: revision b2 is its own parent
 --> versions/2.sql:2:13
  |
2 | -- parents: b2
  |             ^^
  |
  = hint: name the revision before it; nothing for a base

"#]],
    );
    refused(
        "a1: \n b2: a1; depends_on: b2",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: revision b2 depends on itself
 --> versions/2.sql:3:16
  |
3 | -- depends_on: b2
  |                ^^
  |
  = hint: take it out of `depends_on`

"#]],
    );
    refused(
        "a1: \n b2: a1; labels: x; depends_on: x",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: revision b2 depends on itself
 --> versions/2.sql:4:16
  |
4 | -- depends_on: x
  |                ^
  |
  = hint: take it out of `depends_on`

"#]],
    );
}

#[test]
fn circles() {
    refused(
        "a1: b2 \n b2: a1",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: revisions need each other in a circle: a1 -> b2 -> a1
 --> versions/1.sql:2:13
  |
2 | -- parents: b2
  |             ^^
  |
 ::: versions/2.sql:2:13
  |
2 | -- parents: a1
  |             ^^
  |
  = hint: one of them names a wrong parent or dependency

"#]],
    );
    refused(
        "a1: \n b2: a1; depends_on: c3 \n c3: b2",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: revisions need each other in a circle: b2 -> c3 -> b2
 --> versions/2.sql:3:16
  |
3 | -- depends_on: c3
  |                ^^
  |
 ::: versions/3.sql:2:13
  |
2 | -- parents: b2
  |             ^^
  |
  = hint: one of them names a wrong parent or dependency

"#]],
    );
}

#[test]
fn a_circle_with_an_entry_and_an_exit() {
    refused(
        "a1: \n b2: [a1, d4] \n c3: b2 \n d4: c3 \n e5: d4",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: revisions need each other in a circle: b2 -> d4 -> c3 -> b2
 --> versions/2.sql:2:18
  |
2 | -- parents: [a1, d4]
  |                  ^^
  |
 ::: versions/4.sql:2:13
  |
2 | -- parents: c3
  |             ^^
  |
 ::: versions/3.sql:2:13
  |
2 | -- parents: b2
  |             ^^
  |
  = hint: one of them names a wrong parent or dependency

"#]],
    );
}

#[test]
fn a_circle_by_a_label() {
    refused(
        "a1: ; depends_on: x \n b2: a1; labels: x",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: revisions need each other in a circle: a1 -> b2 -> a1
 --> versions/1.sql:3:16
  |
3 | -- depends_on: x
  |                ^
  |
 ::: versions/2.sql:2:13
  |
2 | -- parents: a1
  |             ^^
  |
  = hint: one of them names a wrong parent or dependency

"#]],
    );
}

#[test]
fn a_circle_in_a_circle() {
    refused(
        "a1: [b2, c3] \n b2: a1 \n c3: a1",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: revisions need each other in a circle: a1 -> b2 -> a1
 --> versions/1.sql:2:14
  |
2 | -- parents: [b2, c3]
  |              ^^
  |
 ::: versions/2.sql:2:13
  |
2 | -- parents: a1
  |             ^^
  |
  = note: another revision is part of it
  = hint: one of them names a wrong parent or dependency

"#]],
    );
}

#[test]
fn several_faults_at_once() {
    refused(
        "a1: zz \n b2: b2 \n c3: ; depends_on: yy \n c3: ",
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: 2 files have the id `c3`
 --> versions/3.sql:1:14
  |
1 | -- revision: c3
  |              ^^
  |
 ::: versions/4.sql:1:14
  |
1 | -- revision: c3
  |              ^^
  |
  = hint: give one of them another id; if they came from two branches, keep the one that is applied

error: revision a1 has a parent that no file defines: `zz`
 --> versions/1.sql:2:13
  |
2 | -- parents: zz
  |             ^^
  |
  = hint: add the missing file, or name another parent

error: revision b2 is its own parent
 --> versions/2.sql:2:13
  |
2 | -- parents: b2
  |             ^^
  |
  = hint: name the revision before it; nothing for a base

error: revision c3 depends on something that no file defines: `yy`
 --> versions/3.sql:3:16
  |
3 | -- depends_on: yy
  |                ^^
  |
  = hint: write an id or a label that a file defines

"#]],
    );
}

#[test]
fn of_very_many_the_first_ten() {
    let graph: String = (0..25).map(|number| format!("a{number}: zzzzzz\n")).collect();
    refused(
        &graph,
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: revision a0 has a parent that no file defines: `zzzzzz`
 --> versions/1.sql:2:13
  |
2 | -- parents: zzzzzz
  |             ^^^^^^
  |
  = hint: add the missing file, or name another parent

error: revision a9 has a parent that no file defines: `zzzzzz`
 --> versions/10.sql:2:13
  |
2 | -- parents: zzzzzz
  |             ^^^^^^
  |
  = hint: add the missing file, or name another parent

error: revision a10 has a parent that no file defines: `zzzzzz`
 --> versions/11.sql:2:13
  |
2 | -- parents: zzzzzz
  |             ^^^^^^
  |
  = hint: add the missing file, or name another parent

error: revision a11 has a parent that no file defines: `zzzzzz`
 --> versions/12.sql:2:13
  |
2 | -- parents: zzzzzz
  |             ^^^^^^
  |
  = hint: add the missing file, or name another parent

error: revision a12 has a parent that no file defines: `zzzzzz`
 --> versions/13.sql:2:13
  |
2 | -- parents: zzzzzz
  |             ^^^^^^
  |
  = hint: add the missing file, or name another parent

error: revision a13 has a parent that no file defines: `zzzzzz`
 --> versions/14.sql:2:13
  |
2 | -- parents: zzzzzz
  |             ^^^^^^
  |
  = hint: add the missing file, or name another parent

error: revision a14 has a parent that no file defines: `zzzzzz`
 --> versions/15.sql:2:13
  |
2 | -- parents: zzzzzz
  |             ^^^^^^
  |
  = hint: add the missing file, or name another parent

error: revision a15 has a parent that no file defines: `zzzzzz`
 --> versions/16.sql:2:13
  |
2 | -- parents: zzzzzz
  |             ^^^^^^
  |
  = hint: add the missing file, or name another parent

error: revision a16 has a parent that no file defines: `zzzzzz`
 --> versions/17.sql:2:13
  |
2 | -- parents: zzzzzz
  |             ^^^^^^
  |
  = hint: add the missing file, or name another parent

error: revision a17 has a parent that no file defines: `zzzzzz`
 --> versions/18.sql:2:13
  |
2 | -- parents: zzzzzz
  |             ^^^^^^
  |
  = hint: add the missing file, or name another parent

and 15 more errors

"#]],
    );
}
