//! Erasures that wait for a second person.
//!
//! What is asked for stands sealed in the control log, where it is also said who asked; a row only says that it waits, and
//! where its entry is.

use cairnlog_store::{Batch, Family, Scan, layout};
use cairnlog_verify::event::Attribute;

use super::id_text;
use super::request::{Requested, Target, check_reason};
use crate::access::{Access, Activity, Who};
use crate::control::{SAID_BYTES, Said};
use crate::error::LedgerError;
use crate::limits::PENDING_MAX;
use crate::log::Log;
use crate::read::Opened;
use crate::said;

/// An erasure that waits for approval.
///
/// It has no `Debug`: it may name a person.
#[derive(Clone, PartialEq, Eq)]
pub struct Pending {
    /// Names it: 16 hex digits.
    pub id: String,
    /// What is to go.
    pub target: Target,
    /// Why.
    pub reason: String,
    /// Who asked: the id of a token.
    pub by: String,
    /// Since when, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

impl Log {
    /// Notes what somebody wants erased, for another person to approve; what it is called by.
    ///
    /// # Errors
    /// [`LedgerError::BadRequest`] for a reason that is none; [`LedgerError::Conflict`] where too much waits.
    pub async fn propose_erasure(
        &self,
        target: Target,
        reason: &str,
        by: &str,
    ) -> Result<String, LedgerError> {
        self.require_records()?;
        check_reason(reason)?;
        if let Target::Index(index) = target
            && index >= self.tree().head().checkpoint.size
        {
            return Err(LedgerError::NotFound(format!("the published tree has no entry {index}")));
        }
        let _turn = self.keeping().turn.lock().await;
        if self.pending_erasures().await?.len() >= PENDING_MAX {
            let words = format!("{PENDING_MAX} erasures wait for approval, the most that may");
            return Err(LedgerError::Conflict(words));
        }
        let id = self.fresh_id();
        let said = Access::new(&Who::from(by), Activity::Create, "retention.erasure.propose", self.now_ms())
            .of("log", self.name())
            .with(attributes(&target, reason));
        let key = layout::pending_key(self.id(), id);
        self.shared()
            .control()?
            .say_access(said, key.len() + SAID_BYTES, move |said, batch| {
                batch.put(Family::Erasures, key, said.to_bytes());
            })
            .await?;
        Ok(id_text(id))
    }

    /// Carries out what another person has asked for.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]; [`LedgerError::Conflict`] where the same token asked; those of
    /// [`erase_on_request`](Self::erase_on_request), and then it still waits, but for what is erased already.
    pub async fn approve_erasure(&self, id: &str, by: &str) -> Result<Requested, LedgerError> {
        let _approving = self.approving.lock().await;
        let pending = self.pending_erasures().await?.into_iter().find(|pending| pending.id == id);
        let Some(pending) = pending else {
            return Err(LedgerError::NotFound("no erasure of this id waits for approval".to_owned()));
        };
        if pending.by == by {
            let words = "who asks for an erasure does not approve it; another token has to";
            return Err(LedgerError::Conflict(words.to_owned()));
        }
        let requested = self.erase_on_request(&pending.target, &pending.reason, &pending.by, Some(by)).await;
        // What was erased meanwhile, perhaps by an approval that a crash cut off here, waits no more.
        if let Err(error) = &requested
            && !matches!(error, LedgerError::Erased(_))
        {
            return requested;
        }
        let mut done = Batch::new();
        let number = u64::from_str_radix(id, 16).map_err(LedgerError::internal)?;
        done.delete(Family::Erasures, layout::pending_key(self.id(), number));
        self.shared().commit(done).await?;
        Ok(Requested { id: id.to_owned(), ..requested? })
    }

    /// Takes back what waits for approval.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`], or the store.
    pub async fn withdraw_erasure(&self, id: &str, by: &str) -> Result<(), LedgerError> {
        let _approving = self.approving.lock().await;
        if !self.pending_erasures().await?.iter().any(|pending| pending.id == id) {
            return Err(LedgerError::NotFound("no erasure of this id waits for approval".to_owned()));
        }
        let number = u64::from_str_radix(id, 16).map_err(LedgerError::internal)?;
        let key = layout::pending_key(self.id(), number);
        let access =
            Access::new(&Who::from(by), Activity::Update, "retention.erasure.withdraw", self.now_ms())
                .of("log", self.name())
                .of("erasure", id);
        self.shared()
            .control()?
            .say_access(access, key.len(), move |_, batch| batch.delete(Family::Erasures, key))
            .await?;
        Ok(())
    }

    /// What waits for approval.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn pending_erasures(&self) -> Result<Vec<Pending>, LedgerError> {
        let mut all = Vec::new();
        for (key, row) in self.pending_rows().await? {
            let damaged = || LedgerError::Internal("a row of what waits for approval is damaged".to_owned());
            let id = layout::parse_pending_key(&key).ok_or_else(damaged)?;
            let Said { index, .. } = Said::from_bytes(&row).ok_or_else(damaged)?;
            let opened = self.shared().control()?.open_entry(index).await?;
            // Its entry in the control log is kept for its own time; what nobody approved until then is void.
            if let Some(opened) = opened {
                all.push(Pending::said(id, &opened).ok_or_else(damaged)?);
            }
        }
        Ok(all)
    }

    async fn pending_rows(&self) -> Result<Vec<cairnlog_store::Row>, LedgerError> {
        let scan = Scan::prefix(Family::Erasures, layout::pending_prefix(self.id()), PENDING_MAX);
        Ok(self.engine().scan(scan).await?)
    }
}

fn attributes(target: &Target, reason: &str) -> [Attribute; 2] {
    let target = match target {
        Target::Index(index) => said::text("erasure.index", &index.to_string()),
        Target::Subject(subject) => said::text("erasure.subject", subject),
    };
    [target, said::text("erasure.reason", reason)]
}

impl Pending {
    fn said(id: u64, opened: &Opened) -> Option<Self> {
        let text = |path: &str| opened.payload.text(path).map(str::to_owned);
        let target = match (text("unmapped.erasure.index"), text("unmapped.erasure.subject")) {
            (Some(index), None) => Target::Index(index.parse().ok()?),
            (None, Some(subject)) => Target::Subject(subject),
            _ => return None,
        };
        Some(Self {
            id: id_text(id),
            target,
            reason: text("unmapped.erasure.reason")?,
            by: text("actor.user.uid")?,
            at_ms: opened.received_ms(),
        })
    }
}
