//! Events that close others: an employment ends, and what was kept for as long as it lasted becomes due.
//!
//! Whose records belong together is kept as a blind token in the search rows. An event that closes leaves a row, in the
//! commit in which it was logged, with the tokens that it closes. From it, in bounded commits, each record that is closed
//! gets the time, and an `expiry` row. What comes after the closing waits for the next one.

use std::collections::{BTreeMap, BTreeSet};

use cairnlog_store::{Batch, Family, Scan, layout};

use crate::class::Trigger;
use crate::error::LedgerError;
use crate::index::{Field, expiry_with, read_indices};
use crate::limits::{CLOSINGS_READ, ERASED_AT_ONCE, EXPIRY_ROWS_READ};
use crate::log::Log;
use crate::read::retention_of;
use crate::task::off_thread;

/// What an event closes.
struct Closing {
    /// Its index; nothing behind it is closed.
    index: u64,
    closed_ms: u64,
    tokens: Vec<[u8; 8]>,
}

/// Records that a closing concerns, with the first index of their submission each.
type Closed = Vec<(u64, u64)>;

impl Log {
    /// When some records were closed by an event, of those that were.
    pub(crate) async fn closed_at(&self, indices: &[u64]) -> Result<BTreeMap<u64, u64>, LedgerError> {
        let keys = indices.iter().map(|index| layout::closed_key(self.id(), *index)).collect();
        let rows = self.engine().multi_get(Family::Erasures, keys).await?;
        let closed = indices.iter().zip(rows).filter_map(|(index, row)| Some((*index, row?)));
        closed
            .map(|(index, row)| Ok((index, u64::from_be_bytes(row.try_into().map_err(|_| damaged())?))))
            .collect()
    }

    /// Carries out what events have closed, as far as it is not done.
    pub(crate) async fn carry_out_closings(&self) -> Result<(), LedgerError> {
        let prefix = layout::closings_prefix(self.id());
        loop {
            let rows =
                self.engine().scan(Scan::prefix(Family::Erasures, prefix.clone(), CLOSINGS_READ)).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for (key, row) in rows {
                let closing = Closing::read(&key, &row).ok_or_else(damaged)?;
                for token in &closing.tokens {
                    self.close(&closing, *token).await?;
                }
                let mut done = Batch::new();
                done.delete(Family::Erasures, key);
                self.shared().commit(done).await?;
            }
        }
    }

    /// Closes what the rows of a token list.
    async fn close(&self, closing: &Closing, token: [u8; 8]) -> Result<(), LedgerError> {
        let prefix = layout::posting_prefix(self.id(), Field::Subject.id(), token);
        let mut scan = Scan::prefix(Family::Postings, prefix, EXPIRY_ROWS_READ);
        loop {
            let rows = self.engine().scan(scan.clone()).await?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            scan.behind(last);
            let mut concerned: Closed = Vec::new();
            for (key, row) in &rows {
                let first = layout::parse_posting_first(key).ok_or_else(damaged)?;
                let indices = read_indices(first, row).map_err(|_| damaged())?;
                let within = indices.into_iter().filter(|index| *index <= closing.index);
                concerned.extend(within.map(|index| (index, first)));
            }
            for some in concerned.chunks(ERASED_AT_ONCE) {
                self.close_some(closing, some).await?;
            }
        }
    }

    async fn close_some(&self, closing: &Closing, some: &[(u64, u64)]) -> Result<(), LedgerError> {
        let _turn = self.keeping().turn.lock().await;
        let indices: Vec<u64> = some.iter().map(|(index, _)| *index).collect();
        // The first closing stands.
        let closed = self.closed_at(&indices).await?;
        let open: Vec<u64> = indices.into_iter().filter(|index| !closed.contains_key(index)).collect();
        let rows = self.rows_there(&open).await?;
        let (reader, closed_ms) = (self.opener().clone(), closing.closed_ms);
        let due = off_thread(move || {
            let mut opening = reader.opening();
            let mut due: Vec<(u64, Option<u32>)> = Vec::new();
            for rows in &rows {
                let opened = opening.open(rows)?;
                let class = retention_of(&opened.payload).map(|retention| retention.class);
                if let Some(class) = class.filter(|class| class.trigger == Trigger::Closed) {
                    let received_ms = opened.received_ms();
                    due.push((opened.index, class.expiry_day(received_ms, Some(closed_ms))));
                }
            }
            Ok::<_, LedgerError>(due)
        })
        .await??;
        let batch = self.closed_rows(closed_ms, &due, some).await?;
        self.shared().commit(batch).await
    }

    /// The rows that say when records were closed, and those by which they are found when they are due.
    async fn closed_rows(
        &self,
        closed_ms: u64,
        due: &[(u64, Option<u32>)],
        firsts: &[(u64, u64)],
    ) -> Result<Batch, LedgerError> {
        let firsts: BTreeMap<u64, u64> = firsts.iter().copied().collect();
        let mut batch = Batch::new();
        let mut expiry: BTreeMap<(u32, u64), BTreeSet<u64>> = BTreeMap::new();
        for (index, day) in due {
            batch.put(Family::Erasures, layout::closed_key(self.id(), *index), closed_ms.to_be_bytes());
            if let (Some(day), Some(first)) = (day, firsts.get(index)) {
                expiry.entry((*day, *first)).or_default().insert(*index);
            }
        }
        for ((day, first), indices) in expiry {
            let key = layout::expiry_key(self.id(), day, first);
            let row = self.engine().get(Family::Expiry, &key).await?;
            let row = expiry_with(first, row.as_deref(), &indices).map_err(|_| damaged())?;
            batch.put(Family::Expiry, key, row);
        }
        Ok(batch)
    }
}

impl Closing {
    fn read(key: &[u8], row: &[u8]) -> Option<Self> {
        let index = layout::parse_closing_key(key)?;
        let (closed_ms, tokens) = row.split_first_chunk::<8>()?;
        let (tokens, []) = tokens.as_chunks::<8>() else { return None };
        Some(Self { index, closed_ms: u64::from_be_bytes(*closed_ms), tokens: tokens.to_vec() })
    }
}

fn damaged() -> LedgerError {
    LedgerError::Internal("a row of what an event closes is damaged".to_owned())
}
