//! When events were, as far as it was seen lately.
//!
//! The order of a search is by event time, which stands in the sealed payload alone; the index knows the hour. So the
//! times of records that were opened are remembered, in memory, and go as soon as there are too many.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::limits::TIMES_REMEMBERED_MAX;

/// Event times by log and index, in milliseconds since the Unix epoch.
#[derive(Default)]
pub(crate) struct Times {
    known: Mutex<HashMap<(u32, u64), i64>>,
}

impl Times {
    /// The times of these records of a log, in their order, where they are known.
    pub(crate) fn get(&self, log: u32, indices: &[u64]) -> Vec<Option<i64>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        indices.iter().map(|index| known.get(&(log, *index)).copied()).collect()
    }

    /// Remembers times.
    pub(crate) fn remember(&self, log: u32, times: impl IntoIterator<Item = (u64, i64)>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for (index, time_ms) in times {
            if known.len() >= TIMES_REMEMBERED_MAX {
                known.clear();
            }
            known.insert((log, index), time_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_of_their_log_and_never_too_many() {
        let times = Times::default();
        times.remember(1, [(7, -5)]);
        assert_eq!(times.get(1, &[7, 8]), [Some(-5), None]);
        assert_eq!(times.get(2, &[7]), [None]);
        times.remember(2, (0..TIMES_REMEMBERED_MAX as u64).map(|index| (index, 0)));
        assert_eq!(times.get(1, &[7]), [None]);
        assert!(times.known.lock().is_ok_and(|known| known.len() <= TIMES_REMEMBERED_MAX));
    }
}
