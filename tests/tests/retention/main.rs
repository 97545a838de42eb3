//! Retention, sweeps, legal holds and erasures, as a compliance officer, an auditor and a stranger meet them.
#![allow(clippy::unwrap_used)]

mod changes;
mod copies;
mod refusals;
mod requests;
#[allow(dead_code, reason = "the commands of other tests need more of it")]
#[path = "../cli/site.rs"]
mod site;
mod story;
mod sweeps;

use cairnlog_client::{
    ClassSettings, ContentType, CreatedToken, Erasing, Erasure, ErasureTarget, Ingest, Log, NewToken, Order,
    PageRequest, RecordQuery, Role, Trigger, limits,
};
use cairnlog_tests::{Server, http, pipelines, web};
use cairnlog_verify::note::VerifierKey;
use cairnlog_verify::receipt::Receipt;
use serde_json::{Value, json};

/// A class whose records nothing protects, due after so many days; never if none.
fn class(maximum_days: Option<u32>) -> ClassSettings {
    ClassSettings {
        trigger: Trigger::Received,
        minimum_days: 0,
        maximum_days,
        zone: None,
        basis: "a rule".to_owned(),
    }
}

/// A server with the log `hr`, and so many lines of its source `portal`, kept by that class; the first one's index.
async fn portal(class: &ClassSettings, lines: u64) -> (Server, Log, u64) {
    let server = Server::start();
    let (log, first) = portal_of(&server, class, lines).await;
    (server, log, first)
}

async fn portal_of(server: &Server, class: &ClassSettings, lines: u64) -> (Log, u64) {
    let log = pipelines::log(&server.client(), "hr").await;
    log.put_class("default", class).await.unwrap();
    pipelines::plain(&server.client(), &log, "portal", "web-access").await;
    let first = send(&log, 0, lines).await;
    (log, first)
}

/// Sends lines; the index of the first.
async fn send(log: &Log, from: u64, lines: u64) -> u64 {
    let sent = log.ingest("portal", Ingest::new(ContentType::Text, web::lines(from, lines))).await.unwrap();
    sent.first_index.unwrap()
}

async fn token(server: &Server, name: &str, role: Role) -> CreatedToken {
    let (name, roles) = (name.to_owned(), vec![role]);
    let new = NewToken { name, roles, log: Some("hr".to_owned()), sources: None, expires: None };
    server.client().create_token(&new).await.unwrap()
}

/// The log `hr` as that token sees it.
fn log_of(server: &Server, token: &CreatedToken) -> Log {
    server.client_of(token.token.expose()).log("hr").unwrap()
}

/// Erases one record.
async fn erase(log: &Log, index: u64) -> Erasure {
    done(log.erase(&ErasureTarget::Index(index), "she asked").await.unwrap())
}

fn done(erasing: Erasing) -> Erasure {
    match erasing {
        Erasing::Done(erasure) => erasure,
        Erasing::Pending(id) => panic!("{id} waits"),
    }
}

/// The answer to a request for an erasure.
async fn ask(server: &Server, body: &Value) -> reqwest::Response {
    server.post("/api/v1/logs/hr/erasures", body).send().await.unwrap()
}

/// What is left of an erased record: the members of its refusal. Its receipt verifies with the log's key and nothing else.
async fn gone(server: &Server, index: u64) -> Value {
    let response = server.get(&format!("/api/v1/logs/hr/records/{index}")).send().await.unwrap();
    let problem = http::problem(response, 410, "erased").await;
    verified(&server.client().log("hr").unwrap(), problem["receipt"].as_str().unwrap(), index).await;
    problem
}

/// Checks a receipt with the log's key.
async fn verified(log: &Log, receipt: &str, index: u64) {
    let key: VerifierKey = log.info().await.unwrap().verifier_key.parse().unwrap();
    let verified = Receipt::parse(receipt).unwrap().verify(None, &[key]).unwrap();
    assert_eq!(verified.index, index);
}

async fn receipt(log: &Log, index: u64) -> String {
    log.receipt(index, limits::RECEIPT_WAIT_DEFAULT).await.unwrap()
}

/// What a query finds.
async fn found(log: &Log, query: RecordQuery) -> Vec<u64> {
    let page = PageRequest { limit: Some(1_000), cursor: None };
    let query = RecordQuery { order: Some(Order::Asc), page, ..query };
    let page = log.search(&query).await.unwrap();
    assert_eq!(page.next_cursor, None, "more than a page");
    let mut found: Vec<u64> = page.items.iter().map(|record| record.index).collect();
    found.sort_unstable();
    found
}

async fn found_by_actor(log: &Log, actor: &str) -> Vec<u64> {
    found(log, RecordQuery { actor: Some(actor.to_owned()), ..RecordQuery::default() }).await
}

/// The answer to a request for a sweep.
async fn sweep(server: &Server, body: &Value) -> Value {
    let response = server.post("/api/v1/logs/hr/retention/sweeps", body).send().await.unwrap();
    http::json(response, 200).await
}

/// What a sweep comes to, all classes together.
fn counts(due: u64, erased: u64, held: u64) -> Value {
    json!([due, erased, held])
}

fn counted(swept: &Value) -> Value {
    json!([swept["due"], swept["erased"], swept["held"]])
}
