//! Logs of mode `opaque`, in the submission shape of tile logs.

use std::collections::BTreeSet;

use cairnlog_client::{LogInfo, Mode, NewLog, NewToken, Role, Secret};
use cairnlog_tests::{ADMIN_TOKEN, Server, http};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::verifier;

/// The published key pair, entries and checkpoints of Tessera's fixture log (transparency-dev/tessera, `testdata/log`,
/// Apache-2.0).
const ORIGIN: &str = "example.com/log/testdata";
const PRIVATE: &str =
    "PRIVATE+KEY+example.com/log/testdata+33d7b496+AeymY/SZAX0jZcJ8enZ5FY1Dz+wTML2yWSkK+9DSF3eg";
const PUBLIC: &str = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";
const ENTRIES: [&str; 15] = [
    "one", "two", "three", "four", "five", "six", "seven", "eit", "nain", "ten", "ileven", "twelf",
    "threeten", "fourten", "fivten",
];
const CHECKPOINTS: [(usize, &str, &str); 6] = [
    (
        0,
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "M9e0lhxJACzE1KoUdqKuPa+9p6R7dSW8BlEvrg/noo8FkGg6PbJoRNOcdjqjOq89wVvTA60eubCc4oufo5BvIVEgtQc=",
    ),
    (
        1,
        "0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek=",
        "M9e0lhr9kuLxGdAtaUrhm84TQffVsLdcy808sN0a3WyniNlfcr9+bywoiIke1YYciCNjJGkCgIlQ8b16jhsmg/SChAM=",
    ),
    (
        2,
        "T1X2GdkhUjV3iyufF9b0kVsWFxIU0VI4EpNml2Teci4=",
        "M9e0llH4NKmlf0u7C8tkJioQOmi7l5ELqljXgKRg6R3G5JJ7vx7emDWo5fpqKuA/Dk/jRrI6il+7QCVirNhyUAWGoAk=",
    ),
    (
        3,
        "Wqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=",
        "M9e0lvAQRtH832pk2RTbeSeZMkp4FZSdJYFBUjO5SKxuRbywPUF3cx+HUrb50kjd3rUWW/fj53Wj1dwcwh9bGQnqVAg=",
    ),
    (
        8,
        "bC+VwvrJbalNVjfkdI8kUgs7mJoXrqiXCE7bgnD28pY=",
        "M9e0lq1EK37dHtgv9O3UzPxisw5vwIPcJsX9ab0xt4mvVfbdUR1fbMjN6sBFYpBoBEmD4+cWhj/AVgI5MitCO5+mews=",
    ),
    (
        15,
        "rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=",
        "M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1zfcBOhg+CKubMt53MvIt/uEWP6zdkdIQzd/fmwlM/dlPWF74ewI=",
    ),
];

async fn create(server: &Server, new: NewLog) -> LogInfo {
    server.client().create_log(&NewLog { mode: Some(Mode::Opaque), ..new }).await.unwrap()
}

async fn post(server: &Server, path: &str, body: impl Into<Vec<u8>>) -> Response {
    server.request(Method::POST, path).body(body.into()).send().await.unwrap()
}

/// The index that an entry is answered with.
async fn add(server: &Server, log: &str, entry: impl Into<Vec<u8>>) -> u64 {
    let response = post(server, &format!("/logs/{log}/add"), entry).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    let text = response.text().await.unwrap();
    let index = text.parse().unwrap_or_else(|_| panic!("{text:?}"));
    assert_eq!(text, u64::to_string(&index), "decimal, and no newline");
    index
}

async fn file(server: &Server, path: &str) -> Vec<u8> {
    let response = server.anonymous(Method::GET, path).send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    response.bytes().await.unwrap().to_vec()
}

fn framed(entries: &[Vec<u8>]) -> Vec<u8> {
    let frame = |entry: &Vec<u8>| [&u16::try_from(entry.len()).unwrap().to_be_bytes()[..], entry].concat();
    entries.iter().flat_map(frame).collect()
}

async fn add_all(server: &Server, log: &str, bytes: Vec<u8>) -> Response {
    let request = server.request(Method::POST, &format!("/api/v1/logs/{log}/entries"));
    request.header("content-type", "application/octet-stream").body(bytes).send().await.unwrap()
}

#[tokio::test]
async fn the_fixture_log_is_reproduced_byte_for_byte_across_a_restart() {
    let mut server = Server::start();
    let new = NewLog {
        origin: Some(ORIGIN.to_owned()),
        signing_keys: Some(vec![Secret::new(PRIVATE)]),
        ..NewLog::new("fixture")
    };
    let info = create(&server, new).await;
    assert_eq!((info.mode, info.tree_size, info.verifier_key.as_str()), (Mode::Opaque, 0, PUBLIC));
    let mut size = 0;
    for (wanted, root, signature) in CHECKPOINTS {
        while size < wanted {
            assert_eq!(add(&server, "fixture", ENTRIES[size]).await, size as u64);
            size += 1;
        }
        let expected = format!("{ORIGIN}\n{size}\n{root}\n\n— {ORIGIN} {signature}\n");
        for _ in 0..2 {
            assert_eq!(file(&server, "/logs/fixture/checkpoint").await, expected.as_bytes());
            if ![0, 3].contains(&size) {
                break;
            }
            server.kill();
            server.restart();
        }
    }
    let bundle = file(&server, "/logs/fixture/tile/entries/000.p/3").await;
    assert_eq!(bundle, b"\0\x03one\0\x03two\0\x05three");
    for index in [0, 14] {
        let path = format!("/api/v1/logs/fixture/entries/{index}/receipt");
        let receipt = String::from_utf8(file(&server, &path).await).unwrap();
        let (lines, checkpoint) = receipt.split_once("\n\n").unwrap();
        assert!(lines.starts_with(&format!("c2sp.org/tlog-proof@v1\nindex {index}\n")), "{receipt}");
        assert!(checkpoint.starts_with(&format!("{ORIGIN}\n15\n")), "{receipt}");
    }
}

#[tokio::test]
async fn a_body_of_any_bytes_is_an_entry_up_to_the_bound() {
    let server = Server::start();
    let vkey = create(&server, NewLog::new("plain")).await.verifier_key;
    let entries: Vec<Vec<u8>> = vec![Vec::new(), vec![0], b"\r\n\xff".to_vec(), vec![7; 65_535]];
    for (index, entry) in (0..).zip(&entries) {
        assert_eq!(add(&server, "plain", entry.clone()).await, index);
    }
    assert_eq!(add(&server, "plain", vec![0]).await, 4, "equal entries are two");
    http::problem(post(&server, "/logs/plain/add", vec![0; 65_536]).await, 413, "too-large").await;
    assert_eq!(file(&server, "/logs/plain/tile/entries/000.p/4").await, framed(&entries));
    let checkpoint = verifier::open(&file(&server, "/logs/plain/checkpoint").await, &vkey);
    assert_eq!(checkpoint.size, 5);
}

#[tokio::test]
async fn callers_at_once_get_indices_of_their_own() {
    let server = Server::start();
    create(&server, NewLog::new("plain")).await;
    let adding = (0..200_u64).map(|number| add(&server, "plain", number.to_string()));
    let indices: BTreeSet<u64> = futures_util::future::join_all(adding).await.into_iter().collect();
    assert_eq!(indices, (0..200).collect());
}

#[tokio::test]
async fn with_dedupe_an_equal_entry_has_the_first_ones_index() {
    let mut server = Server::start();
    create(&server, NewLog { dedupe: Some(true), ..NewLog::new("once") }).await;
    let adding = (0..300_u64).map(|number| add(&server, "once", (number % 3).to_string()));
    let indices = futures_util::future::join_all(adding).await;
    for (number, index) in indices.iter().enumerate() {
        assert!(*index < 3);
        assert_eq!(*index, indices[number % 3]);
    }
    // Past a full tile, and after a restart.
    for number in 3..300_u64 {
        assert_eq!(add(&server, "once", number.to_string()).await, number);
    }
    server.kill();
    server.restart();
    assert_eq!(add(&server, "once", "0").await, indices[0]);
    assert_eq!(add(&server, "once", "299").await, 299);
    http::problem(add_all(&server, "once", framed(&[vec![1]])).await, 400, "bad-request").await;
}

#[tokio::test]
async fn a_batch_is_taken_whole_or_not_at_all() {
    let server = Server::start();
    create(&server, NewLog::new("plain")).await;
    let entries: Vec<Vec<u8>> = (0..300_u64).map(|number| number.to_string().into_bytes()).collect();
    let added = http::json(add_all(&server, "plain", framed(&entries)).await, 201).await;
    assert_eq!(added, json!({"first_index": 0, "count": 300, "tree_size": 300}));
    assert_eq!(file(&server, "/logs/plain/tile/entries/000").await, framed(&entries[..256]));
    for broken in [Vec::new(), vec![0], vec![0, 0, 0, 2, 7]] {
        http::problem(add_all(&server, "plain", broken).await, 400, "bad-request").await;
    }
    http::problem(add_all(&server, "plain", vec![0; 2 * 16_385]).await, 413, "too-large").await;
    let untyped = post(&server, "/api/v1/logs/plain/entries", framed(&entries)).await;
    http::problem(untyped, 415, "media-type").await;
    let added = http::json(add_all(&server, "plain", vec![0; 2 * 16_384]).await, 201).await;
    assert_eq!(added, json!({"first_index": 300, "count": 16_384, "tree_size": 16_684}));
}

#[tokio::test]
async fn each_mode_refuses_what_is_the_others() {
    let server = Server::start();
    create(&server, NewLog::new("plain")).await;
    server.client().create_log(&NewLog::new("hr")).await.unwrap();
    http::problem(post(&server, "/logs/hr/add", "x").await, 400, "bad-request").await;
    http::problem(add_all(&server, "hr", vec![0, 0]).await, 400, "bad-request").await;
    let class = json!({"trigger": "received", "minimum_days": 1, "basis": "test"});
    for (method, path, body) in [
        (Method::POST, "sources/portal/events", Value::Null),
        (Method::GET, "sources", Value::Null),
        (Method::GET, "records", Value::Null),
        (Method::GET, "records/0", Value::Null),
        (Method::POST, "records/search", json!({})),
        (Method::GET, "retention/classes", Value::Null),
        (Method::PUT, "retention/classes/short", class),
    ] {
        let request = server.request(method, &format!("/api/v1/logs/plain/{path}"));
        let request = if body.is_null() { request } else { request.json(&body) };
        let problem = http::problem(request.send().await.unwrap(), 400, "bad-request").await;
        assert!(problem["detail"].as_str().unwrap().contains("mode opaque"), "{path}: {problem}");
    }
    let dedupe = json!({"name": "twice", "dedupe": true});
    http::problem(server.post("/api/v1/logs", &dedupe).send().await.unwrap(), 400, "bad-request").await;
}

/// A key that vouches for records must not sign what anyone hands in.
#[tokio::test]
async fn logs_of_two_modes_share_no_key() {
    let server = Server::start();
    let keys = |name: &str| {
        let key = cairnlog_verify::note::SigningKey::ed25519(name, [7; 32]).unwrap();
        Some(vec![Secret::new(key.to_private_note().as_str())])
    };
    let records =
        NewLog { origin: Some("a.example".to_owned()), signing_keys: keys("a.example"), ..NewLog::new("a") };
    server.client().create_log(&records).await.unwrap();
    let opaque =
        NewLog { origin: Some("b.example".to_owned()), signing_keys: keys("b.example"), ..NewLog::new("b") };
    let refused =
        server.client().create_log(&NewLog { mode: Some(Mode::Opaque), ..opaque }).await.unwrap_err();
    assert_eq!(refused.slug(), Some("conflict"));
}

#[tokio::test]
async fn a_frozen_log_takes_nothing_more_and_is_read_as_before() {
    let mut server = Server::start();
    create(&server, NewLog::new("plain")).await;
    let records = cairnlog_tests::pipelines::log(&server.client(), "hr").await;
    cairnlog_tests::pipelines::plain(&server.client(), &records, "portal", "web-access").await;
    add(&server, "plain", "x").await;
    for name in ["plain", "hr"] {
        let frozen = server.client().log(name).unwrap().freeze().await.unwrap();
        assert!(frozen.frozen);
    }
    for _ in 0..2 {
        http::problem(post(&server, "/logs/plain/add", "y").await, 403, "frozen").await;
        http::problem(add_all(&server, "plain", vec![0, 0]).await, 403, "frozen").await;
        let events = server.request(Method::POST, "/api/v1/logs/hr/sources/portal/events");
        let events = events.header("content-type", "text/plain").body(cairnlog_tests::web::lines(0, 1));
        http::problem(events.send().await.unwrap(), 403, "frozen").await;
        assert_eq!(file(&server, "/logs/plain/tile/entries/000.p/1").await, b"\0\x01x");
        file(&server, "/api/v1/logs/plain/proofs/inclusion?index=0").await;
        let class = json!({"trigger": "received", "minimum_days": 1, "basis": "test"});
        let path = "/api/v1/logs/hr/retention/classes/short";
        let put = server.request(Method::PUT, path).json(&class).send().await.unwrap();
        assert!(put.status().is_success(), "retention goes on");
        assert!(server.client().log("plain").unwrap().info().await.unwrap().frozen);
        server.kill();
        server.restart();
    }
}

/// What a stranger asks of a private log is answered as if there were none of that name.
#[tokio::test]
async fn a_private_log_is_not_there_for_strangers() {
    let server = Server::start();
    for name in ["secret", "other"] {
        let new = NewLog { private: Some(true), ..NewLog::new(name) };
        assert!(create(&server, new).await.private);
        add(&server, name, "x").await;
    }
    create(&server, NewLog::new("plain")).await;
    let token = async |log: &str, role| {
        let new = NewToken {
            name: "test".to_owned(),
            roles: vec![role],
            log: Some(log.to_owned()),
            sources: None,
            expires: None,
        };
        server.client().create_token(&new).await.unwrap().token.expose().to_owned()
    };
    let (own, others) = (token("secret", Role::Monitor).await, token("other", Role::Monitor).await);
    let paths = [
        "/logs/{log}/checkpoint",
        "/logs/{log}/tile/0/000.p/1",
        "/logs/{log}/tile/entries/000.p/1",
        "/api/v1/logs/{log}",
        "/api/v1/logs/{log}/sth",
        "/api/v1/logs/{log}/proofs/inclusion?index=0",
        "/api/v1/logs/{log}/proofs/consistency?from=0",
        "/api/v1/logs/{log}/entries/0",
        "/api/v1/logs/{log}/entries/0/receipt",
    ];
    let ask = async |log: &str, path: &str, token: Option<&str>| {
        let request = server.anonymous(Method::GET, &path.replace("{log}", log));
        let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
        request.send().await.unwrap()
    };
    for path in paths {
        for token in [None, Some(others.as_str()), Some("cl_0000000000000000_nothing")] {
            let (hidden, absent) = (ask("secret", path, token).await, ask("absent", path, token).await);
            let status = hidden.status();
            assert_eq!(status, if token.is_some_and(|token| token.ends_with("nothing")) { 401 } else { 404 });
            assert_eq!(parts(hidden, "secret").await, parts(absent, "absent").await, "{path} {token:?}");
        }
        for token in [own.as_str(), ADMIN_TOKEN] {
            let response = ask("secret", path, Some(token)).await;
            assert_eq!(response.status(), 200, "{path}");
            if path.starts_with("/logs/") {
                assert_eq!(response.headers()["cache-control"], "private, no-store", "{path}");
            }
        }
    }
    let writing = server.anonymous(Method::POST, "/logs/secret/add").bearer_auth(&own).body("x").send();
    http::problem(writing.await.unwrap(), 403, "forbidden").await;
    for (token, seen) in [
        (None, vec!["plain"]),
        (Some(own.as_str()), vec!["plain", "secret"]),
        (Some(others.as_str()), vec!["other", "plain"]),
        (Some(ADMIN_TOKEN), vec!["control", "other", "plain", "secret"]),
    ] {
        let list = http::json(ask("", "/api/v1/logs", token).await, 200).await;
        let names: Vec<&str> =
            list["items"].as_array().unwrap().iter().map(|log| log["name"].as_str().unwrap()).collect();
        assert_eq!(names, seen);
    }
    // An expired token is of no account where none is needed.
    assert_eq!(ask("plain", paths[0], Some("cl_0000000000000000_nothing")).await.status(), 200);
}

/// Status, headers and body, but for the request's id, the time, and the name that was asked for.
async fn parts(response: Response, name: &str) -> (u16, Vec<(String, String)>, String) {
    let status = response.status().as_u16();
    let id = response.headers()["request-id"].to_str().unwrap().to_owned();
    let headers = response.headers().iter();
    let headers = headers
        .filter(|(name, _)| !["request-id", "date", "content-length"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let headers = headers.collect();
    (
        status,
        headers,
        response.text().await.unwrap().replace(&id, "…").replace(&format!("\\\"{name}\\\""), "…"),
    )
}
