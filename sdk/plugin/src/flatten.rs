//! From JSON to attributes.

use crate::json::{Json, Object};
use crate::limits::{PATH_BYTES_MAX, PATH_SEGMENTS_MAX, VALUE_BYTES_MAX};
use crate::{Attribute, Value, path};

/// Writes a value's attributes behind a path.
pub(crate) struct Flattener<'o> {
    out: &'o mut Vec<Attribute>,
    path: String,
    segments: usize,
}

impl<'o> Flattener<'o> {
    /// `base` must be a path of `segments` segments.
    pub(crate) fn new(out: &'o mut Vec<Attribute>, base: &str, segments: usize) -> Self {
        let mut path = String::with_capacity(base.len() + 64);
        path.push_str(base);
        Self { out, path, segments }
    }

    /// Writes every member but nulls under its key; says whether any was written.
    pub(crate) fn members(&mut self, object: &Object<'_>) -> bool {
        let before = self.out.len();
        for (key, value) in object.members().filter(|(_, value)| !matches!(value, Json::Null)) {
            self.member(key, value, false);
        }
        self.out.len() > before
    }

    /// Writes a member under its key, as JSON text if asked to.
    pub(crate) fn member(&mut self, key: &str, value: &Json<'_>, as_text: bool) {
        let write = |this: &mut Self| if as_text { this.json_text(value) } else { this.value(value) };
        self.at(|path| path::push_key(path, key), write);
    }

    /// Writes a value at the current path: a container as its members, or as JSON text if their paths would be too long or
    /// too deep. A null says that there is nothing: it is left out of objects; in a list it keeps its place as `null`.
    pub(crate) fn value(&mut self, value: &Json<'_>) {
        match value {
            Json::Null => self.push(Value::Text("null".to_owned())),
            Json::Boolean(value) => self.push(Value::Boolean(*value)),
            Json::Integer(value) => self.push(Value::Integer(*value)),
            Json::Float(value) => self.push(Value::Float(*value)),
            Json::Text(text) => self.text(text),
            Json::List(list) if list.is_empty() => self.push(Value::EmptyList),
            Json::List(list) if !self.has_room_for_items(list.len()) => self.json_text(value),
            Json::List(list) => {
                for (index, item) in list.iter().enumerate() {
                    self.at(|path| path::push_index(path, index), |this| this.value(item));
                }
            }
            Json::Object(object) if !self.has_room_for_keys(object) => self.json_text(value),
            Json::Object(object) => {
                if !self.members(object) {
                    self.push(Value::EmptyObject);
                }
            }
        }
    }

    fn has_room_for_items(&self, items: usize) -> bool {
        let digits = items.checked_ilog10().unwrap_or(0) as usize + 1;
        self.segments < PATH_SEGMENTS_MAX && self.path.len() + digits + 2 <= PATH_BYTES_MAX
    }

    fn has_room_for_keys(&self, object: &Object<'_>) -> bool {
        // A quoted key's escapes take six bytes for one at most.
        let room = |key: &str| {
            let bytes = if path::is_bare(key) { key.len() + 1 } else { key.len() * 6 + 4 };
            self.path.len() + bytes <= PATH_BYTES_MAX
        };
        self.segments < PATH_SEGMENTS_MAX && object.members().all(|(key, _)| room(key))
    }

    fn json_text(&mut self, value: &Json<'_>) {
        self.text(&value.to_text());
    }

    /// Writes a text, one beyond the limit as a list of pieces.
    fn text(&mut self, text: &str) {
        if text.len() <= VALUE_BYTES_MAX {
            return self.push(Value::Text(text.to_owned()));
        }
        let mut rest = text;
        let mut index = 0;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.floor_char_boundary(VALUE_BYTES_MAX));
            self.at(|path| path::push_index(path, index), |this| this.push(Value::Text(piece.to_owned())));
            rest = after;
            index += 1;
        }
    }

    fn push(&mut self, value: Value) {
        self.out.push(Attribute { path: self.path.clone(), value });
    }

    fn at(&mut self, extend: impl FnOnce(&mut String), write: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        extend(&mut self.path);
        self.segments += 1;
        write(self);
        self.segments -= 1;
        self.path.truncate(length);
    }
}

/// How many attributes a value becomes, at most.
pub(crate) fn count(value: &Json<'_>) -> usize {
    match value {
        Json::List(list) => list.iter().map(count).sum::<usize>().max(1),
        Json::Object(object) => object.members().map(|(_, value)| count(value)).sum::<usize>().max(1),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::json;
    use proptest::prelude::*;

    fn flat(body: &str) -> Vec<(String, Value)> {
        let mut out = Vec::new();
        Flattener::new(&mut out, "unmapped", 1).members(&json::parse(body.as_bytes()).unwrap());
        out.into_iter().map(|attribute| (attribute.path, attribute.value)).collect()
    }

    fn text(value: &str) -> Value {
        Value::Text(value.to_owned())
    }

    #[test]
    fn containers_become_paths() {
        let expected = [
            ("unmapped.a[0]", Value::Integer(1)),
            ("unmapped.a[1]", text("null")),
            ("unmapped.a[2]", Value::EmptyObject),
            ("unmapped.a[3]", Value::EmptyList),
            (r#"unmapped.b["c.d"]"#, Value::Boolean(true)),
            ("unmapped.e", Value::EmptyObject),
            ("unmapped.g", Value::EmptyObject),
            ("unmapped.h", Value::Float(1.5)),
        ];
        let expected = expected.map(|(path, value)| (path.to_owned(), value));
        assert_eq!(
            flat(r#"{"a":[1,null,{"x":null},[]],"b":{"c.d":true},"e":{},"f":null,"g":{"y":null},"h":1.5}"#),
            expected
        );
    }

    #[test]
    fn what_is_too_deep_or_too_long_becomes_text() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(60), "]".repeat(60));
        let flattened = flat(&deep);
        assert_eq!(flattened.len(), 1);
        assert_eq!(flattened[0].0, format!("unmapped.a{}", "[0]".repeat(30)));
        assert_eq!(flattened[0].1, text(&format!("{}1{}", "[".repeat(30), "]".repeat(30))));

        let long = format!("{{\"a\":{{\"{}\":1}}}}", "k".repeat(2_000));
        assert_eq!(
            flat(&long),
            [("unmapped.a".to_owned(), text(&format!("{{\"{}\":1}}", "k".repeat(2_000))))]
        );
    }

    #[test]
    fn a_text_beyond_the_limit_is_kept_in_pieces() {
        let flattened = flat(&format!("{{\"a\":\"x{}\"}}", "é".repeat(VALUE_BYTES_MAX)));
        let joined: String = flattened
            .iter()
            .map(|(_, value)| match value {
                Value::Text(piece) => piece.as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(joined, format!("x{}", "é".repeat(VALUE_BYTES_MAX)));
        assert_eq!(
            flattened.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(),
            ["unmapped.a[0]", "unmapped.a[1]", "unmapped.a[2]"]
        );
    }

    proptest! {
        #[test]
        fn every_path_is_of_the_grammar(keys in proptest::collection::vec(".{0,300}", 0..40)) {
            let mut value = serde_json::json!(1);
            for key in keys {
                value = serde_json::json!({ key: [value] });
            }
            for (path, _) in flat(&serde_json::json!({ "m": value }).to_string()) {
                prop_assert!(path::parse(&path).is_some_and(|segments| segments.len() <= PATH_SEGMENTS_MAX), "{}", path);
                prop_assert!(path.len() <= PATH_BYTES_MAX);
            }
        }
    }
}
