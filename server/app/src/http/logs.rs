//! Logs: created, given other keys and frozen by `admin`, listed to all who may see them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use cairnlog_ledger::{KekInfo, KeyChange, Log, NewLog};
use serde::{Deserialize, Serialize};

use super::auth::{Anyone, Caller};
use super::extract::{Json, JsonIfAny, Nothing, Query};
use super::list::{Page, PageQuery};
use super::problem::{Document, Problem};
use super::time;
use crate::access::Role;
use crate::state::{App, is_seen_by};

/// A log to create.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogRequest {
    /// `[a-z0-9-]{1,64}`.
    name: String,
    /// Default: `<public host>/logs/<name>`.
    origin: Option<String>,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    private: bool,
    /// `PRIVATE+KEY+…` notes named like the origin; without, a key is made.
    signing_keys: Option<Vec<String>>,
    /// Of mode `opaque`: an entry equal to an earlier one is not added again, but answered with that one's index.
    #[serde(default)]
    dedupe: bool,
}

/// New keys for a log.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeysRequest {
    /// `PRIVATE+KEY+…` notes named like the origin; without, an Ed25519 and an ML-DSA-44 key are made.
    signing_keys: Option<Vec<String>>,
    /// How many more entries the old keys sign for, beside the new ones; default 1,000,000.
    overlap: Option<u64>,
    /// Why; kept sealed, with the entry of each new key.
    reason: Option<String>,
}

/// What a log holds.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Records: sealed events behind salted commitments.
    #[default]
    Records,
    /// Bytes as they come.
    Opaque,
}

/// A log as it is.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct LogView {
    name: String,
    origin: String,
    mode: Mode,
    private: bool,
    /// Whether an entry equal to an earlier one is not added again.
    dedupe: bool,
    /// Whether it takes nothing more.
    frozen: bool,
    /// The current Ed25519 verifier key.
    verifier_key: String,
    /// All verifier keys, that one first.
    verifier_keys: Vec<String>,
    tree_size: u64,
    /// RFC 3339, UTC.
    created: String,
    /// Witnesses that cosign its tree heads.
    witnesses: Vec<String>,
}

/// What a log's keyring is wrapped by.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct KekView {
    /// The id of the key-encryption key.
    kek: String,
    /// How often the keyring has been written.
    keyring_epoch: u64,
}

impl LogView {
    fn of(log: &Log) -> Self {
        let info = log.info();
        Self {
            name: info.name,
            origin: info.origin,
            mode: match info.mode {
                cairnlog_ledger::Mode::Records => Mode::Records,
                cairnlog_ledger::Mode::Opaque => Mode::Opaque,
            },
            private: info.private,
            dedupe: info.dedupe,
            frozen: info.frozen,
            verifier_key: info.verifier_key,
            verifier_keys: info.verifier_keys,
            tree_size: log.tree().head().checkpoint.size,
            created: time::rfc3339(info.created_ms),
            witnesses: log.tree().witnesses(),
        }
    }
}

/// Creates a log: makes or takes its keys and writes entry 0. Role `admin`.
#[utoipa::path(post, path = "/api/v1/logs", tag = "logs", security(("token" = [])), request_body = LogRequest,
    responses((status = 201, body = LogView), (status = "4XX", body = Document)))]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Query(Nothing {}): Query<Nothing>,
    Json(wanted): Json<LogRequest>,
) -> Result<(StatusCode, axum::Json<LogView>), Problem> {
    caller.require(Role::Admin, None)?;
    let new = NewLog {
        name: wanted.name,
        origin: wanted.origin,
        signing_keys: given_keys(wanted.signing_keys)?,
        mode: match wanted.mode {
            Mode::Records => cairnlog_ledger::Mode::Records,
            Mode::Opaque => cairnlog_ledger::Mode::Opaque,
        },
        private: wanted.private,
        dedupe: wanted.dedupe,
    };
    let log = app.ledger.create_log(new, caller.who()).await?;
    Ok((StatusCode::CREATED, axum::Json(LogView::of(&log))))
}

/// The keys that are given, if any. Who gives an empty list meant to give some.
fn given_keys(keys: Option<Vec<String>>) -> Result<Vec<String>, Problem> {
    match keys {
        Some(keys) if keys.is_empty() => {
            Err(Problem::bad_request("signing_keys is empty; leave it out, and keys are made"))
        }
        keys => Ok(keys.unwrap_or_default()),
    }
}

/// Lists logs; private ones to their tokens only.
#[utoipa::path(get, path = "/api/v1/logs", tag = "logs", params(PageQuery),
    responses((status = 200, body = Page<LogView>), (status = "4XX", body = Document)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Anyone(caller): Anyone,
    Query(page): Query<PageQuery>,
) -> Result<axum::Json<Page<LogView>>, Problem> {
    let logs = app.ledger.logs();
    let seen = logs.iter().filter(|log| is_seen_by(log, caller.as_ref()));
    let logs = seen.map(|log| LogView::of(log)).collect();
    let token = caller.map_or(String::new(), |grant| grant.id);
    Ok(axum::Json(page.page(&app, &token, "logs", logs, |log: &LogView| log.name.clone())?))
}

/// One log.
#[utoipa::path(get, path = "/api/v1/logs/{log}", tag = "logs", params(("log" = String, Path)),
    responses((status = 200, body = LogView), (status = "4XX", body = Document)))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Anyone(caller): Anyone,
    Path(log): Path<String>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<axum::Json<LogView>, Problem> {
    Ok(axum::Json(LogView::of(&*app.log_seen_by(caller.as_ref(), &log)?)))
}

/// Rotates a log's keys: new ones sign from now on, beside the old ones until those end. Role `admin`.
#[utoipa::path(post, path = "/api/v1/logs/{log}/keys", tag = "logs", security(("token" = [])), params(("log" = String, Path)),
    request_body = Option<KeysRequest>, responses((status = 200, body = LogView), (status = "4XX", body = Document)))]
pub(crate) async fn keys(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(log): Path<String>,
    Query(Nothing {}): Query<Nothing>,
    JsonIfAny(wanted): JsonIfAny<KeysRequest>,
) -> Result<axum::Json<LogView>, Problem> {
    let log = app.log_for(&caller, Role::Admin, &log)?;
    let KeysRequest { signing_keys, overlap, reason } = wanted;
    let change = KeyChange { signing_keys: given_keys(signing_keys)?, overlap, reason };
    app.ledger.rotate_keys(&log, change, caller.who()).await?;
    tracing::info!(log = log.name(), by = caller.id, "the log has new signing keys");
    Ok(axum::Json(LogView::of(&log)))
}

/// Lets a fresh key-encryption key wrap the log's keyring, and destroys the one before. Role `admin`.
#[utoipa::path(post, path = "/api/v1/logs/{log}/kek", tag = "logs", security(("token" = [])), params(("log" = String, Path)),
    responses((status = 200, body = KekView), (status = "4XX", body = Document)))]
pub(crate) async fn kek(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(log): Path<String>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<axum::Json<KekView>, Problem> {
    let log = app.log_for(&caller, Role::Admin, &log)?;
    let KekInfo { id, keyring_epoch } = app.ledger.rotate_kek(&log, &caller.who()).await?;
    tracing::info!(log = log.name(), by = caller.id, kek = id, "the keyring is wrapped by a fresh key");
    Ok(axum::Json(KekView { kek: id, keyring_epoch }))
}

/// Freezes a log: it takes nothing more, for good, and is read and proven as before. Role `admin`.
#[utoipa::path(post, path = "/api/v1/logs/{log}/freeze", tag = "logs", security(("token" = [])), params(("log" = String, Path)),
    responses((status = 200, body = LogView), (status = "4XX", body = Document)))]
pub(crate) async fn freeze(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(log): Path<String>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<axum::Json<LogView>, Problem> {
    let log = app.log_for(&caller, Role::Admin, &log)?;
    log.freeze(caller.who()).await?;
    tracing::info!(log = log.name(), by = caller.id, "the log was frozen");
    Ok(axum::Json(LogView::of(&log)))
}
