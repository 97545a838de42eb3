//! A log's sources, each bound to one pipeline.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLockReadGuard, RwLockWriteGuard};

use cairnlog_store::{Batch, Family, Scan, layout};
use cairnlog_verify::entry::{Body, Digest};
use cairnlog_verify::event::Attribute;
use cairnlog_verify::name;

use super::{Binding, Bound, Log, draft};
use crate::access::{Access, Activity, Who};
use crate::canary::{Canary, CanarySpec};
use crate::error::LedgerError;
use crate::limits::SOURCES_MAX;
use crate::manifest::Manifest;
use crate::pipeline::Pipeline;
use crate::prepared::Prepared;
use crate::registry::Loaded;
use crate::said::PluginSaid;
use crate::source::{SourceInfo, SourceSpec};

impl Log {
    pub(super) fn read_sources(&self) -> RwLockReadGuard<'_, BTreeMap<String, Bound>> {
        self.sources.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The source of this name.
    #[must_use]
    pub fn source(&self, source: &str) -> Option<Arc<SourceInfo>> {
        self.read_sources().get(source).map(|bound| Arc::clone(&bound.info))
    }

    /// All sources, by name.
    #[must_use]
    pub fn sources(&self) -> Vec<Arc<SourceInfo>> {
        self.read_sources().values().map(|bound| Arc::clone(&bound.info)).collect()
    }

    /// Refuses where the log takes no events of sources.
    ///
    /// # Errors
    /// [`LedgerError::BadRequest`] for an opaque log, [`LedgerError::Conflict`] for the control log.
    pub fn require_sources(&self) -> Result<(), LedgerError> {
        self.require_records()?;
        self.require_not_control(
            "the control log takes no sources and no events: it says what the server does",
        )
    }

    /// Whether a source of this log uses the plugin.
    pub(crate) fn uses(&self, plugin: &Digest) -> bool {
        let has = |info: &SourceInfo| {
            let canary = info.canary.as_ref().map(|canary| &canary.manifest);
            std::iter::once(&info.manifest).chain(canary).any(|manifest| manifest.plugins().contains(plugin))
        };
        self.read_sources().values().any(|bound| has(&bound.info))
    }

    /// Binds a source to a pipeline, from its next request on. The plugins and the pipeline's manifest are entries of the
    /// log before any record that they shape, and who binds the source is said in the control log before.
    ///
    /// # Errors
    /// [`LedgerError`]: an unknown plugin, one of another kind, a config that it refuses, a bad name.
    pub async fn put_source(
        &self,
        source: &str,
        spec: SourceSpec,
        by: impl Into<Who>,
    ) -> Result<Binding, LedgerError> {
        self.check_source(source)?;
        let _changing = self.changing.lock().await;
        // What is bound below must not be deleted before it counts as used.
        let _plugins = self.shared.registry.keep().await;
        let nonce = Manifest::nonce(self.shared.random.as_ref());
        let manifest = spec.resolve(&self.shared.registry, nonce)?;
        let before = self.source(source);
        let new = before.is_none();
        if new && self.read_sources().len() >= SOURCES_MAX {
            return Err(LedgerError::Conflict(format!("a log has {SOURCES_MAX} sources at most")));
        }
        // A pipeline that says the same as one in the log is that one, nonce and all.
        let known = self.known_pipeline(&manifest).await?;
        let is_known = known.is_some();
        let (manifest, pipeline_index) = known.unwrap_or((manifest, 0));
        let pipeline = Digest::of(&manifest.to_jcs()?);
        let mut info = SourceInfo::new(source, pipeline, pipeline_index, manifest);
        if let Some(before) = before {
            info.follow(before.as_ref().clone());
        }
        let pipeline = self.configure(&info).await?;
        let access = Access::new(&by.into(), Activity::Update, "sources.put", self.now_ms())
            .of("log", self.name())
            .of("source", &format!("{}/sources/{source}", self.name()))
            .of("pipeline", &info.pipeline.to_string());
        self.shared.say_change(access, 0, |_| {}).await?;
        if is_known {
            let mut batch = Batch::new();
            batch.put(Family::Sources, layout::source_key(self.id, source), source_row(&info)?);
            self.shared.commit(batch).await?;
        } else {
            info.pipeline_index = self.log_binding(&info).await?;
        }
        let binding = Binding { new, pipeline: info.pipeline, pipeline_index: info.pipeline_index };
        self.bind(info, pipeline);
        Ok(binding)
    }

    /// What the source would be bound to now: tried, and nothing is changed.
    pub(crate) async fn try_source(
        &self,
        source: &str,
        spec: SourceSpec,
    ) -> Result<(Manifest, Pipeline), LedgerError> {
        let _plugins = self.shared.registry.keep().await;
        self.try_kept(source, spec).await
    }

    /// The same, while no plugin goes.
    pub(super) async fn try_kept(
        &self,
        source: &str,
        spec: SourceSpec,
    ) -> Result<(Manifest, Pipeline), LedgerError> {
        self.check_source(source)?;
        let manifest = spec.resolve(&self.shared.registry, Manifest::nonce(self.shared.random.as_ref()))?;
        let digest = Digest::of(&manifest.to_jcs()?);
        let pipeline = self.configured(source, manifest.clone(), digest).await?;
        Ok((manifest, pipeline))
    }

    fn check_source(&self, source: &str) -> Result<(), LedgerError> {
        name::check(source)
            .map_err(|error| LedgerError::BadRequest(format!("the source's name: {error}")))?;
        self.require_sources()?;
        self.intake.check()
    }

    /// The manifest in the log that says the same, and the index of its entry.
    async fn known_pipeline(&self, manifest: &Manifest) -> Result<Option<(Manifest, u64)>, LedgerError> {
        let key = layout::pipeline_entry_key(self.id, &manifest.content()?.0);
        let Some(row) = self.engine().get(Family::Sources, &key).await? else { return Ok(None) };
        let damaged = || LedgerError::Internal("the row of a pipeline can't be read".to_owned());
        let (index, nonce) = row.split_first_chunk::<8>().ok_or_else(damaged)?;
        let nonce = String::from_utf8(nonce.to_vec()).map_err(|_| damaged())?;
        Ok(Some((Manifest { nonce, ..manifest.clone() }, u64::from_be_bytes(*index))))
    }

    /// Configures every stage for real, off the async threads.
    async fn configure(&self, info: &SourceInfo) -> Result<Pipeline, LedgerError> {
        self.configured(&info.source, info.manifest.clone(), info.pipeline).await
    }

    async fn configured(
        &self,
        source: &str,
        manifest: Manifest,
        digest: Digest,
    ) -> Result<Pipeline, LedgerError> {
        let shared = Arc::clone(&self.shared);
        // Not in the source's own turn: a plugin that is to be replaced may hold it.
        let turn = format!("{source}#bind");
        self.on_worker(&turn, move || manifest.configure(&shared.host, &shared.registry, digest)).await
    }

    /// What is tried beside the same pipeline goes on.
    fn bind(&self, info: SourceInfo, pipeline: Pipeline) {
        let mut sources = self.write_sources();
        let before = sources.get(&info.source).filter(|before| before.info.pipeline == info.pipeline);
        let canary = before.and_then(|before| before.canary.clone());
        let bound = Bound { pipeline: Arc::new(pipeline), canary, info: Arc::new(info) };
        sources.insert(bound.info.source.clone(), bound);
    }

    /// The same pipeline, with this tried beside it.
    pub(super) fn rebind(&self, info: SourceInfo, canary: Option<Arc<Canary>>) {
        if let Some(bound) = self.write_sources().get_mut(&info.source) {
            (bound.info, bound.canary) = (Arc::new(info), canary);
        }
    }

    fn write_sources(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Bound>> {
        self.sources.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// One commit: entries for plugins new to the log, the pipeline's entry, the rows by which both are known, the
    /// source's row. Answers the index of the pipeline's entry.
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
        let sealed = self.sealer.seal_all(drafts).await?;
        let (id, info) = (self.id, info.clone());
        // The index is the only part that is not known yet; as JSON it has 20 digits at most.
        let bytes = source_row(&info)?.len() + 20 + 128 * (new_plugins.len() + 2);
        let known = layout::pipeline_entry_key(id, &info.manifest.content()?.0);
        let prepared = Prepared::new(id, sealed).with_rows(bytes, move |first, batch| {
            for (index, key) in (first..).zip(new_plugins) {
                batch.put(Family::Sources, key, index.to_be_bytes());
            }
            let index = first + place;
            let row = [&index.to_be_bytes()[..], info.manifest.nonce.as_bytes()].concat();
            batch.put(Family::Sources, known, row);
            let info = SourceInfo { pipeline_index: index, ..info };
            let row = source_row(&info).expect("it was written once already, to know its size");
            batch.put(Family::Sources, layout::source_key(id, &info.source), row);
        });
        let _passing = self.intake.passing().await;
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
            signature: info.signature.as_deref(),
            uploaded_by: &info.uploaded_by,
        };
        Ok(said.attributes())
    }

    /// The rows of sources, which stand behind those of plugins' and pipelines' entries.
    fn scan_of_sources(&self) -> Scan {
        let log = layout::log_key(self.id);
        Scan {
            family: Family::Sources,
            from: layout::sources_start(self.id),
            to: layout::prefix_end(log),
            reverse: false,
            limit: SOURCES_MAX,
        }
    }

    pub(super) async fn load_sources(&self) -> Result<(), LedgerError> {
        for (_, row) in self.engine().scan(self.scan_of_sources()).await? {
            let info: SourceInfo = serde_json::from_slice(&row)
                .map_err(|_| LedgerError::Internal("a stored source can't be read".to_owned()))?;
            let pipeline = self.configure(&info).await?;
            let canary = match &info.canary {
                Some(spec) => self.load_canary(&info.source, spec).await,
                None => None,
            };
            self.bind(info.clone(), pipeline);
            self.rebind(info, canary);
        }
        Ok(())
    }

    /// A trial is nothing to stay down for.
    async fn load_canary(&self, source: &str, spec: &CanarySpec) -> Option<Arc<Canary>> {
        let configured = async {
            let digest = Digest::of(&spec.manifest.to_jcs()?);
            self.configured(source, spec.manifest.clone(), digest).await
        };
        match configured.await {
            Ok(pipeline) => Some(Arc::new(Canary::new(spec.percent, &pipeline, self.now_ms()))),
            Err(error) => {
                // A plugin's own words may quote its config.
                let why = match error {
                    LedgerError::BadRequest(_) => "its config is refused".to_owned(),
                    other => other.to_string(),
                };
                let log = self.name();
                tracing::warn!(
                    log,
                    source,
                    why,
                    "a canary could not be configured and is not run; set it anew or stop it"
                );
                None
            }
        }
    }
}

pub(super) fn source_row(info: &SourceInfo) -> Result<Vec<u8>, LedgerError> {
    serde_json::to_vec(info).map_err(LedgerError::internal)
}
