//! AES-256-GCM-SIV (RFC 8452) as rows use it, and what every row is bound to.

use aes_gcm_siv::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm_siv::{Aes256GcmSiv, Nonce, Tag};
use cairnlog_verify::Hash;

pub(crate) const TAG_BYTES: usize = 16;

/// A key that is ready for use. AES schedules are wiped when dropped.
pub(crate) struct Cipher(Aes256GcmSiv);

/// What a row is bound to: `domain || u8(len(origin)) || origin || leaf hash`. The domain ends with a zero byte.
///
/// An origin has at most 255 bytes; a longer one, which no log has, would not come with its own length.
pub(crate) fn bound_to(domain: &[u8], origin: &str, leaf: &Hash) -> Vec<u8> {
    let mut out = Vec::with_capacity(domain.len() + 1 + origin.len() + 32);
    out.extend_from_slice(domain);
    out.push(u8::try_from(origin.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(origin.as_bytes());
    out.extend_from_slice(&leaf.0);
    out
}

impl Cipher {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Aes256GcmSiv::new(key.into()))
    }

    /// Encrypts `row` from its byte `from` on and appends the tag.
    pub(crate) fn seal(&self, nonce: [u8; 12], associated: &[u8], row: &mut Vec<u8>, from: usize) {
        let tag = self
            .0
            .encrypt_inout_detached(&Nonce::from(nonce), associated, (&mut row[from..]).into())
            .expect("a row is shorter than the 64 GiB that AES-GCM-SIV takes");
        row.extend_from_slice(&tag);
    }

    /// Decrypts a ciphertext with its tag; `None` if it, the nonce or what it is bound to is not what was sealed.
    pub(crate) fn open(&self, nonce: [u8; 12], associated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (ciphertext, tag) = sealed.split_last_chunk::<TAG_BYTES>()?;
        let mut plain = ciphertext.to_vec();
        self.0
            .decrypt_inout_detached(
                &Nonce::from(nonce),
                associated,
                plain.as_mut_slice().into(),
                &Tag::from(*tag),
            )
            .ok()?;
        Some(plain)
    }
}
