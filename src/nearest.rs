//! "did you mean": the name that somebody who wrote another one most likely meant.
//!
//! It compares texts. Words that mean the same and look different (`database` for `dbname`) are for those to list who
//! know them.

/// A longer text is no slip of any name; comparing costs the product of the lengths.
const LONGEST: usize = 64;

/// The first of `known` that looks most like `text`: at most one character in three was mistyped, left out, added or
/// swapped with the next, and at most four. Case does not count, nor which of `-`, `.`, `_` and blank stands between
/// words.
pub fn nearest<'known>(text: &str, known: impl IntoIterator<Item = &'known str>) -> Option<&'known str> {
    if text.len() > LONGEST {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['-', '.', ' '], "_");
    let text = plain(text);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&text, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).min(4))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_found_and_nothing_far() {
        let known = ["url", "version_table", "version_locations", "lock_wait", "us-east", "qa"];
        for (text, wanted) in [
            ("verison_table", Some("version_table")),
            ("version-locations", Some("version_locations")),
            ("Version Table", Some("version_table")),
            ("versiontables", Some("version_table")),
            ("URL", Some("url")),
            ("uri", Some("url")),
            ("us-eats", Some("us-east")),
            ("QA", Some("qa")),
            ("qb", None),
            ("foo", None),
            ("", None),
            (&"x".repeat(1_000_000), None),
        ] {
            assert_eq!(nearest(text, known), wanted, "{:.20}", text);
        }
        assert_eq!(nearest("ab_", ["abc", "abd"]), Some("abc"), "the first of two that are as near");
        assert_eq!(nearest("a", []), None);
    }
}
