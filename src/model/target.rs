//! Targets: what a person types to say which revision they mean, parsed once.
//!
//! A [`Target`] knows no graph: `plan` resolves it against one. Alembic's forms, read strictly: it takes `+1garbage`
//! for `+1`, this does not.

use std::fmt;
use std::str::FromStr;

use crate::model::revision::{Name, NameError};

/// What a person typed: `head`, `billing@head`, `1975ea`, `+2`, `base+1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The branch to look in: a label, an id or the beginning of one, written before `@`.
    pub branch: Option<Name>,
    /// Which revision.
    pub point: Point,
}

/// Which revision a target means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Point {
    /// The one named.
    At(Symbol),
    /// Some steps from the one named, or, with none named, from where the database stands.
    Away(Option<Symbol>, Walk),
}

/// A name in a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Symbol {
    /// `head`: the only head.
    Head,
    /// `heads`: all heads.
    Heads,
    /// `base`: before every revision.
    Base,
    /// `current`: the rows of the database.
    Current,
    /// An id, a label, or the beginning of one.
    Name(Name),
}

/// Steps along parents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// `+N`: to children.
    Up(u32),
    /// `-N`: to parents.
    Down(u32),
}

impl Walk {
    /// How many steps were asked for.
    #[must_use]
    pub fn steps(self) -> u32 {
        let (Self::Up(steps) | Self::Down(steps)) = self;
        steps
    }
}

/// Why a text is no [`Target`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetSyntaxError {
    /// Nothing where a target, a branch or a revision should be; the byte where it should be.
    Missing {
        /// The byte.
        at: usize,
    },
    /// A second `@`.
    TwoBranches {
        /// Its byte.
        at: usize,
    },
    /// A word before `@` that means a revision, not a branch: `head@x`.
    ReservedBranch {
        /// The word.
        word: String,
    },
    /// A character that no name has.
    Character {
        /// It.
        character: char,
        /// Its byte.
        at: usize,
    },
    /// Something other than digits after `+` or `-`, or nothing, or a number that is too large.
    Steps {
        /// The byte after the sign.
        at: usize,
    },
}

impl TargetSyntaxError {
    /// The byte of the text where it went wrong.
    #[must_use]
    pub fn at(&self) -> usize {
        match self {
            Self::Missing { at } | Self::TwoBranches { at } | Self::Character { at, .. } | Self::Steps { at } => *at,
            Self::ReservedBranch { .. } => 0,
        }
    }

    /// The same, in a text that `before` bytes precede.
    pub(crate) fn after(mut self, before: usize) -> Self {
        match &mut self {
            Self::Missing { at } | Self::TwoBranches { at } | Self::Character { at, .. } | Self::Steps { at } => {
                *at += before;
            }
            Self::ReservedBranch { .. } => {}
        }
        self
    }
}

impl Target {
    /// `heads`: what most commands mean when nothing is said.
    pub const HEADS: Self = Self { branch: None, point: Point::At(Symbol::Heads) };
    /// `head`: what a new revision stands on when nothing is said.
    pub const HEAD: Self = Self { branch: None, point: Point::At(Symbol::Head) };
    /// `base`: before every revision.
    pub const BASE: Self = Self { branch: None, point: Point::At(Symbol::Base) };
    /// `current`: the rows of the database.
    pub const CURRENT: Self = Self { branch: None, point: Point::At(Symbol::Current) };

    /// The target that `text` is.
    ///
    /// # Errors
    /// Whatever is not `[branch@]symbol`, `[branch@]+N` or `[branch@]symbol+N`, or the same with `-N`.
    pub fn parse(text: &str) -> Result<Self, TargetSyntaxError> {
        let Some((branch, point)) = text.split_once('@') else {
            return Ok(Self { branch: None, point: Point::parse(text, 0)? });
        };
        let start = branch.len() + 1;
        if let Some(second) = point.find('@') {
            return Err(TargetSyntaxError::TwoBranches { at: start + second });
        }
        let name = Name::new(branch).map_err(|error| match error {
            NameError::Empty => TargetSyntaxError::Missing { at: 0 },
            NameError::Character(character, at) => TargetSyntaxError::Character { character, at },
            NameError::Reserved(word) => TargetSyntaxError::ReservedBranch { word },
        })?;
        Ok(Self { branch: Some(name), point: Point::parse(point, start)? })
    }

    /// The target that names exactly this revision or label.
    #[must_use]
    pub fn named(name: Name) -> Self {
        Self { branch: None, point: Point::At(Symbol::Name(name)) }
    }

    /// Whether it is the word `current`, which a command without a database cannot answer.
    #[must_use]
    pub fn is_current(&self) -> bool {
        let (Point::At(symbol) | Point::Away(Some(symbol), _)) = &self.point else { return false };
        *symbol == Symbol::Current
    }

    /// Whether it counts from where the database stands: typed again, it means another revision.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        matches!(self.point, Point::Away(None | Some(Symbol::Current), _))
    }
}

impl Point {
    /// The point that `text` is; `start` bytes stand before it in what was typed.
    fn parse(text: &str, start: usize) -> Result<Self, TargetSyntaxError> {
        let Some(sign) = text.find(['+', '-']) else {
            return Ok(Self::At(Symbol::parse(text, start)?));
        };
        let (symbol, digits) = (&text[..sign], &text[sign + 1..]);
        let at = start + sign + 1;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(TargetSyntaxError::Steps { at });
        }
        let steps = digits.parse().map_err(|_| TargetSyntaxError::Steps { at })?;
        let walk = if text[sign..].starts_with('+') { Walk::Up(steps) } else { Walk::Down(steps) };
        let symbol = if symbol.is_empty() { None } else { Some(Symbol::parse(symbol, start)?) };
        Ok(Self::Away(symbol, walk))
    }
}

impl Symbol {
    fn parse(text: &str, start: usize) -> Result<Self, TargetSyntaxError> {
        match text {
            "head" => return Ok(Self::Head),
            "heads" => return Ok(Self::Heads),
            "base" => return Ok(Self::Base),
            "current" => return Ok(Self::Current),
            _ => {}
        }
        match Name::new(text) {
            Ok(name) => Ok(Self::Name(name)),
            Err(NameError::Character(character, at)) => Err(TargetSyntaxError::Character { character, at: start + at }),
            Err(NameError::Empty | NameError::Reserved(_)) => Err(TargetSyntaxError::Missing { at: start }),
        }
    }
}

impl FromStr for Target {
    type Err = TargetSyntaxError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Target {
    /// As it is typed.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(branch) = &self.branch {
            write!(formatter, "{branch}@")?;
        }
        match &self.point {
            Point::At(symbol) => write!(formatter, "{symbol}"),
            Point::Away(Some(symbol), walk) => write!(formatter, "{symbol}{walk}"),
            Point::Away(None, walk) => write!(formatter, "{walk}"),
        }
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Head => "head",
            Self::Heads => "heads",
            Self::Base => "base",
            Self::Current => "current",
            Self::Name(name) => name.as_str(),
        })
    }
}

impl fmt::Display for Walk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up(steps) => write!(formatter, "+{steps}"),
            Self::Down(steps) => write!(formatter, "-{steps}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_back_as_typed() {
        for text in [
            "head",
            "heads",
            "base",
            "current",
            "1975ea83b712",
            "1e9",
            "-1",
            "+2",
            "+0",
            "-0",
            "head-1",
            "base+2",
            "ab-3",
            "billing@head",
            "billing@heads",
            "billing@base",
            "billing@+2",
            "billing@-1",
            "ab12@cd34",
            "x@head-1",
            "head_2",
            "current_1+1",
            "é",
        ] {
            assert_eq!(Target::parse(text).map(|target| target.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(Target::parse("+007").unwrap().to_string(), "+7");
    }

    #[test]
    fn the_parts_are_what_they_look_like() {
        let name = |text| Name::new(text).unwrap();
        assert_eq!(
            Target::parse("x@ab-3"),
            Ok(Target { branch: Some(name("x")), point: Point::Away(Some(Symbol::Name(name("ab"))), Walk::Down(3)) })
        );
        assert_eq!(Target::parse("head").unwrap(), Target::HEAD);
        assert!(Target::parse("current-1").unwrap().is_current());
        assert!(!Target::parse("-1").unwrap().is_current());
    }

    #[test]
    fn anything_else_is_refused_where_it_goes_wrong() {
        for (text, expected) in [
            ("", TargetSyntaxError::Missing { at: 0 }),
            ("@head", TargetSyntaxError::Missing { at: 0 }),
            ("x@", TargetSyntaxError::Missing { at: 2 }),
            ("a@b@c", TargetSyntaxError::TwoBranches { at: 3 }),
            ("head@x", TargetSyntaxError::ReservedBranch { word: "head".into() }),
            ("+1garbage", TargetSyntaxError::Steps { at: 1 }),
            ("bbbb+0xyz", TargetSyntaxError::Steps { at: 5 }),
            ("my-2nd-label", TargetSyntaxError::Steps { at: 3 }),
            ("x@+", TargetSyntaxError::Steps { at: 3 }),
            ("+99999999999", TargetSyntaxError::Steps { at: 1 }),
            ("a b", TargetSyntaxError::Character { character: ' ', at: 1 }),
            ("x@a:b", TargetSyntaxError::Character { character: ':', at: 3 }),
            ("x.y@head", TargetSyntaxError::Character { character: '.', at: 1 }),
        ] {
            assert_eq!(Target::parse(text), Err(expected), "{text}");
        }
    }
}
