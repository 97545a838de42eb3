//! Who asks is handed back, once, the salts that the log throws away; they open what the entries commit to.

use std::sync::Arc;

use cairnlog_ledger::{Answer, Ingest, Log, Openings, Status};
use cairnlog_store::{Family, layout};
use cairnlog_verify::entry::Entry;
use cairnlog_verify::field::drop_commitment;
use cairnlog_verify::note::VerifierKey;
use cairnlog_verify::raw::RawInput;
use cairnlog_verify::value::Value;
use serde_json::json;

use crate::world::{MORNING_MS, World, keyed, plain, record, records, request, stage};

/// A world whose source masks names and then drops addresses.
async fn redacting() -> (World, Arc<Log>) {
    let world = World::new().await;
    world.upload("redact-fields").await;
    let redactor = |path: &str, action: &str| {
        stage("redact-fields", Some(json!({"rules": [{"path": path, "action": action, "entity": "X"}]})))
    };
    let mut spec = plain("aws-cloudtrail");
    spec.redactors = vec![redactor("actor.user.name", "mask"), redactor("src_endpoint.ip", "drop")];
    let log = world.log();
    log.put_source("aws", spec, "op").await.unwrap();
    (world, log)
}

async fn ask(world: &World, ingest: Ingest) -> Answer {
    world.log().ingest(Ingest { openings: true, ..ingest }).await.unwrap()
}

/// The raw commitment of an entry, from its row.
async fn committed(world: &World, index: u64) -> cairnlog_verify::Hash {
    let entry = world.row(Family::Entries, &layout::entry_key(1, index)).await.unwrap();
    *Entry::parse(&entry).unwrap().raw().unwrap()
}

fn recomputed(openings: &Openings, body: &str) -> cairnlog_verify::Hash {
    let input = RawInput {
        received_ms: openings.received_ms,
        source: "aws",
        content_type: &openings.content_type,
        attributes: &[],
        body: body.as_bytes(),
    };
    input.commit(&openings.raw_salt)
}

#[tokio::test]
async fn a_dropped_value_and_its_salt_give_what_a_disclosure_shows() {
    let (world, log) = redacting().await;
    let keys: Vec<VerifierKey> = log.info().verifier_keys.iter().map(|key| key.parse().unwrap()).collect();
    let sent = records(0..3);
    let answer = ask(&world, request(&sent)).await;
    for (row, body) in answer.results.iter().zip(&sent) {
        let openings = row.openings.as_ref().unwrap();
        assert_eq!((openings.received_ms, openings.content_type.as_str()), (MORNING_MS, "application/json"));
        let index = row.index.unwrap();
        assert_eq!(recomputed(openings, body), committed(&world, index).await);
        let [opening] = openings.events[0].as_slice() else { panic!("{:?}", openings.events) };
        assert_eq!((openings.events.len(), opening.path.as_str()), (1, "src_endpoint.ip"));
        let expected = drop_commitment(&opening.salt, &Value::Text("192.0.2.1".to_owned()));
        let disclosure = log.disclose(index, vec![opening.path.clone()], false).await.unwrap();
        assert_eq!(disclosure.verify(&keys, None).unwrap().fields[0].value, Value::Dropped(expected));
    }
}

#[tokio::test]
async fn every_event_of_a_raw_record_has_its_own() {
    let (world, _) = redacting().await;
    let event = |id, user| -> serde_json::Value {
        serde_json::from_str(&record(id, user, "2026-11-23T08:00:00Z")).unwrap()
    };
    let file = json!({"Records": [event("a", "ann"), event("b", "bob")]}).to_string();
    let answer = ask(&world, request(std::slice::from_ref(&file))).await;
    let (row, openings) = (&answer.results[0], answer.results[0].openings.as_ref().unwrap());
    assert_eq!((row.events, openings.events.len()), (Some(2), 2));
    let [[first], [second]] = [openings.events[0].as_slice(), openings.events[1].as_slice()] else {
        panic!()
    };
    assert_ne!(first.salt, second.salt);
    for index in [row.index.unwrap(), row.index.unwrap() + 1] {
        assert_eq!(recomputed(openings, &file), committed(&world, index).await);
    }
}

#[tokio::test]
async fn what_was_quarantined_has_its_raw_salt_and_what_was_not_kept_nothing() {
    let world = World::new().await;
    let sent = [records(0..1), vec!["broken".to_owned()], records(0..1)].concat();
    let answer = ask(&world, request(&sent)).await;
    let fates: Vec<Status> = answer.results.iter().map(|row| row.status).collect();
    assert_eq!(fates, [Status::Logged, Status::Quarantined, Status::Duplicate]);
    assert_eq!(answer.results[0].openings.as_ref().unwrap().events, [vec![]], "nothing was dropped");
    let row = &answer.results[1];
    let openings = row.openings.as_ref().unwrap();
    assert!(openings.events.is_empty());
    assert_eq!(recomputed(openings, "broken"), committed(&world, row.index.unwrap()).await);
    assert_eq!(answer.results[2].openings, None);
}

#[tokio::test]
async fn they_are_handed_back_to_who_asks_and_once() {
    let (world, log) = redacting().await;
    let unasked = log.ingest(request(&records(0..2))).await.unwrap();
    assert!(unasked.results.iter().all(|row| row.openings.is_none()));
    let first = ask(&world, keyed("key", &records(2..4))).await;
    assert!(first.results.iter().all(|row| row.openings.is_some()));
    let again = ask(&world, keyed("key", &records(2..4))).await;
    assert!(again.results.iter().all(|row| row.openings.is_none()));
    let without = |mut answer: Answer| {
        answer.results.iter_mut().for_each(|row| row.openings = None);
        answer
    };
    assert_eq!(again, without(first.clone()));
    // Nowhere in the store.
    let opened: Vec<[u8; 32]> = first
        .results
        .iter()
        .filter_map(|row| row.openings.as_ref())
        .flat_map(|openings| {
            openings.events.iter().flatten().map(|opening| *opening.salt).chain([*openings.raw_salt])
        })
        .collect();
    assert_eq!(opened.len(), 4);
    for family in Family::ALL {
        for (_, row) in world.rows(family).await {
            assert!(!opened.iter().any(|salt| row.windows(32).any(|bytes| bytes == salt)), "{family:?}");
        }
    }
    assert!(!format!("{first:?}").contains("salt"));
}

#[tokio::test]
async fn a_request_of_too_many_is_refused_and_keeps_nothing() {
    let world = World::new().await;
    world.upload("redact-fields").await;
    let rules = json!({"rules": [{"path": "unmapped.**", "action": "drop", "entity": "X"}]});
    let mut spec = plain("aws-cloudtrail");
    spec.redactors = vec![stage("redact-fields", Some(rules))];
    world.log().put_source("aws", spec, "op").await.unwrap();
    // Each of them drops 1,900 values, whose openings take some 210,000 bytes.
    let long = |id: u32| {
        let mut event: serde_json::Value =
            serde_json::from_str(&record(&format!("id-{id}"), "ann", "2026-11-23T08:00:00Z")).unwrap();
        let members = (0..1_900).map(|number| (format!("{number}-{}", "x".repeat(24)), json!(true)));
        event["extra"] = serde_json::Value::Object(members.collect());
        event.to_string()
    };
    let sent: Vec<String> = (0..90).map(long).collect();
    let before = world.size();
    let asked = Ingest { openings: true, ..request(&sent) };
    let refused = world.log().ingest(asked).await.unwrap_err();
    assert!(matches!(refused, cairnlog_ledger::LedgerError::TooLarge), "{refused}");
    assert_eq!(world.size(), before);
    assert_eq!(world.send(&sent).await.unwrap().accepted, 90, "unasked it is taken");
}
