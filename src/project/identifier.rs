//! The id of a new revision, by the setting `revision_id`.

use chrono::{DateTime, FixedOffset};
use uuid::Uuid;

use crate::config::RevisionId;
use crate::error::{Error, Result};
use crate::model::revision::Name;

/// A number of more digits than this is a timestamp or a UUID that happens to have no letter, not one of a sequence.
const SEQUENCE_DIGITS: usize = 9;

/// A new id, where `existing` are taken, it is `now`, and chance gave `random`.
///
/// # Errors
/// The id is taken: a second revision in the same second. There is no number left.
pub fn next_id<'a>(
    scheme: RevisionId,
    existing: impl Iterator<Item = &'a str> + Clone,
    now: DateTime<FixedOffset>,
    random: Uuid,
) -> Result<Name> {
    let id = match scheme {
        // The last 12 hex digits, as Alembic has it.
        RevisionId::Uuid => random.simple().to_string().split_off(20),
        RevisionId::Sequence => after_highest(existing.clone()),
        RevisionId::Timestamp => now.format("%Y%m%d_%H%M%S").to_string(),
    };
    let id = Name::new(&id).map_err(|_| Error::failed(format!("`{id}` cannot be an id")))?;
    refuse_existing(&id, existing)?;
    Ok(id)
}

/// The number after the highest of those that are numbers, as wide as that one and at least three digits.
fn after_highest<'a>(existing: impl Iterator<Item = &'a str>) -> String {
    let is_number =
        |id: &&str| (1..=SEQUENCE_DIGITS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit());
    let highest = existing.filter(is_number).filter_map(|id| Some((id.parse::<u64>().ok()?, id.len()))).max();
    let (number, width) = highest.unwrap_or((0, 3));
    format!("{:0width$}", number + 1, width = width.max(3))
}

/// Refuses an id that is taken, by one that differs in case also.
///
/// # Errors
/// The one that is there.
pub fn refuse_existing<'a>(id: &Name, existing: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let lower = id.as_str().to_lowercase();
    let Some(taken) = existing.into_iter().find(|taken| taken.to_lowercase() == lower) else { return Ok(()) };
    let error = if taken == id.as_str() {
        Error::failed(format!("there is a revision `{id}` already"))
    } else {
        Error::failed(format!("there is a revision `{taken}` already, and `{id}` differs from it only in case"))
    };
    Err(error.hint("choose another with `--rev-id`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANDOM: Uuid = Uuid::from_u128(0x0123_4567_89AB_CDEF_0123_4567_89AB_CDEF);

    fn next(scheme: RevisionId, existing: &[&str]) -> std::result::Result<String, String> {
        let now = DateTime::parse_from_rfc3339("2025-01-01T12:00:00+02:00").unwrap();
        next_id(scheme, existing.iter().copied(), now, RANDOM)
            .map(|id| id.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn sequences() {
        for (existing, wanted) in [
            (&[][..], "001"),
            (&["001", "002"], "003"),
            (&["002", "001", "abc", "x9"], "003"),
            (&["0009"], "0010"),
            (&["999"], "1000"),
            (&["7"], "008"),
            (&["001", "123456789012", "20250101120000"], "002"),
            (&["999999999"], "1000000000"),
        ] {
            assert_eq!(next(RevisionId::Sequence, existing).as_deref(), Ok(wanted), "{existing:?}");
        }
    }

    #[test]
    fn timestamps_and_random_ids() {
        assert_eq!(next(RevisionId::Timestamp, &[]).as_deref(), Ok("20250101_120000"));
        assert!(next(RevisionId::Timestamp, &["20250101_120000"]).unwrap_err().contains("already"));
        assert_eq!(next(RevisionId::Uuid, &[]).as_deref(), Ok("456789abcdef"));
        assert!(next(RevisionId::Uuid, &["456789ABCDEF"]).unwrap_err().contains("already"));
    }

    #[test]
    fn an_id_is_taken_whatever_its_case() {
        let id = Name::new("ab").unwrap();
        assert!(refuse_existing(&id, ["abc", "b"]).is_ok());
        assert!(refuse_existing(&id, ["ab"]).is_err());
        assert!(refuse_existing(&id, ["AB"]).unwrap_err().title().contains("only in case"));
    }
}
