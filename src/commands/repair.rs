//! `aludel repair`

use std::time::Duration;

use clap::Args;

use super::Context;
use super::run::repair;
use super::workspace::{parse_target, parse_wait};
use crate::error::Result;
use crate::model::target::Target;

/// Accept the files of applied revisions that were changed since
///
/// Nothing is run, and the database stays as it is: the history takes the new text for the revision's own, and says who
/// accepted it and when. `aludel status` lists the changed files.
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
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    repair(context, &arguments.revisions, arguments.lock_wait)
}
