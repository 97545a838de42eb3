//! Golden files.

use std::path::Path;

use serde_json::Value as Json;

use crate::Normalizer;

/// Set to write the golden files anew instead of comparing; read the difference before you keep it.
const BLESS: &str = "CAIRNLOG_BLESS";

/// Normalizes every line of every `*.log` and `*.ndjson` file of a folder and compares with the file's neighbour
/// `NAME.expected.json`, a JSON list with one outcome a line. An empty line is an empty record. Returns all outcomes, for
/// further checks. With the variable `CAIRNLOG_BLESS` set it writes the neighbours instead.
///
/// # Panics
/// If an outcome differs from the expected one, an event breaks a rule, a file can't be read or there is none.
pub fn golden<P: Normalizer>(plugin: &P, folder: &Path) -> Vec<Json> {
    let mut inputs: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of golden files can be read")
        .map(|entry| entry.expect("the folder of golden files can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log" || extension == "ndjson"))
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "no golden files in {}", folder.display());
    inputs.iter().flat_map(|input| compare(plugin, input)).collect()
}

fn compare<P: Normalizer>(plugin: &P, input: &Path) -> Vec<Json> {
    let bytes = std::fs::read(input).expect("a golden input can be read");
    let lines: Vec<&[u8]> =
        bytes.strip_suffix(b"\n").unwrap_or(&bytes).split(|byte| *byte == b'\n').collect();
    let outcomes = super::normalize(plugin, &lines);
    let neighbour = input.with_extension("expected.json");
    if std::env::var_os(BLESS).is_some() {
        let text = serde_json::to_string_pretty(&outcomes).expect("outcomes are JSON");
        std::fs::write(&neighbour, text + "\n").expect("a golden file can be written");
    }
    let expected = std::fs::read(&neighbour).expect("a golden input has its expected outcomes beside it");
    let expected: Vec<Json> = serde_json::from_slice(&expected).expect("expected outcomes are JSON");
    for (index, (outcome, expected)) in outcomes.iter().zip(&expected).enumerate() {
        assert_eq!(outcome, expected, "line {} of {}", index + 1, input.display());
    }
    assert_eq!(outcomes.len(), expected.len(), "{}", input.display());
    outcomes
}
