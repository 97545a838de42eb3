//! Disclosures: some fields of a record, proven to be what the log committed to when it took the record in.
//!
//! ```text
//! {"entry": b64, "fields": [{"path", "position", "salt": b64, "type", "value"}, …], "multiproof": [b64, …],
//!  "raw"?: {"input"?: b64, "salt": b64}, "receipt": text, "v": 1}
//! ```
//!
//! The salts open the fields' leaves, the multiproof leads from them to the root of the record's field tree, the entry
//! says that root, and the receipt proves that the entry is in the log. What is not disclosed stays hidden: every other
//! leaf has a salt of its own. A disclosure needs nothing but the log's verifier key to be checked, and nothing can call
//! it back.
//!
//! **What it proves**: that the log's entry says this value at this path. Not that the record says nothing else, nor
//! that what the source sent was true.
//!
//! **The raw record.** `raw` opens the entry's commitment to what the source sent. The server keeps the salt, and only
//! where nothing was taken from the record; it never keeps the bytes. So its disclosures hold the salt alone, and who has
//! the bytes completes them ([`Disclosure::complete_raw`]).

mod error;
mod json;
mod multiproof;
mod number;

use std::collections::BTreeSet;
use std::fmt;

use crate::Hash;
use crate::checkpoint::Checkpoint;
use crate::entry::Entry;
use crate::event::Attribute;
use crate::field::{self, SALT_BYTES};
use crate::limits::RAW_INPUT_BYTES_MAX;
use crate::note::{Note, VerifierKey};
use crate::path;
use crate::policy::Policy;
use crate::raw::{self, RawInput};
use crate::receipt::{self, Receipt};
use crate::value::Value;

pub use error::DisclosureError;

/// The path of the time of receipt, in milliseconds since the Unix epoch, which every entry says.
const RECEIVED: &str = "$received";

/// Fields of an entry, with all that proves them. Nothing in it is trusted before [`Disclosure::verify`].
///
/// `Display` writes it as JCS (RFC 8785). `Debug` shows paths and types, never a value or a salt.
#[derive(Clone, PartialEq)]
pub struct Disclosure {
    /// The entry.
    pub entry: Entry,
    /// The fields, in ascending order of their positions.
    pub fields: Vec<Field>,
    /// The nodes that can't be computed from the fields' leaves: layer by layer from the leaves up, left to right.
    pub multiproof: Vec<Hash>,
    /// The opening of the entry's commitment to its raw record.
    pub raw: Option<RawOpening>,
    /// The proof that the entry is in the log.
    pub receipt: Receipt,
}

/// One field that is opened.
///
/// `Debug` shows the path without its quoted keys and the type of the value.
#[derive(Clone, PartialEq)]
pub struct Field {
    /// Path and value.
    pub attribute: Attribute,
    /// The salt of its leaf.
    pub salt: [u8; SALT_BYTES],
    /// Where its leaf stands among the entry's leaves.
    pub position: u16,
}

/// The opening of a commitment to a raw record ([`crate::raw`]).
///
/// It has no `Debug`: a raw record is personal data before any redaction.
#[derive(Clone, PartialEq, Eq)]
pub struct RawOpening {
    /// The salt.
    pub salt: [u8; 32],
    /// All that the plugin was given ([`RawInput::encode`]); none where who has the bytes has yet to bring them.
    pub input: Option<Vec<u8>>,
}

/// What a verified disclosure proves.
///
/// `Debug` shows paths and types, never a value.
#[derive(Clone, PartialEq)]
pub struct Verified {
    /// The checkpoint, signed by the log.
    pub checkpoint: Checkpoint,
    /// The keys whose signatures on it hold: the log's, and those of the policy's witnesses.
    pub signed_by: Vec<VerifierKey>,
    /// The entry's position in the log.
    pub index: u64,
    /// Its leaf hash.
    pub leaf_hash: Hash,
    /// The entry.
    pub entry: Entry,
    /// Its fields that were disclosed, in the order of path bytes.
    pub fields: Vec<Attribute>,
    /// What is known of its raw record.
    pub raw: Raw,
}

/// What a verified disclosure says of the raw record.
///
/// It has no `Debug`: a raw record is personal data before any redaction.
#[derive(Clone, PartialEq, Eq)]
pub enum Raw {
    /// Nothing.
    Hidden,
    /// Only the salt, which proves nothing before somebody brings the bytes ([`Disclosure::complete_raw`]).
    SaltAlone,
    /// This is, byte for byte, what the plugin was given ([`RawInput::encode`]).
    Proven(Vec<u8>),
}

impl Disclosure {
    /// Reads a disclosure: a JSON object with the members that it has and no others, each value in its one spelling.
    /// White space and the order of members are free.
    ///
    /// # Errors
    /// [`DisclosureError`], the first thing that is not of its form.
    pub fn parse(text: &str) -> Result<Self, DisclosureError> {
        json::read(text)
    }

    /// Checks everything: that a key of `keys`, or of the policy's logs, that is named like the log's origin has signed the
    /// checkpoint, that the policy's witnesses have cosigned it, that the entry is in its tree, and that the entry commits
    /// to the fields, and to the raw record where that is given.
    ///
    /// # Errors
    /// [`DisclosureError`], the first thing that does not hold, in this order: the fields themselves, the receipt, the
    /// policy, the multiproof, the root of the fields, the raw record.
    pub fn verify(&self, keys: &[VerifierKey], policy: Option<&Policy>) -> Result<Verified, DisclosureError> {
        self.check_fields()?;
        let of_policy = policy.into_iter().flat_map(Policy::logs).map(|log| &log.key);
        let logs: Vec<VerifierKey> = keys.iter().chain(of_policy).cloned().collect();
        let receipt::Verified { checkpoint, index, leaf_hash, .. } =
            self.receipt.verify(Some(&self.entry.write()), &logs)?;
        let signed_by = self.signed_by(logs, policy)?;
        self.check_root(&checkpoint.origin)?;
        let raw = self.check_raw()?;
        let mut fields: Vec<Attribute> = self.fields.iter().map(|field| field.attribute.clone()).collect();
        fields.sort_unstable_by(|left, right| left.path.cmp(&right.path));
        Ok(Verified { checkpoint, signed_by, index, leaf_hash, entry: self.entry.clone(), fields, raw })
    }

    /// Brings the bytes of the raw record, of one of these content types, to a disclosure that has the salt alone. It is
    /// then complete; what it proves is still for [`Disclosure::verify`] to say.
    ///
    /// Only the time of receipt is missing then from what a plugin was given, so `$received` must be among the fields; and
    /// transport facts, of which this server gives none.
    ///
    /// # Errors
    /// [`DisclosureError::NoRaw`], [`DisclosureError::NoReceived`], [`DisclosureError::RawMismatch`].
    pub fn complete_raw(&mut self, content_types: &[&str], body: &[u8]) -> Result<(), DisclosureError> {
        let received_ms = self.received_ms().ok_or(DisclosureError::NoReceived)?;
        let opening = self.raw.as_mut().ok_or(DisclosureError::NoRaw)?;
        let (Some(committed), Some(source)) = (self.entry.raw(), self.entry.source()) else {
            return Err(DisclosureError::NoRaw);
        };
        let inputs = content_types.iter().map(|content_type| RawInput {
            received_ms,
            source,
            content_type,
            attributes: &[],
            body,
        });
        let input = inputs.into_iter().find(|input| input.commit(&opening.salt) == *committed);
        opening.input = Some(input.ok_or(DisclosureError::RawMismatch)?.encode());
        Ok(())
    }

    fn received_ms(&self) -> Option<u64> {
        let received = self.fields.iter().find(|field| field.attribute.path == RECEIVED)?;
        match received.attribute.value {
            Value::Integer(ms) => ms.try_into().ok(),
            _ => None,
        }
    }

    fn check_fields(&self) -> Result<(), DisclosureError> {
        let (count, mut paths) = (self.entry.count, BTreeSet::new());
        let mut next = 0;
        for (place, Field { attribute, position, .. }) in self.fields.iter().enumerate() {
            path::check(&attribute.path).map_err(|source| DisclosureError::Path { field: place, source })?;
            attribute.value.check().map_err(|source| DisclosureError::Value { field: place, source })?;
            if *position < next {
                return Err(DisclosureError::Unsorted { field: place });
            }
            if *position >= count {
                return Err(DisclosureError::Position { field: place, count });
            }
            if !paths.insert(&attribute.path) {
                return Err(DisclosureError::DuplicatePath { field: place });
            }
            next = position + 1;
        }
        if self.fields.is_empty() { Err(DisclosureError::NoFields) } else { Ok(()) }
    }

    /// The keys of the log and of the policy's witnesses that have signed, if the policy is content with them.
    fn signed_by(
        &self,
        logs: Vec<VerifierKey>,
        policy: Option<&Policy>,
    ) -> Result<Vec<VerifierKey>, DisclosureError> {
        let note = Note::parse(&self.receipt.checkpoint).map_err(receipt::ReceiptError::from)?;
        if let Some(policy) = policy {
            policy.open(&note, &logs)?;
        }
        let witnesses = policy.into_iter().flat_map(Policy::witnesses).map(|witness| witness.key.clone());
        let keys: Vec<VerifierKey> = logs.into_iter().chain(witnesses).collect();
        let signed = note.verify(&keys).map_err(receipt::ReceiptError::from)?;
        Ok(signed.into_iter().cloned().collect())
    }

    fn check_root(&self, origin: &str) -> Result<(), DisclosureError> {
        let leaves =
            self.fields.iter().map(|field| (field.position, field::leaf(&field.salt, &field.attribute)));
        let root = multiproof::root(self.entry.count, leaves.collect(), &self.multiproof)?;
        let fields = field::fields_hash(origin, self.entry.count, &root);
        if fields == self.entry.fields { Ok(()) } else { Err(DisclosureError::FieldsMismatch) }
    }

    fn check_raw(&self) -> Result<Raw, DisclosureError> {
        let Some(RawOpening { salt, input }) = &self.raw else { return Ok(Raw::Hidden) };
        let committed = self.entry.raw().ok_or(DisclosureError::NoRaw)?;
        match input {
            None => Ok(Raw::SaltAlone),
            Some(input) if input.len() > RAW_INPUT_BYTES_MAX => Err(DisclosureError::Form("raw.input")),
            Some(input) if raw::commit(salt, input) == *committed => Ok(Raw::Proven(input.clone())),
            Some(_) => Err(DisclosureError::RawMismatch),
        }
    }
}

impl fmt::Display for Disclosure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&json::write(self))
    }
}

impl fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disclosure")
            .field("kind", &self.entry.kind())
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.attribute, f)
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("index", &self.index)
            .field("kind", &self.entry.kind())
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}
