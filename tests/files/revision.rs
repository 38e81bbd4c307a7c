//! `revision`: where a new file goes, what it is called, what it says, and what is refused before it is written.

use snapbox::str;

use crate::world::{INI, empty, merged, same, session, shop};

#[test]
fn one_after_the_other() {
    let project = empty();
    same(
        session(
            &project,
            "revision -m 'first tables'
             revision -m 'add users'
             revision -m 'by hand' --rev-id c0ffee
             revision
             history",
        ),
        str![[r#"
$ aludel revision -m 'first tables'
exit code: 0
----- stdout
versions/001_first_tables.sql
----- stderr
created revision 001, a new base
hint: write its SQL into versions/001_first_tables.sql, then: aludel upgrade 001

$ aludel revision -m 'add users'
exit code: 0
----- stdout
versions/002_add_users.sql
----- stderr
created revision 002, after 001
hint: write its SQL into versions/002_add_users.sql, then: aludel upgrade 002

$ aludel revision -m 'by hand' --rev-id c0ffee
exit code: 0
----- stdout
versions/c0ffee_by_hand.sql
----- stderr
created revision c0ffee, after 002
hint: write its SQL into versions/c0ffee_by_hand.sql, then: aludel upgrade c0ffee

$ aludel revision
exit code: 0
----- stdout
versions/003.sql
----- stderr
created revision 003, after c0ffee
hint: write its SQL into versions/003.sql, then: aludel upgrade 003

$ aludel history
exit code: 0
----- stdout
c0ffee -> 003 (head)
002 -> c0ffee, by hand
001 -> 002, add users
<base> -> 001, first tables

"#]],
    );
    same(
        project.read("versions/002_add_users.sql"),
        str![[r#"
-- revision: 002
-- parents: 001
-- message: add users
-- created: 2025-01-02T03:04:05Z

-- migrate:upgrade

-- migrate:downgrade

"#]],
    );
    assert_eq!(
        project.list("versions"),
        ["001_first_tables.sql", "002_add_users.sql", "003.sql", "c0ffee_by_hand.sql"]
    );
}

#[test]
fn a_second_head_names_the_files_and_the_merge_to_type() {
    let project = shop();
    same(
        session(
            &project,
            "revision -m more
             revision -m more --head head
             merge 005 004 -m 'merge 005 and 004'
             revision -m more",
        ),
        str![[r#"
$ aludel revision -m more
exit code: 1
----- stderr
error: there are 2 heads, and a new revision follows one
note: 004 carts (versions/004_carts.sql)
note: 005 (versions/005.sql)
hint: join them first: aludel merge 004 005 -m "merge 004 and 005"
hint: or follow one of them: --head 004

$ aludel revision -m more --head head
exit code: 1
----- stderr
error: there are 2 heads, and a new revision follows one
note: 004 carts (versions/004_carts.sql)
note: 005 (versions/005.sql)
hint: join them first: aludel merge 004 005 -m "merge 004 and 005"
hint: or follow one of them: --head 004

$ aludel merge 005 004 -m 'merge 005 and 004'
exit code: 0
----- stdout
versions/006_merge_005_and_004.sql
----- stderr
created revision 006, after 005 and 004
hint: a merge needs no SQL of its own; next: aludel upgrade 006

$ aludel revision -m more
exit code: 0
----- stdout
versions/007_more.sql
----- stderr
created revision 007, after 006
hint: write its SQL into versions/007_more.sql, then: aludel upgrade 007

"#]],
    );
}

#[test]
fn heads_that_were_asked_for() {
    let project = shop();
    same(
        session(
            &project,
            "revision -m a --head 005
             revision -m b --head shop@head
             revision -m c --head base
             revision -m d --head heads
             history --graph",
        ),
        str![[r#"
$ aludel revision -m a --head 005
exit code: 0
----- stdout
versions/006_a.sql
----- stderr
created revision 006, after 005
hint: write its SQL into versions/006_a.sql, then: aludel upgrade 006

$ aludel revision -m b --head shop@head
exit code: 0
----- stdout
versions/007_b.sql
----- stderr
created revision 007, after 004
hint: write its SQL into versions/007_b.sql, then: aludel upgrade 007

$ aludel revision -m c --head base
exit code: 0
----- stdout
versions/008_c.sql
----- stderr
created revision 008, a new base
hint: write its SQL into versions/008_c.sql, then: aludel upgrade 008

$ aludel revision -m d --head heads
exit code: 0
----- stdout
versions/009_d.sql
----- stderr
created revision 009, after 006, 007 and 008
hint: a merge needs no SQL of its own; next: aludel upgrade 009

$ aludel history --graph
exit code: 0
----- stdout
◆      009 (billing, shop, store) (head) (mergepoint), d
├─┬─╮
○ │ │  006 (billing), a
○ │ │    005 (billing)
├─────╮
○ │ │ │  003 (billing), plans
│ ○ │ │  007 (shop, store), b
│ ├───╯
│ ○ │  004 (shop, store), carts
├─╯ │
│   ○  008, c
○  002 (branchpoint), users
○  001, first tables

"#]],
    );
}

#[test]
fn a_branch_starts_with_splice_and_a_label() {
    let project = merged();
    same(
        session(
            &project,
            "revision -m side --head 002
             revision -m side --head 002 --splice --branch-label reports --branch-label rep
             revision -m deeper --head reports@head --depends-on billing --depends-on 001
             show 008",
        ),
        str![[r#"
$ aludel revision -m side --head 002
exit code: 1
----- stderr
error: revision 002 is no head: 003, 004 follow it
hint: name a head, or give --splice to start a branch there

$ aludel revision -m side --head 002 --splice --branch-label reports --branch-label rep
exit code: 0
----- stdout
versions/007_side.sql
----- stderr
created revision 007, after 002
hint: write its SQL into versions/007_side.sql, then: aludel upgrade 007

$ aludel revision -m deeper --head reports@head --depends-on billing --depends-on 001
exit code: 0
----- stdout
versions/008_deeper.sql
----- stderr
created revision 008, after 007
hint: write its SQL into versions/008_deeper.sql, then: aludel upgrade 008

$ aludel show 008
exit code: 0
----- stdout
Rev: 008 (rep, reports) (head)
Parent: 007
Also depends on: 003, 001
Branch names: rep, reports
Path: versions/008_deeper.sql
Created: 2025-01-02T03:04:05+00:00

    deeper


"#]],
    );
    same(
        project.read("versions/008_deeper.sql"),
        str![[r#"
-- revision: 008
-- parents: 007
-- message: deeper
-- created: 2025-01-02T03:04:05Z
-- depends_on: [billing, 001]

-- migrate:upgrade

-- migrate:downgrade

"#]],
    );
}

#[test]
fn what_is_taken_or_cannot_be() {
    let project = merged();
    let before = project.list("versions");
    same(
        session(
            &project,
            "revision --rev-id 003
             revision --rev-id head
             revision --rev-id 'a b'
             revision --rev-id ''
             revision --branch-label billing
             revision --branch-label 002
             revision --branch-label heads
             revision --branch-label a-b
             revision --depends-on 999
             revision --depends-on base
             revision --head 999
             revision --head 006 --head 006
             revision --head 005-1
             revision --version-path elsewhere",
        ),
        str![[r#"
$ aludel revision --rev-id 003
exit code: 1
----- stderr
error: there is a revision `003` already
hint: choose another with `--rev-id`

$ aludel revision --rev-id head
exit code: 2
----- stderr
error: `head` is a word of its own and no id

$ aludel revision --rev-id 'a b'
exit code: 2
----- stderr
error: ' ' cannot stand in the id `a b`: letters, digits and `_` can

$ aludel revision --rev-id ''
exit code: 2
----- stderr
error: an empty id

$ aludel revision --branch-label billing
exit code: 1
----- stderr
error: the label `billing` is taken by revision 003
note: in versions/003_plans.sql

$ aludel revision --branch-label 002
exit code: 1
----- stderr
error: the label `002` is taken by revision 002
note: in versions/002_users.sql

$ aludel revision --branch-label heads
exit code: 2
----- stderr
error: `heads` is a word of its own and no label

$ aludel revision --branch-label a-b
exit code: 2
----- stderr
error: '-' cannot stand in the label `a-b`: letters, digits and `_` can

$ aludel revision --depends-on 999
exit code: 1
----- stderr
error: no revision or label is, or begins with, `999`
hint: `aludel history` lists the revisions

$ aludel revision --depends-on base
exit code: 1
----- stderr
error: `base` is no single revision to depend on

$ aludel revision --head 999
exit code: 1
----- stderr
error: no revision or label is, or begins with, `999`
hint: `aludel history` lists the revisions

$ aludel revision --head 006 --head 006
exit code: 1
----- stderr
error: 006 is named twice

$ aludel revision --head 005-1
exit code: 1
----- stderr
error: `005-1` counts steps, and here a revision has to be named itself
hint: `aludel show 005-1` says which one it is

$ aludel revision --version-path elsewhere
exit code: 2
----- stderr
error: `elsewhere` is none of the version locations
hint: add it to `version_locations` in the configuration

"#]],
    );
    assert_eq!(project.list("versions"), before);
}

#[test]
fn ids_that_differ_in_case() {
    let project = empty();
    same(
        session(&project, "revision --rev-id abc\nrevision --rev-id ABC"),
        str![[r#"
$ aludel revision --rev-id abc
exit code: 0
----- stdout
versions/abc.sql
----- stderr
created revision abc, a new base
hint: write its SQL into versions/abc.sql, then: aludel upgrade abc

$ aludel revision --rev-id ABC
exit code: 1
----- stderr
error: there is a revision `abc` already, and `ABC` differs from it only in case
hint: choose another with `--rev-id`

"#]],
    );
}

#[test]
fn odd_messages_stay_in_the_directory_and_read_back() {
    let project = empty();
    let long = "x".repeat(10_000);
    for (number, message) in
        ["../../x", "🎉", "🎉 party", "fix: login # 12", "'; DROP TABLE a; --", "  ", &long].iter().enumerate()
    {
        let id = format!("r{number}");
        let _ = project.aludel(["revision", "--rev-id", &id, "-m", message]).succeeded();
        let shown = project.aludel(["show", &id, "--json"]).succeeded().stdout;
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown[0]["message"], *message);
    }
    let long_name = format!("r6_{}_.sql", "x".repeat(40));
    assert_eq!(
        project.list("versions"),
        ["r0_x.sql", "r1.sql", "r2_party.sql", "r3_fix_login_12.sql", "r4_drop_table_a.sql", "r5.sql", &long_name]
    );
    assert_eq!(project.list(".").len(), 2);
}

#[test]
fn a_message_of_two_lines_is_refused() {
    let project = empty();
    let ran = project.aludel(["revision", "-m", "two\nlines"]);
    crate::world::did(
        &ran,
        str![[r#"
exit code: 2
----- stderr
error: a message is one line, and this one holds '\n'

"#]],
    );
    assert!(project.list("versions").is_empty());
}

#[test]
fn ids_of_each_kind() {
    for (kind, name) in
        [("uuid", "9e6aa1b965f4_a.sql"), ("timestamp", "20250102_030405_a.sql"), ("sequence", "001_a.sql")]
    {
        let project = empty();
        project.write("migrate.ini", INI.replace("sequence", kind));
        assert!(session(&project, "revision -m a").contains(&format!("versions/{name}\n")), "{kind}");
        assert_eq!(project.list("versions"), [name]);
    }
}

#[test]
fn a_file_template_with_directories() {
    let project = empty();
    let ini = format!("{INI}file_template = %(year)d/%(month).2d/%(rev)s_%(slug)s\ntimezone = +02:00\n");
    project.write("migrate.ini", &ini);
    let refused = session(&project, "revision -m a");
    project.write("migrate.ini", format!("{ini}recursive_version_locations = yes\n"));
    let accepted = session(&project, "revision -m a\nrevision -m b\nhistory -v");
    same(
        format!("{refused}\n{accepted}"),
        str![[r#"
$ aludel revision -m a
exit code: 2
----- stderr
error: `2025/01/001_a.sql` would not be found again
note: `file_template` has a `/`, and `recursive_version_locations` is off
hint: set `recursive_version_locations = true` in the ini

$ aludel revision -m a
exit code: 0
----- stdout
versions/2025/01/001_a.sql
----- stderr
created revision 001, a new base
hint: write its SQL into versions/2025/01/001_a.sql, then: aludel upgrade 001

$ aludel revision -m b
exit code: 0
----- stdout
versions/2025/01/002_b.sql
----- stderr
created revision 002, after 001
hint: write its SQL into versions/2025/01/002_b.sql, then: aludel upgrade 002

$ aludel history -v
exit code: 0
----- stdout
Rev: 002 (head)
Parent: 001
Path: versions/2025/01/002_b.sql
Created: 2025-01-02T05:04:05+02:00

    b

Rev: 001
Parent: <base>
Path: versions/2025/01/001_a.sql
Created: 2025-01-02T05:04:05+02:00

    a


"#]],
    );
}

#[test]
fn a_file_template_that_says_nothing() {
    let project = empty();
    let mut text = String::new();
    for template in ["%(slug)s", "%(rev)s_%(slugg)s", "../%(rev)s"] {
        project.write("migrate.ini", format!("{INI}file_template = {template}\n"));
        text.push_str(&session(&project, "revision -m a"));
    }
    same(
        text,
        str![[r#"
$ aludel revision -m a
exit code: 2
----- stderr
error: `file_template`: `%(rev)s` is missing: the id makes a file's name its own
 --> migrate.ini:4:17
  |
4 | file_template = %(slug)s
  |                 ^^^^^^^^
$ aludel revision -m a
exit code: 2
----- stderr
error: `file_template`: unknown token `%(slugg)`: did you mean `%(slug)s`?
 --> migrate.ini:4:25
  |
4 | file_template = %(rev)s_%(slugg)s
  |                         ^^^^^^^^
$ aludel revision -m a
exit code: 1
----- stderr
error: the new file cannot be called `../001.sql`: it has `..`, which begins with a dot
hint: choose another id or message, or change `file_template` in the ini

"#]],
    );
    assert!(project.list("versions").is_empty());
}

#[test]
fn several_version_locations() {
    let project = empty();
    project.write("migrate.ini", format!("{INI}version_locations =\n    versions\n    plugins/billing\n"));
    std::fs::create_dir_all(project.path().join("plugins/billing")).unwrap();
    same(
        session(
            &project,
            "revision -m a
             revision -m a --version-path ./versions
             revision -m b --head base --version-path plugins/billing/ --branch-label billing
             revision -m c --head billing@head
             revision -m d --head 001
             history -v",
        ),
        str![[r#"
$ aludel revision -m a
exit code: 2
----- stderr
error: there are several version locations: which one?
hint: --version-path versions
hint: --version-path plugins/billing

$ aludel revision -m a --version-path ./versions
exit code: 0
----- stdout
versions/001_a.sql
----- stderr
created revision 001, a new base
hint: write its SQL into versions/001_a.sql, then: aludel upgrade 001

$ aludel revision -m b --head base --version-path plugins/billing/ --branch-label billing
exit code: 0
----- stdout
plugins/billing/002_b.sql
----- stderr
created revision 002, a new base
hint: write its SQL into plugins/billing/002_b.sql, then: aludel upgrade 002

$ aludel revision -m c --head billing@head
exit code: 0
----- stdout
plugins/billing/003_c.sql
----- stderr
created revision 003, after 002
hint: write its SQL into plugins/billing/003_c.sql, then: aludel upgrade 003

$ aludel revision -m d --head 001
exit code: 0
----- stdout
versions/004_d.sql
----- stderr
created revision 004, after 001
hint: write its SQL into versions/004_d.sql, then: aludel upgrade 004

$ aludel history -v
exit code: 0
----- stdout
Rev: 004 (head)
Parent: 001
Path: versions/004_d.sql
Created: 2025-01-02T03:04:05+00:00

    d

Rev: 001
Parent: <base>
Path: versions/001_a.sql
Created: 2025-01-02T03:04:05+00:00

    a

Rev: 003 (billing) (head)
Parent: 002
Branch names: billing
Path: plugins/billing/003_c.sql
Created: 2025-01-02T03:04:05+00:00

    c

Rev: 002 (billing)
Parent: <base>
Branch names: billing
Path: plugins/billing/002_b.sql
Created: 2025-01-02T03:04:05+00:00

    b


"#]],
    );
}

/// A location inside another one: a file belongs to the inner.
#[test]
fn version_locations_in_one_another() {
    let project = empty();
    let ini = "version_locations =\n    versions\n    ./versions/billing\nrecursive_version_locations = yes\n";
    project.write("migrate.ini", format!("{INI}{ini}"));
    project.write("versions/billing/plans/1.sql", "-- revision: 1\n\n-- migrate:upgrade\n");
    let ran = project.aludel(["-q", "revision", "--rev-id", "2", "--head", "1"]);
    assert_eq!(ran.transcript(), "exit code: 0\n----- stdout\nversions/billing/2.sql\n");
    project.write("migrate.ini", format!("{INI}version_locations = .\nrecursive_version_locations = yes\n"));
    let ran = project.aludel(["-q", "revision", "--rev-id", "3"]);
    assert_eq!(ran.transcript(), "exit code: 0\n----- stdout\n./3.sql\n");
}

#[test]
fn hooks_run_on_the_new_file() {
    let project = empty();
    project.write(
        "migrate.ini",
        format!(
            "{INI}post_write_hooks =\n    sh -c 'echo \"-- checked\" >> \"$1\"; echo tidy: \"$1\"' sh {{}}\n    true\n"
        ),
    );
    same(
        session(&project, "revision -m a\n-q revision -m b"),
        str![[r#"
$ aludel revision -m a
exit code: 0
----- stdout
versions/001_a.sql
----- stderr
created revision 001, a new base
ran sh -c 'echo "-- checked" >> "$1"; echo tidy: "$1"' sh versions/001_a.sql
tidy: versions/001_a.sql
ran true versions/001_a.sql
hint: write its SQL into versions/001_a.sql, then: aludel upgrade 001

$ aludel -q revision -m b
exit code: 0
----- stdout
versions/002_b.sql

"#]],
    );
    assert!(project.read("versions/001_a.sql").ends_with("-- checked\n"));
}

#[test]
fn hooks_that_fail_leave_the_file_and_say_so() {
    let project = empty();
    let mut text = String::new();
    for hook in [
        "sh -c 'echo half done; echo no such style >&2; exit 3'",
        "no_such_formatter -i {}",
        "sed -i s/001/002/ {}",
        "sh -c 'kill -9 $$'",
    ] {
        project.write("migrate.ini", format!("{INI}post_write_hooks = {hook}\n"));
        text.push_str(&session(&project, "revision -m a"));
        assert_eq!(project.list("versions"), ["001_a.sql"]);
        std::fs::remove_file(project.path().join("versions/001_a.sql")).unwrap();
    }
    same(
        text,
        str![[r#"
$ aludel revision -m a
exit code: 1
----- stdout
versions/001_a.sql
----- stderr
error: post-write hook `sh -c 'echo half done; echo no such style >&2; exit 3'` failed: exit status: 3
note: the new file is kept: `versions/001_a.sql`
note: it said: half done
no such style
$ aludel revision -m a
exit code: 1
----- stdout
versions/001_a.sql
----- stderr
error: post-write hook `no_such_formatter -i {}` cannot run: there is no program `no_such_formatter`
note: the new file is kept: `versions/001_a.sql`
hint: install it, or correct the line; no shell reads it
$ aludel revision -m a
exit code: 1
----- stdout
versions/001_a.sql
----- stderr
error: a post-write hook changed `revision`: the header should say `001`
 --> versions/001_a.sql:1:14
  |
1 | -- revision: 002
  |              ^^^
  |
  = note: the file is kept as `post_write_hooks` left it
$ aludel revision -m a
exit code: 1
----- stdout
versions/001_a.sql
----- stderr
error: post-write hook `sh -c 'kill -9 $$'` failed: signal: 9 (SIGKILL)
note: the new file is kept: `versions/001_a.sql`

"#]],
    );
}

#[test]
fn a_template_of_the_projects_own() {
    let project = empty();
    project.write(
        "templates/revision.sql.j2",
        "-- revision: {{ revision }}\n-- parents: {{ parents | yaml }}\n-- message: {{ message | yaml }}\n\
         -- created: {{ created }}\n\n-- Ticket:\n\n-- migrate:upgrade\nSET lock_timeout = '2s';\n",
    );
    same(
        session(&project, "revision -m 'fix: a'"),
        str![[r#"
$ aludel revision -m 'fix: a'
exit code: 0
----- stdout
versions/001_fix_a.sql
----- stderr
created revision 001, a new base
hint: write its SQL into versions/001_fix_a.sql, then: aludel upgrade 001

"#]],
    );
    same(
        project.read("versions/001_fix_a.sql"),
        str![[r#"
-- revision: 001
-- parents: []
-- message: "fix: a"
-- created: 2025-01-02T03:04:05Z

-- Ticket:

-- migrate:upgrade
SET lock_timeout = '2s';

"#]],
    );
    same(
        session(&project, "revision -m b --branch-label shop"),
        str![[r#"
$ aludel revision -m b --branch-label shop
exit code: 1
----- stderr
error: the template lost `labels`: the header should say `[shop]`
note: the file was made by `templates/revision.sql.j2`
note: nothing was written
hint: add a line `-- labels: {{ labels | yaml }}` to the template

"#]],
    );
    let mut text = String::new();
    for template in [
        "-- revision: {{ revision }}\n-- message: {{ message | yaml }}\n-- created: {{ created }}\n",
        "-- revision: {{ revision }}\n-- parents: {{ parents | yaml }}\n-- message: {{ mesage }}\n",
        "-- revision: {{ revision }}\n-- message: {{ message\n",
        "CREATE TABLE a ();\n",
    ] {
        project.write("templates/revision.sql.j2", template);
        text.push_str(&session(&project, "revision -m b"));
    }
    same(
        text,
        str![[r#"
$ aludel revision -m b
exit code: 1
----- stderr
error: the template lost `parents`: the header should say `[001]`
note: the file was made by `templates/revision.sql.j2`
note: nothing was written
hint: add a line `-- parents: {{ parents | yaml }}` to the template
$ aludel revision -m b
exit code: 1
----- stderr
error: cannot render the template: unknown variable `mesage`
 --> templates/revision.sql.j2:3:16
  |
3 | -- message: {{ mesage }}
  |                ^^^^^^
$ aludel revision -m b
exit code: 1
----- stderr
error: cannot render the template: template syntax: unexpected end of input, expected end of variable block
 --> templates/revision.sql.j2:2:16
  |
2 | -- message: {{ message
  |                ^^^^^^^
$ aludel revision -m b
exit code: 1
----- stderr
error: the file has no header
 --> versions/002_b.sql:1:1
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
  = note: the file was made by `templates/revision.sql.j2`
  = note: nothing was written

"#]],
    );
    assert_eq!(project.list("versions"), ["001_fix_a.sql"]);
}

#[test]
fn nothing_is_overwritten() {
    let project = empty();
    project.write("migrate.ini", format!("{INI}recursive_version_locations = no\n"));
    // A directory of that name, and a file that is no revision because of its name's case on another system.
    project.write("versions/001_a.SQL", "-- revision: zzz\n\n-- migrate:upgrade\n");
    same(
        session(&project, "revision -m a --head base"),
        str![[r#"
$ aludel revision -m a --head base
exit code: 1
----- stderr
error: `001_a.SQL` and `001_a.sql` in `versions` differ only in case
note: a file system that does not tell them apart would lose one of them
hint: rename one of the two files

"#]],
    );
    assert_eq!(project.list("versions"), ["001_a.SQL"]);
    let project = empty();
    project.write("versions/0aa_x.sql", "-- revision: zzz\n\n-- migrate:upgrade\n");
    same(
        session(&project, "revision -m x --rev-id 0aa"),
        str![[r#"
$ aludel revision -m x --rev-id 0aa
exit code: 1
----- stderr
error: there is a file `versions/0aa_x.sql` already
note: it is left as it is
hint: choose another id with `--rev-id`, or another message

"#]],
    );
    assert_eq!(project.read("versions/0aa_x.sql"), "-- revision: zzz\n\n-- migrate:upgrade\n");
}

#[test]
fn a_directory_that_cannot_be_written() {
    let project = empty();
    project.write("migrate.ini", INI.replace("\nrevision_id", "\nversion_locations = /proc\nrevision_id"));
    same(
        session(&project, "revision -m a"),
        str![[r#"
$ aludel revision -m a
exit code: 1
----- stderr
error: cannot write `/proc/001_a.sql`
note: caused by: No such file or directory (os error 2)

"#]],
    );
}

#[test]
fn sequences_that_two_branches_would_share() {
    let project = shop();
    std::fs::rename(project.path().join("versions/005.sql"), project.path().join("versions/kept")).unwrap();
    same(
        session(
            &project,
            "revision -m a --head billing@head
             revision -m b --head shop@head",
        ),
        str![[r#"
$ aludel revision -m a --head billing@head
exit code: 0
----- stdout
versions/005_a.sql
----- stderr
created revision 005, after 003
hint: write its SQL into versions/005_a.sql, then: aludel upgrade 005

$ aludel revision -m b --head shop@head
exit code: 0
----- stdout
versions/006_b.sql
----- stderr
created revision 006, after 004
hint: write its SQL into versions/006_b.sql, then: aludel upgrade 006

"#]],
    );
}
