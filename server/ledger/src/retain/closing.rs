//! Events that close others: an employment ends, and what was kept for as long as it lasted becomes due.

use std::collections::BTreeMap;

use cairnlog_store::{Family, layout};

use crate::error::LedgerError;
use crate::log::Log;

impl Log {
    /// When some records were closed by an event, of those that were.
    pub(crate) async fn closed_at(&self, indices: &[u64]) -> Result<BTreeMap<u64, u64>, LedgerError> {
        let keys = indices.iter().map(|index| layout::closed_key(self.id(), *index)).collect();
        let rows = self.engine().multi_get(Family::Erasures, keys).await?;
        let closed = indices.iter().zip(rows).filter_map(|(index, row)| Some((*index, row?)));
        let damaged = || LedgerError::Internal("a row of a closed record is damaged".to_owned());
        closed
            .map(|(index, row)| Ok((index, u64::from_be_bytes(row.try_into().map_err(|_| damaged())?))))
            .collect()
    }
}
