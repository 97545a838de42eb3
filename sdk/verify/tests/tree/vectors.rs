//! Published trees: their roots, nodes, tiles, bundles and proofs.

use std::fmt::Write as _;

use cairnlog_verify::proof::{Plan, verify_consistency, verify_inclusion, verify_subtree};
use cairnlog_verify::tile::{BundleId, Tile};
use cairnlog_verify::tree::{CompactRange, empty_root, leaf_hash};
use cairnlog_verify::{Hash, bundle};
use sha2::{Digest as _, Sha256};

use crate::oracle::{Log, is_subtree, mth};

/// Certificate Transparency's reference tree (transparency-dev/merkle `testonly/constants.go`, Apache-2.0).
const CT_ENTRIES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];

const CT_ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/// Level by level, from the leaves.
const CT_NODES: [&[&str]; 3] = [
    &[
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7",
        "07506a85fd9dd2f120eb694f86011e5bb4662e5c415a62917033d4a9624487e7",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "4271a26be0d8a84f0bd54c8c302e7cb3a3b5d1fa6780a40bcce2873477dab658",
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
        "46f6ffadd3d06a09ff3c5860d2755c8b9819db7df44251788c7d8e3180de8eb1",
    ],
    &[
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    ],
    &[
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
];

const CT_LONE: &str = "837dbb152e9b079010717e84e865da4ebc0fa198a806d59d31bf15accef22d0e";

fn hex(text: &str) -> Hash {
    Hash::from_hex(text).unwrap()
}

fn node(level: usize, index: usize) -> Hash {
    hex(CT_NODES[level][index])
}

fn prove(log: &Log, plan: &Plan) -> Vec<Hash> {
    plan.evaluate(&log.fetch(&plan.tiles())).unwrap()
}

#[test]
fn ct_reference_tree_hashes() {
    assert_eq!(empty_root(), hex(CT_ROOTS[0]));
    let mut edge = CompactRange::new();
    assert_eq!(edge.root(), hex(CT_ROOTS[0]));
    let mut nodes = 0;
    for (entry, root) in CT_ENTRIES.iter().zip(&CT_ROOTS[1..]) {
        edge.push(leaf_hash(entry), |id, hash| {
            nodes += 1;
            if id.level < 3 {
                assert_eq!(hash, node(id.level.into(), id.index.try_into().unwrap()));
            }
        });
        assert_eq!(edge.root(), hex(root));
    }
    assert_eq!(nodes, 15);
}

#[test]
fn ct_reference_tree_inclusion_proofs() {
    let log = Log::new(CT_ENTRIES);
    for (index, size, expected) in [
        (0, 1, vec![]),
        (0, 8, vec![node(0, 1), node(1, 1), node(2, 1)]),
        (5, 8, vec![node(0, 4), node(1, 3), node(2, 0)]),
        (2, 3, vec![node(1, 0)]),
        (1, 5, vec![node(0, 0), node(1, 1), node(0, 4)]),
    ] {
        let proof = prove(&log, &Plan::inclusion(index, size).unwrap());
        assert_eq!(proof, expected, "({index}, {size})");
        let leaf = node(0, usize::try_from(index).unwrap());
        let root = hex(CT_ROOTS[usize::try_from(size).unwrap()]);
        assert_eq!(verify_inclusion(index, size, &leaf, &proof, &root), Ok(()));
    }
}

#[test]
fn ct_reference_tree_consistency_proofs() {
    let log = Log::new(CT_ENTRIES);
    let lone = hex(CT_LONE);
    for (from, to, expected) in [
        (1, 1, vec![]),
        (1, 8, vec![node(0, 1), node(1, 1), node(2, 1)]),
        (6, 8, vec![node(1, 2), node(1, 3), node(2, 0)]),
        (2, 5, vec![node(1, 1), node(0, 4)]),
        (3, 7, vec![node(0, 2), node(0, 3), node(1, 0), lone]),
        (4, 7, vec![lone]),
        (6, 7, vec![node(1, 2), node(0, 6), node(2, 0)]),
        (4, 8, vec![node(2, 1)]),
        (0, 8, vec![]),
        (0, 0, vec![]),
    ] {
        let proof = prove(&log, &Plan::consistency(from, to).unwrap());
        assert_eq!(proof, expected, "({from}, {to})");
        let root = |size| hex(CT_ROOTS[usize::try_from(size).unwrap()]);
        assert_eq!(verify_consistency(from, to, &proof, &root(from), &root(to)), Ok(()));
    }
}

#[test]
fn roots_of_trees_up_to_70_000() {
    let roots = [
        (1, "db3426e878068d28d269b6c87172322ce5372b65756d0789001d34835f601c03"),
        (2, "cb00989d94a569c0a678ae042b63dcd4625db96440517f37a6eb7976ea24ed4b"),
        (255, "32f85bcaa87d7bcd05728f09e9aeba350ba6a2f733830087f0597682848be5cb"),
        (256, "828515d033c19d8c901f37eccb8aed919667703486f8d2fff1cf7040321c5db1"),
        (257, "1eda049a4351d86f76252bd7ec0b7746ad75b7fa0316ad5f541dbda458a312c4"),
        (511, "5f3d69e102370be409122d11a2e605e6b653b071b8b4b4bd2833fae40652f11d"),
        (512, "d4b2162495ca609dc06390d353ca0c55107765c609e0226eb747d89105dc8d55"),
        (65_535, "74f13a0e1a75689372efb990cf68c664e44c763d9304844955b2eaff624e8df1"),
        (65_536, "f025d06ed804859fd274a1bdacadd6e48ea87634aa91e1edb20143f9498cd02b"),
        (65_537, "dc8795a25fd4bd52a0b84f639fd3139ba160824023d188e428eb5db0f3ce221a"),
        (70_000, "1a4cdfcb66374a0c0dcbef49acbd4976d13ee864fb3cb241fc943cad04f02f7e"),
    ];
    let log = Log::of_decimals(70_000);
    let mut edge = CompactRange::new();
    for leaf in &log.leaves {
        edge.push(*leaf, |_, _| ());
        if let Some((size, root)) = roots.iter().find(|(size, _)| *size == edge.size()) {
            assert_eq!(edge.root(), hex(root), "{size}");
            assert_eq!(prove(&log, &Plan::root(*size)), [hex(root)], "{size} from tiles");
        }
    }
    for (from, root1) in roots {
        for (to, root2) in roots.into_iter().filter(|(to, _)| *to >= from) {
            let proof = prove(&log, &Plan::consistency(from, to).unwrap());
            assert_eq!(
                verify_consistency(from, to, &proof, &hex(root1), &hex(root2)),
                Ok(()),
                "{from} to {to}"
            );
        }
    }
}

#[test]
fn tiles_and_bundles_of_the_70_000_tree() {
    let log = Log::of_decimals(70_000);
    for (path, sha256) in [
        ("tile/0/000", "b9704a8bfbee2c61185ceb38904a49f3f703c81e194b5b2ccdc254c2bdaaa62b"),
        ("tile/0/273.p/112", "4d21244557c976993a9a89bf928a46b5a876585228df279878239fd84489e5a5"),
        ("tile/1/000", "ea7b038bc73489c89c31a27ac355aaca65a4ed73f0dd7484e68deb29d30f10a2"),
        ("tile/1/001.p/17", "adfaca2731630fe7944a4b98a0f98ef3e98685eafda09e6f81070218fb759ce4"),
        ("tile/2/000.p/1", "f0113c8bad855b49f9a5dd661d50012cd94f19aae87a45eb8334666835e3caea"),
    ] {
        let tile = Tile::parse(path).unwrap();
        assert!(Tile::for_size(70_000).any(|other| other == tile), "{path}");
        assert_eq!(Hash(Sha256::digest(log.tile(tile)).into()), hex(sha256), "{path}");
    }
    for (path, length, sha256) in [
        ("tile/entries/000", 1_170, "94693d5c6d6a0355ec07bac8214516c1ce6a5100b0588f226fd95f26571157d7"),
        ("tile/entries/273.p/112", 784, "36c3ec44895d1b8098dbe8523078d6750bf09e0f12cd64671ebfe165b7647405"),
    ] {
        let id = BundleId::parse(path).unwrap();
        assert!(BundleId::for_size(70_000).any(|other| other == id), "{path}");
        let entries: Vec<String> =
            (id.index * 256..).take(id.width.into()).map(|index| index.to_string()).collect();
        let bytes = bundle::encode(entries.iter().map(String::as_bytes)).unwrap();
        assert_eq!(bytes.len(), length, "{path}");
        assert_eq!(Hash(Sha256::digest(bytes).into()), hex(sha256), "{path}");
    }
}

/// The accumulated vectors of draft-ietf-plants-merkle-tree-certs: leaf `i` is the byte `i`, trees of 0 to 130 leaves.
const SUBTREE_LEAVES: u8 = 130;

fn byte_leaves() -> Vec<Hash> {
    (0..SUBTREE_LEAVES).map(|byte| leaf_hash(&[byte])).collect()
}

/// Every valid subtree `[start, end)` with `end` up to `size`, in the draft's order.
fn subtrees(size: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..=size)
        .flat_map(|end| (0..=end).map(move |start| (start, end)))
        .filter(|&(start, end)| is_subtree(start, end))
}

fn line(out: &mut String, head: &str, hashes: &[Hash]) {
    out.push_str(head);
    for hash in hashes {
        write!(out, " {}", hash.to_hex()).unwrap();
    }
    out.push('\n');
}

#[test]
fn subtree_hashes_accumulated() {
    let leaves = byte_leaves();
    let mut lines = String::new();
    for (start, end) in subtrees(leaves.len()) {
        let root = Log::from_leaves(leaves[start..end].to_vec()).edge.root();
        line(&mut lines, &format!("[{start}, {end})"), &[root]);
    }
    assert_eq!(
        Hash(Sha256::digest(lines).into()),
        hex("b82806ad4265bb151c1119c0f4db437bb4d1a1f887b3a7fba1cd4ebf552e3e81")
    );
}

#[test]
fn subtree_inclusion_proofs_accumulated() {
    let leaves = byte_leaves();
    let mut lines = String::new();
    for (start, end) in subtrees(leaves.len()) {
        let subtree = Log::from_leaves(leaves[start..end].to_vec());
        let (size, root) = (subtree.edge.size(), subtree.edge.root());
        for (index, leaf) in (0..size).zip(&subtree.leaves) {
            let proof = prove(&subtree, &Plan::inclusion(index, size).unwrap());
            assert_eq!(verify_inclusion(index, size, leaf, &proof, &root), Ok(()));
            line(&mut lines, &format!("{} [{start}, {end})", index + start as u64), &proof);
        }
    }
    assert_eq!(
        Hash(Sha256::digest(lines).into()),
        hex("ac2a8f989e44d99e399db448050ff5f19757df53cfb716aa81015d3955d8163f")
    );
}

#[test]
fn subtree_consistency_proofs_accumulated() {
    let leaves = byte_leaves();
    let log = Log::from_leaves(leaves.clone());
    let mut lines = String::new();
    for size in 0..=leaves.len() {
        let root = mth(&leaves[..size]);
        for (start, end) in subtrees(size) {
            let (from, to, of) = (start as u64, end as u64, size as u64);
            let proof = prove(&log, &Plan::subtree(from, to, of).unwrap());
            assert_eq!(verify_subtree(from, to, of, &proof, &mth(&leaves[start..end]), &root), Ok(()));
            line(&mut lines, &format!("[{start}, {end}) {size}"), &proof);
        }
    }
    assert_eq!(
        Hash(Sha256::digest(lines).into()),
        hex("10fa99b37bf9bf9ffa26b412fbd98bd75363256d0b75d61bc4538b9c9c5a0a74")
    );
}
