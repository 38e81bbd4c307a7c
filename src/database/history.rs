//! The history table, read: what ran, when, by whom, how it ended. A run that was killed has left no row, and nothing is made
//! up for it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::session::{Session, Standing, explain};
use super::wire::event::Row;
use crate::error::Result;
use crate::model::bookkeeping::Failure;
use crate::model::sql::quote::literal;

/// One row of the history.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its number: later ones are greater.
    pub id: i64,
    /// The id that everything has which one command did; `sql` for a printed script.
    pub run: String,
    /// `upgrade`, `downgrade`, `stamp`, `repair` or `repeat`.
    pub direction: String,
    /// The revision, or the repeatable file, or those that were stamped.
    pub revision: String,
    /// The file's checksum, where there is a file.
    pub checksum: Option<String>,
    /// `done`, `stamped`, `accepted`, `failed` or `partial`.
    pub outcome: String,
    /// Of one that failed: the server's code, where the server said one.
    pub sqlstate: Option<String>,
    /// Of one that failed: what was said.
    pub message: Option<String>,
    /// When it began, by the server's clock.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// The role that logged in.
    pub role: String,
    /// The operating system's user, where known.
    pub client_user: Option<String>,
    /// The host that the tool ran on, where known.
    pub client_host: Option<String>,
    /// The tool with its version.
    pub tool: String,
}

impl Entry {
    /// How long it took.
    #[must_use]
    pub fn took(&self) -> Duration {
        (self.finished_at - self.started_at).to_std().unwrap_or_default()
    }

    fn read(row: &Row) -> Option<Self> {
        let text = |column: usize| row.get(column).map(str::to_owned);
        let time = |column: usize| DateTime::from_timestamp_micros(row.get(column)?.parse().ok()?);
        Some(Self {
            id: row.get(0)?.parse().ok()?,
            run: text(1)?,
            direction: text(2)?,
            revision: text(3)?,
            checksum: text(4),
            outcome: text(5)?,
            sqlstate: text(6),
            message: text(7),
            started_at: time(8)?,
            finished_at: time(9)?,
            role: text(10)?,
            client_user: text(11),
            client_host: text(12),
            tool: text(13)?,
        })
    }
}

/// Since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// For so long, by the server's clock.
    Last(Duration),
    /// From then on.
    Time(DateTime<Utc>),
}

/// Which rows are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Of this revision: its id, or the beginning of one, of four characters or more, where none is called so.
    pub revision: Option<String>,
    /// Only what failed, with or without leaving something behind.
    pub failed: bool,
    /// Only what ended since then.
    pub since: Option<Since>,
    /// Of this run, or of those that begin so.
    pub run: Option<String>,
    /// At most so many; all without it.
    pub limit: Option<usize>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The rows, newest first.
    pub entries: Vec<Entry>,
    /// How many there are without the limit.
    pub total: usize,
}

/// The condition on an outcome that it is none of success.
pub(super) fn is_failure(outcome: &str) -> String {
    let words = Failure::OUTCOMES.map(literal).join(", ");
    format!("{outcome} OPERATOR(pg_catalog.=) ANY (ARRAY[{words}])")
}

impl Session {
    /// Where the database stands, and the rows of the history; none where there is no such table.
    ///
    /// # Errors
    /// The history cannot be read, or the connection is lost; another database than the settings mean.
    pub fn log(&mut self, wanted: &Wanted) -> Result<(Standing, Option<Found>)> {
        let standing = self.standing()?;
        if !standing.history_table {
            return Ok((standing, None));
        }
        let table = self.tables.history();
        let sql = format!("{}{}", self.patience(), self.log_sql(&table, wanted));
        let mut answers = self.ask(&[&sql])?;
        let answer = answers.remove(0);
        let rows = match &answer.error {
            None => answer.rows,
            Some(error) if error.code == "55P03" => return Err(self.is_held(&table)),
            Some(error) => {
                let explained = explain(error, "cannot read the history");
                return Err(match error.code.as_str() {
                    "42501" => explained.hint(format!("GRANT SELECT ON {table} TO {};", self.role)),
                    _ => explained,
                });
            }
        };
        let total = rows.first().and_then(|row| row.get(14)?.parse().ok()).unwrap_or_default();
        Ok((standing, Some(Found { entries: rows.iter().filter_map(Entry::read).collect(), total })))
    }

    fn log_sql(&self, table: &str, wanted: &Wanted) -> String {
        let mut conditions = vec![self.tables.ours()];
        if let Some(revision) = &wanted.revision {
            let is = |of: &str| {
                format!(
                    "{} OPERATOR(pg_catalog.=) ANY (pg_catalog.string_to_array({of}revision, ','))",
                    literal(revision)
                )
            };
            // As with targets: of short ids no beginning means anything.
            conditions.push(match revision.chars().count() {
                0..4 => is("h."),
                _ => format!(
                    "({} OR (pg_catalog.starts_with(h.revision, {}) AND NOT EXISTS (SELECT FROM {table} o WHERE o.{} AND {})))",
                    is("h."),
                    literal(revision),
                    self.tables.ours(),
                    is("o."),
                ),
            });
        }
        if wanted.failed {
            conditions.push(is_failure("h.outcome"));
        }
        match wanted.since {
            None => {}
            Some(Since::Last(time)) => conditions.push(format!(
                "h.finished_at OPERATOR(pg_catalog.>=) (pg_catalog.now() OPERATOR(pg_catalog.-) '{} seconds'::pg_catalog.interval)",
                time.as_secs()
            )),
            Some(Since::Time(time)) => conditions.push(format!(
                "h.finished_at OPERATOR(pg_catalog.>=) pg_catalog.to_timestamp({}::pg_catalog.float8 OPERATOR(pg_catalog./) 1000000)",
                time.timestamp_micros()
            )),
        }
        if let Some(run) = &wanted.run {
            conditions.push(format!("pg_catalog.starts_with(h.run, {})", literal(run)));
        }
        let micros =
            |column: &str| format!("(EXTRACT(epoch FROM h.{column}) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8");
        let limit = wanted.limit.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default();
        format!(
            "SELECT h.id, h.run, h.direction, h.revision, h.checksum, h.outcome, h.sqlstate, h.message, {}, {}, h.role, \
             h.client_user, h.client_host, h.tool, pg_catalog.count(*) OVER () FROM {table} h WHERE {} ORDER BY h.id DESC{limit}",
            micros("started_at"),
            micros("finished_at"),
            conditions.join(" AND "),
        )
    }
}
