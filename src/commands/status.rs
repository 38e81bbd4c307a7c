//! `aludel status`

use clap::Args;
use serde::Serialize;
use std::borrow::Cow;

use super::Context;
use super::changed::{self, ChangedView};
use super::resume::Journal;
use super::view::{PartialView, RevisionView, View};
use super::workspace::{Database, Workspace};
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::explain;
use crate::model::applied::Applied;
use crate::model::graph::Node;
use crate::model::journal::Progress;
use crate::model::plan;
use crate::model::repeatable::{State, Why};
use crate::project::Wanted;

/// Show where the database stands: applied, pending, unknown rows, heads
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    database: &'a str,
    version_table: bool,
    at_heads: bool,
    current: Vec<RevisionView<'a>>,
    unknown: &'a [String],
    applied: Vec<&'a str>,
    changed: Vec<ChangedView<'a>>,
    pending: Vec<RevisionView<'a>>,
    heads: Vec<RevisionView<'a>>,
    partial: Vec<PartialView<'a>>,
    running: Option<String>,
    repeatables: Vec<RepeatableView<'a>>,
}

/// A repeatable file as JSON.
#[derive(Serialize)]
struct RepeatableView<'a> {
    repeatable: &'a str,
    message: &'a str,
    file: Cow<'a, str>,
    state: &'static str,
    waits_for: Vec<&'a str>,
}

impl<'a> RepeatableView<'a> {
    fn new(workspace: &'a Workspace, index: usize, state: &State) -> Self {
        let repeatable = workspace.repeatables.get(index);
        let waits_for = match state {
            State::Waiting(nodes) => nodes.iter().map(|node| workspace.graph.revision(*node).id.as_str()).collect(),
            State::Current | State::Due(_) => Vec::new(),
        };
        Self {
            repeatable: repeatable.id.as_str(),
            message: &repeatable.message,
            file: workspace.repeatable_path(index),
            state: match state {
                State::Current => "current",
                State::Waiting(_) => "waiting",
                State::Due(Why::New) => "new",
                State::Due(Why::Changed) => "changed",
                State::Due(Why::Undone) => "undone",
                State::Due(Why::Needs(_)) => "needs",
            },
            waits_for,
        }
    }
}

/// So many pending revisions fit a screen; `plan` and `--json` show them all.
const SHOWN: usize = 20;

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let wanted = |config: &Config| Wanted { bodies: false, ..changed::wanted(config) };
    let (workspace, Database { mut session, server }) = Workspace::open_connected(context, wanted)?;
    let graph = &workspace.graph;
    // Asked first: a run that ends meanwhile has ended what it had begun.
    let holder = session.holder();
    let standing = session.standing()?;
    let holder = if holder.is_none() && !standing.progress.is_empty() { session.holder() } else { holder };
    let alembics = !standing.version_table && !arguments.json && session.has_alembic_rows();
    let (known, unknown): (Vec<String>, Vec<String>) =
        standing.rows.iter().cloned().partition(|row| graph.find(row).is_some());
    let applied = workspace.applied(&known)?;
    // It reports, whatever the configuration would have refused.
    let changed = changed::or_warn(changed::find(&workspace, &applied, &mut session), false, context)?;
    drop(session);
    drop(server);
    let current = plan::current(graph, &applied);
    let journal = Journal { rows: &standing.progress, applied: &applied };
    // Behind a row that no file defines, more may be applied than is known.
    let partial: Vec<&Progress> =
        if unknown.is_empty() { journal.open(graph).collect() } else { standing.progress.iter().collect() };
    let half_undone = journal.half_undone(graph, Kind::Check);
    let at_heads = unknown.is_empty() && half_undone.is_empty() && plan::missing_heads(graph, &applied).is_empty();
    let pending = pending(&workspace, &applied);
    let states = workspace.repeatable_states(&applied, Some(&standing), false)?;
    let view = View::new(&workspace, Some(&current));
    if arguments.json {
        let is_applied = |node: &Node| applied.contains(*node);
        context.ui.json(&Report {
            database: &standing.place,
            version_table: standing.version_table,
            at_heads,
            current: view.list(current.iter().copied()),
            unknown: &unknown,
            applied: graph.nodes().filter(is_applied).map(|node| graph.revision(node).id.as_str()).collect(),
            changed: changed.iter().map(|changed| changed.view(&workspace)).collect(),
            pending: view.list(pending.iter().copied()),
            heads: view.list(graph.heads()),
            partial: partial.iter().copied().map(PartialView::from).collect(),
            running: holder.map(|holder| holder.to_string()),
            repeatables: workspace
                .repeatables
                .order()
                .iter()
                .map(|index| RepeatableView::new(&workspace, *index, &states[*index]))
                .collect(),
        });
        return Ok(());
    }
    let ui = context.ui;
    ui.line(format_args!("database  {}", standing.place));
    let total = graph.len();
    let applied_count = total - pending.len();
    let at = current.iter().map(|node| graph.revision(*node).id.as_str()).collect::<Vec<_>>().join(", ");
    match (standing.version_table, at.is_empty()) {
        (false, _) => ui.line("current   nothing: there is no version table yet"),
        (true, true) if !unknown.is_empty() => ui.line("current   no revision that a file defines"),
        (true, true) => ui.line("current   nothing is applied"),
        (true, false) => ui.line(format_args!("current   {at}")),
    }
    if !unknown.is_empty() {
        ui.line(format_args!("unknown   {}: no file defines it", unknown.join(", ")));
    }
    if !unknown.is_empty() {
        ui.line(format_args!("applied   unknown: at least {applied_count} of {total}"));
    } else {
        ui.line(format_args!("applied   {applied_count} of {total}"));
    }
    for (index, line) in changed::lines(&changed, &workspace).iter().enumerate() {
        ui.line(format_args!("{}{line}", if index == 0 { "changed   " } else { "          " }));
    }
    let heads: Vec<String> = graph.heads().into_iter().map(|head| view.short(head)).collect();
    for (index, head) in heads.iter().enumerate() {
        ui.line(format_args!("{}{head}", if index == 0 { "heads     " } else { "          " }));
    }
    if !unknown.is_empty() {
        ui.line(format_args!("pending   unknown: at most {}", pending.len()));
    } else {
        ui.line(format_args!("pending   {}", pending.len()));
    }
    for node in pending.iter().take(SHOWN) {
        ui.line(format_args!("          {}", view.graph_line(*node)));
    }
    if pending.len() > SHOWN {
        ui.line(format_args!("          and {} more", pending.len() - SHOWN));
    }
    let unrun = unrun(&workspace, &states);
    if !states.is_empty() {
        ui.line(format_args!("repeat    {} of {}", unrun.len(), states.len()));
    }
    for line in unrun.iter().take(SHOWN) {
        ui.line(format_args!("          {line}"));
    }
    if unrun.len() > SHOWN {
        ui.line(format_args!("          and {} more", unrun.len() - SHOWN));
    }
    for progress in &partial {
        match &holder {
            None => ui.line(format_args!("partial   {}", explain::unfinished(progress))),
            Some(_) => ui.line(format_args!("partial   {}", explain::under_way(progress))),
        }
    }
    if let Some(holder) = &holder {
        ui.line(format_args!("running   {holder}"));
        return Ok(());
    }
    if !changed.is_empty() {
        ui.hint(changed::hint(&changed, &workspace));
    }
    if !unknown.is_empty() {
        ui.hint("a row that no file defines comes from another branch or a newer version: get its file");
        ui.hint("or, where you know which revision the database is really at: aludel stamp --purge REVISION");
    } else if alembics {
        ui.hint("Alembic has migrated this database: to carry on from there, write `version_table = alembic_version`");
    } else if !half_undone.is_empty() {
        half_undone.iter().flat_map(Error::hints).for_each(|hint| ui.hint(hint));
    } else if !pending.is_empty() || states.iter().any(State::is_due) {
        ui.hint(if heads.len() > 1 { "aludel upgrade heads" } else { "aludel upgrade head" });
    }
    Ok(())
}

/// A line for each repeatable file that is to be run, now or later, in order.
fn unrun(workspace: &Workspace, states: &[State]) -> Vec<String> {
    let repeatables = &workspace.repeatables;
    let line = |index: &usize| {
        let repeatable = repeatables.get(*index);
        let message = if repeatable.message.is_empty() { String::new() } else { format!(", {}", repeatable.message) };
        let why = match &states[*index] {
            State::Current => return None,
            State::Due(Why::New) => "new".to_owned(),
            State::Due(Why::Changed) => "changed".to_owned(),
            State::Due(Why::Undone) => "a revision was undone since".to_owned(),
            State::Due(Why::Needs(other)) => format!("{} runs", repeatables.get(*other).id),
            State::Waiting(nodes) if nodes.is_empty() => "waits for what it depends on".to_owned(),
            State::Waiting(nodes) => format!("waits for {}", workspace.ids(nodes).join(", ")),
        };
        Some(format!("{}{message} ({why})", repeatable.id))
    };
    repeatables.order().iter().filter_map(line).collect()
}

/// What is not applied, parents first: the order in which `upgrade heads` would run it.
fn pending(workspace: &Workspace, applied: &Applied) -> Vec<Node> {
    let graph = &workspace.graph;
    graph.history().into_iter().rev().filter(|node| !applied.contains(*node)).collect()
}
