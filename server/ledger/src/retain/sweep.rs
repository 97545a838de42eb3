//! Sweeps: what is due goes, in bounded commits between which writers and readers take their turn.
//!
//! The `expiry` rows are walked from the oldest day on. They only say on which day to look; the opened record and the
//! server's clock decide, never a time that an event claims. A sweep that is interrupted has erased some records and left
//! the others as they were; the next one begins anew and finds those.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cairnlog_store::secrets::day_of;
use cairnlog_store::{Family, Scan, layout};

use super::erase::{Candidate, Examined, Verdict, Why};
use crate::error::LedgerError;
use crate::index::read_runs;
use crate::limits::{ERASED_AT_ONCE, EXPIRY_ROWS_READ};
use crate::log::Log;

/// What a sweep came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Of each class that had something due, by name.
    pub by_class: BTreeMap<String, Swept>,
    /// Whether it went through all that was due; otherwise its time was over, and another one goes on.
    pub is_complete: bool,
}

/// What became of the records of a class that were due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many there were.
    pub due: u64,
    /// Of them, erased.
    pub erased: u64,
    /// Of them, held.
    pub held: u64,
}

impl Sweep {
    /// All classes together.
    #[must_use]
    pub fn total(&self) -> Swept {
        self.by_class.values().fold(Swept::default(), |all, class| Swept {
            due: all.due + class.due,
            erased: all.erased + class.erased,
            held: all.held + class.held,
        })
    }

    fn count(&mut self, examined: &[Examined], is_dry: bool) {
        for Examined { verdict, class, .. } in examined {
            let (gone, held) = match verdict {
                Verdict::Goes => (u64::from(!is_dry), 0),
                Verdict::Held(_) => (0, 1),
                Verdict::NotDue | Verdict::Minimum(_) | Verdict::Kept => continue,
            };
            let swept = self.by_class.entry(class.name.clone()).or_default();
            *swept = Swept { due: swept.due + 1, erased: swept.erased + gone, held: swept.held + held };
        }
    }
}

impl Log {
    /// Erases what is due and not held, as far as it comes `within` that time.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] while another sweep is under way; [`LedgerError`] where a record does not open. What went
    /// before is erased then.
    pub async fn sweep(&self, by: &str, within: Duration) -> Result<Sweep, LedgerError> {
        let _sweeping = self.keeping().sweeping.try_lock().map_err(|_| {
            LedgerError::Conflict("a sweep of this log is under way; wait for its end".to_owned())
        })?;
        self.diagnostics().prune(self.now_ms());
        self.walk_due(self.now_ms(), within, by, false).await
    }

    /// What a sweep at this moment, now or later, would come to, as far as is found `within` that time.
    ///
    /// # Errors
    /// [`LedgerError`] where a record does not open.
    pub async fn sweep_dry(&self, at_ms: Option<u64>, within: Duration) -> Result<Sweep, LedgerError> {
        self.walk_due(at_ms.unwrap_or_else(|| self.now_ms()), within, "", true).await
    }

    async fn walk_due(
        &self,
        at_ms: u64,
        within: Duration,
        by: &str,
        is_dry: bool,
    ) -> Result<Sweep, LedgerError> {
        let started = Instant::now();
        self.require_records()?;
        self.carry_out_closings().await?;
        let why = Why::Due { at_ms, by: by.to_owned() };
        let mut sweep = Sweep::default();
        let mut scan = Scan {
            family: Family::Expiry,
            from: layout::log_key(self.id()),
            to: layout::expiry_key(self.id(), day_of(at_ms).saturating_add(1), 0),
            reverse: false,
            limit: EXPIRY_ROWS_READ,
        };
        loop {
            let rows = self.engine().scan(scan.clone()).await?;
            let Some((last, _)) = rows.last() else { return Ok(Sweep { is_complete: true, ..sweep }) };
            scan.behind(last);
            let mut candidates = Vec::new();
            for (key, row) in &rows {
                let damaged = || LedgerError::Internal("a row of what expires is damaged".to_owned());
                let (_, first) = layout::parse_expiry_key(key).ok_or_else(damaged)?;
                let indices = read_runs(first, row).map_err(|_| damaged())?.into_iter().flatten();
                candidates.extend(indices.map(|index| Candidate { index, first: Some(first) }));
            }
            for some in candidates.chunks(ERASED_AT_ONCE) {
                let examined =
                    if is_dry { self.examine(some, &why).await? } else { self.erase(some, &why).await? };
                sweep.count(&examined, is_dry);
                if started.elapsed() >= within {
                    return Ok(sweep);
                }
            }
        }
    }
}
