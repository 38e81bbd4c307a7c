//! Why a connection string cannot be used. No variant holds a value, nor any part of a URL that could not be parsed:
//! what looks like a host there may be the end of a password.

use crate::error::Error;
use crate::nearest::nearest;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a connection string cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConninfoError {
    /// Neither a URL nor `key=value`.
    Form,
    /// A URL of another scheme than `postgresql` or `postgres`.
    Scheme,
    /// A raw `/`, `?` or `@` makes it unclear where the password ends.
    Ambiguous,
    /// `%` that two hexadecimal digits do not follow, or that makes bytes that are not UTF-8.
    Percent,
    /// A NUL character.
    Nul,
    /// An IPv6 address without `[` `]`, or a bracket without its other half.
    Brackets,
    /// A quote in a `key=value` string is not closed.
    Quote,
    /// A word of a `key=value` string or of a URL's query has no `=`.
    Equals,
    /// A setting that does not exist. Its name is there only if it cannot be a part of the password.
    Unknown {
        /// The name as written.
        key: Option<String>,
        /// The nearest setting that exists.
        nearest: Option<&'static str>,
    },
    /// A setting whose value cannot be used.
    Value {
        /// The setting.
        key: &'static str,
        /// What it may be.
        expected: &'static str,
        /// The word among these that looks most like what is written.
        nearest: Option<&'static str>,
    },
    /// A setting that is given and empty, where libpq takes that for no default.
    Empty {
        /// The setting.
        key: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// A value that holds further settings, or cannot be what it stands for.
    Joined {
        /// The setting.
        key: &'static str,
    },
    /// A whole URL in the place of a name.
    Url {
        /// The setting.
        key: &'static str,
    },
    /// A variable whose value is not UTF-8.
    Variable(&'static str),
    /// `host`, `hostaddr` and `port` list different numbers of entries.
    Counts,
    /// A service that cannot be used.
    Service {
        /// Its name, if it may be shown.
        service: Option<String>,
        /// Why.
        problem: ServiceProblem,
    },
    /// Nobody said which user, and the operating system does not know either.
    NoUser,
}

/// Why a service cannot be used. No line is shown: it may be the one with the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceProblem {
    /// It stands in none of these files.
    Missing(Vec<PathBuf>),
    /// Its file cannot be read.
    Unreadable(PathBuf, io::ErrorKind),
    /// A line of its file is no setting.
    Line(PathBuf, usize),
}

impl fmt::Display for ServiceProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(files) => {
                let files: Vec<String> = files.iter().map(|file| format!("`{}`", file.display())).collect();
                write!(formatter, "it is not in {}", files.join(", "))
            }
            Self::Unreadable(path, kind) => write!(formatter, "`{}`: {kind}", path.display()),
            Self::Line(path, line) => {
                write!(formatter, "{}:{line} is not `setting=value` with a setting of libpq's", path.display())
            }
        }
    }
}

impl fmt::Display for ConninfoError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => formatter.write_str("it is neither a URL nor `key=value` settings"),
            Self::Scheme => formatter.write_str("its scheme is not `postgresql` or `postgres`"),
            Self::Ambiguous => formatter.write_str("it is unclear where the password ends"),
            Self::Percent => formatter.write_str("a `%` is not followed by two hexadecimal digits that make UTF-8"),
            Self::Nul => formatter.write_str("it holds a NUL character"),
            Self::Brackets => formatter.write_str("an IPv6 address must stand in `[` and `]`"),
            Self::Quote => formatter.write_str("a quote is not closed"),
            Self::Equals => formatter.write_str("a word has no `=`"),
            Self::Unknown { key: Some(key), .. } => write!(formatter, "there is no setting `{key}`"),
            Self::Unknown { key: None, .. } => formatter.write_str("a setting does not exist"),
            Self::Value { key, expected, .. } => write!(formatter, "`{key}` must be {expected}"),
            Self::Empty { key, expected } => write!(formatter, "`{key}` is empty; it must be {expected}"),
            Self::Url { key } => write!(formatter, "`{key}` holds a URL, so it is no name"),
            Self::Variable(name) => write!(formatter, "the value of `{name}` is not UTF-8"),
            Self::Joined { key } => write!(formatter, "`{key}` holds a `;`, a `=` or a blank, so it is no name"),
            Self::Counts => formatter.write_str("`host`, `hostaddr` and `port` list different numbers of entries"),
            Self::Service { service: Some(service), problem } => {
                write!(formatter, "the service `{service}` cannot be used: {problem}")
            }
            Self::Service { service: None, .. } => formatter.write_str("the service that it names cannot be used"),
            Self::NoUser => formatter.write_str("no user is given, and the operating system names none"),
        }
    }
}

impl std::error::Error for ConninfoError {}

impl ConninfoError {
    /// A value that can only be `expected`.
    pub(super) fn value(key: &'static str, expected: &'static str) -> Self {
        Self::Value { key, expected, nearest: None }
    }

    /// `written`, which is none of `words`.
    pub(super) fn word(
        key: &'static str,
        expected: &'static str,
        written: &str,
        words: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        match written {
            "" => Self::Empty { key, expected },
            _ => Self::Value { key, expected, nearest: nearest(written, words) },
        }
    }

    /// The settings it is about; none where it is about the whole string.
    #[must_use]
    pub fn settings(&self) -> &[&'static str] {
        match self {
            Self::Value { key, .. } | Self::Empty { key, .. } | Self::Joined { key } | Self::Url { key } => {
                std::slice::from_ref(key)
            }
            Self::Counts => &["host", "hostaddr", "port"],
            Self::Service { .. } => &["service"],
            _ => &[],
        }
    }

    /// The same without any part of the string, for one that is not to be shown at all.
    #[must_use]
    pub fn without_text(self) -> Self {
        match self {
            Self::Unknown { nearest, .. } => Self::Unknown { key: None, nearest },
            Self::Service { problem, .. } => Self::Service { service: None, problem },
            other => other,
        }
    }

    /// What to do about it, if that can be said.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Form | Self::Scheme => Some("write `postgresql://user:password@host:5432/database`".to_owned()),
            Self::Ambiguous => {
                Some("write `/` in a user name or password as `%2F`, `?` as `%3F`, `@` as `%40`".to_owned())
            }
            Self::Percent => Some("write a `%` as `%25`".to_owned()),
            Self::Brackets => Some("write `postgresql://user@[::1]:5432/database`".to_owned()),
            Self::Quote | Self::Equals => {
                Some("in `key=value` settings put a value with spaces in single quotes, and `\\` before `'`".to_owned())
            }
            Self::Joined { .. } => {
                Some("part `key=value` settings with blanks, not with `;`: `host=h user=u dbname=d`".to_owned())
            }
            Self::Empty { .. } => {
                Some("take it out, or unset the variable: what is empty is given, as in libpq".to_owned())
            }
            Self::Url { .. } => Some("put the URL into `url` in the settings, or into `--url`".to_owned()),
            Self::Variable(name) => Some(format!("unset `{name}`, or write its value in UTF-8")),
            Self::Unknown { nearest, .. } | Self::Value { nearest, .. } => {
                nearest.map(|nearest| format!("did you mean `{nearest}`?"))
            }
            Self::NoUser => Some("add the user: `postgresql://user@host/database`, or set `PGUSER`".to_owned()),
            Self::Service { service: Some(service), problem: ServiceProblem::Missing(_) } => {
                Some(format!("write `[{service}]` and its settings into one of these files, or correct the name"))
            }
            Self::Nul | Self::Counts | Self::Service { .. } => None,
        }
    }
}

impl From<ConninfoError> for Error {
    fn from(error: ConninfoError) -> Self {
        let hint = error.hint();
        let shown = Self::usage(format!("the database URL cannot be used: {error}"));
        match hint {
            Some(hint) => shown.hint(hint),
            None => shown,
        }
    }
}
