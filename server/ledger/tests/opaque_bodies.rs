//! Bodies of several entries, each behind its length: what is no such sequence is refused and adds nothing, whatever the
//! bytes.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::sync::Arc;

use cairnlog_ledger::{Ledger, LedgerError, Log, Mode, NewLog};
use cairnlog_store::Engine;
use cairnlog_store::memory::MemoryEngine;
use cairnlog_tlog::SUBMISSION_LEAVES_MAX;
use common::ledger::open;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::runtime::Runtime;

/// An empty opaque log over a store in memory.
struct Site {
    _dir: tempfile::TempDir,
    _ledger: Ledger,
    log: Arc<Log>,
    runtime: Runtime,
}

impl Site {
    fn new() -> Self {
        let (dir, runtime) = (tempfile::tempdir().unwrap(), Runtime::new().unwrap());
        let (ledger, log) = runtime.block_on(opaque(dir.path()));
        Self { _dir: dir, _ledger: ledger, log, runtime }
    }

    fn size(&self) -> u64 {
        self.log.tree().head().checkpoint.size
    }

    /// Adds a body, and checks what became of it against what the model reads in it.
    fn check(&self, body: &[u8]) {
        let before = self.size();
        let added = self.runtime.block_on(self.log.add_all(body.to_vec()));
        let Some(entries) = model(body) else {
            assert!(matches!(added, Err(LedgerError::BadRequest(_))), "{added:?}");
            assert_eq!(self.size(), before, "something was added");
            return;
        };
        let added = added.unwrap();
        let size = before + entries.len() as u64;
        assert_eq!((added.first_index, added.count, added.tree_size), (before, entries.len() as u64, size));
        assert_eq!(self.size(), size);
        let (first, last) = (&entries[0], &entries[entries.len() - 1]);
        for (index, entry) in [(before, first), (size - 1, last)] {
            let stored = self.runtime.block_on(self.log.tree().entry(index)).unwrap();
            assert_eq!(stored.as_ref(), Some(entry), "{index}");
        }
    }
}

async fn opaque(dir: &Path) -> (Ledger, Arc<Log>) {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let ledger = open(dir, engine).await;
    let new = NewLog { mode: Mode::Opaque, ..NewLog::named("plain") };
    let log = ledger.create_log(new, "op").await.unwrap();
    (ledger, log)
}

/// The entries of a body, read from its end of what is left; none if it is no sequence, or empty.
fn model(body: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut entries = Vec::new();
    let mut at = 0;
    while at < body.len() {
        let length = 256 * usize::from(body[at]) + usize::from(*body.get(at + 1)?);
        entries.push(body.get(at + 2..at + 2 + length)?.to_vec());
        at += 2 + length;
    }
    (!entries.is_empty()).then_some(entries)
}

fn framed(entries: &[Vec<u8>]) -> Vec<u8> {
    let frame = |entry: &Vec<u8>| [&u16::try_from(entry.len()).unwrap().to_be_bytes()[..], entry].concat();
    entries.iter().flat_map(frame).collect()
}

/// Runs `check` over many of these.
fn with<S: Strategy>(strategy: &S, cases: u32, check: impl Fn(S::Value)) {
    let mut runner = TestRunner::new(ProptestConfig { cases, ..ProptestConfig::default() });
    runner
        .run(strategy, |value| {
            check(value);
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_bytes_are_a_sequence_of_entries_or_refused() {
    let site = Site::new();
    let any_bytes = prop::collection::vec(prop_oneof![4 => 0..4_u8, 1 => any::<u8>()], 0..40);
    // Few bytes are a sequence by chance.
    let entries = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 1..6);
    let bytes = prop_oneof![any_bytes, entries.prop_map(|entries| framed(&entries))];
    with(&bytes, 400, |body| site.check(&body));
    assert!(site.size() > 0, "no body was taken");
}

#[test]
fn a_sequence_that_is_cut_or_altered_is_read_as_what_it_is_then() {
    let site = Site::new();
    let entries = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..6);
    let altered = (entries, any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..8_u32);
    with(&altered, 100, |(entries, cut, turned, bit)| {
        let body = framed(&entries);
        site.check(&body);
        site.check(&body[..cut.index(body.len())]);
        let mut other = body;
        let at = turned.index(other.len());
        other[at] ^= 1 << bit;
        site.check(&other);
    });
}

#[test]
fn the_longest_entries_and_the_most_of_them_are_taken_and_one_more_is_not() {
    let site = Site::new();
    site.check(&framed(&[vec![0xff; 65_535], Vec::new(), vec![0; 65_535]]));
    site.check(&vec![0; 2 * SUBMISSION_LEAVES_MAX]);
    let before = site.size();
    let refused = site.runtime.block_on(site.log.add_all(vec![0; 2 * SUBMISSION_LEAVES_MAX + 2]));
    assert!(matches!(refused, Err(LedgerError::TooLarge)), "{refused:?}");
    assert_eq!(site.size(), before);
}
