//! Times as the API writes and reads them: RFC 3339, UTC.

use jiff::Timestamp;

use super::problem::Problem;

/// Milliseconds since the Unix epoch as RFC 3339, with as many decimals as needed.
pub(crate) fn rfc3339(ms: u64) -> String {
    rfc3339_of(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// The same, of times before 1970 too.
pub(crate) fn rfc3339_of(ms: i64) -> String {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX).to_string()
}

/// A time that a caller names, as milliseconds since the Unix epoch.
///
/// # Errors
/// `bad-request`.
pub(crate) fn parse_ms(parameter: &str, text: &str) -> Result<i64, Problem> {
    let parsed: Result<Timestamp, _> = text.parse();
    parsed
        .map(Timestamp::as_millisecond)
        .map_err(|_| Problem::bad_request(format!("{parameter} is a time such as 2026-11-23T09:00:00Z")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn times_are_utc_and_round_trip() {
        assert_eq!(rfc3339(1_795_426_503_792), "2026-11-23T09:35:03.792Z");
        assert_eq!(parse_ms("from", "2026-11-23T10:35:03.792+01:00").unwrap(), 1_795_426_503_792);
        assert!(parse_ms("from", "yesterday").is_err());
    }
}
