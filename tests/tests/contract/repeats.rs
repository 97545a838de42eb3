//! Sending again: Idempotency-Key, and events that carry their own id.

use cairnlog_client::{ContentType, EventStatus, Ingest, IngestAnswer, Log, NewToken, Role};
use cairnlog_tests::pipelines::{self, EXAMPLES};
use cairnlog_tests::{http, web};
use reqwest::Method;

use super::{plain, portal, send, size};

async fn keyed(
    log: &Log,
    source: &str,
    key: &str,
    body: &str,
) -> Result<IngestAnswer, cairnlog_client::Error> {
    let key = Some(key.to_owned());
    let ingest = Ingest { idempotency_key: key, ..Ingest::new(ContentType::Text, body.to_owned()) };
    log.ingest(source, ingest).await
}

#[tokio::test]
async fn the_same_key_and_body_get_the_first_answer_again() {
    let (server, log) = portal().await;
    let body = web::lines(0, 5) + "nonsense\n#Comment\n";
    let first = keyed(&log, "portal", "key-1", &body).await.unwrap();
    assert_eq!((first.accepted, first.quarantined, first.skipped), (5, 1, 1));
    send(&log, "portal", ContentType::Text, web::lines(9, 1)).await;
    let before = size(&log).await;
    assert_eq!(keyed(&log, "portal", "key-1", &body).await.unwrap(), first);
    assert_eq!(size(&log).await, before);
    // Also by the status, and after a restart.
    let mut server = server;
    server.stop();
    server.restart();
    let request = server.request(Method::POST, "/api/v1/logs/hr/sources/portal/events");
    let request = request.header("content-type", "text/plain").header("idempotency-key", "key-1");
    let again = http::json(request.body(body).send().await.unwrap(), 201).await;
    assert_eq!(serde_json::from_value::<IngestAnswer>(again).unwrap(), first);
    assert_eq!(size(&server.client().log("hr").unwrap()).await, before);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_a_conflict() {
    let (_server, log) = portal().await;
    keyed(&log, "portal", "key-1", &web::lines(0, 5)).await.unwrap();
    let before = size(&log).await;
    let refused = keyed(&log, "portal", "key-1", &web::lines(0, 6)).await.unwrap_err();
    assert_eq!((refused.status(), refused.slug()), (Some(409), Some("conflict")));
    assert_eq!(size(&log).await, before);
}

#[tokio::test]
async fn a_key_belongs_to_its_log_source_and_token() {
    let (server, log) = portal().await;
    pipelines::plain(&server.client(), &log, "second", "web-access").await;
    let other = pipelines::log(&server.client(), "other").await;
    pipelines::plain(&server.client(), &other, "portal", "web-access").await;
    let roles = vec![Role::Writer];
    let new = NewToken { name: "second".to_owned(), roles, log: None, sources: None, expires: None };
    let token = server.client().create_token(&new).await.unwrap().token;
    let theirs = server.client_of(token.expose()).log("hr").unwrap();
    let mut places = Vec::new();
    for (log, source) in [(&log, "portal"), (&log, "second"), (&other, "portal"), (&theirs, "portal")] {
        let answer = keyed(log, source, "key-1", &web::lines(0, 5)).await.unwrap();
        assert_eq!(answer.accepted, 5);
        places.push((log.name().to_owned(), answer.first_index));
    }
    let distinct: std::collections::BTreeSet<_> = places.iter().collect();
    assert_eq!(distinct.len(), places.len(), "{places:?}");
}

#[tokio::test]
async fn concurrent_requests_with_one_key_write_once() {
    let (_server, log) = portal().await;
    let before = size(&log).await;
    let body = web::lines(0, 200);
    let requests = (0..8).map(|_| keyed(&log, "portal", "key-1", &body));
    let answers = futures_util::future::join_all(requests).await;
    let first = answers[0].as_ref().unwrap();
    for answer in &answers {
        assert_eq!(answer.as_ref().unwrap(), first);
    }
    assert_eq!(size(&log).await, before + 200);
}

#[tokio::test]
async fn keys_that_cannot_be_are_refused() {
    let (server, log) = portal().await;
    let before = size(&log).await;
    let many = "k".repeat(129);
    for key in ["", "with space", "\u{e9}", &many] {
        let request = server.request(Method::POST, "/api/v1/logs/hr/sources/portal/events");
        let request = request.header("content-type", "text/plain").header("idempotency-key", key.as_bytes());
        http::problem(request.body(web::lines(0, 1)).send().await.unwrap(), 400, "bad-request").await;
    }
    assert_eq!(size(&log).await, before);
    assert!(keyed(&log, "portal", &"k".repeat(128), &web::lines(0, 1)).await.is_ok());
}

#[tokio::test]
async fn a_key_may_be_used_again_after_a_request_that_kept_nothing() {
    let (server, log) = portal().await;
    let request = server.request(Method::POST, "/api/v1/logs/hr/sources/portal/events");
    let request = request.header("content-type", "application/json").header("idempotency-key", "key-1");
    http::problem(request.body("{").send().await.unwrap(), 400, "bad-request").await;
    assert_eq!(keyed(&log, "portal", "key-1", &web::lines(0, 1)).await.unwrap().accepted, 1);
}

/// Different `CloudTrail` records of the examples, each with its own id.
fn cloudtrail(records: usize) -> Vec<String> {
    let text = String::from_utf8(EXAMPLES[0].bytes()).unwrap();
    text.lines().take(records).map(str::to_owned).collect()
}

#[tokio::test]
async fn an_event_with_an_id_is_logged_once_across_requests() {
    let (mut server, log) = plain("aws", "aws-cloudtrail").await;
    let lines = cloudtrail(4);
    let first = send(&log, "aws", ContentType::Ndjson, lines.join("\n")).await;
    assert_eq!(first.accepted, 4);
    let path = "/api/v1/logs/hr/sources/aws/events";
    let body = [&lines[2], &lines[0]].map(String::as_str).join("\n");
    for restart in [false, true] {
        if restart {
            server.stop();
            server.restart();
        }
        let request = server.request(Method::POST, path).header("content-type", "application/x-ndjson");
        // All of them duplicates: 200, and nothing was made.
        let answer = http::json(request.body(body.clone()).send().await.unwrap(), 200).await;
        let answer: IngestAnswer = serde_json::from_value(answer).unwrap();
        assert_eq!((answer.duplicates, answer.first_index, answer.last_index), (2, None, None));
        assert_eq!(answer.tree_size, first.tree_size);
        let places: Vec<_> = answer.results.iter().map(|row| (row.status, row.index)).collect();
        let expected = [2, 0].map(|place| (EventStatus::Duplicate, first.results[place].index));
        assert_eq!(places, expected);
    }
    let log = server.client().log("hr").unwrap();
    let mixed = send(&log, "aws", ContentType::Ndjson, cloudtrail(6).join("\n")).await;
    assert_eq!((mixed.accepted, mixed.duplicates), (2, 4));
    assert_eq!(mixed.last_index, mixed.first_index.map(|first| first + 1));
}

#[tokio::test]
async fn an_event_with_an_id_is_logged_once_within_a_request() {
    let (_server, log) = plain("aws", "aws-cloudtrail").await;
    let lines = cloudtrail(2);
    let body = [&lines[0], &lines[1], &lines[0], &lines[0]].map(String::as_str).join("\n");
    let answer = send(&log, "aws", ContentType::Ndjson, body).await;
    assert_eq!((answer.accepted, answer.duplicates), (2, 2));
    let indices: Vec<_> =
        answer.results.iter().map(|row| row.index.unwrap() - answer.first_index.unwrap()).collect();
    assert_eq!(indices, [0, 1, 0, 0]);
}

#[tokio::test]
async fn the_same_id_with_other_bytes_or_in_another_source_is_no_duplicate() {
    let (server, log) = plain("aws", "aws-cloudtrail").await;
    pipelines::plain(&server.client(), &log, "second", "aws-cloudtrail").await;
    let line = cloudtrail(1).remove(0);
    let spaced = line.replacen("\":", "\": ", 1);
    assert_ne!(line, spaced);
    for (source, body) in [("aws", &line), ("aws", &spaced), ("second", &line)] {
        let answer = send(&log, source, ContentType::Ndjson, body.clone()).await;
        assert_eq!((answer.accepted, answer.duplicates), (1, 0), "{source}");
    }
}

#[tokio::test]
async fn concurrent_requests_with_one_event_write_it_once() {
    let (_server, log) = plain("aws", "aws-cloudtrail").await;
    let before = size(&log).await;
    let body = cloudtrail(3).join("\n");
    let requests = (0..8).map(|_| send(&log, "aws", ContentType::Ndjson, body.clone()));
    let answers = futures_util::future::join_all(requests).await;
    assert_eq!(answers.iter().map(|answer| answer.accepted).sum::<u64>(), 3);
    assert_eq!(size(&log).await, before + 3);
    let indices: std::collections::BTreeSet<_> =
        answers.iter().flat_map(|answer| &answer.results).map(|row| row.index.unwrap()).collect();
    assert_eq!(indices.len(), 3);
}
