//! `aludel show`

use clap::Args;

use super::Context;
use super::view::View;
use super::workspace::{Workspace, parse_target};
use crate::error::Result;
use crate::model::target::Target;

/// Show revisions in full: parents, labels, file, message
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which: an id, a label, head, heads, current, ID-N
    #[arg(value_parser = parse_target, allow_negative_numbers = true)]
    target: Target,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let workspace = Workspace::open(context)?;
    let nodes = workspace.find(context, &arguments.target)?;
    let view = View::new(&workspace, None);
    if arguments.json {
        context.ui.json(&view.list(nodes));
    } else {
        for node in nodes {
            context.ui.line(view.block(node));
        }
    }
    Ok(())
}
