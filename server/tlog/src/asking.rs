//! The requests to witnesses: one at a time each, none to who is left alone for a while, and what came of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use cairnlog_verify::note::NoteSignature;
use tokio::task::{Id, JoinError, JoinSet};

use crate::{
    backoff::Backoff,
    head::Head,
    reader::TileReader,
    witness::{self, Asked, Outcome, Trouble, Witnesses},
};

/// How often each witness was asked, by what came of it.
pub(crate) struct Tally {
    rows: Vec<(String, [AtomicU64; Outcome::ALL.len()])>,
}

/// A witness as this log knows it.
#[derive(Default)]
pub(crate) struct Seat {
    /// The size that it has cosigned last, as far as is known.
    pub(crate) size: u64,
    backoff: Backoff,
    /// The request under way: its task, and the size that it is to cosign.
    request: Option<(Id, u64)>,
}

/// A cosignature: whose, of a head of which size.
pub(crate) struct Cosigned {
    pub(crate) who: usize,
    pub(crate) size: u64,
    pub(crate) cosignature: NoteSignature,
}

/// All requests of a log to its witnesses.
pub(crate) struct Asking {
    reader: TileReader,
    witnesses: Arc<Witnesses>,
    seats: Vec<Seat>,
    tally: Arc<Tally>,
    running: JoinSet<Asked>,
}

impl Tally {
    pub(crate) fn new(witnesses: &Witnesses) -> Tally {
        let row = |cosigner: &witness::Cosigner| (cosigner.name.clone(), Default::default());
        Tally { rows: witnesses.cosigners.iter().map(row).collect() }
    }

    /// The witnesses, in the order of the policy.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|(name, _)| name.as_str())
    }

    /// Each witness, each outcome, and how often.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&str, Outcome, u64)> {
        self.rows.iter().flat_map(|(name, row)| {
            let counts = Outcome::ALL.into_iter().zip(row);
            counts.map(|(outcome, count)| (name.as_str(), outcome, count.load(Ordering::Relaxed)))
        })
    }

    fn count(&self, who: usize, outcome: Outcome) {
        let place = Outcome::ALL.iter().position(|one| *one == outcome);
        if let (Some((_, row)), Some(place)) = (self.rows.get(who), place) {
            row[place].fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Seat {
    /// A witness that has cosigned `size` last.
    pub(crate) fn at(size: u64) -> Seat {
        Seat { size, ..Seat::default() }
    }

    /// Counts a failure; whether it is the first one in a row.
    pub(crate) fn fail(&mut self, asked_for: Option<Duration>) -> bool {
        self.backoff.fail(Instant::now(), asked_for)
    }
}

impl Asking {
    pub(crate) fn new(
        reader: TileReader,
        witnesses: Arc<Witnesses>,
        seats: Vec<Seat>,
        tally: Arc<Tally>,
    ) -> Asking {
        Asking { reader, witnesses, seats, tally, running: JoinSet::new() }
    }

    /// Asks everyone to cosign `target` who is free, may be asked now and is not among those who `have` cosigned it.
    pub(crate) fn ask(&mut self, target: &Arc<Head>, note: &Arc<str>, have: impl Fn(usize) -> bool) {
        let now = Instant::now();
        for who in 0..self.seats.len() {
            let seat = &mut self.seats[who];
            if have(who) || seat.request.is_some() || seat.backoff.due().is_some_and(|due| due > now) {
                continue;
            }
            let cosigner = self.witnesses.cosigners[who].clone();
            let (target, note) = (Arc::clone(target), Arc::clone(note));
            let size = target.checkpoint.size;
            let asking = witness::ask(self.reader.clone(), cosigner, seat.size, target, note);
            seat.request = Some((self.running.spawn(asking).id(), size));
        }
    }

    /// Waits for the next request to end, and returns the cosignature if it brought one; waits for ever where none is
    /// under way. May be dropped at any await.
    pub(crate) async fn next(&mut self) -> Option<Cosigned> {
        match self.running.join_next_with_id().await {
            None => std::future::pending().await,
            Some(Ok((id, asked))) => self.heard(id, asked),
            Some(Err(gone)) => self.lost(&gone),
        }
    }

    /// Whether anyone is being asked for a head of `size`; without one, for any head.
    pub(crate) fn waits(&self, size: Option<u64>) -> bool {
        let mut requests = self.seats.iter().filter_map(|seat| seat.request);
        requests.any(|(_, asked)| size.is_none_or(|size| size == asked))
    }

    /// When the first of those who are left alone may be asked again; it may be over since they were last asked.
    pub(crate) fn due(&self) -> Option<Instant> {
        let free = self.seats.iter().filter(|seat| seat.request.is_none());
        free.filter_map(|seat| seat.backoff.due()).min()
    }

    /// For each witness its name and the size that it has cosigned last.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = (&str, u64)> {
        let seats = self.witnesses.cosigners.iter().zip(&self.seats);
        seats.map(|(cosigner, seat)| (cosigner.name.as_str(), seat.size))
    }

    fn heard(&mut self, id: Id, asked: Asked) -> Option<Cosigned> {
        let (who, size) = self.free(id)?;
        self.seats[who].size = asked.size;
        match asked.cosigned {
            Ok(cosignature) => {
                self.tally.count(who, Outcome::Cosigned);
                if self.seats[who].backoff.succeed() {
                    let witness = &self.witnesses.cosigners[who].name;
                    tracing::info!(log = self.reader.log, witness, "a witness cosigns again");
                }
                Some(Cosigned { who, size, cosignature })
            }
            Err(trouble) => {
                self.failed(who, &trouble);
                None
            }
        }
    }

    /// A panic, of the way to a witness perhaps: it must not leave the witness busy for ever.
    fn lost(&mut self, gone: &JoinError) -> Option<Cosigned> {
        let (who, _) = self.free(gone.id())?;
        self.failed(who, &Trouble::new(Outcome::Failed, "asking it has panicked"));
        None
    }

    fn free(&mut self, id: Id) -> Option<(usize, u64)> {
        let who = self.seats.iter().position(|seat| seat.request.is_some_and(|(asked, _)| asked == id))?;
        self.seats[who].request.take().map(|(_, size)| (who, size))
    }

    fn failed(&mut self, who: usize, trouble: &Trouble) {
        self.tally.count(who, trouble.outcome);
        let (log, witness) = (self.reader.log, &self.witnesses.cosigners[who].name);
        if self.seats[who].fail(trouble.after) {
            tracing::warn!(
                log,
                witness,
                error = trouble.words,
                "a witness does not cosign; it is asked again"
            );
        } else {
            tracing::debug!(log, witness, error = trouble.words, "a witness still does not cosign");
        }
    }
}
