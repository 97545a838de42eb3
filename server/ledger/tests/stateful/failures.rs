//! The store fails, in every way that it can, at every commit in turn.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use cairnlog_ledger::{Answer, Class, Log, Status};
use cairnlog_store::faulty::{CommitFault, ReadFault};

use crate::world::{World, keyed, named, open_everything, plain, records, request, wasm};

const FAULTS: [CommitFault; 7] = [
    CommitFault::Fenced,
    CommitFault::TooLarge,
    CommitFault::Unavailable,
    CommitFault::Corrupt,
    CommitFault::UnknownApplied,
    CommitFault::UnknownNotApplied,
    CommitFault::UnknownUntilClaim,
];

/// Commits of [`Told::by`], and one more than there are.
const COMMITS: u64 = 9;

/// The events of the script's requests.
const PLAIN: Range<u32> = 0..5;
const KEYED: Range<u32> = 5..300;
const MIXED: Range<u32> = 300..310;

/// What a caller was told.
#[derive(Default)]
struct Told {
    created: bool,
    bound: bool,
    class: bool,
    plain: Option<Answer>,
    keyed: Option<Answer>,
    repeated: Option<Answer>,
    mixed: Option<Answer>,
}

fn class() -> Class {
    Class { maximum_days: Some(777), ..Class::default_of_log() }
}

impl Told {
    /// Everything that commits, one after the other, whatever comes of it.
    async fn by(world: &World, name: &str) -> Self {
        let mut told = Self::default();
        let Ok(log) = world.ledger().create_log(named(name), "op").await else { return told };
        told.created = true;
        told.bound = log.put_source("aws", plain("aws-cloudtrail"), "op").await.is_ok();
        told.plain = log.ingest(request(&records(PLAIN))).await.ok();
        told.keyed = log.ingest(keyed("k", &records(KEYED))).await.ok();
        told.class = log.put_class("default", class(), "compliance").await.is_ok();
        told.repeated = log.ingest(keyed("d", &records(PLAIN))).await.ok();
        let mut mixed = records(MIXED);
        mixed.push("broken".to_owned());
        told.mixed = log.ingest(request(&mixed)).await.ok();
        told
    }

    /// Whether the reopened log holds all that was acknowledged, and nothing by halves.
    async fn check(&self, log: &Log, case: &str) {
        assert!(self.class <= (log.class("default") == Some(class())), "{case}");
        assert!(self.bound <= log.source("aws").is_some(), "{case}");
        let found = open_everything(log).await;
        let ids: BTreeSet<&str> = found.iter().map(|(_, id)| id.as_str()).collect();
        assert_eq!(ids.len(), found.len(), "{case}: an event was logged twice");
        for (answer, sent) in [(&self.plain, PLAIN), (&self.keyed, KEYED), (&self.mixed, MIXED)] {
            let there = sent.clone().filter(|id| ids.contains(format!("id-{id}").as_str())).count();
            assert!(there == 0 || there == sent.len(), "{case}: half of {sent:?}");
            assert!(answer.is_none() || there > 0, "{case}: acknowledged and not there");
        }
        for answer in [&self.plain, &self.keyed, &self.repeated, &self.mixed].into_iter().flatten() {
            self.check_rows(log, answer, case).await;
        }
    }

    async fn check_rows(&self, log: &Log, answer: &Answer, case: &str) {
        for row in &answer.results {
            let record = log.record(row.index.unwrap()).await.unwrap();
            assert!(row.leaf_hash.is_none_or(|hash| hash == record.leaf_hash), "{case}");
            let is_quarantined = row.status == Status::Quarantined;
            assert_eq!(record.kind, if is_quarantined { "quarantine" } else { "record" }, "{case}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_commit_may_fail_in_every_way() {
    for fault in FAULTS {
        let mut world = World::empty().await;
        for name in ["aws-cloudtrail", "retention-schedule"] {
            world.upload(name).await;
        }
        for nth in 1..=COMMITS {
            let (name, case) = (format!("log-{nth}"), format!("{fault:?} at commit {nth}"));
            world.faulty.plan_commit(nth, fault);
            let told = Told::by(&world, &name).await;
            if nth == COMMITS {
                assert!(told.mixed.is_some(), "{case}: there are more commits than were counted");
            }
            // The last plan was not due.
            world.faulty.plan_commit(u64::MAX, fault);
            world.reopen().await;
            assert!(told.created <= world.ledger().log(&name).is_some(), "{case}");
            if world.ledger().log(&name).is_none() {
                world.ledger().create_log(named(&name), "op").await.unwrap();
            }
            let log = world.ledger().log(&name).unwrap();
            told.check(&log, &case).await;
            go_on(&log, &told, &case).await;
        }
    }
}

/// The log takes what failed again, once, and what did not is known.
async fn go_on(log: &Arc<Log>, told: &Told, case: &str) {
    log.put_source("aws", plain("aws-cloudtrail"), "op").await.unwrap();
    let again = log.ingest(keyed("k", &records(KEYED))).await.unwrap();
    assert_eq!(again.accepted, 295, "{case}");
    assert!(told.keyed.as_ref().is_none_or(|first| *first == again), "{case}");
    let all = log.ingest(request(&records(0..310))).await.unwrap();
    let found = open_everything(log).await;
    assert_eq!(found.len(), 310, "{case}");
    for (row, id) in all.results.iter().zip(0..) {
        assert!(found.contains(&(row.index.unwrap(), format!("id-{id}"))), "{case}");
    }
}

#[tokio::test]
async fn an_upload_that_fails_can_be_made_again() {
    for fault in FAULTS {
        let mut world = World::empty().await;
        world.faulty.plan_commit(1, fault);
        assert!(world.ledger().upload_plugin(wasm("retention-schedule"), "op").await.is_err(), "{fault:?}");
        assert!(world.ledger().plugins().is_empty(), "{fault:?}");
        world.reopen().await;
        let is_there = world.ledger().plugins().len() == 1;
        let (_, new) = world.ledger().upload_plugin(wasm("retention-schedule"), "op").await.unwrap();
        assert_eq!(new, !is_there, "{fault:?}");
    }
}

#[tokio::test]
async fn a_read_that_fails_fails_its_request_and_no_more() {
    let world = World::new().await;
    let first = world.send(&records(0..5)).await.unwrap();
    for fault in [ReadFault::Unavailable, ReadFault::Corrupt] {
        for nth in 1..=3 {
            world.faulty.plan_read(nth, fault);
            world.log().record(first.first_index.unwrap()).await.unwrap_err();
        }
        world.faulty.plan_read(1, fault);
        world.send(&records(0..5)).await.unwrap_err();
        assert_eq!(world.send(&records(0..5)).await.unwrap().duplicates, 5);
    }
}
