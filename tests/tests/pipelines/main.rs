//! The built plugins in the host: every event that they make of the sample logs is valid OCSF. And what compiling may take.
#![allow(clippy::unwrap_used)]

mod bombs;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use cairnlog_host::{Host, HostLimits, Outcome, RawRecord, ocsf};
use cairnlog_tests::paths;
use cairnlog_tests::pipelines::EXAMPLES;
use cairnlog_verify::event::Event;
use jsonschema::Validator;
use serde_json::Value;

/// Schemas of OCSF 1.8.0 by class.
fn schemas() -> BTreeMap<i64, Validator> {
    let dir = paths::root().join("tests/fixtures/ocsf");
    let schema = |path: PathBuf| {
        let schema: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let class = &schema["properties"]["class_uid"];
        let class = class["const"].as_i64().or_else(|| class["enum"][0].as_i64());
        let class = class.unwrap_or_else(|| panic!("{} names no class", path.display()));
        (class, jsonschema::validator_for(&schema).unwrap())
    };
    let files =
        paths::files(&dir).into_iter().filter(|path| path.extension().is_some_and(|name| name == "json"));
    files.map(schema).collect()
}

/// What a normalizer made of a file's lines: events, and how many lines were refused.
struct Normalized {
    events: Vec<Event>,
    refused: usize,
}

fn normalize(host: &Host, plugin: &str, content_type: &str, text: &[u8]) -> Normalized {
    let plugin = host.load(&paths::plugin(plugin)).unwrap().unwrap();
    let stage = host.configure(&plugin, "{}").unwrap().unwrap();
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let mut made = Normalized { events: Vec::new(), refused: 0 };
    for chunk in lines.chunks(256) {
        let raw = |body| RawRecord {
            received_ms: 1_795_426_503_792,
            source: "test",
            content_type,
            attributes: &[],
            body,
        };
        let records: Vec<RawRecord<'_>> = chunk.iter().map(|line| raw(line)).collect();
        for result in host.normalize(&stage, &records).unwrap().results {
            match result.expect("no fault on any line") {
                Outcome::Events(events) => made.events.extend(events),
                Outcome::Skip(_) => {}
                Outcome::Reject(_) => made.refused += 1,
            }
        }
    }
    made
}

/// Checks events against their schemas; all that is wrong, each kind of fault once.
fn faults(schemas: &BTreeMap<i64, Validator>, events: &[Event]) -> BTreeSet<String> {
    let mut faults = BTreeSet::new();
    for event in events {
        faults.extend(ocsf::violations(event));
        let json = event.to_json();
        let class = json["class_uid"].as_i64().unwrap();
        let Some(schema) = schemas.get(&class) else {
            faults.insert(format!("no schema of class {class}"));
            continue;
        };
        for error in schema.iter_errors(&json) {
            faults.insert(format!("{class} at {}: {error}", error.instance_path()));
        }
        let profiles = json["metadata"]["profiles"].as_array().cloned().unwrap_or_default();
        if profiles.contains(&"cloud".into()) && json["cloud"]["provider"].as_str().is_none() {
            faults.insert(format!("{class}: the profile cloud without a cloud"));
        }
        let types = (json["type_uid"].as_i64().unwrap(), json["activity_id"].as_i64().unwrap());
        if types.0 != class * 100 + types.1 {
            faults.insert(format!("{class}: type_uid {} of activity {}", types.0, types.1));
        }
    }
    faults
}

fn report(faults: &BTreeSet<String>) -> String {
    faults.iter().take(20).fold(String::new(), |mut text, fault| {
        let _ = writeln!(text, "{}", fault.chars().take(400).collect::<String>());
        text
    })
}

#[test]
fn every_event_of_the_examples_is_valid_ocsf() {
    let (host, schemas) = (Host::new(HostLimits::default()).unwrap(), schemas());
    let mut classes = BTreeSet::new();
    for example in EXAMPLES {
        let content_type = if example.name == "web-access" { "text/plain" } else { "application/json" };
        let made = normalize(&host, example.name, content_type, &example.bytes());
        assert!(made.events.len() > 100, "{}", example.name);
        assert!((1..=3).contains(&made.refused), "{}: {} refused", example.name, made.refused);
        let faults = faults(&schemas, &made.events);
        assert!(faults.is_empty(), "{}:\n{}", example.name, report(&faults));
        classes.extend(made.events.iter().map(|event| event.to_json()["class_uid"].as_i64().unwrap()));
    }
    assert!(classes.len() >= 6, "{classes:?}");
}

/// Larger samples of the same formats, where they lie beside the checkout; they are no part of it.
fn sample(name: &str) -> Option<Vec<u8>> {
    let beside: &Path = &paths::root();
    fs::read(beside.parent()?.join("shared/samples").join(name)).ok()
}

#[test]
fn every_event_of_the_samples_beside_the_checkout_is_valid_ocsf() {
    let (host, schemas) = (Host::new(HostLimits::default()).unwrap(), schemas());
    for (plugin, content_type, file) in [
        ("aws-cloudtrail", "application/json", "aws-cloudtrail.ndjson"),
        ("kubernetes-audit", "application/json", "kubernetes-audit.ndjson"),
        ("web-access", "text/plain", "apache-access.log"),
    ] {
        let Some(text) = sample(file) else {
            eprintln!("{file} is not there; nothing was checked with it");
            continue;
        };
        let made = normalize(&host, plugin, content_type, &text);
        assert_eq!(made.refused, 0, "{file}");
        assert!(made.events.len() >= 100, "{file}: {}", made.events.len());
        let faults = faults(&schemas, &made.events);
        assert!(faults.is_empty(), "{file}:\n{}", report(&faults));
    }
}

#[test]
fn what_a_record_becomes_depends_on_nothing_but_itself() {
    let host = Host::new(HostLimits::default()).unwrap();
    for example in EXAMPLES {
        let plugin = host.load(&paths::plugin(example.name)).unwrap().unwrap();
        let stage = host.configure(&plugin, "{}").unwrap().unwrap();
        let text = example.bytes();
        let lines: Vec<&[u8]> =
            text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).take(60).collect();
        let raw = |body| RawRecord {
            received_ms: 0,
            source: "test",
            content_type: "application/json",
            attributes: &[],
            body,
        };
        let records: Vec<RawRecord<'_>> = lines.iter().map(|line| raw(line)).collect();
        let together = host.normalize(&stage, &records).unwrap().results;
        for (record, in_company) in records.iter().zip(&together) {
            let alone = host.normalize(&stage, std::slice::from_ref(record)).unwrap().results;
            assert_eq!(alone.first(), Some(in_company), "{}", example.name);
        }
        let reversed: Vec<RawRecord<'_>> = lines.iter().rev().map(|line| raw(line)).collect();
        let mut backwards = host.normalize(&stage, &reversed).unwrap().results;
        backwards.reverse();
        assert_eq!(backwards, together, "{}", example.name);
    }
}

#[test]
fn the_hosts_own_rules_hold_for_every_event_of_the_examples() {
    let host = Host::new(HostLimits::default()).unwrap();
    for example in EXAMPLES {
        for event in normalize(&host, example.name, "application/json", &example.bytes()).events {
            assert_eq!(ocsf::violations(&event), Vec::<String>::new(), "{}", example.name);
        }
    }
}
