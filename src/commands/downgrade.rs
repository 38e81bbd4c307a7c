//! `aludel downgrade`

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

/// Undo revisions, down to a target
///
/// Undoes everything that stands on the target; the target itself stays. A
/// revision without a downgrade section cannot be undone, and a plan that would
/// have to is refused before anything runs.
///
///   aludel downgrade -1               the last revision
///   aludel downgrade 001              everything above 001
///   aludel downgrade base             everything
///   aludel downgrade 002:001 --sql    print the SQL, for a database at 002
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// Where to: -N, an id, base, LABEL@base, ID-N; with --sql FROM:TO
    #[arg(value_parser = parse_route, allow_hyphen_values = true)]
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
        direction: Direction::Downgrade,
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
