//! Asking a person before anything is changed: what would be run, where, and what would be lost.
//!
//! The question is asked before the lock is taken, so that a person at lunch keeps nobody else from the database. What was shown is
//! compared with what is found behind the lock: where they differ, nothing is run.

use clap::Args;

use super::Context;
use super::hooks::{Hooks, Named, When};
use super::lower::{self, Prepared};
use super::narrator::steps as count_of;
use super::plan::{details, each_statement, line};
use super::resume::{Journal, Resumption, Typed};
use super::run::spoken;
use super::workspace::Workspace;
use crate::database::execute::Bodies;
use crate::database::session::{Session, Standing};
use crate::error::{Error, Kind, Result};
use crate::model::applied::Applied;
use crate::model::bookkeeping::{Action, Author};
use crate::model::journal::{Progress, Wish};
use crate::model::plan::Plan;
use crate::model::sql::classify::Effect;
use crate::model::sql::losses::{Loss, Losses};
use crate::ui::{Ui, counted};

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

/// So many lines tell of what is to be run.
const LISTED: usize = 40;

/// What a person has said yes to; or that there was nothing to ask.
pub(super) struct Shown {
    rows: Vec<String>,
    progress: Vec<Progress>,
    /// Each step, with the text of its file.
    steps: Vec<(Action, String, Option<String>)>,
    /// Each hook, with the text of its file.
    hooks: Vec<Named>,
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
    let (prepared, hooks, lost) = session.alive_while(|| -> Result<_> {
        let prepared = lower::plan(workspace, context, &plans, &due, author, resumption)?;
        // What is wrong is told now rather than behind the answer.
        lower::check_widths(&prepared.program, &standing)?;
        let hooks = match prepared.program.steps.is_empty() {
            true => Vec::new(),
            false => Hooks::new(context, workspace, &plans, &prepared, &standing)?.named(),
        };
        let lost = lost(&prepared, &hooks)?;
        Ok((prepared, hooks, lost))
    })?;
    if prepared.program.steps.is_empty() {
        return Ok(Shown::of(&standing, Some(&prepared)));
    }
    prepared.warnings.iter().for_each(|warning| context.warning(warning));
    prepared.remarks.iter().for_each(|remark| context.ui.status(remark));
    let after = plans.last().map_or_else(Vec::new, |plan| workspace.ids(plan.rows_after()));
    let repeatables = prepared.repeatables();
    let count = count_of(prepared.program.steps.len() - repeatables, repeatables);
    let mut run = vec![format!("{count}, from {} to {}", spoken(&standing.rows), spoken(&after))];
    for (index, (source, step)) in prepared.sources().enumerate() {
        run.push(line(workspace, source));
        // What a downgrade drops is told with what is lost.
        if step.record.action != Action::Downgrade && run.len() <= LISTED {
            run.extend(details(&prepared, index)?.into_iter().map(|detail| format!("    {detail}")));
        }
    }
    if let Some(more) = run.len().checked_sub(LISTED + 1).filter(|more| *more > 0) {
        run.truncate(LISTED + 1);
        run.push(format!("and {}", counted(more, "more line")));
    }
    let extents = session.extents(lost.iter().map(|(_, loss)| &loss.whereabouts))?;
    let losses =
        lost.iter().zip(extents).map(|((by, loss), extent)| format!("{by}: {} ({extent})", named(&loss.effect)));
    let losses = losses.collect();
    let around = hooks.iter().map(|hook| hook.name.clone()).collect();
    ask(context, workspace, session, &[("to be run", run), ("hooks", around), ("to be lost", losses)])?;
    Ok(Shown { hooks, ..Shown::of(&standing, Some(&prepared)) })
}

/// Shows where something would be done, and what, under a heading each; only a typed `yes` goes on.
///
/// # Errors
/// Anything else was typed, a signal came, or the session ended meanwhile.
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
    show(context.ui, &table);
    let interrupt = session.interrupt();
    let wake = interrupt.as_ref().map(crate::database::interrupt::Interrupt::wake);
    let answer = session.alive_while(|| context.ui.ask_unless(PROMPT, wake.as_deref()))?;
    session.check_signal()?;
    judge(answer.as_deref(), "nothing was run")?;
    // It may have ended meanwhile.
    session.round_trip().map(drop).map_err(|error| match error.kind() {
        Kind::Signal(_) => error,
        _ => error.note("nothing was run").hint("run the same command again"),
    })
}

/// The same without a database that is connected to; `kept` is what is said to whoever does not go on.
///
/// # Errors
/// Anything but `yes` was typed.
pub(super) fn ask_plainly(ui: &Ui, what: &[(&str, Vec<String>)], kept: &str) -> Result<()> {
    show(ui, what);
    judge(Some(&ui.ask(PROMPT)?), kept)
}

/// The reason of the error where a person did not say yes.
pub(super) const NOT_CONFIRMED: &str = "not_confirmed";

const PROMPT: &str = "Type yes to go on:";

fn show(ui: &Ui, table: &[(&str, Vec<String>)]) {
    let width = table.iter().map(|(heading, _)| heading.len()).max().unwrap_or_default();
    for (heading, lines) in table {
        for (index, line) in lines.iter().enumerate() {
            let heading = if index == 0 { heading } else { "" };
            ui.question(format_args!("{heading:<width$}  {line}"));
        }
    }
}

/// What an answer means; blanks around it mean nothing.
fn judge(answer: Option<&str>, kept: &str) -> Result<()> {
    match answer.map(str::trim) {
        Some("yes") => Ok(()),
        _ => Err(Error::failed("not confirmed").reason(NOT_CONFIRMED).note(kept)),
    }
}

/// What the statements of a program and of the hooks around it would take away, as far as their text says it, each with the revision
/// or the setting whose it is.
fn lost(prepared: &Prepared, hooks: &[Named]) -> Result<Vec<(String, Loss)>> {
    let mut losses = Losses::default();
    let mut lost = Vec::new();
    let mut part = |losses: &mut Losses, bodies: &dyn Bodies, step: usize, done: usize, by: &str| -> Result<()> {
        each_statement(bodies, step, |before, statement| match before < done {
            true => losses.passed(statement),
            false => lost.extend(losses.of(statement).into_iter().map(|loss| (by.to_owned(), loss))),
        })?;
        losses.session_put_back();
        Ok(())
    };
    for when in [When::Before, When::After, When::Failed] {
        if when == When::After {
            for (index, step) in prepared.program.steps.iter().enumerate() {
                part(&mut losses, &prepared.bodies, index, step.done(), &step.record.revision)?;
            }
        }
        if when == When::Failed {
            losses.lose_track();
        }
        for hook in hooks.iter().filter(|hook| hook.when == when) {
            hook.script().map_or(Ok(()), |script| part(&mut losses, &script, 0, 0, hook.setting))?;
        }
    }
    Ok(lost)
}

/// What is taken away, in words.
fn named(effect: &Effect) -> String {
    match effect {
        Effect::Truncates(name) => format!("all rows of {name}"),
        effect => effect.to_string().trim_start_matches("drops ").to_owned(),
    }
}

impl Shown {
    /// What is shown of a database that stands so.
    pub(super) fn of(standing: &Standing, prepared: Option<&Prepared>) -> Self {
        Self {
            rows: standing.rows.clone(),
            progress: standing.progress.clone(),
            steps: prepared.map_or_else(Vec::new, steps),
            hooks: Vec::new(),
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

    /// Refuses hooks that are not those that were shown; their files count as they are by now.
    pub(super) fn check_hooks(&self, hooks: &Hooks) -> Result<()> {
        let hooks = hooks.named();
        match hooks.iter().zip(&self.hooks).find(|(hook, shown)| hook != shown) {
            Some((hook, _)) => Err(differs(format!("the file has changed since: {}", hook.name))),
            None => Ok(()),
        }
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
