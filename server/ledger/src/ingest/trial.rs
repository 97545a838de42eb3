//! Dry runs: what a source's pipeline would make of raw records. Nothing is logged and nothing is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use cairnlog_host::{RawRecord, raw_bytes};
use cairnlog_store::secrets::SecretKey;
use cairnlog_verify::event::Event;
use serde_json::Value as Json;

use super::Ingest;
use crate::answer::Status;
use crate::diagnostics::Message;
use crate::error::LedgerError;
use crate::limits::TRIAL_EVENTS_MAX;
use crate::log::{Log, Ready};
use crate::payload::RedactionNote;
use crate::pipeline::{Decided, Normalized, Refusal, Rules};
use crate::read::Kept;
use crate::redact::Redactor;

/// What would become of a raw record.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Its fate.
    pub fate: TrialFate,
    /// Why it would not be logged.
    pub reason: Option<String>,
    /// The stable word for that, where it is the server's.
    pub word: Option<&'static str>,
    /// What would be logged, in order.
    pub events: Vec<TrialEvent>,
    /// Fuel that all stages spent on it.
    pub fuel: u64,
    /// Fuel that one stage may spend on so many bytes.
    pub fuel_max: u64,
    /// What its plugins said.
    pub messages: Vec<Message>,
}

/// The fate of a raw record in a dry run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrialFate {
    /// As of a request: logged, quarantined or skipped. Whether it is a duplicate is not asked.
    Would(Status),
    /// By the source's policy, the request that holds it would be refused.
    Rejected,
}

/// An event that would be logged.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialEvent {
    /// Nested, as it would be kept.
    pub event: Json,
    /// What would be taken from it.
    pub redactions: Vec<RedactionNote>,
    /// How long it would live.
    pub retention: Kept,
}

impl Log {
    /// What the source's pipeline makes of these raw records, each by itself.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] for an unknown source; [`LedgerError::Interrupted`].
    pub async fn dry_run(&self, ingest: Ingest) -> Result<Vec<Trial>, LedgerError> {
        let ready = self.ready(&ingest.source)?;
        let received_ms = self.now_ms();
        let Ingest { source, content_type, attributes, records, .. } = ingest;
        // Whoever may try may not match pseudonyms: those of a trial are of a key of its own, and its faults of its own too.
        let key = SecretKey::random().map_err(LedgerError::internal)?;
        let redactor = Arc::new(Redactor::new(key, Arc::clone(&ready.random)));
        let ready = Ready { pipeline: Arc::new(ready.pipeline.apart()), redactor, ..ready };
        let trial = Arc::new(Tried { ready, received_ms, source: source.clone(), content_type, attributes });
        let made = Arc::new(AtomicUsize::new(0));
        let jobs = records.into_iter().map(|body| {
            let (trial, made) = (Arc::clone(&trial), Arc::clone(&made));
            move || {
                let tried = trial.run(&body)?;
                let events = tried.events.len();
                if made.fetch_add(events, Ordering::Relaxed) + events > TRIAL_EVENTS_MAX {
                    return Err(LedgerError::TooLarge);
                }
                Ok(vec![tried])
            }
        });
        self.on_workers(&source, jobs).await
    }
}

/// What all raw records of a dry run share.
pub(super) struct Tried {
    pub(super) ready: Ready,
    pub(super) received_ms: u64,
    pub(super) source: String,
    pub(super) content_type: String,
    pub(super) attributes: Vec<(String, String)>,
}

impl Tried {
    /// Blocks.
    pub(super) fn run(&self, body: &Bytes) -> Result<Trial, LedgerError> {
        let Self { ready, received_ms, source, content_type, attributes } = self;
        let raw = RawRecord { received_ms: *received_ms, source, content_type, attributes, body };
        let fuel_max = ready.host.limits().fuel(raw_bytes(&raw));
        let trial = |fate, reason, word| Trial {
            fate,
            reason,
            word,
            events: Vec::new(),
            fuel: 0,
            fuel_max,
            messages: Vec::new(),
        };
        let refused = |refusal: &Refusal| {
            trial(TrialFate::Would(Status::Quarantined), Some(refusal.reason()), Some(refusal.slug))
        };
        if body.len() > ready.record_bytes_max {
            return Ok(refused(&Refusal::new("too-large", "")));
        }
        let rejected = |error| match error {
            LedgerError::Rejected { words, slug } => Ok(trial(TrialFate::Rejected, Some(words), Some(slug))),
            other => Err(other),
        };
        let mut ran = match ready.pipeline.normalize(&ready.host, &[raw]) {
            Ok(ran) => ran,
            Err(error) => return rejected(error),
        };
        let (mut fuel, mut messages) = (ran.fuel, ran.messages);
        let events = match ran.results.pop() {
            Some(Normalized::Events(events)) => events,
            Some(Normalized::Skip(why)) => {
                return Ok(Trial {
                    fuel,
                    messages,
                    ..trial(TrialFate::Would(Status::Skipped), Some(why), None)
                });
            }
            Some(Normalized::Refused(refusal)) => {
                return Ok(Trial { fuel, messages, ..refused(&refusal) });
            }
            None => return Err(LedgerError::Internal("a raw record was lost".to_owned())),
        };
        let (redactor, classes) = (&ready.redactor, &ready.classes);
        let rules = Rules { host: &ready.host, redactor, classes, openings: false };
        let mut ran = match ready.pipeline.finish(&rules, vec![events]) {
            Ok(ran) => ran,
            Err(error) => return rejected(error),
        };
        fuel = fuel.saturating_add(ran.fuel);
        messages.extend(ran.messages);
        match ran.results.pop() {
            Some(Ok(decided)) => {
                let events = decided.into_iter().map(|decided| self.event(decided));
                let events = events.collect::<Result<_, _>>()?;
                Ok(Trial { events, fuel, messages, ..trial(TrialFate::Would(Status::Logged), None, None) })
            }
            Some(Err(refusal)) => Ok(Trial { fuel, messages, ..refused(&refusal) }),
            None => Err(LedgerError::Internal("a raw record was lost".to_owned())),
        }
    }

    fn event(&self, decided: Decided) -> Result<TrialEvent, LedgerError> {
        let Decided { attributes, notes, retention, .. } = decided;
        let event = Event::new(attributes).map_err(LedgerError::internal)?.to_json();
        let retention = Kept::of(retention, self.received_ms, None);
        Ok(TrialEvent { event, redactions: notes, retention })
    }
}
