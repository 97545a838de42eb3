//! The data directory: whose it is, which layout it has, and that one process at a time uses it.
//!
//! `DIR/VERSION` is written last when a directory is created, so a directory without it was never used: a crash in
//! between leaves an empty skeleton that the next start completes.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::durable;
use crate::limits::SMALL_FILE_BYTES_MAX;

/// The layout that this version reads and writes.
pub const LAYOUT_VERSION: u32 = 1;

const VERSION: &str = "VERSION";
const LOCK: &str = "LOCK";
const DB: &str = "db";
const KEYS: &str = "keys";
/// There while a new directory is being filled from copies.
const RESTORING: &str = "RESTORING";

/// A data directory, locked for as long as this lives.
#[derive(Debug)]
pub struct DataDir {
    root: PathBuf,
    is_new: bool,
    /// A copy that no server has opened yet has no lock file, and is read without one.
    _lock: Option<File>,
}

/// Why a data directory was refused. Each is one line that says what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// Another process uses it.
    #[error("{0} is in use by another process; stop that one first or choose another directory")]
    Locked(PathBuf),
    /// It was written by another version.
    #[error(
        "{path} has layout {found}, this version reads layout {LAYOUT_VERSION}; use the version that wrote it"
    )]
    WrongVersion {
        /// The directory.
        path: PathBuf,
        /// What its `VERSION` says.
        found: String,
    },
    /// It holds something else.
    #[error("{0} is not empty and no Cairnlog data directory; choose an empty or a new one")]
    NotOurs(PathBuf),
    /// There is nothing of ours to be read.
    #[error("{0} is no Cairnlog data directory: it has no file VERSION")]
    NoDataDir(PathBuf),
    /// The directory of the keys is gone.
    #[error("{0} is missing; restore the keys from their backup, for without them no record opens")]
    MissingKeys(PathBuf),
    /// The directory of the store is gone or empty though there are keys of logs.
    #[error("{0} is missing or empty; restore the store from its backup, or choose a new directory")]
    MissingStore(PathBuf),
    /// A log's name that is no name.
    #[error("a log's name has 1 to 64 of the characters a-z, 0-9 and -")]
    Name,
    /// The file system refused.
    #[error("{path}: {source}; check that the directory is readable and writable and the disk not full")]
    Io {
        /// What was touched.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl DataDir {
    /// Creates the directory `path` with mode 0700, or checks the one that is there, and locks it. Blocks on the disk.
    ///
    /// # Errors
    /// [`DataDirError`]; a directory that is refused is left as it was found.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        durable::create_dir(path).map_err(at(path))?;
        let version = path.join(VERSION);
        let is_new = !version.try_exists().map_err(at(&version))?;
        if is_new {
            check_unused(path)?;
        }
        let lock = lock(path)?;
        // Another process may have completed it before this one had the lock, so what is there is read only now.
        let is_new = !version.try_exists().map_err(at(&version))?;
        if is_new {
            create(path)?;
        } else {
            check_version(path)?;
            check_parts(path)?;
        }
        Ok(Self { root: path.to_path_buf(), is_new, _lock: Some(lock) })
    }

    /// Opens the directory `path` as [`DataDir::open`] does, but creates none. Blocks on the disk.
    ///
    /// # Errors
    /// [`DataDirError::NoDataDir`] if there is none; else as [`DataDir::open`].
    pub fn open_existing(path: &Path) -> Result<Self, DataDirError> {
        let version = path.join(VERSION);
        if !version.try_exists().map_err(at(&version))? {
            return Err(DataDirError::NoDataDir(path.to_path_buf()));
        }
        Self::open(path)
    }

    /// Opens the directory `path` to be read alone: nothing in it is created or changed. Others may read it at the same
    /// time; a server may not open it meanwhile. Blocks on the disk.
    ///
    /// # Errors
    /// [`DataDirError`]; [`DataDirError::Locked`] while a server uses it.
    pub fn open_read_only(path: &Path) -> Result<Self, DataDirError> {
        let version = path.join(VERSION);
        if !version.try_exists().map_err(at(&version))? {
            return Err(DataDirError::NoDataDir(path.to_path_buf()));
        }
        let lock = lock_shared(path)?;
        check_version(path)?;
        check_parts(path)?;
        Ok(Self { root: path.to_path_buf(), is_new: false, _lock: lock })
    }

    /// Opens the directory `path` to be filled from copies, creating it if it is new, and locks it: it may lack its store or
    /// its keys. A new one is no data directory before [`DataDir::complete`]. Blocks on the disk.
    ///
    /// # Errors
    /// [`DataDirError`]; a directory that holds something else is left as it was found.
    pub fn open_to_restore(path: &Path) -> Result<Self, DataDirError> {
        durable::create_dir(path).map_err(at(path))?;
        let version = path.join(VERSION);
        let is_used = version.try_exists().map_err(at(&version))?;
        if !is_used && !path.join(RESTORING).exists() {
            check_unused(path)?;
        }
        let lock = lock(path)?;
        if is_used {
            check_version(path)?;
        } else {
            // So that a restore that was cut off can be begun anew.
            let marker = path.join(RESTORING);
            durable::write(&marker, b"").map_err(at(&marker))?;
        }
        for part in [path.join(DB), path.join(KEYS)] {
            durable::create_dir(&part).map_err(at(&part))?;
        }
        Ok(Self { root: path.to_path_buf(), is_new: false, _lock: Some(lock) })
    }

    /// Makes a directory that was filled from copies one that a server opens.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn complete(&self) -> Result<(), DataDirError> {
        create(&self.root)?;
        let marker = self.root.join(RESTORING);
        match fs::remove_file(&marker) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&marker)(error)),
            _ => durable::sync_parent(&marker).map_err(at(&marker)),
        }
    }

    /// The names of the logs whose keys are here, ascending.
    ///
    /// # Errors
    /// [`DataDirError::Io`].
    pub fn names(&self) -> Result<Vec<String>, DataDirError> {
        let keys = self.root.join(KEYS);
        let mut names = Vec::new();
        for entry in fs::read_dir(&keys).map_err(at(&keys))? {
            let name = entry.map_err(at(&keys))?.file_name().into_string().ok();
            names.extend(name.filter(|name| cairnlog_verify::name::check(name).is_ok()));
        }
        names.sort();
        Ok(names)
    }

    /// Refuses the copy of a store in `path` that another version made, or that is none.
    ///
    /// # Errors
    /// [`DataDirError::WrongVersion`], [`DataDirError::NoDataDir`].
    pub fn check_copy(path: &Path) -> Result<(), DataDirError> {
        let version = path.join(VERSION);
        if !version.try_exists().map_err(at(&version))? || !path.join(DB).is_dir() {
            return Err(DataDirError::NoDataDir(path.to_path_buf()));
        }
        check_version(path)
    }

    /// Writes into the directory `path`, a copy of a store, which layout that has.
    ///
    /// # Errors
    /// [`DataDirError::Io`].
    pub fn stamp_copy(path: &Path) -> Result<(), DataDirError> {
        write_version(path)
    }

    /// Whether it was created when it was opened.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the engine lives.
    #[must_use]
    pub fn db(&self) -> PathBuf {
        self.root.join(DB)
    }

    /// Where the keys of a log live. Whether they are there is for [`LogKeys`](crate::secrets::LogKeys) to say.
    ///
    /// # Errors
    /// [`DataDirError::Name`] if `log` is no name.
    pub fn log_keys(&self, log: &str) -> Result<PathBuf, DataDirError> {
        cairnlog_verify::name::check(log).map_err(|_| DataDirError::Name)?;
        Ok(self.root.join(KEYS).join(log))
    }
}

/// Refuses a directory that holds anything but the skeleton which a crash during creation leaves.
fn check_unused(path: &Path) -> Result<(), DataDirError> {
    for entry in fs::read_dir(path).map_err(at(path))? {
        let entry = entry.map_err(at(path))?;
        let ours = match entry.file_name().to_str() {
            Some("LOCK" | "VERSION.tmp") => true,
            Some(DB | KEYS) => is_empty_dir(&entry.path())?,
            _ => false,
        };
        if !ours {
            return Err(DataDirError::NotOurs(path.to_path_buf()));
        }
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File, DataDirError> {
    let file = path.join(LOCK);
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&file)
        .map_err(at(&file))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(DataDirError::Locked(path.to_path_buf())),
        Err(TryLockError::Error(source)) => Err(DataDirError::Io { path: file, source }),
    }
}

/// A server creates the file before it touches anything else, so where there is none nobody is at work.
fn lock_shared(path: &Path) -> Result<Option<File>, DataDirError> {
    let file = path.join(LOCK);
    let lock = match File::open(&file) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(DataDirError::Io { path: file, source }),
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Err(DataDirError::Locked(path.to_path_buf())),
        Err(TryLockError::Error(source)) => Err(DataDirError::Io { path: file, source }),
    }
}

fn create(path: &Path) -> Result<(), DataDirError> {
    for part in [DB, KEYS] {
        let part = path.join(part);
        durable::create_dir(&part).map_err(at(&part))?;
    }
    write_version(path)
}

fn write_version(path: &Path) -> Result<(), DataDirError> {
    let version = path.join(VERSION);
    durable::write(&version, format!("{LAYOUT_VERSION}\n").as_bytes()).map_err(at(&version))
}

fn check_version(path: &Path) -> Result<(), DataDirError> {
    let version = path.join(VERSION);
    let text = durable::read(&version, SMALL_FILE_BYTES_MAX).map_err(at(&version))?;
    if *text == format!("{LAYOUT_VERSION}\n") {
        return Ok(());
    }
    let found = text.trim().chars().filter(|c| !c.is_control()).take(20).collect();
    Err(DataDirError::WrongVersion { path: path.to_path_buf(), found })
}

/// Refuses a used directory that lost a part. `RocksDB` would fill an empty `db` with a new, empty store, and a log whose
/// head is forgotten would begin anew under its old name; but a log's keys are only ever made after the store.
fn check_parts(path: &Path) -> Result<(), DataDirError> {
    let (db, keys) = (path.join(DB), path.join(KEYS));
    if !keys.is_dir() {
        return Err(DataDirError::MissingKeys(keys));
    }
    if !db.is_dir() || (is_empty_dir(&db)? && !is_empty_dir(&keys)?) {
        return Err(DataDirError::MissingStore(db));
    }
    Ok(())
}

fn is_empty_dir(path: &Path) -> Result<bool, DataDirError> {
    Ok(fs::read_dir(path).map_err(at(path))?.next().is_none())
}

fn at(path: &Path) -> impl Fn(io::Error) -> DataDirError {
    move |source| DataDirError::Io { path: path.to_path_buf(), source }
}
