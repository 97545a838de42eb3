//! What is signed when: Ed25519 with every head, the kinds that carry a time when somebody asks.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use cairnlog_store::{Engine, Family, layout, memory::MemoryEngine};
use cairnlog_tlog::{Log, LogParams};
use cairnlog_verify::{
    checkpoint::Checkpoint,
    note::{KeyKind, Note, SigningKey},
};
use common::{LOG, NOW, ORIGIN, PRIVATE, Plain, params};

fn ml_dsa() -> SigningKey {
    SigningKey::ml_dsa_44(ORIGIN, [4; 32]).unwrap()
}

fn both() -> LogParams {
    LogParams { signers: vec![PRIVATE.parse::<SigningKey>().unwrap().into(), ml_dsa().into()], ..params() }
}

async fn stored_note(engine: &Arc<dyn Engine>) -> String {
    let row = engine.get(Family::Heads, &layout::head_key(LOG)).await.unwrap().unwrap();
    String::from_utf8(row).unwrap()
}

#[tokio::test]
async fn ml_dsa_signs_what_is_asked_for_and_not_what_is_stored() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let writer = engine.claim().await.unwrap();
    let first = Box::new(Plain::numbers(0..1));
    let log = Log::create(Arc::clone(&engine), writer, both(), Some(first)).await.unwrap();
    log.append(Box::new(Plain::numbers(1..9))).await.unwrap();
    let head = log.head();
    assert_eq!(head.timestamp(), Some(NOW));
    assert_eq!(head.note, stored_note(&engine).await);
    assert_eq!(Note::parse(&head.note).unwrap().signatures.len(), 1);

    let asked: Vec<_> = (0..8)
        .map(|_| {
            let (log, head) = (log.clone(), log.head());
            tokio::spawn(async move { log.checkpoint(&head).await.unwrap() })
        })
        .collect();
    let served = log.checkpoint(&head).await.unwrap();
    for asked in asked {
        assert_eq!(asked.await.unwrap(), served, "one signature a head, whoever asks");
    }
    assert!(served.starts_with(&head.note), "the stored note comes first");
    let keys = [common::keys()[0].clone(), ml_dsa().verifier_key().clone()];
    let note = Note::parse(&served).unwrap();
    assert_eq!(note.verify(&keys).unwrap().len(), 2);
    assert_eq!(note.signatures[1].time(KeyKind::MlDsa44), Some(NOW));
    assert_eq!(Checkpoint::open(&served, &keys[1..]).unwrap(), head.checkpoint);
    assert_eq!(log.receipt(3).await.unwrap().checkpoint, served);

    log.shutdown().await;
    let writer = engine.claim().await.unwrap();
    let later = LogParams { clock: Arc::new(|| NOW + 100), ..both() };
    let log = Log::open(Arc::clone(&engine), writer, later).await.unwrap();
    let note = Note::parse(&log.checkpoint(&log.head()).await.unwrap()).unwrap();
    assert_eq!(note.verify(&keys).unwrap().len(), 2);
    assert_eq!(note.signatures[1].time(KeyKind::MlDsa44), Some(NOW), "the head's time, not today's");
}

/// Two kinds of keys are enough to sign, but a client that knows Ed25519 alone must be able to verify.
#[tokio::test]
async fn a_log_needs_an_ed25519_key_of_its_own() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let other = SigningKey::ed25519("example.com/other", [1; 32]).unwrap();
    let params = LogParams { signers: vec![ml_dsa().into(), other.into()], ..params() };
    let writer = engine.claim().await.unwrap();
    let created = Log::create(engine, writer, params, None).await;
    assert!(matches!(created, Err(cairnlog_tlog::OpenError::NoSigner { .. })));
}

#[tokio::test]
async fn without_such_a_key_the_stored_note_is_served() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let log = common::create(&engine, Plain::numbers(0..1)).await;
    let head = log.head();
    assert_eq!((head.timestamp(), log.checkpoint(&head).await.unwrap()), (None, head.note.clone()));
}
