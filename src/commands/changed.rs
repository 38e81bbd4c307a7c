//! Revision files that were changed after they were applied: found, told of, refused.
//!
//! What a database holds is what ran, and the file says something else: a new database will not be the same. Nothing is changed
//! here; `repair` accepts the new text.

use std::borrow::Cow;

use serde::Serialize;

use super::Context;
use super::workspace::Workspace;
use crate::config::{ChangedFiles, Config};
use crate::database::recorded::{Recorded, Text};
use crate::database::session::Session;
use crate::error::{Error, Kind, Result};
use crate::model::applied::Applied;
use crate::model::bookkeeping::Action;
use crate::model::graph::Node;
use crate::model::plan::{Direction, Plan};
use crate::model::sql::checksum::Checksum;
use crate::project::{Wanted, in_two_threads};
use crate::ui::counted;

/// With fewer files than this, a second thread costs more than it saves.
const FILES_FOR_TWO_THREADS: usize = 1000;

/// So many are told of one by one.
const SHOWN: usize = 10;

/// An applied revision whose file is not what the history says.
pub(super) struct Changed {
    pub(super) node: Node,
    /// Of the file as it is now.
    checksum: Checksum,
    recorded: Recorded,
}

/// One as JSON; the fields are documented in docs/json.md and only ever added to.
#[derive(Serialize)]
pub(super) struct ChangedView<'a> {
    revision: &'a str,
    file: Cow<'a, str>,
    checksum: String,
    recorded_as: &'a str,
    recorded_checksum: &'a str,
    recorded_at: String,
    recorded_by: &'a str,
    recorded_user: Option<&'a str>,
}

/// What a command that goes on to the bodies wants of the files, so that changed ones can be found if the configuration asks.
pub(super) fn wanted(config: &Config) -> Wanted {
    Wanted { bodies: true, checksums: config.settings.checksum.value != ChangedFiles::Off }
}

/// The applied revisions whose files were changed, in load order, as far as the history knows what they were. None where the
/// session was not told to ask.
///
/// # Errors
/// The history or a file cannot be read.
pub(super) fn find(workspace: &Workspace, applied: &Applied, session: &mut Session) -> Result<Vec<Changed>> {
    let graph = &workspace.graph;
    let texts = session.texts()?;
    let mut last: Vec<Option<Text>> = vec![None; graph.len()];
    for text in texts.iter() {
        let Some(node) = graph.find(text.revision).filter(|node| applied.contains(*node)) else { continue };
        let last = &mut last[node.index()];
        if last.is_none_or(|last| last.id < text.id) {
            *last = Some(text);
        }
    }
    let digits = |node: Node| Some((node, last[node.index()]?.digits?));
    let known: Vec<(Node, &str)> = graph.nodes().filter_map(digits).collect();
    let differing = in_two_threads(&known, FILES_FOR_TWO_THREADS, |known| {
        let differs = |(node, digits): &(Node, &str)| match workspace.files[node.index()].checksum() {
            Ok(checksum) => (!checksum.begins_with(digits)).then_some(Ok((*node, checksum))),
            Err(error) => Some(Err(error)),
        };
        known.iter().filter_map(differs).collect()
    });
    let differing = differing.into_iter().collect::<Result<Vec<(Node, Checksum)>>>()?;
    if differing.is_empty() {
        return Ok(Vec::new());
    }
    let revisions: Vec<&str> = differing.iter().map(|(node, _)| graph.id(*node).as_str()).collect();
    let mut recorded = session.recorded(&revisions)?;
    // Asked again, and perhaps under the lock by now: it may have been repaired, undone or redone in between.
    let changed = differing.into_iter().filter_map(|(node, checksum)| {
        let at = recorded.iter().position(|row| row.revision == graph.id(node).as_str())?;
        let recorded = recorded.swap_remove(at);
        (recorded.checksum != checksum.to_string()).then_some(Changed { node, checksum, recorded })
    });
    Ok(changed.collect())
}

/// Whether the configuration refuses to run anything over changed files.
pub(super) fn refuses(config: &Config) -> bool {
    config.settings.checksum.value == ChangedFiles::Error
}

/// What was found; where the history cannot be read, none and a warning: a check that was to be made is not left out in
/// silence.
///
/// # Errors
/// A signal came, or the history cannot be read and `strict` asks that it is.
pub(super) fn or_warn(found: Result<Vec<Changed>>, strict: bool, context: &Context) -> Result<Vec<Changed>> {
    match found {
        Err(error) if error.kind() == Kind::Failed && !strict => {
            let why = error.notes().into_iter().map(|note| format!(": {note}")).collect::<String>();
            context.warning(format_args!("{error}{why}"));
            error.hints().iter().for_each(|hint| context.ui.hint(hint));
            Ok(Vec::new())
        }
        found => found,
    }
}

/// Tells of changed files before a run goes up or down, or refuses it, as the configuration asks. On the way down only those
/// matter that are part of the plan: they are run as they are now.
///
/// # Errors
/// There are some, and `checksum = error`.
pub(super) fn tell(mut changed: Vec<Changed>, plan: &Plan, workspace: &Workspace, context: &Context) -> Result<()> {
    let down = plan.direction() == Direction::Downgrade;
    if down {
        changed.retain(|changed| plan.nodes().any(|node| node == changed.node));
    }
    if changed.is_empty() {
        return Ok(());
    }
    let setting = &workspace.config.settings.checksum;
    let mut title = title(&changed);
    if down {
        let (is, it) = match (refuses(&workspace.config), changed.len()) {
            (true, 1) => ("would be", "it is"),
            (true, _) => ("would be", "they are"),
            (false, 1) => ("is", "it is"),
            (false, _) => ("are", "they are"),
        };
        title.push_str(&format!(", and {is} run as {it} now"));
    }
    let changed = changed.as_slice();
    let hint = hint(changed, workspace);
    if refuses(&workspace.config) {
        let error = lines(changed, workspace).into_iter().fold(Error::failed(title), Error::note);
        return Err(error
            .note(format!("`checksum = error` ({}) refuses that; nothing was run", setting.origin))
            .hint(hint));
    }
    let mut text = title;
    for line in lines(changed, workspace) {
        text.push_str("\n  ");
        text.push_str(&line);
    }
    context.warning(text);
    context.ui.hint(hint);
    Ok(())
}

fn title(changed: &[Changed]) -> String {
    let (were, they) = if changed.len() == 1 { ("was", "it was") } else { ("were", "they were") };
    format!("{} {were} changed after {they} applied", counted(changed.len(), "file"))
}

/// What to do about them.
pub(super) fn hint(changed: &[Changed], workspace: &Workspace) -> String {
    let them = if changed.len() == 1 { "it" } else { "them" };
    let ids: Vec<&str> = changed.iter().map(|changed| workspace.graph.id(changed.node).as_str()).collect();
    let ids = if ids.len() > SHOWN { String::new() } else { format!(" {}", ids.join(" ")) };
    format!("put {them} back, or accept {them} as now written: aludel repair{ids}")
}

/// A line for each, up to a screenful.
pub(super) fn lines(changed: &[Changed], workspace: &Workspace) -> Vec<String> {
    let mut lines: Vec<String> = changed.iter().take(SHOWN).map(|changed| changed.line(workspace)).collect();
    if changed.len() > SHOWN {
        lines.push(format!("and {} more", changed.len() - SHOWN));
    }
    lines
}

/// The first digits of a checksum, as a person compares them.
fn short(checksum: &str) -> &str {
    checksum.get(..12).unwrap_or(checksum)
}

impl Changed {
    /// Of the file as it was read.
    pub(super) fn checksum(&self) -> Checksum {
        self.checksum
    }

    /// `002 (versions/002_orders.sql): applied 2026-11-21T09:12:03Z by app (ann) as 1f2e3d4c5b6a, now d41d8cd98f00`
    pub(super) fn line(&self, workspace: &Workspace) -> String {
        let recorded = &self.recorded;
        let done = if recorded.direction == Action::Repair.verb() { "accepted" } else { "applied" };
        let user = recorded.user.as_ref().map(|user| format!(" ({user})")).unwrap_or_default();
        format!(
            "{} ({}): {done} {} by {}{user} as {}, now {}",
            workspace.graph.id(self.node),
            workspace.path(self.node),
            recorded.at(),
            recorded.role,
            short(&recorded.checksum),
            short(&self.checksum.to_string()),
        )
    }

    /// The same as JSON.
    pub(super) fn view<'a>(&'a self, workspace: &'a Workspace) -> ChangedView<'a> {
        ChangedView {
            revision: workspace.graph.revision(self.node).id.as_str(),
            file: workspace.path(self.node),
            checksum: self.checksum.to_string(),
            recorded_as: &self.recorded.direction,
            recorded_checksum: &self.recorded.checksum,
            recorded_at: self.recorded.at(),
            recorded_by: &self.recorded.role,
            recorded_user: self.recorded.user.as_deref(),
        }
    }
}
