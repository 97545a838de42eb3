//! Work that is handed to another thread or task.

use tokio::task::JoinError;

use crate::error::LedgerError;

/// Runs work that blocks, or takes more than some microseconds, off the async threads.
pub(crate) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LedgerError> {
    tokio::task::spawn_blocking(work).await.map_err(|gone| lost(&gone))
}

/// What is said of work that ended without a result. The words of a panic are left out: they may quote a record.
pub(crate) fn lost(gone: &JoinError) -> LedgerError {
    let how = if gone.is_panic() { "panicked" } else { "was cancelled" };
    LedgerError::Internal(format!("a task {how}"))
}
