//! Copies that a running server makes, into the places that its settings name.

use std::sync::Arc;

use cairnlog_store::Engine;
use cairnlog_store::datadir::DataDir;
use tokio::sync::Mutex;

use super::{BackupError, Places, Taken, expire, take};

/// What it takes to make them.
pub(crate) struct Backups {
    engine: Arc<dyn Engine>,
    dir: Arc<DataDir>,
    places: Places,
    days: u32,
    /// One at a time.
    taking: Mutex<()>,
}

impl Backups {
    pub(crate) fn new(engine: Arc<dyn Engine>, dir: Arc<DataDir>, places: Places, days: u32) -> Self {
        Self { engine, dir, places, days, taking: Mutex::default() }
    }

    /// Whether the settings name a place.
    pub(crate) fn are_set(&self) -> bool {
        self.places.store.is_some() || self.places.keyrings.is_some()
    }

    /// Takes copies.
    ///
    /// # Errors
    /// [`BackupError`].
    pub(crate) async fn take(&self, now_ms: u64) -> Result<Taken, BackupError> {
        let _taking = self.taking.lock().await;
        take(self.engine.as_ref(), &self.dir, &self.places, self.days, now_ms).await
    }

    /// Deletes the copies of keyrings whose time is over; their names.
    ///
    /// # Errors
    /// [`BackupError`].
    pub(crate) async fn expire(&self, now_ms: u64) -> Result<Vec<String>, BackupError> {
        let Some(place) = self.places.keyrings.clone() else { return Ok(Vec::new()) };
        let days = self.days;
        let expiring = move || if place.exists() { expire(&place, days, now_ms) } else { Ok(Vec::new()) };
        tokio::task::spawn_blocking(expiring).await?
    }
}
