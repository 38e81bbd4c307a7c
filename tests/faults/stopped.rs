//! A tool that is stopped for a while (SIGSTOP, a suspended machine): its session ends by its own limits, another deployer goes on, and
//! the one that wakes up says so and does nothing more.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::proxy::{Direction, Fault, Passed, Point};
use crate::support;
use crate::tally::{self, Tally};
use crate::world::{Kind, LIMIT, World};
use crate::{checker, plan};

#[test]
fn f9_a_tool_that_sleeps_for_ten_seconds() {
    let settings = "idle_in_transaction_session_timeout = 2s\n";
    let big = || {
        let world = World::new(settings);
        // Of several messages, so that the transaction is open between two of them.
        let many = "INSERT INTO effects SELECT 'x' WHERE false;\n".repeat(20_000);
        world.project.write("versions/002.sql", plan::header("002", &["001"]) + &plan::transactional("002") + &many);
        world
    };
    let world = big();
    world.reset();
    assert_eq!(world.run("upgrade head").code, 0);
    let heard = world.proxy.heard();
    let messages = |direction: Direction| {
        let held = |message| Point { direction, message, passed: Passed::Nothing };
        (1..heard[direction as usize].len()).map(held).collect::<Vec<_>>()
    };
    // A tool that sleeps where its messages are all sent changes nothing: those that it sends are the points.
    let mut points = tally::every(messages(Direction::ToServer), 1, 6);
    points.extend(tally::every(messages(Direction::ToClient), 400, 2));
    let tally = Tally::new("F9 SIGSTOP for 10 s at a message, another one deploys");
    tally::parallel(points, 8, big, |world, at| {
        world.reset();
        let (process, act) = world.act(Kind::Stop);
        world.proxy.arm(Some(Fault { at, act }));
        let child = world.spawn("upgrade head");
        process.store(i32::try_from(child.id()).expect("a process"), Ordering::SeqCst);
        std::thread::sleep(Duration::from_secs(1));
        let began = Instant::now();
        let other = world.run("upgrade head --lock-wait 20s");
        let mut wrong = Vec::new();
        // Before 14 the server cannot limit how long a session outside a transaction keeps its lock.
        let bounded = support::server().cluster.binaries().major >= 14 || other.code == 0;
        if bounded && (other.code != 0 || began.elapsed() > Duration::from_secs(7)) {
            wrong.push(format!("the other one after {:?}: {}", began.elapsed(), other.transcript()));
        }
        std::thread::sleep(Duration::from_secs(9).saturating_sub(began.elapsed()));
        crate::world::send(&process, Signal::CONT);
        let (ran, late) = world.end(child, LIMIT);
        wrong.extend(late);
        // Both together have done everything once; what the one that slept says of itself is not more than it did.
        let (truth, late) = world.truth(Duration::from_secs(5));
        wrong.extend(late);
        wrong.extend(checker::after_rerun(&truth, &world.run("upgrade head"), world.bare));
        let said = |ran: &support::Ran| ran.stderr.lines().filter(|line| line.starts_with("upgraded ")).count();
        if said(&ran) + said(&other) > plan::REVISIONS.len() {
            wrong.push("more is said to be done than there is".to_owned());
        }
        if !wrong.is_empty() {
            wrong.push(format!("{}the other {}", ran.transcript(), other.transcript()));
        }
        tally.count(&format!("{at:?}"), ran.code, wrong);
    });
    tally.done();
}
