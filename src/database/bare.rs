//! Sections without a transaction, on a connection: statement by statement, each with its mark in the journal.
//!
//! A statement that can be in a transaction is in one together with its mark. One that the server refuses there runs alone,
//! between two marks; where a run before stopped in it, the catalogs are asked first whether it was carried out.

use std::rc::Rc;
use std::time::Instant;

use super::execute::{Part, PartText, Ran, Run, Settled, Stop};
use super::failure::{Reason, Where};
use crate::error::Error;
use crate::explain;
use crate::model::bookkeeping::Tables;
use crate::model::journal::{self, Begun, Index, Known, Mark, State};
use crate::model::program::WITHOUT_LOCK_TIMEOUT;
use crate::model::sql::body::{Batch, BatchKind};
use crate::model::sql::outside::{self, Company, Trace};
use crate::model::sql::quote::qualified;
use crate::model::sql::session_setting::{self, SessionSetting};

/// A statement that runs alone, or has run: the journal says `running` of it.
#[derive(Clone, Debug)]
pub(super) struct Alone {
    /// Which.
    pub(super) statement: usize,
    /// What tells whether it was carried out.
    pub(super) trace: Trace,
    /// The index of that name which was there before.
    before: Option<Index>,
    /// The server has said that it is done.
    pub(super) ended: bool,
}

impl Alone {
    /// Whether the index came to be since the statement ran: one that was there before is not its own, whatever its name.
    fn made(&self, index: &Index) -> bool {
        self.before.as_ref().is_none_or(|before| before.oid != index.oid)
    }
}

/// What the catalogs say of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Validity {
    Valid,
    Invalid,
    /// It is not valid yet: another session builds it.
    BeingBuilt,
}

/// Statements of a section that set the session, to be run again in a new one, and what each sets.
type Settings = Vec<(SessionSetting, Rc<Batch>, usize)>;

/// What became of a statement that was tried in a transaction.
enum Tried {
    Committed,
    /// The server does not allow it there; nothing of it was kept.
    Refused,
}

impl Run<'_> {
    /// A step begins: its statements are counted from here, but for what is committed of it already.
    pub(super) fn begin_step(&mut self, step: usize) {
        self.statement = 0;
        self.text = journal::Text::default();
        self.own_lock_timeout = false;
        self.resuming.clone_from(&self.program.steps[step].begun);
        match self.program.steps[step].done() {
            0 => {}
            done => self.committed_part_of = Some((step, done)),
        }
    }

    /// Before the first statement that is not done: what a failed one left behind goes, and the session must be what those that
    /// are done left.
    pub(super) fn ready(&mut self, step: usize) -> Ran {
        let Some(begun) = self.resuming.take() else { return Ok(()) };
        if let Some(index) = &begun.left_over {
            self.hold_the_lock()?;
            let rows = self.locked.session.run(&journal::still_invalid(index), "cannot look for the index")?;
            if let Some(row) = rows.first() {
                let name = qualified(Some(row.get(0).unwrap_or_default()), row.get(1).unwrap_or_default());
                self.drop_index(step, &name)?;
            }
        }
        self.same_session(step, &begun)
    }

    /// Makes sure that a new session is what the one before was, as far as that decides on which objects statements work. What the
    /// script computed, and its temporary tables, are gone.
    fn same_session(&mut self, step: usize, begun: &Begun) -> Ran {
        let Some(before) = begun.session.as_ref().filter(|_| begun.done > 0) else { return Ok(()) };
        let rows = self.locked.session.run(&format!("SELECT {}", journal::SESSION), "cannot ask about the session")?;
        match rows.first().and_then(|row| row.get(0)) {
            Some(now) if now == before => Ok(()),
            now => {
                let title = &self.program.steps[step].title;
                Err(explain::another_session(title, begun.done, before, now.unwrap_or_default()).into())
            }
        }
    }

    /// Counts the statements of a batch.
    pub(super) fn note(&mut self, batch: &Batch) {
        self.statement += batch.statements.len();
        if self.program.steps[self.message.step].is_in_parts() {
            batch.statements.iter().for_each(|range| self.text.add(&batch.text[range.clone()]));
        }
    }

    /// Puts a mark into the message.
    pub(super) fn mark(&mut self, step: usize, mark: &Mark) {
        self.own_sql(&self.program.mark(step, mark), Tables::statements_of_mark(mark), Where::Mark);
    }

    /// Passes over a section that is done, but for what it set in the session; what a verification set was taken back.
    pub(super) fn passed(&mut self, step: usize, section: usize) -> Ran {
        if self.program.steps[step].sections.iter().any(|passed| passed.ordinal == section && passed.verifies) {
            while let Some(batch) = self.next_batch(step, section)? {
                match batch.kind {
                    BatchKind::CopyData { .. } => self.text.add_data(&batch.text),
                    BatchKind::Statements | BatchKind::CopyFromStdin { .. } => self.note(&batch),
                }
            }
            return Ok(());
        }
        self.bare(step, section)
    }

    /// Runs a section's statements one by one.
    pub(super) fn bare(&mut self, step: usize, section: usize) -> Ran {
        self.invalid_before = match self.locked.session.invalid_indexes() {
            // Where a signal came meanwhile, it is the reason to stop, and `send` says so.
            Err(_) if self.locked.session.asked_to_stop().is_some() => Vec::new(),
            found => found?,
        };
        let done = self.program.steps[step].done();
        let mut settings = Settings::new();
        while let Some(batch) = self.next_batch(step, section)? {
            match batch.kind {
                BatchKind::CopyFromStdin { .. } => {
                    self.note(&batch);
                    if self.statement > done {
                        self.set_again(&mut settings)?;
                        self.ready(step)?;
                        self.hold_the_lock()?;
                        self.copy_with_its_mark(batch, step)?;
                    }
                }
                // Of a COPY that is done already.
                BatchKind::CopyData { .. } => self.text.add_data(&batch.text),
                BatchKind::Statements => {
                    let batch = Rc::new(batch);
                    for index in 0..batch.statements.len() {
                        self.statement(step, &batch, index, &mut settings)?;
                    }
                }
            }
        }
        self.set_again(&mut settings)
    }

    /// Runs the statements again that set the session, in their order, but for those that a later one has overridden: they may name
    /// what is gone since.
    fn set_again(&mut self, settings: &mut Settings) -> Ran {
        let settings = std::mem::take(settings);
        let all: Vec<SessionSetting> = settings.iter().map(|(setting, ..)| setting.clone()).collect();
        for needed in session_setting::net(&all) {
            let (_, batch, index) = &settings[needed];
            self.push_statement(batch, *index, Where::Bare);
            self.round_trip()?;
        }
        Ok(())
    }

    fn statement(&mut self, step: usize, batch: &Rc<Batch>, index: usize, settings: &mut Settings) -> Ran {
        let text = &batch.text[batch.statements[index].clone()];
        self.statement += 1;
        self.before = self.text.clone();
        self.text.add(text);
        self.own_lock_timeout |= outside::sets_lock_timeout(text);
        let (done, unsettled) = match &self.program.steps[step].begun {
            Some(begun) => (begun.done, begun.unsettled),
            None => (0, false),
        };
        if self.statement <= done {
            if let Some(setting) = session_setting::session_setting(text) {
                settings.push((setting, Rc::clone(batch), index));
            }
            return Ok(());
        }
        self.set_again(settings)?;
        self.ready(step)?;
        self.hold_the_lock()?;
        let unsettled = unsettled && self.statement == done + 1;
        let began = Instant::now();
        let together = !unsettled
            && outside::company(text) != Company::Cannot
            && matches!(self.together(step, batch, index)?, Tried::Committed);
        if !together {
            self.alone(step, batch, index, unsettled)?;
        }
        self.observer.statement_done(step, self.statement, &batch.at_statement(index), began.elapsed());
        Ok(())
    }

    /// Runs a statement in one transaction with its mark.
    fn together(&mut self, step: usize, batch: &Rc<Batch>, index: usize) -> std::result::Result<Tried, Stop> {
        self.own_sql("BEGIN;", 1, Where::Begin);
        self.push_statement(batch, index, Where::Together);
        self.commit_with_mark(step);
        match self.round_trip() {
            Ok(()) => {}
            Err(Stop::Failed(failure)) if failure.is_refused_in_a_transaction() => {
                self.locked.session.run("ROLLBACK", "cannot roll back")?;
                return Ok(Tried::Refused);
            }
            Err(stop) => return Err(stop),
        }
        self.committed_part_of = Some((step, self.statement));
        Ok(Tried::Committed)
    }

    /// Runs a `COPY … FROM STDIN` in one transaction with its mark.
    fn copy_with_its_mark(&mut self, batch: Batch, step: usize) -> Ran {
        let (began, place) = (Instant::now(), batch.at_statement(0));
        self.own_sql("BEGIN;", 1, Where::Begin);
        self.copy_in(batch, step, Where::Together)?;
        self.commit_with_mark(step);
        self.round_trip()?;
        self.committed_part_of = Some((step, self.statement));
        self.observer.statement_done(step, self.statement, &place, began.elapsed());
        Ok(())
    }

    fn commit_with_mark(&mut self, step: usize) {
        self.mark(step, &self.done_here());
        self.own_sql("COMMIT;", 1, Where::Commit);
        self.message.commits = true;
    }

    /// Runs a statement that the server refuses in a transaction.
    fn alone(&mut self, step: usize, batch: &Rc<Batch>, index: usize, unsettled: bool) -> Ran {
        let text = &batch.text[batch.statements[index].clone()];
        let trace = outside::trace(text);
        let before = if unsettled {
            self.program.steps[step].begun.as_ref().and_then(|begun| begun.before.clone())
        } else {
            self.index_of(&trace)?.map(|(index, _)| index)
        };
        let mut alone = Alone { statement: self.statement, trace, before, ended: false };
        if unsettled && self.was_carried_out(step, &alone)? {
            self.observer.settled(step, &Settled::CarriedOut(self.statement));
            return self.mark_done(step);
        }
        let known = Known::Here(alone.before.clone());
        let running = self.done_here().running(self.before.checksum(), text, known);
        self.mark_alone(step, &running)?;
        self.alone = Some(alone.clone());
        if !self.own_lock_timeout {
            // One that gives up would leave an index that is not valid; and it blocks nobody while it waits.
            self.own_sql(WITHOUT_LOCK_TIMEOUT, 1, Where::Mark);
            self.send()?;
        }
        self.push_statement(batch, index, Where::Bare);
        let mut ran = self.round_trip();
        if ran.is_ok() {
            alone.ended = true;
            self.alone = Some(alone.clone());
            if let Some(signal) = self.asked_to_stop() {
                return Err(self.stop_behind(step, &alone, signal));
            }
            if let Trace::Built { index, table } = &alone.trace {
                self.own_sql(&journal::check_index(index, table), 1, Where::Bare);
                ran = self.round_trip();
                // The question was cancelled, or answered; the statement is done all the same.
                if let (Err(_), Some(signal)) = (&ran, self.asked_to_stop()) {
                    return Err(self.stop_behind(step, &alone, signal));
                }
            }
        }
        if let Err(Stop::Failed(failure)) = &mut ran
            && failure.is_an_answer()
            && self.mark_failure(step, text, &alone, failure.says("42P07"))
        {
            (failure.alone, self.alone) = (None, None);
        }
        ran?;
        self.mark_done(step)?;
        if unsettled && alone.trace == Trace::Harmless {
            self.name_left_overs(step)?;
        }
        Ok(())
    }

    /// Names what a REINDEX CONCURRENTLY leaves where it is cut short: its new index, or its old one. Done again, it makes others.
    fn name_left_overs(&mut self, step: usize) -> Ran {
        for index in self.locked.session.invalid_indexes()? {
            if index.contains("_ccnew") || index.contains("_ccold") {
                self.observer.settled(step, &Settled::Remains(index));
            }
        }
        Ok(())
    }

    /// The stop behind a statement that ran alone and that a signal came too late for: its mark is set all the same.
    fn stop_behind(&mut self, step: usize, alone: &Alone, signal: u8) -> Stop {
        let built = match alone.trace {
            Trace::Built { .. } => matches!(self.index_of(&alone.trace), Ok(Some((_, Validity::Valid)))),
            _ => true,
        };
        let sql = self.program.mark_alone(step, &self.done_here());
        if built && self.locked.session.run(&sql, "cannot set the mark").is_ok() {
            self.committed_part_of = Some((step, self.statement));
            self.alone = None;
        }
        self.failed(step, Reason::Interrupted { signal, place: None })
    }

    /// The index that a statement is to build or to drop, if there is one, and whether it is valid. Names are resolved as the
    /// script's own are.
    fn index_of(&mut self, trace: &Trace) -> std::result::Result<Option<(Index, Validity)>, Stop> {
        let Some(sql) = journal::question(trace) else { return Ok(None) };
        let rows = self.locked.session.run(&sql, "cannot look for the index")?;
        Ok(rows.first().and_then(|row| {
            let name = qualified(Some(row.get(1).unwrap_or_default()), row.get(2).unwrap_or_default());
            let validity = match (row.get(3), row.get(4)) {
                (Some("t"), _) => Validity::Valid,
                (_, Some("t")) => Validity::BeingBuilt,
                _ => Validity::Invalid,
            };
            Some((Index::read(row.get(0), Some(&name))?, validity))
        }))
    }

    /// Marks what a statement left that ran alone and that the server refused, or was asked to cancel; nothing where that cannot
    /// be known. Where the mark cannot be set, the next run looks or asks. Returns whether it is set. `taken`: something else had
    /// the name.
    fn mark_failure(&mut self, step: usize, text: &str, alone: &Alone, taken: bool) -> bool {
        let left_over = match &alone.trace {
            Trace::Built { .. } if taken => None,
            Trace::Built { .. } => match self.index_of(&alone.trace) {
                Ok(found) => found.filter(|(index, validity)| *validity == Validity::Invalid && alone.made(index)),
                Err(_) => return false,
            },
            // It may run again, whatever it has done.
            Trace::Harmless | Trace::Dropped(_) => None,
            Trace::None if outside::fails_whole(text) => None,
            Trace::None => return false,
        };
        let done = Mark { statement: self.statement - 1, statements: self.before.checksum(), ..self.done_here() };
        let sql = match (self.statement, left_over) {
            (1, None) => self.program.tables.forget(&self.program.steps[step].record),
            (_, None) => self.program.mark_alone(step, &done),
            (statement, Some((index, _))) => {
                let own = Some(journal::Text::of(text));
                self.program.mark_alone(
                    step,
                    &Mark { statement, state: State::Failed, own, index: Known::Here(Some(index)), ..done },
                )
            }
        };
        self.locked.session.run(&sql, "cannot set the mark").is_ok()
    }

    /// Whether the statement that a run before stopped in was carried out; what it left behind half done is taken away.
    fn was_carried_out(&mut self, step: usize, alone: &Alone) -> std::result::Result<bool, Stop> {
        match (&alone.trace, &alone.before) {
            (Trace::Harmless | Trace::None, _) | (Trace::Dropped(_), None) => Ok(false),
            (Trace::Dropped(_), Some(index)) => {
                let rows = self.locked.session.run(&journal::is_there(index), "cannot look for the index")?;
                Ok(rows.first().and_then(|row| row.get(0)) == Some("f"))
            }
            (Trace::Built { .. }, _) => match self.index_of(&alone.trace)? {
                Some((index, validity)) if alone.made(&index) => {
                    if validity == Validity::Invalid {
                        self.drop_index(step, &index.name)?;
                    }
                    Ok(validity == Validity::Valid)
                }
                _ => Ok(false),
            },
        }
    }

    /// Drops an index, `name` being quoted.
    fn drop_index(&mut self, step: usize, name: &str) -> Ran {
        self.observer.settled(step, &Settled::LeftOver(name.to_owned()));
        self.own_sql(WITHOUT_LOCK_TIMEOUT, 1, Where::Mark);
        self.send()?;
        self.own_sql(&journal::drop_left_over(name), 1, Where::Bare);
        self.round_trip()?;
        // What comes to be after that is new.
        self.invalid_before = self.locked.session.invalid_indexes().unwrap_or_default();
        self.put_limit_back(step)
    }

    /// The mark that all statements up to here are done.
    fn done_here(&self) -> Mark {
        Mark::done(self.statement, self.text.checksum(), true)
    }

    /// Marks the statement that ran alone as done, and puts the limit on waiting back.
    fn mark_done(&mut self, step: usize) -> Ran {
        self.mark_alone(step, &self.done_here())?;
        self.alone = None;
        self.committed_part_of = Some((step, self.statement));
        self.put_limit_back(step)
    }

    /// Puts the limit on waiting back, unless the script has chosen its own.
    fn put_limit_back(&mut self, step: usize) -> Ran {
        if !self.own_lock_timeout {
            let limit = u64::try_from(self.locked.session.limits.lock_timeout.as_millis()).unwrap_or(u64::MAX);
            self.own_sql(&self.program.lock_timeout_again(step, Some(limit)), 1, Where::Mark);
            self.send()?;
        }
        self.settle_all()
    }

    fn mark_alone(&mut self, step: usize, mark: &Mark) -> Ran {
        self.own_sql(&self.program.mark_alone(step, mark), Tables::statements_of_mark_alone(mark), Where::Mark);
        self.message.commits = true;
        self.round_trip()
    }

    fn push_statement(&mut self, batch: &Rc<Batch>, index: usize, place: Where) {
        self.push(Part { text: PartText::Statement(Rc::clone(batch), index), statements: 1, place });
    }

    pub(super) fn own_sql(&mut self, sql: &str, statements: usize, place: Where) {
        self.push(Part { text: PartText::Own(sql.to_owned()), statements, place });
    }

    /// Makes sure that this session still has the run's lock: outside a transaction nothing else keeps another run from
    /// doing the same, and a script may have called `pg_advisory_unlock_all()`.
    fn hold_the_lock(&mut self) -> Ran {
        // Where a signal came meanwhile, it is the reason to stop, and `send` says so.
        match self.locked.session.has_lock() {
            Ok(true) => return Ok(()),
            Err(_) if self.locked.session.asked_to_stop().is_some() => return Ok(()),
            Err(error) => return Err(error.into()),
            Ok(false) => {}
        }
        Err(Error::failed("this run no longer holds its lock: the script gave it away")
            .hint("take `pg_advisory_unlock_all()` out of the script")
            .into())
    }
}
