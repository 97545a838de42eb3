//! The wasmtime engine as plugins get it, and the thread that moves its epoch.
//!
//! What may differ between two machines is off: relaxed SIMD, and the bits of a NaN are canonical. 64-bit memories are
//! off too. Multi-memory and tail calls stay on: wasmtime's adapters between instances need the one, interpreters
//! compiled to WebAssembly the other.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OperatorCost, PoolingAllocationConfig,
    VariableOperatorCost,
};

use crate::limits::{
    CORE_INSTANCES_MAX, HostLimits, INSTANCE_BYTES_MAX, MEMORIES_MAX, MEMORY_KEPT_BYTES, STACK_BYTES_MAX,
    TABLE_ELEMENTS_MAX, TABLES_MAX,
};

/// An engine for plugins under these limits.
///
/// # Errors
/// wasmtime's, if the address space that the pool reserves can't be had.
pub(crate) fn engine(limits: &HostLimits) -> wasmtime::Result<Engine> {
    Engine::new(settings().allocation_strategy(InstanceAllocationStrategy::Pooling(pool(limits))))
}

/// An engine whose machine code the other one takes, and which reserves nothing: it only compiles.
///
/// # Errors
/// wasmtime's; it has no reason to.
pub(crate) fn engine_to_compile() -> wasmtime::Result<Engine> {
    Engine::new(&settings())
}

fn settings() -> Config {
    let mut config = Config::new();
    config
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .wasm_multi_memory(true)
        .wasm_tail_call(true)
        .cranelift_nan_canonicalization(true)
        .consume_fuel(true)
        .operator_cost(cost_table())
        .epoch_interruption(true)
        .max_wasm_stack(STACK_BYTES_MAX)
        .wasm_backtrace_max_frames(None)
        .concurrency_support(false);
    config
}

/// [`crate::limits::FUEL_TABLE`], pinned: a wasmtime with other defaults must not change verdicts silently.
fn cost_table() -> OperatorCost {
    OperatorCost {
        variable: VariableOperatorCost {
            memory_copy_per_byte: 1,
            memory_fill_per_byte: 1,
            memory_init_per_byte: 1,
            memory_grow_per_page: 0,
            table_copy_per_element: 1,
            table_fill_per_element: 1,
            table_init_per_element: 1,
            table_grow_per_element: 1,
            ..VariableOperatorCost::new()
        },
        ..OperatorCost::new()
    }
}

fn pool(limits: &HostLimits) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(limits.instances)
        .total_core_instances(limits.instances.saturating_mul(CORE_INSTANCES_MAX))
        .total_memories(limits.instances.saturating_mul(MEMORIES_MAX))
        .total_tables(limits.instances.saturating_mul(TABLES_MAX))
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_memories_per_module(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_tables_per_module(TABLES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_memory_size(limits.memory_bytes_max)
        .linear_memory_keep_resident(MEMORY_KEPT_BYTES.min(limits.memory_bytes_max))
        // Only what a batch wrote is wiped, where the kernel can tell (Linux 6.7); else all of the first bytes.
        .pagemap_scan(Enabled::Auto)
        .table_keep_resident(TABLE_ELEMENTS_MAX * size_of::<usize>())
        .max_component_instance_size(INSTANCE_BYTES_MAX)
        .max_core_instance_size(INSTANCE_BYTES_MAX);
    pool
}

/// A thread that moves an engine's epoch on until it is dropped; dropping joins it.
pub(crate) struct Ticker {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// # Errors
    /// The system's, if it gives no thread.
    pub(crate) fn start(engine: Engine, epoch: Duration) -> std::io::Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("plugin-epochs".into())
            .spawn(move || tick(&engine, epoch, &stopped))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

fn tick(engine: &Engine, epoch: Duration, (stop, changed): &(Mutex<bool>, Condvar)) {
    let mut stopped = stop.lock().unwrap_or_else(PoisonError::into_inner);
    while !*stopped {
        let (guard, timeout) = changed.wait_timeout(stopped, epoch).unwrap_or_else(PoisonError::into_inner);
        stopped = guard;
        if timeout.timed_out() {
            engine.increment_epoch();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        *self.stop.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.1.notify_all();
        if let Some(thread) = self.thread.take() {
            // It ends by itself and can't panic.
            drop(thread.join());
        }
    }
}
