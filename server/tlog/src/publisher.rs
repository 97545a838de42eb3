//! The task that publishes heads once enough witnesses have cosigned them.
//!
//! It takes the newest durable head, asks every witness, writes the head with the cosignatures to the store once the
//! quorum is met, and only then shows it. The sequencer never waits for it: heads that were overtaken meanwhile are
//! not published. A witness that is slow is not asked again before it has answered or its time is up; the others go on.

use std::sync::Arc;

use cairnlog_store::{Batch, CommitError, Engine, Family, layout};
use cairnlog_verify::note::{NoteSignature, VerifierKey};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    error::StopReason,
    head::Head,
    limits::{PUBLISH_PAUSE_MAX, PUBLISH_PAUSE_MIN},
    reader::TileReader,
    witness::{self, Asked, Witnesses},
    writer::SharedWriter,
};

/// The state of the task.
pub(crate) struct Publisher {
    pub(crate) reader: TileReader,
    pub(crate) writer: SharedWriter,
    pub(crate) witnesses: Arc<Witnesses>,
    /// For each witness the size that it has cosigned last.
    pub(crate) sizes: Vec<u64>,
    pub(crate) durable: watch::Receiver<Arc<Head>>,
    pub(crate) stopped: watch::Receiver<Option<StopReason>>,
    pub(crate) published: watch::Sender<Arc<Head>>,
}

/// The requests under way, at most one a witness.
#[derive(Default)]
struct Asking {
    running: JoinSet<Asked>,
    busy: Vec<bool>,
}

impl Publisher {
    /// Publishes head after head until the log has stopped.
    pub(crate) async fn run(mut self) {
        let busy = vec![false; self.witnesses.cosigners.len()];
        let mut asking = Asking { running: JoinSet::new(), busy };
        let mut pause = PUBLISH_PAUSE_MIN;
        while self.stopped.borrow().is_none() {
            let target = Arc::clone(&self.durable.borrow_and_update());
            let is_published = self.published.borrow().note == target.note;
            if is_published {
                tokio::select! {
                    _ = self.durable.changed() => {}
                    _ = self.stopped.wait_for(Option::is_some) => {}
                }
                continue;
            }
            let done = self.round(&target, &mut asking).await;
            pause = if done { PUBLISH_PAUSE_MIN } else { pause.saturating_mul(2).min(PUBLISH_PAUSE_MAX) };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = self.stopped.wait_for(Option::is_some) => {}
            }
        }
    }

    /// One head: whether it was published.
    async fn round(&mut self, target: &Arc<Head>, asking: &mut Asking) -> bool {
        let note: Arc<str> = match target.to_serve().await {
            Ok(note) => note.into(),
            Err(error) => {
                tracing::error!(log = self.reader.log, %error, "a head can't be published");
                return false;
            }
        };
        let mut cosigned: Vec<(usize, NoteSignature)> = Vec::new();
        for who in 0..self.sizes.len() {
            self.ask(who, target, &note, asking);
        }
        while !self.is_enough(&cosigned) {
            let asked = tokio::select! {
                asked = asking.running.join_next() => asked,
                _ = self.stopped.wait_for(Option::is_some) => return false,
            };
            let Some(asked) = asked else { return false };
            let Ok(asked) = asked else { continue };
            asking.busy[asked.who] = false;
            self.sizes[asked.who] = asked.size;
            if asked.target != target.checkpoint.size {
                self.ask(asked.who, target, &note, asking);
            } else if let Some(cosignature) = asked.cosignature {
                cosigned.push((asked.who, cosignature));
            }
        }
        let mut served = note.to_string();
        for (_, cosignature) in &cosigned {
            served.push_str(&cosignature.to_string());
            served.push('\n');
        }
        self.publish(target, served).await
    }

    fn ask(&self, who: usize, target: &Arc<Head>, note: &Arc<str>, asking: &mut Asking) {
        if std::mem::replace(&mut asking.busy[who], true) {
            return;
        }
        let cosigner = self.witnesses.cosigners[who].clone();
        let (reader, size) = (self.reader.clone(), self.sizes[who]);
        asking.running.spawn(witness::ask(reader, cosigner, who, size, Arc::clone(target), Arc::clone(note)));
    }

    fn is_enough(&self, cosigned: &[(usize, NoteSignature)]) -> bool {
        let key = |(who, _): &(usize, NoteSignature)| &self.witnesses.cosigners[*who].key;
        let keys: Vec<&VerifierKey> = cosigned.iter().map(key).collect();
        (self.witnesses.quorum)(&keys)
    }

    /// Makes the head durable as the published one, then shows it. A crash in between leaves a published head that
    /// nobody saw, and the next start goes on from it.
    async fn publish(&self, target: &Head, served: String) -> bool {
        assert!(
            target.checkpoint.size >= self.published.borrow().checkpoint.size,
            "the published head would go back"
        );
        let log = self.reader.log;
        let mut batch = rows(log, &served, target.time);
        for (cosigner, size) in self.witnesses.cosigners.iter().zip(&self.sizes) {
            batch.put(Family::Heads, layout::witness_size_key(log, &cosigner.name), size.to_be_bytes());
        }
        let engine: &dyn Engine = self.reader.engine.as_ref();
        let writer = self.writer.current().await;
        let landed = match engine.commit(&writer, batch).await {
            Ok(()) => true,
            Err(CommitError::Unknown(_)) => {
                let stored =
                    self.writer.settled(engine, &writer, log, &layout::published_head_key(log)).await;
                matches!(stored, Ok(Some(row)) if row == served.as_bytes())
            }
            Err(error) => {
                tracing::warn!(log, %error, "a head was not published");
                false
            }
        };
        if landed {
            self.published.send_replace(Arc::new(target.cosigned(served)));
        }
        landed
    }
}

/// The rows of the published head.
pub(crate) fn rows(log: u32, served: &str, time: u64) -> Batch {
    let mut batch = Batch::new();
    batch.put(Family::Heads, layout::published_head_key(log), served.as_bytes());
    batch.put(Family::Heads, layout::published_time_key(log), time.to_be_bytes());
    batch
}
