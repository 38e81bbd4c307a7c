//! One session with a server, by simple-query messages, many in flight if wanted.
//!
//! The caller sends and asks for events; nothing happens on another thread. What a message means, and what to do when
//! it fails, is not known here.

use super::conninfo::Host;
use super::server_error::ServerError;
use super::tls::{TlsFailure, TlsSummary};
use super::wire::cancel::{CancelError, CancelKey};
use super::wire::event::{Column, Event, Lost, Row, Rows, TransactionStatus};
use super::wire::link::{Link, Step};
use super::wire::tag::Tag;
use crate::secret::Covers;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::{DataRowBody, Message, RowDescriptionBody};
use postgres_protocol::message::frontend;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest message a server accepts (`PQ_LARGE_MESSAGE_LIMIT`, 1 GB less 1), with its length and final NUL.
const LONGEST_MESSAGE: usize = 0x3fff_ffff - 5;

/// A session. Dropping it closes the socket: the server then ends the session as soon as it notices.
pub struct Connection {
    link: Link,
    /// Where each message that was sent and not answered ends in the stream of bytes.
    in_flight: VecDeque<u64>,
    parameters: BTreeMap<String, String>,
    key: Option<CancelKey>,
    host: Host,
    security: Security,
    status: TransactionStatus,
    lost: Option<Lost>,
    /// What no error and no notice of the server shows.
    covers: Covers,
}

/// How a connection is protected.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// Its TLS; nothing on a socket and on plain TCP.
    pub tls: Option<TlsSummary>,
    /// Whether a password was asked for.
    pub password: bool,
    /// Why there is no TLS though there could be some (`sslmode=prefer`).
    pub given_up: Option<TlsFailure>,
    /// The file with authorities that was named and that is not there, so that nothing was checked.
    pub unchecked: Option<PathBuf>,
}

/// Why a text was not sent. Nothing of it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// A NUL character at this byte: the protocol has no place for one.
    Nul(usize),
    /// More bytes than a server accepts in one message.
    TooLong(usize),
}

impl fmt::Display for SendError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nul(at) => write!(formatter, "a NUL character at byte {at}"),
            Self::TooLong(bytes) => write!(formatter, "{bytes} bytes are more than a server accepts in one message"),
        }
    }
}

impl std::error::Error for SendError {}

/// No process of Linux or macOS has a greater number (`PID_MAX_LIMIT`).
const MOST_PROCESSES: i32 = 1 << 22;

impl Connection {
    /// A session that has just begun.
    pub(super) fn started(
        link: Link,
        parameters: BTreeMap<String, String>,
        key: Option<CancelKey>,
        host: Host,
        security: Security,
        covers: Covers,
    ) -> Self {
        let (in_flight, status) = (VecDeque::new(), TransactionStatus::Idle);
        Self { link, in_flight, parameters, key, host, security, status, lost: None, covers }
    }

    /// Sends one message with the statements of `sql`. A small one may stay in the queue until the next
    /// [`Connection::next_event`] or [`Connection::flush`].
    ///
    /// # Errors
    /// A text that cannot be sent. A lost connection is reported by the next event.
    pub fn send(&mut self, sql: &str, rows: Rows) -> Result<(), SendError> {
        self.send_parts(&[sql], rows)
    }

    /// Sends one message whose text is `parts`, one after the other, without putting them together first.
    ///
    /// # Errors
    /// As [`Connection::send`]; the place of a NUL counts through all parts.
    pub fn send_parts(&mut self, parts: &[&str], rows: Rows) -> Result<(), SendError> {
        let length = message_length(parts)?;
        let mut head = [b'Q', 0, 0, 0, 0];
        head[1..].copy_from_slice(&length.to_be_bytes());
        let mut slices: Vec<&[u8]> = Vec::with_capacity(parts.len() + 2);
        slices.push(&head);
        slices.extend(parts.iter().map(|part| part.as_bytes()));
        slices.push(&[0]);
        self.link.incoming.expect(rows);
        self.link.send(&slices);
        self.in_flight.push_back(self.link.accepted());
        Ok(())
    }

    /// Sends a piece of the data that the server waits for after [`Event::CopyIn`].
    ///
    /// # Errors
    /// A piece longer than a message may be.
    pub fn copy_data(&mut self, data: &[u8]) -> Result<(), SendError> {
        let length = u32::try_from(data.len() + 4).ok().filter(|_| data.len() <= LONGEST_MESSAGE);
        let length = length.ok_or(SendError::TooLong(data.len()))?;
        let mut head = [b'd', 0, 0, 0, 0];
        head[1..].copy_from_slice(&length.to_be_bytes());
        self.link.send(&[&head, data]);
        Ok(())
    }

    /// Says that the data is complete.
    pub fn copy_done(&mut self) {
        self.link.send(&[b"c\x00\x00\x00\x04"]);
    }

    /// Says that there will be no data: the COPY fails with `reason`, up to its first NUL.
    pub fn copy_fail(&mut self, reason: &str) {
        let reason = reason.split('\0').next().unwrap_or("");
        // Only a NUL or 2 GB could fail.
        let _ = self.link.queue(|buffer| frontend::copy_fail(reason, buffer));
    }

    /// Hands what is queued to the system as far as it takes it now.
    pub fn flush(&mut self) {
        self.link.flush();
    }

    /// The next event, in the order of the server's answers. While it waits, what is queued is written.
    /// Without a deadline it may wait for ever; with one that has passed it returns what is already there.
    ///
    /// # Errors
    /// The connection is gone: after every event that came before, and from then on always.
    pub fn next_event(&mut self, deadline: Option<Instant>) -> Result<Event, Lost> {
        loop {
            if let Some(lost) = &self.lost {
                return Err(lost.clone());
            }
            match self.link.incoming.next() {
                Some(message) => match self.translate(message) {
                    Ok(Some(event)) => return Ok(event),
                    Ok(None) => {}
                    Err(error) => drop(self.lose(None, error)),
                },
                None => match self.link.step(deadline) {
                    Step::Progress => {}
                    Step::Timeout => return Ok(Event::Timeout),
                    Step::Woken => return Ok(Event::Woken),
                    // A last read may have brought messages together with its failure: they come first.
                    Step::Ended if self.link.incoming.has_message() => {}
                    Step::Ended => {
                        let cause = self.link.take_end().unwrap_or_else(|| io::ErrorKind::NotConnected.into());
                        self.lose(None, cause);
                    }
                },
            }
        }
    }

    /// Messages sent whose [`Event::Ready`] has not come yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Bytes accepted and not yet handed to the system.
    #[must_use]
    pub fn unsent(&self) -> u64 {
        self.link.unsent()
    }

    /// Whether nothing can be said or heard on it any more.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    /// How many notifications (`NOTIFY`) the server has sent so far.
    #[must_use]
    pub fn notifications(&self) -> u64 {
        self.link.incoming.notifications
    }

    /// Where the session stood when the last [`Event::Ready`] came.
    #[must_use]
    pub fn status(&self) -> TransactionStatus {
        self.status
    }

    /// The value of a setting that the server reports by itself: `server_version`, `in_hot_standby`, …
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The server's version as a number (`150018` for 15.18), if it says one.
    #[must_use]
    pub fn server_version(&self) -> Option<u32> {
        let text = self.parameter("server_version")?;
        let digits = text.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
        let mut numbers = digits.split('.').map(str::parse::<u32>);
        let (major, minor) = (numbers.next()?.ok()?, numbers.next().and_then(Result::ok).unwrap_or(0));
        major.checked_mul(10_000)?.checked_add(minor)
    }

    /// Whether a pooler stands before the server, as far as the number of the process tells: no process has it.
    ///
    /// A pooler of transactions gives the server's connection to the next client at the end of an answer. PgBouncer up to 1.20 does
    /// so though more messages are on their way, whose answers are lost then: to it, one message is sent after the other.
    #[must_use]
    pub fn is_pooled(&self) -> bool {
        self.process().is_none_or(|process| !(1..=MOST_PROCESSES).contains(&process))
    }

    /// The process the session runs in, as the server (or a pooler before it) told at the start.
    #[must_use]
    pub fn process(&self) -> Option<i32> {
        self.key.as_ref().map(|key| key.process)
    }

    /// The one address that it was made to, of all that a name or a list of hosts stands for.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// How it is protected.
    #[must_use]
    pub fn security(&self) -> &Security {
        &self.security
    }

    /// Remembers why it has no TLS.
    pub(super) fn give_up_tls(&mut self, failure: TlsFailure) {
        self.security.given_up = Some(failure);
    }

    /// Cancels what the session runs, and waits at most `patience` until the server has acted on it: only then is it
    /// safe to send another message. The statement's end comes as events, as ever. A server that waits for COPY data
    /// does not see it: [`Connection::copy_fail`] does that.
    ///
    /// # Errors
    /// It is not known whether the request got through.
    pub fn cancel(&self, patience: Duration) -> Result<(), CancelError> {
        self.key.as_ref().ok_or(CancelError::NoKey)?.send(patience)
    }

    /// Says goodbye and closes the socket.
    pub fn close(mut self) {
        self.say_goodbye();
    }

    /// Says goodbye: whoever is at the other end closes the connection.
    pub(super) fn say_goodbye(&mut self) {
        self.link.send(&[b"X\x00\x00\x00\x04"]);
        let deadline = Instant::now() + Duration::from_secs(1);
        while self.lost.is_none() && self.link.unsent() > 0 {
            self.link.flush();
            if self.link.unsent() > 0 && self.link.step(Some(deadline)) != Step::Progress {
                break;
            }
        }
    }

    /// The event that a message is, if it is one.
    fn translate(&mut self, message: Message) -> io::Result<Option<Event>> {
        Ok(Some(match message {
            Message::CommandComplete(body) => Event::Complete(Tag::new(body.tag()?)),
            Message::DataRow(body) => Event::Row(row(&body)?),
            Message::RowDescription(body) => Event::Columns(columns(&body)?),
            Message::EmptyQueryResponse => Event::EmptyQuery,
            Message::NoticeResponse(body) => {
                Event::Notice(Box::new(ServerError::read(body.fields())?.covered(&self.covers)))
            }
            Message::CopyInResponse(_) => Event::CopyIn,
            Message::CopyOutResponse(_) => Event::CopyOut,
            Message::ErrorResponse(body) => {
                let error = Box::new(ServerError::read(body.fields())?.covered(&self.covers));
                if error.ends_session() {
                    let ended = io::Error::new(io::ErrorKind::ConnectionAborted, "the server ended the session");
                    self.lose(Some(error), ended);
                    return Ok(None);
                }
                Event::Error(error)
            }
            Message::ParameterStatus(body) => {
                let (name, value) = (body.name()?.to_owned(), body.value()?.to_owned());
                self.parameters.insert(name.clone(), value.clone());
                Event::Parameter { name, value }
            }
            Message::ReadyForQuery(body) => {
                self.status = match body.status() {
                    b'I' => TransactionStatus::Idle,
                    b'T' => TransactionStatus::InTransaction,
                    b'E' => TransactionStatus::Failed,
                    _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "an unknown transaction status")),
                };
                self.in_flight.pop_front();
                Event::Ready(self.status)
            }
            Message::CopyDone => return Ok(None),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "a message that has no place here")),
        }))
    }

    /// Takes the connection for lost though its socket is open: nobody answers any more.
    pub(super) fn give_up(&mut self) -> Lost {
        let cause = io::Error::new(io::ErrorKind::TimedOut, "it is open, and nothing arrives on it any more");
        self.lose(None, cause).clone()
    }

    fn lose(&mut self, fatal: Option<Box<ServerError>>, cause: io::Error) -> &Lost {
        let written = self.link.written();
        let unanswered = self.in_flight.iter().filter(|end| **end <= written).count();
        let sent_everything = self.link.unsent() == 0;
        self.lost.insert(Lost { fatal, cause: Arc::new(cause), sent_everything, unanswered })
    }
}

impl fmt::Debug for Connection {
    /// Without the queues: they may hold anything that was sent.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Connection");
        shown.field("process", &self.process()).field("status", &self.status).field("lost", &self.lost);
        shown.field("in_flight", &self.in_flight.len()).finish_non_exhaustive()
    }
}

/// The length field of a message with the text `parts`.
pub(super) fn message_length(parts: &[&str]) -> Result<u32, SendError> {
    let total: usize = parts.iter().map(|part| part.len()).sum();
    let length = u32::try_from(total + 5).ok().filter(|_| total <= LONGEST_MESSAGE);
    let length = length.ok_or(SendError::TooLong(total))?;
    let mut before = 0;
    for part in parts {
        if let Some(at) = memchr::memchr(0, part.as_bytes()) {
            return Err(SendError::Nul(before + at));
        }
        before += part.len();
    }
    Ok(length)
}

fn row(body: &DataRowBody) -> io::Result<Row> {
    let text = |range| String::from_utf8_lossy(&body.buffer()[range]).into_owned();
    Ok(Row(body.ranges().map(|range| Ok(range.map(text))).collect()?))
}

fn columns(body: &RowDescriptionBody) -> io::Result<Vec<Column>> {
    body.fields().map(|field| Ok(Column { name: field.name().to_owned(), modifier: field.type_modifier() })).collect()
}
