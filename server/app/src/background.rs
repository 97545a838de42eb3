//! Work that goes on for as long as the server does, and may be cut off anywhere.

use tokio::task::JoinHandle;

/// A task of the server. Dropping it without [`stop`](Background::stop) leaves it to the runtime.
pub(crate) struct Background {
    task: JoinHandle<()>,
}

impl Background {
    /// Starts it.
    pub(crate) fn start(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { task: tokio::spawn(work) }
    }

    /// Ends it, and returns when it has let go of what it held.
    pub(crate) async fn stop(self) {
        self.task.abort();
        // That it was cancelled is what was asked for.
        let _ = self.task.await;
    }
}
