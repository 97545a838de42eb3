//! How long a start waits for witnesses, so that those who are away don't hold it up log by log.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::limits::{START_PROMPT, START_WAIT_MAX};

/// What is left of the time that a start may lose to witnesses, for all logs that share it together.
///
/// Logs are opened one after another, and each asks all witnesses at once. An answer within [`START_PROMPT`] costs
/// nothing. What is waited beyond that comes out of [`START_WAIT_MAX`], and whoever has not answered in time is not
/// asked again by the logs that follow.
#[derive(Debug)]
pub struct Patience {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    left: Duration,
    silent: BTreeSet<String>,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { state: Mutex::new(State { left: START_WAIT_MAX, silent: BTreeSet::new() }) }
    }
}

impl Patience {
    /// How long one log may wait for all its witnesses.
    pub(crate) fn wait(&self) -> Duration {
        self.lock().left + START_PROMPT
    }

    /// Whether this witness is still asked.
    pub(crate) fn asks(&self, witness: &str) -> bool {
        !self.lock().silent.contains(witness)
    }

    /// A log has waited so long.
    pub(crate) fn spend(&self, waited: Duration) {
        let mut state = self.lock();
        state.left = state.left.saturating_sub(waited.saturating_sub(START_PROMPT));
    }

    /// This witness has not answered in time.
    pub(crate) fn give_up(&self, witness: &str) {
        self.lock().silent.insert(witness.to_owned());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompt_answers_cost_nothing_and_all_logs_share_what_slow_ones_cost() {
        let patience = Patience::default();
        for _ in 0..1_000 {
            patience.spend(START_PROMPT);
        }
        assert_eq!(patience.wait(), START_WAIT_MAX + START_PROMPT);
        patience.spend(START_PROMPT + START_WAIT_MAX / 2);
        assert_eq!(patience.wait(), START_WAIT_MAX / 2 + START_PROMPT);
        patience.spend(START_WAIT_MAX * 2);
        assert_eq!(patience.wait(), START_PROMPT);
    }

    #[test]
    fn who_did_not_answer_is_not_asked_again() {
        let patience = Patience::default();
        patience.give_up("w1");
        assert!(!patience.asks("w1") && patience.asks("w2"));
    }
}
