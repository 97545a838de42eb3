//! The one page of limits of the HTTP face. Each bound says what it protects.
//!
//! Those that a user meets stand in `docs/limits.md` with the limits of the lower floors.

use std::time::Duration;

/// Largest request body of an ingest, as sent and after decompression: a request is one atomic
/// commit and is held in memory until it is durable. A setting may lower it.
pub(crate) const INGEST_BYTES_MAX: usize = 16 << 20;

/// Most raw records in one ingest request, if no setting says otherwise.
pub(crate) const INGEST_RECORDS_DEFAULT: usize = 10_000;
/// The most that a setting may say: as many entries as one commit may hold.
pub(crate) const INGEST_RECORDS_MAX: usize = 16_384;

/// The least that settings of bytes may say.
pub(crate) const SETTING_BYTES_MIN: usize = 1_024;

/// The most days that a setting may let a copy of a keyring live: until then an erasure is not complete.
pub(crate) const KEYRING_BACKUP_DAYS_MAX: u32 = 3_650;

/// Largest plugin upload.
pub(crate) const PLUGIN_BYTES_MAX: usize = 32 << 20;

/// Bytes of a core module before it is a component: debug information may be in it.
pub(crate) const CORE_BYTES_MAX: u64 = 128 << 20;

/// Largest JSON body of any other call.
pub(crate) const JSON_BYTES_MAX: usize = 1 << 20;

/// Bytes of request bodies held at once by all ingests together; who finds no room is asked to come again.
pub(crate) const BODIES_BYTES_MAX: usize = 256 << 20;

/// Longest that a body waits for a place there before it is refused with 429.
pub(crate) const ROOM_WAIT_MAX: Duration = Duration::from_secs(1);

/// Least room that a body is given there, for what its request takes besides.
pub(crate) const BODY_BYTES_MIN: usize = 16 << 10;

/// Connections served at once; more wait in the kernel's accept queue.
pub(crate) const CONNECTIONS_MAX: usize = 4_096;

/// Connections that wait in the kernel's queue to be accepted; `net.core.somaxconn` bounds it further.
pub(crate) const LISTEN_QUEUE: u32 = 4_096;

/// Longest a client may take to send its request's head.
pub(crate) const HEADER_WAIT_MAX: Duration = Duration::from_secs(10);

/// Longest a client may take to accept the next bytes of an answer.
pub(crate) const WRITE_WAIT_MAX: Duration = Duration::from_secs(30);

/// Longest one request may take, from its head to its answer.
pub(crate) const REQUEST_WAIT_MAX: Duration = Duration::from_mins(2);

/// Bytes of a refused request's body that are still read, and how long, so that the caller sees the refusal.
pub(crate) const LINGER_BYTES_MAX: usize = 64 << 20;
/// See [`LINGER_BYTES_MAX`].
pub(crate) const LINGER_WAIT_MAX: Duration = Duration::from_secs(5);

/// Longest that a shutdown waits for requests under way.
pub(crate) const DRAIN_WAIT_MAX: Duration = Duration::from_secs(30);

/// How long a caller's reads that say the same share one entry of the control log.
pub(crate) const READS_SHARED: Duration = Duration::from_secs(1);
/// Entries that are remembered for that; reads beyond have one each.
pub(crate) const READS_REMEMBERED_MAX: usize = 4_096;

/// Streams of records served at once: each holds a connection and asks for new heads.
pub(crate) const STREAMS_MAX: usize = 64;
/// How often a stream on which nothing is shown says that it is there.
pub(crate) const STREAM_HEARTBEAT: Duration = Duration::from_secs(15);
/// How often the control log is told that a stream is open.
pub(crate) const STREAM_SAID: Duration = Duration::from_mins(1);
/// Entries that a stream shows at once, and bytes after which it sends those that it has: they are held in memory.
pub(crate) const STREAM_RECORDS_MAX: u64 = 64;
/// See [`STREAM_RECORDS_MAX`].
pub(crate) const STREAM_BYTES_MAX: usize = 1 << 20;

/// How often the control log is told how many requests were refused, and tallies are looked after.
pub(crate) const CHORES_PAUSE: Duration = Duration::from_mins(1);

/// Raw records of a dry run: each runs by itself.
pub(crate) const DRY_RUN_RECORDS_MAX: usize = 1_000;

/// Rows of a list when the caller names no `limit`, and the most it may name.
pub(crate) const PAGE_ROWS_DEFAULT: u32 = 100;
/// See [`PAGE_ROWS_DEFAULT`].
pub(crate) const PAGE_ROWS_MAX: u32 = 1_000;

/// Bytes of a list of sources, whose configs may be large, after which its page ends: a page is held in memory.
pub(crate) const PAGE_BYTES_MAX: usize = 8 << 20;

/// Most paths of one disclosure that its entry in the control log names; of more it says the number alone.
pub(crate) const DISCLOSED_PATHS_SAID_MAX: usize = 1_000;

/// Longest `Idempotency-Key`, in visible ASCII characters.
pub(crate) const IDEMPOTENCY_KEY_MAX: usize = 128;

/// Tokens one server keeps: they are held in memory.
pub(crate) const TOKENS_MAX: usize = 10_000;

/// Longest name of a token, in characters.
pub(crate) const TOKEN_NAME_MAX: usize = 128;

/// Shortest and longest `CAIRNLOG_ADMIN_TOKEN`, in visible ASCII characters.
pub(crate) const ADMIN_TOKEN_LEN: std::ops::RangeInclusive<usize> = 32..=256;

/// Seconds that a caller is asked to wait before trying again.
pub(crate) const RETRY_AFTER_SECS: u32 = 1;

/// Bytes that a witness may answer: one ML-DSA-44 cosignature has some 3,300.
pub(crate) const WITNESS_ANSWER_BYTES_MAX: usize = 64 << 10;

/// Connections that a witness serves at once; with the largest request this bounds its memory.
pub(crate) const WITNESS_CONNECTIONS_MAX: usize = 256;

/// Longest that one request to a witness may take, its body included.
pub(crate) const WITNESS_WAIT_MAX: Duration = Duration::from_secs(30);

/// How often the server asks whether a write to the store has failed.
pub(crate) const STORE_CHECK: Duration = Duration::from_millis(100);

/// How often recorded metrics are folded into their buckets.
pub(crate) const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// Shortest pause of the rolling audit after a bundle of 256 entries: some 5,000 entries a second, at a few hundredths of
/// a core.
pub(crate) const AUDIT_STEP_PAUSE: Duration = Duration::from_millis(50);

/// Bytes that it reads in a second on average, so that large entries don't take the disk from others.
pub(crate) const AUDIT_BYTES_PER_SEC: u64 = 8 << 20;

/// How many pauses it makes instead of one while the log is being written to.
pub(crate) const AUDIT_BUSY_PAUSES: u32 = 4;

/// Pause between two sweeps of all logs: what is due goes within it.
pub(crate) const SWEEP_PAUSE: Duration = Duration::from_mins(15);

/// Pause between two passes over all logs.
pub(crate) const AUDIT_PASS_PAUSE: Duration = Duration::from_mins(1);
