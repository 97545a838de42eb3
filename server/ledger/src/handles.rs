//! Time and randomness, which nothing in this crate reads but through these handles.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The server's own clock, from which retention counts.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since the Unix epoch, never fewer than an earlier answer.
    fn now_ms(&self) -> u64;
}

/// A source of bytes that nobody can predict.
pub trait Random: Send + Sync + 'static {
    /// Fills `out`.
    fn fill(&self, out: &mut [u8]);
}

/// The machine's clock; where that steps back, time stands still until it has caught up.
#[derive(Debug, Default)]
pub struct SystemClock {
    latest_ms: AtomicU64,
}

/// The operating system's random source.
#[derive(Debug, Default, Clone, Copy)]
pub struct OsRandom;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the handle that stands before the machine's clock")]
    fn now_ms(&self) -> u64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        self.latest_ms.fetch_max(now_ms, Ordering::Relaxed).max(now_ms)
    }
}

impl Random for OsRandom {
    /// # Panics
    /// If the operating system has no randomness: no key could be made then.
    fn fill(&self, out: &mut [u8]) {
        getrandom::fill(out).expect("the operating system gives random bytes");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_steps_back() {
        let clock = SystemClock { latest_ms: AtomicU64::new(u64::MAX - 1) };
        assert_eq!(clock.now_ms(), u64::MAX - 1);
        let clock = SystemClock::default();
        let first = clock.now_ms();
        assert!(first > 1_700_000_000_000 && clock.now_ms() >= first);
    }
}
