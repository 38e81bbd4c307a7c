//! Lowers a repair: nothing runs, and the history takes the files' texts as they are now.

use super::{Context, Files, Prepared, Source};
use crate::commands::workspace::{Workspace, tables};
use crate::error::{Error, Result};
use crate::model::bookkeeping::{Action, Author, Clears, Expected, Record};
use crate::model::graph::Node;
use crate::model::program::{Again, Program, ProgramStep, TransactionScope};
use crate::model::sql::marker::SectionKind;

/// A program that accepts the texts of `nodes`, all in one transaction, in a database at `rows`. What could not be run is not
/// accepted either.
pub(in crate::commands) fn repair<'a>(
    workspace: &'a Workspace,
    context: &Context,
    nodes: &[Node],
    rows: &[String],
    author: Author,
) -> Result<Prepared<'a>> {
    let steps = nodes.iter().map(|node| Source::Revision(*node, SectionKind::Upgrade)).collect();
    let files = Files::new(workspace, context, steps)?;
    let (mut steps, mut errors) = (Vec::with_capacity(nodes.len()), Vec::new());
    for node in nodes {
        match files.check(Source::Revision(*node, SectionKind::Upgrade)) {
            Ok(summary) => steps.push(ProgramStep {
                title: workspace.title(*node),
                expected: Expected::Rows(rows.to_vec()),
                record: Record {
                    action: Action::Repair,
                    revision: workspace.graph.id(*node).to_string(),
                    checksum: Some(summary.checksum.to_string()),
                    delete: Vec::new(),
                    insert: Vec::new(),
                    purge: false,
                    clears: Clears::Nothing,
                },
                sections: Vec::new(),
                lock_timeout: None,
                statement_timeout: None,
                savepoints: false,
                begun: None,
                again: Again::Same,
            }),
            Err(error) => errors.push(error),
        }
    }
    if let Some(error) = Error::all(errors) {
        return Err(error.note("nothing was accepted"));
    }
    let program = Program::lower(steps, TransactionScope::Run, tables(&workspace.config), author)
        .map_err(|_| Error::failed("a repair runs nothing, and something cannot run"))?;
    Ok(Prepared::new(program, files))
}
