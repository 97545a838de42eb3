//! Bringing another pipeline to a source: a canary beside its own, taken over or stopped; and back. Role `integrator`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use cairnlog_ledger::{CanaryCounts, CanarySpec, SourceSpec};
use serde::{Deserialize, Serialize};

use super::auth::Caller;
use super::changes::ProposedView;
use super::extract::{Json, Nothing, Query};
use super::problem::{Document, Problem};
use super::sources::{BoundView, Pipeline, Stage};
use super::time;
use crate::access::Role;
use crate::recording::Detail;
use crate::state::App;

/// A pipeline to try.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CanaryRequest {
    /// Of a hundred batches, how many it is run over: 1 to 100.
    percent: u8,
    normalizer: Stage,
    #[serde(default)]
    redactors: Vec<Stage>,
    retention: Stage,
}

/// A pipeline that is tried, and what it came to.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct CanaryView {
    source: String,
    percent: u8,
    normalizer: Stage,
    redactors: Vec<Stage>,
    retention: Stage,
    /// Since when it is tried, RFC 3339.
    since: String,
    /// Since when the figures below count: since then, or since the server started. All but `waiting` are shown for 100 raw records at a
    /// time.
    counted_since: String,
    /// Batches over which it was run.
    batches: u64,
    /// Batches whose turn it was while too many earlier ones were not done yet, or that could not be run.
    batches_missed: u64,
    /// Raw records of the batches.
    records: u64,
    /// Raw records that it was handed since the figures were last shown.
    waiting: u64,
    /// Raw records of which it makes the very same.
    same: u64,
    /// Raw records with another fate than in the log.
    fates: Vec<FateView>,
    /// Raw records of which other events would be logged, by what differs.
    members: Vec<MemberView>,
    /// Raw records that it refuses, by reason.
    refused: Vec<RefusedView>,
}

/// Raw records of another fate.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct FateView {
    /// `logged`, `skipped` or `quarantined`.
    kept: &'static str,
    /// What it would have been with the canary.
    canary: &'static str,
    records: u64,
}

/// Raw records of which something differs.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct MemberView {
    /// A top-level member of OCSF's events, `events` for their number, `retention` for class and rule, or `other`.
    member: &'static str,
    records: u64,
}

/// Raw records that are refused.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct RefusedView {
    /// A stable word: `rejected`, `trap`, `bad-return` …
    reason: &'static str,
    records: u64,
}

impl CanaryView {
    fn of(source: String, spec: &CanarySpec, counts: CanaryCounts) -> Self {
        let fates = counts.fates.into_iter();
        let members = counts.members.into_iter();
        let refused = counts.refused.into_iter();
        Self {
            source,
            percent: spec.percent,
            normalizer: (&spec.manifest.normalizer).into(),
            redactors: spec.manifest.redactors.iter().map(Stage::from).collect(),
            retention: (&spec.manifest.retention).into(),
            since: time::rfc3339(spec.since_ms),
            counted_since: time::rfc3339(counts.counted_since_ms),
            batches: counts.batches,
            batches_missed: counts.batches_missed,
            records: counts.records,
            waiting: counts.waiting,
            same: counts.same,
            fates: fates.map(|((kept, canary), records)| FateView { kept, canary, records }).collect(),
            members: members.map(|(member, records)| MemberView { member, records }).collect(),
            refused: refused.map(|(reason, records)| RefusedView { reason, records }).collect(),
        }
    }
}

/// Tries a pipeline beside the source's own, over a share of its batches. What it makes is compared and not logged.
#[utoipa::path(put, path = "/api/v1/logs/{log}/sources/{source}/canary", tag = "sources", security(("token" = [])),
    params(("log" = String, Path), ("source" = String, Path)), request_body = CanaryRequest,
    responses((status = 200, body = CanaryView), (status = "4XX", body = Document)))]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path((log, source)): Path<(String, String)>,
    Query(Nothing {}): Query<Nothing>,
    Json(request): Json<CanaryRequest>,
) -> Result<axum::Json<CanaryView>, Problem> {
    let log = app.records_for(&caller, Role::Integrator, &log)?;
    let CanaryRequest { percent, normalizer, redactors, retention } = request;
    let spec = SourceSpec::from(Pipeline { normalizer, redactors, retention });
    log.put_canary(&source, spec, percent, caller.who()).await?;
    let (spec, counts) = log.canary(&source)?;
    Ok(axum::Json(CanaryView::of(source, &spec, counts)))
}

/// What is tried beside the source's own pipeline, and what it came to so far.
#[utoipa::path(get, path = "/api/v1/logs/{log}/sources/{source}/canary", tag = "sources", security(("token" = [])),
    params(("log" = String, Path), ("source" = String, Path)),
    responses((status = 200, body = CanaryView), (status = "4XX", body = Document)))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path((log, source)): Path<(String, String)>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<axum::Json<CanaryView>, Problem> {
    let log = app.records_for(&caller, Role::Integrator, &log)?;
    let (spec, counts) = log.canary(&source)?;
    // They are about records, if of many.
    app.recording
        .read(&caller, "canary.read", &log, Detail::default().text("canary.source", &source))
        .await?;
    Ok(axum::Json(CanaryView::of(source, &spec, counts)))
}

/// Ends the trial.
#[utoipa::path(delete, path = "/api/v1/logs/{log}/sources/{source}/canary", tag = "sources", security(("token" = [])),
    params(("log" = String, Path), ("source" = String, Path)),
    responses((status = 204), (status = "4XX", body = Document)))]
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path((log, source)): Path<(String, String)>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<StatusCode, Problem> {
    let log = app.records_for(&caller, Role::Integrator, &log)?;
    log.stop_canary(&source, caller.who()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Binds the source to what is tried beside its own pipeline, as if it were given so.
#[utoipa::path(post, path = "/api/v1/logs/{log}/sources/{source}/canary/promote", tag = "sources", security(("token" = [])),
    params(("log" = String, Path), ("source" = String, Path)),
    responses((status = 200, body = BoundView), (status = 202, description = "waits for another person's approval", body = ProposedView), (status = "4XX", body = Document)))]
pub(crate) async fn promote(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path((log, source)): Path<(String, String)>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Response, Problem> {
    let log = app.records_for(&caller, Role::Integrator, &log)?;
    let bound = log.promote_canary(&source, caller.who(), app.two_person).await?;
    Ok(BoundView::answer(source, bound))
}

/// Binds the source to the pipeline that it had before its present one.
#[utoipa::path(post, path = "/api/v1/logs/{log}/sources/{source}/rollback", tag = "sources", security(("token" = [])),
    params(("log" = String, Path), ("source" = String, Path)),
    responses((status = 200, body = BoundView), (status = 202, description = "waits for another person's approval", body = ProposedView), (status = "4XX", body = Document)))]
pub(crate) async fn roll_back(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path((log, source)): Path<(String, String)>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Response, Problem> {
    let log = app.records_for(&caller, Role::Integrator, &log)?;
    let bound = log.roll_back(&source, caller.who(), app.two_person).await?;
    Ok(BoundView::answer(source, bound))
}
