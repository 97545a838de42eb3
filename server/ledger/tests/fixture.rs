//! `tests/fixtures/payload.json`: rows as version 1 wrote them. They open for good; `tests/interop/open_record.py` opens
//! them by `docs/formats.md` alone.
//!
//! Compressed bytes may change with zstd, so rows are opened, not compared; all else is compared byte for byte.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use cairnlog_ledger::class::Retention;
use cairnlog_ledger::frame::DICTIONARY;
use cairnlog_ledger::index::{Field, Tokens};
use cairnlog_ledger::payload::Payload;
use cairnlog_ledger::said::QuarantineSaid;
use cairnlog_ledger::worker::{Draft, Sealed, seal};
use cairnlog_ledger::wrap::{Page, Quarantined, open_quarantined};
use cairnlog_verify::entry::{Body, Digest};
use cairnlog_verify::field::{RecordKey, payload_key};
use cairnlog_verify::{Hash, b64};
use common::{ORIGIN, RAW_SALT, RECEIVED_MS, raw_input, record};
use serde_json::{Value as Json, json};

const RECORD_KEY: [u8; 32] = [0x21; 32];
const QUARANTINE_RECORD_KEY: [u8; 32] = [0x22; 32];
const PAGE: (u32, [u8; 32]) = (3, [0x23; 32]);
const INDEX_KEY: [u8; 32] = [0x24; 32];

fn page() -> Page {
    Page::new(PAGE.0, &PAGE.1)
}

fn quarantine() -> Draft {
    Draft {
        received_ms: RECEIVED_MS,
        body: Body::Quarantine { source: "okta-prod".to_owned(), raw: raw_input().commit(&RAW_SALT) },
        attributes: QuarantineSaid { reason: "rejected", detail: "no eventType", size: 34 }.attributes(),
        redactions: vec![],
        raw_salt: None,
        retention: Some(Retention::of_quarantine()),
        quarantined: Some(Quarantined { salt: RAW_SALT, input: raw_input().encode() }),
        subject: None,
        closes: None,
    }
}

fn sealed(key: [u8; 32], draft: Draft) -> Sealed {
    let terms = match &draft.body {
        Body::Record { source, .. } => Tokens::new(&INDEX_KEY).terms(Some(source), &draft.attributes),
        _ => vec![],
    };
    seal(ORIGIN, &RecordKey::from_bytes(key), &page(), terms, draft).unwrap()
}

/// Everything of a sealed entry, as the fixture shows it.
fn shown(key: [u8; 32], sealed: &Sealed) -> Json {
    let record_key = RecordKey::from_bytes(key);
    let payload = Payload::open(&record_key, ORIGIN, &sealed.leaf_hash, &sealed.payload_row).unwrap();
    json!({
        "record_key": b64::encode(&key),
        "payload_key": b64::encode(&*payload_key(&record_key)),
        "entry": String::from_utf8(sealed.entry.clone()).unwrap(),
        "leaf_hash": sealed.leaf_hash,
        "plaintext": b64::encode(&payload.to_cbor()),
        "payload_row": b64::encode(&sealed.payload_row),
        "key_row": b64::encode(&sealed.key_row),
        "quarantine_row": sealed.quarantine_row.as_ref().map(|row| b64::encode(row)),
    })
}

/// The fixture, as today's code makes it.
fn made() -> Json {
    let plain = Draft { redactions: vec![], ..record() };
    let mut tokens = Tokens::new(&INDEX_KEY);
    let terms: Vec<Json> = [
        (Field::Source, "okta-prod"),
        (Field::Actor, "Bea@Example.com"),
        (Field::Ip, "2001:DB8::0:1"),
        (Field::Class, "3002"),
    ]
    .into_iter()
    .map(|(field, value)| {
        let token = tokens.term(field, value).token.0;
        json!({"field": field.name(), "id": field.id(), "value": value, "token": b64::encode(&token)})
    })
    .collect();
    json!({
        "origin": ORIGIN,
        "dictionary_sha256": Digest::of(DICTIONARY),
        "page": {"id": PAGE.0, "key": b64::encode(&PAGE.1)},
        "index_key": b64::encode(&INDEX_KEY),
        "terms": terms,
        "raw": {"salt": b64::encode(&RAW_SALT), "input": b64::encode(&raw_input().encode()), "commitment": raw_input().commit(&RAW_SALT)},
        "redacted_record": shown(RECORD_KEY, &sealed(RECORD_KEY, record())),
        "plain_record": shown(RECORD_KEY, &sealed(RECORD_KEY, plain)),
        "quarantine": shown(QUARANTINE_RECORD_KEY, &sealed(QUARANTINE_RECORD_KEY, quarantine())),
    })
}

fn fixture() -> Json {
    serde_json::from_str(include_str!("fixtures/payload.json")).unwrap()
}

fn bytes(json: &Json) -> Vec<u8> {
    b64::decode(json.as_str().unwrap()).unwrap()
}

#[test]
fn all_but_compressed_bytes_is_as_version_1_made_it() {
    let (mut made, mut fixture) = (made(), fixture());
    for json in [&mut made, &mut fixture] {
        for entry in ["redacted_record", "plain_record", "quarantine"] {
            let members = json[entry].as_object_mut().unwrap();
            members.remove("payload_row");
            members.remove("quarantine_row");
        }
    }
    assert_eq!(made, fixture);
}

#[test]
fn rows_of_version_1_open() {
    let fixture = fixture();
    for name in ["redacted_record", "plain_record", "quarantine"] {
        let shown = &fixture[name];
        let leaf: Hash = shown["leaf_hash"].as_str().unwrap().parse().unwrap();
        let key = page().unwrap(ORIGIN, &leaf, &bytes(&shown["key_row"])).unwrap();
        assert_eq!(key.as_bytes().as_slice(), bytes(&shown["record_key"]));
        let payload = Payload::open(&key, ORIGIN, &leaf, &bytes(&shown["payload_row"])).unwrap();
        assert_eq!(payload.to_cbor(), bytes(&shown["plaintext"]), "{name}");
        assert_eq!(payload.raw_salt.is_some(), name == "plain_record");
        if name == "quarantine" {
            let raw = open_quarantined(&key, ORIGIN, &leaf, &bytes(&shown["quarantine_row"])).unwrap();
            assert_eq!((raw.salt, raw.input), (RAW_SALT, bytes(&fixture["raw"]["input"])));
        }
    }
}

/// The row that `docs/formats.md` shows in full.
#[test]
fn the_documented_row_opens() {
    let document = include_str!("../../../docs/formats.md");
    let (_, block) = document.split_once("\n```vector payload\n").unwrap();
    let figures: BTreeMap<&str, &str> =
        block.split_once("\n```\n").unwrap().0.lines().map(|line| line.split_once(" = ").unwrap()).collect();
    let bytes = |name: &str| -> Vec<u8> {
        let (pairs, []) = figures[name].as_bytes().as_chunks::<2>() else { panic!("pairs of digits") };
        pairs.iter().map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    };
    let (origin, leaf) = (figures["origin"], Hash(bytes("leaf_hash").try_into().unwrap()));
    let page = Page::new(PAGE.0, &bytes("page_key").try_into().unwrap());
    let key = page.unwrap(origin, &leaf, &bytes("key_row")).unwrap();
    assert_eq!(
        (key.as_bytes().to_vec(), payload_key(&key).to_vec()),
        (bytes("record_key"), bytes("payload_key"))
    );
    let payload = Payload::open(&key, origin, &leaf, &bytes("payload_row")).unwrap();
    assert_eq!(payload.to_cbor(), self::bytes(&fixture()["quarantine"]["plaintext"]));
    let dictionary = Digest::of(DICTIONARY).to_string();
    assert!(document.contains(dictionary.strip_prefix("sha256:").unwrap()));
}
