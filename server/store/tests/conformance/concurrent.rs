//! Writers that run at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use cairnlog_store::{Batch, CommitError, Engine, Family, Scan, Writer};

use crate::subject::{Subject, block_on};

/// Commits one row into each of two families.
async fn commit(engine: Arc<dyn Engine>, writer: Writer, n: u16) -> Result<u16, CommitError> {
    let mut batch = Batch::new();
    batch.put(Family::Entries, n.to_be_bytes(), n.to_le_bytes());
    batch.put(Family::Payloads, n.to_be_bytes(), n.to_le_bytes());
    engine.commit(&writer, batch).await.map(|()| n)
}

async fn rows(engine: &dyn Engine, family: Family) -> BTreeSet<u16> {
    let rows = engine.scan(Scan::prefix(family, Vec::new(), 10_000)).await.unwrap();
    rows.iter().map(|(key, _)| u16::from_be_bytes(key.as_slice().try_into().unwrap())).collect()
}

#[test]
fn commits_at_once_all_land() {
    for subject in Subject::all() {
        block_on(async {
            let engine = subject.engine();
            let writer = engine.claim().await.unwrap();
            let tasks: Vec<_> =
                (0..200).map(|n| tokio::spawn(commit(Arc::clone(&engine), writer.clone(), n))).collect();
            for task in tasks {
                task.await.unwrap().unwrap();
            }
            assert_eq!(rows(engine.as_ref(), Family::Entries).await, (0..200).collect());
        });
    }
}

#[test]
fn once_a_claim_has_returned_nothing_of_the_former_writer_lands() {
    for subject in Subject::all() {
        block_on(async {
            let engine = subject.engine();
            let former = engine.claim().await.unwrap();
            let tasks: Vec<_> =
                (0..400).map(|n| tokio::spawn(commit(Arc::clone(&engine), former.clone(), n))).collect();
            let writer = engine.claim().await.unwrap();
            let at_claim = rows(engine.as_ref(), Family::Entries).await;

            let mut acknowledged = BTreeSet::new();
            for task in tasks {
                match task.await.unwrap() {
                    Ok(n) => assert!(acknowledged.insert(n)),
                    Err(error) => assert!(matches!(error, CommitError::Fenced), "{error}"),
                }
            }
            assert_eq!(rows(engine.as_ref(), Family::Entries).await, at_claim);
            assert_eq!(rows(engine.as_ref(), Family::Payloads).await, at_claim);
            assert_eq!(acknowledged, at_claim);
            commit(Arc::clone(&engine), writer, 1_000).await.unwrap();
        });
    }
}
