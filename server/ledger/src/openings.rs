//! What is handed back once to a writer who asks, and kept nowhere: the salts of commitments to what the log throws away.

use zeroize::Zeroizing;

use crate::redact::Opening;

/// What opens the commitments that the entries of one raw record make to what was sent.
///
/// Salts are wiped when dropped; `Debug` shows nothing of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Openings {
    /// The salt of the raw commitment.
    pub raw_salt: Zeroizing<[u8; 32]>,
    /// The time of receipt in it, in milliseconds since the Unix epoch.
    pub received_ms: u64,
    /// The content type in it.
    pub content_type: String,
    /// For each entry, in their order, the salts of what was dropped from it; none of a quarantined raw record.
    pub events: Vec<Vec<Opening>>,
}

impl std::fmt::Debug for Openings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Openings(…)")
    }
}

/// Roughly the bytes that one opening takes in an answer: its path and a salt in base64.
pub(crate) fn bytes_of(opening: &Opening) -> usize {
    opening.path.len() + 64
}
