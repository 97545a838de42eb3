//! Bytes as they come, into a log of mode `opaque`. Role `writer`.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use cairnlog_ledger::{LedgerError, Log};
use cairnlog_verify::bundle::ENTRY_BYTES_MAX;
use serde::Serialize;

use super::auth;
use super::body::{self, Room};
use super::extract::{Nothing, Query, require_media_type};
use super::problem::{Document, Problem, Slug};
use crate::limits::INGEST_BYTES_MAX;
use crate::state::App;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Adds one entry, as tile logs take them. Role `writer`.
///
/// This is the path that is measured: no task and no thread of its own, and the entry is copied once, out of the
/// connection's buffer.
#[utoipa::path(post, path = "/logs/{log}/add", tag = "writing", security(("token" = [])), params(("log" = String, Path)),
    request_body(description = "the entry, at most 65,535 bytes", content((Vec<u8> = "application/octet-stream"))),
    responses((status = 200, description = "the entry's index in decimal, once it is durable and in the tree", body = String, content_type = "text/plain; charset=utf-8"),
        (status = "4XX", body = Document), (status = 503, description = "too much is waiting, or the log takes no writes; with retry-after", body = Document)))]
pub(crate) async fn add(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let log = log_to_add_to(&app, request.headers(), &name)?;
    let entry = body::whole(request, ENTRY_BYTES_MAX).await?;
    let index = log.add(entry).await.map_err(overloaded)?;
    let mut response = index.to_string().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, TEXT);
    Ok(response)
}

/// Where a batch of entries went.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct AddedView {
    /// The index of its first entry; the others follow without a gap.
    first_index: u64,
    /// How many there are.
    count: u64,
    /// The size of a tree that holds all of them.
    tree_size: u64,
}

/// Adds several entries in one commit, all or none. Role `writer`.
#[utoipa::path(post, path = "/api/v1/logs/{log}/entries", tag = "writing", security(("token" = [])), params(("log" = String, Path)),
    request_body(description = "for each entry, its length in two big-endian bytes and its bytes", content((Vec<u8> = "application/octet-stream"))),
    responses((status = 201, body = AddedView), (status = "4XX", body = Document), (status = 503, body = Document)))]
pub(crate) async fn add_all(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(Nothing {}): Query<Nothing>,
    request: Request,
) -> Result<(StatusCode, axum::Json<AddedView>), Problem> {
    let log = log_to_add_to(&app, request.headers(), &name)?;
    require_media_type(request.headers(), "application/octet-stream")?;
    let mut room = Room::enter(&app.bodies).await?;
    let body = body::read(request, INGEST_BYTES_MAX, Some(&mut room)).await?;
    let added = log.add_all(body).await?;
    let view = AddedView { first_index: added.first_index, count: added.count, tree_size: added.tree_size };
    Ok((StatusCode::CREATED, axum::Json(view)))
}

fn log_to_add_to(app: &App, headers: &HeaderMap, name: &str) -> Result<Arc<Log>, Problem> {
    auth::permitted(app, headers, |grant| grant.require_adding(name))?;
    let log = app.known(name)?;
    log.require_opaque()?;
    Ok(log)
}

/// Tools that submit to tile logs know 503 as the answer to come again upon.
fn overloaded(error: LedgerError) -> Problem {
    match error {
        LedgerError::QueueFull => Problem::new(Slug::Overloaded, error.to_string()),
        other => other.into(),
    }
}
