//! The commitment to a raw record: what a plugin was given, byte for byte.

use sha2::{Digest as _, Sha256};

use crate::Hash;

const DOMAIN: &[u8] = b"cairnlog/raw/v1\0";

/// A plugin's whole input for one raw record.
///
/// It has no `Debug`: a raw record is personal data before any redaction.
#[derive(Clone, Copy)]
pub struct RawInput<'a> {
    /// When the server received it, in milliseconds since the Unix epoch.
    pub received_ms: u64,
    /// The name of its source.
    pub source: &'a str,
    /// The media type it was sent as.
    pub content_type: &'a str,
    /// Transport facts, in the order the plugin saw them.
    pub attributes: &'a [(String, String)],
    /// The bytes that the source sent.
    pub body: &'a [u8],
}

/// A [`RawInput`] that was read back, with its parts for its own.
///
/// It has no `Debug`: a raw record is personal data before any redaction.
#[derive(Clone, PartialEq, Eq)]
pub struct DecodedInput {
    /// When the server received it, in milliseconds since the Unix epoch.
    pub received_ms: u64,
    /// The name of its source.
    pub source: String,
    /// The media type it was sent as.
    pub content_type: String,
    /// Transport facts, in the order the plugin saw them.
    pub attributes: Vec<(String, String)>,
    /// The bytes that the source sent.
    pub body: Vec<u8>,
}

impl DecodedInput {
    /// Reads what [`RawInput::encode`] wrote; `None` for anything else.
    #[must_use]
    pub fn decode(input: &[u8]) -> Option<Self> {
        let mut rest = input;
        let received_ms = u64::from_be_bytes(*take::<8>(&mut rest)?);
        let source = text(&mut rest)?;
        let content_type = text(&mut rest)?;
        let count = u32::from_be_bytes(*take::<4>(&mut rest)?);
        // Each has two lengths at least, so a count that can't be ends early and takes no memory.
        let attributes =
            (0..count).map(|_| Some((text(&mut rest)?, text(&mut rest)?))).collect::<Option<_>>()?;
        let body = piece(&mut rest)?.to_vec();
        rest.is_empty().then_some(Self { received_ms, source, content_type, attributes, body })
    }

    /// As plugins are given it.
    #[must_use]
    pub fn as_input(&self) -> RawInput<'_> {
        let Self { received_ms, source, content_type, attributes, body } = self;
        RawInput { received_ms: *received_ms, source, content_type, attributes, body }
    }
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (first, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(first)
}

fn piece<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_be_bytes(*take::<4>(rest)?) as usize;
    let (first, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(first)
}

fn text(rest: &mut &[u8]) -> Option<String> {
    String::from_utf8(piece(rest)?.to_vec()).ok()
}

/// The commitment to an input that is written already ([`RawInput::encode`]).
#[must_use]
pub fn commit(salt: &[u8; 32], input: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update(DOMAIN).chain_update(salt).chain_update(input).finalize().into())
}

impl RawInput<'_> {
    /// The bytes that are committed to: `u64be received_ms`, then source, content type, attributes and body, each
    /// behind a `u32be` length, the list behind its `u32be` count.
    ///
    /// Parts stay far below 4 GiB (a raw record has at most 1 MiB); a longer one is written whole behind the length
    /// `u32::MAX`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.body.len());
        self.pieces(|piece| out.extend_from_slice(piece));
        out
    }

    /// `SHA-256("cairnlog/raw/v1\0" || salt || input)`. The salt is random and never used twice.
    #[must_use]
    pub fn commit(&self, salt: &[u8; 32]) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update(DOMAIN);
        hasher.update(salt);
        self.pieces(|piece| hasher.update(piece));
        Hash(hasher.finalize().into())
    }

    fn pieces(&self, mut sink: impl FnMut(&[u8])) {
        sink(&self.received_ms.to_be_bytes());
        behind_length(self.source.as_bytes(), &mut sink);
        behind_length(self.content_type.as_bytes(), &mut sink);
        sink(&length(self.attributes.len()));
        for (name, value) in self.attributes {
            behind_length(name.as_bytes(), &mut sink);
            behind_length(value.as_bytes(), &mut sink);
        }
        behind_length(self.body, &mut sink);
    }
}

fn behind_length(bytes: &[u8], sink: &mut impl FnMut(&[u8])) {
    sink(&length(bytes.len()));
    sink(bytes);
}

fn length(count: usize) -> [u8; 4] {
    u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes()
}
