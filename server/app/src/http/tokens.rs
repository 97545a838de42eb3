//! Tokens: made once, shown once, deleted at once. Role `admin`.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use cairnlog_ledger::limits::SOURCES_MAX;
use cairnlog_verify::name;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::auth::Caller;
use super::extract::{Json, Nothing, Query};
use super::list::{Page, PageQuery};
use super::problem::{Document, Problem, Slug};
use crate::access::{Grant, Role, TokenError};
use crate::limits::TOKEN_NAME_MAX;
use crate::state::App;

/// A token to make.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    /// What it is for; shown in lists.
    name: String,
    /// At least one.
    roles: BTreeSet<Role>,
    /// The only log it is good for.
    log: Option<String>,
    /// The only sources it may write to; needs `log`.
    sources: Option<BTreeSet<String>>,
    /// When it ends, RFC 3339.
    expires: Option<String>,
}

/// A token just made.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct CreatedToken {
    #[serde(flatten)]
    grant: Grant,
    /// The secret, shown this once: `cl_` + 16 hex + `_` + 43 base64url characters.
    token: String,
}

/// Makes a token.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", security(("token" = [])), request_body = NewToken,
    responses((status = 201, body = CreatedToken), (status = "4XX", body = Document)))]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Query(Nothing {}): Query<Nothing>,
    Json(wanted): Json<NewToken>,
) -> Result<(StatusCode, axum::Json<CreatedToken>), Problem> {
    caller.require(Role::Admin, None)?;
    let expires = check(&app, &wanted)?.map(|expires| expires.to_string());
    let NewToken { name, roles, log, sources, .. } = wanted;
    let grant = Grant { id: String::new(), name, roles, log, sources, expires };
    let write = async |grant: &Grant, key, row| app.recording.token(&caller.who(), grant, key, row).await;
    let (grant, token) = app.tokens.create(grant, write).await?;
    Ok((StatusCode::CREATED, axum::Json(CreatedToken { grant, token: token.to_string() })))
}

/// Answers when it ends.
fn check(app: &App, wanted: &NewToken) -> Result<Option<Timestamp>, Problem> {
    let bad = |detail: &str| Err(Problem::bad_request(detail));
    if wanted.name.trim().is_empty()
        || wanted.name.chars().count() > TOKEN_NAME_MAX
        || wanted.name.chars().any(char::is_control)
    {
        return bad("name is 1 to 128 printable characters that say what the token is for");
    }
    if wanted.roles.is_empty() {
        return bad(
            "roles names at least one of monitor, writer, auditor, integrator, compliance, admin and reidentify",
        );
    }
    if wanted.roles.contains(&Role::Reidentify) && !wanted.roles.contains(&Role::Auditor) {
        return bad("the role reidentify goes with the role auditor: it says how records may be looked for");
    }
    let mut sources = wanted.sources.iter().flatten();
    if wanted.sources.as_ref().is_some_and(|sources| sources.len() > SOURCES_MAX)
        || sources.any(|source| name::check(source).is_err())
    {
        return bad("sources are at most 1,024 names of the form [a-z0-9-]{1,64}");
    }
    if wanted.sources.is_some() && wanted.log.is_none() {
        return bad("sources belong to a log: name it in `log`");
    }
    if let Some(log) = &wanted.log
        && app.ledger.log(log).is_none()
    {
        return Err(crate::access::no_log(log));
    }
    match wanted.expires.as_deref().map(str::parse::<Timestamp>).transpose() {
        Err(_) => bad("expires is a time such as 2027-01-31T00:00:00Z"),
        Ok(Some(expires)) if expires <= app.now() => bad("expires lies in the past"),
        Ok(expires) => Ok(expires),
    }
}

/// Lists tokens, without their secrets.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens", security(("token" = [])), params(PageQuery),
    responses((status = 200, body = Page<Grant>), (status = "4XX", body = Document)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Query(page): Query<PageQuery>,
) -> Result<axum::Json<Page<Grant>>, Problem> {
    caller.require(Role::Admin, None)?;
    let page = page.page(&app, &caller.id, "tokens", app.tokens.list(), |grant| grant.id.clone())?;
    Ok(axum::Json(page))
}

/// Deletes a token; it stops working at once.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "tokens", security(("token" = [])), params(("id" = String, Path)),
    responses((status = 204), (status = "4XX", body = Document)))]
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<StatusCode, Problem> {
    caller.require(Role::Admin, None)?;
    let write = async |grant: &Grant, key, row| app.recording.token(&caller.who(), grant, key, row).await;
    if app.tokens.delete(&id, write).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("there is no token of this id"))
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Full => Self::new(Slug::Conflict, error.to_string()),
            TokenError::Write(error) => error.into(),
            other => Self::internal(other),
        }
    }
}
