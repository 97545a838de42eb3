//! The opening of a raw record.

use cairnlog_verify::disclosure::{Disclosure, DisclosureError, Raw, RawOpening};
use cairnlog_verify::entry::Body;
use cairnlog_verify::limits::RAW_INPUT_BYTES_MAX;

use crate::world::{BODY, ORIGIN, RAW_SALT, RECEIVED_MS, World, attributes, input, keys, record_body};

const TYPES: [&str; 3] = ["text/plain", "application/json", "application/octet-stream"];

/// `$received` and a text, with this opening.
fn with(body: Body, raw: RawOpening) -> Disclosure {
    Disclosure { raw: Some(raw), ..World::of(ORIGIN, 1, attributes(), body).disclose(&[0, 5]) }
}

fn salt_alone() -> Disclosure {
    with(record_body(), RawOpening { salt: RAW_SALT, input: None })
}

#[test]
fn the_input_is_proven_byte_for_byte() {
    let quarantine = Body::Quarantine { source: "okta-prod".to_owned(), raw: input().commit(&RAW_SALT) };
    for body in [record_body(), quarantine] {
        let disclosure = with(body, RawOpening { salt: RAW_SALT, input: Some(input().encode()) });
        let read = Disclosure::parse(&disclosure.to_string()).unwrap();
        assert!(read == disclosure);
        assert!(read.verify(&keys(), None).unwrap().raw == Raw::Proven(input().encode()));
    }
}

#[test]
fn a_salt_alone_proves_nothing_until_the_bytes_are_there() {
    let mut disclosure = Disclosure::parse(&salt_alone().to_string()).unwrap();
    assert!(disclosure.verify(&keys(), None).unwrap().raw == Raw::SaltAlone);
    disclosure.complete_raw(&TYPES, BODY).unwrap();
    let read = Disclosure::parse(&disclosure.to_string()).unwrap();
    assert!(read.verify(&keys(), None).unwrap().raw == Raw::Proven(input().encode()));
}

#[test]
fn other_bytes_are_refused_and_change_nothing() {
    let mut disclosure = salt_alone();
    for (types, body) in [
        (TYPES.as_slice(), b"{\"user\":\"bob\"}".as_slice()),
        (&TYPES, b"{\"user\":\"ann\"}\n"),
        (&TYPES, b""),
        (&["text/plain"], BODY),
        (&[], BODY),
    ] {
        assert_eq!(disclosure.complete_raw(types, body), Err(DisclosureError::RawMismatch));
    }
    assert!(disclosure == salt_alone());
    disclosure.raw = Some(RawOpening { salt: [0x34; 32], input: None });
    assert_eq!(disclosure.complete_raw(&TYPES, BODY), Err(DisclosureError::RawMismatch));
}

#[test]
fn the_time_of_receipt_must_be_disclosed_to_complete_it() {
    let mut disclosure = World::new(attributes()).disclose(&[5]);
    disclosure.raw = Some(RawOpening { salt: RAW_SALT, input: None });
    assert_eq!(disclosure.complete_raw(&TYPES, BODY), Err(DisclosureError::NoReceived));
    // One that was made up completes it, and then its field does not hold.
    let mut disclosure = salt_alone();
    disclosure.complete_raw(&TYPES, BODY).unwrap();
    let received = disclosure.fields.iter_mut().find(|field| field.attribute.path == "$received").unwrap();
    received.attribute.value =
        cairnlog_verify::value::Value::Integer(i64::try_from(RECEIVED_MS).unwrap() - 1);
    assert_eq!(disclosure.verify(&keys(), None).unwrap_err(), DisclosureError::FieldsMismatch);
}

#[test]
fn what_commits_to_no_raw_record_opens_none() {
    let mut without = World::new(attributes()).disclose(&[0]);
    assert_eq!(without.complete_raw(&TYPES, BODY), Err(DisclosureError::NoRaw));
    for input in [None, Some(input().encode())] {
        let mut disclosure = with(Body::Retention, RawOpening { salt: RAW_SALT, input });
        assert_eq!(disclosure.verify(&keys(), None).unwrap_err(), DisclosureError::NoRaw);
        assert_eq!(disclosure.complete_raw(&TYPES, BODY), Err(DisclosureError::NoRaw));
    }
}

#[test]
fn another_salt_or_input_is_refused() {
    let good = RawOpening { salt: RAW_SALT, input: Some(input().encode()) };
    for at in 0..input().encode().len() {
        let mut opening = good.clone();
        opening.input.as_mut().unwrap()[at] ^= 1;
        let refused = with(record_body(), opening).verify(&keys(), None).unwrap_err();
        assert_eq!(refused, DisclosureError::RawMismatch, "byte {at}");
    }
    for at in 0..32 {
        let mut opening = good.clone();
        opening.salt[at] ^= 0x80;
        let refused = with(record_body(), opening).verify(&keys(), None).unwrap_err();
        assert_eq!(refused, DisclosureError::RawMismatch, "byte {at}");
    }
    let endless = RawOpening { salt: RAW_SALT, input: Some(vec![0; RAW_INPUT_BYTES_MAX + 1]) };
    let refused = with(record_body(), endless).verify(&keys(), None).unwrap_err();
    assert_eq!(refused, DisclosureError::Form("raw.input"));
}
