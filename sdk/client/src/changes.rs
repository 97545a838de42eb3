//! Changes of sources and classes that wait for a second person (role compliance).

use reqwest::Method;
use serde::Deserialize;

use crate::client::checked_id;
use crate::error::Error;
use crate::logs::Log;
use crate::page::{Page, PageRequest};
use crate::retention::RetentionClass;
use crate::sources::{NormalizerErrorPolicy, Stage};

/// A change that waits for another person's approval: of a source or of a class.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PendingChange {
    /// Names it in [`Log::approve_change`]: 16 hex digits.
    pub id: String,
    /// What a source is to be bound to.
    #[serde(default)]
    pub source: Option<ProposedSource>,
    /// What a class is to be.
    #[serde(default)]
    pub class: Option<RetentionClass>,
    /// Who proposed it: the id of a token.
    pub by: String,
    /// Since when, RFC 3339 UTC.
    pub at: String,
}

/// The stages that a source is to have, the plugins by digest.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ProposedSource {
    /// The source's name.
    pub source: String,
    /// Turns raw records into events.
    pub normalizer: Stage<NormalizerErrorPolicy>,
    /// Say what must not be kept.
    pub redactors: Vec<Stage>,
    /// Chooses the retention class.
    pub retention: Stage,
}

impl Log {
    /// `GET …/changes`: those that wait.
    ///
    /// # Errors
    /// A problem, or no usable answer.
    pub async fn pending_changes(&self, page: &PageRequest) -> Result<Page<PendingChange>, Error> {
        let call = page.apply(self.api_list("listing the changes that wait", &["changes"]));
        self.send(call).await?.json()
    }

    /// `POST …/changes/{id}/approve`: carries out what another token proposed.
    ///
    /// # Errors
    /// [`Error::Input`] for an id that can't be one; a problem, `conflict` where this token proposed it itself; or no
    /// usable answer.
    pub async fn approve_change(&self, id: &str) -> Result<(), Error> {
        let segments = ["changes", checked_id("change", id)?, "approve"];
        let call = self.api("approving the change", Method::POST, &segments);
        self.send(call.slow()).await.map(drop)
    }

    /// `DELETE …/changes/{id}`: takes a proposal back.
    ///
    /// # Errors
    /// [`Error::Input`] for an id that can't be one, a problem, or no usable answer.
    pub async fn withdraw_change(&self, id: &str) -> Result<(), Error> {
        let segments = ["changes", checked_id("change", id)?];
        let call = self.api("withdrawing the change", Method::DELETE, &segments);
        self.send(call).await.map(drop)
    }
}
