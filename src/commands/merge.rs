//! `aludel merge`

use clap::Args;

use super::Context;
use super::create::{self, Wanted};
use super::workspace::parse_target;
use crate::error::Result;
use crate::model::target::Target;

/// Write a revision that joins several heads
#[derive(Debug, Args)]
pub struct Arguments {
    /// What to join: ids, LABEL@head, or `heads` for all heads
    #[arg(required = true, value_parser = parse_target)]
    revisions: Vec<Target>,

    /// What it does, in a line; also makes the file's name
    #[arg(short, long, default_value = "", hide_default_value = true)]
    message: String,

    /// Its id, instead of one made up
    #[arg(long, value_name = "ID")]
    rev_id: Option<String>,

    /// Allow revisions that are no heads
    #[arg(long)]
    splice: bool,

    /// A label for it; may be given again
    #[arg(long, value_name = "LABEL")]
    branch_label: Vec<String>,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let Arguments { revisions, message, rev_id, splice, branch_label } = arguments;
    create::merge(
        context,
        Wanted {
            message,
            rev_id,
            heads: revisions,
            splice,
            labels: branch_label,
            depends_on: Vec::new(),
            version_path: None,
        },
    )
}
