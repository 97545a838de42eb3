//! Erasure on request. Role `compliance`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use cairnlog_ledger::{Hold, Log, Pending, Refusal, Refused, Requested, Target};
use cairnlog_verify::value::VALUE_BYTES_MAX;
use serde::{Deserialize, Serialize};

use super::auth::Caller;
use super::changes::ProposedView;
use super::extract::{Json, Nothing, Query};
use super::list::{Page, PageQuery};
use super::problem::{Document, Problem};
use super::time;
use crate::access::Role;
use crate::recording::Detail;
use crate::state::App;

/// What is to go: one entry, or all that names a person.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErasureRequest {
    index: Option<u64>,
    /// A person's id, name or e-mail address, as it came or as a pseudonym.
    subject: Option<String>,
    /// Why.
    reason: String,
}

/// What came of it.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ErasureView {
    /// 16 hex digits.
    id: String,
    erased: u64,
    /// From when on no copy of the store made at any time opens what was erased, RFC 3339.
    complete_at: String,
    /// What was not erased, and why.
    refused: Vec<RefusedView>,
}

/// A record that can't be erased now.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct RefusedView {
    index: u64,
    /// `held` or `retention-minimum`.
    r#type: &'static str,
    /// The hold's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<String>,
    /// When the minimum ends, RFC 3339; absent while an event is awaited.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

/// An erasure that waits for another person's approval.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct PendingView {
    id: String,
    /// `pending`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    reason: String,
    /// Who asked: the id of a token.
    by: String,
    /// Since when, RFC 3339.
    at: String,
}

impl From<Requested> for ErasureView {
    fn from(requested: Requested) -> Self {
        let view = |Refused { index, why }| match why {
            Refusal::Held(hold) => {
                RefusedView { index, r#type: "held", hold: Some(Hold::name_of(hold)), until: None }
            }
            Refusal::Minimum(until) => RefusedView {
                index,
                r#type: "retention-minimum",
                hold: None,
                until: until.map(time::rfc3339),
            },
        };
        Self {
            id: requested.id,
            erased: requested.erased,
            complete_at: time::rfc3339(requested.complete_at_ms),
            refused: requested.refused.into_iter().map(view).collect(),
        }
    }
}

impl From<Pending> for PendingView {
    fn from(pending: Pending) -> Self {
        let (index, subject) = match pending.target {
            Target::Index(index) => (Some(index), None),
            Target::Subject(subject) => (None, Some(subject)),
        };
        let at = time::rfc3339(pending.at_ms);
        Self { id: pending.id, status: "pending", index, subject, reason: pending.reason, by: pending.by, at }
    }
}

/// Erases, unless a hold or a minimum stands. Where two persons are needed, notes it for another one's approval.
#[utoipa::path(post, path = "/api/v1/logs/{log}/erasures", tag = "retention", security(("token" = [])), params(("log" = String, Path)),
    request_body = ErasureRequest, responses((status = 201, body = ErasureView), (status = 202, body = ProposedView), (status = "4XX", body = Document)))]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(log): Path<String>,
    Query(Nothing {}): Query<Nothing>,
    Json(wanted): Json<ErasureRequest>,
) -> Result<Response, Problem> {
    let log = app.records_for(&caller, Role::Compliance, &log)?;
    let target = target(wanted.index, wanted.subject)?;
    if app.two_person {
        let id = log.propose_erasure(target, &wanted.reason, &caller.id).await?;
        return Ok(ProposedView::answer(id));
    }
    let requested = log.erase_on_request(&target, &wanted.reason, &caller.id, None).await?;
    Ok(erased(&app, &log, requested))
}

fn target(index: Option<u64>, subject: Option<String>) -> Result<Target, Problem> {
    match (index, subject) {
        (Some(index), None) => Ok(Target::Index(index)),
        (None, Some(subject)) if subject.is_empty() || subject.len() > VALUE_BYTES_MAX => {
            Err(Problem::bad_request(format!("a subject has 1 to {VALUE_BYTES_MAX} bytes")))
        }
        (None, Some(subject)) => Ok(Target::Subject(subject)),
        _ => Err(Problem::bad_request("an erasure names either index or subject")),
    }
}

/// Lists what waits for approval.
#[utoipa::path(get, path = "/api/v1/logs/{log}/erasures", tag = "retention", security(("token" = [])), params(("log" = String, Path), PageQuery),
    responses((status = 200, body = Page<PendingView>), (status = "4XX", body = Document)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(name): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<axum::Json<Page<PendingView>>, Problem> {
    let log = app.records_for(&caller, Role::Compliance, &name)?;
    let pending = log.pending_erasures().await?.into_iter().map(PendingView::from).collect();
    let list = format!("erasures {name}");
    let page = page.page(&app, &caller.id, &list, pending, |pending: &PendingView| pending.id.clone())?;
    app.recording.read(&caller, "erasures.list", &log, Detail::of_list(page.items.len())).await?;
    Ok(axum::Json(page))
}

/// Carries out what another person has asked for.
#[utoipa::path(post, path = "/api/v1/logs/{log}/erasures/{id}/approve", tag = "retention", security(("token" = [])),
    params(("log" = String, Path), ("id" = String, Path)), responses((status = 201, body = ErasureView), (status = "4XX", body = Document)))]
pub(crate) async fn approve(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path((log, id)): Path<(String, String)>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Response, Problem> {
    let log = app.records_for(&caller, Role::Compliance, &log)?;
    let requested = log.approve_erasure(&id, &caller.id).await?;
    Ok(erased(&app, &log, requested))
}

/// Takes back what waits for approval.
#[utoipa::path(delete, path = "/api/v1/logs/{log}/erasures/{id}", tag = "retention", security(("token" = [])),
    params(("log" = String, Path), ("id" = String, Path)), responses((status = 204), (status = "4XX", body = Document)))]
pub(crate) async fn withdraw(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path((log, id)): Path<(String, String)>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<StatusCode, Problem> {
    let log = app.records_for(&caller, Role::Compliance, &log)?;
    log.withdraw_erasure(&id, &caller.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn erased(app: &App, log: &Log, requested: Requested) -> Response {
    tracing::info!(log = log.name(), erasure = requested.id, "records were erased on request");
    app.sweeper.wake();
    (StatusCode::CREATED, axum::Json(ErasureView::from(requested))).into_response()
}
