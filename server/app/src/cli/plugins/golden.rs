//! `plugin test`: samples through the plugin as the server would run them, compared with what they must become.

use std::collections::BTreeMap;
use std::path::Path;

use cairnlog_host::{FaultKind, Kind};
use include_dir::{Dir, include_dir};
use jsonschema::Validator;
use serde_json::Value as Json;

use super::project::Project;
use super::runner::{Made, Runner, Sample};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{rows, visible, visible_json};
use crate::cli::sources::read_json;

/// OCSF 1.8.0, the classes that access logs are of.
static OCSF: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../tests/fixtures/ocsf");

/// Differences and faults that are shown of a sample.
const SHOWN_MAX: usize = 20;

/// What a trap without a word of the plugin's own mostly is.
const TRAP_HINT: &str =
    "\n  a plugin has no clock, no randomness, no files: where its language has them, such a call is a trap";

/// Tests a project; with `bless` what its samples become is what they must become from now on.
pub(super) fn test(project: &Project, runner: &Runner, bless: bool) -> Result<Exit, Failure> {
    let mut schemas = Schemas::default();
    let (mut table, mut failed, mut differing) = (Vec::new(), 0, 0);
    let (mut fuel, mut memory) = ((0, 1), 0);
    for path in project.samples()? {
        let sample = runner.sample(&path)?;
        let made = runner.alone(&sample)?;
        let golden = project.golden(&path);
        let mut faults = faults(runner, &mut schemas, &sample, &made)?;
        if bless {
            if faults.is_empty() {
                write(&golden, &made)?;
                eprintln!("{} is what the plugin must make from now on", golden.display());
            } else {
                eprintln!("{} is left as it is: what is faulty can't be accepted", golden.display());
            }
        }
        let differences = differences(&golden, &made)?;
        // What fails can't be as it should; that is said already.
        if faults.is_empty() {
            differing += differences.len();
            faults = differences;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for fault in faults.iter().take(SHOWN_MAX) {
            eprintln!("{name}: {fault}\n");
        }
        if faults.len() > SHOWN_MAX {
            eprintln!("{name}: and {} more", faults.len() - SHOWN_MAX);
        }
        failed += faults.len();
        for Made { fuel: (spent, most), memory_bytes, .. } in &made {
            // The record that comes nearest to its limit.
            if u128::from(*spent) * u128::from(fuel.1) >= u128::from(fuel.0) * u128::from(*most) {
                fuel = (*spent, *most);
            }
            memory = memory.max(*memory_bytes);
        }
        let verdict = if faults.is_empty() { "good" } else { "not good" };
        table.push(vec![visible(&name), made.len().to_string(), verdict.to_owned()]);
    }
    for orphan in project.orphans()? {
        failed += 1;
        eprintln!("{} is of no sample: delete it, or bring its sample back\n", orphan.display());
    }
    rows(&mut std::io::stdout(), &["sample", "records", "result"], table)?;
    let limits = cairnlog_host::HostLimits::default();
    println!();
    rows(
        &mut std::io::stdout(),
        &["limit", "used at most", "of", ""],
        [
            limit("fuel of a record", fuel.0, fuel.1),
            limit("memory of an instance, bytes", memory as u64, limits.memory_bytes_max as u64),
        ],
    )?;
    if failed == 0 {
        return Ok(Exit::Good);
    }
    if differing > 0 {
        eprintln!("If that is what the plugin shall do, accept it: `cairnlog plugin test --bless`.");
    }
    Ok(Exit::Refused)
}

fn limit(name: &str, used: u64, most: u64) -> Vec<String> {
    let share = used.saturating_mul(1_000) / most.max(1);
    vec![name.to_owned(), used.to_string(), most.to_string(), format!("{}.{} %", share / 10, share % 10)]
}

/// What is wrong whatever the golden file says: faults, events against OCSF, records that depend on their neighbours.
fn faults(
    runner: &Runner,
    schemas: &mut Schemas,
    sample: &Sample,
    made: &[Made],
) -> Result<Vec<String>, Failure> {
    let mut faults = Vec::new();
    let (together, _) = runner.together(sample)?;
    for (number, (made, together)) in (1..).zip(made.iter().zip(together)) {
        if let Some(fault) = made.json.get("fault") {
            let kind = text(fault, "kind");
            let hint = if kind == FaultKind::Trap.slug() { TRAP_HINT } else { "" };
            faults.push(format!("record {number} fails: {kind}: {}{hint}", text(fault, "message")));
        } else if made.json != together {
            faults.push(format!(
                "record {number} becomes something else in a batch than alone: a plugin's answer may depend on its record and config \
                 alone\n  alone:   {}\n  batched: {together}",
                made.json
            ));
        }
        if runner.kind() == Kind::Normalizer {
            let events = made.json.get("events").and_then(Json::as_array);
            for event in events.into_iter().flatten() {
                faults.extend(schemas.errors(event).map(|error| format!("record {number}: {error}")));
            }
        }
    }
    Ok(faults)
}

fn text<'a>(fault: &'a Json, member: &str) -> &'a str {
    fault.get(member).and_then(Json::as_str).unwrap_or_default()
}

fn write(golden: &Path, made: &[Made]) -> Result<(), Failure> {
    let all = Json::Array(made.iter().map(|made| made.json.clone()).collect());
    if let Some(dir) = golden.parent() {
        std::fs::create_dir_all(dir).map_err(|error| Failure::file(dir, &error))?;
    }
    std::fs::write(golden, format!("{all:#}\n")).map_err(|error| Failure::file(golden, &error))
}

/// Where what was made is not what the golden file says.
fn differences(golden: &Path, made: &[Made]) -> Result<Vec<String>, Failure> {
    if !golden.is_file() {
        return Ok(vec![format!("there is no {}: `--bless` writes it", golden.display())]);
    }
    let wanted = read_json(golden)?;
    let wanted = wanted.as_array().ok_or_else(|| {
        Failure::usage(format!("{} is no list with one element a record", golden.display()))
    })?;
    let mut differences = Vec::new();
    for (number, (made, wanted)) in (1..).zip(made.iter().zip(wanted)) {
        if made.json != *wanted {
            differences.push(format!(
                "record {number} is not what {} says\n{}",
                golden.display(),
                difference(wanted, &made.json)
            ));
        }
    }
    if made.len() != wanted.len() {
        let (golden, wanted) = (golden.display(), wanted.len());
        differences.push(format!("there are {} records, and {golden} is of {wanted}", made.len()));
    }
    Ok(differences)
}

/// Lines that only one of two documents has.
fn difference(wanted: &Json, made: &Json) -> String {
    let (wanted, made) = (visible_json(wanted), visible_json(made));
    let own = |text: &str, other: &str, mark: char| {
        let own = text.lines().filter(|line| !other.lines().any(|known| known == *line));
        own.map(|line| format!("  {mark} {line}")).collect::<Vec<_>>()
    };
    let lines = [own(&wanted, &made, '-'), own(&made, &wanted, '+')].concat();
    lines.join("\n")
}

/// JSON Schemas of OCSF, compiled when first asked for.
#[derive(Default)]
struct Schemas(BTreeMap<i64, Option<Validator>>);

impl Schemas {
    fn errors(&mut self, event: &Json) -> impl Iterator<Item = String> {
        let class = event.get("class_uid").and_then(Json::as_i64).unwrap_or_default();
        let validator = self.0.entry(class).or_insert_with(|| compile(class));
        let errors: Vec<String> = validator
            .iter()
            .flat_map(|validator| validator.iter_errors(event))
            .map(|error| {
                // The schema's own words quote the value, which may be long.
                format!(
                    "OCSF 1.8.0, class {class}, at {}: {}",
                    error.instance_path(),
                    crate::cli::output::cut(&error.to_string(), 200)
                )
            })
            .collect();
        errors.into_iter()
    }
}

/// The schema of a class, if it is there; else the host's own checks have to do.
fn compile(class: i64) -> Option<Validator> {
    let schemas = OCSF.files().filter_map(|file| serde_json::from_slice::<Json>(file.contents()).ok());
    let is_of = |schema: &Json| {
        let uid = &schema["properties"]["class_uid"];
        uid["const"].as_i64().or_else(|| uid["enum"][0].as_i64()) == Some(class)
    };
    schemas.into_iter().find(is_of).and_then(|schema| jsonschema::validator_for(&schema).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_are_checked_against_the_schema_of_their_class() {
        let mut schemas = Schemas::default();
        let errors: Vec<String> = schemas.errors(&json!({"class_uid": 6003, "time": "noon"})).collect();
        assert!(errors.iter().any(|error| error.contains("class 6003")), "{errors:?}");
        assert_eq!(schemas.errors(&json!({"class_uid": 1})).count(), 0, "a class without a schema here");
    }

    #[test]
    fn a_difference_shows_the_lines_that_one_side_has_alone() {
        let shown = difference(&json!({"a": 1, "b": 2}), &json!({"a": 1, "b": 3}));
        assert_eq!(shown, "  -   \"b\": 2\n  +   \"b\": 3");
    }

    #[test]
    fn a_limit_is_shown_with_its_share() {
        assert_eq!(limit("x", 25, 1_000), ["x", "25", "1000", "2.5 %"]);
    }
}
