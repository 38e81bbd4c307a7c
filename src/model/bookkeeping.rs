//! The tool's own SQL: the tables it keeps, the check before a revision and the record after it, as text.
//!
//! The same text is run by a connected `upgrade` and printed by `--sql`. Everything in it is schema-qualified,
//! operators and collations too: a `search_path` that a role brings along must not change its meaning
//! (`docs/safety.md`). Nothing is sent from here.

use sha2::{Digest, Sha256};

use super::sql::quote::{dollar, identifier, literal, qualified};

/// SQLSTATE that the guard raises where the database does not stand where the plan expects. Class `AL` is nobody else's.
pub const MOVED: &str = "ALU01";
/// SQLSTATE that the record raises where the revision's own transaction is no longer the one that was begun.
pub const ESCAPED: &str = "ALU02";
/// SQLSTATE of a record: the revision's script reset all settings, the one among them that the record looks for.
pub const RESET: &str = "ALU05";

/// SQLSTATE that a printed script raises where another run holds the advisory lock.
pub const TAKEN: &str = "ALU03";

/// Which way a step goes; also the word in the history table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// The revision is applied.
    Upgrade,
    /// The revision is undone.
    Downgrade,
    /// The rows are set and nothing is run.
    Stamp,
    /// The file's text is accepted as it is now, and nothing is run.
    Repair,
    /// A repeatable file is run; the rows stay.
    Repeat,
    /// SQL that the settings want run around a run. It is no revision: nothing is recorded of it.
    Hook,
}

impl Action {
    /// `upgrade`, `downgrade`, `stamp`, `repair`, `repeat` or `hook`.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Upgrade => "upgrade",
            Self::Downgrade => "downgrade",
            Self::Stamp => "stamp",
            Self::Repair => "repair",
            Self::Repeat => "repeat",
            Self::Hook => "hook",
        }
    }

    /// What it is done with: `revision`, `repeatable` or `hook`.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Upgrade | Self::Downgrade | Self::Stamp | Self::Repair => "revision",
            Self::Repeat => "repeatable",
            Self::Hook => "hook",
        }
    }

    /// What the history says of one that went well.
    #[must_use]
    pub fn outcome(self) -> &'static str {
        match self {
            Self::Upgrade | Self::Downgrade | Self::Repeat | Self::Hook => "done",
            Self::Stamp => "stamped",
            Self::Repair => "accepted",
        }
    }
}

/// Who runs: what the history table says of it beside what the server knows itself.
#[derive(Clone, Debug)]
pub struct Author {
    /// One id for everything that one command does; `sql` for a printed script, so that a script is the same
    /// whenever it is printed.
    pub run: String,
    /// The operating system's user, where known.
    pub user: Option<String>,
    /// The host the tool runs on, where known.
    pub host: Option<String>,
    /// The tool with its version.
    pub tool: String,
    /// The role to work as, where it is not the one that logs in.
    pub role: Option<String>,
}

/// The rows of the version table that a step expects to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Exactly these, in any order.
    Rows(Vec<String>),
    /// Whatever is there: `stamp --purge` in a printed script.
    Anything,
}

/// What is recorded when a step has run.
#[derive(Clone, Debug)]
pub struct Record {
    /// Which way.
    pub action: Action,
    /// The revision, or the repeatable file, or the stamped targets.
    pub revision: String,
    /// The revision file's checksum: hex SHA-256; none for a stamp.
    pub checksum: Option<String>,
    /// Rows that go.
    pub delete: Vec<String>,
    /// Rows that come.
    pub insert: Vec<String>,
    /// All rows go first, whatever they are.
    pub purge: bool,
    /// What of the journal goes with it.
    pub clears: Clears,
}

impl Record {
    /// Whether the rows are others behind it: then no guard of a later step passes where it failed.
    #[must_use]
    pub fn changes_rows(&self) -> bool {
        self.purge || !self.delete.is_empty() || !self.insert.is_empty()
    }

    /// The rows behind it, in a database that was at the `expected` ones.
    fn rows_behind(&self, expected: &Expected) -> Vec<String> {
        let stay = match expected {
            Expected::Rows(rows) if !self.purge => rows.as_slice(),
            _ => &[],
        };
        stay.iter().filter(|row| !self.delete.contains(row)).chain(&self.insert).cloned().collect()
    }
}

/// What of the journal goes with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clears {
    /// Nothing: the step is one transaction, and its revision has no row there.
    Nothing,
    /// The rows of the step's revision, in both directions: what it says now holds.
    Own,
    /// The rows of these revisions: a stamp decides them.
    These(Vec<String>),
    /// All rows.
    All,
}

/// How a step failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The server's code, where the server said one.
    pub sqlstate: Option<String>,
    /// What was said.
    pub message: String,
    /// How long it had run.
    pub milliseconds: u128,
    /// Whether something of the step stays.
    pub partial: bool,
}

impl Failure {
    /// The outcomes of the history that are failures.
    pub const OUTCOMES: [&'static str; 2] = ["failed", "partial"];

    fn outcome(&self) -> &'static str {
        let [failed, partial] = Self::OUTCOMES;
        if self.partial { partial } else { failed }
    }
}

/// The names of the tables that the tool keeps in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// The schema of all.
    pub schema: String,
    /// One row for each maximal applied revision.
    pub version: String,
    /// What ran, when, by whom, how it ended; append-only.
    pub history: String,
    /// How far revisions in several parts have come; empty but while they run.
    pub progress: String,
}

/// The setting that holds the revision while its transaction lasts.
const MARK: &str = "aludel.revision";
/// The setting that holds the time a revision began, where its last transaction did not begin with it.
const STARTED: &str = "aludel.started";

/// The column of the version table; Alembic's name, so that its table can be taken over.
pub const COLUMN: &str = "version_num";

impl Tables {
    /// Asks the history for the last run of each repeatable file: id, the file's checksum then, whether a revision was undone since, or
    /// the rows were set (which may leave out revisions that somebody undid by hand), the row's number, whether it went well, and whether a revision was applied since.
    #[must_use]
    pub fn read_repeated(&self) -> String {
        let (history, ours) = (self.history(), self.ours());
        let of = |action: Action| format!("{ours} AND direction OPERATOR(pg_catalog.=) {}", literal(action.verb()));
        let went_well = |action: Action| format!("outcome OPERATOR(pg_catalog.=) {}", literal(action.outcome()));
        let done = |action: Action| format!("{} AND {}", of(action), went_well(action));
        let since = |what: &str| {
            format!("id OPERATOR(pg_catalog.<) COALESCE((SELECT pg_catalog.max(id) FROM {history} WHERE {what}), 0)")
        };
        format!(
            "SELECT DISTINCT ON (revision) revision, checksum, {}, id, {}, {} FROM {history} WHERE {} \
             ORDER BY revision, id DESC",
            since(&format!("{} OR {}", done(Action::Downgrade), done(Action::Stamp))),
            went_well(Action::Repeat),
            since(&done(Action::Upgrade)),
            of(Action::Repeat),
        )
    }

    /// The version table, qualified and quoted.
    #[must_use]
    pub fn version(&self) -> String {
        qualified(Some(&self.schema), &self.version)
    }

    /// The history table, qualified and quoted.
    #[must_use]
    pub fn history(&self) -> String {
        qualified(Some(&self.schema), &self.history)
    }

    /// What the primary key of one of the tables is called: as Alembic has it, the table's name with `_pkc`, cut so that
    /// PostgreSQL need not cut it (63 bytes). Its index is in the tables' schema: where the name is another table's, or that of
    /// the key of a table before it, the ending is another.
    pub(super) fn key_of(&self, table: &str) -> String {
        let names = [&self.version, &self.history, &self.progress];
        let mut keys: Vec<String> = Vec::new();
        for name in names {
            let stem = &name[..name.floor_char_boundary(name.len().min(59))];
            // Three tables and two keys can take no more than five of these names.
            let mut candidates = ["c", "2", "3", "4", "5", "6"].map(|end| format!("{stem}_pk{end}")).into_iter();
            let key = candidates.find(|key| !names.contains(&key) && !keys.contains(key)).unwrap_or_default();
            if name == table {
                return key;
            }
            keys.push(key);
        }
        String::new()
    }

    /// The key of the advisory lock: the first 8 bytes of SHA-256 over the tool's and the version table's names.
    /// Advisory locks are each database's own, so its name need not be in it.
    #[must_use]
    pub fn lock_key(&self) -> i64 {
        let digest = Sha256::digest(format!("aludel\0{}\0{}", self.schema, self.version));
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        i64::from_be_bytes(first)
    }

    /// Creates the schema and the tables where they are missing.
    #[must_use]
    pub fn create(&self) -> String {
        let mut sql = String::new();
        if self.schema != "public" {
            sql.push_str(&format!("CREATE SCHEMA IF NOT EXISTS {};\n\n", identifier(&self.schema)));
        }
        sql.push_str(&self.create_version());
        sql.push('\n');
        sql.push_str(&self.create_history());
        sql.push('\n');
        sql.push_str(&self.create_progress());
        sql
    }

    /// Creates the version table where it is missing.
    #[must_use]
    pub fn create_version(&self) -> String {
        format!(
            "CREATE TABLE IF NOT EXISTS {} (\n    {COLUMN} pg_catalog.text NOT NULL,\n    CONSTRAINT {} PRIMARY KEY ({COLUMN})\n);\n",
            self.version(),
            identifier(&self.key_of(&self.version)),
        )
    }

    /// Creates the history table where it is missing.
    #[must_use]
    pub fn create_history(&self) -> String {
        format!(
            "CREATE TABLE IF NOT EXISTS {} (
    id             pg_catalog.int8 GENERATED ALWAYS AS IDENTITY,
    version_table  pg_catalog.text NOT NULL,
    run            pg_catalog.text NOT NULL,
    direction      pg_catalog.text NOT NULL,
    revision       pg_catalog.text NOT NULL,
    checksum       pg_catalog.text,
    outcome        pg_catalog.text NOT NULL,
    sqlstate       pg_catalog.text,
    message        pg_catalog.text,
    started_at     pg_catalog.timestamptz NOT NULL,
    finished_at    pg_catalog.timestamptz NOT NULL,
    role           pg_catalog.text NOT NULL,
    client_user    pg_catalog.text,
    client_host    pg_catalog.text,
    tool           pg_catalog.text NOT NULL,
    CONSTRAINT {} PRIMARY KEY (id)
);
",
            self.history(),
            identifier(&self.key_of(&self.history)),
        )
    }

    /// Takes the advisory lock for a session that runs a printed script, and keeps it until the session ends: a script and a
    /// connected run must not go on side by side either.
    #[must_use]
    pub fn lock_of_a_script(&self) -> String {
        let block = format!(
            "\nBEGIN\n    IF NOT pg_catalog.pg_try_advisory_lock({}) THEN\n        \
             RAISE EXCEPTION 'another run holds the lock on this database' USING ERRCODE = '{TAKEN}';\n    \
             END IF;\nEND\n",
            self.lock_key()
        );
        format!("DO {};\n", dollar(&block))
    }

    /// Takes the lock that keeps every other writer of the version table out until the transaction ends; readers go on.
    #[must_use]
    pub fn lock(&self) -> String {
        format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE;\n", self.version())
    }

    /// The guard: raises [`MOVED`] unless the rows are the `expected` ones, then remembers the revision and the time.
    ///
    /// The revision is remembered until the transaction's end, by which the record knows that it is still the same one.
    /// `scope` says for how long the time is, and with the first of several parts whether nothing of the step may have run
    /// (`fresh`). It is kept as a number, which means the same under any `DateStyle`.
    ///
    /// It runs once for each revision, and what it costs is what many small ones cost: no aggregate is computed, and
    /// nothing is asked inside PL/pgSQL that a plain statement can say (docs/benchmarks.md).
    #[must_use]
    pub fn guard(&self, record: &Record, expected: &Expected, scope: Scope, fresh: bool) -> String {
        let mut sql = String::new();
        if !scope.is_bare() {
            sql.push_str(&format!("SET LOCAL {MARK} = {};\n", literal(&record.revision)));
        }
        let mut check = String::from("\nBEGIN\n");
        if let Expected::Rows(rows) = expected {
            let what = format!("{} of {}", record.action.verb(), record.revision);
            check.push_str(&self.unless_at(rows, &format!("{what} expects the database at {}", spoken(rows))));
        }
        if scope.is_first_part() && fresh {
            check.push_str(&format!(
                "    IF {} THEN\n        RAISE EXCEPTION {} USING ERRCODE = '{MOVED}';\n    END IF;\n",
                self.is_begun(record),
                literal(&format(&format!(
                    "the {} of {} stopped partway before",
                    record.action.verb(),
                    record.revision
                ))),
            ));
        }
        if let Some(local) = scope.remembers_time() {
            check.push_str(&format!(
                "    PERFORM pg_catalog.set_config('{STARTED}',\n        \
                 EXTRACT(epoch FROM pg_catalog.clock_timestamp())::pg_catalog.text, {local});\n"
            ));
        }
        check.push_str("END\n");
        sql.push_str(&format!("DO {};\n", dollar(&check)));
        sql
    }

    /// Raises [`MOVED`] unless the rows are these, in PL/pgSQL. `message` says what is expected.
    fn unless_at(&self, rows: &[String], message: &str) -> String {
        format!(
            "    IF ARRAY(SELECT {COLUMN}::pg_catalog.text FROM {table} ORDER BY {COLUMN} COLLATE pg_catalog.\"C\")
        OPERATOR(pg_catalog.<>) {expected} THEN
        RAISE EXCEPTION {message}, COALESCE((
            SELECT pg_catalog.string_agg({COLUMN}, ',' ORDER BY {COLUMN} COLLATE pg_catalog.\"C\")
            FROM {table}), '{BASE}') USING ERRCODE = '{MOVED}';
    END IF;
",
            table = self.version(),
            expected = array(rows),
            message = literal(&format!("{}; it is at %", format(message))),
        )
    }

    /// Raises [`MOVED`] where a step that is no business of the rows' has changed them, in the transaction that its guard began.
    #[must_use]
    pub fn stays(&self, record: &Record, rows: &[String]) -> String {
        let unless = self.unless_at(rows, &to_leave(record, rows));
        format!("DO {};\n", dollar(&format!("\nBEGIN\n{unless}END\n")))
    }

    /// How many statements [`Tables::guard`] holds.
    #[must_use]
    pub fn statements_of_guard(scope: Scope) -> usize {
        if scope.is_bare() { 1 } else { 2 }
    }

    /// The record: the rows are set and one row of history is written, in the transaction that the guard began.
    ///
    /// It raises [`ESCAPED`] where the script ended that transaction on its own, [`RESET`] where it is the same and its settings are not
    /// (the guard's lock tells: it goes with the transaction), and [`MOVED`] where the rows are not those then that
    /// come of the `expected` ones: the script changed the version table itself, or a trigger on it did.
    #[must_use]
    pub fn record(&self, record: &Record, expected: &Expected, author: &Author, began: Began) -> String {
        let table = self.version();
        let mut sql = format!(
            "
BEGIN
    IF COALESCE(pg_catalog.current_setting('{MARK}', true), '') OPERATOR(pg_catalog.<>) {} THEN
        IF EXISTS (SELECT FROM pg_catalog.pg_locks WHERE granted AND mode OPERATOR(pg_catalog.=) 'ShareRowExclusiveLock'
            AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
            AND relation OPERATOR(pg_catalog.=) {}::pg_catalog.regclass) THEN
            RAISE EXCEPTION {} USING ERRCODE = '{RESET}',
                HINT = 'leave out RESET ALL: settings are put back behind each revision anyway';
        END IF;
        RAISE EXCEPTION {} USING ERRCODE = '{ESCAPED}';
    END IF;
",
            literal(&record.revision),
            literal(&table),
            literal(&format(&format!("the script of {} reset all settings", record.revision))),
            literal(&format(&format!("the script of {} ended its transaction on its own", record.revision))),
        );
        if record.purge {
            sql.push_str(&format!("    DELETE FROM {table};\n"));
        }
        let mut delete = record.delete.as_slice();
        let mut insert = record.insert.as_slice();
        let mut change = |change: String, row: &str| {
            sql.push_str(&format!("    {change} WHERE {COLUMN} OPERATOR(pg_catalog.=) {};\n", literal(row)));
        };
        if let ([old, more_old @ ..], [new, more_new @ ..]) = (delete, insert) {
            change(format!("UPDATE {table} SET {COLUMN} = {}", literal(new)), old);
            (delete, insert) = (more_old, more_new);
        }
        for row in delete {
            change(format!("DELETE FROM {table}"), row);
        }
        for row in insert {
            sql.push_str(&format!("    INSERT INTO {table} ({COLUMN}) VALUES ({});\n", literal(row)));
        }
        let rows = record.rows_behind(expected);
        sql.push_str(&self.unless_at(&rows, &to_leave(record, &rows)));
        sql.push_str("END\n");
        let history = self.history_row(record, author, record.action.outcome(), &began.sql(), None);
        let clear = match &record.clears {
            Clears::Nothing => String::new(),
            Clears::Own => self.forget(record),
            Clears::These(revisions) => self.forget_these(&array(revisions)),
            Clears::All => self.forget_all(),
        };
        format!("DO {};\n{history}{clear}", dollar(&sql))
    }

    /// How many statements [`Tables::record`] holds.
    #[must_use]
    pub fn statements_of_record(record: &Record) -> usize {
        if record.clears == Clears::Nothing { 2 } else { 3 }
    }

    /// A row of history for a step that failed: run on its own after the rollback.
    #[must_use]
    pub fn failure(&self, record: &Record, author: &Author, failure: &Failure) -> String {
        // A failed step's own memory of its start went with its transaction.
        let started = format!(
            "pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) '{} milliseconds'::pg_catalog.interval",
            failure.milliseconds
        );
        self.history_row(record, author, failure.outcome(), &started, Some(failure))
    }

    /// A row of history, with the columns that have a value; `started` is SQL.
    fn history_row(
        &self,
        record: &Record,
        author: &Author,
        outcome: &str,
        started: &str,
        failure: Option<&Failure>,
    ) -> String {
        let texts = [
            ("version_table", Some(self.version.as_str())),
            ("run", Some(author.run.as_str())),
            ("direction", Some(record.action.verb())),
            ("revision", Some(&record.revision)),
            ("checksum", record.checksum.as_deref()),
            ("outcome", Some(outcome)),
            ("sqlstate", failure.and_then(|failure| failure.sqlstate.as_deref())),
            ("message", failure.map(|failure| failure.message.as_str())),
            ("tool", Some(&author.tool)),
            ("client_user", author.user.as_deref()),
            ("client_host", author.host.as_deref()),
        ];
        let texts: Vec<(&str, &str)> = texts.iter().filter_map(|(name, value)| Some((*name, (*value)?))).collect();
        let names: Vec<&str> = texts.iter().map(|(name, _)| *name).collect();
        let values: Vec<String> = texts.iter().map(|(_, value)| literal(value)).collect();
        format!(
            "INSERT INTO {}\n    ({}, role, started_at, finished_at)\nVALUES\n    ({}, SESSION_USER,\n    \
             {started},\n    pg_catalog.clock_timestamp());\n",
            self.history(),
            names.join(", "),
            values.join(", "),
        )
    }
}

/// When a step began, as its record knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Began {
    /// With the transaction that ends with it.
    WithTransaction,
    /// When its guard says, or with the transaction where the script has reset that setting.
    Remembered,
}

impl Began {
    fn sql(self) -> String {
        match self {
            Self::WithTransaction => "pg_catalog.transaction_timestamp()".to_owned(),
            Self::Remembered => {
                let started = format!("pg_catalog.current_setting('{STARTED}', true)");
                format!(
                    "CASE WHEN {started} OPERATOR(pg_catalog.<>) ''\n        \
                     THEN pg_catalog.to_timestamp({started}::pg_catalog.float8)\n        \
                     ELSE pg_catalog.transaction_timestamp() END"
                )
            }
        }
    }
}

/// How long a guard's memory lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One transaction holds the whole revision, and nothing else: it began when the revision did.
    Transaction,
    /// One transaction holds several revisions.
    SharedTransaction,
    /// The first part of a revision in several: a transaction.
    FirstTransaction,
    /// The first part of a revision in several: outside a transaction.
    FirstBare,
    /// A later transaction of a revision in several parts.
    LaterTransaction,
    /// A later part outside a transaction.
    LaterBare,
}

impl Scope {
    /// Whether the part runs outside a transaction.
    #[must_use]
    pub fn is_bare(self) -> bool {
        matches!(self, Self::FirstBare | Self::LaterBare)
    }

    /// Whether it is one of several parts.
    #[must_use]
    pub fn is_a_part(self) -> bool {
        !matches!(self, Self::Transaction | Self::SharedTransaction)
    }

    /// Whether it is the first of several parts.
    fn is_first_part(self) -> bool {
        matches!(self, Self::FirstTransaction | Self::FirstBare)
    }

    /// Whether the time is remembered, and if so the `is_local` of `set_config`.
    fn remembers_time(self) -> Option<bool> {
        match self {
            Self::SharedTransaction => Some(true),
            Self::FirstTransaction | Self::FirstBare => Some(false),
            Self::Transaction | Self::LaterTransaction | Self::LaterBare => None,
        }
    }
}

/// Rows as the guard compares them: sorted by bytes, as `COLLATE "C"` does, joined by commas; none are `base`, which no
/// revision is called.
#[must_use]
pub fn spoken(rows: &[String]) -> String {
    let mut rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    rows.sort_unstable();
    if rows.is_empty() { BASE.to_owned() } else { rows.join(",") }
}

/// Rows as SQL: an array of text, sorted as [`spoken`] sorts them.
fn array(rows: &[String]) -> String {
    let mut rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    rows.sort_unstable();
    let rows: Vec<String> = rows.into_iter().map(literal).collect();
    format!("ARRAY[{}]::pg_catalog.text[]", rows.join(", "))
}

/// How no rows are spoken of.
const BASE: &str = "base";

/// What is said where the rows are others than those that a step was to leave.
fn to_leave(record: &Record, rows: &[String]) -> String {
    format!("{} of {} is to leave the database at {}", record.action.verb(), record.revision, spoken(rows))
}

/// `text` as it stands in the format of a `RAISE`, where `%` is the place of a value.
pub(super) fn format(text: &str) -> String {
    text.replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> Tables {
        Tables {
            schema: "public".into(),
            version: "aludel_version".into(),
            history: "aludel_history".into(),
            progress: "aludel_progress".into(),
        }
    }

    #[test]
    fn the_lock_key_is_the_tables_own_and_does_not_change() {
        assert_eq!(tables().lock_key(), tables().lock_key());
        assert_ne!(tables().lock_key(), Tables { schema: "other".into(), ..tables() }.lock_key());
    }

    #[test]
    fn rows_are_listed_as_the_server_orders_them() {
        assert_eq!(spoken(&["b".into(), "B".into(), "é".into(), "10".into()]), "10,B,b,é");
        assert_eq!(spoken(&[]), "base");
    }

    #[test]
    fn a_long_table_name_gives_a_key_name_that_fits() {
        let long = "ü".repeat(31);
        assert_eq!(Tables { version: long.clone(), ..tables() }.key_of(&long).len(), 58 + 4);
    }

    #[test]
    fn the_names_of_keys_are_nobody_elses() {
        let keys = |names: [&str; 3]| {
            let [version, history, progress] = names.map(str::to_owned);
            let tables = Tables { version, history, progress, ..tables() };
            names.map(|name| tables.key_of(name))
        };
        assert_eq!(keys(["v", "h", "p"]), ["v_pkc", "h_pkc", "p_pkc"]);
        assert_eq!(keys(["v", "v_pkc", "v_pk2"]), ["v_pk3", "v_pkc_pkc", "v_pk2_pkc"]);
        let stem = "x".repeat(59);
        let long = ["a", "b", "c"].map(|end| format!("{stem}{end}"));
        let ends = ["c", "2", "3"].map(|end| format!("{stem}_pk{end}"));
        assert_eq!(keys([&long[0], &long[1], &long[2]]), ends);
    }

    #[test]
    fn a_record_knows_the_rows_behind_it() {
        let rows = |rows: &str| -> Vec<String> { rows.split_whitespace().map(str::to_owned).collect() };
        let behind = |expected: &Expected, delete: &str, insert: &str, purge| {
            let record = Record {
                action: Action::Upgrade,
                revision: "x".into(),
                checksum: None,
                delete: rows(delete),
                insert: rows(insert),
                purge,
                clears: Clears::Nothing,
            };
            record.rows_behind(expected).join(" ")
        };
        let two = Expected::Rows(rows("a b"));
        assert_eq!(behind(&two, "a", "c", false), "b c");
        assert_eq!(behind(&two, "a b", "c d", false), "c d");
        assert_eq!(behind(&two, "", "", false), "a b");
        assert_eq!(behind(&two, "b", "", false), "a");
        assert_eq!(behind(&two, "", "c", true), "c");
        assert_eq!(behind(&Expected::Anything, "", "c", true), "c");
    }

    #[test]
    fn values_are_quoted() {
        let rows = vec!["it's".to_owned()];
        let record = Record {
            action: Action::Upgrade,
            revision: "x".into(),
            checksum: None,
            delete: vec![],
            insert: vec![],
            purge: false,
            clears: Clears::Nothing,
        };
        let guard = tables().guard(&record, &Expected::Rows(rows), Scope::Transaction, true);
        assert!(guard.contains("OPERATOR(pg_catalog.<>) ARRAY['it''s']"), "{guard}");
    }
}
