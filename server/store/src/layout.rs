//! The one page of key layout.
//!
//! Keys are big-endian, so their order is the order of numbers, and begin with the log's id (u32), so a log's rows stand
//! together and every scan stays within one log. `plugins` and `tokens` belong to the whole server and have none. Names
//! stand last in a key, so none needs a length. The table of families with their values is at
//! [`Family`](crate::family::Family); `docs/storage.md` says the same for operators.

/// `heads`: the newest signed head.
const HEAD_SIGNED: u8 = 0;
/// `heads`: the newest published head.
const HEAD_PUBLISHED: u8 = 1;
/// `heads`: the time of the newest signed head.
const HEAD_TIME: u8 = 2;
/// `heads`: the time of the newest published head.
const HEAD_PUBLISHED_TIME: u8 = 3;
/// `heads`: how far a witness has cosigned.
const WITNESS_SIZE: u8 = 4;
/// `sources`: where a plugin's entry stands.
const PLUGIN_ENTRY: u8 = 0;
/// See [`pipeline_entry_key`].
const PIPELINE_ENTRY: u8 = 1;
/// `sources`: see [`entity_key`].
const ENTITY: u8 = 2;
/// `sources`: see [`tally_key`].
const TALLY: u8 = 3;
/// `sources`: see [`change_key`].
const CHANGE: u8 = 4;
/// `sources`: the last byte that stands before what is not a source's name.
const NO_NAME: u8 = CHANGE;
/// `erasures`: what was erased.
const ERASED: u8 = 0;
/// `erasures`: a page that is to be destroyed.
const PAGE_TO_DESTROY: u8 = 1;
/// `erasures`: what waits for approval.
const PENDING: u8 = 2;
/// `erasures`: when a record was closed.
const CLOSED: u8 = 3;
/// `erasures`: what an event closes.
const CLOSING: u8 = 4;
/// `times`: records in the order of their events.
const BY_TIME: u8 = 0;
/// `times`: when the events of a stretch of records were.
const BY_INDEX: u8 = 1;

/// `entries`: log u32, index u64.
#[must_use]
pub fn entry_key(log: u32, index: u64) -> Vec<u8> {
    key(log, &[&index.to_be_bytes()])
}

/// `tiles`: log u32, level u8, n u64.
#[must_use]
pub fn tile_key(log: u32, level: u8, n: u64) -> Vec<u8> {
    key(log, &[&[level], &n.to_be_bytes()])
}

/// `heads`: log u32, 0 u8. The newest signed head, written in every batch.
#[must_use]
pub fn head_key(log: u32) -> Vec<u8> {
    key(log, &[&[HEAD_SIGNED]])
}

/// `heads`: log u32, 1 u8. The newest published head.
#[must_use]
pub fn published_head_key(log: u32) -> Vec<u8> {
    key(log, &[&[HEAD_PUBLISHED]])
}

/// `heads`: log u32, 2 u8. The time of the newest signed head, in the same batch as the head.
#[must_use]
pub fn head_time_key(log: u32) -> Vec<u8> {
    key(log, &[&[HEAD_TIME]])
}

/// `heads`: log u32, 3 u8. The time of the newest published head.
#[must_use]
pub fn published_time_key(log: u32) -> Vec<u8> {
    key(log, &[&[HEAD_PUBLISHED_TIME]])
}

/// `heads`: log u32, 4 u8, the witness's name. The size of the tree that it cosigned last.
#[must_use]
pub fn witness_size_key(log: u32, witness: &str) -> Vec<u8> {
    key(log, &[&[WITNESS_SIZE], witness.as_bytes()])
}

/// `by_leaf`: log u32, first 8 bytes of the leaf hash, index u64. The index stands in the key, so that two leaves with
/// the same prefix are two rows and none is read before it is written.
#[must_use]
pub fn by_leaf_key(log: u32, prefix: [u8; 8], index: u64) -> Vec<u8> {
    key(log, &[&prefix, &index.to_be_bytes()])
}

/// `by_leaf`: the prefix of all rows of a leaf-hash prefix, to scan.
#[must_use]
pub fn by_leaf_prefix(log: u32, prefix: [u8; 8]) -> Vec<u8> {
    key(log, &[&prefix])
}

/// `payloads`: log u32, index u64.
#[must_use]
pub fn payload_key(log: u32, index: u64) -> Vec<u8> {
    key(log, &[&index.to_be_bytes()])
}

/// `keys`: log u32, index u64. The row of a record's wrapped key.
#[must_use]
pub fn record_key_key(log: u32, index: u64) -> Vec<u8> {
    key(log, &[&index.to_be_bytes()])
}

/// `quarantine`: log u32, index u64.
#[must_use]
pub fn quarantine_key(log: u32, index: u64) -> Vec<u8> {
    key(log, &[&index.to_be_bytes()])
}

/// `postings`: log u32, field u8, token \[8\], first index of the batch u64.
#[must_use]
pub fn posting_key(log: u32, field: u8, token: [u8; 8], first: u64) -> Vec<u8> {
    key(log, &[&[field], &token, &first.to_be_bytes()])
}

/// `postings`: the prefix of all rows of one value, to scan.
#[must_use]
pub fn posting_prefix(log: u32, field: u8, token: [u8; 8]) -> Vec<u8> {
    key(log, &[&[field], &token])
}

/// `times`: log u32, 0 u8, event time in milliseconds since 1970 plus 2^63 u64, first index of the stretch u64. So rows
/// stand in the order of (time, index), times before 1970 included.
#[must_use]
pub fn time_key(log: u32, time_ms: i64, first: u64) -> Vec<u8> {
    key(
        log,
        &[&[BY_TIME], &time_ms.cast_unsigned().wrapping_add(1 << 63).to_be_bytes(), &first.to_be_bytes()],
    )
}

/// `times`: where the rows by time end.
#[must_use]
pub fn times_end(log: u32) -> Vec<u8> {
    key(log, &[&[BY_INDEX]])
}

/// `times`: log u32, 1 u8, first index of the stretch u64.
#[must_use]
pub fn stretch_key(log: u32, first: u64) -> Vec<u8> {
    key(log, &[&[BY_INDEX], &first.to_be_bytes()])
}

/// `expiry`: log u32, days since 1970 u32, first index of the batch u64.
#[must_use]
pub fn expiry_key(log: u32, day: u32, first: u64) -> Vec<u8> {
    key(log, &[&day.to_be_bytes(), &first.to_be_bytes()])
}

/// `seen`: log u32, days since 1970 u32, fingerprint \[16\]. The day is that of the window key that made the
/// fingerprint, so that the rows of a window that has ended stand together and can be deleted.
#[must_use]
pub fn seen_key(log: u32, day: u32, fingerprint: [u8; 16]) -> Vec<u8> {
    key(log, &[&day.to_be_bytes(), &fingerprint])
}

/// `seen`: the prefix of all rows of a day's window.
#[must_use]
pub fn seen_day_prefix(log: u32, day: u32) -> Vec<u8> {
    key(log, &[&day.to_be_bytes()])
}

/// `classes`: log u32, name.
#[must_use]
pub fn class_key(log: u32, name: &str) -> Vec<u8> {
    key(log, &[name.as_bytes()])
}

/// `sources`: log u32, name.
#[must_use]
pub fn source_key(log: u32, name: &str) -> Vec<u8> {
    key(log, &[name.as_bytes()])
}

/// `sources`: log u32, 0 u8, SHA-256 of a plugin \[32\]. Names don't begin with a zero byte.
#[must_use]
pub fn plugin_entry_key(log: u32, digest: &[u8; 32]) -> Vec<u8> {
    key(log, &[&[PLUGIN_ENTRY], digest])
}

/// `sources`: log u32, 1 u8, SHA-256 of a pipeline's manifest without its nonce \[32\].
#[must_use]
pub fn pipeline_entry_key(log: u32, digest: &[u8; 32]) -> Vec<u8> {
    key(log, &[&[PIPELINE_ENTRY], digest])
}

/// `sources`: log u32, 2 u8, an entity that pseudonyms stand for.
#[must_use]
pub fn entity_key(log: u32, entity: &str) -> Vec<u8> {
    key(log, &[&[ENTITY], entity.as_bytes()])
}

/// `sources`: the prefix of all entities, to scan.
#[must_use]
pub fn entities_prefix(log: u32) -> Vec<u8> {
    key(log, &[&[ENTITY]])
}

/// `sources`: log u32, 3 u8, hours since 1970 u32, name. What a source sent in an hour that is not over yet.
#[must_use]
pub fn tally_key(log: u32, hour: u32, source: &str) -> Vec<u8> {
    key(log, &[&[TALLY], &hour.to_be_bytes(), source.as_bytes()])
}

/// `sources`: the prefix of all such rows, to scan.
#[must_use]
pub fn tallies_prefix(log: u32) -> Vec<u8> {
    key(log, &[&[TALLY]])
}

/// `sources`: log u32, 4 u8, id u64. What is to change once a second person approves it.
#[must_use]
pub fn change_key(log: u32, id: u64) -> Vec<u8> {
    key(log, &[&[CHANGE], &id.to_be_bytes()])
}

/// `sources`: the prefix of all changes that wait for approval, to scan.
#[must_use]
pub fn changes_prefix(log: u32) -> Vec<u8> {
    key(log, &[&[CHANGE]])
}

/// `sources`: where the rows of sources begin.
#[must_use]
pub fn sources_start(log: u32) -> Vec<u8> {
    key(log, &[&[NO_NAME + 1]])
}

/// `holds`: log u32, id u64.
#[must_use]
pub fn hold_key(log: u32, id: u64) -> Vec<u8> {
    key(log, &[&id.to_be_bytes()])
}

/// `erasures`: log u32, 0 u8, first index of a stretch of erased records u64.
#[must_use]
pub fn erased_key(log: u32, first: u64) -> Vec<u8> {
    key(log, &[&[ERASED], &first.to_be_bytes()])
}

/// `erasures`: log u32, 1 u8, page u32.
#[must_use]
pub fn page_to_destroy_key(log: u32, page: u32) -> Vec<u8> {
    key(log, &[&[PAGE_TO_DESTROY], &page.to_be_bytes()])
}

/// `erasures`: the prefix of all pages that are to be destroyed, to scan.
#[must_use]
pub fn pages_to_destroy_prefix(log: u32) -> Vec<u8> {
    key(log, &[&[PAGE_TO_DESTROY]])
}

/// `erasures`: log u32, 2 u8, id u64.
#[must_use]
pub fn pending_key(log: u32, id: u64) -> Vec<u8> {
    key(log, &[&[PENDING], &id.to_be_bytes()])
}

/// `erasures`: the prefix of all that waits for approval, to scan.
#[must_use]
pub fn pending_prefix(log: u32) -> Vec<u8> {
    key(log, &[&[PENDING]])
}

/// `erasures`: log u32, 3 u8, index of a record that an event has closed u64.
#[must_use]
pub fn closed_key(log: u32, index: u64) -> Vec<u8> {
    key(log, &[&[CLOSED], &index.to_be_bytes()])
}

/// `erasures`: log u32, 4 u8, index of a record whose event closes others u64.
#[must_use]
pub fn closing_key(log: u32, index: u64) -> Vec<u8> {
    key(log, &[&[CLOSING], &index.to_be_bytes()])
}

/// `erasures`: the prefix of all closings that are to be carried out, to scan.
#[must_use]
pub fn closings_prefix(log: u32) -> Vec<u8> {
    key(log, &[&[CLOSING]])
}

/// Whether a key of `sources` is that of a source, not of an entry of a plugin or pipeline, an entity, a tally or a change.
#[must_use]
pub fn is_source_key(key: &[u8]) -> bool {
    split_log(key).is_some_and(|(_, rest)| rest.first().is_some_and(|first| *first > NO_NAME))
}

/// `plugins`: SHA-256 of the component, no log id.
#[must_use]
pub fn plugin_key(digest: &[u8; 32]) -> Vec<u8> {
    digest.to_vec()
}

/// `tokens`: the token's public id, no log id.
#[must_use]
pub fn token_key(id: &str) -> Vec<u8> {
    id.as_bytes().to_vec()
}

/// `logs`: log u32. The same bytes are the prefix of all of a log's rows in the families that have a log id.
#[must_use]
pub fn log_key(log: u32) -> Vec<u8> {
    key(log, &[])
}

/// The log and index of a row of `entries`, `payloads`, `keys` or `quarantine`, or the id of one of `holds`; `None` if it
/// is no such key.
#[must_use]
pub fn parse_index_key(key: &[u8]) -> Option<(u32, u64)> {
    let (log, rest) = split_log(key)?;
    Some((log, u64_exact(rest)?))
}

/// The log and index of a row of `by_leaf`.
#[must_use]
pub fn parse_by_leaf_key(key: &[u8]) -> Option<(u32, u64)> {
    let (log, rest) = split_log(key)?;
    Some((log, u64_exact(rest.get(8..)?)?))
}

/// The first index of a row of `postings`.
#[must_use]
pub fn parse_posting_first(key: &[u8]) -> Option<u64> {
    let (_, rest) = split_log(key)?;
    u64_exact(rest.get(9..)?)
}

/// The event time and the first index of a row of `times` by time.
#[must_use]
pub fn parse_time_key(key: &[u8]) -> Option<(i64, u64)> {
    let (_, rest) = split_log(key)?;
    let (time, first) = rest.strip_prefix(&[BY_TIME])?.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*time).wrapping_sub(1 << 63).cast_signed(), u64_exact(first)?))
}

/// The day and the first index of a row of `expiry`.
#[must_use]
pub fn parse_expiry_key(key: &[u8]) -> Option<(u32, u64)> {
    let (_, rest) = split_log(key)?;
    let (period, first) = rest.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*period), u64_exact(first)?))
}

/// The first index of a row of `erasures` of what was erased.
#[must_use]
pub fn parse_erased_key(key: &[u8]) -> Option<u64> {
    let (_, rest) = split_log(key)?;
    u64_exact(rest.strip_prefix(&[ERASED])?)
}

/// The page of a row of `erasures` of a page that is to be destroyed.
#[must_use]
pub fn parse_page_to_destroy_key(key: &[u8]) -> Option<u32> {
    let (_, rest) = split_log(key)?;
    Some(u32::from_be_bytes(rest.strip_prefix(&[PAGE_TO_DESTROY])?.try_into().ok()?))
}

/// The id of a row of `erasures` of what waits for approval.
#[must_use]
pub fn parse_pending_key(key: &[u8]) -> Option<u64> {
    let (_, rest) = split_log(key)?;
    u64_exact(rest.strip_prefix(&[PENDING])?)
}

/// The index of a row of `erasures` of a closing.
#[must_use]
pub fn parse_closing_key(key: &[u8]) -> Option<u64> {
    let (_, rest) = split_log(key)?;
    u64_exact(rest.strip_prefix(&[CLOSING])?)
}

/// The id of a row of `sources` of a change that waits for approval.
#[must_use]
pub fn parse_change_key(key: &[u8]) -> Option<u64> {
    let (_, rest) = split_log(key)?;
    u64_exact(rest.strip_prefix(&[CHANGE])?)
}

/// The entity of a row of `sources`.
#[must_use]
pub fn parse_entity_key(key: &[u8]) -> Option<&str> {
    let (_, rest) = split_log(key)?;
    std::str::from_utf8(rest.strip_prefix(&[ENTITY])?).ok()
}

/// The hour and the source of a row of `sources` of what a source sent in an hour.
#[must_use]
pub fn parse_tally_key(key: &[u8]) -> Option<(u32, &str)> {
    let (_, rest) = split_log(key)?;
    let (hour, source) = rest.strip_prefix(&[TALLY])?.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*hour), std::str::from_utf8(source).ok()?))
}

/// The log and the name of a row of `classes` or `sources`; `None` for a plugin's entry among the sources.
#[must_use]
pub fn parse_name_key(key: &[u8]) -> Option<(u32, &str)> {
    let (log, name) = split_log(key)?;
    let is_name = name.first().is_some_and(|first| *first > NO_NAME);
    Some((log, std::str::from_utf8(name).ok().filter(|_| is_name)?))
}

/// The log of a row of `logs`.
#[must_use]
pub fn parse_log_key(key: &[u8]) -> Option<u32> {
    match split_log(key)? {
        (log, []) => Some(log),
        _ => None,
    }
}

/// The digest of a row of `plugins`.
#[must_use]
pub fn parse_plugin_key(key: &[u8]) -> Option<[u8; 32]> {
    key.try_into().ok()
}

/// The first key after all that begin with `prefix`; empty if there is none, which a
/// [`Scan`](crate::engine::Scan) reads as the end of the family.
#[must_use]
pub fn prefix_end(mut prefix: Vec<u8>) -> Vec<u8> {
    while let Some(last) = prefix.pop() {
        if let Some(next) = last.checked_add(1) {
            prefix.push(next);
            break;
        }
    }
    prefix
}

fn key(log: u32, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(4 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.extend_from_slice(&log.to_be_bytes());
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

fn split_log(key: &[u8]) -> Option<(u32, &[u8])> {
    let (log, rest) = key.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*log), rest))
}

fn u64_exact(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(bytes: &[u8]) -> String {
        use std::fmt::Write as _;
        bytes.iter().fold(String::new(), |mut out, byte| {
            write!(out, "{byte:02x}").expect("a string takes all");
            out
        })
    }

    /// The bytes on disk, once and for all.
    #[test]
    fn keys_have_their_written_form() {
        let (token, sixteen) = ([0xa1; 8], [0xb2; 16]);
        let rows = [
            (entry_key(1, 2), "000000010000000000000002"),
            (payload_key(1, 3), "000000010000000000000003"),
            (record_key_key(1, 4), "000000010000000000000004"),
            (quarantine_key(1, 5), "000000010000000000000005"),
            (tile_key(1, 3, 258), "00000001030000000000000102"),
            (head_key(7), "0000000700"),
            (published_head_key(7), "0000000701"),
            (head_time_key(7), "0000000702"),
            (published_time_key(7), "0000000703"),
            (witness_size_key(7, "w"), "000000070477"),
            (by_leaf_key(1, token, 9), "00000001a1a1a1a1a1a1a1a10000000000000009"),
            (posting_key(1, 6, token, 9), "0000000106a1a1a1a1a1a1a1a10000000000000009"),
            (time_key(1, 1_796_000_000_000, 9), "0000000100800001a229f128000000000000000009"),
            (time_key(1, -1, 9), "00000001007fffffffffffffff0000000000000009"),
            (stretch_key(1, 9), "00000001010000000000000009"),
            (expiry_key(1, 20_780, 9), "000000010000512c0000000000000009"),
            (seen_key(1, 20_780, sixteen), "000000010000512cb2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2"),
            (class_key(1, "hr-7y"), "0000000168722d3779"),
            (source_key(1, "okta"), "000000016f6b7461"),
            (plugin_entry_key(1, &[0x63; 32]), &format!("0000000100{}", "63".repeat(32))),
            (
                plugin_entry_key(1, &[7; 32]),
                "00000001000707070707070707070707070707070707070707070707070707070707070707",
            ),
            (pipeline_entry_key(1, &[0x64; 32]), &format!("0000000101{}", "64".repeat(32))),
            (entity_key(1, "NAME"), "00000001024e414d45"),
            (tally_key(1, 498_729, "aws"), "000000010300079c29617773"),
            (change_key(1, 0x1122), "00000001040000000000001122"),
            (hold_key(1, 9), "000000010000000000000009"),
            (erased_key(1, 9), "00000001000000000000000009"),
            (page_to_destroy_key(1, 9), "000000010100000009"),
            (pending_key(1, 9), "00000001020000000000000009"),
            (closed_key(1, 9), "00000001030000000000000009"),
            (closing_key(1, 9), "00000001040000000000000009"),
            (token_key("0a1b"), "30613162"),
            (log_key(u32::MAX), "ffffffff"),
        ];
        for (key, written) in rows {
            assert_eq!(hex(&key), written);
        }
        assert_eq!(plugin_key(&[7; 32]), [7; 32]);
        assert!(by_leaf_key(1, token, 9).starts_with(&by_leaf_prefix(1, token)));
        assert!(posting_key(1, 6, token, 9).starts_with(&posting_prefix(1, 6, token)));
        assert!(seen_key(1, 5, sixteen).starts_with(&seen_day_prefix(1, 5)));
    }

    #[test]
    fn an_entry_of_a_plugin_or_pipeline_is_no_source() {
        for entry in [plugin_entry_key(1, &[b'a'; 32]), pipeline_entry_key(1, &[b'a'; 32])] {
            assert!(!is_source_key(&entry) && parse_name_key(&entry).is_none());
        }
        assert!(is_source_key(&source_key(1, "okta")) && !is_source_key(&log_key(1)));
        assert!(parse_name_key(&log_key(1)).is_none());
    }

    #[test]
    fn a_prefix_of_the_last_keys_ends_with_the_family() {
        assert_eq!(prefix_end(vec![1, 0xff, 0xff]), [2]);
        assert!(prefix_end(vec![0xff, 0xff]).is_empty());
    }

    proptest! {
        #[test]
        fn keys_parse_back_and_order_as_numbers(log: u32, a: u64, b: u64, period: u32, token: [u8; 8]) {
            prop_assert_eq!(parse_index_key(&entry_key(log, a)), Some((log, a)));
            prop_assert_eq!(parse_by_leaf_key(&by_leaf_key(log, token, a)), Some((log, a)));
            prop_assert_eq!(parse_posting_first(&posting_key(log, 3, token, a)), Some(a));
            prop_assert_eq!(parse_expiry_key(&expiry_key(log, period, a)), Some((period, a)));
            let source = source_key(log, "okta-prod");
            prop_assert_eq!(parse_name_key(&source), Some((log, "okta-prod")));
            prop_assert_eq!(parse_erased_key(&erased_key(log, a)), Some(a));
            prop_assert_eq!(parse_page_to_destroy_key(&page_to_destroy_key(log, period)), Some(period));
            prop_assert_eq!(parse_pending_key(&pending_key(log, a)), Some(a));
            let entity = entity_key(log, "NAME");
            prop_assert_eq!(parse_entity_key(&entity), Some("NAME"));
            prop_assert_eq!(parse_entity_key(&source), None);
            prop_assert_eq!(parse_closing_key(&closing_key(log, a)), Some(a));
            prop_assert_eq!(parse_erased_key(&pending_key(log, a)), None);
            prop_assert_eq!(parse_log_key(&log_key(log)), Some(log));
            prop_assert_eq!(entry_key(log, a).cmp(&entry_key(log, b)), a.cmp(&b));
        }

        #[test]
        fn times_parse_back_and_stand_in_order(log: u32, a: (i64, u64), b: (i64, u64)) {
            let key = |at: (i64, u64)| time_key(log, at.0, at.1);
            prop_assert_eq!(parse_time_key(&key(a)), Some(a));
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
            prop_assert!(key(a) < times_end(log) && times_end(log) < stretch_key(log, a.1));
            prop_assert_eq!(parse_time_key(&stretch_key(log, a.1)), None);
        }

        #[test]
        fn other_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(parse_index_key(&bytes).is_some(), bytes.len() == 12);
            prop_assert_eq!(parse_by_leaf_key(&bytes).is_some(), bytes.len() == 20);
            prop_assert_eq!(parse_posting_first(&bytes).is_some(), bytes.len() == 21);
            prop_assert_eq!(parse_expiry_key(&bytes).is_some(), bytes.len() == 16);
            prop_assert_eq!(parse_time_key(&bytes).is_some(), bytes.len() == 21 && bytes[4] == 0);
            prop_assert_eq!(parse_log_key(&bytes).is_some(), bytes.len() == 4);
            prop_assert_eq!(parse_plugin_key(&bytes).is_some(), bytes.len() == 32);
        }

        #[test]
        fn a_prefix_ends_right_after_its_keys(
            prefix in proptest::collection::vec(any::<u8>(), 1..5),
            key in proptest::collection::vec(any::<u8>(), 0..8),
        ) {
            let end = prefix_end(prefix.clone());
            let inside = key >= prefix && (end.is_empty() || key < end);
            prop_assert_eq!(inside, key.starts_with(&prefix));
        }
    }
}
