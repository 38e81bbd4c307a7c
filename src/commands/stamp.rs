//! `aludel stamp`

use std::time::Duration;

use clap::Args;

use super::Context;
use super::confirm::{self, Asks, Consent, Shown};
use super::lower;
use super::paper::{author_of_a_script, start_of};
use super::run::{Outcome, Run, Silent, author, range_needs_sql, spoken};
use super::workspace::{Start, Workspace, connect, parse_route, parse_start, parse_wait};
use crate::database::session::Standing;
use crate::error::Result;
use crate::explain;
use crate::model::applied::Applied;
use crate::model::bookkeeping::{Clears, Expected};
use crate::model::graph::Node;
use crate::model::journal::Progress;
use crate::model::plan::{self, PlanError, Purge, Stamp};
use crate::model::range::Route;
use crate::model::target::Target;
use crate::offline;

/// Record which revisions a database is at, without running them
///
/// For a database that was built by hand, by another tool, or restored: the rows
/// of the version table are set, and nothing else is touched. The table is made
/// where it is missing.
///
///   aludel stamp 002          it is at 002; rows of other branches stay
///   aludel stamp 003 004      it is at both
///   aludel stamp --purge 002  it is at 002 and nothing else, whatever the rows say, unknown ones too
///   aludel stamp base         it is at nothing
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// The revisions: ids, labels, head, heads, base
    #[arg(value_parser = parse_route, required = true, allow_negative_numbers = true)]
    targets: Vec<Route>,

    /// Empty the version table first: the way out of a row that no file defines
    #[arg(long)]
    purge: bool,

    /// Print the SQL instead
    #[arg(long)]
    sql: bool,

    /// With --sql: the revisions the database is at now
    #[arg(long, value_name = "ID,ID", value_parser = parse_start, requires = "sql")]
    from: Option<Start>,

    /// How long to wait for another run to end: 30s, 5min, 0 [default: the configuration's `lock_wait`, or 5min]
    #[arg(long, value_name = "TIME", value_parser = parse_wait)]
    lock_wait: Option<Duration>,

    #[command(flatten)]
    consent: Consent,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let Arguments { targets: routes, purge, sql, from, lock_wait, consent } = arguments;
    let targets: Vec<Target> = routes.iter().map(|route| route.to.clone()).collect();
    if sql {
        let from = from.map(|start| start.0);
        let workspace = open(context, &targets)?;
        let explain = |error: PlanError| workspace.explain(&error);
        let emptied = emptied(purge);
        let start = start_of(&workspace, &from, routes.iter().find_map(|route| route.from.as_ref()))?;
        let rows = start.map_or_else(Vec::new, |start| workspace.ids(start.rows()));
        let stamp = plan::stamp(&workspace.graph, &rows, &targets, emptied).map_err(explain)?;
        let expected = if purge { Expected::Anything } else { Expected::Rows(rows) };
        let prepared = lower::stamp(
            &workspace,
            &stamp,
            expected,
            purge,
            decided(&workspace, &stamp),
            author_of_a_script(&workspace.config),
        )?;
        let heading = format!("stamp {}", spoken(&workspace.ids(&stamp.rows)));
        return offline::write(&prepared.program, &prepared.bodies, &heading, (&[], &[]), context.ui);
    }
    if let Some(route) = routes.iter().find(|route| route.from.is_some()) {
        return Err(range_needs_sql(route));
    }
    stamp(context, &targets, purge, lock_wait, consent).map(drop)
}

/// The project, unless of `targets` one is below another: of `stamp 001 002` Alembic keeps the one that the database was not at;
/// which one is meant cannot be known.
fn open(context: &Context, targets: &[Target]) -> Result<Workspace> {
    let workspace = Workspace::open(context)?;
    let start = plan::start(&workspace.graph, targets).map_err(|error| workspace.explain(&error))?;
    match start.overlap(&workspace.graph) {
        Some(overlap) => Err(workspace.explain(&PlanError::OverlappingTargets(overlap)).note("nothing was changed")),
        None => Ok(workspace),
    }
}

fn emptied(purge: bool) -> Purge {
    if purge { Purge::Yes } else { Purge::No }
}

/// Stamps the database.
pub(super) fn stamp(
    context: &Context,
    targets: &[Target],
    purge: bool,
    lock_wait: Option<Duration>,
    consent: Consent,
) -> Result<Outcome> {
    let workspace = open(context, targets)?;
    let plan = |standing: &Standing| {
        plan::stamp(&workspace.graph, &standing.rows, targets, emptied(purge))
            .map_err(|error| workspace.explain(&error))
    };
    let asks = if purge { Asks::AtATerminal } else { Asks::WhereConfigured };
    let command = targets.iter().fold("aludel stamp".to_owned(), |command, target| format!("{command} {target}"));
    let command = if purge { command + " --purge" } else { command };
    let is_asked = consent.is_asked(asks, context, &workspace, &command)?;
    let mut database = connect(&workspace.config, context)?;
    let mut shown = None;
    if is_asked {
        let standing = database.session.standing_to_change()?;
        let stamp = plan(&standing)?;
        if !is_done(&stamp, &standing) || standing.progress.iter().any(|row| ends(&workspace, &stamp, purge, row)) {
            let mut lines = vec![format!("from {} to {}", spoken(&standing.rows), spoken(&workspace.ids(&stamp.rows)))];
            lines.extend(forgotten(&workspace, &standing, &stamp)?);
            let (expected, author) = (Expected::Rows(standing.rows.clone()), author(context, &workspace));
            let prepared = lower::stamp(&workspace, &stamp, expected, purge, Clears::Nothing, author)?;
            lower::check_widths(&prepared.program, &standing)?;
            confirm::ask(context, &workspace, &mut database.session, &[("to be stamped", lines)])?;
        }
        shown = Some(Shown::of(&standing, None));
    }
    let (mut run, standing) = Run::begin(context, &workspace, database, lock_wait)?;
    if let Some(shown) = shown {
        shown.check_standing(&standing)?;
    }
    let stamp = plan(&standing)?;
    let outcome = Outcome { rows_before: standing.rows.clone(), rows_after: workspace.ids(&stamp.rows) };
    let (decided, beside): (Vec<&Progress>, Vec<&Progress>) =
        standing.progress.iter().partition(|progress| ends(&workspace, &stamp, purge, progress));
    beside.iter().for_each(|progress| context.ui.status(explain::unfinished(progress)));
    if is_done(&stamp, &standing) && decided.is_empty() {
        context.ui.status(format_args!("nothing to do: the database is stamped {} already", spoken(&standing.rows)));
        return Ok(outcome);
    }
    record(&mut run, &standing, &stamp, purge, &decided)?;
    Ok(outcome)
}

/// Whether a stamp changes no row.
fn is_done(stamp: &Stamp, standing: &Standing) -> bool {
    stamp.delete.is_empty() && stamp.insert.is_empty() && standing.version_table
}

/// Whether a stamp ends what stopped partway.
fn ends(workspace: &Workspace, stamp: &Stamp, purge: bool, progress: &Progress) -> bool {
    purge || workspace.graph.find(&progress.revision).is_some_and(|node| stamp.decides.contains(node))
}

/// What of the journal goes with a stamp on paper, where nobody knows what is in it.
fn decided(workspace: &Workspace, stamp: &Stamp) -> Clears {
    if stamp.decides.len() == workspace.graph.len() {
        return Clears::All;
    }
    Clears::These(workspace.ids(&stamp.decides.iter().collect::<Vec<Node>>()))
}

/// Stamps the database, which ends what `decided` says stopped partway.
fn record(run: &mut Run, standing: &Standing, stamp: &Stamp, purge: bool, decided: &[&Progress]) -> Result<()> {
    let expected = Expected::Rows(standing.rows.clone());
    let clears = match decided {
        [] => Clears::Nothing,
        _ if purge => Clears::All,
        _ => Clears::These(decided.iter().map(|progress| progress.revision.clone()).collect()),
    };
    let prepared = lower::stamp(run.workspace, stamp, expected, purge, clears, run.author())?;
    lower::check_widths(&prepared.program, standing)?;
    decided.iter().for_each(|progress| run.context.ui.status(explain::ended_by_stamp(progress)));
    run.locked.create_tables(standing, false)?;
    run.locked.execute(&prepared.program, &prepared.bodies, &mut Silent)?;
    let (before, after) = (spoken(&standing.rows), spoken(&run.workspace.ids(&stamp.rows)));
    run.context.ui.done("stamped", format_args!("{after} (it was {before}); nothing was run"));
    forgotten(run.workspace, standing, stamp)?.iter().for_each(|line| run.context.ui.status(line));
    Ok(())
}

/// What a stamp forgets, in words. Of a merge's two sides, a stamp at one forgets the other; `upgrade` would run it again.
fn forgotten(workspace: &Workspace, standing: &Standing, stamp: &Stamp) -> Result<Option<String>> {
    let graph = &workspace.graph;
    let known = standing.rows.iter().filter(|row| graph.find(row).is_some());
    let (before, after) = (
        workspace.applied(&known.cloned().collect::<Vec<_>>())?,
        Applied::from_nodes(graph, stamp.rows.iter().copied()),
    );
    let forgotten: Vec<Node> = graph.nodes().filter(|node| before.contains(*node) && !after.contains(*node)).collect();
    Ok(match forgotten.len() {
        0 => None,
        1..=8 => Some(format!("no longer taken for applied: {}", workspace.ids(&forgotten).join(", "))),
        many => Some(format!("no longer taken for applied: {many} revisions")),
    })
}
