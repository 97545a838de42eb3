//! Taking copies, and deleting those of keyrings whose time is over.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cairnlog_store::datadir::DataDir;
use cairnlog_store::secrets::{copy_keyring, secrets_in};
use cairnlog_store::{Engine, durable};
use zeroize::Zeroizing;

use super::names::{KeyCopy, Stamp};
use super::{BackupError, Places, at};

const DAY_SECONDS: i64 = 86_400;

/// What was copied.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    /// When.
    pub(crate) stamp: Stamp,
    /// The name of the copy of the store.
    pub(crate) store: Option<String>,
    /// How many keyrings.
    pub(crate) keyrings: usize,
    /// How many files with secrets, which had changed.
    pub(crate) secrets: usize,
    /// The names of the copies of keyrings that were deleted, for their time was over.
    pub(crate) expired: Vec<String>,
}

/// Takes copies of a data directory that `engine` is open on, and deletes those of keyrings that are over `days`.
///
/// # Errors
/// [`BackupError`]; what was copied before is whole.
pub(crate) async fn take(
    engine: &dyn Engine,
    dir: &Arc<DataDir>,
    places: &Places,
    days: u32,
    now_ms: u64,
) -> Result<Taken, BackupError> {
    let stamp = Stamp::of_ms(now_ms);
    let (data, wanted) = (Arc::clone(dir), places.clone());
    tokio::task::spawn_blocking(move || wanted.prepare(data.root())).await??;
    let mut taken = Taken { stamp, store: None, keyrings: 0, secrets: 0, expired: Vec::new() };
    if let Some(place) = &places.store {
        taken.store = Some(copy_store(engine, place, stamp).await?);
    }
    let (data, wanted) = (Arc::clone(dir), places.clone());
    tokio::task::spawn_blocking(move || {
        if let Some(place) = &wanted.keyrings {
            taken.keyrings = copy_keyrings(&data, place, stamp)?;
            taken.expired = expire(place, days, now_ms)?;
        }
        if let Some(place) = &wanted.secrets {
            taken.secrets = copy_secrets(&data, place, stamp)?;
        }
        Ok(taken)
    })
    .await?
}

/// A copy gets its name when it is whole.
async fn copy_store(engine: &dyn Engine, place: &Path, stamp: Stamp) -> Result<String, BackupError> {
    let name = stamp.store();
    let (whole, part) = (place.join(&name), place.join(format!(".{name}.part")));
    for there in [&whole, &part] {
        if there.try_exists().map_err(at(there))? {
            return Err(BackupError::Exists(there.clone()));
        }
    }
    durable::create_dir(&part).map_err(at(&part))?;
    let copied = engine.copy_to(&part.join("db")).await;
    tokio::task::spawn_blocking(move || {
        if let Err(error) = copied {
            // What is left of it is of no use to anyone; that it can't be removed changes nothing about why.
            let _ = fs::remove_dir_all(&part);
            return Err(error.into());
        }
        DataDir::stamp_copy(&part)?;
        fs::rename(&part, &whole).map_err(at(&whole))?;
        durable::sync_parent(&whole).map_err(at(&whole))?;
        Ok(name)
    })
    .await?
}

fn copy_keyrings(dir: &DataDir, place: &Path, stamp: Stamp) -> Result<usize, BackupError> {
    let names = dir.names()?;
    for log in &names {
        let copy = KeyCopy { log: log.clone(), stamp, kind: "keyring".to_owned() };
        copy_keyring(&dir.log_keys(log)?, &place.join(copy.to_string()))?;
    }
    Ok(names.len())
}

/// Secrets have no time: they are written where the newest copy is another one.
fn copy_secrets(dir: &DataDir, place: &Path, stamp: Stamp) -> Result<usize, BackupError> {
    let there = copies(place)?;
    let mut written = 0;
    for log in dir.names()? {
        for (kind, text) in secrets_in(&dir.log_keys(&log)?)? {
            let newest = there.iter().filter(|(_, copy)| copy.log == log && copy.kind == kind);
            if let Some((path, _)) = newest.max_by_key(|(_, copy)| copy.stamp)
                && fs::read(path).map(Zeroizing::new).is_ok_and(|bytes| **bytes == *text.as_bytes())
            {
                continue;
            }
            let copy = KeyCopy { log: log.clone(), stamp, kind: kind.to_owned() };
            let path = place.join(copy.to_string());
            durable::write(&path, text.as_bytes()).map_err(at(&path))?;
            written += 1;
        }
    }
    Ok(written)
}

/// Deletes the copies of keyrings in `place` whose time will be over before they are looked at again in a day; their names.
/// Blocks.
///
/// # Errors
/// [`BackupError`].
pub(crate) fn expire(place: &Path, days: u32, now_ms: u64) -> Result<Vec<String>, BackupError> {
    let oldest = Stamp::of_ms(now_ms).seconds() - (i64::from(days) - 1) * DAY_SECONDS;
    let mut expired = Vec::new();
    for (path, copy) in copies(place)? {
        if copy.kind == "keyring" && copy.stamp.seconds() < oldest {
            fs::remove_file(&path).map_err(at(&path))?;
            expired.push(copy.to_string());
        }
    }
    if !expired.is_empty() {
        durable::sync_parent(&place.join("any")).map_err(at(place))?;
    }
    expired.sort();
    Ok(expired)
}

/// The copies of key files in a place.
pub(super) fn copies(place: &Path) -> Result<Vec<(PathBuf, KeyCopy)>, BackupError> {
    let mut copies = Vec::new();
    for entry in fs::read_dir(place).map_err(at(place))? {
        let path = entry.map_err(at(place))?.path();
        copies.extend(KeyCopy::parse(&path).map(|copy| (path, copy)));
    }
    Ok(copies)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const DAY_MS: u64 = 86_400_000;

    #[test]
    fn copies_of_keyrings_die_before_an_erasure_says_they_have() {
        let dir = tempfile::tempdir().unwrap();
        let made = 1_795_426_503_792;
        let name = |kind: &str, ms: u64| format!("hr.{}.{kind}", Stamp::of_ms(ms));
        for file in
            [name("keyring", made), name("keyring", made + DAY_MS), name("kek", made), "notes".to_owned()]
        {
            fs::write(dir.path().join(file), "").unwrap();
        }
        let expire = |days, at| expire(dir.path(), days, at).unwrap();
        assert!(expire(30, made + 29 * DAY_MS).is_empty());
        // A run a day later would come when it is older than 30 days.
        assert_eq!(expire(30, made + 29 * DAY_MS + 1_000), [name("keyring", made)]);
        assert_eq!(expire(1, made + DAY_MS), [""; 0], "one that was just made stays");
        assert_eq!(expire(1, made + DAY_MS + 1_000), [name("keyring", made + DAY_MS)]);
        let mut left: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [name("kek", made).as_str(), "notes"]);
    }
}
