//! `aludel redo`

use std::time::Duration;

use clap::Args;

use super::Context;
use super::run::redo;
use super::workspace::parse_wait;
use crate::error::Result;

/// Undo the last revision and apply it again: for the one that is being written
///
/// With a number, the last so many. Where the database is at several revisions, use `downgrade` and `upgrade` with their targets.
#[derive(Debug, Args)]
pub struct Arguments {
    /// How many revisions
    #[arg(default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,

    /// How long to wait for another run to end: 30s, 5min, 0 [default: the configuration's `lock_wait`, or 5min]
    #[arg(long, value_name = "TIME", value_parser = parse_wait)]
    lock_wait: Option<Duration>,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    redo(context, arguments.count, arguments.lock_wait)
}
