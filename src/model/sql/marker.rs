//! The lines that cut a revision file into sections: `-- migrate:upgrade transaction:false`, `-- migrate:verify`.
//! Where such a line stands is the splitter's to find; what it says is read here.

use std::fmt;
use std::ops::Range;

/// What the statements of a section are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SectionKind {
    /// They apply the revision.
    Upgrade,
    /// They undo it.
    Downgrade,
}

impl SectionKind {
    /// All kinds, in the order a file usually holds them.
    pub const ALL: [Self; 2] = [Self::Upgrade, Self::Downgrade];

    /// The word in a marker.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Upgrade => "upgrade",
            Self::Downgrade => "downgrade",
        }
    }
}

impl fmt::Display for SectionKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.word())
    }
}

/// What a marker begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkerKind {
    /// A section of this kind.
    Section(SectionKind),
    /// The verification of the section before it.
    Verify,
}

impl MarkerKind {
    /// All kinds, in the order a file usually holds them.
    pub const ALL: [Self; 3] =
        [Self::Section(SectionKind::Upgrade), Self::Section(SectionKind::Downgrade), Self::Verify];

    /// The word in a marker.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Section(kind) => kind.word(),
            Self::Verify => "verify",
        }
    }
}

/// Whether a section's statements run in one transaction with the revision's bookkeeping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transaction {
    /// In one transaction.
    Inside,
    /// One by one, each for itself (`transaction:false`).
    Outside,
}

/// A well-written marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// What the section is for.
    pub kind: MarkerKind,
    /// What it says of the transaction; nothing where the file's header decides.
    pub transaction: Option<Transaction>,
}

/// What is wrong with a marker; the places are bytes of its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkerError {
    /// What.
    pub problem: MarkerProblem,
    /// The bytes of the line that are wrong.
    pub range: Range<usize>,
}

/// What is wrong with a marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkerProblem {
    /// It does not begin exactly with `-- migrate:`.
    Prefix,
    /// Something stands before it on its line.
    BehindSomething,
    /// This is no kind of section (empty: none is written); the nearest one that is.
    Kind {
        /// As written.
        found: String,
        /// The nearest right word, if one is near.
        nearest: Option<MarkerKind>,
    },
    /// This is no option; the only ones are `transaction:true` and `transaction:false`.
    Option {
        /// As written.
        found: String,
        /// The nearest right text, if one is near.
        nearest: Option<&'static str>,
    },
    /// `transaction` is said twice.
    Twice,
    /// A verification is always in a transaction.
    OptionOfVerify,
    /// A verification before the first section.
    NothingToVerify,
    /// A repeatable file is not undone.
    DowngradeOfScript,
    /// A repeatable file is always in a transaction.
    ScriptOutside,
}

/// What every marker begins with.
pub const PREFIX: &str = "-- migrate:";

const OPTIONS: [(&str, Transaction); 2] =
    [("transaction:true", Transaction::Inside), ("transaction:false", Transaction::Outside)];

impl Marker {
    /// What `line` says: a comment that [`super::split`] took for a marker, from its `--`, without its line end.
    ///
    /// # Errors
    /// Anything but `-- migrate:`, a kind, and `transaction:true` or `transaction:false` at most once.
    pub fn parse(line: &str) -> Result<Self, MarkerError> {
        let Some(rest) = line.strip_prefix(PREFIX) else {
            let end = line.find(':').map_or(line.len(), |colon| colon + 1);
            return Err(MarkerError { problem: MarkerProblem::Prefix, range: 0..end });
        };
        let kind_end = PREFIX.len() + rest.find(is_blank).unwrap_or(rest.len());
        let found = &line[PREFIX.len()..kind_end];
        let kind = MarkerKind::ALL.into_iter().find(|kind| kind.word() == found).ok_or_else(|| MarkerError {
            problem: MarkerProblem::Kind { found: found.to_owned(), nearest: nearest_kind(found) },
            range: PREFIX.len()..kind_end,
        })?;
        let mut transaction = None;
        for range in words(line, kind_end) {
            let found = &line[range.clone()];
            let Some((_, said)) = OPTIONS.into_iter().find(|(text, _)| *text == found) else {
                let problem = MarkerProblem::Option { found: found.to_owned(), nearest: nearest_option(found) };
                return Err(MarkerError { problem, range });
            };
            if kind == MarkerKind::Verify {
                return Err(MarkerError { problem: MarkerProblem::OptionOfVerify, range });
            }
            if transaction.replace(said).is_some() {
                return Err(MarkerError { problem: MarkerProblem::Twice, range });
            }
        }
        Ok(Self { kind, transaction })
    }
}

/// Whether a `--` comment that is no marker was meant as one: behind something on its line, or with another sign before or behind
/// `migrate`. Taken for a comment, it would leave a verification out in silence, or run a downgrade as part of the upgrade.
///
/// Narrow on purpose: prose may speak of what to migrate.
pub(super) fn is_meant(comment: &[u8]) -> bool {
    const WORD: &str = "migrate";
    let Ok(comment) = std::str::from_utf8(comment) else { return false };
    let text = comment.trim_start_matches('-').trim_start();
    let (plus, text) = text.strip_prefix('+').map_or((false, text), |text| (true, text.trim_start()));
    let Some((_, rest)) = text.split_at_checked(WORD.len()).filter(|(word, _)| word.eq_ignore_ascii_case(WORD)) else {
        return false;
    };
    let Some(sign) =
        rest.chars().next().filter(|sign| matches!(sign, ':' | '-' | '_' | '=' | '.') || (plus && is_blank(*sign)))
    else {
        return false;
    };
    let rest = &rest[1..];
    let mut words = rest.split(is_blank).filter(|word| !word.is_empty());
    let kind = words.next().and_then(nearest_kind);
    // What only looks like it says no more than a marker does.
    let is_exact = sign == ':' && !rest.starts_with(is_blank);
    let says_no_more = words.next().is_none_or(|word| nearest_option(word).is_some());
    kind.is_some() && (is_exact || plus || says_no_more)
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\u{c}')
}

/// The places of the words of `line` from byte `from`.
fn words(line: &str, from: usize) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = from;
    std::iter::from_fn(move || {
        let start = at + line[at..].find(|character| !is_blank(character))?;
        at = line[start..].find(is_blank).map_or(line.len(), |length| start + length);
        Some(start..at)
    })
}

/// `up` and `down` are what dbmate and others write; the rest goes by likeness.
fn nearest_kind(found: &str) -> Option<MarkerKind> {
    let found = found.to_ascii_lowercase();
    if found.is_empty() {
        return None;
    }
    if matches!(found.as_str(), "up" | "forward" | "apply") {
        return Some(MarkerKind::Section(SectionKind::Upgrade));
    }
    if matches!(found.as_str(), "down" | "undo" | "rollback" | "revert") {
        return Some(MarkerKind::Section(SectionKind::Downgrade));
    }
    if matches!(found.as_str(), "check" | "test" | "assert") {
        return Some(MarkerKind::Verify);
    }
    nearest(&found, MarkerKind::ALL.into_iter().map(|kind| (kind.word(), kind)))
}

fn nearest_option(found: &str) -> Option<&'static str> {
    let found = found.to_ascii_lowercase().replace('=', ":");
    match found.as_str() {
        "notransaction" | "no-transaction" | "no_transaction" | "transaction:no" | "transaction:off" => {
            Some("transaction:false")
        }
        "transaction" | "transaction:yes" | "transaction:on" => Some("transaction:true"),
        _ => nearest(&found, OPTIONS.into_iter().map(|(text, _)| (text, text))),
    }
}

fn nearest<T>(found: &str, candidates: impl Iterator<Item = (&'static str, T)>) -> Option<T> {
    candidates
        .map(|(word, value)| (strsim::jaro_winkler(found, word), value))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPGRADE: MarkerKind = MarkerKind::Section(SectionKind::Upgrade);
    const DOWNGRADE: MarkerKind = MarkerKind::Section(SectionKind::Downgrade);

    #[test]
    fn right_markers() {
        for (line, kind, transaction) in [
            ("-- migrate:upgrade", UPGRADE, None),
            ("-- migrate:downgrade  ", DOWNGRADE, None),
            ("-- migrate:upgrade transaction:false", UPGRADE, Some(Transaction::Outside)),
            ("-- migrate:downgrade\ttransaction:true", DOWNGRADE, Some(Transaction::Inside)),
            ("-- migrate:verify", MarkerKind::Verify, None),
        ] {
            assert_eq!(Marker::parse(line), Ok(Marker { kind, transaction }), "{line}");
        }
    }

    #[test]
    fn comments_that_were_meant_as_markers() {
        for comment in [
            "-- migrate:verify",
            "--migrate:downgrade transaction:false",
            "-- Migrate:down and out",
            "-- migrate: verify",
            "-- +migrate:verify",
            "-- +migrate Down",
            "--- migrate:upgrade",
            "-- migrate-verify",
            "-- migrate_downgrade transaction:false",
            "-- migrate=upgrade",
        ] {
            assert!(is_meant(comment.as_bytes()), "{comment}");
        }
        for comment in [
            "-- we migrate: see wiki",
            "-- migrate: see wiki",
            "-- migrate: upgrade the rows one by one",
            "-- migrate-up scripts are elsewhere",
            "-- migrate down",
            "-- migrate the old rows",
            "-- migrated:verify",
            "-- migrateé:verify",
            "-- migrate:",
            "-- migrate",
            "-- +1",
            "--",
            "-- migraté",
        ] {
            assert!(!is_meant(comment.as_bytes()), "{comment}");
        }
    }

    #[test]
    fn wrong_markers_name_the_nearest_right_one() {
        let kind = |found: &str, nearest| MarkerProblem::Kind { found: found.to_owned(), nearest };
        let option = |found: &str, nearest| MarkerProblem::Option { found: found.to_owned(), nearest };
        for (line, problem, marked) in [
            ("-- migrate:upgarde", kind("upgarde", Some(UPGRADE)), "upgarde"),
            ("-- migrate:up", kind("up", Some(UPGRADE)), "up"),
            ("-- migrate:down", kind("down", Some(DOWNGRADE)), "down"),
            ("-- migrate:Downgrade", kind("Downgrade", Some(DOWNGRADE)), "Downgrade"),
            ("-- migrate:banana", kind("banana", None), "banana"),
            ("-- migrate: upgrade", kind("", None), ""),
            ("--migrate:upgrade", MarkerProblem::Prefix, "--migrate:"),
            ("-- Migrate : upgrade", MarkerProblem::Prefix, "-- Migrate :"),
            (
                "-- migrate:upgrade transaction:fasle",
                option("transaction:fasle", Some("transaction:false")),
                "transaction:fasle",
            ),
            (
                "-- migrate:upgrade transaction=false",
                option("transaction=false", Some("transaction:false")),
                "transaction=false",
            ),
            ("-- migrate:upgrade é", option("é", None), "é"),
            ("-- migrate:verfiy", kind("verfiy", Some(MarkerKind::Verify)), "verfiy"),
            ("-- migrate:verify transaction:false", MarkerProblem::OptionOfVerify, "transaction:false"),
            ("-- migrate:upgrade transaction:true transaction:true", MarkerProblem::Twice, "transaction:true"),
        ] {
            let error = Marker::parse(line).unwrap_err();
            assert_eq!(error.problem, problem, "{line}");
            assert_eq!(&line[error.range], marked, "{line}");
        }
    }
}
