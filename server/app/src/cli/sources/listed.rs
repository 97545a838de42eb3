//! A source as commands show it.

use std::collections::BTreeMap;

use cairnlog_client::{NormalizerErrorPolicy, OnError, Source, Stage};
use serde_json::{Value, json};

use crate::cli::exit::Failure;
use crate::cli::output::{Output, Shown, rows};

/// A source, its plugins by name and version where these are known.
pub(super) struct Listed {
    pub(super) source: Source,
    /// The plugins' names and versions by their digests.
    pub(super) names: BTreeMap<String, String>,
}

impl Listed {
    /// As a table: a row for each stage below what it is bound to.
    pub(super) fn print(&self, output: Output) -> Result<(), Failure> {
        let mut stdout = std::io::stdout();
        output.one(&mut stdout, self)?;
        if output == Output::Table {
            println!();
            rows(&mut stdout, &["stage", "plugin", "on error", "config"], self.stages())?;
        }
        Ok(())
    }

    fn name(&self, plugin: &str) -> String {
        self.names.get(plugin).map_or(plugin, String::as_str).to_owned()
    }

    /// Its stages, a row each.
    fn stages(&self) -> Vec<Vec<String>> {
        let Source { normalizer, redactors, retention, .. } = &self.source;
        let config = |config: &Option<Value>| config.as_ref().map(Value::to_string).unwrap_or_default();
        let row = |role: &str, plugin: &str, policy: String, given: &Option<Value>| {
            vec![role.to_owned(), self.name(plugin), policy, config(given)]
        };
        let other = |role, stage: &Stage| {
            let policy = if stage.on_error == Some(OnError::Reject) { "reject" } else { "quarantine" };
            row(role, &stage.plugin, policy.to_owned(), &stage.config)
        };
        let mut stages = Vec::new();
        if let Some(stage) = normalizer {
            let policy = match &stage.on_error {
                Some(NormalizerErrorPolicy::Fallback(_)) => "fallback",
                Some(NormalizerErrorPolicy::Reject) => "reject",
                Some(NormalizerErrorPolicy::Quarantine) | None => "quarantine",
            };
            stages.push(row("normalizer", &stage.plugin, policy.to_owned(), &stage.config));
            if let Some(NormalizerErrorPolicy::Fallback(fallback)) = &stage.on_error {
                stages.push(row("fallback", &fallback.plugin, "quarantine".to_owned(), &fallback.config));
            }
        }
        stages.extend(redactors.iter().map(|stage| other("redactor", stage)));
        stages.extend(retention.iter().map(|stage| other("retention", stage)));
        stages
    }
}

impl Shown for Listed {
    const COLUMNS: &'static [&'static str] =
        &["source", "normalizer", "redactors", "retention", "pipeline entry", "entry before", "canary"];

    fn cells(&self) -> Vec<String> {
        let source = &self.source;
        let redactors: Vec<_> = source.redactors.iter().map(|stage| self.name(&stage.plugin)).collect();
        let normalizer = source.normalizer.as_ref().map(|stage| self.name(&stage.plugin));
        let retention = source.retention.as_ref().map(|stage| self.name(&stage.plugin));
        vec![
            source.source.clone(),
            normalizer.unwrap_or_default(),
            redactors.join(" "),
            retention.unwrap_or_default(),
            source.pipeline_index.to_string(),
            source.previous.as_ref().map(|previous| previous.pipeline_index.to_string()).unwrap_or_default(),
            source.canary_percent.map(|percent| format!("{percent} %")).unwrap_or_default(),
        ]
    }

    fn json(&self) -> Value {
        let source = &self.source;
        let mut json = json!({
            "source": source.source,
            "pipeline": source.pipeline.to_string(),
            "pipeline_index": source.pipeline_index,
            "normalizer": source.normalizer,
            "redactors": source.redactors,
            "retention": source.retention,
        });
        if let Some(previous) = &source.previous {
            json["previous"] = json!({
                "pipeline": previous.pipeline.to_string(),
                "pipeline_index": previous.pipeline_index,
            });
        }
        if let Some(percent) = source.canary_percent {
            json["canary_percent"] = percent.into();
        }
        json
    }
}
