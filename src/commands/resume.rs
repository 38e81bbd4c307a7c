//! Revisions that stopped partway, and a new plan: those that the plan runs go on where they stopped; a plan that would
//! pull the ground from under one, or take one for applied that is half undone, is refused. What the version table has
//! decided otherwise since is passed over.

use clap::Args;

use super::lower::Files;
use super::workspace::Workspace;
use crate::database::execute::Bodies as _;
use crate::error::{Error, Kind, Result};
use crate::explain;
use crate::model::applied::Applied;
use crate::model::bookkeeping::Action;
use crate::model::graph::{Graph, Node};
use crate::model::journal::{self, Found, Progress, Text, Wish};
use crate::model::plan::{self, Direction, Plan};
use crate::model::program::{Again, ProgramStep};
use crate::model::sql::body::BatchKind;
use crate::model::sql::outside::{self, Trace};
use crate::model::target::Target;

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

/// Whether what was typed means the same from wherever the database stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Typed {
    /// It names the revision to go to.
    #[default]
    Absolute,
    /// It counts from where the database stands: `+2`, `-1`, `redo`.
    Counted,
}

impl From<&Target> for Typed {
    fn from(target: &Target) -> Self {
        if target.is_counted() { Self::Counted } else { Self::Absolute }
    }
}

/// The journal, and what decides which of its rows still hold.
#[derive(Clone, Copy)]
pub(super) struct Journal<'a> {
    pub(super) rows: &'a [Progress],
    pub(super) applied: &'a Applied,
}

impl<'a> Journal<'a> {
    /// The rows that hold: what stopped partway, and is neither finished nor decided otherwise since.
    pub(super) fn open(self, graph: &'a Graph) -> impl Iterator<Item = &'a Progress> {
        self.rows.iter().filter(move |progress| !self.applied.contradicts(graph, progress))
    }

    /// Why it cannot be said that the database is where its rows say, for each applied revision that is half undone.
    pub(super) fn half_undone(self, graph: &Graph, kind: Kind) -> Vec<Error> {
        let undone = self.rows.iter().filter(|progress| self.applied.half_undone(graph, progress).is_some());
        undone.map(|progress| explain::half_undone(kind, progress, self.finishing(graph, progress).as_ref())).collect()
    }

    /// The target of the command that ends what stopped partway.
    fn finishing(self, graph: &Graph, progress: &Progress) -> Option<Target> {
        let direction = if progress.action == Action::Upgrade { Direction::Upgrade } else { Direction::Downgrade };
        plan::finishing(graph, self.applied, graph.find(&progress.revision)?, direction)
    }
}

/// What is known of revisions that stopped partway, and what the user wants done about them.
#[derive(Clone, Copy, Default)]
pub(super) struct Resumption<'a> {
    /// The journal, where a database was asked.
    pub(super) journal: Option<Journal<'a>>,
    /// What the command line says.
    pub(super) wish: Wish,
    /// How it says where to go.
    pub(super) typed: Typed,
}

impl<'a> Resumption<'a> {
    /// The journal's rows, each with what judges it.
    fn rows(&self) -> impl Iterator<Item = (Journal<'a>, &'a Progress)> + use<'a> {
        self.journal.into_iter().flat_map(|journal| journal.rows.iter().map(move |progress| (journal, progress)))
    }

    /// Whether nothing stopped, and nothing is wished.
    pub(super) fn is_empty(&self) -> bool {
        self.rows().next().is_none() && self.wish == Wish::Safe
    }

    /// Whether the journal has a row of the revision, whatever it says; on paper nobody knows, so it may.
    pub(super) fn may_know(&self, revision: &str) -> bool {
        self.journal.is_none() || self.rows().any(|(_, progress)| progress.revision == revision)
    }

    /// What is to be typed after a run of `plans`, one after the other, that stops in the first of them.
    pub(super) fn again(&self, graph: &Graph, plans: &[Plan]) -> Again {
        if self.typed == Typed::Absolute {
            return Again::Same;
        }
        let named = |plan: &Plan| -> Option<Vec<(Direction, Target)>> {
            Some(plan::naming(graph, plan)?.into_iter().map(|target| (plan.direction(), target)).collect())
        };
        let commands: Option<Vec<_>> = plans.iter().map(named).collect();
        commands.map_or(Again::Unnamed, |commands| Again::Commands(commands.concat()))
    }

    /// Makes the steps that stopped before go on from there; `nodes` are theirs. Returns what the user should hear.
    /// `upgrades`: whether the run is to leave revisions applied.
    pub(super) fn apply(
        &self,
        workspace: &Workspace,
        files: &Files,
        nodes: &[Node],
        upgrades: bool,
        steps: &mut [ProgramStep],
    ) -> Result<Vec<String>> {
        let graph = &workspace.graph;
        let mut remarks = Vec::new();
        let mut errors = Vec::new();
        let mut resumed = 0;
        for (journal, progress) in self.rows() {
            if journal.applied.contradicts(graph, progress) {
                remarks.push(explain::outdated(progress));
                continue;
            }
            let is_it =
                |step: &ProgramStep| step.record.revision == progress.revision && step.record.action == progress.action;
            let finish = || journal.finishing(graph, progress);
            let Some(index) = steps.iter().position(is_it) else {
                if let Some(other) = in_the_way(graph, progress, nodes, steps) {
                    errors.push(explain::stands_on_unfinished(progress, other, finish().as_ref()));
                } else if upgrades && journal.applied.half_undone(graph, progress).is_some() {
                    errors.push(explain::half_undone(Kind::Failed, progress, finish().as_ref()));
                } else {
                    remarks.push(explain::unfinished(progress));
                }
                continue;
            };
            resumed += 1;
            if self.typed == Typed::Counted {
                errors.push(explain::counts_over_unfinished(progress, finish().as_ref()));
                continue;
            }
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

/// The revision of the plan that must not be undone while `progress` is not finished: the unfinished one stands on it.
fn in_the_way<'a>(graph: &'a Graph, progress: &Progress, nodes: &[Node], steps: &[ProgramStep]) -> Option<&'a str> {
    let unfinished = graph.find(&progress.revision).filter(|_| progress.action == Action::Upgrade)?;
    let goes = |(node, step): &(&Node, &ProgramStep)| {
        step.record.action == Action::Downgrade && graph.needs(unfinished).any(|below| below == **node)
    };
    nodes.iter().zip(steps).find(goes).map(|(node, _)| graph.id(*node).as_str())
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
