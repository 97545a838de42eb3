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

/// What became of a change that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put<T> {
    /// It is made.
    Done(T),
    /// It waits for another person's approval under this id.
    Waits(String),
}

/// What a row says.
#[derive(Serialize, Deserialize)]
struct Row {
    change: Change,
    /// What was there when it was proposed: what a person approves is the step from there.
    before: Option<Change>,
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

    /// Whether it says the same, whatever nonce a manifest has.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Source { manifest: one, .. }, Self::Source { manifest: other, .. }) => {
                (&one.normalizer, &one.redactors, &one.retention)
                    == (&other.normalizer, &other.redactors, &other.retention)
            }
            (one, other) => one == other,
        }
    }
}

impl Log {
    /// Binds a source; where two persons are needed and its pipeline has redactors that the present one has not, notes it for
    /// another one to approve instead.
    ///
    /// # Errors
    /// Those of [`put_source`](Self::put_source); [`LedgerError::Conflict`] where too much waits.
    pub async fn change_source(
        &self,
        source: &str,
        spec: SourceSpec,
        by: impl Into<Who>,
        two_persons: bool,
    ) -> Result<Put<Binding>, LedgerError> {
        // Nothing comes between the look and the deed.
        let _approving = self.approving.lock().await;
        let by = by.into();
        if two_persons {
            let (manifest, _) = self.try_source(source, spec.clone()).await?;
            let kept = self.source(source).map(|info| info.manifest.redactors.clone()).unwrap_or_default();
            if !manifest.redactors.iter().all(|redactor| kept.contains(redactor)) {
                let change = Change::Source { name: source.to_owned(), manifest: Box::new(manifest) };
                return self.propose(change, by).await.map(Put::Waits);
            }
        }
        self.put_source(source, spec, by).await.map(Put::Done)
    }

    /// Sets a class; where two persons are needed and it keeps less long than the present one of its name, notes it for another
    /// one to approve instead. True if it is new.
    ///
    /// # Errors
    /// Those of [`put_class`](Self::put_class); [`LedgerError::Conflict`] where too much waits.
    pub async fn change_class(
        &self,
        name: &str,
        class: Class,
        by: impl Into<Who>,
        two_persons: bool,
    ) -> Result<Put<bool>, LedgerError> {
        let _approving = self.approving.lock().await;
        let by = by.into();
        self.check_class(name, &class)?;
        if two_persons && self.class(name).is_some_and(|before| class.shortens(&before)) {
            return self.propose(Change::Class { name: name.to_owned(), class }, by).await.map(Put::Waits);
        }
        self.put_class(name, class, &by.uid).await.map(Put::Done)
    }

    async fn propose(&self, change: Change, by: Who) -> Result<String, LedgerError> {
        let (replaced, others): (Vec<_>, Vec<_>) = self
            .waiting_rows()
            .await?
            .into_iter()
            .partition(|(_, row)| row.change.target() == change.target());
        if others.len() >= PENDING_MAX {
            let words = format!("{PENDING_MAX} changes wait for approval, the most that may");
            return Err(LedgerError::Conflict(words));
        }
        let replaced: Vec<Vec<u8>> =
            replaced.into_iter().map(|(id, _)| layout::change_key(self.id(), id)).collect();
        let id = self.fresh_id();
        let access = self.access_of(&change, &id_text(id), "propose", &by);
        let key = layout::change_key(self.id(), id);
        let before = self.present(&change);
        let row = Row { change, before, by: by.uid, at_ms: self.now_ms() };
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

    /// What is there of a change's target.
    fn present(&self, change: &Change) -> Option<Change> {
        match change {
            Change::Source { name, .. } => self
                .source(name)
                .map(|info| Change::Source { name: name.clone(), manifest: Box::new(info.manifest.clone()) }),
            Change::Class { name, .. } => {
                self.class(name).map(|class| Change::Class { name: name.clone(), class })
            }
        }
    }

    /// Carries out what another person has proposed. One that a crash left behind though it was carried out waits no more.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]; [`LedgerError::Conflict`] where the same token proposed it, or where what it changes is no
    /// longer as it was; those of [`put_source`](Self::put_source) and [`put_class`](Self::put_class), and then it still waits.
    pub async fn approve_change(&self, id: &str, by: impl Into<Who>) -> Result<Approved, LedgerError> {
        let _approving = self.approving.lock().await;
        let by = by.into();
        let (key, row) = self.waiting_row(id).await?;
        if row.by == by.uid {
            let words = "who proposes a change does not approve it; another token has to";
            return Err(LedgerError::Conflict(words.to_owned()));
        }
        let present = self.present(&row.change);
        let is_like = |one: &Option<Change>, other: &Option<Change>| match (one, other) {
            (Some(one), Some(other)) => one.is_like(other),
            (one, other) => one.is_none() && other.is_none(),
        };
        let is_made = present.as_ref().is_some_and(|present| present.is_like(&row.change));
        if !is_made && !is_like(&present, &row.before) {
            let words = "what it changes was changed since it was proposed; let it be proposed anew";
            return Err(LedgerError::Conflict(words.to_owned()));
        }
        let access = self.access_of(&row.change, id, "approve", &by);
        self.shared().say_change(access, 0, |_| {}).await?;
        let approved = match row.change {
            Change::Source { name, manifest } => {
                Approved::Source(self.put_source(&name, (*manifest).into(), row.by).await?)
            }
            Change::Class { name, class } => {
                self.put_class(&name, class, &row.by).await?;
                Approved::Class
            }
        };
        let mut done = Batch::new();
        done.delete(Family::Sources, key);
        self.shared().commit(done).await?;
        Ok(approved)
    }

    /// Takes a proposal back.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`], or the store.
    pub async fn withdraw_change(&self, id: &str, by: impl Into<Who>) -> Result<(), LedgerError> {
        let _approving = self.approving.lock().await;
        let (key, row) = self.waiting_row(id).await?;
        let access = self.access_of(&row.change, id, "withdraw", &by.into());
        self.shared().say_change(access, key.len(), move |batch| batch.delete(Family::Sources, key)).await
    }

    /// The changes that wait for approval.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn waiting_changes(&self) -> Result<Vec<Waiting>, LedgerError> {
        let waiting = |(id, Row { change, by, at_ms, .. })| Waiting { id: id_text(id), change, by, at_ms };
        Ok(self.waiting_rows().await?.into_iter().map(waiting).collect())
    }

    async fn waiting_row(&self, id: &str) -> Result<(Vec<u8>, Row), LedgerError> {
        let found = self.waiting_rows().await?.into_iter().find(|(number, _)| id_text(*number) == id);
        let (number, row) = found
            .ok_or_else(|| LedgerError::NotFound("no change of this id waits for approval".to_owned()))?;
        Ok((layout::change_key(self.id(), number), row))
    }

    async fn waiting_rows(&self) -> Result<Vec<(u64, Row)>, LedgerError> {
        let scan = Scan::prefix(Family::Sources, layout::changes_prefix(self.id()), PENDING_MAX + 1);
        let damaged = || LedgerError::Internal("a row of a change that waits is damaged".to_owned());
        let rows = self.engine().scan(scan).await?.into_iter().map(|(key, row)| {
            let id = layout::parse_change_key(&key).ok_or_else(damaged)?;
            Ok((id, serde_json::from_slice(&row).map_err(|_| damaged())?))
        });
        rows.collect()
    }

    fn access_of(&self, change: &Change, id: &str, verb: &str, by: &Who) -> Access {
        let (kind, name) = change.target();
        Access::new(by, Activity::Update, &format!("changes.{verb}"), self.now_ms())
            .of("log", self.name())
            .of(kind, &format!("{}/{name}", self.name()))
            .of("change", id)
    }
}
