//! Quarantined raw records are tried again and given up, and the log says what became of each.

use std::time::Duration;

use cairnlog_ledger::{
    LedgerError, Policy, Retried, RetryFate, Search, SourceSpec, StageSpec, Status, TrialFate,
};
use cairnlog_store::faulty::CommitFault;
use cairnlog_store::{Family, layout};
use cairnlog_verify::entry::{Body, Entry, Outcome};
use serde_json::json;

use crate::world::{DAY_MS, MORNING_MS, World, plain, record, records, request, stage};

/// The source's records are of a class that the log lacks, so all of them are quarantined.
fn classless() -> SourceSpec {
    let rules = json!({"rules": [{"class": "not-there"}]});
    SourceSpec { retention: stage("retention-schedule", Some(rules)), ..plain("aws-cloudtrail") }
}

/// A log with two records in quarantine, whose source has a pipeline by now that understands the first.
async fn world() -> (World, u64) {
    let world = World::new().await;
    world.ledger().open_control().await.unwrap();
    world.log().put_source("aws", classless(), "op").await.unwrap();
    let sent = [record("a", "ann", "2026-11-23T08:59:58Z"), "{broken".to_owned()];
    let answer = world.send(&sent).await.unwrap();
    assert_eq!(answer.quarantined, 2);
    (world, answer.first_index.unwrap())
}

async fn entry(world: &World, index: u64) -> Entry {
    Entry::parse(&world.row(Family::Entries, &layout::entry_key(1, index)).await.unwrap()).unwrap()
}

async fn set_aside(world: &World) -> Vec<u64> {
    let all = world.log().quarantined(None, 0, 100).await.unwrap().0;
    all.into_iter().map(|aside| aside.index).collect()
}

#[tokio::test]
async fn what_is_understood_is_logged_as_it_came_and_a_release_says_where() {
    let (mut world, first) = world().await;
    let listed = world.log().quarantined(None, 0, 100).await.unwrap().0;
    let words: Vec<_> = listed.iter().map(|aside| (aside.index, aside.reason.as_str())).collect();
    assert_eq!(words, [(first, "no-retention-class"), (first + 1, "rejected")]);
    assert_eq!(listed[0].received_ms, MORNING_MS);
    assert!(world.log().quarantined(Some("other"), 0, 100).await.unwrap().0.is_empty());
    assert_eq!(world.log().quarantined(Some("aws"), first + 1, 100).await.unwrap().0, listed[1..]);

    let Body::Quarantine { raw: committed, .. } = entry(&world, first).await.body else {
        panic!("not quarantined")
    };
    world.log().put_source("aws", plain("aws-cloudtrail"), "op").await.unwrap();
    world.clock.set(MORNING_MS + 3 * DAY_MS);
    let tried = world.log().retry_dry(&[first, first + 1, 0], None, "op").await.unwrap();
    let fates: Vec<_> = tried.iter().map(|(_, trial)| trial.as_ref().map(|trial| trial.fate)).collect();
    let fate = |status| Some(TrialFate::Would(status));
    assert_eq!(fates, [fate(Status::Logged), fate(Status::Quarantined), None]);
    assert!(tried[0].1.as_ref().unwrap().fuel.is_some());
    assert_eq!(set_aside(&world).await, [first, first + 1], "nothing has changed");
    // Of a pipeline that is in no log there is a word, and nothing that it could spell the record out with.
    let tried = world.log().retry_dry(&[first, first + 1], Some(&classless()), "op").await.unwrap();
    let told: Vec<_> =
        tried.into_iter().map(|(_, told)| told.unwrap()).map(|told| (told.reason, told.fuel)).collect();
    let only = |slug: &str| (Some(slug.to_owned()), None);
    assert_eq!(told, [only("no-retention-class"), only("rejected")]);
    let mut strict = classless();
    strict.retention.on_error = Policy::Reject;
    let tried = world.log().retry_dry(&[first], Some(&strict), "op").await.unwrap();
    let told = tried[0].1.as_ref().unwrap();
    assert_eq!((told.fate, told.reason.as_deref()), (TrialFate::Rejected, Some("no-retention-class")));

    let size = world.size();
    let retried = world.log().retry(&[first, first + 1, 0, 999], "op").await.unwrap();
    assert_eq!(retried[0], Retried { index: first, fate: RetryFate::Logged { first: size, records: 1 } });
    assert!(matches!(&retried[1].fate, RetryFate::Quarantined(why) if why.starts_with("rejected")));
    assert!(
        matches!(retried[2].fate, RetryFate::Absent(_)) && matches!(retried[3].fate, RetryFate::Absent(_))
    );
    assert_eq!(world.size(), size + 2);
    // The record has the commitment and the time of the quarantine entry.
    let logged = entry(&world, size).await;
    assert!(matches!(logged.body, Body::Record { raw, .. } if raw == committed));
    let said = world.log().record(size).await.unwrap();
    assert_eq!((said.received_ms, said.event["metadata"]["uid"].as_str()), (MORNING_MS, Some("a")));
    let release = Body::Release { of: first, outcome: Outcome::Logged { first: size, records: 1 } };
    assert_eq!(entry(&world, size + 1).await.body, release);
    assert_eq!(world.log().record(size + 1).await.unwrap().event["release"]["by"], "op");

    for reopened in [false, true] {
        if reopened {
            world.reopen().await;
        }
        assert_eq!(set_aside(&world).await, [first + 1]);
        assert!(world.row(Family::Quarantine, &layout::quarantine_key(1, first)).await.is_none());
        let again = world.log().retry(&[first], "op").await.unwrap();
        assert!(matches!(again[0].fate, RetryFate::Absent(_)));
        let found =
            world.log().search(&Search { actor: Some("ann".to_owned()), ..Search::default() }, None, 9).await;
        assert_eq!(found.unwrap().records.len(), 1);
    }
}

#[tokio::test]
async fn what_the_source_sent_again_meanwhile_is_not_logged_twice() {
    let (world, first) = world().await;
    world.log().put_source("aws", plain("aws-cloudtrail"), "op").await.unwrap();
    let sent = record("a", "ann", "2026-11-23T08:59:58Z");
    let at = world.send(std::slice::from_ref(&sent)).await.unwrap().results[0].index.unwrap();
    let size = world.size();
    let retried = world.log().retry(&[first], "op").await.unwrap();
    assert!(matches!(&retried[0].fate, RetryFate::Skipped(why) if why.ends_with(&format!("entry {at}"))));
    assert_eq!(entry(&world, size).await.body, Body::Release { of: first, outcome: Outcome::Skipped });
    assert_eq!(set_aside(&world).await, [first + 1]);
}

#[tokio::test]
async fn what_a_retry_logged_is_a_duplicate_when_it_is_sent_again() {
    let (world, first) = world().await;
    world.log().put_source("aws", plain("aws-cloudtrail"), "op").await.unwrap();
    let RetryFate::Logged { first: at, .. } = world.log().retry(&[first], "op").await.unwrap()[0].fate else {
        panic!("not logged");
    };
    let again = world.send(&[record("a", "ann", "2026-11-23T08:59:58Z")]).await.unwrap();
    assert_eq!((again.results[0].status, again.results[0].index), (Status::Duplicate, Some(at)));
}

#[tokio::test]
async fn what_is_discarded_is_gone_unless_a_hold_covers_it() {
    let (mut world, first) = world().await;
    let log = world.log();
    let hold = log.hold("m".to_owned(), "r".to_owned(), Search::default(), "counsel").await.unwrap();
    let refused = log.discard(first, "a test", "op").await;
    assert!(matches!(refused, Err(LedgerError::Held(id)) if id == hold.name()));
    let retried = log.retry(&[first + 1], "op").await.unwrap();
    assert_eq!(retried[0].fate, RetryFate::Held(hold.name()));
    log.release_hold(hold.id, "", "counsel").await.unwrap();

    for reason in ["", " ", &"x".repeat(1_025)] {
        assert!(matches!(log.discard(first, reason, "op").await, Err(LedgerError::BadRequest(_))));
    }
    let size = world.size();
    log.discard(first, "a test", "op").await.unwrap();
    assert_eq!(entry(&world, size).await.body, Body::Release { of: first, outcome: Outcome::Discarded });
    assert_eq!(log.record(size).await.unwrap().event["release"]["reason"], "a test");
    assert!(matches!(log.discard(first, "a test", "op").await, Err(LedgerError::NotFound(_))));
    assert!(matches!(log.discard(0, "a test", "op").await, Err(LedgerError::NotFound(_))));
    // What is left of both goes when its days are over.
    drop(log);
    world.clock.set(MORNING_MS + 31 * DAY_MS);
    world.reopen().await;
    let swept = world.log().sweep("schedule", Duration::MAX).await.unwrap();
    assert_eq!(swept.by_class["quarantine"].erased, 2);
    assert!(set_aside(&world).await.is_empty());
}

#[tokio::test]
async fn a_retry_whose_commit_fails_changes_nothing_and_can_be_made_again() {
    for fault in [CommitFault::Unavailable, CommitFault::UnknownNotApplied, CommitFault::UnknownApplied] {
        let (mut world, first) = world().await;
        world.log().put_source("aws", plain("aws-cloudtrail"), "op").await.unwrap();
        let size = world.size();
        // The first commit says that it is tried.
        world.faulty.plan_commit(2, fault);
        let result = world.log().retry(&[first], "op").await;
        world.reopen().await;
        let is_logged = world.size() == size + 2;
        assert_eq!(set_aside(&world).await.contains(&first), !is_logged, "{fault:?}: {result:?}");
        if !is_logged {
            let again = world.log().retry(&[first], "op").await.unwrap();
            assert_eq!(again[0].fate, RetryFate::Logged { first: size, records: 1 });
        }
        assert_eq!(world.size(), size + 2);
    }
}

#[tokio::test]
async fn retries_and_writers_at_once_put_every_release_beside_its_record() {
    let (world, _) = world().await;
    let bad: Vec<String> = (0..40).map(|n| record(&format!("q{n}"), "ann", "2026-11-23T08:59:58Z")).collect();
    let quarantined = world.send(&bad).await.unwrap();
    let indices: Vec<u64> = quarantined.results.iter().map(|row| row.index.unwrap()).collect();
    world.log().put_source("aws", plain("aws-cloudtrail"), "op").await.unwrap();
    let (log, writing) = (world.log(), world.log());
    let writer = tokio::spawn(async move {
        for n in 0..60 {
            writing.ingest(request(&records(n * 3 + 100..n * 3 + 103))).await.unwrap();
        }
    });
    let retried = log.retry(&indices, "op").await.unwrap();
    writer.await.unwrap();
    for (Retried { index, fate }, _) in retried.iter().zip(&indices) {
        let RetryFate::Logged { first, records } = fate else { panic!("{index}: {fate:?}") };
        let release =
            Body::Release { of: *index, outcome: Outcome::Logged { first: *first, records: *records } };
        assert_eq!(entry(&world, first + 1).await.body, release);
        assert!(matches!(entry(&world, *first).await.body, Body::Record { .. }));
    }
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_kept_and_keeps_nothing() {
    let world = World::new().await;
    world.upload("redact-fields").await;
    let rules = json!({"rules": [{"path": "src_endpoint.ip", "action": "drop", "entity": "IP_ADDRESS"}]});
    let mut spec = plain("aws-cloudtrail");
    spec.redactors = vec![stage("redact-fields", Some(rules))];
    world.log().put_source("aws", spec.clone(), "op").await.unwrap();
    let size = world.size();
    let sent = [record("a", "ann", "2026-11-23T08:59:58Z"), "{broken".to_owned()];
    let tried = world.log().dry_run(request(&sent)).await.unwrap();
    assert_eq!(world.size(), size);
    let [good, bad] = tried.as_slice() else { panic!("{tried:?}") };
    assert_eq!((good.fate, good.reason.as_deref()), (TrialFate::Would(Status::Logged), None));
    let event = &good.events[0];
    assert_eq!(event.event["actor"]["user"]["name"], "ann");
    assert_eq!(event.event["src_endpoint"].get("ip"), None);
    assert_eq!(
        (event.redactions[0].path.as_str(), event.retention.class.as_str()),
        ("src_endpoint.ip", "default")
    );
    assert!(0 < good.fuel && good.fuel_max > 2_000_000);
    assert_eq!(bad.fate, TrialFate::Would(Status::Quarantined));
    assert!(bad.events.is_empty() && bad.reason.as_ref().unwrap().starts_with("rejected"));
    // What is dry can be sent: it was not seen.
    let answer = world.send(&sent).await.unwrap();
    assert_eq!((answer.accepted, answer.duplicates), (1, 0));

    spec.normalizer = StageSpec { on_error: Policy::Reject, ..spec.normalizer };
    world.log().put_source("aws", spec, "op").await.unwrap();
    let tried = world.log().dry_run(request(&sent)).await.unwrap();
    assert_eq!((tried[0].fate, tried[1].fate), (TrialFate::Would(Status::Logged), TrialFate::Rejected));
}
