//! Checking a config against a plugin's own JSON Schema.
//!
//! The schema is the plugin's word, so it is hostile input to whoever evaluates it. Its references may only point to
//! its own `$defs`, and it is walked with them followed, counting, before it is compiled: circles, doubling and depth
//! end there. Regular expressions are matched in linear time, so look-around is not to be had.

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::limits::{
    CONFIG_BYTES_MAX, MESSAGE_BYTES_MAX, PATTERN_BYTES_MAX, SCHEMA_DEPTH_MAX, SCHEMA_NODES_MAX,
};
use crate::text::cut;

/// Keywords whose evaluation can't be bounded by counting the schema's places, or that change what `$ref` means.
const REFUSED: [&str; 6] =
    ["$id", "$anchor", "$dynamicRef", "$recursiveRef", "unevaluatedItems", "unevaluatedProperties"];

/// Compiles a plugin's schema.
///
/// # Errors
/// Why it can't be used, in words for the plugin's author.
pub(crate) fn compile(schema: &str) -> Result<Validator, String> {
    if schema.len() > CONFIG_BYTES_MAX {
        return Err(format!("the config's schema has {} bytes, more than {CONFIG_BYTES_MAX}", schema.len()));
    }
    let schema: Value =
        serde_json::from_str(schema).map_err(|error| format!("the config's schema is not JSON: {error}"))?;
    let mut nodes = 0;
    walk(&schema, &schema, 0, &mut nodes)?;
    jsonschema::options()
        .offline()
        .should_validate_formats(false)
        .with_pattern_options(
            PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX),
        )
        .build(&schema)
        .map_err(|error| {
            cut(&format!("the config's schema is not valid: {error}"), MESSAGE_BYTES_MAX).to_owned()
        })
}

/// Counts the places of a schema with its references followed.
fn walk(root: &Value, value: &Value, depth: usize, nodes: &mut usize) -> Result<(), String> {
    *nodes += 1;
    if depth > SCHEMA_DEPTH_MAX || *nodes > SCHEMA_NODES_MAX {
        return Err("the config's schema nests too deep, refers in a circle or is too large".to_owned());
    }
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| walk(root, item, depth + 1, nodes)),
        Value::Object(members) => {
            for (key, member) in members {
                if REFUSED.contains(&key.as_str()) {
                    return Err(format!("the config's schema uses {key}, which is not supported"));
                }
                match (key.as_str(), member) {
                    ("$defs" | "definitions", _) => {}
                    ("$ref", Value::String(reference)) => {
                        walk(root, definition(root, reference)?, depth + 1, nodes)?;
                    }
                    _ => walk(root, member, depth + 1, nodes)?,
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn definition<'a>(root: &'a Value, reference: &str) -> Result<&'a Value, String> {
    let name = reference.strip_prefix("#/").and_then(|pointer| pointer.split_once('/'));
    let found = match name {
        Some((list @ ("$defs" | "definitions"), name)) if !name.contains(['/', '~', '%']) => {
            root.get(list).and_then(|definitions| definitions.get(name))
        }
        _ => None,
    };
    found.ok_or_else(|| "the config's schema may refer only to its own, as in \"#/$defs/name\"".to_owned())
}

/// Checks a config.
///
/// # Errors
/// The first few places where it does not match, without its values.
pub(crate) fn check(validator: &Validator, config: &Value) -> Result<(), String> {
    let errors: Vec<String> = validator
        .iter_errors(config)
        .take(8)
        .map(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { "/".to_owned() } else { place };
            format!("{place}: {}", error.masked())
        })
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    let words = format!("the config does not match the plugin's schema: {}", errors.join("; "));
    Err(cut(&words, MESSAGE_BYTES_MAX).to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(schema: &Value) -> String {
        compile(&schema.to_string()).expect_err("schema is refused")
    }

    #[test]
    fn a_config_matches_or_is_told_where_not() {
        let schema = json!({"type": "object", "additionalProperties": false, "required": ["rules"],
            "properties": {"rules": {"type": "array", "items": {"$ref": "#/$defs/rule"}}},
            "$defs": {"rule": {"type": "string", "pattern": "^[a-z]+$"}}});
        let validator = compile(&schema.to_string()).expect("schema is fine");
        assert_eq!(check(&validator, &json!({"rules": ["abc"]})), Ok(()));
        let words = check(&validator, &json!({"rules": ["abc", "s3cret"]})).expect_err("does not match");
        assert!(words.contains("/rules/1") && !words.contains("s3cret"), "{words}");
        assert!(check(&validator, &json!({"rules": [], "more": 1})).is_err());
    }

    #[test]
    fn circles_and_doubling_end() {
        assert!(
            refusal(&json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}})).contains("circle")
        );
        let mut definitions = serde_json::Map::new();
        for i in 0..40 {
            let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
            definitions.insert(format!("d{i}"), json!({"allOf": [next, next]}));
        }
        definitions.insert("d40".into(), json!(true));
        assert!(refusal(&json!({"$ref": "#/$defs/d0", "$defs": definitions})).contains("too large"));
    }

    #[test]
    fn what_cannot_be_bounded_is_refused() {
        for keyword in REFUSED {
            assert!(refusal(&json!({ keyword: "x" })).contains(keyword));
        }
        for reference in
            ["#", "https://example.com/schema.json", "#/properties/a", "#/$defs/none", "#/$defs/a~1b"]
        {
            assert!(
                refusal(&json!({"$ref": reference, "$defs": {"a": true}})).contains("its own"),
                "{reference}"
            );
        }
        assert!(refusal(&json!({"$schema": "https://example.com/meta"})).contains("not valid"));
        assert!(refusal(&json!({"type": "nothing"})).contains("not valid"));
        assert!(refusal(&json!({"pattern": "(?=a)b"})).contains("not valid"));
        assert!(compile("{").expect_err("cut off").contains("not JSON"));
        assert!(compile(&" ".repeat(CONFIG_BYTES_MAX + 1)).expect_err("too large").contains("bytes"));
    }
}
