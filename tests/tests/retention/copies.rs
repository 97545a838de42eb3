//! After an erasure no older copy of the store opens the record: its key is wrapped by a page that is destroyed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use cairnlog_client::Log;
use cairnlog_store::rocks::RocksEngine;
use cairnlog_store::{Engine as _, Family, layout};
use cairnlog_tests::{Server, http};
use serde_json::Value;

use crate::{class, erase, gone, portal};

/// How long the destruction of pages may take on a machine that is busy with other tests.
const DESTRUCTION_MAX: Duration = Duration::from_mins(2);

/// Of what a record says, texts that its page would show.
const SAID: [&str; 2] = ["user3", "/page/3"];

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in cairnlog_tests::paths::files(from) {
        let to = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&path, to).unwrap();
    }
}

fn replace(path: &Path, with: &Path) {
    fs::remove_dir_all(path).unwrap();
    copy(with, path);
}

/// The pages in the log's keyring.
fn pages(data: &Path) -> BTreeSet<u32> {
    let keyring: Value = serde_json::from_slice(&fs::read(data.join("keys/hr/keyring")).unwrap()).unwrap();
    keyring["pages"].as_object().unwrap().keys().map(|page| page.parse().unwrap()).collect()
}

/// The page that wraps a record's key, in a store that nobody has open.
async fn page_of(db: &Path, index: u64) -> u32 {
    let engine = RocksEngine::open(db).unwrap();
    let row = engine.get(Family::Keys, &layout::record_key_key(1, index)).await.unwrap().unwrap();
    u32::from_be_bytes(*row.first_chunk().unwrap())
}

async fn destroyed(server: &Server, page: u32) {
    let deadline = Instant::now() + DESTRUCTION_MAX;
    while pages(server.data()).contains(&page) {
        assert!(Instant::now() < deadline, "the page {page} is there still: {}", server.stderr());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

struct Copied {
    server: Server,
    log: Log,
    /// The record that was erased, and one that was not.
    erased: u64,
    kept: u64,
    /// `db` and `heads` of before the erasure.
    before: std::path::PathBuf,
}

/// A stopped server whose record was erased and its page destroyed, and a copy of what it had before.
async fn erased() -> Copied {
    let (mut server, log, first) = portal(&class(None), 20).await;
    let (erased, kept) = (first + 3, first + 4);
    assert_eq!(server.stop(), Some(0));
    let before = server.aside();
    for part in ["db", "heads", "keys"] {
        copy(&server.data().join(part), &before.join(part));
    }
    let page = page_of(&before.join("db"), erased).await;
    assert_eq!(page_of(&before.join("db"), kept).await, page, "they share a page");
    server.restart();
    let log = server.client().log(log.name()).unwrap();
    assert!(pages(server.data()).contains(&page));
    erase(&log, erased).await;
    destroyed(&server, page).await;
    gone(&server, erased).await;
    assert_eq!(log.record(kept).await.unwrap().kind, "record", "what shared its page is wrapped anew");
    assert_eq!(server.stop(), Some(0));

    // The old row is wrapped by a page that the keyring of then has, and that of now has not.
    assert!(pages(&before).contains(&page) && !pages(server.data()).contains(&page));
    assert_ne!(page_of(&server.data().join("db"), kept).await, page);
    Copied { server, log, erased, kept, before }
}

#[tokio::test]
async fn an_older_copy_of_the_store_is_refused_and_opens_nothing_beside_the_keys_of_now() {
    let Copied { mut server, erased, before, .. } = erased().await;
    replace(&server.data().join("db"), &before.join("db"));
    let refusal = server.refused_start();
    assert_eq!((refusal.code, refusal.stderr.lines().count()), (Some(3), 1), "{refusal:?}");

    // With its heads it starts, for nothing in it knows better. It does not show the record.
    replace(&server.data().join("heads"), &before.join("heads"));
    server.announce("");
    server.restart();
    let response = server.get(&format!("/api/v1/logs/hr/records/{erased}")).send().await.unwrap();
    let problem = http::problem(response, 500, "internal").await.to_string();
    let search =
        server.get("/api/v1/logs/hr/records?actor=user3").send().await.unwrap().text().await.unwrap();
    for said in SAID {
        for shown in [&problem, &search, &server.stderr()] {
            assert!(!shown.contains(said), "{said}: {shown}");
        }
    }
}

#[tokio::test]
async fn keys_of_before_an_erasure_do_not_bring_the_record_back_to_the_store_of_now() {
    let Copied { mut server, log, erased, kept, before } = erased().await;
    replace(&server.data().join("keys"), &before.join("keys"));
    // They lack the pages that were made since, so what is kept does not open either.
    server.announce("");
    server.restart();
    gone_or_error(&server, erased).await;
    gone_or_error(&server, kept).await;
    let head = server.client().log(log.name()).unwrap().tree_head().await.unwrap();
    assert!(head.tree_size > kept, "what was signed is served as before");
}

async fn gone_or_error(server: &Server, index: u64) {
    let response = server.get(&format!("/api/v1/logs/hr/records/{index}")).send().await.unwrap();
    let status = response.status().as_u16();
    let body = response.text().await.unwrap();
    assert!(status == 500 || status == 410, "{status}: {body}");
    assert!(SAID.iter().all(|said| !body.contains(said)), "{body}");
}

/// What an erasure's `complete_at` waits for: until then there are backups of the keyring of before it.
#[tokio::test]
async fn a_copy_of_the_keyring_of_before_an_erasure_opens_a_copy_of_the_store_of_then() {
    let Copied { mut server, log, erased, before, .. } = erased().await;
    for part in ["db", "heads", "keys"] {
        replace(&server.data().join(part), &before.join(part));
    }
    server.restart();
    let record = server.client().log(log.name()).unwrap().record(erased).await.unwrap();
    assert!(SAID.iter().all(|said| record.event.to_string().contains(said)), "{}", record.event);
}
