//! Reads whose entry in the control log can't be written are not answered.

use std::time::Duration;

use cairnlog_client::RecordQuery;
use cairnlog_tests::http;

use crate::inject::{Act, Fault};
use crate::kills::ALL;
use crate::world::World;

/// Some record of the world's log.
const RECORD: &str = "/api/v1/logs/web/records/6";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_a_full_disk_no_record_is_read_and_proofs_are_served() {
    let mut world = World::start().await;
    world.write(4).await;
    world.server.stop();
    world.start_with(Fault::none(ALL)).expect("no fault");
    let started = world.report().seen;
    world.server.stop();
    let full = Fault { act: Act::Enospc, ops: ALL, at: started + 1, count: 0 };
    world.start_with(full).expect("the disk is full later");
    let size = world.check().await.expect("served");
    // The disk is full within some reads, each of which writes an entry of its own.
    let mut is_full = false;
    for index in 6..size {
        let read = world.server.get(&format!("/api/v1/logs/web/records/{index}"));
        is_full = read.send().await.expect("an answer").status() == 503;
        if is_full {
            break;
        }
    }
    assert!(is_full, "every record was read");
    for _ in 0..2 {
        let read = world.server.get(RECORD).send().await.expect("an answer");
        let retry_after = read.headers().get("retry-after").cloned();
        http::problem(read, 503, "read-only").await;
        assert_eq!(retry_after.expect("503 says when to come again"), "1");
        let search = world.server.get("/api/v1/logs/web/records").send().await.expect("an answer");
        http::problem(search, 503, "read-only").await;
        let stream = world.server.get("/api/v1/logs/web/stream").send().await.expect("an answer");
        http::problem(stream, 503, "read-only").await;
    }
    assert!(world.report().done > 0);
    assert_eq!(world.check().await.expect("served"), size);
    assert!(world.metrics().await.contains("cairnlog_access_failures_total 7"));
    world.server.kill();
    world.server.restart();
    assert_eq!(world.server.get(RECORD).send().await.expect("an answer").status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_read_is_not_answered_before_its_entry_is_durable() {
    let mut world = World::start().await;
    world.write(4).await;
    world.server.stop();
    world.start_with(Fault { act: Act::Hold, ops: "s", at: 1, count: 0 }).expect("nothing is held yet");
    let hold = Fault::hold(&world.report);
    std::fs::write(&hold, "").expect("a file of the test's own");
    // Three of one caller, who share an entry, and wait for it alike.
    let reads: Vec<_> = (0..3).map(|_| tokio::spawn(world.server.get(RECORD).send())).collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!reads.iter().any(tokio::task::JoinHandle::is_finished), "answered before it was logged");
    std::fs::remove_file(&hold).expect("it is there");
    for read in reads {
        assert_eq!(read.await.expect("no panic").expect("an answer").status(), 200);
    }
    let query = RecordQuery { action: Some("records.read".to_owned()), ..RecordQuery::default() };
    let control = world.server.client().log("control").expect("a name");
    assert_eq!(control.search(&query).await.expect("a page").items.len(), 1);
}
