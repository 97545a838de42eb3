//! Where things lie in a checkout.

use std::fs;
use std::path::{Path, PathBuf};

/// The checkout.
#[must_use]
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("the tests lie below the root").to_path_buf()
}

/// The server's binary, which the same `cargo` command builds beside the tests.
#[must_use]
pub fn binary() -> PathBuf {
    let exe = std::env::current_exe().expect("the test's own path");
    let profile = exe.ancestors().nth(2).expect("a test runs from target/<profile>/deps");
    let binary = profile.join("cairnlog");
    assert!(binary.is_file(), "there is no {}; build the whole workspace first", binary.display());
    binary
}

/// A built plugin's bytes.
#[must_use]
pub fn plugin(name: &str) -> Vec<u8> {
    let path = root().join("target/plugins").join(format!("{name}.wasm"));
    fs::read(&path).unwrap_or_else(|_| panic!("there is no {}; run `make plugins` first", path.display()))
}

/// A file of `examples/`.
#[must_use]
pub fn example(path: &str) -> Vec<u8> {
    let path = root().join("examples").join(path);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A JSON file of `examples/`.
#[must_use]
pub fn example_json(path: &str) -> serde_json::Value {
    serde_json::from_slice(&example(path)).expect("the examples are JSON")
}

/// Every file below `dir`.
#[must_use]
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![dir.to_path_buf()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(&dir).expect("a directory of the test's own") {
            let path = entry.expect("an entry of it").path();
            if path.is_dir() { left.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}
