//! The field tree against itself and an independent one.

use cairnlog_verify::Hash;
use cairnlog_verify::event::{ATTRIBUTES_MAX, Attribute, HOST_ATTRIBUTES_MAX};
use cairnlog_verify::field::{
    Commitment, FieldError, FieldTree, RecordKey, commit, drop_commitment, pseudonym,
};
use cairnlog_verify::name::OriginError;
use cairnlog_verify::value::{VALUE_BYTES_MAX, Value, ValueError};
use proptest::prelude::*;
use rs_merkle::{Hasher, MerkleTree};

use crate::attribute;
use crate::rfc6962::Rfc6962;

const ORIGIN: &str = "log.example/hr";

fn attributes(count: usize) -> Vec<Attribute> {
    let value = |index: usize| match index % 8 {
        0 => Value::Null,
        1 => Value::Boolean(index % 16 == 1),
        2 => Value::Integer(i64::MIN + i64::try_from(index).unwrap()),
        3 => Value::Float(-1.5),
        4 => Value::Text("é".repeat(index)),
        5 => Value::Dropped([7; 32]),
        6 => Value::EmptyObject,
        _ => Value::EmptyList,
    };
    (0..count).map(|index| attribute(&format!("a{index:05}"), value(index))).collect()
}

/// The leaf of an attribute, from the text of the format alone.
fn leaf(salt: &[u8; 16], Attribute { path, value }: &Attribute) -> [u8; 32] {
    let length = u16::try_from(path.len()).unwrap().to_be_bytes();
    Rfc6962::hash(
        &[b"cairnlog/field/v1\0", salt.as_slice(), &length, path.as_bytes(), &value.to_bytes()].concat(),
    )
}

fn fields(origin: &str, count: u16, root: [u8; 32]) -> Hash {
    let origin_length = [u8::try_from(origin.len()).unwrap()];
    Hash(Rfc6962::hash(
        &[b"cairnlog/fields/v1\0".as_slice(), &origin_length, origin.as_bytes(), &count.to_be_bytes(), &root]
            .concat(),
    ))
}

/// Checks commit, [`FieldTree`] and `rs_merkle` against each other.
fn check(key: &RecordKey, origin: &str, attributes: &[Attribute]) {
    let tree = FieldTree::new(key, origin, attributes).unwrap();
    let leaves: Vec<[u8; 32]> = tree.leaves().iter().map(|leaf| leaf.0).collect();
    assert!(leaves.is_sorted());
    assert_eq!(leaves.len(), attributes.len().next_power_of_two().max(16));
    for (index, attribute) in attributes.iter().enumerate() {
        assert_eq!(leaves[tree.position(index).unwrap()], leaf(tree.salt(index).unwrap(), attribute));
    }
    let root = MerkleTree::<Rfc6962>::from_leaves(&leaves).root().unwrap();
    assert_eq!(tree.root(), Hash(root));
    let commitment = Commitment { count: tree.count(), fields: fields(origin, tree.count(), root) };
    assert_eq!(usize::from(commitment.count), leaves.len());
    assert_eq!(tree.commitment(), commitment);
    assert_eq!(commit(key, origin, attributes), Ok(commitment));
}

#[test]
fn commit_equals_the_tree_and_rs_merkle_for_0_to_300_attributes() {
    let attributes = attributes(300);
    for count in 0..=300 {
        let seed = u8::try_from(count % 256).unwrap();
        check(&RecordKey::from_bytes([seed; 32]), ORIGIN, &attributes[..count]);
    }
}

#[test]
fn the_fullest_event_has_8192_leaves() {
    let attributes = attributes(ATTRIBUTES_MAX + HOST_ATTRIBUTES_MAX + 1);
    let key = RecordKey::from_bytes([1; 32]);
    check(&key, ORIGIN, &attributes[1..]);
    assert_eq!(commit(&key, ORIGIN, &attributes[1..]).unwrap().count, 8192);
    assert_eq!(commit(&key, ORIGIN, &attributes), Err(FieldError::TooManyAttributes));
    check(&key, ORIGIN, &attributes[..ATTRIBUTES_MAX]);
}

#[test]
fn what_is_no_event_is_not_committed_to() {
    let key = RecordKey::from_bytes([1; 32]);
    let refused = |attributes: &[Attribute]| {
        let error = commit(&key, ORIGIN, attributes).unwrap_err();
        assert_eq!(FieldTree::new(&key, ORIGIN, attributes).err(), Some(error));
        error
    };
    let null = |path: &str| attribute(path, Value::Null);
    assert_eq!(refused(&[null("b"), null("a")]), FieldError::Unsorted(1));
    assert_eq!(refused(&[null("a"), null("a")]), FieldError::Unsorted(1));
    assert_eq!(refused(&[null("")]), FieldError::Path(0));
    assert_eq!(refused(&[null("a"), null(&"b".repeat(1025))]), FieldError::Path(1));
    for (value, source) in [
        (Value::Float(f64::NAN), ValueError::NotFinite),
        (Value::Float(f64::INFINITY), ValueError::NotFinite),
        (Value::Text("x".repeat(VALUE_BYTES_MAX + 1)), ValueError::TooLong),
    ] {
        assert_eq!(refused(&[attribute("a", value)]), FieldError::Value { attribute: 0, source });
    }
    for origin in ["", &"x".repeat(256), "a b"] {
        assert_eq!(commit(&key, origin, &[]), Err(FieldError::Origin(OriginError)));
    }
}

#[test]
fn keys_and_trees_tell_nothing_when_printed() {
    assert_eq!(format!("{:?}", RecordKey::from_bytes([0x41; 32])), "RecordKey(…)");
    let text = attribute("unmapped[\"ann@example.com\"].ip[0]", Value::Text("203.0.113.7".to_owned()));
    assert_eq!(format!("{text:?}"), "unmapped[\"…\"].ip[0]: text(11 bytes)");
}

#[test]
fn pseudonyms_separate_entities_and_keys() {
    let token = pseudonym(&[1; 32], "USER", "ann");
    assert_eq!(token.len(), 31);
    assert_eq!(token, pseudonym(&[1; 32], "USER", "ann"));
    for other in [
        pseudonym(&[2; 32], "USER", "ann"),
        pseudonym(&[1; 32], "USERa", "nn"),
        pseudonym(&[1; 32], "USER", "Ann"),
    ] {
        assert_ne!(token, other);
    }
    assert_eq!(pseudonym(&[1; 32], &"E".repeat(300), "").len(), 31);
}

#[test]
fn a_drop_binds_salt_type_and_value() {
    let commitment = drop_commitment(&[1; 32], &Value::Text("1".to_owned()));
    assert_ne!(commitment, drop_commitment(&[2; 32], &Value::Text("1".to_owned())));
    assert_ne!(commitment, drop_commitment(&[1; 32], &Value::Integer(1)));
    assert_eq!(
        commitment.to_vec(),
        Rfc6962::hash(&[b"cairnlog/drop/v1\0".as_slice(), &[1; 32], b"\x041"].concat())
    );
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Integer),
        (prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO).prop_map(Value::Float),
        any::<String>().prop_map(Value::Text),
        any::<[u8; 32]>().prop_map(Value::Dropped),
        Just(Value::EmptyObject),
        Just(Value::EmptyList),
    ]
}

proptest! {
    #[test]
    fn any_sorted_attributes_are_committed_to_alike(
        key: [u8; 32],
        origin in "[a-z./]{1,255}",
        attributes in prop::collection::btree_map("[a-z]{1,40}", value(), 0..40),
    ) {
        let attributes: Vec<_> = attributes.into_iter().map(|(path, value)| Attribute { path, value }).collect();
        check(&RecordKey::from_bytes(key), &origin, &attributes);
    }

    #[test]
    fn values_read_back(value in value()) {
        prop_assert_eq!(Value::decode(&value.to_bytes()), Ok(value));
    }

    #[test]
    fn bytes_decode_to_what_encodes_to_them(tag in 0_u8..9, rest in prop::collection::vec(any::<u8>(), 0..40)) {
        for length in [0, 1, 8, 32, rest.len()] {
            let bytes = [&[tag], &rest[..length.min(rest.len())]].concat();
            if let Ok(value) = Value::decode(&bytes) {
                prop_assert_eq!(value.to_bytes(), bytes);
            }
        }
    }
}

#[test]
fn bytes_of_no_value_are_refused() {
    for (bytes, error) in [
        (vec![], ValueError::Empty),
        (vec![8], ValueError::Tag(8)),
        (vec![0, 0], ValueError::Form("null")),
        (vec![1], ValueError::Form("boolean")),
        (vec![1, 2], ValueError::Form("boolean")),
        (vec![2, 0, 0], ValueError::Form("integer")),
        (vec![3; 8], ValueError::Form("float")),
        (vec![3, 0x80, 0, 0, 0, 0, 0, 0, 0], ValueError::Form("float")),
        (vec![3, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0], ValueError::NotFinite),
        (vec![3, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0], ValueError::NotFinite),
        (vec![4, 0xff], ValueError::Form("text")),
        (vec![4; VALUE_BYTES_MAX + 2], ValueError::TooLong),
        (vec![5; 32], ValueError::Form("dropped")),
        (vec![6, 0], ValueError::Form("empty-object")),
        (vec![7, 0], ValueError::Form("empty-list")),
    ] {
        assert_eq!(Value::decode(&bytes), Err(error));
    }
    assert!(Value::decode(&vec![4; VALUE_BYTES_MAX + 1]).is_ok());
    assert_eq!(Value::Float(-0.0).to_bytes(), [3, 0, 0, 0, 0, 0, 0, 0, 0]);
}
