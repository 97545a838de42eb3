//! Receipts (c2sp.org/tlog-proof): what the holder of an entry keeps to prove, offline and for good, that it is in the log.

use std::fmt;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::limits::{ENTRY_BYTES_MAX, PROOF_HASHES_MAX, RECEIPT_BYTES_MAX};
use crate::note::{Note, NoteError, VerifierKey};
use crate::proof::{self, LinesError, ProofError};
use crate::{Hash, b64, decimal, tree};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// An inclusion proof together with the checkpoint it leads to.
///
/// `Display` writes it out; for a parsed receipt that is the text it was parsed from, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The entry's bytes, if the receipt carries them; it then verifies alone.
    pub extra: Option<Vec<u8>>,
    /// The entry's position in the log.
    pub index: u64,
    /// The inclusion proof (RFC 9162 §2.1.3), the leaf's sibling first.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint, a note, verbatim with all its cosignatures.
    pub checkpoint: String,
}

/// What a verified receipt proves: that the log with this checkpoint has this entry at this index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The checkpoint, signed by the log.
    pub checkpoint: Checkpoint,
    /// The entry's position in the log.
    pub index: u64,
    /// Its leaf hash.
    pub leaf_hash: Hash,
    /// Its bytes.
    pub entry: Vec<u8>,
}

/// A receipt that is malformed or does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The receipt is longer than [`RECEIPT_BYTES_MAX`].
    #[error("receipt is longer than {RECEIPT_BYTES_MAX} bytes")]
    TooLong,
    /// The first line is another one.
    #[error("receipt does not start with the line `{HEADER}`")]
    Header,
    /// The extra line is not base64, or of more bytes than an entry has.
    #[error("extra line of the receipt is not the base64 of at most {ENTRY_BYTES_MAX} bytes")]
    Extra,
    /// The index line is missing or not plain decimal.
    #[error("receipt has no line `index` with a decimal without leading zeros")]
    Index,
    /// A line of the proof is not 32 bytes in base64, or no empty line ends the proof.
    #[error("proof of the receipt is not lines of base64 of 32 bytes up to an empty line")]
    Hashes,
    /// The proof has more than [`PROOF_HASHES_MAX`] hashes.
    #[error("proof of the receipt has more than {PROOF_HASHES_MAX} hashes")]
    TooManyHashes,
    /// The checkpoint is no note.
    #[error("checkpoint of the receipt: {0}")]
    Note(#[from] NoteError),
    /// The checkpoint is malformed or not to be trusted.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The receipt carries no entry, and none was given.
    #[error("receipt carries no entry; give the entry's bytes to check it against")]
    NoEntry,
    /// The entry given is not the one that the receipt carries.
    #[error("entry is not the one that the receipt carries")]
    OtherEntry,
    /// The entry is not where the receipt says.
    #[error("receipt does not prove the entry: {0}")]
    Proof(#[from] ProofError),
}

impl Receipt {
    /// Reads a receipt. Nothing in it is trusted before [`Receipt::verify`].
    ///
    /// # Errors
    /// [`ReceiptError::TooLong`], and one variant for each malformed part.
    pub fn parse(receipt: &str) -> Result<Self, ReceiptError> {
        if receipt.len() > RECEIPT_BYTES_MAX {
            return Err(ReceiptError::TooLong);
        }
        let (header, mut rest) = next_line(receipt).ok_or(ReceiptError::Header)?;
        if header != HEADER {
            return Err(ReceiptError::Header);
        }
        let (mut line, after) = next_line(rest).ok_or(ReceiptError::Index)?;
        rest = after;
        let mut extra = None;
        if let Some(text) = line.strip_prefix("extra ") {
            let bytes = b64::decode(text).map_err(|_| ReceiptError::Extra)?;
            extra = Some(bytes).filter(|bytes| bytes.len() <= ENTRY_BYTES_MAX);
            if extra.is_none() {
                return Err(ReceiptError::Extra);
            }
            (line, rest) = next_line(rest).ok_or(ReceiptError::Index)?;
        }
        let index = line.strip_prefix("index ").and_then(decimal::parse).ok_or(ReceiptError::Index)?;
        let (hashes, checkpoint) = proof::parse_lines(rest).map_err(|error| match error {
            LinesError::Malformed => ReceiptError::Hashes,
            LinesError::TooMany => ReceiptError::TooManyHashes,
        })?;
        Note::parse(checkpoint)?;
        Ok(Self { extra, index, hashes, checkpoint: checkpoint.to_owned() })
    }

    /// Checks that the checkpoint is signed by a key of `keys` that has its origin's name, and that the entry stands at the
    /// receipt's index in its tree. The entry is `entry`, or the one that the receipt carries; if there are both they must
    /// be equal.
    ///
    /// # Errors
    /// [`ReceiptError::Checkpoint`], [`ReceiptError::NoEntry`], [`ReceiptError::OtherEntry`], [`ReceiptError::Proof`].
    pub fn verify(&self, entry: Option<&[u8]>, keys: &[VerifierKey]) -> Result<Verified, ReceiptError> {
        let entry = match (entry, self.extra.as_deref()) {
            (Some(given), Some(carried)) if given != carried => return Err(ReceiptError::OtherEntry),
            (given, carried) => given.or(carried).ok_or(ReceiptError::NoEntry)?,
        };
        let checkpoint = Checkpoint::open(&self.checkpoint, keys)?;
        let leaf_hash = tree::leaf_hash(entry);
        proof::verify_inclusion(self.index, checkpoint.size, &leaf_hash, &self.hashes, &checkpoint.root)?;
        Ok(Verified { checkpoint, index: self.index, leaf_hash, entry: entry.to_vec() })
    }
}

fn next_line(text: &str) -> Option<(&str, &str)> {
    text.split_once('\n')
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", b64::encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}
