//! `docs/formats.md`: every figure it shows is recomputed.

use std::collections::BTreeMap;

use cairnlog_verify::checkpoint::Checkpoint;
use cairnlog_verify::disclosure::{Disclosure, Raw};
use cairnlog_verify::entry::{Body, Digest, Entry, Mode, hour};
use cairnlog_verify::event::{Attribute, Event};
use cairnlog_verify::field::{self, FieldTree, RecordKey};
use cairnlog_verify::note::{SigningKey, sign};
use cairnlog_verify::raw::RawInput;
use cairnlog_verify::receipt::Receipt;
use cairnlog_verify::tree::{CompactRange, leaf_hash};
use cairnlog_verify::value::Value;
use cairnlog_verify::{Hash, bundle};
use rs_merkle::MerkleTree;
use serde_json::Value as Json;

use crate::rfc6962::Rfc6962;
use crate::{attribute, hex, unhex, unhex32};

const RECEIVED_MS: u64 = 1_798_761_599_999;

/// The text of the block marked ```` ```vector name ````, without its last line end.
fn block(name: &str) -> &'static str {
    let document = include_str!("../../../../docs/formats.md");
    let (_, rest) =
        document.split_once(&format!("\n```vector {name}\n")).unwrap_or_else(|| panic!("no block {name}"));
    rest.split_once("\n```\n").unwrap().0
}

/// The lines `name = value` of a block.
fn figures(name: &str) -> BTreeMap<&'static str, &'static str> {
    block(name).lines().map(|line| line.split_once(" = ").unwrap()).collect()
}

/// The lines of a block that are JSON objects.
fn objects(name: &str) -> Vec<Json> {
    block(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text<'a>(object: &'a Json, member: &str) -> &'a str {
    object[member].as_str().unwrap()
}

fn value(object: &Json) -> Value {
    let text = text(object, "value");
    match self::text(object, "type") {
        "null" => Value::Null,
        "boolean" => Value::Boolean(text.parse().unwrap()),
        "integer" => Value::Integer(text.parse().unwrap()),
        "float" => Value::Float(text.parse().unwrap()),
        "text" => Value::Text(text.to_owned()),
        "dropped" => Value::Dropped(unhex32(text)),
        "empty-object" => Value::EmptyObject,
        "empty-list" => Value::EmptyList,
        other => panic!("unknown type {other}"),
    }
}

fn attributes() -> Vec<Attribute> {
    objects("attributes").iter().map(|object| attribute(text(object, "path"), value(object))).collect()
}

fn record_key() -> RecordKey {
    RecordKey::from_bytes(unhex32(figures("record-key")["record_key"]))
}

fn tree() -> FieldTree {
    FieldTree::new(&record_key(), figures("record-key")["origin"], &attributes()).unwrap()
}

#[test]
fn values() {
    let shown = objects("values");
    assert_eq!(shown.len(), 16);
    for object in shown {
        let encoded = unhex(text(&object, "encoded"));
        assert_eq!(value(&object).to_bytes(), encoded);
        assert_eq!(Value::decode(&encoded), Ok(value(&object)));
        assert_eq!(value(&object).type_name(), text(&object, "type"));
    }
}

#[test]
fn attributes_are_an_event_in_order() {
    let mut shuffled = attributes();
    shuffled.rotate_left(7);
    assert_eq!(Event::with_host(shuffled).unwrap().into_attributes(), attributes());
}

#[test]
fn salts_leaves_and_positions() {
    let tree = tree();
    for (index, object) in objects("attributes").iter().enumerate() {
        assert_eq!(hex(value(object).to_bytes()), text(object, "encoded"));
        assert_eq!(hex(tree.salt(index).unwrap()), text(object, "salt"));
        let position = tree.position(index).unwrap();
        assert_eq!(Some(position as u64), object["position"].as_u64());
        assert_eq!(tree.leaves()[position].to_hex(), text(object, "leaf"));
    }
}

#[test]
fn padding_root_and_fields() {
    let (tree, shown) = (tree(), figures("fields"));
    let own: Vec<usize> = (0..attributes().len()).map(|index| tree.position(index).unwrap()).collect();
    let padding: Vec<_> = (0..tree.leaves().len()).filter(|position| !own.contains(position)).collect();
    assert_eq!(padding.iter().map(|at| tree.leaves()[*at].to_hex()).collect::<Vec<_>>(), [shown["padding"]]);
    assert_eq!(tree.count().to_string(), shown["count"]);
    assert_eq!(tree.root().to_hex(), shown["root"]);
    assert_eq!(tree.commitment().fields.to_string(), shown["fields"]);
    let commitment = field::commit(&record_key(), figures("record-key")["origin"], &attributes());
    assert_eq!(commitment, Ok(tree.commitment()));
    let mut salts_key = [0; 32];
    let expand = hkdf::Hkdf::<sha2::Sha256>::from_prk(record_key().as_bytes()).unwrap();
    expand.expand(b"cairnlog v1 salts", &mut salts_key).unwrap();
    assert_eq!(hex(salts_key), figures("record-key")["salts_key"]);
    assert_eq!(hex(field::payload_key(&record_key()).as_slice()), figures("record-key")["payload_key"]);
}

#[test]
fn dropped_values_and_pseudonyms() {
    let dropped = figures("dropped");
    let original = Value::decode(&unhex(dropped["original"])).unwrap();
    assert_eq!(hex(field::drop_commitment(&unhex32(dropped["salt"]), &original)), dropped["dropped"]);
    let pseudonym = figures("pseudonym");
    let token = field::pseudonym(&unhex32(pseudonym["key"]), pseudonym["entity"], pseudonym["value"]);
    assert_eq!(token, pseudonym["token"]);
}

#[test]
fn raw_commitment() {
    let shown = figures("raw");
    let attributes: Vec<(String, String)> = serde_json::from_str(shown["attributes"]).unwrap();
    let input = RawInput {
        received_ms: shown["received_ms"].parse().unwrap(),
        source: shown["source"],
        content_type: shown["content_type"],
        attributes: &attributes,
        body: shown["body"].as_bytes(),
    };
    assert_eq!(hex(input.encode()), shown["input"]);
    assert_eq!(input.commit(&unhex32(shown["salt"])).to_string(), shown["raw"]);
}

/// The entries that the document shows, made from its other figures.
/// An entry whose field tree has one attribute, under a record key of this byte.
fn entry(record_key: u8, body: Body) -> Entry {
    let origin = figures("record-key")["origin"];
    let attributes = [attribute("$received", Value::Integer(i64::try_from(RECEIVED_MS).unwrap()))];
    let commitment = field::commit(&RecordKey::from_bytes([record_key; 32]), origin, &attributes).unwrap();
    Entry { received: hour(RECEIVED_MS), count: commitment.count, fields: commitment.fields, body }
}

fn entries() -> Vec<Entry> {
    let origin = figures("record-key")["origin"];
    let plugin = Digest::of(b"\0asm");
    let manifest = figures("manifest");
    let pipeline = Digest::of(manifest["manifest"].as_bytes());
    assert_eq!(pipeline.to_string(), manifest["digest"]);
    let raw: Hash = figures("raw")["raw"].parse().unwrap();
    let source = || figures("raw")["source"].to_owned();
    let record = Body::Record { source: source(), pipeline, raw, part: (0, 1) };
    let commitment = tree().commitment();
    vec![
        entry(0x51, Body::Log { origin: origin.to_owned(), mode: Mode::Records }),
        entry(0x52, Body::Plugin { digest: plugin }),
        entry(0x53, Body::Pipeline { digest: pipeline }),
        Entry {
            received: hour(RECEIVED_MS),
            count: commitment.count,
            fields: commitment.fields,
            body: record,
        },
        entry(0x54, Body::Quarantine { source: source(), raw }),
    ]
}

#[test]
fn entries_and_leaf_hashes() {
    let shown = figures("entries");
    let order: Vec<_> =
        block("entries").lines().step_by(2).map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(entries().iter().map(Entry::kind).collect::<Vec<_>>(), order);
    for entry in entries() {
        let bytes = entry.write();
        assert_eq!(std::str::from_utf8(&bytes), Ok(shown[entry.kind()]));
        assert_eq!(leaf_hash(&bytes).to_hex(), shown[format!("{}.leaf_hash", entry.kind()).as_str()]);
        assert_eq!(Entry::parse(&bytes), Ok(entry));
    }
}

#[test]
fn a_key_entry() {
    let (shown, tree) = (figures("key-entry"), figures("tree"));
    let entry = entry(0x55, Body::Key { key: tree["verifier_key"].parse().unwrap(), ends: 1_000_000 });
    let bytes = entry.write();
    assert_eq!(std::str::from_utf8(&bytes), Ok(shown["key"]));
    assert_eq!(leaf_hash(&bytes).to_hex(), shown["key.leaf_hash"]);
    assert_eq!(Entry::parse(&bytes), Ok(entry));
}

#[test]
fn manifest_is_canonical() {
    let manifest = figures("manifest")["manifest"];
    let json: Json = serde_json::from_str(manifest).unwrap();
    assert_eq!(serde_jcs::to_string(&json).unwrap(), manifest);
}

#[test]
fn tree_checkpoint_and_receipt() {
    let shown = figures("tree");
    let entries: Vec<Vec<u8>> = entries().iter().map(Entry::write).collect();
    let mut range = CompactRange::new();
    let mut tile = Vec::new();
    for entry in &entries {
        tile.extend(leaf_hash(entry).0);
        range.push(leaf_hash(entry), |_, _| ());
    }
    assert_eq!(range.root().to_hex(), shown["root"]);
    assert_eq!(format!("SHA-256 {}", sha256(&tile)), shown["tile/0/000.p/5"]);
    let bundle = bundle::encode(entries.iter().map(Vec::as_slice)).unwrap();
    assert_eq!(format!("SHA-256 {}", sha256(&bundle)), shown["tile/entries/000.p/5"]);

    let origin = figures("record-key")["origin"];
    let key = SigningKey::ed25519(origin, unhex32(shown["seed"])).unwrap();
    assert_eq!(key.verifier_key().to_string(), shown["verifier_key"]);
    let note = sign(&format!("{origin}\n5\n{}\n", range.root()), &[&key], 0).unwrap();
    assert_eq!(note, format!("{}\n", block("checkpoint")));

    let receipt = Receipt::parse(&format!("{}\n", block("receipt"))).unwrap();
    assert_eq!(receipt.checkpoint, note);
    let verified = receipt.verify(None, &[shown["verifier_key"].parse().unwrap()]).unwrap();
    assert_eq!((verified.index, &verified.entry), (3, &entries[3]));
}

#[test]
fn a_disclosure() {
    let (text, key) = (block("disclosure"), figures("tree")["verifier_key"].parse().unwrap());
    let disclosure = Disclosure::parse(text).unwrap();
    assert_eq!(disclosure.to_string(), text);
    let verified = disclosure.verify(&[key], None).unwrap();
    assert_eq!((verified.index, verified.entry), (3, entries()[3].clone()));
    assert!(verified.raw == Raw::Proven(unhex(figures("raw")["input"])));

    let (tree, attributes) = (tree(), attributes());
    for field in &disclosure.fields {
        let place = attributes.iter().position(|attribute| *attribute == field.attribute).unwrap();
        assert_eq!(tree.position(place), Some(usize::from(field.position)));
        assert_eq!(tree.salt(place), Some(&field.salt));
    }
    let positions: Vec<usize> = disclosure.fields.iter().map(|field| field.position.into()).collect();
    let leaves: Vec<[u8; 32]> = tree.leaves().iter().map(|leaf| leaf.0).collect();
    let proof = MerkleTree::<Rfc6962>::from_leaves(&leaves).proof(&positions);
    assert_eq!(disclosure.multiproof, proof.proof_hashes().iter().copied().map(Hash).collect::<Vec<_>>());
}

#[test]
fn signatures() {
    let shown = figures("signatures");
    let text = shown["checkpoint"].replace("\\n", "\n");
    let time: u64 = shown["time"].parse().unwrap();
    let witness = SigningKey::cosignature("witness.example/w1", unhex32(shown["witness_seed"])).unwrap();
    assert_eq!(witness.verifier_key().to_string(), shown["witness_key"]);
    assert_eq!(witness.sign(&text, time).unwrap().to_string(), shown["witness_line"]);

    let seed = unhex32(shown["ml_dsa_44_seed"]);
    for (name, id) in
        [("log.example/tiles", "ml_dsa_44_log_id"), ("witness.example/w1", "ml_dsa_44_witness_id")]
    {
        let key = SigningKey::ml_dsa_44(name, seed).unwrap();
        assert_eq!(format!("{:08x}", key.verifier_key().id()), shown[id]);
        let public = sha256(&key.verifier_key().public_key());
        assert_eq!(format!("SHA-256 {public}"), shown["ml_dsa_44_public"]);
    }
    // Independently of the signer: the page's own words.
    let checkpoint = Checkpoint::parse_text(&text).unwrap();
    let short = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let message = [
        b"subtree/v1\n\0".to_vec(),
        short("witness.example/w1"),
        time.to_be_bytes().to_vec(),
        short(&checkpoint.origin),
        0u64.to_be_bytes().to_vec(),
        checkpoint.size.to_be_bytes().to_vec(),
        checkpoint.root.0.to_vec(),
    ];
    assert_eq!(format!("SHA-256 {}", sha256(&message.concat())), shown["ml_dsa_44_message"]);
}

fn sha256(bytes: &[u8]) -> String {
    hex(Digest::of(bytes).0)
}
