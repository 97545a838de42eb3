//! COSE receipts, against a CBOR library of its own.

use cairnlog_verify::cose::{Algorithm, CoseError, CoseReceipt, to_be_signed};
use cairnlog_verify::note::{SigningKey, VerifierKey};
use cairnlog_verify::proof::{ProofError, inclusion_root};
use cairnlog_verify::tree::leaf_hash;
use cairnlog_verify::{Hash, b64};
use ciborium::Value;
use ciborium::value::Integer;
use proptest::prelude::*;

use crate::oracle::Log;

const ORIGIN: &str = "log.example/tiles";

fn keys() -> [SigningKey; 2] {
    [SigningKey::ed25519, SigningKey::ml_dsa_44].map(|make| make(ORIGIN, [1; 32]).unwrap())
}

/// A receipt for the last but one of seven entries, its entry, and the root.
fn receipt(key: &SigningKey) -> (CoseReceipt, &'static [u8], Hash) {
    let log = Log::of_decimals(7);
    let hashes = vec![leaf_hash(b"4"), leaf_hash(b"6"), Log::of_decimals(4).edge.root()];
    let receipt = CoseReceipt::sign(key, 7, 5, &leaf_hash(b"5"), hashes).unwrap();
    (receipt, b"5", log.edge.root())
}

fn int(value: i64) -> Value {
    Value::Integer(Integer::from(value))
}

fn cbor(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    ciborium::into_writer(value, &mut out).unwrap();
    out
}

#[test]
fn a_receipt_proves_its_entry() {
    for key in keys() {
        let (receipt, entry, root) = receipt(&key);
        let parsed = CoseReceipt::parse(&receipt.encode()).unwrap();
        assert_eq!(parsed, receipt);
        let trusted = keys().map(|key| key.verifier_key().clone());
        assert_eq!(parsed.verify(entry, &trusted), Ok(root));
        assert_eq!(parsed.verify(b"4", &trusted), Err(CoseError::Signature));
        let strangers: Vec<VerifierKey> =
            trusted.iter().filter(|other| *other != key.verifier_key()).cloned().collect();
        assert_eq!(parsed.verify(entry, &strangers), Err(CoseError::UnknownKey));
        assert_eq!(parsed.verify(entry, &[]), Err(CoseError::UnknownKey));
    }
}

/// The bytes as RFC 9052 and the draft describe them, put together by another encoder.
#[test]
fn receipts_are_the_cbor_that_the_drafts_describe() {
    for (key, algorithm) in keys().iter().zip([-8, -48]) {
        let (receipt, _, root) = receipt(key);
        let protected = cbor(&Value::Map(vec![
            (int(1), int(algorithm)),
            (int(4), Value::Bytes(format!("{ORIGIN}+{:08x}", key.verifier_key().id()).into_bytes())),
            (int(395), int(1)),
        ]));
        let path = receipt.hashes.iter().map(|hash| Value::Bytes(hash.0.to_vec())).collect();
        let proof = cbor(&Value::Array(vec![int(7), int(5), Value::Array(path)]));
        let unprotected = Value::Map(vec![(
            int(396),
            Value::Map(vec![(int(-1), Value::Array(vec![Value::Bytes(proof)]))]),
        )]);
        let sign1 = Value::Array(vec![
            Value::Bytes(protected.clone()),
            unprotected,
            Value::Null,
            Value::Bytes(receipt.signature.clone()),
        ]);
        assert_eq!(receipt.encode(), cbor(&Value::Tag(18, Box::new(sign1))));
        let signed = Value::Array(vec![
            Value::Text("Signature1".to_owned()),
            Value::Bytes(protected),
            Value::Bytes(Vec::new()),
            Value::Bytes(root.0.to_vec()),
        ]);
        assert_eq!(to_be_signed(key.verifier_key(), &root).unwrap(), cbor(&signed));
    }
}

#[test]
fn ed25519_receipts_hold_for_another_verifier() {
    let [key, _] = keys();
    let (receipt, _, root) = receipt(&key);
    let public: [u8; 32] = key.verifier_key().public_key().try_into().unwrap();
    let public = ed25519_dalek::VerifyingKey::from_bytes(&public).unwrap();
    let signature = ed25519_dalek::Signature::from_slice(&receipt.signature).unwrap();
    let message = to_be_signed(key.verifier_key(), &root).unwrap();
    public.verify_strict(&message, &signature).unwrap();
}

#[test]
fn what_a_receipt_says_can_not_be_changed() {
    for key in keys() {
        let (good, entry, _) = receipt(&key);
        let trusted = [key.verifier_key().clone()];
        let judge = |change: fn(&mut CoseReceipt)| {
            let mut bad = good.clone();
            change(&mut bad);
            bad.verify(entry, &trusted).unwrap_err()
        };
        assert_eq!(judge(|bad| bad.hashes[1].0[0] ^= 1), CoseError::Signature);
        assert_eq!(judge(|bad| bad.signature[9] ^= 1), CoseError::Signature);
        assert_eq!(judge(|bad| bad.signature.truncate(63)), CoseError::Signature);
        assert_eq!(judge(|bad| bad.index = 4), CoseError::Signature);
        assert_eq!(judge(|bad| bad.size = 6), CoseError::Proof(ProofError::Length));
        assert_eq!(judge(|bad| bad.size = 5), CoseError::Proof(ProofError::NotInTree { index: 5, size: 5 }));
        assert_eq!(judge(|bad| bad.key_id.push('0')), CoseError::UnknownKey);
    }
    let witness = SigningKey::cosignature(ORIGIN, [1; 32]).unwrap();
    let refused = CoseReceipt::sign(&witness, 1, 0, &leaf_hash(b"0"), Vec::new());
    assert_eq!(refused, Err(CoseError::Kind));
}

#[test]
fn a_log_of_one_entry_has_an_empty_path() {
    let [key, _] = keys();
    let receipt = CoseReceipt::sign(&key, 1, 0, &leaf_hash(b"0"), Vec::new()).unwrap();
    let parsed = CoseReceipt::parse(&receipt.encode()).unwrap();
    assert_eq!(parsed.verify(b"0", &[key.verifier_key().clone()]), Ok(leaf_hash(b"0")));
}

#[test]
fn every_other_spelling_is_refused() {
    let [key, _] = keys();
    let good = receipt(&key).0.encode();
    for cut in 0..good.len() {
        assert_eq!(CoseReceipt::parse(&good[..cut]), Err(CoseError::Malformed), "{cut}");
    }
    let parse = |bytes: &[u8]| CoseReceipt::parse(bytes).map(|_| ());
    assert_eq!(parse(&[good.as_slice(), &[0]].concat()), Err(CoseError::Malformed));
    assert_eq!(parse(&good[1..]), Err(CoseError::Malformed), "untagged");
    assert_eq!(parse(&[&[0xd8, 18], &good[1..]].concat()), Err(CoseError::Malformed), "a longer tag");
    assert_eq!(parse(&vec![0; 9 << 10]), Err(CoseError::Malformed));
    // 64 hashes.
    let many = CoseReceipt { hashes: vec![Hash([0; 32]); 64], ..receipt(&key).0 };
    assert_eq!(parse(&many.encode()), Err(CoseError::Malformed));
    let most = CoseReceipt { hashes: vec![Hash([0; 32]); 63], ..receipt(&keys()[1]).0 };
    assert_eq!(CoseReceipt::parse(&most.encode()), Ok(most));
}

#[test]
fn an_inclusion_proof_leads_to_the_root() {
    let log = Log::of_decimals(3);
    let proof = [leaf_hash(b"0"), leaf_hash(b"2")];
    assert_eq!(inclusion_root(1, 3, &leaf_hash(b"1"), &proof), Ok(log.edge.root()));
    assert_eq!(
        inclusion_root(3, 3, &leaf_hash(b"1"), &proof),
        Err(ProofError::NotInTree { index: 3, size: 3 })
    );
    assert_eq!(inclusion_root(1, 3, &leaf_hash(b"1"), &proof[..1]), Err(ProofError::Length));
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>, at: prop::sample::Index, with: u8) {
        if let Ok(receipt) = CoseReceipt::parse(&bytes) {
            prop_assert_eq!(receipt.encode(), bytes);
        }
        let [key, _] = keys();
        let (good, entry, root) = receipt(&key);
        let mut changed = good.encode();
        let at = at.index(changed.len());
        prop_assume!(changed[at] != with);
        changed[at] = with;
        if let Ok(receipt) = CoseReceipt::parse(&changed) {
            prop_assert_eq!(receipt.encode(), changed.clone(), "{}", b64::encode(&changed));
            let verdict = receipt.verify(entry, &[key.verifier_key().clone()]);
            // Sizes and indices with a proof of the same shape lead to the same root, and only they.
            let same_root = (receipt.size, receipt.index) != (good.size, good.index) && verdict == Ok(root);
            prop_assert!(verdict.is_err() || same_root, "{:?}", verdict);
        }
    }

    #[test]
    fn receipts_round_trip(
        algorithm in prop_oneof![Just(Algorithm::EdDsa), Just(Algorithm::MlDsa44)],
        key_id in "[ -~é]{0,40}",
        size: u64,
        index: u64,
        hashes in prop::collection::vec(any::<[u8; 32]>(), 0..64),
    ) {
        let length = if algorithm == Algorithm::EdDsa { 64 } else { 2420 };
        let hashes = hashes.into_iter().map(Hash).collect();
        let receipt = CoseReceipt { algorithm, key_id, size, index, hashes, signature: vec![7; length] };
        prop_assert_eq!(CoseReceipt::parse(&receipt.encode()), Ok(receipt));
    }
}
