//! What was verified, as the page shows it. Numbers that may be larger than a browser's are text.

use cairnlog_verify::checkpoint::Checkpoint;
use cairnlog_verify::disclosure::{self, Raw};
use cairnlog_verify::entry::Entry;
use cairnlog_verify::event::Attribute;
use cairnlog_verify::receipt;
use cairnlog_verify::value::Value;
use serde_json::{Value as Json, json};

pub(crate) fn of_disclosure(verified: &disclosure::Verified) -> Json {
    let mut answer = of_entry("disclosure", &verified.checkpoint, verified.index, Some(&verified.entry));
    answer["leaf_hash"] = json!(verified.leaf_hash.to_string());
    answer["fields"] = verified.fields.iter().map(field).collect();
    answer["signed_by"] = verified.signed_by.iter().map(ToString::to_string).collect();
    answer["raw"] = json!(match verified.raw {
        Raw::Hidden => "hidden",
        Raw::SaltAlone => "salt-alone",
        Raw::Proven(_) => "proven",
    });
    answer
}

pub(crate) fn of_receipt(verified: &receipt::Verified) -> Json {
    let entry = Entry::parse(&verified.entry).ok();
    let mut answer = of_entry("receipt", &verified.checkpoint, verified.index, entry.as_ref());
    answer["leaf_hash"] = json!(verified.leaf_hash.to_string());
    answer
}

/// Entries of opaque logs may be anything.
fn of_entry(what: &str, checkpoint: &Checkpoint, index: u64, entry: Option<&Entry>) -> Json {
    json!({
        "verified": true,
        "what": what,
        "origin": checkpoint.origin,
        "tree_size": checkpoint.size.to_string(),
        "root_hash": checkpoint.root.to_string(),
        "index": index.to_string(),
        "kind": entry.map(Entry::kind),
        "source": entry.and_then(Entry::source),
        "hour": entry.map(|entry| entry.received.to_string()),
    })
}

/// A field; one that was dropped has no value.
fn field(Attribute { path, value }: &Attribute) -> Json {
    let mut field = json!({"path": path, "type": value.type_name()});
    field["value"] = match value {
        Value::Null => json!("null"),
        Value::Boolean(boolean) => json!(boolean.to_string()),
        Value::Integer(integer) => json!(integer.to_string()),
        Value::Float(float) => json!(float.to_string()),
        Value::Text(text) => json!(text),
        Value::EmptyObject => json!("{}"),
        Value::EmptyList => json!("[]"),
        Value::Dropped(_) => {
            field.as_object_mut().map(|members| members.remove("value"));
            return field;
        }
    };
    field
}
