//! What a log checks before it may go on signing: that what is stored is the tree of the signed head.

use std::sync::Arc;

use cairnlog_store::{Engine, Family, Scan, layout};
use cairnlog_verify::{
    Hash,
    checkpoint::Checkpoint,
    tile::{TILE_WIDTH, Tile},
    tree,
};

use tokio::sync::OnceCell;

use crate::{
    edge::{self, Edge},
    error::OpenError,
    head::{Head, TIME_MAX},
    reader,
    signers::{Signer, Signers},
    witness::Witnesses,
};

/// A log's own key must be among the signers, or no client would accept its heads.
pub(crate) fn check_signers(origin: &str, keys: Vec<Signer>) -> Result<Arc<Signers>, OpenError> {
    let signers = Signers::new(keys);
    if signers.are_of(origin) {
        return Ok(Arc::new(signers));
    }
    Err(OpenError::NoSigner { origin: origin.to_owned() })
}

/// Where the witness policy knows the log by keys, one of its own must be among them: witnesses would cosign for a
/// stranger otherwise, or nobody believe what they cosign.
pub(crate) fn check_policy_keys(
    origin: &str,
    (signers, size): (&Signers, u64),
    witnesses: Option<&Witnesses>,
) -> Result<(), OpenError> {
    let Some(named) = witnesses.map(|witnesses| &witnesses.log_keys) else { return Ok(()) };
    match named.first() {
        Some(key) if !named.iter().any(|key| signers.sign_with(key, size)) => {
            Err(OpenError::PolicyKey { origin: origin.to_owned(), key: key.to_string() })
        }
        _ => Ok(()),
    }
}

/// A log is created only where there are no rows of one, so that no lost tree is signed over.
pub(crate) async fn check_vacant(engine: &dyn Engine, log: u32) -> Result<(), OpenError> {
    if engine.get(Family::Heads, &layout::head_key(log)).await?.is_some() {
        return Err(OpenError::Exists { log });
    }
    for (family, what) in [(Family::Entries, "entries"), (Family::Tiles, "tiles")] {
        let rows = Scan::prefix(family, layout::log_key(log), 1);
        if !engine.scan(rows).await?.is_empty() {
            return Err(OpenError::Leftovers { log, what });
        }
    }
    Ok(())
}

/// The stored head, with the right edge rebuilt and found to hash to it.
pub(crate) async fn stored_head(
    engine: &dyn Engine,
    log: u32,
    origin: &str,
    signers: Arc<Signers>,
) -> Result<Head, OpenError> {
    let stored = engine.get(Family::Heads, &layout::head_key(log)).await?;
    let stored = stored.ok_or(OpenError::NoHead { log })?;
    let note = String::from_utf8(stored).map_err(|_| OpenError::HeadNotText)?;
    let checkpoint = Checkpoint::open(&note, &signers.verifier_keys())?;
    if checkpoint.origin != origin {
        let expected = origin.to_owned();
        return Err(OpenError::Origin { expected, found: checkpoint.origin });
    }
    let size = checkpoint.size;
    check_nothing_beyond(engine, log, size).await?;
    let edge = stored_edge(engine, log, size).await?;
    let found = edge.root();
    if found != checkpoint.root {
        return Err(OpenError::Root { size, signed: checkpoint.root, found });
    }
    let time = stored_time(engine, log).await?;
    Ok(Head { checkpoint, time, note, edge, signers, served: OnceCell::new() })
}

/// The published head of a log with witnesses, as stored; `None` where the log had none so far: every durable head of
/// it may have been seen then. The published head before the first one that was cosigned is empty.
pub(crate) async fn published_head(
    engine: &dyn Engine,
    log: u32,
    stored: &Head,
) -> Result<Option<Head>, OpenError> {
    let Some(row) = engine.get(Family::Heads, &layout::published_head_key(log)).await? else {
        return Ok(None);
    };
    let (origin, signers) = (&stored.checkpoint.origin, &stored.signers);
    if row.is_empty() {
        return Ok(Some(Head::before_first(origin, signers)));
    }
    let note = String::from_utf8(row).map_err(|_| OpenError::HeadNotText)?;
    let checkpoint = Checkpoint::open(&note, &signers.verifier_keys())?;
    let size = checkpoint.size;
    let other = || OpenError::Published { published: size, stored: stored.checkpoint.size };
    if size > stored.checkpoint.size || checkpoint.origin != *origin {
        return Err(other());
    }
    let edge = stored_edge(engine, log, size).await?;
    if edge.root() != checkpoint.root {
        return Err(other());
    }
    let time = time_row(engine, &layout::published_time_key(log)).await?;
    let served = OnceCell::new_with(Some(note.clone()));
    Ok(Some(Head { checkpoint, time, note, edge, signers: Arc::clone(signers), served }))
}

/// The size that a witness has cosigned last, as far as is known.
pub(crate) async fn witness_size(engine: &dyn Engine, log: u32, witness: &str) -> Result<u64, OpenError> {
    let row = engine.get(Family::Heads, &layout::witness_size_key(log, witness)).await?;
    // It is but a guess; the witness says better.
    Ok(row.and_then(|row| row.try_into().ok()).map_or(0, u64::from_be_bytes))
}

/// The time of the stored head; 0 where it was written before heads had times.
async fn stored_time(engine: &dyn Engine, log: u32) -> Result<u64, OpenError> {
    time_row(engine, &layout::head_time_key(log)).await
}

async fn time_row(engine: &dyn Engine, key: &[u8]) -> Result<u64, OpenError> {
    let Some(row) = engine.get(Family::Heads, key).await? else { return Ok(0) };
    let time = row.try_into().map(u64::from_be_bytes).ok().filter(|time| *time <= TIME_MAX);
    time.ok_or(OpenError::HeadTime)
}

/// Entries after the head mean that the head was put back to an older one: going on from it would sign
/// a second tree of a size that was signed before.
async fn check_nothing_beyond(engine: &dyn Engine, log: u32, size: u64) -> Result<(), OpenError> {
    let from = layout::entry_key(log, size);
    let to = layout::prefix_end(layout::log_key(log));
    let scan = Scan { family: Family::Entries, from, to, reverse: false, limit: 1 };
    let Some((key, _)) = engine.scan(scan).await?.into_iter().next() else {
        return Ok(());
    };
    let index = layout::parse_index_key(&key).map_or(size, |(_, index)| index);
    Err(OpenError::BeyondHead { index, size })
}

/// The right edge of the tree of `size` leaves: level 0 from the entries after the last full tile, each
/// level above from the last full tiles of the one below.
pub(crate) async fn stored_edge(engine: &dyn Engine, log: u32, size: u64) -> Result<Edge, OpenError> {
    let width = u64::from(TILE_WIDTH);
    let mut levels = Vec::new();
    for level in 0..=edge::LEVEL_MAX {
        let count = edge::hash_count(size, level);
        if count == 0 {
            break;
        }
        let partial = count - count % width..count;
        levels.push(match level.checked_sub(1) {
            None => {
                let entries = reader::entry_range(engine, log, partial).await?;
                entries.iter().map(|entry| tree::leaf_hash(entry)).collect()
            }
            Some(below) => {
                let tiles = partial.map(|index| Tile { level: below, index, width: TILE_WIDTH });
                let tiles = reader::full_tiles(engine, log, tiles.collect()).await?;
                tiles.values().map(|bytes| tile_root(bytes)).collect::<Vec<Hash>>()
            }
        });
    }
    Ok(Edge::from_levels(size, levels).expect("a level was read for each that the size has"))
}

fn tile_root(bytes: &[u8]) -> Hash {
    let (hashes, _) = bytes.as_chunks();
    edge::subtree_root(&hashes.iter().map(|hash| Hash(*hash)).collect::<Vec<_>>())
}
