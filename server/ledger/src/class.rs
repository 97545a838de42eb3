//! Retention classes: how long records live, reckoned from the server's own clock.

use cairnlog_verify::event::Attribute;
use cairnlog_verify::value::Value;
use jiff::Timestamp;
use jiff::civil;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

use crate::limits::{BASIS_BYTES_MAX, QUARANTINE_DAYS, RETENTION_DAYS_MAX, ZONE_BYTES_MAX};

/// Milliseconds of a day.
pub(crate) const DAY_MS: u64 = 86_400_000;

/// The name that no class has: what plugins say when no class fits, and why a record is quarantined whose class the log
/// lacks.
pub(crate) const NO_CLASS: &str = "no-retention-class";

/// What the records of a class are kept for, as compliance set it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// From when its days count.
    pub trigger: Trigger,
    /// Days for which a record is not erased, whoever asks.
    pub minimum_days: u32,
    /// Days after which a record is erased; kept for good if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_days: Option<u32>,
    /// Where the calendar year ends, for [`Trigger::EndOfYear`]: a name of the IANA time zone database such as
    /// `Europe/Berlin`; UTC where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The rule that this follows: `CNIL 2021-122`.
    pub basis: String,
}

/// From when the days of a class count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// From receipt.
    Received,
    /// From the end of the calendar year of receipt, in the class's zone.
    EndOfYear,
    /// From an event that closes the matter. Until then nothing is due.
    Closed,
}

/// A class that can't be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClassError {
    /// Beyond [`RETENTION_DAYS_MAX`].
    #[error("a class has at most {RETENTION_DAYS_MAX} days")]
    TooLong,
    /// Records would have to be kept and erased.
    #[error("maximum_days is below minimum_days")]
    Contradiction,
    /// A zone that is none, or where no year ends.
    #[error(
        "zone is a name of the IANA time zone database, such as Europe/Berlin, and only for the trigger end-of-year"
    )]
    Zone,
    /// No words, or more than [`BASIS_BYTES_MAX`] bytes of them, or control characters.
    #[error("basis is not a line of 1 to {BASIS_BYTES_MAX} bytes")]
    Basis,
}

/// What was decided for one record: a class as it is now, which later changes of the class leave alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// The class, and the plugin's rule that chose it; none for what the server itself keeps.
    pub chosen: Option<Chosen>,
    /// Its rules.
    pub class: Class,
}

/// Which class, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The class's name.
    pub class: String,
    /// The retention plugin's rule.
    pub rule: String,
}

impl Class {
    /// The class `default` of a new log.
    #[must_use]
    pub fn default_of_log() -> Self {
        Self {
            trigger: Trigger::Received,
            minimum_days: 180,
            maximum_days: Some(365),
            zone: None,
            basis: "CNIL 2021-122".to_owned(),
        }
    }

    /// Whether it can be set.
    ///
    /// # Errors
    /// [`ClassError`].
    pub fn check(&self) -> Result<(), ClassError> {
        let longest = self.maximum_days.unwrap_or_default().max(self.minimum_days);
        if longest > RETENTION_DAYS_MAX {
            return Err(ClassError::TooLong);
        }
        if self.maximum_days.is_some_and(|maximum| maximum < self.minimum_days) {
            return Err(ClassError::Contradiction);
        }
        if let Some(zone) = &self.zone
            && (self.trigger != Trigger::EndOfYear
                || zone.len() > ZONE_BYTES_MAX
                || time_zone(Some(zone)).is_none())
        {
            return Err(ClassError::Zone);
        }
        let is_line = !self.basis.trim().is_empty() && !self.basis.contains(char::is_control);
        if is_line && self.basis.len() <= BASIS_BYTES_MAX { Ok(()) } else { Err(ClassError::Basis) }
    }

    /// Whether a record may be kept less long by it than by another: a shorter minimum or maximum, or one that counts from
    /// another day.
    #[must_use]
    pub fn shortens(&self, before: &Self) -> bool {
        let days = |class: &Self| class.maximum_days.unwrap_or(u32::MAX);
        self.minimum_days < before.minimum_days
            || days(self) < days(before)
            || (self.trigger, &self.zone) != (before.trigger, &before.zone)
    }

    /// When a record received at this time, and closed at that, may be erased at the earliest, in milliseconds since the
    /// Unix epoch; `None` while an event is awaited.
    #[must_use]
    pub fn minimum_until_ms(&self, received_ms: u64, closed_ms: Option<u64>) -> Option<u64> {
        self.after(self.minimum_days, received_ms, closed_ms)
    }

    /// When such a record is to be erased; `None` if never, or while an event is awaited.
    #[must_use]
    pub fn maximum_until_ms(&self, received_ms: u64, closed_ms: Option<u64>) -> Option<u64> {
        self.after(self.maximum_days?, received_ms, closed_ms)
    }

    /// The day of [`Class::maximum_until_ms`], in days since 1970-01-01 UTC: the key of its `expiry` row.
    #[must_use]
    pub fn expiry_day(&self, received_ms: u64, closed_ms: Option<u64>) -> Option<u32> {
        u32::try_from(self.maximum_until_ms(received_ms, closed_ms)? / DAY_MS).ok()
    }

    fn after(&self, days: u32, received_ms: u64, closed_ms: Option<u64>) -> Option<u64> {
        let trigger_ms = match self.trigger {
            Trigger::Received => received_ms,
            Trigger::EndOfYear => end_of_year_ms(received_ms, self.zone.as_deref())?,
            Trigger::Closed => closed_ms?,
        };
        trigger_ms.checked_add(u64::from(days) * DAY_MS)
    }
}

impl Retention {
    /// What a quarantined raw record is kept by.
    #[must_use]
    pub fn of_quarantine() -> Self {
        let basis = "quarantine".to_owned();
        let class = Class {
            trigger: Trigger::Received,
            minimum_days: 0,
            maximum_days: Some(QUARANTINE_DAYS),
            zone: None,
            basis,
        };
        Self { chosen: None, class }
    }

    /// The server's own attributes, in the order of their paths.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = Attribute> {
        let Class { trigger, minimum_days, maximum_days, zone, basis } = &self.class;
        let text = |text: &str| Value::Text(text.to_owned());
        let days = |days: u32| Value::Integer(i64::from(days));
        [
            ("$retention.basis", Some(text(basis))),
            ("$retention.class", self.chosen.as_ref().map(|chosen| text(&chosen.class))),
            ("$retention.maximum_days", maximum_days.map(days)),
            ("$retention.minimum_days", Some(days(*minimum_days))),
            ("$retention.rule", self.chosen.as_ref().map(|chosen| text(&chosen.rule))),
            ("$retention.trigger", Some(text(trigger.as_str()))),
            ("$retention.zone", zone.as_deref().map(text)),
        ]
        .into_iter()
        .filter_map(|(path, value)| Some(Attribute { path: path.to_owned(), value: value? }))
    }
}

impl Trigger {
    /// `received`, `end-of-year` or `closed`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::EndOfYear => "end-of-year",
            Self::Closed => "closed",
        }
    }
}

/// The zone of this name, from the database that is built in: the same class means the same days on every machine.
fn time_zone(name: Option<&str>) -> Option<TimeZone> {
    name.map_or(Some(TimeZone::UTC), |name| TimeZoneDatabase::bundled().get(name).ok())
}

/// The last millisecond of the calendar year, in the zone of this name, that the time lies in.
fn end_of_year_ms(ms: u64, zone: Option<&str>) -> Option<u64> {
    let zone = time_zone(zone)?;
    let year = Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?.to_zoned(zone.clone()).year();
    let last = civil::Date::new(year, 12, 31).ok()?.at(23, 59, 59, 999_000_000).to_zoned(zone).ok()?;
    u64::try_from(last.timestamp().as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn ms(time: &str) -> u64 {
        u64::try_from(time.parse::<Timestamp>().unwrap().as_millisecond()).unwrap()
    }

    fn class(trigger: Trigger, minimum_days: u32, maximum_days: Option<u32>) -> Class {
        Class { trigger, minimum_days, maximum_days, zone: None, basis: "a rule".to_owned() }
    }

    #[test]
    fn what_keeps_less_long_or_counts_from_another_day_shortens() {
        let before = class(Trigger::EndOfYear, 100, Some(200));
        let zone = Class { zone: Some("Europe/Berlin".to_owned()), ..before.clone() };
        for shorter in [
            class(Trigger::EndOfYear, 99, Some(200)),
            class(Trigger::EndOfYear, 100, Some(199)),
            class(Trigger::Received, 100, Some(200)),
            zone,
        ] {
            assert!(shorter.shortens(&before), "{shorter:?}");
        }
        let basis = Class { basis: "another".to_owned(), ..before.clone() };
        for longer in [
            before.clone(),
            basis,
            class(Trigger::EndOfYear, 101, Some(201)),
            class(Trigger::EndOfYear, 100, None),
        ] {
            assert!(!longer.shortens(&before), "{longer:?}");
        }
        assert!(before.shortens(&class(Trigger::EndOfYear, 100, None)));
    }

    #[test]
    fn days_count_from_receipt() {
        let class = class(Trigger::Received, 180, Some(365));
        let received = ms("2027-03-01T10:30:00.123Z");
        assert_eq!(class.minimum_until_ms(received, None), Some(ms("2027-08-28T10:30:00.123Z")));
        // 2028 has a 29 February.
        assert_eq!(class.maximum_until_ms(received, None), Some(ms("2028-02-29T10:30:00.123Z")));
        assert_eq!(
            class.expiry_day(received, None),
            Some(u32::try_from(ms("2028-02-29T00:00:00Z") / DAY_MS).unwrap())
        );
    }

    #[test]
    fn days_count_from_the_31_december() {
        let class = class(Trigger::EndOfYear, 0, Some(3_650));
        for received in ["2026-01-01T00:00:00Z", "2026-12-31T23:59:59.999Z"] {
            assert_eq!(
                class.maximum_until_ms(ms(received), None),
                Some(ms("2036-12-28T23:59:59.999Z")),
                "{received}"
            );
        }
        assert_eq!(
            class.maximum_until_ms(ms("2027-01-01T00:00:00Z"), None),
            Some(ms("2037-12-28T23:59:59.999Z"))
        );
        assert_eq!(
            super::tests::class(Trigger::EndOfYear, 0, Some(0)).expiry_day(ms("2026-05-05T00:00:00Z"), None),
            Some(u32::try_from(ms("2026-12-31T00:00:00Z") / DAY_MS).unwrap())
        );
    }

    #[test]
    fn some_are_never_due() {
        let received = ms("2026-11-23T09:00:00Z");
        assert_eq!(class(Trigger::Received, 180, None).maximum_until_ms(received, None), None);
        let closed = class(Trigger::Closed, 180, Some(365));
        assert_eq!(
            (closed.minimum_until_ms(received, None), closed.maximum_until_ms(received, None)),
            (None, None)
        );
        for trigger in [Trigger::Received, Trigger::EndOfYear] {
            assert_eq!(class(trigger, 0, Some(1)).maximum_until_ms(u64::MAX, None), None);
        }
    }

    #[test]
    fn a_year_ends_where_the_class_says() {
        let of_zone =
            |zone: &str| Class { zone: Some(zone.to_owned()), ..class(Trigger::EndOfYear, 0, Some(1)) };
        // Already the next year in Berlin, and still the one before in New York.
        for (zone, received, ends) in [
            ("Europe/Berlin", "2026-12-31T23:30:00Z", "2028-01-01T22:59:59.999Z"),
            ("UTC", "2026-12-31T23:30:00Z", "2027-01-01T23:59:59.999Z"),
            ("America/New_York", "2027-01-01T04:30:00Z", "2027-01-02T04:59:59.999Z"),
        ] {
            let class = of_zone(zone);
            assert_eq!(class.check(), Ok(()));
            assert_eq!(class.maximum_until_ms(ms(received), None), Some(ms(ends)), "{zone}");
        }
        for zone in ["", "Mars/Olympus", "../../etc/passwd"] {
            assert_eq!(of_zone(zone).check(), Err(ClassError::Zone), "{zone}");
        }
        let received = Class { trigger: Trigger::Received, ..of_zone("UTC") };
        assert_eq!(received.check(), Err(ClassError::Zone));
    }

    #[test]
    fn contradictions_are_refused() {
        assert_eq!(Class::default_of_log().check(), Ok(()));
        assert_eq!(class(Trigger::Received, 10, Some(9)).check(), Err(ClassError::Contradiction));
        assert_eq!(
            class(Trigger::Received, 0, Some(RETENTION_DAYS_MAX + 1)).check(),
            Err(ClassError::TooLong)
        );
        assert_eq!(class(Trigger::Closed, RETENTION_DAYS_MAX + 1, None).check(), Err(ClassError::TooLong));
        for basis in ["", " ", "two\nlines", &"x".repeat(BASIS_BYTES_MAX + 1)] {
            let class = Class { basis: basis.to_owned(), ..Class::default_of_log() };
            assert_eq!(class.check(), Err(ClassError::Basis));
        }
    }

    #[test]
    fn json_has_the_members_of_the_api() {
        let json = r#"{"trigger":"end-of-year","minimum_days":0,"basis":"HGB 257"}"#;
        let class: Class = serde_json::from_str(json).unwrap();
        assert_eq!((class.trigger, class.maximum_days), (Trigger::EndOfYear, None));
        assert_eq!(serde_json::to_string(&class).unwrap(), json);
        assert!(
            serde_json::from_str::<Class>(r#"{"trigger":"received","minimum_days":0,"basis":"x","max":1}"#)
                .is_err()
        );
    }

    #[test]
    fn attributes_are_in_the_order_of_their_paths() {
        let chosen = Some(Chosen { class: "default".into(), rule: "rules[0]".into() });
        let paths = |retention: Retention| -> Vec<String> {
            retention.attributes().map(|attribute| attribute.path).collect()
        };
        let all = paths(Retention { chosen, class: Class::default_of_log() });
        assert!(all.is_sorted() && all.len() == 6);
        assert_eq!(paths(Retention::of_quarantine()).len(), 4);
    }
}
