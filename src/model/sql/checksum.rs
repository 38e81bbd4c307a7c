//! The checksum of a revision file: SHA-256 of its text with CRLF made LF and the byte order mark gone. Of a template it
//! is that of the template as it is written, whatever values are put into it.

use std::fmt;
use std::io::{self, Read};

use sha2::{Digest, Sha256};

use crate::source;

/// A checksum; displayed as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checksum([u8; 32]);

impl Checksum {
    /// The checksum of a whole text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self::of_bytes(text.as_bytes())
    }

    /// The checksum of the text that a file's bytes are, whether or not they are one.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut running = Running::default();
        running.update(source::without_mark(bytes));
        running.finish()
    }

    /// The same of what is still to be read.
    ///
    /// # Errors
    /// What the reader says.
    pub fn read(mut reader: impl Read) -> io::Result<Self> {
        const CHUNK: u64 = 64 * 1024;
        let mut chunk = Vec::new();
        let mut running = Running::default();
        let mut first = true;
        loop {
            chunk.clear();
            if reader.by_ref().take(CHUNK).read_to_end(&mut chunk)? == 0 {
                return Ok(running.finish());
            }
            running.update(if std::mem::take(&mut first) { source::without_mark(&chunk) } else { &chunk });
        }
    }

    /// Whether its hex digits begin with `digits`.
    #[must_use]
    pub fn begins_with(&self, digits: &str) -> bool {
        digits.len() <= 2 * self.0.len() && self.digits().zip(digits.chars()).all(|(own, other)| own == other)
    }

    fn digits(&self) -> impl Iterator<Item = char> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)]))
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.digits().collect::<String>())
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Checksum({self})")
    }
}

/// A checksum in the making.
#[derive(Clone, Default)]
pub(crate) struct Running {
    hash: Sha256,
    /// A carriage return was the last byte: what follows says whether it counts.
    carriage_return: bool,
}

impl Running {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if std::mem::take(&mut self.carriage_return) && bytes[0] != b'\n' {
            self.hash.update(b"\r");
        }
        let mut from = 0;
        for at in memchr::memchr_iter(b'\r', bytes) {
            match bytes.get(at + 1) {
                Some(b'\n') => {
                    self.hash.update(&bytes[from..at]);
                    from = at + 1;
                }
                Some(_) => {}
                None => {
                    self.hash.update(&bytes[from..at]);
                    from = bytes.len();
                    self.carriage_return = true;
                }
            }
        }
        self.hash.update(&bytes[from..]);
    }

    pub(crate) fn finish(mut self) -> Checksum {
        if self.carriage_return {
            self.hash.update(b"\r");
        }
        Checksum(self.hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_and_the_byte_order_mark_do_not_count() {
        let plain = Checksum::of("a\nb\r c\n");
        assert_eq!(Checksum::of("\u{feff}a\r\nb\r c\r\n"), plain);
        for other in ["a\nb c\n", "a\nb\r c", "a\nb\n c\n", "a\nb\r c\n\r"] {
            assert_ne!(Checksum::of(other), plain, "{other:?}");
        }
        assert_eq!(Checksum::of("").to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn cut_anywhere_it_is_the_same() {
        let text = b"a\r\nb\rc\r\r\nd\r";
        for cut in 0..=text.len() {
            for second in cut..=text.len() {
                let mut running = Running::default();
                running.update(&text[..cut]);
                running.update(&text[cut..second]);
                running.update(&text[second..]);
                assert_eq!(running.finish(), Checksum::of(std::str::from_utf8(text).unwrap()));
            }
        }
    }
}
