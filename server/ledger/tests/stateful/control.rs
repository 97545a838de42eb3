//! The server's own log, tallies, and who stands behind a pseudonym.

use cairnlog_ledger::{
    Access, Activity, CONTROL, KeyChange, LedgerError, Log, Mode, NewLog, Search, SourceSpec, Who,
};
use cairnlog_store::faulty::CommitFault;
use cairnlog_store::{Family, layout};
use serde_json::json;

use crate::world::{MORNING_MS, World, named, open_everything, plain, records, stage};

const HOUR_MS: u64 = 3_600_000;
/// After which an hour's tally is written.
const WAIT_MS: u64 = cairnlog_ledger::limits::TALLY_WAIT_MS;

fn access(operation: &str) -> Access {
    Access::new(&Who::from("op"), Activity::Read, operation, MORNING_MS).of("log", "hr")
}

/// The operations of all entries of the control log, in order.
async fn operations(control: &Log) -> Vec<String> {
    let mut operations = Vec::new();
    for index in 0..control.tree().head().checkpoint.size {
        let record = control.record(index).await.unwrap();
        operations.extend(record.event["api"]["operation"].as_str().map(str::to_owned));
    }
    operations
}

#[tokio::test]
async fn the_control_log_is_made_once_and_is_the_servers_alone() {
    let mut world = World::new().await;
    let refused = world.ledger().record(access("records.read")).await;
    assert!(matches!(refused, Err(LedgerError::Internal(_))), "before it is open nothing can be said");
    for opened in 0..2 {
        let control = world.ledger().open_control().await.unwrap();
        assert!(control.is_control() && control.is_private());
        world.ledger().record(access("records.read")).await.unwrap();
        assert_eq!(operations(&control).await.len(), opened + 1);
        world.reopen().await;
    }
    let control = world.ledger().log(CONTROL).unwrap();
    assert!(matches!(control.freeze("op").await, Err(LedgerError::Conflict(_))));
    assert!(matches!(
        control.put_source("a", plain("aws-cloudtrail"), "op").await,
        Err(LedgerError::Conflict(_))
    ));
    assert!(matches!(world.ledger().create_log(named(CONTROL), "op").await, Err(LedgerError::Conflict(_))));
}

#[tokio::test]
async fn a_change_that_cannot_be_said_is_not_made() {
    let world = World::new().await;
    let control = world.ledger().open_control().await.unwrap();
    let plain = NewLog { mode: Mode::Opaque, ..named("plain") };
    let opaque = world.ledger().create_log(plain, "op").await.unwrap();
    let before = opaque.info();
    control.tree().shutdown().await;
    assert!(opaque.freeze("op").await.is_err());
    assert!(world.ledger().rotate_keys(&opaque, KeyChange::default(), "op").await.is_err());
    assert!(world.ledger().create_log(named("new"), "op").await.is_err());
    assert!(world.ledger().upload_plugin(crate::world::wasm("web-access"), "op").await.is_err());
    let used = world.ledger().plugins()[0].digest;
    assert!(world.ledger().delete_plugin(&used, "op").await.is_err());
    assert_eq!(opaque.info(), before);
    assert!(world.ledger().log("new").is_none());
    assert_eq!(world.ledger().plugins().len(), 2);
}

#[tokio::test]
async fn an_entry_and_its_rows_land_together_or_not_at_all() {
    let world = World::new().await;
    let control = world.ledger().open_control().await.unwrap();
    let size = control.tree().head().checkpoint.size;
    let say = || {
        world
            .ledger()
            .record_with(access("tokens.create"), 64, |batch| batch.put(Family::Tokens, *b"t", *b"row"))
    };
    world.faulty.plan_commit(1, CommitFault::Unavailable);
    assert!(say().await.is_err());
    assert_eq!(control.tree().head().checkpoint.size, size);
    assert!(world.row(Family::Tokens, b"t").await.is_none());
    say().await.unwrap();
    assert_eq!(world.row(Family::Tokens, b"t").await.unwrap(), b"row");
    assert_eq!(operations(&control).await, ["tokens.create"]);
}

/// What the tallies of the log `hr` say: hour, received, logged, quarantined, skipped, duplicates.
async fn tallies(world: &World) -> Vec<[u64; 6]> {
    let mut found = Vec::new();
    for index in 0..world.size() {
        let record = world.log().record(index).await.unwrap();
        if record.kind == "tally" {
            assert_eq!(record.source.as_deref(), Some("aws"));
            let counts = ["received", "logged", "quarantined", "skipped", "duplicates"];
            let counts = counts.map(|name| record.event["tally"][name].as_u64().unwrap());
            let [received, logged, quarantined, skipped, duplicates] = counts;
            let hour = (record.received_ms - MORNING_MS) / HOUR_MS;
            found.push([hour, received, logged, quarantined, skipped, duplicates]);
        }
    }
    found
}

#[tokio::test]
async fn a_source_has_a_tally_for_each_hour_in_which_it_sent_something() {
    let world = World::new().await;
    world.send(&records(0..5)).await.unwrap();
    world.send(&[&records(4..7)[..], &["nonsense".to_owned()]].concat()).await.unwrap();
    world.ledger().say_tallies().await;
    world.clock.set(MORNING_MS + HOUR_MS + WAIT_MS - 1);
    world.send(&records(10..12)).await.unwrap();
    world.ledger().say_tallies().await;
    assert_eq!(tallies(&world).await, Vec::<[u64; 6]>::new(), "the hour is not over long enough");
    world.clock.set(MORNING_MS + HOUR_MS + WAIT_MS);
    world.ledger().say_tallies().await;
    assert_eq!(tallies(&world).await, [[0, 9, 7, 1, 0, 1]]);
    world.clock.set(MORNING_MS + 3 * HOUR_MS);
    world.ledger().say_tallies().await;
    world.ledger().say_tallies().await;
    assert_eq!(tallies(&world).await, [[0, 9, 7, 1, 0, 1], [1, 2, 2, 0, 0, 0]]);
    open_everything(&world.log()).await;
}

#[tokio::test]
async fn a_shutdown_keeps_the_counts_of_the_hour_and_writes_no_entry() {
    let mut world = World::new().await;
    world.send(&records(0..5)).await.unwrap();
    let size = world.size();
    world.reopen().await;
    assert_eq!(world.size(), size);
    world.send(&records(5..7)).await.unwrap();
    world.reopen().await;
    world.clock.set(MORNING_MS + 2 * HOUR_MS);
    world.ledger().say_tallies().await;
    assert_eq!(tallies(&world).await, [[0, 7, 7, 0, 0, 0]]);
    world.reopen().await;
    world.ledger().say_tallies().await;
    assert_eq!(tallies(&world).await.len(), 1, "said once");
}

#[tokio::test]
async fn a_tally_that_is_not_taken_is_tried_again() {
    let world = World::new().await;
    world.send(&records(0..5)).await.unwrap();
    world.clock.set(MORNING_MS + 2 * HOUR_MS);
    world.faulty.plan_commit(1, CommitFault::Unavailable);
    world.ledger().say_tallies().await;
    assert!(tallies(&world).await.is_empty());
    world.ledger().say_tallies().await;
    assert_eq!(tallies(&world).await, [[0, 5, 5, 0, 0, 0]]);
}

#[tokio::test]
async fn a_log_that_is_frozen_says_its_last_tally_before() {
    let world = World::new().await;
    world.send(&records(0..5)).await.unwrap();
    world.log().freeze("op").await.unwrap();
    assert_eq!(tallies(&world).await, [[0, 5, 5, 0, 0, 0]]);
    let size = world.size();
    world.clock.set(MORNING_MS + 2 * HOUR_MS);
    world.ledger().say_tallies().await;
    assert_eq!(world.size(), size);
}

/// A source `aws` that makes pseudonyms of users' names under these entities, one after the other.
fn redacting(entity: &str) -> SourceSpec {
    let rules = json!({"rules": [{"path": "actor.user.name", "action": "pseudonymize", "entity": entity}]});
    SourceSpec { redactors: vec![stage("redact-fields", Some(rules))], ..plain("aws-cloudtrail") }
}

async fn found(world: &World, actor: &str, reidentify: bool) -> usize {
    let search = Search { actor: Some(actor.to_owned()), reidentify, ..Search::default() };
    world.log().search(&search, None, 100).await.unwrap().records.len()
}

#[tokio::test]
async fn a_plaintext_finds_its_pseudonyms_under_every_entity_and_only_if_asked_to() {
    let mut world = World::new().await;
    world.upload("redact-fields").await;
    world.send(&records(0..7)).await.unwrap();
    assert_eq!(world.log().alternatives("user-3"), ["user-3"]);
    for (entity, ids) in [("NAME", 7..14), ("USER", 14..21)] {
        world.log().put_source("aws", redacting(entity), "op").await.unwrap();
        assert!(world.row(Family::Sources, &layout::entity_key(1, entity)).await.is_none());
        world.send(&records(ids)).await.unwrap();
        assert!(world.row(Family::Sources, &layout::entity_key(1, entity)).await.is_some());
    }
    for _ in 0..2 {
        let alternatives = world.log().alternatives("user-3");
        assert_eq!(alternatives.len(), 3);
        assert_eq!((found(&world, "user-3", false).await, found(&world, "user-3", true).await), (1, 3));
        assert_eq!(found(&world, &alternatives[1], false).await, 1);
        assert_eq!(found(&world, "nobody", true).await, 0);
        world.reopen().await;
    }
}

#[tokio::test]
async fn an_entity_is_not_known_before_its_first_record_is_durable() {
    let world = World::new().await;
    world.upload("redact-fields").await;
    world.log().put_source("aws", redacting("NAME"), "op").await.unwrap();
    world.faulty.plan_commit(1, CommitFault::Unavailable);
    world.send(&records(0..1)).await.unwrap_err();
    assert_eq!(world.log().alternatives("user-0").len(), 1);
    world.send(&records(0..1)).await.unwrap();
    assert_eq!(world.log().alternatives("user-0").len(), 2);
}
