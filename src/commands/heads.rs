//! `aludel heads`

use clap::Args;

use super::Context;
use super::view::View;
use super::workspace::Workspace;
use crate::error::Result;

/// List the heads: revisions that no other names as its parent
#[derive(Debug, Args)]
pub struct Arguments {
    /// Leave out the heads that another revision depends on
    #[arg(long)]
    resolve_dependencies: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let workspace = Workspace::open(context)?;
    let graph = &workspace.graph;
    let heads = if arguments.resolve_dependencies { graph.real_heads() } else { graph.heads() };
    let view = View::new(&workspace, None);
    if arguments.json {
        context.ui.json(&view.list(heads));
    } else {
        if heads.is_empty() {
            workspace.say_empty(context);
        }
        for head in heads {
            let text = if context.ui.is_verbose() { view.block(head) } else { view.short(head) };
            context.ui.line(text);
        }
    }
    Ok(())
}
