//! A server whose heads are cosigned by real witnesses before they are published.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use cairnlog_client::Ingest;
use cairnlog_tests::{Server, hex, http, paths, pipelines};
use cairnlog_verify::checkpoint::Checkpoint;
use cairnlog_verify::note::{Note, SigningKey};
use cairnlog_verify::policy::Policy;
use cairnlog_verify::receipt::Receipt;
use cairnlog_verify::tree;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const ORIGIN: &str = "log.example/witnessed";

/// How often, and how many times, an awaited event is looked for.
const POLL: Duration = Duration::from_millis(50);
const POLLS: usize = 2_000;

/// What the server says of witnesses that are away.
const COMPLAINTS: [&str; 3] =
    ["a witness does not cosign", "a witness does not say its size", "a witness does not answer"];

fn log_key() -> SigningKey {
    SigningKey::ed25519(ORIGIN, [3; 32]).unwrap()
}

/// Looks for an event until it is there.
async fn awaited<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    for _ in 0..POLLS {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(POLL).await;
    }
    panic!("{what}: still not so");
}

/// A `cairnlog witness serve` that keeps its port from start to start; its process ends with it.
struct Witness {
    name: &'static str,
    dir: tempfile::TempDir,
    address: SocketAddr,
    key: String,
    child: Option<Child>,
}

impl Witness {
    fn start(name: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = Command::new(paths::binary())
            .args(["witness", "keygen", &format!("witness.example/{name}"), "--out"])
            .arg(dir.path().join("key"))
            .output()
            .unwrap();
        assert!(made.status.success());
        let key = String::from_utf8(made.stdout).unwrap().lines().next().unwrap().to_owned();
        let address = "127.0.0.1:0".parse().unwrap();
        let mut witness = Self { name, dir, address, key, child: None };
        witness.begin();
        witness
    }

    fn begin(&mut self) {
        let mut child = Command::new(paths::binary())
            .args(["witness", "serve", "--listen", &self.address.to_string(), "--log"])
            .arg(log_key().verifier_key().to_string())
            .arg("--key")
            .arg(self.dir.path().join("key"))
            .arg("--data")
            .arg(self.dir.path().join("data"))
            .env_clear()
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        self.address = ready["url"].as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
        self.child = Some(child);
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Its line in a policy.
    fn line(&self) -> String {
        format!("witness {} {} http://{}/\n", self.name, self.key, self.address)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A server with one opaque log, `web`.
struct Site {
    server: Server,
    dir: tempfile::TempDir,
}

impl Site {
    /// Starts it under a policy of these lines.
    async fn start(policy: &str) -> Self {
        let mut site = Self { server: Server::idle(), dir: tempfile::tempdir().unwrap() };
        for words in COMPLAINTS {
            site.server.announce(words);
        }
        site.set_policy(policy);
        site.server.restart();
        site.create(false).await;
        site
    }

    async fn create(&self, dedupe: bool) {
        let private = log_key().to_private_note();
        let new = json!({
            "name": "web", "origin": ORIGIN, "mode": "opaque", "dedupe": dedupe,
            "signing_keys": [private.as_str()],
        });
        http::json(self.server.post("/api/v1/logs", &new).send().await.unwrap(), 201).await;
    }

    fn set_policy(&mut self, policy: &str) {
        let file = self.policy_file();
        std::fs::write(&file, policy).unwrap();
        self.server.set_env(vec![("CAIRNLOG_WITNESS_POLICY".to_owned(), file.into())]);
    }

    fn policy_file(&self) -> PathBuf {
        self.dir.path().join("policy")
    }

    fn restart(&mut self) {
        assert_eq!(self.server.stop(), Some(0));
        self.server.restart();
    }

    async fn add(&self, entry: &'static str) -> u64 {
        let sent = self.server.request(Method::POST, "/logs/web/add").body(entry).send().await.unwrap();
        assert_eq!(sent.status(), StatusCode::OK);
        sent.text().await.unwrap().parse().unwrap()
    }

    async fn checkpoint(&self) -> Option<String> {
        let answer = self.server.anonymous(Method::GET, "/logs/web/checkpoint").send().await.unwrap();
        match answer.status().as_u16() {
            200 => Some(answer.text().await.unwrap()),
            503 => None,
            other => panic!("{other}"),
        }
    }

    /// The published checkpoint of `size`, once it is there, which the policy must believe.
    async fn published(&self, size: u64) -> Note {
        let note = awaited("a head is published", async || {
            let note = Note::parse(&self.checkpoint().await?).unwrap();
            (Checkpoint::parse_text(&note.text).unwrap().size == size).then_some(note)
        });
        let note = note.await;
        let policy = Policy::parse(std::fs::read(self.policy_file()).unwrap()).unwrap();
        assert_eq!(policy.open(&note, &[log_key().verifier_key().clone()]).unwrap().size, size);
        note
    }

    /// The receipt of an entry, once it is there.
    async fn receipt(&self, index: u64) -> Option<Receipt> {
        let path = format!("/api/v1/logs/web/entries/{index}/receipt");
        let answer = self.server.anonymous(Method::GET, &path).send().await.unwrap();
        match answer.status().as_u16() {
            200 => Some(Receipt::parse(&answer.text().await.unwrap()).unwrap()),
            202 => {
                let after = answer.headers()["retry-after"].to_str().unwrap();
                assert!(after.parse::<u32>().unwrap() > 0);
                None
            }
            other => panic!("{other}"),
        }
    }

    async fn metric(&self, start: &str) -> u64 {
        let text = self.server.get("/metrics").send().await.unwrap().text().await.unwrap();
        let line = text.lines().find(|line| line.starts_with(start));
        let line = line.unwrap_or_else(|| panic!("no {start}: {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Waits until the witness was asked so often to this end.
    async fn asked(&self, witness: &str, outcome: &str, times: u64) {
        let start = format!(
            "cairnlog_witness_requests_total{{log=\"web\",witness=\"{witness}\",outcome=\"{outcome}\"}}"
        );
        awaited(&start, async || (self.metric(&start).await >= times).then_some(())).await;
    }

    /// Lines of the server's own log with all of these words.
    fn said(&self, words: &[&str]) -> usize {
        let stderr = self.server.stderr();
        stderr.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
    }

    fn fsck(&self) -> Output {
        let mut command = Command::new(paths::binary());
        command.args(["fsck", "--data"]).arg(self.server.data()).output().unwrap()
    }
}

fn cosigned_by(note: &Note, witness: &Witness) -> bool {
    let key = witness.key.parse().unwrap();
    note.verify(&[key]).is_ok_and(|signed| signed.len() == 1)
}

/// What was published before anybody was to cosign it is cosigned without anything being appended.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_log_is_cosigned_once_a_policy_asks_for_it() {
    let witness = Witness::start("w1");
    let mut site = Site::start("quorum none\n").await;
    site.add("a").await;
    site.published(1).await;
    let text = format!("{}quorum w1\n", witness.line());
    site.set_policy(&text);
    site.restart();
    let policy = Policy::parse(text.into_bytes()).unwrap();
    let cosigned = awaited("the head is cosigned", async || {
        let note = Note::parse(&site.checkpoint().await?).unwrap();
        policy.open(&note, &[log_key().verifier_key().clone()]).ok()
    });
    assert_eq!(cosigned.await.size, 1);
}

/// Two of three: one may be away. With two away the log goes on, and what is beyond the published head waits.
#[tokio::test]
async fn two_of_three_witnesses_decide_what_is_published() {
    let mut all = [Witness::start("w1"), Witness::start("w2"), Witness::start("w3")];
    let lines: String = all.iter().map(Witness::line).collect();
    let mut site = Site::start(&format!("{lines}group g 2 w1 w2 w3\nquorum g\n")).await;
    assert_eq!(site.add("a").await, 0);
    let note = site.published(1).await;
    assert!(all.iter().filter(|witness| cosigned_by(&note, witness)).count() >= 2);
    site.receipt(0).await.unwrap();

    all[2].kill();
    assert_eq!(site.add("b").await, 1);
    let note = site.published(2).await;
    assert_eq!(all.each_ref().map(|witness| cosigned_by(&note, witness)), [true, true, false]);

    all[1].kill();
    let before = site.checkpoint().await;
    assert_eq!((site.add("c").await, site.add("d").await), (2, 3));
    site.asked("w2", "failed", 3).await;
    assert_eq!(site.checkpoint().await, before);
    let sizes = [
        site.metric("cairnlog_tree_size{log=\"web\"}").await,
        site.metric("cairnlog_durable_size{log=\"web\"}").await,
    ];
    assert_eq!(sizes, [2, 4]);
    assert!(site.receipt(1).await.is_some() && site.receipt(3).await.is_none());
    // However often it was asked since.
    assert_eq!(site.said(&["WARN", "a witness does not cosign", "w2"]), 1);

    site.restart();
    assert_eq!(site.checkpoint().await, before);
    assert!(site.receipt(3).await.is_none());
    assert_eq!(site.add("e").await, 4);
    site.asked("w2", "failed", 1).await;
    assert_eq!(site.checkpoint().await, before);

    all[1].begin();
    let receipt = awaited("a receipt", async || site.receipt(4).await).await;
    assert_eq!(receipt.index, 4);
    let note = site.published(5).await;
    assert_eq!(receipt.checkpoint, note.to_string());
    assert_eq!(all.each_ref().map(|witness| cosigned_by(&note, witness)), [true, true, false]);
    assert_eq!(site.said(&["INFO", "a witness cosigns again", "w2"]), 1);

    assert_eq!(site.server.stop(), Some(0));
    let checked = site.fsck();
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
}

/// It answers, and what it answers is a cosignature, but by a key that the policy does not name.
#[tokio::test]
async fn a_cosignature_by_another_key_never_counts() {
    let (witness, other) = (Witness::start("w1"), Witness::start("w2"));
    let line = format!("witness w1 {} http://{}\n", other.key, witness.address);
    let mut site = Site::start(&format!("{line}quorum w1\n")).await;
    assert_eq!((site.add("a").await, site.add("b").await), (0, 1));
    site.asked("w1", "invalid", 3).await;
    assert_eq!(site.checkpoint().await, None);
    assert!(site.receipt(0).await.is_none());

    // A log that has published nothing yet is whole.
    assert_eq!(site.server.stop(), Some(0));
    let checked = site.fsck();
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");

    site.set_policy(&format!("{}quorum w1\n", witness.line()));
    site.server.restart();
    assert!(cosigned_by(&site.published(2).await, &witness));
}

/// Nobody is needed; who cosigns is published all the same.
#[tokio::test]
async fn without_a_quorum_cosignatures_are_published_as_they_are() {
    let (witness, mut away) = (Witness::start("w1"), Witness::start("w2"));
    away.kill();
    let site = Site::start(&format!("{}{}quorum none\n", witness.line(), away.line())).await;
    for (index, entry) in (0..).zip(["a", "b", "c"]) {
        assert_eq!(site.add(entry).await, index);
        site.published(index + 1).await;
    }
    // A head that came too early for it is followed by one that does not.
    let cosigned = async || {
        let index = site.add("more").await;
        cosigned_by(&site.published(index + 1).await, &witness).then_some(())
    };
    awaited("a head with a cosignature", cosigned).await;
}

/// What is durable is found, published or not, by who adds it; nobody else finds it.
#[tokio::test]
async fn equal_entries_are_kept_once_though_nothing_is_published() {
    let mut away = Witness::start("w1");
    away.kill();
    let mut site = Site { server: Server::start(), dir: tempfile::tempdir().unwrap() };
    assert_eq!(site.server.stop(), Some(0));
    for words in COMPLAINTS {
        site.server.announce(words);
    }
    site.set_policy(&format!("{}quorum w1\n", away.line()));
    site.server.restart();
    site.create(true).await;
    for _ in 0..2 {
        assert_eq!((site.add("a").await, site.add("b").await), (0, 1));
        assert_eq!((site.add("a").await, site.add("b").await), (0, 1));
        let leaf = hex(&tree::leaf_hash(b"a").0);
        let path = format!("/api/v1/logs/web/proofs/inclusion?leaf_hash={leaf}");
        let answer = site.server.anonymous(Method::GET, &path).send().await.unwrap();
        http::problem(answer, 404, "not-found").await;
        site.restart();
    }
    away.begin();
    site.published(2).await;
}

/// A start that would go on in silence is refused in one line.
#[tokio::test]
async fn a_policy_that_does_not_fit_refuses_the_start() {
    let witness = Witness::start("w1");
    let line = witness.line();
    let mut site = Site::start(&format!("log {}\n{line}quorum w1\n", log_key().verifier_key())).await;
    site.add("a").await;
    site.published(1).await;
    assert_eq!(site.server.stop(), Some(0));
    let other = SigningKey::ed25519(ORIGIN, [4; 32]).unwrap();
    let ftp = line.replace("http://", "ftp://");
    for (policy, words) in [
        (format!("log {}\n{line}quorum w1\n", other.verifier_key()), "which is none of its own"),
        (format!("{ftp}quorum w1\n"), "has no http:// or https:// URL"),
    ] {
        site.set_policy(&policy);
        let refused = site.server.try_restart().unwrap_err();
        assert_eq!(refused.code, Some(3), "{refused:?}");
        let told: Vec<&str> = refused.stderr.lines().filter(|line| line.contains(words)).collect();
        assert_eq!(told.len(), 1, "{refused:?}");
    }
}

/// A witness that takes connections and says nothing holds up the start once, not once a log.
#[tokio::test]
async fn a_silent_witness_does_not_hold_up_the_start_log_by_log() {
    let mut site = Site { server: Server::start(), dir: tempfile::tempdir().unwrap() };
    for words in COMPLAINTS {
        site.server.announce(words);
    }
    for name in ["a", "b", "c", "d", "e", "f"] {
        let new = json!({"name": name, "mode": "opaque"});
        http::json(site.server.post("/api/v1/logs", &new).send().await.unwrap(), 201).await;
    }
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let key = SigningKey::cosignature("witness.example/w1", [5; 32]).unwrap().verifier_key().to_string();
    site.set_policy(&format!("witness w1 {key} http://{}\nquorum w1\n", silent.local_addr().unwrap()));
    site.restart();
    // One log has asked it; the others have not.
    assert_eq!(site.said(&["a witness does not answer"]), 1);
}

/// An answer that names entries which nobody can see yet says which tree will hold them.
#[tokio::test]
async fn an_answer_of_duplicates_names_a_tree_that_holds_them() {
    let mut away = Witness::start("w1");
    away.kill();
    let site = Site::start(&format!("{}quorum w1\n", away.line())).await;
    let log = pipelines::examples(&site.server.client(), "hr").await;
    let trail = &pipelines::EXAMPLES[0];
    let lines = String::from_utf8(trail.bytes()).unwrap();
    let event = lines.lines().next().unwrap().to_owned();
    let ingest = async || {
        let one = Ingest::new(trail.content_type, event.clone());
        log.ingest(trail.name, one).await.unwrap()
    };
    let first = ingest().await;
    assert_eq!((first.accepted, first.tree_size), (1, first.last_index.unwrap() + 1));
    let again = ingest().await;
    assert_eq!((again.duplicates, again.results[0].index), (1, first.first_index));
    assert_eq!(again.tree_size, first.tree_size);
}
