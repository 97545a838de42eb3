//! All logs of a server, and its plugins.

mod plugins;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use cairnlog_host::Host;
use cairnlog_store::datadir::DataDir;
use cairnlog_store::kept::KeptHeads;
use cairnlog_store::secrets::{KekSources, LogKeys};
use cairnlog_store::{Batch, Engine, Family, Scan, Stopped, layout};
use cairnlog_tlog::{LogParams, OpenError, SharedWriter, Signer, Witnesses};
use cairnlog_verify::entry::{Body, Mode};
use cairnlog_verify::name;
use cairnlog_verify::note::VerifierKey;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::access::{Access, Activity, Who};
use crate::class::Class;
use crate::control::{CONTROL, CONTROL_ID};
use crate::error::LedgerError;
use crate::handles::{Clock, Random};
use crate::limits::{LOGS_MAX, PERMITS_PER_CORE, SEARCHES_MAX};
use crate::log::{Log, LogRow, Shared, draft};
use crate::prepared::Prepared;
use crate::registry::Registry;
use crate::retain::archive::Archive;
use crate::said::LogSaid;
use crate::signature::Signers;
use crate::signing::{self, KeyRow};
use crate::worker::Sealer;
use crate::workers::Workers;

/// Who cosigns the heads of the log of an origin, if anybody.
pub type WitnessesOf = Arc<dyn Fn(&str) -> Option<Arc<Witnesses>> + Send + Sync>;

/// What a ledger is opened with.
pub struct Config {
    /// The locked data directory, for the keys.
    pub dir: Arc<DataDir>,
    /// The key-encryption keys that wrap the keyrings.
    pub keks: KekSources,
    /// Where the newest tree heads are kept outside the store.
    pub heads: KeptHeads,
    /// Who cosigns the heads of the log of an origin.
    pub witnesses: WitnessesOf,
    /// The engine over its store.
    pub engine: Arc<dyn Engine>,
    /// The claim to write to it.
    pub writer: SharedWriter,
    /// Runs plugins.
    pub host: Host,
    /// The server's time.
    pub clock: Arc<dyn Clock>,
    /// The server's randomness.
    pub random: Arc<dyn Random>,
    /// Before `/logs/<name>` in the origin of a new log: host and perhaps port, without a scheme.
    pub public_host: String,
    /// Chunks of one source's raw records worked on at once: as many as there are cores.
    pub workers: usize,
    /// Bytes of a raw record beyond which it is quarantined.
    pub record_bytes_max: usize,
    /// One of these must have signed a plugin; with none, anybody's plugins are taken.
    pub plugin_keys: Vec<VerifierKey>,
    /// Days that a copy of a keyring lives: so long after its page was destroyed an erased record can be opened from
    /// copies.
    pub keyring_backup_days: u32,
    /// Where what a sweep erases goes before, if anywhere.
    pub archive: Option<Archive>,
}

/// A log to create.
pub struct NewLog {
    /// `[a-z0-9-]{1,64}`.
    pub name: String,
    /// The origin; `<public host>/logs/<name>` where absent.
    pub origin: Option<String>,
    /// `PRIVATE+KEY+…` notes, one of them an Ed25519 key named like the origin; where empty, one of Ed25519 and one of
    /// ML-DSA-44 are made.
    pub signing_keys: Vec<String>,
    /// What its entries are.
    pub mode: Mode,
    /// Whether only its tokens may see it.
    pub private: bool,
    /// Of a log of mode `opaque`: whether an entry equal to an earlier one is not added again.
    pub dedupe: bool,
}

impl NewLog {
    /// A public log of records, with keys of its own.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            origin: None,
            signing_keys: Vec::new(),
            mode: Mode::Records,
            private: false,
            dedupe: false,
        }
    }
}

/// All logs of a server, and its plugins.
pub struct Ledger {
    pub(crate) shared: Arc<Shared>,
    dir: Arc<DataDir>,
    keks: KekSources,
    heads: KeptHeads,
    witnesses: WitnessesOf,
    public_host: String,
    logs: RwLock<BTreeMap<String, Arc<Log>>>,
    /// The id of the next log; held while one is created or its keys change, so that no two take one key.
    pub(crate) next_id: tokio::sync::Mutex<u32>,
}

impl Ledger {
    /// Opens every log, rebuilding its right edge, and every plugin.
    ///
    /// # Errors
    /// The first thing that is damaged or missing, in one line; nothing was signed or written then.
    pub async fn open(config: Config) -> Result<Self, LedgerError> {
        let Config { dir, keks, heads, witnesses, engine, writer, host, clock, random, public_host, .. } =
            config;
        let (workers, record_bytes_max) = (config.workers, config.record_bytes_max);
        let (keyring_backup_days, archive) = (config.keyring_backup_days, config.archive);
        let registry = Registry::open(Arc::clone(&engine), host.clone(), Signers(config.plugin_keys)).await?;
        let workers = Workers::new(workers * PERMITS_PER_CORE, workers);
        let searches = Semaphore::new(SEARCHES_MAX);
        let control = OnceLock::new();
        let shared = Shared {
            engine,
            writer,
            host,
            clock,
            random,
            registry,
            workers,
            searches,
            record_bytes_max,
            keyring_backup_days,
            archive,
            control,
        };
        let shared = Arc::new(shared);
        let (logs, next_id) = (RwLock::default(), tokio::sync::Mutex::new(1));
        let ledger = Self { shared, dir, keks, heads, witnesses, public_host, logs, next_id };
        if let Err(error) = ledger.open_logs().await {
            // Those that were opened end in order.
            ledger.shutdown().await;
            return Err(error);
        }
        Ok(ledger)
    }

    async fn open_logs(&self) -> Result<(), LedgerError> {
        let (shared, heads) = (&self.shared, &self.heads);
        let scan = Scan::prefix(Family::Logs, Vec::new(), LOGS_MAX);
        let mut next_id = self.next_id.lock().await;
        for (key, row) in shared.engine.scan(scan).await? {
            let damaged =
                || LedgerError::Internal("the row of a log can't be read; restore the store".to_owned());
            let id = layout::parse_log_key(&key).ok_or_else(damaged)?;
            let row: LogRow = serde_json::from_slice(&row).map_err(|_| damaged())?;
            let name = row.name.clone();
            let log = open_log(id, row, Arc::clone(shared), (&self.dir, &self.keks), heads, &self.witnesses)
                .await
                .map_err(|error| LedgerError::Internal(format!("log {name:?}: {error}")))?;
            let log = Arc::new(log);
            if id == CONTROL_ID {
                // The first of all: others may have said something there.
                let _ = shared.control.set(Arc::downgrade(&log));
            }
            self.logs.write().unwrap_or_else(PoisonError::into_inner).insert(name, log);
            *next_id = (*next_id).max(id + 1);
        }
        let names = heads.names().map_err(|error| heads_unreadable(heads, &error))?;
        if let Some(lost) = names.iter().find(|name| self.log(name).is_none()) {
            return Err(LedgerError::Internal(format!(
                "the store has no log {lost:?}, but a tree head of it is kept in {}: the store was put back to an \
                 older copy; restore the newest one",
                heads.dir().display()
            )));
        }
        Ok(())
    }

    /// Creates a log: its keys, then entry 0, the log's row and the class `default` in one commit. An opaque log starts
    /// empty, and has no class.
    ///
    /// The control log says so before. A crash before the commit leaves keys that sign nothing; creating the log again
    /// sets them aside.
    ///
    /// # Errors
    /// [`LedgerError::BadRequest`] for a name, origin or key that can't be; [`LedgerError::Conflict`] for one
    /// that is taken.
    pub async fn create_log(&self, new: NewLog, by: impl Into<Who>) -> Result<Arc<Log>, LedgerError> {
        if new.name == CONTROL {
            return Err(LedgerError::Conflict(format!("{CONTROL:?} is the name of the server's own log")));
        }
        self.create(None, new, &by.into()).await
    }

    /// As [`create_log`](Self::create_log), with this id; the next one where there is none.
    pub(crate) async fn create(
        &self,
        id: Option<u32>,
        new: NewLog,
        by: &Who,
    ) -> Result<Arc<Log>, LedgerError> {
        let bad = |words: String| LedgerError::BadRequest(words);
        name::check(&new.name).map_err(|error| bad(format!("the log's name: {error}")))?;
        if new.dedupe && new.mode != Mode::Opaque {
            return Err(bad("dedupe is for logs of mode opaque".to_owned()));
        }
        let origin = new.origin.unwrap_or_else(|| format!("{}/logs/{}", self.public_host, new.name));
        name::check_origin(&origin).map_err(|error| bad(error.to_string()))?;
        let mut next_id = self.next_id.lock().await;
        self.check_free(&new.name, &origin)?;
        let mut notes: Vec<Zeroizing<String>> = new.signing_keys.into_iter().map(Zeroizing::new).collect();
        if notes.is_empty() {
            notes = signing::make(&origin, self.shared.random.as_ref())?;
        }
        let signers: Vec<Signer> = signing::parse(&notes, &origin)?.into_iter().map(Signer::from).collect();
        let key_rows = signing::rows(&signers);
        self.check_keys(new.mode, &key_rows)?;
        let own_id = id.unwrap_or(*next_id);
        self.check_vacant(own_id).await?;
        let keys = self.make_keys(&new.name, &origin, notes).await?;
        let row = LogRow {
            name: new.name,
            origin,
            created_ms: self.shared.clock.now_ms(),
            mode: new.mode,
            private: new.private,
            dedupe: new.dedupe,
            frozen: false,
            keys: key_rows,
        };
        let access = Access::new(by, Activity::Create, "logs.create", row.created_ms).of("log", &row.name);
        self.shared.say_change(access, 0, |_| {}).await?;
        let log = self.first_commit(own_id, row, keys, signers, &by.uid).await?;
        *next_id = (*next_id).max(own_id + 1);
        let log = Arc::new(log);
        self.logs.write().unwrap_or_else(PoisonError::into_inner).insert(log.info().name, Arc::clone(&log));
        Ok(log)
    }

    fn check_free(&self, name: &str, origin: &str) -> Result<(), LedgerError> {
        let logs = self.logs.read().unwrap_or_else(PoisonError::into_inner);
        if logs.len() >= LOGS_MAX {
            return Err(LedgerError::Conflict(format!("a server has {LOGS_MAX} logs at most")));
        }
        if logs.contains_key(name) {
            return Err(LedgerError::Conflict(format!("there is a log named {name:?} already")));
        }
        if logs.values().any(|log| log.origin() == origin) {
            return Err(LedgerError::Conflict(format!("there is a log with the origin {origin:?} already")));
        }
        Ok(())
    }

    /// Refuses a key that signs for a log of another mode: who trusts it for records would take anyone's bytes for some.
    pub(crate) fn check_keys(&self, mode: Mode, keys: &[KeyRow]) -> Result<(), LedgerError> {
        let logs = self.logs.read().unwrap_or_else(PoisonError::into_inner);
        let others = logs.values().filter(|log| log.mode() != mode);
        // Behind name and id stand the kind and the public key.
        let public = |key: &String| key.splitn(3, '+').nth(2).map(str::to_owned);
        let taken: BTreeSet<_> = others.flat_map(|log| log.signing()).map(|row| public(&row.key)).collect();
        if keys.iter().any(|row| taken.contains(&public(&row.key))) {
            let words =
                "a signing key is that of a log of another mode; logs of records and opaque ones share none";
            return Err(LedgerError::Conflict(words.to_owned()));
        }
        Ok(())
    }

    /// Refuses while it is open whether an earlier attempt has made the log: its keys must not be set aside then, for
    /// they are the ones that have signed its head.
    async fn check_vacant(&self, id: u32) -> Result<(), LedgerError> {
        // A store that does not know what became of a write takes no more, not even nothing.
        let writer = self.shared.writer.current().await;
        self.shared.engine.commit(&writer, Batch::new()).await?;
        if self.shared.engine.get(Family::Logs, &layout::log_key(id)).await?.is_some() {
            let words = "a log was made whose creation was not answered; restart the server to open it";
            return Err(LedgerError::ReadOnly(words.to_owned()));
        }
        Ok(())
    }

    async fn make_keys(
        &self,
        name: &str,
        origin: &str,
        notes: Vec<Zeroizing<String>>,
    ) -> Result<Arc<LogKeys>, LedgerError> {
        let path = self.keys_path(name)?;
        let now_ms = self.shared.clock.now_ms();
        let (origin, keks) = (origin.to_owned(), self.keks.clone());
        let made = tokio::task::spawn_blocking(move || {
            // No log has this name, so a crash has left what lies there; or the store is older than the keys, and
            // they open what a newer copy of it holds. They are set aside, never deleted.
            let aside = path.with_extension(format!("before-{now_ms}"));
            match std::fs::rename(&path, &aside) {
                Ok(()) => {
                    tracing::warn!(kept = %aside.display(), "keys of an unknown log of this name were set aside");
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(LedgerError::internal(error)),
            }
            LogKeys::create(&path, &origin, &notes, &keks).map_err(LedgerError::internal)
        });
        Ok(Arc::new(made.await.map_err(LedgerError::internal)??))
    }

    fn keys_path(&self, name: &str) -> Result<PathBuf, LedgerError> {
        self.dir.log_keys(name).map_err(LedgerError::internal)
    }

    async fn first_commit(
        &self,
        id: u32,
        row: LogRow,
        keys: Arc<LogKeys>,
        signers: Vec<Signer>,
        by: &str,
    ) -> Result<Log, LedgerError> {
        let entries = match row.mode {
            Mode::Opaque => Vec::new(),
            Mode::Records => {
                let random = Arc::clone(&self.shared.random);
                let sealer = Sealer::new(row.origin.clone(), Arc::clone(&keys), random);
                let said =
                    LogSaid { name: &row.name, operator: by, mode: Mode::Records, private: row.private };
                let body = Body::Log { origin: row.origin.clone(), mode: Mode::Records };
                sealer.seal_all(vec![draft(row.created_ms, body, said.attributes())]).await?
            }
        };
        let has_classes = row.mode == Mode::Records;
        let written = serde_json::to_vec(&row).map_err(LedgerError::internal)?;
        let default_class = serde_json::to_vec(&Class::default_of_log()).map_err(LedgerError::internal)?;
        let bytes = written.len() + default_class.len() + 256;
        let first = Prepared::new(id, entries).with_rows(bytes, move |_, batch| {
            batch.put(Family::Logs, layout::log_key(id), written);
            if has_classes {
                batch.put(Family::Classes, layout::class_key(id, "default"), default_class);
            }
        });
        let params = params(id, &row, signers, &self.shared.clock, &self.heads, &self.witnesses);
        let (engine, writer) = (Arc::clone(&self.shared.engine), self.shared.writer.clone());
        let tree = cairnlog_tlog::Log::create(engine, writer, params, Some(Box::new(first)))
            .await
            .map_err(not_created)?;
        Log::open(id, row, Arc::clone(&self.shared), keys, tree).await
    }

    /// All logs, by name.
    #[must_use]
    pub fn logs(&self) -> Vec<Arc<Log>> {
        self.logs.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The log of this name.
    #[must_use]
    pub fn log(&self, name: &str) -> Option<Arc<Log>> {
        self.logs.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Why nothing can be written now, if so: the store, or a log that has stopped.
    #[must_use]
    pub fn stopped(&self) -> Option<String> {
        match self.shared.engine.stopped() {
            Some(Stopped::NoSpace) => return Some("the disk is full; free some room".to_owned()),
            Some(Stopped::Failed) => return Some("a write to the store has failed".to_owned()),
            None => {}
        }
        // Anyone may ask, and not everyone may know of a private log.
        let name =
            |log: &Log| if log.is_private() { "a log".to_owned() } else { format!("log {}", log.name()) };
        let stopped = |log: &Arc<Log>| Some((name(log), log.tree().stopped()?));
        let (name, reason) = self.logs().iter().find_map(stopped)?;
        Some(format!("{name} takes no writes: {reason}"))
    }

    /// Whether a write to the store has failed otherwise than for want of room: nothing can be done then but to open it
    /// anew.
    #[must_use]
    pub fn store_failed(&self) -> bool {
        self.shared.engine.stopped() == Some(Stopped::Failed)
    }

    /// Takes no more writes, commits what waits, and returns when all is done.
    pub async fn shutdown(&self) {
        for log in self.logs() {
            log.shutdown().await;
        }
    }
}

async fn open_log(
    id: u32,
    row: LogRow,
    shared: Arc<Shared>,
    (dir, sources): (&DataDir, &KekSources),
    heads: &KeptHeads,
    witnesses: &WitnessesOf,
) -> Result<Log, LedgerError> {
    let path = dir.log_keys(&row.name).map_err(LedgerError::internal)?;
    let (origin, sources) = (row.origin.clone(), sources.clone());
    let keys = tokio::task::spawn_blocking(move || LogKeys::open(&path, &origin, &sources)).await;
    let keys = Arc::new(keys.map_err(LedgerError::internal)?.map_err(LedgerError::internal)?);
    if let Some(before) = keys.wrapped_before() {
        tracing::info!(log = row.name, before, kek = keys.kek(), "the keyring is wrapped by another key now");
    }
    let signers = signing::stored(&keys.signing(), &row.keys, &row.origin)?;
    let key_rows = signing::rows(&signers);
    let params = params(id, &row, signers, &shared.clock, heads, witnesses);
    let (engine, writer) = (Arc::clone(&shared.engine), shared.writer.clone());
    let tree = cairnlog_tlog::Log::open(engine, writer, params).await.map_err(LedgerError::internal)?;
    signing::missing(&row.keys, &key_rows, tree.head().checkpoint.size)?;
    let is_of_old = row.keys.is_empty();
    let row = LogRow { keys: key_rows, ..row };
    let log = Log::open(id, row, shared, keys, tree).await?;
    if is_of_old {
        // From now on no other key signs without a row that names it.
        log.write_row(log.signing()).await?;
    }
    log.drop_ended_keys().await?;
    Ok(log)
}

/// Names a plugin by what it is called and by its digest.
fn heads_unreadable(heads: &KeptHeads, error: &std::io::Error) -> LedgerError {
    LedgerError::Internal(format!("{}: {error}; check that the directory is readable", heads.dir().display()))
}

fn params(
    id: u32,
    row: &LogRow,
    signers: Vec<Signer>,
    clock: &Arc<dyn Clock>,
    heads: &KeptHeads,
    witnesses: &WitnessesOf,
) -> LogParams {
    let clock = Arc::clone(clock);
    // A policy for all logs is not for the server's own: its witnesses were not told of it. One that names it is.
    let is_for_this = |all: &Arc<Witnesses>| id != CONTROL_ID || !all.log_keys.is_empty();
    LogParams {
        id,
        origin: row.origin.clone(),
        signers,
        clock: Arc::new(move || clock.now_ms() / 1000),
        witnesses: witnesses(&row.origin).filter(is_for_this),
        outside: heads.of(&row.name),
    }
}

fn not_created(error: OpenError) -> LedgerError {
    match error {
        OpenError::Commit(error) => error.into(),
        OpenError::First(error) => error.into(),
        other => LedgerError::internal(other),
    }
}
