//! Entries: the template against JCS, and one spelling only.

use cairnlog_verify::Hash;
use cairnlog_verify::entry::{
    Body, Digest, Entry, EntryError, Erased, Mode, Outcome, RANGES_MAX, SIZE_MAX, hour,
};
use cairnlog_verify::note::{SigningKey, VerifierKey};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn entries() -> Vec<Entry> {
    let entry = |body| Entry { received: hour(1_795_426_503_792), count: 32, fields: Hash([0xfb; 32]), body };
    vec![
        entry(Body::Log { origin: "log.example/hr".to_owned(), mode: Mode::Records }),
        entry(Body::Record {
            source: "okta-prod".to_owned(),
            pipeline: Digest([0xab; 32]),
            raw: Hash([0xc4; 32]),
            part: (0, 1),
        }),
        entry(Body::Pipeline { digest: Digest([1; 32]) }),
        entry(Body::Plugin { digest: Digest([2; 32]) }),
        entry(Body::Quarantine { source: "okta-prod".to_owned(), raw: Hash([0xc4; 32]) }),
        entry(Body::Key { key: key("log.example/hr", 7), ends: 70_000 }),
        entry(Body::Release { of: 41, outcome: Outcome::Logged { first: 70, records: 2 } }),
        entry(Body::Release { of: 41, outcome: Outcome::Discarded }),
        entry(Body::Tally { source: "okta-prod".to_owned() }),
        entry(Body::Erasure(Erased::Sweep(vec![(3, 9), (12, 13)]))),
        entry(Body::Erasure(Erased::Request)),
        entry(Body::Retention),
        entry(Body::Hold),
        entry(Body::Access),
    ]
}

fn key(name: &str, seed: u8) -> VerifierKey {
    SigningKey::ed25519(name, [seed; 32]).unwrap().verifier_key().clone()
}

/// The same object, spelled by an independent JCS writer.
fn jcs(entry: &Entry) -> Vec<u8> {
    let mut object = json!({
        "v": 1,
        "kind": entry.kind(),
        "received": entry.received,
        "count": entry.count,
        "fields": entry.fields,
    });
    let own = match &entry.body {
        Body::Log { origin, mode } => json!({ "origin": origin, "mode": mode }),
        Body::Record { source, pipeline, raw, part } => {
            json!({ "source": source, "pipeline": pipeline, "raw": raw, "part": part })
        }
        Body::Pipeline { digest } | Body::Plugin { digest } => json!({ "digest": digest }),
        Body::Quarantine { source, raw } => json!({ "source": source, "raw": raw }),
        Body::Key { key, ends } => json!({ "key": key.to_string(), "ends": ends }),
        Body::Release { of, outcome: Outcome::Logged { first, records } } => {
            json!({ "of": of, "outcome": "logged", "first": first, "records": records })
        }
        Body::Release { of, outcome } => json!({ "of": of, "outcome": outcome.as_str() }),
        Body::Tally { source } => json!({ "source": source }),
        Body::Erasure(Erased::Sweep(ranges)) => json!({ "mode": "sweep", "ranges": ranges }),
        Body::Erasure(Erased::Request) => json!({ "mode": "request" }),
        Body::Retention | Body::Hold | Body::Access => json!({}),
        other => panic!("no object for {other:?}"),
    };
    let Json::Object(own) = own else { unreachable!() };
    object.as_object_mut().unwrap().extend(own);
    serde_jcs::to_vec(&object).unwrap()
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        (0..=SIZE_MAX, 1..=SIZE_MAX).prop_map(|(first, records)| Outcome::Logged { first, records }),
        Just(Outcome::Skipped),
        Just(Outcome::Discarded),
        Just(Outcome::Erased),
    ]
}

/// Ranges with a gap before each.
fn ranges() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((1_u64..1 << 40, 1_u64..1 << 40), 1..20).prop_map(|gaps| {
        let mut end = 0;
        let range = |(gap, length)| {
            let start = end + gap;
            end = start + length;
            (start, end)
        };
        gaps.into_iter().map(range).collect()
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    let hash = any::<[u8; 32]>().prop_map(Hash);
    let digest = any::<[u8; 32]>().prop_map(Digest);
    let source = "[a-z0-9-]{1,64}";
    let mode = prop_oneof![Just(Mode::Records), Just(Mode::Opaque)];
    let part = (0..u32::MAX).prop_flat_map(|part| (Just(part), part + 1..=u32::MAX));
    let body =
        prop_oneof![
            (r#"[a-zé/."\\ж😀-]{1,60}"#, mode).prop_map(|(origin, mode)| Body::Log { origin, mode }),
            (source, digest.clone(), hash.clone(), part)
                .prop_map(|(source, pipeline, raw, part)| Body::Record { source, pipeline, raw, part }),
            digest.clone().prop_map(|digest| Body::Pipeline { digest }),
            digest.prop_map(|digest| Body::Plugin { digest }),
            (source, hash.clone()).prop_map(|(source, raw)| Body::Quarantine { source, raw }),
            (r#"[a-zé/."\\ж😀-]{1,60}"#, any::<u8>(), 0..=SIZE_MAX)
                .prop_map(|(name, seed, ends)| Body::Key { key: key(&name, seed), ends }),
            (0..=SIZE_MAX, outcome()).prop_map(|(of, outcome)| Body::Release { of, outcome }),
            source.prop_map(|source| Body::Tally { source }),
            ranges().prop_map(|ranges| Body::Erasure(Erased::Sweep(ranges))),
            Just(Body::Erasure(Erased::Request)),
            Just(Body::Retention),
            Just(Body::Hold),
            Just(Body::Access),
        ];
    (any::<u64>(), 4_u32..16, hash, body).prop_map(|(ms, power, fields, body)| Entry {
        received: hour(ms % 253_402_300_800_000),
        count: 1 << power,
        fields,
        body,
    })
}

proptest! {
    #[test]
    fn the_template_equals_jcs_and_reads_back(entry in entry()) {
        let bytes = entry.write();
        prop_assert_eq!(&bytes, &jcs(&entry));
        prop_assert_eq!(Entry::parse(&bytes), Ok(entry));
    }

    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>, text in r#"\{("(v|kind|count|part)":(1|16|"log"|\[0,1\]|null),?){0,5}\}"#) {
        prop_assert!(Entry::parse(&bytes).is_err());
        prop_assert!(Entry::parse(text.as_bytes()).is_err());
    }
}

/// Whatever parses is spelled in one way.
fn check(bytes: &[u8]) {
    if let Ok(entry) = Entry::parse(bytes) {
        assert_eq!(entry.write(), bytes);
    }
}

#[test]
fn a_changed_byte_is_refused_or_says_exactly_what_it_spells() {
    for bytes in entries().iter().map(Entry::write) {
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            for byte in 0..=255 {
                changed[at] = byte;
                check(&changed);
            }
            changed.remove(at);
            check(&changed);
            for byte in *b" \t\n\"\\0,:{}[]a" {
                let mut longer = bytes.clone();
                longer.insert(at, byte);
                check(&longer);
            }
        }
    }
}

#[test]
fn a_surplus_or_missing_byte_at_either_end_is_refused() {
    for bytes in entries().iter().map(Entry::write) {
        for around in [
            [b" ".as_slice(), &bytes].concat(),
            [&bytes, b"\n".as_slice()].concat(),
            [&bytes, &bytes[..]].concat(),
        ] {
            assert!(Entry::parse(&around).is_err());
        }
        for length in 0..bytes.len() {
            assert_eq!(Entry::parse(&bytes[..length]), Err(EntryError::NotAnObject));
        }
    }
}

#[test]
fn each_refusal_has_its_reason() {
    let record = String::from_utf8(entries()[1].write()).unwrap();
    for (from, to, error) in [
        (r#""v":1"#, r#""v":2"#, EntryError::Version),
        (r#""v":1"#, r#""v":"1""#, EntryError::Form("v")),
        (r#","v":1"#, "", EntryError::Missing("v")),
        (r#""kind":"record""#, r#""kind":"relic""#, EntryError::Kind),
        (r#""kind":"record""#, r#""kind":null"#, EntryError::Form("kind")),
        (r#""part":[0,1],"#, "", EntryError::Missing("part")),
        ("[0,1]", "[1,1]", EntryError::Form("part")),
        ("[0,1]", "[0,1,1]", EntryError::Form("part")),
        ("[0,1]", "[0,4294967296]", EntryError::Form("part")),
        ("[0,1]", "[0,1.0]", EntryError::Form("part")),
        ("[0,1]", "[0, 1]", EntryError::NotCanonical),
        (r#""count":32"#, r#""count":8"#, EntryError::Form("count")),
        (r#""count":32"#, r#""count":24"#, EntryError::Form("count")),
        (r#""count":32"#, r#""count":65536"#, EntryError::Form("count")),
        (r#""count":32"#, r#""count":-16"#, EntryError::Form("count")),
        (r#""count":32"#, r#""count":32,"count":32"#, EntryError::NotCanonical),
        (r#""count":32"#, r#""count":32,"digest":null"#, EntryError::Surplus),
        ("okta-prod", "okta_prod", EntryError::Form("source")),
        ("okta-prod", "", EntryError::Form("source")),
        ("okta-prod", r"okta-pro\u0064", EntryError::NotCanonical),
        ("sha256:ab", "sha256:AB", EntryError::Form("pipeline")),
        ("sha256:ab", "sha512:ab", EntryError::Form("pipeline")),
        (r#"":"+/v7"#, r#"":"-_v7"#, EntryError::Form("fields")),
        ("T09:00:00Z", "T09:30:00Z", EntryError::Form("received")),
        ("{", "[", EntryError::NotAnObject),
    ] {
        let changed = record.replacen(from, to, 1);
        assert_ne!(changed, record, "{from} stands in the entry");
        assert_eq!(Entry::parse(changed.as_bytes()), Err(error), "{changed}");
    }
    let log = String::from_utf8(entries()[0].write()).unwrap();
    for (from, to, name) in [("records", "Records", "mode"), ("log.example/hr", "log example", "origin")] {
        assert_eq!(Entry::parse(log.replacen(from, to, 1).as_bytes()), Err(EntryError::Form(name)));
    }
    let key = String::from_utf8(entries()[5].write()).unwrap();
    for (from, to, name) in [
        ("70000", "9007199254740992", "ends"),
        ("70000", "null", "ends"),
        ("70000", "-1", "ends"),
        ("log.example/hr+", "log.example/hs+", "key"),
        ("log.example/hr+", "+", "key"),
    ] {
        assert_eq!(Entry::parse(key.replacen(from, to, 1).as_bytes()), Err(EntryError::Form(name)), "{to}");
    }
    assert_eq!(Entry::parse(&vec![b' '; 65_536]), Err(EntryError::TooLong));
    assert_eq!(Entry::parse(&vec![b'['; 65_535]), Err(EntryError::NotAnObject));
}

#[test]
fn digests_have_one_spelling() {
    let digest = Digest::of(b"");
    let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(digest.to_string(), text);
    assert_eq!(text.parse(), Ok(digest));
    assert_eq!(serde_json::from_value::<Digest>(json!(text)).unwrap(), digest);
    for other in ["", "sha256:", &text[7..], &text[..70], &text.to_uppercase(), &format!("{text}0")] {
        assert!(other.parse::<Digest>().is_err(), "{other}");
    }
}

#[test]
fn an_erasure_names_ranges_in_order_and_as_many_as_fit() {
    let entry = |ranges| Entry {
        received: hour(u64::MAX),
        count: 32,
        fields: Hash([0xfb; 32]),
        body: Body::Erasure(Erased::Sweep(ranges)),
    };
    let most: Vec<_> =
        (0..RANGES_MAX as u64).map(|at| (SIZE_MAX - 4 * at - 3, SIZE_MAX - 4 * at)).rev().collect();
    let largest = entry(most.clone());
    assert_eq!(Entry::parse(&largest.write()), Ok(largest));
    let one_more = [vec![(0, 1)], most].concat();
    for ranges in [
        vec![],
        vec![(3, 3)],
        vec![(4, 3)],
        vec![(1, 3), (3, 4)],
        vec![(5, 6), (1, 2)],
        vec![(0, SIZE_MAX + 1)],
        one_more,
    ] {
        assert_eq!(Entry::parse(&entry(ranges).write()), Err(EntryError::Form("ranges")));
    }
}
