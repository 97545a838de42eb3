//! `plugin keygen`, `plugin sign`: who stands for a component.

use std::path::{Path, PathBuf};

use cairnlog_ledger::limits::SIGNATURE_BYTES_MAX;
use cairnlog_ledger::{join_plugin_signatures, sign_plugin};
use cairnlog_verify::entry::Digest;
use cairnlog_verify::note::{KeyKind, Note, SigningKey};

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

/// Signs components; each signature goes beside its component, with those that are there.
pub(super) fn sign(files: &[PathBuf], key: &Path) -> Result<(), Failure> {
    let keys = note_keys::read(key)?;
    let [key] = keys.as_slice() else {
        return Err(Failure::usage(format!("{} holds several keys; give one", key.display())));
    };
    if key.kind() != KeyKind::Ed25519 {
        return Err(Failure::usage("plugins are signed by keys that `cairnlog plugin keygen` makes"));
    }
    for file in files {
        let wasm = read_bounded(file, PLUGIN_BYTES_MAX as u64)?;
        if !wasm.starts_with(b"\0asm") {
            return Err(Failure::usage(format!(
                "{} is no WebAssembly: what is signed is a component",
                file.display()
            )));
        }
        let digest = digest_of(&wasm);
        let signature = sign_plugin(&digest, key).map_err(|error| Failure::cannot_tell(error.to_string()))?;
        // Others that have signed these very bytes go on to stand for them.
        let signature = match read(&place(file))?.filter(|known| is_about(known, &digest)) {
            Some(known) => join_plugin_signatures(&known, &signature),
            None => signature,
        };
        write(file, &signature)?;
        println!(
            "{} is signed by {}: {}",
            file.display(),
            signers(&signature).join(", "),
            place(file).display()
        );
    }
    Ok(())
}

/// Whom a signed note names, unchecked.
pub(super) fn signers(signature: &str) -> Vec<String> {
    let note = Note::parse(signature).map(|note| note.signatures).unwrap_or_default();
    note.into_iter().map(|signature| signature.name).collect()
}

fn read(place: &Path) -> Result<Option<String>, Failure> {
    if !place.is_file() {
        return Ok(None);
    }
    Ok(Some(String::from_utf8(read_bounded(place, SIGNATURE_BYTES_MAX as u64)?).unwrap_or_default()))
}

fn is_about(signature: &str, digest: &Digest) -> bool {
    signature.lines().nth(1) == Some(&digest.to_string())
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
    let Some(signature) = read(&place)? else { return Ok(None) };
    if Note::parse(&signature).is_err() {
        let words = format!("{} is no signature: sign the component anew, or delete it", place.display());
        return Err(Failure::usage(words));
    }
    if !is_about(&signature, digest) {
        return Err(Failure::usage(format!(
            "{} is about another component than {}: sign it anew, or delete the signature",
            place.display(),
            component.display()
        )));
    }
    Ok(Some(signature))
}
