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
    /// When the running step was last told to be still running.
    told: Cell<Duration>,
}

/// After so long a running step is named, and again after each such time.
const STILL: Duration = Duration::from_secs(30);

impl<'a> Narrator<'a> {
    pub(crate) fn new(ui: &'a Ui) -> Self {
        Self { ui, told: Cell::default() }
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

    fn notice(&self, step: &Step, notice: &ServerError) {
        let mut text = format!("{}: {}", step.revision, notice.message);
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

    fn waiting(&self, step: &Step, time: Duration, blockers: &[String]) {
        let told = self.told.get();
        if told.is_zero() || time.saturating_sub(told) >= STILL {
            self.told.set(time);
            self.ui.status(format_args!("running {} ({})", step.name, ui::duration(time)));
            for blocker in blockers {
                self.ui.status(format_args!("  it waits for {blocker}"));
            }
        }
    }

    fn again(&self, step: &Step, why: &str, blockers: &[String]) {
        self.told.set(Duration::ZERO);
        self.ui.status(format_args!("{}: {why}; rolled back, trying again", step.name));
        for blocker in blockers {
            self.ui.status(format_args!("  it waited for {blocker}"));
        }
    }

    fn settled(&self, step: &Step, what: &Settled) {
        let revision = step.revision;
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
        match event {
            // Why a step failed is told by whoever ends the command.
            Event::Connecting { .. }
            | Event::Stands { .. }
            | Event::RepeatablesDue(_)
            | Event::Failed(..)
            | Event::StatementDone { .. } => {}
            Event::LockAwaited { wait, holder } => {
                ui.status(format_args!("waiting up to {} for the lock, held by {holder}", ui::duration(*wait)));
            }
            Event::Slow { step, time, limit } => ui.warning(slow(step, *time, *limit)),
            Event::RunBegun(run) => ui.begin_progress(run.steps),
            Event::Begun(step) => {
                self.told.set(Duration::ZERO);
                ui.progress_message(&step.name);
            }
            Event::Finished(step, time) => self.finished(step, *time),
            Event::Said(step, line) => ui.status(format_args!("{}: {line}", step.revision)),
            Event::Notice(step, notice) => self.notice(step, notice),
            Event::Waiting { step, time, blockers } => self.waiting(step, *time, blockers),
            Event::Again { step, why, blockers } => self.again(step, why, blockers),
            Event::Settled(step, what) => self.settled(step, what),
            Event::Interrupted(signal) => ui.warning(format_args!(
                "{}: cancelling what runs; a second signal leaves at once, and the server then finishes or rolls back by itself",
                interrupt::name(*signal)
            )),
            Event::Recovering(why) => {
                ui.warning(format_args!("{why}; connecting again to find out what was committed"));
            }
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
