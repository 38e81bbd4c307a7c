//! A pooler between the tool and the server: how it is recognised, and how a run stays alone behind one that gives each
//! transaction another server connection.
//!
//! There, a session's settings and locks belong to whoever gets the connection next. So nothing of the session is
//! relied on: settings hold for a transaction, what a script set is put back before its COMMIT, and the lock that keeps
//! other runs out is held by a transaction that a second connection, the keeper, leaves open. The work asks in each of its
//! transactions whether the keeper is still there, behind the lock on the version table: a message that comes late, out
//! of a queue of the pooler's, finds it gone.
//!
//! Sections without a transaction are not for here; the commands refuse them.

use std::time::{Duration, Instant};

use super::connect_error::ConnectError;
use super::connection::Connection;
use super::lock::{Holder, PAUSES, jittered};
use super::query::{Answer, QueryError};
use super::session::{Session, Standing, stopped};
use super::wire::event::{Event, Row, Rows};
use crate::error::{Error, Result};
use crate::model::bookkeeping::TAKEN;
use crate::model::sql::quote::dollar;
use crate::ui;

/// How a pooler hands out its connections to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// One for as long as a client is there: as good as none.
    Session,
    /// One for each transaction.
    Transaction,
}

impl Pooling {
    /// It in words, for `-v`.
    #[must_use]
    pub fn shown(self) -> &'static str {
        match self {
            Self::Session => "through a pooler in session mode",
            Self::Transaction => {
                "through a pooler in transaction mode: settings hold for a transaction, and a second connection keeps the lock"
            }
        }
    }
}

/// The connection whose open transaction holds the run's lock.
pub(super) struct Keeper {
    connection: Connection,
    /// A lock of this run alone, which the keeper holds as well. A server process may be another run's keeper later; this
    /// key is never another's.
    fence: i64,
}

/// The server process that runs this.
const BACKEND: &str = "SELECT pg_catalog.pg_backend_pid()";
/// How long a pooler may take to give a connection.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long it is stayed away at most from a pooler that has no second one.
const COME_AGAIN: Duration = Duration::from_secs(3);
/// How long a notification may take that a server sends by itself.
const DELIVERY: Duration = Duration::from_secs(2);

/// What a transaction begins with: the session's settings as they are found.
pub(super) const FIND_SETTINGS: &str = "SELECT pg_catalog.set_config('aludel.settings', COALESCE((
    SELECT pg_catalog.jsonb_object_agg(s.name, s.setting) FROM pg_catalog.pg_settings s
    WHERE s.source OPERATOR(pg_catalog.=) 'session' AND s.context OPERATOR(pg_catalog.=) ANY (ARRAY['user', 'superuser'])
        AND s.name OPERATOR(pg_catalog.<>) ALL (ARRAY['transaction_isolation', 'transaction_read_only', 'transaction_deferrable'])
)::pg_catalog.text, '{}'), true),
    pg_catalog.set_config('aludel.session', SESSION_USER, true),
    pg_catalog.set_config('aludel.role', pg_catalog.current_setting('role'), true);
";

/// Works as the role again that the server connection was found with, which need not be the one that logged in.
pub(super) const BACK_TO_ROLE: &str =
    "SELECT pg_catalog.set_config('session_authorization', pg_catalog.current_setting('aludel.session', true), false);
SELECT pg_catalog.set_config('role', pg_catalog.current_setting('aludel.role', true), false);
";

/// What deferred triggers do is done under the script's own settings, as at a COMMIT, and within the limits.
pub(super) const SETTLE: &str = "SET CONSTRAINTS ALL IMMEDIATE;\n";

/// What a transaction ends with, before [`BACK_TO_ROLE`]: what the script set on the session, listened to or made for itself is put
/// back or gone, as it would reach another client. What the pooler's administrator set on the connection (`connect_query`)
/// and what the pooler keeps for its clients stays: RESET ALL would undo that, custom settings among it, which no view
/// lists. A script that sets one of those is refused.
pub(super) const PUT_BACK: &str = "RESET SESSION AUTHORIZATION;
RESET ROLE;
DO $aludel$
DECLARE
    found pg_catalog.text := pg_catalog.current_setting('aludel.settings', true);
    one pg_catalog.record;
BEGIN
    FOR one IN SELECT s.name FROM pg_catalog.pg_settings s
        WHERE s.source OPERATOR(pg_catalog.=) 'session' AND s.context OPERATOR(pg_catalog.=) ANY (ARRAY['user', 'superuser'])
            AND s.name OPERATOR(pg_catalog.<>) ALL (ARRAY['transaction_isolation', 'transaction_read_only', 'transaction_deferrable'])
    LOOP
        EXECUTE pg_catalog.concat('RESET ', pg_catalog.replace(pg_catalog.quote_ident(one.name), '.', '\".\"'));
    END LOOP;
    IF found OPERATOR(pg_catalog.<>) '' THEN
        FOR one IN SELECT e.key, e.value FROM pg_catalog.jsonb_each_text(found::pg_catalog.jsonb) e LOOP
            PERFORM pg_catalog.set_config(one.key, one.value, false);
        END LOOP;
    END IF;
    IF pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.=) 'off' THEN
        PERFORM pg_catalog.set_config('synchronous_commit', 'on', true);
    END IF;
    FOR one IN SELECT p.name FROM pg_catalog.pg_prepared_statements p
        WHERE p.from_sql AND p.prepare_time OPERATOR(pg_catalog.>=) pg_catalog.transaction_timestamp() LOOP
        EXECUTE pg_catalog.format('DEALLOCATE %I', one.name);
    END LOOP;
END
$aludel$;
CLOSE ALL;
UNLISTEN *;
DISCARD TEMP;
";
/// How many statements [`PUT_BACK`] holds.
pub(super) const STATEMENTS_OF_PUT_BACK: usize = 6;
/// How many statements [`BACK_TO_ROLE`] holds.
pub(super) const STATEMENTS_OF_BACK_TO_ROLE: usize = 2;

impl Keeper {
    /// Raises [`TAKEN`] where the keeper's transaction has ended: then its lock is free.
    pub(super) fn check(&self) -> String {
        let block = format!(
            "\nBEGIN\n    IF pg_catalog.pg_try_advisory_xact_lock({}) THEN\n        \
             RAISE EXCEPTION 'this run no longer holds its lock' USING ERRCODE = '{TAKEN}';\n    END IF;\nEND\n",
            self.fence
        );
        format!("DO {};\n", dollar(&block))
    }

    /// Gives the lock back; false where nobody said that it is free. Then it is when the server ends the transaction, by the
    /// limit that is set for it.
    pub(super) fn release(mut self) -> bool {
        let answered = self.ask("ROLLBACK", Instant::now() + Duration::from_secs(1)).is_some();
        let ended = self.connection.is_lost();
        self.connection.close();
        answered || ended
    }

    /// Asks something in its transaction.
    pub(super) fn ask(&mut self, sql: &str, until: Instant) -> Option<Vec<Row>> {
        self.connection.settle(Some(until)).ok()?;
        self.connection.query(sql, Some(until)).ok()
    }

    /// A sign of life; its answer is read with the next one.
    pub(super) fn beat(&mut self) {
        while self.connection.in_flight() > 0 {
            match self.connection.next_event(Some(Instant::now())) {
                Ok(Event::Timeout | Event::Woken) | Err(_) => return,
                Ok(_) => {}
            }
        }
        if self.connection.send("", Rows::Discard).is_ok() {
            self.connection.flush();
        }
    }
}

impl Session {
    /// Whether each transaction may run on another server connection.
    pub(super) fn is_shared(&self) -> bool {
        self.pooling == Some(Pooling::Transaction)
    }

    /// Finds out how the pooler works that was found before the server: its process is not the one that was named at the
    /// start.
    ///
    /// A second connection is given the first one's server process as soon as that is free, which proves a pooler of
    /// transactions. Where others are quicker it proves nothing; so a session is believed only where the first connection
    /// hears, while it is idle, a notification that the second one sends: a server connection that
    /// was given back cannot pass one on.
    ///
    /// None where the pooler gave no second connection in time, and others have its connections.
    pub(super) fn recognise_pooler(&mut self) -> Result<Option<Pooling>> {
        let mut other = self.another()?;
        let until = Instant::now() + PATIENCE;
        let mine = self.backend()?;
        let theirs = match other.query(BACKEND, Some(until)) {
            Ok(rows) => rows.first().and_then(|row| row.get(0)).map(str::to_owned),
            Err(QueryError::Timeout) if !self.is_alone() => return Ok(None),
            Err(error) => return Err(self.second_failed(&error)),
        };
        if mine == theirs || mine != self.backend()? {
            other.close();
            return Ok(Some(Pooling::Transaction));
        }
        let channel = format!("aludel_{}", uuid::Uuid::new_v4().simple());
        self.run(&format!("LISTEN {channel}"), "cannot find out how the pooler works")?;
        let heard = self.connection.notifications();
        if let Err(error) = other.query(&format!("NOTIFY {channel}"), Some(Instant::now() + PATIENCE)) {
            return Err(self.second_failed(&error));
        }
        other.close();
        let until = Instant::now() + DELIVERY;
        while self.connection.notifications() == heard && Instant::now() < until {
            self.pause(Duration::from_millis(2))?;
        }
        let session = self.connection.notifications() != heard;
        self.run(&format!("UNLISTEN {channel}"), "cannot find out how the pooler works")?;
        Ok(Some(if session { Pooling::Session } else { Pooling::Transaction }))
    }

    /// Whether no other session of this role is in this database: then a pooler that gives no second connection has none to give.
    fn is_alone(&mut self) -> bool {
        let sql = "SELECT FROM pg_catalog.pg_stat_activity a WHERE a.usename OPERATOR(pg_catalog.=) SESSION_USER \
             AND a.datname OPERATOR(pg_catalog.=) pg_catalog.current_database() \
             AND a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid() LIMIT 1";
        self.run(sql, "cannot ask for other sessions").map_or(true, |rows| rows.is_empty())
    }

    /// Gives its server connection back to the pooler, and comes again a little later: runs that each hold one and want a
    /// second would wait for each other.
    pub(super) fn come_again(&mut self, until: Instant) -> Result<()> {
        let random = u32::from(uuid::Uuid::new_v4().as_bytes()[0]);
        self.connection.say_goodbye();
        let then = (Instant::now() + COME_AGAIN * random / 255).min(until);
        while Instant::now() < then {
            if self.asked_to_stop().is_some() {
                return Err(stopped(self.interrupt.as_ref()).note("nothing was run"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.reconnect(until.max(Instant::now() + PATIENCE)).map_err(Error::from)
    }

    fn backend(&mut self) -> Result<Option<String>> {
        let rows = match self.connection.query(BACKEND, Some(Instant::now() + PATIENCE)) {
            Ok(rows) => rows,
            Err(error) => return Err(self.second_failed(&error)),
        };
        Ok(rows.first().and_then(|row| row.get(0)).map(str::to_owned))
    }

    /// One more connection to where this one goes.
    fn another(&self) -> Result<Connection> {
        Connection::connect(&self.own_address(), &self.options).map_err(|error: ConnectError| match error.is_woken() {
            true => stopped(self.interrupt.as_ref()),
            false => Error::from(error).note("a second connection through the pooler is needed"),
        })
    }

    pub(super) fn second_failed(&mut self, error: &QueryError) -> Error {
        let hint = "give the server's own address, past the pooler, or let it open more server connections (`default_pool_size`)";
        let title = match error {
            QueryError::Woken => return stopped(self.interrupt.as_ref()).note("nothing was run"),
            QueryError::Timeout => format!(
                "a pooler stands before the server, and gave no second server connection within {}",
                ui::duration(PATIENCE)
            ),
            error => format!("a pooler stands before the server, and a second connection through it failed: {error}"),
        };
        Error::failed(title).note(format!("on {}", self.place)).note("nothing was changed").hint(hint)
    }

    /// Takes the lock by a keeper, waiting for it up to `wait`, and reads where the database stands.
    ///
    /// It is asked for in one short transaction after another, so that nobody's CREATE INDEX CONCURRENTLY waits for one.
    pub(super) fn acquire_shared(
        &mut self,
        wait: Duration,
        mut waiting: impl FnMut(Option<&Holder>) -> Result<()>,
    ) -> Result<Standing> {
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.release();
        }
        let until = Instant::now() + wait;
        let mut connection = self.another()?;
        let mut pause = PAUSES.0;
        let mut told = false;
        let fence = uuid::Uuid::new_v4().as_u64_pair().0.cast_signed();
        // One that hears nothing more from here gives the lock away; `heartbeat.rs` sees to it that it hears something.
        let mut settings = vec![
            ("idle_in_transaction_session_timeout", self.limits.idle_timeout),
            ("statement_timeout", Duration::ZERO),
        ];
        if self.connection.server_version().is_some_and(|version| version >= 170_000) {
            settings.push(("transaction_timeout", Duration::ZERO));
        }
        let settings: Vec<String> = settings
            .iter()
            .map(|(name, time)| format!("pg_catalog.set_config('{name}', '{}', true)", time.as_millis()))
            .collect();
        let ask = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SELECT {}; \
             SELECT pg_catalog.pg_try_advisory_xact_lock({}), pg_catalog.pg_advisory_xact_lock({fence})",
            settings.join(", "),
            self.tables.lock_key()
        );
        loop {
            let deadline = until.max(Instant::now() + PATIENCE);
            let rows = match connection.query(&ask, Some(deadline)) {
                Ok(rows) => rows,
                Err(error) => return Err(self.no_transactions(&error)),
            };
            if rows.last().and_then(|row| row.get(0)) == Some("t") {
                break;
            }
            if let Err(error) = connection.query("ROLLBACK", Some(deadline)) {
                return Err(self.second_failed(&error));
            }
            let now = Instant::now();
            if now >= until {
                return Err(self.taken(wait));
            }
            if !told {
                told = true;
                waiting(self.holder().as_ref())?;
            }
            self.pause(jittered(pause).min(until - now))?;
            pause = (pause * 3 / 2).min(PAUSES.1);
        }
        self.keeper = Some(Keeper { connection, fence });
        self.beaten = Instant::now();
        // With a pool of one, the keeper has it, and this one is never served.
        let questions = self.standing_questions();
        let messages: Vec<&str> = questions.iter().map(String::as_str).collect();
        match self.connection.query_pipeline(&messages, Some(Instant::now() + PATIENCE)) {
            Ok(answers) => self.granted(&answers),
            Err(error @ QueryError::Timeout) => Err(self.second_failed(&error)),
            Err(error) => Err(self.trouble(&error)),
        }
    }

    fn no_transactions(&mut self, error: &QueryError) -> Error {
        let message = match error {
            QueryError::Server(error) => Some(error),
            QueryError::Lost(lost) => lost.fatal.as_ref(),
            _ => None,
        };
        match message {
            // PgBouncer's own words, and no server's.
            Some(said) if said.code == "08P01" && said.routine.is_none() => {
                Error::failed("the pooler before the server is in statement mode, in which there are no transactions")
                    .code(said.code.clone())
                    .note(said.message.clone())
                    .note(format!("on {}", self.place))
                    .note("nothing was changed")
                    .hint("give the server's own address, past the pooler")
            }
            _ => self.second_failed(error),
        }
    }

    /// Waits until no transaction of a lost connection is left that may write: each holds a lock on the version table from
    /// before its statements on, and one that begins later finds its keeper gone. It never waits inside a transaction.
    pub(super) fn wait_for_writers(&mut self, until: Instant) -> Result<()> {
        let sql = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE NOWAIT; COMMIT",
            self.tables.version()
        );
        loop {
            let answers: Vec<Answer> = self.ask(&[&sql])?;
            let Some(error) = answers.first().and_then(|answer| answer.error.as_ref()) else { return Ok(()) };
            self.run("ROLLBACK", "cannot roll back")?;
            if error.code != "55P03" || Instant::now() >= until {
                return Err(super::session::explain(error, "cannot wait for the transaction of the lost connection"));
            }
            self.pause(Duration::from_millis(200))?;
        }
    }
}
