//! A session on the database: connected, and able to say where the database stands. It changes nothing.

use super::connection::Connection;
use super::conninfo::Conninfo;
use super::query::{Answer, QueryError};
use super::server_error::ServerError;
use super::wire::connect::ConnectOptions;
use super::wire::event::Row;
use crate::error::{Error, Result};
use crate::model::bookkeeping::{COLUMN, Tables};
use crate::model::sql::quote::{identifier, literal};

/// Where a database stands, as read at one moment.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The database for a person: user, host and name, never the password.
    pub place: String,
    /// The rows of the version table; none where there is no table.
    pub rows: Vec<String>,
    /// Whether the schema of the tool's tables is there.
    pub schema: bool,
    /// Whether the version table is there.
    pub version_table: bool,
    /// Whether the history table is there.
    pub history_table: bool,
    /// The length that the version table's column is limited to: 32 in a table that Alembic made.
    pub width: Option<usize>,
}

/// A connection that may read.
pub struct Session {
    pub(super) connection: Connection,
    pub(super) tables: Tables,
    pub(super) place: String,
    /// The role that logged in, quoted, for hints.
    pub(super) role: String,
}

impl Session {
    /// Connects; `application_name` is what others see while it holds a lock.
    ///
    /// # Errors
    /// The server cannot be reached or refuses, with the cause and the next thing to try.
    pub fn connect(conninfo: &Conninfo, tables: Tables, application_name: String) -> Result<Self> {
        let options = ConnectOptions { application_name, wake: None };
        let connection = Connection::connect(conninfo, &options)?;
        Ok(Self { connection, tables, place: conninfo.to_string(), role: identifier(&conninfo.user) })
    }

    /// Reads where the database stands: one round trip.
    ///
    /// # Errors
    /// The version table cannot be read, or the connection is lost.
    pub fn standing(&mut self) -> Result<Standing> {
        let [about, rows] = self.standing_questions();
        let answers = self.ask(&[&about, &rows])?;
        self.read_standing(&answers)
    }

    /// The messages whose answers say where the database stands.
    pub(super) fn standing_questions(&self) -> [String; 2] {
        let regclass = |table: String| format!("pg_catalog.to_regclass({})", literal(&table));
        let version = regclass(self.tables.version());
        let about = format!(
            "SELECT {version} IS NOT NULL, {} IS NOT NULL, \
             (SELECT a.atttypmod OPERATOR(pg_catalog.-) 4 FROM pg_catalog.pg_attribute a \
             WHERE a.attrelid OPERATOR(pg_catalog.=) {version}::pg_catalog.oid \
             AND a.attname OPERATOR(pg_catalog.=) '{COLUMN}'::pg_catalog.name AND a.atttypmod OPERATOR(pg_catalog.>) 4), \
             pg_catalog.to_regnamespace({}) IS NOT NULL",
            regclass(self.tables.history()),
            literal(&identifier(&self.tables.schema)),
        );
        let rows = format!("SELECT {COLUMN} FROM {} ORDER BY {COLUMN} COLLATE pg_catalog.\"C\"", self.tables.version());
        [about, rows]
    }

    /// Reads the answers to [`Session::standing_questions`].
    pub(super) fn read_standing(&self, answers: &[Answer]) -> Result<Standing> {
        let [about, rows] = answers else { return Err(Error::failed("the server left a question unanswered")) };
        if let Some(error) = &about.error {
            let explained = explain(error, "cannot look for the version table");
            return Err(match error.code.as_str() {
                "42501" => {
                    let (schema, role) = (identifier(&self.tables.schema), &self.role);
                    explained.hint(format!("GRANT USAGE ON SCHEMA {schema} TO {role};"))
                }
                _ => explained,
            });
        }
        let fact = |column: usize| about.rows.first().and_then(|row| row.get(column));
        let version_table = fact(0) == Some("t");
        // A table that is not there was known from the first answer, and asking for its rows cost no round trip.
        if let Some(error) = rows.error.as_ref().filter(|_| version_table) {
            let table = self.tables.version();
            let explained = explain(error, &format!("cannot read the version table {table}"));
            return Err(match error.code.as_str() {
                "42501" => explained.hint(format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {};", self.role)),
                _ => explained,
            });
        }
        Ok(Standing {
            place: self.place.clone(),
            rows: rows.rows.iter().filter_map(|row| row.get(0).map(str::to_owned)).collect(),
            version_table,
            schema: fact(3) == Some("t"),
            history_table: fact(1) == Some("t"),
            width: fact(2).and_then(|width| width.parse().ok()),
        })
    }

    /// The answers to several messages in one round trip.
    pub(super) fn ask(&mut self, messages: &[&str]) -> Result<Vec<Answer>> {
        self.connection.query_pipeline(messages, None).map_err(|error| self.trouble(&error))
    }

    /// Runs the tool's own SQL.
    pub(super) fn run(&mut self, sql: &str, doing: &str) -> Result<Vec<Row>> {
        match self.connection.query(sql, None) {
            Ok(rows) => Ok(rows),
            Err(QueryError::Server(error)) => Err(explain(&error, doing)),
            Err(error) => Err(self.trouble(&error)),
        }
    }

    fn trouble(&self, error: &QueryError) -> Error {
        Error::failed(error.to_string()).note(format!("on {}", self.place))
    }

    /// The indexes that are not valid, as SQL names them: what a failed CREATE INDEX CONCURRENTLY leaves behind.
    pub(super) fn invalid_indexes(&mut self) -> Vec<String> {
        let sql = "SELECT i.indexrelid::pg_catalog.regclass FROM pg_catalog.pg_index i WHERE NOT i.indisvalid \
                   AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) i.indexrelid \
                   AND c.relkind OPERATOR(pg_catalog.=) 'i') ORDER BY 1";
        let rows = self.connection.query(sql, None).unwrap_or_default();
        rows.iter().filter_map(|row| row.get(0).map(str::to_owned)).collect()
    }
}

/// A server's error as an error for the user: `title` says what was tried, or what went wrong.
pub(super) fn explain(error: &ServerError, title: &str) -> Error {
    let mut explained = Error::failed(title).code(error.code.clone());
    if title != error.message {
        explained = explained.note(error.message.clone());
    }
    describe(explained, error)
}

/// `error` with the server's DETAIL, HINT and the functions it arose in.
pub(super) fn describe(mut explained: Error, error: &ServerError) -> Error {
    if let Some(detail) = &error.detail {
        explained = explained.note(format!("detail: {detail}"));
    }
    if let Some(super::server_error::Position::Internal { query, .. }) = &error.position {
        explained = explained.note(format!("in the query: {}", query.trim()));
    }
    if let Some(context) = &error.context {
        explained = explained.note(format!("in: {}", context.replace('\n', "\n      ")));
    }
    match &error.hint {
        Some(hint) => explained.hint(hint.clone()),
        None => explained,
    }
}
