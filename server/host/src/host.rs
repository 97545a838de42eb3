//! The host itself: loads plugins, configures them, runs records through them.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cairnlog_verify::event::Attribute;
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre, Linker};

use crate::batches::{batches, visible};
use crate::bindings::exports::cairnlog::plugin::{normalizer, redactor, retention, settings};
use crate::bisect::{Batch, settle};
use crate::compile::{Compiling, Uncompiled};
use crate::engine::{Ticker, engine};
use crate::inspect::{Description, PluginFault, inspect, told};
use crate::instance::{Exports, Failure, Live, State, linker};
use crate::limits::{CONFIG_BYTES_MAX, HostLimits, MESSAGE_BYTES_MAX, WAITING_MAX};
use crate::lower;
use crate::permits::Permits;
use crate::plugin::{Footprint, Plugin, UnusedWasi};
use crate::stage::{Stage, two_answers};
use crate::text::cut;
use crate::types::{Decision, Interrupted, Kind, Outcome, PluginLog, RawRecord, Redaction, Run, Verdict};
use crate::{check, schema};

/// Runs plugins. Cheap to clone; all clones share engine, instances and limits.
///
/// Every method blocks: for an instance to become free, and while a plugin runs or compiles. Call them off the async
/// threads.
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    linker: Linker<State>,
    permits: Permits,
    limits: HostLimits,
    compiling: Compiling,
    /// Declared last, so that the epoch moves as long as anything else is there.
    _ticker: Ticker,
}

/// The host can't be set up on this machine.
#[derive(Debug, thiserror::Error)]
#[error("the plugin host can't start: {0}")]
pub struct HostError(String);

/// What is wrong with an upload: everything that could be found, at least one thing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid plugin: {}", told(errors))]
pub struct InvalidPlugin {
    /// Each by itself.
    pub errors: Vec<PluginFault>,
}

/// A config that a plugin can't be used with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigRefused {
    /// Why, at most [`MESSAGE_BYTES_MAX`] bytes, the plugin's own words included.
    pub message: String,
}

impl Host {
    /// Reserves address space for the instances (not memory) and starts the thread that moves the epoch; it ends when
    /// the last clone is dropped.
    ///
    /// # Errors
    /// If the system gives no address space or no thread.
    pub fn new(limits: HostLimits) -> Result<Self, HostError> {
        Self::compiling(limits, Compiling::Here)
    }

    /// The same, which compiles as it is told.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn compiling(limits: HostLimits, compiling: Compiling) -> Result<Self, HostError> {
        let engine = engine(&limits).map_err(|error| HostError(format!("{error:#}")))?;
        let linker = linker(&engine).map_err(|error| HostError(format!("{error:#}")))?;
        let ticker = Ticker::start(engine.clone(), Duration::from_millis(limits.epoch_ms))
            .map_err(|error| HostError(error.to_string()))?;
        let permits = Permits::new(limits.instances, WAITING_MAX);
        Ok(Self { inner: Arc::new(Inner { engine, linker, permits, limits, compiling, _ticker: ticker }) })
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> &HostLimits {
        &self.inner.limits
    }

    /// Checks, compiles and once instantiates and configures a component that is new. Compiling takes from milliseconds
    /// to, for an interpreter, tens of seconds, on all processors.
    ///
    /// What is wrong with it, all of it, is the verdict.
    ///
    /// # Errors
    /// [`Interrupted`]: no verdict.
    pub fn load(&self, wasm: &[u8]) -> Result<Result<Arc<Plugin>, InvalidPlugin>, Interrupted> {
        self.load_with(wasm, UnusedWasi::Refuse)
    }

    /// The same for a component that may import WASI as long as it does not use it.
    ///
    /// # Errors
    /// [`Interrupted`]: no verdict.
    pub fn load_with(
        &self,
        wasm: &[u8],
        unused: UnusedWasi,
    ) -> Result<Result<Arc<Plugin>, InvalidPlugin>, Interrupted> {
        let plugin = match self.inspect_and_compile(wasm, unused, Compiling::component)? {
            Ok(plugin) => plugin,
            Err(refused) => return Ok(Err(refused)),
        };
        match again(|| self.try_configure(&plugin)) {
            Ok(()) => Ok(Ok(plugin)),
            Err(Untried::Wrong(fault)) => Ok(Err(InvalidPlugin { errors: vec![fault] })),
            Err(Untried::Interrupted(interrupted)) => Err(interrupted),
        }
    }

    /// [`Host::load`] for a component that was taken before: it is not configured.
    ///
    /// # Errors
    /// [`Interrupted`]: no verdict.
    pub fn load_known(
        &self,
        wasm: &[u8],
        unused: UnusedWasi,
    ) -> Result<Result<Arc<Plugin>, InvalidPlugin>, Interrupted> {
        self.inspect_and_compile(wasm, unused, Compiling::known_component)
    }

    /// Forgets the machine code of all components but these, by their digests.
    pub fn keep_only(&self, digests: &[[u8; 32]]) {
        self.inner.compiling.retain(digests);
    }

    fn inspect_and_compile(
        &self,
        wasm: &[u8],
        unused: UnusedWasi,
        compiler: Compiler,
    ) -> Result<Result<Arc<Plugin>, InvalidPlugin>, Interrupted> {
        let description = match inspect(wasm, unused) {
            Ok(description) => description,
            Err(errors) => return Ok(Err(InvalidPlugin { errors })),
        };
        match self.compile(wasm, description, unused, compiler) {
            Ok(plugin) => Ok(Ok(Arc::new(plugin))),
            Err(Untried::Wrong(fault)) => Ok(Err(InvalidPlugin { errors: vec![fault] })),
            Err(Untried::Interrupted(interrupted)) => Err(interrupted),
        }
    }

    fn compile(
        &self,
        wasm: &[u8],
        found: Description,
        unused: UnusedWasi,
        compiler: Compiler,
    ) -> Result<Plugin, Untried> {
        let inner = &*self.inner;
        let refused =
            |code| move |error: wasmtime::Error| PluginFault::new(code, words(&format!("{error:#}")));
        let digest: [u8; 32] = Sha256::digest(wasm).into();
        let component =
            compiler(&inner.compiling, &inner.engine, wasm, &digest).map_err(|failure| match failure {
                Uncompiled::Fault(fault) => Untried::Wrong(fault),
                Uncompiled::Host(words) => Interrupted::Setup(words).into(),
            })?;
        let linked = match unused {
            UnusedWasi::Refuse => inner.linker.instantiate_pre(&component),
            UnusedWasi::Stub => {
                let mut linker = inner.linker.clone();
                linker
                    .define_unknown_imports_as_traps(&component)
                    .and_then(|()| linker.instantiate_pre(&component))
            }
        };
        let pre = linked.map_err(refused("wrong-interface"))?;
        let exports = exports(&pre, &found.kinds).map_err(refused("wrong-interface"))?;
        let schema = again(|| self.try_out(&pre, &exports))?;
        if let Some(text) = &schema {
            schema::compile(text).map_err(|message| PluginFault::new("bad-schema", words(&message)))?;
        }
        Ok(Plugin {
            digest,
            name: found.name,
            version: found.version,
            summary: found.summary,
            license: found.license,
            source: found.source,
            kinds: found.kinds,
            imports: found.imports,
            schema,
            footprint: Footprint::of(&component, found.core_instances),
            pre,
            exports,
            batches: Arc::default(),
            is_tripped: Arc::default(),
            memory_peak: AtomicUsize::new(0),
        })
    }

    /// Instantiates for real, since some mismatches show only then, and asks for the schema.
    fn try_out(&self, pre: &InstancePre<State>, exports: &Exports) -> Result<Option<String>, Untried> {
        let _permit = self.inner.permits.acquire().ok_or(Interrupted::Busy)?;
        let trapped = |error: wasmtime::Error| match Failure::of(&error) {
            Failure::Deadline => Interrupted::Deadline.into(),
            Failure::Fault(fault) => {
                let is_trap = error.downcast_ref::<wasmtime::Trap>().is_some();
                let code = if is_trap { "trap-on-configure" } else { "cannot-instantiate" };
                Untried::from(PluginFault::new(
                    code,
                    words(&format!("when first instantiated: {}", fault.message)),
                ))
            }
        };
        let mut live = Live::open(pre, &self.inner.limits).map_err(trapped)?;
        live.check_types(exports)
            .map_err(|error| PluginFault::new("wrong-interface", words(&format!("{error:#}"))))?;
        live.schema(exports).map_err(trapped)
    }

    /// Configures it once where its schema allows the empty config. That it refuses it is its right; that it breaks on it
    /// is not.
    fn try_configure(&self, plugin: &Plugin) -> Result<(), Untried> {
        if check_config(plugin.schema.as_deref(), "{}").is_err() {
            return Ok(());
        }
        let _permit = self.inner.permits.acquire().ok_or(Interrupted::Busy)?;
        let broke = |error: wasmtime::Error| match Failure::of(&error) {
            Failure::Deadline => Interrupted::Deadline.into(),
            Failure::Fault(fault) => Untried::from(PluginFault::new(
                "trap-on-configure",
                words(&format!("when configured with {{}}: {}", fault.message)),
            )),
        };
        let mut live = Live::open(&plugin.pre, &self.inner.limits).map_err(broke)?;
        let _accepted = live.configure(&plugin.exports, "{}").map_err(broke)?;
        Ok(())
    }

    /// Binds a config: it must be JSON, match the plugin's schema, and be accepted by the plugin itself.
    ///
    /// `config` is handed to the plugin as it is; give it in its canonical form. Without a config of one's own, `{}`.
    ///
    /// A refusal, in the plugin's words where it is the plugin that refuses, is the verdict.
    ///
    /// # Errors
    /// [`Interrupted`]: no verdict.
    pub fn configure(
        &self,
        plugin: &Arc<Plugin>,
        config: &str,
    ) -> Result<Result<Stage, ConfigRefused>, Interrupted> {
        match again(|| self.try_config(plugin, config)) {
            Ok(()) => Ok(Ok(Stage::new(plugin, config))),
            Err(Untried::Wrong(message)) => Ok(Err(ConfigRefused { message: words(&message) })),
            Err(Untried::Interrupted(interrupted)) => Err(interrupted),
        }
    }

    fn try_config(&self, plugin: &Plugin, config: &str) -> Result<(), Untried<String>> {
        check_config(plugin.schema.as_deref(), config)?;
        let _permit = self.inner.permits.acquire().ok_or(Interrupted::Busy)?;
        let failed = |error: wasmtime::Error| match Failure::of(&error) {
            Failure::Deadline => Untried::from(Interrupted::Deadline),
            Failure::Fault(fault) => {
                Untried::Wrong(format!("the plugin failed on its config: {}", fault.message))
            }
        };
        let mut live = Live::open(&plugin.pre, &self.inner.limits).map_err(failed)?;
        let accepted = live.configure(&plugin.exports, config).map_err(failed)?;
        accepted.map_err(|message| Untried::Wrong(format!("the plugin refused its config: {message}")))
    }

    /// Normalizes raw records. One verdict a record, in order; a failing record fails alone.
    ///
    /// # Errors
    /// [`Interrupted`]: no verdict on any record.
    pub fn normalize(
        &self,
        stage: &Stage,
        records: &[RawRecord<'_>],
    ) -> Result<Run<Verdict<Outcome>>, Interrupted> {
        let indices =
            stage.plugin().exports.normalizer.as_ref().ok_or(Interrupted::WrongKind(Kind::Normalizer))?;
        let sizes: Vec<usize> = records.iter().map(lower::raw_bytes).collect();
        self.run(stage, &sizes, |live, range| {
            let records = &records[range];
            let pairs: Vec<_> = records.iter().map(lower::pairs).collect();
            let batch: Vec<_> =
                records.iter().zip(&pairs).map(|(record, pairs)| lower::raw(record, pairs)).collect();
            let guest = indices.load(&mut live.store, &live.instance)?;
            let returned = guest.call_normalize(&mut live.store, &batch)?;
            Ok(check::outcomes(returned, records.len()))
        })
    }

    /// Asks what of events must not be kept. One verdict an event, in order.
    ///
    /// The plugin does not see what is dropped already, nor the server's own attributes (`$…`); the indices of what it
    /// returns are those of the slices given here all the same.
    ///
    /// # Errors
    /// [`Interrupted`]: no verdict on any event.
    pub fn redact(
        &self,
        stage: &Stage,
        events: &[&[Attribute]],
    ) -> Result<Run<Verdict<Vec<Redaction>>>, Interrupted> {
        let indices =
            stage.plugin().exports.redactor.as_ref().ok_or(Interrupted::WrongKind(Kind::Redactor))?;
        let sizes: Vec<usize> = events.iter().map(|event| lower::event_bytes(event)).collect();
        self.run(stage, &sizes, |live, range| {
            let events: Vec<_> = events[range].iter().map(|event| (*event, visible(event))).collect();
            let lowered: Vec<_> = events.iter().map(|(event, seen)| lower::event(event, seen)).collect();
            let batch: Vec<_> = lowered.iter().map(Vec::as_slice).collect();
            let guest = indices.load(&mut live.store, &live.instance)?;
            let returned = guest.call_redact(&mut live.store, &batch)?;
            Ok(check::redactions(returned, &events))
        })
    }

    /// Asks for the retention class of events, as they are after redaction. One verdict an event, in order. The plugin
    /// sees the same attributes as in [`Host::redact`].
    ///
    /// # Errors
    /// [`Interrupted`]: no verdict on any event.
    pub fn decide(
        &self,
        stage: &Stage,
        events: &[&[Attribute]],
    ) -> Result<Run<Verdict<Decision>>, Interrupted> {
        let indices =
            stage.plugin().exports.retention.as_ref().ok_or(Interrupted::WrongKind(Kind::Retention))?;
        let sizes: Vec<usize> = events.iter().map(|event| lower::event_bytes(event)).collect();
        self.run(stage, &sizes, |live, range| {
            let lowered: Vec<_> =
                events[range].iter().map(|event| lower::event(event, &visible(event))).collect();
            let batch: Vec<_> = lowered.iter().map(Vec::as_slice).collect();
            let guest = indices.load(&mut live.store, &live.instance)?;
            let returned = guest.call_decide(&mut live.store, &batch)?;
            Ok(check::decisions(returned, batch.len()))
        })
    }

    /// Cuts records of these sizes into batches and settles each. `call` runs one range in a configured instance.
    fn run<T: PartialEq>(
        &self,
        stage: &Stage,
        sizes: &[usize],
        call: impl Fn(&mut Live, Range<usize>) -> wasmtime::Result<Batch<T>>,
    ) -> Result<Run<Verdict<T>>, Interrupted> {
        let mut run = Run {
            results: Vec::with_capacity(sizes.len()),
            fuel: 0,
            memory_bytes: 0,
            log: PluginLog::default(),
        };
        let Run { results, fuel, memory_bytes, log } = &mut run;
        let spent = &mut Spent { fuel, memory_bytes, log };
        for batch in batches(sizes, &self.inner.limits) {
            if let Some(fault) = stage.refuses_to_run() {
                results.extend(batch.map(|_| Err(fault.clone())));
                continue;
            }
            let attempt = |range: Range<usize>, spent: &mut Spent<'_>| {
                // An interrupted batch is tried once more by itself, with another instance and all of its time.
                match self.attempt(stage, sizes, range.clone(), &call, spent) {
                    Err(Interrupted::Deadline) => self.attempt(stage, sizes, range, &call, spent),
                    settled => settled,
                }
            };
            let mut verdicts = settle(batch.clone(), &mut |range| attempt(range, spent))?;
            stage.count(&verdicts);
            if let Some(place) = stage.sampled(verdicts.len()) {
                // What the host asks for itself is not the record's to pay.
                let (fuel, memory_bytes, log) = (&mut 0, &mut 0, &mut PluginLog::default());
                let own = &mut Spent { fuel, memory_bytes, log };
                // That it can't be looked at now says nothing about the plugin.
                if let Ok(again) = attempt(batch.start + place..batch.start + place + 1, own)
                    && stage.trips(&verdicts[place], again)
                {
                    verdicts = batch.map(|_| Err(two_answers())).collect();
                }
            }
            results.extend(verdicts);
        }
        if !stage.is_apart() {
            stage.plugin().memory_peak.fetch_max(run.memory_bytes, Ordering::Relaxed);
        }
        stage.report(&run.log);
        Ok(run)
    }

    /// One run over a range in a fresh instance.
    fn attempt<T>(
        &self,
        stage: &Stage,
        sizes: &[usize],
        range: Range<usize>,
        call: &impl Fn(&mut Live, Range<usize>) -> wasmtime::Result<Batch<T>>,
        spent: &mut Spent<'_>,
    ) -> Result<Batch<T>, Interrupted> {
        let inner = &*self.inner;
        let _permit = inner.permits.acquire().ok_or(Interrupted::Busy)?;
        let mut live = self.set_up(stage)?;
        let budget =
            sizes[range.clone()].iter().fold(0_u64, |sum, size| sum.saturating_add(inner.limits.fuel(*size)));
        live.store.set_fuel(budget).map_err(|error| Interrupted::Setup(error.to_string()))?;
        let returned = call(&mut live, range);
        let fuel = budget.saturating_sub(live.store.get_fuel().unwrap_or(0));
        *spent.fuel = spent.fuel.saturating_add(fuel);
        *spent.memory_bytes = (*spent.memory_bytes).max(live.store.data().memory_bytes);
        spent.log.append(std::mem::take(&mut live.store.data_mut().log));
        match returned.map_err(|error| Failure::of(&error)) {
            Ok(batch) => Ok(batch),
            Err(Failure::Fault(fault)) => Ok(Err(fault)),
            Err(Failure::Deadline) => Err(Interrupted::Deadline),
        }
    }

    /// A fresh, configured instance. It worked when the config was bound and depends on nothing else, so if it fails
    /// now no record is to blame.
    fn set_up(&self, stage: &Stage) -> Result<Live, Interrupted> {
        let interrupted = |error: wasmtime::Error| match Failure::of(&error) {
            Failure::Deadline => Interrupted::Deadline,
            Failure::Fault(fault) => Interrupted::Setup(fault.message),
        };
        let mut live = Live::open(&stage.plugin().pre, &self.inner.limits).map_err(interrupted)?;
        live.configure(&stage.plugin().exports, stage.config())
            .map_err(interrupted)?
            .map_err(|message| Interrupted::Setup(words(&message)))?;
        Ok(live)
    }
}

/// What the attempts of a run used.
struct Spent<'a> {
    fuel: &'a mut u64,
    memory_bytes: &'a mut usize,
    log: &'a mut PluginLog,
}

/// How a component is compiled: one that is new, or that is known.
type Compiler = fn(&Compiling, &Engine, &[u8], &[u8; 32]) -> Result<Component, Uncompiled>;

/// Why a plugin could not be tried, or what is wrong with it.
enum Untried<E = PluginFault> {
    Wrong(E),
    Interrupted(Interrupted),
}

impl From<PluginFault> for Untried {
    fn from(fault: PluginFault) -> Self {
        Self::Wrong(fault)
    }
}

impl<E> From<Interrupted> for Untried<E> {
    fn from(interrupted: Interrupted) -> Self {
        Self::Interrupted(interrupted)
    }
}

/// Tries once more what was interrupted because its time was up.
fn again<T, E>(mut attempt: impl FnMut() -> Result<T, Untried<E>>) -> Result<T, Untried<E>> {
    match attempt() {
        Err(Untried::Interrupted(Interrupted::Deadline)) => attempt(),
        settled => settled,
    }
}

/// What can be said of a config without running the plugin.
fn check_config(schema: Option<&str>, config: &str) -> Result<(), Untried<String>> {
    if config.len() > CONFIG_BYTES_MAX {
        let words = format!("the config has {} bytes, more than {CONFIG_BYTES_MAX}", config.len());
        return Err(Untried::Wrong(words));
    }
    let json = serde_json::from_str(config)
        .map_err(|error| Untried::Wrong(format!("the config is not JSON: {error}")))?;
    let Some(schema) = schema else { return Ok(()) };
    let schema = schema::compile(schema).map_err(Untried::Wrong)?;
    schema::check(&schema, &json).map_err(Untried::Wrong)
}

/// Finds the exports of `settings` and of these roles.
fn exports(pre: &InstancePre<State>, kinds: &[Kind]) -> wasmtime::Result<Exports> {
    let plays = |kind| kinds.contains(&kind);
    Ok(Exports {
        settings: settings::GuestIndices::new(pre)?,
        normalizer: plays(Kind::Normalizer).then(|| normalizer::GuestIndices::new(pre)).transpose()?,
        redactor: plays(Kind::Redactor).then(|| redactor::GuestIndices::new(pre)).transpose()?,
        retention: plays(Kind::Retention).then(|| retention::GuestIndices::new(pre)).transpose()?,
    })
}

fn words(message: &str) -> String {
    cut(message, MESSAGE_BYTES_MAX).to_owned()
}

#[cfg(test)]
mod tests;
