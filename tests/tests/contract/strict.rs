//! What is sent and not known is refused, never ignored; and every answer has its id.

use std::collections::BTreeSet;

use cairnlog_tests::{ADMIN_TOKEN, Server, http, pipelines};
use reqwest::Method;
use serde_json::{Value, json};

use super::portal;
use super::routes::{ROUTES, Site};

#[tokio::test]
async fn an_unknown_parameter_is_refused_everywhere_under_api() {
    let site = Site::start().await;
    let before = http::json(site.server.get("/api/v1/tokens").send().await.unwrap(), 200).await;
    for route in ROUTES.iter().filter(|route| route.path.starts_with("/api/")) {
        let path = site.path(route);
        let path = format!("{path}{}surprise=1", if path.contains('?') { '&' } else { '?' });
        let response =
            site.request_to(route, &path, "surprise").bearer_auth(ADMIN_TOKEN).send().await.unwrap();
        let status = response.status();
        assert_eq!(status, 400, "{} {path}", route.method);
        http::problem(response, 400, "unknown-parameter").await;
    }
    let after = http::json(site.server.get("/api/v1/tokens").send().await.unwrap(), 200).await;
    assert_eq!(before, after, "refused, and done nonetheless");
}

#[tokio::test]
async fn an_unknown_member_is_refused_at_every_depth() {
    let site = Site::start().await;
    let with = |change: fn(&mut Value)| {
        let mut pipeline = site.pipeline.clone();
        change(&mut pipeline);
        pipeline
    };
    let source = "/api/v1/logs/hr/sources/portal";
    let class = json!({"trigger": "received", "minimum_days": 1, "basis": "x", "surprise": 1});
    for (method, path, body) in [
        (Method::POST, "/api/v1/tokens", json!({"name": "x", "roles": ["admin"], "surprise": 1})),
        (Method::POST, "/api/v1/logs", json!({"name": "x", "surprise": 1})),
        (Method::PUT, "/api/v1/logs/hr/retention/classes/x", class),
        (Method::POST, "/api/v1/logs/hr/records/search", json!({"surprise": 1})),
        (Method::PUT, source, with(|pipeline| pipeline["surprise"] = 1.into())),
        (Method::PUT, source, with(|pipeline| pipeline["normalizer"]["surprise"] = 1.into())),
        (Method::PUT, source, with(|pipeline| pipeline["retention"]["surprise"] = 1.into())),
        (
            Method::PUT,
            source,
            with(|pipeline| pipeline["redactors"] = json!([{"plugin": "x@1", "surprise": 1}])),
        ),
        (
            Method::PUT,
            source,
            with(|pipeline| {
                pipeline["normalizer"]["on_error"] = json!({"fallback": {"plugin": "x@1", "surprise": 1}});
            }),
        ),
    ] {
        let response = site.server.request(method, path).json(&body).send().await.unwrap();
        http::problem(response, 400, "unknown-member").await;
    }
}

#[tokio::test]
async fn what_is_not_understood_is_a_bad_request() {
    let (server, _log) = portal().await;
    for query in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=-1",
        "from=yesterday",
        "to=2026-13-01T00:00:00Z",
        "order=up",
        "class=x",
        "status=x",
        "source=a&source=b",
    ] {
        let response = server.get(&format!("/api/v1/logs/hr/records?{query}")).send().await.unwrap();
        http::problem(response, 400, "bad-request").await;
    }
    for body in [
        "",
        "{",
        "[]",
        "{} {}",
        "{\"limit\": \"x\"}",
        "{\"class\": 1.5}",
        "{\"order\": \"asc\", \"order\": \"desc\"}",
    ] {
        let request = server.request(Method::POST, "/api/v1/logs/hr/records/search");
        let response = request.header("content-type", "application/json").body(body).send().await.unwrap();
        http::problem(response, 400, "bad-request").await;
    }
    for path in ["tokens", "logs", "plugins", "logs/hr/sources", "logs/hr/retention/classes"] {
        let response = server.get(&format!("/api/v1/{path}?limit=0")).send().await.unwrap();
        http::problem(response, 400, "bad-request").await;
    }
    let index = server.get("/api/v1/logs/hr/records/first").send().await.unwrap();
    http::problem(index, 400, "bad-request").await;
}

#[tokio::test]
async fn json_calls_take_json_alone() {
    let (server, _log) = portal().await;
    for (method, path) in [
        (Method::POST, "/api/v1/tokens"),
        (Method::POST, "/api/v1/logs"),
        (Method::PUT, "/api/v1/logs/hr/retention/classes/x"),
        (Method::PUT, "/api/v1/logs/hr/sources/x"),
        (Method::POST, "/api/v1/logs/hr/records/search"),
        (Method::POST, "/api/v1/plugins"),
    ] {
        for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
            let request = server.request(method.clone(), path).body("{}");
            let request = if let Some(kind) = kind { request.header("content-type", kind) } else { request };
            http::problem(request.send().await.unwrap(), 415, "media-type").await;
        }
    }
    let request = server.request(Method::POST, "/api/v1/logs/hr/records/search").body("{}");
    let response = request.header("content-type", "Application/JSON; charset=utf-8").send().await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let (server, _log) = portal().await;
    let digest = format!("sha256:{}", "0".repeat(64));
    for path in [
        "/",
        "/nothing",
        "/api",
        "/api/v1",
        "/api/v2/logs",
        "/api/v1/logs/hr/",
        "/api/v1/logs/nothing",
        "/api/v1/logs/nothing/sth",
        "/api/v1/logs/nothing/records",
        "/api/v1/logs/nothing/records/0",
        "/api/v1/logs/hr/sources/nothing",
        "/api/v1/logs/hr/retention/classes/nothing",
        "/api/v1/logs/hr/records/999999",
        "/api/v1/logs/HR",
        "/api/v1/logs/hr%2Fx",
        "/api/v1/plugins/nothing",
        &format!("/api/v1/plugins/{digest}"),
        &format!("/api/v1/plugins/{digest}/wasm"),
    ] {
        http::problem(server.get(path).send().await.unwrap(), 404, "not-found").await;
    }
    for path in ["/api/v1/logs/hr/sources/nothing/events", "/api/v1/logs/nothing/sources/portal/events"] {
        let request = server.request(Method::POST, path).header("content-type", "text/plain").body("x");
        http::problem(request.send().await.unwrap(), 404, "not-found").await;
    }
}

#[tokio::test]
async fn every_answer_has_an_id_of_its_own() {
    let (server, _log) = portal().await;
    let mut ids = BTreeSet::new();
    let requests = [
        server.get("/healthz"),
        server.get("/nothing"),
        server.request(Method::DELETE, "/healthz"),
        server.get("/logs/hr/checkpoint"),
        server.get("/logs/hr/tile/0/000.p/1"),
        server.get("/logs/hr/tile/x"),
        server.get("/api/v1/openapi.json"),
        server.get("/api/v1/logs/hr/sth"),
        server.get("/api/v1/logs/hr/records"),
        server.anonymous(Method::GET, "/api/v1/logs/hr/records"),
        server.get("/metrics"),
    ];
    for request in requests {
        let response = request.header("request-id", "forged").send().await.unwrap();
        let id = response.headers()["request-id"].to_str().unwrap().to_owned();
        assert!(!id.is_empty() && id != "forged");
        assert!(ids.insert(id), "an id was used twice");
    }
}

#[tokio::test]
async fn logs_that_cannot_be_are_refused() {
    let server = Server::start();
    pipelines::log(&server.client(), "hr").await;
    let origin = server.client().log("hr").unwrap().info().await.unwrap().origin;
    let long = "x".repeat(65);
    for (body, status, slug) in [
        (json!({"name": "hr"}), 409, "conflict"),
        (json!({"name": "other", "origin": origin}), 409, "conflict"),
        (json!({"name": "once", "dedupe": true}), 400, "bad-request"),
        (json!({"name": "sealed", "mode": "sealed"}), 400, "bad-request"),
        (json!({"name": "Upper"}), 400, "bad-request"),
        (json!({"name": ""}), 400, "bad-request"),
        (json!({"name": long}), 400, "bad-request"),
        (json!({"name": "../x"}), 400, "bad-request"),
        (json!({"name": "x", "origin": "with space"}), 400, "bad-request"),
        (json!({"name": "x", "origin": "a+b"}), 400, "bad-request"),
        (json!({"name": "x", "origin": "two\nlines"}), 400, "bad-request"),
        (json!({"name": "x", "origin": ""}), 400, "bad-request"),
        (json!({"name": "x", "origin": "o".repeat(256)}), 400, "bad-request"),
        (json!({"name": "x", "signing_keys": ["PRIVATE+KEY+nonsense"]}), 400, "bad-request"),
        (json!({}), 400, "bad-request"),
    ] {
        let response = server.post("/api/v1/logs", &body).send().await.unwrap();
        http::problem(response, status, slug).await;
    }
    let logs = http::json(server.get("/api/v1/logs").send().await.unwrap(), 200).await;
    let names: Vec<&Value> = logs["items"].as_array().unwrap().iter().map(|log| &log["name"]).collect();
    assert_eq!(names, ["control", "hr"]);
}

#[tokio::test]
async fn classes_that_cannot_be_are_refused_and_a_new_log_has_the_default() {
    let server = Server::start();
    let log = pipelines::log(&server.client(), "hr").await;
    let class = log.class("default").await.unwrap().settings;
    assert_eq!(
        (class.minimum_days, class.maximum_days, class.basis.as_str()),
        (180, Some(365), "CNIL 2021-122")
    );
    let class = |change: Value| {
        let mut class = json!({"trigger": "received", "minimum_days": 10, "maximum_days": 20, "basis": "x"});
        for (member, value) in change.as_object().unwrap() {
            class[member] = value.clone();
        }
        class
    };
    let path = "/api/v1/logs/hr/retention/classes/good";
    for change in [
        json!({"minimum_days": 30}),
        json!({"minimum_days": -1}),
        json!({"trigger": "whenever"}),
        json!({"basis": ""}),
        json!({"maximum_days": "x"}),
    ] {
        let response = server.request(Method::PUT, path).json(&class(change)).send().await.unwrap();
        http::problem(response, 400, "bad-request").await;
    }
    let bad_name = "/api/v1/logs/hr/retention/classes/Bad_Name";
    let response = server.request(Method::PUT, bad_name).json(&class(json!({}))).send().await.unwrap();
    http::problem(response, 400, "bad-request").await;
    for status in [201, 200] {
        let response = server.request(Method::PUT, path).json(&class(json!({}))).send().await.unwrap();
        let body = http::json(response, status).await;
        assert_eq!(body["class"], "good");
    }
    assert_eq!(log.classes(&cairnlog_client::PageRequest::default()).await.unwrap().items.len(), 2);
}
