//! Logs: making, listing, looking at them.

use reqwest::{Method, Response};
use serde::{Deserialize, Serialize};

use crate::client::{Client, api, api_list};
use crate::error::Error;
use crate::page::{Page, PageRequest};
use crate::secret::Secret;
use crate::tiles::TileLog;
use crate::transport::{Answer, Call};

/// One log of a server.
#[derive(Debug, Clone)]
pub struct Log {
    pub(crate) client: Client,
    pub(crate) name: String,
}

/// What a log takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Raw records through pipelines.
    Records,
    /// Bytes as they come.
    Opaque,
}

/// A log to be made.
#[derive(Debug, Clone, Serialize)]
pub struct NewLog {
    /// `[a-z0-9-]{1,64}`, unique on the server.
    pub name: String,
    /// The log's identity in checkpoints; the server's default is its public host and the log's path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The server's default is [`Mode::Records`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Whether only tokens of the log see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private: Option<bool>,
    /// `PRIVATE+KEY+…` notes to sign with; where there are none, the server makes its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_keys: Option<Vec<Secret>>,
    /// Of [`Mode::Opaque`]: whether an entry equal to an earlier one is not added again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dedupe: Option<bool>,
}

impl NewLog {
    /// A log of that name, all else as the server has it by default.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), origin: None, mode: None, private: None, signing_keys: None, dedupe: None }
    }
}

/// What a log's keyring is wrapped by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KekInfo {
    /// The id of the key-encryption key.
    pub kek: String,
    /// How often the keyring has been written.
    pub keyring_epoch: u64,
}

/// New keys for a log. The old ones sign beside them until they end.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NewKeys {
    /// `PRIVATE+KEY+…` notes to sign with; where there are none, the server makes its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_keys: Option<Vec<Secret>>,
    /// How many more entries the old keys sign for; the server's default is 1,000,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap: Option<u64>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A log as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LogInfo {
    /// Its name in addresses.
    pub name: String,
    /// Its identity in checkpoints.
    pub origin: String,
    /// What it takes.
    pub mode: Mode,
    /// Whether only tokens of the log see it.
    pub private: bool,
    /// Whether an entry equal to an earlier one is not added again.
    #[serde(default)]
    pub dedupe: bool,
    /// Whether it takes nothing more.
    #[serde(default)]
    pub frozen: bool,
    /// The current Ed25519 key (a vkey). Learn it over a channel you trust before you rely on it.
    pub verifier_key: String,
    /// All current keys (vkeys).
    pub verifier_keys: Vec<String>,
    /// Entries in the tree.
    pub tree_size: u64,
    /// When it was made, RFC 3339 UTC.
    pub created: String,
    /// The witnesses that are asked to cosign its tree heads, by the names of their keys.
    #[serde(default)]
    pub witnesses: Vec<String>,
}

impl Client {
    /// `POST /api/v1/logs` (role admin).
    ///
    /// # Errors
    /// A problem, `conflict` among others where the name or the origin is taken, or no usable answer.
    pub async fn create_log(&self, new: &NewLog) -> Result<LogInfo, Error> {
        let call = api("creating the log", Method::POST, &["logs"]).json(new)?;
        self.send(call.slow()).await?.json()
    }

    /// `GET /api/v1/logs`: those that the token sees.
    ///
    /// # Errors
    /// A problem, or no usable answer.
    pub async fn logs(&self, page: &PageRequest) -> Result<Page<LogInfo>, Error> {
        let call = page.apply(api_list("listing the logs", &["logs"]));
        self.send(call).await?.json()
    }
}

impl Log {
    /// The log's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `GET /api/v1/logs/{log}`.
    ///
    /// # Errors
    /// A problem, `not-found` among others, or no usable answer.
    pub async fn info(&self) -> Result<LogInfo, Error> {
        self.send(self.api("looking at the log", Method::GET, &[])).await?.json()
    }

    /// `POST /api/v1/logs/{log}/freeze` (role admin): the log takes nothing more, for good.
    ///
    /// # Errors
    /// A problem, or no usable answer.
    pub async fn freeze(&self) -> Result<LogInfo, Error> {
        let call = self.api("freezing the log", Method::POST, &["freeze"]);
        self.send(call.slow()).await?.json()
    }

    /// `POST /api/v1/logs/{log}/keys` (role admin): new keys sign from now on.
    ///
    /// # Errors
    /// A problem, or no usable answer.
    pub async fn rotate_keys(&self, keys: &NewKeys) -> Result<LogInfo, Error> {
        let call = self.api("rotating the log's keys", Method::POST, &["keys"]).json(keys)?;
        self.send(call.slow()).await?.json()
    }

    /// `POST /api/v1/logs/{log}/kek` (role admin): a fresh key-encryption key wraps the log's keyring from now on.
    ///
    /// # Errors
    /// A problem, or no usable answer.
    pub async fn rotate_kek(&self) -> Result<KekInfo, Error> {
        let call = self.api("rotating the log's key-encryption key", Method::POST, &["kek"]);
        self.send(call.slow()).await?.json()
    }

    /// The log's public face: checkpoint, tiles and bundles, read with this client's token, which a private log needs.
    #[must_use]
    pub fn tiles(&self) -> TileLog {
        TileLog::below(&self.client.transport, &self.name)
    }

    pub(crate) fn api(&self, what: &'static str, method: Method, segments: &[&str]) -> Call {
        api(what, method, &["logs", &self.name]).at(segments.iter().copied())
    }

    pub(crate) fn api_list(&self, what: &'static str, segments: &[&str]) -> Call {
        api_list(what, &["logs", &self.name]).at(segments.iter().copied())
    }

    pub(crate) async fn send(&self, call: Call) -> Result<Answer, Error> {
        self.client.send(call).await
    }

    pub(crate) async fn open(&self, call: Call) -> Result<Response, Error> {
        self.client.open(call).await
    }
}
