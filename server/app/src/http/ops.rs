//! Health, readiness, metrics and the API's own description.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use cairnlog_store::kept::Failing;

use super::auth::Caller;
use super::extract::{Nothing, Query};
use super::problem::{Problem, Slug};
use crate::access::Role;
use crate::limits::{BODIES_BYTES_MAX, STREAMS_MAX};
use crate::state::App;

/// Whether the process answers.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, description = "the process answers", body = String)))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether every log takes writes, its newest head is kept outside the store, and the rolling audit can read it and has
/// found nothing wrong.
#[utoipa::path(get, path = "/readyz", tag = "operations",
    responses((status = 200, description = "every log takes writes", body = String), (status = 503, description = "why not", body = super::problem::Document)))]
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    if app.draining() {
        return Err(Problem::new(Slug::Starting, "the server is shutting down"));
    }
    let is_public = |log: &str| app.ledger.log(log).is_some_and(|log| !log.is_private());
    let damaged = app.findings.first().map(|(log, words)| damaged(is_public(&log).then_some(&log), &words));
    // Says itself only what anyone may know.
    let stopped = || app.ledger.stopped().map(|why| format!("{why}; restart the server"));
    let unkept = || {
        let failing = app.heads.failing();
        // One that may be named, if there is one.
        let named = failing.iter().find(|failing| is_public(&failing.log));
        let Failing { log, why } = named.or(failing.first())?.clone();
        Some(unkept(is_public(&log).then_some(&log), &why))
    };
    let unread = || app.findings.first_unread().map(|log| unread(is_public(&log).then_some(&log)));
    match damaged.or_else(stopped).or_else(unkept).or_else(unread) {
        None => Ok("ready\n"),
        Some(why) => Err(Problem::new(Slug::ReadOnly, why)),
    }
}

/// Of a log without a name nothing is said but that: anyone may ask, and not everyone may know of a private log, nor how
/// long it is.
fn damaged(log: Option<&String>, words: &str) -> String {
    let what =
        log.map_or_else(|| "a log is damaged".to_owned(), |log| format!("log {log} is damaged: {words}"));
    format!("{what}; stop the server and restore the log from a backup")
}

fn unkept(log: Option<&String>, why: &str) -> String {
    let whose = log.map_or_else(|| "a log".to_owned(), |log| format!("log {log}"));
    format!("the newest head of {whose} can't be kept outside the store: {why}; check the directory of heads")
}

/// The store's own words name its files, which are nobody's business.
fn unread(log: Option<&String>) -> String {
    let what = log.map_or_else(|| "a log".to_owned(), |log| format!("log {log}"));
    format!("the audit could not read on in {what}; check the disk: the server's log says what it met")
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
            let name = log.name();
            ::metrics::gauge!("cairnlog_tree_size", "log" => name.to_owned()).set(size as f64);
            let durable = log.tree().durable_size();
            ::metrics::gauge!("cairnlog_durable_size", "log" => name.to_owned()).set(durable as f64);
            for (witness, outcome, count) in log.tree().witness_requests() {
                let labels = [("log", name), ("witness", witness), ("outcome", outcome.as_str())];
                let labels = labels.map(|(label, value)| (label, value.to_owned()));
                ::metrics::counter!("cairnlog_witness_requests_total", &labels).absolute(count);
            }
        }
        let held = BODIES_BYTES_MAX.saturating_sub(app.bodies.available_permits());
        ::metrics::gauge!("cairnlog_bodies_bytes").set(held as f64);
        let open = STREAMS_MAX.saturating_sub(app.streams.available_permits());
        ::metrics::gauge!("cairnlog_streams").set(open as f64);
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], app.metrics.render()).into_response())
}

/// This document: `OpenAPI` 3.1, generated from the server's own types.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "operations",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)))]
pub(crate) async fn openapi(State(app): State<Arc<App>>, Query(Nothing {}): Query<Nothing>) -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], app.openapi.clone()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_log_is_neither_named_nor_described() {
        let (log, words) = ("payroll".to_owned(), "record 7 was altered");
        assert!(damaged(Some(&log), words).contains("log payroll is damaged: record 7"));
        assert!(damaged(None, words).starts_with("a log is damaged;"));
        // Why it can't be kept is the system's word, and says nothing of the log.
        assert!(unkept(Some(&log), "disk full").contains("head of log payroll can't be kept"));
        assert!(
            unkept(None, "disk full").contains("head of a log can't be kept outside the store: disk full")
        );
        assert!(unread(Some(&log)).contains("in log payroll;"));
        assert!(unread(None).contains("in a log;"));
    }
}
