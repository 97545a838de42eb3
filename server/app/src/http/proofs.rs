//! The transparency part of the JSON API: tree heads, proofs, entries, receipts.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cairnlog_ledger::{Log, Mode};
use cairnlog_tlog::{Head, HeadError, ProofFailure};
use cairnlog_verify::{Hash, b64, cose, tree};
use serde::{Deserialize, Serialize};

use super::auth::Anyone;
use super::extract::{Nothing, Query};
use super::problem::{Document, Problem, Slug};
use super::served::prefers;
use super::time;
use crate::limits::RETRY_AFTER_SECS;
use crate::state::App;

/// A signed tree head.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct TreeHead {
    origin: String,
    tree_size: u64,
    /// Base64.
    root_hash: String,
    /// When it was signed, as its ML-DSA-44 signature says (RFC 3339, UTC); absent without such a signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    /// The C2SP checkpoint.
    checkpoint: String,
}

/// The newest signed tree head, as JSON.
#[utoipa::path(get, path = "/api/v1/logs/{log}/sth", tag = "transparency", params(("log" = String, Path)),
    responses((status = 200, body = TreeHead), (status = "4XX", body = Document)))]
pub(crate) async fn sth(
    State(app): State<Arc<App>>,
    Anyone(caller): Anyone,
    Path(log): Path<String>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<axum::Json<TreeHead>, Problem> {
    let log = app.log_seen_by(caller.as_ref(), &log)?;
    let head = log.tree().head();
    Ok(axum::Json(TreeHead {
        origin: head.checkpoint.origin.clone(),
        tree_size: head.checkpoint.size,
        root_hash: head.checkpoint.root.to_string(),
        timestamp: head.timestamp().map(|seconds| time::rfc3339(seconds.saturating_mul(1000))),
        checkpoint: log.tree().checkpoint(&head).await?,
    }))
}

/// Which entry, in which tree.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct InclusionQuery {
    /// The entry's index; this or `leaf_hash`.
    index: Option<u64>,
    /// The entry's leaf hash: 64 hex digits or base64.
    leaf_hash: Option<String>,
    /// Default: the published size.
    tree_size: Option<u64>,
}

/// An inclusion proof.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Inclusion {
    leaf_index: u64,
    /// Base64.
    leaf_hash: String,
    tree_size: u64,
    /// Base64.
    root_hash: String,
    /// Base64, from the leaf's sibling up (RFC 6962 §2.1.1).
    hashes: Vec<String>,
    /// The signed tree head, where `tree_size` is the published size.
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<String>,
}

/// Proves that an entry is in the tree of a size.
#[utoipa::path(get, path = "/api/v1/logs/{log}/proofs/inclusion", tag = "transparency", params(("log" = String, Path), InclusionQuery),
    responses((status = 200, body = Inclusion), (status = "4XX", body = Document)))]
pub(crate) async fn inclusion(
    State(app): State<Arc<App>>,
    Anyone(caller): Anyone,
    Path(log): Path<String>,
    Query(query): Query<InclusionQuery>,
) -> Result<axum::Json<Inclusion>, Problem> {
    let log = app.log_seen_by(caller.as_ref(), &log)?;
    let head = log.tree().head();
    let tree_size = size_within(query.tree_size, &head)?;
    let index = match (query.index, &query.leaf_hash) {
        (Some(index), None) => index,
        (None, Some(text)) => find(&log, text).await?,
        _ => return Err(Problem::bad_request("name the entry by index or by leaf_hash, one of them")),
    };
    if index >= tree_size {
        return Err(Problem::bad_request(format!("index {index} is not in a tree of size {tree_size}")));
    }
    let proven = log.tree().prove_inclusion(index, tree_size).await?;
    let checkpoint =
        if tree_size == head.checkpoint.size { Some(log.tree().checkpoint(&head).await?) } else { None };
    Ok(axum::Json(Inclusion {
        leaf_index: index,
        leaf_hash: proven.leaf.to_string(),
        tree_size,
        root_hash: proven.root.to_string(),
        hashes: proven.hashes.iter().map(Hash::to_string).collect(),
        checkpoint,
    }))
}

/// Between which sizes.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ConsistencyQuery {
    /// The smaller size.
    from: u64,
    /// The larger size; default: the published size.
    to: Option<u64>,
}

/// A consistency proof.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Consistency {
    from: u64,
    to: u64,
    /// Base64 (RFC 6962 §2.1.2).
    hashes: Vec<String>,
}

/// Proves that the tree of one size begins with that of another.
#[utoipa::path(get, path = "/api/v1/logs/{log}/proofs/consistency", tag = "transparency", params(("log" = String, Path), ConsistencyQuery),
    responses((status = 200, body = Consistency), (status = "4XX", body = Document)))]
pub(crate) async fn consistency(
    State(app): State<Arc<App>>,
    Anyone(caller): Anyone,
    Path(log): Path<String>,
    Query(query): Query<ConsistencyQuery>,
) -> Result<axum::Json<Consistency>, Problem> {
    let log = app.log_seen_by(caller.as_ref(), &log)?;
    let to = size_within(query.to, &log.tree().head())?;
    if query.from > to {
        return Err(Problem::bad_request(format!("from {} is larger than to {to}", query.from)));
    }
    let hashes = log.tree().consistency(query.from, to).await?;
    Ok(axum::Json(Consistency { from: query.from, to, hashes: hashes.iter().map(Hash::to_string).collect() }))
}

/// An entry's exact bytes.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct EntryView {
    index: u64,
    /// Base64.
    leaf_hash: String,
    /// Base64.
    entry: String,
}

/// One entry.
#[utoipa::path(get, path = "/api/v1/logs/{log}/entries/{index}", tag = "transparency", params(("log" = String, Path), ("index" = u64, Path)),
    responses((status = 200, body = EntryView), (status = "4XX", body = Document)))]
pub(crate) async fn entry(
    State(app): State<Arc<App>>,
    Anyone(caller): Anyone,
    Path((log, index)): Path<(String, String)>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<axum::Json<EntryView>, Problem> {
    let index = parse_index(&index)?;
    let entry = entry_bytes(&*app.log_seen_by(caller.as_ref(), &log)?, index).await?;
    Ok(axum::Json(EntryView {
        index,
        leaf_hash: tree::leaf_hash(&entry).to_string(),
        entry: b64::encode(&entry),
    }))
}

/// A receipt against the published head: a C2SP tlog-proof, which verifies alone; to who asks for `application/cose`, a
/// COSE receipt (draft-ietf-cose-merkle-tree-proofs) for the entry, signed by the log's Ed25519 key.
#[utoipa::path(get, path = "/api/v1/logs/{log}/entries/{index}/receipt", tag = "transparency", params(("log" = String, Path), ("index" = u64, Path)),
    responses((status = 200, description = "C2SP tlog-proof, or COSE_Sign1", content((String = "text/plain"), (Vec<u8> = "application/cose"))), (status = 202, description = "not yet published; come again"), (status = "4XX", body = Document)))]
pub(crate) async fn receipt(
    State(app): State<Arc<App>>,
    Anyone(caller): Anyone,
    Path((log, index)): Path<(String, String)>,
    Query(Nothing {}): Query<Nothing>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let index = parse_index(&index)?;
    let log = app.log_seen_by(caller.as_ref(), &log)?;
    if (log.tree().head().checkpoint.size..log.tree().durable_size()).contains(&index) {
        let headers =
            [(header::RETRY_AFTER, RETRY_AFTER_SECS.to_string()), (header::VARY, "accept".to_owned())];
        return Ok((StatusCode::ACCEPTED, headers).into_response());
    }
    entry_bytes(&log, index).await?;
    let vary = (header::VARY, "accept");
    if prefers(&headers, "application/cose", "text/plain") {
        let receipt = log.tree().cose_receipt(index).await?.encode();
        return Ok(([vary, (header::CONTENT_TYPE, cose::CONTENT_TYPE)], receipt).into_response());
    }
    let mut receipt = log.tree().receipt(index).await?;
    if log.mode() == Mode::Opaque {
        // What opaque entries mean is the business of who wrote them, who has them.
        receipt.extra = None;
    }
    let text = (header::CONTENT_TYPE, "text/plain; charset=utf-8");
    Ok(([vary, text], receipt.to_string()).into_response())
}

/// An index in a path.
///
/// # Errors
/// `bad-request`.
pub(crate) fn parse_index(text: &str) -> Result<u64, Problem> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let index = text.parse().ok().filter(|_| is_number);
    index.ok_or_else(|| Problem::bad_request("an index is a decimal number"))
}

async fn entry_bytes(log: &Log, index: u64) -> Result<Vec<u8>, Problem> {
    let found = log.tree().entry(index).await.map_err(Problem::internal)?;
    found.ok_or_else(|| Problem::not_found(format!("the published tree has no entry {index}")))
}

fn size_within(wanted: Option<u64>, head: &Head) -> Result<u64, Problem> {
    let published = head.checkpoint.size;
    match wanted {
        Some(size) if size > published => Err(Problem::bad_request(format!(
            "the published tree has {published} entries, fewer than {size}"
        ))),
        wanted => Ok(wanted.unwrap_or(published)),
    }
}

async fn find(log: &Log, text: &str) -> Result<u64, Problem> {
    // A `+` of unescaped base64 arrives as a space.
    let text = text.replace(' ', "+");
    let hash = Hash::from_hex(&text)
        .ok()
        .or_else(|| text.parse().ok())
        .ok_or_else(|| Problem::bad_request("leaf_hash is 64 hex digits, or base64 of 32 bytes"))?;
    let found = log.tree().find_leaf(&hash).await.map_err(Problem::internal)?;
    found.ok_or_else(|| Problem::not_found("no entry has this leaf hash"))
}

impl From<HeadError> for Problem {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Unpublished => Self::new(Slug::Starting, error.to_string()),
            other => Self::internal(other),
        }
    }
}

impl From<ProofFailure> for Problem {
    fn from(error: ProofFailure) -> Self {
        match error {
            ProofFailure::Read(cause) => Self::internal(cause),
            ProofFailure::Head(cause) => cause.into(),
            refused => Self::bad_request(refused.to_string()),
        }
    }
}
