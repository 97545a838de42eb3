//! One record worked through by another implementation (`tests/fixtures/records.json`), with every intermediate.

use cairnlog_verify::entry::{Body, Digest, Entry, hour};
use cairnlog_verify::event::{Attribute, Event};
use cairnlog_verify::field::{self, Commitment, FieldTree, RecordKey};
use cairnlog_verify::raw::RawInput;
use cairnlog_verify::tree::leaf_hash;
use cairnlog_verify::value::Value;
use cairnlog_verify::{Hash, b64};
use rs_merkle::MerkleTree;
use serde_json::Value as Json;

use crate::rfc6962::Rfc6962;
use crate::{hex, unhex, unhex32};

fn fixture() -> Json {
    serde_json::from_str(include_str!("../fixtures/records.json")).unwrap()
}

fn text<'a>(json: &'a Json, pointer: &str) -> &'a str {
    json.pointer(pointer).and_then(Json::as_str).unwrap_or_else(|| panic!("{pointer} is no text"))
}

fn value(json: &Json) -> Value {
    let text = json["value"].as_str();
    match json["type"].as_str().unwrap() {
        "null" => Value::Null,
        "boolean" => Value::Boolean(json["value"].as_bool().unwrap()),
        "integer" => Value::Integer(text.unwrap().parse().unwrap()),
        "float" => Value::Float(text.unwrap().parse().unwrap()),
        "text" => Value::Text(text.unwrap().to_owned()),
        "dropped" => Value::Dropped(b64::decode(text.unwrap()).unwrap().try_into().unwrap()),
        "empty-object" => Value::EmptyObject,
        "empty-list" => Value::EmptyList,
        other => panic!("unknown type {other}"),
    }
}

fn attributes(json: &Json) -> Vec<Attribute> {
    let list = json["tree"]["attributes"].as_array().unwrap();
    list.iter().map(|item| Attribute { path: text(item, "/path").to_owned(), value: value(item) }).collect()
}

fn record_key(json: &Json) -> RecordKey {
    RecordKey::from_bytes(unhex32(text(json, "/record_key")))
}

fn tree(json: &Json) -> FieldTree {
    FieldTree::new(&record_key(json), text(json, "/origin"), &attributes(json)).unwrap()
}

#[test]
fn values_are_encoded_as_published_and_read_back() {
    let json = fixture();
    for (item, attribute) in json["tree"]["attributes"].as_array().unwrap().iter().zip(attributes(&json)) {
        let encoded = unhex(text(item, "/encoded"));
        assert_eq!(attribute.value.to_bytes(), encoded, "{}", attribute.path);
        assert_eq!(attribute.value.type_name(), text(item, "/type"));
        assert_eq!(Value::decode(&encoded), Ok(attribute.value));
    }
}

#[test]
fn the_published_attributes_are_an_event_in_order() {
    let json = fixture();
    let mut shuffled = attributes(&json);
    shuffled.reverse();
    assert_eq!(Event::with_host(shuffled).unwrap().into_attributes(), attributes(&json));
}

#[test]
fn salts_leaves_positions_and_padding_are_as_published() {
    let json = fixture();
    let tree = tree(&json);
    let mut padding = tree.leaves().to_vec();
    for (index, item) in json["tree"]["attributes"].as_array().unwrap().iter().enumerate() {
        assert_eq!(hex(tree.salt(index).unwrap()), text(item, "/salt"));
        let position = tree.position(index).unwrap();
        assert_eq!(Some(position as u64), item["position"].as_u64());
        assert_eq!(tree.leaves()[position].to_hex(), text(item, "/leaf"));
        padding.retain(|leaf| *leaf != tree.leaves()[position]);
    }
    let published = json["tree"]["padding"].as_array().unwrap();
    let mut published: Vec<&str> = published.iter().map(|leaf| leaf.as_str().unwrap()).collect();
    published.sort_unstable();
    assert_eq!(padding.iter().map(Hash::to_hex).collect::<Vec<_>>(), published);
    assert_eq!(tree.position(published.len() + padding.len()), None);
}

#[test]
fn root_count_and_fields_are_as_published() {
    let json = fixture();
    let tree = tree(&json);
    let published = Commitment {
        count: u16::try_from(json["tree"]["count"].as_u64().unwrap()).unwrap(),
        fields: text(&json, "/tree/fields").parse().unwrap(),
    };
    assert_eq!(tree.root().to_hex(), text(&json, "/tree/root"));
    assert_eq!(tree.count(), published.count);
    assert_eq!(tree.commitment(), published);
    assert_eq!(field::commit(&record_key(&json), text(&json, "/origin"), &attributes(&json)), Ok(published));
}

#[test]
fn a_multiproof_over_the_leaves_is_as_published() {
    let json = fixture();
    let (tree, attributes) = (tree(&json), attributes(&json));
    let paths = json["multiproof"]["paths"].as_array().unwrap();
    let mut positions: Vec<usize> = paths
        .iter()
        .map(|path| attributes.iter().position(|attribute| path == attribute.path.as_str()).unwrap())
        .map(|attribute| tree.position(attribute).unwrap())
        .collect();
    positions.sort_unstable();
    let leaves: Vec<[u8; 32]> = tree.leaves().iter().map(|leaf| leaf.0).collect();
    let hashes = MerkleTree::<Rfc6962>::from_leaves(&leaves).proof(&positions).proof_hashes().to_vec();
    let published = json["multiproof"]["hashes"].as_array().unwrap();
    assert_eq!(
        hashes.into_iter().map(|hash| Hash(hash).to_string()).collect::<Vec<_>>(),
        published.iter().map(|hash| hash.as_str().unwrap()).collect::<Vec<_>>()
    );
}

#[test]
fn the_payload_key_is_as_published() {
    let json = fixture();
    assert_eq!(hex(field::payload_key(&record_key(&json)).as_slice()), text(&json, "/payload_key"));
}

#[test]
fn a_dropped_value_is_as_published() {
    let json = fixture();
    let original = Value::decode(&unhex(text(&json, "/drop/original"))).unwrap();
    let dropped = field::drop_commitment(&unhex32(text(&json, "/drop/salt")), &original);
    assert_eq!(b64::encode(&dropped), text(&json, "/drop/value"));
}

#[test]
fn a_pseudonym_is_as_published() {
    let json = fixture();
    let key = unhex32(text(&json, "/pseudonym/key"));
    let token = field::pseudonym(&key, text(&json, "/pseudonym/entity"), text(&json, "/pseudonym/value"));
    assert_eq!(token, text(&json, "/pseudonym/token"));
}

#[test]
fn the_raw_commitment_is_as_published() {
    let json = fixture();
    let raw = &json["raw"];
    let attributes: Vec<(String, String)> = serde_json::from_value(raw["attributes"].clone()).unwrap();
    let input = RawInput {
        received_ms: raw["received_ms"].as_u64().unwrap(),
        source: text(raw, "/source"),
        content_type: text(raw, "/content_type"),
        attributes: &attributes,
        body: text(raw, "/body").as_bytes(),
    };
    assert_eq!(hex(input.encode()), text(raw, "/input"));
    assert_eq!(input.commit(&unhex32(text(raw, "/salt"))).to_string(), text(raw, "/commitment"));
}

#[test]
fn the_entry_and_its_leaf_are_as_published() {
    let json = fixture();
    let Commitment { count, fields } = tree(&json).commitment();
    let entry = Entry {
        received: hour(json["raw"]["received_ms"].as_u64().unwrap()),
        count,
        fields,
        body: Body::Record {
            source: text(&json, "/raw/source").to_owned(),
            pipeline: Digest([0xab; 32]),
            raw: text(&json, "/raw/commitment").parse().unwrap(),
            part: (0, 1),
        },
    };
    assert_eq!(String::from_utf8(entry.write()).unwrap(), text(&json, "/entry"));
    assert_eq!(Entry::parse(text(&json, "/entry").as_bytes()), Ok(entry.clone()));
    assert_eq!(leaf_hash(&entry.write()).to_hex(), text(&json, "/leaf_hash"));
}
