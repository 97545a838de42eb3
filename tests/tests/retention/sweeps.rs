//! What is due, when, and what a sweep makes of it.

use cairnlog_client::{HoldQuery, NewHold, PageRequest, RecordQuery};
use cairnlog_tests::http;
use serde_json::json;

use crate::{class, counted, counts, found, gone, portal, send, sweep};

/// Long after all that a test keeps is due.
const LATER: &str = "2300-01-01T00:00:00Z";

#[tokio::test]
async fn a_sweep_can_be_tried_for_any_moment_and_erases_nothing_then() {
    let (server, log, first) = portal(&class(Some(10)), 30).await;
    let until = log.record(first + 29).await.unwrap().retention.unwrap().maximum_until.unwrap();
    assert_eq!(counted(&sweep(&server, &json!({"dry_run": true})).await), counts(0, 0, 0));
    let tried = sweep(&server, &json!({"dry_run": true, "at": until})).await;
    assert_eq!(counted(&tried), counts(30, 0, 0));
    assert_eq!(tried["by_class"], json!([{"class": "default", "due": 30, "erased": 0, "held": 0}]));
    assert_eq!(
        counted(&sweep(&server, &json!({"dry_run": true, "at": "1970-01-01T00:00:00Z"})).await),
        counts(0, 0, 0)
    );
    assert_eq!(
        counted(&sweep(&server, &json!({})).await),
        counts(0, 0, 0),
        "none is due by the server's clock"
    );
    let due = log.retention(&PageRequest::default()).await.unwrap().items;
    assert_eq!((due[0].class.as_str(), due[0].basis.as_str()), ("default", "a rule"));
    assert_eq!((due[0].records, due[0].overdue, due[0].held), (30, 0, 0));
    assert_eq!(due[0].next_due.as_deref(), until.get(..10));
    assert_eq!(log.record(first).await.unwrap().kind, "record");
    let at = server.post("/api/v1/logs/hr/retention/sweeps", &json!({"at": LATER})).send().await.unwrap();
    http::problem(at, 400, "bad-request").await;
}

#[tokio::test]
async fn what_is_due_goes_but_for_what_is_held() {
    let (server, log, first) = portal(&class(Some(0)), 100).await;
    let query = HoldQuery { actor: Some("user3".to_owned()), ..HoldQuery::default() };
    let new = NewHold { matter: "m".to_owned(), reason: "r".to_owned(), query };
    let hold = log.hold(&new).await.unwrap();
    let covered = crate::found_by_actor(&log, "user3").await;
    let count = covered.len() as u64;
    let due = log.retention(&PageRequest::default()).await.unwrap().items;
    assert_eq!((due[0].records, due[0].overdue, due[0].held), (100, 100, count));
    let before = log.info().await.unwrap().tree_size;
    let swept = sweep(&server, &json!({})).await;
    assert_eq!(counted(&swept), counts(100, 100 - count, count));
    let all = || RecordQuery { source: Some("portal".to_owned()), ..RecordQuery::default() };
    assert_eq!(found(&log, all()).await, covered);
    let problem = gone(&server, first).await;
    assert_eq!((&problem["by"], &problem["basis"]), (&"environment".into(), &"a rule".into()));
    // The entry of a sweep says in public what is gone.
    let entry: serde_json::Value = serde_json::from_slice(&log.entry(before).await.unwrap().entry).unwrap();
    assert_eq!((&entry["kind"], &entry["mode"]), (&"erasure".into(), &"sweep".into()));
    let ranges: Vec<(u64, u64)> = serde_json::from_value(entry["ranges"].clone()).unwrap();
    let gone_then: Vec<u64> = ranges.into_iter().flat_map(|(start, end)| start..end).collect();
    let expected: Vec<u64> = (first..first + 100).filter(|index| !covered.contains(index)).collect();
    assert_eq!(gone_then, expected);

    // What comes later is covered too, and goes when the hold is released.
    let later = send(&log, 3, 1).await;
    assert_eq!(counted(&sweep(&server, &json!({})).await), counts(count + 1, 0, count + 1));
    assert_eq!(log.record(later).await.unwrap().kind, "record");
    log.release_hold(&hold.id, Some("settled")).await.unwrap();
    assert_eq!(counted(&sweep(&server, &json!({})).await), counts(count + 1, count + 1, 0));
    assert_eq!(found(&log, all()).await, [0; 0]);
    assert_eq!(counted(&sweep(&server, &json!({})).await), counts(0, 0, 0));
}

#[tokio::test]
async fn a_server_sweeps_when_it_starts() {
    let (mut server, log, first) = portal(&class(Some(0)), 20).await;
    server.kill();
    server.restart();
    let log = server.client().log(log.name()).unwrap();
    // By itself, soon: it waits for nobody.
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while log.record(first + 19).await.is_ok() {
        assert!(std::time::Instant::now() < deadline, "it was not swept: {}", server.stderr());
        tokio::task::yield_now().await;
    }
    assert_eq!(gone(&server, first).await["by"], "schedule");
    assert_eq!(counted(&sweep(&server, &json!({"dry_run": true, "at": LATER})).await), counts(0, 0, 0));
}

#[tokio::test]
async fn what_could_not_be_processed_is_swept_after_its_time_too() {
    let (server, log, _) = portal(&class(Some(10)), 3).await;
    let body = cairnlog_client::Ingest::new(cairnlog_client::ContentType::Text, "nonsense\n");
    let index = log.ingest("portal", body).await.unwrap().results[0].index.unwrap();
    let tried = sweep(&server, &json!({"dry_run": true, "at": LATER})).await;
    assert_eq!(tried["by_class"][1], json!({"class": "quarantine", "due": 1, "erased": 0, "held": 0}));
    // Nobody knows what it says, so whatever is held may be it; but not where another source is asked for.
    let hold = |source: Option<&str>| NewHold {
        matter: "m".to_owned(),
        reason: "r".to_owned(),
        query: HoldQuery {
            actor: Some("nobody".to_owned()),
            source: source.map(str::to_owned),
            ..HoldQuery::default()
        },
    };
    for (source, held) in [(Some("elsewhere"), 0), (Some("portal"), 1), (None, 1)] {
        let hold = log.hold(&hold(source)).await.unwrap();
        let tried = sweep(&server, &json!({"dry_run": true, "at": LATER})).await;
        assert_eq!(tried["by_class"][1]["held"], held, "{source:?}");
        if held == 1 {
            let refused = crate::ask(&server, &json!({"index": index, "reason": "asked"})).await;
            assert_eq!(http::problem(refused, 409, "held").await["hold"], hold.id);
        }
        log.release_hold(&hold.id, None).await.unwrap();
    }
    crate::erase(&log, index).await;
    gone(&server, index).await;
}
