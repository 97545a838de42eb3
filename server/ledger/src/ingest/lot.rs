//! Everything that one request writes, and what it answers.

use std::collections::{BTreeSet, HashMap};

use cairnlog_store::{Batch, Family, layout};

use super::chunk::Read;
use crate::answer::{Fate, Fates};
use crate::inflight::Fingerprint;
use crate::openings::Openings;
use crate::prepared::Prepared;
use crate::seen::{self, Keyed, Logged, Sighting, Window};
use crate::worker::Sealed;

/// Bytes of a row of `seen`, its key included.
const SIGHTING_ROW_BYTES: usize = 4 + 4 + 16 + 20;

/// A raw record ready to be written.
pub(super) enum Done {
    Logged(Vec<Sealed>, Option<Sighting>, Option<Box<Openings>>),
    Quarantined(Sealed, String, Option<Box<Openings>>),
    Skipped(String),
    Duplicate(Duplicate),
}

/// What a raw record was seen as before.
#[derive(Clone, Copy)]
pub(super) enum Duplicate {
    Earlier(Logged),
    /// Of the raw record at this place of the request.
    Twin(usize),
}

/// A request's rows and its answer, which both still lack the first index.
pub(super) struct Lot {
    pub(super) fates: Fates,
    pub(super) rows: Rows,
    /// Kinds of values that pseudonyms are made of for the first time.
    pub(super) entities: BTreeSet<String>,
    /// What is handed back of each raw record, and never kept.
    pub(super) openings: Vec<Option<Box<Openings>>>,
}

/// What there is to write.
pub(super) enum Rows {
    /// Entries with all that belongs to them.
    Entries(Box<Prepared>),
    /// No entry, but an Idempotency-Key to remember.
    Key(Batch),
    /// Nothing at all.
    None,
}

impl Lot {
    /// Puts together what became of a request's raw records, in order. `published` is the size to answer where no entry
    /// was made, unless a larger tree holds what the answer names.
    pub(super) fn of(
        log: u32,
        window: &Window,
        received_ms: u64,
        done: Vec<Done>,
        keyed: Option<&Keyed>,
        published: u64,
    ) -> Self {
        let Gathered { sealed, sightings, rows, openings } = gather(done);
        let entries = sealed.len() as u64;
        let tree_size = sealed.is_empty().then(|| rows.iter().map(end_of_earlier).fold(published, u64::max));
        let fates = Fates { entries, tree_size, received_ms, rows };
        let key = keyed.map(|keyed| {
            let (day, name) = keyed.sighting.today();
            (layout::seen_key(log, day, name), seen::seal_fates(window, &name, &keyed.body(window), &fates))
        });
        let rows = if sealed.is_empty() {
            key.map_or(Rows::None, |(key, row)| {
                let mut batch = Batch::new();
                batch.put(Family::Seen, key, [&0_u64.to_be_bytes()[..], &row].concat());
                Rows::Key(batch)
            })
        } else {
            Rows::Entries(Box::new(with_seen(Prepared::new(log, sealed), log, received_ms, sightings, key)))
        };
        Self { fates, rows, entities: BTreeSet::new(), openings }
    }

    /// Adds the rows by which these entities are known.
    pub(super) fn with_entities(self, log: u32, entities: BTreeSet<String>) -> Self {
        let Rows::Entries(prepared) = self.rows else { return self };
        let prepared = with_entities(*prepared, log, &entities);
        Self { rows: Rows::Entries(Box::new(prepared)), entities, ..self }
    }
}

/// Adds the rows by which these entities are known.
pub(super) fn with_entities(prepared: Prepared, log: u32, entities: &BTreeSet<String>) -> Prepared {
    let keys: Vec<Vec<u8>> = entities.iter().map(|entity| layout::entity_key(log, entity)).collect();
    let bytes = keys.iter().map(Vec::len).sum();
    prepared.with_rows(bytes, move |_, batch| {
        for key in keys {
            batch.put(Family::Sources, key, Vec::new());
        }
    })
}

/// Adds the rows by which events and the Idempotency-Key are seen again.
pub(super) fn with_seen(
    prepared: Prepared,
    log: u32,
    received_ms: u64,
    sightings: Vec<(u64, u32, Sighting)>,
    key: Option<(Vec<u8>, Vec<u8>)>,
) -> Prepared {
    let bytes = sightings.len() * SIGHTING_ROW_BYTES;
    let prepared = prepared.with_rows(bytes, move |first, batch| {
        for (place, events, sighting) in sightings {
            let (day, name) = sighting.today();
            let logged = Logged { first: first + place, events, received_ms };
            batch.put(Family::Seen, layout::seen_key(log, day, name), logged.to_row());
        }
    });
    let Some((key, row)) = key else { return prepared };
    prepared.with_rows(SIGHTING_ROW_BYTES + row.len(), move |first, batch| {
        batch.put(Family::Seen, key, [&first.to_be_bytes()[..], &row].concat());
    })
}

/// What became of a request's raw records, taken apart.
struct Gathered {
    /// All entries, in order.
    sealed: Vec<Sealed>,
    /// Place, number of entries and name of what can be seen again.
    sightings: Vec<(u64, u32, Sighting)>,
    /// One fate a raw record.
    rows: Vec<Fate>,
    /// What is handed back of each.
    openings: Vec<Option<Box<Openings>>>,
}

fn gather(done: Vec<Done>) -> Gathered {
    let mut sealed = Vec::with_capacity(done.len());
    let mut sightings = Vec::new();
    let mut rows: Vec<Fate> = Vec::with_capacity(done.len());
    let mut openings: Vec<Option<Box<Openings>>> = Vec::with_capacity(done.len());
    for done in done {
        let place = sealed.len() as u64;
        rows.push(match done {
            Done::Logged(records, sighting, opened) => {
                openings.push(opened);
                let events = u32::try_from(records.len()).unwrap_or(u32::MAX);
                let leaf_hash = records[0].leaf_hash;
                sightings.extend(sighting.map(|sighting| (place, events, sighting)));
                sealed.extend(records);
                Fate::Logged { place, events, leaf_hash }
            }
            Done::Quarantined(one, reason, opened) => {
                openings.push(opened);
                let leaf_hash = one.leaf_hash;
                sealed.push(one);
                Fate::Quarantined { place, leaf_hash, reason }
            }
            Done::Skipped(reason) => Fate::Skipped { reason },
            Done::Duplicate(Duplicate::Earlier(Logged { first, events, .. })) => {
                Fate::Earlier { index: first, events }
            }
            Done::Duplicate(Duplicate::Twin(twin)) => twin_fate(&rows[twin]),
        });
        openings.resize(rows.len(), None);
    }
    Gathered { sealed, sightings, rows, openings }
}

/// The size of the smallest tree that holds what an earlier request logged.
fn end_of_earlier(fate: &Fate) -> u64 {
    match fate {
        Fate::Earlier { index, events } => index + u64::from(*events),
        _ => 0,
    }
}

/// The fate of a raw record that equals an earlier one of its request: a duplicate of what was logged, else the same. What
/// was quarantined is kept once.
fn twin_fate(first: &Fate) -> Fate {
    match first {
        Fate::Logged { place, events, .. } => Fate::Twin { place: *place, events: *events },
        other => other.clone(),
    }
}

/// Marks raw records that equal an earlier one of their request.
pub(super) fn mark_twins(read: &mut [Read]) {
    let mut first_places: HashMap<Fingerprint, usize> = HashMap::new();
    for (place, record) in read.iter_mut().enumerate() {
        let Some(sighting) = &record.sighting else { continue };
        let (_, name) = sighting.today();
        match first_places.get(&name) {
            Some(first) if record.duplicate.is_none() => record.duplicate = Some(Duplicate::Twin(*first)),
            Some(_) => {}
            None => {
                first_places.insert(name, place);
            }
        }
    }
}
