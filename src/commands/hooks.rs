//! What the settings want run around a run (`before_upgrade`, `after_upgrade`, ..., `on_failure`): programs and SQL files, in the order
//! written, under the run's lock.
//!
//! A program is told where the database is in libpq's variables, and what is run as JSON on its standard input. What it writes is told
//! to the listeners. What it means is not known here: a hook that fails has failed.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anstream::adapter::strip_str;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde::Serialize;
use serde_json::Value;

use super::Context;
use super::event::{Event, Listener as _, Step, Told};
use super::lower::{Prepared, check_leftovers};
use super::plan::PlanView;
use super::run::{spoken, verb};
use super::workspace::{Workspace, covers, tables};
use crate::child;
use crate::config::{self, Hook, Sourced};
use crate::database::execute::Bodies;
use crate::database::interrupt::{self, Interrupt};
use crate::database::lock::Locked;
use crate::database::session::Standing;
use crate::error::{Error, Kind, Result};
use crate::explain;
use crate::model::bookkeeping::{self, Action, Author, Clears, Expected, Record};
use crate::model::plan::{Direction, Plan};
use crate::model::program::{Again, Program, ProgramStep, SectionUse, TransactionScope};
use crate::model::sql::body::{Body, Form};
use crate::model::sql::check::{self, BodySummary, Savepoints};
use crate::model::sql::checksum::Checksum;
use crate::model::sql::marker::SectionKind;
use crate::model::sql::problem::BodyError;
use crate::offline::Around;
use crate::secret::{Covers, Secret};
use crate::ui::duration;

/// How often a running program is looked after.
const LOOK: Duration = Duration::from_millis(50);
/// The same where it has closed its output: it is about to end.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a program may take to end once it was asked to.
const GRACE: Duration = Duration::from_secs(10);
/// How long its output is waited for when it has ended, and how many lines of it are told: what it started may hold the other end,
/// and go on writing.
const REST: (Duration, usize) = (Duration::from_secs(1), 100_000);
/// How much of a line is told at once.
const LONGEST_LINE: usize = 8 * 1024;
/// So many lines wait to be told; whoever writes more waits.
const LINES: usize = 256;

/// So many of the last lines tell why it failed, where nobody has seen them.
const LAST: usize = 10;

/// Names the run to its programs, as the history has it.
pub(super) const RUN_VARIABLE: &str = "ALUDEL_RUN";

/// The hooks behind a failure.
const ON_FAILURE: &str = "on_failure";

/// The hooks of one run.
pub(super) struct Hooks<'a> {
    context: &'a Context<'a>,
    workspace: &'a Workspace,
    author: &'a Author,
    /// Each direction of the run, with the plan as JSON.
    plans: Vec<(Direction, Value)>,
    /// The whole run.
    run: (&'static str, Value),
    rows_before: Vec<String>,
    rows_after: Vec<String>,
    /// The SQL files, as they were found right.
    scripts: BTreeMap<PathBuf, BodySummary>,
}

/// When hooks are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Before,
    After,
    Failed,
}

/// A hook for whoever is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) when: When,
    pub(super) setting: &'static str,
    /// As a person reads it.
    pub(super) name: String,
    /// Its SQL file.
    script: Option<PathBuf>,
    /// Of the text of that file.
    checksum: Option<Checksum>,
}

impl Named {
    /// Its statements, where it is an SQL file.
    pub(super) fn script(&self) -> Option<impl Bodies + use<>> {
        self.script.clone().map(|path| Script { path })
    }
}

/// What a program is told on its standard input: a plan as `plan --json` prints it, and this.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    plan: &'a Value,
    hook: &'a str,
    run: &'a str,
    outcome: Option<&'a str>,
    seconds: Option<f64>,
    error: Option<String>,
}

/// How a run ended, for the hooks behind it.
#[derive(Clone, Copy, Default)]
struct Ended<'a> {
    outcome: Option<&'a str>,
    time: Option<Duration>,
    error: Option<&'a Error>,
}

/// A hook that is run now.
struct Running<'a> {
    /// The setting it stands in.
    setting: &'static str,
    hook: &'a Sourced<Hook>,
    direction: &'static str,
    plan: &'a Value,
    ended: Ended<'a>,
    /// The rows that the database is at; nothing where that is not known.
    rows: Option<&'a [String]>,
}

impl<'a> Hooks<'a> {
    /// The hooks for plans that follow one another; their SQL files are read and checked.
    ///
    /// # Errors
    /// What is wrong with them: then nothing may be run.
    pub(super) fn new(
        context: &'a Context<'a>,
        workspace: &'a Workspace,
        plans: &[Plan],
        prepared: &'a Prepared,
        standing: &Standing,
    ) -> Result<Self> {
        let scripts = scripts(context, workspace, plans).map_err(|error| error.note("nothing was run"))?;
        // Only a program is told of it.
        let view = |hooks: &[&[Sourced<Hook>]], direction, rows, sources: Vec<_>| {
            let is_read = hooks.iter().copied().flatten().any(|hook| matches!(hook.value, Hook::Command(_)));
            let view = is_read.then(|| PlanView::new(workspace, direction, rows, sources.into_iter()));
            serde_json::to_value(view).unwrap_or_default()
        };
        let mut sources = prepared.sources();
        let mut each = Vec::with_capacity(plans.len());
        for (index, plan) in plans.iter().enumerate() {
            let rows = (plan.rows_before(), plan.rows_after());
            // Behind the last one's steps stand repeatable files.
            let count = if index + 1 == plans.len() { usize::MAX } else { plan.steps().len() };
            let sources = sources.by_ref().take(count).collect();
            let hooks = [When::Before, When::After].map(|when| around(workspace, when, plan.direction()).1);
            each.push((plan.direction(), view(&hooks, verb(plan.direction()), rows, sources)));
        }
        let direction = if plans.len() > 1 { "redo" } else { plans.first().map_or("", |plan| verb(plan.direction())) };
        let rows = (plans.first().map_or(&[][..], Plan::rows_before), plans.last().map_or(&[][..], Plan::rows_after));
        let on_failure = &workspace.config.settings.hooks.on_failure;
        Ok(Self {
            context,
            workspace,
            author: &prepared.program.author,
            plans: each,
            run: (direction, view(&[on_failure], direction, rows, prepared.sources().collect())),
            rows_before: standing.rows.clone(),
            rows_after: workspace.ids(rows.1),
            scripts,
        })
    }

    /// Refuses SQL that leaves something to other clients of a pooler in transaction mode.
    pub(super) fn check_pooled(&self) -> Result<()> {
        check_pooled(&self.scripts).map_err(|error| error.note("nothing was run"))
    }

    /// All of them as they are now, in the order in which they may be run.
    pub(super) fn named(&self) -> Vec<Named> {
        let each = |when| self.plans.iter().map(move |(direction, _)| (when, *direction));
        let failed = each(When::Failed).take(1);
        let mut named = Vec::new();
        for (when, direction) in each(When::Before).chain(each(When::After)).chain(failed) {
            let (setting, hooks) = around(self.workspace, when, direction);
            named.extend(hooks.iter().map(|hook| {
                let script = match &hook.value {
                    Hook::Sql(path) => Some(path.clone()),
                    Hook::Command(_) => None,
                };
                let checksum = script.as_ref().and_then(|path| self.scripts.get(path)).map(|summary| summary.checksum);
                Named { when, setting, name: name(setting, &hook.value), script, checksum }
            }));
        }
        named
    }

    /// Runs what is to be run before the steps.
    ///
    /// # Errors
    /// One failed, or the lock is lost: then nothing may be run.
    pub(super) fn before(&self, locked: &mut Locked, standing: &Standing) -> Result<()> {
        let result = self.each(When::Before, locked, Some(standing), Ended::default(), &self.rows_before);
        result.map_err(|error| error.note("no revision was run"))
    }

    /// Runs what is to be run when all steps are done, which took `time`.
    ///
    /// # Errors
    /// One failed; the steps stay done.
    pub(super) fn after(&self, locked: &mut Locked, time: Duration) -> Result<()> {
        let ended = Ended { outcome: Some("done"), time: Some(time), error: None };
        let result = self.each(When::After, locked, None, ended, &self.rows_after);
        result.map_err(|error| {
            // What failed may be just that it is elsewhere.
            let at = locked.session().standing().map_or_else(|_| self.rows_after.clone(), |standing| standing.rows);
            let stays = bookkeeping::spoken(&at) == bookkeeping::spoken(&self.rows_after);
            let error = if error.kind() == Kind::Failed { error.kind_of(Kind::AfterHook) } else { error };
            let error = error.note(format!("the {} itself is done: the database is at {}", self.run.0, spoken(&at)));
            match stays {
                true => error.hint("run what is left by hand: the next run finds nothing to do, and runs no hooks"),
                false => error,
            }
        })
    }

    /// Runs what is to be run when the run, or a hook of it, has failed. What fails here is no more than warned of.
    pub(super) fn on_failure(&self, locked: &mut Locked, time: Duration, error: &Error) {
        let outcome = if matches!(error.kind(), Kind::Signal(_)) { "interrupted" } else { "failed" };
        let ended = Ended { outcome: Some(outcome), time: Some(time), error: Some(error) };
        let hooks = &self.workspace.config.settings.hooks.on_failure;
        // Of no use to the hooks: a session that cannot be asked any more ends no hook.
        let rows = |locked: &mut Locked| locked.session().standing().map(|standing| standing.rows).ok();
        let before = if hooks.is_empty() { None } else { rows(locked) };
        for hook in hooks {
            let (direction, plan) = (self.run.0, &self.run.1);
            let running = Running { setting: ON_FAILURE, hook, direction, plan, ended, rows: None };
            if let Err(error) = self.run(&running, locked) {
                let notes: String = error.notes().iter().map(|note| format!("\n  {note}")).collect();
                self.context.warning(format_args!("{error} ({}){notes}", hook.origin));
            }
        }
        if let Some(before) = before
            && let Some(behind) = rows(locked)
            && before != behind
        {
            let (from, to, table) = (spoken(&before), spoken(&behind), tables(&self.workspace.config).version());
            self.context
                .warning(format_args!("{ON_FAILURE} has changed {table}: the database was at {from}, and is at {to}"));
        }
    }

    fn each(
        &self,
        when: When,
        locked: &mut Locked,
        standing: Option<&Standing>,
        ended: Ended,
        rows: &[String],
    ) -> Result<()> {
        for (direction, plan) in &self.plans {
            let (setting, hooks) = around(self.workspace, when, *direction);
            for hook in hooks {
                let direction = verb(*direction);
                if let (Hook::Sql(_), Some(standing)) = (&hook.value, standing) {
                    // Its transaction looks where the database stands, as every other does.
                    locked.create_tables(standing, false)?;
                }
                let running = Running { setting, hook, direction, plan, ended, rows: Some(rows) };
                self.run(&running, locked)?;
                if matches!(hook.value, Hook::Command(_)) {
                    self.check_behind(&running, rows, locked)?;
                }
            }
        }
        Ok(())
    }

    /// Makes sure behind a program, which can do anything, that the lock is still held and that the database stands where it stood.
    fn check_behind(&self, running: &Running, rows: &[String], locked: &mut Locked) -> Result<()> {
        locked.check()?;
        let standing = locked.session().standing()?;
        if bookkeeping::spoken(&standing.rows) == bookkeeping::spoken(rows) {
            return Ok(());
        }
        let (from, to) = (spoken(rows), spoken(&standing.rows));
        let error = Error::failed(format!("the database was at {from}, and is at {to} behind {}", running.setting))
            .note(format!("the program has changed {}", tables(&self.workspace.config).version()))
            .hint("take that out of it; `aludel stamp` sets rows");
        Err(running.hook.origin.excerpt().cloned().into_iter().fold(error, Error::at))
    }

    fn run(&self, running: &Running, locked: &mut Locked) -> Result<()> {
        let result = match &running.hook.value {
            Hook::Command(command) => self.command(running, command, locked),
            Hook::Sql(path) => self.script(running, path, locked),
        };
        result.map_err(|error| match running.hook.origin.excerpt() {
            // An error in a file has its place there.
            Some(excerpt) if error.excerpts().is_empty() => error.at(excerpt.clone()),
            Some(excerpt) => {
                error.note(format!("in {}, which {}:{} asks for", running.setting, excerpt.path, excerpt.place.line))
            }
            None => error,
        })
    }

    /// Runs an SQL file in a transaction of the run's own session.
    fn script(&self, running: &Running, path: &Path, locked: &mut Locked) -> Result<()> {
        let Some(summary) = self.scripts.get(path) else { return Ok(()) };
        let expected = running.rows.map_or(Expected::Anything, |rows| Expected::Rows(rows.to_vec()));
        let program = program(self.workspace, self.author, running.setting, path, summary, expected)?;
        let name = |_| name(running.setting, &running.hook.value);
        let mut told = Told { listener: &self.context.listeners, program: &program, name: &name };
        // The session as the run found it, for this and for what comes behind it.
        locked.put_back()?;
        locked.execute(&program, &Script { path: path.to_owned() }, &mut told)?;
        locked.put_back()
    }

    /// Runs a program, and meanwhile says to the server that the session is alive.
    fn command(&self, running: &Running, line: &config::Command, locked: &mut Locked) -> Result<()> {
        let Running { setting, hook, direction, plan, ended, .. } = running;
        let step = Step { index: 0, action: Action::Hook, revision: setting, name: name(setting, &hook.value) };
        let document = Document {
            plan,
            hook: setting,
            run: &self.author.run,
            outcome: ended.outcome,
            seconds: ended.time.map(|time| time.as_secs_f64()),
            error: ended.error.map(ToString::to_string),
        };
        let input = serde_json::to_vec(&document).unwrap_or_default();
        let mut command = std::process::Command::new(&line.words[0]);
        command.args(&line.words[1..]).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (variable, value) in locked.session().variables() {
            match value {
                Some(value) => command.env(variable, value.reveal()),
                None => command.env_remove(variable),
            };
        }
        let config = &self.workspace.config;
        let file = Path::new(config.path());
        command.env("ALUDEL_CONFIG", std::path::absolute(file).unwrap_or_else(|_| file.to_owned()));
        command.env("ALUDEL_HOOK", setting).env("ALUDEL_DIRECTION", direction).env(RUN_VARIABLE, &self.author.run);
        match config.name() {
            Some(name) => command.env("ALUDEL_ENV", &name.value),
            None => command.env_remove("ALUDEL_ENV"),
        };
        match &config.settings.role {
            Some(role) => command.env("ALUDEL_ROLE", &role.value),
            None => command.env_remove("ALUDEL_ROLE"),
        };
        let interrupt = locked.session().interrupt();
        let is_stopped = ended.error.is_some_and(|error| matches!(error.kind(), Kind::Signal(_)));
        let secrets = locked.session().secrets();
        let watch = Watch {
            context: self.context,
            step: &step,
            covers: self.covers(&secrets),
            interrupt,
            is_stopped,
            limit: config.settings.hook_timeout.value,
        };
        self.context.listeners.hear(&Event::Begun(&step));
        let began = Instant::now();
        let child = command.spawn().map_err(|cause| not_started(step.revision, line, cause))?;
        locked.session().alive_while(|| watch.attend(child, input))?;
        self.context.listeners.hear(&Event::Finished(&step, began.elapsed()));
        Ok(())
    }

    /// What nothing that a program writes may show.
    fn covers(&self, secrets: &[Secret]) -> Covers {
        let mut covers = covers(&self.workspace.config, self.context);
        covers.extend(secrets.iter().flat_map(Secret::forms));
        covers
    }
}

/// The hooks around a run that goes one way, and the setting they stand in.
fn around(workspace: &Workspace, when: When, direction: Direction) -> (&'static str, &[Sourced<Hook>]) {
    let settings = &workspace.config.settings.hooks;
    match (when, direction) {
        (When::Before, Direction::Upgrade) => ("before_upgrade", &settings.before_upgrade),
        (When::Before, Direction::Downgrade) => ("before_downgrade", &settings.before_downgrade),
        (When::After, Direction::Upgrade) => ("after_upgrade", &settings.after_upgrade),
        (When::After, Direction::Downgrade) => ("after_downgrade", &settings.after_downgrade),
        (When::Failed, _) => (ON_FAILURE, &settings.on_failure),
    }
}

/// The SQL files of the hooks around plans, as they were found right; their programs are there. What is missing behind the run would be
/// found when the revisions are applied, and the next run has nothing to do.
///
/// # Errors
/// Everything that is wrong with them.
pub(super) fn scripts(
    context: &Context,
    workspace: &Workspace,
    plans: &[Plan],
) -> Result<BTreeMap<PathBuf, BodySummary>> {
    let directions = || {
        [Direction::Upgrade, Direction::Downgrade]
            .into_iter()
            .filter(|way| plans.iter().any(|plan| plan.direction() == *way))
    };
    let around = [When::Before, When::After]
        .into_iter()
        .flat_map(|when| directions().map(move |way| around(workspace, when, way)));
    let (mut scripts, mut errors) = (BTreeMap::new(), Vec::new());
    for (setting, hooks) in around.chain([(ON_FAILURE, &workspace.config.settings.hooks.on_failure[..])]) {
        for hook in hooks {
            match &hook.value {
                Hook::Sql(path) => match check(setting, hook, path) {
                    Ok(summary) => _ = scripts.insert(path.clone(), summary),
                    Err(error) => errors.push(error),
                },
                Hook::Command(command) => {
                    let Some(path) = context.environment.get_os("PATH") else { continue };
                    let found = child::find(&command.words[0], path);
                    let error = found.map_err(|cause| not_started(setting, command, cause)).err();
                    errors.extend(error.map(|error| hook.origin.excerpt().cloned().into_iter().fold(error, Error::at)));
                }
            }
        }
    }
    Error::all(errors).map_or(Ok(scripts), Err)
}

/// Refuses SQL that leaves something to other clients of a pooler in transaction mode.
pub(super) fn check_pooled(scripts: &BTreeMap<PathBuf, BodySummary>) -> Result<()> {
    let errors = scripts.keys().filter_map(|path| check_leftovers(&Script { path: path.clone() }, 1).err());
    Error::all(errors).map_or(Ok(()), Err)
}

/// The hooks of a plan for paper, in databases at these rows: those before its steps, and those behind them.
///
/// # Errors
/// An SQL file that is not right.
pub(super) fn on_paper(
    workspace: &Workspace,
    author: &Author,
    direction: Direction,
    rows: (Vec<String>, Vec<String>),
) -> Result<(Vec<Around>, Vec<Around>)> {
    let all = |when: When, rows: Vec<String>| -> Result<Vec<Around>> {
        let (setting, hooks) = around(workspace, when, direction);
        let one = |hook: &Sourced<Hook>| match &hook.value {
            Hook::Command(_) => Ok(Around::Command(name(setting, &hook.value))),
            Hook::Sql(path) => {
                let summary = check(setting, hook, path)?;
                let program = program(workspace, author, setting, path, &summary, Expected::Rows(rows.clone()))?;
                Ok(Around::Sql(Box::new(program), Box::new(Script { path: path.clone() })))
            }
        };
        hooks.iter().map(one).collect()
    };
    Ok((all(When::Before, rows.0)?, all(When::After, rows.1)?))
}

/// A hook as a person reads it: ``before_upgrade `pg_dump -f x` ``.
fn name(setting: &str, hook: &Hook) -> String {
    format!("{setting} `{hook}`")
}

/// Reads an SQL file whole, and says what is wrong with it.
fn check(setting: &str, hook: &Sourced<Hook>, path: &Path) -> Result<BodySummary> {
    let shown = path.display().to_string();
    let place = |error: Error| hook.origin.excerpt().cloned().into_iter().fold(error, Error::at);
    let file = File::open(path).and_then(|file| match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(std::io::Error::other("it is no file")),
    });
    let file = file.map_err(|cause| {
        place(Error::failed(format!("{setting} cannot read `{shown}`")).cause(cause))
            .hint("the path is relative to the ini")
    })?;
    let wrong = |errors: Vec<BodyError>| explain::several(errors.iter().map(explain::hook_body).collect());
    let summary = check::check(shown.as_str(), file, Form::Script).map_err(wrong)?;
    if summary.sections.len() > 1 {
        return Err(place(Error::failed(format!("{setting}: `{shown}` has sections, as a revision has")))
            .hint("take the lines `-- migrate:...` out: a hook's SQL is one transaction"));
    }
    Ok(summary)
}

/// The program that runs an SQL file in a database at `expected`.
fn program(
    workspace: &Workspace,
    author: &Author,
    setting: &str,
    path: &Path,
    summary: &BodySummary,
    expected: Expected,
) -> Result<Program> {
    let statements = summary.sections.iter().map(|section| section.statements).sum();
    let step = ProgramStep {
        title: format!("{setting} ({})", path.display()),
        expected,
        record: Record {
            action: Action::Hook,
            revision: setting.to_owned(),
            checksum: Some(summary.checksum.to_string()),
            delete: Vec::new(),
            insert: Vec::new(),
            purge: false,
            clears: Clears::Nothing,
        },
        sections: vec![SectionUse { ordinal: 1, verifies: false, transaction: true, statements }],
        lock_timeout: None,
        statement_timeout: None,
        savepoints: summary.savepoints != Savepoints::None,
        begun: None,
        again: Again::Same,
    };
    Program::lower(vec![step], TransactionScope::Revision, tables(&workspace.config), author.clone())
        .map_err(|_| Error::failed("a hook is one transaction, and cannot be"))
}

/// An SQL file of a hook.
struct Script {
    path: PathBuf,
}

impl Bodies for Script {
    fn open(&self, _: usize) -> Result<Body<Box<dyn Read + '_>>> {
        let shown = self.path.display().to_string();
        let file =
            File::open(&self.path).map_err(|cause| Error::failed(format!("cannot read {shown}")).cause(cause))?;
        Ok(Body::new(shown.as_str(), Box::new(file), Form::Script, SectionKind::Upgrade))
    }

    fn explain(&self, error: &BodyError) -> Error {
        explain::hook_body(error).note("the file changed while it was being run")
    }
}

fn not_started(setting: &str, command: &config::Command, cause: std::io::Error) -> Error {
    let failed = |problem| Error::failed(format!("{setting} cannot run: {problem}"));
    let error = child::not_started(failed, &command.program(), &command.words[0], cause);
    match command.line.trim_end().ends_with(".sql") && command.words.len() == 1 {
        true => error.hint(format!("an SQL file is run by `{setting} = sql: {}`", command.line.trim())),
        false => error,
    }
}

/// Watches a program run.
struct Watch<'a> {
    context: &'a Context<'a>,
    step: &'a Step<'a>,
    covers: Covers,
    interrupt: Option<Interrupt>,
    /// A signal has ended the run already: the next one is the second.
    is_stopped: bool,
    /// How long it may take; zero is no limit.
    limit: Duration,
}

/// Why a program was asked to end.
#[derive(Clone, Copy)]
enum Asked {
    Signal(u8),
    Limit,
    /// It wants something of a terminal, which is the run's: the system has stopped it.
    Terminal,
}

impl Watch<'_> {
    /// Gives the program its input, tells what it writes, and waits for its end.
    fn attend(&self, mut child: Child, input: Vec<u8>) -> Result<()> {
        let mut last = VecDeque::new();
        let (sender, lines) = sync_channel(LINES);
        for pipe in [child.stdout.take().map(pipe), child.stderr.take().map(pipe)].into_iter().flatten() {
            let (sender, covers) = (sender.clone(), self.covers.clone());
            std::thread::spawn(move || read_lines(pipe, &covers, &sender));
        }
        drop(sender);
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read it is as good as one that does.
            std::thread::spawn(move || _ = stdin.write_all(&input));
        }
        let result = self.wait(&mut child, &lines, &mut last);
        self.interrupt.iter().for_each(Interrupt::watched);
        let (status, asked) = result
            .map_err(|cause| Error::failed(format!("{} cannot be waited for", self.step.revision)).cause(cause))?;
        self.tell_rest(&lines, &mut last);
        // Elsewhere it stands above the error.
        let said = Some(Vec::from(last).join("\n  ")).filter(|said| self.context.ui.is_quiet() && !said.is_empty());
        self.judge(status, asked)
            .map_err(|error| said.into_iter().fold(error, |error, said| error.note(format!("it said: {said}"))))
    }

    /// Tells what the program writes until it ends, and has it end where it must: how it ended, and why it was asked to.
    fn wait(
        &self,
        child: &mut Child,
        lines: &Receiver<Vec<u8>>,
        last: &mut VecDeque<String>,
    ) -> std::io::Result<(ExitStatus, Option<Asked>)> {
        let began = Instant::now();
        let mut asked: Option<(Asked, Instant)> = None;
        let mut is_stopped = self.is_stopped;
        if is_stopped {
            // That one is old news.
            let _ = self.interrupt.as_ref().and_then(Interrupt::next);
        }
        let mut looked = Instant::now();
        let mut told = Duration::ZERO;
        loop {
            let more = self.tell_next(lines, last);
            if more && looked.elapsed() < LOOK {
                continue;
            }
            looked = Instant::now();
            // It is looked at and left: its number stays its own until it is waited for.
            let options =
                WaitIdOptions::EXITED | WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            let state = waitid(WaitId::Pid(Pid::from_child(child)), options)?;
            if state.as_ref().is_some_and(|state| !state.stopped()) {
                if asked.is_some() {
                    // A shell's background jobs do not hear SIGINT.
                    send(child, Signal::TERM);
                }
                return Ok((child.wait()?, asked.map(|(asked, _)| asked)));
            }
            let time = began.elapsed();
            if time.as_secs() > told.as_secs() {
                told = time;
                self.context.listeners.hear(&Event::Waiting { step: self.step, time, blockers: &[] });
            }
            if let Some(signal) = self.interrupt.as_ref().and_then(Interrupt::next) {
                if std::mem::replace(&mut is_stopped, true) {
                    send(child, Signal::KILL);
                    interrupt::leave(signal);
                }
                self.context.listeners.hear(&Event::Interrupted(signal));
                asked = Some((Asked::Signal(signal), Instant::now()));
                send(child, Signal::from_named_raw(signal.into()).unwrap_or(Signal::TERM));
            }
            let wants_terminal = state
                .and_then(|state| state.stopping_signal())
                .is_some_and(|signal| [Signal::TTIN, Signal::TTOU].iter().any(|stop| stop.as_raw() == signal));
            match asked {
                None if wants_terminal => {
                    asked = Some((Asked::Terminal, Instant::now()));
                    send(child, Signal::TERM);
                }
                None if !self.limit.is_zero() && time >= self.limit => {
                    asked = Some((Asked::Limit, Instant::now()));
                    send(child, Signal::TERM);
                }
                Some((_, since)) if since.elapsed() >= GRACE => send(child, Signal::KILL),
                None | Some(_) => {}
            }
        }
    }

    /// Tells a line, or waits a little for one; false where none can come any more.
    fn tell_next(&self, lines: &Receiver<Vec<u8>>, last: &mut VecDeque<String>) -> bool {
        match lines.recv_timeout(LOOK) {
            Ok(line) => {
                self.tell(&line, last);
                true
            }
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(PAUSE);
                false
            }
        }
    }

    /// Tells what a program that has ended has written. What counts is the time for which there is nothing: whoever reads what is told
    /// may be slow.
    fn tell_rest(&self, lines: &Receiver<Vec<u8>>, last: &mut VecDeque<String>) {
        let (mut rest, most) = REST;
        for _ in 0..most {
            let began = Instant::now();
            let Ok(line) = lines.recv_timeout(rest) else { return };
            rest = rest.saturating_sub(began.elapsed());
            self.tell(&line, last);
        }
    }

    /// Tells a line, without its colours.
    fn tell(&self, line: &[u8], last: &mut VecDeque<String>) {
        let line = self.covers.cover(String::from_utf8_lossy(line).trim_end().to_owned());
        let line = strip_str(&line).to_string();
        self.context.listeners.hear(&Event::Said(self.step, &line));
        if last.len() == LAST {
            last.pop_front();
        }
        last.push_back(line);
    }

    fn judge(&self, status: ExitStatus, asked: Option<Asked>) -> Result<()> {
        let setting = self.step.revision;
        match asked {
            Some(Asked::Signal(signal)) => {
                let title = format!("stopped by {} while {setting} ran", interrupt::name(signal));
                Err(Error::new(Kind::Signal(signal), title))
            }
            Some(Asked::Limit) => Err(Error::failed(format!(
                "{setting} took longer than `hook_timeout` allows ({}), and was ended",
                duration(self.limit)
            ))),
            Some(Asked::Terminal) => Err(Error::failed(format!("{setting} asked at a terminal, and was ended"))
                .note("a hook has none: the terminal is the run's")
                .hint(
                    "have it go on without: by an option (`--no-password`, `--yes`), or by what it reads from a file",
                )),
            None if status.success() => Ok(()),
            None => Err(Error::failed(format!("{setting} failed: {status}"))),
        }
    }
}

/// Sends a signal to a program that was not waited for yet, and to what it has started.
fn send(child: &Child, signal: Signal) {
    let group = Pid::from_child(child);
    let _ = kill_process_group(group, signal);
    // What is stopped hears nothing.
    let _ = kill_process_group(group, Signal::CONT);
}

fn pipe(reader: impl Read + Send + 'static) -> Box<dyn Read + Send> {
    Box::new(reader)
}

/// Hands on what is written, line by line, a long one in pieces of which none begins or ends within what is to be covered.
fn read_lines(reader: Box<dyn Read + Send>, covers: &Covers, sender: &SyncSender<Vec<u8>>) {
    let mut reader = BufReader::new(reader);
    let most = LONGEST_LINE + covers.longest();
    let mut line = Vec::new();
    loop {
        let room = most.saturating_sub(line.len()) as u64;
        let read = reader.by_ref().take(room).read_until(b'\n', &mut line);
        let is_whole = line.ends_with(b"\n") || !matches!(read, Ok(1..));
        let cut = if is_whole || line.len() < most { line.len() } else { covers.cut(&line, LONGEST_LINE) };
        let rest = line.split_off(cut);
        if line.is_empty() || sender.send(std::mem::replace(&mut line, rest)).is_err() {
            return;
        }
    }
}
