//! Keeping and erasing: what is due, what is held, and how a record goes so that no copy of the store opens it again.
//!
//! An erasure has two steps. First one commit ([`erase`]) deletes the rows of some records, takes them out of the index
//! rows that they share with others, and appends the entry that says so, together with the numbers of the pages that wrap
//! their keys. What is left then opens only with a row that older copies of the store still have and a page that the
//! keyring still has. So, secondly, the pages' other records are wrapped anew and the pages are destroyed ([`destroy`]).
//! What a crash leaves between the two is a list of pages, with which the next start goes on.
//!
//! Holds, minimums and the rows themselves are read inside the turn in which the commit is made: nobody sets a hold
//! between the look and the deed.
//!
//! Lowest first: [`erased`] says what was erased, [`held`] what is held; [`archive`] seals what is swept for who may keep it;
//! [`rows`] makes the changes of rows, [`erase`] the commit; [`sweep`] and [`request`] decide what it is asked for; [`due`] counts.

pub(crate) mod approval;
pub(crate) mod archive;
pub(crate) mod closing;
pub(crate) mod destroy;
pub(crate) mod due;
pub(crate) mod erase;
pub(crate) mod erased;
pub(crate) mod held;
pub(crate) mod months;
pub(crate) mod request;
pub(crate) mod rows;
pub(crate) mod sweep;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::error::LedgerError;
use crate::limits::DISTURBED_READS_MAX;
use crate::log::Log;
use held::Hold;

/// What a log knows of its keeping, and whose turn it is.
#[derive(Default)]
pub(crate) struct Keeping {
    /// Held from the look at holds and rows to the commit that follows from it.
    pub(crate) turn: tokio::sync::Mutex<()>,
    /// One sweep at a time.
    pub(crate) sweeping: tokio::sync::Mutex<()>,
    /// One re-wrapping at a time.
    pub(crate) destroying: tokio::sync::Mutex<()>,
    holds: RwLock<Arc<BTreeMap<u64, Arc<Hold>>>>,
    /// Counts commits that take rows away, so that a reader knows whether one came between its reads.
    changes: AtomicU64,
}

impl Keeping {
    /// The holds that stand, by id.
    pub(crate) fn holds(&self) -> Arc<BTreeMap<u64, Arc<Hold>>> {
        Arc::clone(&self.holds.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_holds(&self, holds: BTreeMap<u64, Arc<Hold>>) {
        *self.holds.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(holds);
    }

    /// Begins a read of several steps.
    pub(crate) fn disturbance(&self) -> Disturbance {
        Disturbance { changes: self.changes.load(Ordering::SeqCst), tries: 0 }
    }

    /// Rows were taken away, or wrapped anew.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }
}

/// What may come between the steps of a read.
pub(crate) struct Disturbance {
    changes: u64,
    tries: usize,
}

impl Disturbance {
    /// Whether the read failed and rows were taken away or wrapped anew meanwhile, so that it is to be tried anew.
    pub(crate) fn explains(&mut self, error: &LedgerError, keeping: &Keeping) -> bool {
        let before = std::mem::replace(&mut self.changes, keeping.changes.load(Ordering::SeqCst));
        self.tries += 1;
        matches!(error, LedgerError::Internal(_) | LedgerError::Damaged(_))
            && before != self.changes
            && self.tries <= DISTURBED_READS_MAX
    }
}

/// The id of a hold or of an erasure as the API writes it: 16 hex digits.
pub(crate) fn id_text(id: u64) -> String {
    format!("{id:016x}")
}

impl Log {
    /// An id that no other has.
    pub(crate) fn fresh_id(&self) -> u64 {
        let mut id = [0; 8];
        self.shared().random.fill(&mut id);
        u64::from_be_bytes(id)
    }
}
