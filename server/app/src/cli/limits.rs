//! Bounds of the command line, each with what it protects.

/// Bytes of raw records in one request of an ingest: half of what a server takes, so that none is refused as too large.
pub(super) const BATCH_BYTES_MAX: usize = crate::limits::INGEST_BYTES_MAX / 2;

/// Raw records of one request if `--batch` does not say.
pub(super) const BATCH_RECORDS_DEFAULT: u16 = 1_000;

/// How often an ingest sends one request before it gives up.
pub(super) const INGEST_TRIES_MAX: u32 = 5;

/// Different reasons that a summary counts; the rest is counted together.
pub(super) const REASONS_MAX: usize = 20;

/// Quarantined raw records that a summary names by their line.
pub(super) const EXAMPLES_MAX: usize = 10;

/// Items that a list fetches, page by page, before it takes the server for broken.
pub(super) const LISTED_MAX: usize = 100_000;

/// Records of a search if `--limit` does not say, and of one page at most.
pub(super) const SEARCH_RECORDS_DEFAULT: u32 = 100;
/// See [`SEARCH_RECORDS_DEFAULT`].
pub(super) const SEARCH_PAGE_MAX: u32 = crate::limits::PAGE_ROWS_MAX;

/// Bytes of one file of an archive: what a server puts there, and one more record.
pub(super) const ARCHIVE_BYTES_MAX: u64 = 128 << 20;

/// How often a tail connects without any entry before it gives up, and the seconds in between.
pub(super) const TAIL_TRIES_MAX: u32 = 5;
/// See [`TAIL_TRIES_MAX`].
pub(super) const TAIL_PAUSE_SECS: u64 = 1;

/// Bytes of a config or a file of signing keys.
pub(super) const SMALL_FILE_BYTES_MAX: u64 = 1 << 20;

/// Seconds between two looks of a monitor if `--interval` does not say.
pub(super) const MONITOR_INTERVAL_SECS: u64 = 60;
