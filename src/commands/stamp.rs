//! `aludel stamp`

use std::time::Duration;

use clap::Args;

use super::Context;
use super::run::{self, StampRequest};
use super::workspace::{Start, parse_route, parse_start, parse_wait};
use crate::error::Result;
use crate::model::range::Route;

/// Record which revisions a database is at, without running them
///
/// For a database that was built by hand, by another tool, or restored: the rows
/// of the version table are set, and nothing else is touched. The table is made
/// where it is missing.
///
///   aludel stamp 002          it is at 002; rows of other branches stay
///   aludel stamp 003 004      it is at both
///   aludel stamp --purge 002  it is at 002 and nothing else, whatever the rows say, unknown ones too
///   aludel stamp base         it is at nothing
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// The revisions: ids, labels, head, heads, base
    #[arg(value_parser = parse_route, required = true, allow_negative_numbers = true)]
    targets: Vec<Route>,

    /// Empty the version table first: the way out of a row that no file defines
    #[arg(long)]
    purge: bool,

    /// Print the SQL instead
    #[arg(long)]
    sql: bool,

    /// With --sql: the revisions the database is at now
    #[arg(long, value_name = "ID,ID", value_parser = parse_start, requires = "sql")]
    from: Option<Start>,

    /// How long to wait for another run to end: 30s, 5min, 0 [default: the configuration's `lock_wait`, or 5min]
    #[arg(long, value_name = "TIME", value_parser = parse_wait)]
    lock_wait: Option<Duration>,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let Arguments { targets, purge, sql, from, lock_wait } = arguments;
    run::stamp(context, StampRequest { targets, purge, sql, from: from.map(|start| start.0), lock_wait })
}
