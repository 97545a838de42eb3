//! What every handler shares.

use std::sync::Arc;

use axum::body::Bytes;
use cairnlog_ledger::handles::Clock;
use cairnlog_ledger::{Ledger, Log};
use cairnlog_store::kept::KeptHeads;
use jiff::Timestamp;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::{Semaphore, watch};

use crate::access::{Grant, Role, Tokens, no_log};
use crate::auditor::Findings;
use crate::backup::Backups;
use crate::config::IngestLimits;
use crate::http::auth::Visitor;
use crate::http::cursor::Cursors;
use crate::http::problem::Problem;
use crate::recording::Recording;
use crate::sweeper::Sweeper;

/// The running server.
pub(crate) struct App {
    pub(crate) ledger: Arc<Ledger>,
    /// Tells the control log who read what.
    pub(crate) recording: Recording,
    pub(crate) tokens: Tokens,
    pub(crate) cursors: Cursors,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: PrometheusHandle,
    /// The rendered `OpenAPI` document.
    pub(crate) openapi: Bytes,
    /// How much one ingest may send.
    pub(crate) ingest: IngestLimits,
    /// One permit a byte of ingest bodies held at once.
    pub(crate) bodies: Arc<Semaphore>,
    /// One permit a stream of records.
    pub(crate) streams: Arc<Semaphore>,
    /// Where the newest heads are kept outside the store.
    pub(crate) heads: KeptHeads,
    /// Makes copies.
    pub(crate) backups: Backups,
    /// What the rolling audit has found.
    pub(crate) findings: Findings,
    /// Wakes who destroys the pages of what was erased.
    pub(crate) sweeper: Sweeper,
    /// Whether an erasure on request needs a second person.
    pub(crate) two_person: bool,
    /// Set once a shutdown has begun.
    pub(crate) draining: watch::Sender<bool>,
}

impl App {
    /// The server's time.
    pub(crate) fn now(&self) -> Timestamp {
        let now_ms = i64::try_from(self.clock.now_ms()).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(now_ms).unwrap_or(Timestamp::MAX)
    }

    /// Whether a shutdown has begun.
    pub(crate) fn draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// The log of this name, for a caller who has `role` there.
    ///
    /// # Errors
    /// `forbidden`, `not-found`.
    pub(crate) fn log_for(&self, caller: &Grant, role: Role, name: &str) -> Result<Arc<Log>, Problem> {
        caller.require(role, Some(name))?;
        self.known(name)
    }

    /// The same, of a log that has records.
    ///
    /// # Errors
    /// `bad-request` for an opaque one.
    pub(crate) fn records_for(&self, caller: &Grant, role: Role, name: &str) -> Result<Arc<Log>, Problem> {
        let log = self.log_for(caller, role, name)?;
        log.require_records()?;
        Ok(log)
    }

    /// The transparency part of the log of this name: anyone's, but for a private log, which is not there for who has
    /// no token that sees it.
    ///
    /// # Errors
    /// `not-found`.
    pub(crate) fn log_seen_by(&self, caller: Option<&Grant>, name: &str) -> Result<Arc<Log>, Problem> {
        let log = self.known(name)?;
        if is_seen_by(&log, caller) { Ok(log) } else { Err(no_log(name)) }
    }

    /// The same, where a token that is not valid matters only if one is needed, or the log is not there.
    ///
    /// # Errors
    /// `not-found`, `unauthenticated`.
    pub(crate) fn seen_by(&self, visitor: Visitor, name: &str) -> Result<Arc<Log>, Problem> {
        match self.ledger.log(name) {
            Some(log) if !log.is_private() => Ok(log),
            _ => self.log_seen_by(visitor.0?.as_ref(), name),
        }
    }

    /// The log of this name, for a caller who is known to see it.
    ///
    /// # Errors
    /// `not-found`.
    pub(crate) fn known(&self, name: &str) -> Result<Arc<Log>, Problem> {
        self.ledger.log(name).ok_or_else(|| no_log(name))
    }
}

/// Whether the log is there for this caller.
pub(crate) fn is_seen_by(log: &Log, caller: Option<&Grant>) -> bool {
    !log.is_private() || caller.is_some_and(|grant| grant.see(log.name()).is_ok())
}
