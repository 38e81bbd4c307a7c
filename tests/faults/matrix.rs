//! Every fault at every message of a run, in both directions, and at gates where the server is in the middle of something.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::plan;
use crate::proxy::{Direction, Fault, Heard, Passed, Point, Then};
use crate::tally::{self, Tally};
use crate::world::{Kind, LIMIT, World};

/// How many runs go on at once: they mostly wait.
const WORKERS: usize = 4;

/// Every message of a whole run in both directions, and what of it is passed on.
pub fn points(heard: &[Vec<Heard>; 2], passed: impl Fn(&Heard) -> Vec<Passed>) -> Vec<Point> {
    let mut points = Vec::new();
    for direction in [Direction::ToServer, Direction::ToClient] {
        for (message, heard) in heard[direction as usize].iter().enumerate() {
            points.extend(passed(heard).into_iter().map(|passed| Point { direction, message, passed }));
        }
    }
    points
}

/// What a whole run says, and hears.
pub fn conversation(settings: &str) -> [Vec<Heard>; 2] {
    let world = World::new(settings);
    world.reset();
    let ran = world.run("upgrade head");
    assert_eq!(ran.code, 0, "{}", ran.transcript());
    let heard = world.proxy.heard();
    // A revision is two messages; the server answers every statement.
    assert!(heard[0].len() >= 10 && heard[1].len() >= 60, "{} and {}", heard[0].len(), heard[1].len());
    heard
}

/// Runs with the fault at each of these points.
fn sweep(case: &str, kind: Kind, settings: &str, points: Vec<Point>) -> Tally {
    let tally = Tally::new(case);
    let own = || World::new(settings);
    tally::parallel(points, WORKERS, own, |world, point| inject(world, &tally, kind, point));
    tally
}

pub fn inject(world: &World, tally: &Tally, kind: Kind, at: Point) {
    world.reset();
    strike(world, tally, kind, at);
}

/// Runs with the fault on the database as it is.
fn strike(world: &World, tally: &Tally, kind: Kind, at: Point) {
    let (process, act) = world.act(kind);
    world.proxy.arm(Some(Fault { at, act }));
    let child = world.spawn("upgrade head");
    process.store(i32::try_from(child.id()).expect("a process"), Ordering::SeqCst);
    let (ran, mut wrong) = world.end(child, LIMIT);
    // It says that it is done before the last message.
    if !world.proxy.was_hit() && ran.code != 0 {
        wrong.push("it failed, and nothing was done to it".to_owned());
    }
    world.judge(tally, &format!("{kind:?} at {at:?}"), &ran, kind, wrong);
}

/// Runs with the fault while the server waits at each of the gates.
fn at_gates(case: &str, kinds: &[Kind], settings: &str, count: usize) {
    let tally = Tally::new(case);
    let all: Vec<(Kind, String)> = kinds
        .iter()
        .flat_map(|kind| plan::gates(World::has_bare(settings)).into_iter().map(|gate| (*kind, gate)))
        .collect();
    let own = || World::new(settings);
    tally::parallel(tally::some(all, count), WORKERS, own, |world, (kind, gate)| {
        inject_at_gate(world, &tally, kind, &gate);
    });
    tally.done();
}

pub fn inject_at_gate(world: &World, tally: &Tally, kind: Kind, gate: &str) {
    world.reset();
    let mut holder = world.client();
    holder.execute("SELECT pg_advisory_lock(77, hashtext($1))", &[&gate]).expect("a gate");
    let child = world.spawn("upgrade head");
    let waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let until = Instant::now() + Duration::from_secs(10);
    let mut wrong = Vec::new();
    while holder.query(waits, &[]).expect("the locks").is_empty() {
        if Instant::now() > until {
            wrong.push("the gate was not reached".to_owned());
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    world.strike(kind, &child);
    // Time for whoever asks too early what became of it.
    std::thread::sleep(Duration::from_millis(100));
    drop(holder);
    let (ran, late) = world.end(child, LIMIT);
    wrong.extend(late);
    world.judge(tally, &format!("{kind:?} at gate {gate}"), &ran, kind, wrong);
}

#[test]
fn repeatable_files_run_once_whatever_happens() {
    let own = || World::with_repeatables("");
    let world = own();
    world.reset();
    let ran = world.run("upgrade head");
    assert_eq!(ran.code, 0, "{}", ran.transcript());
    let heard = world.proxy.heard();
    // From the last revision on.
    let begin =
        heard[0].iter().position(|message| holds(message, "VIEW rb AS")).expect("the first repeatable file") - 3;
    let mut points = points(&heard, before_and_after);
    points.retain(|point| point.direction == Direction::ToClient || point.message >= begin);
    for (kind, name) in [
        (Kind::Kill, "kill -9 of the tool"),
        (Kind::Cut(Then::Close), "connection cut"),
        (Kind::Ask(Signal::INT, 1), "SIGINT"),
    ] {
        let tally = Tally::new(format!("repeatable files: {name} at a message"));
        let points = tally::some(points.clone(), 16);
        tally::parallel(points, WORKERS, own, |world, point| inject(world, &tally, kind, point));
        tally.done();
    }
}

#[test]
fn repeatable_files_that_go_with_another_come_back_whatever_happens() {
    let own = || {
        let mut world = World::with_repeatables("");
        world.repeatables = vec!["ra", "ra", "rb", "rc", "rc"];
        world
    };
    let world = own();
    world.reset_and_change();
    let ran = world.run("upgrade head");
    assert_eq!(ran.code, 0, "{}", ran.transcript());
    let points = points(&world.proxy.heard(), before_and_after);
    let tally = Tally::new("changed repeatable files: kill -9 of the tool at a message");
    tally::parallel(tally::some(points, 32), WORKERS, own, |world, point| {
        world.reset_and_change();
        strike(world, &tally, Kind::Kill, point);
        let views = "SELECT count(*) FROM pg_class WHERE relname IN ('ra', 'rb', 'rc')";
        assert_eq!(world.client().query_one(views, &[]).expect("the views").get::<_, i64>(0), 3, "{point:?}");
    });
    tally.done();
}

pub fn before_and_after(_: &Heard) -> Vec<Passed> {
    vec![Passed::Nothing, Passed::All]
}

#[test]
fn f1_the_tool_is_killed_at_every_message() {
    let points = points(&conversation(""), before_and_after);
    let tally = sweep("F1 kill -9 of the tool at a message", Kind::Kill, "", tally::some(points, 24));
    assert!(tally.ended_with(-1) > 10);
    tally.done();
}

#[test]
fn f2_its_session_is_terminated_at_every_message() {
    let points = points(&conversation(""), before_and_after);
    let tally = sweep("F2 pg_terminate_backend at a message", Kind::Terminate, "", tally::some(points, 24));
    assert!(tally.ended_with(1) > 2);
    tally.done();
}

#[test]
fn f5_the_connection_is_cut_at_every_message() {
    for (settings, name) in [("", ""), ("transaction = run\n", ", transaction = run")] {
        let halves = |heard: &Heard| vec![Passed::Nothing, Passed::Bytes(heard.text.len() / 2), Passed::All];
        let points = points(&conversation(settings), halves);
        let case = format!("F5 connection cut at a message{name}");
        let tally = sweep(&case, Kind::Cut(Then::Close), settings, tally::some(points, 24));
        assert!(tally.ended_with(1) > 2);
        tally.done();
    }
}

/// The middle revision: what stands before it, and what comes behind it, are there to go wrong.
const MIDDLE: &str = "'003 body'";

#[test]
fn f5_the_connection_is_cut_at_every_byte() {
    let heard = conversation("");
    let up = heard[0].iter().position(|message| holds(message, MIDDLE)).expect("the message of a revision");
    // All of BEGIN, of the record and of COMMIT; between them what the server reads as a whole all the same.
    let text = &heard[0][up].text;
    let last = |part: &str| text.windows(part.len()).rposition(|window| window == part.as_bytes()).expect(part);
    let (begin, record) = (last("BEGIN ISOLATION LEVEL"), last("INSERT INTO public.aludel_history") - 200);
    let bytes = (0..begin).step_by(16).chain(begin..begin + 50).chain((begin + 50..record).step_by(16));
    let bytes = bytes.chain(record..=text.len());
    let mut points: Vec<Point> = bytes
        .map(|bytes| Point { direction: Direction::ToServer, message: up, passed: Passed::Bytes(bytes) })
        .collect();
    // Its answers: from the one to its BEGIN to the one that says that the server is ready.
    let down = heard[1].iter().enumerate().filter(|(_, message)| message.start.starts_with('Z')).map(|(at, _)| at);
    let ready: Vec<usize> = down.collect();
    let answers = heard[1].iter().enumerate().take(ready[up] + 1).skip(ready[up - 1] + 1);
    for (message, answer) in answers {
        for bytes in 0..=answer.text.len() {
            points.push(Point { direction: Direction::ToClient, message, passed: Passed::Bytes(bytes) });
        }
    }
    for (then, name) in [(Then::Close, "FIN"), (Then::Reset, "RST")] {
        let points = tally::some(points.clone(), 16);
        let tally = sweep(&format!("F5 connection cut at a byte, {name}"), Kind::Cut(then), "", points);
        assert!(tally.ended_with(1) > 1);
        tally.done();
    }
}

fn holds(message: &Heard, part: &str) -> bool {
    message.text.windows(part.len()).any(|window| window == part.as_bytes())
}

#[test]
fn f6_faults_in_the_middle_of_a_revision_and_of_its_commit() {
    let kinds = [
        Kind::Kill,
        Kind::Terminate,
        Kind::Cut(Then::Close),
        Kind::Cut(Then::Reset),
        Kind::Ask(Signal::INT, 1),
        Kind::Ask(Signal::TERM, 2),
    ];
    at_gates("F1, F2, F6, F8 in a body, at its end, in a slow COMMIT", &kinds, "lock_timeout = 20s\n", 24);
    at_gates("the same, transaction = run", &kinds, "lock_timeout = 20s\ntransaction = run\n", 12);
}

#[test]
fn f7_nothing_arrives_any_more() {
    let settings = "idle_in_transaction_session_timeout = 2s\nlock_timeout = 1s\n";
    let points = points(&conversation(settings), before_and_after);
    let tally = Tally::new("F7 a black hole at a message");
    let kind = Kind::Cut(Then::Hole);
    tally::parallel(
        tally::some(points, 8),
        tally::sized(8, 32),
        || World::new(settings),
        |world, point| {
            inject(world, &tally, kind, point);
        },
    );
    assert!(tally.ended_with(1) > 0);
    tally.done();
}

#[test]
fn f8_signals_at_every_message() {
    for (signal, times, name) in
        [(Signal::INT, 1, "SIGINT"), (Signal::TERM, 1, "SIGTERM"), (Signal::INT, 2, "SIGINT twice")]
    {
        let points = points(&conversation(""), before_and_after);
        let case = format!("F8 {name} at a message");
        let tally = sweep(&case, Kind::Ask(signal, times), "", tally::some(points, 16));
        assert!(tally.ended_with(128 + signal.as_raw()) > 2);
        tally.done();
    }
}
