//! Every bound of this crate, on one page, each with its reason.

use std::time::Duration;

/// Bytes of a payload before compression. An event of a raw record of 1 MiB takes a fraction of it; what is larger is
/// quarantined.
pub const PAYLOAD_BYTES_MAX: usize = 8 << 20;

/// Bytes of a quarantined raw record with its salt: the largest body, 16 MiB, and
/// as much as there may be of names and transport facts.
pub const QUARANTINED_BYTES_MAX: usize = 17 << 20;

/// Sealed rows have a multiple of so many bytes, so that their length tells little.
pub const PADDING_BYTES: usize = 64;

/// Compressors that wait for their next use; each holds about a megabyte. More are made when more are needed at once.
pub const CODECS_IDLE_MAX: usize = 16;

/// Bytes of buffer that a waiting compressor keeps: one that has grown over an outsized event is given up.
pub const CODEC_BUFFER_BYTES_MAX: usize = 1 << 20;

/// Characters from which on what an attribute lost is looked for in others: shorter ones are found everywhere.
pub const COPIED_CHARS_MIN: usize = 4;

/// Bytes compared at most while looking for copies in one event, as lost values times bytes of text: some 100 ms.
pub const COPY_SEARCH_WORK_MAX: usize = 1 << 27;

/// Characters that a mask keeps at most, and never more than a quarter of the value.
pub const MASK_KEPT_CHARS_MAX: usize = 4;

/// Days of a retention class: a hundred years.
pub const RETENTION_DAYS_MAX: u32 = 36_525;

/// Bytes of a retention class's basis, which every record of the class repeats.
pub const BASIS_BYTES_MAX: usize = 256;

/// Legal holds of one log: each is asked about every record that is to be erased.
pub const HOLDS_MAX: usize = 1_024;

/// Bytes of the matter and of the reason of a hold.
pub const HOLD_TEXT_BYTES_MAX: usize = 1_024;

/// Bytes of the reason of an erasure.
pub const ERASURE_REASON_BYTES_MAX: usize = 1_024;

/// Records looked at, and erased, in one commit, between which writers take their turn: some milliseconds, and no more
/// stretches than one entry names.
pub const ERASED_AT_ONCE: usize = 512;

/// Bytes of disclosures in one file of the archive, after which another one is begun.
pub const ARCHIVED_BYTES: usize = 32 << 20;

/// Persons that one record is found by besides its actors and what was acted on: a mail to many must not make the commit that
/// erases it too large.
pub const PERSONS_MAX: usize = 64;

/// Quarantined raw records tried again by one request.
pub const RETRIED_MAX: usize = 1_000;

/// Rows of quarantined raw records read at once: each may have as many bytes as a body.
pub const QUARANTINE_ROWS_READ: usize = 8;

/// Quarantined raw records that one request looks at to find those of a source; the next page goes on behind them.
pub const QUARANTINE_TRIED: usize = 10_000;

/// Events that a dry run makes of all its raw records together.
pub const TRIAL_EVENTS_MAX: usize = 10_000;

/// How long a sweep takes that somebody waits for; the next one goes on.
pub const SWEEP_ASKED_MAX: Duration = Duration::from_secs(30);

/// Records of a person looked for at once.
pub const SUBJECT_PAGE_RECORDS: usize = 1_000;

/// Erasures of one log, and changes of its rules, that wait for a second person's approval.
pub const PENDING_MAX: usize = 1_024;

/// Records named in the answer to an erasure that refuses more.
pub const REFUSALS_NAMED_MAX: usize = 1_000;

/// Days that the destruction of the pages of erased records may take, the server being down or busy meanwhile: it begins
/// at once and takes seconds.
pub const DESTRUCTION_DAYS: u64 = 1;

/// Days that a copy of a keyring lives, if no setting says otherwise.
pub const KEYRING_BACKUP_DAYS: u32 = 30;

/// Rows of `expiry`, and of postings that are counted, read at once.
pub const EXPIRY_ROWS_READ: usize = 256;

/// Rows of `expiry` that are read at most to say when the next record of a class is due.
pub const EXPIRY_ROWS_TRIED: usize = 16_384;

/// Rows of `keys` read at once while looking for what the pages wrap that are to be destroyed.
pub const KEY_ROWS_READ: usize = 8_192;

/// Entries that one step of the full pass over a log's records opens.
pub const CHECKED_AT_ONCE: u64 = 128;

/// Closings carried out, one after the other, before it is looked for more.
pub const CLOSINGS_READ: usize = 256;

/// Record keys wrapped anew in one commit.
pub const REWRAPPED_AT_ONCE: usize = 1_024;

/// Pages destroyed together.
pub const PAGES_DESTROYED_AT_ONCE: usize = 16_384;

/// How long to wait before looking again whether a page is in use.
pub const LEASE_PAUSE: Duration = Duration::from_millis(10);

/// How often a read is made anew that an erasure came between.
pub const DISTURBED_READS_MAX: usize = 16;

/// Bytes of the name of a class's time zone.
pub const ZONE_BYTES_MAX: usize = 64;

/// Days that a quarantined raw record is kept.
pub const QUARANTINE_DAYS: u32 = 30;

/// Bytes of one raw record, if no setting says otherwise; a larger one is quarantined as `too-large`.
pub const RECORD_BYTES_DEFAULT: usize = 1 << 20;

/// Raw records of a chunk, the unit of work of a worker: enough to make a fresh instance cost nothing, few enough that
/// sources take turns.
pub const CHUNK_RECORDS_MAX: usize = 256;

/// Bytes of a chunk; a larger raw record is a chunk of its own.
pub const CHUNK_BYTES_MAX: usize = 1 << 20;

/// Bytes of the openings that one request is handed back; beyond, it is refused like one that is too large to write.
pub const OPENINGS_BYTES_MAX: usize = 16 << 20;

/// Bytes of the fates of one request, unpacked: 10,000 rows with a reason of some hundred bytes each, with room.
pub const FATES_BYTES_MAX: usize = 64 << 20;

/// Redactors of one source: each is another crossing for every event.
pub const REDACTORS_MAX: usize = 8;

/// Bytes of a stage's config, in its canonical form.
pub const CONFIG_BYTES_MAX: usize = 256 << 10;

/// Plugins of one server; each is held compiled.
pub const PLUGINS_MAX: usize = 256;

/// Sources of one log; each holds its configured stages.
pub const SOURCES_MAX: usize = 1_024;

/// Retention classes of one log.
pub const CLASSES_MAX: usize = 1_024;

/// Kinds of values that pseudonyms of one log are made of and searched under: a search for a plaintext looks for one
/// pseudonym under each.
pub const ENTITIES_MAX: usize = 256;

/// How long after its end the tally of an hour is written, in milliseconds: requests that began in it have ended.
pub const TALLY_WAIT_MS: u64 = 120_000;

/// Logs of one server; each has a task, keys and a right edge in memory.
pub const LOGS_MAX: usize = 1_024;

/// Signing keys of one log; each signs every tree head.
pub const SIGNING_KEYS_MAX: usize = 8;

/// Entries for which old keys go on signing beside new ones if nobody says: time for monitors to be told.
pub const KEY_OVERLAP_ENTRIES: u64 = 1_000_000;

/// Entries that are added to an overlap at the second try, and sixteen times as many at each further one, where others
/// write more than it lets them: what is queued already is signed by the old keys.
pub const KEY_SLACK_ENTRIES: u64 = 1_000;
/// How often that is tried.
pub const KEY_TRIES_MAX: u32 = 4;

/// Bytes of the reason given for new keys.
pub const KEY_REASON_BYTES_MAX: usize = 1_024;

/// Milliseconds that an Idempotency-Key and an event with an id of its own are remembered: 24 hours.
pub const WINDOW_MS: u64 = 86_400_000;

/// How long before midnight a request looks for itself under the next day's key too, in milliseconds: a repeat may
/// overtake it across midnight, and no request takes longer than this.
pub const OVERTAKING_MS: u64 = 5 * 60 * 1_000;

/// `seen` rows of a day that is over deleted in one commit, between which requests take their turn.
pub const SEEN_ROWS_FORGOTTEN: usize = 10_000;

/// Places of a submission that one row of `times` reaches over: few enough that what is looked up is found at once.
pub const STRETCH_RECORDS: u64 = 256;

/// Searches at work at once, over all logs; more wait for their turn. Each holds some rows and a page in memory.
pub const SEARCHES_MAX: usize = 8;

/// Index rows, and indices in them, of a filter that a search reads whole before anything else: a few milliseconds.
pub const POSTINGS_TRIED: usize = 1_024;

/// The same for a search that has walked [`RECORDS_TRIED`] in the order of time and wants more. A filter that has more
/// rows is looked up where the walk comes by.
pub const POSTINGS_HELD_MAX: usize = 8_192;

/// Index rows that a search reads at first, then twice as many each time: what ends soon should not read much.
pub const ROWS_READ_MIN: usize = 64;

/// Rows of one filter that a search reads or looks up at once.
pub const POSTINGS_READ: usize = 1_024;

/// Rows of `times` that a search reads at once.
pub const TIME_ROWS_READ: usize = 1_024;

/// Records that a search walks by in the order of time before it tries whether a filter has few.
pub const RECORDS_TRIED: usize = 8_192;

/// Records that a search walks by in the order of time before it answers what it has found, and a cursor to go on from:
/// a second of work.
pub const RECORDS_WALKED_MAX: usize = 1 << 18;

/// Records that a search opens at once.
pub const RECORDS_OPENED: usize = 128;

/// Payloads that are read at once, after which the bytes are counted.
pub const PAYLOADS_READ: usize = 8;

/// Bytes of sealed rows after which those that were read are opened first.
pub const ROWS_BYTES_MAX: usize = 8 << 20;

/// Bytes of records after which a page is closed, as they are in memory: what one record has at most.
pub const PAGE_BYTES_MAX: usize = 8 << 20;

/// Permits to work a core, of which one source holds as many at a time as there are cores: so that of several sources that take
/// all their time some can be without those behind them having to wait.
pub const PERMITS_PER_CORE: usize = 4;

/// Batches of a source that wait for its canary, or that it is run over. What comes beyond is missed.
pub const CANARY_BATCHES_MAX: usize = 16;

/// Raw records of which the figures of a canary are shown together: what they say of one is lost among the others.
pub const CANARY_RECORDS_SHOWN: u64 = 100;

/// Bytes of a signature of a plugin, a signed note. It is an attribute of the plugin's entry.
pub const SIGNATURE_BYTES_MAX: usize = 16 << 10;

/// Messages of plugins that are kept of a source, in memory.
pub const MESSAGES_KEPT: usize = 64;

/// How long one is kept, in milliseconds: a day.
pub const MESSAGES_KEPT_MS: u64 = 86_400_000;

/// Samples that an upload is tried on. They come in the query of a request.
pub const SAMPLES_MAX: usize = 16;

/// Bytes of one of them.
pub const SAMPLE_BYTES_MAX: usize = 16 << 10;
