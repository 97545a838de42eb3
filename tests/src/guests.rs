//! Plugins that do what those in `plugins/` don't.

use cairnlog_host::componentize::{Metadata, describe};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

use crate::paths;

const CLOCK: &str = "package wasi:clocks@0.2.6; interface wall-clock { now: func() -> u64; }";

/// The component of a normalizer called `stuck`, which never comes back from a record.
#[must_use]
pub fn stuck() -> Vec<u8> {
    let world = "include cairnlog:plugin/normalizer-plugin@1.0.0;";
    component("stuck", include_str!("../fixtures/stuck.wat"), world)
}

/// The component of a retention plugin called `clocked`, which links a clock of WASI's and never asks it.
#[must_use]
pub fn clocked() -> Vec<u8> {
    let world = "import wasi:clocks/wall-clock@0.2.6; include cairnlog:plugin/retention-plugin@1.0.0;";
    component("clocked", include_str!("../fixtures/clocked.wat"), world)
}

/// As a toolchain of somebody's own would make it: nothing is checked.
fn component(name: &str, wat: &str, world: &str) -> Vec<u8> {
    let mut module = wat::parse_str(wat).expect("the fixture is a module");
    let mut resolve = Resolve::default();
    resolve.push_path(paths::root().join("wit/v1")).expect("the interfaces");
    resolve.push_str("clocks.wit", CLOCK).expect("an interface");
    let world = format!("package test:guest; world guest {{ {world} }}");
    let package = resolve.push_str("guest.wit", &world).expect("a world");
    let world = resolve.select_world(&[package], Some("guest")).expect("the world");
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("a module takes a section");
    let encoder = ComponentEncoder::default().module(&module).expect("it says what it is");
    let component = encoder.validate(true).encode().expect("it is a component");
    let metadata = Metadata { name: name.into(), version: "0.1.0".into(), ..Metadata::default() };
    describe(&component, &metadata).expect("it has a name")
}
