//! Keys wrapped by a key-encryption key, in the form in which they stand in a keyring.

use aes_gcm_siv::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::key::SecretKey;

/// Bytes of a random nonce.
pub(super) const NONCE_BYTES: usize = 12;
/// Bytes of a wrapped key: nonce, 32 bytes of ciphertext, tag of 16.
const WRAPPED_BYTES: usize = NONCE_BYTES + 32 + 16;

/// A key wrapped by a key-encryption key: `nonce[12] || ciphertext[48]`.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(super) struct Wrapped([u8; WRAPPED_BYTES]);

impl Wrapped {
    /// Wraps `key` by `kek` with AES-256-GCM-SIV; `context` names log and purpose, so that it opens nowhere else.
    pub(super) fn by(kek: &SecretKey, context: &[u8], key: &SecretKey) -> Result<Self, getrandom::Error> {
        let nonce = Self::nonce()?;
        let sealed = cipher(kek)
            .encrypt(&Nonce::from(nonce), Payload { msg: key.as_bytes(), aad: context })
            .expect("32 bytes are below the cipher's bound");
        Ok(Self::from_parts(nonce, &sealed).expect("the cipher adds a tag of 16 bytes"))
    }

    /// Opens what [`Wrapped::by`] wrapped by `kek` in this context; `None` if it was not.
    pub(super) fn open(&self, kek: &SecretKey, context: &[u8]) -> Option<SecretKey> {
        let (nonce, sealed) = self.parts();
        let payload = Payload { msg: sealed, aad: context };
        let opened = cipher(kek).decrypt(&Nonce::from(*nonce), payload).map(Zeroizing::new).ok()?;
        SecretKey::from_slice(&opened)
    }

    /// A fresh random nonce.
    pub(super) fn nonce() -> Result<[u8; NONCE_BYTES], getrandom::Error> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce)?;
        Ok(nonce)
    }

    /// What a cipher made of a key; `None` if it has another length.
    pub(super) fn from_parts(nonce: [u8; NONCE_BYTES], sealed: &[u8]) -> Option<Self> {
        [nonce.as_slice(), sealed].concat().try_into().ok().map(Self)
    }

    /// Nonce and ciphertext.
    pub(super) fn parts(&self) -> (&[u8; NONCE_BYTES], &[u8]) {
        self.0.split_first_chunk().expect("it is longer than a nonce")
    }
}

fn cipher(kek: &SecretKey) -> Aes256GcmSiv {
    Aes256GcmSiv::new(kek.as_bytes().into())
}

impl From<Wrapped> for String {
    fn from(wrapped: Wrapped) -> Self {
        STANDARD.encode(wrapped.0)
    }
}

impl TryFrom<String> for Wrapped {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = STANDARD.decode(text).map_err(|_| "a wrapped key is no base64")?;
        Ok(Self(bytes.try_into().map_err(|_| "a wrapped key has not 60 bytes")?))
    }
}
