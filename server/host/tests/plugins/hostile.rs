//! Plugins that mean ill: what they do to a record is that record's fault, and nobody else's.

use std::sync::{Arc, LazyLock};

use crate::common::{Chameleon, SOUND, Scalar};
use cairnlog_host::componentize::{Metadata, componentize};
use cairnlog_host::limits::{BREAKER_FAULTS, MESSAGE_BYTES_MAX};
use cairnlog_host::{
    Action, Fault, FaultKind, Host, HostLimits, Interrupted, Kind, Level, Outcome, Plugin, RawRecord, Stage,
    Verdict,
};
use cairnlog_verify::event::Attribute;
use cairnlog_verify::value::Value;

fn component(chameleon: &Chameleon) -> Vec<u8> {
    let metadata = Metadata {
        name: "chameleon".into(),
        version: "0.1.0".into(),
        summary: "does what it is told".into(),
        license: "Apache-2.0".into(),
        source: "https://example.com/".into(),
    };
    componentize(&chameleon.core(), &metadata).unwrap()
}

fn with(changes: &[(&'static str, Scalar<'static>)]) -> Vec<(&'static str, Scalar<'static>)> {
    SOUND.iter().chain(changes).copied().collect()
}

/// All returns that the tests below ask for.
fn hostile() -> Chameleon {
    let mut chameleon = Chameleon::new();
    let giant = chameleon.repeated_event(30_000, 5000);
    let many = chameleon.repeated_event(1, 10_001);
    let invalid_utf8 = chameleon.put(&[0xff, 0xfe]);
    chameleon
        .events(b'e', &[SOUND, &with(&[("unmapped.x", Scalar::Text("second"))])])
        .events(b'E', &[])
        .events(b'P', &[&with(&[("not a path", Scalar::Null)])])
        .events(b'D', &[&with(&[("time", Scalar::Integer(1))])])
        .events(b'X', &[&with(&[("time.zone", Scalar::Integer(1))])])
        .events(b'L', &[&with(&[("resources[1].name", Scalar::Text("gap"))])])
        .events(b'H', &[&with(&[("$received", Scalar::Integer(1))])])
        .events(b'N', &[&with(&[("score", Scalar::Float(f64::NAN))])])
        .events(b'R', &[&with(&[("raw_data", Scalar::Text("everything"))])])
        .events(b'S', &[&with(&[("raw_data_hash.value", Scalar::Text("00"))])])
        .events(b'T', &[&with(&[("status_id", Scalar::Text("1"))])])
        .events(b'V', &[&SOUND[1..]])
        .outcome(b'G', [0, giant, 5000])
        .outcome(b'M', [0, many, 10_001])
        .outcome(b'O', [0, 0x7fff_0000, 4])
        .outcome(b'U', [1, invalid_utf8, 2])
        .outcome(b'Z', [2, 32_768, 3000])
        .outcome(b'?', [77, 0, 0])
        .redactions(b'A', &[(0, None, 2, 0)])
        .redactions(b'I', &[(9, None, 0, 0)])
        .redactions(b'K', &[(0, None, 1, 5)])
        .redactions(b'Y', &[(1, None, 0, 0)])
        .class(b'B', "Not A Name")
}

static HOST: LazyLock<Host> = LazyLock::new(|| Host::new(HostLimits::default()).unwrap());
static PLUGIN: LazyLock<Arc<Plugin>> = LazyLock::new(fresh);

/// The plugin, loaded anew: nothing that others did to it counts.
fn fresh() -> Arc<Plugin> {
    HOST.load(&component(&hostile())).unwrap().unwrap()
}

/// A stage of its own for each caller: faults of one do not open the breaker of another.
fn stage() -> Stage {
    configured(&PLUGIN)
}

fn configured(plugin: &Arc<Plugin>) -> Stage {
    HOST.configure(plugin, "{}").unwrap().unwrap()
}

fn normalize_on(host: &Host, stage: &Stage, bodies: &[&str]) -> Result<Vec<Verdict<Outcome>>, Interrupted> {
    let records: Vec<_> = bodies
        .iter()
        .map(|body| RawRecord {
            received_ms: 1_700_000_000_000,
            source: "test",
            content_type: "text/plain",
            attributes: &[],
            body: body.as_bytes(),
        })
        .collect();
    host.normalize(stage, &records).map(|run| run.results)
}

fn normalize(bodies: &[&str]) -> Vec<Verdict<Outcome>> {
    normalize_on(&HOST, &stage(), bodies).unwrap()
}

fn skip() -> Outcome {
    Outcome::Skip("nothing in it".into())
}

/// The fault of one body among sound neighbours, whose results must stand.
fn fault(body: &str) -> Fault {
    for place in 0..5 {
        let mut bodies = ["k"; 5];
        bodies[place] = body;
        let mut results = normalize(&bodies);
        let alone = normalize(&[body]).remove(0);
        assert_eq!(results.remove(place), alone, "the verdict on {body} at {place} is that of its own run");
        assert_eq!(results, vec![Ok(skip()); 4], "the neighbours of {body} at {place}");
    }
    normalize(&[body]).remove(0).unwrap_err()
}

#[test]
fn an_endless_loop_spends_its_own_fuel() {
    assert_eq!(fault("l").kind, FaultKind::OutOfFuel);
}

#[test]
fn a_memory_bomb_meets_the_limit() {
    let fault = fault("m");
    assert_eq!(fault.kind, FaultKind::Memory);
    assert!(fault.message.contains("more than the 134217728"), "{fault}");
}

#[test]
fn a_stack_overflow_is_a_trap() {
    let fault = fault("s");
    assert_eq!(fault.kind, FaultKind::Trap);
    assert!(fault.message.contains("call stack exhausted"), "{fault}");
}

#[test]
fn a_trap_is_the_fault_of_its_record_alone() {
    assert_eq!(fault("u").kind, FaultKind::Trap);
    let bodies: Vec<&str> =
        (0..600).map(|i| if [3, 255, 256, 599].contains(&i) { "u" } else { "k" }).collect();
    for (index, verdict) in normalize(&bodies).iter().enumerate() {
        assert_eq!(verdict.is_err(), bodies[index] == "u", "record {index}");
    }
}

#[test]
fn a_wrong_number_of_outcomes_is_found_by_bisecting() {
    let fault = fault("w");
    assert_eq!(fault, Fault { kind: FaultKind::BadReturn, message: "0 outcomes for 1 records".into() });
}

#[test]
fn hostile_returns_are_refused_with_the_reason() {
    for (body, words) in [
        ("E", "empty list of events"),
        ("P", "event 0: attribute"),
        ("D", "time stands twice"),
        ("X", "event 0: "),
        ("L", "event 0: "),
        ("H", "event 0: attribute"),
        ("N", "event 0: attribute"),
        ("R", "copies the raw record"),
        ("S", "copies the raw record"),
        ("T", "status_id is not an integer"),
        ("V", "activity_id is missing"),
        ("G", "too much data"),
        ("M", "10001 events"),
        ("O", "out of bounds"),
        ("U", "utf-8"),
        ("?", "discriminant"),
    ] {
        let fault = fault(body);
        assert_eq!(fault.kind, FaultKind::BadReturn, "{body}: {fault}");
        assert!(fault.message.contains(words), "{body}: {fault}");
    }
}

#[test]
fn sound_returns_come_through_whole() {
    let results = normalize(&["e"]);
    let Ok(Outcome::Events(events)) = &results[0] else { panic!("{results:?}") };
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].attributes().len(), SOUND.len());
    assert_eq!(events[1].get("unmapped.x"), Some(&Value::Text("second".into())));
    let Ok(Outcome::Reject(reason)) = &normalize(&["Z"])[0] else { panic!("Z rejects") };
    assert_eq!(reason.len(), MESSAGE_BYTES_MAX, "long reasons are cut");
}

#[test]
fn nothing_is_remembered_from_batch_to_batch() {
    assert_eq!([normalize(&["c"]), normalize(&["c"])], [[Ok(skip())], [Ok(skip())]]);
    let host = Host::new(HostLimits { batch_records_max: 1, instances: 1, ..HostLimits::default() }).unwrap();
    let stage = host.configure(&host.load(&component(&hostile())).unwrap().unwrap(), "{}").unwrap().unwrap();
    assert_eq!(normalize_on(&host, &stage, &["c"; 5]).unwrap(), vec![Ok(skip()); 5]);
}

/// Counts within its instance, so the second of a batch is not what it is alone.
#[test]
fn a_plugin_that_gives_two_answers_to_one_record_is_run_no_more() {
    let plugin = fresh();
    let (one, other) = (configured(&plugin), configured(&plugin));
    let kinds = |stage: &Stage, bodies: &[&str]| -> Vec<FaultKind> {
        let verdicts = normalize_on(&HOST, stage, bodies).unwrap();
        verdicts.iter().map(|verdict| verdict.as_ref().unwrap_err().kind).collect()
    };
    let two_answers = FaultKind::NotDeterministic;
    assert_eq!(kinds(&one, &["k", "c", "c"]), [two_answers; 3], "the first batch is looked at");
    assert_eq!(kinds(&one, &["k"]), [two_answers]);
    assert_eq!(kinds(&other, &["k"]), [two_answers], "wherever it is bound");
    let loaded_again = configured(&fresh());
    assert_eq!(normalize_on(&HOST, &loaded_again, &["k"]).unwrap(), [Ok(skip())]);
    assert_eq!(kinds(&one.apart(), &["k"]), [two_answers], "nor tried");
    // What is only tried stops nothing but the trial.
    let bound = configured(&fresh());
    let trial = bound.apart();
    assert_eq!(kinds(&trial, &["k", "c", "c"]), [two_answers; 3]);
    assert_eq!(kinds(&trial, &["k"]), [two_answers]);
    assert_eq!(normalize_on(&HOST, &bound, &["k"]).unwrap(), [Ok(skip())]);
    // Answers that are faults both times are the same.
    assert_eq!(kinds(&configured(&fresh()), &["u", "u"]), [FaultKind::Trap; 2]);
}

#[test]
fn a_plugin_that_fails_on_everything_is_not_run_for_a_while_and_only_in_that_source() {
    let (one, other) = (stage(), stage());
    let kinds = |stage: &Stage, body: &str, count: usize| -> Vec<Option<FaultKind>> {
        let verdicts = normalize_on(&HOST, stage, &vec![body; count]).unwrap();
        verdicts.iter().map(|verdict| verdict.as_ref().err().map(|fault| fault.kind)).collect()
    };
    let most = BREAKER_FAULTS as usize;
    assert_eq!(kinds(&one, "u", most - 1), vec![Some(FaultKind::Trap); most - 1]);
    assert_eq!(kinds(&one, "k", 1), [None], "one result, and it counts anew");
    assert_eq!(kinds(&one, "u", most), vec![Some(FaultKind::Trap); most]);
    assert_eq!(kinds(&one, "k", 2), [Some(FaultKind::BreakerOpen); 2]);
    assert_eq!(kinds(&other, "k", 1), [None]);
}

#[test]
fn fuel_is_deterministic_and_a_batch_shares_the_sum() {
    let record = |body| RawRecord { received_ms: 0, source: "s", content_type: "t", attributes: &[], body };
    let fuel = |bodies: &[&'static [u8]]| {
        let records: Vec<_> = bodies.iter().map(|body| record(*body)).collect();
        HOST.normalize(&stage(), &records).unwrap().fuel
    };
    assert_eq!(fuel(&[b"f", b"k"]), fuel(&[b"f", b"k"]));
    assert!((1_000_000..2_000_000).contains(&fuel(&[b"f"])), "{}", fuel(&[b"f"]));
    let host =
        Host::new(HostLimits { fuel_base: 1_000_000, fuel_per_byte: 0, ..HostLimits::default() }).unwrap();
    let stage = host.configure(&host.load(&component(&hostile())).unwrap().unwrap(), "{}").unwrap().unwrap();
    let alone = normalize_on(&host, &stage, &["f"]).unwrap();
    assert_eq!(alone[0].as_ref().unwrap_err().kind, FaultKind::OutOfFuel);
    assert_eq!(normalize_on(&host, &stage, &["f", "k"]).unwrap(), vec![Ok(skip()); 2]);
}

#[test]
fn log_messages_are_cut_counted_and_paid_for() {
    let body = RawRecord { received_ms: 0, source: "s", content_type: "t", attributes: &[], body: b"o" };
    let run = HOST.normalize(&stage(), &vec![body; 100]).unwrap();
    assert_eq!((run.log.count(Level::Error), run.log.count(Level::Info)), (100, 0));
    assert_eq!(run.log.lines().count(), 64);
    assert!(run.log.lines().all(|line| line.message.len() == MESSAGE_BYTES_MAX));
    assert!(!format!("{run:?}").contains("ooo"), "what a plugin logs is not in Debug");
    assert!(run.fuel > 100 * 4000, "{}", run.fuel);
}

fn events() -> Vec<Attribute> {
    vec![
        Attribute { path: "actor.user.name".into(), value: Value::Text("k".into()) },
        Attribute { path: "time".into(), value: Value::Integer(1) },
    ]
}

fn event(code: &str) -> Vec<Attribute> {
    let mut event = events();
    event[0].value = Value::Text(format!("{code}oe"));
    event
}

#[test]
fn a_redactor_is_checked_record_by_record() {
    let codes = ["A", "k", "I", "K", "Y", "u", "l"];
    let events: Vec<_> = codes.iter().map(|code| event(code)).collect();
    let events: Vec<_> = events.iter().map(Vec::as_slice).collect();
    let results = HOST.redact(&stage(), &events).unwrap().results;
    let [redaction] = results[0].as_ref().unwrap().as_slice() else { panic!("{results:?}") };
    assert_eq!((redaction.attribute, redaction.action), (0, Action::Pseudonymize));
    assert_eq!((redaction.entity.as_str(), redaction.rule.as_str()), ("NAME", "rules[0]"));
    assert_eq!(results[1], Ok(vec![]));
    let kinds: Vec<_> = results[2..].iter().map(|verdict| verdict.as_ref().unwrap_err().kind).collect();
    let bad = FaultKind::BadReturn;
    assert_eq!(kinds, [bad, bad, bad, FaultKind::Trap, FaultKind::OutOfFuel]);
}

#[test]
fn a_dropped_attribute_is_not_shown_and_indices_stay_the_callers() {
    let mut event = event("A");
    event.insert(0, Attribute { path: "aaa".into(), value: Value::Dropped([0; 32]) });
    let results = HOST.redact(&stage(), &[&event]).unwrap().results;
    assert_eq!(results[0].as_ref().unwrap()[0].attribute, 1);
}

#[test]
fn a_retention_plugin_is_checked_record_by_record() {
    let events: Vec<_> = ["k", "B", "m"].iter().map(|code| event(code)).collect();
    let events: Vec<_> = events.iter().map(Vec::as_slice).collect();
    let results = HOST.decide(&stage(), &events).unwrap().results;
    let decision = results[0].as_ref().unwrap();
    assert_eq!((decision.class.as_str(), decision.rule.as_str()), ("default", "rules[0]"));
    assert_eq!(results[1].as_ref().unwrap_err().kind, FaultKind::BadReturn);
    assert_eq!(results[2].as_ref().unwrap_err().kind, FaultKind::Memory);
}

#[test]
fn no_records_make_no_run() {
    let run = HOST.normalize(&stage(), &[]).unwrap();
    assert_eq!((run.results.len(), run.fuel), (0, 0));
}

#[test]
fn a_config_is_refused_in_the_plugins_words() {
    let plugin = HOST.load(&component(&hostile())).unwrap().unwrap();
    let refusal = |config: &str| HOST.configure(&plugin, config).unwrap().unwrap_err().message;
    assert_eq!(refusal(r#""refuse""#), "the plugin refused its config: not like this");
    assert!(refusal(r#""undo""#).contains("unreachable"));
    assert!(refusal(r#""loop""#).contains("fuel"));
    assert!(refusal(r#""memory""#).contains("more than"));
    assert!(refusal("{").contains("not JSON"));
    assert!(refusal(&" ".repeat(300_000)).contains("bytes"));
    assert!(HOST.configure(&plugin, "{}").unwrap().is_ok());
}

#[test]
fn a_config_that_the_schema_forbids_never_reaches_the_plugin() {
    let schema = r#"{"type":"object","additionalProperties":false}"#;
    let plugin = HOST.load(&component(&Chameleon::new().schema(schema))).unwrap().unwrap();
    assert_eq!(plugin.schema.as_deref(), Some(schema));
    assert!(HOST.configure(&plugin, r#""undo""#).unwrap().unwrap_err().message.contains("schema"));
    assert!(HOST.configure(&plugin, "{}").unwrap().is_ok());
    let broken = HOST.load(&component(&Chameleon::new().schema("{"))).unwrap().unwrap_err();
    assert_eq!(broken.errors[0].code, "bad-schema");
}

#[test]
fn what_a_component_says_of_itself_is_read() {
    let wasm = component(&hostile());
    let plugin = HOST.load(&wasm).unwrap().unwrap();
    assert_eq!((plugin.name.as_str(), plugin.version.as_str()), ("chameleon", "0.1.0"));
    assert_eq!((plugin.summary.as_str(), plugin.license.as_str()), ("does what it is told", "Apache-2.0"));
    assert_eq!(plugin.source, "https://example.com/");
    assert_eq!(plugin.kinds, [Kind::Normalizer, Kind::Redactor, Kind::Retention]);
    assert!(plugin.imports.contains(&"cairnlog:plugin/host@1.0.0".to_owned()), "{:?}", plugin.imports);
}
