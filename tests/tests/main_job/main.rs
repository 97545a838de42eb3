//! The main job: the example logs through their pipelines, and what a reader finds of them.
#![allow(clippy::unwrap_used)]

mod search;

use std::collections::{BTreeMap, BTreeSet};

use cairnlog_client::{EventStatus, IngestAnswer, Log, Page, PageRequest, Record, RecordQuery};
use cairnlog_tests::pipelines::{self, EXAMPLES, Example};
use cairnlog_tests::{Server, paths};
use serde_json::Value;

/// Salaries, names, national ids and a bank account that stand in the example logs and that their pipelines drop or mask.
const TAKEN: [&str; 20] = [
    "67150",
    "68950",
    "54600",
    "57000",
    "103500",
    "106500",
    "88300",
    "61400",
    "46200",
    "63200",
    "Sofía Duarte",
    "Liv Aaltonen",
    "Lucas Moreau",
    "Priya Raman",
    "Jonas Keller",
    "QQ104821A",
    "QQ440733A",
    "QQ770601D",
    "QQ987702C",
    "DE00 3704 0044 0532 0130 00",
];

/// The e-mail addresses of people in a text.
fn emails(text: &str) -> BTreeSet<String> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-' || c == '_';
    text.match_indices("@example.com")
        .filter_map(|(at, domain)| {
            let start = text[..at].rfind(|c| !part(c)).map_or(0, |before| before + 1);
            // Mailboxes of teams have no dot.
            text[start..at].contains('.').then(|| text[start..at + domain.len()].to_owned())
        })
        .collect()
}

fn example_text() -> String {
    EXAMPLES.iter().map(|example| String::from_utf8(example.bytes()).unwrap()).collect()
}

/// Whether `text` holds `word`, with no digit or letter beside it.
fn holds(text: &[u8], word: &str) -> bool {
    let word = word.as_bytes();
    let beside = |at: Option<&u8>| at.is_some_and(u8::is_ascii_alphanumeric);
    text.windows(word.len()).enumerate().any(|(at, window)| {
        window == word
            && !beside(at.checked_sub(1).and_then(|at| text.get(at)))
            && !beside(text.get(at + word.len()))
    })
}

struct Ingested {
    server: Server,
    log: Log,
    answers: BTreeMap<&'static str, IngestAnswer>,
}

async fn ingested() -> Ingested {
    let server = Server::start();
    let log = pipelines::examples(&server.client(), "hr").await;
    let mut answers = BTreeMap::new();
    for example in EXAMPLES {
        answers.insert(example.name, example.ingest(&log).await);
    }
    Ingested { server, log, answers }
}

/// All records that a query finds, over as many pages as it takes.
async fn all(log: &Log, query: &RecordQuery) -> Vec<Record> {
    let mut query = query.clone();
    let mut found = Vec::new();
    loop {
        let Page { items, next_cursor } = log.search(&query).await.unwrap();
        found.extend(items);
        if next_cursor.is_none() {
            return found;
        }
        query.page.cursor = next_cursor;
    }
}

fn big_pages() -> RecordQuery {
    RecordQuery { page: PageRequest { limit: Some(1_000), cursor: None }, ..RecordQuery::default() }
}

#[tokio::test]
async fn every_line_of_the_examples_has_a_row_and_the_counts_add_up() {
    let Ingested { server: _server, answers, log } = ingested().await;
    let mut next = None;
    for Example { name, file, .. } in EXAMPLES {
        let answer = &answers[name];
        let text = String::from_utf8(paths::example(file)).unwrap();
        let lines = text.lines().filter(|line| !line.is_empty()).count();
        assert_eq!(answer.results.len(), lines, "{name}");
        let count = |status| answer.results.iter().filter(|row| row.status == status).count() as u64;
        assert_eq!(answer.accepted, count(EventStatus::Logged), "{name}");
        assert_eq!(answer.quarantined, count(EventStatus::Quarantined), "{name}");
        assert_eq!(answer.duplicates, count(EventStatus::Duplicate), "{name}");
        assert_eq!(answer.skipped, count(EventStatus::Skipped), "{name}");
        assert!(answer.quarantined >= 1, "{name}: the cut-off line");
        assert_eq!(answer.duplicates, u64::from(name != "web-access"), "{name}: the repeated line");
        // Indices are consecutive within the request and over the requests.
        let mut expected = answer.first_index.unwrap();
        assert!(next.is_none_or(|next| next == expected), "{name}");
        for row in answer.results.iter().filter(|row| row.status != EventStatus::Duplicate) {
            if row.status == EventStatus::Skipped {
                assert!(row.index.is_none() && row.reason.is_some(), "{row:?}");
                continue;
            }
            assert_eq!(row.index, Some(expected), "{name}");
            assert_eq!(row.reason.is_some(), row.status == EventStatus::Quarantined, "{row:?}");
            expected += row.events.unwrap_or(1);
        }
        assert_eq!(answer.last_index.map(|last| last + 1), Some(expected), "{name}");
        assert_eq!(answer.tree_size, expected, "{name}");
        next = Some(expected);
    }
    let file_of_three = answers["aws-cloudtrail"].results.iter().find(|row| row.events == Some(3));
    let first = file_of_three.expect("the delivery file of three events").index.unwrap();
    for index in first..first + 3 {
        assert_eq!(log.record(index).await.unwrap().kind, "record");
    }
}

#[tokio::test]
async fn every_entry_opens_with_its_source_retention_and_pipeline() {
    let Ingested { server: _server, answers, log } = ingested().await;
    let size = answers["web-access"].tree_size;
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for index in 0..size {
        let record = log.record(index).await.unwrap_or_else(|error| panic!("{index}: {error}"));
        assert_eq!(record.index, index);
        assert_eq!(record.leaf_hash, log.entry(index).await.unwrap().leaf_hash, "{index}");
        *kinds.entry(record.kind.clone()).or_default() += 1;
        if record.kind != "record" {
            continue;
        }
        let source = record.source.as_deref().unwrap();
        let retention = record.retention.as_ref().unwrap();
        assert!(!retention.rule.is_empty() && !retention.basis.is_empty(), "{retention:?}");
        assert!(retention.minimum_until.is_some() && retention.maximum_until.is_some(), "{retention:?}");
        assert_eq!(record.pipeline, Some(log.source(source).await.unwrap().pipeline), "{index}");
    }
    let quarantined: u64 = answers.values().map(|answer| answer.quarantined).sum();
    assert_eq!(kinds["log"], 1);
    assert_eq!(kinds["pipeline"], 3);
    assert_eq!(kinds["plugin"], 5);
    assert_eq!(kinds["quarantine"], quarantined);
    let first = log.record(0).await.unwrap();
    assert_eq!((first.kind.as_str(), &first.event["log"]["name"]), ("log", &Value::from("hr")));
}

#[tokio::test]
async fn what_the_pipelines_take_away_is_in_no_answer() {
    let Ingested { server: _server, log, .. } = ingested().await;
    let records = all(&log, &big_pages()).await;
    let source_text = example_text();
    let mut actions: BTreeSet<(&str, &str)> = BTreeSet::new();
    for record in &records {
        let source = record.source.as_deref().unwrap();
        let example = EXAMPLES.iter().find(|example| example.name == source).unwrap().name;
        for redaction in &record.redactions {
            let action = ["drop", "mask", "pseudonymize"].into_iter().find(|name| *name == redaction.action);
            actions.insert((example, action.unwrap_or_else(|| panic!("{redaction:?}"))));
            assert!(redaction.plugin.starts_with("redact-fields@"), "{redaction:?}");
            assert!(!redaction.rule.is_empty() && !redaction.entity.is_empty(), "{redaction:?}");
        }
        let event = record.event.to_string();
        assert_eq!(emails(&event), BTreeSet::new(), "{}: {event}", record.index);
        for taken in TAKEN {
            assert!(!holds(event.as_bytes(), taken), "{taken} in {}: {event}", record.index);
        }
    }
    for taken in TAKEN {
        assert!(holds(source_text.as_bytes(), taken), "{taken} is in no example");
    }
    for example in EXAMPLES {
        for action in ["drop", "mask", "pseudonymize"] {
            assert!(actions.contains(&(example.name, action)), "{} has no {action}", example.name);
        }
    }
}

#[tokio::test]
async fn a_persons_records_are_found_by_one_pseudonym_across_sources() {
    let Ingested { server: _server, log, .. } = ingested().await;
    let records = all(&log, &big_pages()).await;
    let mut sources: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for record in &records {
        let user = &record.event["actor"]["user"];
        for name in [&user["name"], &user["email_addr"]].into_iter().filter_map(Value::as_str) {
            if name.starts_with("tok1_") {
                sources.entry(name).or_default().insert(record.source.as_deref().unwrap());
            }
        }
    }
    assert!(sources.values().any(|sources| sources.len() > 1), "{sources:?}");
}

#[tokio::test]
async fn no_plaintext_of_the_examples_lies_in_the_data_directory_or_the_logs() {
    let Ingested { mut server, answers, log: _log } = ingested().await;
    assert!(answers.values().all(|answer| answer.accepted > 100));
    let text = example_text();
    let mut secrets: BTreeSet<String> = emails(&text);
    assert!(secrets.len() > 10, "{secrets:?}");
    secrets.extend(TAKEN.iter().map(ToString::to_string));
    // What is kept is sealed too: ids of events, and the objects of accesses.
    for line in text.lines() {
        let Ok(record) = serde_json::from_str::<Value>(line) else { continue };
        secrets.extend(["eventID", "auditID"].iter().filter_map(|id| Some(record[id].as_str()?.to_owned())));
    }
    secrets.extend(["hr-payroll-prod", "/api/v2/employees", "payroll-run-29112345"].map(str::to_owned));
    assert!(secrets.iter().all(|secret| text.contains(secret.as_str())));
    let check = |server: &Server| {
        for path in paths::files(server.data()) {
            let bytes = std::fs::read(&path).unwrap();
            for secret in &secrets {
                assert!(!holds(&bytes, secret), "{secret} in {}", path.display());
            }
        }
        let stderr = server.stderr();
        for secret in &secrets {
            assert!(!holds(stderr.as_bytes(), secret), "{secret} in the server's log: {stderr}");
        }
    };
    check(&server);
    server.stop();
    check(&server);
}
