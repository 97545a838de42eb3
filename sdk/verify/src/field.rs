//! The commitment to a record's fields: a small Merkle tree of salted leaves.
//!
//! Every leaf has a salt of its own, cut from a keystream under the record key, so a leaf confirms no guess about its
//! value and any set of fields can be opened without the others. All leaves, padding included, stand in the order of
//! their hashes, so a position tells nothing about a field and the count only a power of two.
//!
//! [`commit`] is the server's path: one buffer, nothing else allocated. [`FieldTree`] is the same written plainly and
//! kept whole, for whoever has to point at leaves; tests hold the two, and an independent tree, against each other.

mod tree;

use std::fmt;

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::Hash;
use crate::event::{ATTRIBUTES_MAX, Attribute, HOST_ATTRIBUTES_MAX};
use crate::name::{self, OriginError};
use crate::path::PATH_BYTES_MAX;
use crate::tree::node_hash;
use crate::value::{Value, ValueError};

pub use tree::FieldTree;

/// Fewest leaves of a field tree, so that small records look alike.
pub const LEAVES_MIN: usize = 16;

const LEAF_DOMAIN: &[u8] = b"cairnlog/field/v1\0";
const FIELDS_DOMAIN: &[u8] = b"cairnlog/fields/v1\0";
const DROP_DOMAIN: &[u8] = b"cairnlog/drop/v1\0";
const SALTS_INFO: &[u8] = b"cairnlog v1 salts";
const PAYLOAD_INFO: &[u8] = b"cairnlog v1 payload";

/// Bytes of the salt of a leaf.
pub const SALT_BYTES: usize = 16;

/// The 32 random bytes from which a record's salts and the key of its payload are derived. Wiped when dropped.
#[derive(Clone)]
pub struct RecordKey(Zeroizing<[u8; 32]>);

impl RecordKey {
    /// Takes 32 bytes from a cryptographic random source; a key serves one record.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, to be wrapped.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// HKDF-Expand-SHA-256 (RFC 5869 §2.3) to 32 bytes, the record key being the pseudorandom key.
    fn expand(&self, info: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut out = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::from_prk(self.0.as_slice())
            .expect("32 bytes are as many as HKDF-Expand-SHA-256 asks for")
            .expand(info, out.as_mut_slice())
            .expect("HKDF-Expand-SHA-256 gives up to 8,160 bytes");
        out
    }

    /// The `ChaCha20` keystream (RFC 8439) of salts and padding: zero nonce, counter from 0.
    fn keystream(&self) -> ChaCha20 {
        let key = self.expand(SALTS_INFO);
        ChaCha20::new((&*key).into(), &[0; 12].into())
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordKey(…)")
    }
}

/// What an entry says of its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commitment {
    /// How many leaves the tree has, padding included: a power of two from 16.
    pub count: u16,
    /// The hash that binds root, count and origin.
    pub fields: Hash,
}

/// Attributes that can't be committed to. An [`crate::event::Event`] and a valid origin never give one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// The log's origin is none.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// More than an event has with all of the server's own.
    #[error("more than {} attributes", ATTRIBUTES_MAX + HOST_ATTRIBUTES_MAX)]
    TooManyAttributes,
    /// Not in ascending order of the bytes of their paths, or a path twice.
    #[error("attribute {0} is not behind its predecessor in the order of path bytes")]
    Unsorted(usize),
    /// A path that is empty or too long.
    #[error("attribute {0} has a path of no bytes or of more than {PATH_BYTES_MAX}")]
    Path(usize),
    /// A value that must not be kept.
    #[error("attribute {attribute}: {source}")]
    Value {
        /// Its place, from 0.
        attribute: usize,
        /// What is wrong with it.
        source: ValueError,
    },
}

/// Commits to `attributes`, which are sorted by the bytes of their paths, the server's own among them.
///
/// # Errors
/// [`FieldError`]; none for the attributes of an [`crate::event::Event`] and a valid origin.
pub fn commit(key: &RecordKey, origin: &str, attributes: &[Attribute]) -> Result<Commitment, FieldError> {
    let count = checked_count(origin, attributes)?;
    let mut leaves = vec![[0; 32]; usize::from(count)];
    write_leaves(key, attributes, &mut leaves);
    leaves.sort_unstable();
    let root = fold(&mut leaves);
    Ok(Commitment { count, fields: fields_hash(origin, count, &root) })
}

/// Fills `leaves`, which are zero, with the attributes' leaves and then the padding, without another buffer: the salts
/// lie packed at its start (16 bytes each where a leaf takes 32), so leaves are written from the last to the first, each
/// over salts that are no longer needed.
fn write_leaves(key: &RecordKey, attributes: &[Attribute], leaves: &mut [[u8; 32]]) {
    let mut keystream = key.keystream();
    let (own, padding) = leaves.split_at_mut(attributes.len());
    keystream.apply_keystream(&mut own.as_flattened_mut()[..SALT_BYTES * attributes.len()]);
    keystream.apply_keystream(padding.as_flattened_mut());
    for (index, attribute) in attributes.iter().enumerate().rev() {
        let mut salt = [0; SALT_BYTES];
        salt.copy_from_slice(&own.as_flattened()[SALT_BYTES * index..][..SALT_BYTES]);
        own[index] = leaf(&salt, attribute).0;
    }
}

/// The root of `leaves`, a power of two of them; they are overwritten layer by layer.
fn fold(leaves: &mut [[u8; 32]]) -> Hash {
    let mut width = leaves.len();
    while width > 1 {
        width /= 2;
        for index in 0..width {
            leaves[index] = node_hash(&Hash(leaves[2 * index]), &Hash(leaves[2 * index + 1])).0;
        }
    }
    Hash(leaves[0])
}

/// How many leaves the tree of these attributes has, once they and the origin are known to be in order.
fn checked_count(origin: &str, attributes: &[Attribute]) -> Result<u16, FieldError> {
    name::check_origin(origin)?;
    if attributes.len() > ATTRIBUTES_MAX + HOST_ATTRIBUTES_MAX {
        return Err(FieldError::TooManyAttributes);
    }
    let mut previous = "";
    for (index, attribute) in attributes.iter().enumerate() {
        let path = attribute.path.as_str();
        if !(1..=PATH_BYTES_MAX).contains(&path.len()) {
            return Err(FieldError::Path(index));
        }
        if previous >= path {
            return Err(FieldError::Unsorted(index));
        }
        attribute.value.check().map_err(|source| FieldError::Value { attribute: index, source })?;
        previous = path;
    }
    let count = attributes.len().next_power_of_two().max(LEAVES_MIN);
    u16::try_from(count).map_err(|_| FieldError::TooManyAttributes)
}

/// `SHA-256("cairnlog/field/v1\0" || salt[16] || u16be(len(path)) || path || value)`.
pub(crate) fn leaf(salt: &[u8; SALT_BYTES], Attribute { path, value }: &Attribute) -> Hash {
    let length = u16::try_from(path.len()).expect("a checked path has at most 1,024 bytes");
    let mut hasher = Sha256::new();
    hasher.update(LEAF_DOMAIN);
    hasher.update(salt);
    hasher.update(length.to_be_bytes());
    hasher.update(path.as_bytes());
    value.pieces(|piece| hasher.update(piece));
    Hash(hasher.finalize().into())
}

/// `SHA-256("cairnlog/fields/v1\0" || u8(len(origin)) || origin || u16be(count) || root)`.
pub(crate) fn fields_hash(origin: &str, count: u16, root: &Hash) -> Hash {
    let length = u8::try_from(origin.len()).expect("a checked origin has at most 255 bytes");
    let mut hasher = Sha256::new();
    hasher.update(FIELDS_DOMAIN);
    hasher.update([length]);
    hasher.update(origin.as_bytes());
    hasher.update(count.to_be_bytes());
    hasher.update(root.0);
    Hash(hasher.finalize().into())
}

/// The key that seals a record's payload: HKDF-Expand-SHA-256 of the record key, info `cairnlog v1 payload`.
#[must_use]
pub fn payload_key(key: &RecordKey) -> Zeroizing<[u8; 32]> {
    key.expand(PAYLOAD_INFO)
}

/// What a dropped attribute says in place of its value: `SHA-256("cairnlog/drop/v1\0" || salt || original)`, the
/// original with its tag. The salt is random, serves once and is thrown away, or what was dropped could be guessed.
#[must_use]
pub fn drop_commitment(salt: &[u8; 32], original: &Value) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(DROP_DOMAIN);
    hasher.update(salt);
    original.pieces(|piece| hasher.update(piece));
    hasher.finalize().into()
}

/// The token that stands for `value` wherever it is pseudonymized as the same `entity`: `tok1_` and 26 characters of
/// lower-case base32 of `HMAC-SHA-256(key, u8(len(entity)) || entity || value)`, 130 bits.
///
/// Entities have at most 32 bytes; the length of one beyond 255 would be written as 255.
#[must_use]
pub fn pseudonym(key: &[u8; 32], entity: &str, value: &str) -> String {
    let mut mac = keyed(key);
    mac.update(&[u8::try_from(entity.len()).unwrap_or(u8::MAX)]);
    mac.update(entity.as_bytes());
    mac.update(value.as_bytes());
    let mut token = String::from("tok1_");
    token.extend(base32(&mac.finalize().into_bytes()).take(26));
    token
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// Base32 (RFC 4648 §6) in lower case, without padding; whole characters only.
fn base32(bytes: &[u8]) -> impl Iterator<Item = char> {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    (0..bytes.len() * 8 / 5).map(move |index| {
        let (byte, bit) = (index * 5 / 8, index * 5 % 8);
        let next = bytes.get(byte + 1).copied().unwrap_or(0);
        let window = u16::from_be_bytes([bytes[byte], next]);
        char::from(ALPHABET[usize::from(window >> (11 - bit) & 31)])
    })
}
