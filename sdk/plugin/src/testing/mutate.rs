//! Records that are almost right.

use serde_json::{Value as Json, json};

/// Every record that differs from `record` in one place, where a member or an item is missing or of another type: what sources
/// send that their documentation does not tell of.
#[must_use]
pub fn mutations(record: &Json) -> Vec<Json> {
    let others = [
        json!(null),
        json!(""),
        json!("-"),
        json!("x y"),
        json!(-7),
        json!(u64::MAX),
        json!(1.5),
        json!(true),
        json!([]),
        json!({}),
        json!([null, "x", {}]),
        json!({ "a.b": { "": [1] } }),
    ];
    let mut pointers = Vec::new();
    collect(record, String::new(), &mut pointers);
    let replaced = pointers.iter().flat_map(|pointer| others.iter().map(move |other| (pointer, other)));
    let replaced = replaced.filter_map(|(pointer, other)| {
        let mut mutation = record.clone();
        *mutation.pointer_mut(pointer)? = other.clone();
        Some(mutation)
    });
    replaced.chain(pointers.iter().filter_map(|pointer| without(record, pointer))).collect()
}

fn collect(value: &Json, pointer: String, out: &mut Vec<String>) {
    match value {
        Json::Object(members) => {
            for (key, member) in members {
                let key = key.replace('~', "~0").replace('/', "~1");
                collect(member, format!("{pointer}/{key}"), out);
            }
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, format!("{pointer}/{index}"), out);
            }
        }
        _ => {}
    }
    out.push(pointer);
}

fn without(record: &Json, pointer: &str) -> Option<Json> {
    let (parent, key) = pointer.rsplit_once('/')?;
    let mut mutation = record.clone();
    let key = key.replace("~1", "/").replace("~0", "~");
    mutation.pointer_mut(parent)?.as_object_mut()?.remove(&key)?;
    Some(mutation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_differs() {
        let mutations = mutations(&json!({ "a/b": [1], "c": "d" }));
        for expected in [
            json!({ "a/b": [1] }),
            json!({ "c": "d" }),
            json!({ "a/b": [null], "c": "d" }),
            json!({ "a/b": true, "c": "d" }),
            json!({}),
        ] {
            assert!(mutations.contains(&expected), "{expected}");
        }
    }
}
