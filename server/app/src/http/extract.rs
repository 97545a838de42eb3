//! Strict extractors: what a caller sends and we don't know is refused, never ignored.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;

use super::body;
use super::problem::{Problem, Slug};
use crate::limits::JSON_BYTES_MAX;

/// A JSON body whose type refuses unknown members.
pub(crate) struct Json<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        require_media_type(request.headers(), "application/json")?;
        let bytes = body::read(request, JSON_BYTES_MAX, None).await?;
        parse_json(&bytes).map(Self)
    }
}

/// A JSON body whose type refuses unknown members; where there is no body, what the type is by default.
pub(crate) struct JsonIfAny<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned + Default> FromRequest<S> for JsonIfAny<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let kind = require_media_type(request.headers(), "application/json");
        let bytes = body::read(request, JSON_BYTES_MAX, None).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        kind?;
        parse_json(&bytes).map(Self)
    }
}

/// Parses a strict JSON document.
///
/// # Errors
/// `unknown-member` for a member that the type does not have, else `bad-request`.
pub(crate) fn parse_json<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        let words = without_texts(&error.to_string());
        let slug = if words.starts_with("unknown field") { Slug::UnknownMember } else { Slug::BadRequest };
        Problem::new(slug, format!("the body is not what this call takes: {words}"))
    })
}

/// A parser's words without the texts that it quotes from the body: one of them may be a key or a token.
fn without_texts(words: &str) -> String {
    let Some((before, rest)) = words.split_once(" string \"") else { return words.to_owned() };
    // The quoted text may hold quotes itself; what is expected comes last.
    match rest.rsplit_once("\", expected") {
        Some((_, after)) => format!("{before} string, expected{after}"),
        None => format!("{before} string"),
    }
}

/// A query string whose type refuses unknown parameters.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => {
                let words = rejection.body_text();
                let words = words.rsplit("query string: ").next().unwrap_or(&words);
                let slug =
                    if words.contains("unknown field") { Slug::UnknownParameter } else { Slug::BadRequest };
                Err(Problem::new(slug, format!("the query is not what this call takes: {words}")))
            }
        }
    }
}

/// No query parameter at all.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Refuses a body of another media type than `wanted` (parameters such as `charset` are ignored).
///
/// # Errors
/// `media-type`.
pub(crate) fn require_media_type(headers: &HeaderMap, wanted: &str) -> Result<(), Problem> {
    let found = media_type(headers);
    if found.as_deref() == Some(wanted) {
        return Ok(());
    }
    let found = found.map_or("none".to_owned(), |name| format!("{name:?}"));
    Err(Problem::new(Slug::MediaType, format!("the content type is {found}; send {wanted}")))
}

/// The request's media type in lower case, without parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let name = value.split(';').next().unwrap_or_default().trim();
    Some(name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_the_wrong_place_is_not_repeated() {
        for body in [r#"{"keys": "PRIVATE+KEY+x"}"#, r#"{"keys": "a \", expected PRIVATE+KEY+"}"#] {
            let parsed: Result<std::collections::BTreeMap<String, Vec<u8>>, _> =
                parse_json(&Bytes::copy_from_slice(body.as_bytes()));
            let words = format!("{:?}", parsed.expect_err("a text is no list"));
            assert!(!words.contains("PRIVATE") && words.contains("expected a sequence"), "{words}");
        }
    }
}
