//! The way into a log's tree, which freezing closes, and which one submission may have to itself.

use std::sync::{Arc, PoisonError, RwLock};

use cairnlog_tlog::{AppendError, Appended, Submission};
use tokio::sync::OwnedRwLockWriteGuard;

use crate::error::LedgerError;

/// Where writers' submissions go in. A cheap handle.
#[derive(Clone)]
pub(crate) struct Intake {
    tree: cairnlog_tlog::Log,
    /// Held while a submission is put into the queue, so that whoever closes it knows what is before that.
    frozen: Arc<RwLock<bool>>,
    /// Writers pass; who has to know where an entry will stand lets nobody pass.
    gate: Arc<tokio::sync::RwLock<()>>,
}

/// The way in, while all others wait.
pub(crate) struct Alone {
    intake: Intake,
    /// The index that the next entry gets.
    pub(crate) next: u64,
    _gate: OwnedRwLockWriteGuard<()>,
}

impl Intake {
    pub(crate) fn new(tree: cairnlog_tlog::Log, frozen: bool) -> Self {
        Self { tree, frozen: Arc::new(RwLock::new(frozen)), gate: Arc::default() }
    }

    pub(crate) fn is_frozen(&self) -> bool {
        *self.frozen.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses where the log is frozen.
    pub(crate) fn check(&self) -> Result<(), LedgerError> {
        if self.is_frozen() { Err(LedgerError::Frozen) } else { Ok(()) }
    }

    /// Queues a submission unless the log is frozen, and hands out the wait for it to be durable.
    pub(crate) async fn submit(
        &self,
        submission: Box<dyn Submission>,
    ) -> Result<impl Future<Output = Result<Appended, AppendError>> + Send + use<>, LedgerError> {
        let _passing = self.gate.read().await;
        self.enqueue(submission)
    }

    /// Held by whoever appends in another way, so that it comes before or after who is [`alone`](Self::alone).
    pub(crate) async fn passing(&self) -> tokio::sync::OwnedRwLockReadGuard<()> {
        Arc::clone(&self.gate).read_owned().await
    }

    fn enqueue(
        &self,
        submission: Box<dyn Submission>,
    ) -> Result<impl Future<Output = Result<Appended, AppendError>> + Send + use<>, LedgerError> {
        let frozen = self.frozen.read().unwrap_or_else(PoisonError::into_inner);
        if *frozen {
            return Err(LedgerError::Frozen);
        }
        Ok(self.tree.submit(submission)?)
    }

    /// Lets no writer pass, and waits until all that went in before is answered.
    pub(crate) async fn alone(&self) -> Alone {
        let gate = Arc::clone(&self.gate).write_owned().await;
        self.tree.settled().await;
        Alone { next: self.tree.durable_size(), intake: self.clone(), _gate: gate }
    }

    /// Closes or opens it, and waits until all that went in before is answered.
    pub(crate) async fn set_frozen(&self, is_frozen: bool) {
        *self.frozen.write().unwrap_or_else(PoisonError::into_inner) = is_frozen;
        self.tree.settled().await;
    }
}

impl Alone {
    /// Appends, then lets the others pass again.
    pub(crate) async fn submit(self, submission: Box<dyn Submission>) -> Result<Appended, LedgerError> {
        Ok(self.intake.enqueue(submission)?.await?)
    }
}
