//! An engine that fails when it is told to, for tests of everything that stands above an engine.
//!
//! It plans one failure of commits and one of reads at a time, counted from the moment of planning, so a test says
//! "the third commit from now is lost in the air" and nothing depends on timing.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::batch::Batch;
use crate::engine::{CommitError, Engine, Limits, ReadError, Row, Scan, Snapshot, Writer};
use crate::family::Family;

/// How a planned commit fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitFault {
    /// Another writer claims the engine at that moment.
    Fenced,
    /// The batch is refused as too large.
    TooLarge,
    /// A clean failure; the batch does not land and the next one may.
    Unavailable,
    /// Damage; the batch does not land.
    Corrupt,
    /// Unknown, and the batch has landed: what comes next sees it.
    UnknownApplied,
    /// Unknown, and the batch has not landed and never will.
    UnknownNotApplied,
    /// Unknown, and the batch lies where only the next claim finds it, as a write-ahead log's tail does when its fsync
    /// failed: no read sees it until then, and every commit until then fails cleanly.
    UnknownUntilClaim,
}

/// How a planned read fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFault {
    /// The store can't be read now.
    Unavailable,
    /// What was read fails its checksum.
    Corrupt,
}

/// A wrapper around an engine that injects planned failures.
pub struct FaultyEngine {
    inner: Arc<dyn Engine>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    commits: u64,
    commit_fault: Option<(u64, CommitFault)>,
    read_fault: Option<(u64, ReadFault)>,
    /// A batch that the next claim will find.
    until_claim: Option<Batch>,
}

impl FaultyEngine {
    /// Wraps `inner`; without plans it behaves as `inner` does.
    #[must_use]
    pub fn new(inner: Arc<dyn Engine>) -> Self {
        Self { inner, state: Mutex::default() }
    }

    /// Makes the `nth` commit from now fail (1 is the next), replacing an earlier plan.
    pub fn plan_commit(&self, nth: u64, fault: CommitFault) {
        self.state().commit_fault = Some((nth, fault));
    }

    /// Makes the `nth` read from now fail (1 is the next), replacing an earlier plan. Reads are `get`, `multi_get`,
    /// `scan` and the taking of a snapshot.
    pub fn plan_read(&self, nth: u64, fault: ReadFault) {
        self.state().read_fault = Some((nth, fault));
    }

    /// How many commits were asked for, failed ones included.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.state().commits
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a commit and answers the fault that is due.
    fn commit_fault(&self) -> Result<Option<CommitFault>, CommitError> {
        let mut state = self.state();
        state.commits += 1;
        if state.until_claim.is_some() {
            return Err(CommitError::Unavailable("an earlier write failed; claim again".into()));
        }
        Ok(due(&mut state.commit_fault))
    }

    fn read_fault(&self) -> Result<(), ReadError> {
        match due(&mut self.state().read_fault) {
            None => Ok(()),
            Some(ReadFault::Unavailable) => Err(ReadError::Unavailable("injected".into())),
            Some(ReadFault::Corrupt) => Err(ReadError::Corrupt("injected".into())),
        }
    }

    async fn fail(&self, fault: CommitFault, writer: &Writer, batch: Batch) -> CommitError {
        let unknown = || CommitError::Unknown("injected".into());
        match fault {
            CommitFault::Fenced => match self.inner.claim().await {
                Ok(_) => CommitError::Fenced,
                Err(error) => CommitError::Unavailable(error.to_string()),
            },
            CommitFault::TooLarge => {
                CommitError::TooLarge { what: "bytes of a batch", value: batch.bytes(), max: 0 }
            }
            CommitFault::Unavailable => CommitError::Unavailable("injected".into()),
            CommitFault::Corrupt => CommitError::Corrupt("injected".into()),
            CommitFault::UnknownApplied => match self.inner.commit(writer, batch).await {
                Ok(()) => unknown(),
                Err(error) => error,
            },
            CommitFault::UnknownNotApplied => unknown(),
            CommitFault::UnknownUntilClaim => match self.inner.commit(writer, Batch::new()).await {
                Ok(()) => {
                    self.state().until_claim = Some(batch);
                    unknown()
                }
                Err(error) => error,
            },
        }
    }
}

#[async_trait]
impl Engine for FaultyEngine {
    async fn claim(&self) -> Result<Writer, ReadError> {
        let writer = self.inner.claim().await?;
        let found = self.state().until_claim.take();
        if let Some(batch) = found {
            self.inner
                .commit(&writer, batch)
                .await
                .map_err(|error| ReadError::Unavailable(error.to_string()))?;
        }
        Ok(writer)
    }

    async fn commit(&self, writer: &Writer, batch: Batch) -> Result<(), CommitError> {
        match self.commit_fault()? {
            None => self.inner.commit(writer, batch).await,
            Some(fault) => Err(self.fail(fault, writer, batch).await),
        }
    }

    async fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.read_fault()?;
        self.inner.get(family, key).await
    }

    async fn multi_get(&self, family: Family, keys: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>, ReadError> {
        self.read_fault()?;
        self.inner.multi_get(family, keys).await
    }

    async fn scan(&self, scan: Scan) -> Result<Vec<Row>, ReadError> {
        self.read_fault()?;
        self.inner.scan(scan).await
    }

    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, ReadError> {
        self.read_fault()?;
        self.inner.snapshot().await
    }

    async fn copy_to(&self, to: &Path) -> Result<(), ReadError> {
        self.inner.copy_to(to).await
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }
}

/// Counts a plan down; answers it when it is due and forgets it then.
fn due<F: Copy>(plan: &mut Option<(u64, F)>) -> Option<F> {
    let (left, fault) = plan.take()?;
    if left <= 1 {
        return Some(fault);
    }
    *plan = Some((left - 1, fault));
    None
}
