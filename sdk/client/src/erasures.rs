//! Erasure on request (role compliance).

use reqwest::Method;
use serde::{Deserialize, Serialize};

use crate::client::checked_id;
use crate::error::Error;
use crate::logs::Log;
use crate::page::{Page, PageRequest};
use crate::transport::Answer;

/// What is to be erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErasureTarget {
    /// The record of one entry.
    Index(u64),
    /// Every record that names this person: an id, a name or an e-mail address, or the pseudonym.
    Subject(String),
}

/// What became of a request for erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Erasing {
    /// It was carried out.
    Done(Erasure),
    /// It waits for another person's approval under this id: see [`Log::approve_erasure`].
    Pending(String),
}

/// An erasure that was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Erasure {
    /// Names it: 16 hex digits.
    pub id: String,
    /// How many records were erased.
    pub erased: u64,
    /// From when on no copy of the store made at any time opens them, RFC 3339 UTC.
    pub complete_at: String,
    /// What was not erased, and why; the server names some of them where they are many.
    pub refused: Vec<RefusedErasure>,
}

/// A record that can't be erased now.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RefusedErasure {
    /// Its index.
    pub index: u64,
    /// Why: `held` or `retention-minimum`.
    pub r#type: String,
    /// The id of the hold that covers it.
    #[serde(default)]
    pub hold: Option<String>,
    /// When its minimum ends, RFC 3339 UTC; none while the event is awaited from which on it counts.
    #[serde(default)]
    pub until: Option<String>,
}

/// An erasure that waits for another person's approval.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PendingErasure {
    /// Names it in [`Log::approve_erasure`]: 16 hex digits.
    pub id: String,
    /// What is to go.
    #[serde(flatten)]
    pub target: ErasureTarget,
    /// Why.
    pub reason: String,
    /// Who asked: the id of a token.
    pub by: String,
    /// Since when, RFC 3339 UTC.
    pub at: String,
}

#[derive(Serialize)]
struct Request<'a> {
    #[serde(flatten)]
    target: &'a ErasureTarget,
    reason: &'a str,
}

#[derive(Deserialize)]
struct Proposed {
    id: String,
}

impl Log {
    /// `POST …/erasures`: erases but for what is held or whose minimum stands, or notes the request where the server asks for
    /// a second person.
    ///
    /// # Errors
    /// A problem: `held` with `hold`, `retention-minimum` with `until` and `erased` where one entry was named; or no usable
    /// answer.
    pub async fn erase(&self, target: &ErasureTarget, reason: &str) -> Result<Erasing, Error> {
        let request = Request { target, reason };
        let call = self.api("erasing", Method::POST, &["erasures"]).json(&request)?;
        let answer: Answer = self.send(call.slow()).await?;
        if answer.is_created() {
            return Ok(Erasing::Done(answer.json()?));
        }
        let Proposed { id } = answer.json()?;
        Ok(Erasing::Pending(id))
    }

    /// `GET …/erasures`: those that wait for another person's approval.
    ///
    /// # Errors
    /// A problem, or no usable answer.
    pub async fn pending_erasures(&self, page: &PageRequest) -> Result<Page<PendingErasure>, Error> {
        let call = page.apply(self.api_list("listing the erasures that wait", &["erasures"]));
        self.send(call).await?.json()
    }

    /// `POST …/erasures/{id}/approve`: carries out what another token asked for.
    ///
    /// # Errors
    /// [`Error::Input`] for an id that can't be one; a problem, `conflict` where this token asked itself, and those of
    /// [`erase`](Self::erase); or no usable answer.
    pub async fn approve_erasure(&self, id: &str) -> Result<Erasure, Error> {
        let segments = ["erasures", checked_id("erasure", id)?, "approve"];
        let call = self.api("approving the erasure", Method::POST, &segments);
        self.send(call.slow()).await?.json()
    }

    /// `DELETE …/erasures/{id}`: takes back what waits for approval.
    ///
    /// # Errors
    /// [`Error::Input`] for an id that can't be one, a problem, or no usable answer.
    pub async fn withdraw_erasure(&self, id: &str) -> Result<(), Error> {
        let segments = ["erasures", checked_id("erasure", id)?];
        let call = self.api("withdrawing the erasure", Method::DELETE, &segments);
        self.send(call).await.map(drop)
    }
}
