//! Changing the keys of a log: the old ones go on signing until they are dropped.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use cairnlog_store::{Engine, memory::MemoryEngine};
use cairnlog_tlog::{AppendError, Log, LogParams, Signer};
use cairnlog_verify::{
    checkpoint::Checkpoint,
    note::{SigningKey, VerifierKey},
};
use common::{ORIGIN, PRIVATE, Plain, params};

fn old() -> SigningKey {
    PRIVATE.parse().unwrap()
}

fn new() -> SigningKey {
    SigningKey::ed25519(ORIGIN, [8; 32]).unwrap()
}

fn ml_dsa() -> SigningKey {
    SigningKey::ml_dsa_44(ORIGIN, [9; 32]).unwrap()
}

fn signers<const N: usize>(keys: [SigningKey; N]) -> Vec<Signer> {
    keys.map(Signer::from).into()
}

async fn signed_by(log: &Log, key: &SigningKey) -> bool {
    let keys: [VerifierKey; 1] = [key.verifier_key().clone()];
    let note = log.checkpoint(&log.head()).await.unwrap();
    Checkpoint::open(&note, &keys).is_ok_and(|checkpoint| checkpoint == log.head().checkpoint)
}

async fn reopen(engine: &Arc<dyn Engine>, log: Log, signers: Vec<Signer>) -> Log {
    log.shutdown().await;
    let writer = engine.claim().await.unwrap();
    Log::open(Arc::clone(engine), writer, LogParams { signers, ..params() }).await.unwrap()
}

#[tokio::test]
async fn both_keys_sign_until_the_old_one_is_dropped() {
    for with_entry in [true, false] {
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let log = common::create(&engine, Plain::numbers(0..5)).await;
        let said = |index: u64| -> Option<Box<dyn cairnlog_tlog::Submission>> {
            with_entry.then(|| Box::new(Plain::numbers(index..index + 1)) as _)
        };
        let appended = log.rotate(signers([old(), new(), ml_dsa()]), said(5)).await.unwrap();
        assert_eq!((appended.first_index, appended.tree_size), (5, 5 + u64::from(with_entry)));
        assert!(signed_by(&log, &old()).await && signed_by(&log, &new()).await);
        assert!(signed_by(&log, &ml_dsa()).await);
        let log = reopen(&engine, log, signers([old(), new(), ml_dsa()])).await;
        let size = log.head().checkpoint.size;
        log.append(Box::new(Plain::numbers(size..300))).await.unwrap();
        assert!(signed_by(&log, &old()).await && signed_by(&log, &new()).await);

        log.rotate(signers([new()]), said(300)).await.unwrap();
        assert!(!signed_by(&log, &old()).await && signed_by(&log, &new()).await);
        assert!(!signed_by(&log, &ml_dsa()).await);
        let log = reopen(&engine, log, signers([new()])).await;
        let size = log.head().checkpoint.size;
        log.append(Box::new(Plain::numbers(size..301 + u64::from(with_entry)))).await.unwrap();
        assert!(!signed_by(&log, &old()).await && signed_by(&log, &new()).await);
        let entries = common::numbers(0..log.head().checkpoint.size);
        let leaves: Vec<_> = entries.iter().map(|entry| cairnlog_verify::tree::leaf_hash(entry)).collect();
        assert_eq!(log.head().checkpoint.root, common::mth(&leaves), "no key changes the tree");
    }
}

#[tokio::test]
async fn keys_without_an_overlap_are_refused() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let log = common::create(&engine, Plain::numbers(0..5)).await;
    let before = log.head().note.clone();
    let foreign = SigningKey::ed25519("example.com/other", [1; 32]).unwrap();
    for refused in [signers([]), signers([new()]), signers([ml_dsa()]), signers([foreign, new(), ml_dsa()])] {
        let first = Box::new(Plain::numbers(5..6));
        let refused = log.rotate(refused, Some(first)).await.unwrap_err();
        assert!(matches!(refused, AppendError::Invalid(_)), "{refused}");
    }
    assert_eq!(log.head().note, before);
    log.append(Box::new(Plain::numbers(5..6))).await.unwrap();
    assert!(signed_by(&log, &old()).await);
}

/// A key ends at a size: it signs heads up to that one and none beyond it, also when the log is opened anew.
#[tokio::test]
async fn a_key_ends_at_a_size() {
    for reopened in [false, true] {
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let mut log = common::create(&engine, Plain::numbers(0..5)).await;
        let ending = || {
            let ends = Some(7);
            let old = Signer { ends, ..old().into() };
            vec![Signer { begins: 6, ..new().into() }, old, Signer { ends, ..ml_dsa().into() }]
        };
        log.rotate(ending(), Some(Box::new(Plain::numbers(5..6)))).await.unwrap();
        for size in 6..9 {
            if reopened {
                log = reopen(&engine, log, ending()).await;
            }
            assert_eq!(log.head().checkpoint.size, size);
            assert!(signed_by(&log, &new()).await);
            assert_eq!(signed_by(&log, &old()).await, size <= 7, "{size}");
            assert_eq!(signed_by(&log, &ml_dsa()).await, size <= 7, "{size}");
            assert_eq!(log.head().timestamp().is_some(), size <= 7, "{size}");
            log.append(Box::new(Plain::numbers(size..size + 1))).await.unwrap();
        }
    }
}

/// A key that would end before the head of its own change leaves no head that both sign.
#[tokio::test]
async fn keys_that_would_end_too_early_are_refused() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let log = common::create(&engine, Plain::numbers(0..5)).await;
    let ending = |ends| vec![new().into(), Signer { ends: Some(ends), ..old().into() }];
    let change = |ends| log.rotate(ending(ends), Some(Box::new(Plain::numbers(5..6))));
    assert!(matches!(change(5).await.unwrap_err(), AppendError::Invalid(_)));
    let all_end = vec![Signer { ends: Some(9), ..old().into() }];
    assert!(matches!(log.rotate(all_end, None).await.unwrap_err(), AppendError::Invalid(_)));
    assert_eq!(change(6).await.unwrap().tree_size, 6);
    assert!(signed_by(&log, &old()).await && signed_by(&log, &new()).await);
}

/// What was queued before a change is signed by the old keys alone, what comes after by all.
#[tokio::test]
async fn a_change_of_keys_keeps_its_place_in_the_queue() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let log = common::create(&engine, Plain::numbers(0..1)).await;
    let before = common::enqueue(&log, Plain::numbers(1..2));
    let change = log.rotate(signers([old(), new()]), Some(Box::new(Plain::numbers(2..3)))).await.unwrap();
    assert_eq!(before.await.unwrap().unwrap().first_index, 1);
    assert_eq!((change.first_index, change.tree_size), (2, 3));
}
