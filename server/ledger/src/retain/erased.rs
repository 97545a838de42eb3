//! What was erased: the entry that covers it, and what that says.

use cairnlog_store::{Family, Scan, layout};
use cairnlog_verify::entry::{Body, Erased};

use crate::control::{SAID_BYTES, Said};
use crate::error::LedgerError;
use crate::log::Log;
use crate::payload::Payload;
use crate::read::Opened;

/// Why an entry does not open any more.
///
/// `Debug` leaves out the reason, which is somebody's free text.
#[derive(Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The index of the entry that was erased.
    pub of: u64,
    /// Who had it erased: the id of a token, or `sweep`.
    pub by: String,
    /// Why, in their words; for a sweep, which class's time was over.
    pub reason: String,
    /// The rule of law or policy behind it.
    pub basis: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// The row of a stretch of erased entries: `u64be end || u8 in the control log || u64be index of the erasure's entry`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ErasedRow {
    pub(crate) end: u64,
    pub(crate) said: Said,
}

/// Bytes of the key and the value of such a row.
pub(crate) const ERASED_ROW_BYTES: usize = 4 + 1 + 8 + 8 + SAID_BYTES;

impl ErasedRow {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        [&self.end.to_be_bytes()[..], &self.said.to_bytes()].concat()
    }

    fn from_bytes(row: &[u8]) -> Option<Self> {
        let (end, said) = row.split_first_chunk::<8>()?;
        Some(Self { end: u64::from_be_bytes(*end), said: Said::from_bytes(said)? })
    }
}

impl Log {
    /// The erasure that covers an entry, if one does: its entry is opened and must say so.
    ///
    /// # Errors
    /// [`LedgerError::Internal`] where a row says that it was erased and no entry does.
    pub(crate) async fn erasure_of(&self, index: u64) -> Result<Option<Erasure>, LedgerError> {
        let Some(row) = self.erased_row(index).await? else { return Ok(None) };
        let damaged = |what: &str| LedgerError::Internal(format!("entry {index} was erased, but {what}"));
        let control = if row.said.in_control { Some(self.shared().control()?) } else { None };
        let log = control.as_deref().unwrap_or(self);
        let opened = log.open_entry(row.said.index).await?;
        let opened = opened.ok_or_else(|| damaged("the entry of its erasure does not open"))?;
        let said = Words { payload: &opened.payload, in_control: row.said.in_control };
        if !said.covers(&opened, index) || (control.is_some() && !said.is_of(self.name())) {
            return Err(damaged("the entry of its erasure does not cover it"));
        }
        Ok(Some(Erasure {
            of: index,
            by: said.text("by"),
            reason: said.text("reason"),
            basis: said.text("basis"),
            at_ms: opened.received_ms(),
        }))
    }

    /// The row of the stretch of erased entries that this one lies in.
    pub(crate) async fn erased_row(&self, index: u64) -> Result<Option<ErasedRow>, LedgerError> {
        let (from, to) =
            (layout::erased_key(self.id(), 0), layout::erased_key(self.id(), index.saturating_add(1)));
        let scan = Scan { family: Family::Erasures, from, to, reverse: true, limit: 1 };
        let Some((_, row)) = self.engine().scan(scan).await?.pop() else { return Ok(None) };
        let row = ErasedRow::from_bytes(&row)
            .ok_or_else(|| LedgerError::Internal("a row of erased entries is damaged".to_owned()))?;
        Ok(Some(row).filter(|row| index < row.end))
    }
}

/// What an erasure's entry says, sealed.
struct Words<'a> {
    payload: &'a Payload,
    in_control: bool,
}

impl Words<'_> {
    fn text(&self, member: &str) -> String {
        let below = if self.in_control { "unmapped." } else { "" };
        self.payload.text(&format!("{below}erasure.{member}")).unwrap_or_default().to_owned()
    }

    /// Whether the entry, in the control log, is about the log of this name.
    fn is_of(&self, log: &str) -> bool {
        self.payload.text("resources[0].name") == Some(log)
    }

    fn covers(&self, opened: &Opened, index: u64) -> bool {
        let lies_within =
            |ranges: &[(u64, u64)]| ranges.iter().any(|(from, to)| (*from..*to).contains(&index));
        let sealed: Vec<(u64, u64)> = serde_json::from_str(&self.text("ranges")).unwrap_or_default();
        match &opened.entry.body {
            Body::Erasure(Erased::Sweep(ranges)) => lies_within(ranges),
            Body::Erasure(Erased::Request) => lies_within(&sealed),
            Body::Access => self.in_control && lies_within(&sealed),
            _ => false,
        }
    }
}

impl std::fmt::Debug for Erasure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { of, by, basis, at_ms, .. } = self;
        f.debug_struct("Erasure")
            .field("of", of)
            .field("by", by)
            .field("basis", basis)
            .field("at_ms", at_ms)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_back() {
        for in_control in [false, true] {
            let row = ErasedRow { end: 1 << 40, said: Said { in_control, index: 7 } };
            assert_eq!(ErasedRow::from_bytes(&row.to_bytes()), Some(row));
        }
        assert_eq!(ErasedRow::from_bytes(&[0; 16]), None);
        assert_eq!(ErasedRow::from_bytes(&[0; 18]), None);
    }
}
