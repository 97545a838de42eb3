//! When a witness that has failed is asked again. Pure: the time comes in.

use std::time::{Duration, Instant};

use crate::limits::{BACKOFF_MAX, BACKOFF_MIN};

/// The failures of one witness in a row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backoff {
    /// The next pause, unless there was no failure.
    pause: Option<Duration>,
    until: Option<Instant>,
}

impl Backoff {
    /// Counts a failure: it is left alone for [`BACKOFF_MIN`], twice as long after each further one, and at least as
    /// long as it asks for, but never longer than [`BACKOFF_MAX`]. Whether it is the first one.
    pub(crate) fn fail(&mut self, now: Instant, asked_for: Option<Duration>) -> bool {
        let is_first = self.pause.is_none();
        let pause = self.pause.unwrap_or(BACKOFF_MIN);
        self.until = Some(now + pause.max(asked_for.unwrap_or_default()).min(BACKOFF_MAX));
        self.pause = Some(pause.saturating_mul(2).min(BACKOFF_MAX));
        is_first
    }

    /// Forgets the failures. Whether there were any.
    pub(crate) fn succeed(&mut self) -> bool {
        std::mem::take(self).pause.is_some()
    }

    /// When it may be asked again, which may be over; `None` where it has not failed.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(asked_for: Option<Duration>) -> Vec<Duration> {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        let mut pause = || {
            backoff.fail(now, asked_for);
            backoff.due().map_or(Duration::ZERO, |due| due - now)
        };
        (0..40).map(|_| pause()).collect()
    }

    #[test]
    fn pauses_double_up_to_the_bound() {
        let pauses = pauses(None);
        assert_eq!(pauses[0], BACKOFF_MIN);
        for two in pauses.windows(2) {
            assert_eq!(two[1], (two[0] * 2).min(BACKOFF_MAX));
        }
        assert_eq!(pauses[39], BACKOFF_MAX);
    }

    #[test]
    fn who_asks_for_time_gets_it_within_the_bound() {
        let wanted = BACKOFF_MIN * 3;
        assert_eq!(pauses(Some(wanted))[..3], [wanted, wanted, BACKOFF_MIN * 4]);
        assert_eq!(pauses(Some(BACKOFF_MAX * 100))[0], BACKOFF_MAX);
    }

    #[test]
    fn a_change_of_state_is_told_once() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        assert!(!backoff.succeed());
        assert!(backoff.fail(now, None) && !backoff.fail(now, None));
        assert!(backoff.succeed() && !backoff.succeed());
        assert_eq!(backoff.due(), None);
        assert!(backoff.fail(now, None));
        assert_eq!(backoff.due(), Some(now + BACKOFF_MIN), "it begins anew");
    }
}
