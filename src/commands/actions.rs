//! What a program may ask for where a person types a command: the same work, and values for answers.
//!
//! Nothing is printed here. What happens meanwhile is told to the listeners of the context.

use super::Context;
pub use super::confirm::Consent;
use super::event::{Done, Tally};
use super::metrics::MetricsFile;
use super::run::{self, Outcome, Request};
use super::stamp;
use super::status::Look;
use super::workspace::{load_config, parse_route, parse_target};
use crate::error::{Error, Result};
use crate::model::journal::Wish;
use crate::model::plan::Direction;
use crate::model::target::Target;

/// What became of an upgrade, a downgrade or a stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The steps that were carried out, in their order; none where there was nothing to do, and none for a stamp.
    pub steps: Vec<Done>,
    /// The revisions that the database was at; none for an empty one.
    pub before: Vec<String>,
    /// Those that it is at now.
    pub current: Vec<String>,
    /// What a person would have been warned of, in words.
    pub warnings: Vec<String>,
}

/// Where a database stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The database as a URL, without a password.
    pub database: String,
    /// Whether every head is applied, nothing applied is half undone, and no row is unknown.
    pub at_heads: bool,
    /// Whether it is at the heads, and no repeatable file is to be run: an upgrade would do nothing.
    pub up_to_date: bool,
    /// The revisions that it is at.
    pub current: Vec<String>,
    /// All applied revisions, in load order.
    pub applied: Vec<String>,
    /// Applied revisions whose files are not what the history says.
    pub changed: Vec<String>,
    /// What is not applied, parents first.
    pub pending: Vec<Pending>,
    /// Repeatable files that are new or were changed, and are to be run.
    pub repeatables: Vec<String>,
    /// The heads of the files.
    pub heads: Vec<String>,
    /// Rows of the version table that no file defines.
    pub unknown: Vec<String>,
    /// Revisions that stopped partway; while a run is under way, what is partial may only be on its way.
    pub partial: Vec<String>,
    /// Who has the lock while a run is under way, in words.
    pub running: Option<String>,
    /// What a person would have been warned of, in words.
    pub warnings: Vec<String>,
}

/// A revision that is not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pending {
    /// Its id.
    pub revision: String,
    /// What it is for.
    pub message: String,
    /// Its file.
    pub file: String,
}

/// Upgrades the database to `target`: `head`, `heads`, an id, `+1`.
///
/// # Errors
/// As `aludel upgrade`; steps that finished before stay applied.
pub fn upgrade(context: &Context, target: &str, consent: Consent) -> Result<Report> {
    travel(context, Direction::Upgrade, target, consent)
}

/// Undoes revisions down to `target`: `-1`, an id, `base`.
///
/// # Errors
/// As `aludel downgrade`; steps that finished before stay undone.
pub fn downgrade(context: &Context, target: &str, consent: Consent) -> Result<Report> {
    travel(context, Direction::Downgrade, target, consent)
}

/// Records that the database is at `targets`, without running anything.
///
/// # Errors
/// As `aludel stamp`.
pub fn stamp(context: &Context, targets: &[&str], consent: Consent) -> Result<Report> {
    let target = |text: &&str| parse_target(text).map_err(|problem| refused(text, &problem));
    let targets: Vec<Target> = targets.iter().map(target).collect::<Result<_>>()?;
    reported(context, |context| stamp::stamp(context, &targets, false, None, consent))
}

/// Where the database stands.
///
/// # Errors
/// As `aludel status`.
pub fn status(context: &Context) -> Result<Status> {
    let (look, tally) = tallied(context, Look::take)?;
    let graph = &look.workspace.graph;
    let pending = |node: &crate::model::graph::Node| Pending {
        revision: graph.id(*node).to_string(),
        message: graph.revision(*node).message.clone(),
        file: look.workspace.path(*node).into_owned(),
    };
    let applied: Vec<_> = graph.nodes().filter(|node| look.applied.contains(*node)).collect();
    Ok(Status {
        database: look.standing.place.clone(),
        at_heads: look.at_heads,
        up_to_date: look.is_up_to_date(),
        current: look.workspace.ids(&look.current),
        applied: look.workspace.ids(&applied),
        pending: look.pending.iter().map(pending).collect(),
        repeatables: look.unrun(),
        heads: look.workspace.ids(&graph.heads()),
        unknown: look.unknown.clone(),
        changed: look.changed.iter().map(|changed| graph.id(changed.node).to_string()).collect(),
        running: look.holder.as_ref().map(ToString::to_string),
        warnings: warnings(&tally, context),
        partial: look.partial().iter().map(|progress| progress.revision.clone()).collect(),
    })
}

/// Reads the settings, and nothing else.
///
/// # Errors
/// They are not there, or something in them has no meaning.
pub fn check(context: &Context) -> Result<()> {
    load_config(context).map(drop)
}

fn travel(context: &Context, direction: Direction, target: &str, consent: Consent) -> Result<Report> {
    let route = parse_route(target).map_err(|problem| refused(target, &problem))?;
    let request = Request {
        direction,
        route,
        sql: false,
        from: None,
        lock_wait: None,
        wish: Wish::Safe,
        consent,
        metrics: MetricsFile::default(),
    };
    reported(context, |context| run::move_along(context, request))
}

/// Does something, and keeps what is told meanwhile.
fn tallied<T>(context: &Context, act: impl FnOnce(&Context) -> Result<T>) -> Result<(T, Tally)> {
    let tally = Tally::default();
    let done = act(&context.telling(&tally))?;
    Ok((done, tally))
}

fn reported(context: &Context, act: impl FnOnce(&Context) -> Result<Outcome>) -> Result<Report> {
    let (Outcome { rows_before, rows_after }, tally) = tallied(context, act)?;
    Ok(Report { steps: tally.take(), before: rows_before, current: rows_after, warnings: warnings(&tally, context) })
}

/// What was warned of, without secrets.
pub(super) fn warnings(tally: &Tally, context: &Context) -> Vec<String> {
    tally.take_warnings().into_iter().map(|warning| context.ui.covered(warning)).collect()
}

fn refused(text: &str, problem: &str) -> Error {
    Error::usage(format!("`{text}` is no target: {problem}"))
}
