//! Tests of how a record is spelled and committed to.
#![allow(clippy::unwrap_used)]

mod doc;
mod entries;
mod events;
mod fields;
mod paths;
mod vectors;

#[path = "../tree/rfc6962.rs"]
mod rfc6962;

use cairnlog_verify::event::Attribute;
use cairnlog_verify::value::Value;

fn attribute(path: &str, value: Value) -> Attribute {
    Attribute { path: path.to_owned(), value }
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "odd number of digits");
    let digits: Vec<u8> =
        text.chars().map(|digit| u8::try_from(digit.to_digit(16).expect("a digit")).unwrap()).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn unhex32(text: &str) -> [u8; 32] {
    unhex(text).try_into().expect("32 bytes")
}
