//! Reads the database by itself, over SQL and not through the tool, and says what is not as it must be.
//!
//! The invariants, by their names in `RELIABILITY.md`: I1 each revision's effect exactly once; I2 the version table's rows are
//! those that the effects imply; I3 one row of history for each; I4 no lock, no session and no journal is left; I5 no invalid index,
//! or it is named; I6 the exit code and what is said to be kept are true; I7 a plain rerun completes, or stops with one
//! clear message; I8 no password in any output.

use std::collections::BTreeSet;

use postgres::Client;

use crate::plan::{self, BARE, HEAD, REVISIONS};
use crate::support::Ran;

/// The password in every URL of the matrix.
pub const CANARY: &str = "canary7Secret";

/// What is so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// What has run, in order, however often.
    pub effects: Vec<String>,
    /// Tables that the revisions made, beside their effects.
    pub tables: BTreeSet<String>,
    /// The rows of the version table.
    pub rows: BTreeSet<String>,
    /// The revisions that the history says are done.
    pub done: Vec<String>,
    /// The repeatable files that ran, and those that the history says are done; sorted.
    pub repeated: [Vec<String>; 2],
    /// How many rows stand in other tables of the tool: what a run still has to finish.
    pub journal: i64,
    /// How many statements of the revision without a transaction the journal says are done.
    pub marked: Option<i64>,
    /// Advisory locks of the tool's kind in this database.
    pub locks: i64,
    /// The tool's sessions in this database.
    pub sessions: i64,
    pub invalid: Vec<String>,
}

impl Truth {
    /// Reads it.
    pub fn read(client: &mut Client) -> Self {
        let mut truth = Self::default();
        let mut texts = |sql: &str| -> Vec<String> {
            let rows = client.query(sql, &[]).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            rows.iter().map(|row| row.get(0)).collect()
        };
        let ours =
            "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'";
        let tables: BTreeSet<String> = texts(ours).into_iter().collect();
        truth.effects = texts("SELECT id FROM effects ORDER BY ctid");
        truth.invalid = texts("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid");
        if tables.contains("aludel_version") {
            truth.rows = texts("SELECT version_num FROM aludel_version").into_iter().collect();
        }
        if tables.contains("aludel_history") {
            let done = |direction: &str| {
                format!(
                    "SELECT revision FROM aludel_history WHERE outcome = 'done' AND direction {direction} ORDER BY id"
                )
            };
            truth.done = texts(&done("<> 'repeat'"));
            truth.repeated[1] = texts(&done("= 'repeat'"));
            truth.repeated[1].sort_unstable();
        }
        if tables.contains("repeats") {
            truth.repeated[0] = texts("SELECT id FROM repeats ORDER BY id");
        }
        let mut number =
            |sql: &str| -> i64 { client.query_one(sql, &[]).unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0) };
        for table in tables.iter().filter(|name| name.starts_with("aludel_")) {
            if table != "aludel_version" && table != "aludel_history" {
                truth.journal += number(&format!("SELECT count(*) FROM {table}"));
            }
        }
        if tables.contains("aludel_progress") {
            let marked =
                "SELECT max(CASE state WHEN 'done' THEN statement ELSE statement - 1 END) FROM aludel_progress";
            truth.marked = client.query_one(marked, &[]).expect("the journal").get(0);
        }
        let mut number =
            |sql: &str| -> i64 { client.query_one(sql, &[]).unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0) };
        // Those of the gates have two numbers.
        truth.locks = number(
            "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
             WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.objsubid = 1",
        );
        truth.sessions = number(SESSIONS);
        truth.tables = tables;
        truth
    }

    /// The revisions all of whose effects are there.
    fn applied(&self, bare: bool) -> BTreeSet<&str> {
        let whole = |id: &&str| plan::effects_of(id, bare).iter().all(|effect| self.effects.contains(effect));
        REVISIONS.iter().map(|(id, _)| *id).filter(whole).collect()
    }
}

/// How many sessions of the tool there are.
pub const SESSIONS: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND application_name LIKE 'aludel%'";

/// … and are in somebody's way. One that is not stays for hours where the server cannot know that nobody is there.
pub const IN_THE_WAY: &str =
    " AND (xact_start IS NOT NULL OR pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory'))";

/// How a run was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself: what it says must be so.
    ByItself,
    /// A signal asked it to stop: it may end with that signal's code as well.
    Asked(i32),
    /// At once, without a chance to say anything.
    Killed,
}

/// What is wrong behind a run that a fault hit.
/// `bare` where a revision of the plan runs without a transaction.
pub fn after_fault(truth: &Truth, ran: &Ran, ended: Ended, bare: bool) -> Vec<String> {
    let mut wrong = Wrong::default();
    let applied = truth.applied(bare);
    for effect in REVISIONS.iter().flat_map(|(id, _)| plan::effects_of(id, bare)) {
        let times = truth.effects.iter().filter(|found| **found == effect).count();
        wrong.unless(times <= 1, || format!("I1: effect {effect} {times} times"));
    }
    for (id, _) in REVISIONS.iter().filter(|(id, _)| !bare || *id != BARE) {
        let (table, effect) = (truth.tables.contains(&format!("t{id}")), applied.contains(id));
        wrong.unless(table == effect, || format!("I1: half of {id}: table {table}, effect {effect}"));
    }
    // A revision outside a transaction may have run to its end without being recorded.
    let mut recorded = applied.clone();
    if bare && !truth.rows.contains(BARE) {
        recorded.remove(BARE);
    }
    let heads = plan::heads(&recorded);
    wrong.unless(truth.rows.iter().map(String::as_str).eq(heads.iter().copied()), || {
        format!("I2: rows {:?}, and the effects imply {heads:?}", truth.rows)
    });
    let mut done: Vec<&str> = truth.done.iter().map(String::as_str).collect();
    done.sort_unstable();
    wrong.unless(done.iter().eq(recorded.iter()), || format!("I3: history {done:?}, effects {recorded:?}"));
    let [repeated, said] = &truth.repeated;
    wrong.unless(repeated == said, || format!("I3: the repeatable {repeated:?} ran, and the history says {said:?}"));
    wrong.unless(repeated.is_empty() || recorded.len() == REVISIONS.len(), || {
        format!("I2: {repeated:?} ran before its revisions")
    });
    if let (true, Some(marked)) = (bare, truth.marked) {
        // Its first statement writes one effect, its third the other.
        for (effect, statement) in plan::effects_of(BARE, true).iter().zip([1, 3]) {
            let there = truth.effects.contains(effect);
            wrong.unless(there == (marked >= statement), || {
                format!("I6: {marked} statements are marked, {effect}: {there}")
            });
        }
    }
    wrong.output(ran);
    if ended == Ended::Killed {
        return wrong.0;
    }
    let told = ran.stderr.lines().find_map(|line| {
        let told = line.split_once(" stopped partway: the first ")?.1;
        if told.starts_with("of its") { Some(1) } else { told.split_once(' ')?.0.parse().ok() }
    });
    wrong.unless(told.is_none() || told == truth.marked, || format!("I6: told {told:?}, marked {:?}", truth.marked));
    for index in &truth.invalid {
        wrong.unless(ran.stderr.contains(index.as_str()), || format!("I5: index {index} is not valid and not named"));
    }
    let kept = ran.stderr.lines().find_map(|line| line.trim_start_matches([' ', '=']).strip_prefix(KEPT));
    let kept: BTreeSet<&str> = kept.map_or_else(BTreeSet::new, |kept| kept.split(", ").collect());
    let begun = plan::effects_of(BARE, bare).iter().any(|effect| truth.effects.contains(effect));
    let partway = bare && begun && !recorded.contains(BARE);
    match (ran.code, ended) {
        (0, _) => wrong.unless(recorded.len() == REVISIONS.len(), || "I6: exit code 0, and it is not done".to_owned()),
        (1, _) => wrong.unless(!partway, || "I6: exit code 1, and something half-done stays".to_owned()),
        (4, _) => wrong.unless(partway, || "I6: exit code 4, and nothing is half-done".to_owned()),
        // A second signal leaves at once.
        (-1, Ended::Asked(_)) => return wrong.0,
        (code, Ended::Asked(signal)) if code == 128 + signal => {}
        (code, _) => wrong.add(format!("I6: exit code {code}")),
    }
    if ran.code != 0 && ran.stderr.contains("error") {
        wrong.unless(kept == recorded, || format!("I6: said to be kept {kept:?}, and it is {recorded:?}"));
    }
    wrong.0
}

const KEPT: &str = "note: applied before it, and kept: ";

/// What is wrong with repeatable files behind a rerun, where there are these: each ran once.
pub fn repeated(truth: &Truth, ids: &[&str]) -> Vec<String> {
    let [ran, said] = &truth.repeated;
    if ran == ids && said == ids {
        Vec::new()
    } else {
        vec![format!("I1: of {ids:?} {ran:?} ran, in the history {said:?}")]
    }
}

/// What is wrong behind a plain rerun. Nothing in the plan of the matrix leaves it with a question.
pub fn after_rerun(truth: &Truth, ran: &Ran, bare: bool) -> Vec<String> {
    let mut wrong = Wrong::default();
    wrong.output(ran);
    if ran.code != 0 {
        wrong.add(format!("I7: the rerun says {}", ran.transcript()));
        return wrong.0;
    }
    let mut effects = truth.effects.clone();
    effects.sort_unstable();
    let mut all: Vec<String> = REVISIONS.iter().flat_map(|(id, _)| plan::effects_of(id, bare)).collect();
    all.sort_unstable();
    wrong.unless(effects == all, || format!("I1: effects {effects:?}"));
    wrong.unless(truth.rows.iter().eq([HEAD]), || format!("I2: rows {:?}", truth.rows));
    let mut done: Vec<&str> = truth.done.iter().map(String::as_str).collect();
    done.sort_unstable();
    wrong.unless(done.iter().eq(REVISIONS.iter().map(|(id, _)| id)), || format!("I3: history {done:?}"));
    let left = (truth.journal, truth.locks, truth.sessions);
    wrong.unless(left == (0, 0, 0), || format!("I4: (journal, locks, sessions) left: {left:?}"));
    wrong.unless(truth.invalid.is_empty(), || format!("I5: not valid: {:?}", truth.invalid));
    wrong.0
}

#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn add(&mut self, what: String) {
        self.0.push(what);
    }

    fn unless(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.add(what());
        }
    }

    fn output(&mut self, ran: &Ran) {
        let shown = ran.stdout.contains(CANARY) || ran.stderr.contains(CANARY);
        self.unless(!shown, || "I8: the password is shown".to_owned());
        self.unless(!ran.stderr.contains("panicked"), || format!("a panic: {}", ran.stderr));
    }
}
