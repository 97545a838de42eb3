//! Each call of the API: what is sent, and what is made of the answer.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cairnlog_client::{
    ClassSettings, Client, ContentType, Error, EventStatus, Fallback, Health, Ingest, Leaf, Mode, NewLog,
    NewToken, NormalizerErrorPolicy, OnError, Order, PageRequest, Pipeline, RecordQuery, Role, Secret, Stage,
    Trigger, VerificationError, limits,
};
use cairnlog_verify::tree::leaf_hash;
use cairnlog_verify::{Hash, b64};
use serde_json::{Value, json};
use support::{Reply, Server, TestLog, answering, root, sent};

const DIGEST: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000ff";

fn log_json(name: &str) -> Value {
    json!({"name": name, "origin": "log.example/hr", "mode": "records", "private": false,
        "verifier_key": "k", "verifier_keys": ["k"], "tree_size": 7, "created": "2026-03-09T08:00:00Z"})
}

#[tokio::test]
async fn logs_are_created_listed_and_looked_at() {
    let (server, client) = answering(201, log_json("hr")).await;
    let new = NewLog { signing_keys: Some(vec![Secret::new("PRIVATE+KEY+x")]), ..NewLog::new("hr") };
    assert!(!format!("{new:?}").contains("PRIVATE"));
    let info = client.create_log(&new).await.unwrap();
    assert_eq!((info.name.as_str(), info.mode, info.tree_size), ("hr", Mode::Records, 7));
    let body = json!({"name": "hr", "signing_keys": ["PRIVATE+KEY+x"]});
    assert_eq!(sent(&server.last()), ("POST /api/v1/logs".to_owned(), body));
    assert_eq!(server.last().headers["authorization"], "Bearer cl_test");

    // A server of before there were witnesses names none.
    assert!(client.log("hr").unwrap().info().await.unwrap().witnesses.is_empty());
    assert_eq!(sent(&server.last()).0, "GET /api/v1/logs/hr");
    let mut witnessed = log_json("hr");
    witnessed["witnesses"] = json!(["witness.example/w1"]);
    let (_server, client) = answering(200, witnessed).await;
    assert_eq!(client.log("hr").unwrap().info().await.unwrap().witnesses, ["witness.example/w1"]);

    let (server, client) = answering(200, json!({"items": [log_json("a")], "next_cursor": "c+/="})).await;
    let page = client.logs(&PageRequest { limit: Some(1), cursor: None }).await.unwrap();
    assert_eq!((page.items[0].name.as_str(), server.last().query.as_str()), ("a", "limit=1"));
    let next = PageRequest { limit: Some(1), cursor: page.next_cursor };
    client.logs(&next).await.unwrap();
    assert_eq!(server.last().query, "limit=1&cursor=c%2B%2F%3D");
}

#[tokio::test]
async fn tokens_are_created_listed_and_deleted() {
    let created = json!({"id": "0123456789abcdef", "token": "cl_0123456789abcdef_secret", "name": "ci",
        "roles": ["writer"], "log": "hr", "sources": ["aws"]});
    let (server, client) = answering(201, created).await;
    let new = NewToken {
        name: "ci".to_owned(),
        roles: vec![Role::Writer],
        log: Some("hr".to_owned()),
        sources: Some(vec!["aws".to_owned()]),
        expires: None,
    };
    let token = client.create_token(&new).await.unwrap();
    assert_eq!(token.token.expose(), "cl_0123456789abcdef_secret");
    assert!(!format!("{token:?}").contains("secret"));
    let body = json!({"name": "ci", "roles": ["writer"], "log": "hr", "sources": ["aws"]});
    assert_eq!(sent(&server.last()), ("POST /api/v1/tokens".to_owned(), body));

    let server = Server::start(|_| Reply::new(204, &[], "")).await;
    let client = Client::new(&server.url, None).unwrap();
    client.delete_token(&token.info.id).await.unwrap();
    assert_eq!(sent(&server.last()).0, "DELETE /api/v1/tokens/0123456789abcdef");
    assert!(!server.last().headers.contains_key("authorization"));
    assert!(matches!(client.delete_token("..").await, Err(Error::Input(_))));
}

#[tokio::test]
async fn plugins_are_uploaded_looked_at_and_deleted() {
    let plugin = json!({"digest": DIGEST, "name": "redact-fields", "version": "0.1.0",
        "kinds": ["redactor"], "imports": ["cairnlog:plugin/host"], "size": 31_000});
    let (server, client) = answering(201, plugin.clone()).await;
    let uploaded = client.upload_plugin(&b"\0asm"[..]).await.unwrap();
    assert!(uploaded.new);
    assert_eq!(uploaded.plugin.digest.to_string(), DIGEST);
    let request = server.last();
    assert_eq!(request.headers["content-type"], "application/wasm");
    assert_eq!(request.body, b"\0asm");

    let (server, client) = answering(200, plugin).await;
    assert!(!client.upload_plugin(&b"\0asm"[..]).await.unwrap().new);
    client.plugin(&uploaded.plugin.digest).await.unwrap();
    assert_eq!(sent(&server.last()).0, format!("GET /api/v1/plugins/{DIGEST}"));
    client.delete_plugin(&uploaded.plugin.digest).await.unwrap();
    assert_eq!(sent(&server.last()).0, format!("DELETE /api/v1/plugins/{DIGEST}"));
}

#[tokio::test]
async fn a_source_is_bound_to_its_pipeline() {
    let bound = json!({"source": "aws", "pipeline": DIGEST, "pipeline_index": 4});
    let (server, client) = answering(201, bound).await;
    let log = client.log("hr").unwrap();
    let fallback = Fallback { plugin: "any@1.0.0".to_owned(), config: None };
    let mut normalizer = Stage::new("aws-cloudtrail@0.1.0", None);
    normalizer.on_error = Some(NormalizerErrorPolicy::Fallback(fallback));
    let mut retention = Stage::new("retention-schedule@0.1.0", Some(json!({"rules": []})));
    retention.on_error = Some(OnError::Reject);
    let pipeline = Pipeline { normalizer, redactors: vec![], retention };
    let bound = log.put_source("aws", &pipeline).await.unwrap();
    assert_eq!((bound.pipeline_index, bound.new), (4, true));
    let body = json!({
        "normalizer": {"plugin": "aws-cloudtrail@0.1.0", "on_error": {"fallback": {"plugin": "any@1.0.0"}}},
        "redactors": [],
        "retention": {"plugin": "retention-schedule@0.1.0", "config": {"rules": []}, "on_error": "reject"}});
    let put = "PUT /api/v1/logs/hr/sources/aws".to_owned();
    assert_eq!(sent(&server.last()), (put, body.clone()));
    assert_eq!(serde_json::from_value::<Pipeline>(body).unwrap(), pipeline);

    log.source("aws").await.unwrap();
    assert_eq!(sent(&server.last()).0, "GET /api/v1/logs/hr/sources/aws");
    assert!(matches!(log.source("../logs").await, Err(Error::Input(_))));
    assert!(matches!(client.log("HR"), Err(Error::Input(_))));
}

#[tokio::test]
async fn retention_classes_are_set_and_read() {
    let class = json!({"class": "hr-access", "trigger": "end-of-year", "minimum_days": 365, "basis": "b"});
    let (server, client) = answering(201, class).await;
    let log = client.log("hr").unwrap();
    let settings = ClassSettings {
        trigger: Trigger::EndOfYear,
        minimum_days: 365,
        maximum_days: None,
        zone: None,
        basis: "b".to_owned(),
    };
    let answer = log.put_class("hr-access", &settings).await.unwrap();
    assert_eq!((answer.class.as_str(), &answer.settings), ("hr-access", &settings));
    let put = "PUT /api/v1/logs/hr/retention/classes/hr-access".to_owned();
    let body = json!({"trigger": "end-of-year", "minimum_days": 365, "basis": "b"});
    assert_eq!(sent(&server.last()), (put, body));
    assert_eq!(log.class("hr-access").await.unwrap(), answer);
}

#[tokio::test]
async fn an_ingest_sends_its_body_as_it_is_and_reads_the_rows() {
    let hash = Hash([9; 32]);
    let answer = json!({"accepted": 1, "quarantined": 1, "duplicates": 0, "skipped": 0,
        "first_index": 5, "last_index": 7, "tree_size": 8, "results": [
            {"status": "logged", "index": 5, "events": 2, "leaf_hash": hash.to_string()},
            {"status": "quarantined", "index": 7, "reason": "malformed"}]});
    let (server, client) = answering(201, answer).await;
    let log = client.log("hr").unwrap();
    let body = "{\"a\":1}\r\n\n{";
    let ingest =
        Ingest { idempotency_key: Some("batch-1".to_owned()), ..Ingest::new(ContentType::Ndjson, body) };
    let answer = log.ingest("aws", ingest).await.unwrap();
    assert_eq!((answer.accepted, answer.last_index, answer.tree_size), (1, Some(7), 8));
    assert_eq!((answer.results[0].events, answer.results[0].leaf_hash), (Some(2), Some(hash)));
    assert_eq!(answer.results[1].status, EventStatus::Quarantined);
    assert_eq!(answer.results[1].reason.as_deref(), Some("malformed"));
    let request = server.last();
    assert_eq!(sent(&request).0, "POST /api/v1/logs/hr/sources/aws/events");
    assert_eq!((request.query.as_str(), request.body), ("", body.as_bytes().to_vec()));
    assert_eq!(request.headers["content-type"], "application/x-ndjson");
    assert_eq!(request.headers["idempotency-key"], "batch-1");

    log.ingest("aws", Ingest::new(ContentType::Text, "x")).await.unwrap();
    let request = server.last();
    assert_eq!((request.query.as_str(), request.headers.get("idempotency-key")), ("", None));
    for key in ["", "two words", "é", &"k".repeat(129)] {
        let mut ingest = Ingest::new(ContentType::Json, "{}");
        ingest.idempotency_key = Some(key.to_owned());
        assert!(matches!(log.ingest("aws", ingest).await, Err(Error::Input(_))), "{key}");
    }
}

#[tokio::test]
async fn records_are_found_by_address_and_by_body() {
    let record = json!({"index": 5, "leaf_hash": Hash([9; 32]).to_string(), "kind": "record", "source": "aws",
        "received": "2026-03-09T08:00:00Z", "event": {"class_uid": 6003}, "pipeline": DIGEST,
        "redactions": [{"path": "src_endpoint.ip", "action": "drop", "entity": "IP_ADDRESS",
            "rule": "rules[1]", "plugin": DIGEST}],
        "retention": {"class": "default", "rule": "rules[0]", "basis": "b", "trigger": "received",
            "minimum_until": "2026-09-05T08:00:00Z"}});
    let (server, client) = answering(200, json!({"items": [record], "next_cursor": "n"})).await;
    let log = client.log("hr").unwrap();
    let query = RecordQuery {
        source: Some("aws".to_owned()),
        actor: Some("greta lindholm&x=1".to_owned()),
        class: Some(6003),
        from: Some("2026-03-09T00:00:00Z".to_owned()),
        order: Some(Order::Asc),
        page: PageRequest { limit: Some(2), cursor: Some("c".to_owned()) },
        ..RecordQuery::default()
    };
    let page = log.records(&query).await.unwrap();
    assert_eq!((page.items[0].index, page.next_cursor.as_deref()), (5, Some("n")));
    assert_eq!(page.items[0].redactions[0].entity, "IP_ADDRESS");
    assert_eq!(page.items[0].retention.as_ref().unwrap().maximum_until, None);
    let request = server.last();
    assert_eq!(sent(&request).0, "GET /api/v1/logs/hr/records");
    assert_eq!(
        request.query,
        "source=aws&actor=greta+lindholm%26x%3D1&class=6003&from=2026-03-09T00%3A00%3A00Z\
         &order=asc&limit=2&cursor=c"
    );

    log.search(&query).await.unwrap();
    let body = json!({"source": "aws", "actor": "greta lindholm&x=1", "class": 6003,
        "from": "2026-03-09T00:00:00Z", "order": "asc", "limit": 2, "cursor": "c"});
    assert_eq!(sent(&server.last()), ("POST /api/v1/logs/hr/records/search".to_owned(), body));
}

#[tokio::test]
async fn a_record_of_another_kind_may_lack_what_records_have() {
    let pipeline = json!({"index": 1, "leaf_hash": Hash([9; 32]).to_string(), "kind": "pipeline",
        "received": "2026-03-09T08:00:00Z", "event": {}});
    let (server, client) = answering(200, pipeline).await;
    let record = client.log("hr").unwrap().record(1).await.unwrap();
    assert_eq!((record.kind.as_str(), record.source, record.redactions.len()), ("pipeline", None, 0));
    assert_eq!(sent(&server.last()).0, "GET /api/v1/logs/hr/records/1");
}

#[tokio::test]
async fn an_entry_must_have_its_hash() {
    let hash = leaf_hash(b"bytes").to_string();
    let entry = json!({"index": 3, "leaf_hash": hash, "entry": b64::encode(b"bytes")});
    let (_server, client) = answering(200, entry.clone()).await;
    let log = client.log("hr").unwrap();
    assert_eq!(log.entry(3).await.unwrap().entry, b"bytes");
    assert!(matches!(log.entry(4).await, Err(Error::Malformed { .. })));

    for other in [b64::encode(b"other"), "Ynl0ZXM".to_owned()] {
        let mut wrong = entry.clone();
        wrong["entry"] = json!(other);
        let (_server, client) = answering(200, wrong).await;
        let answer = client.log("hr").unwrap().entry(3).await;
        assert!(matches!(answer, Err(Error::Malformed { .. })));
    }
}

#[tokio::test]
async fn proofs_of_the_api_are_verified_against_checkpoints() {
    let (old, new) = (TestLog::new(1).checkpoint, TestLog::new(2).checkpoint);
    let leaves = [leaf_hash(&support::entry(0)), leaf_hash(&support::entry(1))];
    let consistency = json!({"from": 1, "to": 2, "hashes": [leaves[1].to_string()]});
    let (server, client) = answering(200, consistency).await;
    let proof = client.log("hr").unwrap().consistency(1, Some(2)).await.unwrap();
    assert_eq!(server.last().query, "from=1&to=2");
    assert!(proof.verify(&old, &new).is_ok());
    assert!(matches!(proof.verify(&new, &new), Err(VerificationError::OtherProof)));
    let mut other = new.clone();
    other.root = Hash([1; 32]);
    assert!(matches!(proof.verify(&old, &other), Err(VerificationError::Proof(_))));

    let inclusion = json!({"leaf_index": 0, "leaf_hash": leaves[0].to_string(), "tree_size": 2,
        "root_hash": root(&leaves).to_string(), "hashes": [leaves[1].to_string()]});
    let (server, client) = answering(200, inclusion).await;
    let log = client.log("hr").unwrap();
    let proof = log.inclusion(Leaf::Hash(leaves[0]), Some(2)).await.unwrap();
    assert_eq!(server.last().query, format!("leaf_hash={}&tree_size=2", leaves[0].to_hex()));
    assert!(proof.verify(&leaves[0], &new).is_ok());
    assert!(matches!(proof.verify(&leaves[1], &new), Err(VerificationError::OtherProof)));
    assert!(matches!(proof.verify(&leaves[0], &other), Err(VerificationError::Proof(_))));
    log.inclusion(Leaf::Index(0), None).await.unwrap();
    assert_eq!(server.last().query, "index=0");
}

#[tokio::test]
async fn a_receipt_is_waited_for_while_the_server_says_202() {
    let left = AtomicU32::new(2);
    let server = Server::start(move |_| {
        match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)) {
            Ok(_) => Reply::new(202, &[("retry-after", "0")], ""),
            Err(_) => Reply::ok("c2sp.org/tlog-proof@v1\n"),
        }
    })
    .await;
    let log = Client::new(&server.url, None).unwrap().log("hr").unwrap();
    let receipt = log.receipt(7, limits::RECEIPT_WAIT_DEFAULT).await.unwrap();
    assert_eq!(receipt, "c2sp.org/tlog-proof@v1\n");
    let paths: Vec<String> = server.requests().into_iter().map(|r| r.path).collect();
    assert_eq!(paths, vec!["/api/v1/logs/hr/entries/7/receipt"; 3]);
}

#[tokio::test]
async fn the_wait_for_a_receipt_ends() {
    let server = Server::start(|_| Reply::new(202, &[("retry-after", "3")], "")).await;
    let log = Client::new(&server.url, None).unwrap().log("hr").unwrap();
    let error = log.receipt(7, Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, Error::NotYet { .. }));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
    assert!(error.is_transient());
}

#[tokio::test]
async fn probes_tell_good_from_bad() {
    let server = Server::start(|request| match request.path.as_str() {
        "/healthz" => Reply::ok("ok"),
        _ => Reply::problem(503, "starting"),
    })
    .await;
    let client = Client::new(&server.url, None).unwrap();
    assert_eq!(client.health().await.unwrap(), Health::Good);
    let Health::Bad { reason } = client.readiness().await.unwrap() else {
        panic!("ready");
    };
    assert!(reason.contains("starting"), "{reason}");
}
