//! What the tests of the worker side share.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod ledger;

use cairnlog_ledger::class::{Chosen, Class, Retention};
use cairnlog_ledger::handles::Random;
use cairnlog_ledger::payload::{NoteAction, RedactionNote};
use cairnlog_ledger::worker::Draft;
use cairnlog_verify::entry::{Body, Digest};
use cairnlog_verify::event::Attribute;
use cairnlog_verify::raw::RawInput;
use cairnlog_verify::value::Value;

pub(crate) const ORIGIN: &str = "log.example/hr";
pub(crate) const RECEIVED_MS: u64 = 1_795_426_503_792;
pub(crate) const RAW_SALT: [u8; 32] = [0x5a; 32];

/// Not random at all: bytes that count up over all calls.
#[derive(Default)]
pub(crate) struct Counting(std::sync::atomic::AtomicU8);

impl Random for Counting {
    fn fill(&self, out: &mut [u8]) {
        out.fill_with(|| self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    }
}

pub(crate) fn text(path: &str, text: &str) -> Attribute {
    Attribute { path: path.to_owned(), value: Value::Text(text.to_owned()) }
}

pub(crate) fn integer(path: &str, integer: i64) -> Attribute {
    Attribute { path: path.to_owned(), value: Value::Integer(integer) }
}

pub(crate) fn raw_input() -> RawInput<'static> {
    RawInput {
        received_ms: RECEIVED_MS,
        source: "okta-prod",
        content_type: "application/x-ndjson",
        attributes: &[],
        body: br#"{"eventType":"user.session.start"}"#,
    }
}

/// An event with every type of value, as it is after redaction.
pub(crate) fn event() -> Vec<Attribute> {
    vec![
        integer("activity_id", 1),
        text("activity_name", "Logon"),
        text("actor.user.email_addr", "tok1_w5fdbzbu4mbyq2rkarxsoorpqq"),
        text("actor.user.name", "ann"),
        integer("category_uid", 3),
        integer("class_uid", 3002),
        text("metadata.product.name", "Okta"),
        text("metadata.uid", "dc9fd3c0-598c-11ef-8478-2b7584bf8d5a"),
        text("metadata.version", "1.8.0"),
        integer("severity_id", 1),
        Attribute { path: "src_endpoint.ip".to_owned(), value: Value::Dropped([0xd0; 32]) },
        integer("status_id", 1),
        integer("time", 1_795_426_499_001),
        integer("type_uid", 300_201),
        Attribute { path: "unmapped.debugContext".to_owned(), value: Value::EmptyObject },
        Attribute { path: "unmapped.is_proxy".to_owned(), value: Value::Boolean(false) },
        Attribute { path: "unmapped.nothing".to_owned(), value: Value::Null },
        Attribute { path: "unmapped.risk".to_owned(), value: Value::Float(0.25) },
        Attribute { path: "unmapped.target".to_owned(), value: Value::EmptyList },
        integer(r#"unmapped["größe/x"]"#, 9_007_199_254_740_993),
        text("user.email_addr", "Bea@Example.com"),
        text("user.name", "Bea Ünlü"),
    ]
}

pub(crate) fn notes() -> Vec<RedactionNote> {
    let note = |path: &str, action, entity: &str, rule: &str| RedactionNote {
        path: path.to_owned(),
        action,
        entity: entity.to_owned(),
        rule: rule.to_owned(),
        plugin: "redact-fields@0.1.0".to_owned(),
    };
    vec![
        note("actor.user.email_addr", NoteAction::Pseudonymize, "EMAIL_ADDRESS", "rules[0]"),
        note("src_endpoint.ip", NoteAction::Drop, "IP_ADDRESS", "rules[1]"),
    ]
}

pub(crate) fn retention() -> Retention {
    let chosen = Chosen { class: "default".to_owned(), rule: "rules[1]".to_owned() };
    Retention { chosen: Some(chosen), class: Class::default_of_log() }
}

pub(crate) fn record() -> Draft {
    Draft {
        received_ms: RECEIVED_MS,
        body: Body::Record {
            source: "okta-prod".to_owned(),
            pipeline: Digest([0x77; 32]),
            raw: raw_input().commit(&RAW_SALT),
            part: (0, 1),
        },
        attributes: event(),
        redactions: notes(),
        raw_salt: Some(RAW_SALT),
        retention: Some(retention()),
        quarantined: None,
        subject: None,
        closes: None,
    }
}
