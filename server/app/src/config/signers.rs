//! The setting `plugin_keys`: whose plugins the server takes.

use std::fmt;
use std::path::Path;

use cairnlog_verify::note::{KeyError, KeyKind, VerifierKey};

use super::ConfigError;

/// The verifier keys in a file, one a line; `#` starts a comment.
pub(super) fn load(file: &Path) -> Result<Vec<VerifierKey>, ConfigError> {
    let refused = |words: &dyn fmt::Display| ConfigError(format!("plugin_keys: {}: {words}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| refused(&error))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys: Vec<VerifierKey> =
        lines.map(|line| key(line).map_err(|words| refused(&words))).collect::<Result<_, _>>()?;
    if keys.is_empty() {
        return Err(refused(&"it holds no key; without the setting, anybody's plugins are taken"));
    }
    if let Some(other) = keys.iter().find(|key| key.kind() != KeyKind::Ed25519) {
        return Err(refused(&format!(
            "{} is no Ed25519 key: `cairnlog plugin keygen` makes one",
            other.name()
        )));
    }
    Ok(keys)
}

fn key(line: &str) -> Result<VerifierKey, String> {
    if line.starts_with("PRIVATE+KEY+") {
        return Err(
            "that is a private key; the setting takes public ones, which `cairnlog plugin keygen` prints"
                .to_owned(),
        );
    }
    line.parse().map_err(|error: KeyError| error.to_string())
}
