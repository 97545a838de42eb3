//! The server's own log: who read which records, who changed what no other log says, what was refused.
#![allow(clippy::unwrap_used)]

mod changes;
mod ocsf;
mod reads;
mod reidentify;
mod stream;

use cairnlog_client::{
    ContentType, CreatedToken, Ingest, Log, NewToken, Order, PageRequest, Record, RecordQuery, Role,
};
use cairnlog_tests::{Server, pipelines, web};
use serde_json::Value;

/// A server with the log `hr`, and so many lines of its source `portal`; the first one's index.
async fn portal(lines: u64) -> (Server, Log, u64) {
    let server = Server::start();
    let log = pipelines::log(&server.client(), "hr").await;
    pipelines::plain(&server.client(), &log, "portal", "web-access").await;
    let sent = log.ingest("portal", Ingest::new(ContentType::Text, web::lines(0, lines))).await.unwrap();
    (server, log, sent.first_index.unwrap())
}

async fn token(server: &Server, name: &str, roles: &[Role], log: Option<&str>) -> CreatedToken {
    let new = NewToken {
        name: name.to_owned(),
        roles: roles.to_vec(),
        log: log.map(str::to_owned),
        sources: None,
        expires: None,
    };
    server.client().create_token(&new).await.unwrap()
}

fn control(server: &Server) -> Log {
    server.client().log("control").unwrap()
}

/// What the control log says, oldest first.
async fn said(server: &Server, query: RecordQuery) -> Vec<Record> {
    let page = PageRequest { limit: Some(1_000), cursor: None };
    let query = RecordQuery { order: Some(Order::Asc), page, ..query };
    let mut found = control(server).search(&query).await.unwrap().items;
    // Two within a millisecond stand in the order of their indices all the same.
    found.sort_by_key(|record| record.index);
    found
}

/// What it says of an operation.
async fn said_of(server: &Server, operation: &str) -> Vec<Record> {
    said(server, RecordQuery { action: Some(operation.to_owned()), ..RecordQuery::default() }).await
}

/// What it says of a token.
async fn said_of_token(server: &Server, token: &CreatedToken) -> Vec<Record> {
    said(server, RecordQuery { actor: Some(token.info.id.clone()), ..RecordQuery::default() }).await
}

fn operations(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| record.event["api"]["operation"].as_str().unwrap()).collect()
}

fn resources(record: &Record) -> Vec<&str> {
    let all = record.event["resources"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().map(|resource| resource["name"].as_str().unwrap()).collect()
}

fn at<'a>(record: &'a Record, path: &str) -> &'a Value {
    path.split('.').fold(&record.event, |value, member| &value[member])
}
