//! Files of private keys: made once, never overwritten, readable to their owner alone. And the keys of signed notes in them.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use cairnlog_verify::note::SigningKey;
use zeroize::Zeroizing;

use super::exit::Failure;
use super::limits::SMALL_FILE_BYTES_MAX;
use super::sources::read_bounded;

/// A fresh seed.
pub(super) fn seed() -> Result<Zeroizing<[u8; 32]>, Failure> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice())
        .map_err(|error| Failure::cannot_tell(format!("the system gives no randomness: {error}")))?;
    Ok(seed)
}

/// Writes secrets to a new file, one a line; durable when it returns.
pub(super) fn keep<T: AsRef<[u8]>>(out: &Path, secrets: impl IntoIterator<Item = T>) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(out);
    let mut file = opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::cannot_tell(format!(
            "{} is there already, and keys are never overwritten; name another file with --out",
            out.display()
        )),
        _ => Failure::file(out, &error),
    })?;
    for secret in secrets {
        let written = file.write_all(secret.as_ref()).and_then(|()| file.write_all(b"\n"));
        written.map_err(|error| Failure::file(out, &error))?;
    }
    let synced = file.sync_all().and_then(|()| cairnlog_store::durable::sync_parent(out));
    synced.map_err(|error| Failure::file(out, &error))
}

/// Writes the private keys to a new file, one a line, and prints the public ones.
pub(super) fn write(keys: &[SigningKey], out: &Path) -> Result<(), Failure> {
    keep(out, keys.iter().map(SigningKey::to_private_note))?;
    let mut stdout = std::io::stdout().lock();
    for key in keys {
        writeln!(stdout, "{}", key.verifier_key())?;
    }
    Ok(())
}

/// The private keys of a file, one a line.
pub(super) fn read(path: &Path) -> Result<Vec<SigningKey>, Failure> {
    let bytes = Zeroizing::new(read_bounded(path, SMALL_FILE_BYTES_MAX)?);
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    let keys: Option<Vec<SigningKey>> =
        text.lines().filter(|line| !line.trim().is_empty()).map(|line| line.trim().parse().ok()).collect();
    keys.filter(|keys| !keys.is_empty()).ok_or_else(|| {
        Failure::usage(format!("{} holds no private keys (PRIVATE+KEY+…), one a line", path.display()))
    })
}
