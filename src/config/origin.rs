//! Where a setting comes from, kept beside its value: for errors that point at it and for `aludel env`.

use std::fmt;
use std::ops::{Deref, Range};

use crate::source::Excerpt;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody gave it.
    Default,
    /// A line of the ini.
    File {
        /// The section it stands in.
        section: String,
        /// The line, passwords hidden.
        excerpt: Box<Excerpt>,
    },
    /// A variable of the environment.
    Environment(&'static str),
    /// An option of the command line, as typed: `--url`.
    CommandLine(&'static str),
}

impl Origin {
    /// The place in the ini, if it comes from there.
    #[must_use]
    pub fn excerpt(&self) -> Option<&Excerpt> {
        match self {
            Self::File { excerpt, .. } => Some(excerpt),
            _ => None,
        }
    }

    /// The excerpt with the mark on these bytes of the value, for an error inside it. The value must be the text as it
    /// stands, with nothing hidden (`file_template`, a name), or the mark stays on the whole.
    #[must_use]
    pub fn excerpt_within(&self, value: &str, part: Range<usize>) -> Option<Excerpt> {
        let mut excerpt = self.excerpt()?.clone();
        if excerpt.line.get(excerpt.mark.clone()) == Some(value) && value.get(part.clone()).is_some() {
            excerpt.place.column += value[..part.start].chars().count();
            excerpt.mark = excerpt.mark.start + part.start..excerpt.mark.start + part.end;
        }
        Some(excerpt)
    }
}

impl fmt::Display for Origin {
    /// `default`, `migrate.ini:4 [production]`, `ALUDEL_ENV`, `--url`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File { section, excerpt } => write!(formatter, "{}:{} [{section}]", excerpt.path, excerpt.place.line),
            Self::Environment(name) | Self::CommandLine(name) => formatter.write_str(name),
        }
    }
}

/// A value and where it comes from; it can be used as the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub origin: Origin,
}

impl<T> Deref for Sourced<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
