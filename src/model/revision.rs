//! A revision as the graph sees it: names, not files.

use std::fmt;
use std::sync::Arc;

/// The name of a revision or of a branch: letters, digits and `_`, and none of the words that mean a target.
///
/// One type for ids and labels: both obey one rule, and a person may type either in the same place.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Words that a target gives a meaning of their own, so nothing may be called by them.
pub const RESERVED: [&str; 4] = ["head", "heads", "base", "current"];

/// Why a text cannot be a [`Name`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameError {
    /// It is empty.
    Empty,
    /// It holds this character, at this byte.
    Character(char, usize),
    /// It is one of [`RESERVED`].
    Reserved(String),
}

impl Name {
    /// The name that `text` is.
    ///
    /// # Errors
    /// Empty, a character other than a letter, a digit or `_` (Unicode letters are letters), or reserved.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if let Some((at, character)) = text.char_indices().find(|(_, c)| !(c.is_alphanumeric() || *c == '_')) {
            return Err(NameError::Character(character, at));
        }
        if RESERVED.contains(&text) {
            return Err(NameError::Reserved(text.to_owned()));
        }
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", &*self.0)
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// What a revision file says of its place in the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Its id.
    pub id: Name,
    /// Its parents, in the order written; none for a base.
    pub parents: Vec<Name>,
    /// Ids or labels of revisions that must be applied before it without being its parents.
    pub depends_on: Vec<Name>,
    /// The labels written in its file; those it inherits are the graph's to say.
    pub labels: Vec<Name>,
    /// Its message: one line.
    pub message: String,
}
