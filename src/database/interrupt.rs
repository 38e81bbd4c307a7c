//! SIGINT, SIGTERM and SIGHUP as something a run can see: the first asks it to stop in good order, the second ends the process
//! at once.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use crate::error::{Error, Result};

/// What has been asked of the process since it began to watch.
#[derive(Clone, Debug)]
pub struct Interrupt {
    wake: Arc<OwnedFd>,
    signal: Arc<AtomicUsize>,
    /// Whether the next one ends the process.
    seen: Arc<AtomicBool>,
}

impl Interrupt {
    /// Begins to watch. From here on the first signal does nothing by itself.
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub fn watch() -> Result<Self> {
        let error = |cause: std::io::Error| Error::failed("cannot watch for signals").cause(cause);
        let (reader, writer) = UnixStream::pair().map_err(error)?;
        reader.set_nonblocking(true).map_err(error)?;
        let signal = Arc::new(AtomicUsize::new(0));
        let seen = Arc::new(AtomicBool::new(false));
        for number in [SIGINT, SIGTERM, SIGHUP] {
            // Under `nohup` it is to go on.
            if number == SIGHUP && is_ignored(number) {
                continue;
            }
            // In this order: the first signal finds `seen` unset, the second leaves. Whoever finds it set finds the rest as well.
            flag::register_conditional_shutdown(number, 128 + number, Arc::clone(&seen)).map_err(error)?;
            flag::register_usize(number, Arc::clone(&signal), number.unsigned_abs() as usize).map_err(error)?;
            low_level::pipe::register(number, writer.try_clone().map_err(error)?).map_err(error)?;
            flag::register(number, Arc::clone(&seen)).map_err(error)?;
        }
        Ok(Self { wake: Arc::new(reader.into()), signal, seen })
    }

    /// A descriptor that can be read once a signal came.
    #[must_use]
    pub fn wake(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.wake)
    }

    /// The signal that came, if one did; from then on the descriptor is quiet again.
    #[must_use]
    pub fn take(&self) -> Option<u8> {
        let mut buffer = [0; 16];
        while rustix::io::read(&*self.wake, &mut buffer).is_ok_and(|count| count > 0) {}
        u8::try_from(self.signal.load(Ordering::SeqCst)).ok().filter(|number| *number > 0)
    }

    /// A signal that nobody has seen to yet, the first one or a later one. From here on the next one does not end the process by
    /// itself: whoever asks so has to end something else before, and asks again and again until [`Interrupt::watched`].
    #[must_use]
    pub fn next(&self) -> Option<u8> {
        if self.seen.swap(false, Ordering::SeqCst) { self.take() } else { None }
    }

    /// Nobody asks for the [`Interrupt::next`] any more: behind a first signal, one ends the process at once again.
    pub fn watched(&self) {
        if self.signal.load(Ordering::SeqCst) > 0 {
            self.seen.store(true, Ordering::SeqCst);
        }
    }
}

/// Ends the process at once, as a second signal does.
pub fn leave(signal: u8) -> ! {
    low_level::exit(128 + i32::from(signal))
}

/// Whether the process was started to ignore a signal; so too where the system does not tell.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_none_or(|mask| mask & (1 << (signal - 1)) != 0)
}

/// The name of a signal.
#[must_use]
pub fn name(number: u8) -> &'static str {
    match i32::from(number) {
        SIGINT => "SIGINT",
        SIGTERM => "SIGTERM",
        SIGHUP => "SIGHUP",
        _ => "a signal",
    }
}
