//! `--log-format json`, `slow_after` and `--metrics`: what machines are told of a run.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Case;
use crate::together::lock_key;

/// Of docs/json.md, the rows of the table below a heading: first cell and second.
fn documented(heading: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/json.md")).expect("docs/json.md");
    let section = text.split(&format!("# {heading}\n")).nth(1).expect("the heading");
    let section = section.split("\n#").next().expect("a section");
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        Some((cells.next()?.trim_end_matches('`').to_owned(), cells.next()?.to_owned()))
    };
    section.lines().filter_map(row).collect()
}

/// The lines of a log: each is an event as docs/json.md has it.
#[track_caller]
fn events(log: &str) -> Vec<Value> {
    let (mut fields, levels) = (documented("The log"), documented("Events"));
    assert!(fields.len() > 20 && levels.len() > 15, "the page is read");
    let mut events = Vec::new();
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let names: Vec<&str> = event.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(names[..4], ["time", "level", "event", "message"], "{line}");
        let name = event["event"].as_str().expect("a name");
        let level = event["level"].as_str().expect("a level");
        assert!(levels.get(name).is_some_and(|levels| levels.split(" or ").any(|one| one == level)), "{line}");
        let time = event["time"].as_str().expect("a time");
        assert!(time.len() == 24 && time.ends_with('Z'), "{line}");
        if name == "error" {
            fields.extend(documented("An error"));
        }
        for (field, value) in event.as_object().expect("an object") {
            let right = match fields.get(field).map(String::as_str) {
                Some("string" | "string or null") => value.is_string(),
                Some("number") => value.is_u64(),
                Some("decimal") => value.is_f64(),
                Some(kind) if kind.starts_with("list of ") => value.is_array(),
                _ => false,
            };
            assert!(right, "`{field}` of {line}");
        }
        events.push(event);
    }
    events
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().expect("a name")).collect()
}

#[track_caller]
fn the<'a>(events: &'a [Value], name: &str) -> &'a Value {
    let mut found = events.iter().filter(|event| event["event"] == name);
    let first = found.next().unwrap_or_else(|| panic!("no {name}: {events:#?}"));
    assert!(found.next().is_none(), "one {name}: {events:#?}");
    first
}

#[test]
fn a_run_that_goes_well() {
    let case = Case::new();
    case.revision(
        "001",
        "",
        "CREATE TABLE a ();\nDO $$ BEGIN RAISE NOTICE E'two\\nlines \"x\"'; END $$;",
        "DROP TABLE a;",
    );
    case.file(
        "002",
        "001",
        "-- migrate:upgrade transaction:false\nCREATE INDEX CONCURRENTLY i ON a ((1));\nCOMMENT ON TABLE a IS 'b';\n-- migrate:downgrade\nDROP INDEX i;\n",
    );
    let ran = case.succeeds("upgrade head --log-format json");
    let log = events(&ran.stderr);
    assert_eq!(ran.stdout, "");
    assert_eq!(
        names(&log),
        [
            "run_started",
            "revision_started",
            "notice",
            "revision_finished",
            "revision_started",
            "statement_finished",
            "statement_finished",
            "revision_finished",
            "run_finished"
        ]
    );
    let counts = ["revisions", "repeatables", "finished"].map(|field| the(&log, "run_finished")[field].clone());
    assert_eq!(counts, [2, 0, 2]);
    let run = case.ask("SELECT DISTINCT run FROM aludel_history");
    assert!(log.iter().all(|event| event["run"] == run.trim()), "{log:#?}");
    assert_eq!(the(&log, "notice")["message"], "two\nlines \"x\"");
    let places: Vec<&Value> = log.iter().map(|event| &event["place"]).filter(|place| !place.is_null()).collect();
    assert_eq!(places, ["versions/002.sql:6:1", "versions/002.sql:7:1"]);
    assert_eq!((&log[6]["statement"], &log[6]["revision"]), (&2.into(), &"002".into()));
    assert_eq!(the(&log, "run_finished")["rows_after"], serde_json::json!(["002"]));
    assert_eq!(the(&log, "run_finished")["outcome"], "done");
    // Results stay what they are; the variable means the same as the option.
    let plain = case.succeeds("status").stdout;
    let mut command = case.command("status -v");
    let told = case.project.run({
        command.env("ALUDEL_LOG_FORMAT", "json");
        command
    });
    assert_eq!(told.stdout, plain);
    assert!(names(&events(&told.stderr)).contains(&"connecting"), "{}", told.stderr);
    // Nothing but warnings and errors.
    assert_eq!(case.succeeds("downgrade 001 --log-format=json -q").stderr.lines().count(), 0);
}

#[test]
fn a_run_that_fails() {
    let case = Case::new();
    case.revision("001", "", "CREATE TABLE a ();", "");
    case.revision("002", "001", "CREATE TABLE a ();", "");
    let ran = case.run("--log-format json -q upgrade head");
    assert_eq!(ran.code, 1);
    let log = events(&ran.stderr);
    assert_eq!(names(&log), ["revision_finished", "run_finished", "error"]);
    let failed = serde_json::json!(["002", "failed", "42P07", "versions/002.sql:6:1"]);
    let said = ["revision", "outcome", "sqlstate", "place"].map(|field| log[0][field].clone());
    assert_eq!(Value::from(said.to_vec()), failed);
    assert!(log[0]["seconds"].as_f64().is_some_and(|time| time > 0.0), "{}", log[0]);
    assert_eq!((&log[1]["revisions"], &log[1]["finished"]), (&2.into(), &1.into()));
    assert_eq!(log[2]["notes"][0], "nothing of revision 002 was kept");
    assert!(!log[2]["hints"].as_array().expect("a list").is_empty());
    // Nothing listens there.
    case.project.write("migrate.ini", "[migrate]\nurl = postgres://x:cAnArY@127.0.0.1:1/x\n");
    let ran = case.run("--log-format json upgrade head");
    let log = events(&ran.stderr);
    assert_eq!(the(&log, "error")["reason"], "refused");
    assert!(!ran.stderr.contains("cAnArY"), "{}", ran.stderr);
}

/// What counts revisions counts no hooks and no repeatable files.
#[test]
fn hooks_and_repeatable_files_have_events_of_their_own() {
    let case = Case::with("before_upgrade = true\non_failure = sh -c 'echo sorry; exit 2'\nmetrics = run.prom\n");
    case.revision("001", "", "CREATE TABLE a ();", "");
    let view = |body: &str| {
        case.project.write("versions/repeatable/v.sql", format!("-- repeatable: v\n\n{body}\n"));
    };
    view("CREATE VIEW v AS SELECT 1;");
    let sample = |metric: &str| {
        let found = samples(&case.project.read("run.prom")).into_iter();
        let plain = found.map(|(name, value)| {
            (name.replace(&format!("database=\"{}\",environment=\"\"", case.database.name), ""), value)
        });
        plain.filter(|(name, _)| name.replace("{,", "{") == format!("aludel_{metric}")).map(|(_, value)| value).next()
    };
    let log = events(&case.succeeds("upgrade head --log-format json").stderr);
    let all = [
        "run_started",
        "hook_started",
        "hook_finished",
        "revision_started",
        "revision_finished",
        "repeatable_started",
        "repeatable_finished",
        "run_finished",
    ];
    assert_eq!(names(&log), all);
    assert_eq!((&log[1]["hook"], &log[1]["revision"]), (&"before_upgrade".into(), &Value::Null));
    assert_eq!((&log[5]["repeatable"], &log[5]["revision"]), (&"v".into(), &Value::Null));
    let end = the(&log, "run_finished");
    assert_eq!(["revisions", "repeatables", "finished"].map(|field| end[field].clone()), [1, 1, 2]);
    assert_eq!(end["message"], "1 revision, 1 repeatable; at 001");
    assert_eq!((sample("run_revisions{}"), sample("run_repeatables{}")), (Some(1.0), Some(1.0)));
    assert_eq!(sample("repeatables_pending{}"), Some(0.0));
    assert!(sample("repeatable_duration_seconds{repeatable=\"v\"}").is_some());
    assert!(sample("revision_duration_seconds{revision=\"v\",direction=\"repeat\"}").is_none());

    // What comes behind the failure is of the same run, and not what failed.
    view("SELECT pg_sleep(0.3); SELECT 1/0;");
    let ran = case.run("upgrade head --log-format json");
    let log = events(&ran.stderr);
    let failed = the(&log, "repeatable_finished");
    assert_eq!((&failed["repeatable"], &failed["outcome"]), (&"v".into(), &"failed".into()));
    assert!(failed["seconds"].as_f64().is_some_and(|time| time >= 0.3), "{failed}");
    assert_eq!(names(&log)[names(&log).len() - 5..], ["run_finished", "hook_started", "program", "warning", "error"]);
    let of_the_run = log.iter().filter(|event| !event["hook"].is_null());
    assert!(
        of_the_run.clone().count() >= 3 && of_the_run.clone().all(|event| event["run"] == failed["run"]),
        "{log:#?}"
    );
    assert_eq!(sample("run_failure{repeatable=\"v\",sqlstate=\"22012\",kind=\"failed\"}"), Some(1.0));
    assert_eq!((sample("run_repeatables{}"), sample("repeatables_pending{}")), (Some(0.0), Some(1.0)));

    let ini = case.project.read("migrate.ini").replace("before_upgrade = true", "before_upgrade = false");
    case.project.write("migrate.ini", ini);
    let log = events(&case.run("upgrade head --log-format json").stderr);
    let failed = log.iter().find(|event| event["event"] == "hook_finished").expect("the hook ends");
    assert_eq!((&failed["hook"], &failed["outcome"]), (&"before_upgrade".into(), &"failed".into()));
    assert!(failed["seconds"].as_f64().is_some(), "{failed}");
    assert_eq!(sample("run_failure{hook=\"before_upgrade\",sqlstate=\"\",kind=\"failed\"}"), Some(1.0));
    let _ = case.succeeds("downgrade base --metrics run.prom");
    assert_eq!(sample("repeatables_pending{}"), None, "nobody knows them behind a downgrade");
}

#[test]
fn mistakes_of_the_command_line() {
    let case = Case::new();
    for arguments in [
        "--log-format json upgrad",
        "--log-format=json upgrade",
        "upgrade head --nonsense --log-format json",
        "--log-format json -c nowhere.ini status",
        "--log-format json -x status",
        "--log-format json show 999",
    ] {
        let ran = case.run(arguments);
        let log = events(&ran.stderr);
        assert_eq!(names(&log), ["error"], "{arguments}");
        assert_eq!(log[0]["exit_code"], ran.code, "{arguments}");
        assert!(!log[0]["message"].as_str().expect("a message").contains('\n'), "{arguments}: {}", ran.stderr);
    }
    let log = events(&case.run("--log-format json upgrad").stderr);
    assert_eq!(log[0]["message"], "unrecognized subcommand 'upgrad'");
    for arguments in ["--log-format JSON show 999", "show 999"] {
        let mut command = case.command(arguments);
        command.env("ALUDEL_LOG_FORMAT", "Json");
        assert_eq!(names(&events(&case.project.run(command).stderr)), ["error"], "{arguments}");
    }
    let mut command = case.command("status");
    let ran = case.project.run({
        command.env("ALUDEL_LOG_FORMAT", "jsn");
        command
    });
    assert_eq!((ran.code, ran.stderr.lines().next()), (2, Some("error: `ALUDEL_LOG_FORMAT` is `jsn`")));
    // What is typed wins, and where it is no format, the variable still says for whom.
    for (arguments, variable, said) in [
        ("--log-format json show 999", "xml", "no such version location: `versions`"),
        ("--log-format xml show 999", "json", "invalid value 'xml' for '--log-format <FORMAT>'"),
    ] {
        let mut command = case.command(arguments);
        command.env("ALUDEL_LOG_FORMAT", variable);
        let log = events(&case.project.run(command).stderr);
        assert_eq!((names(&log), &log[0]["message"]), (vec!["error"], &said.into()), "{arguments}");
    }
}

#[test]
fn what_a_program_of_the_settings_says() {
    let case = Case::with("password_command = sh -c 'echo no luck >&2; echo cAnArY; exit 3'\n");
    case.chain(1);
    let ran = case.run("--log-format json upgrade head");
    let log = events(&ran.stderr);
    assert_eq!((ran.code, names(&log)), (1, vec!["program", "error"]), "{}", ran.stderr);
    assert_eq!((&log[0]["message"], &log[0]["program"]), (&"no luck".into(), &"sh".into()));
    assert!(!ran.stderr.contains("cAnArY"), "{}", ran.stderr);
}

#[test]
fn waiting_for_the_lock() {
    let case = Case::new();
    case.chain(1);
    let mut holder = case.database.client();
    holder.batch_execute(&format!("SELECT pg_advisory_lock({})", lock_key())).expect("the lock is free");
    let ran = case.run("--log-format json upgrade head --lock-wait 300ms");
    let log = events(&ran.stderr);
    assert_eq!((ran.code, names(&log)), (1, vec!["waiting", "error"]));
    assert!(log[0]["blockers"][0].as_str().is_some_and(|one| one.starts_with("server process ")), "{log:#?}");
    assert_eq!(log[0]["limit_seconds"], 0.3);
}

#[test]
fn tried_again() {
    let case = Case::with("lock_timeout = 100ms\nlock_retry_for = 3s\n");
    case.revision("001", "", "CREATE TABLE a ();", "");
    case.revision("002", "001", "ALTER TABLE a ADD b int;", "");
    let _ = case.succeeds("upgrade 001");
    let mut holder = case.database.client();
    holder.batch_execute("BEGIN; LOCK TABLE a").expect("nobody else has it");
    let ran = case.run("--log-format json upgrade head");
    let log = events(&ran.stderr);
    let retry = log.iter().find(|event| event["event"] == "retry").expect("it is tried again");
    assert_eq!(retry["revision"], "002");
    assert!(retry["blockers"][0].as_str().is_some_and(|one| one.contains("LOCK TABLE a")), "{retry}");
    assert_eq!((ran.code, &the(&log, "error")["sqlstate"]), (1, &"55P03".into()));
}

#[test]
fn stopped_by_a_signal() {
    let case = Case::with("slow_after = 1s\n");
    case.revision("001", "", "SELECT pg_sleep(60);", "");
    let mut command = case.command("--log-format json upgrade head");
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let until = Instant::now() + Duration::from_secs(20);
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep' AND query_start < now() - interval '2.5 s'";
    while case.ask(asleep) != "1\n" && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(100));
    }
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill runs");
    assert!(killed.success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(143));
    let log = events(&String::from_utf8_lossy(&output.stderr));
    assert_eq!(the(&log, "signal")["signal"], 15);
    assert_eq!(the(&log, "slow")["limit_seconds"], 1.0, "it is told of once");
    assert_eq!(the(&log, "waiting")["revision"], "001", "it is not told of every second");
    assert_eq!(the(&log, "run_finished")["outcome"], "signal");
    assert_eq!(the(&log, "error")["exit_code"], 143);
    // The history knows how long it had run.
    let ran = "SELECT finished_at - started_at >= interval '2.5 s' FROM aludel_history WHERE outcome = 'failed'";
    assert_eq!(case.ask(ran), "t\n");
    let told = case.succeeds("log").stdout;
    assert!(told.contains("upgrade 001 step 001  failed in [TIME] (slow), by "), "{told}");
}

#[test]
fn slow_revisions() {
    let case = Case::with("slow_after = 2s\n");
    case.revision("001", "", "SELECT pg_sleep(3);", "SELECT 1;");
    case.revision("002", "001", "SELECT 1;", "SELECT 1;");
    let ran = case.succeeds("-q upgrade head");
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines, ["warning: 001 step 001 is slow: it has taken [TIME] (`slow_after` is [TIME])"]);
    let log = case.succeeds("log").stdout;
    assert_eq!(log.lines().filter(|line| line.contains("(slow)")).count(), 1, "{log}");
    let ini = case.project.read("migrate.ini").replace("2s", "0");
    case.project.write("migrate.ini", ini);
    let _ = case.succeeds("downgrade base");
    assert_eq!(case.succeeds("-q upgrade head").stderr, "");
}

/// A server that says something all the time does not put the warning off.
#[test]
fn a_slow_revision_is_warned_of_while_it_talks() {
    let case = Case::with("slow_after = 1s\n");
    case.revision(
        "001",
        "",
        "DO $$ BEGIN FOR i IN 1..12 LOOP PERFORM pg_sleep(0.3); RAISE NOTICE 'still here'; END LOOP; END $$;",
        "",
    );
    let many = "SELECT pg_sleep(0.3);\n".repeat(12);
    case.file("002", "001", &format!("-- migrate:upgrade transaction:false\n{many}-- migrate:downgrade\n"));
    let log = events(&case.succeeds("--log-format json upgrade head").stderr);
    for revision in ["001", "002"] {
        let seconds = |event: &str| {
            let found = log.iter().find(|line| line["event"] == event && line["revision"] == revision);
            found
                .and_then(|line| line["seconds"].as_f64())
                .unwrap_or_else(|| panic!("{revision}: no {event}: {log:#?}"))
        };
        assert!(seconds("slow") + 1.0 < seconds("revision_finished"), "{revision}: {log:#?}");
    }
}

/// The warning, the log and the metrics agree.
#[test]
fn a_revision_that_is_slow_and_fails() {
    let case = Case::with("slow_after = 300ms\nmetrics = run.prom\n");
    case.revision("001", "", "SELECT pg_sleep(0.5); SELECT 1/0;", "");
    let ran = case.run("-q upgrade head");
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.starts_with("warning: 001 step 001 is slow: it has taken "), "{}", ran.stderr);
    assert!(
        case.project.read("run.prom").contains(&format!(
            "aludel_run_slow_revisions{{database=\"{}\",environment=\"\"}} 1\n",
            case.database.name
        ))
    );
    assert!(case.succeeds("log").stdout.contains("(slow)"));
}

/// What is told of a run says of which, whoever tells it.
#[test]
fn warnings_hints_and_errors_name_the_database_and_the_run() {
    let case = Case::new();
    case.revision("001", "", "CREATE TABLE a ();", "");
    let _ = case.succeeds("upgrade head");
    case.revision("001", "", "CREATE TABLE a (b int);", "");
    case.revision("002", "001", "CREATE TABLE a ();", "");
    let log = events(&case.run("--log-format json upgrade head").stderr);
    let database = &the(&log, "run_started")["database"];
    assert!(database.as_str().is_some_and(|database| database.contains("[DATABASE]")), "{log:#?}");
    for event in ["warning", "hint", "error"] {
        assert_eq!(&the(&log, event)["database"], database, "{event}");
    }
    assert_eq!(the(&log, "error")["run"], the(&log, "run_finished")["run"]);
    assert_eq!(the(&log, "warning")["run"], Value::Null, "there was none yet");
}

#[test]
fn the_clock_of_tests_is_the_logs() {
    let case = Case::new();
    case.chain(1);
    let mut command = case.command("--log-format json upgrade head --metrics run.prom");
    command.env("ALUDEL_LOG_FORMAT", "").env("ALUDEL_TEST_CLOCK", "2001-02-03T04:05:06Z");
    let log = events(&case.project.run(command).stderr);
    assert!(log.iter().all(|event| event["time"].as_str().is_some_and(|time| time.starts_with("2001-02-03T04:"))));
    assert!(case.project.read("run.prom").contains("aludel_run_timestamp_seconds{"));
    let stamp = samples(&case.project.read("run.prom")).into_iter().find(|(name, _)| name.contains("timestamp"));
    assert!(stamp.is_some_and(|(_, time)| (981_173_106.0..981_173_306.0).contains(&time)));
}

/// The samples of a file in Prometheus's text format, by name and labels; a panic where a reader of that or of OpenMetrics would
/// refuse it.
#[track_caller]
fn samples(text: &str) -> BTreeMap<String, f64> {
    let body = text.strip_suffix("# EOF\n").unwrap_or_else(|| panic!("it ends with # EOF: {text}"));
    let mut samples = BTreeMap::new();
    let mut families: Vec<String> = Vec::new();
    let mut helped = None;
    for line in body.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let name = help.split(' ').next().expect("a name").to_owned();
            assert!(!families.contains(&name) && help.len() > name.len() + 1, "{line}");
            helped = Some(name);
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let name = helped.take().expect("HELP comes first");
            assert_eq!(kind, format!("{name} gauge"));
            families.push(name);
            continue;
        }
        let family = families.last().expect("a type before");
        let rest = line.strip_prefix(family.as_str()).unwrap_or_else(|| panic!("{line} is of {family}"));
        let rest = rest.strip_prefix('{').unwrap_or_else(|| panic!("{line}: labels"));
        let (labels, value) = rest.rsplit_once("} ").unwrap_or_else(|| panic!("{line}: a value, and no time"));
        let mut left = labels;
        while !left.is_empty() {
            let (label, after) = left.split_once("=\"").unwrap_or_else(|| panic!("{line}: a label"));
            assert!(label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
            let mut end = None;
            let mut bytes = after.bytes().enumerate();
            while let Some((at, byte)) = bytes.next() {
                match byte {
                    b'\\' => assert!(matches!(bytes.next(), Some((_, b'\\' | b'"' | b'n'))), "{line}"),
                    b'"' => {
                        end = Some(at);
                        break;
                    }
                    _ => {}
                }
            }
            left = &after[end.unwrap_or_else(|| panic!("{line}: a closed label")) + 1..];
            left = left.strip_prefix(',').unwrap_or(left);
        }
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}: a number"));
        assert!(samples.insert(format!("{family}{{{labels}}}"), value).is_none(), "twice: {line}");
    }
    samples
}

#[test]
fn metrics() {
    let case = Case::with("metrics = run.prom\n\n[production]\nlock_wait = 1s\n");
    case.revision("001", "", "CREATE TABLE a ();", "DROP TABLE a;");
    case.revision("002", "001", "CREATE TABLE b ();", "DROP TABLE b;");
    case.revision("003", "002", "CREATE TABLE a ();", "");
    let name = &case.database.name;
    let read = |file: &str, environment: &'static str| {
        let samples = samples(&case.project.read(file));
        move |metric: &str| {
            let (family, labels) = metric.split_once('{').unwrap_or((metric, "}"));
            let comma = if labels == "}" { "" } else { "," };
            let name = format!("aludel_{family}{{database=\"{name}\",environment=\"{environment}\"{comma}{labels}");
            samples.get(&name).copied()
        }
    };
    let _ = case.succeeds("upgrade 001");
    let sample = read("run.prom", "");
    assert_eq!(sample("run_success"), Some(1.0));
    assert_eq!((sample("revisions_applied"), sample("revisions_pending")), (Some(1.0), Some(2.0)));
    assert!(
        sample("revision_duration_seconds{revision=\"001\",direction=\"upgrade\"}").is_some_and(|time| time < 60.0)
    );
    assert_eq!(sample("run_failure"), None);
    // The option wins, and the environment is a label.
    let _ = case.run("-n production upgrade head --metrics other.prom");
    let sample = read("other.prom", "production");
    assert_eq!(
        (sample("run_success"), sample("run_exit_code"), sample("run_revisions")),
        (Some(0.0), Some(1.0), Some(1.0))
    );
    assert_eq!((sample("revisions_applied"), sample("revisions_pending")), (Some(2.0), Some(1.0)));
    assert_eq!(sample("run_failure{revision=\"003\",sqlstate=\"42P07\",kind=\"failed\"}"), Some(1.0));
    let _ = case.succeeds("redo");
    assert_eq!(read("run.prom", "")("run_revisions"), Some(2.0));
    let _ = case.succeeds("downgrade base");
    assert_eq!(read("run.prom", "")("revisions_pending"), Some(3.0));
    let _ = case.succeeds("downgrade base");
    assert_eq!(read("run.prom", "")("run_revisions"), Some(0.0), "where there is nothing to do too");
    // Nothing else is left behind.
    let files = case.project.list(".");
    assert_eq!(files.iter().filter(|file| file.contains("prom")).count(), 2, "{files:?}");
    let ran = case.succeeds("upgrade 001 --metrics nowhere/run.prom");
    assert!(ran.stderr.contains("warning: cannot write the metrics to nowhere/run.prom: "), "{}", ran.stderr);
    assert_eq!(case.rows(), "001", "it changes nothing");
}

/// A file must not go on saying how well an earlier run went.
#[test]
fn metrics_of_a_run_that_failed_before_its_plan() {
    let case = Case::with("metrics = run.prom\n\n[production]\nlock_wait = 1s\n");
    case.chain(2);
    let ini = case.project.read("migrate.ini");
    let failed = |arguments: &str, environment: &str| {
        std::fs::remove_file(case.project.path().join("run.prom")).expect("a run has written it");
        let ran = case.run(arguments);
        let samples = samples(&case.project.read("run.prom"));
        let sample =
            |metric: &str| samples.get(&format!("aludel_{metric}{{database=\"\",environment=\"{environment}\"}}"));
        assert_eq!((sample("run_success"), sample("run_exit_code")), (Some(&0.0), Some(&2.0)), "{samples:?}");
        assert_eq!(ran.code, 2, "{}", ran.transcript());
    };
    let _ = case.succeeds("upgrade 0001");
    failed("upgrade 0001:0002", "");
    failed("downgrade 0002:0001", "");
    failed("-n nowhere upgrade head --metrics run.prom", "nowhere");
    failed("-c nowhere.ini redo --metrics run.prom", "");
    case.project.write("migrate.ini", ini.replace("metrics", "lock_wiat = 1s\nmetrics"));
    for command in ["upgrade head", "downgrade base", "redo"] {
        failed(command, "");
    }
    failed("-n production upgrade head", "production");
    case.project.write("migrate.ini", ini);
    let _ = case.succeeds("upgrade head");
    let ran = case.run("upgrade head --sql --metrics run.prom");
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "nothing runs that could be measured");
}

#[test]
fn what_metrics_are_written_to() {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
    let case = Case::new();
    case.chain(1);
    let path = |file: &str| case.project.path().join(file);
    let mode = |file: &str| std::fs::metadata(path(file)).expect("it is there").permissions().mode() & 0o777;
    // Its reader is somebody else, whatever the umask is here.
    let aludel = case.command("upgrade head --metrics new.prom");
    let mut careful = Command::new("sh");
    careful.args(["-c", "umask 077; exec \"$@\"", "sh"]).arg(aludel.get_program()).args(aludel.get_args());
    assert!(careful.current_dir(case.project.path()).status().expect("sh runs").success());
    assert_eq!(mode("new.prom"), 0o644);
    // A link and the mode of its file stay.
    case.project.write("there/real.prom", "");
    std::fs::set_permissions(path("there/real.prom"), std::fs::Permissions::from_mode(0o640)).expect("it is ours");
    symlink("there/real.prom", path("link.prom")).expect("a link");
    let _ = case.succeeds("upgrade head --metrics link.prom");
    assert!(path("link.prom").is_symlink());
    assert_eq!(mode("there/real.prom"), 0o640);
    let _ = samples(&case.project.read("there/real.prom"));
    assert_eq!(case.project.list("there"), ["real.prom"]);
    // One that leads nowhere yet.
    symlink("there/later.prom", path("early.prom")).expect("a link");
    let _ = case.succeeds("upgrade head --metrics early.prom");
    let _ = samples(&case.project.read("there/later.prom"));
    // A pipe is written to.
    assert!(Command::new("mkfifo").arg(path("pipe")).status().expect("mkfifo runs").success());
    let reader = Command::new("cat").arg(path("pipe")).stdout(Stdio::piped()).spawn().expect("cat runs");
    let _ = case.succeeds("upgrade head --metrics pipe");
    let read = reader.wait_with_output().expect("cat ends");
    let _ = samples(&String::from_utf8_lossy(&read.stdout));
    assert!(std::fs::metadata(path("pipe")).expect("it is there").file_type().is_fifo());
}

#[test]
fn metrics_of_a_run_that_could_not_connect() {
    let case = Case::new();
    case.project.write("migrate.ini", "[migrate]\nurl = postgres://x@127.0.0.1:1/shop\n");
    case.project.write("versions/001.sql", "-- revision: 001\n\n-- migrate:upgrade\n");
    assert_eq!(case.run("upgrade head --metrics run.prom").code, 1);
    let samples = samples(&case.project.read("run.prom"));
    assert_eq!(samples.get("aludel_run_success{database=\"shop\",environment=\"\"}"), Some(&0.0));
    assert!(!samples.keys().any(|name| name.starts_with("aludel_revisions_pending")), "it is not known: {samples:?}");
}
