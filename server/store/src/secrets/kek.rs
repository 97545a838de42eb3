//! Key-encryption keys: where they come from, and which of them wraps a log's keyring.
//!
//! A key has an id, which the keyring names, and the id says where the key is from: one in a log's file `kek` is eight
//! hexadecimal digits, one of the environment begins with `env:`, one in a PKCS#11 token with `pkcs11:`. One source of a
//! server wraps; the keys of the others are there to be read, so that a server can move from one to another.

mod environment;
mod file;
mod token;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::environment::EnvironmentKeks;
pub use self::token::{TokenKeks, TokenSettings};

pub(super) use self::file::FileKeks;
use super::SecretsError;
use super::files::{KEK, at, write};
use super::key::SecretKey;
use super::wrapped::Wrapped;
use crate::durable;

/// Where the key that wraps comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KekSource {
    /// The file `kek` beside each keyring.
    #[default]
    File,
    /// The environment.
    Environment,
    /// A PKCS#11 token.
    Token,
}

/// The key-encryption keys of a server, besides those in the files `kek` of its logs.
#[derive(Clone, Debug, Default)]
pub struct KekSources {
    wraps: KekSource,
    environment: Option<Arc<EnvironmentKeks>>,
    token: Option<Arc<TokenKeks>>,
}

/// The keys of one source.
trait Source: Send + Sync {
    /// The id of the key that wraps.
    fn active(&self) -> &str;

    /// Whether the key `id` is there.
    fn has(&self, id: &str) -> Result<bool, SecretsError>;

    /// Wraps `key` under the active key; `context` names log and purpose, so that it opens nowhere else.
    fn wrap(&self, context: &[u8], key: &SecretKey) -> Result<Wrapped, SecretsError>;

    /// Opens what was wrapped under the key `id` in this context; `None` if it was not.
    fn unwrap(&self, id: &str, context: &[u8], wrapped: &Wrapped) -> Result<Option<SecretKey>, SecretsError>;
}

/// The key-encryption keys of one log.
pub(super) struct Keks {
    /// The file `kek`.
    path: PathBuf,
    file: Option<FileKeks>,
    server: KekSources,
}

impl KekSource {
    /// Where the key of this id is from.
    fn of(id: &str) -> Self {
        if id.starts_with(environment::PREFIX) {
            Self::Environment
        } else if id.starts_with(token::PREFIX) {
            Self::Token
        } else {
            Self::File
        }
    }
}

impl KekSources {
    /// A key of this source wraps; the others that are given are there to be read. One of which nothing is given has no
    /// key, and what is to be wrapped by it fails.
    #[must_use]
    pub fn new(wraps: KekSource, environment: Option<EnvironmentKeks>, token: Option<TokenKeks>) -> Self {
        Self { wraps, environment: environment.map(Arc::new), token: token.map(Arc::new) }
    }
}

impl Keks {
    /// Those of a new log, whose file will be `path`; nothing is written.
    pub(super) fn generate(path: PathBuf, server: KekSources) -> Result<Self, SecretsError> {
        let file = (server.wraps == KekSource::File).then(FileKeks::generate).transpose()?;
        Ok(Self { path, file, server })
    }

    /// Those of a log whose file, if there is one, is `path`.
    pub(super) fn read(path: PathBuf, server: KekSources) -> Result<Self, SecretsError> {
        let file = path.try_exists().map_err(at(&path))?.then(|| FileKeks::read(&path)).transpose()?;
        Ok(Self { path, file, server })
    }

    /// Refuses where the key that a keyring names is not there, and says what to do.
    pub(super) fn require(&self, id: &str, keyring: &Path) -> Result<(), SecretsError> {
        let no_kek = |remedy: &'static str| {
            let (path, id) = (keyring.to_path_buf(), id.to_owned());
            Err(SecretsError::NoKek { path, id, remedy })
        };
        match (self.source(KekSource::of(id)), KekSource::of(id)) {
            (None, KekSource::File) => Err(SecretsError::Missing(self.path.clone())),
            (None, KekSource::Environment) => no_kek(
                "which is from the environment: set CAIRNLOG_KEK to it, also where another source is to wrap from now on",
            ),
            (None, KekSource::Token) => no_kek(
                "which is in a PKCS#11 token: set pkcs11_module, pkcs11_token and the PIN, also where another source is to wrap from now on",
            ),
            (Some(source), _) if source.has(id)? => Ok(()),
            (Some(_), KekSource::File) => no_kek("which the file kek does not hold: restore that one"),
            (Some(_), KekSource::Environment) => {
                no_kek("which CAIRNLOG_KEK does not hold: add it behind the others, after a comma")
            }
            (Some(_), KekSource::Token) => {
                no_kek("which the PKCS#11 token does not hold: use the token that has it")
            }
        }
    }

    /// Makes a key where one is to lie in the file and there is none yet. Durable when it returns.
    pub(super) fn require_active(&mut self) -> Result<(), SecretsError> {
        if self.server.wraps == KekSource::File && self.file.is_none() {
            self.write(FileKeks::generate()?)?;
        }
        Ok(())
    }

    /// Lets a fresh key wrap from now on; the one before is still there to be read. Durable when it returns.
    pub(super) fn renew(&mut self) -> Result<(), SecretsError> {
        self.check_is_in_file()?;
        let renewed = self.file.as_ref().map_or_else(FileKeks::generate, FileKeks::renewed)?;
        self.write(renewed)
    }

    /// Refuses where another source than the file wraps, and says how a key of that one is replaced.
    pub(super) fn check_is_in_file(&self) -> Result<(), SecretsError> {
        match self.server.wraps {
            KekSource::File => Ok(()),
            KekSource::Environment => Err(SecretsError::RotatedElsewhere(
                "put a new key before the others in CAIRNLOG_KEK and start the server again",
            )),
            KekSource::Token => Err(SecretsError::RotatedElsewhere(
                "make a key of another label in the token, let pkcs11_key name it and start the server again",
            )),
        }
    }

    /// Removes the keys of the file that nothing is wrapped by: neither one of these ids nor the active one. Durable when
    /// it returns.
    pub(super) fn forget_all_but(&mut self, used: &BTreeSet<String>) -> Result<(), SecretsError> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut used = used.clone();
        if self.server.wraps == KekSource::File {
            used.insert(file.active().to_owned());
        }
        match file.without_others(&used) {
            Some(left) if left.len() == file.len() => Ok(()),
            Some(left) => self.write(left),
            None => {
                self.file = None;
                match fs::remove_file(&self.path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&self.path)(error)),
                    _ => durable::sync_parent(&self.path).map_err(at(&self.path)),
                }
            }
        }
    }

    /// Writes the file of a new log into the directory that is being made; nothing where none of its keys is in the file.
    pub(super) fn write_into(&self, dir: &Path) -> Result<(), SecretsError> {
        self.file.as_ref().map_or(Ok(()), |file| write(&dir.join(KEK), file.render().as_bytes()))
    }

    /// The id of the key that wraps.
    pub(super) fn active(&self) -> Result<&str, SecretsError> {
        Ok(self.wrapping()?.active())
    }

    /// Wraps `key` under the active key.
    pub(super) fn wrap(&self, context: &[u8], key: &SecretKey) -> Result<Wrapped, SecretsError> {
        self.wrapping()?.wrap(context, key)
    }

    /// Opens what was wrapped under the key `id` in this context; `None` if it was not.
    pub(super) fn unwrap(
        &self,
        id: &str,
        context: &[u8],
        wrapped: &Wrapped,
    ) -> Result<Option<SecretKey>, SecretsError> {
        self.source(KekSource::of(id)).map_or(Ok(None), |source| source.unwrap(id, context, wrapped))
    }

    fn wrapping(&self) -> Result<&dyn Source, SecretsError> {
        self.source(self.server.wraps).ok_or(SecretsError::NoActiveKek)
    }

    fn source(&self, kind: KekSource) -> Option<&dyn Source> {
        match kind {
            KekSource::File => self.file.as_ref().map(|source| source as &dyn Source),
            KekSource::Environment => self.server.environment.as_deref().map(|source| source as &dyn Source),
            KekSource::Token => self.server.token.as_deref().map(|source| source as &dyn Source),
        }
    }

    /// Replaces the file. When that fails either may be on disk; what is in memory is in both.
    fn write(&mut self, file: FileKeks) -> Result<(), SecretsError> {
        write(&self.path, file.render().as_bytes())?;
        self.file = Some(file);
        Ok(())
    }
}
