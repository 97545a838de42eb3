//! Months and days of receipt, as keys are named by them.

use std::fmt;
use std::str::FromStr;

use cairnlog_verify::entry::Hour;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A month in UTC, written `2026-11`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Month {
    year: u16,
    month: u8,
}

/// Text that is no month.
#[derive(Debug, Error)]
#[error("a month is written YYYY-MM")]
pub struct MonthError;

const DAY_MS: u64 = 86_400_000;

/// The day of a time: days since 1970-01-01 in UTC.
#[must_use]
pub fn day_of(unix_ms: u64) -> u32 {
    u32::try_from(unix_ms / DAY_MS).unwrap_or(u32::MAX)
}

impl Month {
    /// A month of the years 0 to 9999; `None` if there is no such month.
    #[must_use]
    pub fn new(year: u16, month: u8) -> Option<Self> {
        (year <= 9999 && (1..=12).contains(&month)).then_some(Self { year, month })
    }

    /// The month of a time in milliseconds since 1970; times after the year 9999 count as its last month.
    #[must_use]
    pub fn of(unix_ms: u64) -> Self {
        let (year, month) = Hour::from_ms(unix_ms).month();
        Self { year, month }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl FromStr for Month {
    type Err = MonthError;

    fn from_str(text: &str) -> Result<Self, MonthError> {
        let (year, month) = text.split_once('-').ok_or(MonthError)?;
        let parsed = Self::new(year.parse().map_err(|_| MonthError)?, month.parse().map_err(|_| MonthError)?);
        // One spelling only: no sign, no missing zero.
        parsed.filter(|parsed| parsed.to_string() == text).ok_or(MonthError)
    }
}

impl From<Month> for String {
    fn from(month: Month) -> Self {
        month.to_string()
    }
}

impl TryFrom<String> for Month {
    type Error = MonthError;

    fn try_from(text: String) -> Result<Self, MonthError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_of_known_times() {
        for (unix_s, month) in [
            (0, "1970-01"),
            (951_782_399, "2000-02"),
            (951_868_799, "2000-02"),
            (951_868_800, "2000-03"),
            (1_709_251_199, "2024-02"),
            (1_798_761_599, "2026-12"),
            (1_798_761_600, "2027-01"),
            (4_107_542_400, "2100-03"),
            (253_402_300_799, "9999-12"),
            (253_402_300_800, "9999-12"),
        ] {
            assert_eq!(Month::of(unix_s * 1_000).to_string(), month, "{unix_s}");
        }
        assert_eq!(Month::of(u64::MAX).to_string(), "9999-12");
        assert_eq!((day_of(DAY_MS - 1), day_of(DAY_MS), day_of(u64::MAX)), (0, 1, u32::MAX));
    }

    #[test]
    fn a_month_has_one_spelling() {
        assert_eq!("2026-11".parse::<Month>().ok(), Month::new(2026, 11));
        for text in
            ["2026-1", "2026-13", "2026-00", "+026-11", "26-11", "2026-+1", "2026-11-01", "2026", "", "-"]
        {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
    }
}
