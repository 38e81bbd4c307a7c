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
    let view = View::new(&workspace, &[]);
    let points = workspace.graph.branch_points();
    if arguments.json {
        context.ui.json(&view.branches(&points));
        return Ok(());
    }
    for (point, children) in points {
        let indent = workspace.graph.revision(point).id.as_str().chars().count();
        if context.ui.is_verbose() {
            context.ui.line(view.block(point));
        } else {
            context.ui.line(view.short(point));
        }
        for child in children {
            let message = if context.ui.is_verbose() {
                format!(", {}", workspace.graph.revision(child).message)
            } else {
                String::new()
            };
            context.ui.line(format_args!("{:indent$} -> {}{message}", "", view.short(child)));
        }
        context.ui.line("");
    }
    Ok(())
}
