//! The sweeper: one task of the server that sweeps all logs now and then, and destroys the pages of what was erased.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::limits::SWEEP_PAUSE;
use crate::state::App;

/// Wakes the sweeper.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sweeper {
    erased: Arc<Notify>,
}

impl Sweeper {
    /// Something was erased: its pages are to be destroyed soon.
    pub(crate) fn wake(&self) {
        self.erased.notify_one();
    }
}

/// Sweeps. First of all it ends what an earlier run began; whatever it is at when it is cut off, the next run goes on with.
pub(crate) async fn run(app: Arc<App>) {
    let mut ticks = tokio::time::interval(SWEEP_PAUSE);
    loop {
        // The first tick comes at once.
        let sweeps = tokio::select! {
            _ = ticks.tick() => true,
            () = app.sweeper.erased.notified() => false,
        };
        if sweeps {
            expire(&app).await;
        }
        for log in app.ledger.logs() {
            if log.require_records().is_ok() {
                go_through(&log, sweeps).await;
            }
        }
    }
}

/// Copies of keyrings open what was erased since, so they are looked at as often as there is something to erase.
async fn expire(app: &App) {
    match app.backups.expire(app.clock.now_ms()).await {
        Ok(expired) if expired.is_empty() => {}
        Ok(expired) => tracing::info!(?expired, "copies of keyrings were deleted, for their time was over"),
        Err(error) => tracing::warn!(%error, "copies of keyrings whose time is over were not deleted"),
    }
}

async fn go_through(log: &cairnlog_ledger::Log, sweeps: bool) {
    let name = log.name();
    if sweeps {
        match log.sweep("schedule", Duration::MAX).await {
            Ok(swept) => {
                let total = swept.total();
                metrics::counter!("cairnlog_erased_total", "log" => name.to_owned()).increment(total.erased);
                if total.due > 0 {
                    tracing::info!(
                        log = name,
                        due = total.due,
                        erased = total.erased,
                        held = total.held,
                        "swept"
                    );
                }
            }
            Err(error) => tracing::warn!(log = name, %error, "the log was not swept; it is tried again"),
        }
    }
    if let Err(error) = log.destroy_pages().await {
        tracing::warn!(log = name, %error, "pages of what was erased were not destroyed; it is tried again");
    }
}
