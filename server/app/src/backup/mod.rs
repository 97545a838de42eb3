//! Copies of what a server keeps, and their way back.
//!
//! There are three kinds of copies, and each has a place of its own: the **store**, which opens nothing; the **keyrings**,
//! which die after their time, so that what was erased is gone; and, where that is asked for, the **secrets** in the clear:
//! signing keys, and key-encryption keys that lie in files. A thief of one place reads no record.
//!
//! The store is copied before the keyrings: every key that one of its rows needs was durable before the row. A page that is
//! destroyed in between is missing, which the next copy of the store mends.

mod names;
mod online;
mod places;
mod restore;
mod take;

pub(crate) use online::Backups;
pub(crate) use places::Places;
pub(crate) use restore::{Restored, Wanted, restore};
pub(crate) use take::{Taken, expire, take};

use std::io;
use std::path::{Path, PathBuf};

use cairnlog_store::ReadError;
use cairnlog_store::datadir::DataDirError;
use cairnlog_store::secrets::SecretsError;

/// Why copies were not made. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// Two places are one, or one is within another.
    #[error(
        "{0} and {1} are not apart: copies of the store, of keyrings and of secrets each need a place of their own"
    )]
    NotApart(PathBuf, PathBuf),
    /// No place is named.
    #[error(
        "name at least one place: --to for the store, --keys-to for the keyrings, --secrets-to for secrets"
    )]
    Nowhere,
    /// One that was made in the same second.
    #[error("{0} is there already; try again in a second")]
    Exists(PathBuf),
    #[error("the store can't be copied: {0}")]
    Store(#[from] ReadError),
    #[error(transparent)]
    Keys(#[from] SecretsError),
    #[error(transparent)]
    Dir(#[from] DataDirError),
    /// The file system refused.
    #[error("{path}: {source}; check that the directory is writable and the disk not full")]
    Io {
        /// What was touched.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A thread was cut off.
    #[error("the copying was cut off: {0}")]
    Task(#[from] tokio::task::JoinError),
}

fn at(path: &Path) -> impl Fn(io::Error) -> BackupError {
    move |source| BackupError::Io { path: path.to_path_buf(), source }
}
