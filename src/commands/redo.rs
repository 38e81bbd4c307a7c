//! `aludel redo`

use std::time::Duration;

use clap::Args;

use super::Context;
use super::confirm::{self, Asks, Consent};
use super::metrics::{MetricsFile, measured};
use super::resume::{Journal, Resumption, Typed};
use super::run::{Run, author, make_plan};
use super::workspace::{Workspace, parse_wait};
use crate::config::Config;
use crate::database::session::Session;
use crate::error::{Error, Result};
use crate::model::applied::Applied;
use crate::model::journal::Wish;
use crate::model::plan::{self, Direction, Plan, PlanError};
use crate::model::target::{Point, Target, Walk};
use crate::project::Wanted;

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

    #[command(flatten)]
    consent: Consent,

    #[command(flatten)]
    metrics: MetricsFile,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    measured(&arguments.metrics, context, |context, config| redo(context, config, &arguments))
}

fn redo(context: &Context, config: Config, arguments: &Arguments) -> Result<()> {
    let Arguments { count, lock_wait, ref consent, .. } = *arguments;
    // A file that is being written changes all the time: what `redo` undoes and applies again is not compared.
    let wanted = |_: &Config| Wanted { bodies: true, checksums: false };
    let (workspace, mut database) = Workspace::connected(config, context, wanted)?;
    let command = if count == 1 { "aludel redo".to_owned() } else { format!("aludel redo {count}") };
    let mut shown = None;
    if consent.is_asked(Asks::AtATerminal, context, &workspace, &command)? {
        let (session, author) = (&mut database.session, author(context, &workspace));
        let plans = |_: &mut Session, applied: &Applied| down_and_up(&workspace, applied, count);
        shown = Some(confirm::plans(context, &workspace, session, author, Wish::Safe, Typed::Counted, plans)?);
    }
    let (mut run, standing) = Run::begin(context, &workspace, database, lock_wait)?;
    run.shown = shown;
    let applied = run.applied(&standing)?;
    let plans = down_and_up(&workspace, &applied, count)?;
    let journal = Journal { rows: &standing.progress, applied: &applied };
    let resumption = Resumption { journal: Some(journal), wish: Wish::Safe, typed: Typed::Counted };
    run.carry_out(&standing, &plans, resumption).map(drop)
}

/// The plans that undo the last revisions and apply them again.
fn down_and_up(workspace: &Workspace, applied: &Applied, count: u32) -> Result<Vec<Plan>> {
    let last = Target { branch: None, point: Point::Away(None, Walk::Down(count)) };
    let down = match plan::downgrade(&workspace.graph, applied, &last) {
        Err(PlanError::NotEnoughSteps { possible: 0, .. }) => {
            return Err(Error::failed("there is nothing to redo: nothing is applied").hint("aludel upgrade +1"));
        }
        // The last revision is a merge: going down to any of its parents undoes it alone.
        Err(PlanError::AmbiguousWalk { candidates, .. }) if count == 1 && applied.rows().len() == 1 => {
            let parent = Target::named(workspace.graph.id(candidates[0]).clone());
            make_plan(workspace, applied, &parent, Direction::Downgrade)?
        }
        plan => plan.map_err(|error| workspace.explain(&error))?,
    };
    let up = plan::back(&workspace.graph, &down);
    Ok(vec![down, up])
}
