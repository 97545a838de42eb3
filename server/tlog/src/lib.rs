//! One append-only transparency log over a storage engine: the sequencer that grows the tree, and the
//! reader that serves tiles, bundles and proofs from it.
//!
//! The main choice: a log is **one task** that owns its right edge and takes whatever is waiting as one
//! group. For a group it assigns indices, extends the tree, signs the new head and puts entries, full
//! tiles, lookup rows, the head and each submission's own rows into one batch that the engine commits
//! whole or not at all, on stable storage. Only then does the head become visible and the callers hear
//! their indices. So there is no state between "in the tree" and "not in the tree" to recover: after a
//! crash the stored head is the truth, and the right edge is rebuilt from what it commits to
//! ([`Log::open`] refuses to go on if that does not hash to the signed head).
//!
//! The tree never has two signed heads of one size that anyone saw. A commit that failed cleanly takes
//! its signature with it. One whose outcome is unknown stops all work until the engine has been claimed
//! anew and the stored head, read back, says which of the two it was; if it says neither, the log stops
//! for good and must be opened anew.
//!
//! Where a log has witnesses, a head is published once enough of them have cosigned it, by a task of its own that no
//! writer waits for; else the newest durable head is the published one.
//!
//! Reads see the published head and nothing beyond it. What is partial at the right edge is served from
//! memory, and narrower forms of full tiles by cutting them, so nothing partial is ever written.

mod asking;
mod backoff;
pub mod check;
mod commit;
mod edge;
mod error;
mod head;
mod kept;
mod limits;
mod log;
mod outside;
mod patience;
mod proofs;
mod published;
mod publisher;
mod reader;
mod rebuild;
mod sequencer;
mod signers;
mod submission;
mod witness;
mod writer;

pub use error::{AppendError, HeadError, OpenError, ProofFailure, ReadError, StopReason};
pub use head::Head;
pub use limits::{
    ENTRIES_READ_MAX, GROUP_BYTES_MAX, GROUP_LEAVES_MAX, QUEUE_BYTES_MAX, QUEUE_SUBMISSIONS_MAX,
    SUBMISSION_BYTES_MAX, SUBMISSION_LEAVES_MAX,
};
pub use log::{Clock, Log, LogParams};
pub use patience::Patience;
pub use proofs::Inclusion;
pub use signers::Signer;
pub use submission::{Appended, Submission};
pub use witness::{Cosigner, Outcome, Quorum, Witness, WitnessAnswer, WitnessError, Witnesses};
pub use writer::SharedWriter;
