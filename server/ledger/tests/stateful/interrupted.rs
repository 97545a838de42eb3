//! A hold, an erasure, a sweep and the destruction of pages, each of whose commits fails once in every way: what was
//! answered holds, every entry opens or was erased, and what was begun can be ended.

use std::sync::Arc;
use std::time::Duration;

use cairnlog_ledger::{Class, LedgerError, Log, Order, Search, Target, Trigger};
use cairnlog_store::Family;
use cairnlog_store::faulty::CommitFault;

use super::world::{DAY_MS, MORNING_MS, World, named, plain, record, request};

const TIME: &str = "2026-11-23T08:59:58Z";

/// Commits of one go, and one more, which does not fail.
const COMMITS: u64 = 10;

const FAULTS: [CommitFault; 4] = [
    CommitFault::Unavailable,
    CommitFault::UnknownApplied,
    CommitFault::UnknownNotApplied,
    CommitFault::UnknownUntilClaim,
];

/// A log with records of Ann, Bob and Cem, all due after ten days.
async fn log(world: &World, name: &str) -> Arc<Log> {
    let log = world.ledger().create_log(named(name), "op").await.unwrap();
    let class = Class {
        trigger: Trigger::Received,
        minimum_days: 0,
        maximum_days: Some(10),
        zone: None,
        basis: "a rule".to_owned(),
    };
    log.put_class("default", class, "compliance").await.unwrap();
    log.put_source("aws", plain("aws-cloudtrail"), "op").await.unwrap();
    let records: Vec<String> =
        (0..9).map(|id| record(&format!("{name}-{id}"), ["ann", "bob", "cem"][id % 3], TIME)).collect();
    log.ingest(request(&records)).await.unwrap();
    log
}

/// What a caller was told.
#[derive(Default)]
struct Told {
    held: Option<u64>,
    bob_is_gone: bool,
    swept: bool,
    pages_destroyed: bool,
}

impl Told {
    /// Everything that commits, one after the other, whatever comes of it.
    async fn by(world: &World, log: &Log) -> Self {
        let mut told = Self::default();
        let ann = Search { actor: Some("ann".to_owned()), ..Search::default() };
        let bob = Target::Subject("bob".to_owned());
        let hold = log.hold("m".to_owned(), "r".to_owned(), ann, "counsel").await;
        told.held = hold.ok().map(|hold| hold.id);
        told.bob_is_gone = log.erase_on_request(&bob, "asked", "dpo", None).await.is_ok();
        told.pages_destroyed = log.destroy_pages().await.is_ok();
        world.clock.set(MORNING_MS + 11 * DAY_MS);
        told.swept = log.sweep("schedule", Duration::MAX).await.is_ok();
        told.pages_destroyed &= log.destroy_pages().await.is_ok();
        if let Some(hold) = told.held {
            let _ = log.release_hold(hold, "", "counsel").await;
        }
        told
    }

    async fn check(&self, log: &Log, case: &str) {
        let mut left = [0_usize; 3];
        for index in 0..log.tree().head().checkpoint.size {
            match log.record(index).await {
                Ok(record) => match record.event["actor"]["user"]["name"].as_str() {
                    Some("ann") => left[0] += 1,
                    Some("bob") => left[1] += 1,
                    Some("cem") => left[2] += 1,
                    _ => {}
                },
                Err(LedgerError::Erased(_)) => {}
                Err(error) => panic!("{case}: entry {index}: {error}"),
            }
        }
        assert_eq!(log.check_records(0).await.unwrap().next, None, "{case}");
        let [ann, bob, cem] = left;
        assert!(!self.bob_is_gone || bob == 0, "{case}: {bob} of Bob's are there");
        assert!(!self.swept || cem == 0, "{case}: {cem} of Cem's are there");
        assert!(self.held.is_none() || ann == 3, "{case}: a hold did not hold");
        let all = Search { order: Order::Ascending, ..Search::default() };
        let found = log.search(&all, None, 100).await.unwrap();
        assert_eq!(found.records.len(), ann + bob + cem, "{case}: the index knows others");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_commit_of_an_erasure_may_fail_in_every_way() {
    for fault in FAULTS {
        let mut world = World::empty().await;
        for name in ["aws-cloudtrail", "retention-schedule"] {
            world.upload(name).await;
        }
        world.ledger().open_control().await.unwrap();
        for nth in 1..=COMMITS {
            let (name, case) = (format!("log-{nth}"), format!("{fault:?} at commit {nth}"));
            world.clock.set(MORNING_MS);
            let log = log(&world, &name).await;
            world.faulty.plan_commit(nth, fault);
            let told = Told::by(&world, &log).await;
            if nth == COMMITS {
                let all = told.held.is_some() && told.bob_is_gone && told.swept && told.pages_destroyed;
                assert!(all, "{case}: there are more commits than were counted");
            }
            world.faulty.plan_commit(u64::MAX, fault);
            drop(log);
            world.reopen().await;
            let log = world.ledger().log(&name).unwrap();
            told.check(&log, &case).await;
            // What was begun can be ended.
            for hold in log.holds() {
                log.release_hold(hold.id, "", "counsel").await.unwrap();
            }
            log.sweep("schedule", Duration::MAX).await.unwrap();
            log.destroy_pages().await.unwrap();
            assert_eq!(log.search(&Search::default(), None, 100).await.unwrap().records.len(), 0, "{case}");
            assert_eq!(log.check_records(0).await.unwrap().next, None, "{case}");
            let to_destroy = world.rows(Family::Erasures).await.into_iter().filter(|(key, _)| key[4] == 1);
            assert_eq!(to_destroy.count(), 0, "{case}: pages are left");
        }
    }
}
