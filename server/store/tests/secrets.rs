//! The keys beside the engine: made once, found again, refused when anything about them is wrong.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cairnlog_store::limits::{PAGE_BLOCK, PAGE_RECORDS_MAX, RESERVATION_RECORDS_MAX};
use cairnlog_store::secrets::{KekSources, LogKeys, Month, PageId, Places, SecretsError};
use proptest::prelude::*;
use tempfile::TempDir;
use zeroize::Zeroizing;

const ORIGIN: &str = "log.example/hr";
const NOTE: &str = "PRIVATE+KEY+log.example/hr+00000000+AQ==";

fn notes() -> Vec<Zeroizing<String>> {
    vec![Zeroizing::new(NOTE.to_owned()), Zeroizing::new(format!("{NOTE}2"))]
}

fn created() -> (TempDir, PathBuf, LogKeys) {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("keys/hr");
    let keys = create(&dir, ORIGIN, &notes()).unwrap();
    (parent, dir, keys)
}

fn create(dir: &Path, origin: &str, signing: &[Zeroizing<String>]) -> Result<LogKeys, SecretsError> {
    LogKeys::create(dir, origin, signing, &KekSources::default())
}

fn open(dir: &Path, origin: &str) -> Result<LogKeys, SecretsError> {
    LogKeys::open(dir, origin, &KekSources::default())
}

fn month(text: &str) -> Month {
    text.parse().unwrap()
}

fn edit(path: &Path, change: impl FnOnce(String) -> String) {
    let text = fs::read_to_string(path).unwrap();
    fs::write(path, change(text)).unwrap();
}

fn members(path: &Path) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn reopen_error(dir: &Path) -> SecretsError {
    open(dir, ORIGIN).unwrap_err()
}

#[test]
fn what_was_made_is_found_again() {
    let (_parent, dir, keys) = created();
    let reserved = keys.page_for(1).unwrap();
    let Places { page: id, key: page, .. } = &reserved[0];
    let index = keys.index_key(month("2026-11")).unwrap();
    let window = keys.window_key(20_780).unwrap();

    let found = open(&dir, ORIGIN).unwrap();
    assert_eq!(*found.signing(), notes());
    assert_eq!(found.page(*id).unwrap().as_bytes(), page.as_bytes());
    assert_eq!(found.existing_index_key(month("2026-11")).unwrap().as_bytes(), index.as_bytes());
    assert_eq!(found.index_key(month("2026-11")).unwrap().as_bytes(), index.as_bytes());
    assert_eq!(found.window_key(20_780).unwrap().as_bytes(), window.as_bytes());
    assert_eq!(found.pseudonym_key().as_bytes(), keys.pseudonym_key().as_bytes());
    assert_eq!(found.epoch(), keys.epoch());
    assert!(found.page(0).is_none() && found.page(17).is_none());
    assert!(found.existing_index_key(month("2026-12")).is_none());
    found.index_key(month("2025-01")).unwrap();
    assert_eq!(found.index_months(), [month("2025-01"), month("2026-11")]);
}

#[test]
fn files_written_by_another_implementation_open() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keys-v1");
    let dir = tempfile::tempdir().unwrap();
    for file in fs::read_dir(fixture).unwrap() {
        let file = file.unwrap();
        let own = dir.path().join(file.file_name());
        fs::copy(file.path(), &own).unwrap();
        // A checkout knows no permissions but "executable".
        fs::set_permissions(&own, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let keys = open(dir.path(), ORIGIN).unwrap();
    let found = [
        ("key page:2", *keys.page(2).unwrap().as_bytes()),
        ("key page:10", *keys.page(10).unwrap().as_bytes()),
        ("key page:17", *keys.page(17).unwrap().as_bytes()),
        ("key index:2026-10", *keys.existing_index_key(month("2026-10")).unwrap().as_bytes()),
        ("key index:2026-11", *keys.existing_index_key(month("2026-11")).unwrap().as_bytes()),
        ("key window:20779", *keys.existing_window_key(20_779).unwrap().as_bytes()),
        ("key window:20780", *keys.existing_window_key(20_780).unwrap().as_bytes()),
        ("key pseudonym", *keys.pseudonym_key().as_bytes()),
    ];
    // The SHA-256 of each label, in base64.
    let expected = [
        "56AqQDeMtZTbpTaLgrqz97ugm1b1ZVTEWzIrLJy5RT0=",
        "DB33tFHZx90w5Ixj6KFcGrHBhqjCzWyWjzbdHttxUjo=",
        "qEuvfYs5GG/27CG9c9q1dapFGfUH/tIo2M87yKnyuQE=",
        "YqSl1wpLq953JELaCkBPSrZmiMXDQA+xm2R2nZ1jVzc=",
        "wHp+tHGIQBaZ1z1EtHeskhL2UMPXsxS6lTTIat2kyQ8=",
        "qCLQPq8YiEedxibTq1V7n7MZfX7ItLaY+HUhhPgkNr4=",
        "2xUlSTFgEE+y7XnZI0bInZ9q7DlRglv6ECJ01k7K/YU=",
        "KOQeKoRkJpCJrnhPxpEtmzfR1MG1dsxECSAsRospWpQ=",
    ];
    for ((label, key), expected) in found.into_iter().zip(expected) {
        assert_eq!(STANDARD.encode(key), expected, "{label}");
    }
    assert_eq!(keys.epoch(), 7);
    let signing = keys.signing()[0].parse::<cairnlog_verify::note::SigningKey>().unwrap();
    assert_eq!(signing.name(), ORIGIN);
}

#[test]
fn files_are_for_their_owner_alone() {
    let (_parent, dir, keys) = created();
    keys.page_for(1).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    let mut names: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["kek", "keyring", "signing"]);
    for name in names {
        assert_eq!(mode(&dir.join(name)), 0o600);
    }
}

#[test]
fn keys_are_never_overwritten() {
    let (_parent, dir, _keys) = created();
    let before = fs::read(dir.join("kek")).unwrap();
    assert!(matches!(create(&dir, ORIGIN, &notes()), Err(SecretsError::Exists(_))));
    assert_eq!(fs::read(dir.join("kek")).unwrap(), before);
}

#[test]
fn a_creation_that_crashed_is_begun_anew() {
    let parent = tempfile::tempdir().unwrap();
    fs::create_dir(parent.path().join(".hr.new")).unwrap();
    fs::write(parent.path().join(".hr.new/kek"), "half").unwrap();
    create(&parent.path().join("hr"), ORIGIN, &notes()).unwrap();
    assert!(open(&parent.path().join("hr"), ORIGIN).is_ok());
    assert!(!parent.path().join(".hr.new").exists());
}

#[test]
fn what_is_no_origin_or_note_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("hr");
    let note = |text: &str| vec![Zeroizing::new(text.to_owned())];
    let two_lines = note(&format!("{NOTE}\n{NOTE}"));
    for (origin, signing) in
        [("", notes()), ("a b", notes()), (ORIGIN, vec![]), (ORIGIN, note("key")), (ORIGIN, two_lines)]
    {
        assert!(matches!(create(&dir, origin, &signing), Err(SecretsError::Invalid)), "{origin}");
    }
    assert!(!dir.exists());
}

#[test]
fn keys_that_others_can_read_are_refused() {
    for name in ["signing", "kek", "keyring"] {
        let (_parent, dir, _) = created();
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o640)).unwrap();
        let error = reopen_error(&dir);
        assert!(matches!(&error, SecretsError::Exposed(path) if *path == dir.join(name)), "{error}");
    }
}

#[test]
fn a_missing_file_is_named() {
    for name in ["signing", "kek", "keyring"] {
        let (_parent, dir, _keys) = created();
        fs::remove_file(dir.join(name)).unwrap();
        let error = reopen_error(&dir);
        assert!(matches!(&error, SecretsError::Missing(path) if *path == dir.join(name)), "{error}");
        assert!(error.to_string().contains(name));
    }
    let gone = tempfile::tempdir().unwrap().path().join("hr");
    assert!(matches!(reopen_error(&gone), SecretsError::Missing(_)));
}

#[test]
fn only_the_exact_form_is_read() {
    let space = |text: String| text.replacen(':', ": ", 1);
    let cut = |text: String| text[..text.len() / 3].to_owned();
    let empty = |_: String| String::new();
    let no_end = |text: String| text.trim_end().to_owned();
    let version = |text: String| text.replacen("\"v\":1", "\"v\":2", 1);
    let surplus = |text: String| text.replacen("\"v\":1", "\"v\":1,\"w\":1", 1);
    let twice = |text: String| text.replacen("\"v\":1", "\"v\":1,\"v\":1", 1);
    let edits: [fn(String) -> String; 7] = [space, cut, empty, no_end, version, surplus, twice];
    for name in ["kek", "keyring"] {
        for (place, change) in edits.into_iter().enumerate() {
            let (_parent, dir, _keys) = created();
            edit(&dir.join(name), change);
            let error = reopen_error(&dir);
            let names_it = matches!(&error, SecretsError::Malformed { path, .. } if *path == dir.join(name));
            assert!(names_it, "{name} {place}: {error}");
        }
    }
    for change in [empty, no_end, cut, |text: String| format!("\n{text}")] {
        let (_parent, dir, _keys) = created();
        edit(&dir.join("signing"), change);
        assert!(matches!(reopen_error(&dir), SecretsError::Malformed { .. }));
    }
}

#[test]
fn a_broken_kek_is_not_quoted() {
    let (_parent, dir, _keys) = created();
    let secret = members(&dir.join("kek"))["keys"].as_object().unwrap().values().next().unwrap().to_string();
    edit(&dir.join("kek"), |text| text.replacen("\"keys\":{", "\"keys\":[", 1));
    assert!(!reopen_error(&dir).to_string().contains(secret.trim_matches('"')));
    edit(&dir.join("kek"), |_| format!("{{\"v\":{secret}}}\n"));
    assert!(!reopen_error(&dir).to_string().contains(secret.trim_matches('"')));
}

#[test]
fn no_entry_opens_in_anothers_place() {
    let (_parent, dir, keys) = created();
    keys.page_for(1).unwrap();
    keys.index_key(month("2026-11")).unwrap();
    let ring = members(&dir.join("keyring"));
    let (first, second) = (ring["pages"]["1"].as_str().unwrap(), ring["pages"]["2"].as_str().unwrap());
    let pseudonym = ring["pseudonym"].as_str().unwrap();
    for other in [second, pseudonym] {
        edit(&dir.join("keyring"), |text| text.replace(first, "*").replace(other, first).replace('*', other));
        assert!(matches!(reopen_error(&dir), SecretsError::Unwrap { .. }));
        edit(&dir.join("keyring"), |text| text.replace(first, "*").replace(other, first).replace('*', other));
        assert!(open(&dir, ORIGIN).is_ok());
    }
    edit(&dir.join("keyring"), |text| text.replace("\"2026-11\":", "\"2026-12\":"));
    assert!(matches!(reopen_error(&dir), SecretsError::Unwrap { .. }));
}

#[test]
fn another_logs_keyring_or_kek_is_refused() {
    let (_parent, dir, _keys) = created();
    let error = open(&dir, "log.example/it").unwrap_err();
    assert!(matches!(&error, SecretsError::Malformed { .. }), "{error}");
    assert!(error.to_string().contains(ORIGIN));
    // The origin is in the sealed context too, so renaming it in the file is of no use.
    edit(&dir.join("keyring"), |text| text.replace(ORIGIN, "log.example/it"));
    let error = open(&dir, "log.example/it").unwrap_err();
    assert!(matches!(error, SecretsError::Unwrap { .. }), "{error}");

    let (_parent, dir, _keys) = created();
    let (_other_parent, other, _other_keys) = created();
    fs::copy(other.join("kek"), dir.join("kek")).unwrap();
    let error = reopen_error(&dir);
    let id = members(&dir.join("keyring"))["kek"].as_str().unwrap().to_owned();
    assert!(matches!(&error, SecretsError::NoKek { id: named, .. } if *named == id), "{error}");
    // The same id over another key.
    let other_id = members(&dir.join("kek"))["active"].as_str().unwrap().to_owned();
    edit(&dir.join("kek"), |text| text.replace(&other_id, &id));
    assert!(matches!(reopen_error(&dir), SecretsError::Unwrap { .. }));
}

#[test]
fn a_new_active_kek_wraps_what_the_old_one_did() {
    let (_parent, dir, keys) = created();
    let Places { page: id, key: page, .. } = keys.page_for(1).unwrap().remove(0);
    let index = keys.index_key(month("2026-11")).unwrap();
    let old = members(&dir.join("kek"))["active"].as_str().unwrap().to_owned();
    edit(&dir.join("kek"), |text| {
        let renewed = text.replacen(&format!("\"active\":\"{old}\""), "\"active\":\"ffffffff\"", 1);
        renewed.replace("}}", &format!(",\"ffffffff\":\"{}\"}}}}", STANDARD.encode([7; 32])))
    });

    let found = open(&dir, ORIGIN).unwrap();
    assert_eq!((found.wrapped_before(), found.kek().as_str()), (Some(old.as_str()), "ffffffff"));
    assert_eq!(members(&dir.join("keyring"))["kek"], "ffffffff");
    assert!(!fs::read_to_string(dir.join("kek")).unwrap().contains(&old), "it wraps nothing any more");
    let found = open(&dir, ORIGIN).unwrap();
    assert!(found.wrapped_before().is_none());
    assert_eq!(found.page(id).unwrap().as_bytes(), page.as_bytes());
    assert_eq!(found.existing_index_key(month("2026-11")).unwrap().as_bytes(), index.as_bytes());
    assert_eq!(found.pseudonym_key().as_bytes(), keys.pseudonym_key().as_bytes());
}

#[test]
fn a_page_beyond_the_next_is_refused() {
    let (_parent, dir, keys) = created();
    keys.page_for(1).unwrap();
    edit(&dir.join("keyring"), |text| text.replace("\"next_page\":17", "\"next_page\":16"));
    assert!(matches!(reopen_error(&dir), SecretsError::Malformed { .. }));
}

#[test]
fn nothing_shows_a_key() {
    let (_parent, dir, keys) = created();
    let page = keys.page_for(1).unwrap().remove(0).key;
    let shown = format!("{keys:?} {page:?} {:?}", keys.pseudonym_key());
    assert!(shown.contains("SecretKey(..)"));
    let (page, pseudonym) =
        (STANDARD.encode(page.as_bytes()), STANDARD.encode(keys.pseudonym_key().as_bytes()));
    let ring = fs::read_to_string(dir.join("keyring")).unwrap();
    for secret in [page.as_str(), pseudonym.as_str(), NOTE] {
        assert!(!shown.contains(secret) && !ring.contains(secret));
    }
}

#[test]
fn a_block_of_pages_is_one_write() {
    let (_parent, dir, keys) = created();
    let before = keys.epoch();
    assert!(keys.page_for(0).unwrap().is_empty());
    assert_eq!(keys.epoch(), before);
    let all = keys.page_for(RESERVATION_RECORDS_MAX).unwrap();
    assert_eq!(all.len(), PAGE_BLOCK as usize);
    assert_eq!(keys.epoch(), before + 1);
    keys.page_for(1).unwrap();
    assert_eq!(keys.epoch(), before + 2);
    assert_eq!(members(&dir.join("keyring"))["epoch"], before + 2);
    let beyond = keys.page_for(RESERVATION_RECORDS_MAX + 1);
    assert!(matches!(beyond, Err(SecretsError::TooMany(_))));
}

#[test]
fn a_keyring_that_can_not_be_written_reserves_nothing() {
    let (_parent, dir, keys) = created();
    fs::create_dir(dir.join("keyring.tmp")).unwrap();
    let before = fs::read(dir.join("keyring")).unwrap();
    assert!(matches!(keys.page_for(1), Err(SecretsError::Io { .. })));
    assert!(matches!(keys.index_key(month("2026-11")), Err(SecretsError::Io { .. })));
    assert!(keys.page(1).is_none() && keys.existing_index_key(month("2026-11")).is_none());
    assert_eq!(fs::read(dir.join("keyring")).unwrap(), before);
    fs::remove_dir(dir.join("keyring.tmp")).unwrap();
    let Places { page: id, key: page, .. } = keys.page_for(1).unwrap().remove(0);
    let found = open(&dir, ORIGIN).unwrap();
    assert_eq!(found.page(id).unwrap().as_bytes(), page.as_bytes());
}

#[test]
fn a_page_is_destroyed_once_nobody_can_use_it_any_more() {
    let (_parent, dir, keys) = created();
    let mut reserved = keys.page_for(PAGE_RECORDS_MAX + 1).unwrap();
    let (second, first) = (reserved.pop().unwrap(), reserved.pop().unwrap());
    let (kept, gone) = (first.page, BTreeSet::from([second.page]));
    assert!(keys.is_leased(&gone));
    drop(second);
    assert!(keys.is_leased(&gone), "it has places left");
    keys.retire(&gone);
    assert!(!keys.is_leased(&gone));
    assert!(!keys.page_for(1).unwrap().iter().any(|places| gone.contains(&places.page)));
    let before = keys.epoch();
    keys.destroy_pages(&gone).unwrap();
    assert_eq!(keys.epoch(), before + 1);
    keys.destroy_pages(&gone).unwrap();
    assert_eq!(keys.epoch(), before + 1, "there was nothing to destroy");
    for keys in [&keys, &open(&dir, ORIGIN).unwrap()] {
        assert!(gone.iter().all(|page| keys.page(*page).is_none()) && keys.page(kept).is_some());
    }
    assert!(!members(&dir.join("keyring"))["pages"].as_object().unwrap().contains_key("2"));
}

#[test]
#[should_panic(expected = "may yet be used")]
fn a_page_whose_places_are_reserved_is_not_destroyed() {
    let (_parent, _, keys) = created();
    let places = keys.page_for(1).unwrap().remove(0);
    let page = BTreeSet::from([places.page]);
    keys.retire(&page);
    let _ = keys.destroy_pages(&page);
}

#[test]
fn index_keys_are_destroyed() {
    let (_parent, dir, keys) = created();
    let (old, new) = (month("2025-12"), month("2026-01"));
    let before = *keys.index_key(old).unwrap().as_bytes();
    keys.index_key(new).unwrap();
    keys.destroy_index_keys(&BTreeSet::from([old])).unwrap();
    assert!(keys.existing_index_key(old).is_none());
    assert_eq!(open(&dir, ORIGIN).unwrap().index_months(), [new]);
    assert_ne!(*keys.index_key(old).unwrap().as_bytes(), before);
}

#[test]
fn old_window_keys_are_destroyed() {
    let (_parent, dir, keys) = created();
    for day in 100..=103 {
        keys.window_key(day).unwrap();
    }
    let days = |keys: &LogKeys| -> Vec<u32> {
        (0..200).filter(|day| keys.existing_window_key(*day).is_some()).collect()
    };
    assert_eq!(days(&keys), [101, 102, 103]);
    assert_eq!(days(&open(&dir, ORIGIN).unwrap()), [101, 102, 103]);
    let epoch = keys.epoch();
    keys.window_key(101).unwrap();
    assert_eq!(keys.epoch(), epoch);
    // A clock that was set back gets a key; the next day's key takes it away again.
    let late = keys.window_key(50).unwrap();
    assert_eq!(keys.existing_window_key(50).unwrap().as_bytes(), late.as_bytes());
    keys.window_key(105).unwrap();
    assert_eq!(days(&keys), [103, 105]);
    keys.window_key(u32::MAX).unwrap();
    assert!(days(&keys).is_empty());
}

#[test]
fn threads_never_share_a_place() {
    let (_parent, dir, keys) = created();
    let used = std::sync::Mutex::new(BTreeMap::<PageId, u32>::new());
    let index: Vec<[u8; 32]> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let (keys, used) = (&keys, &used);
                scope.spawn(move || {
                    for round in 0..40 {
                        for Places { page: id, key, records: count, .. } in
                            keys.page_for(1 + round * 97 + thread).unwrap()
                        {
                            assert_eq!(keys.page(id).unwrap().as_bytes(), key.as_bytes());
                            *used.lock().unwrap().entry(id).or_default() += count;
                        }
                    }
                    *keys.index_key(month("2026-11")).unwrap().as_bytes()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(index.iter().all(|key| *key == index[0]));
    let used = used.into_inner().unwrap();
    let wanted: u32 = (0..4).flat_map(|thread| (0..40).map(move |round| 1 + round * 97 + thread)).sum();
    assert_eq!(used.values().sum::<u32>(), wanted);
    assert!(used.values().all(|count| *count <= PAGE_RECORDS_MAX));
    let found = open(&dir, ORIGIN).unwrap();
    assert!(used.keys().all(|id| found.page(*id).is_some()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// `None` is a restart.
    #[test]
    fn no_page_serves_too_many_nor_two_runs(
        steps in proptest::collection::vec(proptest::option::weighted(0.8, 0..=RESERVATION_RECORDS_MAX), 1..12),
    ) {
        let (_parent, dir, mut keys) = created();
        let mut of_this_run = BTreeMap::<PageId, u32>::new();
        let mut last_of_earlier_runs = 0;
        let mut all_keys = BTreeMap::<PageId, [u8; 32]>::new();
        for step in steps {
            let Some(records) = step else {
                last_of_earlier_runs = all_keys.keys().next_back().copied().unwrap_or(0);
                of_this_run.clear();
                keys = open(&dir, ORIGIN).unwrap();
                continue;
            };
            let reserved = keys.page_for(records).unwrap();
            prop_assert_eq!(reserved.iter().map(|places| places.records).sum::<u32>(), records);
            prop_assert!(reserved.is_sorted_by_key(|places| places.page));
            for Places { page: id, key, records: count, .. } in reserved {
                prop_assert!(id > last_of_earlier_runs);
                prop_assert!(count > 0);
                let used = of_this_run.entry(id).or_default();
                *used += count;
                prop_assert!(*used <= PAGE_RECORDS_MAX);
                let known = *all_keys.entry(id).or_insert(*key.as_bytes());
                prop_assert_eq!(known, *key.as_bytes());
            }
        }
        let distinct: std::collections::BTreeSet<_> = all_keys.values().collect();
        prop_assert_eq!(distinct.len(), all_keys.len());
    }
}
