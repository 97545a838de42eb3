//! Retention classes. Role `compliance`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use cairnlog_ledger::{Class, Put, Trigger};
use serde::{Deserialize, Serialize};

use super::auth::Caller;
use super::changes::ProposedView;
use super::extract::{Json, Nothing, Query};
use super::list::{Page, PageQuery};
use super::problem::{Document, Problem};
use crate::access::Role;
use crate::state::App;

/// How long the records of a class live.
#[derive(Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClassBody {
    trigger: TriggerName,
    minimum_days: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    maximum_days: Option<u32>,
    /// With `end-of-year`: where the year ends, such as `Europe/Berlin`; UTC if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    /// The rule of law or policy behind it.
    basis: String,
}

/// From when the days of a class count.
#[derive(Clone, Copy, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TriggerName {
    /// When the server received the record.
    Received,
    /// The end of the calendar year, in the class's zone, in which it did.
    EndOfYear,
    /// When an event closes the subject's records.
    Closed,
}

/// A class with its name.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ClassView {
    class: String,
    #[serde(flatten)]
    body: ClassBody,
}

impl From<ClassBody> for Class {
    fn from(body: ClassBody) -> Self {
        let trigger = match body.trigger {
            TriggerName::Received => Trigger::Received,
            TriggerName::EndOfYear => Trigger::EndOfYear,
            TriggerName::Closed => Trigger::Closed,
        };
        let ClassBody { minimum_days, maximum_days, zone, basis, .. } = body;
        Self { trigger, minimum_days, maximum_days, zone, basis }
    }
}

impl ClassView {
    pub(crate) fn of(name: String, class: Class) -> Self {
        let trigger = match class.trigger {
            Trigger::Received => TriggerName::Received,
            Trigger::EndOfYear => TriggerName::EndOfYear,
            Trigger::Closed => TriggerName::Closed,
        };
        let Class { minimum_days, maximum_days, zone, basis, .. } = class;
        Self { class: name, body: ClassBody { trigger, minimum_days, maximum_days, zone, basis } }
    }
}

/// Sets a class, for what comes after it. Where two persons are needed, one that keeps less long than before waits for
/// another one's approval.
#[utoipa::path(put, path = "/api/v1/logs/{log}/retention/classes/{class}", tag = "retention", security(("token" = [])),
    params(("log" = String, Path), ("class" = String, Path)), request_body = ClassBody,
    responses((status = 201, body = ClassView), (status = 200, description = "changed, or the same as before", body = ClassView),
        (status = 202, description = "waits for another person's approval", body = ProposedView), (status = "4XX", body = Document)))]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path((log, name)): Path<(String, String)>,
    Query(Nothing {}): Query<Nothing>,
    Json(body): Json<ClassBody>,
) -> Result<Response, Problem> {
    let log = app.records_for(&caller, Role::Compliance, &log)?;
    let class = Class::from(body);
    let new = match log.change_class(&name, class.clone(), caller.who(), app.two_person).await? {
        Put::Done(new) => new,
        Put::Waits(id) => return Ok(ProposedView::answer(id)),
    };
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, axum::Json(ClassView::of(name, class))).into_response())
}

/// Lists classes.
#[utoipa::path(get, path = "/api/v1/logs/{log}/retention/classes", tag = "retention", security(("token" = [])), params(("log" = String, Path), PageQuery),
    responses((status = 200, body = Page<ClassView>), (status = "4XX", body = Document)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(name): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<axum::Json<Page<ClassView>>, Problem> {
    let log = app.records_for(&caller, Role::Compliance, &name)?;
    let classes = log.classes().into_iter().map(|(name, class)| ClassView::of(name, class)).collect();
    let list = format!("classes {name}");
    Ok(axum::Json(page.page(&app, &caller.id, &list, classes, |class: &ClassView| class.class.clone())?))
}

/// One class.
#[utoipa::path(get, path = "/api/v1/logs/{log}/retention/classes/{class}", tag = "retention", security(("token" = [])),
    params(("log" = String, Path), ("class" = String, Path)),
    responses((status = 200, body = ClassView), (status = "4XX", body = Document)))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path((log, name)): Path<(String, String)>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<axum::Json<ClassView>, Problem> {
    let log = app.records_for(&caller, Role::Compliance, &log)?;
    let class = log
        .class(&name)
        .ok_or_else(|| Problem::not_found(format!("the log has no retention class {name:?}")))?;
    Ok(axum::Json(ClassView::of(name, class)))
}
