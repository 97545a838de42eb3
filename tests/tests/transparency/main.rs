//! The public face: a stranger's verifier accepts it, and it keeps to the letter of tlog-tiles.
#![allow(clippy::unwrap_used)]

mod keys;
mod opaque;
mod tiles;
mod verifier;

use std::collections::BTreeMap;

use cairnlog_client::{ContentType, Ingest, Log};
use cairnlog_tests::{Server, http, pipelines, web};
use reqwest::Method;
use serde_json::Value;
use verifier::{Checkpoint, Hash};

/// A log of access log lines, grown to sizes as wanted, read as a stranger reads it.
struct Public {
    server: Server,
    log: Log,
    vkey: String,
    size: u64,
}

impl Public {
    async fn start() -> Self {
        let server = Server::start();
        let log = pipelines::log(&server.client(), "web").await;
        let bound = pipelines::plain(&server.client(), &log, "portal", "web-access").await;
        let vkey = log.info().await.unwrap().verifier_key;
        let size = log.tree_head().await.unwrap().tree_size;
        assert_eq!(size, bound.pipeline_index + 1);
        Self { server, log, vkey, size }
    }

    /// Ingests until the tree has `size` entries.
    async fn grow(&mut self, size: u64) {
        while self.size < size {
            let lines = (size - self.size).min(10_000);
            let body = Ingest::new(ContentType::Text, web::lines(self.size, lines));
            let answer = self.log.ingest("portal", body).await.unwrap();
            assert_eq!((answer.accepted, answer.tree_size), (lines, self.size + lines));
            self.size = answer.tree_size;
        }
    }

    async fn file(&self, path: &str) -> Option<Vec<u8>> {
        let response = self.server.anonymous(Method::GET, &format!("/logs/web/{path}")).send().await.unwrap();
        match response.status().as_u16() {
            200 => Some(response.bytes().await.unwrap().to_vec()),
            404 => None,
            other => panic!("{path}: {other}"),
        }
    }

    async fn checkpoint(&self) -> Checkpoint {
        let checkpoint = verifier::open(&self.file("checkpoint").await.unwrap(), &self.vkey);
        assert_eq!(checkpoint.size, self.size);
        checkpoint
    }

    /// Downloads and recomputes everything.
    async fn audit(&self) -> (Checkpoint, Vec<Hash>) {
        let checkpoint = self.checkpoint().await;
        let mut files = BTreeMap::new();
        for path in verifier::paths(checkpoint.size) {
            let file = self.file(&path).await.unwrap_or_else(|| panic!("no {path}"));
            files.insert(path, file);
        }
        let leaves = verifier::audit(&checkpoint, &files);
        (checkpoint, leaves)
    }

    async fn api(&self, path: &str) -> Value {
        let path = format!("/api/v1/logs/web/{path}");
        http::json(self.server.anonymous(Method::GET, &path).send().await.unwrap(), 200).await
    }

    async fn check_inclusion(&self, index: u64, size: u64, leaves: &[Hash]) {
        let at = usize::try_from(index).unwrap();
        let leaves = &leaves[..usize::try_from(size).unwrap()];
        let answer = self.api(&format!("proofs/inclusion?index={index}&tree_size={size}")).await;
        let proof = hashes(&answer["hashes"]);
        assert_eq!(proof, verifier::path(at, leaves), "{index} in {size}");
        let root = verifier::root(leaves);
        assert_eq!(verifier::hash64(answer["root_hash"].as_str().unwrap()), root);
        assert!(verifier::verify_inclusion(index, size, leaves[at], &proof, &root), "{index} in {size}");
        assert_eq!((&answer["leaf_index"], &answer["tree_size"]), (&index.into(), &size.into()));
        assert_eq!(verifier::hash64(answer["leaf_hash"].as_str().unwrap()), leaves[at]);
        match answer["checkpoint"].as_str() {
            Some(note) => assert_eq!(verifier::open(note.as_bytes(), &self.vkey).size, size),
            None => assert_ne!(size, self.size, "a proof for the published head carries it"),
        }
    }

    async fn check_consistency(&self, from: u64, to: u64, leaves: &[Hash]) {
        let answer = self.api(&format!("proofs/consistency?from={from}&to={to}")).await;
        let proof = hashes(&answer["hashes"]);
        let (first, second) = (usize::try_from(from).unwrap(), usize::try_from(to).unwrap());
        assert_eq!(proof, verifier::consistency(first, &leaves[..second]), "{from} to {to}");
        if 0 < from && from < to {
            let (root1, root2) = (verifier::root(&leaves[..first]), verifier::root(&leaves[..second]));
            assert!(verifier::verify_consistency(from, to, &proof, &root1, &root2), "{from} to {to}");
        } else {
            assert!(proof.is_empty(), "{from} to {to}");
        }
    }

    async fn check_receipt(&self, index: u64, leaves: &[Hash]) {
        let path = format!("/api/v1/logs/web/entries/{index}/receipt");
        let response = self.server.anonymous(Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(kind.starts_with("text/plain"), "{kind}");
        let (proved, checkpoint, entry) = verifier::receipt(&response.text().await.unwrap(), &self.vkey);
        assert_eq!((proved, checkpoint.size), (index, self.size));
        assert_eq!(verifier::leaf(&entry), leaves[usize::try_from(index).unwrap()]);
    }
}

fn hashes(list: &Value) -> Vec<Hash> {
    list.as_array().unwrap().iter().map(|hash| verifier::hash64(hash.as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_strangers_verifier_accepts_the_log_around_256_and_512() {
    let mut public = Public::start().await;
    let sizes = [public.size, 255, 256, 257, 511, 512, 513];
    let mut heads = Vec::new();
    for size in sizes {
        public.grow(size).await;
        let (checkpoint, leaves) = public.audit().await;
        for index in [0, 1, size / 2, size - 2, size - 1] {
            public.check_inclusion(index, size, &leaves).await;
            public.check_receipt(index, &leaves).await;
        }
        for head in &heads {
            let Checkpoint { size: from, root, .. } = head;
            assert_eq!(
                verifier::root(&leaves[..usize::try_from(*from).unwrap()]),
                *root,
                "{from} is a prefix"
            );
            public.check_consistency(*from, size, &leaves).await;
        }
        heads.push(checkpoint);
    }
    let (_, leaves) = public.audit().await;
    for (from, to) in [(0, 0), (0, 513), (1, 1), (1, 513), (256, 512), (257, 300), (300, 513), (513, 513)] {
        public.check_consistency(from, to, &leaves).await;
    }
    for (index, size) in [(0, 1), (0, 2), (255, 256), (255, 257), (256, 257), (299, 300), (17, 300)] {
        public.check_inclusion(index, size, &leaves).await;
    }
}

#[tokio::test]
async fn a_strangers_verifier_accepts_the_log_above_65536() {
    let mut public = Public::start().await;
    public.grow(60_000).await;
    let early = public.checkpoint().await;
    public.grow(65_536).await;
    let full = public.checkpoint().await;
    public.grow(65_536 + 300).await;
    let (late, leaves) = public.audit().await;
    for head in [&early, &full] {
        assert_eq!(verifier::root(&leaves[..usize::try_from(head.size).unwrap()]), head.root);
        public.check_consistency(head.size, late.size, &leaves).await;
    }
    for (from, to) in [(1, 65_536), (65_535, 65_536), (255, 65_537), (65_536, 65_537), (60_001, 65_800)] {
        public.check_consistency(from, to, &leaves).await;
    }
    for index in [0, 255, 256, 65_535, 65_536, 65_537, late.size - 1] {
        public.check_inclusion(index, late.size, &leaves).await;
        public.check_receipt(index, &leaves).await;
    }
    for (index, size) in [(0, 65_536), (65_535, 65_536), (65_536, 65_537), (30_000, 60_000)] {
        public.check_inclusion(index, size, &leaves).await;
    }
    assert_eq!(public.file("tile/2/000.p/1").await, Some(full.root.to_vec()));
    // The log opens again at this size, and at the same head.
    public.server.stop();
    public.server.restart();
    assert_eq!(public.checkpoint().await, late);
    public.check_receipt(65_536, &leaves).await;
}

#[tokio::test]
async fn the_tree_head_as_json_says_what_the_checkpoint_says() {
    let public = Public::start().await;
    let checkpoint = public.checkpoint().await;
    let head = public.api("sth").await;
    assert_eq!(head["origin"], checkpoint.origin);
    assert_eq!(head["tree_size"], checkpoint.size);
    assert_eq!(verifier::hash64(head["root_hash"].as_str().unwrap()), checkpoint.root);
    assert_eq!(verifier::open(head["checkpoint"].as_str().unwrap().as_bytes(), &public.vkey), checkpoint);
    let info = public.log.info().await.unwrap();
    assert_eq!((info.origin, info.tree_size), (checkpoint.origin, checkpoint.size));
    assert!(info.verifier_keys.contains(&info.verifier_key));
}

#[tokio::test]
async fn an_entry_is_proved_by_its_leaf_hash_in_every_spelling() {
    let public = Public::start().await;
    let (_, leaves) = public.audit().await;
    let entry = public.api("entries/1").await;
    let base64 = entry["leaf_hash"].as_str().unwrap();
    let hex = cairnlog_tests::hex(&leaves[1]);
    let escaped = base64.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    for spelling in [hex.as_str(), &escaped] {
        let answer = public.api(&format!("proofs/inclusion?leaf_hash={spelling}")).await;
        assert_eq!((&answer["leaf_index"], &answer["leaf_hash"]), (&1.into(), &base64.into()));
    }
    // Leaf hashes are found in full tiles and in the tail alike.
    let mut public = public;
    public.grow(300).await;
    let (_, leaves) = public.audit().await;
    for index in [0, 5, 255, 256, 299] {
        let hex = cairnlog_tests::hex(&leaves[index]);
        assert_eq!(public.api(&format!("proofs/inclusion?leaf_hash={hex}")).await["leaf_index"], index);
    }
}

#[tokio::test]
async fn proofs_that_cannot_be_are_refused() {
    let public = Public::start().await;
    let size = public.size;
    let zero = "0".repeat(64);
    for (path, status, slug) in [
        (format!("proofs/consistency?from={}&to={size}", size + 1), 400, "bad-request"),
        (format!("proofs/consistency?from=1&to={}", size + 1), 400, "bad-request"),
        ("proofs/consistency".to_owned(), 400, "bad-request"),
        ("proofs/consistency?from=-1".to_owned(), 400, "bad-request"),
        (format!("proofs/consistency?from={}&to=1", size - 1), 400, "bad-request"),
        (format!("proofs/inclusion?index={size}"), 400, "bad-request"),
        ("proofs/inclusion?index=1&tree_size=1".to_owned(), 400, "bad-request"),
        (format!("proofs/inclusion?index=0&tree_size={}", size + 1), 400, "bad-request"),
        (format!("proofs/inclusion?index=0&leaf_hash={zero}"), 400, "bad-request"),
        ("proofs/inclusion".to_owned(), 400, "bad-request"),
        ("proofs/inclusion?leaf_hash=abc".to_owned(), 400, "bad-request"),
        (format!("proofs/inclusion?leaf_hash={zero}"), 404, "not-found"),
        (format!("entries/{size}"), 404, "not-found"),
        (format!("entries/{size}/receipt"), 404, "not-found"),
        ("entries/x".to_owned(), 400, "bad-request"),
        ("entries/99999999999999999999999".to_owned(), 400, "bad-request"),
    ] {
        let response =
            public.server.anonymous(Method::GET, &format!("/api/v1/logs/web/{path}")).send().await.unwrap();
        http::problem(response, status, slug).await;
    }
}

#[tokio::test]
async fn a_log_created_with_a_key_signs_with_that_key() {
    let server = Server::start();
    let origin = "log.example/tiles";
    // The vectors of an Ed25519 key with the seed 00 01 … 1f.
    let private = "PRIVATE+KEY+log.example/tiles+e94a591d+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
    let public = "log.example/tiles+e94a591d+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
    let new = serde_json::json!({"name": "given", "origin": origin, "signing_keys": [private]});
    let created = http::json(server.post("/api/v1/logs", &new).send().await.unwrap(), 201).await;
    assert_eq!(
        (&created["verifier_key"], &created["verifier_keys"]),
        (&public.into(), &serde_json::json!([public]))
    );
    let note =
        server.anonymous(Method::GET, "/logs/given/checkpoint").send().await.unwrap().bytes().await.unwrap();
    let checkpoint = verifier::open(&note, public);
    assert_eq!((checkpoint.origin.as_str(), checkpoint.size), (origin, 1));
    let stderr = server.stderr();
    assert!(!stderr.contains("AQABAgMEBQYHCAkKCwwNDg8Q"), "the private key in the log: {stderr}");
}
