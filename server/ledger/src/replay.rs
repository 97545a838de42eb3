//! Replays: the recorded code and settings over a raw record again, and what comes out beside what the log committed to.
//!
//! Nothing of a server is needed but what it discloses: the record's fields with their salts, its pipeline's manifest, the
//! components. Two things can't come out again: the salts of dropped values, which were thrown away unless the submitter asked for
//! them, and pseudonyms, whose key the server alone has. Of those it is shown that they stand at the same paths.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cairnlog_host::{Host, Kind, Plugin, RawRecord};
use cairnlog_store::secrets::SecretKey;
use cairnlog_verify::entry::Digest;
use cairnlog_verify::event::Attribute;
use cairnlog_verify::value::Value;

use crate::class::{Class, Trigger};
use crate::error::LedgerError;
use crate::handles::OsRandom;
use crate::manifest::{Manifest, OnError, Stage};
use crate::pipeline::{Decided, Normalized, Pipeline, Rules, Step};
use crate::redact::{Opening, Redactor};
use crate::source::config_text;

/// How every pseudonym begins.
const PSEUDONYM: &str = "tok1_";

/// What is replayed.
pub struct Replay<'a> {
    /// The record's pipeline.
    pub manifest: &'a Manifest,
    /// The components that it names.
    pub plugins: &'a BTreeMap<Digest, Arc<Plugin>>,
    /// The raw record, exactly as it came.
    pub raw: RawRecord<'a>,
    /// Which of the raw record's events it is, from 0.
    pub part: usize,
    /// All fields that the record's entry commits to, as they are disclosed.
    pub committed: &'a [Attribute],
    /// What the submitter was handed back of this event: with it dropped values are compared too.
    pub openings: &'a [Opening],
}

/// One field in a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Its path.
    pub path: String,
    /// What came out.
    pub verdict: Verdict,
}

/// What came out of a replay for one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The very value that is committed to.
    Same,
    /// Dropped here and there; of what nobody can tell without its salt, which is not at hand.
    Dropped,
    /// The same but for pseudonyms, whose key the server has.
    Pseudonymized,
    /// Another value.
    Differs,
    /// Committed to, and it did not come out.
    Missing,
    /// It came out, and is not committed to.
    Surplus,
}

impl Verdict {
    /// Whether the field is what the pipeline makes.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, Self::Same | Self::Dropped | Self::Pseudonymized)
    }

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Dropped => "dropped",
            Self::Pseudonymized => "pseudonymized",
            Self::Differs => "differs",
            Self::Missing => "missing",
            Self::Surplus => "surplus",
        }
    }
}

impl Replay<'_> {
    /// Runs it; one verdict a field of the event and of its retention, by path. It blocks.
    ///
    /// # Errors
    /// [`LedgerError::BadRequest`] where the pipeline makes no such record of the raw record at all, or a component is
    /// missing or refuses its config.
    pub fn run(&self, host: &Host) -> Result<Vec<Compared>, LedgerError> {
        let pipeline = self.pipeline(host)?;
        let mut ran = pipeline.normalize(host, &[self.raw])?;
        let events = match ran.results.pop() {
            Some(Normalized::Events(events)) => events,
            Some(Normalized::Skip(why)) => return Err(other(&format!("it is skipped: {why}"))),
            Some(Normalized::Refused(refusal)) => return Err(other(&refusal.reason())),
            None => return Err(other("nothing comes out")),
        };
        let key = SecretKey::random().map_err(LedgerError::internal)?;
        let redactor = Redactor::new(key, Arc::new(OsRandom)).with_salts(self.openings);
        let classes = self.classes();
        let rules = Rules { host, redactor: &redactor, classes: &classes, openings: false };
        let mut ran = pipeline.finish(&rules, vec![events])?;
        let decided = match ran.results.pop() {
            Some(Ok(decided)) => decided,
            Some(Err(refusal)) => return Err(other(&refusal.reason())),
            None => return Err(other("nothing comes out")),
        };
        let parts = decided.len();
        let decided = decided.into_iter().nth(self.part);
        Ok(self.compare(decided.ok_or_else(|| other(&format!("it gives {parts} events, not so many")))?))
    }

    fn pipeline(&self, host: &Host) -> Result<Pipeline, LedgerError> {
        let Manifest { normalizer, redactors, retention, .. } = self.manifest;
        let fallback = match &normalizer.on_error {
            OnError::Fallback(fallback) => Some(Stage {
                plugin: fallback.plugin,
                config: fallback.config.clone(),
                on_error: OnError::Quarantine,
            }),
            OnError::Quarantine | OnError::Reject => None,
        };
        Ok(Pipeline {
            digest: Digest::of(&self.manifest.to_jcs()?),
            normalizer: self.step(host, normalizer, Kind::Normalizer)?,
            fallback: fallback.as_ref().map(|stage| self.step(host, stage, Kind::Normalizer)).transpose()?,
            redactors: redactors
                .iter()
                .map(|stage| self.step(host, stage, Kind::Redactor))
                .collect::<Result<_, _>>()?,
            retention: self.step(host, retention, Kind::Retention)?,
        })
    }

    fn step(&self, host: &Host, stage: &Stage, kind: Kind) -> Result<Step, LedgerError> {
        let digest = stage.plugin;
        let missing = || LedgerError::BadRequest(format!("the {kind} {digest} is not here"));
        let plugin = self.plugins.get(&digest).ok_or_else(missing)?;
        let config = config_text(stage.config.as_ref())?;
        let configured = host.configure(plugin, &config)?;
        let stage = configured
            .map_err(|refused| LedgerError::BadRequest(format!("{digest} refuses its config: {refused}")))?;
        let plugin = format!("{}@{}", plugin.name, plugin.version);
        Ok(Step { stage, plugin, rejects: false, is_counted: false })
    }

    /// The class that the record is committed to be of: whether the plugin chooses it is what is compared.
    fn classes(&self) -> BTreeMap<String, Class> {
        let committed = self.text("$retention.class").map(str::to_owned);
        let class = Class {
            trigger: Trigger::Received,
            minimum_days: 0,
            maximum_days: None,
            zone: None,
            basis: String::new(),
        };
        committed.into_iter().map(|name| (name, class.clone())).collect()
    }

    fn text(&self, path: &str) -> Option<&str> {
        self.committed.iter().find(|attribute| attribute.path == path).and_then(|attribute| match &attribute
            .value
        {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    fn compare(&self, decided: Decided) -> Vec<Compared> {
        let is_own =
            |path: &str| !path.starts_with('$') || path == "$retention.class" || path == "$retention.rule";
        let committed: BTreeMap<&str, &Value> = self
            .committed
            .iter()
            .map(|attribute| (attribute.path.as_str(), &attribute.value))
            .filter(|(path, _)| is_own(path))
            .collect();
        let mut made: BTreeMap<String, Value> =
            decided.attributes.into_iter().map(|attribute| (attribute.path, attribute.value)).collect();
        if let Some(chosen) = decided.retention.chosen {
            made.insert("$retention.class".to_owned(), Value::Text(chosen.class));
            made.insert("$retention.rule".to_owned(), Value::Text(chosen.rule));
        }
        let paths: BTreeSet<&str> =
            committed.keys().copied().chain(made.keys().map(String::as_str)).collect();
        let has_salt = |path: &str| self.openings.iter().any(|opening| opening.path == path);
        let verdict = |path: &str| match (committed.get(path), made.get(path)) {
            (Some(Value::Dropped(committed)), Some(Value::Dropped(made))) if has_salt(path) => {
                if committed == made { Verdict::Same } else { Verdict::Differs }
            }
            (Some(committed), Some(made)) => of_values(committed, made),
            (Some(_), None) => Verdict::Missing,
            (None, _) => Verdict::Surplus,
        };
        paths.into_iter().map(|path| Compared { path: path.to_owned(), verdict: verdict(path) }).collect()
    }
}

fn of_values(committed: &Value, made: &Value) -> Verdict {
    match (committed, made) {
        (Value::Dropped(_), Value::Dropped(_)) => Verdict::Dropped,
        (committed, made) if committed == made => Verdict::Same,
        (Value::Text(committed), Value::Text(made)) if without_tokens(committed) == without_tokens(made) => {
            Verdict::Pseudonymized
        }
        _ => Verdict::Differs,
    }
}

/// The text with every pseudonym in it cut off behind its beginning.
fn without_tokens(text: &str) -> String {
    let mut parts = text.split(PSEUDONYM);
    let first = parts.next().unwrap_or_default().to_owned();
    let is_of_token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    parts.fold(first, |text, part| text + PSEUDONYM + part.trim_start_matches(is_of_token))
}

fn other(what: &str) -> LedgerError {
    LedgerError::BadRequest(format!("the pipeline makes something else of this raw record: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pseudonyms_are_the_same_wherever_they_stand() {
        let text = |text: &str| Value::Text(text.to_owned());
        for (committed, made, verdict) in [
            ("a", "a", Verdict::Same),
            ("a", "b", Verdict::Differs),
            ("tok1_AAAA", "tok1_BB-_B", Verdict::Pseudonymized),
            ("arn:tok1_AAAA/x", "arn:tok1_BBBB/x", Verdict::Pseudonymized),
            ("arn:tok1_AAAA/x", "arn:tok1_BBBB/y", Verdict::Differs),
            ("tok1_AAAA", "anna", Verdict::Differs),
        ] {
            assert_eq!(of_values(&text(committed), &text(made)), verdict, "{committed} {made}");
        }
        assert_eq!(of_values(&Value::Dropped([1; 32]), &Value::Dropped([2; 32])), Verdict::Dropped);
        assert_eq!(of_values(&Value::Dropped([1; 32]), &text("x")), Verdict::Differs);
        assert_eq!(of_values(&Value::Integer(1), &Value::Integer(2)), Verdict::Differs);
    }
}
