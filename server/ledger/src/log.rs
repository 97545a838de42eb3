//! One log: its tree, keys, sources and classes, and the rules for changing them.

mod classes;
mod days;
mod rollout;
mod sources;
pub(crate) mod waiting;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};

use cairnlog_host::Host;
use cairnlog_store::secrets::LogKeys;
use cairnlog_store::{Batch, Engine};
use cairnlog_store::{Family, layout};
use cairnlog_tlog::SharedWriter;
use cairnlog_verify::entry::{Body, Digest, Mode};
use cairnlog_verify::event::Attribute;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::access::{Access, Activity, Who};
use crate::canary::Canary;
use crate::class::Class;
use crate::diagnostics::{Diagnostics, Message};
use crate::entities::Entities;
use crate::error::LedgerError;
use crate::handles::{Clock, Random};
use crate::inflight::InFlight;
use crate::intake::Intake;
use crate::pipeline::Pipeline;
use crate::read::Opener;
use crate::redact::Redactor;
use crate::registry::Registry;
use crate::retain::Keeping;
use crate::retain::archive::Archive;
use crate::seen::Windows;
use crate::signing::KeyRow;
use crate::source::SourceInfo;
use crate::tally::Tallies;
use crate::task::{lost, off_thread};
use crate::worker::{Draft, Sealed, Sealer};
use crate::workers::Workers;

/// What all logs of a server share.
pub(crate) struct Shared {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) writer: SharedWriter,
    pub(crate) host: Host,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) registry: Registry,
    /// Chunks of all sources take turns.
    pub(crate) workers: Arc<Workers>,
    /// One permit a search at work.
    pub(crate) searches: Semaphore,
    /// Bytes of a raw record beyond which it is quarantined.
    pub(crate) record_bytes_max: usize,
    /// Days that a copy of a keyring lives.
    pub(crate) keyring_backup_days: u32,
    /// Where what is swept goes before.
    pub(crate) archive: Option<Archive>,
    /// The server's own log, once it is open.
    pub(crate) control: OnceLock<Weak<Log>>,
}

impl Shared {
    /// Writes rows that no entry goes with.
    pub(crate) async fn commit(&self, batch: Batch) -> Result<(), LedgerError> {
        let writer = self.writer.current().await;
        Ok(self.engine.commit(&writer, batch).await?)
    }
}

/// A log that records go into and are read from.
pub struct Log {
    id: u32,
    row: LogRow,
    /// The keys that sign; they change, the rest of the row but for `frozen` does not.
    signing: RwLock<Vec<KeyRow>>,
    shared: Arc<Shared>,
    keys: Arc<LogKeys>,
    tree: cairnlog_tlog::Log,
    intake: Intake,
    sealer: Sealer,
    redactor: Arc<Redactor>,
    sources: RwLock<BTreeMap<String, Bound>>,
    classes: RwLock<Arc<BTreeMap<String, Class>>>,
    windows: RwLock<Option<Windows>>,
    inflight: Arc<InFlight>,
    entities: Arc<Entities>,
    tallies: Arc<Tallies>,
    diagnostics: Arc<Diagnostics>,
    /// Deletes the `seen` rows of days that are over.
    forgetting: Mutex<Option<JoinHandle<()>>>,
    opener: Opener,
    keeping: Keeping,
    /// What waits for a second person is noted, approved and withdrawn one after the other.
    pub(crate) approving: tokio::sync::Mutex<()>,
    /// Changes of sources, classes and keys come one after the other.
    pub(crate) changing: tokio::sync::Mutex<()>,
}

/// A row of `logs`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LogRow {
    pub(crate) name: String,
    pub(crate) origin: String,
    pub(crate) created_ms: u64,
    /// Rows of before there were others are of logs of records.
    #[serde(default = "records")]
    pub(crate) mode: Mode,
    #[serde(default)]
    pub(crate) private: bool,
    #[serde(default)]
    pub(crate) dedupe: bool,
    #[serde(default)]
    pub(crate) frozen: bool,
    /// Rows of before keys could change have none: all keys that there are sign.
    #[serde(default)]
    pub(crate) keys: Vec<KeyRow>,
}

fn records() -> Mode {
    Mode::Records
}

/// What a log is, for everyone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogInfo {
    /// Its name on this server.
    pub name: String,
    /// Its origin, the first line of its tree heads.
    pub origin: String,
    /// The current Ed25519 verifier key.
    pub verifier_key: String,
    /// All verifier keys.
    pub verifier_keys: Vec<String>,
    /// When it was created, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// What its entries are.
    pub mode: Mode,
    /// Whether only its tokens may see it.
    pub private: bool,
    /// Whether an entry equal to an earlier one is not added again.
    pub dedupe: bool,
    /// Whether it takes nothing more.
    pub frozen: bool,
}

/// What binding a source came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Whether the source is new.
    pub new: bool,
    /// The digest of its pipeline's manifest.
    pub pipeline: Digest,
    /// The index of the pipeline's entry.
    pub pipeline_index: u64,
}

/// A source, ready to run.
#[derive(Clone)]
struct Bound {
    info: Arc<SourceInfo>,
    pipeline: Arc<Pipeline>,
    canary: Option<Arc<Canary>>,
}

/// Everything that a chunk of raw records needs on a worker.
#[derive(Clone)]
pub(crate) struct Ready {
    pub(crate) host: Host,
    pub(crate) pipeline: Arc<Pipeline>,
    /// What is tried beside the pipeline.
    pub(crate) canary: Option<Arc<Canary>>,
    pub(crate) workers: Arc<Workers>,
    pub(crate) diagnostics: Arc<Diagnostics>,
    pub(crate) redactor: Arc<Redactor>,
    pub(crate) entities: Arc<Entities>,
    pub(crate) classes: Arc<BTreeMap<String, Class>>,
    pub(crate) sealer: Sealer,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) record_bytes_max: usize,
}

impl Log {
    pub(crate) async fn open(
        id: u32,
        row: LogRow,
        shared: Arc<Shared>,
        keys: Arc<LogKeys>,
        tree: cairnlog_tlog::Log,
    ) -> Result<Self, LedgerError> {
        let sealer = Sealer::new(row.origin.clone(), Arc::clone(&keys), Arc::clone(&shared.random));
        let redactor = Arc::new(Redactor::new(keys.pseudonym_key(), Arc::clone(&shared.random)));
        let classes = RwLock::new(Arc::new(classes::load(shared.engine.as_ref(), id).await?));
        let entities = Arc::new(Entities::load(shared.engine.as_ref(), id).await?);
        let opener = Opener::new(Arc::clone(&keys), &row.origin);
        let intake = Intake::new(tree.clone(), row.frozen);
        let log = Self {
            id,
            signing: RwLock::new(row.keys.clone()),
            row,
            shared,
            keys,
            tree,
            intake,
            sealer,
            redactor,
            sources: RwLock::default(),
            classes,
            windows: RwLock::default(),
            inflight: Arc::default(),
            entities,
            tallies: Arc::default(),
            diagnostics: Arc::default(),
            forgetting: Mutex::default(),
            opener,
            keeping: Keeping::default(),
            approving: tokio::sync::Mutex::default(),
            changing: tokio::sync::Mutex::default(),
        };
        log.load_sources().await?;
        log.load_tallies().await?;
        log.load_holds().await?;
        Ok(log)
    }

    /// What it is.
    #[must_use]
    pub fn info(&self) -> LogInfo {
        let size = self.tree.head().checkpoint.size;
        let signing = self.signing().into_iter().filter(|row| row.signs(size));
        let verifier_keys: Vec<String> = signing.map(|row| row.key).collect();
        LogInfo {
            name: self.row.name.clone(),
            origin: self.row.origin.clone(),
            verifier_key: verifier_keys.first().cloned().unwrap_or_default(),
            verifier_keys,
            created_ms: self.row.created_ms,
            mode: self.row.mode,
            private: self.row.private,
            dedupe: self.row.dedupe,
            frozen: self.intake.is_frozen(),
        }
    }

    /// Its tree: heads, tiles, proofs.
    #[must_use]
    pub fn tree(&self) -> &cairnlog_tlog::Log {
        &self.tree
    }

    /// Its name on this server.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.row.name
    }

    /// What its entries are.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.row.mode
    }

    /// Whether only its tokens may see it.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.row.private
    }

    /// Takes nothing more of any writer, for good. What was taken before is durable when this returns. The control log
    /// says so before.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] for the control log; if the store does not take the change, the log is as it was.
    pub async fn freeze(&self, by: impl Into<Who>) -> Result<(), LedgerError> {
        self.require_not_control("the control log is never frozen: it says what the server does")?;
        let _changing = self.changing.lock().await;
        if let Some(reason) = self.tree.stopped() {
            // Perhaps while its keys changed: which of them sign, only a restart tells.
            return Err(LedgerError::ReadOnly(format!("the log has stopped: {reason}; restart the server")));
        }
        let was_frozen = self.intake.is_frozen();
        if !was_frozen {
            let access = Access::new(&by.into(), Activity::Update, "logs.freeze", self.now_ms());
            self.shared.say_change(access.of("log", self.name()), 0, |_| {}).await?;
        }
        self.intake.set_frozen(true).await;
        let kept = async {
            self.say_last_tallies().await?;
            self.write_row(self.signing()).await
        };
        let kept = kept.await;
        if kept.is_err() {
            self.intake.set_frozen(was_frozen).await;
        }
        kept
    }

    /// The row as it is to be stored, with these keys.
    pub(crate) fn written_row(&self, keys: Vec<KeyRow>) -> Result<Vec<u8>, LedgerError> {
        let row = LogRow { frozen: self.intake.is_frozen(), keys, ..self.row.clone() };
        serde_json::to_vec(&row).map_err(LedgerError::internal)
    }

    /// Stores the row, with these keys.
    pub(crate) async fn write_row(&self, keys: Vec<KeyRow>) -> Result<(), LedgerError> {
        let mut batch = Batch::new();
        batch.put(Family::Logs, layout::log_key(self.id), self.written_row(keys)?);
        self.shared.commit(batch).await
    }

    /// The keys that sign, and those that did and have ended.
    pub(crate) fn signing(&self) -> Vec<KeyRow> {
        self.signing.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_signing(&self, keys: Vec<KeyRow>) {
        *self.signing.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    pub(crate) fn dedupes(&self) -> bool {
        self.row.dedupe
    }

    pub(crate) fn intake(&self) -> &Intake {
        &self.intake
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Takes no more writes, commits what waits, and returns when all is done.
    pub(crate) async fn shutdown(&self) {
        self.tree.shutdown().await;
        if let Err(error) = self.keep_tallies().await {
            tracing::warn!(log = self.name(), %error, "what the hour's tally has counted is lost");
        }
        self.stop_forgetting().await;
    }

    pub(crate) fn origin(&self) -> &str {
        &self.row.origin
    }

    pub(crate) fn engine(&self) -> &dyn Engine {
        self.shared.engine.as_ref()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn opener(&self) -> &Opener {
        &self.opener
    }

    pub(crate) fn keys(&self) -> &Arc<LogKeys> {
        &self.keys
    }

    pub(crate) fn keeping(&self) -> &Keeping {
        &self.keeping
    }

    pub(crate) fn inflight(&self) -> &Arc<InFlight> {
        &self.inflight
    }

    pub(crate) fn entities(&self) -> &Arc<Entities> {
        &self.entities
    }

    pub(crate) fn tallies(&self) -> &Arc<Tallies> {
        &self.tallies
    }

    /// The last messages of the plugins of a source, each with the time at which it was said, in milliseconds since the Unix
    /// epoch; oldest first. They may quote records.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] for an unknown source.
    pub fn messages(&self, source: &str) -> Result<Vec<(u64, Message)>, LedgerError> {
        self.source(source).ok_or_else(|| rollout::no_source(source))?;
        Ok(self.diagnostics.read(source, self.now_ms()))
    }

    pub(crate) fn diagnostics(&self) -> &Diagnostics {
        &self.diagnostics
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.shared.clock.now_ms()
    }

    /// Everything a chunk of this source's raw records needs.
    pub(crate) fn ready(&self, source: &str) -> Result<Ready, LedgerError> {
        self.require_records()?;
        self.intake.check()?;
        let bound = self.read_sources().get(source).cloned();
        let Bound { pipeline, canary, .. } = bound.ok_or_else(|| rollout::no_source(source))?;
        Ok(Ready {
            host: self.shared.host.clone(),
            pipeline,
            canary,
            workers: Arc::clone(&self.shared.workers),
            diagnostics: Arc::clone(&self.diagnostics),
            redactor: Arc::clone(&self.redactor),
            entities: Arc::clone(&self.entities),
            classes: self.read_classes(),
            sealer: self.sealer.clone(),
            random: Arc::clone(&self.shared.random),
            record_bytes_max: self.shared.record_bytes_max,
        })
    }

    /// Runs a job of a source on a blocking thread in its turn.
    pub(crate) async fn on_worker<T: Send + 'static>(
        &self,
        source: &str,
        job: impl FnOnce() -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let running = self.shared.workers.start(self.id, source, job).await?;
        running.await.map_err(|gone| lost(&gone))?
    }

    /// Runs jobs of a source on blocking threads, as many at once as it has permits; their results in order, as one list.
    pub(crate) async fn on_workers<T, F>(
        &self,
        source: &str,
        jobs: impl Iterator<Item = F>,
    ) -> Result<Vec<T>, LedgerError>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<Vec<T>, LedgerError> + Send + 'static,
    {
        let mut running = Vec::new();
        for job in jobs {
            running.push(self.shared.workers.start(self.id, source, job).await?);
        }
        let mut results = Vec::new();
        for task in running {
            results.extend(task.await.map_err(|gone| lost(&gone))??);
        }
        Ok(results)
    }
}

pub(crate) fn draft(received_ms: u64, body: Body, attributes: Vec<Attribute>) -> Draft {
    Draft {
        received_ms,
        body,
        attributes,
        redactions: Vec::new(),
        raw_salt: None,
        retention: None,
        quarantined: None,
        subject: None,
        closes: None,
    }
}

impl Sealer {
    /// Seals drafts of the log's own making off the async threads; one that can't be sealed fails them all.
    pub(crate) async fn seal_all(&self, drafts: Vec<Draft>) -> Result<Vec<Sealed>, LedgerError> {
        let sealer = self.clone();
        let outcomes = off_thread(move || sealer.seal(drafts)).await??;
        outcomes.into_iter().collect::<Result<_, _>>().map_err(LedgerError::internal)
    }
}
