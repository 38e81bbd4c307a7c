//! The socket: opening it within a time, reading and writing without blocking.
//!
//! TLS would be a further variant of [`Transport`] with the same four operations.

use super::wait::{Interest, Waited, wait};
use crate::database::conninfo::Keepalive;
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
    /// A unix socket.
    Unix(UnixStream),
}

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

    /// The descriptor to poll.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }

    /// Reads what is there; zero bytes mean that the other side closed.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(buffer),
            Self::Unix(socket) => socket.read(buffer),
        }
    }

    /// Writes as much as there is room for.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.write_vectored(slices),
            Self::Unix(socket) => socket.write_vectored(slices),
        }
    }

    /// Waits until it can be read or written.
    pub(crate) fn wait(
        &self,
        interest: Interest,
        wake: Option<BorrowedFd<'_>>,
        deadline: Option<Instant>,
    ) -> io::Result<Waited> {
        wait(self.fd(), interest, wake, deadline)
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
