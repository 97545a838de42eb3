//! The control log, and what a log says of itself.
//!
//! Every change of rules is an entry before it takes effect. It stands in the log that it concerns, in one commit with the
//! rows that it explains. What a log can't take, for it is frozen or opaque, and what concerns the whole server, stands in
//! the server's own log `control`, which takes it at any time: kinds as in every log of records, private, never frozen.
//! All logs share one engine, so there too an entry and the rows that it explains land together.

use std::sync::{Arc, Weak};

use cairnlog_store::Batch;
use cairnlog_verify::entry::{Body, Mode};
use cairnlog_verify::event::Attribute;

use crate::access::{Access, Who};
use crate::class::{Chosen, Retention};
use crate::error::LedgerError;
use crate::ledger::{Ledger, NewLog};
use crate::log::{Log, Shared, draft};
use crate::prepared::Prepared;
use crate::worker::Draft;

/// The name of the server's own log.
pub const CONTROL: &str = "control";

/// Its id; those of other logs begin at 1.
pub(crate) const CONTROL_ID: u32 = 0;

/// The class that entries of the control log are kept by.
const CLASS: &str = "default";

/// What a log says of itself.
pub(crate) struct Saying {
    /// Its kind.
    pub(crate) body: Body,
    /// What it says, in the order of paths.
    pub(crate) attributes: Vec<Attribute>,
    /// Who changed the rules: the id of a token.
    pub(crate) by: String,
    /// What was done, where the control log has to say it: `retention.class` …
    pub(crate) action: &'static str,
}

/// Where something stands that was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// Whether in the control log.
    pub(crate) in_control: bool,
    /// The index of its entry there.
    pub(crate) index: u64,
}

/// Bytes of a [`Said`] in a row.
pub(crate) const SAID_BYTES: usize = 9;

impl Said {
    /// `u8 in the control log || u64be index`.
    pub(crate) fn to_bytes(self) -> [u8; SAID_BYTES] {
        let mut row = [u8::from(self.in_control); SAID_BYTES];
        row[1..].copy_from_slice(&self.index.to_be_bytes());
        row
    }

    pub(crate) fn from_bytes(row: &[u8]) -> Option<Self> {
        let (in_control, index) = row.split_first()?;
        Some(Self { in_control: *in_control == 1, index: u64::from_be_bytes(index.try_into().ok()?) })
    }
}

impl Ledger {
    /// The control log, which is made where there is none yet. Until then nothing can be said there.
    ///
    /// # Errors
    /// [`LedgerError`] as for any log; [`LedgerError::Conflict`] where another log has its name.
    pub async fn open_control(&self) -> Result<Arc<Log>, LedgerError> {
        let control = match self.log(CONTROL) {
            Some(log) if log.is_control() => log,
            Some(_) => {
                let words = format!("the log {CONTROL:?} is not the server's own; its name is reserved");
                return Err(LedgerError::Conflict(words));
            }
            None => {
                let new = NewLog { private: true, ..NewLog::named(CONTROL) };
                self.create(Some(CONTROL_ID), new, &Who::server()).await?
            }
        };
        // Weak, for a log holds what all logs share.
        let _ = self.shared.control.set(Arc::downgrade(&control));
        Ok(control)
    }

    /// Says in the control log who read or changed what. Durable when it returns.
    ///
    /// # Errors
    /// [`LedgerError`]; then what it says must not be done.
    pub async fn record(&self, access: Access) -> Result<(), LedgerError> {
        self.record_with(access, 0, |_| {}).await
    }

    /// The same, in one commit with rows of the whole server that need at most `bytes`.
    ///
    /// # Errors
    /// [`LedgerError`]; neither the entry nor the rows were written then, unless the words say so.
    pub async fn record_with(
        &self,
        access: Access,
        bytes: usize,
        rows: impl FnOnce(&mut Batch) + Send + 'static,
    ) -> Result<(), LedgerError> {
        self.shared.control()?.say_access(access, bytes, move |_, batch| rows(batch)).await?;
        Ok(())
    }
}

impl Log {
    /// Says something of this log, in one commit with rows that need at most `bytes`; in the control log where this one
    /// can't take it.
    ///
    /// # Errors
    /// [`LedgerError`]; nothing was written then, unless the words say so.
    pub(crate) async fn say(
        &self,
        saying: Saying,
        bytes: usize,
        rows: impl FnOnce(Said, &mut Batch) + Send + 'static,
    ) -> Result<Said, LedgerError> {
        let Saying { body, attributes, by, action } = saying;
        if self.says_its_changes() {
            return self.append_said(draft(self.now_ms(), body, attributes), false, bytes, rows).await;
        }
        let access = Access::of_change(by, action, self.name(), attributes, self.now_ms());
        // Kept for good, as the log's own entry would be: what was erased, and what is held, rests on it.
        let draft = draft(self.now_ms(), Body::Access, access.into_attributes());
        self.shared().control()?.append_said(draft, true, bytes, rows).await
    }

    /// Of the control log: says who read or changed what, in one commit with rows that need at most `bytes`.
    pub(crate) async fn say_access(
        &self,
        access: Access,
        bytes: usize,
        rows: impl FnOnce(Said, &mut Batch) + Send + 'static,
    ) -> Result<Said, LedgerError> {
        self.append_said(self.access_draft(access), true, bytes, rows).await
    }

    async fn append_said(
        &self,
        draft: Draft,
        in_control: bool,
        bytes: usize,
        rows: impl FnOnce(Said, &mut Batch) + Send + 'static,
    ) -> Result<Said, LedgerError> {
        let sealed = self.sealer().seal_all(vec![draft]).await?;
        let prepared = Prepared::new(self.id(), sealed)
            .with_rows(bytes, move |index, batch| rows(Said { in_control, index }, batch));
        let appended = self.intake().submit(Box::new(prepared)).await?.await?;
        Ok(Said { in_control, index: appended.first_index })
    }

    /// Whether this log takes what it says of itself: an opaque log has no such entries, and a frozen one takes none.
    pub(crate) fn says_its_changes(&self) -> bool {
        self.mode() == Mode::Records && !self.intake().is_frozen()
    }

    /// Whether it is the server's own.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.id() == CONTROL_ID
    }

    /// Refuses what the control log is not for.
    pub(crate) fn require_not_control(&self, words: &str) -> Result<(), LedgerError> {
        if self.is_control() { Err(LedgerError::Conflict(words.to_owned())) } else { Ok(()) }
    }

    /// Of the control log: what one of its entries says, and how long it is kept.
    fn access_draft(&self, access: Access) -> Draft {
        let class = self.class(CLASS);
        let chosen = Some(Chosen { class: CLASS.to_owned(), rule: "control".to_owned() });
        let retention = class.map(|class| Retention { chosen, class });
        Draft { retention, ..draft(self.now_ms(), Body::Access, access.into_attributes()) }
    }
}

impl Shared {
    /// The control log.
    pub(crate) fn control(&self) -> Result<Arc<Log>, LedgerError> {
        let control = self.control.get().and_then(Weak::upgrade);
        control.ok_or_else(|| LedgerError::Internal("the control log is not open".to_owned()))
    }

    /// Says a change in the control log, in one commit with rows that need at most `bytes`; where the control log was
    /// never opened, only the rows are written.
    pub(crate) async fn say_change(
        &self,
        access: Access,
        bytes: usize,
        rows: impl FnOnce(&mut Batch) + Send + 'static,
    ) -> Result<(), LedgerError> {
        if self.control.get().is_some() {
            self.control()?.say_access(access, bytes, move |_, batch| rows(batch)).await?;
            return Ok(());
        }
        let mut batch = Batch::new();
        rows(&mut batch);
        if batch.is_empty() { Ok(()) } else { self.commit(batch).await }
    }
}
