//! A fresh key-encryption key for a log: its keyring is wrapped anew, and nothing else is touched.

use std::sync::Arc;

use cairnlog_verify::event::Attribute;
use cairnlog_verify::value::Value;

use crate::access::{Access, Activity, Who};
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::log::Log;
use crate::task::off_thread;

/// What a log's keyring is wrapped by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KekInfo {
    /// The id of the key-encryption key.
    pub id: String,
    /// How often the keyring has been written.
    pub keyring_epoch: u64,
}

impl Ledger {
    /// Lets a fresh key-encryption key wrap the log's keyring, and destroys the one before. The control log says so first.
    /// Records are read and written meanwhile.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] where the key-encryption key is not in a file; [`LedgerError::ReadOnly`] where the files
    /// can't be written, and then either key may wrap.
    pub async fn rotate_kek(&self, log: &Log, by: &Who) -> Result<KekInfo, LedgerError> {
        let _changing = log.changing.lock().await;
        log.keys().check_kek_is_in_file()?;
        let before = Attribute { path: "kek.before".to_owned(), value: Value::Text(log.keys().kek()) };
        let access = Access::new(by, Activity::Update, "logs.kek", log.now_ms());
        self.record(access.of("log", log.name()).with([before])).await?;
        let keys = Arc::clone(log.keys());
        off_thread(move || keys.rotate_kek()).await??;
        Ok(KekInfo { id: log.keys().kek(), keyring_epoch: log.keys().epoch() })
    }
}
