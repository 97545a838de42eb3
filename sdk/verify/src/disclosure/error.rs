//! What a disclosure is refused for.

use crate::entry::EntryError;
use crate::limits::{DISCLOSURE_BYTES_MAX, DISCLOSURE_FIELDS_MAX};
use crate::path::PathError;
use crate::policy::Distrust;
use crate::receipt::ReceiptError;
use crate::value::ValueError;

/// A disclosure that is malformed or does not hold. Fields are named by their place in the list, from 0; what they say is
/// not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DisclosureError {
    /// Longer than [`DISCLOSURE_BYTES_MAX`].
    #[error("disclosure has more than {DISCLOSURE_BYTES_MAX} bytes")]
    TooLong,
    /// Not one JSON object, or something behind it.
    #[error("disclosure is not one JSON object and nothing behind it")]
    NotAnObject,
    /// A version that this verifier does not know.
    #[error("disclosure is not of version 1")]
    Version,
    /// A member is not there.
    #[error("disclosure lacks the member {0}")]
    Missing(&'static str),
    /// A member stands twice.
    #[error("disclosure has the member {0} twice")]
    Repeated(&'static str),
    /// A member that a disclosure does not have.
    #[error("disclosure has a member that none has in {0}")]
    Surplus(&'static str),
    /// A member is not of its form, or not in its one spelling.
    #[error("disclosure's member {0} is not of its form")]
    Form(&'static str),
    /// More fields than [`DISCLOSURE_FIELDS_MAX`].
    #[error("disclosure has more than {DISCLOSURE_FIELDS_MAX} fields")]
    TooManyFields,
    /// A member of a field is not there.
    #[error("field {field} lacks the member {member}")]
    FieldMissing {
        /// Its place.
        field: usize,
        /// The member.
        member: &'static str,
    },
    /// A member of a field stands twice.
    #[error("field {field} has the member {member} twice")]
    FieldRepeated {
        /// Its place.
        field: usize,
        /// The member.
        member: &'static str,
    },
    /// A member of a field is not of its form, or not in its one spelling.
    #[error("field {field}: {member} is not of its form, or not in its one spelling")]
    FieldForm {
        /// Its place.
        field: usize,
        /// The member.
        member: &'static str,
    },
    /// A member that a field does not have.
    #[error("field {field} has a member that no field has")]
    FieldSurplus {
        /// Its place.
        field: usize,
    },
    /// The entry is none: not canonical, of an unknown kind, with members that its kind does not have …
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// No field is disclosed, so nothing leads to the entry's `fields`.
    #[error("disclosure has no field")]
    NoFields,
    /// A path that is none.
    #[error("field {field}: {source}")]
    Path {
        /// Its place.
        field: usize,
        /// What is wrong with it.
        source: PathError,
    },
    /// A value that no record has.
    #[error("field {field}: {source}")]
    Value {
        /// Its place.
        field: usize,
        /// What is wrong with it.
        source: ValueError,
    },
    /// A path that stands twice.
    #[error("field {field} has the path of an earlier one")]
    DuplicatePath {
        /// Its place.
        field: usize,
    },
    /// The fields are not in ascending order of their positions, or two have the same.
    #[error("field {field} is not behind its predecessor: positions ascend and none stands twice")]
    Unsorted {
        /// Its place.
        field: usize,
    },
    /// A position that the entry's field tree does not have.
    #[error("field {field} has a position beyond the {count} leaves that the entry counts")]
    Position {
        /// Its place.
        field: usize,
        /// The entry's count.
        count: u16,
    },
    /// The receipt is malformed or not to be trusted, or is of another entry.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The policy does not believe the receipt's checkpoint.
    #[error(transparent)]
    Policy(#[from] Distrust),
    /// The multiproof has fewer hashes than these positions need.
    #[error("multiproof lacks hashes that these positions need")]
    MissingHashes,
    /// The multiproof has more hashes than these positions need.
    #[error("multiproof has more hashes than these positions need")]
    SurplusHashes,
    /// The fields do not lead to what the entry commits to: a path, value, salt, position or hash was changed, or is of
    /// another record, or the entry is of another log.
    #[error("fields root does not match: the entry commits to other fields than these, or in another log")]
    FieldsMismatch,
    /// A raw record is opened, but the entry commits to none; or it is to be completed and has no opening.
    #[error("there is no commitment to a raw record to open, or no salt to open it with")]
    NoRaw,
    /// The time of receipt, which is part of what a plugin was given, is not among the fields.
    #[error("the time of receipt is not disclosed; ask for the field $received too")]
    NoReceived,
    /// The raw record is not the one that the entry commits to.
    #[error("raw record does not match: the entry commits to other bytes")]
    RawMismatch,
}
