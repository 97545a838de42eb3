//! The C2SP tlog-tiles monitoring prefix, `/logs/{log}/…`: plain formats, anonymous unless the log is private, cacheable.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use cairnlog_ledger::Log;
use cairnlog_verify::tile::{BundleId, Tile};

use super::auth::Visitor;
use super::problem::{Document, Problem};
use super::served::Resource;
use crate::state::App;

/// The route of tiles, as the router writes it.
pub(crate) const TILE_ROUTE: &str = "/logs/{log}/tile/{*path}";

/// What never changes may be kept for ever.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// What changes is asked for anew.
const CHANGING: &str = "no-cache";

/// What not everyone may see stays with whom it was given to.
const PRIVATE: &str = "private, no-store";

const OCTETS: &str = "application/octet-stream";

/// The newest signed tree head.
#[utoipa::path(get, path = "/logs/{log}/checkpoint", tag = "transparency", params(("log" = String, Path)),
    responses((status = 200, description = "C2SP checkpoint", body = String, content_type = "text/plain; charset=utf-8"),
        (status = 304, description = "it has the tag of `If-None-Match`"), (status = 404, body = Document)))]
pub(crate) async fn checkpoint(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(log): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let log = app.seen_by(visitor, &log)?;
    let note = log.tree().checkpoint(&log.tree().head()).await?;
    let content_type = "text/plain; charset=utf-8";
    Resource { bytes: note.into(), content_type, cache_control: caching(&log, CHANGING) }.answer(&headers)
}

/// A tile or an entry bundle, of any width up to the published size.
#[utoipa::path(get, path = "/logs/{log}/tile/{*path}", tag = "transparency",
    params(("log" = String, Path), ("path" = String, Path, description = "`<L>/<N>[.p/<W>]` or `entries/<N>[.p/<W>]`")),
    responses((status = 200, description = "the tile or bundle; a bundle in gzip or zstd where that is accepted", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, description = "the range asked for"), (status = 304, description = "it has the tag of `If-None-Match`"), (status = "4XX", body = Document)))]
pub(crate) async fn tile(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path((log, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let log = app.seen_by(visitor, &log)?;
    let path = format!("tile/{path}");
    let cache_control = caching(&log, IMMUTABLE);
    let resource = |bytes: Vec<u8>| Resource { bytes: bytes.into(), content_type: OCTETS, cache_control };
    if let Ok(bundle) = BundleId::parse(&path) {
        let bytes = log.tree().bundle(bundle).await.map_err(Problem::internal)?;
        return resource(bytes.ok_or_else(beyond)?).answer_coded(&headers).await;
    }
    let Ok(tile) = Tile::parse(&path) else {
        return Err(Problem::not_found("this is no path of a tile or bundle; see c2sp.org/tlog-tiles"));
    };
    let bytes = log.tree().tile(tile).await.map_err(Problem::internal)?;
    resource(bytes.ok_or_else(beyond)?).answer(&headers)
}

fn beyond() -> Problem {
    Problem::not_found("the published tree does not reach this tile")
}

fn caching(log: &Log, of_public: &'static str) -> &'static str {
    if log.is_private() { PRIVATE } else { of_public }
}
