//! A SHA-256 value and its two spellings.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::b64;

/// 32 bytes of SHA-256: a leaf, a node or a root.
///
/// Its text, in `Display`, `FromStr` and serde alike, is strict padded base64 (44 characters), as C2SP writes hashes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

/// Text that is not a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The text is not base64 in its one accepted spelling.
    #[error("hash is {0}")]
    Base64(#[from] b64::Error),
    /// The text is base64, but of another number of bytes.
    #[error("hash has {0} bytes instead of 32")]
    Length(usize),
    /// The text is not 64 lower-case hexadecimal digits.
    #[error("hash is not 64 lower-case hexadecimal digits")]
    Hex,
}

impl Hash {
    /// 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.0
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
            .collect()
    }

    /// Reads what [`Hash::to_hex`] writes.
    ///
    /// # Errors
    /// [`HashError::Hex`] for any other length, upper case or other characters.
    pub fn from_hex(text: &str) -> Result<Self, HashError> {
        let digits: &[u8; 64] = text.as_bytes().try_into().map_err(|_| HashError::Hex)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: u8) -> Result<u8, HashError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(HashError::Hex),
    }
}

impl TryFrom<&[u8]> for Hash {
    type Error = HashError;

    fn try_from(bytes: &[u8]) -> Result<Self, HashError> {
        bytes.try_into().map(Self).map_err(|_| HashError::Length(bytes.len()))
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        Self::try_from(b64::decode(text)?.as_slice())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&b64::encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    const EMPTY: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    const EMPTY_HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn base64_and_hex_name_the_same_bytes() {
        let hash: Hash = EMPTY.parse().unwrap();
        assert_eq!(hash.to_hex(), EMPTY_HEX);
        assert_eq!(Hash::from_hex(EMPTY_HEX).unwrap(), hash);
        assert_eq!(hash.to_string(), EMPTY);
        assert_eq!(format!("{hash:?}"), EMPTY);
        assert_eq!(serde_json::to_string(&hash).unwrap(), format!("\"{EMPTY}\""));
        assert_eq!(serde_json::from_str::<Hash>(&format!("\"{EMPTY}\"")).unwrap(), hash);
    }

    #[test]
    fn other_lengths_and_spellings_are_refused() {
        assert_eq!("".parse::<Hash>(), Err(HashError::Length(0)));
        assert_eq!("AAAA".parse::<Hash>(), Err(HashError::Length(3)));
        assert_eq!(b64::encode(&[0; 33]).parse::<Hash>(), Err(HashError::Length(33)));
        assert_eq!(EMPTY.trim_end_matches('=').parse::<Hash>(), Err(HashError::Base64(b64::Error)));
        assert_eq!(Hash::from_hex(&EMPTY_HEX.to_uppercase()), Err(HashError::Hex));
        assert_eq!(Hash::from_hex(&EMPTY_HEX[1..]), Err(HashError::Hex));
        assert_eq!(Hash::from_hex(&"é".repeat(32)), Err(HashError::Hex));
        assert!(serde_json::from_str::<Hash>("\"AAAA\"").is_err());
    }

    proptest! {
        #[test]
        fn both_spellings_round_trip(bytes: [u8; 32]) {
            let hash = Hash(bytes);
            prop_assert_eq!(hash.to_string().parse::<Hash>().unwrap(), hash);
            prop_assert_eq!(Hash::from_hex(&hash.to_hex()).unwrap(), hash);
        }

        #[test]
        fn any_text_is_answered(text: String) {
            let _ = text.parse::<Hash>();
            let _ = Hash::from_hex(&text);
        }
    }
}
