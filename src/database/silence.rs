//! A connection that has fallen silent without being closed: a firewall forgot it, a machine between is gone. To this side that looks
//! like a statement that takes long; asked on another connection, the server says that it waits for this side.
//!
//! It is given up when the server has ended the session, as it does by its own limits (`limits.rs`), or should have.

use std::time::{Duration, Instant};

use super::preflight::{Process, SERVER_START};
use super::session::Session;
use crate::model::sql::quote::literal;

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
    /// Since when nothing is at work, where the session's own server process cannot be told.
    rests: Option<Instant>,
    /// So many bytes were left to hand to the system.
    unsent: u64,
}

impl Silence {
    /// Whether there is nobody any more who could answer. Called again and again while there is no answer, it asks now and then.
    /// `limit` is how long the server waits for this side; zero is for ever.
    ///
    /// A session that waits for this side for too long is ended then: it may hold the lock.
    pub(super) fn is_final(&mut self, session: &mut Session, limit: Duration) -> bool {
        let unsent = session.connection.unsent();
        if std::mem::replace(&mut self.unsent, unsent) > unsent {
            // It is this side that speaks, and it is being heard.
            *self = Self { asked: Some(Instant::now()), unsent, ..Self::default() };
            return false;
        }
        let asked = *self.asked.get_or_insert_with(Instant::now);
        if asked.elapsed() < if self.gone { SOON } else { EVERY } {
            return false;
        }
        self.asked = Some(Instant::now());
        let seen = if session.is_shared() { look_for_work(session) } else { look(session) };
        if !matches!(seen, Some(Seen::NoWork)) {
            self.rests = None;
        }
        match seen {
            Some(Seen::Gone) => std::mem::replace(&mut self.gone, true),
            Some(Seen::Idle { seconds }) => {
                let past = !limit.is_zero() && Duration::from_secs(seconds) > limit + EVERY;
                if past {
                    end(session);
                }
                past
            }
            // It may also wait for a server connection of the pooler's.
            Some(Seen::NoWork) => {
                let since = *self.rests.get_or_insert_with(Instant::now);
                !limit.is_zero() && since.elapsed() > limit + EVERY
            }
            None => false,
        }
    }
}

/// Ends a session that nobody can speak to any more, from beside: it may hold the lock. Where that may not be done, it stays until its own
/// limits end it.
pub(super) fn end(session: &Session) {
    if session.is_shared() {
        return;
    }
    let Some(mut beside) = session.beside() else { return };
    let which = match (&session.process, session.connection.process(), beside.process()) {
        (Some(process), ..) => {
            format!("{} AND {SERVER_START} OPERATOR(pg_catalog.=) {}", is(process), literal(&process.server_started))
        }
        // Before its first answer no more is known than the number and the name, which has this process and this host in it.
        // A pooler's numbers may be those of somebody else's processes.
        (None, Some(pid), Some(own)) => format!(
            "a.pid OPERATOR(pg_catalog.=) {pid} AND pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.=) {own} \
             AND a.application_name OPERATOR(pg_catalog.=) pg_catalog.current_setting('application_name')"
        ),
        _ => return,
    };
    let sql = format!("SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a WHERE {which}");
    let _ = beside.query(&sql, Some(Instant::now() + PATIENCE));
    beside.close();
}

/// What the server says of the session.
enum Seen {
    /// It waits for a message from here, for so long.
    Idle { seconds: u64 },
    /// It has ended.
    Gone,
    /// No session works on a revision.
    NoWork,
}

/// The condition that `pg_stat_activity a` is this process, and no other that was given its number later.
fn is(process: &Process) -> String {
    let pid = process.pid;
    let started = match &process.started {
        Some(started) => format!(
            " AND (a.backend_start IS NULL OR EXTRACT(epoch FROM a.backend_start) OPERATOR(pg_catalog.=) {})",
            literal(started)
        ),
        None => String::new(),
    };
    format!("a.pid OPERATOR(pg_catalog.=) {pid}{started}")
}

/// Asks on another connection; nothing where it is at work, or cannot be asked about.
fn look(session: &mut Session) -> Option<Seen> {
    let process = session.process.clone()?;
    let sql = format!(
        "SELECT {SERVER_START} OPERATOR(pg_catalog.=) {}, a.pid IS NULL, pg_catalog.\"left\"(a.state, 4), \
         pg_catalog.trunc(EXTRACT(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.state_change)) \
         FROM (SELECT) one LEFT JOIN pg_catalog.pg_stat_activity a ON {}",
        literal(&process.server_started),
        is(&process),
    );
    let rows = session.ask_beside(&sql, Instant::now() + PATIENCE)?;
    let row = rows.first()?;
    // The same address may lead to another server.
    if row.get(0)? != "t" {
        return None;
    }
    match (row.get(1)?, row.get(2), row.get(3)) {
        ("t", ..) => Some(Seen::Gone),
        (_, Some("idle"), Some(seconds)) => Some(Seen::Idle { seconds: seconds.parse().ok()? }),
        _ => None,
    }
}

/// The same behind a pooler that may give each transaction another server process: a session that works on a revision holds the
/// lock on the version table, or waits for it. One that waits for data of a COPY waits for this side.
///
/// It is asked on the connection that keeps the run's lock; where that does not answer, on another one.
fn look_for_work(session: &mut Session) -> Option<Seen> {
    let sql = format!(
        "SELECT pg_catalog.pg_stat_clear_snapshot(); SELECT pg_catalog.count(*) {} \
         AND w.state OPERATOR(pg_catalog.=) 'active' AND COALESCE(w.wait_event, '') OPERATOR(pg_catalog.<>) 'ClientRead'",
        session.writers()
    );
    let until = Instant::now() + PATIENCE;
    let rows = session.keeper.as_mut().and_then(|keeper| keeper.ask(&sql, until));
    let rows = rows.or_else(|| session.ask_beside(&sql, until + PATIENCE))?;
    (rows.last()?.get(0)? == "0").then_some(Seen::NoWork)
}
