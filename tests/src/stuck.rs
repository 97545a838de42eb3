//! A plugin that never comes back from a record.

use cairnlog_host::componentize::{Metadata, componentize};
use wit_component::StringEncoding;
use wit_parser::Resolve;

use crate::paths;

/// The component of a normalizer called `stuck`.
#[must_use]
pub fn component() -> Vec<u8> {
    let mut module = wat::parse_str(include_str!("../fixtures/stuck.wat")).expect("the fixture is a module");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(paths::root().join("wit/v1")).expect("the interfaces");
    let world = resolve.select_world(&[package], Some("normalizer-plugin")).expect("the world");
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("a module takes a section");
    let metadata = Metadata { name: "stuck".into(), version: "0.1.0".into(), ..Metadata::default() };
    componentize(&module, &metadata).expect("it is a plugin")
}
