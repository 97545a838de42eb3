//! The HTTP face of a witness: `POST /add-checkpoint`, `POST /sign-subtree` and `GET /<hex>/checkpoint` of C2SP
//! tlog-witness.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::middleware::map_request;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use cairnlog_verify::limits::WITNESS_REQUEST_BYTES_MAX;
use cairnlog_verify::witness::SIZE_CONTENT_TYPE;
use tower_http::timeout::TimeoutLayer;

use super::judge::Refusal;
use super::{Failure, Witness};
use crate::http::linger;
use crate::limits::WITNESS_WAIT_MAX;

const TEXT: &str = "text/plain; charset=utf-8";

/// The routes of a witness; submission and monitoring prefix are one.
pub(crate) fn router(witness: Arc<Witness>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/sign-subtree", post(sign_subtree))
        .route("/{id}/checkpoint", get(checkpoint))
        .route("/healthz", get(async || "ok\n"))
        .layer(map_request(async |request| linger::watch(request)))
        .layer(DefaultBodyLimit::max(WITNESS_REQUEST_BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, WITNESS_WAIT_MAX))
        .with_state(witness)
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: String) -> Response {
    answer(witness.add_checkpoint(&body).await)
}

async fn sign_subtree(State(witness): State<Arc<Witness>>, body: String) -> Response {
    if !witness.signs_subtrees() {
        return text(StatusCode::NOT_FOUND, "this witness has no key that can sign subtrees\n".to_owned());
    }
    answer(witness.sign_subtree(&body).await)
}

async fn checkpoint(State(witness): State<Arc<Witness>>, Path(id): Path<String>) -> Response {
    match witness.checkpoint(&id).await {
        Some(note) => {
            ([(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, "no-cache")], note).into_response()
        }
        None => text(StatusCode::NOT_FOUND, "nothing of this log was cosigned here\n".to_owned()),
    }
}

fn answer(outcome: Result<String, Failure>) -> Response {
    match outcome {
        Ok(lines) => text(StatusCode::OK, lines),
        Err(Failure::Refused(refusal)) => refused(refusal),
        Err(Failure::Internal(words)) => {
            tracing::error!("no cosignature was handed out: {words}");
            text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the witness can't keep its state; try later\n".to_owned(),
            )
        }
    }
}

fn refused(refusal: Refusal) -> Response {
    match refusal {
        Refusal::Malformed(words) => text(StatusCode::BAD_REQUEST, words + "\n"),
        Refusal::UnknownLog => text(StatusCode::NOT_FOUND, "this log is not witnessed here\n".to_owned()),
        Refusal::Unsigned(words) => text(StatusCode::FORBIDDEN, words + "\n"),
        Refusal::Conflict { last } => {
            (StatusCode::CONFLICT, [(header::CONTENT_TYPE, SIZE_CONTENT_TYPE)], format!("{last}\n"))
                .into_response()
        }
        Refusal::Unproven(words) => text(StatusCode::UNPROCESSABLE_ENTITY, words + "\n"),
    }
}

fn text(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, TEXT)], body).into_response()
}
