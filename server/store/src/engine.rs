//! The storage-engine trait and its words.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use thiserror::Error;

use crate::batch::Batch;
use crate::family::Family;
use crate::layout::prefix_end;
use crate::limits::{
    BATCH_BYTES_MAX, BATCH_OPS_MAX, KEY_BYTES_MAX, MULTI_GET_KEYS_MAX, SCAN_ROWS_MAX, VALUE_BYTES_MAX,
};

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// An ordered store of rows with one writer and any number of readers.
///
/// The contract, line by line:
///
/// - One writer: a [`Writer`] is obtained by [`claim`](Engine::claim), which fences every earlier one. Once `claim` has
///   returned, no batch of an earlier writer lands any more.
/// - A batch lands whole or not at all, and is on stable storage when [`commit`](Engine::commit) returns `Ok`.
/// - A reader sees a batch whole or not at all within one call, and sees it from the moment `commit` returned.
/// - Commits that run at once land in some order; who needs an order awaits one before the next.
/// - Dropping the future of a `commit` does not take the commit back: it may land.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// Becomes the writer, fencing whoever was. Commits that are under way end first.
    ///
    /// # Errors
    /// As reads fail; then nobody was fenced.
    async fn claim(&self) -> Result<Writer, ReadError>;

    /// Writes a batch: all or nothing, on stable storage when it returns.
    ///
    /// # Errors
    /// The class of [`CommitError`] says what may have happened and what the caller must do.
    async fn commit(&self, writer: &Writer, batch: Batch) -> Result<(), CommitError>;

    /// Reads one row.
    ///
    /// # Errors
    /// [`ReadError`]; an absent row is `None`, no error.
    async fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError>;

    /// Reads several rows of one family, at one moment; the answer has the order of `keys`.
    ///
    /// # Errors
    /// [`ReadError`]; one unreadable row fails the whole.
    async fn multi_get(&self, family: Family, keys: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>, ReadError>;

    /// Reads the rows of a range in order of their keys, at one moment.
    ///
    /// # Errors
    /// [`ReadError`].
    async fn scan(&self, scan: Scan) -> Result<Vec<Row>, ReadError>;

    /// Freezes what is there now for several reads. Cheap, but holds on to what is deleted meanwhile: drop it soon.
    ///
    /// # Errors
    /// [`ReadError`].
    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, ReadError>;

    /// Writes what is there at one moment into the directory `to`, which must not be there, such that the engine can be
    /// opened on it. Commits go on meanwhile. A copy that fails may leave a part of it behind.
    ///
    /// # Errors
    /// [`ReadError`]; an engine that has no files makes no copies.
    async fn copy_to(&self, to: &Path) -> Result<(), ReadError> {
        Err(ReadError::Unavailable(format!(
            "this engine makes no copies, so there is none in {}",
            to.display()
        )))
    }

    /// The bounds that this engine enforces.
    fn limits(&self) -> Limits {
        Limits::DEFAULT
    }

    /// Why commits are refused until the engine is opened anew, if they are.
    fn stopped(&self) -> Option<Stopped> {
        None
    }
}

/// Why an engine takes no more commits: it is open what became of an earlier one, and only opening it anew tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// There was no room for it.
    NoSpace,
    /// It failed.
    Failed,
}

/// What an engine held at one moment. Reads as [`Engine`]'s.
#[async_trait]
pub trait Snapshot: Send + Sync + 'static {
    /// As [`Engine::get`].
    ///
    /// # Errors
    /// [`ReadError`].
    async fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError>;

    /// As [`Engine::multi_get`].
    ///
    /// # Errors
    /// [`ReadError`].
    async fn multi_get(&self, family: Family, keys: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>, ReadError>;

    /// As [`Engine::scan`].
    ///
    /// # Errors
    /// [`ReadError`].
    async fn scan(&self, scan: Scan) -> Result<Vec<Row>, ReadError>;
}

/// A range of one family to read in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// The family to read.
    pub family: Family,
    /// The first key, inclusive.
    pub from: Vec<u8>,
    /// Where the range ends, exclusive; empty: at the end of the family. A range that ends before it begins is empty.
    pub to: Vec<u8>,
    /// Whether to read from the end of the range down.
    pub reverse: bool,
    /// How many rows to answer at most: the first ones in the direction of reading. At most
    /// [`SCAN_ROWS_MAX`](crate::limits::SCAN_ROWS_MAX).
    pub limit: usize,
}

impl Scan {
    /// All rows whose keys begin with `prefix`, ascending, `limit` at most.
    #[must_use]
    pub fn prefix(family: Family, prefix: Vec<u8>, limit: usize) -> Self {
        let to = prefix_end(prefix.clone());
        Self { family, from: prefix, to, reverse: false, limit }
    }

    /// Lets an ascending range begin right behind a key, to read on from the last one that was read.
    pub fn behind(&mut self, key: &[u8]) {
        self.from = [key, &[0]].concat();
    }

    /// Whether no key can be in the range.
    pub(crate) fn is_empty(&self) -> bool {
        self.limit == 0 || (!self.to.is_empty() && self.from >= self.to)
    }
}

/// Proof of having claimed an engine. Clones are the same writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    epoch: u64,
}

impl Writer {
    /// A writer that no other engine of this process ever gave out, so that one of an engine which was closed is
    /// refused by its successor.
    pub(crate) fn next() -> Self {
        static EPOCH: AtomicU64 = AtomicU64::new(1);
        Self { epoch: EPOCH.fetch_add(1, Ordering::Relaxed) }
    }
}

/// Bounds that an engine enforces; exceeding one is a clean refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all keys and values of one batch.
    pub batch_bytes_max: usize,
    /// Operations of one batch.
    pub batch_ops_max: usize,
    /// Bytes of one key.
    pub key_bytes_max: usize,
    /// Bytes of one value.
    pub value_bytes_max: usize,
    /// Rows that one scan may ask for.
    pub scan_rows_max: usize,
    /// Keys of one `multi_get`.
    pub multi_get_keys_max: usize,
}

impl Limits {
    /// The bounds of [`limits`](crate::limits).
    pub const DEFAULT: Limits = Limits {
        batch_bytes_max: BATCH_BYTES_MAX,
        batch_ops_max: BATCH_OPS_MAX,
        key_bytes_max: KEY_BYTES_MAX,
        value_bytes_max: VALUE_BYTES_MAX,
        scan_rows_max: SCAN_ROWS_MAX,
        multi_get_keys_max: MULTI_GET_KEYS_MAX,
    };

    /// Refuses a scan that asks for too many rows.
    pub(crate) fn check_scan(&self, scan: &Scan) -> Result<(), ReadError> {
        within("rows of a scan", scan.limit, self.scan_rows_max)
    }

    /// Refuses a `multi_get` of too many keys.
    pub(crate) fn check_keys(&self, keys: &[Vec<u8>]) -> Result<(), ReadError> {
        within("keys of a read", keys.len(), self.multi_get_keys_max)
    }
}

/// Why a commit failed: a class, because the class decides what follows. Never holds keys or values of rows.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CommitError {
    /// Another writer has claimed the engine. The batch did not land and never will. Stop writing.
    #[error("another writer has taken over; this one must stop")]
    Fenced,
    /// The batch is beyond a limit. It did not land. Split it.
    #[error("{what}: {value} is more than {max}; split the batch")]
    TooLarge {
        /// Which bound.
        what: &'static str,
        /// What was asked for.
        value: usize,
        /// The most that is allowed.
        max: usize,
    },
    /// The batch did not land, provably. Drop it and whatever was signed for it; trying anew is safe.
    #[error("the store can't be written now: {0}")]
    Unavailable(String),
    /// The store is damaged. Whether the batch landed is open. Stop, and restore or inspect the store.
    #[error("the store is damaged; restore it from a backup: {0}")]
    Corrupt(String),
    /// The batch may have landed. Sign nothing until the engine has been opened or claimed anew and the head re-read.
    #[error("the write may or may not have happened; re-open the store and read the head again: {0}")]
    Unknown(String),
}

impl CommitError {
    /// Whether the batch provably did not land.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        matches!(self, Self::Fenced | Self::TooLarge { .. } | Self::Unavailable(_))
    }
}

/// Why a read failed. Never holds keys or values of rows.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// More was asked for than one call answers.
    #[error("{what}: {value} is more than {max}; read in parts")]
    TooLarge {
        /// Which bound.
        what: &'static str,
        /// What was asked for.
        value: usize,
        /// The most that is allowed.
        max: usize,
    },
    /// The store can't be read now; trying anew may help.
    #[error("the store can't be read now: {0}")]
    Unavailable(String),
    /// What was read fails its checksum.
    #[error("the store is damaged; restore it from a backup: {0}")]
    Corrupt(String),
}

fn within(what: &'static str, value: usize, max: usize) -> Result<(), ReadError> {
    if value > max { Err(ReadError::TooLarge { what, value, max }) } else { Ok(()) }
}
