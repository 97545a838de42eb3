//! How `RocksDB` is set up: for two cores, 512 MB of memory at ten million records, and no acknowledged batch ever lost.

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode, LogLevel, Options,
    SliceTransform,
};

use crate::engine::Scan;
use crate::family::Family;
use crate::layout::prefix_end;

/// Bytes of write-ahead log that a crash leaves to replay, less one batch: about a second's work at start.
pub(super) const WAL_BYTES_MAX: u64 = 96 << 20;
/// Memory of all families' unflushed rows together.
const WRITE_BUFFERS_BYTES: usize = 64 << 20;
/// Memory for blocks that were read, and for all indexes and filters.
const CACHE_BYTES: usize = 96 << 20;
/// Files held open; a file has 64 MB and costs a descriptor.
const OPEN_FILES_MAX: i32 = 256;
/// Written bytes after which flushes and compactions ask the kernel to write, so that they never queue up before a
/// commit's fsync.
const WRITEBACK_BYTES: u64 = 1 << 20;
/// Bits of Bloom filter a key or prefix: one false positive in a hundred.
const FILTER_BITS: f64 = 10.0;

/// What kind of rows a family holds, as far as tuning cares.
enum Shape {
    /// Keys come in order, so a key range lies in one file and a filter would tell nothing. Files move down the levels
    /// without being rewritten as long as every level compresses alike.
    Sequential(DBCompressionType),
    /// Random keys that are asked for one by one and are mostly absent.
    Random,
    /// Random prefixes of so many bytes, scanned prefix by prefix, that are in few of the files.
    Prefixed(usize),
    /// Few rows.
    Small,
}

/// Entries are JSON whose hashes don't compress and whose rest does. Payloads, keys, raw records and tiles are
/// ciphertext and hashes: compressing them would be work for nothing.
fn shape(family: Family) -> Shape {
    match family {
        Family::Entries | Family::Times | Family::Expiry => Shape::Sequential(DBCompressionType::Lz4),
        Family::Tiles | Family::Payloads | Family::Keys | Family::Quarantine => {
            Shape::Sequential(DBCompressionType::None)
        }
        Family::Seen => Shape::Random,
        Family::ByLeaf => Shape::Prefixed(4 + 8),
        Family::Postings => Shape::Prefixed(4 + 1 + 8),
        Family::Heads
        | Family::Classes
        | Family::Plugins
        | Family::Sources
        | Family::Tokens
        | Family::Logs
        | Family::Holds
        | Family::Erasures => Shape::Small,
    }
}

/// The options of the database and of its families.
pub(super) fn options() -> (Options, Vec<ColumnFamilyDescriptor>) {
    let cache = Cache::new_lru_cache(CACHE_BYTES);
    let families = Family::ALL
        .into_iter()
        .map(|family| ColumnFamilyDescriptor::new(family.name(), family_options(&shape(family), &cache)))
        .collect();
    (database_options(), families)
}

/// Whether the scan may rely on prefix filters: it runs up and all keys in its range have one prefix.
pub(super) fn is_within_prefix(scan: &Scan) -> bool {
    let Shape::Prefixed(bytes) = shape(scan.family) else { return false };
    let Some(prefix) = scan.from.get(..bytes) else { return false };
    !scan.reverse
        && (scan.to.starts_with(prefix) || (!scan.to.is_empty() && scan.to == prefix_end(prefix.to_vec())))
}

fn database_options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    // A crash while the families are created leaves some of them; opening again creates the rest.
    options.create_missing_column_families(true);

    // What a crash may leave at the end of the write-ahead log is one batch cut short. It was not acknowledged, since
    // its fsync had not returned. This mode drops exactly that: a record that ends beyond the end of its file. Anything
    // else that fails its checksum stands where acknowledged batches stand, and the database refuses to open.
    // - kPointInTimeRecovery, RocksDB's default, would silently drop that record and everything after it: acknowledged
    //   batches, a signed head among them, and the log would go on to sign a fork.
    // - kAbsoluteConsistency would refuse after every kill -9 that met a write.
    // - kSkipAnyCorruptedRecords leaves holes.
    // The price: a power cut on a disk that wrote the last, unacknowledged record out of order is refused too, and
    // needs a restore. Recycled log files would blur where a log ends, so there are none (RocksDB's default).
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    // The manifest remembers the size of closed log files, so that one which lost its end, or is gone, is noticed.
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_paranoid_checks(true);
    options.set_max_total_wal_size(WAL_BYTES_MAX);

    options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES);
    options.set_max_background_jobs(2);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_bytes_per_sync(WRITEBACK_BYTES);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(4);
    options.set_max_log_file_size(4 << 20);
    options
}

fn family_options(shape: &Shape, cache: &Cache) -> Options {
    let mut options = Options::default();
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_format_version(6);
    // Indexes and filters are paid from the cache, so memory stays flat as the log grows.
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_optimize_filters_for_memory(true);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(16 << 20);
    match shape {
        Shape::Sequential(compression) => {
            options.set_compression_type(*compression);
            table.set_block_size(16 << 10);
        }
        Shape::Random => {
            options.set_compression_type(DBCompressionType::None);
            table.set_bloom_filter(FILTER_BITS, false);
        }
        Shape::Prefixed(bytes) => {
            options.set_prefix_extractor(SliceTransform::create_fixed_prefix(*bytes));
            table.set_bloom_filter(FILTER_BITS, false);
            table.set_whole_key_filtering(false);
        }
        Shape::Small => options.set_write_buffer_size(2 << 20),
    }
    options.set_block_based_table_factory(&table);
    options
}
