//! `aludel plan`

use clap::{Args, Subcommand};

use super::Context;
use super::run::{self, Request};
use super::workspace::{Start, parse_route, parse_start};
use crate::error::Result;
use crate::model::journal::Wish;
use crate::model::plan::Direction;
use crate::model::range::Route;

/// Show what an `upgrade` or a `downgrade` would run, in order; changes nothing
///
/// With -v also what each revision creates, changes and drops.
///
///   aludel plan upgrade head               what `aludel upgrade head` would run
///   aludel plan downgrade -1               what `aludel downgrade -1` would run
///   aludel plan upgrade head --from 002    the same for a database at 002, without asking one
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, disable_help_subcommand = true)]
pub struct Arguments {
    #[command(subcommand)]
    way: Way,
}

#[derive(Debug, Subcommand)]
enum Way {
    /// What an upgrade would run
    Upgrade(Planned),
    /// What a downgrade would run
    Downgrade(Planned),
}

#[derive(Debug, Args)]
struct Planned {
    /// Where to
    #[arg(value_parser = parse_route, allow_hyphen_values = true)]
    target: Route,

    /// From these revisions, without connecting to a database; `base` for an empty one
    #[arg(long, value_name = "ID,ID", value_parser = parse_start)]
    from: Option<Start>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let (direction, planned) = match arguments.way {
        Way::Upgrade(planned) => (Direction::Upgrade, planned),
        Way::Downgrade(planned) => (Direction::Downgrade, planned),
    };
    let request = Request {
        direction,
        route: planned.target,
        sql: false,
        from: planned.from.map(|start| start.0),
        lock_wait: None,
        wish: Wish::Safe,
    };
    run::show_plan(context, request, planned.json)
}
