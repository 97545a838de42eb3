//! The rolling auditor: re-reads all logs, over and over and slowly, and says at once if one is not what it was.
//!
//! One task of the server walks one log after the other, from its first entry to the head that it began with, and starts
//! again with what came meanwhile. It reads alone. It is slow on purpose: it may find nothing for years, and those who
//! read and write pay for it. What it finds about a log stays found until the server is started anew, and
//! `/readyz` tells of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cairnlog_ledger::Log;
use cairnlog_tlog::check::{Check, Damage, Step, Verdict};
use tokio::task::JoinHandle;

use crate::limits::{AUDIT_BUSY_PAUSES, AUDIT_BYTES_PER_SEC, AUDIT_PASS_PAUSE, AUDIT_STEP_PAUSE};
use crate::state::App;

/// What was found so far: of each damaged log, by name, the first thing.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    damaged: Mutex<BTreeMap<String, String>>,
}

impl Findings {
    /// The first damaged log and what is wrong with it.
    pub(crate) fn first(&self) -> Option<(String, String)> {
        let damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        damaged.first_key_value().map(|(log, words)| (log.clone(), words.clone()))
    }

    fn has(&self, log: &str) -> bool {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner).contains_key(log)
    }

    fn add(&self, log: String, words: String) {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner).insert(log, words);
    }
}

/// The running auditor. Dropping it without [`stop`](Auditor::stop) leaves it to the runtime.
pub(crate) struct Auditor {
    task: JoinHandle<()>,
}

impl Auditor {
    /// Starts it.
    pub(crate) fn start(app: Arc<App>) -> Self {
        Self { task: tokio::spawn(run(app)) }
    }

    /// Ends it, and returns when it has let go of the logs. It only reads, so it may end anywhere.
    pub(crate) async fn stop(self) {
        self.task.abort();
        // That it was cancelled is what was asked for.
        let _ = self.task.await;
    }
}

async fn run(app: Arc<App>) {
    loop {
        for log in app.ledger.logs() {
            let name = log.info().name;
            if !app.findings.has(&name) {
                audit(&app, &log, name).await;
            }
        }
        tokio::time::sleep(AUDIT_PASS_PAUSE).await;
    }
}

/// One pass over one log.
async fn audit(app: &App, log: &Log, name: String) {
    let failures = metrics::counter!("cairnlog_audit_failures_total", "log" => name.clone());
    failures.increment(0);
    match pass(log, &name).await {
        Ok(()) => gauge("cairnlog_audit_last_full_pass_seconds", &name, app.now().as_second().unsigned_abs()),
        Err(damage) if damage.verdict() == Verdict::CannotTell => {
            tracing::warn!(log = name, "the audit could not read on: {damage}");
        }
        Err(damage) => {
            failures.increment(1);
            tracing::error!(log = name, "the log is damaged: {damage}");
            app.findings.add(name, damage.to_string());
        }
    }
}

async fn pass(log: &Log, name: &str) -> Result<(), Damage> {
    let mut check: Check = log.tree().check();
    let mut size = log.tree().head().checkpoint.size;
    while let Some(step) = check.step().await? {
        check.so_far().await?;
        gauge("cairnlog_audit_position", name, check.entries());
        let now = log.tree().head().checkpoint.size;
        tokio::time::sleep(pause(step, now > size)).await;
        size = now;
    }
    check.finish()
}

/// How long to wait after a step: so that the audit reads no faster than its rate, and less while the log is written to.
fn pause(step: Step, busy: bool) -> Duration {
    let reading = Duration::from_millis(step.bytes.saturating_mul(1_000) / AUDIT_BYTES_PER_SEC);
    reading.max(AUDIT_STEP_PAUSE) * if busy { AUDIT_BUSY_PAUSES } else { 1 }
}

fn gauge(name: &'static str, log: &str, value: u64) {
    #[allow(clippy::cast_precision_loss, reason = "a gauge is a float; 2^53 entries are far off")]
    metrics::gauge!(name, "log" => log.to_owned()).set(value as f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_keeps_to_its_rate_and_makes_way_for_writers() {
        assert_eq!(pause(Step { bytes: 0 }, false), AUDIT_STEP_PAUSE);
        assert_eq!(pause(Step { bytes: 10 * AUDIT_BYTES_PER_SEC }, false), Duration::from_secs(10));
        assert_eq!(pause(Step { bytes: 0 }, true), AUDIT_STEP_PAUSE * AUDIT_BUSY_PAUSES);
    }

    #[test]
    fn the_first_finding_is_told() {
        let findings = Findings::default();
        assert_eq!(findings.first(), None);
        findings.add("pay".to_owned(), "record 2".to_owned());
        findings.add("hr".to_owned(), "record 7".to_owned());
        assert!(findings.has("hr") && !findings.has("it"));
        assert_eq!(findings.first(), Some(("hr".to_owned(), "record 7".to_owned())));
    }
}
