//! The keys that sign a log's tree heads: as notes, as rows, and as they change.

use std::collections::BTreeSet;

use cairnlog_tlog::Signer;
use cairnlog_verify::note::{KeyKind, SigningKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::LedgerError;
use crate::handles::Random;
use crate::limits::SIGNING_KEYS_MAX;

/// A key that signs, as the log's row has it. Written with the first head that the key signs, so keys that lie on disk
/// without such a row have signed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    /// The verifier key.
    pub(crate) key: String,
    /// The size of the smallest tree whose head it signs: the one that its entry is in.
    #[serde(default)]
    pub(crate) begins: u64,
    /// The size of the largest tree whose head it signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ends: Option<u64>,
}

impl KeyRow {
    /// Whether it signs the head of a tree of this size.
    pub(crate) fn signs(&self, size: u64) -> bool {
        self.begins <= size && !self.has_ended(size)
    }

    /// Whether it signs the head of no tree of this size or of larger ones.
    pub(crate) fn has_ended(&self, size: u64) -> bool {
        self.ends.is_some_and(|ends| ends < size)
    }
}

/// Keys of Ed25519 and ML-DSA-44 named like the origin, as notes.
pub(crate) fn make(origin: &str, random: &dyn Random) -> Result<Vec<Zeroizing<String>>, LedgerError> {
    let kinds = [SigningKey::ed25519, SigningKey::ml_dsa_44];
    let made = kinds.into_iter().map(|kind| {
        let mut seed = Zeroizing::new([0; 32]);
        random.fill(seed.as_mut_slice());
        let key = kind(origin, *seed);
        let key = key.map_err(|error| LedgerError::BadRequest(format!("the origin: {error}")))?;
        Ok(key.to_private_note())
    });
    made.collect()
}

/// The keys; the log's own first, an Ed25519 key before all, which every client of C2SP's formats can verify.
pub(crate) fn parse(notes: &[Zeroizing<String>], origin: &str) -> Result<Vec<SigningKey>, LedgerError> {
    let bad = |words: &str| LedgerError::BadRequest(words.to_owned());
    if notes.len() > SIGNING_KEYS_MAX {
        return Err(LedgerError::BadRequest(format!("a log has {SIGNING_KEYS_MAX} signing keys at most")));
    }
    let mut keys: Vec<SigningKey> = notes
        .iter()
        .map(|note| {
            note.parse().map_err(|_| bad("a signing key is not a PRIVATE+KEY+… note of a supported kind"))
        })
        .collect::<Result<_, _>>()?;
    keys.sort_by_key(|key| (key.name() != origin, key.kind()));
    let ids: BTreeSet<_> = keys.iter().map(|key| key.verifier_key().to_string()).collect();
    if ids.len() < keys.len() {
        return Err(bad("a signing key is given twice"));
    }
    let is_own = |key: &SigningKey| key.name() == origin && key.kind() == KeyKind::Ed25519;
    if !keys.first().is_some_and(is_own) {
        return Err(bad("no signing key is an Ed25519 key (type 0x01) named like the log's origin"));
    }
    Ok(keys)
}

/// The keys of a stored log, in the order of its rows. A key that is to end may be gone: [`missing`] tells whether it has
/// ended.
pub(crate) fn stored(
    notes: &[Zeroizing<String>],
    rows: &[KeyRow],
    origin: &str,
) -> Result<Vec<Signer>, LedgerError> {
    if rows.is_empty() {
        // A store of before keys could change: all keys that there are sign.
        return Ok(parse(notes, origin)?.into_iter().map(Signer::from).collect());
    }
    let damaged = || LedgerError::Internal("the signing keys can't be read; restore them".to_owned());
    let mut keys: Vec<SigningKey> =
        notes.iter().map(|note| note.parse().map_err(|_| damaged())).collect::<Result<_, _>>()?;
    let mut signers = Vec::new();
    for KeyRow { key, begins, ends } in rows {
        let place = keys.iter().position(|found| found.verifier_key().to_string() == *key);
        match (place, ends) {
            (Some(place), _) => {
                signers.push(Signer { key: keys.swap_remove(place), begins: *begins, ends: *ends });
            }
            (None, Some(_)) => {}
            (None, None) => return Err(lacking(key)),
        }
    }
    Ok(signers)
}

/// Refuses where a key is gone that signs the head of a tree of this size or of larger ones.
pub(crate) fn missing(rows: &[KeyRow], there: &[KeyRow], size: u64) -> Result<(), LedgerError> {
    let is_gone = |row: &&KeyRow| !row.has_ended(size) && !there.iter().any(|found| found.key == row.key);
    rows.iter().find(is_gone).map_or(Ok(()), |row| Err(lacking(&row.key)))
}

fn lacking(key: &str) -> LedgerError {
    LedgerError::Internal(format!(
        "the file of signing keys lacks the one of {key}, which signs; restore it from its backup"
    ))
}

/// The notes whose keys are among these rows.
pub(crate) fn notes_of(notes: &[Zeroizing<String>], rows: &[KeyRow]) -> Vec<Zeroizing<String>> {
    let is_kept = |note: &&Zeroizing<String>| {
        let key = note.parse::<SigningKey>().map(|key| key.verifier_key().to_string());
        key.is_ok_and(|key| rows.iter().any(|row| row.key == key))
    };
    notes.iter().filter(is_kept).cloned().collect()
}

/// The rows of these keys.
pub(crate) fn rows(signers: &[Signer]) -> Vec<KeyRow> {
    let row = |signer: &Signer| {
        let key = signer.key.verifier_key().to_string();
        KeyRow { key, begins: signer.begins, ends: signer.ends }
    };
    signers.iter().map(row).collect()
}
