//! The outermost layer: gives each request an id, finishes problems, logs and counts.
//!
//! Log lines and metrics name the route's template, never the path, a query or a body: those may
//! hold personal data.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::linger;
use super::problem::{Problem, REQUEST_ID, Slug};
use crate::limits::REQUEST_WAIT_MAX;

/// The request's id, for handlers that name it.
pub(crate) fn new_request_id() -> String {
    static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| {
        let mut bytes = [0; 8];
        // Ids need no secrecy; without randomness those of two runs may be alike.
        let _ = getrandom::fill(&mut bytes);
        AtomicU64::new(u64::from_le_bytes(bytes))
    });
    let mut id = NEXT.fetch_add(1, Ordering::Relaxed);
    // Two steps of splitmix64, a permutation: no id comes twice, and none looks like the one before.
    id = (id ^ (id >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    id = (id ^ (id >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    id ^= id >> 31;
    let digits = id.to_be_bytes().into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])).collect()
}

/// The layer's function, for `axum::middleware::from_fn`; `noted` is told each problem.
pub(crate) async fn layer(request: Request, next: Next, noted: impl Fn(&Problem)) -> Response {
    let id = new_request_id();
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("-", MatchedPath::as_str);
    let started = Instant::now();
    let mut response = match tokio::time::timeout(REQUEST_WAIT_MAX, next.run(linger::watch(request))).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            Slug::Timeout,
            "the request took too long; what it wrote may be in the log: ask for less, or repeat it with an Idempotency-Key",
        )
        .into_response(),
    };
    if let Some(problem) =
        response.extensions_mut().remove::<Problem>().or_else(|| of_framework(response.status()))
    {
        noted(&problem);
        log_cause(&id, route, &problem);
        // RFC 9110 §15.5.6: who uses a wrong method is told the right ones.
        let allow = response.headers_mut().remove(header::ALLOW);
        response = problem.render(&id);
        response.headers_mut().extend(allow.map(|allow| (header::ALLOW, allow)));
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let status = response.status().as_u16();
    let elapsed = started.elapsed();
    tracing::debug!(request_id = %id, %method, route, status, micros = elapsed.as_micros(), "answered");
    count(&method, route, status, elapsed.as_secs_f64());
    response
}

/// The problem of a refusal that did not come from a handler, such as of a path that is not UTF-8.
fn of_framework(status: StatusCode) -> Option<Problem> {
    if status.is_server_error() {
        return Some(Problem::internal(format!("the framework answered {status}")));
    }
    status.is_client_error().then(|| Problem::bad_request("the request's path or headers can't be read"))
}

fn log_cause(id: &str, route: &str, problem: &Problem) {
    let Some(cause) = problem.cause() else { return };
    if problem.slug() == Slug::Internal {
        tracing::error!(request_id = %id, route, cause, "request failed");
    } else {
        tracing::info!(request_id = %id, route, cause, "request refused");
    }
}

/// The counters of one route, by method and status.
type Counters = Vec<(Method, u16, metrics::Counter, metrics::Histogram)>;

thread_local! {
    /// Found once a thread: to find them in the recorder takes longer than many a request. There is one process-wide
    /// recorder, set before the first request. Bounded, for routes are the router's own, and methods are [`known`].
    static COUNTERS: RefCell<HashMap<String, Counters>> = RefCell::default();
}

fn count(method: &Method, route: &str, status: u16, seconds: f64) {
    COUNTERS.with_borrow_mut(|routes| {
        if let Some(counters) = routes.get(route)
            && let Some((_, _, total, times)) =
                counters.iter().find(|row| row.0 == *method && row.1 == status)
        {
            total.increment(1);
            times.record(seconds);
            return;
        }
        let name = known(method);
        let labels =
            [("method", name.to_owned()), ("route", route.to_owned()), ("status", status.to_string())];
        let total = metrics::counter!("cairnlog_http_requests_total", &labels);
        let times = metrics::histogram!("cairnlog_http_request_seconds", &labels[..2]);
        total.increment(1);
        times.record(seconds);
        if name == method.as_str() {
            routes.entry(route.to_owned()).or_default().push((method.clone(), status, total, times));
        }
    });
}

/// The method's name if it is a usual one: whoever calls may send any word, and each would be a metric of its own.
fn known(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::DELETE
        | Method::OPTIONS
        | Method::PATCH => method.as_str(),
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use axum::Router;
    use axum::body::Body;
    use axum::extract::Path;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    fn router() -> Router {
        Router::new()
            .route("/{name}", get(async |Path(name): Path<String>| name))
            .method_not_allowed_fallback(async || Problem::new(Slug::Method, "not so"))
            .layer(axum::middleware::from_fn(async |request, next| layer(request, next, |_| {}).await))
    }

    #[tokio::test]
    async fn a_refusal_of_the_framework_is_a_problem_too() {
        let response = router().oneshot(Request::get("/%FF").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert!(response.headers().contains_key(REQUEST_ID));
    }

    #[tokio::test]
    async fn a_wrong_method_is_told_the_right_ones() {
        let response = router().oneshot(Request::put("/x").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()[header::ALLOW], "GET,HEAD");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }

    #[test]
    fn no_word_of_a_caller_becomes_a_metric() {
        assert_eq!(known(&Method::from_bytes(b"ANNSMITH").unwrap()), "other");
        assert_eq!(known(&Method::GET), "GET");
    }
}
