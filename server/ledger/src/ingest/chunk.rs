//! One chunk of a request on a worker: from raw bytes to sealed entries.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use cairnlog_host::RawRecord;
use cairnlog_tlog::SUBMISSION_LEAVES_MAX;
use cairnlog_verify::entry::Body;
use cairnlog_verify::event::Event;
use cairnlog_verify::value::Value;
use zeroize::Zeroizing;

use super::lot::{Done, Duplicate};
use crate::canary::{self, Made, Picked};
use crate::class::Retention;
use crate::error::LedgerError;
use crate::limits::OPENINGS_BYTES_MAX;
use crate::log::Ready;
use crate::openings::{self, Openings};
use crate::payload::{NoteAction, RedactionNote};
use crate::pipeline::{Decided, Normalized, Refusal, Rules};
use crate::redact::Opening;
use crate::said::QuarantineSaid;
use crate::seen::{Sighting, Windows};
use crate::stage::Stage;
use crate::worker::Draft;
use crate::wrap::Quarantined;

/// The word for what is never given to a plugin, or not sealed, for its size.
const TOO_LARGE: &str = "too-large";

/// What all chunks of a request share.
pub(super) struct Request {
    pub(super) log: u32,
    pub(super) ready: Ready,
    pub(super) windows: Windows,
    pub(super) received_ms: u64,
    /// When it is run: later, where what was quarantined is tried again.
    pub(super) now_ms: u64,
    pub(super) source: String,
    pub(super) content_type: String,
    pub(super) attributes: Vec<(String, String)>,
    /// Whether the salts that are thrown away are to be handed back.
    pub(super) openings: bool,
    /// The salt of the only raw record's commitment, where there is one already; else each gets its own.
    pub(super) salt: Option<[u8; 32]>,
    /// Events and quarantined records of all chunks so far.
    pub(super) leaves: AtomicUsize,
    /// Bytes of openings of all chunks so far.
    pub(super) opening_bytes: AtomicUsize,
    /// Kinds of values that were pseudonymized in a chunk, and that the log does not know yet.
    pub(super) entities: Mutex<BTreeSet<String>>,
    /// The chunks that are tried with another pipeline too, once the request is durable.
    pub(super) picked: Mutex<Vec<Picked>>,
}

/// A raw record after its normalizer.
pub(super) struct Read {
    pub(super) body: Bytes,
    result: Normalized,
    /// Set where one of its events carries the source's own id.
    pub(super) sighting: Option<Sighting>,
    /// Set where it need not be written.
    pub(super) duplicate: Option<Duplicate>,
}

impl Request {
    fn raw<'a>(&'a self, body: &'a [u8]) -> RawRecord<'a> {
        RawRecord {
            received_ms: self.received_ms,
            source: &self.source,
            content_type: &self.content_type,
            attributes: &self.attributes,
            body,
        }
    }

    fn salt(&self) -> [u8; 32] {
        self.salt.unwrap_or_else(|| {
            let mut salt = [0; 32];
            self.ready.random.fill(&mut salt);
            salt
        })
    }

    /// Kinds of values that pseudonyms are made of for the first time.
    pub(super) fn new_entities(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.entities.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The chunks that are to be tried with another pipeline too.
    pub(super) fn picked(&self) -> Vec<Picked> {
        std::mem::take(&mut *self.picked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note_entities(&self, notes: &[RedactionNote]) {
        let made = notes.iter().filter(|note| note.action == NoteAction::Pseudonymize);
        for note in made.filter(|note| self.ready.entities.lacks(&note.entity)) {
            let mut entities = self.entities.lock().unwrap_or_else(PoisonError::into_inner);
            entities.insert(note.entity.clone());
        }
    }

    /// First stage: what each raw record is, and whether it can be seen again.
    pub(super) fn normalize(&self, chunk: Vec<Bytes>) -> Result<Vec<Read>, LedgerError> {
        let bytes_max = self.ready.record_bytes_max;
        let batch: Vec<RawRecord<'_>> =
            chunk.iter().filter(|body| body.len() <= bytes_max).map(|body| self.raw(body)).collect();
        let ran = Stage::Normalize.timed(|| self.ready.pipeline.normalize(&self.ready.host, &batch))?;
        self.ready.diagnostics.push(&self.source, self.now_ms, ran.messages);
        let results = ran.results;
        let leaves: usize = results.iter().map(leaves_of).sum();
        if self.leaves.fetch_add(leaves, Ordering::Relaxed) + leaves > SUBMISSION_LEAVES_MAX {
            // What one commit can't hold need not be redacted and sealed first.
            return Err(LedgerError::TooLarge);
        }
        let mut results = results.into_iter();
        let read = chunk.into_iter().map(|body| {
            let result = if body.len() > bytes_max { None } else { results.next() };
            let result = result.unwrap_or_else(|| {
                Normalized::Refused(Refusal::new(
                    TOO_LARGE,
                    format!("a raw record has {bytes_max} bytes at most"),
                ))
            });
            let sighting = uid(&result).map(|uid| self.windows.event(&self.source, uid, &body));
            Read { body, result, sighting, duplicate: None }
        });
        Ok(read.collect())
    }

    /// Later stages: entries ready for the sequencer.
    pub(super) fn finish(&self, chunk: Vec<Read>) -> Result<Vec<Done>, LedgerError> {
        let mut events = Vec::with_capacity(chunk.len());
        let mut waiting = Vec::with_capacity(chunk.len());
        for Read { body, result, sighting, duplicate } in chunk {
            waiting.push(match (duplicate, result) {
                (Some(duplicate), _) => Waiting::Settled(Done::Duplicate(duplicate), body),
                (None, Normalized::Skip(why)) => Waiting::Settled(Done::Skipped(why), body),
                (None, Normalized::Refused(refusal)) => Waiting::Refused(body, refusal),
                (None, Normalized::Events(of_record)) => {
                    events.push(of_record);
                    Waiting::Events(body, sighting)
                }
            });
        }
        let rules = Rules {
            host: &self.ready.host,
            redactor: &self.ready.redactor,
            classes: &self.ready.classes,
            openings: self.openings,
        };
        let ran = self.ready.pipeline.finish(&rules, events)?;
        self.ready.diagnostics.push(&self.source, self.now_ms, ran.messages);
        let decided = ran.results;
        self.count_openings(&decided)?;
        let canary = self.ready.canary.as_ref();
        if let Some(picked) = canary.and_then(|canary| canary.pick(|| self.beside(&waiting, &decided))) {
            self.picked.lock().unwrap_or_else(PoisonError::into_inner).push(picked);
        }
        Stage::Seal.timed(|| self.draft_and_seal(waiting, &mut decided.into_iter()))
    }

    /// What a canary is run over and compared with; of what is logged already there is nothing to compare.
    fn beside(&self, waiting: &[Waiting], decided: &[Result<Vec<Decided>, Refusal>]) -> canary::Batch {
        let mut decided = decided.iter();
        let mut records = Vec::with_capacity(waiting.len());
        for one in waiting {
            match one {
                Waiting::Settled(Done::Skipped(_), body) => records.push((body.clone(), Made::Skipped)),
                // Logged already, or never given to a plugin.
                Waiting::Settled(..) | Waiting::Refused(_, Refusal { slug: TOO_LARGE, .. }) => {}
                Waiting::Refused(body, refusal) => {
                    records.push((body.clone(), Made::Refused(refusal.slug)));
                }
                Waiting::Events(body, _) => {
                    records.extend(decided.next().map(|decided| (body.clone(), Made::of(decided))));
                }
            }
        }
        canary::Batch {
            ready: self.ready.clone(),
            log: self.log,
            received_ms: self.received_ms,
            source: self.source.clone(),
            content_type: self.content_type.clone(),
            attributes: self.attributes.clone(),
            records,
        }
    }

    fn count_openings(&self, decided: &[Result<Vec<Decided>, Refusal>]) -> Result<(), LedgerError> {
        let events = decided.iter().flatten().flatten();
        let bytes = events.flat_map(|event| &event.openings).map(openings::bytes_of).sum();
        if self.opening_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > OPENINGS_BYTES_MAX {
            return Err(LedgerError::TooLarge);
        }
        Ok(())
    }

    /// What is handed back of a raw record, if that was asked for.
    fn openings(&self, raw_salt: [u8; 32], events: Vec<Vec<Opening>>) -> Option<Box<Openings>> {
        self.openings.then(|| {
            Box::new(Openings {
                raw_salt: Zeroizing::new(raw_salt),
                received_ms: self.received_ms,
                content_type: self.content_type.clone(),
                events,
            })
        })
    }

    /// Makes the drafts of a chunk and seals them.
    fn draft_and_seal(
        &self,
        waiting: Vec<Waiting>,
        decided: &mut impl Iterator<Item = Result<Vec<Decided>, Refusal>>,
    ) -> Result<Vec<Done>, LedgerError> {
        let mut drafts = Vec::new();
        let plans: Vec<Plan> = waiting
            .into_iter()
            .map(|waiting| match waiting {
                Waiting::Settled(done, _) => Plan::Settled(done),
                Waiting::Refused(body, refusal) => self.plan_quarantine(&mut drafts, &body, &refusal),
                Waiting::Events(body, sighting) => match decided.next() {
                    Some(Ok(records)) if !records.is_empty() => {
                        self.plan_records(&mut drafts, body, sighting, records)
                    }
                    Some(Err(refusal)) => self.plan_quarantine(&mut drafts, &body, &refusal),
                    Some(Ok(_)) | None => {
                        self.plan_quarantine(&mut drafts, &body, &Refusal::new("bad-return", "no event"))
                    }
                },
            })
            .collect();
        self.seal(plans, drafts)
    }

    fn plan_records(
        &self,
        drafts: &mut Vec<Draft>,
        body: Bytes,
        sighting: Option<Sighting>,
        records: Vec<Decided>,
    ) -> Plan {
        let salt = self.salt();
        let raw = self.raw(&body).commit(&salt);
        let parts = u32::try_from(records.len()).unwrap_or(u32::MAX);
        let mut opened = Vec::with_capacity(records.len());
        for (part, record) in (0..).zip(records) {
            let body = Body::Record {
                source: self.source.clone(),
                pipeline: self.ready.pipeline.digest,
                raw,
                part: (part, parts),
            };
            self.note_entities(&record.notes);
            opened.push(record.openings);
            drafts.push(Draft {
                received_ms: self.received_ms,
                body,
                attributes: record.attributes,
                redactions: record.notes,
                raw_salt: Some(salt),
                retention: Some(record.retention),
                quarantined: None,
                subject: record.subject,
                closes: record.closes,
            });
        }
        Plan::Logged { body, parts, sighting, openings: self.openings(salt, opened) }
    }

    fn plan_quarantine(&self, drafts: &mut Vec<Draft>, body: &[u8], refusal: &Refusal) -> Plan {
        let (draft, openings) = self.quarantine(body, refusal);
        drafts.push(draft);
        Plan::Quarantined(refusal.reason(), openings)
    }

    fn quarantine(&self, body: &[u8], refusal: &Refusal) -> (Draft, Option<Box<Openings>>) {
        let salt = self.salt();
        let raw = self.raw(body);
        let said = QuarantineSaid { reason: refusal.slug, detail: &refusal.detail, size: body.len() as u64 };
        let draft = Draft {
            received_ms: self.received_ms,
            body: Body::Quarantine { source: self.source.clone(), raw: raw.commit(&salt) },
            attributes: said.attributes(),
            redactions: Vec::new(),
            raw_salt: None,
            retention: Some(Retention::of_quarantine()),
            quarantined: Some(Quarantined { salt, input: raw.encode() }),
            subject: None,
            closes: None,
        };
        (draft, self.openings(salt, Vec::new()))
    }

    /// Seals all drafts at once; a record that can't be sealed as it is (its event is too large) is
    /// quarantined instead.
    fn seal(&self, plans: Vec<Plan>, drafts: Vec<Draft>) -> Result<Vec<Done>, LedgerError> {
        let mut sealed = self.ready.sealer.seal(drafts)?.into_iter();
        let mut done = Vec::with_capacity(plans.len());
        for plan in plans {
            done.push(match plan {
                Plan::Settled(done) => done,
                Plan::Quarantined(reason, openings) => {
                    let one =
                        sealed.next().ok_or_else(|| LedgerError::Internal("a draft was lost".to_owned()))?;
                    Done::Quarantined(one.map_err(LedgerError::internal)?, reason, openings)
                }
                Plan::Logged { body, parts, sighting, openings } => {
                    // All of its parts are taken before any is looked at: the next record's follow.
                    let own: Vec<_> = sealed.by_ref().take(parts as usize).collect();
                    match own.into_iter().collect::<Result<Vec<_>, _>>() {
                        Ok(records) => Done::Logged(records, sighting, openings),
                        Err(error) => {
                            self.seal_refused(&body, &Refusal::new(TOO_LARGE, error.to_string()))?
                        }
                    }
                }
            });
        }
        Ok(done)
    }

    fn seal_refused(&self, body: &[u8], refusal: &Refusal) -> Result<Done, LedgerError> {
        let (draft, openings) = self.quarantine(body, refusal);
        let sealed = self.ready.sealer.seal(vec![draft]).map_err(LedgerError::internal)?;
        let sealed =
            sealed.into_iter().next().ok_or_else(|| LedgerError::Internal("a draft was lost".to_owned()))?;
        Ok(Done::Quarantined(sealed.map_err(LedgerError::internal)?, refusal.reason(), openings))
    }
}

/// A raw record before the later stages ran.
enum Waiting {
    Settled(Done, Bytes),
    Refused(Bytes, Refusal),
    Events(Bytes, Option<Sighting>),
}

/// A raw record whose drafts are made.
enum Plan {
    Settled(Done),
    Logged { body: Bytes, parts: u32, sighting: Option<Sighting>, openings: Option<Box<Openings>> },
    Quarantined(String, Option<Box<Openings>>),
}

/// How many entries it gives.
fn leaves_of(result: &Normalized) -> usize {
    match result {
        Normalized::Events(events) => events.len(),
        Normalized::Refused(_) => 1,
        Normalized::Skip(_) => 0,
    }
}

/// The source's own id of a raw record: that of its first event that has one.
fn uid(result: &Normalized) -> Option<&str> {
    let Normalized::Events(events) = result else { return None };
    events.iter().find_map(|event: &Event| match event.get("metadata.uid") {
        Some(Value::Text(uid)) if !uid.is_empty() => Some(uid.as_str()),
        _ => None,
    })
}
