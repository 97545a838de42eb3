//! Copies of the running server's store and keyrings, in the places that its settings name. Role `admin`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use cairnlog_ledger::{Access, Activity};
use serde::Serialize;

use super::auth::Caller;
use super::extract::{Nothing, Query};
use super::problem::{Document, Problem, Slug};
use super::time;
use crate::access::Role;
use crate::backup::{BackupError, Taken};
use crate::state::App;

/// What was copied.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct BackupView {
    /// RFC 3339, UTC.
    taken: String,
    /// The name of the copy of the store, in the place of such copies.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<String>,
    /// How many keyrings were copied.
    keyrings: usize,
    /// How many copies of keyrings were deleted, for their time was over.
    expired: usize,
}

/// Copies the store and the keyrings into the places of the settings, and deletes copies of keyrings whose time is over.
/// Role `admin`.
#[utoipa::path(post, path = "/api/v1/backups", tag = "operations", security(("token" = [])),
    responses((status = 201, body = BackupView), (status = "4XX", body = Document)))]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Query(Nothing {}): Query<Nothing>,
) -> Result<(StatusCode, axum::Json<BackupView>), Problem> {
    caller.require(Role::Admin, None)?;
    if !app.backups.are_set() {
        let words = "the server's settings name no place for copies: set backup_to and keyring_backup_to";
        return Err(Problem::new(Slug::Conflict, words));
    }
    let now_ms = app.clock.now_ms();
    let access = Access::new(&caller.who(), Activity::Create, "backups.create", now_ms);
    app.ledger.record(access.of("server", "store")).await?;
    let Taken { store, keyrings, expired, .. } = app.backups.take(now_ms).await.map_err(refused)?;
    tracing::info!(by = caller.id, store, keyrings, expired = expired.len(), "copies were made");
    let view = BackupView { taken: time::rfc3339(now_ms), store, keyrings, expired: expired.len() };
    Ok((StatusCode::CREATED, axum::Json(view)))
}

/// The words name places of the machine, which are the operator's business.
fn refused(error: BackupError) -> Problem {
    match error {
        BackupError::Exists(_) => Problem::new(Slug::Conflict, "a copy was made in this second; try again"),
        error => {
            tracing::error!(%error, "copies could not be made");
            Problem::internal("copies could not be made; the server's log says why")
        }
    }
}
