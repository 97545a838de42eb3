//! Every bound of this crate, on one page, each with its reason.

/// Bytes of all keys and values of one batch. Twice the largest value, and within what `RocksDB`'s write buffers hold.
pub const BATCH_BYTES_MAX: usize = 64 << 20;

/// Operations of one batch: a request of 10,000 records fits, where every one has rows and search values of its own.
pub const BATCH_OPS_MAX: usize = 1 << 19;

/// Bytes of one key. The longest of the layout has 68: a log id and a name of 64.
pub const KEY_BYTES_MAX: usize = 256;

/// Bytes of one value. A plugin of 32 MiB with its description is the largest.
pub const VALUE_BYTES_MAX: usize = 33 << 20;

/// Rows that one scan may ask for. Whoever wants more goes on from the last key.
pub const SCAN_ROWS_MAX: usize = 1 << 16;

/// Keys of one `multi_get`.
pub const MULTI_GET_KEYS_MAX: usize = 1 << 16;

/// Record keys that one page key wraps; so many survivors at most are re-wrapped when one of them is erased.
pub const PAGE_RECORDS_MAX: u32 = 4_096;

/// Page keys made by one write of the keyring: two fsyncs for 65,536 records.
pub const PAGE_BLOCK: u32 = 16;

/// Record keys that one reservation may ask for: one block of pages.
pub const RESERVATION_RECORDS_MAX: u32 = PAGE_RECORDS_MAX * PAGE_BLOCK;

/// Page keys in one keyring: eight thousand million records. The file then has some 200 MB.
pub const PAGES_MAX: usize = 1 << 21;

/// Days that a window key is kept after its own: a window of 24 hours reaches into the day before, and one more day
/// allows for a clock that was set back.
pub const WINDOW_DAYS_KEPT: u32 = 2;

/// Bytes of a `keyring` file that are read at most.
pub const KEYRING_BYTES_MAX: u64 = 256 << 20;

/// Characters of the name that a key-encryption key of the environment or of a PKCS#11 token is called by: the longest that
/// vendors' tools show whole.
pub const KEK_ID_BYTES_MAX: usize = 64;

/// Key-encryption keys that the environment may hold: the one that wraps, and those before it while they are replaced.
pub const ENVIRONMENT_KEKS_MAX: usize = 16;

/// Bytes of a kept tree head that are read at most: a note with sixteen Ed25519 signatures has some 3,000.
pub const KEPT_HEAD_BYTES_MAX: u64 = 64 << 10;

/// Bytes of a `signing`, `kek` or `VERSION` file that are read at most.
pub const SMALL_FILE_BYTES_MAX: u64 = 1 << 20;
