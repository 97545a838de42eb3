//! Fixtures with their expected events, each of which is checked against OCSF's schemas too.

use std::path::Path;

use cairnlog_plugin::testing::{self, Schemas};
use web_access::WebAccess;

fn schemas() -> Schemas {
    Schemas::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/ocsf"))
}

#[test]
fn fixtures_become_the_expected_events() {
    let outcomes = testing::golden(&WebAccess, &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"));
    assert!(schemas().check_outcomes(&outcomes) > 20);
}

#[test]
fn samples_beside_the_checkout_become_valid_events() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples/apache-access.log");
    let Ok(bytes) = std::fs::read(&samples) else {
        println!("skipped: no samples beside the checkout");
        return;
    };
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let outcomes = testing::normalize(&WebAccess, &lines);
    assert_eq!(schemas().check_outcomes(&outcomes), lines.len());
}

/// Wherever a line is cut, and whichever word it lacks, what comes of it is valid: it is read, or refused.
#[test]
fn lines_that_are_almost_right_become_valid_events_or_none() {
    let mut lines = Vec::new();
    for line in include_str!("fixtures/access.log").lines() {
        let cuts = line.char_indices().step_by(3).map(|(at, _)| line[..at].to_owned());
        let words: Vec<&str> = line.split(' ').collect();
        let fewer = (0..words.len()).map(|word| [&words[..word], &words[word + 1..]].concat().join(" "));
        lines.extend(cuts.chain(fewer));
    }
    let bodies: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
    assert!(schemas().check_outcomes(&testing::normalize(&WebAccess, &bodies)) > 100);
}
