//! A verifier written from the public specifications alone: RFC 6962 (hashing), RFC 9162 §2.1.3.2 and §2.1.4.2 (proofs),
//! c2sp.org/signed-note, tlog-checkpoint, tlog-tiles and tlog-proof. It shares no code with the server's own.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rs_merkle::MerkleTree;
use sha2::{Digest as _, Sha256};
use signed_note::{Note, StandardVerifier, VerifierList};

/// A SHA-256 hash.
pub(crate) type Hash = [u8; 32];

/// RFC 6962 §2.1 for `rs_merkle`: it hands nodes in as two concatenated hashes. Leaves are hashed before.
#[derive(Clone)]
pub(crate) struct Rfc6962;

impl rs_merkle::Hasher for Rfc6962 {
    type Hash = Hash;

    fn hash(data: &[u8]) -> Hash {
        Sha256::new().chain_update([1]).chain_update(data).finalize().into()
    }
}

/// `SHA-256(0x00 || entry)`.
pub(crate) fn leaf(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

pub(crate) fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// `MTH(D[n])`, by its definition: split at the largest power of two below n.
pub(crate) fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [one] => *one,
        more => {
            let (left, right) = more.split_at(split(more.len()));
            node(&root(left), &root(right))
        }
    }
}

fn split(n: usize) -> usize {
    1 << (n - 1).ilog2()
}

/// `PATH(m, D[n])` of RFC 6962 §2.1.1.
pub(crate) fn path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut inner, sibling) =
        if m < left.len() { (path(m, left), root(right)) } else { (path(m - left.len(), right), root(left)) };
    inner.push(sibling);
    inner
}

/// `PROOF(m, D[n])` of RFC 6962 §2.1.2.
pub(crate) fn consistency(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    fn subproof(m: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
        if m == leaves.len() {
            return if whole { Vec::new() } else { vec![root(leaves)] };
        }
        let k = split(leaves.len());
        let (left, right) = leaves.split_at(k);
        let (mut proof, sibling) = if m <= k {
            (subproof(m, left, whole), root(right))
        } else {
            (subproof(m - k, right, false), root(left))
        };
        proof.push(sibling);
        proof
    }
    if m == 0 { Vec::new() } else { subproof(m, leaves, true) }
}

/// RFC 9162 §2.1.3.2.
pub(crate) fn verify_inclusion(index: u64, size: u64, leaf: Hash, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut fnode, mut snode, mut hash) = (index, size - 1, leaf);
    for sibling in proof {
        if snode == 0 {
            return false;
        }
        if fnode & 1 == 1 || fnode == snode {
            hash = node(sibling, &hash);
            while fnode & 1 == 0 && fnode != 0 {
                fnode >>= 1;
                snode >>= 1;
            }
        } else {
            hash = node(&hash, sibling);
        }
        fnode >>= 1;
        snode >>= 1;
    }
    snode == 0 && hash == *root
}

/// RFC 9162 §2.1.4.2, for `0 < first < second`.
pub(crate) fn verify_consistency(
    first: u64,
    second: u64,
    proof: &[Hash],
    root1: &Hash,
    root2: &Hash,
) -> bool {
    let mut proof = proof.to_vec();
    if first.is_power_of_two() {
        proof.insert(0, *root1);
    }
    let [start, rest @ ..] = proof.as_slice() else { return false };
    let (mut fnode, mut snode) = (first - 1, second - 1);
    while fnode & 1 == 1 {
        fnode >>= 1;
        snode >>= 1;
    }
    let (mut from, mut to) = (*start, *start);
    for hash in rest {
        if snode == 0 {
            return false;
        }
        if fnode & 1 == 1 || fnode == snode {
            from = node(hash, &from);
            to = node(hash, &to);
            while fnode & 1 == 0 && fnode != 0 {
                fnode >>= 1;
                snode >>= 1;
            }
        } else {
            to = node(&to, hash);
        }
        fnode >>= 1;
        snode >>= 1;
    }
    snode == 0 && from == *root1 && to == *root2
}

/// What a checkpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) origin: String,
    pub(crate) size: u64,
    pub(crate) root: Hash,
}

/// Opens a note as a checkpoint that `vkey` signed.
pub(crate) fn open(note: &[u8], vkey: &str) -> Checkpoint {
    let verifier = StandardVerifier::new(vkey).expect("a verifier key");
    let known = VerifierList::new(vec![Box::new(verifier)]);
    let note = Note::from_bytes(note).expect("a signed note");
    let (signatures, _) = note.verify(&known).expect("signed by the log");
    let text = std::str::from_utf8(note.text()).expect("UTF-8").to_owned();
    let mut lines = text.strip_suffix('\n').expect("ends with a newline").split('\n');
    let origin = lines.next().expect("an origin").to_owned();
    let size = lines.next().expect("a size");
    let root = lines.next().expect("a root");
    assert_eq!(lines.next(), None, "extension lines can't be audited");
    assert!(signatures.iter().all(|signature| signature.name() == origin), "signed by another name");
    let number: u64 = size.parse().expect("a decimal size");
    assert_eq!(number.to_string(), size, "no leading zeros");
    Checkpoint { origin, size: number, root: hash64(root) }
}

/// Base64 of a hash.
pub(crate) fn hash64(text: &str) -> Hash {
    STANDARD.decode(text).expect("base64").try_into().expect("32 bytes")
}

/// `<N>` of tlog-tiles: groups of three digits, each but the last behind an `x`.
fn number(n: u64) -> String {
    let mut text = format!("{:03}", n % 1_000);
    let mut rest = n / 1_000;
    while rest > 0 {
        text = format!("x{:03}/{text}", rest % 1_000);
        rest /= 1_000;
    }
    text
}

/// `tile/<level>/<N>[.p/<W>]`; a bundle's level is `entries`.
pub(crate) fn tile_path(level: &str, n: u64, width: u64) -> String {
    let suffix = if width == 256 { String::new() } else { format!(".p/{width}") };
    format!("tile/{level}/{}{suffix}", number(n))
}

/// Every (index, width) of a level that has `nodes` nodes.
fn tiles(nodes: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..nodes.div_ceil(256)).map(move |n| (n, (nodes - n * 256).min(256)))
}

/// Every path that a tree of this size has, bundles first.
pub(crate) fn paths(size: u64) -> Vec<String> {
    let mut all: Vec<String> = tiles(size).map(|(n, width)| tile_path("entries", n, width)).collect();
    let mut nodes = size;
    let mut level = 0;
    while nodes > 0 {
        all.extend(tiles(nodes).map(|(n, width)| tile_path(&level.to_string(), n, width)));
        nodes /= 256;
        level += 1;
    }
    all
}

/// The entries of a bundle, which must be whole: `u16be length || bytes`, and nothing behind.
pub(crate) fn entries(mut bundle: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while !bundle.is_empty() {
        let (length, rest) = bundle.split_first_chunk::<2>().expect("a length");
        let (entry, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into()).expect("an entry");
        all.push(entry.to_vec());
        bundle = rest;
    }
    all
}

/// Recomputes a whole tree from its files, checking every hash of every tile. The leaf hashes.
pub(crate) fn audit(checkpoint: &Checkpoint, files: &BTreeMap<String, Vec<u8>>) -> Vec<Hash> {
    let size = checkpoint.size;
    let mut leaves = Vec::new();
    for (n, width) in tiles(size) {
        let entries = entries(&files[&tile_path("entries", n, width)]);
        assert_eq!(entries.len() as u64, width, "bundle {n}");
        leaves.extend(entries.iter().map(|entry| leaf(entry)));
    }
    let mut nodes = leaves.clone();
    let mut level = 0;
    while !nodes.is_empty() {
        for (n, width) in tiles(nodes.len() as u64) {
            let first = usize::try_from(n * 256).expect("fits");
            let wanted = nodes[first..].iter().take(256).flatten().copied().collect::<Vec<u8>>();
            let path = tile_path(&level.to_string(), n, width);
            assert_eq!(files[&path], wanted, "{path}");
        }
        nodes = nodes.chunks_exact(256).map(root).collect();
        level += 1;
    }
    assert_eq!(root(&leaves), checkpoint.root, "the root by the definition");
    let tree = MerkleTree::<Rfc6962>::from_leaves(&leaves);
    assert_eq!(tree.root(), Some(checkpoint.root), "the root by rs_merkle");
    leaves
}

/// Verifies a tlog-proof whose `extra` line is the entry; its index and checkpoint.
pub(crate) fn receipt(text: &str, vkey: &str) -> (u64, Checkpoint, Vec<u8>) {
    let body = text.strip_prefix("c2sp.org/tlog-proof@v1\n").expect("the first line");
    let (head, note) = body.split_once("\n\n").expect("an empty line before the checkpoint");
    let mut lines = head.split('\n');
    let extra = lines.next().and_then(|line| line.strip_prefix("extra ")).expect("an extra line");
    let index = lines.next().and_then(|line| line.strip_prefix("index ")).expect("an index line");
    let proof: Vec<Hash> = lines.map(hash64).collect();
    let entry = STANDARD.decode(extra).expect("base64");
    let number: u64 = index.parse().expect("decimal");
    assert_eq!(number.to_string(), index, "no leading zeros");
    let checkpoint = open(note.as_bytes(), vkey);
    assert!(
        verify_inclusion(number, checkpoint.size, leaf(&entry), &proof, &checkpoint.root),
        "the receipt of {index}"
    );
    (number, checkpoint, entry)
}
