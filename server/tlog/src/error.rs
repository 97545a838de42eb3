//! What can go wrong, by operation.

use cairnlog_store as store;
use cairnlog_verify::{checkpoint::CheckpointError, note::NoteError, proof::ProofError};

/// Why a log can't be created or opened. Nothing was signed, unless the variant says so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The engine can't be read.
    #[error("the store can't be read: {0}")]
    Engine(#[from] store::ReadError),
    /// The stored rows are not those of the signed tree.
    #[error(transparent)]
    Damaged(#[from] ReadError),
    /// There is no head: the log was never created, or its head was lost.
    #[error("log {log} has no tree head in this store; create it, or restore the store whole")]
    NoHead {
        /// The log's id.
        log: u32,
    },
    /// The log to be created has a head already.
    #[error("log {log} exists already; open it instead")]
    Exists {
        /// The log's id.
        log: u32,
    },
    /// The log is open already, or being created.
    #[error("log {log} is open already; use that handle, or shut it down first")]
    Open {
        /// The log's id.
        log: u32,
    },
    /// No head, but entries or tiles of an earlier tree.
    #[error(
        "log {log} has no tree head but has {what}; its head was lost: restore the store whole, or use \
         another id"
    )]
    Leftovers {
        /// The log's id.
        log: u32,
        /// Which rows are there.
        what: &'static str,
    },
    /// None of the signing keys is named like the origin.
    #[error("no signing key is named like the origin `{origin}`; give the log's own key")]
    NoSigner {
        /// The log's origin.
        origin: String,
    },
    /// The stored head is not a checkpoint signed by the keys given.
    #[error("the stored tree head is not one that the given keys signed: {0}")]
    Head(#[from] CheckpointError),
    /// The stored head isn't text.
    #[error("the stored tree head is not text; restore the store whole")]
    HeadNotText,
    /// The stored time of the head isn't one.
    #[error("the stored time of the tree head is damaged; restore the store whole")]
    HeadTime,
    /// The stored head is that of another log.
    #[error("the stored tree head is that of `{found}`, not of `{expected}`")]
    Origin {
        /// The origin that was asked for.
        expected: String,
        /// The origin that the stored head names.
        found: String,
    },
    /// Entries at or after the size of the head: the head is older than the rest of the store.
    #[error(
        "the store holds entry {index}, beyond the tree head of size {size}: the head is older than \
         the entries; restore the store whole"
    )]
    BeyondHead {
        /// The first such entry.
        index: u64,
        /// The size that the head states.
        size: u64,
    },
    /// What is stored does not hash to the signed root.
    #[error(
        "the stored tiles and entries of size {size} hash to {found}, the signed tree head says \
         {signed}; restore the store whole"
    )]
    Root {
        /// The size that the head states.
        size: u64,
        /// The root that the head states.
        signed: cairnlog_verify::Hash,
        /// The root of what is stored.
        found: cairnlog_verify::Hash,
    },
    /// The head kept outside the store is of a larger tree.
    #[error(
        "the store has {stored} entries, the tree head kept in {} says {kept}: the store was put back to an older \
         copy; restore the newest one",
        path.display()
    )]
    RolledBack {
        /// Where the head is kept.
        path: std::path::PathBuf,
        /// The size that it states.
        kept: u64,
        /// The size of the stored head.
        stored: u64,
    },
    /// The head kept outside the store is of another tree.
    #[error(
        "the tree of {size} entries in the store has the root {stored}, the tree head kept in {} says {kept}: they \
         are two logs; restore the store that belongs to it",
        path.display()
    )]
    KeptRoot {
        /// Where the head is kept.
        path: std::path::PathBuf,
        /// The size that it states.
        size: u64,
        /// The root that it states.
        kept: cairnlog_verify::Hash,
        /// The root of the stored tree of that size.
        stored: cairnlog_verify::Hash,
    },
    /// The head kept outside the store can't be used.
    #[error("the tree head kept in {} can't be used: {why}; restore that file", path.display())]
    KeptUnreadable {
        /// Where the head is kept.
        path: std::path::PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The published head is of a larger tree than the stored one, or of another.
    #[error(
        "the published tree head of size {published} is not of the stored tree of size {stored}; restore the store whole"
    )]
    Published {
        /// The size that the published head states.
        published: u64,
        /// The size of the stored head.
        stored: u64,
    },
    /// A witness has cosigned a larger tree.
    #[error(
        "the store has {stored} entries, the witness {witness} has cosigned {cosigned}: the store was put back to an \
         older copy; restore the newest one, or drop the witness from the policy if it is wrong"
    )]
    WitnessAhead {
        /// What the policy calls it.
        witness: String,
        /// The size that it has cosigned.
        cosigned: u64,
        /// The size of the stored head.
        stored: u64,
    },
    /// The witness policy knows the log by another key.
    #[error(
        "the witness policy names the log {origin} by the key {key}, which is none of its own; put the log's own key \
         into the policy's `log` line"
    )]
    PolicyKey {
        /// The log's origin.
        origin: String,
        /// The key in the policy.
        key: String,
    },
    /// The stored head can't be completed for the witnesses.
    #[error("the stored tree head can't be shown to witnesses: {0}")]
    Serve(HeadError),
    /// The first submission can't be taken.
    #[error("the log's first entry can't be appended: {0}")]
    First(AppendError),
    /// The first head can't be signed.
    #[error("the first tree head can't be signed: {0}")]
    Sign(NoteError),
    /// The first commit failed. After [`store::CommitError::Unknown`] the log may exist.
    #[error("the log's first commit failed: {0}")]
    Commit(#[from] store::CommitError),
}

/// Why a submission has no index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Too much is waiting already. Nothing was appended; try again later.
    #[error("the log's queue is full; try again later")]
    QueueFull,
    /// It does not fit into one commit. Nothing was appended; split it.
    #[error("the submission is too large for one commit; split it")]
    TooLarge,
    /// It contradicts itself. Nothing was appended.
    #[error("the submission can't be appended: {0}")]
    Invalid(&'static str),
    /// The tree has this size, and so not the one that the submission expects. Nothing was appended; make it anew.
    #[error(
        "the tree has grown to {0} entries, the submission names an entry by another index; nothing was appended"
    )]
    Moved(u64),
    /// The commit failed cleanly. Nothing was appended; try again.
    #[error("the store did not take the batch, nothing was appended; try again ({0})")]
    Unavailable(String),
    /// The log stopped before the submission was committed. Nothing was appended.
    #[error("the log has stopped, nothing was appended: {0}")]
    Stopped(StopReason),
    /// The log stopped while the submission was being committed: it may be in the tree or not.
    #[error("the log has stopped, the submission may be in the tree or not: {0}")]
    Unknown(StopReason),
}

/// Why a log takes no more submissions. Opening it anew is the way on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StopReason {
    /// It was shut down.
    #[error("it was shut down")]
    Shutdown,
    /// Another writer has claimed the store.
    #[error("another writer has claimed the store")]
    Fenced,
    /// The engine reports damage.
    #[error("the store is damaged")]
    Corrupt,
    /// A commit's outcome is unknown, and will be until the store has been opened anew.
    #[error("the outcome of a commit is unknown; open the store anew")]
    Unsettled,
    /// After a commit of unknown outcome the stored head was neither the old nor the new one.
    #[error("the stored tree head is none that this log has signed")]
    ForeignHead,
    /// The next head could not be signed.
    #[error("the next tree head can't be signed")]
    Signing,
    /// The sequencer panicked: a submission's rows did, or an invariant of the tree was broken.
    #[error("the sequencer has panicked")]
    Panicked,
}

/// Why something that the log must hold can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The engine failed.
    #[error("the store can't be read: {0}")]
    Engine(#[from] store::ReadError),
    /// A full tile is missing or has another length than it must have.
    #[error("`{path}` is missing or damaged in the store")]
    Tile {
        /// The tile's path.
        path: String,
    },
    /// An entry of a bundle is longer than any that was ever appended.
    #[error("an entry of `{path}` is damaged in the store")]
    Bundle {
        /// The bundle's path.
        path: String,
    },
    /// An entry is missing.
    #[error("entry {index} is missing in the store")]
    Entry {
        /// Its index.
        index: u64,
    },
    /// An entry and the tiles contradict the signed head.
    #[error("entry {index} does not prove to the signed tree head")]
    Unproven {
        /// Its index.
        index: u64,
    },
    /// A leaf-hash prefix has more rows than are looked at, none of them the one sought.
    #[error("too many entries share the beginning of this leaf hash")]
    TooManyCandidates,
}

/// Why a head can't be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// No head has been published yet: the witnesses have not cosigned one.
    #[error("no tree head has been cosigned by enough witnesses yet; try again later")]
    Unpublished,
    /// A signature can't be made.
    #[error("the tree head can't be signed: {0}")]
    Sign(#[from] NoteError),
    /// Signing panicked, or the process is going down.
    #[error("the tree head's signing was cut short")]
    Panicked,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProofFailure {
    /// It concerns a tree larger than the published one.
    #[error("the published tree has {published} entries, fewer than {size}")]
    Beyond {
        /// The size, or index plus one, that was asked for.
        size: u64,
        /// The published size.
        published: u64,
    },
    /// No such proof exists, whatever the tree.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The head that it leads to can't be served.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// What the proof is made of can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}
