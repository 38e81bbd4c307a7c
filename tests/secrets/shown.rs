//! What is shown of the settings: commands as they are written, connections and values without what is secret in them.

use crate::Case;
use crate::canary::{HEAD, clean, encoded, password};
use crate::support::Project;

/// A hook is named while it runs, in both forms of the log, on paper, and by `env`: as it is written.
#[test]
fn commands_with_a_secret_from_a_template() {
    let case = Case::new();
    let lines = "before_upgrade = sh -c \"true {{ env.TOKEN }}\"\nafter_upgrade = false {{ env.TOKEN }} --now\n\
                 on_failure = true {{ env.TOKEN }}\npassword_command = echo {{ env.TOKEN }}\n\
                 post_write_hooks = sh -c \"true {{ x.key }}\"\n";
    case.project.write("migrate.ini", format!("[migrate]\nurl = {{{{ env.DATABASE_URL }}}}\n{lines}"));
    let target = case.target();
    for (arguments, code, named) in [
        ("upgrade 001", 6, "ran before_upgrade `sh -c \"true {{ env.TOKEN }}\"`"),
        ("upgrade 001 --log-format json", 0, ""),
        ("downgrade base -q", 0, ""),
        ("upgrade 001 --sql", 0, "before_upgrade `sh -c \"true {{ env.TOKEN }}\"`"),
        ("revision -m more", 0, ""),
        ("env", 0, "sh -c \"true {{ env.TOKEN }}\""),
        ("env -v", 0, "echo {{ env.TOKEN }}"),
        ("env --json", 0, "false {{ env.TOKEN }} --now"),
        ("env after_upgrade", 0, "false {{ env.TOKEN }} --now"),
        ("env password_command", 0, "echo {{ env.TOKEN }}"),
    ] {
        let mut command = case.project.command(arguments.split(' '));
        command.arg("-x").arg(format!("key={}", password(""))).env("TOKEN", password(""));
        command.env("DATABASE_URL", target.encoded());
        let ran = case.run(command);
        assert_eq!(ran.code, code, "{arguments}: {}", ran.transcript());
        assert!(ran.transcript().contains(named), "{arguments}: {}", ran.transcript());
    }
}

/// A program that is not there, and a word for a shell, are named as they are written.
#[test]
fn commands_that_cannot_be_run() {
    let case = Case::new();
    let target = case.target();
    for (line, code, named) in [
        ("before_upgrade = {{ env.TOKEN }} a", 1, "there is no program `{{ env.TOKEN }} a`"),
        ("before_upgrade = {{ env.TOKEN }} | a", 2, "`before_upgrade` asks for a shell"),
        ("password_command = echo {{ env.TOKEN }} > a", 2, "`password_command` asks for a shell"),
    ] {
        case.project.write("migrate.ini", format!("[migrate]\nurl = {{{{ env.DATABASE_URL }}}}\n{line}\n"));
        let mut command = case.project.command(["upgrade", "001"]);
        command.env("TOKEN", password("")).env("DATABASE_URL", target.encoded());
        let ran = case.run(command);
        assert!(ran.code == code && ran.stderr.contains(named), "{line}: {}", ran.transcript());
    }
}

/// `env` of these settings and arguments shows no trace of a password.
#[track_caller]
fn env_is_clean(url: &str, x: &[&str], shown: &str) {
    let project = Project::empty();
    project.write("migrate.ini", format!("[migrate]\nurl = {url}\n"));
    for arguments in ["env", "env -v", "env --json", "env url"] {
        let mut command = project.command(arguments.split(' '));
        x.iter().for_each(|x| _ = command.args(["-x", x]));
        let ran = project.run(command);
        clean(format_args!("{arguments}, {url}"), &ran.transcript());
        assert!(arguments != "env" || ran.stdout.contains(shown), "{url}: {}", ran.transcript());
    }
}

#[test]
fn a_value_of_x_that_is_the_urls_password() {
    let canary = password("");
    env_is_clean("postgres://u:{{ x.p }}@h/d", &[&format!("p={canary}")], "p  ***");
    env_is_clean("postgres://u:{{ x.p }}@h/d", &[&format!("p={}", encoded(&password("@")))], "p  ***");
    env_is_clean("postgres://u:{{ x.p }}@h:port/d", &[&format!("p={canary}")], "p  ***");
    env_is_clean("postgres://{{ x.p }}@h/d", &[&format!("p=u:{canary}")], "postgresql://u:***@h");
    let half = format!("p={}", &canary[..HEAD.len()]);
    env_is_clean("postgres://u:{{ x.p }}{{ x.q }}@h/d", &[&half, &format!("q={HEAD}")], "q  ***");
    // What is no part of it is shown.
    env_is_clean(
        "postgres://u:{{ x.p }}@{{ x.host }}/d",
        &[&format!("p={canary}"), "host=db.internal"],
        "host  db.internal  -x",
    );
}

#[test]
fn a_connection_string_that_hides_where_its_secrets_are() {
    let canary = encoded(&password("")).replacen('A', "%41", 1);
    env_is_clean(&format!("postgres://u@h/d?pass%77ord={canary}"), &[], "password  ***");
    env_is_clean(&format!("postgres://u@h/d?options=-c%20app.token%3D{canary}"), &[], "-c app.token=***");
    env_is_clean(
        &format!("host=h user=u dbname=d options='-c app.api_key={}'", password("")),
        &[],
        "-c app.api_key=***",
    );
}

/// What others can read is warned of, whichever way it got there.
#[test]
fn secrets_that_everyone_can_read() {
    let mut case = Case::new();
    let target = case.target();
    let typed = |option: &str| format!("warning: everyone on this machine can read the password in `{option}`");
    for (url, x, wanted) in [
        ("{{ env.DATABASE_URL }}".to_owned(), format!("app_password={}", password("")), typed("-x app_password")),
        (target.url("{{ x.p }}"), format!("p={}", encoded(&target.password)), typed("-x p")),
        (
            format!("{}&sslpassword={}", target.without_password(), password("")),
            String::new(),
            "warning: a password stands in migrate.ini:2".to_owned(),
        ),
    ] {
        case.write_secret("migrate.ini", &format!("[migrate]\nurl = {url}\n[variables]\napp_password =\n"));
        let mut command = case.project.command(["status"]);
        command.env("DATABASE_URL", target.encoded()).env("PGPASSWORD", &target.password);
        if !x.is_empty() {
            command.args(["-x", &x]);
        }
        let ran = case.run(command);
        assert_eq!(ran.code, 0, "{}", ran.transcript());
        assert!(ran.stderr.contains(&wanted), "{wanted}: {}", ran.transcript());
    }
}

/// A line too long to be told at once is cut, and not within a password.
#[test]
fn a_hook_that_says_a_password_at_the_end_of_a_long_line() {
    let case = Case::new();
    let script =
        "#!/bin/sh\nfor n in $(seq 8150 8200); do head -c $n /dev/zero | tr '\\0' x; echo \"$PGPASSWORD\"; done\n";
    case.project.write("hook.sh", script);
    case.project.write("migrate.ini", "[migrate]\nurl = {{ env.DATABASE_URL }}\nbefore_upgrade = sh hook.sh\n");
    let mut command = case.project.command(["upgrade", "001"]);
    command.env("DATABASE_URL", case.target().encoded());
    let ran = case.run(command);
    assert_eq!(ran.code, 0, "{}", ran.transcript());
    // Nor a piece of it.
    assert_eq!(ran.stderr.matches("***").count(), 51);
    assert!(!ran.stderr.contains("xcA") && !ran.stderr.contains("before_upgrade: n"), "{}", ran.transcript());
}
