//! The error a user sees: what happened, where, what was kept, what to type next.
//!
//! Model errors are small enums with data; `explain.rs` turns them into this. Nothing here prints:
//! `ui.rs` draws an [`Error`] once, in one style.

use serde::Serialize;

use crate::source::Excerpt;

/// What an error means for whoever called the program; each has one documented exit code (README, "Exit codes").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Refused or failed, and nothing half-done: exit code 1.
    Failed,
    /// The command line or the configuration cannot mean anything: exit code 2.
    Usage,
    /// A check that was asked for found something: exit code 3.
    Check,
    /// A revision without a transaction stopped partway: exit code 4.
    Partial,
    /// The outcome could not be learnt: exit code 5.
    Unknown,
    /// The revisions are done, and a hook behind them failed: exit code 6. To run the same again finds nothing to do, so nobody should do it
    /// by himself.
    AfterHook,
    /// A signal ended the run (its number, 2 or 15): exit code 128 and the number.
    Signal(u8),
}

impl Kind {
    /// The process's exit code.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Check => 3,
            Self::Partial => 4,
            Self::Unknown => 5,
            Self::AfterHook => 6,
            Self::Signal(number) => 128 + number,
        }
    }

    /// The kind for a machine: `failed`, `usage`, `check`, `partial`, `unknown`, `after_hook` or `signal`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Check => "check",
            Self::Partial => "partial",
            Self::Unknown => "unknown",
            Self::AfterHook => "after_hook",
            Self::Signal(_) => "signal",
        }
    }
}

/// An error for a person: data first, drawn by `Ui::error`. As text it is its first line, and with `{:#}` all that it knows:
/// PostgreSQL's code, places, notes and hints, and the errors beside it.
///
/// Sentences are lowercase fragments without a final period; literals stand in backticks; a hint is the next
/// thing to type or do. It is boxed inside, so that `Result<T>` stays small.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    reason: Option<&'static str>,
    code: Option<String>,
    title: String,
    excerpts: Vec<Excerpt>,
    notes: Vec<String>,
    hints: Vec<String>,
    cause: Option<anyhow::Error>,
    others: Vec<Error>,
}

/// The result of everything that a user may see fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind` whose first line is `title`.
    pub fn new(kind: Kind, title: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            reason: None,
            code: None,
            title: title.into(),
            excerpts: Vec::new(),
            notes: Vec::new(),
            hints: Vec::new(),
            cause: None,
            others: Vec::new(),
        }))
    }

    /// Several errors as one: the first, and the others behind it; `None` where there is none.
    #[must_use]
    pub fn all(errors: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut errors = errors.into_iter();
        let mut first = errors.next()?;
        first.0.others.extend(errors);
        Some(first)
    }

    /// Refused or failed, nothing half-done.
    pub fn failed(title: impl Into<String>) -> Self {
        Self::new(Kind::Failed, title)
    }

    /// The command line or the configuration is wrong.
    pub fn usage(title: impl Into<String>) -> Self {
        Self::new(Kind::Usage, title)
    }

    /// With PostgreSQL's SQLSTATE, shown as `error[42P07]`.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// With a word that says to programs more than its kind does.
    #[must_use]
    pub fn reason(mut self, word: &'static str) -> Self {
        self.0.reason = Some(word);
        self
    }

    /// The word of [`Error::reason`].
    #[must_use]
    pub fn reason_word(&self) -> Option<&'static str> {
        self.0.reason
    }

    /// With a place in a file.
    #[must_use]
    pub fn at(mut self, excerpt: Excerpt) -> Self {
        self.0.excerpts.push(excerpt);
        self
    }

    /// With a fact that helps to understand: what was kept, who holds the lock, the server's DETAIL.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.0.notes.push(note.into());
        self
    }

    /// With the next thing to type or do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    /// With what lies behind it: an I/O error, a server that hung up.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<anyhow::Error>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// The same error as another kind, where a caller knows what it means for the run.
    #[must_use]
    pub fn kind_of(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    /// What it means for the caller; `.exit_code()` of it ends the process.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The first line.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.0.title
    }

    /// The SQLSTATE, if the server said one.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The places, most important first.
    #[must_use]
    pub fn excerpts(&self) -> &[Excerpt] {
        &self.0.excerpts
    }

    /// Facts, in the order they were added, the chain of causes last.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.0.notes.clone();
        if let Some(cause) = &self.0.cause {
            notes.extend(cause.chain().map(|cause| format!("caused by: {cause}")));
        }
        notes
    }

    /// The errors that were found beside this one.
    #[must_use]
    pub fn others(&self) -> &[Self] {
        &self.0.others
    }

    /// What to do next.
    #[must_use]
    pub fn hints(&self) -> &[String] {
        &self.0.hints
    }
}

/// An error as JSON; the fields are documented in docs/json.md and only ever added to. The text of a file is not among them.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorView<'a> {
    kind: &'static str,
    exit_code: u8,
    reason: Option<&'static str>,
    sqlstate: Option<&'a str>,
    message: &'a str,
    places: Vec<PlaceView<'a>>,
    notes: Vec<String>,
    hints: &'a [String],
    others: Vec<ErrorView<'a>>,
}

#[derive(Clone, Debug, Serialize)]
struct PlaceView<'a> {
    file: &'a str,
    line: usize,
    column: usize,
}

impl<'a> From<&'a Error> for ErrorView<'a> {
    fn from(error: &'a Error) -> Self {
        let place = |excerpt: &'a Excerpt| PlaceView {
            file: &excerpt.path,
            line: excerpt.place.line,
            column: excerpt.place.column,
        };
        Self {
            kind: error.kind().name(),
            exit_code: error.kind().exit_code(),
            reason: error.0.reason,
            sqlstate: error.sqlstate(),
            message: error.title(),
            places: error.excerpts().iter().map(place).collect(),
            notes: error.notes(),
            hints: error.hints(),
            others: error.others().iter().map(Self::from).collect(),
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !formatter.alternate() {
            return formatter.write_str(&self.0.title);
        }
        match &self.0.code {
            Some(code) => write!(formatter, "error[{code}]: {}", self.0.title)?,
            None => write!(formatter, "error: {}", self.0.title)?,
        }
        for Excerpt { path, place, .. } in self.excerpts() {
            write!(formatter, "\n --> {path}:{place}")?;
        }
        self.notes().iter().try_for_each(|note| write!(formatter, "\nnote: {note}"))?;
        self.hints().iter().try_for_each(|hint| write!(formatter, "\nhint: {hint}"))?;
        self.others().iter().try_for_each(|other| write!(formatter, "\n\n{other:#}"))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_ref().map(AsRef::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn an_error_tells_all_where_it_is_asked_to() {
        let error = Error::failed("syntax error")
            .code("42601")
            .at(Excerpt::new("versions/1.sql", "CREATE x;\n", 7..8, 1))
            .note("nothing was kept")
            .hint("mend it")
            .cause(std::io::Error::other("hung up"));
        let text = "error[42601]: syntax error\n --> versions/1.sql:1:8\nnote: nothing was kept\nnote: caused by: hung up\nhint: mend it";
        assert_eq!((error.to_string(), format!("{error:#}")), ("syntax error".to_owned(), text.to_owned()));
        assert_eq!(error.source().unwrap().to_string(), "hung up");
        let both = Error::all([error, Error::usage("b")]).unwrap();
        assert_eq!(format!("{both:#}"), format!("{text}\n\nerror: b"));
    }
}
