//! A text that a person wrote, and places in it.
//!
//! What it does: takes the text out of a file's bytes, turns byte offsets into lines and columns as an editor counts them (from 1, columns in
//! characters), and cuts out the one line that an error shows. It reads no file and prints nothing.

use std::ops::Range;
use std::str::Utf8Error;

/// What editors on Windows put before a text, to say that it is UTF-8.
pub const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Why bytes are no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotText {
    /// They begin like UTF-16.
    Utf16,
    /// They are not UTF-8; the places are in the bytes behind a byte order mark.
    Utf8(Utf8Error),
}

/// The bytes of a file behind UTF-8's byte order mark, if there is one.
#[must_use]
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK.as_bytes()).unwrap_or(bytes)
}

/// Whether the bytes of a file begin like UTF-16: with its byte order mark, or with a zero beside each of two ASCII characters.
#[must_use]
pub fn is_utf16(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\xFF\xFE")
        || bytes.starts_with(b"\xFE\xFF")
        || matches!(*bytes, [0, a, 0, b, ..] | [a, 0, b, 0, ..] if a != 0 && b != 0)
}

/// The text that the bytes of a file are, without a byte order mark.
///
/// # Errors
/// UTF-16, or not UTF-8.
pub fn text(bytes: &[u8]) -> Result<&str, NotText> {
    if is_utf16(bytes) {
        return Err(NotText::Utf16);
    }
    std::str::from_utf8(without_mark(bytes)).map_err(NotText::Utf8)
}

/// Whether a line is one of those that git writes around the two sides of a conflict. The `=======` between them may
/// stand in a text of anyone's, and never stands alone.
#[must_use]
pub fn is_conflict_marker(line: &str) -> bool {
    line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ")
}

/// A place as an editor names it: line and column from 1, the column counted in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
}

impl Place {
    /// The place of byte `offset` of `text`; an offset past the end, or inside a character, is moved back.
    #[must_use]
    pub fn of(text: &str, offset: usize) -> Self {
        let offset = text.floor_char_boundary(offset.min(text.len()));
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: memchr::memchr_iter(b'\n', before.as_bytes()).count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl std::fmt::Display for Place {
    /// `12:5`, as compilers write it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

/// What an error needs to show a place in a file: the path, the place, and the one line it is on.
///
/// It holds its own copy of that line, so a 50 MB file need not stay in memory for its errors to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The file as the user would type it.
    pub path: String,
    /// Where the marked text begins; its column is right also where `line` was cut.
    pub place: Place,
    /// The line without its end, cut to a sensible width around the mark.
    pub line: String,
    /// The bytes of `line` to mark.
    pub mark: Range<usize>,
    /// A few words to stand beside the mark.
    pub label: Option<String>,
}

/// A line longer than this is cut around the mark: minified or generated SQL has lines of megabytes.
const WIDEST: usize = 160;

impl Excerpt {
    /// Cuts out the line of `text` that holds `range.start` and marks `range` as far as it lies on that line.
    /// `first_line` is the number of `text`'s first line in its file (1 where `text` is the whole file).
    #[must_use]
    pub fn new(path: impl Into<String>, text: &str, range: Range<usize>, first_line: usize) -> Self {
        let start = text.floor_char_boundary(range.start.min(text.len()));
        let mut place = Place::of(text, start);
        place.line += first_line - 1;
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let line = text[line_start..line_end].trim_end_matches('\r');
        let mark_start = (start - line_start).min(line.len());
        let wanted_end = range.end.saturating_sub(line_start).clamp(mark_start, line.len());
        let mark_end = line.floor_char_boundary(wanted_end).max(mark_start);
        let cut_start =
            line.floor_char_boundary(if line.len() > WIDEST { mark_start.saturating_sub(WIDEST / 2) } else { 0 });
        let cut_end = line.floor_char_boundary((cut_start + WIDEST).min(line.len())).max(mark_start);
        Self {
            path: path.into(),
            place,
            line: line[cut_start..cut_end].to_owned(),
            mark: mark_start - cut_start..mark_end.min(cut_end) - cut_start,
            label: None,
        }
    }

    /// The same, with a few words beside the mark.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_utf_8_or_no_text() {
        for (bytes, wanted) in [
            (&b"a"[..], Ok("a")),
            (b"", Ok("")),
            (b"\xef\xbb\xbfx", Ok("x")),
            (b"\xff\xfe-\0", Err(None)),
            (b"\xfe\xff\0-", Err(None)),
            (b"\xef\xbb\xbfcaf\xe9 x", Err(Some(3))),
        ] {
            let got = text(bytes).map_err(|error| match error {
                NotText::Utf16 => None,
                NotText::Utf8(error) => Some(error.valid_up_to()),
            });
            assert_eq!(got, wanted, "{bytes:?}");
        }
    }

    #[test]
    fn columns_count_characters() {
        let text = "a\nñé x\n";
        assert_eq!(Place::of(text, text.find('x').unwrap()), Place { line: 2, column: 4 });
        assert_eq!(Place::of(text, 0), Place { line: 1, column: 1 });
        assert_eq!(Place::of(text, 999), Place { line: 3, column: 1 });
    }

    #[test]
    fn an_excerpt_holds_one_line_without_its_end() {
        let excerpt = Excerpt::new("f.sql", "one\r\ntwo three\r\nfour", 9..14, 10);
        assert_eq!(excerpt.place, Place { line: 11, column: 5 });
        assert_eq!(excerpt.line, "two three");
        assert_eq!(&excerpt.line[excerpt.mark], "three");
    }

    #[test]
    fn a_long_line_is_cut_around_the_mark() {
        let text = format!("{}HERE{}", "x".repeat(10_000), "y".repeat(10_000));
        let excerpt = Excerpt::new("f.sql", &text, 10_000..10_004, 1);
        assert_eq!(excerpt.place.column, 10_001);
        assert!(excerpt.line.len() <= WIDEST);
        assert_eq!(&excerpt.line[excerpt.mark], "HERE");
    }
}
