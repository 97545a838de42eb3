//! Uploads that are no plugin are refused with everything that is wrong with them.

use std::process::Command;
use std::sync::LazyLock;

use crate::common::{Chameleon, Scalar};
use cairnlog_host::componentize::{Metadata, componentize, describe};
use cairnlog_host::limits::{COMPONENT_BYTES_MAX, CORE_INSTANCES_MAX, NESTING_MAX};
use cairnlog_host::{FaultKind, Footprint, Host, HostLimits, RawRecord, UnusedWasi};

static HOST: LazyLock<Host> = LazyLock::new(|| Host::new(HostLimits::default()).unwrap());

fn metadata() -> Metadata {
    Metadata { name: "x".into(), version: "1".into(), ..Metadata::default() }
}

/// Codes and details of what is wrong with these bytes.
fn faults(wasm: &[u8]) -> Vec<(&'static str, String)> {
    HOST.load(wasm).unwrap().unwrap_err().errors.into_iter().map(|fault| (fault.code, fault.detail)).collect()
}

fn codes(wasm: &[u8]) -> Vec<&'static str> {
    faults(wasm).into_iter().map(|(code, _)| code).collect()
}

/// A component of this text, with metadata.
fn described(wat: &str) -> Vec<u8> {
    describe(&wat::parse_str(wat).unwrap(), &metadata()).unwrap()
}

/// A component as `wit-component` makes it, whatever it imports.
fn made(chameleon: &Chameleon) -> Vec<u8> {
    let encoder = wit_component::ComponentEncoder::default().module(&chameleon.core()).unwrap();
    describe(&encoder.validate(true).encode().unwrap(), &metadata()).unwrap()
}

const EXPORTS: &str = r#"
    (core module $m (func (export "f")))
    (core instance $i (instantiate $m))
    (func $f (canon lift (core func $i "f")))
    (instance $n (export "normalize" (func $f)))
    (export "cairnlog:plugin/normalizer@1.0.0" (instance $n))
    (instance $s (export "schema" (func $f)) (export "configure" (func $f)))"#;
const SETTINGS: &str = r#"(export "cairnlog:plugin/settings@1.0.0" (instance $s))"#;

#[test]
fn garbage_is_no_component() {
    for bytes in [&b""[..], b"\0", b"hello", b"\0asm", b"\0asm\x0d\0\x01\0\xff\xff\xff", &[0xff; 4096]] {
        let faults = faults(bytes);
        assert_eq!(faults[0].0, "not-a-component", "{bytes:?}: {faults:?}");
    }
}

#[test]
fn a_core_module_is_told_what_it_lacks() {
    let faults = faults(&Chameleon::new().core());
    assert_eq!((faults.len(), faults[0].0), (1, "not-a-component"));
    assert!(faults[0].1.contains("core module"), "{faults:?}");
}

#[test]
fn precompiled_code_is_refused() {
    let mut engine = wasmtime::Config::new();
    engine.consume_fuel(true);
    let engine = wasmtime::Engine::new(&engine).unwrap();
    let compiled = engine.precompile_component(&wat::parse_str("(component)").unwrap()).unwrap();
    assert_eq!(codes(&compiled), ["not-a-component"]);
}

#[test]
fn a_component_too_large_is_not_parsed() {
    assert_eq!(codes(&vec![0; COMPONENT_BYTES_MAX + 1]), ["too-large"]);
}

/// A section of a component: its id, its length, what is in it.
fn section(id: u8, bytes: &[u8]) -> Vec<u8> {
    let mut section = vec![id];
    let mut length = bytes.len();
    while length >= 0x80 {
        section.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    section.push(u8::try_from(length).unwrap());
    section.extend(bytes);
    section
}

#[test]
fn a_component_nested_deeper_than_toolchains_do_is_refused_before_it_is_compiled() {
    let sound = made(&Chameleon::new());
    let nested = |levels: usize| {
        let empty = b"\0asm\x0d\0\x01\0";
        let mut inner = empty.to_vec();
        for _ in 1..levels {
            inner = [&empty[..], &section(4, &inner)].concat();
        }
        [sound.as_slice(), &section(4, &inner)].concat()
    };
    HOST.load(&nested(NESTING_MAX)).unwrap().unwrap();
    for levels in [NESTING_MAX + 1, 20_000, 100_000] {
        assert_eq!(codes(&nested(levels)), ["too-deep"], "{levels}");
    }
}

#[test]
fn types_nested_too_deeply_do_not_compile() {
    // list<list<… list<u8>>>, each of the one before it.
    let mut types = vec![100, 0x70, 0x7d];
    for before in 0..99_u8 {
        types.push(0x70);
        types.extend(if before < 64 { vec![before] } else { vec![before | 0x80, 0] });
    }
    let inner = [&b"\0asm\x0d\0\x01\0"[..], &section(7, &types)].concat();
    let component = [made(&Chameleon::new()), section(4, &inner)].concat();
    let faults = faults(&component);
    assert_eq!((faults.len(), faults[0].0), (1, "cannot-compile"), "{faults:?}");
    assert!(faults[0].1.contains("too deep"), "{faults:?}");
}

#[test]
fn every_import_that_is_not_ours_is_listed_with_its_usual_cause() {
    let faults = faults(&described(&format!(
        r#"(component
            (import "wasi:clocks/wall-clock@0.2.6" (instance))
            (import "wasi:random/random@0.2.6" (instance))
            (import "wasi:cli/stdout@0.2.6" (instance))
            (import "cairnlog:plugin/events@1.0.0" (instance))
            (import "cairnlog:plugin/host@2.0.0" (instance))
            (import "evil" (func))
            {EXPORTS} {SETTINGS})"#
    )));
    assert!(faults.iter().all(|(code, _)| *code == "unknown-import"), "{faults:?}");
    for (index, words) in [
        ["wall-clock", "SystemTime"],
        ["random", "HashMap"],
        ["stdout", "println!"],
        ["2.0.0", "version"],
        ["evil", "nothing else"],
    ]
    .iter()
    .enumerate()
    {
        assert!(words.iter().all(|word| faults[index].1.contains(word)), "{words:?}: {faults:?}");
    }
    assert_eq!(faults.len(), 5);
}

#[test]
fn wasi_that_is_not_used_is_stubbed_if_that_is_asked_for_and_traps_when_it_is_used_after_all() {
    let component = componentize(&Chameleon::new().with_clock().core(), &metadata()).unwrap_err().to_string();
    assert!(component.contains("wall-clock"), "the build refuses it: {component}");
    let component = made(&Chameleon::new().with_clock());
    assert_eq!(codes(&component), ["unknown-import"]);
    let plugin = HOST.load_with(&component, UnusedWasi::Stub).unwrap().unwrap();
    let stage = HOST.configure(&plugin, "{}").unwrap().unwrap();
    let record = |body| RawRecord { received_ms: 0, source: "s", content_type: "t", attributes: &[], body };
    let ran = HOST.normalize(&stage, &[record(b"k"), record(b"t")]).unwrap().results;
    assert!(ran[0].is_ok());
    let fault = ran[1].as_ref().unwrap_err();
    assert_eq!(fault.kind, FaultKind::Trap);
    assert!(fault.message.contains("wall-clock"), "{fault}");
    // Only WASI is stubbed.
    let other = described(&format!("(component (import \"evil\" (func)) {EXPORTS} {SETTINGS})"));
    let refused = HOST.load_with(&other, UnusedWasi::Stub).unwrap().unwrap_err();
    assert_eq!(refused.errors[0].code, "unknown-import");
}

#[test]
fn what_an_instance_takes_is_known_before_it_runs() {
    let plugin = HOST.load(&made(&Chameleon::new())).unwrap().unwrap();
    let Footprint { core_instances, memories, memory_bytes, .. } = plugin.footprint;
    assert_eq!((memories, memory_bytes), (1, 8 << 16));
    assert!((1..=CORE_INSTANCES_MAX).contains(&core_instances), "{core_instances}");
}

#[test]
fn an_import_hidden_in_the_host_interface_is_refused() {
    let smuggled = described(&format!(
        r#"(component (import "cairnlog:plugin/host@1.0.0" (instance (export "read-file" (func)))) {EXPORTS} {SETTINGS})"#
    ));
    let faults = faults(&smuggled);
    assert_eq!((faults.len(), faults[0].0), (1, "wrong-interface"));
    assert!(faults[0].1.contains("read-file"), "{faults:?}");
}

#[test]
fn a_component_that_plays_no_role_is_refused_and_nameless_ones_too() {
    assert_eq!(codes(&described("(component)")), ["no-known-interface"]);
    assert_eq!(codes(&described(&format!("(component {EXPORTS})"))), ["no-known-interface"]);
    let nameless = wat::parse_str("(component)").unwrap();
    assert_eq!(codes(&nameless), ["no-known-interface", "no-name", "no-version"]);
    let badly_named = Metadata { name: "Not a Name".into(), version: "1 0".into(), ..Metadata::default() };
    let component = componentize(&Chameleon::new().core(), &metadata()).unwrap();
    assert_eq!(codes(&describe(&component, &badly_named).unwrap()), ["no-name", "no-version"]);
    let error = componentize(&Chameleon::new().core(), &badly_named).unwrap_err().to_string();
    assert!(error.contains("no-name") && error.contains("no-version"), "{error}");
}

#[test]
fn an_interface_of_another_shape_is_refused() {
    let faults = faults(&described(&format!("(component {EXPORTS} {SETTINGS})")));
    assert_eq!((faults.len(), faults[0].0), (1, "wrong-interface"), "{faults:?}");
}

#[test]
fn a_plugin_that_traps_when_instantiated_is_refused() {
    let component = componentize(&Chameleon::new().trapping_start().core(), &metadata()).unwrap();
    assert_eq!(codes(&component), ["trap-on-configure"]);
}

#[test]
fn a_plugin_that_traps_when_configured_is_refused_unless_its_schema_forbids_the_empty_config() {
    let breaks = || Chameleon::new().trapping_configure();
    let component = componentize(&breaks().core(), &metadata()).unwrap();
    assert_eq!(codes(&component), ["trap-on-configure"]);
    let component = componentize(&breaks().schema(r#"{"required":["rules"]}"#).core(), &metadata()).unwrap();
    HOST.load(&component).unwrap().unwrap();
}

#[test]
fn features_that_make_machines_differ_do_not_compile() {
    for module in [
        "(module (func (param v128 v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 1))))",
        "(module (memory i64 1))",
        "(module (memory 1 1 shared))",
    ] {
        let core = module.strip_prefix("(module").unwrap();
        let component = described(&format!("(component (core module $extra {core} {EXPORTS} {SETTINGS})"));
        assert_eq!(codes(&component), ["cannot-compile"], "{module}");
    }
}

#[test]
fn the_componentizer_works_from_a_shell() {
    let folder = tempfile::tempdir().unwrap();
    let (core, out) = (folder.path().join("core.wasm"), folder.path().join("out.wasm"));
    let chameleon = Chameleon::new().events(b'e', &[&[("a", Scalar::Null)]]);
    std::fs::write(&core, chameleon.core()).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cairnlog-componentize"));
        command.arg(&core).arg(&out).args(arguments).output().unwrap().status.code()
    };
    assert_eq!(
        run(&["--name", "shell", "--version", "1.2.3", "--summary", "s", "--licence", "MIT"]),
        Some(0)
    );
    let plugin = HOST.load(&std::fs::read(&out).unwrap()).unwrap().unwrap();
    assert_eq!(
        (plugin.name.as_str(), plugin.version.as_str(), plugin.license.as_str()),
        ("shell", "1.2.3", "MIT")
    );
    assert_eq!(run(&["--name", "shell"]), Some(64));
    assert_eq!(run(&["--name", "shell", "--version"]), Some(64));
    assert_eq!(run(&["--name", "shell", "--version", "1", "--what"]), Some(64));
    assert_eq!(run(&["--name", "shell", "--version", "1", "third"]), Some(64));
    std::fs::write(&core, b"\0asm\x01\0\0\0").unwrap();
    assert_eq!(run(&["--name", "shell", "--version", "1"]), Some(1));
    std::fs::remove_file(&core).unwrap();
    assert_eq!(run(&["--name", "shell", "--version", "1"]), Some(3));
}
