//! What `upgrade`, `downgrade`, `redo`, `stamp` and `plan` share: decide on a plan, lower it to a program, hand it to
//! one of the two executors, say what happened.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::Context;
use super::lower::{self, Prepared};
use super::workspace::{Database, Goal, Workspace, connect};
use crate::database::execute::Observer;
use crate::database::lock::{Holder, Locked};
use crate::database::server_error::ServerError;
use crate::database::session::Standing;
use crate::error::{Error, Result};
use crate::local;
use crate::model::bookkeeping::{Author, Direction, Expected};
use crate::model::graph::Node;
use crate::model::plan::{self, Applied, Plan, Row};
use crate::model::target::{Range, Target};
use crate::offline;
use crate::ui::{self, Ui, counted};

/// An upgrade or a downgrade, as asked for.
pub(super) struct Request {
    pub(super) direction: Direction,
    pub(super) goal: Goal,
    pub(super) sql: bool,
    pub(super) from: Option<Vec<String>>,
    pub(super) lock_wait: Option<Duration>,
}

/// A stamp, as asked for.
pub(super) struct Stamp {
    pub(super) targets: Vec<Goal>,
    pub(super) purge: bool,
    pub(super) sql: bool,
    pub(super) from: Option<Vec<String>>,
    pub(super) lock_wait: Option<Duration>,
}

pub(super) fn move_along(context: &Context, request: Request) -> Result<()> {
    let workspace = Workspace::open(context)?;
    if request.sql {
        return print(context, &workspace, &request);
    }
    let target = the_target(&request.goal, request.direction)?;
    let (mut run, standing) = Run::begin(context, &workspace, request.lock_wait)?;
    let applied = workspace.applied(&standing.rows)?;
    let plan = plan_of(&workspace, &applied, target, request.direction)?;
    run.carry_out(&standing, &[plan])
}

pub(super) fn redo(context: &Context, count: u32, lock_wait: Option<Duration>) -> Result<()> {
    let workspace = Workspace::open(context)?;
    let (mut run, standing) = Run::begin(context, &workspace, lock_wait)?;
    let applied = workspace.applied(&standing.rows)?;
    let down = plan_of(&workspace, &applied, &Target::down(count), Direction::Downgrade)?;
    let below = workspace.applied(&down.rows_after())?;
    let up = plan::upgrade_to_rows(&workspace.graph, &below, &applied);
    run.carry_out(&standing, &[down, up])
}

pub(super) fn stamp(context: &Context, request: Stamp) -> Result<()> {
    let workspace = Workspace::open(context)?;
    let (from, targets) = stamp_targets(&request)?;
    if request.sql {
        let rows = match (&request.from, from) {
            (Some(rows), _) => lower::ids(&workspace, rows)?,
            (None, Some(range_start)) => lower::ids(&workspace, &[range_start.to_string()])?,
            (None, None) => Vec::new(),
        };
        let plan = plan::stamp(&workspace.graph, &rows, &targets, request.purge).map_err(|error| workspace.explain(error))?;
        let expected = if request.purge { Expected::Anything } else { Expected::Rows(rows) };
        let program = lower::stamp(&workspace, &plan, expected, request.purge, author_of_a_script())?;
        return offline::write(&program.program, &program.bodies, &format!("stamp {}", spoken(&plan.rows_after())), context.ui);
    }
    let (mut run, standing) = Run::begin(context, &workspace, request.lock_wait)?;
    let plan = plan::stamp(&workspace.graph, &standing.rows, &targets, request.purge)
        .map_err(|error| workspace.explain(error))?;
    if plan.is_empty() && standing.version_table {
        context.ui.status(format_args!("nothing to do: the database is stamped {} already", spoken(&standing.rows)));
        return Ok(());
    }
    run.stamp(&standing, &plan, request.purge)
}

pub(super) fn show_plan(context: &Context, request: Request, json: bool) -> Result<()> {
    let workspace = Workspace::open(context)?;
    let (applied, target) = match (&request.from, &request.goal) {
        (Some(rows), goal) => (workspace.applied(&lower::ids(&workspace, rows)?)?, the_target(goal, request.direction)?),
        (None, goal) => (workspace.applied(&workspace.standing(context)?.rows)?, the_target(goal, request.direction)?),
    };
    let plan = plan_of(&workspace, &applied, target, request.direction)?;
    let prepared = lower::plan(&workspace, context, std::slice::from_ref(&plan), author_of_a_script())?;
    let ui = context.ui;
    if json {
        ui.json(&PlanView::new(&workspace, &plan, &prepared));
        return Ok(());
    }
    for (step, lowered) in plan.steps.iter().zip(&prepared.program.steps) {
        let bare = lowered.sections.iter().any(|section| !section.transaction);
        let bare = if bare { " (not in a transaction)" } else { "" };
        ui.line(format_args!("{}{bare}", arrow(&workspace, step.node, request.direction)));
    }
    if plan.steps.is_empty() {
        ui.status(format_args!("nothing to do: {}", at(&plan.rows_before())));
    } else {
        ui.status(format_args!(
            "{}; {} before, {} after",
            counted(plan.steps.len(), "revision"),
            spoken(&plan.rows_before()),
            spoken(&plan.rows_after())
        ));
    }
    Ok(())
}

pub(super) fn ensure_version(context: &Context, sql: bool) -> Result<()> {
    let config = super::workspace::load_config(context)?;
    if sql {
        context.ui.raw(&super::workspace::tables(&config).create());
        return Ok(());
    }
    let workspace = Workspace::open(context)?;
    let (mut run, standing) = Run::begin(context, &workspace, None)?;
    run.locked.create_tables(&standing)?;
    if standing.version_table && standing.history_table {
        context.ui.status("nothing to do: the tables are there");
    } else {
        context.ui.done("created", format_args!("the version and history tables on {}", standing.place));
    }
    Ok(())
}

/// A run that holds the lock.
struct Run<'a> {
    context: &'a Context<'a>,
    workspace: &'a Workspace,
    locked: Locked,
    // Dropped after the session: a private server stays for as long as it is used.
    _server: Option<local::Running>,
}

impl<'a> Run<'a> {
    /// Connects, takes the lock and reads where the database stands.
    fn begin(context: &'a Context<'a>, workspace: &'a Workspace, wait: Option<Duration>) -> Result<(Self, Standing)> {
        let Database { session, server } = connect(&workspace.config, context)?;
        let wait = wait.unwrap_or(workspace.config.settings.lock_wait.value);
        let told = |holder: Option<&Holder>| {
            let holder = holder.map_or_else(|| "another run".to_owned(), Holder::to_string);
            context.ui.status(format_args!("waiting up to {} for the lock, held by {holder}", ui::duration(wait)));
        };
        let (locked, standing) = session.lock(wait, told)?;
        context.ui.detail(format_args!("on {}, at {}", standing.place, spoken(&standing.rows)));
        Ok((Self { context, workspace, locked, _server: server }, standing))
    }

    /// Runs plans, one after the other, and says how it went.
    fn carry_out(&mut self, standing: &Standing, plans: &[Plan]) -> Result<()> {
        let ui = self.context.ui;
        let rows = plans.last().map_or_else(Vec::new, Plan::rows_after);
        if plans.iter().all(|plan| plan.steps.is_empty()) {
            ui.status(format_args!("nothing to do: {}", at(&rows)));
            return Ok(());
        }
        let prepared = lower::plan(self.workspace, self.context, plans, self.author())?;
        lower::check_widths(&prepared.program, standing)?;
        self.execute(standing, &prepared)?;
        ui.done("done", format_args!("{}; {}", prepared.summary(), at(&rows)));
        Ok(())
    }

    fn stamp(&mut self, standing: &Standing, plan: &plan::StampPlan, purge: bool) -> Result<()> {
        let expected = Expected::Rows(standing.rows.clone());
        let prepared = lower::stamp(self.workspace, plan, expected, purge, self.author())?;
        lower::check_widths(&prepared.program, standing)?;
        self.locked.create_tables(standing)?;
        self.locked.execute(&prepared.program, &prepared.bodies, &mut Silent)?;
        let (before, after) = (spoken(&standing.rows), spoken(&plan.rows_after()));
        self.context.ui.done("stamped", format_args!("{after} (it was {before}); nothing was run"));
        Ok(())
    }

    fn execute(&mut self, standing: &Standing, prepared: &Prepared) -> Result<()> {
        self.locked.create_tables(standing)?;
        let ui = self.context.ui;
        ui.begin_progress(prepared.program.steps.len());
        let mut narrator = Narrator { ui, prepared, told: Duration::ZERO };
        let began = Instant::now();
        let result = self.locked.execute(&prepared.program, &prepared.bodies, &mut narrator);
        ui.end_progress();
        prepared.took.set(began.elapsed());
        result
    }

    fn author(&self) -> Author {
        let environment = self.context.environment;
        Author {
            run: environment.uuid().to_string(),
            user: environment.user().map(str::to_owned),
            host: crate::config::host_name(),
            tool: tool(),
        }
    }
}

/// The author of a printed script: the same whenever and wherever it is printed.
fn author_of_a_script() -> Author {
    Author { run: "sql".to_owned(), user: None, host: None, tool: tool() }
}

fn tool() -> String {
    concat!("aludel ", env!("CARGO_PKG_VERSION")).to_owned()
}

/// Tells the user what a program does.
struct Narrator<'a> {
    ui: &'a Ui,
    prepared: &'a Prepared,
    /// When the running step was last told to be still running.
    told: Duration,
}

/// After so long a running step is named, and again after each such time.
const STILL: Duration = Duration::from_secs(30);

impl Observer for Narrator<'_> {
    fn started(&mut self, step: usize) {
        self.told = Duration::ZERO;
        self.ui.progress_message(self.prepared.name(step));
    }

    fn finished(&mut self, step: usize, time: Duration) {
        self.ui.progress_step();
        let verb = match self.prepared.program.steps[step].record.direction {
            Direction::Upgrade => "upgraded",
            Direction::Downgrade => "downgraded",
            Direction::Stamp => "stamped",
        };
        self.ui.done(verb, format_args!("{} ({})", self.prepared.name(step), ui::duration(time)));
    }

    fn notice(&mut self, step: usize, notice: &ServerError) {
        let revision = &self.prepared.program.steps[step].record.revision;
        let text = format!("{revision}: {}: {}", notice.severity.to_lowercase(), notice.message);
        if notice.severity == "WARNING" {
            self.ui.warning(format_args!("{revision}: {}", notice.message));
        } else {
            self.ui.status(text);
        }
        for more in [&notice.detail, &notice.hint].into_iter().flatten() {
            self.ui.status(format_args!("  {more}"));
        }
    }

    fn waiting(&mut self, step: usize, time: Duration) {
        let first = self.told.is_zero();
        if first || time - self.told >= STILL {
            let name = self.prepared.name(step);
            self.told = time;
            self.ui.status(format_args!("running {name} ({})", ui::duration(time)));
        }
    }
}

/// For what takes no time.
struct Silent;

impl Observer for Silent {
    fn started(&mut self, _: usize) {}
    fn finished(&mut self, _: usize, _: Duration) {}
    fn notice(&mut self, _: usize, _: &ServerError) {}
    fn waiting(&mut self, _: usize, _: Duration) {}
}

/// `at 003, 004`, or that nothing is applied.
fn at(rows: &[String]) -> String {
    if rows.is_empty() { "nothing is applied".to_owned() } else { format!("at {}", rows.join(", ")) }
}

/// `003, 004`, or `base`.
fn spoken(rows: &[String]) -> String {
    if rows.is_empty() { "base".to_owned() } else { rows.join(", ") }
}
