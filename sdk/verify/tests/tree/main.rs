//! The tree half of the crate against published vectors, independent implementations and damaged input.
#![allow(clippy::unwrap_used)]

mod checkpoints;
mod cose;
mod cosignatures;
mod notes;
mod oracle;
mod paths;
mod policies;
mod probes;
mod proofs;
mod receipts;
mod rfc6962;
mod vectors;
mod witnesses;
