//! Creating logs and changing their keys when the store fails: no attempt takes away the keys that an earlier one may have
//! signed with, and no key signs that the store does not name.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use cairnlog_ledger::{KeyChange, LedgerError, Mode, NewLog};
use cairnlog_store::faulty::{CommitFault, FaultyEngine, ReadFault};
use cairnlog_store::memory::MemoryEngine;
use cairnlog_store::{Engine, Family, layout};
use common::ledger::{open, try_open};

fn named(name: &str) -> NewLog {
    NewLog::named(name)
}

/// The log's first commit has landed when something after it fails.
#[tokio::test]
async fn a_log_that_is_there_keeps_its_keys() {
    let dir = tempfile::tempdir().unwrap();
    let faulty = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::new())));
    let engine: Arc<dyn Engine> = faulty.clone();
    let ledger = open(dir.path(), Arc::clone(&engine)).await;
    // Whether the log is there, twice, and whether rows of a lost one are, twice: the fifth read is of the log made.
    faulty.plan_read(5, ReadFault::Unavailable);
    assert!(ledger.create_log(named("hr"), "op").await.is_err());
    assert!(engine.get(Family::Logs, &layout::log_key(1)).await.unwrap().is_some());

    let again = ledger.create_log(named("hr"), "op").await;
    assert!(matches!(again, Err(LedgerError::ReadOnly(_))), "{:?}", again.err());
    drop(ledger);
    // Beside this directory the store is in memory; without any file in its place it would count as lost.
    std::fs::write(dir.path().join("db/elsewhere"), "").unwrap();
    let ledger = open(dir.path(), engine).await;
    assert_eq!(ledger.log("hr").unwrap().tree().head().checkpoint.size, 1);
    ledger.create_log(named("it"), "op").await.unwrap();
}

/// A store whose last write may or may not have happened takes no log, and no key is set aside.
#[tokio::test]
async fn a_store_that_takes_no_writes_sets_no_keys_aside() {
    let dir = tempfile::tempdir().unwrap();
    let faulty = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::new())));
    let ledger = open(dir.path(), faulty.clone()).await;
    faulty.plan_commit(2, CommitFault::Unavailable);
    assert!(ledger.create_log(named("hr"), "op").await.is_err());
    let signing = std::fs::read(dir.path().join("keys/hr/signing")).unwrap();

    faulty.plan_commit(1, CommitFault::Unavailable);
    assert!(matches!(ledger.create_log(named("hr"), "op").await, Err(LedgerError::ReadOnly(_))));
    assert_eq!(std::fs::read(dir.path().join("keys/hr/signing")).unwrap(), signing);
    ledger.create_log(named("hr"), "op").await.unwrap();
    assert_ne!(std::fs::read(dir.path().join("keys/hr/signing")).unwrap(), signing);
}

/// A copy of the store from before the log: its kept head tells.
#[tokio::test]
async fn a_store_that_has_forgotten_a_log_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), Arc::new(MemoryEngine::new())).await;
    ledger.create_log(named("hr"), "op").await.unwrap();
    ledger.shutdown().await;
    drop(ledger);
    std::fs::write(dir.path().join("db/elsewhere"), "").unwrap();
    let refused = try_open(dir.path(), Arc::new(MemoryEngine::new())).await.err().unwrap().to_string();
    assert!(refused.contains("\"hr\"") && refused.contains("heads"), "{refused}");
}

/// New keys are on disk before the batch that names them; where that does not land, they are nobody's.
#[tokio::test]
async fn keys_that_a_crash_left_before_they_signed_sign_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let faulty = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::new())));
    let ledger = open(dir.path(), faulty.clone()).await;
    let log = ledger.create_log(NewLog { mode: Mode::Opaque, ..named("plain") }, "op").await.unwrap();
    let before = log.info().verifier_keys;
    let signing = || std::fs::read_to_string(dir.path().join("keys/plain/signing")).unwrap();
    let kept = signing();

    faulty.plan_commit(1, CommitFault::Unavailable);
    let refused = ledger.rotate_keys(&log, KeyChange::default(), "op").await.unwrap_err();
    assert!(matches!(refused, LedgerError::ReadOnly(_)), "{refused}");
    assert_eq!(signing().lines().count(), 4, "the new keys are there");
    assert_eq!(log.info().verifier_keys, before);
    log.add(b"x".to_vec()).await.unwrap();
    ledger.shutdown().await;
    drop((log, ledger));

    std::fs::write(dir.path().join("db/elsewhere"), "").unwrap();
    let ledger = open(dir.path(), faulty).await;
    let log = ledger.log("plain").unwrap();
    assert_eq!(log.info().verifier_keys, before);
    assert_eq!(signing(), kept, "and were removed");
    let note = log.tree().checkpoint(&log.tree().head()).await.unwrap();
    assert_eq!(note.lines().filter(|line| line.starts_with('—')).count(), 2, "{note}");
}

/// Of a store of before keys could change: its keys are named before any other is made.
#[tokio::test]
async fn keys_that_no_row_names_are_named_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let faulty = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::new())));
    let engine: Arc<dyn Engine> = faulty.clone();
    let ledger = open(dir.path(), faulty.clone()).await;
    let before = ledger.create_log(named("hr"), "op").await.unwrap().info().verifier_keys;
    ledger.shutdown().await;
    drop(ledger);
    let key = layout::log_key(1);
    let row = engine.get(Family::Logs, &key).await.unwrap().unwrap();
    let mut row: serde_json::Value = serde_json::from_slice(&row).unwrap();
    assert_eq!(row.as_object_mut().unwrap().remove("keys").unwrap().as_array().unwrap().len(), 2);
    let mut batch = cairnlog_store::Batch::new();
    batch.put(Family::Logs, key, serde_json::to_vec(&row).unwrap());
    engine.commit(&engine.claim().await.unwrap(), batch).await.unwrap();

    std::fs::write(dir.path().join("db/elsewhere"), "").unwrap();
    let ledger = open(dir.path(), faulty.clone()).await;
    faulty.plan_commit(1, CommitFault::Unavailable);
    let log = ledger.log("hr").unwrap();
    ledger.rotate_keys(&log, KeyChange::default(), "op").await.unwrap_err();
    ledger.shutdown().await;
    drop((log, ledger));
    let ledger = open(dir.path(), faulty).await;
    assert_eq!(ledger.log("hr").unwrap().info().verifier_keys, before);
}

/// A key that is to end signs until then: who knows it alone would be left without one.
#[tokio::test]
async fn a_key_that_still_signs_must_be_there() {
    let dir = tempfile::tempdir().unwrap();
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let ledger = open(dir.path(), Arc::clone(&engine)).await;
    let log = ledger.create_log(named("hr"), "op").await.unwrap();
    let old = log.info().verifier_key;
    ledger.rotate_keys(&log, KeyChange::default(), "op").await.unwrap();
    ledger.shutdown().await;
    drop((log, ledger));
    std::fs::write(dir.path().join("db/elsewhere"), "").unwrap();
    let file = dir.path().join("keys/hr/signing");
    let kept = std::fs::read_to_string(&file).unwrap();
    let is_old = |note: &&str| {
        let key: cairnlog_verify::note::SigningKey = note.parse().unwrap();
        key.verifier_key().to_string() == old
    };
    let without: Vec<&str> = kept.lines().filter(|note| !is_old(note)).collect();
    std::fs::write(&file, without.join("\n") + "\n").unwrap();
    let refused = try_open(dir.path(), engine).await.err().unwrap().to_string();
    assert!(refused.contains("lacks") && refused.contains(&old), "{refused}");
}
