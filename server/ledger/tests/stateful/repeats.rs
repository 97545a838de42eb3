//! What is sent again is answered again, and written once.

use std::sync::Arc;

use async_trait::async_trait;
use cairnlog_ledger::{LedgerError, Status};
use cairnlog_store::faulty::FaultyEngine;
use cairnlog_store::memory::MemoryEngine;
use cairnlog_store::{Batch, CommitError, Engine, Family, ReadError, Row, Scan, Snapshot, Writer};
use tokio::sync::Semaphore;

use crate::world::{World, keyed, record, records, request};

#[tokio::test]
async fn an_event_with_an_id_is_logged_once() {
    let mut world = World::new().await;
    let mut sent = records(0..3);
    sent.push(sent[1].clone());
    let first = world.send(&sent).await.unwrap();
    let fates: Vec<Status> = first.results.iter().map(|row| row.status).collect();
    assert_eq!(fates, [Status::Logged, Status::Logged, Status::Logged, Status::Duplicate]);
    assert_eq!(first.results[3].index, first.results[1].index);
    assert_eq!((first.accepted, first.duplicates), (3, 1));

    world.reopen().await;
    let size = world.size();
    let again = world.send(&sent).await.unwrap();
    assert!(!again.is_new());
    assert_eq!((again.duplicates, again.first_index, again.tree_size, world.size()), (4, None, size, size));
    for (row, before) in again.results.iter().zip(&first.results) {
        assert_eq!((row.status, row.index), (Status::Duplicate, before.index));
    }
    // The same id with other bytes is another event.
    let other = record("id-0", "someone-else", "2026-11-23T08:59:58Z");
    assert_eq!(world.send(&[other]).await.unwrap().accepted, 1);
}

#[tokio::test]
async fn equal_lines_without_an_id_are_two_accesses() {
    let world = World::new().await;
    let mut event: serde_json::Value = serde_json::from_str(&records(0..1)[0]).unwrap();
    event.as_object_mut().unwrap().remove("eventID");
    let line = event.to_string();
    assert_eq!(world.send(&[line.clone(), line.clone()]).await.unwrap().accepted, 2);
    assert_eq!(world.send(&[line]).await.unwrap().accepted, 1);
}

#[tokio::test]
async fn another_source_has_events_of_its_own() {
    let world = World::new().await;
    world.log().put_source("aws-2", crate::world::plain("aws-cloudtrail"), "op").await.unwrap();
    world.send(&records(0..1)).await.unwrap();
    let mut other = request(&records(0..1));
    other.source = "aws-2".to_owned();
    assert_eq!(world.log().ingest(other).await.unwrap().accepted, 1);
}

#[tokio::test]
async fn a_key_gives_back_the_very_answer() {
    let mut world = World::new().await;
    world.send(&records(0..2)).await.unwrap();
    // One of each fate.
    let mut sent = records(1..4);
    sent.extend([" ".to_owned(), "broken".to_owned(), sent[2].clone()]);
    let first = world.log().ingest(keyed("k", &sent)).await.unwrap();
    assert_eq!((first.accepted, first.duplicates, first.skipped, first.quarantined), (2, 2, 1, 1));
    // Later requests don't change it.
    world.send(&records(10..20)).await.unwrap();
    assert_eq!(world.log().ingest(keyed("k", &sent)).await.unwrap(), first);
    world.reopen().await;
    let size = world.size();
    assert_eq!(world.log().ingest(keyed("k", &sent)).await.unwrap(), first);
    assert_eq!(world.size(), size);

    let other = world.log().ingest(keyed("k", &records(30..31))).await;
    assert!(matches!(other, Err(LedgerError::Conflict(_))));
    let mut of_another_token = keyed("k", &records(30..31));
    of_another_token.token = "ffffffffffffffff".to_owned();
    assert_eq!(world.log().ingest(of_another_token).await.unwrap().accepted, 1);
}

#[tokio::test]
async fn a_key_remembers_an_answer_without_entries() {
    let world = World::new().await;
    world.send(&records(0..2)).await.unwrap();
    let first = world.log().ingest(keyed("k", &records(0..2))).await.unwrap();
    assert!(!first.is_new());
    world.send(&records(2..5)).await.unwrap();
    assert_eq!(world.log().ingest(keyed("k", &records(0..2))).await.unwrap(), first);
    assert!(matches!(world.log().ingest(keyed("k", &records(0..1))).await, Err(LedgerError::Conflict(_))));
}

#[tokio::test]
async fn nothing_in_the_rows_tells_key_or_event() {
    let world = World::new().await;
    world.log().ingest(keyed("secret-key-of-ann", &records(0..5))).await.unwrap();
    let rows = world.rows(Family::Seen).await;
    assert_eq!(rows.len(), 6);
    for text in ["secret-key", "id-0", "user-1"] {
        let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!rows.iter().any(|(key, row)| holds(key) || holds(row)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_with_one_key_at_once_write_once() {
    let world = World::new().await;
    let before = world.size();
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let log = world.log();
            tokio::spawn(async move { log.ingest(keyed("k", &records(0..40))).await.unwrap() })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!((answers[0].accepted, world.size()), (40, before + 40));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_requests_at_once_log_each_event_once() {
    let world = World::new().await;
    let before = world.size();
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let log = world.log();
            tokio::spawn(async move { log.ingest(request(&records(number..number + 30))).await.unwrap() })
        })
        .collect();
    let mut accepted = 0;
    for task in tasks {
        accepted += task.await.unwrap().accepted;
    }
    assert_eq!((accepted, world.size()), (49, before + 49));
}

/// An engine whose commits wait for a permit each, once it is shut.
struct Gate {
    inner: Arc<FaultyEngine>,
    permits: Semaphore,
    arrived: Semaphore,
}

#[async_trait]
impl Engine for Gate {
    async fn claim(&self) -> Result<Writer, ReadError> {
        self.inner.claim().await
    }
    async fn commit(&self, writer: &Writer, batch: Batch) -> Result<(), CommitError> {
        self.arrived.add_permits(1);
        self.permits.acquire().await.unwrap().forget();
        self.inner.commit(writer, batch).await
    }
    async fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.inner.get(family, key).await
    }
    async fn multi_get(&self, family: Family, keys: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>, ReadError> {
        self.inner.multi_get(family, keys).await
    }
    async fn scan(&self, scan: Scan) -> Result<Vec<Row>, ReadError> {
        self.inner.scan(scan).await
    }
    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, ReadError> {
        self.inner.snapshot().await
    }
}

/// A caller that hangs up while its rows are on their way must not make room for its own retry.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_waits_for_the_commit_of_a_caller_that_hung_up() {
    let faulty = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::new())));
    let (permits, arrived) = (Semaphore::new(1_000), Semaphore::new(0));
    let gate = Arc::new(Gate { inner: Arc::clone(&faulty), permits, arrived });
    let world = World::over(Arc::clone(&gate) as Arc<dyn Engine>, faulty).await;
    world.furnish().await;
    // The day's window is made by now, so that nothing but the entries is committed below.
    world.send(&records(100..101)).await.unwrap();
    let before = world.size();
    gate.permits.forget_permits(1_000);
    gate.arrived.forget_permits(1_000);

    for (key, ids) in [(Some("k"), 0..10), (None, 10..20)] {
        let send = || match key {
            Some(key) => keyed(key, &records(ids.clone())),
            None => request(&records(ids.clone())),
        };
        let log = world.log();
        tokio::select! {
            _ = log.ingest(send()) => unreachable!("the gate is shut"),
            permit = gate.arrived.acquire() => permit.unwrap().forget(),
        }
        let (log, again) = (world.log(), send());
        let retry = tokio::spawn(async move { log.ingest(again).await });
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert!(!retry.is_finished());
        gate.permits.add_permits(1);
        let answer = retry.await.unwrap().unwrap();
        assert_eq!(answer.results[0].index, Some(before + u64::from(ids.start)));
        assert_eq!(world.size(), before + u64::from(ids.end));
        gate.arrived.forget_permits(1_000);
    }
}
