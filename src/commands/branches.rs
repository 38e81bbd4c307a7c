//! `aludel branches`

use clap::Args;

use super::Context;
use super::view::View;
use super::workspace::Workspace;
use crate::error::Result;

/// List the branch points, each with the revisions that it branches into
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let workspace = Workspace::open(context)?;
    let view = View::new(&workspace, None);
    let points = workspace.graph.branch_points();
    if arguments.json {
        context.ui.json(&view.branches(&points));
        return Ok(());
    }
    if points.is_empty() {
        context.ui.status("no revision branches");
    }
    for (point, children) in points {
        if context.ui.is_verbose() {
            context.ui.line(view.branch_block(point, &children));
            continue;
        }
        let indent = workspace.graph.revision(point).id.as_str().chars().count();
        context.ui.line(view.short(point));
        for child in children {
            context.ui.line(format_args!("{:indent$} -> {}", "", view.short(child)));
        }
    }
    Ok(())
}
