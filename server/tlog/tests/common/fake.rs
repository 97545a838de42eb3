//! Witnesses that do as they are told, and logs that ask them.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::missing_panics_doc)]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cairnlog_store::{Engine, Family, layout, memory::MemoryEngine};
use cairnlog_tlog::{Cosigner, Log, LogParams, OpenError, Witness, WitnessAnswer, WitnessError, Witnesses};
use cairnlog_verify::{
    Hash,
    checkpoint::Checkpoint,
    note::{Note, SigningKey, VerifierKey},
    proof, tree,
};
use tokio::sync::watch;

use crate::common::{self, LOG, NOW, Plain, keys, params};

/// What a fake witness does with a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Honest,
    /// It never answers.
    Slow,
    Absent,
    /// It signs with another key.
    WrongKey,
    /// It signs another checkpoint.
    WrongText,
    Refuses,
    /// It asks to come again later.
    Busy,
    /// The way to it panics.
    Panics,
    /// It says that it has cosigned more than there is.
    Boasts,
}

/// A witness as tlog-witness has it, and what it was asked.
pub struct Fake {
    pub key: SigningKey,
    pub state: Mutex<State>,
    pub asked: watch::Sender<u64>,
}

pub struct State {
    pub mood: Mood,
    pub size: u64,
    pub root: Hash,
}

impl Fake {
    pub fn new(seed: u8, mood: Mood) -> Arc<Fake> {
        let key = SigningKey::cosignature(&format!("w{seed}"), [seed; 32]).unwrap();
        let state = State { mood, size: 0, root: tree::empty_root() };
        Arc::new(Fake { key, state: Mutex::new(state), asked: watch::Sender::new(0) })
    }

    pub fn set(&self, mood: Mood) {
        self.lock().mood = mood;
    }

    pub fn size(&self) -> u64 {
        self.lock().size
    }

    /// How often it was asked so far.
    pub fn times(&self) -> u64 {
        *self.asked.borrow()
    }

    /// Its state.
    pub fn take(&self) -> State {
        let State { mood, size, root } = *self.lock();
        State { mood, size, root }
    }

    /// It is left as it is by a panic.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it has been asked so often.
    pub async fn asked(&self, times: u64) {
        self.asked.subscribe().wait_for(|asked| *asked >= times).await.unwrap();
    }

    pub fn answer(&self, body: &str) -> Result<WitnessAnswer, WitnessError> {
        let mut state = self.lock();
        let refused = |words: &str| Err(WitnessError::Failed(words.to_owned()));
        let (head, checkpoint) = body.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        let old: u64 = lines.next().unwrap().strip_prefix("old ").unwrap().parse().unwrap();
        let hashes: Vec<Hash> = lines.map(|line| line.parse().unwrap()).collect();
        let opened = Checkpoint::open(checkpoint, &keys()).unwrap();
        let text = Note::parse(checkpoint).unwrap().text;
        match state.mood {
            Mood::Absent => return refused("connection refused"),
            Mood::Refuses => return refused("422"),
            Mood::Busy => return Err(WitnessError::Busy { after: None }),
            Mood::Panics => panic!("the way to a witness"),
            Mood::Boasts => return Ok(WitnessAnswer::OtherSize(1 << 40)),
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
pub struct Way(pub Arc<Fake>);

#[async_trait]
impl Witness for Way {
    async fn add_checkpoint(&self, body: String) -> Result<WitnessAnswer, WitnessError> {
        self.0.asked.send_modify(|asked| *asked += 1);
        if self.0.lock().mood == Mood::Slow {
            std::future::pending::<()>().await;
        }
        self.0.answer(&body)
    }
}

pub fn params_with(fakes: &[Arc<Fake>], quorum: usize) -> LogParams {
    LogParams { witnesses: Some(Arc::new(witnesses(fakes, quorum))), ..params() }
}

/// So many of these are enough.
pub fn witnesses(fakes: &[Arc<Fake>], quorum: usize) -> Witnesses {
    let cosigner = |fake: &Arc<Fake>| Cosigner {
        name: fake.key.name().to_owned(),
        key: fake.key.verifier_key().clone(),
        witness: Arc::new(Way(Arc::clone(fake))),
    };
    let cosigners = fakes.iter().map(cosigner).collect();
    let quorum = Arc::new(move |signed: &[&VerifierKey]| signed.len() >= quorum);
    Witnesses { cosigners, quorum, log_keys: Vec::new(), patience: Arc::default() }
}

pub fn memory() -> Arc<dyn Engine> {
    Arc::new(MemoryEngine::new())
}

pub async fn create(engine: &Arc<dyn Engine>, fakes: &[Arc<Fake>], quorum: usize) -> Log {
    let writer = engine.claim().await.unwrap();
    let first = Box::new(Plain::numbers(0..1));
    Log::create(Arc::clone(engine), writer, params_with(fakes, quorum), Some(first)).await.unwrap()
}

pub async fn open(engine: &Arc<dyn Engine>, params: LogParams) -> Result<Log, OpenError> {
    let writer = engine.claim().await.unwrap();
    Log::open(Arc::clone(engine), writer, params).await
}

pub async fn published(log: &Log, size: u64) {
    log.watch_head().wait_for(|head| head.checkpoint.size >= size).await.unwrap();
}

pub async fn stored_published(engine: &Arc<dyn Engine>) -> String {
    let row = engine.get(Family::Heads, &layout::published_head_key(LOG)).await.unwrap().unwrap();
    String::from_utf8(row).unwrap()
}

pub async fn cosigners_of(log: &Log, fakes: &[Arc<Fake>]) -> usize {
    let note = Note::parse(&log.checkpoint(&log.head()).await.unwrap()).unwrap();
    let keys: Vec<VerifierKey> = fakes.iter().map(|fake| fake.key.verifier_key().clone()).collect();
    note.verify(&keys).map_or(0, |signed| signed.len())
}
