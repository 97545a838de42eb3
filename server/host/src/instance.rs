//! One fresh instance of a plugin: its store, what it may use, what it is lent, and why a call into it failed.

use wasmtime::component::{Instance, InstancePre, Linker, WasmStr};
use wasmtime::{Engine, ResourceLimiter, Store, StoreContextMut, Trap};

use crate::bindings::cairnlog::plugin::host::Level as WitLevel;
use crate::bindings::exports::cairnlog::plugin::{normalizer, redactor, retention, settings};
use crate::limits::{HostLimits, LOG_FUEL, MESSAGE_BYTES_MAX, SETUP_FUEL, TABLE_ELEMENTS_MAX};
use crate::text::cut;
use crate::types::{Fault, FaultKind, Level, PluginLog};

/// The name under which plugins import what the host lends.
pub(crate) const HOST_INTERFACE: &str = "cairnlog:plugin/host@1.0.0";

/// What the runtime says where a plugin calls an import that is there for show; it has no type for it.
const STUBBED: &str = "unknown import: `";

/// What a store knows of its plugin. It counts memories and tables together: the runtime's own limits are for each.
pub(crate) struct State {
    pub(crate) memory_bytes: usize,
    memory_bytes_max: usize,
    table_elements: usize,
    pub(crate) log: PluginLog,
}

/// Growth beyond what a plugin may have. A trap, so that its author reads this and not an allocator's abort.
#[derive(Debug, thiserror::Error)]
enum Growth {
    #[error("the plugin wants {wanted} bytes of memory, more than the {max} that it may have")]
    Memory { wanted: usize, max: usize },
    #[error("the plugin wants {wanted} table elements, more than the {TABLE_ELEMENTS_MAX} that it may have")]
    Table { wanted: usize },
    #[error("the plugin's memory or table can't grow: {0}")]
    Failed(String),
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        if wanted > self.memory_bytes_max {
            return Err(Growth::Memory { wanted, max: self.memory_bytes_max }.into());
        }
        self.memory_bytes = wanted;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.table_elements.saturating_add(desired.saturating_sub(current));
        if wanted > TABLE_ELEMENTS_MAX {
            return Err(Growth::Table { wanted }.into());
        }
        self.table_elements = wanted;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(Growth::Failed(error.to_string()).into())
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(Growth::Failed(error.to_string()).into())
    }
}

/// What plugins are linked against: `host`, and nothing else.
///
/// # Errors
/// wasmtime's; it has no reason to.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    linker.instance(HOST_INTERFACE)?.func_wrap("log", log)?;
    Ok(linker)
}

/// `log` by hand instead of through the generated trait: so its text is not copied before it is cut, and is paid for.
fn log(mut store: StoreContextMut<'_, State>, (level, message): (WitLevel, WasmStr)) -> wasmtime::Result<()> {
    let (bytes, message) = {
        let whole = message.to_str(&store)?;
        (whole.len(), cut(&whole, MESSAGE_BYTES_MAX).to_owned())
    };
    let price = LOG_FUEL.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    let Some(rest) = store.get_fuel()?.checked_sub(price) else {
        store.set_fuel(0)?;
        return Err(Trap::OutOfFuel.into());
    };
    store.set_fuel(rest)?;
    let level = match level {
        WitLevel::Debug => Level::Debug,
        WitLevel::Info => Level::Info,
        WitLevel::Warn => Level::Warn,
        WitLevel::Error => Level::Error,
    };
    store.data_mut().log.push(level, &message);
    Ok(())
}

/// Where a component's exports are, by role. At least one role and `settings`.
pub(crate) struct Exports {
    pub(crate) settings: settings::GuestIndices,
    pub(crate) normalizer: Option<normalizer::GuestIndices>,
    pub(crate) redactor: Option<redactor::GuestIndices>,
    pub(crate) retention: Option<retention::GuestIndices>,
}

/// Why a call into a plugin failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The plugin's doing.
    Fault(Fault),
    /// Its time was up: the machine's doing, or so we take it.
    Deadline,
}

impl Failure {
    pub(crate) fn of(error: &wasmtime::Error) -> Self {
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => return Self::Deadline,
            Some(Trap::OutOfFuel) => {
                return Self::Fault(Fault::new(FaultKind::OutOfFuel, "all fuel of the record was spent"));
            }
            Some(trap) => return Self::Fault(Fault::new(FaultKind::Trap, trap.to_string())),
            None => {}
        }
        let message = format!("{error:#}");
        if message.contains(STUBBED) {
            return Self::Fault(Fault::new(FaultKind::Trap, message));
        }
        Self::Fault(match error.downcast_ref::<Growth>() {
            Some(growth) => Fault::new(FaultKind::Memory, growth.to_string()),
            None => Fault::bad_return(message),
        })
    }
}

/// A fresh instance, dropped after one batch: nothing that a plugin remembers outlives it.
pub(crate) struct Live {
    pub(crate) store: Store<State>,
    pub(crate) instance: Instance,
}

impl Live {
    /// Instantiates under [`SETUP_FUEL`], which is what is left of it when this returns.
    pub(crate) fn open(pre: &InstancePre<State>, limits: &HostLimits) -> wasmtime::Result<Self> {
        let state = State {
            memory_bytes: 0,
            memory_bytes_max: limits.memory_bytes_max,
            table_elements: 0,
            log: PluginLog::default(),
        };
        let mut store = Store::new(pre.engine(), state);
        store.limiter(|state| state);
        store.set_fuel(SETUP_FUEL)?;
        store.set_epoch_deadline(limits.epochs_max);
        store.set_hostcall_fuel(limits.return_bytes_max);
        let instance = pre.instantiate(&mut store)?;
        Ok(Self { store, instance })
    }

    /// Calls `settings.configure`; the inner error is the plugin's own words.
    pub(crate) fn configure(
        &mut self,
        exports: &Exports,
        config: &str,
    ) -> wasmtime::Result<std::result::Result<(), String>> {
        let settings = exports.settings.load(&mut self.store, &self.instance)?;
        settings.call_configure(&mut self.store, config)
    }

    /// Calls `settings.schema`.
    pub(crate) fn schema(&mut self, exports: &Exports) -> wasmtime::Result<Option<String>> {
        let settings = exports.settings.load(&mut self.store, &self.instance)?;
        settings.call_schema(&mut self.store)
    }

    /// Checks the types of every role that the component exports, which only an instance shows.
    pub(crate) fn check_types(&mut self, exports: &Exports) -> wasmtime::Result<()> {
        exports.settings.load(&mut self.store, &self.instance)?;
        if let Some(indices) = &exports.normalizer {
            indices.load(&mut self.store, &self.instance)?;
        }
        if let Some(indices) = &exports.redactor {
            indices.load(&mut self.store, &self.instance)?;
        }
        if let Some(indices) = &exports.retention {
            indices.load(&mut self.store, &self.instance)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_are_summed() {
        let mut state =
            State { memory_bytes: 0, memory_bytes_max: 300, table_elements: 0, log: PluginLog::default() };
        assert!(state.memory_growing(0, 100, None).is_ok());
        assert!(state.memory_growing(0, 100, None).is_ok());
        assert!(state.memory_growing(100, 200, None).is_ok());
        let refused = state.memory_growing(100, 101, None).expect_err("300 are used");
        assert!(matches!(Failure::of(&refused), Failure::Fault(fault) if fault.kind == FaultKind::Memory));
        assert!(state.table_growing(0, TABLE_ELEMENTS_MAX, None).is_ok());
        assert!(state.table_growing(0, 1, None).is_err());
    }
}
