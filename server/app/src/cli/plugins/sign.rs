//! `plugin keygen`, `plugin sign`: who stands for a component.

use std::path::{Path, PathBuf};

use cairnlog_ledger::limits::SIGNATURE_BYTES_MAX;
use cairnlog_ledger::sign_plugin;
use cairnlog_verify::entry::Digest;
use cairnlog_verify::note::{KeyKind, SigningKey};

use super::inspect::digest_of;
use crate::cli::exit::Failure;
use crate::cli::note_keys;
use crate::cli::sources::read_bounded;
use crate::limits::PLUGIN_BYTES_MAX;

/// Makes a key that signs plugins, and prints its public half.
pub(super) fn keygen(name: &str, out: &Path) -> Result<(), Failure> {
    if name.contains("://") {
        return Err(Failure::usage(format!("{name}: a key's name is a host and a path, without scheme")));
    }
    let key =
        SigningKey::ed25519(name, *note_keys::seed()?).map_err(|error| Failure::usage(error.to_string()))?;
    note_keys::write(&[key], out)
}

/// Signs components; each signature goes beside its component.
pub(super) fn sign(files: &[PathBuf], key: &Path) -> Result<(), Failure> {
    let keys = note_keys::read(key)?;
    let [key] = keys.as_slice() else {
        return Err(Failure::usage(format!("{} holds several keys; give one", key.display())));
    };
    if key.kind() != KeyKind::Ed25519 {
        return Err(Failure::usage("plugins are signed by keys that `cairnlog plugin keygen` makes"));
    }
    for file in files {
        let digest = digest_of(&read_bounded(file, PLUGIN_BYTES_MAX as u64)?);
        let signature = sign_plugin(&digest, key).map_err(|error| Failure::cannot_tell(error.to_string()))?;
        write(file, &signature)?;
        println!("{} is signed by {}: {}", file.display(), key.name(), place(file).display());
    }
    Ok(())
}

/// Where a component's signature lies.
pub(super) fn place(component: &Path) -> PathBuf {
    let mut name = component.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}

/// Puts a signature beside its component.
pub(super) fn write(component: &Path, signature: &str) -> Result<(), Failure> {
    let place = place(component);
    std::fs::write(&place, signature).map_err(|error| Failure::file(&place, &error))
}

/// The signature beside a component, if there is one; it has to be about that component.
pub(super) fn beside(component: &Path, digest: &Digest) -> Result<Option<String>, Failure> {
    let place = place(component);
    if !place.is_file() {
        return Ok(None);
    }
    let signature = String::from_utf8(read_bounded(&place, SIGNATURE_BYTES_MAX as u64)?).unwrap_or_default();
    if !signature.contains(&digest.to_string()) {
        return Err(Failure::usage(format!(
            "{} is about another component than {}: sign it anew, or delete the signature",
            place.display(),
            component.display()
        )));
    }
    Ok(Some(signature))
}
