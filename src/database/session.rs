//! A session on the database: connected, and able to say where the database stands. It changes nothing.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connect_error::ConnectError;
use super::connection::Connection;
use super::conninfo::{Conninfo, TargetSession};
use super::interrupt::{self, Interrupt};
use super::limits::{Limits, Span};
use super::pooler::{Keeper, Pooling};
use super::preflight::{Identity, Preflight, Process};
use super::protection::{self, ProtectionWarning};
use super::query::{Answer, QueryError};
use super::recorded::Ahead;
use super::server_error::ServerError;
use super::wire::connect::ConnectOptions;
use super::wire::event::Row;
use crate::error::{Error, Kind, Result};
use crate::model::bookkeeping::{COLUMN, Tables};
use crate::model::journal::Progress;
use crate::model::repeatable::Repeated;
use crate::model::sql::quote::{identifier, literal};
use crate::secret::{Covers, Secret};

/// Where a database stands, as read at one moment.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The database for a person: user, host and name, never the password.
    pub place: String,
    /// The rows of the version table; none where there is no table.
    pub rows: Vec<String>,
    /// Whether the schema of the tool's tables is there.
    pub schema: bool,
    /// Whether the version table is there.
    pub version_table: bool,
    /// Whether the history table is there.
    pub history_table: bool,
    /// Whether the journal's table is there.
    pub progress_table: bool,
    /// The journal: revisions that stopped partway.
    pub progress: Vec<Progress>,
    /// What the history says of repeatable files, where the session was told to ask.
    pub repeated: Vec<Repeated>,
    /// The length that the version table's column is limited to: 32 in a table that Alembic made.
    pub width: Option<usize>,
}

/// What for it is asked where the database stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To tell it.
    Read,
    /// To go on from there.
    Change,
}

/// How long the tool waits at most to read a table that somebody holds.
const READING: Duration = Duration::from_secs(2);
/// How long the answer to a question of the tool's own is awaited once a signal came.
const SOON: Duration = Duration::from_secs(5);

/// A password that a program said is handed on for so long without asking again: tokens hold for a quarter of an hour.
const STALE: Duration = Duration::from_secs(60);

/// A connection that may read.
pub struct Session {
    pub(super) connection: Connection,
    pub(super) tables: Tables,
    pub(super) place: String,
    pub(super) conninfo: Conninfo,
    pub(super) options: ConnectOptions,
    pub(super) limits: Limits,
    pub(super) identity: Identity,
    /// The pooler that was found before the server, if one was.
    pub(super) pooling: Option<Pooling>,
    /// Holds the lock where this connection cannot.
    pub(super) keeper: Option<Keeper>,
    /// Looks who is in the way.
    pub(super) watcher: Option<Connection>,
    pub(super) interrupt: Option<Interrupt>,
    /// The role that the session works as, quoted, for hints: the one that logged in, unless it is given another at the start
    /// (`ALTER ROLE ... SET role`).
    pub(super) role: String,
    /// The server process that runs the session, where that is always the same.
    pub(super) process: Option<Process>,
    /// When the server last had a sign of life.
    pub(super) beaten: Instant,
    /// The rights on the journal that this role lacks.
    pub(super) lacking_on_journal: Vec<&'static str>,
    /// A question that was sent ahead of the others.
    pub(super) ahead: Ahead,
    /// How long it took to connect: looking up the name, hosts that did not answer, TLS and log-in included.
    pub(super) connected_in: Duration,
    /// Whether the history is asked for repeatable files as well.
    pub(super) asks_for_repeated: bool,
    /// Says who logs in anew, and when it was last said.
    renewal: Option<(Renewal, Instant)>,
}

/// Says anew who logs in: a password that a secret store gave may have been replaced, or hold for minutes only.
#[derive(Clone)]
pub struct Renewal(pub Arc<dyn Fn() -> Option<Renewed> + Send + Sync>);

/// Who logs in from here on.
#[derive(Clone, Debug)]
pub struct Renewed {
    /// The user, where the store says that as well: it may change two of them by turns.
    pub user: Option<String>,
    /// The password.
    pub password: Secret,
}

impl fmt::Debug for Renewal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Renewal")
    }
}

/// What a session is made with, beside where it goes.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// The tables that the tool keeps its books in.
    pub tables: Tables,
    /// What others see of the session while it holds a lock.
    pub application_name: String,
    /// Its limits.
    pub limits: Limits,
    /// The database that it must be.
    pub identity: Identity,
    /// Signals to watch for.
    pub interrupt: Option<Interrupt>,
    /// What nothing that the server says may show.
    pub covers: Covers,
    /// The role to work as, where it is not the one that logs in.
    pub role: Option<String>,
    /// Where the password comes from a program.
    pub renewal: Option<Renewal>,
}

impl Session {
    /// Connects.
    ///
    /// # Errors
    /// The server cannot be reached or refuses, with the cause and the next thing to try.
    pub fn connect(conninfo: &Conninfo, options: SessionOptions) -> Result<Self> {
        let SessionOptions { tables, application_name, limits, identity, interrupt, covers, role, renewal } = options;
        let wake = interrupt.as_ref().map(Interrupt::wake);
        let options = ConnectOptions { application_name, wake, covers, role };
        let began = Instant::now();
        let connection = match Connection::connect(conninfo, &options) {
            Ok(connection) => connection,
            Err(error) if error.is_woken() => return Err(stopped(interrupt.as_ref())),
            Err(error) => {
                let role = options.role.as_ref().and_then(|role| super::role::refused(&error, role, &conninfo.user));
                return Err(role.unwrap_or_else(|| error.into()));
            }
        };
        let connected_in = began.elapsed();
        let (place, role) = (conninfo.to_string(), identifier(&conninfo.user));
        let conninfo = conninfo.clone();
        let (pooling, keeper, watcher) = (None, None, None);
        Ok(Self {
            connection,
            tables,
            place,
            conninfo,
            options,
            limits,
            identity,
            pooling,
            keeper,
            watcher,
            interrupt,
            role,
            process: None,
            beaten: Instant::now(),
            lacking_on_journal: Vec::new(),
            ahead: Ahead::Nothing,
            connected_in,
            asks_for_repeated: false,
            renewal: renewal.map(|renewal| (renewal, began)),
        })
    }

    /// What the user should know of how the connection is protected.
    #[must_use]
    pub fn protection_warnings(&self) -> Vec<ProtectionWarning> {
        protection::warnings(&self.conninfo, self.connection.host(), self.connection.security())
    }

    /// Connects anew to the same server after the connection was lost, trying until `until`: a server that crashed
    /// takes a while to be back.
    pub(super) fn reconnect(&mut self, until: Instant) -> std::result::Result<(), ConnectError> {
        let mut pause = Duration::from_millis(50);
        let mut renewed = false;
        loop {
            // The host that it was: another one of a list may be another server.
            let own = Conninfo { target_session: self.conninfo.target_session, ..self.own_address() };
            let connected = match Connection::connect(&own, &self.options) {
                Err(error) if !error.is_woken() && self.conninfo.hosts.len() > 1 => {
                    Connection::connect(&self.conninfo, &self.options)
                }
                connected => connected,
            };
            match connected {
                Ok(connection) => {
                    self.connection = connection;
                    self.process = None;
                    self.watcher = None;
                    return Ok(());
                }
                Err(error) if error.is_woken() || Instant::now() + pause >= until => return Err(error),
                // Waiting does not make a password right.
                Err(error) if error.is_log_in_refused() => {
                    if std::mem::replace(&mut renewed, true) || !self.renew() {
                        return Err(error);
                    }
                }
                Err(_) => std::thread::sleep(pause),
            }
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Has user and password said anew; whether they are others.
    fn renew(&mut self) -> bool {
        let Some((renewal, said)) = &mut self.renewal else { return false };
        *said = Instant::now();
        let Some(Renewed { user, password }) = (renewal.0)() else { return false };
        let user = user.unwrap_or_else(|| self.conninfo.user.clone());
        self.options.covers.extend(password.forms());
        let mut is_new = user != self.conninfo.user;
        self.conninfo.user = user;
        for host in &mut self.conninfo.hosts {
            is_new |= host.password.as_ref() != Some(&password);
            host.password = Some(password.clone());
        }
        is_new
    }

    /// Where it is connected to: of all hosts that are named, the one address.
    pub(super) fn own_address(&self) -> Conninfo {
        let mut host = self.connection.host().clone();
        if self.renewal.is_some() {
            // A program says one password for all hosts.
            host.password = self.conninfo.hosts.first().and_then(|host| host.password.clone());
        }
        let hosts = vec![host];
        Conninfo { hosts, target_session: TargetSession::Any, ..self.conninfo.clone() }
    }

    /// A connection beside this one, to the same address; no signal ends its waits. It works as the role that logged in, which
    /// may see and end its own sessions.
    pub(super) fn beside(&self) -> Option<Connection> {
        self.beside_as(None)
    }

    /// The same as another role.
    pub(super) fn beside_as(&self, role: Option<String>) -> Option<Connection> {
        let options = ConnectOptions { wake: None, role, ..self.options.clone() };
        Connection::connect(&self.own_address(), &options).ok()
    }

    /// Asks beside the session, on a connection that is kept: a wait that a short `lock_timeout` ends would be over before
    /// a new one is made. Nothing where it is not answered by `deadline`.
    pub(super) fn ask_beside(&mut self, sql: &str, deadline: Instant) -> Option<Vec<Row>> {
        if self.watcher.is_none() {
            self.watcher = self.beside();
        }
        let rows = self.watcher.as_mut().and_then(|watcher| watcher.query(sql, Some(deadline)).ok());
        if rows.is_none() {
            self.watcher = None;
        }
        rows
    }

    /// When an answer to a question of the tool's own is overdue: none waits for anything but a lock. The server would have ended a
    /// session that is silent for so long.
    pub(super) fn overdue(&self) -> Option<Instant> {
        let Limits { idle_timeout, lock_timeout, .. } = self.limits;
        let bounded = !idle_timeout.is_zero() && !lock_timeout.is_zero();
        bounded.then(|| Instant::now() + idle_timeout + 2 * lock_timeout)
    }

    /// The limits as SQL, one statement: for the session, or for the transaction where the session is not the tool's own.
    pub(super) fn limits_sql(&self) -> String {
        self.limits_for(match self.pooling {
            None => Span::Session,
            Some(Pooling::Session) => Span::PooledSession,
            Some(Pooling::Transaction) => Span::Transaction,
        })
    }

    /// Sets how long the server waits for something from here: one statement.
    pub(super) fn idle_limit_sql(&self, limit: Duration) -> String {
        let span = if self.is_shared() { Span::Transaction } else { Span::Session };
        Limits::idle_sql(self.connection.server_version().unwrap_or_default(), span, limit)
    }

    /// The limits for a session of which it is not known yet whether it is the tool's own.
    pub(super) fn first_limits_sql(&self) -> String {
        match self.pooling {
            None => self.limits_for(Span::SessionIn(self.named_process())),
            Some(_) => self.limits_sql(),
        }
    }

    /// The server process as it was named at the start; no server's where none was.
    pub(super) fn named_process(&self) -> i32 {
        self.connection.process().unwrap_or_default()
    }

    fn limits_for(&self, span: Span) -> String {
        self.limits.sql(self.connection.server_version().unwrap_or_default(), span)
    }

    /// Has it ask for repeatable files, too, whenever it asks where the database stands.
    pub fn ask_for_repeated(&mut self) {
        self.asks_for_repeated = true;
    }

    /// Reads where the database stands: one round trip.
    ///
    /// # Errors
    /// The version table cannot be read, or the connection is lost.
    pub fn standing(&mut self) -> Result<Standing> {
        let answers = self.ask_standing()?;
        self.read_standing(&answers, Purpose::Read).map(|(standing, _)| standing)
    }

    /// The same for a session that would go on to change the database: one that could not is refused.
    ///
    /// # Errors
    /// As for [`Session::standing`], and whatever [`Session::lock`] refuses.
    pub fn standing_to_change(&mut self) -> Result<Standing> {
        let answers = self.ask_standing()?;
        self.read_writable(&answers)
    }

    /// The database and the one host that answered, for a person: `shop on db.example.com:5432`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{} on {}", self.conninfo.database, self.connection.host())
    }

    /// Who works, for a person: `deploy`, or `deploy as owner` once the server has told of another role.
    #[must_use]
    pub fn user(&self) -> String {
        let user = &self.conninfo.user;
        if self.role == identifier(user) { user.clone() } else { format!("{user} as {}", self.role) }
    }

    /// libpq's variables for a program that is to come to the same server as the same user; nothing for one that must not be set.
    #[must_use]
    pub fn variables(&mut self) -> Vec<(&'static str, Option<Secret>)> {
        if self.renewal.as_ref().is_some_and(|(_, said)| said.elapsed() >= STALE) {
            self.renew();
        }
        let address = self.own_address();
        self.conninfo.variables(address.hosts.first().unwrap_or(self.connection.host()), &self.options.application_name)
    }

    /// The passwords of the connection.
    #[must_use]
    pub fn secrets(&self) -> Vec<Secret> {
        self.conninfo.secrets()
    }

    /// The signals that are watched for.
    #[must_use]
    pub fn interrupt(&self) -> Option<Interrupt> {
        self.interrupt.clone()
    }

    /// Stops where a signal came; nothing was run by then.
    ///
    /// # Errors
    /// One came.
    pub fn check_signal(&self) -> Result<()> {
        match self.asked_to_stop() {
            Some(_) => Err(stopped(self.interrupt.as_ref()).note("nothing was run")),
            None => Ok(()),
        }
    }

    /// The answers that say where the database stands.
    pub(super) fn ask_standing(&mut self) -> Result<Vec<Answer>> {
        let (limits, questions) = (self.first_limits_sql(), self.standing_questions());
        let messages: Vec<&str> = [&limits].into_iter().chain(&questions).map(String::as_str).collect();
        Ok(self.ask(&messages)?.split_off(1))
    }

    /// [`Session::read_standing`] for a session that goes on to change what it read.
    pub(super) fn read_writable(&mut self, answers: &[Answer]) -> Result<Standing> {
        let (standing, mut found) = self.read_standing(answers, Purpose::Change)?;
        found.journal_is_closed =
            answers.get(2).and_then(|journal| journal.error.as_ref()).is_some_and(|error| error.code == "42501");
        self.check_writable(&found)?;
        Ok(standing)
    }

    /// The messages whose answers say where the database stands.
    pub(super) fn standing_questions(&self) -> Vec<String> {
        let regclass = |table: String| format!("pg_catalog.to_regclass({})", literal(&table));
        let (version, history) = (regclass(self.tables.version()), regclass(self.tables.history()));
        let journal = regclass(self.tables.progress());
        let about = format!(
            "SELECT {version} IS NOT NULL, {history} IS NOT NULL, \
             pg_catalog.to_regnamespace({}) IS NOT NULL, pg_catalog.row_security_active({version}::pg_catalog.oid), {}",
            literal(&identifier(&self.tables.schema)),
            Preflight::columns(&version, &history, &journal),
        );
        let patience = self.patience();
        // Sorted here: a new session would have to look up how.
        let rows = format!("{patience}SELECT {COLUMN} FROM {}", self.tables.version());
        let progress = format!("{patience}{}", self.tables.read_progress());
        let repeated = self.asks_for_repeated.then(|| format!("{patience}{}", self.tables.read_repeated()));
        [about, rows, progress].into_iter().chain(repeated).chain(self.identity_question()).collect()
    }

    /// What begins a message that only reads, and yields no row. The limits are the message's own, which is one transaction:
    /// a table that somebody holds must not keep a reader, whatever the session's limits are.
    pub(super) fn patience(&self) -> String {
        let lock = match self.limits.lock_timeout {
            limit if limit.is_zero() || limit > READING => READING,
            limit => limit,
        };
        format!(
            "SELECT WHERE pg_catalog.set_config('lock_timeout', '{}', true) IS NULL \
             OR pg_catalog.set_config('statement_timeout', '{}', true) IS NULL;\n",
            lock.as_millis(),
            self.limits.statement_timeout.as_millis()
        )
    }

    /// Reads the answers to [`Session::standing_questions`]. A database other than the one that is meant is refused.
    pub(super) fn read_standing(&mut self, answers: &[Answer], purpose: Purpose) -> Result<(Standing, Preflight)> {
        let [about, rows, progress, others @ ..] = answers else {
            return Err(Error::failed("the server left a question unanswered"));
        };
        let (repeated, identity) = others.split_at(others.len().min(usize::from(self.asks_for_repeated)));
        if let Some(error) = &about.error {
            let explained = explain(error, "cannot look for the version table");
            if let Ok(rows) = self.run("SELECT CURRENT_USER", "cannot ask for the role")
                && let Some(role) = rows.first().and_then(|row| row.get(0))
            {
                self.role = identifier(role);
            }
            return Err(match error.code.as_str() {
                "42501" => {
                    let (schema, role) = (identifier(&self.tables.schema), &self.role);
                    explained.hint(format!("GRANT USAGE ON SCHEMA {schema} TO {role};"))
                }
                _ => explained,
            });
        }
        let found = Preflight::read(about.rows.first(), 4);
        self.role = found.role.as_deref().map_or_else(|| self.role.clone(), identifier);
        self.process.clone_from(&found.process);
        self.lacking_on_journal.clone_from(&found.missing_on_journal);
        self.check_role(&found)?;
        self.check_identity(&found, identity.first())?;
        if about.rows.first().and_then(|row| row.get(3)) == Some("t") {
            let table = self.tables.version();
            return Err(Error::failed(format!("row level security hides rows of {table} from this role"))
                .note("without them the database would look as if nothing were applied; nothing was changed")
                .hint(format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY; or work as its owner")));
        }
        let fact = |column: usize| about.rows.first().and_then(|row| row.get(column));
        let version_table = fact(0) == Some("t");
        // A table that is not there was known from the first answer, and asking for its rows cost no round trip.
        if let Some(error) = rows.error.as_ref().filter(|_| version_table) {
            if error.code == "55P03" {
                let table = self.tables.version();
                return Err(self.is_held(&table));
            }
            if error.code == "42501" && purpose == Purpose::Change {
                // It says all that is missing.
                self.check_writable(&found)?;
            }
            let table = self.tables.version();
            let explained = explain(error, &format!("cannot read the version table {table}"));
            return Err(match error.code.as_str() {
                "42501" => explained.hint(format!("GRANT SELECT ON {table} TO {};", self.role)),
                _ => explained,
            });
        }
        match &progress.error {
            // A journal that is not there, or that this role may not read: `check_writable` judges that.
            None => {}
            Some(error) if matches!(error.code.as_str(), "42P01" | "3F000" | "42501") => {}
            Some(error) if error.code == "55P03" => {
                let table = self.tables.progress();
                return Err(self.is_held(&table));
            }
            Some(error) => return Err(explain(error, &format!("cannot read the table {}", self.tables.progress()))),
        }
        let repeated = repeated.first().map_or(Ok(Vec::new()), |answer| self.read_repeated(answer))?;
        let mut standing: Vec<String> = rows.rows.iter().filter_map(|row| row.get(0).map(str::to_owned)).collect();
        standing.sort_unstable();
        // PostgreSQL keeps the length of a `varchar` with that of its own header, which is 4.
        let modifier = rows.columns.first().map_or(-1, |column| column.modifier);
        let standing = Standing {
            place: self.place.clone(),
            rows: standing,
            version_table,
            schema: fact(2) == Some("t"),
            history_table: fact(1) == Some("t"),
            // A database whose tables another tool made, or an earlier version, has none.
            progress_table: progress.error.as_ref().is_none_or(|error| error.code == "42501"),
            progress: progress
                .rows
                .iter()
                .filter_map(|row| Progress::read((0..).map(|column| row.get(column))))
                .collect(),
            repeated,
            width: usize::try_from(modifier - 4).ok().filter(|width| *width > 0),
        };
        Ok((standing, found))
    }

    /// What the history says of repeatable files.
    fn read_repeated(&mut self, answer: &Answer) -> Result<Vec<Repeated>> {
        let read = |row: &Row| {
            let (id, checksum) = (row.get(0)?.to_owned(), row.get(1)?.to_owned());
            let number = row.get(3)?.parse().ok()?;
            let (undone_since, done) = (row.get(2) == Some("t"), row.get(4) == Some("t"));
            Some(Repeated { id, checksum, row: number, done, undone_since, applied_since: row.get(5) == Some("t") })
        };
        match &answer.error {
            None => Ok(answer.rows.iter().filter_map(read).collect()),
            // Where there is no history, none was run.
            Some(error) if matches!(error.code.as_str(), "42P01" | "3F000") => Ok(Vec::new()),
            Some(error) if error.code == "55P03" => {
                let table = self.tables.history();
                Err(self.is_held(&table))
            }
            Some(error) => {
                let explained = explain(error, "cannot read the history, to see which repeatable files were run");
                Err(match error.code.as_str() {
                    "42501" => explained.hint(format!("GRANT SELECT ON {} TO {};", self.tables.history(), self.role)),
                    _ => explained,
                })
            }
        }
    }

    /// The answers to several messages in one round trip.
    pub(super) fn ask(&mut self, messages: &[&str]) -> Result<Vec<Answer>> {
        self.ask_until(messages, self.overdue())
    }

    /// The same, before `deadline`.
    pub(super) fn ask_until(&mut self, messages: &[&str], deadline: Option<Instant>) -> Result<Vec<Answer>> {
        self.take_ahead_until(deadline)?;
        match self.connection.query_pipeline(messages, deadline) {
            Ok(answers) => Ok(answers),
            Err(error) => Err(self.trouble(&error)),
        }
    }

    /// Runs the tool's own SQL.
    pub(super) fn run(&mut self, sql: &str, doing: &str) -> Result<Vec<Row>> {
        match self.connection.query(sql, self.overdue()) {
            Ok(rows) => Ok(rows),
            Err(QueryError::Server(error)) => Err(explain(&error, doing)),
            Err(error) => Err(self.trouble(&error)),
        }
    }

    pub(super) fn trouble(&mut self, error: &QueryError) -> Error {
        if matches!(error, QueryError::Woken) {
            let stopped = stopped(self.interrupt.as_ref()).note("nothing was run");
            // The answer is still to come, and would be taken for the next one's.
            let _ = self.connection.settle(Some(Instant::now() + SOON));
            return stopped;
        }
        if matches!(error, QueryError::Timeout) {
            super::silence::end(self);
        }
        let failed = Error::failed(error.to_string()).note(format!("on {}", self.place));
        match error {
            QueryError::Timeout if self.pooling.is_some() || self.process.is_none() => failed.note(
                "if a pooler stands before the server, all its server connections may be taken (`default_pool_size`)",
            ),
            _ => failed,
        }
    }

    /// The signal that came, if one did.
    pub(super) fn asked_to_stop(&self) -> Option<u8> {
        self.interrupt.as_ref().and_then(Interrupt::take)
    }

    /// How many steps of a run stand in the history as done.
    pub(super) fn count_of_run(&mut self, tables: &Tables, run: &str) -> Result<usize> {
        let sql = format!(
            "SELECT pg_catalog.count(*) FROM {} WHERE run OPERATOR(pg_catalog.=) {} AND NOT {}",
            tables.history(),
            literal(run),
            super::history::is_failure("outcome"),
        );
        let rows = self.run(&sql, "cannot read the history")?;
        rows.first()
            .and_then(|row| row.get(0)?.parse().ok())
            .ok_or_else(|| Error::failed("the server gave no answer about the history"))
    }

    /// The indexes that are not valid, as SQL names them: what a failed CREATE INDEX CONCURRENTLY leaves behind.
    pub(super) fn invalid_indexes(&mut self) -> Result<Vec<String>> {
        let sql = "SELECT i.indexrelid::pg_catalog.regclass FROM pg_catalog.pg_index i WHERE NOT i.indisvalid \
                   AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) i.indexrelid \
                   AND c.relkind OPERATOR(pg_catalog.=) 'i') ORDER BY 1";
        let rows = self.run(sql, "cannot look for invalid indexes")?;
        Ok(rows.iter().filter_map(|row| row.get(0).map(str::to_owned)).collect())
    }
}

/// The error of a run that a signal ended.
pub fn stopped(interrupt: Option<&Interrupt>) -> Error {
    let signal = interrupt.and_then(Interrupt::take).unwrap_or(2);
    Error::new(Kind::Signal(signal), format!("stopped by {}", interrupt::name(signal)))
}

/// A server's error as an error for the user: `title` says what was tried, or what went wrong.
pub(super) fn explain(error: &ServerError, title: &str) -> Error {
    let mut explained = Error::failed(title).code(error.code.clone());
    if title != error.message {
        explained = explained.note(error.message.clone());
    }
    describe(explained, error)
}

/// `error` with the server's DETAIL, HINT and the functions it arose in.
pub(super) fn describe(mut explained: Error, error: &ServerError) -> Error {
    if let Some(detail) = &error.detail {
        explained = explained.note(format!("detail: {detail}"));
    }
    if let Some(super::server_error::Position::Internal { query, .. }) = &error.position {
        explained = explained.note(format!("in the query: {}", query.trim()));
    }
    if let Some(context) = &error.context {
        explained = explained.note(format!("in: {}", context.replace('\n', "\n      ")));
    }
    match &error.hint {
        Some(hint) => explained.hint(hint.clone()),
        None => explained,
    }
}
