//! Ingest: raw events in, one row a raw record back, once all of it is durable and in the tree.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use cairnlog_ledger::redact::Opening;
use cairnlog_ledger::{Answer, Idempotency, Ingest, Openings, RowAnswer, Status};
use cairnlog_verify::b64;
use serde::{Deserialize, Serialize};

use super::auth::Caller;
use super::body::{self, Room};
use super::extract::{Query, media_type};
use super::problem;
use super::problem::{Document, Problem, Slug};
use super::split::{self, Shape};
use super::time;
use crate::access::no_source;
use crate::limits::IDEMPOTENCY_KEY_MAX;
use crate::state::App;

/// What became of a request.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Outcome {
    accepted: u64,
    quarantined: u64,
    duplicates: u64,
    skipped: u64,
    /// Index of the first entry that the request made, if it made any.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_index: Option<u64>,
    /// Index of the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_index: Option<u64>,
    /// Size of a published tree that holds all of it.
    tree_size: u64,
    /// One row a raw record, in order.
    results: Vec<Row>,
}

/// What became of one raw record.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Row {
    status: RowStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    /// The number of entries from `index` on.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<u32>,
    /// Base64; of the first entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    leaf_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Only with `openings=true`, in the first answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    openings: Option<OpeningsView>,
}

/// What opens the commitments of one raw record. The server keeps none of it but, where nothing was taken from the only
/// event, the raw salt.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct OpeningsView {
    /// Base64; the salt of the raw commitment.
    raw_salt: String,
    /// The time of receipt in the raw commitment, in milliseconds since the Unix epoch.
    received_ms: u64,
    /// The content type in the raw commitment.
    content_type: String,
    /// For each entry, from `index` on, what was dropped from it; absent for a quarantined raw record.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<Vec<OpeningView>>,
}

/// The salt of one value that was dropped.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct OpeningView {
    path: String,
    /// Base64.
    salt: String,
}

/// What else is asked for.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct IngestQuery {
    /// Whether to hand back, once, the salts that are thrown away.
    #[serde(default)]
    openings: bool,
}

/// The four fates of a raw record.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RowStatus {
    /// Its events are in the tree.
    Logged,
    /// It was logged within the last day; `index` says where.
    Duplicate,
    /// No pipeline could process it; it is kept sealed.
    Quarantined,
    /// The normalizer says there is nothing in it worth a record.
    Skipped,
}

/// Sends raw events to a source. Role `writer`.
#[utoipa::path(post, path = "/api/v1/logs/{log}/sources/{source}/events", tag = "writing", security(("token" = [])),
    params(("log" = String, Path), ("source" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 128 visible ASCII characters; kept 24 hours"),
        ("Content-Encoding" = Option<String>, Header, description = "gzip or zstd"), IngestQuery),
    request_body(description = "one raw record a line, one JSON document or an array of them, or one raw record",
        content((String = "application/x-ndjson"), (serde_json::Value = "application/json"), (String = "text/plain"), (Vec<u8> = "application/octet-stream"))),
    responses((status = 201, body = Outcome), (status = 200, description = "all were duplicates", body = Outcome),
        (status = "4XX", body = Document), (status = 503, body = Document)))]
pub(crate) async fn ingest(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path((log, source)): Path<(String, String)>,
    Query(IngestQuery { openings }): Query<IngestQuery>,
    request: Request,
) -> Result<(StatusCode, axum::Json<Outcome>), Problem> {
    caller.require_source(&log, &source)?;
    let log = app.known(&log)?;
    log.require_sources()?;
    if log.source(&source).is_none() {
        return Err(no_source(&source));
    }
    let shape = Shape::of(media_type(request.headers()).as_deref())?;
    let key = idempotency_key(request.headers())?;
    let mut room = Room::enter(&app.bodies).await?;
    let body = body::read(request, app.ingest.body_bytes, Some(&mut room)).await?;
    let (whole, records_max) = (body.clone(), app.ingest.records);
    let splitting = tokio::task::spawn_blocking(move || split::split(shape, &whole, records_max));
    let records = splitting.await.map_err(|_| Problem::internal("splitting a body panicked"))??;
    let answer = log
        .ingest(Ingest {
            source: source.clone(),
            content_type: shape.record_type().to_owned(),
            attributes: Vec::new(),
            records,
            token: caller.id.clone(),
            idempotency: key.map(|key| Idempotency { key, body }),
            openings,
        })
        .await?;
    count(log.name(), &source, &answer);
    let status = if answer.is_new() { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, axum::Json(answer.into())))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut named = headers.get_all("idempotency-key").iter();
    let Some(value) = named.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.is_empty() || text.len() > IDEMPOTENCY_KEY_MAX || !visible || named.next().is_some() {
        return Err(Problem::new(
            problem::Slug::BadRequest,
            format!("Idempotency-Key is 1 to {IDEMPOTENCY_KEY_MAX} visible ASCII characters, once"),
        ));
    }
    Ok(Some(text.to_owned()))
}

fn count(log: &str, source: &str, answer: &Answer) {
    let rows = [
        ("logged", answer.accepted),
        ("quarantined", answer.quarantined),
        ("duplicate", answer.duplicates),
        ("skipped", answer.skipped),
    ];
    for (status, records) in rows {
        let labels = [("log", log.to_owned()), ("source", source.to_owned()), ("status", status.to_owned())];
        metrics::counter!("cairnlog_raw_records_total", &labels).increment(records);
    }
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self {
            accepted: answer.accepted,
            quarantined: answer.quarantined,
            duplicates: answer.duplicates,
            skipped: answer.skipped,
            first_index: answer.first_index,
            last_index: answer.last_index,
            tree_size: answer.tree_size,
            results: answer.results.into_iter().map(Row::from).collect(),
        }
    }
}

impl From<RowAnswer> for Row {
    fn from(row: RowAnswer) -> Self {
        let status = match row.status {
            Status::Logged => RowStatus::Logged,
            Status::Duplicate => RowStatus::Duplicate,
            Status::Quarantined => RowStatus::Quarantined,
            Status::Skipped => RowStatus::Skipped,
        };
        Self {
            status,
            index: row.index,
            events: row.events,
            leaf_hash: row.leaf_hash.map(|hash| hash.to_string()),
            reason: row.reason,
            openings: row.openings.map(|openings| (*openings).into()),
        }
    }
}

impl From<Openings> for OpeningsView {
    fn from(openings: Openings) -> Self {
        let Openings { raw_salt, received_ms, content_type, events } = openings;
        let view =
            |opening: Opening| OpeningView { path: opening.path, salt: b64::encode(opening.salt.as_slice()) };
        let events = events.into_iter().map(|event| event.into_iter().map(view).collect());
        Self {
            raw_salt: b64::encode(raw_salt.as_slice()),
            received_ms,
            content_type,
            events: events.collect(),
        }
    }
}

impl From<cairnlog_ledger::LedgerError> for Problem {
    fn from(error: cairnlog_ledger::LedgerError) -> Self {
        use cairnlog_ledger::LedgerError as E;
        let slug = match &error {
            E::BadRequest(_) => Slug::BadRequest,
            E::NotFound(_) => Slug::NotFound,
            E::Conflict(_) => Slug::Conflict,
            E::Frozen => Slug::Frozen,
            E::Erased(erasure) => return erased(&error, erasure),
            E::Held(hold) => return Self::new(Slug::Held, error.to_string()).with("hold", hold),
            E::Minimum(until) => {
                let problem = Self::new(Slug::RetentionMinimum, error.to_string());
                return match until {
                    Some(until) => problem.with("until", time::rfc3339(*until)),
                    None => problem,
                };
            }
            E::Rejected { .. } | E::WrongKind(_) => Slug::Rejected,
            E::InvalidPlugin(refused) => {
                let faults = refused.errors.iter().map(|fault| problem::Fault {
                    code: fault.code.to_string(),
                    detail: fault.detail.clone(),
                });
                return Self::new(Slug::InvalidPlugin, error.to_string()).with_errors(faults.collect());
            }
            E::TooLarge => Slug::TooLarge,
            E::QueueFull => Slug::QueueFull,
            E::ReadOnly(_) | E::Interrupted => Slug::ReadOnly,
            other => return Self::internal(other),
        };
        Self::new(slug, error.to_string())
    }
}

fn erased(error: &cairnlog_ledger::LedgerError, erasure: &cairnlog_ledger::Erasure) -> Problem {
    Problem::new(Slug::Erased, error.to_string())
        .with("by", &erasure.by)
        .with("reason", &erasure.reason)
        .with("basis", &erasure.basis)
        .with("at", time::rfc3339(erasure.at_ms))
}
