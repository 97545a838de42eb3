//! Receipts: c2sp.org/tlog-proof's lines, what they prove, and what they are refused for.

use cairnlog_verify::b64;
use cairnlog_verify::checkpoint::{Checkpoint, CheckpointError};
use cairnlog_verify::note::{NoteError, SigningKey, VerifierKey, sign};
use cairnlog_verify::proof::{Plan, ProofError};
use cairnlog_verify::receipt::{Receipt, ReceiptError};
use cairnlog_verify::tree::{empty_root, leaf_hash};
use proptest::prelude::*;

use crate::oracle::Log;

const ORIGIN: &str = "log.example/hr";

fn signer() -> SigningKey {
    SigningKey::ed25519(ORIGIN, [7; 32]).unwrap()
}

fn keys() -> [VerifierKey; 1] {
    [signer().verifier_key().clone()]
}

/// The receipt of entry `index` ("0", "1", …) in a log of `size`.
fn receipt(index: u64, size: usize) -> Receipt {
    let log = Log::of_decimals(size);
    let plan = Plan::inclusion(index, size as u64).unwrap();
    let checkpoint = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: size as u64,
        root: log.edge.root(),
        extensions: vec![],
    };
    Receipt {
        extra: Some(index.to_string().into_bytes()),
        index,
        hashes: plan.evaluate(&log.fetch(&plan.tiles())).unwrap(),
        checkpoint: sign(&checkpoint.to_text(), &[&signer()], 0).unwrap(),
    }
}

#[test]
fn the_lines_of_a_receipt() {
    let receipt = receipt(1, 3);
    let [left, right] = receipt.hashes[..] else { panic!("a proof of two hashes") };
    assert_eq!((left, right), (leaf_hash(b"0"), leaf_hash(b"2")));
    let text =
        format!("c2sp.org/tlog-proof@v1\nextra MQ==\nindex 1\n{left}\n{right}\n\n{}", receipt.checkpoint);
    assert_eq!(receipt.to_string(), text);
    assert_eq!(Receipt::parse(&text), Ok(receipt));
}

#[test]
fn a_receipt_that_carries_its_entry_verifies_alone() {
    for (index, size) in [(0, 1), (0, 2), (4, 5), (299, 300), (17, 300)] {
        let verified =
            Receipt::parse(&receipt(index, size).to_string()).unwrap().verify(None, &keys()).unwrap();
        let entry = index.to_string().into_bytes();
        assert_eq!((verified.index, verified.leaf_hash), (index, leaf_hash(&entry)));
        assert_eq!(verified.entry, entry);
        assert_eq!((verified.checkpoint.origin.as_str(), verified.checkpoint.size), (ORIGIN, size as u64));
    }
}

#[test]
fn an_entry_given_must_be_the_one_that_is_proved() {
    let mut receipt = receipt(5, 9);
    assert!(receipt.verify(Some(b"5"), &keys()).is_ok());
    assert_eq!(receipt.verify(Some(b"6"), &keys()), Err(ReceiptError::OtherEntry));
    receipt.extra = None;
    assert_eq!(receipt.verify(None, &keys()), Err(ReceiptError::NoEntry));
    assert!(receipt.verify(Some(b"5"), &keys()).is_ok());
    assert_eq!(receipt.verify(Some(b"6"), &keys()), Err(ProofError::Mismatch.into()));
    receipt.extra = Some(b"6".to_vec());
    assert_eq!(receipt.verify(None, &keys()), Err(ProofError::Mismatch.into()));
}

#[test]
fn index_proof_and_signature_are_checked() {
    let good = receipt(5, 9);
    let verify = |change: &dyn Fn(&mut Receipt)| {
        let mut receipt = good.clone();
        change(&mut receipt);
        receipt.verify(None, &keys()).unwrap_err()
    };
    assert_eq!(verify(&|receipt| receipt.index = 4), ProofError::Mismatch.into());
    assert_eq!(verify(&|receipt| receipt.index = 9), ProofError::NotInTree { index: 9, size: 9 }.into());
    assert_eq!(verify(&|receipt| receipt.hashes.truncate(3)), ProofError::Length.into());
    assert_eq!(verify(&|receipt| receipt.hashes.push(empty_root())), ProofError::Length.into());
    assert_eq!(verify(&|receipt| receipt.hashes.swap(0, 1)), ProofError::Mismatch.into());
    let bad = CheckpointError::Note(NoteError::BadSignature(ORIGIN.to_owned()));
    assert_eq!(
        verify(&|receipt| receipt.checkpoint = receipt.checkpoint.replace("\n9\n", "\n8\n")),
        bad.into()
    );
    let stranger = SigningKey::ed25519(ORIGIN, [8; 32]).unwrap().verifier_key().clone();
    let unknown = CheckpointError::Note(NoteError::NoTrustedSignature);
    assert_eq!(good.verify(None, &[stranger]), Err(unknown.into()));
}

#[test]
fn malformed_receipts_are_refused() {
    let good = receipt(1, 3).to_string();
    let hash = empty_root();
    let too_long = b64::encode(&vec![0; 65_536]);
    for (from, to, error) in [
        ("tlog-proof@v1\n", "tlog-proof@v2\n", ReceiptError::Header),
        ("c2sp.org", " c2sp.org", ReceiptError::Header),
        ("@v1\n", "@v1\r\n", ReceiptError::Header),
        ("extra MQ==", "extra MQ", ReceiptError::Extra),
        ("extra MQ==", "extra MR==", ReceiptError::Extra),
        ("extra MQ==", "extra  MQ==", ReceiptError::Extra),
        ("MQ==", &too_long, ReceiptError::Extra),
        ("extra MQ==", "Extra MQ==", ReceiptError::Index),
        ("extra MQ==", "extra MQ==\nextra MQ==", ReceiptError::Index),
        ("extra MQ==\nindex 1", "index 1\nextra MQ==", ReceiptError::Hashes),
        ("index 1\n", "", ReceiptError::Index),
        ("index 1\n", "index 01\n", ReceiptError::Index),
        ("index 1\n", "index +1\n", ReceiptError::Index),
        ("index 1\n", "index 1 \n", ReceiptError::Index),
        ("index 1\n", "index 18446744073709551616\n", ReceiptError::Index),
        ("index 1\n", "index 1\nAAAA\n", ReceiptError::Hashes),
        ("index 1\n", &format!("index 1\n{}", format!("{hash}\n").repeat(62)), ReceiptError::TooManyHashes),
        ("\n\n", "\n", ReceiptError::Hashes),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good);
        assert_eq!(Receipt::parse(&text), Err(error), "{from:?} -> {:?}", &to[..to.len().min(40)]);
    }
    // The checkpoint begins right behind the proof's empty line.
    let text = good.replacen("\n\nlog", "\n\n\nlog", 1);
    let refusal = Receipt::parse(&text).unwrap().verify(None, &keys());
    assert_eq!(refusal, Err(CheckpointError::Note(NoteError::BadSignature(ORIGIN.to_owned())).into()));
    let trailing = format!("{good}\n");
    assert_eq!(Receipt::parse(&trailing), Err(NoteError::NoSignatures.into()));
    let endless = format!("{good}{}", " ".repeat(2 << 20));
    assert_eq!(Receipt::parse(&endless), Err(ReceiptError::TooLong));
    for end in 0..good.len() {
        if let Some(part) = good.get(..end) {
            assert!(Receipt::parse(part).is_err(), "{part:?}");
        }
    }
}

#[test]
fn sixty_three_hashes_are_read() {
    let receipt = Receipt { hashes: vec![empty_root(); 63], ..receipt(0, 1) };
    assert_eq!(Receipt::parse(&receipt.to_string()), Ok(receipt));
}

#[test]
fn an_entry_may_be_empty_or_of_65_535_bytes() {
    for length in [0, 65_535] {
        let receipt = Receipt { extra: Some(vec![0; length]), ..receipt(0, 1) };
        assert_eq!(Receipt::parse(&receipt.to_string()), Ok(receipt));
    }
}

proptest! {
    #[test]
    fn what_parses_is_written_the_same(
        at: prop::sample::Index,
        with in prop_oneof![Just("\n"), Just("0"), Just("="), Just("A"), Just(" "), Just("")],
        length in 0..2usize,
    ) {
        let good = receipt(1, 3).to_string();
        let chars: Vec<char> = good.chars().collect();
        let at = at.index(chars.len());
        let after = (at + length).min(chars.len());
        let damaged: String =
            chars[..at].iter().copied().chain(with.chars()).chain(chars[after..].iter().copied()).collect();
        if let Ok(receipt) = Receipt::parse(&damaged) {
            prop_assert_eq!(receipt.to_string(), damaged.clone());
            prop_assert!(damaged == good || receipt.verify(None, &keys()).is_err());
        }
    }

    #[test]
    fn any_text_is_answered(text: String) {
        let _ = Receipt::parse(&text);
        let _ = Receipt::parse(&format!("c2sp.org/tlog-proof@v1\n{text}"));
        let _ = Receipt::parse(&format!("c2sp.org/tlog-proof@v1\nindex 1\n{text}"));
    }
}
