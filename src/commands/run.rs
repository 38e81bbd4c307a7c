//! What the commands that change a database share: take the lock, lower plans to a program, have it run, tell whoever listens.

use std::time::{Duration, Instant};

use super::Context;
use super::changed;
use super::confirm::{self, Asks, Consent, Shown};
use super::event::{Event, Listener as _, RunBegun, RunEnded, SlowWatch, Told};
use super::hooks::{self, Hooks};
use super::lower::{self, Prepared};
use super::metrics::{MetricsFile, measured};
use super::paper;
use super::repeatable;
use super::resume::{Journal, Resumption};
use super::workspace::{Database, Workspace, limits, role};
use crate::config::Config;
use crate::database::execute::{Observer, Settled};
use crate::database::lock::{Holder, Locked};
use crate::database::pooler::Pooling;
use crate::database::server_error::ServerError;
use crate::database::session::{Session, Standing};
use crate::error::{Error, Result};
use crate::local::Running;
use crate::model::applied::Applied;
use crate::model::bookkeeping::Author;
use crate::model::journal::Wish;
use crate::model::plan::{self, Direction, Plan};
use crate::model::range::Route;
use crate::model::target::Target;
use crate::source::Excerpt;

/// An upgrade or a downgrade, as asked for.
pub(super) struct Request {
    pub(super) direction: Direction,
    pub(super) route: Route,
    pub(super) sql: bool,
    pub(super) from: Option<Vec<Target>>,
    pub(super) lock_wait: Option<Duration>,
    pub(super) wish: Wish,
    pub(super) consent: Consent,
    pub(super) metrics: MetricsFile,
}

/// What a run came to; the steps themselves are told to the listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The rows of the version table before it.
    pub rows_before: Vec<String>,
    /// The rows after it.
    pub rows_after: Vec<String>,
}

/// `upgrade` and `downgrade`, connected or on paper.
pub(super) fn upgrade_or_downgrade(context: &Context, request: Request) -> Result<()> {
    if request.sql {
        return paper::write_sql(context, &Workspace::open_to_run(context)?, &request);
    }
    move_along(context, request).map(drop)
}

/// An upgrade or a downgrade of a database.
pub(super) fn move_along(context: &Context, request: Request) -> Result<Outcome> {
    measured(&request.metrics, context, |context, config| move_connected(context, config, &request))
}

fn move_connected(context: &Context, config: Config, request: &Request) -> Result<Outcome> {
    let target = only_a_target(&request.route, request.direction)?;
    let (workspace, mut database) = Workspace::connected(config, context, changed::wanted)?;
    let tell = |session: &mut Session, applied: &Applied, plan: &Plan| -> Result<()> {
        let found = changed::find(&workspace, applied, session);
        let changed = changed::or_warn(found, changed::refuses(&workspace.config), context)?;
        changed::tell(changed, plan, &workspace, context)?;
        warn_beside_branch(context, &workspace, plan, target);
        Ok(())
    };
    let asks = match request.direction {
        Direction::Upgrade => Asks::WhereConfigured,
        Direction::Downgrade => Asks::AtATerminal,
    };
    let command = format!("aludel {} {target}", verb(request.direction));
    let mut shown = None;
    if request.consent.is_asked(asks, context, &workspace, &command)? {
        let (session, author) = (&mut database.session, author(context, &workspace));
        let plans = |session: &mut Session, applied: &Applied| {
            let plan = make_plan(&workspace, applied, target, request.direction)?;
            tell(session, applied, &plan)?;
            Ok(vec![plan])
        };
        shown = Some(confirm::plans(context, &workspace, session, author, request.wish, target.into(), plans)?);
    }
    let (mut run, standing) = Run::begin(context, &workspace, database, request.lock_wait)?;
    let applied = run.applied(&standing)?;
    let plan = make_plan(&workspace, &applied, target, request.direction)?;
    if shown.is_none() {
        tell(run.locked.session(), &applied, &plan)?;
    }
    run.shown = shown;
    let journal = Journal { rows: &standing.progress, applied: &applied };
    let resumption = Resumption { journal: Some(journal), wish: request.wish, typed: target.into() };
    run.carry_out(&standing, &[plan], resumption)
}

pub(super) fn make_plan(
    workspace: &Workspace,
    applied: &Applied,
    target: &Target,
    direction: Direction,
) -> Result<Plan> {
    let plan = match direction {
        Direction::Upgrade => plan::upgrade(&workspace.graph, applied, target),
        Direction::Downgrade => plan::downgrade(&workspace.graph, applied, target),
    };
    plan.map_err(|error| workspace.explain(&error))
}

/// Alembic's meaning of `label@base`: with a single base, the other branches go too. Said before it happens.
pub(super) fn warn_beside_branch(context: &Context, workspace: &Workspace, plan: &Plan, target: &Target) {
    let Some(branch) = &target.branch else { return };
    if plan.direction() != Direction::Downgrade {
        return;
    }
    let beside = plan::beside_branch(&workspace.graph, plan, branch).unwrap_or_default();
    if !beside.is_empty() {
        let ids = workspace.ids(&beside).join(", ");
        context.warning(format_args!("also undone, though not in the branch `{branch}`: {ids}"));
    }
}

fn only_a_target(route: &Route, direction: Direction) -> Result<&Target> {
    match &route.from {
        None => Ok(&route.to),
        Some(_) => Err(range_needs_sql(route).hint(format!("aludel {} {}", verb(direction), route.to))),
    }
}

pub(super) fn range_needs_sql(route: &Route) -> Error {
    Error::usage(format!("the range `{route}` is for --sql: a connected run starts from where the database stands"))
}

/// Takes the lock, saying so where it has to wait.
pub(super) fn lock(
    context: &Context,
    config: &Config,
    session: Session,
    wait: Option<Duration>,
) -> Result<(Locked, Standing)> {
    let wait = wait.unwrap_or(config.settings.lock_wait.value);
    let mut waited = false;
    let told = |holder: Option<&Holder>| {
        if let Some(holder) = holder.filter(|holder| holder.is_namesake)
            && context.environment.get(hooks::RUN_VARIABLE).is_some()
        {
            return Err(Error::failed(
                "this is started by a hook of the run that holds the lock: each would wait for the other",
            )
            .note(format!("held by {holder}"))
            .note("nothing was changed")
            .hint("take it out of the hook, and run it behind that run"));
        }
        waited = true;
        let holder = holder.map_or_else(|| "another run".to_owned(), Holder::to_string);
        context.listeners.hear(&Event::LockAwaited { wait, holder: &holder });
        Ok(())
    };
    let (mut locked, standing) = session.lock(wait, told)?;
    if waited {
        locked.session().ask_for_texts_again();
    }
    Ok((locked, standing))
}

/// A run that holds the lock.
pub(super) struct Run<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) workspace: &'a Workspace,
    // Dropped before the private server, which stays for as long as it is used.
    pub(super) locked: Locked,
    /// What a person has said yes to, where one was asked.
    pub(super) shown: Option<Shown>,
    _server: Option<Running>,
}

impl<'a> Run<'a> {
    /// Takes the lock and reads where the database stands.
    pub(super) fn begin(
        context: &'a Context<'a>,
        workspace: &'a Workspace,
        database: Database,
        wait: Option<Duration>,
    ) -> Result<(Self, Standing)> {
        let Database { session, server } = database;
        let (locked, standing) = lock(context, &workspace.config, session, wait)?;
        context.ui.detail(format_args!("on {}, from {}", standing.place, spoken(&standing.rows)));
        context.ui.detail(limits(&workspace.config).shown());
        locked.pooling().iter().for_each(|pooling| context.ui.detail(pooling.shown()));
        Ok((Self { context, workspace, locked, shown: None, _server: server }, standing))
    }

    /// What is applied, which the listeners are told.
    pub(super) fn applied(&self, standing: &Standing) -> Result<Applied> {
        let graph = &self.workspace.graph;
        let applied = self.workspace.applied(&standing.rows)?;
        let count = graph.nodes().filter(|node| applied.contains(*node)).count();
        let (rows, pending) = (standing.rows.as_slice(), graph.len() - count);
        self.context.listeners.hear(&Event::Stands { rows, applied: count, pending });
        Ok(applied)
    }

    /// Runs plans, one after the other, and tells how it goes.
    pub(super) fn carry_out(&mut self, standing: &Standing, plans: &[Plan], resumption: Resumption) -> Result<Outcome> {
        let ui = self.context.ui;
        let rows = plans.last().map_or_else(Vec::new, |plan| self.workspace.ids(plan.rows_after()));
        let outcome = Outcome { rows_before: standing.rows.clone(), rows_after: rows };
        let nothing_to_do = || ui.status(format_args!("nothing to do: {}", at(&outcome.rows_after)));
        let due = self.workspace.repeatables_behind(plans, Some(standing))?;
        if plans.last().is_some_and(|plan| plan.direction() == Direction::Upgrade) {
            self.context.listeners.hear(&Event::RepeatablesDue(due.len()));
        }
        if plans.iter().all(|plan| plan.steps().is_empty()) && due.is_empty() && resumption.is_empty() {
            nothing_to_do();
            return Ok(outcome);
        }
        let (workspace, context, author) = (self.workspace, self.context, self.author());
        let prepared =
            self.locked.session().alive_while(|| lower::plan(workspace, context, plans, &due, author, resumption))?;
        lower::check_widths(&prepared.program, standing)?;
        if self.locked.pooling() == Some(Pooling::Transaction) {
            self.locked.session().alive_while(|| lower::check_pooled(&prepared))?;
        }
        let shown = self.shown.take();
        match &shown {
            Some(shown) => shown.check(standing, &prepared)?,
            None => {
                prepared.warnings.iter().for_each(|warning| context.warning(warning));
                prepared.remarks.iter().for_each(|remark| ui.status(remark));
            }
        }
        if prepared.program.steps.is_empty() {
            nothing_to_do();
            return Ok(outcome);
        }
        self.execute(standing, plans, &prepared, &outcome, shown.as_ref())?;
        Ok(outcome)
    }

    /// Has a program run, and tells the listeners.
    fn execute(
        &mut self,
        standing: &Standing,
        plans: &[Plan],
        prepared: &Prepared,
        outcome: &Outcome,
        shown: Option<&Shown>,
    ) -> Result<()> {
        let slow_after = self.workspace.config.settings.slow_after.value;
        let listener = &SlowWatch::new(&self.context.listeners, slow_after);
        let hooks = Hooks::new(self.context, self.workspace, plans, prepared, standing)?;
        if self.locked.pooling() == Some(Pooling::Transaction) {
            hooks.check_pooled()?;
        }
        shown.map_or(Ok(()), |shown| shown.check_hooks(&hooks))?;
        let (run, steps) = (prepared.program.author.run.as_str(), prepared.program.steps.len());
        let (Outcome { rows_before, rows_after }, repeatables) = (outcome, prepared.repeatables());
        let database = &standing.place;
        listener.hear(&Event::RunBegun(&RunBegun { run, database, rows_before, rows_after, steps, repeatables }));
        let mut time = Duration::ZERO;
        let workspace = self.workspace;
        let mut all = || -> Result<()> {
            hooks.before(&mut self.locked, standing)?;
            self.locked.create_tables(standing, prepared.program.has_journal())?;
            let began = Instant::now();
            let name = |step| prepared.name(step);
            let mut told = Told { listener, program: &prepared.program, name: &name };
            let result = self.locked.execute(&prepared.program, &prepared.bodies, &mut told);
            time = began.elapsed();
            result.map_err(|error| repeatable::explain(workspace, error))?;
            hooks.after(&mut self.locked, time)
        };
        let result = all();
        let told = result.as_ref().map(|()| rows_after.as_slice());
        listener.hear(&Event::RunEnded(&RunEnded { run, steps, repeatables, result: told, time }));
        if let Err(error) = &result {
            hooks.on_failure(&mut self.locked, time, error);
        }
        result
    }

    pub(super) fn author(&self) -> Author {
        author(self.context, self.workspace)
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.locked.give_back().iter().for_each(|doubt| self.context.warning(doubt));
    }
}

/// Who runs.
pub(super) fn author(context: &Context, workspace: &Workspace) -> Author {
    let environment = context.environment;
    Author {
        run: environment.uuid().to_string(),
        user: environment.user().map(str::to_owned),
        host: crate::config::host_name(),
        tool: tool(),
        role: role(&workspace.config),
    }
}

/// The tool with its version, as the history has it.
pub(super) fn tool() -> String {
    concat!("aludel ", env!("CARGO_PKG_VERSION")).to_owned()
}

/// For what takes no time.
pub(super) struct Silent;

impl Observer for Silent {
    fn started(&mut self, _: usize) {}
    fn finished(&mut self, _: usize, _: Duration) {}
    fn failed(&mut self, _: usize, _: Duration) {}
    fn notice(&mut self, _: usize, _: &ServerError) {}
    fn waiting(&mut self, _: usize, _: Duration, _: &[String]) {}
    fn again(&mut self, _: usize, _: &str, _: &[String]) {}
    fn interrupted(&mut self, _: u8) {}
    fn recovering(&mut self, _: &str) {}
    fn statement_done(&mut self, _: usize, _: usize, _: &Excerpt, _: Duration) {}
    fn settled(&mut self, _: usize, _: &Settled) {}
}

/// `at 003, 004`, or that nothing is applied.
pub(super) fn at(rows: &[String]) -> String {
    if rows.is_empty() { "nothing is applied".to_owned() } else { format!("at {}", rows.join(", ")) }
}

/// `003, 004`, or `base`.
pub(super) fn spoken(rows: &[String]) -> String {
    if rows.is_empty() { "base".to_owned() } else { rows.join(", ") }
}

pub(super) fn verb(direction: Direction) -> &'static str {
    match direction {
        Direction::Upgrade => "upgrade",
        Direction::Downgrade => "downgrade",
    }
}
