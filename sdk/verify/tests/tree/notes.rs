//! Signed notes and their keys: c2sp.org/signed-note's example, an independent implementation, damaged input.

use cairnlog_verify::b64;
use cairnlog_verify::note::{KeyError, Note, NoteError, SigningKey, VerifierKey, sign};
use proptest::prelude::*;
use signed_note::Verifier as _;

/// The example of the specification.
pub(crate) const EXAMPLE_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const EXAMPLE: &str = "This is an example message.\n\n\u{2014} example.com/foo \
    Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

/// The log of the cosignature vectors; its seed is the bytes 0 to 31.
pub(crate) const LOG_KEY: &str = "log.example/tiles+e94a591d+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
pub(crate) const LOG_SECRET: &str =
    "PRIVATE+KEY+log.example/tiles+e94a591d+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
/// Its witness; its seed is the bytes 32 to 63.
pub(crate) const WITNESS_KEY: &str =
    "witness.example/w1+20324abe+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X";

pub(crate) fn key(vkey: &str) -> VerifierKey {
    vkey.parse().unwrap()
}

fn signer(name: &str, seed: u8) -> SigningKey {
    SigningKey::ed25519(name, [seed; 32]).unwrap()
}

fn open(note: &str, keys: &[VerifierKey]) -> Result<Vec<String>, NoteError> {
    Ok(Note::parse(note)?.verify(keys)?.into_iter().map(ToString::to_string).collect())
}

#[test]
fn the_example_of_the_specification() {
    let note = Note::parse(EXAMPLE).unwrap();
    assert_eq!(note.text, "This is an example message.\n");
    assert_eq!(note.signatures.len(), 1);
    assert_eq!((note.signatures[0].name.as_str(), note.signatures[0].id), ("example.com/foo", 0x530d_903a));
    assert_eq!(note.to_string(), EXAMPLE);
    assert_eq!(open(EXAMPLE, &[key(EXAMPLE_KEY)]), Ok(vec![EXAMPLE_KEY.to_owned()]));
    let changed = EXAMPLE.replace("example message", "exemple message");
    assert_eq!(
        open(&changed, &[key(EXAMPLE_KEY)]),
        Err(NoteError::BadSignature("example.com/foo".to_owned()))
    );
}

#[test]
fn keys_of_the_cosignature_vectors() {
    let seed = core::array::from_fn(|i| u8::try_from(i).unwrap());
    let secret = SigningKey::ed25519("log.example/tiles", seed).unwrap();
    assert_eq!(secret.to_private_note().as_str(), LOG_SECRET);
    assert_eq!(secret.verifier_key().to_string(), LOG_KEY);
    let parsed: SigningKey = LOG_SECRET.parse().unwrap();
    assert_eq!(parsed.verifier_key(), &key(LOG_KEY));
    assert_eq!(parsed.name(), "log.example/tiles");
    assert_eq!((key(WITNESS_KEY).name(), key(WITNESS_KEY).id()), ("witness.example/w1", 0x2032_4abe));
    assert_eq!(key(WITNESS_KEY).to_string(), WITNESS_KEY);
}

#[test]
fn a_private_key_is_not_shown() {
    let secret: SigningKey = LOG_SECRET.parse().unwrap();
    let shown = format!("{secret:?} {secret:#?}");
    assert!(!shown.contains("AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"), "{shown}");
    assert!(!shown.contains("0, 1, 2"), "{shown}");
}

#[test]
fn verifier_keys_have_one_spelling() {
    let (id, public) = ("e94a591d", "AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4");
    let weak = b64::encode(&[[1].as_slice(), &[1], &[0; 31]].concat());
    for (vkey, error) in [
        (String::new(), KeyError::Shape),
        ("log.example/tiles+e94a591d".to_owned(), KeyError::Shape),
        (format!("log.example/other+{id}+{public}"), KeyError::Id),
        (format!("log.example/tiles+E94A591D+{public}"), KeyError::Id),
        (format!("log.example/tiles+94a591d+{public}"), KeyError::Id),
        (format!("log.example/tiles+0{id}+{public}"), KeyError::Id),
        (format!("+{id}+{public}"), KeyError::Name),
        (format!("log example+{id}+{public}"), KeyError::Name),
        (format!("log\u{2003}example+{id}+{public}"), KeyError::Name),
        (format!("log\u{1}example+{id}+{public}"), KeyError::Name),
        (format!("log.example/tiles+{id}+{public}="), KeyError::Base64(b64::Error)),
        (format!("log.example/tiles+{id}+{public}\n"), KeyError::Base64(b64::Error)),
        (format!("log.example/tiles+{id}+"), KeyError::Type),
        (format!("log.example/tiles+{id}+AqOhB7/z"), KeyError::Type),
        (format!("log.example/tiles+{id}+AQOhB7/z"), KeyError::Key),
        (format!("log.example/tiles+{id}+BqOhB7/z"), KeyError::Key),
        (format!("log.example/tiles+{id}+{weak}"), KeyError::Key),
    ] {
        assert_eq!(vkey.parse::<VerifierKey>(), Err(error), "{vkey}");
    }
}

#[test]
fn private_keys_have_one_spelling() {
    for (secret, error) in [
        (LOG_KEY.to_owned(), KeyError::Shape),
        ("PRIVATE+KEY+log.example/tiles".to_owned(), KeyError::Shape),
        (LOG_SECRET.replace("e94a", "e94b"), KeyError::Id),
        (LOG_SECRET.replace("tiles", "tile"), KeyError::Id),
        (LOG_SECRET.replace("+AQAB", "+BAAB"), KeyError::Id),
        (LOG_SECRET.replace("+AQAB", "+BgAB"), KeyError::Id),
        (LOG_SECRET.replace("+AQAB", "+AgAB"), KeyError::Type),
        (format!("{LOG_SECRET}AAAA"), KeyError::Key),
        (format!("{LOG_SECRET}\n"), KeyError::Base64(b64::Error)),
    ] {
        assert_eq!(secret.parse::<SigningKey>().err(), Some(error), "{secret}");
    }
    assert_eq!(SigningKey::ed25519("a+b", [0; 32]).err(), Some(KeyError::Name));
}

#[test]
fn the_text_ends_at_the_last_empty_line() {
    let secret = signer("log", 1);
    for text in ["a\n", "a\n\nb\n", "a\n\n", "\n", "\n\n\n", "a\n\n\u{2014} log AAAAAAA=\n"] {
        let note = sign(text, &[&secret], 0).unwrap();
        assert_eq!(Note::parse(&note).unwrap().text, text);
        assert!(open(&note, &[secret.verifier_key().clone()]).is_ok());
    }
}

#[test]
fn malformed_notes_are_refused() {
    let line = "\u{2014} log AAAAAAA=";
    for (note, error) in [
        (String::new(), NoteError::NoSignatures),
        ("text\n".to_owned(), NoteError::NoSignatures),
        (format!("text\n{line}\n"), NoteError::NoSignatures),
        ("text\n\n".to_owned(), NoteError::NoSignatures),
        (format!("text\n\n{line}"), NoteError::NoSignatures),
        (format!("te\txt\n\n{line}\n"), NoteError::ControlCharacter),
        (format!("text\r\n\n{line}\n"), NoteError::ControlCharacter),
        (format!("te\0xt\n\n{line}\n"), NoteError::ControlCharacter),
        (format!("text\n\n{line}\nmore\n"), NoteError::SignatureLine(2)),
        (format!("text\n\n{line}\r\n"), NoteError::SignatureLine(1)),
        (format!("text\n\n {line}\n"), NoteError::SignatureLine(1)),
        (format!("text\n\n{line} \n"), NoteError::SignatureLine(1)),
        ("text\n\n- log AAAAAAA=\n".to_owned(), NoteError::SignatureLine(1)),
        ("text\n\n\u{2014} log\n".to_owned(), NoteError::SignatureLine(1)),
        ("text\n\n\u{2014}  AAAAAAA=\n".to_owned(), NoteError::SignatureLine(1)),
        ("text\n\n\u{2014} a+b AAAAAAA=\n".to_owned(), NoteError::SignatureLine(1)),
        ("text\n\n\u{2014} a\u{a0}b AAAAAAA=\n".to_owned(), NoteError::SignatureLine(1)),
        ("text\n\n\u{2014} a\u{1}b AAAAAAA=\n".to_owned(), NoteError::SignatureLine(1)),
        ("text\n\n\u{2014} log AAAAAAA\n".to_owned(), NoteError::SignatureLine(1)),
        ("text\n\n\u{2014} log AAAAAAB=\n".to_owned(), NoteError::SignatureLine(1)),
        ("text\n\n\u{2014} log AAAAAA==\n".to_owned(), NoteError::SignatureLine(1)),
        (format!("{}\n\n{line}\n", "x".repeat(1 << 20)), NoteError::TooLong),
    ] {
        assert_eq!(Note::parse(&note), Err(error), "{:?}", &note[..note.len().min(60)]);
    }
    assert!(Note::parse(&format!("text\u{7f}\n\n{line}\n")).is_ok());
}

#[test]
fn one_hundred_signatures_are_read_and_no_more() {
    let secret = signer("log", 1);
    let note = sign("text\n", &[&secret; 16], 0).unwrap();
    assert_eq!(Note::parse(&note).unwrap().signatures.len(), 16);
    assert!(open(&note, &[secret.verifier_key().clone()]).is_ok());
    let full = sign("text\n", &[&secret; 100], 0).unwrap();
    assert_eq!(Note::parse(&full).unwrap().signatures.len(), 100);
    let surplus = format!("{full}\u{2014} log AAAAAAA=\n");
    assert_eq!(Note::parse(&surplus), Err(NoteError::TooManySignatures));
    assert_eq!(sign("text\n", &[&secret; 101], 0), Err(NoteError::TooManySignatures));
}

#[test]
fn unsignable_texts_are_refused() {
    let secret = signer("log", 1);
    for text in ["", "text", "text\n\nmore"] {
        assert_eq!(sign(text, &[&secret], 0), Err(NoteError::Text), "{text:?}");
    }
    assert_eq!(sign("te\txt\n", &[&secret], 0), Err(NoteError::ControlCharacter));
    assert_eq!(sign("text\n", &[], 0), Err(NoteError::NoSignatures));
    assert_eq!(sign(&"x\n".repeat(1 << 19), &[&secret], 0), Err(NoteError::TooLong));
}

#[test]
fn unknown_signatures_are_passed_over_and_none_known_is_a_refusal() {
    let (one, two, other) = (signer("one", 1), signer("two", 2), signer("one", 3));
    let note = sign("text\n", &[&one, &two], 0).unwrap();
    let key = |secret: &SigningKey| secret.verifier_key().clone();
    assert_eq!(open(&note, &[key(&two)]), Ok(vec![key(&two).to_string()]));
    assert_eq!(
        open(&note, &[key(&two), key(&one), key(&other)]),
        Ok(vec![key(&one).to_string(), key(&two).to_string()])
    );
    assert_eq!(open(&note, &[key(&other)]), Err(NoteError::NoTrustedSignature));
    assert_eq!(open(&note, &[]), Err(NoteError::NoTrustedSignature));
}

#[test]
fn a_failed_signature_of_a_trusted_key_refuses_the_note() {
    let (one, two) = (signer("one", 1), signer("two", 2));
    let keys = [one.verifier_key().clone(), two.verifier_key().clone()];
    let mut note = Note::parse(&sign("text\n", &[&one, &two], 0).unwrap()).unwrap();
    note.signatures[1].bytes[0] ^= 1;
    assert_eq!(note.verify(&keys), Err(NoteError::BadSignature("two".to_owned())));
    assert!(note.verify(&keys[..1]).is_ok(), "a key that is not trusted may say what it likes");
    // Even behind a good one of the same key.
    let bad = note.signatures.pop().unwrap();
    let good = Note::parse(&sign("text\n", &[&two], 0).unwrap()).unwrap();
    note.signatures = vec![good.signatures[0].clone(), bad];
    assert_eq!(note.verify(&keys), Err(NoteError::BadSignature("two".to_owned())));
    // And with a signature of another length.
    note.signatures[1].bytes = vec![0; 65];
    assert_eq!(note.verify(&keys), Err(NoteError::BadSignature("two".to_owned())));
}

#[test]
fn a_repeated_key_has_signed_once() {
    let secret = signer("log", 1);
    let key = secret.verifier_key().clone();
    let note = sign("text\n", &[&secret, &secret], 0).unwrap();
    assert_eq!(open(&note, &[key.clone(), key.clone()]), Ok(vec![key.to_string()]));
}

/// Two seeds, found by search, whose keys named `log` share the id f5264223.
#[test]
fn two_trusted_keys_with_one_name_and_id_are_ambiguous() {
    let [one, two] = [32_003u32, 82_289].map(|counter| {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&counter.to_be_bytes());
        SigningKey::ed25519("log", seed).unwrap()
    });
    let keys = [one.verifier_key().clone(), two.verifier_key().clone()];
    assert_ne!(keys[0], keys[1]);
    assert_eq!((keys[0].id(), keys[1].id()), (0xf526_4223, 0xf526_4223));
    let note = sign("text\n", &[&one], 0).unwrap();
    assert_eq!(open(&note, &keys), Err(NoteError::AmbiguousKey("log".to_owned())));
    assert_eq!(open(&note, &keys[..1]), Ok(vec![keys[0].to_string()]));
    assert_eq!(open(&note, &keys[1..]), Err(NoteError::BadSignature("log".to_owned())));
}

/// `S + L` in place of `S` verifies with a lax verifier: the same note would have two spellings.
#[test]
fn a_malleated_signature_is_refused() {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut note = Note::parse(EXAMPLE).unwrap();
    let mut carry = 0;
    for (byte, order) in note.signatures[0].bytes[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(note.verify(&[key(EXAMPLE_KEY)]), Err(NoteError::BadSignature("example.com/foo".to_owned())));
}

proptest! {
    #[test]
    fn signed_note_accepts_our_notes_and_we_accept_its(
        text in "([ -~é–]{0,20}\n){1,4}",
        name in "[a-z./]{1,20}",
        seed: [u8; 32],
    ) {
        let secret = SigningKey::ed25519(&name, seed).unwrap();
        let vkey = secret.verifier_key().to_string();
        let verifier = signed_note::StandardVerifier::new(&vkey).unwrap();
        prop_assert_eq!((verifier.name(), verifier.key_id()), (name.as_str(), secret.verifier_key().id()));
        let ours = sign(&text, &[&secret], 0).unwrap();
        let list = signed_note::VerifierList::new(vec![Box::new(verifier)]);
        let read = signed_note::Note::from_bytes(ours.as_bytes()).unwrap();
        prop_assert_eq!(read.text(), text.as_bytes());
        prop_assert_eq!(read.verify(&list).unwrap().0.len(), 1);

        let signer = signed_note::StandardSigner::new(&secret.to_private_note()).unwrap();
        let mut theirs = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
        theirs.add_sigs(&[&signer]).unwrap();
        prop_assert_eq!(String::from_utf8(theirs.to_bytes()).unwrap(), ours);
    }

    #[test]
    fn damaged_notes_are_judged_as_signed_note_judges_them(
        at: prop::sample::Index,
        with in prop_oneof![Just("\n"), Just("\n\n"), Just(" "), Just("+"), Just("="), Just("\u{2014} "), Just("\t"), Just("")],
        length in 0..3usize,
    ) {
        let chars: Vec<char> = EXAMPLE.chars().collect();
        let at = at.index(chars.len());
        let after = (at + length).min(chars.len());
        let damaged: String =
            chars[..at].iter().copied().chain(with.chars()).chain(chars[after..].iter().copied()).collect();
        let verifier = signed_note::StandardVerifier::new(EXAMPLE_KEY).unwrap();
        let list = signed_note::VerifierList::new(vec![Box::new(verifier)]);
        let theirs = signed_note::Note::from_bytes(damaged.as_bytes()).is_ok_and(|note| note.verify(&list).is_ok());
        prop_assert_eq!(open(&damaged, &[key(EXAMPLE_KEY)]).is_ok(), theirs, "{}", damaged);
    }

    #[test]
    fn keys_round_trip(name in "[^\\s+\\x00-\\x1f]{1,12}", seed: [u8; 32]) {
        let secret = SigningKey::ed25519(&name, seed).unwrap();
        let again: SigningKey = secret.to_private_note().parse().unwrap();
        prop_assert_eq!(again.to_private_note(), secret.to_private_note());
        prop_assert_eq!(&secret.verifier_key().to_string().parse::<VerifierKey>().unwrap(), secret.verifier_key());
    }

    #[test]
    fn any_text_is_answered(text: String, lines in "(.{0,8}\n){0,4}\n(\u{2014} [a-z]{0,3} [A-Za-z=]{0,12}\n){0,3}") {
        for text in [text, lines] {
            if let Ok(note) = Note::parse(&text) {
                prop_assert_eq!(note.to_string(), text.clone());
                let _ = note.verify(&[key(EXAMPLE_KEY)]);
            }
            let _ = text.parse::<VerifierKey>();
            let _ = text.parse::<SigningKey>();
        }
    }
}
