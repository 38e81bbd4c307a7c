//! Tells programs what happens in a run: an event a line, as docs/json.md has them.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::event::{Event, Listener, Step};
use super::narrator::{self, Pace};
use super::run::at;
use super::view::seconds;
use crate::database::execute::Settled;
use crate::database::interrupt;
use crate::database::server_error::Severity;
use crate::error::Error;
use crate::model::bookkeeping::Action;
use crate::source::Excerpt;
use crate::ui::{self, LogLevel, Ui};

/// Writes the log of a run.
pub(crate) struct RunLog<'a> {
    ui: &'a Ui,
    pace: Pace,
    known: RefCell<Known>,
}

/// What the lines of a run need of those before.
#[derive(Default)]
struct Known {
    /// How many steps of the run are finished; hooks are none.
    finished: usize,
    /// The step that has begun and not ended.
    open: Option<Open>,
}

/// A step that has begun and not ended.
struct Open {
    action: Action,
    revision: String,
    name: String,
    since: Instant,
    /// What it took until it failed.
    took: Option<Duration>,
}

impl Open {
    fn new(step: &Step) -> Self {
        let (revision, name) = (step.revision.to_owned(), step.name.clone());
        Self { action: step.action, revision, name, since: Instant::now(), took: None }
    }
}

/// What an event has beside its message; the fields are documented in docs/json.md and only ever added to.
#[derive(Default, Serialize)]
struct Fields<'a> {
    revision: Option<&'a str>,
    repeatable: Option<&'a str>,
    hook: Option<&'a str>,
    direction: Option<&'static str>,
    statement: Option<usize>,
    place: Option<String>,
    seconds: Option<f64>,
    outcome: Option<&'static str>,
    sqlstate: Option<&'a str>,
    error: Option<&'a str>,
    severity: Option<&'static str>,
    detail: Option<&'a str>,
    hint: Option<&'a str>,
    rows_before: Option<&'a [String]>,
    rows_after: Option<&'a [String]>,
    revisions: Option<usize>,
    repeatables: Option<usize>,
    finished: Option<usize>,
    pending: Option<usize>,
    blockers: Option<&'a [String]>,
    why: Option<&'a str>,
    limit_seconds: Option<f64>,
    signal: Option<u8>,
}

impl<'a> Fields<'a> {
    fn of(step: &'a Step) -> Self {
        Self::naming(step.action, step.revision)
    }

    fn naming(action: Action, name: &'a str) -> Self {
        match action {
            Action::Repeat => Self { repeatable: Some(name), ..Self::default() },
            Action::Hook => Self { hook: Some(name), ..Self::default() },
            _ => Self { revision: Some(name), direction: Some(action.verb()), ..Self::default() },
        }
    }

    /// How many steps a run has.
    fn counted(self, steps: usize, repeatables: usize) -> Self {
        Self { revisions: Some(steps - repeatables), repeatables: Some(repeatables), ..self }
    }

    fn took(self, time: Duration) -> Self {
        Self { seconds: Some(seconds(time)), ..self }
    }

    fn blocked(self, blockers: &'a [String]) -> Self {
        Self { blockers: Some(blockers).filter(|blockers| !blockers.is_empty()), ..self }
    }
}

/// `upgrade of 002 orders`; a hook has a name that says what it is.
fn what(action: Action, name: &str) -> String {
    if action == Action::Hook { name.to_owned() } else { format!("{} of {name}", action.verb()) }
}

fn place(excerpt: &Excerpt) -> String {
    format!("{}:{}", excerpt.path, excerpt.place)
}

impl<'a> RunLog<'a> {
    pub(crate) fn new(ui: &'a Ui) -> Self {
        Self { ui, pace: Pace::default(), known: RefCell::default() }
    }

    fn say(&self, level: LogLevel, event: &str, message: impl std::fmt::Display, fields: Fields) {
        self.ui.event(level, event, message, &fields);
    }

    fn info(&self, event: &str, message: impl std::fmt::Display, fields: Fields) {
        self.say(LogLevel::Info, event, message, fields);
    }

    fn settled(&self, step: &Step, what: &Settled) {
        let revision = step.revision;
        let fields = Fields::of(step);
        match what {
            Settled::CarriedOut(statement) => {
                let message = format!("{revision}: statement {statement} was carried out before");
                self.info("settled", message, Fields { statement: Some(*statement), ..fields });
            }
            Settled::LeftOver(index) => {
                self.info("settled", format!("{revision}: dropping index {index}, left behind and not valid"), fields);
            }
            Settled::Remains(index) => {
                let message = format!("{revision}: index {index} is not valid");
                self.say(LogLevel::Warning, "settled", message, fields);
            }
        }
    }

    /// The step that was running when the run failed has ended too.
    fn failed(&self, error: &Error) {
        let open = self.known.borrow_mut().open.take();
        if let Some(Open { action, revision, name, since, took }) = &open {
            let fields = Fields {
                outcome: Some(error.kind().name()),
                sqlstate: error.sqlstate(),
                error: Some(error.title()),
                place: error.excerpts().first().map(place),
                ..Fields::naming(*action, revision).took(took.unwrap_or_else(|| since.elapsed()))
            };
            let message = format!("{} failed", what(*action, name));
            self.say(LogLevel::Error, &format!("{}_finished", action.noun()), message, fields);
        }
    }
}

impl Listener for RunLog<'_> {
    fn hear(&self, event: &Event<'_>) {
        match event {
            Event::Warning(text) => self.ui.warning(text),
            Event::Connecting { database, .. } => {
                self.ui.know("database", database);
                self.say(LogLevel::Debug, "connecting", format!("connecting to {database}"), Fields::default());
            }
            Event::LockAwaited { wait, holder } => {
                let holders = [(*holder).to_owned()];
                let fields = Fields { limit_seconds: Some(seconds(*wait)), ..Fields::default() }.blocked(&holders);
                let message = format!("waiting up to {} for the lock, held by {holder}", ui::duration(*wait));
                self.info("waiting", message, fields);
            }
            Event::Stands { rows, pending, .. } => {
                let fields = Fields { rows_before: Some(rows), pending: Some(*pending), ..Fields::default() };
                self.say(LogLevel::Debug, "standing", at(rows), fields);
            }
            Event::RunBegun(run) => {
                self.known.take();
                // What comes behind the run belongs to it too: hooks, warnings, the error.
                self.ui.know("run", run.run);
                let fields = Fields {
                    rows_before: Some(run.rows_before),
                    rows_after: Some(run.rows_after),
                    ..Fields::default()
                };
                let message = narrator::steps(run.steps - run.repeatables, run.repeatables);
                self.info("run_started", message, fields.counted(run.steps, run.repeatables));
            }
            Event::Begun(step) => {
                self.known.borrow_mut().open = Some(Open::new(step));
                self.pace.begin();
                let event = format!("{}_started", step.action.noun());
                self.info(&event, what(step.action, &step.name), Fields::of(step));
            }
            // What was found out of a lost connection may be another step than the one that had begun.
            Event::Failed(step, time) => {
                self.known.borrow_mut().open = Some(Open { took: Some(*time), ..Open::new(step) });
            }
            Event::RepeatablesDue(_) => {}
            Event::StatementDone { step, statement, place: at, time } => {
                let fields = Fields {
                    statement: Some(*statement),
                    place: Some(place(at)),
                    outcome: Some("done"),
                    ..Fields::of(step).took(*time)
                };
                let message = format!("{}: {} ({})", step.revision, place(at), ui::duration(*time));
                self.info("statement_finished", message, fields);
            }
            Event::Finished(step, time) => {
                let mut known = self.known.borrow_mut();
                known.open = None;
                known.finished += usize::from(step.action != Action::Hook);
                drop(known);
                let fields = Fields { outcome: Some("done"), ..Fields::of(step).took(*time) };
                let message = format!("{} ({})", what(step.action, &step.name), ui::duration(*time));
                self.info(&format!("{}_finished", step.action.noun()), message, fields);
            }
            Event::Said(step, line) => self.info("program", line, Fields::of(step)),
            Event::Notice(step, notice) => {
                let (level, severity) = match notice.severity {
                    Severity::Warning => (LogLevel::Warning, "warning"),
                    _ => (LogLevel::Info, "notice"),
                };
                let fields = Fields {
                    severity: Some(severity),
                    sqlstate: Some(&notice.code),
                    detail: notice.detail.as_deref(),
                    hint: notice.hint.as_deref(),
                    ..Fields::of(step)
                };
                self.say(level, "notice", &notice.message, fields);
            }
            Event::Waiting { time, blockers, .. } if !self.pace.is_due(*time, !blockers.is_empty()) => {}
            Event::Waiting { step, time, blockers } => {
                let message = format!("running {} ({})", step.name, ui::duration(*time));
                self.info("waiting", message, Fields::of(step).took(*time).blocked(blockers));
            }
            Event::Slow { step, time, limit } => {
                let fields = Fields { limit_seconds: Some(seconds(*limit)), ..Fields::of(step).took(*time) };
                self.say(LogLevel::Warning, "slow", narrator::slow(step, *time, *limit), fields);
            }
            Event::Again { step, why, blockers } => {
                let message = format!("{}: {why}; rolled back, trying again", step.name);
                self.info("retry", message, Fields { why: Some(why), ..Fields::of(step).blocked(blockers) });
            }
            Event::Settled(step, what) => self.settled(step, what),
            Event::Interrupted(signal) => {
                let message = format!("{}: cancelling what runs", interrupt::name(*signal));
                self.say(LogLevel::Warning, "signal", message, Fields { signal: Some(*signal), ..Fields::default() });
            }
            Event::Recovering(why) => {
                let message = format!("{why}; connecting again to find out what was committed");
                self.say(LogLevel::Warning, "connection_lost", message, Fields { why: Some(why), ..Fields::default() });
            }
            Event::RunEnded(run) => {
                let finished = self.known.borrow().finished;
                let fields = Fields { finished: Some(finished), ..Fields::default() }
                    .counted(run.steps, run.repeatables)
                    .took(run.time);
                let steps = narrator::steps(run.steps - run.repeatables, run.repeatables);
                match run.result {
                    Ok(rows) => {
                        let fields = Fields { outcome: Some("done"), rows_after: Some(rows), ..fields };
                        self.info("run_finished", format!("{steps}; {}", at(rows)), fields);
                    }
                    Err(error) => {
                        self.failed(error);
                        let (outcome, sqlstate) = (Some(error.kind().name()), error.sqlstate());
                        let fields = Fields { outcome, sqlstate, error: Some(error.title()), ..fields };
                        let message = format!("the run failed: {finished} of {steps} finished");
                        self.say(LogLevel::Error, "run_finished", message, fields);
                    }
                }
            }
        }
    }
}
