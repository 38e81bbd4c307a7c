//! The time zone in which a new file's time is written.

use chrono::{DateTime, FixedOffset, Local, Offset, Utc};

/// The setting `timezone`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// Universal time: the default, so that files of several people sort as they were made.
    #[default]
    Utc,
    /// That of this machine.
    Local,
    /// A fixed distance from universal time.
    Fixed(FixedOffset),
}

impl Zone {
    /// The zone that `text` names: `UTC`, `local`, or a distance such as `+02:00`.
    ///
    /// # Errors
    /// What is wrong. Names such as `Europe/Berlin` would need the tables of all time zones in the binary.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let text = text.trim();
        if text.is_empty() || text.eq_ignore_ascii_case("utc") || text == "Z" {
            return Ok(Self::Utc);
        }
        if text.eq_ignore_ascii_case("local") {
            return Ok(Self::Local);
        }
        offset(text).map(Self::Fixed).ok_or_else(|| {
            format!("unknown time zone `{text}`: write `UTC`, `local`, or a distance from UTC such as `+02:00`")
        })
    }

    /// A moment as a clock in this zone shows it, in whole seconds.
    #[must_use]
    pub fn at(self, moment: DateTime<Utc>) -> DateTime<FixedOffset> {
        let moment = DateTime::from_timestamp(moment.timestamp(), 0).unwrap_or(moment);
        match self {
            Self::Utc => moment.with_timezone(&Utc.fix()),
            Self::Local => moment.with_timezone(&Local).fixed_offset(),
            Self::Fixed(offset) => moment.with_timezone(&offset),
        }
    }
}

/// `+02:00` or `-0330`.
fn offset(text: &str) -> Option<FixedOffset> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_once(':').or_else(|| digits.split_at_checked(2))?;
    let number = |digits: &str| {
        (digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse::<i32>().ok())?
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    if hours > 15 || minutes > 59 {
        return None;
    }
    FixedOffset::east_opt(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones() {
        let moment = DateTime::parse_from_rfc3339("2025-01-02T03:04:05.678Z").unwrap().to_utc();
        for (text, wanted) in [
            ("UTC", Some("2025-01-02T03:04:05+00:00")),
            ("", Some("2025-01-02T03:04:05+00:00")),
            ("+02:00", Some("2025-01-02T05:04:05+02:00")),
            ("-0330", Some("2025-01-01T23:34:05-03:30")),
            ("Europe/Berlin", None),
            ("+2", None),
            ("+99:00", None),
            ("+é0", None),
            ("é", None),
        ] {
            let got = Zone::parse(text).ok().map(|zone| zone.at(moment).to_rfc3339());
            assert_eq!(got.as_deref(), wanted, "{text}");
        }
        assert_eq!(Zone::parse("local"), Ok(Zone::Local));
        assert_eq!(Zone::Local.at(moment).to_utc().timestamp(), moment.timestamp());
    }
}
