//! How a run failed: what the server said, which statement of which file it meant, what was kept.
//!
//! The executor fills it in; here it becomes the one error that a user sees.

use std::time::Duration;

use super::bare::Alone;
use super::execute::{Part, PartText};
use super::interrupt;
use super::permission;
use super::server_error::{Position, ServerError};
use super::session::{Session, describe};
use super::wire::event::Lost;
use crate::error::{Error, Kind};
use crate::explain;
use crate::model::bookkeeping::{self, Action, ESCAPED, MOVED, RESET, TAKEN};
use crate::model::journal::INVALID_INDEX;
use crate::model::program::{Again, Program, ProgramStep};
use crate::model::sql::body::{Batch, BatchKind};
use crate::model::sql::outside::{self, Trace};
use crate::model::sql::verify::{self, Check};
use crate::source::Excerpt;
use crate::ui::counted;

/// What a part of a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    Reset,
    Begin,
    Guard,
    Body,
    /// A statement of a verification, or what stands around it.
    Verify,
    /// A statement alone.
    Bare,
    /// A statement of a section without a transaction, in one with its mark.
    Together,
    Mark,
    Record,
    Commit,
}

/// Where in a message an error arose.
pub(super) struct Place {
    pub(super) parts: Vec<Part>,
    /// So many statements of the message were completed before it.
    pub(super) completed: usize,
    /// The line of data that a `COPY` failed at, once it was looked up.
    pub(super) data: Option<Excerpt>,
}

/// What ended the run.
pub(super) enum Reason {
    /// The server refused a statement.
    Server { error: Box<ServerError>, place: Place },
    /// The server answered COMMIT with another word: it rolled back.
    NotCommitted { tag: String },
    /// A signal ended it.
    /// `place` is the statement that was cancelled, if one was.
    Interrupted { signal: u8, place: Option<Place> },
    /// A later revision was committed behind one that failed: the guard should have kept it from that.
    Overtaken,
    /// The server ended the session in a statement of a revision that is not committed.
    Ended { error: Box<ServerError>, place: Place },
    /// The connection is gone; so many steps were on their way with their COMMIT. `place` is what was running.
    Lost { lost: Lost, doubtful: usize, place: Option<Place> },
}

/// A failed run.
pub(super) struct Failure {
    pub(super) step: usize,
    pub(super) reason: Reason,
    /// How long the step ran, as far as can be seen from here.
    pub(super) time: Duration,
    /// So many steps were committed before.
    pub(super) finished: usize,
    /// Earlier parts of the step itself are committed, so many statements in all.
    pub(super) part: Option<usize>,
    /// The statement behind those that the journal says runs.
    pub(super) alone: Option<Alone>,
}

/// Indexes that are not valid behind a statement that failed outside a transaction.
#[derive(Default)]
pub(super) struct Invalid {
    /// What the statement left.
    left: Vec<String>,
    /// What was there before, and what the server's error is about: an earlier run may have left it.
    older: Vec<String>,
}

impl Invalid {
    pub(super) fn new(before: &[String], now: Vec<String>, failure: &Failure) -> Self {
        let (older, left): (Vec<String>, Vec<String>) = now.into_iter().partition(|index| before.contains(index));
        let Reason::Server { error, .. } = &failure.reason else { return Self { left, older: Vec::new() } };
        let names = |index: &str| {
            let name = index.rsplit('.').next().unwrap_or(index).trim_matches('"');
            error.message.contains(&format!("\"{name}\""))
        };
        Self { left, older: older.into_iter().filter(|index| names(index)).collect() }
    }
}

impl Place {
    /// The character of the message, from 1, that a byte of it, from 1, belongs to.
    pub(super) fn character(&self, byte: usize) -> usize {
        let texts = self.parts.iter().flat_map(|part| [part.text.as_str(), part.separator()]);
        let mut rest = byte.saturating_sub(1);
        let mut characters = 0;
        for text in texts {
            let here = text.floor_char_boundary(rest.min(text.len()));
            characters += text[..here].chars().count();
            if rest < text.len() {
                break;
            }
            rest -= text.len();
        }
        characters + 1
    }

    /// Whether it is a statement outside a transaction.
    pub(super) fn is_bare(&self) -> bool {
        self.parts.iter().any(|part| part.place == Where::Bare)
    }

    /// Whether the statements completed reach up to the COMMIT: then it may have been carried out.
    pub(super) fn is_at_commit(&self) -> bool {
        self.find(None).0 == Where::Commit
    }

    /// Puts what the server says of a verification as if it had been given the file's own text: of a query, it speaks as of one
    /// that a block of ours runs.
    pub(super) fn speak_of_the_file(&self, error: &mut ServerError) {
        let Some((part, _)) = self.current().filter(|(part, _)| part.place == Where::Verify) else { return };
        if !error.message.starts_with(verify::FAILED) {
            error.message.insert_str(0, &format!("{}: ", verify::FAILED));
        }
        let PartText::Judged(batch, index, _) = &part.text else { return };
        let Check::Query { query, .. } = verify::check(&batch.text[batch.statements[*index].clone()]) else { return };
        error.position = match error.position.take() {
            Some(Position::Internal { character, query: of }) if of == query => {
                Some(Position::Sent(self.start_of(part) + character))
            }
            // The block's own text is nobody's.
            Some(Position::Sent(_)) => None,
            position => position,
        };
        // Its last line is the block, and before that stands the query.
        let context = error.context.take().unwrap_or_default();
        let context = context.rsplit_once('\n').map_or("", |(inner, _)| inner);
        let context = match context.strip_suffix(&format!("\"{query}\"")) {
            Some(inner) => inner.rsplit_once('\n').map_or("", |(inner, _)| inner),
            None => context,
        };
        error.context = Some(context.to_owned()).filter(|context| !context.is_empty());
    }

    /// So many characters of the message stand before the part.
    fn start_of(&self, part: &Part) -> usize {
        let before = self.parts.iter().take_while(|other| !std::ptr::eq(*other, part));
        before.flat_map(|part| [part.text.as_str(), part.separator()]).map(|text| text.chars().count()).sum()
    }

    /// The part of the message, and the place in its file where it came from one.
    ///
    /// The server's position counts characters of the whole message. Many errors have none (a division by zero, a
    /// duplicate key): then the statement is the one after those completed.
    fn find(&self, position: Option<usize>) -> (Where, Option<Excerpt>) {
        if let (Some(data), Some(part)) = (&self.data, self.parts.first()) {
            return (part.place, Some(data.clone()));
        }
        if let Some(position) = position {
            let mut rest = position.saturating_sub(1);
            for (index, part) in self.parts.iter().enumerate() {
                // What stands behind it belongs to it, and the message's end to its last part: a statement that the text
                // leaves unfinished fails there.
                let text = part.text.as_str().chars().count();
                let length = text + part.separator().chars().count();
                if rest < length || index + 1 == self.parts.len() {
                    let rest = rest.min(text);
                    let excerpt = match &part.text {
                        PartText::Batch(batch) => Some(batch.at_position(rest + 1)),
                        PartText::Statement(batch, index) | PartText::Judged(batch, index, _) => {
                            let before = batch.text[..batch.statements[*index].start].chars().count();
                            Some(batch.at_position(before + rest + 1))
                        }
                        PartText::Own(_) => None,
                    };
                    return (part.place, excerpt);
                }
                rest -= length;
            }
        }
        let Some((part, index)) = self.current() else { return (Where::Commit, None) };
        let excerpt = match &part.text {
            PartText::Batch(batch) => Some(batch.at_statement(index)),
            PartText::Statement(batch, index) | PartText::Judged(batch, index, _) => Some(batch.at_statement(*index)),
            PartText::Own(_) => None,
        };
        (part.place, excerpt)
    }

    /// The part with the statement after those completed, and its number there.
    fn current(&self) -> Option<(&Part, usize)> {
        let mut rest = self.completed;
        for part in &self.parts {
            if rest < part.statements {
                return Some((part, rest));
            }
            rest -= part.statements;
        }
        None
    }

    /// The statement of a file that was running; nothing where it was the tool's own.
    fn statement(&self) -> Option<&str> {
        let (part, index) = self.current()?;
        let (batch, index) = match &part.text {
            PartText::Batch(batch) => (batch, index),
            PartText::Statement(batch, index) | PartText::Judged(batch, index, _) => (&**batch, *index),
            PartText::Own(_) => return None,
        };
        batch.statements.get(index).map(|range| &batch.text[range.clone()])
    }

    /// The line of the file for a line that the server counts in a DO block's body.
    fn inner_line(&self, context: &str) -> Option<String> {
        let (part, index) = self.current()?;
        let (batch, index) = match &part.text {
            PartText::Batch(batch) => (batch, index),
            PartText::Statement(batch, index) => (&**batch, *index),
            PartText::Judged(..) | PartText::Own(_) => return None,
        };
        let path = batch.at_statement(index).path;
        let line = number(context.lines().last()?.strip_prefix("PL/pgSQL function inline_code_block line ")?)?;
        let range = batch.statements.get(index)?.clone();
        let text = &batch.text[range.clone()];
        let quote = text.find(['$', '\''])?;
        let body = match text[quote..].strip_prefix('$') {
            Some(tag) => quote + 1 + tag.find('$')? + 1,
            None => quote + 1,
        };
        let first = batch.excerpt(range.start + body..range.end).place.line;
        Some(format!("line {line} of the block is {path}:{}", first + line - 1))
    }
}

/// The digits that `text` begins with, as a line's number.
fn number(text: &str) -> Option<usize> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok().filter(|line| *line > 0)
}

impl Failure {
    /// The `COPY` that failed, and the line of the file that it failed at, where the server said one.
    pub(super) fn in_data(&self) -> Option<(&Batch, usize)> {
        let Reason::Server { error, place, .. } = &self.reason else { return None };
        let [Part { text: PartText::Batch(batch), .. }] = place.parts.as_slice() else { return None };
        let BatchKind::CopyFromStdin { data_line } = batch.kind else { return None };
        let line = copied_line(error.context.as_deref()?)?;
        Some((batch, data_line + line.checked_sub(1)?))
    }

    /// Says where the line of data is that [`Failure::in_data`] named.
    pub(super) fn at_data(&mut self, excerpt: Excerpt) {
        if let Reason::Server { place, .. } = &mut self.reason {
            place.data = Some(excerpt);
        }
    }

    /// What the history keeps of it.
    pub(super) fn record(&self, partial: bool) -> bookkeeping::Failure {
        let (sqlstate, message) = match &self.reason {
            Reason::Server { error, .. } | Reason::Ended { error, .. } => {
                (Some(error.code.clone()), error.message.clone())
            }
            Reason::NotCommitted { tag } => (None, format!("the server answered {tag} to COMMIT")),
            Reason::Interrupted { signal, .. } => (None, format!("stopped by {}", interrupt::name(*signal))),
            Reason::Overtaken => (None, "a later revision was committed behind it".to_owned()),
            Reason::Lost { .. } => (None, "the connection was lost".to_owned()),
        };
        bookkeeping::Failure { sqlstate, message, milliseconds: self.time.as_millis(), partial }
    }

    /// Why the step may well succeed when it is tried again, if it may: it waited too long for a lock, or was the victim of a
    /// deadlock or of a serialization failure, and nothing of the transaction is committed.
    pub(super) fn worth_another_try(&self) -> Option<&str> {
        let Reason::Server { error, place, .. } = &self.reason else { return None };
        let passing = matches!(error.code.as_str(), "55P03" | "40P01" | "40001");
        // What ran alone is not rolled back, whether it or its mark failed.
        let rolled_back = place.find(position(error)).0 != Where::Bare && self.alone.is_none();
        (passing && rolled_back).then_some(error.message.as_str())
    }

    /// Whether the server refused the statement because it stood in a transaction: it, or a procedure that it calls, must not.
    pub(super) fn is_refused_in_a_transaction(&self) -> bool {
        let Reason::Server { error, place, .. } = &self.reason else { return false };
        matches!(error.code.as_str(), "25001" | "2D000") && place.find(position(error)).0 == Where::Together
    }

    /// Whether it is this error of the server's.
    pub(super) fn says(&self, code: &str) -> bool {
        matches!(&self.reason, Reason::Server { error, .. } if error.code == code)
    }

    /// Whether the server has answered the statement with an error: then it knows what it did.
    pub(super) fn is_an_answer(&self) -> bool {
        matches!(self.reason, Reason::Server { .. } | Reason::Interrupted { place: Some(_), .. })
    }

    /// Whether nothing but the user can tell what became of the statement that ran alone.
    fn leaves_a_question(&self) -> bool {
        self.alone.as_ref().is_some_and(|alone| alone.trace == Trace::None)
    }

    /// The statement of a file that was running.
    fn statement(&self) -> Option<&str> {
        match &self.reason {
            Reason::Server { place, .. }
            | Reason::Ended { place, .. }
            | Reason::Interrupted { place: Some(place), .. }
            | Reason::Lost { place: Some(place), .. } => place.statement(),
            _ => None,
        }
    }

    /// Whether something of the step may be committed though nothing of it is known to be: a procedure or a DO block outside a
    /// transaction commits as it likes, a connection was lost under such a statement, or the script left its transaction.
    fn may_have_committed(&self, part: Where) -> bool {
        match &self.reason {
            // The script left its transaction.
            Reason::Server { error, .. } if error.code == ESCAPED => true,
            Reason::Server { error, .. } if error.code == INVALID_INDEX => false,
            Reason::Server { place, .. }
            | Reason::Ended { place, .. }
            | Reason::Interrupted { place: Some(place), .. }
                if part == Where::Bare =>
            {
                place.statement().is_none_or(|text| !outside::fails_whole(text) && outside::trace(text) == Trace::None)
            }
            Reason::Lost { place, .. } => place.as_ref().is_some_and(Place::is_bare),
            _ => false,
        }
    }

    /// Whether a statement outside a transaction failed: a CREATE INDEX CONCURRENTLY leaves an invalid index behind.
    pub(super) fn was_bare(&self) -> bool {
        match &self.reason {
            Reason::Server { error, place, .. } => place.find(position(error)).0 == Where::Bare,
            Reason::Interrupted { place, .. } => place.as_ref().is_some_and(Place::is_bare),
            _ => false,
        }
    }

    /// The error for the user. `invalid` names indexes that are not valid now.
    pub(super) fn explain(&self, program: &Program, session: &Session, invalid: &Invalid) -> Error {
        let title = &program.steps[self.step].title;
        match &self.reason {
            Reason::Ended { error, place, .. } => {
                let (part, excerpt) = place.find(None);
                let explained =
                    self.server(error, place, part, excerpt, program, session).note("the server ended the session");
                self.kept(explained, program, part, invalid)
            }
            Reason::Server { error, place, .. } => {
                let (part, excerpt) = place.find(position(error));
                let explained = self.server(error, place, part, excerpt, program, session);
                self.kept(explained, program, part, invalid)
            }
            Reason::NotCommitted { tag } => {
                let explained = Error::failed(format!("the server answered {tag} to the COMMIT of {title}"));
                self.kept(explained, program, Where::Commit, invalid)
            }
            Reason::Interrupted { signal, .. } => {
                let explained = Error::new(Kind::Signal(*signal), format!("stopped by {}", interrupt::name(*signal)));
                let part = if self.was_bare() { Where::Bare } else { Where::Body };
                self.kept(explained, program, part, invalid)
            }
            Reason::Overtaken => {
                Error::new(Kind::Unknown, format!("{title} failed, and a later revision was committed behind it"))
                    .hint("`aludel status` shows where the database stands; please report this")
            }
            Reason::Lost { lost, doubtful, place } => {
                let explained = Error::failed(lost.to_string()).note(format!("on {}", session.place));
                let bare = place.as_ref().filter(|place| place.is_bare());
                let part = if bare.is_some() { Where::Bare } else { Where::Body };
                // What ran may have left something behind.
                let explained = match bare.and_then(|place| place.find(None).1) {
                    Some(excerpt) if *doubtful == 0 => explained.at(excerpt),
                    _ => explained,
                };
                let explained = match doubtful {
                    0 => return self.kept(explained, program, part, invalid),
                    1 => explained.note(format!("{title} was being committed: whether it was cannot be known from here")),
                    more => explained.note(format!(
                        "{title} was on its way, and {} behind it: which of them were committed cannot be known from here",
                        counted(more - 1, "revision")
                    )),
                };
                explained
                    .kind_of(Kind::Unknown)
                    .hint(format!("`aludel current` shows where the database stands; then {}", self.again(program)))
            }
        }
    }

    fn server(
        &self,
        error: &ServerError,
        place: &Place,
        part: Where,
        excerpt: Option<Excerpt>,
        program: &Program,
        session: &Session,
    ) -> Error {
        let title = &program.steps[self.step].title;
        if error.code == ESCAPED || error.code == RESET {
            let hint = error.hint.iter().cloned();
            let explained = Error::failed(format!("{title}: {}", error.message)).code(error.code.clone());
            return hint.fold(explained, Error::hint);
        }
        if error.code == MOVED && part == Where::Record {
            // Nobody else can have done it: the table is locked from the guard on.
            let revision = &program.steps[self.step].record.revision;
            return Error::failed(error.message.clone())
                .note(format!("the script of {revision}, or a trigger on that table, changes the tool's own rows"))
                .hint("take that statement or that trigger out; `aludel stamp` sets rows");
        }
        if error.code == TAKEN && part == Where::Guard {
            return Error::failed(error.message.clone())
                .code(error.code.clone())
                .note("the connection that kept it, a second one through the pooler, was ended")
                .hint(self.again(program));
        }
        if error.code == MOVED {
            return Error::failed(error.message.clone())
                .note("somebody else moved the database since the plan was made")
                .hint(format!("{}: it plans from where the database stands now", self.again(program)));
        }
        // The server stumbles over the brace itself; the rendered text of a template has none.
        let unrendered = error.code == "42601"
            && error.message.contains("\"{\"")
            && excerpt.as_ref().is_some_and(|excerpt| {
                let marked = &excerpt.line[excerpt.mark.start..];
                marked.starts_with("{{") || marked.starts_with("{%")
            });
        let heading = match (&excerpt, part) {
            (Some(_), _) => error.message.clone(),
            (None, Where::Commit) => format!("{title}: COMMIT was refused: {}", error.message),
            (None, _) => format!("{title}: {}", error.message),
        };
        let explained = Error::failed(heading).code(error.code.clone());
        let inner = excerpt.as_ref().and_then(|_| place.inner_line(error.context.as_deref()?));
        let explained = if excerpt.is_some() {
            describe(excerpt.into_iter().fold(explained, Error::at), error)
        } else {
            // Where in the tool's own SQL it arose helps nobody.
            describe(explained, &ServerError { context: None, ..error.clone() })
        };
        let explained = inner.into_iter().fold(explained, Error::note);
        if error.code == "42501" && matches!(part, Where::Guard | Where::Record | Where::Mark) {
            let (version, history, role) = (program.tables.version(), program.tables.history(), &session.role);
            let explained = explained
                .note("the tool's own tables are written by the role that logged in")
                .hint(format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {version} TO {role};"))
                .hint(format!("GRANT SELECT, INSERT ON {history} TO {role};"));
            return if program.steps[self.step].is_in_parts() {
                explained
                    .hint(format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO {role};", program.tables.progress()))
            } else {
                explained
            };
        }
        if error.code == INVALID_INDEX {
            return explained.note("`IF NOT EXISTS` passed over what was there before");
        }
        let action = program.steps[self.step].record.action;
        match error.code.as_str() {
            _ if unrendered => {
                explained.hint("for `{{ … }}` to be filled in, write `-- template: true` into the file's header")
            }
            "25001" if part == Where::Body && action != Action::Hook => explained.hint(format!(
                "a statement that cannot run in a transaction goes into a section `-- migrate:{} transaction:false`",
                action.verb()
            )),
            "42P16"
                if action == Action::Repeat
                    && place.statement().is_some_and(|text| text.to_ascii_lowercase().contains("view")) =>
            {
                explained
                    .hint("`CREATE OR REPLACE` only adds columns at a view's end: write `DROP VIEW IF EXISTS ...;` before it")
                    .hint(self.with_what_stands_on_it(program))
            }
            // Of a function that must be dropped first, the server says so itself.
            "2BP01" | "42P13" if action == Action::Repeat && error.hint.is_some() => {
                explained.hint(self.with_what_stands_on_it(program))
            }
            "42P06" | "42P07" | "42701" | "42710" | "42723" if action == Action::Repeat => explained.hint(
                "it runs again whenever its file changes: `CREATE OR REPLACE`, or `DROP ... IF EXISTS` before it",
            ),
            // Something with that name is there already: schema, table, column, object, function.
            "42P06" | "42P07" | "42701" | "42710" | "42723"
                if action == Action::Upgrade && self.part.is_none() && program.steps[self.step].begun.is_none() =>
            {
                explained.hint(
                    "if it was made by hand or by another tool, say where the database is: `aludel stamp REVISION`",
                )
            }
            "42501" => {
                let hints = permission::hints(error, place.statement().unwrap_or_default(), &session.role);
                hints.into_iter().fold(explained, Error::hint)
            }
            _ => explained,
        }
    }

    /// How a repeatable file drops what others depend on.
    fn with_what_stands_on_it(&self, program: &Program) -> String {
        let id = &program.steps[self.step].record.revision;
        format!(
            "where others stand on it, with `CASCADE`; `depends_on: {id}` in their repeatable files has them run behind it"
        )
    }

    /// Says what of the run stays.
    fn kept(&self, error: Error, program: &Program, part: Where, invalid: &Invalid) -> Error {
        let step = &program.steps[self.step];
        let revision = &step.record.revision;
        let noun = step.record.action.noun();
        let recorded = match step.record.action {
            Action::Upgrade => "it is not recorded as applied",
            Action::Downgrade => "it is still recorded as applied",
            Action::Stamp | Action::Repair | Action::Repeat | Action::Hook => "it is not recorded",
        };
        let total = step.statements();
        let mut error = match self.part {
            Some(statements) => {
                let ran = match statements {
                    1 => format!("the first of its {total} statements ran and stays"),
                    _ => format!("the first {statements} of its {total} statements ran and stay"),
                };
                error.kind_of(Kind::Partial).note(format!("{noun} {revision} stopped partway: {ran}; {recorded}"))
            }
            None if self.alone.as_ref().is_some_and(|alone| alone.ended) => {
                error.kind_of(Kind::Partial).note(format!("{noun} {revision} stopped partway; {recorded}"))
            }
            None if part == Where::Bare && !invalid.left.is_empty() => {
                error.kind_of(Kind::Partial).note(format!("{noun} {revision} stopped partway; {recorded}"))
            }
            None if self.may_have_committed(part) => error.kind_of(Kind::Partial).note(format!(
                "{noun} {revision} stopped partway: what its statement committed by itself before it failed stays; {recorded}"
            )),
            None if step.begun.as_ref().is_some_and(|begun| begun.ran > 0) => error
                .kind_of(Kind::Partial)
                .note(format!("what an earlier run has done of revision {revision} stays; {recorded}")),
            None if step.record.action == Action::Hook => error.note(format!("nothing of {} was kept", step.title)),
            None if step.record.action == Action::Downgrade => {
                error.note(format!("nothing of the downgrade was kept: revision {revision} is still applied"))
            }
            None if step.record.action == Action::Repeat => {
                error.note(format!("nothing of the repeatable {revision} was kept"))
            }
            None => error.note(format!("nothing of revision {revision} was kept")),
        };
        match &self.alone {
            Some(Alone { statement, ended: true, .. }) => {
                error = error.note(format!("statement {statement} ran, too, and could not be marked as done"));
            }
            Some(Alone { statement, trace, .. }) if !self.is_an_answer() && *trace != Trace::Harmless => {
                error = error.note(format!("whether statement {statement} was carried out is not known"));
            }
            _ => {}
        }
        if self.step > self.finished {
            let with: Vec<&str> = revisions(&program.steps[self.finished..self.step]);
            let why = if step.record.action == Action::Repair { "" } else { "`transaction = run`: " };
            error = error.note(format!("{why}{} went back with it", short(&with)));
        }
        if self.finished > 0 {
            error = kept_before(error, program, self.finished);
        }
        // What the statement itself was to build is dropped when it runs again.
        let built = self.statement().is_some_and(|text| matches!(outside::trace(text), Trace::Built { .. }));
        for index in invalid.left.iter().chain(&invalid.older) {
            error = error.note(format!("index {index} is not valid"));
            if !built || invalid.older.contains(index) {
                error = error.hint(format!("DROP INDEX CONCURRENTLY {index};"));
            }
        }
        let next = self.part.unwrap_or(0) + 1;
        if self.leaves_a_question() {
            return error.hint(format!(
                "see what statement {next} has done, then add `--retry-statement` to {} to run it again, or \
                 `--resume-after {next}` to take it as done",
                explain::same_command(&step.again)
            ));
        }
        if self.part.is_some() || self.alone.is_some() || !invalid.left.is_empty() {
            let first = if built && !invalid.left.is_empty() { "drops the index and " } else { "" };
            let goes_on = match next {
                _ if self.alone.is_some() => format!("looks what became of statement {next}"),
                _ if next > total => "records it".to_owned(),
                1 => "begins with its first statement".to_owned(),
                _ => format!("goes on with statement {next}; those before it must stay as they are in the file"),
            };
            error = error.hint(format!("{}: it {first}{goes_on}", self.again(program)));
        } else if self.finished > 0 && step.again != Again::Same {
            // Whoever types the same again, as after any other failure, would go too far.
            error = error.hint(format!("to go on: {}", self.again(program)));
        }
        error
    }

    /// What is to be typed for the run to go on.
    fn again(&self, program: &Program) -> String {
        explain::again(&program.steps[self.step].again)
    }
}

/// `error` with the first `finished` steps, which stay: what `redo` has undone, and what it has applied again.
pub(super) fn kept_before(error: Error, program: &Program, finished: usize) -> Error {
    let kinds = program.steps[..finished].chunk_by(|one, next| one.record.action == next.record.action);
    kinds.fold(error, |error, steps| {
        let done = match steps[0].record.action {
            Action::Upgrade => "applied",
            Action::Downgrade => "undone",
            Action::Stamp => "stamped",
            Action::Repair => "accepted",
            Action::Repeat | Action::Hook => "run",
        };
        error.note(format!("{done} before it, and kept: {}", short(&revisions(steps))))
    })
}

/// The 7 of `COPY pets, line 7, column age: "x"`, in whatever language the server says it; the outermost of the context's
/// lines is the last one.
fn copied_line(context: &str) -> Option<usize> {
    let copy = context.lines().rev().find_map(|line| line.strip_prefix("COPY "))?;
    copy.match_indices(", ").find_map(|(at, comma)| {
        let (word, rest) = copy[at + comma.len()..].split_once(' ')?;
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let ends = matches!(rest[digits..].chars().next(), None | Some(',' | ':'));
        if ends && word.chars().all(char::is_alphabetic) { rest[..digits].parse().ok() } else { None }
    })
}

fn revisions(steps: &[ProgramStep]) -> Vec<&str> {
    steps.iter().map(|step| step.record.revision.as_str()).collect()
}

/// The revisions by name, or, where they are many, how many and the last.
fn short(revisions: &[&str]) -> String {
    match revisions {
        [.., last] if revisions.len() > 8 => format!("{} revisions up to {last}", revisions.len()),
        _ => revisions.join(", "),
    }
}

fn position(error: &ServerError) -> Option<usize> {
    match error.position {
        Some(Position::Sent(position)) => Some(position),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::copied_line;

    #[test]
    fn the_line_of_a_copy_is_read_from_its_context() {
        for (context, line) in [
            ("COPY t, line 7", Some(7)),
            ("COPY t, line 12, column n: \"a, line 3\"", Some(12)),
            ("COPY a, b, line 3: \"1\\t2\"", Some(3)),
            ("PL/pgSQL function f() line 3 at RAISE\nCOPY t, line 5: \"x\"", Some(5)),
            ("COPY t, Zeile 4, Spalte n: \"x\"", Some(4)),
            ("PL/pgSQL function f() line 3 at RAISE", None),
            ("COPY t", None),
        ] {
            assert_eq!(copied_line(context), line, "{context}");
        }
    }
}
