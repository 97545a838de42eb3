//! Which logs a store holds, for those who look at it without opening them.

use cairnlog_store::{Engine, Family, Scan, layout};

use crate::error::LedgerError;
use crate::limits::LOGS_MAX;
use crate::log::LogRow;

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
