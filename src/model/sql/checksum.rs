//! The checksum of a revision file: SHA-256 of its text with CRLF made LF and the byte order mark gone.

use std::fmt;

use sha2::{Digest, Sha256};

/// A checksum; displayed as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checksum([u8; 32]);

impl Checksum {
    /// The checksum of a whole text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut running = Running::default();
        running.update(text.strip_prefix('\u{feff}').unwrap_or(text).as_bytes());
        running.finish()
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let text: String = digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect();
        formatter.write_str(&text)
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
