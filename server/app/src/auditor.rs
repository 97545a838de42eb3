//! The rolling auditor: re-reads all logs, over and over and slowly, and says at once if one is not what it was.
//!
//! One task of the server walks one log after the other, from its first entry to the head that it began with, and starts
//! again with what came meanwhile. It reads alone. It is slow on purpose: it may find nothing for years, and those who
//! read and write pay for it. What it finds about a log stays found until the server is started anew, and
//! `/readyz` tells of it. It tells as well of a log that can't be read, until a pass comes through.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cairnlog_ledger::{Checked, LedgerError, Log};
use cairnlog_tlog::check::{Check, Damage, Step, Verdict};

use crate::limits::{AUDIT_BUSY_PAUSES, AUDIT_BYTES_PER_SEC, AUDIT_PASS_PAUSE, AUDIT_STEP_PAUSE};
use crate::state::App;

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Of each damaged log, by name, the first thing.
    damaged: Mutex<BTreeMap<String, String>>,
    /// The names of the logs whose last pass met something that can't be read.
    unread: Mutex<BTreeSet<String>>,
}

impl Findings {
    /// The first damaged log and what is wrong with it.
    pub(crate) fn first(&self) -> Option<(String, String)> {
        let damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        damaged.first_key_value().map(|(log, words)| (log.clone(), words.clone()))
    }

    /// The first log that can't be read now.
    pub(crate) fn first_unread(&self) -> Option<String> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }

    fn has(&self, log: &str) -> bool {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner).contains_key(log)
    }

    fn add(&self, log: String, words: String) {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner).insert(log, words);
    }

    /// Takes note of whether the log can be read; whether that was new.
    fn set_unread(&self, log: &str, is_unread: bool) -> bool {
        let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        if is_unread { unread.insert(log.to_owned()) } else { unread.remove(log) }
    }

    /// Takes note of why a pass over the log's records ended early, and logs what is new.
    fn note_records(&self, log: &str, error: &LedgerError) {
        if let LedgerError::Damaged(words) = error {
            failures(log).increment(1);
            tracing::error!(log, "a record is damaged: {words}");
            self.add(log.to_owned(), words.clone());
            return;
        }
        errors(log).increment(1);
        if self.set_unread(log, true) {
            tracing::error!(log, "the audit could not read on: {error}");
        }
    }

    /// Takes note of how a pass over the log ended, and logs what is new.
    fn note(&self, log: &str, outcome: Result<(), Damage>) {
        let (failures, errors) = (failures(log), errors(log));
        match outcome {
            Ok(()) => {
                if self.set_unread(log, false) {
                    tracing::info!(log, "the audit has read the whole log again");
                }
            }
            Err(damage) if damage.verdict() == Verdict::CannotTell => {
                errors.increment(1);
                if self.set_unread(log, true) {
                    tracing::error!(log, "the audit could not read on: {damage}");
                }
            }
            Err(damage) => {
                failures.increment(1);
                self.set_unread(log, false);
                tracing::error!(log, "the log is damaged: {damage}");
                self.add(log.to_owned(), damage.to_string());
            }
        }
    }
}

/// Damage that was found in the log.
fn failures(log: &str) -> metrics::Counter {
    metrics::counter!("cairnlog_audit_failures_total", "log" => log.to_owned())
}

/// Passes over the log that ended where something could not be read.
fn errors(log: &str) -> metrics::Counter {
    metrics::counter!("cairnlog_audit_errors_total", "log" => log.to_owned())
}

/// Audits. It only reads, so it may be cut off anywhere.
pub(crate) async fn run(app: Arc<App>) {
    loop {
        for log in app.ledger.logs() {
            let name = log.info().name;
            if !app.findings.has(&name) {
                audit(&app, &log, &name).await;
            }
        }
        tokio::time::sleep(AUDIT_PASS_PAUSE).await;
    }
}

/// One pass over one log.
async fn audit(app: &App, log: &Log, name: &str) {
    // There to be watched before anything is found.
    failures(name).increment(0);
    errors(name).increment(0);
    let outcome = pass(log, name).await;
    if outcome.is_ok()
        && let Err(error) = records(log, name).await
    {
        return app.findings.note_records(name, &error);
    }
    if outcome.is_ok() {
        gauge("cairnlog_audit_last_full_pass_seconds", name, app.now().as_second().unsigned_abs());
    }
    app.findings.note(name, outcome);
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

/// Opens every entry of a log of records: each says what it commits to, or was erased.
async fn records(log: &Log, name: &str) -> Result<(), LedgerError> {
    let mut next = Some(0).filter(|_| log.require_records().is_ok());
    while let Some(from) = next {
        let Checked { next: behind, bytes } = log.check_records(from).await?;
        gauge("cairnlog_audit_records_position", name, from);
        tokio::time::sleep(pause(Step { bytes }, false)).await;
        next = behind;
    }
    Ok(())
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
    #![allow(clippy::unwrap_used)]

    use cairnlog_store::ReadError;

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

    fn unreadable() -> Result<(), Damage> {
        Err(Damage::Unreadable(ReadError::Unavailable("input/output error".to_owned())))
    }

    #[test]
    fn a_log_that_cannot_be_read_is_told_until_it_can() {
        let findings = Findings::default();
        for _ in 0..2 {
            findings.note("hr", unreadable());
            assert_eq!(findings.first_unread().as_deref(), Some("hr"));
        }
        findings.note("pay", Ok(()));
        assert!(findings.first_unread().is_some() && findings.first().is_none());
        findings.note("hr", Ok(()));
        assert_eq!(findings.first_unread(), None);
    }

    #[test]
    fn what_cannot_be_read_is_logged_when_that_begins_and_when_it_ends() {
        let findings = Findings::default();
        let changes = [true, true, false, false, true];
        assert_eq!(changes.map(|now| findings.set_unread("hr", now)), [true, false, true, false, true]);
    }

    #[test]
    fn damage_counts_for_more_than_what_cannot_be_read() {
        let findings = Findings::default();
        findings.note("hr", unreadable());
        findings.note("hr", Err(Damage::NoLookup { index: 7 }));
        assert_eq!(findings.first_unread(), None);
        assert!(findings.first().unwrap().1.contains("record 7"));
    }
}
