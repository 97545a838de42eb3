//! The newest tree head of each log, kept outside the store: a store that was put back to an older copy is told by it.
//!
//! One file a log, `{log}`, replaced atomically. The directory may be on another volume than the store; that is its
//! point. A head that can't be kept stops nothing, so it has to be seen: it is counted, and [`KeptHeads::failing`] names it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::durable;
use crate::limits::KEPT_HEAD_BYTES_MAX;

/// The logs whose heads can't be kept now, and what the system says.
type Failures = Arc<Mutex<BTreeMap<String, String>>>;

/// A head that can't be kept now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// The log's name.
    pub log: String,
    /// What the system says; it names no path.
    pub why: String,
}

/// The directory of the kept heads. A cheap handle; its clones know the same failures.
#[derive(Clone, Debug)]
pub struct KeptHeads {
    dir: PathBuf,
    failures: Failures,
}

/// Where the newest head of one log is kept.
#[derive(Clone, Debug)]
pub struct KeptHead {
    log: String,
    path: PathBuf,
    failures: Failures,
}

impl KeptHeads {
    /// Creates the directory, open to its owner alone, where it is not there. Blocks on the disk.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(dir: &Path) -> io::Result<Self> {
        durable::create_dir(dir)?;
        Ok(Self { dir: dir.to_path_buf(), failures: Failures::default() })
    }

    /// The heads whose last writing failed, by log. Empty where all is well.
    #[must_use]
    pub fn failing(&self) -> Vec<Failing> {
        let failures = lock(&self.failures);
        let row = |(log, why): (&String, &String)| Failing { log: log.clone(), why: why.clone() };
        failures.iter().map(row).collect()
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
        let failures = Arc::clone(&self.failures);
        let head = KeptHead { log: name.to_owned(), path: self.dir.join(name), failures };
        // There to be watched before anything fails.
        head.count(0);
        Some(head)
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

    /// Replaces the note that is kept; a crash leaves the old one or this one. While that fails, [`KeptHeads::failing`] tells,
    /// and
    /// each failure is counted in `cairnlog_kept_head_failures_total`. Blocks on the disk.
    ///
    /// # Errors
    /// What the system says; either may be there then.
    pub fn replace(&self, note: &str) -> io::Result<()> {
        let written = durable::write(&self.path, note.as_bytes());
        match &written {
            Ok(()) => drop(lock(&self.failures).remove(&self.log)),
            Err(error) => {
                self.count(1);
                lock(&self.failures).insert(self.log.clone(), error.to_string());
            }
        }
        written
    }

    fn count(&self, failures: u64) {
        metrics::counter!("cairnlog_kept_head_failures_total", "log" => self.log.clone()).increment(failures);
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn lock(failures: &Failures) -> MutexGuard<'_, BTreeMap<String, String>> {
    failures.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_head_that_cannot_be_kept_is_told_until_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let (heads, away) = (dir.path().join("heads"), dir.path().join("away"));
        let kept = KeptHeads::open(&heads).unwrap();
        let head = kept.of("hr").unwrap();
        let told = || kept.failing().into_iter().filter(|failing| failing.log == "hr").count();
        head.replace("one").unwrap();
        assert_eq!(told(), 0);
        std::fs::rename(&heads, &away).unwrap();
        for _ in 0..2 {
            assert!(head.replace("two").is_err());
            assert_eq!(told(), 1);
        }
        std::fs::rename(&away, &heads).unwrap();
        head.replace("three").unwrap();
        assert_eq!(told(), 0);
        assert_eq!(head.read().unwrap().as_deref(), Some("three"));
    }
}
