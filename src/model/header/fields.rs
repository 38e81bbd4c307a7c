//! What both readers of a header give: each key once, its value as text, and where each stands.
//! Nothing is interpreted here: a scalar is its text, whatever YAML's schema would make of `002` or `true`.

use std::borrow::Cow;
use std::ops::Range;

use super::{HeaderError, Problem};
use crate::nearest::nearest;

/// The keys of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The revision's id.
    Revision,
    /// Its parents.
    Parents,
    /// What it is about.
    Message,
    /// When it was made.
    Created,
    /// What must be applied before it without being its parent.
    DependsOn,
    /// Names of the branch that it is on.
    Labels,
    /// Whether it runs in a transaction.
    Transaction,
    /// Whether its body is a template.
    Template,
    /// How long a statement may wait for a lock.
    LockTimeout,
    /// How long a statement may take.
    StatementTimeout,
    /// The id of a repeatable file.
    Repeatable,
}

impl Key {
    /// All of them, in the order in which a new file writes them.
    pub const ALL: [Self; 11] = [
        Self::Revision,
        Self::Parents,
        Self::Message,
        Self::Created,
        Self::DependsOn,
        Self::Labels,
        Self::Transaction,
        Self::Template,
        Self::LockTimeout,
        Self::StatementTimeout,
        Self::Repeatable,
    ];

    /// The key as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Revision => "revision",
            Self::Parents => "parents",
            Self::Message => "message",
            Self::Created => "created",
            Self::DependsOn => "depends_on",
            Self::Labels => "labels",
            Self::Transaction => "transaction",
            Self::Template => "template",
            Self::LockTimeout => "lock_timeout",
            Self::StatementTimeout => "statement_timeout",
            Self::Repeatable => "repeatable",
        }
    }

    /// The key that is written `text`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.as_str() == text)
    }

    /// The key that somebody who wrote `text` may have meant: Alembic's name for it, or one that looks like it.
    #[must_use]
    pub fn nearest(text: &str) -> Option<Self> {
        match text.to_lowercase().replace(['-', ' '], "_").as_str() {
            "down_revision" | "down_revisions" | "revises" | "parent" | "parent_revision" => {
                return Some(Self::Parents);
            }
            "branch_labels" | "branch_label" => return Some(Self::Labels),
            "create_date" | "date" => return Some(Self::Created),
            "revision_id" | "id" => return Some(Self::Revision),
            "dependencies" => return Some(Self::DependsOn),
            "description" => return Some(Self::Message),
            _ => {}
        }
        nearest(text, Self::ALL.map(Self::as_str)).and_then(Self::parse)
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A scalar: its text, and its bytes in the file (quotes included).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) range: Range<usize>,
}

/// The value of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Nothing,
    Scalar(Text<'a>),
    List(Vec<Text<'a>>),
}

/// A header's keys with their places and values.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fields<'a>([Option<(Range<usize>, Value<'a>)>; Key::ALL.len()]);

impl<'a> Fields<'a> {
    /// What stands under `key`: the key's own bytes and its value.
    pub(super) fn get(&self, key: Key) -> Option<(&Range<usize>, &Value<'a>)> {
        self.0[key as usize].as_ref().map(|(range, value)| (range, value))
    }

    /// Adds a key; an error where it is there already.
    pub(super) fn add(&mut self, key: Key, range: Range<usize>, value: Value<'a>) -> Result<(), HeaderError> {
        match &mut self.0[key as usize] {
            Some((first, _)) => Err(HeaderError { problem: Problem::KeyTwice(key, first.clone()), range }),
            slot @ None => {
                *slot = Some((range, value));
                Ok(())
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}
