//! Black-box tests over the real binary and the built plugins.
//!
//! What the tests share: a [`Server`] of a test's own, the [`pipelines`] of the examples, and small helpers for raw HTTP.
//! The tests themselves lie in `tests/`, a file a subject, a test a requirement. Helpers panic: they run in tests alone.
#![allow(clippy::missing_panics_doc, reason = "a helper that fails fails its test")]

pub mod guests;
pub mod http;
pub mod paths;
pub mod pipelines;
mod server;
pub mod web;

pub use server::{ADMIN_TOKEN, Refusal, Server, start_bare};

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
