//! Signed notes (c2sp.org/signed-note): some lines of text, an empty line, and signature lines.
//!
//! A note carries any number of signatures; a reader knows some of the keys. Signatures by keys it does not know are
//! passed over, **one by a key it knows must hold**, or the whole note is refused. Three kinds of keys are spoken
//! here: Ed25519 over the text (0x01, what every log signs with), Ed25519 `cosignature/v1` (0x04, what older witnesses
//! sign with) and ML-DSA-44 (0x06, for logs and witnesses, post-quantum).

mod key;
mod message;
mod signing;

use std::fmt;

pub use key::{KeyError, KeyKind, VerifierKey};
pub use signing::SigningKey;

use crate::b64;
use crate::limits::{NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX};

/// What a signature line begins with: an em dash and a space.
const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// Bytes of the key id in front of each signature.
const ID_BYTES: usize = 4;

/// A well-formed note; whether anybody trusts its signatures is [`Note::verify`]'s answer.
///
/// `Display` writes it out; for a parsed note that is the text it was parsed from, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What is signed, including its last line's end.
    pub text: String,
    /// The signatures, in their order, 1 to [`NOTE_SIGNATURES_MAX`].
    pub signatures: Vec<NoteSignature>,
}

/// One signature line, not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// Name of the key that is said to have signed.
    pub name: String,
    /// Id of that key.
    pub id: u32,
    /// The signature behind the key id; its form depends on the key's type.
    pub bytes: Vec<u8>,
}

/// A note that is malformed or not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// The note is longer than [`NOTE_BYTES_MAX`].
    #[error("note is longer than {NOTE_BYTES_MAX} bytes")]
    TooLong,
    /// The note has a control character besides the line end.
    #[error("note has a control character besides the line end")]
    ControlCharacter,
    /// The text is not one or more lines, each ended.
    #[error("note text does not end with a line end")]
    Text,
    /// There is no empty line with signature lines behind it.
    #[error("note has no signature lines behind an empty line")]
    NoSignatures,
    /// A signature line is malformed; counted from 1.
    #[error("signature line {0} of the note is malformed")]
    SignatureLine(usize),
    /// The note has more than [`NOTE_SIGNATURES_MAX`] signatures.
    #[error("note has more than {NOTE_SIGNATURES_MAX} signatures")]
    TooManySignatures,
    /// A time can't be signed.
    #[error("time is beyond 2^63 - 1 seconds")]
    Time,
    /// An ML-DSA-44 key was to sign a text that is no checkpoint.
    #[error("an ML-DSA-44 key signs checkpoints only, and the text is none")]
    NotACheckpoint,
    /// A subtree can't be signed.
    #[error("subtree can't be signed: take an ML-DSA-44 key, an origin of 1 to 255 bytes and a valid range")]
    Subtree,
    /// Two different trusted keys have the name and id of a signature.
    #[error("two trusted keys are called {0} and share an id; trust one of them")]
    AmbiguousKey(String),
    /// A signature by a trusted key does not hold.
    #[error("signature by the trusted key {0} does not hold")]
    BadSignature(String),
    /// No trusted key has signed.
    #[error("note has no signature by a trusted key")]
    NoTrustedSignature,
}

impl Note {
    /// Splits a note into its text and signatures, at the last empty line.
    ///
    /// # Errors
    /// Any [`NoteError`] but those of [`Note::verify`].
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong);
        }
        let split = note.rfind("\n\n").ok_or(NoteError::NoSignatures)? + 1;
        let (text, signatures) = (&note[..split], &note[split + 1..]);
        check_text(text)?;
        Ok(Self { text: text.to_owned(), signatures: parse_signatures(signatures)? })
    }

    /// Checks every signature whose name and id are those of one of `keys`; gives the keys that have signed, each once, in
    /// the order of their first signature.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`] if one of them does not hold, [`NoteError::NoTrustedSignature`] if there is none,
    /// [`NoteError::AmbiguousKey`] if two different keys would have to be tried.
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<Vec<&'k VerifierKey>, NoteError> {
        let mut signed = Vec::new();
        for signature in &self.signatures {
            let mut candidates = keys.iter().filter(|key| key.is_named_by(signature));
            let Some(key) = candidates.next() else { continue };
            if candidates.any(|other| other != key) {
                return Err(NoteError::AmbiguousKey(signature.name.clone()));
            }
            if !key.accepts_bytes(&self.text, &signature.bytes) {
                return Err(NoteError::BadSignature(signature.name.clone()));
            }
            if !signed.contains(&key) {
                signed.push(key);
            }
        }
        if signed.is_empty() { Err(NoteError::NoTrustedSignature) } else { Ok(signed) }
    }
}

/// The note of `text` with one signature by each of `keys`, in their order. The time, POSIX seconds, is signed by the kinds
/// of keys that sign one (see [`SigningKey::sign`]).
///
/// # Errors
/// [`NoteError::NoSignatures`] without keys, [`NoteError::TooManySignatures`], [`NoteError::TooLong`], and those of
/// [`SigningKey::sign`].
pub fn sign(text: &str, keys: &[&SigningKey], time: u64) -> Result<String, NoteError> {
    check_text(text)?;
    if keys.is_empty() {
        return Err(NoteError::NoSignatures);
    }
    if keys.len() > NOTE_SIGNATURES_MAX {
        return Err(NoteError::TooManySignatures);
    }
    let signatures = keys.iter().map(|key| key.sign(text, time)).collect::<Result<_, _>>()?;
    let note = Note { text: text.to_owned(), signatures }.to_string();
    if note.len() > NOTE_BYTES_MAX { Err(NoteError::TooLong) } else { Ok(note) }
}

/// Reads signature lines that stand alone, each ended: what a witness answers (c2sp.org/tlog-witness).
///
/// # Errors
/// [`NoteError::TooLong`], [`NoteError::NoSignatures`], [`NoteError::SignatureLine`], [`NoteError::TooManySignatures`].
pub fn parse_signatures(lines: &str) -> Result<Vec<NoteSignature>, NoteError> {
    if lines.len() > NOTE_BYTES_MAX {
        return Err(NoteError::TooLong);
    }
    let lines = lines.strip_suffix('\n').ok_or(NoteError::NoSignatures)?;
    let numbered = lines.split('\n').enumerate();
    numbered
        .map(|(number, line)| {
            if number >= NOTE_SIGNATURES_MAX {
                return Err(NoteError::TooManySignatures);
            }
            NoteSignature::parse(line).ok_or(NoteError::SignatureLine(number + 1))
        })
        .collect()
}

impl NoteSignature {
    /// The time, in POSIX seconds, that a signature by a key of this kind says; `None` for one that says none. It is worth
    /// what the signature is.
    #[must_use]
    pub fn time(&self, kind: KeyKind) -> Option<u64> {
        match kind {
            KeyKind::Ed25519 => None,
            KeyKind::Cosignature | KeyKind::MlDsa44 => Some(key::split_time(&self.bytes)?.0),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let (name, signature) = line.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
        let signature = b64::decode(signature).ok()?;
        let (id, bytes) = signature.split_first_chunk::<ID_BYTES>()?;
        (key::is_name(name) && !bytes.is_empty()).then(|| Self {
            name: name.to_owned(),
            id: u32::from_be_bytes(*id),
            bytes: bytes.to_vec(),
        })
    }
}

impl fmt::Display for NoteSignature {
    /// The signature's line, without its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signature = [&self.id.to_be_bytes(), self.bytes.as_slice()].concat();
        write!(f, "{SIGNATURE_PREFIX}{} {}", self.name, b64::encode(&signature))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Text);
    }
    if text.bytes().any(|byte| byte < b' ' && byte != b'\n') {
        return Err(NoteError::ControlCharacter);
    }
    Ok(())
}
