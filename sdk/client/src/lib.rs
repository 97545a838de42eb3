//! A typed async HTTP client for Cairnlog: submit, search, prove, verify as you go.
//!
//! # Two faces, two types
//!
//! A log has a public face, the C2SP tlog-tiles monitoring prefix, that anyone can read and check with nothing but the
//! log's key, and an API that knows people and roles. [`Client`] speaks the API; its answers are what the server says.
//! [`TileLog`] reads the public face of any tile log, Cairnlog's or not, and a [`Verifier`] on top of it believes
//! nothing that the log's key and the tree don't prove: checkpoints, consistency from tiles, and [`Verifier::audit`],
//! which downloads and recomputes the whole tree. The recomputation itself, [`audit::Recompute`], does no I/O.
//!
//! # What a server can't do to its client
//!
//! Every wait and every answer's length has a bound ([`limits`]). Redirects are not followed and the environment's
//! proxies not used, so the token goes to the named server alone: over `https://` to one whose certificate holds, by the
//! system's authorities or those in the file that `SSL_CERT_FILE` names. It stands in no `Debug` output and no error.
//! Errors tell apart refusals ([`Problem`]), broken connections, answers that are too long or of the wrong shape, and
//! things that do not verify ([`VerificationError`]), since each asks for something else from the caller.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use cairnlog_client::{Client, ContentType, Ingest, Secret, Verifier, limits};
//!
//! let client = Client::new("http://127.0.0.1:8080", Some(&Secret::new("cl_…")))?;
//! let log = client.log("hr-audit")?;
//! let lines = "{\"eventID\":\"1\"}\n";
//! let answer = log.ingest("aws", Ingest::new(ContentType::Ndjson, lines)).await?;
//!
//! let verifier = Verifier::new(log.tiles(), log.info().await?.verifier_key.parse()?);
//! if let Some(index) = answer.first_index {
//!     let receipt = log.receipt(index, limits::RECEIPT_WAIT_DEFAULT).await?;
//!     verifier.receipt(&receipt, None)?;
//! }
//! # Ok(())
//! # }
//! ```

pub mod audit;
pub mod limits;

mod backups;
mod changes;
mod client;
mod erasures;
mod error;
mod events;
mod holds;
mod logs;
mod messages;
mod page;
mod plugins;
mod proofs;
mod quarantine;
mod records;
mod retention;
mod secret;
mod sources;
mod stream;
mod tiles;
mod tokens;
mod transport;
mod verifier;

pub use backups::Backup;
pub use changes::{PendingChange, ProposedSource};
pub use client::{Client, Health};
pub use erasures::{Erasing, Erasure, ErasureTarget, PendingErasure, RefusedErasure};
pub use error::{Error, Problem, ProblemItem, TransportKind, VerificationError};
pub use events::{ContentType, DroppedOpening, EventStatus, Ingest, IngestAnswer, IngestRow, Openings};
pub use holds::{Hold, HoldQuery, NewHold};
pub use logs::{KekInfo, Log, LogInfo, Mode, NewKeys, NewLog};
pub use messages::PluginMessage;
pub use page::{Page, PageRequest};
pub use plugins::{Plugin, SampledPlugin, UploadOptions, Uploaded};
pub use proofs::{ConsistencyProof, EntryAnswer, InclusionProof, Leaf, TreeHead};
pub use quarantine::{Retried, Retry, RetryAnswer, SetAside, Trial};
pub use records::{AppliedRedaction, Order, Record, RecordQuery, RecordRetention};
pub use retention::{ClassDue, ClassSettings, RetentionClass, Sweep, Swept, Trigger};
pub use secret::Secret;
pub use sources::{
    Bound, Canary, CanaryFate, CanaryMember, CanaryRefused, Fallback, NormalizerErrorPolicy, OnError,
    Pipeline, Previous, Source, Stage,
};
pub use stream::RecordStream;
pub use tiles::TileLog;
pub use tokens::{CreatedToken, NewToken, Role, Token};
pub use verifier::{SignedCheckpoint, Verifier};
