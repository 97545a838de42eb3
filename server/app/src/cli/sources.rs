//! `source set`, `source show`, `source list`, `source dry-run` (role integrator); the rest of `source` is in [`rollout`].

pub(super) mod listed;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use cairnlog_client::{
    Bound, Client, NormalizerErrorPolicy, OnError, Pipeline, Plugin, PluginMessage, Stage, Trial,
};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::batch::guess;
use super::connect::{LogConnection, all};
use super::exit::{Exit, Failure};
use super::ingest::ContentTypeName;
use super::limits::SMALL_FILE_BYTES_MAX;
use super::output::{Output, Shown, rows};
use super::records::{redaction_json, retention_json};
use super::rollout;
use crate::limits::INGEST_BYTES_MAX;
use listed::Listed;

const EXAMPLES: &str = "\
A plugin is given as NAME, NAME@VERSION or sha256:HEX; NAME alone will do where one version of it is there.

Example:
  cairnlog source set aws --normalizer aws-cloudtrail \\
    --redactor redact-fields=examples/pipelines/aws-cloudtrail.redact.json \\
    --retention retention-schedule=examples/pipelines/aws-cloudtrail.retention.json";

#[derive(Subcommand)]
pub(super) enum Command {
    /// Bind a source to a pipeline, from its next batch on.
    #[command(after_help = EXAMPLES)]
    Set {
        /// 1 to 64 of a-z, 0-9 and -.
        name: String,
        #[command(flatten)]
        stages: Stages,
        #[command(flatten)]
        connection: LogConnection,
    },
    /// Bind a source to the pipeline that it had before its present one; once more, and it has the present one again.
    #[command(after_help = "Example:\n  cairnlog source rollback aws")]
    Rollback {
        /// The source's name.
        name: String,
        #[command(flatten)]
        connection: LogConnection,
    },
    /// Show what the plugins of a source said lately (roles auditor and reidentify: it may quote records as they came).
    #[command(after_help = "Example:\n  cairnlog source messages aws")]
    Messages {
        /// The source's name.
        name: String,
        #[command(flatten)]
        connection: LogConnection,
    },
    /// Try another pipeline beside a source's own, over a share of its batches.
    #[command(subcommand)]
    Canary(rollout::Command),
    /// Say what a source's pipeline would make of raw records; nothing is logged.
    #[command(after_help = "Example:\n  cairnlog source dry-run aws trail.ndjson")]
    DryRun {
        /// The source's name.
        name: String,
        /// The raw records; `-` is standard input.
        file: PathBuf,
        /// How the file is cut into raw records; by its name if left out.
        #[arg(long, value_enum, value_name = "TYPE")]
        content_type: Option<ContentTypeName>,
        #[command(flatten)]
        connection: LogConnection,
    },
    /// Show a source: its stages and their configs, what it was bound to before, and whether another pipeline is tried beside it.
    #[command(after_help = "Example:\n  cairnlog source show aws")]
    Show {
        /// The source's name.
        name: String,
        #[command(flatten)]
        connection: LogConnection,
    },
    /// List the sources.
    List {
        #[command(flatten)]
        connection: LogConnection,
    },
}

/// A source's stages.
#[derive(clap::Args)]
pub(super) struct Stages {
    /// The plugin that makes events of raw records, with its config if it takes one.
    #[arg(long, value_name = "PLUGIN[=CONFIG.json]")]
    normalizer: StageArg,
    /// A plugin that takes away what must not be kept; may be given several times, in order.
    #[arg(long = "redactor", value_name = "PLUGIN[=CONFIG.json]")]
    redactors: Vec<StageArg>,
    /// The plugin that decides how long a record lives.
    #[arg(long, value_name = "PLUGIN[=CONFIG.json]")]
    retention: StageArg,
    /// What becomes of a raw record that a plugin can't process.
    #[arg(long, value_enum, default_value = "quarantine", value_name = "POLICY")]
    on_error: OnErrorName,
}

impl Stages {
    /// The pipeline that they name, where the server has their plugins.
    pub(super) async fn pipeline(self, client: &Client) -> Result<Pipeline, Failure> {
        let Self { normalizer, redactors, retention, on_error } = self;
        let (of_normalizer, of_others) = match on_error {
            OnErrorName::Quarantine => (NormalizerErrorPolicy::Quarantine, OnError::Quarantine),
            OnErrorName::Reject => (NormalizerErrorPolicy::Reject, OnError::Reject),
        };
        let mut stages = Vec::new();
        for redactor in redactors {
            stages.push(stage(client, redactor, of_others).await?);
        }
        Ok(Pipeline {
            normalizer: stage(client, normalizer, of_normalizer).await?,
            redactors: stages,
            retention: stage(client, retention, of_others).await?,
        })
    }
}

/// What becomes of a raw record that a plugin can't process.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum OnErrorName {
    /// It is set aside, sealed; its neighbours are logged.
    Quarantine,
    /// The whole request is refused.
    Reject,
}

/// A plugin and the file of its config, as the command line names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StageArg {
    plugin: String,
    config: Option<PathBuf>,
}

impl std::str::FromStr for StageArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (plugin, config) = match text.split_once('=') {
            Some((plugin, config)) => (plugin, Some(config)),
            None => (text, None),
        };
        if plugin.is_empty() || config.is_some_and(str::is_empty) {
            return Err("a stage is PLUGIN or PLUGIN=CONFIG.json".to_owned());
        }
        Ok(Self { plugin: plugin.to_owned(), config: config.map(PathBuf::from) })
    }
}

pub(super) async fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Set { name, stages, connection } => {
            let pipeline = stages.pipeline(&connection.connection.client()?).await?;
            let bound = connection.log().await?.put_source(&name, &pipeline).await?;
            connection.output().one(&mut std::io::stdout(), &bound)?;
        }
        Command::Messages { name, connection } => {
            let messages = connection.log().await?.messages(&name).await?;
            connection.output().list(&mut std::io::stdout(), &messages)?;
        }
        Command::Rollback { name, connection } => return rollout::roll_back(&name, &connection).await,
        Command::Canary(command) => return rollout::canary(command).await,
        Command::DryRun { name, file, content_type, connection } => {
            let body = read_bounded(&file, INGEST_BYTES_MAX as u64)?;
            let content_type = content_type.map_or_else(|| guess(&file), Into::into);
            let trials = connection.log().await?.dry_run(&name, content_type, body).await?;
            connection.output().list(&mut std::io::stdout(), &trials)?;
            let messages: Vec<_> =
                trials.iter().flat_map(|trial| &trial.messages).map(Shown::cells).collect();
            if connection.output() == Output::Table && !messages.is_empty() {
                println!();
                rows(&mut std::io::stdout(), PluginMessage::COLUMNS, messages)?;
            }
        }
        Command::Show { name, connection } => {
            show(&name, &connection).await?;
        }
        Command::List { connection } => {
            let log = connection.log().await?;
            let names = names(&connection.connection.client()?).await?;
            let sources = all(async |page| log.sources(page).await).await?;
            let sources: Vec<_> =
                sources.into_iter().map(|source| Listed { source, names: names.clone() }).collect();
            connection.output().list(&mut std::io::stdout(), &sources)?;
        }
    }
    Ok(Exit::Good)
}

/// A source as it is now.
async fn show(name: &str, connection: &LogConnection) -> Result<(), Failure> {
    let source = connection.log().await?.source(name).await?;
    let names = names(&connection.connection.client()?).await?;
    Listed { source, names }.print(connection.output())
}

/// What a source was bound to in one call: for people, as it is now.
pub(super) async fn show_bound(bound: &Bound, connection: &LogConnection) -> Result<(), Failure> {
    if connection.output() == Output::Table {
        return show(&bound.source, connection).await;
    }
    connection.output().one(&mut std::io::stdout(), bound)?;
    Ok(())
}

/// The plugins' names and versions by their digests.
pub(super) async fn names(client: &Client) -> Result<BTreeMap<String, String>, Failure> {
    let plugins = all(async |page| client.plugins(page).await).await?;
    let title = |plugin: Plugin| (plugin.digest.to_string(), format!("{}@{}", plugin.name, plugin.version));
    Ok(plugins.into_iter().map(title).collect())
}

async fn stage<P>(client: &Client, arg: StageArg, on_error: P) -> Result<Stage<P>, Failure> {
    let config = arg.config.as_deref().map(read_json).transpose()?;
    Ok(Stage { plugin: resolve(client, arg.plugin).await?, config, on_error: Some(on_error) })
}

/// A bare name stands for the only version of the plugin.
async fn resolve(client: &Client, plugin: String) -> Result<String, Failure> {
    if plugin.starts_with("sha256:") || plugin.contains('@') {
        return Ok(plugin);
    }
    let plugins = all(async |page| client.plugins(page).await).await?;
    only_version(&plugins, &plugin)
}

fn only_version(plugins: &[Plugin], name: &str) -> Result<String, Failure> {
    let versions: Vec<_> = plugins
        .iter()
        .filter(|plugin| plugin.name == name)
        .map(|plugin| format!("{name}@{}", plugin.version))
        .collect();
    match versions.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Failure::refused(format!(
            "the server has no plugin {name}; upload it with `cairnlog plugin push`"
        ))),
        several => {
            Err(Failure::usage(format!("{name} has several versions; choose one: {}", several.join(", "))))
        }
    }
}

/// A JSON file.
pub(super) fn read_json(path: &Path) -> Result<Value, Failure> {
    let text = read_small(path)?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("{} is not JSON: {error}", path.display())))
}

/// A small text file.
pub(super) fn read_small(path: &Path) -> Result<String, Failure> {
    let bytes = read_bounded(path, SMALL_FILE_BYTES_MAX)?;
    String::from_utf8(bytes)
        .map_err(|_| Failure::cannot_tell(format!("{} is not UTF-8 text", path.display())))
}

/// A file of at most so many bytes; `-` is standard input.
pub(super) fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::file(path, &error);
    let file: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(path).map_err(failed)?)
    };
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > most {
        return Err(Failure::cannot_tell(format!("{} has more than {most} bytes", path.display())));
    }
    Ok(bytes)
}

impl Shown for Bound {
    const COLUMNS: &'static [&'static str] = &["source", "pipeline", "pipeline entry", "new"];

    fn cells(&self) -> Vec<String> {
        let new = if self.new { "yes" } else { "no" };
        vec![self.source.clone(), self.pipeline.to_string(), self.pipeline_index.to_string(), new.to_owned()]
    }

    fn json(&self) -> Value {
        json!({
            "source": self.source,
            "pipeline": self.pipeline.to_string(),
            "pipeline_index": self.pipeline_index,
            "new": self.new,
        })
    }
}

impl Shown for Trial {
    const COLUMNS: &'static [&'static str] =
        &["outcome", "events", "redactions", "class", "fuel", "of", "reason"];

    fn cells(&self) -> Vec<String> {
        let redactions: usize = self.redactions.iter().map(Vec::len).sum();
        let classes: Vec<_> = self.retention.iter().map(|retention| retention.class.clone()).collect();
        vec![
            self.outcome.clone(),
            self.events.len().to_string(),
            redactions.to_string(),
            classes.join(" "),
            self.fuel.to_string(),
            self.fuel_max.to_string(),
            self.reason.clone().unwrap_or_default(),
        ]
    }

    fn json(&self) -> Value {
        let redactions = self.redactions.iter();
        let redactions: Vec<Vec<Value>> =
            redactions.map(|redactions| redactions.iter().map(redaction_json).collect()).collect();
        let mut trial = json!({
            "outcome": self.outcome,
            "events": self.events,
            "redactions": redactions,
            "retention": self.retention.iter().map(retention_json).collect::<Vec<_>>(),
            "fuel": self.fuel,
            "fuel_max": self.fuel_max,
            "messages": self.messages.iter().map(Shown::json).collect::<Vec<_>>(),
        });
        if let Some(reason) = &self.reason {
            trial["reason"] = reason.clone().into();
        }
        trial
    }
}

impl Shown for PluginMessage {
    const COLUMNS: &'static [&'static str] = &["at", "plugin", "level", "message"];

    fn cells(&self) -> Vec<String> {
        let at = self.at.clone().unwrap_or_else(|| "-".to_owned());
        vec![at, self.plugin.clone(), self.level.clone(), self.message.clone()]
    }

    fn json(&self) -> Value {
        json!({"at": self.at, "plugin": self.plugin, "level": self.level, "message": self.message})
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_stage_is_a_plugin_and_perhaps_a_file() {
        let parse = |text: &str| text.parse::<StageArg>();
        assert_eq!(parse("p").unwrap(), StageArg { plugin: "p".to_owned(), config: None });
        let with = parse("sha256:00=a=b.json").unwrap();
        assert_eq!((with.plugin.as_str(), with.config), ("sha256:00", Some(PathBuf::from("a=b.json"))));
        assert!(parse("").is_err() && parse("p=").is_err() && parse("=c").is_err());
    }

    #[test]
    fn a_bare_name_is_its_only_version() {
        let plugin = |name: &str, version: &str| -> Plugin {
            let digest = format!("sha256:{}", "0".repeat(64));
            serde_json::from_value(
                json!({"digest": digest, "name": name, "version": version, "kinds": [], "imports": []}),
            )
            .unwrap()
        };
        let plugins = [plugin("a", "1"), plugin("b", "1"), plugin("b", "2")];
        assert_eq!(only_version(&plugins, "a").unwrap(), "a@1");
        assert_eq!(only_version(&plugins, "b").unwrap_err().exit, Exit::Usage);
        assert_eq!(only_version(&plugins, "c").unwrap_err().exit, Exit::Refused);
    }
}
