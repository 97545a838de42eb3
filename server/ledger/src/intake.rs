//! The way into a log's tree, which freezing closes.

use std::sync::{Arc, PoisonError, RwLock};

use cairnlog_tlog::{AppendError, Appended, Submission};

use crate::error::LedgerError;

/// Where writers' submissions go in. A cheap handle.
#[derive(Clone)]
pub(crate) struct Intake {
    tree: cairnlog_tlog::Log,
    /// Held while a submission is put into the queue, so that whoever closes it knows what is before that.
    frozen: Arc<RwLock<bool>>,
}

impl Intake {
    pub(crate) fn new(tree: cairnlog_tlog::Log, frozen: bool) -> Self {
        Self { tree, frozen: Arc::new(RwLock::new(frozen)) }
    }

    pub(crate) fn is_frozen(&self) -> bool {
        *self.frozen.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses where the log is frozen.
    pub(crate) fn check(&self) -> Result<(), LedgerError> {
        if self.is_frozen() { Err(LedgerError::Frozen) } else { Ok(()) }
    }

    /// Queues a submission unless the log is frozen, and hands out the wait for it to be durable.
    pub(crate) fn submit(
        &self,
        submission: Box<dyn Submission>,
    ) -> Result<impl Future<Output = Result<Appended, AppendError>> + Send + use<>, LedgerError> {
        let frozen = self.frozen.read().unwrap_or_else(PoisonError::into_inner);
        if *frozen {
            return Err(LedgerError::Frozen);
        }
        Ok(self.tree.submit(submission)?)
    }

    /// Closes or opens it, and waits until all that went in before is answered.
    pub(crate) async fn set_frozen(&self, is_frozen: bool) {
        *self.frozen.write().unwrap_or_else(PoisonError::into_inner) = is_frozen;
        self.tree.settled().await;
    }
}
