//! Signed and published heads: what witnesses have not cosigned is not seen, and writers don't wait for them.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/fake.rs"]
mod fake;

use std::sync::Arc;

use cairnlog_store::{Batch, Family, layout};
use cairnlog_tlog::{
    HeadError, Log, LogParams, OpenError, Witnesses,
    check::{Check, stored_heads},
};
use cairnlog_verify::{
    note::{SigningKey, VerifierKey},
    tree,
};
use common::{LOG, NOW, Plain, params};
use fake::{
    Fake, Mood, cosigners_of, create, memory, open, params_with, published, stored_published, witnesses,
};

#[tokio::test]
async fn a_head_is_published_with_its_cosignatures_once_the_quorum_has_cosigned() {
    let fakes = [Fake::new(1, Mood::Honest), Fake::new(2, Mood::Honest), Fake::new(3, Mood::Absent)];
    let engine = memory();
    let log = create(&engine, &fakes, 2).await;
    published(&log, 1).await;
    for size in [2, 255, 256, 257, 700] {
        let before = log.durable_size();
        log.append(Box::new(Plain::numbers(before..size))).await.unwrap();
        published(&log, size).await;
        assert_eq!(cosigners_of(&log, &fakes).await, 2);
        assert_eq!(stored_published(&engine).await, log.checkpoint(&log.head()).await.unwrap());
        assert_eq!(log.receipt(size - 1).await.unwrap().checkpoint, stored_published(&engine).await);
    }
}

/// I11: nothing beyond the published head is served, and writers don't wait.
#[tokio::test]
async fn nothing_beyond_the_published_head_is_served() {
    for mood in [
        Mood::Absent,
        Mood::Slow,
        Mood::WrongKey,
        Mood::WrongText,
        Mood::Refuses,
        Mood::Busy,
        Mood::Panics,
        Mood::Boasts,
    ] {
        let fakes = [Fake::new(1, Mood::Honest), Fake::new(2, mood)];
        let engine = memory();
        let log = create(&engine, &fakes, 2).await;
        assert_eq!(log.checkpoint(&log.head()).await, Err(HeadError::Unpublished));
        log.append(Box::new(Plain::numbers(1..300))).await.unwrap();
        fakes[1].asked(if mood == Mood::Slow { 1 } else { 3 }).await;
        assert_eq!((log.head().checkpoint.size, log.durable_size()), (0, 300));
        assert_eq!(log.entry(0).await.unwrap(), None);
        assert!(log.entries(0..10).await.unwrap().is_empty());
        for index in [0, 3, 255, 256, 299_u64] {
            let leaf = tree::leaf_hash(index.to_string().as_bytes());
            assert_eq!(log.find_leaf(&leaf).await.unwrap(), None);
            // Who is about to append must know of it.
            assert_eq!(log.find_durable_leaf(&leaf).await.unwrap(), Some(index));
        }
        assert_eq!(log.find_durable_leaf(&tree::leaf_hash(b"300")).await.unwrap(), None);
        let tile = cairnlog_verify::tile::Tile { level: 0, index: 0, width: 1 };
        assert_eq!(log.tile(tile).await.unwrap(), None);
        assert!(log.receipt(0).await.is_err() && log.root(1).await.is_err());

        fakes[1].set(Mood::Honest);
        published(&log, 300).await;
        assert_eq!(cosigners_of(&log, &fakes).await, 2);
        log.shutdown().await;
    }
}

/// The slow one is waited for by nobody.
#[tokio::test]
async fn a_quorum_goes_on_without_the_others() {
    let moods = [Mood::Honest, Mood::Slow, Mood::WrongKey, Mood::Absent];
    let fakes: Vec<_> = (1..).zip(moods).map(|(seed, mood)| Fake::new(seed, mood)).collect();
    let log = create(&memory(), &fakes, 1).await;
    for size in [2, 3, 300] {
        let before = log.durable_size();
        log.append(Box::new(Plain::numbers(before..size))).await.unwrap();
        published(&log, size).await;
        assert_eq!(cosigners_of(&log, &fakes).await, 1);
    }
}

/// A witness that has cosigned another size than is known here says so, and gets the proof from there.
#[tokio::test]
async fn a_witness_that_is_elsewhere_is_met_there() {
    let fake = Fake::new(1, Mood::Honest);
    let engine = memory();
    let log = create(&engine, &[Arc::clone(&fake)], 1).await;
    log.append(Box::new(Plain::numbers(1..40))).await.unwrap();
    published(&log, 40).await;
    let root = log.root(9).await.unwrap();
    for (size, root) in [(9, root), (0, tree::empty_root())] {
        {
            let mut state = fake.lock();
            (state.size, state.root) = (size, root);
        }
        let before = log.durable_size();
        log.append(Box::new(Plain::numbers(before..before + 1))).await.unwrap();
        published(&log, before + 1).await;
        assert_eq!(fake.size(), before + 1);
    }
}

/// I11 across restarts: the published head is the stored one, whatever is durable beyond it and whoever answers.
#[tokio::test]
async fn the_published_head_never_goes_back_across_restarts() {
    let fakes = [Fake::new(1, Mood::Honest)];
    let engine = memory();
    let log = create(&engine, &fakes, 1).await;
    log.append(Box::new(Plain::numbers(1..10))).await.unwrap();
    published(&log, 10).await;
    let served = log.checkpoint(&log.head()).await.unwrap();
    fakes[0].set(Mood::Absent);
    log.append(Box::new(Plain::numbers(10..600))).await.unwrap();
    log.shutdown().await;

    let log = open(&engine, params_with(&fakes, 1)).await.unwrap();
    assert_eq!((log.head().checkpoint.size, log.durable_size()), (10, 600));
    assert_eq!(log.checkpoint(&log.head()).await.unwrap(), served);
    assert_eq!(log.head().time, NOW);
    assert_eq!(log.entry(10).await.unwrap(), None);
    assert!(log.receipt(9).await.is_ok());
    log.shutdown().await;

    // Without witnesses all that is durable is published, and stays so when they are back.
    let log = open(&engine, params()).await.unwrap();
    assert_eq!(log.head().checkpoint.size, 600);
    log.append(Box::new(Plain::numbers(600..601))).await.unwrap();
    log.shutdown().await;
    let log = open(&engine, params_with(&fakes, 1)).await.unwrap();
    assert_eq!(log.head().checkpoint.size, 601);
    log.append(Box::new(Plain::numbers(601..602))).await.unwrap();
    log.shutdown().await;
    let log = open(&engine, params_with(&fakes, 1)).await.unwrap();
    assert_eq!(
        (log.head().checkpoint.size, log.durable_size()),
        (601, 602),
        "stored before anything was appended"
    );
    fakes[0].set(Mood::Honest);
    published(&log, 602).await;
}

/// An older copy of the store: the witness knows better.
#[tokio::test]
async fn a_witness_that_is_ahead_refuses_the_start() {
    let fakes = [Fake::new(1, Mood::Absent), Fake::new(2, Mood::Honest)];
    let engine = memory();
    create(&engine, &fakes, 1).await.shutdown().await;
    fakes[1].lock().size = 7;
    let refused = open(&engine, params_with(&fakes, 1)).await.unwrap_err();
    assert!(matches!(refused, OpenError::WitnessAhead { cosigned: 7, stored: 1, .. }), "{refused}");
    let words = refused.to_string();
    assert!(words.contains("w2") && words.contains('7') && words.contains('1'), "{words}");
}

/// A published head that the stored tree does not have.
#[tokio::test]
async fn a_published_head_of_another_tree_is_refused() {
    let fakes = [Fake::new(1, Mood::Absent)];
    let engine = memory();
    create(&engine, &fakes, 1).await.shutdown().await;
    let longer = common::create(&memory(), Plain::numbers(0..2)).await.head().note.clone();
    let other = common::create(&memory(), Plain::numbers(5..6)).await.head().note.clone();
    for note in [longer, other] {
        let writer = engine.claim().await.unwrap();
        let mut batch = Batch::new();
        batch.put(Family::Heads, layout::published_head_key(LOG), note.into_bytes());
        engine.commit(&writer, batch).await.unwrap();
        let refused = open(&engine, params_with(&fakes, 1)).await.unwrap_err();
        assert!(matches!(refused, OpenError::Published { stored: 1, .. }), "{refused}");
    }
}

/// The policy has a line for this log, with a key that is not its own.
#[tokio::test]
async fn a_log_that_the_policy_knows_by_another_key_is_refused() {
    let fakes = [Fake::new(1, Mood::Honest)];
    let own = common::keys().remove(0);
    let other = SigningKey::ed25519(common::ORIGIN, [1; 32]).unwrap().verifier_key().clone();
    let named = |log_keys: &[&VerifierKey]| {
        let log_keys = log_keys.iter().copied().cloned().collect();
        let all = Witnesses { log_keys, ..witnesses(&fakes, 1) };
        LogParams { witnesses: Some(Arc::new(all)), ..params() }
    };
    let engine = memory();
    let writer = engine.claim().await.unwrap();
    let refused = Log::create(Arc::clone(&engine), writer, named(&[&other]), None).await.unwrap_err();
    assert!(matches!(refused, OpenError::PolicyKey { .. }), "{refused}");
    create(&engine, &fakes, 1).await.shutdown().await;
    let refused = open(&engine, named(&[&other])).await.unwrap_err().to_string();
    assert!(refused.contains(&other.to_string()) && !refused.contains('\n'), "{refused}");
    // Beside its own, as while keys change, another one does no harm.
    for keys in [vec![&own], vec![&other, &own]] {
        open(&engine, named(&keys)).await.unwrap().shutdown().await;
    }
}

/// What `fsck` does, before the first quorum and after.
#[tokio::test]
async fn a_log_that_nobody_has_cosigned_yet_is_checked_and_good() {
    let fakes = [Fake::new(1, Mood::Absent)];
    let engine = memory();
    let log = create(&engine, &fakes, 1).await;
    for size in [1, 300] {
        if log.durable_size() < size {
            log.append(Box::new(Plain::numbers(log.durable_size()..size))).await.unwrap();
        }
        let heads = stored_heads(engine.as_ref(), LOG, common::ORIGIN, &common::keys()).await.unwrap();
        assert_eq!((heads.newest.size, heads.published), (size, None));
        let mut check = Check::new(Arc::clone(&engine), LOG, &heads.newest, Vec::new());
        while check.step().await.unwrap().is_some() {}
        check.nothing_else().await.unwrap();
        check.finish().unwrap();
        // The rolling audit goes as far as the published head.
        let mut audit = log.check();
        assert!(audit.step().await.unwrap().is_none());
        audit.finish().unwrap();
    }
    fakes[0].set(Mood::Honest);
    published(&log, 300).await;
    let heads = stored_heads(engine.as_ref(), LOG, common::ORIGIN, &common::keys()).await.unwrap();
    assert_eq!(heads.published.unwrap().size, 300);
}
