//! The limits that the tool sets on its session: how long a statement may wait for a lock, how soon the server notices
//! that the tool is gone. A role's own defaults do not hold for it: a `statement_timeout` meant for a web
//! application has killed many a CREATE INDEX CONCURRENTLY.

use std::time::Duration;

use crate::model::sql::quote::literal;

/// What is set on the session; zero is no limit, as in PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `lock_timeout`: a statement that waits longer for a lock gives up, and the revision is tried again.
    pub lock_timeout: Duration,
    /// `statement_timeout`
    pub statement_timeout: Duration,
    /// `idle_in_transaction_session_timeout`, and `idle_session_timeout` (PostgreSQL 14 and later): frees the locks of a
    /// tool that was stopped or hangs.
    pub idle_timeout: Duration,
    /// `transaction_timeout` (PostgreSQL 17 and later)
    pub transaction_timeout: Duration,
    /// How long a revision that could not get its locks is tried again.
    pub retry_for: Duration,
}

/// How often the server looks whether the tool is still there while a statement runs (PostgreSQL 14 and later).
const CHECK: Duration = Duration::from_secs(2);

/// The slowest connection that a long message is still waited for on, in bytes a second.
const SLOWEST: u64 = 32 * 1024;

/// For how long limits are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Until the session ends.
    Session,
    /// Until the session ends, and only where it runs in this server process: behind a pooler it would be another's.
    SessionIn(i32),
    /// For the session that a pooler has set up: with it, what the tool's own start of a session asked for, which
    /// RESET ALL undoes there.
    PooledSession,
    /// Until the transaction ends.
    Transaction,
}

/// What [`super::wire::connect`] asks for at the start of a session.
const START: [(&str, &str); 2] = [("client_encoding", "UTF8"), ("standard_conforming_strings", "on")];

impl Limits {
    /// The settings as SQL for a server of this version (`150018`): one statement.
    ///
    /// `synchronous_commit` is only ever raised: a COMMIT that was answered must survive a crash.
    #[must_use]
    pub fn sql(&self, server_version: u32, span: Span) -> String {
        let local = span == Span::Transaction;
        let mut settings = vec![
            ("lock_timeout", self.lock_timeout),
            ("statement_timeout", self.statement_timeout),
            ("idle_in_transaction_session_timeout", self.idle_timeout),
        ];
        if server_version >= 140_000 {
            // Outside a transaction the session still holds the run's lock.
            settings.push(("idle_session_timeout", self.idle_timeout));
            settings.push(("client_connection_check_interval", CHECK));
        }
        if server_version >= 170_000 {
            settings.push(("transaction_timeout", self.transaction_timeout));
        }
        let mut set: Vec<String> = settings
            .iter()
            .map(|(name, time)| {
                format!("pg_catalog.set_config('{name}', {}, {local})", literal(&time.as_millis().to_string()))
            })
            .collect();
        set.push(format!(
            "pg_catalog.set_config('synchronous_commit', CASE WHEN pg_catalog.current_setting('synchronous_commit') \
             OPERATOR(pg_catalog.=) 'off' THEN 'on' ELSE pg_catalog.current_setting('synchronous_commit') END, {local})"
        ));
        if span == Span::PooledSession {
            set.extend(START.iter().map(|(name, value)| format!("pg_catalog.set_config('{name}', '{value}', false)")));
        }
        let only = match span {
            Span::SessionIn(process) => format!(" WHERE {}", runs_in(process)),
            _ => String::new(),
        };
        format!("SELECT {}{only};\n", set.join(", "))
    }

    /// How long the server may wait for something from here while so many bytes are on their way; zero is no limit.
    pub(super) fn time_to_send(&self, bytes: usize) -> Duration {
        match self.idle_timeout {
            Duration::ZERO => Duration::ZERO,
            limit => limit + Duration::from_secs(bytes as u64 / SLOWEST),
        }
    }

    /// Sets how long the server waits for something from here: one statement.
    pub(super) fn idle_sql(server_version: u32, span: Span, limit: Duration) -> String {
        let local = span == Span::Transaction;
        let mut names = vec!["idle_in_transaction_session_timeout"];
        if server_version >= 140_000 && !local {
            names.push("idle_session_timeout");
        }
        let limit = literal(&limit.as_millis().to_string());
        let set: Vec<String> =
            names.iter().map(|name| format!("pg_catalog.set_config('{name}', {limit}, {local})")).collect();
        format!("SELECT {};\n", set.join(", "))
    }

    /// The settings for a person, for `-v`.
    #[must_use]
    pub fn shown(&self) -> String {
        let time = |time: Duration| if time.is_zero() { "off".to_owned() } else { crate::ui::duration(time) };
        format!(
            "lock_timeout {}, tried again for {}; statement_timeout {}; idle_in_transaction_session_timeout {}; transaction_timeout {}",
            time(self.lock_timeout),
            time(self.retry_for),
            time(self.statement_timeout),
            time(self.idle_timeout),
            time(self.transaction_timeout)
        )
    }
}

/// The condition that this is the server process `process`.
pub(super) fn runs_in(process: i32) -> String {
    format!("pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.=) {process}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_a_version_lacks_are_left_out() {
        let limits = Limits {
            lock_timeout: Duration::from_secs(2),
            statement_timeout: Duration::ZERO,
            idle_timeout: Duration::from_secs(60),
            transaction_timeout: Duration::ZERO,
            retry_for: Duration::from_secs(60),
        };
        for (version, check, transaction) in [(130_000, false, false), (140_000, true, false), (170_000, true, true)] {
            let sql = limits.sql(version, Span::Session);
            assert!(sql.contains("('lock_timeout', '2000', false)"), "{sql}");
            assert_eq!(sql.contains("client_connection_check_interval"), check, "{version}");
            assert_eq!(sql.contains("idle_session_timeout"), check, "{version}");
            assert_eq!(sql.contains("'transaction_timeout'"), transaction, "{version}");
        }
    }
}
