//! Who is calling: the bearer token of a request, checked once.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::problem::{Problem, Slug};
use crate::access::{Grant, Principal};
use crate::state::App;

/// A caller with a valid token.
pub(crate) struct Caller(pub(crate) Principal);

/// A caller with a valid token or with none; a token that is not valid is refused even so.
pub(crate) struct Anyone(pub(crate) Option<Grant>);

/// A caller of whom it matters only to a log that is not public who they are.
pub(crate) struct Visitor(pub(crate) Result<Option<Grant>, Problem>);

impl FromRequestParts<Arc<App>> for Anyone {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        asked_with(app, &parts.headers, Grant::clone).map(Self)
    }
}

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Self::Rejection> {
        Ok(Self(asked_with(app, &parts.headers, Grant::clone)))
    }
}

/// Asks the caller's grant, in place, whether it may.
///
/// # Errors
/// `unauthenticated`, or what `ask` says.
pub(crate) fn permitted(
    app: &App,
    headers: &HeaderMap,
    ask: impl FnOnce(&Grant) -> Result<(), Problem>,
) -> Result<(), Problem> {
    asked_with(app, headers, ask)?.unwrap_or_else(|| Err(no_token()))
}

/// What `ask` says of the grant of a request's token; none where it has no token.
fn asked_with<T>(
    app: &App,
    headers: &HeaderMap,
    ask: impl FnOnce(&Grant) -> T,
) -> Result<Option<T>, Problem> {
    let mut named = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = named.next() else { return Ok(None) };
    let token = value.to_str().ok().and_then(bearer).filter(|_| named.next().is_none());
    let said = token.and_then(|token| app.tokens.ask(token, app.now(), ask));
    said.map(Some).ok_or_else(|| {
        Problem::new(
            Slug::Unauthenticated,
            "the token is unknown, expired or deleted; ask an admin for a new one",
        )
    })
}

fn no_token() -> Problem {
    Problem::new(Slug::Unauthenticated, "this call needs a token: send `Authorization: Bearer …`")
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Anyone(grant) = Anyone::from_request_parts(parts, app).await?;
        let grant = grant.ok_or_else(no_token)?;
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(Principal { grant, address: peer.map(|peer| peer.0.ip().to_canonical()) }))
    }
}

/// The credentials of the `Bearer` scheme, whose name is case-insensitive (RFC 9110 §11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_is_bearer_in_any_case() {
        assert_eq!(bearer("Bearer cl_x"), Some("cl_x"));
        assert_eq!(bearer("bearer  cl_x"), Some("cl_x"));
        assert_eq!(bearer("Basic cl_x"), None);
        assert_eq!(bearer("cl_x"), None);
    }
}
