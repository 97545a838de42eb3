//! Bringing another pipeline to a source: tried beside its own, taken over, taken back.

use std::sync::Arc;

use cairnlog_store::{Batch, Family, layout};
use cairnlog_verify::entry::Digest;

use super::sources::source_row;
use super::waiting::Put;
use super::{Binding, Log};
use crate::access::{Access, Activity, Who};
use crate::canary::{Canary, CanaryCounts, CanarySpec};
use crate::error::LedgerError;
use crate::source::{SourceInfo, SourceSpec};

impl Log {
    /// Tries a pipeline beside the source's own from its next batch on, in place of another that is tried. Nothing that it makes is
    /// logged.
    ///
    /// # Errors
    /// [`LedgerError::BadRequest`] for a percentage that is none; [`LedgerError::NotFound`] for an unknown source; those of
    /// [`put_source`](Self::put_source).
    pub async fn put_canary(
        &self,
        source: &str,
        spec: SourceSpec,
        percent: u8,
        by: impl Into<Who>,
    ) -> Result<(), LedgerError> {
        if !(1..=100).contains(&percent) {
            return Err(LedgerError::BadRequest("a canary is run over 1 to 100 percent".to_owned()));
        }
        let by = by.into();
        let _changing = self.changing.lock().await;
        // What is tried below must not be deleted before it counts as used.
        let _plugins = self.shared.registry.keep().await;
        let (manifest, pipeline) = self.try_kept(source, spec).await?;
        let info = self.bound_source(source)?;
        let now_ms = self.now_ms();
        let digest = Digest::of(&manifest.to_jcs()?).to_string();
        let mut access = self.rollout_access("canary.put", source, &by).of("pipeline", &digest);
        for plugin in manifest.plugins() {
            access = access.of("plugin", &plugin.to_string());
        }
        let canary = Arc::new(Canary::new(percent, &pipeline, now_ms));
        let spec = CanarySpec { percent, manifest, since_ms: now_ms };
        self.set_canary(SourceInfo { canary: Some(Box::new(spec)), ..info }, Some(canary), access).await
    }

    /// Ends the trial.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] where none goes on; the store.
    pub async fn stop_canary(&self, source: &str, by: impl Into<Who>) -> Result<(), LedgerError> {
        let _changing = self.changing.lock().await;
        let info = self.bound_source(source)?;
        if info.canary.is_none() {
            return Err(no_canary(source));
        }
        self.end_canary(info, &by.into()).await
    }

    /// What is tried beside the source's own pipeline, and what it came to so far.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] where nothing is.
    pub fn canary(&self, source: &str) -> Result<(CanarySpec, CanaryCounts), LedgerError> {
        let bound = self.read_sources().get(source).cloned();
        let (info, canary) =
            bound.map(|bound| (bound.info, bound.canary)).ok_or_else(|| no_source(source))?;
        match (&info.canary, canary) {
            (Some(spec), Some(canary)) => Ok((spec.as_ref().clone(), canary.counts())),
            (Some(_), None) => Err(LedgerError::Conflict(format!(
                "the canary of {source:?} could not be configured when the server started; set it anew or stop it"
            ))),
            (None, _) => Err(no_canary(source)),
        }
    }

    /// Binds the source to what is tried beside its own pipeline; that ends the trial.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] where nothing is tried; those of [`change_source`](Self::change_source).
    pub async fn promote_canary(
        &self,
        source: &str,
        by: impl Into<Who>,
        two_persons: bool,
    ) -> Result<Put<Binding>, LedgerError> {
        let by = by.into();
        let canary = self.bound_source(source)?.canary.ok_or_else(|| no_canary(source))?;
        let spec = canary.manifest.clone().into();
        let put = self.change_source(source, spec, by.clone(), two_persons).await?;
        if matches!(put, Put::Done(_)) {
            // One that is the source's own pipeline already goes on unless it is told not to; another that was set meanwhile does.
            let _changing = self.changing.lock().await;
            let info = self.bound_source(source)?;
            if info.canary.as_ref() == Some(&canary) {
                self.end_canary(info, &by).await?;
            }
        }
        Ok(put)
    }

    async fn end_canary(&self, info: SourceInfo, by: &Who) -> Result<(), LedgerError> {
        let access = self.rollout_access("canary.stop", &info.source, by);
        self.set_canary(SourceInfo { canary: None, ..info }, None, access).await
    }

    /// Binds the source to the pipeline that it had before its present one, from its next batch on. Once more, and it has the
    /// present one again.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]; [`LedgerError::Conflict`] where it had no other; those of
    /// [`change_source`](Self::change_source), if a plugin was deleted since among others.
    pub async fn roll_back(
        &self,
        source: &str,
        by: impl Into<Who>,
        two_persons: bool,
    ) -> Result<Put<Binding>, LedgerError> {
        let previous = self.bound_source(source)?.previous.ok_or_else(|| {
            LedgerError::Conflict(format!("the source {source:?} had no pipeline before its present one"))
        })?;
        self.change_source(source, previous.manifest.into(), by, two_persons).await
    }

    fn bound_source(&self, source: &str) -> Result<SourceInfo, LedgerError> {
        let info = self.source(source).ok_or_else(|| no_source(source))?;
        Ok(info.as_ref().clone())
    }

    fn rollout_access(&self, operation: &str, source: &str, by: &Who) -> Access {
        Access::new(by, Activity::Update, operation, self.now_ms())
            .of("log", self.name())
            .of("source", &format!("{}/sources/{source}", self.name()))
    }

    /// Said in the control log first, then in the source's row.
    async fn set_canary(
        &self,
        info: SourceInfo,
        canary: Option<Arc<Canary>>,
        access: Access,
    ) -> Result<(), LedgerError> {
        self.shared.say_change(access, 0, |_| {}).await?;
        let mut batch = Batch::new();
        batch.put(Family::Sources, layout::source_key(self.id, &info.source), source_row(&info)?);
        self.shared.commit(batch).await?;
        self.rebind(info, canary);
        Ok(())
    }
}

pub(super) fn no_source(source: &str) -> LedgerError {
    LedgerError::NotFound(format!("the log has no source {source:?}; an integrator binds it first"))
}

fn no_canary(source: &str) -> LedgerError {
    LedgerError::NotFound(format!("no pipeline is tried beside that of {source:?}"))
}
