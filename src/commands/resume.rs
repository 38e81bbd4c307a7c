//! Revisions that stopped partway, and a new plan: those that the plan runs go on where they stopped; a plan that would
//! pull the ground from under one is refused.

use clap::Args;

use super::lower::Files;
use super::workspace::Workspace;
use crate::database::execute::Bodies as _;
use crate::error::{Error, Result};
use crate::explain;
use crate::model::bookkeeping::Action;
use crate::model::graph::Node;
use crate::model::journal::{self, Found, Progress, Text, Wish};
use crate::model::program::ProgramStep;
use crate::model::sql::body::BatchKind;
use crate::model::sql::outside::{self, Trace};

/// What the command line says about a revision that stopped partway.
#[derive(Debug, Args)]
pub struct Resume {
    /// Of the revision that stopped partway, take the first N statements as done
    #[arg(long, value_name = "N", conflicts_with = "sql")]
    resume_after: Option<usize>,

    /// Of the revision that stopped partway, run the statement again that it stopped in
    #[arg(long, conflicts_with_all = ["sql", "resume_after"])]
    retry_statement: bool,
}

impl Resume {
    pub(super) fn wish(&self) -> Wish {
        match self.resume_after {
            Some(statements) => Wish::After(statements),
            None if self.retry_statement => Wish::Retry,
            None => Wish::Safe,
        }
    }
}

/// What is known of revisions that stopped partway, and what the user wants done about them.
#[derive(Clone, Copy, Default)]
pub(super) struct Resumption<'a> {
    /// The journal.
    pub(super) progress: &'a [Progress],
    /// What the command line says.
    pub(super) wish: Wish,
}

impl Resumption<'_> {
    /// Whether nothing stopped, and nothing is wished.
    pub(super) fn is_empty(&self) -> bool {
        self.progress.is_empty() && self.wish == Wish::Safe
    }

    /// Makes the steps that stopped before go on from there; `nodes` are theirs. Returns what the user should hear.
    pub(super) fn apply(
        &self,
        workspace: &Workspace,
        files: &Files,
        nodes: &[Node],
        steps: &mut [ProgramStep],
    ) -> Result<Vec<String>> {
        let mut remarks = Vec::new();
        let mut errors = Vec::new();
        let mut resumed = 0;
        for progress in self.progress {
            let is_it =
                |step: &ProgramStep| step.record.revision == progress.revision && step.record.action == progress.action;
            let Some(index) = steps.iter().position(is_it) else {
                match in_the_way(workspace, progress, nodes, steps) {
                    Some(other) => errors.push(explain::stands_on_unfinished(progress, other)),
                    None => remarks.push(explain::unfinished(progress)),
                }
                continue;
            };
            resumed += 1;
            let path = workspace.path(nodes[index]);
            let read = compare(files, index, progress)?;
            let step = &mut steps[index];
            let found =
                Found { sections: &step.sections, unchanged: read.unchanged, same: read.same, trace: read.trace };
            match journal::begun(progress, &found, self.wish) {
                Ok(begun) => {
                    let edited = step.record.checksum.as_ref() != Some(&progress.checksum);
                    remarks.push(explain::goes_on(progress, &begun, step.statements(), edited));
                    step.begun = Some(begun);
                }
                Err(stuck) => errors.push(explain::stuck(&stuck, progress, step.statements(), &path)),
            }
        }
        if self.wish != Wish::Safe && errors.is_empty() && resumed != 1 {
            errors.push(explain::nothing_to_resume(resumed));
        }
        match Error::all(errors) {
            Some(error) => Err(error.note("nothing was run")),
            None => Ok(remarks),
        }
    }
}

/// The revision of the plan that must not be touched while `progress` is not finished: one that the unfinished
/// revision stands on and that would go, or one that would come to stand on it.
fn in_the_way<'a>(
    workspace: &'a Workspace,
    progress: &Progress,
    nodes: &[Node],
    steps: &[ProgramStep],
) -> Option<&'a str> {
    let graph = &workspace.graph;
    let unfinished = graph.find(&progress.revision)?;
    let touches = |(node, step): &(&Node, &ProgramStep)| match (progress.action, step.record.action) {
        (Action::Upgrade, Action::Downgrade) => graph.needs(unfinished).any(|below| below == **node),
        (Action::Downgrade, Action::Upgrade) => graph.needs(**node).any(|below| below == unfinished),
        _ => false,
    };
    nodes.iter().zip(steps).find(touches).map(|(node, _)| graph.id(*node).as_str())
}

/// What a file says today of statements that ran.
struct Compared {
    /// Those that are done are the file's still.
    unchanged: bool,
    /// The marked one is.
    same: bool,
    /// What tells whether the marked one was carried out.
    trace: Trace,
}

/// Reads the file as far as the statement that the last mark is about.
fn compare(files: &Files, index: usize, progress: &Progress) -> Result<Compared> {
    let mut body = files.open(index)?;
    let mut text = Text::default();
    let mut statements = 0;
    let mut compared = Compared { unchanged: false, same: false, trace: Trace::None };
    'read: while let Some(batch) = body.next_batch().map_err(|error| files.explain(&error))? {
        if matches!(batch.kind, BatchKind::CopyData { .. }) {
            text.add_data(&batch.text);
            continue;
        }
        for range in &batch.statements {
            let statement = &batch.text[range.clone()];
            if statements == progress.done() {
                compared.same = progress.own.as_deref() == Some(&Text::of(statement).to_string());
                compared.trace = outside::trace(statement);
                break 'read;
            }
            text.add(statement);
            statements += 1;
        }
    }
    if statements == progress.done() {
        compared.unchanged = text.checksum().to_string() == progress.statements;
    }
    Ok(compared)
}
