//! What is being written and has no `seen` row yet.
//!
//! Two requests with the same Idempotency-Key, or the same event, may run at once. Each reserves the
//! fingerprints of what it is about to write; the second waits until the first has ended, and then
//! finds its rows, or their absence, in the store.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A fingerprint as in the `seen` family.
pub(crate) type Fingerprint = [u8; 16];

/// The fingerprints reserved in one log.
#[derive(Default)]
pub(crate) struct InFlight {
    reserved: Mutex<HashSet<Fingerprint>>,
    released: Notify,
}

/// Reserved fingerprints; dropped when their rows are durable or will never be.
pub(crate) struct Reservation {
    owner: Arc<InFlight>,
    fingerprints: Vec<Fingerprint>,
}

impl InFlight {
    /// Reserves all of `fingerprints`, waiting until none of them is another's. All or none are taken
    /// at once, so two callers never wait for each other.
    pub(crate) async fn reserve(self: &Arc<Self>, fingerprints: Vec<Fingerprint>) -> Reservation {
        loop {
            // Registered before looking, so a release in between is not missed.
            let mut released = std::pin::pin!(self.released.notified());
            released.as_mut().enable();
            if self.try_take(&fingerprints) {
                return Reservation { owner: Arc::clone(self), fingerprints };
            }
            released.await;
        }
    }

    fn try_take(&self, fingerprints: &[Fingerprint]) -> bool {
        let mut reserved = self.lock();
        if fingerprints.iter().any(|fingerprint| reserved.contains(fingerprint)) {
            return false;
        }
        reserved.extend(fingerprints);
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Fingerprint>> {
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut reserved = self.owner.lock();
        for fingerprint in &self.fingerprints {
            reserved.remove(fingerprint);
        }
        drop(reserved);
        self.owner.released.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn overlapping_reservations_exclude_each_other_and_others_do_not() {
        let inflight = Arc::new(InFlight::default());
        let first = inflight.reserve(vec![[1; 16], [2; 16]]).await;
        let other = inflight.reserve(vec![[3; 16]]).await;
        assert!(!inflight.try_take(&[[2; 16], [4; 16]]));
        assert!(!inflight.lock().contains(&[4; 16]), "all or none");
        drop(first);
        drop(inflight.reserve(vec![[2; 16], [4; 16]]).await);
        drop(other);
        assert!(inflight.lock().is_empty());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_waiters_all_get_their_turn_alone() {
        let inflight = Arc::new(InFlight::default());
        let inside = Arc::new(AtomicU32::new(0));
        let tasks: Vec<_> = (0..64_u8)
            .map(|number| {
                let (inflight, inside) = (inflight.clone(), inside.clone());
                tokio::spawn(async move {
                    let reservation = inflight.reserve(vec![[0; 16], [number + 1; 16]]).await;
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    tokio::task::yield_now().await;
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(reservation);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(inflight.lock().is_empty());
    }
}
