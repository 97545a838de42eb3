//! Errors as users meet them: RFC 9457 problem documents, one stable slug a condition.
//!
//! A [`Problem`] carries words for the caller and, apart from them, the cause for the operator.
//! The cause is logged once, where the answer is finished (see [`super::trace`]); it never
//! reaches the caller, and neither ever holds a secret or a payload.

use std::collections::BTreeMap;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The conditions of `api.md`: slug, status, title.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slug {
    BadRequest,
    UnknownParameter,
    UnknownMember,
    Cursor,
    Unauthenticated,
    Forbidden,
    Frozen,
    NotFound,
    Method,
    Conflict,
    Held,
    RetentionMinimum,
    Erased,
    TooLarge,
    MediaType,
    Range,
    InvalidPlugin,
    Rejected,
    QueueFull,
    /// The same where writers know 503 for it.
    Overloaded,
    Internal,
    ReadOnly,
    Starting,
    Timeout,
}

impl Slug {
    /// `(slug, status, title)`.
    pub(crate) fn row(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::BadRequest => ("bad-request", S::BAD_REQUEST, "the request can't be understood"),
            Self::UnknownParameter => ("unknown-parameter", S::BAD_REQUEST, "unknown query parameter"),
            Self::UnknownMember => ("unknown-member", S::BAD_REQUEST, "unknown JSON member"),
            Self::Cursor => ("cursor", S::BAD_REQUEST, "this cursor is not for this query"),
            Self::Unauthenticated => ("unauthenticated", S::UNAUTHORIZED, "a valid token is needed"),
            Self::Forbidden => ("forbidden", S::FORBIDDEN, "the token lacks the right"),
            Self::Frozen => ("frozen", S::FORBIDDEN, "the log is frozen"),
            Self::NotFound => ("not-found", S::NOT_FOUND, "not found"),
            Self::Method => ("method", S::METHOD_NOT_ALLOWED, "method not allowed"),
            Self::Conflict => ("conflict", S::CONFLICT, "conflict with what is there"),
            Self::Held => ("held", S::CONFLICT, "a legal hold covers it"),
            Self::RetentionMinimum => ("retention-minimum", S::CONFLICT, "its retention minimum stands"),
            Self::Erased => ("erased", S::GONE, "it was erased"),
            Self::TooLarge => ("too-large", S::PAYLOAD_TOO_LARGE, "the body is too large"),
            Self::MediaType => ("media-type", S::UNSUPPORTED_MEDIA_TYPE, "unsupported media type"),
            Self::Range => ("range", S::RANGE_NOT_SATISFIABLE, "no byte of that range"),
            Self::InvalidPlugin => ("invalid-plugin", S::UNPROCESSABLE_ENTITY, "the plugin was refused"),
            Self::Rejected => ("rejected", S::UNPROCESSABLE_ENTITY, "the request was rejected"),
            Self::QueueFull => ("queue-full", S::TOO_MANY_REQUESTS, "too much is waiting"),
            Self::Overloaded => ("queue-full", S::SERVICE_UNAVAILABLE, "too much is waiting"),
            Self::Internal => ("internal", S::INTERNAL_SERVER_ERROR, "internal error"),
            Self::ReadOnly => ("read-only", S::SERVICE_UNAVAILABLE, "the log takes no writes now"),
            Self::Starting => ("starting", S::SERVICE_UNAVAILABLE, "the server is not ready"),
            Self::Timeout => ("timeout", S::SERVICE_UNAVAILABLE, "the request took too long"),
        }
    }

    fn retries(self) -> bool {
        self.row().1 == StatusCode::SERVICE_UNAVAILABLE || self == Self::QueueFull
    }
}

/// One of several things that are wrong.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Fault {
    /// A stable code, such as `unknown-import`.
    pub(crate) code: String,
    /// What is wrong, and what to do.
    pub(crate) detail: String,
}

/// The body of every error, `application/problem+json`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Document {
    /// `/problems/<slug>`.
    r#type: String,
    title: &'static str,
    status: u16,
    /// What happened, and what to do.
    detail: String,
    /// Also in the `request-id` header; name it when you ask for help.
    request_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    /// What else the condition has to say: of what was erased `by`, `reason`, `basis`, `at` and `receipt`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    members: BTreeMap<&'static str, String>,
}

/// An error on its way to the caller.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    slug: Slug,
    detail: String,
    errors: Vec<Fault>,
    members: BTreeMap<&'static str, String>,
    cause: Option<String>,
    /// Of a resource that has not the range asked for.
    length: Option<usize>,
    /// Whether it is said of what is not there and of what is not the caller's to see alike.
    hides: bool,
}

impl Problem {
    pub(crate) fn new(slug: Slug, detail: impl Into<String>) -> Self {
        Self {
            slug,
            detail: detail.into(),
            errors: Vec::new(),
            members: BTreeMap::new(),
            cause: None,
            length: None,
            hides: false,
        }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(Slug::BadRequest, detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(Slug::NotFound, detail)
    }

    /// An internal error: the caller learns nothing but the request's id.
    pub(crate) fn internal(cause: impl std::fmt::Display) -> Self {
        Self::new(
            Slug::Internal,
            "something failed inside the server; its log names the cause under this request_id",
        )
        .caused_by(cause)
    }

    /// Adds what the operator's log shall say, and the caller shall not see.
    pub(crate) fn caused_by(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    pub(crate) fn with_errors(mut self, errors: Vec<Fault>) -> Self {
        self.errors = errors;
        self
    }

    /// Adds a member of its own.
    pub(crate) fn with(mut self, member: &'static str, value: impl Into<String>) -> Self {
        self.members.insert(member, value.into());
        self
    }

    /// Adds the length of the resource, which a refused range is told.
    pub(crate) fn of_length(mut self, length: usize) -> Self {
        self.length = Some(length);
        self
    }

    /// Marks the answer for what is not there, or not the caller's to see.
    pub(crate) fn that_hides(mut self) -> Self {
        self.hides = true;
        self
    }

    /// The reason for which it refuses access, if that is what it does.
    pub(crate) fn refuses_access(&self) -> Option<&'static str> {
        let (slug, status, _) = self.slug.row();
        let refuses = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        (refuses || self.hides).then_some(slug)
    }

    pub(crate) fn slug(&self) -> Slug {
        self.slug
    }

    /// What happened, and what to do.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The finished answer. `request_id` comes from the outermost layer.
    pub(crate) fn render(self, request_id: &str) -> Response {
        let (slug, status, title) = self.slug.row();
        let retries = self.slug.retries();
        let document = Document {
            r#type: format!("/problems/{slug}"),
            title,
            status: status.as_u16(),
            detail: self.detail,
            request_id: request_id.to_owned(),
            errors: self.errors,
            members: self.members,
        };
        let mut response = (status, axum::Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"cairnlog\""));
        }
        // What is not there now may be there soon, or for someone else (RFC 9111 §4.2.2 would let it be kept).
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(value) =
            self.length.and_then(|length| HeaderValue::from_str(&format!("bytes */{length}")).ok())
        {
            headers.insert(header::CONTENT_RANGE, value);
        }
        if retries {
            headers.insert(header::RETRY_AFTER, crate::limits::RETRY_AFTER_SECS.into());
        }
        response
    }
}

/// The name of the header that carries a request's id.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// Handlers return a problem; the outermost layer, which knows the request's id, writes it.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.slug.row().1.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
