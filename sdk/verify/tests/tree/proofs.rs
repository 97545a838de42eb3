//! Roots and proofs against the definitions and against two independent implementations.

use cairnlog_verify::Hash;
use cairnlog_verify::proof::{Plan, ProofError, verify_consistency, verify_inclusion, verify_subtree};
use cairnlog_verify::tile::Tile;
use cairnlog_verify::tree::{empty_root, leaf_hash};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof};
use proptest::prelude::*;
use rs_merkle::MerkleTree;
use sha2::Sha256;

use crate::oracle::{Log, is_subtree, mth, subtree_proof};
use crate::rfc6962::Rfc6962;

const SIZE_MAX: usize = 1_200;

/// Entries of a tree with sizes around the widths of tiles well represented.
fn entries() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let size = prop_oneof![1..=20usize, 250..=260usize, 508..=516usize, 1..=SIZE_MAX];
    (size, any::<u32>()).prop_map(|(size, seed)| {
        (0..size).map(|i| [seed.to_be_bytes().as_slice(), i.to_string().as_bytes()].concat()).collect()
    })
}

/// A log and two ordered sizes of it, the first at least 1.
fn log_and_sizes() -> impl Strategy<Value = (Vec<Vec<u8>>, usize, usize)> {
    (entries(), any::<prop::sample::Index>(), any::<prop::sample::Index>()).prop_map(|(entries, a, b)| {
        let (a, b) = (a.index(entries.len()) + 1, b.index(entries.len()) + 1);
        (entries, a.min(b), a.max(b))
    })
}

/// A valid subtree that begins at or before `first` and is as long as `[first, last]`.
fn subtree(first: usize, last: usize) -> (usize, usize) {
    let length = last + 1 - first;
    let unit = length.next_power_of_two();
    let start = first / unit * unit;
    (start, start + length)
}

fn prove(log: &Log, plan: &Plan) -> Vec<Hash> {
    plan.evaluate(&log.fetch(&plan.tiles())).unwrap()
}

fn push_all<'a>(tree: &mut MemoryBackedTree<Sha256, &'a [u8]>, entries: &'a [Vec<u8>]) {
    for entry in entries {
        tree.push(entry);
    }
}

fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn roots_equal_those_of_rs_merkle_and_ct_merkle((entries, from, to) in log_and_sizes()) {
        let log = Log::new(&entries);
        let leaves: Vec<[u8; 32]> = log.leaves.iter().map(|leaf| leaf.0).collect();
        let mut tree = MemoryBackedTree::<Sha256, &[u8]>::new();
        push_all(&mut tree, &entries);
        prop_assert_eq!(log.edge.root(), Hash::try_from(tree.root().as_bytes().as_slice()).unwrap());
        for size in [from, to] {
            let root = Hash(MerkleTree::<Rfc6962>::from_leaves(&leaves[..size]).root().unwrap());
            prop_assert_eq!(prove(&log, &Plan::root(size as u64)), [root]);
            prop_assert_eq!(mth(&log.leaves[..size]), root);
        }
    }

    #[test]
    fn inclusion_proofs_equal_those_of_rs_merkle_and_ct_merkle((entries, index, size) in log_and_sizes()) {
        let index = index - 1;
        let log = Log::new(&entries);
        let leaves: Vec<[u8; 32]> = log.leaves[..size].iter().map(|leaf| leaf.0).collect();
        let tree = MerkleTree::<Rfc6962>::from_leaves(&leaves);
        let proof = prove(&log, &Plan::inclusion(index as u64, size as u64).unwrap());
        prop_assert_eq!(&proof, &tree.proof(&[index]).proof_hashes().iter().copied().map(Hash).collect::<Vec<_>>());

        let root = Hash(tree.root().unwrap());
        prop_assert_eq!(verify_inclusion(index as u64, size as u64, &log.leaves[index], &proof, &root), Ok(()));
        let mut tree = MemoryBackedTree::<Sha256, &[u8]>::new();
        push_all(&mut tree, &entries[..size]);
        let foreign = InclusionProof::from_bytes(bytes(&proof));
        prop_assert!(tree.root().verify_inclusion(&entries[index], index as u64, &foreign).is_ok());
    }

    #[test]
    fn consistency_proofs_equal_those_of_ct_merkle((entries, from, to) in log_and_sizes()) {
        let log = Log::new(&entries);
        let mut tree = MemoryBackedTree::<Sha256, &[u8]>::new();
        push_all(&mut tree, &entries[..from]);
        let root1 = tree.root();
        push_all(&mut tree, &entries[from..to]);
        let proof = prove(&log, &Plan::consistency(from as u64, to as u64).unwrap());
        let encoded = bytes(&proof);
        prop_assert_eq!(&encoded, &tree.prove_consistency(to - from).as_bytes().to_vec());

        let foreign = ConsistencyProof::try_from_bytes(encoded).unwrap();
        prop_assert!(tree.root().verify_consistency(&root1, &foreign).is_ok());
        let (root1, root2) = (mth(&log.leaves[..from]), mth(&log.leaves[..to]));
        prop_assert_eq!(verify_consistency(from as u64, to as u64, &proof, &root1, &root2), Ok(()));
    }

    #[test]
    fn proofs_from_tiles_equal_the_definition(
        (entries, first, last) in log_and_sizes(),
        length in prop_oneof![1..=20usize, 1..=SIZE_MAX],
    ) {
        let log = Log::new(&entries);
        let size = entries.len();
        let (first, last) = (first - 1, last - 1);
        let (start, end) = subtree(first, last.min(first + length - 1));
        let (from, to, of) = (start as u64, end as u64, size as u64);
        let proof = prove(&log, &Plan::subtree(from, to, of).unwrap());
        prop_assert_eq!(&proof, &subtree_proof(start, end, &log.leaves));
        let (node, root) = (mth(&log.leaves[start..end]), log.edge.root());
        prop_assert_eq!(verify_subtree(from, to, of, &proof, &node, &root), Ok(()));
    }

    #[test]
    fn a_mutated_proof_is_refused(
        (entries, from, to) in log_and_sizes(),
        position: prop::sample::Index,
        bit in 0..256usize,
    ) {
        let log = Log::new(&entries);
        let (index, size) = (from as u64 - 1, to as u64);
        let (leaf, root) = (log.leaves[from - 1], mth(&log.leaves[..to]));
        let (root1, from) = (mth(&log.leaves[..from]), from as u64);
        let inclusion = prove(&log, &Plan::inclusion(index, size).unwrap());
        let consistency = prove(&log, &Plan::consistency(from, size).unwrap());
        for (proof, check) in [
            (inclusion, &(|p: &[Hash]| verify_inclusion(index, size, &leaf, p, &root)) as &dyn Fn(&[Hash]) -> _),
            (consistency, &|p: &[Hash]| verify_consistency(from, size, p, &root1, &root)),
        ] {
            prop_assert_eq!(check(&proof), Ok(()));
            let mut longer = proof.clone();
            longer.insert(position.index(proof.len() + 1), empty_root());
            prop_assert!(check(&longer).is_err());
            if !proof.is_empty() {
                let position = position.index(proof.len());
                let mut shorter = proof.clone();
                shorter.remove(position);
                prop_assert!(check(&shorter).is_err());
                let mut flipped = proof.clone();
                flipped[position].0[bit / 8] ^= 1 << (bit % 8);
                prop_assert_eq!(check(&flipped), Err(ProofError::Mismatch));
            }
        }
        let mut other = root;
        other.0[bit / 8] ^= 1 << (bit % 8);
        let inclusion = prove(&log, &Plan::inclusion(index, size).unwrap());
        prop_assert_eq!(verify_inclusion(index, size, &leaf, &inclusion, &other), Err(ProofError::Mismatch));
        prop_assert_eq!(verify_inclusion(index, size, &other, &inclusion, &root), Err(ProofError::Mismatch));
        let consistency = prove(&log, &Plan::consistency(from, size).unwrap());
        prop_assert_eq!(verify_consistency(from, size, &consistency, &root1, &other), Err(ProofError::Mismatch));
        prop_assert_eq!(verify_consistency(from, size, &consistency, &other, &root), Err(ProofError::Mismatch));
    }

    #[test]
    fn any_numbers_and_hashes_are_answered(
        (a, b, c) in (edge_number(), edge_number(), edge_number()),
        proof in prop::collection::vec(any::<[u8; 32]>().prop_map(Hash), 0..70),
    ) {
        let hash = leaf_hash(b"leaf");
        prop_assert!(verify_inclusion(a, c, &hash, &proof, &empty_root()).is_err());
        prop_assert!(verify_consistency(a, c, &proof, &hash, &empty_root()).is_err());
        prop_assert!(verify_subtree(a, b, c, &proof, &hash, &empty_root()).is_err());
        for plan in [Plan::inclusion(a, c), Plan::consistency(a, c), Plan::subtree(a, b, c), Ok(Plan::root(c))]
            .into_iter()
            .flatten()
        {
            let tiles = plan.tiles();
            prop_assert!(tiles.len() <= 64);
            prop_assert!(tiles.is_sorted() && tiles.iter().all(|tile| (1..=256).contains(&tile.width)));
        }
    }
}

/// Numbers near the ends of `u64` and near powers of two.
fn edge_number() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0..300u64,
        (u64::MAX - 3)..=u64::MAX,
        (0..64u32, -2..=2i64).prop_map(|(shift, near)| (1u64 << shift).wrapping_add_signed(near)),
    ]
}

/// Every subtree of every tree of up to 40 leaves; every other range is refused.
#[test]
fn all_subtrees_of_small_trees() {
    let log = Log::of_decimals(40);
    for size in 0..=40 {
        let root = mth(&log.leaves[..size]);
        for (start, end) in (0..=size + 1).flat_map(|start| (0..=size + 1).map(move |end| (start, end))) {
            let (from, to, of) = (start as u64, end as u64, size as u64);
            let plan = Plan::subtree(from, to, of);
            if !is_subtree(start, end) || end > size {
                let refusal = ProofError::NotASubtree { start: from, end: to, size: of };
                assert_eq!(plan, Err(refusal));
                assert_eq!(verify_subtree(from, to, of, &[], &root, &root), Err(refusal));
                continue;
            }
            let proof = prove(&log, &plan.unwrap());
            assert_eq!(proof, subtree_proof(start, end, &log.leaves[..size]), "[{start}, {end}) of {size}");
            let node = mth(&log.leaves[start..end]);
            assert_eq!(
                verify_subtree(from, to, of, &proof, &node, &root),
                Ok(()),
                "[{start}, {end}) of {size}"
            );
        }
    }
}

/// Three levels of tiles.
#[test]
fn proofs_across_tile_levels_equal_the_definition() {
    let log = Log::of_decimals(66_000);
    let size = log.leaves.len();
    for (start, end) in [
        (0, 1),
        (255, 256),
        (65_535, 65_536),
        (65_536, 65_537),
        (65_999, 66_000),
        (0, 256),
        (0, 257),
        (0, 65_535),
        (0, 65_536),
        (0, 65_999),
        (32_768, 65_000),
        (65_536, 66_000),
    ] {
        let plan = Plan::subtree(start as u64, end as u64, size as u64).unwrap();
        assert_eq!(prove(&log, &plan), subtree_proof(start, end, &log.leaves), "[{start}, {end})");
    }
}

#[test]
fn a_tree_begins_with_the_empty_one() {
    let root = leaf_hash(b"entry");
    assert_eq!(verify_consistency(0, 1, &[], &empty_root(), &root), Ok(()));
    assert_eq!(verify_consistency(0, 1, &[], &root, &root), Err(ProofError::Mismatch));
    assert_eq!(verify_consistency(0, 1, &[root], &empty_root(), &root), Err(ProofError::Length));
    assert_eq!(verify_consistency(0, 0, &[], &empty_root(), &empty_root()), Ok(()));
    assert_eq!(verify_consistency(0, 0, &[], &empty_root(), &root), Err(ProofError::Mismatch));
}

#[test]
fn impossible_proofs_are_refused() {
    assert_eq!(Plan::inclusion(5, 5), Err(ProofError::NotInTree { index: 5, size: 5 }));
    assert_eq!(Plan::inclusion(0, 0), Err(ProofError::NotInTree { index: 0, size: 0 }));
    assert_eq!(
        Plan::inclusion(u64::MAX, u64::MAX),
        Err(ProofError::NotInTree { index: u64::MAX, size: u64::MAX })
    );
    assert_eq!(Plan::consistency(6, 5), Err(ProofError::NotASubtree { start: 0, end: 6, size: 5 }));
    assert!(Plan::subtree(1 << 63, u64::MAX, u64::MAX).is_ok());
    assert!(Plan::subtree(1, (1 << 63) + 2, u64::MAX).is_err());
    assert!(Plan::inclusion(u64::MAX - 1, u64::MAX).is_ok());
}

#[test]
fn missing_and_short_tiles_are_named() {
    let log = Log::of_decimals(300);
    let plan = Plan::inclusion(7, 300).unwrap();
    let (full, edge) = (Tile { level: 0, index: 0, width: 256 }, Tile { level: 0, index: 1, width: 44 });
    assert_eq!(plan.tiles(), [full, edge]);
    let mut tiles = log.fetch(&plan.tiles());
    tiles.get_mut(&edge).unwrap().pop();
    assert_eq!(plan.evaluate(&tiles), Err(ProofError::ShortTile(edge)));
    tiles.remove(&full);
    assert_eq!(plan.evaluate(&tiles), Err(ProofError::MissingTile(full)));
    assert_eq!(ProofError::MissingTile(edge).to_string(), "tile tile/0/001.p/44 is missing");
}

/// A wider version of a tile holds all that a narrower one does.
#[test]
fn wider_tiles_serve_smaller_trees() {
    let log = Log::of_decimals(256);
    let plan = Plan::consistency(9, 100).unwrap();
    let wide = log.tile(Tile { level: 0, index: 0, width: 256 });
    let tiles = std::collections::HashMap::from([(Tile { level: 0, index: 0, width: 100 }, wide)]);
    assert_eq!(plan.evaluate(&tiles).unwrap(), prove(&log, &plan));
}
