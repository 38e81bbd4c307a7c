//! `aludel status`

use clap::Args;
use serde::Serialize;

use super::Context;
use super::changed::{self, Changed, ChangedView};
use super::repeatable::{self, RepeatableView};
use super::resume::Journal;
use super::view::{PartialView, RevisionView, View};
use super::workspace::{Database, Workspace};
use crate::config::Config;
use crate::database::lock::Holder;
use crate::database::session::Standing;
use crate::error::{Error, Kind, Result};
use crate::explain;
use crate::model::applied::Applied;
use crate::model::graph::Node;
use crate::model::journal::Progress;
use crate::model::plan;
use crate::model::repeatable::State;
use crate::project::Wanted;

/// Show where the database stands: applied, pending, unknown rows, heads
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
pub(super) struct Report<'a> {
    database: &'a str,
    version_table: bool,
    at_heads: bool,
    up_to_date: bool,
    current: Vec<RevisionView<'a>>,
    unknown: &'a [String],
    applied: Vec<&'a str>,
    changed: Vec<ChangedView<'a>>,
    pending: Vec<RevisionView<'a>>,
    heads: Vec<RevisionView<'a>>,
    partial: Vec<PartialView<'a>>,
    running: Option<String>,
    repeatables: Vec<RepeatableView<'a>>,
    repeatables_gone: Vec<&'a str>,
}

/// So many pending revisions fit a screen; `plan` and `--json` show them all.
const SHOWN: usize = 20;

/// Where a database stands, looked at once.
pub(super) struct Look {
    pub(super) workspace: Workspace,
    pub(super) standing: Standing,
    /// Rows that no file defines.
    pub(super) unknown: Vec<String>,
    pub(super) applied: Applied,
    pub(super) current: Vec<Node>,
    /// What is not applied, parents first.
    pub(super) pending: Vec<Node>,
    pub(super) at_heads: bool,
    pub(super) changed: Vec<Changed>,
    pub(super) holder: Option<Holder>,
    /// Whether Alembic's table is there, and not the tool's.
    alembics: bool,
    half_undone: Vec<Error>,
    /// Of the repeatable files, in load order.
    states: Vec<State>,
}

impl Look {
    pub(super) fn take(context: &Context) -> Result<Self> {
        let wanted = |config: &Config| Wanted { bodies: false, ..changed::wanted(config) };
        let (workspace, Database { mut session, server }) = Workspace::open_connected(context, wanted)?;
        let graph = &workspace.graph;
        // Asked first: a run that ends meanwhile has ended what it had begun.
        let holder = session.holder();
        let standing = session.standing()?;
        let holder = if holder.is_none() && !standing.progress.is_empty() { session.holder() } else { holder };
        let alembics = !standing.version_table && session.has_alembic_rows();
        let (known, unknown): (Vec<String>, Vec<String>) =
            standing.rows.iter().cloned().partition(|row| graph.find(row).is_some());
        let applied = workspace.applied(&known)?;
        // It reports, whatever the configuration would have refused.
        let changed = changed::or_warn(changed::find(&workspace, &applied, &mut session), false, context)?;
        drop(session);
        drop(server);
        let current = plan::current(graph, &applied);
        let half_undone = Journal { rows: &standing.progress, applied: &applied }.half_undone(graph, Kind::Check);
        let at_heads = unknown.is_empty() && half_undone.is_empty() && plan::missing_heads(graph, &applied).is_empty();
        let pending = pending(&workspace, &applied);
        let states = workspace.repeatable_states(&applied, Some(&standing), false)?;
        Ok(Self {
            workspace,
            standing,
            unknown,
            applied,
            current,
            pending,
            at_heads,
            changed,
            holder,
            alembics,
            half_undone,
            states,
        })
    }

    /// What stopped partway.
    pub(super) fn partial(&self) -> Vec<&Progress> {
        // Behind a row that no file defines, more may be applied than is known.
        if !self.unknown.is_empty() {
            return self.standing.progress.iter().collect();
        }
        Journal { rows: &self.standing.progress, applied: &self.applied }.open(&self.workspace.graph).collect()
    }

    /// The repeatable files that are to be run, now or later, in their order.
    pub(super) fn unrun(&self) -> Vec<String> {
        repeatable::ids(&self.workspace, &self.states)
    }

    /// Repeatable files that are gone, and that nothing has run since; known only while there are others.
    fn gone(&self) -> Vec<&str> {
        self.workspace.repeatables.gone(&self.standing.repeated)
    }

    /// Whether it is at the heads and nothing is to be run.
    pub(super) fn is_up_to_date(&self) -> bool {
        self.at_heads && self.states.iter().all(|state| *state == State::Current)
    }

    pub(super) fn report(&self) -> Report<'_> {
        let (graph, view) = (&self.workspace.graph, View::new(&self.workspace, Some(&self.current)));
        let is_applied = |node: &Node| self.applied.contains(*node);
        let repeatables = &self.workspace.repeatables;
        let repeatable = |index: &usize| RepeatableView::new(&self.workspace, *index, &self.states[*index]);
        Report {
            database: &self.standing.place,
            version_table: self.standing.version_table,
            at_heads: self.at_heads,
            up_to_date: self.is_up_to_date(),
            current: view.list(self.current.iter().copied()),
            unknown: &self.unknown,
            applied: graph.nodes().filter(is_applied).map(|node| graph.revision(node).id.as_str()).collect(),
            changed: self.changed.iter().map(|changed| changed.view(&self.workspace)).collect(),
            pending: view.list(self.pending.iter().copied()),
            heads: view.list(graph.heads()),
            partial: self.partial().into_iter().map(PartialView::from).collect(),
            running: self.holder.as_ref().map(Holder::to_string),
            repeatables: repeatables.order().iter().map(repeatable).collect(),
            repeatables_gone: self.gone(),
        }
    }
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let look = Look::take(context)?;
    if arguments.json {
        context.ui.json(&look.report());
    } else {
        show(&look, context);
    }
    Ok(())
}

fn show(look: &Look, context: &Context) {
    let Look { workspace, standing, unknown, current, pending, changed, holder, half_undone, .. } = look;
    let graph = &workspace.graph;
    let partial = look.partial();
    let view = View::new(workspace, Some(current));
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
    for (index, line) in changed::lines(changed, workspace).iter().enumerate() {
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
    let unrun = repeatable::unrun(workspace, &look.states);
    if !look.states.is_empty() {
        ui.line(format_args!("repeat    {} of {} to run", unrun.len(), look.states.len()));
    }
    for line in unrun.iter().take(SHOWN) {
        ui.line(format_args!("          {line}"));
    }
    if unrun.len() > SHOWN {
        ui.line(format_args!("          and {} more", unrun.len() - SHOWN));
    }
    for id in look.gone() {
        ui.line(format_args!("gone      {id}: no file makes it any more; it stays until a revision drops it"));
    }
    for progress in &partial {
        match holder {
            None => ui.line(format_args!("partial   {}", explain::unfinished(progress))),
            Some(_) => ui.line(format_args!("partial   {}", explain::under_way(progress))),
        }
    }
    if let Some(holder) = holder {
        ui.line(format_args!("running   {holder}"));
        return;
    }
    if !changed.is_empty() {
        ui.hint(changed::hint(changed, workspace));
    }
    if !unknown.is_empty() {
        ui.hint("a row that no file defines comes from another branch or a newer version: get its file");
        ui.hint("or, where you know which revision the database is really at: aludel stamp --purge REVISION");
    } else if look.alembics {
        ui.hint("Alembic has migrated this database: to carry on from there, write `version_table = alembic_version`");
    } else if !half_undone.is_empty() {
        half_undone.iter().flat_map(Error::hints).for_each(|hint| ui.hint(hint));
    } else if !pending.is_empty() || look.states.iter().any(State::is_due) {
        ui.hint(if heads.len() > 1 { "aludel upgrade heads" } else { "aludel upgrade head" });
    }
}

/// What is not applied, parents first: the order in which `upgrade heads` would run it.
fn pending(workspace: &Workspace, applied: &Applied) -> Vec<Node> {
    let graph = &workspace.graph;
    graph.history().into_iter().rev().filter(|node| !applied.contains(*node)).collect()
}
