//! Logs of mode `opaque`: bytes as they come, one leaf an entry, nothing else kept.

use cairnlog_store::Batch;
use cairnlog_tlog::Submission;
use cairnlog_verify::bundle::ENTRY_BYTES_MAX;
use cairnlog_verify::entry::Mode;
use cairnlog_verify::{Hash, tree};

use crate::error::LedgerError;
use crate::inflight::Fingerprint;
use crate::log::Log;
use crate::task::{lost, off_thread};

/// Where a batch of entries went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// The index of its first entry; the others follow without a gap.
    pub first_index: u64,
    /// How many there are.
    pub count: u64,
    /// The size of a tree that holds all of them.
    pub tree_size: u64,
}

/// Entries that come with no rows of their own.
struct Plain<E, H> {
    entries: E,
    leaf_hashes: H,
}

impl<E, H> Submission for Plain<E, H>
where
    E: AsRef<[Vec<u8>]> + Send + 'static,
    H: AsRef<[Hash]> + Send + 'static,
{
    fn entries(&self) -> &[Vec<u8>] {
        self.entries.as_ref()
    }

    fn leaf_hashes(&self) -> &[Hash] {
        self.leaf_hashes.as_ref()
    }

    fn rows(self: Box<Self>, _: u64, _: &mut Batch) {}

    fn row_bytes(&self) -> usize {
        0
    }
}

impl Log {
    /// Refuses unless the log takes bytes as they come.
    ///
    /// # Errors
    /// [`LedgerError::BadRequest`].
    pub fn require_opaque(&self) -> Result<(), LedgerError> {
        match self.mode() {
            Mode::Opaque => Ok(()),
            Mode::Records => Err(LedgerError::BadRequest(
                "this log is of mode records: it takes events, through a source; bytes as they come go to a log of mode opaque"
                    .to_owned(),
            )),
        }
    }

    /// Refuses unless the log has records.
    ///
    /// # Errors
    /// [`LedgerError::BadRequest`].
    pub fn require_records(&self) -> Result<(), LedgerError> {
        match self.mode() {
            Mode::Records => Ok(()),
            Mode::Opaque => Err(LedgerError::BadRequest(
                "this log is of mode opaque: it has no sources, records or retention classes, and takes entries at /logs/{log}/add"
                    .to_owned(),
            )),
        }
    }

    /// Appends one entry; its index once it is durable and in the tree. With `dedupe`, the index of the first equal
    /// entry instead, if there is one.
    ///
    /// If the returned future is dropped the entry may still be appended.
    ///
    /// # Errors
    /// [`LedgerError`]: a log of records, a frozen one, an entry of more than 65,535 bytes, or it takes no writes.
    pub async fn add(&self, entry: Vec<u8>) -> Result<u64, LedgerError> {
        self.require_opaque()?;
        let hash = tree::leaf_hash(&entry);
        if self.dedupes() {
            return self.add_once(entry, hash).await;
        }
        let waiting = self.intake().submit(Box::new(Plain { entries: [entry], leaf_hashes: [hash] })).await?;
        Ok(waiting.await?.first_index)
    }

    /// Who adds the same bytes at the same time waits here for its turn, and then finds them in the tree.
    async fn add_once(&self, entry: Vec<u8>, hash: Hash) -> Result<u64, LedgerError> {
        let mut name: Fingerprint = [0; 16];
        name.copy_from_slice(&hash.0[..16]);
        let held = self.inflight().reserve(vec![name]).await;
        // The durable tree: witnesses may take their time to cosign what was added before.
        if let Some(index) = self.tree().find_durable_leaf(&hash).await? {
            return Ok(index);
        }
        let waiting = self.intake().submit(Box::new(Plain { entries: [entry], leaf_hashes: [hash] })).await?;
        // A task of its own, so that the next one finds the entry though this caller hangs up.
        let adding = tokio::spawn(async move {
            let _held = held;
            waiting.await
        });
        Ok(adding.await.map_err(|gone| lost(&gone))??.first_index)
    }

    /// Appends entries, each behind its length in two big-endian bytes, in one commit, all or none.
    ///
    /// # Errors
    /// As [`Log::add`]; [`LedgerError::BadRequest`] also for bytes that are no such sequence, for none, and for a log
    /// with `dedupe`, where entries need not follow each other.
    pub async fn add_all(&self, bytes: impl AsRef<[u8]> + Send + 'static) -> Result<Added, LedgerError> {
        self.require_opaque()?;
        self.intake().check()?;
        if self.dedupes() {
            return Err(LedgerError::BadRequest(
                "this log keeps equal entries once, so a batch need not get consecutive indices; add them one by one".to_owned(),
            ));
        }
        let plain = off_thread(move || read_batch(bytes.as_ref())).await??;
        let count = plain.entries.len() as u64;
        let appended = self.intake().submit(Box::new(plain)).await?.await?;
        Ok(Added { first_index: appended.first_index, count, tree_size: appended.tree_size })
    }
}

fn read_batch(mut bytes: &[u8]) -> Result<Plain<Vec<Vec<u8>>, Vec<Hash>>, LedgerError> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let broken = || {
            LedgerError::BadRequest(format!(
                "the body ends inside entry {}; each entry stands behind its length, two big-endian bytes, of at most {ENTRY_BYTES_MAX}",
                entries.len()
            ))
        };
        let (length, rest) = bytes.split_first_chunk().ok_or_else(broken)?;
        let (entry, rest) =
            rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or_else(broken)?;
        entries.push(entry.to_vec());
        if entries.len() > cairnlog_tlog::SUBMISSION_LEAVES_MAX {
            return Err(LedgerError::TooLarge);
        }
        bytes = rest;
    }
    if entries.is_empty() {
        return Err(LedgerError::BadRequest("the body has no entry".to_owned()));
    }
    let leaf_hashes = entries.iter().map(|entry| tree::leaf_hash(entry)).collect();
    Ok(Plain { entries, leaf_hashes })
}
