//! Every class of commit failure at every commit: what the log does, what callers hear, and that what
//! is in the store afterwards is one history.
#![allow(clippy::unwrap_used)]

mod common;
mod gate;

use std::{collections::BTreeMap, sync::Arc};

use cairnlog_store::{
    Batch, CommitError, Engine, Family,
    faulty::{CommitFault, FaultyEngine, ReadFault},
    layout,
    memory::MemoryEngine,
};
use cairnlog_tlog::{AppendError, Log, LogParams, OpenError, SharedWriter, StopReason};
use cairnlog_verify::proof;
use common::{LOG, Plain, assert_is, enqueue, numbers, open, params, verified_head};
use gate::Gate;

const FAULTS: [CommitFault; 7] = [
    CommitFault::Fenced,
    CommitFault::TooLarge,
    CommitFault::Unavailable,
    CommitFault::Corrupt,
    CommitFault::UnknownApplied,
    CommitFault::UnknownNotApplied,
    CommitFault::UnknownUntilClaim,
];

fn faulty() -> (Arc<FaultyEngine>, Arc<dyn Engine>) {
    let faulty = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::new())));
    let engine: Arc<dyn Engine> = faulty.clone();
    (faulty, engine)
}

/// What a run has seen of a log, checked as it goes.
#[derive(Default)]
struct Seen {
    /// The entries in order, as far as they were acknowledged or found in the tree.
    entries: Vec<Vec<u8>>,
    /// Every head that was published, by size.
    heads: BTreeMap<u64, String>,
}

impl Seen {
    fn head(&mut self, log: &Log) {
        let head = log.head();
        let before = self.heads.insert(head.checkpoint.size, head.note.clone());
        assert!(before.is_none_or(|before| before == head.note), "two heads of one size");
    }

    /// I1, I2, I3: the entries and rows are those acknowledged, and every head seen is consistent with
    /// the one published now.
    async fn check(&mut self, log: &Log, engine: &Arc<dyn Engine>) {
        self.head(log);
        assert_is(log, engine, &self.entries).await;
        let now = verified_head(log);
        for note in self.heads.values() {
            let then = cairnlog_verify::checkpoint::Checkpoint::open(note, &common::keys()).unwrap();
            let hashes = log.consistency(then.size, now.size).await.unwrap();
            proof::verify_consistency(then.size, now.size, &hashes, &then.root, &now.root).unwrap();
        }
    }
}

/// Appends until the log stops or `rounds` are over; then the log is opened anew, checked and used on.
async fn run(fault: CommitFault, nth: u64, rounds: u64) {
    let (faulty, engine) = faulty();
    let mut seen = Seen { entries: numbers(0..1), ..Seen::default() };
    let mut log = common::create(&engine, Plain::numbers(0..1)).await;
    faulty.plan_commit(nth, fault);
    let mut next = 1_u64;
    for round in 0..rounds {
        seen.head(&log);
        // Sizes that fill tiles in some rounds and not in others.
        let part = numbers(next..next + 1 + round * 97 % 260);
        next += part.len() as u64;
        match log.append(Box::new(Plain::new(part.clone()))).await {
            Ok(appended) => {
                assert_eq!(appended.first_index, seen.entries.len() as u64, "{fault:?} {nth}");
                seen.entries.extend(part);
            }
            Err(error) => {
                assert_eq!(error, expected(fault).unwrap_err(), "{fault:?}");
                let stopped = matches!(error, AppendError::Stopped(_) | AppendError::Unknown(_));
                assert_eq!(log.stopped().is_some(), stopped);
                if stopped {
                    log = open(&engine).await;
                }
                seen.check(&log, &engine).await;
            }
        }
    }
    seen.check(&log, &engine).await;
    log.shutdown().await;
    let log = open(&engine).await;
    seen.check(&log, &engine).await;
    assert!(faulty.commits() > nth);
}

/// What the caller of the failing commit hears.
fn expected(fault: CommitFault) -> Result<(), AppendError> {
    let injected = CommitError::Unknown("injected".into()).to_string();
    match fault {
        CommitFault::Fenced => Err(AppendError::Stopped(StopReason::Fenced)),
        CommitFault::TooLarge => Err(AppendError::TooLarge),
        CommitFault::Unavailable => {
            let error = CommitError::Unavailable("injected".into());
            Err(AppendError::Unavailable(error.to_string()))
        }
        CommitFault::Corrupt => Err(AppendError::Unknown(StopReason::Corrupt)),
        CommitFault::UnknownNotApplied => Err(AppendError::Unavailable(injected)),
        CommitFault::UnknownApplied | CommitFault::UnknownUntilClaim => Ok(()),
    }
}

#[tokio::test]
async fn no_failure_of_any_class_at_any_commit_forks_or_loses() {
    for fault in FAULTS {
        for nth in 1..=10 {
            run(fault, nth, 12).await;
        }
    }
}

#[tokio::test]
async fn all_callers_of_a_failed_group_hear_of_it_and_the_next_group_goes_on() {
    let (faulty, engine) = faulty();
    let log = common::create(&engine, Plain::numbers(0..1)).await;
    faulty.plan_commit(1, CommitFault::TooLarge);
    let failed = [enqueue(&log, Plain::numbers(1..2)), enqueue(&log, Plain::numbers(2..9))];
    for task in failed {
        // Too large together; each alone may not be.
        assert!(matches!(task.await.unwrap(), Err(AppendError::Unavailable(_))));
    }
    let appended = log.append(Box::new(Plain::numbers(1..4))).await.unwrap();
    assert_eq!((appended.first_index, appended.tree_size), (1, 4));
    assert_is(&log, &engine, &numbers(0..4)).await;
}

#[tokio::test]
async fn a_head_that_can_be_read_only_at_the_second_try_settles_the_commit() {
    for fault in [ReadFault::Unavailable, ReadFault::Corrupt] {
        let (faulty, engine) = faulty();
        let log = common::create(&engine, Plain::numbers(0..1)).await;
        faulty.plan_commit(1, CommitFault::UnknownApplied);
        faulty.plan_read(1, fault);
        log.append(Box::new(Plain::numbers(1..3))).await.unwrap();
        assert_is(&log, &engine, &numbers(0..3)).await;
    }
}

#[tokio::test]
async fn a_head_that_is_neither_the_old_nor_the_new_one_stops_the_log() {
    let (faulty, engine) = faulty();
    let log = common::create(&engine, Plain::numbers(0..1)).await;
    let writer = engine.claim().await.unwrap();
    let mut batch = Batch::new();
    batch.put(Family::Heads, layout::head_key(LOG), *b"another");
    engine.commit(&writer, batch).await.unwrap();
    let log_after = Log::open(Arc::clone(&engine), writer, params()).await;
    assert!(matches!(log_after, Err(OpenError::Head(_))));
    faulty.plan_commit(1, CommitFault::UnknownNotApplied);
    let appended = log.append(Box::new(Plain::numbers(1..2))).await;
    assert_eq!(appended, Err(AppendError::Unknown(StopReason::ForeignHead)));
    let refused = log.append(Box::new(Plain::numbers(1..2))).await;
    assert_eq!(refused, Err(AppendError::Stopped(StopReason::ForeignHead)));
}

#[tokio::test]
async fn who_waits_behind_a_stopping_commit_hears_that_nothing_was_appended() {
    let (faulty, engine) = faulty();
    let log = common::create(&engine, Plain::numbers(0..1)).await;
    faulty.plan_commit(1, CommitFault::Corrupt);
    let full = cairnlog_tlog::GROUP_LEAVES_MAX as u64;
    let first = enqueue(&log, Plain::numbers(1..full));
    let behind = enqueue(&log, Plain::numbers(0..9));
    let corrupt = StopReason::Corrupt;
    assert_eq!(first.await.unwrap(), Err(AppendError::Unknown(corrupt)));
    assert_eq!(behind.await.unwrap(), Err(AppendError::Stopped(corrupt)));
    assert_is(&open(&engine).await, &engine, &numbers(0..1)).await;
}

/// An engine that must be opened anew after a failed write can't be claimed until then, and a head read
/// back from it proves nothing.
#[tokio::test]
async fn a_commit_that_stays_unsettled_stops_the_log() {
    for fault in [CommitFault::UnknownApplied, CommitFault::UnknownUntilClaim] {
        let (faulty, engine) = faulty();
        common::create(&engine, Plain::numbers(0..1)).await.shutdown().await;
        let gate = Arc::new(Gate::new(Arc::clone(&engine)));
        let gated: Arc<dyn Engine> = gate.clone();
        let log = open(&gated).await;
        gate.refuse_claims();
        gate.let_commit(1_000);
        faulty.plan_commit(1, fault);
        let unknown = log.append(Box::new(Plain::numbers(1..300))).await;
        assert_eq!(unknown, Err(AppendError::Unknown(StopReason::Unsettled)));
        let refused = log.append(Box::new(Plain::numbers(1..2))).await;
        assert_eq!(refused, Err(AppendError::Stopped(StopReason::Unsettled)));
        assert_eq!((log.head().checkpoint.size, gate.commits()), (1, 1));
        assert_is(&open(&engine).await, &engine, &numbers(0..300)).await;
    }
}

/// A log that claims anew fences the writer that its siblings had; they go on with the new claim.
#[tokio::test]
async fn siblings_survive_the_claim_that_settles_a_commit() {
    for fault in [CommitFault::UnknownApplied, CommitFault::UnknownUntilClaim] {
        let (faulty, engine) = faulty();
        let shared = SharedWriter::from(engine.claim().await.unwrap());
        let mut logs = Vec::new();
        for id in [1, LOG] {
            let params = LogParams { id, ..params() };
            let first = Box::new(Plain::numbers(0..1));
            let log = Log::create(Arc::clone(&engine), shared.clone(), params, Some(first));
            logs.push(log.await.unwrap());
        }
        let sibling = logs.remove(0);
        faulty.plan_commit(1, fault);
        logs[0].append(Box::new(Plain::numbers(1..2))).await.unwrap();
        sibling.append(Box::new(Plain::numbers(1..2))).await.unwrap();
        logs[0].append(Box::new(Plain::numbers(2..3))).await.unwrap();
        assert_eq!(sibling.head().checkpoint.size, 2);
        assert_eq!(logs[0].head().checkpoint.size, 3);
    }
}

/// A commit that was under way with the old claim is fenced; it fails cleanly and its log goes on.
#[tokio::test]
async fn a_commit_that_a_sibling_has_fenced_fails_cleanly() {
    let (faulty, engine) = faulty();
    let shared = SharedWriter::from(engine.claim().await.unwrap());
    let gate = Arc::new(Gate::new(Arc::clone(&engine)));
    let gated: Arc<dyn Engine> = gate.clone();
    let first = || Box::new(Plain::numbers(0..1));
    let other = LogParams { id: 1, ..params() };
    let log = Log::create(Arc::clone(&engine), shared.clone(), params(), Some(first())).await.unwrap();
    Log::create(engine, shared.clone(), other, Some(first())).await.unwrap().shutdown().await;
    let other = LogParams { id: 1, ..params() };
    let sibling = Log::open(gated, shared, other).await.unwrap();
    let fenced = enqueue(&sibling, Plain::numbers(1..2));
    while gate.commits() == 0 {
        tokio::task::yield_now().await;
    }
    faulty.plan_commit(1, CommitFault::UnknownApplied);
    log.append(Box::new(Plain::numbers(1..2))).await.unwrap();
    gate.let_commit(1_000);
    assert!(matches!(fenced.await.unwrap(), Err(AppendError::Unavailable(_))));
    let appended = sibling.append(Box::new(Plain::numbers(1..3))).await.unwrap();
    assert_eq!((appended.first_index, appended.tree_size), (1, 3));
}

#[tokio::test]
async fn creation_fails_or_succeeds_whole() {
    for fault in FAULTS {
        let (faulty, engine) = faulty();
        faulty.plan_commit(1, fault);
        let writer = engine.claim().await.unwrap();
        let first = Box::new(Plain::numbers(0..3));
        let created = Log::create(Arc::clone(&engine), writer, params(), Some(first)).await;
        let log = match (fault, created) {
            (CommitFault::UnknownApplied | CommitFault::UnknownUntilClaim, created) => created.unwrap(),
            (_, Err(OpenError::Commit(_))) => common::create(&engine, Plain::numbers(0..3)).await,
            (_, other) => panic!("{fault:?}: {other:?}"),
        };
        log.append(Box::new(Plain::numbers(3..4))).await.unwrap();
        assert_is(&log, &engine, &numbers(0..4)).await;
    }
}
