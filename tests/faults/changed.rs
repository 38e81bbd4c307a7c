//! A file that is edited while a run is on its way, or between a run that was interrupted and the next: what the history says
//! has run is what has run.

use std::sync::atomic::Ordering;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::proxy::{Direction, Fault, Passed, Point, Then};
use crate::tally::{self, Tally};
use crate::world::{Kind, LIMIT, World};
use crate::{checker, matrix, plan};

/// What a revision's file can become; the effect tells which text has run.
fn edited(id: &str, parents: &[&str], padding: usize) -> String {
    let many = "-- nothing but a comment\n".repeat(padding);
    let text = plan::transactional(id)
        .replace("INSERT INTO effects VALUES", "CREATE TABLE edited ();\nINSERT INTO effects VALUES");
    plan::header(id, parents) + &text + &many
}

fn original(id: &str, parents: &[&str], padding: usize) -> String {
    let many = "-- nothing but a comment\n".repeat(padding);
    plan::header(id, parents) + &plan::transactional(id) + &many
}

fn checksum(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the history says has run of 004, and what has run.
fn judge(world: &World, ran: &crate::support::Ran, texts: [&str; 2], expect_rerun: i32) -> Vec<String> {
    let (truth, mut wrong) = world.truth(Duration::from_secs(5));
    wrong.extend(checker::after_fault(&truth, ran, checker::Ended::ByItself, world.bare));
    wrong.extend(recorded(world, texts));
    let rerun = world.run("upgrade head");
    if rerun.code != expect_rerun {
        wrong.push(format!("the rerun: {}", rerun.transcript()));
    }
    if rerun.code == 0 {
        wrong.extend(checker::after_rerun(&world.truth(Duration::from_secs(5)).0, &rerun, world.bare));
    }
    wrong.extend(recorded(world, texts));
    if !wrong.is_empty() {
        wrong.push(ran.transcript());
    }
    wrong
}

/// The checksum of 004 in the history is that of the text that has run.
fn recorded(world: &World, [before, after]: [&str; 2]) -> Option<String> {
    let mut client = world.client();
    if client.query_one("SELECT to_regclass('aludel_history') IS NULL", &[]).expect("an answer").get(0) {
        return None;
    }
    let sql = "SELECT checksum, to_regclass('edited') IS NOT NULL FROM aludel_history WHERE revision = '004' AND outcome = 'done'";
    let row = client.query_opt(sql, &[]).expect("the history")?;
    let (told, edited): (String, bool) = (row.get(0), row.get(1));
    let right = checksum(if edited { after } else { before });
    (!told.ends_with(&right)).then(|| format!("recorded {told}, and {right} has run (edited: {edited})"))
}

#[test]
fn f15_a_file_is_replaced_while_the_run_is_on_its_way() {
    let tally = Tally::new("F15 a file replaced between plan and run, at a message");
    // One that is read once, and one that is read while it runs.
    for padding in [0, 30_000] {
        let (before, after) = (original("004", &["002", "003"], padding), edited("004", &["002", "003"], padding));
        let world = World::new("");
        world.project.write("versions/004.sql", &before);
        world.reset();
        assert_eq!(world.run("upgrade head").code, 0);
        // What is sent before anything of 004 comes first: behind that, its text is on its way.
        let messages = world.proxy.heard()[0].len().min(tally::sized(7, usize::MAX));
        let ways = (0..messages).flat_map(|message| [(message, true), (message, false)]);
        for (message, renamed) in ways {
            world.project.write("versions/004.sql", &before);
            world.reset();
            let path = world.project.path().join("versions/004.sql");
            let (new, beside) = (after.clone(), path.with_extension("new"));
            let act = Box::new(move || {
                if renamed {
                    std::fs::write(&beside, &new).expect("a file");
                    std::fs::rename(&beside, &path).expect("a file");
                } else {
                    std::fs::write(&path, &new).expect("a file");
                }
                Then::GoOn
            });
            let at = Point { direction: Direction::ToServer, message, passed: Passed::Nothing };
            world.proxy.arm(Some(Fault { at, act }));
            let ran = world.run("upgrade head");
            let wrong = judge(&world, &ran, [&before, &after], 0);
            tally.count(&format!("{padding} lines more, at message {message}, renamed: {renamed}"), ran.code, wrong);
        }
    }
    // A large file is read again when its turn comes, and not taken for the one that was checked.
    assert!(tally.ended_with(1) > 0, "no run found that its file had changed");
    tally.done();
}

#[test]
fn f15_a_file_is_edited_behind_an_interrupted_run() {
    let tally = Tally::new("F15 a file edited behind an interrupted run");
    let (before, after) = (original("004", &["002", "003"], 0), edited("004", &["002", "003"], 0));
    let world = World::new("");
    let points = matrix::points(&matrix::conversation(""), |_| vec![Passed::Nothing]);
    for at in tally::every(points, 4, 6) {
        world.project.write("versions/004.sql", &before);
        world.reset();
        let (process, act) = world.act(Kind::Kill);
        world.proxy.arm(Some(Fault { at, act }));
        let child = world.spawn("upgrade head");
        process.store(i32::try_from(child.id()).expect("a process"), Ordering::SeqCst);
        let (ran, mut wrong) = world.end(child, LIMIT);
        let _ = world.truth(Duration::from_secs(5));
        world.project.write("versions/004.sql", &after);
        // Where 004 was done already, its text has changed since; else the new text is what runs.
        let rerun = world.run("upgrade head");
        wrong.extend(checker::after_rerun(&world.truth(Duration::from_secs(5)).0, &rerun, world.bare));
        wrong.extend(recorded(&world, [&before, &after]));
        tally.count(&format!("{at:?}"), ran.code, wrong);
    }
    tally.done();
}
