//! What a log asks of a witness: c2sp.org/tlog-witness.

use cairnlog_verify::Hash;
use cairnlog_verify::note::NoteError;
use cairnlog_verify::witness::{AddCheckpoint, RequestError, SignSubtree, parse_size};
use proptest::prelude::*;

const NOTE: &str = "log.example/tiles\n70000\nGkzfy2Y3SgwNy+9JrL1JdtE+6GT7PLJB/JQ8rQTwL34=\n\n\u{2014} log.example/tiles \
    6UpZHYoZ83B/SBGoX4un1IK7ajO4lBz0j3PTof+VsTGNei50OQ3Ow7NguSVUcbYVuvAWxzIDG7w7hmvOAVKoCMrxygk=\n";
const HASH: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

#[test]
fn add_checkpoint_is_read_and_written_byte_for_byte() {
    for (text, old, hashes) in [
        (format!("old 0\n\n{NOTE}"), 0, 0),
        (format!("old 20\n{HASH}\n{HASH}\n\n{NOTE}"), 20, 2),
        (format!("old 18446744073709551615\n{}\n{NOTE}", format!("{HASH}\n").repeat(63)), u64::MAX, 63),
    ] {
        let request = AddCheckpoint::parse(&text).unwrap();
        assert_eq!((request.old, request.hashes.len(), request.checkpoint.as_str()), (old, hashes, NOTE));
        assert_eq!(request.to_string(), text);
    }
}

#[test]
fn malformed_add_checkpoints_are_refused() {
    for (text, error) in [
        (String::new(), RequestError::Old),
        ("old 0".to_owned(), RequestError::Old),
        (format!("old 00\n\n{NOTE}"), RequestError::Old),
        (format!("old  0\n\n{NOTE}"), RequestError::Old),
        (format!("old 0\r\n\n{NOTE}"), RequestError::Old),
        (format!("old -1\n\n{NOTE}"), RequestError::Old),
        (format!("old 18446744073709551616\n\n{NOTE}"), RequestError::Old),
        (format!("old\n\n{NOTE}"), RequestError::Old),
        (format!("Old 0\n\n{NOTE}"), RequestError::Old),
        (format!("\nold 0\n\n{NOTE}"), RequestError::Old),
        (format!("old 0\n{NOTE}"), RequestError::Hashes),
        ("old 0\n".to_owned(), RequestError::Hashes),
        (format!("old 1\n{HASH} \n\n{NOTE}"), RequestError::Hashes),
        (format!("old 1\n{}\n\n{NOTE}", &HASH[1..]), RequestError::Hashes),
        (format!("old 1\n{}\n{NOTE}", format!("{HASH}\n").repeat(64)), RequestError::TooManyHashes),
        ("old 0\n\n".to_owned(), RequestError::Note(NoteError::NoSignatures)),
        (format!("old 0\n\n{NOTE}more\n"), RequestError::Note(NoteError::SignatureLine(2))),
        ("x".repeat((1 << 20) + (1 << 12) + 1), RequestError::TooLong),
    ] {
        assert_eq!(AddCheckpoint::parse(&text), Err(error), "{:?}", &text[..text.len().min(60)]);
    }
}

#[test]
fn sign_subtree_is_read_and_written_byte_for_byte() {
    for (range, start, end) in [("0 0", 0, 0), ("0 70000", 0, 70_000), ("512 700", 512, 700)] {
        let text = format!("subtree {range}\n{HASH}\n{HASH}\n\n{NOTE}");
        let request = SignSubtree::parse(&text).unwrap();
        assert_eq!((request.start, request.end, request.hash.to_string()), (start, end, HASH.to_owned()));
        assert_eq!((request.hashes.len(), request.checkpoint.as_str()), (1, NOTE));
        assert_eq!(request.to_string(), text);
    }
}

#[test]
fn malformed_sign_subtrees_are_refused() {
    for (text, error) in [
        (String::new(), RequestError::Subtree),
        (format!("subtree 0\n{HASH}\n\n{NOTE}"), RequestError::Subtree),
        (format!("subtree 0 1 2\n{HASH}\n\n{NOTE}"), RequestError::Subtree),
        (format!("subtree 0  1\n{HASH}\n\n{NOTE}"), RequestError::Subtree),
        (format!("subtree 00 1\n{HASH}\n\n{NOTE}"), RequestError::Subtree),
        (format!("subtree 1 3\n{HASH}\n\n{NOTE}"), RequestError::Subtree),
        (format!("subtree 4 2\n{HASH}\n\n{NOTE}"), RequestError::Subtree),
        (format!("subtree 0 1\n\n{NOTE}"), RequestError::Hashes),
        ("subtree 0 1\n".to_owned(), RequestError::Hashes),
        (format!("subtree 0 1\n{HASH}\n{NOTE}"), RequestError::Hashes),
        (
            format!("subtree 0 1\n{HASH}\n{}\n{NOTE}", format!("{HASH}\n").repeat(64)),
            RequestError::TooManyHashes,
        ),
        (format!("subtree 0 1\n{HASH}\n\nno note\n"), RequestError::Note(NoteError::NoSignatures)),
    ] {
        assert_eq!(SignSubtree::parse(&text), Err(error), "{:?}", &text[..text.len().min(60)]);
    }
}

#[test]
fn the_size_of_a_refusal_is_one_line() {
    assert_eq!(parse_size("0\n"), Some(0));
    assert_eq!(parse_size("70000\n"), Some(70_000));
    for body in ["", "\n", "7", "07\n", "7\n\n", " 7\n", "7\r\n", "seven\n"] {
        assert_eq!(parse_size(body), None, "{body:?}");
    }
}

proptest! {
    #[test]
    fn requests_round_trip(old: u64, hashes in prop::collection::vec(any::<[u8; 32]>(), 0..64), level in 0..64u32, at: u16) {
        let hashes: Vec<Hash> = hashes.into_iter().map(Hash).collect();
        let checkpoint = NOTE.to_owned();
        let add = AddCheckpoint { old, hashes: hashes.clone(), checkpoint: checkpoint.clone() };
        prop_assert_eq!(AddCheckpoint::parse(&add.to_string()), Ok(add));
        let start = u64::from(at).checked_shl(level).filter(|start| start >> level == u64::from(at)).unwrap_or(0);
        let end = start.saturating_add(1 << level);
        prop_assume!(end - start == 1 << level);
        let subtree = SignSubtree { start, end, hash: Hash([1; 32]), hashes, checkpoint };
        prop_assert_eq!(SignSubtree::parse(&subtree.to_string()), Ok(subtree));
    }

    #[test]
    fn any_text_is_answered(text: String, lines in "(old|subtree)?( [0-9]{0,2}){0,3}\n([A-Za-z=]{0,4}\n){0,3}\n?.{0,9}\n") {
        for text in [text, lines] {
            prop_assert!(AddCheckpoint::parse(&text).is_err());
            prop_assert!(SignSubtree::parse(&text).is_err());
            let _ = parse_size(&text);
        }
    }
}
