//! A whole tree, downloaded and recomputed.
//!
//! [`Recompute`] is the arithmetic: it says what it needs next, takes it, and in the end knows whether every entry, every
//! tile and the signed root agree, and if not, what was altered first. [`Verifier::audit`](crate::Verifier::audit) feeds
//! it from a log.

pub(crate) mod run;

pub use cairnlog_verify::audit::{Difference, Fault, Need, Recompute};
pub use run::{Audit, Progress, Verdict};
