//! The launcher against real servers: what is left after each kind of end, and several processes at once.

mod support;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aludel::local::{Ephemeral, EphemeralOptions, Keep, Local, Origin, Running, Status};
use postgres::{Client, NoTls};
use support::{Database, Project, Ran, server, variables};

fn local(project: &Project) -> Local {
    Local::at(project.path(), variables()).unwrap()
}

#[track_caller]
fn run(local: &Local) -> Running {
    local.ensure_running().unwrap_or_else(|error| panic!("{error:#?}"))
}

fn client(running: &Running) -> Client {
    Client::connect(&running.connection().url(), NoTls).unwrap()
}

/// Waits for what a watchdog does after its owner's end.
#[track_caller]
fn soon(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_process(pid: i32) -> bool {
    rustix::process::test_kill_process(rustix::process::Pid::from_raw(pid).unwrap()).is_ok()
}

fn pid(data: &Path) -> i32 {
    let text = std::fs::read_to_string(data.join("postmaster.pid")).unwrap();
    text.lines().next().unwrap().parse().unwrap()
}

/// This test binary, running one of the helpers below as a process of its own; and what that printed after `got `.
fn helper(name: &str, directory: &Path) -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--ignored", "--nocapture"])
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let got = lines.find_map(|line| line.split_once("got ").map(|(_, rest)| rest.to_owned()));
    // Read to its end, or the helper could not print its own closing line.
    std::thread::spawn(move || lines.count());
    (child, got.expect("the helper prints a line"))
}

#[allow(clippy::print_stdout, reason = "that is how a helper answers")]
fn answer(text: &str) {
    println!("got {text}");
    let _ = std::io::stdin().read_line(&mut String::new());
}

#[test]
#[ignore = "a helper process: holds a server for tests until its standard input ends"]
fn helper_ephemeral() {
    answer(&server().cluster.directory().display().to_string());
}

#[test]
#[ignore = "a helper process: uses the project's server until its standard input ends"]
fn helper_persistent() {
    let local = Local::at(Path::new("."), variables()).unwrap();
    let running = run(&local);
    answer(&format!("{:?} {}", running.origin(), running.connection().socket_directory.display()));
}

#[test]
fn an_ephemeral_server_is_gone_when_dropped() {
    let options = EphemeralOptions { settings: vec!["work_mem=7MB".into()], ..EphemeralOptions::default() };
    let cluster = Ephemeral::start(&variables(), &options).unwrap();
    let directory = cluster.directory().to_owned();
    let pid = pid(&directory.join("data"));
    let mut client = Client::connect(&cluster.connection().url(), NoTls).unwrap();
    let shown =
        |client: &mut Client, name: &str| -> String { client.query_one(&format!("SHOW {name}"), &[]).unwrap().get(0) };
    assert_eq!(shown(&mut client, "work_mem"), "7MB");
    assert_eq!(shown(&mut client, "server_encoding"), "UTF8");
    assert_eq!(shown(&mut client, "listen_addresses"), "");
    assert!(is_process(pid));
    drop(cluster);
    assert!(!directory.exists());
    assert!(!is_process(pid));
}

#[test]
fn an_ephemeral_server_is_gone_when_its_process_ends_or_is_killed() {
    for kill in [false, true] {
        let (mut child, directory) = helper("helper_ephemeral", Path::new("/"));
        let directory = PathBuf::from(directory);
        let pid = pid(&directory.join("data"));
        assert!(is_process(pid));
        if kill {
            child.kill().unwrap();
        } else {
            drop(child.stdin.take());
        }
        assert_eq!(child.wait().unwrap().success(), !kill);
        soon("the server has ended", || !is_process(pid));
        soon("its directory is gone", || !directory.exists());
    }
}

#[test]
fn a_server_on_tcp_asks_for_its_password() {
    let password = "p@ss/wörd%'\\";
    let options = EphemeralOptions { tcp_password: Some(password.into()), ..EphemeralOptions::default() };
    let cluster = Ephemeral::start(&variables(), &options).unwrap();
    let connect = |url: &str| Client::connect(url, NoTls);
    let mut client = connect(&cluster.connection().tcp_url(password)).unwrap();
    let method: String = client.query_one("SHOW password_encryption", &[]).unwrap().get(0);
    assert_eq!(method, "scram-sha-256");
    assert!(connect(&cluster.connection().tcp_url("wrong")).is_err());
    assert!(connect(&cluster.connection().url()).is_ok());
}

#[test]
fn a_setting_that_the_server_refuses_is_shown_in_its_own_words() {
    let options = EphemeralOptions { settings: vec!["no_such_setting=1".into()], ..EphemeralOptions::default() };
    let error = Ephemeral::start(&variables(), &options).unwrap_err();
    assert_eq!(error.title(), "the local PostgreSQL did not start");
    assert!(error.notes().iter().any(|note| note.contains("no_such_setting")), "{error:#?}");
}

#[test]
fn a_command_starts_the_server_and_stops_it_and_the_data_stay() {
    let project = Project::empty();
    let local = local(&project);
    assert_eq!(local.status().unwrap(), Status::Absent);
    assert!(!project.path().join(".aludel").exists(), "status makes nothing");
    assert!(!local.stop().unwrap());

    let running = run(&local);
    assert_eq!(running.origin(), Origin::Created);
    let url = running.connection().url();
    client(&running).batch_execute("CREATE TABLE t AS SELECT 42 AS n").unwrap();
    let Status::Running { pid, connection, keep } = local.status().unwrap() else { panic!("it runs") };
    assert_eq!((connection.url(), keep), (url.clone(), Keep::WhileUsed));
    let directory = connection.socket_directory;
    drop(running);
    assert_eq!(local.status().unwrap(), Status::Stopped);
    assert!(!is_process(pid.cast_signed()), "the server has ended before the command does");
    assert!(!directory.exists());

    let running = run(&local);
    assert_eq!(running.origin(), Origin::Started);
    assert_eq!(running.connection().url(), url, "the address stays the same");
    let number: i32 = client(&running).query_one("SELECT n FROM t", &[]).unwrap().get(0);
    assert_eq!(number, 42);
    for (setting, expected) in [("fsync", "on"), ("listen_addresses", ""), ("server_encoding", "UTF8")] {
        let value: String = client(&running).query_one(&format!("SHOW {setting}"), &[]).unwrap().get(0);
        assert_eq!(value, expected, "{setting}");
    }
    drop(running);
    assert!(local.destroy().unwrap());
    assert_eq!(local.status().unwrap(), Status::Absent);
    assert!(!local.destroy().unwrap());
    assert_eq!(project.list(".aludel/postgres"), [".gitignore", "alive", "lock"]);
}

#[test]
fn a_started_server_stays_until_it_is_stopped() {
    let project = Project::empty();
    let local = local(&project);
    drop(local.start().unwrap());
    let Status::Running { keep, .. } = local.status().unwrap() else { panic!("it runs") };
    assert_eq!(keep, Keep::UntilStopped);
    let running = run(&local);
    assert_eq!(running.origin(), Origin::Found);
    client(&running);
    drop(running);
    assert!(matches!(local.status().unwrap(), Status::Running { .. }));
    assert!(local.stop().unwrap());
    assert_eq!(local.status().unwrap(), Status::Stopped);
    assert!(!local.stop().unwrap());

    // Started for a command, then asked to stay.
    let running = run(&local);
    assert_eq!(local.start().unwrap().origin(), Origin::Found);
    drop(running);
    let Status::Running { keep, .. } = local.status().unwrap() else { panic!("it runs") };
    assert_eq!(keep, Keep::UntilStopped);
    assert!(local.destroy().unwrap());
}

#[test]
fn the_last_of_several_users_stops_the_server() {
    let project = Project::empty();
    let local = local(&project);
    let first = run(&local);
    let (mut second, said) = helper("helper_persistent", project.path());
    assert_eq!(said, format!("Found {}", first.connection().socket_directory.display()));
    let mut session = client(&first);
    drop(first);
    session.batch_execute("SELECT 1").expect("the second user keeps it up");
    assert!(matches!(local.status().unwrap(), Status::Running { .. }));
    drop(second.stdin.take());
    assert!(second.wait().unwrap().success());
    assert_eq!(local.status().unwrap(), Status::Stopped);
}

#[test]
fn a_killed_user_leaves_no_server_and_the_next_one_starts_it() {
    let project = Project::empty();
    let local = local(&project);
    let (mut user, said) = helper("helper_persistent", project.path());
    let directory = PathBuf::from(said.split_once(' ').unwrap().1);
    user.kill().unwrap();
    user.wait().unwrap();
    soon("its directory is gone", || !directory.exists());
    assert_eq!(local.status().unwrap(), Status::Stopped);

    // Another one comes while the watchdog is at work: it gets the old server or a new one, and keeps it either way.
    for _ in 0..10 {
        let (mut user, _) = helper("helper_persistent", project.path());
        user.kill().unwrap();
        user.wait().unwrap();
        let running = run(&local);
        client(&running).batch_execute("SELECT pg_sleep(0.1)").unwrap();
    }
    assert_eq!(local.status().unwrap(), Status::Stopped);
}

#[test]
fn many_at_once_share_one_server() {
    let project = Project::empty();
    let threads: Vec<_> = (0..6)
        .map(|_| {
            let local = local(&project);
            std::thread::spawn(move || {
                for _ in 0..4 {
                    let running = run(&local);
                    client(&running).batch_execute("SELECT pg_sleep(0.01)").unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(local(&project).status().unwrap(), Status::Stopped);
}

#[test]
fn a_server_that_was_killed_with_its_watchdog_is_recovered() {
    let project = Project::empty();
    let local = local(&project);
    let running = local.start().unwrap();
    client(&running).batch_execute("CREATE TABLE t AS SELECT 7 AS n").unwrap();
    let server = rustix::process::Pid::from_raw(pid(&local.data())).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/stat", server.as_raw_nonzero())).unwrap();
    let watchdog = status.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().parse().unwrap();
    let watchdog = rustix::process::Pid::from_raw(watchdog).unwrap();
    for process in [watchdog, server] {
        rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    }
    drop(running);
    // As after a crash of the machine: the number in postmaster.pid is somebody else's.
    soon("all of it has ended", || local.status().unwrap() == Status::Stopped);
    let path = local.data().join("postmaster.pid");
    let text = std::fs::read_to_string(&path).unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    std::fs::write(&path, format!("{}\n{rest}", std::process::id())).unwrap();

    let running = run(&local);
    let number: i32 = client(&running).query_one("SELECT n FROM t", &[]).unwrap().get(0);
    assert_eq!(number, 7);
    drop(running);
    local.destroy().unwrap();
}

#[test]
fn half_made_data_are_made_anew() {
    let project = Project::empty();
    project.write(".aludel/postgres/unfinished-1/PG_VERSION", "15\n");
    let local = local(&project);
    assert_eq!(run(&local).origin(), Origin::Created);
    assert!(!project.path().join(".aludel/postgres/unfinished-1").exists());
}

#[test]
fn data_of_another_version_are_left_alone() {
    let project = Project::empty();
    project.write(".aludel/postgres/data/PG_VERSION", "9\n");
    let error = local(&project).ensure_running().unwrap_err();
    assert_eq!(error.title(), "PostgreSQL 9 is not installed here");
    assert!(error.notes().last().unwrap().ends_with("are PostgreSQL 9's"), "{error:#?}");
    assert_eq!(project.read(".aludel/postgres/data/PG_VERSION"), "9\n");
}

#[test]
fn a_project_that_only_its_owner_may_enter() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("project")).unwrap();
    let local = Local::at(&directory.path().join("project"), variables()).unwrap();
    client(&run(&local)).batch_execute("CREATE TABLE t ()").unwrap();
    client(&run(&local)).batch_execute("SELECT FROM t").unwrap();
    assert!(local.destroy().unwrap());
}

#[test]
fn psql_holds_the_server_up() {
    let project = Project::empty();
    let local = local(&project);
    let running = run(&local);
    let mut command = running.psql(["-Atc".into(), "SELECT pg_sleep(0.2), 1".into()]).unwrap();
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(running);
    assert!(child.wait_with_output().unwrap().status.success());
    soon("it has stopped", || local.status().unwrap() == Status::Stopped);
}

#[test]
fn databases_of_tests_are_empty_and_apart() {
    let (one, two) = (Database::create(), Database::create());
    one.client().batch_execute("CREATE TABLE t AS SELECT 1 AS n").unwrap();
    assert_eq!(one.psql("SELECT n FROM t"), "1\n");
    assert_eq!(
        two.try_psql(&[], "SELECT n FROM t").stderr.lines().next().unwrap_or(""),
        "ERROR:  relation \"t\" does not exist"
    );
    assert!(one.pg_dump().contains("CREATE TABLE public.t"));
    assert_eq!(one.pg_dump(), one.pg_dump());
    two.psql("CREATE TABLE t AS SELECT 1 AS n;");
    assert_eq!(one.pg_dump(), two.pg_dump());
    let name = one.name.clone();
    drop(one);
    let gone = two.client().query("SELECT FROM pg_database WHERE datname = $1", &[&name]).unwrap();
    assert!(gone.is_empty());
}

#[test]
fn what_differs_from_run_to_run_is_replaced() {
    let project = Project::empty();
    let text = format!(
        "001 done in 0.012s, 3 ms, v1.2 s {} {} in {}/x",
        "postgresql:///test_12?host=/dev/shm/aludel-0123456789&user=postgres",
        "/tmp/aludel-x latest_3",
        project.path().display()
    );
    assert_eq!(
        project.still(text),
        "001 done in [TIME], [TIME], v1.2 s postgresql:///[DATABASE]?host=[SOCKET]&user=postgres /tmp/aludel-x la[DATABASE] in [CWD]/x"
    );
    let ran = Ran { code: 1, stdout: String::new(), stderr: "error: x\n".into() };
    assert_eq!(ran.transcript(), "exit code: 1\n----- stderr\nerror: x\n");
}
