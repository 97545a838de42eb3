//! The plugins of a ledger: taken, tried, deleted, each said in the control log.

use cairnlog_store::{Batch, Family, layout};
use cairnlog_verify::entry::Digest;

use super::Ledger;
use crate::access::{Access, Activity, Who};
use crate::error::LedgerError;
use crate::registry::{PluginInfo, Taken, Upload};
use crate::sample::{Sampled, check_samples, sampled};
use crate::task::lost;

impl Ledger {
    /// Takes a plugin; false where the same bytes were there already.
    ///
    /// # Errors
    /// [`LedgerError::InvalidPlugin`] with everything that is wrong; [`LedgerError::Conflict`] where another digest
    /// has its name and version.
    pub async fn upload_plugin(
        &self,
        upload: impl Into<Upload>,
        by: impl Into<Who>,
    ) -> Result<(PluginInfo, bool), LedgerError> {
        let (by, now_ms) = (by.into(), self.shared.clock.now_ms());
        let say = async |taken: Taken, info: &PluginInfo, row: Vec<u8>| {
            let (activity, operation) = match taken {
                Taken::New => (Activity::Create, "plugins.upload"),
                Taken::Signed => (Activity::Update, "plugins.sign"),
            };
            let access = Access::new(&by, activity, operation, now_ms);
            let (key, bytes) = (layout::plugin_key(&info.digest.0), row.len() + 64);
            let rows = move |batch: &mut Batch| batch.put(Family::Plugins, key, row);
            self.shared.say_change(about(access, info), bytes, rows).await
        };
        self.shared.registry.upload(upload.into(), &by.uid, now_ms, say).await
    }

    /// Who has signed a plugin, of those whose plugins are taken; nobody where anybody's are.
    #[must_use]
    pub fn signers_of(&self, info: &PluginInfo) -> Vec<String> {
        self.shared.registry.signed_by(info).unwrap_or_default()
    }

    /// Runs a plugin over samples, each by itself: raw records for a normalizer, else OCSF events as JSON. Nothing is kept.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]; [`LedgerError::BadRequest`] for samples that are too many or too large;
    /// [`LedgerError::Interrupted`].
    pub async fn sample_plugin(
        &self,
        digest: &Digest,
        config: Option<serde_json::Value>,
        samples: Vec<String>,
    ) -> Result<Vec<Sampled>, LedgerError> {
        check_samples(&samples)?;
        let plugin = self.shared.registry.resolve(&digest.to_string())?.plugin;
        let host = self.shared.host.clone();
        let run = move || sampled(&host, &plugin, config.as_ref(), &samples);
        // No log has this number, and no source this name.
        let running = self.shared.workers.start(0, "#samples", run).await?;
        running.await.map_err(|gone| lost(&gone))?
    }

    /// All plugins, by digest.
    #[must_use]
    pub fn plugins(&self) -> Vec<PluginInfo> {
        self.shared.registry.list()
    }

    /// One plugin.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub fn plugin(&self, digest: &Digest) -> Result<PluginInfo, LedgerError> {
        Ok(self.shared.registry.resolve(&digest.to_string())?.info)
    }

    /// A plugin's bytes.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`], or the store.
    pub async fn plugin_wasm(&self, digest: &Digest) -> Result<Vec<u8>, LedgerError> {
        self.shared.registry.wasm(digest).await
    }

    /// Deletes a plugin.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] while a source uses it; [`LedgerError::ReadOnly`] while it is open whether one does.
    pub async fn delete_plugin(&self, digest: &Digest, by: impl Into<Who>) -> Result<(), LedgerError> {
        let in_use = || {
            let logs = self.logs();
            if let Some(stopped) = logs.iter().find(|log| log.tree().stopped().is_some()) {
                let name = stopped.info().name;
                return Some(LedgerError::ReadOnly(format!(
                    "log {name:?} has stopped, perhaps while a source was being bound; restart the server first"
                )));
            }
            let log = logs.iter().find(|log| log.uses(digest))?;
            Some(LedgerError::Conflict(format!(
                "log {:?} uses this plugin; bind its sources to another one first",
                log.info().name
            )))
        };
        let by = by.into();
        let say = async |info: &PluginInfo| {
            let access = Access::new(&by, Activity::Delete, "plugins.delete", self.shared.clock.now_ms());
            let key = layout::plugin_key(&info.digest.0);
            let rows = move |batch: &mut Batch| batch.delete(Family::Plugins, key);
            self.shared.say_change(about(access, info), 64, rows).await
        };
        self.shared.registry.delete(digest, in_use, say).await
    }
}

fn about(access: Access, info: &PluginInfo) -> Access {
    access.of("plugin", &format!("{}@{}", info.name, info.version)).of("plugin", &info.digest.to_string())
}
