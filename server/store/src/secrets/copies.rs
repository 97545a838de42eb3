//! Copies of a log's key files, made and put back: each checked before it is written.

use std::collections::BTreeMap;
use std::path::Path;

use zeroize::Zeroizing;

use super::SecretsError;
use super::files::{KEK, KEYRING, SIGNING, at, join_lines, read, read_signing, write};
use super::kek::FileKeks;
use super::keyring::KeyringFile;
use crate::limits::KEYRING_BYTES_MAX;

/// What a keyring says of itself without its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyringHead {
    /// The log's origin.
    pub origin: String,
    /// How often it had been written.
    pub epoch: u64,
    /// The id of the key-encryption key that it is wrapped by.
    pub kek: String,
}

impl KeyringHead {
    /// Reads the keyring in the file `path`.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn read(path: &Path) -> Result<Self, SecretsError> {
        Ok(KeyringFile::parse(path)?.head())
    }

    /// That of the log whose keys are in `dir`, if it has one.
    ///
    /// # Errors
    /// [`SecretsError`], but for one that is missing.
    pub fn of(dir: &Path) -> Result<Option<Self>, SecretsError> {
        match Self::read(&dir.join(KEYRING)) {
            Err(SecretsError::Missing(_)) => Ok(None),
            read => read.map(Some),
        }
    }
}

/// Copies the keyring in `from`, the directory of a log's keys, to the file `to`.
///
/// # Errors
/// [`SecretsError`].
pub fn copy_keyring(from: &Path, to: &Path) -> Result<KeyringHead, SecretsError> {
    move_keyring(&from.join(KEYRING), to)
}

/// Puts a copy of a keyring in its place in `dir`, the directory of a log's keys. One that is there and newer is set aside
/// as `keyring.before-{ms}`, for it may open what the copy does not; an older one is replaced, for it may open what was
/// erased since.
///
/// # Errors
/// [`SecretsError`].
pub fn restore_keyring(copy: &Path, dir: &Path, now_ms: u64) -> Result<KeyringHead, SecretsError> {
    let (place, new) = (dir.join(KEYRING), KeyringHead::read(copy)?);
    if KeyringHead::of(dir)?.is_some_and(|old| old.epoch > new.epoch) {
        move_keyring(&place, &dir.join(format!("{KEYRING}.before-{now_ms}")))?;
    }
    move_keyring(copy, &place)
}

fn move_keyring(from: &Path, to: &Path) -> Result<KeyringHead, SecretsError> {
    let file = KeyringFile::parse(from)?;
    let text = read(from, KEYRING_BYTES_MAX)?;
    write(to, text.as_bytes())?;
    Ok(file.head())
}

/// The secrets of a log that lie in the clear, as texts by the names of their files: its signing keys and, if it has such,
/// its key-encryption keys.
///
/// # Errors
/// [`SecretsError`].
pub fn secrets_in(dir: &Path) -> Result<BTreeMap<&'static str, Zeroizing<String>>, SecretsError> {
    let mut secrets = BTreeMap::from([(SIGNING, join_lines(&read_signing(&dir.join(SIGNING))?))]);
    let kek = dir.join(KEK);
    if kek.try_exists().map_err(at(&kek))? {
        secrets.insert(KEK, FileKeks::read(&kek)?.render());
    }
    Ok(secrets)
}

/// Puts a copy of the signing keys of the log with this origin in its place in `dir`, if there is none there.
///
/// # Errors
/// [`SecretsError`], also where none of the keys is the log's.
pub fn restore_signing(copy: &Path, dir: &Path, origin: &str) -> Result<(), SecretsError> {
    let place = dir.join(SIGNING);
    if place.try_exists().map_err(at(&place))? {
        return Ok(());
    }
    let notes = read_signing(copy)?;
    let own = format!("PRIVATE+KEY+{origin}+");
    if !notes.iter().any(|note| note.starts_with(&own)) {
        let what = format!("no key in it is one of the log {origin}");
        return Err(SecretsError::Malformed { path: copy.to_path_buf(), what });
    }
    write(&place, join_lines(&notes).as_bytes())
}

/// Adds the key-encryption keys of a copy to those in `dir`, of which the active one stays so. Those that wrap nothing are
/// removed when the keys are opened.
///
/// # Errors
/// [`SecretsError`].
pub fn restore_kek(copy: &Path, dir: &Path) -> Result<(), SecretsError> {
    let (place, new) = (dir.join(KEK), FileKeks::read(copy)?);
    let keks = if place.try_exists().map_err(at(&place))? { FileKeks::read(&place)?.and(new) } else { new };
    write(&place, keks.render().as_bytes())
}
