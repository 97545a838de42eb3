//! Running a project's samples as the server would: the same host, limits and checks.

use std::path::Path;

use bytes::Bytes;
use cairnlog_host::{
    Action, Decision, Host, Interrupted, Kind, Outcome, PluginLog, RawRecord, Redaction, Run, Stage, Verdict,
    event_bytes, raw_bytes,
};
use cairnlog_verify::event::{Attribute, Event};
use serde_json::{Value as Json, json};

use super::inspect::Inspected;
use super::project::Project;
use crate::cli::batch::guess;
use crate::cli::exit::Failure;
use crate::cli::sources::read_bounded;
use crate::http::split::{Shape, split};
use crate::limits::{INGEST_BYTES_MAX, INGEST_RECORDS_MAX};

/// When samples are received, the only clock that a plugin has: 2026-11-23T09:00:00Z, as in the Rust SDK's own harness.
const RECEIVED_MS: u64 = 1_795_424_400_000;

/// A configured plugin, ready to run.
pub(super) struct Runner {
    host: Host,
    stage: Stage,
    kind: Kind,
}

/// Records of a sample file as the plugin gets them.
pub(super) enum Sample {
    /// For a normalizer, with their content type.
    Raw(&'static str, Vec<Bytes>),
    /// For the others.
    Events(Vec<Vec<Attribute>>),
}

/// What one record came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Made {
    /// As it stands in a golden file.
    pub(super) json: Json,
    /// Fuel spent on it alone, and what it may spend.
    pub(super) fuel: (u64, u64),
    /// Memory that its instance had.
    pub(super) memory_bytes: usize,
}

impl Runner {
    /// Configures the plugin with the project's config.
    pub(super) fn new(project: &Project, inspected: &Inspected) -> Result<Self, Failure> {
        let config = project.config()?;
        let stage = inspected
            .host
            .configure(&inspected.plugin, &config)
            .map_err(|interrupted| failed(&interrupted))?;
        let stage = stage.map_err(|refused| Failure::refused(format!("config.json: {refused}")))?;
        let named = project.kind.as_deref();
        let kinds = &inspected.plugin.kinds;
        let kind = kinds.iter().find(|kind| named.is_some_and(|named| kind.to_string() == named));
        let kind = kind.or(kinds.first()).copied();
        let kind = kind.ok_or_else(|| Failure::refused("the plugin plays no role"))?;
        Ok(Self { host: inspected.host.clone(), stage, kind })
    }

    /// What the plugin is tried as.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Reads a sample file as the plugin's role takes it.
    pub(super) fn sample(&self, path: &Path) -> Result<Sample, Failure> {
        let body = Bytes::from(read_bounded(path, INGEST_BYTES_MAX as u64)?);
        let shape = Shape::of(Some(guess(path).media_type()));
        let records = shape.and_then(|shape| Ok((shape, split(shape, &body, INGEST_RECORDS_MAX)?)));
        let (shape, records) =
            records.map_err(|problem| Failure::usage(problem.detail().to_owned()).during(path.display()))?;
        if self.kind == Kind::Normalizer {
            return Ok(Sample::Raw(shape.record_type(), records));
        }
        let event = |(place, line): (usize, &Bytes)| {
            let json: Result<Json, String> = serde_json::from_slice(line).map_err(|error| error.to_string());
            let event = json.and_then(|json| Event::flatten(&json).map_err(|error| error.to_string()));
            event.map_err(|words| Failure::usage(format!("{}: event {}: {words}", path.display(), place + 1)))
        };
        Ok(Sample::Events(records.iter().enumerate().map(event).collect::<Result<_, _>>()?))
    }

    /// What each record comes to by itself, in an instance of its own.
    pub(super) fn alone(&self, sample: &Sample) -> Result<Vec<Made>, Failure> {
        let one = |place| {
            let (mut made, _, log) = self.run(sample, place..place + 1)?;
            say(&log);
            Ok(made.remove(0))
        };
        (0..sample.len()).map(one).collect()
    }

    /// What all records come to as a server would run them, in batches; fuel is the whole run's.
    pub(super) fn together(&self, sample: &Sample) -> Result<(Vec<Json>, u64), Failure> {
        let (made, fuel, _) = self.run(sample, 0..sample.len())?;
        Ok((made.into_iter().map(|made| made.json).collect(), fuel))
    }

    fn run(
        &self,
        sample: &Sample,
        range: std::ops::Range<usize>,
    ) -> Result<(Vec<Made>, u64, PluginLog), Failure> {
        // Each run by itself: a hundred records that fail are each looked at.
        let stage = self.stage.apart();
        match sample {
            Sample::Raw(content_type, records) => {
                let records: Vec<RawRecord<'_>> = records[range]
                    .iter()
                    .map(|body| RawRecord {
                        received_ms: RECEIVED_MS,
                        source: "test",
                        content_type,
                        attributes: &[],
                        body,
                    })
                    .collect();
                let sizes = records.iter().map(raw_bytes).collect();
                self.made(sizes, self.host.normalize(&stage, &records), |outcome, _| outcome_json(outcome))
            }
            Sample::Events(events) => {
                let events: Vec<&[Attribute]> = events[range].iter().map(Vec::as_slice).collect();
                let sizes = events.iter().map(|event| event_bytes(event)).collect();
                if self.kind == Kind::Redactor {
                    let run = self.host.redact(&stage, &events);
                    return self
                        .made(sizes, run, |redactions, place| redactions_json(&redactions, events[place]));
                }
                self.made(sizes, self.host.decide(&stage, &events), |decision, _| decision_json(&decision))
            }
        }
    }

    fn made<T>(
        &self,
        sizes: Vec<usize>,
        run: Result<Run<Verdict<T>>, Interrupted>,
        json: impl Fn(T, usize) -> Json,
    ) -> Result<(Vec<Made>, u64, PluginLog), Failure> {
        let Run { results, fuel, memory_bytes, log } = run.map_err(|interrupted| failed(&interrupted))?;
        let made = results.into_iter().zip(sizes).enumerate().map(|(place, (verdict, size))| Made {
            json: match verdict {
                Ok(result) => json(result, place),
                Err(fault) => json!({"fault": {"kind": fault.kind.slug(), "message": fault.message}}),
            },
            fuel: (fuel, self.host.limits().fuel(size)),
            memory_bytes,
        });
        Ok((made.collect(), fuel, log))
    }
}

impl Sample {
    /// How many records it has.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Raw(_, records) => records.len(),
            Self::Events(events) => events.len(),
        }
    }

    /// So many copies of its records, to be run as one load.
    pub(super) fn repeated(&self, records: usize) -> Self {
        let of = |len: usize| (0..records).map(move |place| place % len);
        match self {
            Self::Raw(content_type, all) => {
                Self::Raw(content_type, of(all.len()).map(|place| all[place].clone()).collect())
            }
            Self::Events(all) => Self::Events(of(all.len()).map(|place| all[place].clone()).collect()),
        }
    }
}

/// What a plugin logs is for its author, who is the one at the terminal.
fn say(log: &PluginLog) {
    for line in log.lines() {
        eprintln!("the plugin says ({:?}): {}", line.level, crate::cli::output::visible(&line.message));
    }
}

fn failed(interrupted: &Interrupted) -> Failure {
    Failure::cannot_tell(interrupted.to_string())
}

fn outcome_json(outcome: Outcome) -> Json {
    match outcome {
        Outcome::Events(events) => json!({"events": events.iter().map(Event::to_json).collect::<Vec<_>>()}),
        Outcome::Skip(why) => json!({"skip": why}),
        Outcome::Reject(why) => json!({"reject": why}),
    }
}

fn redactions_json(redactions: &[Redaction], event: &[Attribute]) -> Json {
    let one = |redaction: &Redaction| {
        let (action, keep) = match redaction.action {
            Action::Drop => ("drop", None),
            Action::Mask(keep) => ("mask", Some(keep)),
            Action::Pseudonymize => ("pseudonymize", None),
        };
        let mut json = json!({
            "path": event.get(redaction.attribute as usize).map(|attribute| attribute.path.clone()),
            "action": action,
            "entity": redaction.entity,
            "rule": redaction.rule,
        });
        if let Some(keep) = keep {
            json["keep"] = keep.into();
        }
        if let Some((start, end)) = redaction.span {
            json["span"] = json!([start, end]);
        }
        json
    };
    Json::Array(redactions.iter().map(one).collect())
}

fn decision_json(decision: &Decision) -> Json {
    let mut json = json!({"class": decision.class, "rule": decision.rule});
    if let Some(subject) = &decision.subject {
        json["subject"] = subject.clone().into();
    }
    if let Some(closes) = &decision.closes {
        json["closes"] = closes.clone().into();
    }
    json
}
