//! A connection that has fallen silent without being closed: a firewall forgot it, a machine between is gone. To this side that looks
//! like a statement that takes long; asked on another connection, the server says that it waits for this side.
//!
//! It is given up when the server has ended the session, as it does by its own limits (`limits.rs`), or should have.

use std::time::{Duration, Instant};

use super::connection::Connection;
use super::session::Session;
use super::wire::connect::ConnectOptions;

/// How often the server is asked while there is no answer.
const EVERY: Duration = Duration::from_secs(5);
/// How long its last word may be on its way.
const SOON: Duration = Duration::from_secs(1);
/// How long an answer to that may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Watches an answer that does not come.
#[derive(Debug, Default)]
pub(super) struct Silence {
    asked: Option<Instant>,
    /// The server has ended the session; its last word may still be on its way.
    gone: bool,
}

impl Silence {
    /// Whether there is nobody any more who could answer. Called again and again while there is no answer, it asks now and then.
    ///
    /// A session that waits for this side for too long is ended then: it may hold the lock.
    pub(super) fn is_final(&mut self, session: &Session) -> bool {
        let asked = *self.asked.get_or_insert_with(Instant::now);
        if asked.elapsed() < if self.gone { SOON } else { EVERY } {
            return false;
        }
        self.asked = Some(Instant::now());
        match look(session) {
            Some(Seen::Gone) => std::mem::replace(&mut self.gone, true),
            Some(Seen::Idle { seconds }) => {
                let limit = session.limits.idle_timeout;
                let past = !limit.is_zero() && Duration::from_secs(seconds) > limit + EVERY;
                if past {
                    end(session);
                }
                past
            }
            None => false,
        }
    }
}

/// Ends a session that nobody can speak to any more, from beside: it may hold the lock. Where that may not be done, it stays until its own
/// limits end it.
pub(super) fn end(session: &Session) {
    let Some((mut beside, process)) = beside(session) else { return };
    let Some(own) = beside.process() else { return };
    // A pooler gives numbers of its own, which may be those of somebody else's processes.
    let sql = format!(
        "SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a \
         WHERE a.pid OPERATOR(pg_catalog.=) {process} AND pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.=) {own} \
         AND a.application_name OPERATOR(pg_catalog.=) pg_catalog.current_setting('application_name')"
    );
    let _ = beside.query(&sql, Some(Instant::now() + PATIENCE));
}

/// What the server says of the session.
enum Seen {
    /// It waits for a message from here, for so long.
    Idle { seconds: u64 },
    /// It has ended.
    Gone,
}

/// Asks on another connection; nothing where it is at work, or cannot be asked about.
fn look(session: &Session) -> Option<Seen> {
    let (mut beside, process) = beside(session)?;
    let sql = format!(
        "SELECT pg_catalog.pg_backend_pid(), a.pid IS NULL, pg_catalog.\"left\"(a.state, 4), \
         pg_catalog.trunc(EXTRACT(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.state_change)) \
         FROM (SELECT) one LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) {process}"
    );
    let rows = beside.query(&sql, Some(Instant::now() + PATIENCE)).ok()?;
    let row = rows.first()?;
    // A pooler gives numbers of its own: then nothing can be said.
    if row.get(0)?.parse().ok() != beside.process() {
        return None;
    }
    match (row.get(1)?, row.get(2), row.get(3)) {
        ("t", ..) => Some(Seen::Gone),
        (_, Some("idle"), Some(seconds)) => Some(Seen::Idle { seconds: seconds.parse().ok()? }),
        _ => None,
    }
}

/// A connection beside the session's, and the session's server process.
fn beside(session: &Session) -> Option<(Connection, i32)> {
    let process = session.connection.process()?;
    let options =
        ConnectOptions { application_name: session.application_name().to_owned(), ..ConnectOptions::default() };
    Some((Connection::connect(session.conninfo(), &options).ok()?, process))
}
