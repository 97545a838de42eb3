//! Signing keys that change: new ones sign beside the old ones until those end, at a size of the tree that is said
//! beforehand, in an entry of the log.
//!
//! New keys are on disk before they sign. The log's row names the keys that sign and is committed with the first head
//! that they sign, so what a crash leaves on disk without it signs nothing.

use std::sync::Arc;

use cairnlog_store::{Family, layout};
use cairnlog_tlog::AppendError;
use cairnlog_verify::entry::{Body, Mode, SIZE_MAX};
use zeroize::Zeroizing;

use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::limits::{KEY_OVERLAP_ENTRIES, KEY_REASON_BYTES_MAX, SIGNING_KEYS_MAX};
use crate::log::{Log, draft};
use crate::prepared::Prepared;
use crate::said::KeySaid;
use crate::signing::{self, KeyRow};
use crate::task::off_thread;

/// How the keys of a log are to change.
///
/// It has no `Debug`: it may hold private keys.
#[derive(Default)]
pub struct KeyChange {
    /// `PRIVATE+KEY+…` notes, one of them an Ed25519 key named like the origin; where empty, one of Ed25519 and one of
    /// ML-DSA-44 are made.
    pub signing_keys: Vec<String>,
    /// How many more entries the keys before them sign for.
    pub overlap: Option<u64>,
    /// Why, for those who may read records.
    pub reason: Option<String>,
}

impl Ledger {
    /// Lets new keys sign the log's tree heads. All keys before them end after the overlap, or when they end already if
    /// that is sooner.
    ///
    /// # Errors
    /// [`LedgerError::BadRequest`] for keys that can't be; [`LedgerError::Conflict`] for one that signs already or for a
    /// log of another mode, and where the log has grown beyond the overlap meanwhile.
    pub async fn rotate_keys(&self, log: &Log, change: KeyChange, by: &str) -> Result<(), LedgerError> {
        let _creating = self.next_id.lock().await;
        let _changing = log.changing.lock().await;
        let KeyChange { signing_keys, overlap, reason } = change;
        let reason = reason.unwrap_or_default();
        if reason.len() > KEY_REASON_BYTES_MAX {
            let words = format!("a reason has {KEY_REASON_BYTES_MAX} bytes at most");
            return Err(LedgerError::BadRequest(words));
        }
        let mut new: Vec<Zeroizing<String>> = signing_keys.into_iter().map(Zeroizing::new).collect();
        if new.is_empty() {
            new = signing::make(log.origin(), self.shared.random.as_ref())?;
        }
        let new_rows: Vec<KeyRow> = signing::parse(&new, log.origin())?
            .iter()
            .map(|key| KeyRow { key: key.verifier_key().to_string(), ends: None })
            .collect();
        self.check_keys(log.mode(), &new_rows)?;
        let entries = if log.says_its_changes() { new_rows.len() as u64 } else { 0 };
        let ends = log.tree().durable_size().saturating_add(entries);
        let ends = ends.saturating_add(overlap.unwrap_or(KEY_OVERLAP_ENTRIES)).min(SIZE_MAX);
        let rows = log.rows_after(new_rows.clone(), ends)?;
        let prepared = log.say_keys(&new_rows, ends, &KeySaid { by, reason: &reason }, &rows).await?;

        let notes = [new, signing::notes_of(&log.keys().signing(), &log.signing())].concat();
        let signers = signing::stored(&notes, &rows, log.origin())?;
        let keys = Arc::clone(log.keys());
        off_thread(move || keys.set_signing(&notes)).await??;
        log.tree().rotate(signers, Some(Box::new(prepared))).await.map_err(|error| match error {
            AppendError::Invalid(_) => LedgerError::Conflict(
                "the log grew beyond the end of the overlap meanwhile; let it be longer".to_owned(),
            ),
            other => other.into(),
        })?;
        log.set_signing(rows);
        Ok(())
    }
}

impl Log {
    /// Whether a change of keys is an entry: an opaque log has none of its own, and a frozen one takes none.
    fn says_its_changes(&self) -> bool {
        self.mode() == Mode::Records && !self.intake().is_frozen()
    }

    /// The rows of new keys, then those of the keys that still sign, which end.
    fn rows_after(&self, new: Vec<KeyRow>, ends: u64) -> Result<Vec<KeyRow>, LedgerError> {
        let size = self.tree().head().checkpoint.size;
        let before: Vec<KeyRow> = self.signing().into_iter().filter(|row| row.signs(size)).collect();
        if new.iter().any(|row| before.iter().any(|old| old.key == row.key)) {
            return Err(LedgerError::Conflict("a key that is given signs already".to_owned()));
        }
        let ending = |old: KeyRow| KeyRow { ends: Some(old.ends.unwrap_or(ends).min(ends)), ..old };
        let rows: Vec<KeyRow> = new.into_iter().chain(before.into_iter().map(ending)).collect();
        if rows.len() > SIGNING_KEYS_MAX {
            return Err(LedgerError::Conflict(format!(
                "a log has {SIGNING_KEYS_MAX} signing keys at most, those that end included; wait until some have ended"
            )));
        }
        Ok(rows)
    }

    /// The entries of new keys, where the log has such, and the log's row.
    async fn say_keys(
        &self,
        new: &[KeyRow],
        ends: u64,
        said: &KeySaid<'_>,
        rows: &[KeyRow],
    ) -> Result<Prepared, LedgerError> {
        let mut drafts = Vec::new();
        if self.says_its_changes() {
            for row in new {
                let key = row.key.parse().map_err(LedgerError::internal)?;
                drafts.push(draft(self.now_ms(), Body::Key { key, ends }, said.attributes()));
            }
        }
        let sealed = if drafts.is_empty() { Vec::new() } else { self.sealer().seal_all(drafts).await? };
        let (id, row) = (self.id(), self.written_row(rows.to_vec())?);
        let prepared = Prepared::new(id, sealed).with_rows(row.len() + 64, move |_, batch| {
            batch.put(Family::Logs, layout::log_key(id), row);
        });
        Ok(prepared)
    }

    /// Removes the private keys that have ended, and those that a crash left there before they signed. No published head
    /// needs them, whose size is beyond theirs.
    pub(crate) async fn drop_ended_keys(&self) -> Result<(), LedgerError> {
        let size = self.tree().head().checkpoint.size;
        let signing: Vec<KeyRow> = self.signing().into_iter().filter(|row| row.signs(size)).collect();
        let notes = self.keys().signing();
        let kept = signing::notes_of(&notes, &signing);
        if kept.len() < notes.len() {
            let keys = Arc::clone(self.keys());
            off_thread(move || keys.set_signing(&kept)).await??;
            tracing::info!(log = self.name(), "signing keys that sign no more were removed");
        }
        Ok(())
    }
}
