//! Reading: every record is opened, recomputed and compared with its entry before anyone sees it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use cairnlog_store::secrets::LogKeys;
use cairnlog_store::{Family, layout};
use cairnlog_verify::Hash;
use cairnlog_verify::entry::{self, Body, Digest};
use cairnlog_verify::event::{Attribute, Event};
use cairnlog_verify::field::{self, Commitment, FieldTree, RecordKey};
use cairnlog_verify::value::Value;
use cairnlog_verify::{raw, tree};

use crate::class::{Chosen, Class, Retention, Trigger};
use crate::error::LedgerError;
use crate::limits::{PAYLOADS_READ, ROWS_BYTES_MAX};
use crate::log::Log;
use crate::payload::{Payload, RedactionNote};
use crate::task::off_thread;
use crate::worker::RECEIVED;
use crate::wrap::{Page, Quarantined, open_quarantined, page_of};

/// An entry opened: what it says.
///
/// `Debug` shows where it stands, never what it says.
#[derive(Clone)]
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

/// The rows of one entry, as they are stored.
pub(crate) struct Rows {
    index: u64,
    entry: Vec<u8>,
    payload: Vec<u8>,
    key: Vec<u8>,
}

/// Opens entries of one log. Blocks: it is all cryptography.
#[derive(Clone)]
pub(crate) struct Opener {
    keys: Arc<LogKeys>,
    origin: Arc<str>,
}

/// Entries being opened.
pub(crate) struct Opening<'a> {
    opener: &'a Opener,
    pages: BTreeMap<u32, Page>,
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
        let mut disturbance = self.keeping().disturbance();
        loop {
            match self.record_once(index).await {
                Err(error) if disturbance.explains(&error, self.keeping()) => {}
                result => return result,
            }
        }
    }

    async fn record_once(&self, index: u64) -> Result<Record, LedgerError> {
        let Some(opened) = self.open_entry(index).await? else { return Err(self.gone(index).await?) };
        let closed = self.closed_at(&[index]).await?;
        Ok(Record::of(opened, closed.get(&index).copied()))
    }

    /// One entry of any kind, opened and checked; none where its payload is gone.
    pub(crate) async fn open_entry(&self, index: u64) -> Result<Option<Opened>, LedgerError> {
        self.opened_by(index, |opening: &mut Opening<'_>, rows: &Rows| opening.open(rows)).await
    }

    /// One entry of any kind, opened and checked in this way; none where its payload is gone.
    pub(crate) async fn opened_by<T: Send + 'static>(
        &self,
        index: u64,
        open: impl FnOnce(&mut Opening<'_>, &Rows) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<Option<T>, LedgerError> {
        let rows = self.some_rows(&[index]).await?.into_iter().flatten().next();
        let opener = self.opener().clone();
        off_thread(move || rows.map(|rows| open(&mut opener.opening(), &rows)).transpose()).await?
    }

    /// Why an entry has no payload: it was erased, or is damaged.
    ///
    /// # Errors
    /// [`LedgerError`] where that can't be told.
    pub(crate) async fn gone(&self, index: u64) -> Result<LedgerError, LedgerError> {
        let erasure = self.erasure_of(index).await?.map(|erasure| LedgerError::Erased(Box::new(erasure)));
        Ok(erasure.unwrap_or_else(|| damaged(index, "a row of it is missing, and no erasure covers it")))
    }

    /// The rows of several entries but for those that were erased.
    pub(crate) async fn rows_there(&self, indices: &[u64]) -> Result<Vec<Rows>, LedgerError> {
        let mut there = Vec::with_capacity(indices.len());
        for (index, rows) in indices.iter().zip(self.some_rows(indices).await?) {
            match rows {
                Some(rows) => there.push(rows),
                None if self.erased_row(*index).await?.is_some() => {}
                None => return Err(damaged(*index, "a row of it is missing, and no erasure covers it")),
            }
        }
        Ok(there)
    }

    /// The rows of several entries, which must be in the published tree, in their order: of as many of the first ones as
    /// have [`ROWS_BYTES_MAX`] or a little more.
    pub(crate) async fn rows(&self, indices: &[u64]) -> Result<Vec<Rows>, LedgerError> {
        let (mut all, mut bytes) = (Vec::with_capacity(indices.len()), 0);
        for part in indices.chunks(PAYLOADS_READ) {
            for (index, rows) in part.iter().zip(self.some_rows(part).await?) {
                let rows = rows.ok_or_else(|| damaged(*index, "a row of it is missing"))?;
                bytes += rows.bytes();
                all.push(rows);
            }
            if bytes >= ROWS_BYTES_MAX {
                break;
            }
        }
        Ok(all)
    }

    /// The rows of several entries, in their order; none where one of them is missing.
    pub(crate) async fn some_rows(&self, indices: &[u64]) -> Result<Vec<Option<Rows>>, LedgerError> {
        let id = self.id();
        let rows = async |family, key: fn(u32, u64) -> Vec<u8>| {
            self.engine().multi_get(family, indices.iter().map(|index| key(id, *index)).collect()).await
        };
        let entries = rows(Family::Entries, layout::entry_key).await?;
        let payloads = rows(Family::Payloads, layout::payload_key).await?;
        let keys = rows(Family::Keys, layout::record_key_key).await?;
        let all = indices.iter().zip(entries).zip(payloads).zip(keys);
        let rows = all.map(|(((&index, entry), payload), key)| {
            Some(Rows { index, entry: entry?, payload: payload?, key: key? })
        });
        Ok(rows.collect())
    }
}

impl Rows {
    /// The page that wraps the record's key; 0, which is none, where the row is damaged.
    pub(crate) fn page(&self) -> u32 {
        page_of(&self.key).unwrap_or_default()
    }

    pub(crate) fn index(&self) -> u64 {
        self.index
    }

    /// How many bytes they have.
    pub(crate) fn bytes(&self) -> usize {
        self.entry.len() + self.payload.len() + self.key.len()
    }

    /// The entry opened, if its payload is what it commits to.
    fn checked(
        &self,
        leaf_hash: Hash,
        payload: Payload,
        commitment: Commitment,
    ) -> Result<Opened, LedgerError> {
        let index = self.index;
        let entry = entry::Entry::parse(&self.entry).map_err(|error| damaged(index, error))?;
        if commitment.fields != entry.fields || commitment.count != entry.count {
            return Err(damaged(index, "its payload is not what the entry commits to"));
        }
        Ok(Opened { index, leaf_hash, entry, payload })
    }
}

impl Opener {
    pub(crate) fn new(keys: Arc<LogKeys>, origin: &str) -> Self {
        Self { keys, origin: origin.into() }
    }

    /// To open some entries one after the other: keys of pages are made ready once.
    pub(crate) fn opening(&self) -> Opening<'_> {
        Opening { opener: self, pages: BTreeMap::new() }
    }

    fn unseal(
        &self,
        rows: &Rows,
        pages: &mut BTreeMap<u32, Page>,
    ) -> Result<(Hash, RecordKey, Payload), LedgerError> {
        let Rows { index, entry, payload, key } = rows;
        let leaf_hash = tree::leaf_hash(entry);
        let id = page_of(key).map_err(|error| damaged(*index, error))?;
        let page = match pages.entry(id) {
            Entry::Occupied(page) => page.into_mut(),
            Entry::Vacant(place) => {
                let page_key = self
                    .keys
                    .page(id)
                    .ok_or_else(|| damaged(*index, "the key of its page is not in the keyring"))?;
                place.insert(Page::new(id, page_key.as_bytes()))
            }
        };
        let record_key =
            page.unwrap(&self.origin, &leaf_hash, key).map_err(|error| damaged(*index, error))?;
        let payload = Payload::open(&record_key, &self.origin, &leaf_hash, payload)
            .map_err(|error| damaged(*index, error))?;
        Ok((leaf_hash, record_key, payload))
    }
}

impl Opening<'_> {
    /// Opens an entry and checks its payload against what the entry commits to.
    pub(crate) fn open(&mut self, rows: &Rows) -> Result<Opened, LedgerError> {
        let (leaf_hash, key, payload) = self.opener.unseal(rows, &mut self.pages)?;
        let commitment = field::commit(&key, &self.opener.origin, &payload.attributes)
            .map_err(|error| damaged(rows.index, error))?;
        rows.checked(leaf_hash, payload, commitment)
    }

    /// The same for a quarantine entry, with its raw record, which is checked against the entry's commitment to it.
    pub(crate) fn open_quarantined(
        &mut self,
        rows: &Rows,
        row: &[u8],
    ) -> Result<(Opened, Quarantined), LedgerError> {
        let opened = self.open(rows)?;
        let (leaf_hash, key, _) = self.opener.unseal(rows, &mut self.pages)?;
        let index = rows.index;
        let kept = open_quarantined(&key, &self.opener.origin, &leaf_hash, row)
            .map_err(|error| damaged(index, error))?;
        match &opened.entry.body {
            Body::Quarantine { raw, .. } if *raw == raw::commit(&kept.salt, &kept.input) => {
                Ok((opened, kept))
            }
            _ => Err(damaged(index, "its raw record is not what the entry commits to")),
        }
    }

    /// The same, with its field tree: for who points at leaves.
    pub(crate) fn open_with_tree(&mut self, rows: &Rows) -> Result<(Opened, FieldTree), LedgerError> {
        let (leaf_hash, key, payload) = self.opener.unseal(rows, &mut self.pages)?;
        let tree = FieldTree::new(&key, &self.opener.origin, &payload.attributes)
            .map_err(|error| damaged(rows.index, error))?;
        Ok((rows.checked(leaf_hash, payload, tree.commitment())?, tree))
    }
}

impl Opened {
    /// The event's time for ordering.
    pub(crate) fn time_ms(&self) -> i64 {
        time_ms(&self.payload)
    }

    /// Roughly the bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        let bytes = |attribute: &Attribute| {
            attribute.path.len()
                + match &attribute.value {
                    Value::Text(text) => text.len(),
                    _ => 8,
                }
        };
        self.payload.attributes.iter().map(bytes).sum()
    }

    /// The source, where the entry has one.
    pub(crate) fn source(&self) -> Option<&str> {
        match &self.entry.body {
            Body::Record { source, .. } | Body::Quarantine { source, .. } | Body::Tally { source } => {
                Some(source)
            }
            _ => None,
        }
    }

    /// When the server received it.
    pub(crate) fn received_ms(&self) -> u64 {
        u64::try_from(received_ms(&self.payload)).unwrap_or_default()
    }
}

impl Record {
    /// An opened entry; closed then, if an event has closed it.
    pub(crate) fn of(opened: Opened, closed_ms: Option<u64>) -> Self {
        let received_ms = opened.received_ms();
        let source = opened.source().map(str::to_owned);
        let retention = kept(&opened.payload, received_ms, closed_ms);
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

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("index", &self.index).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// The event as its source's reader knows it. The attributes were checked when they were committed.
fn nested(attributes: Vec<Attribute>) -> serde_json::Value {
    Event::with_host(attributes).map_or(serde_json::Value::Null, |event| event.to_json())
}

fn kept(payload: &Payload, received_ms: u64, closed_ms: Option<u64>) -> Option<Kept> {
    Some(Kept::of(retention_of(payload)?, received_ms, closed_ms))
}

impl Kept {
    /// What was decided for a record received then, and closed at that time if it was.
    pub(crate) fn of(
        Retention { chosen, class }: Retention,
        received_ms: u64,
        closed_ms: Option<u64>,
    ) -> Self {
        let (name, rule) = match chosen {
            Some(Chosen { class, rule }) => (class, rule),
            // A quarantined raw record is of no class that compliance set.
            None => ("quarantine".to_owned(), "quarantine_days".to_owned()),
        };
        Self {
            class: name,
            rule,
            minimum_until_ms: class.minimum_until_ms(received_ms, closed_ms),
            maximum_until_ms: class.maximum_until_ms(received_ms, closed_ms),
            trigger: class.trigger.as_str().to_owned(),
            basis: class.basis,
        }
    }
}

/// What was decided for a record, if anything was.
pub(crate) fn retention_of(payload: &Payload) -> Option<Retention> {
    let text = |path: &str| payload.text(path).map(str::to_owned);
    let days = |path: &str| payload.integer(path).and_then(|days| u32::try_from(days).ok());
    let trigger = text("$retention.trigger")?;
    let class = Class {
        trigger: [Trigger::Received, Trigger::EndOfYear, Trigger::Closed]
            .into_iter()
            .find(|known| known.as_str() == trigger)?,
        minimum_days: days("$retention.minimum_days")?,
        maximum_days: days("$retention.maximum_days"),
        zone: text("$retention.zone"),
        basis: text("$retention.basis")?,
    };
    let chosen = text("$retention.class").zip(text("$retention.rule"));
    Some(Retention { chosen: chosen.map(|(class, rule)| Chosen { class, rule }), class })
}

/// An event's own time, or that of receipt where it has none.
fn time_ms(payload: &Payload) -> i64 {
    payload.integer("time").unwrap_or_else(|| received_ms(payload))
}

fn received_ms(payload: &Payload) -> i64 {
    payload.integer(RECEIVED).unwrap_or_default()
}

/// A record that does not open to its entry: an alarm for the operator, with the index and no content.
fn damaged(index: u64, what: impl std::fmt::Display) -> LedgerError {
    LedgerError::Damaged(format!("entry {index} does not open: {what}"))
}
