//! Payloads: what an entry says, sealed under the key of its record.
//!
//! The plaintext is one deterministic CBOR map; `docs/formats.md` spells it out with a worked example. It opens with the
//! record key and the leaf hash alone, and holds all that is needed to recompute the entry's `fields`.

use cairnlog_verify::Hash;
use cairnlog_verify::entry::Digest;
use cairnlog_verify::event::Attribute;
use cairnlog_verify::field::{RecordKey, payload_key};
use cairnlog_verify::value::Value;

use crate::cbor::{self, Reader};
use crate::frame::{self, FrameError};
use crate::index::{Term, Token};
use crate::limits::PAYLOAD_BYTES_MAX;

const KIND: frame::Kind = frame::Kind { domain: b"cairnlog/payload/v1\0", bytes_max: PAYLOAD_BYTES_MAX };

/// Bytes of a term in the `rows` string: field and token.
const TERM_BYTES: usize = 9;

/// What is kept of a record besides its entry.
///
/// `Debug` shows paths and types, never a value or a salt.
#[derive(Clone, PartialEq)]
pub struct Payload {
    /// The attributes that the entry's `fields` commits to, in the order of path bytes, the server's own (`$…`) included.
    pub attributes: Vec<Attribute>,
    /// What was taken from the event, in the order in which it was.
    pub redactions: Vec<RedactionNote>,
    /// The salt of the raw commitment, where it is no oracle for anything that was taken.
    pub raw_salt: Option<[u8; 32]>,
    /// The pipeline that made the event.
    pub pipeline: Option<Digest>,
    /// The search rows that point here, so that an erasure finds them; ascending.
    pub rows: Vec<Term>,
}

/// One thing that was taken from an event, for the auditor.
///
/// `Debug` shows neither path nor rule: a key in a path may be personal data, and a rule is a plugin's text.
#[derive(Clone, PartialEq, Eq)]
pub struct RedactionNote {
    /// The attribute.
    pub path: String,
    /// What was done to it.
    pub action: NoteAction,
    /// What was found there, in the redactor's words: `EMAIL_ADDRESS`.
    pub entity: String,
    /// The redactor's rule.
    pub rule: String,
    /// The redactor, as `name@version`.
    pub plugin: String,
}

/// What was done to an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoteAction {
    /// Nothing of it is kept.
    Drop,
    /// `[ENTITY]` stands in its place.
    Mask,
    /// A keyed token stands in its place.
    Pseudonymize,
}

/// A payload that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The sealed row.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// It opens, but not to the CBOR that payloads are written in.
    #[error("payload opens to something that was never written: its {0} is not of the format")]
    Form(&'static str),
}

impl Payload {
    /// The plaintext: a map of `rows`, `pipeline`, `raw_salt`, `attributes`, `redactions` in this order (bytewise order
    /// of the encoded keys, RFC 8949 §4.2.1); all but `attributes` are left out where there is nothing to say.
    #[must_use]
    pub fn to_cbor(&self) -> Vec<u8> {
        let optional = [
            !self.rows.is_empty(),
            self.pipeline.is_some(),
            self.raw_salt.is_some(),
            !self.redactions.is_empty(),
        ];
        let mut out = Vec::with_capacity(256 + 64 * self.attributes.len());
        cbor::map(&mut out, 1 + optional.into_iter().filter(|present| *present).count());
        if !self.rows.is_empty() {
            cbor::text(&mut out, "rows");
            cbor::bytes_head(&mut out, TERM_BYTES * self.rows.len());
            for term in &self.rows {
                out.push(term.field);
                out.extend_from_slice(&term.token.0);
            }
        }
        if let Some(Digest(digest)) = &self.pipeline {
            cbor::text(&mut out, "pipeline");
            cbor::bytes(&mut out, digest);
        }
        if let Some(salt) = &self.raw_salt {
            cbor::text(&mut out, "raw_salt");
            cbor::bytes(&mut out, salt);
        }
        cbor::text(&mut out, "attributes");
        write_attributes(&mut out, &self.attributes);
        if !self.redactions.is_empty() {
            cbor::text(&mut out, "redactions");
            write_redactions(&mut out, &self.redactions);
        }
        out
    }

    /// Reads what [`Payload::to_cbor`] gives, and nothing else.
    ///
    /// Whether the attributes are those of the entry is not asked here: the caller recomputes its `fields`.
    ///
    /// # Errors
    /// [`PayloadError::Form`] with the member that is not as it would have been written.
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut reader = Members::new(bytes)?;
        let payload = Self {
            rows: reader.optional("rows", read_terms)?.unwrap_or_default(),
            pipeline: reader.optional("pipeline", read_fixed)?.map(Digest),
            raw_salt: reader.optional("raw_salt", read_fixed)?,
            attributes: reader
                .optional("attributes", read_attributes)?
                .ok_or(PayloadError::Form("attributes"))?,
            redactions: reader.optional("redactions", read_redactions)?.unwrap_or_default(),
        };
        reader.end()?;
        Ok(payload)
    }

    /// The sealed row: version, AES-256-GCM-SIV under the payload key, bound to origin and leaf hash.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`] beyond [`PAYLOAD_BYTES_MAX`].
    pub fn seal(&self, key: &RecordKey, origin: &str, leaf: &Hash) -> Result<Vec<u8>, FrameError> {
        frame::seal(&KIND, origin, leaf, &payload_key(key), &self.to_cbor())
    }

    /// Opens the row of the record with this leaf hash.
    ///
    /// # Errors
    /// [`PayloadError`]: it was altered, moved or never written.
    pub fn open(key: &RecordKey, origin: &str, leaf: &Hash, row: &[u8]) -> Result<Self, PayloadError> {
        Self::from_cbor(&frame::open(&KIND, origin, leaf, &payload_key(key), row)?)
    }

    /// The text at `path`, if there is one.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        match self.get(path) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The integer at `path`, if there is one.
    #[must_use]
    pub fn integer(&self, path: &str) -> Option<i64> {
        match self.get(path) {
            Some(Value::Integer(integer)) => Some(*integer),
            _ => None,
        }
    }

    /// The value at `path`.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Value> {
        self.attributes.iter().find(|attribute| attribute.path == path).map(|attribute| &attribute.value)
    }
}

impl NoteAction {
    /// `drop`, `mask` or `pseudonymize`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Mask => "mask",
            Self::Pseudonymize => "pseudonymize",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Drop, Self::Mask, Self::Pseudonymize].into_iter().find(|action| action.as_str() == text)
    }
}

impl std::fmt::Display for NoteAction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for RedactionNote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { action, plugin, .. } = self;
        f.debug_struct("RedactionNote")
            .field("action", action)
            .field("plugin", plugin)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Payload")
            .field("attributes", &self.attributes)
            .field("redactions", &self.redactions)
            .field("pipeline", &self.pipeline)
            .finish_non_exhaustive()
    }
}

fn write_attributes(out: &mut Vec<u8>, attributes: &[Attribute]) {
    cbor::array(out, attributes.len());
    for Attribute { path, value } in attributes {
        cbor::array(out, 2);
        cbor::text(out, path);
        cbor::bytes_head(out, encoded_bytes(value));
        value.encode(out);
    }
}

/// How many bytes [`Value::encode`] appends.
fn encoded_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::EmptyObject | Value::EmptyList => 1,
        Value::Boolean(_) => 2,
        Value::Integer(_) | Value::Float(_) => 9,
        Value::Text(text) => 1 + text.len(),
        Value::Dropped(_) => 33,
    }
}

fn write_redactions(out: &mut Vec<u8>, redactions: &[RedactionNote]) {
    cbor::array(out, redactions.len());
    for note in redactions {
        cbor::array(out, 5);
        for text in [&note.path, note.action.as_str(), &note.entity, &note.rule, &note.plugin] {
            cbor::text(out, text);
        }
    }
}

/// The members of a map, read in the one order that they have.
struct Members<'a> {
    reader: Reader<'a>,
    left: usize,
    /// A key that was read and whose value comes next.
    key: Option<&'a str>,
}

impl<'a> Members<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, PayloadError> {
        let mut reader = Reader::new(bytes);
        let left = reader.map().ok_or(PayloadError::Form("map"))?;
        Ok(Self { reader, left, key: None })
    }

    fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Reader<'a>) -> Option<T>,
    ) -> Result<Option<T>, PayloadError> {
        if self.key.is_none() && self.left > 0 {
            self.key = Some(self.reader.text().ok_or(PayloadError::Form("key"))?);
            self.left -= 1;
        }
        if self.key != Some(name) {
            return Ok(None);
        }
        self.key = None;
        read(&mut self.reader).map(Some).ok_or(PayloadError::Form(name))
    }

    fn end(&self) -> Result<(), PayloadError> {
        match self.key {
            None if self.left == 0 => self.reader.end().ok_or(PayloadError::Form("end")),
            _ => Err(PayloadError::Form("key")),
        }
    }
}

fn read_terms(reader: &mut Reader) -> Option<Vec<Term>> {
    let (terms, []) = reader.bytes()?.as_chunks::<TERM_BYTES>() else { return None };
    let terms: Vec<Term> =
        terms.iter().map(|[field, token @ ..]| Term { field: *field, token: Token(*token) }).collect();
    (!terms.is_empty() && terms.is_sorted_by(|left, right| left < right)).then_some(terms)
}

fn read_fixed(reader: &mut Reader) -> Option<[u8; 32]> {
    reader.bytes()?.try_into().ok()
}

fn read_attributes(reader: &mut Reader) -> Option<Vec<Attribute>> {
    let count = reader.array()?;
    let mut attributes = Vec::new();
    for _ in 0..count {
        if reader.array()? != 2 {
            return None;
        }
        let path = reader.text()?.to_owned();
        attributes.push(Attribute { path, value: Value::decode(reader.bytes()?).ok()? });
    }
    attributes.is_sorted_by(|left, right| left.path < right.path).then_some(attributes)
}

fn read_redactions(reader: &mut Reader) -> Option<Vec<RedactionNote>> {
    let count = reader.array()?;
    let mut notes = Vec::new();
    for _ in 0..count {
        if reader.array()? != 5 {
            return None;
        }
        notes.push(RedactionNote {
            path: reader.text()?.to_owned(),
            action: NoteAction::parse(reader.text()?)?,
            entity: reader.text()?.to_owned(),
            rule: reader.text()?.to_owned(),
            plugin: reader.text()?.to_owned(),
        });
    }
    (!notes.is_empty()).then_some(notes)
}
