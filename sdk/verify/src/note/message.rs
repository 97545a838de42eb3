//! The bytes that each kind of key signs (c2sp.org/signed-note, c2sp.org/tlog-cosignature).

use crate::Hash;
use crate::checkpoint::Checkpoint;
use crate::limits::ORIGIN_BYTES_MAX;

/// Bytes of the time in front of a signature that has one.
pub(super) const TIME_BYTES: usize = 8;

/// The last time that may be signed: C2SP's times fit into 63 bits.
pub(super) const TIME_MAX: u64 = i64::MAX.unsigned_abs();

const SUBTREE_LABEL: &[u8; 12] = b"subtree/v1\n\0";

/// A subtree as an ML-DSA-44 key signs it; a checkpoint is the one from 0 to the tree's size.
#[derive(Clone, Copy)]
pub(super) struct Subtree<'a> {
    pub(super) origin: &'a str,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) hash: &'a Hash,
}

/// What an Ed25519 cosignature signs: the time, and the whole text.
pub(super) fn cosigned(text: &str, time: u64) -> Option<Vec<u8>> {
    (time <= TIME_MAX).then(|| format!("cosignature/v1\ntime {time}\n{text}").into_bytes())
}

/// What an ML-DSA-44 key called `name` signs of the checkpoint in `text`: origin, size and root, no extension lines.
pub(super) fn checkpoint(name: &str, text: &str, time: u64) -> Option<Vec<u8>> {
    let Checkpoint { origin, size, root, .. } = Checkpoint::parse_text(text).ok()?;
    subtree(name, time, Subtree { origin: &origin, start: 0, end: size, hash: &root })
}

/// What an ML-DSA-44 key called `name` signs of a subtree. `None` where a name or the origin is empty or too long, the
/// range is no subtree of any tree, or a time is given for one that does not begin at 0.
pub(super) fn subtree(name: &str, time: u64, subtree: Subtree<'_>) -> Option<Vec<u8>> {
    let Subtree { origin, start, end, hash } = subtree;
    if time > TIME_MAX || (start != 0 && time != 0) || !crate::proof::is_subtree(start, end) {
        return None;
    }
    let mut message = Vec::with_capacity(2 * ORIGIN_BYTES_MAX + 78);
    message.extend_from_slice(SUBTREE_LABEL);
    put_short(name, &mut message)?;
    message.extend_from_slice(&time.to_be_bytes());
    put_short(origin, &mut message)?;
    message.extend_from_slice(&start.to_be_bytes());
    message.extend_from_slice(&end.to_be_bytes());
    message.extend_from_slice(&hash.0);
    Some(message)
}

fn put_short(text: &str, message: &mut Vec<u8>) -> Option<()> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length > 0)?;
    message.push(length);
    message.extend_from_slice(text.as_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use sha2::{Digest as _, Sha256};

    /// Of the vectors in docs/formats.md.
    #[test]
    fn the_message_of_the_cosignature_vectors() {
        let text = "log.example/tiles\n70000\nGkzfy2Y3SgwNy+9JrL1JdtE+6GT7PLJB/JQ8rQTwL34=\n";
        let message = checkpoint("witness.example/w1", text, 1_700_000_000).unwrap();
        assert_eq!(message.len(), 105);
        assert_eq!(
            Hash(Sha256::digest(&message).into()).to_hex(),
            "85c2e9e8e7dc88c5e3ca5bd561582f895aa163b54c993cc9dc435dbe28b41aab"
        );
        let extended = checkpoint("witness.example/w1", &format!("{text}more\n"), 1_700_000_000);
        assert_eq!(extended.unwrap(), message, "extension lines are not signed");
    }

    #[test]
    fn what_must_not_be_signed_has_no_message() {
        let hash = Hash([7; 32]);
        let of = |name: &str, origin: &str, time, start, end| {
            subtree(name, time, Subtree { origin, start, end, hash: &hash }).is_some()
        };
        assert!(of("n", "o", TIME_MAX, 0, 5));
        assert!(of("n", "o", 0, 4, 6));
        assert!(!of("n", "o", TIME_MAX + 1, 0, 5));
        assert!(!of("n", "o", 1, 4, 6), "a time for a subtree that does not begin at 0");
        assert!(!of("n", "o", 0, 1, 3), "not aligned");
        assert!(!of("n", "o", 0, 3, 1), "backwards");
        let long = "x".repeat(256);
        assert!(!of(&long, "o", 0, 0, 5) && !of("n", &long, 0, 0, 5) && !of("n", "", 0, 0, 5));
        assert!(of(&long[1..], &long[1..], 0, 0, 5));
    }
}
