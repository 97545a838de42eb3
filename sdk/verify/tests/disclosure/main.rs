//! Disclosures: what is taken, and what is refused for what.
#![allow(clippy::unwrap_used)]

mod forms;
mod hostile;
mod proofs;
mod raw;
mod world;

#[allow(dead_code, reason = "the tests of trees use all of it")]
#[path = "../tree/oracle.rs"]
mod oracle;
#[path = "../tree/rfc6962.rs"]
mod rfc6962;
