//! The model, the steps that are taken on it and on an engine, and the comparison.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairnlog_store::{Batch, CommitError, Engine, Family, Row, Scan, Snapshot, Writer};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::subject::Subject;

/// Families of every shape of tuning.
const FAMILIES: [Family; 5] = [Family::Entries, Family::Postings, Family::ByLeaf, Family::Seen, Family::Logs];

/// One step of a test.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Commit(Vec<Change>),
    CommitAsFormerWriter(Vec<Change>),
    Claim,
    Get(Family, Vec<u8>),
    MultiGet(Family, Vec<Vec<u8>>),
    Scan(Scan),
    TakeSnapshot,
    Reopen,
}

pub(crate) type Change = (Family, Vec<u8>, Option<Vec<u8>>);

/// What an engine should hold.
#[derive(Clone, Default)]
pub(crate) struct Model {
    rows: BTreeMap<(Family, Vec<u8>), Vec<u8>>,
}

impl Model {
    pub(crate) fn apply(&mut self, changes: &[Change]) {
        for (family, key, value) in changes {
            match value {
                Some(value) => self.rows.insert((*family, key.clone()), value.clone()),
                None => self.rows.remove(&(*family, key.clone())),
            };
        }
    }

    fn get(&self, family: Family, key: &[u8]) -> Option<Vec<u8>> {
        self.rows.get(&(family, key.to_vec())).cloned()
    }

    /// Said as plainly as can be, unlike any engine's range.
    fn scan(&self, scan: &Scan) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for ((family, key), value) in &self.rows {
            if *family == scan.family && *key >= scan.from && (scan.to.is_empty() || *key < scan.to) {
                rows.push((key.clone(), value.clone()));
            }
        }
        if scan.reverse {
            rows.reverse();
        }
        rows.truncate(scan.limit);
        rows
    }

    /// Compares all that an engine holds.
    pub(crate) async fn assert_equals(&self, engine: &dyn Engine) {
        for family in Family::ALL {
            let scan = Scan { family, from: Vec::new(), to: Vec::new(), reverse: false, limit: 1_000 };
            assert_eq!(engine.scan(scan.clone()).await.unwrap(), self.scan(&scan), "{family:?}");
        }
    }
}

pub(crate) fn batch(changes: &[Change]) -> Batch {
    let mut batch = Batch::new();
    for (family, key, value) in changes {
        match value {
            Some(value) => batch.put(*family, key.clone(), value.clone()),
            None => batch.delete(*family, key.clone()),
        }
    }
    batch
}

pub(crate) fn changes() -> impl Strategy<Value = Vec<Change>> {
    vec((family(), key(), proptest::option::weighted(0.7, vec(any::<u8>(), 0..40))), 0..12)
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => changes().prop_map(Step::Commit),
        1 => changes().prop_map(Step::CommitAsFormerWriter),
        1 => Just(Step::Claim),
        3 => (family(), key()).prop_map(|(family, key)| Step::Get(family, key)),
        2 => (family(), vec(key(), 0..8)).prop_map(|(family, keys)| Step::MultiGet(family, keys)),
        6 => scan().prop_map(Step::Scan),
        1 => Just(Step::TakeSnapshot),
        3 => Just(Step::Reopen),
    ];
    vec(step, 1..60)
}

fn family() -> impl Strategy<Value = Family> {
    proptest::sample::select(FAMILIES.to_vec())
}

/// Keys that collide often and stand on both sides of every prefix that an engine may filter by.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let byte = proptest::sample::select(vec![0_u8, 1, 0xfe, 0xff]);
    let tail = vec(byte.clone(), 0..4);
    (byte, proptest::sample::select(vec![0_usize, 1, 11, 12, 13, 16]), tail).prop_map(
        |(byte, repeated, tail)| {
            let mut key = vec![byte; repeated];
            key.extend(tail);
            key
        },
    )
}

fn scan() -> impl Strategy<Value = Scan> {
    let limit = prop_oneof![1 => Just(0_usize), 4 => 1..5_usize, 4 => Just(1_000)];
    let range = (family(), key(), key(), any::<bool>(), limit.clone())
        .prop_map(|(family, from, to, reverse, limit)| Scan { family, from, to, reverse, limit });
    let prefix = (family(), key(), any::<bool>(), limit)
        .prop_map(|(family, prefix, reverse, limit)| Scan { reverse, ..Scan::prefix(family, prefix, limit) });
    prop_oneof![range, prefix]
}

/// Takes the steps on the subject and on a model of it.
pub(crate) async fn run(subject: Subject, steps: Vec<Step>) {
    let writer = subject.engine().claim().await.unwrap();
    let mut run = Run {
        engine: subject.engine(),
        subject,
        writer,
        former: None,
        model: Model::default(),
        frozen: None,
    };
    for step in steps {
        run.take(step).await;
    }
    run.model.assert_equals(run.engine.as_ref()).await;
}

struct Run {
    subject: Subject,
    engine: Arc<dyn Engine>,
    writer: Writer,
    former: Option<Writer>,
    model: Model,
    frozen: Option<(Arc<dyn Snapshot>, Model)>,
}

impl Run {
    async fn take(&mut self, step: Step) {
        match step {
            Step::Commit(changes) => {
                self.engine.commit(&self.writer, batch(&changes)).await.unwrap();
                self.model.apply(&changes);
            }
            Step::CommitAsFormerWriter(changes) => {
                if let Some(former) = &self.former {
                    let answer = self.engine.commit(former, batch(&changes)).await;
                    assert!(matches!(answer, Err(CommitError::Fenced)), "{answer:?}");
                }
            }
            Step::Claim => self.claim().await,
            Step::TakeSnapshot => {
                self.frozen = Some((self.engine.snapshot().await.unwrap(), self.model.clone()));
            }
            Step::Reopen => {
                self.frozen = None;
                self.engine = Arc::new(cairnlog_store::memory::MemoryEngine::new());
                self.subject.reopen();
                self.engine = self.subject.engine();
                self.claim().await;
            }
            Step::Get(..) | Step::MultiGet(..) | Step::Scan(..) => self.read(step).await,
        }
    }

    async fn claim(&mut self) {
        let writer = self.engine.claim().await.unwrap();
        self.former = Some(std::mem::replace(&mut self.writer, writer));
    }

    async fn read(&self, step: Step) {
        let (engine, model) = (&self.engine, &self.model);
        match step {
            Step::Get(family, key) => {
                assert_eq!(engine.get(family, &key).await.unwrap(), model.get(family, &key));
                if let Some((frozen, model)) = &self.frozen {
                    assert_eq!(frozen.get(family, &key).await.unwrap(), model.get(family, &key));
                }
            }
            Step::MultiGet(family, keys) => {
                let expected =
                    |model: &Model| -> Vec<_> { keys.iter().map(|k| model.get(family, k)).collect() };
                assert_eq!(engine.multi_get(family, keys.clone()).await.unwrap(), expected(model));
                if let Some((frozen, model)) = &self.frozen {
                    assert_eq!(frozen.multi_get(family, keys.clone()).await.unwrap(), expected(model));
                }
            }
            Step::Scan(scan) => {
                assert_eq!(engine.scan(scan.clone()).await.unwrap(), model.scan(&scan), "{scan:?}");
                if let Some((frozen, model)) = &self.frozen {
                    assert_eq!(frozen.scan(scan.clone()).await.unwrap(), model.scan(&scan), "{scan:?}");
                }
            }
            _ => unreachable!("only reads come here"),
        }
    }
}
