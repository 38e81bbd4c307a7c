//! What happens in a run, as data, and who is told of it: a person at a terminal, a log, a service that embeds the tool.
//!
//! Nothing is decided here, and a listener cannot stop a run.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use super::narrator;
use crate::database::execute::{Observer, Settled};
use crate::database::server_error::ServerError;
use crate::error::Error;
use crate::model::bookkeeping::Action;
use crate::model::program::Program;
use crate::source::Excerpt;

/// Something that happened in a run.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Something to look at, in words; other events may be warnings too.
    Warning(&'a str),
    /// A connection is about to be made.
    Connecting {
        /// The database as a URL, without a password.
        database: &'a str,
        /// Its name alone.
        name: &'a str,
    },
    /// Another run holds the lock.
    LockAwaited {
        /// How long its end is awaited at most.
        wait: Duration,
        /// Who holds it, in words.
        holder: &'a str,
    },
    /// The lock is held, and it is known where the database stands.
    Stands {
        /// The rows of the version table.
        rows: &'a [String],
        /// How many revisions are applied.
        applied: usize,
        /// How many are not.
        pending: usize,
    },
    /// So many repeatable files are to be run where an upgrade goes; of a downgrade nothing is said.
    RepeatablesDue(usize),
    /// A run holds the lock, knows what it will do, and begins with it. Where there is nothing to do, no run begins.
    RunBegun(&'a RunBegun<'a>),
    /// A step begins.
    Begun(&'a Step<'a>),
    /// A step is committed; the time is what it took, as seen from here.
    Finished(&'a Step<'a>, Duration),
    /// A step is not committed, and the run ends with it; the time is what it took. Why is told with the run's end. Of a program that
    /// a hook runs, nothing is told but that end.
    Failed(&'a Step<'a>, Duration),
    /// The server said something while a step ran.
    Notice(&'a Step<'a>, &'a ServerError),
    /// A command of a hook wrote this line.
    Said(&'a Step<'a>, &'a str),
    /// About a second more went by without an answer.
    Waiting {
        /// The step that runs.
        step: &'a Step<'a>,
        /// What it has taken so far.
        time: Duration,
        /// Who holds what it waits for, in words.
        blockers: &'a [String],
    },
    /// The step was rolled back, and is tried again.
    Again {
        /// The step.
        step: &'a Step<'a>,
        /// Why, in words.
        why: &'a str,
        /// Who held what it waited for, in words.
        blockers: &'a [String],
    },
    /// A statement outside a transaction is done, and stays so. Those inside one are answered together, so that nobody knows what each
    /// took.
    StatementDone {
        /// The step it belongs to.
        step: &'a Step<'a>,
        /// Its number in the step, from 1.
        statement: usize,
        /// Where it stands.
        place: &'a Excerpt,
        /// What it took.
        time: Duration,
    },
    /// The step has taken longer than `slow_after`; said once.
    Slow {
        /// The step.
        step: &'a Step<'a>,
        /// What it has taken so far.
        time: Duration,
        /// The limit.
        limit: Duration,
    },
    /// It was found out what became of the statement that a run before stopped in.
    Settled(&'a Step<'a>, &'a Settled),
    /// A signal came (its number); what runs is being cancelled.
    Interrupted(u8),
    /// The connection was lost, for the reason given; it is being found out what was committed.
    Recovering(&'a str),
    /// The run is over.
    RunEnded(&'a RunEnded<'a>),
}

/// A run at its beginning.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RunBegun<'a> {
    /// Its id, which the history holds too.
    pub run: &'a str,
    /// The database as a URL, without a password.
    pub database: &'a str,
    /// The rows of the version table before it; none for an empty database.
    pub rows_before: &'a [String],
    /// The rows that it is to leave.
    pub rows_after: &'a [String],
    /// How many steps it has.
    pub steps: usize,
    /// How many of them are repeatable files.
    pub repeatables: usize,
}

/// A run at its end.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RunEnded<'a> {
    /// Its id.
    pub run: &'a str,
    /// How many steps it had.
    pub steps: usize,
    /// How many of them were repeatable files.
    pub repeatables: usize,
    /// The rows of the version table after it, or why it failed; steps that finished before that stay.
    pub result: std::result::Result<&'a [String], &'a Error>,
    /// What it took from its first step on.
    pub time: Duration,
}

/// A step of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step<'a> {
    /// Its number, from 0.
    pub index: usize,
    /// What it does.
    pub action: Action,
    /// The revision, or the setting that a hook stands in.
    pub revision: &'a str,
    /// The revision with its message, in one line; or the hook as it is written.
    pub name: String,
}

/// Is told what happens in a run.
pub trait Listener {
    /// Something happened.
    fn hear(&self, event: &Event<'_>);
}

impl<T: Listener + ?Sized> Listener for &T {
    fn hear(&self, event: &Event<'_>) {
        (**self).hear(event);
    }
}

/// Several listeners; each is told, in this order.
#[derive(Default)]
pub struct Listeners<'a>(pub Vec<Box<dyn Listener + 'a>>);

impl Listener for Listeners<'_> {
    fn hear(&self, event: &Event<'_>) {
        self.0.iter().for_each(|listener| listener.hear(event));
    }
}

/// A step that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Done {
    /// What it did.
    pub action: Action,
    /// The revision.
    pub revision: String,
    /// What it took.
    pub time: Duration,
}

/// Keeps which steps were carried out and what was warned of, also of a run that failed later.
#[derive(Debug, Default)]
pub struct Tally {
    steps: RefCell<Vec<Done>>,
    warnings: RefCell<Vec<String>>,
}

impl Tally {
    /// The steps so far, in their order.
    #[must_use]
    pub fn take(&self) -> Vec<Done> {
        self.steps.take()
    }

    /// The warnings so far, in the words that a person reads.
    #[must_use]
    pub fn take_warnings(&self) -> Vec<String> {
        self.warnings.take()
    }
}

impl Listener for Tally {
    fn hear(&self, event: &Event<'_>) {
        if let Event::Finished(step, time) = event
            && step.action != Action::Hook
        {
            let done = Done { action: step.action, revision: step.revision.to_owned(), time: *time };
            self.steps.borrow_mut().push(done);
        }
        self.warnings.borrow_mut().extend(narrator::warning(event));
    }
}

/// Passes everything on, and tells of a step that takes too long.
pub(super) struct SlowWatch<'a> {
    inner: &'a dyn Listener,
    limit: Duration,
    /// The step that was told of last: one that is tried again is not told of again.
    told: Cell<Option<usize>>,
    /// When the step that runs began.
    since: Cell<Instant>,
}

impl<'a> SlowWatch<'a> {
    /// A limit of zero is none.
    pub(super) fn new(inner: &'a dyn Listener, limit: Duration) -> Self {
        Self { inner, limit, told: Cell::new(None), since: Cell::new(Instant::now()) }
    }

    fn look(&self, step: &Step, time: Duration) {
        if !self.limit.is_zero() && time >= self.limit && self.told.replace(Some(step.index)) != Some(step.index) {
            self.inner.hear(&Event::Slow { step, time, limit: self.limit });
        }
    }
}

impl Listener for SlowWatch<'_> {
    fn hear(&self, event: &Event<'_>) {
        match event {
            Event::Begun(_) => self.since.set(Instant::now()),
            Event::Waiting { step, time, .. } | Event::Finished(step, time) | Event::Failed(step, time) => {
                self.look(step, *time);
            }
            // A server that says something all the time never keeps anybody waiting.
            Event::StatementDone { step, .. } | Event::Notice(step, _) => self.look(step, self.since.get().elapsed()),
            _ => {}
        }
        self.inner.hear(event);
    }
}

/// Tells a listener what an executor observes.
pub(super) struct Told<'a> {
    pub(super) listener: &'a dyn Listener,
    pub(super) program: &'a Program,
    /// A step by its number, in one line.
    pub(super) name: &'a dyn Fn(usize) -> String,
}

impl Told<'_> {
    fn step(&self, index: usize) -> Step<'_> {
        let record = &self.program.steps[index].record;
        Step { index, action: record.action, revision: &record.revision, name: (self.name)(index) }
    }
}

impl Observer for Told<'_> {
    fn started(&mut self, step: usize) {
        self.listener.hear(&Event::Begun(&self.step(step)));
    }

    fn finished(&mut self, step: usize, time: Duration) {
        self.listener.hear(&Event::Finished(&self.step(step), time));
    }

    fn failed(&mut self, step: usize, time: Duration) {
        self.listener.hear(&Event::Failed(&self.step(step), time));
    }

    fn notice(&mut self, step: usize, notice: &ServerError) {
        self.listener.hear(&Event::Notice(&self.step(step), notice));
    }

    fn waiting(&mut self, step: usize, time: Duration, blockers: &[String]) {
        self.listener.hear(&Event::Waiting { step: &self.step(step), time, blockers });
    }

    fn again(&mut self, step: usize, why: &str, blockers: &[String]) {
        self.listener.hear(&Event::Again { step: &self.step(step), why, blockers });
    }

    fn interrupted(&mut self, signal: u8) {
        self.listener.hear(&Event::Interrupted(signal));
    }

    fn recovering(&mut self, why: &str) {
        self.listener.hear(&Event::Recovering(why));
    }

    fn statement_done(&mut self, step: usize, statement: usize, place: &Excerpt, time: Duration) {
        self.listener.hear(&Event::StatementDone { step: &self.step(step), statement, place, time });
    }

    fn settled(&mut self, step: usize, what: &Settled) {
        self.listener.hear(&Event::Settled(&self.step(step), what));
    }
}
