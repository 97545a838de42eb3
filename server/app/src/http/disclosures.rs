//! Disclosing fields of an entry. Role `auditor`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use cairnlog_verify::disclosure::Disclosure;
use serde::Deserialize;

use super::auth::Caller;
use super::extract::{Json, Nothing, Query};
use super::problem::{Document, Problem};
use super::{proofs, records};
use crate::access::Role;
use crate::limits::DISCLOSED_PATHS_SAID_MAX;
use crate::recording::Detail;
use crate::state::App;

/// What is to be disclosed.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Paths of fields, `$received` and the server's other own ones too.
    fields: Vec<String>,
    /// Whether the salt of the raw record is to be disclosed too, with `$received`. It confirms guesses of all that the
    /// raw record says.
    #[serde(default)]
    raw: bool,
}

/// Some fields of an entry, with all that proves them: a document of `docs/formats.md`.
#[utoipa::path(post, path = "/api/v1/logs/{log}/records/{index}/disclosures", tag = "reading", security(("token" = [])),
    params(("log" = String, Path), ("index" = u64, Path)), request_body = Wanted,
    responses((status = 200, description = "a disclosure", body = serde_json::Value), (status = "4XX", body = Document)))]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path((log, index)): Path<(String, String)>,
    Query(Nothing {}): Query<Nothing>,
    Json(Wanted { fields, raw }): Json<Wanted>,
) -> Result<impl IntoResponse, Problem> {
    let log = app.records_for(&caller, Role::Auditor, &log)?;
    let index = proofs::parse_index(&index)?;
    let disclosure = match log.disclose(index, fields, raw).await {
        Ok(disclosure) => disclosure,
        Err(error) => return Err(records::not_opened(&log, index, error).await),
    };
    app.recording.read(&caller, "records.disclose", &log, detail(index, &disclosure)).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], disclosure.to_string()))
}

/// What was disclosed.
fn detail(index: u64, disclosure: &Disclosure) -> Detail {
    let Disclosure { fields, raw, .. } = disclosure;
    let detail = Detail::of(index).number("disclosed.count", fields.len() as u64);
    let detail = if raw.is_some() { detail.flag("disclosed.raw_salt") } else { detail };
    if fields.len() > DISCLOSED_PATHS_SAID_MAX {
        return detail;
    }
    let mut paths: Vec<&str> = fields.iter().map(|field| field.attribute.path.as_str()).collect();
    paths.sort_unstable();
    let say = |detail: Detail, (number, path): (usize, &str)| {
        detail.text(&format!("disclosed.fields[{number}]"), path)
    };
    paths.into_iter().enumerate().fold(detail, say)
}
