//! What is found out about a database before a run changes it: that it is the one that was meant, that it takes changes,
//! that this role may write the tool's tables.
//!
//! The questions travel with those about where the database stands; here the answers are judged. Only a refusal asks more.

use super::query::Answer;
use super::session::{Session, explain};
use super::wire::event::Row;
use crate::error::{Error, Result};
use crate::model::sql::quote::{identifier, literal};
use crate::source::Excerpt;

/// What a setting expects, and where it says so.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The value.
    pub value: String,
    /// Its place in the settings.
    pub excerpt: Option<Excerpt>,
}

/// Which database the settings mean.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Its name.
    pub database: Option<Expectation>,
    /// What `pg_control_system()` calls the cluster: the same on its standbys and copies of its files, and nowhere else.
    pub system: Option<Expectation>,
}

/// Asked of every server; [`Preflight::read`] reads the answer's columns, from the one it is given.
const SERVER: [&str; 7] = [
    "pg_catalog.current_database()",
    "pg_catalog.pg_is_in_recovery()",
    "pg_catalog.current_setting('transaction_read_only')",
    "CURRENT_USER",
    "pg_catalog.pg_backend_pid()",
    "(SELECT EXTRACT(epoch FROM s.backend_start) FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) s)",
    SERVER_START,
];
/// Tells one server from another, as its processes' numbers do not.
pub(super) const SERVER_START: &str = "EXTRACT(epoch FROM pg_catalog.pg_postmaster_start_time())";

/// The rights that a run needs on the version table, and on the journal where it keeps one.
const RIGHTS: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

/// A server process, so that no other one is ever taken for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    /// When it started, where that may be seen.
    pub(super) started: Option<String>,
    /// When its server started.
    pub(super) server_started: String,
}

/// What the database said of itself.
#[derive(Clone, Debug, Default)]
pub struct Preflight {
    database: String,
    standby: bool,
    read_only: bool,
    /// What is missing of [`RIGHTS`] on the version table.
    missing: Vec<&'static str>,
    /// The history table is there and cannot be written.
    silent: bool,
    /// What is missing of [`RIGHTS`] on the journal, where there is one.
    pub(super) missing_on_journal: Vec<&'static str>,
    /// The role that the session works as.
    pub(super) role: Option<String>,
    /// What runs this question; the session, where no pooler gives it away.
    pub(super) process: Option<Process>,
    /// The journal is there and cannot be read: a run must know what stopped partway.
    pub(super) journal_is_closed: bool,
}

impl Preflight {
    /// The columns to ask for; `version`, `history` and `journal` are SQL that gives each table's `regclass` or NULL.
    pub(super) fn columns(version: &str, history: &str, journal: &str) -> String {
        // A right may be given on columns; whether they are all of them, the statement that needs them finds out.
        let right = |table: &str, right: &str| {
            let any = if right == "DELETE" { "table" } else { "any_column" };
            format!("pg_catalog.has_{any}_privilege({table}::pg_catalog.oid, {})", literal(right))
        };
        let rights = |table| RIGHTS.iter().map(move |name| right(table, name));
        let columns = SERVER.iter().map(|column| (*column).to_owned()).chain(rights(version)).chain(rights(journal));
        columns.chain([right(history, "INSERT")]).collect::<Vec<_>>().join(", ")
    }

    /// Reads the answers to [`Preflight::columns`], which begin with the column `first`.
    pub(super) fn read(row: Option<&Row>, first: usize) -> Self {
        let text = |column: usize| row.and_then(|row| row.get(first + column)).unwrap_or_default();
        let missing = |from: usize| {
            let rights = RIGHTS.iter().enumerate();
            rights.filter(|(index, _)| text(from + index) == "f").map(|(_, right)| *right).collect::<Vec<_>>()
        };
        let value = |column: usize| Some(text(column).to_owned()).filter(|text| !text.is_empty());
        let process = |pid| Process { pid, started: value(5), server_started: text(6).to_owned() };
        let after = SERVER.len();
        Self {
            database: text(0).to_owned(),
            standby: text(1) == "t",
            read_only: text(2) == "on",
            missing: missing(after),
            missing_on_journal: missing(after + RIGHTS.len()),
            silent: text(after + 2 * RIGHTS.len()) == "f",
            role: value(3),
            process: text(4).parse().ok().map(process),
            journal_is_closed: false,
        }
    }
}

impl Session {
    /// The question about the cluster's identity, where the settings expect one.
    pub(super) fn identity_question(&self) -> Option<String> {
        let sql = "SELECT s.system_identifier FROM pg_catalog.pg_control_system() s";
        self.identity.system.as_ref().map(|_| sql.to_owned())
    }

    /// Refuses a database other than the settings mean; `system` is the answer to [`Session::identity_question`].
    pub(super) fn check_identity(&self, found: &Preflight, system: Option<&Answer>) -> Result<()> {
        let other = |what: String, expected: &Expectation, key: &str| {
            let error = Error::failed(format!("{what}, and `{key}` expects {}", expected.value));
            let error = expected.excerpt.iter().cloned().fold(error, Error::at);
            Err(error
                .note(format!("on {}", self.place))
                .note("nothing was changed")
                .hint(format!("correct the URL, or `{key}`")))
        };
        if let Some(expected) = &self.identity.database
            && expected.value != found.database
        {
            return other(format!("this is the database {}", found.database), expected, "expect_database");
        }
        let (Some(expected), Some(answer)) = (&self.identity.system, system) else { return Ok(()) };
        if let Some(error) = &answer.error {
            let role = &self.role;
            return Err(explain(error, "cannot ask which server this is, as `expect_system_id` demands")
                .note("nothing was changed")
                .hint(format!("GRANT EXECUTE ON FUNCTION pg_control_system() TO {role};")));
        }
        match answer.rows.first().and_then(|row| row.get(0)).unwrap_or_default() {
            same if same == expected.value => Ok(()),
            found => other(format!("this server's system identifier is {found}"), expected, "expect_system_id"),
        }
    }

    /// Refuses a database that a run could not change, before it is begun.
    pub(super) fn check_writable(&mut self, found: &Preflight) -> Result<()> {
        if found.standby {
            return Err(self.standby());
        }
        if found.read_only {
            return Err(self.read_only(&found.database));
        }
        let (version, history) = (self.tables.version(), self.tables.history());
        let all = RIGHTS.join(", ");
        // What is missing, on which table, and what to grant there.
        let mut lacking = Vec::new();
        if !found.missing.is_empty() {
            lacking.push((found.missing.join(", "), version, all.as_str()));
        }
        if found.silent {
            lacking.push(("INSERT".to_owned(), history, "SELECT, INSERT"));
        }
        // A run that needs no journal must only be able to read it.
        if found.journal_is_closed || !lacking.is_empty() {
            lacking.extend(self.lacking_on_journal());
        }
        self.refuse_rights(&lacking)
    }

    /// Refuses a journal that cannot be written, for a run that keeps one.
    pub(super) fn check_journal(&self) -> Result<()> {
        self.refuse_rights(&self.lacking_on_journal().into_iter().collect::<Vec<_>>())
    }

    fn lacking_on_journal(&self) -> Option<(String, String, &'static str)> {
        let missing = &self.lacking_on_journal;
        (!missing.is_empty()).then(|| (missing.join(", "), self.tables.progress(), "SELECT, INSERT, UPDATE, DELETE"))
    }

    fn refuse_rights(&self, lacking: &[(String, String, &str)]) -> Result<()> {
        if lacking.is_empty() {
            return Ok(());
        }
        let told: Vec<String> = lacking.iter().map(|(rights, table, _)| format!("{rights} on {table}")).collect();
        let error = Error::failed(format!("this role lacks rights: {}", told.join("; ")))
            .code("42501")
            .note(if self.role == identifier(&self.conninfo.user) {
                "the tool's own tables are written by the role that logged in".to_owned()
            } else {
                format!(
                    "the tool's own tables are written by {}, the role that the session is given at its start",
                    self.role
                )
            })
            .note("nothing was changed");
        let role = &self.role;
        Err(lacking
            .iter()
            .fold(error, |error, (_, table, rights)| error.hint(format!("GRANT {rights} ON {table} TO {role};"))))
    }

    fn standby(&mut self) -> Error {
        let sql = "SELECT r.sender_host, r.sender_port FROM pg_catalog.pg_stat_wal_receiver r";
        let rows = self.run(sql, "cannot ask for the primary").unwrap_or_default();
        // Only a role that may see it is told.
        let primary = rows.first().and_then(|row| Some(format!("{}:{}", row.get(0)?, row.get(1)?)));
        let error = Error::failed("this server is a standby: it takes no changes")
            .code("25006")
            .note(format!("on {}", self.place));
        let error = primary.into_iter().fold(error, |error, primary| error.note(format!("its primary is {primary}")));
        error.note("nothing was changed").hint(
            "give the primary's address; or name all servers, and ask for the one that takes changes: \
             `host=one,two target_session_attrs=read-write`",
        )
    }

    fn read_only(&mut self, database: &str) -> Error {
        const SETTING: &str = "default_transaction_read_only";
        let sql =
            format!("SELECT s.source FROM pg_catalog.pg_settings s WHERE s.name OPERATOR(pg_catalog.=) '{SETTING}'");
        let rows = self.run(&sql, "cannot ask where it is set").unwrap_or_default();
        let (role, database) = (&self.role, identifier(database));
        // Whoever puts it back may be under it as well.
        let first = format!("if that is not deliberate: SET {SETTING} = off;");
        let hint = match rows.first().and_then(|row| row.get(0)).unwrap_or_default() {
            "user" => format!("{first} ALTER ROLE {role} RESET {SETTING};"),
            "database" => format!("{first} ALTER DATABASE {database} RESET {SETTING};"),
            "database user" => format!("{first} ALTER ROLE {role} IN DATABASE {database} RESET {SETTING};"),
            "global" => format!("{first} ALTER ROLE ALL RESET {SETTING};"),
            "configuration file" => {
                format!("if that is not deliberate: ALTER SYSTEM RESET {SETTING}; SELECT pg_reload_conf();")
            }
            "client" => format!("take `{SETTING}` out of `options` in the URL, or out of PGOPTIONS"),
            _ => "work as a role that may write".to_owned(),
        };
        Error::failed(format!("transactions are read-only here: `{SETTING}` is on"))
            .code("25006")
            .note(format!("on {}", self.place))
            .note("nothing was changed")
            .hint(hint)
    }

    /// A table of the tool's cannot be read because somebody holds it.
    pub(super) fn is_held(&mut self, table: &str) -> Error {
        let holders = self.holders(table);
        let error = Error::failed(format!("another session holds the table {table}")).code("55P03");
        let error = holders.iter().fold(error, |error, holder| error.note(format!("held by {}", holder.told)));
        let error = error.note("nothing was changed");
        match holders.first() {
            Some(holder) => error.hint(format!(
                "wait until its transaction ends; or, if nobody needs it: SELECT pg_terminate_backend({});",
                holder.pid
            )),
            None => error.hint("try again later"),
        }
    }
}
