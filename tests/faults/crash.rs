//! A server that crashes in the middle of a run and comes back: what is said is what is so.

use rustix::process::{Pid, Signal, kill_process};

use aludel::local::EphemeralOptions;

use crate::support::Server;
use crate::{Case, LONG};

/// Kills a server process as a failure of the machine would; the postmaster then ends all others and recovers.
fn crash(case: &Case) {
    let sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    let pid: i32 = case.ask(sql).parse().expect("a process");
    kill_process(Pid::from_raw(pid).expect("a process"), Signal::KILL).expect("the process is there");
}

/// Waits until the server takes connections again.
fn back(case: &Case) {
    crate::eventually("the server to be back", || case.database.try_psql(&[], "SELECT 1").code == 0);
}

#[test]
fn in_the_middle_of_a_revision() {
    // Crash safety is what this is about: a test server does without it.
    let settings = ["fsync=on", "synchronous_commit=on", "full_page_writes=on", "restart_after_crash=on"];
    let options = EphemeralOptions { settings: settings.map(str::to_owned).to_vec(), ..EphemeralOptions::default() };
    let server: &'static Server = Box::leak(Box::new(Server::start(&options)));
    // All before the first crash, for the connection that makes databases goes down with it.
    let cases = [("", "001"), ("transaction = run\n", "")];
    for (case, kept) in cases.map(|(settings, kept)| (Case::on_server(server, settings), kept)) {
        case.chain(3).effect("002", "001", LONG);
        let run = case.start("upgrade head");
        case.wait_for_sleep();
        crash(&case);
        let ran = run.end();
        back(&case);
        let said = ran.transcript();
        assert_eq!((case.effects(), case.rows()), (kept.to_owned(), kept.to_owned()), "{said}");
        assert_eq!(ran.code, 1, "{said}");
        assert!(said.contains("nothing of revision 002 was kept"), "{said}");
        assert_eq!(said.contains("applied before it, and kept: 001"), !kept.is_empty(), "{said}");
        case.effect("002", "001", "").succeeds("upgrade head");
        assert_eq!((case.effects(), case.rows()), ("001,002,003".to_owned(), "003".to_owned()));
        // It cannot be dropped over that connection either; it goes with the server.
        std::mem::forget(case.database);
    }
}
