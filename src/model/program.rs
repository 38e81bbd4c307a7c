//! A program: a plan lowered to the operations that carry it out, in order.
//!
//! There are two executors for one program: a connection (`database/execute.rs`) and paper (`offline.rs`). Neither decides
//! anything that stands here. The statements of a revision are not here: an operation names the section, and
//! the executor reads it when it comes to it.

use super::bookkeeping::{Action, Author, Began, Expected, Record, Scope, Tables};
use super::journal::{self, Begun, Mark, State};
use super::plan::Direction;
use super::sql::outside::{self, Trace};
use super::sql::quote::{identifier, literal};
use super::target::Target;

/// How much one transaction holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransactionScope {
    /// Each revision its own: what is applied stays applied when a later one fails.
    #[default]
    Revision,
    /// The whole run in one.
    Run,
}

/// One section of a revision file that belongs to the step's direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionUse {
    /// Its number among all sections of the file, from 0.
    pub ordinal: usize,
    /// Whether it verifies what the sections before it did.
    pub verifies: bool,
    /// Whether it runs inside a transaction.
    pub transaction: bool,
    /// How many statements it holds.
    pub statements: usize,
}

impl SectionUse {
    /// What runs it in the open transaction.
    fn in_transaction(&self, step: usize) -> Operation {
        match self.verifies {
            false => Operation::Body { step, section: self.ordinal },
            true => Operation::Verify { step, section: self.ordinal },
        }
    }
}

/// What is to be typed after a run stopped in a step, for it to come where it was to come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Again {
    /// The same: it means the same from wherever the database stands by now.
    #[default]
    Same,
    /// These commands, one after the other: what was typed counts from where the database stands.
    Commands(Vec<(Direction, Target)>),
    /// A target of the user's own: what was typed counts, and no command means the rest of it.
    Unnamed,
}

/// A step of a plan with all that a program needs to know of it.
#[derive(Clone, Debug)]
pub struct ProgramStep {
    /// The revision, message and file in one line: `002 v2.1 features (versions/002_v2_1_features.sql)`.
    pub title: String,
    /// The rows that must be there before it.
    pub expected: Expected,
    /// What is recorded after it.
    pub record: Record,
    /// The sections to run, in the order written; none for a stamp.
    pub sections: Vec<SectionUse>,
    /// `lock_timeout` in milliseconds while it runs, where one is set.
    pub lock_timeout: Option<u64>,
    /// `statement_timeout` in milliseconds while it runs, where one is set.
    pub statement_timeout: Option<u64>,
    /// Whether its statements set savepoints or go back to them: a batch after a failed one could then revive the
    /// transaction, so each is awaited.
    pub savepoints: bool,
    /// Where it goes on, if it stopped partway before.
    pub begun: Option<Begun>,
    /// What is to be typed after a run that stops in it.
    pub again: Again,
}

impl ProgramStep {
    /// Whether it runs in several parts that are committed one by one: it has a section without a transaction.
    #[must_use]
    pub fn is_in_parts(&self) -> bool {
        self.sections.iter().any(|section| !section.transaction)
    }

    /// How many statements it holds.
    #[must_use]
    pub fn statements(&self) -> usize {
        self.sections.iter().map(|section| section.statements).sum()
    }

    /// How many of its statements are done before it runs.
    #[must_use]
    pub fn done(&self) -> usize {
        self.begun.as_ref().map_or(0, |begun| begun.done)
    }
}

/// One thing to do. Steps are named by their index in [`Program::steps`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A step begins.
    Announce(usize),
    /// Settings that the step before may have left in the session are put back.
    Reset,
    /// A transaction begins.
    Begin,
    /// The version table is locked and its rows are checked.
    Guard(usize, Scope),
    /// A section's statements, in the open transaction.
    Body {
        /// The step.
        step: usize,
        /// The section's number in its file.
        section: usize,
    },
    /// The statements of a verification, in the open transaction: what they do is taken back behind them
    /// ([`verify`](super::sql::verify)).
    Verify {
        /// The step.
        step: usize,
        /// The section's number in its file.
        section: usize,
    },
    /// A section that is done: what it set in the session is set again.
    Passed {
        /// The step.
        step: usize,
        /// The section's number in its file.
        section: usize,
    },
    /// The journal says that the step's statements up to this one are done, in the open transaction.
    Mark {
        /// The step.
        step: usize,
        /// The statement, from 1.
        statement: usize,
    },
    /// A section's statements, one by one, each committing by itself.
    Bare {
        /// The step.
        step: usize,
        /// The section's number in its file.
        section: usize,
    },
    /// The rows are changed and the history is written, in the open transaction.
    Record(usize),
    /// A step of which nothing is recorded is done, in the open transaction: the rows must be what they were.
    Done(usize),
    /// The transaction ends.
    Commit,
}

/// One thing of those that run a statement alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alone {
    /// The journal says what becomes of it, in a transaction of its own: [`Program::mark_alone`].
    Mark(State),
    /// The limit on waiting for locks is lifted: [`WITHOUT_LOCK_TIMEOUT`].
    LiftLockTimeout,
    /// The statement itself.
    Statement,
    /// SQL that raises an error where what it was to build is not whole.
    Check(String),
    /// The limit is put back: [`Program::lock_timeout_again`].
    LockTimeoutAgain,
}

/// What to do, in order, as a value that can be printed, compared and run.
#[derive(Clone, Debug)]
pub struct Program {
    /// The steps.
    pub steps: Vec<ProgramStep>,
    /// The operations.
    pub operations: Vec<Operation>,
    /// The tables it keeps its books in.
    pub tables: Tables,
    /// Who runs it.
    pub author: Author,
}

/// Why a plan cannot become a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LowerError {
    /// The run was to be one transaction, and this step (its index) has a section that runs outside one.
    OutsideTransaction(usize),
}

impl Program {
    /// Lowers `steps` to operations.
    ///
    /// # Errors
    /// One transaction was asked for, and a step has a section that must run outside one.
    pub fn lower(
        steps: Vec<ProgramStep>,
        scope: TransactionScope,
        tables: Tables,
        author: Author,
    ) -> Result<Self, LowerError> {
        let mut operations = Vec::with_capacity(steps.len() * 7);
        if scope == TransactionScope::Run && !steps.is_empty() {
            operations.push(Operation::Begin);
        }
        for (index, step) in steps.iter().enumerate() {
            operations.push(Operation::Announce(index));
            if index > 0 {
                operations.push(Operation::Reset);
            }
            match scope {
                TransactionScope::Run => {
                    if step.is_in_parts() {
                        return Err(LowerError::OutsideTransaction(index));
                    }
                    operations.push(Operation::Guard(index, Scope::SharedTransaction));
                    operations.extend(step.sections.iter().map(|section| section.in_transaction(index)));
                    operations.push(Operation::Record(index));
                }
                TransactionScope::Revision => lower_step(index, step, &mut operations),
            }
        }
        if scope == TransactionScope::Run && !steps.is_empty() {
            operations.push(Operation::Commit);
        }
        Ok(Self { steps, operations, tables, author })
    }

    /// Whether the guard of the step `later` could pass where the one before it, `earlier`, failed: a repeatable file leaves the rows
    /// as they are, and a redo comes back to those that it began with.
    #[must_use]
    pub fn could_pass_behind(&self, earlier: usize, later: usize) -> bool {
        let (earlier, later) = (&self.steps[earlier].record, &self.steps[later].record);
        !earlier.changes_rows() || (earlier.action != later.action && later.action != Action::Repeat)
    }

    /// Whether the whole run is one transaction.
    #[must_use]
    pub fn is_one_transaction(&self) -> bool {
        self.operations.first() == Some(&Operation::Begin)
    }

    /// The index of the operation with which `step` begins; of a run in one transaction, that is the first.
    #[must_use]
    pub fn beginning_of(&self, step: usize) -> usize {
        if self.is_one_transaction() {
            return 0;
        }
        let begins = |operation: &Operation| *operation == Operation::Announce(step);
        self.operations.iter().position(begins).unwrap_or(self.operations.len())
    }

    /// The same program for another try of `step`, which runs in parts and goes on there.
    #[must_use]
    pub fn going_on(&self, step: usize, begun: Begun) -> Self {
        let mut program = self.clone();
        program.steps[step].begun = Some(begun);
        let (from, to) = (program.beginning_of(step), program.beginning_of(step + 1));
        let mut operations = Vec::new();
        lower_step(step, &program.steps[step], &mut operations);
        // What it begins with stays: the announcement, and the session put back.
        let kept = program.operations[from..to]
            .iter()
            .take_while(|operation| matches!(operation, Operation::Announce(_) | Operation::Reset))
            .count();
        program.operations.splice(from + kept..to, operations);
        program
    }

    /// Whether a step runs in parts: then there is a journal.
    #[must_use]
    pub fn has_journal(&self) -> bool {
        self.steps.iter().any(ProgramStep::is_in_parts)
    }

    /// The SQL that sets a mark for a step, in the open transaction.
    #[must_use]
    pub fn mark(&self, step: usize, mark: &Mark) -> String {
        self.tables.mark(&self.steps[step].record, &self.author, mark)
    }

    /// The SQL that fails where the last mark of a step is not this one, in the open transaction.
    #[must_use]
    pub fn behind(&self, step: usize, statement: usize, state: State) -> String {
        self.tables.behind(&self.steps[step].record, statement, state)
    }

    /// The SQL that sets a mark for a step, in a transaction of its own.
    #[must_use]
    pub fn mark_alone(&self, step: usize, mark: &Mark) -> String {
        self.tables.mark_alone(&self.steps[step].record, &self.author, mark)
    }

    /// What runs a statement alone, in order; `keeps_lock_timeout` where the limit on waiting for locks is not to be lifted for it.
    ///
    /// A `CREATE INDEX CONCURRENTLY` that gives up would leave an index that is not valid; and it blocks nobody while it waits.
    #[must_use]
    pub fn alone(statement: &str, keeps_lock_timeout: bool) -> Vec<Alone> {
        let limit = |alone: Alone| (!keeps_lock_timeout).then_some(alone);
        let check = match outside::trace(statement) {
            Trace::Built { index, table } => Some(Alone::Check(journal::check_index(&index, &table))),
            _ => None,
        };
        [
            Some(Alone::Mark(State::Running)),
            limit(Alone::LiftLockTimeout),
            Some(Alone::Statement),
            check,
            Some(Alone::Mark(State::Done)),
            limit(Alone::LockTimeoutAgain),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Puts the limit on waiting for locks back that a step runs with: its own, or else the `session`'s in milliseconds; without
    /// that, what the session began with.
    #[must_use]
    pub fn lock_timeout_again(&self, step: usize, session: Option<u64>) -> String {
        match self.steps[step].lock_timeout.or(session) {
            Some(milliseconds) => setting("SET", "lock_timeout", milliseconds),
            None => "RESET lock_timeout;\n".to_owned(),
        }
    }

    /// The SQL of an operation; a body has none of its own, and a mark is made by [`Program::mark`].
    #[must_use]
    pub fn sql(&self, operation: &Operation) -> String {
        match operation {
            Operation::Announce(_)
            | Operation::Body { .. }
            | Operation::Verify { .. }
            | Operation::Passed { .. }
            | Operation::Bare { .. }
            | Operation::Mark { .. } => String::new(),
            Operation::Reset => format!("{RESET}{}", self.set_role()),
            // Whatever the session's default is: the guard must see what was committed while it waited for the table's lock.
            Operation::Begin => "BEGIN ISOLATION LEVEL READ COMMITTED;\n".to_owned(),
            Operation::Guard(step, scope) => self.guard(*step, *scope),
            Operation::Record(step) => {
                let ProgramStep { record, expected, .. } = &self.steps[*step];
                let sql = self.tables.record(record, expected, &self.author, self.began(*step));
                format!("{}{sql}", self.own_role())
            }
            Operation::Done(step) => {
                let ProgramStep { record, expected, .. } = &self.steps[*step];
                match expected {
                    Expected::Rows(rows) => format!("{}{}", self.own_role(), self.tables.stays(record, rows)),
                    Expected::Anything => String::new(),
                }
            }
            Operation::Commit => "COMMIT;\n".to_owned(),
        }
    }

    /// How many statements [`Program::sql`] holds for the operation: the server answers each with a tag.
    #[must_use]
    pub fn statements(&self, operation: &Operation) -> usize {
        match operation {
            Operation::Announce(_)
            | Operation::Body { .. }
            | Operation::Verify { .. }
            | Operation::Passed { .. }
            | Operation::Bare { .. }
            | Operation::Mark { .. } => 0,
            Operation::Done(step) if self.steps[*step].expected == Expected::Anything => 0,
            Operation::Done(_) => self.own_role().lines().count() + 1,
            Operation::Begin | Operation::Commit => 1,
            Operation::Record(step) => {
                self.own_role().lines().count() + Tables::statements_of_record(&self.steps[*step].record)
            }
            Operation::Reset => RESET.lines().count() + self.set_role().lines().count(),
            Operation::Guard(step, scope) => {
                let step = &self.steps[*step];
                let settings = [step.lock_timeout, step.statement_timeout].iter().flatten().count();
                let lock = usize::from(!scope.is_bare());
                let role = if scope.is_a_part() { self.own_role().lines().count() } else { 0 };
                role + settings + lock + Tables::statements_of_guard(*scope)
            }
        }
    }

    /// Works as the role that is asked for, where one is: on a connection the session begins as that role, and on paper
    /// nothing else can say so.
    #[must_use]
    pub fn set_role(&self) -> String {
        self.author.role.as_ref().map_or_else(String::new, |role| format!("SET ROLE {};\n", identifier(role)))
    }

    /// Works as the role again that the tool's own tables are written by.
    fn own_role(&self) -> String {
        format!("{OWN_ROLE}{}", self.set_role())
    }

    /// How a step's record knows when it began: a transaction of its own begins with it.
    fn began(&self, step: usize) -> Began {
        if !self.steps[step].is_in_parts() && !self.is_one_transaction() {
            Began::WithTransaction
        } else {
            Began::Remembered
        }
    }

    fn guard(&self, index: usize, scope: Scope) -> String {
        let step = &self.steps[index];
        let bare = scope.is_bare();
        let mut sql = String::new();
        if scope.is_a_part() {
            // The part before may have gone on as somebody who may not look here.
            sql.push_str(&self.own_role());
        }
        let set = if bare { "SET" } else { "SET LOCAL" };
        for (name, value) in [("lock_timeout", step.lock_timeout), ("statement_timeout", step.statement_timeout)] {
            if let Some(milliseconds) = value {
                sql.push_str(&setting(set, name, milliseconds));
            }
        }
        if !bare {
            sql.push_str(&self.tables.lock());
        }
        sql.push_str(&self.tables.guard(&step.record, &step.expected, scope, step.begun.is_none()));
        sql
    }
}

/// Lifts the limit on waiting for locks.
pub const WITHOUT_LOCK_TIMEOUT: &str = "SET lock_timeout = 0;\n";

/// `set` is `SET` or `SET LOCAL`.
fn setting(set: &str, name: &str, milliseconds: u64) -> String {
    format!("{set} {name} = {};\n", literal(&time(milliseconds)))
}

/// Milliseconds as a setting takes them, and a person reads them.
fn time(milliseconds: u64) -> String {
    match milliseconds {
        0 => "0".to_owned(),
        whole if whole % 60_000 == 0 => format!("{}min", whole / 60_000),
        whole if whole % 1_000 == 0 => format!("{}s", whole / 1_000),
        _ => format!("{milliseconds}ms"),
    }
}

/// Puts back what a script may have left in the session, but for the advisory lock, which `DISCARD ALL` would drop.
/// RESET ROLE comes back to the role that the session was given for its start (`ALTER ROLE … SET role`).
pub const RESET: &str = "RESET SESSION AUTHORIZATION;
RESET ROLE;
RESET ALL;
DEALLOCATE ALL;
CLOSE ALL;
UNLISTEN *;
DISCARD TEMP;
";

/// A script may work as another role (`SET ROLE owner`) that may not write the tool's tables.
pub const OWN_ROLE: &str = "RESET SESSION AUTHORIZATION;
RESET ROLE;
";

/// A revision whose sections all run in a transaction is one transaction. Otherwise each run of sections with a
/// transaction is one that ends with a mark, each section without stands alone behind a guard of its own, and the record
/// comes last. What is done already is passed over.
fn lower_step(index: usize, step: &ProgramStep, operations: &mut Vec<Operation>) {
    if step.record.action == Action::Hook {
        return lower_hook(index, step, operations);
    }
    let whole = !step.is_in_parts();
    let mut first = true;
    let mut scope = |bare: bool| {
        let scope = match (whole, std::mem::take(&mut first), bare) {
            (true, _, _) => Scope::Transaction,
            (false, true, false) => Scope::FirstTransaction,
            (false, true, true) => Scope::FirstBare,
            (false, false, false) => Scope::LaterTransaction,
            (false, false, true) => Scope::LaterBare,
        };
        Operation::Guard(index, scope)
    };
    let mut open = false;
    let mut statements = 0;
    for section in &step.sections {
        let before = statements;
        statements += section.statements;
        if step.begun.is_some() && statements <= step.done() {
            operations.push(Operation::Passed { step: index, section: section.ordinal });
            continue;
        }
        match (section.transaction, open) {
            (true, false) => {
                operations.extend([Operation::Begin, scope(false)]);
                open = true;
            }
            (false, true) => {
                operations.extend([Operation::Mark { step: index, statement: before }, Operation::Commit]);
                open = false;
            }
            _ => {}
        }
        if section.transaction {
            operations.push(section.in_transaction(index));
        } else {
            operations.extend([scope(true), Operation::Bare { step: index, section: section.ordinal }]);
        }
    }
    if !open {
        operations.extend([Operation::Begin, scope(false)]);
    }
    operations.extend([Operation::Record(index), Operation::Commit]);
}

/// A hook is one transaction. One behind a failure runs wherever the database stands, also where it has none of the tool's tables yet.
fn lower_hook(index: usize, step: &ProgramStep, operations: &mut Vec<Operation>) {
    operations.push(Operation::Begin);
    if step.expected != Expected::Anything {
        operations.push(Operation::Guard(index, Scope::Transaction));
    }
    operations.extend(step.sections.iter().map(|section| section.in_transaction(index)));
    operations.extend([Operation::Done(index), Operation::Commit]);
}

#[cfg(test)]
mod tests {
    use super::super::bookkeeping::Clears;
    use super::*;

    fn step(sections: &[bool]) -> ProgramStep {
        let sections = sections
            .iter()
            .enumerate()
            .map(|(ordinal, transaction)| SectionUse {
                ordinal,
                verifies: false,
                transaction: *transaction,
                statements: 2,
            })
            .collect();
        let record = Record {
            action: Action::Upgrade,
            revision: "001".into(),
            checksum: None,
            delete: vec![],
            insert: vec!["001".into()],
            purge: false,
            clears: Clears::Nothing,
        };
        let expected = Expected::Rows(vec![]);
        ProgramStep {
            title: "001".into(),
            expected,
            record,
            sections,
            lock_timeout: None,
            statement_timeout: None,
            savepoints: false,
            begun: None,
            again: Again::Same,
        }
    }

    fn lowered(steps: &[&[bool]], scope: TransactionScope) -> Result<String, LowerError> {
        let program = program(steps.iter().map(|sections| step(sections)).collect(), scope)?;
        Ok(words(&program))
    }

    fn program(steps: Vec<ProgramStep>, scope: TransactionScope) -> Result<Program, LowerError> {
        let tables = Tables { schema: "public".into(), version: "v".into(), history: "h".into(), progress: "p".into() };
        let author = Author { run: "r".into(), user: None, host: None, tool: "t".into(), role: None };
        Program::lower(steps, scope, tables, author)
    }

    fn words(program: &Program) -> String {
        let word = |operation: &Operation| match operation {
            Operation::Announce(step) => format!("#{step}"),
            Operation::Guard(_, scope) => format!("guard({scope:?})"),
            Operation::Body { section, .. } => format!("body{section}"),
            Operation::Verify { section, .. } => format!("verify{section}"),
            Operation::Bare { section, .. } => format!("bare{section}"),
            Operation::Passed { section, .. } => format!("passed{section}"),
            Operation::Mark { statement, .. } => format!("mark{statement}"),
            Operation::Record(_) => "record".into(),
            other => format!("{other:?}").to_lowercase(),
        };
        program.operations.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_revision_is_one_transaction() {
        assert_eq!(
            lowered(&[&[true, true], &[true]], TransactionScope::Revision).unwrap(),
            "#0 begin guard(Transaction) body0 body1 record commit #1 reset begin guard(Transaction) body0 record commit"
        );
    }

    #[test]
    fn sections_without_a_transaction_stand_alone() {
        assert_eq!(
            lowered(&[&[true, false, true]], TransactionScope::Revision).unwrap(),
            "#0 begin guard(FirstTransaction) body0 mark2 commit guard(LaterBare) bare1 begin guard(LaterTransaction) body2 record commit"
        );
        assert_eq!(
            lowered(&[&[false]], TransactionScope::Revision).unwrap(),
            "#0 guard(FirstBare) bare0 begin guard(LaterTransaction) record commit"
        );
    }

    #[test]
    fn a_verification_is_in_the_transaction_behind_a_section_without_one() {
        let verifying = |sections: &[bool], verifies: usize| {
            let mut step = step(sections);
            step.sections[verifies].verifies = true;
            step
        };
        let program = program(
            vec![verifying(&[true, true], 1), verifying(&[false, true, false], 1), verifying(&[false, true], 1)],
            TransactionScope::Revision,
        )
        .unwrap();
        assert_eq!(
            words(&program),
            "#0 begin guard(Transaction) body0 verify1 record commit \
             #1 reset guard(FirstBare) bare0 begin guard(LaterTransaction) verify1 mark4 commit guard(LaterBare) bare2 \
             begin guard(LaterTransaction) record commit \
             #2 reset guard(FirstBare) bare0 begin guard(LaterTransaction) verify1 record commit"
        );
        // One that failed comes again; one that was passed does not.
        let going_on = |step, done| {
            let words = words(&program.going_on(step, Begun { done, ..Begun::default() }));
            let (_, rest) = words.split_once(&format!("#{step} reset ")).unwrap();
            rest.split(" #").next().unwrap().to_owned()
        };
        assert_eq!(going_on(2, 2), "passed0 begin guard(FirstTransaction) verify1 record commit");
        assert_eq!(
            going_on(1, 4),
            "passed0 passed1 guard(FirstBare) bare2 begin guard(LaterTransaction) record commit"
        );
        let one =
            Program::lower(vec![verifying(&[true, true], 1)], TransactionScope::Run, program.tables, program.author);
        assert_eq!(words(&one.unwrap()), "begin #0 guard(SharedTransaction) body0 verify1 record commit");
    }

    #[test]
    fn a_hook_leaves_the_rows_and_one_behind_a_failure_asks_for_none() {
        let mut hook = step(&[true]);
        hook.record.action = Action::Hook;
        let anywhere = ProgramStep { expected: Expected::Anything, ..hook.clone() };
        let program = program(vec![hook, anywhere], TransactionScope::Revision).unwrap();
        assert_eq!(
            words(&program),
            "#0 begin guard(Transaction) body0 done(0) commit #1 reset begin body0 done(1) commit"
        );
        let done = program.sql(&Operation::Done(0));
        assert!(done.starts_with(OWN_ROLE) && done.contains("hook of 001 is to leave the database at base"), "{done}");
        assert_eq!(program.sql(&Operation::Done(1)), "");
    }

    #[test]
    fn what_is_done_is_passed_over() {
        let going_on = |done| {
            let program =
                program(vec![step(&[true]), step(&[true, false, true]), step(&[true])], TransactionScope::Revision);
            words(&program.unwrap().going_on(1, Begun { done, ..Begun::default() }))
        };
        let before = "#0 begin guard(Transaction) body0 record commit #1 reset";
        let after = "record commit #2 reset begin guard(Transaction) body0 record commit";
        assert_eq!(
            going_on(2),
            format!("{before} passed0 guard(FirstBare) bare1 begin guard(LaterTransaction) body2 {after}")
        );
        // In the middle of it: the executor passes over its first statement.
        assert_eq!(going_on(3), going_on(2));
        assert_eq!(going_on(4), format!("{before} passed0 passed1 begin guard(FirstTransaction) body2 {after}"));
        assert_eq!(going_on(6), format!("{before} passed0 passed1 passed2 begin guard(FirstTransaction) {after}"));
    }

    #[test]
    fn a_revision_without_sections_is_still_recorded() {
        assert_eq!(lowered(&[&[]], TransactionScope::Revision).unwrap(), "#0 begin guard(Transaction) record commit");
    }

    #[test]
    fn one_transaction_for_the_run_refuses_what_cannot_be_in_it() {
        assert_eq!(
            lowered(&[&[true], &[true]], TransactionScope::Run).unwrap(),
            "begin #0 guard(SharedTransaction) body0 record #1 reset guard(SharedTransaction) body0 record commit"
        );
        assert_eq!(lowered(&[&[true], &[false]], TransactionScope::Run), Err(LowerError::OutsideTransaction(1)));
        assert_eq!(lowered(&[], TransactionScope::Run).unwrap(), "");
    }
}
