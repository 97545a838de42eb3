//! From drafts to rows: what a sealer and a prepared submission give, read back with the keys.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use cairnlog_ledger::handles::OsRandom;
use cairnlog_ledger::index::{Field, Tokens, read_indices, read_moment, read_runs, read_stretch, values};
use cairnlog_ledger::limits::PAYLOAD_BYTES_MAX;
use cairnlog_ledger::payload::Payload;
use cairnlog_ledger::prepared::Prepared;
use cairnlog_ledger::said::QuarantineSaid;
use cairnlog_ledger::worker::{Draft, SealError, Sealed, Sealer};
use cairnlog_ledger::wrap::{Page, Quarantined, open_quarantined, page_of};
use cairnlog_store::secrets::{KekSources, LogKeys, Month};
use cairnlog_store::{Batch, Family, layout};
use cairnlog_tlog::Submission;
use cairnlog_verify::entry::{Body, Digest, Entry};
use cairnlog_verify::field::{RecordKey, commit};
use cairnlog_verify::tree::leaf_hash;
use cairnlog_verify::value::Value;
use common::{ORIGIN, RAW_SALT, RECEIVED_MS, integer, raw_input, record, text};
use zeroize::Zeroizing;

const LOG: u32 = 7;
const EVENT_MS: i64 = 1_795_426_499_001;

struct Log {
    keys: Arc<LogKeys>,
    sealer: Sealer,
    _dir: tempfile::TempDir,
}

impl Log {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let note = Zeroizing::new("PRIVATE+KEY+log+00000000+AA==".to_owned());
        let keys = Arc::new(
            LogKeys::create(&dir.path().join("hr"), ORIGIN, &[note], &KekSources::default()).unwrap(),
        );
        let sealer = Sealer::new(ORIGIN.to_owned(), Arc::clone(&keys), Arc::new(OsRandom));
        Self { keys, sealer, _dir: dir }
    }

    fn seal(&self, drafts: Vec<Draft>) -> Vec<Sealed> {
        self.sealer.seal(drafts).unwrap().into_iter().map(Result::unwrap).collect()
    }

    fn record_key(&self, sealed: &Sealed) -> RecordKey {
        let id = page_of(&sealed.key_row).unwrap();
        let page = Page::new(id, self.keys.page(id).unwrap().as_bytes());
        page.unwrap(ORIGIN, &sealed.leaf_hash, &sealed.key_row).unwrap()
    }

    /// Opens a record as a reader does, and checks that it is what its entry commits to.
    fn open(&self, sealed: &Sealed) -> (Entry, Payload) {
        assert_eq!(leaf_hash(&sealed.entry), sealed.leaf_hash);
        let entry = Entry::parse(&sealed.entry).unwrap();
        let key = self.record_key(sealed);
        let payload = Payload::open(&key, ORIGIN, &sealed.leaf_hash, &sealed.payload_row).unwrap();
        let commitment = commit(&key, ORIGIN, &payload.attributes).unwrap();
        assert_eq!((entry.count, entry.fields), (commitment.count, commitment.fields));
        (entry, payload)
    }
}

fn quarantine() -> Draft {
    Draft {
        received_ms: RECEIVED_MS,
        body: Body::Quarantine { source: "okta-prod".to_owned(), raw: raw_input().commit(&RAW_SALT) },
        attributes: QuarantineSaid { reason: "rejected", detail: "no eventType", size: 34 }.attributes(),
        redactions: vec![],
        raw_salt: None,
        retention: Some(cairnlog_ledger::class::Retention::of_quarantine()),
        quarantined: Some(Quarantined { salt: RAW_SALT, input: raw_input().encode() }),
        subject: None,
        closes: None,
    }
}

#[test]
fn a_record_opens_to_what_was_said_and_to_its_entry() {
    let log = Log::new();
    let draft = record();
    let sealed = log.seal(vec![draft.clone()]).remove(0);
    let (entry, payload) = log.open(&sealed);
    assert_eq!(entry.body, draft.body);
    assert_eq!(entry.received.to_string(), "2026-11-23T09:00:00Z");
    let (host, event): (Vec<_>, Vec<_>) =
        payload.attributes.into_iter().partition(|attribute| attribute.path.starts_with('$'));
    assert_eq!(
        (event, payload.redactions, payload.pipeline),
        (draft.attributes, draft.redactions, Some(Digest([0x77; 32])))
    );
    let expected = [
        integer("$received", 1_795_426_503_792),
        text("$retention.basis", "CNIL 2021-122"),
        text("$retention.class", "default"),
        integer("$retention.maximum_days", 365),
        integer("$retention.minimum_days", 180),
        text("$retention.rule", "rules[1]"),
        text("$retention.trigger", "received"),
    ];
    assert_eq!(host, expected);
    // 2026-11-23 and 365 days; the event's time, not that of receipt.
    assert_eq!((sealed.expiry_day, sealed.event_ms), (Some(20_780 + 365), Some(EVENT_MS)));
}

#[test]
fn the_raw_salt_is_kept_only_where_it_confirms_nothing_that_was_taken() {
    let log = Log::new();
    let with = |part, redacted: bool| {
        let mut draft = record();
        let Body::Record { part: of_body, .. } = &mut draft.body else { panic!("a record") };
        *of_body = part;
        if !redacted {
            draft.redactions.clear();
        }
        assert_eq!(draft.keeps_raw_salt(), part == (0, 1) && !redacted);
        log.open(&log.seal(vec![draft]).remove(0)).1.raw_salt
    };
    assert_eq!(with((0, 1), false), Some(RAW_SALT));
    assert_eq!(with((0, 1), true), None);
    assert_eq!(with((0, 2), false), None);
    assert_eq!(with((1, 2), false), None);
}

#[test]
fn a_quarantined_raw_record_opens_to_its_commitment_and_is_found_by_nothing() {
    let log = Log::new();
    let sealed = log.seal(vec![quarantine()]).remove(0);
    let (entry, payload) = log.open(&sealed);
    let raw = open_quarantined(
        &log.record_key(&sealed),
        ORIGIN,
        &sealed.leaf_hash,
        sealed.quarantine_row.as_ref().unwrap(),
    )
    .unwrap();
    assert_eq!((raw.salt, raw.input), (RAW_SALT, raw_input().encode()));
    assert_eq!(entry.kind(), "quarantine");
    assert_eq!((payload.raw_salt, payload.pipeline, payload.rows.len()), (None, None, 0));
    assert_eq!(payload.get("quarantine.reason"), Some(&Value::Text("rejected".to_owned())));
    assert_eq!((sealed.terms.len(), sealed.event_ms, sealed.expiry_day), (0, None, Some(20_780 + 30)));
}

#[test]
fn terms_are_made_of_what_is_kept_under_the_key_of_the_month() {
    let log = Log::new();
    let later = Draft { received_ms: RECEIVED_MS + 31 * 86_400_000, ..record() };
    for (sealed, month) in log.seal(vec![record(), later]).iter().zip(["2026-11", "2026-12"]) {
        let key = log.keys.existing_index_key(month.parse::<Month>().unwrap()).unwrap();
        let mut tokens = Tokens::new(key.as_bytes());
        let mut expected = vec![
            tokens.term(Field::Source, "okta-prod"),
            tokens.term(Field::Actor, "tok1_w5fdbzbu4mbyq2rkarxsoorpqq"),
            tokens.term(Field::Actor, "ann"),
            tokens.term(Field::Actor, "bea@example.com"),
            tokens.term(Field::Actor, "Bea Ünlü"),
            tokens.term(Field::Action, "Logon"),
            tokens.term(Field::Class, "3002"),
            tokens.term(Field::Status, "1"),
            tokens.term(Field::Retention, "default"),
        ];
        expected.sort_unstable();
        assert_eq!(sealed.terms, expected);
        assert_eq!(log.open(sealed).1.rows, expected);
    }
}

#[test]
fn no_two_records_share_a_key_and_none_opens_another() {
    let log = Log::new();
    let sealed = log.seal(vec![record(), record()]);
    assert_ne!(sealed[0].entry, sealed[1].entry);
    assert_ne!(log.record_key(&sealed[0]).as_bytes(), log.record_key(&sealed[1]).as_bytes());
    let key = log.record_key(&sealed[0]);
    assert!(Payload::open(&key, ORIGIN, &sealed[1].leaf_hash, &sealed[1].payload_row).is_err());
}

#[test]
fn more_records_than_a_page_holds_are_wrapped_by_several() {
    let log = Log::new();
    let small = || Draft { attributes: vec![integer("class_uid", 0)], ..record() };
    let sealed = log.seal((0..5_000).map(|_| small()).collect());
    let mut pages: BTreeMap<u32, u32> = BTreeMap::new();
    for sealed in &sealed {
        *pages.entry(page_of(&sealed.key_row).unwrap()).or_default() += 1;
    }
    assert_eq!(pages.into_values().collect::<Vec<_>>(), [4_096, 904]);
    log.open(&sealed[4_095]);
    log.open(&sealed[4_096]);
    assert!(log.sealer.seal(vec![]).unwrap().is_empty());
}

#[test]
fn a_draft_that_can_t_be_sealed_harms_no_other() {
    let log = Log::new();
    let huge =
        (0..=PAYLOAD_BYTES_MAX / 65_536).map(|n| text(&format!("x{n:04}"), &"y".repeat(65_536))).collect();
    let unsorted = vec![integer("b", 1), integer("a", 1)];
    let drafts =
        vec![Draft { attributes: huge, ..record() }, record(), Draft { attributes: unsorted, ..record() }];
    let sealed = log.sealer.seal(drafts).unwrap();
    assert!(matches!(sealed[0], Err(SealError::Frame(_))));
    log.open(sealed[1].as_ref().unwrap());
    assert!(matches!(sealed[2], Err(SealError::Field(_))));
}

#[test]
fn an_event_has_its_own_time_or_that_of_receipt() {
    let log = Log::new();
    for (time, expected) in [
        (vec![integer("time", i64::MIN)], i64::MIN),
        (vec![integer("time", -1)], -1),
        (vec![integer("time", i64::MAX)], i64::MAX),
        (vec![text("time", "noon")], RECEIVED_MS.cast_signed()),
        (vec![], RECEIVED_MS.cast_signed()),
    ] {
        let sealed = log.seal(vec![Draft { attributes: time, ..record() }]).remove(0);
        assert_eq!(sealed.event_ms, Some(expected));
    }
}

#[test]
fn rows_stand_under_their_keys_and_are_as_many_bytes_as_announced() {
    let log = Log::new();
    let other = Draft {
        attributes: vec![integer("class_uid", 3002), integer("time", 0)],
        retention: None,
        ..record()
    };
    let sealed = log.seal(vec![record(), quarantine(), other, record()]);
    let prepared = Prepared::new(LOG, sealed.clone()).with_rows(12 + 1, |first, batch| {
        batch.put(Family::Sources, layout::payload_key(LOG, first), vec![1]);
    });
    assert_eq!((prepared.len(), prepared.is_empty()), (4, false));
    assert!(
        prepared.entries().iter().zip(prepared.leaf_hashes()).all(|(entry, leaf)| leaf_hash(entry) == *leaf)
    );
    let announced = prepared.row_bytes();
    let mut batch = Batch::new();
    Box::new(prepared).rows(1_000, &mut batch);
    assert_eq!(batch.bytes(), announced);

    let count = batch.len();
    let rows: BTreeMap<_, _> =
        batch.into_ops().into_iter().map(|op| ((op.family, op.key), op.value.unwrap())).collect();
    assert_eq!(rows.len(), count, "no row is written twice");
    for (index, sealed) in (1_000..).zip(&sealed) {
        assert_eq!(rows[&(Family::Payloads, layout::payload_key(LOG, index))], sealed.payload_row);
        assert_eq!(rows[&(Family::Keys, layout::record_key_key(LOG, index))], sealed.key_row);
        assert_eq!(
            rows.get(&(Family::Quarantine, layout::quarantine_key(LOG, index))),
            sealed.quarantine_row.as_ref()
        );
    }
    // Three records of one class in one request are one row.
    let key = log.keys.existing_index_key("2026-11".parse().unwrap()).unwrap();
    let mut tokens = Tokens::new(key.as_bytes());
    let mut found = |field, value| {
        let term = tokens.term(field, value);
        read_indices(
            1_000,
            &rows[&(Family::Postings, layout::posting_key(LOG, term.field, term.token.0, 1_000))],
        )
        .unwrap()
    };
    assert_eq!(found(Field::Class, "3002"), [1_000, 1_002, 1_003]);
    assert_eq!(found(Field::Actor, "BEA@EXAMPLE.COM"), [1_000, 1_003]);
    let time =
        |time_ms| read_moment(1_000, &rows[&(Family::Times, layout::time_key(LOG, time_ms, 1_000))]).unwrap();
    assert_eq!((time(EVENT_MS), time(0)), ((1_000, vec![1_000, 1_003]), (1_000, vec![1_002])));
    let times = read_stretch(1_000, &rows[&(Family::Times, layout::stretch_key(LOG, 1_000))]).unwrap();
    assert_eq!(times, [(1_000, EVENT_MS), (1_002, 0), (1_003, EVENT_MS)]);
    let expiry =
        |day| read_runs(1_000, &rows[&(Family::Expiry, layout::expiry_key(LOG, day, 1_000))]).unwrap();
    assert_eq!(expiry(20_780 + 365), [1_000..1_001, 1_003..1_004]);
    assert_eq!(expiry(20_780 + 30), vec![1_001..1_002; 1]);
    assert_eq!(rows[&(Family::Sources, layout::payload_key(LOG, 1_000))], [1]);
}

#[test]
fn a_reader_confirms_hits_by_the_values_that_were_indexed() {
    let found: Vec<_> = values(Some("okta-prod"), &record().attributes)
        .map(|(field, value)| (field, value.into_owned()))
        .collect();
    assert!(found.contains(&(Field::Actor, "Bea@Example.com".to_owned())));
    assert!(!found.iter().any(|(field, _)| *field == Field::Ip));
}
