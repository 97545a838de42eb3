//! The default engine: `RocksDB`, embedded.
//!
//! A commit is one `RocksDB` write batch over all families, written to the write-ahead log and fsynced before it returns;
//! commits of several logs that wait at once share one fsync. A crash at any point leaves every batch whole or absent:
//! the log's records carry checksums, and one that is cut short at the end is a batch that nobody was told of.
//!
//! All calls into `RocksDB` block, so all run on tokio's blocking threads. The directory is free for the next process when
//! the engine, its snapshots and the reads under way are dropped.

mod recycled;
mod tuning;

use std::path::Path;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use async_trait::async_trait;
use rocksdb::checkpoint::Checkpoint;
use rocksdb::{DB, ErrorKind, ReadOptions, WriteBatch, WriteOptions};
use self_cell::self_cell;
use thiserror::Error;

use crate::batch::Batch;
use crate::durable;
use crate::engine::{CommitError, Engine, Limits, ReadError, Row, Scan, Snapshot, Stopped, Writer};
use crate::family::Family;

/// Bytes that `RocksDB` adds to an operation in a batch at most: tag, family and two lengths.
const OP_OVERHEAD_BYTES: usize = 16;

/// What every commit answers after one whose outcome is unknown.
const STOPPED: &str = "an earlier write failed and its outcome is unknown; restart the server";

/// What a claim of a database that is open to be read alone answers.
const READ_ONLY: &str = "it was opened to be read alone";

/// A `RocksDB` database as an engine. Cheap to share behind an `Arc`.
pub struct RocksEngine {
    inner: Arc<Inner>,
}

struct Inner {
    db: DB,
    /// Held shared by a commit for its whole duration and exclusively by a claim: when a claim returns, no earlier
    /// writer's batch is under way.
    writer: RwLock<Option<Writer>>,
    /// Set by the first failed write and never cleared. `RocksDB` itself refuses writes after a failed one, or resumes by
    /// itself; either way a later commit must not land before the earlier one's outcome has been read back from disk,
    /// which only opening the database anew does.
    stopped: OnceLock<Stopped>,
    /// Opened to be read alone: there is no claim, so no commit either.
    read_only: bool,
}

/// Why a database was not opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another engine of this one, has it open.
    #[error("the store is in use by another process; stop that one first: {0}")]
    Locked(String),
    /// It is damaged, or its write-ahead log is in a place where only committed batches can be.
    #[error("the store is damaged; restore it from a backup: {0}")]
    Corrupt(String),
    /// It can't be read or written.
    #[error("the store can't be opened: {0}")]
    Unavailable(String),
}

impl RocksEngine {
    /// Opens the database in the directory `path`, creating it if the directory is empty. Blocks: after a crash the
    /// write-ahead log is replayed, at most [`tuning::WAL_BYTES_MAX`] and one batch.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is repaired and nothing dropped to make it open.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        check_records(path)?;
        let (options, families) = tuning::options();
        let db = DB::open_cf_descriptors(&options, path, families).map_err(open_error)?;
        let inner = Inner { db, writer: RwLock::new(None), stopped: OnceLock::new(), read_only: false };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Opens the database in the directory `path` to be read alone: nothing is created, repaired or written, the
    /// write-ahead log is replayed into memory, and every claim is refused. Blocks as [`RocksEngine::open`] does.
    ///
    /// The caller holds the data directory's lock: what another process writes meanwhile is not seen.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_read_only(path: &Path) -> Result<Self, OpenError> {
        check_records(path)?;
        let (mut options, families) = tuning::options();
        options.create_if_missing(false);
        options.create_missing_column_families(false);
        // A directory that an earlier version wrote may lack a family; its rows are absent then.
        let present = DB::list_cf(&options, path).map_err(open_error)?;
        let families = families.into_iter().filter(|family| present.iter().any(|name| name == family.name()));
        let db = DB::open_cf_descriptors_read_only(&options, path, families, false).map_err(open_error)?;
        let inner = Inner { db, writer: RwLock::new(None), stopped: OnceLock::new(), read_only: true };
        Ok(Self { inner: Arc::new(inner) })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || work(&inner)).await
    }
}

#[async_trait]
impl Engine for RocksEngine {
    async fn claim(&self) -> Result<Writer, ReadError> {
        self.blocking(|inner| {
            let mut current = inner.writer.write().unwrap_or_else(PoisonError::into_inner);
            if inner.stopped.get().is_some() {
                return Err(ReadError::Unavailable(STOPPED.into()));
            }
            if inner.read_only {
                return Err(ReadError::Unavailable(READ_ONLY.into()));
            }
            let writer = Writer::next();
            *current = Some(writer.clone());
            Ok(writer)
        })
        .await
    }

    async fn commit(&self, writer: &Writer, batch: Batch) -> Result<(), CommitError> {
        batch.check(&self.limits())?;
        let (inner, writer) = (Arc::clone(&self.inner), writer.clone());
        tokio::task::spawn_blocking(move || inner.commit(&writer, &batch))
            .await
            .unwrap_or_else(|gone| Err(CommitError::Unknown(gone.to_string())))
    }

    async fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let key = key.to_vec();
        self.blocking(move |inner| get(&inner.db, None, family, &key)).await
    }

    async fn multi_get(&self, family: Family, keys: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>, ReadError> {
        self.blocking(move |inner| multi_get(&inner.db, None, family, &keys)).await
    }

    async fn scan(&self, range: Scan) -> Result<Vec<Row>, ReadError> {
        self.blocking(move |inner| scan(&inner.db, None, &range)).await
    }

    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, ReadError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let frozen = Frozen::new(inner, |inner| inner.db.snapshot());
            Ok(Arc::new(RocksSnapshot { frozen: Arc::new(frozen) }) as Arc<dyn Snapshot>)
        })
        .await
    }

    /// Files that never change are linked where `to` is on the same volume, and copied elsewhere.
    async fn copy_to(&self, to: &Path) -> Result<(), ReadError> {
        let to = to.to_path_buf();
        self.blocking(move |inner| {
            let checkpoint = Checkpoint::new(&inner.db).map_err(read_error)?;
            checkpoint.create_checkpoint(&to).map_err(read_error)?;
            durable::sync_tree(&to).map_err(|error| ReadError::Unavailable(error.to_string()))
        })
        .await
    }

    fn stopped(&self) -> Option<Stopped> {
        self.inner.stopped.get().copied()
    }
}

impl Inner {
    fn commit(&self, writer: &Writer, batch: &Batch) -> Result<(), CommitError> {
        let current = self.writer.read().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref() != Some(writer) {
            return Err(CommitError::Fenced);
        }
        if self.stopped.get().is_some() {
            return Err(CommitError::Unavailable(STOPPED.into()));
        }
        let rows = self.write_batch(batch).map_err(CommitError::Unavailable)?;
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        metrics::counter!("cairnlog_store_commits_total").increment(1);
        self.db.write_opt(rows, &synced).map_err(|error| {
            // A write or an fsync that failed may still have reached the disk, whole. RocksDB does not say at which
            // step it failed, so nothing here is provably clean.
            let (kind, words) = (error.kind(), error.into_string());
            let no_space = words.contains("No space left on device");
            self.stopped.get_or_init(|| if no_space { Stopped::NoSpace } else { Stopped::Failed });
            match kind {
                ErrorKind::Corruption => CommitError::Corrupt(words),
                _ => CommitError::Unknown(words),
            }
        })
    }

    fn write_batch(&self, batch: &Batch) -> Result<WriteBatch, String> {
        let mut rows = WriteBatch::with_capacity_bytes(batch.bytes() + batch.len() * OP_OVERHEAD_BYTES);
        for op in batch.ops() {
            let family = handle(&self.db, op.family)?;
            match &op.value {
                Some(value) => rows.put_cf(family, &op.key, value),
                None => rows.delete_cf(family, &op.key),
            }
        }
        Ok(rows)
    }
}

type View<'a> = rocksdb::Snapshot<'a>;

self_cell!(
    /// A `RocksDB` snapshot together with the database that it borrows.
    struct Frozen {
        owner: Arc<Inner>,
        #[covariant]
        dependent: View,
    }
);

struct RocksSnapshot {
    frozen: Arc<Frozen>,
}

impl RocksSnapshot {
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&DB, Option<&View<'_>>) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let frozen = Arc::clone(&self.frozen);
        blocking(move || frozen.with_dependent(|inner, view| work(&inner.db, Some(view)))).await
    }
}

#[async_trait]
impl Snapshot for RocksSnapshot {
    async fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let key = key.to_vec();
        self.blocking(move |db, view| get(db, view, family, &key)).await
    }

    async fn multi_get(&self, family: Family, keys: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>, ReadError> {
        self.blocking(move |db, view| multi_get(db, view, family, &keys)).await
    }

    async fn scan(&self, range: Scan) -> Result<Vec<Row>, ReadError> {
        self.blocking(move |db, view| scan(db, view, &range)).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|gone| Err(ReadError::Unavailable(gone.to_string())))
}

fn get(db: &DB, view: Option<&View<'_>>, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
    let family = handle(db, family).map_err(ReadError::Unavailable)?;
    db.get_cf_opt(family, key, &read_options(view)).map_err(read_error)
}

fn multi_get(
    db: &DB,
    view: Option<&View<'_>>,
    family: Family,
    keys: &[Vec<u8>],
) -> Result<Vec<Option<Vec<u8>>>, ReadError> {
    Limits::DEFAULT.check_keys(keys)?;
    let family = handle(db, family).map_err(ReadError::Unavailable)?;
    db.batched_multi_get_cf_opt(family, keys, keys.is_sorted(), &read_options(view))
        .into_iter()
        .map(|row| row.map(|value| value.map(|bytes| bytes.to_vec())).map_err(read_error))
        .collect()
}

fn scan(db: &DB, view: Option<&View<'_>>, scan: &Scan) -> Result<Vec<Row>, ReadError> {
    Limits::DEFAULT.check_scan(scan)?;
    if scan.is_empty() {
        return Ok(Vec::new());
    }
    let family = handle(db, scan.family).map_err(ReadError::Unavailable)?;
    let mut options = read_options(view);
    options.set_iterate_lower_bound(scan.from.as_slice());
    if !scan.to.is_empty() {
        options.set_iterate_upper_bound(scan.to.as_slice());
    }
    // Prefix filters answer only for the prefix of the key that is sought; every other scan must look at all files.
    let within_prefix = tuning::is_within_prefix(scan);
    options.set_total_order_seek(!within_prefix);
    options.set_prefix_same_as_start(within_prefix);

    let mut rows = Vec::new();
    let mut cursor = db.raw_iterator_cf_opt(family, options);
    if scan.reverse {
        cursor.seek_to_last();
    } else {
        cursor.seek(&scan.from);
    }
    while rows.len() < scan.limit {
        let Some((key, value)) = cursor.item() else { break };
        rows.push((key.to_vec(), value.to_vec()));
        if scan.reverse { cursor.prev() } else { cursor.next() }
    }
    // An iterator that meets damage becomes invalid just as one at its end: only its status tells them apart.
    cursor.status().map_err(read_error)?;
    Ok(rows)
}

/// Options of a read; whoever holds `view` must hold it until the read has ended.
fn read_options(view: Option<&View<'_>>) -> ReadOptions {
    let mut options = ReadOptions::default();
    if let Some(view) = view {
        options.set_snapshot(view);
    }
    options
}

fn handle(db: &DB, family: Family) -> Result<&rocksdb::ColumnFamily, String> {
    db.cf_handle(family.name()).ok_or_else(|| format!("the family {} is not open", family.name()))
}

fn read_error(error: rocksdb::Error) -> ReadError {
    match error.kind() {
        ErrorKind::Corruption => ReadError::Corrupt(error.into_string()),
        _ => ReadError::Unavailable(error.into_string()),
    }
}

/// Refuses what `RocksDB` would read for ever.
fn check_records(path: &Path) -> Result<(), OpenError> {
    let found = recycled::find(path).map_err(|error| OpenError::Unavailable(error.to_string()))?;
    found.map_or(Ok(()), |(file, at)| {
        let words = format!("{}: the record at byte {at} was altered", file.display());
        Err(OpenError::Corrupt(words))
    })
}

fn open_error(error: rocksdb::Error) -> OpenError {
    let kind = error.kind();
    let message = error.into_string();
    // RocksDB has no kind of its own for a lock that is held: "IO error: While lock file: …", "… lock hold by current process".
    match kind {
        ErrorKind::IOError if message.contains("lock ") => OpenError::Locked(message),
        ErrorKind::Corruption => OpenError::Corrupt(message),
        _ => OpenError::Unavailable(message),
    }
}
