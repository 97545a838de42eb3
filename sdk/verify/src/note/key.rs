//! The keys of notes, and their text forms.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{PUBLIC_KEY_LENGTH, SECRET_KEY_LENGTH, Signature, Signer as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::b64;

const PRIVATE_PREFIX: &str = "PRIVATE+KEY+";

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
    /// The key is not strict base64.
    #[error("key is {0}")]
    Base64(#[from] b64::Error),
    /// The key has a type that is not spoken here.
    #[error("key type is not supported here")]
    Type,
    /// The key has the wrong length or is no point that can verify anything.
    #[error("key is not a valid Ed25519 key")]
    Key,
    /// The id is not that of the name and the key, or not 8 lower-case hexadecimal digits.
    #[error("key id does not belong to the key and its name")]
    Id,
}

/// What a verifier key verifies; the discriminants are C2SP's signature types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    /// Ed25519 over the note's text.
    Ed25519 = 0x01,
    /// Ed25519 over a time and the note's text (c2sp.org/tlog-cosignature).
    Cosignature = 0x04,
}

/// The public key of a signer of notes: a log (type 0x01) or a witness (type 0x04).
///
/// Its text, in `FromStr` and `Display`, is the vkey `<name>+<id>+<base64 of type and key>`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    kind: Kind,
    key: ed25519_dalek::VerifyingKey,
}

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

    fn new(name: &str, kind: Kind, key: ed25519_dalek::VerifyingKey) -> Result<Self, KeyError> {
        if !is_name(name) {
            return Err(KeyError::Name);
        }
        let digest = Sha256::new()
            .chain_update(name)
            .chain_update([b'\n', kind as u8])
            .chain_update(key.as_bytes())
            .finalize();
        let id = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
        Ok(Self { name: name.to_owned(), id, kind, key })
    }

    /// Whether `signature`, without the key id, is this key's over `text`.
    pub(super) fn accepts(&self, text: &str, signature: &[u8]) -> bool {
        match self.kind {
            Kind::Ed25519 => self.holds(text.as_bytes(), signature),
            Kind::Cosignature => {
                let Some((time, signature)) = signature.split_first_chunk() else { return false };
                let time = i64::from_be_bytes(*time);
                // The time is at most 2^63 - 1.
                time >= 0 && self.holds(format!("cosignature/v1\ntime {time}\n{text}").as_bytes(), signature)
            }
        }
    }

    fn holds(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
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
        let (kind, key) = match bytes.split_first() {
            Some((0x01, key)) => (Kind::Ed25519, key),
            Some((0x04, key)) => (Kind::Cosignature, key),
            _ => return Err(KeyError::Type),
        };
        let key: &[u8; PUBLIC_KEY_LENGTH] = key.try_into().map_err(|_| KeyError::Key)?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(key).map_err(|_| KeyError::Key)?;
        if key.is_weak() {
            return Err(KeyError::Key);
        }
        let key = Self::new(name, kind, key)?;
        if format!("{:08x}", key.id) == id { Ok(key) } else { Err(KeyError::Id) }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&[self.kind as u8], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{:08x}+{}", self.name, self.id, b64::encode(&bytes))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The private key of a log: Ed25519, type 0x01. Wiped when dropped, absent from `Debug`.
///
/// Its text, in `FromStr` and [`SigningKey::to_private_note`], is `PRIVATE+KEY+<name>+<id>+<base64 of type and seed>`.
#[derive(Clone)]
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
    verifier: VerifierKey,
}

impl SigningKey {
    /// The key that the seed (RFC 8032's 32-byte private key) gives, under `name`.
    ///
    /// # Errors
    /// [`KeyError::Name`].
    pub fn ed25519(name: &str, seed: [u8; SECRET_KEY_LENGTH]) -> Result<Self, KeyError> {
        let seed = Zeroizing::new(seed);
        let key = ed25519_dalek::SigningKey::from_bytes(&seed);
        let verifier = VerifierKey::new(name, Kind::Ed25519, key.verifying_key())?;
        Ok(Self { key, verifier })
    }

    /// The key's name; a log's is its origin.
    #[must_use]
    pub fn name(&self) -> &str {
        self.verifier.name()
    }

    /// The public half.
    #[must_use]
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The text to keep the key as. A secret.
    #[must_use]
    pub fn to_private_note(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([Kind::Ed25519 as u8; SECRET_KEY_LENGTH + 1]);
        bytes[1..].copy_from_slice(self.key.as_bytes());
        let secret = Zeroizing::new(b64::encode(bytes.as_slice()));
        let id = format!("{:08x}", self.verifier.id);
        // Joined in one allocation, so that no outgrown copy of the secret stays behind.
        Zeroizing::new([PRIVATE_PREFIX, self.name(), "+", &id, "+", &secret].concat())
    }

    pub(super) fn sign(&self, text: &str) -> Vec<u8> {
        self.key.sign(text.as_bytes()).to_vec()
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
        let Some((0x01, seed)) = bytes.split_first() else {
            return Err(KeyError::Type);
        };
        let seed = Zeroizing::new(<[u8; SECRET_KEY_LENGTH]>::try_from(seed).map_err(|_| KeyError::Key)?);
        let key = Self::ed25519(name, *seed)?;
        if format!("{:08x}", key.verifier.id) == id { Ok(key) } else { Err(KeyError::Id) }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

/// Whether a key may have this name. Control characters can't stand in a note, so a key named with one couldn't sign.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+' || c < ' ')
}
