//! From a group of submissions to the one batch that makes them durable. Pure: no I/O, no waiting.

use std::sync::Arc;

use cairnlog_store::{Batch, Family, layout};
use cairnlog_verify::{Hash, note::NoteError};

use crate::{
    edge::FullTile,
    head::Head,
    signers::Signers,
    submission::{Appended, Submission},
};

/// A batch that is ready to be committed.
pub(crate) struct Prepared {
    pub(crate) batch: Batch,
    /// The head that is in the batch. It may be shown to no one before the batch is durable.
    pub(crate) head: Head,
    /// For each submission of the group, in order, where it goes.
    pub(crate) appended: Vec<Appended>,
}

/// Gives each submission the indices after `durable`, in order, and makes the rows of all of them and
/// the head that commits to them, signed at `now`.
pub(crate) fn prepare(
    log: u32,
    durable: &Head,
    signers: &Arc<Signers>,
    now: u64,
    group: Vec<Box<dyn Submission>>,
) -> Result<Prepared, NoteError> {
    let mut batch = Batch::new();
    let mut edge = durable.edge.clone();
    let mut full = Vec::new();
    let mut firsts = Vec::with_capacity(group.len());
    for submission in group {
        let first = edge.size();
        firsts.push(first);
        for (index, entry) in (first..).zip(submission.entries()) {
            batch.put(Family::Entries, layout::entry_key(log, index), entry.as_slice());
        }
        edge.extend(submission.leaf_hashes(), &mut full);
        submission.rows(first, &mut batch);
    }
    for tile in full {
        put_tile(log, &tile, &mut batch);
    }
    let head = durable.sign_next(edge, now, signers)?;
    batch.put(Family::Heads, layout::head_key(log), head.note.as_bytes());
    batch.put(Family::Heads, layout::head_time_key(log), head.time.to_be_bytes());
    let tree_size = head.checkpoint.size;
    if firsts.is_empty() {
        // A change of keys alone: where the next entry goes.
        firsts.push(tree_size);
    }
    let appended = firsts.into_iter().map(|first_index| Appended { first_index, tree_size }).collect();
    Ok(Prepared { batch, head, appended })
}

/// The first bytes of a leaf hash, under which its index is looked up.
pub(crate) fn leaf_prefix(hash: &Hash) -> [u8; 8] {
    let mut prefix = [0; 8];
    prefix.copy_from_slice(&hash.0[..8]);
    prefix
}

/// The bytes of a tile.
pub(crate) fn tile_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// A full tile's row and, at level 0, the lookup row of each of its leaves.
fn put_tile(log: u32, tile: &FullTile, batch: &mut Batch) {
    let key = layout::tile_key(log, tile.level, tile.index);
    batch.put(Family::Tiles, key, tile_bytes(&tile.hashes));
    if tile.level == 0 {
        let first = tile.index * tile.hashes.len() as u64;
        for (index, hash) in (first..).zip(&tile.hashes) {
            batch.put(Family::ByLeaf, layout::by_leaf_key(log, leaf_prefix(hash), index), Vec::new());
        }
    }
}
