//! Every bound of the client, in one place: waits and the most bytes read of each kind of answer.
//!
//! A server is not trusted to be short or quick. An answer beyond its bound is dropped unread, as
//! [`Error::TooLarge`](crate::Error::TooLarge).

use std::time::Duration;

/// How long opening a connection may take.
pub const CONNECT_WAIT_MAX: Duration = Duration::from_secs(10);

/// How long a connection may stay silent in the middle of an answer.
pub const READ_WAIT_MAX: Duration = Duration::from_mins(1);

/// How long one request may take in all, body included, unless it writes.
pub const REQUEST_WAIT_MAX: Duration = Duration::from_mins(2);

/// How long an ingest or an upload may take: the answer comes after the data is durable.
pub const WRITE_WAIT_MAX: Duration = Duration::from_mins(10);

/// The longest single pause before asking again, whatever `retry-after` says.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_secs(10);

/// The shortest pause before asking for a receipt again, whatever `retry-after` says.
pub const RETRY_PAUSE_MIN: Duration = Duration::from_millis(50);

/// The pause before asking again where the server names none.
pub const RETRY_PAUSE_DEFAULT: Duration = Duration::from_secs(1);

/// A wait for a receipt that suits most callers: several publishing intervals.
pub const RECEIPT_WAIT_DEFAULT: Duration = Duration::from_secs(30);

/// How often an audit asks for one tile or bundle before it gives up.
pub const AUDIT_TRIES_MAX: u32 = 4;

/// How many bundles an audit fetches ahead. With [`BUNDLE_BYTES_MAX`] this bounds its memory.
pub const AUDIT_FETCHES_MAX: usize = 4;

/// A URL: servers refuse longer ones before they know what they are about.
pub const URL_BYTES_MAX: usize = 65_534;

/// A problem document or another error's body.
pub const PROBLEM_BYTES_MAX: usize = 256 << 10;

/// One JSON object: a log, a proof, a source, a plugin's description.
pub const OBJECT_BYTES_MAX: usize = 1 << 20;

/// One record with its event: the server takes raw records of up to 1 MiB, and paths add to that.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// A page of a list or a search. Ask for smaller pages where records are huge.
pub const PAGE_BYTES_MAX: usize = 64 << 20;

/// The answer to an ingest: a row for each raw record.
pub const INGEST_BYTES_MAX: usize = 64 << 20;

/// A checkpoint; a longer note would not be parsed.
pub const CHECKPOINT_BYTES_MAX: usize = cairnlog_verify::limits::NOTE_BYTES_MAX;

/// A full tile: 256 hashes of 32 bytes (C2SP tlog-tiles).
pub const TILE_BYTES_MAX: usize = 256 * 32;

/// A full entry bundle: 256 entries of 65,535 bytes, each behind its two length bytes.
pub const BUNDLE_BYTES_MAX: usize = 256 * (2 + 65_535);

/// A receipt; a longer one would not be parsed.
pub const RECEIPT_BYTES_MAX: usize = cairnlog_verify::limits::RECEIPT_BYTES_MAX;

/// A disclosure; a longer one would not be parsed.
pub const DISCLOSURE_BYTES_MAX: usize = cairnlog_verify::limits::DISCLOSURE_BYTES_MAX;

/// The longest `Idempotency-Key`, in visible ASCII characters.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 128;

/// The longest token, in visible ASCII characters.
pub const TOKEN_CHARS_MAX: usize = 4_096;

/// A component, the largest that a server takes.
pub const PLUGIN_BYTES_MAX: usize = 32 << 20;
