//! The task that publishes heads once enough witnesses have cosigned them.
//!
//! It takes the newest durable head, asks every witness, writes the head with the cosignatures to the store once the
//! quorum is met, and only then shows it. The sequencer never waits for it: heads that were overtaken meanwhile are
//! not published. A witness that is slow is not asked again before it has answered or its time is up, and one that has
//! failed is left alone for a while; the others go on.

use std::{sync::Arc, time::Duration};

use cairnlog_store::{Batch, CommitError, Engine, Family, layout};
use cairnlog_verify::note::{NoteSignature, VerifierKey};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    asking::{Asking, Cosigned},
    error::StopReason,
    head::Head,
    limits::{COSIGN_GRACE, PUBLISH_PAUSE_MAX, PUBLISH_PAUSE_MIN},
    reader::TileReader,
    witness::Witnesses,
    writer::SharedWriter,
};

/// The state of the task.
pub(crate) struct Publisher {
    pub(crate) reader: TileReader,
    pub(crate) writer: SharedWriter,
    pub(crate) witnesses: Arc<Witnesses>,
    pub(crate) asking: Asking,
    pub(crate) durable: watch::Receiver<Arc<Head>>,
    pub(crate) stopped: watch::Receiver<Option<StopReason>>,
    pub(crate) published: watch::Sender<Arc<Head>>,
}

/// A head on its way to be published.
struct Target {
    head: Arc<Head>,
    /// As it is shown to witnesses.
    note: Arc<str>,
    /// Who has cosigned it so far.
    cosigned: Vec<(usize, NoteSignature)>,
    /// Until when further cosignatures are waited for, once there are enough.
    grace: Option<Instant>,
}

/// How a round ended.
enum Round {
    Published,
    /// All that could be asked have answered, and too few have cosigned.
    TooFew,
    /// The head can't be shown or stored now.
    Failed,
    Stopped,
}

impl Publisher {
    /// Publishes head after head until the log has stopped.
    pub(crate) async fn run(mut self) {
        let mut pause = PUBLISH_PAUSE_MIN;
        let mut target: Option<Target> = None;
        // The head that was published before the start may never have been cosigned, so it is shown to the witnesses.
        let mut is_due = true;
        while self.stopped.borrow().is_none() {
            let newest = Arc::clone(&self.durable.borrow_and_update());
            if !is_due && self.published.borrow().note == newest.note {
                self.idle(None).await;
                continue;
            }
            // What was cosigned of this head in an earlier round still counts.
            let earlier = target.take().filter(|target| target.head.note == newest.note);
            let round = match earlier {
                Some(earlier) => self.round(target.insert(earlier)).await,
                None => match self.aim(newest).await {
                    Some(new) => self.round(target.insert(new)).await,
                    None => Round::Failed,
                },
            };
            match round {
                Round::Stopped => return,
                Round::Published => {
                    is_due = false;
                    pause = PUBLISH_PAUSE_MIN;
                }
                Round::TooFew => {
                    let due = self.asking.due();
                    self.idle(due.map(Instant::from_std)).await;
                    continue;
                }
                Round::Failed => pause = pause.saturating_mul(2).min(PUBLISH_PAUSE_MAX),
            }
            self.rest(pause).await;
        }
    }

    async fn aim(&self, head: Arc<Head>) -> Option<Target> {
        match head.to_serve().await {
            Ok(note) => Some(Target { head, note: note.into(), cosigned: Vec::new(), grace: None }),
            Err(error) => {
                tracing::error!(log = self.reader.log, %error, "a head can't be published");
                None
            }
        }
    }

    /// One head.
    async fn round(&mut self, target: &mut Target) -> Round {
        let size = target.head.checkpoint.size;
        loop {
            let Target { cosigned, .. } = &*target;
            let have = |who| cosigned.iter().any(|(one, _)| *one == who);
            self.asking.ask(&target.head, &target.note, have);
            let now = Instant::now();
            let mut wake = self.asking.due().map(Instant::from_std);
            if self.is_enough(&target.cosigned) {
                let grace = *target.grace.get_or_insert(now + COSIGN_GRACE);
                if grace <= now || !self.asking.waits(Some(size)) {
                    break;
                }
                wake = Some(wake.map_or(grace, |wake| wake.min(grace)));
            } else if !self.asking.waits(None) {
                return Round::TooFew;
            }
            tokio::select! {
                cosigned = self.asking.next() => target.take(cosigned),
                () = at(wake) => {}
                _ = self.stopped.wait_for(Option::is_some) => return Round::Stopped,
            }
        }
        if self.publish(target).await { Round::Published } else { Round::Failed }
    }

    /// Waits for a newer head, or until `wake`, and hears meanwhile what witnesses answer that were asked before. Where
    /// there is a time to wake, a newer head does not matter: it would not be cosigned by more of them.
    async fn idle(&mut self, wake: Option<Instant>) {
        loop {
            tokio::select! {
                // A sequencer that is gone has said so before.
                _ = self.durable.changed(), if wake.is_none() => return,
                () = at(wake), if wake.is_some() => return,
                _ = self.asking.next() => {}
                _ = self.stopped.wait_for(Option::is_some) => return,
            }
        }
    }

    async fn rest(&mut self, pause: Duration) {
        tokio::select! {
            () = sleep(pause) => {}
            _ = self.stopped.wait_for(Option::is_some) => {}
        }
    }

    fn is_enough(&self, cosigned: &[(usize, NoteSignature)]) -> bool {
        let key = |(who, _): &(usize, NoteSignature)| &self.witnesses.cosigners[*who].key;
        let keys: Vec<&VerifierKey> = cosigned.iter().map(key).collect();
        (self.witnesses.quorum)(&keys)
    }

    /// Makes the head durable as the published one, then shows it. A crash in between leaves a published head that
    /// nobody saw, and the next start goes on from it.
    async fn publish(&self, target: &Target) -> bool {
        let head = &target.head;
        assert!(
            head.checkpoint.size >= self.published.borrow().checkpoint.size,
            "the published head would go back"
        );
        let log = self.reader.log;
        let served = target.served();
        let mut batch = rows(log, &served, head.time);
        for (witness, size) in self.asking.sizes() {
            batch.put(Family::Heads, layout::witness_size_key(log, witness), size.to_be_bytes());
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
            self.published.send_replace(Arc::new(head.cosigned(served)));
        }
        landed
    }
}

impl Target {
    /// Keeps a cosignature, if it is of this head.
    fn take(&mut self, cosigned: Option<Cosigned>) {
        if let Some(Cosigned { who, size, cosignature }) = cosigned
            && size == self.head.checkpoint.size
        {
            self.cosigned.push((who, cosignature));
        }
    }

    /// The note with its cosignatures, in the order of the policy.
    fn served(&self) -> String {
        let mut cosigned: Vec<&(usize, NoteSignature)> = self.cosigned.iter().collect();
        cosigned.sort_by_key(|(who, _)| *who);
        let mut served = self.note.to_string();
        for (_, cosignature) in cosigned {
            served.push_str(&cosignature.to_string());
            served.push('\n');
        }
        served
    }
}

async fn at(wake: Option<Instant>) {
    match wake {
        Some(wake) => sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

/// The rows of the published head.
pub(crate) fn rows(log: u32, served: &str, time: u64) -> Batch {
    let mut batch = Batch::new();
    batch.put(Family::Heads, layout::published_head_key(log), served.as_bytes());
    batch.put(Family::Heads, layout::published_time_key(log), time.to_be_bytes());
    batch
}
