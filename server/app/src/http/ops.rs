//! Health, readiness, metrics and the API's own description.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::auth::Caller;
use super::extract::{Nothing, Query};
use super::problem::{Problem, Slug};
use crate::access::Role;
use crate::limits::BODIES_BYTES_MAX;
use crate::state::App;

/// Whether the process answers.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, description = "the process answers", body = String)))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether every log takes writes and the rolling audit has found nothing wrong.
#[utoipa::path(get, path = "/readyz", tag = "operations",
    responses((status = 200, description = "every log takes writes", body = String), (status = 503, description = "why not", body = super::problem::Document)))]
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    if app.draining() {
        return Err(Problem::new(Slug::Starting, "the server is shutting down"));
    }
    if let Some((log, words)) = app.findings.first() {
        let detail =
            format!("log {log} is damaged: {words}; stop the server and restore the log from a backup");
        return Err(Problem::new(Slug::ReadOnly, detail));
    }
    match app.ledger.stopped() {
        None => Ok("ready\n"),
        Some(why) => Err(Problem::new(Slug::ReadOnly, format!("{why}; restart the server"))),
    }
}

/// Metrics in the Prometheus text format. Role `admin`.
#[utoipa::path(get, path = "/metrics", tag = "operations", security(("token" = [])),
    responses((status = 200, description = "Prometheus text format", body = String), (status = "4XX", body = super::problem::Document)))]
pub(crate) async fn metrics(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
) -> Result<Response, Problem> {
    caller.require(Role::Admin, None)?;
    #[allow(clippy::cast_precision_loss, reason = "a gauge is a float; 2^53 entries or bytes are far off")]
    {
        for log in app.ledger.logs() {
            let size = log.tree().head().checkpoint.size;
            ::metrics::gauge!("cairnlog_tree_size", "log" => log.info().name).set(size as f64);
        }
        let held = BODIES_BYTES_MAX.saturating_sub(app.bodies.available_permits());
        ::metrics::gauge!("cairnlog_bodies_bytes").set(held as f64);
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], app.metrics.render()).into_response())
}

/// This document: `OpenAPI` 3.1, generated from the server's own types.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "operations",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)))]
pub(crate) async fn openapi(State(app): State<Arc<App>>, Query(Nothing {}): Query<Nothing>) -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], app.openapi.clone()).into_response()
}
