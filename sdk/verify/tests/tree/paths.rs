//! c2sp.org/tlog-tiles, requirement by requirement: which tiles a tree has, and what they are called.

use cairnlog_verify::tile::{BundleId, Tile, TileError};
use proptest::prelude::*;

fn tile(level: u8, index: u64, width: u16) -> Tile {
    Tile { level, index, width }
}

#[test]
fn index_is_groups_of_three_digits_all_but_the_last_behind_an_x() {
    for (index, path) in [
        (0, "tile/0/000"),
        (7, "tile/0/007"),
        (255, "tile/0/255"),
        (999, "tile/0/999"),
        (1_000, "tile/0/x001/000"),
        (999_999, "tile/0/x999/999"),
        (1_234_067, "tile/0/x001/x234/067"),
        ((1 << 56) - 1, "tile/0/x072/x057/x594/x037/x927/935"),
    ] {
        assert_eq!(tile(0, index, 256).path(), path);
        assert_eq!(Tile::parse(path), Ok(tile(0, index, 256)));
    }
}

#[test]
fn partial_tiles_end_in_p_and_their_width() {
    assert_eq!(tile(0, 273, 112).path(), "tile/0/273.p/112");
    assert_eq!(Tile::parse("tile/0/273.p/112"), Ok(tile(0, 273, 112)));
    assert_eq!(Tile::parse("tile/2/x001/000.p/1"), Ok(tile(2, 1_000, 1)));
    assert_eq!(Tile::parse("tile/0/000.p/255"), Ok(tile(0, 0, 255)));
}

#[test]
fn bundles_are_named_entries_instead_of_a_level() {
    let bundle = BundleId { index: 1_234_067, width: 256 };
    assert_eq!(bundle.path(), "tile/entries/x001/x234/067");
    assert_eq!(BundleId::parse("tile/entries/x001/x234/067"), Ok(bundle));
    assert_eq!(BundleId::parse("tile/entries/000.p/3"), Ok(BundleId { index: 0, width: 3 }));
    assert_eq!(BundleId::parse("tile/0/000"), Err(TileError::Prefix));
    assert_eq!(Tile::parse("tile/entries/000"), Err(TileError::Level));
}

#[test]
fn level_is_decimal_from_0_to_63_without_leading_zeros() {
    assert_eq!(Tile::parse("tile/63/000"), Ok(tile(63, 0, 256)));
    for level in ["64", "256", "00", "01", "-1", "+1", "", "x", "1 ", "9999999999999999999999"] {
        assert_eq!(Tile::parse(&format!("tile/{level}/000")), Err(TileError::Level), "{level}");
    }
}

#[test]
fn width_is_decimal_from_1_to_255_without_leading_zeros() {
    for width in ["0", "256", "1000", "01", "", "-1", "+1", "1/", "1.p/1", "1 ", "x"] {
        assert_eq!(Tile::parse(&format!("tile/0/000.p/{width}")), Err(TileError::Width), "{width}");
        assert_eq!(BundleId::parse(&format!("tile/entries/000.p/{width}")), Err(TileError::Width), "{width}");
    }
}

#[test]
fn other_spellings_of_an_index_are_refused() {
    for index in [
        "",
        "0",
        "00",
        "0000",
        "x000/001",
        "x000/x001/000",
        "x001",
        "001/000",
        "x001/x000",
        "X001/000",
        "x01/000",
        "x0001/000",
        "x001/00",
        "x001//000",
        "x001/000/",
        "/000",
        "-01",
        "+01",
        " 01",
        "0x1",
        "000.p",
        "000.P/1",
        "٠٠٠",
    ] {
        assert_eq!(Tile::parse(&format!("tile/0/{index}")), Err(TileError::Index), "{index}");
        assert_eq!(BundleId::parse(&format!("tile/entries/{index}")), Err(TileError::Index), "{index}");
    }
}

#[test]
fn an_index_beyond_every_tree_is_refused() {
    for index in [
        "x072/x057/x594/x037/x927/936",
        "x018/x446/x744/x073/x709/x551/616",
        &format!("{}000", "x999/".repeat(1_000)),
    ] {
        assert_eq!(Tile::parse(&format!("tile/0/{index}")), Err(TileError::Index), "{index}");
    }
}

#[test]
fn other_prefixes_are_refused() {
    for path in ["", "tile", "tile/", "tile/0", "/tile/0/000", "Tile/0/000", "tiles/0/000", "entries/000"] {
        assert_eq!(Tile::parse(path), Err(TileError::Prefix), "{path}");
        assert_eq!(BundleId::parse(path), Err(TileError::Prefix), "{path}");
    }
}

#[test]
fn an_empty_tree_has_no_tiles() {
    assert_eq!(Tile::for_size(0).count(), 0);
    assert_eq!(BundleId::for_size(0).count(), 0);
}

#[test]
fn a_full_tile_is_a_hash_of_the_next_level() {
    assert_eq!(Tile::for_size(255).collect::<Vec<_>>(), [tile(0, 0, 255)]);
    assert_eq!(Tile::for_size(256).collect::<Vec<_>>(), [tile(0, 0, 256), tile(1, 0, 1)]);
    assert_eq!(Tile::for_size(257).collect::<Vec<_>>(), [tile(0, 0, 256), tile(0, 1, 1), tile(1, 0, 1)]);
}

#[test]
fn tiles_of_the_70_000_tree() {
    let tiles: Vec<Tile> = Tile::for_size(70_000).collect();
    assert!(tiles.is_sorted());
    let level = |level| tiles.iter().copied().filter(move |tile| tile.level == level);
    assert_eq!(level(0).filter(|tile| tile.width == 256).count(), 273);
    assert_eq!(level(0).next_back(), Some(tile(0, 273, 112)));
    assert_eq!(level(1).collect::<Vec<_>>(), [tile(1, 0, 256), tile(1, 1, 17)]);
    assert_eq!(level(2).collect::<Vec<_>>(), [tile(2, 0, 1)]);
    assert_eq!(tiles.len(), 277);
    let bundles: Vec<BundleId> = BundleId::for_size(70_000).collect();
    assert_eq!(bundles.len(), 274);
    assert_eq!(bundles.last(), Some(&BundleId { index: 273, width: 112 }));
}

#[test]
fn the_largest_tree_begins_as_any_other() {
    assert_eq!(Tile::for_size(u64::MAX).next(), Some(tile(0, 0, 256)));
    assert_eq!(BundleId::for_size(u64::MAX).next(), Some(BundleId { index: 0, width: 256 }));
}

proptest! {
    #[test]
    fn paths_round_trip(level in 0..64u8, index in 0..1u64 << 56, shift in 0..56u32, width in 1..=256u16) {
        let tile = tile(level, index >> shift, width);
        prop_assert_eq!(Tile::parse(&tile.path()), Ok(tile));
        let bundle = BundleId { index: index >> shift, width };
        prop_assert_eq!(BundleId::parse(&bundle.path()), Ok(bundle));
    }

    #[test]
    fn what_parses_is_written_the_same(path in "tile/(entries|[0-9]{1,2})/(x[0-9]{3}/){0,7}[0-9]{3}(\\.p/[0-9]{1,3})?") {
        if let Ok(tile) = Tile::parse(&path) {
            prop_assert_eq!(tile.path(), path.clone());
        }
        if let Ok(bundle) = BundleId::parse(&path) {
            prop_assert_eq!(bundle.path(), path);
        }
    }

    #[test]
    fn any_text_is_answered(text: String, tail in "[x0-9/.p]{0,40}") {
        let _ = Tile::parse(&text);
        let _ = Tile::parse(&format!("tile/0/{tail}"));
        let _ = BundleId::parse(&format!("tile/entries/{tail}"));
    }
}
