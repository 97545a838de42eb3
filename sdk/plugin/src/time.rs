//! Reading timestamps, without a clock.

/// A moment as a source wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp {
    /// Milliseconds since the Unix epoch, finer parts cut off.
    pub ms: i64,
    /// The zone it was written in, minutes east of UTC: OCSF's `timezone_offset`.
    pub offset_minutes: i16,
}

/// Reads an RFC 3339 timestamp such as `2026-11-23T09:00:00.123456Z` or `2026-11-23T10:00:00+01:00`.
///
/// ```
/// use cairnlog_plugin::time::rfc3339;
/// assert_eq!(rfc3339("1970-01-01T00:00:01.5Z").map(|time| time.ms), Some(1_500));
/// assert_eq!(rfc3339("1970-01-01 00:00:01"), None);
/// ```
#[must_use]
pub fn rfc3339(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let punctuation = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if !punctuation.iter().all(|(at, mark)| bytes.get(*at) == Some(mark))
        || !matches!(bytes.get(10), Some(b'T' | b't'))
    {
        return None;
    }
    let date = (number(bytes.get(..4)?)?, number(bytes.get(5..7)?)?, number(bytes.get(8..10)?)?);
    let clock = (number(bytes.get(11..13)?)?, number(bytes.get(14..16)?)?, number(bytes.get(17..19)?)?);
    let (fraction_ms, zone) = fraction(bytes.get(19..)?)?;
    let offset_minutes = match zone {
        b"Z" | b"z" => 0,
        [sign, h1, h2, b':', m1, m2] => offset(*sign, [*h1, *h2, *m1, *m2])?,
        _ => return None,
    };
    moment(date, clock, offset_minutes, fraction_ms)
}

/// Reads the timestamp of the Common Log Format, without its brackets: `17/May/2015:18:05:42 +0000`.
#[must_use]
pub fn clf(text: &str) -> Option<Timestamp> {
    const MONTHS: [&[u8]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let bytes = text.as_bytes();
    let punctuation = [(2, b'/'), (6, b'/'), (11, b':'), (14, b':'), (17, b':'), (20, b' ')];
    if bytes.len() != 26 || !punctuation.iter().all(|(at, mark)| bytes.get(*at) == Some(mark)) {
        return None;
    }
    let month = MONTHS.iter().position(|name| Some(*name) == bytes.get(3..6))? + 1;
    let date = (number(bytes.get(7..11)?)?, i64::try_from(month).ok()?, number(bytes.get(..2)?)?);
    let clock = (number(bytes.get(12..14)?)?, number(bytes.get(15..17)?)?, number(bytes.get(18..20)?)?);
    let [sign, digits @ ..]: [u8; 5] = bytes.get(21..)?.try_into().ok()?;
    moment(date, clock, offset(sign, digits)?, 0)
}

/// Digits alone, few enough not to overflow.
fn number(digits: &[u8]) -> Option<i64> {
    digits
        .iter()
        .try_fold(0, |value: i64, digit| digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0')))
}

/// Milliseconds of an optional fraction, and what follows it.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(after) = rest.strip_prefix(b".") else { return Some((0, rest)) };
    let digits = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let ms = [100, 10, 1]
        .iter()
        .zip(after.iter().take(digits))
        .map(|(weight, digit)| weight * i64::from(digit - b'0'))
        .sum();
    (digits > 0).then_some((ms, after.get(digits..)?))
}

fn offset(sign: u8, [h1, h2, m1, m2]: [u8; 4]) -> Option<i16> {
    let (hours, minutes) = (number(&[h1, h2])?, number(&[m1, m2])?);
    let total = i16::try_from(hours * 60 + minutes).ok().filter(|_| hours < 24 && minutes < 60)?;
    match sign {
        b'+' => Some(total),
        b'-' => Some(-total),
        _ => None,
    }
}

fn moment(
    (year, month, day): (i64, i64, i64),
    (hour, minute, second): (i64, i64, i64),
    offset_minutes: i16,
    fraction_ms: i64,
) -> Option<Timestamp> {
    // 60 is a leap second.
    let valid = (1..=12).contains(&month)
        && (1..=month_days(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    let seconds = days_since_epoch(year, month, day) * 86_400
        + hour * 3_600
        + (minute - i64::from(offset_minutes)) * 60
        + second;
    valid.then_some(Timestamp { ms: seconds * 1_000 + fraction_ms, offset_minutes })
}

fn month_days(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, counted in years that begin in March.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        // `date -u -d … +%s`
        for (text, ms, offset_minutes) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("2023-07-10T11:42:36Z", 1_688_989_356_000, 0),
            ("2023-03-10T22:38:26.382098Z", 1_678_487_906_382, 0),
            ("2024-02-29T23:59:59.9+00:00", 1_709_251_199_900, 0),
            ("2000-03-01T00:00:00-05:30", 951_888_600_000, -330),
            ("1969-12-31T23:59:59.999Z", -1, 0),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000, 0),
            ("9999-12-31t23:59:59z", 253_402_300_799_000, 0),
            ("0000-01-01T00:00:00Z", -62_167_219_200_000, 0),
        ] {
            assert_eq!(rfc3339(text), Some(Timestamp { ms, offset_minutes }), "{text}");
        }
        assert_eq!(
            clf("17/May/2015:18:05:42 +0000"),
            Some(Timestamp { ms: 1_431_885_942_000, offset_minutes: 0 })
        );
        assert_eq!(
            clf("01/Jan/2026:00:00:00 +0530"),
            Some(Timestamp { ms: 1_767_205_800_000, offset_minutes: 330 })
        );
    }

    #[test]
    fn every_day_follows_the_day_before() {
        let mut days = days_since_epoch(1599, 12, 31);
        for year in 1600..2401 {
            for month in 1..=12 {
                for day in 1..=month_days(year, month) {
                    let next = days_since_epoch(year, month, day);
                    assert_eq!(next, days + 1, "{year}-{month}-{day}");
                    days = next;
                }
            }
        }
    }

    #[test]
    fn others_are_refused() {
        for text in [
            "",
            "2023-07-10",
            "2023-07-10T11:42:36",
            "2023-07-10 11:42:36Z",
            "2023-02-29T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-07-10T24:00:00Z",
            "2023-07-10T11:60:00Z",
            "2023-07-10T11:42:36.Z",
            "2023-07-10T11:42:36+0100",
            "2023-07-10T11:42:36+24:00",
            "2023-07-10T11:42:36Zx",
            "2023-07-10T11:42:3éZ",
            "+023-07-10T11:42:36Z",
            "1688989356",
        ] {
            assert_eq!(rfc3339(text), None, "{text}");
        }
        for text in [
            "",
            "17/Mai/2015:18:05:42 +0000",
            "31/Feb/2015:18:05:42 +0000",
            "17/May/2015:18:05:42 0000",
            "17/May/2015:18:05:42",
        ] {
            assert_eq!(clf(text), None, "{text}");
        }
    }
}
