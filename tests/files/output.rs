//! Streams: quiet, colours, a reader that goes away, a disk that is full.

use std::fs::File;
use std::process::Command;

use snapbox::str;

use crate::support::{Project, Ran};
use crate::world::{did, empty, same, session, shop};

fn with(project: &Project, words: &str, variables: &[(&str, &str)]) -> Ran {
    let mut command = project.command(words.split(' '));
    command.envs(variables.iter().copied());
    project.run(command)
}

#[test]
fn the_version() {
    let ran = Project::empty().aludel(["--version"]);
    assert_eq!(ran.transcript(), format!("exit code: 0\n----- stdout\naludel {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn quiet_hides_chatter_alone() {
    let project = empty();
    same(
        session(&project, "-q revision -m a\nrevision -m b --quiet\n-q heads\n-q show 999\nhistory -q -v"),
        str![[r#"
$ aludel -q revision -m a
exit code: 0
----- stdout
versions/001_a.sql

$ aludel revision -m b --quiet
exit code: 0
----- stdout
versions/002_b.sql

$ aludel -q heads
exit code: 0
----- stdout
002 (head)

$ aludel -q show 999
exit code: 1
----- stderr
error: no revision or label is, or begins with, `999`
hint: `aludel history` lists the revisions

$ aludel history -q -v
exit code: 0
----- stdout
Rev: 002 (head)
Parent: 001
Path: versions/002_b.sql
Created: 2025-01-02T03:04:05+00:00

    b

Rev: 001
Parent: <base>
Path: versions/001_a.sql
Created: 2025-01-02T03:04:05+00:00

    a


"#]],
    );
}

#[test]
fn colours() {
    let project = shop();
    let plain = with(&project, "show 999", &[]);
    assert!(!plain.stderr.contains('\x1b'), "{plain:?}");
    let forced = with(&project, "show 999", &[("CLICOLOR_FORCE", "1")]);
    assert!(forced.stderr.contains("\x1b["), "{forced:?}");
    assert_eq!(strip(&forced.stderr), plain.stderr);
    let refused = with(&project, "show 999", &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]);
    assert_eq!(refused, plain);
    let created = with(&project, "init other", &[("CLICOLOR_FORCE", "1")]);
    assert!(created.stderr.contains("\x1b[") && !created.stdout.contains('\x1b'), "{created:?}");
    let json = with(&project, "heads --json", &[("CLICOLOR_FORCE", "1")]);
    assert!(!json.stdout.contains('\x1b'), "{json:?}");
}

fn strip(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}

/// Far more than a pipe holds.
fn many() -> Project {
    let project = empty();
    for number in 1..=1500 {
        let parent = if number == 1 { String::new() } else { format!("{:05}", number - 1) };
        let message = "a message that fills the pipe, said again and again";
        project.write(
            &format!("versions/{number:05}.sql"),
            format!("-- revision: \"{number:05}\"\n-- parents: {parent}\n-- message: {message}\n\n-- migrate:upgrade\nSELECT 1;\n"),
        );
    }
    project
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let project = many();
    for arguments in ["history", "history --json", "history --graph", "upgrade head --sql"] {
        let ran = closed(&project, &format!("{arguments} | head -n 1; echo ${PIPE}"));
        assert_eq!(ran.stderr, "", "{arguments}");
        assert_eq!(ran.stdout.lines().nth(1), Some("0"), "{arguments}: {}", ran.stdout);
    }
}

const PIPE: &str = "{PIPESTATUS[0]}";

#[test]
fn a_full_disk_is_told() {
    let project = many();
    for arguments in ["heads", "history", "history --json", "upgrade head --sql", "--help", "heads --help", "--version"]
    {
        let mut command = project.command(arguments.split(' '));
        command.stdout(File::options().write(true).open("/dev/full").unwrap());
        assert_eq!(
            project.run(command).transcript(),
            "exit code: 1\n----- stderr\nerror: cannot write to standard output\n\
             note: caused by: No space left on device (os error 28)\n",
            "{arguments}"
        );
    }
}

/// A terminal's own signs are data like any other.
#[test]
fn nothing_is_taken_out_of_the_results() {
    let project = empty();
    let statement = "SELECT 'a\x1b[31mred\x1b[0m\tb\u{7f}';";
    project.write("versions/1.sql", format!("-- revision: 1\n\n-- migrate:upgrade\n{statement}\n"));
    let ran = with(&project, "upgrade head --sql", &[("NO_COLOR", "1")]).succeeded();
    assert!(ran.stdout.contains(statement), "{}", ran.stdout);
}

#[test]
fn without_streams() {
    let project = shop();
    did(
        &closed(&project, "heads >&-"),
        str![[r#"
exit code: 0

"#]],
    );
    did(
        &closed(&project, "heads 2>&-"),
        str![[r#"
exit code: 0
----- stdout
004 (shop, store) (effective head)
005 (billing) (head)

"#]],
    );
    did(
        &closed(&project, "show 999 2>&-"),
        str![[r#"
exit code: 1

"#]],
    );
    did(
        &closed(&project, "show 999 2>/dev/full"),
        str![[r#"
exit code: 1

"#]],
    );
}

fn closed(project: &Project, arguments: &str) -> Ran {
    let mut script = Command::new("bash");
    script.args(["-c", &format!("\"$0\" {arguments}")]).arg(env!("CARGO_BIN_EXE_aludel")).current_dir(project.path());
    project.run(script)
}

#[test]
fn a_hint_repeats_what_chose_the_project() {
    let project = shop();
    project.write("other dir/my.ini", "[migrate]\nversion_locations = ../versions\n[dev]\n");
    let lines = "-c 'other dir/my.ini' -n dev plan upgrade head --from 004\n-n dev heads -c nowhere.ini\n\
                 -c 'other dir/my.ini' --url postgres://u:secret@h/d downgrade base --sql\n\
                 -c 'other dir/my.ini' revision -m new --head 005";
    same(
        session(&project, lines),
        str![[r#"
$ aludel -c 'other dir/my.ini' -n dev plan upgrade head --from 004
exit code: 1
----- stderr
error: there are 2 heads: 004, 005
note: 004 is nobody's parent, but 005 depends on it
hint: name one of them, or `LABEL@head`, or `heads` for all
hint: or join them: aludel -c 'other dir/my.ini' -n dev merge heads -m "..."

$ aludel -n dev heads -c nowhere.ini
exit code: 2
----- stderr
error: there is no `nowhere.ini`
hint: type `aludel init` to begin a project here
hint: name the settings of another directory: `-c DIRECTORY/migrate.ini`

$ aludel -c 'other dir/my.ini' --url postgres://u:secret@h/d downgrade base --sql
exit code: 2
----- stderr
error: a downgrade on paper needs to know where the database stands
hint: aludel -c 'other dir/my.ini' --url ... downgrade FROM:base --sql

$ aludel -c 'other dir/my.ini' revision -m new --head 005
exit code: 0
----- stdout
other dir/../versions/896a51a8749b_new.sql
----- stderr
created revision 896a51a8749b, after 005
hint: write its SQL into other dir/../versions/896a51a8749b_new.sql, then: aludel -c 'other dir/my.ini' upgrade 896a51a8749b

"#]],
    );
}
