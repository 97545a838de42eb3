//! The names of logs, sources, classes and plugins, and the origins of logs.

use crate::limits::ORIGIN_BYTES_MAX;

/// Most bytes of a name: it stands in URLs, keys and entries, and is still read at a glance.
pub const NAME_BYTES_MAX: usize = 64;

/// Text that is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("name is not of the form [a-z0-9-]{{1,64}}: use 1 to 64 lower-case letters, digits and hyphens")]
pub struct NameError;

/// Text that is no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "origin is not 1 to 255 bytes without white space and plus signs: use a schema-less URL such as log.example/hr"
)]
pub struct OriginError;

/// Answers whether `name` may name a log, a source, a class or a plugin: `[a-z0-9-]{1,64}`.
///
/// # Errors
/// [`NameError`] for any other text.
pub fn check(name: &str) -> Result<(), NameError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed) {
        Ok(())
    } else {
        Err(NameError)
    }
}

/// Answers whether `origin` may be the origin of a log: what c2sp.org/signed-note takes as the name of a key, at most
/// 255 bytes because field commitments store the length in 8 bits.
///
/// # Errors
/// [`OriginError`] for any other text.
pub fn check_origin(origin: &str) -> Result<(), OriginError> {
    let refused = |character: char| character.is_whitespace() || character.is_control() || character == '+';
    if (1..=ORIGIN_BYTES_MAX).contains(&origin.len()) && !origin.contains(refused) {
        Ok(())
    } else {
        Err(OriginError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_letters_digits_and_hyphens() {
        for name in ["a", "0", "-", "okta-prod", &"x".repeat(64)] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        for name in ["", "A", "a_b", "a.b", "a b", "é", "a\n", &"x".repeat(65)] {
            assert_eq!(check(name), Err(NameError), "{name:?}");
        }
    }

    #[test]
    fn origins_are_key_names_of_notes() {
        for origin in ["a", "log.example/hr", "жлог.example", &"x".repeat(255)] {
            assert_eq!(check_origin(origin), Ok(()), "{origin}");
        }
        for origin in ["", "a b", "a+b", "a\n", "a\u{a0}b", "a\0", &"x".repeat(256), &"é".repeat(128)] {
            assert_eq!(check_origin(origin), Err(OriginError), "{origin:?}");
        }
    }
}
