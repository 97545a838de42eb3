//! The C2SP tlog-tiles monitoring prefix, `/logs/{log}/…`: plain formats, anonymous, cacheable.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use cairnlog_verify::tile::{BundleId, Tile};

use super::problem::{Document, Problem};
use crate::state::App;

/// The route of tiles, as the router writes it.
pub(crate) const TILE_ROUTE: &str = "/logs/{log}/tile/{*path}";

/// What never changes may be kept for ever.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// The newest signed tree head.
#[utoipa::path(get, path = "/logs/{log}/checkpoint", tag = "transparency", params(("log" = String, Path)),
    responses((status = 200, description = "C2SP checkpoint", body = String, content_type = "text/plain; charset=utf-8"), (status = 404, body = Document)))]
pub(crate) async fn checkpoint(
    State(app): State<Arc<App>>,
    Path(log): Path<String>,
) -> Result<Response, Problem> {
    let log = app.log(&log)?;
    let note = log.tree().checkpoint(&log.tree().head()).await?;
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, note).into_response())
}

/// A tile or an entry bundle, of any width up to the published size.
#[utoipa::path(get, path = "/logs/{log}/tile/{*path}", tag = "transparency",
    params(("log" = String, Path), ("path" = String, Path, description = "`<L>/<N>[.p/<W>]` or `entries/<N>[.p/<W>]`")),
    responses((status = 200, description = "the tile or bundle", body = Vec<u8>, content_type = "application/octet-stream"), (status = 404, body = Document)))]
pub(crate) async fn tile(
    State(app): State<Arc<App>>,
    Path((log, path)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let log = app.log(&log)?;
    let path = format!("tile/{path}");
    let bytes = if let Ok(bundle) = BundleId::parse(&path) {
        log.tree().bundle(bundle).await
    } else if let Ok(tile) = Tile::parse(&path) {
        log.tree().tile(tile).await
    } else {
        return Err(Problem::not_found("this is no path of a tile or bundle; see c2sp.org/tlog-tiles"));
    };
    match bytes.map_err(Problem::internal)? {
        Some(bytes) => {
            let headers =
                [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, IMMUTABLE)];
            Ok((headers, bytes).into_response())
        }
        None => Err(Problem::not_found("the published tree does not reach this tile")),
    }
}
