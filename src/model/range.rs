//! Two targets with a colon between them: `a:b`.

use std::fmt;

use crate::model::target::{Target, TargetSyntaxError};

/// Revisions between two targets, for `history -r`: `a:b`, `a:`, `:b` or `:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The lower end; without one, from the beginning.
    pub from: Option<Target>,
    /// The upper end; without one, to all heads.
    pub to: Option<Target>,
}

/// Where to go, and where from, if not from where the database stands: `b` or `a:b`, for `--sql`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where the database is taken to stand.
    pub from: Option<Target>,
    /// Where to go.
    pub to: Target,
}

/// Why a text is no [`Range`] or [`Route`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeSyntaxError {
    /// A range without a colon.
    NoColon,
    /// A second colon, at this byte.
    TwoColons(usize),
    /// An end that is no target; its bytes count from the start of the range.
    Target(TargetSyntaxError),
}

impl Range {
    /// The range that `text` is.
    ///
    /// # Errors
    /// No colon, two of them, or an end that is no target.
    pub fn parse(text: &str) -> Result<Self, RangeSyntaxError> {
        let (from, to) = halves(text)?;
        let from = from.ok_or(RangeSyntaxError::NoColon)?;
        Ok(Self { from: end(from, 0)?, to: end(to, from.len() + 1)? })
    }

    /// Whether an end is `current`, which only a database can answer.
    #[must_use]
    pub fn needs_current(&self) -> bool {
        [&self.from, &self.to].into_iter().flatten().any(Target::is_current)
    }
}

impl Route {
    /// The route that `text` is: a target, or two with a colon between.
    ///
    /// # Errors
    /// Two colons, or an end that is empty or no target.
    pub fn parse(text: &str) -> Result<Self, RangeSyntaxError> {
        let (from, to) = halves(text)?;
        let from = from.map(Target::parse).transpose().map_err(RangeSyntaxError::Target)?;
        let start = text.len() - to.len();
        let to = Target::parse(to).map_err(|error| RangeSyntaxError::Target(error.after(start)))?;
        Ok(Self { from, to })
    }
}

fn halves(text: &str) -> Result<(Option<&str>, &str), RangeSyntaxError> {
    let Some((from, to)) = text.split_once(':') else { return Ok((None, text)) };
    match to.find(':') {
        Some(second) => Err(RangeSyntaxError::TwoColons(from.len() + 1 + second)),
        None => Ok((Some(from), to)),
    }
}

fn end(text: &str, start: usize) -> Result<Option<Target>, RangeSyntaxError> {
    if text.is_empty() {
        return Ok(None);
    }
    Target::parse(text).map(Some).map_err(|error| RangeSyntaxError::Target(error.after(start)))
}

impl fmt::Display for Range {
    /// As it is typed.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(from) = &self.from {
            write!(formatter, "{from}")?;
        }
        formatter.write_str(":")?;
        self.to.as_ref().map_or(Ok(()), |to| write!(formatter, "{to}"))
    }
}

impl fmt::Display for Route {
    /// As it is typed.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(from) = &self.from {
            write!(formatter, "{from}:")?;
        }
        write!(formatter, "{}", self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_read_back_as_typed() {
        for text in ["a:b", "a:", ":b", ":", "-3:current", "x@base:+2"] {
            assert_eq!(Range::parse(text).map(|range| range.to_string()), Ok(text.to_owned()));
        }
        assert!(Range::parse("current:").unwrap().needs_current());
        assert!(!Range::parse(":head").unwrap().needs_current());
    }

    #[test]
    fn routes_read_back_as_typed() {
        for text in ["b", "a:b", "base:head", "a:-1"] {
            assert_eq!(Route::parse(text).map(|route| route.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn wrong_ones_say_where() {
        assert_eq!(Range::parse("a"), Err(RangeSyntaxError::NoColon));
        assert_eq!(Range::parse("a:b:c"), Err(RangeSyntaxError::TwoColons(3)));
        let missing = |at| RangeSyntaxError::Target(TargetSyntaxError::Missing { at });
        assert_eq!(Range::parse("a:x@"), Err(missing(4)));
        assert_eq!(Route::parse("a:"), Err(missing(2)));
        assert_eq!(Route::parse(":a"), Err(missing(0)));
        assert_eq!(Route::parse("ab:+x"), Err(RangeSyntaxError::Target(TargetSyntaxError::Steps { at: 4 })));
    }
}
