//! Tallies: how many raw records each source sent in an hour, and what became of them.
//!
//! They are counted in memory. When an hour is over, each source that sent something has an entry of kind `tally`, which
//! is received in that hour. What a shutdown finds counted it keeps in the store, and the next start goes on from there; a
//! crash loses the counts of the hours that have no entry yet. What comes after its hour's tally makes a second one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use cairnlog_store::{Batch, Family, Scan, layout};
use cairnlog_verify::entry::Body;
use cairnlog_verify::event::Attribute;
use cairnlog_verify::value::Value;

use crate::answer::Answer;
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::limits::{SOURCES_MAX, TALLY_WAIT_MS};
use crate::log::{Log, draft};
use crate::prepared::Prepared;

const HOUR_MS: u64 = 3_600_000;

/// Raw records, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    logged: u64,
    quarantined: u64,
    skipped: u64,
    duplicates: u64,
}

/// An hour since 1970, and a source.
type Cell = (u32, String);

/// What a log was sent in hours that have no entry yet.
#[derive(Default)]
pub(crate) struct Tallies(Mutex<BTreeMap<Cell, Counts>>);

impl Tallies {
    /// Counts what became of a request.
    pub(crate) fn count(&self, source: &str, received_ms: u64, answer: &Answer) {
        let counts = Counts {
            logged: answer.accepted,
            quarantined: answer.quarantined,
            skipped: answer.skipped,
            duplicates: answer.duplicates,
        };
        self.add([((hour_of(received_ms), source.to_owned()), counts)]);
    }

    fn add(&self, more: impl IntoIterator<Item = (Cell, Counts)>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (cell, counts) in more {
            all.entry(cell).or_default().add(counts);
        }
    }

    /// Takes out what was counted in hours before this one.
    fn take_before(&self, hour: u32) -> BTreeMap<Cell, Counts> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = all.split_off(&(hour, String::new()));
        std::mem::replace(&mut all, rest)
    }
}

impl Counts {
    fn add(&mut self, more: Self) {
        let Self { logged, quarantined, skipped, duplicates } = self;
        for (count, more) in [
            (logged, more.logged),
            (quarantined, more.quarantined),
            (skipped, more.skipped),
            (duplicates, more.duplicates),
        ] {
            *count = count.saturating_add(more);
        }
    }

    fn attributes(self) -> Vec<Attribute> {
        let Self { logged, quarantined, skipped, duplicates } = self;
        let received = logged.saturating_add(quarantined).saturating_add(skipped).saturating_add(duplicates);
        let counts = [
            ("tally.duplicates", duplicates),
            ("tally.logged", logged),
            ("tally.quarantined", quarantined),
            ("tally.received", received),
            ("tally.skipped", skipped),
        ];
        let attribute = |(path, count): (&str, u64)| {
            let value = Value::Integer(i64::try_from(count).unwrap_or(i64::MAX));
            Attribute { path: path.to_owned(), value }
        };
        counts.into_iter().map(attribute).collect()
    }

    /// Four u64be.
    fn to_row(self) -> Vec<u8> {
        let Self { logged, quarantined, skipped, duplicates } = self;
        [logged, quarantined, skipped, duplicates].into_iter().flat_map(u64::to_be_bytes).collect()
    }

    fn from_row(row: &[u8]) -> Option<Self> {
        let (numbers, rest) = row.as_chunks::<8>();
        let [logged, quarantined, skipped, duplicates] = *numbers else { return None };
        let [logged, quarantined, skipped, duplicates] =
            [logged, quarantined, skipped, duplicates].map(u64::from_be_bytes);
        rest.is_empty().then_some(Self { logged, quarantined, skipped, duplicates })
    }
}

impl Ledger {
    /// Says the tallies of the hours that are over. A log that does not take them is asked again with the next call.
    pub async fn say_tallies(&self) {
        for log in self.logs() {
            let over = hour_of(log.now_ms().saturating_sub(TALLY_WAIT_MS));
            if let Err(error) = log.say_tallies_before(over).await {
                tracing::warn!(log = log.name(), %error, "the tally of an hour was not logged; it is tried again");
            }
        }
    }
}

impl Log {
    /// Says the tallies of all hours, before the log takes nothing more.
    pub(crate) async fn say_last_tallies(&self) -> Result<(), LedgerError> {
        self.write_tallies(self.tallies().take_before(u32::MAX)).await
    }

    async fn say_tallies_before(&self, hour: u32) -> Result<(), LedgerError> {
        let tallies = self.tallies().take_before(hour);
        // What a frozen log still counted came while it froze.
        if self.intake().is_frozen() { Ok(()) } else { self.write_tallies(tallies).await }
    }

    /// One commit: an entry for each, and none of the rows any more that a shutdown kept.
    async fn write_tallies(&self, tallies: BTreeMap<Cell, Counts>) -> Result<(), LedgerError> {
        if tallies.is_empty() {
            return Ok(());
        }
        let written = self.try_write_tallies(&tallies).await;
        if written.is_err() {
            self.tallies().add(tallies);
        }
        written
    }

    async fn try_write_tallies(&self, tallies: &BTreeMap<Cell, Counts>) -> Result<(), LedgerError> {
        let draft = |((hour, source), counts): (&Cell, &Counts)| {
            let body = Body::Tally { source: source.clone() };
            draft(u64::from(*hour) * HOUR_MS, body, counts.attributes())
        };
        let sealed = self.sealer().seal_all(tallies.iter().map(draft).collect()).await?;
        let keys: Vec<Vec<u8>> =
            tallies.keys().map(|(hour, source)| layout::tally_key(self.id(), *hour, source)).collect();
        let bytes = keys.iter().map(Vec::len).sum();
        let prepared = Prepared::new(self.id(), sealed).with_rows(bytes, move |_, batch| {
            for key in keys {
                batch.delete(Family::Sources, key);
            }
        });
        self.tree().append(Box::new(prepared)).await?;
        Ok(())
    }

    /// Keeps what was counted for the next start.
    pub(crate) async fn keep_tallies(&self) -> Result<(), LedgerError> {
        let tallies = self.tallies().take_before(u32::MAX);
        if tallies.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        for ((hour, source), counts) in tallies {
            batch.put(Family::Sources, layout::tally_key(self.id(), hour, &source), counts.to_row());
        }
        self.shared().commit(batch).await
    }

    /// Goes on from what a shutdown kept.
    pub(crate) async fn load_tallies(&self) -> Result<(), LedgerError> {
        let mut scan = Scan::prefix(Family::Sources, layout::tallies_prefix(self.id()), SOURCES_MAX);
        loop {
            let rows = self.engine().scan(scan.clone()).await?;
            let damaged = || LedgerError::Internal("a kept tally can't be read".to_owned());
            for (key, row) in &rows {
                let (hour, source) = layout::parse_tally_key(key).ok_or_else(damaged)?;
                let counts = Counts::from_row(row).ok_or_else(damaged)?;
                self.tallies().add([((hour, source.to_owned()), counts)]);
            }
            match rows.last() {
                Some((last, _)) if rows.len() == scan.limit => {
                    scan.behind(last);
                }
                _ => return Ok(()),
            }
        }
    }
}

fn hour_of(ms: u64) -> u32 {
    u32::try_from(ms / HOUR_MS).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_kept_as_they_are() {
        let counts = Counts { logged: 1, quarantined: 2, skipped: 3, duplicates: u64::MAX };
        assert_eq!(Counts::from_row(&counts.to_row()), Some(counts));
        for wrong in [&[][..], &[0; 31], &[0; 33], &[0; 40]] {
            assert_eq!(Counts::from_row(wrong), None);
        }
    }

    #[test]
    fn only_the_hours_before_are_taken() {
        let tallies = Tallies::default();
        let one = Counts { logged: 1, ..Counts::default() };
        tallies.add([((1, "a".to_owned()), one), ((2, "a".to_owned()), one), ((1, "a".to_owned()), one)]);
        let taken = tallies.take_before(2);
        assert_eq!(
            taken.into_iter().collect::<Vec<_>>(),
            [((1, "a".to_owned()), Counts { logged: 2, ..one })]
        );
        assert_eq!(tallies.take_before(u32::MAX).len(), 1);
    }
}
