//! The 518 probes of transparency-dev/merkle: what its verifiers accept and refuse.

use cairnlog_verify::proof::{Plan, verify_consistency, verify_inclusion, verify_subtree};
use cairnlog_verify::{Hash, b64};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

fn probes(ndjson: &str, count: usize) -> Vec<Value> {
    let probes: Vec<Value> = ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(probes.len(), count);
    probes
}

/// Runs each probe; gives the names of those that were not judged as they say. `accepts` gives `None` for a probe without
/// all its hashes.
fn misjudged(probes: &[Value], accepts: impl Fn(&Value) -> Option<bool>) -> Vec<&str> {
    probes
        .iter()
        .filter(|probe| accepts(probe).unwrap_or(false) == probe["wantErr"].as_bool().unwrap())
        .map(|probe| probe["name"].as_str().unwrap())
        .collect()
}

fn number(probe: &Value, member: &str) -> u64 {
    probe[member].as_u64().unwrap()
}

/// An empty text is a hash left out. Some probes hold placeholders of other lengths ("don't care 1"), which no [`Hash`] can
/// be; their SHA-256 stands in, so that equal ones stay equal and the verifier, not the parser, judges them.
fn hash(value: &Value) -> Option<Hash> {
    let bytes = b64::decode(value.as_str().unwrap()).unwrap();
    if bytes.is_empty() {
        return None;
    }
    Some(Hash::try_from(bytes.as_slice()).unwrap_or_else(|_| Hash(Sha256::digest(&bytes).into())))
}

/// A missing proof is an empty one.
fn proof(probe: &Value) -> Option<Vec<Hash>> {
    probe["proof"].as_array().map_or(Some(vec![]), |hashes| hashes.iter().map(hash).collect())
}

#[test]
fn inclusion() {
    let probes = probes(include_str!("../fixtures/merkle-inclusion.ndjson"), 98);
    let wrong = misjudged(&probes, |probe| {
        let (index, size) = (number(probe, "leafIdx"), number(probe, "treeSize"));
        let (leaf, root) = (hash(&probe["leafHash"])?, hash(&probe["root"])?);
        Some(verify_inclusion(index, size, &leaf, &proof(probe)?, &root).is_ok())
    });
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn consistency() {
    let probes = probes(include_str!("../fixtures/merkle-consistency.ndjson"), 98);
    let wrong = misjudged(&probes, |probe| {
        let (from, to) = (number(probe, "size1"), number(probe, "size2"));
        let (root1, root2) = (hash(&probe["root1"])?, hash(&probe["root2"])?);
        Some(verify_consistency(from, to, &proof(probe)?, &root1, &root2).is_ok())
    });
    // The probes' authors refuse to prove anything of the empty tree; c2sp.org/tlog-witness asks for an empty proof.
    assert_eq!(wrong, ["consistency/additional/size1-is-zero-and-size2-is-not-zero"]);
}

/// A leaf of a subtree is included in it as in a tree of its own.
#[test]
fn subtree_inclusion() {
    let probes = probes(include_str!("../fixtures/merkle-subtreeinclusion.ndjson"), 204);
    let wrong = misjudged(&probes, |probe| {
        let (index, start, end) = (number(probe, "leafIdx"), number(probe, "start"), number(probe, "end"));
        let (leaf, root, proof) = (hash(&probe["leafHash"])?, hash(&probe["root"])?, proof(probe)?);
        Plan::subtree(start, end, end).ok()?;
        let index = index.checked_sub(start)?;
        Some(verify_inclusion(index, end - start, &leaf, &proof, &root).is_ok())
    });
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn subtree_consistency() {
    let probes = probes(include_str!("../fixtures/merkle-subtreeconsistency.ndjson"), 118);
    let wrong = misjudged(&probes, |probe| {
        let (start, end, size) = (number(probe, "start"), number(probe, "end"), number(probe, "size"));
        let (node, root) = (hash(&probe["root1"])?, hash(&probe["root2"])?);
        Some(verify_subtree(start, end, size, &proof(probe)?, &node, &root).is_ok())
    });
    assert_eq!(wrong, [""; 0]);
}
