//! The check of a whole log: good logs are good, and what was altered is named.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use cairnlog_store::{Batch, Engine, Family, layout, memory::MemoryEngine, rocks::RocksEngine};
use cairnlog_tlog::check::{Check, Damage, Verdict, stored_heads};
use cairnlog_verify::{checkpoint::Checkpoint, tree};
use common::{LOG, ORIGIN, Plain, create, keys};

async fn fill(engine: &Arc<dyn Engine>, size: u64) {
    let log = create(engine, Plain::numbers(0..size.min(10_000))).await;
    for start in (10_000..size).step_by(10_000) {
        log.append(Box::new(Plain::numbers(start..size.min(start + 10_000)))).await.unwrap();
    }
    log.shutdown().await;
}

async fn stored(size: u64) -> Arc<dyn Engine> {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    fill(&engine, size).await;
    engine
}

async fn change(engine: &Arc<dyn Engine>, change: impl FnOnce(&mut Batch)) {
    let writer = engine.claim().await.unwrap();
    let mut batch = Batch::new();
    change(&mut batch);
    engine.commit(&writer, batch).await.unwrap();
}

async fn checked_with(engine: &Arc<dyn Engine>, earlier: Vec<Checkpoint>) -> Result<u64, Damage> {
    let heads = stored_heads(engine.as_ref(), LOG, ORIGIN, &keys()).await?;
    let earlier = heads.published.into_iter().chain(earlier).collect();
    let mut check = Check::new(Arc::clone(engine), LOG, &heads.newest, earlier);
    while check.step().await?.is_some() {}
    let entries = check.entries();
    let rest = check.nothing_else().await;
    check.finish()?;
    rest.map(|()| entries)
}

async fn checked(engine: &Arc<dyn Engine>) -> Result<u64, Damage> {
    checked_with(engine, Vec::new()).await
}

/// What a walk says that stops at the first difference.
async fn at_once(engine: &Arc<dyn Engine>) -> Result<(), Damage> {
    let heads = stored_heads(engine.as_ref(), LOG, ORIGIN, &keys()).await?;
    let mut check = Check::new(Arc::clone(engine), LOG, &heads.newest, Vec::new());
    while check.step().await?.is_some() {
        check.so_far().await?;
    }
    check.finish()
}

fn entry(index: u64) -> Vec<u8> {
    layout::entry_key(LOG, index)
}

#[tokio::test]
async fn an_untouched_log_is_good_at_any_size() {
    for size in [1, 2, 255, 256, 257, 512, 1_000, 65_536, 66_300] {
        let engine = stored(size).await;
        assert_eq!(checked(&engine).await.unwrap(), size);
        at_once(&engine).await.unwrap();
    }
}

#[tokio::test]
async fn an_altered_record_is_named() {
    for index in [0, 255, 256, 700, 65_535, 65_600] {
        let engine = stored(66_300).await;
        change(&engine, |batch| batch.put(Family::Entries, entry(index), *b"altered")).await;
        let damage = checked(&engine).await.unwrap_err();
        assert_eq!(damage.verdict(), Verdict::Tampered);
        assert!(damage.to_string().contains(&format!("record {index} was altered")), "{damage}");
        let damage = at_once(&engine).await.unwrap_err();
        assert!(damage.to_string().contains(&format!("record {index} ")), "{damage}");
    }
}

#[tokio::test]
async fn the_tile_above_tells_at_once_which_was_altered() {
    let engine = stored(66_300).await;
    change(&engine, |batch| batch.put(Family::Entries, entry(700), *b"altered")).await;
    let damage = at_once(&engine).await.unwrap_err();
    assert!(damage.to_string().contains("record 700 was altered"), "{damage}");
    let engine = stored(66_300).await;
    change(&engine, |batch| batch.put(Family::Tiles, layout::tile_key(LOG, 0, 2), vec![1; 8_192])).await;
    let damage = at_once(&engine).await.unwrap_err();
    assert!(damage.to_string().contains("tile/0/002 was altered"), "{damage}");
}

/// No tile covers the last records, so only the root speaks against one of them.
#[tokio::test]
async fn an_altered_record_at_the_edge_is_noticed() {
    let engine = stored(700).await;
    change(&engine, |batch| batch.put(Family::Entries, entry(650), *b"altered")).await;
    let damage = checked(&engine).await.unwrap_err();
    assert_eq!(damage.verdict(), Verdict::Tampered);
    assert!(damage.to_string().contains("the records give the root"), "{damage}");
}

#[tokio::test]
async fn two_swapped_records_are_named() {
    for (one, other) in [(3, 4), (10, 600)] {
        let engine = stored(1_000).await;
        let read = async |index| engine.get(Family::Entries, &entry(index)).await.unwrap().unwrap();
        let (first, second) = (read(one).await, read(other).await);
        change(&engine, |batch| {
            batch.put(Family::Entries, entry(one), second);
            batch.put(Family::Entries, entry(other), first);
        })
        .await;
        let damage = checked(&engine).await.unwrap_err();
        assert!(damage.to_string().contains(&format!("record {one} was altered")), "{damage}");
    }
}

#[tokio::test]
async fn a_flipped_bit_in_any_tile_names_the_tile() {
    for (level, index, path) in [(0, 1, "tile/0/001"), (0, 257, "tile/0/257"), (1, 0, "tile/1/000")] {
        let engine = stored(66_300).await;
        let key = layout::tile_key(LOG, level, index);
        let mut tile = engine.get(Family::Tiles, &key).await.unwrap().unwrap();
        tile[33 * 5] ^= 1;
        change(&engine, |batch| batch.put(Family::Tiles, key, tile)).await;
        let damage = checked(&engine).await.unwrap_err();
        assert_eq!(damage.verdict(), Verdict::Tampered);
        assert!(damage.to_string().contains(&format!("{path} was altered")), "{damage}");
    }
}

#[tokio::test]
async fn a_record_changed_with_its_tile_does_not_give_the_signed_root() {
    let engine = stored(66_300).await;
    let key = layout::tile_key(LOG, 0, 2);
    let mut tile = engine.get(Family::Tiles, &key).await.unwrap().unwrap();
    let leaf = tree::leaf_hash(b"altered");
    tile[188 * 32..189 * 32].copy_from_slice(&leaf.0);
    change(&engine, |batch| {
        batch.put(Family::Entries, entry(700), *b"altered");
        batch.put(Family::Tiles, key, tile);
        batch.put(Family::ByLeaf, layout::by_leaf_key(LOG, *leaf.0.first_chunk().unwrap(), 700), Vec::new());
    })
    .await;
    let damage = checked(&engine).await.unwrap_err();
    assert_eq!(damage.verdict(), Verdict::Tampered);
    assert!(damage.to_string().contains("records 512 to 767"), "{damage}");
}

#[tokio::test]
async fn what_was_cut_off_is_named_as_missing() {
    let engine = stored(1_000).await;
    change(&engine, |batch| (900..1_000).for_each(|index| batch.delete(Family::Entries, entry(index)))).await;
    let damage = checked(&engine).await.unwrap_err();
    assert_eq!(
        (damage.verdict(), damage.to_string().as_str()),
        (Verdict::Incomplete, "record 900 is missing")
    );

    let engine = stored(1_000).await;
    change(&engine, |batch| batch.delete(Family::Tiles, layout::tile_key(LOG, 0, 2))).await;
    let damage = checked(&engine).await.unwrap_err();
    assert_eq!(
        (damage.verdict(), damage.to_string().as_str()),
        (Verdict::Incomplete, "tile/0/002 is missing")
    );

    let engine = stored(1_000).await;
    change(&engine, |batch| batch.delete(Family::Heads, layout::head_key(LOG))).await;
    assert_eq!(checked(&engine).await.unwrap_err().verdict(), Verdict::Incomplete);
}

#[tokio::test]
async fn lookup_rows_lead_to_their_leaf() {
    let leaf = |index: u64| tree::leaf_hash(index.to_string().as_bytes());
    let row = |of: u64, to: u64| layout::by_leaf_key(LOG, *leaf(of).0.first_chunk().unwrap(), to);
    let engine = stored(1_000).await;
    change(&engine, |batch| batch.delete(Family::ByLeaf, row(300, 300))).await;
    let damage = checked(&engine).await.unwrap_err();
    assert!(matches!(damage, Damage::NoLookup { index: 300 }), "{damage}");
    assert!(matches!(at_once(&engine).await, Err(Damage::NoLookup { index: 300 })));

    for (of, to) in [(5, 6), (300, 990), (7, 1_000)] {
        let engine = stored(1_000).await;
        change(&engine, |batch| batch.put(Family::ByLeaf, row(of, to), Vec::new())).await;
        let damage = checked(&engine).await.unwrap_err();
        assert!(matches!(damage, Damage::WrongLookup { index } if index == to), "{damage}");
    }
}

#[tokio::test]
async fn nothing_is_stored_beyond_the_head() {
    let engine = stored(300).await;
    change(&engine, |batch| batch.put(Family::Entries, entry(300), *b"more")).await;
    assert!(checked(&engine).await.unwrap_err().to_string().contains("record 300 is beyond"));
    let engine = stored(300).await;
    change(&engine, |batch| batch.put(Family::Tiles, layout::tile_key(LOG, 1, 0), vec![0; 8_192])).await;
    assert!(checked(&engine).await.unwrap_err().to_string().contains("tile/1/000 is beyond"));
}

#[tokio::test]
async fn a_head_put_back_or_signed_by_another_is_refused() {
    let engine = stored(300).await;
    let old = engine.get(Family::Heads, &layout::head_key(LOG)).await.unwrap().unwrap();
    let log = common::open(&engine).await;
    log.append(Box::new(Plain::numbers(300..700))).await.unwrap();
    log.shutdown().await;
    change(&engine, |batch| batch.put(Family::Heads, layout::head_key(LOG), old)).await;
    assert!(matches!(checked(&engine).await, Err(Damage::Beyond { size: 300, .. })));
    let text = "example.com/log/testdata\n1\nAAAA\n\n— x AAAA\n";
    change(&engine, |batch| batch.put(Family::Heads, layout::head_key(LOG), text.as_bytes())).await;
    assert_eq!(checked(&engine).await.unwrap_err().verdict(), Verdict::Tampered);
}

#[tokio::test]
async fn a_smaller_head_that_was_signed_must_be_a_beginning_of_the_tree() {
    let engine = stored(700).await;
    let head = |root| Checkpoint { origin: ORIGIN.to_owned(), size: 300, root, extensions: Vec::new() };
    let leaves: Vec<_> = (0..300_u64).map(|i| tree::leaf_hash(i.to_string().as_bytes())).collect();
    checked_with(&engine, vec![head(common::mth(&leaves))]).await.unwrap();
    let damage = checked_with(&engine, vec![head(leaves[0])]).await.unwrap_err();
    assert!(damage.to_string().contains("at size 300"), "{damage}");
}

/// A copy of a directory, opened to be read alone: a good one is good and not touched; bytes flipped in its files are
/// noticed as a record or tile that can't be read, or refused at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_store_is_read_without_a_trace_and_flipped_bytes_are_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let engine: Arc<dyn Engine> = Arc::new(RocksEngine::open(&path).unwrap());
    fill(&engine, 3_000).await;
    drop(engine);
    // Opening anew turns the write-ahead log into tables.
    drop(RocksEngine::open(&path).unwrap());
    let files = || {
        let mut all: Vec<_> = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
        all.sort();
        all.into_iter().map(|file| (file.clone(), std::fs::read(file).unwrap())).collect::<Vec<_>>()
    };
    let before = files();
    let read_only = || RocksEngine::open_read_only(&path).map(|engine| Arc::new(engine) as Arc<dyn Engine>);
    let engine = read_only().unwrap();
    assert_eq!(checked(&engine).await.unwrap(), 3_000);
    assert!(engine.claim().await.is_err());
    drop(engine);
    assert!(files() == before, "a check left a trace");

    let mut noticed = 0;
    for (table, bytes) in before.iter().filter(|(file, _)| file.extension().is_some_and(|e| e == "sst")) {
        let mut flipped = bytes.clone();
        flipped[40] ^= 0x10;
        std::fs::write(table, &flipped).unwrap();
        let good = match read_only() {
            Ok(engine) => checked(&engine).await.is_ok(),
            Err(_) => false,
        };
        noticed += u32::from(!good);
        std::fs::write(table, bytes).unwrap();
    }
    // Entries, tiles, lookup rows and the head; the other tables hold nothing that the tree is made of.
    assert!(noticed >= 4, "{noticed}");
    assert_eq!(checked(&read_only().unwrap()).await.unwrap(), 3_000);
}
