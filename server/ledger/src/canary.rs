//! A canary: another pipeline beside a source's own, run over a share of its batches and compared, never logged.
//!
//! What a log has taken it keeps, so a pipeline is tried where it can do no harm: what goes into the log is what the source's own
//! pipeline makes, and of what the canary makes only counts are left. They say which top-level member of an event differs, not
//! where in it and not how: who may bind plugins may not read records, and a path can be as telling as a value. Counts tell something
//! too, of a record that is alone among them, so they are shown for many records at a time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use cairnlog_host::RawRecord;
use cairnlog_verify::event::Attribute;
use cairnlog_verify::value::Value;
use serde::{Deserialize, Serialize};

use crate::error::LedgerError;
use crate::limits::{CANARY_BATCHES_MAX, CANARY_RECORDS_SHOWN};
use crate::log::Ready;
use crate::manifest::Manifest;
use crate::pipeline::{Decided, Normalized, Pipeline, Refusal, Rules};

/// The top-level members of OCSF's events that are named in a report. Any other name is the plugin's own word, in which it could
/// say anything.
const MEMBERS: [&str; 46] = [
    "access_list",
    "access_mask",
    "activity_id",
    "activity_name",
    "actor",
    "api",
    "auth_protocol",
    "auth_protocol_id",
    "category_name",
    "category_uid",
    "class_name",
    "class_uid",
    "cloud",
    "device",
    "dst_endpoint",
    "end_time",
    "enrichments",
    "entity",
    "entity_result",
    "file",
    "group",
    "http_request",
    "http_response",
    "is_mfa",
    "is_remote",
    "logon_type",
    "logon_type_id",
    "message",
    "metadata",
    "observables",
    "policy",
    "privileges",
    "resource",
    "resources",
    "service",
    "session",
    "severity",
    "severity_id",
    "src_endpoint",
    "start_time",
    "status",
    "time",
    "type_uid",
    "unmapped",
    "user",
    "web_resources",
];

/// The word for a member that is none of those.
const OTHER: &str = "other";
/// The word for a record's retention class and rule.
const RETENTION: &str = "retention";

/// What is to be tried beside a source's own pipeline, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CanarySpec {
    /// Of a hundred batches, how many it is run over: 1 to 100.
    pub percent: u8,
    /// What is tried.
    pub manifest: Manifest,
    /// Since when, in milliseconds since the Unix epoch.
    pub since_ms: u64,
}

/// What a canary came to since it was set or the server started: as of the last time at which figures were shown, all but `waiting`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CanaryCounts {
    /// Since when this counts, in milliseconds since the Unix epoch.
    pub counted_since_ms: u64,
    /// Batches over which it was run.
    pub batches: u64,
    /// Batches whose turn it was while too many earlier ones were not done yet, or that the host could not run.
    pub batches_missed: u64,
    /// Raw records of the batches.
    pub records: u64,
    /// Raw records that it was handed since, whatever it makes of them.
    pub waiting: u64,
    /// Raw records of which it makes the very same, or that it refuses or skips as the source's own pipeline does.
    pub same: u64,
    /// Raw records with another fate, by the fate in the log and that in the canary.
    pub fates: BTreeMap<(&'static str, &'static str), u64>,
    /// Raw records of which other events would be logged, by the top-level member that differs.
    pub members: BTreeMap<&'static str, u64>,
    /// Raw records that it refuses, by the word for the reason.
    pub refused: BTreeMap<&'static str, u64>,
}

/// A pipeline that is tried.
pub(crate) struct Canary {
    percent: u8,
    pipeline: Pipeline,
    batches: AtomicU64,
    /// Batches that are picked and not done.
    picked: AtomicUsize,
    figures: Mutex<Figures>,
}

/// What was counted, and what is shown of it.
#[derive(Default)]
struct Figures {
    counted: CanaryCounts,
    shown: CanaryCounts,
    /// Raw records of the batches that it was handed, whatever became of them; and how many there were when figures were last shown.
    handed: u64,
    handed_when_shown: u64,
}

/// The right to run a canary over a batch, until it is dropped. A few are out at a time: the batches of a large request come at once.
struct Turn(Arc<Canary>);

/// A batch over which a canary will be run.
pub(crate) struct Picked {
    turn: Turn,
    batch: Batch,
}

/// What was made of a raw record.
pub(crate) enum Made {
    Events(Vec<MadeEvent>),
    Skipped,
    Refused(&'static str),
}

/// An event as it is or would be logged.
pub(crate) struct MadeEvent {
    attributes: Vec<Attribute>,
    /// Class and rule.
    retention: Option<(String, String)>,
}

/// A batch of a source, and what its own pipeline made of it.
pub(crate) struct Batch {
    pub(crate) ready: Ready,
    pub(crate) log: u32,
    pub(crate) received_ms: u64,
    pub(crate) source: String,
    pub(crate) content_type: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) records: Vec<(Bytes, Made)>,
}

impl Canary {
    pub(crate) fn new(percent: u8, pipeline: &Pipeline, now_ms: u64) -> Self {
        Self {
            percent,
            // One record that it refuses says nothing of the others of its batch.
            pipeline: pipeline.apart().without_rejecting(),
            batches: AtomicU64::new(0),
            picked: AtomicUsize::new(0),
            figures: Mutex::new(Figures::since(now_ms)),
        }
    }

    pub(crate) fn counts(&self) -> CanaryCounts {
        self.lock().shown()
    }

    fn lock(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next batch, if it is to be run over it. Of any hundred in a row it is its percentage, evenly spread, the first included.
    pub(crate) fn pick(self: &Arc<Self>, next: impl FnOnce() -> Batch) -> Option<Picked> {
        let batch = self.batches.fetch_add(1, Ordering::Relaxed);
        let percent = u64::from(self.percent);
        let is_picked = (batch + 1) * percent / 100 > batch * percent / 100 || batch == 0;
        if !is_picked {
            return None;
        }
        // One too many is given back as the others are.
        let turn = Turn(Arc::clone(self));
        if self.picked.fetch_add(1, Ordering::Relaxed) >= CANARY_BATCHES_MAX {
            self.lock().miss();
            return None;
        }
        Some(Picked { turn, batch: next() })
    }

    fn make(&self, batch: &Batch) -> Result<Vec<Made>, LedgerError> {
        let Batch { ready, received_ms, source, content_type, attributes, records, .. } = batch;
        let raw: Vec<RawRecord<'_>> = records
            .iter()
            .map(|(body, _)| RawRecord { received_ms: *received_ms, source, content_type, attributes, body })
            .collect();
        let normalized = self.pipeline.normalize(&ready.host, &raw)?.results;
        let mut events = Vec::new();
        let mut made: Vec<Option<Made>> = Vec::with_capacity(normalized.len());
        for result in normalized {
            made.push(match result {
                Normalized::Events(of_record) => {
                    events.push(of_record);
                    None
                }
                Normalized::Skip(_) => Some(Made::Skipped),
                Normalized::Refused(refusal) => Some(Made::Refused(refusal.slug)),
            });
        }
        let (redactor, classes) = (&ready.redactor, &ready.classes);
        let rules = Rules { host: &ready.host, redactor, classes, openings: false };
        let mut decided = self.pipeline.finish(&rules, events)?.results.into_iter();
        let mut of_decided = || decided.next().map_or(Made::Refused("bad-return"), |one| Made::of(&one));
        Ok(made.into_iter().map(|made| made.unwrap_or_else(&mut of_decided)).collect())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.picked.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Picked {
    /// Runs the canary over the batch, on a worker's turn of its own, while the source goes on.
    pub(crate) fn start(self) {
        let Self { turn, batch } = self;
        let canary = Arc::clone(&turn.0);
        canary.lock().handed += batch.records.len() as u64;
        tokio::spawn(async move {
            let (log, source) = (batch.log, format!("{}#canary", batch.source));
            let workers = Arc::clone(&batch.ready.workers);
            let runner = Arc::clone(&canary);
            let run = move || runner.make(&batch).map(|made| (batch, made));
            let ran = match workers.start(log, &source, run).await {
                Ok(running) => running.await.unwrap_or(Err(LedgerError::Interrupted)),
                Err(error) => Err(error),
            };
            drop(turn);
            match ran {
                Ok((batch, made)) => canary.lock().count(&batch, &made),
                // Why, would be words about records; that it was not run is what counts.
                Err(_) => canary.lock().miss(),
            }
        });
    }
}

impl Figures {
    fn since(now_ms: u64) -> Self {
        let none = CanaryCounts { counted_since_ms: now_ms, ..CanaryCounts::default() };
        Self { counted: none.clone(), shown: none, handed: 0, handed_when_shown: 0 }
    }

    fn shown(&self) -> CanaryCounts {
        CanaryCounts { waiting: self.handed - self.handed_when_shown, ..self.shown.clone() }
    }

    fn miss(&mut self) {
        self.counted.batches_missed += 1;
        self.show();
    }

    fn count(&mut self, batch: &Batch, made: &[Made]) {
        self.counted.batches += 1;
        for ((_, kept), made) in batch.records.iter().zip(made) {
            self.counted.count(kept, made);
        }
        self.show();
    }

    /// Shows what was counted, once it is of enough. Also that batches are missed says something of them: a plugin may take its time.
    fn show(&mut self) {
        if self.counted.records - self.shown.records >= CANARY_RECORDS_SHOWN {
            self.shown = self.counted.clone();
            self.handed_when_shown = self.handed;
        } else if self.counted.batches_missed - self.shown.batches_missed >= CANARY_RECORDS_SHOWN {
            self.shown.batches_missed = self.counted.batches_missed;
        }
    }
}

impl Made {
    /// What the later stages made of a raw record.
    pub(crate) fn of(decided: &Result<Vec<Decided>, Refusal>) -> Self {
        match decided {
            Ok(events) => Self::Events(events.iter().map(MadeEvent::of).collect()),
            Err(refusal) => Self::Refused(refusal.slug),
        }
    }

    fn fate(&self) -> &'static str {
        match self {
            Self::Events(_) => "logged",
            Self::Skipped => "skipped",
            Self::Refused(_) => "quarantined",
        }
    }
}

impl MadeEvent {
    fn of(decided: &Decided) -> Self {
        let chosen = decided.retention.chosen.as_ref();
        Self {
            attributes: decided.attributes.clone(),
            retention: chosen.map(|chosen| (chosen.class.clone(), chosen.rule.clone())),
        }
    }
}

impl CanaryCounts {
    fn count(&mut self, kept: &Made, made: &Made) {
        self.records += 1;
        if let Made::Refused(reason) = made {
            *self.refused.entry(reason).or_default() += 1;
        }
        let fates = (kept.fate(), made.fate());
        if fates.0 != fates.1 {
            *self.fates.entry(fates).or_default() += 1;
            return;
        }
        let differing = match (kept, made) {
            (Made::Events(kept), Made::Events(made)) => differing(kept, made),
            _ => Vec::new(),
        };
        if differing.is_empty() {
            self.same += 1;
        }
        for member in differing {
            *self.members.entry(member).or_default() += 1;
        }
    }
}

/// The members in which the events of a raw record differ, each once.
fn differing(kept: &[MadeEvent], made: &[MadeEvent]) -> Vec<&'static str> {
    let mut members = Vec::new();
    if kept.len() != made.len() {
        members.push("events");
    }
    for (kept, made) in kept.iter().zip(made) {
        if kept.retention != made.retention {
            members.push(RETENTION);
        }
        let mut rest: BTreeMap<&str, &Value> = values(made).collect();
        for (path, value) in values(kept) {
            if !rest.remove(path).is_some_and(|made| is_same(value, made)) {
                members.push(member(path));
            }
        }
        members.extend(rest.into_keys().map(member));
    }
    members.sort_unstable();
    members.dedup();
    members
}

fn values(event: &MadeEvent) -> impl Iterator<Item = (&str, &Value)> {
    event.attributes.iter().map(|attribute| (attribute.path.as_str(), &attribute.value))
}

/// Dropped values have salts of their own, so of two it can only be said that both are dropped.
fn is_same(kept: &Value, made: &Value) -> bool {
    matches!((kept, made), (Value::Dropped(_), Value::Dropped(_))) || kept == made
}

fn member(path: &str) -> &'static str {
    let first = path.split(['.', '[']).next().unwrap_or_default();
    MEMBERS.iter().find(|member| **member == first).copied().unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(attributes: &[(&str, i64)], class: &str) -> MadeEvent {
        let attributes = attributes
            .iter()
            .map(|(path, value)| Attribute { path: (*path).to_owned(), value: Value::Integer(*value) });
        MadeEvent {
            attributes: attributes.collect(),
            retention: Some((class.to_owned(), "rules[0]".to_owned())),
        }
    }

    fn events(attributes: &[(&str, i64)]) -> Made {
        Made::Events(vec![event(attributes, "default")])
    }

    #[test]
    fn members_are_of_a_fixed_list_in_order() {
        assert!(MEMBERS.is_sorted());
        assert_eq!(member("actor.user.name"), "actor");
        assert_eq!(member("resources[3].uid"), "resources");
        assert_eq!(member("anna.smith"), OTHER, "a plugin's own word is not repeated");
    }

    #[test]
    fn what_differs_is_counted_once_a_record_and_member() {
        let mut counts = CanaryCounts::default();
        let kept = events(&[("actor.user.name", 1), ("actor.user.uid", 2), ("time", 3)]);
        counts.count(&kept, &events(&[("actor.user.name", 1), ("actor.user.uid", 2), ("time", 3)]));
        counts.count(&kept, &events(&[("actor.user.name", 9), ("actor.user.uid", 8), ("time", 3)]));
        counts.count(&kept, &events(&[("actor.user.name", 1), ("actor.user.uid", 2), ("secret", 4)]));
        counts.count(&kept, &Made::Refused("trap"));
        counts.count(&Made::Refused("rejected"), &kept);
        counts.count(&Made::Refused("rejected"), &Made::Refused("trap"));
        counts.count(&Made::Skipped, &Made::Skipped);
        assert_eq!((counts.records, counts.same), (7, 3));
        assert_eq!(counts.members, BTreeMap::from([("actor", 1), (OTHER, 1), ("time", 1)]));
        assert_eq!(
            counts.fates,
            BTreeMap::from([(("logged", "quarantined"), 1), (("quarantined", "logged"), 1)])
        );
        assert_eq!(counts.refused, BTreeMap::from([("trap", 2)]));
    }

    #[test]
    fn figures_are_shown_for_many_records_at_a_time() {
        let mut figures = Figures::since(7);
        let send = |records: u64, figures: &mut Figures| {
            figures.handed += records;
            for _ in 0..records {
                figures.counted.count(&Made::Skipped, &Made::Refused("trap"));
            }
            figures.show();
            let CanaryCounts { records, waiting, refused, .. } = figures.shown();
            (records, waiting, refused.values().sum::<u64>())
        };
        assert_eq!(send(99, &mut figures), (0, 99, 0), "nothing is said of few");
        assert_eq!(send(51, &mut figures), (150, 0, 150));
        assert_eq!(send(1, &mut figures), (150, 1, 150), "nor of one more");
        assert_eq!(send(99, &mut figures), (250, 0, 250));
        // What was missed is shown by itself: it brings no figures of few to light.
        assert_eq!(send(1, &mut figures), (250, 1, 250));
        for _ in 0..99 {
            figures.miss();
        }
        assert_eq!(figures.shown().batches_missed, 0);
        figures.miss();
        assert_eq!((figures.shown().batches_missed, figures.shown().counted_since_ms), (100, 7));
        assert_eq!((figures.shown().records, figures.shown().refused["trap"]), (250, 250));
    }

    #[test]
    fn classes_and_the_number_of_events_count_too() {
        let one = [event(&[("time", 1)], "default")];
        assert_eq!(differing(&one, &[event(&[("time", 1)], "short")]), [RETENTION]);
        assert_eq!(differing(&one, &[]), ["events"]);
        let dropped = |byte| MadeEvent {
            attributes: vec![Attribute { path: "time".to_owned(), value: Value::Dropped([byte; 32]) }],
            retention: None,
        };
        assert!(differing(&[dropped(1)], &[dropped(2)]).is_empty(), "salts are never the same");
        let kept_salt =
            differing(&[dropped(1)], &[MadeEvent { retention: None, ..event(&[("time", 1)], "") }]);
        assert_eq!(kept_salt, ["time"]);
    }
}
