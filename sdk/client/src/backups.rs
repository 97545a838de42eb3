//! Copies that a server makes of what it keeps.

use reqwest::Method;
use serde::{Deserialize, Serialize};

use crate::client::{Client, api};
use crate::error::Error;

/// What a server has copied, into the places that its settings name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// When, RFC 3339.
    pub taken: String,
    /// The name of the copy of the store, if there is one.
    #[serde(default)]
    pub store: Option<String>,
    /// How many keyrings were copied.
    pub keyrings: u64,
    /// How many copies of keyrings were deleted, for their time was over.
    pub expired: u64,
}

impl Client {
    /// `POST /api/v1/backups` (role admin): copies of the store and the keyrings.
    ///
    /// # Errors
    /// A problem, or no usable answer.
    pub async fn create_backup(&self) -> Result<Backup, Error> {
        let call = api("making copies", Method::POST, &["backups"]);
        self.send(call.slow()).await?.json()
    }
}
