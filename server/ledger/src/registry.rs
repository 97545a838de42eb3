//! The server's plugins: stored by digest, compiled once, shared by all logs.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use bytes::Bytes;
use cairnlog_host::{Footprint, Host, InvalidPlugin, Kind, Plugin, UnusedWasi};
use cairnlog_store::{Engine, Family, Scan, layout};
use cairnlog_verify::entry::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::LedgerError;
use crate::limits::PLUGINS_MAX;
use crate::signature::{Signers, join_plugin_signatures};
use crate::task::off_thread;

/// What is known of an uploaded plugin. Name, version and summary are the component's own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginInfo {
    /// SHA-256 of the component's bytes, `sha256:<hex>`.
    pub digest: Digest,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it does, in a line.
    pub summary: String,
    /// The roles it can play: `normalizer`, `redactor`, `retention`.
    pub kinds: Vec<String>,
    /// Its licence.
    #[serde(default)]
    pub license: String,
    /// Where its source is.
    #[serde(default)]
    pub source: String,
    /// What it imports.
    pub imports: Vec<String>,
    /// Whether what it imports of WASI is stubbed.
    #[serde(default)]
    pub stubs_wasi: bool,
    /// Bytes of the component.
    pub size: u64,
    /// How long it took to check and compile when it was uploaded, in milliseconds.
    #[serde(default)]
    pub compile_ms: u64,
    /// What an instance of it takes.
    #[serde(default, with = "footprint")]
    pub footprint: Footprint,
    /// Who stands for it: a signed note over its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Who uploaded it: the id of a token.
    pub uploaded_by: String,
    /// When, in milliseconds since the Unix epoch.
    pub uploaded_ms: u64,
}

/// A component to take.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Its bytes.
    pub wasm: Bytes,
    /// A signed note over its digest, if there is one.
    pub signature: Option<String>,
    /// What becomes of its imports of WASI.
    pub unused_wasi: UnusedWasi,
}

impl From<Bytes> for Upload {
    fn from(wasm: Bytes) -> Self {
        Self { wasm, signature: None, unused_wasi: UnusedWasi::Refuse }
    }
}

/// What an upload brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// A plugin.
    New,
    /// Signatures of one that was there.
    Signed,
}

/// A footprint in a stored row.
mod footprint {
    use cairnlog_host::Footprint;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    type Row = (u32, u32, u64, u32);

    pub(super) fn serialize<S: Serializer>(of: &Footprint, serializer: S) -> Result<S::Ok, S::Error> {
        (of.core_instances, of.memories, of.memory_bytes, of.tables).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Footprint, D::Error> {
        let (core_instances, memories, memory_bytes, tables) = Row::deserialize(deserializer)?;
        Ok(Footprint { core_instances, memories, memory_bytes, tables })
    }
}

/// A plugin ready to be configured.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) info: PluginInfo,
    pub(crate) plugin: Arc<Plugin>,
}

/// All plugins of a server.
pub(crate) struct Registry {
    engine: Arc<dyn Engine>,
    host: Host,
    /// Whose plugins are taken.
    signers: Signers,
    by_digest: RwLock<BTreeMap<Digest, Loaded>>,
    /// Uploads and deletions come one after the other, and none while sources are being bound.
    changing: tokio::sync::RwLock<()>,
    /// Held while an upload is compiled.
    compiling: tokio::sync::Mutex<()>,
}

impl Registry {
    /// Loads and compiles every stored plugin.
    pub(crate) async fn open(
        engine: Arc<dyn Engine>,
        host: Host,
        signers: Signers,
    ) -> Result<Self, LedgerError> {
        let mut by_digest = BTreeMap::new();
        let mut from = Vec::new();
        // One at a time: all of them at once are gigabytes.
        while let Some((key, row)) = engine.scan(one_from(from)).await?.pop() {
            let loaded = load_row(&host, &key, &row).await?;
            if signers.check(&loaded.info.digest, loaded.info.signature.as_deref()).is_err() {
                let PluginInfo { name, version, digest, .. } = &loaded.info;
                tracing::warn!(
                    %name, %version, %digest,
                    "no trusted key has signed a stored plugin; where it is bound it runs on; sign it and push it once more"
                );
            }
            by_digest.insert(loaded.info.digest, loaded);
            from = [key.as_slice(), &[0]].concat();
        }
        let registry = Self {
            engine,
            host,
            signers,
            by_digest: RwLock::new(by_digest),
            changing: tokio::sync::RwLock::default(),
            compiling: tokio::sync::Mutex::default(),
        };
        registry.tidy().await?;
        Ok(registry)
    }

    /// Takes an upload, which `write` says and stores. The same bytes again change nothing but their signatures; the second value is
    /// then false.
    pub(crate) async fn upload(
        &self,
        upload: Upload,
        by: &str,
        now_ms: u64,
        write: impl AsyncFnOnce(Taken, &PluginInfo, Vec<u8>) -> Result<(), LedgerError>,
    ) -> Result<(PluginInfo, bool), LedgerError> {
        let bytes = upload.wasm.clone();
        let digest = Digest(off_thread(move || Sha256::digest(&bytes).into()).await?);
        if self.get(&digest).is_some() {
            return Ok((self.sign(&digest, upload, write).await?, false));
        }
        self.signers.check(&digest, upload.signature.as_deref())?;
        // Compiling takes long, so it is done before others have to wait; one at a time, for it takes much memory.
        let _compiling = self.compiling.lock().await;
        let taken = self.take(upload, digest, by, now_ms, write).await;
        if taken.is_err() {
            // What is not taken leaves no machine code.
            self.tidy().await?;
        }
        taken
    }

    /// Adds signatures to those of a plugin that is there.
    async fn sign(
        &self,
        digest: &Digest,
        upload: Upload,
        write: impl AsyncFnOnce(Taken, &PluginInfo, Vec<u8>) -> Result<(), LedgerError>,
    ) -> Result<PluginInfo, LedgerError> {
        let _changing = self.changing.write().await;
        self.sign_kept(digest, upload, write).await
    }

    /// The same, while nothing else changes.
    async fn sign_kept(
        &self,
        digest: &Digest,
        upload: Upload,
        write: impl AsyncFnOnce(Taken, &PluginInfo, Vec<u8>) -> Result<(), LedgerError>,
    ) -> Result<PluginInfo, LedgerError> {
        let Upload { wasm, signature, .. } = upload;
        let Loaded { mut info, plugin } = self.get(digest).ok_or_else(|| unknown(&digest.to_string()))?;
        self.signers.check(digest, signature.as_deref().or(info.signature.as_deref()))?;
        let signature = match (&info.signature, signature) {
            (Some(known), Some(new)) => {
                let both = join_plugin_signatures(known, &new);
                // What is kept must be worth no less than what was just checked.
                Some(if self.signers.check(digest, Some(&both)).is_ok() { both } else { new })
            }
            (known, new) => new.or_else(|| known.clone()),
        };
        if signature != info.signature {
            info.signature = signature;
            write(Taken::Signed, &info, write_row(&info, &wasm)?).await?;
            self.write(|plugins| plugins.insert(*digest, Loaded { info: info.clone(), plugin }));
        }
        Ok(info)
    }

    /// Who has signed a plugin, of those who may.
    ///
    /// # Errors
    /// [`LedgerError::InvalidPlugin`] where somebody must have and nobody has.
    pub(crate) fn signed_by(&self, info: &PluginInfo) -> Result<Vec<String>, LedgerError> {
        let named = |mut refused: InvalidPlugin| {
            for fault in &mut refused.errors {
                fault.detail = format!("{}@{}: {}", info.name, info.version, fault.detail);
            }
            refused
        };
        Ok(self.signers.check(&info.digest, info.signature.as_deref()).map_err(named)?)
    }

    async fn take(
        &self,
        upload: Upload,
        digest: Digest,
        by: &str,
        now_ms: u64,
        write: impl AsyncFnOnce(Taken, &PluginInfo, Vec<u8>) -> Result<(), LedgerError>,
    ) -> Result<(PluginInfo, bool), LedgerError> {
        let started = Instant::now();
        let Upload { wasm, signature, unused_wasi: unused } = upload.clone();
        let plugin = load(&self.host, wasm.clone(), unused).await??;
        let compile_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let _changing = self.changing.write().await;
        if self.get(&digest).is_some() {
            return Ok((self.sign_kept(&digest, upload, write).await?, false));
        }
        let info = PluginInfo {
            compile_ms,
            signature,
            stubs_wasi: unused == UnusedWasi::Stub,
            ..describe(&plugin, digest, wasm.len(), by, now_ms)
        };
        self.check_room(&info)?;
        write(Taken::New, &info, write_row(&info, &wasm)?).await?;
        self.write(|plugins| plugins.insert(digest, Loaded { info: info.clone(), plugin }));
        Ok((info, true))
    }

    fn check_room(&self, info: &PluginInfo) -> Result<(), LedgerError> {
        let plugins = self.by_digest.read().unwrap_or_else(PoisonError::into_inner);
        if plugins.len() >= PLUGINS_MAX {
            return Err(LedgerError::Conflict(format!(
                "the server holds {PLUGINS_MAX} plugins, the most it may; delete some"
            )));
        }
        let twin =
            plugins.values().find(|other| other.info.name == info.name && other.info.version == info.version);
        match twin {
            Some(twin) => Err(LedgerError::Conflict(format!(
                "{}@{} is taken by {}; raise the version",
                info.name, info.version, twin.info.digest
            ))),
            None => Ok(()),
        }
    }

    /// Deletes a plugin unless `in_use` objects; `write` says and stores it.
    pub(crate) async fn delete(
        &self,
        digest: &Digest,
        in_use: impl Fn() -> Option<LedgerError>,
        write: impl AsyncFnOnce(&PluginInfo) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        let _changing = self.changing.write().await;
        if let Some(objection) = in_use() {
            return Err(objection);
        }
        let known = self.get(digest).ok_or_else(|| unknown(&digest.to_string()))?;
        write(&known.info).await?;
        self.write(|plugins| plugins.remove(digest));
        self.tidy().await
    }

    /// Forgets the machine code of plugins that are not stored.
    async fn tidy(&self) -> Result<(), LedgerError> {
        let stored: Vec<[u8; 32]> = self.list().iter().map(|info| info.digest.0).collect();
        let host = self.host.clone();
        off_thread(move || host.keep_only(&stored)).await
    }

    /// While this is held no plugin goes.
    pub(crate) async fn keep(&self) -> tokio::sync::RwLockReadGuard<'_, ()> {
        self.changing.read().await
    }

    /// The plugin of this digest.
    pub(crate) fn get(&self, digest: &Digest) -> Option<Loaded> {
        self.by_digest.read().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    /// The plugin that an integrator names: `sha256:<hex>` or `name@version`.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub(crate) fn resolve(&self, named: &str) -> Result<Loaded, LedgerError> {
        let found = match named.parse::<Digest>() {
            Ok(digest) => self.get(&digest),
            Err(_) => named.split_once('@').and_then(|(name, version)| {
                let plugins = self.by_digest.read().unwrap_or_else(PoisonError::into_inner);
                plugins
                    .values()
                    .find(|loaded| loaded.info.name == name && loaded.info.version == version)
                    .cloned()
            }),
        };
        found.ok_or_else(|| unknown(named))
    }

    /// All plugins, by digest.
    pub(crate) fn list(&self) -> Vec<PluginInfo> {
        let plugins = self.by_digest.read().unwrap_or_else(PoisonError::into_inner);
        plugins.values().map(|loaded| loaded.info.clone()).collect()
    }

    /// The bytes of a plugin.
    pub(crate) async fn wasm(&self, digest: &Digest) -> Result<Vec<u8>, LedgerError> {
        let key = layout::plugin_key(&digest.0);
        let row =
            self.engine.get(Family::Plugins, &key).await?.ok_or_else(|| unknown(&digest.to_string()))?;
        Ok(parse_row(&key, &row)?.1)
    }

    fn write<T>(&self, change: impl FnOnce(&mut BTreeMap<Digest, Loaded>) -> T) {
        change(&mut self.by_digest.write().unwrap_or_else(PoisonError::into_inner));
    }
}

fn one_from(from: Vec<u8>) -> Scan {
    Scan { family: Family::Plugins, from, to: Vec::new(), reverse: false, limit: 1 }
}

async fn load_row(host: &Host, key: &[u8], row: &[u8]) -> Result<Loaded, LedgerError> {
    let (info, wasm) = parse_row(key, row)?;
    let failed = |words: &dyn std::fmt::Display| {
        LedgerError::Internal(format!("stored plugin {} no longer loads: {words}", info.digest))
    };
    let known = host.clone();
    let unused = if info.stubs_wasi { UnusedWasi::Stub } else { UnusedWasi::Refuse };
    let loaded = off_thread(move || known.load_known(&wasm, unused)).await?;
    let plugin = loaded.map_err(|interrupted| failed(&interrupted))?.map_err(|refused| failed(&refused))?;
    Ok(Loaded { info, plugin })
}

fn unknown(named: &str) -> LedgerError {
    LedgerError::NotFound(format!("there is no plugin {named:?} here; upload it with `cairnlog plugin push`"))
}

/// Compiles off the async threads: it takes from milliseconds to seconds.
async fn load(
    host: &Host,
    wasm: Bytes,
    unused: UnusedWasi,
) -> Result<Result<Arc<Plugin>, InvalidPlugin>, LedgerError> {
    let host = host.clone();
    Ok(off_thread(move || host.load_with(&wasm, unused)).await??)
}

fn describe(plugin: &Plugin, digest: Digest, size: usize, by: &str, now_ms: u64) -> PluginInfo {
    PluginInfo {
        digest,
        name: plugin.name.clone(),
        version: plugin.version.clone(),
        summary: plugin.summary.clone(),
        kinds: plugin.kinds.iter().map(|kind| kind_name(*kind).to_owned()).collect(),
        license: plugin.license.clone(),
        source: plugin.source.clone(),
        imports: plugin.imports.clone(),
        stubs_wasi: false,
        size: size as u64,
        compile_ms: 0,
        footprint: plugin.footprint,
        signature: None,
        uploaded_by: by.to_owned(),
        uploaded_ms: now_ms,
    }
}

/// The word for a kind, as in the API.
pub(crate) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Normalizer => "normalizer",
        Kind::Redactor => "redactor",
        Kind::Retention => "retention",
    }
}

/// A row of `plugins`: u32be length of the description, the description in JSON, the component.
fn write_row(info: &PluginInfo, wasm: &[u8]) -> Result<Vec<u8>, LedgerError> {
    let json = serde_json::to_vec(info).map_err(LedgerError::internal)?;
    let length = u32::try_from(json.len()).map_err(LedgerError::internal)?;
    Ok([&length.to_be_bytes()[..], &json, wasm].concat())
}

fn parse_row(key: &[u8], row: &[u8]) -> Result<(PluginInfo, Vec<u8>), LedgerError> {
    let damaged = || LedgerError::Internal("a stored plugin is damaged; restore the store".to_owned());
    let (length, rest) = row.split_first_chunk::<4>().ok_or_else(damaged)?;
    let (json, wasm) = rest.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or_else(damaged)?;
    let info: PluginInfo = serde_json::from_slice(json).map_err(|_| damaged())?;
    let digest: [u8; 32] = Sha256::digest(wasm).into();
    if digest != info.digest.0 || key != digest {
        return Err(damaged());
    }
    Ok((info, wasm.to_vec()))
}
