//! A connection that is cut at every message of a run, in both directions: what is said is what is so.

use std::sync::LazyLock;

use aludel::local::EphemeralOptions;

use crate::proxy::{Cut, Direction, Proxy};
use crate::support::Server;
use crate::{Case, effect};

const PASSWORD: &str = "secret";

/// A server that listens on a port; its watchdog stops it when this process has ended.
static SERVER: LazyLock<Server> = LazyLock::new(|| {
    Server::start(&EphemeralOptions { tcp_password: Some(PASSWORD.to_owned()), ..EphemeralOptions::default() })
});

/// The address of the case's database, with the port of the proxy, or the server's own.
fn address(case: &Case) -> (String, u16) {
    let url = SERVER.cluster.connection().database(&case.database.name).tcp_url(PASSWORD);
    let (before, rest) = url.split_once("127.0.0.1:").expect("an address");
    let (port, database) = rest.split_once('/').expect("a database");
    (format!("{before}127.0.0.1:PORT/{database}?sslmode=disable"), port.parse().expect("a port"))
}

/// Points the project at the proxy.
fn through(case: &Case, proxy: &Proxy, settings: &str) {
    let url = address(case).0.replace("PORT", &proxy.port.to_string());
    case.project.write("migrate.ini", format!("[migrate]\nurl = {url}\n{settings}"));
}

/// Cuts at `cut`; what was said about it, after it was compared with what is so.
fn judge(case: &Case, cut: Cut, settings: &str, bare: bool) -> i32 {
    case.ask("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    through(case, &Proxy::start(address(case).1, Some(cut)), settings);
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
    if ran.code != 4 {
        assert_eq!(rerun.code, 0, "{what}\n{}", rerun.transcript());
        assert_eq!((&*case.effects(), &*case.rows()), ("001,002,003", "003"), "{what}");
    }
    ran.code
}

/// Cuts at every message that a whole run sends and gets.
fn everywhere(case: &Case, settings: &str, bare: bool) {
    let proxy = Proxy::start(address(case).1, None);
    through(case, &proxy, settings);
    case.succeeds("upgrade head");
    let heard = proxy.heard.lock().expect("no panic").clone();
    assert!(heard.iter().all(|heard| heard.len() >= 20), "{heard:#?}");
    let mut codes = Vec::new();
    for (direction, heard) in [Direction::ToServer, Direction::ToClient].into_iter().zip(&heard) {
        for message in 0..heard.len() {
            codes.push(judge(case, Cut { direction, message, half: message % 2 == 1 }, settings, bare));
        }
    }
    // Else the cuts were not where they matter.
    assert!(codes.contains(&0) && codes.contains(&1), "{codes:?}");
    assert_eq!(codes.contains(&4), bare, "{codes:?}");
}

#[test]
fn a_revision_a_transaction() {
    let case = Case::on_server(&SERVER, "");
    case.chain(3);
    everywhere(&case, "", false);
}

#[test]
fn a_run_of_one_transaction() {
    let case = Case::on_server(&SERVER, "");
    case.chain(3);
    everywhere(&case, "transaction = run\n", false);
}

#[test]
fn a_section_without_a_transaction() {
    let case = Case::on_server(&SERVER, "");
    case.chain(3);
    let text = format!(
        "-- migrate:upgrade transaction:false\nCREATE INDEX CONCURRENTLY one ON effects (id);\n-- migrate:upgrade\n{}",
        effect("002", "001")
    );
    case.file("002", "001", &text);
    everywhere(&case, "", true);
}
