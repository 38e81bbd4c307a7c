//! The executor on a connection: runs a program, and proves of each transaction that it was committed.
//!
//! A revision is one message where it fits: settings back, BEGIN, guard, statements, record, COMMIT. Messages are sent ahead of
//! their answers, up to a window. That is safe because every message begins with a guard that expects exactly the rows
//! the message before leaves: behind one that failed, none applies (docs/safety.md). A body larger than a message goes in
//! several, in one transaction, and the record and COMMIT are sent only when all of them are answered.
//!
//! It decides nothing that stands in the program, and prints nothing: an [`Observer`] watches.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::failure::{Failure, Place, Reason, Where};
use super::lock::Locked;
use super::server_error::ServerError;
use super::wire::event::{Event, Lost, Rows, TransactionStatus};
use crate::error::{Error, Result};
use crate::model::program::{Operation, Program};
use crate::model::sql::body::{Batch, BatchKind, BodyReader};

/// Watches a program run.
pub trait Observer {
    /// A step's first message is on its way.
    fn started(&mut self, step: usize);
    /// A step is committed; `time` is what it took, as seen from here.
    fn finished(&mut self, step: usize, time: Duration);
    /// The server said something while a step ran.
    fn notice(&mut self, step: usize, notice: &ServerError);
    /// About a second went by without an answer; `time` is what the step has taken so far.
    fn waiting(&mut self, step: usize, time: Duration);
}

/// Where the statements of a program's steps come from.
pub trait Bodies {
    /// The body of the step's file, from its beginning.
    ///
    /// # Errors
    /// The file cannot be read any more.
    fn open(&self, step: usize) -> Result<BodyReader<Box<dyn std::io::Read>>>;
}

/// A message is sent when it holds about this many bytes: the server's memory is some 13 times a message's size, and
/// larger ones are no faster.
const MESSAGE: usize = 256 * 1024;
/// So many messages, and so many bytes in them, may wait for their answers.
const WINDOW: (usize, usize) = (64, 4 * MESSAGE);

impl Locked {
    /// Runs `program`. Steps before the one that failed stay applied.
    ///
    /// # Errors
    /// What failed, where, and what was kept.
    pub fn execute(&mut self, program: &Program, bodies: &dyn Bodies, observer: &mut dyn Observer) -> Result<()> {
        let mut run = Run {
            locked: self,
            program,
            bodies,
            observer,
            message: Message::default(),
            flying: VecDeque::new(),
            flying_bytes: 0,
            body: None,
            finished: 0,
            committed_part_of: None,
            since: Instant::now(),
            announced: None,
        };
        match run.all() {
            Ok(()) => Ok(()),
            Err(Stop::Failed(failure)) => Err(run.stopped(*failure)),
            Err(Stop::Other(error)) => Err(run.abandoned(error)),
        }
    }
}

/// A text on its way to the server and what it holds, in order, to find a failing statement again.
#[derive(Default)]
struct Message {
    parts: Vec<Part>,
    bytes: usize,
    /// Steps that are done when this message is.
    finishes: Vec<usize>,
    commits: bool,
    step: usize,
}

struct Part {
    text: PartText,
    statements: usize,
    place: Where,
}

enum PartText {
    Own(String),
    Batch(Batch),
}

impl PartText {
    fn as_str(&self) -> &str {
        match self {
            Self::Own(text) => text,
            Self::Batch(batch) => &batch.text,
        }
    }
}

/// Why a run stops early.
enum Stop {
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

struct OpenBody {
    step: usize,
    reader: BodyReader<Box<dyn std::io::Read>>,
    next: Option<Batch>,
}

struct Run<'a> {
    locked: &'a mut Locked,
    program: &'a Program,
    bodies: &'a dyn Bodies,
    observer: &'a mut dyn Observer,
    /// What is being put together.
    message: Message,
    /// What was sent and not yet answered, oldest first.
    flying: VecDeque<Message>,
    flying_bytes: usize,
    body: Option<OpenBody>,
    /// So many steps are committed.
    finished: usize,
    /// The step of which an earlier part is committed already, and how many bare statements of it ran.
    committed_part_of: Option<(usize, usize)>,
    /// When the oldest flying message began to run, as far as can be seen from here.
    since: Instant,
    announced: Option<usize>,
}

type Ran = std::result::Result<(), Stop>;

impl Run<'_> {
    fn all(&mut self) -> Ran {
        let program = self.program;
        for (index, operation) in program.operations.iter().enumerate() {
            match operation {
                Operation::Announce(step) => {
                    // Only in a run of one transaction is a message still open here: its step ends where the next begins.
                    if !self.message.parts.is_empty() && *step > 0 {
                        self.send()?;
                        self.settle_all()?;
                    }
                    self.message.step = *step;
                }
                Operation::Body { step, section } => self.body(*step, *section)?,
                Operation::Bare { step, section } => self.bare(*step, *section)?,
                Operation::Record(step) => {
                    self.check_unchanged(*step)?;
                    if self.flying.iter().any(|message| !message.commits) {
                        self.settle_all()?;
                    }
                    self.own(operation, Where::Record);
                    self.message.finishes.push(*step);
                }
                Operation::Commit => {
                    self.own(operation, Where::Commit);
                    self.message.commits = true;
                    let records = matches!(program.operations.get(index.wrapping_sub(1)), Some(Operation::Record(_)));
                    self.send()?;
                    if !records {
                        self.settle_all()?;
                        self.committed_part_of = Some((self.message.step, 0));
                    }
                }
                Operation::Reset => self.own(operation, Where::Reset),
                Operation::Begin => self.own(operation, Where::Begin),
                Operation::Guard(_, scope) => {
                    self.own(operation, Where::Guard);
                    if scope.is_bare() {
                        self.send()?;
                        self.settle_all()?;
                    }
                }
            }
        }
        self.settle_all()
    }

    fn own(&mut self, operation: &Operation, place: Where) {
        let text = self.program.sql(operation);
        let statements = self.program.statements(operation);
        self.push(Part { text: PartText::Own(text), statements, place });
    }

    fn push(&mut self, part: Part) {
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
                    self.push(Part { text: PartText::Batch(batch), statements, place: Where::Body });
                }
                BatchKind::Copy => self.copy_in(batch, step)?,
                BatchKind::CopyData => {}
            }
        }
        Ok(())
    }

    /// Runs a section's statements one by one, each committing by itself.
    fn bare(&mut self, step: usize, section: usize) -> Ran {
        while let Some(batch) = self.next_batch(step, section)? {
            if batch.kind == BatchKind::Copy {
                self.copy_in(batch, step)?;
                self.count_bare(step);
                continue;
            }
            for index in 0..batch.statements.len() {
                let statement = batch.only(index);
                self.push(Part { text: PartText::Batch(statement), statements: 1, place: Where::Bare });
                self.send()?;
                self.settle_all()?;
                self.count_bare(step);
            }
        }
        Ok(())
    }

    fn count_bare(&mut self, step: usize) {
        let before = match self.committed_part_of {
            Some((of, count)) if of == step => count,
            _ => 0,
        };
        self.committed_part_of = Some((step, before + 1));
    }

    /// The next batch of the section, reading on in the step's file; sections that are not wanted are passed over.
    fn next_batch(&mut self, step: usize, section: usize) -> std::result::Result<Option<Batch>, Error> {
        let body = match &mut self.body {
            Some(body) if body.step == step => body,
            _ => {
                let reader = self.bodies.open(step)?;
                self.body.insert(OpenBody { step, reader, next: None })
            }
        };
        loop {
            let batch = match body.next.take() {
                Some(batch) => batch,
                None => match body.reader.next_batch().map_err(|error| error.explain())? {
                    Some(batch) => batch,
                    None => return Ok(None),
                },
            };
            match batch.section.ordinal.cmp(&section) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Ok(Some(batch)),
                std::cmp::Ordering::Greater => {
                    body.next = Some(batch);
                    return Ok(None);
                }
            }
        }
    }

    /// Reads the rest of the step's file and compares its checksum with the plan's: a file that was replaced after it was
    /// checked is not recorded.
    fn check_unchanged(&mut self, step: usize) -> std::result::Result<(), Error> {
        let Some(planned) = &self.program.steps[step].record.checksum else { return Ok(()) };
        let body = match self.body.take() {
            Some(body) if body.step == step => body,
            _ => OpenBody { step, reader: self.bodies.open(step)?, next: None },
        };
        let found = body.reader.checksum().map_err(|error| error.explain())?;
        if &found == planned {
            return Ok(());
        }
        let title = format!("the file changed while it was being run: {}", self.program.steps[step].title);
        Err(Error::failed(title).hint("run the same command again"))
    }

    /// Runs a `COPY … FROM STDIN` with its data from the file.
    fn copy_in(&mut self, batch: Batch, step: usize) -> Ran {
        if !self.message.parts.is_empty() {
            self.send()?;
        }
        self.settle_all()?;
        let section = batch.section.ordinal;
        self.push(Part { text: PartText::Batch(batch), statements: 1, place: Where::Body });
        self.send()?;
        if !self.await_copy()? {
            return self.settle_all();
        }
        while let Some(data) = self.next_batch(step, section)? {
            if data.kind != BatchKind::CopyData {
                if let Some(body) = &mut self.body {
                    body.next = Some(data);
                }
                break;
            }
            self.locked.session.connection.copy_data(data.text.as_bytes());
            if let Err(lost) = self.locked.session.connection.flush_below(WINDOW.1) {
                return Err(self.lost(lost));
            }
        }
        self.locked.session.connection.copy_done();
        self.settle_all()
    }

    /// Waits until the server asks for the data; false where it answered with an error instead.
    fn await_copy(&mut self) -> std::result::Result<bool, Stop> {
        match self.locked.session.connection.await_copy() {
            Ok(ready) => Ok(ready),
            Err(lost) => Err(self.lost(lost)),
        }
    }

    /// Sends the message that was put together, after waiting for a place in the window.
    fn send(&mut self) -> Ran {
        let step = self.message.step;
        let message = std::mem::take(&mut self.message);
        self.message.step = step;
        while self.flying.len() >= WINDOW.0
            || (!self.flying.is_empty() && self.flying_bytes + message.bytes > WINDOW.1)
        {
            self.settle_one()?;
        }
        if self.flying.is_empty() {
            self.since = Instant::now();
        }
        // A body may end without a semicolon, or within a comment that runs to the end of its line.
        let mut texts = Vec::with_capacity(message.parts.len() * 2);
        for part in &message.parts {
            texts.push(part.text.as_str());
            texts.push(part.separator());
        }
        self.locked.session.connection.send_parts(&texts);
        self.flying_bytes += message.bytes;
        self.flying.push_back(message);
        Ok(())
    }

    fn settle_all(&mut self) -> Ran {
        while !self.flying.is_empty() {
            self.settle_one()?;
        }
        Ok(())
    }

    /// Reads the answer to the oldest message.
    fn settle_one(&mut self) -> Ran {
        let Some(message) = self.flying.pop_front() else { return Ok(()) };
        self.flying_bytes -= message.bytes;
        let step = message.step;
        if self.announced != Some(step) {
            self.announced = Some(step);
            self.observer.started(step);
        }
        let mut completed = 0;
        let mut failed: Option<Box<ServerError>> = None;
        let mut last_tag = String::new();
        let status = loop {
            let deadline = Instant::now() + Duration::from_secs(1);
            match self.locked.session.connection.next_event(Some(deadline)) {
                Ok(Event::Complete(tag)) => {
                    completed += 1;
                    last_tag = tag.verb().to_owned();
                }
                Ok(Event::Error(error)) => failed = Some(error),
                Ok(Event::Notice(notice)) => self.observer.notice(step, &notice),
                Ok(Event::Timeout) => self.observer.waiting(step, self.since.elapsed()),
                Ok(Event::Ready(status)) => break status,
                Ok(_) => {}
                Err(lost) => {
                    self.flying.push_front(message);
                    return Err(self.lost(lost));
                }
            }
        };
        let time = self.since.elapsed();
        self.since = Instant::now();
        if let Some(error) = failed {
            let reason = Reason::Server { error, place: message.locate(completed), time };
            return Err(self.failed(step, reason));
        }
        let expected = if message.commits { TransactionStatus::Idle } else { status };
        if message.commits && (last_tag != "COMMIT" || status != expected) {
            return Err(self.failed(step, Reason::NotCommitted { tag: last_tag }));
        }
        for step in message.finishes {
            self.finished = self.finished.max(step + 1);
            self.committed_part_of = None;
            self.observer.finished(step, time);
        }
        Ok(())
    }

    fn failed(&self, step: usize, reason: Reason) -> Stop {
        Stop::Failed(Box::new(Failure {
            step,
            reason,
            finished: self.finished,
            part: self.committed_part_of.filter(|(of, _)| *of == step).map(|(_, statements)| statements),
        }))
    }

    fn lost(&self, lost: Lost) -> Stop {
        let in_doubt = self.flying.iter().any(|message| message.commits);
        let step = self.flying.front().map_or(self.message.step, |message| message.step);
        self.failed(step, Reason::Lost { lost, in_doubt })
    }

    /// The run ends because of something on this side: what is on its way is let through or rolled back.
    fn abandoned(&mut self, error: Error) -> Error {
        if let Err(Stop::Failed(failure)) = self.settle_all() {
            return self.stopped(*failure);
        }
        self.roll_back();
        error.note(format!("{} before it stay done", crate::ui::counted(self.finished, "revision")))
    }

    /// Answers that are still on their way are read, the transaction is rolled back, the failure is written into
    /// the history, and all of it is told.
    fn stopped(&mut self, failure: Failure) -> Error {
        if matches!(failure.reason, Reason::Lost { .. }) {
            return failure.explain(self.program, &self.locked.session.place);
        }
        let mut after: Vec<usize> = Vec::new();
        while let Some(message) = self.flying.pop_front() {
            match self.drain() {
                Ok(true) if message.commits => after.extend(message.finishes),
                Ok(_) => {}
                Err(lost) => {
                    let step = failure.step;
                    let lost = Failure { step, reason: Reason::Lost { lost, in_doubt: true }, ..failure };
                    return lost.explain(self.program, &self.locked.session.place);
                }
            }
        }
        self.roll_back();
        let step = &self.program.steps[failure.step];
        let sql = self.program.tables.failure(&step.record, &self.program.author, &failure.record());
        // The failure itself matters more than its record: a read-only or full database cannot take it.
        let recorded = self.locked.session.run(&sql, "cannot record the failure");
        let invalid = if failure.may_leave_an_index() { self.locked.session.invalid_indexes() } else { Vec::new() };
        let error = failure.explain_with(self.program, &self.locked.session.place, &invalid);
        let error = match recorded {
            Ok(_) => error,
            Err(why) => error.note(format!("the failure could not be written into the history: {why}")),
        };
        if after.is_empty() {
            return error;
        }
        // Cannot happen while the guard holds; if it ever does, nobody may take the outcome for known.
        error.kind_of(crate::error::Kind::Unknown).note("a later revision was committed behind the one that failed")
    }

    /// Reads one message's answer; true where nothing in it failed.
    fn drain(&mut self) -> std::result::Result<bool, Lost> {
        let mut good = true;
        loop {
            match self.locked.session.connection.next_event(None)? {
                Event::Error(_) => good = false,
                Event::Ready(_) => return Ok(good),
                _ => {}
            }
        }
    }

    fn roll_back(&mut self) {
        if self.locked.session.connection.status() != TransactionStatus::Idle {
            let _ = self.locked.session.run("ROLLBACK", "cannot roll back");
        }
        // What the failed revision set must not reach the history row, or whoever holds the connection next.
        let _ = self.locked.session.run(crate::model::program::RESET, "cannot reset the session");
    }
}

impl Part {
    fn separator(&self) -> &'static str {
        match self.place {
            Where::Body => "\n;\n",
            _ => "\n",
        }
    }
}

impl Message {
    /// What stands behind `completed` statements of the message, or, where the server gave a position, at that.
    fn locate(self, completed: usize) -> Place {
        Place { parts: self.parts, completed }
    }
}
