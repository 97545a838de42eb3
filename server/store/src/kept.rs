//! The newest tree head of each log, kept outside the store: a store that was put back to an older copy is told by it.
//!
//! One file a log, `{log}`, replaced atomically. The directory may be on another volume than the store; that is its
//! point.

use std::io;
use std::path::{Path, PathBuf};

use crate::durable;
use crate::limits::KEPT_HEAD_BYTES_MAX;

/// The directory of the kept heads.
#[derive(Clone, Debug)]
pub struct KeptHeads {
    dir: PathBuf,
}

/// Where the newest head of one log is kept.
#[derive(Clone, Debug)]
pub struct KeptHead {
    path: PathBuf,
}

impl KeptHeads {
    /// Creates the directory, open to its owner alone, where it is not there. Blocks on the disk.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(dir: &Path) -> io::Result<Self> {
        durable::create_dir(dir)?;
        Ok(Self { dir: dir.to_path_buf() })
    }

    /// The names of the logs that a head is kept of. Blocks on the disk.
    ///
    /// # Errors
    /// What the system says.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let name = entry?.file_name().into_string().ok();
            names.extend(name.filter(|name| cairnlog_verify::name::check(name).is_ok()));
        }
        names.sort();
        Ok(names)
    }

    /// Where the head of the log `name` is kept; `None` if that is no name.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<KeptHead> {
        cairnlog_verify::name::check(name).ok()?;
        Some(KeptHead { path: self.dir.join(name) })
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl KeptHead {
    /// The note that is kept, `None` where there is none yet. Blocks on the disk.
    ///
    /// # Errors
    /// What the system says, or that the file is larger than any head.
    pub fn read(&self) -> io::Result<Option<String>> {
        match durable::read(&self.path, KEPT_HEAD_BYTES_MAX) {
            Ok(text) => Ok(Some(text.to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the note that is kept; a crash leaves the old one or this one. Blocks on the disk.
    ///
    /// # Errors
    /// What the system says; either may be there then.
    pub fn replace(&self, note: &str) -> io::Result<()> {
        durable::write(&self.path, note.as_bytes())
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}
