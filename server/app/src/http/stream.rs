//! A log's entries as they are published, as server-sent events. Role `auditor`.
//!
//! The control log is told when a stream begins, and once a minute while it is open, from which index on it shows entries;
//! each time before it shows any further one. A stream ends with the server, with its token, and where an entry can't be
//! opened or its reading not be logged. Whoever reads it goes on behind the last index.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use cairnlog_ledger::{LedgerError, Log};
use cairnlog_tlog::Head;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::auth::Caller;
use super::extract::Query;
use super::problem::{Document, Problem, Slug};
use super::proofs;
use super::records::RecordView;
use crate::access::{Principal, Role};
use crate::limits::{STREAM_BYTES_MAX, STREAM_HEARTBEAT, STREAM_RECORDS_MAX, STREAM_SAID};
use crate::recording::Detail;
use crate::state::App;

/// What keeps a connection from looking dead.
const HEARTBEAT: &str = ": \n\n";

/// From where on.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StreamQuery {
    /// The first index; by default the size of the published tree, so what comes from now on.
    from: Option<u64>,
}

/// Shows a log's entries from an index on, those to come as they are published: server-sent events, each a record as it is
/// read one by one, its id the index.
#[utoipa::path(get, path = "/api/v1/logs/{log}/stream", tag = "reading", security(("token" = [])),
    params(("log" = String, Path), StreamQuery, ("Last-Event-ID" = Option<u64>, Header, description = "goes on behind this index")),
    responses((status = 200, description = "one record an event", body = RecordView, content_type = "text/event-stream"), (status = "4XX", body = Document)))]
pub(crate) async fn stream(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(log): Path<String>,
    Query(query): Query<StreamQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let log = app.records_for(&caller, Role::Auditor, &log)?;
    let heads = log.tree().watch_head();
    let size = heads.borrow().checkpoint.size;
    let next = behind_last(&headers)?.or(query.from).unwrap_or(size);
    if next > size {
        return Err(Problem::bad_request(format!(
            "the published tree has {size} entries, so a stream can't begin at {next}"
        )));
    }
    let place = Arc::clone(&app.streams).try_acquire_owned().map_err(|_| {
        Problem::new(
            Slug::QueueFull,
            "there are as many streams as the server serves; end one, or come again",
        )
    })?;
    let stopping = app.draining.subscribe();
    let mut stream = Stream { app, caller, log, next, said: None, heads, stopping, _place: place };
    // Who may not be told is answered, not cut off.
    stream.say().await?;
    let begun =
        futures_util::stream::once(async { Ok::<_, Infallible>(Bytes::from_static(HEARTBEAT.as_bytes())) });
    let parts = futures_util::stream::unfold(stream, async |mut stream| {
        let part = stream.part().await?;
        Some((Ok(part), stream))
    });
    let body = Body::from_stream(futures_util::StreamExt::chain(begun, parts));
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, body).into_response())
}

/// Where a reader goes on that was cut off.
fn behind_last(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(last) = headers.get("last-event-id") else { return Ok(None) };
    let index = proofs::parse_index(last.to_str().unwrap_or_default())?;
    Ok(Some(index.saturating_add(1)))
}

/// A stream that is open.
struct Stream {
    app: Arc<App>,
    caller: Principal,
    log: Arc<Log>,
    /// The index to go on with.
    next: u64,
    /// When the control log was told last.
    said: Option<Instant>,
    heads: watch::Receiver<Arc<Head>>,
    stopping: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

impl Stream {
    /// What is sent next, as soon as there is something; none at the end.
    async fn part(&mut self) -> Option<Bytes> {
        let mut heartbeat = std::pin::pin!(tokio::time::sleep(STREAM_HEARTBEAT));
        loop {
            if *self.stopping.borrow_and_update() || !self.app.tokens.has(&self.caller.id, self.app.now()) {
                return None;
            }
            let size = self.heads.borrow_and_update().checkpoint.size;
            if self.next < size {
                return self.records(size).await;
            }
            tokio::select! {
                () = &mut heartbeat => {
                    self.say().await.ok()?;
                    return Some(Bytes::from_static(HEARTBEAT.as_bytes()));
                }
                changed = self.heads.changed() => changed.ok()?,
                changed = self.stopping.changed() => changed.ok()?,
            }
        }
    }

    /// The next entries below `size`, some of them at a time.
    async fn records(&mut self, size: u64) -> Option<Bytes> {
        self.say().await.ok()?;
        let end = size.min(self.next.saturating_add(STREAM_RECORDS_MAX));
        let mut part = String::new();
        while self.next < end && part.len() < STREAM_BYTES_MAX {
            match self.event().await {
                Ok(event) => part.push_str(&event),
                // Nothing is left of it to show.
                Err(LedgerError::Erased(_)) => part.push_str(HEARTBEAT),
                // What was sent before it is good.
                Err(_) if !part.is_empty() => break,
                Err(error) => {
                    tracing::error!(log = self.log.name(), %error, "a stream ends where an entry does not open");
                    return None;
                }
            }
            self.next += 1;
        }
        Some(part.into())
    }

    /// The next entry as an event.
    async fn event(&self) -> Result<String, LedgerError> {
        let record = RecordView::from(self.log.record(self.next).await?);
        let json =
            serde_json::to_string(&record).map_err(|error| LedgerError::Internal(error.to_string()))?;
        Ok(format!("id: {}\ndata: {json}\n\n", self.next))
    }

    /// Tells the control log, if its time has come, what is shown from now on. Of its own stream it is told nothing: each
    /// entry would make another.
    async fn say(&mut self) -> Result<(), Problem> {
        let is_due = self.said.is_none_or(|said| said.elapsed() >= STREAM_SAID);
        if is_due && !self.log.is_control() {
            let detail = Detail::default().number("stream.from", self.next);
            self.app.recording.read(&self.caller, "records.stream", &self.log, detail).await?;
            self.said = Some(Instant::now());
        }
        Ok(())
    }
}
