//! Erasure on request: of one record, or of all that concern a person.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::erase::{Asked, Candidate, Examined, Verdict, Why};
use super::id_text;
use crate::error::LedgerError;
use crate::limits::{ERASED_AT_ONCE, ERASURE_REASON_BYTES_MAX, REFUSALS_NAMED_MAX, SUBJECT_PAGE_RECORDS};
use crate::log::Log;
use crate::search::{Order, Search};

/// What somebody wants erased.
///
/// It has no `Debug`: it may name a person.
#[derive(Clone, PartialEq, Eq)]
pub enum Target {
    /// One entry.
    Index(u64),
    /// Every record that names this person, as it came or by a pseudonym.
    Subject(String),
}

/// What a request for erasure came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requested {
    /// Names it: 16 hex digits. Its entries say it too.
    pub id: String,
    /// How many records were erased.
    pub erased: u64,
    /// From when on no copy of the store opens them, in milliseconds since the Unix epoch.
    pub complete_at_ms: u64,
    /// What was not, and why; at most [`REFUSALS_NAMED_MAX`] of them.
    pub refused: Vec<Refused>,
}

/// A record that can't be erased now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its index.
    pub index: u64,
    /// Why.
    pub why: Refusal,
}

/// Why a record can't be erased now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The hold of this id covers it.
    Held(u64),
    /// Its class's minimum stands: until then, in milliseconds since the Unix epoch, or until an event closes it.
    Minimum(Option<u64>),
}

impl Log {
    /// Erases what somebody asked for, but for what is held or whose minimum stands. The public entries tell neither which
    /// nor how many.
    ///
    /// # Errors
    /// [`LedgerError::Held`], [`LedgerError::Minimum`] and [`LedgerError::Erased`] for a single entry;
    /// [`LedgerError::NotFound`] where there is none; [`LedgerError::Conflict`] for what the log says of itself.
    pub async fn erase_on_request(
        &self,
        target: &Target,
        reason: &str,
        by: &str,
        approved_by: Option<&str>,
    ) -> Result<Requested, LedgerError> {
        self.require_records()?;
        check_reason(reason)?;
        self.carry_out_closings().await?;
        let id = id_text(self.fresh_id());
        let asked = Asked {
            id: id.clone(),
            by: by.to_owned(),
            approved_by: approved_by.map(str::to_owned),
            reason: reason.to_owned(),
        };
        let why = Why::Asked(Arc::new(asked));
        let mut requested = Requested {
            id,
            erased: 0,
            complete_at_ms: self.complete_at_ms(self.now_ms()),
            refused: Vec::new(),
        };
        match target {
            Target::Index(index) => self.erase_one(*index, &why, &mut requested).await?,
            Target::Subject(subject) => self.erase_subject(subject, &why, &mut requested).await?,
        }
        Ok(requested)
    }

    async fn erase_one(&self, index: u64, why: &Why, requested: &mut Requested) -> Result<(), LedgerError> {
        if index >= self.tree().head().checkpoint.size {
            return Err(LedgerError::NotFound(format!("the published tree has no entry {index}")));
        }
        let examined = self.erase(&[Candidate { index, first: None }], why).await?;
        match examined.first().map(|examined| &examined.verdict) {
            Some(Verdict::Goes) => {
                requested.erased = 1;
                Ok(())
            }
            Some(Verdict::Held(hold)) => Err(LedgerError::Held(id_text(*hold))),
            Some(Verdict::Minimum(until)) => Err(LedgerError::Minimum(*until)),
            Some(Verdict::Kept | Verdict::NotDue) => Err(LedgerError::Conflict(format!(
                "entry {index} is what the log says of itself, which is not erased on request"
            ))),
            None => Err(self.gone(index).await?),
        }
    }

    async fn erase_subject(
        &self,
        subject: &str,
        why: &Why,
        requested: &mut Requested,
    ) -> Result<(), LedgerError> {
        let indices: Vec<u64> = self.concerning(subject).await?.into_iter().collect();
        for some in indices.chunks(ERASED_AT_ONCE) {
            let some: Vec<Candidate> =
                some.iter().map(|index| Candidate { index: *index, first: None }).collect();
            for Examined { index, verdict, .. } in self.erase(&some, why).await? {
                let why = match verdict {
                    Verdict::Goes => {
                        requested.erased += 1;
                        continue;
                    }
                    Verdict::Held(hold) => Refusal::Held(hold),
                    Verdict::Minimum(until) => Refusal::Minimum(until),
                    Verdict::Kept | Verdict::NotDue => continue,
                };
                if requested.refused.len() < REFUSALS_NAMED_MAX {
                    requested.refused.push(Refused { index, why });
                }
            }
        }
        Ok(())
    }

    /// All records that name a person: who did it, to whose account, what it was done to, or anybody else in it.
    async fn concerning(&self, subject: &str) -> Result<BTreeSet<u64>, LedgerError> {
        if subject.is_empty() {
            return Err(LedgerError::BadRequest("a subject has at least one character".to_owned()));
        }
        let named = || Some(subject.to_owned());
        let base = || Search { order: Order::Ascending, reidentify: true, ..Search::default() };
        let searches = [
            Search { actor: named(), ..base() },
            Search { resource: named(), ..base() },
            Search { person: named(), ..base() },
        ];
        let mut indices = BTreeSet::new();
        for search in searches {
            let mut after = None;
            loop {
                let page = self.search(&search, after, SUBJECT_PAGE_RECORDS).await?;
                indices.extend(page.records.iter().map(|record| record.index));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(indices)
    }
}

pub(crate) fn check_reason(reason: &str) -> Result<(), LedgerError> {
    if reason.trim().is_empty() || reason.len() > ERASURE_REASON_BYTES_MAX {
        let words =
            format!("what is given up or erased has a reason of 1 to {ERASURE_REASON_BYTES_MAX} bytes");
        return Err(LedgerError::BadRequest(words));
    }
    Ok(())
}
