//! The in-memory engine: the trait's semantics with nothing durable about it. For tests, and to try things out.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;

use crate::batch::Batch;
use crate::engine::{CommitError, Engine, Limits, ReadError, Row, Scan, Snapshot, Writer};
use crate::family::Family;

/// An engine whose rows live in this process and die with it.
#[derive(Default)]
pub struct MemoryEngine {
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    writer: Option<Writer>,
    rows: Rows,
}

/// One ordered map a family. A snapshot shares the maps; the next write copies only those it changes.
#[derive(Clone, Default)]
struct Rows {
    families: [Arc<BTreeMap<Vec<u8>, Vec<u8>>>; Family::ALL.len()],
}

impl MemoryEngine {
    /// An empty engine.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Engine for MemoryEngine {
    async fn claim(&self) -> Result<Writer, ReadError> {
        let writer = Writer::next();
        self.write().writer = Some(writer.clone());
        Ok(writer)
    }

    async fn commit(&self, writer: &Writer, batch: Batch) -> Result<(), CommitError> {
        batch.check(&self.limits())?;
        let mut state = self.write();
        if state.writer.as_ref() != Some(writer) {
            return Err(CommitError::Fenced);
        }
        state.rows.apply(batch);
        Ok(())
    }

    async fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.read().rows.get(family, key))
    }

    async fn multi_get(&self, family: Family, keys: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>, ReadError> {
        self.read().rows.multi_get(family, &keys)
    }

    async fn scan(&self, scan: Scan) -> Result<Vec<Row>, ReadError> {
        self.read().rows.scan(&scan)
    }

    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, ReadError> {
        Ok(Arc::new(self.read().rows.clone()))
    }
}

#[async_trait]
impl Snapshot for Rows {
    async fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.get(family, key))
    }

    async fn multi_get(&self, family: Family, keys: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>, ReadError> {
        self.multi_get(family, &keys)
    }

    async fn scan(&self, scan: Scan) -> Result<Vec<Row>, ReadError> {
        self.scan(&scan)
    }
}

impl Rows {
    fn apply(&mut self, batch: Batch) {
        for op in batch.into_ops() {
            let rows = Arc::make_mut(&mut self.families[op.family as usize]);
            match op.value {
                Some(value) => rows.insert(op.key, value),
                None => rows.remove(&op.key),
            };
        }
    }

    fn get(&self, family: Family, key: &[u8]) -> Option<Vec<u8>> {
        self.families[family as usize].get(key).cloned()
    }

    fn multi_get(&self, family: Family, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, ReadError> {
        Limits::DEFAULT.check_keys(keys)?;
        Ok(keys.iter().map(|key| self.get(family, key)).collect())
    }

    fn scan(&self, scan: &Scan) -> Result<Vec<Row>, ReadError> {
        Limits::DEFAULT.check_scan(scan)?;
        if scan.is_empty() {
            return Ok(Vec::new());
        }
        let to = if scan.to.is_empty() { Bound::Unbounded } else { Bound::Excluded(scan.to.as_slice()) };
        let range =
            self.families[scan.family as usize].range::<[u8], _>((Bound::Included(scan.from.as_slice()), to));
        let row = |(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), value.clone());
        Ok(if scan.reverse {
            range.rev().take(scan.limit).map(row).collect()
        } else {
            range.take(scan.limit).map(row).collect()
        })
    }
}
