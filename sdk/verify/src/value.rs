//! Values of attributes and the bytes that are committed to.
//!
//! JSON text would not bind: two integers beyond 2^53 have one JCS spelling. So a value is a tag byte and its bytes.

use std::fmt;

/// Most bytes of a text. One value fits into memory and one page of a plugin's return many times over.
pub const VALUE_BYTES_MAX: usize = 65_536;

/// What an attribute says: a JSON scalar, an empty container, or that something stood here and was dropped.
///
/// `Debug` shows the type, and how long a text is, never what it says.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// JSON's `null`.
    Null,
    /// `false` or `true`.
    Boolean(bool),
    /// A signed 64-bit integer.
    Integer(i64),
    /// A finite double; -0 is kept as +0.
    Float(f64),
    /// UTF-8 as it came, at most [`VALUE_BYTES_MAX`] bytes.
    Text(String),
    /// The commitment to a value of which nothing is kept ([`crate::field::drop_commitment`]).
    Dropped([u8; 32]),
    /// `{}`.
    EmptyObject,
    /// `[]`.
    EmptyList,
}

/// A value that must not be kept, or bytes that encode none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// There is no tag byte.
    #[error("value is empty: it starts with a tag byte")]
    Empty,
    /// A tag byte that no type has.
    #[error("value has the unknown tag {0}")]
    Tag(u8),
    /// Too few or too many bytes for the type, or a byte that the type does not have.
    #[error("value is no {0}: the bytes behind its tag are not of that type's form")]
    Form(&'static str),
    /// NaN or an infinity.
    #[error("float is not finite: NaN and infinities have no place in JSON")]
    NotFinite,
    /// A text longer than [`VALUE_BYTES_MAX`].
    #[error("text has more than {VALUE_BYTES_MAX} bytes")]
    TooLong,
}

impl Value {
    /// Appends the tag byte and the value's bytes: `00` null · `01` boolean, 0 or 1 · `02` integer, s64be · `03` float,
    /// IEEE 754 double be · `04` text · `05` dropped, 32 bytes · `06` empty object · `07` empty list.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.pieces(|piece| out.extend_from_slice(piece));
    }

    /// What [`Value::encode`] appends.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }

    /// Reads what [`Value::encode`] writes for a value that may be kept, and nothing else.
    ///
    /// # Errors
    /// [`ValueError`] for an unknown tag, missing or surplus bytes, a boolean other than 0 and 1, NaN, infinities, -0,
    /// text that is not UTF-8 or longer than [`VALUE_BYTES_MAX`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ValueError> {
        let (&tag, rest) = bytes.split_first().ok_or(ValueError::Empty)?;
        let value = match (tag, rest) {
            (0, []) => Self::Null,
            (1, [byte @ (0 | 1)]) => Self::Boolean(*byte == 1),
            (2, _) => Self::Integer(i64::from_be_bytes(fixed(rest, "integer")?)),
            (3, _) => decode_float(fixed(rest, "float")?)?,
            (4, _) => decode_text(rest)?,
            (5, _) => Self::Dropped(fixed(rest, "dropped")?),
            (6, []) => Self::EmptyObject,
            (7, []) => Self::EmptyList,
            (0, _) => return Err(ValueError::Form("null")),
            (1, _) => return Err(ValueError::Form("boolean")),
            (6, _) => return Err(ValueError::Form("empty-object")),
            (7, _) => return Err(ValueError::Form("empty-list")),
            _ => return Err(ValueError::Tag(tag)),
        };
        Ok(value)
    }

    /// `null`, `boolean`, `integer`, `float`, `text`, `dropped`, `empty-object` or `empty-list`.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "boolean",
            Self::Integer(_) => "integer",
            Self::Float(_) => "float",
            Self::Text(_) => "text",
            Self::Dropped(_) => "dropped",
            Self::EmptyObject => "empty-object",
            Self::EmptyList => "empty-list",
        }
    }

    /// Whether the value may be kept: finite and short enough.
    pub(crate) fn check(&self) -> Result<(), ValueError> {
        match self {
            Self::Float(float) if !float.is_finite() => Err(ValueError::NotFinite),
            Self::Text(text) if text.len() > VALUE_BYTES_MAX => Err(ValueError::TooLong),
            _ => Ok(()),
        }
    }

    /// The encoding in pieces, so that hashing it copies nothing.
    pub(crate) fn pieces(&self, mut sink: impl FnMut(&[u8])) {
        match self {
            Self::Null => sink(&[0]),
            Self::Boolean(boolean) => sink(&[1, u8::from(*boolean)]),
            Self::Integer(integer) => {
                sink(&[2]);
                sink(&integer.to_be_bytes());
            }
            Self::Float(float) => {
                sink(&[3]);
                sink(&positive_zero(*float).to_be_bytes());
            }
            Self::Text(text) => {
                sink(&[4]);
                sink(text.as_bytes());
            }
            Self::Dropped(commitment) => {
                sink(&[5]);
                sink(commitment);
            }
            Self::EmptyObject => sink(&[6]),
            Self::EmptyList => sink(&[7]),
        }
    }
}

/// `float`, with +0 for -0.
pub(crate) fn positive_zero(float: f64) -> f64 {
    if float == 0.0 { 0.0 } else { float }
}

fn fixed<const N: usize>(bytes: &[u8], type_name: &'static str) -> Result<[u8; N], ValueError> {
    bytes.try_into().map_err(|_| ValueError::Form(type_name))
}

fn decode_float(bytes: [u8; 8]) -> Result<Value, ValueError> {
    let float = f64::from_be_bytes(bytes);
    if !float.is_finite() {
        Err(ValueError::NotFinite)
    } else if float == 0.0 && float.is_sign_negative() {
        Err(ValueError::Form("float"))
    } else {
        Ok(Value::Float(float))
    }
}

fn decode_text(bytes: &[u8]) -> Result<Value, ValueError> {
    if bytes.len() > VALUE_BYTES_MAX {
        return Err(ValueError::TooLong);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| ValueError::Form("text"))?;
    Ok(Value::Text(text.to_owned()))
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_name())?;
        match self {
            Self::Text(text) => write!(f, "({} bytes)", text.len()),
            _ => Ok(()),
        }
    }
}
