//! Injected failures: the class tells the truth about what landed.

use std::sync::Arc;

use cairnlog_store::faulty::{CommitFault, FaultyEngine, ReadFault};
use cairnlog_store::memory::MemoryEngine;
use cairnlog_store::rocks::RocksEngine;
use cairnlog_store::{Batch, CommitError, Engine, Family, ReadError, Scan};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::model::{Change, Model, batch, changes};
use crate::subject::block_on;

const FAULTS: [CommitFault; 7] = [
    CommitFault::Fenced,
    CommitFault::TooLarge,
    CommitFault::Unavailable,
    CommitFault::Corrupt,
    CommitFault::UnknownApplied,
    CommitFault::UnknownNotApplied,
    CommitFault::UnknownUntilClaim,
];

fn has_class_of(error: &CommitError, fault: CommitFault) -> bool {
    match fault {
        CommitFault::Fenced => matches!(error, CommitError::Fenced),
        CommitFault::TooLarge => matches!(error, CommitError::TooLarge { .. }),
        CommitFault::Unavailable => matches!(error, CommitError::Unavailable(_)),
        CommitFault::Corrupt => matches!(error, CommitError::Corrupt(_)),
        CommitFault::UnknownApplied | CommitFault::UnknownNotApplied | CommitFault::UnknownUntilClaim => {
            matches!(error, CommitError::Unknown(_))
        }
    }
}

/// Commits with a fault here and there; whoever fails claims anew, as whoever writes would.
async fn run(inner: Arc<dyn Engine>, steps: Vec<(Vec<Change>, Option<CommitFault>)>) {
    let engine = FaultyEngine::new(inner);
    let mut model = Model::default();
    let mut writer = engine.claim().await.unwrap();
    for (changes, fault) in steps {
        if let Some(fault) = fault {
            engine.plan_commit(1, fault);
        }
        match (engine.commit(&writer, batch(&changes)).await, fault) {
            (Ok(()), None) => model.apply(&changes),
            (Err(error), Some(fault)) => {
                assert!(has_class_of(&error, fault), "{fault:?}: {error}");
                if fault == CommitFault::UnknownApplied {
                    model.apply(&changes);
                }
                model.assert_equals(&engine).await;
                let next = engine.commit(&writer, Batch::new()).await;
                let ends = matches!(fault, CommitFault::Fenced | CommitFault::UnknownUntilClaim);
                assert_eq!(next.is_err(), ends, "{fault:?}: {next:?}");
                writer = engine.claim().await.unwrap();
                if fault == CommitFault::UnknownUntilClaim {
                    model.apply(&changes);
                }
            }
            (answer, fault) => panic!("{fault:?} was answered with {answer:?}"),
        }
        model.assert_equals(&engine).await;
    }
}

fn steps() -> impl Strategy<Value = Vec<(Vec<Change>, Option<CommitFault>)>> {
    vec((changes(), proptest::option::of(proptest::sample::select(FAULTS.to_vec()))), 1..20)
}

proptest! {
    #[test]
    fn every_class_tells_what_landed(steps in steps()) {
        block_on(run(Arc::new(MemoryEngine::new()), steps));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn every_class_tells_what_landed_in_rocks(steps in steps()) {
        let disk = tempfile::tempdir().unwrap();
        block_on(run(Arc::new(RocksEngine::open(disk.path()).unwrap()), steps));
    }
}

#[test]
fn a_plan_is_due_at_its_turn_and_once() {
    block_on(async {
        let engine = FaultyEngine::new(Arc::new(MemoryEngine::new()));
        let writer = engine.claim().await.unwrap();
        engine.plan_commit(3, CommitFault::Unavailable);
        let mut failed = Vec::new();
        for _ in 0..5 {
            failed.push(engine.commit(&writer, Batch::new()).await.is_err());
        }
        assert_eq!(failed, [false, false, true, false, false]);
        assert_eq!(engine.commits(), 5);
    });
}

#[test]
fn planned_reads_fail_with_their_class() {
    block_on(async {
        let engine = FaultyEngine::new(Arc::new(MemoryEngine::new()));
        engine.plan_read(1, ReadFault::Corrupt);
        assert!(matches!(engine.get(Family::Heads, b"key").await, Err(ReadError::Corrupt(_))));
        engine.plan_read(1, ReadFault::Unavailable);
        let answer = engine.multi_get(Family::Heads, vec![]).await;
        assert!(matches!(answer, Err(ReadError::Unavailable(_))));
        engine.plan_read(2, ReadFault::Corrupt);
        assert!(engine.snapshot().await.is_ok());
        let answer = engine.scan(Scan::prefix(Family::Heads, vec![], 1)).await;
        assert!(matches!(answer, Err(ReadError::Corrupt(_))));
        assert!(engine.snapshot().await.is_ok());
    });
}
