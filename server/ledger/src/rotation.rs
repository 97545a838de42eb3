//! Signing keys that change: new ones sign beside the old ones until those end, at a size of the tree that is said
//! beforehand, in an entry of the log; of a log that takes none, in one of the control log.
//!
//! New keys are on disk before they sign. The log's row names the keys that sign and is committed with the first head
//! that they sign, so what a crash leaves on disk without it signs nothing.

use std::sync::Arc;

use cairnlog_store::{Family, layout};
use cairnlog_tlog::AppendError;
use cairnlog_verify::entry::{Body, SIZE_MAX};
use cairnlog_verify::event::Attribute;
use cairnlog_verify::value::Value;
use zeroize::Zeroizing;

use crate::access::{Access, Activity, Who};
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::limits::{
    KEY_OVERLAP_ENTRIES, KEY_REASON_BYTES_MAX, KEY_SLACK_ENTRIES, KEY_TRIES_MAX, SIGNING_KEYS_MAX,
};
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
    /// Why, for those who may read records: of this log, or of the control log where this one takes no entry.
    pub reason: Option<String>,
}

impl Ledger {
    /// Lets new keys sign the log's tree heads. All keys before them end after the overlap, or when they end already if
    /// that is sooner. While others write, they end some entries later: a size that the tree has not reached when the new
    /// keys begin.
    ///
    /// # Errors
    /// [`LedgerError::BadRequest`] for keys that can't be; [`LedgerError::Conflict`] for one that signs already or for a
    /// log of another mode, and where the log has grown beyond the overlap meanwhile.
    pub async fn rotate_keys(
        &self,
        log: &Log,
        change: KeyChange,
        by: impl Into<Who>,
    ) -> Result<(), LedgerError> {
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
        let keys = signing::parse(&new, log.origin())?;
        let keys: Vec<String> = keys.iter().map(|key| key.verifier_key().to_string()).collect();
        let by = by.into();
        let said = KeySaid { by: &by.uid, reason: &reason };
        let overlap = overlap.unwrap_or(KEY_OVERLAP_ENTRIES);
        let mut slack = 0;
        for _ in 0..KEY_TRIES_MAX {
            let change = log.key_rows(&keys, overlap.saturating_add(slack));
            self.check_keys(log.mode(), &change.rows)?;
            if log.change_keys(&new, change, &said, &by).await? {
                return Ok(());
            }
            slack = KEY_SLACK_ENTRIES.max(slack * 16);
        }
        let words = "the log grows so fast that the old keys can't end so soon; let the overlap be longer";
        Err(LedgerError::Conflict(words.to_owned()))
    }
}

/// The rows of a log once its keys have changed.
struct Change {
    /// Of the new keys, then of those that end.
    rows: Vec<KeyRow>,
    /// How many are new.
    new: usize,
    /// Up to which size the others sign.
    ends: u64,
}

impl Log {
    /// The rows of new keys, which begin with their entries, then those of the keys that still sign, which end.
    fn key_rows(&self, keys: &[String], overlap: u64) -> Change {
        let entries = if self.says_its_changes() { keys.len() as u64 } else { 0 };
        let begins = self.tree().durable_size().saturating_add(entries);
        let ends = begins.saturating_add(overlap).min(SIZE_MAX);
        let new = keys.iter().map(|key| KeyRow { key: key.clone(), begins, ends: None });
        let ending = |old: KeyRow| KeyRow { ends: Some(old.ends.unwrap_or(ends).min(ends)), ..old };
        let size = self.tree().head().checkpoint.size;
        let before = self.signing().into_iter().filter(|row| !row.has_ended(size));
        Change { rows: new.chain(before.map(ending)).collect(), new: keys.len(), ends }
    }

    /// Keeps the new keys and lets them sign; false where the tree has grown beyond the end of the others.
    async fn change_keys(
        &self,
        new: &[Zeroizing<String>],
        change: Change,
        said: &KeySaid<'_>,
        by: &Who,
    ) -> Result<bool, LedgerError> {
        let Change { rows, .. } = &change;
        let (added, before) = rows.split_at(change.new);
        if added.iter().any(|row| before.iter().any(|old| old.key == row.key)) {
            return Err(LedgerError::Conflict("a key that is given signs already".to_owned()));
        }
        if rows.len() > SIGNING_KEYS_MAX {
            return Err(LedgerError::Conflict(format!(
                "a log has {SIGNING_KEYS_MAX} signing keys at most, those that end included; wait until some have ended"
            )));
        }
        let prepared = self.say_keys(added, change.ends, said, rows).await?;
        if !self.says_its_changes() {
            self.shared().say_change(self.access_of_keys(added, change.ends, said, by), 0, |_| {}).await?;
        }
        let notes = [new, &signing::notes_of(&self.keys().signing(), before)].concat();
        let signers = signing::stored(&notes, rows, self.origin())?;
        let keys = Arc::clone(self.keys());
        off_thread(move || keys.set_signing(&notes)).await??;
        let _passing = self.intake().passing().await;
        match self.tree().rotate(signers, Some(Box::new(prepared))).await {
            Ok(_) => {
                self.set_signing(change.rows);
                Ok(true)
            }
            Err(AppendError::Invalid(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
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

    /// The same for the control log.
    fn access_of_keys(&self, new: &[KeyRow], ends: u64, said: &KeySaid<'_>, by: &Who) -> Access {
        let text = |path: String, text: &str| Attribute { path, value: Value::Text(text.to_owned()) };
        let keys = new.iter().enumerate().map(|(number, row)| text(format!("key.new[{number}]"), &row.key));
        let ends = Value::Integer(i64::try_from(ends).unwrap_or(i64::MAX));
        let ends = Attribute { path: "key.ends".to_owned(), value: ends };
        Access::new(by, Activity::Update, "logs.keys", self.now_ms())
            .of("log", self.name())
            .with(keys)
            .with([ends, text("key.reason".to_owned(), said.reason)])
    }

    /// Removes the private keys that have ended, and those that a crash left there before they signed. No published head
    /// needs them, whose size is beyond theirs.
    pub(crate) async fn drop_ended_keys(&self) -> Result<(), LedgerError> {
        let size = self.tree().head().checkpoint.size;
        let signing: Vec<KeyRow> = self.signing().into_iter().filter(|row| !row.has_ended(size)).collect();
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
