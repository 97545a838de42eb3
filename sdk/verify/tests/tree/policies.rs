//! Policies: c2sp.org/tlog-policy, rule by rule.

use cairnlog_verify::checkpoint::CheckpointError;
use cairnlog_verify::note::{KeyError, Note, NoteError, SigningKey, VerifierKey, sign};
use cairnlog_verify::policy::{Distrust, Policy, PolicyError, Problem};
use proptest::prelude::*;

const TEXT: &str = "log.example/tiles\n70000\nGkzfy2Y3SgwNy+9JrL1JdtE+6GT7PLJB/JQ8rQTwL34=\n";

fn log() -> SigningKey {
    SigningKey::ed25519("log.example/tiles", [1; 32]).unwrap()
}

/// Six witnesses, every other one with ML-DSA-44.
fn witness(number: u8) -> SigningKey {
    let make = if number.is_multiple_of(2) { SigningKey::ml_dsa_44 } else { SigningKey::cosignature };
    make(&format!("witness.example/{number}"), [10 + number; 32]).unwrap()
}

/// The example of the specification, with keys.
fn example() -> String {
    let vkey = |number| witness(number).verifier_key().to_string();
    format!(
        "log {}\n\nwitness X1 {} https://x1.example/\nwitness X2 {}\nwitness X3 {}\ngroup X-witnesses 2 X1 X2 X3\n\n\
         witness Y1 {}\nwitness Y2 {}\nwitness Y3 {}\ngroup Y-witnesses any Y1 Y2 Y3\n\n\
         group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n",
        log().verifier_key(),
        vkey(0),
        vkey(1),
        vkey(2),
        vkey(3),
        vkey(4),
        vkey(5),
    )
}

fn note(witnesses: &[u8]) -> Note {
    let (log, witnesses) = (log(), witnesses.iter().map(|number| witness(*number)).collect::<Vec<_>>());
    let mut keys = vec![&log];
    keys.extend(&witnesses);
    Note::parse(&sign(TEXT, &keys, 1_700_000_000).unwrap()).unwrap()
}

#[test]
fn the_example_of_the_specification() {
    let policy = Policy::parse(example()).unwrap();
    assert_eq!(policy.logs().len(), 1);
    assert_eq!(policy.logs()[0].key.name(), "log.example/tiles");
    let names: Vec<_> = policy.witnesses().iter().map(|witness| witness.name.as_str()).collect();
    assert_eq!(names, ["X1", "X2", "X3", "Y1", "Y2", "Y3"]);
    assert_eq!(policy.witnesses()[0].url.as_deref(), Some("https://x1.example/"));
    assert_eq!(policy.witnesses()[1].url, None);
    for (cosigned, met) in [
        ([0, 1, 3].as_slice(), true),
        (&[4, 2, 0], true),
        (&[0, 1, 2, 3, 4, 5], true),
        (&[0, 1, 2], false),
        (&[0, 3, 4, 5], false),
        (&[0, 0, 3], false),
        (&[], false),
    ] {
        let note = note(cosigned);
        assert_eq!(policy.is_met(&note), met, "{cosigned:?}");
        let keys: Vec<VerifierKey> =
            cosigned.iter().map(|number| witness(*number).verifier_key().clone()).collect();
        assert_eq!(policy.quorum_met(&keys.iter().collect::<Vec<_>>()), met, "{cosigned:?}");
    }
    assert_eq!(policy.open(&note(&[0, 1]), &[]), Err(Distrust::Quorum));
}

#[test]
fn a_known_signature_that_fails_refuses_the_checkpoint_even_with_a_quorum() {
    let policy = Policy::parse(example()).unwrap();
    let mut note = note(&[0, 1, 2, 3]);
    assert!(policy.is_met(&note));
    note.signatures[3].bytes[9] ^= 1;
    let bad = NoteError::BadSignature("witness.example/2".to_owned());
    assert_eq!(policy.open(&note, &[]), Err(bad.into()));
    note.signatures[3].id ^= 1;
    assert!(policy.is_met(&note), "an unknown signature is passed over");
}

#[test]
fn the_log_must_have_signed_under_its_origin() {
    let other = SigningKey::ed25519("log.example/other", [2; 32]).unwrap();
    let text = format!("log {}\nquorum none\n", other.verifier_key());
    let policy = Policy::parse(text).unwrap();
    assert_eq!(policy.open(&note(&[]), &[]), Err(NoteError::NoTrustedSignature.into()));
    let by_other = Note::parse(&sign(TEXT, &[&other], 0).unwrap()).unwrap();
    let refusal = CheckpointError::NotByOrigin("log.example/tiles".to_owned());
    assert_eq!(policy.open(&by_other, &[]), Err(refusal.clone().into()));
    // A witness that is named like the log is not the log.
    let posing = SigningKey::cosignature("log.example/tiles", [3; 32]).unwrap();
    let text = format!("witness w {}\nquorum w\n", posing.verifier_key());
    let policy = Policy::parse(text).unwrap();
    let by_witness = Note::parse(&sign(TEXT, &[&posing], 0).unwrap()).unwrap();
    assert_eq!(policy.open(&by_witness, &[]), Err(refusal.into()));
}

#[test]
fn logs_may_be_known_from_elsewhere() {
    let policy = Policy::parse("quorum none\n").unwrap();
    assert!(policy.logs().is_empty() && policy.witnesses().is_empty());
    assert!(!policy.is_met(&note(&[])));
    let opened = policy.open(&note(&[]), &[log().verifier_key().clone()]).unwrap();
    assert_eq!(opened.size, 70_000);
}

#[test]
fn space_comments_and_foreign_bytes() {
    let vkey = witness(1).verifier_key().to_string();
    let mut text = format!("\t # a comment\n \t \n\twitness  \t\u{212a} {vkey}\t\n").into_bytes();
    text.extend([b'#', 0xff, b'\n']);
    text.extend(b"quorum \xe2\x84\xaa\n");
    let policy = Policy::parse(&text).unwrap();
    assert_eq!(policy.witnesses()[0].name, "\u{212a}");
    // The Kelvin sign is no K; a name need not be UTF-8.
    let problem = |text: &[u8]| Policy::parse(text).unwrap_err().problem;
    assert_eq!(problem(format!("witness \u{212a} {vkey}\nquorum K\n").as_bytes()), Problem::Undefined);
    let named = [b"witness \xff ".as_slice(), vkey.as_bytes(), b"\nquorum \xff\n"].concat();
    assert_eq!(Policy::parse(named).unwrap().witnesses()[0].name, "\u{fffd}");
    let other = [b"witness \xff ".as_slice(), vkey.as_bytes(), b"\nquorum \xfe\n"].concat();
    assert_eq!(problem(&other), Problem::Undefined);
}

#[test]
fn each_rule_of_the_file_is_kept() {
    let [a, b, c] = [1, 2, 3].map(|number| witness(number).verifier_key().to_string());
    let log = log().verifier_key().to_string();
    // The same public key under another name.
    let renamed = SigningKey::ml_dsa_44("witness.example/renamed", [12; 32]).unwrap();
    let relogged = SigningKey::ed25519("log.example/renamed", [1; 32]).unwrap();
    let (renamed, relogged) = (renamed.verifier_key().to_string(), relogged.verifier_key().to_string());
    let three = format!("witness a {a}\nwitness b {b}\nwitness c {c}\n");
    for (text, line, problem) in [
        (String::new(), 1, Problem::NoQuorum),
        (three.clone(), 4, Problem::NoQuorum),
        ("quorum none".to_owned(), 1, Problem::Unterminated),
        ("quorum none\nquorum none\n".to_owned(), 2, Problem::SecondQuorum),
        ("quorum none none\n".to_owned(), 1, Problem::Words),
        ("quorum\n".to_owned(), 1, Problem::Words),
        ("quorum a\n".to_owned(), 1, Problem::Undefined),
        (format!("quorum a\n{three}"), 1, Problem::Undefined),
        ("log\nquorum none\n".to_owned(), 1, Problem::Words),
        (format!("log {log} u v\n"), 1, Problem::Words),
        (format!("witness a\nlog {log}\n"), 1, Problem::Words),
        (format!("witness a {a} u v\n"), 1, Problem::Words),
        (format!("log {log}\nlog {log}\n"), 2, Problem::DuplicateKey),
        (format!("log {log}\nlog {relogged}\n"), 2, Problem::DuplicateKey),
        (format!("{three}witness d {renamed}\n"), 4, Problem::DuplicateKey),
        (format!("log {a}\n"), 1, Problem::Kind),
        (format!("witness l {log}\n"), 1, Problem::Kind),
        (format!("log {log}x\n"), 1, Problem::Key(KeyError::Base64(cairnlog_verify::b64::Error))),
        ("log x\n".to_owned(), 1, Problem::Key(KeyError::Shape)),
        (format!("witness none {a}\n"), 1, Problem::Name),
        (format!("witness a {a}\nwitness a {b}\n"), 2, Problem::Name),
        (format!("{three}group a any b\n"), 4, Problem::Name),
        (format!("{three}group none any b\n"), 4, Problem::Name),
        (format!("{three}group g any\n"), 4, Problem::Words),
        (format!("{three}group g\n"), 4, Problem::Words),
        (format!("{three}group g any none\n"), 4, Problem::Undefined),
        (format!("{three}group g any g\n"), 4, Problem::Undefined),
        (format!("{three}group g any a a\n"), 4, Problem::MemberTwice),
        (format!("{three}group g any a\ngroup h any b a\n"), 5, Problem::MemberTwice),
        (format!("{three}group g 0 a b\n"), 4, Problem::Threshold),
        (format!("{three}group g 3 a b\n"), 4, Problem::Threshold),
        (format!("{three}group g 01 a b\n"), 4, Problem::Threshold),
        (format!("{three}group g some a b\n"), 4, Problem::Threshold),
        ("Log x\n".to_owned(), 1, Problem::Keyword),
        ("\u{a0}quorum none\n".to_owned(), 1, Problem::Keyword),
        ("quorum none\r\n".to_owned(), 1, Problem::ControlCharacter),
        ("# \u{7f}\nquorum none\n".to_owned(), 1, Problem::ControlCharacter),
        (format!("#{}\nquorum none\n", "x".repeat(1 << 20)), 1, Problem::TooLong),
    ] {
        assert_eq!(
            Policy::parse(&text),
            Err(PolicyError { line, problem }),
            "{}",
            &text[text.len() - text.len().min(80)..]
        );
    }
    // A log and a witness may share a key, which signs differently for both.
    let both = SigningKey::ml_dsa_44("log.example/tiles", [4; 32]).unwrap().verifier_key().to_string();
    assert!(Policy::parse(format!("log {both}\nwitness w {both}\nquorum w\n")).is_ok());
}

#[test]
fn deep_and_wide_policies_are_answered() {
    use std::fmt::Write as _;
    let mut text = String::new();
    let mut last = String::new();
    for number in 0..256_u32 {
        let mut seed = [9; 32];
        seed[..4].copy_from_slice(&number.to_be_bytes());
        let key = SigningKey::cosignature("w", seed).unwrap();
        writeln!(text, "witness w{number} {}\ngroup g{number} all w{number}{last}", key.verifier_key())
            .unwrap();
        last = format!(" g{number}");
    }
    let policy = Policy::parse(format!("{text}quorum g255\n")).unwrap();
    let keys: Vec<&VerifierKey> = policy.witnesses().iter().map(|witness| &witness.key).collect();
    assert!(policy.quorum_met(&keys) && !policy.quorum_met(&keys[1..]));
    let surplus = format!("{text}group more any g255\nquorum more\n");
    assert_eq!(Policy::parse(surplus).unwrap_err().problem, Problem::TooMany);
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>, lines in "((log|witness|group|quorum|#)?( [a-z0-9+]{0,3}){0,4}\n){0,6}") {
        for bytes in [bytes, lines.into_bytes()] {
            if let Ok(policy) = Policy::parse(&bytes) {
                let _ = policy.is_met(&note(&[]));
            }
        }
    }
}
