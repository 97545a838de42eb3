//! Standard, padded base64 (RFC 4648 §4) with one spelling for every byte string.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Text that is not the base64 of any bytes, or not the canonical one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not strict base64: use the standard alphabet, padded, without whitespace or stray trailing bits")]
pub struct Error;

/// The base64 of `bytes`: standard alphabet, padded, no line breaks.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes whose [`encode`]d form is exactly `text`.
///
/// # Errors
/// Whatever `encode` would not have written: another alphabet, missing or surplus padding, whitespace, bits set behind
/// the last byte.
pub fn decode(text: &str) -> Result<Vec<u8>, Error> {
    STANDARD.decode(text).map_err(|_| Error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc_4648_section_10_vectors() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).unwrap(), bytes.as_bytes());
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm 9v", "Zm9v\n", "\nZm9v", "Zm\r\n9v", "=", "====",
            "_-8=", "Zm9v=",
        ] {
            assert_eq!(decode(text), Err(Error), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn bytes_round_trip(bytes: Vec<u8>) {
            prop_assert_eq!(decode(&encode(&bytes)).unwrap(), bytes);
        }

        #[test]
        fn what_decodes_encodes_to_the_same_text(text in "[A-Za-z0-9+/]{0,7}={0,2}") {
            if let Ok(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
