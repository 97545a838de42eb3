//! Numbers to choose moments by, from a seed that a failure names.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// A small generator (`SplitMix64`).
pub(crate) struct Random(u64);

impl Random {
    /// Seeded by `CAIRNLOG_FAULT_SEED`, or at random; it prints the seed, which a failed test shows.
    pub(crate) fn seeded() -> Self {
        let seed =
            number("CAIRNLOG_FAULT_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
        eprintln!("CAIRNLOG_FAULT_SEED={seed}");
        Self(seed)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// A number from the environment.
pub(crate) fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}
