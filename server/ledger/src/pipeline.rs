//! Running a source's pipeline over a chunk of raw records: normalize, redact, decide.
//!
//! Pure but for the plugins' instances: nothing here waits for the store. It blocks, so it runs on
//! blocking threads. A failure concerns one raw record, all of whose events share its fate: a record
//! is logged whole or quarantined whole.

use std::collections::BTreeMap;
use std::time::Instant;

use cairnlog_host::{Fault, Host, Interrupted, Outcome, RawRecord, Run, Stage, Verdict};
use cairnlog_verify::entry::Digest;
use cairnlog_verify::event::{Attribute, Event};

use crate::class::{Chosen, Class, NO_CLASS, Retention};
use crate::diagnostics::{Message, messages};
use crate::error::LedgerError;
use crate::payload::RedactionNote;
use crate::redact::{Opening, Redactor};
use crate::stage as timing;
use crate::worker::Matter;

/// One configured stage.
pub(crate) struct Step {
    pub(crate) stage: Stage,
    /// `name@version`, for notes.
    pub(crate) plugin: String,
    /// Whether a failure refuses the request; else the raw record is quarantined.
    pub(crate) rejects: bool,
    /// Whether what it does is counted in the server's metrics: not so where it is tried.
    pub(crate) is_counted: bool,
}

/// A pipeline ready to run.
pub(crate) struct Pipeline {
    pub(crate) digest: Digest,
    pub(crate) normalizer: Step,
    /// Tries what the normalizer failed on.
    pub(crate) fallback: Option<Step>,
    pub(crate) redactors: Vec<Step>,
    pub(crate) retention: Step,
}

/// Why a raw record is quarantined: a stable word, and the plugin's or the host's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) slug: &'static str,
    pub(crate) detail: String,
}

/// What the normalizer made of a raw record.
pub(crate) enum Normalized {
    Events(Vec<Event>),
    Skip(String),
    Refused(Refusal),
}

/// What stages gave, one result a raw record in order, the fuel that they spent and what they said.
pub(crate) struct Ran<T> {
    pub(crate) results: Vec<T>,
    pub(crate) fuel: u64,
    pub(crate) messages: Vec<Message>,
}

/// An event as it will be committed.
pub(crate) struct Decided {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) notes: Vec<RedactionNote>,
    /// The salts of what was dropped, if they were asked for.
    pub(crate) openings: Vec<Opening>,
    pub(crate) retention: Retention,
    pub(crate) subject: Option<String>,
    pub(crate) closes: Option<Matter>,
}

/// What the later stages share for one chunk.
pub(crate) struct Rules<'a> {
    pub(crate) host: &'a Host,
    pub(crate) redactor: &'a Redactor,
    pub(crate) classes: &'a BTreeMap<String, Class>,
    /// Whether the salts of what is dropped were asked for; else they are thrown away.
    pub(crate) openings: bool,
}

impl Refusal {
    /// A refusal with a stable word and a detail for who may read it.
    pub(crate) fn new(slug: &'static str, detail: impl Into<String>) -> Self {
        Self { slug, detail: detail.into() }
    }

    /// As it stands in the answer.
    pub(crate) fn reason(&self) -> String {
        if self.detail.is_empty() { self.slug.to_owned() } else { format!("{}: {}", self.slug, self.detail) }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { slug: fault.kind.slug(), detail: fault.message }
    }
}

impl From<Interrupted> for LedgerError {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::Deadline | Interrupted::Busy => Self::Interrupted,
            other => Self::internal(other),
        }
    }
}

impl Step {
    /// Counts what a plugin did: never what it saw.
    fn count<T>(&self, run: &Run<Verdict<T>>, started: Instant) {
        if !self.is_counted {
            return;
        }
        let plugin = || self.plugin.clone();
        let nanoseconds = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        metrics::counter!("cairnlog_plugin_calls_total", "plugin" => plugin()).increment(1);
        metrics::counter!("cairnlog_plugin_records_total", "plugin" => plugin())
            .increment(run.results.len() as u64);
        metrics::counter!("cairnlog_plugin_nanoseconds_total", "plugin" => plugin()).increment(nanoseconds);
        metrics::counter!("cairnlog_plugin_fuel_total", "plugin" => plugin()).increment(run.fuel);
        #[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
        metrics::gauge!("cairnlog_plugin_memory_bytes", "plugin" => plugin())
            .set(self.stage.plugin().memory_peak() as f64);
        for fault in run.results.iter().filter_map(|verdict| verdict.as_ref().err()) {
            let kind = fault.kind.slug();
            metrics::counter!("cairnlog_plugin_faults_total", "plugin" => plugin(), "kind" => kind)
                .increment(1);
        }
    }

    fn timed<T>(&self, stage: timing::Stage, run: impl FnOnce() -> T) -> T {
        if self.is_counted { stage.timed(run) } else { run() }
    }

    /// Counts raw records that are quarantined for it.
    fn count_quarantined(&self, records: usize) {
        if self.is_counted && records > 0 {
            let plugin = self.plugin.clone();
            metrics::counter!("cairnlog_plugin_quarantined_total", "plugin" => plugin)
                .increment(records as u64);
        }
    }

    /// Applies the failure policy: the refusal again, or the whole request refused.
    fn refuse(&self, refusal: Refusal) -> Result<Refusal, LedgerError> {
        if self.rejects {
            let reason = refusal.reason();
            let words = format!(
                "{} refused a raw record, and the source rejects such requests; nothing was kept: {reason}",
                self.plugin
            );
            return Err(LedgerError::Rejected { words, slug: refusal.slug });
        }
        Ok(refusal)
    }

    fn normalize(&self, host: &Host, batch: &[RawRecord<'_>]) -> Result<Ran<Normalized>, LedgerError> {
        let started = Instant::now();
        let run = host.normalize(&self.stage, batch)?;
        self.count(&run, started);
        let messages = messages(&self.plugin, &run.log).collect();
        let fates = run.results.into_iter().map(|verdict| {
            let refusal = match verdict {
                Ok(Outcome::Events(events)) => return Ok(Normalized::Events(events)),
                Ok(Outcome::Skip(why)) => return Ok(Normalized::Skip(why)),
                Ok(Outcome::Reject(why)) => Refusal::new("rejected", why),
                Err(fault) => fault.into(),
            };
            self.refuse(refusal).map(Normalized::Refused)
        });
        Ok(Ran { results: fates.collect::<Result<_, _>>()?, fuel: run.fuel, messages })
    }
}

impl Step {
    /// The same for a trial.
    fn apart(&self) -> Self {
        Self {
            stage: self.stage.apart(),
            plugin: self.plugin.clone(),
            rejects: self.rejects,
            is_counted: false,
        }
    }
}

impl Pipeline {
    /// The same for trials: what fails there says nothing of what comes in, so it stops nobody and no metric counts it.
    pub(crate) fn apart(&self) -> Self {
        Self {
            digest: self.digest,
            normalizer: self.normalizer.apart(),
            fallback: self.fallback.as_ref().map(Step::apart),
            redactors: self.redactors.iter().map(Step::apart).collect(),
            retention: self.retention.apart(),
        }
    }

    /// The same, none of whose stages refuses a whole request.
    pub(crate) fn without_rejecting(self) -> Self {
        let step = |step: Step| Step { rejects: false, ..step };
        Self {
            normalizer: step(self.normalizer),
            fallback: self.fallback.map(step),
            redactors: self.redactors.into_iter().map(step).collect(),
            retention: step(self.retention),
            ..self
        }
    }

    /// First stage: one result a raw record, in order.
    ///
    /// # Errors
    /// [`LedgerError::Rejected`] by the source's policy, [`LedgerError::Interrupted`].
    pub(crate) fn normalize(
        &self,
        host: &Host,
        batch: &[RawRecord<'_>],
    ) -> Result<Ran<Normalized>, LedgerError> {
        let mut ran = self.normalizer.normalize(host, batch)?;
        let count = |step: &Step, ran: &Ran<Normalized>| {
            step.count_quarantined(ran.results.iter().filter(|result| failed(result)).count());
        };
        let Some(fallback) = &self.fallback else {
            count(&self.normalizer, &ran);
            return Ok(ran);
        };
        let again: Vec<RawRecord<'_>> = batch
            .iter()
            .zip(&ran.results)
            .filter(|(_, result)| failed(result))
            .map(|(raw, _)| *raw)
            .collect();
        if !again.is_empty() {
            let second = fallback.normalize(host, &again)?;
            for (slot, result) in ran.results.iter_mut().filter(|result| failed(result)).zip(second.results) {
                *slot = result;
            }
            ran.fuel = ran.fuel.saturating_add(second.fuel);
            ran.messages.extend(second.messages);
        }
        count(fallback, &ran);
        Ok(ran)
    }

    /// The later stages, over the events of several raw records: one result a raw record, in order.
    ///
    /// # Errors
    /// As [`Pipeline::normalize`].
    pub(crate) fn finish(
        &self,
        rules: &Rules<'_>,
        records: Vec<Vec<Event>>,
    ) -> Result<Ran<Result<Vec<Decided>, Refusal>>, LedgerError> {
        let mut chunk = Chunk::new(records);
        for redactor in &self.redactors {
            redactor.timed(timing::Stage::Redact, || chunk.redact(redactor, rules))?;
        }
        self.retention.timed(timing::Stage::Retention, || chunk.decide(&self.retention, rules))?;
        let (fuel, messages) = (chunk.fuel, std::mem::take(&mut chunk.messages));
        Ok(Ran { results: chunk.into_results(), fuel, messages })
    }
}

fn failed(result: &Normalized) -> bool {
    matches!(result, Normalized::Refused(_))
}

/// An event on its way through the later stages.
struct Working {
    /// Which raw record it belongs to.
    owner: usize,
    attributes: Vec<Attribute>,
    notes: Vec<RedactionNote>,
    openings: Vec<Opening>,
    retention: Option<Retention>,
    subject: Option<String>,
    closes: Option<Matter>,
}

/// The events of a chunk, and what already failed.
struct Chunk {
    events: Vec<Working>,
    refused: Vec<Option<Refusal>>,
    fuel: u64,
    messages: Vec<Message>,
}

impl Chunk {
    fn new(records: Vec<Vec<Event>>) -> Self {
        let refused = records.iter().map(|_| None).collect();
        let owned = records.into_iter().enumerate().flat_map(|(owner, events)| {
            events.into_iter().map(move |event| Working {
                owner,
                attributes: event.into_attributes(),
                notes: Vec::new(),
                openings: Vec::new(),
                retention: None,
                subject: None,
                closes: None,
            })
        });
        Self { events: owned.collect(), refused, fuel: 0, messages: Vec::new() }
    }

    /// The events of raw records that have not failed, by their place in `events`.
    fn alive(&self) -> Vec<usize> {
        (0..self.events.len()).filter(|&at| self.refused[self.events[at].owner].is_none()).collect()
    }

    /// What plugins are given of them; the host hides what was dropped before.
    fn shown(&self, events: &[usize]) -> Vec<&[Attribute]> {
        events.iter().map(|&at| self.events[at].attributes.as_slice()).collect()
    }

    fn redact(&mut self, step: &Step, rules: &Rules<'_>) -> Result<(), LedgerError> {
        let alive = self.alive();
        if alive.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let run = rules.host.redact(&step.stage, &self.shown(&alive))?;
        step.count(&run, started);
        self.fuel = self.fuel.saturating_add(run.fuel);
        self.messages.extend(messages(&step.plugin, &run.log));
        for (at, verdict) in alive.into_iter().zip(run.results) {
            let event = &mut self.events[at];
            let applied = verdict.map_err(Refusal::from).and_then(|redactions| {
                let attributes = std::mem::take(&mut event.attributes);
                rules
                    .redactor
                    .apply(attributes, &redactions, &step.plugin)
                    .map_err(|error| Refusal::new("redaction", error.to_string()))
            });
            match applied {
                Ok(redacted) => {
                    event.attributes = redacted.attributes;
                    event.notes.extend(redacted.notes);
                    if rules.openings {
                        event.openings.extend(redacted.openings);
                    }
                }
                Err(refusal) => {
                    let refusal = step.refuse(refusal)?;
                    // Of a raw record of several events the first that fails.
                    if self.refused[event.owner].replace(refusal).is_none() {
                        step.count_quarantined(1);
                    }
                }
            }
        }
        Ok(())
    }

    fn decide(&mut self, step: &Step, rules: &Rules<'_>) -> Result<(), LedgerError> {
        let alive = self.alive();
        if alive.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let run = rules.host.decide(&step.stage, &self.shown(&alive))?;
        step.count(&run, started);
        self.fuel = self.fuel.saturating_add(run.fuel);
        self.messages.extend(messages(&step.plugin, &run.log));
        for (at, verdict) in alive.into_iter().zip(run.results) {
            let event = &mut self.events[at];
            let chosen = verdict.map_err(Refusal::from).and_then(|decision| {
                let class = rules.classes.get(&decision.class).ok_or_else(|| {
                    Refusal::new(NO_CLASS, format!("the log has no retention class {:?}", decision.class))
                })?;
                let chosen = Chosen { class: decision.class, rule: decision.rule };
                let retention = Retention { chosen: Some(chosen), class: class.clone() };
                // An event that names nobody closes nothing.
                let closes = decision.closes.zip(decision.subject.clone());
                Ok((retention, decision.subject, closes.map(|(class, subject)| Matter { class, subject })))
            });
            match chosen {
                Ok((retention, subject, closes)) => {
                    event.retention = Some(retention);
                    (event.subject, event.closes) = (subject, closes);
                }
                Err(refusal) => {
                    let refusal = step.refuse(refusal)?;
                    // Of a raw record of several events the first that fails.
                    if self.refused[event.owner].replace(refusal).is_none() {
                        step.count_quarantined(1);
                    }
                }
            }
        }
        Ok(())
    }

    fn into_results(self) -> Vec<Result<Vec<Decided>, Refusal>> {
        let mut results: Vec<Result<Vec<Decided>, Refusal>> =
            self.refused.into_iter().map(|refusal| refusal.map_or_else(|| Ok(Vec::new()), Err)).collect();
        for Working { owner, attributes, notes, openings, retention, subject, closes } in self.events {
            if let (Ok(events), Some(retention)) = (&mut results[owner], retention) {
                events.push(Decided { attributes, notes, openings, retention, subject, closes });
            }
        }
        results
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_word_and_perhaps_a_detail() {
        assert_eq!(Refusal::new("trap", "").reason(), "trap");
        assert_eq!(Refusal::new("rejected", "not JSON").reason(), "rejected: not JSON");
    }
}
