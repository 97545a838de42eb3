//! What one log does: pipeline, commit, sequence, prove, index and read.
//!
//! The crate has two sides. The **worker side** takes values and gives values: what a pipeline made of raw records goes
//! in, a submission whose every row is written but for its index comes out. It runs off the async threads, on any number
//! of them, and holds all of the cryptography. The stateful side, above it, owns the logs.
//!
//! Modules of the worker side, lowest first; each uses only those before it:
//!
//! 1. [`limits`], [`handles`]: every bound; time and randomness.
//! 2. [`frame`], [`index`], [`payload`], [`wrap`]: the sealed rows and the search rows, byte for byte as
//!    `docs/formats.md` says.
//! 3. [`class`], [`manifest`], [`said`]: what retention, pipelines and the log's own entries say.
//! 4. [`redact`]: taking away what must not be kept.
//! 5. [`worker`], [`prepared`]: from an event to a submission.
//!
//! The stateful side, lowest first:
//!
//! 1. [`error`], `task`, `inflight`, `seen`, `openings`, `answer`: what can go wrong, what is handed to another thread,
//!    what is under way, what was seen, what is handed back once, what is answered.
//! 2. `registry`, `signature`, `sample`: the server's plugins, who stands for them, what they make of samples. `pipeline`: a source's stages over a chunk of raw records. `workers`: whose turn it is
//!    to run. `diagnostics`: what plugins say. `canary`: another pipeline beside a source's own, compared and never logged.
//! 3. `intake`: the way into the tree. `log`: one log, its sources and classes; `ingest`, `read`, `search` and `disclose`
//!    are what it does all day, or `opaque`. `tally`, `entities`: what it counts, and what it has made pseudonyms of.
//!    `retain`: keeping and erasing; `complete`: whether all that is there opens.
//! 4. `ledger`: all logs of a server; `access`, `control`: what is said in its own log; `signing`, `rotation`, `rewrap`:
//!    their keys and how they change. `stored`: which they are, for who does not open them.

mod access;
mod aead;
mod answer;
mod canary;
mod cbor;
mod complete;
mod control;
mod diagnostics;
mod disclose;
mod entities;
mod inflight;
mod ingest;
mod intake;
mod ledger;
mod log;
mod opaque;
mod openings;
mod pipeline;
mod read;
mod registry;
mod replay;
mod retain;
mod rewrap;
mod rotation;
mod sample;
mod search;
mod seen;
mod signature;
mod signing;
mod source;
mod stage;
mod stored;
mod tally;
mod task;
mod workers;

pub mod class;
pub mod error;
pub mod frame;
pub mod handles;
pub mod index;
pub mod limits;
pub mod manifest;
pub mod payload;
pub mod prepared;
pub mod redact;
pub mod said;
pub mod worker;
pub mod wrap;

pub use access::{Access, Activity, Who};
pub use answer::{Answer, RowAnswer, Status};
pub use cairnlog_verify::entry::Mode;
pub use canary::{CanaryCounts, CanarySpec};
pub use class::{Class, Trigger};
pub use complete::Checked;
pub use control::CONTROL;
pub use diagnostics::Message;
pub use error::LedgerError;
pub use ingest::retry::{Retried, RetryFate, SetAside, Told};
pub use ingest::trial::{Trial, TrialEvent, TrialFate};
pub use ingest::{Idempotency, Ingest};
pub use ledger::{Config, Ledger, NewLog, WitnessesOf};
pub use log::waiting::{Approved, Change, Put, Waiting};
pub use log::{Binding, Log, LogInfo};
pub use opaque::Added;
pub use openings::Openings;
pub use read::{Kept, Record};
pub use redact::Opening;
pub use registry::{PluginInfo, Upload};
pub use replay::{Compared, Replay, Verdict};
pub use retain::approval::Pending;
pub use retain::archive::{Archive, ArchiveError, ArchiveKey, ArchiveSecret};
pub use retain::due::ClassDue;
pub use retain::erased::Erasure;
pub use retain::held::Hold;
pub use retain::request::{Refusal, Refused, Requested, Target};
pub use retain::sweep::{Sweep, Swept};
pub use rewrap::KekInfo;
pub use rotation::KeyChange;
pub use sample::{Sampled, check_samples};
pub use search::{Found, Order, Position, Search};
pub use signature::{check_plugin_signature, join_plugin_signatures, sign_plugin};
pub use source::{Policy, Previous, SourceInfo, SourceSpec, StageSpec};
pub use stored::{StoredLog, stored_logs, stored_pages};
