//! How witnesses are asked: those who have failed are left alone for a while, and nobody waits for them.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/fake.rs"]
mod fake;

use std::sync::Arc;

use cairnlog_tlog::{Log, LogParams, Outcome, Patience, Witnesses};
use common::{Plain, params};
use fake::{Fake, Mood, cosigners_of, create, memory, open, published, witnesses};

async fn grow(log: &Log, size: u64) {
    log.append(Box::new(Plain::numbers(log.durable_size()..size))).await.unwrap();
}

fn times(log: &Log, witness: &str, wanted: Outcome) -> u64 {
    let mut all = log.witness_requests();
    all.find(|(name, outcome, _)| *name == witness && *outcome == wanted).unwrap().2
}

/// Twelve pauses, each twice as long as the one before, take longer than any test.
#[tokio::test]
async fn a_dead_witness_is_not_asked_for_each_head() {
    for mood in [Mood::Absent, Mood::Busy, Mood::Panics, Mood::Boasts] {
        let fakes = [Fake::new(1, Mood::Honest), Fake::new(2, mood)];
        let log = create(&memory(), &fakes, 1).await;
        for size in 2..25 {
            grow(&log, size).await;
            published(&log, size).await;
            assert_eq!(cosigners_of(&log, &fakes).await, 1);
        }
        assert!(fakes[0].times() >= 23, "{}", fakes[0].times());
        assert!((1..12).contains(&fakes[1].times()), "{}", fakes[1].times());
        log.shutdown().await;
    }
}

/// It was away, came back, and counts again; what came of asking it is told.
#[tokio::test]
async fn a_witness_that_comes_back_counts_again() {
    let moods =
        [(Mood::Absent, Outcome::Failed), (Mood::Busy, Outcome::Busy), (Mood::Boasts, Outcome::Ahead)];
    let more = [(Mood::Panics, Outcome::Failed), (Mood::WrongKey, Outcome::Invalid)];
    for (mood, outcome) in moods.into_iter().chain(more) {
        let fakes = [Fake::new(1, Mood::Honest), Fake::new(2, mood)];
        let log = create(&memory(), &fakes, 2).await;
        fakes[1].asked(3).await;
        grow(&log, 5).await;
        assert_eq!(log.head().checkpoint.size, 0);
        assert!(times(&log, "w2", outcome) >= 2, "{outcome:?}");
        assert_eq!(times(&log, "w2", Outcome::Cosigned), 0);
        fakes[1].set(Mood::Honest);
        published(&log, 5).await;
        assert_eq!(cosigners_of(&log, &fakes).await, 2);
        assert!(times(&log, "w1", Outcome::Cosigned) >= 1 && times(&log, "w2", Outcome::Cosigned) >= 1);
        log.shutdown().await;
    }
}

/// Nobody is needed, but whoever cosigns at once is published, and nobody waits for the others.
#[tokio::test]
async fn without_a_quorum_heads_carry_the_cosignatures_that_there_are() {
    let moods = [Mood::Honest, Mood::Slow, Mood::Honest, Mood::Absent];
    let fakes: Vec<_> = (1..).zip(moods).map(|(seed, mood)| Fake::new(seed, mood)).collect();
    let log = create(&memory(), &fakes, 0).await;
    for size in [2, 300] {
        grow(&log, size).await;
        published(&log, size).await;
        assert_eq!(cosigners_of(&log, &fakes).await, 2);
    }
    // Not even one is.
    let fakes = [Fake::new(1, Mood::Absent), Fake::new(2, Mood::Slow)];
    let log = create(&memory(), &fakes, 0).await;
    grow(&log, 3).await;
    published(&log, 3).await;
    assert_eq!(cosigners_of(&log, &fakes).await, 0);
}

/// More than the quorum are published, if they are there at about the same time.
#[tokio::test]
async fn cosignatures_beyond_the_quorum_are_published_too() {
    let fakes: Vec<_> = (1..=3).map(|seed| Fake::new(seed, Mood::Honest)).collect();
    let log = create(&memory(), &fakes, 1).await;
    grow(&log, 7).await;
    published(&log, 7).await;
    assert_eq!(cosigners_of(&log, &fakes).await, 3);
}

/// Logs are opened one after another; a witness that has not answered one of them is not waited for by the others.
#[tokio::test]
async fn an_absent_witness_holds_up_one_log_alone() {
    let fakes = [Fake::new(1, Mood::Honest), Fake::new(2, Mood::Slow)];
    let patience = Arc::new(Patience::default());
    for round in 1..=5 {
        let engine = memory();
        common::create(&engine, Plain::numbers(0..3)).await.shutdown().await;
        let all = Witnesses { patience: Arc::clone(&patience), ..witnesses(&fakes, 1) };
        // Each log is another one, but the fake knows of one: it begins anew.
        *fakes[0].lock() = Fake::new(1, Mood::Honest).take();
        let log = open(&engine, LogParams { witnesses: Some(Arc::new(all)), ..params() }).await.unwrap();
        // All of it was published before it had witnesses, so nobody is asked but at the start.
        assert_eq!((fakes[0].times(), fakes[1].times()), (round, 1));
        log.shutdown().await;
    }
}
