//! What somebody who is new runs into: a conflict left by git, an `-x` that would do nothing, a password in a template.

use snapbox::str;

use crate::support::Project;
use crate::world::{empty, same, session};

#[test]
fn a_conflict_that_git_left_is_refused_wherever_it_stands() {
    let project = empty();
    project.write(
        "versions/1.sql",
        "-- revision: 1\n<<<<<<< HEAD\n-- message: ours\n=======\n-- message: theirs\n>>>>>>> other\n\n-- migrate:upgrade\n",
    );
    same(
        session(&project, "heads"),
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: a merge in git left a conflict here: the file holds both sides
 --> versions/1.sql:2:1
  |
2 | <<<<<<< HEAD
  | ^^^^^^^^^^^^
  |
  = hint: keep what is right, and take out the lines `<<<<<<<`, `=======` and `>>>>>>>`

"#]],
    );
    let body =
        "-- revision: 1\n\n-- migrate:upgrade\nSELECT 1;\n<<<<<<< HEAD\nSELECT 2;\n=======\nSELECT '\n>>>>>>> x';\n";
    project.write("versions/1.sql", body);
    same(
        session(&project, "upgrade head --sql"),
        str![[r#"
$ aludel upgrade head --sql
exit code: 1
----- stderr
error: a merge in git left a conflict here: the file holds both sides
 --> versions/1.sql:5:1
  |
5 | <<<<<<< HEAD
  | ^^^^^^^^^^^^
  |
  = note: nothing was run
  = hint: keep what is right, and take out the lines `<<<<<<<`, `=======` and `>>>>>>>`

"#]],
    );
    project.write("versions/1.sql", "-- revision: 1\n\n-- migrate:upgrade\nSELECT '\n=======\n <<<<<<< a', 1<<2;\n");
    assert!(session(&project, "upgrade head --sql").contains("exit code: 0"));
}

#[test]
fn an_x_that_would_be_passed_over_is_refused() {
    let project = empty();
    project.write(
        "migrate.ini",
        "[migrate]\nurl = {{ x.dbUrl }}\n[production]\nurl = postgresql://h/d\n[staging]\nlock_wait = {{ x.wait }}\n[variables]\nknown = 1\n",
    );
    project.write(
        "versions/1.sql",
        "-- revision: 1\n-- template: true\n\n-- migrate:upgrade\nSELECT {{ tenant | literal }};\n",
    );
    same(
        session(
            &project,
            "current -n production -x dbUrl=postgresql://h/e\nensure-version -n production -x dbUrl=postgresql://h/e\nheads -x wait=1s\nheads -x nobody=1\nheads -n production -x tenant=a\nheads -n staging -x dbUrl=local -x wait=1s\nheads -x known=2",
        ),
        str![[r#"
$ aludel current -n production -x dbUrl=postgresql://h/e
exit code: 2
----- stderr
error: `-x dbUrl=...` would be passed over: nothing in force reads `x.dbUrl`
 --> migrate.ini:2:7
  |
2 | url = {{ x.dbUrl }}
  |       ^^^^^^^^^^^^^ read here
  |
  = note: `production` (by `-n`) has its own `url`, which lies over that of `[migrate]`
  = hint: leave `-x dbUrl` out, or leave `-n` out

$ aludel ensure-version -n production -x dbUrl=postgresql://h/e
exit code: 2
----- stderr
error: `-x dbUrl=...` would be passed over: nothing in force reads `x.dbUrl`
 --> migrate.ini:2:7
  |
2 | url = {{ x.dbUrl }}
  |       ^^^^^^^^^^^^^ read here
  |
  = note: `production` (by `-n`) has its own `url`, which lies over that of `[migrate]`
  = hint: leave `-x dbUrl` out, or leave `-n` out

$ aludel heads -x wait=1s
exit code: 2
----- stderr
error: `-x wait=...` would be passed over: nothing in force reads `x.wait`
 --> migrate.ini:6:13
  |
6 | lock_wait = {{ x.wait }}
  |             ^^^^^^^^^^^^ read here
  |
  = hint: choose that section: `-n staging`

$ aludel heads -x nobody=1
exit code: 2
----- stderr
error: `-x nobody=...` would be passed over: nothing in force reads `x.nobody`
note: no revision that is a template does either

$ aludel heads -n production -x tenant=a
exit code: 0
----- stdout
1 (head)

$ aludel heads -n staging -x dbUrl=local -x wait=1s
exit code: 0
----- stdout
1 (head)

$ aludel heads -x known=2
exit code: 0
----- stdout
1 (head)

"#]],
    );
}

#[test]
fn a_template_s_value_is_not_in_an_error() {
    let project = empty();
    project.write(
        "versions/1.sql",
        "-- revision: 1\n-- template: true\n\n-- migrate:upgrade\nCREATE ROLE x (PASSWORD {{ p | literal }};\n",
    );
    same(
        session(&project, "upgrade head --sql -x p=S3cr3t"),
        str![[r#"
$ aludel upgrade head --sql -x p=S3cr3t
exit code: 1
----- stderr
error: a parenthesis is opened here and never closed
 --> versions/1.sql:5:1
  |
5 | CREATE ROLE x (PASSWORD {{ p | literal }};
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: nothing was run

"#]],
    );
}

#[test]
fn a_password_behind_a_host_is_not_shown() {
    same(
        session(&empty(), "current --url host=127.0.0.1;password=S3cr3t"),
        str![[r#"
$ aludel current --url host=127.0.0.1;password=S3cr3t
exit code: 2
----- stderr
error: cannot read where the database is: `host` holds a `;`, a `=` or a blank, so it is no name
hint: part `key=value` settings with blanks, not with `;`: `host=h user=u dbname=d`

"#]],
    );
}

#[test]
fn an_empty_upgrade_is_told() {
    let project = empty();
    project.write("versions/1.sql", "-- revision: 1\n\n-- migrate:upgrade\n");
    same(
        session(&project, "plan upgrade head --from base"),
        str![[r#"
$ aludel plan upgrade head --from base
exit code: 0
----- stdout
upgrade <base> -> 1
----- stderr
warning: the upgrade section of 1 is empty: it does nothing (versions/1.sql)
1 revision, from base to 1

"#]],
    );
}

#[test]
fn steps_the_wrong_way_and_help() {
    let project = empty();
    project.write("versions/1.sql", "-- revision: 1\n\n-- migrate:upgrade\nSELECT 1;\n");
    same(
        session(&project, "upgrade -1 --sql\nplan upgrade -1 --from 1"),
        str![[r#"
$ aludel upgrade -1 --sql
exit code: 1
----- stderr
error: `-1` is no way to go: an upgrade goes up, at least one step
hint: aludel downgrade -1

$ aludel plan upgrade -1 --from 1
exit code: 1
----- stderr
error: `-1` is no way to go: an upgrade goes up, at least one step
hint: aludel downgrade -1

"#]],
    );
    assert_eq!(
        project.aludel(["help", "upgrade"]).succeeded().stdout,
        project.aludel(["upgrade", "--help"]).succeeded().stdout
    );
}

#[test]
fn settings_further_up_are_named_and_a_directory_is_taken() {
    let project = Project::empty();
    project.write("migrate.ini", "[migrate]\nlock_timout = 2s\nurl = local\n");
    project.write("below/note", "");
    let mut command = project.command(["heads"]);
    command.current_dir(project.path().join("below"));
    same(
        project.run(command).transcript(),
        str![[r#"
exit code: 2
----- stderr
error: there is no `migrate.ini`
hint: there is one further up: `-c ../migrate.ini`

"#]],
    );
    let mut command = project.command(["heads", "-c", ".."]);
    command.current_dir(project.path().join("below"));
    same(
        project.run(command).transcript(),
        str![[r#"
exit code: 2
----- stderr
error: unknown setting `lock_timout`
 --> ../migrate.ini:2:1
  |
2 | lock_timout = 2s
  | ^^^^^^^^^^^
  |
  = hint: call it `lock_timeout`

"#]],
    );
}

#[test]
fn a_hook_that_ruins_the_body_is_noticed() {
    let project = empty();
    project.write(
        "migrate.ini",
        "[migrate]\nrevision_id = sequence\npost_write_hooks = sed -i s/migrate:downgrade/migrate:down/ {}\n",
    );
    same(
        session(&project, "revision -m a"),
        str![[r#"
$ aludel revision -m a
exit code: 1
----- stdout
versions/001_a.sql
----- stderr
error: there is no section `down`
 --> versions/001_a.sql:8:12
  |
8 | -- migrate:down
  |            ^^^^
  |
  = note: the file is kept as `post_write_hooks` left it
  = hint: did you mean `-- migrate:downgrade`?

"#]],
    );
}
