//! Writing: raw records into a source (role writer).

use std::fmt;

use bytes::Bytes;
use cairnlog_verify::Hash;
use reqwest::header::HeaderValue;
use serde::Deserialize;

use crate::client::checked_name;
use crate::error::Error;
use crate::limits;
use crate::logs::Log;
use crate::transport::Call;

/// How a body is cut into raw records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentType {
    /// `application/x-ndjson`: one raw record a line.
    Ndjson,
    /// `application/json`: one raw record, or an array of them.
    Json,
    /// `text/plain`: one raw record a line.
    Text,
    /// `application/octet-stream`: the body is one raw record.
    Bytes,
}

impl ContentType {
    /// The media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Json => "application/json",
            Self::Text => "text/plain",
            Self::Bytes => "application/octet-stream",
        }
    }
}

/// A body to be ingested, and how.
#[derive(Debug, Clone)]
pub struct Ingest {
    /// How the body is cut into raw records.
    pub content_type: ContentType,
    /// The raw records. The server's default limits: 16 MiB, and 10,000 raw records.
    pub body: Bytes,
    /// Makes sending again safe: the same key and body get the first answer again for 24 hours. 1 to 128 visible
    /// ASCII characters.
    pub idempotency_key: Option<String>,
    /// Whether the salts that the server throws away are to be handed back, once.
    pub openings: bool,
}

impl Ingest {
    /// The body, with no key.
    pub fn new(content_type: ContentType, body: impl Into<Bytes>) -> Self {
        Self { content_type, body: body.into(), idempotency_key: None, openings: false }
    }
}

/// What became of an ingest's raw records. The four counts add up to the rows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct IngestAnswer {
    /// Raw records that were logged.
    pub accepted: u64,
    /// Raw records that were set aside.
    pub quarantined: u64,
    /// Raw records that the log had already.
    pub duplicates: u64,
    /// Raw records that the normalizer passed over on purpose.
    pub skipped: u64,
    /// The first index of the request's entries; absent where it made none.
    #[serde(default)]
    pub first_index: Option<u64>,
    /// The last index of the request's entries.
    #[serde(default)]
    pub last_index: Option<u64>,
    /// Entries in the tree when all was in.
    pub tree_size: u64,
    /// One row a raw record, in order.
    pub results: Vec<IngestRow>,
}

/// What became of one raw record.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct IngestRow {
    /// What became of it.
    pub status: EventStatus,
    /// Its first entry's index.
    #[serde(default)]
    pub index: Option<u64>,
    /// How many entries it made, from `index` on.
    #[serde(default)]
    pub events: Option<u64>,
    /// The first entry's leaf hash.
    #[serde(default)]
    pub leaf_hash: Option<Hash>,
    /// Why it was quarantined or skipped.
    #[serde(default)]
    pub reason: Option<String>,
    /// What opens its commitments, where that was asked for; never again.
    #[serde(default)]
    pub openings: Option<Openings>,
}

/// What opens the commitments that the entries of one raw record make.
///
/// `Debug` shows neither paths nor salts.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Openings {
    /// The salt of the raw commitment ([`cairnlog_verify::raw`]).
    #[serde(deserialize_with = "salt")]
    pub raw_salt: [u8; 32],
    /// The time of receipt in it.
    pub received_ms: u64,
    /// The content type in it.
    pub content_type: String,
    /// For each entry, from the row's `index` on, what was dropped from it.
    #[serde(default)]
    pub events: Vec<Vec<DroppedOpening>>,
}

/// The salt of one value that was dropped ([`cairnlog_verify::field::drop_commitment`]).
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct DroppedOpening {
    /// Where it stood.
    pub path: String,
    /// The salt.
    #[serde(deserialize_with = "salt")]
    pub salt: [u8; 32],
}

fn salt<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    // 32 bytes in base64, like a hash.
    Hash::deserialize(deserializer).map(|bytes| bytes.0)
}

impl fmt::Debug for Openings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Openings").field("events", &self.events).finish_non_exhaustive()
    }
}

impl fmt::Debug for DroppedOpening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DroppedOpening").finish_non_exhaustive()
    }
}

/// What became of one raw record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventStatus {
    /// It is in the log.
    Logged,
    /// It was in the log already.
    Duplicate,
    /// It is set aside, sealed.
    Quarantined,
    /// The normalizer passed over it on purpose.
    Skipped,
}

impl Log {
    /// `POST …/sources/{source}/events`. The answer comes after everything in it is durable and in the tree.
    ///
    /// # Errors
    /// [`Error::Input`] for a name or a key that can't be one, a problem, or no usable answer. After
    /// [`Error::Transport`] it is open whether the body was logged: send it again with the same idempotency key.
    pub async fn ingest(&self, source: &str, ingest: Ingest) -> Result<IngestAnswer, Error> {
        let source = checked_name("source", source)?;
        let mut call = Call::new("ingesting", reqwest::Method::POST, limits::INGEST_BYTES_MAX)
            .at(["api", "v1", "logs", &self.name, "sources", &source, "events"])
            .body(ingest.content_type.media_type(), ingest.body)
            .query("openings", ingest.openings.then_some(true))
            .slow();
        if let Some(key) = &ingest.idempotency_key {
            call = call.header("idempotency-key", idempotency_key(key)?);
        }
        self.send(call).await?.json()
    }
}

fn idempotency_key(key: &str) -> Result<HeaderValue, Error> {
    let refuse = || {
        Error::Input(format!(
            "an idempotency key must be 1 to {} visible ASCII characters",
            limits::IDEMPOTENCY_KEY_CHARS_MAX
        ))
    };
    let visible = key.bytes().all(|b| b.is_ascii_graphic());
    if key.is_empty() || key.len() > limits::IDEMPOTENCY_KEY_CHARS_MAX || !visible {
        return Err(refuse());
    }
    HeaderValue::from_str(key).map_err(|_| refuse())
}
