//! Signing keys that change, and receipts for verifiers of COSE.

use cairnlog_client::{ContentType, Error, Ingest, Log, Mode, NewKeys, NewLog, RecordQuery, Secret};
use cairnlog_tests::{ADMIN_TOKEN, Server, http, pipelines, web};
use cairnlog_verify::checkpoint::Checkpoint;
use cairnlog_verify::cose::CoseReceipt;
use cairnlog_verify::entry::{Body, Entry};
use cairnlog_verify::note::{SigningKey, VerifierKey};
use reqwest::Method;
use serde_json::json;

const ORIGIN: &str = "log.example/keys";

fn key(seed: u8) -> SigningKey {
    SigningKey::ed25519(ORIGIN, [seed; 32]).unwrap()
}

fn notes(seed: u8) -> Vec<Secret> {
    vec![Secret::new(key(seed).to_private_note().as_str())]
}

fn given(seed: u8, overlap: u64) -> NewKeys {
    NewKeys {
        signing_keys: Some(notes(seed)),
        overlap: Some(overlap),
        reason: Some("the yearly change".to_owned()),
    }
}

async fn create(server: &Server, name: &str, mode: Mode) -> Log {
    let origin = Some(ORIGIN.to_owned());
    let new = NewLog { origin, mode: Some(mode), signing_keys: Some(notes(1)), ..NewLog::new(name) };
    server.client().create_log(&new).await.unwrap();
    server.client().log(name).unwrap()
}

async fn add(server: &Server, name: &str, entry: &str) {
    let path = format!("/logs/{name}/add");
    let sent = server.request(Method::POST, &path).body(entry.to_owned()).send().await.unwrap();
    assert_eq!(sent.status(), 200);
}

/// Which of these keys have signed the newest head, and its size.
async fn signed_by(server: &Server, name: &str, seeds: &[u8]) -> (Vec<u8>, u64) {
    let path = format!("/logs/{name}/checkpoint");
    let note = server.anonymous(Method::GET, &path).send().await.unwrap().text().await.unwrap();
    let size = note.lines().nth(1).unwrap().parse().unwrap();
    let signed = |seed: &&u8| Checkpoint::open(&note, &[key(**seed).verifier_key().clone()]).is_ok();
    (seeds.iter().filter(signed).copied().collect(), size)
}

fn refused(outcome: Result<impl std::fmt::Debug, Error>) -> String {
    outcome.unwrap_err().slug().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn old_keys_sign_beside_new_ones_until_the_size_that_an_entry_says() {
    let mut server = Server::start();
    let log = create(&server, "hr", Mode::Records).await;
    pipelines::plain(&server.client(), &log, "portal", "web-access").await;
    let before = log.tree_head().await.unwrap().tree_size;

    let info = log.rotate_keys(&given(2, 3)).await.unwrap();
    let keys: Vec<String> = [2, 1].map(|seed| key(seed).verifier_key().to_string()).into();
    assert_eq!((&info.verifier_key, &info.verifier_keys), (&keys[0], &keys));
    assert_eq!(info.tree_size, before + 1, "the change is an entry");
    let entry = Entry::parse(&log.entry(before).await.unwrap().entry).unwrap();
    let ends = before + 4;
    assert_eq!(entry.body, Body::Key { key: key(2).verifier_key().clone(), ends });
    let said = log.record(before).await.unwrap();
    assert_eq!(said.event["key"]["reason"], "the yearly change");
    assert!(said.event["key"]["by"].as_str().is_some_and(|by| !by.is_empty()));

    for size in before + 1..=ends + 2 {
        let signing: &[u8] = if size <= ends { &[1, 2] } else { &[2] };
        assert_eq!(signed_by(&server, "hr", &[1, 2]).await, (signing.into(), size));
        let named = server.client().log("hr").unwrap().info().await.unwrap().verifier_keys;
        assert_eq!(named.len(), signing.len());
        if size == ends - 1 || size == ends + 1 {
            server.kill();
            server.restart();
        }
        let log = server.client().log("hr").unwrap();
        log.ingest("portal", Ingest::new(ContentType::Text, web::lines(size, 1))).await.unwrap();
    }

    let kept = || std::fs::read_to_string(server.data().join("keys/hr/signing")).unwrap();
    assert_eq!(
        kept(),
        format!("{}\n", key(2).to_private_note().as_str()),
        "the start removed what had ended"
    );
    server.kill();
    server.restart();
    assert_eq!(signed_by(&server, "hr", &[1, 2]).await.0, [2]);
}

/// Where no entry of the log can say it, the control log does, and the newest head is signed anew.
#[tokio::test]
async fn opaque_and_frozen_logs_change_their_keys_without_an_entry_of_their_own() {
    let mut server = Server::start();
    let log = create(&server, "plain", Mode::Opaque).await;
    add(&server, "plain", "a").await;
    let unsaid = |seed, overlap| NewKeys { reason: None, ..given(seed, overlap) };
    log.rotate_keys(&given(2, 1)).await.unwrap();
    let query = RecordQuery { action: Some("logs.keys".to_owned()), ..RecordQuery::default() };
    let said = server.client().log("control").unwrap().search(&query).await.unwrap().items;
    let [said] = &said[..] else { panic!("{said:?}") };
    assert_eq!(said.event["resources"][0]["name"], "plain");
    assert_eq!(said.event["unmapped"]["key"]["reason"], given(2, 1).reason.unwrap());
    assert_eq!(signed_by(&server, "plain", &[1, 2]).await, (vec![1, 2], 1));
    server.kill();
    server.restart();
    for (entry, signing) in [("b", vec![1, 2]), ("c", vec![2])] {
        add(&server, "plain", entry).await;
        assert_eq!(signed_by(&server, "plain", &[1, 2]).await.0, signing);
    }
    let log = server.client().log("plain").unwrap();
    log.freeze().await.unwrap();
    log.rotate_keys(&unsaid(3, 0)).await.unwrap();
    server.kill();
    server.restart();
    assert_eq!(signed_by(&server, "plain", &[1, 2, 3]).await, (vec![2, 3], 3));
    assert!(server.client().log("plain").unwrap().info().await.unwrap().frozen);
}

/// A key that has leaked ends at once, or on a log that others write to within some entries.
#[tokio::test]
async fn a_key_can_end_at_once_while_others_write() {
    let server = Server::start();
    let log = create(&server, "plain", Mode::Opaque).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (url, stopped) = (format!("{}/logs/plain/add", server.url()), stopped.clone());
            let http = reqwest::Client::builder().no_proxy().build().unwrap();
            tokio::spawn(async move {
                let mut added = 0;
                while !*stopped.borrow() {
                    let sent = http.post(&url).bearer_auth(ADMIN_TOKEN).body(format!("{writer} {added}"));
                    assert_eq!(sent.send().await.unwrap().status(), 200);
                    added += 1;
                }
                added
            })
        })
        .collect();
    while log.tree_head().await.unwrap().tree_size < 100 {
        tokio::task::yield_now().await;
    }
    let keys = NewKeys { reason: None, ..given(2, 0) };
    log.rotate_keys(&keys).await.unwrap();
    while signed_by(&server, "plain", &[1]).await.0 == [1] {
        tokio::task::yield_now().await;
    }
    stop.send(true).unwrap();
    for writer in writers {
        assert!(writer.await.unwrap() > 0);
    }
    assert_eq!(signed_by(&server, "plain", &[1, 2]).await.0, [2]);
}

#[tokio::test]
async fn without_given_keys_both_kinds_are_made() {
    let server = Server::start();
    let log = pipelines::log(&server.client(), "hr").await;
    let old = log.info().await.unwrap();
    let sent = server.request(Method::POST, "/api/v1/logs/hr/keys").send().await.unwrap();
    let new = http::json(sent, 200).await;
    let keys: Vec<VerifierKey> = new["verifier_keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key.as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(keys.len(), 4);
    assert!(old.verifier_keys.iter().all(|old| keys.iter().any(|key| key.to_string() == *old)));
    assert_ne!(new["verifier_key"], old.verifier_key);
    let note = log.tree_head().await.unwrap().checkpoint;
    for key in keys {
        Checkpoint::open(&note, &[key]).unwrap();
    }
    // Two entries, one a key, from one batch.
    assert_eq!(new["tree_size"], old.tree_size + 2);
}

#[tokio::test]
async fn keys_that_can_not_be_are_refused_and_change_nothing() {
    let server = Server::start();
    let log = create(&server, "hr", Mode::Records).await;
    let before = log.info().await.unwrap();
    let foreign = SigningKey::ed25519("log.example/other", [9; 32]).unwrap();
    let foreign = NewKeys {
        signing_keys: Some(vec![Secret::new(foreign.to_private_note().as_str())]),
        ..NewKeys::default()
    };
    let wordy = NewKeys { reason: Some("x".repeat(1_025)), ..NewKeys::default() };
    for (keys, slug) in [(given(1, 9), "conflict"), (foreign, "bad-request"), (wordy, "bad-request")] {
        assert_eq!(refused(log.rotate_keys(&keys).await), slug);
    }
    let other = NewLog { origin: Some("log.example/plain".to_owned()), ..NewLog::new("plain") };
    let secret = SigningKey::ed25519("log.example/plain", [5; 32]).unwrap().to_private_note();
    let signing_keys = Some(vec![Secret::new(secret.as_str())]);
    server.client().create_log(&NewLog { mode: Some(Mode::Opaque), signing_keys, ..other }).await.unwrap();
    assert_eq!(refused(log.rotate_keys(&given(5, 9)).await), "conflict", "a key of a log of another mode");
    for body in [json!({"overlap": -1}), json!({"signing_keys": []})] {
        let sent = server.request(Method::POST, "/api/v1/logs/hr/keys").json(&body).send().await.unwrap();
        http::problem(sent, 400, "bad-request").await;
    }
    for round in 2..9 {
        log.rotate_keys(&given(20 + round, 1_000)).await.unwrap();
    }
    assert_eq!(refused(log.rotate_keys(&given(40, 1_000)).await), "conflict", "eight keys at most");
    assert_eq!(log.info().await.unwrap().tree_size, before.tree_size + 7);
    assert_eq!(signed_by(&server, "hr", &[1, 5, 9, 40]).await.0, [1], "what was refused signs nothing");
    let kept = std::fs::read_to_string(server.data().join("keys/hr/signing")).unwrap();
    assert_eq!(kept.lines().count(), 8);
    assert!(!kept.contains(key(40).to_private_note().as_str()));
}

#[tokio::test]
async fn a_cose_receipt_is_for_who_asks_for_it() {
    let server = Server::start();
    for (name, mode) in [("hr", Mode::Records), ("plain", Mode::Opaque)] {
        let new = NewLog { mode: Some(mode), ..NewLog::new(name) };
        let vkey: VerifierKey = server.client().create_log(&new).await.unwrap().verifier_key.parse().unwrap();
        if mode == Mode::Opaque {
            add(&server, name, "an entry").await;
        }
        let path = format!("/api/v1/logs/{name}/entries/0/receipt");
        let ask = |accept: &'static str| server.anonymous(Method::GET, &path).header("accept", accept).send();
        let response = ask("application/cose").await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/cose; cose-type=\"cose-sign1\"");
        assert_eq!(response.headers()["vary"], "accept");
        let receipt = CoseReceipt::parse(&response.bytes().await.unwrap()).unwrap();
        let log = server.client().log(name).unwrap();
        let entry = log.entry(0).await.unwrap().entry;
        let root = receipt.verify(&entry, &[vkey]).unwrap();
        assert_eq!(root, log.tree_head().await.unwrap().root_hash);
        let text = ask("*/*").await.unwrap();
        assert!(text.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    }
    let beyond = server.anonymous(Method::GET, "/api/v1/logs/hr/entries/1/receipt");
    let beyond = beyond.header("accept", "application/cose").send().await.unwrap();
    http::problem(beyond, 404, "not-found").await;
}
