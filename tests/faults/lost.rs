//! A connection that is cut at every message of a run, in both directions: what is said is what is so.

use std::path::PathBuf;

use crate::proxy::{Cut, Direction, Proxy};
use crate::{Case, effect};

/// The server's socket.
fn socket(case: &Case) -> PathBuf {
    let url = case.database.url();
    let parameter = |name: &str| url.split(['?', '&']).find_map(|part| part.strip_prefix(name)).map(str::to_owned);
    let directory = parameter("host=").expect("a directory");
    PathBuf::from(directory).join(format!(".s.PGSQL.{}", parameter("port=").unwrap_or_else(|| "5432".to_owned())))
}

/// Points the project at the proxy.
fn through(case: &Case, proxy: &Proxy, settings: &str) {
    let url = format!("postgresql://postgres@127.0.0.1:{}/{}?sslmode=disable", proxy.port, case.database.name);
    case.project.write("migrate.ini", format!("[migrate]\nurl = {url}\n{settings}"));
}

/// Cuts at `cut`; what was said about it, after it was compared with what is so.
fn judge(case: &Case, cut: Cut, settings: &str, bare: bool) -> i32 {
    case.ask("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    through(case, &Proxy::start(&socket(case), Some(cut)), settings);
    let ran = case.run("upgrade head");
    case.wait_until_alone();
    let (effects, row) = (case.effects(), case.rows());
    let what = format!("{cut:?}: {}effects {effects}, at {row}", ran.transcript());
    if !bare {
        assert_eq!(effects.rsplit(',').next().unwrap_or_default(), row, "{what}");
    }
    let kept = ran.stderr.lines().find_map(|line| {
        line.trim()
            .strip_prefix("= note: applied before it, and kept: ")
            .or(line.trim().strip_prefix("note: applied before it, and kept: "))
    });
    let kept_last = kept.and_then(|kept| kept.rsplit(", ").next()).unwrap_or_default();
    match ran.code {
        0 => assert_eq!(row, "003", "{what}"),
        // The revisions that are named are there, and no others.
        1 => assert_eq!(kept_last, row, "{what}"),
        4 if bare => assert_eq!(kept_last, row, "{what}"),
        _ => panic!("{what}"),
    }
    let rerun = case.run("upgrade head");
    assert_eq!(rerun.code, 0, "{what}\n{}", rerun.transcript());
    assert_eq!((&*case.effects(), &*case.rows()), ("001,002,003", "003"), "{what}");
    ran.code
}

/// Cuts at every message that a whole run sends and gets.
fn everywhere(case: &Case, settings: &str, bare: bool) {
    let proxy = Proxy::start(&socket(case), None);
    through(case, &proxy, settings);
    case.succeeds("upgrade head");
    let heard = proxy.heard.lock().expect("no panic").clone();
    // The client says a revision in two messages; the server answers every statement.
    assert!(heard[0].len() >= 10 && heard[1].len() >= 40, "{heard:#?}");
    let mut codes = Vec::new();
    for message in 0..heard[0].len() {
        for half in [false, true] {
            codes.push(judge(case, Cut { direction: Direction::ToServer, message, half }, settings, bare));
        }
    }
    // Every second one: most are one of many completed statements of a transaction that is lost anyway.
    for message in (0..heard[1].len()).filter(|message| message % 2 == 0 || matters(&heard[1][*message])) {
        let half = message % 2 == 1;
        codes.push(judge(case, Cut { direction: Direction::ToClient, message, half }, settings, bare));
    }
    // Else the cuts were not where they matter.
    assert!(codes.contains(&0) && codes.contains(&1), "{codes:?}");
    assert_eq!(codes.contains(&4), bare, "{codes:?}");
}

#[test]
fn a_revision_a_transaction() {
    let case = Case::new();
    case.chain(3);
    everywhere(&case, "", false);
}

#[test]
fn a_run_of_one_transaction() {
    let case = Case::new();
    case.chain(3);
    everywhere(&case, "transaction = run\n", false);
}

#[test]
fn a_section_without_a_transaction() {
    let case = Case::new();
    case.chain(3);
    let text = format!(
        "-- migrate:upgrade transaction:false\nCREATE INDEX CONCURRENTLY one ON effects (id);\n-- migrate:upgrade\n{}",
        effect("002", "001")
    );
    case.file("002", "001", &text);
    everywhere(&case, "", true);
}

/// Whether it is the word of a COMMIT, or the end of an answer.
fn matters(message: &str) -> bool {
    message.contains("COMMIT") || message.starts_with('Z')
}
