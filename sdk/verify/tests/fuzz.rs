//! The fuzz targets over their kept seeds: those named `good…` are taken, those named `bad…` refused, none panics.
#![allow(clippy::unwrap_used)]

use std::path::Path;

#[allow(clippy::missing_panics_doc, clippy::must_use_candidate, reason = "panicking is how a target reports")]
#[path = "../../../fuzz/src/lib.rs"]
pub mod targets;

/// Runs a target over its seeds, and over each of them cut short and with bits turned.
fn run(name: &str, target: fn(&[u8]) -> bool) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(name);
    let (mut good, mut bad) = (0, 0);
    for seed in std::fs::read_dir(&seeds).unwrap() {
        let seed = seed.unwrap();
        let (name, bytes) = (seed.file_name().into_string().unwrap(), std::fs::read(seed.path()).unwrap());
        let taken = target(&bytes);
        assert_eq!(taken, name.starts_with("good"), "{name}");
        *if taken { &mut good } else { &mut bad } += 1;
        let step = (bytes.len() / 64).max(1);
        for at in (0..bytes.len()).step_by(step) {
            target(&bytes[..at]);
            let mut turned = bytes.clone();
            turned[at] ^= 1 << (at % 8);
            target(&turned);
        }
    }
    assert!(good > 0 && bad > 0, "{name} has {good} good and {bad} bad seeds");
}

#[test]
fn paths() {
    run("paths", targets::paths);
}

#[test]
fn notes() {
    run("notes", targets::notes);
}

#[test]
fn checkpoints() {
    run("checkpoints", targets::checkpoints);
}

#[test]
fn tile_paths() {
    run("tile_paths", targets::tile_paths);
}

#[test]
fn bundles() {
    run("bundles", targets::bundles);
}

#[test]
fn receipts() {
    run("receipts", targets::receipts);
}

#[test]
fn disclosures() {
    run("disclosures", targets::disclosures);
}

#[test]
fn witness_requests() {
    run("witness_requests", targets::witness_requests);
}

#[test]
fn entries() {
    run("entries", targets::entries);
}

#[test]
fn policies() {
    run("policies", targets::policies);
}

#[test]
fn cose_receipts() {
    run("cose_receipts", targets::cose_receipts);
}
