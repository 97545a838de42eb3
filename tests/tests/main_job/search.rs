//! Finding records: filters, orders, pages, times.

use std::collections::{BTreeMap, BTreeSet};

use cairnlog_client::{ContentType, EventStatus, Ingest, Order, Record, RecordQuery};
use cairnlog_tests::{Server, pipelines};
use serde_json::Value;

use super::{Ingested, all, big_pages, ingested};

fn position(record: &Record) -> (i64, u64) {
    (record.event["time"].as_i64().unwrap(), record.index)
}

fn indices(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.index).collect()
}

fn rfc3339(ms: i64) -> String {
    // Whole days and hours of one month are enough here.
    let (days, ms) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let march_first = 20_513; // 2026-03-01
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("2026-03-{:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", days - march_first + 1, ms % 1_000)
}

/// The values of an event that a filter matches, by the documented list of paths.
fn filtered<'a>(record: &'a Record, filter: &str) -> Vec<String> {
    let event = &record.event;
    let at = |path: &str| path.split('.').fold(event, |value, member| &value[member]);
    let in_list = |list: &str, members: [&'a str; 2]| -> Vec<&'a Value> {
        let items = record.event[list].as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().flat_map(|item| members.map(|member| &item[member])).collect()
    };
    let values: Vec<&Value> = match filter {
        "source" => return record.source.iter().cloned().collect(),
        "actor" => [
            "actor.user.uid",
            "actor.user.name",
            "actor.user.email_addr",
            "actor.session.uid",
            "actor.invoked_by",
            "user.uid",
            "user.name",
            "user.email_addr",
            "src_endpoint.owner.uid",
            "src_endpoint.owner.name",
            "src_endpoint.owner.email_addr",
        ]
        .map(at)
        .to_vec(),
        "action" => ["api.operation", "metadata.event_code", "activity_name"].map(at).to_vec(),
        "class" => vec![at("class_uid")],
        "status" => vec![at("status_id")],
        "resource" => {
            let single = ["entity.uid", "entity.name", "file.path"].map(at);
            let lists =
                [in_list("resources", ["uid", "name"]), in_list("web_resources", ["name", "url_string"])];
            single.into_iter().chain(lists.concat()).collect()
        }
        "ip" => vec![at("src_endpoint.ip")],
        other => panic!("no filter {other}"),
    };
    let text = |value: &Value| match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    values.into_iter().filter_map(text).collect()
}

fn query_by(filter: &str, value: &str) -> RecordQuery {
    let text = Some(value.to_owned());
    let all = big_pages();
    match filter {
        "source" => RecordQuery { source: text, ..all },
        "actor" => RecordQuery { actor: text, ..all },
        "action" => RecordQuery { action: text, ..all },
        "class" => RecordQuery { class: Some(value.parse().unwrap()), ..all },
        "status" => RecordQuery { status: Some(value.parse().unwrap()), ..all },
        "resource" => RecordQuery { resource: text, ..all },
        "ip" => RecordQuery { ip: text, ..all },
        other => panic!("no filter {other}"),
    }
}

#[tokio::test]
async fn every_filter_finds_exactly_the_records_that_hold_the_value() {
    let Ingested { server: _server, log, .. } = ingested().await;
    let records = all(&log, &big_pages()).await;
    for filter in ["source", "actor", "action", "class", "status", "resource", "ip"] {
        let mut by_value: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for record in &records {
            for value in filtered(record, filter).into_iter().collect::<BTreeSet<_>>() {
                by_value.entry(value).or_default().push(record.index);
            }
        }
        assert!(by_value.len() > 1, "{filter}");
        // The rarest and the commonest values.
        let mut values: Vec<_> = by_value.into_iter().collect();
        values.sort_by_key(|(_, indices)| indices.len());
        let few = values.len().saturating_sub(6);
        for (value, expected) in values.iter().take(6).chain(values.iter().skip(few.max(6))) {
            let found = all(&log, &query_by(filter, value)).await;
            assert_eq!(&indices(&found), expected, "{filter}={value}");
        }
        if !matches!(filter, "class" | "status") {
            assert!(all(&log, &query_by(filter, "no-such-value")).await.is_empty(), "{filter}");
        }
    }
}

#[tokio::test]
async fn filters_are_combined_with_and() {
    let Ingested { server: _server, log, .. } = ingested().await;
    let query = RecordQuery { source: Some("kubernetes-audit".to_owned()), status: Some(2), ..big_pages() };
    let found = all(&log, &query).await;
    let records = all(&log, &big_pages()).await;
    let both = |record: &&Record| record.source == query.source && record.event["status_id"] == 2;
    let expected: Vec<u64> = records.iter().filter(both).map(|record| record.index).collect();
    assert!(!expected.is_empty());
    assert_eq!(indices(&found), expected);
}

#[tokio::test]
async fn both_orders_are_by_time_and_index() {
    let Ingested { server: _server, answers, log } = ingested().await;
    let newest = all(&log, &big_pages()).await;
    let events: u64 = answers.values().flat_map(|answer| &answer.results).filter_map(|row| row.events).sum();
    let twins: u64 = answers
        .values()
        .flat_map(|answer| &answer.results)
        .filter(|row| row.status == EventStatus::Duplicate)
        .filter_map(|row| row.events)
        .sum();
    assert_eq!(newest.len() as u64, events - twins);
    assert!(newest.is_sorted_by(|a, b| position(a) > position(b)));
    let oldest = all(&log, &RecordQuery { order: Some(Order::Asc), ..big_pages() }).await;
    let mut reversed = newest.clone();
    reversed.reverse();
    assert_eq!(indices(&oldest), indices(&reversed));
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition_while_records_arrive() {
    let Ingested { server: _server, log, .. } = ingested().await;
    for order in [Order::Asc, Order::Desc] {
        let whole = all(&log, &RecordQuery { order: Some(order), ..big_pages() }).await;
        for limit in [1_u32, 7, 100] {
            let mut query = RecordQuery { order: Some(order), ..RecordQuery::default() };
            query.page.limit = Some(limit);
            // One record a page is as many pages as records: a stretch of them is enough.
            let most = if limit == 1 { 40 } else { whole.len() };
            let mut seen = Vec::new();
            while seen.len() < most {
                let page = log.search(&query).await.unwrap();
                assert!(page.items.len() <= limit as usize);
                seen.extend(indices(&page.items));
                query.page.cursor = page.next_cursor;
                if query.page.cursor.is_none() {
                    break;
                }
            }
            assert_eq!(seen, indices(&whole)[..seen.len()], "{order} {limit}");
            assert!(seen.len() >= most.min(whole.len()), "{order} {limit}");
        }
    }
    // What arrives behind the place of the cursor does not move what is before it.
    let mut query = big_pages();
    query.page.limit = Some(50);
    let before = all(&log, &big_pages()).await;
    let first = log.search(&query).await.unwrap();
    let later = r#"203.0.113.9 - - [01/Jan/2030:00:00:00 +0000] "GET /later HTTP/1.1" 200 1"#;
    let body = Ingest::new(ContentType::Text, later);
    assert_eq!(log.ingest("web-access", body).await.unwrap().accepted, 1);
    query.page.cursor = first.next_cursor;
    let rest = all(&log, &query).await;
    assert_eq!([indices(&first.items), indices(&rest)].concat(), indices(&before));
    assert_eq!(all(&log, &big_pages()).await.len(), before.len() + 1);
}

#[tokio::test]
async fn from_is_inclusive_and_to_exclusive_on_event_time() {
    let Ingested { server: _server, log, .. } = ingested().await;
    let records = all(&log, &big_pages()).await;
    let mut times: Vec<i64> = records.iter().map(|record| position(record).0).collect();
    times.sort_unstable();
    times.dedup();
    let (early, late) = (times[times.len() / 3], times[times.len() * 2 / 3]);
    for (from, to) in
        [(Some(early), None), (None, Some(late)), (Some(early), Some(late)), (Some(late), Some(early))]
    {
        let query = RecordQuery { from: from.map(rfc3339), to: to.map(rfc3339), ..big_pages() };
        let found = indices(&all(&log, &query).await);
        let inside = |record: &&Record| {
            let time = position(record).0;
            from.is_none_or(|from| time >= from) && to.is_none_or(|to| time < to)
        };
        let expected: Vec<u64> = records.iter().filter(inside).map(|record| record.index).collect();
        assert_eq!(found, expected, "{query:?}");
    }
}

#[tokio::test]
async fn a_search_in_the_body_equals_one_in_the_address() {
    let Ingested { server: _server, log, .. } = ingested().await;
    let queries = [
        RecordQuery::default(),
        RecordQuery {
            order: Some(Order::Asc),
            source: Some("web-access".to_owned()),
            ..RecordQuery::default()
        },
        RecordQuery { class: Some(6003), status: Some(2), ..RecordQuery::default() },
        RecordQuery {
            from: Some(rfc3339(1_773_050_000_000)),
            to: Some(rfc3339(1_773_060_000_000)),
            ..big_pages()
        },
    ];
    for query in queries {
        let (posted, got) = (log.search(&query).await.unwrap(), log.records(&query).await.unwrap());
        assert!(!posted.items.is_empty(), "{query:?}");
        assert_eq!(posted.items, got.items, "{query:?}");
        assert_eq!(posted.next_cursor.is_some(), got.next_cursor.is_some(), "{query:?}");
    }
}

#[tokio::test]
async fn a_filter_folds_addresses_to_one_spelling() {
    let server = Server::start();
    let log = pipelines::log(&server.client(), "web").await;
    pipelines::plain(&server.client(), &log, "portal", "web-access").await;
    let line =
        r#"2001:db8::a:1 - Ana.Lopez@Example.com [09/Mar/2026:12:00:00 +0000] "GET /api/x HTTP/1.1" 200 1"#;
    let body = Ingest::new(ContentType::Text, line);
    log.ingest("portal", body).await.unwrap();
    for (filter, value) in [
        ("ip", "2001:DB8:0:0:0:0:A:1"),
        ("ip", "2001:db8::a:1"),
        ("actor", "ana.lopez@example.com"),
        ("actor", "Ana.Lopez@Example.com"),
    ] {
        assert_eq!(all(&log, &query_by(filter, value)).await.len(), 1, "{filter}={value}");
    }
}
