//! The lock that lets one run at a time change a database's schema, as a type: without a [`Locked`] no program runs.
//!
//! It is a session-level advisory lock on the connection that does the work, asked for again and again outside any
//! transaction. A blocking wait would hold a snapshot, and CREATE INDEX CONCURRENTLY in the run that holds the lock
//! would wait for that snapshot for ever: each would wait for the other. Behind a pooler that has no sessions to give, it
//! is taken otherwise (`pooler.rs`).

use std::time::{Duration, Instant};

use super::connection::Connection;
use super::limits::runs_in;
use super::pooler::{self, Keeper, Pooling};
use super::query::{Answer, QueryError};
use super::session::{Session, Standing, explain, stopped};
use super::wire::event::{Event, Rows};
use crate::error::{Error, Result};
use crate::model::program::RESET;
use crate::model::sql::quote::{identifier, literal};
use crate::ui;

/// A session that holds the lock.
pub struct Locked {
    pub(super) session: Session,
    released: bool,
}

/// Who holds the lock, as far as this role may see.
#[derive(Clone, Debug)]
pub struct Holder {
    /// Its server process.
    pub pid: String,
    /// Its role.
    pub user: Option<String>,
    /// The name its program gave itself.
    pub application: Option<String>,
    /// Where it connected from; none for a local socket.
    pub address: Option<String>,
    /// How long it has been connected, in seconds.
    pub seconds: Option<u64>,
    /// Whether the session that asks goes by the same name: a hook's program is given that of its run.
    pub is_namesake: bool,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "server process {}", self.pid)?;
        if let Some(application) = self.application.as_ref().filter(|name| !name.is_empty()) {
            write!(formatter, " (`{application}`")?;
            match &self.user {
                Some(user) => write!(formatter, ", role {user})")?,
                None => write!(formatter, ")")?,
            }
        }
        if let Some(address) = &self.address {
            write!(formatter, " from {address}")?;
        }
        if let Some(seconds) = self.seconds {
            write!(formatter, ", connected for {}", ui::duration(Duration::from_secs(seconds)))?;
        }
        Ok(())
    }
}

/// The first pause between two tries, and the longest one.
pub(super) const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

impl Session {
    /// Takes the lock, waiting for it up to `wait`, and reads where the database stands: one round trip where the lock is free.
    ///
    /// `waiting` is called once with the holder when the lock is found taken; it may refuse to wait.
    ///
    /// # Errors
    /// The lock stays taken, naming its holder; or the standing cannot be read.
    pub fn lock(
        mut self,
        wait: Duration,
        waiting: impl FnMut(Option<&Holder>) -> Result<()>,
    ) -> Result<(Locked, Standing)> {
        let standing = self.acquire(wait, waiting)?;
        Ok((Locked { session: self, released: false }, standing))
    }

    /// [`Session::lock`] for a session that stays where it is.
    pub(super) fn acquire(
        &mut self,
        wait: Duration,
        mut waiting: impl FnMut(Option<&Holder>) -> Result<()>,
    ) -> Result<Standing> {
        self.beaten = Instant::now();
        if self.is_shared() {
            return self.acquire_shared(wait, waiting);
        }
        let key = self.tables.lock_key();
        let until = Instant::now() + wait;
        let mut pause = PAUSES.0;
        let mut told = false;
        let questions = self.standing_questions();
        // Behind a pooler, what is set and locked here could be another client's next.
        let only = match self.pooling {
            None => format!(" WHERE {}", runs_in(self.named_process())),
            Some(_) => String::new(),
        };
        let first = format!("{}SELECT pg_catalog.pg_try_advisory_lock({key}){only}", self.first_limits_sql());
        let again = format!("SELECT pg_catalog.pg_try_advisory_lock({key})");
        let messages: Vec<&str> = [&first].into_iter().chain(&questions).map(String::as_str).collect();
        loop {
            // Mostly it is free, and one round trip is enough. Asked again and again, only the lock is.
            // A pooler may have no server connection to give: then the wait for one is a wait for the lock.
            let deadline = until.max(Instant::now() + pooler::PATIENCE);
            let deadline = self.overdue().map_or(deadline, |overdue| overdue.min(deadline));
            let messages = if told { &[again.as_str()] } else { messages.as_slice() };
            let answers = self.ask_until(messages, Some(deadline))?;
            if let Some(error) = &answers[0].error {
                return Err(explain(error, "cannot ask for the lock"));
            }
            match answers[0].rows.last().and_then(|row| row.get(0)) {
                // Read after the lock was granted: nobody else changes this any more.
                Some("t") if told => {
                    let answers = self.ask_standing()?;
                    return self.granted(&answers);
                }
                Some("t") => return self.granted(&answers[1..]),
                None if self.pooling.is_none() => {
                    // It is refused first, where it must be: a standby cannot be asked what follows.
                    self.read_writable(&answers[1..])?;
                    self.pooling = self.recognise_pooler()?;
                    if self.pooling.is_none() {
                        if Instant::now() >= until {
                            return Err(self.second_failed(&QueryError::Timeout));
                        }
                        self.come_again(until)?;
                    }
                    return self.acquire(until.saturating_duration_since(Instant::now()), waiting);
                }
                _ => {}
            }
            let now = Instant::now();
            if now >= until {
                return Err(self.taken(wait));
            }
            if !told {
                told = true;
                let holder = self.holder();
                waiting(holder.as_ref())?;
            }
            self.pause(jittered(pause).min(until - now))?;
            pause = (pause * 3 / 2).min(PAUSES.1);
        }
    }

    /// Where the database stands, from behind the lock, which is given back where nothing may be changed here.
    pub(super) fn granted(&mut self, answers: &[Answer]) -> Result<Standing> {
        let standing = self.read_writable(answers);
        if standing.is_err() {
            let _ = self.unlock();
        }
        standing
    }

    /// Gives the lock back at once: the server may take a moment to notice that nobody is there any more, and the next run
    /// would find the lock taken. False where it may still be taken behind a pooler, which does not tell the server who is gone.
    fn unlock(&mut self) -> bool {
        if self.is_shared() {
            return self.keeper.take().is_none_or(Keeper::release);
        }
        let unlock = format!("SELECT pg_catalog.pg_advisory_unlock({});\n", self.tables.lock_key());
        let soon = Some(Instant::now() + Duration::from_secs(1));
        if self.pooling.is_none() {
            // Where it cannot be asked for (a lost connection, a statement that still runs), the end of the session does it.
            let _ = self.connection.query(&unlock, soon);
            return true;
        }
        // The session goes to another client, and what was set on it with it, unless the pooler resets it.
        let sent = self.connection.query_pipeline(&[&unlock, RESET], soon);
        sent.is_ok() || self.connection.is_lost()
    }

    /// Whether this session holds the lock.
    pub(super) fn has_lock(&mut self) -> Result<bool> {
        let sql = format!(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND {})",
            self.the_lock()
        );
        let rows = self.run(&sql, "cannot ask for the lock")?;
        Ok(rows.first().and_then(|row| row.get(0)) == Some("t"))
    }

    /// The condition on `pg_locks l` that picks the lock.
    fn the_lock(&self) -> String {
        let key = self.tables.lock_key();
        format!(
            "l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.granted AND l.objsubid OPERATOR(pg_catalog.=) 1 \
             AND l.classid OPERATOR(pg_catalog.=) {}::pg_catalog.oid AND l.objid OPERATOR(pg_catalog.=) {}::pg_catalog.oid \
             AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d \
             WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())",
            literal(&((key >> 32) & 0xffff_ffff).to_string()),
            literal(&(key & 0xffff_ffff).to_string()),
        )
    }

    /// Stands in line for the version table behind the transaction that has it, before the next ones that were sent ahead: each of
    /// them waits then, and can be cancelled, until what is returned is dropped. As good as it gets where that is not possible.
    pub(super) fn hold_back(&self) -> Option<Connection> {
        let mut beside = self.beside_as(self.options.role.clone())?;
        let soon = Instant::now() + Duration::from_secs(1);
        let begin = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '1min'; \
             SET LOCAL idle_in_transaction_session_timeout = '1min'";
        beside.query(begin, Some(soon)).ok()?;
        beside.send(&format!("LOCK TABLE {} IN SHARE MODE", self.tables.version()), Rows::Discard).ok()?;
        beside.flush();
        Some(beside)
    }

    /// Waits, unless a signal comes.
    pub(super) fn pause(&mut self, time: Duration) -> Result<()> {
        // One that came while it was asked who is waited for has left that question without an answer.
        if self.asked_to_stop().is_some() {
            return Err(stopped(self.interrupt.as_ref()).note("nothing was run"));
        }
        let until = Instant::now() + time;
        loop {
            self.beat();
            let now = Instant::now();
            let next = self.beat_every().map_or(until, |every| until.min(now + every));
            match self.connection.next_event(Some(next)) {
                Ok(Event::Timeout) if next < until => {}
                Ok(Event::Timeout) => return Ok(()),
                Ok(Event::Woken) => return Err(stopped(self.interrupt.as_ref()).note("nothing was run")),
                Ok(_) => {}
                Err(lost) => return Err(Error::failed(lost.to_string()).note(format!("on {}", self.place))),
            }
        }
    }

    pub(super) fn taken(&mut self, wait: Duration) -> Error {
        let waited = ui::duration(wait);
        let error =
            Error::failed(format!("another run holds the lock on this database, and did not end within {waited}"));
        let error = match self.holder() {
            Some(holder) => {
                let pid = holder.pid.clone();
                error.note(format!("held by {holder}")).hint(format!(
                    "wait for it, give `--lock-wait` more time, or, if it is known to be dead: SELECT pg_terminate_backend({pid})"
                ))
            }
            None => error,
        };
        error.note("nothing was changed")
    }

    /// Who holds the lock, if that can be seen: a run that is under way.
    pub fn holder(&mut self) -> Option<Holder> {
        let sql = format!(
            "SELECT l.pid, a.usename, a.application_name, pg_catalog.host(a.client_addr), \
             EXTRACT(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.backend_start)::pg_catalog.int8, \
             a.application_name OPERATOR(pg_catalog.=) pg_catalog.current_setting('application_name') \
             FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) l.pid \
             WHERE {}",
            self.the_lock()
        );
        let rows = self.run(&sql, "cannot ask who holds the lock").ok()?;
        let row = rows.first()?;
        let text = |column: usize| row.get(column).map(str::to_owned);
        Some(Holder {
            pid: text(0)?,
            user: text(1),
            application: text(2),
            address: text(3),
            seconds: text(4).and_then(|seconds| seconds.parse().ok()),
            is_namesake: row.get(5) == Some("t"),
        })
    }
}

impl Locked {
    /// Makes sure that the lock is still held, after a time in which nothing was asked of the server. Where transactions are shared,
    /// each makes sure of it by itself.
    ///
    /// # Errors
    /// The lock or the connection is lost.
    pub fn check(&mut self) -> Result<()> {
        if self.session.is_shared() || self.session.has_lock()? {
            return Ok(());
        }
        Err(Error::failed("this run no longer holds its lock").note(format!("on {}", self.session.place)))
    }

    /// Puts back what the SQL of a hook has set in the session; where transactions are shared, its transaction has done that.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn put_back(&mut self) -> Result<()> {
        if self.session.is_shared() {
            return Ok(());
        }
        let limits = self.session.limits_sql();
        self.session.ask(&[RESET, &limits]).map(drop)
    }

    /// The pooler that was found before the server, if one was.
    #[must_use]
    pub fn pooling(&self) -> Option<Pooling> {
        self.session.pooling
    }

    /// Creates the tables that `standing` says are missing; the journal alone only where `journal` is to be kept. Only the holder of the lock does this, so two runs on a fresh database
    /// do not race; the transaction-level lock is for poolers, through which the session's lock does not carry.
    ///
    /// # Errors
    /// The role may not create them, with the GRANT that is missing.
    pub fn create_tables(&mut self, standing: &Standing, journal: bool) -> Result<()> {
        if journal {
            self.session.check_journal()?;
        }
        if standing.version_table && standing.history_table && (standing.progress_table || !journal) {
            return Ok(());
        }
        let tables = &self.session.tables;
        // A role may be let into a schema that it could not have made: CREATE SCHEMA IF NOT EXISTS asks for that right all the same.
        let mut create = match (standing.schema, standing.version_table, standing.history_table) {
            (false, ..) => tables.create(),
            (true, false, _) => tables.create_version() + &tables.create_history(),
            (true, true, false) => tables.create_history(),
            (true, true, true) => String::new(),
        };
        if standing.schema && !standing.progress_table {
            create.push_str(&tables.create_progress());
        }
        let sql = format!(
            "BEGIN;\nSET LOCAL client_min_messages = warning;\nSELECT pg_catalog.pg_advisory_xact_lock({});\n{create}COMMIT;\n",
            tables.lock_key().wrapping_add(1)
        );
        let answers = self.session.ask(&[&sql])?;
        let Some(error) = answers.first().and_then(|answer| answer.error.as_ref()) else { return Ok(()) };
        let _ = self.session.run("ROLLBACK", "cannot roll back");
        let explained = explain(error, "cannot create the tables of versions and history").note("nothing was changed");
        Err(match error.code.as_str() {
            "42501" => explained.hint(self.session.grant_to_create(standing.schema)),
            _ => explained,
        })
    }
}

impl Session {
    /// What lets this role make the tool's tables.
    pub(super) fn grant_to_create(&self, schema_is_there: bool) -> String {
        let (schema, role) = (identifier(&self.tables.schema), &self.role);
        match schema_is_there {
            true => format!("GRANT USAGE, CREATE ON SCHEMA {schema} TO {role};"),
            false => format!("have it made by a role that may: CREATE SCHEMA {schema} AUTHORIZATION {role};"),
        }
    }
}

impl Locked {
    /// Gives the lock back; what to know where it is not certain that it is free.
    pub fn give_back(&mut self) -> Option<String> {
        let free = self.released || self.session.unlock();
        self.released = true;
        let limit = self.session.limits.idle_timeout;
        let until = match limit {
            Duration::ZERO => "it stays taken until the pooler ends that connection".to_owned(),
            limit => format!("it is free in {} at the latest", ui::duration(limit)),
        };
        (!free).then(|| format!("the connection that keeps the lock, through the pooler, does not answer; {until}"))
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        let _ = self.give_back();
    }
}

/// `pause` give or take a fifth, so that many waiting runs do not ask in step.
pub(super) fn jittered(pause: Duration) -> Duration {
    let random = u32::from(uuid::Uuid::new_v4().as_bytes()[0]);
    pause * 4 / 5 + pause * 2 / 5 * random / 255
}
