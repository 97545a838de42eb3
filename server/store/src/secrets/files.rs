//! The files of a log's keys: read only where they are their owner's alone, replaced as a whole.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::SecretsError;
use crate::durable;
use crate::limits::{KEYRING_BYTES_MAX, SMALL_FILE_BYTES_MAX};

/// The log's signing keys.
pub(super) const SIGNING: &str = "signing";
/// Key-encryption keys.
pub(super) const KEK: &str = "kek";
/// What those wrap.
pub(super) const KEYRING: &str = "keyring";

const PRIVATE_NOTE: &str = "PRIVATE+KEY+";

/// The signing keys of a file, each a C2SP private note.
pub(super) fn read_signing(path: &Path) -> Result<Vec<Zeroizing<String>>, SecretsError> {
    let text = read(path, SMALL_FILE_BYTES_MAX)?;
    let notes: Vec<_> = text.lines().map(|line| Zeroizing::new(line.to_owned())).collect();
    let is_whole = text.ends_with('\n') && notes.iter().all(|note| note.starts_with(PRIVATE_NOTE));
    if notes.is_empty() || !is_whole {
        let what = format!("it is not one {PRIVATE_NOTE}… a line");
        return Err(SecretsError::Malformed { path: path.to_path_buf(), what });
    }
    Ok(notes)
}

/// The ids of the key-encryption keys that the keyrings in a directory are wrapped by, those that were set aside included;
/// `None` if that can't be told of one. What a crash left half written counts for nothing.
pub(super) fn keks_of(dir: &Path) -> Result<Option<BTreeSet<String>>, SecretsError> {
    #[derive(Deserialize)]
    struct Named {
        kek: String,
    }
    let mut keks = BTreeSet::new();
    for entry in fs::read_dir(dir).map_err(at(dir))? {
        let path = entry.map_err(at(dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !name.starts_with(KEYRING) || path.extension().is_some_and(|of| of == "tmp") {
            continue;
        }
        let text = durable::read(&path, KEYRING_BYTES_MAX).map_err(at(&path))?;
        match serde_json::from_str(&text) {
            Ok(Named { kek }) => keks.insert(kek),
            Err(_) => return Ok(None),
        };
    }
    Ok(Some(keks))
}

/// Whether it can be a line of such a file.
pub(super) fn is_note(note: &Zeroizing<String>) -> bool {
    note.starts_with(PRIVATE_NOTE) && !note.contains('\n')
}

/// The text of such a file.
pub(super) fn join_lines(notes: &[Zeroizing<String>]) -> Zeroizing<String> {
    let bytes = notes.iter().map(|note| note.len() + 1).sum();
    let mut text = Zeroizing::new(String::with_capacity(bytes));
    for note in notes {
        text.push_str(note);
        text.push('\n');
    }
    text
}

/// Reads a file that is its owner's alone.
pub(super) fn read(path: &Path, max: u64) -> Result<Zeroizing<String>, SecretsError> {
    if fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0) {
        return Err(SecretsError::Exposed(path.to_path_buf()));
    }
    durable::read(path, max).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => SecretsError::Missing(path.to_path_buf()),
        io::ErrorKind::InvalidData => {
            SecretsError::Malformed { path: path.to_path_buf(), what: "it is no text".into() }
        }
        _ => at(path)(source),
    })
}

/// Replaces a file; durable when it returns.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), SecretsError> {
    durable::write(path, bytes).map_err(at(path))
}

/// Puts the path to what the system says.
pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> SecretsError {
    move |source| SecretsError::Io { path: path.to_path_buf(), source }
}
