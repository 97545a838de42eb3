//! What a client makes of refusals, of broken and of hostile answers.

#![allow(clippy::unwrap_used)]

mod support;

use std::error::Error as _;
use std::time::Duration;

use cairnlog_client::{Client, Error, PageRequest, RecordQuery, Secret, TileLog, TransportKind, limits};
use cairnlog_verify::tile::{BundleId, Tile};
use support::{Reply, Server};

const TOKEN: &str = "cl_0123456789abcdef_verysecret";

async fn error_of(answer: impl Fn() -> Reply + Send + Sync + 'static) -> Error {
    let server = Server::start(move |_| answer()).await;
    let client = Client::new(&server.url, Some(&Secret::new(TOKEN))).unwrap();
    client.logs(&PageRequest::default()).await.unwrap_err()
}

#[tokio::test]
async fn a_problem_is_decoded_whole() {
    let body = r#"{"type":"/problems/invalid-plugin","title":"Invalid plugin","status":422,
        "detail":"the component imports what is not lent","request_id":"r-1",
        "errors":[{"code":"unknown-import","detail":"wasi:clocks","at":3},{"code":"too-large"}]}"#;
    let error =
        error_of(move || Reply::new(422, &[("content-type", "application/problem+json")], body)).await;
    assert_eq!((error.status(), error.slug()), (Some(422), Some("invalid-plugin")));
    assert_eq!(
        error.to_string(),
        "the component imports what is not lent (invalid-plugin, status 422, request r-1); \
         unknown-import: wasi:clocks; too-large"
    );
    let Error::Problem(problem) = error else {
        panic!("{error:?}");
    };
    assert_eq!(problem.title, "Invalid plugin");
    assert_eq!(problem.request_id.as_deref(), Some("r-1"));
    assert_eq!(problem.errors[0].more["at"], 3);
    assert!(problem.retry_after.is_none());
}

#[tokio::test]
async fn retry_after_is_read_with_and_without_a_problem_document() {
    for body in [r#"{"type":"/problems/queue-full"}"#, "busy"] {
        let error = error_of(move || Reply::new(429, &[("retry-after", "7")], body)).await;
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)), "{body}");
        assert!(error.is_transient());
        assert_eq!(error.status(), Some(429));
    }
    let date = "Mon, 09 Mar 2026 08:00:00 GMT";
    let error = error_of(move || Reply::new(503, &[("retry-after", date)], "")).await;
    assert_eq!(error.retry_after(), None);
}

#[tokio::test]
async fn a_problem_cannot_steer_the_terminal() {
    let body = r#"{"type":"/problems/x","detail":"\u001b[2J\u009bgone"}"#;
    let words = error_of(move || Reply::new(400, &[], body)).await.to_string();
    assert_eq!(words, " [2J gone (x, status 400)");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let error = error_of(|| Reply::new(307, &[("location", "http://192.0.2.1/")], "")).await;
    assert!(matches!(error, Error::Unexpected { status: 307, .. }), "{error:?}");
}

#[tokio::test]
async fn an_answer_longer_than_its_bound_is_dropped() {
    let announced = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", limits::PAGE_BYTES_MAX + 1);
    let error = error_of(move || Reply::raw(announced.clone())).await;
    assert!(matches!(error, Error::TooLarge { limit: limits::PAGE_BYTES_MAX, .. }), "{error:?}");

    let tile = limits::TILE_BYTES_MAX + 1;
    let mut chunked =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{tile:x}\r\n").into_bytes();
    chunked.resize(chunked.len() + tile, b'.');
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    let server = Server::start(move |_| Reply::raw(chunked.clone())).await;
    let log = TileLog::new(&server.log_prefix(), None).unwrap();
    let error = log.tile(Tile { level: 0, index: 0, width: 256 }).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: limits::TILE_BYTES_MAX, .. }), "{error:?}");
}

#[tokio::test]
async fn a_refusal_with_an_endless_body_is_still_a_refusal() {
    let body = vec![b' '; limits::PROBLEM_BYTES_MAX + 1];
    let error = error_of(move || Reply::new(403, &[], &body)).await;
    assert!(matches!(error, Error::Unexpected { status: 403, .. }), "{error:?}");
}

#[tokio::test]
async fn an_answer_of_another_shape_is_malformed_and_not_quoted() {
    for body in
        [r#"{"items":[{"name":"Greta Lindholm"}]}"#, r#"{"items":"Greta Lindholm"}"#, "Greta Lindholm", ""]
    {
        let error = error_of(move || Reply::ok(body)).await;
        assert!(matches!(error, Error::Malformed { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("Greta"));
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_a_transport_error() {
    let cut = || Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"items\"");
    let error = error_of(cut).await;
    assert!(matches!(error, Error::Transport { kind: TransportKind::Broken, .. }), "{error:?}");
    let error = error_of(|| Reply::raw("SSH-2.0-OpenSSH_9.2\r\n")).await;
    assert!(matches!(error, Error::Transport { kind: TransportKind::Broken, .. }), "{error:?}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn nobody_listening_is_told_apart_and_neither_token_nor_query_is_told() {
    let server = Server::start(|_| Reply::ok("")).await;
    let url = server.url.clone();
    drop(server);
    let client = Client::new(&url, Some(&Secret::new(TOKEN))).unwrap();
    let query = RecordQuery { actor: Some("greta.lindholm".to_owned()), ..RecordQuery::default() };
    let error = client.log("hr").unwrap().records(&query).await.unwrap_err();
    assert!(matches!(error, Error::Transport { .. }), "{error:?}");
    let mut words = vec![format!("{error} {error:?} {client:?}")];
    let mut cause = error.source();
    while let Some(inner) = cause {
        words.push(format!("{inner} {inner:?}"));
        cause = inner.source();
    }
    for word in words {
        assert!(!word.contains("verysecret") && !word.contains("greta"), "{word}");
    }
}

#[tokio::test]
async fn addresses_and_tokens_that_cannot_be_used_are_refused_unsent() {
    for address in [
        "",
        "127.0.0.1:8080",
        "ftp://log.example",
        "file:///etc/passwd",
        "http://user:pass@log.example",
        "http://log.example?x=1",
        "http://log.example#x",
    ] {
        let error = Client::new(address, None).unwrap_err();
        assert!(matches!(error, Error::Input(_)), "{address}");
        assert!(!error.to_string().contains("pass@"));
    }
    for token in ["", "two words", "line\nbreak", "é", &"t".repeat(limits::TOKEN_CHARS_MAX + 1)] {
        let error = Client::new("http://log.example", Some(&Secret::new(token))).unwrap_err();
        assert!(matches!(error, Error::Input(_)), "{token}");
    }
}

#[tokio::test]
async fn a_server_below_a_path_is_reached_there() {
    let server = Server::start(|_| Reply::ok(r#"{"items":[]}"#)).await;
    for base in ["/audit", "/audit/"] {
        let client = Client::new(&format!("{}{base}", server.url), None).unwrap();
        client.logs(&PageRequest::default()).await.unwrap();
        assert_eq!(server.last().path, "/audit/api/v1/logs");
        client.log("hr").unwrap().tiles().bundle(BundleId { index: 1_234_067, width: 256 }).await.unwrap();
        assert_eq!(server.last().path, "/audit/logs/hr/tile/entries/x001/x234/067");
    }
}
