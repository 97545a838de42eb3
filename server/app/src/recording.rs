//! What the control log is told of: who read which records, and how many requests were refused.
//!
//! A read is answered once its entry is durable, and not at all where the control log can't take it. A caller's reads that
//! say the same within a second share one entry: whoever comes while it is being written waits for it. Refusals are
//! counted in memory, by reason, and said once a minute, or when the server ends; a crash loses the counts of that minute.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use cairnlog_ledger::handles::Clock;
use cairnlog_ledger::{Access, Activity, Ledger, LedgerError, Log, Who};
use cairnlog_store::{Batch, Family};
use cairnlog_verify::event::Attribute;
use cairnlog_verify::value::Value;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};

use crate::access::{Grant, Principal};
use crate::http::problem::{Problem, Slug};
use crate::limits::{READS_REMEMBERED_MAX, READS_SHARED};

/// Tells the control log.
pub(crate) struct Recording {
    ledger: Arc<Ledger>,
    clock: Arc<dyn Clock>,
    recent: Mutex<HashMap<[u8; 32], Recent>>,
    /// Requests refused since that was last said, by reason.
    refused: Mutex<BTreeMap<&'static str, u64>>,
}

/// The entry of a read that others may be like.
struct Recent {
    since: Instant,
    entry: Entry,
}

/// Resolves when the entry is durable.
type Entry = Shared<BoxFuture<'static, Result<(), Problem>>>;

/// What a read was about, besides the log.
#[derive(Default)]
pub(crate) struct Detail {
    indices: Vec<u64>,
    said: Vec<Attribute>,
}

impl Detail {
    /// A read of one entry.
    pub(crate) fn of(index: u64) -> Self {
        Self { indices: vec![index], said: Vec::new() }
    }

    /// A read of a list of so many.
    pub(crate) fn of_list(items: usize) -> Self {
        Self::default().number("found.items", items as u64)
    }

    /// Adds a text.
    pub(crate) fn text(mut self, path: &str, text: &str) -> Self {
        self.push(path, Value::Text(text.to_owned()));
        self
    }

    /// Adds a text, if there is one.
    pub(crate) fn text_if_any(self, path: &str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(path, text),
            None => self,
        }
    }

    /// Adds a number.
    pub(crate) fn number(mut self, path: &str, number: u64) -> Self {
        self.push(path, Value::Integer(i64::try_from(number).unwrap_or(i64::MAX)));
        self
    }

    /// Adds that something is so.
    pub(crate) fn flag(mut self, path: &str) -> Self {
        self.push(path, Value::Boolean(true));
        self
    }

    fn push(&mut self, path: &str, value: Value) {
        self.said.push(Attribute { path: path.to_owned(), value });
    }
}

impl Recent {
    /// Whether a read that is like it now needs no entry of its own.
    fn holds(&self, now: Instant) -> bool {
        let failed = matches!(self.entry.peek(), Some(Err(_)));
        !failed && now.saturating_duration_since(self.since) < READS_SHARED
    }
}

impl Recording {
    pub(crate) fn new(ledger: Arc<Ledger>, clock: Arc<dyn Clock>) -> Self {
        Self { ledger, clock, recent: Mutex::default(), refused: Mutex::default() }
    }

    /// Says that `caller` reads of a log by an operation such as `records.read`. What was read may be handed out when
    /// this has returned well.
    ///
    /// # Errors
    /// Why the control log did not take the entry.
    pub(crate) async fn read(
        &self,
        caller: &Principal,
        operation: &str,
        log: &Log,
        detail: Detail,
    ) -> Result<(), Problem> {
        let name = log.name();
        let access = Access::new(&caller.who(), Activity::Read, operation, self.clock.now_ms());
        let access = access.of("log", name).with(detail.said);
        let named = |access: Access, index: u64| access.of("record", &format!("{name}/{index}"));
        let access = detail.indices.into_iter().fold(access, named);
        self.entry_of(access).await
    }

    /// The entry of a read: that of one like it, or a new one.
    fn entry_of(&self, access: Access) -> Entry {
        let (digest, now) = (access.digest(), Instant::now());
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = recent.get(&digest).filter(|known| known.holds(now)) {
            return known.entry.clone();
        }
        if recent.len() >= READS_REMEMBERED_MAX {
            recent.retain(|_, known| known.holds(now));
        }
        let entry = written(Arc::clone(&self.ledger), access);
        if recent.len() < READS_REMEMBERED_MAX {
            recent.insert(digest, Recent { since: now, entry: entry.clone() });
        }
        entry
    }

    /// Says that a token is made or deleted, in one commit with its row; none to delete it.
    ///
    /// # Errors
    /// Why neither was written.
    pub(crate) async fn token(
        &self,
        by: &Who,
        grant: &Grant,
        key: Vec<u8>,
        row: Option<Vec<u8>>,
    ) -> Result<(), LedgerError> {
        let (activity, operation) = match row {
            Some(_) => (Activity::Create, "tokens.create"),
            None => (Activity::Delete, "tokens.delete"),
        };
        let access = Access::new(by, activity, operation, self.clock.now_ms());
        let access = access.of("token", &grant.id).with(detail_of(grant).said);
        let bytes = key.len() + row.as_ref().map_or(0, Vec::len);
        let rows = move |batch: &mut Batch| match row {
            Some(row) => batch.put(Family::Tokens, key, row),
            None => batch.delete(Family::Tokens, key),
        };
        self.ledger.record_with(access, bytes, rows).await
    }

    /// Counts a request that was refused, if it was.
    pub(crate) fn refuse(&self, problem: &Problem) {
        if let Some(reason) = problem.refuses_access() {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            *refused.entry(reason).or_default() += 1;
        }
    }

    /// Says how many requests were refused since the last time, if any was.
    pub(crate) async fn say_refused(&self) {
        let refused = std::mem::take(&mut *self.refused.lock().unwrap_or_else(PoisonError::into_inner));
        if refused.is_empty() {
            return;
        }
        let detail = refused.iter().fold(Detail::default(), |detail, (reason, count)| {
            detail.number(&format!("refused.{reason}"), *count)
        });
        let access = Access::new(&Who::server(), Activity::Refuse, "requests.refuse", self.clock.now_ms());
        if let Err(error) = self.ledger.record(access.with(detail.said)).await {
            tracing::warn!(%error, "how many requests were refused was not logged; it is tried again");
            let mut since = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            for (reason, count) in refused {
                *since.entry(reason).or_default() += count;
            }
        }
    }
}

/// What a token allows.
fn detail_of(grant: &Grant) -> Detail {
    let Grant { id: _, name, roles, log, sources, expires } = grant;
    let mut detail = Detail::default()
        .text("token.name", name)
        .text_if_any("token.log", log.as_deref())
        .text_if_any("token.expires", expires.as_deref());
    for (number, role) in roles.iter().enumerate() {
        detail = detail.text(&format!("token.roles[{number}]"), role.name());
    }
    for (number, source) in sources.iter().flatten().enumerate() {
        detail = detail.text(&format!("token.sources[{number}]"), source);
    }
    detail
}

/// Writes an entry in a task of its own, for others may wait for it though its caller hangs up.
fn written(ledger: Arc<Ledger>, access: Access) -> Entry {
    let writing = tokio::spawn(async move { ledger.record(access).await });
    let done = async move {
        let outcome = writing.await.map_err(|_| Problem::internal("a task that logs a read panicked"))?;
        outcome.map_err(|error| {
            metrics::counter!("cairnlog_access_failures_total").increment(1);
            not_logged(error)
        })
    };
    done.boxed().shared()
}

/// What is not logged is not answered.
fn not_logged(error: LedgerError) -> Problem {
    let slug = match error {
        LedgerError::QueueFull => Slug::Overloaded,
        LedgerError::ReadOnly(_) => Slug::ReadOnly,
        other => return other.into(),
    };
    Problem::new(slug, "the read can't be logged now, so it is not answered; try again").caused_by(error)
}
