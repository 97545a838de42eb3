//! Legal holds: what must not be erased while a matter is open (role compliance).

use reqwest::Method;
use serde::{Deserialize, Serialize};

use crate::client::checked_id;
use crate::error::Error;
use crate::logs::Log;
use crate::page::{Page, PageRequest};

/// A hold to be set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewHold {
    /// What the matter is called.
    pub matter: String,
    /// Why.
    pub reason: String,
    /// What it covers, also of what arrives later.
    pub query: HoldQuery,
}

/// What a hold covers: the filters of a search. All that are given must match; without any it covers everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldQuery {
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
    pub class: Option<i64>,
    /// OCSF `status_id`: 1 success, 2 failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<i64>,
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
}

/// A hold that stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Hold {
    /// Names it in [`Log::release_hold`]: 16 hex digits.
    pub id: String,
    /// What the matter is called.
    pub matter: String,
    /// Why.
    pub reason: String,
    /// What it covers.
    pub query: HoldQuery,
    /// Who set it: the id of a token.
    pub by: String,
    /// Since when, RFC 3339 UTC.
    pub set: String,
}

#[derive(Serialize)]
struct Release<'a> {
    reason: &'a str,
}

impl Log {
    /// `POST …/holds`: what it covers is not erased from then on.
    ///
    /// # Errors
    /// A problem, or no usable answer.
    pub async fn hold(&self, new: &NewHold) -> Result<Hold, Error> {
        let call = self.api("setting the hold", Method::POST, &["holds"]).json(new)?;
        self.send(call.slow()).await?.json()
    }

    /// `GET …/holds`: those that stand.
    ///
    /// # Errors
    /// A problem, or no usable answer.
    pub async fn holds(&self, page: &PageRequest) -> Result<Page<Hold>, Error> {
        let call = page.apply(self.api_list("listing the holds", &["holds"]));
        self.send(call).await?.json()
    }

    /// `DELETE …/holds/{id}`: what it covered is erased when it is due, if nothing else holds it.
    ///
    /// # Errors
    /// [`Error::Input`] for an id that can't be one, a problem, `not-found` among others, or no usable answer.
    pub async fn release_hold(&self, id: &str, reason: Option<&str>) -> Result<(), Error> {
        let call = self.api("releasing the hold", Method::DELETE, &["holds", checked_id("hold", id)?]);
        let call = match reason {
            Some(reason) => call.json(&Release { reason })?,
            None => call,
        };
        self.send(call.slow()).await.map(drop)
    }
}
