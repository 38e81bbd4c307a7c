//! What the server says when it complains: an error or a notice, field by field (manual, 54.8).

use crate::secret::Covers;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::ErrorFields;
use std::fmt;
use std::io;

/// An error or a notice of the server. Text that is not UTF-8 (a `SQL_ASCII` database) is made readable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    /// How bad it is.
    pub severity: Severity,
    /// The SQLSTATE: five characters.
    pub code: String,
    /// One line, usually.
    pub message: String,
    /// More of it; may carry data of a row.
    pub detail: Option<String>,
    /// What the server suggests.
    pub hint: Option<String>,
    /// Where in the text.
    pub position: Option<Position>,
    /// Inside which functions, a line each.
    pub context: Option<String>,
    /// The schema it is about.
    pub schema: Option<String>,
    /// The table it is about.
    pub table: Option<String>,
    /// The column it is about.
    pub column: Option<String>,
    /// The constraint it is about.
    pub constraint: Option<String>,
    /// The server's own function that raised it; a pooler that speaks in the server's place names none.
    pub routine: Option<String>,
}

/// How bad it is: never translated, whatever `lc_messages` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Severity {
    /// The server as a whole restarts.
    Panic,
    /// The session is over.
    Fatal,
    /// The statement failed.
    #[default]
    Error,
    /// Something to look at.
    Warning,
    /// Something to know.
    Notice,
    /// Asked for by the statement.
    Info,
    /// For the server's log.
    Log,
    /// For developers of the server or of a function.
    Debug,
}

/// The place an error points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// A character, from 1, of the message sent.
    Sent(usize),
    /// A character, from 1, of a query that the server made itself, in a function's `EXECUTE`, say.
    Internal {
        /// The character, from 1.
        character: usize,
        /// That query.
        query: String,
    },
}

impl ServerError {
    /// Reads the fields of an ErrorResponse or a NoticeResponse.
    ///
    /// # Errors
    /// A message that breaks the protocol.
    pub(crate) fn read(mut fields: ErrorFields<'_>) -> io::Result<Self> {
        let mut error = Self::default();
        let (mut sent, mut internal, mut query) = (None, None, None);
        let mut untranslated = false;
        while let Some(field) = fields.next()? {
            let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                b'V' => {
                    error.severity = Severity::read(&value);
                    untranslated = true;
                }
                b'S' if !untranslated => error.severity = Severity::read(&value),
                b'C' => error.code = value,
                b'M' => error.message = value,
                b'D' => error.detail = Some(value),
                b'H' => error.hint = Some(value),
                b'P' => sent = value.parse().ok(),
                b'p' => internal = value.parse().ok(),
                b'q' => query = Some(value),
                b'W' => error.context = Some(value),
                b's' => error.schema = Some(value),
                b't' => error.table = Some(value),
                b'c' => error.column = Some(value),
                b'n' => error.constraint = Some(value),
                b'R' => error.routine = Some(value),
                _ => {}
            }
        }
        error.position = match (sent, internal, query) {
            (Some(character), _, _) => Some(Position::Sent(character)),
            (None, Some(character), Some(query)) => Some(Position::Internal { character, query }),
            _ => None,
        };
        Ok(error)
    }

    /// The same without what `covers` hides: a message may quote a value of the statement.
    #[must_use]
    pub(crate) fn covered(mut self, covers: &Covers) -> Self {
        self.message = covers.cover(self.message);
        for text in [&mut self.detail, &mut self.hint, &mut self.context] {
            *text = text.take().map(|text| covers.cover(text));
        }
        if let Some(Position::Internal { character, query }) = &mut self.position {
            let before: String = query.chars().take(character.saturating_sub(1)).collect();
            *character = covers.cover(before).chars().count() + 1;
            *query = covers.cover(std::mem::take(query));
        }
        self
    }

    /// Whether the session ended with it.
    #[must_use]
    pub fn ends_session(&self) -> bool {
        matches!(self.severity, Severity::Fatal | Severity::Panic)
    }
}

impl Severity {
    fn read(text: &str) -> Self {
        match text {
            "PANIC" => Self::Panic,
            "FATAL" => Self::Fatal,
            "WARNING" => Self::Warning,
            "NOTICE" => Self::Notice,
            "INFO" => Self::Info,
            "LOG" => Self::Log,
            debug if debug.starts_with("DEBUG") => Self::Debug,
            _ => Self::Error,
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for ServerError {}
