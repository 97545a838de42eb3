//! The definitions of RFC 6962 and of subtree proofs, written down as they stand, and a log to try them on.

use std::collections::BTreeMap;

use cairnlog_verify::Hash;
use cairnlog_verify::tile::Tile;
use cairnlog_verify::tree::{CompactRange, empty_root, leaf_hash, node_hash};

/// RFC 6962 §2.1, by recursion over leaf hashes.
pub(crate) fn mth(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&mth(left), &mth(right))
        }
    }
}

/// draft-ietf-plants-merkle-tree-certs §4.4.1, by recursion over leaf hashes.
pub(crate) fn subtree_proof(start: usize, end: usize, leaves: &[Hash]) -> Vec<Hash> {
    if start == end { vec![] } else { subproof(start, end, leaves, true) }
}

fn subproof(start: usize, end: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
    if start == 0 && end == leaves.len() {
        return if known { vec![] } else { vec![mth(leaves)] };
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut proof, sibling) = if end <= k {
        (subproof(start, end, left, known), right)
    } else if start >= k {
        (subproof(start - k, end - k, right, known), left)
    } else {
        assert_eq!(start, 0);
        (subproof(0, end - k, right, false), left)
    };
    proof.push(mth(sibling));
    proof
}

fn split(length: usize) -> usize {
    length.next_power_of_two() / 2
}

/// Every `[start, end)` that is a valid subtree, by the definition's words.
pub(crate) fn is_subtree(start: usize, end: usize) -> bool {
    start <= end && start.is_multiple_of((end - start).next_power_of_two())
}

/// A log in memory: its leaf hashes and its tiles at their widest.
pub(crate) struct Log {
    pub(crate) leaves: Vec<Hash>,
    pub(crate) edge: CompactRange,
    rows: BTreeMap<(u8, u64), Vec<u8>>,
}

impl Log {
    pub(crate) fn new(entries: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        Self::from_leaves(entries.into_iter().map(|entry| leaf_hash(entry.as_ref())).collect())
    }

    pub(crate) fn from_leaves(leaves: Vec<Hash>) -> Self {
        let (mut edge, mut rows) = (CompactRange::new(), BTreeMap::<_, Vec<u8>>::new());
        for leaf in &leaves {
            edge.push(*leaf, |id, hash| {
                if id.level % 8 == 0 {
                    rows.entry((id.level / 8, id.index / 256)).or_default().extend_from_slice(&hash.0);
                }
            });
        }
        Self { leaves, edge, rows }
    }

    /// Entries "0", "1", … in ASCII.
    pub(crate) fn of_decimals(size: usize) -> Self {
        Self::new((0..size).map(|i| i.to_string()))
    }

    pub(crate) fn tile(&self, tile: Tile) -> Vec<u8> {
        self.rows[&(tile.level, tile.index)][..usize::from(tile.width) * 32].to_vec()
    }

    /// Just these tiles, as a client would have fetched them.
    pub(crate) fn fetch(&self, tiles: &[Tile]) -> BTreeMap<Tile, Vec<u8>> {
        tiles.iter().map(|&tile| (tile, self.tile(tile))).collect()
    }
}
