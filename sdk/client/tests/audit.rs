//! Audits and verified reads over HTTP: good, tampered, incomplete, cannot tell.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::atomic::{AtomicU32, Ordering};

use cairnlog_client::audit::{Audit, Fault, Progress, Verdict};
use cairnlog_client::{Error, TileLog, VerificationError, Verifier};
use cairnlog_verify::note::{SigningKey, sign};
use cairnlog_verify::proof::Plan;
use cairnlog_verify::receipt::Receipt;
use cairnlog_verify::tile::Tile;
use cairnlog_verify::tree::leaf_hash;
use support::{Reply, Server, TestLog, entry, signing_key};

fn verifier(server: &Server) -> Verifier {
    let log = TileLog::new(&server.log_prefix(), None).unwrap();
    Verifier::new(log, signing_key().verifier_key().clone())
}

async fn audited(log: &TestLog) -> (Audit, Vec<Progress>) {
    let server = log.serve().await;
    let mut reports = Vec::new();
    let audit = verifier(&server).audit(&log.checkpoint, |progress| reports.push(progress)).await;
    (audit, reports)
}

#[tokio::test]
async fn a_good_log_is_downloaded_whole_and_found_good() {
    let log = TestLog::new(1500);
    let (audit, reports) = audited(&log).await;
    assert!(matches!(audit.verdict, Verdict::Good), "{:?}", audit.verdict);
    let bytes: usize = log.files.values().map(Vec::len).sum();
    let whole = Progress { entries_total: 1500, entries: 1500, tiles: 7, bytes: bytes as u64 };
    assert_eq!(audit.progress, whole);
    assert_eq!(reports.last(), Some(&whole));
    let entries: Vec<u64> = reports.iter().map(|p| p.entries).collect();
    assert_eq!(entries, [256, 512, 768, 1024, 1280, 1500, 1500]);
}

#[tokio::test]
async fn a_tampered_record_is_named() {
    let mut log = TestLog::new(1500);
    let bundle = log.file("tile/entries/002");
    let last = bundle.len() - 1;
    bundle[last] ^= 1;
    let (audit, _) = audited(&log).await;
    assert!(matches!(audit.verdict, Verdict::Tampered(Fault::Record { index: 767 })), "{:?}", audit.verdict);
}

#[tokio::test]
async fn a_missing_bundle_or_tile_makes_a_log_incomplete() {
    for path in ["tile/entries/003", "tile/0/004", "tile/1/000.p/5", "tile/0/005.p/220"] {
        let mut log = TestLog::new(1500);
        log.files.remove(path);
        let (audit, _) = audited(&log).await;
        match audit.verdict {
            Verdict::Incomplete { resource } => assert_eq!(resource, path),
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn tampering_outweighs_what_is_missing() {
    let mut log = TestLog::new(1500);
    log.file("tile/0/001")[5] ^= 1;
    log.files.remove("tile/entries/003");
    let (audit, _) = audited(&log).await;
    match audit.verdict {
        Verdict::Tampered(Fault::Disagree(difference)) => {
            assert_eq!(difference.entries(), 256..257);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_tile_longer_than_any_tile_is_malformed() {
    let mut log = TestLog::new(300);
    log.file("tile/0/000").extend_from_slice(&[0; 32]);
    let (audit, _) = audited(&log).await;
    match audit.verdict {
        Verdict::Tampered(Fault::Malformed { path, .. }) => assert_eq!(path, "tile/0/000"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_failing_server_proves_nothing() {
    let server = Server::start(|_| Reply::problem(500, "internal")).await;
    let log = TestLog::new(300);
    let audit = verifier(&server).audit(&log.checkpoint, |_| ()).await;
    match audit.verdict {
        Verdict::CannotTell(error) => assert_eq!(error.slug(), Some("internal")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let log = TestLog::new(3);
    let files = log.files.clone();
    let refusals = AtomicU32::new(2);
    let server = Server::start(move |request| {
        let left = refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        match left {
            Ok(_) => Reply::new(503, &[("retry-after", "0")], ""),
            Err(_) => Reply::ok(&files[request.path.strip_prefix("/logs/hr/").unwrap()]),
        }
    })
    .await;
    let audit = verifier(&server).audit(&log.checkpoint, |_| ()).await;
    assert!(matches!(audit.verdict, Verdict::Good), "{:?}", audit.verdict);
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn partial_tiles_and_bundles_are_cut_from_full_ones_where_they_are_gone() {
    let old = TestLog::new(600);
    let new = TestLog::new(1500);
    let server = new.serve().await;
    let audit = verifier(&server).audit(&old.checkpoint, |_| ()).await;
    // tile/1/000.p/2 has no full tile behind it here: 1,500 entries do not fill one.
    match audit.verdict {
        Verdict::Incomplete { resource } => assert_eq!(resource, "tile/1/000.p/2"),
        other => panic!("{other:?}"),
    }
    assert_eq!(audit.progress.entries, 600);
}

#[tokio::test]
async fn a_checkpoint_is_believed_only_with_the_logs_signature() {
    let log = TestLog::new(5);
    let server = log.serve().await;
    let signed = verifier(&server).checkpoint().await.unwrap();
    assert_eq!(signed.checkpoint, log.checkpoint);
    assert_eq!(signed.note, log.note());

    let other = SigningKey::ed25519("log.example/other", [8; 32]).unwrap();
    let stranger =
        Verifier::new(TileLog::new(&server.log_prefix(), None).unwrap(), other.verifier_key().clone());
    let error = stranger.checkpoint().await.unwrap_err();
    assert!(matches!(error, Error::Verification(VerificationError::Checkpoint(_))));
}

#[tokio::test]
async fn a_log_without_a_checkpoint_is_missing_it() {
    let server = Server::start(|_| Reply::problem(404, "not-found")).await;
    let error = verifier(&server).checkpoint().await.unwrap_err();
    assert!(matches!(error, Error::Missing { resource } if resource == "checkpoint"));
}

#[tokio::test]
async fn consistency_is_checked_from_tiles() {
    let (old, new) = (TestLog::new(300), TestLog::new(1500));
    let server = new.serve().await;
    let verifier = verifier(&server);
    for size in [0, 1, 256, 300, 1499, 1500] {
        let old = TestLog::new(size).checkpoint;
        verifier.check_consistency(&old, &new.checkpoint).await.unwrap();
    }

    let mut forked = old.checkpoint.clone();
    forked.root.0[0] ^= 1;
    let fork = verifier.check_consistency(&forked, &new.checkpoint).await;
    assert!(matches!(fork, Err(Error::Verification(VerificationError::Proof(_)))));
    let shrunk = verifier.check_consistency(&new.checkpoint, &old.checkpoint).await;
    assert!(matches!(shrunk, Err(Error::Verification(VerificationError::Shrank { old: 1500, new: 300 }))));
    forked.origin = "log.example/other".to_owned();
    let other = verifier.check_consistency(&forked, &new.checkpoint).await;
    assert!(matches!(other, Err(Error::Verification(VerificationError::OtherLog))));
}

#[tokio::test]
async fn inclusion_is_checked_from_tiles() {
    let log = TestLog::new(700);
    let server = log.serve().await;
    let verifier = verifier(&server);
    let leaf = leaf_hash(&entry(513));
    verifier.check_inclusion(513, &leaf, &log.checkpoint).await.unwrap();
    let elsewhere = verifier.check_inclusion(512, &leaf, &log.checkpoint).await;
    assert!(matches!(elsewhere, Err(Error::Verification(_))));
    let beyond = verifier.check_inclusion(700, &leaf, &log.checkpoint).await;
    assert!(matches!(beyond, Err(Error::Verification(_))));
}

#[tokio::test]
async fn a_receipt_is_checked_by_the_logs_key() {
    let log = TestLog::new(700);
    let tiles: std::collections::BTreeMap<Tile, Vec<u8>> =
        Tile::for_size(700).map(|tile| (tile, log.files[&tile.path()].clone())).collect();
    let receipt = Receipt {
        extra: Some(entry(513)),
        index: 513,
        hashes: Plan::inclusion(513, 700).unwrap().evaluate(&tiles).unwrap(),
        checkpoint: log.note(),
    };
    let server = log.serve().await;
    let verifier = verifier(&server);
    let proved = verifier.receipt(&receipt.to_string(), None).unwrap();
    assert_eq!((proved.index, proved.entry), (513, entry(513)));
    assert!(verifier.receipt(&receipt.to_string(), Some(b"else")).is_err());

    let key = SigningKey::ed25519(support::ORIGIN, [9; 32]).unwrap();
    let checkpoint = sign(&log.checkpoint.to_text(), &[&key], 0).unwrap();
    let forged = Receipt { checkpoint, ..receipt };
    assert!(matches!(verifier.receipt(&forged.to_string(), None), Err(VerificationError::Receipt(_))));
}
