//! What makes no sense is refused, in words that name no person, and changes nothing.

use cairnlog_client::{Mode, NewLog, PageRequest};
use cairnlog_tests::{Server, http, pipelines};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{ask, class, counted, counts, gone, portal, sweep};

const HOLDS: &str = "/api/v1/logs/hr/holds";

/// A person whom no refusal may name.
const PERSON: &str = "greta.lindholm@example.com";

async fn refused(server: &Server, path: &str, body: &Value, slug: &str) {
    let problem = http::problem(server.post(path, body).send().await.unwrap(), 400, slug).await;
    assert!(!problem.to_string().contains(PERSON), "{problem}");
}

#[tokio::test]
async fn an_erasure_names_one_thing_and_a_reason() {
    let (server, log, first) = portal(&class(None), 3).await;
    let size = log.info().await.unwrap().tree_size;
    let path = "/api/v1/logs/hr/erasures";
    for (body, slug) in [
        (json!({}), "bad-request"),
        (json!({"reason": "r"}), "bad-request"),
        (json!({"index": first}), "bad-request"),
        (json!({"index": first, "subject": PERSON, "reason": "r"}), "bad-request"),
        (json!({"index": first, "reason": ""}), "bad-request"),
        (json!({"index": first, "reason": " \n"}), "bad-request"),
        (json!({"index": first, "reason": "r".repeat(1_025)}), "bad-request"),
        (json!({"index": first, "reason": 7}), "bad-request"),
        (json!({"index": -1, "reason": "r"}), "bad-request"),
        (json!({"index": 1.5, "reason": "r"}), "bad-request"),
        (json!({"index": PERSON, "reason": "r"}), "bad-request"),
        (json!({"indices": [first], "reason": "r"}), "unknown-member"),
        (json!({"index": first, "reason": "r", "force": true}), "unknown-member"),
        (json!({"subject": "", "reason": "r"}), "bad-request"),
        (json!({"subject": "x".repeat(70_000), "reason": "r"}), "bad-request"),
        (json!({"subject": [PERSON], "reason": "r"}), "bad-request"),
        (json!([first]), "bad-request"),
    ] {
        refused(&server, path, &body, slug).await;
    }
    for index in 0..first {
        let answer = ask(&server, &json!({"index": index, "reason": "r"})).await;
        http::problem(answer, 409, "conflict").await;
    }
    for index in [size, size + 1, u64::MAX, 1 << 53] {
        http::problem(ask(&server, &json!({"index": index, "reason": "r"})).await, 404, "not-found").await;
    }
    assert_eq!(log.info().await.unwrap().tree_size, size, "nothing was said");
    for index in first..size {
        assert_eq!(log.record(index).await.unwrap().kind, "record");
    }
    // The longest that may be.
    let reason = "ü".repeat(512);
    assert_eq!(ask(&server, &json!({"index": first, "reason": reason})).await.status(), 201);
    assert_eq!(gone(&server, first).await["reason"], reason);
}

#[tokio::test]
async fn a_hold_has_a_matter_a_reason_and_filters() {
    let (server, log, _) = portal(&class(None), 3).await;
    let size = log.info().await.unwrap().tree_size;
    let hold = |change: Value| {
        let mut hold = json!({"matter": "m", "reason": "r", "query": {}});
        for (member, value) in change.as_object().unwrap() {
            hold[member] = value.clone();
        }
        hold
    };
    for (change, slug) in [
        (json!({"matter": ""}), "bad-request"),
        (json!({"matter": "m".repeat(1_025)}), "bad-request"),
        (json!({"reason": "\t"}), "bad-request"),
        (json!({"reason": "r".repeat(1_025)}), "bad-request"),
        (json!({"query": null}), "bad-request"),
        (json!({"query": PERSON}), "bad-request"),
        (json!({"query": {"actor": [PERSON]}}), "bad-request"),
        (json!({"query": {"class": PERSON}}), "bad-request"),
        (json!({"query": {"from": PERSON}}), "bad-request"),
        (json!({"query": {"user": PERSON}}), "unknown-member"),
        (json!({"query": {"order": "asc"}}), "unknown-member"),
        (json!({"query": {"limit": 1}}), "unknown-member"),
        (json!({"query": {"actor": "x".repeat(70_000)}}), "bad-request"),
        (json!({"id": "0000000000000000"}), "unknown-member"),
    ] {
        refused(&server, HOLDS, &hold(change), slug).await;
    }
    refused(&server, HOLDS, &json!({"matter": "m", "reason": "r"}), "bad-request").await;
    for id in
        ["0000000000000000", "0", "+000000000000000", "000000000000000g", "00000000000000000", "%2e%2e", "ü"]
    {
        let request = server.request(Method::DELETE, &format!("{HOLDS}/{id}"));
        http::problem(request.send().await.unwrap(), 404, "not-found").await;
    }
    assert_eq!(log.info().await.unwrap().tree_size, size, "nothing was said");
    let set = http::json(server.post(HOLDS, &hold(json!({}))).send().await.unwrap(), 201).await;
    let path = format!("{HOLDS}/{}", set["id"].as_str().unwrap());
    for (body, slug) in [
        (json!({"reason": "r".repeat(1_025)}), "bad-request"),
        (json!({"why": "r"}), "unknown-member"),
        (json!({"reason": null}), "bad-request"),
    ] {
        let request = server.request(Method::DELETE, &path).json(&body);
        http::problem(request.send().await.unwrap(), 400, slug).await;
    }
    let request = server.request(Method::DELETE, &path).body("{}");
    http::problem(request.send().await.unwrap(), 415, "media-type").await;
    assert_eq!(log.holds(&PageRequest::default()).await.unwrap().items.len(), 1);
    for status in [204, 404] {
        assert_eq!(server.request(Method::DELETE, &path).send().await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn a_hold_is_shown_as_it_was_set() {
    let (server, _, _) = portal(&class(None), 1).await;
    let query = json!({"source": "portal", "actor": PERSON, "action": "GET", "class": 4002, "status": 1,
        "resource": "/page/1", "ip": "192.0.2.1", "from": "2026-03-09T00:00:00Z", "to": "2026-03-10T00:00:00Z"});
    let body = json!({"matter": "m", "reason": "r", "query": query});
    let set = http::json(server.post(HOLDS, &body).send().await.unwrap(), 201).await;
    assert_eq!(set["query"], query);
    let mut server = server;
    server.kill();
    server.restart();
    let listed = http::json(server.get(HOLDS).send().await.unwrap(), 200).await;
    assert_eq!(listed["items"], json!([set]));
}

#[tokio::test]
async fn a_sweep_takes_no_moment_but_for_a_trial() {
    let (server, log, _) = portal(&class(Some(0)), 3).await;
    let path = "/api/v1/logs/hr/retention/sweeps";
    for (body, slug) in [
        (json!({"at": "2300-01-01T00:00:00Z"}), "bad-request"),
        (json!({"dry_run": false, "at": "2300-01-01T00:00:00Z"}), "bad-request"),
        (json!({"dry_run": true, "at": "tomorrow"}), "bad-request"),
        (json!({"dry_run": true, "at": 7}), "bad-request"),
        (json!({"dry_run": "yes"}), "bad-request"),
        (json!({"dry": true}), "unknown-member"),
    ] {
        refused(&server, path, &body, slug).await;
    }
    let response = server.request(Method::POST, path).body("now").send().await.unwrap();
    http::problem(response, 415, "media-type").await;
    assert_eq!(counted(&sweep(&server, &json!({"dry_run": true})).await), counts(3, 0, 0), "nothing went");
    assert_eq!(
        counted(&sweep(&server, &json!({"dry_run": true, "at": "1900-01-01T00:00:00Z"})).await),
        counts(0, 0, 0)
    );
    assert_eq!(
        counted(&sweep(&server, &json!({"dry_run": true, "at": "9999-12-30T00:00:00Z"})).await),
        counts(3, 0, 0)
    );
    // Without a body it is a sweep.
    let response = server.request(Method::POST, path).send().await.unwrap();
    assert_eq!(counted(&http::json(response, 200).await), counts(3, 3, 0));
    assert!(log.record(1).await.is_ok(), "what the log says of itself stays");
}

#[tokio::test]
async fn opaque_logs_have_no_records_to_keep() {
    let server = Server::start();
    let opaque = NewLog { mode: Some(Mode::Opaque), ..NewLog::new("hr") };
    server.client().create_log(&opaque).await.unwrap();
    let hold = json!({"matter": "m", "reason": "r", "query": {}});
    for (path, body) in [
        ("erasures", json!({"index": 0, "reason": "r"})),
        ("erasures", json!({"subject": PERSON, "reason": "r"})),
        ("erasures/0000000000000000/approve", json!(null)),
        ("holds", hold),
        ("retention/sweeps", json!({})),
    ] {
        refused(&server, &format!("/api/v1/logs/hr/{path}"), &body, "bad-request").await;
    }
    for path in ["erasures", "holds", "retention"] {
        let response = server.get(&format!("/api/v1/logs/hr/{path}")).send().await.unwrap();
        http::problem(response, 400, "bad-request").await;
    }
}

#[tokio::test]
async fn who_read_what_is_not_for_anyone_to_ask_away() {
    let server = Server::start();
    let log = pipelines::log(&server.client(), "hr").await;
    log.record(0).await.unwrap();
    let control = server.client().log("control").unwrap();
    let size = control.info().await.unwrap().tree_size;
    for index in 0..size {
        let body = json!({"index": index, "reason": "r"});
        let answer = server.post("/api/v1/logs/control/erasures", &body).send().await.unwrap();
        http::problem(answer, 409, "conflict").await;
    }
    let body = json!({"subject": "environment", "reason": "r"});
    let answer = server.post("/api/v1/logs/control/erasures", &body).send().await.unwrap();
    assert_eq!(http::json(answer, 201).await["erased"], 0);
    for index in 0..size {
        assert!(control.record(index).await.is_ok(), "{index}");
    }
}
