//! What becomes of good and bad raw records.

use cairnlog_client::ContentType;
use cairnlog_client::EventStatus::{self, Logged, Quarantined};
use cairnlog_tests::pipelines::EXAMPLES;
use cairnlog_tests::{http, pipelines, web};
use reqwest::Method;
use serde_json::{Value, json};

use super::{plain, portal, send, size};

const EVENTS: &str = "/api/v1/logs/hr/sources/portal/events";

/// Three different `CloudTrail` records of the examples.
fn cloudtrail() -> Vec<String> {
    let text = String::from_utf8(EXAMPLES[0].bytes()).unwrap();
    text.lines().take(3).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_malformed_line_among_good_ones_is_quarantined_with_its_reason() {
    let (_server, log) = plain("aws", "aws-cloudtrail").await;
    let good = cloudtrail();
    let body =
        [good[0].as_str(), "{\"eventID\": \"cut o", good[1].as_str(), "not json at all", good[2].as_str()]
            .join("\n");
    let answer = send(&log, "aws", ContentType::Ndjson, body).await;
    let statuses: Vec<_> = answer.results.iter().map(|row| row.status).collect();
    assert_eq!(statuses, [Logged, Quarantined, Logged, Quarantined, Logged]);
    assert_eq!((answer.accepted, answer.quarantined, answer.duplicates, answer.skipped), (3, 2, 0, 0));
    let first = answer.first_index.unwrap();
    let indices: Vec<_> = answer.results.iter().map(|row| row.index.unwrap()).collect();
    assert_eq!(indices, (first..first + 5).collect::<Vec<_>>());
    for row in answer.results.iter().filter(|row| row.status == Quarantined) {
        let reason = row.reason.as_deref().unwrap();
        assert!(!reason.is_empty() && !reason.contains("cut o"), "{reason}");
        let entry = log.record(row.index.unwrap()).await.unwrap();
        assert_eq!((entry.kind.as_str(), entry.source.as_deref()), ("quarantine", Some("aws")));
        assert_eq!(Some(entry.leaf_hash), row.leaf_hash);
        let said = &entry.event["quarantine"];
        assert!(said["reason"].is_string() && said["size"].is_number(), "{said}");
    }
}

#[tokio::test]
async fn a_json_body_that_does_not_parse_keeps_nothing() {
    let (server, log) = plain("portal", "aws-cloudtrail").await;
    let before = size(&log).await;
    let good = &cloudtrail()[0];
    for body in [format!("[{good}, {{]"), format!("{good} {good}"), format!("[{good}"), "{\"a\":".to_owned()]
    {
        let request =
            server.request(Method::POST, EVENTS).header("content-type", "application/json").body(body);
        http::problem(request.send().await.unwrap(), 400, "bad-request").await;
    }
    assert_eq!(size(&log).await, before);
    let answer = send(&log, "portal", ContentType::Json, format!("[{good}]")).await;
    assert_eq!(answer.accepted, 1, "nothing of it was seen before");
}

#[tokio::test]
async fn two_equal_access_log_lines_are_two_accesses() {
    let (_server, log) = portal().await;
    let line = web::lines(0, 1);
    let twice = send(&log, "portal", ContentType::Text, line.repeat(2)).await;
    let again = send(&log, "portal", ContentType::Text, line).await;
    assert_eq!((twice.accepted, twice.duplicates), (2, 0));
    assert_eq!((again.accepted, again.duplicates), (1, 0));
    let hashes = [&twice.results[0], &twice.results[1], &again.results[0]].map(|row| row.leaf_hash);
    assert!(hashes[0] != hashes[1] && hashes[1] != hashes[2], "equal events must not show as equal entries");
}

#[tokio::test]
async fn when_all_are_quarantined_it_is_201() {
    let (server, _log) = portal().await;
    let request =
        server.request(Method::POST, EVENTS).header("content-type", "text/plain").body("one\ntwo\n");
    let answer = http::json(request.send().await.unwrap(), 201).await;
    assert_eq!((&answer["accepted"], &answer["quarantined"]), (&json!(0), &json!(2)));
    assert!(answer["first_index"].is_number() && answer["last_index"].is_number());
}

#[tokio::test]
async fn a_raw_record_too_large_is_quarantined_and_its_neighbours_are_not() {
    let (_server, log) = portal().await;
    let line = web::lines(0, 1);
    let large = "x".repeat((1 << 20) + 1);
    let answer = send(&log, "portal", ContentType::Text, format!("{line}{large}\n{line}")).await;
    let statuses: Vec<_> = answer.results.iter().map(|row| row.status).collect();
    assert_eq!(statuses, [Logged, Quarantined, Logged]);
    let reason = answer.results[1].reason.as_deref().unwrap();
    assert!(reason.starts_with("too-large"), "{reason}");
    let entry = log.record(answer.results[1].index.unwrap()).await.unwrap();
    assert_eq!(entry.event["quarantine"]["size"], large.len());
    assert_eq!(entry.event["quarantine"]["reason"], "too-large");
}

#[tokio::test]
async fn what_the_normalizer_skips_makes_no_entry() {
    let (_server, log) = portal().await;
    let before = size(&log).await;
    let answer = send(&log, "portal", ContentType::Text, "#Fields: date time\n").await;
    assert_eq!((answer.skipped, answer.first_index, answer.tree_size), (1, None, before));
    assert!(answer.results[0].reason.is_some() && answer.results[0].index.is_none());
}

#[tokio::test]
async fn a_source_that_rejects_keeps_nothing_of_the_request() {
    let (server, log) = portal().await;
    let mut pipeline = pipelines::plain_json(&server.client(), "web-access").await;
    pipeline["normalizer"]["on_error"] = "reject".into();
    let path = "/api/v1/logs/hr/sources/portal";
    http::json(server.request(Method::PUT, path).json(&pipeline).send().await.unwrap(), 200).await;
    let before = size(&log).await;
    let body = format!("{}nonsense\n{}", web::lines(0, 5), web::lines(5, 5));
    let request = server.request(Method::POST, EVENTS).header("content-type", "text/plain").body(body);
    let problem = http::problem(request.send().await.unwrap(), 422, "rejected").await;
    assert!(!problem.to_string().contains("nonsense"), "{problem}");
    assert_eq!(size(&log).await, before);
    let answer = send(&log, "portal", ContentType::Text, web::lines(0, 10)).await;
    assert_eq!((answer.accepted, answer.tree_size), (10, before + 10));
}

#[tokio::test]
async fn a_fallback_normalizer_gets_what_the_first_one_refuses() {
    let (server, log) = portal().await;
    let fallback = pipelines::plugin(&server.client(), "aws-cloudtrail").await;
    let mut pipeline = pipelines::plain_json(&server.client(), "web-access").await;
    pipeline["normalizer"]["on_error"] = json!({"fallback": {"plugin": fallback}});
    let path = "/api/v1/logs/hr/sources/portal";
    http::json(server.request(Method::PUT, path).json(&pipeline).send().await.unwrap(), 200).await;
    let body = format!("{}{}\nneither\n", web::lines(0, 1), cloudtrail()[0]);
    let answer = send(&log, "portal", ContentType::Text, body).await;
    assert_eq!((answer.accepted, answer.quarantined), (2, 1));
    let record = log.record(answer.results[1].index.unwrap()).await.unwrap();
    assert!(record.event["metadata"]["event_code"].is_string(), "{}", record.event);
    let shown = http::json(server.get(path).send().await.unwrap(), 200).await;
    assert_eq!(shown["normalizer"]["on_error"], json!({"fallback": {"plugin": fallback}}));
}

#[tokio::test]
async fn a_class_that_the_log_lacks_quarantines() {
    let (server, log) = portal().await;
    let mut pipeline = pipelines::plain_json(&server.client(), "web-access").await;
    pipeline["retention"]["config"] = json!({"rules": [{"class": "payroll"}]});
    let path = "/api/v1/logs/hr/sources/portal";
    http::json(server.request(Method::PUT, path).json(&pipeline).send().await.unwrap(), 200).await;
    let answer = send(&log, "portal", ContentType::Text, web::lines(0, 1)).await;
    let reason = answer.results[0].reason.as_deref().unwrap();
    assert_eq!(answer.results[0].status, EventStatus::Quarantined);
    assert!(reason.starts_with("no-retention-class"), "{reason}");
}

#[tokio::test]
async fn a_source_changes_its_pipeline_from_the_next_request_on() {
    let (server, log) = portal().await;
    let path = "/api/v1/logs/hr/sources/portal";
    let first = http::json(server.get(path).send().await.unwrap(), 200).await;
    let plain = pipelines::plain_json(&server.client(), "web-access").await;
    // The same stages again: nothing new, no entry.
    let before = size(&log).await;
    let same = http::json(server.request(Method::PUT, path).json(&plain).send().await.unwrap(), 200).await;
    assert_eq!(same["pipeline"], first["pipeline"]);
    assert_eq!(size(&log).await, before);
    let old = send(&log, "portal", ContentType::Text, web::lines(0, 1)).await;
    let redactor = pipelines::plugin(&server.client(), "redact-fields").await;
    let rules = json!({"rules": [{"path": "src_endpoint.ip", "action": "drop", "entity": "IP_ADDRESS"}]});
    let mut changed = plain.clone();
    changed["redactors"] = json!([{"plugin": redactor, "config": rules}]);
    let bound = http::json(server.request(Method::PUT, path).json(&changed).send().await.unwrap(), 200).await;
    assert_ne!(bound["pipeline"], first["pipeline"]);
    let new = send(&log, "portal", ContentType::Text, web::lines(0, 1)).await;
    let (old, new) = (old.results[0].index.unwrap(), new.results[0].index.unwrap());
    let (old, new) = (log.record(old).await.unwrap(), log.record(new).await.unwrap());
    assert!(old.event["src_endpoint"]["ip"].is_string() && old.redactions.is_empty());
    assert_eq!(new.event["src_endpoint"]["ip"], Value::Null);
    assert_eq!(
        (new.redactions[0].action.as_str(), new.redactions[0].path.as_str()),
        ("drop", "src_endpoint.ip")
    );
    let index = bound["pipeline_index"].as_u64().unwrap();
    let said = log.record(index).await.unwrap();
    assert_eq!(said.kind, "pipeline");
}

#[tokio::test]
async fn sources_that_cannot_be_are_refused() {
    let (server, log) = portal().await;
    let before = size(&log).await;
    let good = pipelines::plain_json(&server.client(), "web-access").await;
    let (normalizer, retention) = (good["normalizer"]["plugin"].clone(), good["retention"]["plugin"].clone());
    let with = |pointer: &str, value: Value| {
        let mut pipeline = good.clone();
        *pipeline.pointer_mut(pointer).unwrap() = value;
        pipeline
    };
    let zero = format!("sha256:{}", "0".repeat(64));
    for (pipeline, status, slug) in [
        (with("/normalizer/plugin", zero.into()), 404, "not-found"),
        (with("/normalizer/plugin", "nothing@1.0.0".into()), 404, "not-found"),
        (with("/normalizer/plugin", retention), 422, "rejected"),
        (with("/retention/plugin", normalizer), 422, "rejected"),
        (with("/retention/config", json!({"rules": []})), 400, "bad-request"),
        (
            with("/retention/config", json!({"rules": [{"class": "default"}], "surprise": 1})),
            400,
            "bad-request",
        ),
        (with("/retention/config", json!(7)), 400, "bad-request"),
        (with("/retention", Value::Null), 400, "bad-request"),
        (
            with("/normalizer", json!({"plugin": good["normalizer"]["plugin"], "on_error": "ignore"})),
            400,
            "bad-request",
        ),
    ] {
        let response =
            server.request(Method::PUT, "/api/v1/logs/hr/sources/new").json(&pipeline).send().await.unwrap();
        http::problem(response, status, slug).await;
    }
    let upper =
        server.request(Method::PUT, "/api/v1/logs/hr/sources/Upper").json(&good).send().await.unwrap();
    http::problem(upper, 400, "bad-request").await;
    assert_eq!(size(&log).await, before);
    let gone = server.get("/api/v1/logs/hr/sources/new").send().await.unwrap();
    http::problem(gone, 404, "not-found").await;
}

#[tokio::test]
async fn hostile_records_are_logged_or_quarantined_one_by_one() {
    let (server, log) = plain("aws", "aws-cloudtrail").await;
    let good = &cloudtrail()[0];
    let with = |parameters: &str| {
        good.replacen("\"requestParameters\":{", &format!("\"requestParameters\":{{{parameters},"), 1)
    };
    let deep = |depth: usize| format!("\"deep\":{}1{}", "[".repeat(depth), "]".repeat(depth));
    let wide = (0..5_000).map(|number| format!("\"k{number}\":{number},")).collect::<Vec<_>>().concat();
    let hostile = [
        with(&deep(20)),
        with(&deep(100)),
        with(&deep(100_000)),
        with(wide.trim_end_matches(',')),
        with(&format!("\"long\":\"{}\"", "x".repeat(65_537))),
        with(&format!("\"{}\":1", "k".repeat(2_000))),
        with("\"\":1,\"a.b\":2,\"a[0]\":3,\"$received\":4,\"\\u0000\":5"),
        with("\"twice\":1,\"twice\":2"),
        with("\"big\":123456789012345678901234567890,\"small\":1e-400,\"large\":1e400,\"minus\":-0.0"),
        with("\"lone\":\"\\ud800\""),
        good.replace("2026-03-09T", "9999-99-99T"),
        good.replace("2026-03-09T", "0001-01-01T"),
        good.replace("2026-03-09T", "292277026596-01-01T"),
        "null".to_owned(),
        "[]".to_owned(),
        "\"text\"".to_owned(),
    ];
    let mut body = hostile.join("\n").into_bytes();
    body.extend_from_slice(b"\n\xff\xfe\x00not text\n");
    body.extend_from_slice(cloudtrail()[1].as_bytes());
    let answer = send(&log, "aws", ContentType::Ndjson, body).await;
    assert_eq!(answer.results.len(), hostile.len() + 2);
    assert_eq!(answer.results.last().unwrap().status, EventStatus::Logged, "a good one behind them");
    for (place, row) in answer.results.iter().enumerate() {
        assert!(
            matches!(row.status, EventStatus::Logged | EventStatus::Quarantined | EventStatus::Skipped),
            "{place}: {row:?}"
        );
        if let Some(index) = row.index {
            let entry = log.record(index).await.unwrap_or_else(|error| panic!("{place}: {error}"));
            let kind = if row.status == EventStatus::Logged { "record" } else { "quarantine" };
            assert_eq!(entry.kind, kind, "{place}");
        }
    }
    for order in ["asc", "desc"] {
        let path = format!("/api/v1/logs/hr/records?limit=1000&order={order}");
        let page = http::json(server.get(&path).send().await.unwrap(), 200).await;
        assert_eq!(page["items"].as_array().unwrap().len() as u64, answer.accepted, "{order}");
    }
}
