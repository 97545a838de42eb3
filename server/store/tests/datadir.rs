//! The data directory: created, found again, refused.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use cairnlog_store::datadir::{DataDir, DataDirError};
use cairnlog_store::rocks::RocksEngine;
use tempfile::TempDir;

fn fresh() -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("some/data");
    (parent, path)
}

/// A directory that was used: a store and one log's keys.
fn used() -> (TempDir, PathBuf) {
    let (parent, path) = fresh();
    let dir = DataDir::open(&path).unwrap();
    drop(RocksEngine::open(&dir.db()).unwrap());
    fs::create_dir(dir.log_keys("hr").unwrap()).unwrap();
    (parent, path)
}

fn tree(path: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    let below: Vec<_> = found.iter().filter(|path| path.is_dir()).flat_map(|path| tree(path)).collect();
    found.extend(below);
    found.sort();
    found
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_new_directory_is_private_and_opens_again() {
    let (_parent, path) = fresh();
    let dir = DataDir::open(&path).unwrap();
    assert_eq!(fs::read_to_string(path.join("VERSION")).unwrap(), "1\n");
    assert_eq!((mode(&path), mode(&path.join("keys")), mode(&path.join("VERSION"))), (0o700, 0o700, 0o600));
    assert_eq!((dir.root(), dir.db()), (path.as_path(), path.join("db")));
    assert_eq!(dir.log_keys("hr-1").unwrap(), path.join("keys/hr-1"));
    let files = tree(&path);
    drop(dir);
    drop(DataDir::open(&path).unwrap());
    assert_eq!(tree(&path), files);
}

#[test]
fn an_empty_directory_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    assert!(DataDir::open(dir.path()).is_ok());
}

#[test]
fn one_at_a_time() {
    let (_parent, path) = fresh();
    let first = DataDir::open(&path).unwrap();
    assert!(matches!(DataDir::open(&path), Err(DataDirError::Locked(_))));
    drop(first);
    assert!(DataDir::open(&path).is_ok());
}

#[test]
fn another_version_is_refused() {
    for found in ["2\n", "1", "1\n\n", "", "01\n", "x\u{7}\n"] {
        let (_parent, path) = used();
        fs::write(path.join("VERSION"), found).unwrap();
        let error = DataDir::open(&path).unwrap_err();
        assert!(matches!(error, DataDirError::WrongVersion { .. }), "{error}");
        assert!(!error.to_string().contains(['\n', '\u{7}']), "{error}");
    }
}

#[test]
fn somebody_elses_directory_is_refused_and_left_alone() {
    for foreign in ["notes.txt", "db/CURRENT", "keys/hr/kek", "LOCK.bak"] {
        let (_parent, path) = fresh();
        fs::create_dir_all(path.join(foreign).parent().unwrap()).unwrap();
        fs::write(path.join(foreign), "something").unwrap();
        let before = tree(&path);
        let error = DataDir::open(&path).unwrap_err();
        assert!(matches!(error, DataDirError::NotOurs(_)), "{foreign}: {error}");
        assert_eq!(tree(&path), before, "{foreign}");
    }
}

#[test]
fn what_a_crash_during_creation_leaves_is_completed() {
    for files in 0..16_u32 {
        let (_parent, path) = fresh();
        fs::create_dir_all(&path).unwrap();
        for (bit, name) in ["LOCK", "VERSION.tmp", "db", "keys"].into_iter().enumerate() {
            if files & (1 << bit) != 0 {
                let path = path.join(name);
                if bit < 2 { fs::write(path, "").unwrap() } else { fs::create_dir(path).unwrap() }
            }
        }
        drop(DataDir::open(&path).unwrap());
        assert!(DataDir::open(&path).is_ok());
    }
}

#[test]
fn a_used_directory_without_its_keys_is_refused() {
    let (_parent, path) = used();
    fs::remove_dir_all(path.join("keys")).unwrap();
    let error = DataDir::open(&path).unwrap_err();
    assert!(matches!(&error, DataDirError::MissingKeys(missing) if *missing == path.join("keys")), "{error}");
}

#[test]
fn a_used_directory_without_its_store_is_refused() {
    let (_parent, path) = used();
    fs::remove_dir_all(path.join("db")).unwrap();
    assert!(matches!(DataDir::open(&path), Err(DataDirError::MissingStore(_))));
    fs::create_dir(path.join("db")).unwrap();
    assert!(matches!(DataDir::open(&path), Err(DataDirError::MissingStore(_))));
}

#[test]
fn a_file_is_no_directory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "").unwrap();
    assert!(matches!(DataDir::open(&path), Err(DataDirError::Io { .. })));
}

#[test]
fn a_logs_keys_stay_below_the_directory() {
    let (_parent, path) = fresh();
    let dir = DataDir::open(&path).unwrap();
    for name in ["", "..", "a/b", "/etc", "Hr", ".hr.new"] {
        assert!(matches!(dir.log_keys(name), Err(DataDirError::Name)), "{name}");
    }
}
