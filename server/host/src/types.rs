//! What the host takes and gives, free of any version of the plugin interfaces.

use std::collections::VecDeque;
use std::fmt;

use cairnlog_verify::event::Event;

use crate::limits::{LOG_LINES_MAX, MESSAGE_BYTES_MAX};
use crate::text::cut;

/// A raw record as a normalizer gets it: exactly what its raw commitment covers.
pub use cairnlog_verify::raw::RawInput as RawRecord;

/// A role that a plugin plays. One component may play several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Turns raw records into events.
    Normalizer,
    /// Says what of an event must not be kept as it is.
    Redactor,
    /// Says which retention class an event is of.
    Retention,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normalizer => "normalizer",
            Self::Redactor => "redactor",
            Self::Retention => "retention",
        })
    }
}

/// What a normalizer made of one raw record.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The events that it holds, in order; at least one. Each meets [`crate::ocsf`]'s invariants.
    Events(Vec<Event>),
    /// Nothing worth a record, and why.
    Skip(String),
    /// Not understood, and why.
    Reject(String),
}

/// What is to become of an attribute or of a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Commit to it, keep nothing of it. Always the whole attribute.
    Drop,
    /// `[ENTITY]` in its place, and at most so many characters of its end (0 to 4, never more than a quarter).
    Mask(u8),
    /// A keyed token in its place.
    Pseudonymize,
}

/// One redaction, checked against the event that it is for. Those of an event stand in order of attribute and span, and
/// no two touch the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redaction {
    /// Index of the attribute in the slice that was given to [`crate::Host::redact`].
    pub attribute: u32,
    /// Start and end, in bytes and on character boundaries of a text; none for the whole value.
    pub span: Option<(u32, u32)>,
    /// What to do.
    pub action: Action,
    /// What was found, `[A-Z][A-Z0-9_]{0,31}`.
    pub entity: String,
    /// The rule that found it.
    pub rule: String,
}

/// A retention plugin's word on one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// A retention class, a valid name; whether the log has it the caller knows.
    pub class: String,
    /// Whose record it is.
    pub subject: Option<String>,
    /// The class whose records of that subject this event closes, a valid name.
    pub closes: Option<String>,
    /// The rule that decided.
    pub rule: String,
}

/// Why a record got no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The plugin trapped: a panic, a stack too deep, an access out of bounds.
    Trap,
    /// The record's fuel was spent.
    OutOfFuel,
    /// The plugin wanted more memory than there is.
    Memory,
    /// The plugin returned something that the interface or the formats don't allow.
    BadReturn,
    /// The plugin has given two answers to one record, so none of its answers counts any more.
    NotDeterministic,
    /// The plugin failed on everything lately and was not run.
    BreakerOpen,
}

impl FaultKind {
    /// A stable word for metrics and answers.
    #[must_use]
    pub fn slug(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::OutOfFuel => "out-of-fuel",
            Self::Memory => "memory",
            Self::BadReturn => "bad-return",
            Self::NotDeterministic => "not-deterministic",
            Self::BreakerOpen => "breaker-open",
        }
    }
}

/// A plugin's failure on one record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", kind.slug())]
pub struct Fault {
    /// Which failure.
    pub kind: FaultKind,
    /// What happened, without the record's values; at most [`MESSAGE_BYTES_MAX`] bytes.
    pub message: String,
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, message: impl AsRef<str>) -> Self {
        Self { kind, message: cut(message.as_ref(), MESSAGE_BYTES_MAX).to_owned() }
    }

    pub(crate) fn bad_return(message: impl AsRef<str>) -> Self {
        Self::new(FaultKind::BadReturn, message)
    }
}

/// What became of one record.
pub type Verdict<T> = Result<T, Fault>;

/// How grave a plugin finds its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For the plugin's author.
    Debug,
    /// Worth knowing.
    Info,
    /// Looks wrong.
    Warn,
    /// Is wrong; a panic's message comes so.
    Error,
}

/// A plugin's message. It may hold plaintext of records: seal it or show it to who may read them, never log it.
#[derive(Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its level.
    pub level: Level,
    /// Its text, at most [`MESSAGE_BYTES_MAX`] bytes.
    pub message: String,
}

impl fmt::Debug for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLine").field("level", &self.level).field("bytes", &self.message.len()).finish()
    }
}

/// What a plugin logged during a run: its last [`LOG_LINES_MAX`] messages, and how many there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginLog {
    lines: VecDeque<LogLine>,
    counts: [u64; 4],
}

impl PluginLog {
    /// The last messages, oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &LogLine> {
        self.lines.iter()
    }

    /// How many messages of a level there were, those no longer kept included.
    #[must_use]
    pub fn count(&self, level: Level) -> u64 {
        self.counts[level as usize]
    }

    pub(crate) fn push(&mut self, level: Level, message: &str) {
        self.counts[level as usize] += 1;
        self.keep(LogLine { level, message: cut(message, MESSAGE_BYTES_MAX).to_owned() });
    }

    pub(crate) fn append(&mut self, other: Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine += theirs;
        }
        other.lines.into_iter().for_each(|line| self.keep(line));
    }

    fn keep(&mut self, line: LogLine) {
        if self.lines.len() == LOG_LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}

/// What a call over records gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Run<T> {
    /// One element a record, in order.
    pub results: Vec<T>,
    /// Fuel spent on the records, in units of [`crate::limits::FUEL_TABLE`], repeated runs included, setup not.
    pub fuel: u64,
    /// The most memory that an instance had, over all its memories, in bytes.
    pub memory_bytes: usize,
    /// What the plugin logged.
    pub log: PluginLog,
}

/// A run that ended for reasons that lie in no record: the request fails, nothing is quarantined, the caller retries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Interrupted {
    /// The time of a batch was up, twice.
    #[error("the plugin was interrupted after its time twice: the machine is overloaded, retry later")]
    Deadline,
    /// Too many runs wait for an instance already.
    #[error("too many runs are waiting for a plugin instance: retry later")]
    Busy,
    /// The plugin, which could be instantiated and configured before, could not be now.
    #[error("the plugin can't be set up: {0}")]
    Setup(String),
    /// The plugin of the stage does not play this role. Bind only plugins whose kinds were checked.
    #[error("the plugin is no {0}")]
    WrongKind(Kind),
}
