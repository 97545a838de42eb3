//! Plugins: uploaded by integrators, named by the SHA-256 of their bytes.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use cairnlog_ledger::PluginInfo;
use cairnlog_verify::entry::Digest;
use serde::Serialize;

use super::auth::Caller;
use super::body::Room;
use super::extract::{Nothing, Query, require_media_type};
use super::list::{Page, PageQuery};
use super::problem::{Document, Problem};
use super::{body, time};
use crate::access::Role;
use crate::limits::PLUGIN_BYTES_MAX;
use crate::state::App;

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
    imports: Vec<String>,
    /// Bytes.
    size: u64,
    uploaded_by: String,
    /// RFC 3339, UTC.
    uploaded: String,
}

impl From<PluginInfo> for PluginView {
    fn from(info: PluginInfo) -> Self {
        Self {
            digest: info.digest.to_string(),
            name: info.name,
            version: info.version,
            summary: info.summary,
            kinds: info.kinds,
            imports: info.imports,
            size: info.size,
            uploaded_by: info.uploaded_by,
            uploaded: time::rfc3339(info.uploaded_ms),
        }
    }
}

/// Uploads a plugin: a WebAssembly component of at most 32 MiB. Role `integrator`.
#[utoipa::path(post, path = "/api/v1/plugins", tag = "plugins", security(("token" = [])),
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses((status = 201, body = PluginView), (status = 200, description = "the same bytes are here already", body = PluginView), (status = "4XX", body = Document)))]
pub(crate) async fn upload(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Query(Nothing {}): Query<Nothing>,
    request: Request,
) -> Result<(StatusCode, axum::Json<PluginView>), Problem> {
    caller.require(Role::Integrator, None)?;
    require_media_type(request.headers(), "application/wasm")?;
    let mut room = Room::enter(&app.bodies).await?;
    let wasm = body::read(request, PLUGIN_BYTES_MAX, Some(&mut room)).await?;
    let (info, new) = app.ledger.upload_plugin(wasm, caller.who()).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, axum::Json(info.into())))
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
    let plugins = app.ledger.plugins().into_iter().map(PluginView::from).collect();
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
    Ok(axum::Json(app.ledger.plugin(&parse(&digest)?)?.into()))
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
