//! Reading records (role auditor). The server logs each read.

use std::fmt;

use cairnlog_verify::Hash;
use cairnlog_verify::entry::Digest;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;
use crate::limits;
use crate::logs::Log;
use crate::page::{Page, PageRequest};
use crate::transport::Call;

/// Which records. Filters match whole values; all that are given must match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RecordQuery {
    /// The source's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Who did it: a user's id, name or e-mail address, or its pseudonym.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// What was done: the operation, the source's event code or the activity's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// OCSF `class_uid`, such as 6003.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<u32>,
    /// OCSF `status_id`: 1 success, 2 failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u32>,
    /// What it was done to: a resource's id, name, path or address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// From which IP address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// Event time from then on, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Event time before then, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// By event time and index; the server's default is [`Order::Desc`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// Which page.
    #[serde(flatten)]
    pub page: PageRequest,
}

/// The order of a search's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Oldest first.
    Asc,
    /// Newest first.
    Desc,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asc => "asc",
            Self::Desc => "desc",
        })
    }
}

/// A record, or any other kind of entry, opened for a reader.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Record {
    /// Its index in the log.
    pub index: u64,
    /// Its entry's leaf hash.
    pub leaf_hash: Hash,
    /// The entry's kind: `record`, `pipeline`, `plugin`, `quarantine`, `log`.
    pub kind: String,
    /// The source that it came from; kinds without one lack it.
    #[serde(default)]
    pub source: Option<String>,
    /// When the server received it, RFC 3339 UTC.
    pub received: String,
    /// The OCSF event, nested. A dropped path is absent from it.
    pub event: Value,
    /// What was taken away, and by whom.
    #[serde(default)]
    pub redactions: Vec<AppliedRedaction>,
    /// How long it lives.
    #[serde(default)]
    pub retention: Option<RecordRetention>,
    /// The digest of the pipeline's manifest that made it.
    #[serde(default)]
    pub pipeline: Option<Digest>,
}

/// Something that a redactor took away.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AppliedRedaction {
    /// Where.
    pub path: String,
    /// `drop`, `mask` or `pseudonymize`.
    pub action: String,
    /// What sort of value it was, such as `EMAIL_ADDRESS`.
    pub entity: String,
    /// Which of the redactor's rules.
    pub rule: String,
    /// Which redactor.
    pub plugin: String,
}

/// How long a record lives, and why.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RecordRetention {
    /// The retention class.
    pub class: String,
    /// The retention plugin's rule that chose it.
    pub rule: String,
    /// The law or rule behind the figures.
    pub basis: String,
    /// When the time begins to run: `received`, `end-of-year`, `closed`.
    pub trigger: String,
    /// It can't be erased before, RFC 3339 UTC.
    #[serde(default)]
    pub minimum_until: Option<String>,
    /// It is erased after, RFC 3339 UTC.
    #[serde(default)]
    pub maximum_until: Option<String>,
}

impl Log {
    /// `GET …/records/{index}`: any kind of entry.
    ///
    /// # Errors
    /// A problem, or no usable answer.
    pub async fn record(&self, index: u64) -> Result<Record, Error> {
        let call = Call::get("reading the record", limits::RECORD_BYTES_MAX)
            .at(["api", "v1", "logs", &self.name, "records"])
            .at([index.to_string()]);
        self.send(call).await?.json()
    }

    /// `GET …/records`: the query stands in the address, which servers and proxies on the way may log. Prefer
    /// [`Log::search`] where it names a person.
    ///
    /// # Errors
    /// A problem (`cursor` for one of another query), or no usable answer.
    pub async fn records(&self, query: &RecordQuery) -> Result<Page<Record>, Error> {
        let call = self
            .api_list("reading records", &["records"])
            .query("source", query.source.as_ref())
            .query("actor", query.actor.as_ref())
            .query("action", query.action.as_ref())
            .query("class", query.class)
            .query("status", query.status)
            .query("resource", query.resource.as_ref())
            .query("ip", query.ip.as_ref())
            .query("from", query.from.as_ref())
            .query("to", query.to.as_ref())
            .query("order", query.order);
        self.send(query.page.apply(call)).await?.json()
    }

    /// `POST …/records/search`: the same with the query in the body.
    ///
    /// # Errors
    /// A problem (`cursor` for one of another query), or no usable answer.
    pub async fn search(&self, query: &RecordQuery) -> Result<Page<Record>, Error> {
        let call = Call::new("searching records", Method::POST, limits::PAGE_BYTES_MAX)
            .at(["api", "v1", "logs", &self.name, "records", "search"])
            .json(query)?;
        self.send(call).await?.json()
    }
}
