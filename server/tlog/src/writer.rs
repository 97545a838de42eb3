//! The claim on the engine, shared by all logs of a server.

use std::sync::Arc;

use cairnlog_store::{Engine, Family, ReadError, Writer, layout};
use tokio::sync::Mutex;

use crate::limits::{SETTLE_PAUSE_MIN, SETTLE_TRIES_MAX};

/// The claim that every log over one engine writes with.
///
/// An engine has one writer, and a claim fences the one before. A log that must claim anew, because the
/// outcome of a commit is unknown until then, would fence its siblings; so they share the claim, and one
/// that finds itself fenced by a sibling goes on with the new claim.
#[derive(Clone, Debug)]
pub struct SharedWriter {
    // A lock that may be held across an await: who wants to know whether it was a sibling that fenced
    // it has to wait until that sibling's claim has ended.
    current: Arc<Mutex<Writer>>,
}

impl From<Writer> for SharedWriter {
    fn from(writer: Writer) -> SharedWriter {
        SharedWriter { current: Arc::new(Mutex::new(writer)) }
    }
}

impl SharedWriter {
    /// The claim to write with, for whoever else writes to the engine: take it anew for each commit.
    pub async fn current(&self) -> Writer {
        self.current.lock().await.clone()
    }

    /// Whether the engine has been claimed anew, by a log that shares this, since `used` was current.
    pub(crate) async fn has_moved_on(&self, used: &Writer) -> bool {
        *self.current.lock().await != *used
    }

    /// Makes sure that the engine was claimed anew since `used` was current. No batch of `used` lands
    /// after that.
    async fn move_on(&self, engine: &dyn Engine, used: &Writer) -> Result<(), ReadError> {
        let mut current = self.current.lock().await;
        if *current == *used {
            *current = engine.claim().await?;
        }
        Ok(())
    }

    /// The stored head of a log after a commit by `used` whose outcome is unknown: with it, what became
    /// of the commit is known and stays so. Tries for a bounded time.
    pub(crate) async fn settled_head(
        &self,
        engine: &dyn Engine,
        used: &Writer,
        log: u32,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        tracing::warn!(log, "the outcome of a commit is unknown; claiming anew, then reading the tree head");
        let key = layout::head_key(log);
        let mut pause = SETTLE_PAUSE_MIN;
        let mut attempt = 1;
        loop {
            let read = match self.move_on(engine, used).await {
                Ok(()) => engine.get(Family::Heads, &key).await,
                Err(error) => Err(error),
            };
            match read {
                Ok(head) => return Ok(head),
                Err(error) if attempt == SETTLE_TRIES_MAX => return Err(error),
                Err(error) => tracing::warn!(log, attempt, %error, "the tree head can't be read"),
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2);
            attempt += 1;
        }
    }
}
