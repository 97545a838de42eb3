//! From a core module that `wit-bindgen` prepared to a component with metadata, as the plugins' build does it.

use wasm_metadata::{AddMetadata, AddMetadataField};
use wit_component::ComponentEncoder;

use crate::inspect::{inspect, preview1_imports, told};
use crate::plugin::UnusedWasi;

/// What a component says of itself; empty texts are left out. [`crate::Host::load`] requires name and version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The plugin's name, `[a-z0-9-]{1,64}`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it does, in a sentence.
    pub summary: String,
    /// Its licence, an SPDX expression.
    pub license: String,
    /// Where its source is, a URL.
    pub source: String,
}

/// A core module or component that can't be processed, and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ComponentizeError(String);

/// Makes a component of a core module that carries its component type in a custom section, and describes it.
///
/// What comes out is checked as [`crate::Host::load`] checks it before compiling, so that an author hears of a stray
/// import when building and not when uploading.
///
/// # Errors
/// If the module is invalid, does not fit the component type that it carries, or makes no plugin.
pub fn componentize(core: &[u8], metadata: &Metadata) -> Result<Vec<u8>, ComponentizeError> {
    let faults = preview1_imports(core);
    if !faults.is_empty() {
        return Err(ComponentizeError(told(&faults)));
    }
    let component = ComponentEncoder::default()
        .validate(true)
        .module(core)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| ComponentizeError(format!("{error:#}")))?;
    let component = describe(&component, metadata)?;
    inspect(&component, UnusedWasi::Refuse).map_err(|faults| ComponentizeError(told(&faults)))?;
    Ok(component)
}

/// Adds metadata sections to a component. Tools for other languages leave them out, or this replaces what they wrote:
/// of two sections of a name the later counts.
///
/// # Errors
/// If the bytes are no WebAssembly.
pub fn describe(component: &[u8], metadata: &Metadata) -> Result<Vec<u8>, ComponentizeError> {
    let mut add = AddMetadata::default();
    if !metadata.name.is_empty() {
        add.name = AddMetadataField::Set(metadata.name.clone());
    }
    let mut described = add.to_wasm(component).map_err(|error| ComponentizeError(format!("{error:#}")))?;
    let texts = [
        ("version", &metadata.version),
        ("description", &metadata.summary),
        ("licenses", &metadata.license),
        ("source", &metadata.source),
    ];
    for (section, text) in texts {
        if !text.is_empty() {
            push_custom_section(&mut described, section, text.as_bytes());
        }
    }
    Ok(described)
}

/// A custom section (id 0) as the WebAssembly binary format has it, and `wasm-metadata` reads it.
fn push_custom_section(wasm: &mut Vec<u8>, name: &str, data: &[u8]) {
    let mut body = Vec::with_capacity(name.len() + data.len() + 5);
    push_leb128(&mut body, name.len());
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(data);
    wasm.push(0);
    push_leb128(wasm, body.len());
    wasm.extend_from_slice(&body);
}

fn push_leb128(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}
