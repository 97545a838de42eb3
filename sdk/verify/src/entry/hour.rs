//! Times in entries, cut to the hour.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Serialize, Serializer};

const MS_PER_HOUR: u64 = 3_600_000;

/// The last hour that RFC 3339 can write: 9999-12-31T23:00:00Z.
const HOUR_MAX: u32 = 70_389_527;

/// An hour of UTC from 1970 to 9999. Entries are public, and a finer time would help to link a record to a person.
///
/// Its text, in `Display`, `FromStr` and serde alike, is RFC 3339: `2026-11-23T09:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(u32);

/// Text that is no hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an hour of UTC of the form 2026-11-23T09:00:00Z")]
pub struct HourError;

impl Hour {
    /// The hour that lies in, from milliseconds since the Unix epoch; times beyond the year 9999 give its last hour.
    #[must_use]
    pub fn from_ms(ms: u64) -> Self {
        Self(u32::try_from(ms / MS_PER_HOUR).map_or(HOUR_MAX, |hour| hour.min(HOUR_MAX)))
    }

    /// Its first millisecond since the Unix epoch.
    #[must_use]
    pub fn start_ms(self) -> u64 {
        u64::from(self.0) * MS_PER_HOUR
    }

    /// Hours since the Unix epoch.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }

    /// The year and month, 1 to 12, that it lies in.
    #[must_use]
    pub fn month(self) -> (u16, u8) {
        let (year, month, _) = civil(self.0 / 24);
        (u16::try_from(year).unwrap_or(9999), u8::try_from(month).unwrap_or(12))
    }
}

/// The Gregorian (year, month, day) of a day since 1970-01-01. Years start in March here, so that leap days come last
/// (E. Cassini's and H. Hinnant's `civil_from_days`).
fn civil(day: u32) -> (u32, u32, u32) {
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u32::from(month <= 2), month, day)
}

/// The inverse of [`civil`]; `None` before 1970. Fields out of range give some other day.
fn day_of(year: u32, month: u32, day: u32) -> Option<u32> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.checked_sub(1)?;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0 / 24);
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:00:00Z", self.0 % 24)
    }
}

impl FromStr for Hour {
    type Err = HourError;

    fn from_str(text: &str) -> Result<Self, HourError> {
        let field = |range: Range<usize>| -> Option<u32> { text.get(range)?.parse().ok() };
        let read = || {
            let day = day_of(field(0..4)?, field(5..7)?, field(8..10)?)?;
            day.checked_mul(24)?.checked_add(field(11..13)?).map(Self)
        };
        // Fields out of range come out as another hour, and so does every other spelling.
        read().filter(|hour| hour.0 <= HOUR_MAX && hour.to_string() == text).ok_or(HourError)
    }
}

impl Serialize for Hour {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn known_hours() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (3_599_999, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (951_868_800_000, "2000-03-01T00:00:00Z"),
            (1_795_426_503_792, "2026-11-23T09:00:00Z"),
            (4_107_538_799_999, "2100-02-28T22:00:00Z"),
            (253_402_300_799_999, "9999-12-31T23:00:00Z"),
            (253_402_300_800_000, "9999-12-31T23:00:00Z"),
            (u64::MAX, "9999-12-31T23:00:00Z"),
        ] {
            assert_eq!(Hour::from_ms(ms).to_string(), text);
        }
    }

    #[test]
    fn every_day_reads_back_and_follows_its_predecessor() {
        let mut previous = String::new();
        for day in 0..=HOUR_MAX / 24 {
            let hour = Hour(day * 24 + day % 24);
            let text = hour.to_string();
            assert_eq!(text.parse(), Ok(hour));
            let (year, month) = hour.month();
            assert!(text.starts_with(&format!("{year:04}-{month:02}-")), "{text}");
            assert!(previous < text, "{previous} {text}");
            previous = text;
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "1969-12-31T23:00:00Z",
            "0000-01-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-00T00:00:00Z",
            "2026-11-31T00:00:00Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T09:30:00Z",
            "2026-11-23T09:00:01Z",
            "2026-11-23T09:00:00",
            "2026-11-23T09:00:00z",
            "2026-11-23t09:00:00Z",
            "2026-11-23T09:00:00+00:00",
            "2026-11-23T+9:00:00Z",
            " 2026-11-23T09:00:00Z",
            "10000-01-01T00:00:00Z",
            "é026-11-23T09:00:00Z",
        ] {
            assert_eq!(text.parse::<Hour>(), Err(HourError), "{text}");
        }
    }
}
