//! Raw HTTP, where the typed client would be too polite.

use reqwest::Response;
use serde_json::Value;

/// The answer as JSON, which must have this status.
pub async fn json(response: Response, status: u16) -> Value {
    let found = response.status().as_u16();
    let body = response.text().await.expect("a body");
    assert_eq!(found, status, "{body}");
    serde_json::from_str(&body).expect("JSON")
}

/// The answer as a problem document (RFC 9457) of this status and slug, checked in all its members.
pub async fn problem(response: Response, status: u16, slug: &str) -> Value {
    let headers = response.headers().clone();
    let url = response.url().clone();
    let found = response.status().as_u16();
    let body = response.text().await.expect("a body");
    assert_eq!(found, status, "{url}: {body}");
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    assert_eq!(text("content-type"), "application/problem+json", "{url}: {body}");
    let problem: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(problem["type"], format!("/problems/{slug}"), "{url}: {body}");
    assert_eq!(problem["status"], status, "{body}");
    assert_eq!(problem["request_id"], text("request-id"), "{body}");
    for member in ["title", "detail", "request_id"] {
        assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "no {member}: {body}");
    }
    let challenge = text("www-authenticate");
    assert_eq!(challenge.starts_with("Bearer"), status == 401, "{url}: {challenge}");
    problem
}
