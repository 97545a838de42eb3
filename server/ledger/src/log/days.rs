//! The days of a log's `seen` rows: each has a key of its own, and its rows go when it is over.

use std::sync::{Arc, PoisonError};

use cairnlog_store::secrets::{SecretsError, day_of};
use cairnlog_store::{Batch, Family, Scan, layout};

use super::{Log, Shared};
use crate::error::LedgerError;
use crate::limits::{OVERTAKING_MS, SEEN_ROWS_FORGOTTEN};
use crate::seen::{Window, Windows};
use crate::task::off_thread;

impl Log {
    /// The windows of a moment. The first request of a day makes that day's key, which is durable before
    /// any row is named by it, and has what older windows left cleared away.
    pub(crate) async fn windows(&self, now_ms: u64) -> Result<Windows, LedgerError> {
        let day = day_of(now_ms);
        let next = day_of(now_ms.saturating_add(OVERTAKING_MS));
        let is_of_now =
            |windows: &Windows| windows.today.day == day && (next == day || windows.of_day(next).is_some());
        let known = self.windows.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(windows) = known.filter(is_of_now) {
            return Ok(windows);
        }
        let keys = Arc::clone(&self.keys);
        let made = off_thread(move || {
            // A request of the day before may be under way and the first of its day, so that day's key is made too.
            let window = |day| Ok::<_, SecretsError>(Window::new(day, &keys.window_key(day)?));
            let yesterday = day.checked_sub(1).map(window).transpose()?;
            let tomorrow = (next > day).then(|| window(next)).transpose()?;
            Ok::<_, SecretsError>(Windows { today: window(day)?, yesterday, tomorrow })
        });
        let windows = made.await??;
        let mut newest = self.windows.write().unwrap_or_else(PoisonError::into_inner);
        let before = newest.as_ref().map(|newest| newest.today.day);
        if before.is_none_or(|before| before <= day) {
            *newest = Some(windows.clone());
            drop(newest);
            if before != Some(day) {
                self.forget_before(day.saturating_sub(1));
            }
        }
        Ok(windows)
    }

    /// Begins to delete the `seen` rows of days before `day`: their keys are gone or going, nothing finds them. It may
    /// take a while, so nobody waits for it; what it does not get to, the next day's does.
    fn forget_before(&self, day: u32) {
        let (shared, id) = (Arc::clone(&self.shared), self.id);
        let task = tokio::spawn(async move {
            if let Err(error) = forget_seen_before(&shared, id, day).await {
                tracing::warn!(log = id, %error, "old rows of seen events were not deleted; tomorrow they are");
            }
        });
        let before = self.forgetting.lock().unwrap_or_else(PoisonError::into_inner).replace(task);
        if let Some(before) = before {
            before.abort();
        }
    }

    /// Ends what is under way in the background.
    pub(super) async fn stop_forgetting(&self) {
        let task = self.forgetting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.abort();
            // That it was cancelled is no news.
            let _ = task.await;
        }
    }
}

async fn forget_seen_before(shared: &Shared, log: u32, day: u32) -> Result<(), LedgerError> {
    let (from, to) = (layout::log_key(log), layout::seen_day_prefix(log, day));
    let mut scan = Scan { family: Family::Seen, from, to, reverse: false, limit: SEEN_ROWS_FORGOTTEN };
    loop {
        let rows = shared.engine.scan(scan.clone()).await?;
        // On from the last one: to begin anew would be to walk over all that was deleted.
        let Some((last, _)) = rows.last() else { return Ok(()) };
        scan.behind(last);
        let mut batch = Batch::new();
        for (key, _) in rows {
            batch.delete(Family::Seen, key);
        }
        shared.commit(batch).await?;
    }
}
