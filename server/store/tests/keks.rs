//! Key-encryption keys: of files and of the environment, moved from one to the other, and rotated.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use cairnlog_store::limits::{ENVIRONMENT_KEKS_MAX, RESERVATION_RECORDS_MAX};
use cairnlog_store::secrets::{EnvironmentKeks, KekSource, KekSources, LogKeys, Month, PageId, SecretsError};
use tempfile::TempDir;
use zeroize::Zeroizing;

const ORIGIN: &str = "log.example/hr";
const NOTE: &str = "PRIVATE+KEY+log.example/hr+00000000+AQ==";
/// The bytes 0 to 31, and the id that follows from them.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const KEY_ID: &str = "env:58a8d0d4";
/// 32 times the byte 7.
const OTHER: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
const OTHER_ID: &str = "env:21dbfa4f";

fn files() -> KekSources {
    KekSources::default()
}

/// The environment wraps.
fn environment(text: &str) -> KekSources {
    KekSources::new(KekSource::Environment, Some(EnvironmentKeks::parse(text).unwrap()), None)
}

/// Files wrap, and what the environment wrapped can be read.
fn files_beside(text: &str) -> KekSources {
    KekSources::new(KekSource::File, Some(EnvironmentKeks::parse(text).unwrap()), None)
}

struct Log {
    _parent: TempDir,
    dir: PathBuf,
}

/// Keys that a log has used: what must be found again whatever wraps them.
#[derive(Debug, PartialEq, Eq)]
struct Used {
    page: (PageId, [u8; 32]),
    index: [u8; 32],
    window: [u8; 32],
    pseudonym: [u8; 32],
}

impl Log {
    fn created(sources: &KekSources) -> (Self, Used) {
        let parent = tempfile::tempdir().unwrap();
        let log = Self { dir: parent.path().join("hr"), _parent: parent };
        let notes = [Zeroizing::new(NOTE.to_owned())];
        let keys = LogKeys::create(&log.dir, ORIGIN, &notes, sources).unwrap();
        let page = keys.page_for(1).unwrap().remove(0);
        let used = Used::of(&keys, page.page);
        assert_eq!(&used.page.1, page.key.as_bytes());
        (log, used)
    }

    fn open(&self, sources: &KekSources) -> Result<LogKeys, SecretsError> {
        LogKeys::open(&self.dir, ORIGIN, sources)
    }

    /// What a log's keys are when they are opened so.
    fn found(&self, sources: &KekSources, like: &Used) -> Used {
        Used::of(&self.open(sources).unwrap(), like.page.0)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    /// Writes a file that is its owner's alone.
    fn put(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
        fs::set_permissions(self.file(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The id that the keyring names.
    fn kek(&self) -> String {
        members(&self.file("keyring"))["kek"].as_str().unwrap().to_owned()
    }

    /// The ids in the file `kek`.
    fn in_file(&self) -> Vec<String> {
        members(&self.file("kek"))["keys"].as_object().unwrap().keys().cloned().collect()
    }
}

impl Used {
    fn of(keys: &LogKeys, page: PageId) -> Self {
        let bytes = |key: cairnlog_store::secrets::SecretKey| *key.as_bytes();
        Self {
            page: (page, *keys.page(page).unwrap().as_bytes()),
            index: bytes(keys.index_key("2026-11".parse::<Month>().unwrap()).unwrap()),
            window: bytes(keys.window_key(20_780).unwrap()),
            pseudonym: bytes(keys.pseudonym_key()),
        }
    }
}

fn members(path: &Path) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_key_of_the_environment_wraps_and_no_file_has_one() {
    let sources = environment(KEY);
    let (log, used) = Log::created(&sources);
    assert!(!log.file("kek").exists());
    assert_eq!(log.kek(), KEY_ID);
    assert_eq!(log.found(&sources, &used), used);
    assert!(!log.file("kek").exists());
    // The same key under an id of one's own is another one to the keyring, so it is wrapped anew.
    let named = environment(&format!("2026-11:{KEY},{KEY}"));
    assert_eq!(log.found(&named, &used), used);
    assert_eq!(log.kek(), "env:2026-11");
}

#[test]
fn the_first_key_of_the_environment_wraps_and_the_others_open() {
    let (log, used) = Log::created(&environment(KEY));
    let keys = log.open(&environment(&format!("{OTHER}, {KEY}"))).unwrap();
    assert_eq!((keys.wrapped_before(), keys.kek().as_str()), (Some(KEY_ID), OTHER_ID));
    assert_eq!(log.kek(), OTHER_ID);
    assert_eq!(log.found(&environment(OTHER), &used), used);
}

#[test]
fn a_server_moves_to_the_environment_and_back() {
    let (log, used) = Log::created(&files());
    let file_id = log.kek();
    assert_eq!(log.found(&environment(KEY), &used), used);
    assert_eq!(log.kek(), KEY_ID);
    assert!(!log.file("kek").exists(), "what wraps nothing is gone");
    assert_eq!(log.found(&environment(KEY), &used), used);
    assert_eq!(log.found(&files_beside(KEY), &used), used);
    assert_eq!(log.in_file(), [log.kek()]);
    assert_ne!(log.kek(), file_id, "a destroyed key does not come back");
    assert_eq!(log.found(&files(), &used), used);
}

#[test]
fn a_move_that_crashed_is_gone_on_with() {
    // The file has a key, and the keyring is still wrapped by the environment's.
    let (log, used) = Log::created(&environment(KEY));
    let (other, _) = Log::created(&files());
    fs::copy(other.file("kek"), log.file("kek")).unwrap();
    assert_eq!(log.found(&files_beside(KEY), &used), used);
    assert_eq!(log.in_file(), [log.kek()]);
    // The keyring is wrapped by the environment's, and the file is still there.
    let (log, used) = Log::created(&files());
    let before = log.text("kek");
    log.open(&environment(KEY)).unwrap();
    log.put("kek", &before);
    assert_eq!(log.found(&environment(KEY), &used), used);
    assert!(!log.file("kek").exists());
}

#[test]
fn a_key_that_is_not_there_is_named_with_what_to_do() {
    let (of_file, _) = Log::created(&files());
    let (of_environment, _) = Log::created(&environment(KEY));
    let file_id = of_file.kek();
    let words = |log: &Log, sources: &KekSources| {
        let error = log.open(sources).unwrap_err();
        assert!(
            matches!(&error, SecretsError::NoKek { path, .. } if *path == log.file("keyring")),
            "{error}"
        );
        error.to_string()
    };
    let says = |words: &str, all: &[&str]| assert!(all.iter().all(|part| words.contains(part)), "{words}");
    says(&words(&of_environment, &files()), &[KEY_ID, "set CAIRNLOG_KEK"]);
    says(&words(&of_environment, &environment(OTHER)), &[KEY_ID, "add it behind the others"]);
    assert!(!of_environment.file("kek").exists(), "nothing was made");
    fs::remove_file(of_file.file("kek")).unwrap();
    for sources in [files(), environment(KEY)] {
        let error = of_file.open(&sources).unwrap_err();
        assert!(matches!(&error, SecretsError::Missing(path) if *path == of_file.file("kek")), "{error}");
    }
    fs::copy(Log::created(&files()).0.file("kek"), of_file.file("kek")).unwrap();
    says(&words(&of_file, &files()), &[&file_id, "restore"]);
    says(&words(&of_file, &environment(KEY)), &[&file_id, "restore"]);
    let text = of_environment.text("keyring").replace(KEY_ID, "pkcs11:cairnlog");
    fs::write(of_environment.file("keyring"), text).unwrap();
    says(&words(&of_environment, &environment(KEY)), &["pkcs11:cairnlog", "pkcs11_module"]);
}

#[test]
fn another_key_of_the_same_id_opens_nothing() {
    let (log, _) = Log::created(&environment(&format!("k:{KEY}")));
    let error = log.open(&environment(&format!("k:{OTHER}"))).unwrap_err();
    assert!(matches!(error, SecretsError::Unwrap { .. }), "{error}");
}

#[test]
fn what_is_no_list_of_keys_is_refused_and_not_quoted() {
    let many = vec![KEY; ENVIRONMENT_KEKS_MAX + 1].join(",");
    let cut = &KEY[..40];
    for (text, place) in [
        ("", 1),
        ("AAEC", 1),
        (cut, 1),
        (&KEY.replace('=', ""), 1),
        (&format!("{KEY},"), 2),
        (&format!("{KEY},{KEY}"), 2),
        (&format!("a:{KEY},b:{OTHER},a:{OTHER}"), 3),
        (&format!("{KEY},:{OTHER}"), 2),
        (&format!("a b:{OTHER}"), 1),
        (&format!("{}:{OTHER}", "x".repeat(65)), 1),
        (&format!("a:b:{OTHER}"), 1),
        (&many, 2),
    ] {
        let error = EnvironmentKeks::parse(text).unwrap_err();
        assert!(matches!(error, SecretsError::Environment { place: found, .. } if found == place), "{error}");
        let words = format!("{error} {error:?}");
        assert!(text.is_empty() || !words.contains(text.split(',').next().unwrap()), "{words}");
        assert!(!words.contains(&OTHER[..20]) && !words.contains(&KEY[..20]), "{words}");
    }
}

#[test]
fn nothing_shows_a_key_of_the_environment() {
    let sources = environment(&format!("a:{KEY},{OTHER}"));
    let (log, _) = Log::created(&sources);
    let shown = format!("{sources:?} {:?}", log.open(&sources).unwrap());
    assert!(shown.contains("env:a") && shown.contains(OTHER_ID), "{shown}");
    for name in ["keyring", "signing"] {
        let text = log.text(name);
        for secret in [KEY, OTHER] {
            assert!(!shown.contains(secret) && !text.contains(secret));
        }
    }
}

#[test]
fn a_rotation_wraps_all_anew_and_forgets_the_key_before() {
    let (log, used) = Log::created(&files());
    let keys = log.open(&files()).unwrap();
    let (before, ring, epoch) = (log.kek(), log.text("keyring"), keys.epoch());
    keys.rotate_kek().unwrap();
    assert_eq!(keys.epoch(), epoch + 1);
    assert_eq!(Used::of(&keys, used.page.0), used);
    assert_eq!((log.in_file(), keys.kek()), (vec![log.kek()], log.kek()));
    assert_ne!(log.kek(), before);
    let wrapped = |text: &str| -> Vec<String> {
        let ring: serde_json::Value = serde_json::from_str(text).unwrap();
        let mut all: Vec<String> = ["pages", "index", "window"]
            .iter()
            .flat_map(|of| ring[of].as_object().unwrap().values())
            .map(ToString::to_string)
            .collect();
        all.push(ring["pseudonym"].to_string());
        all
    };
    let (old, new) = (wrapped(&ring), wrapped(&log.text("keyring")));
    assert!(old.len() == new.len() && old.iter().all(|one| !new.contains(one)));
    assert_eq!(log.found(&files(), &used), used);
    // A copy of the keyring from before opens under a copy of the key from before, and under nothing that is here.
    fs::write(log.file("keyring"), ring).unwrap();
    assert!(matches!(log.open(&files()), Err(SecretsError::NoKek { .. })));
}

#[test]
fn a_key_that_is_in_no_file_is_not_rotated_here() {
    let (log, used) = Log::created(&environment(KEY));
    let keys = log.open(&environment(KEY)).unwrap();
    let error = keys.rotate_kek().unwrap_err();
    assert!(
        matches!(error, SecretsError::RotatedElsewhere(words) if words.contains("CAIRNLOG_KEK")),
        "{error}"
    );
    assert!(!log.file("kek").exists());
    assert_eq!(log.found(&environment(KEY), &used), used);
}

/// The files of a log before each step of a rotation and after the last one.
fn steps_of_a_rotation() -> (Log, Used, Vec<(String, String)>) {
    let (log, used) = Log::created(&files());
    let before = (log.text("kek"), log.text("keyring"));
    log.open(&files()).unwrap().rotate_kek().unwrap();
    let after = (log.text("kek"), log.text("keyring"));
    let both = |active: &str| {
        let keys = |text: &str| {
            serde_json::from_str::<serde_json::Value>(text).unwrap()["keys"].as_object().unwrap().clone()
        };
        let mut all = keys(&before.0);
        all.extend(keys(&after.0));
        format!("{{\"v\":1,\"active\":\"{active}\",\"keys\":{}}}\n", serde_json::to_string(&all).unwrap())
    };
    let both = both(&log.kek());
    let steps = vec![before.clone(), (both.clone(), before.1), (both, after.1.clone()), after];
    (log, used, steps)
}

#[test]
fn a_rotation_that_crashed_at_any_step_is_gone_on_with() {
    let (log, used, steps) = steps_of_a_rotation();
    let newest = log.kek();
    for (place, (kek, keyring)) in steps.iter().enumerate() {
        for half_written in ["", "keyring.tmp", "kek.tmp"] {
            log.put("kek", kek);
            log.put("keyring", keyring);
            if !half_written.is_empty() {
                fs::write(log.file(half_written), "{\"v\":1,\"or").unwrap();
            }
            assert_eq!(log.found(&files(), &used), used, "{place} {half_written}");
            // The key that was made is the one that wraps, and it is alone.
            assert_eq!(log.in_file(), [log.kek()], "{place} {half_written}");
            assert!(place == 0 || log.kek() == newest, "{place}");
            assert_eq!(log.found(&files(), &used), used, "{place} {half_written}");
        }
    }
}

#[test]
fn a_rotation_that_failed_leaves_keys_that_open() {
    for blocked in ["kek.tmp", "keyring.tmp"] {
        let (log, used) = Log::created(&files());
        let before = log.kek();
        let keys = log.open(&files()).unwrap();
        fs::create_dir(log.file(blocked)).unwrap();
        assert!(matches!(keys.rotate_kek(), Err(SecretsError::Io { .. })), "{blocked}");
        assert_eq!((log.kek(), keys.kek()), (before.clone(), before.clone()));
        assert_eq!(Used::of(&keys, used.page.0), used);
        fs::remove_dir(log.file(blocked)).unwrap();
        // What is made next is wrapped like all the rest.
        let index = *keys.index_key("2026-12".parse().unwrap()).unwrap().as_bytes();
        assert_eq!(log.found(&files(), &used), used, "{blocked}");
        let found = log.open(&files()).unwrap();
        assert_eq!(found.existing_index_key("2026-12".parse().unwrap()).unwrap().as_bytes(), &index);
        keys.rotate_kek().unwrap();
        assert_eq!(log.in_file(), [log.kek()], "{blocked}");
        assert_eq!(log.found(&files(), &used), used, "{blocked}");
    }
}

#[test]
fn a_keyring_that_was_set_aside_keeps_its_key() {
    let (log, used) = Log::created(&files());
    let before = log.kek();
    fs::copy(log.file("keyring"), log.file("keyring.before-1700000000000")).unwrap();
    log.open(&files()).unwrap().rotate_kek().unwrap();
    let mut both = [before, log.kek()];
    both.sort();
    assert_eq!(log.in_file(), both);
    fs::remove_file(log.file("keyring.before-1700000000000")).unwrap();
    assert_eq!(log.found(&files(), &used), used);
    assert_eq!(log.in_file(), [log.kek()]);
    // Of one that can't be read nobody knows what wraps it.
    fs::write(log.file("keyring.before-1"), "?").unwrap();
    let keys = log.open(&files()).unwrap();
    keys.rotate_kek().unwrap();
    assert_eq!(log.in_file().len(), 2);
}

#[test]
fn keys_are_made_and_read_while_the_key_that_wraps_them_changes() {
    let (log, used) = Log::created(&files());
    let keys = log.open(&files()).unwrap();
    let pages = std::thread::scope(|scope| {
        let makers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut made = Vec::new();
                    for _ in 0..20 {
                        for places in keys.page_for(RESERVATION_RECORDS_MAX / 2).unwrap() {
                            assert_eq!(keys.page(places.page).unwrap().as_bytes(), places.key.as_bytes());
                            made.push((places.page, *places.key.as_bytes()));
                        }
                    }
                    made
                })
            })
            .collect();
        for _ in 0..20 {
            keys.rotate_kek().unwrap();
        }
        makers.into_iter().flat_map(|maker| maker.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(log.in_file(), [log.kek()]);
    assert_eq!(log.found(&files(), &used), used);
    let found = log.open(&files()).unwrap();
    assert!(pages.iter().all(|(id, key)| found.page(*id).unwrap().as_bytes() == key));
}
