//! Notes signed with a time, and with ML-DSA-44.

use cairnlog_verify::checkpoint::{Checkpoint, CheckpointError};
use cairnlog_verify::limits::{NOTE_BYTES_MAX, RECEIPT_BYTES_MAX};
use cairnlog_verify::note::{
    KeyError, KeyKind, Note, NoteError, SigningKey, VerifierKey, parse_signatures, sign,
};
use cairnlog_verify::{Hash, b64};
use proptest::prelude::*;

use crate::notes::{LOG_KEY, LOG_SECRET, WITNESS_KEY, key};

const ORIGIN: &str = "log.example/tiles";
const TEXT: &str = "log.example/tiles\n70000\nGkzfy2Y3SgwNy+9JrL1JdtE+6GT7PLJB/JQ8rQTwL34=\n";
const TIME: u64 = 1_700_000_000;

fn ml_dsa(name: &str) -> SigningKey {
    SigningKey::ml_dsa_44(name, core::array::from_fn(|i| u8::try_from(i).unwrap() + 0x40)).unwrap()
}

fn witness() -> SigningKey {
    SigningKey::cosignature("witness.example/w1", core::array::from_fn(|i| u8::try_from(i).unwrap() + 0x20))
        .unwrap()
}

#[test]
fn an_ml_dsa_44_key_has_a_public_and_a_private_text() {
    let secret = ml_dsa(ORIGIN);
    let public = secret.verifier_key();
    assert_eq!(
        (public.kind(), public.id(), public.public_key().len()),
        (KeyKind::MlDsa44, 0xa73b_956f, 1312)
    );
    assert_eq!(public.to_string().parse::<VerifierKey>().as_ref(), Ok(public));
    let private = secret.to_private_note();
    assert!(private.starts_with("PRIVATE+KEY+log.example/tiles+a73b956f+BkBBQkNERUZH"));
    let again: SigningKey = private.parse().unwrap();
    assert_eq!((again.verifier_key(), again.to_private_note()), (public, private));
    assert!(!format!("{secret:?}").contains("BkBBQkNERUZH"));
}

#[test]
fn a_cosignature_key_has_a_private_text() {
    let private = witness().to_private_note();
    assert!(private.starts_with("PRIVATE+KEY+witness.example/w1+20324abe+BCAhIiMk"));
    let again: SigningKey = private.parse().unwrap();
    assert_eq!((again.kind(), again.verifier_key()), (KeyKind::Cosignature, &key(WITNESS_KEY)));
}

#[test]
fn ml_dsa_44_keys_of_another_length_or_name_are_refused() {
    let public = ml_dsa(ORIGIN).verifier_key().to_string();
    let bytes = b64::decode(public.rsplit_once("a73b956f+").unwrap().1).unwrap();
    for (name, id, bytes, error) in [
        (ORIGIN, "a73b956f", &bytes[..1312], KeyError::Key),
        (ORIGIN, "a73b956f", &[&bytes[..], &[0]].concat(), KeyError::Key),
        (ORIGIN, "a73b956e", &bytes, KeyError::Id),
        (&"x".repeat(256), "a73b956f", &bytes, KeyError::LongName),
    ] {
        let text = format!("{name}+{id}+{}", b64::encode(bytes));
        assert_eq!(text.parse::<VerifierKey>(), Err(error), "{error}");
    }
    assert_eq!(SigningKey::ml_dsa_44(&"x".repeat(256), [0; 32]).err(), Some(KeyError::LongName));
    assert!(SigningKey::ml_dsa_44(&"x".repeat(255), [0; 32]).is_ok());
}

#[test]
fn one_note_is_signed_with_every_kind() {
    let log: SigningKey = LOG_SECRET.parse().unwrap();
    let (post_quantum, witness) = (ml_dsa(ORIGIN), witness());
    let note = sign(TEXT, &[&log, &post_quantum, &witness], TIME).unwrap();
    let keys = [key(LOG_KEY), post_quantum.verifier_key().clone(), key(WITNESS_KEY)];
    let parsed = Note::parse(&note).unwrap();
    assert_eq!(parsed.verify(&keys).unwrap(), keys.iter().collect::<Vec<_>>());
    let times: Vec<_> =
        parsed.signatures.iter().zip(&keys).map(|(line, key)| line.time(key.kind())).collect();
    assert_eq!(times, [None, Some(TIME), Some(TIME)]);
    assert_eq!(parsed.signatures[1].bytes.len(), 8 + 2420);
    for key in &keys[..2] {
        assert_eq!(Checkpoint::open(&note, std::slice::from_ref(key)).unwrap().size, 70_000, "{key}");
    }
    let by_witness = Checkpoint::open(&note, &keys[2..]);
    assert_eq!(by_witness, Err(CheckpointError::NotByOrigin(ORIGIN.to_owned())));
    // The witness' line is the published one: Ed25519 is deterministic.
    let line = "\u{2014} witness.example/w1 IDJKvgAAAABlU/EAdI0NTv5TEf68CPLT1CKsiXIhgBTf0hauE3r1CvdGaWJcfenT4iI6\
                aACPPodPPPkqee6FaNtWlVa17ic334UmAA==\n";
    assert!(note.ends_with(line), "{note}");
    assert_eq!(parse_signatures(line).unwrap(), parsed.signatures[2..]);
}

#[test]
fn an_ml_dsa_44_signature_holds_for_its_checkpoint_time_and_name_alone() {
    let (secret, other) = (ml_dsa(ORIGIN), ml_dsa("log.example/other"));
    let public = secret.verifier_key();
    let good = secret.sign(TEXT, TIME).unwrap();
    assert!(public.accepts(TEXT, &good));
    assert!(public.accepts(&format!("{TEXT}an extension, which is not signed\n"), &good));
    for text in [
        TEXT.replace("log.example/tiles", "log.example/tile"),
        TEXT.replace("70000", "70001"),
        TEXT.replace("Gkz", "Akz"),
        "no checkpoint\n".to_owned(),
    ] {
        assert!(!public.accepts(&text, &good), "{text}");
    }
    for place in [0, 7, 8, 40, 2427] {
        let mut bad = good.clone();
        bad.bytes[place] ^= 1;
        assert!(!public.accepts(TEXT, &bad), "{place}");
    }
    for length in [0, 7, 8, 2427, 2429] {
        let mut bad = good.clone();
        bad.bytes.resize(length, 0);
        assert!(!public.accepts(TEXT, &bad), "{length}");
    }
    let mut renamed = good.clone();
    (renamed.name, renamed.id) = ("log.example/other".to_owned(), other.verifier_key().id());
    assert!(!other.verifier_key().accepts(TEXT, &renamed), "the name is signed");
    assert!(!other.verifier_key().accepts(TEXT, &good));
    let timeless = secret.sign(TEXT, 0).unwrap();
    assert_eq!(timeless.time(KeyKind::MlDsa44), Some(0));
    assert!(public.accepts(TEXT, &timeless));
}

#[test]
fn what_can_not_be_signed_is_said() {
    let last = i64::MAX.unsigned_abs();
    for secret in [ml_dsa(ORIGIN), witness()] {
        assert!(secret.verifier_key().accepts(TEXT, &secret.sign(TEXT, last).unwrap()));
        assert_eq!(secret.sign(TEXT, last + 1), Err(NoteError::Time));
        assert_eq!(secret.sign("text", 0), Err(NoteError::Text));
    }
    assert_eq!(ml_dsa(ORIGIN).sign("text\n", 0), Err(NoteError::NotACheckpoint));
    assert!(witness().sign("text\n", 0).is_ok());
    assert!(LOG_SECRET.parse::<SigningKey>().unwrap().sign(TEXT, last + 1).is_ok(), "it signs no time");
}

#[test]
fn subtrees_are_signed_without_a_time() {
    let (secret, hash) = (ml_dsa("witness.example/w1"), Hash([7; 32]));
    let public = secret.verifier_key();
    assert_eq!(public.id(), 0xc6e2_0533);
    let good = secret.sign_subtree(ORIGIN, 512, 700, &hash).unwrap();
    assert!(public.accepts_subtree(ORIGIN, 512, 700, &hash, &good));
    assert!(!public.accepts_subtree("log.example/other", 512, 700, &hash, &good));
    assert!(!public.accepts_subtree(ORIGIN, 512, 701, &hash, &good));
    assert!(!public.accepts_subtree(ORIGIN, 256, 444, &hash, &good));
    assert!(!public.accepts_subtree(ORIGIN, 512, 700, &Hash([8; 32]), &good));
    assert!(!public.accepts(TEXT, &good));
    // A checkpoint's signature is no subtree's, since it has a time.
    let root = Checkpoint::parse_text(TEXT).unwrap().root;
    assert!(!public.accepts_subtree(ORIGIN, 0, 70_000, &root, &secret.sign(TEXT, TIME).unwrap()));
    assert!(public.accepts_subtree(ORIGIN, 0, 70_000, &root, &secret.sign(TEXT, 0).unwrap()));
    for (start, end) in [(1, 3), (3, 1), (512, 1025)] {
        assert_eq!(secret.sign_subtree(ORIGIN, start, end, &hash), Err(NoteError::Subtree), "{start} {end}");
    }
    assert_eq!(secret.sign_subtree("", 0, 1, &hash), Err(NoteError::Subtree));
    assert_eq!(witness().sign_subtree(ORIGIN, 0, 1, &hash), Err(NoteError::Subtree));
}

#[test]
fn sixteen_ml_dsa_44_cosignatures_fit_into_a_note() {
    let witnesses: Vec<SigningKey> =
        (0..16).map(|seed| SigningKey::ml_dsa_44(&format!("{seed:w>255}"), [seed; 32]).unwrap()).collect();
    let log: SigningKey = LOG_SECRET.parse().unwrap();
    let mut keys = vec![&log];
    keys.extend(&witnesses);
    let note = sign(TEXT, &keys, TIME).unwrap();
    assert!(note.len() < NOTE_BYTES_MAX && RECEIPT_BYTES_MAX > NOTE_BYTES_MAX, "{}", note.len());
    let known: Vec<VerifierKey> = keys.iter().map(|key| key.verifier_key().clone()).collect();
    assert_eq!(Note::parse(&note).unwrap().verify(&known).unwrap().len(), 17);
}

#[test]
fn signature_lines_stand_alone() {
    let line = witness().sign(TEXT, TIME).unwrap().to_string();
    assert_eq!(parse_signatures(&format!("{line}\n{line}\n")).unwrap().len(), 2);
    for (text, error) in [
        (String::new(), NoteError::NoSignatures),
        ("\n".to_owned(), NoteError::SignatureLine(1)),
        (line.clone(), NoteError::NoSignatures),
        (format!("{line}\n\n"), NoteError::SignatureLine(2)),
        (format!("{line}\n{TEXT}"), NoteError::SignatureLine(2)),
        (format!("{line}\n").repeat(101), NoteError::TooManySignatures),
    ] {
        assert_eq!(parse_signatures(&text), Err(error), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn keys_of_every_kind_round_trip_and_verify_what_they_sign(
        name in "[^\\s+\\x00-\\x1f]{1,12}",
        seed: [u8; 32],
        origin in "[ -~é]{1,40}",
        size: u64,
        root: [u8; 32],
        time in 0..=i64::MAX.unsigned_abs(),
    ) {
        let text = Checkpoint { origin, size, root: Hash(root), extensions: vec![] }.to_text();
        for make in [SigningKey::ed25519, SigningKey::cosignature, SigningKey::ml_dsa_44] {
            let secret = make(&name, seed).unwrap();
            let again: SigningKey = secret.to_private_note().parse().unwrap();
            let public: VerifierKey = secret.verifier_key().to_string().parse().unwrap();
            prop_assert_eq!(&public, again.verifier_key());
            let note = sign(&text, &[&again], time).unwrap();
            let note = Note::parse(&note).unwrap();
            prop_assert_eq!(note.verify(std::slice::from_ref(&public)).unwrap(), [&public]);
        }
    }
}
