//! Waiting: for a socket, for a wake-up, until a time, whichever comes first.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// The socket can be read (or is broken, which reading tells).
    Readable,
    /// The socket can be written, and not read.
    Writable,
    /// The other descriptor can be read.
    Woken,
    /// The time has come.
    Timeout,
}

/// What the socket is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Something to read.
    Read,
    /// Room to write.
    Write,
    /// Either.
    Both,
}

/// Waits for `socket`, for something to read at `wake`, until `deadline`. What is there already is seen even if
/// the deadline has passed; a wake-up goes before the socket.
pub(crate) fn wait(
    socket: BorrowedFd<'_>,
    interest: Interest,
    wake: Option<BorrowedFd<'_>>,
    deadline: Option<Instant>,
) -> io::Result<Waited> {
    let flags = match interest {
        Interest::Read => PollFlags::IN,
        Interest::Write => PollFlags::OUT,
        Interest::Both => PollFlags::IN | PollFlags::OUT,
    };
    loop {
        let mut descriptors =
            [PollFd::from_borrowed_fd(socket, flags), PollFd::from_borrowed_fd(wake.unwrap_or(socket), PollFlags::IN)];
        let count = if wake.is_some() { 2 } else { 1 };
        let timeout = deadline.map(|deadline| timespec(deadline.saturating_duration_since(Instant::now())));
        match poll(&mut descriptors[..count], timeout.as_ref()) {
            Ok(0) => return Ok(Waited::Timeout),
            Ok(_) => {}
            // A signal's handler ran; whether it wrote to `wake` is seen at the next turn.
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        if count == 2 && !descriptors[1].revents().is_empty() {
            return Ok(Waited::Woken);
        }
        let happened = descriptors[0].revents();
        if interest == Interest::Write || !happened.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            return Ok(Waited::Writable);
        }
        return Ok(Waited::Readable);
    }
}

/// `duration` as the system call takes it; what is too long for it is a year, after which the caller looks again.
fn timespec(duration: Duration) -> Timespec {
    const YEAR: i64 = 365 * 24 * 60 * 60;
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(YEAR).min(YEAR);
    Timespec { tv_sec: seconds, tv_nsec: duration.subsec_nanos().into() }
}
