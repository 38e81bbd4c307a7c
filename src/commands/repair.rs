//! `aludel repair`

use std::time::Duration;

use clap::Args;

use super::Context;
use super::changed::{self, Changed};
use super::confirm::{self, Asks, Consent, Shown};
use super::lower;
use super::run::{Run, Silent, spoken};
use super::workspace::{Workspace, parse_target, parse_wait};
use crate::config::Config;
use crate::database::session::{Session, Standing};
use crate::error::{Error, Result};
use crate::model::graph::Node;
use crate::model::plan::{self, Landing};
use crate::model::target::Target;
use crate::project::Wanted;

/// Accept the files of applied revisions that were changed since
///
/// Nothing is run, and the database stays as it is: the history takes the new
/// text for the revision's own, and says who accepted it and when. `aludel status`
/// lists the changed files.
///
///   aludel repair          accept all of them
///   aludel repair 002 003  accept these
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// The revisions: ids, labels [default: all that were changed]
    #[arg(value_parser = parse_target, value_name = "REVISION", allow_negative_numbers = true)]
    revisions: Vec<Target>,

    /// How long to wait for another run to end: 30s, 5min, 0 [default: the configuration's `lock_wait`, or 5min]
    #[arg(long, value_name = "TIME", value_parser = parse_wait)]
    lock_wait: Option<Duration>,

    #[command(flatten)]
    consent: Consent,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let Arguments { revisions: targets, lock_wait, consent } = arguments;
    let wanted = |_: &Config| Wanted { bodies: true, checksums: true };
    let (workspace, mut database) = Workspace::open_connected(context, wanted)?;
    let command = targets.iter().fold("aludel repair".to_owned(), |command, target| format!("{command} {target}"));
    let mut shown = None;
    if consent.is_asked(Asks::WhereConfigured, context, &workspace, &command)? {
        let standing = database.session.standing_to_change()?;
        let changed = changed_files(&workspace, &targets, &standing, &mut database.session)?.0;
        let lines: Vec<String> = changed.iter().map(|changed| changed.line(&workspace)).collect();
        if !lines.is_empty() {
            confirm::ask(context, &workspace, &mut database.session, &[("to accept", lines.clone())])?;
        }
        shown = Some((Shown::of(&standing, None), lines));
        // The first answer is used up, and may be old by now.
        database.session.ask_for_texts();
    }
    let (mut run, standing) = Run::begin(context, &workspace, database, lock_wait)?;
    let (changed, named) = changed_files(&workspace, &targets, &standing, run.locked.session())?;
    let is_shown = shown.is_some();
    if let Some((shown, lines)) = shown {
        shown.check_standing(&standing)?;
        if !changed.iter().map(|changed| changed.line(&workspace)).eq(lines) {
            return Err(confirm::differs("other files have changed since, or were accepted".to_owned()));
        }
    }
    if changed.is_empty() {
        let of = if named.is_empty() { String::new() } else { format!(" of {}", spoken(&workspace.ids(&named))) };
        context.ui.status(format_args!("nothing to do: no file{of} was changed after it was applied"));
        return Ok(());
    }
    let nodes: Vec<Node> = changed.iter().map(|changed| changed.node).collect();
    let prepared = lower::repair(&workspace, context, &nodes, &standing.rows, run.author())?;
    for (changed, (source, step)) in changed.iter().zip(prepared.sources()).filter(|_| is_shown) {
        let same = step.record.checksum.as_ref() == Some(&changed.checksum().to_string());
        if !same || !prepared.bodies.file(source).is_still_the_same()? {
            return Err(confirm::differs(format!("the file has changed since: {}", step.title)));
        }
    }
    run.locked.execute(&prepared.program, &prepared.bodies, &mut Silent)?;
    for line in changed.iter().map(|changed| changed.line(&workspace)) {
        context.ui.done("accepted", line);
    }
    Ok(())
}

/// The changed files among the revisions that are named, or among all; and those revisions.
fn changed_files(
    workspace: &Workspace,
    targets: &[Target],
    standing: &Standing,
    session: &mut Session,
) -> Result<(Vec<Changed>, Vec<Node>)> {
    let applied = workspace.applied(&standing.rows)?;
    let mut named = Vec::new();
    for target in targets {
        let landings =
            plan::find(&workspace.graph, Some(&applied), target).map_err(|error| workspace.explain(&error))?;
        named.extend(landings.into_iter().filter_map(Landing::revision));
    }
    if let Some(node) = named.iter().find(|node| !applied.contains(**node)) {
        let id = workspace.graph.id(*node);
        return Err(
            Error::failed(format!("{id} is not applied: its file may change as it likes")).note("nothing was accepted")
        );
    }
    let mut changed = changed::find(workspace, &applied, session)?;
    changed.retain(|changed| targets.is_empty() || named.contains(&changed.node));
    Ok((changed, named))
}
