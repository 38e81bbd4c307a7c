//! The executor on paper: prints a program as SQL for psql.
//!
//! It prints the very operations that a connection would run, with the statements as they stand in the files, and a
//! comment before each revision. It connects to nothing.

use std::io::Read;

use crate::database::execute::Bodies;
use crate::error::Result;
use crate::model::bookkeeping::Scope;
use crate::model::program::{Operation, Program};
use crate::model::sql::body::{Batch, Body};
use crate::ui::Ui;

/// Prints `program` to standard output; `heading` says in a comment what it is.
///
/// # Errors
/// A file cannot be read, or changed since the plan was made.
pub fn write(program: &Program, bodies: &dyn Bodies, heading: &str, ui: &Ui) -> Result<()> {
    ui.raw(&format!("-- {}: {}\n", program.author.tool, one_line(heading)));
    if program.steps.is_empty() {
        ui.raw("-- Nothing to do.\n");
        return Ok(());
    }
    ui.raw(
        "-- To be run with psql: psql -X -f FILE. Each revision checks first that the database stands where it expects,\n\
         -- so running this twice, or out of turn, changes nothing.\n\n\
         \\set ON_ERROR_STOP on\n\
         SET client_encoding = 'UTF8';\n\
         SET standard_conforming_strings = on;\n\
         SET client_min_messages = warning;\n\n",
    );
    ui.raw(&program.tables.create());
    ui.raw("\nRESET client_min_messages;\n");
    let mut reader = None;
    for operation in &program.operations {
        match operation {
            Operation::Announce(step) => {
                let step = &program.steps[*step];
                ui.raw(&format!("\n\n-- {}: {}\n\n", step.record.action.verb(), one_line(&step.title)));
            }
            Operation::Body { step, section } | Operation::Bare { step, section } => {
                sections(*step, *section, bodies, &mut reader, ui)?;
            }
            Operation::Guard(_, scope) => {
                ui.raw(&program.sql(operation));
                ui.raw(if matches!(scope, Scope::LaterTransaction) { "" } else { "\n" });
            }
            Operation::Reset => ui.raw("RESET SESSION AUTHORIZATION;\nRESET ROLE;\nRESET ALL;\nSET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n\n"),
            Operation::Begin | Operation::Record(_) | Operation::Commit => ui.raw(&program.sql(operation)),
        }
    }
    Ok(())
}

type Open = (usize, Body<Box<dyn Read>>, Option<Batch>);

/// Prints a section's text as it stands in the file.
fn sections(step: usize, section: usize, bodies: &dyn Bodies, open: &mut Option<Open>, ui: &Ui) -> Result<()> {
    if open.as_ref().is_none_or(|(of, ..)| *of != step) {
        *open = Some((step, bodies.open(step)?, None));
    }
    let Some((_, reader, kept)) = open else { return Ok(()) };
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
        ui.raw(&batch.text);
        if !batch.text.ends_with('\n') {
            ui.raw("\n");
        }
        if !is_terminated(&batch) {
            ui.raw(";\n");
        }
    }
    ui.raw("\n");
    Ok(())
}

/// Whether the text ends its last statement: psql would take the bookkeeping for more of it.
fn is_terminated(batch: &Batch) -> bool {
    batch.statements.last().is_none_or(|range| batch.text[range.clone()].ends_with(';'))
}

/// A message cannot end the comment that it stands in.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}
