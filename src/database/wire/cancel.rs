//! Cancelling what a session runs: a request over a second connection, awaited until the server has acted on it.
//!
//! The wait is the point: a request that is not awaited may hit the session's next statement instead, its ROLLBACK
//! even. The server closes the second connection only after it has sent the signal.

use super::tls_stream::BeginError;
use super::transport::{Address, DialError, Transport};
use super::wait::{Interest, Waited};
use crate::database::conninfo::Keepalive;
use crate::database::tls::{Tls, TlsFailure};
use bytes::BytesMut;
use postgres_protocol::message::frontend;
use std::fmt;
use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

/// What is needed to cancel a session's statement.
#[derive(Clone)]
pub(crate) struct CancelKey {
    pub(crate) address: Address,
    pub(crate) process: i32,
    pub(crate) secret: i32,
    /// As the session has it, if it has: the key must not be read by others either.
    pub(crate) tls: Option<Tls>,
}

/// Why it is not known whether a cancel request got through.
#[derive(Debug)]
pub enum CancelError {
    /// The server did not answer in time; the request may still take effect, on any later statement.
    Timeout,
    /// The second connection failed.
    Io(io::Error),
    /// The server gave no key at the start of the session.
    NoKey,
}

impl fmt::Display for CancelError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => formatter.write_str("the server did not take the cancel request in time"),
            Self::Io(error) => write!(formatter, "the cancel request could not be sent: {error}"),
            Self::NoKey => formatter.write_str("the server gave no key to cancel with"),
        }
    }
}

impl std::error::Error for CancelError {}

impl From<io::Error> for CancelError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<BeginError> for CancelError {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Io(error) => Self::Io(error),
            BeginError::Tls(failure) => Self::Io(io::Error::other(failure)),
            BeginError::Timeout | BeginError::Woken => Self::Timeout,
        }
    }
}

impl CancelKey {
    /// Sends the request and waits until the server has closed the connection it came over.
    pub(crate) fn send(&self, patience: Duration) -> Result<(), CancelError> {
        let deadline = Instant::now() + patience;
        let keepalive = Keepalive { on: false, idle: None, interval: None, count: None, user_timeout: None };
        let dialled = Transport::dial(&self.address, &keepalive, None, Some(deadline));
        let mut transport = dialled.map_err(|error| match error {
            DialError::Io(error) => CancelError::Io(error),
            DialError::Timeout | DialError::Woken => CancelError::Timeout,
            DialError::PathTooLong => CancelError::Io(io::ErrorKind::InvalidFilename.into()),
        })?;
        if let Some(tls) = &self.tls {
            if !tls.direct && !transport.ask_for_tls(None, Some(deadline))? {
                return Err(CancelError::Io(io::Error::other(TlsFailure::NotOffered)));
            }
            transport = transport.secure(tls, None, Some(deadline))?;
        }
        let mut request = BytesMut::new();
        frontend::cancel_request(self.process, self.secret, &mut request);
        // Sixteen bytes into a new socket: there is always room for them.
        if transport.write(&[IoSlice::new(&request)])? != request.len() {
            return Err(CancelError::Io(io::ErrorKind::WriteZero.into()));
        }
        loop {
            if transport.wait(Interest::Read, None, Some(deadline))? == Waited::Timeout {
                return Err(CancelError::Timeout);
            }
            match transport.read(&mut [0; 64]) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
