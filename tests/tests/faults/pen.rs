//! How a writer writes, by the log's mode, and what it is told: index and leaf hash of each entry.

use std::sync::atomic::{AtomicU64, Ordering};

use cairnlog_client::{ContentType, Ingest, Log, Mode};
use cairnlog_tests::{Server, web};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::verifier::{self, Hash};
use crate::world::SOURCE;

/// One writer's.
pub(crate) struct Pen {
    log: Log,
    /// Where bytes go as they come: one entry, and several in one commit; none for a log of records.
    bytes: Option<[RequestBuilder; 2]>,
}

impl Pen {
    pub(crate) fn new(server: &Server, log: Log, mode: Mode) -> Self {
        let name = log.name();
        let paths = [format!("/logs/{name}/add"), format!("/api/v1/logs/{name}/entries")];
        let requests = paths.map(|path| {
            server.request(Method::POST, &path).header("content-type", "application/octet-stream")
        });
        Self { bytes: (mode == Mode::Opaque).then_some(requests), log }
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Writes so many records or entries; none if that was not acknowledged.
    pub(crate) async fn write(&self, count: u64) -> Option<Vec<(u64, Hash)>> {
        let Some([one, several]) = &self.bytes else { return self.ingest(count).await };
        let entries = entries(count);
        let (request, body) = match entries.as_slice() {
            [entry] => (one, entry.clone()),
            _ => (several, entries.iter().flat_map(|entry| framed(entry)).collect()),
        };
        let request = request.try_clone().expect("a request without a body yet");
        let answer = request.body(body).send().await.ok().filter(|answer| answer.status().is_success())?;
        let answer: Value = serde_json::from_slice(&answer.bytes().await.ok()?).expect("JSON");
        // A single entry is answered with its index alone, which is JSON too.
        let first = answer.get("first_index").unwrap_or(&answer).as_u64().expect("an index");
        Some((first..).zip(entries.iter().map(|entry| verifier::leaf(entry))).collect())
    }

    async fn ingest(&self, lines: u64) -> Option<Vec<(u64, Hash)>> {
        let ingest = Ingest::new(ContentType::Text, web::lines(0, lines));
        let answer = self.log.ingest(SOURCE, ingest).await.ok()?;
        let row = |row: &cairnlog_client::IngestRow| {
            (row.index.expect("an index"), row.leaf_hash.expect("a leaf hash").0)
        };
        Some(answer.results.iter().map(row).collect())
    }
}

/// Entries that no one else writes.
fn entries(count: u64) -> Vec<Vec<u8>> {
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let first = WRITTEN.fetch_add(count, Ordering::Relaxed);
    (first..first + count).map(|number| format!("entry {number}").into_bytes()).collect()
}

fn framed(entry: &[u8]) -> Vec<u8> {
    let length = u16::try_from(entry.len()).expect("a short entry");
    [&length.to_be_bytes()[..], entry].concat()
}
