//! `monitor`: a log that only grows is followed, one that shows two histories is convicted by two signed heads.

use std::collections::BTreeMap;

use cairnlog_verify::checkpoint::Checkpoint;
use cairnlog_verify::note::{self, SigningKey};
use cairnlog_verify::tree::{CompactRange, leaf_hash};
use serde_json::Value;

use crate::files::FileServer;
use crate::site::{Ran, Site, run};

const ORIGIN: &str = "log.example/forking";

fn signing_key() -> SigningKey {
    SigningKey::ed25519(ORIGIN, [7; 32]).unwrap()
}

/// What a log of these entries serves; fewer than 256, so one tile.
fn log(entries: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let mut range = CompactRange::new();
    let mut tile = Vec::new();
    for entry in entries {
        let leaf = leaf_hash(entry.as_bytes());
        range.push(leaf, |_, _| {});
        tile.extend(leaf.0);
    }
    let size = entries.len() as u64;
    let head = Checkpoint { origin: ORIGIN.to_owned(), size, root: range.root(), extensions: Vec::new() };
    let note = note::sign(&head.to_text(), &[&signing_key()], 0).unwrap();
    let path = format!("tile/0/000.p/{size}");
    BTreeMap::from([("checkpoint".to_owned(), note.into_bytes()), (path, tile)])
}

/// A state file, and looks at what different servers say is the log.
struct Monitor {
    dir: tempfile::TempDir,
}

impl Monitor {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn state(&self) -> String {
        self.dir.path().join("log.head").to_str().unwrap().to_owned()
    }

    fn look(&self, files: &BTreeMap<String, Vec<u8>>) -> Ran {
        self.look_at(FileServer::start(files.clone()).url())
    }

    fn look_at(&self, url: &str) -> Ran {
        let key = signing_key().verifier_key().to_string();
        run(&[], &["monitor", url, "--key", &key, "--state", &self.state(), "--once", "--output", "json"])
    }

    fn kept(&self) -> Vec<u8> {
        std::fs::read(self.state()).unwrap()
    }

    fn convicted(&self, ran: &Ran, verdict: &str, kept: &[u8], served: &[u8]) {
        assert_eq!(ran.code, Some(1), "{} {}", ran.stdout, ran.stderr);
        let told: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(told["verdict"], verdict);
        let evidence: Vec<Vec<u8>> = told["evidence"]
            .as_array()
            .unwrap()
            .iter()
            .map(|path| std::fs::read(path.as_str().unwrap()).unwrap())
            .collect();
        assert_eq!(evidence, [kept, served]);
        assert_eq!(self.kept(), kept, "the state moved to a head that was not proved");
    }
}

#[test]
fn a_log_that_grows_is_followed() {
    let monitor = Monitor::new();
    let sizes = [&["a", "b", "c"][..], &["a", "b", "c"], &["a", "b", "c", "d", "e"]];
    for (entries, verdict) in sizes.into_iter().zip(["first", "unchanged", "grown"]) {
        let files = log(entries);
        let told = monitor.look(&files).json();
        assert_eq!((&told["verdict"], &told["tree_size"]), (&verdict.into(), &entries.len().into()));
        assert_eq!(monitor.kept(), files["checkpoint"]);
    }
    assert_eq!(std::fs::read_dir(monitor.dir.path()).unwrap().count(), 1);
}

#[test]
fn two_histories_are_kept_as_evidence() {
    let first = log(&["a", "b", "c"]);
    for (other, verdict) in [
        (log(&["a", "x", "c"]), "fork"),
        (log(&["a", "x", "c", "d", "e"]), "fork"),
        (log(&["a", "b"]), "rollback"),
    ] {
        let monitor = Monitor::new();
        assert_eq!(monitor.look(&first).code, Some(0));
        for _ in 0..2 {
            let ran = monitor.look(&other);
            monitor.convicted(&ran, verdict, &first["checkpoint"], &other["checkpoint"]);
        }
        // The state and two heads, however often the same fork is seen.
        assert_eq!(std::fs::read_dir(monitor.dir.path()).unwrap().count(), 3);
        assert_eq!(monitor.look(&first).code, Some(0));
    }
}

#[test]
fn what_proves_nothing_convicts_nobody() {
    let monitor = Monitor::new();
    monitor.look_at("http://127.0.0.1:1/log").refused(3, "");
    let first = log(&["a", "b", "c"]);
    assert_eq!(monitor.look(&first).code, Some(0));
    monitor.look_at("http://127.0.0.1:1/log").refused(3, "");
    let mut without_tile = log(&["a", "b", "c", "d", "e"]);
    without_tile.remove("tile/0/000.p/5");
    monitor.look(&without_tile).refused(2, "tile/0/000.p/5");
    let mut unsigned = log(&["a", "b", "c", "d"]);
    let note = unsigned.get_mut("checkpoint").unwrap();
    note[ORIGIN.len() + 1] = b'5';
    monitor.look(&unsigned).refused(1, "");
    assert_eq!(monitor.kept(), first["checkpoint"]);
    std::fs::write(monitor.state(), "damaged").unwrap();
    monitor.look(&first).refused(3, "log.head");
    assert_eq!(monitor.kept(), b"damaged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_log_is_followed() {
    let site = Site::new();
    site.run(&["log", "create", "hr", "--mode", "opaque"]).json();
    let (url, key) = (format!("{}/logs/hr", site.server.url()), site.key());
    let state = site.dir.path().join("hr.head");
    let look = || {
        let state = state.to_str().unwrap();
        run(&[], &["monitor", &url, "--key", &key, "--state", state, "--once", "--output", "json"]).json()
    };
    site.add(0..1).await;
    assert_eq!(look()["verdict"], "first");
    site.add(1..3).await;
    let grown = look();
    assert_eq!((&grown["verdict"], &grown["tree_size"]), (&"grown".into(), &3.into()));
    assert_eq!(look()["verdict"], "unchanged");
}
