//! How a run failed: what the server said, which statement of which file it meant, what was kept.
//!
//! The executor fills it in; here it becomes the one error that a user sees.

use std::time::Duration;

use super::execute::{Part, PartText};
use super::interrupt;
use super::server_error::{Position, ServerError};
use super::session::describe;
use super::wire::event::Lost;
use crate::error::{Error, Kind};
use crate::model::bookkeeping::{self, Action, MOVED};
use crate::model::program::Program;
use crate::model::sql::body::{Batch, BatchKind};
use crate::source::Excerpt;
use crate::ui::counted;

/// What a part of a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    Reset,
    Begin,
    Guard,
    Body,
    Bare,
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
    Server { error: Box<ServerError>, place: Place, time: Duration },
    /// The server answered COMMIT with another word: it rolled back.
    NotCommitted { tag: String },
    /// A signal ended it.
    Interrupted { signal: u8 },
    /// A later revision was committed behind one that failed: the guard should have kept it from that.
    Overtaken,
    /// The connection is gone; `in_doubt` where a COMMIT was on its way.
    Lost { lost: Lost, in_doubt: bool },
}

/// A failed run.
pub(super) struct Failure {
    pub(super) step: usize,
    pub(super) reason: Reason,
    /// So many steps were committed before.
    pub(super) finished: usize,
    /// An earlier part of the step itself is committed, with so many statements outside a transaction.
    pub(super) part: Option<usize>,
}

impl Place {
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
                        PartText::Statement(batch, index) => {
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
        let mut rest = self.completed;
        for part in &self.parts {
            if rest < part.statements {
                let excerpt = match &part.text {
                    PartText::Batch(batch) => Some(batch.at_statement(rest)),
                    PartText::Statement(batch, index) => Some(batch.at_statement(*index)),
                    PartText::Own(_) => None,
                };
                return (part.place, excerpt);
            }
            rest -= part.statements;
        }
        (Where::Commit, None)
    }
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
    pub(super) fn record(&self) -> bookkeeping::Failure {
        let (sqlstate, message, time) = match &self.reason {
            Reason::Server { error, time, .. } => (Some(error.code.clone()), error.message.clone(), *time),
            Reason::NotCommitted { tag } => (None, format!("the server answered {tag} to COMMIT"), Duration::ZERO),
            Reason::Interrupted { signal } => {
                (None, format!("stopped by {}", interrupt::name(*signal)), Duration::ZERO)
            }
            Reason::Overtaken => (None, "a later revision was committed behind it".to_owned(), Duration::ZERO),
            Reason::Lost { .. } => (None, "the connection was lost".to_owned(), Duration::ZERO),
        };
        bookkeeping::Failure { sqlstate, message, milliseconds: time.as_millis() }
    }

    /// Why the step may well succeed when it is tried again, if it may: it waited too long for a lock, or was the victim of a
    /// deadlock or of a serialization failure, and nothing of it is committed.
    pub(super) fn worth_another_try(&self) -> Option<&str> {
        let Reason::Server { error, place, .. } = &self.reason else { return None };
        let passing = matches!(error.code.as_str(), "55P03" | "40P01" | "40001");
        let whole = self.part.is_none() && place.find(position(error)).0 != Where::Bare;
        (passing && whole).then_some(error.message.as_str())
    }

    /// Whether a statement outside a transaction failed: a CREATE INDEX CONCURRENTLY leaves an invalid index behind.
    pub(super) fn was_bare(&self) -> bool {
        match &self.reason {
            Reason::Server { error, place, .. } => place.find(position(error)).0 == Where::Bare,
            _ => false,
        }
    }

    /// The error for the user. `invalid` names indexes that are not valid now.
    pub(super) fn explain(&self, program: &Program, place: &str, invalid: &[String]) -> Error {
        let title = &program.steps[self.step].title;
        match &self.reason {
            Reason::Server { error, place, .. } => {
                let (part, excerpt) = place.find(position(error));
                let explained = self.server(error, part, excerpt, title);
                self.kept(explained, program, part, invalid)
            }
            Reason::NotCommitted { tag } => {
                let explained = Error::failed(format!("the server answered {tag} to the COMMIT of {title}"));
                self.kept(explained, program, Where::Commit, invalid)
            }
            Reason::Interrupted { signal } => {
                let explained = Error::new(Kind::Signal(*signal), format!("stopped by {}", interrupt::name(*signal)));
                self.kept(explained, program, Where::Body, invalid)
            }
            Reason::Overtaken => {
                Error::new(Kind::Unknown, format!("{title} failed, and a later revision was committed behind it"))
                    .hint("`aludel status` shows where the database stands; please report this")
            }
            Reason::Lost { lost, in_doubt } => {
                let explained = Error::failed(lost.to_string()).note(format!("on {place}"));
                if *in_doubt {
                    explained
                        .kind_of(Kind::Unknown)
                        .note(format!("{title} was being committed: whether it was cannot be known from here"))
                        .hint("`aludel current` shows where the database stands; then run the same command again")
                } else {
                    self.kept(explained, program, Where::Body, invalid)
                }
            }
        }
    }

    fn server(&self, error: &ServerError, part: Where, excerpt: Option<Excerpt>, title: &str) -> Error {
        if error.code == MOVED {
            return Error::failed(error.message.clone())
                .note("somebody else moved the database since the plan was made")
                .hint("run the same command again: it plans from where the database stands now");
        }
        let heading = match (&excerpt, part) {
            (Some(_), _) => error.message.clone(),
            (None, Where::Commit) => format!("{title}: COMMIT was refused: {}", error.message),
            (None, _) => format!("{title}: {}", error.message),
        };
        let explained = Error::failed(heading).code(error.code.clone());
        let explained = describe(excerpt.into_iter().fold(explained, Error::at), error);
        if error.code == "25001" && part == Where::Body {
            return explained
                .hint("a statement that cannot run in a transaction goes into a section `-- migrate:upgrade transaction:false`");
        }
        explained
    }

    /// Says what of the run stays.
    fn kept(&self, error: Error, program: &Program, part: Where, invalid: &[String]) -> Error {
        let step = &program.steps[self.step];
        let revision = &step.record.revision;
        let (done, stays) = match step.record.action {
            Action::Upgrade => ("applied", "it is not recorded as applied"),
            Action::Downgrade => ("undone", "it is still recorded as applied"),
            Action::Stamp => ("stamped", "it is not recorded"),
        };
        let mut error = match self.part {
            Some(statements) => error.kind_of(Kind::Partial).note(format!(
                "revision {revision} stopped partway: {} outside a transaction ran and stay; {stays}",
                counted(statements, "statement")
            )),
            None if part == Where::Bare && !invalid.is_empty() => {
                error.kind_of(Kind::Partial).note(format!("revision {revision} stopped partway; {stays}"))
            }
            None => error.note(format!("nothing of revision {revision} was kept")),
        };
        if self.finished > 0 {
            let before: Vec<&str> =
                program.steps[..self.finished].iter().map(|step| step.record.revision.as_str()).collect();
            let before = match before.as_slice() {
                [.., last] if before.len() > 8 => format!("{} revisions up to {last}", before.len()),
                _ => before.join(", "),
            };
            error = error.note(format!("{done} before it, and kept: {before}"));
        }
        for index in invalid {
            error = error.note(format!("index {index} is not valid")).hint(format!("DROP INDEX CONCURRENTLY {index};"));
        }
        error
    }
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
