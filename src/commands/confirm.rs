//! Asking a person before anything is changed: what would be run, where, and what would be lost.
//!
//! The question is asked before the lock is taken, so that a person at lunch keeps nobody else from the database. What was shown is
//! compared with what is found behind the lock: where they differ, nothing is run.

use clap::Args;

use super::Context;
use super::hooks::Hooks;
use super::lower::{self, Prepared};
use super::narrator::steps as count_of;
use super::plan::{effects, line};
use super::resume::{Journal, Resumption, Typed};
use super::run::spoken;
use super::workspace::Workspace;
use crate::database::session::{Session, Standing};
use crate::error::{Error, Result};
use crate::model::applied::Applied;
use crate::model::bookkeeping::{Action, Author};
use crate::model::journal::{Progress, Wish};
use crate::model::plan::Plan;
use crate::model::sql::classify::{Effect, Object, ObjectName};

/// The option of every command that may ask.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Consent {
    /// Do not ask: the answer is yes
    #[arg(short, long)]
    pub(super) yes: bool,

    /// Nobody can be asked, whatever this process's streams are.
    #[arg(skip)]
    alone: bool,
}

/// When a command asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// Where the configuration says `confirm = yes`.
    WhereConfigured,
    /// Always, where a person sits at a terminal: it takes something away.
    AtATerminal,
}

/// So many revisions are listed one by one.
const LISTED: usize = 40;

/// What a person has said yes to; or that there was nothing to ask.
pub(super) struct Shown {
    rows: Vec<String>,
    progress: Vec<Progress>,
    /// Each step, with the text of its file.
    steps: Vec<(Action, String, Option<String>)>,
}

impl Consent {
    /// What a program says that asks for the work: nobody else can be asked.
    #[must_use]
    pub fn of_a_program(yes: bool) -> Self {
        Self { yes, alone: true }
    }

    /// Whether a person is to be asked; `command` is what is typed where nobody can be.
    ///
    /// # Errors
    /// The configuration wants somebody to be asked, and nobody is there.
    pub(super) fn is_asked(self, asks: Asks, context: &Context, workspace: &Workspace, command: &str) -> Result<bool> {
        if self.yes {
            return Ok(false);
        }
        let confirm = &workspace.config.settings.confirm;
        let interactive = !self.alone && context.ui.is_interactive();
        if confirm.value && !interactive {
            let error = Error::usage("`confirm = yes` wants a person to be asked, and nobody is at a terminal");
            let error = confirm.origin.excerpt().cloned().into_iter().fold(error, Error::at);
            let error = error.note("nothing was run");
            return Err(match self.alone {
                true => error.hint(r#"where a machine is to decide: send `"yes": true`"#),
                false => error.hint(format!("where a machine is to decide: {command} --yes")),
            });
        }
        Ok(interactive && (confirm.value || asks == Asks::AtATerminal))
    }
}

/// Shows what plans would do, and asks. `plans` makes them, and tells what there is to tell of them first.
///
/// # Errors
/// What would be refused behind the lock as well; anything but a typed `yes`; a signal.
pub(super) fn plans(
    context: &Context,
    workspace: &Workspace,
    session: &mut Session,
    author: Author,
    wish: Wish,
    typed: Typed,
    plans: impl FnOnce(&mut Session, &Applied) -> Result<Vec<Plan>>,
) -> Result<Shown> {
    let standing = session.standing_to_change()?;
    let applied = workspace.applied(&standing.rows)?;
    let plans = plans(session, &applied)?;
    let resumption = Resumption { journal: Some(Journal { rows: &standing.progress, applied: &applied }), wish, typed };
    let due = workspace.repeatables_behind(&plans, Some(&standing))?;
    if plans.iter().all(|plan| plan.steps().is_empty()) && due.is_empty() && resumption.is_empty() {
        return Ok(Shown::of(&standing, None));
    }
    let (prepared, lost) = session.alive_while(|| -> Result<_> {
        let prepared = lower::plan(workspace, context, &plans, &due, author, resumption)?;
        let lost = lost(&prepared)?;
        Ok((prepared, lost))
    })?;
    let shown = Shown::of(&standing, Some(&prepared));
    if prepared.program.steps.is_empty() {
        return Ok(shown);
    }
    prepared.warnings.iter().for_each(|warning| context.warning(warning));
    prepared.remarks.iter().for_each(|remark| context.ui.status(remark));
    let after = plans.last().map_or_else(Vec::new, |plan| workspace.ids(plan.rows_after()));
    let repeatables = prepared.repeatables();
    let count = count_of(prepared.program.steps.len() - repeatables, repeatables);
    let mut run = vec![format!("{count}, from {} to {}", spoken(&standing.rows), spoken(&after))];
    run.extend(prepared.sources().take(LISTED).map(|(source, _)| line(workspace, source)));
    if prepared.program.steps.len() > LISTED {
        run.push(format!("and {} more", prepared.program.steps.len() - LISTED));
    }
    let mut losses = Vec::with_capacity(lost.len());
    for (revision, what, table) in lost {
        let extent = table.map(|table| session.extent(&table)).transpose()?;
        losses.push(match extent {
            Some(extent) => format!("{revision}: {what} ({extent})"),
            None => format!("{revision}: {what}"),
        });
    }
    // What is wrong with them is told now rather than behind the answer.
    let hooks = Hooks::new(context, workspace, &plans, &prepared, &standing)?.named();
    ask(context, workspace, session, &[("to be run", run), ("hooks", hooks), ("to be lost", losses)])?;
    Ok(shown)
}

/// Shows where something would be done, and what, under a heading each; only a typed `yes` goes on.
///
/// # Errors
/// Anything else was typed, or a signal came.
pub(super) fn ask(
    context: &Context,
    workspace: &Workspace,
    session: &mut Session,
    what: &[(&str, Vec<String>)],
) -> Result<()> {
    let mut table = vec![("database", vec![session.address()]), ("user", vec![session.user()])];
    if let Some(name) = workspace.config.name() {
        table.push(("environment", vec![name.value.clone()]));
    }
    table.extend(what.iter().map(|(heading, lines)| (*heading, lines.clone())));
    let width = table.iter().map(|(heading, _)| heading.len()).max().unwrap_or_default();
    for (heading, lines) in &table {
        for (index, line) in lines.iter().enumerate() {
            let heading = if index == 0 { heading } else { "" };
            context.ui.question(format_args!("{heading:<width$}  {line}"));
        }
    }
    let interrupt = session.interrupt();
    let wake = interrupt.as_ref().map(crate::database::interrupt::Interrupt::wake);
    let answer = session.alive_while(|| context.ui.ask_unless("Type yes to go on:", wake.as_deref()))?;
    session.check_signal()?;
    match answer.as_deref().map(str::trim) {
        Some("yes") => Ok(()),
        _ => Err(Error::failed("not confirmed").note("nothing was run")),
    }
}

/// What the statements of a program would take away, as far as their text says it: the revision, what, and the table whose rows tell
/// how much that is.
fn lost(prepared: &Prepared) -> Result<Vec<(String, String, Option<ObjectName>)>> {
    let mut lost = Vec::new();
    for (index, step) in prepared.program.steps.iter().enumerate() {
        for effect in effects(prepared, index)? {
            let (what, table) = match effect {
                Effect::Drops(object @ (Object::Table | Object::MaterializedView), name) => {
                    (format!("{} {name}", object.keywords().to_lowercase()), Some(name))
                }
                Effect::Drops(Object::Schema, name) => (format!("schema {name}"), None),
                Effect::DropsColumn { ref table, .. } => {
                    let what = effect.to_string();
                    (what.trim_start_matches("drops ").to_owned(), Some(table.clone()))
                }
                Effect::Truncates(name) => (format!("all rows of {name}"), Some(name)),
                _ => continue,
            };
            lost.push((step.record.revision.clone(), what, table));
        }
    }
    Ok(lost)
}

impl Shown {
    /// What is shown of a database that stands so.
    pub(super) fn of(standing: &Standing, prepared: Option<&Prepared>) -> Self {
        Self {
            rows: standing.rows.clone(),
            progress: standing.progress.clone(),
            steps: prepared.map_or_else(Vec::new, steps),
        }
    }

    /// Refuses a database that does not stand any more where it stood.
    pub(super) fn check_standing(&self, standing: &Standing) -> Result<()> {
        if self.rows != standing.rows {
            let (then, now) = (spoken(&self.rows), spoken(&standing.rows));
            return Err(differs(format!("the database was at {then}, and is at {now} by now")));
        }
        if self.progress != standing.progress {
            return Err(differs("a revision that stopped partway has gone on, or has stopped, since".to_owned()));
        }
        Ok(())
    }

    /// Refuses a program that is not the one that was shown; the files count as they are by now.
    pub(super) fn check(&self, standing: &Standing, prepared: &Prepared) -> Result<()> {
        self.check_standing(standing)?;
        for ((step, shown), (source, program_step)) in steps(prepared).iter().zip(&self.steps).zip(prepared.sources()) {
            if step != shown || !prepared.bodies.file(source).is_still_the_same()? {
                return Err(differs(format!("the file has changed since: {}", program_step.title)));
            }
        }
        if prepared.program.steps.len() != self.steps.len() {
            return Err(differs("there is more or less to do by now".to_owned()));
        }
        Ok(())
    }
}

fn steps(prepared: &Prepared) -> Vec<(Action, String, Option<String>)> {
    let step = |step: &crate::model::program::ProgramStep| {
        (step.record.action, step.record.revision.clone(), step.record.checksum.clone())
    };
    prepared.program.steps.iter().map(step).collect()
}

pub(super) fn differs(why: String) -> Error {
    Error::failed("what would be run is no longer what was confirmed")
        .note(why)
        .note("nothing was run")
        .hint("run the same command again, and look at what it shows")
}
