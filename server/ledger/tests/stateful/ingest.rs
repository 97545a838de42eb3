//! What was sent is what is read.

use cairnlog_host::{Host, HostLimits, Outcome, RawRecord};
use cairnlog_ledger::{LedgerError, Status};
use cairnlog_verify::tree::leaf_hash;
use serde_json::{Value as Json, json};

use crate::world::{self, World, plain, record, records, request, stage, wasm};

/// The events of raw records, as the plugin alone gives them.
fn normalized(records: &[String]) -> Vec<Json> {
    let host = Host::new(HostLimits::default()).unwrap();
    let plugin = host.load(&wasm("aws-cloudtrail")).unwrap().unwrap();
    let stage = host.configure(&plugin, "{}").unwrap().unwrap();
    let raw = |body: &'_ String| body.clone().into_bytes();
    let bodies: Vec<Vec<u8>> = records.iter().map(raw).collect();
    let batch: Vec<RawRecord<'_>> = bodies
        .iter()
        .map(|body| RawRecord {
            received_ms: world::MORNING_MS,
            source: "aws",
            content_type: "application/json",
            attributes: &[],
            body,
        })
        .collect();
    let outcomes = host.normalize(&stage, &batch).unwrap().results;
    let events = outcomes.into_iter().flat_map(|outcome| match outcome.unwrap() {
        Outcome::Events(events) => events,
        Outcome::Skip(why) | Outcome::Reject(why) => panic!("{why}"),
    });
    events.map(|event| event.to_json()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_record_reads_back_as_its_plugin_made_it() {
    let mut world = World::new().await;
    // More than a chunk, and a file of several events.
    let mut sent = records(0..600);
    let file: Vec<Json> = records(600..604).iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    sent.push(json!({"Records": file}).to_string());
    let before = world.size();
    let answer = world.send(&sent).await.unwrap();
    assert_eq!((answer.accepted, answer.quarantined, answer.duplicates, answer.skipped), (601, 0, 0, 0));
    assert_eq!((answer.first_index, answer.last_index), (Some(before), Some(before + 603)));
    assert_eq!(answer.tree_size, before + 604);
    assert_eq!(answer.results[600].events, Some(4));

    let expected = normalized(&sent);
    for reopened in [false, true] {
        if reopened {
            world.reopen().await;
        }
        let log = world.log();
        for row in &answer.results {
            let index = row.index.unwrap();
            let entry = log.tree().entry(index).await.unwrap().unwrap();
            assert_eq!(row.leaf_hash, Some(leaf_hash(&entry)));
            for part in 0..u64::from(row.events.unwrap()) {
                let read = log.record(index + part).await.unwrap();
                let place = usize::try_from(index + part - before).unwrap();
                assert_eq!(read.event, expected[place]);
                assert_eq!((read.kind, read.source.as_deref()), ("record", Some("aws")));
                assert_eq!(read.received_ms, world::MORNING_MS);
                let kept = read.retention.unwrap();
                assert_eq!((kept.class.as_str(), kept.rule.as_str()), ("default", "rules[0]"));
                assert_eq!(kept.maximum_until_ms, Some(world::MORNING_MS + 365 * world::DAY_MS));
            }
        }
    }
}

#[tokio::test]
async fn what_is_redacted_is_nowhere_and_the_rest_is_as_it_was() {
    let world = World::new().await;
    world.upload("redact-fields").await;
    let rules = json!({"rules": [
        {"path": "actor.user.name", "action": "pseudonymize", "entity": "USER"},
        {"path": "http_request.user_agent", "action": "drop", "entity": "AGENT"},
    ]});
    let mut spec = plain("aws-cloudtrail");
    spec.redactors.push(stage("redact-fields", Some(rules)));
    world.log().put_source("aws", spec, "op").await.unwrap();
    let sent = vec![record("id-1", "greta.lindholm", "2026-11-23T08:59:58Z")];
    let index = world.send(&sent).await.unwrap().first_index.unwrap();

    let read = world.log().record(index).await.unwrap();
    let text = read.event.to_string();
    assert!(!text.contains("greta.lindholm") && !text.contains("aws-cli"), "{text}");
    let token = read.event["actor"]["user"]["name"].as_str().unwrap();
    assert!(token.starts_with("tok1_"), "{token}");
    let mut expected = normalized(&sent).remove(0);
    expected["actor"]["user"]["name"] = token.into();
    let arn = expected["actor"]["user"]["uid"].as_str().unwrap().replace("greta.lindholm", token);
    expected["actor"]["user"]["uid"] = arn.into();
    expected["http_request"].as_object_mut().unwrap().remove("user_agent");
    let same = |event: &Json| {
        let mut event = event.clone();
        // An object that lost all its members may be there or not.
        event.as_object_mut().unwrap().retain(|_, value| *value != json!({}));
        event
    };
    assert_eq!(same(&read.event), same(&expected));
    let actions: Vec<_> =
        read.redactions.iter().map(|note| (note.path.as_str(), note.action.as_str())).collect();
    assert!(actions.contains(&("actor.user.name", "pseudonymize")), "{actions:?}");
    assert!(actions.contains(&("http_request.user_agent", "drop")), "{actions:?}");
    // Neither does anything on the way out quote it.
    assert!(!format!("{read:?}").contains("tok1_"));
}

#[tokio::test]
async fn an_unknown_source_and_an_empty_record() {
    let world = World::new().await;
    let mut unknown = request(&records(0..1));
    unknown.source = "okta".to_owned();
    assert!(matches!(world.log().ingest(unknown).await, Err(LedgerError::NotFound(_))));
    let before = world.size();
    let answer = world.send(&[" ".to_owned()]).await.unwrap();
    assert_eq!((answer.skipped, answer.results[0].status), (1, Status::Skipped));
    assert_eq!(answer.results[0].reason.as_deref(), Some("an empty record"));
    assert_eq!((answer.first_index, answer.tree_size, world.size()), (None, before, before));
}

#[tokio::test]
async fn a_new_class_rule_counts_for_what_comes_after_it() {
    let world = World::new().await;
    let first = world.send(&records(0..1)).await.unwrap().first_index.unwrap();
    let class = cairnlog_ledger::Class {
        maximum_days: Some(900),
        zone: None,
        basis: "a new rule".to_owned(),
        ..world.log().class("default").unwrap()
    };
    assert!(!world.log().put_class("default", class.clone(), "compliance").await.unwrap());
    let second = world.send(&records(1..2)).await.unwrap().first_index.unwrap();
    let until = async |index| world.log().record(index).await.unwrap().retention.unwrap().maximum_until_ms;
    assert_eq!(until(first).await, Some(world::MORNING_MS + 365 * world::DAY_MS));
    assert_eq!(until(second).await, Some(world::MORNING_MS + 900 * world::DAY_MS));
    for bad in ["", "Default", "no-retention-class"] {
        assert!(matches!(
            world.log().put_class(bad, class.clone(), "compliance").await,
            Err(LedgerError::BadRequest(_))
        ));
    }
}
