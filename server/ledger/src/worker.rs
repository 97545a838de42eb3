//! Workers: everything about an entry that does not need its index.
//!
//! A [`Draft`] is what is to be said; a [`Sealer`] gives it a fresh record key, commits to its fields, writes the entry,
//! seals the payload, wraps the key and makes its search terms. [`crate::prepared::Prepared`] then carries the lot through
//! the sequencer. Terms come from the attributes that are sealed, so from the event after redaction and nothing else.

use std::sync::Arc;

use cairnlog_store::secrets::{Lease, LogKeys, Month, Places, SecretKey, SecretsError};
use cairnlog_verify::Hash;
use cairnlog_verify::entry::{Body, Digest, Entry, hour};
use cairnlog_verify::event::Attribute;
use cairnlog_verify::field::{FieldError, RecordKey, commit};
use cairnlog_verify::tree::leaf_hash;
use cairnlog_verify::value::Value;
use zeroize::{Zeroize as _, Zeroizing};

use crate::class::{NO_CLASS, Retention, Trigger};
use crate::frame::FrameError;
use crate::handles::Random;
use crate::index::{Field, Term, Tokens};
use crate::payload::{Payload, RedactionNote};
use crate::wrap::{Page, Quarantined, seal_quarantined};

/// The path of the time of receipt, in milliseconds since the Unix epoch.
pub const RECEIVED: &str = "$received";

/// The path of an event's own time, in milliseconds since the Unix epoch.
const EVENT_TIME: &str = "time";

/// What an entry is to say.
///
/// It has no `Debug`: it may hold a raw record.
#[derive(Clone)]
pub struct Draft {
    /// When the server received it.
    pub received_ms: u64,
    /// Its kind, and what stands in the clear.
    pub body: Body,
    /// The event after all redactions, in the order of paths, without the server's own attributes.
    pub attributes: Vec<Attribute>,
    /// What was taken from it.
    pub redactions: Vec<RedactionNote>,
    /// The salt of a record's raw commitment. Kept only where it is no oracle: see [`Draft::keeps_raw_salt`].
    pub raw_salt: Option<[u8; 32]>,
    /// How long it is kept; for good, if nothing says.
    pub retention: Option<Retention>,
    /// The raw record of a quarantine entry.
    pub quarantined: Option<Quarantined>,
    /// Whose record it is, where its class waits for an event that closes it. Kept as a blind token only.
    pub subject: Option<String>,
    /// What it closes.
    pub closes: Option<Matter>,
}

/// Whose records of which class belong together until an event closes them.
///
/// It has no `Debug`: a subject is a person.
#[derive(Clone, PartialEq, Eq)]
pub struct Matter {
    /// The retention class.
    pub class: String,
    /// The person.
    pub subject: String,
}

/// An entry that is ready for the sequencer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The entry's bytes.
    pub entry: Vec<u8>,
    /// Their leaf hash.
    pub leaf_hash: Hash,
    /// The row of `payloads`.
    pub payload_row: Vec<u8>,
    /// The row of `keys`.
    pub key_row: Vec<u8>,
    /// The row of `quarantine`.
    pub quarantine_row: Option<Vec<u8>>,
    /// What a record can be found by.
    pub terms: Vec<Term>,
    /// When a record's event was, in milliseconds since the Unix epoch.
    pub event_ms: Option<i64>,
    /// The day on which it is to be erased, in days since 1970.
    pub expiry_day: Option<u32>,
    /// The row of what the event closes.
    pub closing_row: Option<Vec<u8>>,
    /// Keeps the page that wraps its key from being destroyed before its rows are written.
    pub lease: Option<Lease>,
}

/// A draft that can't be an entry. Raw records whose events can't are quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Its attributes.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// It is too large.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Seals drafts for one log.
#[derive(Clone)]
pub struct Sealer {
    origin: String,
    keys: Arc<LogKeys>,
    random: Arc<dyn Random>,
}

impl Matter {
    /// What it is found by. A class's name has no zero byte, so this is unambiguous.
    fn name(&self) -> String {
        format!("{}\0{}", self.class, self.subject)
    }
}

impl Draft {
    /// From when the days of its class count.
    fn trigger(&self) -> Trigger {
        self.retention.as_ref().map_or(Trigger::Received, |retention| retention.class.trigger)
    }

    /// Whether the payload keeps the salt of the raw commitment: only if the raw record gave this one event and nothing
    /// was taken from it. Else whoever holds the salt could confirm a guess of what was taken.
    #[must_use]
    pub fn keeps_raw_salt(&self) -> bool {
        matches!(self.body, Body::Record { part: (0, 1), .. }) && self.redactions.is_empty()
    }
}

impl Sealer {
    /// A sealer of the log with this origin and these keys.
    #[must_use]
    pub fn new(origin: String, keys: Arc<LogKeys>, random: Arc<dyn Random>) -> Self {
        Self { origin, keys, random }
    }

    /// Seals drafts, each by itself; an outcome for each, in order. Blocks, now and then on the disk: page and index keys
    /// are durable before anything is sealed under them.
    ///
    /// # Errors
    /// [`SecretsError`] if no keys can be had; then nothing was sealed.
    pub fn seal(&self, drafts: Vec<Draft>) -> Result<Vec<Result<Sealed, SealError>>, SecretsError> {
        let count = u32::try_from(drafts.len()).unwrap_or(u32::MAX);
        let mut pages = Pages::reserve(&self.keys, count)?;
        let mut tokens = MonthTokens { keys: &self.keys, current: None };
        let mut record_keys = Zeroizing::new(vec![0; 32 * drafts.len()]);
        self.random.fill(&mut record_keys);
        let (record_keys, _) = record_keys.as_chunks::<32>();
        drafts
            .into_iter()
            .zip(record_keys)
            .map(|(draft, key)| {
                let terms = tokens.terms_of(&draft)?;
                let closing_row = draft
                    .closes
                    .as_ref()
                    .map(|matter| self.closing_row(matter, draft.received_ms))
                    .transpose()?;
                let (page, lease) = pages.next();
                let sealed = seal(&self.origin, &record_key(key), page, terms, draft);
                Ok(sealed.map(|sealed| Sealed { closing_row, lease: Some(lease.clone()), ..sealed }))
            })
            .collect()
    }

    /// `u64be milliseconds || tokens`: one token for each month of receipt that may have records of the matter.
    fn closing_row(&self, matter: &Matter, received_ms: u64) -> Result<Vec<u8>, SecretsError> {
        // So that this month's is among them.
        self.keys.index_key(Month::of(received_ms))?;
        let keys =
            self.keys.index_months().into_iter().filter_map(|month| self.keys.existing_index_key(month));
        let token = |key: SecretKey| Tokens::new(key.as_bytes()).term(Field::Subject, &matter.name()).token;
        let tokens = keys.flat_map(|key| token(key).0);
        Ok(received_ms.to_be_bytes().into_iter().chain(tokens).collect())
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealer({})", self.origin)
    }
}

/// Seals one draft under a key that serves nothing else. Pure: what comes out depends on the arguments alone.
///
/// # Errors
/// [`SealError`].
pub fn seal(
    origin: &str,
    key: &RecordKey,
    page: &Page,
    terms: Vec<Term>,
    draft: Draft,
) -> Result<Sealed, SealError> {
    let raw_salt = draft.raw_salt.filter(|_| draft.keeps_raw_salt());
    let event_ms = is_found(&draft.body).then(|| event_ms(&draft));
    let expiry_day =
        draft.retention.as_ref().and_then(|retention| retention.class.expiry_day(draft.received_ms, None));
    let attributes = with_host(draft.received_ms, draft.retention.as_ref(), draft.attributes);
    let commitment = commit(key, origin, &attributes)?;
    let pipeline = pipeline(&draft.body);
    let entry = Entry {
        received: hour(draft.received_ms),
        count: commitment.count,
        fields: commitment.fields,
        body: draft.body,
    };
    let entry = entry.write();
    let leaf = leaf_hash(&entry);
    let payload = Payload { attributes, redactions: draft.redactions, raw_salt, pipeline, rows: terms };
    let quarantined = draft.quarantined.map(|raw| seal_quarantined(key, origin, &leaf, &raw));
    Ok(Sealed {
        payload_row: payload.seal(key, origin, &leaf)?,
        key_row: page.wrap(key, origin, &leaf),
        quarantine_row: quarantined.transpose()?,
        entry,
        leaf_hash: leaf,
        terms: payload.rows,
        event_ms,
        expiry_day,
        closing_row: None,
        lease: None,
    })
}

/// Whether entries of this kind are found by a search, and by the time of their event.
pub(crate) fn is_found(body: &Body) -> bool {
    matches!(body, Body::Record { .. } | Body::Access)
}

/// The event with the server's own attributes before it: `$` sorts before all that a path may start with.
fn with_host(received_ms: u64, retention: Option<&Retention>, event: Vec<Attribute>) -> Vec<Attribute> {
    let value = Value::Integer(received(received_ms));
    let mut attributes = Vec::with_capacity(8 + event.len());
    attributes.push(Attribute { path: RECEIVED.to_owned(), value });
    attributes.extend(retention.into_iter().flat_map(Retention::attributes));
    attributes.extend(event);
    attributes
}

/// The event's own time, or that of receipt where it has none.
fn event_ms(draft: &Draft) -> i64 {
    let time = draft.attributes.iter().find(|attribute| attribute.path == EVENT_TIME);
    match time.map(|attribute| &attribute.value) {
        Some(Value::Integer(ms)) => *ms,
        _ => received(draft.received_ms),
    }
}

fn received(received_ms: u64) -> i64 {
    i64::try_from(received_ms).unwrap_or(i64::MAX)
}

fn pipeline(body: &Body) -> Option<Digest> {
    match body {
        Body::Record { pipeline, .. } => Some(*pipeline),
        _ => None,
    }
}

fn record_key(bytes: &[u8; 32]) -> RecordKey {
    let mut bytes = *bytes;
    let key = RecordKey::from_bytes(bytes);
    bytes.zeroize();
    key
}

/// Places of reserved pages, given out one by one.
struct Pages {
    pages: Vec<(Page, u32, Lease)>,
}

impl Pages {
    fn reserve(keys: &LogKeys, records: u32) -> Result<Self, SecretsError> {
        let mut pages: Vec<_> = keys
            .page_for(records)?
            .into_iter()
            .map(|Places { page, key, records, lease }| (Page::new(page, key.as_bytes()), records, lease))
            .collect();
        pages.reverse();
        Ok(Self { pages })
    }

    fn next(&mut self) -> (&Page, &Lease) {
        while self.pages.len() > 1 && self.pages.last().is_some_and(|(_, places, _)| *places == 0) {
            self.pages.pop();
        }
        let (page, places, lease) = self.pages.last_mut().expect("a place was reserved for every draft");
        *places = places.checked_sub(1).expect("a place was reserved for every draft");
        (page, lease)
    }
}

/// The tokens of one month of receipt after the other.
struct MonthTokens<'a> {
    keys: &'a LogKeys,
    current: Option<(Month, Tokens)>,
}

impl MonthTokens<'_> {
    /// What an entry can be found by: what its event says, by what it is kept, and whose record it is where that matters.
    fn terms_of(&mut self, draft: &Draft) -> Result<Vec<Term>, SecretsError> {
        if !is_found(&draft.body) {
            return Ok(Vec::new());
        }
        let source = match &draft.body {
            Body::Record { source, .. } => Some(source.as_str()),
            _ => None,
        };
        let tokens = self.of(draft.received_ms)?;
        let mut terms = tokens.terms(source, &draft.attributes);
        let chosen = draft.retention.as_ref().and_then(|retention| retention.chosen.as_ref());
        let class = chosen.map_or(NO_CLASS, |chosen| &chosen.class);
        terms.push(tokens.term(Field::Retention, class));
        if let (Some(subject), Trigger::Closed) = (&draft.subject, draft.trigger()) {
            let matter = Matter { class: class.to_owned(), subject: subject.clone() };
            terms.push(tokens.term(Field::Subject, &matter.name()));
        }
        terms.sort_unstable();
        Ok(terms)
    }

    fn of(&mut self, received_ms: u64) -> Result<&mut Tokens, SecretsError> {
        let month = Month::of(received_ms);
        if self.current.as_ref().is_none_or(|(current, _)| *current != month) {
            self.current = Some((month, Tokens::new(self.keys.index_key(month)?.as_bytes())));
        }
        let (_, tokens) = self.current.as_mut().expect("it was set above");
        Ok(tokens)
    }
}
