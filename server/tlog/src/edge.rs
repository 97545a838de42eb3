//! The right edge of the tree: what of it is not yet in a full tile.

use std::sync::Arc;

use cairnlog_verify::{
    Hash,
    tile::TILE_WIDTH,
    tree::{self, CompactRange},
};

/// Bits of an index that a tile covers: a tile is eight levels of the tree high.
pub(crate) const TILE_HEIGHT: u32 = 8;

/// The highest level at which a tree of any `u64` size has a tile.
pub(crate) const LEVEL_MAX: u8 = 7;

/// The partial tile of every level, with the compact range of the whole tree.
///
/// Cloning is cheap: a level is copied only when it next grows. So the published edge stays as it is
/// while the next one is built from it, and a batch that failed leaves nothing to undo.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edge {
    range: CompactRange,
    /// The hashes of the partial tile of each level, lowest first; fewer than 256 each.
    levels: Vec<Arc<Vec<Hash>>>,
    /// The perfect subtrees within the partial tiles above level 0, highest first. They change only
    /// when a tile fills, so that checking the root costs at most 255 hashes a batch.
    upper_peaks: Vec<Hash>,
}

/// A tile that has just been filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FullTile {
    pub(crate) level: u8,
    pub(crate) index: u64,
    /// Its 256 hashes.
    pub(crate) hashes: Vec<Hash>,
}

impl Edge {
    /// The edge of a tree of `size` leaves whose partial tiles, lowest level first, are `levels`.
    /// `None` if their widths are not those that the size implies.
    pub(crate) fn from_levels(size: u64, levels: Vec<Vec<Hash>>) -> Option<Edge> {
        let fits = |(level, hashes): (usize, &Vec<Hash>)| {
            u8::try_from(level).is_ok_and(|level| hashes.len() == partial_width(size, level))
        };
        if levels.len() != level_count(size) || !levels.iter().enumerate().all(fits) {
            return None;
        }
        let levels: Vec<Arc<Vec<Hash>>> = levels.into_iter().map(Arc::new).collect();
        let upper_peaks = upper_peaks(&levels);
        let mut nodes = upper_peaks.clone();
        if let Some(leaves) = levels.first() {
            push_peaks(leaves, &mut nodes);
        }
        let range = CompactRange::from_nodes(size, nodes).ok()?;
        Some(Edge { range, levels, upper_peaks })
    }

    /// The number of leaves.
    pub(crate) fn size(&self) -> u64 {
        self.range.size()
    }

    /// The root of the tree.
    ///
    /// # Panics
    /// If the partial tiles do not give the root that the compact range gives. A head is about to be
    /// signed then that no stored tile could ever prove.
    pub(crate) fn root(&self) -> Hash {
        let root = self.range.root();
        let mut peaks = self.upper_peaks.clone();
        if let Some(leaves) = self.levels.first() {
            push_peaks(leaves, &mut peaks);
        }
        assert_eq!(fold(&peaks), root, "the right edge and the compact range have different roots");
        root
    }

    /// The hashes of the partial tile at `level`, empty where there is none.
    pub(crate) fn level(&self, level: u8) -> &[Hash] {
        self.levels.get(usize::from(level)).map_or(&[], |hashes| hashes.as_slice())
    }

    /// Adds leaves, and hands out the tiles that they fill, a lower one before the one above it.
    pub(crate) fn extend(&mut self, leaves: &[Hash], full: &mut Vec<FullTile>) {
        let full_before = full.len();
        let levels = &mut self.levels;
        for leaf in leaves {
            self.range.push(*leaf, |node, hash| {
                if u32::from(node.level).is_multiple_of(TILE_HEIGHT) {
                    let level = node.level / 8;
                    full.extend(push_hash(levels, level, node.index, hash));
                }
            });
        }
        if full.len() > full_before {
            self.upper_peaks = upper_peaks(&self.levels);
        }
    }
}

/// How many hashes the level `level` has in a tree of `size` leaves, full tiles included.
pub(crate) fn hash_count(size: u64, level: u8) -> u64 {
    size.checked_shr(TILE_HEIGHT * u32::from(level)).unwrap_or(0)
}

/// How many hashes its partial tile has.
pub(crate) fn partial_width(size: u64, level: u8) -> usize {
    usize::from((hash_count(size, level) & 0xff) as u8)
}

/// How many levels a tree of `size` leaves has.
pub(crate) fn level_count(size: u64) -> usize {
    (0..=LEVEL_MAX).take_while(|level| hash_count(size, *level) > 0).count()
}

/// The root of the 256 hashes of a full tile, or of any power of two of hashes.
pub(crate) fn subtree_root(hashes: &[Hash]) -> Hash {
    debug_assert!(hashes.len().is_power_of_two());
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row.chunks_exact(2).map(|pair| tree::node_hash(&pair[0], &pair[1])).collect();
    }
    row[0]
}

/// Appends the `index`-th hash of a level to its partial tile; gives the tile if that filled it.
fn push_hash(levels: &mut Vec<Arc<Vec<Hash>>>, level: u8, index: u64, hash: Hash) -> Option<FullTile> {
    let width = usize::from(TILE_WIDTH);
    if levels.len() == usize::from(level) {
        levels.push(Arc::new(Vec::with_capacity(width)));
    }
    let hashes = Arc::make_mut(&mut levels[usize::from(level)]);
    hashes.push(hash);
    (hashes.len() == width).then(|| FullTile {
        level,
        index: index / u64::from(TILE_WIDTH),
        hashes: std::mem::take(hashes),
    })
}

/// The perfect subtrees within all levels but the lowest, highest first.
fn upper_peaks(levels: &[Arc<Vec<Hash>>]) -> Vec<Hash> {
    let mut peaks = Vec::new();
    for hashes in levels.iter().skip(1).rev() {
        push_peaks(hashes, &mut peaks);
    }
    peaks
}

/// Appends the roots of the perfect subtrees that a partial tile splits into, largest first.
fn push_peaks(hashes: &[Hash], peaks: &mut Vec<Hash>) {
    let mut rest = hashes;
    while !rest.is_empty() {
        let (subtree, after) = rest.split_at(1 << rest.len().ilog2());
        peaks.push(subtree_root(subtree));
        rest = after;
    }
}

/// The root of the tree with these peaks, highest first.
fn fold(peaks: &[Hash]) -> Hash {
    let Some((last, before)) = peaks.split_last() else {
        return tree::empty_root();
    };
    before.iter().rev().fold(*last, |right, left| tree::node_hash(left, &right))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn leaf(i: u64) -> Hash {
        tree::leaf_hash(i.to_string().as_bytes())
    }

    /// MTH of RFC 6962 §2.1, written down as it stands there.
    fn mth(leaves: &[Hash]) -> Hash {
        match leaves.len() {
            0 => tree::empty_root(),
            1 => leaves[0],
            n => {
                let k = n.next_power_of_two() / 2;
                tree::node_hash(&mth(&leaves[..k]), &mth(&leaves[k..]))
            }
        }
    }

    #[test]
    fn roots_equal_the_definition_at_every_size_up_to_600() {
        let leaves: Vec<Hash> = (0..600).map(leaf).collect();
        let mut edge = Edge::default();
        assert_eq!(edge.root(), tree::empty_root());
        for size in 1..=leaves.len() {
            edge.extend(&leaves[size - 1..size], &mut Vec::new());
            assert_eq!(edge.size(), size as u64);
            assert_eq!(edge.root(), mth(&leaves[..size]), "size {size}");
        }
    }

    #[test]
    fn full_tiles_come_lowest_first_with_their_hashes() {
        let leaves: Vec<Hash> = (0..70_000).map(leaf).collect();
        let mut full = Vec::new();
        let mut edge = Edge::default();
        for part in leaves.chunks(1_237) {
            edge.extend(part, &mut full);
        }
        let ids: Vec<(u8, u64)> = full.iter().map(|tile| (tile.level, tile.index)).collect();
        let mut expected: Vec<(u8, u64)> = (0..273).map(|index| (0, index)).collect();
        expected.insert(256, (1, 0));
        assert_eq!(ids, expected);
        for tile in full.iter().filter(|tile| tile.level == 0) {
            let start = usize::try_from(tile.index).unwrap() * 256;
            assert_eq!(tile.hashes, leaves[start..start + 256]);
        }
        let roots: Vec<Hash> = leaves[..65_536].chunks(256).map(subtree_root).collect();
        assert_eq!(full[256].hashes, roots);
        assert_eq!((edge.level(0).len(), edge.level(1).len(), edge.level(2).len()), (112, 17, 1));
        assert!(edge.level(3).is_empty());
    }

    #[test]
    fn an_edge_from_its_levels_is_the_same_edge() {
        for size in [0_u64, 1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 66_000] {
            let leaves: Vec<Hash> = (0..size).map(leaf).collect();
            let mut grown = Edge::default();
            grown.extend(&leaves, &mut Vec::new());
            let levels = grown.levels.iter().map(|hashes| hashes.to_vec()).collect();
            let mut rebuilt = Edge::from_levels(size, levels).unwrap();
            assert_eq!(rebuilt.root(), grown.root(), "size {size}");
            let more: Vec<Hash> = (size..size + 300).map(leaf).collect();
            let (mut of_rebuilt, mut of_grown) = (Vec::new(), Vec::new());
            rebuilt.extend(&more, &mut of_rebuilt);
            grown.extend(&more, &mut of_grown);
            assert_eq!(of_rebuilt, of_grown);
            assert_eq!(rebuilt.root(), grown.root());
        }
    }

    #[test]
    fn levels_of_the_wrong_width_are_refused() {
        assert!(Edge::from_levels(2, vec![vec![leaf(0)]]).is_none());
        assert!(Edge::from_levels(256, vec![vec![]]).is_none());
        assert!(Edge::from_levels(1, vec![vec![leaf(0)], vec![]]).is_none());
        assert!(Edge::from_levels(1, vec![vec![leaf(0)]]).is_some());
    }

    #[test]
    #[should_panic(expected = "different roots")]
    fn a_changed_hash_at_the_edge_is_never_signed() {
        let mut edge = Edge::default();
        edge.extend(&[leaf(0), leaf(1), leaf(2)], &mut Vec::new());
        Arc::make_mut(&mut edge.levels[0])[1] = leaf(9);
        let _ = edge.root();
    }

    #[test]
    fn what_was_cloned_stays_as_it_was() {
        let mut edge = Edge::default();
        edge.extend(&(0..255).map(leaf).collect::<Vec<_>>(), &mut Vec::new());
        let before = edge.clone();
        edge.extend(&[leaf(255), leaf(256)], &mut Vec::new());
        assert_eq!((before.size(), before.level(0).len(), before.level(1).len()), (255, 255, 0));
        assert_eq!((edge.size(), edge.level(0).len(), edge.level(1).len()), (257, 1, 1));
    }
}
