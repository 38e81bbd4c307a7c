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

/// Texts that must not be shown, each with what is shown in its place.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Covers(Vec<(String, String)>);

impl Covers {
    /// `text` with all of them replaced.
    #[must_use]
    pub fn cover(&self, text: String) -> String {
        let covered = |text: String, (hidden, shown): &(String, String)| text.replace(hidden, shown);
        self.0.iter().fold(text, covered)
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
    fn only_reveal_shows_it() {
        let secret = Secret::from("canary");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(secret.reveal(), "canary");
        assert_eq!(secret, Secret::new("canary".to_owned()));
    }
}
