//! `fsck`, and the rolling audit of a server: what was altered in a store at rest is named by both.

use std::path::Path;
use std::sync::Arc;

use cairnlog_store::rocks::RocksEngine;
use cairnlog_store::{Batch, Engine as _, Family, layout};
use cairnlog_tests::paths;
use serde_json::Value;

use crate::site::{Ran, Site, run};

const ENTRIES: u64 = 301;

/// A log of more than one full tile.
async fn filled() -> Site {
    let site = Site::new();
    site.run(&["log", "create", "hr", "--mode", "opaque"]).json();
    site.add(0..ENTRIES).await;
    site
}

fn fsck(data: &Path, more: &[&str]) -> Ran {
    run(&[], &[&["fsck", "--data", data.to_str().unwrap(), "--output", "json"], more].concat())
}

fn told(ran: &Ran) -> Value {
    let all: Value =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{} {}", ran.stdout, ran.stderr));
    let all = all.as_array().unwrap();
    all.iter().find(|log| log["log"] == "hr").unwrap_or_else(|| panic!("{all:?}")).clone()
}

/// The log is the first that its server was asked for, so it has the id 1.
async fn change(data: &Path, change: impl FnOnce(&mut Batch)) {
    let engine = Arc::new(RocksEngine::open(&data.join("db")).unwrap());
    let writer = engine.claim().await.unwrap();
    let mut batch = Batch::new();
    change(&mut batch);
    engine.commit(&writer, batch).await.unwrap();
}

async fn entry(data: &Path, index: u64) -> Vec<u8> {
    let engine = RocksEngine::open(&data.join("db")).unwrap();
    engine.get(Family::Entries, &layout::entry_key(1, index)).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_recomputed_and_left_as_it_was() {
    let mut site = filled().await;
    let key = site.key();
    let data = site.server.data().to_owned();
    fsck(&data, &[]).refused(3, "in use");
    let url = format!("{}/logs/hr", site.server.url());
    let over_http = run(&[], &["fsck", &url, "--key", &key, "--output", "json"]).json();
    assert_eq!((&over_http["verdict"], &over_http["entries"]), (&"good".into(), &ENTRIES.into()));
    assert_eq!(site.server.stop(), Some(0));

    let files = || paths::files(&data).into_iter().map(|file| (file.clone(), std::fs::read(file).unwrap()));
    let before: Vec<_> = files().collect();
    for more in [&[][..], &["--key", &key]] {
        let ran = fsck(&data, more);
        assert_eq!(ran.code, Some(0), "{} {}", ran.stdout, ran.stderr);
        let good = told(&ran);
        assert_eq!(
            (&good["verdict"], &good["entries"], &good["log"]),
            (&"good".into(), &ENTRIES.into(), &"hr".into())
        );
        assert_eq!(good["root_hash"], over_http["root_hash"]);
    }
    assert!(files().eq(before), "fsck left a trace");

    let stranger = "log.example/tiles+e94a591d+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
    fsck(&data, &["--key", stranger]).refused(2, "log.example/tiles");
    fsck(&data, &["--key", "nonsense"]).refused(64, "--key");
    let nowhere = data.join("nowhere");
    fsck(&nowhere, &[]).refused(3, "VERSION");
    assert!(!nowhere.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_altered_at_rest_is_named_and_what_is_gone() {
    let mut site = filled().await;
    let data = site.server.data().to_owned();
    assert_eq!(site.server.stop(), Some(0));
    let (seven, nine) = (entry(&data, 7).await, entry(&data, 9).await);
    let key = |index| layout::entry_key(1, index);

    change(&data, |batch| batch.put(Family::Entries, key(7), [&seven[..], b" "].concat())).await;
    let ran = fsck(&data, &[]);
    assert_eq!((ran.code, &told(&ran)["verdict"]), (Some(1), &"tampered".into()));
    assert!(ran.stdout.contains("record 7 was altered"), "{}", ran.stdout);

    change(&data, |batch| {
        batch.put(Family::Entries, key(7), nine.clone());
        batch.put(Family::Entries, key(9), seven.clone());
    })
    .await;
    let ran = fsck(&data, &[]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("record 7 was altered"), "{}", ran.stdout);

    change(&data, |batch| {
        batch.put(Family::Entries, key(7), seven);
        batch.delete(Family::Entries, key(9));
    })
    .await;
    let ran = fsck(&data, &[]);
    assert_eq!((ran.code, &told(&ran)["verdict"]), (Some(2), &"incomplete".into()));
    assert!(ran.stdout.contains("record 9 is missing"), "{}", ran.stdout);

    change(&data, |batch| batch.put(Family::Entries, key(9), nine)).await;
    assert_eq!(fsck(&data, &[]).code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_finds_an_altered_record_and_says_so() {
    let mut site = filled().await;
    let data = site.server.data().to_owned();
    assert_eq!(site.server.get("/readyz").send().await.unwrap().status(), 200);
    assert_eq!(site.server.stop(), Some(0));
    change(&data, |batch| batch.put(Family::Entries, layout::entry_key(1, 7), *b"{}")).await;
    site.server.announce("the log is damaged: record 7 was altered");
    site.server.restart();
    // The first bundle is read right after the start.
    let answer = loop {
        let answer = site.server.anonymous(reqwest::Method::GET, "/readyz").send().await.unwrap();
        if answer.status() == 503 {
            break answer.text().await.unwrap();
        }
        tokio::task::yield_now().await;
    };
    assert!(answer.contains("log hr is damaged: record 7 was altered"), "{answer}");
    let metrics = site.server.get("/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("cairnlog_audit_failures_total{log=\"hr\"} 1"), "{metrics}");
    // Reads go on: whoever asks gets what is there, and can tell.
    assert_eq!(site.server.get("/logs/hr/checkpoint").send().await.unwrap().status(), 200);
    assert_eq!(site.server.stop(), Some(0));
    assert!(site.server.stderr().contains("record 7 was altered"));
}
