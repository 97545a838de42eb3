//! Ingest: raw records in, one atomic commit, fates out.
//!
//! ```text
//! raw records ── chunks ──▶ normalize ──▶ seen before? ──▶ redact, decide, commit, seal ──▶ sequencer
//!                         (workers)        (store)                 (workers)              (one commit)
//! ```
//!
//! Chunks run side by side on blocking threads, as many at once as the machine has cores, taken in turn
//! by all requests. Nothing is written before the whole request is sealed, so a request that fails
//! leaves nothing.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use cairnlog_host::RawRecord;
use cairnlog_store::limits::MULTI_GET_KEYS_MAX;
use cairnlog_store::{Batch, Family, layout};
use cairnlog_verify::entry::Body;
use cairnlog_verify::event::Event;
use cairnlog_verify::value::Value;

use crate::answer::{Answer, Fate, Fates};
use crate::class::Retention;
use crate::error::LedgerError;
use crate::inflight::Fingerprint;
use crate::limits::{CHUNK_BYTES_MAX, CHUNK_RECORDS_MAX, RECORD_BYTES_MAX};
use crate::log::{Log, Ready};
use crate::pipeline::{Decided, Normalized, Refusal, Rules};
use crate::prepared::Prepared;
use crate::said::QuarantineSaid;
use crate::seen::{self, Logged, Sighting, Windows};
use crate::stage::Stage;
use crate::worker::{Draft, Sealed};
use crate::wrap::Quarantined;

/// What a writer sends to a source in one request.
pub struct Ingest {
    /// The source's name.
    pub source: String,
    /// The content type of each raw record.
    pub content_type: String,
    /// Transport facts that the normalizer may see.
    pub attributes: Vec<(String, String)>,
    /// The raw records, in order.
    pub records: Vec<Bytes>,
    /// The id of the writer's token.
    pub token: String,
    /// The request's Idempotency-Key, if it has one.
    pub idempotency: Option<Idempotency>,
}

/// An Idempotency-Key and what it stands for.
pub struct Idempotency {
    /// The key.
    pub key: String,
    /// The whole body, unpacked.
    pub body: Bytes,
}

/// What all chunks of a request share.
struct Request {
    ready: Ready,
    windows: Windows,
    received_ms: u64,
    source: String,
    content_type: String,
    attributes: Vec<(String, String)>,
}

/// A raw record after its normalizer.
struct Read {
    body: Bytes,
    result: Normalized,
    /// Set where one of its events carries the source's own id.
    sighting: Option<Sighting>,
    /// Set where it need not be written.
    duplicate: Option<Duplicate>,
}

#[derive(Clone, Copy)]
enum Duplicate {
    Earlier(Logged),
    /// Of the raw record at this place of the request.
    Twin(usize),
}

/// A raw record ready to be written.
enum Done {
    Logged(Vec<Sealed>, Option<Sighting>),
    Quarantined(Sealed, String),
    Skipped(String),
    Duplicate(Duplicate),
}

/// A keyed request under way.
struct Keyed {
    sighting: Sighting,
    body: [u8; 32],
}

impl Log {
    /// Runs raw records through their source's pipeline and writes the outcome in one commit.
    ///
    /// # Errors
    /// [`LedgerError`]; nothing of the request is kept then, unless the words say otherwise.
    pub async fn ingest(&self, ingest: Ingest) -> Result<Answer, LedgerError> {
        let ready = self.ready(&ingest.source)?;
        let received_ms = self.now_ms();
        let windows = self.windows(received_ms).await?;
        let keyed = ingest.idempotency.as_ref().map(|Idempotency { key, body }| Keyed {
            sighting: windows.key(&ingest.source, &ingest.token, key),
            body: windows.today.body(body),
        });
        // Held until the rows are durable, so that a second request with this key finds them.
        let _key = match &keyed {
            Some(keyed) => Some(self.inflight().reserve(keyed.sighting.fingerprints().collect()).await),
            None => None,
        };
        if let (Some(keyed), Some(Idempotency { body, .. })) = (&keyed, &ingest.idempotency)
            && let Some(answer) = self.replay(&windows, keyed, body).await?
        {
            return Ok(answer);
        }
        let Ingest { source, content_type, attributes, records, .. } = ingest;
        let request = Arc::new(Request { ready, windows, received_ms, source, content_type, attributes });
        let mut read = self.normalize(&request, records).await?;
        let names = read.iter().filter_map(|read| read.sighting.as_ref()).flat_map(Sighting::fingerprints);
        let names: Vec<Fingerprint> = names.collect::<std::collections::HashSet<_>>().into_iter().collect();
        let _events = self.inflight().reserve(names).await;
        self.mark_duplicates(&mut read).await?;
        let done = self.seal(&request, read).await?;
        self.write(&request, done, keyed).await
    }

    /// The first answer to a key that was used within the last day.
    async fn replay(
        &self,
        windows: &Windows,
        keyed: &Keyed,
        body: &[u8],
    ) -> Result<Option<Answer>, LedgerError> {
        for (day, fingerprint) in &keyed.sighting.rows {
            let key = layout::seen_key(self.id(), *day, *fingerprint);
            let (Some(row), Some(window)) =
                (self.engine().get(Family::Seen, &key).await?, windows.of_day(*day))
            else {
                continue;
            };
            let kept = seen::open_fates(window, fingerprint, &row).ok_or_else(|| {
                LedgerError::Internal("the row of an Idempotency-Key is damaged".to_owned())
            })?;
            if kept.body != window.body(body) {
                return Err(LedgerError::Conflict(
                    "this Idempotency-Key was used with another body within the last day; use a new key"
                        .to_owned(),
                ));
            }
            return Ok(Some(kept.fates.answer(kept.first)));
        }
        Ok(None)
    }

    async fn normalize(&self, request: &Arc<Request>, records: Vec<Bytes>) -> Result<Vec<Read>, LedgerError> {
        let chunks = chunks(records, Bytes::len);
        let run = |chunk: Vec<Bytes>| {
            let request = Arc::clone(request);
            move || request.normalize(chunk)
        };
        self.on_workers(chunks.into_iter().map(run)).await
    }

    /// Marks raw records whose events were logged within the last day, by an earlier request or by this one.
    async fn mark_duplicates(&self, read: &mut [Read]) -> Result<(), LedgerError> {
        let mut keys = Vec::new();
        let mut owners = Vec::new();
        for (place, record) in read.iter().enumerate() {
            for (day, fingerprint) in record.sighting.iter().flat_map(|sighting| &sighting.rows) {
                keys.push(layout::seen_key(self.id(), *day, *fingerprint));
                owners.push(place);
            }
        }
        let mut rows = Vec::with_capacity(keys.len());
        for part in keys.chunks(MULTI_GET_KEYS_MAX) {
            rows.extend(self.engine().multi_get(Family::Seen, part.to_vec()).await?);
        }
        for (place, row) in owners.into_iter().zip(rows) {
            if let Some(row) = row {
                let logged = Logged::from_row(&row)
                    .ok_or_else(|| LedgerError::Internal("the row of a seen event is damaged".to_owned()))?;
                read[place].duplicate = Some(Duplicate::Earlier(logged));
            }
        }
        mark_twins(read);
        Ok(())
    }

    async fn seal(&self, request: &Arc<Request>, read: Vec<Read>) -> Result<Vec<Done>, LedgerError> {
        let chunks = chunks(read, |read| read.body.len());
        let run = |chunk: Vec<Read>| {
            let request = Arc::clone(request);
            move || request.finish(chunk)
        };
        self.on_workers(chunks.into_iter().map(run)).await
    }

    /// One commit for all of it; or none, where there is nothing to write.
    async fn write(
        &self,
        request: &Request,
        done: Vec<Done>,
        keyed: Option<Keyed>,
    ) -> Result<Answer, LedgerError> {
        let Lot { sealed, sightings, mut fates } = Lot::of(done);
        let window = &request.windows.today;
        if sealed.is_empty() {
            fates.tree_size = Some(self.tree().head().checkpoint.size);
            if let Some(Keyed { sighting, body }) = keyed {
                let (day, name) = sighting.today();
                let row =
                    [&0_u64.to_be_bytes()[..], &seen::seal_fates(window, &name, &body, &fates)].concat();
                let mut batch = Batch::new();
                batch.put(Family::Seen, layout::seen_key(self.id(), day, name), row);
                self.commit(batch).await?;
            }
            return Ok(fates.answer(0));
        }
        let log = self.id();
        let bytes = sightings.len() * SIGHTING_ROW_BYTES;
        let mut prepared = Prepared::new(log, sealed).with_rows(bytes, move |first, batch| {
            for (place, events, sighting) in sightings {
                let (day, name) = sighting.today();
                let logged = Logged { first: first + place, events };
                batch.put(Family::Seen, layout::seen_key(log, day, name), logged.to_row());
            }
        });
        if let Some(Keyed { sighting, body }) = keyed {
            let (day, name) = sighting.today();
            let sealed = seen::seal_fates(window, &name, &body, &fates);
            prepared = prepared.with_rows(SIGHTING_ROW_BYTES + sealed.len(), move |first, batch| {
                let row = [&first.to_be_bytes()[..], &sealed].concat();
                batch.put(Family::Seen, layout::seen_key(log, day, name), row);
            });
        }
        let started = std::time::Instant::now();
        let appended = self.tree().append(Box::new(prepared)).await?;
        Stage::Commit.count(started);
        Ok(fates.answer(appended.first_index))
    }
}

/// Bytes of a row of `seen`, its key included.
const SIGHTING_ROW_BYTES: usize = 4 + 4 + 16 + 12;

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

    fn normalize(&self, chunk: Vec<Bytes>) -> Result<Vec<Read>, LedgerError> {
        let batch: Vec<RawRecord<'_>> =
            chunk.iter().filter(|body| body.len() <= RECORD_BYTES_MAX).map(|body| self.raw(body)).collect();
        let results = Stage::Normalize.timed(|| self.ready.pipeline.normalize(&self.ready.host, &batch))?;
        let mut results = results.into_iter();
        let read = chunk.into_iter().map(|body| {
            let result = if body.len() > RECORD_BYTES_MAX { None } else { results.next() };
            let result = result.unwrap_or_else(|| {
                Normalized::Refused(Refusal::new(
                    "too-large",
                    format!("a raw record has {RECORD_BYTES_MAX} bytes at most"),
                ))
            });
            let sighting = uid(&result).map(|uid| self.windows.event(&self.source, uid, &body));
            Read { body, result, sighting, duplicate: None }
        });
        Ok(read.collect())
    }

    fn finish(&self, chunk: Vec<Read>) -> Result<Vec<Done>, LedgerError> {
        let mut events = Vec::with_capacity(chunk.len());
        let mut waiting = Vec::with_capacity(chunk.len());
        for Read { body, result, sighting, duplicate } in chunk {
            waiting.push(match (duplicate, result) {
                (Some(duplicate), _) => Waiting::Settled(Done::Duplicate(duplicate)),
                (None, Normalized::Skip(why)) => Waiting::Settled(Done::Skipped(why)),
                (None, Normalized::Refused(refusal)) => Waiting::Refused(body, refusal),
                (None, Normalized::Events(of_record)) => {
                    events.push(of_record);
                    Waiting::Events(body, sighting)
                }
            });
        }
        let rules =
            Rules { host: &self.ready.host, redactor: &self.ready.redactor, classes: &self.ready.classes };
        let mut decided = self.ready.pipeline.finish(&rules, events)?.into_iter();
        Stage::Seal.timed(|| self.draft_and_seal(waiting, &mut decided))
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
                Waiting::Settled(done) => Plan::Settled(done),
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
        let mut salt = [0; 32];
        self.ready.random.fill(&mut salt);
        let raw = self.raw(&body).commit(&salt);
        let parts = u32::try_from(records.len()).unwrap_or(u32::MAX);
        for (part, record) in (0..).zip(records) {
            let body = Body::Record {
                source: self.source.clone(),
                pipeline: self.ready.pipeline.digest,
                raw,
                part: (part, parts),
            };
            drafts.push(Draft {
                received_ms: self.received_ms,
                body,
                attributes: record.attributes,
                redactions: record.notes,
                raw_salt: Some(salt),
                retention: Some(record.retention),
                quarantined: None,
            });
        }
        Plan::Logged { body, parts, sighting }
    }

    fn plan_quarantine(&self, drafts: &mut Vec<Draft>, body: &[u8], refusal: &Refusal) -> Plan {
        drafts.push(self.quarantine(body, refusal));
        Plan::Quarantined(refusal.reason())
    }

    fn quarantine(&self, body: &[u8], refusal: &Refusal) -> Draft {
        let mut salt = [0; 32];
        self.ready.random.fill(&mut salt);
        let raw = self.raw(body);
        let said = QuarantineSaid { reason: refusal.slug, detail: &refusal.detail, size: body.len() as u64 };
        Draft {
            received_ms: self.received_ms,
            body: Body::Quarantine { source: self.source.clone(), raw: raw.commit(&salt) },
            attributes: said.attributes(),
            redactions: Vec::new(),
            raw_salt: None,
            retention: Some(Retention::of_quarantine()),
            quarantined: Some(Quarantined { salt, input: raw.encode() }),
        }
    }

    /// Seals all drafts at once; a record that can't be sealed as it is (its event is too large) is
    /// quarantined instead.
    fn seal(&self, plans: Vec<Plan>, drafts: Vec<Draft>) -> Result<Vec<Done>, LedgerError> {
        let mut sealed = self.ready.sealer.seal(drafts).map_err(LedgerError::internal)?.into_iter();
        let mut done = Vec::with_capacity(plans.len());
        for plan in plans {
            done.push(match plan {
                Plan::Settled(done) => done,
                Plan::Quarantined(reason) => {
                    let one =
                        sealed.next().ok_or_else(|| LedgerError::Internal("a draft was lost".to_owned()))?;
                    Done::Quarantined(one.map_err(LedgerError::internal)?, reason)
                }
                Plan::Logged { body, parts, sighting } => {
                    // All of its parts are taken before any is looked at: the next record's follow.
                    let own: Vec<_> = sealed.by_ref().take(parts as usize).collect();
                    match own.into_iter().collect::<Result<Vec<_>, _>>() {
                        Ok(records) => Done::Logged(records, sighting),
                        Err(error) => {
                            self.seal_refused(&body, &Refusal::new("too-large", error.to_string()))?
                        }
                    }
                }
            });
        }
        Ok(done)
    }

    fn seal_refused(&self, body: &[u8], refusal: &Refusal) -> Result<Done, LedgerError> {
        let draft = self.quarantine(body, refusal);
        let sealed = self.ready.sealer.seal(vec![draft]).map_err(LedgerError::internal)?;
        let sealed =
            sealed.into_iter().next().ok_or_else(|| LedgerError::Internal("a draft was lost".to_owned()))?;
        Ok(Done::Quarantined(sealed.map_err(LedgerError::internal)?, refusal.reason()))
    }
}

/// A raw record before the later stages ran.
enum Waiting {
    Settled(Done),
    Refused(Bytes, Refusal),
    Events(Bytes, Option<Sighting>),
}

/// A raw record whose drafts are made.
enum Plan {
    Settled(Done),
    Logged { body: Bytes, parts: u32, sighting: Option<Sighting> },
    Quarantined(String),
}

/// Everything that one commit writes, in order.
struct Lot {
    sealed: Vec<Sealed>,
    /// Place, number of entries, and name of what can be seen again.
    sightings: Vec<(u64, u32, Sighting)>,
    fates: Fates,
}

impl Lot {
    fn of(done: Vec<Done>) -> Self {
        let mut sealed = Vec::with_capacity(done.len());
        let mut sightings = Vec::new();
        let mut rows: Vec<Fate> = Vec::with_capacity(done.len());
        for done in done {
            let place = sealed.len() as u64;
            rows.push(match done {
                Done::Logged(records, sighting) => {
                    let events = u32::try_from(records.len()).unwrap_or(u32::MAX);
                    let leaf_hash = records[0].leaf_hash;
                    sightings.extend(sighting.map(|sighting| (place, events, sighting)));
                    sealed.extend(records);
                    Fate::Logged { place, events, leaf_hash }
                }
                Done::Quarantined(one, reason) => {
                    let leaf_hash = one.leaf_hash;
                    sealed.push(one);
                    Fate::Quarantined { place, leaf_hash, reason }
                }
                Done::Skipped(reason) => Fate::Skipped { reason },
                Done::Duplicate(Duplicate::Earlier(Logged { first, events })) => {
                    Fate::Earlier { index: first, events }
                }
                Done::Duplicate(Duplicate::Twin(twin)) => twin_fate(&rows[twin]),
            });
        }
        let fates = Fates { entries: sealed.len() as u64, tree_size: None, rows };
        Self { sealed, sightings, fates }
    }
}

/// The fate of a raw record that equals an earlier one of its request: a duplicate of what that became.
fn twin_fate(first: &Fate) -> Fate {
    match first {
        Fate::Logged { place, events, .. } => Fate::Twin { place: *place, events: *events },
        // The first one was normalized but refused later: it is kept once, and the twin points there.
        Fate::Quarantined { place, .. } => Fate::Twin { place: *place, events: 1 },
        other => other.clone(),
    }
}

fn mark_twins(read: &mut [Read]) {
    let mut first_places: HashMap<Fingerprint, usize> = HashMap::new();
    for (place, record) in read.iter_mut().enumerate() {
        let Some(sighting) = &record.sighting else { continue };
        let (_, name) = sighting.today();
        match first_places.get(&name) {
            Some(first) if record.duplicate.is_none() => record.duplicate = Some(Duplicate::Twin(*first)),
            Some(_) => {}
            None => {
                first_places.insert(name, place);
            }
        }
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

/// Cuts a list into chunks of bounded number and size, keeping the order.
fn chunks<T>(items: Vec<T>, size: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut chunks = Vec::new();
    let mut chunk = Vec::new();
    let mut bytes = 0;
    for item in items {
        let item_bytes = size(&item);
        if !chunk.is_empty() && (chunk.len() == CHUNK_RECORDS_MAX || bytes + item_bytes > CHUNK_BYTES_MAX) {
            chunks.push(std::mem::take(&mut chunk));
            bytes = 0;
        }
        bytes += item_bytes;
        chunk.push(item);
    }
    if !chunk.is_empty() {
        chunks.push(chunk);
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_keep_order_and_bounds() {
        let sizes: Vec<usize> =
            (0..1_000).map(|number| number * 13 % 9_000).chain([CHUNK_BYTES_MAX * 2, 1]).collect();
        let chunks = chunks(sizes.clone(), |size| *size);
        for chunk in &chunks {
            assert!(chunk.len() <= CHUNK_RECORDS_MAX);
            assert!(chunk.len() == 1 || chunk.iter().sum::<usize>() <= CHUNK_BYTES_MAX);
        }
        assert_eq!(chunks.concat(), sizes);
        assert!(super::chunks(Vec::<usize>::new(), |size| *size).is_empty());
    }
}
