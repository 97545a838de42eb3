//! The backstop: interruptions by epoch, with the epoch moved by hand.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::componentize::{Metadata, componentize};

#[path = "../../tests/plugins/common.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "shared with the black-box tests")]
mod common;

/// A host whose epoch stands still by itself, and whose records have all the fuel that they want.
fn host() -> (Host, Stage) {
    let limits =
        HostLimits { epoch_ms: 1 << 40, epochs_max: 1, fuel_base: u64::MAX / 2, ..HostLimits::default() };
    let host = Host::new(limits).expect("the machine has an address space");
    let metadata = Metadata { name: "x".into(), version: "1".into(), ..Metadata::default() };
    let component = componentize(&common::Chameleon::new().core(), &metadata).expect("a component");
    let plugin = host.load(&component).expect("a verdict").expect("a plugin");
    let stage = host.configure(&plugin, "{}").expect("a verdict").expect("it takes any config");
    (host, stage)
}

fn record(body: &[u8]) -> RawRecord<'_> {
    RawRecord { received_ms: 0, source: "s", content_type: "t", attributes: &[], body }
}

#[test]
fn a_plugin_beyond_its_time_fails_the_request_and_no_record() {
    let (host, stage) = host();
    let done = AtomicBool::new(false);
    let run = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                host.inner.engine.increment_epoch();
                std::thread::yield_now();
            }
        });
        let run = host.normalize(&stage, &[record(b"k"), record(b"l")]);
        done.store(true, Ordering::SeqCst);
        run
    });
    assert_eq!(run, Err(Interrupted::Deadline));
    let after = host.normalize(&stage, &[record(b"k")]).expect("the host works on");
    assert!(after.results[0].is_ok());
}

#[test]
fn an_interrupted_batch_is_tried_once_more() {
    let (host, stage) = host();
    let runs = Cell::new(0);
    let interrupted = |times| {
        runs.set(0);
        let run = host.run(&stage, &[1, 1], |_, range| {
            runs.set(runs.get() + 1);
            if runs.get() <= times {
                Err(wasmtime::Trap::Interrupt.into())
            } else {
                Ok(Ok(range.map(Ok).collect()))
            }
        });
        (run.map(|run| run.results), runs.get())
    };
    // Of the plugin's first batch one record is looked at again.
    assert_eq!(interrupted(0), (Ok(vec![Ok(0), Ok(1)]), 2));
    assert_eq!(interrupted(1), (Ok(vec![Ok(0), Ok(1)]), 2));
    assert_eq!(interrupted(2), (Err(Interrupted::Deadline), 2));
}

#[test]
fn a_plugin_that_can_not_be_set_up_any_more_fails_the_request() {
    let (_host, stage) = host();
    let limits = HostLimits { memory_bytes_max: 64 << 10, ..HostLimits::default() };
    let small = Host::new(limits).expect("the machine has an address space");
    assert!(matches!(small.set_up(&stage), Err(Interrupted::Setup(_))));
}
