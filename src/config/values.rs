//! A value's text made a value: durations, numbers, names, words, commands. Errors are silent about the text itself.
//! Nothing is read but, for [`TimeZone::Local`], what this machine's clock shows.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, FixedOffset, Local, Offset, Utc};

use super::mask;
use crate::model::timeout::{Timeout, TimeoutError};
use crate::nearest::nearest;

/// Why a text is no value of its kind: a fragment that follows the setting's name, and perhaps what to write.
///
/// It never quotes the text, which may have come from a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    /// "is no duration".
    pub problem: String,
    /// What to write.
    pub hint: Option<String>,
}

impl ValueError {
    pub(super) fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl std::fmt::Display for ValueError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.problem)
    }
}

impl std::error::Error for ValueError {}

/// The clock of a new revision's date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeZone {
    /// Coordinated universal time.
    Utc,
    /// This machine's.
    Local,
    /// This far from UTC.
    Offset(FixedOffset),
}

impl TimeZone {
    /// A moment as a clock in this zone shows it, in whole seconds: what a header and a file's name can hold.
    #[must_use]
    pub fn at(self, moment: DateTime<Utc>) -> DateTime<FixedOffset> {
        let moment = DateTime::from_timestamp(moment.timestamp(), 0).unwrap_or(moment);
        match self {
            Self::Utc => moment.with_timezone(&Utc.fix()),
            Self::Local => moment.with_timezone(&Local).fixed_offset(),
            Self::Offset(offset) => moment.with_timezone(&offset),
        }
    }
}

/// How new revisions are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevisionId {
    /// 12 hex digits of a UUID.
    Uuid,
    /// `003` after `002`.
    Sequence,
    /// `20250101_120000`.
    Timestamp,
}

/// What becomes of a revision whose file was changed after it was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangedFiles {
    /// The user is told.
    Warn,
    /// The command is refused.
    Error,
    /// They are not looked for.
    Off,
}

/// A command as words; the first is the program. No shell sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The line as it is written, for people: what a template makes of it may hold a secret.
    pub line: String,
    /// Program and arguments, at least one.
    pub words: Vec<String>,
}

impl Command {
    /// The program's name for people: as it is written, where a template gives it.
    #[must_use]
    pub fn program(&self) -> String {
        let name = self.words.first().filter(|word| self.line.contains(*word)).unwrap_or(&self.line);
        mask::cover(name, &mask::hidden(name, 0, false), 0..0).0
    }
}

impl std::fmt::Display for Command {
    /// The line as it is written, with what may be a password hidden.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&mask::cover(&self.line, &mask::hidden(&self.line, 0, false), 0..0).0)
    }
}

/// What a line of a hook asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A program.
    Command(Command),
    /// An SQL file, in the session of the run.
    Sql(PathBuf),
}

impl std::fmt::Display for Hook {
    /// As it is written, with what may be a password hidden.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Command(command) => write!(formatter, "{command}"),
            Self::Sql(path) => write!(formatter, "sql: {}", path.display()),
        }
    }
}

/// A duration: a whole number and `ms`, `s`, `min`, `h` or `d` (PostgreSQL's units), or `0`.
///
/// # Errors
/// No number, no unit or another one, or longer than PostgreSQL's settings hold (24 days).
pub fn duration(text: &str) -> Result<Duration, ValueError> {
    let example = "write `500ms`, `2s`, `5min`, `1h` or `0`";
    match Timeout::parse(text) {
        Ok(timeout) => Ok(Duration::from_millis(timeout.milliseconds().into())),
        Err(TimeoutError::Form) => Err(ValueError::new("is no duration").hint(example)),
        Err(TimeoutError::NoUnit) => Err(ValueError::new("has no unit").hint(example)),
        Err(TimeoutError::UnitM) => Err(ValueError::new("has no unit that is known").hint("write `min` for minutes")),
        Err(TimeoutError::TooLong) => Err(ValueError::new("is longer than PostgreSQL's limits can be: 24 days")),
    }
}

/// A boolean in any of the usual words.
///
/// # Errors
/// Another word.
pub fn boolean(text: &str) -> Result<bool, ValueError> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(ValueError::new("is neither `yes` nor `no`").hint("write `yes` or `no`")),
    }
}

/// A whole number in a range, ends included.
///
/// # Errors
/// No number, or outside the range.
pub fn number(text: &str, least: u32, most: u32) -> Result<u32, ValueError> {
    match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(ValueError::new(format!("is no whole number from {least} to {most}"))),
    }
}

/// A name of a table or schema, as it is, without quotes.
///
/// # Errors
/// Over 63 bytes (PostgreSQL would cut it off with no more than a NOTICE), a control character, or a comment on its line.
pub fn identifier(text: &str) -> Result<String, ValueError> {
    if text.len() > 63 {
        let problem = format!("is {} bytes long; PostgreSQL's names end after 63", text.len());
        return Err(ValueError::new(problem));
    }
    if text.contains(char::is_control) {
        return Err(ValueError::new("holds a control character"));
    }
    if [" #", " ;", "\t#", "\t;"].iter().any(|comment| text.contains(comment)) {
        return Err(ValueError::new("holds a comment").hint("write a comment on a line of its own"));
    }
    if text.starts_with('"') && text.ends_with('"') {
        return Err(ValueError::new("stands in quotes").hint("write the name without quotes; the tool adds them"));
    }
    Ok(text.to_owned())
}

/// A name of a role, as it is, without quotes.
///
/// # Errors
/// As for [`identifier`]; and `none`, which is no role's: PostgreSQL takes it for the one that logs in.
pub fn role(text: &str) -> Result<String, ValueError> {
    match text {
        "none" => Err(ValueError::new("is `none`, which is no name of a role in PostgreSQL")
            .hint("to work as the role that logs in, leave the setting out")),
        name => identifier(name),
    }
}

/// The clock that `UTC`, `local` or an offset names.
///
/// # Errors
/// Anything else; names of places would need a database of time zones.
pub fn time_zone(text: &str) -> Result<TimeZone, ValueError> {
    match text.to_ascii_lowercase().as_str() {
        "utc" | "z" => return Ok(TimeZone::Utc),
        "local" => return Ok(TimeZone::Local),
        _ => {}
    }
    let wrong = || ValueError::new("is no offset from UTC").hint("write `UTC`, `local` or an offset such as `+02:00`");
    let sign = if text.starts_with('+') { 1 } else { -1 };
    let rest = text.strip_prefix(['+', '-']).ok_or_else(wrong)?;
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "00"));
    let two_digits = |part: &str| -> Option<i32> {
        let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        if digits { part.parse().ok() } else { None }
    };
    let (Some(hours), Some(minutes @ 0..60)) = (two_digits(hours), two_digits(minutes)) else { return Err(wrong()) };
    FixedOffset::east_opt(sign * (hours * 3600 + minutes * 60)).map(TimeZone::Offset).ok_or_else(wrong)
}

/// A command in a shell's quoting, split into words; `written` is what stands in the settings, perhaps a template, of which `text` was made.
///
/// # Errors
/// A quote that is not closed, or no word; a word that only a shell would do something with.
pub fn command(text: &str, written: &str) -> Result<Command, ValueError> {
    match shlex::split(text) {
        Some(_) if is_for_a_shell(written) => Err(ValueError::new("asks for a shell, and none reads it")
            .hint("to have one: bash -o pipefail -c '...'; for a variable alone: {{ env.NAME }}")),
        Some(words) if words.first().is_some_and(|program| !program.is_empty()) => {
            Ok(Command { line: written.to_owned(), words })
        }
        Some(_) => Err(ValueError::new("names no program")),
        None => Err(ValueError::new("has a quote that is not closed")),
    }
}

/// Whether a line has words that would be handed to a program as they stand, where a shell makes something of them: `|`, `>`, `$NAME` by
/// itself. What is quoted is meant, and so is what a template brings.
fn is_for_a_shell(line: &str) -> bool {
    let name = |text: &str| {
        let text = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let is_for_a_shell = |word: &str| {
        ["|", "||", "&&", "<", ">", ">>", "2>", "2>&1"].contains(&word) || word.strip_prefix('$').is_some_and(name)
    };
    let mut quote = None;
    let mut escaped = false;
    let mut outside = String::with_capacity(line.len());
    for c in super::render::without_code(line).chars() {
        let is_quoted = quote.is_some() || escaped || matches!(c, '\'' | '"' | '\\');
        // Any letter will do that belongs to no such word.
        outside.push(if is_quoted && !(quote.is_none() && c.is_whitespace()) { '.' } else { c });
        match (quote, c) {
            _ if escaped => escaped = false,
            (None | Some('"'), '\\') => escaped = true,
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    outside.split_whitespace().any(is_for_a_shell)
}

/// A line of a hook: `sql: FILE`, the file relative to `directory`, or a command.
///
/// # Errors
/// No file, or as for [`command`].
pub fn hook(text: &str, written: &str, directory: &Path) -> Result<Hook, ValueError> {
    match text.get(..4).filter(|start| start.eq_ignore_ascii_case("sql:")).map(|_| text[4..].trim()) {
        Some("") => Err(ValueError::new("names no file").hint("write `sql: FILE`")),
        Some(file) => Ok(Hook::Sql(directory.join(file))),
        None => command(text, written).map(Hook::Command),
    }
}

/// A command that prints a secret.
///
/// # Errors
/// As for [`command`]; or a connection string, which is nobody's name of a program.
pub fn secret_command(text: &str, written: &str) -> Result<Command, ValueError> {
    if text.split_whitespace().next().is_some_and(|first| first.contains("://")) {
        return Err(ValueError::new("is a connection string, not a command").hint("write it as `url`"));
    }
    command(text, written)
}

/// A path to a field of a JSON document: names with dots between them.
///
/// # Errors
/// A control character, an empty name, or a connection string.
pub fn field(text: &str) -> Result<String, ValueError> {
    if text.contains("://") || text.contains(char::is_control) || text.split('.').any(str::is_empty) {
        return Err(ValueError::new("names no field").hint("write a name such as `password`, or `data.password`"));
    }
    Ok(text.to_owned())
}

/// The number of a database cluster, as `pg_control_system()` says it.
///
/// # Errors
/// No whole number of 64 bits.
pub fn system_identifier(text: &str) -> Result<String, ValueError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    match text.parse::<u64>() {
        Ok(_) if digits => Ok(text.to_owned()),
        _ => Err(ValueError::new("is no system identifier")
            .hint("ask the server for it: `SELECT system_identifier FROM pg_control_system()`")),
    }
}

/// One of some words.
///
/// # Errors
/// Another word.
pub fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, ValueError> {
    choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<String> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
        let near = nearest(text, choices.iter().map(|(word, _)| *word));
        let error = ValueError::new(format!("is none of {}", words.join(", ")));
        match near {
            Some(near) => error.hint(format!("write `{near}`")),
            None => error,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_a_shell() {
        for text in ["pg_dump | gzip", "a > b", "pg_dump -f $FILE", "a ${B}", "a && b", "a 'b' 2>&1", "a \\' | b"] {
            assert!(command(text, text).is_err() || shlex::split(text).is_none(), "{text}");
            assert!(is_for_a_shell(text), "{text}");
        }
        for text in [
            "sh -c 'a | b > $C'",
            "awk $1",
            "a $B/c",
            "a -o=>",
            "a '|x'",
            "a $",
            "sed -i '$d' x",
            "a \"|\"",
            "a \\| b",
            "find . -exec rm {} ;",
            "a {{ x.b | upper }} c",
            "a 'it'\\''s | b'",
        ] {
            assert!(command(text, text).is_ok(), "{text}");
        }
        // What a template brings is no word of the line.
        assert_eq!(command("echo $ecret", "echo {{ env.A }}").unwrap().words, ["echo", "$ecret"]);
    }

    #[test]
    fn durations() {
        assert_eq!(duration("5min"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        for (text, problem) in [
            ("1.5s", "is no duration"),
            ("5", "has no unit"),
            ("5m", "has no unit that is known"),
            ("25d", "is longer than PostgreSQL's limits can be: 24 days"),
        ] {
            assert_eq!(duration(text).unwrap_err().problem, problem, "{text}");
        }
    }

    #[test]
    fn names_end_at_63_bytes() {
        assert!(identifier(&"v".repeat(63)).is_ok());
        assert_eq!(
            identifier(&"ü".repeat(32)).unwrap_err().problem,
            "is 64 bytes long; PostgreSQL's names end after 63"
        );
        assert_eq!(identifier("a\"b").unwrap(), "a\"b");
        assert!(identifier("a # b").is_err());
        assert!(identifier("\"a\"").is_err());
    }

    #[test]
    fn time_zones() {
        let offset = |seconds| Ok(TimeZone::Offset(FixedOffset::east_opt(seconds).unwrap()));
        assert_eq!(time_zone("utc"), Ok(TimeZone::Utc));
        assert_eq!(time_zone("local"), Ok(TimeZone::Local));
        assert_eq!(time_zone("+02:30"), offset(9000));
        assert_eq!(time_zone("-05"), offset(-18_000));
        for text in ["", "+", "2:00", "+99:00", "+02:60", "+2", "Europe/Berlin", "+0é"] {
            assert!(time_zone(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_zones_clock_shows_whole_seconds() {
        let moment = DateTime::parse_from_rfc3339("2025-01-02T03:04:05.678Z").unwrap().to_utc();
        for (zone, wanted) in [
            ("UTC", "2025-01-02T03:04:05+00:00"),
            ("+02", "2025-01-02T05:04:05+02:00"),
            ("-03:30", "2025-01-01T23:34:05-03:30"),
        ] {
            assert_eq!(time_zone(zone).unwrap().at(moment).to_rfc3339(), wanted, "{zone}");
        }
        assert_eq!(TimeZone::Local.at(moment).to_utc().timestamp_millis(), moment.timestamp() * 1000);
    }

    #[test]
    fn words_booleans_numbers_and_commands() {
        let choices = [("uuid", 1), ("sequence", 2)];
        assert_eq!(choice("sequence", &choices), Ok(2));
        assert_eq!(choice("sequnce", &choices).unwrap_err().hint.as_deref(), Some("write `sequence`"));
        assert_eq!(boolean("Off"), Ok(false));
        assert!(boolean("maybe").is_err());
        assert_eq!(number("40", 1, 200), Ok(40));
        assert!(number("0", 1, 200).is_err());
        assert!(number("99999999999", 1, 200).is_err());
        assert_eq!(command("a 'b c' d", "a").unwrap().words, ["a", "b c", "d"]);
        assert_eq!(command("a 'b", "a").unwrap_err().problem, "has a quote that is not closed");
        assert!(command("''", "a").is_err());
        let here = Path::new("db");
        assert_eq!(hook("sql: a b.sql", "a", here), Ok(Hook::Sql("db/a b.sql".into())));
        assert_eq!(hook("sql:", "a", here).unwrap_err().problem, "names no file");
        assert_eq!(hook("sqlx a", "sqlx a", here), command("sqlx a", "sqlx a").map(Hook::Command));
        assert_eq!(command("a --password b", "a --password b").unwrap().to_string(), "a --password ***");
    }
}
