//! A log with a record, from which anything can be disclosed.

use cairnlog_verify::Hash;
use cairnlog_verify::checkpoint::Checkpoint;
use cairnlog_verify::disclosure::{Disclosure, Field};
use cairnlog_verify::entry::{Body, Digest, Entry, hour};
use cairnlog_verify::event::Attribute;
use cairnlog_verify::field::{FieldTree, RecordKey};
use cairnlog_verify::note::{SigningKey, VerifierKey, sign};
use cairnlog_verify::proof::Plan;
use cairnlog_verify::raw::RawInput;
use cairnlog_verify::receipt::Receipt;
use cairnlog_verify::value::Value;
use rs_merkle::MerkleTree;

use crate::oracle::Log;
use crate::rfc6962::Rfc6962;

pub(crate) const ORIGIN: &str = "log.example/hr";
pub(crate) const RECEIVED_MS: u64 = 1_798_761_599_999;
pub(crate) const BODY: &[u8] = b"{\"user\":\"ann\"}";
pub(crate) const RAW_SALT: [u8; 32] = [0x33; 32];

/// A record, and the log of a few entries that it stands in.
pub(crate) struct World {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) tree: FieldTree,
    pub(crate) entry: Entry,
    pub(crate) receipt: Receipt,
}

pub(crate) fn attribute(path: &str, value: Value) -> Attribute {
    Attribute { path: path.to_owned(), value }
}

/// A value of each type, and the time of receipt.
pub(crate) fn attributes() -> Vec<Attribute> {
    vec![
        attribute("$received", Value::Integer(RECEIVED_MS.try_into().unwrap())),
        attribute("a_null", Value::Null),
        attribute("b_boolean", Value::Boolean(true)),
        attribute("c_integer", Value::Integer(9_007_199_254_740_993)),
        attribute("d_float", Value::Float(0.1)),
        attribute("e_text", Value::Text("Öffnet 📁\n".to_owned())),
        attribute("f_dropped", Value::Dropped([0xab; 32])),
        attribute("g_object", Value::EmptyObject),
        attribute("h_list", Value::EmptyList),
        attribute("i[\"a.b \\\"c\\\"\"]", Value::Text(String::new())),
    ]
}

pub(crate) fn signer(origin: &str) -> SigningKey {
    SigningKey::ed25519(origin, [7; 32]).unwrap()
}

pub(crate) fn keys() -> Vec<VerifierKey> {
    vec![signer(ORIGIN).verifier_key().clone()]
}

pub(crate) fn input() -> RawInput<'static> {
    RawInput {
        received_ms: RECEIVED_MS,
        source: "okta-prod",
        content_type: "application/json",
        attributes: &[],
        body: BODY,
    }
}

pub(crate) fn record_body() -> Body {
    let (source, raw) = ("okta-prod".to_owned(), input().commit(&RAW_SALT));
    Body::Record { source, pipeline: Digest([0xcd; 32]), raw, part: (0, 1) }
}

/// The receipt of the third of five entries.
pub(crate) fn receipt(origin: &str, entry: &[u8]) -> Receipt {
    let log = Log::new([b"0".as_slice(), b"1", entry, b"3", b"4"]);
    let plan = Plan::inclusion(2, 5).unwrap();
    let checkpoint =
        Checkpoint { origin: origin.to_owned(), size: 5, root: log.edge.root(), extensions: vec![] };
    Receipt {
        extra: Some(entry.to_vec()),
        index: 2,
        hashes: plan.evaluate(&log.fetch(&plan.tiles())).unwrap(),
        checkpoint: sign(&checkpoint.to_text(), &[&signer(origin)], 0).unwrap(),
    }
}

impl World {
    pub(crate) fn new(attributes: Vec<Attribute>) -> Self {
        Self::of(ORIGIN, 1, attributes, record_body())
    }

    pub(crate) fn of(origin: &str, record_key: u8, attributes: Vec<Attribute>, body: Body) -> Self {
        let tree = FieldTree::new(&RecordKey::from_bytes([record_key; 32]), origin, &attributes).unwrap();
        let entry = Entry {
            received: hour(RECEIVED_MS),
            count: tree.count(),
            fields: tree.commitment().fields,
            body,
        };
        let receipt = receipt(origin, &entry.write());
        Self { attributes, tree, entry, receipt }
    }

    /// Discloses the attributes at these places; the multiproof is `rs_merkle`'s.
    pub(crate) fn disclose(&self, places: &[usize]) -> Disclosure {
        let mut fields: Vec<Field> = places.iter().map(|place| self.field(*place)).collect();
        fields.sort_by_key(|field| field.position);
        let leaves: Vec<[u8; 32]> = self.tree.leaves().iter().map(|leaf| leaf.0).collect();
        let positions: Vec<usize> = fields.iter().map(|field| field.position.into()).collect();
        let proof = MerkleTree::<Rfc6962>::from_leaves(&leaves).proof(&positions);
        Disclosure {
            entry: self.entry.clone(),
            fields,
            multiproof: proof.proof_hashes().iter().map(|hash| Hash(*hash)).collect(),
            raw: None,
            receipt: self.receipt.clone(),
        }
    }

    pub(crate) fn field(&self, place: usize) -> Field {
        Field {
            attribute: self.attributes[place].clone(),
            salt: *self.tree.salt(place).unwrap(),
            position: self.tree.position(place).unwrap().try_into().unwrap(),
        }
    }
}
