//! Sources: named streams into a log, each bound to a pipeline (role integrator).

use cairnlog_verify::entry::Digest;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::checked_name;
use crate::error::Error;
use crate::logs::Log;
use crate::page::{Page, PageRequest};

/// What a source's raw records go through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pipeline {
    /// Makes events of raw records.
    pub normalizer: Stage<NormalizerErrorPolicy>,
    /// Take away what must not be kept, one after another.
    #[serde(default)]
    pub redactors: Vec<Stage>,
    /// Decides how long each record lives.
    pub retention: Stage,
}

/// A plugin with its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage<P = OnError> {
    /// `sha256:<hex>` or `name@version`.
    pub plugin: String,
    /// Settings of the plugin's own shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Value>,
    /// What happens to a raw record that the plugin fails on; the server's default is to quarantine it.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub on_error: Option<P>,
}

/// serde would ask `P: Default` of a plain `default`.
fn none<P>() -> Option<P> {
    None
}

impl<P> Stage<P> {
    /// The plugin with those settings, and the server's default for failures.
    pub fn new(plugin: impl Into<String>, config: Option<Value>) -> Self {
        Self { plugin: plugin.into(), config, on_error: None }
    }
}

/// What happens to a raw record that a stage fails on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// It is set aside, sealed.
    Quarantine,
    /// The whole request fails.
    Reject,
}

/// The same for a normalizer, which may have a second one behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormalizerErrorPolicy {
    /// It is set aside, sealed.
    Quarantine,
    /// The whole request fails.
    Reject,
    /// Another normalizer tries.
    Fallback(Fallback),
}

/// The normalizer that tries when the first one fails.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fallback {
    /// `sha256:<hex>` or `name@version`.
    pub plugin: String,
    /// Settings of the plugin's own shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Value>,
}

/// The outcome of binding a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The source's name.
    pub source: String,
    /// The digest of the pipeline's manifest.
    pub pipeline: Digest,
    /// Where the log says so: the index of the manifest's entry.
    pub pipeline_index: u64,
    /// Whether the source is new.
    pub new: bool,
}

#[derive(Deserialize)]
struct BoundWire {
    source: String,
    pipeline: Digest,
    pipeline_index: u64,
}

/// A source as the server describes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Source {
    /// Its name.
    pub source: String,
    /// The digest of its pipeline's manifest.
    pub pipeline: Digest,
    /// The index of the manifest's entry.
    pub pipeline_index: u64,
    /// The stages, where the server shows them.
    #[serde(default)]
    pub normalizer: Option<Stage<NormalizerErrorPolicy>>,
    /// The stages, where the server shows them.
    #[serde(default)]
    pub redactors: Vec<Stage>,
    /// The stages, where the server shows them.
    #[serde(default)]
    pub retention: Option<Stage>,
}

impl Log {
    /// `PUT …/sources/{source}`: makes the source, or gives it another pipeline from now on.
    ///
    /// # Errors
    /// [`Error::Input`] for a name that can't be one; a problem: `bad-request` with the plugin's words if it refuses
    /// its config, `not-found` for an unknown plugin, 422 for one of the wrong kind; [`Error::Waits`] where a second person has to approve it; or no usable
    /// answer.
    pub async fn put_source(&self, source: &str, pipeline: &Pipeline) -> Result<Bound, Error> {
        let source = checked_name("source", source)?;
        let call = self.api("binding the source", Method::PUT, &["sources", &source]).json(pipeline)?;
        let answer = self.send(call.slow()).await?.unless_it_waits()?;
        let wire: BoundWire = answer.json()?;
        Ok(Bound {
            source: wire.source,
            pipeline: wire.pipeline,
            pipeline_index: wire.pipeline_index,
            new: answer.is_created(),
        })
    }

    /// `GET …/sources`.
    ///
    /// # Errors
    /// A problem, or no usable answer.
    pub async fn sources(&self, page: &PageRequest) -> Result<Page<Source>, Error> {
        let call = page.apply(self.api_list("listing the sources", &["sources"]));
        self.send(call).await?.json()
    }

    /// `GET …/sources/{source}`.
    ///
    /// # Errors
    /// [`Error::Input`] for a name that can't be one, a problem, or no usable answer.
    pub async fn source(&self, source: &str) -> Result<Source, Error> {
        let source = checked_name("source", source)?;
        let call = self.api("looking at the source", Method::GET, &["sources", &source]);
        self.send(call).await?.json()
    }
}
