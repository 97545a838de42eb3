//! Months of which nothing is kept any more: their index keys are destroyed, or whoever has one and an older copy of the
//! store could try whether a value that he guesses stood in a record that was erased.

use std::collections::BTreeSet;
use std::sync::Arc;

use cairnlog_store::secrets::Month;
use cairnlog_store::{Family, Scan, layout};

use crate::class::NO_CLASS;
use crate::error::LedgerError;
use crate::index::{Field, Tokens};
use crate::limits::WINDOW_MS;
use crate::log::Log;
use crate::task::off_thread;

impl Log {
    /// Destroys the index keys of months that are over and of which nothing is kept.
    pub(crate) async fn forget_months(&self) -> Result<(), LedgerError> {
        // Who tries a raw record of an old month again holds the turn too.
        let _turn = self.keeping().turn.lock().await;
        let now_ms = self.now_ms();
        // A request that was received when the month ended may be under way.
        let recent = [Month::of(now_ms), Month::of(now_ms.saturating_sub(WINDOW_MS))];
        let mut empty = BTreeSet::new();
        for month in self.keys().index_months() {
            if !recent.contains(&month) && !self.keeps_of(month).await? {
                empty.insert(month);
            }
        }
        if empty.is_empty() {
            return Ok(());
        }
        let keys = Arc::clone(self.keys());
        Ok(off_thread(move || keys.destroy_index_keys(&empty)).await??)
    }

    /// Whether anything is kept that was received in a month: all that can be found stands in the rows of its class, or of
    /// none.
    async fn keeps_of(&self, month: Month) -> Result<bool, LedgerError> {
        let Some(key) = self.keys().existing_index_key(month) else { return Ok(false) };
        let mut tokens = Tokens::new(key.as_bytes());
        let classes = self.classes().into_iter().map(|(class, _)| class);
        for class in classes.chain([NO_CLASS.to_owned()]) {
            let term = tokens.term(Field::Retention, &class);
            let prefix = layout::posting_prefix(self.id(), term.field, term.token.0);
            if !self.engine().scan(Scan::prefix(Family::Postings, prefix, 1)).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
