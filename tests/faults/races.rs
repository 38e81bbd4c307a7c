//! Many runs at once: each effect once, and every process ends well.

use std::collections::BTreeSet;

use rustix::process::Signal;

use crate::checker::Truth;
use crate::support::Ran;
use crate::tally::{self, Tally};
use crate::{Case, effect, plan};

/// Five revisions with a merge and an index that is built without a transaction.
fn race(case: &Case) {
    case.effect("001", "", "").effect("002", "001", "").effect("003", "001", "");
    case.file("004", "[002, 003]", "-- migrate:upgrade\nINSERT INTO effects VALUES ('004');");
    case.file("005", "004", &format!("-- migrate:upgrade transaction:false\nCREATE INDEX CONCURRENTLY one ON effects (id);\n-- migrate:upgrade\n{}", effect("005", "004")));
}

/// Starts so many processes at once, and waits for all.
fn at_once(case: &Case, arguments: &[String]) -> Vec<Ran> {
    let runs: Vec<_> = arguments.iter().map(|arguments| case.start(arguments)).collect();
    runs.into_iter().map(|run| run.end()).collect()
}

/// What is wrong behind a race of upgrades on an empty database.
fn judge(case: &Case, runs: &[Ran]) -> Vec<String> {
    let mut wrong = Vec::new();
    for ran in runs {
        if ran.code != 0 || ran.stderr.contains("[23505]") || ran.stderr.contains("[42710]") {
            wrong.push(ran.transcript());
        }
    }
    let reports = runs.iter().flat_map(|ran| ran.stderr.lines()).filter(|line| line.starts_with("upgraded ")).count();
    if reports != 5 {
        wrong.push(format!("{reports} revisions were reported as applied"));
    }
    case.wait_until_alone();
    let mut client = case.database.client();
    let tables = "SELECT version_num FROM aludel_version";
    let rows: Vec<String> =
        client.query(tables, &[]).expect("the version table").iter().map(|row| row.get(0)).collect();
    let history = "SELECT revision FROM aludel_history WHERE outcome = 'done' ORDER BY revision";
    let done: Vec<String> = client.query(history, &[]).expect("the history").iter().map(|row| row.get(0)).collect();
    let truth = Truth::read(&mut client);
    let mut effects = truth.effects;
    effects.sort_unstable();
    let all = ["001", "002", "003", "004", "005"];
    if effects != all || done != all || rows != ["005"] || !truth.invalid.is_empty() || truth.locks != 0 {
        wrong.push(format!("effects {effects:?}, history {done:?}, rows {rows:?}, locks {}", truth.locks));
    }
    wrong
}

#[test]
fn l1_many_runs_at_once() {
    let case = Case::new();
    race(&case);
    let (processes, rounds) = (tally::sized(20, 50), tally::sized(2, 200));
    let tally = Tally::new(format!("L1 {processes} processes at once, {rounds} rounds"));
    for round in 0..rounds {
        case.database.client().batch_execute(plan::AGAIN).expect("an empty database");
        let runs = at_once(&case, &vec!["upgrade head".to_owned(); processes]);
        tally.count(&format!("round {round}"), 0, judge(&case, &runs));
    }
    tally.done();
}

#[test]
fn l2_many_runs_at_once_on_an_empty_database() {
    // The schema of the tool's tables has to be made as well.
    let case = Case::with("version_table_schema = books\n");
    race(&case);
    let (processes, rounds) = (tally::sized(20, 50), tally::sized(2, 100));
    let tally = Tally::new(format!("L2 the same on an empty database, {processes} processes, {rounds} rounds"));
    for round in 0..rounds {
        let again = format!("{}DROP SCHEMA IF EXISTS books CASCADE;", plan::AGAIN);
        case.database.client().batch_execute(&again).expect("an empty database");
        let runs = at_once(&case, &vec!["upgrade head".to_owned(); processes]);
        case.database
            .client()
            .batch_execute(&format!("ALTER DATABASE {} SET search_path = public, books", case.database.name))
            .expect("a setting");
        tally.count(&format!("round {round}"), 0, judge(&case, &runs));
    }
    tally.done();
}

#[test]
fn l3_upgrade_downgrade_and_stamp_at_once() {
    let case = Case::new();
    for (id, parents) in plan::REVISIONS {
        let text = format!(
            "{}-- migrate:upgrade\nINSERT INTO log (what) VALUES ('upgrade {id}');\n\
             -- migrate:downgrade\nINSERT INTO log (what) VALUES ('downgrade {id}');\n",
            plan::header(id, parents)
        );
        case.project.write(&format!("versions/{id}.sql"), text);
    }
    let (processes, rounds) = (tally::sized(10, 20), tally::sized(2, 200));
    let tally = Tally::new(format!("L3 upgrade, downgrade and stamp at once, {processes} processes, {rounds} rounds"));
    let mut random = Random(0x5eed);
    let targets = ["base", "001", "002", "003", "004", "005", "head"];
    for round in 0..rounds {
        let setup = format!("{}CREATE TABLE log (number serial, what text)", plan::AGAIN);
        case.database.client().batch_execute(&setup).expect("an empty database");
        let commands: Vec<String> = (0..processes)
            .map(|_| {
                let verb = random.one_of(&["upgrade", "upgrade", "upgrade", "downgrade", "downgrade", "stamp"]);
                format!("{verb} {}", random.one_of(if verb == "upgrade" { &targets[1..] } else { &targets[..6] }))
            })
            .collect();
        let runs = at_once(&case, &commands);
        case.wait_until_alone();
        let mut wrong = replay(&case);
        for (command, ran) in commands.iter().zip(&runs) {
            // A downgrade to what is not applied is refused. No run may meet a surprise in the database.
            if ran.code > 1 || ran.code < 0 || ran.stderr.contains("error[") {
                wrong.push(format!("{command}: {}", ran.transcript()));
            }
        }
        tally.count(&format!("round {round}"), 0, wrong);
    }
    tally.done();
}

/// Goes through the history from the beginning: each row must be possible where the one before it left the database, what ran must be what
/// it says, in that order, and its end must be where the version table says the database is.
fn replay(case: &Case) -> Vec<String> {
    let mut client = case.database.client();
    let mut texts = |sql: &str| -> Vec<String> {
        client.query(sql, &[]).expect("an answer").iter().map(|row| row.get(0)).collect()
    };
    let history = texts(
        "SELECT direction || ' ' || revision FROM aludel_history WHERE outcome IN ('done', 'stamped') ORDER BY id",
    );
    let log = texts("SELECT what FROM log ORDER BY number");
    let rows: BTreeSet<String> = texts("SELECT version_num FROM aludel_version").into_iter().collect();
    let mut wrong = Vec::new();
    let mut applied: BTreeSet<&str> = BTreeSet::new();
    for line in &history {
        let (direction, id) = line.split_once(' ').expect("two words");
        let revision = plan::REVISIONS.iter().find(|(known, _)| *known == id);
        let possible = match (direction, revision) {
            ("upgrade", Some((id, parents))) => {
                parents.iter().all(|parent| applied.contains(parent)) && applied.insert(id)
            }
            ("downgrade", Some((id, _))) => plan::heads(&applied).contains(id) && applied.remove(id),
            ("stamp", _) => {
                applied = plan::with_ancestors(id.split(',').filter(|id| *id != "base"));
                true
            }
            _ => false,
        };
        if !possible {
            wrong.push(format!("{line} cannot have happened there: {history:?}"));
        }
    }
    if !plan::heads(&applied).into_iter().eq(rows.iter().map(String::as_str)) {
        wrong.push(format!("rows {rows:?}, history {history:?}"));
    }
    if !history.iter().filter(|line| !line.starts_with("stamp")).eq(&log) {
        wrong.push(format!("history {history:?}, and what ran: {log:?}"));
    }
    wrong
}

/// The same numbers in every run.
struct Random(u64);

impl Random {
    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        choices[(self.0 >> 33) as usize % choices.len()]
    }
}

#[test]
fn a_run_killed_at_any_moment() {
    let case = |bare: bool| {
        let case = Case::new();
        case.chain(30);
        if bare {
            let text = format!(
                "-- migrate:upgrade transaction:false\nCREATE INDEX CONCURRENTLY IF NOT EXISTS one ON effects (id);\n-- migrate:upgrade\n{}",
                effect("015", "014")
            );
            case.file("015", "014", &text);
        }
        case
    };
    let all: Vec<String> = (1..=30).map(|number| format!("{number:03}")).collect();
    let whole = case(true);
    let began = std::time::Instant::now();
    whole.succeeds("upgrade head");
    let time = began.elapsed();
    let mut partway = 0;
    for moment in 0..20 {
        let case = case(true);
        let run = case.start("upgrade head");
        // Spread evenly over the time that a whole run takes: chance alone would miss parts of it.
        std::thread::sleep(time * moment / 20);
        run.signal(Signal::KILL);
        let killed = run.end();
        case.wait_until_alone();
        let (effects, row) = (case.effects(), case.rows());
        partway += i32::from(!row.is_empty() && row != "030");
        assert_eq!(effects.rsplit(',').next().unwrap_or_default(), row, "{}", killed.transcript());
        // The second run says the rest, and each is there once. An index that was killed halfway is not valid and named.
        let rerun = case.run("upgrade head");
        assert_eq!(rerun.code, 0, "{}", rerun.transcript());
        assert_eq!((case.effects(), case.rows()), (all.join(","), "030".to_owned()));
    }
    assert!(partway > 0, "no run was hit between its first and its last revision");
}
