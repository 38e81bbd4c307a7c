//! The one table of settings: what a key is called, what it takes, what it is without, and what it is for.
//!
//! Reading, `aludel env`, the nearest name in an error and the page for users are all made from it. It reads nothing.

/// What a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A connection string, or `local`. It may hold a password.
    Url,
    /// Directories, one a line, relative to the ini.
    Directories,
    /// A directory, relative to the ini.
    Directory,
    /// A file, relative to the ini.
    File,
    /// A pattern of a file's name, in Alembic's form: `%(rev)s_%(slug)s`. It is taken as it stands.
    FileName,
    /// Commands, one a line, in a shell's quoting.
    Commands,
    /// Commands as above, or `sql: FILE`, relative to the ini.
    Hooks,
    /// A command in a shell's quoting that prints a secret.
    SecretCommand,
    /// A field of what such a command prints as JSON: `password`, `a.b`.
    Field,
    /// A name of PostgreSQL's: at most 63 bytes.
    Identifier,
    /// A database cluster's number: digits.
    SystemIdentifier,
    /// A whole number in this range.
    Number(u32, u32),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true` or `false`, `yes` or `no`, `on` or `off`.
    Boolean,
    /// A number and a unit: `500ms`, `2s`, `5min`, `1h`, or `0`.
    Duration,
    /// `UTC`, `local` or an offset.
    TimeZone,
}

/// A setting.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name in the ini.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What it is where nobody gives it, as it would be written; empty for none.
    pub default: &'static str,
    /// What it is for: one sentence.
    pub documentation: &'static str,
    /// Few need it, so that the ini which `init` writes does not mention it.
    pub rare: bool,
}

macro_rules! keys {
    ($($constant:ident $name:literal $kind:expr, $default:literal, $documentation:literal $(, $rare:ident)?;)*) => {
        $(
            #[doc = $documentation]
            pub const $constant: &Key = &Key {
                name: $name, kind: $kind, default: $default, documentation: $documentation, rare: keys!(@rare $($rare)?),
            };
        )*
        /// Every setting, in the order a page shows them.
        pub const KEYS: &[&Key] = &[$($constant),*];
    };
    (@rare) => { false };
    (@rare rare) => { true };
}

keys! {
    URL "url" Kind::Url, "",
        "the database: a URL or `key=value` pairs, or `local` for a private PostgreSQL for development and tests";
    URL_COMMAND "url_command" Kind::SecretCommand, "",
        "a program that prints the `url`, or JSON with it in the field `url_field`; run without a shell by commands that connect", rare;
    URL_FIELD "url_field" Kind::Field, "",
        "the field of the JSON that `url_command` prints: `url`, `database.url`", rare;
    PASSWORD_COMMAND "password_command" Kind::SecretCommand, "",
        "a program that prints the password, or JSON with it in the field `password_field`; run without a shell by commands that connect";
    PASSWORD_FIELD "password_field" Kind::Field, "",
        "the field of the JSON that `password_command` prints: `password`, `data.password`", rare;
    USER_FIELD "user_field" Kind::Field, "",
        "the field of the same JSON that holds the user, where the `url` names none", rare;
    COMMAND_TIMEOUT "command_timeout" Kind::Duration, "30s",
        "how long `password_command` and `url_command` may take; 0 for no limit", rare;
    VERSION_LOCATIONS "version_locations" Kind::Directories, "versions",
        "the directories that hold revisions, one a line; new ones go to the first";
    RECURSIVE_VERSION_LOCATIONS "recursive_version_locations" Kind::Boolean, "no",
        "whether directories inside them are searched as well";
    FILE_TEMPLATE "file_template" Kind::FileName, "%(rev)s_%(slug)s",
        "the name of a new revision's file without `.sql`, in Alembic's form: rev, slug, epoch, year, month, day, hour, minute, second";
    TRUNCATE_SLUG_LENGTH "truncate_slug_length" Kind::Number(1, 200), "40",
        "how many characters of the message go into the file's name";
    TIMEZONE "timezone" Kind::TimeZone, "UTC",
        "the clock of a new revision's date: `UTC`, `local` or an offset such as `+02:00`";
    REVISION_ID "revision_id" Kind::Choice(&["uuid", "sequence", "timestamp"]), "uuid",
        "how new revisions are numbered: 12 hex digits, `003` after `002`, or `20250101_120000`";
    POST_WRITE_HOOKS "post_write_hooks" Kind::Commands, "",
        "commands to run on each new file, one a line; `{}` stands for its path, as does Alembic's `REVISION_SCRIPT_FILENAME`";
    TEMPLATES "templates" Kind::Directory, "templates",
        "the directory of the project's own templates, which win over the built-in ones";
    VERSION_TABLE "version_table" Kind::Identifier, "aludel_version",
        "the table that says which revisions are applied; `alembic_version` continues an Alembic database";
    VERSION_TABLE_SCHEMA "version_table_schema" Kind::Identifier, "public",
        "the schema of the tool's tables";
    HISTORY_TABLE "history_table" Kind::Identifier, "aludel_history",
        "the table that says what ran, when, by whom and how it ended";
    PROGRESS_TABLE "progress_table" Kind::Identifier, "aludel_progress",
        "the table that says how far a revision in several parts has come", rare;
    EXPECT_DATABASE "expect_database" Kind::Identifier, "",
        "the name that the database must have, or every command that connects is refused", rare;
    EXPECT_SYSTEM_ID "expect_system_id" Kind::SystemIdentifier, "",
        "the server that it must be: what `SELECT system_identifier FROM pg_control_system()` says there", rare;
    CONFIRM "confirm" Kind::Boolean, "no",
        "whether a person must type `yes` before a run, a stamp or a repair changes anything; `--yes` answers for a machine";
    ROLE "role" Kind::Identifier, "",
        "the role to work as, which owns what is made; the one that logs in must be a member of it", rare;
    BEFORE_UPGRADE "before_upgrade" Kind::Hooks, "",
        "what is run before an upgrade, such as a backup, one a line: a command, or `sql: FILE`; one that fails stops the upgrade";
    AFTER_UPGRADE "after_upgrade" Kind::Hooks, "",
        "what is run when an upgrade is done, and the lock still held", rare;
    BEFORE_DOWNGRADE "before_downgrade" Kind::Hooks, "",
        "what is run before a downgrade; one that fails stops it", rare;
    AFTER_DOWNGRADE "after_downgrade" Kind::Hooks, "",
        "what is run when a downgrade is done, and the lock still held", rare;
    ON_FAILURE "on_failure" Kind::Hooks, "",
        "what is run when a run has failed, or a hook of it", rare;
    HOOK_TIMEOUT "hook_timeout" Kind::Duration, "0",
        "how long a command of a hook may take; 0 for no limit", rare;
    TRANSACTION "transaction" Kind::Choice(&["revision", "run"]), "revision",
        "a transaction for each revision, or one for the whole run";
    CHECKSUM "checksum" Kind::Choice(&["warn", "error", "off"]), "warn",
        "what becomes of a revision whose file was changed after it was applied: told of, refused, or not looked for";
    LOCK_WAIT "lock_wait" Kind::Duration, "5min",
        "how long to wait while another run holds the lock; 0 does not wait";
    LOCK_TIMEOUT "lock_timeout" Kind::Duration, "2s",
        "PostgreSQL's lock_timeout: how long a statement waits for a lock before the revision is rolled back and tried again; 0 for no limit";
    LOCK_RETRY_FOR "lock_retry_for" Kind::Duration, "60s",
        "how long a revision that could not get its locks is tried again; 0 does not try again";
    STATEMENT_TIMEOUT "statement_timeout" Kind::Duration, "0",
        "PostgreSQL's statement_timeout: how long a statement may take; 0 for no limit, whatever the role's own is";
    IDLE_IN_TRANSACTION_SESSION_TIMEOUT "idle_in_transaction_session_timeout" Kind::Duration, "1min",
        "PostgreSQL's limit on a transaction that waits for the tool: it frees the locks of one that hangs", rare;
    TRANSACTION_TIMEOUT "transaction_timeout" Kind::Duration, "0",
        "PostgreSQL's transaction_timeout (17 and later): how long a revision may take; 0 for no limit", rare;
    SLOW_AFTER "slow_after" Kind::Duration, "15min",
        "a revision that runs longer is warned of while it runs, and marked in `aludel log`; 0 for never";
    METRICS "metrics" Kind::File, "",
        "a file for node_exporter's textfile collector: what the last upgrade or downgrade was like", rare;
}

/// The section that holds the settings.
pub const SETTINGS_SECTION: &str = "migrate";
/// The section that holds values for revisions with `template: true`.
pub const VARIABLES_SECTION: &str = "variables";

/// The setting with this name.
#[must_use]
pub fn key(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name).copied()
}

/// The settings that take `key` along: a section that gives one of them takes `key` from itself or from a section that lies
/// over it, never from the one below. The password of one server must not be sent to another.
#[must_use]
pub fn taken_along_by(key: &Key) -> &'static [&'static Key] {
    match key.name {
        "url" => &[URL_COMMAND],
        "url_command" => &[URL],
        "url_field" | "password_command" => &[URL, URL_COMMAND],
        "password_field" | "user_field" => &[URL, URL_COMMAND, PASSWORD_COMMAND],
        _ => &[],
    }
}

/// What to do with a key that means something elsewhere, in Alembic or to a person, and nothing here.
#[must_use]
pub fn foreign_key_hint(name: &str) -> Option<&'static str> {
    let hint = match name {
        "sqlalchemy.url" => "call it `url`",
        "script_location" => "name the directory of the revisions: `version_locations = versions`",
        "path_separator" | "version_path_separator" => "remove it: `version_locations` takes one directory a line",
        "prepend_sys_path" | "sourceless" | "output_encoding" | "revision_environment" => {
            "remove it: revisions are SQL files in UTF-8, without Python"
        }
        "transaction_per_migration" => "write `transaction = revision` (the default) or `transaction = run`",
        "hooks" => "write the commands under `post_write_hooks`, one a line",
        "databases" => "write a section for each database, and choose it with `-n NAME`",
        "password" | "pgpassword" | "PGPASSWORD" => {
            "keep it out of this file: `password_command`, PGPASSWORD or ~/.pgpass"
        }
        "host" | "hostname" | "port" | "user" | "username" | "dbname" | "database" => {
            "write one line: `url = postgres://user@host:5432/database`"
        }
        _ => return None,
    };
    Some(hint)
}

/// What to do with a section of alembic.ini.
#[must_use]
pub fn foreign_section_hint(name: &str) -> Option<&'static str> {
    match name {
        "alembic" => Some("call it `[migrate]`"),
        "DEFAULT" => Some("move its keys to `[migrate]`, over which `-n NAME` lays `[NAME]`"),
        "post_write_hooks" => Some("write the commands under `post_write_hooks` in `[migrate]`, one a line"),
        "loggers" | "handlers" | "formatters" => Some("remove it: it is for Python's logging"),
        _ if ["logger_", "handler_", "formatter_"].iter().any(|start| name.starts_with(start)) => {
            Some("remove it: it is for Python's logging")
        }
        _ => None,
    }
}
