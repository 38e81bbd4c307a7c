//! Connections that are lost before a pooler, and locks that are: what is said is what is so.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use snapbox::{assert_data_eq, str};

use crate::proxy::{Direction, Fault, Heard, Passed, Point, Proxy, Then};
use crate::{Case, eventually};

/// Points the project at a port before the pooler.
fn through(case: &Case, port: u16) {
    let url = format!("postgresql://postgres@127.0.0.1:{port}/{}?sslmode=disable", case.database.name);
    case.project.write("migrate.ini", format!("[migrate]\nurl = {url}\n"));
}

fn socket(case: &Case) -> PathBuf {
    case.bouncer.directory().join(".s.PGSQL.6432")
}

/// Waits until nobody is in a transaction.
fn wait_until_quiet(case: &Case) {
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
         AND backend_type = 'client backend' AND state <> 'idle'";
    eventually("quiet", || case.ask(busy) == "0");
}

#[test]
fn a_connection_cut_at_every_message() {
    let case = Case::new("transaction");
    case.chain(3);
    let proxy = Proxy::start(&socket(&case));
    through(&case, proxy.port);
    proxy.arm(None);
    let _ = case.run("upgrade head").succeeded();
    let heard = proxy.heard();
    assert!(heard[0].len() >= 10 && heard[1].len() >= 60, "{} and {}", heard[0].len(), heard[1].len());
    let matters = |message: &Heard| message.start.contains("COMMIT") || message.start.starts_with('Z');
    let cuts = (0..heard[0].len()).map(|message| (Direction::ToServer, message));
    // Most answers are one of many completed statements of a transaction that is lost anyway.
    let answers = (0..heard[1].len()).filter(|message| message % 10 == 0 || matters(&heard[1][*message]));
    let mut codes = Vec::new();
    for (direction, message) in cuts.chain(answers.map(|message| (Direction::ToClient, message))) {
        case.ask("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
        let half = heard[direction as usize][message].text.len() / 2;
        let passed = if message % 2 == 1 { Passed::Bytes(half) } else { Passed::Nothing };
        let at = Point { direction, message, passed };
        proxy.arm(Some(Fault { at, act: Box::new(|| Then::Close) }));
        let ran = case.run("upgrade head");
        wait_until_quiet(&case);
        let (row, effects) = case.state();
        let what = format!("{at:?}: {}effects {effects}, at {row}", ran.transcript());
        assert_eq!(effects.rsplit(',').next().unwrap_or_default(), row, "{what}");
        let kept = ran.stderr.lines().find_map(|line| line.split_once("note: applied before it, and kept: "));
        let kept_last = kept.and_then(|(_, kept)| kept.rsplit(", ").next()).unwrap_or_default();
        match ran.code {
            0 => assert_eq!(row, "003", "{what}"),
            // The revisions that are named are there, and no others.
            1 => assert_eq!(kept_last, row, "{what}"),
            _ => panic!("{what}"),
        }
        codes.push(ran.code);
        let _ = case.run("upgrade head").succeeded();
        assert_eq!(case.state(), ("003".to_owned(), "001,002,003".to_owned()), "{what}");
        assert_eq!(case.locks(), "0", "{what}");
    }
    // Else the cuts were not where they matter.
    assert!(codes.contains(&0) && codes.contains(&1), "{codes:?}");
}

/// Passes a first connection on until the client sends a message with `part`; then the client sees it closed, and the pooler
/// gets that message three seconds later. Other connections pass.
fn late(case: &Case, part: &'static str) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let socket = socket(case);
    std::thread::spawn(move || {
        for (number, client) in listener.incoming().enumerate() {
            let (mut client, mut server) =
                (client.expect("a client"), UnixStream::connect(&socket).expect("the pooler"));
            let (mut from, mut to) = (server.try_clone().expect("a socket"), client.try_clone().expect("a socket"));
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
            std::thread::spawn(move || {
                let mut bytes = vec![0; 1 << 20];
                while let Ok(length @ 1..) = client.read(&mut bytes) {
                    if number == 0 && String::from_utf8_lossy(&bytes[..length]).contains(part) {
                        let _ = client.shutdown(Shutdown::Both);
                        std::thread::sleep(Duration::from_secs(3));
                        let _ = server.write_all(&bytes[..length]);
                        std::thread::sleep(Duration::from_secs(2));
                        return;
                    }
                    if server.write_all(&bytes[..length]).is_err() {
                        return;
                    }
                }
                let _ = server.shutdown(Shutdown::Both);
            });
        }
    });
    port
}

#[test]
fn a_message_that_the_pooler_runs_after_all() {
    let case = Case::new("transaction");
    case.chain(2);
    let _ = case.run("upgrade 001").succeeded();
    through(&case, late(&case, "VALUES ('002')"));
    assert_data_eq!(
        case.run("upgrade head").transcript(),
        str![[r#"
exit code: 1
----- stderr
warning: the connection was lost: the server closed the connection; connecting again to find out what was committed
error: the connection was lost: the server closed the connection
note: on postgresql://postgres@127.0.0.1:[..]/[DATABASE]
note: nothing of revision 002 was kept

"#]]
    );
    std::thread::sleep(Duration::from_secs(4));
    wait_until_quiet(&case);
    assert_eq!(case.state(), ("001".to_owned(), "001".to_owned()));
    let _ = case.run("upgrade head").succeeded();
    assert_eq!(case.state(), ("002".to_owned(), "001,002".to_owned()));
}

#[test]
fn the_connection_that_keeps_the_lock_is_ended() {
    let case = Case::new("transaction");
    // So that the second revision is sent when the first is answered.
    case.effect("001", "", "SELECT pg_sleep(2);\nSAVEPOINT a;").effect("002", "001", "SAVEPOINT a;");
    case.project.write("migrate.ini", case.project.read("migrate.ini") + "transaction = run\n");
    let run = case.start("upgrade head");
    eventually("the first revision", || {
        case.ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()")
            == "1"
    });
    let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = current_database() AND state = 'idle in transaction'";
    assert_eq!(case.ask(ended), "1");
    assert_data_eq!(
        run.end().transcript(),
        str![[r#"
exit code: 1
----- stderr
running 001 step 001 ([TIME])
error[ALU03]: this run no longer holds its lock
note: the connection that kept it, a second one through the pooler, was ended
note: nothing of revision 002 was kept
note: `transaction = run`: 001 went back with it
hint: run the same command again

"#]]
    );
    assert_eq!(case.state(), (String::new(), String::new()));
    let _ = case.run("upgrade head").succeeded();
    assert_eq!(case.state(), ("002".to_owned(), "001,002".to_owned()));
    assert_eq!(case.locks(), "0");
}

/// A run that hears nothing and is heard by nobody holds the lock no longer than the limit.
#[test]
fn a_tool_that_is_stopped() {
    let case = Case::with("transaction", "default_pool_size = 5", "idle_in_transaction_session_timeout = 2s\n");
    case.effect("001", "", "SELECT pg_sleep(4);").effect("002", "001", "");
    let run = case.start("upgrade head");
    eventually("the first revision", || {
        case.ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()")
            == "1"
    });
    run.signal(Signal::STOP);
    // It gets the lock, and finds at the version table that the server goes on with what it was given.
    let other = case.run("upgrade head --lock-wait 20s");
    run.signal(Signal::CONT);
    let ran = run.end();
    assert!(
        other.stderr.contains("upgrade of 001 expects the database at base; it is at 001"),
        "{}",
        other.transcript()
    );
    assert_eq!(ran.code, 1, "{}", ran.transcript());
    assert_eq!(case.state().0, "001", "{}", ran.transcript());
    let _ = case.run("upgrade head").succeeded();
    assert_eq!((case.state(), case.locks()), (("002".to_owned(), "001,002".to_owned()), "0".to_owned()));
}

/// The connection that keeps the lock has a limit too, and hears in time that the run goes on.
#[test]
fn a_statement_that_takes_longer_than_the_limit() {
    let case = Case::with("transaction", "default_pool_size = 5", "idle_in_transaction_session_timeout = 1s\n");
    case.effect("001", "", "SELECT pg_sleep(4);").effect("002", "001", "SELECT pg_sleep(2);").effect("003", "002", "");
    let _ = case.run("upgrade head").succeeded();
    assert_eq!(case.state().0, "003");
}

/// What is lost without a word is not waited for without end.
#[test]
fn a_connection_that_falls_silent() {
    let case = Case::new("transaction");
    case.effect("001", "", "SELECT pg_sleep(0.5);").effect("002", "001", "");
    let proxy = Proxy::start(&socket(&case));
    through(&case, proxy.port);
    proxy.arm(None);
    let _ = case.run("upgrade head").succeeded();
    let heard = &proxy.heard()[0];
    let message = heard.iter().position(|heard| String::from_utf8_lossy(&heard.text).contains("pg_sleep")).unwrap();
    for passed in [Passed::All, Passed::Nothing] {
        case.ask("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
        let settings = case.project.read("migrate.ini");
        case.project.write("migrate.ini", settings + "idle_in_transaction_session_timeout = 2s\n");
        let at = Point { direction: Direction::ToServer, message, passed };
        proxy.arm(Some(Fault { at, act: Box::new(|| Then::Hole) }));
        let began = std::time::Instant::now();
        let ran = case.run("upgrade head");
        assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
        through(&case, proxy.port);
        assert_eq!(ran.code, 1, "{}", ran.transcript());
        assert!(ran.stderr.contains("it is open, and nothing arrives on it any more"), "{}", ran.stderr);
        let kept = if passed == Passed::All { "001" } else { "" };
        assert_eq!(case.state().0, kept, "{}", ran.transcript());
        proxy.arm(None);
        let _ = case.run("upgrade head").succeeded();
        assert_eq!((case.state().0.as_str(), case.locks().as_str()), ("002", "0"));
    }
}
