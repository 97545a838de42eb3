//! Where copies go: each kind apart from the others and from the data.

use std::path::{Path, PathBuf};

use cairnlog_store::durable;

use super::{BackupError, at};

/// Where copies go; nowhere where a kind is not wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    /// Of the store.
    pub(crate) store: Option<PathBuf>,
    /// Of the keyrings.
    pub(crate) keyrings: Option<PathBuf>,
    /// Of the secrets in the clear.
    pub(crate) secrets: Option<PathBuf>,
}

impl Places {
    /// Makes the places that are not there, and refuses where two are not apart. `data` is the data directory. Blocks.
    pub(super) fn prepare(&self, data: &Path) -> Result<(), BackupError> {
        let named: Vec<&PathBuf> =
            [&self.store, &self.keyrings, &self.secrets].into_iter().flatten().collect();
        if named.is_empty() {
            return Err(BackupError::Nowhere);
        }
        let mut known = vec![(data.to_path_buf(), data.canonicalize().map_err(at(data))?)];
        for place in named {
            // Before it is made, so that nothing is made in a wrong one.
            let whole = whole(place)?;
            if let Some((other, _)) =
                known.iter().find(|(_, known)| whole.starts_with(known) || known.starts_with(&whole))
            {
                return Err(BackupError::NotApart(other.clone(), place.clone()));
            }
            durable::create_dir(place).map_err(at(place))?;
            known.push((place.clone(), whole));
        }
        Ok(())
    }
}

/// The path without links, of a directory of which a part may not be there yet.
fn whole(path: &Path) -> Result<PathBuf, BackupError> {
    let path = std::path::absolute(path).map_err(at(path))?;
    let there = path.ancestors().find(|part| part.exists()).unwrap_or(Path::new("/"));
    let rest = path.strip_prefix(there).unwrap_or(Path::new(""));
    Ok(there.canonicalize().map_err(at(there))?.join(rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn places_are_apart_whatever_they_are_called() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let data = at("data");
        std::fs::create_dir(&data).unwrap();
        std::os::unix::fs::symlink(&data, at("link")).unwrap();
        let places = |store: &str, keyrings: &str, secrets: &str| {
            let path = |name: &str| (!name.is_empty()).then(|| at(name));
            Places { store: path(store), keyrings: path(keyrings), secrets: path(secrets) }
        };
        for (store, keyrings, secrets) in [
            ("b", "b", ""),
            ("b", "b/keys", ""),
            ("b/store", "b", ""),
            ("b", "", "b"),
            ("", "b", "b/c"),
            ("data", "", ""),
            ("data/b", "", ""),
            ("link/b", "", ""),
            ("", "", "."),
        ] {
            let refused = places(store, keyrings, secrets).prepare(&data);
            assert!(matches!(refused, Err(BackupError::NotApart(..))), "{store} {keyrings} {secrets}");
        }
        assert!(matches!(Places::default().prepare(&data), Err(BackupError::Nowhere)));
        places("b/s", "b/k", "b/x").prepare(&data).unwrap();
        assert!(["b/s", "b/k", "b/x"].iter().all(|name| at(name).is_dir()));
    }
}
