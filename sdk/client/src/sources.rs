//! Sources: named streams into a log, each bound to a pipeline (role integrator).

use cairnlog_verify::entry::Digest;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::checked_name;
use crate::error::Error;
use crate::logs::Log;
use crate::page::{Page, PageRequest};
use crate::transport::Call;

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

/// A pipeline that is tried beside a source's own, and what it came to.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Canary {
    /// The source.
    pub source: String,
    /// Of a hundred batches, how many it is run over.
    pub percent: u8,
    /// What is tried.
    #[serde(flatten)]
    pub pipeline: Pipeline,
    /// Since when it is tried, RFC 3339 UTC.
    pub since: String,
    /// Since when the figures below count, RFC 3339 UTC: since then, or since the server started.
    pub counted_since: String,
    /// Batches over which it was run.
    pub batches: u64,
    /// Batches whose turn it was, and over which it was not.
    pub batches_missed: u64,
    /// Raw records of the batches.
    pub records: u64,
    /// Raw records that it was handed since the figures were last shown: they are for 100 or more.
    pub waiting: u64,
    /// Raw records of which it makes the very same.
    pub same: u64,
    /// Raw records with another fate than in the log.
    pub fates: Vec<CanaryFate>,
    /// Raw records of which other events would be logged, by what differs.
    pub members: Vec<CanaryMember>,
    /// Raw records that it refuses, by reason.
    pub refused: Vec<CanaryRefused>,
}

/// Raw records with another fate than in the log.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CanaryFate {
    /// Their fate in the log: `logged`, `skipped` or `quarantined`.
    pub kept: String,
    /// What it would have been.
    pub canary: String,
    /// How many.
    pub records: u64,
}

/// Raw records of which something differs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CanaryMember {
    /// A top-level member of OCSF's events, `events` for their number, `retention`, or `other`.
    pub member: String,
    /// How many.
    pub records: u64,
}

/// Raw records that are refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CanaryRefused {
    /// A stable word: `rejected`, `trap`, `bad-return` …
    pub reason: String,
    /// How many.
    pub records: u64,
}

#[derive(Serialize)]
struct CanaryWire<'a> {
    percent: u8,
    #[serde(flatten)]
    pipeline: &'a Pipeline,
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
    /// What it was bound to before.
    #[serde(default)]
    pub previous: Option<Previous>,
    /// Of a hundred batches, over how many another pipeline is tried beside it.
    #[serde(default)]
    pub canary_percent: Option<u8>,
}

/// What a source was bound to before.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Previous {
    /// The digest of that pipeline's manifest.
    pub pipeline: Digest,
    /// The index of that manifest's entry.
    pub pipeline_index: u64,
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
        self.bound(call).await
    }

    async fn bound(&self, call: Call) -> Result<Bound, Error> {
        let answer = self.send(call.slow()).await?.unless_it_waits()?;
        let wire: BoundWire = answer.json()?;
        Ok(Bound {
            source: wire.source,
            pipeline: wire.pipeline,
            pipeline_index: wire.pipeline_index,
            new: answer.is_created(),
        })
    }

    /// `POST …/sources/{source}/rollback`: gives it the pipeline that it had before its present one.
    ///
    /// # Errors
    /// [`Error::Input`] for a name that can't be one; a problem, `conflict` where it had no other; [`Error::Waits`]; or no usable
    /// answer.
    pub async fn roll_back(&self, source: &str) -> Result<Bound, Error> {
        let source = checked_name("source", source)?;
        self.bound(self.api("rolling the source back", Method::POST, &["sources", &source, "rollback"])).await
    }

    /// `PUT …/sources/{source}/canary`: tries a pipeline beside the source's own, over so many of a hundred batches.
    ///
    /// # Errors
    /// Those of [`put_source`](Self::put_source).
    pub async fn put_canary(&self, source: &str, pipeline: &Pipeline, percent: u8) -> Result<Canary, Error> {
        let source = checked_name("source", source)?;
        let call = self
            .api("trying a pipeline", Method::PUT, &["sources", &source, "canary"])
            .json(&CanaryWire { percent, pipeline })?;
        self.send(call.slow()).await?.json()
    }

    /// `GET …/sources/{source}/canary`: what it came to so far.
    ///
    /// # Errors
    /// [`Error::Input`] for a name that can't be one; a problem, `not-found` where nothing is tried; or no usable answer.
    pub async fn canary(&self, source: &str) -> Result<Canary, Error> {
        let source = checked_name("source", source)?;
        let call = self.api("looking at the canary", Method::GET, &["sources", &source, "canary"]);
        self.send(call).await?.json()
    }

    /// `DELETE …/sources/{source}/canary`: ends the trial.
    ///
    /// # Errors
    /// Those of [`canary`](Self::canary).
    pub async fn stop_canary(&self, source: &str) -> Result<(), Error> {
        let source = checked_name("source", source)?;
        let call = self.api("stopping the canary", Method::DELETE, &["sources", &source, "canary"]);
        self.send(call).await.map(drop)
    }

    /// `POST …/sources/{source}/canary/promote`: gives the source what is tried.
    ///
    /// # Errors
    /// Those of [`canary`](Self::canary) and [`put_source`](Self::put_source).
    pub async fn promote_canary(&self, source: &str) -> Result<Bound, Error> {
        let source = checked_name("source", source)?;
        let segments = ["sources", &source, "canary", "promote"];
        self.bound(self.api("promoting the canary", Method::POST, &segments)).await
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
