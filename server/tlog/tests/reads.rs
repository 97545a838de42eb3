//! Reads of every size that was ever published, against a naive model.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use cairnlog_store::{Engine, Family, layout, memory::MemoryEngine};
use cairnlog_tlog::{ENTRIES_READ_MAX, Inclusion, Log, ProofFailure, ReadError};
use cairnlog_verify::{
    Hash, proof,
    receipt::Receipt,
    tile::{BundleId, Tile},
    tree,
};
use common::{LOG, Plain, bundle_of, create, keys, mth, numbers, tile_of, verified_head};
use proptest::prelude::*;

async fn log_of(entries: &[Vec<u8>]) -> (Log, Arc<dyn Engine>) {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let mut parts = entries.chunks(1_000).map(|part| Plain::new(part.to_vec()));
    let log = create(&engine, parts.next().unwrap()).await;
    for part in parts {
        log.append(Box::new(part)).await.unwrap();
    }
    (log, engine)
}

fn leaves_of(entries: &[Vec<u8>]) -> Vec<Hash> {
    entries.iter().map(|entry| tree::leaf_hash(entry)).collect()
}

#[tokio::test]
async fn every_partial_tile_and_bundle_is_served_when_new_and_later_on() {
    let entries = numbers(0..600);
    let leaves = leaves_of(&entries);
    let (log, _) = log_of(&entries[..1]).await;
    for size in 1..=600_u64 {
        if size > 1 {
            log.append(Box::new(Plain::numbers(size - 1..size))).await.unwrap();
        }
        for tile in Tile::for_size(size) {
            let served = log.tile(tile).await.unwrap();
            assert_eq!(served, Some(tile_of(&leaves, tile)), "{}", tile.path());
        }
        for id in BundleId::for_size(size) {
            let served = log.bundle(id).await.unwrap();
            assert_eq!(served, Some(bundle_of(&entries, id)), "{}", id.path());
        }
    }
    for size in 1..=600_u64 {
        for tile in Tile::for_size(size) {
            let served = log.tile(tile).await.unwrap();
            assert_eq!(served, Some(tile_of(&leaves, tile)), "{} later", tile.path());
        }
        for id in BundleId::for_size(size) {
            let served = log.bundle(id).await.unwrap();
            assert_eq!(served, Some(bundle_of(&entries, id)), "{} later", id.path());
        }
    }
}

#[tokio::test]
async fn what_the_tree_has_not_is_not_served() {
    let (log, _) = log_of(&numbers(0..300)).await;
    for (level, index, width) in
        [(0, 1, 45), (0, 1, 256), (0, 2, 1), (1, 0, 2), (2, 0, 1), (9, 0, 1), (0, 0, 0), (0, 0, 257)]
    {
        let tile = Tile { level, index, width };
        assert_eq!(log.tile(tile).await.unwrap(), None, "{tile:?}");
    }
    assert_eq!(log.tile(Tile { level: 0, index: u64::MAX, width: 256 }).await.unwrap(), None);
    for (index, width) in [(1, 45), (1, 256), (2, 1), (0, 0), (0, 257), (u64::MAX, 256)] {
        let id = BundleId { index, width };
        assert_eq!(log.bundle(id).await.unwrap(), None, "{id:?}");
    }
    assert_eq!(log.entry(300).await.unwrap(), None);
    assert_eq!(log.find_leaf(&tree::leaf_hash(b"300")).await.unwrap(), None);
    let beyond = |failure| matches!(failure, ProofFailure::Beyond { size: 301, published: 300 });
    assert!(beyond(log.inclusion(0, 301).await.unwrap_err()));
    assert!(beyond(log.consistency(1, 301).await.unwrap_err()));
    assert!(beyond(log.root(301).await.unwrap_err()));
    assert!(beyond(log.receipt(300).await.unwrap_err()));
    assert!(matches!(log.receipt(u64::MAX).await, Err(ProofFailure::Beyond { .. })));
    assert!(matches!(log.inclusion(7, 7).await, Err(ProofFailure::Proof(_))));
    assert!(matches!(log.consistency(8, 7).await, Err(ProofFailure::Proof(_))));
}

#[tokio::test]
async fn ranges_of_entries_are_cut_to_the_tree_and_to_the_limit() {
    let entries = numbers(0..600);
    let (log, _) = log_of(&entries).await;
    assert_eq!(log.entries(0..3).await.unwrap(), entries[0..3]);
    assert_eq!(log.entries(598..700).await.unwrap(), entries[598..600]);
    assert_eq!(log.entries(0..600).await.unwrap().len() as u64, ENTRIES_READ_MAX);
    let reversed = std::ops::Range { start: 5, end: 3 };
    for range in [600..601, 3..3, reversed, u64::MAX - 1..u64::MAX] {
        assert!(log.entries(range.clone()).await.unwrap().is_empty(), "{range:?}");
    }
}

#[tokio::test]
async fn leaves_are_found_in_full_tiles_and_at_the_edge() {
    let mut entries = numbers(0..530);
    entries[40] = b"twice".to_vec();
    entries[300] = b"twice".to_vec();
    entries[520] = b"at the edge".to_vec();
    entries[525] = b"at the edge".to_vec();
    let (log, engine) = log_of(&entries).await;
    for (index, leaf) in (0..).zip(leaves_of(&entries)) {
        let first = match index {
            300 => 40,
            525 => 520,
            other => other,
        };
        assert_eq!(log.find_leaf(&leaf).await.unwrap(), Some(first));
    }
    // Another leaf with the same first eight bytes is not taken for it.
    let mut near = tree::leaf_hash(b"17");
    near.0[31] ^= 1;
    assert_eq!(log.find_leaf(&near).await.unwrap(), None);
    let rows = engine
        .scan(cairnlog_store::Scan {
            family: Family::ByLeaf,
            from: layout::by_leaf_key(LOG, [0; 8], 0),
            to: layout::by_leaf_key(LOG, [0xff; 8], u64::MAX),
            reverse: false,
            limit: 1_000,
        })
        .await
        .unwrap();
    assert_eq!(rows.len(), 512, "one lookup row for each leaf of a full tile, none for the others");
}

#[tokio::test]
async fn an_entry_repeated_more_often_than_a_page_is_still_found() {
    let entries = vec![b"same".to_vec(); 300];
    let (log, _) = log_of(&entries).await;
    assert_eq!(log.find_leaf(&tree::leaf_hash(b"same")).await.unwrap(), Some(0));
}

#[tokio::test]
async fn receipts_verify_alone() {
    let entries = numbers(0..515);
    let (log, _) = log_of(&entries).await;
    for (index, entry) in (0..).zip(&entries) {
        let receipt = log.receipt(index).await.unwrap();
        let parsed = Receipt::parse(&receipt.to_string()).unwrap();
        let verified = parsed.verify(None, &keys()).unwrap();
        assert_eq!((verified.index, &verified.entry), (index, entry));
        assert_eq!(verified.checkpoint, verified_head(&log));
    }
}

#[tokio::test]
async fn a_damaged_store_gives_errors_not_wrong_proofs() {
    let entries = numbers(0..600);
    let (log, engine) = log_of(&entries).await;
    let writer = engine.claim().await.unwrap();
    let mut batch = cairnlog_store::Batch::new();
    batch.put(Family::Entries, layout::entry_key(LOG, 3), *b"changed");
    batch.delete(Family::Entries, layout::entry_key(LOG, 4));
    batch.delete(Family::Tiles, layout::tile_key(LOG, 0, 1));
    // Another entry's bytes, each whole: one below a full tile, one at the right edge.
    batch.put(Family::Entries, layout::entry_key(LOG, 20), entries[21].clone());
    batch.put(Family::Entries, layout::entry_key(LOG, 599), entries[598].clone());
    engine.commit(&writer, batch).await.unwrap();
    for (index, range) in [(20, 10..30), (599, 590..600)] {
        let entry = log.entry(index).await;
        assert!(matches!(entry, Err(ReadError::Unproven { index: found }) if found == index));
        let entries = log.entries(range).await;
        assert!(matches!(entries, Err(ReadError::Unproven { index: found }) if found == index));
    }
    let bundle = log.bundle(BundleId { index: 2, width: 88 }).await;
    assert!(matches!(bundle, Err(ReadError::Unproven { index: 599 })));
    assert!(log.bundle(BundleId { index: 2, width: 87 }).await.unwrap().is_some());
    let unproven = log.receipt(3).await.unwrap_err();
    assert!(matches!(unproven, ProofFailure::Read(ReadError::Unproven { index: 3 })));
    assert!(matches!(log.entry(4).await, Err(ReadError::Entry { index: 4 })));
    let bundle = log.bundle(BundleId { index: 0, width: 9 }).await;
    assert!(matches!(bundle, Err(ReadError::Entry { index: 4 })));
    let tile = log.tile(Tile { level: 0, index: 1, width: 8 }).await.unwrap_err();
    assert_eq!(tile.to_string(), "`tile/0/001` is missing or damaged in the store");
    assert!(matches!(log.inclusion(300, 600).await, Err(ProofFailure::Read(_))));
}

/// Entries of many lengths; each fortieth is empty.
fn mixed(count: usize) -> Vec<Vec<u8>> {
    let entry = |i: usize| match i % 40 {
        0 => Vec::new(),
        length => [i.to_be_bytes().to_vec(), vec![b'x'; length]].concat(),
    };
    (0..count).map(entry).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Any sequence of submissions, reopened anywhere, has the roots and proofs of the definition.
    #[test]
    fn proofs_between_any_two_published_sizes_verify(
        parts in prop::collection::vec((1..400_usize, any::<bool>()), 1..12),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
            let total = parts.iter().map(|(count, _)| count).sum();
            let entries = mixed(total);
            let leaves = leaves_of(&entries);
            let mut log: Option<Log> = None;
            let mut heads = vec![(0, tree::empty_root())];
            let mut size = 0;
            for (count, reopen) in parts {
                let part = Plain::new(entries[size..size + count].to_vec());
                let grown = match log.take() {
                    None => create(&engine, part).await,
                    Some(log) => {
                        let appended = log.append(Box::new(part)).await.unwrap();
                        assert_eq!(appended.first_index, size as u64);
                        assert_eq!(appended.tree_size, (size + count) as u64);
                        log
                    }
                };
                size += count;
                let grown = if reopen {
                    grown.shutdown().await;
                    common::open(&engine).await
                } else {
                    grown
                };
                let head = verified_head(&grown);
                assert_eq!((head.size, head.root), (size as u64, mth(&leaves[..size])));
                heads.push((head.size, head.root));
                log = Some(grown);
            }
            let log = log.unwrap();
            for pair in picks.chunks_exact(2) {
                let (a, b) = (heads[pair[0].index(heads.len())], heads[pair[1].index(heads.len())]);
                let ((from, root1), (to, root2)) = if a.0 <= b.0 { (a, b) } else { (b, a) };
                let hashes = log.consistency(from, to).await.unwrap();
                proof::verify_consistency(from, to, &hashes, &root1, &root2).unwrap();
                let other = Hash([1; 32]);
                assert!(proof::verify_consistency(from, to, &hashes, &root1, &other).is_err() || from == 0);
                if to > 0 {
                    let index = pair[0].index(usize::try_from(to).unwrap()) as u64;
                    let leaf = leaves[usize::try_from(index).unwrap()];
                    let hashes = log.inclusion(index, to).await.unwrap();
                    proof::verify_inclusion(index, to, &leaf, &hashes, &root2).unwrap();
                    assert_eq!(log.root(to).await.unwrap(), root2);
                    let proven = log.prove_inclusion(index, to).await.unwrap();
                    assert_eq!(proven, Inclusion { leaf, hashes, root: root2 });
                }
            }
        });
    }
}
