//! JSON as a source sent it: borrowed from the record, members in order, meant to be taken apart.
//!
//! A normalizer *takes* the members that have a place in OCSF and leaves the rest for `unmapped`; a member of an unexpected
//! type is not taken, so it stays in the rest and nothing is lost.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A whole number that fits. Greater ones up to 2^64-1 are read as [`Json::Text`] with the same digits, for a float would
    /// lose some.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<Json<'a>>),
    /// An object.
    Object(Object<'a>),
}

/// A JSON object, its keys unique.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

/// Reads a record that is one JSON object.
///
/// # Errors
/// A reason for a reject, free of the record's text: not UTF-8, not JSON, not an object, or a key given twice (of which one
/// would be lost).
pub fn parse(body: &[u8]) -> Result<Object<'_>, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the record is not UTF-8".to_owned())?;
    match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
        Ok(Json::Object(object)) => Ok(object),
        Ok(_) => Err("the record is not a JSON object".to_owned()),
        Err(error) => Err(refusal(&error)),
    }
}

/// Words for a parse error that repeat nothing of the record.
fn refusal(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "gives an object's key twice",
        serde_json::error::Category::Eof => "ends too early to be JSON",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "is not JSON",
    };
    format!("the record {what} (line {}, column {})", error.line(), error.column())
}

impl<'a> Object<'a> {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Json<'a>> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The value of a key if it is a string that is not empty.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Json::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// The value of a key if it is a boolean.
    #[must_use]
    pub fn boolean(&self, key: &str) -> Option<bool> {
        match self.get(key) {
            Some(Json::Boolean(value)) => Some(*value),
            _ => None,
        }
    }

    /// The value of a key if it is a whole number.
    #[must_use]
    pub fn integer(&self, key: &str) -> Option<i64> {
        match self.get(key) {
            Some(Json::Integer(value)) => Some(*value),
            _ => None,
        }
    }

    /// The value of a key if it is an object.
    #[must_use]
    pub fn object(&self, key: &str) -> Option<&Object<'a>> {
        match self.get(key) {
            Some(Json::Object(object)) => Some(object),
            _ => None,
        }
    }

    /// The value of a key if it is a list.
    #[must_use]
    pub fn list(&self, key: &str) -> Option<&[Json<'a>]> {
        match self.get(key) {
            Some(Json::List(list)) => Some(list),
            _ => None,
        }
    }

    /// Removes a member.
    pub fn take(&mut self, key: &str) -> Option<Json<'a>> {
        self.take_if(key, |_| true)
    }

    /// Removes a member if its value is a string that is not empty.
    pub fn take_text(&mut self, key: &str) -> Option<Cow<'a, str>> {
        match self.take_if(key, |value| matches!(value, Json::Text(text) if !text.is_empty()))? {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Removes a member if its value is a boolean.
    pub fn take_boolean(&mut self, key: &str) -> Option<bool> {
        match self.take_if(key, |value| matches!(value, Json::Boolean(_)))? {
            Json::Boolean(value) => Some(value),
            _ => None,
        }
    }

    /// Removes a member if its value is a whole number.
    pub fn take_integer(&mut self, key: &str) -> Option<i64> {
        match self.take_if(key, |value| matches!(value, Json::Integer(_)))? {
            Json::Integer(value) => Some(value),
            _ => None,
        }
    }

    /// Removes a member if its value is an object that is not empty. What is left of it goes back with [`Object::put_rest`].
    pub fn take_object(&mut self, key: &str) -> Option<Object<'a>> {
        match self.take_if(key, |value| matches!(value, Json::Object(object) if !object.is_empty()))? {
            Json::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Removes a member if its value is a list that is not empty.
    pub fn take_list(&mut self, key: &str) -> Option<Vec<Json<'a>>> {
        match self.take_if(key, |value| matches!(value, Json::List(list) if !list.is_empty()))? {
            Json::List(list) => Some(list),
            _ => None,
        }
    }

    /// Removes a member if its value is `wanted`.
    fn take_if(&mut self, key: &str, wanted: impl FnOnce(&Json<'a>) -> bool) -> Option<Json<'a>> {
        let index = self.0.iter().position(|(name, _)| name == key)?;
        let (_, value) = self.0.get(index)?;
        wanted(value).then(|| self.0.swap_remove(index).1)
    }

    /// Puts back what is left of an object that was taken, unless nothing is.
    pub fn put_rest(&mut self, key: &'static str, rest: Object<'a>) {
        if !rest.is_empty() {
            self.0.push((Cow::Borrowed(key), Json::Object(rest)));
        }
    }

    /// Puts back a value that was taken and had no place after all.
    pub fn put_back(&mut self, key: &'static str, value: Json<'a>) {
        self.0.push((Cow::Borrowed(key), value));
    }

    /// Whether there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The members.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Json<'a>)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), value))
    }
}

/// Members that an object has room for without growing.
const MEMBERS_USUAL: usize = 8;

/// Above this many members a repeated key is looked for by sorting.
const MEMBERS_COMPARED_MAX: usize = 48;

fn has_repeated_key(members: &[(Cow<'_, str>, Json<'_>)]) -> bool {
    if members.len() <= MEMBERS_COMPARED_MAX {
        return members
            .iter()
            .enumerate()
            .any(|(index, (key, _))| members[..index].iter().any(|(other, _)| other == key));
    }
    let mut keys: Vec<&str> = members.iter().map(|(key, _)| key.as_ref()).collect();
    keys.sort_unstable();
    keys.windows(2).any(|pair| pair[0] == pair[1])
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Json::Boolean(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Json::Integer(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(value).map_or_else(|_| Json::Text(Cow::Owned(value.to_string())), Json::Integer))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Json::Float(value))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = access.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(MEMBERS_USUAL);
        while let Some((Key(key), value)) = access.next_entry()? {
            members.push((key, value));
        }
        if has_repeated_key(&members) {
            return Err(A::Error::custom("repeated key"));
        }
        Ok(Json::Object(Object(members)))
    }
}

impl Json<'_> {
    /// The value as JSON text.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a JSON value has a JSON text")
    }
}

/// An object's key, borrowed where it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(JsonVisitor)? {
            Json::Text(text) => Ok(Key(text)),
            _ => Err(D::Error::custom("a key that is not text")),
        }
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Json::Null => serializer.serialize_unit(),
            Json::Boolean(value) => serializer.serialize_bool(*value),
            Json::Integer(value) => serializer.serialize_i64(*value),
            Json::Float(value) => serializer.serialize_f64(*value),
            Json::Text(text) => serializer.serialize_str(text),
            Json::List(list) => serializer.collect_seq(list),
            Json::Object(object) => {
                let mut map = serializer.serialize_map(Some(object.0.len()))?;
                for (key, value) in object.members() {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn members_are_taken_by_type_and_others_stay() {
        let mut object =
            parse(br#"{"a":"x","b":"","c":7,"d":null,"e":{},"f":[1],"g":18446744073709551615}"#).unwrap();
        assert_eq!(object.take_text("a").as_deref(), Some("x"));
        assert_eq!(object.take_text("b"), None);
        assert_eq!(object.take_text("c"), None);
        assert_eq!(object.take_integer("c"), Some(7));
        assert_eq!(object.take_object("e"), None);
        assert_eq!(object.take_list("f").map(|list| list.len()), Some(1));
        assert_eq!(object.get("g"), Some(&Json::Text("18446744073709551615".into())));
        let left: Vec<&str> = object.members().map(|(key, _)| key).collect();
        assert_eq!(left.len(), 4, "{left:?}");
    }

    #[test]
    fn refusals_repeat_nothing_of_the_record() {
        let many: Vec<String> = (0..50).chain([3]).map(|key| format!("\"secret{key}\":1")).collect();
        let many = format!("{{{}}}", many.join(","));
        for (body, reason) in [
            (
                &br#"{"secret":1,"secret":2}"#[..],
                "the record gives an object's key twice (line 1, column 23)",
            ),
            (many.as_bytes(), "the record gives an object's key twice (line 1, column 653)"),
            (b"{\"secret\":", "the record ends too early to be JSON (line 1, column 10)"),
            (b"secret", "the record is not JSON (line 1, column 1)"),
            (b"[\"secret\"]", "the record is not a JSON object"),
            (b"\xff\xfe", "the record is not UTF-8"),
        ] {
            assert_eq!(parse(body).unwrap_err(), reason);
        }
        assert!(parse(&b"[".repeat(100_000)).is_err());
    }

    #[test]
    fn escapes_are_read_and_a_byte_order_mark_is_passed_over() {
        let object = parse("\u{feff}{\"a\\u0062\":\"\\u00e9\\n\"}".as_bytes()).unwrap();
        assert_eq!(object.text("ab"), Some("é\n"));
    }
}
