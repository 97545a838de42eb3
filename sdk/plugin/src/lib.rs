//! The guest SDK for Cairnlog plugins written in Rust.
//!
//! A plugin is a WebAssembly component that the log runs in a sandbox, over batches of records. There are three kinds, one
//! trait each:
//!
//! | trait | turns | into |
//! | --- | --- | --- |
//! | [`Normalizer`] | a raw record as a source sent it | OCSF events, a reason to skip it, or a reason to refuse it |
//! | [`Redactor`] | an event | the attributes that must not be kept as they are |
//! | [`Retention`] | an event | the retention class it belongs to |
//!
//! Implement one, with [`Plugin`] for the config, and name it to [`export!`]:
//!
//! ```
//! use cairnlog_plugin::{EventBuilder, Normalizer, Outcome, Plugin, Raw, ocsf, settings};
//!
//! struct Greeter;
//!
//! impl Plugin for Greeter {
//!     fn configure(config: &str) -> Result<Self, String> {
//!         settings::none(config).map(|()| Greeter)
//!     }
//! }
//!
//! impl Normalizer for Greeter {
//!     fn normalize(&self, record: &Raw) -> Outcome {
//!         let Ok(line) = std::str::from_utf8(&record.body) else {
//!             return Outcome::Reject("the record is not UTF-8".into());
//!         };
//!         let time = i64::try_from(record.received).unwrap_or(i64::MAX);
//!         let mut event = EventBuilder::new(&ocsf::API_ACTIVITY, ocsf::Activity::Known(2), time);
//!         event.text("metadata.product.name", "Greeter");
//!         event.text("api.operation", line);
//!         event.text("actor.user.name", "alice");
//!         event.text("src_endpoint.name", "front-door");
//!         event.into_outcome()
//!     }
//! }
//!
//! cairnlog_plugin::export!(normalizer: Greeter);
//! # fn main() {}
//! ```
//!
//! # What a plugin has, and what it has not
//!
//! The host lends nothing but [`log`]: no clock, no randomness, no network, no files. What a plugin returns for a record may
//! depend on its config and that record alone; every batch gets a fresh instance, so nothing lasts from one to the next.
//!
//! - `std::time::SystemTime::now()` and `Instant::now()` **trap** on this target. The only clock is [`Raw`]'s `received`;
//!   [`time`] reads timestamps without one.
//! - `println!` writes nowhere; use [`log`].
//! - Memory that is freed does not come back: an instance lives for one batch, so the SDK's allocator only hands out, which made
//!   the built-in redactor twice as fast. A plugin that must reuse memory within a batch turns the feature `allocator` off.
//! - A panic is a trap. The SDK logs its message first; the record that caused it is then quarantined. Rather return
//!   [`Outcome::Reject`] with a reason. A reason becomes part of the quarantined record and of answers to its submitter: it
//!   says what is wrong, never what the record holds.
//!
//! # Testing
//!
//! Traits are plain Rust, so `cargo test` runs a plugin natively; `testing` checks what it returns as the host would, renders
//! it as JSON and compares it with golden files.

#[cfg(all(target_arch = "wasm32", feature = "allocator"))]
mod alloc;
#[doc(hidden)]
pub mod bindings;
mod builder;
pub mod export;
mod flatten;
pub mod json;
pub mod limits;
mod log;
pub mod net;
pub mod ocsf;
pub mod path;
pub mod pattern;
mod plugin;
pub mod settings;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod time;

pub use bindings::{Action, Attribute, Decision, Outcome, Raw, Redaction, Value};
pub use builder::EventBuilder;
pub use log::{Level, log};
pub use plugin::{NO_CLASS, Normalizer, Plugin, Redactor, Retention, no_class};
