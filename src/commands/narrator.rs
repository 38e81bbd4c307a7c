//! Tells a person at a terminal what happens in a run.

use std::cell::Cell;
use std::time::Duration;

use super::event::{Event, Listener, Step};
use super::run::at;
use crate::database::execute::Settled;
use crate::database::interrupt;
use crate::database::server_error::{ServerError, Severity};
use crate::model::bookkeeping::Action;
use crate::ui::{self, Ui, counted};

/// Tells it on a user interface.
pub(crate) struct Narrator<'a> {
    ui: &'a Ui,
    pace: Pace,
}

/// How often a step is told to be still running.
#[derive(Default)]
pub(super) struct Pace {
    /// When it was last told, and whether something was in its way then.
    told: Cell<Option<(Duration, bool)>>,
}

impl Pace {
    /// After so long a running step is named again.
    const STILL: Duration = Duration::from_secs(30);

    /// Another step begins, or the same from its beginning.
    pub(super) fn begin(&self) {
        self.told.set(None);
    }

    /// Whether it is time to tell of a step that has run for `time`: the first time, now and then, and where something came in its way
    /// or went out of it.
    pub(super) fn is_due(&self, time: Duration, is_blocked: bool) -> bool {
        let due =
            self.told.get().is_none_or(|(told, was)| was != is_blocked || time.saturating_sub(told) >= Self::STILL);
        if due {
            self.told.set(Some((time, is_blocked)));
        }
        due
    }
}

impl<'a> Narrator<'a> {
    pub(crate) fn new(ui: &'a Ui) -> Self {
        Self { ui, pace: Pace::default() }
    }

    fn finished(&self, step: &Step, time: Duration) {
        if step.action != Action::Hook {
            self.ui.progress_step();
        }
        let verb = match step.action {
            Action::Upgrade => "upgraded",
            Action::Downgrade => "downgraded",
            Action::Stamp => "stamped",
            Action::Repair => "accepted",
            Action::Repeat | Action::Hook => "ran",
        };
        self.ui.done(verb, format_args!("{} ({})", step.name, ui::duration(time)));
    }

    fn waiting(&self, step: &Step, time: Duration, blockers: &[String]) {
        if self.pace.is_due(time, !blockers.is_empty()) {
            self.ui.status(format_args!("running {} ({})", step.name, ui::duration(time)));
            for blocker in blockers {
                self.ui.status(format_args!("  it waits for {blocker}"));
            }
        }
    }

    fn again(&self, step: &Step, why: &str, blockers: &[String]) {
        self.pace.begin();
        self.ui.status(format_args!("{}: {why}; rolled back, trying again", step.name));
        for blocker in blockers {
            self.ui.status(format_args!("  it waited for {blocker}"));
        }
    }

    fn settled(&self, step: &Step, what: &Settled) {
        let revision = step.revision;
        self.ui.status(match what {
            Settled::Remains(index) => {
                return self.ui.hint(format_args!("where none is under way: DROP INDEX CONCURRENTLY {index};"));
            }
            Settled::CarriedOut(statement) => format!("{revision}: statement {statement} was carried out before"),
            Settled::LeftOver(index) => {
                format!("{revision}: index {index} was left behind, not valid; dropping it first")
            }
        });
    }
}

/// The warning that an event is, in words.
pub(super) fn warning(event: &Event) -> Option<String> {
    Some(match event {
        Event::Warning(text) => (*text).to_owned(),
        Event::Slow { step, time, limit } => slow(step, *time, *limit),
        Event::Notice(step, notice) if notice.severity == Severity::Warning => said(step, notice),
        Event::Settled(Step { revision, .. }, Settled::Remains(index)) => {
            format!("{revision}: index {index} is not valid; a REINDEX that was cut short leaves such ones")
        }
        Event::Interrupted(signal) => format!(
            "{}: cancelling what runs; a second signal leaves at once, and the server then finishes or rolls back by itself",
            interrupt::name(*signal)
        ),
        Event::Recovering(why) => format!("{why}; connecting again to find out what was committed"),
        _ => return None,
    })
}

/// `002: relation "a" already exists, skipping`
fn said(step: &Step, notice: &ServerError) -> String {
    let mut text = format!("{}: {}", step.revision, notice.message);
    for more in [&notice.detail, &notice.hint].into_iter().flatten() {
        text.push_str("\n  ");
        text.push_str(more);
    }
    text
}

/// `002 index the orders is slow: it has taken 15 min (slow_after is 15 min)`
pub(super) fn slow(step: &Step, time: Duration, limit: Duration) -> String {
    let (time, limit) = (ui::duration(time), ui::duration(limit));
    format!("{} is slow: it has taken {time} (`slow_after` is {limit})", step.name)
}

/// `3 revisions, 1 repeatable`; no revisions where there are only repeatable files.
pub(super) fn steps(revisions: usize, repeatables: usize) -> String {
    match (revisions, repeatables) {
        (revisions, 0) => counted(revisions, "revision"),
        (0, repeatables) => counted(repeatables, "repeatable"),
        (revisions, repeatables) => {
            format!("{}, {}", counted(revisions, "revision"), counted(repeatables, "repeatable"))
        }
    }
}

impl Listener for Narrator<'_> {
    fn hear(&self, event: &Event<'_>) {
        let ui = self.ui;
        warning(event).iter().for_each(|text| ui.warning(text));
        match event {
            // Why a step failed is told by whoever ends the command.
            Event::Warning(_)
            | Event::Slow { .. }
            | Event::Interrupted(_)
            | Event::Recovering(_)
            | Event::Connecting { .. }
            | Event::Stands { .. }
            | Event::RepeatablesDue(_)
            | Event::Failed(..)
            | Event::StatementDone { .. } => {}
            Event::LockAwaited { wait, holder } => {
                ui.status(format_args!("waiting up to {} for the lock, held by {holder}", ui::duration(*wait)));
            }
            Event::RunBegun(run) => ui.begin_progress(run.steps),
            Event::Begun(step) => {
                self.pace.begin();
                ui.progress_message(&step.name);
            }
            Event::Finished(step, time) => self.finished(step, *time),
            Event::Said(step, line) => ui.status(format_args!("{}: {line}", step.revision)),
            Event::Notice(_, notice) if notice.severity == Severity::Warning => {}
            Event::Notice(step, notice) => ui.status(format_args!("notice: {}", said(step, notice))),
            Event::Waiting { step, time, blockers } => self.waiting(step, *time, blockers),
            Event::Again { step, why, blockers } => self.again(step, why, blockers),
            Event::Settled(step, what) => self.settled(step, what),
            Event::RunEnded(run) => {
                ui.end_progress();
                // Why it failed is told by whoever ends the command.
                if let Ok(rows) = run.result {
                    let (steps, time) = (steps(run.steps - run.repeatables, run.repeatables), ui::duration(run.time));
                    ui.done("done", format_args!("{steps} in {time}; {}", at(rows)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_runs_is_told_of_now_and_then() {
        let pace = Pace::default();
        let due = |second: u64, is_blocked: bool| pace.is_due(Duration::from_secs(second), is_blocked);
        let told: Vec<u64> = (1..100).filter(|second| due(*second, (40..45).contains(second))).collect();
        assert_eq!(told, [1, 31, 40, 45, 75]);
        pace.begin();
        assert!(due(1, false));
    }
}
