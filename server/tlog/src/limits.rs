//! Every bound of this crate, with its reason.

use std::time::Duration;

/// Submissions that may wait for the sequencer. Twice the 2,048 connections that a loaded server is
/// measured with, so that a full round of callers fits while a commit is under way; beyond it the
/// caller is told to come again rather than to wait without bound.
pub const QUEUE_SUBMISSIONS_MAX: usize = 4_096;

/// Bytes of entries and rows that all waiting and running submissions of a log may hold in memory
/// together.
pub const QUEUE_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Leaves of one submission. A request of 10,000 raw records is one submission, and some of them give
/// several events.
pub const SUBMISSION_LEAVES_MAX: usize = 16_384;

/// Bytes of one submission with its rows: what one batch of the engine holds. The engine's own limit
/// counts when it is lower.
pub const SUBMISSION_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Leaves of several submissions in one commit. At 200,000 entries a second this is 20 ms of work; more
/// would only add latency, the cost of the sync being spread thin already. A larger submission goes
/// alone.
pub const GROUP_LEAVES_MAX: usize = 4_096;

/// Bytes of several submissions in one commit, for the same reason.
pub const GROUP_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Entries that one read returns at most: those of a full bundle, 16 MiB at the worst.
pub const ENTRIES_READ_MAX: u64 = 256;

/// Tiles kept in memory for all logs of a server together. A full one takes 8 KiB, and as much again once a proof has
/// used it: 64 MiB at the most, which holds all tiles of a log of a million entries.
pub(crate) const TILES_KEPT_MAX: usize = 4_096;

/// Rows of one leaf-hash prefix that a lookup looks at before it gives up. The prefix has 64 bits, so
/// more than a few rows mean one entry repeated (the first row answers) or a crafted collision.
pub(crate) const LEAF_CANDIDATES_MAX: usize = 4_096;

/// Rows of one leaf-hash prefix read at a time.
pub(crate) const LEAF_CANDIDATES_PAGE: usize = 16;

/// How often the stored head is asked for after a commit of unknown outcome.
pub(crate) const SETTLE_TRIES_MAX: u32 = 8;

/// The first pause between two of these tries; each further one is twice as long. Eight tries take
/// 1.3 s, within which a caller is still waiting.
pub(crate) const SETTLE_PAUSE_MIN: Duration = Duration::from_millis(10);

/// The shortest time between two writes of the head kept outside the store: two fsyncs, on another volume perhaps.
pub(crate) const KEEP_PAUSE: Duration = Duration::from_secs(1);

/// Longest that one witness may take to cosign one head, all tries together.
pub(crate) const WITNESS_WAIT_MAX: Duration = Duration::from_secs(5);

/// Requests to one witness for one head: it may answer that it has cosigned another size, and again if two of our own
/// requests overlapped.
pub(crate) const WITNESS_TRIES_MAX: u32 = 3;

/// How long a witness is left alone after a failure; twice as long after each further one. Short enough that one that
/// was only started anew is hardly missed.
pub(crate) const BACKOFF_MIN: Duration = Duration::from_millis(250);

/// The longest that a witness is left alone, whatever it asks for: where the quorum needs it, heads are published again
/// this long after it is back.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// How long further cosignatures are waited for once there are enough, so that those which arrive at about the same
/// time are published too. Nobody waits for it but the readers of newer heads.
pub(crate) const COSIGN_GRACE: Duration = Duration::from_millis(200);

/// The time that a start may lose to witnesses which are slow or away, all logs together.
pub(crate) const START_WAIT_MAX: Duration = Duration::from_secs(5);

/// An answer within this time costs nothing of that: a round trip around the world.
pub(crate) const START_PROMPT: Duration = Duration::from_millis(250);

/// The pause after a head was published before witnesses are asked for the next one.
pub(crate) const PUBLISH_PAUSE_MIN: Duration = Duration::from_millis(100);

/// The longest pause after the store has not taken a published head; each such pause is twice the one before.
pub(crate) const PUBLISH_PAUSE_MAX: Duration = Duration::from_secs(10);

/// Bytes that a leaf adds to a batch besides its entry: the keys of its entry and lookup rows, its hash
/// in a tile, and the engine's framing of each, rounded up.
pub(crate) const LEAF_OVERHEAD_BYTES: usize = 192;

/// Bytes that a batch may hold besides what its leaves account for: a tile at each of eight levels, the
/// lookup rows of 255 earlier leaves and the head, rounded up.
pub(crate) const BATCH_OVERHEAD_BYTES: usize = 128 * 1024;

/// Lookup rows that a check reads at a time: they are keys alone, of 20 bytes.
pub(crate) const CHECK_SCAN_ROWS: usize = 4_096;
