//! A breaker for one stage of one source: a plugin that fails on everything is not run again for a while.
//!
//! It opens after many faults in a row with no result between them. What comes while it is open is faulted without being run,
//! and so treated by the source's policy like any other fault. Then the next batch is tried: one result closes the breaker,
//! one more fault opens it again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::limits::{BREAKER_FAULTS, BREAKER_PAUSE};

#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Faults since the last result.
    faults: u32,
    open_until: Option<Instant>,
}

impl Breaker {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_open(&self, now: Instant) -> bool {
        self.state().open_until.is_some_and(|until| now < until)
    }

    /// Counts what became of a batch; true if it opens now.
    pub(crate) fn count(&self, results: usize, faults: usize, now: Instant) -> bool {
        let mut state = self.state();
        if results > 0 {
            *state = State::default();
            return false;
        }
        state.faults = state.faults.saturating_add(u32::try_from(faults).unwrap_or(u32::MAX));
        let opens = faults > 0 && state.faults >= BREAKER_FAULTS;
        if opens {
            state.open_until = Some(now + BREAKER_PAUSE);
        }
        opens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_faults_in_a_row_and_tries_again_later() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        let most = BREAKER_FAULTS as usize;
        assert!(!breaker.count(0, most - 1, start));
        assert!(!breaker.count(1, 5, start), "one result closes it");
        assert!(!breaker.count(0, most - 1, start));
        assert!(!breaker.is_open(start));
        assert!(breaker.count(0, 1, start));
        assert!(breaker.is_open(start) && breaker.is_open(start + BREAKER_PAUSE / 2));
        let later = start + BREAKER_PAUSE;
        assert!(!breaker.is_open(later), "the next batch is tried");
        assert!(breaker.count(0, 1, later), "and one more fault opens it again");
        assert!(breaker.is_open(later));
        assert!(!breaker.count(1, 0, later + BREAKER_PAUSE));
        assert!(!breaker.is_open(later + BREAKER_PAUSE));
        assert!(!breaker.count(0, most - 1, later + BREAKER_PAUSE), "it counts anew");
    }
}
