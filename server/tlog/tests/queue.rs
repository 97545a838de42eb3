//! The queue: order, group commit, bounds, shutdown, and what a panic does.
#![allow(clippy::unwrap_used)]

mod common;
mod gate;

use std::sync::Arc;

use cairnlog_store::{Batch, Engine, memory::MemoryEngine};
use cairnlog_tlog::{
    AppendError, GROUP_LEAVES_MAX, Log, ProofFailure, QUEUE_SUBMISSIONS_MAX, SUBMISSION_LEAVES_MAX,
    StopReason, Submission,
};
use cairnlog_verify::{
    Hash,
    tile::{BundleId, Tile},
    tree,
};
use common::{Plain, assert_is, create, enqueue, numbers, open};
use gate::Gate;

/// A log of one entry whose further commits wait at a gate.
async fn gated() -> (Log, Arc<Gate>, Arc<dyn Engine>) {
    let inner: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    create(&inner, Plain::numbers(0..1)).await.shutdown().await;
    let gate = Arc::new(Gate::new(Arc::clone(&inner)));
    let engine: Arc<dyn Engine> = gate.clone();
    (open(&engine).await, gate, inner)
}

#[tokio::test]
async fn what_waits_is_committed_as_one_group_first_come_first_served() {
    let (log, gate, engine) = gated().await;
    let mut waiting = Vec::new();
    let mut next = 1;
    for count in [1, 5, 2, 300, 1, 1] {
        waiting.push((next, enqueue(&log, Plain::numbers(next..next + count))));
        next += count;
    }
    gate.let_commit(1);
    for (first_index, task) in waiting {
        let appended = task.await.unwrap().unwrap();
        assert_eq!((appended.first_index, appended.tree_size), (first_index, 311));
    }
    assert_eq!(gate.commits(), 1);
    assert_is(&log, &engine, &numbers(0..311)).await;
}

#[tokio::test]
async fn a_submission_is_never_split_over_commits() {
    let (log, gate, _) = gated().await;
    let third = GROUP_LEAVES_MAX as u64 * 2 / 5;
    let ends = [1 + third, 1 + 2 * third, 1 + 3 * third, 2 + 3 * third];
    let mut first = 1;
    let mut waiting = Vec::new();
    for end in ends {
        waiting.push(enqueue(&log, Plain::numbers(first..end)));
        first = end;
    }
    gate.let_commit(2);
    let mut sizes = Vec::new();
    for task in waiting {
        sizes.push(task.await.unwrap().unwrap().tree_size);
    }
    assert_eq!(sizes, [ends[1], ends[1], ends[3], ends[3]]);
    assert_eq!(gate.commits(), 2);
}

#[tokio::test]
async fn a_submission_larger_than_a_group_goes_alone() {
    let (log, gate, engine) = gated().await;
    let end = 2 + SUBMISSION_LEAVES_MAX as u64;
    let waiting = [
        enqueue(&log, Plain::numbers(1..2)),
        enqueue(&log, Plain::numbers(2..end)),
        enqueue(&log, Plain::numbers(end..end + 1)),
    ];
    gate.let_commit(3);
    let mut sizes = Vec::new();
    for task in waiting {
        sizes.push(task.await.unwrap().unwrap().tree_size);
    }
    assert_eq!(sizes, [2, end, end + 1]);
    assert_is(&log, &engine, &numbers(0..end + 1)).await;
}

#[tokio::test]
async fn nothing_is_served_before_its_commit_has_returned() {
    let (log, gate, inner) = gated().await;
    let task = enqueue(&log, Plain::numbers(1..300));
    gate.let_commit_but_not_return();
    gate.committed().await;
    // The engine has it all; the log has published nothing of it.
    assert_eq!(open(&inner).await.head().checkpoint.size, 300);
    assert_eq!(log.head().checkpoint.size, 1);
    assert_eq!(log.entry(1).await.unwrap(), None);
    assert!(log.entries(0..300).await.unwrap().len() == 1);
    assert_eq!(log.tile(Tile { level: 0, index: 0, width: 256 }).await.unwrap(), None);
    assert_eq!(log.bundle(BundleId { index: 0, width: 2 }).await.unwrap(), None);
    assert_eq!(log.find_leaf(&tree::leaf_hash(b"7")).await.unwrap(), None);
    let beyond = log.inclusion(1, 2).await;
    assert!(matches!(beyond, Err(ProofFailure::Beyond { size: 2, published: 1 })));
    assert!(!task.is_finished());
    gate.let_return();
    task.await.unwrap().unwrap();
    assert_eq!(log.find_leaf(&tree::leaf_hash(b"7")).await.unwrap(), Some(7));
}

#[tokio::test]
async fn who_is_answered_finds_the_entry_in_the_published_head() {
    let (log, gate, _) = gated().await;
    let mut heads = log.watch_head();
    heads.mark_unchanged();
    let task = enqueue(&log, Plain::numbers(1..2));
    gate.let_commit(1);
    let appended = task.await.unwrap().unwrap();
    assert!(heads.has_changed().unwrap());
    assert_eq!(heads.borrow().checkpoint.size, appended.tree_size);
    log.receipt(appended.first_index).await.unwrap();
}

#[tokio::test]
async fn a_full_queue_refuses_and_recovers() {
    let (log, gate, engine) = gated().await;
    let waiting: Vec<_> =
        (1..=QUEUE_SUBMISSIONS_MAX as u64).map(|i| enqueue(&log, Plain::numbers(i..i + 1))).collect();
    let refused = log.append(Box::new(Plain::numbers(0..1))).await;
    assert_eq!(refused, Err(AppendError::QueueFull));
    gate.let_commit(1_000);
    for task in waiting {
        task.await.unwrap().unwrap();
    }
    let next = QUEUE_SUBMISSIONS_MAX as u64 + 1;
    log.append(Box::new(Plain::numbers(next..next + 1))).await.unwrap();
    assert_is(&log, &engine, &numbers(0..next + 1)).await;
}

#[tokio::test]
async fn the_bytes_that_wait_are_bounded() {
    let (log, gate, _) = gated().await;
    let large = || Plain::numbers(0..1).with_row_bytes(50 << 20);
    let waiting = [enqueue(&log, large()), enqueue(&log, large())];
    assert_eq!(log.append(Box::new(large())).await, Err(AppendError::QueueFull));
    gate.let_commit(1_000);
    for task in waiting {
        task.await.unwrap().unwrap();
    }
    log.append(Box::new(large())).await.unwrap();
}

#[tokio::test]
async fn submissions_that_can_not_be_committed_are_refused() {
    let (log, gate, engine) = gated().await;
    let refused = [
        (Plain::new(Vec::new()), AppendError::Invalid("it has no entries")),
        (Plain::new(vec![vec![0; 65_536]]), AppendError::TooLarge),
        (Plain::numbers(0..SUBMISSION_LEAVES_MAX as u64 + 1), AppendError::TooLarge),
        (Plain::numbers(0..1).with_row_bytes(64 << 20), AppendError::TooLarge),
        (Plain::numbers(0..1).with_row_bytes(usize::MAX), AppendError::TooLarge),
        (
            Plain::numbers(0..2).with_hashes(vec![tree::leaf_hash(b"0")]),
            AppendError::Invalid("it has not one leaf hash an entry"),
        ),
        (
            Plain::numbers(0..1).with_hashes(vec![Hash([0; 32])]),
            AppendError::Invalid("a leaf hash is not that of its entry"),
        ),
    ];
    for (submission, error) in refused {
        assert_eq!(log.append(Box::new(submission)).await, Err(error));
    }
    assert_eq!(gate.commits(), 0);
    gate.let_commit(1);
    let largest = vec![vec![7; 65_535], Vec::new()];
    log.append(Box::new(Plain::new(largest.clone()))).await.unwrap();
    assert_is(&log, &engine, &[numbers(0..1), largest].concat()).await;
}

#[tokio::test]
async fn shutdown_commits_what_waits_and_then_takes_no_more() {
    let (log, gate, engine) = gated().await;
    let waiting: Vec<_> = (1..50).map(|i| enqueue(&log, Plain::numbers(i..i + 1))).collect();
    gate.let_commit(1_000);
    log.shutdown().await;
    for task in waiting {
        task.await.unwrap().unwrap();
    }
    let refused = log.append(Box::new(Plain::numbers(0..1))).await;
    assert_eq!(refused, Err(AppendError::Stopped(StopReason::Shutdown)));
    assert_eq!(log.stopped(), Some(StopReason::Shutdown));
    log.shutdown().await;
    assert_is(&log, &engine, &numbers(0..50)).await;
    log.receipt(49).await.unwrap();
}

/// A submission whose rows panic.
struct Bomb(Plain);

impl Submission for Bomb {
    fn entries(&self) -> &[Vec<u8>] {
        self.0.entries()
    }

    fn leaf_hashes(&self) -> &[Hash] {
        self.0.leaf_hashes()
    }

    fn rows(self: Box<Self>, _first_index: u64, _batch: &mut Batch) {
        panic!("a panic that this test asked for");
    }

    fn row_bytes(&self) -> usize {
        0
    }
}

#[tokio::test]
async fn a_panic_in_the_rows_stops_the_log_and_loses_nothing() {
    let (log, gate, engine) = gated().await;
    gate.let_commit(1_000);
    log.append(Box::new(Plain::numbers(1..2))).await.unwrap();
    let bombed = log.append(Box::new(Bomb(Plain::numbers(2..3)))).await;
    assert_eq!(bombed, Err(AppendError::Unknown(StopReason::Panicked)));
    assert_eq!(log.stopped(), Some(StopReason::Panicked));
    let refused = log.append(Box::new(Plain::numbers(2..3))).await;
    assert_eq!(refused, Err(AppendError::Stopped(StopReason::Panicked)));
    log.shutdown().await;
    assert_is(&log, &engine, &numbers(0..2)).await;
    let log = open(&engine).await;
    log.append(Box::new(Plain::numbers(2..3))).await.unwrap();
    assert_is(&log, &engine, &numbers(0..3)).await;
}

#[tokio::test]
async fn concurrent_callers_get_indices_of_their_own() {
    let inner: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let log = create(&inner, Plain::numbers(0..1)).await;
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..40_u64 {
        let log = log.clone();
        tasks.spawn(async move {
            let mut got = Vec::new();
            for round in 0..20 {
                let entries: Vec<Vec<u8>> =
                    (0..=caller % 4).map(|i| format!("{caller} {round} {i}").into_bytes()).collect();
                let appended = log.append(Box::new(Plain::new(entries.clone()))).await.unwrap();
                got.push((appended.first_index, entries));
            }
            got
        });
    }
    let mut all: Vec<(u64, Vec<Vec<u8>>)> = tasks.join_all().await.into_iter().flatten().collect();
    all.sort();
    let mut expected = numbers(0..1);
    for (first_index, entries) in all {
        assert_eq!(first_index, expected.len() as u64);
        expected.extend(entries);
    }
    assert_is(&log, &inner, &expected).await;
}

#[tokio::test]
async fn who_waits_for_what_is_before_is_told_when_it_is_durable_and_holds_nobody_up() {
    let (log, gate, _) = gated().await;
    let first = enqueue(&log, Plain::numbers(1..2));
    let waiting = {
        let log = log.clone();
        tokio::spawn(async move { log.caught_up().await })
    };
    tokio::task::yield_now().await;
    let second = enqueue(&log, Plain::numbers(2..3));
    assert!(!waiting.is_finished());
    gate.let_commit(1);
    waiting.await.unwrap().unwrap();
    assert_eq!(first.await.unwrap().unwrap().tree_size, 2);
    assert!(!second.is_finished() && log.head().checkpoint.size == 2, "no commit was let through for it");
    gate.let_commit(1);
    second.await.unwrap().unwrap();
    log.shutdown().await;
    assert_eq!(log.caught_up().await, Err(AppendError::Stopped(StopReason::Shutdown)));
}
