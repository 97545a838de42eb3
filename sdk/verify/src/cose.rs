//! COSE receipts (draft-ietf-cose-merkle-tree-proofs, `RFC9162_SHA256`): an inclusion proof and a signature over the root
//! that it leads to, in CBOR.
//!
//! ```text
//! receipt   = 18([<<protected>>, {396: {-1: [<<[size, index, [path]]>>]}}, nil, signature])
//! protected = {1: algorithm, 4: key id, 395: 1}
//! ```
//!
//! The payload, the root, is detached: who verifies computes it from the entry and the path. What is signed is COSE's
//! `Sig_structure` (RFC 9052 §4.4) around the protected header and the root. The key id is `<name>+<id>` as in a vkey; as it
//! is protected and a log's key is named like its origin, the signature says which log. It can't be mistaken for a note's
//! or a cosignature's: those begin otherwise. Size and index are **not** signed but follow from the root, up to sizes and
//! indices whose proofs have the same shape; who needs the size takes a [`crate::receipt`].
//!
//! One profile is read, the one that is written, in deterministic CBOR (RFC 8949 §4.2.1).

mod cbor;

use self::cbor::Reader;
use crate::limits::{COSE_RECEIPT_BYTES_MAX, ENTRY_BYTES_MAX, PROOF_HASHES_MAX};
use crate::note::{KeyKind, SigningKey, VerifierKey};
use crate::proof::{ProofError, inclusion_root};
use crate::{Hash, tree};

/// Content type of a receipt (RFC 9052 §2).
pub const CONTENT_TYPE: &str = "application/cose; cose-type=\"cose-sign1\"";

/// The first byte of every receipt, by which it is told from a [`crate::receipt`], whose text begins otherwise.
pub const FIRST_BYTE: u8 = 0xd2;

/// Tag of a `COSE_Sign1` (RFC 9052 §4.2).
const SIGN1: u64 = 18;
/// Header labels: algorithm, key id, verifiable data structure, proofs of it.
const ALGORITHM: u64 = 1;
const KEY_ID: u64 = 4;
const STRUCTURE: u64 = 395;
const PROOFS: u64 = 396;
/// `RFC9162_SHA256`, and the label of its inclusion proofs.
const RFC9162_SHA256: u64 = 1;
const INCLUSION: i16 = -1;

/// What a receipt is signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i16)]
pub enum Algorithm {
    /// `EdDSA` (RFC 9053 §2.2), with a note key of type 0x01.
    EdDsa = -8,
    /// `ML-DSA-44` (draft-ietf-cose-dilithium), with a note key of type 0x06.
    MlDsa44 = -48,
}

/// A receipt that an entry is in a log. Nothing in it is trusted before [`CoseReceipt::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoseReceipt {
    /// What it is signed with.
    pub algorithm: Algorithm,
    /// Name and id of the key that is said to have signed: `<name>+<id>`.
    pub key_id: String,
    /// Entries of the tree.
    pub size: u64,
    /// The entry's position in the tree.
    pub index: u64,
    /// The inclusion proof (RFC 9162 §2.1.3), the leaf's sibling first.
    pub hashes: Vec<Hash>,
    /// The signature over the root.
    pub signature: Vec<u8>,
}

/// A receipt that can't be made or read, or does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CoseError {
    /// The key is a witness': of type 0x04.
    #[error("receipts are signed with keys of type 0x01 or 0x06")]
    Kind,
    /// The bytes are no receipt of the profile.
    #[error("bytes are not a COSE receipt of inclusion for RFC9162_SHA256 in deterministic CBOR")]
    Malformed,
    /// None of the keys is the one that is said to have signed.
    #[error("receipt is not signed by a trusted key")]
    UnknownKey,
    /// The signature does not hold, or the entry is another one.
    #[error("signature does not hold for the tree that the entry and the proof lead to")]
    Signature,
    /// The proof has another length than the size and index ask for.
    #[error("receipt does not prove the entry: {0}")]
    Proof(#[from] ProofError),
}

impl Algorithm {
    fn of(kind: KeyKind) -> Result<Self, CoseError> {
        match kind {
            KeyKind::Ed25519 => Ok(Self::EdDsa),
            KeyKind::MlDsa44 => Ok(Self::MlDsa44),
            KeyKind::Cosignature => Err(CoseError::Kind),
        }
    }

    fn signature_bytes(self) -> usize {
        match self {
            Self::EdDsa => 64,
            Self::MlDsa44 => 2420,
        }
    }
}

impl CoseReceipt {
    /// Signs a receipt for the entry with this leaf hash; the root is the one that the proof leads to.
    ///
    /// # Errors
    /// [`CoseError::Kind`], [`CoseError::Proof`].
    pub fn sign(
        key: &SigningKey,
        size: u64,
        index: u64,
        leaf: &Hash,
        hashes: Vec<Hash>,
    ) -> Result<Self, CoseError> {
        let root = inclusion_root(index, size, leaf, &hashes)?;
        let signature = key.sign_bytes(&to_be_signed(key.verifier_key(), &root)?);
        let key_id = key_id(key.verifier_key());
        Ok(Self { algorithm: Algorithm::of(key.kind())?, key_id, size, index, hashes, signature })
    }

    /// The receipt's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut proof = Vec::new();
        cbor::array(&mut proof, 3);
        cbor::unsigned(&mut proof, self.size);
        cbor::unsigned(&mut proof, self.index);
        cbor::array(&mut proof, self.hashes.len());
        self.hashes.iter().for_each(|hash| cbor::bytes(&mut proof, &hash.0));

        let mut out = Vec::new();
        cbor::tag(&mut out, SIGN1);
        cbor::array(&mut out, 4);
        cbor::bytes(&mut out, &protected(self.algorithm, &self.key_id));
        cbor::map(&mut out, 1);
        cbor::unsigned(&mut out, PROOFS);
        cbor::map(&mut out, 1);
        cbor::negative(&mut out, INCLUSION);
        cbor::array(&mut out, 1);
        cbor::bytes(&mut out, &proof);
        cbor::nil(&mut out);
        cbor::bytes(&mut out, &self.signature);
        out
    }

    /// Reads what [`CoseReceipt::encode`] writes.
    ///
    /// # Errors
    /// [`CoseError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, CoseError> {
        if bytes.len() > COSE_RECEIPT_BYTES_MAX {
            return Err(CoseError::Malformed);
        }
        read(bytes).ok_or(CoseError::Malformed)
    }

    /// Checks that one of `keys` has signed the root of the tree in which `entry` is; gives that root. Index and size are
    /// then the receipt's, see [the module](self).
    ///
    /// # Errors
    /// [`CoseError::UnknownKey`], [`CoseError::Proof`], [`CoseError::Signature`].
    pub fn verify(&self, entry: &[u8], keys: &[VerifierKey]) -> Result<Hash, CoseError> {
        if entry.len() > ENTRY_BYTES_MAX {
            return Err(CoseError::Signature);
        }
        let is_named = |key: &&VerifierKey| {
            Algorithm::of(key.kind()) == Ok(self.algorithm) && key_id(key) == self.key_id
        };
        let mut keys = keys.iter().filter(is_named).peekable();
        keys.peek().ok_or(CoseError::UnknownKey)?;
        let root = inclusion_root(self.index, self.size, &tree::leaf_hash(entry), &self.hashes)?;
        let holds = |key: &VerifierKey| {
            to_be_signed(key, &root).is_ok_and(|message| key.holds(&message, &self.signature))
        };
        if keys.any(holds) { Ok(root) } else { Err(CoseError::Signature) }
    }
}

/// The bytes that `key` signs for a root: `["Signature1", <<protected>>, h'', root]`.
///
/// # Errors
/// [`CoseError::Kind`].
pub fn to_be_signed(key: &VerifierKey, root: &Hash) -> Result<Vec<u8>, CoseError> {
    let mut out = Vec::new();
    cbor::array(&mut out, 4);
    cbor::text(&mut out, "Signature1");
    cbor::bytes(&mut out, &protected(Algorithm::of(key.kind())?, &key_id(key)));
    cbor::bytes(&mut out, b"");
    cbor::bytes(&mut out, &root.0);
    Ok(out)
}

fn key_id(key: &VerifierKey) -> String {
    format!("{}+{:08x}", key.name(), key.id())
}

fn protected(algorithm: Algorithm, key_id: &str) -> Vec<u8> {
    let mut out = Vec::new();
    cbor::map(&mut out, 3);
    cbor::unsigned(&mut out, ALGORITHM);
    cbor::negative(&mut out, algorithm as i16);
    cbor::unsigned(&mut out, KEY_ID);
    cbor::bytes(&mut out, key_id.as_bytes());
    cbor::unsigned(&mut out, STRUCTURE);
    cbor::unsigned(&mut out, RFC9162_SHA256);
    out
}

fn read(bytes: &[u8]) -> Option<CoseReceipt> {
    let mut outer = Reader::new(bytes);
    outer.expect_tag(SIGN1)?;
    outer.expect_array(4)?;
    let (algorithm, key_id) = read_protected(outer.bytes()?)?;
    outer.expect_map(1)?;
    outer.expect_unsigned(PROOFS)?;
    outer.expect_map(1)?;
    outer.expect_negative(INCLUSION)?;
    outer.expect_array(1)?;
    let (size, index, hashes) = read_proof(outer.bytes()?)?;
    outer.nil()?;
    let signature = outer.bytes()?.to_vec();
    outer.end()?;
    let right_length = signature.len() == algorithm.signature_bytes();
    right_length.then_some(CoseReceipt { algorithm, key_id, size, index, hashes, signature })
}

fn read_protected(bytes: &[u8]) -> Option<(Algorithm, String)> {
    let mut reader = Reader::new(bytes);
    reader.expect_map(3)?;
    reader.expect_unsigned(ALGORITHM)?;
    let number = reader.negative()?;
    let algorithm =
        [Algorithm::EdDsa, Algorithm::MlDsa44].into_iter().find(|algorithm| *algorithm as i16 == number)?;
    reader.expect_unsigned(KEY_ID)?;
    let key_id = std::str::from_utf8(reader.bytes()?).ok()?.to_owned();
    reader.expect_unsigned(STRUCTURE)?;
    reader.expect_unsigned(RFC9162_SHA256)?;
    reader.end()?;
    Some((algorithm, key_id))
}

fn read_proof(bytes: &[u8]) -> Option<(u64, u64, Vec<Hash>)> {
    let mut reader = Reader::new(bytes);
    reader.expect_array(3)?;
    let (size, index) = (reader.unsigned()?, reader.unsigned()?);
    let count = usize::try_from(reader.array()?).ok().filter(|count| *count <= PROOF_HASHES_MAX)?;
    let mut hashes = Vec::with_capacity(count);
    for _ in 0..count {
        hashes.push(Hash(reader.bytes()?.try_into().ok()?));
    }
    reader.end()?;
    Some((size, index, hashes))
}
