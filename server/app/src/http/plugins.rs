//! Plugins: uploaded by integrators, named by the SHA-256 of their bytes.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cairnlog_host::UnusedWasi;
use cairnlog_ledger::{PluginInfo, Sampled, Upload, check_samples};
use cairnlog_verify::entry::Digest;
use serde::{Deserialize, Serialize};

use super::auth::Caller;
use super::body::Room;
use super::extract::{Nothing, Query, parse_json, require_media_type};
use super::list::{Page, PageQuery};
use super::problem::{Document, Problem};
use super::{body, time};
use crate::access::Role;
use crate::limits::PLUGIN_BYTES_MAX;
use crate::state::App;

/// Where the signed note over a component's digest comes.
const SIGNATURE: &str = "plugin-signature";

/// A plugin as it is.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct PluginView {
    /// `sha256:<hex>` of the component's bytes.
    digest: String,
    name: String,
    version: String,
    summary: String,
    /// `normalizer`, `redactor`, `retention`.
    kinds: Vec<String>,
    /// Meant to be an SPDX expression.
    license: String,
    /// Where its source is.
    source: String,
    imports: Vec<String>,
    /// Whether what it imports of WASI is there for show, and traps when it is called.
    stubs_wasi: bool,
    /// Bytes.
    size: u64,
    /// How long it took to check and compile when it was uploaded.
    compile_ms: u64,
    /// Core WebAssembly instances of one instance of it, 64 at most.
    core_instances: u32,
    /// Memories of one instance, 4 at most.
    memories: u32,
    /// Bytes of the largest of them at the start.
    memory_bytes: u64,
    /// Tables of one instance, 16 at most.
    tables: u32,
    /// Which of the keys whose plugins the server takes have signed it; empty where it takes anybody's.
    signed_by: Vec<String>,
    /// The signed note over its digest, if it came with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    uploaded_by: String,
    /// RFC 3339, UTC.
    uploaded: String,
}

impl PluginView {
    fn of(app: &App, info: PluginInfo) -> Self {
        let signed_by = app.ledger.signers_of(&info);
        Self {
            digest: info.digest.to_string(),
            name: info.name,
            version: info.version,
            summary: info.summary,
            kinds: info.kinds,
            license: info.license,
            source: info.source,
            imports: info.imports,
            stubs_wasi: info.stubs_wasi,
            size: info.size,
            compile_ms: info.compile_ms,
            core_instances: info.footprint.core_instances,
            memories: info.footprint.memories,
            memory_bytes: info.footprint.memory_bytes,
            tables: info.footprint.tables,
            signed_by,
            signature: info.signature,
            uploaded_by: info.uploaded_by,
            uploaded: time::rfc3339(info.uploaded_ms),
        }
    }
}

/// How a component is taken, and what it is tried on.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UploadQuery {
    /// Samples, one a line: raw records for a normalizer, else OCSF events as JSON. Made up ones: query strings get logged on the way.
    sample: Option<String>,
    /// The config, as JSON, that they are tried with; `{}` without.
    config: Option<String>,
    /// `stub`: what it imports of WASI is there for show, and traps when it is called. Without, such a component is refused.
    #[serde(rename = "unused-wasi")]
    #[param(inline)]
    unused_wasi: Option<Stub>,
}

/// What becomes of imports of WASI.
#[derive(Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stub {
    /// Each traps when it is called.
    Stub,
}

/// A plugin that was taken.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct UploadView {
    #[serde(flatten)]
    plugin: PluginView,
    /// What it made of each sample, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    samples: Option<Vec<SampledView>>,
}

/// What a plugin made of a sample.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct SampledView {
    /// `events`, `skip` or `reject` of a normalizer, `redactions` of a redactor, `decision` of a retention plugin; else what it
    /// failed of: `out-of-fuel`, `trap` …, `config-refused`, `not-an-event`.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// How many events or redactions.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    /// The retention class.
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    /// Fuel that it spent.
    fuel: u64,
    /// Fuel that it may spend on so many bytes.
    fuel_max: u64,
    /// The most memory that its instance had.
    memory_bytes: u64,
}

impl From<Sampled> for SampledView {
    fn from(sampled: Sampled) -> Self {
        let Sampled { outcome, reason, count, class, fuel, fuel_max, memory_bytes } = sampled;
        Self { outcome, reason, count, class, fuel, fuel_max, memory_bytes }
    }
}

/// Uploads a plugin: a WebAssembly component of at most 32 MiB. Role `integrator`. The header `plugin-signature` is the base64 of a
/// signed note over its digest.
#[utoipa::path(post, path = "/api/v1/plugins", tag = "plugins", security(("token" = [])),
    params(UploadQuery, ("plugin-signature" = Option<String>, Header, description = "base64 of a signed note over the digest")),
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses((status = 201, body = UploadView), (status = 200, description = "the same bytes are here already", body = UploadView), (status = "4XX", body = Document)))]
pub(crate) async fn upload(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Query(query): Query<UploadQuery>,
    request: Request,
) -> Result<(StatusCode, axum::Json<UploadView>), Problem> {
    caller.require(Role::Integrator, None)?;
    require_media_type(request.headers(), "application/wasm")?;
    let UploadQuery { sample, config, unused_wasi } = query;
    if config.is_some() && sample.is_none() {
        return Err(Problem::bad_request("config is what samples are tried with; give a sample"));
    }
    let config = config.map(|config| parse_json(&config.into())).transpose()?;
    let samples: Option<Vec<String>> =
        sample.map(|sample| sample.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect());
    samples.as_deref().map(check_samples).transpose()?;
    let signature = request.headers().get(SIGNATURE).map(signature).transpose()?;
    let unused_wasi = unused_wasi.map_or(UnusedWasi::Refuse, |Stub::Stub| UnusedWasi::Stub);
    let mut room = Room::enter(&app.bodies).await?;
    let wasm = body::read(request, PLUGIN_BYTES_MAX, Some(&mut room)).await?;
    let (info, new) = app.ledger.upload_plugin(Upload { wasm, signature, unused_wasi }, caller.who()).await?;
    let samples = match samples {
        Some(samples) => {
            let made = app.ledger.sample_plugin(&info.digest, config, samples).await?;
            Some(made.into_iter().map(SampledView::from).collect())
        }
        None => None,
    };
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, axum::Json(UploadView { plugin: PluginView::of(&app, info), samples })))
}

/// A signed note in a header.
fn signature(value: &HeaderValue) -> Result<String, Problem> {
    let decoded = BASE64.decode(value.as_bytes()).ok().and_then(|note| String::from_utf8(note).ok());
    decoded.ok_or_else(|| Problem::bad_request("plugin-signature is the base64 of a signed note"))
}

/// Lists plugins. Role `integrator`.
#[utoipa::path(get, path = "/api/v1/plugins", tag = "plugins", security(("token" = [])), params(PageQuery),
    responses((status = 200, body = Page<PluginView>), (status = "4XX", body = Document)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Query(page): Query<PageQuery>,
) -> Result<axum::Json<Page<PluginView>>, Problem> {
    caller.require(Role::Integrator, None)?;
    let plugins = app.ledger.plugins().into_iter().map(|info| PluginView::of(&app, info)).collect();
    Ok(axum::Json(
        page.page(&app, &caller.id, "plugins", plugins, |plugin: &PluginView| plugin.digest.clone())?,
    ))
}

/// One plugin. Role `integrator`.
#[utoipa::path(get, path = "/api/v1/plugins/{digest}", tag = "plugins", security(("token" = [])), params(("digest" = String, Path)),
    responses((status = 200, body = PluginView), (status = "4XX", body = Document)))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(digest): Path<String>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<axum::Json<PluginView>, Problem> {
    caller.require(Role::Integrator, None)?;
    let info = app.ledger.plugin(&parse(&digest)?)?;
    Ok(axum::Json(PluginView::of(&app, info)))
}

/// A plugin's bytes. Role `integrator`.
#[utoipa::path(get, path = "/api/v1/plugins/{digest}/wasm", tag = "plugins", security(("token" = [])), params(("digest" = String, Path)),
    responses((status = 200, description = "the component", body = Vec<u8>, content_type = "application/wasm"), (status = "4XX", body = Document)))]
pub(crate) async fn wasm(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(digest): Path<String>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Response, Problem> {
    caller.require(Role::Integrator, None)?;
    let wasm = app.ledger.plugin_wasm(&parse(&digest)?).await?;
    Ok(([(header::CONTENT_TYPE, "application/wasm")], wasm).into_response())
}

/// Deletes a plugin that no pipeline uses. Role `integrator`.
#[utoipa::path(delete, path = "/api/v1/plugins/{digest}", tag = "plugins", security(("token" = [])), params(("digest" = String, Path)),
    responses((status = 204), (status = "4XX", body = Document)))]
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(digest): Path<String>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<StatusCode, Problem> {
    caller.require(Role::Integrator, None)?;
    app.ledger.delete_plugin(&parse(&digest)?, caller.who()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn parse(digest: &str) -> Result<Digest, Problem> {
    digest.parse().map_err(|_| Problem::not_found("a plugin is named by `sha256:` and 64 hex digits"))
}
