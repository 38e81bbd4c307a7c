//! What a connection reports, in the order in which the server said it.

use super::tag::Tag;
use crate::database::server_error::ServerError;
use std::fmt;
use std::io;
use std::sync::Arc;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A statement is done. Statements of one message are counted by these; an empty one gives none.
    Complete(Tag),
    /// The columns of the rows that follow; only where rows are kept.
    Columns(Vec<Column>),
    /// A row; only where rows are kept.
    Row(Row),
    /// The message held no statement at all.
    EmptyQuery,
    /// A statement failed; the rest of its message is not run.
    Error(Box<ServerError>),
    /// A notice or a warning.
    Notice(Box<ServerError>),
    /// The server waits for the data of `COPY … FROM STDIN`: `copy_data`, then `copy_done` or `copy_fail`.
    CopyIn,
    /// The server sends the data of `COPY … TO STDOUT`, which is dropped.
    CopyOut,
    /// A setting of the session that the server reports has this value now.
    Parameter {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// A message has been dealt with.
    Ready(TransactionStatus),
    /// The deadline passed.
    Timeout,
    /// The wake-up descriptor can be read. It is not read here: until somebody does, this comes again.
    Woken,
}

/// Where the session stands between messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// No transaction (`I`).
    Idle,
    /// In a transaction (`T`).
    InTransaction,
    /// In a transaction that failed and can only be rolled back (`E`).
    Failed,
}

/// What becomes of the rows a message yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// They are events.
    Keep,
    /// They are dropped as they arrive, whatever their size.
    Discard,
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its type is narrowed by, of a domain the type below: for `varchar(32)` 36; -1 for nothing.
    pub modifier: i32,
}

/// A row: each column's text, nothing for NULL. Text that is not UTF-8 is made readable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row(pub Vec<Option<String>>);

impl Row {
    /// The text of a column, from 0; nothing for NULL or past the last.
    #[must_use]
    pub fn get(&self, column: usize) -> Option<&str> {
        self.0.get(column)?.as_deref()
    }
}

/// The connection is gone.
#[derive(Clone, Debug)]
pub struct Lost {
    /// What the server said last, if it ended the session itself.
    pub fatal: Option<Box<ServerError>>,
    /// What the socket said.
    pub cause: Arc<io::Error>,
    /// Whether every byte was handed to the system before. Where not, the last message was not run.
    pub sent_everything: bool,
    /// Messages handed over whole and not answered: each of them may have been run, or not.
    pub unanswered: usize,
}

impl fmt::Display for Lost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fatal {
            Some(fatal) => write!(formatter, "the server ended the session: {fatal}"),
            None => write!(formatter, "the connection was lost: {}", self.cause),
        }
    }
}

impl std::error::Error for Lost {}
