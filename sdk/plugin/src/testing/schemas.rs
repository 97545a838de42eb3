//! OCSF's JSON Schemas as an oracle.

use std::collections::BTreeMap;
use std::path::Path;

use jsonschema::Validator;
use serde_json::Value as Json;

/// Compiled JSON Schemas, one an event class.
#[derive(Debug)]
pub struct Schemas(BTreeMap<u64, Validator>);

impl Schemas {
    /// Compiles every `*.json` file of a folder; each is the schema of one class, its `class_uid` a constant in it.
    ///
    /// # Panics
    /// If a file can't be read or is not such a schema.
    #[must_use]
    pub fn load(folder: &Path) -> Self {
        let files = std::fs::read_dir(folder).expect("the folder of schemas can be read");
        let paths = files.map(|file| file.expect("the folder of schemas can be read").path());
        Self(
            paths
                .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
                .map(|path| compile(&path))
                .collect(),
        )
    }

    /// What a class's schema says against an event.
    ///
    /// # Errors
    /// Every violation, or that the class has no schema.
    pub fn check(&self, event: &Json) -> Result<(), String> {
        let class = event.get("class_uid").and_then(Json::as_u64).unwrap_or(0);
        let validator = self.0.get(&class).ok_or_else(|| format!("no schema for class {class}"))?;
        let errors: Vec<String> =
            validator.iter_errors(event).map(|error| format!("{}: {error}", error.instance_path())).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
    }

    /// Checks every event of a harness's outcomes; returns how many there were.
    ///
    /// # Panics
    /// If one violates its schema.
    #[must_use]
    pub fn check_outcomes(&self, outcomes: &[Json]) -> usize {
        let events: Vec<&Json> =
            outcomes.iter().filter_map(|outcome| outcome.get("events")?.as_array()).flatten().collect();
        for event in &events {
            if let Err(errors) = self.check(event) {
                panic!("{errors}\nin {event:#}");
            }
        }
        events.len()
    }
}

fn compile(path: &Path) -> (u64, Validator) {
    let text = std::fs::read(path).expect("a schema can be read");
    let schema: Json = serde_json::from_slice(&text).expect("a schema is JSON");
    let class = schema
        .pointer("/properties/class_uid/const")
        .and_then(Json::as_u64)
        .expect("a schema names its class");
    (class, jsonschema::validator_for(&schema).expect("a schema compiles"))
}
