//! A window on a file's text: reads, checks the encoding, strips the byte order mark, keeps the checksum and the place.
//! It holds only what is still needed, so that a file of any size is read in little memory.

use std::io::{ErrorKind, Read};
use std::ops::Range;

use crate::source::{Excerpt, Place};

use super::checksum::{Checksum, Running};
use super::problem::{BodyError, Problem};
use super::written::Written;

/// The first read: most revisions are smaller.
const FIRST: usize = 8 * 1024;

/// Later reads, at least.
const CHUNK: usize = 64 * 1024;

/// Text before the place still needed is kept up to this far back, so that errors show whole lines.
const KEPT: usize = 512;

pub(super) struct Window<R> {
    reader: R,
    written: Written,
    /// The text at hand.
    pub(super) text: String,
    /// Whether `text` goes to the file's end.
    pub(super) at_end: bool,
    /// Where `text` begins in the file.
    start: Place,
    /// Bytes read; those of a character that is not whole yet stay for the next time.
    raw: Vec<u8>,
    begun: bool,
    checksum: Running,
}

impl<R: Read> Window<R> {
    pub(super) fn new(written: Written, reader: R) -> Self {
        Self {
            reader,
            written,
            text: String::new(),
            at_end: false,
            start: Place { line: 1, column: 1 },
            raw: Vec::new(),
            begun: false,
            checksum: Running::default(),
        }
    }

    pub(super) fn written(&self) -> &Written {
        &self.written
    }

    /// The place of byte `offset` of the text at hand.
    pub(super) fn place(&self, offset: usize) -> Place {
        shifted(Place::of(&self.text, offset), self.start)
    }

    /// An excerpt with `range` of the text at hand marked.
    pub(super) fn excerpt(&self, range: Range<usize>) -> Excerpt {
        excerpt(&self.written, &self.text, range, self.start)
    }

    /// An error at `range` of the text at hand.
    pub(super) fn error(&self, problem: Problem, range: Range<usize>) -> BodyError {
        BodyError { problem, excerpt: Box::new(self.excerpt(range)) }
    }

    /// The checksum of all that was read; of a template, of the template.
    pub(super) fn checksum(&self) -> Checksum {
        self.written.checksum().unwrap_or_else(|| self.checksum.clone().finish())
    }

    /// Drops text before byte `needed` and reads on, at least as much as there still is; returns how many bytes were
    /// dropped. At least one byte before `needed` is kept, where there is any.
    ///
    /// # Errors
    /// Reading failed, or what was read is not UTF-8, or holds a NUL byte.
    pub(super) fn fill(&mut self, needed: usize) -> Result<usize, BodyError> {
        let dropped = self.drop_before(needed);
        // A statement larger than the window doubles it, which keeps the whole linear.
        let wanted = if self.begun { self.text.len() + CHUNK.max(self.text.len()) } else { FIRST };
        while self.text.len() < wanted && !self.at_end {
            self.read(wanted.min(CHUNK))?;
            if !std::mem::replace(&mut self.begun, true) {
                self.byte_order_mark()?;
            }
            self.decode()?;
        }
        Ok(dropped)
    }

    /// Takes `range` out of the text at hand, without a copy, and drops what stands before it; returns it, and how
    /// many bytes were dropped. Its last character stays, as `fill` keeps one.
    pub(super) fn take(&mut self, range: Range<usize>) -> (String, usize) {
        let kept = self.text.floor_char_boundary(range.end.saturating_sub(1));
        let start = self.place(kept);
        let rest = self.text[kept..].to_owned();
        let mut taken = std::mem::replace(&mut self.text, rest);
        self.start = start;
        taken.truncate(range.end);
        taken.drain(..range.start);
        (taken, kept)
    }

    fn drop_before(&mut self, needed: usize) -> usize {
        let back = self.text.floor_char_boundary(needed.saturating_sub(KEPT));
        let line_start = self.text[back..needed].rfind('\n').map_or(back, |newline| back + newline + 1);
        // Where `needed` begins a line the line end before it is kept.
        let cut =
            if line_start == needed { self.text.floor_char_boundary(needed.saturating_sub(1)) } else { line_start };
        self.start = self.place(cut);
        self.text.drain(..cut);
        cut
    }

    /// Reads until `raw` holds `wanted` more bytes or the file ends.
    fn read(&mut self, wanted: usize) -> Result<(), BodyError> {
        let mut filled = self.raw.len();
        let wanted = filled + wanted;
        self.raw.resize(wanted, 0);
        while filled < wanted {
            match self.reader.read(&mut self.raw[filled..]) {
                Ok(0) => {
                    self.at_end = true;
                    break;
                }
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let problem = Problem::Reading { kind: error.kind(), message: error.to_string() };
                    return Err(self.error(problem, self.text.len()..self.text.len()));
                }
            }
        }
        self.raw.truncate(filled);
        Ok(())
    }

    fn byte_order_mark(&mut self) -> Result<(), BodyError> {
        if self.raw.starts_with(b"\xef\xbb\xbf") {
            self.raw.drain(..3);
        }
        // Without a mark UTF-16 shows by a zero in every second byte of its ASCII characters.
        let is_utf16 = self.raw.starts_with(b"\xff\xfe")
            || self.raw.starts_with(b"\xfe\xff")
            || matches!(*self.raw, [0, a, 0, b, ..] | [a, 0, b, 0, ..] if a != 0 && b != 0);
        if is_utf16 { Err(self.error(Problem::Utf16, 0..0)) } else { Ok(()) }
    }

    /// Refuses the lines of a conflict in git, wherever they stand: text from byte `from` on is new.
    fn refuse_conflict(&self, from: usize) -> Result<(), BodyError> {
        // A marker that the last read cut in two begins before.
        let from = self.text.floor_char_boundary(from.saturating_sub(8));
        let text = self.text.as_bytes();
        for sides in [b"<<<<<<< ", b">>>>>>> "] {
            for at in memchr::memmem::find_iter(&text[from..], sides).map(|at| from + at) {
                if at == 0 && self.start.column == 1 || at > 0 && text[at - 1] == b'\n' {
                    let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |length| at + length);
                    return Err(self.error(Problem::ConflictMarker, at..end));
                }
            }
        }
        Ok(())
    }

    /// Moves what is UTF-8 from `raw` to `text`.
    fn decode(&mut self) -> Result<(), BodyError> {
        let from = self.text.len();
        let (valid, broken) = match std::str::from_utf8(&self.raw) {
            Ok(text) => {
                self.text.push_str(text);
                (text.len(), false)
            }
            Err(error) => {
                let valid = error.valid_up_to();
                // Known to be valid: nothing is replaced.
                self.text.push_str(&String::from_utf8_lossy(&self.raw[..valid]));
                (valid, error.error_len().is_some() || self.at_end)
            }
        };
        if let Some(at) = memchr::memchr(0, &self.raw[..valid]) {
            return Err(self.error(Problem::Nul, from + at..from + at + 1));
        }
        self.refuse_conflict(from)?;
        if broken {
            let byte = self.raw[valid];
            let at = self.text.len();
            // The rest of the line, as well as it can be shown.
            let rest = &self.raw[valid..self.raw.len().min(valid + 200)];
            let rest = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
            self.text.push_str(&String::from_utf8_lossy(rest));
            return Err(self.error(Problem::NotUtf8(byte), at..at + '\u{fffd}'.len_utf8()));
        }
        self.checksum.update(&self.raw[..valid]);
        self.raw.drain(..valid);
        Ok(())
    }
}

/// `place` in a text that begins at `start`.
fn shifted(place: Place, start: Place) -> Place {
    let column = if place.line == 1 { place.column + start.column - 1 } else { place.column };
    Place { line: place.line + start.line - 1, column }
}

/// An excerpt with `range` marked, of a text that begins at `start` in its file.
pub(super) fn excerpt(written: &Written, text: &str, range: Range<usize>, start: Place) -> Excerpt {
    let mut excerpt = Excerpt::new(written.path(), text, range, 1);
    excerpt.place = shifted(excerpt.place, start);
    written.shown(excerpt)
}
