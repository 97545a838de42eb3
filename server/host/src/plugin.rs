//! A plugin as the host holds it, and what it takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use wasmtime::component::{Component, InstancePre};

use crate::instance::{Exports, State};
use crate::types::Kind;

/// A compiled plugin that could be instantiated.
pub struct Plugin {
    /// SHA-256 of the component's bytes: its identity.
    pub digest: [u8; 32],
    /// Its name, `[a-z0-9-]{1,64}`.
    pub name: String,
    /// Its version, 1 to 64 visible ASCII characters.
    pub version: String,
    /// What it does; may be empty.
    pub summary: String,
    /// Its licence, meant to be an SPDX expression; may be empty.
    pub license: String,
    /// Where its source is; may be empty.
    pub source: String,
    /// The roles that it plays, at least one.
    pub kinds: Vec<Kind>,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// JSON Schema of its config, if it has one.
    pub schema: Option<String>,
    /// What an instance of it takes.
    pub footprint: Footprint,
    pub(crate) pre: InstancePre<State>,
    pub(crate) exports: Exports,
    /// Batches so far.
    pub(crate) batches: Arc<AtomicU64>,
    /// Whether it has given two answers to one record.
    pub(crate) is_tripped: Arc<AtomicBool>,
    /// The most memory that an instance had.
    pub(crate) memory_peak: AtomicUsize,
}

impl Plugin {
    /// The most memory that an instance of it had while it ran over records, trials apart, in bytes.
    pub fn memory_peak(&self) -> usize {
        self.memory_peak.load(Ordering::Relaxed)
    }
}

/// What an instance of a plugin takes, before it has run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Core WebAssembly instances, at most [`CORE_INSTANCES_MAX`](crate::limits::CORE_INSTANCES_MAX).
    pub core_instances: u32,
    /// Memories, at most [`MEMORIES_MAX`](crate::limits::MEMORIES_MAX).
    pub memories: u32,
    /// Bytes of the largest of them at the start.
    pub memory_bytes: u64,
    /// Tables, at most [`TABLES_MAX`](crate::limits::TABLES_MAX).
    pub tables: u32,
}

/// What becomes of a component whose toolchain links WASI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnusedWasi {
    /// It is refused, with the list of what it imports.
    #[default]
    Refuse,
    /// Each of those imports traps when it is called.
    Stub,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Plugin({}@{})", self.name, self.version)
    }
}

impl Footprint {
    /// What a component declares.
    pub(crate) fn of(component: &Component, core_instances: u32) -> Self {
        // It is known of every component that does not import modules, and none may.
        let Some(required) = component.resources_required() else { return Self::default() };
        Self {
            core_instances,
            memories: required.num_memories,
            memory_bytes: required.max_initial_memory_size.unwrap_or(0).saturating_mul(64 << 10),
            tables: required.num_tables,
        }
    }
}
