//! The handle to one log: creating, opening, appending, closing.

use std::sync::{Arc, PoisonError, RwLock};

use cairnlog_store::{CommitError, Engine, Family, kept::KeptHead, layout};
use tokio::{
    sync::{Mutex, Semaphore, mpsc, oneshot, watch},
    task::JoinHandle,
};

use crate::{
    asking::{Asking, Tally},
    check::Check,
    commit::{self, Prepared},
    error::{AppendError, HeadError, OpenError, StopReason},
    head::Head,
    kept::Kept,
    limits::{QUEUE_BYTES_MAX, QUEUE_SUBMISSIONS_MAX},
    outside,
    published::Published,
    publisher::Publisher,
    reader::TileReader,
    rebuild,
    sequencer::{Job, Sequencer, Waiter},
    signers::{Signer, Signers},
    submission::{Appended, Capacity, Cost, Submission},
    witness::{Outcome, Witnesses},
    writer::{Growing, SharedWriter},
};

/// The time of day in POSIX seconds. It may step back; the times of heads don't.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What makes a log this log.
pub struct LogParams {
    /// Its id, the first four bytes of every key.
    pub id: u32,
    /// Its origin, the first line of every head.
    pub origin: String,
    /// The keys that sign heads; at least one is named like the origin and does not end.
    pub signers: Vec<Signer>,
    /// Where the times of heads come from.
    pub clock: Clock,
    /// Who cosigns the heads before they are published; without, every durable head is published.
    pub witnesses: Option<Arc<Witnesses>>,
    /// Where the newest head is kept outside the store.
    pub outside: Option<KeptHead>,
}

impl std::fmt::Debug for LogParams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogParams")
            .field("id", &self.id)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// A cheap handle to an open log. The log goes on until [`Log::shutdown`], or until the last handle is
/// gone; what was queued by then is still committed.
#[derive(Clone)]
pub struct Log {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) id: u32,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) kept: Arc<Kept>,
    /// The published head.
    heads: watch::Receiver<Arc<Head>>,
    witnesses: Option<Arc<Tally>>,
    /// The newest durable head.
    durable: watch::Receiver<Arc<Head>>,
    capacity: Capacity,
    /// Taken away by a shutdown, after which the sequencer drains what is left.
    queue: RwLock<Option<mpsc::Sender<Job>>>,
    /// The bytes that may still be queued.
    room: Arc<Semaphore>,
    stopped: watch::Receiver<Option<StopReason>>,
    /// The sequencer first. Held while its end is awaited, so that everyone who shuts down waits for it.
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Log {
    /// Creates the log with `first` as entry 0 and on: its rows and the first signed head are the first
    /// commit. Without it, or where it has no entries but only rows, the log starts empty, under a signed
    /// head of size 0. Call it within a tokio runtime.
    ///
    /// A crash before that commit leaves nothing, one after it leaves a log to [`Log::open`].
    ///
    /// # Errors
    /// [`OpenError`]: the log exists or is being created, rows of a lost one are in the way, no key is the
    /// origin's, the first submission is not acceptable, or the engine fails.
    pub async fn create(
        engine: Arc<dyn Engine>,
        writer: impl Into<SharedWriter>,
        mut params: LogParams,
        first: Option<Box<dyn Submission>>,
    ) -> Result<Log, OpenError> {
        let signers = rebuild::check_signers(&params.origin, std::mem::take(&mut params.signers))?;
        rebuild::check_policy_keys(&params.origin, (&signers, 0), params.witnesses.as_deref())?;
        let writer = writer.into();
        let growing = writer.grow(params.id).ok_or(OpenError::Open { log: params.id })?;
        rebuild::check_vacant(engine.as_ref(), params.id).await?;
        if let Some(file) = &params.outside {
            outside::check_none(file).await?;
        }
        let capacity = Capacity::of_submission(&engine.limits());
        if let Some(first) = &first {
            capacity.admit_or_rows(first.as_ref()).map_err(OpenError::First)?;
        }
        let before = Head::before_first(&params.origin, &signers);
        let Prepared { mut batch, head, .. } =
            commit::prepare(params.id, &before, &signers, (params.clock)(), first.into_iter().collect())
                .map_err(OpenError::Sign)?;
        if params.witnesses.is_some() {
            batch.put(Family::Heads, layout::published_head_key(params.id), Vec::new());
        }
        let current = writer.current().await;
        match engine.commit(&current, batch).await {
            Ok(()) => {}
            Err(error @ CommitError::Unknown(_)) => {
                let stored = writer.settled_head(engine.as_ref(), &current, params.id).await?;
                if stored.as_deref() != Some(head.note.as_bytes()) {
                    return Err(error.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
        let published = params.witnesses.clone().map(|all| Published::before_first(all, before));
        Ok(Log::start(engine, writer, growing, params, head, published))
    }

    /// Opens the log at its stored head. The right edge is rebuilt from the last full tiles and the
    /// entries after them, and must hash to the signed root. Call it within a tokio runtime.
    ///
    /// # Errors
    /// [`OpenError`] names what does not match; nothing is signed and nothing written then.
    pub async fn open(
        engine: Arc<dyn Engine>,
        writer: impl Into<SharedWriter>,
        mut params: LogParams,
    ) -> Result<Log, OpenError> {
        let signers = rebuild::check_signers(&params.origin, std::mem::take(&mut params.signers))?;
        let writer = writer.into();
        let growing = writer.grow(params.id).ok_or(OpenError::Open { log: params.id })?;
        let head = rebuild::stored_head(engine.as_ref(), params.id, &params.origin, signers).await?;
        let signers = (head.signers.as_ref(), head.checkpoint.size);
        rebuild::check_policy_keys(&params.origin, signers, params.witnesses.as_deref())?;
        if let Some(file) = &params.outside {
            outside::check(engine.as_ref(), params.id, &head, file).await?;
        }
        let published = Published::open(&engine, &writer, &params, &head).await?;
        Ok(Log::start(engine, writer, growing, params, head, published))
    }

    fn start(
        engine: Arc<dyn Engine>,
        writer: SharedWriter,
        growing: Growing,
        params: LogParams,
        head: Head,
        published: Option<Published>,
    ) -> Log {
        let LogParams { id, clock, outside, .. } = params;
        let durable = Arc::new(head);
        let limits = engine.limits();
        let (queue_in, queue) = mpsc::channel(QUEUE_SUBMISSIONS_MAX);
        let (heads_in, durable_heads) = watch::channel(Arc::clone(&durable));
        let (stopped_in, stopped) = watch::channel(None);
        let kept = writer.kept();
        let sequencer = Sequencer {
            log: id,
            signers: Arc::clone(&durable.signers),
            clock,
            engine: Arc::clone(&engine),
            writer,
            _growing: growing,
            group: Capacity::of_group(&limits),
            durable,
            queue,
            heads: heads_in,
            stopped: stopped_in,
        };
        let writer_of_heads = sequencer.writer.clone();
        let mut tasks = vec![tokio::spawn(sequencer.run())];
        let tally = published.as_ref().map(|published| Arc::new(Tally::new(&published.witnesses)));
        let heads = match (published, &tally) {
            (Some(Published { head, witnesses, seats }), Some(tally)) => {
                let (published_in, heads) = watch::channel(Arc::new(head));
                let reader = TileReader { log: id, engine: Arc::clone(&engine), kept: Arc::clone(&kept) };
                let task = Publisher {
                    reader: reader.clone(),
                    writer: writer_of_heads,
                    asking: Asking::new(reader, Arc::clone(&witnesses), seats, Arc::clone(tally)),
                    witnesses,
                    durable: durable_heads.clone(),
                    stopped: stopped.clone(),
                    published: published_in,
                };
                tasks.push(tokio::spawn(task.run()));
                heads
            }
            _ => durable_heads.clone(),
        };
        if let Some(file) = outside {
            tasks.push(tokio::spawn(outside::keep(id, file, durable_heads.clone(), stopped.clone())));
        }
        let inner = Inner {
            id,
            engine,
            kept,
            heads,
            witnesses: tally,
            durable: durable_heads,
            capacity: Capacity::of_submission(&limits),
            queue: RwLock::new(Some(queue_in)),
            room: Arc::new(Semaphore::new(QUEUE_BYTES_MAX)),
            stopped,
            tasks: Mutex::new(tasks),
        };
        Log { inner: Arc::new(inner) }
    }

    /// Appends a submission and waits until it is durable: it is in the signed tree then, and in the
    /// published one as soon as the witnesses, if there are any, have cosigned it. Submissions are
    /// taken in the order of these calls. If the returned future is dropped the submission may still be
    /// appended.
    ///
    /// # Errors
    /// [`AppendError`]; all but [`AppendError::Unknown`] mean that nothing was appended.
    pub async fn append(&self, submission: Box<dyn Submission>) -> Result<Appended, AppendError> {
        self.submit(submission)?.await
    }

    /// Puts a submission into the queue before it returns, and hands out the wait for its answer, which
    /// is that of [`Log::append`].
    ///
    /// # Errors
    /// [`AppendError`], if it is not taken into the queue; nothing was appended then.
    pub fn submit(
        &self,
        submission: Box<dyn Submission>,
    ) -> Result<impl Future<Output = Result<Appended, AppendError>> + Send + use<>, AppendError> {
        let cost = self.inner.capacity.admit(submission.as_ref())?;
        self.queue(Some(submission), cost, None)
    }

    /// Lets other keys sign, from `submission` on if there is one: it then says so in the log. Without one, the newest
    /// head is signed anew.
    ///
    /// One of the log's own Ed25519 keys must be among the old and the new ones, so that no client is left without a
    /// key that it knows: add the new key beside the old one first, and drop the old one with a later call or let it end
    /// at a size that the tree has not reached. Whatever keys the log is to be opened with must be kept before they sign.
    /// The submission may be rows alone.
    ///
    /// # Errors
    /// [`AppendError`], [`AppendError::Invalid`] where no key goes on signing.
    pub async fn rotate(
        &self,
        signers: Vec<Signer>,
        submission: Option<Box<dyn Submission>>,
    ) -> Result<Appended, AppendError> {
        let cost = match &submission {
            Some(submission) => self.inner.capacity.admit_or_rows(submission.as_ref())?,
            None => Cost { leaves: 0, bytes: 0 },
        };
        self.queue(submission, cost, Some(Arc::new(Signers::new(signers))))?.await
    }

    fn queue(
        &self,
        submission: Option<Box<dyn Submission>>,
        cost: Cost,
        signers: Option<Arc<Signers>>,
    ) -> Result<impl Future<Output = Result<Appended, AppendError>> + Send + use<>, AppendError> {
        let bytes = u32::try_from(cost.bytes).map_err(|_| AppendError::TooLarge)?;
        let room =
            Arc::clone(&self.inner.room).try_acquire_many_owned(bytes).map_err(|_| AppendError::QueueFull)?;
        let (answer, answered) = oneshot::channel();
        self.enqueue(Job { submission, signers, cost, waiter: Waiter { answer, _room: room } })?;
        let log = self.clone();
        Ok(async move {
            match answered.await {
                Ok(answer) => answer,
                Err(_) => Err(match log.ended().await {
                    reason @ StopReason::Panicked => AppendError::Unknown(reason),
                    reason => AppendError::Stopped(reason),
                }),
            }
        })
    }

    /// Waits until every submission that was in the queue before is answered, in turn with the others: none is held up.
    ///
    /// # Errors
    /// [`AppendError::QueueFull`], and why the log has stopped.
    pub async fn caught_up(&self) -> Result<(), AppendError> {
        self.queue(None, Cost { leaves: 0, bytes: 0 }, None)?.await.map(drop)
    }

    /// Waits until every submission that was taken before is answered. What is submitted meanwhile may be
    /// refused as [`AppendError::QueueFull`].
    pub async fn settled(&self) {
        let all = u32::try_from(QUEUE_BYTES_MAX).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        drop(self.inner.room.acquire_many(all).await);
    }

    fn enqueue(&self, job: Job) -> Result<(), AppendError> {
        let queue = self.inner.queue.read().unwrap_or_else(PoisonError::into_inner);
        let stopped = || {
            let reason = *self.inner.stopped.borrow();
            AppendError::Stopped(reason.unwrap_or(StopReason::Shutdown))
        };
        let queue = queue.as_ref().ok_or_else(stopped)?;
        queue.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AppendError::QueueFull,
            mpsc::error::TrySendError::Closed(_) => stopped(),
        })
    }

    /// The published head: signed, durable, and never smaller than one seen before.
    #[must_use]
    pub fn head(&self) -> Arc<Head> {
        Arc::clone(&self.inner.heads.borrow())
    }

    /// How often each witness was asked to cosign a head since the log was opened, by what came of it.
    pub fn witness_requests(&self) -> impl Iterator<Item = (&str, Outcome, u64)> {
        self.inner.witnesses.iter().flat_map(|tally| tally.counts())
    }

    /// The names of the witnesses that are asked to cosign its heads.
    #[must_use]
    pub fn witnesses(&self) -> Vec<String> {
        self.inner.witnesses.iter().flat_map(|tally| tally.names()).map(str::to_owned).collect()
    }

    /// The size of the newest durable head, which may be ahead of the published one.
    #[must_use]
    pub fn durable_size(&self) -> u64 {
        self.durable_head().checkpoint.size
    }

    /// The newest durable head.
    pub(crate) fn durable_head(&self) -> Arc<Head> {
        Arc::clone(&self.inner.durable.borrow())
    }

    /// The note of a head as it is served: the stored signatures, and those that are made only when asked for.
    ///
    /// # Errors
    /// [`HeadError`].
    pub async fn checkpoint(&self, head: &Head) -> Result<String, HeadError> {
        head.to_serve().await
    }

    /// Follows the published head. It shows the newest one, not each one; it closes when the log stops.
    #[must_use]
    pub fn watch_head(&self) -> watch::Receiver<Arc<Head>> {
        self.inner.heads.clone()
    }

    /// A check of all that is stored below the published head.
    #[must_use]
    pub fn check(&self) -> Check {
        Check::new(Arc::clone(&self.inner.engine), self.inner.id, &self.head().checkpoint, Vec::new())
    }

    /// Why the log takes no more submissions, if so. Reads still work.
    #[must_use]
    pub fn stopped(&self) -> Option<StopReason> {
        *self.inner.stopped.borrow()
    }

    /// Takes no more submissions, commits those that wait, and returns when the sequencer has ended and
    /// let go of the engine. Reads still work. May be called more than once.
    pub async fn shutdown(&self) {
        drop(self.inner.queue.write().unwrap_or_else(PoisonError::into_inner).take());
        let mut tasks = self.inner.tasks.lock().await;
        while let Some(running) = tasks.first_mut() {
            // Whether the sequencer panicked is what `stopped` says.
            let _ = running.await;
            tasks.remove(0);
        }
    }

    async fn ended(&self) -> StopReason {
        let mut stopped = self.inner.stopped.clone();
        let reason = stopped.wait_for(Option::is_some).await.map_or(None, |reason| *reason);
        // The sequencer gives a reason before it drops the channel.
        reason.unwrap_or(StopReason::Panicked)
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("id", &self.inner.id).finish_non_exhaustive()
    }
}
