//! Destroying pages: after an erasure, no copy of the store, made at any time, opens what was erased.
//!
//! The key of an erased record is still in older copies of the store, wrapped by its page. So everything else that the
//! page wraps is wrapped by another one, and the page is destroyed. The rows of `keys` tell what a page wraps: all of the
//! log's are read once for all pages that are to go, which is cheaper than a row for every page and submission.

use std::collections::BTreeSet;
use std::sync::Arc;

use cairnlog_store::limits::PAGE_RECORDS_MAX;
use cairnlog_store::secrets::{LogKeys, Places};
use cairnlog_store::{Batch, Family, Scan, layout};
use cairnlog_verify::tree;

use crate::error::LedgerError;
use crate::limits::{KEY_ROWS_READ, LEASE_PAUSE, PAGES_DESTROYED_AT_ONCE, REWRAPPED_AT_ONCE};
use crate::log::Log;
use crate::task::off_thread;
use crate::wrap::{Page, page_of};

impl Log {
    /// Destroys the pages of what was erased, as far as it is not done yet; how many there were. Does nothing where nothing
    /// was erased.
    ///
    /// # Errors
    /// [`LedgerError`]; what is left is done the next time.
    pub async fn destroy_pages(&self) -> Result<usize, LedgerError> {
        let _destroying = self.keeping().destroying.lock().await;
        let pages = Arc::new(self.pages_to_destroy().await?);
        if pages.is_empty() {
            return Ok(0);
        }
        self.retire(&pages).await?;
        let mut scan = Scan::prefix(Family::Keys, layout::log_key(self.id()), KEY_ROWS_READ);
        loop {
            let rows = self.engine().scan(scan.clone()).await?;
            let Some((last, _)) = rows.last() else { break };
            scan.behind(last);
            let wraps = |row: &[u8]| page_of(row).is_ok_and(|page| pages.contains(&page));
            let left: Vec<u64> = rows
                .iter()
                .filter(|(_, row)| wraps(row))
                .filter_map(|(key, _)| layout::parse_index_key(key).map(|(_, index)| index))
                .collect();
            for some in left.chunks(REWRAPPED_AT_ONCE) {
                self.rewrap(some, &pages).await?;
            }
        }
        let (keys, gone) = (Arc::clone(self.keys()), Arc::clone(&pages));
        off_thread(move || keys.destroy_pages(&gone)).await??;
        let mut done = Batch::new();
        for page in pages.iter() {
            done.delete(Family::Erasures, layout::page_to_destroy_key(self.id(), *page));
        }
        self.shared().commit(done).await?;
        self.forget_months().await?;
        Ok(pages.len())
    }

    async fn pages_to_destroy(&self) -> Result<BTreeSet<u32>, LedgerError> {
        let prefix = layout::pages_to_destroy_prefix(self.id());
        let rows =
            self.engine().scan(Scan::prefix(Family::Erasures, prefix, PAGES_DESTROYED_AT_ONCE)).await?;
        let damaged = || LedgerError::Internal("a row of a page to be destroyed is damaged".to_owned());
        rows.iter().map(|(key, _)| layout::parse_page_to_destroy_key(key).ok_or_else(damaged)).collect()
    }

    /// Waits until no row can be written any more that one of these pages wraps.
    async fn retire(&self, pages: &BTreeSet<u32>) -> Result<(), LedgerError> {
        self.keys().retire(pages);
        // What was reserved is used by requests under way, which all end.
        while self.keys().is_leased(pages) {
            tokio::time::sleep(LEASE_PAUSE).await;
        }
        Ok(self.tree().caught_up().await?)
    }

    /// Wraps the keys of some records by other pages, if one of these wraps them still.
    async fn rewrap(&self, indices: &[u64], pages: &Arc<BTreeSet<u32>>) -> Result<(), LedgerError> {
        let _turn = self.keeping().turn.lock().await;
        let id = self.id();
        let keys = indices.iter().map(|index| layout::record_key_key(id, *index)).collect();
        let keys = self.engine().multi_get(Family::Keys, keys).await?;
        let entries = indices.iter().map(|index| layout::entry_key(id, *index)).collect();
        let entries = self.engine().multi_get(Family::Entries, entries).await?;
        let rows: Vec<(u64, Vec<u8>, Vec<u8>)> = indices
            .iter()
            .zip(keys)
            .zip(entries)
            .filter_map(|((index, key), entry)| Some((*index, key?, entry?)))
            .filter(|(_, key, _)| page_of(key).is_ok_and(|page| pages.contains(&page)))
            .collect();
        let (keys, origin) = (Arc::clone(self.keys()), self.origin().to_owned());
        let (batch, _places) = off_thread(move || wrapped_anew(id, &rows, &keys, &origin)).await??;
        self.shared().commit(batch).await?;
        self.keeping().changed();
        Ok(())
    }
}

/// The new rows, and the places that they take.
fn wrapped_anew(
    log: u32,
    rows: &[(u64, Vec<u8>, Vec<u8>)],
    keys: &LogKeys,
    origin: &str,
) -> Result<(Batch, Vec<Places>), LedgerError> {
    let places = keys.page_for(u32::try_from(rows.len()).unwrap_or(PAGE_RECORDS_MAX))?;
    let mut batch = Batch::new();
    let mut rest = rows;
    for Places { page, key, records, .. } in &places {
        let (some, others) = rest.split_at(rest.len().min(*records as usize));
        rest = others;
        let new = Page::new(*page, key.as_bytes());
        for (index, row, entry) in some {
            let damaged = |what: &dyn std::fmt::Display| {
                LedgerError::Internal(format!("entry {index} can't be wrapped anew: {what}"))
            };
            let old = page_of(row).map_err(|error| damaged(&error))?;
            // A store that is older than its keyring has rows that nothing opens any more.
            let Some(key) = keys.page(old) else { continue };
            let leaf = tree::leaf_hash(entry);
            let record = Page::new(old, key.as_bytes()).unwrap(origin, &leaf, row);
            let record = record.map_err(|error| damaged(&error))?;
            batch.put(Family::Keys, layout::record_key_key(log, *index), new.wrap(&record, origin, &leaf));
        }
    }
    Ok((batch, places))
}
