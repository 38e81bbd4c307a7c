//! The executor on paper: prints a program as SQL for psql.
//!
//! It prints the very operations that a connection would run, with the statements as they stand in the files, and comments
//! for the person who reviews it. It connects to nothing.

use std::io::Read;

use crate::database::execute::Bodies;
use crate::error::Result;
use crate::model::bookkeeping::{Action, Expected, Scope, spoken};
use crate::model::journal::{self, Known, Mark, State, Text};
use crate::model::program::{Alone, Operation, Program, ProgramStep, WITHOUT_LOCK_TIMEOUT};
use crate::model::sql::body::{Batch, BatchKind, Sections};
use crate::model::sql::outside::{self, Company};
use crate::model::sql::psql;
use crate::model::sql::verify::{self, Check};
use crate::ui::Ui;

/// What a printed file stands on, whatever psql was set to before. A session whose transactions begin by themselves, or
/// that goes on in them behind an error, would get past the checks.
const PSQL: &str = "\\set ON_ERROR_STOP on
\\set ON_ERROR_ROLLBACK off
\\set AUTOCOMMIT on
\\set QUIET on
";

/// How the text of the files is to be read.
const TEXT: &str = "SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
";

/// What ends the data of a `COPY`. Its line end must be theirs.
const DATA_END: &str = "\\.\n";

const RULE: &str = "-- ==========================================================================\n";

/// What stands around a program, because the settings want it.
pub enum Around {
    /// A program of the machine's, which is not printed; its line.
    Command(String),
    /// SQL in a transaction of its own.
    Sql(Box<Program>, Box<dyn Bodies>),
}

/// Prints `program` to standard output, with what stands before it and behind it; `heading` says in a comment what it is.
///
/// # Errors
/// A file cannot be read, or changed since the plan was made.
pub fn write(
    program: &Program,
    bodies: &dyn Bodies,
    heading: &str,
    (before, after): (&[Around], &[Around]),
    ui: &Ui,
) -> Result<()> {
    ui.raw(&format!("-- {}: {}\n", program.author.tool, one_line(heading)));
    let Some(first) = program.steps.first() else {
        ui.raw("-- Nothing to do.\n");
        return Ok(());
    };
    let checks = match first.expected {
        Expected::Rows(_) => {
            "-- Each step first checks that the database stands where it expects, so a script that is run twice, out of\n\
             -- turn, or on the wrong database stops there and changes nothing.\n"
        }
        Expected::Anything => "-- It replaces what the database says of itself, whatever that is.\n",
    };
    let given = match program.author.role {
        Some(_) => "A setting to run it with is given as PGOPTIONS='-c NAME=VALUE'",
        None => "A role or a setting to run it with is given as PGOPTIONS='-c role=NAME'",
    };
    ui.raw(&format!(
        "--\n\
         -- To be run with psql: psql -X -d DATABASE -f FILE\n\
         {checks}\
         -- {given}: a SET would last for one step.\n\n\
         {PSQL}\n{TEXT}\n"
    ));
    if !program.set_role().is_empty() {
        ui.raw(&format!("-- Everything is done as this role, and belongs to it.\n{}\n", program.set_role()));
    }
    ui.raw(&format!(
        "-- One run at a time: this session has the lock until it ends.\n{}\n",
        program.tables.lock_of_a_script()
    ));
    ui.raw(&preamble(program, first));
    for around in before {
        write_around(around, "Before what follows", ui)?;
    }
    operations(program, bodies, ui)?;
    let mut fresh = false;
    for around in after {
        // It begins with a session as the first step found it.
        if matches!(around, Around::Sql(..)) && !std::mem::replace(&mut fresh, true) {
            ui.raw(&reset(program));
        }
        write_around(around, "After all this", ui)?;
    }
    Ok(())
}

/// Prints what stands around a program.
fn write_around(around: &Around, when: &str, ui: &Ui) -> Result<()> {
    match around {
        Around::Command(line) => {
            ui.raw(&format!(
                "-- {when}, a connected run also starts a program, which no script can: {}\n\n",
                one_line(line)
            ));
            Ok(())
        }
        Around::Sql(program, bodies) => {
            operations(program, &**bodies, ui)?;
            ui.raw(&reset(program));
            Ok(())
        }
    }
}

/// Puts back what a step has set.
fn reset(program: &Program) -> String {
    format!("-- What the step before has set in this session ends here.\n{}{TEXT}\n", program.sql(&Operation::Reset))
}

/// Prints the operations of a program.
fn operations(program: &Program, bodies: &dyn Bodies, ui: &Ui) -> Result<()> {
    let mut paper = Paper {
        program,
        bodies,
        ui,
        open: None,
        statement: 0,
        text: Text::default(),
        before: Text::default(),
        marked: None,
        own_lock_timeout: false,
    };
    for operation in &program.operations {
        let step = |index: usize| &program.steps[index];
        match operation {
            Operation::Announce(index) => {
                (paper.statement, paper.text, paper.own_lock_timeout) = (0, Text::default(), false);
                paper.marked = None;
                ui.raw(&announcement(step(*index)));
            }
            Operation::Body { step, section } => paper.body(*step, *section)?,
            Operation::Verify { step, section } => paper.verify(*step, *section)?,
            Operation::Bare { step, section } => paper.bare(*step, *section)?,
            Operation::Mark { step, .. } => {
                ui.raw(&format!("-- The journal: so far {} has come.\n", program.steps[*step].record.revision));
                let mark = paper.done();
                ui.raw(&format!("{}\n", program.mark(*step, &mark)));
                paper.marked = Some((mark.statement, mark.state));
            }
            // A database that stopped partway is no matter for paper: each step is printed from its beginning.
            Operation::Passed { .. } => {}
            Operation::Done(_) => {
                ui.raw(&format!("-- The database must still be there.\n{}\n", program.sql(operation)))
            }
            Operation::Guard(index, scope) => {
                let behind = paper.marked.map(|(statement, state)| program.behind(*index, statement, state));
                let behind = behind.unwrap_or_default();
                ui.raw(&format!("{}{}{behind}\n", before_guard(step(*index), *scope), program.sql(operation)));
            }
            Operation::Reset => ui.raw(&reset(program)),
            Operation::Record(index) => {
                ui.raw(&format!("{}{}\n", before_record(step(*index)), program.sql(operation)));
            }
            Operation::Begin => ui.raw(&format!("{}\n", program.sql(operation))),
            Operation::Commit => ui.raw(&format!("{}\n", program.sql(operation))),
        }
    }
    Ok(())
}

/// Makes the tables where they may be missing. A database that is to stand at a revision has the version table:
/// without it this is the wrong database, and nothing is made in it.
fn preamble(program: &Program, first: &ProgramStep) -> String {
    let tables = &program.tables;
    match &first.expected {
        Expected::Rows(rows) if !rows.is_empty() => format!(
            "-- A database at {} has the version table: one without it is the wrong one.\n\
             BEGIN;\n{}\n\
             SET LOCAL client_min_messages = warning;\n{}\n{}\
             COMMIT;\n\n",
            spoken(rows),
            tables.lock(),
            tables.create_history(),
            tables.create_progress()
        ),
        _ => format!(
            "-- Where the database stands, and what has been run in it.\n\
             SET client_min_messages = warning;\n\n{}\nRESET client_min_messages;\n\n",
            tables.create()
        ),
    }
}

/// A heading for the reader of the file, and a line for whoever watches it run.
fn announcement(step: &ProgramStep) -> String {
    let title = format!("{} {}", step.record.action.verb(), one_line(&step.title));
    format!("\n{RULE}-- {title}\n{RULE}\n\\echo {}\n\n", psql::argument(&title))
}

/// What a guard is for, in a comment.
fn before_guard(step: &ProgramStep, scope: Scope) -> String {
    let Expected::Rows(rows) = &step.expected else {
        return "-- Nobody else changes the version table until this is done.\n".to_owned();
    };
    let rows = spoken(rows);
    match scope {
        Scope::Transaction | Scope::SharedTransaction | Scope::FirstTransaction => {
            format!("-- Only where the database is at {rows}; nobody else moves it meanwhile.\n")
        }
        Scope::FirstBare => {
            format!("-- Only where the database is at {rows}. What follows cannot be in a transaction.\n")
        }
        Scope::LaterTransaction => format!("-- Only where the database is still at {rows}.\n"),
        Scope::LaterBare => {
            format!("-- Only where the database is still at {rows}. What follows cannot be in a transaction.\n")
        }
    }
}

/// What a record is for, in a comment.
fn before_record(step: &ProgramStep) -> String {
    let revision = &step.record.revision;
    match step.record.action {
        Action::Upgrade => format!("-- {revision} is applied: the version table and the history say so.\n"),
        Action::Downgrade => format!("-- {revision} is undone: the version table and the history say so.\n"),
        Action::Repeat => format!("-- {revision} was run: the history says so.\n"),
        Action::Repair => format!("-- The file of {revision} as it is now is accepted; nothing is run.\n"),
        Action::Hook => String::new(),
        Action::Stamp => format!("-- The database is taken to be at {revision} from now on; nothing else is run.\n"),
    }
}

/// Prints the statements of files, and keeps count of them for the journal.
struct Paper<'a> {
    program: &'a Program,
    bodies: &'a dyn Bodies,
    ui: &'a Ui,
    open: Option<(usize, Sections<Box<dyn Read + 'a>>)>,
    /// So many statements of the step were printed.
    statement: usize,
    /// Their text.
    text: Text,
    /// The text without the last statement.
    before: Text,
    /// The last mark of the step. Each asks for the one before it: of a revision in several parts, a client that goes on behind an
    /// error would mark and record what stands behind it.
    marked: Option<(usize, State)>,
    /// The script has chosen its own `lock_timeout`.
    own_lock_timeout: bool,
}

impl Paper<'_> {
    /// Prints a section's text as it stands in the file, as far as psql reads it as the server does.
    fn body(&mut self, step: usize, section: usize) -> Result<()> {
        let mut data_end = DATA_END;
        while let Some(batch) = self.next_batch(step, section)? {
            match batch.kind {
                BatchKind::Statements | BatchKind::CopyFromStdin { .. } => {
                    data_end = DATA_END;
                    batch.statements.iter().for_each(|range| self.note(step, &batch.text[range.clone()]));
                    print(&batch, self.ui);
                }
                BatchKind::CopyData { last } => self.data(step, &batch, last, &mut data_end),
            }
        }
        self.ui.raw("\n");
        Ok(())
    }

    /// Prints a verification: its queries as a connection runs them, in blocks that judge their answers.
    fn verify(&mut self, step: usize, section: usize) -> Result<()> {
        let (proof, asked) = verify::proof(&self.program.steps[step].record.revision);
        self.ui.raw(
            "-- The verification: where a query is not true, nothing is kept. What it does itself is taken back.\n",
        );
        self.ui.raw(verify::BEGINS);
        let mut data_end = DATA_END;
        while let Some(batch) = self.next_batch(step, section)? {
            match batch.kind {
                BatchKind::Statements => {
                    let mut from = 0;
                    for range in &batch.statements {
                        let statement = &batch.text[range.clone()];
                        self.note(step, statement);
                        self.gap(&batch.text[from..range.start]);
                        match verify::check(statement) {
                            Check::Statement => self.ui.raw(&terminated(statement)),
                            Check::Query { block, .. } => self.ui.raw(&block),
                        }
                        from = range.end;
                    }
                }
                BatchKind::CopyFromStdin { .. } => {
                    data_end = DATA_END;
                    batch.statements.iter().for_each(|range| self.note(step, &batch.text[range.clone()]));
                    print(&batch, self.ui);
                }
                BatchKind::CopyData { last } => self.data(step, &batch, last, &mut data_end),
            }
        }
        self.ui.raw(&format!(
            "-- A client that goes on behind an error must not get past it: what is prepared here is asked for below.\n{proof}{}{asked}\n",
            verify::ENDS
        ));
        Ok(())
    }

    /// Prints the comments between two statements.
    fn gap(&self, gap: &str) {
        if !gap.trim_ascii().is_empty() {
            self.ui.raw(&format!("{}\n", psql::without_variables(gap.trim_ascii())));
        }
    }

    /// Prints a section's statements one by one, each with its mark in the journal.
    fn bare(&mut self, step: usize, section: usize) -> Result<()> {
        let mut data_end = DATA_END;
        while let Some(batch) = self.next_batch(step, section)? {
            match batch.kind {
                BatchKind::Statements => {
                    let mut from = 0;
                    for range in &batch.statements {
                        self.statement(step, &batch.text[from..range.start], &batch.text[range.clone()]);
                        from = range.end;
                    }
                }
                BatchKind::CopyFromStdin { .. } => {
                    data_end = DATA_END;
                    batch.statements.iter().for_each(|range| self.note(step, &batch.text[range.clone()]));
                    self.begin_with_mark();
                    print(&batch, self.ui);
                }
                BatchKind::CopyData { last } => {
                    self.data(step, &batch, last, &mut data_end);
                    if last {
                        self.commit_with_mark(step);
                    }
                }
            }
        }
        Ok(())
    }

    /// Prints a statement that stands behind `gap`.
    fn statement(&mut self, step: usize, gap: &str, statement: &str) {
        self.note(step, statement);
        self.gap(gap);
        let text = terminated(statement);
        self.own_lock_timeout |= outside::sets_lock_timeout(statement);
        let company = outside::company(statement);
        if company == Company::Can {
            self.begin_with_mark();
            self.ui.raw(&text);
            self.commit_with_mark(step);
            return;
        }
        self.ui.raw(&format!(
            "-- Statement {} may have to be outside a transaction: the journal says that it runs, then that it is done.\n",
            self.statement
        ));
        let index = journal::question(&outside::trace(statement)).map_or(Known::Here(None), Known::There);
        let running = self.done().running(self.before.checksum(), statement, index);
        // What the server may take in a transaction, a connection tries in one first, where the limit holds.
        let keeps_lock_timeout = self.own_lock_timeout || company == Company::Perhaps;
        for part in Program::alone(statement, keeps_lock_timeout) {
            let sql = match &part {
                Alone::Mark(State::Done) => {
                    let sql = self.program.mark_alone(step, &self.done());
                    self.marked = Some((self.statement, State::Done));
                    sql
                }
                Alone::Mark(state) => {
                    self.marked = Some((self.statement, *state));
                    self.program.mark_alone(step, &running)
                }
                Alone::LiftLockTimeout => {
                    self.ui.raw("-- Without a limit on waiting for locks: to give up outside a transaction leaves things half done.\n");
                    WITHOUT_LOCK_TIMEOUT.to_owned()
                }
                Alone::Statement => text.clone(),
                Alone::Check(sql) => sql.clone(),
                Alone::LockTimeoutAgain => self.program.lock_timeout_again(step, None),
            };
            self.ui.raw(&format!("{sql}\n"));
        }
    }

    fn begin_with_mark(&self) {
        self.ui.raw(&format!("-- Statement {}, with its mark in the journal.\nBEGIN;\n", self.statement));
    }

    fn commit_with_mark(&mut self, step: usize) {
        let mark = self.done();
        self.ui.raw(&format!("{}COMMIT;\n\n", self.program.mark(step, &mark)));
        self.marked = Some((mark.statement, mark.state));
    }

    fn data(&mut self, step: usize, batch: &Batch, last: bool, data_end: &mut &str) {
        if self.program.steps[step].is_in_parts() {
            self.text.add_data(&batch.text);
        }
        self.ui.raw(&batch.text);
        if batch.text.ends_with("\r\n") {
            *data_end = "\\.\r\n";
        }
        if last {
            self.ui.raw(data_end);
        }
    }

    fn note(&mut self, step: usize, statement: &str) {
        self.statement += 1;
        if self.program.steps[step].is_in_parts() {
            self.before = self.text.clone();
            self.text.add(statement);
        }
    }

    /// The mark that all statements up to here are done.
    fn done(&self) -> Mark {
        // Too much to read for what it is worth: the session is for a run that goes on, and the script's own settings are made again.
        Mark { behind: self.marked, ..Mark::done(self.statement, self.text.checksum(), false) }
    }

    /// The next batch of the section.
    fn next_batch(&mut self, step: usize, section: usize) -> Result<Option<Batch>> {
        let (_, sections) = match &mut self.open {
            Some(open) if open.0 == step => open,
            open => open.insert((step, Sections::new(self.bodies.open(step)?))),
        };
        sections.next_of(section).map_err(|error| self.bodies.explain(&error))
    }
}

/// A statement as psql must be given it, on lines of its own.
fn terminated(statement: &str) -> String {
    let end = if statement.ends_with(';') { "\n" } else { "\n;\n" };
    format!("{}{end}", psql::without_variables(statement))
}

fn print(batch: &Batch, ui: &Ui) {
    ui.raw(&psql::without_variables(&batch.text));
    if !batch.text.ends_with('\n') {
        ui.raw("\n");
    }
    if !is_terminated(batch) {
        ui.raw(";\n");
    }
}

/// Whether the text ends its last statement: psql would take the bookkeeping for more of it.
fn is_terminated(batch: &Batch) -> bool {
    batch.statements.last().is_none_or(|range| batch.text[range.clone()].ends_with(';'))
}

/// A message cannot end the comment that it stands in.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}
