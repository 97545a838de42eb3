//! Everything that somebody might change about a disclosure, and what it is refused for.

use cairnlog_verify::Hash;
use cairnlog_verify::checkpoint::CheckpointError;
use cairnlog_verify::disclosure::{Disclosure, DisclosureError};
use cairnlog_verify::note::NoteError;
use cairnlog_verify::proof::ProofError;
use cairnlog_verify::receipt::ReceiptError;
use cairnlog_verify::value::Value;

use crate::world::{ORIGIN, World, attribute, attributes, keys, receipt, record_body, signer};

fn world() -> World {
    World::new(attributes())
}

/// What a disclosure of four fields is refused for once it was changed.
fn changed(change: impl FnOnce(&mut Disclosure)) -> DisclosureError {
    let mut disclosure = world().disclose(&[1, 3, 5, 6]);
    assert!(disclosure.verify(&keys(), None).is_ok());
    change(&mut disclosure);
    disclosure.verify(&keys(), None).unwrap_err()
}

#[test]
fn another_value_path_salt_or_position_leads_elsewhere() {
    use DisclosureError::FieldsMismatch;
    for place in 0..4 {
        assert_eq!(changed(|it| it.fields[place].attribute.value = Value::Boolean(false)), FieldsMismatch);
        assert_eq!(changed(|it| it.fields[place].attribute.path += "x"), FieldsMismatch);
        for byte in 0..16 {
            assert_eq!(changed(|it| it.fields[place].salt[byte] ^= 1), FieldsMismatch);
        }
        let hashes = world().disclose(&[1, 3, 5, 6]).multiproof.len();
        for hash in 0..hashes {
            assert_eq!(changed(|it| it.multiproof[hash].0[31] ^= 1), FieldsMismatch);
        }
    }
    assert_eq!(
        changed(|it| {
            let salt = it.fields[0].salt;
            it.fields[0].salt = it.fields[1].salt;
            it.fields[1].salt = salt;
        }),
        FieldsMismatch
    );
    assert_eq!(
        changed(|it| {
            let value = it.fields[0].attribute.value.clone();
            it.fields[0].attribute.value = it.fields[1].attribute.value.clone();
            it.fields[1].attribute.value = value;
        }),
        FieldsMismatch
    );
    assert_eq!(changed(|it| it.multiproof.swap(0, 1)), FieldsMismatch);
}

/// What stands for another type, and would read alike.
#[test]
fn types_are_committed_to() {
    let attributes = vec![
        attribute("a", Value::Integer(1)),
        attribute("b", Value::Text("1".to_owned())),
        attribute("c", Value::Null),
        attribute("d", Value::Float(0.0)),
    ];
    let world = World::new(attributes);
    for (place, value) in [
        (0, Value::Text("1".to_owned())),
        (0, Value::Float(1.0)),
        (0, Value::Boolean(true)),
        (1, Value::Integer(1)),
        (2, Value::EmptyObject),
        (2, Value::Text(String::new())),
        (3, Value::Integer(0)),
        (3, Value::Dropped([0; 32])),
    ] {
        let mut disclosure = world.disclose(&[place]);
        disclosure.fields[0].attribute.value = value;
        assert_eq!(disclosure.verify(&keys(), None).unwrap_err(), DisclosureError::FieldsMismatch);
    }
}

#[test]
fn a_field_of_another_record_does_not_fit() {
    // The same event, in the same log, under another record key.
    let other = World::of(ORIGIN, 2, attributes(), record_body());
    for place in [1, 3, 5, 6] {
        let foreign = other.field(place);
        let refused = changed(|it| {
            let own =
                it.fields.iter_mut().find(|field| field.attribute.path == foreign.attribute.path).unwrap();
            (own.salt, own.attribute) = (foreign.salt, foreign.attribute.clone());
        });
        assert_eq!(refused, DisclosureError::FieldsMismatch);
    }
    let refused = changed(|it| it.fields = other.disclose(&[1, 3, 5, 6]).fields);
    assert!(
        matches!(
            refused,
            DisclosureError::FieldsMismatch | DisclosureError::MissingHashes | DisclosureError::SurplusHashes
        ),
        "{refused}"
    );
    let refused = changed(|it| it.entry = other.entry.clone());
    assert_eq!(refused, ReceiptError::OtherEntry.into());
    let refused = changed(|it| (it.entry, it.receipt) = (other.entry.clone(), other.receipt.clone()));
    assert_eq!(refused, DisclosureError::FieldsMismatch);
    let refused = changed(|it| it.receipt = other.receipt.clone());
    assert_eq!(refused, ReceiptError::OtherEntry.into());
}

#[test]
fn positions_ascend_and_lie_within_the_tree() {
    use DisclosureError::{Position, Unsorted};
    assert_eq!(changed(|it| it.fields.swap(0, 1)), Unsorted { field: 1 });
    assert_eq!(changed(|it| it.fields.reverse()), Unsorted { field: 1 });
    assert_eq!(changed(|it| it.fields[2].position = it.fields[1].position), Unsorted { field: 2 });
    assert_eq!(changed(|it| it.fields[3].position = 16), Position { field: 3, count: 16 });
    assert_eq!(changed(|it| it.fields[3].position = u16::MAX), Position { field: 3, count: 16 });
    assert_eq!(changed(|it| it.fields.push(it.fields[3].clone())), Unsorted { field: 4 });
}

#[test]
fn a_path_stands_once() {
    let refused = changed(|it| it.fields[2].attribute = it.fields[0].attribute.clone());
    assert_eq!(refused, DisclosureError::DuplicatePath { field: 2 });
}

#[test]
fn exactly_the_hashes_that_are_needed() {
    use DisclosureError::{MissingHashes, SurplusHashes};
    assert_eq!(changed(|it| it.multiproof.truncate(it.multiproof.len() - 1)), MissingHashes);
    assert_eq!(changed(|it| it.multiproof.clear()), MissingHashes);
    assert_eq!(changed(|it| it.multiproof.push(Hash([0; 32]))), SurplusHashes);
    assert_eq!(changed(|it| it.multiproof.insert(0, Hash([0; 32]))), SurplusHashes);
    assert_eq!(changed(|it| it.fields.clear()), DisclosureError::NoFields);
}

#[test]
fn another_count_is_another_entry() {
    assert_eq!(changed(|it| it.entry.count = 32), ReceiptError::OtherEntry.into());
    // One that the log did sign, but that is not its tree's.
    let refused = changed(|it| {
        it.entry.count = 32;
        it.receipt = receipt(ORIGIN, &it.entry.write());
    });
    assert_eq!(refused, DisclosureError::MissingHashes);
    let refused = changed(|it| {
        it.entry.count = 32;
        it.receipt = receipt(ORIGIN, &it.entry.write());
        it.multiproof.push(Hash([0; 32]));
    });
    assert_eq!(refused, DisclosureError::FieldsMismatch);
}

#[test]
fn the_receipt_of_another_log_is_refused() {
    let other = "log.example/it";
    let entry = world().entry.write();
    let note = |error: NoteError| DisclosureError::from(ReceiptError::from(CheckpointError::from(error)));
    // Nobody trusts that log.
    assert_eq!(changed(|it| it.receipt = receipt(other, &entry)), note(NoteError::NoTrustedSignature));
    // It is trusted, and has the very same entry: its origin is not the one that the fields were committed to in.
    let mut disclosure = world().disclose(&[1]);
    disclosure.receipt = receipt(other, &entry);
    let both = [keys(), vec![signer(other).verifier_key().clone()]].concat();
    assert_eq!(disclosure.verify(&both, None).unwrap_err(), DisclosureError::FieldsMismatch);
    // It signs the other log's checkpoint.
    let mut disclosure = world().disclose(&[1]);
    disclosure.receipt.checkpoint = disclosure.receipt.checkpoint.replacen(ORIGIN, other, 1);
    assert_eq!(disclosure.verify(&both, None).unwrap_err(), note(NoteError::BadSignature(ORIGIN.to_owned())));
}

#[test]
fn the_index_is_the_receipts_and_is_proven() {
    assert_eq!(changed(|it| it.receipt.index = 3), ReceiptError::from(ProofError::Mismatch).into());
    let beyond = ProofError::NotInTree { index: 5, size: 5 };
    assert_eq!(changed(|it| it.receipt.index = 5), ReceiptError::from(beyond).into());
    let cut = changed(|it| it.receipt.hashes.truncate(1));
    assert_eq!(cut, ReceiptError::from(ProofError::Length).into());
}

#[test]
fn a_receipt_without_the_entry_proves_it_all_the_same() {
    let mut disclosure = world().disclose(&[1, 3]);
    disclosure.receipt.extra = None;
    assert!(disclosure.verify(&keys(), None).is_ok());
    assert!(Disclosure::parse(&disclosure.to_string()).unwrap().verify(&keys(), None).is_ok());
    disclosure.entry.count = 32;
    assert_eq!(
        disclosure.verify(&keys(), None).unwrap_err(),
        ReceiptError::from(ProofError::Mismatch).into()
    );
}

#[test]
fn a_tree_of_the_largest_count_is_bounded() {
    let refused = changed(|it| {
        it.entry.count = 32_768;
        it.receipt = receipt(ORIGIN, &it.entry.write());
        it.fields[3].position = 32_767;
    });
    assert_eq!(refused, DisclosureError::MissingHashes);
}
