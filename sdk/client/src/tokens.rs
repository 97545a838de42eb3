//! Tokens: who may do what.

use reqwest::Method;
use serde::{Deserialize, Serialize};

use crate::client::{Client, api, api_list, checked_id};
use crate::error::Error;
use crate::page::{Page, PageRequest};
use crate::secret::Secret;

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A private log's transparency part.
    Monitor,
    /// Writes to named sources of one log.
    Writer,
    /// Reads records.
    Auditor,
    /// Plugins and sources.
    Integrator,
    /// Retention classes, holds and erasures.
    Compliance,
    /// Logs, keys and tokens.
    Admin,
    /// Beside [`Role::Auditor`]: finds records by the plaintext of what was pseudonymized.
    Reidentify,
}

/// A token to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewToken {
    /// What people call it.
    pub name: String,
    /// At least one.
    pub roles: Vec<Role>,
    /// The log that it is for, where it is for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The sources that it may write to, where not all of the log's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<String>>,
    /// When it ends, RFC 3339 UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// A token as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Token {
    /// Names it in [`Client::delete_token`]; no secret.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub roles: Vec<Role>,
    /// The log that it is for, where it is for one.
    #[serde(default)]
    pub log: Option<String>,
    /// The sources that it may write to, where not all of the log's.
    #[serde(default)]
    pub sources: Option<Vec<String>>,
    /// When it ends, RFC 3339 UTC.
    #[serde(default)]
    pub expires: Option<String>,
    /// When it was made, RFC 3339 UTC.
    #[serde(default)]
    pub created: Option<String>,
}

/// A new token with its secret, which the server shows this once.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CreatedToken {
    /// The bearer token itself.
    pub token: Secret,
    /// What lists will show.
    #[serde(flatten)]
    pub info: Token,
}

impl Client {
    /// `POST /api/v1/tokens` (role admin).
    ///
    /// # Errors
    /// A problem, or no usable answer.
    pub async fn create_token(&self, new: &NewToken) -> Result<CreatedToken, Error> {
        let call = api("creating the token", Method::POST, &["tokens"]).json(new)?;
        self.send(call).await?.json()
    }

    /// `GET /api/v1/tokens` (role admin).
    ///
    /// # Errors
    /// A problem, or no usable answer.
    pub async fn tokens(&self, page: &PageRequest) -> Result<Page<Token>, Error> {
        let call = page.apply(api_list("listing the tokens", &["tokens"]));
        self.send(call).await?.json()
    }

    /// `DELETE /api/v1/tokens/{id}` (role admin): it stops working at once.
    ///
    /// # Errors
    /// [`Error::Input`] for an id that can't be one, a problem, or no usable answer.
    pub async fn delete_token(&self, id: &str) -> Result<(), Error> {
        let call = api("deleting the token", Method::DELETE, &["tokens", checked_id("token", id)?]);
        self.send(call).await.map(drop)
    }
}
