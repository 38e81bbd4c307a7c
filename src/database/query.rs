//! Asking and waiting for the whole answer: for the tool's own small questions.

use super::connection::{Connection, SendError, message_length};
use super::server_error::ServerError;
use super::wire::event::{Column, Event, Lost, Row, Rows, TransactionStatus};
use super::wire::tag::Tag;
use std::fmt;
use std::time::Instant;

/// The answer to one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// A tag for each statement that was done.
    pub tags: Vec<Tag>,
    /// The columns of its last statement that yields rows.
    pub columns: Vec<Column>,
    /// The rows of all its statements.
    pub rows: Vec<Row>,
    /// Notices and warnings.
    pub notices: Vec<ServerError>,
    /// The error that ended it, if one did.
    pub error: Option<Box<ServerError>>,
    /// Where the session stood afterwards.
    pub status: TransactionStatus,
}

/// Why there is no answer, or not the one wanted.
#[derive(Debug)]
pub enum QueryError {
    /// The server refused; the whole answer was read, another message may be sent.
    Server(Box<ServerError>),
    /// The text could not be sent.
    Send(SendError),
    /// The connection is gone.
    Lost(Lost),
    /// The deadline passed; the answer is still to come ([`Connection::settle`]).
    Timeout,
    /// Woken; the answer is still to come.
    Woken,
    /// Other messages are in flight, and their answers would be taken for this one's.
    Busy,
}

impl fmt::Display for QueryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(error) => write!(formatter, "{error}"),
            Self::Send(error) => write!(formatter, "{error}"),
            Self::Lost(lost) => write!(formatter, "{lost}"),
            Self::Timeout => formatter.write_str("the server did not answer in time"),
            Self::Woken => formatter.write_str("interrupted"),
            Self::Busy => formatter.write_str("another message is still being answered"),
        }
    }
}

impl std::error::Error for QueryError {}

impl From<Lost> for QueryError {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

impl From<SendError> for QueryError {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl Connection {
    /// The rows that the statements of `sql` yield.
    ///
    /// # Errors
    /// The first statement that failed; no answer in time; a lost connection.
    pub fn query(&mut self, sql: &str, deadline: Option<Instant>) -> Result<Vec<Row>, QueryError> {
        Ok(self.answer(sql, deadline)?.rows)
    }

    /// The command tags of the statements of `sql`.
    ///
    /// # Errors
    /// As [`Connection::query`].
    pub fn execute(&mut self, sql: &str, deadline: Option<Instant>) -> Result<Vec<Tag>, QueryError> {
        Ok(self.answer(sql, deadline)?.tags)
    }

    /// The whole answer to one message whose statements succeed.
    ///
    /// # Errors
    /// As [`Connection::query`].
    pub fn answer(&mut self, sql: &str, deadline: Option<Instant>) -> Result<Answer, QueryError> {
        let answer = self.query_pipeline(&[sql], deadline)?.pop();
        let mut answer = answer.ok_or(QueryError::Busy)?;
        match answer.error.take() {
            Some(error) => Err(QueryError::Server(error)),
            None => Ok(answer),
        }
    }

    /// The answers to several messages, sent ahead of their answers: one round trip for all, unless a pooler may lose some. A
    /// message is run even if one before it failed.
    ///
    /// # Errors
    /// No answer in time, a lost connection; a statement that failed is in its message's answer.
    pub fn query_pipeline(&mut self, messages: &[&str], deadline: Option<Instant>) -> Result<Vec<Answer>, QueryError> {
        if self.in_flight() > 0 {
            return Err(QueryError::Busy);
        }
        // All of them or none: what cannot be sent must not leave others in flight.
        messages.iter().try_for_each(|message| message_length(&[message]).map(drop))?;
        if self.is_pooled() {
            let one = |message: &&str| {
                self.send(message, Rows::Keep)?;
                self.read_answer(deadline)
            };
            return messages.iter().map(one).collect();
        }
        for message in messages {
            self.send(message, Rows::Keep)?;
        }
        messages.iter().map(|_| self.read_answer(deadline)).collect()
    }

    /// Reads on until every message in flight is answered, and drops what comes.
    ///
    /// # Errors
    /// The deadline passed, a wake-up came, the connection is gone.
    pub fn settle(&mut self, deadline: Option<Instant>) -> Result<TransactionStatus, QueryError> {
        while self.in_flight() > 0 {
            self.read_answer(deadline)?;
        }
        Ok(self.status())
    }

    /// Reads up to the end of the answer to the first message in flight.
    ///
    /// # Errors
    /// As [`Connection::settle`].
    pub fn read_answer(&mut self, deadline: Option<Instant>) -> Result<Answer, QueryError> {
        let (tags, columns, rows, notices) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut answer = Answer { tags, columns, rows, notices, error: None, status: self.status() };
        loop {
            match self.next_event(deadline)? {
                Event::Complete(tag) => answer.tags.push(tag),
                Event::Row(row) => answer.rows.push(row),
                Event::Notice(notice) => answer.notices.push(*notice),
                Event::Error(error) => answer.error = Some(error),
                Event::CopyIn => self.copy_fail("no data is given here"),
                Event::Columns(columns) => answer.columns = columns,
                Event::EmptyQuery | Event::CopyOut | Event::Parameter { .. } => {}
                Event::Timeout => return Err(QueryError::Timeout),
                Event::Woken => return Err(QueryError::Woken),
                Event::Ready(status) => {
                    answer.status = status;
                    return Ok(answer);
                }
            }
        }
    }
}
