//! The WebAssembly component host: limits, plugin loading, bisecting, hostile returns refused.
//!
//! # A plugin is a stranger's function over records
//!
//! Whoever writes a plugin decides what the log says, and is trusted with that alone. It can't crash, stall, starve or
//! read its neighbours, and what it says of a record depends on its bytes, its config and that record.
//!
//! - **Nothing to reach.** A component is lent one function, `log`. One that imports anything else, a clock, a file,
//!   randomness, is refused at upload with the list of what it imports and the usual cause.
//! - **Nothing to remember.** Every batch gets a fresh store and instance, which are dropped after it. For batches of a
//!   hundred records that costs next to nothing.
//! - **Bounds that don't depend on the machine.** Fuel counts instructions, a limiter sums memories and tables, a cap
//!   bounds what is returned. A batch gets the sum of its records' fuel; one that fails is bisected down to the record
//!   that fails alone, and only that is faulted. Wall time is a backstop: it interrupts, and faults nobody.
//! - **Determinism is checked.** Of some batches one record is run again alone; another answer than in the batch ends the
//!   plugin's use. A plugin that fails on everything is not run for a while.
//! - **Returns are input.** Counts, paths, types, spans and words are checked like anything that comes from outside,
//!   OCSF's invariants ([`ocsf`]) included. A redactor says what to take away; it never writes.
//!
//! # Reading order
//!
//! [`limits`], then the types of [`Host`]'s methods, then [`Host`]. [`componentize`] is the other end: how a plugin's
//! build makes a component.

pub mod componentize;
pub mod limits;
pub mod ocsf;

mod batches;
mod bindings;
mod bisect;
mod breaker;
mod check;
mod compile;
mod engine;
mod host;
mod inspect;
mod instance;
mod lower;
mod permits;
mod plugin;
mod schema;
mod stage;
mod text;
mod types;

pub use check::is_protected;
pub use compile::{Apart, Artefacts, Compiling, compile_child};
pub use host::{ConfigRefused, Host, HostError, InvalidPlugin};
pub use inspect::PluginFault;
pub use limits::HostLimits;
pub use lower::{event_bytes, raw_bytes};
pub use plugin::{Footprint, Plugin, UnusedWasi};
pub use stage::Stage;
pub use types::{
    Action, Decision, Fault, FaultKind, Interrupted, Kind, Level, LogLine, Outcome, PluginLog, RawRecord,
    Redaction, Run, Verdict,
};
