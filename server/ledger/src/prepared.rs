//! Prepared submissions: sealed entries with all their rows, waiting for indices.
//!
//! Rows that many records share (search, time and expiry rows) are merged here, in the worker, relative to the
//! submission's first index: one row a submission and value, not one a record. The sequencer only adds the index.

use std::collections::BTreeMap;
use std::collections::HashMap;

use cairnlog_store::secrets::Lease;
use cairnlog_store::{Batch, Family, layout};
use cairnlog_tlog::Submission;
use cairnlog_verify::Hash;

use crate::index::{Indices, Moment, Runs, Term, Times};
use crate::worker::Sealed;

/// Bytes of the keys of rows by index, of search rows, of rows by time and of their stretches, and of rows by day.
const INDEX_KEY_BYTES: usize = 4 + 8;
const POSTING_KEY_BYTES: usize = 4 + 1 + 8 + 8;
const TIME_KEY_BYTES: usize = 4 + 1 + 8 + 8;
const STRETCH_KEY_BYTES: usize = 4 + 1 + 8;
const EXPIRY_KEY_BYTES: usize = 4 + 4 + 8;

/// Entries of one request, which land together.
pub struct Prepared {
    log: u32,
    entries: Vec<Vec<u8>>,
    leaf_hashes: Vec<Hash>,
    own: Vec<OwnRows>,
    postings: Vec<(Term, Vec<u8>)>,
    moments: Vec<Moment>,
    stretches: Vec<(u64, Vec<u8>)>,
    expiry: Vec<(u32, Vec<u8>)>,
    further: Vec<Further>,
    expected_first: Option<u64>,
    row_bytes: usize,
    /// Of the pages that wrap the entries' keys; given up when the rows are on their way.
    _leases: Vec<Lease>,
}

/// Rows that only one entry has.
struct OwnRows {
    payload: Vec<u8>,
    key: Vec<u8>,
    quarantine: Option<Vec<u8>>,
    closing: Option<Vec<u8>>,
}

/// Writes rows once the submission's first index is known.
type Further = Box<dyn FnOnce(u64, &mut Batch) + Send>;

impl Prepared {
    /// Prepares entries of the log with this id; they get consecutive indices in this order.
    #[must_use]
    pub fn new(log: u32, sealed: Vec<Sealed>) -> Self {
        let count = sealed.len();
        let (mut entries, mut leaf_hashes, mut own) =
            (Vec::with_capacity(count), Vec::with_capacity(count), Vec::with_capacity(count));
        let mut shared = Shared::default();
        let mut leases: Vec<Lease> = Vec::new();
        for (offset, sealed) in (0..).zip(sealed) {
            shared.add(offset, &sealed);
            leases.extend(sealed.lease.filter(|lease| leases.last() != Some(lease)));
            entries.push(sealed.entry);
            leaf_hashes.push(sealed.leaf_hash);
            own.push(OwnRows {
                payload: sealed.payload_row,
                key: sealed.key_row,
                quarantine: sealed.quarantine_row,
                closing: sealed.closing_row,
            });
        }
        let postings = shared.postings.into_iter().map(|(term, row)| (term, row.into_bytes())).collect();
        let (moments, stretches) = shared.times.into_rows();
        let expiry = shared.expiry.into_iter().map(|(day, row)| (day, row.into_bytes())).collect();
        let further = Vec::new();
        let mut prepared = Self {
            log,
            entries,
            leaf_hashes,
            own,
            postings,
            moments,
            stretches,
            expiry,
            further,
            expected_first: None,
            row_bytes: 0,
            _leases: leases,
        };
        prepared.row_bytes = prepared.count_row_bytes();
        prepared
    }

    /// Adds rows that need the first index: at most `bytes` of keys and values together.
    #[must_use]
    pub fn with_rows(mut self, bytes: usize, write: impl FnOnce(u64, &mut Batch) + Send + 'static) -> Self {
        self.row_bytes += bytes;
        self.further.push(Box::new(write));
        self
    }

    /// Says that one of its entries names another by this first index.
    #[must_use]
    pub(crate) fn expecting(self, first: u64) -> Self {
        Self { expected_first: Some(first), ..self }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn count_row_bytes(&self) -> usize {
        let own = self.own.iter().map(|rows| {
            let quarantine = rows.quarantine.as_ref().map_or(0, |row| INDEX_KEY_BYTES + row.len());
            let closing = rows.closing.as_ref().map_or(0, |row| INDEX_KEY_BYTES + 1 + row.len());
            2 * INDEX_KEY_BYTES + rows.payload.len() + rows.key.len() + quarantine + closing
        });
        let postings = self.postings.iter().map(|(_, row)| POSTING_KEY_BYTES + row.len());
        let moments = self.moments.iter().map(|moment| TIME_KEY_BYTES + moment.row.len());
        let stretches = self.stretches.iter().map(|(_, row)| STRETCH_KEY_BYTES + row.len());
        let expiry = self.expiry.iter().map(|(_, row)| EXPIRY_KEY_BYTES + row.len());
        own.chain(postings).chain(moments).chain(stretches).chain(expiry).sum()
    }
}

impl Submission for Prepared {
    fn entries(&self) -> &[Vec<u8>] {
        &self.entries
    }

    fn leaf_hashes(&self) -> &[Hash] {
        &self.leaf_hashes
    }

    fn rows(self: Box<Self>, first_index: u64, batch: &mut Batch) {
        let log = self.log;
        for (index, rows) in (first_index..).zip(self.own) {
            batch.put(Family::Payloads, layout::payload_key(log, index), rows.payload);
            batch.put(Family::Keys, layout::record_key_key(log, index), rows.key);
            if let Some(row) = rows.quarantine {
                batch.put(Family::Quarantine, layout::quarantine_key(log, index), row);
            }
            if let Some(row) = rows.closing {
                batch.put(Family::Erasures, layout::closing_key(log, index), row);
            }
        }
        for (term, row) in self.postings {
            batch.put(Family::Postings, layout::posting_key(log, term.field, term.token.0, first_index), row);
        }
        for Moment { time_ms, start, row } in self.moments {
            batch.put(Family::Times, layout::time_key(log, time_ms, first_index + start), row);
        }
        for (start, row) in self.stretches {
            batch.put(Family::Times, layout::stretch_key(log, first_index + start), row);
        }
        for (day, row) in self.expiry {
            batch.put(Family::Expiry, layout::expiry_key(log, day, first_index), row);
        }
        for write in self.further {
            write(first_index, batch);
        }
    }

    fn expected_first(&self) -> Option<u64> {
        self.expected_first
    }

    fn row_bytes(&self) -> usize {
        self.row_bytes
    }
}

/// Rows that entries share, being merged.
#[derive(Default)]
struct Shared {
    postings: HashMap<Term, Indices>,
    times: Times,
    expiry: BTreeMap<u32, Runs>,
}

impl Shared {
    fn add(&mut self, offset: u64, sealed: &Sealed) {
        for term in &sealed.terms {
            self.postings.entry(*term).or_default().push(offset);
        }
        if let Some(time_ms) = sealed.event_ms {
            self.times.push(offset, time_ms);
        }
        if let Some(day) = sealed.expiry_day {
            self.expiry.entry(day).or_default().push(offset);
        }
    }
}
