//! Opening: a log goes on from its signed head, or says what does not match.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use cairnlog_store::{Batch, Engine, Family, layout, memory::MemoryEngine};
use cairnlog_tlog::{AppendError, Log, LogParams, OpenError, ReadError, Submission};
use cairnlog_verify::{note::SigningKey, tile::Tile, tree};
use common::{
    LOG, ORIGIN, PRIVATE, Plain, assert_is, create, numbers, open, params, try_open, verified_head,
};

async fn stored(size: u64) -> Arc<dyn Engine> {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let log = create(&engine, Plain::numbers(0..1)).await;
    for start in (1..size).step_by(10_000) {
        let part = Plain::numbers(start..size.min(start + 10_000));
        log.append(Box::new(part)).await.unwrap();
    }
    log.shutdown().await;
    engine
}

async fn change(engine: &Arc<dyn Engine>, change: impl FnOnce(&mut Batch)) {
    let writer = engine.claim().await.unwrap();
    let mut batch = Batch::new();
    change(&mut batch);
    engine.commit(&writer, batch).await.unwrap();
}

#[tokio::test]
async fn a_log_goes_on_from_any_size() {
    let entries = numbers(0..66_700);
    for size in [1, 2, 3, 127, 255, 256, 257, 511, 512, 513, 65_279, 65_535, 65_536, 65_537, 66_300] {
        let engine = stored(size).await;
        let log = open(&engine).await;
        log.append(Box::new(Plain::numbers(size..size + 1))).await.unwrap();
        log.append(Box::new(Plain::numbers(size + 1..size + 300))).await.unwrap();
        log.shutdown().await;
        let log = open(&engine).await;
        assert_is(&log, &engine, &entries[..usize::try_from(size).unwrap() + 300]).await;
    }
}

/// An empty log has a signed head, and grows like any other, across a restart or not.
#[tokio::test]
async fn a_log_may_start_empty() {
    for rows in [None, Some(Plain::new(Vec::new()))] {
        for reopened in [false, true] {
            let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
            let writer = engine.claim().await.unwrap();
            let first = rows.clone().map(|rows| Box::new(rows) as Box<dyn Submission>);
            let mut log = Log::create(Arc::clone(&engine), writer, params(), first).await.unwrap();
            if reopened {
                log.shutdown().await;
                log = open(&engine).await;
            }
            assert_is(&log, &engine, &[]).await;
            assert_eq!(log.root(0).await.unwrap(), verified_head(&log).root);
            assert_eq!(log.consistency(0, 0).await.unwrap(), []);
            assert!(log.inclusion(0, 0).await.is_err());
            assert!(log.receipt(0).await.is_err());
            let nothing = Tile { level: 0, index: 0, width: 1 };
            assert_eq!(log.tile(nothing).await.unwrap(), None);
            assert_eq!(log.find_leaf(&tree::leaf_hash(b"0")).await.unwrap(), None);
            log.append(Box::new(Plain::numbers(0..300))).await.unwrap();
            log.shutdown().await;
            assert_is(&open(&engine).await, &engine, &numbers(0..300)).await;
        }
    }
}

/// Only what a log is created with may have no entries.
#[tokio::test]
async fn a_submission_without_entries_is_refused() {
    let engine = stored(1).await;
    let appended = open(&engine).await.append(Box::new(Plain::new(Vec::new()))).await;
    assert!(matches!(appended, Err(AppendError::Invalid(_))));
}

#[tokio::test]
async fn opening_writes_nothing_and_keeps_the_head() {
    let engine = stored(300).await;
    let before = engine.get(Family::Heads, &layout::head_key(LOG)).await.unwrap();
    for _ in 0..3 {
        let log = open(&engine).await;
        assert_eq!(Some(log.head().note.as_bytes()), before.as_deref());
    }
    assert_eq!(engine.get(Family::Heads, &layout::head_key(LOG)).await.unwrap(), before);
}

#[tokio::test]
async fn a_log_that_is_not_there_is_not_opened() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    assert!(matches!(try_open(&engine).await, Err(OpenError::NoHead { log: LOG })));
}

#[tokio::test]
async fn a_log_is_created_once() {
    let engine = stored(3).await;
    let writer = engine.claim().await.unwrap();
    let first = Box::new(Plain::numbers(0..1));
    let created = Log::create(Arc::clone(&engine), writer, params(), Some(first)).await;
    assert!(matches!(created, Err(OpenError::Exists { log: LOG })));
    assert_eq!(verified_head(&open(&engine).await).size, 3);
}

/// Two sequencers of one log would sign two trees of one size.
#[tokio::test]
async fn a_log_is_open_once() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let shared = cairnlog_tlog::SharedWriter::from(engine.claim().await.unwrap());
    let first = || Box::new(Plain::numbers(0..1));
    let log = Log::create(Arc::clone(&engine), shared.clone(), params(), Some(first())).await.unwrap();
    let created = Log::create(Arc::clone(&engine), shared.clone(), params(), Some(first())).await;
    assert!(matches!(created, Err(OpenError::Open { log: LOG })));
    let opened = Log::open(Arc::clone(&engine), shared.clone(), params()).await;
    assert!(matches!(opened, Err(OpenError::Open { log: LOG })));

    log.shutdown().await;
    let log = Log::open(Arc::clone(&engine), shared.clone(), params()).await.unwrap();
    log.append(first()).await.unwrap();
    assert_eq!(verified_head(&log).size, 2);
}

#[tokio::test]
async fn a_log_is_not_created_over_what_a_lost_one_left() {
    for (size, gone, left) in [(3, None, "entries"), (300, Some(300), "tiles")] {
        let engine = stored(size).await;
        change(&engine, |batch| {
            batch.delete(Family::Heads, layout::head_key(LOG));
            for index in 0..gone.unwrap_or(0) {
                batch.delete(Family::Entries, layout::entry_key(LOG, index));
            }
        })
        .await;
        let writer = engine.claim().await.unwrap();
        let first = Box::new(Plain::numbers(0..1));
        let created = Log::create(Arc::clone(&engine), writer, params(), Some(first)).await;
        assert!(matches!(created, Err(OpenError::Leftovers { log: LOG, what }) if what == left));
    }
}

#[tokio::test]
async fn logs_with_neighbouring_ids_do_not_touch() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let shared = cairnlog_tlog::SharedWriter::from(engine.claim().await.unwrap());
    let mut logs = Vec::new();
    for id in [6, 7, 8, u32::MAX] {
        let params = LogParams { id, ..params() };
        let first = Box::new(Plain::numbers(0..u64::from(id % 100)));
        let log = Log::create(Arc::clone(&engine), shared.clone(), params, Some(first)).await.unwrap();
        logs.push((id, log));
    }
    for (id, log) in logs {
        log.append(Box::new(Plain::numbers(0..300))).await.unwrap();
        log.shutdown().await;
        let params = LogParams { id, ..params() };
        let log = Log::open(Arc::clone(&engine), shared.clone(), params).await.unwrap();
        assert_eq!(log.head().checkpoint.size, u64::from(id % 100) + 300);
    }
}

#[tokio::test]
async fn a_missing_entry_at_the_edge_is_named() {
    let engine = stored(300).await;
    change(&engine, |batch| batch.delete(Family::Entries, layout::entry_key(LOG, 270))).await;
    let error = try_open(&engine).await.unwrap_err();
    assert!(matches!(error, OpenError::Damaged(ReadError::Entry { index: 270 })));
    assert_eq!(error.to_string(), "entry 270 is missing in the store");
}

#[tokio::test]
async fn a_missing_or_short_tile_is_named() {
    for short in [false, true] {
        let engine = stored(700).await;
        let key = layout::tile_key(LOG, 0, 1);
        change(&engine, |batch| {
            if short {
                batch.put(Family::Tiles, key, vec![0; 8_191]);
            } else {
                batch.delete(Family::Tiles, key);
            }
        })
        .await;
        let error = try_open(&engine).await.unwrap_err();
        assert_eq!(error.to_string(), "`tile/0/001` is missing or damaged in the store");
    }
}

#[tokio::test]
async fn a_changed_entry_or_tile_does_not_hash_to_the_signed_root() {
    for at_edge in [true, false] {
        let engine = stored(700).await;
        change(&engine, |batch| {
            if at_edge {
                batch.put(Family::Entries, layout::entry_key(LOG, 699), *b"changed");
            } else {
                batch.put(Family::Tiles, layout::tile_key(LOG, 0, 0), vec![7; 8_192]);
            }
        })
        .await;
        assert!(matches!(try_open(&engine).await, Err(OpenError::Root { size: 700, .. })));
    }
}

/// A store whose head was put back, or lost its last write, while the entries were not.
#[tokio::test]
async fn a_head_older_than_the_entries_is_refused() {
    let engine = stored(300).await;
    let log = open(&engine).await;
    let old = log.head().note.clone();
    log.append(Box::new(Plain::numbers(300..301))).await.unwrap();
    log.shutdown().await;
    change(&engine, |batch| batch.put(Family::Heads, layout::head_key(LOG), old)).await;
    let error = try_open(&engine).await.unwrap_err();
    assert!(matches!(error, OpenError::BeyondHead { index: 300, size: 300 }));
}

/// A store whose entries were put back while the head was not.
#[tokio::test]
async fn a_head_newer_than_the_entries_is_refused() {
    let engine = stored(300).await;
    change(&engine, |batch| batch.delete(Family::Entries, layout::entry_key(LOG, 299))).await;
    let error = try_open(&engine).await.unwrap_err();
    assert!(matches!(error, OpenError::Damaged(ReadError::Entry { index: 299 })));
}

#[tokio::test]
async fn a_head_that_others_signed_is_refused() {
    let engine = stored(3).await;
    let other = SigningKey::ed25519(ORIGIN, [9; 32]).unwrap();
    let params = LogParams { signers: vec![other.into()], ..params() };
    let writer = engine.claim().await.unwrap();
    let opened = Log::open(Arc::clone(&engine), writer, params).await;
    assert!(matches!(opened, Err(OpenError::Head(_))));
}

#[tokio::test]
async fn a_head_that_was_tampered_with_is_refused() {
    for tampered in [b"\xff".to_vec(), b"no note".to_vec(), Vec::new()] {
        let engine = stored(3).await;
        change(&engine, |batch| batch.put(Family::Heads, layout::head_key(LOG), tampered)).await;
        let error = try_open(&engine).await.unwrap_err();
        assert!(matches!(error, OpenError::Head(_) | OpenError::HeadNotText), "{error}");
    }
}

#[tokio::test]
async fn a_log_needs_a_key_named_like_its_origin() {
    let key: SigningKey = PRIVATE.parse().unwrap();
    let other = "example.com/other".to_owned();
    let params = LogParams { origin: other, signers: vec![key.into()], ..params() };
    let engine = stored(3).await;
    let writer = engine.claim().await.unwrap();
    let opened = Log::open(Arc::clone(&engine), writer, params).await;
    assert!(matches!(opened, Err(OpenError::NoSigner { .. })));
}

/// Both keys are among the signers, but the stored head is the other log's.
#[tokio::test]
async fn a_head_of_another_origin_is_refused() {
    let engine = stored(3).await;
    let fixture: SigningKey = PRIVATE.parse().unwrap();
    let own = SigningKey::ed25519("example.com/own", [9; 32]).unwrap();
    let origin = "example.com/own".to_owned();
    let params = LogParams { origin, signers: vec![own.into(), fixture.into()], ..params() };
    let writer = engine.claim().await.unwrap();
    let opened = Log::open(Arc::clone(&engine), writer, params).await;
    assert!(matches!(opened, Err(OpenError::Origin { found, .. }) if found == ORIGIN));
}

/// Whatever the clock says, also between two runs, the time of a head is never less than that of the one before.
#[tokio::test]
async fn the_time_of_heads_never_decreases() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let now = Arc::new(AtomicU64::new(5_000));
    let at = |now: &Arc<AtomicU64>| {
        let now = Arc::clone(now);
        LogParams { clock: Arc::new(move || now.load(Ordering::Relaxed)), ..params() }
    };
    let writer = engine.claim().await.unwrap();
    let first = Box::new(Plain::numbers(0..1));
    let mut log = Log::create(Arc::clone(&engine), writer, at(&now), Some(first)).await.unwrap();
    let mut times = vec![log.head().time];
    let mut size = 1;
    for clock in [5_001, 4_000, 0, 5_001, 5_002, u64::MAX, 7] {
        for restart in [false, true] {
            now.store(clock, Ordering::Relaxed);
            if restart {
                log.shutdown().await;
                let writer = engine.claim().await.unwrap();
                log = Log::open(Arc::clone(&engine), writer, at(&now)).await.unwrap();
                assert_eq!(Some(&log.head().time), times.last(), "the head's own time is kept");
            }
            log.append(Box::new(Plain::numbers(size..size + 1))).await.unwrap();
            size += 1;
            times.push(log.head().time);
        }
    }
    let most = u64::try_from(i64::MAX).unwrap();
    assert_eq!(times[..10], [5_000, 5_001, 5_001, 5_001, 5_001, 5_001, 5_001, 5_001, 5_001, 5_002]);
    assert_eq!(times[10..], [5_002, most, most, most, most]);
}

/// A store from before heads had times.
#[tokio::test]
async fn a_head_without_a_time_has_time_zero() {
    let engine = stored(3).await;
    change(&engine, |batch| batch.delete(Family::Heads, layout::head_time_key(LOG))).await;
    let log = open(&engine).await;
    assert_eq!(log.head().time, 0);
    log.append(Box::new(Plain::numbers(3..4))).await.unwrap();
    assert_eq!(log.head().time, common::NOW);
    log.shutdown().await;
    for damaged in [vec![0; 7], vec![0xff; 8]] {
        change(&engine, |batch| batch.put(Family::Heads, layout::head_time_key(LOG), damaged)).await;
        assert!(matches!(try_open(&engine).await, Err(OpenError::HeadTime)));
    }
}
