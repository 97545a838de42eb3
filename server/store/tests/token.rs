//! Keys that wrap keyrings in a PKCS#11 token: `SoftHSM`, where `scripts/install-softhsm.sh` has put it.
//!
//! `SoftHSM` is told its directory by the environment alone, so the tests that use it run in a process of their own, which
//! [`a_token_wraps_keyrings`] starts.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use cairnlog_store::secrets::{
    EnvironmentKeks, KekSource, KekSources, LogKeys, SecretsError, TokenKeks, TokenSettings,
};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, KeyType, ObjectClass};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use tempfile::TempDir;
use zeroize::Zeroizing;

const ORIGIN: &str = "log.example/hr";
const NOTE: &str = "PRIVATE+KEY+log.example/hr+00000000+AQ==";
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const PIN: &str = "24681357";
const MODULE: &str = "CAIRNLOG_TEST_SOFTHSM";

fn module() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/softhsm/usr/lib/softhsm");
    let places = [PathBuf::from("/usr/lib/softhsm"), PathBuf::from("/usr/lib64/softhsm"), root];
    places.map(|dir| dir.join("libsofthsm2.so")).into_iter().find(|file| file.exists())
}

#[test]
fn a_token_wraps_keyrings() {
    let Some(module) = module() else {
        // Not by a macro, whose output is captured.
        let words = "SKIPPED a_token_wraps_keyrings: no SoftHSM; run scripts/install-softhsm.sh\n";
        std::io::stderr().write_all(words.as_bytes()).unwrap();
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens");
    fs::create_dir(&tokens).unwrap();
    let conf = dir.path().join("softhsm2.conf");
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        tokens.display()
    );
    fs::write(&conf, text).unwrap();
    let ran = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--test-threads=1", "--nocapture"])
        .env("SOFTHSM2_CONF", &conf)
        .env(MODULE, &module)
        .output()
        .unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && told.contains("6 passed"), "{told}");
    assert!(!told.contains(PIN), "{told}");
}

/// A token of a test's own, with a key `first` in it; nothing where the test was not started as it should be.
fn token(label: &str) -> Option<TokenSettings> {
    let module = PathBuf::from(std::env::var_os(MODULE)?);
    let pin = AuthPin::new(PIN.into());
    let pkcs11 = pkcs11(&module);
    let slots = pkcs11.get_all_slots().unwrap();
    let is_free = |slot: &cryptoki::slot::Slot| !pkcs11.get_token_info(*slot).unwrap().token_initialized();
    let slot = slots.into_iter().find(is_free).unwrap();
    pkcs11.init_token(slot, &pin, label).unwrap();
    let session = pkcs11.open_rw_session(slot).unwrap();
    session.login(UserType::So, Some(&pin)).unwrap();
    session.init_pin(&pin).unwrap();
    session.logout().unwrap();
    let settings = TokenSettings {
        module,
        token: label.to_owned(),
        key: "first".to_owned(),
        pin: Zeroizing::new(PIN.to_owned()),
    };
    TokenKeks::create_key(settings.clone()).unwrap();
    Some(settings)
}

fn pkcs11(module: &Path) -> Pkcs11 {
    let pkcs11 = Pkcs11::new(module).unwrap();
    // Only the first time in a process.
    let _ = pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK));
    pkcs11
}

/// A session of the test's own.
fn session(of: &TokenSettings) -> Session {
    let pkcs11 = pkcs11(&of.module);
    let slots = pkcs11.get_slots_with_initialized_token().unwrap();
    let is_it = |slot: &cryptoki::slot::Slot| pkcs11.get_token_info(*slot).unwrap().label() == of.token;
    let session = pkcs11.open_rw_session(slots.into_iter().find(is_it).unwrap()).unwrap();
    let _ = session.login(UserType::User, Some(&AuthPin::new(PIN.into())));
    session
}

fn wrapped_by(settings: &TokenSettings) -> KekSources {
    KekSources::new(KekSource::Token, None, Some(TokenKeks::open(settings.clone()).unwrap()))
}

fn refusal(settings: TokenSettings) -> String {
    let error = TokenKeks::open(settings).unwrap_err();
    assert!(matches!(error, SecretsError::Token { .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains(PIN));
    error.to_string()
}

fn created(sources: &KekSources) -> (TempDir, PathBuf, LogKeys) {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("hr");
    let keys = LogKeys::create(&dir, ORIGIN, &[Zeroizing::new(NOTE.to_owned())], sources).unwrap();
    (parent, dir, keys)
}

fn kek(dir: &Path) -> String {
    let text = fs::read_to_string(dir.join("keyring")).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["kek"].as_str().unwrap().to_owned()
}

#[test]
#[ignore = "a_token_wraps_keyrings runs it"]
fn what_a_token_wrapped_opens_there_alone() {
    let Some(settings) = token("alone") else { return };
    let sources = wrapped_by(&settings);
    let (_parent, dir, keys) = created(&sources);
    let places = keys.page_for(1).unwrap().remove(0);
    assert_eq!(kek(&dir), "pkcs11:first");
    assert!(!dir.join("kek").exists());
    let found = LogKeys::open(&dir, ORIGIN, &sources).unwrap();
    assert_eq!(found.page(places.page).unwrap().as_bytes(), places.key.as_bytes());
    assert_eq!(found.pseudonym_key().as_bytes(), keys.pseudonym_key().as_bytes());
    let error = LogKeys::open(&dir, ORIGIN, &KekSources::default()).unwrap_err();
    assert!(error.to_string().contains("pkcs11_module"), "{error}");
    // Another token, whose key has the same label.
    let other = token("other").unwrap();
    let error = LogKeys::open(&dir, ORIGIN, &wrapped_by(&other)).unwrap_err();
    assert!(matches!(error, SecretsError::Unwrap { .. } | SecretsError::Token { .. }), "{error}");
}

#[test]
#[ignore = "a_token_wraps_keyrings runs it"]
fn no_entry_opens_in_anothers_place() {
    let Some(settings) = token("places") else { return };
    let sources = wrapped_by(&settings);
    let (_parent, dir, keys) = created(&sources);
    keys.page_for(1).unwrap();
    let text = fs::read_to_string(dir.join("keyring")).unwrap();
    let ring: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (first, second) = (ring["pages"]["1"].as_str().unwrap(), ring["pages"]["2"].as_str().unwrap());
    fs::write(dir.join("keyring"), text.replace(first, "*").replace(second, first).replace('*', second))
        .unwrap();
    let error = LogKeys::open(&dir, ORIGIN, &sources).unwrap_err();
    assert!(matches!(error, SecretsError::Unwrap { .. } | SecretsError::Token { .. }), "{error}");
    fs::write(dir.join("keyring"), text).unwrap();
    assert!(LogKeys::open(&dir, ORIGIN, &sources).is_ok());
}

#[test]
#[ignore = "a_token_wraps_keyrings runs it"]
fn keys_move_between_all_sources_and_to_another_label() {
    let Some(first) = token("moves") else { return };
    let second = TokenSettings { key: "second".to_owned(), ..first.clone() };
    TokenKeks::create_key(second.clone()).unwrap();
    let environment = || Some(EnvironmentKeks::parse(KEY).unwrap());
    let token = |settings: &TokenSettings| Some(TokenKeks::open(settings.clone()).unwrap());
    let (_parent, dir, keys) = created(&KekSources::default());
    let places = keys.page_for(1).unwrap().remove(0);
    let steps = [
        (KekSources::new(KekSource::Environment, environment(), None), "env:58a8d0d4"),
        (KekSources::new(KekSource::Token, environment(), token(&first)), "pkcs11:first"),
        (KekSources::new(KekSource::Token, None, token(&second)), "pkcs11:second"),
        (KekSources::new(KekSource::Environment, environment(), token(&second)), "env:58a8d0d4"),
        (KekSources::new(KekSource::Token, environment(), token(&first)), "pkcs11:first"),
        (KekSources::new(KekSource::File, None, token(&second)), ""),
        (KekSources::new(KekSource::File, None, None), ""),
    ];
    for (sources, id) in steps {
        let found = LogKeys::open(&dir, ORIGIN, &sources).unwrap();
        assert_eq!(found.page(places.page).unwrap().as_bytes(), places.key.as_bytes(), "{id}");
        assert!(if id.is_empty() { kek(&dir).len() == 8 } else { kek(&dir) == id }, "{id}");
        assert_eq!(dir.join("kek").exists(), id.is_empty(), "{id}");
    }
    let keys = LogKeys::open(&dir, ORIGIN, &wrapped_by_file_and(&first)).unwrap();
    drop(keys);
    let keys = LogKeys::open(&dir, ORIGIN, &wrapped_by(&first)).unwrap();
    let error = keys.rotate_kek().unwrap_err();
    assert!(error.to_string().contains("pkcs11_key"), "{error}");
}

fn wrapped_by_file_and(settings: &TokenSettings) -> KekSources {
    KekSources::new(KekSource::File, None, Some(TokenKeks::open(settings.clone()).unwrap()))
}

#[test]
#[ignore = "a_token_wraps_keyrings runs it"]
fn what_is_wrong_with_a_token_is_said() {
    let Some(settings) = token("wrong") else { return };
    let with = |change: fn(&mut TokenSettings)| {
        let mut changed = settings.clone();
        change(&mut changed);
        changed
    };
    assert!(refusal(with(|of| of.module = "/nowhere/hsm.so".into())).contains("/nowhere/hsm.so"));
    assert!(refusal(with(|of| of.token = "nobody".to_owned())).contains("no token of that label"));
    assert!(refusal(with(|of| of.key = "third".to_owned())).contains("no AES key"));
    assert!(refusal(with(|of| of.key = "a key".to_owned())).contains("label"));
    let again = TokenKeks::create_key(settings.clone()).unwrap_err();
    assert!(again.to_string().contains("already"), "{again}");
    session(&settings).logout().unwrap();
    let wrong = TokenSettings { pin: Zeroizing::new("00000000".to_owned()), ..settings.clone() };
    assert!(refusal(wrong).to_lowercase().contains("pin"));
    assert!(TokenKeks::open(settings).is_ok());
}

#[test]
#[ignore = "a_token_wraps_keyrings runs it"]
fn a_key_that_can_leave_the_token_is_refused() {
    let Some(settings) = token("leaves") else { return };
    for (label, sensitive, extractable) in [("a", true, true), ("b", false, false), ("c", false, true)] {
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::ValueLen(32.into()),
            Attribute::Label(label.into()),
            Attribute::Token(true),
            Attribute::Sensitive(sensitive),
            Attribute::Extractable(extractable),
        ];
        session(&settings).generate_key(&Mechanism::AesKeyGen, &template).unwrap();
        let error = refusal(TokenSettings { key: label.to_owned(), ..settings.clone() });
        assert!(error.contains("can leave it"), "{error}");
    }
}

#[test]
#[ignore = "a_token_wraps_keyrings runs it"]
fn a_session_that_has_ended_is_begun_anew() {
    let Some(settings) = token("ends") else { return };
    let sources = wrapped_by(&settings);
    let (_parent, dir, keys) = created(&sources);
    keys.page_for(1).unwrap();
    session(&settings).logout().unwrap();
    let index = *keys.index_key("2026-11".parse().unwrap()).unwrap().as_bytes();
    let found = LogKeys::open(&dir, ORIGIN, &sources).unwrap();
    assert_eq!(found.index_key("2026-11".parse().unwrap()).unwrap().as_bytes(), &index);
}
