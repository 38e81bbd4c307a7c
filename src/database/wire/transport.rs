//! The socket: opening it within a time, with TLS or without, reading and writing without blocking.

use super::tls_stream::{BeginError, TlsStream};
use super::wait::{Interest, Waited, wait};
use crate::database::conninfo::Keepalive;
use crate::database::tls::{Tls, TlsFailure};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Where a socket leads; a cancel request goes to the same place as the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// An address and a port.
    Tcp(SocketAddr),
    /// The file of a socket.
    Unix(PathBuf),
}

/// An open socket that never blocks.
#[derive(Debug)]
pub(crate) enum Transport {
    /// TCP, plain.
    Tcp(TcpStream),
    /// TCP with TLS.
    Tls(Box<TlsStream>),
    /// A unix socket.
    Unix(UnixStream),
}

/// The message that asks for TLS: its length, and a number that is no version.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Why no socket could be opened.
#[derive(Debug)]
pub(crate) enum DialError {
    /// The system said no.
    Io(io::Error),
    /// Nobody answered in time.
    Timeout,
    /// The wait was interrupted.
    Woken,
    /// The path is longer than a socket's may be (107 bytes on Linux).
    PathTooLong,
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Errno> for DialError {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

impl Transport {
    /// Opens a socket to `address` before `deadline`.
    pub(crate) fn dial(
        address: &Address,
        keepalive: &Keepalive,
        wake: Option<BorrowedFd<'_>>,
        deadline: Option<Instant>,
    ) -> Result<Self, DialError> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        match address {
            Address::Tcp(address) => {
                let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
                let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
                sockopt::set_tcp_nodelay(&socket, true)?;
                set_keepalive(&socket, keepalive)?;
                finish(&socket, net::connect(&socket, address), wake, deadline)?;
                Ok(Self::Tcp(socket.into()))
            }
            Address::Unix(path) => {
                let address = SocketAddrUnix::new(path.as_path()).map_err(|error| match error {
                    Errno::NAMETOOLONG => DialError::PathTooLong,
                    error => error.into(),
                })?;
                let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
                loop {
                    match net::connect(&socket, &address) {
                        // A full queue of a busy server: there is nothing to poll for, so look again soon.
                        Err(Errno::AGAIN) => pause(wake, deadline)?,
                        outcome => {
                            finish(&socket, outcome, wake, deadline)?;
                            return Ok(Self::Unix(socket.into()));
                        }
                    }
                }
            }
        }
    }

    /// Asks the server for TLS: whether it waits for it to begin now. Not on a socket of this machine.
    pub(crate) fn ask_for_tls(
        &mut self,
        wake: Option<BorrowedFd<'_>>,
        deadline: Option<Instant>,
    ) -> Result<bool, BeginError> {
        match self {
            Self::Tcp(socket) => ask_for_tls(socket, wake, deadline),
            Self::Tls(_) | Self::Unix(_) => Ok(false),
        }
    }

    /// Begins TLS on TCP.
    pub(crate) fn secure(
        self,
        tls: &Tls,
        wake: Option<BorrowedFd<'_>>,
        deadline: Option<Instant>,
    ) -> Result<Self, BeginError> {
        match self {
            Self::Tcp(socket) => Ok(Self::Tls(Box::new(TlsStream::begin(socket, tls, wake, deadline)?))),
            other => Ok(other),
        }
    }

    /// The TLS on it, if there is any.
    pub(crate) fn tls(&self) -> Option<&TlsStream> {
        match self {
            Self::Tls(stream) => Some(stream),
            Self::Tcp(_) | Self::Unix(_) => None,
        }
    }

    /// The descriptor to poll.
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Tls(stream) => stream.socket().as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }

    /// Reads what is there; zero bytes mean that the other side closed.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
            Self::Unix(socket) => socket.read(buffer),
        }
    }

    /// Writes as much as there is room for. What was not taken is to be given again, as the beginning of the next write.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.write_vectored(slices),
            Self::Tls(stream) => stream.write(slices),
            Self::Unix(socket) => socket.write_vectored(slices),
        }
    }

    /// Waits until it can be read or written.
    pub(crate) fn wait(
        &mut self,
        interest: Interest,
        wake: Option<BorrowedFd<'_>>,
        deadline: Option<Instant>,
    ) -> io::Result<Waited> {
        match self {
            Self::Tls(stream) => stream.wait(interest, wake, deadline),
            _ => wait(self.fd(), interest, wake, deadline),
        }
    }
}

/// Asks for TLS; the answer is one byte. Whatever comes with it was sent before anything was encrypted, by whomever, and must
/// not be taken for what the server says later (CVE-2021-23222).
fn ask_for_tls(
    socket: &mut TcpStream,
    wake: Option<BorrowedFd<'_>>,
    deadline: Option<Instant>,
) -> Result<bool, BeginError> {
    // Eight bytes into a new socket: there is always room for them.
    if socket.write(&SSL_REQUEST)? != SSL_REQUEST.len() {
        return Err(io::Error::from(io::ErrorKind::WriteZero).into());
    }
    let mut answer = [0; 64];
    loop {
        match wait(socket.as_fd(), Interest::Read, wake, deadline)? {
            Waited::Timeout => return Err(BeginError::Timeout),
            Waited::Woken => return Err(BeginError::Woken),
            Waited::Readable | Waited::Writable => {}
        }
        return match socket.read(&mut answer) {
            Ok(0) => Err(TlsFailure::Closed.into()),
            Ok(1) if answer[0] == b'S' => Ok(true),
            Ok(1) if answer[0] == b'N' => Ok(false),
            Ok(_) if matches!(answer[0], b'S' | b'N') => Err(TlsFailure::Injected.into()),
            // What follows was not vouched for by anybody (CVE-2024-10977): it is not shown.
            Ok(_) if answer[0] == b'E' => Err(TlsFailure::Broken.into()),
            Ok(_) => {
                let text = "it did not answer the question for TLS";
                Err(io::Error::new(io::ErrorKind::InvalidData, text).into())
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => continue,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Err(TlsFailure::Closed.into()),
            Err(error) => Err(error.into()),
        };
    }
}

/// Waits for a connection that is being made.
fn finish(
    socket: &OwnedFd,
    started: rustix::io::Result<()>,
    wake: Option<BorrowedFd<'_>>,
    deadline: Option<Instant>,
) -> Result<(), DialError> {
    match started {
        Ok(()) => return Ok(()),
        Err(Errno::INPROGRESS | Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    match wait(socket.as_fd(), Interest::Write, wake, deadline)? {
        Waited::Timeout => Err(DialError::Timeout),
        Waited::Woken => Err(DialError::Woken),
        Waited::Readable | Waited::Writable => Ok(sockopt::socket_error(socket)??),
    }
}

/// A hundredth of a second, less if woken or out of time.
fn pause(wake: Option<BorrowedFd<'_>>, deadline: Option<Instant>) -> Result<(), DialError> {
    let now = Instant::now();
    if deadline.is_some_and(|deadline| now >= deadline) {
        return Err(DialError::Timeout);
    }
    let step = Duration::from_millis(10);
    match wake {
        None => std::thread::sleep(step),
        Some(wake) => {
            if wait(wake, Interest::Read, None, Some(now + step))? == Waited::Readable {
                return Err(DialError::Woken);
            }
        }
    }
    Ok(())
}

fn set_keepalive(socket: &OwnedFd, keepalive: &Keepalive) -> rustix::io::Result<()> {
    sockopt::set_socket_keepalive(socket, keepalive.on)?;
    if keepalive.on {
        keepalive.idle.map_or(Ok(()), |idle| sockopt::set_tcp_keepidle(socket, idle))?;
        keepalive.interval.map_or(Ok(()), |interval| sockopt::set_tcp_keepintvl(socket, interval))?;
        keepalive.count.map_or(Ok(()), |count| sockopt::set_tcp_keepcnt(socket, count))?;
    }
    set_user_timeout(socket, keepalive.user_timeout)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_user_timeout(socket: &OwnedFd, timeout: Option<Duration>) -> rustix::io::Result<()> {
    let Some(timeout) = timeout else { return Ok(()) };
    sockopt::set_tcp_user_timeout(socket, u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX))
}

/// Other systems have no such option; libpq passes over the setting there too.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_user_timeout(_: &OwnedFd, _: Option<Duration>) -> rustix::io::Result<()> {
    Ok(())
}
