//! What pipelines can't process, tried again or given up; and dry runs (role integrator).

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::checked_name;
use crate::error::Error;
use crate::events::ContentType;
use crate::logs::Log;
use crate::messages::PluginMessage;
use crate::page::{Page, PageRequest};
use crate::records::{AppliedRedaction, RecordRetention};
use crate::sources::Pipeline;

/// A quarantined raw record, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SetAside {
    /// The index of its quarantine entry.
    pub index: u64,
    /// The source that it came to.
    pub source: String,
    /// When, RFC 3339 UTC.
    pub received: String,
    /// A stable word: `rejected`, `trap`, `too-large` …
    pub reason: String,
    /// What happened, in the plugin's or the server's words.
    pub detail: String,
    /// Bytes of its body.
    pub size: u64,
}

/// Which raw records to try again, and how.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Retry {
    /// Of this source alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// These; without, those from `from` on, as many as one request takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub indices: Option<Vec<u64>>,
    /// The first index to look at.
    pub from: u64,
    /// Only asks what would become of them.
    pub dry_run: bool,
    /// With `dry_run`: as if the source had this pipeline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<Pipeline>,
}

/// What became of raw records that were tried again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RetryAnswer {
    /// How many are logged now.
    pub logged: u64,
    /// How many hold nothing worth a record.
    pub skipped: u64,
    /// How many are still not understood.
    pub quarantined: u64,
    /// How many a legal hold covers.
    pub held: u64,
    /// One row each.
    pub results: Vec<Retried>,
    /// The `from` to go on with, if there may be more.
    #[serde(default)]
    pub next: Option<u64>,
}

/// What became of one of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Retried {
    /// The index of its quarantine entry.
    pub index: u64,
    /// `logged`, `skipped`, `quarantined`, `rejected` (of a dry run), `held` or `absent`.
    pub status: String,
    /// The index of its first record.
    #[serde(default)]
    pub first: Option<u64>,
    /// How many records it gave.
    #[serde(default)]
    pub records: Option<u64>,
    /// Why it was not logged.
    #[serde(default)]
    pub reason: Option<String>,
    /// Of a dry run: the fuel that all stages spent.
    #[serde(default)]
    pub fuel: Option<u64>,
}

/// What a pipeline would make of a raw record.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Trial {
    /// `logged`, `quarantined`, `skipped`, or `rejected` with the request.
    pub outcome: String,
    /// Why it would not be logged.
    #[serde(default)]
    pub reason: Option<String>,
    /// What would be logged, nested.
    pub events: Vec<Value>,
    /// Of each event, what would be taken from it.
    pub redactions: Vec<Vec<AppliedRedaction>>,
    /// Of each event, how long it would live.
    pub retention: Vec<RecordRetention>,
    /// Fuel that all stages spent.
    pub fuel: u64,
    /// Fuel that one stage may spend on a raw record of this size.
    pub fuel_max: u64,
    /// What its plugins said.
    #[serde(default)]
    pub messages: Vec<PluginMessage>,
}

#[derive(Deserialize)]
struct Trials {
    results: Vec<Trial>,
}

#[derive(Serialize)]
struct Reason<'a> {
    reason: &'a str,
}

impl Log {
    /// `GET …/quarantine`: of one source, or of all.
    ///
    /// # Errors
    /// A problem, or no usable answer.
    pub async fn quarantine(
        &self,
        source: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<SetAside>, Error> {
        let call = self.api_list("listing the quarantine", &["quarantine"]).query("source", source);
        self.send(page.apply(call)).await?.json()
    }

    /// `POST …/quarantine/retry`.
    ///
    /// # Errors
    /// A problem, or no usable answer.
    pub async fn retry(&self, retry: &Retry) -> Result<RetryAnswer, Error> {
        let segments = ["quarantine", "retry"];
        let call = self.api("trying quarantined records again", Method::POST, &segments).json(retry)?;
        self.send(call.slow()).await?.json()
    }

    /// `POST …/quarantine/{index}/discard`: its bytes go, and an entry says so.
    ///
    /// # Errors
    /// A problem: `not-found`, `held`; or no usable answer.
    pub async fn discard(&self, index: u64, reason: &str) -> Result<(), Error> {
        let segments = ["quarantine", &index.to_string(), "discard"];
        let call = self.api("discarding a quarantined record", Method::POST, &segments);
        self.send(call.json(&Reason { reason })?).await.map(drop)
    }

    /// `POST …/sources/{source}/dry-run`: what the source's pipeline would make of raw records; nothing is kept.
    ///
    /// # Errors
    /// [`Error::Input`] for a name that can't be one, a problem, or no usable answer.
    pub async fn dry_run(
        &self,
        source: &str,
        content_type: ContentType,
        body: impl Into<bytes::Bytes>,
    ) -> Result<Vec<Trial>, Error> {
        let source = checked_name("source", source)?;
        let call = self.api("trying raw records", Method::POST, &["sources", &source, "dry-run"]);
        let call = call.body(content_type.media_type(), body.into());
        let trials: Trials = self.send(call.slow()).await?.json()?;
        Ok(trials.results)
    }
}
