//! What the host checks, and what JSON Schemas don't catch.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::limits::{ATTRIBUTES_MAX, PATH_BYTES_MAX, PATH_SEGMENTS_MAX, VALUE_BYTES_MAX};
use crate::path::{self, Segment};
use crate::{Attribute, Value};

/// Nests an event, checking the host's rules: grammar and limits, unique paths of which none is a prefix of another, dense
/// lists.
///
/// # Errors
/// The rule that is broken, and where.
pub fn event_json(event: &[Attribute]) -> Result<Json, String> {
    if event.len() > ATTRIBUTES_MAX {
        return Err(format!("{} attributes", event.len()));
    }
    let mut root = Node::default();
    for Attribute { path, value } in event {
        let segments = path::parse(path).ok_or_else(|| format!("not a path: {path}"))?;
        if path.len() > PATH_BYTES_MAX || segments.len() > PATH_SEGMENTS_MAX {
            return Err(format!("too long or too deep: {path}"));
        }
        root.insert(&segments, leaf(value)?).map_err(|fault| format!("{fault}: {path}"))?;
    }
    root.into_json()
}

fn leaf(value: &Value) -> Result<Json, String> {
    Ok(match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => Json::from(*value),
        Value::Integer(value) => Json::from(*value),
        Value::Float(value) if value.is_finite() => Json::from(*value),
        Value::Float(_) => return Err("a float that is not a number".to_owned()),
        Value::Text(text) if text.len() > VALUE_BYTES_MAX => return Err("a text beyond the limit".to_owned()),
        Value::Text(text) => Json::from(text.as_str()),
        Value::EmptyObject => Json::Object(serde_json::Map::new()),
        Value::EmptyList => Json::Array(Vec::new()),
    })
}

#[derive(Default)]
enum Node {
    #[default]
    Unset,
    Leaf(Json),
    List(BTreeMap<u32, Node>),
    Object(BTreeMap<String, Node>),
}

impl Node {
    fn insert(&mut self, segments: &[Segment], value: Json) -> Result<(), &'static str> {
        let Some((first, rest)) = segments.split_first() else {
            return match self {
                Node::Unset => {
                    *self = Node::Leaf(value);
                    Ok(())
                }
                _ => Err("a path that is there already, or a prefix of another"),
            };
        };
        if matches!(self, Node::Unset) {
            *self = match first {
                Segment::Key(_) => Node::Object(BTreeMap::new()),
                Segment::Index(_) => Node::List(BTreeMap::new()),
            };
        }
        match (self, first) {
            (Node::Object(members), Segment::Key(key)) => {
                members.entry(key.clone()).or_default().insert(rest, value)
            }
            (Node::List(items), Segment::Index(index)) => {
                items.entry(*index).or_default().insert(rest, value)
            }
            _ => Err("a path that goes on behind another one's end, or is a list here and an object there"),
        }
    }

    fn into_json(self) -> Result<Json, String> {
        match self {
            Node::Unset => Ok(Json::Object(serde_json::Map::new())),
            Node::Leaf(value) => Ok(value),
            Node::Object(members) => {
                members.into_iter().map(|(key, node)| Ok((key, node.into_json()?))).collect()
            }
            Node::List(items) => {
                if items.keys().zip(0..).any(|(index, expected)| *index != expected) {
                    return Err("a list with a gap".to_owned());
                }
                items.into_values().map(Node::into_json).collect::<Result<Vec<_>, _>>().map(Json::Array)
            }
        }
    }
}

/// The rules of OCSF that its JSON Schemas leave to others; returns those that `event` breaks.
#[must_use]
pub fn invariants(event: &Json) -> Vec<String> {
    let integer = |key: &str| event.get(key).and_then(Json::as_i64).unwrap_or(-1);
    let status = event.get("status").and_then(Json::as_str);
    let mut broken = Vec::new();
    let mut rule = |holds: bool, name: &str| {
        if !holds {
            broken.push(name.to_owned());
        }
    };
    rule(integer("category_uid") == integer("class_uid") / 1_000, "category_uid follows class_uid");
    rule(
        integer("type_uid") == integer("class_uid") * 100 + integer("activity_id"),
        "type_uid follows activity_id",
    );
    // From 1973 on a number of seconds would be too small, up to 5138 one of microseconds too great.
    rule((100_000_000_000..100_000_000_000_000).contains(&integer("time")), "time is in milliseconds");
    rule(event.pointer("/metadata/version") == Some(&Json::from(crate::ocsf::VERSION)), "metadata.version");
    rule(
        status.is_none_or(|text| caption(integer("status_id")) == Some(text)),
        "status is the caption of status_id",
    );
    rule(event.get("raw_data").is_none() && event.get("raw_data_hash").is_none(), "no raw_data");
    let cloud = event
        .pointer("/metadata/profiles")
        .and_then(Json::as_array)
        .is_some_and(|list| list.contains(&"cloud".into()));
    rule(
        cloud == event.get("cloud").is_some(),
        "the profile cloud is named where cloud is used, and only there",
    );
    walk("event", event, &mut |path, value| broken.extend(local_fault(path, value)));
    broken
}

fn caption(status_id: i64) -> Option<&'static str> {
    match status_id {
        0 => Some("Unknown"),
        1 => Some("Success"),
        2 => Some("Failure"),
        _ => None,
    }
}

fn local_fault(path: &str, value: &Json) -> Option<String> {
    if value.is_null() {
        return Some(format!("no null: {path}"));
    }
    if path.strip_suffix(".ip").is_some() && !path.contains("unmapped") && !path.contains(".data.") {
        return value.as_str().and_then(crate::net::ip).is_none().then(|| format!("an IP address: {path}"));
    }
    if let Some(fault) = endpoint_fault(path, value) {
        return Some(fault);
    }
    let object = value.as_object()?;
    let nameless = |(key, id): (&String, &Json)| {
        let stem = key.strip_suffix("_id").filter(|_| id.as_i64() == Some(99))?;
        let sibling = if stem == "activity" { "activity_name" } else { stem };
        let named = object.get(sibling).and_then(Json::as_str).is_some_and(|name| !name.is_empty());
        (!named && !path.contains("unmapped") && !path.contains(".data"))
            .then(|| format!("99 has a name: {path}.{key}"))
    };
    object.iter().find_map(nameless)
}

/// A host name, port or list of privileges that is none.
fn endpoint_fault(path: &str, value: &Json) -> Option<String> {
    if path.contains("unmapped") || path.contains(".data") {
        return None;
    }
    let fault = match path.rsplit('.').next()? {
        "hostname" if !value.as_str().is_some_and(crate::net::is_hostname) => "a host name",
        "port" if !value.as_i64().is_some_and(|port| (1..=65_535).contains(&port)) => "a port",
        "privileges" if value.as_array().is_some_and(Vec::is_empty) => "no empty list",
        _ => return None,
    };
    Some(format!("{fault}: {path}"))
}

/// What of a JSON record is nowhere in the outcome's events: texts that stand in no text there, and numbers that stand nowhere.
/// Booleans, nulls, and timestamps and truths that became numbers and booleans are not looked for.
#[must_use]
pub fn lost(record: &Json, outcome: &Json) -> Vec<String> {
    let (mut texts, mut numbers) = (Vec::new(), Vec::new());
    walk("", outcome, &mut |_, value| match value {
        Json::String(text) => texts.push(text.as_str()),
        Json::Number(number) => numbers.push(number),
        _ => {}
    });
    let mut lost = Vec::new();
    walk("record", record, &mut |path, value| {
        let kept = match value {
            Json::String(text) => {
                texts.iter().any(|kept| kept.contains(text.as_str())) || became_other(text, &numbers)
            }
            Json::Number(number) => {
                numbers.contains(&number) || texts.iter().any(|kept| *kept == number.to_string())
            }
            _ => true,
        };
        if !kept {
            lost.push(path.to_owned());
        }
    });
    lost
}

fn became_other(text: &str, numbers: &[&serde_json::Number]) -> bool {
    let moment = crate::time::rfc3339(text).map(|moment| serde_json::Number::from(moment.ms));
    text == "true" || text == "false" || moment.is_some_and(|moment| numbers.contains(&&moment))
}

fn walk<'v>(path: &str, value: &'v Json, visit: &mut impl FnMut(&str, &'v Json)) {
    visit(path, value);
    match value {
        Json::Array(items) => items.iter().for_each(|item| walk(path, item, visit)),
        Json::Object(members) => {
            members.iter().for_each(|(key, member)| walk(&format!("{path}.{key}"), member, visit));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(path: &str) -> Attribute {
        Attribute { path: path.to_owned(), value: Value::Text("x".to_owned()) }
    }

    #[test]
    fn an_event_is_nested() {
        let event = [text("a.b[1]"), text("a.b[0].c"), text(r#"a["d.e"]"#)];
        assert_eq!(event_json(&event), Ok(json!({ "a": { "b": [{ "c": "x" }, "x"], "d.e": "x" } })));
    }

    #[test]
    fn what_the_host_would_refuse_is_refused() {
        for paths in
            [&["a", "a"][..], &["a", "a.b"], &["a.b", "a"], &["a[1]"], &["a[0]", "a.b"], &["$a"], &["a..b"]]
        {
            let event: Vec<Attribute> = paths.iter().map(|path| text(path)).collect();
            assert!(event_json(&event).is_err(), "{paths:?}");
        }
        let nan = Attribute { path: "a".to_owned(), value: Value::Float(f64::NAN) };
        assert!(event_json(&[nan]).is_err());
    }

    #[test]
    fn what_is_nowhere_is_lost() {
        let record =
            json!({ "a": "x", "b": [7, 8], "c": { "d": "y" }, "e": "1970-01-01T00:00:01Z", "f": null });
        let outcome = json!({ "events": [{ "p": "x:stage", "q": 7, "time": 1_000 }] });
        assert_eq!(lost(&record, &outcome), ["record.b", "record.c.d"]);
    }

    #[test]
    fn broken_invariants_are_found() {
        let event = json!({
            "category_uid": 6, "class_uid": 6003, "activity_id": 99, "type_uid": 600_302, "time": 1_718_000_000,
            "status_id": 1, "status": "Failure", "metadata": { "version": "1.8.0", "profiles": ["cloud"] },
            "src_endpoint": { "ip": "fe80::1%eth0" }, "unmapped": { "a": [null] }, "raw_data": "x",
        });
        assert_eq!(
            invariants(&event),
            [
                "type_uid follows activity_id",
                "time is in milliseconds",
                "status is the caption of status_id",
                "no raw_data",
                "the profile cloud is named where cloud is used, and only there",
                "99 has a name: event.activity_id",
                "an IP address: event.src_endpoint.ip",
                "no null: event.unmapped.a",
            ]
        );
    }
}
