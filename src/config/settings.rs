//! The settings of `[migrate]` with their types; what each means is in the table of [`super::keys`].
//!
//! It reads every setting but `url`, which only commands that connect ask for.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::keys::{self, Key, Kind};
use super::lookup::{Line, Lookup, refused};
use super::origin::Sourced;
use super::secret_command::SecretCommand;
use super::values::{self, ChangedFiles, Command, Hook, RevisionId, TimeZone, ValueError};
use crate::error::Result;
use crate::model::program::TransactionScope;

/// What `[migrate]`, overlaid by `-n NAME`, says. Paths are joined to the ini's directory.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Directories of revisions, at least one, none twice.
    pub version_locations: Vec<Sourced<PathBuf>>,
    /// Whether directories inside them are searched.
    pub recursive_version_locations: Sourced<bool>,
    /// The pattern of a new file's name, as written: `%(rev)s_%(slug)s`.
    pub file_template: Sourced<String>,
    /// Characters of the message in a file's name.
    pub truncate_slug_length: Sourced<usize>,
    /// The clock of new revisions.
    pub timezone: Sourced<TimeZone>,
    /// How new revisions are numbered.
    pub revision_id: Sourced<RevisionId>,
    /// Commands for each new file.
    pub post_write_hooks: Vec<Sourced<Command>>,
    /// The directory of the project's own templates; it need not exist.
    pub templates: Sourced<PathBuf>,
    /// The version table, without its schema.
    pub version_table: Sourced<String>,
    /// The schema of both tables.
    pub version_table_schema: Sourced<String>,
    /// The history table, without its schema.
    pub history_table: Sourced<String>,
    /// The journal's table, without its schema.
    pub progress_table: Sourced<String>,
    /// The name that the database must have.
    pub expect_database: Option<Sourced<String>>,
    /// The number that the database's cluster must have.
    pub expect_system_id: Option<Sourced<String>>,
    /// Whether a person must confirm what would be changed.
    pub confirm: Sourced<bool>,
    /// The role to work as.
    pub role: Option<Sourced<String>>,
    /// What is run around a run.
    pub hooks: Hooks,
    /// How long a hook's command may take; zero is no limit.
    pub hook_timeout: Sourced<Duration>,
    /// How far a transaction reaches.
    pub transaction: Sourced<TransactionScope>,
    /// What becomes of files that were changed after they were applied.
    pub checksum: Sourced<ChangedFiles>,
    /// The program that says where the database is.
    pub url_command: Option<SecretCommand>,
    /// The program that says the password.
    pub password_command: Option<SecretCommand>,
    /// How long such a program may take; zero is no limit.
    pub command_timeout: Sourced<Duration>,
    /// How long to wait for the lock; zero does not wait.
    pub lock_wait: Sourced<Duration>,
    /// PostgreSQL's lock_timeout; zero is no limit.
    pub lock_timeout: Sourced<Duration>,
    /// How long a revision that could not get its locks is tried again.
    pub lock_retry_for: Sourced<Duration>,
    /// PostgreSQL's statement_timeout; zero is no limit.
    pub statement_timeout: Sourced<Duration>,
    /// PostgreSQL's idle_in_transaction_session_timeout; zero is no limit.
    pub idle_in_transaction_session_timeout: Sourced<Duration>,
    /// PostgreSQL's transaction_timeout; zero is no limit.
    pub transaction_timeout: Sourced<Duration>,
    /// A revision that takes longer is slow; zero is never.
    pub slow_after: Sourced<Duration>,
    /// Where to write what a run was like.
    pub metrics: Option<Sourced<PathBuf>>,
}

/// What is run around a run, each in the order written.
#[derive(Clone, Debug)]
pub struct Hooks {
    /// Before an upgrade.
    pub before_upgrade: Vec<Sourced<Hook>>,
    /// When one is done.
    pub after_upgrade: Vec<Sourced<Hook>>,
    /// Before a downgrade.
    pub before_downgrade: Vec<Sourced<Hook>>,
    /// When one is done.
    pub after_downgrade: Vec<Sourced<Hook>>,
    /// When a run has failed.
    pub on_failure: Vec<Sourced<Hook>>,
}

impl Settings {
    /// Reads them; `directory` is the ini's.
    ///
    /// # Errors
    /// The first value that is none of its kind, with its place.
    pub fn read(lookup: &Lookup<'_>, directory: &Path) -> Result<Self> {
        let settings = Self {
            version_locations: version_locations(lookup, directory)?,
            recursive_version_locations: one(lookup, keys::RECURSIVE_VERSION_LOCATIONS, values::boolean)?,
            file_template: file_template(lookup, keys::FILE_TEMPLATE)?,
            truncate_slug_length: number(lookup, keys::TRUNCATE_SLUG_LENGTH)?,
            timezone: one(lookup, keys::TIMEZONE, values::time_zone)?,
            revision_id: one(lookup, keys::REVISION_ID, |text| {
                let [uuid, sequence, timestamp] = [RevisionId::Uuid, RevisionId::Sequence, RevisionId::Timestamp];
                values::choice(text, &[("uuid", uuid), ("sequence", sequence), ("timestamp", timestamp)])
            })?,
            post_write_hooks: commands(lookup, keys::POST_WRITE_HOOKS)?,
            templates: one(lookup, keys::TEMPLATES, |text| Ok(directory.join(text)))?,
            version_table: one(lookup, keys::VERSION_TABLE, values::identifier)?,
            version_table_schema: one(lookup, keys::VERSION_TABLE_SCHEMA, values::identifier)?,
            history_table: one(lookup, keys::HISTORY_TABLE, values::identifier)?,
            progress_table: one(lookup, keys::PROGRESS_TABLE, values::identifier)?,
            expect_database: optional(lookup, keys::EXPECT_DATABASE, values::identifier)?,
            expect_system_id: optional(lookup, keys::EXPECT_SYSTEM_ID, values::system_identifier)?,
            confirm: one(lookup, keys::CONFIRM, values::boolean)?,
            role: optional(lookup, keys::ROLE, values::role)?,
            hooks: Hooks {
                before_upgrade: hooks(lookup, keys::BEFORE_UPGRADE, directory)?,
                after_upgrade: hooks(lookup, keys::AFTER_UPGRADE, directory)?,
                before_downgrade: hooks(lookup, keys::BEFORE_DOWNGRADE, directory)?,
                after_downgrade: hooks(lookup, keys::AFTER_DOWNGRADE, directory)?,
                on_failure: hooks(lookup, keys::ON_FAILURE, directory)?,
            },
            hook_timeout: one(lookup, keys::HOOK_TIMEOUT, values::duration)?,
            transaction: one(lookup, keys::TRANSACTION, |text| {
                values::choice(text, &[("revision", TransactionScope::Revision), ("run", TransactionScope::Run)])
            })?,
            checksum: one(lookup, keys::CHECKSUM, |text| {
                let [warn, error, off] = [ChangedFiles::Warn, ChangedFiles::Error, ChangedFiles::Off];
                values::choice(text, &[("warn", warn), ("error", error), ("off", off)])
            })?,
            url_command: secret_command(lookup, keys::URL_COMMAND, keys::URL_FIELD, None)?,
            password_command: secret_command(
                lookup,
                keys::PASSWORD_COMMAND,
                keys::PASSWORD_FIELD,
                Some(keys::USER_FIELD),
            )?,
            command_timeout: one(lookup, keys::COMMAND_TIMEOUT, values::duration)?,
            lock_wait: one(lookup, keys::LOCK_WAIT, values::duration)?,
            lock_timeout: one(lookup, keys::LOCK_TIMEOUT, values::duration)?,
            lock_retry_for: one(lookup, keys::LOCK_RETRY_FOR, values::duration)?,
            statement_timeout: one(lookup, keys::STATEMENT_TIMEOUT, values::duration)?,
            idle_in_transaction_session_timeout: one(
                lookup,
                keys::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
                values::duration,
            )?,
            transaction_timeout: one(lookup, keys::TRANSACTION_TIMEOUT, values::duration)?,
            slow_after: one(lookup, keys::SLOW_AFTER, values::duration)?,
            metrics: optional(lookup, keys::METRICS, |text| Ok(directory.join(text)))?,
        };
        let tables = [
            (keys::VERSION_TABLE, "version_table", &settings.version_table),
            (keys::HISTORY_TABLE, "history_table", &settings.history_table),
            (keys::PROGRESS_TABLE, "progress_table", &settings.progress_table),
        ];
        for (at, later) in tables.iter().enumerate().rev() {
            let Some(earlier) = tables[..at].iter().find(|earlier| earlier.2.value == later.2.value) else { continue };
            // The one that is written somewhere can be changed there.
            let written = later.2.origin.excerpt().is_some();
            let (first, other) = if written { (later, earlier) } else { (earlier, later) };
            let error = ValueError::new(format!("is the same table as `{}`", other.1));
            return Err(refused(first.0, &first.2.origin, error));
        }
        Ok(settings)
    }
}

/// A setting that must say something.
fn one<T>(
    lookup: &Lookup<'_>,
    key: &Key,
    parse: impl Fn(&str) -> std::result::Result<T, ValueError>,
) -> Result<Sourced<T>> {
    let Sourced { value, origin } = lookup.refusing().line(key)?;
    if value.is_empty() {
        return Err(refused(key, &origin, ValueError::new("has no value")));
    }
    match parse(&value) {
        Ok(value) => Ok(Sourced { value, origin }),
        Err(error) => Err(refused(key, &origin, error)),
    }
}

/// A setting that may be left out; one that is written must say something, or a variable that is not set would take it away.
fn optional<T>(
    lookup: &Lookup<'_>,
    key: &Key,
    parse: impl Fn(&str) -> std::result::Result<T, ValueError>,
) -> Result<Option<Sourced<T>>> {
    lookup.written(key).map(|_| one(lookup, key, parse)).transpose()
}

/// A program that prints a secret, with the fields of what it prints.
fn secret_command(
    lookup: &Lookup<'_>,
    key: &'static Key,
    field: &Key,
    user_field: Option<&Key>,
) -> Result<Option<SecretCommand>> {
    let as_written = |text: &str| {
        let written = lookup.as_written(key).unwrap_or(text);
        values::secret_command(text, written)
    };
    let command = optional(lookup, key, as_written)?;
    let user_field = match user_field {
        Some(key) => optional(lookup, key, values::field)?.map(|field| (key, field)),
        None => None,
    };
    let field = optional(lookup, field, values::field)?.map(|value| (field, value));
    let Some(command) = command else {
        return match field.or(user_field) {
            Some((stray, Sourced { origin, .. })) => {
                let error = ValueError::new(format!("stands alone: it is of what `{}` prints", key.name));
                Err(refused(stray, &origin, error))
            }
            None => Ok(None),
        };
    };
    let value = |given: Option<(&Key, Sourced<String>)>| given.map(|(_, field)| field);
    Ok(Some(SecretCommand { key, command, field: value(field), user_field: value(user_field) }))
}

fn number(lookup: &Lookup<'_>, key: &Key) -> Result<Sourced<usize>> {
    let (least, most) = match key.kind {
        Kind::Number(least, most) => (least, most),
        _ => (0, u32::MAX),
    };
    one(lookup, key, |text| values::number(text, least, most).map(|number| number as usize))
}

fn file_template(lookup: &Lookup<'_>, key: &Key) -> Result<Sourced<String>> {
    let template = lookup.unrendered(key)?;
    if template.value.is_empty() {
        return Err(refused(key, &template.origin, ValueError::new("has no value")));
    }
    Ok(template)
}

fn commands(lookup: &Lookup<'_>, key: &Key) -> Result<Vec<Sourced<Command>>> {
    let parse = |Line { written, rendered: Sourced { value, origin } }| match values::command(&value, &written) {
        Ok(command) => Ok(Sourced { value: command, origin }),
        Err(error) => Err(refused(key, &origin, error)),
    };
    lookup.lines(key)?.into_iter().map(parse).collect()
}

fn hooks(lookup: &Lookup<'_>, key: &Key, directory: &Path) -> Result<Vec<Sourced<Hook>>> {
    let parse = |Line { written, rendered: Sourced { value, origin } }| match values::hook(&value, &written, directory)
    {
        Ok(hook) => Ok(Sourced { value: hook, origin }),
        Err(error) => Err(refused(key, &origin, error)),
    };
    lookup.lines(key)?.into_iter().map(parse).collect()
}

fn version_locations(lookup: &Lookup<'_>, directory: &Path) -> Result<Vec<Sourced<PathBuf>>> {
    let key = keys::VERSION_LOCATIONS;
    let lines = lookup.lines(key)?;
    if lines.is_empty() {
        let origin = lookup.line(key)?.origin;
        return Err(refused(key, &origin, ValueError::new("names no directory")));
    }
    let mut seen = HashSet::new();
    let mut locations = Vec::new();
    for Line { rendered: Sourced { value, origin }, .. } in lines {
        let path = directory.join(value);
        if !seen.insert(path.clone()) {
            return Err(refused(key, &origin, ValueError::new("names a directory twice")));
        }
        locations.push(Sourced { value: path, origin });
    }
    Ok(locations)
}
