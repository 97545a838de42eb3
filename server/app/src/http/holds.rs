//! Legal holds. Role `compliance`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use cairnlog_ledger::Hold;
use serde::{Deserialize, Serialize};

use super::auth::Caller;
use super::extract::{Json, JsonIfAny, Nothing, Query};
use super::list::{Page, PageQuery};
use super::problem::{Document, Problem};
use super::records::Filters;
use super::time;
use crate::access::Role;
use crate::recording::Detail;
use crate::state::App;

/// A hold to set.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HoldRequest {
    /// What the matter is called.
    matter: String,
    /// Why.
    reason: String,
    /// What it covers, also of what arrives later: the filters of a search; everything where there are none.
    query: Filters,
}

/// A hold that stands.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct HoldView {
    /// 16 hex digits.
    id: String,
    matter: String,
    reason: String,
    query: Filters,
    /// Who set it: the id of a token.
    by: String,
    /// Since when, RFC 3339.
    set: String,
}

impl From<&Hold> for HoldView {
    fn from(hold: &Hold) -> Self {
        Self {
            id: hold.name(),
            matter: hold.matter.clone(),
            reason: hold.reason.clone(),
            query: Filters::of(&hold.query),
            by: hold.by.clone(),
            set: time::rfc3339(hold.set_ms),
        }
    }
}

/// Why a hold is released.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReleaseRequest {
    #[serde(default)]
    reason: String,
}

/// Sets a hold: what it covers is not erased before it is released.
#[utoipa::path(post, path = "/api/v1/logs/{log}/holds", tag = "retention", security(("token" = [])), params(("log" = String, Path)),
    request_body = HoldRequest, responses((status = 201, body = HoldView), (status = "4XX", body = Document)))]
pub(crate) async fn set(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(log): Path<String>,
    Query(Nothing {}): Query<Nothing>,
    Json(wanted): Json<HoldRequest>,
) -> Result<(StatusCode, axum::Json<HoldView>), Problem> {
    let log = app.records_for(&caller, Role::Compliance, &log)?;
    let HoldRequest { matter, reason, query } = wanted;
    let hold = log.hold(matter, reason, query.search()?, &caller.id).await?;
    Ok((StatusCode::CREATED, axum::Json(HoldView::from(&*hold))))
}

/// Lists the holds that stand.
#[utoipa::path(get, path = "/api/v1/logs/{log}/holds", tag = "retention", security(("token" = [])), params(("log" = String, Path), PageQuery),
    responses((status = 200, body = Page<HoldView>), (status = "4XX", body = Document)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(name): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<axum::Json<Page<HoldView>>, Problem> {
    let log = app.records_for(&caller, Role::Compliance, &name)?;
    let holds = log.holds().iter().map(|hold| HoldView::from(&**hold)).collect();
    let list = format!("holds {name}");
    let page = page.page(&app, &caller.id, &list, holds, |hold: &HoldView| hold.id.clone())?;
    app.recording.read(&caller, "holds.list", &log, Detail::of_list(page.items.len())).await?;
    Ok(axum::Json(page))
}

/// Releases a hold. What it covered is erased when it is due, if nothing else holds it.
#[utoipa::path(delete, path = "/api/v1/logs/{log}/holds/{id}", tag = "retention", security(("token" = [])),
    params(("log" = String, Path), ("id" = String, Path)), request_body = Option<ReleaseRequest>,
    responses((status = 204), (status = "4XX", body = Document)))]
pub(crate) async fn release(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path((log, id)): Path<(String, String)>,
    Query(Nothing {}): Query<Nothing>,
    JsonIfAny(wanted): JsonIfAny<ReleaseRequest>,
) -> Result<StatusCode, Problem> {
    let log = app.records_for(&caller, Role::Compliance, &log)?;
    let id = (id.len() == 16).then(|| u64::from_str_radix(&id, 16).ok()).flatten();
    let id = id.ok_or_else(|| Problem::not_found("the log has no hold of this id"))?;
    log.release_hold(id, &wanted.reason, &caller.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
