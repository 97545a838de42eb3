//! What is fuzzed: every format that is read from others. Each function reads any bytes, panics if a promise of the reader
//! is broken, and answers whether it took them. `sdk/verify/tests/fuzz.rs` runs them over the kept seeds.
#![forbid(unsafe_code)]

use std::fmt::Display;
use std::sync::LazyLock;

use cairnlog_verify::checkpoint::Checkpoint;
use cairnlog_verify::cose::CoseReceipt;
use cairnlog_verify::disclosure::{Disclosure, Raw};
use cairnlog_verify::entry::Entry;
use cairnlog_verify::note::{KeyKind, Note, SigningKey, VerifierKey, parse_signatures};
use cairnlog_verify::path::{self, Segment};
use cairnlog_verify::policy::Policy;
use cairnlog_verify::receipt::Receipt;
use cairnlog_verify::tile::{BundleId, TILE_WIDTH, Tile};
use cairnlog_verify::witness::{AddCheckpoint, SignSubtree, parse_size};
use cairnlog_verify::{bundle, tree};

/// The keys that are trusted: the seeds are signed with them. Two logs, a witness, and a log with ML-DSA-44.
static KEYS: LazyLock<Vec<VerifierKey>> = LazyLock::new(|| {
    let fixed = [
        "log.example/tiles+e94a591d+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
        "transparency.example/logs/hr+8a5d87ff+ARdFU7RW3d/GkI7KscEB/mqyHiuqBhd5W31DpjSCmT/V",
        "witness.example/w1+20324abe+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X",
    ];
    let parsed = fixed.iter().filter_map(|key| key.parse().ok());
    let post_quantum = SigningKey::ml_dsa_44("log.example/tiles", [0x40; 32]).ok();
    parsed.chain(post_quantum.map(|key| key.verifier_key().clone())).collect()
});

/// Paths of attributes, of events and of the server: one spelling each.
pub fn paths(data: &[u8]) -> bool {
    let Some(text) = text(data) else { return false };
    let (segments, mut written) = match (path::parse(text), path::parse_host(text)) {
        (Ok(segments), Err(_)) => (segments, String::new()),
        (Err(_), Ok(segments)) => (segments, "$".to_owned()),
        (Err(_), Err(_)) => return false,
        (Ok(_), Ok(_)) => panic!("a path of an event and of the server"),
    };
    for segment in segments {
        match segment {
            Segment::Name(key) => path::push_key(&mut written, &key),
            Segment::Index(index) => path::push_index(&mut written, index),
        }
    }
    assert_eq!(written, text);
    true
}

/// Signed notes, bare signature lines and keys.
pub fn notes(data: &[u8]) -> bool {
    let Some(text) = text(data) else { return false };
    let _ = text.parse::<VerifierKey>().map(|key| assert_eq!(key.to_string(), text));
    let _ = text.parse::<SigningKey>().map(|key| assert_eq!(key.to_private_note().as_str(), text));
    if let Ok(signatures) = parse_signatures(text) {
        assert_eq!(signatures.iter().map(|line| line.to_string() + "\n").collect::<String>(), text);
        for signature in signatures {
            let _ = signature.time(KeyKind::MlDsa44);
        }
    }
    let Ok(note) = Note::parse(text) else { return false };
    assert_same(&note, text);
    let signed = note.verify(&KEYS);
    assert!(signed.is_err() || signed.is_ok_and(|keys| !keys.is_empty()));
    true
}

/// Checkpoints, alone and signed; taken if a trusted log has signed.
pub fn checkpoints(data: &[u8]) -> bool {
    let Some(text) = text(data) else { return false };
    if let Ok(checkpoint) = Checkpoint::parse_text(text) {
        assert_eq!(checkpoint.to_text(), text);
    }
    let Ok(checkpoint) = Checkpoint::open(text, &KEYS) else { return false };
    assert!(text.starts_with(&checkpoint.to_text()));
    assert!(KEYS.iter().any(|key| key.name() == checkpoint.origin));
    true
}

/// Paths of tiles and bundles, as they come in requests: one spelling each, and of nothing that no tree has.
pub fn tile_paths(data: &[u8]) -> bool {
    let Some(text) = text(data) else { return false };
    let (written, index, width) = match (Tile::parse(text), BundleId::parse(text)) {
        (Ok(tile), Err(_)) => {
            assert!(tile.level < 64, "a level that no path has");
            (tile.path(), tile.index, tile.width)
        }
        (Err(_), Ok(bundle)) => (bundle.path(), bundle.index, bundle.width),
        (Err(_), Err(_)) => return false,
        (Ok(_), Ok(_)) => panic!("a path of a tile and of a bundle"),
    };
    assert_eq!(written, text);
    assert!((1..=TILE_WIDTH).contains(&width));
    // Its last hash or entry has an index that fits, so nothing that is computed from it overflows.
    assert!(index < 1 << 56, "beyond any tree");
    true
}

/// Bundles of entries.
pub fn bundles(data: &[u8]) -> bool {
    let Ok(entries) = bundle::decode(data) else { return false };
    assert_eq!(bundle::encode(entries.iter().copied()).as_deref(), Ok(data));
    true
}

/// Receipts; taken if they prove the entry that they carry, in a trusted log.
pub fn receipts(data: &[u8]) -> bool {
    let Some(text) = text(data) else { return false };
    let Ok(receipt) = Receipt::parse(text) else { return false };
    assert_same(&receipt, text);
    let Ok(verified) = receipt.verify(None, &KEYS) else { return false };
    assert_eq!(verified.leaf_hash, tree::leaf_hash(&verified.entry));
    assert!(verified.index < verified.checkpoint.size);
    true
}

/// Bodies of requests to witnesses, and the size in their refusal.
pub fn witness_requests(data: &[u8]) -> bool {
    let Some(text) = text(data) else { return false };
    let _ = parse_size(text).map(|size| assert_eq!(format!("{size}\n"), text));
    match (AddCheckpoint::parse(text), SignSubtree::parse(text)) {
        (Ok(request), Err(_)) => assert_same(&request, text),
        (Err(_), Ok(request)) => assert_same(&request, text),
        (Err(_), Err(_)) => return false,
        (Ok(_), Ok(_)) => panic!("a request of two kinds"),
    }
    true
}

/// Entries of records logs: canonical byte for byte.
pub fn entries(data: &[u8]) -> bool {
    let Ok(entry) = Entry::parse(data) else { return false };
    assert_eq!(entry.write(), data);
    true
}

/// Policies; what they believe does not depend on the order of the signatures.
pub fn policies(data: &[u8]) -> bool {
    let Ok(policy) = Policy::parse(data) else { return false };
    let all: Vec<&VerifierKey> = policy.witnesses().iter().map(|witness| &witness.key).collect();
    assert!(policy.quorum_met(&all), "not even all witnesses make the quorum");
    let nobody = policy.quorum_met(&[]);
    let turned: Vec<&VerifierKey> = all.iter().rev().copied().collect();
    assert!(policy.quorum_met(&turned));
    assert!(all.is_empty() || !nobody || data.windows(4).any(|word| word == b"none"));
    true
}

/// COSE receipts; taken if they prove the entry `5`, in a trusted log.
pub fn cose_receipts(data: &[u8]) -> bool {
    let Ok(receipt) = CoseReceipt::parse(data) else { return false };
    assert_eq!(receipt.encode(), data);
    receipt.verify(b"5", &KEYS).is_ok()
}

/// Disclosures; taken if they prove all that they hold, of an entry in a trusted log.
pub fn disclosures(data: &[u8]) -> bool {
    let Some(text) = text(data) else { return false };
    let Ok(mut disclosure) = Disclosure::parse(text) else { return false };
    let written = disclosure.to_string();
    assert_eq!(Disclosure::parse(&written).as_ref(), Ok(&disclosure));
    let Ok(verified) = disclosure.verify(&KEYS, None) else { return false };
    assert_eq!(verified.leaf_hash, tree::leaf_hash(&disclosure.entry.write()));
    assert_eq!(verified.fields.len(), disclosure.fields.len());
    assert!(verified.fields.is_sorted_by(|left, right| left.path < right.path));
    assert_eq!(disclosure.raw.is_none(), verified.raw == Raw::Hidden);
    assert!(disclosure.complete_raw(&["application/json"], b"other bytes").is_err());
    true
}

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

fn assert_same(parsed: &impl Display, text: &str) {
    assert_eq!(parsed.to_string(), text);
}
