//! Templates and SDKs are put into the binary by a macro that does not say so to cargo.

fn main() {
    for folder in ["../../sdk", "../../wit", "../../tests/fixtures/ocsf"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
