//! Bodies: their bounds, encodings and types.

use std::time::Duration;

use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
use cairnlog_client::ContentType;
use cairnlog_tests::{ADMIN_TOKEN, http, web};
use reqwest::{Method, RequestBuilder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{portal, send, size};

const MIB: usize = 1 << 20;
const EVENTS: &str = "/api/v1/logs/hr/sources/portal/events";

async fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(bytes).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}

async fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZstdEncoder::new(Vec::new());
    encoder.write_all(bytes).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}

fn events(server: &cairnlog_tests::Server, kind: &str) -> RequestBuilder {
    server.request(Method::POST, EVENTS).header("content-type", kind)
}

/// Writes a request's head and a part of its body by hand, and reads the answer's head.
async fn half_sent(url: &str, path: &str, headers: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN_TOKEN}\r\n{headers}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    let read = async {
        let mut buffer = [0; 4_096];
        while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "the connection ended without an answer");
            answer.extend_from_slice(&buffer[..read]);
        }
    };
    tokio::time::timeout(Duration::from_secs(30), read).await.expect("an answer before the rest of the body");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_body_announced_too_large_is_413_before_any_of_it_is_sent() {
    let (server, log) = portal().await;
    let before = size(&log).await;
    let length = 16 * MIB + 1;
    for (path, kind, length) in [
        (EVENTS, "text/plain", length),
        ("/api/v1/plugins", "application/wasm", 2 * length),
        ("/api/v1/logs/hr/records/search", "application/json", MIB + 1),
    ] {
        let headers = format!("content-type: {kind}\r\ncontent-length: {length}");
        let answer = half_sent(server.url(), path, &headers, b"").await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{path}: {answer}");
    }
    assert_eq!(size(&log).await, before);
}

#[tokio::test]
async fn a_chunked_body_too_large_is_413_before_it_ends() {
    let (server, log) = portal().await;
    let before = size(&log).await;
    let line = "x".repeat(1_023) + "\n";
    let chunk = format!("{:x}\r\n{}\r\n", MIB, line.repeat(1_024));
    let body = chunk.repeat(16) + "2\r\nx\n\r\n";
    let headers = "content-type: text/plain\r\ntransfer-encoding: chunked";
    let answer = half_sent(server.url(), EVENTS, headers, body.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(size(&log).await, before);
}

#[tokio::test]
async fn who_is_still_sending_gets_the_refusal_and_not_a_broken_connection() {
    let (server, log) = portal().await;
    let large = "x".repeat(20 * MIB);
    for _ in 0..5 {
        let response = events(&server, "text/plain").body(large.clone()).send().await.unwrap();
        http::problem(response, 413, "too-large").await;
        let nobody = server.anonymous(Method::POST, EVENTS).header("content-type", "text/plain");
        http::problem(nobody.body(large.clone()).send().await.unwrap(), 401, "unauthenticated").await;
        let nowhere = server.request(Method::POST, "/api/v1/nowhere").body(large.clone());
        http::problem(nowhere.send().await.unwrap(), 404, "not-found").await;
    }
    assert_eq!(send(&log, "portal", ContentType::Text, web::lines(0, 1)).await.accepted, 1);
}

#[tokio::test]
async fn a_body_of_the_largest_size_is_taken() {
    let (server, _log) = portal().await;
    // Sixteen raw records of one mebibyte less the line's end.
    let line = "x".repeat(MIB - 1) + "\n";
    let response = events(&server, "text/plain").body(line.repeat(16)).send().await.unwrap();
    let answer = http::json(response, 201).await;
    assert_eq!(answer["quarantined"], 16);
}

#[tokio::test]
async fn gzip_and_zstd_bodies_are_unpacked() {
    let (server, log) = portal().await;
    let text = web::lines(0, 50);
    for (encoding, body) in [
        ("gzip", gzip(text.as_bytes()).await),
        ("zstd", zstd(text.as_bytes()).await),
        ("identity", text.clone().into()),
    ] {
        let request = events(&server, "text/plain").header("content-encoding", encoding).body(body);
        let answer = http::json(request.send().await.unwrap(), 201).await;
        assert_eq!(answer["accepted"], 50, "{encoding}");
    }
    assert!(size(&log).await > 150);
}

#[tokio::test]
async fn a_compression_bomb_is_413_and_keeps_nothing() {
    let (server, log) = portal().await;
    let before = size(&log).await;
    let zeros = vec![b'\n'; 200 * MIB];
    for (encoding, body) in [("gzip", gzip(&zeros).await), ("zstd", zstd(&zeros).await)] {
        assert!(body.len() < MIB, "{encoding}: {}", body.len());
        let request = events(&server, "text/plain").header("content-encoding", encoding).body(body);
        http::problem(request.send().await.unwrap(), 413, "too-large").await;
    }
    assert_eq!(size(&log).await, before);
}

#[tokio::test]
async fn damaged_and_unknown_encodings_are_refused() {
    let (server, log) = portal().await;
    let before = size(&log).await;
    let good = gzip(web::lines(0, 50).as_bytes()).await;
    for (encoding, body, status, slug) in [
        ("gzip", good[..good.len() - 9].to_vec(), 400, "bad-request"),
        ("gzip", b"not gzip".to_vec(), 400, "bad-request"),
        ("zstd", b"not zstd".to_vec(), 400, "bad-request"),
        ("br", good.clone(), 415, "media-type"),
        ("deflate", good.clone(), 415, "media-type"),
        ("gzip, gzip", gzip(&good).await, 415, "media-type"),
    ] {
        let request = events(&server, "text/plain").header("content-encoding", encoding).body(body);
        http::problem(request.send().await.unwrap(), status, slug).await;
    }
    let request =
        events(&server, "text/plain").header("content-encoding", "gzip").header("content-encoding", "gzip");
    http::problem(request.body(gzip(&good).await).send().await.unwrap(), 415, "media-type").await;
    assert_eq!(size(&log).await, before);
}

#[tokio::test]
async fn other_types_are_415() {
    let (server, log) = portal().await;
    let before = size(&log).await;
    for kind in
        ["text/csv", "application/xml", "application/problem+json", "text", "multipart/form-data; boundary=x"]
    {
        http::problem(events(&server, kind).body("x").send().await.unwrap(), 415, "media-type").await;
    }
    let untyped = server.request(Method::POST, EVENTS).body("x");
    http::problem(untyped.send().await.unwrap(), 415, "media-type").await;
    let typed = events(&server, "Text/Plain; charset=utf-8").body(web::lines(0, 1));
    http::json(typed.send().await.unwrap(), 201).await;
    assert_eq!(size(&log).await, before + 1);
}

#[tokio::test]
async fn an_empty_body_is_a_bad_request() {
    let (server, log) = portal().await;
    let before = size(&log).await;
    for (kind, body) in [
        ("text/plain", ""),
        ("text/plain", "\n\r\n\n"),
        ("application/x-ndjson", ""),
        ("application/x-ndjson", "\n"),
        ("application/json", ""),
        ("application/json", "[]"),
        ("application/octet-stream", ""),
    ] {
        http::problem(events(&server, kind).body(body).send().await.unwrap(), 400, "bad-request").await;
    }
    assert_eq!(size(&log).await, before);
}

#[tokio::test]
async fn more_records_than_a_request_may_hold_are_413() {
    let (server, log) = portal().await;
    let before = size(&log).await;
    let body = web::lines(0, 10_001);
    http::problem(events(&server, "text/plain").body(body).send().await.unwrap(), 413, "too-large").await;
    assert_eq!(size(&log).await, before);
}

#[tokio::test]
async fn each_type_cuts_the_body_its_own_way() {
    let (server, log) = portal().await;
    let line = web::lines(0, 1);
    let line = line.trim_end();
    // Lines end at LF, a CR before it is cut, empty lines have no row.
    let answer = send(&log, "portal", ContentType::Text, format!("{line}\r\n\r\n\n{line}\n{line}")).await;
    assert_eq!((answer.results.len(), answer.accepted), (3, 3));
    // One body, one raw record, which holds two lines and so two events.
    let answer = send(&log, "portal", ContentType::Bytes, format!("{line}\n{line}\n")).await;
    assert_eq!((answer.results.len(), answer.results[0].events), (1, Some(2)));
    assert_eq!(answer.last_index, answer.first_index.map(|first| first + 1));
    // An array's members are raw records, a lone value is one.
    let answer = send(&log, "portal", ContentType::Json, "[1, \"x\", {\"a\": [2]}]").await;
    assert_eq!((answer.results.len(), answer.quarantined), (3, 3));
    let answer = send(&log, "portal", ContentType::Json, " {\"a\": [2]} ").await;
    assert_eq!(answer.results.len(), 1);
    drop(server);
}
