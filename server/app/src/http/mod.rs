//! The HTTP face: strict in what it takes, RFC 9457 in what it refuses.
//!
//! From the outside in: [`trace`] gives the request an id and finishes problems, the router finds
//! the handler, [`auth`] says who calls, [`extract`] parses strictly, the handler asks
//! [`crate::access`] whether that caller may and then the ledger to do it.

mod adds;
pub(crate) mod auth;
mod backups;
mod body;
mod changes;
mod classes;
pub(crate) mod cursor;
mod disclosures;
mod dry_run;
mod erasures;
mod events;
#[cfg(test)]
mod every;
mod extract;
mod holds;
pub(crate) mod linger;
mod list;
mod logs;
mod messages;
mod ops;
mod plugins;
pub(crate) mod problem;
mod proofs;
mod quarantine;
mod records;
mod retention;
mod rollout;
mod served;
mod sources;
pub(crate) mod split;
mod stream;
mod tiles;
mod time;
mod tokens;
mod trace;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi as _;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::App;
use problem::{Problem, Slug};

#[derive(utoipa::OpenApi)]
#[openapi(info(
    title = "Cairnlog",
    description = "A transparency log for audit-ready access logs: publicly verifiable, privately readable, lawfully erasable."
))]
struct Document;

/// Every route with its description; handlers and document can't drift apart.
fn described() -> OpenApiRouter<Arc<App>> {
    let mut document = Document::openapi();
    let token = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    document.components.get_or_insert_default().security_schemes.insert("token".to_owned(), token.into());
    OpenApiRouter::with_openapi(document)
        .routes(routes!(ops::healthz))
        .routes(routes!(ops::readyz))
        .routes(routes!(ops::metrics))
        .routes(routes!(ops::openapi))
        .merge(operated())
        .routes(routes!(tiles::checkpoint))
        .routes(routes!(tiles::tile))
        .routes(routes!(proofs::sth))
        .routes(routes!(proofs::inclusion))
        .routes(routes!(proofs::consistency))
        .routes(routes!(proofs::receipt))
        .routes(routes!(proofs::entry))
        .routes(routes!(adds::add))
        .routes(routes!(adds::add_all))
        .routes(routes!(events::ingest))
        .routes(routes!(records::get))
        .routes(routes!(records::list))
        .routes(routes!(records::search))
        .routes(routes!(stream::stream))
        .routes(routes!(disclosures::create))
}

/// The routes by which people set the server up. A change is made in several steps, on disk and in memory.
fn operated() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(tokens::create, tokens::list))
        .routes(routes!(tokens::delete))
        .routes(routes!(logs::create, logs::list))
        .routes(routes!(logs::get))
        .routes(routes!(logs::freeze))
        .routes(routes!(logs::keys))
        .routes(routes!(logs::kek))
        .routes(routes!(backups::create))
        .routes(routes!(plugins::upload, plugins::list))
        .routes(routes!(plugins::get, plugins::delete))
        .routes(routes!(plugins::wasm))
        .routes(routes!(sources::put, sources::get))
        .routes(routes!(sources::list))
        .routes(routes!(dry_run::dry_run))
        .routes(routes!(rollout::put, rollout::get, rollout::delete))
        .routes(routes!(rollout::promote))
        .routes(routes!(messages::list))
        .routes(routes!(rollout::roll_back))
        .routes(routes!(quarantine::list))
        .routes(routes!(quarantine::retry))
        .routes(routes!(quarantine::discard))
        .routes(routes!(classes::put, classes::get))
        .routes(routes!(classes::list))
        .routes(routes!(retention::due))
        .routes(routes!(retention::sweep))
        .routes(routes!(holds::set, holds::list))
        .routes(routes!(holds::release))
        .routes(routes!(erasures::create, erasures::list))
        .routes(routes!(erasures::approve))
        .routes(routes!(erasures::withdraw))
        .routes(routes!(changes::list))
        .routes(routes!(changes::approve))
        .routes(routes!(changes::withdraw))
        .route_layer(axum::middleware::from_fn(to_its_end))
}

/// Runs a handler in a task of its own, so that a caller who hangs up or waits too long leaves nothing half changed.
async fn to_its_end(request: Request, next: Next) -> Response {
    let handled = tokio::spawn(next.run(request)).await;
    handled.unwrap_or_else(|_| Problem::internal("a handler panicked").into_response())
}

/// The `OpenAPI` document, and the routes that it describes.
pub(crate) fn split() -> (Router<Arc<App>>, utoipa::openapi::OpenApi) {
    let (router, mut document) = described().split_for_parts();
    // OpenAPI has no tail parameter.
    if let Some(item) = document.paths.paths.remove(tiles::TILE_ROUTE) {
        document.paths.paths.insert("/logs/{log}/tile/{path}".to_owned(), item);
    }
    (router, document)
}

/// The whole face of a running server.
pub(crate) fn router(routes: Router<Arc<App>>, app: Arc<App>) -> Router {
    let trace = |State(app): State<Arc<App>>, request: Request, next: Next| async move {
        trace::layer(request, next, |problem| app.recording.refuse(problem)).await
    };
    routes
        .fallback(async || {
            Problem::not_found("there is nothing at this path; /api/v1/openapi.json lists what there is")
        })
        .method_not_allowed_fallback(async || {
            Problem::new(Slug::Method, "this path does not take this method")
        })
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
            Problem::internal("a handler panicked").into_response()
        }))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&app), trace))
        .with_state(app)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use axum::body::Body;
    use axum::routing::put;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_change_is_made_whole_though_its_caller_hangs_up() {
        let (begun, go_on) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
        let (changed, done) = (Arc::new(AtomicBool::new(false)), Arc::new(tokio::sync::Notify::new()));
        let parts = (Arc::clone(&begun), Arc::clone(&go_on), Arc::clone(&changed), Arc::clone(&done));
        let change = async move || {
            let (begun, go_on, changed, done) = parts.clone();
            begun.notify_one();
            go_on.notified().await;
            changed.store(true, Ordering::SeqCst);
            done.notify_one();
        };
        let router: Router =
            Router::new().route("/", put(change)).route_layer(axum::middleware::from_fn(to_its_end));
        let request = Request::put("/").body(Body::empty()).expect("a request");
        tokio::select! {
            _ = router.oneshot(request) => unreachable!("the handler waits"),
            () = begun.notified() => {}
        }
        go_on.notify_one();
        done.notified().await;
        assert!(changed.load(Ordering::SeqCst));
    }
}
