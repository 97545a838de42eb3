//! Entries: the canonical bytes of the leaves of a records log.
//!
//! An entry is public, so it says only what is not personal: commitments, digests, names that an operator chose, an
//! hour. It is a JCS object (RFC 8785) with the members of its kind and no others, valid byte for byte: [`Entry::parse`]
//! takes exactly what [`Entry::write`] gives, so that two readers can't disagree about what a leaf says.

mod digest;
mod hour;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::Hash;
use crate::field::LEAVES_MIN;
use crate::limits::ENTRY_BYTES_MAX;
use crate::note::VerifierKey;
use crate::{name, path};

pub use digest::{Digest, DigestError};
pub use hour::{Hour, HourError};

/// The version of the format, the member `v`.
const VERSION: u64 = 1;

/// The largest size that an entry may say: every reader of JSON takes it for this very number (RFC 7493 §2.2).
pub const SIZE_MAX: u64 = (1 << 53) - 1;

/// Most ranges that one erasure names, so that its entry stays within [`ENTRY_BYTES_MAX`].
pub const RANGES_MAX: usize = 1024;

/// One leaf of a records log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When the server received what it says.
    pub received: Hour,
    /// How many leaves its field tree has, padding included.
    pub count: u16,
    /// The commitment to what it says, sealed in its payload ([`crate::field::commit`]).
    pub fields: Hash,
    /// Its kind and what stands in the clear besides.
    pub body: Body,
}

/// The kinds of entries, with what each says in the clear.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body {
    /// The log itself; entry 0 and no other.
    Log {
        /// The log's origin.
        origin: String,
        /// What its leaves are.
        mode: Mode,
    },
    /// An event of a source.
    Record {
        /// The source's name.
        source: String,
        /// The pipeline that made it.
        pipeline: Digest,
        /// The commitment to its raw record, the same in all parts ([`crate::raw`]).
        raw: Hash,
        /// Which of how many events of its raw record: (index from 0, count).
        part: (u32, u32),
    },
    /// A pipeline, before a record names it.
    Pipeline {
        /// The digest of its manifest.
        digest: Digest,
    },
    /// A plugin, before a pipeline uses it.
    Plugin {
        /// The digest of its bytes.
        digest: Digest,
    },
    /// A raw record that no pipeline could process.
    Quarantine {
        /// The source's name.
        source: String,
        /// The commitment to the raw record.
        raw: Hash,
    },
    /// A key that signs the log's tree heads, from this entry's own on.
    Key {
        /// The new verifier key.
        key: VerifierKey,
        /// The size of the largest tree whose head the keys before it sign.
        ends: u64,
    },
    /// What became of a quarantined raw record.
    Release {
        /// The index of its quarantine entry.
        of: u64,
        /// What became of it.
        outcome: Outcome,
    },
    /// How many raw records a source sent in an hour, and what became of them.
    Tally {
        /// The source's name.
        source: String,
    },
    /// The removal of payloads and their keys.
    Erasure(Erased),
    /// A retention class, before a record names it.
    Retention,
    /// A legal hold that was set or released.
    Hold,
    /// Who read or changed what; in a server's control log only.
    Access,
}

/// What became of a quarantined raw record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A pipeline could process it after all.
    Logged {
        /// The index of its first record.
        first: u64,
        /// How many records it gave.
        records: u64,
    },
    /// A pipeline found nothing in it to log.
    Skipped,
    /// An operator gave it up.
    Discarded,
    /// It was erased when its time was over, or on request.
    Erased,
}

/// What an erasure says in the clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Erased {
    /// What was due: from where to where, half-open, ascending, with a gap between any two; 1 to [`RANGES_MAX`].
    Sweep(Vec<(u64, u64)>),
    /// What a person asked for. Which and how many is sealed.
    Request,
}

/// What the leaves of a log are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Entries of this format.
    Records,
    /// Bytes as they came; no entry of this format, not even the log's own.
    Opaque,
}

/// Bytes that are no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Longer than [`ENTRY_BYTES_MAX`].
    #[error("entry has more than {ENTRY_BYTES_MAX} bytes")]
    TooLong,
    /// Not a JSON object.
    #[error("entry is not a JSON object")]
    NotAnObject,
    /// A version that this verifier does not know.
    #[error("entry is not of version {VERSION}")]
    Version,
    /// A kind that this verifier does not know.
    #[error("entry is of no kind known here")]
    Kind,
    /// A member that its kind has is not there.
    #[error("entry lacks the member {0}")]
    Missing(&'static str),
    /// A member has another form than its kind asks for.
    #[error("entry's member {0} is not of its form")]
    Form(&'static str),
    /// A member that its kind does not have.
    #[error("entry has a member that its kind does not have")]
    Surplus,
    /// The same object, but not in its one spelling.
    #[error("entry is not JCS byte for byte (RFC 8785)")]
    NotCanonical,
}

/// The hour, as entries write it, of milliseconds since the Unix epoch.
#[must_use]
pub fn hour(ms: u64) -> Hour {
    Hour::from_ms(ms)
}

impl Entry {
    /// The entry's bytes: a fixed template that equals JCS.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let Self { received, count, fields, body } = self;
        match body {
            Body::Log { origin, mode } => format!(
                r#"{{"count":{count},"fields":"{fields}","kind":"log","mode":"{mode}","origin":{},"received":"{received}","v":1}}"#,
                json_string(origin)
            ),
            Body::Record { source, pipeline, raw, part: (part, parts) } => format!(
                r#"{{"count":{count},"fields":"{fields}","kind":"record","part":[{part},{parts}],"pipeline":"{pipeline}","raw":"{raw}","received":"{received}","source":{},"v":1}}"#,
                json_string(source)
            ),
            Body::Pipeline { digest } | Body::Plugin { digest } => format!(
                r#"{{"count":{count},"digest":"{digest}","fields":"{fields}","kind":"{}","received":"{received}","v":1}}"#,
                self.kind()
            ),
            Body::Quarantine { source, raw } => format!(
                r#"{{"count":{count},"fields":"{fields}","kind":"quarantine","raw":"{raw}","received":"{received}","source":{},"v":1}}"#,
                json_string(source)
            ),
            Body::Key { key, ends } => format!(
                r#"{{"count":{count},"ends":{ends},"fields":"{fields}","key":{},"kind":"key","received":"{received}","v":1}}"#,
                json_string(&key.to_string())
            ),
            Body::Release { of, outcome: Outcome::Logged { first, records } } => format!(
                r#"{{"count":{count},"fields":"{fields}","first":{first},"kind":"release","of":{of},"outcome":"logged","received":"{received}","records":{records},"v":1}}"#,
            ),
            Body::Release { of, outcome } => format!(
                r#"{{"count":{count},"fields":"{fields}","kind":"release","of":{of},"outcome":"{}","received":"{received}","v":1}}"#,
                outcome.as_str()
            ),
            Body::Tally { source } => format!(
                r#"{{"count":{count},"fields":"{fields}","kind":"tally","received":"{received}","source":{},"v":1}}"#,
                json_string(source)
            ),
            Body::Erasure(Erased::Sweep(ranges)) => format!(
                r#"{{"count":{count},"fields":"{fields}","kind":"erasure","mode":"sweep","ranges":[{}],"received":"{received}","v":1}}"#,
                ranges.iter().map(|(start, end)| format!("[{start},{end}]")).collect::<Vec<_>>().join(",")
            ),
            Body::Erasure(Erased::Request) => format!(
                r#"{{"count":{count},"fields":"{fields}","kind":"erasure","mode":"request","received":"{received}","v":1}}"#,
            ),
            Body::Retention | Body::Hold | Body::Access => format!(
                r#"{{"count":{count},"fields":"{fields}","kind":"{}","received":"{received}","v":1}}"#,
                self.kind()
            ),
        }
        .into_bytes()
    }

    /// Reads what [`Entry::write`] gives for a valid entry, and nothing else.
    ///
    /// # Errors
    /// [`EntryError`], the first reason in this order: length, JSON, version, kind, members, spelling.
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(EntryError::TooLong);
        }
        let mut members = Members(serde_json::from_slice(bytes).map_err(|_| EntryError::NotAnObject)?);
        if members.take("v", Json::as_u64)? != VERSION {
            return Err(EntryError::Version);
        }
        let entry = Self {
            body: members.body()?,
            received: members.parsed("received")?,
            count: members.take("count", count)?,
            fields: members.parsed("fields")?,
        };
        match members.0.is_empty() {
            false => Err(EntryError::Surplus),
            // Also finds members that stand twice, of which the reader above kept one.
            true if entry.write() != bytes => Err(EntryError::NotCanonical),
            true => Ok(entry),
        }
    }

    /// The source that it names.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        match &self.body {
            Body::Record { source, .. } | Body::Quarantine { source, .. } | Body::Tally { source } => {
                Some(source)
            }
            _ => None,
        }
    }

    /// The commitment to a raw record that it holds.
    #[must_use]
    pub fn raw(&self) -> Option<&Hash> {
        match &self.body {
            Body::Record { raw, .. } | Body::Quarantine { raw, .. } => Some(raw),
            _ => None,
        }
    }

    /// Its kind as the entry spells it: `log`, `record`, `pipeline` …
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.body {
            Body::Log { .. } => "log",
            Body::Record { .. } => "record",
            Body::Pipeline { .. } => "pipeline",
            Body::Plugin { .. } => "plugin",
            Body::Quarantine { .. } => "quarantine",
            Body::Key { .. } => "key",
            Body::Release { .. } => "release",
            Body::Tally { .. } => "tally",
            Body::Erasure(_) => "erasure",
            Body::Retention => "retention",
            Body::Hold => "hold",
            Body::Access => "access",
        }
    }
}

fn json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    path::push_json_string(&mut out, text);
    out
}

/// The members of an object, taken out one by one.
struct Members(BTreeMap<String, Json>);

impl Members {
    fn body(&mut self) -> Result<Body, EntryError> {
        let kind = self.take("kind", owned)?;
        Ok(match kind.as_str() {
            "log" => Body::Log { origin: self.take("origin", origin)?, mode: self.take("mode", mode)? },
            "record" => Body::Record {
                source: self.take("source", source)?,
                pipeline: self.parsed("pipeline")?,
                raw: self.parsed("raw")?,
                part: self.take("part", part)?,
            },
            "pipeline" => Body::Pipeline { digest: self.parsed("digest")? },
            "plugin" => Body::Plugin { digest: self.parsed("digest")? },
            "quarantine" => {
                Body::Quarantine { source: self.take("source", source)?, raw: self.parsed("raw")? }
            }
            "key" => Body::Key { key: self.parsed("key")?, ends: self.take("ends", size)? },
            "release" => Body::Release { of: self.take("of", size)?, outcome: self.outcome()? },
            "tally" => Body::Tally { source: self.take("source", source)? },
            "erasure" => Body::Erasure(self.erased()?),
            "retention" => Body::Retention,
            "hold" => Body::Hold,
            "access" => Body::Access,
            _ => return Err(EntryError::Kind),
        })
    }

    fn outcome(&mut self) -> Result<Outcome, EntryError> {
        let others = [Outcome::Skipped, Outcome::Discarded, Outcome::Erased];
        match self.take("outcome", owned)?.as_str() {
            "logged" => {
                let (first, records) = (self.take("first", size)?, self.take("records", size)?);
                if records == 0 {
                    Err(EntryError::Form("records"))
                } else {
                    Ok(Outcome::Logged { first, records })
                }
            }
            text => {
                others.into_iter().find(|outcome| outcome.as_str() == text).ok_or(EntryError::Form("outcome"))
            }
        }
    }

    fn erased(&mut self) -> Result<Erased, EntryError> {
        match self.take("mode", owned)?.as_str() {
            "sweep" => Ok(Erased::Sweep(self.take("ranges", ranges)?)),
            "request" => Ok(Erased::Request),
            _ => Err(EntryError::Form("mode")),
        }
    }

    fn take<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Json) -> Option<T>,
    ) -> Result<T, EntryError> {
        let member = self.0.remove(name).ok_or(EntryError::Missing(name))?;
        read(&member).ok_or(EntryError::Form(name))
    }

    fn parsed<T: std::str::FromStr>(&mut self, name: &'static str) -> Result<T, EntryError> {
        self.take(name, |member| member.as_str()?.parse().ok())
    }
}

fn owned(member: &Json) -> Option<String> {
    member.as_str().map(str::to_owned)
}

fn source(member: &Json) -> Option<String> {
    owned(member).filter(|source| name::check(source).is_ok())
}

fn origin(member: &Json) -> Option<String> {
    owned(member).filter(|origin| name::check_origin(origin).is_ok())
}

fn mode(member: &Json) -> Option<Mode> {
    [Mode::Records, Mode::Opaque].into_iter().find(|mode| member.as_str() == Some(mode.as_str()))
}

fn count(member: &Json) -> Option<u16> {
    let count = u16::try_from(member.as_u64()?).ok()?;
    (count.is_power_of_two() && usize::from(count) >= LEAVES_MIN).then_some(count)
}

fn size(member: &Json) -> Option<u64> {
    member.as_u64().filter(|size| *size <= SIZE_MAX)
}

fn part(member: &Json) -> Option<(u32, u32)> {
    let [part, parts] = member.as_array()?.as_slice() else { return None };
    let part = u32::try_from(part.as_u64()?).ok()?;
    let parts = u32::try_from(parts.as_u64()?).ok()?;
    (part < parts).then_some((part, parts))
}

fn ranges(member: &Json) -> Option<Vec<(u64, u64)>> {
    let items = member.as_array()?;
    let range = |item: &Json| match item.as_array()?.as_slice() {
        [start, end] => Some((size(start)?, size(end)?)),
        _ => None,
    };
    let ranges: Vec<(u64, u64)> = items.iter().map(range).collect::<Option<_>>()?;
    is_in_order(&ranges).then_some(ranges)
}

/// Whether these are ranges that an erasure may name.
fn is_in_order(ranges: &[(u64, u64)]) -> bool {
    (1..=RANGES_MAX).contains(&ranges.len())
        && ranges.iter().all(|(start, end)| start < end)
        && ranges.windows(2).all(|pair| pair[0].1 < pair[1].0)
}

impl Outcome {
    /// `logged`, `skipped`, `discarded` or `erased`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logged { .. } => "logged",
            Self::Skipped => "skipped",
            Self::Discarded => "discarded",
            Self::Erased => "erased",
        }
    }
}

impl Mode {
    /// `records` or `opaque`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Opaque => "opaque",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
