//! A run on paper: the program printed as SQL for review, from where the command line says that a database stands.

use super::Context;
use super::hooks;
use super::lower;
use super::resume::Resumption;
use super::run::{Request, make_plan, spoken, tool, verb, warn_beside_branch};
use super::workspace::{Workspace, role};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::model::applied::Applied;
use crate::model::bookkeeping::Author;
use crate::model::graph::Node;
use crate::model::plan::{self, Direction, Landing};
use crate::model::range::Route;
use crate::model::target::Target;
use crate::offline;

/// Prints the program instead of running it.
pub(super) fn write_sql(context: &Context, workspace: &Workspace, request: &Request) -> Result<()> {
    let start = start_of(workspace, &request.from, request.route.from.as_ref())?;
    let start = match (start, request.direction) {
        (Some(start), _) => start,
        (None, Direction::Upgrade) => Applied::nothing(&workspace.graph),
        (None, Direction::Downgrade) => {
            return Err(Error::usage("a downgrade on paper needs to know where the database stands")
                .hint(format!("aludel downgrade FROM:{} --sql", request.route.to)));
        }
    };
    refuse_backwards(workspace, request, &start)?;
    let plan = make_plan(workspace, &start, &request.route.to, request.direction)?;
    warn_beside_branch(context, workspace, &plan, &request.route.to);
    let heading = format!(
        "{} from {} to {}",
        verb(request.direction),
        spoken(&workspace.ids(plan.rows_before())),
        spoken(&workspace.ids(plan.rows_after()))
    );
    let rows = (workspace.ids(plan.rows_before()), workspace.ids(plan.rows_after()));
    let plans = [plan];
    // On paper nobody knows which of them were run; they are written to be run again.
    let due = workspace.repeatables_behind(&plans, None)?;
    let author = author_of_a_script(&workspace.config);
    let prepared = lower::plan(workspace, context, &plans, &due, author, Resumption::default())?;
    prepared.warnings.iter().for_each(|warning| context.warning(warning));
    let (before, after) = hooks::on_paper(workspace, &prepared.program.author, request.direction, rows)?;
    offline::write(&prepared.program, &prepared.bodies, &heading, (&before, &after), context.ui)
}

/// Where a database is taken to stand, if the command line says so: `--from a,b`, or the left side of `a:b`.
pub(super) fn start_of(
    workspace: &Workspace,
    from: &Option<Vec<Target>>,
    left: Option<&Target>,
) -> Result<Option<Applied>> {
    let start = match (from, left) {
        (Some(_), Some(left)) => {
            return Err(Error::usage(format!("`{left}:` and --from both say where the database stands"))
                .hint("give one of them"));
        }
        (Some(targets), None) => plan::start(&workspace.graph, targets),
        (None, Some(left)) => plan::start_of_route(&workspace.graph, left),
        (None, None) => return Ok(None),
    };
    start.map(Some).map_err(|error| workspace.explain(&error))
}

/// Refuses a range whose ends stand the wrong way round: there is nothing to do on that way, but something was meant.
pub(super) fn refuse_backwards(workspace: &Workspace, request: &Request, start: &Applied) -> Result<()> {
    let (graph, Route { from: Some(from), to }) = (&workspace.graph, &request.route) else { return Ok(()) };
    // What cannot be resolved is the plan's to tell of.
    let ends: Vec<Node> =
        plan::find(graph, None, to).unwrap_or_default().into_iter().filter_map(Landing::revision).collect();
    let end = Applied::from_nodes(graph, ends);
    let below = |one: &Applied, other: &Applied| {
        one.rows() != other.rows() && !one.rows().is_empty() && one.rows().iter().all(|node| other.contains(*node))
    };
    let (backwards, goes) = match request.direction {
        Direction::Upgrade => (below(&end, start), "goes down, and an upgrade goes up"),
        Direction::Downgrade => (below(start, &end), "goes up, and a downgrade goes down"),
    };
    if !backwards {
        return Ok(());
    }
    let (this, other) = match request.direction {
        Direction::Upgrade => ("upgrade", "downgrade"),
        Direction::Downgrade => ("downgrade", "upgrade"),
    };
    let (command, sql) = if request.sql { ("aludel", " --sql") } else { ("aludel plan", "") };
    Err(Error::usage(format!("the range `{}` {goes}", request.route))
        .hint(format!("{command} {this} {to}:{from}{sql}"))
        .hint(format!("or the other way: {command} {other} {}{sql}", request.route)))
}

/// The author of a printed script: the same whenever and wherever it is printed.
pub(super) fn author_of_a_script(config: &Config) -> Author {
    Author { run: "sql".to_owned(), user: None, host: None, tool: tool(), role: role(config) }
}
