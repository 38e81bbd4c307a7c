//! What a program may ask for where a person types a command: the same work, and values for answers.
//!
//! Nothing is printed here. What happens meanwhile is told to the listeners of the context.

use super::Context;
pub use super::confirm::Consent;
use super::event::{Done, Listeners, Tally};
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
pub struct Report {
    /// The steps that were carried out, in their order; none where there was nothing to do, and none for a stamp.
    pub steps: Vec<Done>,
    /// The revisions that the database was at; none for an empty one.
    pub before: Vec<String>,
    /// Those that it is at now.
    pub current: Vec<String>,
}

/// Where a database stands.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// What is not applied, parents first.
    pub pending: Vec<Pending>,
    /// Repeatable files that are new or were changed, and are to be run.
    pub repeatables: Vec<String>,
    /// The heads of the files.
    pub heads: Vec<String>,
    /// Rows of the version table that no file defines.
    pub unknown: Vec<String>,
    /// Revisions that stopped partway.
    pub partial: Vec<String>,
}

/// A revision that is not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    let Outcome { rows_before, rows_after } = stamp::stamp(context, &targets, false, None, consent)?;
    Ok(Report { steps: Vec::new(), before: rows_before, current: rows_after })
}

/// Where the database stands.
///
/// # Errors
/// As `aludel status`.
pub fn status(context: &Context) -> Result<Status> {
    let look = Look::take(context)?;
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
    let tally = Tally::default();
    let listeners = Listeners(vec![Box::new(&tally), Box::new(&context.listeners)]);
    let Context { ui, environment, global, credentials, watches_signals, .. } = *context;
    let Outcome { rows_before, rows_after } =
        run::move_along(&Context { ui, environment, global, credentials, listeners, watches_signals }, request)?;
    Ok(Report { steps: tally.take(), before: rows_before, current: rows_after })
}

fn refused(text: &str, problem: &str) -> Error {
    Error::usage(format!("`{text}` is no target: {problem}"))
}
