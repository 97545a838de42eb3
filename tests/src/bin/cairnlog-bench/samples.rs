//! `CloudTrail` records to send, each with an id of its own.

use std::fmt::Write as _;
use std::fs;

use cairnlog_tests::paths;
use serde_json::Value;

use crate::Result;

/// Real records, where a checkout has them beside it.
const REAL: &str = "../shared/samples/aws-cloudtrail.ndjson";
/// Those that the project ships.
const SHIPPED: &str = "examples/logs/aws-cloudtrail.ndjson";

/// `CloudTrail` records, each cut where its `eventID` stands.
pub(crate) struct Samples {
    records: Vec<(String, String)>,
    origin: &'static str,
}

impl Samples {
    /// The real ones if they are there, else those of the examples, without what no pipeline could read.
    pub(crate) fn load() -> Result<Self> {
        let root = paths::root();
        let (text, origin) = match fs::read_to_string(root.join(REAL)) {
            Ok(text) => (text, REAL),
            Err(_) => (fs::read_to_string(root.join(SHIPPED))?, SHIPPED),
        };
        let records: Vec<_> = text.lines().filter_map(cut).collect();
        if records.is_empty() {
            return Err(format!("{origin} holds no record with an eventID").into());
        }
        Ok(Self { records, origin })
    }

    /// How many different ones there are.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// Where they are from.
    pub(crate) fn origin(&self) -> &'static str {
        self.origin
    }

    /// `count` lines from `number` on: the records in turn, each under an id that its number gives.
    pub(crate) fn lines(&self, number: u64, count: usize) -> String {
        let mut body = String::with_capacity(count * 1_600);
        for (number, (before, after)) in (number..).zip(self.records.iter().cycle()).take(count) {
            let noise = scrambled(number);
            let _ = writeln!(
                body,
                "{before}{:08x}-{:04x}-4{:03x}-8{:03x}-{number:012x}{after}",
                noise >> 32,
                noise >> 16 & 0xffff,
                noise >> 4 & 0xfff,
                noise & 0xfff,
            );
        }
        body
    }
}

/// A record before and after its own id; none if it is no JSON object with one.
fn cut(line: &str) -> Option<(String, String)> {
    let record: Value = serde_json::from_str(line).ok()?;
    let id = record.get("eventID")?.as_str()?;
    let member = format!("\"eventID\":\"{id}\"");
    let start = line.find(&member)? + "\"eventID\":\"".len();
    Some((line[..start].to_owned(), line[start + id.len()..].to_owned()))
}

/// `SplitMix64`: ids as random as those of the source.
fn scrambled(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
