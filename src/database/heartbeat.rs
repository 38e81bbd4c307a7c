//! Signs of life: the server ends a session from which it hears nothing for `idle_in_transaction_session_timeout`, so that a
//! tool that was stopped or hangs keeps no lock. One that waits, or works on this side, says in time that it is there.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::session::Session;
use super::wire::event::{Event, Rows};

/// How long the answer to a sign of life may take; an empty message is answered at once.
const PATIENCE: Duration = Duration::from_secs(2);

impl Session {
    /// How often a sign of life is due: three times within the limit, or never where there is none.
    pub(super) fn beat_every(&self) -> Option<Duration> {
        Some(self.limits.idle_timeout / 3).filter(|every| !every.is_zero())
    }

    fn is_due(&self) -> bool {
        self.beat_every().is_some_and(|every| self.beaten.elapsed() >= every)
    }

    /// A sign of life, where one is due, of the connection that keeps the lock beside the one that works. It waits for nothing.
    pub(super) fn beat_keeper(&mut self) {
        if self.keeper.is_some() && self.is_due() {
            self.beaten = Instant::now();
            self.keeper.iter_mut().for_each(|keeper| keeper.beat());
        }
    }

    /// A sign of life, where one is due, of each connection that the server would end.
    pub(super) fn beat(&mut self) {
        if self.is_shared() || self.connection.in_flight() > 0 {
            return self.beat_keeper();
        }
        if !self.is_due() {
            return;
        }
        self.beaten = Instant::now();
        let until = Instant::now() + PATIENCE;
        let mut sent = self.connection.send("", Rows::Discard).is_ok();
        // A connection that is lost is found so by what comes next.
        while sent && Instant::now() < until {
            match self.connection.next_event(Some(until)) {
                Ok(Event::Ready(_)) | Err(_) => sent = false,
                // The signal is for whoever asks for it next.
                Ok(Event::Woken) => std::thread::sleep(Duration::from_millis(5)),
                Ok(_) => {}
            }
        }
    }

    /// Does `work` on this side, and meanwhile gives signs of life.
    pub fn alive_while<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let Some(every) = self.beat_every() else { return work() };
        let (working, done) = channel::<()>();
        self.beaten = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                while done.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                    self.beat();
                }
            });
            let result = work();
            drop(working);
            result
        })
    }
}
