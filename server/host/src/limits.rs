//! Every bound of the plugin host, and why it has that value.
//!
//! What an operator may turn stands in [`HostLimits`]. Turning fuel, memory or the size of returns moves the point at
//! which a record is found at fault, never what a record becomes; everything else is fixed, so that a verdict does not
//! depend on who runs the plugin.

use std::time::Duration;

/// Most bytes of an uploaded component. `CPython` needs 18 MB, `SpiderMonkey` 12.
pub const COMPONENT_BYTES_MAX: usize = 32 << 20;

/// Deepest nesting of components and modules in a component. Toolchains nest two or three; the runtime's compiler takes time that
/// grows with the square of it, and in the end its stack.
pub const NESTING_MAX: usize = 32;

/// Most things wrong with one upload that are listed; a WASI command imports about thirty interfaces.
pub const FAULTS_MAX: usize = 64;

/// Most bytes of a component's summary, licence and source as shown; longer ones are cut.
pub const METADATA_BYTES_MAX: usize = 1024;

/// Most bytes of a plugin's version.
pub const VERSION_BYTES_MAX: usize = 64;

/// Most bytes of a config, and of the JSON Schema that it must match.
pub const CONFIG_BYTES_MAX: usize = 256 << 10;

/// Most places that a schema may have once its references are followed, so that checking a config stays cheap.
pub const SCHEMA_NODES_MAX: usize = 20_000;

/// Deepest nesting of a schema once its references are followed. A circle of references ends here too.
pub const SCHEMA_DEPTH_MAX: usize = 64;

/// Most bytes of a compiled regular expression in a schema's `pattern`.
pub const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Most bytes of anything a plugin says to people: a reason, a refusal, a log message. Longer ones are cut.
pub const MESSAGE_BYTES_MAX: usize = 1024;

/// Log messages kept of a run; the oldest go first.
pub const LOG_LINES_MAX: usize = 64;

/// Most events of one raw record. A `CloudTrail` file of 1 MiB holds about a thousand.
pub const EVENTS_PER_RECORD_MAX: usize = 10_000;

/// Most redactions of one event: every attribute whole, and as many spans again.
pub const REDACTIONS_PER_EVENT_MAX: usize = 8192;

/// Most bytes of a rule's name, as an auditor reads it.
pub const RULE_BYTES_MAX: usize = 128;

/// Most bytes of an entity's name: `[A-Z][A-Z0-9_]{0,31}`.
pub const ENTITY_BYTES_MAX: usize = 32;

/// Most bytes of the subject of a retention decision, an identifier of a person.
pub const SUBJECT_BYTES_MAX: usize = 1024;

/// Most characters that a mask may keep of a value's end.
pub const MASK_KEEP_MAX: u8 = 4;

/// Core instances, memories and tables of one component: `CPython` needs 38 instances, `QuickJS` three memories.
pub const CORE_INSTANCES_MAX: u32 = 64;
/// See [`CORE_INSTANCES_MAX`].
pub const MEMORIES_MAX: u32 = 4;
/// See [`CORE_INSTANCES_MAX`].
pub const TABLES_MAX: u32 = 16;

/// Most elements of all tables of a component together.
pub const TABLE_ELEMENTS_MAX: usize = 20_000;

/// Most bytes of the runtime's own description of an instance.
pub const INSTANCE_BYTES_MAX: usize = 8 << 20;

/// Bytes of a memory that stay with its slot when an instance ends, wiped instead of given back: what a usual batch touches.
/// The next instance then takes no page faults for them.
pub const MEMORY_KEPT_BYTES: usize = 4 << 20;

/// Stack of a running plugin, in bytes. Recursion deeper than that is a trap. Rust threads have 2 MiB.
pub const STACK_BYTES_MAX: usize = 512 << 10;

/// Fuel for a log message besides one unit a byte: what the host does for it costs more than the call.
pub const LOG_FUEL: u64 = 1000;

/// Fuel for instantiating and configuring a plugin, outside any record's budget. `CPython` takes 5 ms, about ten
/// million; a config with many rules needs some of it too.
pub const SETUP_FUEL: u64 = 200_000_000;

/// Names the table that says what an instruction costs: figures of fuel compare only under one table. It is
/// wasmtime 48's default: one unit an instruction, none for blocks, and one a byte or element of a bulk operation.
pub const FUEL_TABLE: &str = "wasmtime-48/1";

/// Runs that may wait for an instance at a time; a further one is turned away.
pub const WAITING_MAX: u64 = 1024;

/// What an operator may turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostLimits {
    /// Instances that live at a time over all plugins; a run waits for a free one.
    pub instances: u32,
    /// Bytes of all memories of one instance together.
    pub memory_bytes_max: usize,
    /// Fuel of a record, besides that for its bytes. A unit is about an instruction, a billion about a second.
    pub fuel_base: u64,
    /// Fuel for each byte of a record.
    pub fuel_per_byte: u64,
    /// Most records that one instance is given.
    pub batch_records_max: usize,
    /// Bytes of records after which a batch is closed; a single larger record goes alone.
    pub batch_bytes_max: usize,
    /// Most bytes, as the host holds them, that a plugin may return for a batch.
    pub return_bytes_max: usize,
    /// Length of an epoch, in milliseconds.
    pub epoch_ms: u64,
    /// Epochs after which a batch is interrupted. Far beyond what its fuel lets it run: a backstop.
    pub epochs_max: u64,
}

impl Default for HostLimits {
    fn default() -> Self {
        Self {
            instances: 8,
            memory_bytes_max: 128 << 20,
            fuel_base: 2_000_000,
            fuel_per_byte: 2_000,
            batch_records_max: 256,
            batch_bytes_max: 4 << 20,
            return_bytes_max: 128 << 20,
            epoch_ms: 100,
            epochs_max: 300,
        }
    }
}

impl HostLimits {
    /// Fuel of a record of so many bytes.
    #[must_use]
    pub fn fuel(&self, bytes: usize) -> u64 {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.fuel_base.saturating_add(self.fuel_per_byte.saturating_mul(bytes))
    }
}

/// Faults in a row, without a result between them, after which a stage's plugin is not run for [`BREAKER_PAUSE`].
pub const BREAKER_FAULTS: u32 = 100;

/// How long a plugin that fails on everything is not run.
pub const BREAKER_PAUSE: Duration = Duration::from_secs(30);

/// Of so many batches of a plugin, the first has one record run again by itself, to see whether its answer depends on that
/// record alone.
pub const BATCHES_PER_SAMPLE: u64 = 32;

/// What a child that compiles may take. A server has the [default](Self::default).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Bytes of address space. `CPython`, 18 MB, takes 1 GB.
    pub bytes_max: u64,
    /// Seconds of processor time, over all its threads. `CPython` takes 12 on two slow cores.
    pub secs_max: u64,
    /// How long it is waited for: no longer than for a request.
    pub wait_max: Duration,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self { bytes_max: 4 << 30, secs_max: 120, wait_max: Duration::from_secs(100) }
    }
}

/// Bytes of the machine code of a component. `CPython`'s has 60 MB.
pub const ARTEFACT_BYTES_MAX: u64 = 512 << 20;
