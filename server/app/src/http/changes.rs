//! Changes that wait for a second person, where the server asks for one. Role `compliance`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use cairnlog_ledger::{Approved, Change, Waiting};
use serde::Serialize;

use super::auth::Caller;
use super::classes::ClassView;
use super::extract::{Nothing, Query};
use super::list::{Page, PageQuery};
use super::problem::{Document, Problem};
use super::sources::Stage;
use super::time;
use crate::access::Role;
use crate::state::App;

/// A change that waits for another person's approval: of a source or of a class.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ChangeView {
    /// 16 hex digits.
    id: String,
    /// `pending`.
    status: &'static str,
    /// What a source is to be bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<ProposedSource>,
    /// What a class is to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<ClassView>,
    /// Who proposed it: the id of a token.
    by: String,
    /// Since when, RFC 3339.
    at: String,
}

/// The stages that a source is to have.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ProposedSource {
    source: String,
    normalizer: Stage,
    redactors: Vec<Stage>,
    retention: Stage,
}

/// A change that waits now.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ProposedView {
    /// Names it in its approval.
    id: String,
    /// `pending`.
    status: &'static str,
}

impl ProposedView {
    /// The answer to who proposed it.
    pub(crate) fn answer(id: String) -> Response {
        (StatusCode::ACCEPTED, axum::Json(Self { id, status: "pending" })).into_response()
    }
}

impl From<Waiting> for ChangeView {
    fn from(Waiting { id, change, by, at_ms }: Waiting) -> Self {
        let (source, class) = match change {
            Change::Source { name, manifest } => {
                let source = ProposedSource {
                    source: name,
                    normalizer: (&manifest.normalizer).into(),
                    redactors: manifest.redactors.iter().map(Stage::from).collect(),
                    retention: (&manifest.retention).into(),
                };
                (Some(source), None)
            }
            Change::Class { name, class } => (None, Some(ClassView::of(name, class))),
        };
        Self { id, status: "pending", source, class, by, at: time::rfc3339(at_ms) }
    }
}

/// Lists the changes that wait for approval.
#[utoipa::path(get, path = "/api/v1/logs/{log}/changes", tag = "retention", security(("token" = [])), params(("log" = String, Path), PageQuery),
    responses((status = 200, body = Page<ChangeView>), (status = "4XX", body = Document)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(name): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<axum::Json<Page<ChangeView>>, Problem> {
    let log = app.records_for(&caller, Role::Compliance, &name)?;
    let changes = log.waiting_changes().await?.into_iter().map(ChangeView::from).collect();
    let list = format!("changes {name}");
    Ok(axum::Json(page.page(&app, &caller.id, &list, changes, |change: &ChangeView| change.id.clone())?))
}

/// Carries out what another token has proposed.
#[utoipa::path(post, path = "/api/v1/logs/{log}/changes/{id}/approve", tag = "retention", security(("token" = [])),
    params(("log" = String, Path), ("id" = String, Path)), responses((status = 204), (status = "4XX", body = Document)))]
pub(crate) async fn approve(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path((log, id)): Path<(String, String)>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<StatusCode, Problem> {
    let log = app.records_for(&caller, Role::Compliance, &log)?;
    match log.approve_change(&id, caller.who()).await? {
        Approved::Source(bound) => {
            tracing::info!(log = log.name(), change = id, pipeline = %bound.pipeline, "a source was bound as approved");
        }
        Approved::Class => tracing::info!(log = log.name(), change = id, "a class was set as approved"),
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a proposal back.
#[utoipa::path(delete, path = "/api/v1/logs/{log}/changes/{id}", tag = "retention", security(("token" = [])),
    params(("log" = String, Path), ("id" = String, Path)), responses((status = 204), (status = "4XX", body = Document)))]
pub(crate) async fn withdraw(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path((log, id)): Path<(String, String)>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<StatusCode, Problem> {
    let log = app.records_for(&caller, Role::Compliance, &log)?;
    log.withdraw_change(&id, caller.who()).await?;
    Ok(StatusCode::NO_CONTENT)
}
