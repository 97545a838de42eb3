//! A disclosure's JSON, strictly.
//!
//! Objects and lists are cut into their members without building what they hold, so a hostile document costs no more than
//! its own length.

use std::fmt::Write as _;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Disclosure, DisclosureError, Field, RawOpening, number};
use crate::entry::{Entry, EntryError};
use crate::event::Attribute;
use crate::limits::{
    DISCLOSURE_BYTES_MAX, DISCLOSURE_FIELDS_MAX, ENTRY_BYTES_MAX, MULTIPROOF_HASHES_MAX, RAW_INPUT_BYTES_MAX,
};
use crate::path::push_json_string;
use crate::receipt::Receipt;
use crate::value::{Value, positive_zero};
use crate::{Hash, b64};

/// More members than any object of a disclosure has.
const MEMBERS_MAX: usize = 8;

/// See [`Disclosure::parse`].
pub(super) fn read(text: &str) -> Result<Disclosure, DisclosureError> {
    if text.len() > DISCLOSURE_BYTES_MAX {
        return Err(DisclosureError::TooLong);
    }
    let mut members: Members<'_> = serde_json::from_str(text).map_err(|_| DisclosureError::NotAnObject)?;
    if members.required("v", integer)? != 1 {
        return Err(DisclosureError::Version);
    }
    let entry = members.required("entry", base64)?;
    if entry.len() > ENTRY_BYTES_MAX {
        return Err(EntryError::TooLong.into());
    }
    let receipt = members.required("receipt", string)?;
    let disclosure = Disclosure {
        entry: Entry::parse(&entry)?,
        fields: fields(members.required("fields", Some)?)?,
        multiproof: members.required("multiproof", hashes)?,
        raw: members.optional("raw", Some)?.map(opening).transpose()?,
        receipt: Receipt::parse(&receipt)?,
    };
    if members.0.is_empty() { Ok(disclosure) } else { Err(DisclosureError::Surplus("the outermost object")) }
}

fn fields(raw: &RawValue) -> Result<Vec<Field>, DisclosureError> {
    let Elements::<'_, DISCLOSURE_FIELDS_MAX>(elements) =
        serde_json::from_str(raw.get()).map_err(|_| DisclosureError::Form("fields"))?;
    if elements.len() > DISCLOSURE_FIELDS_MAX {
        return Err(DisclosureError::TooManyFields);
    }
    elements.into_iter().enumerate().map(|(place, element)| field(place, element)).collect()
}

fn field(place: usize, raw: &RawValue) -> Result<Field, DisclosureError> {
    let of_field = |error| match error {
        DisclosureError::Missing(member) => DisclosureError::FieldMissing { field: place, member },
        DisclosureError::Repeated(member) => DisclosureError::FieldRepeated { field: place, member },
        DisclosureError::Form(member) => DisclosureError::FieldForm { field: place, member },
        other => other,
    };
    let mut members: Members<'_> = serde_json::from_str(raw.get())
        .map_err(|_| DisclosureError::FieldForm { field: place, member: "the field" })?;
    let field = read_field(&mut members).map_err(of_field)?;
    if members.0.is_empty() { Ok(field) } else { Err(DisclosureError::FieldSurplus { field: place }) }
}

fn read_field(members: &mut Members<'_>) -> Result<Field, DisclosureError> {
    let path = members.required("path", string)?;
    let position = members.required("position", integer)?;
    let salt = members.required("salt", fixed)?;
    let type_name = members.required("type", string)?;
    let value = members.required("value", Some)?;
    let value = match type_name.as_str() {
        "null" => null(value).map(|()| Value::Null),
        "boolean" => serde_json::from_str(value.get()).ok().map(Value::Boolean),
        "integer" => string(value).and_then(|text| number::parse_integer(&text)).map(Value::Integer),
        "float" => string(value).and_then(|text| number::parse_float(&text)).map(Value::Float),
        "text" => string(value).map(Value::Text),
        "dropped" => fixed(value).map(Value::Dropped),
        "empty-object" => null(value).map(|()| Value::EmptyObject),
        "empty-list" => null(value).map(|()| Value::EmptyList),
        _ => return Err(DisclosureError::Form("type")),
    };
    let value = value.ok_or(DisclosureError::Form("value"))?;
    Ok(Field { attribute: Attribute { path, value }, salt, position })
}

fn opening(raw: &RawValue) -> Result<RawOpening, DisclosureError> {
    let mut members: Members<'_> =
        serde_json::from_str(raw.get()).map_err(|_| DisclosureError::Form("raw"))?;
    let of_raw = |error| match error {
        DisclosureError::Missing("salt") => DisclosureError::Missing("raw.salt"),
        DisclosureError::Form("salt") => DisclosureError::Form("raw.salt"),
        DisclosureError::Form("input") => DisclosureError::Form("raw.input"),
        other => other,
    };
    let salt = members.required("salt", fixed).map_err(of_raw)?;
    let input = members.optional("input", base64).map_err(of_raw)?;
    if input.as_ref().is_some_and(|input| input.len() > RAW_INPUT_BYTES_MAX) {
        return Err(DisclosureError::Form("raw.input"));
    }
    if members.0.is_empty() { Ok(RawOpening { salt, input }) } else { Err(DisclosureError::Surplus("raw")) }
}

fn hashes(raw: &RawValue) -> Option<Vec<Hash>> {
    let Elements::<'_, MULTIPROOF_HASHES_MAX>(elements) = serde_json::from_str(raw.get()).ok()?;
    let all = elements.len() <= MULTIPROOF_HASHES_MAX;
    all.then(|| elements.into_iter().map(|element| fixed(element).map(Hash)).collect())?
}

fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

fn integer(raw: &RawValue) -> Option<u16> {
    serde_json::from_str(raw.get()).ok()
}

fn null(raw: &RawValue) -> Option<()> {
    (raw.get() == "null").then_some(())
}

fn base64(raw: &RawValue) -> Option<Vec<u8>> {
    b64::decode(&string(raw)?).ok()
}

fn fixed<const N: usize>(raw: &RawValue) -> Option<[u8; N]> {
    base64(raw)?.try_into().ok()
}

/// The members of an object, taken out one by one: of an object with too many, the first ones.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'a RawValue) -> Option<T>,
    ) -> Result<T, DisclosureError> {
        self.optional(name, read)?.ok_or(DisclosureError::Missing(name))
    }

    fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'a RawValue) -> Option<T>,
    ) -> Result<Option<T>, DisclosureError> {
        let mut of_name = self.0.extract_if(.., |(key, _)| key == name);
        let Some((_, value)) = of_name.next() else { return Ok(None) };
        if of_name.next().is_some() {
            return Err(DisclosureError::Repeated(name));
        }
        read(value).map(Some).ok_or(DisclosureError::Form(name))
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            if members.len() < MEMBERS_MAX {
                members.push(member);
            }
        }
        Ok(Members(members))
    }
}

/// The elements of a list, one more than `MAX` at most.
struct Elements<'a, const MAX: usize>(Vec<&'a RawValue>);

impl<'de, const MAX: usize> Deserialize<'de> for Elements<'de, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ElementsVisitor::<MAX>)
    }
}

struct ElementsVisitor<const MAX: usize>;

impl<'de, const MAX: usize> Visitor<'de> for ElementsVisitor<MAX> {
    type Value = Elements<'de, MAX>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while elements.len() <= MAX {
            match list.next_element()? {
                Some(element) => elements.push(element),
                None => return Ok(Elements(elements)),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Elements(elements))
    }
}

/// See [`Disclosure`]'s `Display`.
pub(super) fn write(disclosure: &Disclosure) -> String {
    let Disclosure { entry, fields, multiproof, raw, receipt } = disclosure;
    let mut out = format!(r#"{{"entry":"{}","fields":["#, b64::encode(&entry.write()));
    for (place, field) in fields.iter().enumerate() {
        out += if place == 0 { "" } else { "," };
        write_field(&mut out, field);
    }
    out += r#"],"multiproof":["#;
    for (place, hash) in multiproof.iter().enumerate() {
        out += if place == 0 { "\"" } else { ",\"" };
        out += &hash.to_string();
        out.push('"');
    }
    out.push(']');
    if let Some(RawOpening { salt, input }) = raw {
        out += r#","raw":{"#;
        if let Some(input) = input {
            out += r#""input":""#;
            out += &b64::encode(input);
            out += r#"","#;
        }
        let _infallible = write!(out, r#""salt":"{}"}}"#, b64::encode(salt));
    }
    out += r#","receipt":"#;
    push_json_string(&mut out, &receipt.to_string());
    out += r#","v":1}"#;
    out
}

fn write_field(out: &mut String, Field { attribute: Attribute { path, value }, salt, position }: &Field) {
    out.push_str(r#"{"path":"#);
    push_json_string(out, path);
    let (salt, type_name) = (b64::encode(salt), value.type_name());
    let _infallible = write!(out, r#","position":{position},"salt":"{salt}","type":"{type_name}","value":"#);
    match value {
        Value::Null | Value::EmptyObject | Value::EmptyList => out.push_str("null"),
        Value::Boolean(boolean) => out.push_str(if *boolean { "true" } else { "false" }),
        Value::Integer(integer) => push_json_string(out, &integer.to_string()),
        Value::Float(float) => push_json_string(out, &number::write_float(positive_zero(*float))),
        Value::Text(text) => push_json_string(out, text),
        Value::Dropped(commitment) => push_json_string(out, &b64::encode(commitment)),
    }
    out.push('}');
}
