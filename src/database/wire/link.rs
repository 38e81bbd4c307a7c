//! A socket with what is still to be written to it and what was read from it.

use super::incoming::Incoming;
use super::tls_stream::TlsStream;
use super::transport::Transport;
use super::wait::{Interest, Waited};
use bytes::{Buf as _, BytesMut};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One read, and the size up to which messages are gathered before they are written.
const CHUNK: usize = 64 * 1024;

/// So much of a large message is copied rather than waited for.
const KEEP: usize = 256 * 1024;

/// How long a large message waits for a server that does not read, before the rest of it is copied.
const PATIENCE: Duration = Duration::from_secs(1);

/// A socket, its two queues, and how it ended.
pub(crate) struct Link {
    transport: Transport,
    pub(crate) incoming: Incoming,
    queue: BytesMut,
    /// Bytes ever queued or written.
    accepted: u64,
    /// Bytes ever handed to the system.
    written: u64,
    wake: Option<Arc<OwnedFd>>,
    scratch: Box<[u8]>,
    write_failure: Option<io::Error>,
    end: Option<io::Error>,
}

/// What a step brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Something was read or written; there may be messages.
    Progress,
    /// The deadline passed.
    Timeout,
    /// The wake-up descriptor can be read.
    Woken,
    /// Nothing will come any more.
    Ended,
}

impl Link {
    /// A link over an open socket.
    pub(crate) fn new(transport: Transport, wake: Option<Arc<OwnedFd>>) -> Self {
        Self {
            transport,
            incoming: Incoming::default(),
            queue: BytesMut::new(),
            accepted: 0,
            written: 0,
            wake,
            scratch: vec![0; CHUNK].into_boxed_slice(),
            write_failure: None,
            end: None,
        }
    }

    /// Queues what `encode` writes.
    pub(crate) fn queue(&mut self, encode: impl FnOnce(&mut BytesMut) -> io::Result<()>) -> io::Result<()> {
        let before = self.queue.len();
        let outcome = encode(&mut self.queue);
        if outcome.is_err() {
            self.queue.truncate(before);
        }
        self.accepted += (self.queue.len() - before) as u64;
        outcome
    }

    /// Sends the bytes of `slices`: small ones are gathered, large ones go to the socket from where they lie, as
    /// far as it takes them. Reading goes on meanwhile. What the socket does with them is told by later steps.
    pub(crate) fn send(&mut self, slices: &[&[u8]]) {
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        self.accepted += total as u64;
        if total + self.queue.len() <= CHUNK {
            slices.iter().for_each(|slice| self.queue.extend_from_slice(slice));
            return;
        }
        let mut slices: Vec<IoSlice<'_>> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
        let mut rest = &mut slices[..];
        let mut left = total;
        let mut patience = Instant::now() + PATIENCE;
        while self.end.is_none() && self.write_failure.is_none() {
            let before = self.written;
            self.flush();
            if self.queue.is_empty() {
                while left > 0 {
                    let Some(count) = self.write_some(rest) else { break };
                    left -= count;
                    IoSlice::advance_slices(&mut rest, count);
                }
            }
            if left + self.queue.len() <= KEEP {
                break;
            }
            if self.written > before {
                patience = Instant::now() + PATIENCE;
            }
            let wake = self.wake.as_deref().map(|wake| wake.as_fd());
            match self.transport.wait(Interest::Both, wake, Some(patience)) {
                Ok(Waited::Readable) => self.read_some(),
                Ok(Waited::Writable) => {}
                // The caller learns of a wake-up from its next step; nothing of the message may be lost.
                Ok(Waited::Timeout | Waited::Woken) => break,
                Err(error) => self.end = Some(error),
            }
        }
        if self.end.is_none() && self.write_failure.is_none() {
            rest.iter().for_each(|slice| self.queue.extend_from_slice(slice));
        }
    }

    /// Writes what the socket takes, waits for the socket until `deadline`, reads what is there.
    pub(crate) fn step(&mut self, deadline: Option<Instant>) -> Step {
        if self.end.is_some() {
            return Step::Ended;
        }
        self.flush();
        // After a failed write the server's last words may still be there to be read.
        let pending = !self.queue.is_empty() && self.write_failure.is_none();
        let interest = if pending { Interest::Both } else { Interest::Read };
        let wake = self.wake.as_deref().map(|wake| wake.as_fd());
        match self.transport.wait(interest, wake, deadline) {
            Ok(Waited::Readable) => {
                self.read_some();
                if self.end.is_some() { Step::Ended } else { Step::Progress }
            }
            Ok(Waited::Writable) => Step::Progress,
            Ok(Waited::Timeout) => Step::Timeout,
            Ok(Waited::Woken) => Step::Woken,
            Err(error) => {
                self.end = Some(error);
                Step::Ended
            }
        }
    }

    /// Writes what the socket takes now.
    pub(crate) fn flush(&mut self) {
        while !self.queue.is_empty() && self.write_failure.is_none() {
            let queue = std::mem::take(&mut self.queue);
            let count = self.write_some(&[IoSlice::new(&queue)]);
            self.queue = queue;
            let Some(count) = count else { return };
            self.queue.advance(count);
        }
    }

    /// The TLS on it, if there is any.
    pub(crate) fn tls(&self) -> Option<&TlsStream> {
        self.transport.tls()
    }

    /// Bytes that are queued and not yet handed to the system.
    pub(crate) fn unsent(&self) -> u64 {
        self.accepted - self.written
    }

    /// Bytes ever accepted: the end, in the stream, of the message sent last.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Bytes ever handed to the system.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Why nothing will come any more. A failed write is the first cause, the end of reading follows from it.
    pub(crate) fn take_end(&mut self) -> Option<io::Error> {
        let end = self.end.take()?;
        Some(match self.write_failure.take() {
            Some(failure) if end.kind() == io::ErrorKind::UnexpectedEof => failure,
            _ => end,
        })
    }

    /// The number of bytes written, unless there was no room or the socket failed.
    fn write_some(&mut self, slices: &[IoSlice<'_>]) -> Option<usize> {
        loop {
            match self.transport.write(slices) {
                Ok(0) => self.write_failure = Some(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.written += count as u64;
                    return Some(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => self.write_failure = Some(error),
            }
            return None;
        }
    }

    fn read_some(&mut self) {
        match self.transport.read(&mut self.scratch) {
            Ok(0) => {
                let closed = io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection");
                self.end = Some(closed);
            }
            Ok(count) => {
                if let Err(error) = self.incoming.feed(&self.scratch[..count]) {
                    self.end = Some(error);
                }
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => self.end = Some(error),
        }
    }
}
