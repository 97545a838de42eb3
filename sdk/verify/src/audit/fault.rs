//! What an audit finds.

use std::ops::Range;

use crate::Hash;
use crate::tile::{TILE_WIDTH, Tile};

/// Where a tile, as served, and the hash computed from below it part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// The tile.
    pub tile: Tile,
    /// Which of its hashes.
    pub position: u16,
}

impl Difference {
    /// The indices of the entries that the hash stands for: one at level 0, 256 at level 1, and so on.
    #[must_use]
    pub fn entries(&self) -> Range<u64> {
        let span = u64::from(TILE_WIDTH).saturating_pow(u32::from(self.tile.level));
        let hash =
            self.tile.index.saturating_mul(u64::from(TILE_WIDTH)).saturating_add(u64::from(self.position));
        let first = hash.saturating_mul(span);
        first..first.saturating_add(span)
    }

    /// The same in words.
    #[must_use]
    pub fn words(&self) -> String {
        let Range { start, end } = self.entries();
        let path = self.tile.path();
        if self.tile.level == 0 {
            format!("record {start} and its hash in {path} disagree")
        } else {
            format!("records {start} to {} and their hash in {path} disagree", end - 1)
        }
    }
}

/// Why a log is not what its checkpoint says: it was tampered with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A record is not the one that the tree commits to; it is the first such. The tiles do lead to the signed root.
    #[error("record {index} was altered: its bytes are not those that the signed tree head commits to")]
    Record {
        /// The record's index.
        index: u64,
    },
    /// A tile is not what the records give, though these do lead to the signed root; it is the first such.
    #[error("{} was altered: its hash {} is not that of the records below it", .0.tile.path(), .0.position)]
    Tile(Difference),
    /// Neither the records nor the tiles lead to the signed root.
    #[error("the records give the root {recomputed}, the checkpoint signs {signed}{}", where_first(*.first))]
    Root {
        /// The root that the records give.
        recomputed: Hash,
        /// The root that the checkpoint signs.
        signed: Hash,
        /// The first place where records and tiles part, if they do.
        first: Option<Difference>,
    },
    /// The records do lead to the signed root, but not by way of a smaller tree that was signed as well: its signature and
    /// the larger one's contradict each other.
    #[error(
        "the records give the root {recomputed} at size {size}, where another signed tree head has {signed}"
    )]
    Earlier {
        /// The size of the smaller tree.
        size: u64,
        /// The root of that size that the records give.
        recomputed: Hash,
        /// The root that was signed.
        signed: Hash,
    },
    /// Records and tiles part, and something missing keeps from telling which of them was altered.
    #[error("{}, and without what is missing it is open which of them was altered", .0.words())]
    Disagree(Difference),
    /// A tile or a bundle is not even of the right form.
    #[error("{path} is malformed: {reason}")]
    Malformed {
        /// Its path below the log's prefix.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The caller fed something else than [`Recompute::need`](super::Recompute::need) asked for, or too little.
    #[error("the recomputation was fed out of order")]
    OutOfOrder,
}

fn where_first(first: Option<Difference>) -> String {
    match first {
        Some(difference) => format!("; {}", difference.words()),
        None => String::new(),
    }
}
