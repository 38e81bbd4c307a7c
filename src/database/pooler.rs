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
/// How long a pooler may take to give a second connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a notification may take that a server sends by itself.
const DELIVERY: Duration = Duration::from_secs(2);

/// What a transaction begins with: the session's settings as they are found.
pub(super) const FIND_SETTINGS: &str = "SELECT pg_catalog.set_config('aludel.settings', COALESCE((
    SELECT pg_catalog.jsonb_object_agg(s.name, s.setting) FROM pg_catalog.pg_settings s
    WHERE s.source OPERATOR(pg_catalog.=) 'session' AND s.context OPERATOR(pg_catalog.=) ANY (ARRAY['user', 'superuser'])
        AND s.name OPERATOR(pg_catalog.<>) ALL (ARRAY['transaction_isolation', 'transaction_read_only', 'transaction_deferrable'])
)::pg_catalog.text, '{}'), true);
";

/// What deferred triggers do is done under the script's own settings, as at a COMMIT, and within the limits.
pub(super) const SETTLE: &str = "SET CONSTRAINTS ALL IMMEDIATE;\n";

/// What a transaction ends with: what the script set on the session, prepared, listened to or made for itself is put back or
/// gone, as it would reach another client. RESET ALL would also undo what the pooler's administrator set on the connection
/// (`connect_query`) and what the pooler keeps for its clients, so that is set again.
pub(super) const PUT_BACK: &str = "DO $aludel$
DECLARE
    found pg_catalog.text := pg_catalog.current_setting('aludel.settings', true);
    one pg_catalog.record;
BEGIN
    RESET ALL;
    IF found OPERATOR(pg_catalog.<>) '' THEN
        FOR one IN SELECT e.key, e.value FROM pg_catalog.jsonb_each_text(found::pg_catalog.jsonb) e LOOP
            PERFORM pg_catalog.set_config(one.key, one.value, false);
        END LOOP;
        PERFORM pg_catalog.set_config('aludel.settings', found, true);
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
pub(super) const STATEMENTS_OF_PUT_BACK: usize = 4;

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

    /// Gives the lock back.
    pub(super) fn release(mut self) {
        // Where it cannot be asked for, the end of the connection does it.
        let _ = self.connection.query("ROLLBACK", Some(Instant::now() + Duration::from_secs(1)));
        self.connection.close();
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
    pub(super) fn recognise_pooler(&mut self) -> Result<Pooling> {
        let mut other = self.another()?;
        let until = Instant::now() + PATIENCE;
        let mine = self.backend()?;
        let theirs = match other.query(BACKEND, Some(until)) {
            Ok(rows) => rows.first().and_then(|row| row.get(0)).map(str::to_owned),
            Err(error) => return Err(self.second_failed(&error)),
        };
        if mine == theirs || mine != self.backend()? {
            other.close();
            return Ok(Pooling::Transaction);
        }
        let channel = format!("aludel_{}", uuid::Uuid::new_v4().simple());
        self.run(&format!("LISTEN {channel}"), "cannot find out how the pooler works")?;
        let heard = self.connection.notifications();
        if let Err(error) = other.query(&format!("NOTIFY {channel}"), Some(until)) {
            return Err(self.second_failed(&error));
        }
        other.close();
        let until = Instant::now() + DELIVERY;
        while self.connection.notifications() == heard && Instant::now() < until {
            self.pause(Duration::from_millis(2))?;
        }
        let session = self.connection.notifications() != heard;
        self.run(&format!("UNLISTEN {channel}"), "cannot find out how the pooler works")?;
        Ok(if session { Pooling::Session } else { Pooling::Transaction })
    }

    fn backend(&mut self) -> Result<Option<String>> {
        let rows = self.run(BACKEND, "cannot ask for the server process")?;
        Ok(rows.first().and_then(|row| row.get(0)).map(str::to_owned))
    }

    /// One more connection to where this one goes.
    fn another(&self) -> Result<Connection> {
        Connection::connect(&self.conninfo, &self.options).map_err(|error: ConnectError| match error.is_woken() {
            true => stopped(self.interrupt.as_ref()),
            false => Error::from(error).note("a second connection through the pooler is needed"),
        })
    }

    fn second_failed(&mut self, error: &QueryError) -> Error {
        let hint = "give the server's own address, past the pooler, or let it open more server connections (`default_pool_size`)";
        let title = match error {
            QueryError::Woken => return stopped(self.interrupt.as_ref()).note("nothing was changed"),
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
        mut waiting: impl FnMut(Option<&Holder>),
    ) -> Result<Standing> {
        if let Some(keeper) = self.keeper.take() {
            keeper.release();
        }
        let until = Instant::now() + wait;
        let mut connection = self.another()?;
        let mut pause = PAUSES.0;
        let mut told = false;
        let fence = uuid::Uuid::new_v4().as_u64_pair().0.cast_signed();
        let mut settings = vec!["idle_in_transaction_session_timeout", "statement_timeout"];
        if self.connection.server_version().is_some_and(|version| version >= 170_000) {
            settings.push("transaction_timeout");
        }
        let settings: Vec<String> =
            settings.iter().map(|name| format!("pg_catalog.set_config('{name}', '0', true)")).collect();
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
                waiting(self.holder().as_ref());
            }
            self.pause(jittered(pause).min(until - now))?;
            pause = (pause * 3 / 2).min(PAUSES.1);
        }
        self.keeper = Some(Keeper { connection, fence });
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
