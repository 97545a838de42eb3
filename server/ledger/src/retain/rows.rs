//! What an erasure changes in the store.
//!
//! Rows that one record has alone are deleted. Rows that it shares with others of its submission, those of the search, of
//! times and of expiry, are read, and written without it. Nobody else changes rows that are there, so what is read here
//! stands until the commit: see [`Keeping::turn`](super::Keeping::turn).

use std::collections::{BTreeMap, BTreeSet};

use cairnlog_store::{Batch, Family, Scan, layout};

use crate::error::LedgerError;
use crate::index::{
    RowError, Term, expiry_without, moment_without, posting_without, stretch_of, stretch_without,
};
use crate::limits::{SEEN_ROWS_FORGOTTEN, WINDOW_MS};
use crate::log::Log;
use crate::seen::Logged;

/// A record that is to go: what tells where its rows are.
pub(crate) struct Going {
    pub(crate) index: u64,
    /// The first index of its submission, where it shares rows.
    pub(crate) first: Option<u64>,
    /// The page that wraps its key.
    pub(crate) page: u32,
    pub(crate) terms: Vec<Term>,
    /// When its event was, where it can be found by that.
    pub(crate) time_ms: Option<i64>,
    /// The day of its `expiry` row.
    pub(crate) expiry_day: Option<u32>,
    pub(crate) received_ms: u64,
}

/// A change of one row: its new value, or none.
pub(crate) type Change = (Family, Vec<u8>, Option<Vec<u8>>);

/// A row that several records share, and those of them that go.
type Shared = BTreeMap<(Family, Vec<u8>), (Without, u64, BTreeSet<u64>)>;

/// The row without some records; its first argument is what its indices are relative to.
type Without = fn(u64, &[u8], &BTreeSet<u64>) -> Result<Option<Vec<u8>>, RowError>;

impl Log {
    /// The changes by which these records go, but for what says so.
    pub(crate) async fn changes_of(&self, going: &[Going], now_ms: u64) -> Result<Vec<Change>, LedgerError> {
        let id = self.id();
        let mut changes: Vec<Change> = Vec::with_capacity(8 * going.len());
        for Going { index, .. } in going {
            changes.push((Family::Payloads, layout::payload_key(id, *index), None));
            changes.push((Family::Keys, layout::record_key_key(id, *index), None));
            changes.push((Family::Quarantine, layout::quarantine_key(id, *index), None));
            changes.push((Family::Erasures, layout::closed_key(id, *index), None));
        }
        let pages: BTreeSet<u32> = going.iter().map(|going| going.page).collect();
        changes.extend(
            pages
                .into_iter()
                .map(|page| (Family::Erasures, layout::page_to_destroy_key(id, page), Some(Vec::new()))),
        );
        self.add_shared(shared(id, going), &mut changes).await?;
        self.add_seen(going, now_ms, &mut changes).await?;
        Ok(changes)
    }

    async fn add_shared(&self, shared: Shared, changes: &mut Vec<Change>) -> Result<(), LedgerError> {
        let mut by_family: BTreeMap<Family, Vec<_>> = BTreeMap::new();
        for ((family, key), rest) in shared {
            by_family.entry(family).or_default().push((key, rest));
        }
        for (family, rows) in by_family {
            let keys = rows.iter().map(|(key, _)| key.clone()).collect();
            let values = self.engine().multi_get(family, keys).await?;
            for ((key, (without, first, gone)), value) in rows.into_iter().zip(values) {
                let damaged = || {
                    LedgerError::Internal(
                        "an index row of records that are to be erased is damaged; nothing was erased"
                            .to_owned(),
                    )
                };
                let value = value.ok_or_else(damaged)?;
                changes.push((family, key, without(first, &value, &gone).map_err(|_| damaged())?));
            }
        }
        Ok(())
    }

    /// The rows by which events that are to go would be seen again. None is older than two windows.
    async fn add_seen(
        &self,
        going: &[Going],
        now_ms: u64,
        changes: &mut Vec<Change>,
    ) -> Result<(), LedgerError> {
        let is_recent = |going: &&Going| going.received_ms.saturating_add(3 * WINDOW_MS) > now_ms;
        let recent: BTreeSet<u64> = going.iter().filter(is_recent).map(|going| going.index).collect();
        if recent.is_empty() {
            return Ok(());
        }
        let mut scan = Scan::prefix(Family::Seen, layout::log_key(self.id()), SEEN_ROWS_FORGOTTEN);
        loop {
            let rows = self.engine().scan(scan.clone()).await?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            scan.behind(last);
            for (key, row) in rows {
                // Rows of Idempotency-Keys are longer. They say nothing of events, and die within the day.
                let Some(Logged { first, events, .. }) = Logged::from_row(&row) else { continue };
                let end = first.saturating_add(u64::from(events));
                if recent.range(first..end.max(first)).next().is_some() {
                    changes.push((Family::Seen, key, None));
                }
            }
        }
    }

    /// The first index of a record's submission, from a row that it shares with the others: the last one that begins at
    /// or before the record is its own, for submissions lie side by side.
    pub(crate) async fn submission_of(
        &self,
        index: u64,
        terms: &[Term],
        expiry_day: Option<u32>,
    ) -> Result<Option<u64>, LedgerError> {
        let id = self.id();
        let (family, from, to) = match (terms.first(), expiry_day) {
            (Some(Term { field, token }), _) => {
                let key = |first| layout::posting_key(id, *field, token.0, first);
                (Family::Postings, key(0), key(index + 1))
            }
            (None, Some(day)) => {
                let key = |first| layout::expiry_key(id, day, first);
                (Family::Expiry, key(0), key(index + 1))
            }
            (None, None) => return Ok(None),
        };
        let row = self.engine().scan(Scan { family, from, to, reverse: true, limit: 1 }).await?.pop();
        let first = row.and_then(|(key, _)| match family {
            Family::Postings => layout::parse_posting_first(&key),
            _ => layout::parse_expiry_key(&key).map(|(_, first)| first),
        });
        let damaged =
            || LedgerError::Internal(format!("entry {index} stands in no index row; nothing was erased"));
        first.map(Some).ok_or_else(damaged)
    }
}

fn shared(log: u32, going: &[Going]) -> Shared {
    let mut shared = Shared::new();
    for Going { index, first, terms, time_ms, expiry_day, .. } in going {
        let Some(first) = *first else { continue };
        let mut add = |family, key, without: Without, relative_to| {
            let entry = shared.entry((family, key));
            entry.or_insert_with(|| (without, relative_to, BTreeSet::new())).2.insert(*index);
        };
        for Term { field, token } in terms {
            add(Family::Postings, layout::posting_key(log, *field, token.0, first), posting_without, first);
        }
        if let Some(time_ms) = time_ms {
            let start = stretch_of(first, *index);
            add(Family::Times, layout::time_key(log, *time_ms, start), moment_without, start);
            add(Family::Times, layout::stretch_key(log, start), stretch_without, start);
        }
        if let Some(day) = expiry_day {
            add(Family::Expiry, layout::expiry_key(log, *day, first), expiry_without, first);
        }
    }
    shared
}

/// Bytes of the keys and values of some changes.
pub(crate) fn bytes_of(changes: &[Change]) -> usize {
    changes.iter().map(|(_, key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum()
}

/// Puts changes into a batch.
pub(crate) fn write(changes: Vec<Change>, batch: &mut Batch) {
    for (family, key, value) in changes {
        match value {
            Some(value) => batch.put(family, key, value),
            None => batch.delete(family, key),
        }
    }
}
