//! The executor on paper: prints a program as SQL for psql.
//!
//! It prints the very operations that a connection would run, with the statements as they stand in the files, and comments
//! for the person who reviews it. It connects to nothing.

use std::io::Read;

use crate::database::execute::Bodies;
use crate::error::Result;
use crate::model::bookkeeping::{Action, Expected, Scope, spoken};
use crate::model::program::{Operation, Program, ProgramStep};
use crate::model::sql::body::{Batch, BatchKind, Body};
use crate::model::sql::psql;
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

/// Prints `program` to standard output; `heading` says in a comment what it is.
///
/// # Errors
/// A file cannot be read, or changed since the plan was made.
pub fn write(program: &Program, bodies: &dyn Bodies, heading: &str, ui: &Ui) -> Result<()> {
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
    ui.raw(&format!(
        "--\n\
         -- To be run with psql: psql -X -d DATABASE -f FILE\n\
         {checks}\
         -- A role or a setting to run it with is given as PGOPTIONS='-c role=NAME': a SET would last for one step.\n\n\
         {PSQL}\n{TEXT}\n"
    ));
    ui.raw(&format!(
        "-- One run at a time: this session has the lock until it ends.\n{}\n",
        program.tables.lock_of_a_script()
    ));
    ui.raw(&preamble(program, first));
    let mut reader = None;
    for operation in &program.operations {
        let step = |index: usize| &program.steps[index];
        match operation {
            Operation::Announce(index) => ui.raw(&announcement(step(*index))),
            Operation::Body { step, section } | Operation::Bare { step, section } => {
                sections(*step, *section, bodies, &mut reader, ui)?;
            }
            Operation::Guard(index, scope) => {
                ui.raw(&format!("{}{}\n", before_guard(step(*index), *scope), program.sql(operation)));
            }
            Operation::Reset => ui.raw(&format!(
                "-- What the step before has set in this session ends here.\n{}{TEXT}\n",
                program.sql(operation)
            )),
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
             SET LOCAL client_min_messages = warning;\n{}\
             COMMIT;\n\n",
            spoken(rows),
            tables.lock(),
            tables.create_history()
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
        Action::Repair => format!("-- The file of {revision} as it is now is accepted; nothing is run.\n"),
        Action::Stamp => format!("-- The database is taken to be at {revision} from now on; nothing else is run.\n"),
    }
}

type Open<'a> = (usize, Body<Box<dyn Read + 'a>>, Option<Batch>);

/// Prints a section's text as it stands in the file, as far as psql reads it as the server does.
fn sections<'a>(
    step: usize,
    section: usize,
    bodies: &'a dyn Bodies,
    open: &mut Option<Open<'a>>,
    ui: &Ui,
) -> Result<()> {
    if open.as_ref().is_none_or(|(of, ..)| *of != step) {
        *open = Some((step, bodies.open(step)?, None));
    }
    let Some((_, reader, kept)) = open else { return Ok(()) };
    let mut data_end = DATA_END;
    loop {
        let batch = match kept.take() {
            Some(batch) => batch,
            None => match reader.next_batch().map_err(|error| bodies.explain(&error))? {
                Some(batch) => batch,
                None => break,
            },
        };
        if batch.section.ordinal < section {
            continue;
        }
        if batch.section.ordinal > section {
            *kept = Some(batch);
            break;
        }
        match batch.kind {
            BatchKind::Statements => print(&batch, ui),
            BatchKind::CopyFromStdin { .. } => {
                data_end = DATA_END;
                print(&batch, ui);
            }
            BatchKind::CopyData { last } => {
                ui.raw(&batch.text);
                if batch.text.ends_with("\r\n") {
                    data_end = "\\.\r\n";
                }
                if last {
                    ui.raw(data_end);
                }
            }
        }
    }
    ui.raw("\n");
    Ok(())
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
