//! What anyone may read of the tree: tiles, bundles, entries, and where a leaf is.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use cairnlog_store::{self as store, Engine, Family, Scan, layout};
use cairnlog_verify::{
    Hash, bundle,
    tile::{BundleId, TILE_WIDTH, Tile},
    tree,
};

use crate::{
    commit::{leaf_prefix, tile_bytes},
    edge,
    error::ReadError,
    head::Head,
    kept::{Kept, KeptTile, Tiles},
    limits::{ENTRIES_READ_MAX, LEAF_CANDIDATES_MAX, LEAF_CANDIDATES_PAGE},
    log::{Inner, Log},
};

const HASH_BYTES: usize = 32;
const FULL_TILE_BYTES: usize = TILE_WIDTH as usize * HASH_BYTES;

impl Log {
    /// The bytes of a tile (C2SP tlog-tiles), at any width up to what the published tree has of it;
    /// `None` if it has less.
    ///
    /// # Errors
    /// [`ReadError`] if the engine fails or the tile is not as it was written.
    pub async fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, ReadError> {
        let head = self.head();
        if !has_tile(&head, tile) {
            return Ok(None);
        }
        let tiles = self.tile_reader().tiles(&head, vec![tile]).await?;
        let bytes = tiles.get(tile).and_then(|kept| kept.bytes().get(..usize::from(tile.width) * HASH_BYTES));
        Ok(bytes.map(<[u8]>::to_vec))
    }

    /// The bytes of an entry bundle (C2SP tlog-tiles), at any width up to what the published tree has of
    /// it; `None` if it has less.
    ///
    /// # Errors
    /// [`ReadError`] if the engine fails, or an entry is missing or not the leaf that the tree has there.
    pub async fn bundle(&self, id: BundleId) -> Result<Option<Vec<u8>>, ReadError> {
        let first = id.index.checked_mul(u64::from(TILE_WIDTH));
        let end = first.and_then(|first| first.checked_add(u64::from(id.width)));
        let (Some(first), Some(end)) = (first, end) else {
            return Ok(None);
        };
        let head = self.head();
        if !(1..=TILE_WIDTH).contains(&id.width) || end > head.checkpoint.size {
            return Ok(None);
        }
        let entries = self.proven_entries(&head, first..end).await?;
        let encoded = bundle::encode(entries.iter().map(Vec::as_slice));
        encoded.map(Some).map_err(|_| ReadError::Bundle { path: id.path() })
    }

    /// The entry at `index`, `None` at or beyond the published size.
    ///
    /// # Errors
    /// [`ReadError`] if the engine fails, or the entry is missing or not the leaf that the tree has there.
    pub async fn entry(&self, index: u64) -> Result<Option<Vec<u8>>, ReadError> {
        let head = self.head();
        if index >= head.checkpoint.size {
            return Ok(None);
        }
        self.entry_under(&head, index).await.map(Some)
    }

    /// The entry at `index`, which the tree of `head` has.
    async fn entry_under(&self, head: &Head, index: u64) -> Result<Vec<u8>, ReadError> {
        let key = layout::entry_key(self.inner.id, index);
        let entry = self.engine().get(Family::Entries, &key).await?.ok_or(ReadError::Entry { index })?;
        self.leaves(head, index..index + 1).await?.check(index, &entry)?;
        Ok(entry)
    }

    /// The entries of a range as far as the published tree has them, the first
    /// [`ENTRIES_READ_MAX`] at most.
    ///
    /// # Errors
    /// [`ReadError`] if the engine fails, or an entry is missing or not the leaf that the tree has there.
    pub async fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, ReadError> {
        let head = self.head();
        let end = range.end.min(head.checkpoint.size);
        let end = end.min(range.start.saturating_add(ENTRIES_READ_MAX));
        if range.start >= end {
            return Ok(Vec::new());
        }
        self.proven_entries(&head, range.start..end).await
    }

    /// Reads entries of the tree of `head` and hashes them anew, so that one which was damaged or exchanged in the store is
    /// never handed out. Off the async threads: they may have 16 MB.
    async fn proven_entries(&self, head: &Head, range: Range<u64>) -> Result<Vec<Vec<u8>>, ReadError> {
        let entries = entry_range(self.engine(), self.inner.id, range.clone()).await?;
        let leaves = self.leaves(head, range.clone()).await?;
        let checked = tokio::task::spawn_blocking(move || {
            range.zip(&entries).try_for_each(|(index, entry)| leaves.check(index, entry))?;
            Ok(entries)
        });
        checked.await.unwrap_or_else(|gone| Err(store::ReadError::Unavailable(gone.to_string()).into()))
    }

    /// The leaf hashes of a range of the tree of `head`.
    async fn leaves(&self, head: &Head, range: Range<u64>) -> Result<Leaves, ReadError> {
        let width = u64::from(TILE_WIDTH);
        let first = range.start / width;
        let tile = |index| {
            let rest = head.checkpoint.size - index * width;
            Tile { level: 0, index, width: u16::try_from(rest.min(width)).unwrap_or(TILE_WIDTH) }
        };
        let tiles: Vec<Tile> = (first..range.end.div_ceil(width)).map(tile).collect();
        let found = self.tile_reader().tiles(head, tiles.clone()).await?;
        let bytes = tiles.iter().filter_map(|tile| found.get(*tile)).flat_map(KeptTile::bytes);
        let hashes = bytes.copied().collect();
        Ok(Leaves { first: first * width, hashes })
    }

    /// The index of the first entry with this leaf hash in the published tree, `None` if there is none.
    ///
    /// # Errors
    /// [`ReadError`] if the engine fails, a tile is damaged, or a crafted collision of prefixes hides
    /// the answer.
    pub async fn find_leaf(&self, leaf: &Hash) -> Result<Option<u64>, ReadError> {
        self.find_leaf_under(&self.head(), leaf).await
    }

    /// The index of the first entry with this leaf hash in the newest durable tree, which may be ahead of the published
    /// one: for who is about to append, not for who reads.
    ///
    /// # Errors
    /// [`ReadError`], as [`Log::find_leaf`].
    pub async fn find_durable_leaf(&self, leaf: &Hash) -> Result<Option<u64>, ReadError> {
        self.find_leaf_under(&self.durable_head(), leaf).await
    }

    async fn find_leaf_under(&self, head: &Head, leaf: &Hash) -> Result<Option<u64>, ReadError> {
        if let Some(index) = self.find_in_full_tiles(head, leaf).await? {
            return Ok(Some(index));
        }
        let tail = head.edge.level(0);
        let first = head.checkpoint.size - tail.len() as u64;
        Ok((first..).zip(tail).find(|(_, hash)| *hash == leaf).map(|(index, _)| index))
    }

    async fn find_in_full_tiles(&self, head: &Head, leaf: &Hash) -> Result<Option<u64>, ReadError> {
        let prefix = leaf_prefix(leaf);
        let mut from = layout::by_leaf_key(self.inner.id, prefix, 0);
        let to = layout::by_leaf_key(self.inner.id, prefix, head.checkpoint.size);
        for _ in 0..LEAF_CANDIDATES_MAX / LEAF_CANDIDATES_PAGE {
            let scan = Scan {
                family: Family::ByLeaf,
                from: from.clone(),
                to: to.clone(),
                reverse: false,
                limit: LEAF_CANDIDATES_PAGE,
            };
            let rows = self.engine().scan(scan).await?;
            for (key, _) in &rows {
                let Some((_, index)) = layout::parse_by_leaf_key(key) else { continue };
                if tree::leaf_hash(&self.entry_under(head, index).await?) == *leaf {
                    return Ok(Some(index));
                }
                from = layout::by_leaf_key(self.inner.id, prefix, index.saturating_add(1));
            }
            if rows.len() < LEAF_CANDIDATES_PAGE {
                return Ok(None);
            }
        }
        Err(ReadError::TooManyCandidates)
    }

    /// What reads the tiles of any of this log's heads.
    pub(crate) fn tile_reader(&self) -> TileReader {
        let Inner { id, engine, kept, .. } = self.inner.as_ref();
        TileReader { log: *id, engine: Arc::clone(engine), kept: Arc::clone(kept) }
    }

    pub(crate) fn engine(&self) -> &dyn Engine {
        self.inner.engine.as_ref()
    }
}

/// Reads tiles of one log, whoever owns the log.
#[derive(Clone)]
pub(crate) struct TileReader {
    pub(crate) log: u32,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) kept: Arc<Kept>,
}

impl TileReader {
    /// Tiles that the tree of `head` has, at least as wide as asked for: from the edge, from memory, else from the store.
    pub(crate) async fn tiles(&self, head: &Head, tiles: Vec<Tile>) -> Result<Tiles, ReadError> {
        let (log, kept) = (self.log, &self.kept);
        let mut found = Tiles::default();
        let mut missing = Vec::new();
        for tile in tiles {
            let whole = whole_tile(head, tile);
            match (kept.get(log, whole), edge_tile(head, whole)) {
                (Some(known), _) => found.insert(tile, known),
                (None, Some(bytes)) => {
                    let known = Arc::new(KeptTile::new(bytes));
                    kept.put(log, whole, Arc::clone(&known));
                    found.insert(tile, known);
                }
                (None, None) => missing.push(tile),
            }
        }
        for (tile, bytes) in full_tiles(self.engine.as_ref(), log, missing).await? {
            let known = Arc::new(KeptTile::new(bytes));
            kept.put(log, whole_tile(head, tile), Arc::clone(&known));
            found.insert(tile, known);
        }
        Ok(found)
    }
}

/// Leaf hashes of a tree, one after the other.
struct Leaves {
    /// The index of the first.
    first: u64,
    hashes: Vec<u8>,
}

impl Leaves {
    /// Whether the entry is the leaf at `index`.
    fn check(&self, index: u64, entry: &[u8]) -> Result<(), ReadError> {
        let at = index.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        let hash = at.and_then(|at| self.hashes.as_chunks::<HASH_BYTES>().0.get(at));
        if hash == Some(&tree::leaf_hash(entry).0) {
            return Ok(());
        }
        Err(ReadError::Unproven { index })
    }
}

/// Reads tiles out of the store, where only full ones are. Each is handed out whole, whatever width was
/// asked for.
pub(crate) async fn full_tiles(
    engine: &dyn Engine,
    log: u32,
    tiles: Vec<Tile>,
) -> Result<BTreeMap<Tile, Vec<u8>>, ReadError> {
    if tiles.is_empty() {
        return Ok(BTreeMap::new());
    }
    let keys = tiles.iter().map(|tile| layout::tile_key(log, tile.level, tile.index)).collect();
    let values = engine.multi_get(Family::Tiles, keys).await?;
    let whole = |(tile, bytes): (Tile, Option<Vec<u8>>)| match bytes {
        Some(bytes) if bytes.len() == FULL_TILE_BYTES => Ok((tile, bytes)),
        _ => Err(ReadError::Tile { path: Tile { width: TILE_WIDTH, ..tile }.path() }),
    };
    tiles.into_iter().zip(values).map(whole).collect()
}

/// Reads the entries of a range out of the store, all of them.
pub(crate) async fn entry_range(
    engine: &dyn Engine,
    log: u32,
    range: Range<u64>,
) -> Result<Vec<Vec<u8>>, ReadError> {
    let limit = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
    if limit == 0 {
        return Ok(Vec::new());
    }
    let scan = Scan {
        family: Family::Entries,
        from: layout::entry_key(log, range.start),
        to: layout::entry_key(log, range.end),
        reverse: false,
        limit,
    };
    let mut rows = engine.scan(scan).await?.into_iter();
    let mut entries = Vec::with_capacity(limit);
    for index in range {
        let expected = layout::entry_key(log, index);
        match rows.next() {
            Some((key, entry)) if key == expected => entries.push(entry),
            _ => return Err(ReadError::Entry { index }),
        }
    }
    Ok(entries)
}

/// Whether the tree of `head` has this tile at this width.
fn has_tile(head: &Head, tile: Tile) -> bool {
    let count = edge::hash_count(head.checkpoint.size, tile.level);
    let end = tile.index.checked_mul(u64::from(TILE_WIDTH));
    let end = end.and_then(|first| first.checked_add(u64::from(tile.width)));
    (1..=TILE_WIDTH).contains(&tile.width) && end.is_some_and(|end| end <= count)
}

/// The tile at the width that it has in the tree of `head`, which is that tree's for good.
fn whole_tile(head: &Head, tile: Tile) -> Tile {
    let count = edge::hash_count(head.checkpoint.size, tile.level);
    let left = count.saturating_sub(tile.index.saturating_mul(u64::from(TILE_WIDTH)));
    Tile { width: u16::try_from(left).map_or(TILE_WIDTH, |left| left.min(TILE_WIDTH)), ..tile }
}

/// The bytes of a tile that is partial in the tree of `head`; `None` if it is full there or not in it.
fn edge_tile(head: &Head, tile: Tile) -> Option<Vec<u8>> {
    let count = edge::hash_count(head.checkpoint.size, tile.level);
    if tile.index != count / u64::from(TILE_WIDTH) {
        return None;
    }
    head.edge.level(tile.level).get(..usize::from(tile.width)).map(tile_bytes)
}
