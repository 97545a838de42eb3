//! Putting copies back: the store, keyrings and secrets.
//!
//! Keyrings first, the store last: until that has its place a server refuses the directory. Everything may be begun anew
//! after a crash. Nothing that may be the newest of its kind is deleted: a store that is there is set aside as
//! `db.before-{ms}`, and so is a keyring that is newer than the one that is to take its place.
//!
//! Of keyrings the newest is taken, be it the one that is there: an older one opens what was erased since.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cairnlog_ledger::{StoredLog, stored_logs, stored_pages};
use cairnlog_store::datadir::DataDir;
use cairnlog_store::durable;
use cairnlog_store::rocks::RocksEngine;
use cairnlog_store::secrets::{
    KekSources, KeyringHead, LogKeys, SecretsError, restore_kek, restore_keyring, restore_signing,
};

use super::names::KeyCopy;
use super::take::copies;
use super::{BackupError, at};
use crate::cli::Failure;

/// What is to be put back.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// The data directory, new or used.
    pub(crate) data: PathBuf,
    /// A copy of a store; the one that is there stays without.
    pub(crate) store: Option<PathBuf>,
    /// Where copies of keyrings are.
    pub(crate) keyrings: Option<PathBuf>,
    /// Where copies of secrets are.
    pub(crate) secrets: Option<PathBuf>,
    /// Copies of keyrings to take, though there may be newer ones.
    pub(crate) older: Vec<PathBuf>,
    /// The server's time.
    pub(crate) now_ms: u64,
}

/// A log as it is after that.
#[derive(Clone, Debug)]
pub(crate) struct Restored {
    /// Its name.
    pub(crate) log: String,
    /// Where its keyring is from: a file's name, or nothing where it is the one that was there.
    pub(crate) from: Option<String>,
    /// How often that had been written.
    pub(crate) epoch: u64,
    /// Records whose key is wrapped by a page that the keyring does not hold.
    pub(crate) closed: u64,
    /// Why its keys do not open, if so.
    pub(crate) failure: Option<String>,
}

/// Puts copies back, and looks whether they open.
///
/// # Errors
/// [`Failure`] where that is not possible.
pub(crate) async fn restore(wanted: Wanted, sources: KekSources) -> Result<Vec<Restored>, Failure> {
    let given = wanted.clone();
    let dir = blocking(move || {
        let dir = DataDir::open_to_restore(&given.data)?;
        if let Some(store) = &given.store {
            stage(&dir, store)?;
        }
        Ok(dir)
    })
    .await?;
    let staged = if wanted.store.is_some() { new_store(&dir) } else { dir.db() };
    let logs = logs_in(&staged).await?;
    let (given, named) = (wanted.clone(), logs.clone());
    let (dir, chosen) = blocking(move || {
        let chosen = place_keys(&dir, &given, &named)?;
        if given.store.is_some() {
            swap(&dir, given.now_ms)?;
        }
        dir.complete()?;
        Ok((dir, chosen))
    })
    .await?;
    look(dir, logs, chosen, sources).await
}

fn new_store(dir: &DataDir) -> PathBuf {
    dir.db().with_file_name("db.new")
}

/// Copies the store beside the one that is there.
fn stage(dir: &DataDir, store: &Path) -> Result<(), Failure> {
    DataDir::check_copy(store)?;
    let staged = new_store(dir);
    if staged.exists() {
        fs::remove_dir_all(&staged).map_err(at(&staged))?;
    }
    let from = store.join("db");
    Ok(durable::copy_tree(&from, &staged).map_err(at(&staged))?)
}

async fn logs_in(store: &Path) -> Result<Vec<StoredLog>, Failure> {
    let engine = open(store).await?;
    stored_logs(&engine).await.map_err(|error| Failure::cannot_tell(error.to_string()))
}

async fn open(store: &Path) -> Result<RocksEngine, Failure> {
    let store = store.to_path_buf();
    blocking(move || Ok(RocksEngine::open_read_only(&store)?)).await
}

/// Puts the keys of all logs in their places; where each keyring is from.
fn place_keys(
    dir: &DataDir,
    wanted: &Wanted,
    logs: &[StoredLog],
) -> Result<BTreeMap<String, Option<String>>, Failure> {
    let of = |place: &Option<PathBuf>| place.as_deref().map_or(Ok(Vec::new()), copies);
    let (keyrings, secrets) = (of(&wanted.keyrings)?, of(&wanted.secrets)?);
    let older = older(&wanted.older, logs)?;
    let mut chosen = BTreeMap::new();
    for log in logs {
        let keys = dir.log_keys(&log.name)?;
        durable::create_dir(&keys).map_err(at(&keys))?;
        let mut own = secrets.iter().filter(|(_, copy)| copy.log == log.name).collect::<Vec<_>>();
        own.sort_by_key(|(_, copy)| std::cmp::Reverse(copy.stamp));
        for (path, _) in own.iter().filter(|(_, copy)| copy.kind == "kek") {
            restore_kek(path, &keys)?;
        }
        if let Some((path, _)) = own.iter().find(|(_, copy)| copy.kind == "signing") {
            restore_signing(path, &keys, &log.origin)?;
        }
        let copy = match older.get(&log.name) {
            Some(path) => Some((*path).clone()),
            None => newest(&keys, log, &keyrings)?,
        };
        if let Some(copy) = &copy {
            restore_keyring(copy, &keys, wanted.now_ms)?;
        }
        let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        chosen.insert(log.name.clone(), copy.as_ref().map(name));
    }
    Ok(chosen)
}

/// The copies that were asked for by name, by log.
fn older<'a>(files: &'a [PathBuf], logs: &[StoredLog]) -> Result<BTreeMap<String, &'a PathBuf>, Failure> {
    let mut older = BTreeMap::new();
    for file in files {
        let head = KeyringHead::read(file)?;
        let log = logs.iter().find(|log| log.origin == head.origin);
        let log = log.ok_or_else(|| {
            Failure::refused(format!("{}: the store has no log {}", file.display(), head.origin))
        })?;
        older.insert(log.name.clone(), file);
    }
    Ok(older)
}

/// The newest copy of a log's keyring, if it is newer than the one that is there.
fn newest(
    keys: &Path,
    log: &StoredLog,
    copies: &[(PathBuf, KeyCopy)],
) -> Result<Option<PathBuf>, SecretsError> {
    let there = KeyringHead::of(keys)?.map(|head| head.epoch);
    let mut newest: Option<(u64, PathBuf)> = None;
    for (path, _) in copies.iter().filter(|(_, copy)| copy.log == log.name && copy.kind == "keyring") {
        let head = KeyringHead::read(path)?;
        let is_newer = Some(head.epoch) > newest.as_ref().map(|(epoch, _)| *epoch).max(there);
        if head.origin == log.origin && is_newer {
            newest = Some((head.epoch, path.clone()));
        }
    }
    Ok(newest.map(|(_, path)| path))
}

/// Lets the copy take the store's place.
fn swap(dir: &DataDir, now_ms: u64) -> Result<(), Failure> {
    let (db, new) = (dir.db(), new_store(dir));
    let is_empty = fs::read_dir(&db).map_err(at(&db))?.next().is_none();
    if is_empty {
        fs::remove_dir(&db).map_err(at(&db))?;
    } else {
        let aside = db.with_file_name(format!("db.before-{now_ms}"));
        fs::rename(&db, &aside).map_err(at(&aside))?;
    }
    fs::rename(&new, &db).map_err(at(&db))?;
    Ok(durable::sync_parent(&db).map_err(at(&db))?)
}

/// Opens every log's keys, and counts what they do not open.
async fn look(
    dir: DataDir,
    logs: Vec<StoredLog>,
    mut chosen: BTreeMap<String, Option<String>>,
    sources: KekSources,
) -> Result<Vec<Restored>, Failure> {
    let engine = open(&dir.db()).await?;
    let mut restored = Vec::new();
    for log in logs {
        let pages = stored_pages(&engine, log.id).await.map_err(|e| Failure::cannot_tell(e.to_string()))?;
        let (path, sources) = (dir.log_keys(&log.name)?, sources.clone());
        let from = chosen.remove(&log.name).flatten();
        let found = tokio::task::spawn_blocking(move || {
            let keys = LogKeys::open(&path, &log.origin, &sources);
            let keys = keys.and_then(|keys| {
                keys.skip_pages(pages.keys().next_back().copied().unwrap_or_default())?;
                Ok(keys)
            });
            let mut found = Restored { log: log.name, from, epoch: 0, closed: 0, failure: None };
            match keys {
                Ok(keys) => {
                    found.epoch = keys.epoch();
                    found.closed = pages
                        .iter()
                        .filter(|(page, _)| keys.page(**page).is_none())
                        .map(|(_, rows)| rows)
                        .sum();
                }
                Err(error) => found.failure = Some(error.to_string()),
            }
            found
        });
        restored.push(found.await.map_err(|gone| Failure::cannot_tell(gone.to_string()))?);
    }
    Ok(restored)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|gone| Failure::cannot_tell(format!("the work was cut off: {gone}")))?
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::NotApart(..) | BackupError::Nowhere => Self::usage(error.to_string()),
            BackupError::Keys(error) => error.into(),
            BackupError::Dir(error) => error.into(),
            _ => Self::cannot_tell(error.to_string()),
        }
    }
}
