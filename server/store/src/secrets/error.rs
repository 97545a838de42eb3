//! What can be wrong with keys. Each is one line that says what to do.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::limits::RESERVATION_RECORDS_MAX;

/// Why keys could not be read or made. Never holds key material.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SecretsError {
    /// A file is gone.
    #[error("{0} is missing; restore it from its backup")]
    Missing(PathBuf),
    /// There are keys already.
    #[error("{0} is there already; keys are never overwritten, move it away if it is not in use")]
    Exists(PathBuf),
    /// A file is not what was written.
    #[error("{path} can't be read: {what}; restore it from its backup")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The keyring is wrapped by a key that is not there.
    #[error("{path} is wrapped by the key-encryption key {id}, {remedy}")]
    NoKek {
        /// The keyring.
        path: PathBuf,
        /// The missing key's id.
        id: String,
        /// Where it is from, and what to do.
        remedy: &'static str,
    },
    /// What the environment holds is no list of keys.
    #[error("CAIRNLOG_KEK: key {place}: {what}")]
    Environment {
        /// Which of them is wrong, counted from 1.
        place: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The PKCS#11 token can't be asked, or lacks what it is asked for.
    #[error("the PKCS#11 token {token:?} of {module}: {what}")]
    Token {
        /// The token's label.
        token: String,
        /// The vendor's library.
        module: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The key-encryption key is not in a file, so it is not made here.
    #[error("the key-encryption key is not in a file: {0}, which wraps the keyring anew")]
    RotatedElsewhere(&'static str),
    /// The active key of `kek` is not among its keys.
    #[error("kek does not hold the key that it calls active; restore it from its backup")]
    NoActiveKek,
    /// Others than the owner may read or change a file.
    #[error(
        "{0} is open to others than its owner; make sure that nobody else has read it, then `chmod 600` it"
    )]
    Exposed(PathBuf),
    /// A key in the keyring does not open.
    #[error("{path} does not open under its key-encryption key; restore both from one backup")]
    Unwrap {
        /// The keyring.
        path: PathBuf,
    },
    /// What is to be created is no origin or no signing key.
    #[error("keys need an origin of 1 to 255 bytes and at least one signing key, a private note a line")]
    Invalid,
    /// More record keys than one reservation gives.
    #[error("{0} records are more than {RESERVATION_RECORDS_MAX} in one reservation; reserve in parts")]
    TooMany(u32),
    /// The keyring is full.
    #[error("the keyring is full; start a new log")]
    Exhausted,
    /// The system has no randomness.
    #[error("the system gives no randomness: {0}")]
    Random(#[from] getrandom::Error),
    /// The file system refused.
    #[error("{path}: {source}; check that the directory is writable and the disk not full")]
    Io {
        /// What was touched.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
