//! The field tree, whole.

use chacha20::cipher::StreamCipher as _;

use super::{Commitment, FieldError, RecordKey, SALT_BYTES, checked_count, fields_hash, leaf};
use crate::Hash;
use crate::event::Attribute;
use crate::tree::node_hash;

/// A field tree with every leaf, salt and position: what [`super::commit`] computes and throws away.
///
/// It has no `Debug`, for the salts open the fields.
pub struct FieldTree {
    leaves: Vec<Hash>,
    positions: Vec<usize>,
    salts: Vec<[u8; SALT_BYTES]>,
    root: Hash,
    commitment: Commitment,
}

impl FieldTree {
    /// Builds the tree of `attributes`, which are sorted by the bytes of their paths.
    ///
    /// # Errors
    /// Those of [`super::commit`].
    pub fn new(key: &RecordKey, origin: &str, attributes: &[Attribute]) -> Result<Self, FieldError> {
        let count = checked_count(origin, attributes)?;
        let mut keystream = key.keystream();
        let mut salts = vec![[0; SALT_BYTES]; attributes.len()];
        for salt in &mut salts {
            keystream.apply_keystream(salt);
        }
        let mut padding = vec![[0; 32]; usize::from(count) - attributes.len()];
        for leaf in &mut padding {
            keystream.apply_keystream(leaf);
        }

        let own: Vec<Hash> =
            salts.iter().zip(attributes).map(|(salt, attribute)| leaf(salt, attribute)).collect();
        let mut leaves: Vec<Hash> = own.iter().copied().chain(padding.into_iter().map(Hash)).collect();
        leaves.sort_unstable();
        let positions = own.iter().map(|leaf| leaves.partition_point(|other| other < leaf)).collect();
        let root = root(&leaves);
        let commitment = Commitment { count, fields: fields_hash(origin, count, &root) };
        Ok(Self { leaves, positions, salts, root, commitment })
    }

    /// All leaves, padding included, in ascending order.
    #[must_use]
    pub fn leaves(&self) -> &[Hash] {
        &self.leaves
    }

    /// Where among [`FieldTree::leaves`] the `attribute`-th attribute's leaf stands; `None` beyond the last.
    #[must_use]
    pub fn position(&self, attribute: usize) -> Option<usize> {
        self.positions.get(attribute).copied()
    }

    /// The salt of the `attribute`-th attribute; `None` beyond the last.
    #[must_use]
    pub fn salt(&self, attribute: usize) -> Option<&[u8; 16]> {
        self.salts.get(attribute)
    }

    /// The root over the leaves (RFC 6962 nodes), before origin and count are bound to it.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.root
    }

    /// How many leaves there are, padding included.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.commitment.count
    }

    /// What an entry says of these fields.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        self.commitment
    }
}

/// The root of a power of two of leaves, split in halves as RFC 6962 does.
fn root(leaves: &[Hash]) -> Hash {
    if let [leaf] = leaves {
        return *leaf;
    }
    let (left, right) = leaves.split_at(leaves.len() / 2);
    node_hash(&root(left), &root(right))
}
