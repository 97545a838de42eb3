//! The engines under test.

use std::future::Future;
use std::sync::Arc;

use cairnlog_store::Engine;
use cairnlog_store::faulty::FaultyEngine;
use cairnlog_store::memory::MemoryEngine;
use cairnlog_store::rocks::RocksEngine;
use tempfile::TempDir;

/// An engine, and how to open it anew.
pub(crate) struct Subject {
    engine: Option<Arc<dyn Engine>>,
    disk: Option<TempDir>,
}

impl Subject {
    pub(crate) fn memory() -> Self {
        Self { engine: Some(Arc::new(MemoryEngine::new())), disk: None }
    }

    pub(crate) fn faulty() -> Self {
        let inner = Arc::new(MemoryEngine::new());
        Self { engine: Some(Arc::new(FaultyEngine::new(inner))), disk: None }
    }

    pub(crate) fn rocks() -> Self {
        let disk = tempfile::tempdir().unwrap();
        Self { engine: Some(Arc::new(RocksEngine::open(disk.path()).unwrap())), disk: Some(disk) }
    }

    pub(crate) fn all() -> [Self; 3] {
        [Self::memory(), Self::faulty(), Self::rocks()]
    }

    pub(crate) fn engine(&self) -> Arc<dyn Engine> {
        Arc::clone(self.engine.as_ref().unwrap())
    }

    /// Closes and opens an engine that has a disk. No handle from [`engine`](Self::engine) may be left.
    pub(crate) fn reopen(&mut self) {
        if let Some(disk) = &self.disk {
            self.engine = None;
            self.engine = Some(Arc::new(RocksEngine::open(disk.path()).unwrap()));
        }
    }
}

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap().block_on(work)
}
