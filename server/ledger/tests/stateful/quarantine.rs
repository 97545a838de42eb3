//! What no pipeline could process is kept sealed, says why, and opens to the very bytes.

use bytes::Bytes;
use cairnlog_ledger::limits::RECORD_BYTES_DEFAULT;
use cairnlog_ledger::wrap::{Page, Quarantined, open_quarantined, page_of};
use cairnlog_ledger::{LedgerError, Policy, Status};
use cairnlog_store::secrets::{KekSources, LogKeys};
use cairnlog_store::{Family, layout};
use cairnlog_verify::entry::{Body, Entry};
use cairnlog_verify::raw::RawInput;
use cairnlog_verify::tree::leaf_hash;
use serde_json::json;

use crate::world::{MORNING_MS, World, open_everything, plain, record, records, request, stage};

const LOG: u32 = 1;

/// A quarantined raw record, opened as an operator with the keys would, and its entry.
async fn opened(world: &World, index: u64) -> (Quarantined, Entry) {
    let origin = world.log().info().origin;
    let keys = LogKeys::open(&world.dir.path().join("keys/hr"), &origin, &KekSources::default()).unwrap();
    let entry = world.row(Family::Entries, &layout::entry_key(LOG, index)).await.unwrap();
    let key = world.row(Family::Keys, &layout::record_key_key(LOG, index)).await.unwrap();
    let sealed = world.row(Family::Quarantine, &layout::quarantine_key(LOG, index)).await.unwrap();
    let (id, leaf) = (page_of(&key).unwrap(), leaf_hash(&entry));
    let record_key = Page::new(id, keys.page(id).unwrap().as_bytes()).unwrap(&origin, &leaf, &key).unwrap();
    (open_quarantined(&record_key, &origin, &leaf, &sealed).unwrap(), Entry::parse(&entry).unwrap())
}

#[tokio::test]
async fn a_bad_line_among_good_ones_is_kept_as_it_came() {
    let world = World::new().await;
    let mut sent = records(0..3);
    sent.insert(1, "{\"user\": \"greta\", broken".to_owned());
    let answer = world.send(&sent).await.unwrap();
    assert_eq!((answer.accepted, answer.quarantined), (3, 1));
    let row = &answer.results[1];
    assert_eq!(row.status, Status::Quarantined);
    assert!(row.reason.as_ref().unwrap().starts_with("rejected"), "{:?}", row.reason);
    let index = row.index.unwrap();
    assert_eq!(index, answer.first_index.unwrap() + 1);

    let said = world.log().record(index).await.unwrap();
    assert_eq!((said.kind, said.source.as_deref()), ("quarantine", Some("aws")));
    assert_eq!(said.event["quarantine"]["reason"], "rejected");
    assert_eq!(said.event["quarantine"]["size"], sent[1].len());

    let (raw, entry) = opened(&world, index).await;
    let input = RawInput {
        received_ms: MORNING_MS,
        source: "aws",
        content_type: "application/json",
        attributes: &[],
        body: sent[1].as_bytes(),
    };
    assert_eq!(raw.input, input.encode());
    let Body::Quarantine { raw: commitment, .. } = entry.body else { panic!("{}", entry.kind()) };
    assert_eq!(commitment, input.commit(&raw.salt));
    let public = String::from_utf8(entry.write()).unwrap();
    assert!(!public.contains("greta") && !public.contains("rejected"), "{public}");
}

#[tokio::test]
async fn an_outsized_record_is_quarantined_and_its_neighbours_are_not() {
    let world = World::new().await;
    let mut ingest = request(&records(0..2));
    let outsized = Bytes::from(vec![b'x'; RECORD_BYTES_DEFAULT + 1]);
    ingest.records.insert(1, outsized.clone());
    let answer = world.log().ingest(ingest).await.unwrap();
    assert_eq!((answer.accepted, answer.quarantined), (2, 1));
    assert!(answer.results[1].reason.as_ref().unwrap().starts_with("too-large"));
    let (raw, _) = opened(&world, answer.results[1].index.unwrap()).await;
    assert!(raw.input.ends_with(&outsized));
}

#[tokio::test]
async fn a_record_of_no_class_is_quarantined_whole() {
    let world = World::new().await;
    let mut spec = plain("aws-cloudtrail");
    let rules = json!({"rules": [
        {"class": "nowhere", "when": {"actor.user.name": ["eve"]}},
        {"class": "default"},
    ]});
    spec.retention = stage("retention-schedule", Some(rules));
    world.log().put_source("aws", spec, "op").await.unwrap();
    let event =
        |id, user| serde_json::from_str::<serde_json::Value>(&record(id, user, "2026-11-23T08:00:00Z"));
    let file = json!({"Records": [event("a", "ann").unwrap(), event("b", "eve").unwrap()]}).to_string();
    let good = record("c", "ann", "2026-11-23T08:00:00Z");
    let answer = world.send(&[file.clone(), good, file]).await.unwrap();
    assert_eq!((answer.accepted, answer.quarantined, answer.duplicates), (1, 2, 0));
    assert!(answer.results[0].reason.as_ref().unwrap().starts_with("no-retention-class"));
    assert_eq!(answer.results[2], answer.results[0], "the same again is kept once, and was not logged");
    assert_eq!(answer.last_index, answer.first_index.map(|first| first + 1));
    let ids: Vec<String> = open_everything(&world.log()).await.into_iter().map(|(_, id)| id).collect();
    assert_eq!(ids, ["c"], "no part of the file was logged");
}

#[tokio::test]
async fn a_source_that_rejects_keeps_nothing_of_the_request() {
    let world = World::new().await;
    let mut spec = plain("aws-cloudtrail");
    spec.normalizer.on_error = Policy::Reject;
    world.log().put_source("aws", spec, "op").await.unwrap();
    let before = world.size();
    let seen = world.rows(Family::Seen).await;
    let mut sent = records(0..300);
    sent[299] = "broken".to_owned();
    assert!(matches!(world.send(&sent).await, Err(LedgerError::Rejected { .. })));
    assert_eq!(world.size(), before);
    assert_eq!(world.rows(Family::Seen).await, seen);
    assert!(world.rows(Family::Quarantine).await.is_empty());
    // What was good in it is not taken for a duplicate.
    assert_eq!(world.send(&sent[..299]).await.unwrap().accepted, 299);
}

#[tokio::test]
async fn a_second_normalizer_tries_what_the_first_can_not() {
    let world = World::new().await;
    world.upload("web-access").await;
    let mut spec = plain("aws-cloudtrail");
    spec.normalizer.on_error = Policy::Fallback { plugin: "web-access@0.1.0".to_owned(), config: None };
    world.log().put_source("aws", spec, "op").await.unwrap();
    let line =
        r#"198.51.100.4 - - [09/Mar/2026:00:00:07 +0100] "GET /healthz HTTP/1.1" 200 2 "-" "probe/1.32""#;
    let sent = [record("a", "ann", "2026-11-23T08:00:00Z"), line.to_owned(), "neither".to_owned()];
    let answer = world.send(&sent).await.unwrap();
    let fates: Vec<Status> = answer.results.iter().map(|row| row.status).collect();
    assert_eq!(fates, [Status::Logged, Status::Logged, Status::Quarantined]);
    let web = world.log().record(answer.results[1].index.unwrap()).await.unwrap();
    assert_eq!(web.event["src_endpoint"]["ip"], "198.51.100.4");
}
