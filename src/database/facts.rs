//! What a server tells `ping` of itself, of this role and of extensions. It asks and changes nothing, and judges nothing
//! but what a role lacks to make the tool's tables.

use std::time::{Duration, Instant};

use super::pooler::Pooling;
use super::query::QueryError;
use super::session::{Session, Standing, explain};
use super::wire::event::Row;
use crate::error::{Error, Result};
use crate::model::sql::quote::{identifier, literal};

/// What a server said.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its version, as it writes it: `16.4 (Debian 16.4-1.pgdg120+1)`.
    pub version: String,
    /// The database.
    pub database: String,
    /// The role that logged in.
    pub user: String,
    /// The role that the session works as.
    pub role: String,
    /// Whether that one is a superuser.
    pub superuser: bool,
    /// A role of a cloud provider's that it is a member of: such ones may do some of what superusers may.
    pub administers: Option<String>,
    /// Whether it is a standby.
    pub standby: bool,
    /// Whether transactions are read-only unless they say otherwise.
    pub read_only: bool,
    /// Whether the role may create schemas, and trusted extensions.
    pub creates_in_database: bool,
    /// Whether it may create tables in the schema of the tool's tables.
    pub creates_in_schema: bool,
    /// Where what is named without a schema is created; none where no schema of its `search_path` is there for it.
    pub default_schema: Option<String>,
    /// Whether it may create there.
    pub creates_by_default: bool,
    /// Whether it is another process that was named at the start: a pooler's.
    pub pooled: bool,
}

/// What a server knows of an extension.
#[derive(Clone, Debug, Default)]
pub struct Extension {
    /// Its name.
    pub name: String,
    /// The version that is installed in this database.
    pub installed: Option<String>,
    /// The version that CREATE EXTENSION would install; none where the server has no files of it.
    pub available: Option<String>,
    /// Whether the server has files of the version that is wanted.
    pub has_version: bool,
    /// Whether the schema is there that it is to go into, where one is named.
    pub has_schema: bool,
    /// Whether only a superuser may create it, unless it is trusted.
    pub for_superusers: bool,
    /// Whether whoever may create in the database may create it.
    pub trusted: bool,
    /// What it requires and is not installed.
    pub requires: Vec<String>,
}

/// An extension that is wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Which version; without, the one that the server would choose.
    pub version: Option<String>,
    /// Which schema it is to go into, where one is named.
    pub schema: Option<String>,
}

/// The roles that RDS, Cloud SQL, AlloyDB and Azure give to their customers in place of a superuser's. Which extensions they may
/// create is no catalog's knowledge.
const ADMINISTRATORS: &str = "'rds_superuser', 'cloudsqlsuperuser', 'alloydbsuperuser', 'azure_pg_admin'";

/// How long the answer to an empty message is awaited.
const PATIENCE: Duration = Duration::from_secs(10);

impl Session {
    /// The one address that answered: `127.0.0.1:5432`, or a socket's file.
    #[must_use]
    pub fn host(&self) -> String {
        self.connection.host().to_string()
    }

    /// How long it took to connect: looking up the name, hosts that did not answer and log-in included.
    #[must_use]
    pub fn connected_in(&self) -> Duration {
        self.connected_in
    }

    /// How the connection is encrypted: protocol and cipher; none where it is not.
    #[must_use]
    pub fn tls(&self) -> Option<String> {
        let tls = self.connection.security().tls.as_ref()?;
        Some(format!("{}, {}", tls.version, tls.cipher))
    }

    /// Asks the server about itself and this role: one round trip.
    ///
    /// # Errors
    /// The connection is lost, or the server does not let its catalogs be read.
    pub fn facts(&mut self) -> Result<Facts> {
        let schema = format!("pg_catalog.to_regnamespace({})", literal(&identifier(&self.tables.schema)));
        let sql = format!(
            "SELECT pg_catalog.current_setting('server_version'), pg_catalog.current_database(), SESSION_USER, CURRENT_USER, \
             (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) CURRENT_USER), \
             (SELECT r.rolname FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) ANY \
             (ARRAY[{ADMINISTRATORS}]::pg_catalog.name[]) AND pg_catalog.pg_has_role(r.oid, 'MEMBER') LIMIT 1), \
             pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only'), \
             pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'), \
             pg_catalog.has_schema_privilege({schema}::pg_catalog.oid, 'CREATE'), pg_catalog.pg_backend_pid(), \
             pg_catalog.current_schema(), pg_catalog.has_schema_privilege(pg_catalog.current_schema(), 'CREATE')"
        );
        let rows = self.run(&sql, "cannot ask the server about itself")?;
        let row = rows.first().ok_or_else(|| Error::failed("the server left a question unanswered"))?;
        let text = |column: usize| row.get(column).unwrap_or_default().to_owned();
        let is = |column: usize, word: &str| row.get(column) == Some(word);
        let named = self.connection.process().map(|process| process.to_string());
        self.role = identifier(&text(3));
        Ok(Facts {
            version: text(0),
            database: text(1),
            user: text(2),
            role: text(3),
            superuser: is(4, "t"),
            administers: row.get(5).map(str::to_owned),
            standby: is(6, "t"),
            read_only: is(7, "on"),
            creates_in_database: is(8, "t"),
            creates_in_schema: is(9, "t"),
            default_schema: row.get(11).map(str::to_owned),
            creates_by_default: is(12, "t"),
            pooled: named.as_deref() != row.get(10),
        })
    }

    /// What keeps this role from making the tool's tables that are missing; `journal` where a run would keep one.
    #[must_use]
    pub fn may_not_create(&self, facts: &Facts, standing: &Standing, journal: bool) -> Option<Error> {
        let complete = standing.version_table && standing.history_table && (standing.progress_table || !journal);
        let may = if standing.schema { facts.creates_in_schema } else { facts.creates_in_database };
        (!complete && !may).then(|| {
            Error::failed("this role may not create the tables of versions and history")
                .code("42501")
                .hint(self.grant_to_create(standing.schema))
        })
    }

    /// How the pooler works that stands before the server; a second connection is made to find that out.
    ///
    /// # Errors
    /// It gives no second connection.
    pub fn pooler_mode(&mut self) -> Result<Option<Pooling>> {
        if self.pooling.is_none() {
            self.pooling = self.recognise_pooler()?;
        }
        Ok(self.pooling)
    }

    /// What the server knows of these extensions, in their order: one round trip.
    ///
    /// # Errors
    /// The connection is lost, or the server does not let its catalogs be read.
    pub fn extensions(&mut self, wanted: &[Wanted]) -> Result<Vec<Extension>> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let text = |text: Option<&str>| text.map_or_else(|| "NULL".to_owned(), literal);
        let rows = wanted.iter().enumerate().map(|(number, Wanted { name, version, schema })| {
            let schema = schema.as_deref().map(identifier);
            format!("({number}, {}, {}, {})", literal(name), text(version.as_deref()), text(schema.as_deref()))
        });
        let sql = format!(
            "SELECT w.name, a.installed_version, a.default_version, v.version IS NOT NULL, \
             w.schema IS NULL OR pg_catalog.to_regnamespace(w.schema) IS NOT NULL, v.superuser, v.trusted, \
             ARRAY(SELECT q.name FROM pg_catalog.unnest(v.requires) q(name) WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_extension e \
             WHERE e.extname OPERATOR(pg_catalog.=) q.name)) \
             FROM (VALUES {}) w(number, name, version, schema) \
             LEFT JOIN pg_catalog.pg_available_extensions a ON a.name OPERATOR(pg_catalog.=) w.name::pg_catalog.name \
             LEFT JOIN pg_catalog.pg_available_extension_versions v ON v.name OPERATOR(pg_catalog.=) a.name \
             AND v.version OPERATOR(pg_catalog.=) COALESCE(w.version, a.default_version) ORDER BY w.number",
            rows.collect::<Vec<_>>().join(", ")
        );
        let rows = self.run(&sql, "cannot ask for extensions")?;
        let read = |row: &Row| {
            let list = row.get(7).unwrap_or_default().trim_matches(['{', '}']);
            let requires = list.split(',').map(|name| name.trim_matches('"').to_owned());
            Extension {
                name: row.get(0).unwrap_or_default().to_owned(),
                installed: row.get(1).map(str::to_owned),
                available: row.get(2).map(str::to_owned),
                has_version: row.get(3) == Some("t"),
                has_schema: row.get(4) == Some("t"),
                for_superusers: row.get(5) != Some("f"),
                trusted: row.get(6) == Some("t"),
                requires: requires.filter(|name| !name.is_empty()).collect(),
            }
        };
        Ok(rows.iter().map(read).collect())
    }

    /// The time that a message and its answer take: the median of a few.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn round_trip(&mut self) -> Result<Duration> {
        let mut times = [Duration::ZERO; 5];
        for time in &mut times {
            let began = Instant::now();
            match self.connection.execute("", Some(began + PATIENCE)) {
                Ok(_) => *time = began.elapsed(),
                Err(QueryError::Server(error)) => return Err(explain(&error, "the server does not answer")),
                Err(error) => return Err(self.trouble(&error)),
            }
        }
        times.sort_unstable();
        Ok(times[times.len() / 2])
    }
}
