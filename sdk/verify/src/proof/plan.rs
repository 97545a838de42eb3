//! What a proof is made of, and where to find it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasher;
use std::iter;
use std::ops::Range;

use super::{ProofError, check_subtree, leaf_end};
use crate::Hash;
use crate::tile::{LEVEL_BITS, TILE_WIDTH, Tile};
use crate::tree::{NodeId, fold, node_hash};

const HASH_BYTES: usize = 32;

/// Where tiles come from: whatever the caller fetched.
pub trait TileSource {
    /// The bytes of a tile, at least `width * 32` of them; more (a wider version of the tile) are ignored.
    fn tile(&self, tile: Tile) -> Option<&[u8]>;

    /// The root of some of the tile's hashes, a power of two of them, where the source has it at hand. `None` lets it be
    /// computed from the tile.
    fn node(&self, tile: Tile, hashes: &Range<usize>) -> Option<Hash> {
        let _ = (tile, hashes);
        None
    }
}

impl TileSource for BTreeMap<Tile, Vec<u8>> {
    fn tile(&self, tile: Tile) -> Option<&[u8]> {
        self.get(&tile).map(Vec::as_slice)
    }
}

impl<S: BuildHasher> TileSource for HashMap<Tile, Vec<u8>, S> {
    fn tile(&self, tile: Tile) -> Option<&[u8]> {
        self.get(&tile).map(Vec::as_slice)
    }
}

/// The hashes that a proof consists of, each the hash of a range of leaves.
///
/// Making one costs nothing but arithmetic. Its [`tiles`](Plan::tiles) are what the caller must fetch, at most a few a
/// level, before it can be [`evaluate`](Plan::evaluate)d.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    size: u64,
    /// In the proof's order; each starts at a multiple of its length rounded up to a power of two.
    ranges: Vec<Range<u64>>,
}

impl Plan {
    /// The proof that entry `index` is in the tree of `size` entries (RFC 9162 §2.1.3.1).
    ///
    /// # Errors
    /// [`ProofError::NotInTree`].
    pub fn inclusion(index: u64, size: u64) -> Result<Self, ProofError> {
        Self::subtree(index, leaf_end(index, size)?, size)
    }

    /// The proof that the tree of `to` entries began as the tree of `from` entries (RFC 9162 §2.1.4.1); empty if they are
    /// the same or `from` is 0.
    ///
    /// # Errors
    /// [`ProofError::NotASubtree`] if `from > to`.
    pub fn consistency(from: u64, to: u64) -> Result<Self, ProofError> {
        Self::subtree(0, from, to)
    }

    /// The proof that the leaves `[start, end)` are a subtree of the tree of `size` entries
    /// (draft-ietf-plants-merkle-tree-certs §4.4.1).
    ///
    /// # Errors
    /// [`ProofError::NotASubtree`].
    pub fn subtree(start: u64, end: u64, size: u64) -> Result<Self, ProofError> {
        check_subtree(start, end, size)?;
        let mut ranges = Vec::new();
        if start < end {
            // Down from the root to the subtree, leaving aside what lies beside the way. Where the subtree straddles the
            // middle of a node it fills the left half, so only its rest, right of the middle, is still to be found.
            let (mut node, mut rest) = (0..size, start..end);
            while node != rest {
                let middle = node.start + largest_power_below(node.end - node.start);
                if rest.end <= middle {
                    ranges.push(middle..node.end);
                    node.end = middle;
                } else {
                    ranges.push(node.start..middle);
                    node.start = middle;
                    rest.start = rest.start.max(middle);
                }
            }
            if rest.start != start {
                ranges.push(rest);
            }
            ranges.reverse();
        }
        Ok(Self { size, ranges })
    }

    /// The root of the tree of `size` entries, as its only hash.
    #[must_use]
    pub fn root(size: u64) -> Self {
        Self { size, ranges: iter::once(0..size).collect() }
    }

    /// The tiles that the hashes come from, sorted, each once, with the width that it has in a tree of the plan's size.
    #[must_use]
    pub fn tiles(&self) -> Vec<Tile> {
        let tiles: BTreeSet<Tile> = self
            .ranges
            .iter()
            .cloned()
            .flat_map(perfect_nodes)
            .map(|node| locate(node, self.size).0)
            .collect();
        tiles.into_iter().collect()
    }

    /// The hashes, in the proof's order.
    ///
    /// Tiles are taken at their word: a proof from wrong tiles is a wrong proof, and its verification says so.
    ///
    /// # Errors
    /// [`ProofError::MissingTile`] and [`ProofError::ShortTile`].
    pub fn evaluate<T: TileSource + ?Sized>(&self, tiles: &T) -> Result<Vec<Hash>, ProofError> {
        self.ranges
            .iter()
            .cloned()
            .map(|range| {
                let nodes: Vec<Hash> = perfect_nodes(range)
                    .map(|node| read_node(node, self.size, tiles))
                    .collect::<Result<_, _>>()?;
                Ok(fold(nodes.into_iter()))
            })
            .collect()
    }
}

/// The largest power of two below `length`, which is at least 2.
fn largest_power_below(length: u64) -> u64 {
    1 << (length - 1).ilog2()
}

/// The perfect subtrees that a range consists of, largest first; the range must start at a multiple of the largest.
fn perfect_nodes(range: Range<u64>) -> impl Iterator<Item = NodeId> {
    let mut next = range.start;
    iter::from_fn(move || {
        let level = u8::try_from((range.end - next).checked_ilog2()?).ok()?;
        let node = NodeId { level, index: next >> level };
        next += 1 << level;
        Some(node)
    })
}

/// The tile below which a node hangs, and the node's hashes in it.
fn locate(node: NodeId, size: u64) -> (Tile, Range<usize>) {
    let (level, height) = (node.level / LEVEL_BITS, node.level % LEVEL_BITS);
    let first = node.index << height;
    let (index, offset) = (first / u64::from(TILE_WIDTH), (first % 256) as usize);
    let left = (size >> (LEVEL_BITS * level)) - index * u64::from(TILE_WIDTH);
    let width = u16::try_from(left).map_or(TILE_WIDTH, |left| left.min(TILE_WIDTH));
    (Tile { level, index, width }, offset..offset + (1 << height))
}

fn read_node<T: TileSource + ?Sized>(node: NodeId, size: u64, tiles: &T) -> Result<Hash, ProofError> {
    let (tile, hashes) = locate(node, size);
    if let Some(hash) = tiles.node(tile, &hashes) {
        return Ok(hash);
    }
    let bytes = tiles
        .tile(tile)
        .ok_or(ProofError::MissingTile(tile))?
        .get(..usize::from(tile.width) * HASH_BYTES)
        .ok_or(ProofError::ShortTile(tile))?;
    let (all, _) = bytes.as_chunks::<HASH_BYTES>();
    let mut row: Vec<Hash> = all[hashes].iter().copied().map(Hash).collect();
    while let [_, _, ..] = row[..] {
        row = row.as_chunks::<2>().0.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    Ok(row[0])
}
