//! A page of records as it fills.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Found, Position, Wanted};
use crate::error::LedgerError;
use crate::limits::{PAGE_BYTES_MAX, RECORDS_OPENED};
use crate::log::Log;
use crate::read::{Opener, Record, Rows};
use crate::task::off_thread;

/// A page, and how to fill it.
pub(super) struct Page<'a> {
    log: &'a Log,
    wanted: Arc<Wanted>,
    filling: Filling,
}

/// What is on it.
#[derive(Default)]
struct Filling {
    limit: usize,
    records: Vec<Record>,
    bytes: usize,
    last: Option<Position>,
    /// Whether a further match was seen.
    is_full: bool,
}

impl<'a> Page<'a> {
    pub(super) fn new(log: &'a Log, wanted: Arc<Wanted>, limit: usize) -> Self {
        Self { log, wanted, filling: Filling { limit, ..Filling::default() } }
    }

    /// Whether it has all that it can take, and there is more.
    pub(super) fn is_full(&self) -> bool {
        self.filling.is_full
    }

    /// Opens records, in this order, and adds those that match, until the page is full.
    pub(super) async fn add(&mut self, positions: &[Position]) -> Result<(), LedgerError> {
        let mut rest = positions;
        while !rest.is_empty() && !self.filling.is_full {
            // One more than asked for tells whether there is a next page.
            let wanted = self.filling.limit.saturating_sub(self.filling.records.len()).saturating_add(1);
            let part = &rest[..rest.len().min(wanted).min(RECORDS_OPENED)];
            let indices: Vec<u64> = part.iter().map(|position| position.index).collect();
            let rows = self.log.rows(&indices).await?;
            let closed = self.log.closed_at(&indices).await?;
            let read: Vec<(Position, Rows)> = part.iter().copied().zip(rows).collect();
            rest = &rest[read.len()..];
            let (opener, wanted) = (self.log.opener().clone(), Arc::clone(&self.wanted));
            let mut filling = std::mem::take(&mut self.filling);
            self.filling = off_thread(move || {
                filling.take(&read, &closed, &opener, &wanted)?;
                Ok::<_, LedgerError>(filling)
            })
            .await??;
        }
        Ok(())
    }

    /// The page, and where the next one starts: behind its last record where that is known not to be the last of all,
    /// else at `next`.
    pub(super) fn end(self, next: Option<Position>) -> Found {
        let Filling { records, last, is_full, .. } = self.filling;
        Found { records, next: last.filter(|_| is_full).or(next) }
    }
}

impl Filling {
    /// Opens what was read as far as the page takes it. Blocks: it is all cryptography.
    fn take(
        &mut self,
        read: &[(Position, Rows)],
        closed: &BTreeMap<u64, u64>,
        with: &Opener,
        wanted: &Wanted,
    ) -> Result<(), LedgerError> {
        let mut opening = with.opening();
        for (position, rows) in read {
            let opened = opening.open(rows)?;
            if opened.time_ms() != position.time_ms {
                return Err(super::damaged());
            }
            if !wanted.matches(&opened) {
                continue;
            }
            if self.records.len() == self.limit || self.bytes > PAGE_BYTES_MAX {
                self.is_full = true;
                return Ok(());
            }
            self.bytes += opened.bytes();
            self.last = Some(*position);
            self.records.push(Record::of(opened, closed.get(&position.index).copied()));
        }
        Ok(())
    }
}
