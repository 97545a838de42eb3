//! A normalized event: a flat list of attributes whose structure is in their paths.
//!
//! An [`Event`] is what plugins return, what is committed to, sealed and shown, so whatever has that type is well formed:
//! its paths are of the grammar, unique and sorted by their bytes; no path is a prefix of another; what has members is
//! not also a list; lists are dense from 0; every value may be kept. In other words, it is exactly one JSON object.

mod json;
mod shape;

use std::fmt;

use crate::path::{self, Elided, PathError};
use crate::value::{Value, ValueError, positive_zero};

/// Most attributes that a plugin may return for an event.
pub const ATTRIBUTES_MAX: usize = 4096;

/// Most attributes that the server adds to an event. It adds seven; with all room used the field tree still counts
/// 8,192 leaves, which 16 bits hold.
pub const HOST_ATTRIBUTES_MAX: usize = 64;

/// One value and where it stands.
///
/// `Debug` shows the path without its quoted keys and the type of the value, never what it says.
#[derive(Clone, PartialEq)]
pub struct Attribute {
    /// The path ([`crate::path`]).
    pub path: String,
    /// The value.
    pub value: Value,
}

/// Attributes that make no event. Attributes are named by their place in the list that was given, or by their path
/// without its quoted keys; what they say is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// More than [`ATTRIBUTES_MAX`] of the event, or [`HOST_ATTRIBUTES_MAX`] of the server's own.
    #[error("event has more than {ATTRIBUTES_MAX} attributes")]
    TooManyAttributes,
    /// A path that is none.
    #[error("attribute {attribute}: {source}")]
    Path {
        /// Its place in the list, from 0.
        attribute: usize,
        /// What is wrong with it.
        source: PathError,
    },
    /// A value that must not be kept.
    #[error("attribute {attribute}: {source}")]
    Value {
        /// Its place in the list, from 0.
        attribute: usize,
        /// What is wrong with it.
        source: ValueError,
    },
    /// Two attributes have the same path.
    #[error("path {path} stands twice")]
    Duplicate {
        /// The path.
        path: String,
    },
    /// A path has a value and also leads to other paths.
    #[error("path {path} has a value and paths below it: a value has no members")]
    Prefix {
        /// The path.
        path: String,
    },
    /// A path leads to members and also to elements.
    #[error("path {path} is both an object and a list")]
    Mixed {
        /// The path.
        path: String,
    },
    /// A list lacks an element.
    #[error("list {path} is not dense: number its elements from 0 without gaps")]
    Sparse {
        /// The list's path.
        path: String,
    },
    /// JSON that is not an object.
    #[error("event is not a JSON object")]
    NotAnObject,
    /// A JSON integer beyond 64 bits signed.
    #[error("attribute {attribute}: integer is beyond 64 bits signed: send it as text")]
    Integer {
        /// How many attributes were read before it.
        attribute: usize,
    },
}

/// A valid event, its attributes sorted by the bytes of their paths.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    attributes: Vec<Attribute>,
}

impl Event {
    /// Checks and sorts the attributes of an event; -0 becomes +0. No attributes make the empty event.
    ///
    /// Takes O(n log n) comparisons and one pass over the sorted paths, without a tree in between.
    ///
    /// # Errors
    /// [`EventError`], also for a path that starts with `$`.
    pub fn new(attributes: Vec<Attribute>) -> Result<Self, EventError> {
        Self::checked(attributes, false)
    }

    /// The same for an event with the server's own attributes, whose paths start with `$`.
    ///
    /// # Errors
    /// [`EventError`].
    pub fn with_host(attributes: Vec<Attribute>) -> Result<Self, EventError> {
        Self::checked(attributes, true)
    }

    fn checked(mut attributes: Vec<Attribute>, host_allowed: bool) -> Result<Self, EventError> {
        if attributes.len() > ATTRIBUTES_MAX + HOST_ATTRIBUTES_MAX {
            return Err(EventError::TooManyAttributes);
        }
        for (index, attribute) in attributes.iter_mut().enumerate() {
            check_path(&attribute.path, host_allowed)
                .map_err(|source| EventError::Path { attribute: index, source })?;
            attribute.value.check().map_err(|source| EventError::Value { attribute: index, source })?;
            if let Value::Float(float) = &mut attribute.value {
                *float = positive_zero(*float);
            }
        }
        let host = attributes.iter().filter(|attribute| path::is_host(&attribute.path)).count();
        if host > HOST_ATTRIBUTES_MAX || attributes.len() - host > ATTRIBUTES_MAX {
            return Err(EventError::TooManyAttributes);
        }
        if !attributes.is_sorted_by(|left, right| left.path <= right.path) {
            attributes.sort_unstable_by(|left, right| left.path.cmp(&right.path));
        }
        shape::check(&attributes)?;
        Ok(Self { attributes })
    }

    /// The attributes, sorted by the bytes of their paths.
    #[must_use]
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// The attributes, sorted by the bytes of their paths.
    #[must_use]
    pub fn into_attributes(self) -> Vec<Attribute> {
        self.attributes
    }

    /// The value at `path`.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Value> {
        let index = self.attributes.binary_search_by(|attribute| attribute.path.as_str().cmp(path)).ok()?;
        Some(&self.attributes[index].value)
    }

    /// The event as a nested JSON object, without the server's own attributes and without what was dropped.
    ///
    /// A dropped member is absent, and so is a container of which nothing is left. In a list of which something is left
    /// no element moves: where all of an element was dropped stands an empty one of its kind, `null` for a scalar, `{}`
    /// for an object, `[]` for a list.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        json::nest(&self.attributes)
    }

    /// The attributes of a JSON object, in the order of the object; [`Event::new`] takes them. The inverse of
    /// [`Event::to_json`] for an event that has lost nothing and has none of the server's own.
    ///
    /// # Errors
    /// [`EventError`] if it is no object, if an integer is beyond 64 bits signed, or for what breaks a limit.
    pub fn flatten(object: &serde_json::Value) -> Result<Vec<Attribute>, EventError> {
        json::flatten(object)
    }
}

fn check_path(path: &str, host_allowed: bool) -> Result<(), PathError> {
    if path::is_host(path) && !host_allowed {
        return Err(PathError::Host);
    }
    path::check(path)
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", Elided(&self.path), self.value)
    }
}
