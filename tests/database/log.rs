//! `log`: the history as people read it.

use serde_json::Value;
use snapbox::{assert_data_eq, str};

use crate::Case;

/// A transcript without times of day and hosts.
#[track_caller]
fn log(case: &Case, arguments: &str) -> String {
    let mut command = case.command(&format!("log {arguments}"));
    let still = |word: &str| match word.as_bytes() {
        bytes if bytes.len() >= 19 && bytes[4] == b'-' && bytes[10] == b'T' => "[DATE]".to_owned(),
        _ => word.to_owned(),
    };
    let transcript = case.project.run({
        command.env("USER", "dana");
        command
    });
    let host = case.ask("SELECT DISTINCT client_host FROM aludel_history WHERE client_host IS NOT NULL");
    let mut text = transcript.transcript().replace(&format!("dana@{}", host.trim()), "dana@[HOST]");
    text = text.lines().map(|line| line.split(' ').map(still).collect::<Vec<_>>().join(" ") + "\n").collect();
    text
}

fn case() -> Case {
    let case = Case::new();
    case.revision("0001", "", "CREATE TABLE a ();", "DROP TABLE a;");
    case.revision("0002", "0001", "CREATE TABLE b ();", "DROP TABLE b;");
    case.revision("0003", "0002", "CREATE TABLE a ();", "");
    let run = |arguments: &str, code: i32| {
        let ran = case.project.run({
            let mut command = case.command(arguments);
            command.env("USER", "dana");
            command
        });
        assert_eq!(ran.code, code, "{}", ran.transcript());
    };
    run("upgrade head", 1);
    run("downgrade 0001", 0);
    run("stamp 0002", 0);
    case
}

#[test]
fn newest_first() {
    let case = case();
    // What ran is told though nobody has its file any more.
    std::fs::remove_file(case.project.path().join("versions/0003.sql")).expect("it is removed");
    assert_data_eq!(
        log(&case, ""),
        str![[r#"
exit code: 0
----- stdout
[DATE]  stamp 0002 step 0002      stamped, by postgres (dana@[HOST])
[DATE]  downgrade 0002 step 0002  done in [TIME], by postgres (dana@[HOST])
[DATE]  upgrade 0003              failed in [TIME], by postgres (dana@[HOST])
    error[42P07]: relation "a" already exists
[DATE]  upgrade 0002 step 0002    done in [TIME], by postgres (dana@[HOST])
[DATE]  upgrade 0001 step 0001    done in [TIME], by postgres (dana@[HOST])

"#]]
    );
    assert_data_eq!(
        log(&case, "--limit 1"),
        str![[r#"
exit code: 0
----- stdout
[DATE]  stamp 0002 step 0002  stamped, by postgres (dana@[HOST])
----- stderr
not shown: 4 older ones
hint: `--limit 0` shows all

"#]]
    );
    assert_data_eq!(
        log(&case, "--failed"),
        str![[r#"
exit code: 0
----- stdout
[DATE]  upgrade 0003  failed in [TIME], by postgres (dana@[HOST])
    error[42P07]: relation "a" already exists

"#]]
    );
}

fn revisions(case: &Case, arguments: &str) -> Vec<String> {
    let ran = case.succeeds(&format!("log --json {arguments}"));
    let json: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let entry =
        |entry: &Value| format!("{} {}", entry["direction"].as_str().unwrap(), entry["revision"].as_str().unwrap());
    json["entries"].as_array().expect("a list").iter().map(entry).collect()
}

#[test]
fn filters() {
    let case = case();
    let all = ["stamp 0002", "downgrade 0002", "upgrade 0003", "upgrade 0002", "upgrade 0001"];
    assert_eq!(revisions(&case, ""), all);
    assert_eq!(revisions(&case, "--limit 0"), all);
    assert_eq!(revisions(&case, "--limit 2"), all[..2]);
    assert_eq!(revisions(&case, "--revision 0002"), ["stamp 0002", "downgrade 0002", "upgrade 0002"]);
    assert_eq!(revisions(&case, "--revision 000"), [""; 0], "of short ids no beginning means anything");
    assert_eq!(revisions(&case, "--failed"), ["upgrade 0003"]);
    assert_eq!(revisions(&case, "--since 1h"), all);
    let _ = case.ask("UPDATE aludel_history SET finished_at = finished_at - interval '3 days' WHERE revision = '0001'");
    assert_eq!(revisions(&case, "--since 2d"), all[..4]);
    assert_eq!(revisions(&case, "--since 2020-01-01"), all);
    assert_eq!(revisions(&case, "--since 2999-01-01T00:00:00Z"), [""; 0]);
    // To the microsecond.
    let when = |offset: &str| {
        case.ask(&format!("SELECT to_char((max(finished_at) + interval '{offset}') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM aludel_history"))
    };
    assert_eq!(revisions(&case, &format!("--since {}", when("0 s").trim())), all[..1]);
    assert_eq!(revisions(&case, &format!("--since {}", when("1 microsecond").trim())), [""; 0]);
    let run = case.ask("SELECT run FROM aludel_history WHERE revision = '0003'");
    assert_eq!(revisions(&case, &format!("--run {}", run.trim())), ["upgrade 0003", "upgrade 0002", "upgrade 0001"]);
    assert_eq!(revisions(&case, &format!("--run {}", &run[..8])), ["upgrade 0003", "upgrade 0002", "upgrade 0001"]);
    assert_eq!(revisions(&case, "--run nobodys"), [""; 0]);
    let nothing = |arguments: &str| case.succeeds(&format!("log {arguments}")).stderr;
    assert_data_eq!(
        nothing("--revision 009"),
        str![[r#"
the history holds nothing of 009
hint: `aludel log` shows what it holds; an id of less than four characters is taken as a whole one

"#]]
    );
    assert_data_eq!(
        nothing("--run abc --since 1d --failed"),
        str![[r#"
the history holds nothing in the run abc that failed since then
hint: `aludel log -v` shows what it holds, each with its run

"#]]
    );
    for arguments in ["--since yesterday", "--since d", "--limit 99999999999999", "--limit -1"] {
        let ran = case.run(&format!("log {arguments}"));
        assert_eq!(ran.code, 2, "{}", ran.transcript());
    }
    // Another project's rows in the same table.
    let _ = case.ask("INSERT INTO aludel_history (version_table, run, direction, revision, outcome, started_at, finished_at, role, tool)
        VALUES ('others', 'r', 'upgrade', 'x', 'done', now(), now(), 'r', 't')");
    assert_eq!(revisions(&case, ""), ["stamp 0002", "downgrade 0002", "upgrade 0003", "upgrade 0002", "upgrade 0001"]);
}

/// What stays of a revision is told apart from what was rolled back.
#[test]
fn one_that_stopped_partway() {
    let case = Case::new();
    case.file(
        "0001",
        "",
        "-- migrate:upgrade transaction:false\nCREATE TABLE a ();\nSELECT 1/0;\n-- migrate:downgrade\nDROP TABLE a;\n",
    );
    assert_eq!(case.run("upgrade head").code, 4);
    assert_data_eq!(
        log(&case, "--failed").replace("@[HOST]", ""),
        str![[r#"
exit code: 0
----- stdout
[DATE]  upgrade 0001 step 0001  partial in [TIME], by postgres (dana)
    error[22012]: division by zero

"#]]
    );
    assert_eq!(case.ask("SELECT outcome FROM aludel_history"), "partial\n");
}

/// What is in the table may come from anybody.
#[test]
fn nothing_in_it_acts_on_the_terminal() {
    let case = case();
    let _ = case.ask("UPDATE aludel_history SET message = E'a\\x1b[2J\\x07b\\nc', client_user = E'\\x1b]0;d\\r' WHERE revision = '0003'");
    for arguments in ["log", "log -v"] {
        let told = case.succeeds(arguments).stdout;
        assert!(told.contains("a\\u{1b}[2J\\u{7}b\n    c"), "{told}");
        assert!(told.contains("(\\u{1b}]0;d\\r@"), "{told}");
        assert!(!told.contains(|c: char| c.is_control() && c != '\n'), "{told:?}");
    }
}

#[test]
fn slow_ones_are_marked() {
    let case = case();
    let _ = case.ask("UPDATE aludel_history SET started_at = finished_at - interval '15 min' WHERE revision = '0001'");
    let slow = |arguments: &str| {
        let ran = case.succeeds(arguments);
        ran.stdout.lines().filter(|line| line.contains("(slow)")).map(|line| line[22..].to_owned()).collect::<Vec<_>>()
    };
    assert!(
        matches!(&slow("log")[..], [line] if line.starts_with("upgrade 0001 step 0001    done in 15 min (slow), by ")),
        "{:?}",
        slow("log")
    );
    let ini = case.project.read("migrate.ini");
    case.project.write("migrate.ini", format!("{ini}slow_after = 16min\n"));
    assert_eq!(slow("log"), [""; 0]);
    case.project.write("migrate.ini", format!("{ini}slow_after = 0\n"));
    assert_eq!(slow("log"), [""; 0]);
}

#[test]
fn no_history() {
    let case = Case::new();
    let ran = case.succeeds("log");
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.starts_with("there is no history on "), "{}", ran.stderr);
    let _ = case.succeeds("ensure-version");
    assert_eq!(case.succeeds("log").stderr, "the history is empty\n");
    assert_eq!(
        case.succeeds("log --failed").stderr,
        "the history holds nothing that failed\nhint: `aludel log` shows what it holds\n"
    );
}

#[test]
fn a_role_that_may_not_read_it() {
    let case = case();
    let _ = case.ask("DO $$ BEGIN CREATE ROLE log_reader LOGIN; EXCEPTION WHEN duplicate_object THEN END $$; GRANT SELECT ON aludel_version, aludel_progress TO log_reader");
    let url = case.database.url().replace("user=postgres", "user=log_reader");
    case.project.write("migrate.ini", format!("[migrate]\nurl = {url}\n"));
    let ran = case.run("log");
    assert_eq!(ran.code, 1, "{}", ran.transcript());
    assert!(ran.stderr.contains("hint: GRANT SELECT ON public.aludel_history TO log_reader;"), "{}", ran.stderr);
    let _ = case.ask("DROP OWNED BY log_reader");
}
