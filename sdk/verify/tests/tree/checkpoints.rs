//! Checkpoints: published logs and cosignatures, and every spelling that is refused.

use cairnlog_verify::Hash;
use cairnlog_verify::checkpoint::{Checkpoint, CheckpointError};
use cairnlog_verify::note::{Note, NoteError, SigningKey, VerifierKey, sign};
use cairnlog_verify::tree::empty_root;
use ed25519_dalek::Signer as _;
use proptest::prelude::*;

use crate::notes::{LOG_KEY, LOG_SECRET, WITNESS_KEY, key};
use crate::oracle::Log;

const TEXT: &str = "log.example/tiles\n70000\nGkzfy2Y3SgwNy+9JrL1JdtE+6GT7PLJB/JQ8rQTwL34=\n";
const LOG_LINE: &str = "\u{2014} log.example/tiles \
    6UpZHYoZ83B/SBGoX4un1IK7ajO4lBz0j3PTof+VsTGNei50OQ3Ow7NguSVUcbYVuvAWxzIDG7w7hmvOAVKoCMrxygk=\n";
const WITNESS_LINE: &str = "\u{2014} witness.example/w1 \
    IDJKvgAAAABlU/EAdI0NTv5TEf68CPLT1CKsiXIhgBTf0hauE3r1CvdGaWJcfenT4iI6aACPPodPPPkqee6FaNtWlVa17ic334UmAA==\n";

/// The log of the vectors with its witness' cosignature.
fn cosigned() -> String {
    format!("{TEXT}\n{LOG_LINE}{WITNESS_LINE}")
}

fn checkpoint() -> Checkpoint {
    let root = "Gkzfy2Y3SgwNy+9JrL1JdtE+6GT7PLJB/JQ8rQTwL34=".parse().unwrap();
    Checkpoint { origin: "log.example/tiles".to_owned(), size: 70_000, root, extensions: vec![] }
}

#[test]
fn the_log_of_the_cosignature_vectors() {
    let secret: SigningKey = LOG_SECRET.parse().unwrap();
    assert_eq!(checkpoint().to_text(), TEXT);
    assert_eq!(sign(TEXT, &[&secret], 0).unwrap(), format!("{TEXT}\n{LOG_LINE}"));
    assert_eq!(Log::of_decimals(70_000).edge.root(), checkpoint().root);
    assert_eq!(Checkpoint::open(&cosigned(), &[key(LOG_KEY)]), Ok(checkpoint()));
}

#[test]
fn a_witness_cosigns_time_and_text() {
    let keys = [key(LOG_KEY), key(WITNESS_KEY)];
    let note = Note::parse(&cosigned()).unwrap();
    assert_eq!(note.verify(&keys).unwrap(), [&keys[0], &keys[1]]);
    assert_eq!(Checkpoint::open(&cosigned(), &keys), Ok(checkpoint()));
    let refusal = Err(NoteError::BadSignature("witness.example/w1".to_owned()));
    let changes: [fn(&mut Note); 6] = [
        |note| note.signatures[1].bytes[7] ^= 1,
        |note| note.signatures[1].bytes[0] ^= 0x80,
        |note| note.signatures[1].bytes.truncate(7),
        |note| note.signatures[1].bytes.truncate(71),
        |note| note.signatures[1].bytes.push(0),
        |note| note.text += "extension\n",
    ];
    for change in changes {
        let mut note = note.clone();
        change(&mut note);
        assert_eq!(note.verify(&keys[1..]), refusal);
    }
}

#[test]
fn a_cosignature_has_a_time_of_at_most_2_to_the_63_less_1() {
    let seed = core::array::from_fn(|i| u8::try_from(i).unwrap() + 32);
    let witness = ed25519_dalek::SigningKey::from_bytes(&seed);
    let judge = |time: u64, written: String| {
        let signature = witness.sign(format!("cosignature/v1\ntime {written}\n{TEXT}").as_bytes());
        let mut note = Note::parse(&cosigned()).unwrap();
        note.signatures[1].bytes = [time.to_be_bytes().as_slice(), &signature.to_bytes()].concat();
        note.verify(&[key(WITNESS_KEY)]).map(|keys| keys.len())
    };
    let refusal = Err(NoteError::BadSignature("witness.example/w1".to_owned()));
    let last = i64::MAX.unsigned_abs();
    assert_eq!(judge(0, "0".to_owned()), Ok(1));
    assert_eq!(judge(last, last.to_string()), Ok(1));
    assert_eq!(judge(last + 1, (last + 1).to_string()), refusal);
    assert_eq!(judge(last + 1, i64::MIN.to_string()), refusal);
    assert_eq!(judge(u64::MAX, "-1".to_owned()), refusal);
    assert_eq!(judge(7, "07".to_owned()), refusal);
}

#[test]
fn only_a_key_of_the_origin_speaks_for_the_log() {
    let other = SigningKey::ed25519("log.example/other", [9; 32]).unwrap();
    let note = sign(TEXT, &[&other], 0).unwrap();
    let by_other = Checkpoint::open(&note, &[other.verifier_key().clone(), key(LOG_KEY)]);
    assert_eq!(by_other, Err(CheckpointError::NotByOrigin("log.example/tiles".to_owned())));
    let by_witness = Checkpoint::open(&format!("{TEXT}\n{WITNESS_LINE}"), &[key(LOG_KEY), key(WITNESS_KEY)]);
    assert_eq!(by_witness, Err(CheckpointError::NotByOrigin("log.example/tiles".to_owned())));
    assert_eq!(
        Checkpoint::open(&cosigned(), &[other.verifier_key().clone()]),
        Err(NoteError::NoTrustedSignature.into())
    );
}

#[test]
fn a_cosignature_that_fails_refuses_the_checkpoint() {
    let mut note = Note::parse(&cosigned()).unwrap();
    note.signatures[1].bytes[20] ^= 1;
    let opened = Checkpoint::open(&note.to_string(), &[key(LOG_KEY), key(WITNESS_KEY)]);
    assert_eq!(opened, Err(NoteError::BadSignature("witness.example/w1".to_owned()).into()));
    assert!(Checkpoint::open(&note.to_string(), &[key(LOG_KEY)]).is_ok());
}

/// Tessera's fixture log (`testdata/log`, Apache-2.0), whose key pair is public.
#[test]
fn the_static_log_of_tessera() {
    const ORIGIN: &str = "example.com/log/testdata";
    let entries = [
        "one", "two", "three", "four", "five", "six", "seven", "eit", "nain", "ten", "ileven", "twelf",
        "threeten", "fourten", "fivten",
    ];
    for (size, root) in [
        (1, "0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek="),
        (2, "T1X2GdkhUjV3iyufF9b0kVsWFxIU0VI4EpNml2Teci4="),
        (3, "Wqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk="),
        (8, "bC+VwvrJbalNVjfkdI8kUgs7mJoXrqiXCE7bgnD28pY="),
        (15, "rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs="),
    ] {
        assert_eq!(Log::new(&entries[..size]).edge.root().to_string(), root, "{size}");
    }

    let secret: SigningKey =
        format!("PRIVATE+KEY+{ORIGIN}+33d7b496+AeymY/SZAX0jZcJ8enZ5FY1Dz+wTML2yWSkK+9DSF3eg")
            .parse()
            .unwrap();
    let vkey = key(&format!("{ORIGIN}+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"));
    assert_eq!(secret.verifier_key(), &vkey);
    let root = Log::new(entries).edge.root();
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: 15, root, extensions: vec![] };
    let signed = sign(&checkpoint.to_text(), &[&secret], 0).unwrap();
    assert_eq!(
        signed,
        format!(
            "{ORIGIN}\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\n\n\u{2014} {ORIGIN} \
             M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1zfcBOhg+CKubMt53MvIt/uEWP6zdkdIQzd/fmwlM/dlPWF74ewI=\n"
        )
    );
    assert_eq!(Checkpoint::open(&signed, &[vkey]), Ok(checkpoint));
}

#[test]
fn size_is_decimal_without_leading_zeros() {
    let root = empty_root();
    let parse = |size: &str| Checkpoint::parse_text(&format!("log\n{size}\n{root}\n"));
    for (text, size) in [("0", 0), ("10", 10), ("18446744073709551615", u64::MAX)] {
        assert_eq!(parse(text).unwrap().size, size);
    }
    for text in ["00", "01", "+1", "-1", " 1", "1 ", "0x1", "1e3", "18446744073709551616"] {
        assert_eq!(parse(text), Err(CheckpointError::Size), "{text}");
    }
}

#[test]
fn root_is_base64_of_32_bytes() {
    let parse = |root: &str| Checkpoint::parse_text(&format!("log\n1\n{root}\n"));
    let root = empty_root().to_string();
    assert!(parse(&root).is_ok());
    for text in [
        &root[..43],
        &format!("{root}="),
        &format!("{root} "),
        &format!("A{root}"),
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=",
        "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
        &cairnlog_verify::b64::encode(&[0; 31]),
        &cairnlog_verify::b64::encode(&[0; 33]),
        "x",
    ] {
        assert_eq!(parse(text), Err(CheckpointError::Root), "{text}");
    }
}

#[test]
fn lines_are_ended_and_not_empty() {
    let root = empty_root();
    for text in [
        String::new(),
        "\n".to_owned(),
        "log\n".to_owned(),
        "log\n1\n".to_owned(),
        format!("log\n1\n{root}"),
        format!("\n1\n{root}\n"),
        format!("log\n\n{root}\n"),
        format!("log\n1\n{root}\n\n"),
        format!("log\n1\n{root}\next\n\next\n"),
        format!("log\n1\n{root}\next"),
        format!("lo\tg\n1\n{root}\n"),
        format!("log\n1\n{root}\ne\rxt\n"),
    ] {
        assert_eq!(Checkpoint::parse_text(&text), Err(CheckpointError::Lines), "{text:?}");
    }
}

#[test]
fn extensions_are_kept() {
    let text = format!("{TEXT}one extension\nand another\n");
    let parsed = Checkpoint::parse_text(&text).unwrap();
    assert_eq!(parsed.extensions, ["one extension", "and another"]);
    assert_eq!(parsed.to_text(), text);
}

#[test]
fn an_origin_has_at_most_255_bytes() {
    let parse = |length| Checkpoint::parse_text(&format!("{}\n1\n{}\n", "o".repeat(length), empty_root()));
    assert!(parse(255).is_ok());
    assert_eq!(parse(256), Err(CheckpointError::Origin));
}

#[test]
#[should_panic(expected = "not one non-empty line")]
fn an_origin_of_two_lines_is_never_signed() {
    let _ = Checkpoint { origin: "log\n1".to_owned(), ..checkpoint() }.to_text();
}

#[test]
#[should_panic(expected = "not one non-empty line")]
fn an_empty_extension_is_never_signed() {
    let _ = Checkpoint { extensions: vec![String::new()], ..checkpoint() }.to_text();
}

proptest! {
    #[test]
    fn checkpoints_round_trip(
        origin in "[ -~é]{1,100}",
        size: u64,
        root: [u8; 32],
        extensions in prop::collection::vec("[ -~]{1,20}", 0..3),
    ) {
        let checkpoint = Checkpoint { origin, size, root: Hash(root), extensions };
        prop_assert_eq!(Checkpoint::parse_text(&checkpoint.to_text()), Ok(checkpoint));
    }

    #[test]
    fn any_text_is_answered(text: String, lines in "[a-z]{0,3}\n[0-9]{0,3}\n(47DEQpj8HBSa\\+/TImW\\+5JCeuQeRkm5NMpJWZG3hSuF[A-Z]=)?\n(.?\n)?") {
        let keys: [VerifierKey; 1] = [key(LOG_KEY)];
        for text in [text, lines] {
            if let Ok(checkpoint) = Checkpoint::parse_text(&text) {
                prop_assert_eq!(checkpoint.to_text(), text.clone());
            }
            prop_assert!(Checkpoint::open(&text, &keys).is_err());
        }
    }
}
