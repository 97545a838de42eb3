//! Changes that wait for a second person: a pipeline that takes more away than the one before, a class that keeps less long.
//!
//! What is to change stands in a row, as it will when it has changed; who asked is said in the control log too.

use cairnlog_store::{Batch, Family, Scan, layout};
use serde::{Deserialize, Serialize};

use super::{Binding, Log};
use crate::access::{Access, Activity, Who};
use crate::class::Class;
use crate::error::LedgerError;
use crate::limits::PENDING_MAX;
use crate::manifest::Manifest;
use crate::retain::id_text;
use crate::source::SourceSpec;

/// A change that waits for another person's approval.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// Names it: 16 hex digits.
    pub id: String,
    /// What is to change.
    pub change: Change,
    /// Who asked: the id of a token.
    pub by: String,
    /// Since when, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// What is to change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// The pipeline of a source.
    Source {
        /// The source's name.
        name: String,
        /// What it is to be bound to; its nonce is made anew when it is.
        manifest: Box<Manifest>,
    },
    /// A retention class.
    Class {
        /// Its name.
        name: String,
        /// What it is to be.
        class: Class,
    },
}

/// What an approval did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approved {
    /// The source is bound.
    Source(Binding),
    /// The class is set.
    Class,
}

/// What a row says.
#[derive(Serialize, Deserialize)]
struct Row {
    change: Change,
    by: String,
    at_ms: u64,
}

impl Change {
    /// What is changed: a later proposal of the same takes an earlier one's place.
    fn target(&self) -> (&'static str, &str) {
        match self {
            Self::Source { name, .. } => ("source", name),
            Self::Class { name, .. } => ("class", name),
        }
    }
}

impl Log {
    /// Notes the binding of a source for another person to approve, if its pipeline has redactors that the present one has
    /// not: the id of the change. Otherwise nothing waits, and it can be bound.
    ///
    /// # Errors
    /// Those of [`put_source`](Self::put_source); [`LedgerError::Conflict`] where too much waits.
    pub async fn propose_source(
        &self,
        source: &str,
        spec: SourceSpec,
        by: impl Into<Who>,
    ) -> Result<Option<String>, LedgerError> {
        let (manifest, _) = self.try_source(source, spec).await?;
        let kept = self.source(source).map(|info| info.manifest.redactors.clone()).unwrap_or_default();
        if manifest.redactors.iter().all(|redactor| kept.contains(redactor)) {
            return Ok(None);
        }
        let change = Change::Source { name: source.to_owned(), manifest: Box::new(manifest) };
        self.propose(change, by.into()).await.map(Some)
    }

    /// Notes a class for another person to approve, if it keeps less long than the present one of its name: the id of the
    /// change. Otherwise nothing waits, and it can be set.
    ///
    /// # Errors
    /// Those of [`put_class`](Self::put_class); [`LedgerError::Conflict`] where too much waits.
    pub async fn propose_class(
        &self,
        name: &str,
        class: Class,
        by: impl Into<Who>,
    ) -> Result<Option<String>, LedgerError> {
        self.check_class(name, &class)?;
        if !self.class(name).is_some_and(|before| class.shortens(&before)) {
            return Ok(None);
        }
        self.propose(Change::Class { name: name.to_owned(), class }, by.into()).await.map(Some)
    }

    async fn propose(&self, change: Change, by: Who) -> Result<String, LedgerError> {
        let _changing = self.changing.lock().await;
        let waiting = self.waiting_changes().await?;
        if waiting.len() >= PENDING_MAX {
            let words = format!("{PENDING_MAX} changes wait for approval, the most that may");
            return Err(LedgerError::Conflict(words));
        }
        let replaced = waiting.into_iter().filter(|waiting| waiting.change.target() == change.target());
        let replaced: Vec<Vec<u8>> = replaced.filter_map(|waiting| self.change_key(&waiting.id)).collect();
        let id = self.fresh_id();
        let access = self.access_of(&change, &id_text(id), "propose", &by);
        let key = layout::change_key(self.id(), id);
        let row = Row { change, by: by.uid, at_ms: self.now_ms() };
        let row = serde_json::to_vec(&row).map_err(LedgerError::internal)?;
        let bytes = row.len() + (replaced.len() + 1) * key.len();
        let rows = move |batch: &mut Batch| {
            for key in replaced {
                batch.delete(Family::Sources, key);
            }
            batch.put(Family::Sources, key, row);
        };
        self.shared().say_change(access, bytes, rows).await?;
        Ok(id_text(id))
    }

    /// Carries out what another person has proposed.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]; [`LedgerError::Conflict`] where the same token proposed it; those of
    /// [`put_source`](Self::put_source) and [`put_class`](Self::put_class), and then it still waits.
    pub async fn approve_change(&self, id: &str, by: impl Into<Who>) -> Result<Approved, LedgerError> {
        let (by, waiting) = (by.into(), self.waiting_change(id).await?);
        if waiting.by == by.uid {
            let words = "who proposes a change does not approve it; another token has to";
            return Err(LedgerError::Conflict(words.to_owned()));
        }
        let access = self.access_of(&waiting.change, id, "approve", &by);
        self.shared().say_change(access, 0, |_| {}).await?;
        let approved = match waiting.change {
            Change::Source { name, manifest } => {
                Approved::Source(self.put_source(&name, (*manifest).into(), waiting.by).await?)
            }
            Change::Class { name, class } => {
                self.put_class(&name, class, &waiting.by).await?;
                Approved::Class
            }
        };
        let mut done = Batch::new();
        done.delete(Family::Sources, self.change_key(id).ok_or_else(unknown)?);
        self.shared().commit(done).await?;
        Ok(approved)
    }

    /// Takes a proposal back.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`], or the store.
    pub async fn withdraw_change(&self, id: &str, by: impl Into<Who>) -> Result<(), LedgerError> {
        let waiting = self.waiting_change(id).await?;
        let access = self.access_of(&waiting.change, id, "withdraw", &by.into());
        let key = self.change_key(id).ok_or_else(unknown)?;
        self.shared().say_change(access, key.len(), move |batch| batch.delete(Family::Sources, key)).await
    }

    async fn waiting_change(&self, id: &str) -> Result<Waiting, LedgerError> {
        let waiting = self.waiting_changes().await?.into_iter().find(|waiting| waiting.id == id);
        waiting.ok_or_else(unknown)
    }

    /// The changes that wait for approval.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn waiting_changes(&self) -> Result<Vec<Waiting>, LedgerError> {
        let scan = Scan::prefix(Family::Sources, layout::changes_prefix(self.id()), PENDING_MAX);
        let damaged = || LedgerError::Internal("a row of a change that waits is damaged".to_owned());
        let rows = self.engine().scan(scan).await?.into_iter().map(|(key, row)| {
            let id = layout::parse_change_key(&key).ok_or_else(damaged)?;
            let Row { change, by, at_ms } = serde_json::from_slice(&row).map_err(|_| damaged())?;
            Ok(Waiting { id: id_text(id), change, by, at_ms })
        });
        rows.collect()
    }

    fn change_key(&self, id: &str) -> Option<Vec<u8>> {
        Some(layout::change_key(self.id(), u64::from_str_radix(id, 16).ok()?))
    }

    fn access_of(&self, change: &Change, id: &str, verb: &str, by: &Who) -> Access {
        let (kind, name) = change.target();
        Access::new(by, Activity::Update, &format!("changes.{verb}"), self.now_ms())
            .of("log", self.name())
            .of(kind, &format!("{}/{name}", self.name()))
            .of("change", id)
    }
}

fn unknown() -> LedgerError {
    LedgerError::NotFound("no change of this id waits for approval".to_owned())
}
