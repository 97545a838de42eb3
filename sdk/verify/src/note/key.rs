//! The public keys of notes, their kinds and text form.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ed25519_dalek::{PUBLIC_KEY_LENGTH, Signature};
use ml_dsa::MlDsa44;
use sha2::{Digest as _, Sha256};

use super::NoteSignature;
use super::message::{self, Subtree, TIME_BYTES};
use crate::limits::ORIGIN_BYTES_MAX;
use crate::{Hash, b64};

/// A key that can't be read or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text has not the parts of a key.
    #[error("key is not `name+id+base64`")]
    Shape,
    /// The name is empty or has a space, a `+` or a control character.
    #[error("key name is empty or has a space, a `+` or a control character")]
    Name,
    /// The name of an ML-DSA-44 key, whose length its signatures store in 8 bits, is too long.
    #[error("name of an ML-DSA-44 key is longer than {ORIGIN_BYTES_MAX} bytes")]
    LongName,
    /// The key is not strict base64.
    #[error("key is {0}")]
    Base64(#[from] b64::Error),
    /// The key has a type that is not spoken here.
    #[error("key type is not supported here")]
    Type,
    /// The key has the wrong length for its type, or is no point that can verify anything.
    #[error("key is not a valid Ed25519 or ML-DSA-44 key")]
    Key,
    /// The id is not that of the name and the key, or not 8 lower-case hexadecimal digits.
    #[error("key id does not belong to the key and its name")]
    Id,
}

/// What a key signs and how; the discriminants are C2SP's signature types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum KeyKind {
    /// Ed25519 over the note's text.
    Ed25519 = 0x01,
    /// Ed25519 over a time and the note's text (c2sp.org/tlog-cosignature).
    Cosignature = 0x04,
    /// ML-DSA-44 over a time and the origin, size and root of the checkpoint in the note, or over a subtree
    /// (c2sp.org/tlog-cosignature). Extension lines of the checkpoint are **not** signed.
    MlDsa44 = 0x06,
}

impl KeyKind {
    pub(super) fn of(byte: u8) -> Option<Self> {
        [Self::Ed25519, Self::Cosignature, Self::MlDsa44].into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// The public key of a signer of notes: a log or a witness.
///
/// Its text, in `FromStr` and `Display`, is the vkey `<name>+<id>+<base64 of type and key>`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    kind: KeyKind,
    key: Public,
}

#[derive(Clone)]
pub(super) enum Public {
    Ed25519(ed25519_dalek::VerifyingKey),
    MlDsa44(Arc<ml_dsa::VerifyingKey<MlDsa44>>),
}

impl Public {
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => key.as_bytes().to_vec(),
            Self::MlDsa44(key) => key.encode().to_vec(),
        }
    }
}

impl PartialEq for Public {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ed25519(one), Self::Ed25519(other)) => one == other,
            (Self::MlDsa44(one), Self::MlDsa44(other)) => one.encode() == other.encode(),
            _ => false,
        }
    }
}

impl Eq for Public {}

impl VerifierKey {
    /// The key's name; a log's is its origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id that tells keys of one name apart: the first four bytes, big-endian, of `SHA-256(name || 0x0A || type ||
    /// key)`.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// What the key signs and how.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The public key itself: 32 bytes of Ed25519, or 1,312 of ML-DSA-44.
    #[must_use]
    pub fn public_key(&self) -> Vec<u8> {
        self.key.to_bytes()
    }

    /// Whether `signature` names this key and is this key's over a note's `text`.
    #[must_use]
    pub fn accepts(&self, text: &str, signature: &NoteSignature) -> bool {
        self.is_named_by(signature) && self.accepts_bytes(text, &signature.bytes)
    }

    /// Whether `signature` names this key and is this key's, without a time, over the hash of the leaves `[start, end)`
    /// of the log with this origin. Only ML-DSA-44 keys sign subtrees.
    #[must_use]
    pub fn accepts_subtree(
        &self,
        origin: &str,
        start: u64,
        end: u64,
        hash: &Hash,
        signature: &NoteSignature,
    ) -> bool {
        let Some((time, raw)) = split_time(&signature.bytes) else { return false };
        let subtree = Subtree { origin, start, end, hash };
        self.is_named_by(signature)
            && self.kind == KeyKind::MlDsa44
            && time == 0
            && message::subtree(&self.name, 0, subtree).is_some_and(|message| self.holds(&message, raw))
    }

    pub(super) fn new(name: &str, kind: KeyKind, key: Public) -> Result<Self, KeyError> {
        if !is_name(name) {
            return Err(KeyError::Name);
        }
        if kind == KeyKind::MlDsa44 && name.len() > ORIGIN_BYTES_MAX {
            return Err(KeyError::LongName);
        }
        let digest = Sha256::new()
            .chain_update(name)
            .chain_update([b'\n', kind as u8])
            .chain_update(key.to_bytes())
            .finalize();
        let id = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
        Ok(Self { name: name.to_owned(), id, kind, key })
    }

    pub(super) fn is_named_by(&self, signature: &NoteSignature) -> bool {
        self.id == signature.id && self.name == signature.name
    }

    /// Whether `signature`, without the key id, is this key's over `text`.
    pub(super) fn accepts_bytes(&self, text: &str, signature: &[u8]) -> bool {
        let with_time = |message: fn(&str, &str, u64) -> Option<Vec<u8>>| {
            let Some((time, raw)) = split_time(signature) else { return false };
            message(&self.name, text, time).is_some_and(|message| self.holds(&message, raw))
        };
        match self.kind {
            KeyKind::Ed25519 => self.holds(text.as_bytes(), signature),
            KeyKind::Cosignature => with_time(|_, text, time| message::cosigned(text, time)),
            KeyKind::MlDsa44 => with_time(message::checkpoint),
        }
    }

    /// Whether the bare signature is this key's over a message.
    pub(crate) fn holds(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            Public::Ed25519(key) => Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            Public::MlDsa44(key) => ml_dsa::Signature::try_from(signature)
                .is_ok_and(|signature| key.verify_with_context(message, &[], &signature)),
        }
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        // The base64 may hold further `+`.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Shape);
        };
        let bytes = b64::decode(key)?;
        let (kind, key) = bytes.split_first().ok_or(KeyError::Type)?;
        let kind = KeyKind::of(*kind).ok_or(KeyError::Type)?;
        let key = match kind {
            KeyKind::Ed25519 | KeyKind::Cosignature => Public::Ed25519(ed25519(key)?),
            KeyKind::MlDsa44 => {
                let key = key.try_into().map_err(|_| KeyError::Key)?;
                Public::MlDsa44(Arc::new(ml_dsa::VerifyingKey::decode(&key)))
            }
        };
        let key = Self::new(name, kind, key)?;
        if format!("{:08x}", key.id) == id { Ok(key) } else { Err(KeyError::Id) }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&[self.kind as u8], self.key.to_bytes().as_slice()].concat();
        write!(f, "{}+{:08x}+{}", self.name, self.id, b64::encode(&bytes))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether a key may have this name. Control characters can't stand in a note, so a key named with one couldn't sign.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+' || c < ' ')
}

/// The time in front of a signature, and the rest.
pub(super) fn split_time(signature: &[u8]) -> Option<(u64, &[u8])> {
    let (time, raw) = signature.split_first_chunk::<TIME_BYTES>()?;
    Some((u64::from_be_bytes(*time), raw))
}

fn ed25519(key: &[u8]) -> Result<ed25519_dalek::VerifyingKey, KeyError> {
    let key: &[u8; PUBLIC_KEY_LENGTH] = key.try_into().map_err(|_| KeyError::Key)?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(key).map_err(|_| KeyError::Key)?;
    if key.is_weak() { Err(KeyError::Key) } else { Ok(key) }
}
