//! Proofs as lines of base64, as C2SP's formats write them.

use crate::Hash;
use crate::limits::PROOF_HASHES_MAX;

/// Lines that are no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinesError {
    /// A line is not 32 bytes in base64, or no empty line ends the proof.
    Malformed,
    /// The proof has more than [`PROOF_HASHES_MAX`] hashes.
    TooMany,
}

/// The hashes up to the empty line, and what follows it.
pub(crate) fn parse_lines(mut rest: &str) -> Result<(Vec<Hash>, &str), LinesError> {
    let mut hashes = Vec::new();
    loop {
        let (line, after) = rest.split_once('\n').ok_or(LinesError::Malformed)?;
        rest = after;
        if line.is_empty() {
            return Ok((hashes, rest));
        }
        if hashes.len() >= PROOF_HASHES_MAX {
            return Err(LinesError::TooMany);
        }
        hashes.push(line.parse().map_err(|_| LinesError::Malformed)?);
    }
}
