//! What a Cairnlog server keeps, and how it survives a crash.
//!
//! Everything above this crate sees storage as one small trait, [`Engine`]: claim, commit, get, scan, snapshot. The trait
//! is narrow on purpose. A transparency log needs three things from its store and no more: a batch lands whole or not at
//! all and is on stable storage when `commit` returns; at most one writer's batches land; and a failed commit says which
//! kind of failure it was, because a log that guesses wrong signs a fork. So a failure is a class ([`CommitError`]), and
//! the class that matters most is *unknown*: the batch may be there, re-read before signing anything.
//!
//! Modules, lowest first; each uses only those before it:
//!
//! 1. [`limits`]: every bound of this crate, on one page.
//! 2. [`family`] and [`layout`]: the one page of key layout.
//! 3. [`batch`] and [`engine`]: the trait and its words.
//! 4. [`memory`], [`rocks`]: the engines. [`faulty`]: a wrapper that fails when told to, for the tests of those above.
//! 5. [`durable`], [`datadir`] and [`secrets`]: the directory on disk, its lock, and the keys kept beside the engine.
//!    [`kept`]: the newest tree heads, outside the store.
//!
//! The engines know nothing of logs, trees or records: values are bytes to them.

pub mod batch;
pub mod datadir;
pub mod durable;
pub mod engine;
pub mod family;
pub mod faulty;
pub mod kept;
pub mod layout;
pub mod limits;
pub mod memory;
pub mod rocks;
pub mod secrets;

pub use batch::{Batch, Op};
pub use engine::{CommitError, Engine, Limits, ReadError, Row, Scan, Snapshot, Stopped, Writer};
pub use family::Family;
