//! Components that take for ever or all memory to compile, given to the real binary's own compiling child.
use std::time::Duration;

use cairnlog_host::limits::CompileLimits;
use cairnlog_host::{Apart, Compiling, Host, HostLimits};
use cairnlog_tests::paths;

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

fn section(id: u8, bytes: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(bytes.len()), bytes].concat()
}

/// A sound plugin with a module in it that nothing uses: one function of `jumps` jumps, each to any of `blocks` blocks around them.
/// Two megabytes of it keep the compiler busy for minutes, since every block is the target of every jump.
fn bomb(jumps: usize, blocks: usize) -> Vec<u8> {
    let targets: Vec<u8> = (0..blocks).flat_map(leb).collect();
    // block; local.get 0; br_table …; end
    let jump = [&[0x02, 0x40, 0x20, 0x00, 0x0e][..], &leb(blocks - 1), &targets, &[0x0b]].concat();
    let body = [
        &[0][..],
        &[0x02, 0x40].repeat(blocks),
        &jump.repeat(jumps),
        &[0x0b].repeat(blocks),
        &[0x20, 0x00, 0x0b],
    ]
    .concat();
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 1, 0x7f, 1, 0x7f]),
        section(3, &[1, 0]),
        section(10, &[&[1][..], &leb(body.len()), &body].concat()),
    ]
    .concat();
    [paths::plugin("web-access"), section(1, &module)].concat()
}

/// A host whose compiling child may take this.
fn host(limits: CompileLimits) -> Host {
    let apart =
        Apart { program: paths::binary(), arguments: vec!["compile-plugin".into()], limits, kept: None };
    Host::compiling(HostLimits { instances: 1, ..HostLimits::default() }, Compiling::Apart(apart)).unwrap()
}

/// What is wrong with an upload.
fn code(host: &Host, wasm: &[u8]) -> &'static str {
    host.load(wasm).unwrap().unwrap_err().errors[0].code
}

#[test]
fn what_takes_for_ever_to_compile_is_ended_and_named_and_the_host_goes_on() {
    let bomb = bomb(2_000, 500);
    let patient = CompileLimits { wait_max: Duration::from_mins(5), ..CompileLimits::default() };
    let of_time = host(CompileLimits { secs_max: 2, ..patient });
    assert_eq!(code(&of_time, &bomb), "compile-limit");
    let of_patience = host(CompileLimits { wait_max: Duration::from_secs(2), ..CompileLimits::default() });
    assert_eq!(code(&of_patience, &bomb), "compile-limit");
    for host in [of_time, of_patience] {
        host.load(&paths::plugin("retention-schedule")).unwrap().unwrap();
    }
}

#[test]
fn what_takes_too_much_memory_to_compile_is_ended_and_named_and_the_host_goes_on() {
    let narrow = host(CompileLimits { bytes_max: 192 << 20, ..CompileLimits::default() });
    assert_eq!(code(&narrow, &bomb(20_000, 100)), "compile-limit");
    host(CompileLimits::default()).load(&bomb(1, 2)).unwrap().unwrap();
}
