//! Who needs a server: everybody holds the writing end of one FIFO, so the kernel counts, also after `kill -9`.
//!
//! The other half is `watchdog.sh`. In the server's runtime directory stands `users`, the FIFO; it is renamed to `kept`
//! when the server is to stay without users, and to `closing` by the watchdog once the last user is gone.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::installation::Installation;
use super::unable;
use crate::error::{Error, Result};

/// A share in a server: while it is open, the server is not stopped for want of users.
#[derive(Debug)]
pub(super) struct Lease(File);

/// What came of asking for a share in a server that somebody else started.
#[derive(Debug)]
pub(super) enum Joined {
    /// The server stays while this is held.
    Leased(Lease),
    /// The server stays until it is told to stop.
    Kept,
    /// The server is about to stop.
    Closing,
}

const USERS: &str = "users";
const KEPT: &str = "kept";

impl Lease {
    /// Makes the FIFO of a server to be; returns the end for the watchdog and the first share.
    pub(super) fn create(installation: &Installation, runtime: &Path) -> Result<(File, Self)> {
        let path = runtime.join(USERS);
        // A program, because macOS has no system call for it that the standard library or rustix offers.
        let made = installation.system_program("mkfifo").args(["-m", "600"]).arg(&path).status();
        if !made.map_err(unable("run `mkfifo` for", &path))?.success() {
            return Err(Error::failed(format!("cannot create `{}`", path.display())));
        }
        // Opened without waiting for the other end, and in this order; then reading waits, as `cat` expects.
        let reader = open_reader(&path).map_err(unable("open", &path))?;
        let writer = open_writer(&path).map_err(unable("open", &path))?;
        rustix::fs::fcntl_setfl(&reader, OFlags::empty()).map_err(unable("open", &path))?;
        Ok((reader, Self(writer)))
    }

    /// Asks for a share in the server of `runtime`.
    pub(super) fn join(runtime: &Path) -> Result<Joined> {
        let path = runtime.join(USERS);
        match open_writer(&path) {
            Ok(file) => Ok(Joined::Leased(Self(file))),
            // Nobody reads: the watchdog itself was killed, and nothing will stop this server.
            Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => Ok(Joined::Kept),
            Err(error) if error.kind() == ErrorKind::NotFound && is_kept(runtime) => Ok(Joined::Kept),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Joined::Closing),
            Err(error) => Err(unable("open", &path)(error)),
        }
    }

    /// Lets the share pass to the program that this process becomes.
    pub(super) fn pass_on(&self) -> std::io::Result<()> {
        Ok(rustix::io::fcntl_setfd(&self.0, rustix::io::FdFlags::empty())?)
    }
}

/// Says that the server of `runtime` stays without users; false where it is already closing.
pub(super) fn keep(runtime: &Path) -> Result<bool> {
    let (users, kept) = (runtime.join(USERS), runtime.join(KEPT));
    match std::fs::rename(&users, kept) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(is_kept(runtime)),
        Err(error) => Err(unable("rename", &users)(error)),
    }
}

/// Says so of a server that is yet to start.
pub(super) fn mark_kept(runtime: &Path) -> Result<()> {
    let path = runtime.join(KEPT);
    File::create(&path).map(drop).map_err(unable("create", &path))
}

/// Whether the server of `runtime` stays without users.
pub(super) fn is_kept(runtime: &Path) -> bool {
    runtime.join(KEPT).exists()
}

/// Whether nobody holds a share any more, so that the watchdog is about to stop the server, or does.
pub(super) fn is_ending(runtime: &Path) -> bool {
    match open_reader(&runtime.join(USERS)) {
        // End of file means no writer; with one it would have to wait.
        Ok(mut fifo) => matches!(fifo.read(&mut [0]), Ok(0)),
        Err(_) => runtime.join("closing").exists(),
    }
}

fn open_reader(path: &Path) -> std::io::Result<File> {
    File::options().read(true).custom_flags(nonblocking()).open(path)
}

fn open_writer(path: &Path) -> std::io::Result<File> {
    File::options().write(true).custom_flags(nonblocking()).open(path)
}

fn nonblocking() -> i32 {
    OFlags::NONBLOCK.bits() as i32
}
