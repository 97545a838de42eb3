//! As many permits as instances, given out in the order of asking.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A blocking, first come, first served semaphore with a bounded queue.
pub(crate) struct Permits {
    state: Mutex<State>,
    changed: Condvar,
    waiting_max: u64,
}

struct State {
    free: u32,
    /// The number that the next asker draws, and the number whose turn it is.
    next: u64,
    turn: u64,
}

/// Gives itself back when dropped.
pub(crate) struct Permit<'a>(&'a Permits);

impl Permits {
    pub(crate) fn new(permits: u32, waiting_max: u64) -> Self {
        Self {
            state: Mutex::new(State { free: permits, next: 0, turn: 0 }),
            changed: Condvar::new(),
            waiting_max,
        }
    }

    /// Waits for a permit; none if `waiting_max` others wait already.
    pub(crate) fn acquire(&self) -> Option<Permit<'_>> {
        let mut state = self.lock();
        if state.next - state.turn >= self.waiting_max && state.free == 0 {
            return None;
        }
        let ticket = state.next;
        state.next += 1;
        while state.turn != ticket || state.free == 0 {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.turn += 1;
        state.free -= 1;
        drop(state);
        self.changed.notify_all();
        Some(Permit(self))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.lock().free += 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::Permits;

    #[test]
    fn never_more_holders_than_permits() {
        let permits = Permits::new(2, 100);
        let (holders, most) = (AtomicU32::new(0), AtomicU32::new(0));
        let start = Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..100 {
                        let permit = permits.acquire().expect("the queue has room");
                        most.fetch_max(holders.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        holders.fetch_sub(1, Ordering::SeqCst);
                        drop(permit);
                    }
                });
            }
        });
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
        assert_eq!(permits.lock().free, 2);
    }

    #[test]
    fn a_full_queue_turns_away() {
        let permits = Permits::new(1, 0);
        let held = permits.acquire().expect("free");
        assert!(permits.acquire().is_none());
        drop(held);
        assert!(permits.acquire().is_some());
    }
}
