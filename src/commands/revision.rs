//! `aludel revision`

use std::path::PathBuf;

use clap::Args;

use super::Context;
use super::create::{self, Wanted, WantedRepeatable};
use super::workspace::parse_target;
use crate::error::Result;
use crate::model::target::Target;

/// Write a new revision file, or a repeatable one
///
/// Without --head it follows the only head.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What it does, in a line; also makes the file's name
    #[arg(short, long, default_value = "", hide_default_value = true)]
    message: String,

    /// Its id, instead of one made up
    #[arg(long, value_name = "ID")]
    rev_id: Option<String>,

    /// What it follows: an id, LABEL@head, base, heads; may be given again for a merge
    #[arg(long, value_name = "REVISION", value_parser = parse_target)]
    head: Vec<Target>,

    /// Let it follow a revision that is no head: starts a branch
    #[arg(long)]
    splice: bool,

    /// A label for the branch that it starts; may be given again
    #[arg(long, value_name = "LABEL")]
    branch_label: Vec<String>,

    /// A revision that must be applied before it without being its parent; may be given again
    #[arg(long, value_name = "REVISION", value_parser = parse_target)]
    depends_on: Vec<Target>,

    /// Write a repeatable file with this id instead: a view, a function, run again whenever its file changes
    #[arg(long, value_name = "ID", conflicts_with_all = ["rev_id", "head", "splice", "branch_label"])]
    repeatable: Option<String>,

    /// The directory to write to, one of the version locations
    #[arg(long, value_name = "DIRECTORY")]
    version_path: Option<PathBuf>,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let Arguments { message, rev_id, head, splice, branch_label, depends_on, repeatable, version_path } = arguments;
    if let Some(id) = repeatable {
        return create::write_repeatable(context, WantedRepeatable { id, message, depends_on, version_path });
    }
    create::write(
        context,
        Wanted { message, rev_id, heads: head, splice, labels: branch_label, depends_on, version_path },
    )
}
