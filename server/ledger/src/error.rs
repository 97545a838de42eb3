//! What can go wrong, as one small set that every caller understands.

use cairnlog_host::InvalidPlugin;
use cairnlog_store::secrets::SecretsError;
use cairnlog_store::{CommitError, ReadError};
use cairnlog_tlog::AppendError;

use crate::retain::erased::Erasure;

/// Why a log did not do what was asked. The words are for the caller; they hold no payload.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The request contradicts the documented forms.
    #[error("{0}")]
    BadRequest(String),
    /// What it names is not there.
    #[error("{0}")]
    NotFound(String),
    /// It contradicts what is there.
    #[error("{0}")]
    Conflict(String),
    /// The entry was erased.
    #[error("entry {of} was erased; it stays in the tree, and can be proven as before", of = .0.of)]
    Erased(Box<Erasure>),
    /// A legal hold of this id covers it.
    #[error("the hold {0} covers it; what is held is not erased before the hold is released")]
    Held(String),
    /// Its class's minimum stands: until then, in milliseconds since the Unix epoch, or until an event closes it.
    #[error("the minimum of its retention class stands; it is not erased before")]
    Minimum(Option<u64>),
    /// The log is frozen: it takes nothing more, for good.
    #[error("the log is frozen: it takes nothing more, and can be read and proven as before")]
    Frozen,
    /// A stage of the pipeline refused a raw record and the source says that this refuses the request.
    #[error("{words}")]
    Rejected {
        /// What happened.
        words: String,
        /// The stable word for why.
        slug: &'static str,
    },
    /// The plugin has not the kind that the stage needs.
    #[error("{0}")]
    WrongKind(String),
    /// The upload is no plugin that this server runs.
    #[error("{0}")]
    InvalidPlugin(#[from] InvalidPlugin),
    /// The request is more than one commit may hold.
    #[error("the request is too large for one commit; send it in smaller parts")]
    TooLarge,
    /// Too much is waiting; nothing was kept.
    #[error("too much is waiting to be written; try again")]
    QueueFull,
    /// The log takes no writes now; nothing was kept unless the words say so.
    #[error("{0}")]
    ReadOnly(String),
    /// The pipeline was interrupted by the time backstop, not by the record's own cost; nothing was kept.
    #[error("the pipeline was interrupted because the server is overloaded; nothing was kept, try again")]
    Interrupted,
    /// An entry neither opens to what it commits to nor was erased: an alarm for the operator.
    #[error("{0}")]
    Damaged(String),
    /// Something that must be there is damaged or can't be read. The words are for the operator.
    #[error("{0}")]
    Internal(String),
}

impl LedgerError {
    /// An internal error from whatever caused it.
    pub(crate) fn internal(cause: impl std::fmt::Display) -> Self {
        Self::Internal(cause.to_string())
    }
}

impl From<ReadError> for LedgerError {
    fn from(error: ReadError) -> Self {
        Self::internal(error)
    }
}

impl From<SecretsError> for LedgerError {
    fn from(error: SecretsError) -> Self {
        match error {
            SecretsError::Io { .. } => {
                tracing::error!(%error, "a key could not be made durable");
                Self::ReadOnly(
                    "the log's keys can't be written now; an operator must look at the disk".to_owned(),
                )
            }
            SecretsError::RotatedElsewhere(_) => Self::Conflict(error.to_string()),
            other => Self::internal(other),
        }
    }
}

impl From<cairnlog_tlog::ReadError> for LedgerError {
    fn from(error: cairnlog_tlog::ReadError) -> Self {
        Self::internal(error)
    }
}

impl From<CommitError> for LedgerError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::TooLarge { .. } => Self::TooLarge,
            CommitError::Unavailable(_) | CommitError::Fenced => {
                Self::ReadOnly(format!("the store did not take the change: {error}; try again"))
            }
            other => Self::internal(other),
        }
    }
}

impl From<AppendError> for LedgerError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::QueueFull => Self::QueueFull,
            AppendError::TooLarge => Self::TooLarge,
            AppendError::Invalid(_) => Self::internal(error),
            other => Self::ReadOnly(other.to_string()),
        }
    }
}
