//! The lines of a header: where it begins and ends in a file, and what stands behind each `-- `.

use std::ops::Range;

use super::{FARTHEST, HeaderError, Key, Problem};
use crate::source::{self, BYTE_ORDER_MARK, NotText};

/// How a section begins; it ends the header, also where no blank line stands between them.
const MARKER: &str = "migrate:";

/// A line of the header without its `-- ` and its end, and the byte of the file at which that rest begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) offset: usize,
    pub(super) content: &'a str,
}

impl Line<'_> {
    pub(super) fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.content.len()
    }
}

/// What a line of the file is to the header.
enum Sort<'a> {
    Blank,
    /// What stands behind `--` and at most one blank.
    Comment(&'a str),
    Marker,
    Other,
}

fn sort(line: &str) -> Sort<'_> {
    let Some(rest) = line.strip_prefix("--") else {
        return if line.trim_ascii().is_empty() { Sort::Blank } else { Sort::Other };
    };
    if rest.trim_start_matches([' ', '\t']).starts_with(MARKER) {
        return Sort::Marker;
    }
    Sort::Comment(rest.strip_prefix([' ', '\t']).unwrap_or(rest))
}

/// The lines of `text` without their ends, with the byte at which each begins; a byte order mark is passed over.
fn all(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut offset = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    std::iter::from_fn(move || {
        let rest = text.get(offset..).filter(|rest| !rest.is_empty())?;
        let length = memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
        let line = (offset, rest[..length].strip_suffix('\r').unwrap_or(&rest[..length]));
        offset += length + 1;
        Some(line)
    })
}

/// The lines of the header of `text`.
pub(super) fn header(text: &str) -> impl Iterator<Item = Line<'_>> {
    all(text).skip_while(|(_, line)| matches!(sort(line), Sort::Blank)).map_while(|(offset, line)| match sort(line) {
        Sort::Comment(content) => Some(Line { offset: offset + line.len() - content.len(), content }),
        _ => None,
    })
}

/// The bytes of the first line of `text` that is not blank, for an error about the whole header.
pub(super) fn first(text: &str) -> Range<usize> {
    all(text)
        .find(|(_, line)| !line.trim_ascii().is_empty())
        .map_or(0..0, |(offset, line)| offset..offset + line.trim_ascii_end().len())
}

/// Refuses a header that a conflict in git ends: what stands behind the first side of it would be passed over.
pub(super) fn check_conflict(text: &str) -> Result<(), HeaderError> {
    let end = all(text).find(|(_, line)| matches!(sort(line), Sort::Marker | Sort::Other));
    match end.filter(|(_, line)| source::is_conflict_marker(line)) {
        Some((offset, line)) => Err(HeaderError { problem: Problem::Conflict, range: offset..offset + line.len() }),
        None => Ok(()),
    }
}

/// Refuses a line that a reader takes for a part of the header and that is none: a comment `-- key: …` below the
/// blank line that ended it, or one that is indented. Silence would drop a parent or a `transaction: false`.
pub(super) fn check_below(text: &str) -> Result<(), HeaderError> {
    let mut lines = all(text)
        .skip_while(|(_, line)| matches!(sort(line), Sort::Blank))
        .skip_while(|(_, line)| matches!(sort(line), Sort::Comment(_)));
    let near = lines.by_ref().take_while(|(offset, _)| *offset < FARTHEST);
    let cut_off = near.map_while(|(offset, line)| {
        let trimmed = line.trim_ascii_start();
        match sort(trimmed) {
            Sort::Blank => Some(None),
            Sort::Comment(content) => {
                let key = content.split_once(':').and_then(|(key, _)| Key::parse(key.trim_ascii()));
                let end = offset + line.len();
                Some(key.map(|key| HeaderError { problem: Problem::CutOff(key), range: end - content.len()..end }))
            }
            Sort::Marker | Sort::Other => None,
        }
    });
    cut_off.flatten().next().map_or(Ok(()), Err)
}

/// How many of a file's first bytes [`Header::parse`](super::Header::parse) needs: to the first line that is
/// neither blank nor a comment, or is a section's marker, but never more than [`FARTHEST`]. Nothing where `bytes` ends
/// before that is known; at the end of the file all bytes are needed.
#[must_use]
pub fn extent(bytes: &[u8]) -> Option<usize> {
    let mut offset = if bytes.starts_with(BYTE_ORDER_MARK.as_bytes()) { BYTE_ORDER_MARK.len() } else { 0 };
    while let Some(length) = memchr::memchr(b'\n', &bytes[offset..]) {
        let line = bytes[offset..offset + length].trim_ascii();
        let ends = match line.strip_prefix(b"--") {
            Some(rest) => rest.trim_ascii_start().starts_with(MARKER.as_bytes()),
            None => !line.is_empty(),
        };
        if ends {
            return Some(offset + length + 1);
        }
        offset += length + 1;
        if offset >= FARTHEST {
            return Some(FARTHEST);
        }
    }
    (bytes.len() >= FARTHEST).then_some(FARTHEST)
}

/// The text of the bytes that [`extent`] asked for, without a byte order mark.
///
/// # Errors
/// UTF-16, or not UTF-8; the range is in bytes, and means the same in `String::from_utf8_lossy` of them up to there.
pub fn text(bytes: &[u8]) -> Result<&str, HeaderError> {
    let error = match source::text(bytes) {
        Ok(text) => return Ok(text),
        Err(NotText::Utf16) => return Err(HeaderError { problem: Problem::Utf16, range: 0..0 }),
        Err(NotText::Utf8(error)) => error,
    };
    let bytes = source::without_mark(bytes);
    let at = error.valid_up_to();
    match error.error_len() {
        // A character that the limit cut in two: what is whole is enough to say that the header is too long.
        None if bytes.len() + 4 > FARTHEST => Ok(std::str::from_utf8(&bytes[..at]).unwrap_or_default()),
        length => Err(HeaderError { problem: Problem::NotUtf8, range: at..at + length.unwrap_or(1) }),
    }
}
