//! The rules as they are documented.
#![allow(clippy::unwrap_used)]

use cairnlog_plugin::{Attribute, Decision, Plugin as _, Retention as _, Value};
use retention_schedule::RetentionSchedule;

fn event(class_uid: i64) -> Vec<Attribute> {
    let text = |text: &str| Value::Text(text.to_owned());
    let attributes = [
        ("class_uid", Value::Integer(class_uid)),
        ("is_mfa", Value::Boolean(true)),
        ("risk", Value::Float(1.5)),
        ("resources[0].type", text("pods")),
        ("resources[1].type", text("secrets")),
        (r#"unmapped["a.b"]"#, text("1")),
    ];
    attributes.into_iter().map(|(path, value)| Attribute { path: path.to_owned(), value }).collect()
}

fn decide(config: &str, class_uid: i64) -> (String, String) {
    let decision = RetentionSchedule::configure(config).unwrap().decide(&event(class_uid));
    assert_eq!((decision.subject, decision.closes), (None, None));
    (decision.class, decision.rule)
}

fn when(conditions: &str) -> bool {
    decide(&format!("{{\"rules\":[{{\"class\":\"hit\",\"when\":{conditions}}}]}}"), 6003).0 == "hit"
}

#[test]
fn the_documented_config() {
    let config = r#"{"rules": [{"class": "admin-change", "when": {"class_uid": [3001, 3004, 3005]}}, {"class": "default"}]}"#;
    assert_eq!(decide(config, 3004), ("admin-change".to_owned(), "rules[0]".to_owned()));
    assert_eq!(decide(config, 6003), ("default".to_owned(), "rules[1]".to_owned()));
}

#[test]
fn the_first_rule_that_fits_decides_under_its_name() {
    let config = r#"{"rules":[{"class":"a","when":{}, "rule":"first"},{"class":"b"}]}"#;
    assert_eq!(decide(config, 1), ("a".to_owned(), "first".to_owned()));
}

#[test]
fn no_rule_gives_the_class_that_no_log_has() {
    let decided = decide(r#"{"rules":[{"class":"a","when":{"class_uid":[1]}}]}"#, 2);
    assert_eq!(decided, ("no-retention-class".to_owned(), "no rule fits".to_owned()));
}

#[test]
fn conditions() {
    assert!(when(r#"{"class_uid":[1,6003],"is_mfa":[true],"risk":[1.5]}"#));
    assert!(when(r#"{"resources[*].type":["secrets"]}"#));
    assert!(when(r#"{"unmapped[\"a.b\"]":["1"]}"#));
    assert!(when(r#"{"unmapped.**":["1"]}"#));
    assert!(!when(r#"{"class_uid":[6003],"is_mfa":[false]}"#), "all conditions must hold");
    assert!(!when(r#"{"class_uid":["6003"]}"#), "types differ");
    assert!(!when(r#"{"unmapped[\"a.b\"]":[1]}"#), "types differ");
    assert!(!when(r#"{"absent":["x"]}"#));
}

#[test]
fn configs_that_do_not_fit_are_refused() {
    for config in [
        "",
        "{}",
        r#"{"rules":[]}"#,
        r#"{"rules":[{"class":"a"}],"more":1}"#,
        r#"{"rules":[{"class":"a","closes":"b"}]}"#,
        r#"{"rules":[{"class":"a","subject":"user.uid","closes":"B"}]}"#,
        r#"{"rules":[{"when":{}}]}"#,
        r#"{"rules":[{"class":"A"}]}"#,
        r#"{"rules":[{"class":""}]}"#,
        r#"{"rules":[{"class":"no-retention-class"}]}"#,
        r#"{"rules":[{"class":"a","when":{"class_uid":3001}}]}"#,
        r#"{"rules":[{"class":"a","when":{"class_uid":[]}}]}"#,
        r#"{"rules":[{"class":"a","when":{"class_uid":[null]}}]}"#,
        r#"{"rules":[{"class":"a","when":{"class_uid":[[1]]}}]}"#,
        r#"{"rules":[{"class":"a","when":{"a..b":[1]}}]}"#,
        r#"{"rules":[{"class":"a","rule":""}]}"#,
    ] {
        assert!(RetentionSchedule::configure(config).is_err(), "{config}");
    }
}

#[test]
fn the_schema_is_json() {
    let schema: serde_json::Value = serde_json::from_str(RetentionSchedule::schema().unwrap()).unwrap();
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn a_subject_is_what_the_event_says_at_its_path() {
    let config = r#"{"rules":[{"class":"b","subject":"user.uid","closes":"a","when":{"class_uid":[1]}},{"class":"a","subject":"user.uid"}]}"#;
    let schedule = RetentionSchedule::configure(config).unwrap();
    let event = |class_uid, uid| {
        vec![
            Attribute { path: "class_uid".to_owned(), value: Value::Integer(class_uid) },
            Attribute { path: "user.uid".to_owned(), value: uid },
        ]
    };
    let decide = |class_uid, uid| {
        let Decision { class, subject, closes, .. } = schedule.decide(&event(class_uid, uid));
        (class, subject, closes)
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(decide(1, Value::Text("e-17".to_owned())), ("b".to_owned(), text("e-17"), text("a")));
    assert_eq!(decide(2, Value::Integer(17)), ("a".to_owned(), text("17"), None));
    for nobody in [Value::Text(String::new()), Value::Text("x".repeat(2_000)), Value::Null] {
        assert_eq!(decide(2, nobody).1, None);
    }
}
