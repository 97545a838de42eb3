//! The witness as logs meet it, clause by clause of C2SP tlog-witness.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use cairnlog_tests::{hex, paths};
use cairnlog_verify::Hash;
use cairnlog_verify::checkpoint::Checkpoint;
use cairnlog_verify::note::{self, KeyKind, Note, NoteSignature, SigningKey, VerifierKey};
use cairnlog_verify::proof::Plan;
use cairnlog_verify::tile::Tile;
use cairnlog_verify::tree::{CompactRange, empty_root, leaf_hash};
use cairnlog_verify::witness::{AddCheckpoint, SignSubtree};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const ORIGIN: &str = "log.example/witnessed";
const NAME: &str = "witness.example/w1";

fn log_key() -> SigningKey {
    SigningKey::ed25519(ORIGIN, [3; 32]).unwrap()
}

/// A tree of numbered leaves; `fork` makes another one from that leaf on. Fewer than 256, so one tile.
#[derive(Clone, Copy)]
struct Tree {
    fork: u64,
}

const TREE: Tree = Tree { fork: u64::MAX };

impl Tree {
    fn leaf(self, index: u64) -> Hash {
        leaf_hash(format!("{index}{}", if index >= self.fork { "'" } else { "" }).as_bytes())
    }

    fn root(self, range: std::ops::Range<u64>) -> Hash {
        let mut tree = CompactRange::new();
        range.for_each(|index| tree.push(self.leaf(index), |_, _| {}));
        tree.root()
    }

    fn evaluate(self, plan: &Plan, size: u64) -> Vec<Hash> {
        let bytes: Vec<u8> = (0..size).flat_map(|index| self.leaf(index).0).collect();
        let tiles: HashMap<Tile, Vec<u8>> =
            plan.tiles().into_iter().map(|tile| (tile, bytes.clone())).collect();
        plan.evaluate(&tiles).unwrap()
    }

    fn proof(self, from: u64, to: u64) -> Vec<Hash> {
        self.evaluate(&Plan::consistency(from, to).unwrap(), to)
    }

    fn head(self, size: u64) -> Checkpoint {
        let root = self.root(0..size);
        Checkpoint { origin: ORIGIN.to_owned(), size, root, extensions: Vec::new() }
    }

    fn note(self, size: u64) -> String {
        note::sign(&self.head(size).to_text(), &[&log_key()], 0).unwrap()
    }

    fn add(self, old: u64, size: u64) -> String {
        let hashes = self.proof(old, size);
        AddCheckpoint { old, hashes, checkpoint: self.note(size) }.to_string()
    }
}

/// A running witness; its process ends with it.
struct Witness {
    dir: tempfile::TempDir,
    child: Child,
    url: String,
    keys: Vec<VerifierKey>,
    http: reqwest::Client,
}

impl Witness {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = Command::new(paths::binary())
            .args(["witness", "keygen", NAME, "--out"])
            .arg(dir.path().join("key"))
            .output()
            .unwrap();
        assert!(made.status.success());
        let keys: Vec<VerifierKey> =
            String::from_utf8(made.stdout).unwrap().lines().map(|key| key.parse().unwrap()).collect();
        let kinds: Vec<KeyKind> = keys.iter().map(VerifierKey::kind).collect();
        assert_eq!(kinds, [KeyKind::Cosignature, KeyKind::MlDsa44]);
        let (child, url) = Self::spawn(&dir);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { dir, child, url, keys, http }
    }

    fn command(dir: &tempfile::TempDir) -> Command {
        let mut command = Command::new(paths::binary());
        command.args(["witness", "serve", "--listen", "127.0.0.1:0", "--log"]);
        command.arg(log_key().verifier_key().to_string());
        command.arg("--key").arg(dir.path().join("key")).arg("--data").arg(dir.path().join("data"));
        command.env_clear();
        command
    }

    fn spawn(dir: &tempfile::TempDir) -> (Child, String) {
        let mut child = Self::command(dir).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        (child, ready["url"].as_str().unwrap().to_owned())
    }

    fn kill_and_start_again(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        (self.child, self.url) = Self::spawn(&self.dir);
    }

    async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> (u16, String, String) {
        let answer = self.http.post(format!("{}{path}", self.url)).body(body).send().await.unwrap();
        let status = answer.status().as_u16();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (status, kind, answer.text().await.unwrap())
    }

    async fn add(&self, body: impl Into<reqwest::Body>) -> u16 {
        self.post("/add-checkpoint", body).await.0
    }

    async fn shown(&self) -> Option<String> {
        let id = hex(&Sha256::digest(ORIGIN));
        let answer = self.http.get(format!("{}/{id}/checkpoint", self.url)).send().await.unwrap();
        match answer.status().as_u16() {
            200 => Some(answer.text().await.unwrap()),
            status => {
                assert_eq!(status, 404);
                None
            }
        }
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("data").join(hex(&Sha256::digest(ORIGIN)))
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// "200 body: note signature lines only …; whole tree; timestamp non-zero."
#[tokio::test]
async fn a_checkpoint_that_follows_is_cosigned_by_both_keys_and_shown() {
    let witness = Witness::start();
    assert_eq!(witness.shown().await, None);
    for (old, size) in [(0, 0), (0, 3), (3, 3), (3, 7), (7, 200)] {
        let (status, _, lines) = witness.post("/add-checkpoint", TREE.add(old, size)).await;
        assert_eq!(status, 200, "{old} to {size}: {lines}");
        let signatures = note::parse_signatures(&lines).unwrap();
        assert_eq!(signatures.len(), 2);
        for (key, signature) in witness.keys.iter().zip(&signatures) {
            assert!(key.accepts(&TREE.head(size).to_text(), signature), "{key}");
            assert!(signature.time(key.kind()).unwrap() > 1_600_000_000);
        }
        // Appended to the checkpoint, they make a note that verifies by all keys.
        let whole = TREE.note(size) + &lines;
        let all = [witness.keys.as_slice(), &[log_key().verifier_key().clone()]].concat();
        assert_eq!(Note::parse(&whole).unwrap().verify(&all).unwrap().len(), 3);
        assert_eq!(witness.shown().await.unwrap(), whole);
    }
}

/// "malformed request: 400"; "old size > checkpoint size: 400".
#[tokio::test]
async fn what_is_malformed_is_400() {
    let witness = Witness::start();
    let good = TREE.add(0, 3);
    for body in [
        String::new(),
        "old 0\n".to_owned(),
        good.replacen("old 0", "old 00", 1),
        good.replacen("old 0", "new 0", 1),
        good.replacen("\n\n", "\nAAAA\n\n", 1),
        good.trim_end().to_owned(),
        AddCheckpoint { old: 4, hashes: Vec::new(), checkpoint: TREE.note(3) }.to_string(),
    ] {
        assert_eq!(witness.add(body.clone()).await, 400, "{body}");
    }
    assert_eq!(witness.add(vec![0xff; 40]).await, 400);
    assert_eq!(witness.shown().await, None);
}

#[tokio::test]
async fn what_is_too_large_is_413_and_whoever_sends_it_is_told() {
    let witness = Witness::start();
    for _ in 0..5 {
        assert_eq!(witness.add(vec![b'x'; 9 << 20]).await, 413);
    }
    assert_eq!(witness.shown().await, None);
}

/// "origin unknown: 404".
#[tokio::test]
async fn another_logs_checkpoint_is_404() {
    let witness = Witness::start();
    let key = SigningKey::ed25519("log.example/other", [3; 32]).unwrap();
    let head = Checkpoint { origin: "log.example/other".to_owned(), ..TREE.head(3) };
    let checkpoint = note::sign(&head.to_text(), &[&key], 0).unwrap();
    let body = AddCheckpoint { old: 0, hashes: Vec::new(), checkpoint }.to_string();
    assert_eq!(witness.add(body).await, 404);
}

/// "no signature from a trusted key of the origin, or a line matching trusted (name, ID) fails: 403".
#[tokio::test]
async fn what_the_log_has_not_signed_is_403() {
    let witness = Witness::start();
    let text = TREE.head(3).to_text();
    let signed_by = |keys: &[&SigningKey]| note::sign(&text, keys, 0).unwrap();
    let (other, log) = (SigningKey::ed25519(ORIGIN, [4; 32]).unwrap(), log_key());
    let mut broken = Note::parse(&signed_by(&[&other, &log])).unwrap();
    broken.signatures[1].bytes[0] ^= 1;
    let mut beside_a_good_one = Note::parse(&signed_by(&[&log])).unwrap();
    beside_a_good_one.signatures.push(broken.signatures[1].clone());
    for checkpoint in [signed_by(&[&other]), broken.to_string(), beside_a_good_one.to_string()] {
        let body = AddCheckpoint { old: 0, hashes: Vec::new(), checkpoint }.to_string();
        assert_eq!(witness.add(body.clone()).await, 403, "{body}");
    }
    // Signatures of keys that it does not know are passed over, and not shown.
    let checkpoint = signed_by(&[&other, &log]);
    assert_eq!(witness.add(AddCheckpoint { old: 0, hashes: Vec::new(), checkpoint }.to_string()).await, 200);
    let shown: Vec<NoteSignature> = Note::parse(&witness.shown().await.unwrap()).unwrap().signatures;
    assert!(shown.len() == 3 && shown.iter().all(|signature| signature.id != other.verifier_key().id()));
}

/// "old size != size last cosigned (0 if none): 409, text/x.tlog.size, body the last cosigned size".
#[tokio::test]
async fn another_old_size_is_409_with_the_right_one() {
    let witness = Witness::start();
    assert_eq!(
        witness.post("/add-checkpoint", TREE.add(2, 3)).await,
        (409, "text/x.tlog.size".to_owned(), "0\n".to_owned())
    );
    assert_eq!(witness.add(TREE.add(0, 5)).await, 200);
    for (old, size) in [(0, 5), (0, 7), (3, 3), (4, 7), (6, 7)] {
        let answer = witness.post("/add-checkpoint", TREE.add(old, size)).await;
        assert_eq!(answer, (409, "text/x.tlog.size".to_owned(), "5\n".to_owned()), "{old} to {size}");
    }
}

/// "size 0 and root != SHA-256(\"\"): 422"; "old = 0 and proof not empty; or proof does not verify: 422"; "old = size
/// and roots differ: 422".
#[tokio::test]
async fn what_is_not_proved_is_422() {
    let witness = Witness::start();
    assert_ne!(empty_root(), TREE.root(0..1));
    let head = Checkpoint { root: TREE.root(0..1), ..TREE.head(0) };
    let checkpoint = note::sign(&head.to_text(), &[&log_key()], 0).unwrap();
    assert_eq!(witness.add(AddCheckpoint { old: 0, hashes: Vec::new(), checkpoint }.to_string()).await, 422);
    let hashes = vec![TREE.leaf(0)];
    assert_eq!(
        witness.add(AddCheckpoint { old: 0, hashes, checkpoint: TREE.note(3) }.to_string()).await,
        422
    );

    assert_eq!(witness.add(TREE.add(0, 5)).await, 200);
    let before = witness.shown().await;
    let fork = Tree { fork: 4 };
    let mut short = TREE.proof(5, 7);
    short.pop();
    let requests = [
        AddCheckpoint { old: 5, hashes: Vec::new(), checkpoint: fork.note(5) },
        AddCheckpoint { old: 5, hashes: fork.proof(5, 7), checkpoint: fork.note(7) },
        AddCheckpoint { old: 5, hashes: TREE.proof(5, 7), checkpoint: fork.note(7) },
        AddCheckpoint { old: 5, hashes: short, checkpoint: TREE.note(7) },
        AddCheckpoint { old: 5, hashes: vec![TREE.leaf(0)], checkpoint: TREE.note(5) },
    ];
    for request in requests {
        assert_eq!(witness.add(request.to_string()).await, 422, "{request}");
    }
    assert_eq!(witness.shown().await, before);
}

/// "check of old size and persisting must be one atomic step".
#[tokio::test(flavor = "multi_thread")]
async fn of_two_forks_at_once_one_is_cosigned() {
    let witness = Witness::start();
    assert_eq!(witness.add(TREE.add(0, 5)).await, 200);
    let forks = (0..16).map(|at| Tree { fork: 5 + at % 2 });
    let answers = futures_util::future::join_all(forks.map(|fork| witness.add(fork.add(5, 9)))).await;
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 409).count(), 15, "{answers:?}");
}

/// "persist before the answer".
#[tokio::test]
async fn what_was_cosigned_outlives_a_kill_and_damage_is_refused() {
    let mut witness = Witness::start();
    assert_eq!(witness.add(TREE.add(0, 5)).await, 200);
    let before = witness.shown().await;
    witness.kill_and_start_again();
    assert_eq!(witness.shown().await, before);
    assert_eq!(witness.add(Tree { fork: 2 }.add(0, 5)).await, 409);
    assert_eq!(witness.add(TREE.add(5, 9)).await, 200);

    let second = Witness::command(&witness.dir).output().unwrap();
    assert_eq!(second.status.code(), Some(3), "two witnesses on one directory");
    witness.child.kill().unwrap();
    witness.child.wait().unwrap();
    let state = std::fs::read_to_string(witness.state()).unwrap();
    std::fs::write(witness.state(), state.replacen("\n9\n", "\n8\n", 1)).unwrap();
    let refused = Witness::command(&witness.dir).output().unwrap();
    assert_eq!(refused.status.code(), Some(3), "{}", String::from_utf8_lossy(&refused.stderr));
    std::fs::write(witness.state(), state).unwrap();
    (witness.child, witness.url) = Witness::spawn(&witness.dir);
    assert_eq!(witness.add(TREE.add(9, 10)).await, 200);
}

/// `sign-subtree`: 400 malformed, invalid subtree, or end > size; 404 unknown origin; 403 no valid own cosignature; 422
/// the proof fails; 200 lines over the subtree with timestamp 0, of a format that supports subtrees.
#[tokio::test]
async fn subtrees_of_a_cosigned_tree_are_signed() {
    let witness = Witness::start();
    assert_eq!(witness.add(TREE.add(0, 7)).await, 200);
    let checkpoint = witness.shown().await.unwrap();
    let (start, end) = (4, 6);
    let hashes = TREE.evaluate(&Plan::subtree(start, end, 7).unwrap(), 7);
    let good = SignSubtree { start, end, hash: TREE.root(start..end), hashes, checkpoint };
    let sign = async |request: &SignSubtree| witness.post("/sign-subtree", request.to_string()).await;
    let (status, _, lines) = sign(&good).await;
    assert_eq!(status, 200, "{lines}");
    let signatures = note::parse_signatures(&lines).unwrap();
    let key = witness.keys.iter().find(|key| key.kind() == KeyKind::MlDsa44).unwrap();
    assert_eq!(signatures.len(), 1);
    assert_eq!(signatures[0].time(key.kind()), Some(0));
    assert!(key.accepts_subtree(ORIGIN, start, end, &good.hash, &signatures[0]));

    let mut foreign = good.clone();
    foreign.checkpoint = foreign.checkpoint.replacen(ORIGIN, "log.example/other", 1);
    let wrong = [
        (400, SignSubtree { start: 3, end: 6, ..good.clone() }),
        (400, SignSubtree { start: 4, end: 4, ..good.clone() }),
        (400, SignSubtree { start: 4, end: 8, ..good.clone() }),
        (404, foreign),
        (403, SignSubtree { checkpoint: TREE.note(7), ..good.clone() }),
        (422, SignSubtree { hash: TREE.leaf(4), ..good.clone() }),
        (422, SignSubtree { hashes: Vec::new(), ..good.clone() }),
    ];
    for (status, request) in wrong {
        assert_eq!(sign(&request).await.0, status, "{request}");
    }
    assert_eq!(witness.post("/sign-subtree", "subtree\n").await.0, 400);
}

#[test]
fn a_witness_needs_keys_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    let run = |arguments: &[&str]| Command::new(paths::binary()).args(arguments).output().unwrap();
    let (path, data) = (key.to_str().unwrap(), dir.path().join("data"));
    assert_eq!(run(&["witness", "keygen", NAME, "--out", path]).status.code(), Some(0));
    // Private, and never overwritten.
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&key).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let before = std::fs::read(&key).unwrap();
    assert_eq!(run(&["witness", "keygen", NAME, "--out", path]).status.code(), Some(3));
    assert_eq!(std::fs::read(&key).unwrap(), before);
    assert_eq!(run(&["witness", "keygen", "a name", "--out", path]).status.code(), Some(64));

    std::fs::write(&key, log_key().to_private_note().as_bytes()).unwrap();
    let log = log_key().verifier_key().to_string();
    let serve = ["witness", "serve", "--key", path, "--log", &log, "--data", data.to_str().unwrap()];
    assert_eq!(run(&serve).status.code(), Some(64), "a log's own key is no witness's");
}
