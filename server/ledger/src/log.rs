//! One log: its tree, keys, sources and classes, and the rules for changing them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use cairnlog_host::Host;
use cairnlog_store::secrets::{LogKeys, day_of};
use cairnlog_store::{Batch, Engine, Family, Scan, layout};
use cairnlog_tlog::SharedWriter;
use cairnlog_verify::entry::{Body, Digest};
use cairnlog_verify::event::Attribute;
use cairnlog_verify::name;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::class::Class;
use crate::error::LedgerError;
use crate::handles::{Clock, Random};
use crate::inflight::InFlight;
use crate::limits::{CLASSES_MAX, SOURCES_MAX};
use crate::manifest::Manifest;
use crate::pipeline::{NO_CLASS, Pipeline};
use crate::prepared::Prepared;
use crate::redact::Redactor;
use crate::registry::{Loaded, Registry};
use crate::said::PluginSaid;
use crate::seen::{Window, Windows};
use crate::source::{SourceInfo, SourceSpec};
use crate::worker::{Draft, Sealer};

/// What all logs of a server share.
pub(crate) struct Shared {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) writer: SharedWriter,
    pub(crate) host: Host,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) registry: Registry,
    /// One permit a core: chunks of all requests take turns.
    pub(crate) workers: Arc<Semaphore>,
}

/// A log that records go into and are read from.
pub struct Log {
    id: u32,
    row: LogRow,
    verifier_keys: Vec<String>,
    shared: Arc<Shared>,
    keys: Arc<LogKeys>,
    tree: cairnlog_tlog::Log,
    sealer: Sealer,
    redactor: Arc<Redactor>,
    sources: RwLock<BTreeMap<String, Bound>>,
    classes: RwLock<Arc<BTreeMap<String, Class>>>,
    windows: RwLock<Option<Windows>>,
    inflight: InFlight,
    /// Changes of sources and classes come one after the other.
    changing: tokio::sync::Mutex<()>,
}

/// A row of `logs`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LogRow {
    pub(crate) name: String,
    pub(crate) origin: String,
    pub(crate) created_ms: u64,
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
    info: SourceInfo,
    pipeline: Arc<Pipeline>,
}

/// Everything that a chunk of raw records needs on a worker.
pub(crate) struct Ready {
    pub(crate) host: Host,
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) redactor: Arc<Redactor>,
    pub(crate) classes: Arc<BTreeMap<String, Class>>,
    pub(crate) sealer: Sealer,
    pub(crate) random: Arc<dyn Random>,
}

impl Log {
    pub(crate) async fn open(
        id: u32,
        row: LogRow,
        shared: Arc<Shared>,
        keys: Arc<LogKeys>,
        tree: cairnlog_tlog::Log,
        verifier_keys: Vec<String>,
    ) -> Result<Self, LedgerError> {
        let sealer = Sealer::new(row.origin.clone(), Arc::clone(&keys), Arc::clone(&shared.random));
        let redactor = Arc::new(Redactor::new(keys.pseudonym_key(), Arc::clone(&shared.random)));
        let classes = RwLock::new(Arc::new(load_classes(shared.engine.as_ref(), id).await?));
        let log = Self {
            id,
            row,
            verifier_keys,
            shared,
            keys,
            tree,
            sealer,
            redactor,
            sources: RwLock::default(),
            classes,
            windows: RwLock::default(),
            inflight: InFlight::default(),
            changing: tokio::sync::Mutex::default(),
        };
        log.load_sources().await?;
        Ok(log)
    }

    /// What it is.
    #[must_use]
    pub fn info(&self) -> LogInfo {
        LogInfo {
            name: self.row.name.clone(),
            origin: self.row.origin.clone(),
            verifier_key: self.verifier_keys.first().cloned().unwrap_or_default(),
            verifier_keys: self.verifier_keys.clone(),
            created_ms: self.row.created_ms,
        }
    }

    /// Its tree: heads, tiles, proofs.
    #[must_use]
    pub fn tree(&self) -> &cairnlog_tlog::Log {
        &self.tree
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn origin(&self) -> &str {
        &self.row.origin
    }

    pub(crate) fn engine(&self) -> &dyn Engine {
        self.shared.engine.as_ref()
    }

    /// Writes rows that no entry goes with.
    pub(crate) async fn commit(&self, batch: Batch) -> Result<(), LedgerError> {
        let writer = self.shared.writer.current().await;
        Ok(self.engine().commit(&writer, batch).await?)
    }

    pub(crate) fn keys(&self) -> &Arc<LogKeys> {
        &self.keys
    }

    pub(crate) fn inflight(&self) -> &InFlight {
        &self.inflight
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.shared.clock.now_ms()
    }

    /// Everything a chunk of this source's raw records needs.
    pub(crate) fn ready(&self, source: &str) -> Result<Ready, LedgerError> {
        let pipeline = self.read_sources().get(source).map(|bound| Arc::clone(&bound.pipeline));
        let pipeline = pipeline.ok_or_else(|| {
            LedgerError::NotFound(format!("the log has no source {source:?}; an integrator binds it first"))
        })?;
        Ok(Ready {
            host: self.shared.host.clone(),
            pipeline,
            redactor: Arc::clone(&self.redactor),
            classes: Arc::clone(&self.classes.read().unwrap_or_else(PoisonError::into_inner)),
            sealer: self.sealer.clone(),
            random: Arc::clone(&self.shared.random),
        })
    }

    /// Runs jobs on blocking threads, as many at once as there are permits; their results in order, as
    /// one list.
    pub(crate) async fn on_workers<T, F>(&self, jobs: impl Iterator<Item = F>) -> Result<Vec<T>, LedgerError>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<Vec<T>, LedgerError> + Send + 'static,
    {
        let mut running = Vec::new();
        for job in jobs {
            let permit =
                Arc::clone(&self.shared.workers).acquire_owned().await.map_err(LedgerError::internal)?;
            running.push(tokio::task::spawn_blocking(move || {
                let result = job();
                drop(permit);
                result
            }));
        }
        let mut results = Vec::new();
        for task in running {
            results.extend(task.await.map_err(LedgerError::internal)??);
        }
        Ok(results)
    }

    /// The windows of a moment. The first request of a day makes that day's key, which is durable before
    /// any row is named by it, and clears away what older windows left.
    pub(crate) async fn windows(&self, now_ms: u64) -> Result<Windows, LedgerError> {
        let day = day_of(now_ms);
        if let Some(windows) = self.windows.read().unwrap_or_else(PoisonError::into_inner).as_ref()
            && windows.today.day == day
        {
            return Ok(windows.clone());
        }
        let keys = Arc::clone(&self.keys);
        let windows = tokio::task::spawn_blocking(move || {
            let today = Window::new(day, &keys.window_key(day)?);
            let before = day.checked_sub(1);
            let yesterday = before.and_then(|day| Some(Window::new(day, &keys.existing_window_key(day)?)));
            Ok::<_, cairnlog_store::secrets::SecretsError>(Windows { today, yesterday })
        });
        let windows = windows.await.map_err(LedgerError::internal)?.map_err(LedgerError::internal)?;
        self.forget_seen_before(day.saturating_sub(1)).await?;
        *self.windows.write().unwrap_or_else(PoisonError::into_inner) = Some(windows.clone());
        Ok(windows)
    }

    /// Deletes the `seen` rows of days before `day`: their keys are gone or going, nothing can find them.
    async fn forget_seen_before(&self, day: u32) -> Result<(), LedgerError> {
        const ROWS: usize = 10_000;
        let (from, to) = (layout::log_key(self.id), layout::seen_day_prefix(self.id, day));
        loop {
            let scan = Scan {
                family: Family::Seen,
                from: from.clone(),
                to: to.clone(),
                reverse: false,
                limit: ROWS,
            };
            let rows = self.engine().scan(scan).await?;
            let last = rows.len() < ROWS;
            let mut batch = Batch::new();
            for (key, _) in rows {
                batch.delete(Family::Seen, key);
            }
            if !batch.is_empty() {
                self.commit(batch).await?;
            }
            if last {
                return Ok(());
            }
        }
    }

    fn read_sources(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Bound>> {
        self.sources.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The source of this name.
    #[must_use]
    pub fn source(&self, source: &str) -> Option<SourceInfo> {
        self.read_sources().get(source).map(|bound| bound.info.clone())
    }

    /// All sources, by name.
    #[must_use]
    pub fn sources(&self) -> Vec<SourceInfo> {
        self.read_sources().values().map(|bound| bound.info.clone()).collect()
    }

    /// Whether a source of this log uses the plugin.
    pub(crate) fn uses(&self, plugin: &Digest) -> bool {
        self.read_sources().values().any(|bound| bound.info.manifest.plugins().contains(plugin))
    }

    /// Binds a source to a pipeline, from its next request on. The plugins and the pipeline's manifest
    /// are entries of the log before any record that they shape.
    ///
    /// # Errors
    /// [`LedgerError`]: an unknown plugin, one of another kind, a config that it refuses, a bad name.
    pub async fn put_source(&self, source: &str, spec: SourceSpec) -> Result<Binding, LedgerError> {
        name::check(source)
            .map_err(|error| LedgerError::BadRequest(format!("the source's name: {error}")))?;
        let _changing = self.changing.lock().await;
        let nonce = Manifest::nonce(self.shared.random.as_ref());
        let manifest = spec.resolve(&self.shared.registry, nonce)?;
        let new = self.source(source).is_none();
        if new && self.read_sources().len() >= SOURCES_MAX {
            return Err(LedgerError::Conflict(format!("a log has {SOURCES_MAX} sources at most")));
        }
        // A pipeline that says the same as one in the log is that one, nonce and all.
        let known = self.sources().into_iter().find(|known| known.manifest.says_the_same_as(&manifest));
        let is_known = known.is_some();
        let mut info = if let Some(known) = known {
            SourceInfo { source: source.to_owned(), ..known }
        } else {
            let pipeline = Digest::of(&manifest.to_jcs()?);
            SourceInfo { source: source.to_owned(), pipeline, pipeline_index: 0, manifest }
        };
        let pipeline = self.configure(&info).await?;
        if is_known {
            let mut batch = Batch::new();
            batch.put(Family::Sources, layout::source_key(self.id, source), source_row(&info)?);
            self.commit(batch).await?;
        } else {
            info.pipeline_index = self.log_binding(&info).await?;
        }
        let binding = Binding { new, pipeline: info.pipeline, pipeline_index: info.pipeline_index };
        self.bind(info, pipeline);
        Ok(binding)
    }

    /// Configures every stage for real, off the async threads.
    async fn configure(&self, info: &SourceInfo) -> Result<Pipeline, LedgerError> {
        let (shared, manifest, digest) = (Arc::clone(&self.shared), info.manifest.clone(), info.pipeline);
        let configured =
            tokio::task::spawn_blocking(move || manifest.configure(&shared.host, &shared.registry, digest));
        configured.await.map_err(LedgerError::internal)?
    }

    fn bind(&self, info: SourceInfo, pipeline: Pipeline) {
        let bound = Bound { info: info.clone(), pipeline: Arc::new(pipeline) };
        self.sources.write().unwrap_or_else(PoisonError::into_inner).insert(info.source, bound);
    }

    /// One commit: entries for plugins new to the log, the pipeline's entry, the source's row. Answers
    /// the index of the pipeline's entry.
    async fn log_binding(&self, info: &SourceInfo) -> Result<u64, LedgerError> {
        let now_ms = self.now_ms();
        let mut drafts = Vec::new();
        let mut new_plugins = Vec::new();
        for digest in info.manifest.plugins() {
            let key = layout::plugin_entry_key(self.id, &digest.0);
            if self.engine().get(Family::Sources, &key).await?.is_none() {
                drafts.push(draft(now_ms, Body::Plugin { digest }, self.said_of_plugin(&digest)?));
                new_plugins.push(key);
            }
        }
        let place = drafts.len() as u64;
        let said = info.manifest.attributes().map_err(LedgerError::from)?;
        drafts.push(draft(now_ms, Body::Pipeline { digest: info.pipeline }, said));
        let sealed = self.sealer.seal(drafts).map_err(LedgerError::internal)?;
        let sealed = sealed.into_iter().collect::<Result<Vec<_>, _>>().map_err(LedgerError::internal)?;
        let (id, info) = (self.id, info.clone());
        // The index is the only part that is not known yet; as JSON it has 20 digits at most.
        let bytes = source_row(&info)?.len() + 20 + 128 * (new_plugins.len() + 1);
        let prepared = Prepared::new(id, sealed).with_rows(bytes, move |first, batch| {
            for (index, key) in (first..).zip(new_plugins) {
                batch.put(Family::Sources, key, index.to_be_bytes());
            }
            let info = SourceInfo { pipeline_index: first + place, ..info };
            let row = source_row(&info).expect("it was written once already, to know its size");
            batch.put(Family::Sources, layout::source_key(id, &info.source), row);
        });
        let appended = self.tree.append(Box::new(prepared)).await?;
        Ok(appended.first_index + place)
    }

    fn said_of_plugin(&self, digest: &Digest) -> Result<Vec<Attribute>, LedgerError> {
        let Loaded { info, plugin } = self.shared.registry.get(digest).ok_or_else(|| {
            LedgerError::Internal(format!("plugin {digest} went away while it was being bound"))
        })?;
        let said = PluginSaid {
            name: &info.name,
            version: &info.version,
            kinds: &plugin.kinds,
            uploaded_by: &info.uploaded_by,
        };
        Ok(said.attributes())
    }

    async fn load_sources(&self) -> Result<(), LedgerError> {
        let prefix = layout::log_key(self.id);
        let rows = self
            .engine()
            .scan(Scan::prefix(Family::Sources, prefix, cairnlog_store::limits::SCAN_ROWS_MAX))
            .await?;
        for (key, row) in rows {
            if !layout::is_source_key(&key) {
                continue;
            }
            let info: SourceInfo = serde_json::from_slice(&row)
                .map_err(|_| LedgerError::Internal("a stored source can't be read".to_owned()))?;
            let pipeline = self.configure(&info).await?;
            self.bind(info, pipeline);
        }
        Ok(())
    }

    /// Sets a retention class, for what comes after it; true if it is new.
    ///
    /// # Errors
    /// [`LedgerError`]: a bad name or bound, or the store.
    pub async fn put_class(&self, class_name: &str, class: Class) -> Result<bool, LedgerError> {
        name::check(class_name)
            .map_err(|error| LedgerError::BadRequest(format!("the class's name: {error}")))?;
        if class_name == NO_CLASS {
            return Err(LedgerError::BadRequest(format!(
                "{NO_CLASS} is what plugins say when no class fits; use another name"
            )));
        }
        class.check().map_err(|error| LedgerError::BadRequest(error.to_string()))?;
        let _changing = self.changing.lock().await;
        let mut classes = BTreeMap::clone(&self.read_classes());
        let new = !classes.contains_key(class_name);
        if new && classes.len() >= CLASSES_MAX {
            return Err(LedgerError::Conflict(format!("a log has {CLASSES_MAX} retention classes at most")));
        }
        let mut batch = Batch::new();
        let row = serde_json::to_vec(&class).map_err(LedgerError::internal)?;
        batch.put(Family::Classes, layout::class_key(self.id, class_name), row);
        self.commit(batch).await?;
        classes.insert(class_name.to_owned(), class);
        *self.classes.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(classes);
        Ok(new)
    }

    fn read_classes(&self) -> Arc<BTreeMap<String, Class>> {
        Arc::clone(&self.classes.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The retention class of this name.
    #[must_use]
    pub fn class(&self, class_name: &str) -> Option<Class> {
        self.read_classes().get(class_name).cloned()
    }

    /// All retention classes, by name.
    #[must_use]
    pub fn classes(&self) -> Vec<(String, Class)> {
        self.read_classes().iter().map(|(name, class)| (name.clone(), class.clone())).collect()
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
    }
}

fn source_row(info: &SourceInfo) -> Result<Vec<u8>, LedgerError> {
    serde_json::to_vec(info).map_err(LedgerError::internal)
}

async fn load_classes(engine: &dyn Engine, log: u32) -> Result<BTreeMap<String, Class>, LedgerError> {
    let rows = engine.scan(Scan::prefix(Family::Classes, layout::log_key(log), CLASSES_MAX)).await?;
    let damaged = || LedgerError::Internal("a stored retention class can't be read".to_owned());
    let classes = rows.into_iter().map(|(key, row)| {
        let (_, name) = layout::parse_name_key(&key).ok_or_else(damaged)?;
        Ok((name.to_owned(), serde_json::from_slice(&row).map_err(|_| damaged())?))
    });
    classes.collect()
}
