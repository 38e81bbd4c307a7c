//! `aludel::Project`.

use std::cell::RefCell;
use std::process::{Command, Stdio};

use aludel::{Action, Event, Kind, Listener, Project};
use snapbox::{assert_data_eq, str};

use crate::Case;
use crate::support::{Ran, variables};

impl Case {
    fn open(&self) -> Project {
        Project::open(self.project.path()).expect("the project opens")
    }
}

fn names(steps: &[aludel::Done]) -> Vec<(Action, &str)> {
    steps.iter().map(|done| (done.action, done.revision.as_str())).collect()
}

#[test]
fn a_day_with_it() {
    let case = Case::new();
    let project = case.open();
    let status = project.status().unwrap();
    assert!(!status.at_heads && status.current.is_empty() && status.applied.is_empty());
    assert_eq!(
        status.pending.iter().map(|p| (&*p.revision, &*p.message)).collect::<Vec<_>>(),
        [("001", "accounts"), ("002", "orders")]
    );
    assert_eq!(status.heads, ["002"]);
    assert_eq!(case.tables(), "\n");

    let report = project.upgrade("head").unwrap();
    assert_eq!(names(&report.steps), [(Action::Upgrade, "001"), (Action::Upgrade, "002")]);
    assert_eq!((report.before.len(), report.current), (0, vec!["002".to_owned()]));
    assert_eq!(case.tables(), "a b\n");

    let again = project.upgrade("head").unwrap();
    assert_eq!((again.steps.len(), &again.before, &again.current), (0, &vec!["002".to_owned()], &again.before));
    assert!(project.status().unwrap().at_heads);

    let report = project.downgrade("-1").unwrap();
    assert_eq!(names(&report.steps), [(Action::Downgrade, "002")]);
    assert_eq!((report.before, report.current), (vec!["002".to_owned()], vec!["001".to_owned()]));
    assert_eq!(case.tables(), "a\n");

    let report = project.stamp(&["002"]).unwrap();
    assert_eq!((report.steps.len(), report.current), (0, vec!["002".to_owned()]));
    assert_eq!(case.tables(), "a\n");
}

/// What a person at a terminal would read, a program gets.
#[test]
fn what_it_is_warned_of() {
    let case = Case::new();
    let report = case.open().upgrade("001").unwrap();
    assert_eq!(report.warnings, [""; 0]);
    let changed = case.project.read("versions/001_a.sql").replace("a ()", "a (b int)");
    case.project.write("versions/001_a.sql", changed);
    case.project.write(
        "versions/002_b.sql",
        "-- revision: 002\n-- parents: 001\n\n-- migrate:upgrade\nDO $$ BEGIN RAISE WARNING 'mind'; END $$;\n\n-- migrate:downgrade\n",
    );
    let status = case.open().status().unwrap();
    assert_eq!((status.changed, status.running), (vec!["001".to_owned()], None));
    let heard = Heard::default();
    let report = case.open().upgrade_telling("head", &heard).unwrap();
    let titles: Vec<&str> = report.warnings.iter().filter_map(|warning| warning.lines().next()).collect();
    assert_eq!(titles, ["1 file was changed after it was applied", "002: mind"]);
    let heard = heard.0.take();
    assert!(heard.contains(&format!("warned: {}", report.warnings[0])), "{heard:#?}");
}

#[test]
fn repeatable_files() {
    let case = Case::new();
    case.project
        .write("versions/repeatable/v.sql", "-- repeatable: v\n\nCREATE OR REPLACE VIEW v AS SELECT 1 AS one;\n");
    let project = case.open();
    assert_eq!(project.status().unwrap().repeatables, ["v"]);
    let report = project.upgrade("head").unwrap();
    assert_eq!(names(&report.steps).last(), Some(&(Action::Repeat, "v")));
    assert_eq!(project.status().unwrap().repeatables, [""; 0]);
}

#[test]
fn another_database_than_the_settings_name() {
    let (case, other) = (Case::new(), Case::new());
    let report = case.open().url(other.database.url()).upgrade("001").unwrap();
    assert_eq!(report.current, ["001"]);
    assert_eq!((case.tables(), other.tables()), ("\n".to_owned(), "a\n".to_owned()));
}

#[test]
fn what_it_refuses() {
    let case = Case::new();
    let missing = Project::open(case.project.path().join("nowhere.ini")).unwrap_err();
    assert_eq!(missing.kind(), Kind::Usage);
    let error = case.open().environment("othr").unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    assert_eq!(error.hints(), ["type `-n other`"]);
    assert!(case.open().environment("other").is_ok());
    for target in ["", "a b", "001:002"] {
        let error = case.open().upgrade(target).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage, "{target}: {error}");
    }
    let error = case.open().upgrade("004").unwrap_err();
    assert_eq!(error.kind(), Kind::Failed, "{error}");
    let error = case.open().variable("dbUrl", "x").upgrade("head").unwrap_err();
    assert_eq!(error.kind(), Kind::Usage, "an `-x` that nothing reads: {error}");
    assert_eq!(case.tables(), "\n");
}

/// Hears it all, in words.
#[derive(Default)]
struct Heard(RefCell<Vec<String>>);

impl Listener for Heard {
    fn hear(&self, event: &Event<'_>) {
        self.0.borrow_mut().push(match event {
            Event::Warning(text) => format!("warned: {text}"),
            Event::Connecting { name, .. } => format!("connecting to {name}"),
            Event::Stands { rows, applied, pending } => format!("at {rows:?}: {applied} and {pending}"),
            Event::RepeatablesDue(due) => format!("{due} repeatables due"),
            Event::RunBegun(run) => format!("run of {} from {:?} to {:?}", run.steps, run.rows_before, run.rows_after),
            Event::Begun(step) => format!("begun {} {}", step.index, step.name),
            Event::Finished(step, _) => format!("finished {}", step.revision),
            Event::RunEnded(run) => match run.result {
                Ok(rows) => format!("ended at {rows:?}"),
                Err(error) => format!("failed: {error}"),
            },
            other => format!("{other:?}"),
        });
    }
}

#[test]
fn a_listener_hears_of_a_failure_and_of_what_was_done_before() {
    let case = Case::new();
    case.add_a_mistake();
    let heard = Heard::default();
    let error = case.open().upgrade_telling("head", &heard).unwrap_err();
    assert_eq!((error.kind(), error.sqlstate()), (Kind::Failed, Some("42704")));
    assert_eq!(error.excerpts()[0].place.line, 5);
    let heard = heard.0.take();
    assert_eq!(heard[0], format!("connecting to {}", case.database.name));
    assert_eq!(heard[1..4], ["at []: 0 and 3", "0 repeatables due", r#"run of 3 from [] to ["003"]"#]);
    assert_eq!(heard.last().unwrap(), r#"failed: type "booleen" does not exist"#);
    let finished: Vec<&String> = heard.iter().filter(|line| line.starts_with("finished")).collect();
    assert_eq!(finished, ["finished 001", "finished 002"]);
    assert_eq!(case.open().status().unwrap().current, ["002"]);
}

/// Instances of a service that start in one process, and the same in ten: each revision runs once.
#[test]
fn ten_at_once() {
    let case = Case::new();
    let steps: usize = std::thread::scope(|scope| {
        let start = |_| scope.spawn(|| case.open().upgrade("head").unwrap().steps.len());
        let threads: Vec<_> = (0..10).map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(steps, 2);
    assert_eq!(case.tables(), "a b\n");
}

/// The program of `examples/service.rs`, as it is now: `cargo test --test embedding` alone does not build it.
fn service(case: &Case) -> Command {
    let test = std::env::current_exe().expect("this test's path");
    // target/debug/deps/embedding-...
    let profile = test.ancestors().nth(2).expect("target/debug");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--example", "service", "--manifest-path"]);
    build.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).arg("--target-dir").arg(profile.with_file_name(""));
    build.args(profile.ends_with("release").then_some("--release"));
    assert!(build.status().expect("cargo runs").success(), "the example does not compile");
    let mut command = Command::new(profile.join("examples/service"));
    command.env_clear().env("PATH", variables().path.unwrap_or_default()).current_dir(case.project.path());
    command.stdin(Stdio::null());
    command
}

#[test]
fn the_example_of_a_service() {
    let case = Case::new();
    let ran = |mut command: Command| {
        Ran::of(&command.output().expect("the example is built"), |text| case.project.still(text)).transcript()
    };
    assert_data_eq!(
        ran(service(&case)),
        str![[r#"
exit code: 0
----- stdout
migrating postgresql://postgres@/[DATABASE]?host=[SOCKET]: 2 revisions
applied 001 accounts
applied 002 orders
the database is at 002
serving

"#]]
    );
    case.add_a_mistake();
    let failed = ran(service(&case));
    assert!(failed.starts_with("exit code: 1\n"), "{failed}");
    assert!(failed.contains("\n --> versions/003_c.sql:5:20\n"), "{failed}");
}
