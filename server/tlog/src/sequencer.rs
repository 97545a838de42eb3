//! The one task that grows a log.

use std::sync::Arc;

use cairnlog_store::{CommitError, Engine, Writer};
use cairnlog_verify::checkpoint::Checkpoint;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use crate::{
    commit::{self, Prepared},
    error::{AppendError, StopReason},
    head::Head,
    log::Clock,
    signers::Signers,
    submission::{Appended, Capacity, Cost, Submission},
    writer::{Growing, SharedWriter},
};

/// What a caller hears.
pub(crate) type Answer = Result<Appended, AppendError>;

/// A submission that waits for its turn.
pub(crate) struct Job {
    /// What to append; a change of keys may come alone, and who waits for what is before brings nothing.
    pub(crate) submission: Option<Box<dyn Submission>>,
    /// The keys that sign from this submission on, if they change.
    pub(crate) signers: Option<Arc<Signers>>,
    pub(crate) cost: Cost,
    pub(crate) waiter: Waiter,
}

impl Job {
    /// Whether it is a group of its own.
    fn is_alone(&self) -> bool {
        self.signers.is_some() || self.expected_first().is_some() || self.submission.is_none()
    }

    fn expected_first(&self) -> Option<u64> {
        self.submission.as_ref().and_then(|submission| submission.expected_first())
    }
}

/// Who waits for it.
pub(crate) struct Waiter {
    pub(crate) answer: oneshot::Sender<Answer>,
    /// Its share of the memory that the queue may hold, given back with the answer.
    pub(crate) _room: OwnedSemaphorePermit,
}

/// What became of a commit that returned an error.
enum Outcome {
    /// It is in the store all the same.
    Committed,
    /// It is not and never will be.
    Dropped,
    /// It is not, and there can be no further one.
    DroppedAndStopped(StopReason),
    /// It may be, and nothing more may be signed.
    UnknownAndStopped(StopReason),
}

/// The state of the task.
pub(crate) struct Sequencer {
    pub(crate) log: u32,
    pub(crate) signers: Arc<Signers>,
    pub(crate) clock: Clock,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) writer: SharedWriter,
    pub(crate) _growing: Growing,
    /// What a group of several submissions may hold.
    pub(crate) group: Capacity,
    /// The last durable head. Every next one grows out of it.
    pub(crate) durable: Arc<Head>,
    pub(crate) queue: mpsc::Receiver<Job>,
    pub(crate) heads: watch::Sender<Arc<Head>>,
    pub(crate) stopped: watch::Sender<Option<StopReason>>,
}

impl Sequencer {
    /// Commits group after group until the queue is closed and empty, or nothing may be signed any
    /// more.
    pub(crate) async fn run(mut self) {
        // Taken from the queue already, but one too many for the last group.
        let mut held = None;
        let reason = loop {
            let Some(group) = self.next_group(&mut held).await else {
                break StopReason::Shutdown;
            };
            if let Err(reason) = self.append(group).await {
                tracing::error!(log = self.log, %reason, "the log has stopped");
                break reason;
            }
        };
        self.stopped.send_replace(Some(reason));
    }

    /// Waits for a submission and takes with it what else is waiting, first come first served, as far
    /// as one commit holds it. `None` once the queue is closed and empty.
    async fn next_group(&mut self, held: &mut Option<Job>) -> Option<Vec<Job>> {
        let first = match held.take() {
            Some(job) => job,
            None => self.queue.recv().await?,
        };
        let mut cost = first.cost;
        let mut group = vec![first];
        if group[0].is_alone() {
            return Some(group);
        }
        while let Ok(job) = self.queue.try_recv() {
            cost = cost.plus(job.cost);
            if !self.group.holds(cost) || job.is_alone() {
                *held = Some(job);
                break;
            }
            group.push(job);
        }
        Some(group)
    }

    /// One group commit. An error stops the log.
    ///
    /// A crash before the engine has the batch leaves nothing of it, and its signed head has left this
    /// process nowhere; a crash after leaves all of it, and callers that were not answered find their
    /// entries by leaf hash.
    async fn append(&mut self, mut group: Vec<Job>) -> Result<(), StopReason> {
        if group.iter().all(|job| job.submission.is_none() && job.signers.is_none()) {
            // All that was before is answered, and that is all that was asked.
            let size = self.durable.checkpoint.size;
            for job in group {
                let _ = job.waiter.answer.send(Ok(Appended { first_index: size, tree_size: size }));
            }
            return Ok(());
        }
        // Who expects a place is alone in its group.
        let size = self.durable.checkpoint.size;
        if group.iter().filter_map(Job::expected_first).any(|first| first != size) {
            answer_all(group.into_iter().map(|job| job.waiter).collect(), &AppendError::Moved(size));
            return Ok(());
        }
        // A change of keys is alone in its group.
        let signers = group.iter_mut().find_map(|job| job.signers.take());
        let signers = signers.unwrap_or_else(|| Arc::clone(&self.signers));
        let (submissions, waiters): (Vec<_>, Vec<_>) =
            group.into_iter().map(|job| (job.submission, job.waiter)).unzip();
        let submissions: Vec<_> = submissions.into_iter().flatten().collect();
        if !Arc::ptr_eq(&signers, &self.signers) && !self.may_sign(&signers, &submissions) {
            let words =
                "none of the log's own keys goes on signing; add new keys first, and let old ones end later";
            answer_all(waiters, &AppendError::Invalid(words));
            return Ok(());
        }
        let prepared = commit::prepare(self.log, &self.durable, &signers, (self.clock)(), submissions);
        let Prepared { batch, head, appended } = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                tracing::error!(log = self.log, %error, "the next tree head can't be signed");
                return Err(refuse_all(waiters, StopReason::Signing));
            }
        };
        let writer = self.writer.current().await;
        let error = match self.engine.commit(&writer, batch).await {
            Ok(()) => {
                self.publish(head, &appended, waiters);
                return Ok(());
            }
            Err(error) => error,
        };
        match self.outcome(&error, &writer, &head).await {
            Outcome::Committed => self.publish(head, &appended, waiters),
            Outcome::Dropped => self.fail_cleanly(&error, waiters),
            Outcome::DroppedAndStopped(reason) => return Err(refuse_all(waiters, reason)),
            Outcome::UnknownAndStopped(reason) => {
                answer_all(waiters, &AppendError::Unknown(reason));
                return Err(reason);
            }
        }
        Ok(())
    }

    /// Whether other keys may sign from these submissions on: one that signs now signs their head too, and one goes on.
    fn may_sign(&self, signers: &Signers, submissions: &[Box<dyn Submission>]) -> bool {
        let Checkpoint { origin, size, .. } = &self.durable.checkpoint;
        let leaves: usize = submissions.iter().map(|submission| submission.entries().len()).sum();
        let size = size.saturating_add(leaves as u64);
        signers.are_of(origin) && signers.overlap(&self.signers, origin, size)
    }

    /// What became of a commit that returned an error.
    ///
    /// After an unknown outcome nothing is signed until the engine has been claimed anew and the stored
    /// head read back: it is either the new one or the last durable one, and in both cases no second
    /// head of the new one's size can come to be seen.
    async fn outcome(&self, error: &CommitError, writer: &Writer, next: &Head) -> Outcome {
        match error {
            CommitError::TooLarge { .. } | CommitError::Unavailable(_) => Outcome::Dropped,
            CommitError::Fenced if self.writer.has_moved_on(writer).await => Outcome::Dropped,
            CommitError::Fenced => Outcome::DroppedAndStopped(StopReason::Fenced),
            CommitError::Corrupt(_) => {
                tracing::error!(log = self.log, %error, "the store reports damage");
                Outcome::UnknownAndStopped(StopReason::Corrupt)
            }
            // A class that this code does not know is no better than unknown.
            CommitError::Unknown(_) | _ => {
                match self.writer.settled_head(self.engine.as_ref(), writer, self.log).await {
                    Ok(Some(note)) if note == next.note.as_bytes() => Outcome::Committed,
                    Ok(Some(note)) if note == self.durable.note.as_bytes() => Outcome::Dropped,
                    Ok(_) => Outcome::UnknownAndStopped(StopReason::ForeignHead),
                    Err(_) => Outcome::UnknownAndStopped(StopReason::Unsettled),
                }
            }
        }
    }

    /// The head is durable: it becomes visible, then the callers hear their indices, so that each finds
    /// its entry in the published tree.
    fn publish(&mut self, head: Head, appended: &[Appended], waiters: Vec<Waiter>) {
        let published = self.durable.checkpoint.size;
        let grows = head.checkpoint.size > published;
        assert!(grows || !Arc::ptr_eq(&head.signers, &self.signers), "the published head would go back");
        self.signers = Arc::clone(&head.signers);
        self.durable = Arc::new(head);
        self.heads.send_replace(Arc::clone(&self.durable));
        for (waiter, appended) in waiters.into_iter().zip(appended) {
            // A caller that went away needs no answer.
            let _ = waiter.answer.send(Ok(*appended));
        }
    }

    /// Nothing of the batch is in the store. Its head and signature are dropped with it; the next batch
    /// grows out of the last durable head again.
    fn fail_cleanly(&self, error: &CommitError, waiters: Vec<Waiter>) {
        tracing::warn!(log = self.log, %error, "a batch was not committed");
        // Many small submissions that are too large together are not too large one by one.
        let answer = match error {
            CommitError::TooLarge { .. } if waiters.len() == 1 => AppendError::TooLarge,
            _ => AppendError::Unavailable(error.to_string()),
        };
        answer_all(waiters, &answer);
    }
}

impl Drop for Sequencer {
    /// Whoever still waits learns why there will be no answer. Without a reason given by then the task
    /// was torn down by a panic.
    fn drop(&mut self) {
        let panicked = self.stopped.send_if_modified(|stopped| {
            let unknown = stopped.is_none();
            if unknown {
                *stopped = Some(StopReason::Panicked);
            }
            unknown
        });
        if panicked {
            tracing::error!(log = self.log, "the log has stopped: its sequencer has panicked");
        }
    }
}

/// Tells callers whose submissions are surely not in the log that it has stopped.
fn refuse_all(waiters: Vec<Waiter>, reason: StopReason) -> StopReason {
    answer_all(waiters, &AppendError::Stopped(reason));
    reason
}

fn answer_all(waiters: Vec<Waiter>, answer: &AppendError) {
    for waiter in waiters {
        // A caller that went away needs no answer.
        let _ = waiter.answer.send(Err(answer.clone()));
    }
}
