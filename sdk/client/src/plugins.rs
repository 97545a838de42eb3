//! Plugins: uploading, listing, removing them (role integrator).

use bytes::Bytes;
use cairnlog_verify::entry::Digest;
use reqwest::Method;
use serde::Deserialize;

use crate::client::{Client, api, api_list};
use crate::error::Error;
use crate::limits;
use crate::page::{Page, PageRequest};

/// A plugin as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Plugin {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Its name, from its own metadata.
    pub name: String,
    /// Its version, from its own metadata.
    pub version: String,
    /// What it can be in a pipeline: `normalizer`, `redactor`, `retention`.
    pub kinds: Vec<String>,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// What it says of itself.
    #[serde(default)]
    pub summary: Option<String>,
}

/// The outcome of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    /// The plugin.
    pub plugin: Plugin,
    /// Whether the server had not seen these bytes before.
    pub new: bool,
}

impl Client {
    /// `POST /api/v1/plugins`: a component's bytes.
    ///
    /// # Errors
    /// A problem: `invalid-plugin` with everything that is wrong in `errors`, `conflict` if other bytes hold its
    /// name and version; or no usable answer.
    pub async fn upload_plugin(&self, wasm: impl Into<Bytes>) -> Result<Uploaded, Error> {
        let call = api("uploading the plugin", Method::POST, &["plugins"])
            .body("application/wasm", wasm.into())
            .slow();
        let answer = self.send(call).await?;
        Ok(Uploaded { plugin: answer.json()?, new: answer.is_created() })
    }

    /// `GET /api/v1/plugins/{digest}/wasm`: the component's bytes.
    ///
    /// # Errors
    /// A problem, or no usable answer.
    pub async fn plugin_wasm(&self, digest: &Digest) -> Result<Bytes, Error> {
        let call = api("fetching the plugin", Method::GET, &["plugins", &digest.to_string(), "wasm"]);
        Ok(self.send(call.slow().up_to(limits::PLUGIN_BYTES_MAX)).await?.body)
    }

    /// `GET /api/v1/plugins`.
    ///
    /// # Errors
    /// A problem, or no usable answer.
    pub async fn plugins(&self, page: &PageRequest) -> Result<Page<Plugin>, Error> {
        let call = page.apply(api_list("listing the plugins", &["plugins"]));
        self.send(call).await?.json()
    }

    /// `GET /api/v1/plugins/{digest}`.
    ///
    /// # Errors
    /// A problem, `not-found` among others, or no usable answer.
    pub async fn plugin(&self, digest: &Digest) -> Result<Plugin, Error> {
        let segments = ["plugins", &digest.to_string()];
        let call = api("looking at the plugin", Method::GET, &segments);
        self.send(call).await?.json()
    }

    /// `DELETE /api/v1/plugins/{digest}`.
    ///
    /// # Errors
    /// A problem, `conflict` while a pipeline uses it, or no usable answer.
    pub async fn delete_plugin(&self, digest: &Digest) -> Result<(), Error> {
        let segments = ["plugins", &digest.to_string()];
        let call = api("deleting the plugin", Method::DELETE, &segments);
        self.send(call).await.map(drop)
    }
}
