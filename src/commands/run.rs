//! What `upgrade`, `downgrade`, `redo`, `stamp` and `plan` share: decide on a plan, lower it to a program, hand it to
//! one of the two executors, say what happened.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::Context;
use super::changed;
use super::lower::{self, Prepared};
use super::resume::{Journal, Resumption, Typed};
use super::workspace::{Database, Workspace, connect, limits, load_config, role, tables};
use crate::config::Config;
use crate::database::execute::{Bodies as _, Observer, Settled};
use crate::database::interrupt;
use crate::database::lock::{Holder, Locked};
use crate::database::pooler::Pooling;
use crate::database::server_error::{ServerError, Severity};
use crate::database::session::{Session, Standing};
use crate::error::{Error, Result};
use crate::explain;
use crate::local::Running;
use crate::model::applied::Applied;
use crate::model::bookkeeping::{Action, Author, Clears, Expected};
use crate::model::graph::Node;
use crate::model::journal::{Progress, Wish};
use crate::model::plan::{self, Direction, Landing, Plan, PlanError, Purge, Stamp};
use crate::model::program::ProgramStep;
use crate::model::range::Route;
use crate::model::sql::classify::{self, Effect};
use crate::model::target::{Point, Target, Walk};
use crate::offline;
use crate::project::Wanted;
use crate::ui::{self, Ui, counted};

/// An upgrade or a downgrade, as asked for.
pub(super) struct Request {
    pub(super) direction: Direction,
    pub(super) route: Route,
    pub(super) sql: bool,
    pub(super) from: Option<Vec<Target>>,
    pub(super) lock_wait: Option<Duration>,
    pub(super) wish: Wish,
}

/// A stamp, as asked for.
pub(super) struct StampRequest {
    pub(super) targets: Vec<Route>,
    pub(super) purge: bool,
    pub(super) sql: bool,
    pub(super) from: Option<Vec<Target>>,
    pub(super) lock_wait: Option<Duration>,
}

pub(super) fn move_along(context: &Context, request: Request) -> Result<()> {
    if request.sql {
        return write_sql(context, &Workspace::open_to_run(context)?, &request);
    }
    let target = only_a_target(&request.route, request.direction)?;
    let (workspace, database) = Workspace::open_connected(context, changed::wanted)?;
    let (mut run, standing) = Run::begin(context, &workspace, database, request.lock_wait)?;
    let applied = workspace.applied(&standing.rows)?;
    let plan = make_plan(&workspace, &applied, target, request.direction)?;
    let found = changed::find(&workspace, &applied, run.locked.session());
    let changed = changed::or_warn(found, changed::refuses(&workspace.config), context)?;
    changed::tell(changed, &plan, &workspace, context)?;
    warn_beside_branch(context, &workspace, &plan, target);
    let journal = Journal { rows: &standing.progress, applied: &applied };
    run.carry_out(&standing, &[plan], Resumption { journal: Some(journal), wish: request.wish, typed: target.into() })
}

pub(super) fn redo(context: &Context, count: u32, lock_wait: Option<Duration>) -> Result<()> {
    // A file that is being written changes all the time: what `redo` undoes and applies again is not compared.
    let wanted = |_: &Config| Wanted { bodies: true, checksums: false };
    let (workspace, database) = Workspace::open_connected(context, wanted)?;
    let (mut run, standing) = Run::begin(context, &workspace, database, lock_wait)?;
    let applied = workspace.applied(&standing.rows)?;
    let last = Target { branch: None, point: Point::Away(None, Walk::Down(count)) };
    let down = match plan::downgrade(&workspace.graph, &applied, &last) {
        Err(PlanError::NotEnoughSteps { possible: 0, .. }) => {
            return Err(Error::failed("there is nothing to redo: nothing is applied").hint("aludel upgrade +1"));
        }
        // The last revision is a merge: going down to any of its parents undoes it alone.
        Err(PlanError::AmbiguousWalk { candidates, .. }) if count == 1 && applied.rows().len() == 1 => {
            let parent = Target::named(workspace.graph.id(candidates[0]).clone());
            make_plan(&workspace, &applied, &parent, Direction::Downgrade)?
        }
        plan => plan.map_err(|error| workspace.explain(&error))?,
    };
    let up = plan::back(&workspace.graph, &down);
    let journal = Journal { rows: &standing.progress, applied: &applied };
    run.carry_out(
        &standing,
        &[down, up],
        Resumption { journal: Some(journal), wish: Wish::Safe, typed: Typed::Counted },
    )
}

pub(super) fn repair(context: &Context, targets: &[Target], lock_wait: Option<Duration>) -> Result<()> {
    let wanted = |_: &Config| Wanted { bodies: true, checksums: true };
    let (workspace, database) = Workspace::open_connected(context, wanted)?;
    let (mut run, standing) = Run::begin(context, &workspace, database, lock_wait)?;
    let applied = workspace.applied(&standing.rows)?;
    let mut named = Vec::new();
    for target in targets {
        let landings =
            plan::find(&workspace.graph, Some(&applied), target).map_err(|error| workspace.explain(&error))?;
        named.extend(landings.into_iter().filter_map(Landing::revision));
    }
    if let Some(node) = named.iter().find(|node| !applied.contains(**node)) {
        let id = workspace.graph.id(*node);
        return Err(
            Error::failed(format!("{id} is not applied: its file may change as it likes")).note("nothing was accepted")
        );
    }
    let mut changed = changed::find(&workspace, &applied, run.locked.session())?;
    changed.retain(|changed| targets.is_empty() || named.contains(&changed.node));
    if changed.is_empty() {
        let of = if named.is_empty() { String::new() } else { format!(" of {}", spoken(&workspace.ids(&named))) };
        context.ui.status(format_args!("nothing to do: no file{of} was changed after it was applied"));
        return Ok(());
    }
    let nodes: Vec<Node> = changed.iter().map(|changed| changed.node).collect();
    let prepared = lower::repair(&workspace, context, &nodes, &standing.rows, run.author())?;
    run.locked.execute(&prepared.program, &prepared.bodies, &mut Silent)?;
    for line in changed.iter().map(|changed| changed.line(&workspace)) {
        context.ui.done("accepted", line);
    }
    Ok(())
}

pub(super) fn stamp(context: &Context, request: StampRequest) -> Result<()> {
    let workspace = Workspace::open(context)?;
    let targets: Vec<Target> = request.targets.iter().map(|route| route.to.clone()).collect();
    let purge = if request.purge { Purge::Yes } else { Purge::No };
    let explain = |error: PlanError| workspace.explain(&error);
    // Of `stamp 001 002` Alembic keeps the one that the database was not at; which one is meant cannot be known.
    if let Some(overlap) = plan::start(&workspace.graph, &targets).map_err(explain)?.overlap(&workspace.graph) {
        return Err(workspace.explain(&PlanError::OverlappingTargets(overlap)).note("nothing was changed"));
    }
    if request.sql {
        let start = start_of(&workspace, &request.from, request.targets.iter().find_map(|route| route.from.as_ref()))?;
        let rows = start.map_or_else(Vec::new, |start| workspace.ids(start.rows()));
        let stamp = plan::stamp(&workspace.graph, &rows, &targets, purge).map_err(explain)?;
        let expected = if request.purge { Expected::Anything } else { Expected::Rows(rows) };
        let prepared = lower::stamp(
            &workspace,
            &stamp,
            expected,
            request.purge,
            decided(&workspace, &stamp),
            author_of_a_script(&workspace.config),
        )?;
        let heading = format!("stamp {}", spoken(&workspace.ids(&stamp.rows)));
        return offline::write(&prepared.program, &prepared.bodies, &heading, context.ui);
    }
    if let Some(route) = request.targets.iter().find(|route| route.from.is_some()) {
        return Err(range_needs_sql(route));
    }
    let database = connect(&workspace.config, context)?;
    let (mut run, standing) = Run::begin(context, &workspace, database, request.lock_wait)?;
    let stamp = plan::stamp(&workspace.graph, &standing.rows, &targets, purge).map_err(explain)?;
    let (decided, beside): (Vec<&Progress>, Vec<&Progress>) =
        standing.progress.iter().partition(|progress| ends(&workspace, &stamp, request.purge, progress));
    beside.iter().for_each(|progress| context.ui.status(explain::unfinished(progress)));
    if stamp.delete.is_empty() && stamp.insert.is_empty() && standing.version_table && decided.is_empty() {
        context.ui.status(format_args!("nothing to do: the database is stamped {} already", spoken(&standing.rows)));
        return Ok(());
    }
    run.stamp(&standing, &stamp, request.purge, &decided)
}

/// Whether a stamp ends what stopped partway.
fn ends(workspace: &Workspace, stamp: &Stamp, purge: bool, progress: &Progress) -> bool {
    purge || workspace.graph.find(&progress.revision).is_some_and(|node| stamp.decides.contains(node))
}

/// What of the journal goes with a stamp on paper, where nobody knows what is in it.
fn decided(workspace: &Workspace, stamp: &Stamp) -> Clears {
    if stamp.decides.len() == workspace.graph.len() {
        return Clears::All;
    }
    Clears::These(workspace.ids(&stamp.decides.iter().collect::<Vec<Node>>()))
}

pub(super) fn show_plan(context: &Context, request: Request, json: bool) -> Result<()> {
    let workspace = Workspace::open_to_run(context)?;
    let (applied, progress) = match start_of(&workspace, &request.from, request.route.from.as_ref())? {
        Some(start) => (start, None),
        None => {
            let standing = workspace.standing(context)?;
            (workspace.applied(&standing.rows)?, Some(standing.progress))
        }
    };
    refuse_backwards(&workspace, &request, &applied)?;
    let target = &request.route.to;
    let plan = make_plan(&workspace, &applied, target, request.direction)?;
    warn_beside_branch(context, &workspace, &plan, target);
    let journal = progress.as_ref().map(|progress| Journal { rows: progress, applied: &applied });
    let resumption = Resumption { journal, wish: request.wish, typed: target.into() };
    let prepared = lower::plan(
        &workspace,
        context,
        std::slice::from_ref(&plan),
        author_of_a_script(&workspace.config),
        resumption,
    )?;
    let ui = context.ui;
    prepared.warnings.iter().for_each(|warning| ui.warning(warning));
    prepared.remarks.iter().for_each(|remark| ui.status(remark));
    let rows_before = workspace.ids(plan.rows_before());
    let rows_after = workspace.ids(plan.rows_after());
    if json {
        let steps = plan.nodes().zip(&prepared.program.steps).map(|(node, step)| StepView::new(&workspace, node, step));
        ui.json(&PlanView { direction: verb(request.direction), rows_before, rows_after, steps: steps.collect() });
        return Ok(());
    }
    for (index, (node, step)) in plan.nodes().zip(&prepared.program.steps).enumerate() {
        let bare = if step.is_in_parts() { " (not in one transaction)" } else { "" };
        ui.line(format_args!("{}{bare}", arrow(&workspace, node, request.direction)));
        if ui.is_verbose() {
            effects(&prepared, index)?.iter().for_each(|effect| ui.line(format_args!("    {effect}")));
        }
    }
    if plan.steps().is_empty() {
        ui.status(format_args!("nothing to do: {}", at(&rows_before)));
    } else {
        let count = counted(plan.steps().len(), "revision");
        ui.status(format_args!("{count}, from {} to {}", spoken(&rows_before), spoken(&rows_after)));
    }
    Ok(())
}

/// What a step's statements create, change and drop, as far as their text says it; the rest (data, functions' work) is
/// not listed.
fn effects(prepared: &Prepared, step: usize) -> Result<Vec<Effect>> {
    let mut body = prepared.bodies.open(step)?;
    let mut effects = Vec::new();
    while let Some(batch) = body.next_batch().map_err(|error| prepared.bodies.explain(&error))? {
        for range in &batch.statements {
            // What the parser cannot read is left to the server to judge.
            effects.extend(classify::effects(&batch.text[range.clone()]).unwrap_or_default());
        }
    }
    Ok(effects)
}

/// `upgrade 001 -> 002, v2.1 features`, `downgrade 002 -> 001, v2.1 features`.
fn arrow(workspace: &Workspace, node: Node, direction: Direction) -> String {
    let graph = &workspace.graph;
    let parents: Vec<&str> = graph.parents(node).map(|parent| graph.id(parent).as_str()).collect();
    let below = if parents.is_empty() { "<base>".to_owned() } else { parents.join(", ") };
    let revision = graph.revision(node);
    let message = if revision.message.is_empty() { String::new() } else { format!(", {}", revision.message) };
    match direction {
        Direction::Upgrade => format!("upgrade {below} -> {}{message}", revision.id),
        Direction::Downgrade => format!("downgrade {} -> {below}{message}", revision.id),
    }
}

fn verb(direction: Direction) -> &'static str {
    match direction {
        Direction::Upgrade => "upgrade",
        Direction::Downgrade => "downgrade",
    }
}

/// A plan as JSON; the fields are documented in docs/json.md and only ever added to.
#[derive(Serialize)]
struct PlanView<'a> {
    direction: &'static str,
    rows_before: Vec<String>,
    rows_after: Vec<String>,
    steps: Vec<StepView<'a>>,
}

#[derive(Serialize)]
struct StepView<'a> {
    revision: &'a str,
    message: &'a str,
    file: String,
    checksum: Option<&'a str>,
    one_transaction: bool,
    delete_rows: &'a [String],
    insert_rows: &'a [String],
}

impl<'a> StepView<'a> {
    fn new(workspace: &'a Workspace, node: Node, step: &'a ProgramStep) -> Self {
        let revision = workspace.graph.revision(node);
        Self {
            revision: revision.id.as_str(),
            message: &revision.message,
            file: workspace.path(node).into_owned(),
            checksum: step.record.checksum.as_deref(),
            one_transaction: !step.is_in_parts(),
            delete_rows: &step.record.delete,
            insert_rows: &step.record.insert,
        }
    }
}

/// Prints the program instead of running it.
fn write_sql(context: &Context, workspace: &Workspace, request: &Request) -> Result<()> {
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
    let prepared =
        lower::plan(workspace, context, &[plan], author_of_a_script(&workspace.config), Resumption::default())?;
    prepared.warnings.iter().for_each(|warning| context.ui.warning(warning));
    offline::write(&prepared.program, &prepared.bodies, &heading, context.ui)
}

/// Where a database is taken to stand, if the command line says so: `--from a,b`, or the left side of `a:b`.
fn start_of(workspace: &Workspace, from: &Option<Vec<Target>>, left: Option<&Target>) -> Result<Option<Applied>> {
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
fn refuse_backwards(workspace: &Workspace, request: &Request, start: &Applied) -> Result<()> {
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

fn make_plan(workspace: &Workspace, applied: &Applied, target: &Target, direction: Direction) -> Result<Plan> {
    let plan = match direction {
        Direction::Upgrade => plan::upgrade(&workspace.graph, applied, target),
        Direction::Downgrade => plan::downgrade(&workspace.graph, applied, target),
    };
    plan.map_err(|error| workspace.explain(&error))
}

/// Alembic's meaning of `label@base`: with a single base, the other branches go too. Said before it happens.
fn warn_beside_branch(context: &Context, workspace: &Workspace, plan: &Plan, target: &Target) {
    let Some(branch) = &target.branch else { return };
    if plan.direction() != Direction::Downgrade {
        return;
    }
    let beside = plan::beside_branch(&workspace.graph, plan, branch).unwrap_or_default();
    if !beside.is_empty() {
        let ids = workspace.ids(&beside).join(", ");
        context.ui.warning(format_args!("also undone, though not in the branch `{branch}`: {ids}"));
    }
}

fn only_a_target(route: &Route, direction: Direction) -> Result<&Target> {
    match &route.from {
        None => Ok(&route.to),
        Some(_) => Err(range_needs_sql(route).hint(format!("aludel {} {}", verb(direction), route.to))),
    }
}

fn range_needs_sql(route: &Route) -> Error {
    Error::usage(format!("the range `{route}` is for --sql: a connected run starts from where the database stands"))
}

pub(super) fn ensure_version(context: &Context, sql: bool) -> Result<()> {
    let config = load_config(context)?;
    // No revision is read, so only what the configuration itself would have read is known to be passed over.
    if let Some(name) = config.unread_x().into_iter().find(|name| config.reads_x_elsewhere(name)) {
        return Err(config.refuse_x(name));
    }
    if sql {
        context.ui.raw(&tables(&config).create());
        return Ok(());
    }
    let Database { session, server: _server } = connect(&config, context)?;
    let (mut locked, standing) = lock(context, &config, session, None)?;
    locked.create_tables(&standing, false)?;
    if standing.version_table && standing.history_table {
        context.ui.status("nothing to do: the tables are there");
    } else {
        context.ui.done("created", format_args!("the version and history tables on {}", standing.place));
    }
    Ok(())
}

/// Takes the lock, saying so where it has to wait.
fn lock(context: &Context, config: &Config, session: Session, wait: Option<Duration>) -> Result<(Locked, Standing)> {
    let wait = wait.unwrap_or(config.settings.lock_wait.value);
    let mut waited = false;
    let told = |holder: Option<&Holder>| {
        waited = true;
        let holder = holder.map_or_else(|| "another run".to_owned(), Holder::to_string);
        context.ui.status(format_args!("waiting up to {} for the lock, held by {holder}", ui::duration(wait)));
    };
    let (mut locked, standing) = session.lock(wait, told)?;
    if waited {
        locked.session().ask_for_texts_again();
    }
    Ok((locked, standing))
}

/// A run that holds the lock.
struct Run<'a> {
    context: &'a Context<'a>,
    workspace: &'a Workspace,
    // Dropped before the private server, which stays for as long as it is used.
    locked: Locked,
    _server: Option<Running>,
}

impl<'a> Run<'a> {
    /// Takes the lock and reads where the database stands.
    fn begin(
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
        Ok((Self { context, workspace, locked, _server: server }, standing))
    }

    /// Runs plans, one after the other, and says how it went.
    fn carry_out(&mut self, standing: &Standing, plans: &[Plan], resumption: Resumption) -> Result<()> {
        let ui = self.context.ui;
        let rows = plans.last().map_or_else(Vec::new, |plan| self.workspace.ids(plan.rows_after()));
        if plans.iter().all(|plan| plan.steps().is_empty()) && resumption.is_empty() {
            ui.status(format_args!("nothing to do: {}", at(&rows)));
            return Ok(());
        }
        let (workspace, context, author) = (self.workspace, self.context, self.author());
        let prepared =
            self.locked.session().alive_while(|| lower::plan(workspace, context, plans, author, resumption))?;
        lower::check_widths(&prepared.program, standing)?;
        if self.locked.pooling() == Some(Pooling::Transaction) {
            self.locked.session().alive_while(|| lower::check_pooled(&prepared))?;
        }
        prepared.warnings.iter().for_each(|warning| ui.warning(warning));
        prepared.remarks.iter().for_each(|remark| ui.status(remark));
        if prepared.program.steps.is_empty() {
            ui.status(format_args!("nothing to do: {}", at(&rows)));
            return Ok(());
        }
        self.execute(standing, &prepared)?;
        ui.done("done", format_args!("{}; {}", prepared.summary(), at(&rows)));
        Ok(())
    }

    /// Stamps the database, which ends what `decided` says stopped partway.
    fn stamp(&mut self, standing: &Standing, stamp: &Stamp, purge: bool, decided: &[&Progress]) -> Result<()> {
        let expected = Expected::Rows(standing.rows.clone());
        let clears = match decided {
            [] => Clears::Nothing,
            _ if purge => Clears::All,
            _ => Clears::These(decided.iter().map(|progress| progress.revision.clone()).collect()),
        };
        let prepared = lower::stamp(self.workspace, stamp, expected, purge, clears, self.author())?;
        lower::check_widths(&prepared.program, standing)?;
        decided.iter().for_each(|progress| self.context.ui.status(explain::ended_by_stamp(progress)));
        self.locked.create_tables(standing, false)?;
        self.locked.execute(&prepared.program, &prepared.bodies, &mut Silent)?;
        let (before, after) = (spoken(&standing.rows), spoken(&self.workspace.ids(&stamp.rows)));
        self.context.ui.done("stamped", format_args!("{after} (it was {before}); nothing was run"));
        // Of a merge's two sides, a stamp at one forgets the other; `upgrade` would run it again.
        let graph = &self.workspace.graph;
        let known = standing.rows.iter().filter(|row| graph.find(row).is_some());
        let (before, after) = (
            self.workspace.applied(&known.cloned().collect::<Vec<_>>())?,
            Applied::from_nodes(graph, stamp.rows.iter().copied()),
        );
        let forgotten: Vec<Node> =
            graph.nodes().filter(|node| before.contains(*node) && !after.contains(*node)).collect();
        match forgotten.len() {
            0 => {}
            1..=8 => self
                .context
                .ui
                .status(format_args!("no longer taken for applied: {}", self.workspace.ids(&forgotten).join(", "))),
            many => self.context.ui.status(format_args!("no longer taken for applied: {many} revisions")),
        }
        Ok(())
    }

    fn execute(&mut self, standing: &Standing, prepared: &Prepared) -> Result<()> {
        self.locked.create_tables(standing, prepared.program.has_journal())?;
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
            role: role(&self.workspace.config),
        }
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.locked.give_back().iter().for_each(|doubt| self.context.ui.warning(doubt));
    }
}

/// The author of a printed script: the same whenever and wherever it is printed.
fn author_of_a_script(config: &Config) -> Author {
    Author { run: "sql".to_owned(), user: None, host: None, tool: tool(), role: role(config) }
}

fn tool() -> String {
    concat!("aludel ", env!("CARGO_PKG_VERSION")).to_owned()
}

/// Tells the user what a program does.
struct Narrator<'a> {
    ui: &'a Ui,
    prepared: &'a Prepared<'a>,
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
        let verb = match self.prepared.program.steps[step].record.action {
            Action::Upgrade => "upgraded",
            Action::Downgrade => "downgraded",
            Action::Stamp => "stamped",
            Action::Repair => "accepted",
        };
        self.ui.done(verb, format_args!("{} ({})", self.prepared.name(step), ui::duration(time)));
    }

    fn notice(&mut self, step: usize, notice: &ServerError) {
        let revision = &self.prepared.program.steps[step].record.revision;
        let mut text = format!("{revision}: {}", notice.message);
        for more in [&notice.detail, &notice.hint].into_iter().flatten() {
            text.push_str("\n  ");
            text.push_str(more);
        }
        if notice.severity == Severity::Warning {
            self.ui.warning(text);
        } else {
            self.ui.status(format_args!("notice: {text}"));
        }
    }

    fn waiting(&mut self, step: usize, time: Duration, blockers: &[String]) {
        let first = self.told.is_zero();
        if first || time.saturating_sub(self.told) >= STILL {
            let name = self.prepared.name(step);
            self.told = time;
            self.ui.status(format_args!("running {name} ({})", ui::duration(time)));
            for blocker in blockers {
                self.ui.status(format_args!("  it waits for {blocker}"));
            }
        }
    }

    fn again(&mut self, step: usize, why: &str, blockers: &[String]) {
        self.told = Duration::ZERO;
        self.ui.status(format_args!("{}: {why}; rolled back, trying again", self.prepared.name(step)));
        for blocker in blockers {
            self.ui.status(format_args!("  it waited for {blocker}"));
        }
    }

    fn interrupted(&mut self, signal: u8) {
        self.ui.warning(format_args!(
            "{}: cancelling what runs; a second signal leaves at once, and the server then finishes or rolls back by itself",
            interrupt::name(signal)
        ));
    }

    fn settled(&mut self, step: usize, what: &Settled) {
        let revision = &self.prepared.program.steps[step].record.revision;
        self.ui.status(match what {
            Settled::Remains(index) => {
                self.ui.warning(format_args!(
                    "{revision}: index {index} is not valid; a REINDEX that was cut short leaves such ones"
                ));
                return self.ui.hint(format_args!("where none is under way: DROP INDEX CONCURRENTLY {index};"));
            }
            Settled::CarriedOut(statement) => format!("{revision}: statement {statement} was carried out before"),
            Settled::LeftOver(index) => {
                format!("{revision}: index {index} was left behind, not valid; dropping it first")
            }
        });
    }

    fn recovering(&mut self, why: &str) {
        self.ui.warning(format_args!("{why}; connecting again to find out what was committed"));
    }
}

/// For what takes no time.
struct Silent;

impl Observer for Silent {
    fn started(&mut self, _: usize) {}
    fn finished(&mut self, _: usize, _: Duration) {}
    fn notice(&mut self, _: usize, _: &ServerError) {}
    fn waiting(&mut self, _: usize, _: Duration, _: &[String]) {}
    fn again(&mut self, _: usize, _: &str, _: &[String]) {}
    fn interrupted(&mut self, _: u8) {}
    fn recovering(&mut self, _: &str) {}
    fn settled(&mut self, _: usize, _: &Settled) {}
}

/// `at 003, 004`, or that nothing is applied.
fn at(rows: &[String]) -> String {
    if rows.is_empty() { "nothing is applied".to_owned() } else { format!("at {}", rows.join(", ")) }
}

/// `003, 004`, or `base`.
fn spoken(rows: &[String]) -> String {
    if rows.is_empty() { "base".to_owned() } else { rows.join(", ") }
}
