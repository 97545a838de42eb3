//! What a plugin makes of a few samples, before any source is bound to it: what it takes beside what it may take.

use std::sync::Arc;

use cairnlog_host::{Fault, Host, Kind, Outcome, Plugin, RawRecord, Run, Verdict, event_bytes, raw_bytes};
use cairnlog_verify::event::{Attribute, Event};
use serde_json::Value as Json;

use crate::error::LedgerError;
use crate::limits::{SAMPLE_BYTES_MAX, SAMPLES_MAX};
use crate::source::config_text;

/// The name of the source that samples are said to come from.
const SOURCE: &str = "sample";

/// What a plugin made of a sample.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sampled {
    /// `events`, `skip` or `reject` of a normalizer, `redactions` of a redactor, `decision` of a retention plugin; else what it
    /// failed of: `out-of-fuel`, `trap` …, `config-refused`, `not-an-event`.
    pub outcome: &'static str,
    /// Why it is not wanted, or what failed.
    pub reason: Option<String>,
    /// How many events or redactions.
    pub count: Option<u64>,
    /// The retention class.
    pub class: Option<String>,
    /// Fuel that it spent.
    pub fuel: u64,
    /// Fuel that it may spend on so many bytes.
    pub fuel_max: u64,
    /// The most memory that the instance had, in bytes.
    pub memory_bytes: u64,
}

/// Refuses samples that are too many or too large.
///
/// # Errors
/// [`LedgerError::BadRequest`].
pub fn check_samples(samples: &[String]) -> Result<(), LedgerError> {
    if samples.len() > SAMPLES_MAX || samples.iter().any(|sample| sample.len() > SAMPLE_BYTES_MAX) {
        let words = format!("at most {SAMPLES_MAX} samples of {SAMPLE_BYTES_MAX} bytes");
        return Err(LedgerError::BadRequest(words));
    }
    Ok(())
}

/// Runs the plugin over the samples, each by itself: raw records for a normalizer, else OCSF events as JSON. It blocks.
///
/// What is wrong with a sample or the config is its outcome: the plugin was taken all the same.
///
/// # Errors
/// [`LedgerError::Interrupted`].
pub(crate) fn sampled(
    host: &Host,
    plugin: &Arc<Plugin>,
    config: Option<&Json>,
    samples: &[String],
) -> Result<Vec<Sampled>, LedgerError> {
    let config = config_text(config)?;
    let stage = match host.configure(plugin, &config)? {
        Ok(stage) => stage,
        Err(refused) => {
            let one = Sampled {
                outcome: "config-refused",
                reason: Some(refused.to_string()),
                ..Sampled::default()
            };
            return Ok(vec![one; samples.len()]);
        }
    };
    let run = |sample: &String| {
        let (one, bytes) = if plugin.kinds.contains(&Kind::Normalizer) {
            let content_type = if sample.starts_with(['{', '[']) { "application/json" } else { "text/plain" };
            let body = sample.as_bytes();
            let raw = RawRecord { received_ms: 0, source: SOURCE, content_type, attributes: &[], body };
            (one(host.normalize(&stage, &[raw])?, of_outcome), raw_bytes(&raw))
        } else {
            let event = match event(sample) {
                Ok(event) => event,
                Err(why) => {
                    return Ok(Sampled { outcome: "not-an-event", reason: Some(why), ..Sampled::default() });
                }
            };
            let one = if plugin.kinds.contains(&Kind::Redactor) {
                one(host.redact(&stage, &[&event])?, |redactions| Sampled {
                    outcome: "redactions",
                    count: Some(redactions.len() as u64),
                    ..Sampled::default()
                })
            } else {
                one(host.decide(&stage, &[&event])?, |decision| Sampled {
                    outcome: "decision",
                    class: Some(decision.class),
                    ..Sampled::default()
                })
            };
            (one, event_bytes(&event))
        };
        Ok(Sampled { fuel_max: host.limits().fuel(bytes), ..one })
    };
    samples.iter().map(run).collect()
}

fn one<T>(mut run: Run<Verdict<T>>, told: impl FnOnce(T) -> Sampled) -> Sampled {
    let (fuel, memory_bytes) = (run.fuel, run.memory_bytes as u64);
    let told = match run.results.pop() {
        Some(Ok(result)) => told(result),
        Some(Err(Fault { kind, message })) => {
            Sampled { outcome: kind.slug(), reason: Some(message), ..Sampled::default() }
        }
        None => Sampled::default(),
    };
    Sampled { fuel, memory_bytes, ..told }
}

fn of_outcome(outcome: Outcome) -> Sampled {
    match outcome {
        Outcome::Events(events) => {
            Sampled { outcome: "events", count: Some(events.len() as u64), ..Sampled::default() }
        }
        Outcome::Skip(why) => Sampled { outcome: "skip", reason: Some(why), ..Sampled::default() },
        Outcome::Reject(why) => Sampled { outcome: "reject", reason: Some(why), ..Sampled::default() },
    }
}

fn event(sample: &str) -> Result<Vec<Attribute>, String> {
    let refused = |words: &dyn std::fmt::Display| {
        format!("this plugin is given events, so a sample is one as JSON, which this is not: {words}")
    };
    let json: Json = serde_json::from_str(sample).map_err(|error| refused(&error))?;
    let attributes = Event::flatten(&json).map_err(|error| refused(&error))?;
    Ok(Event::new(attributes).map_err(|error| refused(&error))?.into_attributes())
}
