//! A server that crashes, or is stopped at once, and comes back: what is said is what is so.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::checker::Truth;
use crate::own_server::OwnServer;
use crate::plan;
use crate::proxy::{Fault, Then};
use crate::tally::{self, Tally};
use crate::world::{Kind, LIMIT, World};
use crate::{matrix, world};

#[test]
fn f3_a_server_process_is_killed() {
    let server = OwnServer::start(&[]);
    let tally = Tally::new("F3 kill -9 of a backend, at a message");
    let url = server.database("f3");
    let world = World::on(&url, "f3", "", None);
    for point in tally::every(matrix::points(&matrix::conversation(""), matrix::before_and_after), 4, 4) {
        matrix::inject(&world, &tally, Kind::CrashBackend, point);
    }
    tally.done();
    let tally = Tally::new("F3 kill -9 of a backend, in a body or a COMMIT");
    for settings in ["lock_timeout = 20s\n", "lock_timeout = 20s\ntransaction = run\n"] {
        let world = World::on(&url, "f3", settings, None);
        let mut gates = tally::some(plan::gates(world.bare), 3);
        // Where an index is left that is not valid.
        if world.bare && !gates.contains(&"005 index".to_owned()) {
            gates.push("005 index".to_owned());
        }
        for gate in gates {
            matrix::inject_at_gate(&world, &tally, Kind::CrashBackend, &gate);
        }
    }
    tally.done();
}

#[test]
fn f4_the_server_is_stopped_at_once_and_started_again() {
    let server = Mutex::new(OwnServer::start(&[]));
    let url = server.lock().expect("no panic").database("f4");
    let world = World::on(&url, "f4", "", None);
    let tally = Tally::new("F4 pg_ctl stop -m immediate and start, at a message");
    for at in tally::every(matrix::points(&matrix::conversation(""), matrix::before_and_after), 4, 4) {
        world.reset();
        // The message is held until the server is down; it comes back while the tool looks for it.
        let down = std::sync::Arc::new(AtomicBool::new(false));
        let (told, asked) = (std::sync::Arc::clone(&down), std::sync::mpsc::channel());
        let (done, crashed) = std::sync::mpsc::channel::<()>();
        let crashed = Mutex::new(crashed);
        let sender = Mutex::new(asked.0);
        let act = Box::new(move || {
            if !told.swap(true, Ordering::SeqCst) {
                let _ = sender.lock().expect("no panic").send(());
                let _ = crashed.lock().expect("no panic").recv_timeout(Duration::from_secs(30));
            }
            Then::GoOn
        });
        world.proxy.arm(Some(Fault { at, act }));
        let mut child = world.spawn("upgrade head");
        while asked.1.recv_timeout(Duration::from_millis(5)).is_err() {
            if child.try_wait().expect("a child").is_some() {
                break;
            }
        }
        let mut server = server.lock().expect("no panic");
        server.crash();
        let _ = done.send(());
        std::thread::sleep(Duration::from_millis(100));
        server.again();
        let (ran, wrong) = world.end(child, LIMIT);
        world.judge(&tally, &format!("stopped at {at:?}"), &ran, Kind::CrashBackend, wrong);
    }
    tally.done();
}

#[test]
fn f11_what_was_answered_survives_though_the_role_says_otherwise() {
    // The log is written out late: what was not flushed for a COMMIT is lost.
    let late = ["wal_writer_delay=10s", "wal_writer_flush_after=1GB", "bgwriter_delay=10s", "synchronous_commit=off"];
    let mut server = OwnServer::start(&late);
    let url = server.database("f11");
    let world = World::on(&url, "f11", "", None);
    let tally = Tally::new("F11 synchronous_commit = off, server stopped right after exit 0");
    for number in 0..tally::sized(3, 50) {
        world.reset();
        // All that came before is on disk.
        world.client().batch_execute("CHECKPOINT").expect("a checkpoint");
        let ran = world.run("upgrade head");
        server.crash();
        server.again();
        let truth = Truth::read(&mut world.client());
        let held = ran.code == 0 && truth.rows.iter().eq([plan::HEAD]) && truth.done.len() == plan::REVISIONS.len();
        let wrong = if held { Vec::new() } else { vec![format!("{}{truth:?}", ran.transcript())] };
        tally.count(&format!("number {number}"), ran.code, wrong);
    }
    // Else nothing was at stake: the same work in a session of its own is lost.
    world.client().batch_execute("CHECKPOINT; CREATE TABLE lost ()").expect("a table");
    server.crash();
    server.again();
    let lost: bool = world.client().query_one("SELECT to_regclass('lost') IS NULL", &[]).expect("an answer").get(0);
    assert!(lost, "the server writes its log out at once: this test cannot fail");
    tally.done();
}

/// A COMMIT that waits for a standby that is not there has happened already, whatever ends the wait.
#[test]
fn f6_a_commit_that_waits_for_a_standby() {
    let server = OwnServer::start(&["wal_level=replica", "max_wal_senders=2", "synchronous_commit=local"]);
    let url = server.database("f6");
    let world = World::on(&url, "f6", "", None);
    let tally = Tally::new("F6 COMMIT waits for a standby");
    let kinds =
        [Kind::Ask(Signal::INT, 1), Kind::Ask(Signal::TERM, 2), Kind::Terminate, Kind::Kill, Kind::Cut(Then::Close)];
    for kind in kinds {
        world.reset();
        server.admin("ALTER SYSTEM SET synchronous_standby_names = 'nobody'; SELECT pg_reload_conf()");
        server.admin("ALTER DATABASE f6 SET synchronous_commit = on");
        let child = world.spawn("upgrade head");
        let mut client = world::connect(&world.admin_url);
        let waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        let until = Instant::now() + Duration::from_secs(10);
        while client.query(waits, &[]).expect("the activity").is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        world.strike(kind, &child);
        std::thread::sleep(Duration::from_millis(300));
        server.admin("ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf()");
        let (ran, wrong) = world.end(child, LIMIT);
        world.judge(&tally, &format!("{kind:?}"), &ran, kind, wrong);
        server.admin("ALTER DATABASE f6 RESET synchronous_commit");
    }
    tally.done();
}
