//! What the history says of the text that each applied revision has: the row of its last upgrade, or of the repair behind it.
//!
//! The question is sent ahead, and answered while the revision files are read; it costs no round trip of its own. Its answer
//! holds no more than is needed to see that a file differs. What there is to tell of one is asked for where one does.
//! Whether a file differs is not decided here.

use std::time::Instant;

use chrono::{DateTime, SecondsFormat, Utc};

use super::lock::Locked;
use super::query::Answer;
use super::session::{Session, explain};
use super::wire::event::{Row, Rows};
use crate::error::Result;
use crate::model::bookkeeping::Action;
use crate::model::sql::quote::literal;

/// A question whose answer comes before all others.
#[derive(Debug, Default)]
pub(super) enum Ahead {
    #[default]
    Nothing,
    Asked,
    Answered(Answer),
}

/// The rows of the history that gave a revision its text, or took it away.
#[derive(Debug, Default)]
pub struct Texts(Vec<Row>);

/// One of them; of a revision's, the one with the highest number counts.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// Its number.
    pub id: i64,
    /// The revision.
    pub revision: &'a str,
    /// The first digits of the checksum: enough to tell one text from another. None behind a downgrade: a revision that is
    /// applied all the same was stamped, and nobody knows its text.
    pub digits: Option<&'a str>,
}

impl Texts {
    /// The rows, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Text<'_>> {
        self.0
            .iter()
            .filter_map(|row| Some(Text { id: row.get(0)?.parse().ok()?, revision: row.get(1)?, digits: row.get(2) }))
    }
}

/// So many digits of a checksum are asked for at first: ten thousand times 64 would take as long as the rest.
const DIGITS: u8 = 16;

/// The text that the history knows a revision with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The revision.
    pub revision: String,
    /// What brought the text: an upgrade, or a repair.
    pub direction: String,
    /// Its checksum.
    pub checksum: String,
    /// When that was done.
    at: DateTime<Utc>,
    /// The role that did it.
    pub role: String,
    /// The operating system's user, where it was known.
    pub user: Option<String>,
}

impl Recorded {
    /// When that was done: `2026-11-21T09:12:03Z`.
    #[must_use]
    pub fn at(&self) -> String {
        self.at.to_rfc3339_opts(SecondsFormat::Secs, true)
    }
}

impl Session {
    /// Asks for the texts ahead, without waiting for the answer.
    pub fn ask_for_texts(&mut self) {
        let patience = self.patience();
        // Which of a revision's rows is the last is seen here: to find that out would cost the server three times as much, and
        // nearly every revision has one.
        let sql = format!(
            "{patience}SELECT id, revision, CASE WHEN direction OPERATOR(pg_catalog.<>) {} \
             THEN pg_catalog.\"left\"(checksum, {DIGITS}) END FROM {} WHERE {} AND {}",
            literal(Action::Downgrade.verb()),
            self.tables.history(),
            self.tables.ours(),
            about_texts(),
        );
        // It is short, and holds no NUL: it can be sent.
        if self.connection.send(&sql, Rows::Keep).is_ok() {
            self.connection.flush();
            self.ahead = Ahead::Asked;
        }
    }

    /// Reads the answer to the question that was sent ahead, if one was.
    ///
    /// # Errors
    /// The connection is lost, or a signal came.
    pub fn take_ahead(&mut self) -> Result<()> {
        self.take_ahead_until(self.overdue())
    }

    /// Whether the answer comes by itself: behind a pooler, the wait for a server connection is part of the wait for the lock.
    #[must_use]
    pub fn is_answered_soon(&self) -> bool {
        !self.connection.is_pooled()
    }

    pub(super) fn take_ahead_until(&mut self, deadline: Option<Instant>) -> Result<()> {
        if !matches!(self.ahead, Ahead::Asked) {
            return Ok(());
        }
        self.ahead = Ahead::Nothing;
        match self.connection.read_answer(deadline) {
            Ok(answer) => self.ahead = Ahead::Answered(answer),
            Err(error) => return Err(self.trouble(&error)),
        }
        Ok(())
    }

    /// The texts that [`Session::ask_for_texts`] asked for; none where nothing was asked, or where there is no history.
    ///
    /// # Errors
    /// The history cannot be read, or the connection is lost.
    pub fn texts(&mut self) -> Result<Texts> {
        self.take_ahead()?;
        let Ahead::Answered(answer) = std::mem::take(&mut self.ahead) else { return Ok(Texts::default()) };
        match &answer.error {
            // A database that Alembic migrated has none, and a new one neither.
            Some(error) if error.code == "42P01" => Ok(Texts::default()),
            Some(error) if error.code == "55P03" => {
                let table = self.tables.history();
                Err(self.is_held(&table))
            }
            Some(error) => {
                let explained = explain(error, "cannot read the history, to see whether files were changed");
                Err(match error.code.as_str() {
                    "42501" => explained.hint(format!("GRANT SELECT ON {} TO {};", self.tables.history(), self.role)),
                    _ => explained,
                })
            }
            None => Ok(Texts(answer.rows)),
        }
    }

    /// Asks once more where an answer is at hand: somebody else's run ended since it came.
    pub fn ask_for_texts_again(&mut self) {
        if matches!(self.ahead, Ahead::Answered(_)) {
            self.ask_for_texts();
        }
    }

    /// What the history knows of these revisions' texts, in no order.
    ///
    /// # Errors
    /// As [`Session::texts`].
    pub fn recorded(&mut self, revisions: &[&str]) -> Result<Vec<Recorded>> {
        let revisions: Vec<String> = revisions.iter().map(|revision| literal(revision)).collect();
        let history = self.tables.history();
        let sql = format!(
            "SELECT DISTINCT ON (revision) revision, direction, checksum, \
             EXTRACT(epoch FROM finished_at)::pg_catalog.int8, role, client_user FROM {history} \
             WHERE {} AND {} AND revision OPERATOR(pg_catalog.=) ANY (ARRAY[{}]::pg_catalog.text[]) ORDER BY revision, id DESC",
            self.tables.ours(),
            about_texts(),
            revisions.join(", "),
        );
        let rows = self.run(&sql, "cannot read the history, to see whether files were changed")?;
        let recorded = |row: &Row| {
            let text = |column: usize| row.get(column).map(str::to_owned);
            Some(Recorded {
                revision: text(0)?,
                direction: text(1)?,
                checksum: text(2)?,
                at: DateTime::from_timestamp(row.get(3)?.parse().ok()?, 0)?,
                role: text(4)?,
                user: text(5),
            })
        };
        let is_text = |recorded: &Recorded| recorded.direction != Action::Downgrade.verb();
        Ok(rows.iter().filter_map(recorded).filter(is_text).collect())
    }
}

impl Locked {
    /// The session, for its questions.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }
}

/// The condition on rows of the history that say of a revision's text what it is.
fn about_texts() -> String {
    let words = |actions: &[Action], word: fn(Action) -> &'static str| {
        actions.iter().map(|action| literal(word(*action))).collect::<Vec<_>>().join(", ")
    };
    let texts = [Action::Upgrade, Action::Downgrade, Action::Repair];
    format!(
        "direction OPERATOR(pg_catalog.=) ANY (ARRAY[{}]) AND outcome OPERATOR(pg_catalog.=) ANY (ARRAY[{}])",
        words(&texts, Action::verb),
        words(&[Action::Upgrade, Action::Repair], Action::outcome),
    )
}
