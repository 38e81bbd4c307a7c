//! `aludel current`

use clap::Args;
use serde::Serialize;

use super::Context;
use super::repeatable;
use super::resume::Journal;
use super::view::{PartialView, RevisionView, View};
use super::workspace::Workspace;
use crate::error::{Error, Kind, Result};
use crate::model::plan;
use crate::ui::counted;

/// Show the revisions that the database is at
#[derive(Debug, Args)]
pub struct Arguments {
    /// Exit with code 3 unless the database is at every head and no repeatable file is to be run
    #[arg(long)]
    check_heads: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    database: String,
    at_heads: bool,
    up_to_date: bool,
    rows: &'a [String],
    current: Vec<RevisionView<'a>>,
    partial: Vec<PartialView<'a>>,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let workspace = Workspace::open(context)?;
    let standing = workspace.standing(context)?;
    let applied = workspace.applied(&standing.rows)?;
    let current = plan::current(&workspace.graph, &applied);
    let missing = plan::missing_heads(&workspace.graph, &applied);
    let journal = Journal { rows: &standing.progress, applied: &applied };
    let half_undone = journal.half_undone(&workspace.graph, Kind::Check);
    let at_heads = missing.is_empty() && half_undone.is_empty();
    let states = workspace.repeatable_states(&applied, Some(&standing), false)?;
    let unrun = repeatable::ids(&workspace, &states);
    let up_to_date = at_heads && unrun.is_empty();
    if arguments.json {
        let current = View::new(&workspace, Some(&current)).list(current.iter().copied());
        let partial = journal.open(&workspace.graph).map(PartialView::from).collect();
        let (database, rows) = (standing.place.clone(), standing.rows.as_slice());
        context.ui.json(&Report { database, at_heads, up_to_date, rows, current, partial });
    } else {
        if current.is_empty() {
            context.ui.status("nothing is applied");
        }
        // Every line is of a current one: none is marked.
        let view = View::new(&workspace, None);
        if context.ui.is_verbose() {
            context.ui.line(format_args!("Current revision(s) for {}:", standing.place));
        }
        for node in current {
            context.ui.line(if context.ui.is_verbose() { view.block(node) } else { view.short(node) });
        }
    }
    if !arguments.check_heads {
        return Ok(());
    }
    let missing: Vec<&str> = missing.iter().map(|node| workspace.graph.id(*node).as_str()).collect();
    let behind = (!missing.is_empty()).then(|| {
        let title = format!("the database is not at every head: {} not applied", missing.join(", "));
        Error::new(Kind::Check, title).hint("aludel upgrade heads")
    });
    // What waits for a head runs with it.
    let due = (behind.is_none() && !unrun.is_empty()).then(|| {
        let title = format!("{} to be run: {}", counted(unrun.len(), "repeatable file"), unrun.join(", "));
        Error::new(Kind::Check, title).hint("aludel upgrade heads")
    });
    Error::all(half_undone.into_iter().chain(behind).chain(due)).map_or(Ok(()), Err)
}
