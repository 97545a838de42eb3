//! Between nested JSON and flat attributes.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value as Json};

use super::{ATTRIBUTES_MAX, Attribute, EventError};
use crate::path::{self, PATH_BYTES_MAX, PathError, SEGMENTS_MAX, Segment, Segments};
use crate::value::Value;

/// See [`super::Event::flatten`].
pub(super) fn flatten(object: &Json) -> Result<Vec<Attribute>, EventError> {
    let Json::Object(members) = object else { return Err(EventError::NotAnObject) };
    let mut flat = Flat { path: String::new(), depth: 0, attributes: Vec::new() };
    for (key, value) in members {
        flat.below(&Segment::Name(key.into()), value)?;
    }
    Ok(flat.attributes)
}

struct Flat {
    path: String,
    depth: usize,
    attributes: Vec<Attribute>,
}

impl Flat {
    /// Adds what `value`, one segment further down, holds. Recursion ends at [`SEGMENTS_MAX`].
    fn below(&mut self, segment: &Segment<'_>, value: &Json) -> Result<(), EventError> {
        let length = self.path.len();
        match segment {
            Segment::Name(key) => path::push_key(&mut self.path, key),
            Segment::Index(index) => path::push_index(&mut self.path, *index),
        }
        self.depth += 1;
        self.check_path()?;
        match value {
            Json::Object(members) if !members.is_empty() => {
                for (key, value) in members {
                    self.below(&Segment::Name(key.into()), value)?;
                }
            }
            Json::Array(elements) if !elements.is_empty() => {
                for (index, value) in (0..).zip(elements) {
                    self.below(&Segment::Index(index), value)?;
                }
            }
            _ => self.push(value)?,
        }
        self.depth -= 1;
        self.path.truncate(length);
        Ok(())
    }

    fn check_path(&self) -> Result<(), EventError> {
        let error = |source| Err(EventError::Path { attribute: self.attributes.len(), source });
        if self.depth > SEGMENTS_MAX {
            return error(PathError::TooDeep);
        }
        if self.path.len() > PATH_BYTES_MAX {
            return error(PathError::TooLong);
        }
        Ok(())
    }

    fn push(&mut self, scalar: &Json) -> Result<(), EventError> {
        let attribute = self.attributes.len();
        if attribute == ATTRIBUTES_MAX {
            return Err(EventError::TooManyAttributes);
        }
        let value = match scalar {
            Json::Null => Value::Null,
            Json::Bool(boolean) => Value::Boolean(*boolean),
            Json::Number(number) => read_number(number).ok_or(EventError::Integer { attribute })?,
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(_) => Value::EmptyList,
            Json::Object(_) => Value::EmptyObject,
        };
        value.check().map_err(|source| EventError::Value { attribute, source })?;
        self.attributes.push(Attribute { path: self.path.clone(), value });
        Ok(())
    }
}

fn read_number(number: &Number) -> Option<Value> {
    match number.as_i64() {
        Some(integer) => Some(Value::Integer(integer)),
        None if number.is_f64() => number.as_f64().map(Value::Float),
        None => None,
    }
}

/// See [`super::Event::to_json`].
pub(super) fn nest(attributes: &[Attribute]) -> Json {
    let mut root = Node::Object(BTreeMap::new());
    for attribute in attributes.iter().filter(|attribute| !path::is_host(&attribute.path)) {
        let mut node = &mut root;
        for located in Segments::new(&attribute.path).into_iter().flatten().flatten() {
            node = node.child(&located.segment);
        }
        *node = write_scalar(&attribute.value).map_or(Node::Gone, Node::Scalar);
    }
    root.finish().unwrap_or_else(|| Json::Object(Map::new()))
}

/// A value on its way to JSON, with holes where something was dropped.
enum Node {
    Gone,
    Scalar(Json),
    Object(BTreeMap<String, Node>),
    List(Vec<Node>),
}

impl Node {
    /// The node below this one; it becomes a container if it is none yet.
    fn child(&mut self, segment: &Segment<'_>) -> &mut Node {
        match segment {
            Segment::Name(key) => self.member(key),
            Segment::Index(index) => self.element(*index as usize),
        }
    }

    fn member(&mut self, key: &str) -> &mut Node {
        if !matches!(self, Self::Object(_)) {
            *self = Self::Object(BTreeMap::new());
        }
        let Self::Object(members) = self else { unreachable!("it was just made an object") };
        members.entry(key.to_owned()).or_insert(Self::Gone)
    }

    fn element(&mut self, index: usize) -> &mut Node {
        if !matches!(self, Self::List(_)) {
            *self = Self::List(Vec::new());
        }
        let Self::List(elements) = self else { unreachable!("it was just made a list") };
        if elements.len() <= index {
            elements.resize_with(index + 1, || Self::Gone);
        }
        &mut elements[index]
    }

    /// The JSON of what is left, if anything is.
    fn finish(self) -> Option<Json> {
        match self {
            Self::Gone => None,
            Self::Scalar(json) => Some(json),
            Self::Object(members) => {
                let left: Map<_, _> =
                    members.into_iter().filter_map(|(key, node)| Some((key, node.finish()?))).collect();
                (!left.is_empty()).then_some(Json::Object(left))
            }
            Self::List(elements) => {
                let (places, left): (Vec<_>, Vec<_>) =
                    elements.into_iter().map(|node| (node.placeholder(), node.finish())).unzip();
                let any_left = left.iter().any(Option::is_some);
                let filled =
                    left.into_iter().zip(places).map(|(left, place)| left.unwrap_or(place)).collect();
                any_left.then_some(Json::Array(filled))
            }
        }
    }

    /// What holds the place of an element of which nothing is left.
    fn placeholder(&self) -> Json {
        match self {
            Self::Gone | Self::Scalar(_) => Json::Null,
            Self::Object(_) => Json::Object(Map::new()),
            Self::List(_) => Json::Array(Vec::new()),
        }
    }
}

fn write_scalar(value: &Value) -> Option<Json> {
    match value {
        Value::Null => Some(Json::Null),
        Value::Boolean(boolean) => Some(Json::Bool(*boolean)),
        Value::Integer(integer) => Some(Json::from(*integer)),
        Value::Float(float) => Some(Json::from(*float)),
        Value::Text(text) => Some(Json::String(text.clone())),
        Value::Dropped(_) => None,
        Value::EmptyObject => Some(Json::Object(Map::new())),
        Value::EmptyList => Some(Json::Array(Vec::new())),
    }
}
