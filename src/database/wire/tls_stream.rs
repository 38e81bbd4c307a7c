//! TLS over a socket that never blocks.
//!
//! Two things are held between the socket and the caller: plaintext that was decrypted and not yet read, and ciphertext that the
//! socket has not taken yet. A wait sleeps on neither.

use super::wait::{Interest, Waited, wait};
use crate::database::tls::{Tls, TlsFailure, TlsSummary, end_point_hash};
use rustls::ClientConnection;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

/// The longest plaintext of one record. A record is either handed to the system whole or means nothing to the server: what
/// counts as written is what the server can have read.
const RECORD: usize = 16 * 1024;

/// A socket with TLS on it.
#[derive(Debug)]
pub(crate) struct TlsStream {
    socket: TcpStream,
    session: ClientConnection,
    /// Bytes of the caller that are in a record which the socket has not taken whole; the caller still holds them.
    held: usize,
    /// Whether there is plaintext to be read.
    readable: bool,
}

/// Why TLS did not begin.
#[derive(Debug)]
pub(crate) enum BeginError {
    Tls(TlsFailure),
    Io(io::Error),
    Timeout,
    Woken,
}

impl From<io::Error> for BeginError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<TlsFailure> for BeginError {
    fn from(failure: TlsFailure) -> Self {
        Self::Tls(failure)
    }
}

impl TlsStream {
    /// Begins TLS before `deadline`.
    pub(crate) fn begin(
        socket: TcpStream,
        tls: &Tls,
        wake: Option<BorrowedFd<'_>>,
        deadline: Option<Instant>,
    ) -> Result<Self, BeginError> {
        let session = ClientConnection::new(Arc::clone(&tls.config), tls.name.clone());
        let session = session.map_err(|error| TlsFailure::of(&error))?;
        let mut stream = Self { socket, session, held: 0, readable: false };
        while stream.session.is_handshaking() {
            let interest = match stream.flush() {
                Ok(()) => Interest::Read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Interest::Both,
                Err(error) => return Err(error.into()),
            };
            match wait(stream.socket.as_fd(), interest, wake, deadline)? {
                Waited::Readable => match stream.receive() {
                    Ok(0) => return Err(TlsFailure::Closed.into()),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => {
                        return Err(match TlsFailure::within(&error) {
                            Some(TlsFailure::CertificateRefused { alert, .. }) => {
                                TlsFailure::CertificateRefused { alert, shown: tls.showed_certificate() }.into()
                            }
                            Some(failure) => failure.into(),
                            None if is_closed(&error) => TlsFailure::Closed.into(),
                            None => error.into(),
                        });
                    }
                },
                Waited::Writable => {}
                Waited::Timeout => return Err(BeginError::Timeout),
                Waited::Woken => return Err(BeginError::Woken),
            }
        }
        tls.check(&stream.session)?;
        stream.look();
        Ok(stream)
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// What ties a log-in to this server's certificate, where its signature allows that.
    pub(crate) fn end_point_hash(&self) -> Option<Vec<u8>> {
        self.session.peer_certificates()?.first().and_then(end_point_hash)
    }

    /// What was agreed on.
    pub(crate) fn summary(&self) -> TlsSummary {
        let version = self.session.protocol_version().map(|version| format!("{version:?}").replace('_', "."));
        let cipher = self.session.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
        TlsSummary { version: version.unwrap_or_default(), cipher: cipher.unwrap_or_default() }
    }

    /// Reads what is there; zero bytes mean that the other side closed.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(buffer) {
                Ok(count) => {
                    self.look();
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // A server that ends at once says no goodbye; the messages tell whether something is missing.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) => return Err(error),
            }
            self.readable = false;
            self.receive()?;
        }
    }

    /// Writes one record, as far as there is room for it. The bytes that were not taken are to be given again, first.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.held == 0 {
            // What TLS itself has to say goes first.
            self.flush()?;
            let mut record = [0; RECORD];
            let mut length = 0;
            for slice in slices {
                let count = slice.len().min(RECORD - length);
                record[length..length + count].copy_from_slice(&slice[..count]);
                length += count;
            }
            self.held = self.session.writer().write(&record[..length])?;
        }
        self.flush()?;
        Ok(std::mem::take(&mut self.held))
    }

    /// Waits until it can be read or written.
    pub(crate) fn wait(
        &mut self,
        interest: Interest,
        wake: Option<BorrowedFd<'_>>,
        deadline: Option<Instant>,
    ) -> io::Result<Waited> {
        if self.readable && interest != Interest::Write {
            let woken = wake.map(|wake| wait(wake, Interest::Read, None, Some(Instant::now()))).transpose()?;
            return Ok(if woken == Some(Waited::Readable) { Waited::Woken } else { Waited::Readable });
        }
        loop {
            let own = interest == Interest::Read && self.session.wants_write();
            let waited = wait(self.socket.as_fd(), if own { Interest::Both } else { interest }, wake, deadline)?;
            if !own || waited != Waited::Writable {
                return Ok(waited);
            }
            match self.flush() {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
    }

    /// Hands the system all the ciphertext there is, or says that it would block.
    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes in ciphertext; the number of bytes.
    fn receive(&mut self) -> io::Result<usize> {
        let count = self.session.read_tls(&mut self.socket)?;
        let outcome = self.session.process_new_packets();
        // An answer, or the reason why we stop: whether it gets through matters to the other side alone.
        let _ = self.flush();
        match outcome {
            Ok(_) => Ok(count),
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }

    /// Remembers whether there is more to read.
    fn look(&mut self) {
        self.readable = self.session.process_new_packets().is_ok_and(|state| state.plaintext_bytes_to_read() > 0);
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}
