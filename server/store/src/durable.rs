//! Files and directories that are there after a crash: whole, or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Replaces the file `path` by one with these bytes, readable by its owner alone.
///
/// A crash leaves the old file or the new one, and perhaps a `.tmp` beside it that the next write replaces. When this
/// fails, either may be there.
///
/// # Errors
/// As the file system refuses.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    // One that is there already keeps the mode that it has.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_parent(path)
}

/// Creates the directory `path`, open to its owner alone, and those above it that are missing.
///
/// # Errors
/// As the file system refuses.
pub fn create_dir(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        path.ancestors().filter(|dir| !dir.as_os_str().is_empty()).take_while(|dir| !dir.exists()).collect();
    for dir in missing.into_iter().rev() {
        DirBuilder::new().mode(0o700).create(dir)?;
        sync_parent(dir)?;
    }
    Ok(())
}

/// Makes what was renamed into or created in the directory of `path` durable.
///
/// # Errors
/// As the file system refuses.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.map_or_else(|| PathBuf::from("."), Path::to_path_buf))?.sync_all()
}

/// Makes every file and directory below `dir`, and that itself, durable.
///
/// # Errors
/// As the file system refuses.
pub fn sync_tree(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(dir)?.sync_all()
}

/// Copies the files below the directory `from` into the new directory `to`, and makes them durable.
///
/// # Errors
/// As the file system refuses; a part may be there then.
pub fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fn copy(from: &Path, to: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let target = to.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                copy(&entry.path(), &target)?;
            } else {
                fs::copy(entry.path(), target)?;
            }
        }
        Ok(())
    }
    copy(from, to)?;
    sync_tree(to)?;
    sync_parent(to)
}

/// Reads a text file of at most `max` bytes.
///
/// # Errors
/// As the file system refuses; [`io::ErrorKind::FileTooLarge`] if there are more.
pub fn read(path: &Path, max: u64) -> io::Result<Zeroizing<String>> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    if bytes > max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {max} bytes")));
    }
    // Reserved at once, so that no copy of a secret is left behind by growing.
    let capacity = usize::try_from(bytes).map_err(io::Error::other)?.saturating_add(1);
    let mut text = Zeroizing::new(String::with_capacity(capacity));
    file.take(max).read_to_string(&mut text)?;
    Ok(text)
}
