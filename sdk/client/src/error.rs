//! What can go wrong, told apart by what the caller can do about it.

use std::fmt;
use std::time::Duration;

use cairnlog_verify::checkpoint::CheckpointError;
use cairnlog_verify::proof::ProofError;
use cairnlog_verify::receipt::ReceiptError;
use serde::Deserialize;

/// Why a call failed. No variant's words hold a token, a query or a part of a good answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server refused, and said why (RFC 9457).
    #[error("{0}")]
    Problem(Box<Problem>),
    /// The server refused without a problem document, or answered with a redirect: most likely
    /// the address is not a Cairnlog server's.
    #[error("{what}: status {status} without a problem document; check the server's address")]
    Unexpected {
        /// What was asked for.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// The `retry-after` header, where it gives seconds.
        retry_after: Option<Duration>,
    },
    /// The server could not be reached, or the connection broke.
    #[error("{what}: {kind}")]
    Transport {
        /// What was asked for.
        what: &'static str,
        /// What happened to the connection.
        kind: TransportKind,
        /// The cause, its address taken out.
        #[source]
        source: reqwest::Error,
    },
    /// The answer is longer than its kind may be (see [`limits`](crate::limits)).
    #[error("{what}: the answer is longer than {limit} bytes and was dropped")]
    TooLarge {
        /// What was asked for.
        what: &'static str,
        /// The bound, in bytes.
        limit: usize,
    },
    /// The answer is not of the shape that the API promises.
    #[error("{what}: the answer can't be read: {detail}")]
    Malformed {
        /// What was asked for.
        what: &'static str,
        /// Where it went wrong, without the answer's words.
        detail: String,
    },
    /// A log lacks a tile, a bundle or its checkpoint.
    #[error("the log has no {resource}")]
    Missing {
        /// Its path below the log's prefix.
        resource: String,
    },
    /// The server asks for a second person: what was asked for waits until another token approves it.
    #[error("it waits for another person's approval under the id {id}")]
    Waits {
        /// See [`Log::approve_change`](crate::Log::approve_change).
        id: String,
    },
    /// The published head does not cover the entry yet, and the wait is over.
    #[error("the receipt is not ready: the published head does not cover the entry yet; ask again")]
    NotYet {
        /// How long the server asks to wait.
        retry_after: Duration,
    },
    /// What the caller gave can't be sent: an address, a name, a token, a key.
    #[error("{0}")]
    Input(String),
    /// What the server gave does not verify. This is evidence, not a hiccup: keep it.
    #[error(transparent)]
    Verification(#[from] VerificationError),
}

impl Error {
    /// How long the server asks to wait before the same request is sent again; `None` where it
    /// did not ask.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Problem(problem) => problem.retry_after,
            Self::Unexpected { retry_after, .. } => *retry_after,
            Self::NotYet { retry_after } => Some(*retry_after),
            _ => None,
        }
    }

    /// The HTTP status, where the server refused.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Problem(problem) => Some(problem.status),
            Self::Unexpected { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The problem's slug, such as `not-found`, where the server gave one.
    #[must_use]
    pub fn slug(&self) -> Option<&str> {
        match self {
            Self::Problem(problem) => Some(problem.slug()),
            _ => None,
        }
    }

    /// Whether the same request may well succeed later: the connection broke, or the server is
    /// busy (429, 503).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transport { kind, .. } => {
                !matches!(kind, TransportKind::Untrusted | TransportKind::NoAuthorities)
            }
            Self::NotYet { .. } => true,
            _ => matches!(self.status(), Some(429 | 503)),
        }
    }

    /// Of a client that can't be built: all that can be missing is what TLS needs.
    pub(crate) fn setup(source: reqwest::Error) -> Self {
        Self::Transport { what: "setting up the client", kind: TransportKind::NoAuthorities, source }
    }

    pub(crate) fn transport(what: &'static str, source: reqwest::Error) -> Self {
        let kind = if source.is_timeout() {
            TransportKind::Timeout
        } else if is_untrusted(&source) {
            TransportKind::Untrusted
        } else if source.is_connect() {
            TransportKind::Connect
        } else {
            TransportKind::Broken
        };
        Self::Transport { what, kind, source: source.without_url() }
    }

    /// serde's own message may quote the answer, so only the place is kept.
    pub(crate) fn json(what: &'static str, error: &serde_json::Error) -> Self {
        let detail = format!("unexpected JSON at line {} column {}", error.line(), error.column());
        Self::Malformed { what, detail }
    }
}

/// Whether the server's certificate did not hold. rustls' error lies in I/O errors, which show what they hold, not as
/// their source, but by themselves.
fn is_untrusted(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if held.is_some_and(|held| is_untrusted(held)) {
            return true;
        }
        if matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        next = error.source();
    }
    false
}

impl From<CheckpointError> for Error {
    fn from(error: CheckpointError) -> Self {
        VerificationError::from(error).into()
    }
}

impl From<ProofError> for Error {
    fn from(error: ProofError) -> Self {
        VerificationError::from(error).into()
    }
}

impl From<ReceiptError> for Error {
    fn from(error: ReceiptError) -> Self {
        VerificationError::from(error).into()
    }
}

/// What happened to the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportKind {
    /// No connection: nobody listens there, or the name is unknown.
    Connect,
    /// The server's certificate is of no authority that is trusted here, is for another name, or is out of date.
    Untrusted,
    /// An `https://` server is to be reached, and there are no authorities to check it by.
    NoAuthorities,
    /// Nothing came for too long (see [`limits`](crate::limits)).
    Timeout,
    /// The connection ended in the middle, or what came was not HTTP.
    Broken,
}

impl fmt::Display for TransportKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "the server can't be reached; check its address and that it runs",
            Self::Untrusted => {
                "the server's certificate does not hold here; SSL_CERT_FILE may name a file of authorities to trust"
            }
            Self::NoAuthorities => {
                "no authorities to check certificates by; install the system's (ca-certificates) or set SSL_CERT_FILE"
            }
            Self::Timeout => "the server took too long to answer",
            Self::Broken => "the connection broke before the answer was whole",
        })
    }
}

/// What the server gave, and why it can't be true.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerificationError {
    /// The checkpoint is not signed by the log's key, or not well formed.
    #[error("the checkpoint does not verify: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The proof does not lead to the signed root.
    #[error("the proof does not verify: {0}")]
    Proof(#[from] ProofError),
    /// The receipt does not hold.
    #[error("the receipt does not verify: {0}")]
    Receipt(#[from] ReceiptError),
    /// The later checkpoint covers fewer entries than the earlier one.
    #[error("the log shrank from {old} to {new} entries")]
    Shrank {
        /// The size seen earlier.
        old: u64,
        /// The size seen now.
        new: u64,
    },
    /// Two checkpoints that should be of one log name different ones.
    #[error("the checkpoints are of different logs")]
    OtherLog,
    /// The proof speaks of other sizes, or of another leaf, than it was asked for.
    #[error("the proof is for another tree size or another leaf")]
    OtherProof,
}

/// A problem document (RFC 9457), as the server wrote it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Problem {
    /// `type`: `/problems/<slug>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What sort of problem, in a few words.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// What happened and what to do.
    #[serde(default)]
    pub detail: String,
    /// Names the request in the server's own log.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Each thing that is wrong, where it is several.
    #[serde(default)]
    pub errors: Vec<ProblemItem>,
    /// What else the condition says: of what was erased `by`, `reason`, `basis`, `at` and `receipt`; of what is held `hold`;
    /// of a minimum that stands `until`.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
    /// The `retry-after` header, where it gives seconds.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// The last part of `type`: a stable name, such as `unknown-parameter`.
    #[must_use]
    pub fn slug(&self) -> &str {
        self.kind.rsplit('/').next().unwrap_or_default()
    }

    /// One of the members that the condition has besides, where it is a text.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&str> {
        self.more.get(name)?.as_str()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = if self.detail.is_empty() { &self.title } else { &self.detail };
        write!(f, "{} ({}", Plain(words), Plain(self.slug()))?;
        write!(f, ", status {}", self.status)?;
        if let Some(id) = &self.request_id {
            write!(f, ", request {}", Plain(id))?;
        }
        f.write_str(")")?;
        for item in &self.errors {
            write!(f, "; {item}")?;
        }
        Ok(())
    }
}

/// One of several things that are wrong.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ProblemItem {
    /// A stable name, such as `unknown-import`.
    #[serde(default)]
    pub code: Option<String>,
    /// What is wrong.
    #[serde(default)]
    pub detail: Option<String>,
    /// Other members, such as the place of the fault.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

impl fmt::Display for ProblemItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.code, &self.detail) {
            (Some(code), Some(detail)) => write!(f, "{}: {}", Plain(code), Plain(detail)),
            (Some(word), None) | (None, Some(word)) => write!(f, "{}", Plain(word)),
            (None, None) => f.write_str("unnamed error"),
        }
    }
}

/// A server's words without control characters, which could steer the reader's terminal.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            f.write_str(if c.is_control() { " " } else { "" })?;
            if !c.is_control() {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}
