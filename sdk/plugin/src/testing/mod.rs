//! The native test harness: runs a plugin's traits without WebAssembly, checks what comes back as the host would, and shows
//! it as JSON.

mod check;
mod golden;
mod mutate;
#[cfg(feature = "schemas")]
mod schemas;

pub use check::{event_json, invariants, lost};
pub use golden::golden;
pub use mutate::mutations;
#[cfg(feature = "schemas")]
pub use schemas::Schemas;

use serde_json::{Value as Json, json};

use crate::{Normalizer, Outcome, Raw};

/// When the harness's raw records were received: 2026-11-23T09:00:00Z.
pub const RECEIVED_MS: u64 = 1_795_424_400_000;

/// A raw record as the host would hand it over: from the source `test`, without attributes.
#[must_use]
pub fn raw(body: &[u8]) -> Raw {
    Raw {
        source: "test".to_owned(),
        received: RECEIVED_MS,
        content_type: "application/octet-stream".to_owned(),
        body: body.to_vec(),
        attributes: Vec::new(),
    }
}

/// Normalizes raw records; each outcome is `{"events": […]}`, `{"skip": reason}` or `{"reject": reason}`, the events nested.
///
/// # Panics
/// If an event breaks a rule of the host or one of OCSF's [`invariants`].
pub fn normalize<P: Normalizer>(plugin: &P, bodies: &[&[u8]]) -> Vec<Json> {
    bodies.iter().map(|body| outcome_json(plugin.normalize(&raw(body)))).collect()
}

fn outcome_json(outcome: Outcome) -> Json {
    match outcome {
        Outcome::Skip(reason) => json!({ "skip": reason }),
        Outcome::Reject(reason) => json!({ "reject": reason }),
        Outcome::Events(events) => {
            assert!(!events.is_empty(), "an outcome holds at least one event");
            json!({ "events": events.iter().map(|event| checked(event)).collect::<Vec<_>>() })
        }
    }
}

fn checked(event: &[crate::Attribute]) -> Json {
    let event = event_json(event).unwrap_or_else(|fault| panic!("the host would refuse this event: {fault}"));
    let broken = invariants(&event);
    assert!(broken.is_empty(), "{broken:?} in {event:#}");
    event
}
