//! Sources as integrators name them, and as they are once their plugins are found.

use cairnlog_host::{Host, Kind, Stage as Configured};
use cairnlog_verify::entry::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::canary::CanarySpec;
use crate::error::LedgerError;
use crate::limits::{CONFIG_BYTES_MAX, REDACTORS_MAX};
use crate::manifest::{Fallback, Manifest, ManifestError, OnError, Stage};
use crate::pipeline::{Pipeline, Step};
use crate::registry::Registry;

/// The stages of a source, in an integrator's words.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceSpec {
    /// Turns raw records into events.
    pub normalizer: StageSpec,
    /// Say what must not be kept, one after the other.
    pub redactors: Vec<StageSpec>,
    /// Chooses the retention class.
    pub retention: StageSpec,
}

/// One stage, in an integrator's words.
#[derive(Clone, Debug, PartialEq)]
pub struct StageSpec {
    /// `sha256:<hex>` or `name@version`.
    pub plugin: String,
    /// Its config, if it takes one.
    pub config: Option<Json>,
    /// What becomes of a raw record on which it fails.
    pub on_error: Policy,
}

/// A stage's failure policy.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Policy {
    /// The raw record is quarantined.
    #[default]
    Quarantine,
    /// The request fails and keeps nothing.
    Reject,
    /// Normalizers only: another one tries it; what that fails on is quarantined.
    Fallback {
        /// `sha256:<hex>` or `name@version`.
        plugin: String,
        /// Its config, if it takes one.
        config: Option<Json>,
    },
}

/// A source as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceInfo {
    /// Its name.
    pub source: String,
    /// The digest of its pipeline's manifest.
    pub pipeline: Digest,
    /// The index of the pipeline's entry.
    pub pipeline_index: u64,
    /// Its stages, the plugins named by digest.
    pub manifest: Manifest,
    /// What it was bound to before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Box<Previous>>,
    /// What is tried beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Box<CanarySpec>>,
}

/// What a source was bound to before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Previous {
    /// The digest of that pipeline's manifest.
    pub pipeline: Digest,
    /// The index of that pipeline's entry.
    pub pipeline_index: u64,
    /// Its stages.
    pub manifest: Manifest,
}

impl SourceInfo {
    /// A source that was bound to nothing before.
    pub(crate) fn new(source: &str, pipeline: Digest, pipeline_index: u64, manifest: Manifest) -> Self {
        let source = source.to_owned();
        Self { source, pipeline, pipeline_index, manifest, previous: None, canary: None }
    }

    /// Takes from what the source was what goes on: all, if it is the same pipeline, else that it was before this one.
    pub(crate) fn follow(&mut self, before: Self) {
        let Self { pipeline, pipeline_index, manifest, previous, canary, .. } = before;
        if pipeline == self.pipeline {
            (self.previous, self.canary) = (previous, canary);
        } else {
            self.previous = Some(Box::new(Previous { pipeline, pipeline_index, manifest }));
        }
    }
}

impl SourceSpec {
    /// The manifest, with this nonce, of the plugins that the registry has under these names.
    ///
    /// # Errors
    /// [`LedgerError`]: a plugin that is not there or of another kind, a config that can't be hashed.
    pub(crate) fn resolve(self, registry: &Registry, nonce: String) -> Result<Manifest, LedgerError> {
        if self.redactors.len() > REDACTORS_MAX {
            return Err(LedgerError::BadRequest(format!("a source has {REDACTORS_MAX} redactors at most")));
        }
        let redactors = self.redactors.into_iter().map(|stage| stage.resolve(registry, Kind::Redactor));
        let manifest = Manifest {
            nonce,
            normalizer: self.normalizer.resolve(registry, Kind::Normalizer)?,
            redactors: redactors.collect::<Result<_, _>>()?,
            retention: self.retention.resolve(registry, Kind::Retention)?,
        };
        manifest.to_jcs()?;
        Ok(manifest)
    }
}

impl From<Manifest> for SourceSpec {
    fn from(Manifest { normalizer, redactors, retention, .. }: Manifest) -> Self {
        let redactors = redactors.into_iter().map(StageSpec::from).collect();
        Self { normalizer: normalizer.into(), redactors, retention: retention.into() }
    }
}

impl From<Stage> for StageSpec {
    fn from(Stage { plugin, config, on_error }: Stage) -> Self {
        let on_error = match on_error {
            OnError::Quarantine => Policy::Quarantine,
            OnError::Reject => Policy::Reject,
            OnError::Fallback(Fallback { plugin, config }) => {
                Policy::Fallback { plugin: plugin.to_string(), config }
            }
        };
        Self { plugin: plugin.to_string(), config, on_error }
    }
}

impl StageSpec {
    fn resolve(self, registry: &Registry, kind: Kind) -> Result<Stage, LedgerError> {
        let on_error = match self.on_error {
            Policy::Quarantine => OnError::Quarantine,
            Policy::Reject => OnError::Reject,
            Policy::Fallback { plugin, config } if kind == Kind::Normalizer => {
                OnError::Fallback(Fallback { plugin: find(registry, &plugin, kind)?, config })
            }
            Policy::Fallback { .. } => {
                return Err(LedgerError::BadRequest("only a normalizer has a fallback".to_owned()));
            }
        };
        Ok(Stage { plugin: find(registry, &self.plugin, kind)?, config: self.config, on_error })
    }
}

fn find(registry: &Registry, named: &str, kind: Kind) -> Result<Digest, LedgerError> {
    let found = registry.resolve(named)?;
    registry.signed_by(&found.info)?;
    if found.plugin.kinds.contains(&kind) {
        Ok(found.info.digest)
    } else {
        Err(LedgerError::WrongKind(format!("{} is no {kind}", found.info.name)))
    }
}

impl Manifest {
    /// The plugins that it names, each once, in the order of their stages.
    #[must_use]
    pub fn plugins(&self) -> Vec<Digest> {
        let mut plugins = Vec::new();
        let stages =
            std::iter::once(&self.normalizer).chain(&self.redactors).chain(std::iter::once(&self.retention));
        for stage in stages {
            let fallback = match &stage.on_error {
                OnError::Fallback(fallback) => Some(fallback.plugin),
                OnError::Quarantine | OnError::Reject => None,
            };
            for plugin in std::iter::once(stage.plugin).chain(fallback) {
                if !plugins.contains(&plugin) {
                    plugins.push(plugin);
                }
            }
        }
        plugins
    }

    /// Configures every stage for real. It blocks.
    pub(crate) fn configure(
        &self,
        host: &Host,
        registry: &Registry,
        digest: Digest,
    ) -> Result<Pipeline, LedgerError> {
        let step = |stage: &Stage| step(host, registry, stage.plugin, stage.config.as_ref(), &stage.on_error);
        let fallback = match &self.normalizer.on_error {
            OnError::Fallback(fallback) => {
                Some(step_of(host, registry, fallback.plugin, fallback.config.as_ref(), false)?)
            }
            OnError::Quarantine | OnError::Reject => None,
        };
        Ok(Pipeline {
            digest,
            normalizer: step(&self.normalizer)?,
            fallback,
            redactors: self.redactors.iter().map(step).collect::<Result<_, _>>()?,
            retention: step(&self.retention)?,
        })
    }
}

fn step(
    host: &Host,
    registry: &Registry,
    plugin: Digest,
    config: Option<&Json>,
    on_error: &OnError,
) -> Result<Step, LedgerError> {
    step_of(host, registry, plugin, config, *on_error == OnError::Reject)
}

fn step_of(
    host: &Host,
    registry: &Registry,
    plugin: Digest,
    config: Option<&Json>,
    rejects: bool,
) -> Result<Step, LedgerError> {
    let found = registry
        .get(&plugin)
        .ok_or_else(|| LedgerError::Internal(format!("plugin {plugin} of a pipeline is not in the store")))?;
    let plugin = format!("{}@{}", found.info.name, found.info.version);
    let config = config_text(config)?;
    let stage: Configured = host
        .configure(&found.plugin, &config)?
        .map_err(|refused| LedgerError::BadRequest(format!("{plugin} refuses its config: {refused}")))?;
    Ok(Step { stage, plugin, rejects, is_counted: true })
}

/// The config as the plugin is given it: RFC 8785, the empty object where there is none.
pub(crate) fn config_text(config: Option<&Json>) -> Result<String, LedgerError> {
    let Some(config) = config else { return Ok("{}".to_owned()) };
    let text = serde_jcs::to_string(config).map_err(LedgerError::internal)?;
    if text.len() > CONFIG_BYTES_MAX {
        return Err(LedgerError::BadRequest(format!(
            "a stage's config has {CONFIG_BYTES_MAX} bytes at most"
        )));
    }
    Ok(text)
}

impl From<ManifestError> for LedgerError {
    fn from(error: ManifestError) -> Self {
        Self::BadRequest(error.to_string())
    }
}
