//! How a tree and its entries are cut into immutable files (c2sp.org/tlog-tiles), and what those files are called.
//!
//! Hash `i` of tile `n` at level `l` is the root of the `256^l` leaves that start at `(256n + i) * 256^l`. A tile has 256
//! hashes of 32 bytes; the last one of a level may have fewer and then says so in its name.

use crate::decimal;
use crate::limits::TILE_LEVEL_MAX;
pub use crate::limits::TILE_WIDTH;

/// Bits of a tree's height that one tile level spans.
pub(crate) const LEVEL_BITS: u8 = 8;

/// Tile levels that a tree of fewer than 2^64 entries can have.
const LEVELS: u8 = 8;

/// A tile of hashes. Ordered by level, then position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// Tile level, 0 at the leaves; one level spans 8 levels of the tree.
    pub level: u8,
    /// Position among the tiles of its level, from the left.
    pub index: u64,
    /// Hashes in the tile, 1 to [`TILE_WIDTH`].
    pub width: u16,
}

/// A bundle of entries ([`crate::bundle`]): those whose leaf hashes stand in the tile of level 0 with this index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleId {
    /// Position among the bundles, from the left.
    pub index: u64,
    /// Entries in the bundle, 1 to [`TILE_WIDTH`].
    pub width: u16,
}

/// A path that names no tile and no bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// The path does not begin as a tile's or a bundle's does.
    #[error("path does not start with the tile or bundle prefix")]
    Prefix,
    /// The level is not a number from 0 to 63 in plain decimal.
    #[error("tile level is not a decimal from 0 to 63")]
    Level,
    /// The index is not in groups of three digits, or no tree of fewer than 2^64 entries has it.
    #[error("tile index is not groups of three digits, all but the last behind an `x`")]
    Index,
    /// The width of a partial tile is not a number from 1 to 255 in plain decimal.
    #[error("partial tile width is not a decimal from 1 to 255")]
    Width,
}

impl Tile {
    /// `tile/<level>/<index>[.p/<width>]`, relative to the log's prefix.
    #[must_use]
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, position_path(self.index, self.width))
    }

    /// Reads what [`Tile::path`] writes.
    ///
    /// # Errors
    /// [`TileError`] for any other spelling: see its variants.
    pub fn parse(path: &str) -> Result<Self, TileError> {
        let rest = path.strip_prefix("tile/").ok_or(TileError::Prefix)?;
        let (level, position) = rest.split_once('/').ok_or(TileError::Prefix)?;
        let level = decimal::parse(level)
            .and_then(|level| u8::try_from(level).ok())
            .filter(|&level| level <= TILE_LEVEL_MAX)
            .ok_or(TileError::Level)?;
        let (index, width) = parse_position(position)?;
        Ok(Self { level, index, width })
    }

    /// Every tile of a tree of `size` entries, level by level from the leaves and left to right, the last of a level with
    /// the width that it has in that tree.
    pub fn for_size(size: u64) -> impl Iterator<Item = Self> {
        (0..LEVELS).flat_map(move |level| {
            positions(size >> (LEVEL_BITS * level)).map(move |(index, width)| Self { level, index, width })
        })
    }
}

impl BundleId {
    /// `tile/entries/<index>[.p/<width>]`, relative to the log's prefix.
    #[must_use]
    pub fn path(&self) -> String {
        format!("tile/entries/{}", position_path(self.index, self.width))
    }

    /// Reads what [`BundleId::path`] writes.
    ///
    /// # Errors
    /// [`TileError`] for any other spelling: see its variants.
    pub fn parse(path: &str) -> Result<Self, TileError> {
        let position = path.strip_prefix("tile/entries/").ok_or(TileError::Prefix)?;
        let (index, width) = parse_position(position)?;
        Ok(Self { index, width })
    }

    /// Every bundle of a tree of `size` entries, left to right, the last with the width that it has in that tree.
    pub fn for_size(size: u64) -> impl Iterator<Item = Self> {
        positions(size).map(|(index, width)| Self { index, width })
    }
}

/// Index and width of each tile of a level with that many hashes.
fn positions(hashes: u64) -> impl Iterator<Item = (u64, u16)> {
    let (full, rest) = (hashes / 256, (hashes % 256) as u16);
    (0..full).map(|index| (index, TILE_WIDTH)).chain((rest > 0).then_some((full, rest)))
}

fn position_path(index: u64, width: u16) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    if width == TILE_WIDTH { path } else { format!("{path}.p/{width}") }
}

fn parse_position(text: &str) -> Result<(u64, u16), TileError> {
    let (groups, width) = match text.split_once(".p/") {
        None => (text, TILE_WIDTH),
        Some((groups, width)) => {
            let width = decimal::parse(width)
                .and_then(|width| u16::try_from(width).ok())
                .filter(|&width| 0 < width && width < TILE_WIDTH)
                .ok_or(TileError::Width)?;
            (groups, width)
        }
    };
    Ok((parse_index(groups).ok_or(TileError::Index)?, width))
}

fn parse_index(text: &str) -> Option<u64> {
    let (leading, last) = match text.rsplit_once('/') {
        None => (None, text),
        Some((leading, last)) => (Some(leading), last),
    };
    let mut index: u64 = 0;
    for group in leading.into_iter().flat_map(|leading| leading.split('/')) {
        index = index.checked_mul(1000)?.checked_add(digits(group.strip_prefix('x')?)?)?;
        if index == 0 {
            return None;
        }
    }
    index = index.checked_mul(1000)?.checked_add(digits(last)?)?;
    (index < 1 << (64 - LEVEL_BITS)).then_some(index)
}

fn digits(group: &str) -> Option<u64> {
    let three = group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit());
    if three { group.parse().ok() } else { None }
}
