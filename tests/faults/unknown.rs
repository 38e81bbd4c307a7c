//! A COMMIT whose outcome cannot be learnt: the connection is lost, and nobody answers any more.

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use snapbox::{assert_data_eq, str};

use crate::proxy::{Direction, Fault, Passed, Point, Proxy, Then};
use crate::world::socket;
use crate::{Case, eventually};

/// Runs `command`, and nobody answers any more behind the COMMIT of the first revision of two. Returns what it said.
fn nobody_answers_after_a_commit(command: &str) -> (Case, String) {
    let case = Case::new();
    case.chain(2);
    let (url, link) = (case.database.url(), case.project.path().join("socket"));
    symlink(socket(&url), &link).expect("a link");
    let proxy = Proxy::start(&link);
    let through = format!("postgresql://postgres@127.0.0.1:{}/{}?sslmode=disable", proxy.port, case.database.name);
    case.project.write("migrate.ini", format!("[migrate]\nurl = {through}\n"));
    // The message of the first revision, found in a whole run.
    proxy.arm(None);
    case.succeeds("upgrade head");
    let is_first = |text: &[u8]| String::from_utf8_lossy(text).contains("INSERT INTO effects VALUES ('001')");
    let message = proxy.heard()[0].iter().position(|heard| is_first(&heard.text)).expect("the first revision");
    case.ask("DROP SCHEMA public CASCADE; CREATE SCHEMA public");

    let reached = Arc::new(AtomicBool::new(false));
    let (told, gone) = (Arc::clone(&reached), link);
    let act = move || {
        // Nobody comes through any more.
        std::fs::remove_file(&gone).expect("the link is there");
        told.store(true, Ordering::SeqCst);
        Then::Close
    };
    let at = Point { direction: Direction::ToServer, message, passed: Passed::All };
    proxy.arm(Some(Fault { at, act: Box::new(act) }));
    let run = case.start(command);
    eventually("the COMMIT", || reached.load(Ordering::SeqCst));
    // It asks for a minute; who waits may end that sooner.
    std::thread::sleep(Duration::from_secs(1));
    run.signal(Signal::INT);
    let ran = run.end();
    case.project.write("migrate.ini", format!("[migrate]\nurl = {url}\n"));
    case.wait_until_alone();
    (case, ran.transcript())
}

#[test]
fn the_same_command_goes_on_from_what_is_so() {
    let (case, told) = nobody_answers_after_a_commit("upgrade head");
    assert_data_eq!(
        told,
        str![[r#"
exit code: 5
----- stderr
warning: the connection was lost: the server closed the connection; connecting again to find out what was committed
error: the connection was lost: the server closed the connection
note: on postgresql://postgres@127.0.0.1:[..]/[DATABASE]
note: 001 step 001 (versions/001.sql) was on its way, and 1 revision behind it: which of them were committed cannot be known from here
note: SIGINT ended the questions before one was answered
hint: `aludel current` shows where the database stands; then run the same command again

"#]]
    );
    case.succeeds("upgrade head");
    assert_eq!((case.effects(), case.rows()), ("001,002".to_owned(), "002".to_owned()));
}

/// The same again would count from another place.
#[test]
fn a_target_that_counts_is_named() {
    let (case, told) = nobody_answers_after_a_commit("upgrade +2");
    let hint = "hint: `aludel current` shows where the database stands; then run `aludel upgrade 002`\n";
    assert!(told.starts_with("exit code: 5\n") && told.ends_with(hint), "{told}");
    case.succeeds("upgrade 002");
    assert_eq!((case.effects(), case.rows()), ("001,002".to_owned(), "002".to_owned()));
}
