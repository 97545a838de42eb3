//! Key-encryption keys of the environment: one text for all logs of a server, the first key of which wraps.
//!
//! The text is `KEY` or `ID:KEY`, several behind commas; a key is the base64 of 32 bytes. A key without an id is called by
//! the first eight digits of `SHA-256("cairnlog/kek-id/v1\0" || key)` in hexadecimal: who knows the id of a random key knows
//! nothing of the key, and another key is not taken for it.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::Source;
use crate::limits::{ENVIRONMENT_KEKS_MAX, KEK_ID_BYTES_MAX};
use crate::secrets::SecretsError;
use crate::secrets::key::SecretKey;
use crate::secrets::wrapped::Wrapped;

/// What the ids of these keys begin with in a keyring.
pub(super) const PREFIX: &str = "env:";

const ID_DOMAIN: &[u8] = b"cairnlog/kek-id/v1\0";

/// The keys with their ids, the one that wraps first.
#[derive(Clone)]
pub struct EnvironmentKeks(Vec<(String, SecretKey)>);

impl EnvironmentKeks {
    /// Reads the text. The caller wipes it.
    ///
    /// # Errors
    /// [`SecretsError::Environment`], which says the place of what is wrong and never quotes it.
    pub fn parse(text: &str) -> Result<Self, SecretsError> {
        let mut keks: Vec<(String, SecretKey)> = Vec::new();
        for (place, part) in text.split(',').map(str::trim).enumerate() {
            let bad = |what: &'static str| Err(SecretsError::Environment { place: place + 1, what });
            if place >= ENVIRONMENT_KEKS_MAX {
                return bad("there are too many; leave out those that wrap nothing any more");
            }
            let (id, key) = part.split_once(':').map_or((None, part), |(id, key)| (Some(id), key));
            let Some(key) = SecretKey::from_base64(key) else {
                return bad("it is not the base64 of 32 bytes; `head -c 32 /dev/urandom | base64` makes one");
            };
            if id.is_some_and(|id| !is_id(id)) {
                return bad(
                    "its id has other characters than letters, digits, `.`, `_` and `-`, or more than 64",
                );
            }
            let id = format!("{PREFIX}{}", id.map_or_else(|| id_of(&key), str::to_owned));
            if keks.iter().any(|(other, _)| *other == id) {
                return bad("another one has its id");
            }
            keks.push((id, key));
        }
        Ok(Self(keks))
    }

    fn get(&self, id: &str) -> Option<&SecretKey> {
        self.0.iter().find_map(|(own, key)| (own == id).then_some(key))
    }
}

fn is_id(id: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=KEK_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(is_good)
}

fn id_of(key: &SecretKey) -> String {
    let hash = Sha256::new().chain_update(ID_DOMAIN).chain_update(key.as_bytes()).finalize();
    let [a, b, c, d, ..] = <[u8; 32]>::from(hash);
    format!("{:08x}", u32::from_be_bytes([a, b, c, d]))
}

impl Source for EnvironmentKeks {
    fn active(&self) -> &str {
        self.0.first().map_or("", |(id, _)| id)
    }

    fn has(&self, id: &str) -> Result<bool, SecretsError> {
        Ok(self.get(id).is_some())
    }

    fn wrap(&self, context: &[u8], key: &SecretKey) -> Result<Wrapped, SecretsError> {
        let (_, kek) = self.0.first().ok_or(SecretsError::NoActiveKek)?;
        Ok(Wrapped::by(kek, context, key)?)
    }

    fn unwrap(&self, id: &str, context: &[u8], wrapped: &Wrapped) -> Result<Option<SecretKey>, SecretsError> {
        Ok(self.get(id).and_then(|kek| wrapped.open(kek, context)))
    }
}

impl fmt::Debug for EnvironmentKeks {
    /// The ids alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(id, _)| id)).finish()
    }
}
