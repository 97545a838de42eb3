//! Proofs that leaves and trees belong together.
//!
//! All of them are **subtree proofs** (draft-ietf-plants-merkle-tree-certs): that the leaves `[start, end)` of a tree of
//! `size` entries hash to a given node. `[i, i + 1)` is RFC 9162's inclusion proof, `[0, m)` its consistency proof, hash
//! for hash. So there is one generator, [`Plan`], and one verifier, [`verify_subtree`].

mod lines;
mod plan;

pub(crate) use lines::{LinesError, parse_lines};
pub use plan::{Plan, TileSource};

use crate::Hash;
use crate::tile::Tile;
use crate::tree::{empty_root, node_hash};

/// A proof that can't be made or does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The entry is not in the tree.
    #[error("entry {index} is not in a tree of {size} entries")]
    NotInTree {
        /// The entry asked for.
        index: u64,
        /// Entries of the tree.
        size: u64,
    },
    /// The range is no subtree: it ends beyond the tree, or does not start at a multiple of its length rounded up to a
    /// power of two.
    #[error("[{start}, {end}) is not a subtree of a tree of {size} entries")]
    NotASubtree {
        /// First leaf.
        start: u64,
        /// One past the last leaf.
        end: u64,
        /// Entries of the tree.
        size: u64,
    },
    /// The proof has more or fewer hashes than this one must have.
    #[error("proof has the wrong number of hashes")]
    Length,
    /// The hashes do not lead to what was to be proved.
    #[error("proof does not lead to the given hashes")]
    Mismatch,
    /// The caller did not bring a tile that the plan asked for.
    #[error("tile {} is missing", .0.path())]
    MissingTile(Tile),
    /// A tile has fewer bytes than its width says.
    #[error("tile {} is too short", .0.path())]
    ShortTile(Tile),
}

/// Checks that the leaf with hash `leaf` stands at `index` in the tree of `size` entries with that root (RFC 9162
/// §2.1.3.2).
///
/// # Errors
/// [`ProofError::NotInTree`], [`ProofError::Length`] or [`ProofError::Mismatch`].
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    verify_subtree(index, leaf_end(index, size)?, size, proof, leaf, root)
}

/// The root of the tree of `size` entries in which the leaf with hash `leaf` stands at `index`, if the proof holds (RFC 9162
/// §2.1.3.2): for those who compare the root, or check its signature, themselves.
///
/// # Errors
/// [`ProofError::NotInTree`] or [`ProofError::Length`].
pub fn inclusion_root(index: u64, size: u64, leaf: &Hash, proof: &[Hash]) -> Result<Hash, ProofError> {
    leaf_end(index, size)?;
    let at = Position { first: index, last: index, tree: size - 1 };
    Ok(at.climb(*leaf, proof)?.1)
}

/// Checks that the tree of `from` entries with root `root1` is how the tree of `to` entries with root `root2` began (RFC
/// 9162 §2.1.4.2). Every tree begins with the empty one, so then the proof is empty and `root1` the empty root.
///
/// # Errors
/// [`ProofError::NotASubtree`] if `from > to`, else [`ProofError::Length`] or [`ProofError::Mismatch`].
pub fn verify_consistency(
    from: u64,
    to: u64,
    proof: &[Hash],
    root1: &Hash,
    root2: &Hash,
) -> Result<(), ProofError> {
    verify_subtree(0, from, to, proof, root1, root2)?;
    if from == to && root1 != root2 {
        return Err(ProofError::Mismatch);
    }
    Ok(())
}

/// Checks that the leaves `[start, end)` of the tree of `size` entries with that root hash to `node`
/// (draft-ietf-plants-merkle-tree-certs §4.4.3). An empty range is proved by nothing and says nothing about the root.
///
/// # Errors
/// [`ProofError::NotASubtree`], [`ProofError::Length`] or [`ProofError::Mismatch`].
pub fn verify_subtree(
    start: u64,
    end: u64,
    size: u64,
    proof: &[Hash],
    node: &Hash,
    root: &Hash,
) -> Result<(), ProofError> {
    check_subtree(start, end, size)?;
    if start == end {
        return match (proof, *node == empty_root()) {
            ([], true) => Ok(()),
            ([], false) => Err(ProofError::Mismatch),
            _ => Err(ProofError::Length),
        };
    }
    let mut at = Position { first: start, last: end - 1, tree: size - 1 };
    let to_tree_end = at.last == at.tree;
    while at.first != at.last && (to_tree_end || at.last & 1 == 1) {
        at.ascend();
    }
    let (seed, rest) =
        if at.first == at.last { (node, proof) } else { proof.split_first().ok_or(ProofError::Length)? };
    let (below_node, below_root) = at.climb(*seed, rest)?;
    if below_node == *node && below_root == *root { Ok(()) } else { Err(ProofError::Mismatch) }
}

/// Where a verification stands: the positions, among the nodes of the level reached, of the subtree's first and last
/// leaf and of the tree's last.
struct Position {
    first: u64,
    last: u64,
    tree: u64,
}

impl Position {
    fn ascend(&mut self) {
        self.first >>= 1;
        self.last >>= 1;
        self.tree >>= 1;
    }

    /// Takes in the proof from `seed` up to the root; gives the hashes that the subtree and the tree must have.
    fn climb(mut self, seed: Hash, proof: &[Hash]) -> Result<(Hash, Hash), ProofError> {
        let (mut node, mut root) = (seed, seed);
        for sibling in proof {
            if self.tree == 0 {
                return Err(ProofError::Length);
            }
            if self.last & 1 == 1 || self.last == self.tree {
                if self.first < self.last {
                    node = node_hash(sibling, &node);
                }
                root = node_hash(sibling, &root);
                // A node without a right sibling is its own parent. `last` has a set bit: it is odd or equals `tree`.
                while self.last & 1 == 0 {
                    self.ascend();
                }
            } else {
                root = node_hash(&root, sibling);
            }
            self.ascend();
        }
        if self.tree == 0 { Ok((node, root)) } else { Err(ProofError::Length) }
    }
}

fn leaf_end(index: u64, size: u64) -> Result<u64, ProofError> {
    if index < size { Ok(index + 1) } else { Err(ProofError::NotInTree { index, size }) }
}

fn check_subtree(start: u64, end: u64, size: u64) -> Result<(), ProofError> {
    if end <= size && is_subtree(start, end) {
        Ok(())
    } else {
        Err(ProofError::NotASubtree { start, end, size })
    }
}

/// Whether `[start, end)` is a subtree of every tree that is large enough: `start` is a multiple of the length rounded up
/// to a power of two.
pub(crate) fn is_subtree(start: u64, end: u64) -> bool {
    let aligned = |length: u64| match length.checked_next_power_of_two() {
        Some(unit) => start.is_multiple_of(unit),
        None => start == 0,
    };
    end.checked_sub(start).is_some_and(aligned)
}
