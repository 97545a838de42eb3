//! Wrapping: the record key sealed under a page key, and the raw record of a quarantine entry.
//!
//! A row of `keys` is `u32be(page) || ciphertext || tag`, 52 bytes. A page key serves many records, so the nonce is the
//! beginning of the leaf hash; GCM-SIV would survive a repetition, and the whole leaf hash is bound to anyway.

use cairnlog_verify::Hash;
use cairnlog_verify::field::RecordKey;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

use crate::aead::{Cipher, bound_to};
use crate::frame::{self, FrameError};
use crate::limits::QUARANTINED_BYTES_MAX;

const WRAP_DOMAIN: &[u8] = b"cairnlog/wrap/v1\0";
const QUARANTINE_INFO: &[u8] = b"cairnlog v1 quarantine";
const QUARANTINE: frame::Kind =
    frame::Kind { domain: b"cairnlog/quarantine/v1\0", bytes_max: QUARANTINED_BYTES_MAX };

/// Bytes of a row of `keys`.
pub const KEY_ROW_BYTES: usize = 4 + 48;

/// A page key that is ready for use, and its number.
pub struct Page {
    id: u32,
    cipher: Cipher,
}

/// A row of `keys` that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WrapError {
    /// Not 52 bytes.
    #[error("wrapped record key has not {KEY_ROW_BYTES} bytes")]
    Length,
    /// It names another page.
    #[error("wrapped record key is of page {found}, not of page {expected}")]
    OtherPage {
        /// The page that was given.
        expected: u32,
        /// The page that the row names.
        found: u32,
    },
    /// Altered, or another record's, or the page key is another.
    #[error("wrapped record key does not open: it was altered, or is not this record's")]
    Refused,
}

/// The raw record of a quarantine entry, and the salt that its commitment was made with.
///
/// It has no `Debug`: a raw record is personal data before any redaction.
#[derive(Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// The salt of the entry's `raw`.
    pub salt: [u8; 32],
    /// The plugin's whole input ([`cairnlog_verify::raw::RawInput::encode`]).
    pub input: Vec<u8>,
}

impl Page {
    /// Takes a page key and its number.
    #[must_use]
    pub fn new(id: u32, key: &[u8; 32]) -> Self {
        Self { id, cipher: Cipher::new(key) }
    }

    /// The row of `keys` for the record with this leaf hash.
    #[must_use]
    pub fn wrap(&self, key: &RecordKey, origin: &str, leaf: &Hash) -> Vec<u8> {
        let mut row = Vec::with_capacity(KEY_ROW_BYTES);
        row.extend_from_slice(&self.id.to_be_bytes());
        row.extend_from_slice(key.as_bytes());
        self.cipher.seal(nonce(leaf), &bound_to(WRAP_DOMAIN, origin, leaf), &mut row, 4);
        row
    }

    /// The record key in a row of `keys`.
    ///
    /// # Errors
    /// [`WrapError`].
    pub fn unwrap(&self, origin: &str, leaf: &Hash, row: &[u8]) -> Result<RecordKey, WrapError> {
        let found = page_of(row)?;
        if found != self.id {
            return Err(WrapError::OtherPage { expected: self.id, found });
        }
        let opened = self.cipher.open(nonce(leaf), &bound_to(WRAP_DOMAIN, origin, leaf), &row[4..]);
        let opened = Zeroizing::new(opened.ok_or(WrapError::Refused)?);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&opened);
        let key = RecordKey::from_bytes(bytes);
        bytes.zeroize();
        Ok(key)
    }
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Page({}, …)", self.id)
    }
}

/// The page that a row of `keys` names.
///
/// # Errors
/// [`WrapError::Length`].
pub fn page_of(row: &[u8]) -> Result<u32, WrapError> {
    let row: &[u8; KEY_ROW_BYTES] = row.try_into().map_err(|_| WrapError::Length)?;
    Ok(u32::from_be_bytes([row[0], row[1], row[2], row[3]]))
}

/// Seals a quarantined raw record; the row of `quarantine`.
///
/// # Errors
/// [`FrameError::TooLarge`] beyond [`QUARANTINED_BYTES_MAX`].
pub fn seal_quarantined(
    key: &RecordKey,
    origin: &str,
    leaf: &Hash,
    raw: &Quarantined,
) -> Result<Vec<u8>, FrameError> {
    let plain = [raw.salt.as_slice(), &raw.input].concat();
    frame::seal(&QUARANTINE, origin, leaf, &quarantine_key(key), &plain)
}

/// Opens the row of `quarantine` of the entry with this leaf hash.
///
/// # Errors
/// [`FrameError`]: it was altered, moved or never written.
pub fn open_quarantined(
    key: &RecordKey,
    origin: &str,
    leaf: &Hash,
    row: &[u8],
) -> Result<Quarantined, FrameError> {
    let plain = frame::open(&QUARANTINE, origin, leaf, &quarantine_key(key), row)?;
    let (salt, input) = plain.split_first_chunk::<32>().ok_or(FrameError::Form)?;
    Ok(Quarantined { salt: *salt, input: input.to_vec() })
}

/// `HKDF-Expand-SHA-256(record key, "cairnlog v1 quarantine")`: a second key, for the payload's seals its row alone.
fn quarantine_key(key: &RecordKey) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::from_prk(key.as_bytes())
        .expect("32 bytes are as many as HKDF-Expand-SHA-256 asks for")
        .expand(QUARANTINE_INFO, out.as_mut_slice())
        .expect("HKDF-Expand-SHA-256 gives up to 8,160 bytes");
    out
}

fn nonce(leaf: &Hash) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce.copy_from_slice(&leaf.0[..12]);
    nonce
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const ORIGIN: &str = "log.example/hr";

    #[test]
    fn record_keys_come_back_and_every_flipped_byte_is_refused() {
        let (page, leaf) = (Page::new(7, &[1; 32]), Hash([2; 32]));
        let row = page.wrap(&RecordKey::from_bytes([3; 32]), ORIGIN, &leaf);
        assert_eq!((row.len(), page_of(&row)), (KEY_ROW_BYTES, Ok(7)));
        assert_eq!(page.unwrap(ORIGIN, &leaf, &row).unwrap().as_bytes(), &[3; 32]);
        for byte in 0..row.len() {
            let mut bad = row.clone();
            bad[byte] ^= 1;
            assert!(page.unwrap(ORIGIN, &leaf, &bad).is_err(), "byte {byte}");
        }
        assert_eq!(page.unwrap(ORIGIN, &leaf, &row[..51]).unwrap_err(), WrapError::Length);
        assert_eq!(page.unwrap(ORIGIN, &Hash([4; 32]), &row).unwrap_err(), WrapError::Refused);
        assert_eq!(page.unwrap("log.example/it", &leaf, &row).unwrap_err(), WrapError::Refused);
        assert_eq!(Page::new(7, &[9; 32]).unwrap(ORIGIN, &leaf, &row).unwrap_err(), WrapError::Refused);
        assert_eq!(
            Page::new(8, &[1; 32]).unwrap(ORIGIN, &leaf, &row).unwrap_err(),
            WrapError::OtherPage { expected: 8, found: 7 }
        );
    }

    #[test]
    fn quarantined_records_come_back_and_their_row_opens_as_nothing_else() {
        let (key, leaf) = (RecordKey::from_bytes([3; 32]), Hash([2; 32]));
        let raw = Quarantined { salt: [5; 32], input: b"not json at all".repeat(20) };
        let row = seal_quarantined(&key, ORIGIN, &leaf, &raw).unwrap();
        assert!(open_quarantined(&key, ORIGIN, &leaf, &row).unwrap() == raw);
        for byte in 0..row.len() {
            let mut bad = row.clone();
            bad[byte] ^= 0x80;
            assert!(open_quarantined(&key, ORIGIN, &leaf, &bad).is_err(), "byte {byte}");
        }
        assert!(crate::payload::Payload::open(&key, ORIGIN, &leaf, &row).is_err());
    }

    #[test]
    fn an_outsized_raw_record_is_refused() {
        let raw = Quarantined { salt: [5; 32], input: vec![0; QUARANTINED_BYTES_MAX - 31] };
        let refused = seal_quarantined(&RecordKey::from_bytes([3; 32]), ORIGIN, &Hash([2; 32]), &raw);
        assert_eq!(refused.unwrap_err(), FrameError::TooLarge { max: QUARANTINED_BYTES_MAX });
    }
}
