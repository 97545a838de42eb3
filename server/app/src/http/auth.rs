//! Who is calling: the bearer token of a request, checked once.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

use super::problem::{Problem, Slug};
use crate::access::Grant;
use crate::state::App;

/// A caller with a valid token.
pub(crate) struct Caller(pub(crate) Grant);

/// A caller with a valid token or with none; a token that is not valid is refused even so.
pub(crate) struct Anyone(pub(crate) Option<Grant>);

impl FromRequestParts<Arc<App>> for Anyone {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let mut named = parts.headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = named.next() else { return Ok(Self(None)) };
        let token = value.to_str().ok().and_then(bearer).filter(|_| named.next().is_none());
        let grant = token.and_then(|token| app.tokens.check(token, app.now()));
        match grant {
            Some(grant) => Ok(Self(Some(grant))),
            None => Err(Problem::new(
                Slug::Unauthenticated,
                "the token is unknown, expired or deleted; ask an admin for a new one",
            )),
        }
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Anyone(grant) = Anyone::from_request_parts(parts, app).await?;
        grant.map(Self).ok_or_else(|| {
            Problem::new(Slug::Unauthenticated, "this call needs a token: send `Authorization: Bearer …`")
        })
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
