//! What copies are called: `store-20261128T142233Z`, `hr.20261128T142233Z.keyring`.

use std::fmt;
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const FORM: &str = "%Y%m%dT%H%M%SZ";
const STORE: &str = "store-";

/// When a copy was made, to the second, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(Timestamp);

/// A copy of one of the files of a log's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyCopy {
    /// The log's name.
    pub(crate) log: String,
    pub(crate) stamp: Stamp,
    /// `keyring`, `signing` or `kek`.
    pub(crate) kind: String,
}

impl Stamp {
    pub(crate) fn of_ms(unix_ms: u64) -> Self {
        let seconds = i64::try_from(unix_ms / 1_000).unwrap_or(i64::MAX);
        Self(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX))
    }

    /// As RFC 3339 writes it.
    pub(crate) fn rfc3339(self) -> String {
        self.0.to_string()
    }

    /// Seconds since the Unix epoch.
    pub(crate) fn seconds(self) -> i64 {
        self.0.as_second()
    }

    /// The directory of a copy of the store.
    pub(crate) fn store(self) -> String {
        format!("{STORE}{self}")
    }

    fn parse(text: &str) -> Option<Self> {
        let parsed = DateTime::strptime(FORM, text).ok()?.to_zoned(TimeZone::UTC).ok()?;
        let stamp = Self(parsed.timestamp());
        // One spelling only.
        (stamp.to_string() == text).then_some(stamp)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime(FORM))
    }
}

impl KeyCopy {
    /// Of a file's name; `None` if it is no copy.
    pub(crate) fn parse(path: &Path) -> Option<Self> {
        let mut parts = path.file_name()?.to_str()?.split('.');
        let (log, stamp, kind) = (parts.next()?, Stamp::parse(parts.next()?)?, parts.next()?);
        let is_one = cairnlog_verify::name::check(log).is_ok()
            && ["keyring", "signing", "kek"].contains(&kind)
            && parts.next().is_none();
        is_one.then(|| Self { log: log.to_owned(), stamp, kind: kind.to_owned() })
    }
}

impl fmt::Display for KeyCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.log, self.stamp, self.kind)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_carry_log_and_time_and_have_one_spelling() {
        let stamp = Stamp::of_ms(1_795_426_503_792);
        assert_eq!(stamp.store(), "store-20261123T093503Z");
        let copy = KeyCopy { log: "hr-2".to_owned(), stamp, kind: "keyring".to_owned() };
        assert_eq!(copy.to_string(), "hr-2.20261123T093503Z.keyring");
        assert_eq!(KeyCopy::parse(Path::new("/x/hr-2.20261123T093503Z.keyring")), Some(copy));
        for other in [
            "hr.keyring",
            "hr.20261123T093503Z.keyring.tmp",
            "hr.20261123T093503Z.pages",
            "hr.20261323T093503Z.keyring",
            "hr.2026-11-23T09:35:03Z.keyring",
            "HR.20261123T093503Z.keyring",
            ".20261123T093503Z.keyring",
        ] {
            assert_eq!(KeyCopy::parse(Path::new(other)), None, "{other}");
        }
    }
}
