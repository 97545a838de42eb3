//! Reading: every record is opened, recomputed and compared with its entry before anyone sees it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use cairnlog_store::{Family, layout};
use cairnlog_verify::Hash;
use cairnlog_verify::entry::{self, Body, Digest};
use cairnlog_verify::event::{Attribute, Event};
use cairnlog_verify::field;
use cairnlog_verify::tree;
use cairnlog_verify::value::Value;

use crate::class::{Class, Trigger};
use crate::error::LedgerError;
use crate::log::Log;
use crate::payload::{Payload, RedactionNote};
use crate::worker::RECEIVED;
use crate::wrap::{Page, page_of};

/// An entry opened: what it says.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its index.
    pub index: u64,
    /// Its leaf hash.
    pub leaf_hash: Hash,
    /// Its kind: `record`, `log`, `plugin`, `pipeline` or `quarantine`.
    pub kind: &'static str,
    /// The source, where it has one.
    pub source: Option<String>,
    /// When the server received it, in milliseconds since the Unix epoch.
    pub received_ms: u64,
    /// The event, nested; what was dropped is absent.
    pub event: serde_json::Value,
    /// What was taken from it.
    pub redactions: Vec<RedactionNote>,
    /// How long it lives, where that was decided.
    pub retention: Option<Kept>,
    /// The pipeline that made it.
    pub pipeline: Option<Digest>,
}

/// How long a record lives, by whose rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The class.
    pub class: String,
    /// The plugin's rule that chose it.
    pub rule: String,
    /// The rule of law or policy behind the class.
    pub basis: String,
    /// From when its days count.
    pub trigger: String,
    /// Not erased before this, in milliseconds since the Unix epoch.
    pub minimum_until_ms: Option<u64>,
    /// Erased then.
    pub maximum_until_ms: Option<u64>,
}

/// An entry and its opened payload, checked against each other.
pub(crate) struct Opened {
    pub(crate) index: u64,
    pub(crate) leaf_hash: Hash,
    pub(crate) entry: entry::Entry,
    pub(crate) payload: Payload,
}

impl Log {
    /// One entry of any kind, opened.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] beyond the published tree; [`LedgerError::Internal`] where it does not open to its
    /// entry.
    pub async fn record(&self, index: u64) -> Result<Record, LedgerError> {
        if index >= self.tree().head().checkpoint.size {
            return Err(LedgerError::NotFound(format!("the published tree has no entry {index}")));
        }
        let mut opened = self.open_all(&[index]).await?;
        opened.pop().map(Record::from).ok_or_else(|| damaged(index, "it has no payload"))
    }

    /// Opens several entries, which must be in the published tree. The answer has their order.
    pub(crate) async fn open_all(&self, indices: &[u64]) -> Result<Vec<Opened>, LedgerError> {
        let id = self.id();
        let rows = async |family, key: fn(u32, u64) -> Vec<u8>| {
            self.engine().multi_get(family, indices.iter().map(|index| key(id, *index)).collect()).await
        };
        let entries = rows(Family::Entries, layout::entry_key).await?;
        let payloads = rows(Family::Payloads, layout::payload_key).await?;
        let keys = rows(Family::Keys, layout::record_key_key).await?;
        let mut pages = BTreeMap::new();
        let all = indices.iter().zip(entries).zip(payloads).zip(keys);
        all.map(|(((index, entry), payload), key)| {
            let (Some(entry), Some(payload), Some(key)) = (entry, payload, key) else {
                return Err(damaged(*index, "a row of it is missing"));
            };
            self.open_one(*index, &entry, &payload, &key, &mut pages)
        })
        .collect()
    }

    fn open_one(
        &self,
        index: u64,
        entry: &[u8],
        payload: &[u8],
        key: &[u8],
        pages: &mut BTreeMap<u32, Page>,
    ) -> Result<Opened, LedgerError> {
        let leaf_hash = tree::leaf_hash(entry);
        let entry = entry::Entry::parse(entry).map_err(|error| damaged(index, error))?;
        let id = page_of(key).map_err(|error| damaged(index, error))?;
        let page = match pages.entry(id) {
            Entry::Occupied(page) => page.into_mut(),
            Entry::Vacant(place) => {
                let key = self
                    .keys()
                    .page(id)
                    .ok_or_else(|| damaged(index, "the key of its page is not in the keyring"))?;
                place.insert(Page::new(id, key.as_bytes()))
            }
        };
        let record_key =
            page.unwrap(self.origin(), &leaf_hash, key).map_err(|error| damaged(index, error))?;
        let payload = Payload::open(&record_key, self.origin(), &leaf_hash, payload)
            .map_err(|error| damaged(index, error))?;
        let commitment = field::commit(&record_key, self.origin(), &payload.attributes)
            .map_err(|error| damaged(index, error))?;
        if commitment.fields != entry.fields || commitment.count != entry.count {
            return Err(damaged(index, "its payload is not what the entry commits to"));
        }
        Ok(Opened { index, leaf_hash, entry, payload })
    }
}

impl Opened {
    /// The event's time for ordering: its own, or that of receipt where it has none.
    pub(crate) fn time_ms(&self) -> i64 {
        integer(&self.payload, "time").unwrap_or_else(|| self.received_ms())
    }

    /// The source, where the entry has one.
    pub(crate) fn source(&self) -> Option<&str> {
        match &self.entry.body {
            Body::Record { source, .. } | Body::Quarantine { source, .. } => Some(source),
            _ => None,
        }
    }

    fn received_ms(&self) -> i64 {
        integer(&self.payload, RECEIVED).unwrap_or_default()
    }
}

impl From<Opened> for Record {
    fn from(opened: Opened) -> Self {
        let received_ms = u64::try_from(opened.received_ms()).unwrap_or_default();
        let source = opened.source().map(str::to_owned);
        let retention = kept(&opened.payload, received_ms);
        let Opened { index, leaf_hash, entry, payload } = opened;
        let Payload { attributes, redactions, pipeline, .. } = payload;
        let event = nested(attributes);
        Self {
            index,
            leaf_hash,
            kind: entry.kind(),
            source,
            received_ms,
            event,
            redactions,
            retention,
            pipeline,
        }
    }
}

/// The event as its source's reader knows it. The attributes were checked when they were committed.
fn nested(attributes: Vec<Attribute>) -> serde_json::Value {
    Event::with_host(attributes).map_or(serde_json::Value::Null, |event| event.to_json())
}

fn kept(payload: &Payload, received_ms: u64) -> Option<Kept> {
    let text = |path: &str| match payload.get(path) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let days = |path: &str| integer(payload, path).and_then(|days| u32::try_from(days).ok());
    let trigger = text("$retention.trigger")?;
    let class = Class {
        trigger: [Trigger::Received, Trigger::EndOfYear, Trigger::Closed]
            .into_iter()
            .find(|known| known.as_str() == trigger)?,
        minimum_days: days("$retention.minimum_days")?,
        maximum_days: days("$retention.maximum_days"),
        basis: text("$retention.basis")?,
    };
    Some(Kept {
        class: text("$retention.class").unwrap_or_default(),
        rule: text("$retention.rule").unwrap_or_default(),
        minimum_until_ms: class.minimum_until_ms(received_ms),
        maximum_until_ms: class.maximum_until_ms(received_ms),
        basis: class.basis,
        trigger,
    })
}

fn integer(payload: &Payload, path: &str) -> Option<i64> {
    match payload.get(path) {
        Some(Value::Integer(integer)) => Some(*integer),
        _ => None,
    }
}

/// A record that does not open to its entry: an alarm for the operator, with the index and no content.
fn damaged(index: u64, what: impl std::fmt::Display) -> LedgerError {
    LedgerError::Internal(format!("entry {index} does not open: {what}"))
}
