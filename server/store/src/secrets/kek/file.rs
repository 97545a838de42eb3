//! The file `kek`: a log's key-encryption keys, in the clear. Whoever has it and the keyring opens every record.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::Source;
use crate::limits::SMALL_FILE_BYTES_MAX;
use crate::secrets::SecretsError;
use crate::secrets::files::read;
use crate::secrets::key::SecretKey;
use crate::secrets::wrapped::Wrapped;

/// The keys by id.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::secrets) struct FileKeks {
    v: u8,
    active: String,
    keys: BTreeMap<String, SecretKey>,
}

impl FileKeks {
    /// One fresh key. Its id is random too, so that no two keys are ever called the same.
    pub(super) fn generate() -> Result<Self, SecretsError> {
        let mut made = Self { v: 1, active: String::new(), keys: BTreeMap::new() };
        made.add()?;
        Ok(made)
    }

    pub(in crate::secrets) fn read(path: &Path) -> Result<Self, SecretsError> {
        let text = read(path, SMALL_FILE_BYTES_MAX)?;
        let malformed = |what: String| SecretsError::Malformed { path: path.to_path_buf(), what };
        // A parser's message may quote what it read, which is a key.
        let keks: Self =
            serde_json::from_str(&text).map_err(|_| malformed("it is no list of keys".into()))?;
        if keks.v != 1 {
            return Err(malformed(format!("version {} is unknown", keks.v)));
        }
        if *keks.render() != *text {
            return Err(malformed("it was edited; only the exact form that was written is read".into()));
        }
        Ok(keks)
    }

    /// The file's text, in its one spelling.
    pub(in crate::secrets) fn render(&self) -> Zeroizing<String> {
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

    /// These keys and a fresh one, which wraps.
    pub(super) fn renewed(&self) -> Result<Self, SecretsError> {
        let mut renewed = Self { v: 1, active: self.active.clone(), keys: self.keys.clone() };
        renewed.add()?;
        Ok(renewed)
    }

    /// Those of these ids; `None` if there are none.
    pub(super) fn without_others(&self, ids: &BTreeSet<String>) -> Option<Self> {
        let mut keys = self.keys.clone();
        keys.retain(|id, _| ids.contains(id));
        // Where another source wraps, the active one is of no meaning.
        let active = if keys.contains_key(&self.active) { &self.active } else { keys.keys().next()? };
        Some(Self { v: 1, active: active.clone(), keys })
    }

    /// These keys and those; the active one of these wraps. Ids are random, so the same id is the same key.
    pub(in crate::secrets) fn and(mut self, others: Self) -> Self {
        for (id, key) in others.keys {
            self.keys.entry(id).or_insert(key);
        }
        self
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    fn add(&mut self) -> Result<(), SecretsError> {
        let id = format!("{:08x}", getrandom::u32()?);
        self.keys.insert(id.clone(), SecretKey::random()?);
        self.active = id;
        Ok(())
    }
}

impl Source for FileKeks {
    fn active(&self) -> &str {
        &self.active
    }

    fn has(&self, id: &str) -> Result<bool, SecretsError> {
        Ok(self.keys.contains_key(id))
    }

    fn wrap(&self, context: &[u8], key: &SecretKey) -> Result<Wrapped, SecretsError> {
        let kek = self.keys.get(&self.active).ok_or(SecretsError::NoActiveKek)?;
        Ok(Wrapped::by(kek, context, key)?)
    }

    fn unwrap(&self, id: &str, context: &[u8], wrapped: &Wrapped) -> Result<Option<SecretKey>, SecretsError> {
        Ok(self.keys.get(id).and_then(|kek| wrapped.open(kek, context)))
    }
}

impl<'de> Deserialize<'de> for SecretKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Base64;
        impl Visitor<'_> for Base64 {
            type Value = SecretKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("32 bytes in base64")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretKey, E> {
                SecretKey::from_base64(text).ok_or_else(|| E::custom("no key"))
            }
        }
        deserializer.deserialize_str(Base64)
    }
}

fn push_json(text: &mut String, value: &str) {
    text.push_str(&serde_json::Value::from(value).to_string());
}
