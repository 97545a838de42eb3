//! A log's entries as they are published.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cairnlog_client::{ContentType, Ingest, Log, RecordStream, Role};
use cairnlog_tests::{ADMIN_TOKEN, http, paths, web};
use reqwest::Method;
use serde_json::{Value, json};

use super::{at, control, portal, resources, said_of, token};

async fn send(log: &Log, first: u64, lines: u64) {
    log.ingest("portal", Ingest::new(ContentType::Text, web::lines(first, lines))).await.unwrap();
}

/// The indices of the next entries.
async fn next(stream: &mut RecordStream, entries: usize) -> Vec<u64> {
    let mut indices = Vec::new();
    while indices.len() < entries {
        indices.push(stream.next().await.unwrap().expect("it goes on").index);
    }
    indices
}

#[tokio::test]
async fn a_stream_shows_each_entry_once_as_it_is_read_one_by_one() {
    let (server, log, first) = portal(150).await;
    let size = first + 150;
    let mut stream = log.follow(Some(0)).await.unwrap();
    for index in 0..size {
        let record = stream.next().await.unwrap().unwrap();
        assert_eq!(record.index, index);
        if index < first + 3 {
            assert_eq!(record, log.record(index).await.unwrap());
        }
    }
    let mut new = log.follow(None).await.unwrap();
    send(&log, 150, 5).await;
    let expected: Vec<u64> = (size..size + 5).collect();
    assert_eq!(next(&mut stream, 5).await, expected);
    assert_eq!(next(&mut new, 5).await, expected);
    let again = server.get("/api/v1/logs/hr/stream").header("last-event-id", (size + 3).to_string());
    let mut again = again.send().await.unwrap();
    assert_eq!(again.headers()["content-type"], "text/event-stream");
    let mut text = Vec::new();
    while !text.windows(4).any(|bytes| bytes == b"data") {
        text.extend_from_slice(&again.chunk().await.unwrap().unwrap());
    }
    assert!(String::from_utf8(text).unwrap().contains(&format!("id: {}\n", size + 4)));
    let beyond = server.get(&format!("/api/v1/logs/hr/stream?from={}", size + 6)).send().await.unwrap();
    http::problem(beyond, 400, "bad-request").await;
}

#[tokio::test]
async fn a_stream_is_logged_when_it_begins_and_that_of_the_control_log_is_not() {
    let (server, log, first) = portal(3).await;
    let mut stream = log.follow(Some(first)).await.unwrap();
    next(&mut stream, 3).await;
    let mut of_control = control(&server).follow(Some(0)).await.unwrap();
    next(&mut of_control, 4).await;
    let [begun] = &said_of(&server, "records.stream").await[..] else { panic!("one entry") };
    assert_eq!(resources(begun), ["hr"]);
    assert_eq!(at(begun, "unmapped.stream.from"), &json!(first));
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_with_the_server() {
    let (mut server, log, first) = portal(1).await;
    let made = token(&server, "x", &[Role::Auditor], None).await;
    let theirs = server.client_of(made.token.expose()).log("hr").unwrap();
    let (mut ours, mut theirs) =
        (log.follow(Some(first)).await.unwrap(), theirs.follow(Some(first)).await.unwrap());
    assert_eq!((next(&mut ours, 1).await, next(&mut theirs, 1).await), (vec![first], vec![first]));
    server.client().delete_token(&made.info.id).await.unwrap();
    send(&log, 1, 1).await;
    assert_eq!(next(&mut ours, 1).await, [first + 1]);
    assert!(theirs.next().await.unwrap().is_none(), "shown to who may see it no more");
    let started = Instant::now();
    assert_eq!(server.stop(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(10), "a stream held up the end");
    assert!(ours.next().await.unwrap().is_none());
}

#[tokio::test]
async fn there_are_so_many_streams_and_no_more() {
    let (server, log, _) = portal(1).await;
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(log.follow(None).await.unwrap());
    }
    let one_more = server.get("/api/v1/logs/hr/stream").send().await.unwrap();
    http::problem(one_more, 429, "queue-full").await;
    let metrics = server.get("/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("cairnlog_streams 64"), "{metrics}");
    drop(streams);
    while server.request(Method::GET, "/api/v1/logs/hr/stream").send().await.unwrap().status() != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn tail_prints_entries_and_gives_up_on_a_server_that_is_gone() {
    let (mut server, _log, first) = portal(3).await;
    let tail = |url: &str, more: &[&str]| {
        Command::new(paths::binary())
            .args(["tail", "--log", "hr", "--output", "ndjson"])
            .args(more)
            .env_clear()
            .env("CAIRNLOG_SERVER", url)
            .env("CAIRNLOG_TOKEN", ADMIN_TOKEN)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let from = first.to_string();
    let ended = tail(server.url(), &["--from", &from, "--count", "3"]).wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let lines = String::from_utf8(ended.stdout).unwrap();
    let indices: Vec<u64> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["index"].as_u64().unwrap())
        .collect();
    assert_eq!(indices, [first, first + 1, first + 2]);
    let refused = tail(server.url(), &["--from", "999"]).wait_with_output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let url = server.url().to_owned();
    server.kill();
    let away = tail(&url, &["--from", &from]).wait_with_output().unwrap();
    assert_eq!(away.status.code(), Some(3), "{away:?}");
}
