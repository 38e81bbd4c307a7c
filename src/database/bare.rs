//! Sections without a transaction, on a connection: statement by statement, each with its mark in the journal.
//!
//! A statement that can be in a transaction is in one together with its mark. One that the server refuses there runs alone,
//! between two marks; where a run before stopped in it, the catalogs are asked first whether it was carried out.

use std::rc::Rc;

use super::execute::{Part, PartText, Ran, Run, Settled, Stop};
use super::failure::Where;
use crate::error::Error;
use crate::model::journal::{self, Mark, State};
use crate::model::program::Operation;
use crate::model::sql::body::{Batch, BatchKind};
use crate::model::sql::outside::{self, Company, Trace};
use crate::model::sql::quote::{literal, qualified};

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
        match self.program.steps[step].done() {
            0 => {}
            done => self.committed_part_of = Some((step, done)),
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
        let operation = Operation::Mark { step, statement: mark.statement };
        let statements = self.program.statements(&operation);
        self.push(Part { text: PartText::Own(self.program.mark(step, mark)), statements, place: Where::Mark });
    }

    /// Passes over a section that is done, but for what it set in the session.
    pub(super) fn passed(&mut self, step: usize, section: usize) -> Ran {
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
        while let Some(batch) = self.next_batch(step, section)? {
            match batch.kind {
                BatchKind::CopyFromStdin { .. } => {
                    self.note(&batch);
                    if self.statement > done {
                        self.hold_the_lock()?;
                        self.copy_with_its_mark(batch, step)?;
                    }
                }
                // Of a COPY that is done already.
                BatchKind::CopyData { .. } => self.text.add_data(&batch.text),
                BatchKind::Statements => {
                    let batch = Rc::new(batch);
                    for index in 0..batch.statements.len() {
                        self.statement(step, &batch, index)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn statement(&mut self, step: usize, batch: &Rc<Batch>, index: usize) -> Ran {
        let text = &batch.text[batch.statements[index].clone()];
        self.statement += 1;
        self.before = self.text.clone();
        self.text.add(text);
        self.own_lock_timeout |= outside::sets_lock_timeout(text);
        let begun = self.program.steps[step].begun.clone().unwrap_or_default();
        if self.statement <= begun.done {
            if outside::prepares_session(text) {
                self.push_statement(batch, index, Where::Bare);
                self.send()?;
                self.settle_all()?;
            }
            return Ok(());
        }
        self.hold_the_lock()?;
        let first = self.statement == begun.done + 1;
        if let Some(index) = begun.left_over.filter(|_| first) {
            self.drop_left_over(step, &journal::still_invalid(&index))?;
        }
        let unsettled = begun.unsettled && first;
        if !unsettled && outside::company(text) != Company::Cannot {
            match self.together(step, batch, index)? {
                Tried::Committed => return Ok(()),
                Tried::Refused => {}
            }
        }
        self.alone(step, batch, index, unsettled)
    }

    /// Runs a statement in one transaction with its mark.
    fn together(&mut self, step: usize, batch: &Rc<Batch>, index: usize) -> std::result::Result<Tried, Stop> {
        self.own_sql("BEGIN;", 1, Where::Begin);
        self.push_statement(batch, index, Where::Together);
        self.commit_with_mark(step);
        match self.send().and_then(|()| self.settle_all()) {
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
        self.own_sql("BEGIN;", 1, Where::Begin);
        self.copy_in(batch, step, Where::Together)?;
        self.commit_with_mark(step);
        self.send()?;
        self.settle_all()?;
        self.committed_part_of = Some((step, self.statement));
        Ok(())
    }

    fn commit_with_mark(&mut self, step: usize) {
        self.mark(step, &self.mark_here(State::Done));
        self.own_sql("COMMIT;", 1, Where::Commit);
        self.message.commits = true;
    }

    /// Runs a statement that the server refuses in a transaction.
    fn alone(&mut self, step: usize, batch: &Rc<Batch>, index: usize, unsettled: bool) -> Ran {
        let text = &batch.text[batch.statements[index].clone()];
        let trace = outside::trace(text);
        if unsettled && self.was_carried_out(step, &trace)? {
            self.observer.settled(step, &Settled::CarriedOut(self.statement));
            return self.mark_done(step);
        }
        self.mark_alone(step, &self.mark_here(State::Running))?;
        if !self.own_lock_timeout {
            // One that gives up would leave an index that is not valid; and it blocks nobody while it waits.
            self.own_sql("SET lock_timeout = 0;", 1, Where::Mark);
            self.send()?;
        }
        self.push_statement(batch, index, Where::Bare);
        let ran = self.send().and_then(|()| self.settle_all());
        if let Err(Stop::Failed(failure)) = &ran
            && failure.is_an_answer()
        {
            self.mark_failure(step, text, &trace);
        }
        ran?;
        if let Trace::Built { index, table } = &trace {
            self.own_sql(&journal::check_index(index, table), 1, Where::Bare);
            self.send()?;
            self.settle_all()?;
        }
        self.mark_done(step)
    }

    /// Marks what a statement left that ran alone and that the server refused, or was asked to cancel; nothing where that cannot
    /// be known. Where the mark cannot be set, the next run looks or asks.
    fn mark_failure(&mut self, step: usize, text: &str, trace: &Trace) {
        let session = &mut self.locked.session;
        let left_over = match trace {
            Trace::Built { index, table } => {
                match session.run(&journal::index_built(index, table), "cannot look for the index") {
                    Ok(rows) => rows
                        .first()
                        .map(|row| qualified(Some(row.get(1).unwrap_or_default()), row.get(2).unwrap_or_default())),
                    Err(_) => return,
                }
            }
            // It may run again, whatever it has done.
            Trace::Harmless | Trace::Dropped(_) => None,
            Trace::None if outside::fails_whole(text) => None,
            Trace::None => return,
        };
        let statements = self.before.checksum();
        let sql = match (self.statement, &left_over) {
            (1, None) => self.program.tables.forget(&self.program.steps[step].record),
            (statement, None) => {
                let statement = statement - 1;
                self.program.mark_alone(step, &Mark { statement, state: State::Done, statements, left_over })
            }
            (statement, Some(_)) => {
                self.program.mark_alone(step, &Mark { statement, state: State::Failed, statements, left_over })
            }
        };
        let _ = session.run(&sql, "cannot set the mark");
    }

    /// Whether the statement that a run before stopped in was carried out; what it left behind half done is taken away.
    fn was_carried_out(&mut self, step: usize, trace: &Trace) -> std::result::Result<bool, Stop> {
        let session = &mut self.locked.session;
        match trace {
            Trace::Harmless | Trace::None => Ok(false),
            Trace::Dropped(index) => {
                let rows = session.run(&journal::is_there(index), "cannot look for the index")?;
                Ok(rows.first().and_then(|row| row.get(0)) == Some("f"))
            }
            Trace::Built { index, table } => {
                let rows = session.run(&journal::index_built(index, table), "cannot look for the index")?;
                match rows.first() {
                    Some(row) if row.get(0) == Some("t") => Ok(true),
                    Some(row) => {
                        let found = (row.get(1).unwrap_or_default(), row.get(2).unwrap_or_default());
                        self.drop_index(step, found.0, found.1)?;
                        Ok(false)
                    }
                    None => Ok(false),
                }
            }
        }
    }

    /// Drops an index that is not valid, if `question` finds it: its schema and its name.
    fn drop_left_over(&mut self, step: usize, question: &str) -> Ran {
        let rows = self.locked.session.run(question, "cannot look for the index")?;
        match rows.first() {
            Some(row) => self.drop_index(step, row.get(0).unwrap_or_default(), row.get(1).unwrap_or_default()),
            None => Ok(()),
        }
    }

    fn drop_index(&mut self, step: usize, schema: &str, index: &str) -> Ran {
        self.observer.settled(step, &Settled::LeftOver(qualified(Some(schema), index)));
        self.own_sql("SET lock_timeout = 0;", 1, Where::Mark);
        self.send()?;
        self.own_sql(&journal::drop_left_over(schema, index), 1, Where::Bare);
        self.send()?;
        self.settle_all()?;
        self.put_limit_back(step)
    }

    fn mark_here(&self, state: State) -> Mark {
        Mark { statement: self.statement, state, statements: self.text.checksum(), left_over: None }
    }

    /// Marks the statement that ran alone as done, and puts the limit on waiting back.
    fn mark_done(&mut self, step: usize) -> Ran {
        self.mark_alone(step, &self.mark_here(State::Done))?;
        self.committed_part_of = Some((step, self.statement));
        self.put_limit_back(step)
    }

    /// Puts the limit on waiting back, unless the script has chosen its own.
    fn put_limit_back(&mut self, step: usize) -> Ran {
        if !self.own_lock_timeout {
            let own = self.program.steps[step].lock_timeout.map(std::time::Duration::from_millis);
            let limit = own.unwrap_or(self.locked.session.limits.lock_timeout);
            self.own_sql(&format!("SET lock_timeout = {};", literal(&limit.as_millis().to_string())), 1, Where::Mark);
            self.send()?;
        }
        self.settle_all()
    }

    fn mark_alone(&mut self, step: usize, mark: &Mark) -> Ran {
        let operation = Operation::Mark { step, statement: mark.statement };
        let statements = self.program.statements(&operation) + 2;
        let text = PartText::Own(self.program.mark_alone(step, mark));
        self.push(Part { text, statements, place: Where::Mark });
        self.message.commits = true;
        self.send()?;
        self.settle_all()
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
