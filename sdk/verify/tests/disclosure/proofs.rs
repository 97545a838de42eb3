//! Disclosures that hold: any fields of any record.

use cairnlog_verify::disclosure::{Disclosure, Raw};
use cairnlog_verify::entry::{Body, Erased, Mode, Outcome};
use cairnlog_verify::note::{SigningKey, sign};
use cairnlog_verify::policy::Policy;
use cairnlog_verify::tree::leaf_hash;
use cairnlog_verify::value::Value;
use proptest::prelude::*;

use crate::world::{ORIGIN, World, attribute, attributes, keys, signer};

/// Writes it, reads it, verifies it, and checks that it says just these attributes.
fn check(world: &World, places: &[usize]) {
    let written = world.disclose(places).to_string();
    let read = Disclosure::parse(&written).unwrap();
    assert_eq!(read.to_string(), written);
    let verified = read.verify(&keys(), None).unwrap();
    let mut places = places.to_vec();
    places.sort_unstable();
    let expected: Vec<_> = places.into_iter().map(|place| world.attributes[place].clone()).collect();
    assert_eq!(verified.fields, expected);
    assert_eq!((verified.index, verified.leaf_hash), (2, leaf_hash(&world.entry.write())));
    assert_eq!((verified.checkpoint.origin.as_str(), verified.checkpoint.size), (ORIGIN, 5));
    assert_eq!(verified.signed_by, keys());
    assert!(verified.entry == world.entry && verified.raw == Raw::Hidden);
}

#[test]
fn every_field_alone_and_all_together() {
    let world = World::new(attributes());
    for place in 0..world.attributes.len() {
        check(&world, &[place]);
    }
    check(&world, &(0..world.attributes.len()).collect::<Vec<_>>());
}

#[test]
fn a_full_tree_disclosed_whole_needs_no_hashes() {
    let attributes = (0..64).map(|number| attribute(&format!("a{number:02}"), Value::Integer(number)));
    let world = World::new(attributes.collect());
    let places: Vec<usize> = (0..64).collect();
    assert_eq!(world.disclose(&places).multiproof, []);
    check(&world, &places);
}

#[test]
fn entries_of_every_kind_are_disclosed() {
    let tally = Body::Tally { source: "okta-prod".to_owned() };
    let log = Body::Log { origin: ORIGIN.to_owned(), mode: Mode::Records };
    let release = Body::Release { of: 1, outcome: Outcome::Skipped };
    let sweep = Body::Erasure(Erased::Sweep(vec![(1, 2)]));
    for body in [tally, log, release, sweep, Body::Retention, Body::Hold, Body::Access] {
        check(&World::of(ORIGIN, 1, attributes(), body), &[0, 5]);
    }
}

#[test]
fn signatures_of_witnesses_count_where_a_policy_asks_for_them() {
    let witness = SigningKey::cosignature("w.example/1", [9; 32]).unwrap();
    let policy = format!("witness one {}\nquorum one\n", witness.verifier_key());
    let policy = Policy::parse(policy).unwrap();
    let mut disclosure = World::new(attributes()).disclose(&[1]);
    let refused = disclosure.verify(&keys(), Some(&policy)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "checkpoint is not cosigned by the quorum of witnesses that the policy asks for"
    );
    let (text, _) = disclosure.receipt.checkpoint.split_once("\n\n").unwrap();
    disclosure.receipt.checkpoint = sign(&format!("{text}\n"), &[&signer(ORIGIN), &witness], 1).unwrap();
    let verified = disclosure.verify(&keys(), Some(&policy)).unwrap();
    assert_eq!(verified.signed_by, [keys()[0].clone(), witness.verifier_key().clone()]);
    assert_eq!(disclosure.verify(&keys(), None).unwrap().signed_by, keys());

    let of_log = format!("log {}\nwitness one {}\nquorum one\n", keys()[0], witness.verifier_key());
    let of_log = Policy::parse(of_log).unwrap();
    assert!(disclosure.verify(&[], Some(&of_log)).is_ok());
    assert!(disclosure.verify(&[], Some(&policy)).is_err());
}

#[test]
fn nothing_is_told_when_printed() {
    let disclosure = World::new(attributes()).disclose(&[5, 9]);
    let verified = disclosure.verify(&keys(), None).unwrap();
    for text in [format!("{disclosure:?}"), format!("{verified:?}")] {
        assert!(text.contains("e_text: text(13 bytes)") && text.contains("i[\"…\"]"), "{text}");
        assert!(!text.contains("net") && !text.contains("a.b"), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_fields_of_a_record_of_up_to_300(count in 1_usize..=300, chosen: [u64; 5], all: bool) {
        let value = |number: usize| match number % 3 {
            0 => Value::Text("x".repeat(number)),
            1 => Value::Float(1.0 / f64::from(u32::try_from(number).unwrap())),
            _ => Value::Dropped([u8::try_from(number % 256).unwrap(); 32]),
        };
        let attributes = (0..count).map(|number| attribute(&format!("a{number:03}"), value(number)));
        let world = World::new(attributes.collect());
        let is_chosen = |place: &usize| all || chosen[place / 64] >> (place % 64) & 1 == 1 || *place == count / 2;
        check(&world, &(0..count).filter(is_chosen).collect::<Vec<_>>());
    }
}
