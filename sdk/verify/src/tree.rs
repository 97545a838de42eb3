//! The RFC 6962 tree: what its hashes mean, and its right edge.
//!
//! A tree of any size is the fold of at most 64 perfect subtrees, one for each set bit of its size. [`CompactRange`]
//! holds just their roots; that is all a log needs to append and to know its root.

use sha2::{Digest as _, Sha256};

use crate::Hash;

/// `SHA-256(0x00 || entry)`, the hash of a leaf (RFC 6962 §2.1).
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0]).chain_update(entry).finalize().into())
}

/// `SHA-256(0x01 || left || right)`, the hash of an inner node (RFC 6962 §2.1).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut input = [1; 65];
    input[1..33].copy_from_slice(&left.0);
    input[33..].copy_from_slice(&right.0);
    Hash(Sha256::digest(input).into())
}

/// `SHA-256("")`, the root of the empty tree (RFC 6962 §2.1).
#[must_use]
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

/// Combines the roots of neighbouring perfect subtrees, largest and leftmost first, into the root of their leaves.
pub(crate) fn fold(nodes: impl DoubleEndedIterator<Item = Hash>) -> Hash {
    nodes.rev().reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root)
}

/// A perfect subtree: the leaves `[index << level, (index + 1) << level)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// Height above the leaves, 0 to 63; the subtree has `2^level` leaves.
    pub level: u8,
    /// Position among the nodes of its level, from the left.
    pub index: u64,
}

/// The right edge of a tree: the roots of its perfect subtrees, one for each set bit of the size, largest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompactRange {
    size: u64,
    nodes: Vec<Hash>,
}

/// Nodes that are no right edge of a tree of the given size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the right edge of a tree of {size} entries has {} nodes, not {nodes}", size.count_ones())]
pub struct EdgeError {
    /// Entries of the tree.
    pub size: u64,
    /// Nodes that were given.
    pub nodes: usize,
}

impl CompactRange {
    /// The edge of the empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The edge of a tree of `size` entries from the roots of its perfect subtrees, largest first.
    ///
    /// # Errors
    /// [`EdgeError`] unless there are as many nodes as `size` has set bits.
    pub fn from_nodes(size: u64, nodes: Vec<Hash>) -> Result<Self, EdgeError> {
        if usize::try_from(size.count_ones()) == Ok(nodes.len()) {
            Ok(Self { size, nodes })
        } else {
            Err(EdgeError { size, nodes: nodes.len() })
        }
    }

    /// Entries of the tree.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the perfect subtrees, largest first.
    #[must_use]
    pub fn nodes(&self) -> &[Hash] {
        &self.nodes
    }

    /// Appends a leaf hash. `on_node` is told the leaf (level 0) and then each parent that it completes, upwards; over
    /// the life of a tree that is every perfect subtree, once.
    ///
    /// # Panics
    /// If the tree has `u64::MAX` entries already, which no log lives to see.
    pub fn push(&mut self, leaf: Hash, mut on_node: impl FnMut(NodeId, Hash)) {
        let size = self.size.checked_add(1).expect("a tree has fewer than 2^64 entries");
        let mut id = NodeId { level: 0, index: self.size };
        let mut node = leaf;
        on_node(id, node);
        while id.index & 1 == 1 {
            let left = self.nodes.pop().expect("the edge has a node for every set bit of the size");
            node = node_hash(&left, &node);
            id = NodeId { level: id.level + 1, index: id.index >> 1 };
            on_node(id, node);
        }
        self.nodes.push(node);
        self.size = size;
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        fold(self.nodes.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_perfect_subtree_is_told_once_and_upwards() {
        let mut range = CompactRange::new();
        let mut told = Vec::new();
        for byte in 0..7 {
            range.push(leaf_hash(&[byte]), |id, _| told.push((id.level, id.index)));
        }
        assert_eq!(
            told,
            [(0, 0), (0, 1), (1, 0), (0, 2), (0, 3), (1, 1), (2, 0), (0, 4), (0, 5), (1, 2), (0, 6)]
        );
    }

    #[test]
    fn an_edge_goes_on_from_its_nodes() {
        let mut range = CompactRange::new();
        for byte in 0..100 {
            let mut resumed = CompactRange::from_nodes(range.size(), range.nodes().to_vec()).unwrap();
            range.push(leaf_hash(&[byte]), |_, _| ());
            resumed.push(leaf_hash(&[byte]), |_, _| ());
            assert_eq!(resumed, range);
        }
    }

    #[test]
    fn an_edge_has_one_node_for_each_set_bit() {
        assert_eq!(CompactRange::from_nodes(5, vec![empty_root()]), Err(EdgeError { size: 5, nodes: 1 }));
        assert!(CompactRange::from_nodes(0, vec![empty_root()]).is_err());
        assert!(CompactRange::from_nodes(u64::MAX, vec![empty_root(); 64]).is_ok());
        assert_eq!(CompactRange::from_nodes(0, vec![]).unwrap(), CompactRange::new());
    }

    #[test]
    fn the_largest_sizes_do_not_overflow() {
        let mut range = CompactRange::from_nodes(u64::MAX - 1, vec![empty_root(); 63]).unwrap();
        range.push(leaf_hash(b""), |_, _| ());
        assert_eq!((range.size(), range.nodes().len()), (u64::MAX, 64));
    }
}
