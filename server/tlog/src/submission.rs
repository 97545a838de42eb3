//! What callers hand to the sequencer, and what they get back.

use cairnlog_store::{Batch, Limits};
use cairnlog_verify::{Hash, bundle::ENTRY_BYTES_MAX, tree};

use crate::{
    error::AppendError,
    limits::{
        BATCH_OVERHEAD_BYTES, GROUP_BYTES_MAX, GROUP_LEAVES_MAX, LEAF_OVERHEAD_BYTES, SUBMISSION_BYTES_MAX,
        SUBMISSION_LEAVES_MAX,
    },
};

/// Entries that go into the log together: they get consecutive indices, in order, in one commit, along
/// with the rows that belong to them.
pub trait Submission: Send + 'static {
    /// The entries, in order, each of at most 65,535 bytes; at least one, but for the submissions that a log
    /// is created with or its keys change with.
    fn entries(&self) -> &[Vec<u8>];

    /// The leaf hash of each entry (RFC 6962 §2.1), in the same order.
    fn leaf_hashes(&self) -> &[Hash];

    /// Puts every further row of this submission into `batch`, knowing now that its first entry has the
    /// index `first_index`. It must leave the rows of the tree (entries, tiles, leaf lookups, heads)
    /// alone, do no I/O, and be quick: the log's other callers wait for it. A panic here stops the log.
    fn rows(self: Box<Self>, first_index: u64, batch: &mut Batch);

    /// The index that its first entry must get, where an entry names another one of the submission. If the tree has grown
    /// by then, [`AppendError::Moved`] is the answer and nothing is written.
    fn expected_first(&self) -> Option<u64> {
        None
    }

    /// An upper estimate of the bytes, keys included, that [`Submission::rows`] will add.
    fn row_bytes(&self) -> usize;
}

/// Where a submission went, known once it is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The index of its first entry; the others follow without a gap.
    pub first_index: u64,
    /// The size of the tree of the signed head that was committed with it.
    pub tree_size: u64,
}

/// What a submission adds to a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) leaves: usize,
    pub(crate) bytes: usize,
}

/// What a commit may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacity {
    leaves_max: usize,
    bytes_max: usize,
}

impl Capacity {
    /// What one submission may hold.
    pub(crate) fn of_submission(engine: &Limits) -> Capacity {
        Capacity::new(engine, SUBMISSION_LEAVES_MAX, SUBMISSION_BYTES_MAX)
    }

    /// What several submissions in one commit may hold together.
    pub(crate) fn of_group(engine: &Limits) -> Capacity {
        Capacity::new(engine, GROUP_LEAVES_MAX, GROUP_BYTES_MAX)
    }

    fn new(engine: &Limits, leaves_max: usize, bytes_max: usize) -> Capacity {
        let bytes_max = bytes_max.min(engine.batch_bytes_max).saturating_sub(BATCH_OVERHEAD_BYTES);
        Capacity { leaves_max, bytes_max }
    }

    /// Whether a batch of this much still fits.
    pub(crate) fn holds(&self, cost: Cost) -> bool {
        cost.leaves <= self.leaves_max && cost.bytes <= self.bytes_max
    }

    /// Checks a submission that may be rows alone.
    pub(crate) fn admit_or_rows(&self, submission: &dyn Submission) -> Result<Cost, AppendError> {
        if !submission.entries().is_empty() {
            return self.admit(submission);
        }
        let cost = Cost { leaves: 0, bytes: submission.row_bytes() };
        if self.holds(cost) { Ok(cost) } else { Err(AppendError::TooLarge) }
    }

    /// Checks a submission and says what it costs. The leaf hashes are computed anew here, in the
    /// caller's task: one that is not its entry's would be signed and could never be proven.
    pub(crate) fn admit(&self, submission: &dyn Submission) -> Result<Cost, AppendError> {
        let entries = submission.entries();
        let hashes = submission.leaf_hashes();
        if entries.is_empty() {
            return Err(AppendError::Invalid("it has no entries"));
        }
        if entries.len() != hashes.len() {
            return Err(AppendError::Invalid("it has not one leaf hash an entry"));
        }
        let mut bytes = submission.row_bytes();
        for entry in entries {
            if entry.len() > ENTRY_BYTES_MAX {
                return Err(AppendError::TooLarge);
            }
            bytes = bytes.saturating_add(entry.len() + LEAF_OVERHEAD_BYTES);
        }
        let cost = Cost { leaves: entries.len(), bytes };
        if !self.holds(cost) {
            return Err(AppendError::TooLarge);
        }
        let same = |(entry, hash): (&Vec<u8>, &Hash)| tree::leaf_hash(entry) == *hash;
        if !entries.iter().zip(hashes).all(same) {
            return Err(AppendError::Invalid("a leaf hash is not that of its entry"));
        }
        Ok(cost)
    }
}

impl Cost {
    /// Both together.
    pub(crate) fn plus(self, other: Cost) -> Cost {
        Cost {
            leaves: self.leaves.saturating_add(other.leaves),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}
