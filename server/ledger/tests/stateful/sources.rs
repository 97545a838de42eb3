//! Binding sources, and the plugins that they use.

use cairnlog_ledger::{LedgerError, Policy, SourceSpec};
use cairnlog_verify::entry::Digest;
use serde_json::json;

use crate::world::{World, named, open_everything, plain, records, stage};

fn plain_strict() -> SourceSpec {
    let mut strict = plain("aws-cloudtrail");
    strict.normalizer.on_error = Policy::Reject;
    strict
}

#[tokio::test]
async fn a_binding_is_an_entry_once() {
    let mut world = World::new().await;
    let log = world.log();
    // The log, two plugins, the pipeline.
    let kinds = async |world: &World| {
        let mut kinds = Vec::new();
        for index in 0..world.size() {
            kinds.push(world.log().record(index).await.unwrap().kind);
        }
        kinds
    };
    assert_eq!(kinds(&world).await, ["log", "plugin", "plugin", "pipeline"]);
    let bound = log.source("aws").unwrap();
    assert_eq!(bound.pipeline_index, 3);
    let said = log.record(3).await.unwrap();
    assert_eq!(said.event["pipeline"]["nonce"], bound.manifest.nonce);
    assert_eq!(Digest::of(&serde_jcs::to_vec(&said.event["pipeline"]).unwrap()), bound.pipeline);

    let same = log.put_source("aws", plain("aws-cloudtrail"), "op").await.unwrap();
    assert_eq!((same.new, same.pipeline, same.pipeline_index), (false, bound.pipeline, 3));
    let twin = log.put_source("aws-2", plain("aws-cloudtrail"), "op").await.unwrap();
    assert_eq!((twin.new, twin.pipeline, twin.pipeline_index), (true, bound.pipeline, 3));
    assert_eq!(world.size(), 4);

    let changed = log.put_source("aws", plain_strict(), "op").await.unwrap();
    assert_eq!((changed.new, changed.pipeline_index), (false, 4));
    assert_ne!(changed.pipeline, bound.pipeline);
    // Back to what no source is bound to any more: the log knows it still.
    log.put_source("aws-2", plain_strict(), "op").await.unwrap();
    let back = log.put_source("aws-2", plain("aws-cloudtrail"), "op").await.unwrap();
    assert_eq!((back.pipeline, back.pipeline_index, world.size()), (bound.pipeline, 3, 5));
    drop(log);
    world.reopen().await;
    assert_eq!(world.log().source("aws").unwrap().pipeline, changed.pipeline);
    assert_eq!(world.log().source("aws-2").unwrap().pipeline, bound.pipeline);
    let index = world.send(&records(0..1)).await.unwrap().first_index.unwrap();
    assert_eq!(world.log().record(index).await.unwrap().pipeline, Some(changed.pipeline));
    open_everything(&world.log()).await;
}

#[tokio::test]
async fn what_can_not_be_bound_leaves_nothing() {
    let world = World::new().await;
    let log = world.log();
    let size = world.size();
    let mut missing = plain("aws-cloudtrail");
    missing.normalizer = stage("nothing", None);
    assert!(matches!(log.put_source("x", missing, "op").await, Err(LedgerError::NotFound(_))));
    assert!(matches!(
        log.put_source("x", plain("retention-schedule"), "op").await,
        Err(LedgerError::WrongKind(_))
    ));
    let mut refused = plain("aws-cloudtrail");
    refused.retention.config = Some(json!({"rules": []}));
    assert!(matches!(log.put_source("x", refused, "op").await, Err(LedgerError::BadRequest(_))));
    let mut fraction = plain("aws-cloudtrail");
    fraction.retention.config = Some(json!({"rules": [{"class": "default", "when": {"a": [0.5]}}]}));
    assert!(matches!(log.put_source("x", fraction, "op").await, Err(LedgerError::BadRequest(_))));
    let mut misplaced = plain("aws-cloudtrail");
    misplaced.retention.on_error =
        Policy::Fallback { plugin: "aws-cloudtrail@0.1.0".to_owned(), config: None };
    assert!(matches!(log.put_source("x", misplaced, "op").await, Err(LedgerError::BadRequest(_))));
    assert!(matches!(
        log.put_source("No Name", plain("aws-cloudtrail"), "op").await,
        Err(LedgerError::BadRequest(_))
    ));
    assert_eq!((world.size(), log.sources().len()), (size, 1));
}

#[tokio::test]
async fn a_plugin_in_use_stays() {
    let mut world = World::new().await;
    let web = world.upload("web-access").await;
    let (again, new) = world.ledger().upload_plugin(crate::world::wasm("web-access"), "else").await.unwrap();
    assert_eq!((again.uploaded_by.as_str(), new), ("op", false));
    let used = world.log().source("aws").unwrap().manifest.normalizer.plugin;
    assert!(matches!(world.ledger().delete_plugin(&used, "op").await, Err(LedgerError::Conflict(_))));
    world.ledger().delete_plugin(&web.digest, "op").await.unwrap();
    assert!(matches!(world.ledger().delete_plugin(&web.digest, "op").await, Err(LedgerError::NotFound(_))));
    assert!(matches!(world.ledger().plugin_wasm(&web.digest).await, Err(LedgerError::NotFound(_))));
    world.reopen().await;
    assert_eq!(world.ledger().plugins().len(), 2);
    assert_eq!(world.ledger().plugin_wasm(&used).await.unwrap(), crate::world::wasm("aws-cloudtrail"));
}

/// Whichever comes first, a source is never bound to a plugin that is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_and_binding_at_once_end_well() {
    let mut world = World::new().await;
    for round in 0..4 {
        let web = world.upload("web-access").await.digest;
        let log = world.log();
        let source = format!("web-{round}");
        let (bound, deleted) = tokio::join!(
            log.put_source(&source, plain("web-access"), "op"),
            world.ledger().delete_plugin(&web, "op")
        );
        assert!(bound.is_ok() != deleted.is_ok(), "{bound:?} {deleted:?}");
        if bound.is_ok() {
            break;
        }
    }
    // It would refuse to open a source whose plugin is gone.
    world.reopen().await;
}

#[tokio::test]
async fn logs_of_one_server_share_nothing_but_plugins() {
    let mut world = World::new().await;
    world.ledger().create_log(named("it"), "op").await.unwrap();
    assert!(matches!(world.ledger().create_log(named("it"), "op").await, Err(LedgerError::Conflict(_))));
    let it = world.ledger().log("it").unwrap();
    it.put_source("aws", plain("aws-cloudtrail"), "op").await.unwrap();
    world.send(&records(0..10)).await.unwrap();
    let answer = it.ingest(crate::world::request(&records(0..4))).await.unwrap();
    assert_eq!((answer.accepted, answer.first_index), (4, Some(4)));
    drop(it);
    world.reopen().await;
    assert_eq!(open_everything(&world.log()).await.len(), 10);
    assert_eq!(open_everything(&world.ledger().log("it").unwrap()).await.len(), 4);
}
