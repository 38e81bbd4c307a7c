//! The text of an ini file as lines, and the excerpts of it: cut out with passwords hidden.
//!
//! It knows what may be shown, not what a line means.

use std::ops::Range;

use super::mask;
use crate::source::Excerpt;

/// What an excerpt may show of its line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    /// The line, passwords hidden; the value begins at this byte of it, and may or may not be a secret as a whole.
    Value(usize, bool),
    /// Only what stands before the `=`: the value belongs to no key that is known.
    Key,
    /// Nothing: it may be the rest of a value.
    Nothing,
}

/// A line that is no value.
pub(super) const LINE: Show = Show::Value(0, false);

/// What stands between a key and its value.
pub(super) const DELIMITERS: [char; 2] = ['=', ':'];

/// Whether a value under this key is a connection string or a secret.
#[must_use]
pub(super) fn holds_secret(key: &str) -> bool {
    matches!(key, "url" | "sqlalchemy.url") || mask::is_secret_name(key)
}

/// What stands in `line` from byte `from` on, without blanks before it; nothing where nothing stands.
fn filled(line: &str, from: usize) -> Vec<Range<usize>> {
    let start = line.len() - line[from..].trim_start().len();
    std::iter::once(start..line.len()).filter(|range| !range.is_empty()).collect()
}

/// A text and where its lines begin, so that a place costs no walk through the text.
#[derive(Clone)]
pub(super) struct Lines {
    /// The file as the user would type it.
    pub path: String,
    /// The whole text.
    pub text: String,
    /// Where each line begins.
    pub starts: Vec<usize>,
}

impl std::fmt::Debug for Lines {
    /// The path alone: the text may hold a password.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Lines").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Lines {
    /// The lines of a text.
    pub fn new(path: &str, text: &str) -> Self {
        let starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
        Self { path: path.to_owned(), text: text.to_owned(), starts }
    }

    /// The index of the line that holds byte `offset`.
    pub fn number(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset).saturating_sub(1)
    }

    /// The line without its end.
    pub fn line(&self, number: usize) -> &str {
        let end = self.starts.get(number + 1).map_or(self.text.len(), |next| next - 1);
        let line = &self.text[self.starts[number]..end];
        line.strip_suffix('\r').unwrap_or(line)
    }

    /// The line of `place`, what must not be shown replaced, the place still the true one.
    pub fn excerpt(&self, place: Range<usize>, show: Show) -> Excerpt {
        let number = self.number(place.start);
        let line = self.line(number);
        let start = line.floor_char_boundary((place.start - self.starts[number]).min(line.len()));
        let end = line.ceil_char_boundary((place.end - self.starts[number]).clamp(start, line.len()));
        let ranges = match show {
            Show::Value(value, secret) => mask::hidden(line, value, secret),
            Show::Key => filled(line, line[end..].find(DELIMITERS).map_or(line.len(), |at| end + at + 1)),
            Show::Nothing => filled(line, 0),
        };
        let (shown, mark) = mask::cover(line, &ranges, start..end);
        let mut excerpt = Excerpt::new(self.path.clone(), &shown, mark, number + 1);
        excerpt.place.column = line[..start].chars().count() + 1;
        excerpt
    }
}
