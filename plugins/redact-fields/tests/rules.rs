//! The rules as they are documented.
#![allow(clippy::unwrap_used)]

use cairnlog_plugin::{Action, Attribute, Plugin as _, Redaction, Redactor as _, Value};
use redact_fields::RedactFields;

fn event() -> Vec<Attribute> {
    let text = |text: &str| Value::Text(text.to_owned());
    let attributes = [
        ("class_uid", Value::Integer(6003)),
        ("metadata.version", text("1.8.0")),
        ("actor.user.email_addr", text("alice@example.com")),
        ("src_endpoint.ip", text("203.0.113.7")),
        ("src_endpoint.port", Value::Integer(443)),
        ("resources[0].uid", text("a")),
        ("resources[1].uid", text("b")),
        (r#"unmapped.annotations["x/y"]"#, text("secret")),
        ("unmapped.empty", Value::EmptyObject),
    ];
    attributes.into_iter().map(|(path, value)| Attribute { path: path.to_owned(), value }).collect()
}

fn redact(rules: &str) -> Vec<(String, Action, String)> {
    let event = event();
    let plugin = RedactFields::configure(&format!("{{\"rules\":{rules}}}")).unwrap();
    let named = |redaction: Redaction| {
        assert_eq!(redaction.span, None);
        (event[redaction.attribute as usize].path.clone(), redaction.action, redaction.rule)
    };
    plugin.redact(&event).into_iter().map(named).collect()
}

fn expected(rows: &[(&str, Action, &str)]) -> Vec<(String, Action, String)> {
    rows.iter().map(|(path, action, rule)| ((*path).to_owned(), *action, (*rule).to_owned())).collect()
}

#[test]
fn the_documented_config() {
    let rules = r#"[{"path": "actor.user.email_addr", "action": "pseudonymize", "entity": "EMAIL_ADDRESS"},
                    {"path": "src_endpoint.ip", "action": "drop", "entity": "IP_ADDRESS"},
                    {"path": "unmapped.**", "action": "mask", "keep": 4, "entity": "UNMAPPED"}]"#;
    assert_eq!(
        redact(rules),
        expected(&[
            ("actor.user.email_addr", Action::Pseudonymize, "rules[0]"),
            ("src_endpoint.ip", Action::Drop, "rules[1]"),
            (r#"unmapped.annotations["x/y"]"#, Action::Mask(4), "rules[2]"),
        ])
    );
    let plugin = RedactFields::configure(&format!("{{\"rules\":{rules}}}")).unwrap();
    assert_eq!(plugin.redact(&event())[1].entity, "IP_ADDRESS");
}

#[test]
fn wildcards_leave_what_an_event_is_known_by() {
    let paths: Vec<String> = redact(r#"[{"path":"**","action":"drop","entity":"ALL","rule":"all"}]"#)
        .into_iter()
        .map(|(path, _, rule)| {
            assert_eq!(rule, "all");
            path
        })
        .collect();
    assert_eq!(paths.len(), event().len() - 2);
    assert!(!paths.contains(&"class_uid".to_owned()) && !paths.contains(&"metadata.version".to_owned()));
}

#[test]
fn one_segment_and_index() {
    assert_eq!(
        redact(
            r#"[{"path":"resources[*].uid","action":"mask","entity":"ID"},{"path":"src_endpoint.*","action":"mask","entity":"SRC"}]"#
        ),
        expected(&[
            ("src_endpoint.ip", Action::Mask(0), "rules[1]"),
            ("src_endpoint.port", Action::Mask(0), "rules[1]"),
            ("resources[0].uid", Action::Mask(0), "rules[0]"),
            ("resources[1].uid", Action::Mask(0), "rules[0]"),
        ])
    );
}

#[test]
fn the_first_rule_decides_but_drop_goes_before() {
    let mask = r#"{"path":"src_endpoint.ip","action":"mask","entity":"A"}"#;
    let token = r#"{"path":"src_endpoint.*","action":"pseudonymize","entity":"B"}"#;
    let drop = r#"{"path":"*.ip","action":"drop","entity":"C"}"#;
    let of_ip = |rules: &str| redact(rules).into_iter().find(|row| row.0 == "src_endpoint.ip").unwrap().1;
    assert_eq!(of_ip(&format!("[{mask},{token}]")), Action::Mask(0));
    assert_eq!(of_ip(&format!("[{token},{mask}]")), Action::Pseudonymize);
    assert_eq!(of_ip(&format!("[{mask},{token},{drop}]")), Action::Drop);
}

#[test]
fn configs_that_do_not_fit_are_refused() {
    for config in [
        "",
        "null",
        "{}",
        r#"{"rules":[]}"#,
        r#"{"rules":[],"more":1}"#,
        r#"{"rules":[{"path":"a","action":"drop","entity":"A","colour":1}]}"#,
        r#"{"rules":[{"path":"a","action":"hide","entity":"A"}]}"#,
        r#"{"rules":[{"path":"a","action":"drop"}]}"#,
        r#"{"rules":[{"path":"a","action":"drop","entity":"a"}]}"#,
        r#"{"rules":[{"path":"a","action":"drop","entity":"A","keep":1}]}"#,
        r#"{"rules":[{"path":"a","action":"mask","entity":"A","keep":5}]}"#,
        r#"{"rules":[{"path":"a","action":"mask","entity":"A","rule":""}]}"#,
        r#"{"rules":[{"path":"a..b","action":"drop","entity":"A"}]}"#,
        r#"{"rules":[{"path":"**.b","action":"drop","entity":"A"}]}"#,
        r#"{"rules":[{"path":"$received","action":"drop","entity":"A"}]}"#,
        r#"{"rules":[{"path":"type_uid","action":"drop","entity":"A"}]}"#,
    ] {
        assert!(RedactFields::configure(config).is_err(), "{config}");
    }
}

#[test]
fn the_schema_is_json() {
    let schema: serde_json::Value = serde_json::from_str(RedactFields::schema().unwrap()).unwrap();
    assert_eq!(schema["properties"]["rules"]["items"]["additionalProperties"], false);
}
