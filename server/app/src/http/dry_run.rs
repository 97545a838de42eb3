//! Dry runs: what a source's pipeline would make of raw records. Role `integrator`.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use cairnlog_ledger::{Ingest, Status, Trial, TrialEvent, TrialFate};
use serde::Serialize;

use super::auth::Caller;
use super::body::{self, Room};
use super::extract::{Nothing, Query, media_type};
use super::messages::MessageView;
use super::problem::{Document, Problem};
use super::records::{RedactionView, RetentionView};
use super::split::{self, Shape};
use crate::access::{Role, no_source};
use crate::limits::DRY_RUN_RECORDS_MAX;
use crate::state::App;

/// What would become of each raw record.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct DryRunView {
    /// One row a raw record, in order.
    results: Vec<TrialView>,
}

/// What would become of a raw record.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct TrialView {
    outcome: TrialOutcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What would be logged: nested OCSF objects, as they would be kept.
    events: Vec<serde_json::Value>,
    /// Of each event, what would be taken from it.
    redactions: Vec<Vec<RedactionView>>,
    /// Of each event, how long it would live.
    retention: Vec<RetentionView>,
    /// Fuel that all stages spent.
    fuel: u64,
    /// Fuel that one stage may spend on a raw record of this size.
    fuel_max: u64,
    /// What its plugins said.
    messages: Vec<MessageView>,
}

/// The fate of a raw record in a dry run.
#[derive(Clone, Copy, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TrialOutcome {
    /// Its events would be in the tree.
    Logged,
    /// No stage could process it.
    Quarantined,
    /// The normalizer says there is nothing in it worth a record.
    Skipped,
    /// By the source's policy, the request that holds it would be refused.
    Rejected,
}

/// The word for a fate.
pub(crate) fn outcome(fate: TrialFate) -> TrialOutcome {
    match fate {
        TrialFate::Rejected => TrialOutcome::Rejected,
        TrialFate::Would(Status::Quarantined) => TrialOutcome::Quarantined,
        TrialFate::Would(Status::Skipped) => TrialOutcome::Skipped,
        TrialFate::Would(Status::Logged | Status::Duplicate) => TrialOutcome::Logged,
    }
}

impl From<Trial> for TrialView {
    fn from(Trial { fate, reason, word: _, events, fuel, fuel_max, messages }: Trial) -> Self {
        let mut view = Self {
            outcome: outcome(fate),
            reason,
            events: Vec::with_capacity(events.len()),
            redactions: Vec::with_capacity(events.len()),
            retention: Vec::with_capacity(events.len()),
            fuel,
            fuel_max,
            messages: messages.into_iter().map(MessageView::from).collect(),
        };
        for TrialEvent { event, redactions, retention } in events {
            view.events.push(event);
            view.redactions.push(redactions.into_iter().map(RedactionView::from).collect());
            view.retention.push(retention.into());
        }
        view
    }
}

/// Says what the source's pipeline would make of raw records. Nothing is logged, and nothing is kept.
#[utoipa::path(post, path = "/api/v1/logs/{log}/sources/{source}/dry-run", tag = "sources", security(("token" = [])),
    params(("log" = String, Path), ("source" = String, Path)),
    request_body(description = "as for events",
        content((String = "application/x-ndjson"), (serde_json::Value = "application/json"), (String = "text/plain"), (Vec<u8> = "application/octet-stream"))),
    responses((status = 200, body = DryRunView), (status = "4XX", body = Document), (status = 503, body = Document)))]
pub(crate) async fn dry_run(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path((name, source)): Path<(String, String)>,
    Query(Nothing {}): Query<Nothing>,
    request: Request,
) -> Result<axum::Json<DryRunView>, Problem> {
    let log = app.records_for(&caller, Role::Integrator, &name)?;
    if log.source(&source).is_none() {
        return Err(no_source(&source));
    }
    let shape = Shape::of(media_type(request.headers()).as_deref())?;
    let mut room = Room::enter(&app.bodies).await?;
    let whole = body::read(request, app.ingest.body_bytes, Some(&mut room)).await?;
    let records_max = app.ingest.records.min(DRY_RUN_RECORDS_MAX);
    let splitting = tokio::task::spawn_blocking(move || split::split(shape, &whole, records_max));
    let records = splitting.await.map_err(|_| Problem::internal("splitting a body panicked"))??;
    let ingest = Ingest {
        source,
        content_type: shape.record_type().to_owned(),
        attributes: Vec::new(),
        records,
        token: caller.id.clone(),
        idempotency: None,
        openings: false,
    };
    let results = log.dry_run(ingest).await?.into_iter().map(TrialView::from).collect();
    Ok(axum::Json(DryRunView { results }))
}
