//! The journal of a revision that runs in several parts, as values and as SQL: which of its statements are done, so
//! that a run that stopped partway can go on where it stopped.
//!
//! A section without a transaction commits statement by statement. Each statement that can be in a transaction is in one
//! together with its mark; one that the server refuses there runs alone, between the marks `running` and `done`. The row
//! goes with the revision's record. What was running when a run stopped is [`settled`](super::sql::outside::trace)
//! from the catalogs, or asked for: nothing is repeated or passed over unseen.

use std::fmt;

use super::bookkeeping::{Action, Author, Record, Tables, key_name};
use super::program::SectionUse;
use super::sql::checksum::{Checksum, Running};
use super::sql::classify::ObjectName;
use super::sql::outside::Trace;
use super::sql::quote::{dollar, identifier, literal, qualified};

/// SQLSTATE that is raised where an index is not valid behind a statement that built it without a lock.
pub const INVALID_INDEX: &str = "ALU04";

/// What became of the statement that a mark is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs, alone: its end was not seen.
    Running,
    /// It was refused, and left an index that is not valid. The text is that of the statements before it.
    Failed,
    /// It is done, and so are those before it.
    Done,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Failed => "failed",
            Self::Done => "done",
        }
    }

    const ALL: [Self; 3] = [Self::Running, Self::Failed, Self::Done];
}

/// How far a revision has come. Statements are counted from 1 over all sections of the direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The statement.
    pub statement: usize,
    /// What became of it.
    pub state: State,
    /// Of the text of the statements up to this one.
    pub statements: Checksum,
    /// What it left behind: an index, quoted.
    pub left_over: Option<String>,
}

/// A row of the journal, as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The revision.
    pub revision: String,
    /// Which way it went.
    pub action: Action,
    /// The statement that the last mark is about.
    pub statement: usize,
    /// What became of it.
    pub state: State,
    /// The file's checksum then.
    pub checksum: String,
    /// Of the text of the statements up to this one.
    pub statements: String,
    /// What it left behind: an index, quoted.
    pub left_over: Option<String>,
    /// When the mark was set, as the server writes it.
    pub since: String,
}

impl Progress {
    /// A row, from its columns in the order of [`Tables::read_progress`]; nothing where they make no sense.
    pub fn read<'a>(mut columns: impl Iterator<Item = Option<&'a str>>) -> Option<Self> {
        let mut text = || columns.next().flatten().map(str::to_owned);
        let revision = text()?;
        let direction = text()?;
        let action = [Action::Upgrade, Action::Downgrade].into_iter().find(|action| action.verb() == direction)?;
        let statement = text()?.parse().ok()?;
        let word = text()?;
        let state = State::ALL.into_iter().find(|state| state.word() == word)?;
        let (checksum, statements, since) = (text()?, text()?, text()?);
        Some(Self { revision, action, statement, state, checksum, statements, since, left_over: text() })
    }

    /// How many statements the text is of that it remembers.
    #[must_use]
    pub fn remembered(&self) -> usize {
        if self.state == State::Failed { self.done() } else { self.statement }
    }

    /// How many statements are known to be done.
    #[must_use]
    pub fn done(&self) -> usize {
        match self.state {
            State::Done => self.statement,
            State::Running | State::Failed => self.statement.saturating_sub(1),
        }
    }
}

impl fmt::Display for Progress {
    /// `after statement 2`, `in statement 3`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.state {
            State::Done => write!(formatter, "after statement {}", self.statement),
            State::Running | State::Failed => write!(formatter, "in statement {}", self.statement),
        }
    }
}

/// The text of a revision's statements, as they pass.
#[derive(Clone, Default)]
pub struct Text(Running);

impl Text {
    /// Adds a statement. Line ends do not count.
    pub fn add(&mut self, text: &str) {
        self.0.update(text.as_bytes());
        // What ends one is not the beginning of the next.
        self.0.update(b"\0");
    }

    /// Adds a piece of a `COPY`'s data, wherever it is cut.
    pub fn add_data(&mut self, text: &str) {
        self.0.update(text.as_bytes());
    }

    /// The checksum of all that was added.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        self.0.clone().finish()
    }
}

/// What the user wants done about a revision that stopped partway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// Whatever is safe.
    #[default]
    Safe,
    /// Take so many statements as done: `--resume-after N`.
    After(usize),
    /// Run the statement again that was running: `--retry-statement`.
    Retry,
}

/// From where a revision goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Begun {
    /// So many statements are done.
    pub done: usize,
    /// The next one may have been carried out: it is looked for before it runs.
    pub unsettled: bool,
    /// An index that a failed statement left behind: where it is not valid, it is dropped first.
    pub left_over: Option<String>,
}

/// What a file says today of the statements that ran.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// The sections of the direction.
    pub sections: &'a [SectionUse],
    /// Whether the text of the statements up to the mark is the one that ran.
    pub unchanged: bool,
    /// What tells whether the marked statement was carried out.
    pub trace: Trace,
}

/// Why a revision that stopped partway cannot go on by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// The statements that ran are not the file's any more.
    Changed,
    /// Nothing tells what became of the statement that ran.
    Unknown,
    /// There are only so many statements.
    Beyond(usize),
    /// A transaction holds the statements from the first to the second: it has run as a whole, or not at all.
    Inside(usize, usize),
    /// A statement was to be run again, and none was running.
    NothingRunning,
}

/// From where a revision goes on that stopped at `progress`.
///
/// # Errors
/// Nobody but the user can say.
pub fn begun(progress: &Progress, found: &Found, wish: Wish) -> Result<Begun, Stuck> {
    let (done, unsettled) = match (wish, progress.state) {
        (Wish::After(done), _) => (done, false),
        (Wish::Retry, State::Done) => return Err(Stuck::NothingRunning),
        (Wish::Safe, _) if !found.unchanged => return Err(Stuck::Changed),
        (Wish::Safe, State::Running) if found.trace == Trace::None => return Err(Stuck::Unknown),
        (_, state) => (progress.done(), state == State::Running),
    };
    let begun = Begun { done, unsettled, left_over: progress.left_over.clone() };
    let total = found.sections.iter().map(|section| section.statements).sum();
    if begun.done > total {
        return Err(Stuck::Beyond(total));
    }
    match transaction_around(found.sections, begun.done) {
        Some((first, last)) => Err(Stuck::Inside(first, last)),
        None => Ok(begun),
    }
}

/// The statements, first and last, of the transaction in the middle of which so many are done.
fn transaction_around(sections: &[SectionUse], done: usize) -> Option<(usize, usize)> {
    let mut last = 0;
    let mut groups: Vec<(bool, usize, usize)> = Vec::new();
    for section in sections {
        let first = last + 1;
        last += section.statements;
        match groups.last_mut() {
            // Neighbouring sections with a transaction share one.
            Some((true, _, end)) if section.transaction => *end = last,
            _ => groups.push((section.transaction, first, last)),
        }
    }
    groups
        .into_iter()
        .find(|(transaction, first, last)| *transaction && *first <= done && done < *last)
        .map(|(_, first, last)| (first, last))
}

impl Tables {
    /// The journal's table, qualified and quoted.
    #[must_use]
    pub fn progress(&self) -> String {
        qualified(Some(&self.schema), &self.progress)
    }

    /// Creates the journal's table where it is missing.
    #[must_use]
    pub fn create_progress(&self) -> String {
        format!(
            "CREATE TABLE IF NOT EXISTS {} (
    revision    pg_catalog.text NOT NULL,
    direction   pg_catalog.text NOT NULL,
    statement   pg_catalog.int8 NOT NULL,
    state       pg_catalog.text NOT NULL,
    left_over   pg_catalog.text,
    file_checksum        pg_catalog.text NOT NULL,
    statements_checksum  pg_catalog.text NOT NULL,
    run         pg_catalog.text NOT NULL,
    changed_at  pg_catalog.timestamptz NOT NULL,
    CONSTRAINT {} PRIMARY KEY (revision, direction)
);
",
            self.progress(),
            identifier(&key_name(&self.progress)),
        )
    }

    /// Reads the journal.
    #[must_use]
    pub fn read_progress(&self) -> String {
        format!(
            "SELECT revision, direction, statement, state, file_checksum, statements_checksum, \
             pg_catalog.date_trunc('second', changed_at)::pg_catalog.text, left_over FROM {}",
            self.progress()
        )
    }

    /// Sets a mark, in the open transaction, and as the role that logged in whatever role the script works as: that one is back
    /// when the transaction ends.
    #[must_use]
    pub fn mark(&self, record: &Record, author: &Author, mark: &Mark) -> String {
        format!(
            "SET LOCAL session_authorization TO DEFAULT;
SET LOCAL role TO DEFAULT;
INSERT INTO {}
    (revision, direction, statement, state, left_over, file_checksum, statements_checksum, run, changed_at)
VALUES
    ({}, {}, {}, {}, {}, {},
    {}, {},
    pg_catalog.clock_timestamp())
ON CONFLICT (revision, direction) DO UPDATE SET
    statement = EXCLUDED.statement, state = EXCLUDED.state, left_over = EXCLUDED.left_over,
    file_checksum = EXCLUDED.file_checksum, statements_checksum = EXCLUDED.statements_checksum,
    run = EXCLUDED.run, changed_at = EXCLUDED.changed_at;
",
            self.progress(),
            literal(&record.revision),
            literal(record.action.verb()),
            mark.statement,
            literal(mark.state.word()),
            mark.left_over.as_deref().map_or_else(|| "NULL".to_owned(), literal),
            literal(record.checksum.as_deref().unwrap_or_default()),
            literal(&mark.statements.to_string()),
            literal(&author.run),
        )
    }

    /// How many statements [`Tables::mark`] holds.
    pub const STATEMENTS_OF_MARK: usize = 3;

    /// A mark in a transaction of its own, whatever the script has set for transactions to come.
    #[must_use]
    pub fn mark_alone(&self, record: &Record, author: &Author, mark: &Mark) -> String {
        format!("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;\n{}COMMIT;\n", self.mark(record, author, mark))
    }

    /// Takes a revision's rows out of the journal, in both directions: one of the other direction is no longer true.
    #[must_use]
    pub fn forget(&self, record: &Record) -> String {
        let revision = literal(&record.revision);
        format!("DELETE FROM {} WHERE revision OPERATOR(pg_catalog.=) {revision};\n", self.progress())
    }

    /// Takes the rows of several revisions out of the journal: an array in SQL.
    #[must_use]
    pub(super) fn forget_these(&self, revisions: &str) -> String {
        format!("DELETE FROM {} WHERE revision OPERATOR(pg_catalog.=) ANY ({revisions});\n", self.progress())
    }

    /// Empties the journal: what a database is stamped with holds, whatever stopped before.
    #[must_use]
    pub fn forget_all(&self) -> String {
        format!("DELETE FROM {};\n", self.progress())
    }

    /// The condition, in PL/pgSQL, that the journal has a row of the revision's direction.
    #[must_use]
    pub(super) fn is_begun(&self, record: &Record) -> String {
        format!("EXISTS (SELECT FROM {} WHERE {})", self.progress(), of(record))
    }
}

/// The condition on the journal that picks the row of a revision's direction.
fn of(record: &Record) -> String {
    format!(
        "revision OPERATOR(pg_catalog.=) {} AND direction OPERATOR(pg_catalog.=) {}",
        literal(&record.revision),
        literal(record.action.verb())
    )
}

/// Asks for the index that a statement was to build: whether it is valid, its schema and its name; no row where there is
/// none. Names are resolved as the script's own are.
#[must_use]
pub fn index_built(index: &str, table: &ObjectName) -> String {
    format!("SELECT i.indisvalid, n.nspname, c.relname {}", from_indexes(index, table))
}

/// Raises [`INVALID_INDEX`] where the index is there and not valid: `IF NOT EXISTS` passes over what a failed
/// attempt left behind.
#[must_use]
pub fn check_index(index: &str, table: &ObjectName) -> String {
    let message = format!("index {index} is not valid").replace('%', "%%");
    let block = format!(
        "\nBEGIN\n    IF EXISTS (\n        SELECT {}\n        AND NOT i.indisvalid) THEN\n        \
         RAISE EXCEPTION {} USING ERRCODE = '{INVALID_INDEX}';\n    END IF;\nEND\n",
        from_indexes(index, table),
        literal(&message),
    );
    format!("DO {};\n", dollar(&block))
}

fn from_indexes(index: &str, table: &ObjectName) -> String {
    format!(
        "FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid
        JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
        WHERE i.indrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({})::pg_catalog.oid
        AND c.relname OPERATOR(pg_catalog.=) {}::pg_catalog.name",
        literal(&table.to_string()),
        literal(index),
    )
}

/// Asks for an index that was left behind: its schema and its name, where it is still there and not valid.
#[must_use]
pub fn still_invalid(index: &str) -> String {
    format!(
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_index i \
         JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
         WHERE i.indexrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({})::pg_catalog.oid AND NOT i.indisvalid",
        literal(index)
    )
}

/// Asks whether an index is there, valid or not.
#[must_use]
pub fn is_there(index: &ObjectName) -> String {
    format!("SELECT pg_catalog.to_regclass({}) IS NOT NULL", literal(&index.to_string()))
}

/// Drops what a failed attempt to build an index left behind.
#[must_use]
pub fn drop_left_over(schema: &str, index: &str) -> String {
    format!("DROP INDEX CONCURRENTLY IF EXISTS {};\n", qualified(Some(schema), index))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections(sections: &[(bool, usize)]) -> Vec<SectionUse> {
        let section = |(index, (transaction, statements)): (usize, &(bool, usize))| SectionUse {
            ordinal: index + 1,
            transaction: *transaction,
            statements: *statements,
        };
        sections.iter().enumerate().map(section).collect()
    }

    fn stopped(statement: usize, state: State) -> Progress {
        Progress {
            revision: "003".into(),
            action: Action::Upgrade,
            statement,
            state,
            checksum: String::new(),
            statements: String::new(),
            left_over: None,
            since: String::new(),
        }
    }

    fn goes_on(progress: &Progress, unchanged: bool, trace: Trace, wish: Wish) -> Result<(usize, bool), Stuck> {
        let sections = sections(&[(true, 1), (true, 2), (false, 3), (true, 1)]);
        begun(progress, &Found { sections: &sections, unchanged, trace }, wish)
            .map(|begun| (begun.done, begun.unsettled))
    }

    #[test]
    fn what_is_done_is_not_done_again() {
        assert_eq!(goes_on(&stopped(4, State::Done), true, Trace::None, Wish::Safe), Ok((4, false)));
        assert_eq!(goes_on(&stopped(4, State::Done), false, Trace::None, Wish::Safe), Err(Stuck::Changed));
    }

    #[test]
    fn what_was_running_is_looked_for_or_asked_for() {
        let running = stopped(5, State::Running);
        assert_eq!(goes_on(&running, true, Trace::Harmless, Wish::Safe), Ok((4, true)));
        assert_eq!(goes_on(&running, true, Trace::None, Wish::Safe), Err(Stuck::Unknown));
        assert_eq!(goes_on(&running, false, Trace::None, Wish::Retry), Ok((4, true)));
        assert_eq!(goes_on(&running, false, Trace::None, Wish::After(5)), Ok((5, false)));
        assert_eq!(goes_on(&stopped(4, State::Done), true, Trace::None, Wish::Retry), Err(Stuck::NothingRunning));
    }

    #[test]
    fn what_failed_runs_again_as_it_is_now() {
        let failed = Progress { left_over: Some("i".into()), ..stopped(5, State::Failed) };
        assert_eq!((failed.done(), failed.remembered()), (4, 4));
        assert_eq!(goes_on(&failed, true, Trace::None, Wish::Safe), Ok((4, false)));
        assert_eq!(goes_on(&failed, false, Trace::None, Wish::Safe), Err(Stuck::Changed));
    }

    #[test]
    fn a_transaction_has_run_as_a_whole_or_not_at_all() {
        let after = |done| goes_on(&stopped(4, State::Done), true, Trace::None, Wish::After(done));
        assert_eq!(after(0), Ok((0, false)));
        assert_eq!(after(1), Err(Stuck::Inside(1, 3)));
        assert_eq!(after(2), Err(Stuck::Inside(1, 3)));
        assert_eq!(after(3), Ok((3, false)));
        assert_eq!(after(7), Ok((7, false)));
        assert_eq!(after(8), Err(Stuck::Beyond(7)));
    }

    #[test]
    fn line_ends_and_cuts_of_the_text() {
        let checksum = |pieces: &[&str]| {
            let mut text = Text::default();
            pieces.iter().for_each(|piece| text.add(piece));
            text.checksum()
        };
        assert_eq!(checksum(&["a\r\nb"]), checksum(&["a\nb"]));
        assert_ne!(checksum(&["a", "b"]), checksum(&["ab"]));
    }
}
