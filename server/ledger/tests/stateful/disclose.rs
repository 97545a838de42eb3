//! What is disclosed proves itself, whatever the entry and the fields.

use std::sync::Arc;

use cairnlog_ledger::{Class, LedgerError, Log, Target, Trigger};
use cairnlog_verify::disclosure::{Disclosure, Raw};
use cairnlog_verify::event::Event;
use cairnlog_verify::note::VerifierKey;
use cairnlog_verify::value::Value;
use serde_json::json;

use crate::world::{World, plain, record, records, stage};

const TYPES: [&str; 3] = ["application/json", "text/plain", "application/octet-stream"];

fn keys(log: &Log) -> Vec<VerifierKey> {
    log.info().verifier_keys.iter().map(|key| key.parse().unwrap()).collect()
}

fn owned(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

/// The paths of an entry's event.
async fn paths(log: &Log, index: u64) -> Vec<String> {
    let event = log.record(index).await.unwrap().event;
    Event::flatten(&event).unwrap().into_iter().map(|attribute| attribute.path).collect()
}

/// A world whose source drops addresses and masks names.
async fn redacting() -> (World, Arc<Log>) {
    let world = World::new().await;
    world.upload("redact-fields").await;
    let rules = json!({"rules": [
        {"path": "src_endpoint.ip", "action": "drop", "entity": "IP_ADDRESS"},
        {"path": "actor.user.name", "action": "mask", "entity": "USER"},
    ]});
    let mut spec = plain("aws-cloudtrail");
    spec.redactors = vec![stage("redact-fields", Some(rules))];
    let log = world.log();
    log.put_source("aws", spec, "op").await.unwrap();
    (world, log)
}

#[tokio::test]
async fn any_fields_of_any_entry_prove_themselves() {
    let world = World::new().await;
    world.send(&records(0..3)).await.unwrap();
    world.send(&["broken".to_owned()]).await.unwrap();
    let log = world.log();
    for index in 0..world.size() {
        let all = paths(&log, index).await;
        for step in [1, 2, 7] {
            let chosen: Vec<String> =
                all.iter().rev().step_by(step).cloned().chain(["$received".to_owned()]).collect();
            let disclosure = log.disclose(index, chosen.clone(), false).await.unwrap();
            let read = Disclosure::parse(&disclosure.to_string()).unwrap();
            let verified = read.verify(&keys(&log), None).unwrap();
            assert_eq!((verified.index, verified.checkpoint.size), (index, world.size()));
            assert_eq!(verified.leaf_hash, log.record(index).await.unwrap().leaf_hash);
            assert_eq!(verified.fields.len(), chosen.len());
            assert!(verified.fields.iter().all(|field| chosen.contains(&field.path)));
            assert!(verified.raw == Raw::Hidden);
        }
    }
}

#[tokio::test]
async fn what_was_dropped_is_disclosed_as_dropped_and_what_was_masked_as_masked() {
    let (world, log) = redacting().await;
    let index = world.send(&records(0..1)).await.unwrap().first_index.unwrap();
    let disclosure =
        log.disclose(index, owned(&["src_endpoint.ip", "actor.user.name"]), false).await.unwrap();
    let verified = disclosure.verify(&keys(&log), None).unwrap();
    let [name, ip] = verified.fields.as_slice() else { panic!("{verified:?}") };
    assert_eq!((name.path.as_str(), &name.value), ("actor.user.name", &Value::Text("[USER]".to_owned())));
    assert!(matches!(ip.value, Value::Dropped(_)));
    assert!(!disclosure.to_string().contains("192.0.2.1"));
}

#[tokio::test]
async fn a_raw_record_from_which_nothing_was_taken_is_opened_by_who_has_its_bytes() {
    let world = World::new().await;
    let sent = records(0..1);
    let index = world.send(&sent).await.unwrap().first_index.unwrap();
    let log = world.log();
    for fields in [vec![], owned(&["time"]), owned(&["$received", "time"])] {
        let mut disclosure = log.disclose(index, fields, true).await.unwrap();
        assert!(disclosure.raw.as_ref().unwrap().input.is_none());
        assert!(disclosure.verify(&keys(&log), None).unwrap().raw == Raw::SaltAlone);
        assert!(disclosure.complete_raw(&TYPES, b"something else").is_err());
        disclosure.complete_raw(&TYPES, sent[0].as_bytes()).unwrap();
        let Raw::Proven(input) = disclosure.verify(&keys(&log), None).unwrap().raw else {
            panic!("no input")
        };
        assert!(input.ends_with(sent[0].as_bytes()));
    }
}

#[tokio::test]
async fn a_raw_record_is_not_opened_where_that_would_tell_what_is_not_kept() {
    let (world, log) = redacting().await;
    let two = json!({"Records": [
        serde_json::from_str::<serde_json::Value>(&record("a", "ann", "2026-11-23T08:00:00Z")).unwrap(),
        serde_json::from_str::<serde_json::Value>(&record("b", "bob", "2026-11-23T08:00:00Z")).unwrap(),
    ]});
    let redacted = world.send(&records(0..1)).await.unwrap().first_index.unwrap();
    log.put_source("aws", plain("aws-cloudtrail"), "op").await.unwrap();
    let parts = world.send(&[two.to_string()]).await.unwrap().first_index.unwrap();
    let quarantined = world.send(&["broken".to_owned()]).await.unwrap().first_index.unwrap();
    for (index, words) in [
        (redacted, "something was taken"),
        (parts, "several records"),
        (parts + 1, "several records"),
        (quarantined, "quarantined"),
        (0, "kind log"),
    ] {
        let refused = log.disclose(index, owned(&["$received"]), true).await.unwrap_err();
        let LedgerError::Conflict(said) = refused else { panic!("{refused}") };
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_disclosed() {
    let world = World::new().await;
    let index = world.send(&records(0..1)).await.unwrap().first_index.unwrap();
    let log = world.log();
    for path in ["actor", "actor.user.names", "", "$", "no path", "time.x"] {
        let refused = log.disclose(index, owned(&["time", path]), false).await.unwrap_err();
        let LedgerError::NotFound(said) = refused else { panic!("{refused}") };
        assert!(said.ends_with("fields[1]"), "{said}");
    }
    for paths in [vec![], owned(&["time", "time"]), vec!["x".to_owned(); 4_161]] {
        let refused = log.disclose(index, paths, false).await.unwrap_err();
        assert!(matches!(refused, LedgerError::BadRequest(_)), "{refused}");
    }
    let beyond = log.disclose(world.size(), owned(&["time"]), false).await.unwrap_err();
    assert!(matches!(beyond, LedgerError::NotFound(_)), "{beyond}");
}

#[tokio::test]
async fn what_was_erased_is_not_disclosed_and_what_was_disclosed_before_still_verifies() {
    let world = World::new().await;
    let log = world.log();
    let class = Class {
        trigger: Trigger::Received,
        minimum_days: 0,
        maximum_days: None,
        zone: None,
        basis: "a rule".to_owned(),
    };
    log.put_class("default", class, "compliance").await.unwrap();
    let index = world.send(&records(0..1)).await.unwrap().first_index.unwrap();
    let before = log.disclose(index, owned(&["actor.user.name"]), false).await.unwrap();
    log.erase_on_request(&Target::Index(index), "she asked", "dpo", None).await.unwrap();
    let refused = log.disclose(index, owned(&["actor.user.name"]), false).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Erased(_)), "{refused}");
    assert!(before.verify(&keys(&log), None).is_ok());
    let erasure = log.disclose(world.size() - 1, owned(&["$received"]), false).await.unwrap();
    assert_eq!(erasure.verify(&keys(&log), None).unwrap().entry.kind(), "erasure");
}
