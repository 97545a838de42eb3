//! The file `kek`: the log's key-encryption keys, in the clear. Whoever has it and the keyring opens every record.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use aes_gcm_siv::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, Visitor};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::SecretsError;
use super::key::SecretKey;
use crate::limits::SMALL_FILE_BYTES_MAX;

/// Bytes of a random nonce.
const NONCE_BYTES: usize = 12;
/// Bytes of a wrapped key: nonce, 32 bytes of ciphertext, tag of 16.
const WRAPPED_BYTES: usize = NONCE_BYTES + 32 + 16;

/// The key-encryption keys by id; the active one wraps whatever the keyring holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kek {
    v: u8,
    active: String,
    keys: BTreeMap<String, SecretKey>,
}

/// A key wrapped by a key-encryption key.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(super) struct Wrapped([u8; WRAPPED_BYTES]);

impl Kek {
    /// One fresh key. Its id is random too, so that no two keys are ever called the same.
    pub(super) fn generate() -> Result<Self, SecretsError> {
        let id = format!("{:08x}", getrandom::u32()?);
        Ok(Self { v: 1, active: id.clone(), keys: BTreeMap::from([(id, SecretKey::random()?)]) })
    }

    pub(super) fn read(path: &Path) -> Result<Self, SecretsError> {
        let text = super::read(path, SMALL_FILE_BYTES_MAX)?;
        let malformed = |what: String| SecretsError::Malformed { path: path.to_path_buf(), what };
        // A parser's message may quote what it read, which is a key.
        let kek: Self = serde_json::from_str(&text).map_err(|_| malformed("it is no list of keys".into()))?;
        if kek.v != 1 {
            return Err(malformed(format!("version {} is unknown", kek.v)));
        }
        if *kek.render() != *text {
            return Err(malformed("it was edited; only the exact form that was written is read".into()));
        }
        Ok(kek)
    }

    /// The file's text, in its one spelling.
    pub(super) fn render(&self) -> Zeroizing<String> {
        // Reserved at once, so that no copy of a key is left behind by growing.
        let mut text = Zeroizing::new(String::with_capacity(128 + self.keys.len() * 128));
        text.push_str("{\"v\":1,\"active\":");
        push_json(&mut text, &self.active);
        text.push_str(",\"keys\":{");
        for (place, (id, key)) in self.keys.iter().enumerate() {
            text.push_str(if place == 0 { "" } else { "," });
            push_json(&mut text, id);
            text.push_str(":\"");
            text.push_str(&key.to_base64());
            text.push('"');
        }
        text.push_str("}}\n");
        text
    }

    /// The id of the key that wraps.
    pub(super) fn active(&self) -> &str {
        &self.active
    }

    /// Wraps `key` under the active key; `context` names log and purpose, so that it opens nowhere else. `None` if the
    /// active key is not there.
    pub(super) fn wrap(&self, context: &[u8], key: &SecretKey) -> Result<Option<Wrapped>, SecretsError> {
        let Some(cipher) = self.cipher(&self.active) else { return Ok(None) };
        let mut wrapped = [0; WRAPPED_BYTES];
        let (nonce, sealed) = wrapped.split_at_mut(NONCE_BYTES);
        getrandom::fill(nonce)?;
        let nonce = Nonce::try_from(&*nonce).expect("a nonce has 12 bytes");
        let ciphertext = cipher
            .encrypt(&nonce, Payload { msg: key.as_bytes(), aad: context })
            .expect("32 bytes are below the cipher's bound");
        sealed.copy_from_slice(&ciphertext);
        Ok(Some(Wrapped(wrapped)))
    }

    /// Opens what was wrapped under the key `id` in this context; `None` if it was not.
    pub(super) fn unwrap(&self, id: &str, context: &[u8], wrapped: &Wrapped) -> Option<SecretKey> {
        let (nonce, sealed) = wrapped.0.split_at(NONCE_BYTES);
        let opened = self
            .cipher(id)?
            .decrypt(&Nonce::try_from(nonce).ok()?, Payload { msg: sealed, aad: context })
            .map(Zeroizing::new)
            .ok()?;
        SecretKey::from_slice(&opened)
    }

    /// Whether the key `id` is there.
    pub(super) fn has(&self, id: &str) -> bool {
        self.keys.contains_key(id)
    }

    fn cipher(&self, id: &str) -> Option<Aes256GcmSiv> {
        Some(Aes256GcmSiv::new(self.keys.get(id)?.as_bytes().into()))
    }
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

impl<'de> Deserialize<'de> for SecretKey {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Base64;
        impl Visitor<'_> for Base64 {
            type Value = SecretKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("32 bytes in base64")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretKey, E> {
                let bytes = STANDARD.decode(text).map(Zeroizing::new);
                bytes.ok().and_then(|bytes| SecretKey::from_slice(&bytes)).ok_or_else(|| E::custom("no key"))
            }
        }
        deserializer.deserialize_str(Base64)
    }
}

fn push_json(text: &mut String, value: &str) {
    text.push_str(&serde_json::Value::from(value).to_string());
}
