//! An engine whose commits wait until the test lets them through.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use cairnlog_store::{Batch, CommitError, Engine, Family, Limits, ReadError, Row, Scan, Snapshot, Writer};
use tokio::sync::Semaphore;

pub struct Gate {
    inner: Arc<dyn Engine>,
    /// Commits that may go to the engine.
    entrance: Semaphore,
    /// Commits whose answer may come back.
    exit: Semaphore,
    /// Commits that the engine has done.
    done: Semaphore,
    commits: AtomicUsize,
    claims_refused: AtomicBool,
}

impl Gate {
    pub fn new(inner: Arc<dyn Engine>) -> Gate {
        Gate {
            inner,
            entrance: Semaphore::new(0),
            exit: Semaphore::new(0),
            done: Semaphore::new(0),
            commits: AtomicUsize::new(0),
            claims_refused: AtomicBool::new(false),
        }
    }

    /// Lets so many commits through.
    pub fn let_commit(&self, commits: usize) {
        self.exit.add_permits(commits);
        self.entrance.add_permits(commits);
    }

    /// Lets one commit happen whose answer stays out.
    pub fn let_commit_but_not_return(&self) {
        self.entrance.add_permits(1);
    }

    /// Lets the answer of one commit come back.
    pub fn let_return(&self) {
        self.exit.add_permits(1);
    }

    /// Waits until the engine has done a commit.
    pub async fn committed(&self) {
        self.done.acquire().await.unwrap().forget();
    }

    /// From now on the engine can't be claimed, as one that must be opened anew.
    pub fn refuse_claims(&self) {
        self.claims_refused.store(true, Ordering::SeqCst);
    }

    /// How many commits were asked for.
    pub fn commits(&self) -> usize {
        self.commits.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Engine for Gate {
    async fn claim(&self) -> Result<Writer, ReadError> {
        if self.claims_refused.load(Ordering::SeqCst) {
            return Err(ReadError::Unavailable("open it anew".into()));
        }
        self.inner.claim().await
    }

    async fn commit(&self, writer: &Writer, batch: Batch) -> Result<(), CommitError> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.entrance.acquire().await.unwrap().forget();
        let result = self.inner.commit(writer, batch).await;
        self.done.add_permits(1);
        self.exit.acquire().await.unwrap().forget();
        result
    }

    async fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.inner.get(family, key).await
    }

    async fn multi_get(&self, family: Family, keys: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>, ReadError> {
        self.inner.multi_get(family, keys).await
    }

    async fn scan(&self, scan: Scan) -> Result<Vec<Row>, ReadError> {
        self.inner.scan(scan).await
    }

    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, ReadError> {
        self.inner.snapshot().await
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }
}
