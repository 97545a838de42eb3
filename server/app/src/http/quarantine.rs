//! Raw records that no pipeline could process: what may be known of them, tried again, given up. Role `integrator`, who
//! sees why, never what.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use cairnlog_ledger::limits::RETRIED_MAX;
use cairnlog_ledger::{Retried, RetryFate, SetAside, SourceSpec, Told};
use serde::{Deserialize, Serialize};

use super::auth::Caller;
use super::dry_run::{TrialOutcome, outcome};
use super::extract::{Json, JsonIfAny, Nothing, Query};
use super::list::{self, Page};
use super::problem::{Document, Problem, Slug};
use super::sources::Pipeline;
use super::time;
use crate::access::{Role, no_source};
use crate::recording::Detail;
use crate::state::App;

/// A quarantined raw record, without its bytes.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct SetAsideView {
    index: u64,
    /// Base64.
    leaf_hash: String,
    source: String,
    /// RFC 3339.
    received: String,
    /// A stable word: `rejected`, `trap`, `too-large` …
    reason: String,
    /// What happened, in the plugin's or the server's words.
    detail: String,
    /// Bytes of its body.
    size: u64,
}

impl From<SetAside> for SetAsideView {
    fn from(aside: SetAside) -> Self {
        let SetAside { index, leaf_hash, source, received_ms, reason, detail, size } = aside;
        let (leaf_hash, received) = (leaf_hash.to_string(), time::rfc3339(received_ms));
        Self { index, leaf_hash, source, received, reason, detail, size }
    }
}

/// Which quarantined raw records.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct QuarantineQuery {
    /// Of this source alone.
    source: Option<String>,
    /// 100 by default, 1,000 at most.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// What to try again.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryRequest {
    /// Of this source alone.
    source: Option<String>,
    /// These; without, those from `from` on, 1,000 at most.
    indices: Option<Vec<u64>>,
    /// The first index to look at.
    #[serde(default)]
    from: u64,
    /// Only says what would become of them.
    #[serde(default)]
    dry_run: bool,
    /// With `dry_run`: as if the source had this pipeline.
    pipeline: Option<Pipeline>,
}

/// What became of them.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct RetryView {
    logged: u64,
    skipped: u64,
    quarantined: u64,
    held: u64,
    results: Vec<RetriedView>,
    /// The `from` to go on with, if there may be more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// What became of one.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct RetriedView {
    /// The index of its quarantine entry.
    index: u64,
    /// `logged`, `skipped`, `quarantined`, `rejected` (of a dry run), `held` or `absent`.
    status: &'static str,
    /// The index of its first record.
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    /// How many records it gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Of a dry run with the source's own pipeline: the fuel that all stages spent.
    #[serde(skip_serializing_if = "Option::is_none")]
    fuel: Option<u64>,
}

/// Why something is given up.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiscardRequest {
    reason: String,
}

impl RetriedView {
    fn new(index: u64, status: &'static str) -> Self {
        Self { index, status, first: None, records: None, reason: None, fuel: None }
    }

    fn tried(index: u64, trial: Option<Told>) -> Self {
        let Some(trial) = trial else {
            let reason = "it is not in quarantine, a hold covers it, or its source is not bound".to_owned();
            return Self { reason: Some(reason), ..Self::new(index, "absent") };
        };
        let status = match outcome(trial.fate) {
            TrialOutcome::Logged => "logged",
            TrialOutcome::Quarantined => "quarantined",
            TrialOutcome::Skipped => "skipped",
            TrialOutcome::Rejected => "rejected",
        };
        Self { reason: trial.reason, fuel: trial.fuel, ..Self::new(index, status) }
    }
}

impl From<Retried> for RetriedView {
    fn from(Retried { index, fate }: Retried) -> Self {
        let because = |status, reason| Self { reason: Some(reason), ..Self::new(index, status) };
        match fate {
            RetryFate::Logged { first, records } => {
                Self { first: Some(first), records: Some(records), ..Self::new(index, "logged") }
            }
            RetryFate::Skipped(why) => because("skipped", why),
            RetryFate::Quarantined(why) => because("quarantined", why),
            RetryFate::Held(hold) => because("held", format!("the legal hold {hold} covers it")),
            RetryFate::Absent(why) => because("absent", why),
        }
    }
}

impl RetryView {
    fn of(results: Vec<RetriedView>, next: Option<u64>) -> Self {
        let count = |status| results.iter().filter(|result| result.status == status).count() as u64;
        let [logged, skipped, quarantined, held] = ["logged", "skipped", "quarantined", "held"].map(count);
        Self { logged, skipped, quarantined, held, results, next }
    }
}

/// Lists quarantined raw records, without their bytes.
#[utoipa::path(get, path = "/api/v1/logs/{log}/quarantine", tag = "sources", security(("token" = [])), params(("log" = String, Path), QuarantineQuery),
    responses((status = 200, body = Page<SetAsideView>), (status = "4XX", body = Document)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(name): Path<String>,
    Query(query): Query<QuarantineQuery>,
) -> Result<axum::Json<Page<SetAsideView>>, Problem> {
    let log = app.records_for(&caller, Role::Integrator, &name)?;
    let limit = list::rows(query.limit)?;
    if let Some(source) = query.source.as_deref().filter(|source| log.source(source).is_none()) {
        return Err(no_source(source));
    }
    let bound_to = format!("quarantine {name} {:?}", query.source);
    let from = match &query.cursor {
        Some(cursor) => {
            let position: Result<[u8; 8], _> = app.cursors.open(&caller.id, &bound_to, cursor)?.try_into();
            u64::from_be_bytes(position.map_err(|_| Problem::new(Slug::Cursor, "the cursor can't be read"))?)
        }
        None => 0,
    };
    let (found, next) = log.quarantined(query.source.as_deref(), from, limit).await?;
    let next_cursor =
        next.map(|next| app.cursors.seal(&caller.id, &bound_to, &next.to_be_bytes())).transpose()?;
    app.recording.read(&caller, "quarantine.list", &log, Detail::of_list(found.len())).await?;
    Ok(axum::Json(Page { items: found.into_iter().map(SetAsideView::from).collect(), next_cursor }))
}

/// Runs quarantined raw records through their source's pipeline again, or says what would come of it.
#[utoipa::path(post, path = "/api/v1/logs/{log}/quarantine/retry", tag = "sources", security(("token" = [])), params(("log" = String, Path)),
    request_body = Option<RetryRequest>, responses((status = 200, body = RetryView), (status = "4XX", body = Document)))]
pub(crate) async fn retry(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(name): Path<String>,
    Query(Nothing {}): Query<Nothing>,
    JsonIfAny(wanted): JsonIfAny<RetryRequest>,
) -> Result<axum::Json<RetryView>, Problem> {
    let log = app.records_for(&caller, Role::Integrator, &name)?;
    let RetryRequest { source, indices, from, dry_run, pipeline } = wanted;
    if indices.is_some() && (source.is_some() || from > 0) {
        return Err(Problem::bad_request("indices says all: leave source and from out"));
    }
    if pipeline.is_some() && !dry_run {
        return Err(Problem::bad_request("pipeline is for a dry run; bind the source to it first"));
    }
    if let Some(source) = source.as_deref().filter(|source| log.source(source).is_none()) {
        return Err(no_source(source));
    }
    let (indices, next) = if let Some(indices) = indices {
        (indices, None)
    } else {
        let (found, next) = log.quarantined(source.as_deref(), from, RETRIED_MAX).await?;
        (found.into_iter().map(|aside| aside.index).collect(), next)
    };
    let results = if dry_run {
        let spec = pipeline.map(SourceSpec::from);
        let tried = log.retry_dry(&indices, spec.as_ref(), caller.who()).await?;
        tried.into_iter().map(|(index, trial)| RetriedView::tried(index, trial)).collect()
    } else {
        let retried = log.retry(&indices, caller.who()).await?;
        retried.into_iter().map(RetriedView::from).collect()
    };
    Ok(axum::Json(RetryView::of(results, next)))
}

/// Gives a quarantined raw record up: its bytes go, and an entry of kind `release` says so.
#[utoipa::path(post, path = "/api/v1/logs/{log}/quarantine/{index}/discard", tag = "sources", security(("token" = [])),
    params(("log" = String, Path), ("index" = u64, Path)), request_body = DiscardRequest,
    responses((status = 204), (status = "4XX", body = Document)))]
pub(crate) async fn discard(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path((name, index)): Path<(String, u64)>,
    Query(Nothing {}): Query<Nothing>,
    Json(DiscardRequest { reason }): Json<DiscardRequest>,
) -> Result<StatusCode, Problem> {
    let log = app.records_for(&caller, Role::Integrator, &name)?;
    log.discard(index, &reason, &caller.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
