//! Who is in the way: the sessions that hold what this one waits for, in words. It asks and changes nothing.

use std::time::{Duration, Instant};

use super::session::Session;
use super::wire::event::Row;
use crate::error::Error;
use crate::model::sql::quote::literal;

/// What is told of a session `a` of `pg_stat_activity`; [`told`] reads it.
const ACTIVITY: &str = "a.pid, a.usename, a.application_name, a.state, \
     EXTRACT(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.xact_start)::pg_catalog.int8, \
     pg_catalog.\"left\"(pg_catalog.regexp_replace(a.query, '\\s+', ' ', 'g'), 80)";

/// A session that is in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blocker {
    /// Its server process.
    pub(super) pid: String,
    /// It in words.
    pub(super) told: String,
}

impl Session {
    /// Who holds the locks that this session waits for; empty where that cannot be seen.
    pub(super) fn blockers(&mut self) -> Vec<String> {
        let Some(waiting) = self.waiting_process() else { return Vec::new() };
        let sql = format!(
            "SELECT {ACTIVITY} FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids({waiting})) b(pid) \
             JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) b.pid"
        );
        let rows = self.ask_beside(&sql, Instant::now() + Duration::from_secs(1));
        rows.unwrap_or_default().iter().map(|row| told(row).told).collect()
    }

    /// The process that this session's statement runs in, as SQL. Behind a pooler another one may run each transaction: there it is
    /// the one that holds the version table's lock, or waits for that, as only the run does that holds the lock on runs.
    fn waiting_process(&self) -> Option<String> {
        if !self.is_shared() {
            let process = self.process.as_ref().map(|process| process.pid);
            return process.or(self.connection.process()).map(|process| process.to_string());
        }
        Some(format!(
            "(SELECT w.pid {} AND w.wait_event_type OPERATOR(pg_catalog.=) 'Lock' ORDER BY l.granted DESC LIMIT 1)",
            self.writers()
        ))
    }

    /// The sessions `w` that work on a revision, as far as their locks `l` say it: each takes that on the version table first.
    pub(super) fn writers(&self) -> String {
        format!(
            "FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity w ON w.pid OPERATOR(pg_catalog.=) l.pid \
             WHERE l.relation OPERATOR(pg_catalog.=) pg_catalog.to_regclass({})::pg_catalog.oid \
             AND w.datname OPERATOR(pg_catalog.=) pg_catalog.current_database() \
             AND l.mode OPERATOR(pg_catalog.=) 'ShareRowExclusiveLock'",
            literal(&self.tables.version())
        )
    }

    /// Who keeps readers from a table, or stands in line to; empty where that cannot be seen.
    pub(super) fn holders(&mut self, table: &str) -> Vec<Blocker> {
        let sql = format!(
            "SELECT {ACTIVITY} FROM pg_catalog.pg_locks l \
             JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) l.pid \
             WHERE l.relation OPERATOR(pg_catalog.=) pg_catalog.to_regclass({})::pg_catalog.oid \
             AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d \
             WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()) \
             AND l.mode OPERATOR(pg_catalog.=) 'AccessExclusiveLock' ORDER BY l.granted DESC, a.xact_start",
            literal(table)
        );
        self.run(&sql, "cannot ask who holds the table").unwrap_or_default().iter().map(told).collect()
    }
}

/// Says of a revision that could not get its locks how often that was tried, and what can be done; `told` is who was in the way.
pub(super) fn gave_up(error: Error, tries: u32, retry_for: Duration, told: &[String]) -> Error {
    let times = match tries {
        1 => "once".to_owned(),
        tries => format!("{tries} times"),
    };
    let limit = match retry_for {
        Duration::ZERO => "`lock_retry_for` is 0".to_owned(),
        time => format!("`lock_retry_for` is {}", crate::ui::duration(time)),
    };
    let error = error
        .note(format!("it was tried {times} ({limit})"))
        .hint("run the same command again when the lock is free: what was applied is passed over");
    told.iter()
        .filter_map(|line| line.strip_prefix("server process ")?.split([' ', ',', ':']).next())
        .fold(error, |error, pid| error.hint(format!("or, if nobody needs it: SELECT pg_terminate_backend({pid});")))
}

/// `server process 4711 (role app, \`psql\`), idle in transaction for 3 min: UPDATE ...`
fn told(row: &Row) -> Blocker {
    let text = |column: usize| row.get(column).filter(|text| !text.is_empty());
    let pid = text(0).unwrap_or("?").to_owned();
    let mut line = format!("server process {pid}");
    match (text(1), text(2)) {
        (Some(role), Some(application)) => line.push_str(&format!(" (role {role}, `{application}`)")),
        (Some(role), None) => line.push_str(&format!(" (role {role})")),
        _ => {}
    }
    if let Some(state) = text(3) {
        line.push_str(&format!(", {state}"));
    }
    if let Some(seconds) = text(4).and_then(|seconds| seconds.parse().ok()) {
        line.push_str(&format!(" for {}", crate::ui::duration(Duration::from_secs(seconds))));
    }
    if let Some(query) = text(5) {
        line.push_str(&format!(": {query}"));
    }
    Blocker { pid, told: line }
}
