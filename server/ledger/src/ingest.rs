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

mod chunk;
mod lot;
pub(crate) mod retry;
pub(crate) mod trial;

use std::collections::HashSet;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use cairnlog_store::limits::MULTI_GET_KEYS_MAX;
use cairnlog_store::{Family, layout};

use crate::answer::Answer;
use crate::canary::Picked;
use crate::error::LedgerError;
use crate::inflight::{Fingerprint, Reservation};
use crate::limits::{CHUNK_BYTES_MAX, CHUNK_RECORDS_MAX};
use crate::log::Log;
use crate::seen::{self, Keyed, Logged, Sighting, Windows, is_within_window};
use crate::stage::Stage;
use crate::task::{lost, off_thread};
use chunk::{Read, Request};
use lot::{Done, Duplicate, Lot, Rows};

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
    /// Whether the salts that are thrown away are to be handed back.
    pub openings: bool,
}

/// An Idempotency-Key and what it stands for.
pub struct Idempotency {
    /// The key.
    pub key: String,
    /// The whole body, unpacked.
    pub body: Bytes,
}

impl Log {
    /// Runs raw records through their source's pipeline and writes the outcome in one commit. If the returned future is
    /// dropped, all of it is written or none.
    ///
    /// # Errors
    /// [`LedgerError`]; nothing of the request is kept then, unless the words say otherwise.
    pub async fn ingest(&self, ingest: Ingest) -> Result<Answer, LedgerError> {
        let ready = self.ready(&ingest.source)?;
        let received_ms = self.now_ms();
        let windows = self.windows(received_ms).await?;
        let Ingest { source, content_type, attributes, records, token, idempotency, openings } = ingest;
        // The key first, then all events at once: who holds events waits for nothing more.
        let mut held = Vec::new();
        let keyed = match idempotency {
            Some(Idempotency { key, body }) => {
                let sighting = windows.key(&source, &token, &key);
                let of_type = content_type.clone();
                let keyed = off_thread(move || Keyed::new(sighting, &of_type, &body)).await?;
                held.push(self.inflight().reserve(keyed.sighting.fingerprints().collect()).await);
                if let Some(answer) = self.replay(&windows, received_ms, &keyed).await? {
                    return Ok(answer);
                }
                Some(keyed)
            }
            None => None,
        };
        let request = Arc::new(Request {
            log: self.id(),
            ready,
            windows,
            received_ms,
            now_ms: received_ms,
            source,
            content_type,
            attributes,
            openings,
            salt: None,
            leaves: AtomicUsize::new(0),
            opening_bytes: AtomicUsize::new(0),
            entities: Mutex::default(),
            picked: Mutex::default(),
        });
        let mut read = self.normalize(&request, records).await?;
        let names = read.iter().filter_map(|read| read.sighting.as_ref()).flat_map(Sighting::fingerprints);
        let names: HashSet<Fingerprint> = names.collect();
        held.push(self.inflight().reserve(names.into_iter().collect()).await);
        self.mark_duplicates(&mut read, received_ms).await?;
        let done = self.seal(&request, read).await?;
        let (log, published) = (self.id(), self.tree().head().checkpoint.size);
        let (source, picked) = (request.source.clone(), request.picked());
        let lot = move || {
            let lot = Lot::of(log, &request.windows.today, received_ms, done, keyed.as_ref(), published);
            lot.with_entities(log, request.new_entities())
        };
        self.write(source, off_thread(lot).await?, held, picked).await
    }

    /// The first answer to a key that was used before.
    async fn replay(
        &self,
        windows: &Windows,
        now_ms: u64,
        keyed: &Keyed,
    ) -> Result<Option<Answer>, LedgerError> {
        for (day, fingerprint) in &keyed.sighting.rows {
            let key = layout::seen_key(self.id(), *day, *fingerprint);
            let (Some(row), Some(window)) =
                (self.engine().get(Family::Seen, &key).await?, windows.of_day(*day))
            else {
                continue;
            };
            let (opener, name) = (window.clone(), *fingerprint);
            let kept =
                off_thread(move || seen::open_fates(&opener, &name, &row)).await?.ok_or_else(|| {
                    LedgerError::Internal("the row of an Idempotency-Key is damaged".to_owned())
                })?;
            if !is_within_window(kept.fates.received_ms, now_ms) {
                continue;
            }
            if kept.body != keyed.body(window) {
                return Err(LedgerError::Conflict(
                    "this Idempotency-Key was used with another body or content type within the last day; use a new key"
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
        self.on_workers(&request.source, chunks.into_iter().map(run)).await
    }

    /// Marks raw records whose events were logged within the last day, by an earlier request or by this one.
    async fn mark_duplicates(&self, read: &mut [Read], now_ms: u64) -> Result<(), LedgerError> {
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
                if is_within_window(logged.received_ms, now_ms) {
                    read[place].duplicate = Some(Duplicate::Earlier(logged));
                }
            }
        }
        lot::mark_twins(read);
        Ok(())
    }

    async fn seal(&self, request: &Arc<Request>, read: Vec<Read>) -> Result<Vec<Done>, LedgerError> {
        let chunks = chunks(read, |read| read.body.len());
        let run = |chunk: Vec<Read>| {
            let request = Arc::clone(request);
            move || request.finish(chunk)
        };
        self.on_workers(&request.source, chunks.into_iter().map(run)).await
    }

    /// One commit for all of it; or none, where there is nothing to write.
    ///
    /// A task of its own waits for the commit, which goes on though the caller hangs up: what is `held` must not be free
    /// before the rows are durable, or are known never to be.
    async fn write(
        &self,
        source: String,
        lot: Lot,
        held: Vec<Reservation>,
        picked: Vec<Picked>,
    ) -> Result<Answer, LedgerError> {
        let (intake, shared) = (self.intake().clone(), Arc::clone(self.shared()));
        let (known, tallies) = (Arc::clone(self.entities()), Arc::clone(self.tallies()));
        let writing = tokio::spawn(async move {
            let _held = held;
            let Lot { fates, rows, entities, openings } = lot;
            let started = Instant::now();
            let first = match rows {
                Rows::Entries(prepared) => intake.submit(prepared).await?.await?.first_index,
                Rows::Key(batch) => {
                    shared.commit(batch).await?;
                    0
                }
                Rows::None => 0,
            };
            Stage::Commit.count(started);
            // Not before: what is not logged is compared with nothing.
            picked.into_iter().for_each(Picked::start);
            known.add(entities);
            let received_ms = fates.received_ms;
            let answer = fates.answer(first);
            tallies.count(&source, received_ms, &answer);
            Ok(answer.with_openings(openings))
        });
        writing.await.map_err(|gone| lost(&gone))?
    }
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
