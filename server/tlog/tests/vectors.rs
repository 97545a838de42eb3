//! Published trees, tiles, bundles and checkpoints, byte for byte.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use cairnlog_store::{Engine, memory::MemoryEngine};
use cairnlog_tlog::SUBMISSION_LEAVES_MAX;
use cairnlog_verify::{
    Hash,
    tile::{BundleId, Tile},
};
use common::{Plain, create, open, verified_head};
use sha2::{Digest, Sha256};

/// Roots of the trees over the entries "0", "1", …, by size.
const ROOTS: [(u64, &str); 11] = [
    (1, "db3426e878068d28d269b6c87172322ce5372b65756d0789001d34835f601c03"),
    (2, "cb00989d94a569c0a678ae042b63dcd4625db96440517f37a6eb7976ea24ed4b"),
    (255, "32f85bcaa87d7bcd05728f09e9aeba350ba6a2f733830087f0597682848be5cb"),
    (256, "828515d033c19d8c901f37eccb8aed919667703486f8d2fff1cf7040321c5db1"),
    (257, "1eda049a4351d86f76252bd7ec0b7746ad75b7fa0316ad5f541dbda458a312c4"),
    (511, "5f3d69e102370be409122d11a2e605e6b653b071b8b4b4bd2833fae40652f11d"),
    (512, "d4b2162495ca609dc06390d353ca0c55107765c609e0226eb747d89105dc8d55"),
    (65_535, "74f13a0e1a75689372efb990cf68c664e44c763d9304844955b2eaff624e8df1"),
    (65_536, "f025d06ed804859fd274a1bdacadd6e48ea87634aa91e1edb20143f9498cd02b"),
    (65_537, "dc8795a25fd4bd52a0b84f639fd3139ba160824023d188e428eb5db0f3ce221a"),
    (70_000, "1a4cdfcb66374a0c0dcbef49acbd4976d13ee864fb3cb241fc943cad04f02f7e"),
];

/// SHA-256 of resources of the tree of 70,000.
const RESOURCES: [(&str, &str); 7] = [
    ("tile/0/000", "b9704a8bfbee2c61185ceb38904a49f3f703c81e194b5b2ccdc254c2bdaaa62b"),
    ("tile/0/273.p/112", "4d21244557c976993a9a89bf928a46b5a876585228df279878239fd84489e5a5"),
    ("tile/1/000", "ea7b038bc73489c89c31a27ac355aaca65a4ed73f0dd7484e68deb29d30f10a2"),
    ("tile/1/001.p/17", "adfaca2731630fe7944a4b98a0f98ef3e98685eafda09e6f81070218fb759ce4"),
    ("tile/2/000.p/1", "f0113c8bad855b49f9a5dd661d50012cd94f19aae87a45eb8334666835e3caea"),
    ("tile/entries/000", "94693d5c6d6a0355ec07bac8214516c1ce6a5100b0588f226fd95f26571157d7"),
    ("tile/entries/273.p/112", "36c3ec44895d1b8098dbe8523078d6750bf09e0f12cd64671ebfe165b7647405"),
];

#[tokio::test]
async fn the_tree_of_70_000_has_its_published_roots_tiles_and_bundles() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let mut log = create(&engine, Plain::numbers(0..1)).await;
    let mut size = 1;
    for (next, root) in ROOTS {
        while size < next {
            let end = next.min(size + SUBMISSION_LEAVES_MAX as u64);
            log.append(Box::new(Plain::numbers(size..end))).await.unwrap();
            size = end;
        }
        assert_eq!(verified_head(&log).root.to_hex(), root, "size {next}");
        log.shutdown().await;
        log = open(&engine).await;
        assert_eq!(verified_head(&log).root.to_hex(), root, "size {next}, reopened");
    }
    for (size, root) in ROOTS {
        assert_eq!(log.root(size).await.unwrap().to_hex(), root, "size {size}, from tiles");
    }
    for (path, digest) in RESOURCES {
        let bytes = match BundleId::parse(path) {
            Ok(id) => log.bundle(id).await.unwrap(),
            Err(_) => log.tile(Tile::parse(path).unwrap()).await.unwrap(),
        };
        assert_eq!(Hash(Sha256::digest(bytes.unwrap()).into()).to_hex(), digest, "{path}");
    }
}

/// Tessera's static fixture log (transparency-dev/tessera, `testdata/log`, Apache-2.0): a log with its
/// key and its entries has its checkpoints.
#[tokio::test]
async fn the_fixture_log_of_tessera_is_reproduced_byte_for_byte() {
    const ENTRIES: [&str; 15] = [
        "one", "two", "three", "four", "five", "six", "seven", "eit", "nain", "ten", "ileven", "twelf",
        "threeten", "fourten", "fivten",
    ];
    const ROOTS: [(usize, &str); 5] = [
        (1, "0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek="),
        (2, "T1X2GdkhUjV3iyufF9b0kVsWFxIU0VI4EpNml2Teci4="),
        (3, "Wqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk="),
        (8, "bC+VwvrJbalNVjfkdI8kUgs7mJoXrqiXCE7bgnD28pY="),
        (15, "rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs="),
    ];
    const BUNDLE_OF_3: &[u8] = b"\0\x03one\0\x03two\0\x05three";

    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let log = create(&engine, Plain::new(vec![ENTRIES[0].into()])).await;
    for (size, entry) in (1..).zip(ENTRIES) {
        if size > 1 {
            log.append(Box::new(Plain::new(vec![entry.into()]))).await.unwrap();
        }
        if let Some((_, root)) = ROOTS.iter().find(|(of, _)| *of == size) {
            assert_eq!(verified_head(&log).root.to_string(), *root, "size {size}");
        }
    }
    assert_eq!(
        log.head().note,
        "example.com/log/testdata\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\n\n\
         — example.com/log/testdata M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1zfcBOhg+CKubMt53MvIt/\
         uEWP6zdkdIQzd/fmwlM/dlPWF74ewI=\n"
    );
    let bundle = log.bundle(BundleId { index: 0, width: 3 }).await.unwrap();
    assert_eq!(bundle.as_deref(), Some(BUNDLE_OF_3));
}
