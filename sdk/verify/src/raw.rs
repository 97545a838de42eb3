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
