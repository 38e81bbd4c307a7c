//! The header of a revision file: its first run of `--` lines, which without their `-- ` are one YAML mapping.
//!
//! It turns the text of a file, or its beginning, into a [`Header`], or says what is wrong and at which bytes.
//! It reads no file, knows no other revision (whether a parent exists is the graph's question), and leaves the
//! sections below the header alone.
//!
//! Two readers give the same [`fields`]: `plain` for lines whose meaning in YAML is beyond doubt (nearly
//! all, and ten thousand headers are read at every start), `yaml` for the rest. A test holds them together.

mod fields;
mod lines;
mod plain;
mod yaml;

use std::ops::Range;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime};

pub use self::fields::Key;
use self::fields::{Fields, Text, Value};
pub use self::lines::{extent, text};
use super::repeatable::Repeatable;
use super::revision::{Name, NameError, Revision};
use super::timeout::Timeout;

/// A header that ends behind this byte of its file is refused: nothing but a file of comments is that long.
pub const LONGEST: usize = 32 * 1024;

/// How many bytes of a file are read at most to find its header and what stands just below it.
pub const FARTHEST: usize = 2 * LONGEST;

/// What a revision file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its place in the graph.
    pub revision: Revision,
    /// How it is run.
    pub settings: Settings,
}

/// What a repeatable file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepeatableHeader {
    /// What it is.
    pub repeatable: Repeatable,
    /// How it is run.
    pub settings: Settings,
}

/// What a header says of how its revision is run, and when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// When the file was made, as written: with its offset.
    pub created: Option<DateTime<FixedOffset>>,
    /// Whether its sections run in a transaction where they do not say otherwise.
    pub transaction: bool,
    /// Whether its body is a template.
    pub template: bool,
    /// How long one of its statements may wait for a lock; nothing: as the configuration says.
    pub lock_timeout: Option<Timeout>,
    /// How long one of its statements may take; nothing: as the configuration says.
    pub statement_timeout: Option<Timeout>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { created: None, transaction: true, template: false, lock_timeout: None, statement_timeout: None }
    }
}

/// What is wrong with a header, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderError {
    /// What is wrong.
    pub problem: Problem,
    /// The bytes it is at, in the text that was given.
    pub range: Range<usize>,
}

/// What can be wrong with a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The file is not UTF-8 at this byte.
    NotUtf8,
    /// The file begins with UTF-16's byte order mark.
    Utf16,
    /// A character that cannot stand there: a control character, a carriage return without a line feed, or one that looks
    /// like a blank and is none to YAML.
    Control(char),
    /// The file does not begin with `--` lines that say anything.
    Absent,
    /// The header is longer than [`LONGEST`].
    TooLong,
    /// A line of the header is prose, not `key: value`.
    Prose,
    /// It is not YAML: what its parser says.
    Yaml(String),
    /// An anchor, an alias or a tag: a header has no use for them.
    Reference,
    /// A key that no header has, and the one that may have been meant.
    UnknownKey(String, Option<Key>),
    /// A key that was given before, at these bytes.
    KeyTwice(Key, Range<usize>),
    /// A key's value has the wrong form.
    WrongType(Key),
    /// A key's value cannot be the name of a revision or label.
    BadName(Key, NameError),
    /// This is missing, which is the file's id: `revision`, or `repeatable`.
    MissingId(Key),
    /// A key of a revision in a repeatable file.
    NotForRepeatable(Key),
    /// `repeatable` in a revision's file.
    NotForRevision,
    /// A line that git writes around the sides of a conflict.
    Conflict,
    /// A comment below the header that looks like one of its lines: a blank line cut the header in two.
    CutOff(Key),
}

impl Header {
    /// The header of a file whose text, or the beginning of it as far as [`extent`] says, is `text`.
    /// A byte order mark, CRLF, and anything below the header are accepted.
    ///
    /// # Errors
    /// What is wrong, at which bytes of `text`.
    pub fn parse(text: &str) -> Result<Self, HeaderError> {
        interpret(text, &read(text)?)
    }
}

impl RepeatableHeader {
    /// The header of a repeatable file, as [`Header::parse`] reads a revision's.
    ///
    /// # Errors
    /// The same, and what only a revision can say.
    pub fn parse(text: &str) -> Result<Self, HeaderError> {
        let fields = read(text)?;
        for key in [Key::Revision, Key::Parents, Key::Labels, Key::Transaction] {
            if let Some((range, _)) = fields.get(key) {
                return Err(HeaderError { problem: Problem::NotForRepeatable(key), range: range.clone() });
            }
        }
        let repeatable = Repeatable {
            id: id(text, &fields, Key::Repeatable)?,
            depends_on: names(&fields, Key::DependsOn)?,
            message: message(&fields)?,
        };
        Ok(Self { repeatable, settings: settings(&fields)? })
    }
}

/// The bytes of `text` at which its header says `key`, or, where `name` is given, names it under that key.
/// For errors that are found later, when the header's places are long gone.
#[must_use]
pub fn locate(text: &str, key: Key, name: Option<&str>) -> Option<Range<usize>> {
    let fields = read(text).ok()?;
    let (key_range, value) = fields.get(key)?;
    match (name, value) {
        (None, Value::Nothing) => Some(key_range.clone()),
        (None, Value::Scalar(scalar)) => Some(scalar.range.clone()),
        (None, Value::List(items)) => Some(items.first().map_or_else(|| key_range.clone(), |item| item.range.clone())),
        (Some(_), Value::Nothing) => None,
        (Some(name), Value::Scalar(scalar)) => (scalar.text == name).then(|| scalar.range.clone()),
        (Some(name), Value::List(items)) => items.iter().find(|item| item.text == name).map(|item| item.range.clone()),
    }
}

/// A text for the value of a header line that reads back as `value`: bare where that is beyond doubt, else quoted.
#[must_use]
pub fn quoted(value: &str) -> String {
    if plain::is_plain(value) { value.to_owned() } else { yaml::double_quoted(value) }
}

/// The fields of the header in `text`, by whichever reader can.
fn read(text: &str) -> Result<Fields<'_>, HeaderError> {
    lines::check_conflict(text)?;
    let fields = match plain::fields(lines::header(text)) {
        Some(fields) => fields,
        None => yaml::fields(text)?,
    };
    lines::check_below(text)?;
    Ok(fields)
}

/// What the fields say.
fn interpret(text: &str, fields: &Fields<'_>) -> Result<Header, HeaderError> {
    if let Some((range, _)) = fields.get(Key::Repeatable) {
        return Err(HeaderError { problem: Problem::NotForRevision, range: range.clone() });
    }
    let revision = Revision {
        id: id(text, fields, Key::Revision)?,
        parents: names(fields, Key::Parents)?,
        depends_on: names(fields, Key::DependsOn)?,
        labels: names(fields, Key::Labels)?,
        message: message(fields)?,
    };
    Ok(Header { revision, settings: settings(fields)? })
}

/// The file's own id, which stands under `key`.
fn id(text: &str, fields: &Fields<'_>, key: Key) -> Result<Name, HeaderError> {
    match fields.get(key) {
        None => Err(HeaderError { problem: Problem::MissingId(key), range: lines::first(text) }),
        Some((_, Value::Scalar(id))) => name(key, id),
        Some((range, Value::Nothing)) => Err(wrong_type(key, range.clone())),
        Some((range, Value::List(items))) => Err(wrong_type(key, span(range, items))),
    }
}

/// A time of RFC 3339, or a date alone, which is its beginning in UTC: other tools' files often know no more.
fn time(text: &str) -> Option<DateTime<FixedOffset>> {
    let date = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == "2025-11-20".len());
    let midnight = || Some(date()?.and_time(NaiveTime::MIN).and_utc().fixed_offset());
    DateTime::parse_from_rfc3339(text).ok().or_else(midnight)
}

fn settings(fields: &Fields<'_>) -> Result<Settings, HeaderError> {
    Ok(Settings {
        created: scalar(fields, Key::Created, Nothing::Absent, time)?,
        transaction: scalar(fields, Key::Transaction, Nothing::Wrong, truth)?.unwrap_or(true),
        template: scalar(fields, Key::Template, Nothing::Wrong, truth)?.unwrap_or(false),
        lock_timeout: scalar(fields, Key::LockTimeout, Nothing::Wrong, timeout)?,
        statement_timeout: scalar(fields, Key::StatementTimeout, Nothing::Wrong, timeout)?,
    })
}

/// What a key without a value means.
#[derive(Clone, Copy)]
enum Nothing {
    /// The same as no such key.
    Absent,
    /// Somebody forgot the value.
    Wrong,
}

/// The value of a key that holds one text which `parse` understands.
fn scalar<T>(
    fields: &Fields<'_>,
    key: Key,
    nothing: Nothing,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, HeaderError> {
    match (fields.get(key), nothing) {
        (None, _) | (Some((_, Value::Nothing)), Nothing::Absent) => Ok(None),
        (Some((range, Value::Nothing)), Nothing::Wrong) => Err(wrong_type(key, range.clone())),
        (Some((_, Value::Scalar(value))), _) => {
            parse(&value.text).map(Some).ok_or_else(|| wrong_type(key, value.range.clone()))
        }
        (Some((range, Value::List(items))), _) => Err(wrong_type(key, span(range, items))),
    }
}

/// The message: one line, whose control characters would otherwise reach a terminal.
fn message(fields: &Fields<'_>) -> Result<String, HeaderError> {
    let one_line = |text: &str| {
        let text = text.trim_end_matches('\n');
        (!text.contains(char::is_control)).then(|| text.to_owned())
    };
    Ok(scalar(fields, Key::Message, Nothing::Absent, one_line)?.unwrap_or_default())
}

/// The names under a key that holds one, several or none.
fn names(fields: &Fields<'_>, key: Key) -> Result<Vec<Name>, HeaderError> {
    match fields.get(key) {
        None | Some((_, Value::Nothing)) => Ok(Vec::new()),
        Some((_, Value::Scalar(one))) => Ok(vec![name(key, one)?]),
        Some((_, Value::List(items))) => items.iter().map(|item| name(key, item)).collect(),
    }
}

fn name(key: Key, value: &Text<'_>) -> Result<Name, HeaderError> {
    Name::new(&value.text)
        .map_err(|error| HeaderError { problem: Problem::BadName(key, error), range: value.range.clone() })
}

fn timeout(text: &str) -> Option<Timeout> {
    Timeout::parse(text).ok()
}

fn truth(text: &str) -> Option<bool> {
    text.parse().ok()
}

fn wrong_type(key: Key, range: Range<usize>) -> HeaderError {
    HeaderError { problem: Problem::WrongType(key), range }
}

/// The bytes of a list's items, or of its key where it has none.
fn span(key: &Range<usize>, items: &[Text<'_>]) -> Range<usize> {
    match (items.first(), items.last()) {
        (Some(first), Some(last)) => first.range.start..last.range.end,
        _ => key.clone(),
    }
}

#[cfg(test)]
mod tests;
