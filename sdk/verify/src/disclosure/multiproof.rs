//! From some leaves of a field tree to its root.

use super::DisclosureError;
use crate::Hash;
use crate::tree::node_hash;

/// The root of the tree of `count` leaves, a power of two, some of which are `known`: in ascending order of their
/// positions, all below `count`, one at least. `proof` has the other nodes that are needed, layer by layer from the leaves
/// up, left to right, and no others.
pub(super) fn root(count: u16, mut known: Vec<(u16, Hash)>, proof: &[Hash]) -> Result<Hash, DisclosureError> {
    let (mut width, mut proof) = (count, proof.iter());
    while width > 1 {
        known = above(&known, &mut proof).ok_or(DisclosureError::MissingHashes)?;
        width /= 2;
    }
    match (known.as_slice(), proof.as_slice()) {
        ([(_, root)], []) => Ok(*root),
        (_, [_, ..]) => Err(DisclosureError::SurplusHashes),
        _ => Err(DisclosureError::NoFields),
    }
}

/// The nodes above the known ones. `None` if the proof lacks a sibling.
fn above<'a>(known: &[(u16, Hash)], proof: &mut impl Iterator<Item = &'a Hash>) -> Option<Vec<(u16, Hash)>> {
    let mut nodes = Vec::with_capacity(known.len());
    let mut left_to_do = known.iter().copied().peekable();
    while let Some((position, hash)) = left_to_do.next() {
        let node = if position % 2 == 1 {
            node_hash(proof.next()?, &hash)
        } else {
            match left_to_do.next_if(|(next, _)| *next == position + 1) {
                Some((_, right)) => node_hash(&hash, &right),
                None => node_hash(&hash, proof.next()?),
            }
        };
        nodes.push((position / 2, node));
    }
    Some(nodes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rs_merkle::{Hasher, MerkleTree};

    use super::*;

    /// RFC 6962's nodes for `rs_merkle`.
    #[derive(Clone)]
    struct Rfc6962;

    impl Hasher for Rfc6962 {
        type Hash = [u8; 32];

        fn hash(_: &[u8]) -> [u8; 32] {
            unreachable!("leaves are hashes already")
        }

        fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
            right.map_or(*left, |right| node_hash(&Hash(*left), &Hash(*right)).0)
        }
    }

    #[test]
    fn every_subset_of_up_to_16_leaves_leads_to_the_root_as_rs_merkle_proves_it() {
        for count in [1_u16, 2, 4, 8, 16] {
            let leaves: Vec<[u8; 32]> = (0..count).map(|at| [u8::try_from(at).unwrap(); 32]).collect();
            let tree = MerkleTree::<Rfc6962>::from_leaves(&leaves);
            for mask in 1_u32..1 << count {
                let positions: Vec<usize> = (0..leaves.len()).filter(|at| mask >> at & 1 == 1).collect();
                let proof: Vec<Hash> =
                    tree.proof(&positions).proof_hashes().iter().map(|hash| Hash(*hash)).collect();
                let known: Vec<(u16, Hash)> =
                    positions.iter().map(|at| (u16::try_from(*at).unwrap(), Hash(leaves[*at]))).collect();
                assert_eq!(
                    root(count, known.clone(), &proof),
                    Ok(Hash(tree.root().unwrap())),
                    "{positions:?}"
                );
                let more = [proof.as_slice(), &[Hash([0xff; 32])]].concat();
                assert_eq!(root(count, known.clone(), &more), Err(DisclosureError::SurplusHashes));
                if let Some((_, fewer)) = proof.split_last() {
                    assert_eq!(root(count, known, fewer), Err(DisclosureError::MissingHashes));
                }
            }
        }
    }

    #[test]
    fn nothing_leads_nowhere() {
        assert_eq!(root(16, Vec::new(), &[]), Err(DisclosureError::NoFields));
        assert_eq!(root(16, Vec::new(), &[Hash([1; 32])]), Err(DisclosureError::SurplusHashes));
    }
}
