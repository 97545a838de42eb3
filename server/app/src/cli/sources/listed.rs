//! A source as commands show it.

use std::collections::BTreeMap;

use cairnlog_client::{NormalizerErrorPolicy, OnError, Pipeline, Source, Stage};
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
        let Source { normalizer, redactors, retention, .. } = &self.source;
        if let (Output::Table, Some(normalizer), Some(retention)) = (output, normalizer, retention) {
            let (normalizer, redactors) = (normalizer.clone(), redactors.clone());
            print_stages(&Pipeline { normalizer, redactors, retention: retention.clone() }, &self.names)?;
        }
        Ok(())
    }

    fn name(&self, plugin: &str) -> String {
        name(&self.names, plugin)
    }
}

fn name(names: &BTreeMap<String, String>, plugin: &str) -> String {
    names.get(plugin).map_or(plugin, String::as_str).to_owned()
}

/// A pipeline's stages, a row each.
pub(in crate::cli) fn print_stages(
    pipeline: &Pipeline,
    names: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let Pipeline { normalizer, redactors, retention } = pipeline;
    let row = |role: &str, plugin: &str, policy: &str, config: &Option<Value>| {
        let config = config.as_ref().map(Value::to_string).unwrap_or_default();
        vec![role.to_owned(), name(names, plugin), policy.to_owned(), config]
    };
    let other = |role, stage: &Stage| {
        let policy = if stage.on_error == Some(OnError::Reject) { "reject" } else { "quarantine" };
        row(role, &stage.plugin, policy, &stage.config)
    };
    let mut stages = match &normalizer.on_error {
        Some(NormalizerErrorPolicy::Fallback(fallback)) => vec![
            row("normalizer", &normalizer.plugin, "fallback", &normalizer.config),
            row("fallback", &fallback.plugin, "quarantine", &fallback.config),
        ],
        Some(NormalizerErrorPolicy::Reject) => {
            vec![row("normalizer", &normalizer.plugin, "reject", &normalizer.config)]
        }
        Some(NormalizerErrorPolicy::Quarantine) | None => {
            vec![row("normalizer", &normalizer.plugin, "quarantine", &normalizer.config)]
        }
    };
    stages.extend(redactors.iter().map(|stage| other("redactor", stage)));
    stages.push(other("retention", retention));
    println!();
    rows(&mut std::io::stdout(), &["stage", "plugin", "on error", "config"], stages)?;
    Ok(())
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
