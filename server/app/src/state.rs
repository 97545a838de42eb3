//! What every handler shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Bytes;
use cairnlog_ledger::handles::Clock;
use cairnlog_ledger::{Ledger, Log};
use jiff::Timestamp;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Semaphore;

use crate::access::{Grant, Role, Tokens, no_log};
use crate::http::cursor::Cursors;
use crate::http::problem::Problem;

/// The running server.
pub(crate) struct App {
    pub(crate) ledger: Ledger,
    pub(crate) tokens: Tokens,
    pub(crate) cursors: Cursors,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: PrometheusHandle,
    /// The rendered `OpenAPI` document.
    pub(crate) openapi: Bytes,
    /// One permit a byte of ingest bodies held at once.
    pub(crate) bodies: Arc<Semaphore>,
    /// Set once a shutdown has begun.
    pub(crate) draining: AtomicBool,
}

impl App {
    /// The server's time.
    pub(crate) fn now(&self) -> Timestamp {
        let now_ms = i64::try_from(self.clock.now_ms()).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(now_ms).unwrap_or(Timestamp::MAX)
    }

    /// Whether a shutdown has begun.
    pub(crate) fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// The log of this name, for a caller who has `role` there.
    ///
    /// # Errors
    /// `forbidden`, `not-found`.
    pub(crate) fn log_for(&self, caller: &Grant, role: Role, name: &str) -> Result<Arc<Log>, Problem> {
        caller.require(role, Some(name))?;
        self.log(name)
    }

    /// The log of this name, for anyone: its transparency part is public.
    ///
    /// # Errors
    /// `not-found`.
    pub(crate) fn log(&self, name: &str) -> Result<Arc<Log>, Problem> {
        self.ledger.log(name).ok_or_else(|| no_log(name))
    }
}
