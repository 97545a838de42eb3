//! The claim on the engine, shared by all logs of a server.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex as SyncMutex, PoisonError},
};

use cairnlog_store::{Engine, Family, ReadError, Writer, layout};
use tokio::sync::Mutex;

use crate::kept::Kept;
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
    /// The logs that have a sequencer.
    growing: Arc<SyncMutex<BTreeSet<u32>>>,
    /// The tiles of all of them that were read last.
    kept: Arc<Kept>,
}

/// The right to grow a log; there is one for each log of a claim. Two sequencers of one log would each sign a tree of its
/// own.
#[derive(Debug)]
pub(crate) struct Growing {
    log: u32,
    all: Arc<SyncMutex<BTreeSet<u32>>>,
}

impl Drop for Growing {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.log);
    }
}

impl From<Writer> for SharedWriter {
    fn from(writer: Writer) -> SharedWriter {
        SharedWriter { current: Arc::new(Mutex::new(writer)), growing: Arc::default(), kept: Arc::default() }
    }
}

impl SharedWriter {
    /// The claim to write with, for whoever else writes to the engine: take it anew for each commit.
    pub async fn current(&self) -> Writer {
        self.current.lock().await.clone()
    }

    /// The tiles kept in memory.
    pub(crate) fn kept(&self) -> Arc<Kept> {
        Arc::clone(&self.kept)
    }

    /// The right to grow `log`; `None` as long as someone has it.
    pub(crate) fn grow(&self, log: u32) -> Option<Growing> {
        let is_free = self.growing.lock().unwrap_or_else(PoisonError::into_inner).insert(log);
        is_free.then(|| Growing { log, all: Arc::clone(&self.growing) })
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
        self.settled(engine, used, log, &layout::head_key(log)).await
    }

    /// The stored row of `heads` after a commit by `used` whose outcome is unknown.
    pub(crate) async fn settled(
        &self,
        engine: &dyn Engine,
        used: &Writer,
        log: u32,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let mut pause = SETTLE_PAUSE_MIN;
        let mut attempt = 1;
        loop {
            let read = match self.move_on(engine, used).await {
                Ok(()) => engine.get(Family::Heads, key).await,
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
