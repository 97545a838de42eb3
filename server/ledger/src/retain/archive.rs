//! The archive: what a sweep erases, sealed before to a key that the server does not have.
//!
//! A file holds what goes in one commit, or a part of it: of each record a disclosure of all its fields, a line each. So what is taken out of
//! an archive proves itself, like every disclosure, with the log's key alone. It is sealed with HPKE (RFC 9180, base mode;
//! X25519, HKDF-SHA256, ChaCha20Poly1305): `cairnlog-archive/v1\n || encapsulated key [32] || ciphertext`, the first line being
//! the associated data and [`INFO`] the context.
//!
//! What is erased on request is never archived.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use cairnlog_store::durable;
use cairnlog_verify::b64;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _};
use zeroize::Zeroizing;

use crate::disclose::build;
use crate::error::LedgerError;
use crate::limits::ARCHIVED_BYTES;
use crate::log::Log;
use crate::read::{Opening, Rows};
use crate::task::off_thread;

const FIRST_LINE: &[u8] = b"cairnlog-archive/v1\n";
const INFO: &[u8] = b"cairnlog archive v1";
const KEY_BYTES: usize = 32;
const PUBLIC: &str = "cairnlog-archive-key+";
const SECRET: &str = "PRIVATE+cairnlog-archive-key+";

type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;
type PrivateKey = <X25519HkdfSha256 as Kem>::PrivateKey;

/// Where what a sweep erases goes before, and who can open it.
#[derive(Clone, Debug)]
pub struct Archive {
    /// A directory; each log's files are in one of its name.
    pub dir: PathBuf,
    /// To whom they are sealed.
    pub key: ArchiveKey,
}

impl Archive {
    /// Whether it can be written, tried out: better found at the start than by a sweep. It blocks.
    ///
    /// # Errors
    /// As the file system refuses.
    pub fn probe(&self) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.dir)?;
        let probe = self.dir.join(".probe");
        std::fs::write(&probe, b"")?;
        std::fs::remove_file(probe)
    }
}

/// The key that archives are sealed to: `cairnlog-archive-key+<32 bytes, base64>`. It opens nothing.
#[derive(Clone)]
pub struct ArchiveKey(PublicKey);

/// The key that opens archives: `PRIVATE+cairnlog-archive-key+<32 bytes, base64>`.
///
/// It has no `Debug`.
pub struct ArchiveSecret(PrivateKey);

/// A key or an archive that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// Not a key.
    #[error("not an archive key: it is {PUBLIC} or {SECRET} and 32 bytes in base64")]
    Key,
    /// Not an archive.
    #[error("not an archive of cairnlog: it does not begin with cairnlog-archive/v1")]
    Form,
    /// Sealed to another key, or altered.
    #[error("it does not open: it is sealed to another key, or was altered")]
    Refused,
}

impl ArchiveSecret {
    /// A new key, from the operating system's randomness.
    #[must_use]
    pub fn generate() -> Self {
        Self(X25519HkdfSha256::gen_keypair().0)
    }

    /// The key to seal to.
    #[must_use]
    pub fn key(&self) -> ArchiveKey {
        ArchiveKey(X25519HkdfSha256::sk_to_pk(&self.0))
    }

    /// As a line of text, to be kept where the server can't read it.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new(self.0.to_bytes().to_vec());
        Zeroizing::new(format!("{SECRET}{}", &*Zeroizing::new(b64::encode(&bytes))))
    }

    /// Opens an archive: the text of disclosures, a line each.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn open(&self, archive: &[u8]) -> Result<Zeroizing<Vec<u8>>, ArchiveError> {
        let rest = archive.strip_prefix(FIRST_LINE).ok_or(ArchiveError::Form)?;
        let (encapsulated, sealed) = rest.split_at_checked(KEY_BYTES).ok_or(ArchiveError::Form)?;
        let encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(encapsulated)
            .map_err(|_| ArchiveError::Refused)?;
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.0,
            &encapsulated,
            INFO,
            sealed,
            FIRST_LINE,
        )
        .map(Zeroizing::new)
        .map_err(|_| ArchiveError::Refused)
    }
}

impl ArchiveKey {
    fn seal(&self, plaintext: &[u8]) -> Result<Vec<u8>, LedgerError> {
        let (encapsulated, sealed) =
            hpke::single_shot_seal::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
                &OpModeS::Base,
                &self.0,
                INFO,
                plaintext,
                FIRST_LINE,
            )
            .map_err(LedgerError::internal)?;
        Ok([FIRST_LINE, &encapsulated.to_bytes(), &sealed].concat())
    }
}

fn key_bytes(text: &str, prefix: &str) -> Result<Zeroizing<Vec<u8>>, ArchiveError> {
    let base64 = text.trim().strip_prefix(prefix).ok_or(ArchiveError::Key)?;
    b64::decode(base64).map(Zeroizing::new).map_err(|_| ArchiveError::Key)
}

impl FromStr for ArchiveKey {
    type Err = ArchiveError;

    fn from_str(text: &str) -> Result<Self, ArchiveError> {
        PublicKey::from_bytes(&key_bytes(text, PUBLIC)?).map(Self).map_err(|_| ArchiveError::Key)
    }
}

impl FromStr for ArchiveSecret {
    type Err = ArchiveError;

    fn from_str(text: &str) -> Result<Self, ArchiveError> {
        PrivateKey::from_bytes(&key_bytes(text, SECRET)?).map(Self).map_err(|_| ArchiveError::Key)
    }
}

impl fmt::Display for ArchiveKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC}{}", b64::encode(&self.0.to_bytes()))
    }
}

impl fmt::Debug for ArchiveKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Log {
    /// Puts these records into the archive, if there is one: durable when it returns. What a crash leaves of a sweep is
    /// archived again by the next one.
    pub(super) async fn archive(&self, indices: &[u64]) -> Result<(), LedgerError> {
        let Some(archive) = self.shared().archive.clone() else { return Ok(()) };
        let mut lines = Zeroizing::new(String::new());
        let mut first = None;
        for (place, index) in indices.iter().enumerate() {
            if let Some(disclosure) = self.disclosed_whole(*index).await? {
                first.get_or_insert(*index);
                lines.push_str(&disclosure);
                lines.push('\n');
            }
            let is_last = place + 1 == indices.len();
            if let Some(from) = first
                && (is_last || lines.len() >= ARCHIVED_BYTES)
            {
                let name = format!("{from}-{index}-{}.archive", self.now_ms());
                self.archive_file(archive.clone(), name, std::mem::take(&mut lines)).await?;
                first = None;
            }
        }
        Ok(())
    }

    async fn archive_file(
        &self,
        archive: Archive,
        name: String,
        lines: Zeroizing<String>,
    ) -> Result<(), LedgerError> {
        let dir = archive.dir.join(self.name());
        let written = off_thread(move || {
            let sealed = archive.key.seal(lines.as_bytes())?;
            durable::create_dir(&dir)
                .and_then(|()| durable::write(&dir.join(name), &sealed))
                .map_err(|error| LedgerError::Internal(format!("the archive {}: {error}", dir.display())))
        });
        written.await?
    }

    /// A disclosure of all fields of a record; none if it is gone.
    async fn disclosed_whole(&self, index: u64) -> Result<Option<String>, LedgerError> {
        let receipt = self.tree().receipt(index).await.map_err(LedgerError::internal)?;
        let disclose = move |opening: &mut Opening<'_>, rows: &Rows| {
            let (opened, tree) = opening.open_with_tree(rows)?;
            let attributes = opened.payload.attributes.iter();
            let paths: Vec<String> = attributes.map(|attribute| attribute.path.clone()).collect();
            build(opened, &tree, &paths, false, receipt).map(|disclosure| disclosure.to_string())
        };
        self.opened_by(index, disclose).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_alone() {
        let (one, other) = (ArchiveSecret::generate(), ArchiveSecret::generate());
        let key: ArchiveKey = one.key().to_string().parse().unwrap();
        let sealed = key.seal(b"records").unwrap();
        assert_eq!(*one.open(&sealed).unwrap(), b"records");
        let again: ArchiveSecret = one.expose().parse().unwrap();
        assert_eq!(*again.open(&sealed).unwrap(), b"records");
        assert_eq!(other.open(&sealed).err(), Some(ArchiveError::Refused));
        for place in FIRST_LINE.len()..sealed.len() {
            let mut altered = sealed.clone();
            altered[place] ^= 1;
            assert_eq!(one.open(&altered).err(), Some(ArchiveError::Refused), "byte {place}");
        }
        for short in [&b""[..], FIRST_LINE, &sealed[..FIRST_LINE.len() + 31], b"something else"] {
            assert_eq!(one.open(short).err(), Some(ArchiveError::Form));
        }
    }

    #[test]
    fn other_texts_are_no_keys() {
        let one = ArchiveSecret::generate();
        assert!(one.key().to_string().parse::<ArchiveSecret>().is_err());
        assert!(one.expose().parse::<ArchiveKey>().is_err());
        for text in ["", PUBLIC, "cairnlog-archive-key+AAAA", "cairnlog-archive-key+!"] {
            assert_eq!(text.parse::<ArchiveKey>().err(), Some(ArchiveError::Key), "{text}");
        }
    }
}
