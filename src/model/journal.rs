//! The journal of a revision that runs in several parts, as values and as SQL: which of its statements are done, so
//! that a run that stopped partway can go on where it stopped.
//!
//! A section without a transaction commits statement by statement. Each statement that can be in a transaction is in one
//! together with its mark; one that the server refuses there runs alone, between the marks `running` and `done`. The row
//! goes with the revision's record. What was running when a run stopped is [`settled`](super::sql::outside::trace)
//! from the catalogs, or asked for: nothing is repeated or passed over unseen.

use std::fmt;

use super::bookkeeping::{Action, Author, MOVED, Record, Tables, format};
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

/// An index as the catalogs know it. Its number tells it from another one of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its number in `pg_class`.
    pub oid: u32,
    /// Schema and name, quoted.
    pub name: String,
}

impl Index {
    /// An index from two columns: its number, and its name with the schema, quoted.
    #[must_use]
    pub fn read(oid: Option<&str>, name: Option<&str>) -> Option<Self> {
        Some(Self { oid: oid?.parse().ok()?, name: name?.to_owned() })
    }
}

/// What a mark knows of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// This; nothing where there is none.
    Here(Option<Index>),
    /// What the server says when the mark is set: the question of [`question`].
    There(String),
}

/// How far a revision has come. Statements are counted from 1 over all sections of the direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The statement.
    pub statement: usize,
    /// What became of it.
    pub state: State,
    /// Of the text of the statements that are done.
    pub statements: Checksum,
    /// Of the text of the statement itself, where it is not done.
    pub own: Option<Checksum>,
    /// Of one that runs: the index of that name which was there before. Of one that failed: the index that it left.
    pub index: Known,
    /// Whether it remembers the session, which a run that goes on must find again. In a transaction of the script's it cannot be
    /// told what ends with that.
    pub session: bool,
    /// The mark that must be there, where nobody has seen that it was set: its statement, and what became of it.
    pub behind: Option<(usize, State)>,
}

impl Mark {
    /// That so many statements are done, `statements` being their text. `session`: it remembers the session.
    #[must_use]
    pub fn done(statement: usize, statements: Checksum, session: bool) -> Self {
        Self { statement, state: State::Done, statements, own: None, index: Known::Here(None), session, behind: None }
    }

    /// That the last one runs, whose text is `own`; `statements` is that of those before it.
    #[must_use]
    pub fn running(self, statements: Checksum, own: &str, index: Known) -> Self {
        Self { state: State::Running, statements, own: Some(Text::of(own)), index, ..self }
    }
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
    /// Of the text of the statements that are done.
    pub statements: String,
    /// Of the text of the statement itself, where it is not done.
    pub own: Option<String>,
    /// As [`Mark::index`].
    pub index: Option<Index>,
    /// The session behind the statements that are done, as [`SESSION`] tells it; nothing where that was not seen.
    pub session: Option<String>,
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
        let (own, oid, name, session) = (text(), text(), text(), text());
        let index = Index::read(oid.as_deref(), name.as_deref());
        Some(Self { revision, action, statement, state, checksum, statements, since, own, index, session })
    }

    /// Whether it is of the step that `record` ends.
    #[must_use]
    pub fn is_of(&self, record: &Record) -> bool {
        self.revision == record.revision && self.action == record.action
    }

    /// From where a run goes on that has lost nothing but its session; nothing where a statement ran alone.
    #[must_use]
    pub fn going_on(&self) -> Option<Begun> {
        let (done, session) = (self.done(), self.session.clone());
        match self.state {
            State::Running => None,
            State::Failed => {
                Some(Begun { done, ran: done, session, left_over: self.index.clone(), ..Begun::default() })
            }
            State::Done => Some(Begun { done, ran: done, session, ..Begun::default() }),
        }
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

    /// The checksum of one statement.
    #[must_use]
    pub fn of(text: &str) -> Checksum {
        let mut one = Self::default();
        one.add(text);
        one.checksum()
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
    /// So many were done before the user said otherwise.
    pub ran: usize,
    /// The next one may have been carried out: it is looked for before it runs.
    pub unsettled: bool,
    /// The index that was there before that one ran.
    pub before: Option<Index>,
    /// An index that a failed statement left behind: where it is still there and not valid, it is dropped first.
    pub left_over: Option<Index>,
    /// One that stays, since the user takes the statement that left it for done.
    pub kept: Option<Index>,
    /// The session that the statements which are done left.
    pub session: Option<String>,
}

/// What a file says today of the statements that ran.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// The sections of the direction.
    pub sections: &'a [SectionUse],
    /// Whether the text of the statements that are done is the one that ran.
    pub unchanged: bool,
    /// Whether the text of the marked statement is the one that ran.
    pub same: bool,
    /// What tells whether the marked statement was carried out.
    pub trace: Trace,
}

/// Why a revision that stopped partway cannot go on by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// The statements that ran are not the file's any more.
    Changed,
    /// The statement that was running is not the file's any more, and nobody saw its end.
    RunningChanged,
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
    let done = match (wish, progress.state) {
        (Wish::After(done), _) => done,
        (Wish::Retry, State::Done) => return Err(Stuck::NothingRunning),
        _ if !found.unchanged => return Err(Stuck::Changed),
        (Wish::Safe, State::Running) if !found.same => return Err(Stuck::RunningChanged),
        (Wish::Safe, State::Running) if found.trace == Trace::None => return Err(Stuck::Unknown),
        _ => progress.done(),
    };
    let taken = matches!(wish, Wish::After(_));
    let mut begun = Begun { done, ran: progress.done(), ..Begun::default() };
    if !taken {
        begun.session = progress.session.clone();
    }
    match progress.state {
        State::Running if !taken && found.same && found.trace != Trace::None => {
            begun.unsettled = true;
            begun.before = progress.index.clone();
        }
        State::Failed if done >= progress.statement => begun.kept = progress.index.clone(),
        State::Failed => begun.left_over = progress.index.clone(),
        _ => {}
    }
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
    version_table  pg_catalog.text NOT NULL,
    revision       pg_catalog.text NOT NULL,
    direction      pg_catalog.text NOT NULL,
    statement      pg_catalog.int8 NOT NULL,
    state          pg_catalog.text NOT NULL,
    file_checksum        pg_catalog.text NOT NULL,
    statements_checksum  pg_catalog.text NOT NULL,
    statement_checksum   pg_catalog.text,
    index_oid      pg_catalog.oid,
    index_name     pg_catalog.text,
    session        pg_catalog.text,
    run            pg_catalog.text NOT NULL,
    changed_at     pg_catalog.timestamptz NOT NULL,
    CONSTRAINT {} PRIMARY KEY (version_table, revision, direction)
);
",
            self.progress(),
            identifier(&self.key_of(&self.progress)),
        )
    }

    /// Reads the journal.
    #[must_use]
    pub fn read_progress(&self) -> String {
        format!(
            "SELECT revision, direction, statement, state, file_checksum, statements_checksum, \
             pg_catalog.date_trunc('second', changed_at)::pg_catalog.text, statement_checksum, index_oid, index_name, session \
             FROM {} WHERE {}",
            self.progress(),
            self.ours()
        )
    }

    /// Sets a mark, in the open transaction, and as the role that logged in whatever role the script works as: that one is back
    /// when the transaction ends.
    #[must_use]
    pub fn mark(&self, record: &Record, author: &Author, mark: &Mark) -> String {
        // Asked before the role is put aside.
        let mut asked = String::new();
        if mark.session {
            asked.push_str(&format!("    PERFORM pg_catalog.set_config('{SEEN}', {SESSION}, true);\n"));
        }
        if let Known::There(question) = &mark.index {
            asked.push_str(&format!(
                "    PERFORM pg_catalog.set_config('{INDEX}', COALESCE((\n        SELECT found.oid::pg_catalog.text FROM (\n        {question}) found), ''), true);\n"
            ));
        }
        let asked =
            if asked.is_empty() { asked } else { format!("DO {};\n", dollar(&format!("\nBEGIN\n{asked}END\n"))) };
        let session = if mark.session { format!("pg_catalog.current_setting('{SEEN}')") } else { "NULL".to_owned() };
        let (oid, name) = match &mark.index {
            Known::Here(None) => ("NULL".to_owned(), "NULL".to_owned()),
            Known::Here(Some(index)) => (index.oid.to_string(), literal(&index.name)),
            Known::There(_) => {
                // NULLIF would compare by whatever `=` the search_path finds.
                let seen = format!("pg_catalog.current_setting('{INDEX}')");
                let oid = format!("CASE WHEN {seen} OPERATOR(pg_catalog.<>) '' THEN {seen}::pg_catalog.oid END");
                (oid.clone(), format!("({oid})::pg_catalog.regclass::pg_catalog.text"))
            }
        };
        let behind = mark.behind.map(|(statement, state)| self.behind(record, statement, state)).unwrap_or_default();
        let text = |text: Option<&str>| text.map_or_else(|| "NULL".to_owned(), literal);
        format!(
            "{asked}SET LOCAL session_authorization TO DEFAULT;
SET LOCAL role TO DEFAULT;
{behind}INSERT INTO {}
    (version_table, revision, direction, statement, state, file_checksum, statements_checksum,
    statement_checksum, index_oid, index_name, session, run, changed_at)
VALUES
    ({}, {}, {}, {}, {}, {},
    {},
    {}, {oid},
    {name}, {session},
    {},
    pg_catalog.clock_timestamp())
ON CONFLICT (version_table, revision, direction) DO UPDATE SET
    statement = EXCLUDED.statement, state = EXCLUDED.state,
    file_checksum = EXCLUDED.file_checksum, statements_checksum = EXCLUDED.statements_checksum,
    statement_checksum = EXCLUDED.statement_checksum,
    index_oid = EXCLUDED.index_oid, index_name = EXCLUDED.index_name, session = EXCLUDED.session,
    run = EXCLUDED.run, changed_at = EXCLUDED.changed_at;
",
            self.progress(),
            literal(&self.version),
            literal(&record.revision),
            literal(record.action.verb()),
            mark.statement,
            literal(mark.state.word()),
            literal(record.checksum.as_deref().unwrap_or_default()),
            literal(&mark.statements.to_string()),
            text(mark.own.as_ref().map(ToString::to_string).as_deref()),
            literal(&author.run),
        )
    }

    /// How many statements [`Tables::mark`] holds.
    #[must_use]
    pub fn statements_of_mark(mark: &Mark) -> usize {
        3 + usize::from(mark.session || matches!(mark.index, Known::There(_))) + usize::from(mark.behind.is_some())
    }

    /// Raises [`MOVED`] where the last mark of the revision's direction is not this one.
    #[must_use]
    pub fn behind(&self, record: &Record, statement: usize, state: State) -> String {
        let Record { action, revision, .. } = record;
        let word = state.word();
        let message =
            format!("in the journal, statement {statement} of the {} of {revision} is not {word}", action.verb());
        let block = format!(
            "
BEGIN
    IF NOT EXISTS (SELECT FROM {} WHERE {}
        AND statement OPERATOR(pg_catalog.=) {statement} AND state OPERATOR(pg_catalog.=) {}) THEN
        RAISE EXCEPTION {} USING ERRCODE = '{MOVED}';
    END IF;
END
",
            self.progress(),
            self.of(record),
            literal(word),
            literal(&format(&message)),
        );
        format!("DO {};\n", dollar(&block))
    }

    /// Adds the session to a mark that could not remember it, behind the transaction that set it.
    #[must_use]
    pub fn remember_session(&self, record: &Record) -> String {
        format!("UPDATE {} SET session = {SESSION} WHERE session IS NULL AND {};\n", self.progress(), self.of(record))
    }

    /// A mark in a transaction of its own, whatever the script has set for transactions to come. It waits for as long as it takes:
    /// a statement that ran alone cannot be taken back because its mark came too late.
    #[must_use]
    pub fn mark_alone(&self, record: &Record, author: &Author, mark: &Mark) -> String {
        let mark = self.mark(record, author, mark);
        format!("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;\n{PATIENCE}{mark}COMMIT;\n")
    }

    /// How many statements [`Tables::mark_alone`] holds.
    #[must_use]
    pub fn statements_of_mark_alone(mark: &Mark) -> usize {
        Self::statements_of_mark(mark) + PATIENCE.lines().count() + 2
    }

    /// Takes a revision's rows out of the journal, in both directions: one of the other direction is no longer true.
    #[must_use]
    pub fn forget(&self, record: &Record) -> String {
        let revision = literal(&record.revision);
        format!(
            "DELETE FROM {} WHERE {} AND revision OPERATOR(pg_catalog.=) {revision};\n",
            self.progress(),
            self.ours()
        )
    }

    /// Takes the rows of several revisions out of the journal: an array in SQL.
    #[must_use]
    pub(super) fn forget_these(&self, revisions: &str) -> String {
        format!(
            "DELETE FROM {} WHERE {} AND revision OPERATOR(pg_catalog.=) ANY ({revisions});\n",
            self.progress(),
            self.ours()
        )
    }

    /// Empties the journal: what a database is stamped with holds, whatever stopped before.
    #[must_use]
    pub fn forget_all(&self) -> String {
        format!("DELETE FROM {} WHERE {};\n", self.progress(), self.ours())
    }

    /// The condition, in PL/pgSQL, that the journal has a row of the revision's direction.
    #[must_use]
    pub(super) fn is_begun(&self, record: &Record) -> String {
        format!("EXISTS (SELECT FROM {} WHERE {})", self.progress(), self.of(record))
    }

    /// The condition on the journal that picks the row of a revision's direction.
    fn of(&self, record: &Record) -> String {
        format!(
            "{} AND revision OPERATOR(pg_catalog.=) {} AND direction OPERATOR(pg_catalog.=) {}",
            self.ours(),
            literal(&record.revision),
            literal(record.action.verb())
        )
    }

    /// The condition on journal and history that picks the rows of these revisions: another project in the same schema has
    /// a version table of its own, and may have revisions of the same names.
    #[must_use]
    pub fn ours(&self) -> String {
        format!("version_table OPERATOR(pg_catalog.=) {}", literal(&self.version))
    }
}

/// The setting that holds what [`SESSION`] said, until the transaction ends.
const SEEN: &str = "aludel.session";

/// The setting that holds what [`Known::There`] found, until the transaction ends.
const INDEX: &str = "aludel.index";

/// What precedes a mark in a transaction of its own.
const PATIENCE: &str = "SET LOCAL lock_timeout = 0;
SET LOCAL statement_timeout = 0;
";

/// What of a session decides on which objects a script's statements work, and cannot be told from the script's text: an SQL
/// expression, whose value is JSON.
pub const SESSION: &str = "pg_catalog.jsonb_build_object(
    'search_path', pg_catalog.current_setting('search_path'),
    'schemas', pg_catalog.current_schemas(false),
    'role', pg_catalog.current_setting('role'),
    'temporary', ARRAY(SELECT c.relname FROM pg_catalog.pg_class c
        WHERE c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
        AND c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'v', 'S']::pg_catalog.\"char\"[]) ORDER BY 1),
    'prepared', ARRAY(SELECT p.name FROM pg_catalog.pg_prepared_statements p WHERE p.from_sql ORDER BY 1))::pg_catalog.text";

/// Asks for the index that a statement is to build or to drop, by [`index_built`] or [`index_named`]; nothing where there is none
/// to ask for.
#[must_use]
pub fn question(trace: &Trace) -> Option<String> {
    match trace {
        Trace::Built { index, table } => Some(index_built(index, table)),
        Trace::Dropped(index) => Some(index_named(index)),
        Trace::Harmless | Trace::None => None,
    }
}

/// Whether another session builds the index `c` at this moment, as far as this role may see that.
const BUILT_BY_ANOTHER: &str = "EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index b
        WHERE b.index_relid OPERATOR(pg_catalog.=) c.oid AND b.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid())";

/// Asks for the index that a statement is to build, or has built: its number, its schema and its name, whether it is
/// valid, and whether another session builds it; no row where there is none. Names are resolved as the script's own are.
fn index_built(index: &str, table: &ObjectName) -> String {
    format!("SELECT c.oid, n.nspname, c.relname, i.indisvalid, {BUILT_BY_ANOTHER} {}", from_indexes(index, table))
}

/// Asks for an index by a name that is resolved as the script's own are: its number, its schema and its name.
fn index_named(index: &ObjectName) -> String {
    format!(
        "SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
         WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({})::pg_catalog.oid",
        literal(&index.to_string())
    )
}

/// Raises [`INVALID_INDEX`] unless the index is there and valid: `IF NOT EXISTS` passes over what a failed attempt left
/// behind, and over whatever else has that name.
#[must_use]
pub fn check_index(index: &str, table: &ObjectName) -> String {
    let from = from_indexes(index, table);
    let raise = |what: String| {
        let message = literal(&what.replace('%', "%%"));
        format!("        RAISE EXCEPTION {message} USING ERRCODE = '{INVALID_INDEX}';\n")
    };
    let block = format!(
        "\nBEGIN\n    IF NOT EXISTS (\n        SELECT {from}) THEN\n{}    ELSIF EXISTS (\n        SELECT {from}\n        \
         AND NOT i.indisvalid) THEN\n{}    END IF;\nEND\n",
        raise(format!("there is no index \"{index}\" on {table}: something else has that name")),
        raise(format!("index \"{index}\" is not valid")),
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

/// Asks for an index that was left behind: its schema and its name, where it is still there and not valid. That of a partitioned
/// table is never left by a statement that failed.
#[must_use]
pub fn still_invalid(index: &Index) -> String {
    format!(
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_index i \
         JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
         WHERE i.indexrelid OPERATOR(pg_catalog.=) {}::pg_catalog.oid AND NOT i.indisvalid \
         AND c.relkind OPERATOR(pg_catalog.=) 'i' AND NOT {BUILT_BY_ANOTHER}",
        index.oid
    )
}

/// Asks whether an index is there, valid or not.
#[must_use]
pub fn is_there(index: &Index) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) {}::pg_catalog.oid)",
        index.oid
    )
}

/// Drops what a failed attempt to build an index left behind; the name is quoted.
#[must_use]
pub fn drop_left_over(name: &str) -> String {
    format!("DROP INDEX CONCURRENTLY IF EXISTS {name};\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections(sections: &[(bool, usize)]) -> Vec<SectionUse> {
        let section = |(index, (transaction, statements)): (usize, &(bool, usize))| SectionUse {
            ordinal: index + 1,
            verifies: false,
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
            own: None,
            index: None,
            session: Some("{}".into()),
            since: String::new(),
        }
    }

    /// `unchanged` is said of the statements that are done, `same` of the marked one.
    fn from(progress: &Progress, (unchanged, same): (bool, bool), trace: Trace, wish: Wish) -> Result<Begun, Stuck> {
        let sections = sections(&[(true, 1), (true, 2), (false, 3), (true, 1)]);
        begun(progress, &Found { sections: &sections, unchanged, same, trace }, wish)
    }

    fn goes_on(progress: &Progress, unchanged: bool, trace: Trace, wish: Wish) -> Result<(usize, bool), Stuck> {
        from(progress, (unchanged, true), trace, wish).map(|begun| (begun.done, begun.unsettled))
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
        assert_eq!(goes_on(&running, true, Trace::None, Wish::Retry), Ok((4, false)));
        assert_eq!(goes_on(&running, false, Trace::None, Wish::Retry), Err(Stuck::Changed));
        assert_eq!(goes_on(&running, false, Trace::None, Wish::After(5)), Ok((5, false)));
        assert_eq!(goes_on(&stopped(4, State::Done), true, Trace::None, Wish::Retry), Err(Stuck::NothingRunning));
    }

    #[test]
    fn a_running_statement_may_be_edited_to_be_run_again() {
        let running = stopped(5, State::Running);
        assert_eq!(from(&running, (true, false), Trace::Harmless, Wish::Safe), Err(Stuck::RunningChanged));
        let again = from(&running, (true, false), Trace::Harmless, Wish::Retry).unwrap();
        // What the catalogs say of another statement is no answer.
        assert_eq!((again.done, again.unsettled), (4, false));
    }

    #[test]
    fn what_failed_runs_again_as_it_is_now() {
        let index = Some(Index { oid: 1, name: "i".into() });
        let failed = Progress { index: index.clone(), ..stopped(5, State::Failed) };
        assert_eq!(failed.done(), 4);
        assert_eq!(goes_on(&failed, false, Trace::None, Wish::Safe), Err(Stuck::Changed));
        let again = from(&failed, (true, false), Trace::None, Wish::Safe).unwrap();
        assert_eq!((again.done, again.left_over, again.kept), (4, index.clone(), None));
        // Who takes it for done keeps what it left.
        let taken = from(&failed, (true, true), Trace::None, Wish::After(5)).unwrap();
        assert_eq!((taken.done, taken.left_over, taken.kept), (5, None, index));
    }

    #[test]
    fn the_session_is_the_users_affair_where_the_place_is() {
        let done = stopped(4, State::Done);
        assert!(from(&done, (true, true), Trace::None, Wish::Safe).unwrap().session.is_some());
        assert!(from(&done, (true, true), Trace::None, Wish::After(4)).unwrap().session.is_none());
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
