//! Everything that a log stores, recomputed against its signed head: reads alone, in bounded memory.
//!
//! A [`Check`] walks the log bundle by bundle: each entry is hashed, its hash compared with the one in its tile and
//! looked up by its leaf hash, each tile compared with the tiles below it, and in the end the root with the signed one.
//! [`Recompute`] does the arithmetic; here is what it is fed with. What a check finds, it names.

use std::sync::Arc;

use cairnlog_store::{self as store, Engine, Family, Scan, layout};
use cairnlog_verify::{
    Hash,
    audit::{Difference, Fault, Need, Recompute},
    checkpoint::Checkpoint,
    note::VerifierKey,
    tile::{TILE_WIDTH, Tile},
    tree,
};

use crate::{commit::leaf_prefix, edge, limits::CHECK_SCAN_ROWS};

const WIDTH: u64 = TILE_WIDTH as u64;
const FULL_TILE_BYTES: usize = TILE_WIDTH as usize * 32;

/// What is wrong with a log, naming the first record, tile or row.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The records, the tiles and the signed root do not agree.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The stored head is none of this log.
    #[error("the signed tree head can't be believed: {0}")]
    Head(String),
    /// A row is not the one that was written.
    #[error("{what} can't be read: {reason}")]
    Checksum {
        /// The record or tile.
        what: String,
        /// What the store says.
        reason: String,
    },
    /// A record is longer than any that was ever taken.
    #[error("record {index} was altered: it has {bytes} bytes, more than an entry can have")]
    TooLong {
        /// Its index.
        index: u64,
        /// Its length.
        bytes: usize,
    },
    /// The row by which a record is found under its leaf hash is not there.
    #[error("the lookup row of record {index} is missing: it can't be found by its leaf hash")]
    NoLookup {
        /// Its index.
        index: u64,
    },
    /// A row leads from a leaf hash to a record that has another one.
    #[error("a lookup row leads to record {index}, whose leaf hash is another")]
    WrongLookup {
        /// Its index.
        index: u64,
    },
    /// There is more than the head commits to.
    #[error("{what} is beyond the {size} records of the signed tree head, which may have been put back")]
    Beyond {
        /// The record or tile.
        what: String,
        /// The head's size.
        size: u64,
    },
    /// A record, a tile or the head is not there.
    #[error("{what} is missing")]
    Missing {
        /// What is.
        what: String,
    },
    /// The store can't be read now.
    #[error(transparent)]
    Unreadable(store::ReadError),
}

/// What damage amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Something was altered.
    Tampered,
    /// Something is gone.
    Incomplete,
    /// The store can't be read.
    CannotTell,
}

impl Damage {
    /// What it amounts to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Missing { .. } | Self::NoLookup { .. } => Verdict::Incomplete,
            Self::Unreadable(_) => Verdict::CannotTell,
            _ => Verdict::Tampered,
        }
    }
}

/// The heads that a log's store holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredHeads {
    /// The newest one.
    pub newest: Checkpoint,
    /// The one that was published last, where it is kept apart.
    pub published: Option<Checkpoint>,
}

/// Reads the heads of a log and checks that its keys have signed them.
///
/// # Errors
/// [`Damage`]: there is none, or it is not the log's.
pub async fn stored_heads(
    engine: &dyn Engine,
    log: u32,
    origin: &str,
    keys: &[VerifierKey],
) -> Result<StoredHeads, Damage> {
    let open = |note: Vec<u8>| {
        let note = String::from_utf8(note).map_err(|_| Damage::Head("it is not text".to_owned()))?;
        let checkpoint = Checkpoint::open(&note, keys).map_err(|error| Damage::Head(error.to_string()))?;
        if checkpoint.origin == origin {
            Ok(checkpoint)
        } else {
            Err(Damage::Head(format!("it is of the log {}, not of {origin}", checkpoint.origin)))
        }
    };
    let read = async |key: Vec<u8>| {
        let row = engine.get(Family::Heads, &key).await;
        row.map_err(|error| damaged("the signed tree head", error))
    };
    let newest = read(layout::head_key(log)).await?;
    let newest = open(newest.ok_or_else(|| missing("the signed tree head"))?)?;
    // Before the first head is cosigned the row is empty.
    let published = read(layout::published_head_key(log)).await?.filter(|row| !row.is_empty());
    let published = published.map(open).transpose()?;
    if let Some(published) = published.as_ref().filter(|published| published.size > newest.size) {
        let (size, published) = (newest.size, published.size);
        return Err(Damage::Head(format!("it has {size} records, but {published} were published already")));
    }
    Ok(StoredHeads { newest, published })
}

/// A walk over all that a log stores below a signed head.
pub struct Check {
    engine: Arc<dyn Engine>,
    log: u32,
    size: u64,
    recompute: Recompute,
    /// The first lookup row that is not there.
    no_lookup: Option<u64>,
}

/// How much a step has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Bytes of entries and tiles.
    pub bytes: u64,
}

impl Check {
    /// A check of the log against `head`, whose signature the caller has checked, and against smaller heads that were
    /// signed as well.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, log: u32, head: &Checkpoint, earlier: Vec<Checkpoint>) -> Self {
        let recompute = earlier.into_iter().fold(Recompute::new(head), Recompute::with_earlier);
        Self { engine, log, size: head.size, recompute, no_lookup: None }
    }

    /// Entries checked so far.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.recompute.entries()
    }

    /// Checks the next bundle or tile; `None` when there is none left.
    ///
    /// # Errors
    /// [`Damage`] that keeps the walk from going on. What it can go on from is for [`Check::finish`] to say, since only
    /// the root tells which of two parts was altered.
    pub async fn step(&mut self) -> Result<Option<Step>, Damage> {
        let read = match self.recompute.need() {
            None => return Ok(None),
            Some(Need::Leaves { tile, .. }) => self.leaves(tile).await,
            Some(Need::Tile(tile)) => self.upper(tile).await,
        };
        // What was seen already is evidence, whatever else is missing.
        read.map(|bytes| Some(Step { bytes })).map_err(|damage| match self.recompute.first_difference() {
            Some(difference) => Fault::Disagree(difference).into(),
            None => damage,
        })
    }

    /// The damage that this walk has met, judged from what stands around it instead of from the root, for a walk that
    /// does not wait for its end: the tile above knows what the hashes of the tile give. Where that tile is not full, and
    /// so not stored, the end of the walk is near, and [`Check::finish`] tells.
    ///
    /// # Errors
    /// [`Damage`].
    pub async fn so_far(&self) -> Result<(), Damage> {
        if let Some(difference) = self.recompute.first_difference()
            && let Some(fault) = self.settle(difference).await
        {
            return Err(fault.into());
        }
        self.no_lookup.map_or(Ok(()), |index| Err(Damage::NoLookup { index }))
    }

    /// The verdict, once there are no more steps.
    ///
    /// # Errors
    /// [`Damage`].
    pub fn finish(self) -> Result<(), Damage> {
        self.recompute.finish()?;
        self.no_lookup.map_or(Ok(()), |index| Err(Damage::NoLookup { index }))
    }

    /// Checks a bundle of entries, the tile of their hashes and their lookup rows.
    async fn leaves(&mut self, tile: Tile) -> Result<u64, Damage> {
        let first = tile.index * WIDTH;
        let entries = self.entry_range(first, usize::from(tile.width)).await?;
        let mut bytes: u64 = 0;
        let mut leaves = Vec::with_capacity(entries.len());
        for (index, entry) in (first..).zip(&entries) {
            if u16::try_from(entry.len()).is_err() {
                return Err(Damage::TooLong { index, bytes: entry.len() });
            }
            bytes += entry.len() as u64;
            leaves.push(tree::leaf_hash(entry));
        }
        let hashes = if tile.width == TILE_WIDTH {
            bytes += FULL_TILE_BYTES as u64;
            let hashes = self.full_tile(tile).await?;
            self.check_lookups(first, &hashes).await?;
            hashes
        } else {
            // A partial tile is never stored: it is the hashes of these entries.
            leaves.clone()
        };
        self.recompute.leaf_hashes(&leaves, hashes)?;
        Ok(bytes)
    }

    /// Checks a tile above level 0.
    async fn upper(&mut self, tile: Tile) -> Result<u64, Damage> {
        let hashes = if tile.width == TILE_WIDTH {
            self.full_tile(tile).await?
        } else {
            // A partial tile is never stored: it is served from the tiles below.
            let mut hashes = Vec::with_capacity(usize::from(tile.width));
            let first = tile.index * WIDTH;
            for index in first..first + u64::from(tile.width) {
                let below = Tile { level: tile.level - 1, index, width: TILE_WIDTH };
                hashes.push(edge::subtree_root(&self.full_tile(below).await?));
            }
            hashes
        };
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
        self.recompute.tile(&bytes)?;
        Ok(bytes.len() as u64)
    }

    async fn entry_range(&self, first: u64, count: usize) -> Result<Vec<Vec<u8>>, Damage> {
        let scan = Scan {
            family: Family::Entries,
            from: layout::entry_key(self.log, first),
            to: layout::entry_key(self.log, first + count as u64),
            reverse: false,
            limit: count,
        };
        let rows = match self.engine.scan(scan).await {
            Ok(rows) => rows,
            Err(store::ReadError::Corrupt(_)) => return self.entries_singly(first, count).await,
            Err(error) => return Err(Damage::Unreadable(error)),
        };
        let mut rows = rows.into_iter();
        (first..first + count as u64)
            .map(|index| match rows.next() {
                Some((key, entry)) if key == layout::entry_key(self.log, index) => Ok(entry),
                _ => Err(missing(&format!("record {index}"))),
            })
            .collect()
    }

    /// Reads entries one by one, so that the first which can't be read is named.
    async fn entries_singly(&self, first: u64, count: usize) -> Result<Vec<Vec<u8>>, Damage> {
        let mut entries = Vec::with_capacity(count);
        for index in first..first + count as u64 {
            let what = format!("record {index}");
            let entry = self.engine.get(Family::Entries, &layout::entry_key(self.log, index)).await;
            let entry = entry.map_err(|error| damaged(&what, error))?;
            entries.push(entry.ok_or_else(|| missing(&what))?);
        }
        Ok(entries)
    }

    async fn full_tile(&self, tile: Tile) -> Result<Vec<Hash>, Damage> {
        let path = tile.path();
        let key = layout::tile_key(self.log, tile.level, tile.index);
        let row = self.engine.get(Family::Tiles, &key).await.map_err(|error| damaged(&path, error))?;
        let row = row.ok_or_else(|| missing(&path))?;
        if row.len() != FULL_TILE_BYTES {
            let reason = format!("it holds {} bytes instead of {FULL_TILE_BYTES}", row.len());
            return Err(Fault::Malformed { path, reason }.into());
        }
        let (hashes, _) = row.as_chunks();
        Ok(hashes.iter().map(|hash| Hash(*hash)).collect())
    }

    /// Each leaf of a full tile has its lookup row.
    async fn check_lookups(&mut self, first: u64, hashes: &[Hash]) -> Result<(), Damage> {
        let key = |(index, hash): (u64, &Hash)| layout::by_leaf_key(self.log, leaf_prefix(hash), index);
        let keys = (first..).zip(hashes).map(key).collect();
        let what = format!("the lookup rows of records {first} to {}", first + WIDTH - 1);
        let rows =
            self.engine.multi_get(Family::ByLeaf, keys).await.map_err(|error| damaged(&what, error))?;
        let absent = (first..).zip(rows).find(|(_, row)| row.is_none()).map(|(index, _)| index);
        self.no_lookup = self.no_lookup.or(absent);
        Ok(())
    }

    /// Which of two parts that disagree is not what the tile above them commits to.
    async fn settle(&self, difference: Difference) -> Option<Fault> {
        let tile = Tile { width: TILE_WIDTH, ..difference.tile };
        let above = Tile { level: tile.level + 1, index: tile.index / WIDTH, width: TILE_WIDTH };
        let hashes = self.full_tile(above).await.ok()?;
        let committed = hashes.get(usize::try_from(tile.index % WIDTH).ok()?)?;
        let tile_holds = edge::subtree_root(&self.full_tile(tile).await.ok()?) == *committed;
        Some(match (tile_holds, difference.tile.level) {
            (true, 0) => Fault::Record { index: difference.entries().start },
            (false, _) => Fault::Tile(difference),
            (true, _) => Fault::Disagree(difference),
        })
    }

    /// That nothing is stored which the head does not commit to, for a store that nobody writes to: no entry, no tile
    /// and no lookup row more.
    ///
    /// # Errors
    /// [`Damage`], naming the first.
    pub async fn nothing_else(&self) -> Result<(), Damage> {
        let beyond = |what: String| Damage::Beyond { what, size: self.size };
        let from = layout::entry_key(self.log, self.size);
        if let Some(key) =
            self.first_key(Family::Entries, from, layout::prefix_end(layout::log_key(self.log))).await?
        {
            let index = layout::parse_index_key(&key).map_or(self.size, |(_, index)| index);
            return Err(beyond(format!("record {index}")));
        }
        for level in 0..=u8::MAX {
            let full = edge::hash_count(self.size, level) / WIDTH;
            let from = layout::tile_key(self.log, level, full);
            let to = match level.checked_add(1) {
                Some(next) => layout::tile_key(self.log, next, 0),
                None => layout::prefix_end(layout::log_key(self.log)),
            };
            if let Some(key) = self.first_key(Family::Tiles, from, to).await? {
                let index = key.last_chunk().map_or(full, |index| u64::from_be_bytes(*index));
                return Err(beyond(Tile { level, index, width: TILE_WIDTH }.path()));
            }
        }
        self.no_more_lookups().await
    }

    async fn first_key(&self, family: Family, from: Vec<u8>, to: Vec<u8>) -> Result<Option<Vec<u8>>, Damage> {
        let scan = Scan { family, from, to, reverse: false, limit: 1 };
        let rows = self.engine.scan(scan).await.map_err(|error| damaged("what is beyond the tree", error))?;
        Ok(rows.into_iter().next().map(|(key, _)| key))
    }

    /// Every leaf of the full tiles has a row, so there is one too many exactly if there are more rows than leaves.
    async fn no_more_lookups(&self) -> Result<(), Damage> {
        let leaves = self.size - self.size % WIDTH;
        let missing = u64::from(self.no_lookup.is_some());
        if self.lookups(async |_| Ok(())).await? <= leaves - missing {
            return Ok(());
        }
        self.lookups(async |key| {
            let Some((_, index)) = layout::parse_by_leaf_key(&key) else { return Ok(()) };
            let tile = Tile { level: 0, index: index / WIDTH, width: TILE_WIDTH };
            let leads = if index < leaves {
                self.full_tile(tile).await?.get(usize::try_from(index % WIDTH).unwrap_or(0)).copied()
            } else {
                None
            };
            let expected = leads.map(|leaf| layout::by_leaf_key(self.log, leaf_prefix(&leaf), index));
            if expected == Some(key) { Ok(()) } else { Err(Damage::WrongLookup { index }) }
        })
        .await
        .map(drop)
    }

    /// Visits all lookup rows, and counts them.
    async fn lookups(
        &self,
        mut visit: impl AsyncFnMut(Vec<u8>) -> Result<(), Damage>,
    ) -> Result<u64, Damage> {
        let mut scan = Scan::prefix(Family::ByLeaf, layout::log_key(self.log), CHECK_SCAN_ROWS);
        let mut count = 0;
        loop {
            let rows = self.engine.scan(scan.clone()).await;
            let rows = rows.map_err(|error| damaged("the lookup rows", error))?;
            let full_page = rows.len() == CHECK_SCAN_ROWS;
            count += rows.len() as u64;
            if let Some((last, _)) = rows.last() {
                scan.behind(last);
            }
            for (key, _) in rows {
                visit(key).await?;
            }
            if !full_page {
                return Ok(count);
            }
        }
    }
}

fn missing(what: &str) -> Damage {
    Damage::Missing { what: what.to_owned() }
}

fn damaged(what: &str, error: store::ReadError) -> Damage {
    match error {
        store::ReadError::Corrupt(reason) => Damage::Checksum { what: what.to_owned(), reason },
        error => Damage::Unreadable(error),
    }
}
