//! Reads are answered after their entry is durable.

use cairnlog_client::{RecordQuery, Role};
use cairnlog_tests::{http, pipelines};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::{at, control, operations, portal, resources, said, said_of, said_of_token, token};

#[tokio::test]
async fn a_read_is_logged_with_who_what_and_from_where() {
    let (server, _log, first) = portal(3).await;
    let ann = token(&server, "Ann Smith", &[Role::Auditor], Some("hr")).await;
    let log = server.client_of(ann.token.expose()).log("hr").unwrap();
    log.record(first).await.unwrap();
    let query = RecordQuery { actor: Some("user1".to_owned()), class: Some(6001), ..RecordQuery::default() };
    let found = log.search(&query).await.unwrap().items;
    assert_eq!(found.len(), 1);
    log.records(&RecordQuery::default()).await.unwrap();

    let entries = said_of_token(&server, &ann).await;
    assert_eq!(operations(&entries), ["records.read", "records.search", "records.search"]);
    for entry in &entries {
        assert_eq!(entry.kind, "access");
        assert_eq!(at(entry, "actor.user.name"), "Ann Smith");
        assert_eq!(at(entry, "actor.user.uid"), ann.info.id.as_str());
        assert_eq!(at(entry, "src_endpoint.ip"), "127.0.0.1");
        assert_eq!((at(entry, "activity_id"), at(entry, "status_id")), (&json!(2), &json!(1)));
        assert_eq!(entry.retention.as_ref().unwrap().class, "default");
    }
    let [read, search, list] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(resources(read), ["hr".to_owned(), format!("hr/{first}")]);
    assert_eq!(resources(search), ["hr"]);
    assert_eq!(at(search, "unmapped.filters"), &json!({"actor": "user1", "class": "6001"}));
    let found = json!({"records": 1, "indices": found[0].index.to_string()});
    assert_eq!(at(search, "unmapped.found"), &found);
    let found = json!({"records": 3, "indices": format!("{first}-{}", first + 2)});
    assert_eq!(at(list, "unmapped.found"), &found);
    assert_eq!(at(list, "unmapped.filters"), &Value::Null);
}

#[tokio::test]
async fn a_disclosure_is_logged_with_what_was_disclosed() {
    let (server, log, first) = portal(1).await;
    let paths = ["time", "src_endpoint.ip"].map(str::to_owned);
    log.disclose(first, &paths, false).await.unwrap();
    log.disclose(first, &[], true).await.unwrap();
    let query = RecordQuery { action: Some("records.disclose".to_owned()), ..RecordQuery::default() };
    let entries = said(&server, query).await;
    let [fields, with_raw] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(resources(fields), ["hr".to_owned(), format!("hr/{first}")]);
    let disclosed = json!({"count": 2, "fields": ["src_endpoint.ip", "time"]});
    assert_eq!(at(fields, "unmapped.disclosed"), &disclosed);
    let disclosed = json!({"count": 1, "fields": ["$received"], "raw_salt": true});
    assert_eq!(at(with_raw, "unmapped.disclosed"), &disclosed);
}

#[tokio::test]
async fn what_was_read_is_found_by_log_by_record_by_operation_and_by_address() {
    let (server, log, first) = portal(2).await;
    log.record(first).await.unwrap();
    log.record(first + 1).await.unwrap();
    for (query, records) in [
        (RecordQuery { resource: Some("hr".to_owned()), ..RecordQuery::default() }, 2),
        (RecordQuery { resource: Some(format!("hr/{first}")), ..RecordQuery::default() }, 1),
        (RecordQuery { ip: Some("127.0.0.1".to_owned()), ..RecordQuery::default() }, 2),
        (RecordQuery { actor: Some("environment".to_owned()), ..RecordQuery::default() }, 2),
        (RecordQuery { from: Some("2020-01-01T00:00:00Z".to_owned()), ..RecordQuery::default() }, 2),
        (RecordQuery { to: Some("2020-01-01T00:00:00Z".to_owned()), ..RecordQuery::default() }, 0),
    ] {
        let query = RecordQuery { action: Some("records.read".to_owned()), ..query };
        assert_eq!(said(&server, query.clone()).await.len(), records, "{query:?}");
    }
}

#[tokio::test]
async fn a_callers_identical_reads_share_an_entry_and_others_have_their_own() {
    let (server, log, first) = portal(2).await;
    let ann = token(&server, "ann", &[Role::Auditor], None).await;
    let theirs = server.client_of(ann.token.expose()).log("hr").unwrap();
    let started = std::time::Instant::now();
    let reads = join_all((0..64).map(|_| log.record(first))).await;
    let seconds = started.elapsed().as_secs();
    assert!(reads.iter().all(|read| read.as_ref().unwrap().index == first));
    let shared = said_of(&server, "records.read").await.len() as u64;
    assert!(shared > 0 && shared <= seconds + 1, "{shared} entries in {seconds} s");
    log.record(first + 1).await.unwrap();
    theirs.record(first).await.unwrap();
    assert_eq!(said_of(&server, "records.read").await.len() as u64, shared + 2);
    tokio::time::sleep(std::time::Duration::from_millis(1_050)).await;
    theirs.record(first).await.unwrap();
    assert_eq!(
        said_of(&server, "records.read").await.len() as u64,
        shared + 3,
        "a second later it is another read"
    );
}

#[tokio::test]
async fn reads_of_the_control_log_are_logged_too() {
    let (server, _log, _) = portal(1).await;
    control(&server).record(0).await.unwrap();
    let of_itself = said_of(&server, "records.read").await;
    assert_eq!(resources(&of_itself[0]), ["control", "control/0"]);
    let searches = said_of(&server, "records.search").await;
    assert!(searches.iter().any(|search| resources(search) == ["control"]));
}

#[tokio::test]
async fn an_entry_says_nothing_in_the_clear() {
    let (server, log, first) = portal(1).await;
    log.record(first).await.unwrap();
    let index = said_of(&server, "records.read").await[0].index;
    let entry = control(&server).entry(index).await.unwrap().entry;
    let entry: Value = serde_json::from_slice(&entry).unwrap();
    let members: Vec<&String> = entry.as_object().unwrap().keys().collect();
    assert_eq!(members, ["count", "fields", "kind", "received", "v"]);
    assert_eq!(entry["kind"], "access");
}

#[tokio::test]
async fn what_is_not_answered_is_no_read() {
    let (server, log, _) = portal(1).await;
    assert_eq!(log.record(999).await.unwrap_err().slug(), Some("not-found"));
    let body = json!({"actor": "x".repeat(65_537)});
    let search = server.post("/api/v1/logs/hr/records/search", &body).send().await.unwrap();
    http::problem(search, 400, "bad-request").await;
    assert!(said_of(&server, "records.read").await.is_empty());
}

#[tokio::test]
async fn the_control_log_is_a_private_log_like_any_other() {
    let (mut server, log, first) = portal(1).await;
    pipelines::log(&server.client(), "other").await;
    log.record(first).await.unwrap();
    let info = control(&server).info().await.unwrap();
    assert!(info.private && !info.frozen);
    let theirs = token(&server, "theirs", &[Role::Auditor, Role::Compliance], Some("hr")).await;
    for path in ["/api/v1/logs/control", "/api/v1/logs/control/records", "/api/v1/logs/control/stream"] {
        let request = server.anonymous(Method::GET, path).bearer_auth(theirs.token.expose());
        http::problem(request.send().await.unwrap(), 404, "not-found").await;
    }
    http::problem(
        server.anonymous(Method::GET, "/logs/control/checkpoint").send().await.unwrap(),
        404,
        "not-found",
    )
    .await;
    let tile = server.get("/logs/control/tile/entries/000.p/1").send().await.unwrap();
    assert_eq!(
        (tile.status().as_u16(), &tile.headers()["cache-control"]),
        (200, &"private, no-store".parse().unwrap())
    );
    let receipt = control(&server).receipt(1, cairnlog_client::limits::RECEIPT_WAIT_DEFAULT).await.unwrap();
    let keys = [info.verifier_key.parse().unwrap()];
    cairnlog_verify::receipt::Receipt::parse(&receipt).unwrap().verify(None, &keys).unwrap();

    let class =
        json!({"trigger": "received", "minimum_days": 365, "maximum_days": 730, "basis": "house rule"});
    let path = "/api/v1/logs/control/retention/classes/default";
    assert_eq!(server.request(Method::PUT, path).json(&class).send().await.unwrap().status(), 200);
    log.record(first + 1).await.unwrap_err();
    control(&server).record(0).await.unwrap();
    let kept = said_of(&server, "records.read").await.pop().unwrap().retention.unwrap();
    assert_eq!(kept.basis, "house rule");

    let before = control(&server).tree_head().await.unwrap();
    server.kill();
    server.restart();
    let proof = control(&server).consistency(before.tree_size, None).await.unwrap();
    assert_eq!(proof.from, before.tree_size);
}

#[tokio::test]
async fn the_control_log_takes_nothing_of_others_and_is_not_frozen() {
    let (server, _log, _) = portal(1).await;
    let pipeline = pipelines::plain_json(&server.client(), "web-access").await;
    for (method, path, body) in [
        (Method::POST, "/api/v1/logs/control/freeze", json!(null)),
        (Method::PUT, "/api/v1/logs/control/sources/portal", pipeline),
        (Method::POST, "/api/v1/logs/control/sources/portal/events", json!({})),
        (Method::POST, "/api/v1/logs", json!({"name": "control"})),
    ] {
        let response = server.request(method, path).json(&body).send().await.unwrap();
        let problem = http::problem(response, 409, "conflict").await;
        assert!(problem["detail"].as_str().unwrap().contains("log"), "{path}: {problem}");
    }
    let add = server.request(Method::POST, "/logs/control/add").body("x").send().await.unwrap();
    http::problem(add, 400, "bad-request").await;
    assert!(!control(&server).info().await.unwrap().frozen);
}
