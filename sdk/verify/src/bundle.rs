//! Entry bundles (c2sp.org/tlog-tiles): up to 256 entries, each behind its length in two big-endian bytes.

pub use crate::limits::ENTRY_BYTES_MAX;
use crate::limits::TILE_WIDTH;

/// Entries that no bundle can hold, or bytes that are no bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// A bundle has at least one entry: empty ones are never served.
    #[error("bundle has no entry")]
    Empty,
    /// A bundle has at most 256 entries.
    #[error("bundle has more than {TILE_WIDTH} entries")]
    TooMany,
    /// The entry at this position is longer than [`ENTRY_BYTES_MAX`].
    #[error("entry {0} of the bundle is longer than {ENTRY_BYTES_MAX} bytes")]
    EntryTooLong(usize),
    /// The bytes end inside the entry at this position.
    #[error("bundle ends inside its entry {0}")]
    Truncated(usize),
}

/// The bundle of `entries`, in their order.
///
/// # Errors
/// [`BundleError::Empty`], [`BundleError::TooMany`] and [`BundleError::EntryTooLong`].
pub fn encode<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, BundleError> {
    let mut bundle = Vec::new();
    for (position, entry) in entries.into_iter().enumerate() {
        if position >= usize::from(TILE_WIDTH) {
            return Err(BundleError::TooMany);
        }
        let length = u16::try_from(entry.len()).map_err(|_| BundleError::EntryTooLong(position))?;
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(entry);
    }
    if bundle.is_empty() { Err(BundleError::Empty) } else { Ok(bundle) }
}

/// The entries of a bundle, in their order, 1 to 256 of them; `encode` gives the same bytes back.
///
/// # Errors
/// [`BundleError::Empty`], [`BundleError::TooMany`] and [`BundleError::Truncated`].
pub fn decode(mut bundle: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::new();
    while !bundle.is_empty() {
        if entries.len() >= usize::from(TILE_WIDTH) {
            return Err(BundleError::TooMany);
        }
        let truncated = BundleError::Truncated(entries.len());
        let (length, rest) = bundle.split_first_chunk().ok_or(truncated)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, rest) = rest.split_at_checked(length).ok_or(truncated)?;
        entries.push(entry);
        bundle = rest;
    }
    if entries.is_empty() { Err(BundleError::Empty) } else { Ok(entries) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_shapes_of_a_bundle() {
        assert_eq!(encode([b"one".as_slice(), b"two", b"three"]).unwrap(), b"\0\x03one\0\x03two\0\x05three");
        assert_eq!(decode(&[0, 0]).unwrap(), [b""]);
        let full = encode(vec![vec![0xff; ENTRY_BYTES_MAX].as_slice(); 256]).unwrap();
        assert_eq!(full.len(), 256 * (2 + ENTRY_BYTES_MAX));
        assert_eq!(decode(&full).unwrap().len(), 256);
    }

    #[test]
    fn what_is_no_bundle_is_refused() {
        assert_eq!(encode([]), Err(BundleError::Empty));
        assert_eq!(encode(vec![b"".as_slice(); 257]), Err(BundleError::TooMany));
        assert_eq!(
            encode([b"".as_slice(), &vec![0; ENTRY_BYTES_MAX + 1]]),
            Err(BundleError::EntryTooLong(1))
        );
        assert_eq!(decode(&[]), Err(BundleError::Empty));
        assert_eq!(decode(&[0; 514]), Err(BundleError::TooMany));
        assert_eq!(decode(&[0]), Err(BundleError::Truncated(0)));
        assert_eq!(decode(&[0, 0, 0, 2, 7]), Err(BundleError::Truncated(1)));
    }

    proptest! {
        #[test]
        fn entries_round_trip(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..=256)) {
            let bundle = encode(entries.iter().map(Vec::as_slice)).unwrap();
            prop_assert_eq!(decode(&bundle).unwrap(), entries);
        }

        #[test]
        fn whatever_decodes_encodes_to_the_same_bytes(bytes in prop::collection::vec(0u8..4, 0..600)) {
            if let Ok(entries) = decode(&bytes) {
                prop_assert_eq!(encode(entries).unwrap(), bytes);
            }
        }
    }
}
