//! Quarantined raw records: looked at, run through their source's pipeline again, or given up.
//!
//! A retry runs the raw record exactly as it came, at the time at which it came. What it gives is logged together with a
//! `release` entry that names the quarantine entry and the first record, and the raw bytes go, in one commit. To name an entry of its own
//! commit the release has to know where that will stand, so for that commit nobody else writes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cairnlog_store::{Batch, Family, Scan, layout};
use cairnlog_verify::Hash;
use cairnlog_verify::entry::{Body, Outcome};
use cairnlog_verify::event::Attribute;
use cairnlog_verify::raw::DecodedInput;

use super::chunk::Request;
use super::lot::{Done, Duplicate, with_entities, with_seen};
use super::trial::{Trial, TrialFate, Tried};
use crate::access::{Access, Activity, Who};
use crate::control::Saying;
use crate::error::LedgerError;
use crate::inflight::Fingerprint;
use crate::limits::{QUARANTINE_ROWS_READ, QUARANTINE_TRIED, RETRIED_MAX};
use crate::log::{Log, Ready, draft};
use crate::manifest::Manifest;
use crate::pipeline::Pipeline;
use crate::prepared::Prepared;
use crate::read::{Opened, Opening, Rows};
use crate::retain::id_text;
use crate::retain::request::check_reason;
use crate::said;
use crate::seen::{Logged, Sighting};
use crate::source::SourceSpec;
use crate::worker::Sealed;
use crate::wrap::Quarantined;

/// A raw record that no pipeline could process: what may be known of it without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// The index of its quarantine entry.
    pub index: u64,
    /// The entry's leaf hash.
    pub leaf_hash: Hash,
    /// The source that it came to.
    pub source: String,
    /// When, in milliseconds since the Unix epoch.
    pub received_ms: u64,
    /// A stable word: `rejected`, `trap`, `too-large` …
    pub reason: String,
    /// What happened, in the plugin's or the server's words.
    pub detail: String,
    /// Bytes of its body.
    pub size: u64,
}

/// What became of a raw record that was tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    /// The index of its quarantine entry.
    pub index: u64,
    /// Its fate.
    pub fate: RetryFate,
}

/// The fate of a raw record that was tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetryFate {
    /// Logged: the index of its first record, and how many it gave.
    Logged {
        /// The index of the first.
        first: u64,
        /// How many.
        records: u64,
    },
    /// Nothing in it is worth a record, or it was logged since in another way; why.
    Skipped(String),
    /// It is still not understood; why.
    Quarantined(String),
    /// A legal hold covers it: its id.
    Held(String),
    /// It is no longer there, was never quarantined, or its source is not bound; why.
    Absent(String),
}

/// What is told of a trial to someone who may not read the record: nothing that plugins make of it or say.
///
/// A pipeline that is in no log could spell the record out, in its reasons' words or in the fuel that it burns: of one there is the fate
/// and a stable word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its fate.
    pub fate: TrialFate,
    /// Why it would not be logged.
    pub reason: Option<String>,
    /// Fuel that all stages spent on it, of the source's own pipeline.
    pub fuel: Option<u64>,
}

/// A raw record that was read back.
struct Kept {
    opened: Opened,
    salt: [u8; 32],
    input: DecodedInput,
}

impl Log {
    /// The quarantined raw records from that index on, at most so many, of one source or of all; and the index from which to go
    /// on, if there may be more.
    ///
    /// # Errors
    /// [`LedgerError`] where one does not open.
    pub async fn quarantined(
        &self,
        source: Option<&str>,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<SetAside>, Option<u64>), LedgerError> {
        self.require_records()?;
        let mut found = Vec::new();
        let mut scan = Scan {
            from: layout::quarantine_key(self.id(), from),
            ..Scan::prefix(Family::Quarantine, layout::log_key(self.id()), QUARANTINE_ROWS_READ)
        };
        let mut tried = 0;
        loop {
            let rows = self.engine().scan(scan.clone()).await?;
            let Some((last, _)) = rows.last() else { return Ok((found, None)) };
            scan.behind(last);
            for (key, _) in &rows {
                let (_, index) = layout::parse_index_key(key).ok_or_else(damaged)?;
                if found.len() == limit || tried == QUARANTINE_TRIED {
                    return Ok((found, Some(index)));
                }
                tried += 1;
                // One that was released or erased while this was read is none any more.
                let Some(opened) = self.open_entry(index).await? else { continue };
                let aside = SetAside::of(&opened).ok_or_else(damaged)?;
                if source.is_none_or(|source| source == aside.source) {
                    found.push(aside);
                }
            }
        }
    }

    /// Runs quarantined raw records through the pipelines that their sources have now, one after the other.
    ///
    /// # Errors
    /// [`LedgerError::BadRequest`] for too many; [`LedgerError::Frozen`]; [`LedgerError`] where one does not open. What was
    /// done before is done then.
    pub async fn retry(&self, indices: &[u64], by: impl Into<Who>) -> Result<Vec<Retried>, LedgerError> {
        self.check_retry(indices)?;
        self.intake().check()?;
        let by = by.into();
        self.say_retry(&by, "quarantine.retry", indices.len(), None).await?;
        let mut all = Vec::with_capacity(indices.len());
        for index in indices {
            let fate = match self.retry_one(*index, &by).await {
                // What concerns one record stops none behind it.
                Err(error @ (LedgerError::TooLarge | LedgerError::Interrupted)) => {
                    RetryFate::Quarantined(error.to_string())
                }
                fate => fate?,
            };
            all.push(Retried { index: *index, fate });
        }
        Ok(all)
    }

    /// What a retry would come to, with the pipeline that the source has or, with `spec`, that one.
    ///
    /// # Errors
    /// As [`retry`](Self::retry); those of [`put_source`](Log::put_source) for a `spec` that can't be bound.
    pub async fn retry_dry(
        &self,
        indices: &[u64],
        spec: Option<&SourceSpec>,
        by: impl Into<Who>,
    ) -> Result<Vec<(u64, Option<Told>)>, LedgerError> {
        self.check_retry(indices)?;
        let manifest = match spec {
            Some(spec) => Some(spec.clone().resolve(&self.shared().registry, String::new())?),
            None => None,
        };
        self.say_retry(&by.into(), "quarantine.try", indices.len(), manifest.as_ref()).await?;
        // One a source.
        let mut pipelines: BTreeMap<String, Arc<Pipeline>> = BTreeMap::new();
        let mut all = Vec::with_capacity(indices.len());
        for index in indices {
            let Some(kept) = self.quarantined_raw(*index).await? else {
                all.push((*index, None));
                continue;
            };
            if self.held_by(&kept.opened).is_some() {
                all.push((*index, None));
                continue;
            }
            let DecodedInput { received_ms, source, content_type, attributes, body } = kept.input;
            let Ok(ready) = self.ready(&source) else {
                all.push((*index, None));
                continue;
            };
            let pipeline = match (pipelines.get(&source), spec) {
                (Some(known), _) => Arc::clone(known),
                (None, Some(spec)) => Arc::new(self.try_source(&source, spec.clone()).await?.1),
                (None, None) => Arc::clone(&ready.pipeline),
            };
            pipelines.insert(source.clone(), Arc::clone(&pipeline));
            // As a retry has it: what one fails on says nothing of the next.
            let pipeline = Arc::new(pipeline.apart());
            let ready = Ready { pipeline, canary: None, ..ready };
            let turn = source.clone();
            let tried = Tried { ready, received_ms, source, content_type, attributes };
            let trial = self.on_worker(&turn, move || tried.run(&Bytes::from(body))).await?;
            all.push((*index, Some(Told::of(trial, spec.is_some()))));
        }
        Ok(all)
    }

    /// Says in the control log who tries what is in quarantine, and with which pipeline, if it is not the source's.
    async fn say_retry(
        &self,
        by: &Who,
        operation: &str,
        records: usize,
        manifest: Option<&Manifest>,
    ) -> Result<(), LedgerError> {
        let records = said::integer("quarantine.records", i64::try_from(records).unwrap_or(i64::MAX));
        let mut access = Access::new(by, Activity::Update, operation, self.now_ms()).of("log", self.name());
        if let Some(manifest) = manifest {
            access = access.of("pipeline", &manifest.content()?.to_string());
            for plugin in manifest.plugins() {
                access = access.of("plugin", &plugin.to_string());
            }
        }
        self.shared().say_change(access.with([records]), 0, |_| {}).await
    }

    fn check_retry(&self, indices: &[u64]) -> Result<(), LedgerError> {
        self.require_records()?;
        if indices.len() > RETRIED_MAX {
            let words = format!("at most {RETRIED_MAX} raw records are tried again at once");
            return Err(LedgerError::BadRequest(words));
        }
        Ok(())
    }

    /// Gives a quarantined raw record up: its bytes go, and an entry says so.
    ///
    /// # Errors
    /// [`LedgerError::BadRequest`] for a reason that is none; [`LedgerError::NotFound`]; [`LedgerError::Held`].
    pub async fn discard(&self, index: u64, reason: &str, by: &str) -> Result<(), LedgerError> {
        self.require_records()?;
        check_reason(reason)?;
        let _turn = self.keeping().turn.lock().await;
        let Some(kept) = self.quarantined_raw(index).await? else {
            return Err(LedgerError::NotFound(format!("there is no raw record in quarantine at {index}")));
        };
        if let Some(hold) = self.held_by(&kept.opened) {
            return Err(LedgerError::Held(hold));
        }
        let saying = Saying {
            body: Body::Release { of: index, outcome: Outcome::Discarded },
            attributes: release_said(by, reason),
            by: by.to_owned(),
            action: "quarantine.discard",
        };
        let key = layout::quarantine_key(self.id(), index);
        self.say(saying, key.len(), move |_, batch| batch.delete(Family::Quarantine, key)).await?;
        self.diagnostics().clear();
        Ok(())
    }

    async fn retry_one(&self, index: u64, by: &Who) -> Result<RetryFate, LedgerError> {
        // No sweep and no hold comes between the look and the deed.
        let _turn = self.keeping().turn.lock().await;
        let Some(Kept { opened, salt, input }) = self.quarantined_raw(index).await? else {
            return Ok(RetryFate::Absent("it is not in quarantine".to_owned()));
        };
        if let Some(hold) = self.held_by(&opened) {
            return Ok(RetryFate::Held(hold));
        }
        let ready = match self.ready(&input.source) {
            Ok(ready) => ready,
            Err(LedgerError::NotFound(words)) => return Ok(RetryFate::Absent(words)),
            Err(error) => return Err(error),
        };
        // What was set aside says nothing of what comes in now.
        let ready = Ready { pipeline: Arc::new(ready.pipeline.apart()), canary: None, ..ready };
        let now_ms = self.now_ms();
        let windows = self.windows(now_ms).await?;
        let DecodedInput { received_ms, source, content_type, attributes, body } = input;
        let request = Arc::new(Request {
            log: self.id(),
            ready,
            windows,
            received_ms,
            now_ms,
            source,
            content_type,
            attributes,
            openings: false,
            salt: Some(salt),
            leaves: AtomicUsize::new(0),
            opening_bytes: AtomicUsize::new(0),
            entities: Mutex::default(),
            picked: Mutex::default(),
        });
        let mut read = match self.normalize(&request, vec![Bytes::from(body)]).await {
            Ok(read) => read,
            Err(LedgerError::Rejected { words, .. }) => return Ok(RetryFate::Quarantined(words)),
            Err(error) => return Err(error),
        };
        let names = read.iter().filter_map(|read| read.sighting.as_ref()).flat_map(Sighting::fingerprints);
        let names: Vec<Fingerprint> = names.collect();
        let _held = self.inflight().reserve(names).await;
        self.mark_duplicates(&mut read, now_ms).await?;
        let done = match self.seal(&request, read).await {
            Ok(mut done) => done.pop(),
            Err(LedgerError::Rejected { words, .. }) => return Ok(RetryFate::Quarantined(words)),
            Err(error) => return Err(error),
        };
        match done {
            Some(Done::Logged(sealed, sighting, _)) => {
                let entities = request.new_entities();
                self.release_logged(index, sealed, sighting, entities, by).await
            }
            Some(Done::Quarantined(_, reason, _)) => Ok(RetryFate::Quarantined(reason)),
            Some(Done::Skipped(why)) => self.release_skipped(index, why, by).await,
            Some(Done::Duplicate(duplicate)) => {
                let at = match duplicate {
                    Duplicate::Earlier(Logged { first, .. }) => {
                        format!("its event was logged as entry {first}")
                    }
                    Duplicate::Twin(_) => "its event was logged".to_owned(),
                };
                self.release_skipped(index, at, by).await
            }
            None => Err(LedgerError::Internal("a raw record was lost".to_owned())),
        }
    }

    /// One commit: the records, the entry that says where they came from, and the raw bytes gone.
    async fn release_logged(
        &self,
        of: u64,
        mut sealed: Vec<Sealed>,
        sighting: Option<Sighting>,
        entities: BTreeSet<String>,
        by: &Who,
    ) -> Result<RetryFate, LedgerError> {
        let records = sealed.len() as u64;
        let alone = self.intake().alone().await;
        let first = alone.next;
        let body = Body::Release { of, outcome: Outcome::Logged { first, records } };
        let release = draft(self.now_ms(), body, release_said(&by.uid, "retried"));
        sealed.extend(self.sealer().seal_all(vec![release]).await?);
        let id = self.id();
        let key = layout::quarantine_key(id, of);
        let events = u32::try_from(records).unwrap_or(u32::MAX);
        let sightings = sighting.map(|sighting| (0, events, sighting)).into_iter().collect();
        let prepared = with_seen(Prepared::new(id, sealed), id, self.now_ms(), sightings, None)
            .with_rows(key.len(), move |_, batch| batch.delete(Family::Quarantine, key))
            .expecting(first);
        let prepared = with_entities(prepared, id, &entities);
        let appended = alone.submit(Box::new(prepared)).await?;
        self.entities().add(entities);
        Ok(RetryFate::Logged { first: appended.first_index, records })
    }

    async fn release_skipped(&self, of: u64, why: String, by: &Who) -> Result<RetryFate, LedgerError> {
        let saying = Saying {
            body: Body::Release { of, outcome: Outcome::Skipped },
            attributes: release_said(&by.uid, &why),
            by: by.uid.clone(),
            action: "quarantine.skip",
        };
        let key = layout::quarantine_key(self.id(), of);
        let rows = move |_, batch: &mut Batch| batch.delete(Family::Quarantine, key);
        self.say(saying, layout::quarantine_key(self.id(), of).len(), rows).await?;
        Ok(RetryFate::Skipped(why))
    }

    fn held_by(&self, opened: &Opened) -> Option<String> {
        let holds = self.standing_holds();
        holds.iter().find(|hold| hold.covers(opened)).map(|hold| id_text(hold.id()))
    }

    /// A raw record in quarantine, read back and checked against what its entry commits to.
    async fn quarantined_raw(&self, index: u64) -> Result<Option<Kept>, LedgerError> {
        if index >= self.tree().head().checkpoint.size {
            return Ok(None);
        }
        let Some(row) =
            self.engine().get(Family::Quarantine, &layout::quarantine_key(self.id(), index)).await?
        else {
            return Ok(None);
        };
        let open = move |opening: &mut Opening<'_>, rows: &Rows| {
            let (opened, Quarantined { salt, input }) = opening.open_quarantined(rows, &row)?;
            let input = DecodedInput::decode(&input).ok_or_else(damaged)?;
            Ok(Kept { opened, salt, input })
        };
        self.opened_by(index, open).await
    }
}

impl Told {
    fn of(trial: Trial, is_unbound: bool) -> Self {
        let Trial { fate, reason, word, fuel, .. } = trial;
        if !is_unbound {
            return Self { fate, reason, fuel: Some(fuel) };
        }
        Self { fate, reason: word.map(str::to_owned), fuel: None }
    }
}

impl SetAside {
    fn of(opened: &Opened) -> Option<Self> {
        let text = |path: &str| opened.payload.text(path).map(str::to_owned);
        let size = opened.payload.integer("quarantine.size")?;
        Some(Self {
            index: opened.index,
            leaf_hash: opened.leaf_hash,
            source: opened.source()?.to_owned(),
            received_ms: opened.received_ms(),
            reason: text("quarantine.reason")?,
            detail: text("quarantine.detail")?,
            size: u64::try_from(size).ok()?,
        })
    }
}

fn release_said(by: &str, reason: &str) -> Vec<Attribute> {
    vec![said::text("release.by", by), said::text("release.reason", reason)]
}

fn damaged() -> LedgerError {
    LedgerError::Internal("a quarantined raw record is damaged; restore the store".to_owned())
}
