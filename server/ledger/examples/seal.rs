//! What the worker side costs, in microseconds a record: `cargo run --release -p cairnlog-ledger --example seal`.
//!
//! Chunks of 256 records of 29 fields shaped like normalized `CloudTrail`, on one thread, best of many rounds.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a measurement, not a server")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use cairnlog_host::{Action, Redaction};
use cairnlog_ledger::class::{Chosen, Class, Retention};
use cairnlog_ledger::handles::OsRandom;
use cairnlog_ledger::index::Tokens;
use cairnlog_ledger::payload::Payload;
use cairnlog_ledger::prepared::Prepared;
use cairnlog_ledger::redact::Redactor;
use cairnlog_ledger::worker::{Draft, Sealer};
use cairnlog_ledger::wrap::Page;
use cairnlog_store::secrets::{KekSources, LogKeys};
use cairnlog_verify::Hash;
use cairnlog_verify::entry::{Body, Digest};
use cairnlog_verify::event::Attribute;
use cairnlog_verify::field::{RecordKey, commit};
use cairnlog_verify::value::Value;
use zeroize::Zeroizing;

const ORIGIN: &str = "log.example.com/logs/hr";
const CHUNK: u32 = 256;
const ROUNDS: usize = 200;

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let note = Zeroizing::new("PRIVATE+KEY+log+00000000+AA==".to_owned());
    let keys =
        Arc::new(LogKeys::create(&dir.path().join("hr"), ORIGIN, &[note], &KekSources::default()).unwrap());
    let redactor = Redactor::new(keys.pseudonym_key(), Arc::new(OsRandom));
    let sealer = Sealer::new(ORIGIN.to_owned(), keys, Arc::new(OsRandom));
    let drafts: Vec<Draft> = (0..CHUNK).map(draft).collect();
    let key = RecordKey::from_bytes([7; 32]);
    let payload = Payload {
        attributes: drafts[0].attributes.clone(),
        redactions: vec![],
        raw_salt: Some([1; 32]),
        pipeline: Some(Digest([2; 32])),
        rows: Tokens::new(&[0; 32]).terms(Some("aws"), &drafts[0].attributes),
    };
    let redactions = redactions(&drafts[0].attributes);

    let mut tokens = Tokens::new(&[0; 32]);
    let page = Page::new(1, &[3; 32]);
    let leaf = Hash([1; 32]);
    let row = payload.seal(&key, ORIGIN, &leaf).unwrap();

    each(&drafts, "copying a draft (part of redact and all)", Draft::clone);
    each(&drafts, "commit", |draft| commit(&key, ORIGIN, &draft.attributes));
    each(&drafts, "terms", |draft| tokens.terms(Some("aws"), &draft.attributes));
    each(&drafts, "payload: CBOR", |_| payload.to_cbor());
    each(&drafts, "payload: CBOR, zstd, AES-GCM-SIV", |_| payload.seal(&key, ORIGIN, &leaf));
    each(&drafts, "wrap", |_| page.wrap(&key, ORIGIN, &leaf));
    each(&drafts, "open", |_| Payload::open(&key, ORIGIN, &leaf, &row));
    each(&drafts, "redact: two dropped, two pseudonymized, one masked", |draft| {
        redactor.apply(draft.attributes.clone(), &redactions, "p@1")
    });
    chunk(CHUNK, "all: drafts to a prepared submission, their 36 fields with the server's own", || {
        let ready = sealer.seal(drafts.clone()).unwrap().into_iter().map(Result::unwrap).collect();
        black_box(Prepared::new(1, ready));
    });
    println!("{:>9} bytes of CBOR, {} of its sealed row", payload.to_cbor().len(), row.len());
}

fn each<T>(drafts: &[Draft], what: &str, mut one: impl FnMut(&Draft) -> T) {
    chunk(CHUNK, what, || {
        for draft in drafts {
            black_box(one(draft));
        }
    });
}

/// The best time of many rounds, a record.
fn chunk(records: u32, what: &str, mut round: impl FnMut()) {
    let time = || {
        let start = Instant::now();
        round();
        start.elapsed()
    };
    let best = std::iter::repeat_with(time).take(ROUNDS).min().unwrap();
    println!("{:>9.2} us  {what}", best.as_secs_f64() * 1e6 / f64::from(records));
}

fn redactions(attributes: &[Attribute]) -> Vec<Redaction> {
    let redaction = |path: &str, action, entity: &str| {
        let attribute = attributes.iter().position(|attribute| attribute.path == path).unwrap();
        let attribute = u32::try_from(attribute).unwrap();
        Redaction { attribute, span: None, action, entity: entity.to_owned(), rule: "rules[0]".to_owned() }
    };
    vec![
        redaction("actor.session.uid", Action::Drop, "SESSION"),
        redaction("actor.user.name", Action::Pseudonymize, "USER_NAME"),
        redaction("actor.user.uid", Action::Pseudonymize, "USER_NAME"),
        redaction("cloud.account.uid", Action::Mask(4), "ACCOUNT"),
        redaction("src_endpoint.ip", Action::Drop, "IP_ADDRESS"),
    ]
}

/// The `n`-th record of a chunk: some values are all its own, most repeat.
fn draft(n: u32) -> Draft {
    let spread = n.wrapping_mul(2_654_435_761);
    let id = format!("{spread:08x}-3be5-4a26-ab1b-{:012x}", u64::from(spread) * 48_271);
    let attributes = [
        ("activity_id", Value::Integer(2)),
        ("activity_name", text("Read")),
        ("actor.session.created_time", Value::Integer(1_795_426_000_000)),
        ("actor.session.uid", text(&format!("ASIATFQR7{spread:011}"))),
        ("actor.user.account.uid", text("200000000007")),
        ("actor.user.name", text(&format!("benjamin{}", n % 40))),
        ("actor.user.type", text("IAMUser")),
        ("actor.user.uid", text(&format!("arn:aws:iam::123837392027:user/benjamin{}", n % 40))),
        (
            "api.operation",
            text(["GetBucketPublicAccessBlock", "DescribeInstances", "ListBuckets"][n as usize % 3]),
        ),
        ("api.request.uid", text(&format!("CC9X0N62QR{spread:08X}"))),
        ("api.service.name", text("s3.amazonaws.com")),
        ("category_uid", Value::Integer(6)),
        ("class_uid", Value::Integer(6003)),
        ("cloud.account.uid", text("123837392027")),
        ("cloud.provider", text("AWS")),
        ("cloud.region", text("us-east-1")),
        (
            "http_request.user_agent",
            text(
                "[S3Console/0.4, aws-internal/3 aws-sdk-java/1.12.488 Linux/5.4.247-169.350.amzn2int.x86_64]",
            ),
        ),
        ("metadata.event_code", text("AwsApiCall")),
        ("metadata.product.name", text("CloudTrail")),
        ("metadata.product.vendor_name", text("AWS")),
        ("metadata.uid", text(&id)),
        ("metadata.version", text("1.8.0")),
        ("resources[0].name", text(&format!("invictus-{}", n % 7))),
        ("severity_id", Value::Integer(1)),
        ("src_endpoint.ip", text(&format!("10.248.16.{}", n % 90))),
        ("status_id", Value::Integer(1)),
        ("time", Value::Integer(1_795_426_499_001 + i64::from(n))),
        ("type_uid", Value::Integer(600_302)),
        ("unmapped.requestParameters.bucketName", text(&format!("invictus-{}", n % 7))),
    ];
    let chosen = Chosen { class: "default".to_owned(), rule: "rules[1]".to_owned() };
    Draft {
        received_ms: 1_795_426_503_792,
        body: Body::Record {
            source: "aws".to_owned(),
            pipeline: Digest([9; 32]),
            raw: Hash([8; 32]),
            part: (0, 1),
        },
        attributes: attributes.map(|(path, value)| Attribute { path: path.to_owned(), value }).into(),
        redactions: vec![],
        raw_salt: Some([4; 32]),
        retention: Some(Retention { chosen: Some(chosen), class: Class::default_of_log() }),
        quarantined: None,
        subject: None,
        closes: None,
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}
