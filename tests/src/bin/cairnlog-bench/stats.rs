//! The few statistics that the tables need.

use std::time::Duration;

/// Medians and tails of durations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

impl Spread {
    /// Of at least one duration; nearest rank.
    pub(crate) fn of(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        let at = |percent: usize| durations[(durations.len() * percent).div_ceil(100).max(1) - 1];
        Self { p50: at(50), p99: at(99) }
    }
}

/// The middle one of an odd number of items, by a measure.
pub(crate) fn median_by<T: Clone>(items: &[T], measure: impl Fn(&T) -> f64) -> T {
    let mut sorted = items.to_vec();
    sorted.sort_by(|left, right| measure(left).total_cmp(&measure(right)));
    sorted[sorted.len() / 2].clone()
}

/// A count as a float. Counts here are far below 2^53.
#[allow(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}
