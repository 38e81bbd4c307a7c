//! PostgreSQL's time limits as people write them, in a header and in the ini.

/// A time limit in milliseconds; 0 is "no limit", as in PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timeout(u32);

/// Why a text is no time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutError {
    /// It is not a whole number and a unit.
    Form,
    /// A number without its unit.
    NoUnit,
    /// `m`, which could be minutes or months, and is neither to PostgreSQL.
    UnitM,
    /// More than PostgreSQL can hold.
    TooLong,
}

/// PostgreSQL keeps its limits as milliseconds in 32 bits (guc.c), so no longer one could be set.
const LONGEST: u32 = i32::MAX as u32;

impl Timeout {
    /// The limit that `text` writes: a whole number and its unit (`500ms`, `2s`, `5min`, `1h`, `1d`: PostgreSQL's
    /// names), or `0`. Blanks around it and before the unit do not count.
    ///
    /// # Errors
    /// What is wrong. A bare number is milliseconds to PostgreSQL and seconds to most readers, so it needs its unit.
    pub fn parse(text: &str) -> Result<Self, TimeoutError> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        if number.is_empty() {
            return Err(TimeoutError::Form);
        }
        // Digits alone fail only where they are too many.
        let number: u64 = number.parse().map_err(|_| TimeoutError::TooLong)?;
        let unit = match unit.trim_start() {
            "" if number == 0 => 1,
            "" => return Err(TimeoutError::NoUnit),
            "ms" => 1,
            "s" => 1000,
            "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "m" => return Err(TimeoutError::UnitM),
            _ => return Err(TimeoutError::Form),
        };
        let milliseconds = number.checked_mul(unit).and_then(|milliseconds| u32::try_from(milliseconds).ok());
        milliseconds.filter(|milliseconds| *milliseconds <= LONGEST).map(Self).ok_or(TimeoutError::TooLong)
    }

    /// The limit in milliseconds.
    #[must_use]
    pub fn milliseconds(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        for (text, wanted) in [
            ("0", Ok(0)),
            ("00", Ok(0)),
            ("0s", Ok(0)),
            ("500ms", Ok(500)),
            ("2s", Ok(2000)),
            (" 2\ts ", Ok(2000)),
            ("5min", Ok(300_000)),
            ("1 h", Ok(3_600_000)),
            ("24d", Ok(2_073_600_000)),
            ("2147483647ms", Ok(2_147_483_647)),
            ("2147483648ms", Err(TimeoutError::TooLong)),
            ("25d", Err(TimeoutError::TooLong)),
            ("9999999999999999999d", Err(TimeoutError::TooLong)),
            ("99999999999999999999", Err(TimeoutError::TooLong)),
            ("5", Err(TimeoutError::NoUnit)),
            ("5m", Err(TimeoutError::UnitM)),
            ("", Err(TimeoutError::Form)),
            ("s", Err(TimeoutError::Form)),
            ("-1s", Err(TimeoutError::Form)),
            ("+1s", Err(TimeoutError::Form)),
            ("1.5s", Err(TimeoutError::Form)),
            ("2S", Err(TimeoutError::Form)),
            ("1é", Err(TimeoutError::Form)),
        ] {
            assert_eq!(Timeout::parse(text).map(Timeout::milliseconds), wanted, "{text}");
        }
    }
}
