//! What a log asks of a witness (c2sp.org/tlog-witness): bodies of `add-checkpoint` and `sign-subtree`.
//!
//! A witness answers with signature lines, which [`crate::note::parse_signatures`] reads, or, if it has cosigned another
//! size than the request says, with that size ([`parse_size`]).

use std::fmt;

use crate::limits::{PROOF_HASHES_MAX, WITNESS_REQUEST_BYTES_MAX};
use crate::note::{Note, NoteError};
use crate::proof::{self, LinesError};
use crate::{Hash, decimal};

/// Content type of the size that a witness answers with where it last cosigned another one.
pub const SIZE_CONTENT_TYPE: &str = "text/x.tlog.size";

/// The body of `add-checkpoint`: cosign this checkpoint, which is consistent with the last one that you cosigned.
///
/// `Display` writes it out; for a parsed request that is the text it was parsed from, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the witness last cosigned, 0 if none.
    pub old: u64,
    /// The consistency proof from that size (RFC 9162 §2.1.4); none if it is 0 or the checkpoint's.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint, a note, verbatim.
    pub checkpoint: String,
}

/// The body of `sign-subtree`: cosign this part of a tree whose checkpoint you have cosigned.
///
/// `Display` writes it out; for a parsed request that is the text it was parsed from, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignSubtree {
    /// First leaf.
    pub start: u64,
    /// One past the last leaf.
    pub end: u64,
    /// Hash of the subtree.
    pub hash: Hash,
    /// The proof that the subtree belongs to the checkpoint's tree.
    pub hashes: Vec<Hash>,
    /// The checkpoint, a note, verbatim, cosigned by this witness.
    pub checkpoint: String,
}

/// A request that is malformed. Whether its signatures and proof hold is not asked here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The request is longer than [`WITNESS_REQUEST_BYTES_MAX`].
    #[error("request is longer than {WITNESS_REQUEST_BYTES_MAX} bytes")]
    TooLong,
    /// The first line of `add-checkpoint` is another one.
    #[error("request does not start with a line `old` with a decimal without leading zeros")]
    Old,
    /// The first line of `sign-subtree` is another one, or the range is no subtree.
    #[error("request does not start with a line `subtree` with the two decimals of a valid subtree")]
    Subtree,
    /// A hash is not 32 bytes in base64, or no empty line ends the proof.
    #[error("proof of the request is not lines of base64 of 32 bytes up to an empty line")]
    Hashes,
    /// The proof has more than [`PROOF_HASHES_MAX`] hashes.
    #[error("proof of the request has more than {PROOF_HASHES_MAX} hashes")]
    TooManyHashes,
    /// The checkpoint is no note.
    #[error("checkpoint of the request: {0}")]
    Note(#[from] NoteError),
}

impl AddCheckpoint {
    /// Reads a request. Nothing in it is trusted yet.
    ///
    /// # Errors
    /// [`RequestError`], one variant for each malformed part.
    pub fn parse(request: &str) -> Result<Self, RequestError> {
        let (line, rest) = first_line(request)?.ok_or(RequestError::Old)?;
        let old = line.strip_prefix("old ").and_then(decimal::parse).ok_or(RequestError::Old)?;
        let (hashes, checkpoint) = proof_and_checkpoint(rest)?;
        Ok(Self { old, hashes, checkpoint })
    }
}

impl SignSubtree {
    /// Reads a request. Nothing in it is trusted yet.
    ///
    /// # Errors
    /// [`RequestError`], one variant for each malformed part.
    pub fn parse(request: &str) -> Result<Self, RequestError> {
        let (line, rest) = first_line(request)?.ok_or(RequestError::Subtree)?;
        let range = line.strip_prefix("subtree ").and_then(|range| range.split_once(' '));
        let range = range.and_then(|(start, end)| Some((decimal::parse(start)?, decimal::parse(end)?)));
        let (start, end) =
            range.filter(|(start, end)| proof::is_subtree(*start, *end)).ok_or(RequestError::Subtree)?;
        let (hash, rest) = rest.split_once('\n').ok_or(RequestError::Hashes)?;
        let hash = hash.parse().map_err(|_| RequestError::Hashes)?;
        let (hashes, checkpoint) = proof_and_checkpoint(rest)?;
        Ok(Self { start, end, hash, hashes, checkpoint })
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        write_rest(&self.hashes, &self.checkpoint, f)
    }
}

impl fmt::Display for SignSubtree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "subtree {} {}\n{}", self.start, self.end, self.hash)?;
        write_rest(&self.hashes, &self.checkpoint, f)
    }
}

/// The size in the body of a 409 with the type [`SIZE_CONTENT_TYPE`]: a decimal in one line. `None` for anything else.
#[must_use]
pub fn parse_size(body: &str) -> Option<u64> {
    decimal::parse(body.strip_suffix('\n')?)
}

fn first_line(request: &str) -> Result<Option<(&str, &str)>, RequestError> {
    if request.len() > WITNESS_REQUEST_BYTES_MAX {
        return Err(RequestError::TooLong);
    }
    Ok(request.split_once('\n'))
}

fn proof_and_checkpoint(rest: &str) -> Result<(Vec<Hash>, String), RequestError> {
    let (hashes, checkpoint) = proof::parse_lines(rest).map_err(|error| match error {
        LinesError::Malformed => RequestError::Hashes,
        LinesError::TooMany => RequestError::TooManyHashes,
    })?;
    Note::parse(checkpoint)?;
    Ok((hashes, checkpoint.to_owned()))
}

fn write_rest(hashes: &[Hash], checkpoint: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    hashes.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
    write!(f, "\n{checkpoint}")
}
