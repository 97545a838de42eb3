//! The newest head outside the store: an older copy of the store is refused, and so is another tree.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use cairnlog_store::{
    Engine, Family, Scan,
    kept::{KeptHead, KeptHeads},
    memory::MemoryEngine,
};
use cairnlog_tlog::{Log, LogParams, OpenError};
use common::{Plain, params};

struct Site {
    dir: tempfile::TempDir,
}

impl Site {
    fn new() -> Site {
        Site { dir: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> KeptHead {
        KeptHeads::open(&self.dir.path().join("heads")).unwrap().of("hr").unwrap()
    }

    fn params(&self) -> LogParams {
        LogParams { outside: Some(self.file()), ..params() }
    }

    async fn create(&self, engine: &Arc<dyn Engine>, first: Plain) -> Result<Log, OpenError> {
        let writer = engine.claim().await.unwrap();
        Log::create(Arc::clone(engine), writer, self.params(), Some(Box::new(first))).await
    }

    async fn open(&self, engine: &Arc<dyn Engine>) -> Result<Log, OpenError> {
        let writer = engine.claim().await.unwrap();
        Log::open(Arc::clone(engine), writer, self.params()).await
    }
}

fn memory() -> Arc<dyn Engine> {
    Arc::new(MemoryEngine::new())
}

async fn copy(engine: &Arc<dyn Engine>) -> Arc<dyn Engine> {
    let copy = memory();
    let writer = copy.claim().await.unwrap();
    let mut batch = cairnlog_store::Batch::new();
    for family in Family::ALL {
        for (key, value) in engine.scan(Scan::prefix(family, Vec::new(), 60_000)).await.unwrap() {
            batch.put(family, key, value);
        }
    }
    copy.commit(&writer, batch).await.unwrap();
    copy
}

#[tokio::test]
async fn a_store_put_back_to_an_older_copy_is_refused() {
    let site = Site::new();
    let engine = memory();
    let log = site.create(&engine, Plain::numbers(0..1)).await.unwrap();
    log.append(Box::new(Plain::numbers(1..300))).await.unwrap();
    log.shutdown().await;
    assert_eq!(site.file().read().unwrap().as_deref(), Some(log.head().note.as_str()));

    let older = copy(&engine).await;
    let log = site.open(&engine).await.unwrap();
    log.append(Box::new(Plain::numbers(300..900))).await.unwrap();
    log.shutdown().await;

    let refused = site.open(&older).await.unwrap_err();
    assert!(matches!(refused, OpenError::RolledBack { kept: 900, stored: 300, .. }), "{refused}");
    let words = refused.to_string();
    assert!(words.contains("900") && words.contains("300") && words.contains("heads/hr"), "{words}");
    assert!(matches!(site.create(&memory(), Plain::numbers(0..1)).await, Err(OpenError::RolledBack { .. })));

    let log = site.open(&engine).await.unwrap();
    assert_eq!(log.head().checkpoint.size, 900, "the newest store still opens");
}

/// A crash may come before the head is written outside: a kept head that is behind is no reason to refuse.
#[tokio::test]
async fn a_kept_head_may_be_behind_and_must_be_of_the_same_tree() {
    for kept_size in [1, 255, 256, 257, 700] {
        let site = Site::new();
        let engine = memory();
        let log = site.create(&engine, Plain::numbers(0..kept_size)).await.unwrap();
        log.shutdown().await;
        let kept = site.file().read().unwrap().unwrap();
        let log = site.open(&engine).await.unwrap();
        log.append(Box::new(Plain::numbers(kept_size..1_000))).await.unwrap();
        log.shutdown().await;
        site.file().replace(&kept).unwrap();
        site.open(&engine).await.unwrap().shutdown().await;

        let other = common::create(&memory(), Plain::numbers(1..kept_size + 1)).await;
        site.file().replace(&other.head().note).unwrap();
        let refused = site.open(&engine).await.unwrap_err();
        assert!(matches!(refused, OpenError::KeptRoot { size, .. } if size == kept_size), "{refused}");
    }
}

#[tokio::test]
async fn a_kept_head_that_is_no_head_is_refused_and_named() {
    let site = Site::new();
    let engine = memory();
    site.create(&engine, Plain::numbers(0..3)).await.unwrap().shutdown().await;
    for text in ["", "nothing", "example.com/other\n1\nAAAA\n\n— x y\n"] {
        site.file().replace(text).unwrap();
        let refused = site.open(&engine).await.unwrap_err();
        assert!(matches!(refused, OpenError::KeptUnreadable { .. }), "{refused}");
        assert!(refused.to_string().contains("heads/hr"), "{refused}");
    }
}
