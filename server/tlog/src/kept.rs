//! Tiles kept in memory: they never change once they are durable, so nothing here can be stale.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use cairnlog_verify::{Hash, proof::TileSource, tile::Tile, tree};

use crate::limits::TILES_KEPT_MAX;

const HASH_BYTES: usize = 32;

/// A tile and, once a proof has asked for one, all nodes of the tree between it and the root of its hashes: a proof
/// takes up to eight nodes from a tile, which would cost some 250 hashes each time.
pub(crate) struct KeptTile {
    bytes: Vec<u8>,
    /// The nodes above the hashes, row by row upwards.
    above: OnceLock<Vec<Hash>>,
}

/// The tiles of a proof.
#[derive(Default)]
pub(crate) struct Tiles(BTreeMap<Tile, Arc<KeptTile>>);

/// The tiles that were read last, of all logs over one engine: at least half of [`TILES_KEPT_MAX`] of them, and never
/// more than that.
#[derive(Default)]
pub(crate) struct Kept {
    generations: Mutex<Generations>,
}

/// A tile that is read moves to the young ones; when these are half of what may be kept, the old ones go and the young
/// ones are old.
#[derive(Default)]
struct Generations {
    young: HashMap<(u32, Tile), Arc<KeptTile>>,
    old: HashMap<(u32, Tile), Arc<KeptTile>>,
}

impl KeptTile {
    /// A tile from its bytes, which must be whole hashes.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, above: OnceLock::new() }
    }

    /// The tile's bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The tile's hash at `offset`.
    pub(crate) fn hash(&self, offset: usize) -> Option<Hash> {
        self.hashes().get(offset).copied().map(Hash)
    }

    fn hashes(&self) -> &[[u8; HASH_BYTES]] {
        self.bytes.as_chunks().0
    }

    /// The root of a range of hashes whose length is a power of two and divides its start.
    fn node(&self, range: &Range<usize>) -> Option<Hash> {
        let height = range.len().checked_ilog2()?;
        if height == 0 {
            return self.hash(range.start);
        }
        let width = self.hashes().len();
        let row: usize = (1..height).map(|below| width >> below).sum();
        (range.end <= width)
            .then(|| self.above.get_or_init(|| self.rows_above())[row + (range.start >> height)])
    }

    fn rows_above(&self) -> Vec<Hash> {
        let mut row: Vec<Hash> = self.hashes().iter().copied().map(Hash).collect();
        let mut above = Vec::with_capacity(row.len());
        while row.len() > 1 {
            row = row.as_chunks().0.iter().map(|[left, right]| tree::node_hash(left, right)).collect();
            above.extend_from_slice(&row);
        }
        above
    }
}

impl Tiles {
    pub(crate) fn get(&self, tile: Tile) -> Option<&KeptTile> {
        self.0.get(&tile).map(Arc::as_ref)
    }

    pub(crate) fn insert(&mut self, tile: Tile, kept: Arc<KeptTile>) {
        self.0.insert(tile, kept);
    }
}

impl TileSource for Tiles {
    fn tile(&self, tile: Tile) -> Option<&[u8]> {
        self.0.get(&tile).map(|kept| kept.bytes())
    }

    fn node(&self, tile: Tile, hashes: &Range<usize>) -> Option<Hash> {
        self.get(tile)?.node(hashes)
    }
}

impl Kept {
    pub(crate) fn get(&self, log: u32, tile: Tile) -> Option<Arc<KeptTile>> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = generations.young.get(&(log, tile)) {
            return Some(Arc::clone(kept));
        }
        let kept = generations.old.remove(&(log, tile))?;
        generations.put(log, tile, Arc::clone(&kept));
        Some(kept)
    }

    pub(crate) fn put(&self, log: u32, tile: Tile, kept: Arc<KeptTile>) {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner).put(log, tile, kept);
    }
}

impl Generations {
    fn put(&mut self, log: u32, tile: Tile, kept: Arc<KeptTile>) {
        self.young.insert((log, tile), kept);
        if self.young.len() >= TILES_KEPT_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::edge::subtree_root;

    fn tile(index: u64) -> Tile {
        Tile { level: 0, index, width: 256 }
    }

    #[test]
    fn every_node_of_every_width_is_the_root_of_its_hashes() {
        let hashes: Vec<Hash> = (0..256_u32).map(|i| tree::leaf_hash(&i.to_be_bytes())).collect();
        for width in 1..=256 {
            let kept = KeptTile::new(hashes[..width].iter().flat_map(|hash| hash.0).collect());
            for height in 0..8 {
                let length = 1 << height;
                for start in (0..=256 - length).step_by(length) {
                    let range = start..start + length;
                    let expected = (range.end <= width).then(|| subtree_root(&hashes[range.clone()]));
                    assert_eq!(kept.node(&range), expected, "{range:?} of {width}");
                }
            }
        }
    }

    #[test]
    fn what_is_read_stays_and_the_rest_is_bounded() {
        let kept = Kept::default();
        kept.put(1, tile(0), Arc::new(KeptTile::new(vec![7; 32])));
        for index in 1..10 * TILES_KEPT_MAX as u64 {
            kept.put(1, tile(index), Arc::new(KeptTile::new(Vec::new())));
            assert_eq!(kept.get(1, tile(0)).unwrap().bytes(), [7; 32]);
        }
        assert!(kept.get(1, tile(1)).is_none());
        assert!(kept.get(2, tile(0)).is_none());
        let generations = kept.generations.lock().unwrap();
        assert!(generations.young.len() + generations.old.len() <= TILES_KEPT_MAX);
    }
}
