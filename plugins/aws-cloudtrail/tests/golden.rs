//! Fixtures with their expected events, each of which is checked against OCSF's schemas too.

use std::path::Path;

use aws_cloudtrail::CloudTrail;
use cairnlog_plugin::testing::{self, Schemas};

fn schemas() -> Schemas {
    Schemas::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/ocsf"))
}

#[test]
fn fixtures_become_the_expected_events() {
    let outcomes =
        testing::golden(&CloudTrail, &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"));
    assert!(schemas().check_outcomes(&outcomes) > 20);
}

#[test]
fn samples_beside_the_checkout_become_valid_events() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples/aws-cloudtrail.ndjson");
    let Ok(bytes) = std::fs::read(&samples) else {
        println!("skipped: no samples beside the checkout");
        return;
    };
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let outcomes = testing::normalize(&CloudTrail, &lines);
    assert_eq!(schemas().check_outcomes(&outcomes), lines.len());
    nothing_is_lost(&lines, &outcomes);
}

#[test]
fn nothing_of_the_fixtures_is_lost() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for file in std::fs::read_dir(folder).expect("the fixtures can be read") {
        let path = file.expect("the fixtures can be read").path();
        if path.extension().is_some_and(|extension| extension == "ndjson") {
            let bytes = std::fs::read(path).expect("the fixtures can be read");
            let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
            nothing_is_lost(&lines, &testing::normalize(&CloudTrail, &lines));
        }
    }
}

/// Whatever a member holds, what comes of the record is valid: it is read, or refused.
#[test]
fn records_that_are_almost_right_become_whole_and_valid_events_or_none() {
    let schemas = schemas();
    let text = include_str!("fixtures/records.ndjson");
    let records = text.lines().filter_map(|line| serde_json::from_str(line).ok());
    let mut events = 0;
    for record in records.step_by(3) {
        let mutations: Vec<String> = testing::mutations(&record).iter().map(ToString::to_string).collect();
        let bodies: Vec<&[u8]> = mutations.iter().map(String::as_bytes).collect();
        let outcomes = testing::normalize(&CloudTrail, &bodies);
        nothing_is_lost(&bodies, &outcomes);
        events += schemas.check_outcomes(&outcomes);
    }
    assert!(events > 1_000, "only {events} were read");
}

fn nothing_is_lost(lines: &[&[u8]], outcomes: &[serde_json::Value]) {
    for (index, (line, outcome)) in lines.iter().zip(outcomes).enumerate() {
        let Ok(record) = serde_json::from_slice(line) else { continue };
        if outcome.get("events").is_some() {
            let lost = testing::lost(&record, outcome);
            assert!(lost.is_empty(), "record {index} lost {lost:?}: {record}");
        }
    }
}
