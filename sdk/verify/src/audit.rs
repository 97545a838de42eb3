//! A whole tree, recomputed from its entries and tiles.
//!
//! [`Recompute`] says what it needs next, takes it, and in the end knows whether every entry, every tile and the signed
//! root agree, and if not, what was altered first. Where entries and tiles come from, a network or a store, is its
//! caller's matter.

mod fault;
mod recompute;

pub use fault::{Difference, Fault};
pub use recompute::{Need, Recompute};
