//! The HTTP contract: who may do what, what is refused and how, what an ingest answers.
#![allow(clippy::unwrap_used)]

mod access;
mod bodies;
mod cursors;
mod disclosures;
mod ingest;
mod plugins;
mod repeats;
mod routes;
mod strict;

use cairnlog_client::{ContentType, Ingest, IngestAnswer, Log};
use cairnlog_tests::{Server, pipelines};

/// A server with the log `hr` and its plain source `portal` of access log lines.
async fn portal() -> (Server, Log) {
    plain("portal", "web-access").await
}

/// A server with the log `hr` and a source that takes nothing away.
async fn plain(source: &str, normalizer: &str) -> (Server, Log) {
    let server = Server::start();
    let log = pipelines::log(&server.client(), "hr").await;
    pipelines::plain(&server.client(), &log, source, normalizer).await;
    (server, log)
}

async fn send(log: &Log, source: &str, content_type: ContentType, body: impl Into<Vec<u8>>) -> IngestAnswer {
    log.ingest(source, Ingest::new(content_type, body.into())).await.unwrap()
}

async fn size(log: &Log) -> u64 {
    log.tree_head().await.unwrap().tree_size
}
