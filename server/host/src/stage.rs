//! A plugin in one place of one source's pipeline: when it is run, when it is not, and what the operator hears of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::bisect::Batch;
use crate::breaker::Breaker;
use crate::limits::BATCHES_PER_SAMPLE;
use crate::plugin::Plugin;
use crate::types::{Fault, FaultKind, Level, PluginLog, Verdict};

/// A plugin with a config that it accepted. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stage {
    plugin: Arc<Plugin>,
    config: Arc<str>,
    breaker: Arc<Breaker>,
    /// Whether it was seen to give two answers to one record: the plugin's own, or a trial's.
    is_tripped: Arc<AtomicBool>,
    /// Batches so far: the plugin's own, or a trial's.
    batches: Arc<AtomicU64>,
}

impl Stage {
    pub(crate) fn new(plugin: &Arc<Plugin>, config: &str) -> Self {
        Self {
            plugin: Arc::clone(plugin),
            config: config.into(),
            breaker: Arc::default(),
            is_tripped: Arc::clone(&plugin.is_tripped),
            batches: Arc::clone(&plugin.batches),
        }
    }

    /// The plugin.
    #[must_use]
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// The same stage whose faults stop nobody else: for what is tried, which says nothing of what comes in.
    #[must_use]
    pub fn apart(&self) -> Self {
        let is_tripped = Arc::new(AtomicBool::new(self.is_tripped.load(Ordering::Relaxed)));
        Self { breaker: Arc::default(), is_tripped, batches: Arc::default(), ..self.clone() }
    }

    /// Whether it is one of those.
    pub(crate) fn is_apart(&self) -> bool {
        !Arc::ptr_eq(&self.is_tripped, &self.plugin.is_tripped)
    }

    /// The config, as it was given.
    #[must_use]
    pub fn config(&self) -> &str {
        &self.config
    }
}

impl Stage {
    /// Why its plugin is not run at all now, if it is not.
    pub(crate) fn refuses_to_run(&self) -> Option<Fault> {
        if self.is_tripped.load(Ordering::Relaxed) {
            return Some(two_answers());
        }
        let words = "the plugin failed on everything lately and is not run for a while";
        self.breaker.is_open(Instant::now()).then(|| Fault::new(FaultKind::BreakerOpen, words))
    }

    pub(crate) fn count<T>(&self, verdicts: &[Verdict<T>]) {
        let faults = verdicts.iter().filter(|verdict| verdict.is_err()).count();
        if self.breaker.count(verdicts.len() - faults, faults, Instant::now()) && !self.is_apart() {
            let (plugin, version) = (&self.plugin.name, &self.plugin.version);
            tracing::error!(%plugin, %version, "a plugin fails on everything; it is not run for a while");
        }
    }

    /// Which record of a batch is run again, if one is: another one each time.
    pub(crate) fn sampled(&self, records: usize) -> Option<usize> {
        let batch = self.batches.fetch_add(1, Ordering::Relaxed);
        if records == 0 || !batch.is_multiple_of(BATCHES_PER_SAMPLE) {
            return None;
        }
        let round = batch / BATCHES_PER_SAMPLE;
        // The last one first: it has all others before it.
        Some(records - 1 - usize::try_from(round).unwrap_or_default() % records)
    }

    /// Whether a record's answer alone is another than in its batch; from then on the plugin is run no more, anywhere, unless it was
    /// only tried.
    pub(crate) fn trips<T: PartialEq>(&self, in_batch: &Verdict<T>, alone: Batch<T>) -> bool {
        let alone = match alone {
            Ok(mut verdicts) => verdicts.pop(),
            Err(fault) => Some(Err(fault)),
        };
        let is_same = match (in_batch, &alone) {
            // Neighbours may have left it more fuel than it has alone.
            (_, Some(Err(Fault { kind: FaultKind::OutOfFuel, .. }))) => true,
            (Err(before), Some(Err(now))) => before.kind == now.kind,
            (before, Some(now)) => before == now,
            (_, None) => false,
        };
        if is_same {
            return false;
        }
        self.is_tripped.store(true, Ordering::Relaxed);
        if !self.is_apart() {
            let (plugin, version) = (&self.plugin.name, &self.plugin.version);
            tracing::error!(
                %plugin, %version,
                "a plugin gave two answers to one record; it is not run any more, and its records go by their source's policy"
            );
        }
        true
    }

    /// The operator's log gets how often a plugin spoke, never what it said.
    pub(crate) fn report(&self, log: &PluginLog) {
        let [debugs, infos, warnings, errors] =
            [Level::Debug, Level::Info, Level::Warn, Level::Error].map(|level| log.count(level));
        if debugs + infos + warnings + errors > 0 {
            let (name, version) = (&self.plugin.name, &self.plugin.version);
            tracing::debug!(plugin = %name, %version, debugs, infos, warnings, errors, "a plugin logged messages");
        }
    }
}

pub(crate) fn two_answers() -> Fault {
    Fault::new(
        FaultKind::NotDeterministic,
        "the plugin gave two answers to one record: what it returns may depend on that record and its config alone",
    )
}
