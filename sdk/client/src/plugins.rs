//! Plugins: uploading, listing, removing them (role integrator).

use bytes::Bytes;
use cairnlog_verify::b64;
use cairnlog_verify::entry::Digest;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::Value;

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
    /// Bytes of the component.
    #[serde(default)]
    pub size: u64,
    /// How long it took to check and compile when it was uploaded, in milliseconds.
    #[serde(default)]
    pub compile_ms: u64,
    /// Core WebAssembly instances of one instance of it.
    #[serde(default)]
    pub core_instances: u32,
    /// Memories of one instance.
    #[serde(default)]
    pub memories: u32,
    /// Bytes of the largest of them at the start.
    #[serde(default)]
    pub memory_bytes: u64,
    /// Tables of one instance.
    #[serde(default)]
    pub tables: u32,
    /// Which of the keys whose plugins the server takes have signed it.
    #[serde(default)]
    pub signed_by: Vec<String>,
    /// The signed note over its digest, if it came with one.
    #[serde(default)]
    pub signature: Option<String>,
}

/// How a component is to be taken.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UploadOptions {
    /// A signed note over its digest.
    pub signature: Option<String>,
    /// Samples to try it on, one a line: raw records for a normalizer, else OCSF events as JSON. They travel in the URL.
    pub sample: Option<String>,
    /// The config that they are tried with.
    pub config: Option<Value>,
    /// Take it though it imports WASI, as long as it does not call it.
    pub stub_wasi: bool,
}

/// What a plugin made of a sample.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SampledPlugin {
    /// `events`, `skip`, `reject`, `redactions`, `decision`, or what it failed of.
    pub outcome: String,
    /// Why it is not wanted, or what failed.
    #[serde(default)]
    pub reason: Option<String>,
    /// How many events or redactions.
    #[serde(default)]
    pub count: Option<u64>,
    /// The retention class.
    #[serde(default)]
    pub class: Option<String>,
    /// Fuel that it spent.
    pub fuel: u64,
    /// Fuel that it may spend on so many bytes.
    pub fuel_max: u64,
    /// The most memory that its instance had.
    pub memory_bytes: u64,
}

/// The outcome of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    /// The plugin.
    pub plugin: Plugin,
    /// Whether the server had not seen these bytes before.
    pub new: bool,
    /// What it made of the samples, in their order.
    pub samples: Vec<SampledPlugin>,
}

#[derive(Deserialize)]
struct UploadedWire {
    #[serde(flatten)]
    plugin: Plugin,
    #[serde(default)]
    samples: Vec<SampledPlugin>,
}

impl Client {
    /// `POST /api/v1/plugins`: a component's bytes.
    ///
    /// # Errors
    /// A problem: `invalid-plugin` with everything that is wrong in `errors`, `conflict` if other bytes hold its
    /// name and version; or no usable answer.
    pub async fn upload_plugin(&self, wasm: impl Into<Bytes>) -> Result<Uploaded, Error> {
        self.upload_plugin_with(wasm, UploadOptions::default()).await
    }

    /// The same, signed, tried on samples, or with WASI for show.
    ///
    /// # Errors
    /// [`Error::Input`] for a signature that no header can hold; those of [`upload_plugin`](Self::upload_plugin); `bad-request` for
    /// samples that are too many or no events.
    pub async fn upload_plugin_with(
        &self,
        wasm: impl Into<Bytes>,
        options: UploadOptions,
    ) -> Result<Uploaded, Error> {
        let UploadOptions { signature, sample, config, stub_wasi } = options;
        let mut call = api("uploading the plugin", Method::POST, &["plugins"])
            .body("application/wasm", wasm.into())
            .query("sample", sample)
            .query("config", config)
            .query("unused-wasi", stub_wasi.then_some("stub"))
            .slow();
        if let Some(signature) = signature {
            let value = HeaderValue::from_str(&b64::encode(signature.as_bytes()));
            let value = value.map_err(|_| Error::Input("the signature is too long".to_owned()))?;
            call = call.header("plugin-signature", value);
        }
        let answer = self.send(call).await?;
        let UploadedWire { plugin, samples } = answer.json()?;
        Ok(Uploaded { plugin, new: answer.is_created(), samples })
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
