//! What is due goes, what is held stays, and nothing opens what is gone.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use cairnlog_ledger::limits::ERASED_AT_ONCE;
use cairnlog_ledger::{
    Archive, ArchiveSecret, Class, LedgerError, Order, Refusal, Refused, Search, SourceSpec, Swept, Target,
    Trigger,
};
use cairnlog_store::secrets::{KekSources, LogKeys};
use cairnlog_store::{Family, layout};
use cairnlog_verify::disclosure::Disclosure;
use cairnlog_verify::entry::{Body, Entry, Erased};
use cairnlog_verify::event::Event;
use serde_json::json;

use super::world::{DAY_MS, MORNING_MS, World, open_everything, plain, record, records, stage};

const TIME: &str = "2026-11-23T08:59:58Z";

/// With the class `default` of no minimum and this maximum.
async fn world(maximum_days: Option<u32>) -> World {
    let world = World::new().await;
    let class = Class {
        trigger: Trigger::Received,
        minimum_days: 0,
        maximum_days,
        zone: None,
        basis: "a rule".to_owned(),
    };
    world.log().put_class("default", class, "compliance").await.unwrap();
    world.ledger().open_control().await.unwrap();
    world
}

fn by(actor: &str) -> Search {
    Search { actor: Some(actor.to_owned()), order: Order::Ascending, ..Search::default() }
}

async fn found(world: &World, search: &Search) -> Vec<u64> {
    let found = world.log().search(search, None, 1_000).await.unwrap();
    found.records.iter().map(|record| record.index).collect()
}

async fn entry(world: &World, index: u64) -> Entry {
    let row = world.row(Family::Entries, &layout::entry_key(1, index)).await.unwrap();
    Entry::parse(&row).unwrap()
}

async fn is_erased(world: &World, index: u64) -> bool {
    match world.log().record(index).await {
        Ok(_) => false,
        Err(LedgerError::Erased(erasure)) => {
            assert_eq!(erasure.of, index);
            true
        }
        Err(error) => panic!("{error}"),
    }
}

/// The keys of all rows of a family that a record has, alone or with others.
async fn count(world: &World, family: Family) -> usize {
    world.rows(family).await.into_iter().filter(|(key, _)| key.starts_with(&[0, 0, 0, 1])).count()
}

#[tokio::test]
async fn what_is_due_goes_with_all_its_rows_and_the_rest_is_as_it_was() {
    let mut world = world(Some(10)).await;
    let early = world.send(&records(0..5)).await.unwrap();
    let first = early.results[0].index.unwrap();
    world.clock.set(MORNING_MS + 5 * DAY_MS);
    world.send(&records(10..15)).await.unwrap();
    let before: Vec<usize> = {
        let mut counts = Vec::new();
        for family in [Family::Payloads, Family::Keys, Family::Postings, Family::Times, Family::Expiry] {
            counts.push(count(&world, family).await);
        }
        counts
    };
    world.clock.set(MORNING_MS + 10 * DAY_MS - 1);
    assert_eq!(
        world.log().sweep("schedule", Duration::MAX).await.unwrap().total(),
        Swept::default(),
        "a millisecond early"
    );
    world.clock.set(MORNING_MS + 10 * DAY_MS);
    let dry = world.log().sweep_dry(None, Duration::MAX).await.unwrap();
    assert_eq!(dry.total(), Swept { due: 5, erased: 0, held: 0 });
    let later = world.log().sweep_dry(Some(MORNING_MS + 15 * DAY_MS), Duration::MAX).await.unwrap();
    assert_eq!(later.total().due, 10, "a simulation");
    assert!(!is_erased(&world, first).await);

    let swept = world.log().sweep("schedule", Duration::MAX).await.unwrap();
    assert_eq!(swept.by_class["default"], Swept { due: 5, erased: 5, held: 0 });
    let erasure = world.size() - 1;
    assert_eq!(entry(&world, erasure).await.body, Body::Erasure(Erased::Sweep(vec![(first, first + 5)])));
    let said = world.log().record(erasure).await.unwrap().event;
    assert_eq!(said["erasure"]["basis"], "a rule");
    assert_eq!(said["erasure"]["class"], "default");
    for reopened in [false, true] {
        if reopened {
            world.reopen().await;
        }
        for index in first..first + 5 {
            assert!(is_erased(&world, index).await);
        }
        assert_eq!(
            found(&world, &Search { order: Order::Ascending, ..Search::default() }).await,
            [first + 5, first + 6, first + 7, first + 8, first + 9]
        );
        assert_eq!(found(&world, &by("user-1")).await, Vec::<u64>::new());
        assert_eq!(found(&world, &by("user-3")).await, [first + 5]);
    }
    let mut after = Vec::new();
    for family in [Family::Payloads, Family::Keys, Family::Postings, Family::Times, Family::Expiry] {
        after.push(count(&world, family).await);
    }
    assert_eq!(after[0], before[0] - 5 + 1, "five went, the erasure's own came");
    assert_eq!(after[1], before[1] - 5 + 1);
    for (after, before) in after.iter().zip(&before).skip(2) {
        assert!(after < before, "{after} {before}");
    }
}

#[tokio::test]
async fn of_a_batch_some_go_and_the_others_are_found_as_before() {
    let world = world(None).await;
    let ids: Vec<String> = (0..300)
        .map(|id| record(&format!("id-{id}"), if id % 3 == 0 { "ann" } else { "bob" }, TIME))
        .collect();
    let first = world.send(&ids).await.unwrap().results[0].index.unwrap();
    let bobs = found(&world, &by("bob")).await;
    let before = world.size();
    let requested = world
        .log()
        .erase_on_request(&Target::Subject("ann".to_owned()), "she asked", "dpo", None)
        .await
        .unwrap();
    assert_eq!((requested.erased, requested.refused.len()), (100, 0));
    assert_eq!(requested.complete_at_ms, MORNING_MS + 31 * DAY_MS);
    assert_eq!(world.size(), before + 1, "one entry, whatever the number");
    assert_eq!(entry(&world, before).await.body, Body::Erasure(Erased::Request));
    assert_eq!(found(&world, &by("ann")).await, Vec::<u64>::new());
    assert_eq!(found(&world, &by("bob")).await, bobs);
    assert_eq!(found(&world, &Search { order: Order::Ascending, ..Search::default() }).await, bobs);
    assert!(is_erased(&world, first).await && !is_erased(&world, first + 1).await);
    let LedgerError::Erased(erasure) = world.log().record(first + 3).await.unwrap_err() else { panic!() };
    assert_eq!(
        (erasure.by.as_str(), erasure.reason.as_str(), erasure.basis.as_str()),
        ("dpo", "she asked", "GDPR Art. 17")
    );
    let again = world.log().erase_on_request(&Target::Index(first), "again", "dpo", None).await;
    assert!(matches!(again, Err(LedgerError::Erased(_))));
    // What was erased may come again: it is no repetition of something that is there.
    let again = world.send(&ids[..1]).await.unwrap();
    assert_eq!(again.results[0].status, cairnlog_ledger::Status::Logged);
    let again = world.send(&ids[1..2]).await.unwrap();
    assert_eq!(again.results[0].status, cairnlog_ledger::Status::Duplicate);
}

#[tokio::test]
async fn a_page_is_destroyed_and_the_rest_of_it_opens_all_the_same() {
    let mut world = world(None).await;
    let first = world.send(&records(0..20)).await.unwrap().results[0].index.unwrap();
    let key = layout::record_key_key(1, first);
    let stolen = world.row(Family::Keys, &key).await.unwrap();
    let page = u32::from_be_bytes(stolen[..4].try_into().unwrap());
    let keys = || {
        LogKeys::open(&world.dir.path().join("keys/hr"), "log.example/logs/hr", &KekSources::default())
            .unwrap()
    };
    assert!(keys().page(page).is_some());
    assert_eq!(world.log().destroy_pages().await.unwrap(), 0, "nothing was erased");

    let target = Target::Index(first);
    world.log().erase_on_request(&target, "asked", "dpo", None).await.unwrap();
    assert!(world.row(Family::Keys, &key).await.is_none());
    assert!(keys().page(page).is_some(), "not yet");
    world.reopen().await;
    assert_eq!(world.log().destroy_pages().await.unwrap(), 1);
    let keys =
        LogKeys::open(&world.dir.path().join("keys/hr"), "log.example/logs/hr", &KekSources::default())
            .unwrap();
    assert!(keys.page(page).is_none(), "an older copy of the row opens nothing now");
    let pages: BTreeSet<Vec<u8>> = world
        .rows(Family::Keys)
        .await
        .into_iter()
        .filter(|(key, _)| key[3] == 1)
        .map(|(_, row)| row[..4].to_vec())
        .collect();
    assert!(!pages.contains(&page.to_be_bytes()[..]));
    for index in 0..world.size() {
        assert_eq!(is_erased(&world, index).await, index == first);
    }
    assert_eq!(world.log().destroy_pages().await.unwrap(), 0);
    world.send(&records(30..31)).await.unwrap();
    world.reopen().await;
    for index in 0..world.size() {
        assert_eq!(is_erased(&world, index).await, index == first);
    }
}

#[tokio::test]
async fn what_is_held_stays_until_the_hold_is_released() {
    let mut world = world(Some(10)).await;
    let log = world.log();
    let hold = log.hold("case 7".to_owned(), "a claim".to_owned(), by("ann"), "counsel").await.unwrap();
    let sent = world.send(&[record("a", "ann", TIME), record("b", "bob", TIME)]).await.unwrap();
    let (ann, bob) = (sent.results[0].index.unwrap(), sent.results[1].index.unwrap());
    let refused = log.erase_on_request(&Target::Index(ann), "asked", "dpo", None).await;
    assert!(matches!(refused, Err(LedgerError::Held(id)) if id == hold.name()));
    let refused =
        log.erase_on_request(&Target::Subject("ann".to_owned()), "asked", "dpo", None).await.unwrap();
    assert_eq!(refused.refused, [Refused { index: ann, why: Refusal::Held(hold.id) }]);
    drop(log);
    world.reopen().await;
    world.clock.set(MORNING_MS + 11 * DAY_MS);
    let log = world.log();
    assert_eq!(log.holds().len(), 1);
    let swept = log.sweep("schedule", Duration::MAX).await.unwrap();
    assert_eq!(swept.total(), Swept { due: 2, erased: 1, held: 1 });
    assert!(is_erased(&world, bob).await && !is_erased(&world, ann).await);
    let due = log.retention().await.unwrap().into_iter().find(|class| class.class == "default").unwrap();
    assert_eq!((due.records, due.overdue, due.held), (1, 1, 1));

    log.release_hold(hold.id, "settled", "counsel").await.unwrap();
    let said = log.record(world.size() - 1).await.unwrap().event;
    assert_eq!((&said["hold"]["what"], &said["hold"]["reason"]), (&"released".into(), &"settled".into()));
    assert!(matches!(log.release_hold(hold.id, "", "counsel").await, Err(LedgerError::NotFound(_))));
    assert_eq!(
        log.sweep("schedule", Duration::MAX).await.unwrap().total(),
        Swept { due: 1, erased: 1, held: 0 }
    );
    assert!(is_erased(&world, ann).await);
    drop(log);
    world.reopen().await;
    assert!(world.log().holds().is_empty());
}

#[tokio::test]
async fn a_minimum_stands_as_it_was_when_the_record_came() {
    let world = World::new().await;
    world.ledger().open_control().await.unwrap();
    let log = world.log();
    let index = world.send(&records(0..1)).await.unwrap().results[0].index.unwrap();
    let shorter = Class {
        trigger: Trigger::Received,
        minimum_days: 0,
        maximum_days: Some(1),
        zone: None,
        basis: "b".to_owned(),
    };
    log.put_class("default", shorter, "compliance").await.unwrap();
    let refused = log.erase_on_request(&Target::Index(index), "asked", "dpo", None).await;
    assert!(matches!(refused, Err(LedgerError::Minimum(Some(until))) if until == MORNING_MS + 180 * DAY_MS));
    world.clock.set(MORNING_MS + 2 * DAY_MS);
    assert_eq!(log.sweep("schedule", Duration::MAX).await.unwrap().total(), Swept::default());
    let next = log.retention().await.unwrap()[0].next_due_day.unwrap();
    assert_eq!(u64::from(next), (MORNING_MS + 365 * DAY_MS) / DAY_MS);
    world.clock.set(MORNING_MS + 180 * DAY_MS);
    log.erase_on_request(&Target::Index(index), "asked", "dpo", None).await.unwrap();
    assert!(is_erased(&world, index).await);
}

#[tokio::test]
async fn what_the_log_says_of_itself_is_not_erased() {
    let world = world(Some(1)).await;
    let log = world.log();
    for index in 0..world.size() {
        let refused = log.erase_on_request(&Target::Index(index), "asked", "dpo", None).await;
        assert!(matches!(refused, Err(LedgerError::Conflict(_))), "{index}");
    }
    let beyond = log.erase_on_request(&Target::Index(world.size()), "asked", "dpo", None).await;
    assert!(matches!(beyond, Err(LedgerError::NotFound(_))));
    for reason in ["", " ", &"x".repeat(2_000)] {
        let bad = log.erase_on_request(&Target::Index(0), reason, "dpo", None).await;
        assert!(matches!(bad, Err(LedgerError::BadRequest(_))));
    }
}

#[tokio::test]
async fn a_frozen_log_is_swept_and_the_control_log_says_so() {
    let mut world = world(Some(10)).await;
    let first = world.send(&records(0..3)).await.unwrap().results[0].index.unwrap();
    let log = world.log();
    log.freeze("op").await.unwrap();
    let hold = log.hold("m".to_owned(), "r".to_owned(), by("user-1"), "counsel").await.unwrap();
    let size = world.size();
    world.clock.set(MORNING_MS + 20 * DAY_MS);
    drop(log);
    world.reopen().await;
    assert_eq!(world.log().holds()[0].id, hold.id);
    let swept = world.log().sweep("schedule", Duration::MAX).await.unwrap();
    assert_eq!(swept.total(), Swept { due: 3, erased: 2, held: 1 });
    assert_eq!(world.size(), size, "a frozen tree does not grow");
    assert!(is_erased(&world, first).await && !is_erased(&world, first + 1).await);
    world.log().destroy_pages().await.unwrap();
    world.reopen().await;
    assert!(is_erased(&world, first + 2).await && !is_erased(&world, first + 1).await);
    let control = world.ledger().log("control").unwrap();
    let said = open_everything(&control).await;
    assert!(said.is_empty());
}

#[tokio::test]
async fn what_a_sweep_erases_is_archived_before_and_proves_itself_after() {
    let secret = ArchiveSecret::generate();
    let place = tempfile::tempdir().unwrap();
    let mut world = world(Some(10)).await;
    let archive = |dir: PathBuf| Some(Archive { dir, key: secret.key() });
    let first = world.send(&records(0..3)).await.unwrap().results[0].index.unwrap();
    let mut before = Vec::new();
    for index in first..first + 3 {
        before.push(world.log().record(index).await.unwrap().event);
    }
    world.clock.set(MORNING_MS + 20 * DAY_MS);
    // Where nothing can be written, nothing is erased.
    std::fs::write(place.path().join("file"), "").unwrap();
    world.archive = archive(place.path().join("file"));
    world.reopen().await;
    assert!(world.log().sweep("schedule", Duration::MAX).await.is_err());
    assert!(!is_erased(&world, first).await);

    world.archive = archive(place.path().join("archive"));
    world.reopen().await;
    // What somebody asked for is not archived.
    let asked = Target::Index(first + 2);
    world.log().erase_on_request(&asked, "asked", "dpo", None).await.unwrap();
    let name = format!("hr/{first}-{}-{}.archive", first + 1, MORNING_MS + 20 * DAY_MS);
    assert!(!place.path().join("archive").exists());
    assert_eq!(world.log().sweep("schedule", Duration::MAX).await.unwrap().total().erased, 2);
    assert!(is_erased(&world, first).await && is_erased(&world, first + 1).await);
    let sealed = std::fs::read(place.path().join("archive").join(name)).unwrap();
    assert!(!sealed.windows(6).any(|window| window == b"user-0"));
    let lines = String::from_utf8(secret.open(&sealed).unwrap().to_vec()).unwrap();
    let keys: Vec<_> = world.log().info().verifier_keys.iter().map(|key| key.parse().unwrap()).collect();
    assert_eq!(lines.lines().count(), 2);
    for (place, line) in lines.lines().enumerate() {
        let disclosure = Disclosure::parse(line).unwrap();
        let verified = disclosure.verify(&keys, None).unwrap();
        assert_eq!(verified.index, first + place as u64);
        let own = disclosure.fields.iter().filter(|field| !field.attribute.path.starts_with('$'));
        let mut attributes: Vec<_> = own.map(|field| field.attribute.clone()).collect();
        attributes.sort_by(|left, right| left.path.cmp(&right.path));
        assert_eq!(Event::flatten(&before[place]).unwrap(), attributes);
    }
}

#[tokio::test]
async fn a_large_sweep_takes_several_commits() {
    let world = world(Some(1)).await;
    let count = u32::try_from(ERASED_AT_ONCE).unwrap() + 100;
    world.send(&records(0..count)).await.unwrap();
    let before = world.size();
    world.clock.set(MORNING_MS + 2 * DAY_MS);
    // One whose time is over has done a commit's work, and the next one goes on.
    let some = world.log().sweep("dpo", Duration::ZERO).await.unwrap();
    assert_eq!((some.total().erased, some.is_complete), (ERASED_AT_ONCE as u64, false));
    let rest = world.log().sweep("schedule", Duration::MAX).await.unwrap();
    assert_eq!((rest.total().erased, rest.is_complete), (100, true));
    assert_eq!(world.size(), before + 2);
    world.log().destroy_pages().await.unwrap();
    assert_eq!(found(&world, &Search::default()).await, Vec::<u64>::new());
}

/// The source `aws` whose records wait in the class `employment` until a record of the action `Leave` closes them.
async fn employed() -> World {
    let world = World::new().await;
    world.ledger().open_control().await.unwrap();
    let class = Class {
        trigger: Trigger::Closed,
        minimum_days: 10,
        maximum_days: Some(20),
        zone: None,
        basis: "a rule".to_owned(),
    };
    world.log().put_class("employment", class, "compliance").await.unwrap();
    let rules = json!({"rules": [
        {"class": "default", "closes": "employment", "subject": "actor.user.name", "when": {"api.operation": ["Leave"]}},
        {"class": "employment", "subject": "actor.user.name"},
    ]});
    let spec = SourceSpec { retention: stage("retention-schedule", Some(rules)), ..plain("aws-cloudtrail") };
    world.log().put_source("aws", spec, "op").await.unwrap();
    world
}

fn leaves(id: &str, user: &str) -> String {
    record(id, user, TIME).replace("DescribeInstances", "Leave")
}

#[tokio::test]
async fn an_event_closes_what_came_before_it_of_the_same_person() {
    let mut world = employed().await;
    let before = [record("a", "ann", TIME), record("b", "bob", TIME)];
    let sent = world.send(&before).await.unwrap();
    let (ann, bob) = (sent.results[0].index.unwrap(), sent.results[1].index.unwrap());
    let log = world.log();
    let waits = log.erase_on_request(&Target::Index(ann), "asked", "dpo", None).await;
    assert!(matches!(waits, Err(LedgerError::Minimum(None))));
    assert_eq!(log.record(ann).await.unwrap().retention.unwrap().maximum_until_ms, None);

    // Another month, whose tokens are others.
    let closed_ms = MORNING_MS + 40 * DAY_MS;
    world.clock.set(closed_ms);
    world.send(&[leaves("c", "ann")]).await.unwrap();
    world.clock.set(closed_ms + DAY_MS);
    let later = world.send(&[record("d", "ann", TIME)]).await.unwrap().results[0].index.unwrap();
    drop(log);
    world.reopen().await;
    let log = world.log();
    let waits = log.erase_on_request(&Target::Index(ann), "asked", "dpo", None).await;
    assert!(matches!(waits, Err(LedgerError::Minimum(Some(until))) if until == closed_ms + 10 * DAY_MS));
    assert_eq!(
        log.record(ann).await.unwrap().retention.unwrap().maximum_until_ms,
        Some(closed_ms + 20 * DAY_MS)
    );
    for index in [bob, later] {
        assert_eq!(log.record(index).await.unwrap().retention.unwrap().maximum_until_ms, None);
    }
    // A list shows the same as each of its records alone.
    for record in log.search(&Search::default(), None, 100).await.unwrap().records {
        assert_eq!(record.retention, log.record(record.index).await.unwrap().retention);
    }
    // A second closing does not put off what the first has closed, and closes what came between.
    world.send(&[leaves("e", "ann")]).await.unwrap();
    world.clock.set(closed_ms + 20 * DAY_MS);
    assert_eq!(
        log.sweep("schedule", Duration::MAX).await.unwrap().total(),
        Swept { due: 1, erased: 1, held: 0 }
    );
    assert!(is_erased(&world, ann).await && !is_erased(&world, later).await);
    world.clock.set(closed_ms + 21 * DAY_MS);
    assert_eq!(
        log.sweep("schedule", Duration::MAX).await.unwrap().total(),
        Swept { due: 1, erased: 1, held: 0 }
    );
    assert!(is_erased(&world, later).await && !is_erased(&world, bob).await);
    assert_eq!(
        count(&world, Family::Erasures).await,
        2 + 1,
        "two stretches that were erased, a page to destroy"
    );
}

#[tokio::test]
async fn the_index_key_of_a_month_dies_with_its_last_record() {
    let world = world(Some(40)).await;
    world.send(&records(0..3)).await.unwrap();
    world.clock.set(MORNING_MS + 35 * DAY_MS);
    let kept = world.send(&records(3..4)).await.unwrap().results[0].index.unwrap();
    let months = || {
        let keys =
            LogKeys::open(&world.dir.path().join("keys/hr"), "log.example/logs/hr", &KekSources::default())
                .unwrap();
        keys.index_months().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(months(), ["2026-11", "2026-12"]);
    world.clock.set(MORNING_MS + 39 * DAY_MS);
    world.log().sweep("schedule", Duration::MAX).await.unwrap();
    world.log().destroy_pages().await.unwrap();
    assert_eq!(months(), ["2026-11", "2026-12"], "nothing was due yet");
    world.clock.set(MORNING_MS + 41 * DAY_MS);
    world.log().sweep("schedule", Duration::MAX).await.unwrap();
    world.log().destroy_pages().await.unwrap();
    assert_eq!(months(), ["2026-12"]);
    assert_eq!(found(&world, &by("user-3")).await, [kept]);
}

#[tokio::test]
async fn the_full_pass_finds_what_is_missing_and_takes_what_was_erased_for_that() {
    let world = world(Some(10)).await;
    world.send(&records(0..300)).await.unwrap();
    let log = world.log();
    let pass = async || {
        let mut next = Some(0);
        while let Some(from) = next {
            next = log.check_records(from).await?.next;
        }
        Ok::<_, LedgerError>(())
    };
    pass().await.unwrap();
    world.clock.set(MORNING_MS + 11 * DAY_MS);
    log.sweep("schedule", Duration::MAX).await.unwrap();
    log.destroy_pages().await.unwrap();
    pass().await.unwrap();
    let last = world.send(&records(400..401)).await.unwrap().results[0].index.unwrap();
    for family in [Family::Payloads, Family::Keys] {
        let key = layout::payload_key(1, last);
        let row = world.row(family, &key).await.unwrap();
        world.put(family, &key, None).await;
        assert!(
            matches!(pass().await, Err(LedgerError::Damaged(words)) if words.contains(&last.to_string()))
        );
        world.put(family, &key, Some(&row)).await;
        pass().await.unwrap();
    }
    // A row that claims an erasure which no entry says.
    let key = layout::erased_key(1, last);
    let mut row = (last + 1).to_be_bytes().to_vec();
    row.push(0);
    row.extend(0_u64.to_be_bytes());
    world.put(Family::Erasures, &key, Some(&row)).await;
    world.put(Family::Payloads, &layout::payload_key(1, last), None).await;
    assert!(pass().await.is_err());
    assert!(matches!(log.record(last).await, Err(LedgerError::Internal(_))));
}

#[tokio::test]
async fn a_person_is_held_and_erased_by_name_where_a_pseudonym_stands_for_it() {
    let world = world(None).await;
    world.upload("redact-fields").await;
    let rules = json!({"rules": [{"path": "actor.user.name", "action": "pseudonymize", "entity": "USER"}]});
    let spec = SourceSpec { redactors: vec![stage("redact-fields", Some(rules))], ..plain("aws-cloudtrail") };
    world.log().put_source("aws", spec, "op").await.unwrap();
    let sent = world.send(&[record("a", "ann", TIME), record("b", "bob", TIME)]).await.unwrap();
    let (ann, bob) = (sent.results[0].index.unwrap(), sent.results[1].index.unwrap());
    let log = world.log();
    assert_eq!(found(&world, &by("ann")).await, Vec::<u64>::new(), "not without the grant");
    let hold = log.hold("m".to_owned(), "r".to_owned(), by("ann"), "counsel").await.unwrap();
    let refused =
        log.erase_on_request(&Target::Subject("ann".to_owned()), "asked", "dpo", None).await.unwrap();
    assert_eq!((refused.erased, refused.refused.len()), (0, 1));
    log.release_hold(hold.id, "", "counsel").await.unwrap();
    let erased =
        log.erase_on_request(&Target::Subject("ann".to_owned()), "asked", "dpo", None).await.unwrap();
    assert_eq!((erased.erased, erased.refused.len()), (1, 0));
    assert!(is_erased(&world, ann).await && !is_erased(&world, bob).await);
}

#[tokio::test]
async fn an_approved_erasure_waits_no_more_though_a_crash_left_its_row() {
    let world = world(None).await;
    let index = world.send(&records(0..1)).await.unwrap().results[0].index.unwrap();
    let log = world.log();
    let id = log.propose_erasure(Target::Index(index), "asked", "dpo").await.unwrap();
    assert!(matches!(log.approve_erasure(&id, "dpo").await, Err(LedgerError::Conflict(_))));
    let hold = log.hold("m".to_owned(), "r".to_owned(), Search::default(), "counsel").await.unwrap();
    assert!(matches!(log.approve_erasure(&id, "other").await, Err(LedgerError::Held(_))));
    assert_eq!(log.pending_erasures().await.unwrap().len(), 1, "it still waits");
    log.release_hold(hold.id, "", "counsel").await.unwrap();

    let rows = world.rows(Family::Erasures).await;
    let (key, row) = rows.into_iter().find(|(key, _)| key[4] == 2).unwrap();
    let requested = log.approve_erasure(&id, "other").await.unwrap();
    assert_eq!((requested.id.as_str(), requested.erased), (id.as_str(), 1));
    assert!(log.pending_erasures().await.unwrap().is_empty());
    drop(log);
    // As if the server had been killed before the row was deleted.
    let mut world = world;
    world.put(Family::Erasures, &key, Some(&row)).await;
    world.reopen().await;
    let log = world.log();
    assert_eq!(log.pending_erasures().await.unwrap().len(), 1);
    assert!(matches!(log.approve_erasure(&id, "other").await, Err(LedgerError::Erased(_))));
    assert!(log.pending_erasures().await.unwrap().is_empty());
}
