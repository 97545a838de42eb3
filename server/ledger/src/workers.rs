//! Turns on the threads that run plugins and seal.
//!
//! Work comes by source. Waiting sources take turns, whatever each of them has waiting, and none holds more than its share of all
//! permits at a time: a source whose plugin takes all the time that it may leaves permits to the others. There are more permits
//! than cores for that; the cores are then shared by the system, thread by thread.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::error::LedgerError;

/// What has turns: a log and the name of one of its sources.
type Source = (u32, Arc<str>);

/// Permits to work, by source.
pub(crate) struct Workers {
    state: Mutex<State>,
    /// Permits that one source may hold at a time.
    share: usize,
}

struct State {
    free: usize,
    sources: HashMap<Source, Turns>,
    /// The sources that wait, in the order of their turns.
    waiting: VecDeque<Source>,
}

#[derive(Default)]
struct Turns {
    held: usize,
    askers: VecDeque<oneshot::Sender<Permit>>,
}

/// Gives itself back when dropped.
struct Permit {
    /// None once it is given back.
    workers: Option<Arc<Workers>>,
    source: Source,
}

impl Workers {
    /// So many permits, and so many at most for one source at a time.
    pub(crate) fn new(permits: usize, share: usize) -> Arc<Self> {
        let state = State { free: permits, sources: HashMap::new(), waiting: VecDeque::new() };
        Arc::new(Self { state: Mutex::new(state), share: share.clamp(1, permits.max(1)) })
    }

    /// Starts a job on a blocking thread when it is the source's turn, which ends with the job.
    pub(crate) async fn start<T: Send + 'static>(
        self: &Arc<Self>,
        log: u32,
        source: &str,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<T>, LedgerError> {
        let permit = self.acquire(log, source).await?;
        Ok(tokio::task::spawn_blocking(move || {
            let result = job();
            drop(permit);
            result
        }))
    }

    /// Waits for the source's turn. Whoever stops waiting loses it to the next.
    async fn acquire(self: &Arc<Self>, log: u32, source: &str) -> Result<Permit, LedgerError> {
        let (asker, turn) = oneshot::channel();
        let source: Source = (log, source.into());
        {
            let mut state = self.state();
            let turns = state.sources.entry(source.clone()).or_default();
            let is_waiting = !turns.askers.is_empty();
            // Those that went away hold no room while the source has its share.
            turns.askers.retain(|asker| !asker.is_closed());
            turns.askers.push_back(asker);
            if !is_waiting {
                state.waiting.push_back(source);
            }
        }
        self.hand_out();
        turn.await.map_err(|_| LedgerError::Internal("a turn was lost".to_owned()))
    }

    /// Hands free permits to those whose turn it is.
    fn hand_out(self: &Arc<Self>) {
        while let Some((asker, source)) = self.next() {
            let permit = Permit { workers: Some(Arc::clone(self)), source };
            // One that went away just now leaves it to the next turn of this loop.
            if let Err(mut permit) = asker.send(permit) {
                permit.workers = None;
                self.take_back(&permit.source);
            }
        }
    }

    /// Takes a permit for the first asker whose turn it is, if there is both.
    fn next(&self) -> Option<(oneshot::Sender<Permit>, Source)> {
        let mut state = self.state();
        let State { free, sources, waiting } = &mut *state;
        while *free > 0 {
            let has_room = |source: &Source| sources.get(source).is_some_and(|turns| turns.held < self.share);
            let place = waiting.iter().position(has_room)?;
            let source = waiting.remove(place)?;
            let turns = sources.get_mut(&source)?;
            turns.askers.retain(|asker| !asker.is_closed());
            let Some(asker) = turns.askers.pop_front() else {
                if turns.held == 0 {
                    sources.remove(&source);
                }
                continue;
            };
            turns.held += 1;
            *free -= 1;
            if !turns.askers.is_empty() {
                waiting.push_back(source.clone());
            }
            return Some((asker, source));
        }
        None
    }

    /// Counts a permit of the source as free again.
    fn take_back(&self, source: &Source) {
        let mut state = self.state();
        state.free += 1;
        if let Some(turns) = state.sources.get_mut(source) {
            turns.held -= 1;
            if turns.held == 0 && turns.askers.is_empty() {
                state.sources.remove(source);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(workers) = self.workers.take() {
            workers.take_back(&self.source);
            workers.hand_out();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use futures_util::FutureExt;

    use super::*;

    /// The permit, if there is one at once.
    fn at_once(workers: &Arc<Workers>, source: &str) -> Option<Permit> {
        workers.acquire(1, source).now_or_never().map(Result::unwrap)
    }

    #[test]
    fn a_source_that_is_stuck_leaves_permits_to_the_others() {
        let workers = Workers::new(4, 2);
        let stuck = [at_once(&workers, "stuck").unwrap(), at_once(&workers, "stuck").unwrap()];
        let mut queued: Vec<_> = (0..50).map(|_| Box::pin(workers.acquire(1, "stuck"))).collect();
        assert!(queued.iter_mut().all(|asker| asker.now_or_never().is_none()), "it has its share");
        for _ in 0..100 {
            let both = [at_once(&workers, "other"), at_once(&workers, "other")];
            assert!(both.iter().all(Option::is_some), "beside 2 that never end and 50 that wait");
        }
        assert!(at_once(&workers, "third").is_some());
        drop(stuck);
    }

    #[test]
    fn sources_take_turns_whatever_each_has_waiting() {
        let workers = Workers::new(1, 1);
        let first = at_once(&workers, "a").unwrap();
        let order = ["a", "a", "a", "b", "b", "c"];
        let mut askers: Vec<_> =
            order.iter().map(|source| Some(Box::pin(workers.acquire(1, source)))).collect();
        for asker in askers.iter_mut().flatten() {
            assert!(asker.now_or_never().is_none());
        }
        let (mut held, mut served) = (Some(first), Vec::new());
        while served.len() < order.len() {
            drop(held.take());
            for (place, asker) in askers.iter_mut().enumerate() {
                let Some(permit) = asker.as_mut().and_then(FutureExt::now_or_never) else { continue };
                (held, *asker) = (Some(permit.unwrap()), None);
                served.push(order[place]);
                break;
            }
            assert!(held.is_some(), "a free permit goes to who waits: {served:?}");
        }
        assert_eq!(served, ["a", "b", "c", "a", "b", "a"]);
    }

    #[test]
    fn who_stops_waiting_loses_its_turn_and_nothing_else() {
        let workers = Workers::new(1, 1);
        let held = at_once(&workers, "a").unwrap();
        let mut gone = Box::pin(workers.acquire(1, "b"));
        assert!((&mut gone).now_or_never().is_none());
        let mut stays = Box::pin(workers.acquire(1, "c"));
        assert!((&mut stays).now_or_never().is_none());
        drop(gone);
        drop(held);
        let permit = stays.now_or_never().expect("the turn went on").unwrap();
        drop(permit);
        let state = workers.state();
        assert_eq!((state.free, state.sources.len(), state.waiting.len()), (1, 0, 0));
    }

    #[test]
    fn however_many_go_away_the_next_turn_is_given_and_nothing_of_them_stays() {
        let workers = Workers::new(1, 1);
        let held = at_once(&workers, "a").unwrap();
        let mut gone: Vec<_> = (0..20_000).map(|_| Box::pin(workers.acquire(1, "a"))).collect();
        assert!(gone.iter_mut().all(|asker| asker.now_or_never().is_none()));
        let mut stays = Box::pin(workers.acquire(1, "b"));
        assert!((&mut stays).now_or_never().is_none());
        gone.clear();
        drop(held);
        drop(stays.now_or_never().expect("the turn went on").unwrap());
        let state = workers.state();
        assert_eq!((state.free, state.sources.len(), state.waiting.len()), (1, 0, 0));
    }
}
