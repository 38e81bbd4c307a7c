//! The limit that ends a session of a tool that hangs: it must not end one that waits, or works, or sends something large.

use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::proxy::{Direction, Fault, Passed, Point, Proxy, Then};
use crate::{Case, LONG, support};

const SHORT: &str = "idle_in_transaction_session_timeout = 1s\n";

#[test]
fn a_wait_for_the_lock_that_takes_longer() {
    let case = Case::with(SHORT);
    case.effect("001", "", LONG);
    let holder = case.start("upgrade head");
    case.wait_for_sleep();
    let run = case.start("upgrade head");
    std::thread::sleep(Duration::from_secs(8));
    case.effect("001", "", "");
    holder.signal(Signal::INT);
    assert_eq!(holder.end().code, 130);
    let ran = run.end();
    // It was checked before the file changed, or after; but it was there.
    assert!(!ran.stderr.contains("terminating connection"), "{}", ran.transcript());
    case.succeeds("upgrade head");
    assert_eq!(case.rows(), "001");
}

#[test]
fn tries_whose_pauses_take_longer() {
    let case = Case::with(&format!("{SHORT}lock_timeout = 200ms\n"));
    case.effect("001", "", "").effect("002", "001", "ALTER TABLE effects ADD COLUMN more int;");
    case.succeeds("upgrade 001");
    let mut other = case.database.client();
    other.batch_execute("BEGIN; SELECT * FROM effects").expect("a lock");
    let run = case.start("upgrade head");
    std::thread::sleep(Duration::from_secs(9));
    drop(other);
    let _ = run.end().succeeded();
    assert_eq!(case.rows(), "002");
}

#[test]
fn a_file_whose_check_takes_longer() {
    let case = Case::new();
    let many =
        "INSERT INTO effects SELECT 'a value of some length, so that the file is large' WHERE false;\n".repeat(120_000);
    case.effect("001", "", &many);
    let began = Instant::now();
    let _ = case.run("plan upgrade head").succeeded();
    // As long as it takes on this machine, halved.
    let limit = format!("idle_in_transaction_session_timeout = {}ms\n", began.elapsed().as_millis() / 2);
    case.project.write("migrate.ini", case.project.read("migrate.ini") + &limit);
    case.succeeds("upgrade head");
}

/// To the server, a message that takes long to arrive is a client that is idle in its transaction.
#[test]
fn a_message_that_takes_longer_to_arrive() {
    let connection = support::server().cluster.connection();
    let proxy = Proxy::start(&connection.socket_directory.join(format!(".s.PGSQL.{}", connection.port)));
    let case = Case::new();
    let url = format!("postgresql://postgres@127.0.0.1:{}/{}?sslmode=disable", proxy.port, case.database.name);
    case.project.write("migrate.ini", format!("[migrate]\nurl = {url}\n{SHORT}"));
    let large = format!("SELECT length('{}');", "x".repeat(600_000));
    case.effect("001", "", &large).effect("002", "001", "");
    proxy.arm(None);
    case.succeeds("upgrade head");
    let heard = &proxy.heard()[0];
    let message = heard.iter().position(|heard| heard.text.len() > 600_000).expect("its message");
    case.ask("DROP TABLE effects, aludel_version, aludel_history, aludel_progress");
    let act = || {
        std::thread::sleep(Duration::from_secs(9));
        Then::GoOn
    };
    let at = Point { direction: Direction::ToServer, message, passed: Passed::Bytes(1000) };
    proxy.arm(Some(Fault { at, act: Box::new(act) }));
    case.succeeds("upgrade head");
    assert!(proxy.was_hit());
    assert_eq!(case.rows(), "002");
}

/// Of several hosts, the one that the session is on is asked about it: another server knows nothing of it.
#[test]
fn a_session_that_is_asked_about_on_the_right_host() {
    let connection = support::server().cluster.connection();
    let socket = connection.socket_directory.join(format!(".s.PGSQL.{}", connection.port));
    let other = support::Server::start(&aludel::local::EphemeralOptions::default());
    let case = Case::new();
    other.admin(&format!("CREATE DATABASE {}", case.database.name));
    // It lets one connection through, and is gone for the next.
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let forward = std::thread::spawn(move || {
        let (client, _) = listener.accept().expect("a client");
        drop(listener);
        let server = UnixStream::connect(socket).expect("the server");
        let (mut from, mut to) = (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
        let (mut from, mut to) = (server, client);
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let (name, elsewhere) = (&case.database.name, other.cluster.connection());
    let hosts = format!("127.0.0.1,{}", elsewhere.socket_directory.display()).replace('/', "%2F");
    let url = format!("postgresql:///{name}?host={hosts}&port={port},{}&user=postgres&sslmode=disable", elsewhere.port);
    case.project.write("migrate.ini", format!("[migrate]\nurl = {url}\nlock_timeout = 30s\n"));
    case.effect("001", "", "SELECT pg_sleep(9);");
    let run = case.start("upgrade head");
    let ran = run.end().succeeded();
    assert!(ran.stderr.contains("upgraded 001"), "{}", ran.stderr);
    assert_eq!(case.rows(), "001");
    forward.join().expect("the forwarder");
}
