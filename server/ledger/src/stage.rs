//! Where the time of ingest goes: a counter of nanoseconds a stage.
//!
//! Stages but `commit` are time on a worker, so their sum over wall-clock time is the share of the cores that they
//! take; `commit` is time waited for the sequencer and the store.

use std::time::Instant;

/// The stages, in the order in which a request passes them.
#[derive(Clone, Copy)]
pub(crate) enum Stage {
    Normalize,
    Redact,
    Retention,
    Seal,
    Commit,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Normalize => "normalize",
            Self::Redact => "redact",
            Self::Retention => "retention",
            Self::Seal => "seal",
            Self::Commit => "commit",
        }
    }

    /// Runs work of this stage and counts its time.
    pub(crate) fn timed<T>(self, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = work();
        self.count(started);
        result
    }

    /// Counts the time since `started`.
    pub(crate) fn count(self, started: Instant) {
        let spent = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        metrics::counter!("cairnlog_ingest_stage_nanoseconds_total", "stage" => self.name()).increment(spent);
    }
}
