//! The command tag: what the server says that a statement did.

use std::fmt;

/// A command tag: `CREATE TABLE`, `INSERT 0 5`, `COMMIT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// The tag that the server wrote.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What was done, without numbers: `INSERT`, `CREATE TABLE`, `COMMIT`.
    #[must_use]
    pub fn verb(&self) -> &str {
        self.0.trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ')
    }

    /// How many rows, if the server counted them.
    #[must_use]
    pub fn rows(&self) -> Option<u64> {
        let (before, last) = self.0.rsplit_once(' ')?;
        if before.is_empty() { None } else { last.parse().ok() }
    }

    /// The tag as the server wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_and_counts() {
        for (text, verb, rows) in [
            ("INSERT 0 5", "INSERT", Some(5)),
            ("SELECT 12", "SELECT", Some(12)),
            ("CREATE TABLE", "CREATE TABLE", None),
            ("CREATE TABLE AS", "CREATE TABLE AS", None),
            ("COPY 3", "COPY", Some(3)),
            ("COMMIT", "COMMIT", None),
            ("", "", None),
        ] {
            let tag = Tag::new(text);
            assert_eq!((tag.verb(), tag.rows()), (verb, rows), "{text}");
        }
    }
}
