//! The arithmetic of an audit, without I/O.

use std::collections::VecDeque;

use super::fault::{Difference, Fault};
use crate::Hash;
use crate::bundle;
use crate::checkpoint::Checkpoint;
use crate::tile::{BundleId, TILE_WIDTH, Tile};
use crate::tree::{CompactRange, leaf_hash};

/// Tree levels in a tile level (C2SP tlog-tiles: a tile is 8 levels high).
const TILE_HEIGHT: u8 = 8;

/// What a [`Recompute`] wants to be fed next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A bundle of entries with the level-0 tile of their hashes, for [`Recompute::leaves`].
    Leaves {
        /// The bundle.
        bundle: BundleId,
        /// The tile; index and width are the bundle's.
        tile: Tile,
    },
    /// A tile of a higher level, for [`Recompute::tile`].
    Tile(Tile),
}

/// Recomputes a tree from all of its bundles and tiles, fed in the order it asks for.
///
/// Two trees grow side by side, one from the entries and one from the level-0 hashes as served. Where they part, the one
/// that ends in the signed root tells whether the record or the tile was altered. Memory is bounded: the edges of both
/// trees, and of each level the hashes since its last tile, some 16 KiB a level, whatever the size of the log.
#[derive(Debug, Clone)]
pub struct Recompute {
    size: u64,
    root: Hash,
    from_entries: Tree,
    from_tiles: Tree,
    /// Tiles above level 0 whose hashes are all computed and which have not been fed yet.
    due: VecDeque<Tile>,
    /// Smaller trees that were signed as well, by size.
    earlier: Vec<Checkpoint>,
    forked: Option<Fault>,
    record: Option<Difference>,
    upper_against_entries: Option<Difference>,
}

impl Recompute {
    /// The recomputation of the tree that the checkpoint signs. (That it is signed is the caller's to check.)
    #[must_use]
    pub fn new(checkpoint: &Checkpoint) -> Self {
        Self {
            size: checkpoint.size,
            root: checkpoint.root,
            from_entries: Tree::default(),
            from_tiles: Tree::default(),
            due: VecDeque::new(),
            earlier: Vec::new(),
            forked: None,
            record: None,
            upper_against_entries: None,
        }
    }

    /// The same, and that the tree began as another signed checkpoint says. One that is larger is passed over, for the
    /// records can't say anything about it.
    #[must_use]
    pub fn with_earlier(mut self, checkpoint: Checkpoint) -> Self {
        self.earlier.push(checkpoint);
        self
    }

    /// What to feed next; `None` when all is in.
    #[must_use]
    pub fn need(&self) -> Option<Need> {
        if let Some(tile) = self.due.front() {
            return Some(Need::Tile(*tile));
        }
        let done = self.from_entries.range.size();
        let left = self.size.checked_sub(done).filter(|left| *left > 0)?;
        let index = done / u64::from(TILE_WIDTH);
        let width = u16::try_from(left).map_or(TILE_WIDTH, |left| left.min(TILE_WIDTH));
        Some(Need::Leaves { bundle: BundleId { index, width }, tile: Tile { level: 0, index, width } })
    }

    /// How many entries are in.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.from_entries.range.size()
    }

    /// The first place where records and tiles parted so far. Which of them was altered is known at the end.
    #[must_use]
    pub fn first_difference(&self) -> Option<Difference> {
        self.record.or(self.upper_against_entries)
    }

    /// Takes the bundle and the tile of a [`Need::Leaves`].
    ///
    /// # Errors
    /// [`Fault::Malformed`] if the bundle does not hold as many entries, or the tile as many hashes, as it must;
    /// [`Fault::OutOfOrder`] if something else was asked for.
    pub fn leaves(&mut self, bundle: &[u8], tile: &[u8]) -> Result<(), Fault> {
        let Some(Need::Leaves { bundle: id, tile: at }) = self.need() else {
            return Err(Fault::OutOfOrder);
        };
        let leaves: Vec<Hash> = decoded(id, bundle)?.into_iter().map(leaf_hash).collect();
        self.leaf_hashes(&leaves, hashes(at, tile)?)
    }

    /// Takes the same as [`Recompute::leaves`], hashed already: the leaf hashes of the entries, and those of the tile.
    ///
    /// # Errors
    /// [`Fault::OutOfOrder`] if something else was asked for, or more or fewer.
    pub fn leaf_hashes(&mut self, leaves: &[Hash], tile: Vec<Hash>) -> Result<(), Fault> {
        let Some(Need::Leaves { tile: at, .. }) = self.need() else {
            return Err(Fault::OutOfOrder);
        };
        if leaves.len() != usize::from(at.width) || tile.len() != leaves.len() {
            return Err(Fault::OutOfOrder);
        }
        for ((position, leaf), served) in (0..).zip(leaves.iter().copied()).zip(tile) {
            if leaf != served && self.record.is_none() {
                self.record = Some(Difference { tile: at, position });
            }
            self.from_entries.push(leaf);
            self.from_tiles.push(served);
            self.compare_earlier();
        }
        self.make_due();
        Ok(())
    }

    /// Takes the tile of a [`Need::Tile`].
    ///
    /// # Errors
    /// [`Fault::Malformed`] if it does not hold as many hashes as it must; [`Fault::OutOfOrder`] if something else was
    /// asked for.
    pub fn tile(&mut self, tile: &[u8]) -> Result<(), Fault> {
        let at = *self.due.front().ok_or(Fault::OutOfOrder)?;
        let served = hashes(at, tile)?.into_iter();
        let computed = self.from_entries.take(at.level);
        self.from_tiles.take(at.level);
        self.due.pop_front();
        let differs = (0..).zip(served.zip(computed)).find(|(_, (s, c))| s != c);
        if let (Some((position, _)), None) = (differs, self.upper_against_entries) {
            self.upper_against_entries = Some(Difference { tile: at, position });
        }
        Ok(())
    }

    /// The verdict, once [`Recompute::need`] is `None`.
    ///
    /// # Errors
    /// The [`Fault`]; [`Fault::OutOfOrder`] if something is still needed.
    pub fn finish(self) -> Result<(), Fault> {
        if self.need().is_some() {
            return Err(Fault::OutOfOrder);
        }
        let recomputed = self.from_entries.range.root();
        let entries_hold = recomputed == self.root;
        let tiles_hold = self.from_tiles.range.root() == self.root;
        match (self.record, self.first_difference()) {
            (_, None) if entries_hold => self.forked.map_or(Ok(()), Err),
            (_, Some(difference)) if entries_hold => Err(Fault::Tile(difference)),
            (Some(record), _) if tiles_hold => Err(Fault::Record { index: record.entries().start }),
            (_, first) => Err(Fault::Root { recomputed, signed: self.root, first }),
        }
    }

    fn compare_earlier(&mut self) {
        let size = self.from_entries.range.size();
        for other in self.earlier.iter().filter(|other| other.size == size) {
            let recomputed = self.from_entries.range.root();
            if recomputed != other.root && self.forked.is_none() {
                self.forked = Some(Fault::Earlier { size, recomputed, signed: other.root });
            }
        }
    }

    /// After a bundle at most one tile of each level is full; after the last bundle the partial ones are due as well.
    fn make_due(&mut self) {
        let last = self.from_entries.range.size() == self.size;
        for (level, pending) in (1..).zip(&self.from_entries.pending) {
            let width = u16::try_from(pending.hashes.len()).unwrap_or(TILE_WIDTH);
            if width == TILE_WIDTH || (last && width > 0) {
                let index = pending.tiles;
                self.due.push_back(Tile { level, index, width });
            }
        }
    }
}

/// A growing tree and, of each tile level above 0, the hashes since its last tile.
#[derive(Debug, Clone, Default)]
struct Tree {
    range: CompactRange,
    pending: Vec<Pending>,
}

#[derive(Debug, Clone, Default)]
struct Pending {
    tiles: u64,
    hashes: Vec<Hash>,
}

impl Tree {
    fn push(&mut self, leaf: Hash) {
        let pending = &mut self.pending;
        self.range.push(leaf, |node, hash| {
            if node.level == 0 || node.level % TILE_HEIGHT != 0 {
                return;
            }
            let slot = usize::from(node.level / TILE_HEIGHT) - 1;
            if pending.len() == slot {
                pending.push(Pending::default());
            }
            pending[slot].hashes.push(hash);
        });
    }

    /// The hashes of the level's next tile.
    fn take(&mut self, level: u8) -> Vec<Hash> {
        let slot = usize::from(level) - 1;
        let pending = &mut self.pending[slot];
        pending.tiles += 1;
        std::mem::take(&mut pending.hashes)
    }
}

fn decoded(id: BundleId, bytes: &[u8]) -> Result<Vec<&[u8]>, Fault> {
    let malformed = |reason: String| Fault::Malformed { path: id.path(), reason };
    let entries = bundle::decode(bytes).map_err(|e| malformed(e.to_string()))?;
    if entries.len() != usize::from(id.width) {
        let words = format!("it holds {} entries instead of {}", entries.len(), id.width);
        return Err(malformed(words));
    }
    Ok(entries)
}

fn hashes(tile: Tile, bytes: &[u8]) -> Result<Vec<Hash>, Fault> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if hashes.len() != usize::from(tile.width) || !rest.is_empty() {
        let reason = format!("it holds {} bytes instead of {}", bytes.len(), usize::from(tile.width) * 32);
        return Err(Fault::Malformed { path: tile.path(), reason });
    }
    Ok(hashes.iter().map(|hash| Hash(*hash)).collect())
}
