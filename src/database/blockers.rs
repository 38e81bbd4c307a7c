//! Who is in the way: the sessions that hold what this one waits for, in words. It asks and changes nothing.

use std::time::{Duration, Instant};

use super::connection::Connection;
use super::session::Session;
use super::wire::connect::ConnectOptions;
use super::wire::event::Row;
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
    ///
    /// It is asked on a connection of its own, which is kept: a wait that a short `lock_timeout` ends would be over
    /// before a new one is made.
    pub(super) fn blockers(&mut self) -> Vec<String> {
        let Some(waiting) = self.waiting_process() else { return Vec::new() };
        let sql = format!(
            "SELECT {ACTIVITY} FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids({waiting})) b(pid) \
             JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) b.pid"
        );
        let deadline = Instant::now() + Duration::from_secs(1);
        if self.watcher.is_none() {
            let options = ConnectOptions { wake: None, ..self.options.clone() };
            self.watcher = Connection::connect(&self.conninfo, &options).ok();
        }
        let rows = self.watcher.as_mut().and_then(|watcher| watcher.query(&sql, Some(deadline)).ok());
        if rows.is_none() {
            self.watcher = None;
        }
        rows.unwrap_or_default().iter().map(|row| told(row).told).collect()
    }

    /// The process that this session's statement runs in, as SQL. Behind a pooler another one may run each transaction; it
    /// is found by the name that the pooler passes on.
    fn waiting_process(&self) -> Option<String> {
        if self.pooling.is_none() {
            return self.connection.process().map(|process| process.to_string());
        }
        let name = self.conninfo.application_name.as_ref().unwrap_or(&self.options.application_name);
        Some(format!(
            "(SELECT w.pid FROM pg_catalog.pg_stat_activity w WHERE w.application_name OPERATOR(pg_catalog.=) {} \
             AND w.datname OPERATOR(pg_catalog.=) pg_catalog.current_database() \
             AND w.wait_event_type OPERATOR(pg_catalog.=) 'Lock' LIMIT 1)",
            literal(name)
        ))
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
