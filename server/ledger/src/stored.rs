//! Which logs a store holds, for those who look at it without opening them.

use std::collections::BTreeMap;

use cairnlog_store::{Engine, Family, Scan, layout};

use crate::error::LedgerError;
use crate::limits::{KEY_ROWS_READ, LOGS_MAX};
use crate::log::LogRow;
use crate::wrap::page_of;

/// A log, as its row names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLog {
    /// Its id, the first four bytes of its keys.
    pub id: u32,
    /// Its name on the server.
    pub name: String,
    /// Its origin.
    pub origin: String,
}

/// All logs of a store, by id. Nothing is opened, and nothing checked but that the rows can be read.
///
/// # Errors
/// [`LedgerError`] if the store or a row can't be read.
pub async fn stored_logs(engine: &dyn Engine) -> Result<Vec<StoredLog>, LedgerError> {
    let rows = engine.scan(Scan::prefix(Family::Logs, Vec::new(), LOGS_MAX)).await?;
    let log = |(key, row): (Vec<u8>, Vec<u8>)| {
        let id = layout::parse_log_key(&key)?;
        let LogRow { name, origin, .. } = serde_json::from_slice(&row).ok()?;
        Some(StoredLog { id, name, origin })
    };
    let damaged = || LedgerError::Internal("the row of a log can't be read; restore the store".to_owned());
    rows.into_iter().map(|row| log(row).ok_or_else(damaged)).collect()
}

/// How many record keys of a log each page wraps. Reads all of the log's rows of `keys`.
///
/// # Errors
/// [`LedgerError`] if the store or a row can't be read.
pub async fn stored_pages(engine: &dyn Engine, log: u32) -> Result<BTreeMap<u32, u64>, LedgerError> {
    let mut scan = Scan::prefix(Family::Keys, layout::log_key(log), KEY_ROWS_READ);
    let mut pages = BTreeMap::new();
    loop {
        let rows = engine.scan(scan.clone()).await?;
        let Some((last, _)) = rows.last() else { return Ok(pages) };
        scan.behind(last);
        for (_, row) in &rows {
            *pages.entry(page_of(row).map_err(LedgerError::internal)?).or_default() += 1;
        }
    }
}
