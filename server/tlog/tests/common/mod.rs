//! What the tests share: a submission of plain entries, logs over a given engine, and a naive model to
//! compare a log with.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::missing_panics_doc)]

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Waker},
};

use cairnlog_store::{Batch, Engine, Family, layout};
use cairnlog_tlog::{AppendError, Appended, Log, LogParams, OpenError, Submission};
use cairnlog_verify::{
    Hash,
    checkpoint::Checkpoint,
    note::{SigningKey, VerifierKey},
    tile::{BundleId, Tile},
    tree,
};
use tokio::task::JoinHandle;

pub const LOG: u32 = 7;
/// What the clock of the tests says.
pub const NOW: u64 = 1_795_426_503;
pub const ORIGIN: &str = "example.com/log/testdata";
/// The published key pair of Tessera's fixture log (transparency-dev/tessera, `testdata/log`,
/// Apache-2.0).
pub const PRIVATE: &str = "PRIVATE+KEY+example.com/log/testdata+33d7b496\
                           +AeymY/SZAX0jZcJ8enZ5FY1Dz+wTML2yWSkK+9DSF3eg";
pub const PUBLIC: &str = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";

pub fn keys() -> Vec<VerifierKey> {
    vec![PUBLIC.parse().unwrap()]
}

pub fn params() -> LogParams {
    let key: SigningKey = PRIVATE.parse().unwrap();
    LogParams {
        id: LOG,
        origin: ORIGIN.to_owned(),
        signers: vec![key.into()],
        clock: Arc::new(|| NOW),
        witnesses: None,
        outside: None,
    }
}

/// Entries with one row each beside the tree's own.
#[derive(Clone)]
pub struct Plain {
    entries: Vec<Vec<u8>>,
    hashes: Vec<Hash>,
    row_bytes: usize,
}

impl Plain {
    pub fn new(entries: Vec<Vec<u8>>) -> Plain {
        let hashes = entries.iter().map(|entry| tree::leaf_hash(entry)).collect();
        let row_bytes = entries.len() * 64;
        Plain { entries, hashes, row_bytes }
    }

    /// `[start, end)` as decimals, one an entry.
    pub fn numbers(range: std::ops::Range<u64>) -> Plain {
        Plain::new(numbers(range))
    }

    pub fn with_row_bytes(self, row_bytes: usize) -> Plain {
        Plain { row_bytes, ..self }
    }

    pub fn with_hashes(self, hashes: Vec<Hash>) -> Plain {
        Plain { hashes, ..self }
    }
}

impl Submission for Plain {
    fn entries(&self) -> &[Vec<u8>] {
        &self.entries
    }

    fn leaf_hashes(&self) -> &[Hash] {
        &self.hashes
    }

    fn rows(self: Box<Self>, first_index: u64, batch: &mut Batch) {
        for (index, entry) in (first_index..).zip(&self.entries) {
            batch.put(Family::Payloads, layout::payload_key(LOG, index), row_of(entry));
        }
    }

    fn row_bytes(&self) -> usize {
        self.row_bytes
    }
}

pub fn numbers(range: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    range.map(|i| i.to_string().into_bytes()).collect()
}

/// The row that goes with an entry.
pub fn row_of(entry: &[u8]) -> Vec<u8> {
    [b"row of ", entry].concat()
}

pub async fn create(engine: &Arc<dyn Engine>, first: Plain) -> Log {
    let writer = engine.claim().await.unwrap();
    Log::create(Arc::clone(engine), writer, params(), Some(Box::new(first))).await.unwrap()
}

pub async fn try_open(engine: &Arc<dyn Engine>) -> Result<Log, OpenError> {
    let writer = engine.claim().await.unwrap();
    Log::open(Arc::clone(engine), writer, params()).await
}

pub async fn open(engine: &Arc<dyn Engine>) -> Log {
    try_open(engine).await.unwrap()
}

/// Puts a submission into the queue now, and leaves the waiting to a task.
pub fn enqueue(log: &Log, submission: Plain) -> JoinHandle<Result<Appended, AppendError>> {
    let log = log.clone();
    let mut appending: Pin<Box<dyn Future<Output = _> + Send>> =
        Box::pin(async move { log.append(Box::new(submission)).await });
    let polled = appending.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending(), "answered before it was committed: {polled:?}");
    tokio::spawn(appending)
}

/// MTH of RFC 6962 §2.1, written down as it stands there.
pub fn mth(leaves: &[Hash]) -> Hash {
    match leaves.len() {
        0 => tree::empty_root(),
        1 => leaves[0],
        n => {
            let k = n.next_power_of_two() / 2;
            tree::node_hash(&mth(&leaves[..k]), &mth(&leaves[k..]))
        }
    }
}

/// A tile by its definition in tlog-tiles: hash `i` is the MTH of its own `256^level` leaves.
pub fn tile_of(leaves: &[Hash], tile: Tile) -> Vec<u8> {
    let span = 256_usize.pow(u32::from(tile.level));
    let first = usize::try_from(tile.index).unwrap() * 256;
    (first..first + usize::from(tile.width)).flat_map(|i| mth(&leaves[i * span..(i + 1) * span]).0).collect()
}

/// A bundle by its definition in tlog-tiles.
pub fn bundle_of(entries: &[Vec<u8>], id: BundleId) -> Vec<u8> {
    let first = usize::try_from(id.index).unwrap() * 256;
    let mut bytes = Vec::new();
    for entry in &entries[first..first + usize::from(id.width)] {
        bytes.extend(u16::try_from(entry.len()).unwrap().to_be_bytes());
        bytes.extend(entry);
    }
    bytes
}

/// The head of the log, its signature verified.
pub fn verified_head(log: &Log) -> Checkpoint {
    let head = log.head();
    let opened = Checkpoint::open(&head.note, &keys()).unwrap();
    assert_eq!(opened, head.checkpoint);
    opened
}

/// The log has these entries and no others, its head commits to them, and each has its row.
pub async fn assert_is(log: &Log, engine: &Arc<dyn Engine>, entries: &[Vec<u8>]) {
    let leaves: Vec<Hash> = entries.iter().map(|entry| tree::leaf_hash(entry)).collect();
    let head = verified_head(log);
    assert_eq!(head.size, entries.len() as u64);
    assert_eq!(head.root, mth(&leaves), "size {}", head.size);
    for (index, entry) in (0..).zip(entries) {
        assert_eq!(log.entry(index).await.unwrap().as_ref(), Some(entry), "entry {index}");
        let row = engine.get(Family::Payloads, &layout::payload_key(LOG, index)).await.unwrap();
        assert_eq!(row, Some(row_of(entry)), "row of entry {index}");
    }
    let beyond = layout::payload_key(LOG, head.size);
    assert_eq!(engine.get(Family::Payloads, &beyond).await.unwrap(), None, "a row beyond the head");
    assert_eq!(log.entry(head.size).await.unwrap(), None);
}
