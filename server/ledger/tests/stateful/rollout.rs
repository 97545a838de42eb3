//! Another pipeline is tried beside a source's own, taken over and taken back.

use std::time::Duration;

use cairnlog_ledger::{CanaryCounts, LedgerError, Log, Policy, Put, SourceSpec};
use serde_json::json;

use crate::world::{World, plain, record, records, stage, wasm};

const REMOVED: &str = r#"{"rules": [{"path": "actor.user.name", "action": "drop", "entity": "NAME"}]}"#;

/// The same, whose users' names are dropped.
fn without_names() -> SourceSpec {
    let rules = serde_json::from_str(REMOVED).unwrap();
    SourceSpec { redactors: vec![stage("redact-fields", Some(rules))], ..plain("aws-cloudtrail") }
}

/// The same, whose records are of a class that the log lacks.
fn classless() -> SourceSpec {
    let rules = json!({"rules": [{"class": "not-there"}]});
    let mut spec = plain("aws-cloudtrail");
    spec.retention = stage("retention-schedule", Some(rules));
    spec.retention.on_error = Policy::Reject;
    spec
}

async fn world() -> World {
    let world = World::new().await;
    world.ledger().open_control().await.unwrap();
    world.upload("redact-fields").await;
    world
}

/// The counts, once figures of so many raw records at least are shown.
async fn counts(log: &Log, records: u64) -> CanaryCounts {
    let done = async {
        loop {
            let counts = log.canary("aws").unwrap().1;
            if counts.records >= records {
                return counts;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), done).await.expect("a batch of the canary's")
}

#[tokio::test]
async fn what_is_tried_is_compared_and_never_logged() {
    let world = world().await;
    let log = world.log();
    log.put_canary("aws", without_names(), 100, "op").await.unwrap();
    let size = world.size();
    let mut sent = vec![record("a", "ann", "2026-11-23T08:59:58Z"), "{broken".to_owned()];
    sent.extend(records(0..98));
    let answer = world.send(&sent).await.unwrap();
    assert_eq!((answer.accepted, answer.quarantined, world.size()), (99, 1, size + 100));
    let kept = log.record(answer.first_index.unwrap()).await.unwrap();
    assert_eq!(kept.event["actor"]["user"]["name"], "ann");
    let first = counts(&log, 100).await;
    assert_eq!((first.records, first.same), (100, 1), "what neither understands is the same");
    assert_eq!(first.members.iter().collect::<Vec<_>>(), [(&"actor", &99)]);
    assert!(first.fates.is_empty());
    assert_eq!(first.refused.iter().collect::<Vec<_>>(), [(&"rejected", &1)]);
    // What is in the log already is not compared again, and nothing is told of a record that is alone.
    world.send(&[sent[0].clone(), "{worse".to_owned()]).await.unwrap();
    assert_eq!(log.canary("aws").unwrap().1, CanaryCounts { waiting: 1, ..first });

    // One in place of it starts anew; that it would refuse whole requests concerns nobody.
    log.put_canary("aws", classless(), 100, "op").await.unwrap();
    assert_eq!(world.send(&records(100..200)).await.unwrap().accepted, 100);
    let second = counts(&log, 100).await;
    assert_eq!((second.records, second.same), (100, 0));
    assert_eq!(second.fates.iter().collect::<Vec<_>>(), [(&("logged", "quarantined"), &100)]);
    assert_eq!(second.refused.iter().collect::<Vec<_>>(), [(&"no-retention-class", &100)]);

    log.stop_canary("aws", "op").await.unwrap();
    assert!(matches!(log.stop_canary("aws", "op").await, Err(LedgerError::NotFound(_))));
    assert!(matches!(log.canary("aws"), Err(LedgerError::NotFound(_))));
    for percent in [0, 101] {
        let refused = log.put_canary("aws", without_names(), percent, "op").await;
        assert!(matches!(refused, Err(LedgerError::BadRequest(_))));
    }
    assert!(matches!(log.put_canary("x", without_names(), 1, "op").await, Err(LedgerError::NotFound(_))));
}

#[tokio::test]
async fn a_request_that_is_rejected_costs_the_canary_no_later_batch() {
    let world = world().await;
    let log = world.log();
    let rules = json!({"rules": [{"class": "default", "when": {"actor.user.name": ["ann"]}}]});
    let mut strict = plain("aws-cloudtrail");
    strict.retention = stage("retention-schedule", Some(rules));
    strict.retention.on_error = Policy::Reject;
    log.put_source("aws", strict, "op").await.unwrap();
    log.put_canary("aws", plain("aws-cloudtrail"), 100, "op").await.unwrap();
    let of = |user: &str| [record(user, user, "2026-11-23T08:59:58Z")];
    assert!(matches!(world.send(&of("bob")).await, Err(LedgerError::Rejected { .. })));
    world.send(&of("ann")).await.unwrap();
    // It is handed this one, and nothing of the other.
    assert_eq!(log.canary("aws").unwrap().1.waiting, 1);
    // Nor does a batch whose neighbour refuses their request keep it from any later one.
    let of_ann = |name: &str, number: u64| record(&format!("{name}{number}"), "ann", "2026-11-23T08:59:58Z");
    let mut large: Vec<String> = (0..256).map(|number| of_ann("large", number)).collect();
    large.push(of("bob")[0].clone());
    for _ in 0..20 {
        assert!(matches!(world.send(&large).await, Err(LedgerError::Rejected { .. })));
    }
    let good: Vec<String> = (0..100).map(|number| of_ann("good", number)).collect();
    world.send(&good).await.unwrap();
    assert_eq!(counts(&log, 100).await.batches_missed, 0);
}

#[tokio::test]
async fn it_is_run_over_its_share_of_batches() {
    let world = world().await;
    let log = world.log();
    log.put_canary("aws", plain("aws-cloudtrail"), 25, "op").await.unwrap();
    for batch in 0..11 {
        world.send(&records(batch..batch + 1)).await.unwrap();
        // The first, and then every fourth.
        assert_eq!(log.canary("aws").unwrap().1.waiting, [1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3][batch as usize]);
    }
    world.send(&records(100..200)).await.unwrap();
    let shown = counts(&log, 100).await;
    assert_eq!((shown.records, shown.batches_missed), (shown.same, 0), "the same pipeline makes the same");
    // The batches of a large request come at once, and none of its share is missed.
    log.put_canary("aws", plain("aws-cloudtrail"), 100, "op").await.unwrap();
    world.send(&records(3_000..3_700)).await.unwrap();
    let shown = counts(&log, 700).await;
    assert_eq!((shown.records, shown.batches, shown.batches_missed), (700, 3, 0));
}

#[tokio::test]
async fn it_outlives_a_restart_and_its_plugins_are_in_use() {
    let mut world = world().await;
    let redactor = world.upload("redact-fields").await.digest;
    world.log().put_canary("aws", without_names(), 7, "op").await.unwrap();
    world.reopen().await;
    let (spec, counts) = world.log().canary("aws").unwrap();
    assert_eq!((spec.percent, spec.manifest.redactors.len(), counts.batches), (7, 1, 0));
    let refused = world.ledger().delete_plugin(&redactor, "op").await;
    assert!(matches!(refused, Err(LedgerError::Conflict(_))), "{refused:?}");
    // Binding the same pipeline again changes nothing; another one ends the trial.
    world.log().put_source("aws", plain("aws-cloudtrail"), "op").await.unwrap();
    assert_eq!(world.log().canary("aws").unwrap().0, spec);
    world.log().put_source("aws", classless(), "op").await.unwrap();
    assert!(matches!(world.log().canary("aws"), Err(LedgerError::NotFound(_))));
    world.reopen().await;
    assert!(matches!(world.log().canary("aws"), Err(LedgerError::NotFound(_))));
    world.ledger().delete_plugin(&redactor, "op").await.unwrap();
}

#[tokio::test]
async fn a_canary_is_promoted_and_rolled_back_in_one_call_each() {
    let mut world = world().await;
    let none_before = world.log().roll_back("aws", "op", false).await;
    assert!(matches!(none_before, Err(LedgerError::Conflict(_))), "{none_before:?}");
    assert!(matches!(world.log().promote_canary("aws", "op", false).await, Err(LedgerError::NotFound(_))));
    let before = world.log().source("aws").unwrap();
    world.log().put_canary("aws", without_names(), 1, "op").await.unwrap();
    let Put::Done(bound) = world.log().promote_canary("aws", "op", false).await.unwrap() else {
        panic!("it waits")
    };
    let promoted = world.log().source("aws").unwrap();
    assert_eq!((promoted.pipeline, promoted.canary.is_none()), (bound.pipeline, true));
    let index = world.send(&records(0..1)).await.unwrap().first_index.unwrap();
    assert!(!world.log().record(index).await.unwrap().redactions.is_empty());

    world.reopen().await;
    let size = world.size();
    let Put::Done(back) = world.log().roll_back("aws", "op", false).await.unwrap() else {
        panic!("it waits")
    };
    assert_eq!((back.pipeline, back.pipeline_index), (before.pipeline, before.pipeline_index));
    assert_eq!(world.size(), size, "both pipelines are entries already");
    let index = world.send(&records(1..2)).await.unwrap().first_index.unwrap();
    assert!(world.log().record(index).await.unwrap().redactions.is_empty());
    // Where two persons are needed, forth again takes more away and waits; back again did not.
    let forth = world.log().roll_back("aws", "op", true).await.unwrap();
    assert!(matches!(forth, Put::Waits(_)), "{forth:?}");
    assert_eq!(world.log().source("aws").unwrap().pipeline, before.pipeline);
    world.log().roll_back("aws", "op", false).await.unwrap();
    assert_eq!(world.log().source("aws").unwrap().pipeline, promoted.pipeline);

    // What was bound before is kept for nobody: its plugin may go.
    world.log().put_source("aws", plain("aws-cloudtrail"), "op").await.unwrap();
    let redactor = world.ledger().upload_plugin(wasm("redact-fields"), "op").await.unwrap().0.digest;
    world.ledger().delete_plugin(&redactor, "op").await.unwrap();
    let gone = world.log().roll_back("aws", "op", false).await;
    assert!(matches!(gone, Err(LedgerError::NotFound(_))), "{gone:?}");
}
