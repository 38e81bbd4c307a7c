//! The executor on a connection: runs a program, and proves of each transaction that it was committed.
//!
//! A revision is one message where it fits: settings back, BEGIN, guard, statements, record, COMMIT. Messages are sent ahead of
//! their answers, up to a window. That is safe because every message begins with a guard that expects exactly the rows
//! the message before leaves: behind one that failed, none applies (docs/safety.md). A body larger than a message goes in
//! several, in one transaction, and the record and COMMIT are sent only when all of them are answered.
//!
//! It decides nothing that stands in the program, and prints nothing: an [`Observer`] watches.

use std::collections::VecDeque;
use std::io::Read;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::bare::Alone;
use super::blockers;
use super::connection::Connection;
use super::failure::{Failure, Invalid, Place, Reason, Where};
use super::lock::Locked;
use super::pooler::{self, Keeper};
use super::server_error::{Position, ServerError};
use super::silence::Silence;
use super::wire::event::{Event, Lost, Rows, TransactionStatus};
use crate::error::{Error, Result};
use crate::model::bookkeeping::Action;
use crate::model::journal::{Begun, Mark, Progress, State, Text};
use crate::model::program::{OWN_ROLE, Operation, Program};
use crate::model::sql::body::{Batch, BatchKind, Body, Sections};
use crate::model::sql::problem::BodyError;
use crate::model::sql::verify::{self, Check};
use crate::source::Excerpt;

/// Watches a program run.
pub trait Observer {
    /// A step's first message is on its way.
    fn started(&mut self, step: usize);
    /// A step is committed; `time` is what it took, as seen from here.
    fn finished(&mut self, step: usize, time: Duration);
    /// A step is not committed, and the run ends with it; `time` is what it took, as seen from here.
    fn failed(&mut self, step: usize, time: Duration);
    /// The server said something while a step ran.
    fn notice(&mut self, step: usize, notice: &ServerError);
    /// About a second went by without an answer; `time` is what the step has taken so far, `blockers` who holds what
    /// it waits for.
    fn waiting(&mut self, step: usize, time: Duration, blockers: &[String]);
    /// The step could not get its locks, or fell victim to a deadlock; it was rolled back and is tried again.
    fn again(&mut self, step: usize, why: &str, blockers: &[String]);
    /// A signal came; what runs is being cancelled.
    fn interrupted(&mut self, signal: u8);
    /// The connection was lost; it is being found out what became of what was on its way.
    fn recovering(&mut self, why: &str);
    /// A statement outside a transaction is done, and its mark is set: its number in the direction, from 1, and what it took. Those
    /// inside one are answered together, so that nobody knows what each took.
    fn statement_done(&mut self, step: usize, statement: usize, place: &Excerpt, time: Duration);
    /// It was found out what became of the statement that a run before stopped in.
    fn settled(&mut self, step: usize, what: &Settled);
}

/// What became of a statement that a run before stopped in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The statement, from 1, was carried out.
    CarriedOut(usize),
    /// It left this index, which is not valid and is dropped.
    LeftOver(String),
    /// This index, which is not valid, may be what it left; it stays.
    Remains(String),
}

/// Where the statements of a program's steps come from.
pub trait Bodies {
    /// The statements of the step, from the first of its sections on.
    ///
    /// # Errors
    /// The file cannot be read any more.
    fn open(&self, step: usize) -> Result<Body<Box<dyn Read + '_>>>;

    /// What is wrong with a body, found while it was read: it was checked before, so the file has changed.
    fn explain(&self, error: &BodyError) -> Error;
}

/// A message is sent when it holds about this many bytes: the server's memory is some 13 times a message's size, and
/// larger ones are no faster.
const MESSAGE: usize = 256 * 1024;
/// So many messages, and so many bytes in them, may wait for their answers.
const WINDOW: (usize, usize) = (128, 4 * MESSAGE);
/// How often an observer hears that there is still no answer.
const TICK: Duration = Duration::from_secs(1);
/// How soon it is asked at the earliest: a statement that is merely slow should not cost questions.
const SHORTEST_GLANCE: Duration = Duration::from_millis(20);
/// How often it is asked who is in the way of a statement that waits as long as it takes.
const ASK_AGAIN: Duration = Duration::from_secs(10);

impl Locked {
    /// Runs `program`. Steps before the one that failed stay applied.
    ///
    /// # Errors
    /// What failed, where, and what was kept.
    pub fn execute(&mut self, program: &Program, bodies: &dyn Bodies, observer: &mut dyn Observer) -> Result<()> {
        let retry_for = self.session.limits.retry_for;
        let mut program = std::borrow::Cow::Borrowed(program);
        let mut start = 0;
        let mut patience: Option<(usize, Instant)> = None;
        let mut pause = FIRST_PAUSE;
        let mut tries = 0;
        loop {
            let mut run = Run::new(self, &program, bodies, observer, start);
            let failure = match run.all() {
                Ok(()) => return Ok(()),
                Err(Stop::Other(error)) => return Err(run.abandoned(error)),
                Err(Stop::Failed(failure)) => run.wind_up(*failure),
            };
            let interrupted = run.interrupted.is_some();
            let blockers = std::mem::take(&mut run.blockers);
            let invalid_before = std::mem::take(&mut run.invalid_before);
            // With it goes the file that it was reading.
            drop(run);
            if let Reason::Lost { lost, doubtful: 1.., .. } = &failure.reason {
                observer.recovering(&lost.to_string());
                if program.steps.iter().all(|step| step.record.action == Action::Hook) {
                    observer.failed(failure.step, failure.time);
                    return Err(failure.explain(&program, &self.session, &Invalid::default()));
                }
                return self.settle_loss(&program, failure, observer);
            }
            let mut failure = failure;
            let until = match patience {
                Some((step, until)) if step == failure.step => until,
                _ => {
                    pause = FIRST_PAUSE;
                    tries = 0;
                    Instant::now() + retry_for
                }
            };
            patience = Some((failure.step, until));
            tries += 1;
            match failure.worth_another_try() {
                // Whoever asked the run to stop does not want it tried again.
                Some(why) if !interrupted && Instant::now() + pause < until => {
                    observer.again(failure.step, why, &blockers);
                    if let Err(error) = self.session.pause(super::lock::jittered(pause)) {
                        let Some(signal) = self.session.asked_to_stop() else { return Err(error) };
                        failure.reason = Reason::Interrupted { signal, place: None };
                        return Err(self.tell(&program, &failure, (&[], &invalid_before), observer));
                    }
                    pause = (pause * 3 / 2).min(LONGEST_PAUSE);
                    start = if program.is_one_transaction() { 0 } else { failure.step };
                    if failure.part.is_some() {
                        // In the session as it was left: the journal knows it.
                        match self.begun(&program, failure.step) {
                            Some(begun) => {
                                program = std::borrow::Cow::Owned(program.going_on(failure.step, begun));
                            }
                            None => return Err(self.tell(&program, &failure, (&blockers, &invalid_before), observer)),
                        }
                    }
                }
                why => {
                    let passing = why.is_some() && !interrupted;
                    let error = self.tell(&program, &failure, (&blockers, &invalid_before), observer);
                    return Err(if passing { blockers::gave_up(error, tries, retry_for, &blockers) } else { error });
                }
            }
        }
    }

    /// From where a step goes on by itself, as the journal says; nothing where it says nothing, or that a statement runs.
    fn begun(&mut self, program: &Program, step: usize) -> Option<Begun> {
        let record = &program.steps[step].record;
        let rows = self.session.run(&program.tables.read_progress(), "cannot read the journal").ok()?;
        let progress = rows.iter().filter_map(|row| Progress::read((0..).map(|column| row.get(column))));
        progress.into_iter().find(|row| row.is_of(record))?.going_on()
    }

    /// Writes a failure into the history, and makes the error of it.
    fn tell(
        &mut self,
        program: &Program,
        failure: &Failure,
        (blockers, invalid_before): (&[String], &[String]),
        observer: &mut dyn Observer,
    ) -> Error {
        observer.failed(failure.step, failure.time);
        // A session that the server has ended leaves a server that can be told; one that crashed or goes down takes nobody yet.
        let lost = self.session.connection.is_lost()
            && !(matches!(failure.reason, Reason::Ended { .. }) && self.session.reconnect(Instant::now()).is_ok());
        let step = &program.steps[failure.step];
        if step.record.action == Action::Hook {
            let error = failure.explain(program, &self.session, &Invalid::default());
            return blockers.iter().fold(error, |error, blocker| error.note(format!("it waited for {blocker}")));
        }
        let invalid = if failure.was_bare() && !lost {
            Invalid::new(invalid_before, self.session.invalid_indexes().unwrap_or_default(), failure)
        } else {
            Invalid::default()
        };
        let error = failure.explain(program, &self.session, &invalid);
        let record = failure.record(error.kind() == crate::error::Kind::Partial);
        let mut sql = program.tables.failure(&step.record, &program.author, &record);
        if self.session.is_shared() {
            // One message is one transaction.
            sql.insert_str(0, &self.session.limits_sql());
        }
        // The failure itself matters more than its record: a read-only or full database cannot take it.
        let recorded = if lost { Ok(Vec::new()) } else { self.session.run(&sql, "cannot record the failure") };
        let error = blockers.iter().fold(error, |error, blocker| error.note(format!("it waited for {blocker}")));
        match recorded {
            Ok(_) => error,
            Err(why) => {
                let why = why.notes().into_iter().next().unwrap_or_else(|| why.to_string());
                error.note(format!("the failure could not be written into the history: {why}"))
            }
        }
    }

    /// How many steps of the program's run the history holds, read on a new connection that has the lock.
    /// Beside it the journal, where the program has one.
    fn count_anew(&mut self, program: &Program, until: Instant) -> Result<(usize, Vec<Progress>)> {
        self.session.reconnect(until)?;
        let standing = self.session.acquire(until.saturating_duration_since(Instant::now()), |_| Ok(()))?;
        if self.session.is_shared() {
            self.session.wait_for_writers(until)?;
        }
        Ok((self.session.count_of_run(&program.tables, &program.author.run)?, standing.progress))
    }

    /// Finds out what became of COMMITs that were on their way when the connection was lost.
    ///
    /// The lock is taken again on a new connection: it is granted when the old session has ended, and with it its
    /// transaction. What this run committed then stands in the history, for each row of it was part of its revision's own
    /// transaction. Without the lock an answer could be too early. Behind a pooler of transactions the lock is not the lost
    /// connection's own, and its last transaction is waited for besides.
    fn settle_loss(&mut self, program: &Program, failure: Failure, observer: &mut dyn Observer) -> Result<()> {
        let until = Instant::now() + RECOVERY;
        // A server that goes down lets people in for a moment before it ends their sessions: it is asked until it answers.
        let count = loop {
            match self.count_anew(program, until) {
                Err(_) if Instant::now() + FIRST_PAUSE < until && self.session.asked_to_stop().is_none() => {
                    std::thread::sleep(FIRST_PAUSE);
                }
                count => break count,
            }
        };
        for step in failure.finished..count.as_ref().map_or(0, |(count, _)| *count).min(program.steps.len()) {
            if step > failure.step {
                observer.started(step);
            }
            // At the most: nobody saw when.
            observer.finished(step, failure.time);
        }
        match count {
            Ok((count, _)) if count >= program.steps.len() => Ok(()),
            Ok((count, progress)) => {
                let reason = match failure.reason {
                    Reason::Lost { lost, place, .. } => Reason::Lost { lost, doubtful: 0, place },
                    reason => reason,
                };
                let step = if program.is_one_transaction() { failure.step } else { count };
                let record = &program.steps[step].record;
                let row = progress.iter().find(|row| row.is_of(record));
                let part = row.map(Progress::done).filter(|done| *done > 0);
                let runs = |alone: &Alone| {
                    row.is_some_and(|row| row.state == State::Running && row.statement == alone.statement)
                };
                let alone = failure.alone.filter(runs);
                let failure = Failure { step, reason, time: failure.time, finished: count, part, alone };
                Err(self.tell(program, &failure, (&[], &[]), observer))
            }
            Err(why) => {
                let why = match self.session.asked_to_stop() {
                    Some(signal) => {
                        format!("{} ended the questions before one was answered", super::interrupt::name(signal))
                    }
                    None => format!("asking again failed: {why}"),
                };
                observer.failed(failure.step, failure.time);
                Err(failure.explain(program, &self.session, &Invalid::default()).note(why))
            }
        }
    }
}

/// The pauses between two tries of a revision that could not get its locks.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// So long is tried to learn what became of a COMMIT.
const RECOVERY: Duration = Duration::from_secs(60);
/// How long the server may take to act on a request to cancel.
const CANCEL: Duration = Duration::from_secs(5);

/// A text on its way to the server and what it holds, in order, to find a failing statement again.
#[derive(Default)]
pub(super) struct Message {
    parts: Vec<Part>,
    bytes: usize,
    /// Steps that are done when this message is.
    finishes: Vec<usize>,
    pub(super) commits: bool,
    pub(super) step: usize,
    answer: Answer,
}

impl Message {
    /// Whether it holds statements of a revision that goes on in the next message.
    fn is_part_of_a_body(&self) -> bool {
        !self.commits && self.parts.iter().any(|part| part.place != Where::Reset)
    }
}

/// What came back for a message so far.
#[derive(Default)]
struct Answer {
    completed: usize,
    last_tag: String,
    error: Option<Box<ServerError>>,
    wants_data: bool,
}

pub(super) struct Part {
    pub(super) text: PartText,
    pub(super) statements: usize,
    pub(super) place: Where,
}

pub(super) enum PartText {
    /// The tool's own SQL.
    Own(String),
    /// Statements of a file.
    Batch(Batch),
    /// One statement of a batch, alone.
    Statement(Rc<Batch>, usize),
    /// One query of a batch, in a block that judges its answer.
    Judged(Rc<Batch>, usize, String),
}

impl PartText {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Own(text) | Self::Judged(_, _, text) => text,
            Self::Batch(batch) => &batch.text,
            Self::Statement(batch, index) => &batch.text[batch.statements[*index].clone()],
        }
    }
}

/// Why a run stops early.
pub(super) enum Stop {
    /// The server, or the connection to it.
    Failed(Box<Failure>),
    /// Something on this side: a file that changed.
    Other(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

struct OpenBody<'a> {
    step: usize,
    sections: Sections<Box<dyn Read + 'a>>,
}

pub(super) struct Run<'a> {
    pub(super) locked: &'a mut Locked,
    pub(super) program: &'a Program,
    bodies: &'a dyn Bodies,
    pub(super) observer: &'a mut dyn Observer,
    /// What is being put together.
    pub(super) message: Message,
    /// What was sent and not yet answered, oldest first.
    flying: VecDeque<Message>,
    flying_bytes: usize,
    body: Option<OpenBody<'a>>,
    /// So many steps are committed.
    finished: usize,
    /// Steps that are done in a transaction that is still open, and what each took.
    uncommitted: Vec<(usize, Duration)>,
    /// The step of which an earlier part is committed already, and how many of its statements that were.
    pub(super) committed_part_of: Option<(usize, usize)>,
    /// How many statements of the running step were read, and their text where there is a journal of it.
    pub(super) statement: usize,
    pub(super) text: Text,
    /// The text without its last statement.
    pub(super) before: Text,
    /// The statement that the journal says runs.
    pub(super) alone: Option<Alone>,
    /// Where the step goes on, until it does.
    pub(super) resuming: Option<Begun>,
    /// The script has chosen its own `lock_timeout`.
    pub(super) own_lock_timeout: bool,
    /// Indexes that were invalid before the section that runs without a transaction.
    pub(super) invalid_before: Vec<String>,
    /// When the step that runs now began, as far as can be seen from here.
    since: Instant,
    announced: Option<usize>,
    /// The program's operations before this one are done already.
    from: usize,
    /// Who holds what the running step waits for, and when that was asked.
    blockers: Vec<String>,
    asked: Option<Instant>,
    interrupted: Option<u8>,
    /// When it was last asked to cancel what runs.
    cancelled: Option<Instant>,
    /// Keeps what was sent ahead from being run.
    held_back: Option<Connection>,
    silence: Silence,
}

pub(super) type Ran = std::result::Result<(), Stop>;

impl<'a> Run<'a> {
    /// A run of the program from step `start` on.
    fn new(
        locked: &'a mut Locked,
        program: &'a Program,
        bodies: &'a dyn Bodies,
        observer: &'a mut dyn Observer,
        start: usize,
    ) -> Self {
        Self {
            locked,
            program,
            bodies,
            observer,
            message: Message::default(),
            flying: VecDeque::new(),
            flying_bytes: 0,
            body: None,
            finished: start,
            uncommitted: Vec::new(),
            committed_part_of: None,
            statement: 0,
            text: Text::default(),
            before: Text::default(),
            alone: None,
            resuming: None,
            own_lock_timeout: false,
            invalid_before: Vec::new(),
            since: Instant::now(),
            announced: None,
            from: program.beginning_of(start),
            blockers: Vec::new(),
            asked: None,
            interrupted: None,
            cancelled: None,
            held_back: None,
            silence: Silence::default(),
        }
    }

    fn all(&mut self) -> Ran {
        let program = self.program;
        for (index, operation) in program.operations.iter().enumerate().skip(self.from) {
            if let Some(signal) = self.interrupted {
                self.settle_all()?;
                return Err(self.failed(self.message.step, Reason::Interrupted { signal, place: None }));
            }
            match operation {
                Operation::Announce(step) => {
                    // Only in a run of one transaction is a message still open here: its step ends where the next begins.
                    if !self.message.parts.is_empty() && *step > 0 {
                        self.send()?;
                        self.settle_all()?;
                    }
                    if *step > 0 && program.could_pass_behind(*step - 1, *step) {
                        self.settle_all()?;
                    }
                    self.message.step = *step;
                    self.begin_step(*step);
                }
                Operation::Passed { step, section } => self.passed(*step, *section)?,
                Operation::Mark { step, statement } => {
                    if self.flying.iter().any(Message::is_part_of_a_body) {
                        self.settle_all()?;
                    }
                    self.mark(*step, &Mark::done(*statement, self.text.checksum(), false));
                }
                Operation::Body { step, section } => self.body(*step, *section)?,
                Operation::Verify { step, section } => self.verify(*step, *section)?,
                Operation::Bare { step, section } => self.bare(*step, *section)?,
                Operation::Record(step) | Operation::Done(step) => {
                    self.check_unchanged(*step)?;
                    if self.flying.iter().any(Message::is_part_of_a_body) {
                        self.settle_all()?;
                    }
                    self.own(operation, Where::Record);
                    self.message.finishes.push(*step);
                }
                Operation::Commit => {
                    if self.locked.session.is_shared() {
                        self.own_sql(pooler::SETTLE, 1, Where::Commit);
                        self.put_back();
                    }
                    self.own(operation, Where::Commit);
                    self.message.commits = true;
                    let marks = matches!(program.operations.get(index.wrapping_sub(1)), Some(Operation::Mark { .. }));
                    self.send()?;
                    if marks {
                        self.settle_all()?;
                        self.committed_part_of = Some((self.message.step, self.statement));
                    }
                }
                Operation::Reset if self.locked.session.is_shared() => {
                    // Elsewhere the transaction before has done it.
                    if program.is_one_transaction() {
                        self.put_back();
                        self.limits(Where::Reset);
                    }
                }
                Operation::Reset => {
                    // In one message with the transaction behind it: where this is cancelled, that must not run with what the
                    // revision before has set. In a transaction of its own there: what is set for transactions to come
                    // (`default_transaction_read_only`) would still hold for one that began before.
                    let begins = program.operations.get(index + 1) == Some(&Operation::Begin);
                    if begins {
                        self.own_sql("BEGIN ISOLATION LEVEL READ COMMITTED;", 1, Where::Reset);
                    }
                    self.own(operation, Where::Reset);
                    self.limits(Where::Reset);
                    if begins {
                        self.own_sql("COMMIT;", 1, Where::Reset);
                    } else {
                        self.send()?;
                    }
                }
                Operation::Begin => {
                    self.ready(self.message.step)?;
                    self.own(operation, Where::Begin);
                    if self.locked.session.is_shared() {
                        self.own_sql(pooler::FIND_SETTINGS, 1, Where::Begin);
                        self.limits(Where::Begin);
                    }
                }
                Operation::Guard(_, scope) => {
                    self.own(operation, Where::Guard);
                    // Behind the lock on the version table: `Session::wait_for_writers` relies on that order.
                    if let Some(check) = self.locked.session.keeper.as_ref().map(Keeper::check) {
                        self.own_sql(&check, 1, Where::Guard);
                    }
                    if scope.is_bare() {
                        // A transaction of the script's may have ended just before.
                        let record = &program.steps[self.message.step].record;
                        self.own_sql(&program.tables.remember_session(record), 1, Where::Guard);
                        self.send()?;
                        self.settle_all()?;
                    }
                }
            }
        }
        self.settle_all()
    }

    fn own(&mut self, operation: &Operation, place: Where) {
        let mut text = self.program.sql(operation);
        if self.locked.session.is_shared()
            && let Some(rest) = text.strip_prefix(OWN_ROLE)
        {
            text = pooler::BACK_TO_ROLE.to_owned() + rest;
        }
        let statements = self.program.statements(operation);
        self.push(Part { text: PartText::Own(text), statements, place });
    }

    /// The limits, for as long as the session can hold them.
    fn limits(&mut self, place: Where) {
        let text = self.locked.session.limits_sql();
        self.own_sql(&text, 1, place);
    }

    /// What keeps a script's settings from the next client of a pooler. It undoes the limits as well.
    fn put_back(&mut self) {
        self.own_sql(pooler::PUT_BACK, pooler::STATEMENTS_OF_PUT_BACK, Where::Reset);
        self.own_sql(pooler::BACK_TO_ROLE, pooler::STATEMENTS_OF_BACK_TO_ROLE, Where::Reset);
    }

    pub(super) fn push(&mut self, part: Part) {
        self.message.bytes += part.text.as_str().len();
        self.message.parts.push(part);
    }

    /// Puts a section's statements into the open transaction.
    fn body(&mut self, step: usize, section: usize) -> Ran {
        let savepoints = self.program.steps[step].savepoints;
        while let Some(batch) = self.next_batch(step, section)? {
            match batch.kind {
                BatchKind::Statements => {
                    if !self.message.parts.is_empty() && self.message.bytes + batch.text.len() > MESSAGE {
                        self.send()?;
                        if savepoints {
                            self.settle_all()?;
                        }
                    }
                    let statements = batch.statements.len();
                    self.note(&batch);
                    self.push(Part { text: PartText::Batch(batch), statements, place: Where::Body });
                }
                BatchKind::CopyFromStdin { .. } => {
                    self.note(&batch);
                    self.copy_in(batch, step, Where::Body)?;
                }
                BatchKind::CopyData { .. } => {}
            }
        }
        Ok(())
    }

    /// Puts a verification into the open transaction. Each of its messages is awaited: what ends it, sent behind one that failed,
    /// would bring the transaction back to life.
    fn verify(&mut self, step: usize, section: usize) -> Ran {
        self.own_sql(verify::BEGINS, verify::BEGINS.lines().count(), Where::Verify);
        while let Some(batch) = self.next_batch(step, section)? {
            self.note(&batch);
            match batch.kind {
                BatchKind::Statements => {
                    let batch = Rc::new(batch);
                    for (index, range) in batch.statements.iter().enumerate() {
                        let text = match verify::check(&batch.text[range.clone()]) {
                            Check::Statement => PartText::Statement(Rc::clone(&batch), index),
                            Check::Query { block, .. } => PartText::Judged(Rc::clone(&batch), index, block),
                        };
                        if self.message.bytes + text.as_str().len() > MESSAGE {
                            self.round_trip()?;
                        }
                        self.push(Part { text, statements: 1, place: Where::Verify });
                    }
                }
                BatchKind::CopyFromStdin { .. } => self.copy_in(batch, step, Where::Verify)?,
                BatchKind::CopyData { .. } => {}
            }
        }
        self.own_sql(verify::ENDS, verify::ENDS.lines().count(), Where::Verify);
        Ok(())
    }

    /// The next batch of the section, reading on in the step's file; sections that are not wanted are passed over.
    pub(super) fn next_batch(&mut self, step: usize, section: usize) -> std::result::Result<Option<Batch>, Error> {
        let body = match &mut self.body {
            Some(body) if body.step == step => body,
            body => body.insert(OpenBody { step, sections: Sections::new(self.bodies.open(step)?) }),
        };
        body.sections.next_of(section).map_err(|error| self.bodies.explain(&error))
    }

    /// Reads the rest of the step's file and compares its checksum with the plan's: a file that was replaced after it was
    /// checked is not recorded.
    fn check_unchanged(&mut self, step: usize) -> std::result::Result<(), Error> {
        let Some(planned) = &self.program.steps[step].record.checksum else { return Ok(()) };
        let body = match self.body.take() {
            Some(body) if body.step == step => body,
            _ => OpenBody { step, sections: Sections::new(self.bodies.open(step)?) },
        };
        let found = body.sections.finish().map_err(|error| self.bodies.explain(&error))?;
        if found.to_string() == *planned {
            return Ok(());
        }
        let title = format!("the file changed while it was being run: {}", self.program.steps[step].title);
        Err(Error::failed(title).hint(crate::explain::again(&self.program.steps[step].again)))
    }

    /// Runs a `COPY … FROM STDIN` with its data from the file.
    pub(super) fn copy_in(&mut self, batch: Batch, step: usize, place: Where) -> Ran {
        if !self.message.parts.is_empty() {
            self.send()?;
        }
        self.settle_all()?;
        let section = batch.section.ordinal;
        self.push(Part { text: PartText::Batch(batch), statements: 1, place });
        self.send()?;
        while !self.flying.front().is_none_or(|message| message.answer.wants_data) {
            // An error, or the answer's end: there is nobody to send the data to.
            if self.absorb(None)? {
                return Ok(());
            }
        }
        while let Some(data) = self.next_batch(step, section)? {
            let BatchKind::CopyData { last } = data.kind else { break };
            if self.program.steps[step].is_in_parts() {
                self.text.add_data(&data.text);
            }
            // A piece is 256 KB at the most, far below what a message may hold.
            let _ = self.locked.session.connection.copy_data(data.text.as_bytes());
            self.locked.session.beat_keeper();
            while self.locked.session.connection.unsent() > WINDOW.1 as u64 {
                // Mostly there is no event: the wait is for the socket to take more.
                if self.absorb(Some(Instant::now() + Duration::from_millis(2)))? {
                    return Ok(());
                }
            }
            if last {
                break;
            }
        }
        self.locked.session.connection.copy_done();
        self.settle_all()
    }

    /// Sends the message that was put together, after waiting for a place in the window; nothing once a signal came.
    pub(super) fn send(&mut self) -> Ran {
        let step = self.message.step;
        // One that came during a question of the tool's own was not seen by `interrupt`.
        if let Some(signal) = self.asked_to_stop() {
            self.settle_all()?;
            return Err(self.failed(step, Reason::Interrupted { signal, place: None }));
        }
        let limit = self.locked.session.limits.time_to_send(self.message.bytes);
        let large = self.message.bytes > MESSAGE && limit > self.locked.session.limits.idle_timeout;
        if large {
            self.send_limit(limit)?;
        }
        self.locked.session.beat_keeper();
        let message = std::mem::take(&mut self.message);
        self.message.step = step;
        if self.locked.session.is_shared() || self.locked.session.connection.is_pooled() {
            self.settle_all()?;
        }
        while self.flying.len() >= WINDOW.0 || (!self.flying.is_empty() && self.flying_bytes + message.bytes > WINDOW.1)
        {
            self.settle_one()?;
        }
        if self.flying.is_empty() && self.announced != Some(step) {
            self.since = Instant::now();
        }
        let mut texts = Vec::with_capacity(message.parts.len() * 2);
        for part in &message.parts {
            texts.push(part.text.as_str());
            texts.push(part.separator());
        }
        if let Err(error) = self.locked.session.connection.send_parts(&texts, Rows::Discard) {
            let title = &self.program.steps[message.step].title;
            return Err(Error::failed(format!("cannot send {title}: {error}")).into());
        }
        self.locked.session.connection.flush();
        self.flying_bytes += message.bytes;
        // A message that cannot be read (a syntax error) opens no transaction: what is sent behind it would commit by itself.
        let opens = !message.commits && message.parts.iter().any(|part| part.place == Where::Begin);
        self.flying.push_back(message);
        if large {
            let usual = self.locked.session.limits.idle_timeout;
            self.send_limit(usual)?;
        }
        if opens { self.settle_all() } else { Ok(()) }
    }

    /// Sends, in a message of its own, how long the server may wait for the next one: a message that is large takes long to arrive.
    fn send_limit(&mut self, limit: Duration) -> Ran {
        let sql = self.locked.session.idle_limit_sql(limit);
        let message = Message { step: self.message.step, ..Message::default() };
        let held = std::mem::replace(&mut self.message, message);
        self.own_sql(&sql, 1, Where::Reset);
        self.send()?;
        self.message = held;
        Ok(())
    }

    /// Sends the message, and takes in all answers.
    pub(super) fn round_trip(&mut self) -> Ran {
        self.send()?;
        self.settle_all()
    }

    pub(super) fn settle_all(&mut self) -> Ran {
        while !self.flying.is_empty() {
            self.settle_one()?;
        }
        Ok(())
    }

    /// Reads the answer to the oldest message.
    fn settle_one(&mut self) -> Ran {
        while !self.flying.is_empty() {
            if self.absorb(None)? {
                break;
            }
        }
        Ok(())
    }

    /// Takes in one event of the oldest message's answer; true where that was its end.
    fn absorb(&mut self, deadline: Option<Instant>) -> std::result::Result<bool, Stop> {
        let pause = self.locked.session.beat_every().map_or(self.glance(), |every| every.min(self.glance()));
        self.locked.session.beat_keeper();
        let tick = Instant::now() + pause;
        let event = self.locked.session.connection.next_event(Some(deadline.map_or(tick, |until| until.min(tick))));
        let Some(message) = self.flying.front_mut() else { return Ok(true) };
        let step = message.step;
        if self.announced != Some(step) {
            self.announced = Some(step);
            self.observer.started(step);
        }
        if !matches!(event, Ok(Event::Timeout | Event::Woken)) {
            self.silence = Silence::default();
        }
        match event {
            Ok(Event::Complete(tag)) => {
                message.answer.completed += 1;
                tag.verb().clone_into(&mut message.answer.last_tag);
            }
            Ok(Event::Error(error)) => message.answer.error = Some(error),
            Ok(Event::Notice(notice)) => self.observer.notice(step, &notice),
            Ok(Event::CopyIn) => message.answer.wants_data = true,
            Ok(Event::Timeout) => {
                self.waiting(step);
                self.insist();
                self.listen().map_err(|lost| self.lost(lost))?;
            }
            Ok(Event::Woken) => self.interrupt(),
            Ok(Event::Ready(status)) => {
                self.answered(status)?;
                return Ok(true);
            }
            Ok(_) => {}
            Err(lost) => return Err(self.lost(lost)),
        }
        Ok(false)
    }

    /// After how long without an answer it is asked who is in the way: before a `lock_timeout` ends the wait and, with it,
    /// what there is to see.
    fn glance(&self) -> Duration {
        match self.lock_timeout() / 2 {
            Duration::ZERO => TICK,
            half => half.clamp(SHORTEST_GLANCE, TICK),
        }
    }

    /// The limit that holds for the step which runs now; zero is none.
    fn lock_timeout(&self) -> Duration {
        let step = self.flying.front().map_or(self.message.step, |message| message.step);
        let own = self.program.steps.get(step).and_then(|step| step.lock_timeout);
        own.map_or(self.locked.session.limits.lock_timeout, Duration::from_millis)
    }

    /// Tells that there is no answer yet, and, now and then, who is in the way.
    fn waiting(&mut self, step: usize) {
        let (time, glance) = (self.since.elapsed(), self.glance());
        // A statement that has run for long may come to a lock at any moment, and gives up soon where there is a limit.
        let again = if self.lock_timeout().is_zero() { ASK_AGAIN } else { glance };
        if time >= glance && self.asked.is_none_or(|asked| asked.elapsed() >= again) {
            self.asked = Some(Instant::now());
            self.blockers = self.locked.session.blockers();
        }
        if time >= TICK {
            self.observer.waiting(step, time, &self.blockers);
        }
    }

    /// Makes sure, where nothing comes, that there is somebody who could answer.
    fn listen(&mut self) -> std::result::Result<(), Lost> {
        let session = &mut self.locked.session;
        let limit = session.limits.time_to_send(self.flying_bytes);
        if self.silence.is_final(session, limit) { Err(session.connection.give_up()) } else { Ok(()) }
    }

    /// Cancels what runs. The request is awaited: otherwise it could hit a later statement, the ROLLBACK even.
    fn interrupt(&mut self) {
        let Some(signal) = self.locked.session.interrupt.as_ref().and_then(super::interrupt::Interrupt::take) else {
            return;
        };
        self.interrupted = Some(signal);
        self.observer.interrupted(signal);
        if self.flying.len() > 1 {
            self.held_back = self.locked.session.hold_back();
        }
        self.cancel();
    }

    /// Cancels again where the one before has done nothing: the server may have been idle then, and the message on its way.
    fn insist(&mut self) {
        if self.interrupted.is_some() && self.cancelled.is_none_or(|cancelled| cancelled.elapsed() >= TICK) {
            self.cancel();
        }
    }

    fn cancel(&mut self) {
        if self.flying.front().is_some_and(|message| message.answer.wants_data) {
            self.locked.session.connection.copy_fail("cancelled");
        }
        // Where it does not get through, the answer is waited for all the same.
        let _ = self.locked.session.connection.cancel(CANCEL);
        self.cancelled = Some(Instant::now());
    }

    /// Judges the oldest message, whose answer is complete.
    fn answered(&mut self, status: TransactionStatus) -> Ran {
        let Some(message) = self.flying.pop_front() else { return Ok(()) };
        self.flying_bytes -= message.bytes;
        let time = self.since.elapsed();
        let Message { parts, finishes, commits, step, answer, .. } = message;
        if let (Some(signal), Some("57014")) =
            (self.interrupted, answer.error.as_ref().map(|error| error.code.as_str()))
        {
            let place = Some(Place { parts, completed: answer.completed, data: None });
            return Err(self.failed(step, Reason::Interrupted { signal, place }));
        }
        if let Some(mut error) = answer.error {
            let place = Place { parts, completed: answer.completed, data: None };
            // A server that does not know its text's encoding counts bytes.
            if self.locked.session.connection.parameter("server_encoding") == Some("SQL_ASCII")
                && let Some(Position::Sent(byte)) = error.position
            {
                error.position = Some(Position::Sent(place.character(byte)));
            }
            place.speak_of_the_file(&mut error);
            return Err(self.failed(step, Reason::Server { error, place }));
        }
        // The word of the last statement is the proof: a COMMIT in a transaction that failed is answered ROLLBACK.
        if commits && (answer.last_tag != "COMMIT" || status != TransactionStatus::Idle) {
            return Err(self.failed(step, Reason::NotCommitted { tag: answer.last_tag }));
        }
        for step in finishes {
            self.since = Instant::now();
            self.uncommitted.push((step, time));
        }
        if commits {
            for (step, time) in self.uncommitted.drain(..) {
                self.finished = self.finished.max(step + 1);
                self.committed_part_of = None;
                self.asked = None;
                self.blockers.clear();
                self.observer.finished(step, time);
            }
        }
        if self.interrupted.is_some() && !self.flying.is_empty() {
            // The request came between two messages, and the next one is running now.
            self.cancel();
        }
        Ok(())
    }

    pub(super) fn failed(&self, step: usize, reason: Reason) -> Stop {
        Stop::Failed(Box::new(Failure {
            step,
            reason,
            time: self.since.elapsed(),
            finished: self.finished,
            part: self.committed_part_of.filter(|(of, _)| *of == step).map(|(_, statements)| statements),
            alone: self.alone.clone(),
        }))
    }

    /// The signal that came, if one did.
    pub(super) fn asked_to_stop(&self) -> Option<u8> {
        self.interrupted.or_else(|| self.locked.session.asked_to_stop())
    }

    fn lost(&mut self, lost: Lost) -> Stop {
        let doubtful = self.flying.iter().map(|message| message.finishes.len().max(message.commits.into())).sum();
        let Some(Message { step, parts, answer, .. }) = self.flying.pop_front() else {
            return self.failed(self.message.step, Reason::Lost { lost, doubtful, place: None });
        };
        let place = Place { parts, completed: answer.completed, data: None };
        match lost.fatal {
            // The server process itself says that it ended, and every answer before that has arrived: so it is known
            // which statement it ended in, and that nothing behind it ran.
            Some(error) if error.routine.is_some() && !place.is_at_commit() => {
                self.failed(step, Reason::Ended { error, place })
            }
            _ => self.failed(step, Reason::Lost { lost, doubtful, place: Some(place) }),
        }
    }

    /// The run ends because of something on this side: what is on its way is let through, the rest rolled back.
    fn abandoned(&mut self, error: Error) -> Error {
        if let Err(Stop::Failed(failure)) = self.settle_all() {
            let failure = self.wind_up(*failure);
            return failure.explain(self.program, &self.locked.session, &Invalid::default());
        }
        let step = self.message.step;
        if let Stop::Failed(other) = self.failed(step, Reason::Overtaken) {
            self.wind_up(*other);
        }
        let error = match self.committed_part_of {
            Some((step, _)) => error
                .kind_of(crate::error::Kind::Partial)
                .note(format!("{} stopped partway: what ran of it stays", self.program.steps[step].title)),
            None => error,
        };
        match self.finished {
            0 => error,
            finished => super::failure::kept_before(error, self.program, finished),
        }
    }

    /// Reads the answers that are still on their way and rolls back; nothing runs any more after it.
    fn wind_up(&mut self, mut failure: Failure) -> Failure {
        // Behind the one that failed, the guards of the others refuse by themselves.
        self.held_back = None;
        if matches!(failure.reason, Reason::Lost { .. } | Reason::Ended { .. }) {
            return failure;
        }
        let mut finished = failure.finished;
        while let Some(message) = self.flying.pop_front() {
            let doubtful = self.flying.len() + 1;
            match self.drain() {
                Ok(true) if message.commits => {
                    finished = message.finishes.iter().fold(finished, |last, step| last.max(step + 1))
                }
                Ok(_) => {}
                Err(lost) => return Failure { reason: Reason::Lost { lost, doubtful, place: None }, ..failure },
            }
        }
        if self.locked.session.connection.status() != TransactionStatus::Idle {
            let _ = self.locked.session.run("ROLLBACK", "cannot roll back");
        }
        // What the failed revision set must not reach the history row, or whoever holds the connection next. In a
        // transaction that was rolled back it reaches nobody.
        if !self.locked.session.is_shared() {
            let _ = self.locked.session.run(crate::model::program::RESET, "cannot reset the session");
            let limits = self.locked.session.limits_sql();
            let _ = self.locked.session.run(&limits, "cannot set the session's limits");
        }
        if let Some(excerpt) = self.line_of_data(&failure) {
            failure.at_data(excerpt);
        }
        if finished > failure.finished {
            // Cannot happen while the guard holds; if it ever does, nobody may take the outcome for known.
            return Failure { reason: Reason::Overtaken, finished, ..failure };
        }
        failure
    }

    /// The line of a `COPY`'s data that the server refused, read again from the file: data are not kept.
    fn line_of_data(&self, failure: &Failure) -> Option<Excerpt> {
        let (copy, line) = failure.in_data()?;
        let mut body = self.bodies.open(failure.step).ok()?;
        let mut found = false;
        while let Some(batch) = body.next_batch().ok()? {
            if !matches!(batch.kind, BatchKind::CopyData { .. }) {
                if found {
                    break;
                }
                found = batch.start == copy.start;
            } else if found && batch.start.line <= line {
                let mut starts =
                    std::iter::once(0).chain(memchr::memchr_iter(b'\n', batch.text.as_bytes()).map(|at| at + 1));
                match starts.nth(line - batch.start.line) {
                    Some(start) if start < batch.text.len() => return Some(batch.excerpt(start..batch.text.len())),
                    _ => {}
                }
            }
        }
        None
    }

    /// Reads one message's answer; true where nothing in it failed.
    fn drain(&mut self) -> std::result::Result<bool, Lost> {
        let mut good = true;
        loop {
            match self.locked.session.connection.next_event(Some(Instant::now() + TICK))? {
                Event::Timeout => {
                    self.insist();
                    self.listen()?;
                }
                Event::Woken => self.interrupt(),
                Event::Error(_) => good = false,
                Event::Ready(_) => return Ok(good),
                _ => {}
            }
        }
    }
}

impl Part {
    /// What stands behind it in its message: a body may end without a semicolon, or in a comment.
    pub(super) fn separator(&self) -> &'static str {
        match self.place {
            Where::Body | Where::Verify | Where::Bare | Where::Together => "\n;\n",
            _ => "\n",
        }
    }
}
