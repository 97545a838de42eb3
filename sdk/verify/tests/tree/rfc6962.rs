//! `rs_merkle` as RFC 6962 has it: leaves are hashed before, a lone node moves up unchanged.

use rs_merkle::Hasher;
use sha2::{Digest as _, Sha256};

/// RFC 6962's nodes.
#[derive(Clone)]
pub(crate) struct Rfc6962;

impl Hasher for Rfc6962 {
    type Hash = [u8; 32];

    fn hash(data: &[u8]) -> [u8; 32] {
        Sha256::digest(data).into()
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        right.map_or(*left, |right| Self::hash(&[&[1], left.as_slice(), right].concat()))
    }
}
