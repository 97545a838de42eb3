//! Signed and published heads: what witnesses have not cosigned is not seen, and writers don't wait for them.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cairnlog_store::{Engine, Family, layout, memory::MemoryEngine};
use cairnlog_tlog::{
    Cosigner, HeadError, Log, LogParams, OpenError, Witness, WitnessAnswer, WitnessError, Witnesses,
};
use cairnlog_verify::{
    Hash,
    checkpoint::Checkpoint,
    note::{Note, SigningKey, VerifierKey},
    proof, tree,
};
use common::{LOG, NOW, Plain, keys, params};
use tokio::sync::watch;

/// What a fake witness does with a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Honest,
    /// It never answers.
    Slow,
    Absent,
    /// It signs with another key.
    WrongKey,
    /// It signs another checkpoint.
    WrongText,
    Refuses,
}

/// A witness as tlog-witness has it, and what it was asked.
struct Fake {
    key: SigningKey,
    state: Mutex<State>,
    asked: watch::Sender<u64>,
}

struct State {
    mood: Mood,
    size: u64,
    root: Hash,
}

impl Fake {
    fn new(seed: u8, mood: Mood) -> Arc<Fake> {
        let key = SigningKey::cosignature(&format!("w{seed}"), [seed; 32]).unwrap();
        let state = State { mood, size: 0, root: tree::empty_root() };
        Arc::new(Fake { key, state: Mutex::new(state), asked: watch::Sender::new(0) })
    }

    fn set(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    fn size(&self) -> u64 {
        self.state.lock().unwrap().size
    }

    /// Waits until it has been asked so often.
    async fn asked(&self, times: u64) {
        self.asked.subscribe().wait_for(|asked| *asked >= times).await.unwrap();
    }

    fn answer(&self, body: &str) -> Result<WitnessAnswer, WitnessError> {
        let mut state = self.state.lock().unwrap();
        let refused = |words: &str| Err(WitnessError(words.to_owned()));
        let (head, checkpoint) = body.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        let old: u64 = lines.next().unwrap().strip_prefix("old ").unwrap().parse().unwrap();
        let hashes: Vec<Hash> = lines.map(|line| line.parse().unwrap()).collect();
        let opened = Checkpoint::open(checkpoint, &keys()).unwrap();
        let text = Note::parse(checkpoint).unwrap().text;
        match state.mood {
            Mood::Absent => return refused("connection refused"),
            Mood::Refuses => return refused("422"),
            _ => {}
        }
        if old != state.size {
            return Ok(WitnessAnswer::OtherSize(state.size));
        }
        let (from, to) = (state.root, opened.root);
        let holds = old == 0 && hashes.is_empty()
            || proof::verify_consistency(old, opened.size, &hashes, &from, &to).is_ok();
        assert!(holds, "a proof from {old} to {} that does not hold", opened.size);
        let other = SigningKey::cosignature(self.key.name(), [99; 32]).unwrap();
        let signature = match state.mood {
            Mood::WrongKey => other.sign(&text, NOW).unwrap(),
            Mood::WrongText => self.key.sign(&text.replace(common::ORIGIN, "other"), NOW).unwrap(),
            _ => self.key.sign(&text, NOW).unwrap(),
        };
        (state.size, state.root) = (opened.size, opened.root);
        Ok(WitnessAnswer::Cosigned(format!("{signature}\n")))
    }
}

/// The way to a fake.
struct Way(Arc<Fake>);

#[async_trait]
impl Witness for Way {
    async fn add_checkpoint(&self, body: String) -> Result<WitnessAnswer, WitnessError> {
        self.0.asked.send_modify(|asked| *asked += 1);
        if self.0.state.lock().unwrap().mood == Mood::Slow {
            std::future::pending::<()>().await;
        }
        self.0.answer(&body)
    }
}

fn params_with(fakes: &[Arc<Fake>], quorum: usize) -> LogParams {
    let cosigner = |fake: &Arc<Fake>| Cosigner {
        name: fake.key.name().to_owned(),
        key: fake.key.verifier_key().clone(),
        witness: Arc::new(Way(Arc::clone(fake))),
    };
    let cosigners = fakes.iter().map(cosigner).collect();
    let witnesses = Witnesses { cosigners, quorum: Arc::new(move |signed| signed.len() >= quorum) };
    LogParams { witnesses: Some(Arc::new(witnesses)), ..params() }
}

fn memory() -> Arc<dyn Engine> {
    Arc::new(MemoryEngine::new())
}

async fn create(engine: &Arc<dyn Engine>, fakes: &[Arc<Fake>], quorum: usize) -> Log {
    let writer = engine.claim().await.unwrap();
    let first = Box::new(Plain::numbers(0..1));
    Log::create(Arc::clone(engine), writer, params_with(fakes, quorum), Some(first)).await.unwrap()
}

async fn open(engine: &Arc<dyn Engine>, params: LogParams) -> Result<Log, OpenError> {
    let writer = engine.claim().await.unwrap();
    Log::open(Arc::clone(engine), writer, params).await
}

async fn published(log: &Log, size: u64) {
    log.watch_head().wait_for(|head| head.checkpoint.size >= size).await.unwrap();
}

async fn stored_published(engine: &Arc<dyn Engine>) -> String {
    let row = engine.get(Family::Heads, &layout::published_head_key(LOG)).await.unwrap().unwrap();
    String::from_utf8(row).unwrap()
}

async fn cosigners_of(log: &Log, fakes: &[Arc<Fake>]) -> usize {
    let note = Note::parse(&log.checkpoint(&log.head()).await.unwrap()).unwrap();
    let keys: Vec<VerifierKey> = fakes.iter().map(|fake| fake.key.verifier_key().clone()).collect();
    note.verify(&keys).map_or(0, |signed| signed.len())
}

#[tokio::test]
async fn a_head_is_published_with_its_cosignatures_once_the_quorum_has_cosigned() {
    let fakes = [Fake::new(1, Mood::Honest), Fake::new(2, Mood::Honest), Fake::new(3, Mood::Absent)];
    let engine = memory();
    let log = create(&engine, &fakes, 2).await;
    published(&log, 1).await;
    for size in [2, 255, 256, 257, 700] {
        let before = log.durable_size();
        log.append(Box::new(Plain::numbers(before..size))).await.unwrap();
        published(&log, size).await;
        assert_eq!(cosigners_of(&log, &fakes).await, 2);
        assert_eq!(stored_published(&engine).await, log.checkpoint(&log.head()).await.unwrap());
        assert_eq!(log.receipt(size - 1).await.unwrap().checkpoint, stored_published(&engine).await);
    }
}

/// I11: nothing beyond the published head is served, and writers don't wait.
#[tokio::test]
async fn nothing_beyond_the_published_head_is_served() {
    for mood in [Mood::Absent, Mood::Slow, Mood::WrongKey, Mood::WrongText, Mood::Refuses] {
        let fakes = [Fake::new(1, Mood::Honest), Fake::new(2, mood)];
        let engine = memory();
        let log = create(&engine, &fakes, 2).await;
        assert_eq!(log.checkpoint(&log.head()).await, Err(HeadError::Unpublished));
        log.append(Box::new(Plain::numbers(1..300))).await.unwrap();
        fakes[1].asked(if mood == Mood::Slow { 1 } else { 3 }).await;
        assert_eq!((log.head().checkpoint.size, log.durable_size()), (0, 300));
        assert_eq!(log.entry(0).await.unwrap(), None);
        assert!(log.entries(0..10).await.unwrap().is_empty());
        assert_eq!(log.find_leaf(&tree::leaf_hash(b"0")).await.unwrap(), None);
        let tile = cairnlog_verify::tile::Tile { level: 0, index: 0, width: 1 };
        assert_eq!(log.tile(tile).await.unwrap(), None);
        assert!(log.receipt(0).await.is_err() && log.root(1).await.is_err());

        fakes[1].set(Mood::Honest);
        published(&log, 300).await;
        assert_eq!(cosigners_of(&log, &fakes).await, 2);
        log.shutdown().await;
    }
}

/// The slow one is waited for by nobody.
#[tokio::test]
async fn a_quorum_goes_on_without_the_others() {
    let moods = [Mood::Honest, Mood::Slow, Mood::WrongKey, Mood::Absent];
    let fakes: Vec<_> = (1..).zip(moods).map(|(seed, mood)| Fake::new(seed, mood)).collect();
    let log = create(&memory(), &fakes, 1).await;
    for size in [2, 3, 300] {
        let before = log.durable_size();
        log.append(Box::new(Plain::numbers(before..size))).await.unwrap();
        published(&log, size).await;
        assert_eq!(cosigners_of(&log, &fakes).await, 1);
    }
}

/// A witness that has cosigned another size than is known here says so, and gets the proof from there.
#[tokio::test]
async fn a_witness_that_is_elsewhere_is_met_there() {
    let fake = Fake::new(1, Mood::Honest);
    let engine = memory();
    let log = create(&engine, &[Arc::clone(&fake)], 1).await;
    log.append(Box::new(Plain::numbers(1..40))).await.unwrap();
    published(&log, 40).await;
    let root = log.root(9).await.unwrap();
    for (size, root) in [(9, root), (0, tree::empty_root())] {
        {
            let mut state = fake.state.lock().unwrap();
            (state.size, state.root) = (size, root);
        }
        let before = log.durable_size();
        log.append(Box::new(Plain::numbers(before..before + 1))).await.unwrap();
        published(&log, before + 1).await;
        assert_eq!(fake.size(), before + 1);
    }
}

/// I11 across restarts: the published head is the stored one, whatever is durable beyond it and whoever answers.
#[tokio::test]
async fn the_published_head_never_goes_back_across_restarts() {
    let fakes = [Fake::new(1, Mood::Honest)];
    let engine = memory();
    let log = create(&engine, &fakes, 1).await;
    log.append(Box::new(Plain::numbers(1..10))).await.unwrap();
    published(&log, 10).await;
    let served = log.checkpoint(&log.head()).await.unwrap();
    fakes[0].set(Mood::Absent);
    log.append(Box::new(Plain::numbers(10..600))).await.unwrap();
    log.shutdown().await;

    let log = open(&engine, params_with(&fakes, 1)).await.unwrap();
    assert_eq!((log.head().checkpoint.size, log.durable_size()), (10, 600));
    assert_eq!(log.checkpoint(&log.head()).await.unwrap(), served);
    assert_eq!(log.head().time, NOW);
    assert_eq!(log.entry(10).await.unwrap(), None);
    assert!(log.receipt(9).await.is_ok());
    log.shutdown().await;

    // Without witnesses all that is durable is published, and stays so when they are back.
    let log = open(&engine, params()).await.unwrap();
    assert_eq!(log.head().checkpoint.size, 600);
    log.append(Box::new(Plain::numbers(600..601))).await.unwrap();
    log.shutdown().await;
    let log = open(&engine, params_with(&fakes, 1)).await.unwrap();
    assert_eq!(log.head().checkpoint.size, 601);
    log.append(Box::new(Plain::numbers(601..602))).await.unwrap();
    log.shutdown().await;
    let log = open(&engine, params_with(&fakes, 1)).await.unwrap();
    assert_eq!(
        (log.head().checkpoint.size, log.durable_size()),
        (601, 602),
        "stored before anything was appended"
    );
    fakes[0].set(Mood::Honest);
    published(&log, 602).await;
}

/// An older copy of the store: the witness knows better.
#[tokio::test]
async fn a_witness_that_is_ahead_refuses_the_start() {
    let fakes = [Fake::new(1, Mood::Absent), Fake::new(2, Mood::Honest)];
    let engine = memory();
    create(&engine, &fakes, 1).await.shutdown().await;
    fakes[1].state.lock().unwrap().size = 7;
    let refused = open(&engine, params_with(&fakes, 1)).await.unwrap_err();
    assert!(matches!(refused, OpenError::WitnessAhead { cosigned: 7, stored: 1, .. }), "{refused}");
    let words = refused.to_string();
    assert!(words.contains("w2") && words.contains('7') && words.contains('1'), "{words}");
}

/// A published head that the stored tree does not have.
#[tokio::test]
async fn a_published_head_of_another_tree_is_refused() {
    let fakes = [Fake::new(1, Mood::Absent)];
    let engine = memory();
    create(&engine, &fakes, 1).await.shutdown().await;
    let longer = common::create(&memory(), Plain::numbers(0..2)).await.head().note.clone();
    let other = common::create(&memory(), Plain::numbers(5..6)).await.head().note.clone();
    for note in [longer, other] {
        let writer = engine.claim().await.unwrap();
        let mut batch = cairnlog_store::Batch::new();
        batch.put(Family::Heads, layout::published_head_key(LOG), note.into_bytes());
        engine.commit(&writer, batch).await.unwrap();
        let refused = open(&engine, params_with(&fakes, 1)).await.unwrap_err();
        assert!(matches!(refused, OpenError::Published { stored: 1, .. }), "{refused}");
    }
}
