//! A process that appends under load to a store on disk is killed with SIGKILL again and again, at
//! moments chosen by its own progress. Whatever it had said by then must hold when the log is opened
//! again.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write},
    ops::ControlFlow,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
};

use cairnlog_store::{Engine, Family, layout, rocks::RocksEngine};
use cairnlog_tlog::{Head, Log, OpenError};
use cairnlog_verify::{
    Hash,
    checkpoint::Checkpoint,
    proof,
    tree::{self, CompactRange},
};
use common::{LOG, Plain, create, keys, row_of, try_open};

const KILLS: u64 = 60;
const CALLERS: u64 = 8;
const SIGKILL: i32 = 9;
/// Names the store to the process that is to be killed.
const STORE: &str = "CAIRNLOG_TEST_KILL_STORE";
/// Makes the entries of one such process unlike those of the others.
const ROUND: &str = "CAIRNLOG_TEST_KILL_ROUND";

/// The process that is killed. It says on standard output what it has promised, one line a promise:
/// `@open`, `@head NOTE` with tabs for line ends, `@entry INDEX LEAF-HASH`.
#[test]
#[ignore = "the process that the kill loop starts and kills"]
fn victim() {
    let (store, round) = (env::var(STORE).unwrap(), env::var(ROUND).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let engine: Arc<dyn Engine> = Arc::new(RocksEngine::open(Path::new(&store)).unwrap());
        let log = match try_open(&engine).await {
            Err(OpenError::NoHead { .. }) => create(&engine, Plain::numbers(0..1)).await,
            opened => opened.unwrap(),
        };
        say(&["open".to_owned()]);
        let mut heads = log.watch_head();
        heads.mark_changed();
        tokio::spawn(async move {
            while heads.changed().await.is_ok() {
                let head: Arc<Head> = Arc::clone(&heads.borrow_and_update());
                say(&[format!("head {}", head.note.replace('\n', "\t"))]);
            }
        });
        let mut callers = tokio::task::JoinSet::new();
        for caller in 0..CALLERS {
            callers.spawn(append_forever(log.clone(), round.clone(), caller));
        }
        callers.join_all().await;
    });
}

async fn append_forever(log: Log, round: String, caller: u64) {
    for turn in 0_u64.. {
        let count = 1 + (caller * 7 + turn * 13) % 20;
        let entries: Vec<Vec<u8>> =
            (0..count).map(|i| format!("{round} {caller} {turn} {i}").into_bytes()).collect();
        let hashes: Vec<Hash> = entries.iter().map(|entry| tree::leaf_hash(entry)).collect();
        let appended = log.append(Box::new(Plain::new(entries))).await.unwrap();
        let promises = (appended.first_index..).zip(hashes);
        let lines: Vec<String> =
            promises.map(|(index, leaf)| format!("entry {index} {}", leaf.to_hex())).collect();
        say(&lines);
    }
}

/// Writes lines to the pipe at once.
fn say(lines: &[String]) {
    let text = format!("\n@{}\n", lines.join("\n@"));
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).unwrap();
    out.flush().unwrap();
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_forks_when_killed_at_any_moment() {
    let store = tempfile::tempdir().unwrap();
    let mut random = Random::seeded();
    let mut promised = Promises::default();
    let mut sizes = Vec::new();
    for round in 0..KILLS {
        let lines = match round % 6 {
            // While it opens, or right after.
            0 => 0,
            1 => 1,
            _ => random.below(3_000),
        };
        promised.listen_and_kill(store.path(), round, lines, random.seed);
        sizes.push(check(store.path(), &mut promised));
    }
    assert!(sizes.is_sorted(), "the log went back: {sizes:?}");
    assert!(promised.leaves.len() > 1_000, "too little was acknowledged to tell anything");
    assert!(promised.heads.len() > 100, "too few heads were published to tell anything");
}

/// All that the killed processes have said, and every head that was found afterwards.
#[derive(Default)]
struct Promises {
    leaves: BTreeMap<u64, Hash>,
    heads: BTreeMap<u64, String>,
}

impl Promises {
    /// Starts a process, kills it when it has said so many lines, and takes in everything it had said.
    fn listen_and_kill(&mut self, store: &Path, round: u64, lines: u64, seed: u64) {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["victim", "--exact", "--ignored", "--nocapture"])
            .env(STORE, store)
            .env(ROUND, round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut heard = 0;
        while heard < lines && self.hear(&mut out).is_continue() {
            heard += 1;
        }
        kill(&mut child, round, seed);
        while self.hear(&mut out).is_continue() {}
    }

    /// Takes in the next whole line that is a promise.
    fn hear(&mut self, out: &mut BufReader<ChildStdout>) -> ControlFlow<()> {
        loop {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            let Some(line) = line.strip_suffix('\n') else {
                return ControlFlow::Break(());
            };
            let Some(promise) = line.strip_prefix('@') else { continue };
            match promise.split_once(' ') {
                Some(("head", note)) => self.head(&note.replace('\t', "\n")),
                Some((_, entry)) => {
                    let (index, leaf) = entry.split_once(' ').unwrap();
                    let leaf = Hash::from_hex(leaf).unwrap();
                    let before = self.leaves.insert(index.parse().unwrap(), leaf);
                    assert_eq!(before, None, "index {index} was given away twice");
                }
                None => assert_eq!(promise, "open"),
            }
            return ControlFlow::Continue(());
        }
    }

    fn head(&mut self, note: &str) {
        let size = Checkpoint::open(note, &keys()).unwrap().size;
        let before = self.heads.insert(size, note.to_owned());
        assert!(before.is_none_or(|before| before == note), "two heads of size {size}");
    }
}

fn kill(child: &mut Child, round: u64, seed: u64) {
    child.kill().unwrap();
    let status = child.wait().unwrap();
    let signal = status.signal();
    assert_eq!(signal, Some(SIGKILL), "round {round}, seed {seed}: it ended by itself: {status}");
}

/// Opens the log, which must need no help, and checks every promise. Gives its size.
fn check(store: &Path, promised: &mut Promises) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let engine: Arc<dyn Engine> = Arc::new(RocksEngine::open(store).unwrap());
        let log = match try_open(&engine).await {
            // Killed before the log was there: then nothing may have been said either.
            Err(OpenError::NoHead { .. }) if promised.heads.is_empty() => return 0,
            Err(error) => panic!("the log does not open by itself: {error}"),
            Ok(log) => log,
        };
        let head = log.head();
        promised.head(&head.note);
        let size = head.checkpoint.size;
        let last = promised.heads.last_key_value().unwrap();
        assert_eq!(*last.0, size, "a head was published that is not in the store");
        check_entries(&log, promised, size).await;
        check_rows(&log, &engine, size).await;
        check_proofs(&log, promised, &head.checkpoint).await;
        log.shutdown().await;
        size
    })
}

/// Every acknowledged entry is where it was said to be, and every head is that of a prefix of the log.
async fn check_entries(log: &Log, promised: &Promises, size: u64) {
    let mut range = CompactRange::new();
    while range.size() < size {
        for entry in log.entries(range.size()..size).await.unwrap() {
            let (index, leaf) = (range.size(), tree::leaf_hash(&entry));
            if let Some(acknowledged) = promised.leaves.get(&index) {
                assert_eq!(leaf, *acknowledged, "entry {index} is another one");
            }
            range.push(leaf, |_, _| ());
            if let Some(note) = promised.heads.get(&range.size()) {
                let head = Checkpoint::open(note, &keys()).unwrap();
                assert_eq!(head.root, range.root(), "the head of size {} forks", head.size);
            }
        }
    }
    let last = promised.leaves.last_key_value().map(|(index, _)| *index);
    assert!(last.is_none_or(|last| last < size), "entry {last:?} is lost");
}

/// The rows of a batch came with its entries, and no others.
async fn check_rows(log: &Log, engine: &Arc<dyn Engine>, size: u64) {
    let first = size.saturating_sub(200);
    for (index, entry) in (first..).zip(log.entries(first..size).await.unwrap()) {
        let row = engine.get(Family::Payloads, &layout::payload_key(LOG, index)).await.unwrap();
        assert_eq!(row, Some(row_of(&entry)), "the row of entry {index}");
    }
    let beyond = engine.get(Family::Payloads, &layout::payload_key(LOG, size)).await.unwrap();
    assert_eq!(beyond, None, "a row beyond the head");
}

/// The proofs that the log now serves show that the heads are consistent.
async fn check_proofs(log: &Log, promised: &Promises, now: &Checkpoint) {
    for note in promised.heads.values().rev().take(100) {
        let then = Checkpoint::open(note, &keys()).unwrap();
        let hashes = log.consistency(then.size, now.size).await.unwrap();
        proof::verify_consistency(then.size, now.size, &hashes, &then.root, &now.root).unwrap();
    }
}

/// A small generator whose seed a failure names (`SplitMix64`).
struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    fn seeded() -> Random {
        let seed = getrandom::u64().unwrap();
        Random { seed, state: seed }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}
