//! `aludel upgrade`

use std::time::Duration;

use clap::Args;

use super::Context;
use super::confirm::Consent;
use super::metrics::MetricsFile;
use super::resume::Resume;
use super::run::{self, Request};
use super::workspace::{Start, parse_route, parse_start, parse_wait};
use crate::error::Result;
use crate::model::plan::Direction;
use crate::model::range::Route;

/// Apply revisions, up to a target
///
/// Applies what the target needs and the database lacks, parents first. Where
/// nothing is lacking, nothing is done.
///
///   aludel upgrade head            to the only head (`heads` for all of them)
///   aludel upgrade +1              one revision further
///   aludel upgrade 002             to a revision: its id, or the first characters of it
///   aludel upgrade billing@head    to the head of a branch, by its label
///   aludel upgrade head --sql      print the SQL instead, from an empty database
///   aludel upgrade 001:002 --sql   print the SQL, from revision 001
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// Where to: head, heads, an id, LABEL@head, +N, ID+N; with --sql also FROM:TO
    #[arg(value_parser = parse_route, allow_negative_numbers = true)]
    target: Route,

    /// Print the SQL that would be run, for review or for psql; no database is asked
    #[arg(long, conflicts_with = "metrics")]
    sql: bool,

    /// With --sql: the revisions the database is at, where it is at several
    #[arg(long, value_name = "ID,ID", value_parser = parse_start, requires = "sql")]
    from: Option<Start>,

    /// How long to wait for another run to end: 30s, 5min, 0 [default: the configuration's `lock_wait`, or 5min]
    #[arg(long, value_name = "TIME", value_parser = parse_wait)]
    lock_wait: Option<Duration>,

    #[command(flatten)]
    consent: Consent,

    #[command(flatten)]
    resume: Resume,

    #[command(flatten)]
    metrics: MetricsFile,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let Arguments { target, sql, from, lock_wait, consent, resume, metrics } = arguments;
    let request = Request {
        direction: Direction::Upgrade,
        route: target,
        sql,
        from: from.map(|start| start.0),
        lock_wait,
        wish: resume.wish(),
        consent,
        metrics,
    };
    run::upgrade_or_downgrade(context, request)
}
