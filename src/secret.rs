//! A text that may hold a password: it is never printed, not even by accident.

use std::fmt;

/// A text that may hold a password. `Debug` and `Display` show `***`; [`Secret::reveal`] is the only way to it.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text, guarded from here on.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for whoever connects or renders; it must not reach any output.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The forms that it may take in a message, each with what is shown for it, as [`Covers`] takes them; none of a text that is too
    /// short.
    #[must_use]
    pub fn forms(&self) -> Vec<(String, String)> {
        let value = &self.0;
        if value.len() < SHORTEST {
            return Vec::new();
        }
        let literal = value.replace('\'', "''");
        let forms = [value.clone(), literal.replace('\\', "\\\\"), literal, value.replace('"', "\"\"")];
        forms.map(|form| (form, self.to_string())).into()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// A shorter text, or piece of one, stands in too many words to be covered in all of them.
pub const SHORTEST: usize = 4;

/// What stands behind a text that was cut off: the server shows no more of a row's values than 64 bytes each.
const CUT_OFF: &str = "...";

/// Texts that must not be shown, each with what is shown in its place.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Covers(Vec<(String, String)>);

impl Covers {
    /// `text` with all of them replaced, also one whose end was cut off.
    #[must_use]
    pub fn cover(&self, text: String) -> String {
        let covered = |text: String, (hidden, shown): &(String, String)| text.replace(hidden, shown);
        let text = self.0.iter().fold(text, covered);
        if text.contains(CUT_OFF) { self.cover_beginnings(&text) } else { text }
    }

    /// The same for the beginnings of them that stand before `...`.
    fn cover_beginnings(&self, text: &str) -> String {
        let mut pieces = text.split(CUT_OFF).map(str::to_owned).collect::<Vec<_>>();
        let last = pieces.len() - 1;
        for piece in &mut pieces[..last] {
            let beginning = |(hidden, shown): &(String, String)| {
                let lengths = (SHORTEST..hidden.len()).rev().filter(|length| hidden.is_char_boundary(*length));
                lengths
                    .into_iter()
                    .find(|length| piece.ends_with(&hidden[..*length]))
                    .map(|length| (length, shown.clone()))
            };
            if let Some((length, shown)) = self.0.iter().filter_map(beginning).max_by_key(|(length, _)| *length) {
                piece.replace_range(piece.len() - length.., &shown);
            }
        }
        pieces.join(CUT_OFF)
    }

    /// The length of the longest of them.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.0.first().map_or(0, |(hidden, _)| hidden.len())
    }

    /// Where `text` can be cut, at `at` if that is in none of them. What follows `at` must be known for as far as the longest reaches.
    #[must_use]
    pub fn cut(&self, text: &[u8], at: usize) -> usize {
        let across = |(hidden, _): &(String, String)| {
            let hidden = hidden.as_bytes();
            let from = (at + 1).saturating_sub(hidden.len());
            let until = text.len().min(at + hidden.len() - 1);
            let found = memchr::memmem::find(text.get(from..until)?, hidden)?;
            Some((from + found, from + found + hidden.len()))
        };
        match self.0.iter().filter_map(across).min() {
            Some((start @ 1.., _)) => start,
            Some((_, end)) => end,
            None => at,
        }
    }
}

impl Extend<(String, String)> for Covers {
    fn extend<T: IntoIterator<Item = (String, String)>>(&mut self, pairs: T) {
        self.0.extend(pairs.into_iter().filter(|(hidden, _)| !hidden.is_empty()));
        // One that holds another is covered as a whole.
        self.0.sort_by_key(|(hidden, _)| std::cmp::Reverse(hidden.len()));
    }
}

impl FromIterator<(String, String)> for Covers {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(pairs: T) -> Self {
        let mut covers = Self::default();
        covers.extend(pairs);
        covers
    }
}

impl fmt::Debug for Covers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} covered", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covers_replace_the_longer_first_and_show_nothing() {
        let covers: Covers =
            [("ab", "1"), ("abc", "2"), ("", "3")].map(|(a, b)| (a.to_owned(), b.to_owned())).into_iter().collect();
        assert_eq!(covers.cover("abcab x".to_owned()), "21 x");
        assert_eq!(format!("{covers:?}"), "2 covered");
    }

    #[test]
    fn beginnings_are_covered_where_the_server_cut() {
        let covers: Covers =
            ["canary", "é-canaries"].map(|hidden| (hidden.to_owned(), "*".to_owned())).into_iter().collect();
        for (text, shown) in [
            ("Failing row contains (1, cana...).", "Failing row contains (1, *...)."),
            ("(user=u password=canar..., é-cana..., x...)", "(user=u password=*..., *..., x...)"),
            ("canary... é-canarie......", "*... *......"),
            ("a can... cana", "a can... cana"),
        ] {
            assert_eq!(covers.cover(text.to_owned()), shown);
        }
    }

    #[test]
    fn a_cut_goes_around_them() {
        let covers: Covers = ["canary", "ab"].map(|hidden| (hidden.to_owned(), "*".to_owned())).into_iter().collect();
        assert_eq!(covers.longest(), 6);
        for (text, at, cut) in [
            ("xxcanaryxx", 2, 2),
            ("xxcanaryxx", 3, 2),
            ("xxcanaryxx", 7, 2),
            ("xxcanaryxx", 8, 8),
            ("canaryxx", 3, 6),
            ("xxxabxx", 4, 3),
            ("xx", 1, 1),
        ] {
            assert_eq!(covers.cut(text.as_bytes(), at), cut, "{text} {at}");
        }
        assert_eq!(Covers::default().cut(b"abc", 2), 2);
    }

    #[test]
    fn the_forms_of_a_secret() {
        let covers: Covers = Secret::from("a'\\\"b").forms().into_iter().collect();
        for text in ["a'\\\"b", "a''\\\"b", "a''\\\\\"b", "a'\\\"\"b"] {
            assert_eq!(covers.cover(format!("<{text}>")), "<***>");
        }
        assert_eq!(Secret::from("abc").forms(), []);
    }

    #[test]
    fn only_reveal_shows_it() {
        let secret = Secret::from("canary");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(secret.reveal(), "canary");
        assert_eq!(secret, Secret::new("canary".to_owned()));
    }
}
