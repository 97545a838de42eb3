//! The private keys of notes, and their text form.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ed25519_dalek::Signer as _;
use ml_dsa::{Keypair as _, MlDsa44};
use zeroize::Zeroizing;

use super::key::{KeyError, KeyKind, Public, VerifierKey};
use super::message::{self, Subtree, TIME_MAX};
use super::{NoteError, NoteSignature, check_text};
use crate::{Hash, b64};

const PRIVATE_PREFIX: &str = "PRIVATE+KEY+";

/// Bytes of a seed: RFC 8032's private key, or FIPS 204's ξ.
const SEED_BYTES: usize = 32;

/// The private key of a log or a witness. Wiped when dropped, absent from `Debug`.
///
/// Its text, in `FromStr` and [`SigningKey::to_private_note`], is `PRIVATE+KEY+<name>+<id>+<base64 of type and seed>`.
/// Signatures are deterministic, those of ML-DSA-44 too (FIPS 204 §3.4): the crate draws no randomness.
#[derive(Clone)]
pub struct SigningKey {
    key: Secret,
    verifier: VerifierKey,
}

#[derive(Clone)]
enum Secret {
    Ed25519(Arc<ed25519_dalek::SigningKey>),
    MlDsa44(Arc<ml_dsa::SigningKey<MlDsa44>>),
}

impl SigningKey {
    /// The Ed25519 key (type 0x01) that the seed (RFC 8032's 32-byte private key) gives, under `name`.
    ///
    /// # Errors
    /// [`KeyError::Name`].
    pub fn ed25519(name: &str, seed: [u8; SEED_BYTES]) -> Result<Self, KeyError> {
        Self::from_seed(name, KeyKind::Ed25519, &Zeroizing::new(seed))
    }

    /// The Ed25519 key for cosignatures with a time (type 0x04) that the seed gives, under `name`.
    ///
    /// # Errors
    /// [`KeyError::Name`].
    pub fn cosignature(name: &str, seed: [u8; SEED_BYTES]) -> Result<Self, KeyError> {
        Self::from_seed(name, KeyKind::Cosignature, &Zeroizing::new(seed))
    }

    /// The ML-DSA-44 key (type 0x06) that the seed (FIPS 204's ξ) gives, under `name`.
    ///
    /// # Errors
    /// [`KeyError::Name`], [`KeyError::LongName`].
    pub fn ml_dsa_44(name: &str, seed: [u8; SEED_BYTES]) -> Result<Self, KeyError> {
        Self::from_seed(name, KeyKind::MlDsa44, &Zeroizing::new(seed))
    }

    fn from_seed(name: &str, kind: KeyKind, seed: &[u8; SEED_BYTES]) -> Result<Self, KeyError> {
        let (key, public) = match kind {
            KeyKind::Ed25519 | KeyKind::Cosignature => {
                let key = ed25519_dalek::SigningKey::from_bytes(seed);
                let public = Public::Ed25519(key.verifying_key());
                (Secret::Ed25519(Arc::new(key)), public)
            }
            KeyKind::MlDsa44 => {
                let seed = Zeroizing::new(ml_dsa::Seed::from(*seed));
                let key = ml_dsa::SigningKey::<MlDsa44>::from_seed(&seed);
                let public = Public::MlDsa44(Arc::new(key.verifying_key()));
                (Secret::MlDsa44(Arc::new(key)), public)
            }
        };
        let verifier = VerifierKey::new(name, kind, public)?;
        Ok(Self { key, verifier })
    }

    /// The key's name; a log's is its origin.
    #[must_use]
    pub fn name(&self) -> &str {
        self.verifier.name()
    }

    /// What the key signs and how.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.verifier.kind()
    }

    /// The public half.
    #[must_use]
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The text to keep the key as. A secret.
    #[must_use]
    pub fn to_private_note(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([self.kind() as u8; SEED_BYTES + 1]);
        match &self.key {
            Secret::Ed25519(key) => bytes[1..].copy_from_slice(key.as_bytes()),
            Secret::MlDsa44(key) => bytes[1..].copy_from_slice(key.as_seed()),
        }
        let secret = Zeroizing::new(b64::encode(bytes.as_slice()));
        let id = format!("{:08x}", self.verifier.id());
        // Joined in one allocation, so that no outgrown copy of the secret stays behind.
        Zeroizing::new([PRIVATE_PREFIX, self.name(), "+", &id, "+", &secret].concat())
    }

    /// The signature over a note's `text`. The time, POSIX seconds, is signed by the kinds that have one and means: at that
    /// time this was the largest tree of the log that the signer had seen; 0 makes no such claim. An
    /// [`KeyKind::Ed25519`] key ignores it.
    ///
    /// # Errors
    /// [`NoteError::Text`] or [`NoteError::ControlCharacter`] if no note can carry the text; [`NoteError::Time`] for a time
    /// of 64 bits; [`NoteError::NotACheckpoint`] if an ML-DSA-44 key is to sign another text.
    pub fn sign(&self, text: &str, time: u64) -> Result<NoteSignature, NoteError> {
        check_text(text)?;
        if self.kind() == KeyKind::Ed25519 {
            return Ok(self.signature(self.sign_bytes(text.as_bytes())));
        }
        if time > TIME_MAX {
            return Err(NoteError::Time);
        }
        let message = match self.kind() {
            KeyKind::MlDsa44 => message::checkpoint(self.name(), text, time),
            _ => message::cosigned(text, time),
        };
        let message = message.ok_or(NoteError::NotACheckpoint)?;
        Ok(self.signature_with_time(time, &message))
    }

    /// The signature, without a time, over the hash of the leaves `[start, end)` of the log with this origin. The caller
    /// has verified that they belong to a tree of that log.
    ///
    /// # Errors
    /// [`NoteError::Subtree`] if the key is not of ML-DSA-44, the origin is not of 1 to 255 bytes, or the range is no
    /// subtree of any tree.
    pub fn sign_subtree(
        &self,
        origin: &str,
        start: u64,
        end: u64,
        hash: &Hash,
    ) -> Result<NoteSignature, NoteError> {
        let message = message::subtree(self.name(), 0, Subtree { origin, start, end, hash });
        let message = message.filter(|_| self.kind() == KeyKind::MlDsa44).ok_or(NoteError::Subtree)?;
        Ok(self.signature_with_time(0, &message))
    }

    fn signature_with_time(&self, time: u64, message: &[u8]) -> NoteSignature {
        let raw = self.sign_bytes(message);
        self.signature([time.to_be_bytes().as_slice(), &raw].concat())
    }

    fn signature(&self, bytes: Vec<u8>) -> NoteSignature {
        NoteSignature { name: self.name().to_owned(), id: self.verifier.id(), bytes }
    }

    /// The bare signature over a message that no note is.
    pub(crate) fn sign_bytes(&self, message: &[u8]) -> Vec<u8> {
        match &self.key {
            Secret::Ed25519(key) => key.sign(message).to_vec(),
            Secret::MlDsa44(key) => {
                let signed = key.expanded_key().sign_deterministic(message, &[]);
                // It fails for contexts of more than 255 bytes, and after thousands of tries of which every fourth succeeds.
                signed.expect("an empty context can be signed").encode().to_vec()
            }
        }
    }
}

impl FromStr for SigningKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut parts = text.strip_prefix(PRIVATE_PREFIX).ok_or(KeyError::Shape)?.splitn(3, '+');
        let (Some(name), Some(id), Some(secret)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Shape);
        };
        let bytes = Zeroizing::new(b64::decode(secret)?);
        let (kind, seed) = bytes.split_first().ok_or(KeyError::Type)?;
        let kind = KeyKind::of(*kind).ok_or(KeyError::Type)?;
        let seed = Zeroizing::new(<[u8; SEED_BYTES]>::try_from(seed).map_err(|_| KeyError::Key)?);
        let key = Self::from_seed(name, kind, &seed)?;
        if format!("{:08x}", key.verifier.id()) == id { Ok(key) } else { Err(KeyError::Id) }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}
