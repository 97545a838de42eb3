//! Nothing acknowledged is lost, and a server that can't be sure refuses to start.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use cairnlog_client::{Client, ContentType, Ingest, IngestAnswer, Log, LogInfo, NewToken, PageRequest, Role};
use cairnlog_store::rocks::RocksEngine;
use cairnlog_store::{Batch, Engine as _, Family, layout};
use cairnlog_tests::pipelines::EXAMPLES;
use cairnlog_tests::{Refusal, Server, pipelines, web};
use cairnlog_verify::Hash;
use cairnlog_verify::checkpoint::Checkpoint;
use cairnlog_verify::note::VerifierKey;
use cairnlog_verify::proof::verify_consistency;
use cairnlog_verify::receipt::Receipt;

const KILLS: u64 = 8;
const WRITERS: u64 = 4;

async fn portal() -> (Server, Log) {
    let server = Server::start();
    let log = pipelines::log(&server.client(), "hr").await;
    pipelines::plain(&server.client(), &log, "portal", "web-access").await;
    (server, log)
}

async fn send(log: &Log, lines: u64) -> IngestAnswer {
    log.ingest("portal", Ingest::new(ContentType::Text, web::lines(0, lines))).await.unwrap()
}

async fn head(log: &Log, key: &VerifierKey) -> Checkpoint {
    let note = log.tiles().checkpoint().await.unwrap();
    Checkpoint::open(&note, std::slice::from_ref(key)).unwrap()
}

/// What the writers were told, and the heads that anyone saw.
#[derive(Default)]
struct Seen {
    acknowledged: Mutex<BTreeMap<u64, Hash>>,
    heads: Mutex<Vec<Checkpoint>>,
    answers: AtomicU64,
}

/// Writes until the server is gone, noting each answer and the head after it.
async fn write(log: Log, key: VerifierKey, seen: Arc<Seen>, lines: u64) {
    loop {
        let ingest = Ingest::new(ContentType::Text, web::lines(0, lines));
        let Ok(answer) = log.ingest("portal", ingest).await else { return };
        let rows = answer.results.iter().map(|row| (row.index.unwrap(), row.leaf_hash.unwrap()));
        seen.acknowledged.lock().unwrap().extend(rows);
        seen.answers.fetch_add(1, Ordering::Relaxed);
        let Ok(note) = log.tiles().checkpoint().await else { return };
        let head = Checkpoint::open(&note, std::slice::from_ref(&key)).unwrap();
        assert!(head.size >= answer.tree_size, "an answer came before its head was published");
        seen.heads.lock().unwrap().push(head);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_acknowledged_is_lost_by_kill_9_under_load_and_no_two_heads_of_one_size_differ() {
    let (mut server, log) = portal().await;
    let key: VerifierKey = log.info().await.unwrap().verifier_key.parse().unwrap();
    let seen = Arc::new(Seen::default());
    for round in 0..KILLS {
        let log = server.client().log("hr").unwrap();
        let before = seen.answers.load(Ordering::Relaxed);
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| tokio::spawn(write(log.clone(), key.clone(), Arc::clone(&seen), 1 + writer * 7)))
            .collect();
        // Another number of answers each round, so that the kill falls elsewhere.
        while seen.answers.load(Ordering::Relaxed) < before + 5 + round * 3 {
            assert!(
                !writers.iter().all(tokio::task::JoinHandle::is_finished),
                "no writer is left: {}",
                server.stderr()
            );
            tokio::task::yield_now().await;
        }
        server.kill();
        for writer in writers {
            writer.await.unwrap();
        }
        server.restart();
        let log = server.client().log("hr").unwrap();
        let now = head(&log, &key).await;
        check(&log, &seen, &now).await;
        seen.heads.lock().unwrap().push(now);
    }
    // It still opens every record that it acknowledged.
    let log = server.client().log("hr").unwrap();
    let indices: Vec<u64> = seen.acknowledged.lock().unwrap().keys().copied().collect();
    for index in indices.iter().rev().step_by(13).take(40) {
        assert_eq!(log.record(*index).await.unwrap().kind, "record");
    }
}

async fn check(log: &Log, seen: &Seen, now: &Checkpoint) {
    let acknowledged = seen.acknowledged.lock().unwrap().clone();
    let (last, _) = acknowledged.last_key_value().unwrap();
    assert!(now.size > *last, "the head of {} lost entry {last}", now.size);
    let mut found = BTreeMap::new();
    let tiles = log.tiles();
    for bundle in cairnlog_verify::tile::BundleId::for_size(now.size) {
        let bytes = tiles.bundle(bundle).await.unwrap();
        let entries = cairnlog_verify::bundle::decode(&bytes).unwrap();
        let hashes = entries.iter().map(|entry| cairnlog_verify::tree::leaf_hash(entry));
        found.extend((bundle.index * 256..).zip(hashes));
    }
    for (index, hash) in &acknowledged {
        assert_eq!(found.get(index), Some(hash), "entry {index}");
    }
    let heads = seen.heads.lock().unwrap().clone();
    let mut roots: BTreeMap<u64, Hash> = BTreeMap::new();
    for head in &heads {
        let root = roots.entry(head.size).or_insert(head.root);
        assert_eq!(*root, head.root, "two heads of size {}", head.size);
    }
    for (size, root) in roots {
        let proof = log.consistency(size, Some(now.size)).await.unwrap();
        verify_consistency(size, now.size, &proof.hashes, &root, &now.root)
            .unwrap_or_else(|error| panic!("{size}: {error}"));
    }
}

/// All logs but the server's own, which grows with each read.
async fn logs(client: &Client) -> Vec<LogInfo> {
    let all = PageRequest { limit: Some(1_000), cursor: None };
    let mut logs = client.logs(&all).await.unwrap().items;
    logs.retain(|log| log.name != "control");
    logs
}

#[tokio::test]
async fn everything_is_there_again_after_a_restart() {
    let server = Server::start();
    let log = pipelines::examples(&server.client(), "hr").await;
    EXAMPLES[0].ingest(&log).await;
    let client = server.client();
    let roles = vec![Role::Auditor];
    let new =
        NewToken { name: "kept".to_owned(), roles, log: Some("hr".to_owned()), sources: None, expires: None };
    let token = client.create_token(&new).await.unwrap().token;
    let all = PageRequest { limit: Some(1_000), cursor: None };
    let query = cairnlog_client::RecordQuery { page: all.clone(), ..Default::default() };
    let before = (
        logs(&client).await,
        client.tokens(&all).await.unwrap(),
        log.sources(&all).await.unwrap(),
        log.classes(&all).await.unwrap(),
        log.search(&query).await.unwrap().items,
        log.tree_head().await.unwrap(),
    );
    let receipt = log.receipt(7, cairnlog_client::limits::RECEIPT_WAIT_DEFAULT).await.unwrap();
    let mut server = server;
    for kill in [true, false] {
        if kill {
            server.kill();
        } else {
            assert_eq!(server.stop(), Some(0), "SIGTERM drains and ends well");
        }
        server.restart();
        let (client, theirs) = (server.client(), server.client_of(token.expose()));
        let log = client.log("hr").unwrap();
        let after = (
            logs(&client).await,
            client.tokens(&all).await.unwrap(),
            log.sources(&all).await.unwrap(),
            log.classes(&all).await.unwrap(),
            theirs.log("hr").unwrap().search(&query).await.unwrap().items,
            log.tree_head().await.unwrap(),
        );
        assert_eq!(before, after);
    }
    let key: VerifierKey = before.0[0].verifier_key.parse().unwrap();
    assert_eq!(Receipt::parse(&receipt).unwrap().verify(None, &[key]).unwrap().index, 7);
    let again = EXAMPLES[0].ingest(&server.client().log("hr").unwrap()).await;
    assert_eq!(
        (again.accepted, again.first_index.is_some()),
        (0, true),
        "only what was quarantined is kept again"
    );
}

/// A refusal is one line that names the culprit, and exit code 3.
fn check_refusal(refusal: &Refusal, names: &str) {
    assert_eq!(refusal.code, Some(3), "{refusal:?}");
    let lines: Vec<&str> = refusal.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{refusal:?}");
    assert!(lines[0].contains(names), "no {names}: {refusal:?}");
}

#[tokio::test]
async fn a_directory_of_another_version_is_refused() {
    let (mut server, _log) = portal().await;
    server.stop();
    let version = server.data().join("VERSION");
    for other in ["2\n", "0\n", "", "one\n"] {
        let before = std::fs::read(&version).unwrap();
        std::fs::write(&version, other).unwrap();
        check_refusal(&server.refused_start(), "layout");
        std::fs::write(&version, before).unwrap();
    }
    server.restart();
}

#[tokio::test]
async fn a_directory_in_use_is_refused() {
    let (server, log) = portal().await;
    check_refusal(&server.refused_start(), "in use");
    assert_eq!(send(&log, 1).await.accepted, 1, "the first one is not disturbed");
}

#[tokio::test]
async fn a_missing_key_file_is_refused_and_named() {
    let (mut server, _log) = portal().await;
    server.stop();
    for file in ["kek", "keyring", "signing"] {
        let path = server.data().join("keys/hr").join(file);
        let aside = server.aside();
        std::fs::rename(&path, &aside).unwrap();
        check_refusal(&server.refused_start(), path.to_str().unwrap());
        assert!(!path.exists(), "{file} was made anew");
        std::fs::rename(&aside, &path).unwrap();
    }
    let keys = server.data().join("keys");
    let aside = server.aside();
    std::fs::rename(&keys, &aside).unwrap();
    check_refusal(&server.refused_start(), "keys");
    std::fs::remove_dir_all(&keys).ok();
    std::fs::rename(&aside, &keys).unwrap();
    server.restart();
}

#[tokio::test]
async fn keys_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (server, _log) = portal().await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let keys = server.data().join("keys/hr");
    assert_eq!(mode(server.data()), 0o700);
    assert_eq!(mode(&keys), 0o700);
    for path in cairnlog_tests::paths::files(&keys) {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

/// Changes the store of a stopped server.
async fn change(server: &Server, change: impl AsyncFnOnce(&RocksEngine, &mut Batch)) {
    let engine = RocksEngine::open(&server.data().join("db")).unwrap();
    let writer = engine.claim().await.unwrap();
    let mut batch = Batch::new();
    change(&engine, &mut batch).await;
    assert!(!batch.ops().is_empty());
    engine.commit(&writer, batch).await.unwrap();
}

/// The id of the only log besides the server's own.
async fn log_id(engine: &RocksEngine) -> u32 {
    for id in 1..16 {
        if engine.get(Family::Entries, &layout::entry_key(id, 0)).await.unwrap().is_some() {
            return id;
        }
    }
    panic!("no log is in the store");
}

#[tokio::test]
async fn an_altered_entry_at_the_right_edge_is_refused() {
    let (mut server, log) = portal().await;
    let size = send(&log, 20).await.tree_size;
    server.stop();
    change(&server, async |engine, batch| {
        let key = layout::entry_key(log_id(engine).await, size - 5);
        let entry = engine.get(Family::Entries, &key).await.unwrap().unwrap();
        let text = String::from_utf8(entry).unwrap();
        let altered = text.replace("\"source\":\"portal\"", "\"source\":\"portam\"");
        assert_ne!(text, altered);
        batch.put(Family::Entries, key, altered);
    })
    .await;
    check_refusal(&server.refused_start(), "hr");
}

#[tokio::test]
async fn a_missing_entry_at_the_right_edge_is_refused() {
    let (mut server, log) = portal().await;
    let size = send(&log, 20).await.tree_size;
    server.stop();
    change(&server, async |engine, batch| {
        batch.delete(Family::Entries, layout::entry_key(log_id(engine).await, size - 1));
    })
    .await;
    check_refusal(&server.refused_start(), "hr");
}

#[tokio::test]
async fn an_altered_tile_is_refused() {
    let (mut server, log) = portal().await;
    send(&log, 600).await;
    server.stop();
    change(&server, async |engine, batch| {
        let key = layout::tile_key(log_id(engine).await, 0, 1);
        let mut tile = engine.get(Family::Tiles, &key).await.unwrap().unwrap();
        tile[100] ^= 1;
        batch.put(Family::Tiles, key, tile);
    })
    .await;
    check_refusal(&server.refused_start(), "hr");
}

#[tokio::test]
async fn a_damaged_write_ahead_log_is_refused_not_cut_short() {
    let (mut server, log) = portal().await;
    send(&log, 200).await;
    server.kill();
    let files = cairnlog_tests::paths::files(&server.data().join("db"));
    let wal = files
        .iter()
        .find(|path| path.extension().is_some_and(|name| name == "log"))
        .expect("a write-ahead log");
    let mut bytes = std::fs::read(wal).unwrap();
    let entry = b"\"source\":\"portal\"";
    let at = bytes
        .windows(entry.len())
        .position(|window| window == entry)
        .expect("an entry in the write-ahead log");
    bytes[at] ^= 1;
    std::fs::write(wal, bytes).unwrap();
    check_refusal(&server.refused_start(), "the store is damaged");
}
