//! Payloads as rows: round trips, tampering, what their length tells, and the CBOR inside.
#![allow(clippy::unwrap_used)]

mod common;

use cairnlog_ledger::frame::FrameError;
use cairnlog_ledger::index::{Term, Token};
use cairnlog_ledger::limits::PAYLOAD_BYTES_MAX;
use cairnlog_ledger::payload::{NoteAction, Payload, PayloadError, RedactionNote};
use cairnlog_verify::Hash;
use cairnlog_verify::entry::Digest;
use cairnlog_verify::event::Attribute;
use cairnlog_verify::field::RecordKey;
use cairnlog_verify::value::Value;
use ciborium::Value as Cbor;
use common::{ORIGIN, event, notes, text};
use proptest::prelude::*;

const LEAF: Hash = Hash([0x1e; 32]);

fn key() -> RecordKey {
    RecordKey::from_bytes([3; 32])
}

fn full() -> Payload {
    Payload {
        attributes: event(),
        redactions: notes(),
        raw_salt: Some([4; 32]),
        pipeline: Some(Digest([5; 32])),
        rows: vec![Term { field: 1, token: Token([1; 8]) }, Term { field: 2, token: Token([0; 8]) }],
    }
}

fn bare(attributes: Vec<Attribute>) -> Payload {
    Payload { attributes, redactions: vec![], raw_salt: None, pipeline: None, rows: vec![] }
}

#[test]
fn payloads_come_back() {
    for payload in [full(), bare(vec![]), bare(event())] {
        let row = payload.seal(&key(), ORIGIN, &LEAF).unwrap();
        assert_eq!(Payload::open(&key(), ORIGIN, &LEAF, &row).unwrap(), payload);
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    let row = full().seal(&key(), ORIGIN, &LEAF).unwrap();
    for bit in 0..8 * row.len() {
        let mut bad = row.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(Payload::open(&key(), ORIGIN, &LEAF, &bad).is_err(), "bit {bit}");
    }
    for length in 0..row.len() {
        assert!(Payload::open(&key(), ORIGIN, &LEAF, &row[..length]).is_err(), "{length} bytes");
    }
    assert!(Payload::open(&key(), ORIGIN, &LEAF, &[row, vec![0; 64]].concat()).is_err());
}

#[test]
fn a_payload_opens_under_its_own_key_origin_and_leaf_alone() {
    let row = full().seal(&key(), ORIGIN, &LEAF).unwrap();
    let refused = Err(PayloadError::Frame(FrameError::Refused));
    assert_eq!(Payload::open(&RecordKey::from_bytes([4; 32]), ORIGIN, &LEAF, &row), refused);
    assert_eq!(Payload::open(&key(), "log.example/h", &LEAF, &row), refused);
    assert_eq!(Payload::open(&key(), ORIGIN, &Hash([0x1f; 32]), &row), refused);
    let newer = [vec![2], row[1..].to_vec()].concat();
    assert_eq!(Payload::open(&key(), ORIGIN, &LEAF, &newer), Err(PayloadError::Frame(FrameError::Version)));
}

#[test]
fn lengths_tell_no_more_than_a_multiple_of_64() {
    // Text that does not compress, one byte longer each time.
    let noise: String =
        (0..2_000_u32).map(|n| char::from(b'!' + (n.wrapping_mul(2_654_435_761) >> 25) as u8 % 90)).collect();
    let lengths: Vec<usize> = (0..512)
        .map(|n| bare(vec![text("x", &noise[..n])]).seal(&key(), ORIGIN, &LEAF).unwrap().len())
        .collect();
    assert!(lengths.iter().all(|length| (length - 1 - 16) % 64 == 0));
    let mut distinct = lengths;
    distinct.dedup();
    assert!(distinct.len() <= 10, "{distinct:?}");
}

#[test]
fn outsized_payloads_are_refused() {
    let attributes =
        (0..=PAYLOAD_BYTES_MAX / 65_536).map(|n| text(&format!("x{n:03}"), &"y".repeat(65_536))).collect();
    let refused = bare(attributes).seal(&key(), ORIGIN, &LEAF);
    assert_eq!(refused, Err(FrameError::TooLarge { max: PAYLOAD_BYTES_MAX }));
}

/// The same by an independent encoder: RFC 8949 §4.2.1 orders keys by their encoded bytes.
fn oracle(payload: &Payload) -> Vec<u8> {
    let text = |text: &str| Cbor::Text(text.to_owned());
    let attributes =
        payload.attributes.iter().map(|a| Cbor::Array(vec![text(&a.path), Cbor::Bytes(a.value.to_bytes())]));
    let redactions = payload.redactions.iter().map(|note| {
        let words = [&note.path, note.action.as_str(), &note.entity, &note.rule, &note.plugin];
        Cbor::Array(words.into_iter().map(text).collect())
    });
    let rows: Vec<u8> =
        payload.rows.iter().flat_map(|term| [&[term.field][..], &term.token.0].concat()).collect();
    let mut members = vec![(text("attributes"), Cbor::Array(attributes.collect()))];
    if !payload.redactions.is_empty() {
        members.push((text("redactions"), Cbor::Array(redactions.collect())));
    }
    if let Some(salt) = payload.raw_salt {
        members.push((text("raw_salt"), Cbor::Bytes(salt.to_vec())));
    }
    if let Some(Digest(digest)) = payload.pipeline {
        members.push((text("pipeline"), Cbor::Bytes(digest.to_vec())));
    }
    if !rows.is_empty() {
        members.push((text("rows"), Cbor::Bytes(rows)));
    }
    members.sort_by_key(|(key, _)| encode(key));
    encode(&Cbor::Map(members))
}

fn encode(value: &Cbor) -> Vec<u8> {
    let mut out = Vec::new();
    ciborium::into_writer(value, &mut out).unwrap();
    out
}

#[test]
fn cbor_is_deterministic() {
    assert_eq!(full().to_cbor(), oracle(&full()));
    assert_eq!(bare(vec![]).to_cbor(), oracle(&bare(vec![])));
}

#[test]
fn cbor_of_another_spelling_is_refused() {
    let good = full().to_cbor();
    let Cbor::Map(members) = ciborium::from_reader(good.as_slice()).unwrap() else { panic!("a map") };
    let mut swapped = members.clone();
    swapped.swap(0, 1);
    let mut twice = members.clone();
    twice.push(members[0].clone());
    let mut unknown = members.clone();
    unknown.push((Cbor::Text("zzzzzzzzzzzz".to_owned()), Cbor::Null));
    let without = |name: &str| {
        members.iter().filter(|(key, _)| key.as_text() != Some(name)).cloned().collect::<Vec<_>>()
    };
    let with = |name: &str, value: Cbor| {
        members
            .iter()
            .map(|(key, old)| {
                (key.clone(), if key.as_text() == Some(name) { value.clone() } else { old.clone() })
            })
            .collect()
    };
    let bad: [Vec<(Cbor, Cbor)>; 9] = [
        swapped,
        twice,
        unknown,
        without("attributes"),
        with("redactions", Cbor::Array(vec![])),
        with("rows", Cbor::Bytes(vec![])),
        with("rows", Cbor::Bytes([[2; 9], [1; 9]].concat())),
        with("rows", Cbor::Bytes(vec![1; 10])),
        with("raw_salt", Cbor::Bytes(vec![1; 31])),
    ];
    for members in bad {
        assert!(matches!(Payload::from_cbor(&encode(&Cbor::Map(members))), Err(PayloadError::Form(_))));
    }
    assert!(Payload::from_cbor(&[good.clone(), vec![0]].concat()).is_err());
    for length in 0..good.len() {
        assert!(Payload::from_cbor(&good[..length]).is_err());
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Integer),
        (-1e300..1e300_f64).prop_map(|float| Value::Float(if float == 0.0 { 0.0 } else { float })),
        ".{0,40}".prop_map(Value::Text),
        any::<[u8; 32]>().prop_map(Value::Dropped),
        Just(Value::EmptyObject),
        Just(Value::EmptyList),
    ]
}

prop_compose! {
    fn payload()(
        attributes in proptest::collection::btree_map("[a-z]{1,30}", value(), 0..60),
        redactions in proptest::collection::vec(("[a-z]{1,20}", 0..3_usize, "[A-Z]{1,9}", ".{0,9}"), 0..4),
        raw_salt: Option<[u8; 32]>,
        pipeline: Option<[u8; 32]>,
        rows in proptest::collection::btree_set((1..8_u8, any::<[u8; 8]>()), 0..12),
    ) -> Payload {
        let actions = [NoteAction::Drop, NoteAction::Mask, NoteAction::Pseudonymize];
        Payload {
            attributes: attributes.into_iter().map(|(path, value)| Attribute { path, value }).collect(),
            redactions: redactions
                .into_iter()
                .map(|(path, action, entity, rule)| {
                    RedactionNote { path, action: actions[action], entity, rule, plugin: "p@1".to_owned() }
                })
                .collect(),
            raw_salt,
            pipeline: pipeline.map(Digest),
            rows: rows.into_iter().map(|(field, token)| Term { field, token: Token(token) }).collect(),
        }
    }
}

proptest! {
    #[test]
    fn any_payload_comes_back_and_is_spelled_as_the_oracle_does(payload in payload()) {
        prop_assert_eq!(payload.to_cbor(), oracle(&payload));
        let row = payload.seal(&key(), ORIGIN, &LEAF).unwrap();
        prop_assert_eq!(Payload::open(&key(), ORIGIN, &LEAF, &row).unwrap(), payload);
    }

    #[test]
    fn what_reads_is_what_is_written(flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)) {
        let mut bytes = full().to_cbor();
        for (index, byte) in flips {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        if let Ok(payload) = Payload::from_cbor(&bytes) {
            prop_assert_eq!(payload.to_cbor(), bytes);
        }
    }
}
