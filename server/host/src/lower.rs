//! Records and events as plugins take them, borrowed: nothing is copied but into the plugin's own memory.

use cairnlog_verify::event::Attribute;
use cairnlog_verify::value::Value;

use crate::bindings::cairnlog::plugin::events::{AttributeParam, ValueParam};
use crate::bindings::exports::cairnlog::plugin::normalizer::Raw;
use crate::types::RawRecord;

/// The transport attributes of a raw record.
pub(crate) fn pairs<'a>(record: &RawRecord<'a>) -> Vec<(&'a str, &'a str)> {
    record.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// A raw record.
pub(crate) fn raw<'a>(record: &RawRecord<'a>, pairs: &'a [(&'a str, &'a str)]) -> Raw<'a> {
    Raw {
        source: record.source,
        received: record.received_ms,
        content_type: record.content_type,
        body: record.body,
        attributes: pairs,
    }
}

/// Bytes of a raw record, by which its fuel is measured.
#[must_use]
pub fn raw_bytes(record: &RawRecord<'_>) -> usize {
    let attributes: usize = record.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    record.source.len() + record.content_type.len() + record.body.len() + attributes
}

/// Those attributes of an event that `seen` names.
pub(crate) fn event<'a>(event: &'a [Attribute], seen: &[u32]) -> Vec<AttributeParam<'a>> {
    let seen = seen.iter().filter_map(|index| event.get(usize::try_from(*index).ok()?));
    seen.filter_map(|attribute| {
        Some(AttributeParam { path: &attribute.path, value: value(&attribute.value)? })
    })
    .collect()
}

/// Bytes of an event, by which its fuel is measured.
#[must_use]
pub fn event_bytes(event: &[Attribute]) -> usize {
    let bytes = |value: &Value| if let Value::Text(text) = value { text.len() } else { size_of::<i64>() };
    event.iter().map(|attribute| attribute.path.len() + bytes(&attribute.value)).sum()
}

/// A value; none for one that was dropped.
fn value(value: &Value) -> Option<ValueParam<'_>> {
    Some(match value {
        Value::Null => ValueParam::Null,
        Value::Boolean(boolean) => ValueParam::Boolean(*boolean),
        Value::Integer(integer) => ValueParam::Integer(*integer),
        Value::Float(float) => ValueParam::Float(*float),
        Value::Text(text) => ValueParam::Text(text),
        Value::EmptyObject => ValueParam::EmptyObject,
        Value::EmptyList => ValueParam::EmptyList,
        Value::Dropped(_) => return None,
    })
}
