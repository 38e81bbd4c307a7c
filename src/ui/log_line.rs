//! A line of the log for programs: what standard error says where `--log-format json` was given. Each is one JSON object.

use anstream::adapter::strip_str;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::Error;

/// For whom standard error is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// People.
    #[default]
    Text,
    /// Programs: a JSON object a line.
    Json,
}

impl LogFormat {
    /// The words for them.
    pub const WORDS: [&'static str; 2] = ["text", "json"];

    /// The format that a word means, in capitals or not.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let [text, json] = Self::WORDS;
        match word {
            word if word.eq_ignore_ascii_case(text) => Some(Self::Text),
            word if word.eq_ignore_ascii_case(json) => Some(Self::Json),
            _ => None,
        }
    }
}

/// How much something matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// `-v` asks for it.
    Debug,
    /// `-q` hides it.
    Info,
    /// Nothing hides it.
    Warning,
    /// Why the command failed.
    Error,
}

/// The document: time, level, event and message first, then what is `known`, then of `fields` those that say something.
pub(super) fn document(
    time: DateTime<Utc>,
    level: LogLevel,
    event: &str,
    message: String,
    known: Map<String, Value>,
    fields: Value,
) -> Map<String, Value> {
    let mut line = Map::new();
    line.insert("time".to_owned(), time.to_rfc3339_opts(SecondsFormat::Millis, true).into());
    line.insert("level".to_owned(), serde_json::to_value(level).unwrap_or_default());
    line.insert("event".to_owned(), event.into());
    line.insert("message".to_owned(), message.into());
    line.extend(known);
    if let Value::Object(fields) = fields {
        for (name, value) in fields {
            if !value.is_null() && name != "message" {
                line.insert(name, value);
            }
        }
    }
    line
}

/// What clap says of a wrong command line, as an error: its first line, and what it advises.
#[must_use]
pub fn refusal(text: &str) -> Error {
    let text = strip_str(text).to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let message = lines.next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(message);
    lines.map(|line| line.strip_prefix("tip: ").unwrap_or(line)).fold(Error::usage(message), Error::hint)
}
