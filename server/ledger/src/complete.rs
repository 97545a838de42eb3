//! Whether every entry opens to what it commits to, or an erasure covers it: the full pass of what each read checks.

use crate::error::LedgerError;
use crate::limits::CHECKED_AT_ONCE;
use crate::log::Log;
use crate::task::off_thread;

/// A step of the pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Where the next step begins; none at the end.
    pub next: Option<u64>,
    /// Roughly the bytes that were read.
    pub bytes: u64,
}

impl Log {
    /// Checks the published entries from `from` on, some at once.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] with the first entry that neither opens nor was erased; others where that can't be told.
    pub async fn check_records(&self, from: u64) -> Result<Checked, LedgerError> {
        let mut disturbance = self.keeping().disturbance();
        loop {
            match self.check_once(from).await {
                Err(error) if disturbance.explains(&error, self.keeping()) => {}
                result => return result,
            }
        }
    }

    async fn check_once(&self, from: u64) -> Result<Checked, LedgerError> {
        let size = self.tree().head().checkpoint.size;
        let end = size.min(from.saturating_add(CHECKED_AT_ONCE));
        let indices: Vec<u64> = (from..end).collect();
        let (mut there, mut bytes) = (Vec::with_capacity(indices.len()), 0);
        for (index, rows) in indices.iter().zip(self.some_rows(&indices).await?) {
            if let Some(rows) = rows {
                bytes += rows.bytes() as u64;
                there.push(rows);
                continue;
            }
            match self.gone(*index).await? {
                LedgerError::Erased(_) => {}
                damaged => return Err(damaged),
            }
        }
        let reader = self.opener().clone();
        off_thread(move || {
            let mut opening = reader.opening();
            there.iter().try_for_each(|rows| opening.open(rows).map(drop))
        })
        .await??;
        Ok(Checked { next: Some(end).filter(|end| *end < size), bytes })
    }
}
