//! The OCSF invariants that every event must meet, whoever normalized it.
//!
//! OCSF's JSON Schemas accept events that contradict themselves: a `type_uid` of another activity, a `time` in seconds,
//! a status in words that denies the one in numbers. This says what they leave open, for OCSF 1.x, over the paths that
//! the server relies on. The schemas themselves are for a plugin's own tests.

use cairnlog_verify::event::{Attribute, Event};
use cairnlog_verify::value::Value;

/// Paths that hold text wherever they appear: those by which records are found.
const TEXT_PATHS: [&str; 17] = [
    "activity_name",
    "actor.invoked_by",
    "actor.session.uid",
    "actor.user.email_addr",
    "actor.user.name",
    "actor.user.uid",
    "api.operation",
    "entity.name",
    "entity.uid",
    "file.path",
    "metadata.event_code",
    "metadata.uid",
    "severity",
    "src_endpoint.ip",
    "user.email_addr",
    "user.name",
    "user.uid",
];

/// 1973 and 5138 in milliseconds: seconds lie before, microseconds beyond.
const TIME_MS: std::ops::Range<i64> = 100_000_000_000..100_000_000_000_000;

/// "Other": the source's own word must stand beside it.
const OTHER: i64 = 99;

/// Which invariants the event breaks, in words without its values; empty if none.
#[must_use]
pub fn violations(event: &Event) -> Vec<String> {
    let mut found = Vec::new();
    classification(event, &mut found);
    metadata(event, &mut found);
    enumerations(event, &mut found);
    for attribute in event.attributes() {
        text(attribute, &mut found);
        endpoint(attribute, &mut found);
    }
    found
}

/// Host names that are some, ports that are some, privileges that are some; what is not mapped may be anything.
fn endpoint(attribute: &Attribute, found: &mut Vec<String>) {
    let Attribute { path, value } = attribute;
    let member = path.rsplit('.').next().unwrap_or(path);
    let fault = match (member, value) {
        _ if path.starts_with("unmapped") => return,
        ("hostname", Value::Text(name)) if !is_hostname(name) => "is not a host name",
        ("port", Value::Integer(port)) if !(1..=65_535).contains(port) => "is not a port",
        ("privileges", Value::EmptyList) => "is empty",
        _ => return,
    };
    found.push(format!("{path} {fault}"));
}

/// RFC 1123 §2.1: labels of letters, digits and inner hyphens.
fn is_hostname(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.len() <= 253 && name.strip_suffix('.').unwrap_or(name).split('.').all(label)
}

/// `type_uid = class_uid * 100 + activity_id`, the category is the class's, and `time` is in milliseconds.
fn classification(event: &Event, found: &mut Vec<String>) {
    let class = integer(event, "class_uid", found);
    let activity = integer(event, "activity_id", found);
    let category = integer(event, "category_uid", found);
    let kind = integer(event, "type_uid", found);
    if let (Some(class), Some(activity), Some(kind)) = (class, activity, kind) {
        let expected = class.checked_mul(100).and_then(|base| base.checked_add(activity));
        if expected != Some(kind) {
            found.push("type_uid is not class_uid * 100 + activity_id".to_owned());
        }
    }
    if let (Some(class), Some(category)) = (class, category) {
        // Classes of extensions carry the extension's number in front.
        if !(1000..10_000).contains(&(class % 100_000)) || class % 100_000 / 1000 != category {
            found.push("category_uid is not the category of class_uid".to_owned());
        }
    }
    if integer(event, "time", found).is_some_and(|time| !TIME_MS.contains(&time)) {
        found.push("time is not in milliseconds since the epoch".to_owned());
    }
}

/// A version that is one, and a product with a name.
fn metadata(event: &Event, found: &mut Vec<String>) {
    match event.get("metadata.version") {
        Some(Value::Text(version)) if is_version(version) => {}
        _ => found.push("metadata.version is not a text like 1.8.0".to_owned()),
    }
    let named = |path| matches!(event.get(path), Some(Value::Text(text)) if !text.is_empty());
    if !named("metadata.product.name") && !named("metadata.product.uid") {
        found.push("neither metadata.product.name nor metadata.product.uid is a text".to_owned());
    }
}

fn is_version(version: &str) -> bool {
    let (numbers, pre_release) = version.split_once('-').unwrap_or((version, "dev"));
    let number = |part: &str| !part.is_empty() && part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit());
    // Nothing is ever taken from a version, so there must be no room for anything else in it.
    let is_word = |word: &str| {
        (1..=8).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.')
    };
    numbers.split('.').count() == 3 && numbers.split('.').all(number) && is_word(pre_release)
}

/// Enumerated numbers are of their list, "other" has a word beside it, and words don't contradict numbers.
fn enumerations(event: &Event, found: &mut Vec<String>) {
    let severity = integer(event, "severity_id", found);
    if severity.is_some_and(|id| !(0..=6).contains(&id) && id != OTHER) {
        found.push("severity_id is none of 0 to 6 and 99".to_owned());
    }
    let status = event.get("status_id").is_some().then(|| integer(event, "status_id", found)).flatten();
    if status.is_some_and(|id| !(0..=2).contains(&id) && id != OTHER) {
        found.push("status_id is none of 0, 1, 2 and 99".to_owned());
    }
    for (id, word) in [("activity_id", "activity_name"), ("severity_id", "severity"), ("status_id", "status")]
    {
        let other = event.get(id) == Some(&Value::Integer(OTHER));
        if other && !matches!(event.get(word), Some(Value::Text(text)) if !text.is_empty()) {
            found.push(format!("{id} is 99 without {word} saying what"));
        }
    }
    if let (Some(id), Some(Value::Text(word))) = (status, event.get("status")) {
        let denied = match id {
            1 => "failure",
            2 => "success",
            _ => return,
        };
        if word.eq_ignore_ascii_case(denied) {
            found.push("status contradicts status_id".to_owned());
        }
    }
}

fn integer(event: &Event, path: &str, found: &mut Vec<String>) -> Option<i64> {
    match event.get(path) {
        Some(Value::Integer(integer)) => Some(*integer),
        Some(_) => {
            found.push(format!("{path} is not an integer"));
            None
        }
        None => {
            found.push(format!("{path} is missing"));
            None
        }
    }
}

fn text(attribute: &Attribute, found: &mut Vec<String>) {
    // Most values are texts, so most paths need not be looked for.
    if !matches!(attribute.value, Value::Text(_))
        && TEXT_PATHS.binary_search(&attribute.path.as_str()).is_ok()
    {
        found.push(format!("{} is not a text", attribute.path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid() -> Vec<(&'static str, Value)> {
        vec![
            ("class_uid", Value::Integer(3002)),
            ("activity_id", Value::Integer(1)),
            ("category_uid", Value::Integer(3)),
            ("type_uid", Value::Integer(300_201)),
            ("severity_id", Value::Integer(1)),
            ("time", Value::Integer(1_700_000_000_000)),
            ("metadata.version", Value::Text("1.8.0".into())),
            ("metadata.product.name", Value::Text("Okta".into())),
            ("status_id", Value::Integer(1)),
            ("status", Value::Text("Success".into())),
            ("actor.user.name", Value::Text("x".into())),
        ]
    }

    fn found(change: &[(&'static str, Option<Value>)]) -> Vec<String> {
        let mut attributes = valid();
        for (path, value) in change {
            attributes.retain(|(kept, _)| kept != path);
            attributes.extend(value.clone().map(|value| (*path, value)));
        }
        let attributes =
            attributes.into_iter().map(|(path, value)| Attribute { path: path.into(), value }).collect();
        violations(&Event::new(attributes).expect("event is valid"))
    }

    #[test]
    fn a_sound_event_breaks_none() {
        assert_eq!(found(&[]), Vec::<String>::new());
        assert_eq!(found(&[("status_id", None), ("status", None)]), Vec::<String>::new());
        assert_eq!(
            found(&[("metadata.version", Some(Value::Text("1.9.0-dev".into())))]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn each_invariant_is_told_by_itself() {
        let text = |text: &str| Some(Value::Text(text.into()));
        let int = |i| Some(Value::Integer(i));
        for (path, value, words) in [
            ("type_uid", int(300_202), "type_uid is not"),
            ("class_uid", int(i64::MAX), "type_uid is not"),
            ("category_uid", int(6), "category_uid is not the"),
            ("time", int(1_700_000_000), "milliseconds"),
            ("time", int(1_700_000_000_000_000), "milliseconds"),
            ("time", Some(Value::Float(1.7e12)), "time is not an integer"),
            ("time", None, "time is missing"),
            ("severity_id", int(7), "severity_id is none"),
            ("severity_id", int(99), "severity_id is 99 without"),
            ("status_id", int(3), "status_id is none"),
            ("status_id", text("1"), "status_id is not an integer"),
            ("status_id", int(2), "contradicts"),
            ("metadata.version", text("latest"), "metadata.version"),
            ("metadata.version", text("1.8"), "metadata.version"),
            ("metadata.version", int(1), "metadata.version"),
            ("metadata.version", text("1.8.0-ann@example.com"), "metadata.version"),
            ("metadata.product.name", text(""), "metadata.product"),
            ("actor.user.name", int(5), "actor.user.name is not a text"),
            ("src_endpoint.hostname", text("Workday_Internal"), "is not a host name"),
            ("device.hostname", text("10.0.0.1:443"), "is not a host name"),
            ("dst_endpoint.port", int(0), "is not a port"),
            ("dst_endpoint.port", int(65_536), "is not a port"),
            ("privileges", Some(Value::EmptyList), "is empty"),
        ] {
            let found = found(&[(path, value)]);
            assert!(found.iter().any(|f| f.contains(words)), "{path}: {found:?}");
        }
        let other = [("activity_id", int(99)), ("type_uid", int(300_299))];
        assert_eq!(found(&other), ["activity_id is 99 without activity_name saying what"]);
        let named = [other[0].clone(), other[1].clone(), ("activity_name", text("sync"))];
        assert_eq!(found(&named), Vec::<String>::new());
    }

    #[test]
    fn endpoints_that_are_some_break_nothing() {
        let text = |text: &str| Some(Value::Text(text.into()));
        for (path, value) in [
            ("src_endpoint.hostname", text("web-1.example.com")),
            ("src_endpoint.hostname", text("localhost")),
            ("dst_endpoint.port", Some(Value::Integer(65_535))),
            ("unmapped.port", Some(Value::Integer(0))),
            ("unmapped.hostname", text("any thing")),
        ] {
            assert_eq!(found(&[(path, value)]), Vec::<String>::new(), "{path}");
        }
    }

    #[test]
    fn the_text_paths_are_sorted() {
        assert!(TEXT_PATHS.is_sorted());
    }
}
