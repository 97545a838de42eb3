//! The arithmetic of an audit: which need comes when, and what each kind of tampering is called.

#![allow(clippy::unwrap_used)]

mod support;

use cairnlog_client::audit::{Difference, Fault, Need, Recompute};
use cairnlog_verify::tile::Tile;
use cairnlog_verify::{Hash, tree};
use support::{TestLog, entry};

/// Feeds everything as asked and gives the verdict.
fn verdict(log: &TestLog) -> Result<(), Fault> {
    let mut recompute = Recompute::new(&log.checkpoint);
    while let Some(need) = recompute.need() {
        match need {
            Need::Leaves { bundle, tile } => {
                recompute.leaves(&log.files[&bundle.path()], &log.files[&tile.path()])?;
            }
            Need::Tile(tile) => recompute.tile(&log.files[&tile.path()])?,
        }
    }
    recompute.finish()
}

/// What is asked for, in order, as paths.
fn needs(log: &TestLog) -> Vec<String> {
    let mut recompute = Recompute::new(&log.checkpoint);
    let mut paths = Vec::new();
    while let Some(need) = recompute.need() {
        match need {
            Need::Leaves { bundle, tile } => {
                paths.extend([bundle.path(), tile.path()]);
                recompute.leaves(&log.files[&bundle.path()], &log.files[&tile.path()]).unwrap();
            }
            Need::Tile(tile) => {
                paths.push(tile.path());
                recompute.tile(&log.files[&tile.path()]).unwrap();
            }
        }
    }
    paths
}

fn flip(log: &mut TestLog, path: &str, at: usize) {
    log.file(path)[at] ^= 1;
}

/// Writes the record anew, its length kept, and, if asked, its leaf hash with it.
fn rewrite_record(log: &mut TestLog, index: usize, with_hash: bool) {
    let path = "tile/entries/000";
    let entries: Vec<Vec<u8>> =
        cairnlog_verify::bundle::decode(&log.files[path]).unwrap().into_iter().map(<[u8]>::to_vec).collect();
    let mut altered = entries.clone();
    altered[index] = vec![b'#'; entries[index].len().max(1)];
    let slices = altered.iter().map(Vec::as_slice);
    *log.file(path) = cairnlog_verify::bundle::encode(slices).unwrap();
    if with_hash {
        let hash = tree::leaf_hash(&altered[index]);
        log.file("tile/0/000")[index * 32..][..32].copy_from_slice(&hash.0);
    }
}

#[test]
fn untouched_logs_of_all_shapes_are_good() {
    for size in [0, 1, 2, 255, 256, 257, 511, 512, 513, 1000, 65_536, 65_537, 66_000] {
        assert_eq!(verdict(&TestLog::new(size)), Ok(()), "size {size}");
    }
}

#[test]
fn every_tile_and_bundle_of_the_tree_is_asked_for_once() {
    for size in [0, 1, 256, 257, 600, 65_536, 66_000] {
        let log = TestLog::new(size);
        let mut asked = needs(&log);
        asked.sort();
        let expected: Vec<String> = log.files.keys().cloned().collect();
        assert_eq!(asked, expected, "size {size}");
    }
}

#[test]
fn an_empty_tree_has_the_empty_root_and_no_other() {
    let mut log = TestLog::new(0);
    log.checkpoint.root = Hash([0; 32]);
    assert!(matches!(verdict(&log), Err(Fault::Root { first: None, .. })));
}

#[test]
fn an_altered_record_is_named() {
    let mut log = TestLog::new(300);
    rewrite_record(&mut log, 41, false);
    rewrite_record(&mut log, 77, false);
    assert_eq!(verdict(&log), Err(Fault::Record { index: 41 }));
}

#[test]
fn an_altered_level_0_tile_is_named() {
    let mut log = TestLog::new(300);
    flip(&mut log, "tile/0/001.p/44", 32 * 3);
    let tile = Tile::parse("tile/0/001.p/44").unwrap();
    let difference = Difference { tile, position: 3 };
    assert_eq!(verdict(&log), Err(Fault::Tile(difference)));
    assert_eq!(difference.entries(), 259..260);
}

#[test]
fn an_altered_upper_tile_is_named() {
    let mut log = TestLog::new(66_000);
    flip(&mut log, "tile/2/000.p/1", 0);
    let tile = Tile::parse("tile/2/000.p/1").unwrap();
    let difference = Difference { tile, position: 0 };
    assert_eq!(verdict(&log), Err(Fault::Tile(difference)));
    assert_eq!(difference.entries(), 0..65_536);
}

#[test]
fn a_record_altered_together_with_its_hash_betrays_itself_one_level_up() {
    let mut log = TestLog::new(600);
    rewrite_record(&mut log, 41, true);
    let tile = Tile::parse("tile/1/000.p/2").unwrap();
    match verdict(&log) {
        Err(Fault::Root { first, signed, recomputed }) => {
            assert_eq!(first, Some(Difference { tile, position: 0 }));
            assert_eq!(signed, log.checkpoint.root);
            assert_ne!(recomputed, signed);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_whole_tree_that_was_swapped_does_not_have_the_signed_root() {
    let mut log = TestLog::new(300);
    let swapped = TestLog::of(&(0..300).map(|i| entry(i + 1)).collect::<Vec<_>>());
    log.files = swapped.files;
    let expected =
        Fault::Root { recomputed: swapped.checkpoint.root, signed: log.checkpoint.root, first: None };
    assert_eq!(verdict(&log), Err(expected));
}

#[test]
fn malformed_tiles_and_bundles_are_named() {
    for (path, bytes) in [
        ("tile/entries/000", vec![0, 9, 1]),
        ("tile/entries/000", vec![0, 0]),
        ("tile/0/000", vec![0; 32 * 255]),
        ("tile/0/000", vec![0; 32 * 256 + 1]),
        ("tile/1/000.p/1", vec![]),
    ] {
        let mut log = TestLog::new(256);
        *log.file(path) = bytes;
        match verdict(&log) {
            Err(Fault::Malformed { path: named, .. }) => assert_eq!(named, path),
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn what_was_not_asked_for_is_not_taken() {
    let log = TestLog::new(256);
    let mut recompute = Recompute::new(&log.checkpoint);
    assert_eq!(recompute.tile(&[0; 32]), Err(Fault::OutOfOrder));
    assert_eq!(recompute.clone().finish(), Err(Fault::OutOfOrder));
    let (bundle, tile) = (&log.files["tile/entries/000"], &log.files["tile/0/000"]);
    recompute.leaves(bundle, tile).unwrap();
    assert_eq!(recompute.leaves(bundle, tile), Err(Fault::OutOfOrder));
}
